//! The node against the contracts, on a local chain.

mod claiming;
mod cohorts;
mod deployment;
mod faulty;
mod following;
mod guarding;
mod keeping;
mod killed;
mod outbox;
mod passkeys;
mod proposing;
mod rules;
mod sending;
mod watching;
mod world;
