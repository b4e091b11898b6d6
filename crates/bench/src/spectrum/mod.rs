//! Where between one root per user and one for all: cost, proofs, contention, roll-backs, and what each point gives up.

pub mod advise;
pub mod blast;
pub mod contention;
pub mod grid;
pub mod load;
pub mod table;

mod charts;
mod colony;
mod figures;

use figures::Drawn;
use grid::{DEPTHS, OPERATIONS};

use crate::{Options, cost::Schedule, report::Section};

/// The section of the report. It measures everything anew, which takes seconds; the committed figures are for `advise`.
pub fn section(options: &Options) -> Section {
    let grid = |schedule| move || grid::measure(schedule, &DEPTHS, &OPERATIONS);
    let (osaka, amsterdam) = rayon::join(grid(Schedule::Osaka), grid(Schedule::Amsterdam));
    let drawn = Drawn {
        osaka: &osaka,
        amsterdam: &amsterdam,
        seed: options.seed,
    };
    Section {
        id: "spectrum".to_owned(),
        title: "One root per user, or one for all?".to_owned(),
        text: TEXT.map(str::to_owned).to_vec(),
        figures: drawn.figures(),
    }
}

const TEXT: [&str; 6] = [
    "A user's assets lie under a root of their own (depth 0), or under that of a cohort of up to 2^depth users. Between them all is the \
     same: the same rules, signatures and proofs. What differs is how many slots a payment changes, how long the paths of a proof are, and \
     who waits for whom.",
    "Measured on the real contracts, at depths 0, 1, 2, 4, 8, 12, 16, 20 and 24 and up to 60 payments in a step: a step more in a batch, and a whole \
     proof of a lie about it among 1,000 steps. All nodes beside the paths are taken, so no sibling is empty. What is paid is an \
     issued asset, whose id has 32 bytes: a payment of ether costs about a twentieth less to post. What lies between measured depths or \
     numbers is on the line between them. Loads are sums of these: payments at random over users, cohorts touched once each as expected, and as \
     many batches as the limits make it (512 roots, 128 KiB, 2^24 gas).",
    "What a step holds: 16 fragments, of which leaf 0 of each cohort is one, and 15 roots for the first time; so 7 pairs, or 15 users in a ring, who \
     sign once to pay and to be paid. A call returns 64 effects: so 60 payments, if each of 15 pays four others under one signature. \
     More take another step. Depth 1 has no two users beside its header: local payments there are reckoned as at depth 2.",
    "Contention: batches that are built on the same heads, in any order; the first that touches a root makes the steps of the others on it stale, and \
     with them what these batches build on such steps (section 4.5 of the specification). By an exact formula where each payment touches one root, else \
     simulated; both are held against contracts and model in tests. A lease ends it within a cohort; then payments across cohorts \
     of different leaseholders find nobody who may post them.",
    "A roll-back takes whole batches: all that touch a head that falls. One batch after the other at these loads, a lie that stands for ten batches \
     takes most of the bridge along unless each user has a root and batches are small; what limits it is the time until the proof, not the depth.",
    "Finality is the same at every point: the window, from the batch on. So is what a liar can steal: nothing, while one watcher is heard.",
];
