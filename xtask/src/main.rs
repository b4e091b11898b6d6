//! Build, test and check the repository: `cargo xtask --help`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

fn main() {}
