//! What usual lies cost to prove, what one more step in a cohort costs to post, and what a rule costs to register: whole cold
//! transactions.
#![allow(clippy::print_stdout, reason = "what was measured")]

#[path = "../snapshot/mod.rs"]
mod snapshot;

use alloy::{primitives::U256, sol_types::SolCall};
use nthroot_bindings::{Bridge, RuleRegistry, bridge::IBridge};
use nthroot_evm::{Deployed, Parameters, SpecId};
use nthroot_stage::{
    posting::{again, proved},
    stage::{CHALLENGER, MALLORY},
    town::{Place, Town},
};

use crate::snapshot::Snapshot;

const SPECS: [(SpecId, &str); 2] = [(SpecId::OSAKA, "Osaka"), (SpecId::AMSTERDAM, "Amsterdam")];

/// Steps of the batches in which a lie stands.
const STEPS: usize = 1_000;

/// Gas of any transaction, beside its data.
const TX_BASE: u64 = 21_000;

/// A lie about payments. The bound is what is reached under Osaka, to notice a step back; the target is what the design asks for.
struct Proof {
    name: &'static str,
    place: Place,
    users: usize,
    bound: u64,
    target: u64,
    /// Bytes.
    evidence: usize,
}

const fn proof(
    (name, users): (&'static str, usize),
    place: Place,
    (bound, target): (u64, u64),
    evidence: usize,
) -> Proof {
    Proof {
        name,
        place,
        users,
        bound,
        target,
        evidence,
    }
}

const PROOFS: [Proof; 6] = [
    proof(("transfer", 2), Place::House, (130_000, 150_000), 3_072),
    proof(("swap of 4 tokens", 4), Place::House, (185_000, 200_000), 3_072),
    proof(("transfer in a cohort", 2), Place::Scattered, (180_000, 150_000), 6_144),
    proof(
        ("swap of 4 tokens in a cohort", 4),
        Place::Scattered,
        (270_000, 270_000),
        6_144,
    ),
    proof(
        ("transfer to a neighbour", 2),
        Place::Neighbours,
        (151_000, 150_000),
        6_144,
    ),
    proof(
        ("swap among neighbours", 4),
        Place::Neighbours,
        (205_000, 270_000),
        6_144,
    ),
];

#[test]
fn usual_lies_are_cheap_to_prove() {
    let mut snapshot = Snapshot::default();
    for (spec, schedule) in SPECS {
        let town = Town::new(spec);
        for proof in PROOFS {
            let Proof { name, .. } = proof;
            let mut town = town.clone();
            let batch = town.ring(proof.place, proof.users);
            let (length, receipt) = proved(&mut town.stage, &batch, STEPS);
            println!(
                "{schedule:<10} {name:<30} {length:>6} bytes {:>8} gas (target {})",
                receipt.gas, proof.target
            );
            assert!(length <= proof.evidence, "{schedule}, {name}: {length} bytes");
            assert!(
                receipt.gas <= proof.bound || spec != SpecId::OSAKA,
                "{name}: {} gas",
                receipt.gas
            );
            snapshot.put(format!("{name}, gas {schedule}"), receipt.gas);
            let length = u64::try_from(length).expect("a length");
            snapshot.put(format!("{name}, bytes of evidence"), length);
        }
        steps_in_a_cohort(&town, schedule, &mut snapshot);
        claims(&town, schedule, &mut snapshot);
        rules(spec, schedule, &mut snapshot);
    }
    snapshot.check("proofs");
}

/// Posting one more step in a cohort that the batch has touched already takes 33 bytes beside the step's body, and no gas beside
/// that of its bytes: execution is below the floor that calldata costs anyway.
fn steps_in_a_cohort(town: &Town, schedule: &str, snapshot: &mut Snapshot) {
    let post = |transfers: usize| {
        let mut town = town.clone();
        let (batch, body) = town.transfers(transfers);
        let bytes = batch.encode();
        let call = Bridge::submitCall {
            batch: bytes.clone().into(),
        };
        let (receipt, id) = town.stage.submit(MALLORY, &batch);
        assert!(!town.stage.is_lie(id));
        (receipt.gas, bytes.len(), body, call.abi_encode())
    };
    let ((few, short, ..), (many, long, body, data)) = (post(2), post(102));
    let (gas, bytes) = ((many - few) / 100, (long - short) / 100);
    println!("{schedule:<10} one more step in a cohort: {gas} gas, {bytes} bytes, {body} of them its body");
    assert_eq!(bytes, 33 + body, "root, entry and header of the step");
    if schedule == "Osaka" {
        // EIP-7623: 10 gas for a zero byte, 40 for another.
        let floor = data.iter().map(|byte| if *byte == 0 { 10 } else { 40 }).sum::<u64>();
        assert_eq!(many, TX_BASE + floor, "what is paid is the floor");
    }
    snapshot.put(format!("one more step in a cohort, gas {schedule}"), gas);
    snapshot.put(
        "one more step in a cohort, bytes",
        u64::try_from(bytes).expect("a length"),
    );
}

/// Claiming ether out of a batch of 1,000 steps, to an account that exists, while another withdrawal stays unpaid.
fn claims(town: &Town, schedule: &str, snapshot: &mut Snapshot) {
    let mut town = town.clone();
    let mut batch = town.withdrawals(CHALLENGER);
    batch.steps.resize(STEPS, again());
    batch.seal();
    let (_, id) = town.stage.submit(MALLORY, &batch);
    town.stage.mine(Parameters::default().window + 1);
    let claim = town.stage.ledger.claims(id).expect("kept").swap_remove(0);
    let call = Bridge::claimCall {
        preimage: town.stage.ledger.preimage(id).expect("kept").encode().into(),
        position: U256::from(claim.position),
        withdrawal: IBridge::Withdrawal {
            recipient: claim.withdrawal.recipient,
            token: claim.withdrawal.token,
            amount: claim.withdrawal.amount,
        },
        siblings: claim.siblings.concat().into(),
    };
    let receipt = town.stage.l1.send(CHALLENGER, &call).expect("sent");
    assert!(receipt.success, "{}", receipt.output);
    println!("{schedule:<10} claim of ether out of 1,000 steps: {} gas", receipt.gas);
    snapshot.put(
        format!("claim of ether out of 1,000 steps, gas {schedule}"),
        receipt.gas,
    );
}

/// Registering a rule costs what deploying its code in a plain transaction does, and looking at each instruction. For code as the
/// compiler makes it, the Account rule's over and over; and at its worst, instructions of one byte only.
fn rules(spec: SpecId, schedule: &str, snapshot: &mut Snapshot) {
    let compiled = &nthroot_bindings::account::Account::DEPLOYED_BYTECODE;
    let kinds = [("6 KB", 6 * 1_024), ("24 KB", 24 * 1_024)]
        .into_iter()
        .flat_map(|(name, size)| {
            let rule: Vec<u8> = compiled.iter().copied().cycle().take(size).collect();
            [
                (name.to_owned(), rule),
                (format!("{name} of JUMPDEST"), vec![0x5b; size]),
            ]
        });
    for (name, runtime) in kinds {
        let mut world = Deployed::new(spec, Parameters::default()).expect("it deploys");
        // PUSH1 11, CODESIZE, SUB, DUP1, PUSH1 11, PUSH0, CODECOPY, PUSH0, RETURN: what follows.
        let initcode = [
            &[0x60, 11, 0x38, 0x03, 0x80, 0x60, 11, 0x5f, 0x39, 0x5f, 0xf3],
            &runtime[..],
        ]
        .concat();
        let deployment = world.chain.created(world.deployer, initcode.into()).expect("sent").gas;
        let call = RuleRegistry::registerCall {
            runtime: runtime.into(),
        };
        // Gas for new state comes on top of the cap in the fork to come.
        let gas = if spec == SpecId::OSAKA { 1 << 24 } else { 60_000_000 };
        let receipt = world
            .chain
            .send_with_gas(world.deployer, world.registry, call.abi_encode().into(), gas)
            .expect("sent");
        assert!(receipt.success, "{name}: {}", receipt.output);
        let beside = receipt.gas - deployment;
        println!(
            "{schedule:<10} registering a rule of {name}: {} gas, {beside} beside its deployment",
            receipt.gas
        );
        snapshot.put(format!("registering a rule of {name}, gas {schedule}"), receipt.gas);
        snapshot.put(
            format!("registering a rule of {name}, beside its deployment, gas {schedule}"),
            beside,
        );
    }
}
