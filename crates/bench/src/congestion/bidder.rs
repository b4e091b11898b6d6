//! A proof on its way, as the node's outbox keeps it: what stands, since when, and what the policy makes of it in each block.

use nthroot_node::{
    fees::{FeePolicy, Offer},
    watcher::counted_gas,
};

use super::block::Want;

/// A transaction that is offered block by block until it is in one.
#[derive(Debug, Clone, Copy)]
pub struct Bidder {
    policy: FeePolicy,
    /// Gas limit and gas that it uses.
    gas: u64,
    used: u64,
    /// What is offered, and the block after which it was signed.
    standing: Option<(Offer, u64)>,
}

impl Bidder {
    /// One that has offered nothing yet.
    pub const fn new(policy: FeePolicy, gas: u64, used: u64) -> Self {
        Self {
            policy,
            gas,
            used,
            standing: None,
        }
    }

    /// What is offered after block number `block`, for the next one, whose base fee is known. None: even the first offer would be
    /// below that, and is not sent.
    ///
    /// An outbox with this one job does the same at each tick, which a test on a real chain compares.
    pub fn tick(&mut self, block: u64, base_fee: u64, suggested_tip: u128) -> Option<Offer> {
        let base_fee = u128::from(base_fee);
        let waited = self.standing.map_or(0, |(_, since)| block.saturating_sub(since));
        let previous = self.standing.map(|(offer, _)| offer);
        let counted = counted_gas(self.used).min(self.gas);
        let offer = self.policy.offer(base_fee, suggested_tip, waited, previous, counted);
        if previous.is_none() && offer.max_fee < base_fee {
            return None;
        }
        if previous != Some(offer) {
            self.standing = Some((offer, block));
        }
        Some(offer)
    }

    /// What waits for a place in the next block.
    pub const fn want(&self, offer: Offer) -> Want {
        Want {
            gas: self.gas,
            used: self.used,
            max_fee: offer.max_fee,
            tip: offer.max_priority_fee,
        }
    }
}
