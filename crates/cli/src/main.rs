//! The `nthroot` command: the only crate that prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

fn main() {}
