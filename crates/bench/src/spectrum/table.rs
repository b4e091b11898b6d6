//! The grid as it is committed, and what lies between its points.

use std::{path::PathBuf, sync::OnceLock};

use serde::Serialize;

use super::grid::{DEPTHS, Grid, Kind, OPERATIONS, Part, Point, measure};
use crate::cost::{Schedule, figures::number};

/// As it was measured last.
const COMMITTED: &str = include_str!("../../data/spectrum.json");

/// The committed grid of a schedule.
///
/// # Panics
///
/// If the file is not what [`write`] writes, which a test excludes.
pub fn committed(schedule: Schedule) -> &'static Grid {
    static GRIDS: OnceLock<Vec<Grid>> = OnceLock::new();
    let grids = GRIDS.get_or_init(|| serde_json::from_str(COMMITTED).expect("written by this crate"));
    let grid = grids.iter().find(|grid| grid.schedule == schedule);
    grid.expect("of both schedules")
}

/// Measures everything and writes the file anew: a line for each point.
///
/// # Errors
///
/// If it cannot be written.
pub fn write() -> std::io::Result<()> {
    let grids = Schedule::BOTH.map(|schedule| {
        let Grid { batch, points, .. } = measure(schedule, &DEPTHS, &OPERATIONS);
        let points: Vec<String> = points.iter().map(line).collect();
        format!(
            "{{\"schedule\":{},\"batch\":{},\"points\":[\n{}\n]}}",
            line(&schedule),
            line(&batch),
            points.join(",\n")
        )
    });
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/spectrum.json");
    std::fs::write(path, format!("[{}]\n", grids.join(",\n")))
}

fn line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain numbers")
}

/// Gas between points that were measured.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Gas {
    /// Execution and calldata.
    pub executed: f64,
    /// At the calldata floor.
    pub floor: f64,
    /// Bytes of calldata.
    pub bytes: f64,
}

impl Gas {
    /// What is paid.
    pub const fn paid(self) -> f64 {
        self.executed.max(self.floor)
    }

    /// The sum of both, `times` the other.
    #[must_use]
    pub fn plus(self, other: Self, times: f64) -> Self {
        Self {
            executed: self.executed + times * other.executed,
            floor: self.floor + times * other.floor,
            bytes: self.bytes + times * other.bytes,
        }
    }
}

impl From<Part> for Gas {
    fn from(part: Part) -> Self {
        Self {
            executed: number(part.executed),
            floor: number(part.floor),
            bytes: number(part.bytes),
        }
    }
}

/// A step between those that were measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Step {
    /// One more, on roots that the batch has touched.
    pub again: Gas,
    /// What each root costs that the batch touches for the first time, beside that.
    pub root: Gas,
    /// Gas of a proof.
    pub proof: f64,
    /// Bytes of evidence.
    pub evidence: f64,
    /// Proof gas.
    pub bound: f64,
}

impl Step {
    fn of(point: &Point) -> Self {
        let (first, again) = (Gas::from(point.first), Gas::from(point.again));
        let roots = number(u64::try_from(point.roots).unwrap_or(u64::MAX));
        Self {
            again,
            root: Gas::default().plus(first, 1.0 / roots).plus(again, -1.0 / roots),
            proof: number(point.proof),
            evidence: number(u64::try_from(point.evidence).unwrap_or(u64::MAX)),
            bound: number(point.bound),
        }
    }

    fn between(self, other: Self, share: f64) -> Self {
        let mix = |a: f64, b: f64| a + share * (b - a);
        let gas = |a: Gas, b: Gas| Gas::default().plus(a, 1.0 - share).plus(b, share);
        Self {
            again: gas(self.again, other.again),
            root: gas(self.root, other.root),
            proof: mix(self.proof, other.proof),
            evidence: mix(self.evidence, other.evidence),
            bound: mix(self.bound, other.bound),
        }
    }
}

impl Grid {
    /// The batch beside its steps.
    pub fn base(&self) -> Gas {
        self.batch.into()
    }

    /// A step of this kind and as many payments as were measured. Between depths that were measured: on the line between them. Below the least depth at
    /// which there are so many users: as there, where evidence is longer. Depth 0 is its own.
    pub fn step(&self, depth: u8, kind: Kind, operations: usize) -> Option<Step> {
        let points = self.points.iter();
        let mut points = points
            .filter(|point| (point.kind, point.operations) == (kind, operations) && (point.depth == 0) == (depth == 0));
        let mut below = points.next()?;
        if depth <= below.depth {
            return Some(Step::of(below));
        }
        for above in points {
            if depth <= above.depth {
                let share = f64::from(depth - below.depth) / f64::from(above.depth - below.depth);
                return Some(Step::of(below).between(Step::of(above), share));
            }
            below = above;
        }
        Some(Step::of(below))
    }

    /// A step of a number of payments between those that were measured: on the line between them.
    pub fn step_of(&self, depth: u8, kind: Kind, operations: f64) -> Option<Step> {
        let measured = OPERATIONS.into_iter().filter_map(|operations| {
            let step = self.step(depth, kind, operations)?;
            Some((number(u64::try_from(operations).unwrap_or(u64::MAX)), step))
        });
        let mut below = None;
        for (count, step) in measured {
            match below {
                _ if operations == count => return Some(step),
                Some((less, before)) if operations < count => {
                    return Some(Step::between(before, step, (operations - less) / (count - less)));
                }
                None if operations < count => return None,
                _ => below = Some((count, step)),
            }
        }
        None
    }
}
