//! `nthroot node`, run as people run it, on chains of their own.

mod chain;
mod kills;
mod life;
#[path = "../rules/net.rs"]
mod net;
mod papers;
mod refusals;
mod running;
