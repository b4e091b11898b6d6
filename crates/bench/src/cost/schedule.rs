//! The gas rules that everything is measured under.

use alloy::primitives::U256;
use nthroot_evm::SpecId;
use revm::context_interface::cfg::gas_params::{Eip2780TxInfo, GasId, GasParams};
use serde::{Deserialize, Serialize};

/// Gas rules of L1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Those in force since 2025-12-03.
    Osaka,
    /// Those planned with Glamsterdam: EIP-2780, 7708, 7976, 7981, 8037 and 8038, as revm has them.
    Amsterdam,
}

impl Schedule {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Osaka, Self::Amsterdam];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Osaka => "Osaka",
            Self::Amsterdam => "Amsterdam",
        }
    }

    /// As the EVM calls it.
    pub const fn spec(self) -> SpecId {
        match self {
            Self::Osaka => SpecId::OSAKA,
            Self::Amsterdam => SpecId::AMSTERDAM,
        }
    }

    /// What a transaction without value and with this calldata pays before it does anything, and at least.
    pub fn intrinsic(self, data: &[u8]) -> (u64, u64) {
        let decomposed = (self == Self::Amsterdam).then_some(Eip2780TxInfo {
            value: U256::ZERO,
            is_self_transfer: false,
        });
        let gas = self.prices().initial_tx_gas(data, false, 0, 0, 0, decomposed);
        (gas.initial_regular_gas(), gas.floor_gas())
    }

    /// Gas of changing a slot that is neither zero nor touched before in the transaction.
    pub fn slot_update(self) -> u64 {
        let prices = self.prices();
        prices.sstore_static_gas() + prices.cold_storage_cost() + prices.sstore_reset_without_cold_load_cost()
    }

    /// Gas of setting a slot that is zero and not touched before in the transaction.
    pub fn slot_new(self) -> u64 {
        let prices = self.prices();
        prices.sstore_static_gas()
            + prices.cold_storage_cost()
            + prices.sstore_set_without_load_cost()
            + prices.get(GasId::sstore_set_state_gas())
    }

    fn prices(self) -> GasParams {
        GasParams::new_spec(self.spec())
    }
}

/// What a whole transaction costs, cold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cost {
    /// What the sender pays for.
    pub gas: u64,
    /// The same without the calldata floor.
    pub executed: u64,
    /// The calldata floor.
    pub floor: u64,
    /// Bytes of calldata.
    pub bytes: usize,
}
