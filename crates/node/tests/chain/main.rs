//! The node against the contracts, on a local chain.

mod claiming;
mod cohorts;
mod deployment;
mod faults;
mod faulty;
mod following;
mod guarding;
mod history;
mod keeping;
mod killed;
mod outbox;
mod passkeys;
mod proposing;
mod reorgs;
mod resuming;
mod rules;
mod sending;
mod watching;
mod world;
