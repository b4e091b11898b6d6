//! Where between one root per user and one for all: cost, proofs, contention, roll-backs, and what each point gives up.

pub mod blast;
pub mod contention;
pub mod grid;
pub mod load;
pub mod table;

mod colony;
