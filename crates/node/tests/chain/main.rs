//! The node against the contracts, on a local chain.

mod claiming;
mod deployment;
mod following;
mod sending;
mod watching;
mod world;
