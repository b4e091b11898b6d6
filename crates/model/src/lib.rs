//! The reference model: kernel and rules in plain Rust, written from the specification. No I/O, no EVM.
