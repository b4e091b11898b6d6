//! The evaluation of steps: what is valid does what section 6 says, and each of its conditions has a step that breaks
//! nothing else.

#![allow(clippy::unwrap_used, reason = "tests")]

mod account;
mod building;
mod calls;
mod cohorts;
mod effects;
mod keys;
mod leases;
mod meanings;
mod properties;
mod scene;
mod signing;
mod valid;
mod verdict;
mod world;
