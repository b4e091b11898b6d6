//! Deploying the contracts, and knowing a deployment again.
//!
//! Each contract's address follows from its creation code and arguments ([`plan`]): who sends the transaction, and when, changes
//! nothing of it. So deploying can be repeated ([`run`]), and an address proves what constructor ran ([`verify()`]).

mod code;
pub mod factory;
mod manifest;
mod plan;
mod refuse;
mod run;
mod verify;

use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, U256},
    providers::Provider,
};
use nthroot_bindings::Bridge;
use nthroot_model::params::Params;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    l1::L1,
};

pub(crate) use self::code::expected;
pub use self::{
    code::{Difference, Rehearsed, rehearse},
    manifest::{Made, Manifest, Record},
    plan::{Kind, Piece, Plan},
    refuse::{Funds, Refusal, Surroundings},
    run::{Outcome, Step, deploy, deploy_apart, found, run},
    verify::{Finding, Untrue, untrue, verify},
};

/// Blocks. The longest window that a bridge takes: 365 days.
const LONGEST_WINDOW: u64 = 2_628_000;

/// Wei per gas. The highest insured price that a bridge takes.
const HIGHEST_PRICE: u64 = 1_000_000_000_000_000;

/// Wei. The highest least lock that a bridge takes.
const HIGHEST_LOCK: u128 = 1_000_000_000_000_000_000_000_000;

/// What the deployer chooses. It can never be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    /// Blocks during which a batch can be challenged.
    pub window: u64,
    /// Wei per gas at which a bond pays for a proof.
    pub insured_gas_price: u64,
    /// Least bond of a batch, wei.
    pub min_lock: u128,
    /// The assets that can be deposited (zero: ether), each with the most that the bridge may hold of it then. If none is
    /// named: any token, without bound.
    #[serde(default)]
    pub caps: BTreeMap<Address, U256>,
}

impl Parameters {
    /// What the model takes for them.
    pub(crate) fn params(&self, chain_id: u64, deployment_block: u64) -> Params {
        Params {
            chain_id,
            deployment_block,
            window: self.window,
            insured_gas_price: self.insured_gas_price.into(),
            min_lock: self.min_lock,
            caps: Some(self.caps.clone()).filter(|caps| !caps.is_empty()),
        }
    }

    /// Whether a bridge can be deployed with them (section 8 of the specification).
    ///
    /// # Errors
    ///
    /// [`Error::Parameters`], with what a bridge could have.
    pub fn check(&self) -> Result<()> {
        let refuse = |what: String| Err(Error::Parameters(what));
        if !(1..=LONGEST_WINDOW).contains(&self.window) {
            return refuse(format!(
                "a window of {} blocks: it has 1 to {LONGEST_WINDOW}",
                self.window
            ));
        }
        if !(1..=HIGHEST_PRICE).contains(&self.insured_gas_price) {
            return refuse(format!(
                "an insured gas price of {} wei: it is 1 to {HIGHEST_PRICE}",
                self.insured_gas_price
            ));
        }
        if self.min_lock > HIGHEST_LOCK {
            return refuse(format!(
                "a least lock of {} wei: it is at most {HIGHEST_LOCK}",
                self.min_lock
            ));
        }
        self.params(0, 0)
            .check()
            .map_err(|error| Error::Parameters(error.to_string()))?;
        match self.caps.iter().find(|(_, cap)| cap.is_zero()) {
            Some((token, _)) => Err(Error::Parameters(format!("the cap of {token} is zero"))),
            None => Ok(()),
        }
    }
}

/// The manifest of a deployment: everything that a node must be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// The chain.
    pub chain_id: u64,
    /// The bridge's block: ids count from it.
    pub deployment_block: u64,
    /// The bridge.
    pub bridge: Address,
    /// The verifier that it asks.
    pub verifier: Address,
    /// The registry of rules.
    pub registry: Address,
    /// The enshrined rule.
    pub account: Address,
    /// What the deployer chose.
    pub parameters: Parameters,
}

impl Deployment {
    /// Asks the contracts whether they are those of this manifest, and run this version's code.
    ///
    /// # Errors
    ///
    /// [`Error::WrongDeployment`] if not; or if the L1 node fails.
    pub async fn check(&self, l1: &L1) -> Result<()> {
        let wrong = |address, what: String| Err(Error::WrongDeployment { address, what });
        if l1.chain_id() != self.chain_id {
            return wrong(
                self.bridge,
                format!("chain {} instead of {}", l1.chain_id(), self.chain_id),
            );
        }
        // With its immutables code is known to the byte. What a view says counts once that is compared: an impostor says what is expected.
        for (kind, address) in self.contracts() {
            let found = l1.provider().get_code_at(address).await?;
            let differences = code::compare(kind, &code::expected(kind, self)?, &found)?;
            if !differences.is_empty() {
                let says: Vec<String> = differences.iter().map(ToString::to_string).collect();
                return wrong(
                    address,
                    format!("not the {} of the manifest: {}", kind.says(), says.join(", ")),
                );
            }
        }
        let caps = self.caps_of(l1).await?;
        if caps != self.parameters.caps {
            return wrong(self.bridge, format!("found caps {caps:?}"));
        }
        Ok(())
    }

    /// What a bridge cannot be without, and where that is.
    pub(crate) const fn contracts(&self) -> [(Kind, Address); 4] {
        [
            (Kind::Bridge, self.bridge),
            (Kind::Verifier, self.verifier),
            (Kind::Registry, self.registry),
            (Kind::Account, self.account),
        ]
    }

    /// The caps of the manifest's assets, as the bridge has them; and what it says of another asset, if that is not what the
    /// manifest says. The bridge does not list its assets: one that the manifest leaves out is told by its first deposit.
    async fn caps_of(&self, l1: &L1) -> Result<BTreeMap<Address, U256>> {
        let bridge = Bridge::new(self.bridge, l1.provider());
        let named = &self.parameters.caps;
        // No asset: nothing of it can ever be deposited.
        let none = self.bridge;
        let (unlisted, mut caps) = (bridge.capOf(none).call().await.map_err(contract)?, BTreeMap::new());
        for token in named.keys() {
            caps.insert(*token, bridge.capOf(*token).call().await.map_err(contract)?);
        }
        if unlisted.is_zero() == named.is_empty() {
            caps.insert(none, unlisted);
        }
        Ok(caps)
    }
}

fn word(value: U256) -> u64 {
    value.saturating_to()
}

/// Sorts the failure of a view call.
pub(crate) fn contract(error: alloy::contract::Error) -> Error {
    match error {
        alloy::contract::Error::TransportError(error) => error.into(),
        error => Error::missing(format!("answer to a view call: {error}")),
    }
}
