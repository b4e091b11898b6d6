//! The node against the contracts, on a local chain.

mod affording;
mod claiming;
mod cohorts;
mod deployment;
mod doubting;
mod engine;
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
mod racing;
mod reorgs;
mod resuming;
mod rules;
mod sending;
mod sharing;
mod watching;
mod world;
