//! The worst steps that can be posted, each as a lie: its proof fits a transaction with room to spare, under the rules of today
//! and of the fork to come, in this process and on a real node.
//!
//! All but one are evaluated to the end and wrong only there, in the last root. Each stands in a batch of as many steps as L1 takes,
//! so that its path to the step root is the longest.
#![allow(clippy::print_stdout, reason = "a table of what was measured")]

mod anvil;
mod city;
mod judging;
#[path = "../snapshot/mod.rs"]
mod snapshot;
mod steps;

use alloy::{primitives::Bytes, sol_types::SolCall};
use nthroot_bindings::Bridge;
use nthroot_evm::SpecId;
use nthroot_protocol::BatchId;
use nthroot_stage::stage;

use crate::{
    city::City,
    snapshot::Snapshot,
    stage::{Challenged, Stage},
    steps::{Kind, WORST, Worst},
};

/// Gas that any proof may take.
const MAX_GAS: u64 = 12_500_000;
/// Gas that it may take if it takes back a batch with 512 entries too, in the same transaction. One may have 2^24 (EIP-7825).
const MAX_GAS_WITH_ROLLBACK: u64 = 16_600_000;
/// Bytes that any evidence may have: what the least lock is reckoned with (section 8), below the 100,000 that are the aim.
const MAX_EVIDENCE: usize = 92_000;
/// Gas of a proof that a step exceeds its ceiling, which the least lock pays.
const MAX_GAS_ABOVE_CEILING: u64 = 6_100_000;

/// Posts one of the worst steps as a lie. Returns its batch and index.
fn post(city: &mut City, worst: &Worst) -> (BatchId, u16) {
    let (batch, index) = city.lie(worst);
    let (_, id) = city.stage.submit(stage::MALLORY, &batch);
    (id, index)
}

fn challenge(stage: &mut Stage, id: BatchId, index: u16, worst: &Worst) -> Challenged {
    let challenged = stage.challenge(id, index);
    let reason = format!("{:?}", challenged.conviction.reason);
    let expected = match worst.kind {
        Kind::Plain | Kind::Spins | Kind::SpinsAlone => "Root {",
        Kind::AboveItsCeiling => "ProofGas {",
    };
    assert!(
        reason.contains(expected),
        "{} is wrong in that way only: {reason}",
        worst.name
    );
    challenged
}

#[test]
fn the_worst_lies_are_proved_in_one_transaction() {
    let mut snapshot = Snapshot::default();
    let mut exceeded = Vec::new();
    for (spec, name) in [(SpecId::OSAKA, "Osaka"), (SpecId::AMSTERDAM, "Amsterdam")] {
        let city = City::new(spec);
        for worst in WORST {
            let mut city = city.clone();
            let (id, index) = post(&mut city, worst);
            let steps = city.stage.ledger.preimage(id).expect("kept").header.step_count;
            let alone = Bridge::challengeCall {
                entries: Bytes::new(),
                ..city.stage.challenge_call(id, index)
            };
            let alone = city.stage.l1.clone().send(stage::CHALLENGER, &alone).expect("sent");
            assert!(alone.success, "{}: {}", worst.name, alone.output);
            let Challenged { receipt, evidence, .. } = challenge(&mut city.stage, id, index, worst);
            let (proof, all) = (alone.gas, receipt.gas);
            println!(
                "{name:<10} {:<44} {steps:>6} {evidence:>8} {proof:>9} {all:>9}",
                worst.name
            );
            let limit = match worst.kind {
                Kind::Plain | Kind::Spins | Kind::SpinsAlone => MAX_GAS,
                Kind::AboveItsCeiling => MAX_GAS_ABOVE_CEILING,
            };
            if proof > limit || all > MAX_GAS_WITH_ROLLBACK || evidence > MAX_EVIDENCE {
                exceeded.push(format!(
                    "{name}, {}: {evidence} bytes, {proof} and {all} gas",
                    worst.name
                ));
            }
            snapshot.put(format!("{}, gas {name}", worst.name), proof);
            snapshot.put(format!("{}, gas {name}, with 512 entries", worst.name), all);
            let evidence = u64::try_from(evidence).expect("a length");
            snapshot.put(format!("{}, bytes of evidence", worst.name), evidence);
        }
    }
    assert!(exceeded.is_empty(), "{}", exceeded.join("\n"));
    snapshot.check("worst steps");
}

/// The same on a node, whose state is set to that before the challenge.
#[tokio::test]
async fn the_worst_lies_are_proved_on_a_node() {
    let city = City::new(SpecId::OSAKA);
    for worst in WORST {
        let mut city = city.clone();
        let (id, index) = post(&mut city, worst);
        let call = city.stage.challenge_call(id, index);
        let node = anvil::Node::with_state_of(&city.stage.l1.chain).await;
        let bridge = city.stage.l1.bridge;
        let (success, gas) = node.send(stage::CHALLENGER, bridge, call.abi_encode().into()).await;
        let expected = challenge(&mut city.stage, id, index, worst).receipt.gas;
        println!("anvil      {:<52} {gas:>18}", worst.name);
        assert!(success, "{}", worst.name);
        assert_eq!(gas, expected, "{}: what it costs here", worst.name);
    }
}
