//! Gas under congestion: the base fee to the wei, blocks, demand, and proofs that wait.

mod fees;
mod real;
mod simulated;
