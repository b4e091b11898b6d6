//! What a deployment fixes, and what follows from it: locks and epochs (section 8).

use alloy_primitives::U256;

/// Wei in a gwei, the unit of bonds.
pub const GWEI: u64 = 1_000_000_000;

/// Gas that the roll-back of one entry is reckoned at, beside the proof at its ceiling (section 8).
const ENTRY_GAS: u64 = 13_000;

/// What a deployment fixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
}

impl Params {
    /// What a batch locks, in gwei: `max(MIN_LOCK, 2 · (ceiling + 13,000 · entries) · INSURED_GAS_PRICE)`, rounded up. A lock
    /// beyond 64 bits saturates; no bond covers it.
    pub fn lock(&self, ceiling: u32, entry_count: u16) -> u64 {
        let gas = 2 * (u64::from(ceiling) + ENTRY_GAS * u64::from(entry_count));
        // 64 bits times 128 bits fit.
        let insured = U256::from(gas) * U256::from(self.insured_gas_price);
        let wei = insured.max(U256::from(self.min_lock));
        wei.div_ceil(U256::from(GWEI)).saturating_to()
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
