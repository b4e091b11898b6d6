//! Schedules: honest batches, really signed, are built on the chain as it is, and posted when it is another: late, reordered,
//! after other proposers' batches and deposits, on a chain that was reorganised. Whatever the chain does, no applied step of
//! theirs is a lie and nothing convicts them. And every lie whose pre-states are valid convicts, whenever it is posted.
//!
//! `NTHROOT_SCHEDULES` sets how many schedules run. The number of a schedule is its seed.
#![allow(clippy::print_stdout, reason = "what the schedules reached")]

mod fraud;
mod lies;
#[path = "../rollback/random.rs"]
mod random;
mod steps;
mod store;
mod world;

use std::{
    collections::BTreeMap,
    panic::{self, AssertUnwindSafe},
    time::Instant,
};

use crate::{
    lies::Lie,
    random::{Rng, shrink},
    steps::{Seed, USERS},
    store::{Store, Visit},
    world::{Action, PROPOSERS, World},
};

/// What must have happened beside every lie.
const REACHED: [&str; 29] = [
    "applied",
    "applied in part",
    "applied at the greatest age",
    "applied after a reorganisation",
    "applied during a freeze",
    "refused: clock",
    "refused: clock was replaced",
    "refused: slot in use",
    "refused: nothing applied",
    "credited under a lease",
    "lease until the clock",
    "lease over at inclusion",
    "signed until the clock",
    "signature over at inclusion",
    "secp256k1",
    "P-256",
    "WebAuthn",
    "pays",
    "pays a leaf",
    "opens",
    "opens a cohort",
    "opens a leaf",
    "withdraws",
    "sets a controller",
    "sets a lease",
    "copied by another proposer",
    "lie: another's lease",
    "convicted",
    "rolled back",
];

fn deposit(rng: &mut Rng) -> Action {
    Action::Deposit {
        user: rng.below(USERS),
        amount: 1 + u128::from(rng.next() % 100),
    }
}

fn schedule(seed: u64) -> Vec<Action> {
    let mut rng = Rng(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let mut actions = World::begin();
    let count = 15 + rng.below(40);
    for _ in 0..count {
        let pick = rng.pick();
        let action = match rng.below(100) {
            0..26 => Action::Build {
                proposer: rng.below(PROPOSERS.len()),
                age: [0, 0, 0, 1, 3, rng.next() % 32][rng.below(6)],
                steps: (0..=rng.below(4)).map(|_| Seed::random(&mut rng)).collect(),
            },
            26..46 => Action::Post {
                pick,
                evidence: rng.next(),
            },
            46..51 => Action::Copy {
                pick,
                proposer: rng.below(PROPOSERS.len()),
            },
            51..68 => Action::Lie {
                pick,
                step: rng.pick(),
                lies: (0..4).map(|_| Lie::ALL[rng.below(Lie::ALL.len())]).collect(),
                stays: rng.percent(40),
            },
            68..83 => Action::Advance([1, 1, 1, 1, 1, 2, 3, 30][rng.below(8)]),
            83..87 => deposit(&mut rng),
            87..91 => {
                let deepest = [2, 6, 35][rng.below(3)];
                Action::Reorganise(1 + rng.below(deepest))
            }
            91..97 => Action::Convict {
                pick,
                entries: rng.percent(30),
            },
            _ => Action::Resolve,
        };
        // Half of what is built is posted in the next block, so that chains grow. Some of the rest is built when the present block
        // has something new in it, which is then replaced by something else of the same id.
        let is_build = matches!(action, Action::Build { .. });
        let post = [
            Action::Advance(1),
            Action::Post {
                pick,
                evidence: rng.next(),
            },
        ];
        match pick.below(10) {
            0..5 if is_build => {
                actions.push(action);
                actions.extend(post);
            }
            5..7 if is_build => {
                let replaced = [deposit(&mut rng), action, Action::Reorganise(1), deposit(&mut rng)];
                actions.push(Action::Advance(1));
                actions.extend(replaced);
                actions.extend(post);
            }
            _ => actions.push(action),
        }
    }
    actions
}

/// Runs a schedule and tells what it reached. A panic, in the model or here, is a failure like others. With `stored` the ledger
/// is written down and read again on the way.
fn run(actions: &[Action], stored: Option<u64>) -> Result<BTreeMap<String, u64>, String> {
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new();
        let mut store = stored.map(|seed| (Store::default(), Rng(seed)));
        for (number, action) in actions.iter().enumerate() {
            let failed = |failure| format!("action {number}: {failure}");
            world.act(action).map_err(failed)?;
            if let Some((store, rng)) = &mut store
                && store.visit(&mut world.ledger, &PROPOSERS, rng).map_err(failed)? == Visit::Read
            {
                world.count("read from rows");
            }
        }
        Ok(world.coverage)
    }));
    outcome.unwrap_or_else(|_| Err("a panic".into()))
}

#[test]
fn no_honest_proposer_is_convicted_and_every_lie_can_be() {
    let lies = Lie::ALL.iter().map(|lie| format!("lie: {lie:?}"));
    let expected = REACHED.iter().map(ToString::to_string).chain(lies);
    check_schedules(250, |_| None, &expected.collect::<Vec<_>>());
}

#[test]
fn a_ledger_from_its_rows_goes_on_as_the_one_that_wrote_them() {
    let expected = [
        "read from rows",
        "reorganised",
        "convicted",
        "rolled back",
        "opens a leaf",
        "applied during a freeze",
    ];
    check_schedules(100, Some, &expected.map(ToString::to_string));
}

/// What is expected to be reached is that of so many schedules; fewer may miss some of it.
fn check_schedules(own: u64, stored: impl Fn(u64) -> Option<u64>, expected: &[String]) {
    let schedules = std::env::var("NTHROOT_SCHEDULES").map_or(own, |count| count.parse().expect("a number"));
    let mut coverage: BTreeMap<String, u64> = BTreeMap::new();
    let start = Instant::now();
    for seed in 0..schedules {
        let actions = schedule(seed);
        match run(&actions, stored(seed)) {
            Ok(reached) => reached
                .into_iter()
                .for_each(|(what, count)| *coverage.entry(what).or_default() += count),
            Err(failure) => {
                let shrunk = shrink(actions, |actions| run(actions, stored(seed)).is_err());
                let again = run(&shrunk, stored(seed)).expect_err("it fails");
                panic!("schedule {seed}: {failure}\nshrunk to {shrunk:#?}\n{again}");
            }
        }
    }
    println!("schedules 0 to {schedules} in {:.1?}", start.elapsed());
    for (what, count) in &coverage {
        println!("  {count:>9}  {what}");
    }
    let missing: Vec<&String> = expected.iter().filter(|what| !coverage.contains_key(*what)).collect();
    assert!(schedules < own || missing.is_empty(), "never reached: {missing:?}");
}
