//! A stretch of L1 on which proofs are tried out: base fees, and what it takes to get into each block.
//!
//! A proof that waits changes nothing for others until it is included, so one environment serves any number of trials exactly.

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::Serialize;

use super::{
    block::{Order, build, entry},
    demand::Demand,
    market::Market,
    prices::PROOFS,
    scenario::Scenario,
};

/// Slots before the first block that is kept, in which the demand builds up.
const WARM_UP: u64 = 60;

/// Blocks from which a node suggests a tip, tips of each, and the percentile (geth's oracle).
const SAMPLED_BLOCKS: usize = 20;
const SAMPLED_TIPS: usize = 3;
const PERCENTILE: usize = 60;

/// Wei for a unit of gas. What a node suggests at most (geth).
const MOST_SUGGESTED: u128 = 500_000_000_000;

/// A block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Block {
    /// Slots from the beginning, those without a block included.
    pub slot: u64,
    /// Wei for a unit of gas.
    pub base_fee: u64,
    /// Gas that it uses.
    pub gas_used: u64,
    /// The tip that nodes suggest after it, in wei for a unit of gas.
    pub suggested: u128,
    /// By proof: the tip that it must exceed to be in it too. None: there is room whatever it offers.
    pub entry: [Option<u128>; PROOFS],
}

/// Blocks under a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// In their order. Who runs off their end begins anew.
    pub blocks: Vec<Block>,
}

impl Environment {
    /// The blocks of a scenario's slots, for proofs with these gas limits.
    ///
    /// # Errors
    ///
    /// If the scenario's intensity makes no sense.
    pub fn simulate(scenario: &Scenario, gas: [u64; PROOFS], seed: u64) -> Result<Self, super::demand::BadIntensity> {
        let market = Market::MAINNET;
        let mut random = StdRng::seed_from_u64(seed);
        let mut demand = Demand::new(market, scenario.intensity)?;
        let mut tips = Tips::default();
        let mut blocks = Vec::new();
        let mut base_fee = super::scenario::whole(scenario.price(0));
        for slot in 0..WARM_UP + scenario.slots() {
            let since = slot.saturating_sub(WARM_UP);
            demand.slot(slot, scenario.price(since), &mut random);
            if random.random_bool(scenario.missed) {
                continue;
            }
            let waiting = demand.waiting();
            let built = build(market, base_fee, Order::Tip, waiting);
            let paid = built.taken.iter().rev().take(SAMPLED_TIPS);
            tips.add(
                paid.filter_map(|place| waiting[*place].effective_tip(base_fee))
                    .collect(),
            );
            let block = Block {
                slot: since,
                base_fee,
                gas_used: built.gas_used,
                suggested: tips.suggested(),
                entry: gas.map(|gas| entry(market, base_fee, waiting, &built, gas)),
            };
            if slot >= WARM_UP {
                blocks.push(block);
            }
            base_fee = market.next_base_fee(base_fee, built.gas_used);
            demand.remove(&built.taken);
        }
        Ok(Self { blocks })
    }

    /// The blocks of the event itself.
    pub fn event(&self, scenario: &Scenario) -> &[Block] {
        let slots = scenario.event * super::scenario::SLOTS_PER_MINUTE;
        let end = self.blocks.partition_point(|block| block.slot < slots);
        &self.blocks[..end]
    }

    /// A block, counted from the first, over and over.
    pub fn block(&self, number: usize) -> Option<&Block> {
        self.blocks.get(number % self.blocks.len().max(1))
    }
}

/// What a node knows of tips.
#[derive(Debug, Default)]
pub(super) struct Tips {
    recent: std::collections::VecDeque<Vec<u128>>,
}

impl Tips {
    /// The lowest tips of a further block.
    pub(super) fn add(&mut self, lowest: Vec<u128>) {
        self.recent.push_back(lowest);
        if self.recent.len() > SAMPLED_BLOCKS {
            self.recent.pop_front();
        }
    }

    /// What a node suggests.
    pub(super) fn suggested(&self) -> u128 {
        let mut tips: Vec<u128> = self.recent.iter().flatten().copied().collect();
        tips.sort_unstable();
        let place = tips.len().saturating_sub(1) * PERCENTILE / 100;
        tips.get(place).copied().unwrap_or_default().min(MOST_SUGGESTED)
    }
}
