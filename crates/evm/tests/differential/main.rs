//! The model and the contracts agree on every step, well-formed or not: the same verdict, hence the same roots and withdrawals.
//!
//! `NTHROOT_CASES` sets how many cases run. `NTHROOT_STEPS` names a file into which they are written, each with the contracts' answer:
//! for `tools/reader/check_steps.py`, which says the same without having seen either. Steps in which a rule runs out of gas are left out: the bytecode decides those.
#![allow(clippy::print_stdout, reason = "what was measured")]

mod expected;
mod features;

use std::{
    cell::RefCell,
    fs::File,
    io::{BufWriter, Write as _},
    time::Instant,
};

use alloy::primitives::Bytes;
use nthroot_fuzz::{
    judges::{Judges, answer, describe, model},
    steps::{Choices, Scene},
};
use nthroot_model::kernel::Verdict;
use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed, TestRunner},
};

use crate::features::Tally;

#[test]
fn model_and_contracts_agree_on_every_step() {
    let cases = std::env::var("NTHROOT_CASES").map_or(8_000, |cases| cases.parse().expect("a number"));
    let judges = Judges::default();
    let steps = RefCell::new(std::env::var_os("NTHROOT_STEPS").map(|path| {
        let mut file = BufWriter::new(File::create(path).expect("it can be written"));
        let (env, rules) = (&judges.env, &judges.rules);
        writeln!(
            file,
            "{} {} {} {}",
            env.account_rule, env.bridge, rules.puppet, rules.raw
        )
        .expect("there is room");
        file
    }));
    let judges = RefCell::new(judges);
    let tally: RefCell<Tally> = RefCell::default();
    let mut runner = TestRunner::new(Config {
        cases,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..Config::default()
    });
    let start = Instant::now();
    let outcome = runner.run(&prop::collection::vec(any::<u64>(), 0..150), |words| {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let mut judges = judges.borrow_mut();
        let mut choices = Choices::new(&bytes);
        let (evidence, missigned) = Scene::evidence(&mut choices, &judges.env, &judges.rules, judges.chain_id());
        let judged = model(&judges.env, &evidence);
        let actual = judges.contract(&evidence, &mut |_| ());
        if let Some(file) = steps.borrow_mut().as_mut() {
            writeln!(file, "{actual:?} {}", Bytes::copy_from_slice(&evidence)).expect("there is room");
        }
        let verdict = judged.as_ref().map(|(_, verdict)| verdict);
        prop_assert_eq!(
            actual,
            answer(&judged),
            "the model says: {:?}\n{}",
            verdict,
            describe(&evidence)
        );
        let mut tally = tally.borrow_mut();
        match &judged {
            Err(_) => tally.bad_evidence += 1,
            Ok((evidence, Verdict::Valid(_))) => tally.count(evidence, None, &missigned),
            Ok((evidence, Verdict::Invalid(reason))) => tally.count(evidence, Some(reason), &missigned),
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let seconds = start.elapsed().as_secs_f64();
    let tally = tally.into_inner();
    println!(
        "{cases} steps agree, {:.0} a second, {} of them valid, {} times bad evidence:",
        f64::from(cases) / seconds,
        tally.valid,
        tally.bad_evidence,
    );
    let reasons = tally.reasons.iter().map(|(reason, count)| (reason.as_str(), count));
    for (what, count) in reasons.chain(tally.features.iter().map(|(feature, count)| (*feature, count))) {
        println!("  {count:>8}  {what}");
    }
    assert!(
        tally.valid * 10 > cases as usize,
        "one case in ten is valid, or the test says little"
    );
    tally.check();
}
