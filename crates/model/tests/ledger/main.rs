//! The ledger and the builder, against the specification.

mod bonds;
mod builder;
mod claims;
mod faults;
mod honest;
mod liars;
mod submission;
mod walks;
mod world;
