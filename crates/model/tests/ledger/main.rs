//! The ledger and the builder, against the specification.

mod assignments;
mod bonds;
mod builder;
mod claims;
mod deposits;
mod faults;
mod honest;
mod liars;
mod rows;
mod storage;
mod submission;
mod walks;
mod world;
