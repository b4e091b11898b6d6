//! Twins of the rules that come with the bridge (sections 6.4 and 11).

pub mod account;
pub mod amounts;
pub mod credit;
pub mod pool;
pub mod swap;
