//! What is deployed: each contract with its address, which follows from its creation code.

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol_types::{SolCall, SolConstructor},
};
use nthroot_bindings::{Account, Bridge, Credit, FraudVerifier, Pool, RuleRegistry, Swap, bridge::IBridge};
use serde::{Deserialize, Serialize};

use super::{
    Deployment, Parameters,
    factory::{self, FACTORY},
};
use crate::{rules, sender::Call};

/// Which contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// The registry of rules.
    Registry,
    /// The enshrined rule.
    Account,
    /// The verifier.
    Verifier,
    /// The Swap rule.
    Swap,
    /// The Pool rule.
    Pool,
    /// The Credit rule.
    Credit,
    /// The bridge.
    Bridge,
}

impl Kind {
    /// In words.
    pub const fn says(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Account => "Account rule",
            Self::Verifier => "verifier",
            Self::Swap => "Swap rule",
            Self::Pool => "Pool rule",
            Self::Credit => "Credit rule",
            Self::Bridge => "bridge",
        }
    }

    /// Its contract, as the sources name it.
    pub const fn contract(self) -> &'static str {
        match self {
            Self::Registry => "RuleRegistry",
            Self::Account => "Account",
            Self::Verifier => "FraudVerifier",
            Self::Swap => "Swap",
            Self::Pool => "Pool",
            Self::Credit => "Credit",
            Self::Bridge => "Bridge",
        }
    }

    /// The file of that contract.
    pub const fn source(self) -> &'static str {
        match self {
            Self::Registry => "contracts/RuleRegistry.sol",
            Self::Account => "contracts/rules/Account.sol",
            Self::Verifier => "contracts/FraudVerifier.sol",
            Self::Swap => "contracts/rules/Swap.sol",
            Self::Pool => "contracts/rules/Pool.sol",
            Self::Credit => "contracts/rules/Credit.sol",
            Self::Bridge => "contracts/Bridge.sol",
        }
    }

    /// Whether it is a rule: created by the registry, without a constructor.
    pub const fn is_rule(self) -> bool {
        matches!(self, Self::Account | Self::Swap | Self::Pool | Self::Credit)
    }

    /// Its runtime code as the compiler leaves it, with zeros for immutables.
    pub fn runtime(self) -> &'static Bytes {
        match self {
            Self::Registry => &RuleRegistry::DEPLOYED_BYTECODE,
            Self::Account => &Account::DEPLOYED_BYTECODE,
            Self::Verifier => &FraudVerifier::DEPLOYED_BYTECODE,
            Self::Swap => &Swap::DEPLOYED_BYTECODE,
            Self::Pool => &Pool::DEPLOYED_BYTECODE,
            Self::Credit => &Credit::DEPLOYED_BYTECODE,
            Self::Bridge => &Bridge::DEPLOYED_BYTECODE,
        }
    }

    /// Its creation code, without arguments.
    pub fn creation(self) -> &'static Bytes {
        match self {
            Self::Registry => &RuleRegistry::BYTECODE,
            Self::Account => &Account::BYTECODE,
            Self::Verifier => &FraudVerifier::BYTECODE,
            Self::Swap => &Swap::BYTECODE,
            Self::Pool => &Pool::BYTECODE,
            Self::Credit => &Credit::BYTECODE,
            Self::Bridge => &Bridge::BYTECODE,
        }
    }
}

/// A contract of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Which.
    pub kind: Kind,
    /// Where it is, or will be.
    pub address: Address,
    /// What its constructor is called with, encoded. Rules have none.
    pub arguments: Bytes,
    /// The transaction that makes it.
    pub call: Call,
}

/// All contracts of a deployment, in the order in which they are made. The bridge is the last: when it is there, all is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What the bridge is deployed with.
    pub parameters: Parameters,
    /// What sets this bridge apart from others of the same parameters. Registry, rules and verifier depend on their code alone, and are
    /// shared by all bridges of a chain.
    pub salt: B256,
    /// The contracts.
    pub pieces: Vec<Piece>,
}

impl Plan {
    /// Registry, verifier, bridge, and the rules that come with them.
    pub fn new(parameters: &Parameters, salt: B256) -> Self {
        let registry = made(Kind::Registry, B256::ZERO, Vec::new());
        let rule = |kind: Kind| register(registry.address, kind);
        let account = rule(Kind::Account);
        let verifier = FraudVerifier::constructorCall {
            account: account.address,
        };
        let verifier = made(Kind::Verifier, B256::ZERO, verifier.abi_encode());
        let caps = parameters.caps.iter().map(|(token, cap)| IBridge::AssetCap {
            token: *token,
            cap: *cap,
        });
        let bridge = Bridge::constructorCall {
            window: U256::from(parameters.window),
            insuredGasPrice: U256::from(parameters.insured_gas_price),
            minLock: U256::from(parameters.min_lock),
            verifier: verifier.address,
            registry: registry.address,
            caps: caps.collect(),
        };
        let bridge = made(Kind::Bridge, salt, bridge.abi_encode());
        let [swap, pool, credit] = [Kind::Swap, Kind::Pool, Kind::Credit].map(rule);
        Self {
            parameters: parameters.clone(),
            salt,
            pieces: vec![registry, account, verifier, swap, pool, credit, bridge],
        }
    }

    /// Without the rules that the kernel does not know: anybody can register them later.
    #[must_use]
    pub fn without_rules(mut self) -> Self {
        self.pieces
            .retain(|piece| !piece.kind.is_rule() || piece.kind == Kind::Account);
        self
    }

    /// Where a contract of it is; zero if it is none of its own.
    pub fn address(&self, kind: Kind) -> Address {
        self.piece(kind).map_or(Address::ZERO, |piece| piece.address)
    }

    /// A contract of it.
    pub fn piece(&self, kind: Kind) -> Option<&Piece> {
        self.pieces.iter().find(|piece| piece.kind == kind)
    }

    /// What it is when the bridge was made in this block.
    pub fn deployment(&self, chain_id: u64, deployment_block: u64) -> Deployment {
        Deployment {
            chain_id,
            deployment_block,
            bridge: self.address(Kind::Bridge),
            verifier: self.address(Kind::Verifier),
            registry: self.address(Kind::Registry),
            account: self.address(Kind::Account),
            parameters: self.parameters.clone(),
        }
    }
}

/// What the factory makes.
fn made(kind: Kind, salt: B256, arguments: Vec<u8>) -> Piece {
    let initcode = [kind.creation().as_ref(), &arguments].concat();
    Piece {
        kind,
        address: FACTORY.create2_from_code(salt, &initcode),
        arguments: arguments.into(),
        call: Call::new(FACTORY, factory::calldata(salt, &initcode)),
    }
}

/// What the registry makes.
fn register(registry: Address, kind: Kind) -> Piece {
    let runtime = kind.runtime().clone();
    let address = rules::address_of(registry, &runtime);
    Piece {
        kind,
        address,
        arguments: Bytes::new(),
        call: Call::new(registry, RuleRegistry::registerCall { runtime }.abi_encode()),
    }
}
