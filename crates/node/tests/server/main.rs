//! The server on a real port, over a ledger in this process.
#![allow(clippy::print_stdout, reason = "what was measured")]

mod document;
mod limits;
mod methods;
mod operating;
mod sending;
mod subscribing;
mod world;
