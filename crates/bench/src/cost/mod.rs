//! What it costs: every action in a whole cold transaction, next to what users would do on L1 instead, and to what it cannot
//! cost less than; under the gas rules of today and those planned.

pub mod batches;
pub mod schedule;

mod bridge;
pub(crate) mod charts;
pub(crate) mod figures;
mod l1;
mod proofs;
mod published;
mod rules;
mod run;

pub use l1::PublishedError;
pub use run::{Group, Row};
pub use schedule::{Cost, Schedule};

use batches::Sweep;
use figures::Both;

use crate::{Options, report::Section};

/// The section of the report.
///
/// # Errors
///
/// If the code of others is not installed.
pub fn section(options: &Options) -> Result<Section, PublishedError> {
    let measured = |schedule| move || measure(schedule, options.quick);
    let (osaka, amsterdam) = rayon::join(measured(Schedule::Osaka), measured(Schedule::Amsterdam));
    let both = Both {
        osaka: &osaka?,
        amsterdam: &amsterdam?,
    };
    Ok(Section {
        id: "cost".to_owned(),
        title: "What does it cost?".to_owned(),
        text: TEXT.map(str::to_owned).to_vec(),
        figures: both.figures(),
    })
}

const TEXT: [&str; 5] = [
    "Each figure is of a whole transaction by itself, with its intrinsic gas and its calldata at the dearer of both prices \
     (EIP-7623), sent to the real contracts in an EVM; everything it touches is cold. Under Osaka, the rules in force, and under \
     Amsterdam, those planned with Glamsterdam.",
    "Amsterdam is what revm 43 has of it: EIP-2780 (base 12,000), 7708, 7976 and 7981 (a byte of calldata at least 64), 8037 (new \
     state, at 1,530 a byte, beside the transaction's limit of 2^24) and 8038 (dearer access to state). Nothing was added by \
     arithmetic. EIP-7778 changes what a block counts, not what a sender pays; compute is priced as today, so what EIP-7904 would \
     change is not in it. The values may still change.",
    "State: the bridge holds the assets already, roots and proposer's words exist, bonds are funded; amounts are of 18 digits. Roots of \
     their own: each user has deposited once. In a cohort: depth 20, two leaves far apart, all nodes beside their paths taken. \
     On L1: holders have balances, allowances have no limit, pairs have traded before. Where an account or a balance is new, the \
     row says so.",
    "A user is one who would send a transaction of their own on L1: a transfer serves one, a ring of four serves four. \
     The floor is what nobody can go below who writes a slot for each root and sends these bytes: the transaction, its calldata, and \
     one cold slot each.",
    "On L1 users are bound to nothing by a transfer each: one can keep what it got. With Permit2 one account that all have allowed \
     moves everything. A swap here happens as a whole or not at all, without either.",
];

/// All that is measured under one schedule.
#[derive(Debug, Clone)]
pub struct Costs {
    /// The schedule.
    pub schedule: Schedule,
    /// Single actions.
    pub rows: Vec<Row>,
    /// Batches by size.
    pub sweeps: Vec<Sweep>,
}

/// Measures everything under a schedule.
///
/// # Errors
///
/// If the code of others is not installed.
///
/// # Panics
///
/// If something that is measured does not take effect.
pub fn measure(schedule: Schedule, quick: bool) -> Result<Costs, PublishedError> {
    let sizes: &[usize] = if quick {
        &[1, 10, 100]
    } else {
        &[1, 2, 5, 10, 20, 50, 100, 200, 500]
    };
    let rows = [
        bridge::coming_in(schedule),
        bridge::going_out(schedule),
        rules::operations(schedule, |base| !base.is_swap()),
        rules::exchanges(schedule),
        proofs::lies(schedule),
        bridge::roll_back(schedule, if quick { 76 } else { 256 }),
        bridge::registering(schedule),
        l1::rows(schedule)?,
    ];
    Ok(Costs {
        schedule,
        rows: rows.concat(),
        sweeps: batches::sweeps(schedule, sizes),
    })
}
