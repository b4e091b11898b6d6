//! Measured points of the spectrum: what steps cost to post and to prove, by the depth of cohorts and the payments in a step.

use nthroot_bindings::Bridge;
use nthroot_model::builder::StepPlan;
use nthroot_stage::{posting::proved, stage::MALLORY};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::colony::Colony;
use crate::cost::Schedule;

/// Depths of cohorts that are measured.
pub const DEPTHS: [u8; 9] = [0, 1, 2, 4, 8, 12, 16, 20, 24];
/// Payments in a step that are measured, as far as they fit: a step names 15 leaves beside leaf 0, or 15 roots for the first time,
/// so 7 pairs or a ring of 15; each of these can pay several others under one signature, but a call returns 64 effects at most.
pub const OPERATIONS: [usize; 8] = [1, 2, 4, 7, 8, 15, 30, 60];
/// Steps of the batch in which a lie is proved.
const STEPS: usize = 1_000;

/// Gas by how L1 reckons it: the dearer of both sums, over the whole transaction, is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Part {
    /// Execution and calldata.
    pub executed: u64,
    /// At the calldata floor.
    pub floor: u64,
    /// Bytes of calldata.
    pub bytes: u64,
}

impl Part {
    fn minus(self, other: Self) -> Self {
        Self {
            executed: self.executed - other.executed,
            floor: self.floor - other.floor,
            bytes: self.bytes - other.bytes,
        }
    }
}

/// Who pays whom in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Different users pay different others, who all sign; in one cohort, or by roots of their own.
    Pairs,
    /// The same in a cohort that is leased to the proposer: those who are paid do not sign.
    Credited,
    /// Users of one cohort pay the next each, in a ring: each signs once, to pay and to be paid.
    Ring,
    /// A user pays one of another cohort.
    Across,
}

impl Kind {
    /// All.
    pub const ALL: [Self; 4] = [Self::Pairs, Self::Credited, Self::Ring, Self::Across];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pairs => "pairs",
            Self::Credited => "pairs, leased",
            Self::Ring => "ring",
            Self::Across => "across cohorts",
        }
    }
}

/// A step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// Depth of the cohorts; 0: each user has a root.
    pub depth: u8,
    /// Payments in it.
    pub operations: usize,
    /// Who pays whom.
    pub kind: Kind,
    /// Roots that it updates.
    pub roots: usize,
    /// One more such step in a batch, on roots that the batch has not touched.
    pub first: Part,
    /// One more such step on roots that the batch has touched.
    pub again: Part,
    /// Gas of proving a lie about it, in a batch of 1,000 steps, without unwinding.
    pub proof: u64,
    /// Bytes of that evidence.
    pub evidence: usize,
    /// Proof gas of the step: what the batch's ceiling must allow.
    pub bound: u64,
}

/// All points under one schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grid {
    /// The schedule.
    pub schedule: Schedule,
    /// A batch beside its steps.
    pub batch: Part,
    /// By depth; within the cohort first, by payments.
    pub points: Vec<Point>,
}

/// Measures at these depths and numbers of payments.
pub fn measure(schedule: Schedule, depths: &[u8], operations: &[usize]) -> Grid {
    let measured: Vec<(Part, Vec<Point>)> = depths
        .par_iter()
        .map(|depth| at_depth(schedule, *depth, operations))
        .collect();
    Grid {
        schedule,
        batch: measured.first().map(|(batch, _)| *batch).unwrap_or_default(),
        points: measured.into_iter().flat_map(|(_, points)| points).collect(),
    }
}

fn at_depth(schedule: Schedule, depth: u8, operations: &[usize]) -> (Part, Vec<Point>) {
    let colony = Colony::new(schedule.spec(), depth);
    let mut leased = colony.clone();
    if depth > 0 {
        leased.lease();
    }
    // Somebody who has nothing to do with it, alone and with one more like it.
    let [alone, two] = [&[false][..], &[false, true]].map(|idle| {
        let plans: Vec<_> = idle.iter().map(|second| colony.idle(*second)).collect();
        posted(schedule, &colony, &plans)
    });
    let base = alone.minus(two.minus(alone));
    let points = Kind::ALL.into_iter().flat_map(|kind| {
        let colony = if kind == Kind::Credited { &leased } else { &colony };
        operations.iter().filter_map(move |operations| {
            let [first, again] = [0, 1].map(|earlier| colony.payments(kind, *operations, earlier));
            Some(point(schedule, colony, (depth, kind, *operations), &[first?, again?]))
        })
    });
    (base, points.collect())
}

fn point(
    schedule: Schedule,
    colony: &Colony,
    (depth, kind, operations): (u8, Kind, usize),
    [first, again]: &[StepPlan; 2],
) -> Point {
    let mut scene = colony.clone();
    let idle = colony.idle(false);
    let none = posted(schedule, colony, std::slice::from_ref(&idle));
    let one = posted(schedule, colony, &[idle.clone(), first.clone()]);
    let both = posted(schedule, colony, &[idle, first.clone(), again.clone()]);
    let bound = scene.bound(first);
    let single = scene.batch(std::slice::from_ref(first));
    let (evidence, receipt) = proved(&mut scene.stage, &single, STEPS);
    Point {
        depth,
        operations,
        kind,
        roots: single.steps[0].touches(),
        first: one.minus(none),
        again: both.minus(one),
        proof: receipt.gas,
        evidence,
        bound,
    }
}

/// What it costs to post these steps, but for the zero bytes with which calldata ends: they come to whole words.
fn posted(schedule: Schedule, colony: &Colony, plans: &[StepPlan]) -> Part {
    let mut scene = colony.clone();
    let batch = scene.batch(plans).encode();
    let bytes = batch.len();
    let call = Bridge::submitCall { batch: batch.into() };
    let receipt = scene.stage.l1.send(MALLORY, &call).expect("L1 takes it");
    assert!(
        receipt.success && receipt.logs.len() == 1,
        "posted, and no step skipped"
    );
    let padding = vec![0; bytes.next_multiple_of(32) - bytes];
    let [(executed, floor), (no, none)] = [&padding[..], &[]].map(|data| schedule.intrinsic(data));
    Part {
        executed: receipt.executed - (executed - no),
        floor: receipt.floor - (floor - none),
        bytes: u64::try_from(bytes).expect("a length"),
    }
}
