//! Proofs that wait.

use nthroot_node::fees::FeePolicy;
use rand::{Rng, SeedableRng, rngs::StdRng};
use rayon::prelude::*;

use super::{
    bidder::Bidder,
    environment::Environment,
    prices::{PROOFS, Proof},
    scenario::{SLOTS_PER_MINUTE, Scenario},
};

/// Blocks after which a trial is given up: the window of a day.
pub const HORIZON: u64 = 7_200;

/// What became of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Blocks after the one of the lie in which it was included; none within the horizon.
    pub waited: Option<u64>,
    /// Wei that it paid.
    pub cost: u128,
}

/// What is tried out.
#[derive(Debug, Clone, Copy)]
pub struct Trials<'a> {
    /// Under which circumstances.
    pub scenario: &'a Scenario,
    /// What the blocks are like.
    pub environments: &'a [Environment],
    /// What is sent.
    pub proof: &'a Proof,
    /// Its place among the proofs for which environments know what it takes to get in.
    pub place: usize,
    /// How it bids.
    pub policy: FeePolicy,
    /// How often.
    pub count: u64,
    /// Of all that is random.
    pub seed: u64,
}

impl Trials<'_> {
    /// What became of each: the lie is in a block of any environment, at any time of the scenario's event.
    pub fn run(&self) -> Vec<Outcome> {
        (0..self.count)
            .into_par_iter()
            .map(|trial| {
                let mut random = StdRng::seed_from_u64(self.seed ^ trial.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                self.one(&mut random)
            })
            .collect()
    }

    fn one(&self, random: &mut StdRng) -> Outcome {
        let never = Outcome { waited: None, cost: 0 };
        let Some(environment) = self
            .environments
            .get(random.random_range(0..self.environments.len().max(1)))
        else {
            return never;
        };
        let event = environment.event(self.scenario);
        if event.is_empty() || self.place >= PROOFS {
            return never;
        }
        let start = random.random_range(0..event.len());
        let mut bidder = Bidder::new(self.policy, self.proof.limit, self.proof.used);
        let Some(minutes) = self.scenario.reorganised else {
            return self.wait(environment, start, 0, u64::MAX, &mut bidder, random);
        };
        // Until then it may be included once, for nothing. The branch has a block in each slot that is not missed.
        let slots = minutes * SLOTS_PER_MINUTE;
        let branch = (0..slots).filter(|_| !random.random_bool(self.scenario.missed)).count();
        let branch = u64::try_from(branch).unwrap_or(u64::MAX);
        let first = self.wait(environment, start, 0, branch, &mut bidder, random);
        let again = self.wait(environment, start, branch, u64::MAX, &mut bidder, random);
        Outcome {
            waited: again.waited,
            // What it paid on the branch that is gone is its own again.
            cost: if again.waited.is_some() { again.cost } else { first.cost },
        }
    }

    /// Offers it from block `from` after the lie, until it is included or block `until` is there.
    fn wait(
        &self,
        environment: &Environment,
        start: usize,
        from: u64,
        until: u64,
        bidder: &mut Bidder,
        random: &mut StdRng,
    ) -> Outcome {
        for waited in from..HORIZON.min(until) {
            let number = start + usize::try_from(waited).unwrap_or_default();
            let (Some(now), Some(next)) = (environment.block(number), environment.block(number + 1)) else {
                break;
            };
            let Some(offer) = bidder.tick(waited, next.base_fee, now.suggested) else {
                continue;
            };
            if random.random_bool(self.scenario.censored) {
                continue;
            }
            let tip = bidder.want(offer).effective_tip(next.base_fee);
            let enters = |tip: u128| next.entry[self.place].is_none_or(|least| tip > least);
            if let Some(tip) = tip.filter(|tip| enters(*tip)) {
                let price = u128::from(next.base_fee) + tip;
                return Outcome {
                    waited: Some(waited + 1),
                    cost: price.saturating_mul(self.proof.used.into()),
                };
            }
        }
        Outcome { waited: None, cost: 0 }
    }
}

/// What many trials say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Blocks that half of all waited at most.
    pub median: Option<u64>,
    /// Blocks that 99 of 100 waited at most.
    pub p99: Option<u64>,
    /// The longest wait; none if one was not included within the horizon.
    pub most: Option<u64>,
    /// Mean of what the included paid, in wei; none if none was.
    pub cost: Option<u128>,
}

impl Summary {
    /// Of these outcomes.
    pub fn of(outcomes: &[Outcome]) -> Self {
        let mut waits: Vec<u64> = outcomes
            .iter()
            .map(|outcome| outcome.waited.unwrap_or(u64::MAX))
            .collect();
        waits.sort_unstable();
        let at = |per_cent: usize| {
            // The least wait that so many of a hundred do not exceed.
            let place = (waits.len() * per_cent).div_ceil(100).saturating_sub(1);
            waits.get(place).copied().filter(|wait| *wait != u64::MAX)
        };
        let included = outcomes.iter().filter(|outcome| outcome.waited.is_some());
        let count = u128::try_from(included.clone().count()).unwrap_or_default();
        Self {
            median: at(50),
            p99: at(99),
            most: at(100),
            cost: included.map(|outcome| outcome.cost).sum::<u128>().checked_div(count),
        }
    }
}

/// The share of proofs that are not included within a window.
pub fn missed(outcomes: &[Outcome], window: u64) -> f64 {
    let late = outcomes
        .iter()
        .filter(|outcome| outcome.waited.is_none_or(|waited| waited > window));
    let count = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    count(late.count()) / count(outcomes.len().max(1))
}
