//! Who may spend what of a key's ether: a pure account of what stands under its nonces.

use std::collections::BTreeMap;

use super::entry::Entry;
use crate::sender::TRANSFER_GAS;

/// Wei that a nonce may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stake {
    is_proof: bool,
    /// As it stands.
    cost: u128,
    /// If it makes room for a proof: cancelled, should it be no proof itself.
    least: u128,
    /// If it must be raised as far as its budget goes, should it be a proof.
    most: u128,
}

/// What a key has, and what stands under its nonces. Nodes take nothing that all of it together does not leave the ether for.
#[derive(Debug, Default)]
pub(super) struct Funds {
    total: u128,
    stakes: BTreeMap<u64, Stake>,
}

impl Funds {
    /// Of a key that has so many wei, less what is on its way and not for us to decide.
    pub(super) fn new(total: u128) -> Self {
        let stakes = BTreeMap::new();
        Self { total, stakes }
    }

    /// Takes up a nonce, what stands under it, and the most that the proof which it shall serve can come to need, if it is one.
    pub(super) fn add(&mut self, nonce: u64, entry: Option<&Entry>, proof: Option<u128>) {
        let last = entry.and_then(Entry::last);
        let cost = last.map_or(0, |last| last.offer.cost(last.gas));
        let stake = match proof {
            Some(most) => Stake {
                is_proof: true,
                cost,
                least: cost,
                most: cost.max(most),
            },
            None => Stake {
                is_proof: false,
                cost,
                // A cancellation offers a quarter more.
                least: cost.min(last.map_or(0, |last| last.offer.cost(2 * TRANSFER_GAS))),
                most: cost,
            },
        };
        self.stakes.insert(nonce, stake);
    }

    /// A nonce costs so much from now on.
    pub(super) fn set(&mut self, nonce: u64, cost: u128) {
        if let Some(stake) = self.stakes.get_mut(&nonce) {
            *stake = Stake {
                is_proof: stake.is_proof,
                cost,
                least: if stake.is_proof { cost } else { stake.least.min(cost) },
                most: if stake.is_proof { stake.most.max(cost) } else { cost },
            };
        }
    }

    /// What a nonce may be raised to. Proofs take what all else can do without, and all else what no proof can come to need.
    pub(super) fn room(&self, nonce: u64) -> u128 {
        let is_proof = self.stakes.get(&nonce).is_some_and(|stake| stake.is_proof);
        self.less(nonce, |other| if is_proof { other.least } else { other.most })
    }

    /// What is left for a nonce beside all others as they stand.
    pub(super) fn left(&self, nonce: u64) -> u128 {
        self.less(nonce, |other| other.cost)
    }

    fn less(&self, nonce: u64, weight: impl Fn(&Stake) -> u128) -> u128 {
        let others = self.stakes.iter().filter(|(other, _)| **other != nonce);
        let taken = others.map(|(_, stake)| weight(stake)).fold(0, u128::saturating_add);
        self.total.saturating_sub(taken)
    }
}
