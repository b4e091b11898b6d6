//! Random histories: lists of actions whose numbers pick among what there is when their turn comes, so that a history stays one
//! when actions are dropped from it.

use crate::random::{Pick, Rng, shrink};

/// Which anchor a fresh touch is of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Touch {
    /// Of those that can be built on, one of the three written last: so cones grow deep.
    Recent(Pick),
    /// Of those that can be built on, any: so cones join.
    Good(Pick),
    /// Any at all: it may be too new, gone, or in a cone.
    Any(Pick),
    /// As good, with the parent id of another one.
    Wrong(Pick),
}

#[derive(Debug, Clone)]
pub(crate) struct StepPlan {
    pub(crate) fresh: Vec<Touch>,
    pub(crate) opened: usize,
    pub(crate) again: Vec<Pick>,
    pub(crate) withdrawals: usize,
    pub(crate) lie: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) proposer: Pick,
    pub(crate) slot: u16,
    /// Blocks between clock and inclusion.
    pub(crate) age: u64,
    pub(crate) steps: Vec<StepPlan>,
}

/// What happens. Where there is `aimed`, the pick is among what should succeed; else among all, and what should fail has to.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    Deposit,
    Submit(Plan),
    Convict { pick: Pick, aimed: bool, entries: bool },
    Condemn { pick: Pick, aimed: bool },
    Unwind { pick: Pick, aimed: bool },
    Claim { pick: Pick, aimed: bool },
    Withdraw { proposer: Pick, percent: u64 },
    Advance(u64),
    Resolve(u64),
}

#[derive(Debug, Clone)]
pub(crate) struct History {
    pub(crate) window: u64,
    pub(crate) actions: Vec<Action>,
}

/// How often each kind of thing is done. Each history draws its own: in some all is proved and nothing rolled
/// back until the end, in others every fault is resolved at once.
struct Style {
    weights: [usize; 9],
    /// Where convictions begin: many at once, if that is late.
    calm: usize,
    /// Chance of a touch to be of what was written last.
    recent: usize,
    lies: usize,
    widest: usize,
}

impl History {
    pub(crate) fn random(seed: u64) -> Self {
        let mut rng = Rng(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let rolling = rng.below(20);
        let count = 10 + rng.below(70);
        let late = rng.percent(40);
        let style = Style {
            weights: [
                2,
                30 + rng.below(30),
                if late { 30 } else { 1 + rng.below(12) },
                rolling,
                rolling,
                rng.below(8),
                rng.below(3),
                rng.below(20),
                rng.below(3),
            ],
            calm: if late { count * 2 / 3 } else { 0 },
            recent: [10, 50, 80][rng.below(3)],
            lies: 5 + rng.below(40),
            widest: 1 + rng.below(8),
        };
        let mut actions = vec![Action::Deposit; 3 + rng.below(8)];
        actions.push(Action::Advance(1));
        for done in 0..count {
            let action = style.action(&mut rng, done);
            // Most batches are built on in the next block.
            let next = matches!(action, Action::Submit(_)) && rng.percent(70);
            actions.push(action);
            actions.extend(next.then_some(Action::Advance(1)));
        }
        Self {
            window: 4 + u64::try_from(rng.below(60)).unwrap(),
            actions,
        }
    }

    /// Drops actions as long as the history still fails.
    pub(crate) fn shrink(self, fails: impl Fn(&Self) -> bool) -> Self {
        let Self { window, actions } = self;
        let with = |actions: &[Action]| Self {
            window,
            actions: actions.to_vec(),
        };
        let actions = shrink(actions, |actions| fails(&with(actions)));
        Self { window, actions }
    }
}

impl Style {
    fn action(&self, rng: &mut Rng, done: usize) -> Action {
        let mut weights = self.weights;
        if done < self.calm {
            weights[2] = 0;
        }
        let mut place = rng.below(weights.iter().sum());
        let kind = weights.iter().position(|weight| {
            let found = place < *weight;
            place = place.saturating_sub(*weight);
            found
        });
        let (pick, aimed) = (rng.pick(), rng.percent(85));
        match kind {
            Some(0) => Action::Deposit,
            Some(1) => Action::Submit(self.plan(rng)),
            Some(2) => Action::Convict {
                pick,
                aimed,
                entries: rng.percent(20),
            },
            Some(3) => Action::Condemn { pick, aimed },
            Some(4) => Action::Unwind { pick, aimed },
            Some(5) => Action::Claim { pick, aimed },
            Some(6) => Action::Withdraw {
                proposer: pick,
                percent: rng.next() % 120,
            },
            Some(7) => Action::Advance(if rng.percent(90) { 1 } else { 1 + rng.next() % 20 }),
            _ => Action::Resolve(rng.next()),
        }
    }

    fn plan(&self, rng: &mut Rng) -> Plan {
        let steps = 1 + if rng.percent(60) { 0 } else { rng.below(4) };
        Plan {
            proposer: rng.pick(),
            slot: u16::try_from(rng.below(20)).unwrap(),
            age: if rng.percent(80) { 1 } else { 1 + rng.next() % 4 },
            steps: (0..steps).map(|_| self.step(rng)).collect(),
        }
    }

    fn step(&self, rng: &mut Rng) -> StepPlan {
        let touch = |rng: &mut Rng| match rng.below(100) {
            0..2 => Touch::Wrong(rng.pick()),
            2..6 => Touch::Any(rng.pick()),
            place if place < self.recent => Touch::Recent(rng.pick()),
            _ => Touch::Good(rng.pick()),
        };
        let (fresh, opened, again) = (1 + rng.below(self.widest), rng.below(6), rng.below(6));
        StepPlan {
            fresh: (0..fresh).map(|_| touch(rng)).collect(),
            opened: opened.saturating_sub(3),
            again: (0..again.saturating_sub(3)).map(|_| rng.pick()).collect(),
            withdrawals: rng.below(6).saturating_sub(3),
            lie: rng.percent(self.lies),
        }
    }
}
