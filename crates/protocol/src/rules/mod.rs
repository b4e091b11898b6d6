//! The languages of the rules that come with the bridge: payloads, data and meanings (sections 6.4 and 11).

pub mod account;
pub mod pool;
pub mod swap;
