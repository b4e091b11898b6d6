//! The model and the contracts agree on every step, well-formed or not: the same verdict, hence the same roots and withdrawals.
//!
//! `NTHROOT_CASES` sets how many cases run. Steps in which a rule runs out of gas are left out: the bytecode decides those.
#![allow(clippy::print_stdout, reason = "what was measured")]

mod calls;
mod choices;
mod rules;
mod scene;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    time::Instant,
};

use alloy::{
    primitives::{Address, Bytes},
    sol_types::SolCall,
};
use nthroot_bindings::{FraudVerifier, mocks};
use nthroot_evm::{Deployed, Parameters, SpecId};
use nthroot_model::kernel::{self, Env, Verdict};
use nthroot_protocol::{Body, Evidence, Fragment};
use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed, TestRunner},
};

use crate::{choices::Choices, rules::TestRules, scene::Scene};

/// What one side says of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Valid,
    Invalid,
    BadEvidence,
}

/// The contract's answer. Any revert is "bad evidence" here; need-gas must not happen, since the call has all that fits.
fn contract(world: &mut Deployed, evidence: &[u8]) -> Answer {
    let call = FraudVerifier::verifyCall {
        evidence: Bytes::copy_from_slice(evidence),
        bridge: world.bridge,
    };
    let (from, verifier) = (world.deployer, world.verifier);
    let receipt = world
        .chain
        .simulate(from, verifier, call.abi_encode().into())
        .expect("L1 takes the transaction");
    if receipt.success {
        let valid = FraudVerifier::verifyCall::abi_decode_returns(&receipt.output).expect("a boolean");
        return if valid { Answer::Valid } else { Answer::Invalid };
    }
    assert!(
        !receipt.output.is_empty(),
        "the verifier reverts with a named error, never by accident"
    );
    assert!(
        receipt.error::<FraudVerifier::NeedGas>().is_none(),
        "more gas than a transaction has"
    );
    Answer::BadEvidence
}

/// The model's answer, and its reason.
fn model(env: &Env, evidence: &[u8]) -> (Answer, String) {
    let evidence = match Evidence::decode(evidence) {
        Ok(evidence) => evidence,
        Err(error) => return (Answer::BadEvidence, error.to_string()),
    };
    if let Err(error) = evidence.check_opening() {
        return (Answer::BadEvidence, error.to_string());
    }
    match kernel::evaluate(env, &evidence.preimage, &evidence.placed, &evidence.pre_states) {
        Ok(Verdict::Valid(_)) => (Answer::Valid, "valid".into()),
        Ok(Verdict::Invalid(reason)) => (Answer::Invalid, format!("{reason:?}")),
        Err(error) => panic!("every rule has a twin: {error}"),
    }
}

/// Evidence for people.
fn describe(evidence: &[u8]) -> String {
    Evidence::decode(evidence).map_or_else(
        |error| format!("{error}, of {} bytes", evidence.len()),
        |evidence| {
            let body = Body::parse(&evidence.placed.step.body);
            let states: Vec<_> = evidence
                .pre_states
                .iter()
                .map(|state| Fragment::decode(state))
                .collect();
            format!("{:?}\n{body:#?}\n{states:#?}", evidence.placed.step)
        },
    )
}

/// The first words of a reason: enough to see which kinds of failure the cases reach.
fn kind(reason: &str) -> String {
    let words = reason.split(|c: char| !c.is_alphabetic()).filter(|word| word.len() > 3);
    words
        .filter(|word| *word != "call")
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn model_and_contracts_agree_on_every_step() {
    let cases = std::env::var("NTHROOT_CASES").map_or(20_000, |cases| cases.parse().expect("a number"));
    let mut world = Deployed::new(SpecId::OSAKA, Parameters::default()).expect("it deploys");
    let rules = TestRules {
        puppet: world
            .register(mocks::Puppet::DEPLOYED_BYTECODE.clone())
            .expect("it registers"),
        raw: world
            .register(mocks::RawReturn::DEPLOYED_BYTECODE.clone())
            .expect("it registers"),
        reverter: world
            .register(mocks::Reverter::DEPLOYED_BYTECODE.clone())
            .expect("it registers"),
        looper: world
            .register(mocks::Looper::DEPLOYED_BYTECODE.clone())
            .expect("it registers"),
    };
    assert!(
        [rules.puppet, rules.raw, rules.reverter, rules.looper]
            .iter()
            .all(|rule| *rule != Address::ZERO)
    );
    let env = Env {
        account_rule: world.account,
        bridge: world.bridge,
        rules: rules.twins(),
    };
    let chain_id = world.chain.chain_id();

    let world = RefCell::new(world);
    let reasons: RefCell<BTreeMap<String, usize>> = RefCell::default();
    let valid = Cell::new(0_usize);
    let mut runner = TestRunner::new(Config {
        cases,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..Config::default()
    });
    let start = Instant::now();
    let outcome = runner.run(&prop::collection::vec(any::<u8>(), 0..600), |bytes| {
        let evidence = Scene::evidence(&mut Choices::new(&bytes), &env, rules, chain_id);
        let (expected, reason) = model(&env, &evidence);
        let actual = contract(&mut world.borrow_mut(), &evidence);
        prop_assert_eq!(actual, expected, "the model says: {}\n{}", reason, describe(&evidence));
        valid.set(valid.get() + usize::from(expected == Answer::Valid));
        *reasons.borrow_mut().entry(kind(&reason)).or_default() += 1;
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{cases} steps agree, {:.0} a second, {} of them valid:",
        f64::from(cases) / seconds,
        valid.get()
    );
    for (reason, count) in reasons.borrow().iter() {
        println!("  {count:>8}  {reason}");
    }
    assert!(
        valid.get() * 20 > cases as usize,
        "one case in twenty is valid, or the test says little"
    );
    assert!(reasons.borrow().len() > 25, "many ways of being wrong are reached");
}
