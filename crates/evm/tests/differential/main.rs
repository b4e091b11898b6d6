//! The model and the contracts agree on every step, well-formed or not: the same verdict, hence the same roots and withdrawals.
//!
//! `NTHROOT_CASES` sets how many cases run. `NTHROOT_STEPS` names a file into which they are written, each with the contracts' answer:
//! for `tools/reader/check_steps.py`, which says the same without having seen either. Steps in which a rule runs out of gas are left out: the bytecode decides those.
#![allow(clippy::print_stdout, reason = "what was measured")]

mod calls;
mod choices;
mod effects;
mod expected;
mod features;
mod lies;
mod meanings;
mod rules;
mod scene;
mod users;

use std::{
    cell::RefCell,
    fs::File,
    io::{BufWriter, Write as _},
    sync::Arc,
    time::Instant,
};

use alloy::{
    primitives::{Address, Bytes},
    sol_types::SolCall,
};
use nthroot_bindings::{FraudVerifier, mocks};
use nthroot_evm::{Deployed, Parameters, SpecId};
use nthroot_model::kernel::{self, Env, Verdict};
use nthroot_protocol::{Body, Evidence, EvidenceError, Fragment};
use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed, TestRunner},
};

use crate::{choices::Choices, features::Tally, rules::TestRules, scene::Scene};

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

/// The model's answer.
fn model(env: &Env, evidence: &[u8]) -> Result<(Evidence, Verdict), EvidenceError> {
    let evidence = Evidence::decode(evidence)?;
    evidence.check_opening()?;
    let Evidence {
        preimage,
        placed,
        proofs,
        ..
    } = &evidence;
    let verdict = kernel::evaluate(env, preimage, placed, proofs).expect("every rule has a twin");
    Ok((evidence, verdict))
}

/// Evidence for people.
fn describe(evidence: &[u8]) -> String {
    Evidence::decode(evidence).map_or_else(
        |error| format!("{error}, of {} bytes", evidence.len()),
        |evidence| {
            let body = Body::of(&evidence.placed.step);
            let states: Vec<_> = evidence
                .proofs
                .iter()
                .flat_map(|proof| proof.states.iter().map(|state| (proof.depth, Fragment::decode(state))))
                .collect();
            format!("{:?}\n{body:#?}\n{states:#?}", evidence.placed.step)
        },
    )
}

#[test]
fn model_and_contracts_agree_on_every_step() {
    let cases = std::env::var("NTHROOT_CASES").map_or(8_000, |cases| cases.parse().expect("a number"));
    let mut world = Deployed::new(SpecId::OSAKA, Parameters::default()).expect("it deploys");
    let mut register = |code: &Bytes| world.register(code.clone()).expect("it registers");
    let rules = Arc::new(TestRules {
        puppet: register(&mocks::Puppet::DEPLOYED_BYTECODE),
        raw: register(&mocks::RawReturn::DEPLOYED_BYTECODE),
        reverter: register(&mocks::Reverter::DEPLOYED_BYTECODE),
        looper: register(&mocks::Looper::DEPLOYED_BYTECODE),
    });
    assert!(rules.table().iter().all(|rule| *rule != Address::ZERO));
    let env = Env {
        account_rule: world.account,
        bridge: world.bridge,
        rules: rules.twins(),
    };
    let chain_id = world.chain.chain_id();

    let steps = RefCell::new(std::env::var_os("NTHROOT_STEPS").map(|path| {
        let mut file = BufWriter::new(File::create(path).expect("it can be written"));
        let TestRules { puppet, raw, .. } = *rules;
        let (account, bridge) = (world.account, world.bridge);
        writeln!(file, "{account} {bridge} {puppet} {raw}").expect("there is room");
        file
    }));
    let world = RefCell::new(world);
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
        let (evidence, missigned) = Scene::evidence(&mut Choices::new(&bytes), &env, &rules, chain_id);
        let judged = model(&env, &evidence);
        let expected = match &judged {
            Err(_) => Answer::BadEvidence,
            Ok((_, Verdict::Valid(_))) => Answer::Valid,
            Ok((_, Verdict::Invalid(_))) => Answer::Invalid,
        };
        let actual = contract(&mut world.borrow_mut(), &evidence);
        if let Some(file) = steps.borrow_mut().as_mut() {
            writeln!(file, "{actual:?} {}", Bytes::copy_from_slice(&evidence)).expect("there is room");
        }
        let verdict = judged.as_ref().map(|(_, verdict)| verdict);
        prop_assert_eq!(
            actual,
            expected,
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
