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
mod world;

use std::{
    panic::{self, AssertUnwindSafe},
    time::Instant,
};

use crate::{coverage::Coverage, history::History, world::World};

/// Runs a history. A panic, in the ledger or here, is a failure like others.
fn run(history: &History, coverage: &mut Coverage) -> Result<(), String> {
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(history.window);
        for (number, action) in history.actions.iter().enumerate() {
            world
                .act(action)
                .and_then(|()| world.verify())
                .map_err(|failure| format!("after action {number}: {failure}"))?;
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
    let histories = std::env::var("NTHROOT_ROLLBACKS").map_or(4_000, |count| count.parse().expect("a number"));
    let mut coverage = Coverage::default();
    let start = Instant::now();
    for seed in 0..histories {
        let history = History::random(seed);
        if let Err(failure) = run(&history, &mut coverage) {
            let fails = |history: &History| run(history, &mut Coverage::default()).is_err();
            let shrunk = history.shrink(fails);
            let again = run(&shrunk, &mut Coverage::default()).expect_err("it fails");
            panic!("history {seed}: {failure}\nshrunk to {shrunk:#?}\n{again}");
        }
    }
    println!("histories 0 to {histories} in {:.1?}", start.elapsed());
    println!("{coverage}");
    coverage.check();
}
