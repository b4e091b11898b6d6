//! What a load costs at a point of the spectrum.

use serde::{Deserialize, Serialize};

use super::{
    grid::{Grid, Kind},
    table::{Gas, Step},
};
use crate::cost::{batches::MEMPOOL, figures::number};

/// L1 blocks in a day.
pub const BLOCKS_PER_DAY: f64 = 7_200.0;
/// Roots that a batch can write.
const ENTRIES: f64 = 512.0;
/// Gas of a transaction (EIP-7825).
const TX_GAS: f64 = 16_777_216.0;
/// Bytes of a batch that a mempool takes, with what goes around it.
const BYTES: f64 = (MEMPOOL - 260) as f64;

/// What users do.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// How many there are.
    pub users: u64,
    /// Payments of each in a day.
    pub daily: f64,
    /// Share of payments whose parties share a cohort, beside those that do so by chance.
    pub locality: f64,
}

/// How they are served.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// Depth of cohorts; 0: a root for each user.
    pub depth: u8,
    /// Whether each cohort is leased to the proposer who serves it.
    pub leased: bool,
    /// Most payments within a cohort that are put into one step.
    pub per_step: usize,
    /// Blocks between batches.
    pub interval: u64,
    /// Proposers, among whom payments are shared.
    pub proposers: u64,
}

/// What that comes to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Served {
    /// Cohorts, or roots at depth 0.
    pub cohorts: f64,
    /// Share of payments within a cohort.
    pub within: f64,
    /// Payments of an interval, of all proposers.
    pub payments: f64,
    /// Batches of an interval, of each proposer.
    pub batches: f64,
    /// Payments in a batch.
    pub batch: f64,
    /// Roots that a batch writes.
    pub roots: f64,
    /// Gas of posting, for each payment.
    pub gas: f64,
    /// Bytes on L1, for each payment.
    pub bytes: f64,
    /// Gas of proving a lie about the dearest of its steps.
    pub proof: f64,
    /// Bytes of that evidence.
    pub evidence: f64,
    /// Proof gas of that step: the ceiling that the batch must have.
    pub ceiling: f64,
}

impl Load {
    /// Payments of so many blocks.
    pub fn payments(&self, blocks: u64) -> f64 {
        number(self.users) * self.daily * number(blocks) / BLOCKS_PER_DAY
    }

    /// Cohorts of a depth that they fill.
    pub fn cohorts(&self, depth: u8) -> f64 {
        (number(self.users) / f64::from(1_u32 << depth)).ceil().max(1.0)
    }

    /// Share of payments within a cohort, with those that are so by chance.
    pub fn within(&self, depth: u8) -> f64 {
        if depth == 0 {
            return 0.0;
        }
        self.locality + (1.0 - self.locality) / self.cohorts(depth)
    }

    /// What serving it costs. None if steps of that size do not fit into such cohorts.
    pub fn served(&self, grid: &Grid, place: Place) -> Option<Served> {
        let (cohorts, within) = (self.cohorts(place.depth), self.within(place.depth));
        let payments = self.payments(place.interval);
        let each = payments / number(place.proposers);
        let mut batches = 1.0;
        loop {
            let batch = each / batches;
            let made = Batch::new(grid, place, cohorts, within, batch)?;
            if made.fits() || batch < 1.0 {
                let steps = made.steps;
                let dearest = |of: fn(&Step) -> f64| steps.iter().flatten().map(of).fold(0.0, f64::max);
                return Some(Served {
                    cohorts,
                    within,
                    payments,
                    batches,
                    batch,
                    roots: made.roots,
                    // Less than one payment in an interval: a batch waits until there is one.
                    gas: made.gas.paid() / batch.max(1.0),
                    bytes: made.gas.bytes / batch.max(1.0),
                    proof: dearest(|step| step.proof),
                    evidence: dearest(|step| step.evidence),
                    ceiling: dearest(|step| step.bound),
                });
            }
            batches = (batches * made.excess()).ceil().max(batches + 1.0);
        }
    }
}

/// An expected batch.
struct Batch {
    gas: Gas,
    roots: f64,
    /// Within cohorts, and across.
    steps: [Option<Step>; 2],
}

impl Batch {
    /// Payments are spread over cohorts evenly and at random.
    fn new(grid: &Grid, place: Place, cohorts: f64, within: f64, payments: f64) -> Option<Self> {
        let payments = payments.max(1.0);
        let touched = |touches: f64| cohorts * -f64::exp_m1(touches * f64::ln_1p(-1.0 / cohorts.max(1.000_001)));
        let kind = if place.leased { Kind::Credited } else { Kind::Pairs };
        let local = if place.depth == 0 { payments } else { within * payments };
        let across = payments - local;
        let mut gas = grid.base();
        let mut steps = [None; 2];
        let mut root = None;
        if local > 0.0 {
            // Payments of a cohort in a batch; a step takes as many as it may, the last one of a cohort half as many.
            let full = number(u64::try_from(place.per_step).ok()?);
            let group = if place.depth == 0 {
                1.0
            } else {
                (local / touched(local)).max(1.0)
            };
            let count = (group / full + (full - 1.0) / (2.0 * full)).max(1.0);
            let step = grid.step_of(place.depth, kind, (group / count).clamp(1.0, full))?;
            gas = gas.plus(step.again, local * count / group);
            root = Some(step.root);
            steps[0] = grid.step(place.depth, kind, place.per_step);
        }
        if across > 1e-9 {
            let step = grid.step(place.depth, Kind::Across, 1)?;
            gas = gas.plus(step.again, across);
            root = root.or(Some(step.root));
            steps[1] = Some(step);
        }
        let touches = if place.depth == 0 {
            2.0 * payments
        } else {
            local + 2.0 * across
        };
        let roots = touched(touches).max(1.0);
        Some(Self {
            gas: gas.plus(root?, roots),
            roots,
            steps,
        })
    }

    /// By how much it exceeds what a batch may have; at most 1: it does not.
    fn excess(&self) -> f64 {
        let by = [self.roots / ENTRIES, self.gas.bytes / BYTES, self.gas.paid() / TX_GAS];
        by.into_iter().fold(0.0, f64::max)
    }

    fn fits(&self) -> bool {
        self.excess() <= 1.0
    }
}
