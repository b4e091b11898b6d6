//! A deployment to look at, and the commands that look.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use alloy::{primitives::U256, providers::Provider as _, sol_types::SolCall as _};
use nthroot_bindings::{Bridge, mocks::Token};
use nthroot_model::builder::StepPlan;
use nthroot_node::{Call, Deployment, proposer::Posted, rules};
use nthroot_protocol::{AnchorId, Batch, BatchHeader, Fragment, FreshTouch, Step};
use serde_json::{Value, json};

use crate::world::{Actor, ETHER, World, party, pay};

/// A manifest in a file of this name.
pub(crate) fn manifest(name: &str, deployment: &Deployment) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("look-{name}.json"));
    let manifest = json!({ "deployment": deployment, "rules": rules::book(deployment) });
    std::fs::write(&path, manifest.to_string()).unwrap();
    path
}

/// Runs the command about a world.
pub(crate) fn run(world: &World, name: &str, args: &[&str]) -> Output {
    run_by(world.devnet.url(), world, name, args)
}

/// The same by another L1 node.
fn run_by(url: &str, world: &World, name: &str, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nthroot"))
        .args(args)
        .args(["--rpc-url", url, "--deployment"])
        .arg(manifest(name, &world.deployment))
        .output()
        .unwrap()
}

/// Audits the latest block. Returns the exit status and the report.
pub(crate) fn audit(world: &World, name: &str, args: &[&str]) -> (i32, Value) {
    audit_by(world.devnet.url(), world, name, args)
}

/// The same by another L1 node.
pub(crate) fn audit_by(url: &str, world: &World, name: &str, args: &[&str]) -> (i32, Value) {
    let output = run_by(
        url,
        world,
        name,
        &[&["audit", "--json", "--block", "latest"], args].concat(),
    );
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|bad| panic!("{bad}: {error}"));
    (output.status.code().unwrap(), report)
}

/// The findings of a report about something.
pub(crate) fn findings(report: &Value, what: &str) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap().iter();
    let findings = findings.filter(|finding| finding["what"] == what);
    findings
        .map(|finding| finding["detail"].as_str().unwrap().to_owned())
        .collect()
}

/// Claims for the first fresh touch of the first step the root of a fragment of `actor` with a million ether.
pub(crate) fn enrich(actor: &Actor) -> impl FnOnce(&mut Batch) {
    let rich = Fragment {
        nonce: 1,
        ..Fragment::deposited(actor.key(), Default::default(), 1_000_000 * ETHER)
    };
    move |batch| batch.steps[0].fresh[0].root = rich.root()
}

/// A payment between two fragments of somebody's, whose nonces are these.
pub(crate) fn transfer(world: &World, actor: &Actor, [a, b]: [AnchorId; 2], nonce: u64) -> [StepPlan; 1] {
    [world.plan(&[
        party(actor, a, nonce, &[pay(b, ETHER / 4)]),
        party(actor, b, nonce, &[]),
    ])]
}

/// Posts a batch on the second of the fragments that a lie was about: the liar knows its state, though no model does.
pub(crate) async fn build_on_lie(world: &World, liar: &Actor, anchor: AnchorId) -> Posted {
    let follower = world.follower().await;
    let head = follower.ledger().head(anchor).unwrap();
    let before = Fragment {
        nonce: 1,
        ..Fragment::deposited(liar.key(), Default::default(), ETHER + ETHER / 4)
    };
    assert_eq!(before.root(), head.root);
    let after = Fragment { nonce: 2, ..before };
    let tip = follower.tip();
    let mut batch = Batch {
        header: BatchHeader {
            version: 1,
            data_availability: 0,
            chain_id: world.deployment.chain_id,
            clock: tip.number,
            clock_hash: tip.hash,
            ceiling: 1_000_000,
            slot: 1,
            step_count: 0,
            entry_count: 0,
            rules: Vec::new(),
        },
        steps: vec![Step {
            fresh: vec![FreshTouch {
                anchor,
                root: after.root(),
                parent: head.id,
            }],
            body: world.plan(&[party(liar, anchor, 1, &[])]).body.encode().into(),
            ..Default::default()
        }],
    };
    batch.seal();
    let proposer = nthroot_node::Proposer::new(liar.sender.clone());
    proposer.post(&follower, &batch).await.unwrap()
}

/// Deploys a token, and deposits so much of it.
pub(crate) async fn deposit_token(world: &World, actor: &Actor, amount: u64) -> alloy::primitives::Address {
    let (amount, bridge) = (U256::from(amount), world.deployment.bridge);
    let mined = actor.sender.send(Call::create(Token::BYTECODE.clone())).await.unwrap();
    let token = mined.receipt.contract_address.unwrap();
    let mint = Token::mintCall {
        to: actor.address(),
        amount: amount + amount,
    };
    let approve = Token::approveCall {
        spender: bridge,
        value: amount,
    };
    for call in [mint.abi_encode(), approve.abi_encode()] {
        actor.sender.send(Call::new(token, call)).await.unwrap();
    }
    let key = actor.key().to_bytes().into();
    let deposit = world.call(&Bridge::depositTokenCall { token, amount, key });
    actor.sender.send(deposit).await.unwrap();
    token
}

/// Changes the chain behind everybody's back, and mines a block on it.
pub(crate) async fn cheat(world: &World, method: &'static str, params: Value) {
    let provider = world.devnet.l1().provider();
    let _: Value = provider.raw_request(method.into(), params).await.unwrap();
    world.devnet.mine(1).await.unwrap();
}
