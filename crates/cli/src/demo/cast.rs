//! Who takes part, and what each of them should have.

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    signers::local::PrivateKeySigner,
};
use clap::ValueEnum;
use eyre::{Result, WrapErr};
use nthroot_node::{L1, Mined, Sender};

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Deploys the contracts and funds the others.
    Deployer,
    /// A user.
    Alice,
    /// A user.
    Bob,
    /// Is paid while she is away: she sends nothing and needs no ether.
    Carol,
    /// Proposes honest batches.
    Paula,
    /// Proposes lies.
    Mallory,
    /// Watches L1, and nothing else.
    Wanda,
}

impl Role {
    pub(crate) const ALL: [Self; 7] = [
        Self::Deployer,
        Self::Alice,
        Self::Bob,
        Self::Carol,
        Self::Paula,
        Self::Mallory,
        Self::Wanda,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Deployer => "Deployer",
            Self::Alice => "Alice",
            Self::Bob => "Bob",
            Self::Carol => "Carol",
            Self::Paula => "Paula",
            Self::Mallory => "Mallory",
            Self::Wanda => "Wanda",
        }
    }
}

/// One of them.
pub(crate) struct Actor {
    pub(crate) role: Role,
    pub(crate) key: PrivateKeySigner,
    pub(crate) sender: Sender,
    /// Ether on L1 at the start.
    pub(crate) eth_before: U256,
    /// Tokens on L1 at the start.
    pub(crate) token_before: U256,
    /// What went for gas.
    pub(crate) fees: U256,
    /// Ether sent with transactions.
    pub(crate) sent: U256,
    /// Ether that came in: from the bridge, or for a claim.
    pub(crate) received: U256,
}

impl Actor {
    pub(crate) fn new(role: Role, key: PrivateKeySigner, l1: &L1) -> Self {
        Self {
            role,
            sender: Sender::new(l1.clone(), key.clone()),
            key,
            eth_before: U256::ZERO,
            token_before: U256::ZERO,
            fees: U256::ZERO,
            sent: U256::ZERO,
            received: U256::ZERO,
        }
    }

    pub(crate) const fn address(&self) -> Address {
        self.sender.address()
    }

    /// Enters a transaction in the books.
    pub(crate) fn book(&mut self, mined: &Mined, value: U256) {
        self.fees += mined.fee();
        self.sent += value;
    }

    /// What its L1 balance must be now, if the books are right.
    pub(crate) fn eth_expected(&self) -> U256 {
        self.eth_before + self.received - self.sent - self.fees
    }
}

/// A key for a role, or for one of many users, that follows from the deployer's: so nothing is lost on a chain that stays.
pub(crate) fn derived_key(deployer: &PrivateKeySigner, name: &str) -> Result<PrivateKeySigner> {
    let secret: B256 = keccak256([deployer.to_bytes().as_slice(), b"nthroot demo", name.as_bytes()].concat());
    PrivateKeySigner::from_bytes(&secret).wrap_err("no key of that hash")
}
