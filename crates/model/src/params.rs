//! What a deployment fixes, and what follows from it: locks and epochs (section 8).

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};

/// Wei in a gwei, the unit of bonds.
pub const GWEI: u64 = 1_000_000_000;

/// Gas that the roll-back of one entry is reckoned at, beside the proof at its ceiling (section 8).
const ENTRY_GAS: u64 = 13_000;

/// Gas that unwinding is reckoned at beside its entries (section 9).
const UNWIND_GAS: u64 = 250_000;

/// Gas of the dearest proof that a ceiling does not bound: that a step exceeds it (section 8).
const LEAST_LOCK_GAS: u128 = 6_100_000;

/// Assets that a deployment can name.
pub const MAX_CAPS: usize = 64;

/// Why no bridge is deployed with some parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParamsError {
    /// A lock would not pay for every proof.
    #[error("a least lock of {actual} wei, at least {least} is needed")]
    MinLock {
        /// What is needed, in wei.
        least: u128,
        /// What there is, in wei.
        actual: u128,
    },
    /// Too many assets are named.
    #[error("{0} assets have caps, at most 64 can")]
    TooManyCaps(usize),
}

/// What a deployment fixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Params {
    /// Chain id of L1.
    pub chain_id: u64,
    /// The block of the deployment, from which ids and epochs count.
    pub deployment_block: u64,
    /// Blocks after its own during which a batch can be challenged.
    pub window: u64,
    /// Wei for a unit of gas at which a conviction is still worth its gas.
    pub insured_gas_price: u128,
    /// Least lock of a batch, in wei.
    pub min_lock: u128,
    /// The tokens that can be deposited (zero for ether), each with the most that the bridge may hold of it then. None: any
    /// token, without bound.
    pub caps: Option<BTreeMap<Address, U256>>,
}

impl Params {
    /// The least lock that a deployment may have, in wei: `2 · 6,100,000 · INSURED_GAS_PRICE`.
    pub const fn least_min_lock(insured_gas_price: u128) -> u128 {
        insured_gas_price.saturating_mul(2 * LEAST_LOCK_GAS)
    }

    /// Whether a bridge can be deployed with these parameters.
    ///
    /// # Errors
    ///
    /// If the least lock is too low, or too many assets have caps.
    pub fn check(&self) -> Result<(), ParamsError> {
        let (least, actual) = (Self::least_min_lock(self.insured_gas_price), self.min_lock);
        if actual < least {
            return Err(ParamsError::MinLock { least, actual });
        }
        match self.caps.as_ref().map_or(0, BTreeMap::len) {
            0..=MAX_CAPS => Ok(()),
            caps => Err(ParamsError::TooManyCaps(caps)),
        }
    }

    /// What a batch locks, in gwei: `max(MIN_LOCK, 2 · (ceiling + 13,000 · entries) · INSURED_GAS_PRICE)`, rounded up. A lock
    /// beyond 64 bits saturates; no bond covers it.
    pub fn lock(&self, ceiling: u32, entry_count: u16) -> u64 {
        let gas = 2 * (u64::from(ceiling) + ENTRY_GAS * u64::from(entry_count));
        // 64 bits times 128 bits fit.
        let insured = U256::from(gas) * U256::from(self.insured_gas_price);
        let wei = insured.max(U256::from(self.min_lock));
        wei.div_ceil(U256::from(GWEI)).saturating_to()
    }

    /// What whoever unwinds an orphan gets from its proposer's bond, in gwei: `(250,000 + 13,000 · entries written) ·
    /// INSURED_GAS_PRICE`, rounded down. Beyond 64 bits it saturates; no bond covers it.
    pub fn orphan_fee(&self, entries_written: u16) -> u64 {
        let gas = UNWIND_GAS + ENTRY_GAS * u64::from(entries_written);
        let wei = U256::from(gas) * U256::from(self.insured_gas_price);
        (wei / U256::from(GWEI)).saturating_to()
    }

    /// The epoch of a block: `WINDOW + 1` blocks each, from the deployment.
    pub const fn epoch(&self, block: u64) -> u64 {
        self.offset(block) / self.window.saturating_add(1)
    }

    /// The block counted from the deployment.
    pub const fn offset(&self, block: u64) -> u64 {
        block.saturating_sub(self.deployment_block)
    }
}
