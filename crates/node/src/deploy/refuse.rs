//! What is not deployed, and why: found before anything is sent.

use alloy::{
    consensus::BlockHeader as _,
    eips::{BlockNumberOrTag, eip1559::BaseFeeParams},
    primitives::{Address, U256, utils::format_ether},
    providers::Provider,
};

use super::{Plan, Rehearsed, factory};
use crate::{
    error::Result,
    l1::L1,
    sender::{MAX_TX_GAS, TRANSFER_GAS},
};

/// How many times what the transactions cost at the present fee the deployer must have: fees rise while they wait, and each is offered
/// with a gas limit above what it uses.
const HEADROOM: u64 = 2;

/// How many times the present price is offered at most for a unit of gas, after somebody has agreed to that price: a first offer is
/// about twice the base fee, and each of three replacements a quarter more.
const MOST: u128 = 4;

/// Blocks over which the time between blocks is measured.
const PACE_OF: u64 = 64;

/// Why nothing is deployed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The L1 node is of another chain than was meant.
    #[error("the L1 node is of chain {found}, and chain {expected} was asked for: name another node")]
    WrongChain {
        /// What was meant.
        expected: u64,
        /// What it is.
        found: u64,
    },
    /// A block of the chain has not the gas of the dearest proof.
    #[error(
        "a block of this chain has {found} gas: the dearest proof needs a transaction of {needed}, so that a lie could not be proved there"
    )]
    BlockGas {
        /// Gas of a transaction of the most gas.
        needed: u64,
        /// Gas of its blocks.
        found: u64,
    },
    /// Blocks come faster than was assumed: the window is shorter than it should be.
    #[error(
        "the last {blocks} blocks of this chain took {seconds} s, and the window assumes slots of {assumed} s: it would be over sooner than \
         meant. Say `slot` in the preset, and count the window in such blocks"
    )]
    Pace {
        /// Seconds.
        assumed: u64,
        /// Blocks that were looked at.
        blocks: u64,
        /// Seconds that they took.
        seconds: u64,
    },
    /// A cap is for something that is no token.
    #[error("{0} has a cap, and no code on this chain: is it of another chain?")]
    TokenWithoutCode(Address),
    /// The deployer cannot pay.
    #[error(
        "{who} has {} ether, and {} are needed: the present cost and as much again, since fees change while transactions wait",
        format_ether(*found),
        format_ether(*needed)
    )]
    Funds {
        /// The deployer.
        who: Address,
        /// Wei.
        needed: U256,
        /// Wei.
        found: U256,
    },
    /// Something else is where a contract would be.
    #[error("at {address}, where the {what} would be, is other code: take another salt, and tell us how that can be")]
    OtherCode {
        /// What should be there.
        what: &'static str,
        /// Where.
        address: Address,
    },
    /// The chain has no factory and takes none.
    #[error(
        "the chain has no deterministic-deployment factory at {}, and it cannot be put there: {why}. Ask whoever runs the chain for it",
        factory::FACTORY
    )]
    NoFactory {
        /// Why.
        why: String,
    },
    /// The bridge is there already, others have used it, and its first window is over.
    #[error(
        "the bridge {bridge} is there since block {since}, and in use: what became final before you watched nobody may have judged. Take \
         another --salt; or let --dry-run --adopt write its manifest, look through its history (`nthroot audit`), and say --adopt"
    )]
    InUse {
        /// The bridge.
        bridge: Address,
        /// Its block.
        since: u64,
    },
}

/// What is meant of the chain, beside the parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Its id. None: any.
    pub chain_id: Option<u64>,
    /// Seconds of a slot. None: however long.
    pub slot: Option<u64>,
}

