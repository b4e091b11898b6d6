//! Batches of every size: what each more operation costs, and where it ends.

use alloy::sol_types::SolCall;
use nthroot_bindings::Bridge;
use nthroot_model::builder::{BatchBuilder, StepError, StepPlan};
use nthroot_protocol::Batch;
use nthroot_stage::{
    crowd::Crowd,
    stage::{MALLORY, Stage},
    town::Town,
};

use super::{
    run::send,
    schedule::{Cost, Schedule},
};

/// Bytes that a transaction may have in the mempools of geth and reth.
pub const MEMPOOL: usize = 128 * 1_024;
/// Bytes of a transaction beside its calldata, at most: fees, nonce, addresses, signature and their lengths.
const ENVELOPE: usize = 160;

/// What the batches are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A pays B, roots of their own.
    Transfer,
    /// Four users exchange four tokens, roots of their own.
    Ring,
    /// A user sells ether to one pool, whose root all steps share.
    Sale,
    /// One leaf pays another in one cohort of depth 20.
    Cohort,
    /// A user withdraws.
    Withdrawal,
    /// A user opens a root for somebody.
    Opening,
}

impl Kind {
    /// All.
    pub const ALL: [Self; 6] = [
        Self::Transfer,
        Self::Cohort,
        Self::Ring,
        Self::Sale,
        Self::Withdrawal,
        Self::Opening,
    ];

    /// What an operation is.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transfer => "transfer between two roots",
            Self::Ring => "4-party swap of 4 tokens",
            Self::Sale => "sale to one pool",
            Self::Cohort => "transfer in a cohort of depth 20",
            Self::Withdrawal => "withdrawal",
            Self::Opening => "opening a root for somebody",
        }
    }

    /// Users whom a step serves: who would each send a transaction on L1.
    pub const fn users(self) -> u64 {
        if matches!(self, Self::Ring) { 4 } else { 1 }
    }

    /// Slots that a batch of so many steps updates and sets, beside its own word, the bond and the last id.
    const fn roots(self, steps: u64) -> (u64, u64) {
        match self {
            Self::Transfer => (2 * steps, 0),
            Self::Ring => (4 * steps, 0),
            Self::Sale => (steps + 1, 0),
            Self::Cohort => (1, 0),
            Self::Withdrawal => (steps, 0),
            Self::Opening => (steps, steps),
        }
    }

    /// Rules of the table that it uses.
    const fn rules(self) -> usize {
        match self {
            Self::Ring => 1,
            Self::Sale => 2,
            _ => 0,
        }
    }
}

/// A batch.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// Its steps.
    pub steps: u64,
    /// Users whom it serves.
    pub users: u64,
    /// What it costs.
    pub cost: Cost,
    /// What it cannot cost less than with these roots and this calldata.
    pub least: u64,
}

/// Batches of a kind.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// Of what.
    pub kind: Kind,
    /// By size.
    pub points: Vec<Point>,
    /// Why there is none that is larger.
    pub binds: &'static str,
}

/// Batches of these sizes and the largest, of each kind.
pub(super) fn sweeps(schedule: Schedule, sizes: &[usize]) -> Vec<Sweep> {
    let mut ether = Crowd::new(schedule.spec(), 513, 1);
    let pool = ether.pool();
    ether.settle();
    let mut tokens = Crowd::new(schedule.spec(), 512, 4);
    let warm = [tokens.transfer(0, 1)];
    tokens.happens(&warm);
    tokens.settle();
    let mut town = Town::new(schedule.spec());
    town.stage.mine(2 * (town.stage.l1.parameters.window + 1));
    Kind::ALL
        .into_iter()
        .map(|kind| {
            let plan = |nth: usize| -> StepPlan {
                match kind {
                    Kind::Transfer => ether.transfer(2 * nth, 2 * nth + 1),
                    Kind::Ring => tokens.ring(4 * nth, 4),
                    Kind::Sale => ether.sale(nth, pool),
                    Kind::Cohort => town.transfer(nth),
                    Kind::Withdrawal => ether.withdrawal(nth),
                    Kind::Opening => ether.opening(nth),
                }
            };
            let stage = match kind {
                Kind::Ring => &tokens.stage,
                Kind::Cohort => &town.stage,
                _ => &ether.stage,
            };
            let table = match kind {
                Kind::Ring => tokens.book.table(),
                _ => ether.book.table(),
            };
            let mut stage_now = stage.clone();
            let posting = stage_now.posting(MALLORY);
            let rules = table.into_iter().take(kind.rules()).collect();
            let builder = BatchBuilder::new(&stage.ledger, posting).rule_table(rules);
            sweep(schedule, kind, stage, builder, plan, sizes)
        })
        .collect()
}

fn sweep(
    schedule: Schedule,
    kind: Kind,
    stage: &Stage,
    mut builder: BatchBuilder<'_>,
    plan: impl Fn(usize) -> StepPlan,
    sizes: &[usize],
) -> Sweep {
    let mut points = Vec::new();
    let mut bytes = 61 + 20 * kind.rules();
    let mut note = |batch: &Batch| points.push(point(schedule, kind, stage, batch));
    let mut nth = 0;
    let binds = loop {
        if sizes.contains(&nth) {
            note(&builder.build().expect("complete"));
        }
        let ready = match builder.evaluate(&plan(nth)) {
            Ok(ready) => ready,
            Err(StepError::TooManyEntries(_)) => break "512 anchors in a batch",
            Err(StepError::TooManyWithdrawals(_)) => break "255 withdrawals in a batch",
            Err(error) => panic!("{}: {error}", kind.name()),
        };
        bytes += ready.step().encoded_length();
        // Selector, offset, length, and padding to whole words.
        if 68 + bytes.next_multiple_of(32) + ENVELOPE > MEMPOOL {
            break "128 KiB in a transaction";
        }
        builder.add(ready);
        nth += 1;
    };
    if !sizes.contains(&nth) {
        note(&builder.build().expect("complete"));
    }
    Sweep { kind, points, binds }
}

fn point(schedule: Schedule, kind: Kind, stage: &Stage, batch: &Batch) -> Point {
    let call = Bridge::submitCall {
        batch: batch.encode().into(),
    };
    let data = call.abi_encode();
    let (intrinsic, floor) = schedule.intrinsic(&data);
    let mut l1 = stage.l1.clone();
    let bridge = l1.bridge;
    let (cost, receipt) = send(&mut l1, MALLORY, bridge, 0, data);
    assert_eq!(receipt.logs.len(), 1, "posted, and no step skipped");
    let steps = u64::try_from(batch.steps.len()).expect("few");
    let (updated, new) = kind.roots(steps);
    let slots = updated * schedule.slot_update() + new * schedule.slot_new();
    Point {
        steps,
        users: steps * kind.users(),
        cost,
        least: floor.max(intrinsic + slots),
    }
}
