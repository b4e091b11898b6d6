//! The base fee, to the wei.

use alloy::eips::eip1559::{BaseFeeParams, calc_next_block_base_fee};

/// What decides how the base fee moves (EIP-1559).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Market {
    /// Gas that a block has at most.
    pub gas_limit: u64,
    /// The limit is so many times what leaves the base fee as it is.
    pub elasticity: u64,
    /// The base fee moves by this part of it at most in one block.
    pub denominator: u64,
}

impl Market {
    /// Ethereum's, with the gas limit of August 2026.
    pub const MAINNET: Self = Self {
        gas_limit: 60_000_000,
        elasticity: 2,
        denominator: 8,
    };

    /// Gas of a block that leaves the base fee as it is.
    pub const fn target(self) -> u64 {
        self.gas_limit / self.elasticity
    }

    /// The base fee after a block that used so much gas, in wei.
    pub fn next_base_fee(self, base_fee: u64, gas_used: u64) -> u64 {
        let params = BaseFeeParams::new(self.denominator.into(), self.elasticity.into());
        calc_next_block_base_fee(gas_used, self.gas_limit, base_fee, params)
    }

    /// The base fees of so many full blocks on end, in wei: the first is `base_fee`.
    pub fn full_blocks(self, base_fee: u64) -> impl Iterator<Item = u64> {
        std::iter::successors(Some(base_fee), move |fee| {
            Some(self.next_base_fee(*fee, self.gas_limit))
        })
    }

    /// What it costs to fill so many blocks by oneself, in wei, if nobody else offers a tip.
    pub fn bill_of_filling(self, base_fee: u64, blocks: usize) -> u128 {
        let fees = self.full_blocks(base_fee).take(blocks).map(u128::from);
        fees.map(|fee| fee.saturating_mul(self.gas_limit.into()))
            .fold(0, u128::saturating_add)
    }
}
