//! The rules that come with the bridge: each sentence of their pages, what they promise, and what would break it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod amounts;
mod bench;
mod credit;
mod pool;
mod swap;
