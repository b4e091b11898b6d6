//! The node against the contracts, on a local chain.

mod deployment;
mod world;
