//! The reference model: kernel and rules in plain Rust, written from the specification. No I/O, no EVM.
//!
//! It follows `docs/spec.md` and never the contracts, so that a difference between the two is a finding. Section numbers
//! in the comments are sections of that page.

pub mod anchor;
pub mod authenticator;
pub mod bond;
pub mod builder;
pub mod invalid;
pub mod kernel;
pub mod ledger;
pub mod params;
pub mod rule;
pub mod rules;
pub mod signing;
pub mod walk;

mod behind;
mod call;
mod effects;
