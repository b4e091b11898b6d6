//! Random histories that drive the ledger through causal roll-back (section 9): batches of several proposers over shared
//! anchors, lies among them, proved late and in any order, condemned and unwound in any order, while others go on. After
//! every action the ledger is compared with a plain list of all that happened.
//!
//! No signature is made: all bodies are empty, so that any step can be convicted, and the histories say which are lies. Only
//! those are ever challenged.
//!
//! `NTHROOT_ROLLBACKS` sets how many histories run. The number of a history is its seed.
#![allow(clippy::print_stdout, reason = "what the histories reached")]

mod check;
mod coverage;
mod fraud;
mod history;
mod oracle;
mod orders;
mod random;
#[path = "../schedules/store.rs"]
mod store;
mod world;

use std::{
    panic::{self, AssertUnwindSafe},
    time::Instant,
};

use crate::{
    coverage::Coverage,
    history::History,
    random::Rng,
    store::{Store, Visit},
    world::{PROPOSERS, World},
};

/// Runs a history. A panic, in the ledger or here, is a failure like others. With `stored` the ledger is written down and read
/// again on the way.
fn run(history: &History, stored: Option<u64>, coverage: &mut Coverage) -> Result<(), String> {
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(history.window);
        let mut store = stored.map(|seed| (Store::default(), Rng(seed)));
        for (number, action) in history.actions.iter().enumerate() {
            let failed = |failure| format!("after action {number}: {failure}");
            world.act(action).and_then(|()| world.verify()).map_err(failed)?;
            if let Some((store, rng)) = &mut store
                && store.visit(&mut world.ledger, &PROPOSERS, rng).map_err(failed)? == Visit::Read
            {
                world.coverage.count("read from rows");
            }
        }
        world.finish().map_err(|failure| format!("at the end: {failure}"))?;
        Ok(world.coverage)
    }));
    let reached = outcome.unwrap_or_else(|panic| Err(message(panic.as_ref())))?;
    coverage.add(reached);
    Ok(())
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_default()
}

#[test]
fn roll_back_takes_the_cones_of_faults_and_nothing_else() {
    check_histories(4_000, |_| None, Coverage::check);
}

#[test]
fn a_ledger_from_its_rows_rolls_back_as_the_one_that_wrote_them() {
    check_histories(400, Some, Coverage::check_rows);
}

/// What must have been reached is that of so many histories; fewer may have missed some of it.
fn check_histories(own: u64, stored: impl Fn(u64) -> Option<u64>, check: impl Fn(&Coverage)) {
    let histories = std::env::var("NTHROOT_ROLLBACKS").map_or(own, |count| count.parse().expect("a number"));
    let mut coverage = Coverage::default();
    let start = Instant::now();
    for seed in 0..histories {
        let history = History::random(seed);
        if let Err(failure) = run(&history, stored(seed), &mut coverage) {
            let fails = |history: &History| run(history, stored(seed), &mut Coverage::default()).is_err();
            let shrunk = history.shrink(fails);
            let again = run(&shrunk, stored(seed), &mut Coverage::default()).expect_err("it fails");
            panic!("history {seed}: {failure}\nshrunk to {shrunk:#?}\n{again}");
        }
    }
    println!("histories 0 to {histories} in {:.1?}", start.elapsed());
    println!("{coverage}");
    if histories >= own {
        check(&coverage);
    }
}
