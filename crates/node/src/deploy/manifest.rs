//! The manifest of a deployment: what all commands are told of it, and how it came to be.

use alloy::primitives::{Address, B256};
use nthroot_wallet::RuleBook;
use serde::{Deserialize, Serialize};

use super::{Deployment, Kind};

/// A deployment, where its rules are, and what deployed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The deployment.
    pub deployment: Deployment,
    /// Where its rules are.
    pub rules: RuleBook,
    /// What deployed it. Nothing relies on it but `nthroot verify`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Record>,
}

/// How a deployment came to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The version whose contracts these are.
    pub version: String,
    /// What made them.
    pub factory: Address,
    /// The bridge's salt.
    pub salt: B256,
    /// The contracts.
    pub contracts: Vec<Made>,
}

/// A contract that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Which.
    pub kind: Kind,
    /// Where.
    pub address: Address,
    /// Hash of its code.
    pub code_hash: B256,
    /// The block in which it was made. None: the L1 node has no state as old as that.
    pub block: Option<u64>,
    /// The transaction that made it. None: that is not known, or a contract made it in a transaction of other purpose.
    pub transaction: Option<B256>,
}
