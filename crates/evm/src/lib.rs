//! The compiled contracts in an in-process EVM: whole transactions, cold, under the gas rules of a chosen fork.
//!
//! [`Chain`] is a one-node L1: accounts, blocks, transactions with everything that mainnet charges for them. [`Deployed`]
//! is nthroot on it. Used by the differential tests and by gas measurements; nothing here knows the protocol.

mod chain;
mod deployed;

pub use chain::{Chain, Receipt, Rejected};
pub use deployed::{Deployed, Parameters};
pub use revm::primitives::hardfork::SpecId;
