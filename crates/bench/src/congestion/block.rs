//! How a block is filled.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::market::Market;

/// A transaction that waits, or several alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want {
    /// Gas limit: it is taken only if so much is left in the block.
    pub gas: u64,
    /// Gas that it uses.
    pub used: u64,
    /// At most, base fee and tip together, in wei for a unit of gas.
    pub max_fee: u128,
    /// For whoever builds the block, in wei for a unit of gas.
    pub tip: u128,
}

impl Want {
    /// What the builder gets for a unit of its gas; none if it cannot pay the base fee.
    pub fn effective_tip(&self, base_fee: u64) -> Option<u128> {
        let rest = self.max_fee.checked_sub(base_fee.into())?;
        Some(rest.min(self.tip))
    }
}

/// Who comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Whoever brings the builder most, as real builders have it.
    Tip,
    /// Whoever offers most in all, as anvil has it.
    MaxFee,
}

/// A block.
#[derive(Debug, Clone, Default)]
pub struct Built {
    /// What is in it, as places in the list of what waited, in its order.
    pub taken: Vec<usize>,
    /// Gas that it uses.
    pub gas_used: u64,
}

/// Fills a block with what waits, oldest first among equals: each that can pay and for which there is room.
pub fn build(market: Market, base_fee: u64, order: Order, waiting: &[Want]) -> Built {
    let ranked = waiting.iter().enumerate().filter_map(|(place, want)| {
        let tip = want.effective_tip(base_fee)?;
        let rank = match order {
            Order::Tip => tip,
            Order::MaxFee => want.max_fee,
        };
        Some((rank, Reverse(place)))
    });
    let mut ranked: BinaryHeap<(u128, Reverse<usize>)> = ranked.collect();
    let least = waiting.iter().map(|want| want.gas).min().unwrap_or_default();
    let mut built = Built::default();
    while built.gas_used.saturating_add(least) <= market.gas_limit
        && let Some((_, Reverse(place))) = ranked.pop()
    {
        let want = &waiting[place];
        if built.gas_used.saturating_add(want.gas) <= market.gas_limit {
            built.gas_used += want.used;
            built.taken.push(place);
        }
    }
    built
}

/// The tip that one more transaction of `gas` gas must exceed to be in a block filled by tips, in wei for a unit of gas; none if
/// there is room for it whatever it pays beyond the base fee.
pub fn entry(market: Market, base_fee: u64, waiting: &[Want], built: &Built, gas: u64) -> Option<u128> {
    let mut used = 0;
    built.taken.iter().find_map(|place| {
        let want = &waiting[*place];
        used += want.used;
        (used.saturating_add(gas) > market.gas_limit)
            .then(|| want.effective_tip(base_fee))
            .flatten()
    })
}
