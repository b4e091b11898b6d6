//! The compiled contracts in an in-process EVM: whole transactions, cold, under the gas rules of a chosen fork.
//!
//! [`Chain`] is a one-node L1: accounts, blocks, transactions with everything that mainnet charges for them. [`Deployed`]
//! is nthroot on it. [`Code`] is a rule alone, [`rule`] makes of it what the model can call: so a node judges rules of which it has
//! no twin.

mod chain;
mod code;
mod coverage;
mod deployed;
mod jumps;
pub mod metered;
pub mod rule;

pub use chain::{Chain, Receipt, Rejected};
pub use code::{Code, Outcome};
pub use deployed::{Deployed, Parameters, deployable};
pub use jumps::Jump;
pub use revm::primitives::hardfork::SpecId;
