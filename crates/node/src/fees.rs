//! What a transaction pays for its gas, block by block: a pure function, which the simulation of congestion runs too.
