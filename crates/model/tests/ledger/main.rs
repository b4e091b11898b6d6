//! The ledger and the builder, against the specification.

mod bonds;
mod claims;
mod faults;
mod honest;
mod liars;
mod submission;
mod walks;
mod world;
