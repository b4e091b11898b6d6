//! Somebody who keeps a proof out by buying the room for it, in each block until the money is gone.
//!
//! Blocks go to whoever brings most, so the attacker must offer more than the proof for every unit of gas that the proof would find
//! free, and pays the base fee on top, which rises by an eighth in each full block.

use nthroot_node::fees::FeePolicy;
use rand::{SeedableRng, rngs::StdRng};

use super::{
    bidder::Bidder,
    block::{Order, Want, build},
    demand::{BadIntensity, Demand},
    environment::Tips,
    market::Market,
    prices::Proof,
    scenario::Scenario,
};

/// A block in which somebody stuffs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stuffed {
    /// Wei for a unit of gas.
    pub base_fee: u64,
    /// What the proof offers at most for a unit of gas, in wei.
    pub offered: u128,
    /// What the attacker has paid until then, in wei.
    pub bill: u128,
    /// Whether the proof is in it, and for how many wei.
    pub included: Option<u128>,
}

/// An attack.
#[derive(Debug, Clone, Copy)]
pub struct Attack<'a> {
    /// What else is wanted.
    pub scenario: &'a Scenario,
    /// What is to be kept out.
    pub proof: &'a Proof,
    /// How it bids.
    pub policy: FeePolicy,
    /// What the attacker has, in wei.
    pub budget: u128,
    /// Of all that is random.
    pub seed: u64,
}

impl Attack<'_> {
    /// Block by block from the one after the lie, until the proof is in one, or for so many.
    ///
    /// # Errors
    ///
    /// If the scenario's intensity makes no sense.
    pub fn run(&self, blocks: u64) -> Result<Vec<Stuffed>, BadIntensity> {
        let market = Market::MAINNET;
        let mut random = StdRng::seed_from_u64(self.seed);
        let mut demand = Demand::new(market, self.scenario.intensity)?;
        let mut bidder = Bidder::new(self.policy, self.proof.limit, self.proof.used);
        let mut base_fee = super::scenario::whole(self.scenario.price(0));
        let mut tips = Tips::default();
        let (mut bill, mut is_broke) = (0_u128, false);
        let mut stuffed = Vec::new();
        for block in 0..blocks {
            demand.slot(block, self.scenario.price(block), &mut random);
            let mut waiting = demand.waiting().to_vec();
            let others = waiting.len();
            let offer = bidder.tick(block, base_fee, tips.suggested());
            let proof = offer.map(|offer| bidder.want(offer));
            let proof_place = proof.map(|proof| {
                waiting.push(proof);
                waiting.len() - 1
            });
            // Nothing is needed against a proof that cannot pay the base fee.
            let tip = proof.and_then(|proof| proof.effective_tip(base_fee));
            if let Some(tip) = tip.filter(|_| !is_broke) {
                let gas = self.needed(market, base_fee, &waiting[..others], tip);
                let price = u128::from(base_fee) + tip + 1;
                let cost = price.saturating_mul(gas.into());
                if bill.saturating_add(cost) > self.budget {
                    is_broke = true;
                } else {
                    bill += cost;
                    waiting.push(Want {
                        gas,
                        used: gas,
                        max_fee: price,
                        tip: tip + 1,
                    });
                }
            }
            let built = build(market, base_fee, Order::Tip, &waiting);
            let is_in = proof_place.is_some_and(|place| built.taken.contains(&place));
            let paid = tip.map(|tip| (u128::from(base_fee) + tip).saturating_mul(self.proof.used.into()));
            stuffed.push(Stuffed {
                base_fee,
                offered: offer.map_or(0, |offer| offer.max_fee),
                bill,
                included: paid.filter(|_| is_in),
            });
            if is_in {
                break;
            }
            let theirs: Vec<usize> = built.taken.iter().copied().filter(|place| *place < others).collect();
            let lowest = theirs.iter().rev().take(3);
            tips.add(
                lowest
                    .filter_map(|place| waiting[*place].effective_tip(base_fee))
                    .collect(),
            );
            base_fee = market.next_base_fee(base_fee, built.gas_used);
            demand.remove(&theirs);
        }
        Ok(stuffed)
    }

    /// Gas to be bought so that the proof finds too little: the block but for what others bought who offer more than it, and for
    /// what is too little for it.
    fn needed(&self, market: Market, base_fee: u64, others: &[Want], tip: u128) -> u64 {
        let before: Vec<Want> = others
            .iter()
            .filter(|want| want.effective_tip(base_fee).is_some_and(|theirs| theirs > tip))
            .copied()
            .collect();
        let used = build(market, base_fee, Order::Tip, &before).gas_used;
        (market.gas_limit + 1)
            .saturating_sub(self.proof.limit)
            .saturating_sub(used)
    }
}
