//! The wallet's commands, run as people run them, on chains of their own.

mod carried;
mod keys;
mod life;
#[path = "../rules/net.rs"]
mod net;
mod rescue;