impl Surroundings {
    /// Whether a chain is as meant, and can bear a bridge at all.
    ///
    /// # Errors
    ///
    /// [`Refusal::WrongChain`], [`Refusal::BlockGas`] or [`Refusal::Pace`]; or if the L1 node fails.
    pub async fn check(&self, l1: &L1) -> Result<()> {
        if let Some(expected) = self.chain_id
            && expected != l1.chain_id()
        {
            let found = l1.chain_id();
            return Err(Refusal::WrongChain { expected, found }.into());
        }
        let head = l1.header(BlockNumberOrTag::Latest).await?;
        if head.gas_limit < MAX_TX_GAS {
            return Err(Refusal::BlockGas {
                needed: MAX_TX_GAS,
                found: head.gas_limit,
            }
            .into());
        }
        let first = head.number.saturating_sub(PACE_OF);
        let blocks = head.number - first;
        if let Some(assumed) = self.slot
            && blocks > 0
        {
            let then = l1.header(first.into()).await?.timestamp;
            let seconds = head.timestamp.saturating_sub(then);
            if is_fast(assumed, blocks, seconds) {
                return Err(Refusal::Pace {
                    assumed,
                    blocks,
                    seconds,
                }
                .into());
            }
        }
        Ok(())
    }
}

/// Whether blocks that took so many seconds came more than twice as fast as slots would. A slot is missed now and then, so that the mean is
/// above: a half is no chance.
const fn is_fast(slot: u64, blocks: u64, seconds: u64) -> bool {
    seconds.saturating_mul(2) < slot.saturating_mul(blocks)
}

impl Plan {
    /// Whether each capped asset but ether is a contract.
    ///
    /// # Errors
    ///
    /// [`Refusal::TokenWithoutCode`]; or if the L1 node fails.
    pub async fn check_tokens(&self, l1: &L1) -> Result<()> {
        for token in self.parameters.caps.keys().filter(|token| !token.is_zero()) {
            if l1.provider().get_code_at(*token).await?.is_empty() {
                return Err(Refusal::TokenWithoutCode(*token).into());
            }
        }
        Ok(())
    }
}

/// What deploying costs at the present fee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Funds {
    /// Wei per gas: the base fee of the next block, and what the L1 node proposes as a tip.
    pub price: u128,
    /// Gas of all transactions that are still to be sent.
    pub gas: u64,
    /// Wei: what they cost at that price.
    pub cost: U256,
    /// Wei: what the deployer must have.
    pub needed: U256,
    /// Wei: what the deployer has.
    pub balance: U256,
}

impl Funds {
    /// Of transactions that are to be sent, and whether the factory has to be made first.
    ///
    /// # Errors
    ///
    /// If the L1 node fails.
    pub async fn of(l1: &L1, who: Address, todo: &[&Rehearsed], factory: bool) -> Result<Self> {
        let head = l1.header(BlockNumberOrTag::Latest).await?;
        let base = head.next_block_base_fee(BaseFeeParams::ethereum()).unwrap_or_default();
        let tip = l1.provider().get_max_priority_fee_per_gas().await?;
        let price = u128::from(base).saturating_add(tip);
        let (mut gas, mut ether) = (todo.iter().map(|made| made.gas).sum::<u64>(), U256::ZERO);
        if factory {
            gas += TRANSFER_GAS;
            ether = factory::missing_ether(l1).await?;
        }
        let fees = U256::from(gas) * U256::from(price);
        Ok(Self {
            price,
            gas,
            cost: fees + ether,
            needed: fees * U256::from(HEADROOM) + ether,
            balance: l1.provider().get_balance(who).await?,
        })
    }

    /// Wei per gas that is offered at most by whoever agreed to the present price.
    pub const fn most(&self) -> u128 {
        self.price.saturating_mul(MOST)
    }

    /// Whether they suffice.
    ///
    /// # Errors
    ///
    /// [`Refusal::Funds`].
    pub fn check(&self, who: Address) -> Result<(), Refusal> {
        if self.balance >= self.needed {
            return Ok(());
        }
        Err(Refusal::Funds {
            who,
            needed: self.needed,
            found: self.balance,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::is_fast;

    #[test]
    fn blocks_are_fast_when_they_come_more_than_twice_as_fast() {
        for (slot, blocks, seconds, fast) in [
            (1, 64, 63, false),
            (1, 64, 32, false),
            (1, 64, 31, true),
            (12, 64, 384, false),
            (12, 64, 383, true),
        ] {
            assert_eq!(is_fast(slot, blocks, seconds), fast, "{slot} {blocks} {seconds}");
        }
    }
}
