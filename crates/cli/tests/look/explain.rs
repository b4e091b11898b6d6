//! What is said of what is on L1.

use std::collections::BTreeMap;

use alloy::{
    consensus::Transaction as _, network::TransactionResponse as _, primitives::U256, providers::Provider as _,
};
use nthroot_bindings::Bridge;
use nthroot_node::{Watcher, claims};
use serde_json::{Value, json};

use crate::{
    net::Net,
    scene::{build_on_lie, deposit_token, enrich, run, transfer},
    world::{Actor, ETHER, WINDOW, World, party, withdraw},
};

fn explain(world: &World, what: &str) -> Value {
    let output = run(world, "explain", &["explain", "--json", what]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{what}: {error}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|bad| panic!("{what}: {bad}: {error}"))
}

/// Everything that the bridge and its registry can be asked to do, with a lie that is built upon.
async fn all_kinds(world: &World) {
    let (mallory, wanda) = (world.proposer("mallory").await, world.actor("wanda").await);
    let bridge = world.deployment.bridge;
    deposit_token(world, &wanda, 500).await;
    let own = [
        world.deposit(&mallory, ETHER).await,
        world.deposit(&mallory, ETHER).await,
    ];
    world
        .post(&mallory, 0, &transfer(world, &mallory, own, 0), enrich(&mallory))
        .await
        .unwrap();
    build_on_lie(world, &mallory, own[1]).await;
    Watcher::new(wanda.sender.clone())
        .defend(&mut world.follower().await)
        .await
        .unwrap();

    let (alice, paula) = (world.actor("alice").await, world.proposer("paula").await);
    let a = world.deposit(&alice, ETHER).await;
    let ops = [withdraw(wanda.address(), ETHER / 4)];
    let posted = world
        .post(&paula, 0, &[world.plan(&[party(&alice, a, 0, &ops)])], |_| ())
        .await
        .unwrap();
    let follower = world.follower().await;
    let claim = claims::unpaid(follower.ledger(), posted.id).unwrap().remove(0);
    wanda.sender.send(claim.give(bridge, alice.address())).await.unwrap();
    // With a limit of its own it is sent although it fails: that is to be explained too.
    let early = claim.call(bridge).gas(500_000);
    wanda.sender.send(early).await.unwrap_err();
    world.devnet.mine(2 * WINDOW + 4).await.unwrap();
    wanda.sender.send(claim.call(bridge)).await.unwrap();
    let withdraw = Bridge::withdrawBondCall {
        amount: U256::from(ETHER),
        to: paula.address(),
    };
    paula.sender.send(world.call(&withdraw)).await.unwrap();
}

#[tokio::test]
async fn every_kind_of_transaction_is_explained() {
    let world = World::new().await;
    all_kinds(&world).await;
    let provider = world.devnet.l1().provider();
    let (mut kinds, mut failed) = (BTreeMap::<String, Vec<Value>>::new(), 0);
    for number in 0..=world.devnet.l1().block_number().await.unwrap() {
        let block = provider
            .get_block_by_number(number.into())
            .full()
            .await
            .unwrap()
            .unwrap();
        for transaction in block.transactions.as_transactions().unwrap_or_default() {
            let ours = [world.deployment.bridge, world.deployment.registry];
            if !transaction.to().is_some_and(|to| ours.contains(&to)) {
                continue;
            }
            let said = explain(&world, &transaction.tx_hash().to_string());
            assert!(said["malformed"].is_null(), "{said:#}");
            assert_eq!(said["transaction"]["from"], json!(transaction.from()), "{said:#}");
            failed += usize::from(said["transaction"]["succeeded"] == false);
            kinds
                .entry(said["kind"].as_str().unwrap().to_owned())
                .or_default()
                .push(said);
        }
    }
    let found: Vec<&str> = kinds.keys().map(String::as_str).collect();
    let all = [
        "assign",
        "challenge",
        "claim",
        "condemn",
        "deposit",
        "depositToken",
        "fundBond",
        "register",
        "submit",
        "unwind",
        "withdrawBond",
    ];
    assert_eq!(found, all);

    let [lie, orphan, honest] = &kinds["submit"][..] else {
        panic!("{:#?}", kinds["submit"])
    };
    let judged = &lie["judged"][0];
    assert_eq!((&judged["is"], &judged["fault"]), (&json!("lie"), &json!("Root")));
    assert_eq!(
        (&lie["status"], &orphan["status"]),
        (&json!("unwound"), &json!("unwound"))
    );
    assert_eq!(orphan["judged"][0]["is"], "not judged");
    assert_eq!(honest["operations"], json!(["Account: Withdraw"]));
    let consent = &honest["judged"][0]["consents"][0];
    assert_eq!(
        (&consent["good"], &consent["nonce"]),
        (&json!(true), &json!(0)),
        "{consent}"
    );
    let proof = &kinds["challenge"][0];
    assert_eq!((&proof["opens"], &proof["batch"]), (&json!(true), &lie["batch"]));
    assert_eq!(proof["judged"][0]["fault"], "Root");
    assert_eq!(proof["events"], json!(["Convicted"]));
    let early = &kinds["claim"][0];
    assert_eq!((failed, &early["transaction"]["succeeded"]), (1, &json!(false)));
    assert!(early["failure"].as_str().unwrap().contains("NotFinal"), "{early:#}");
}

#[tokio::test]
async fn a_forged_signature_is_told_and_so_is_why_a_transaction_failed() {
    let world = World::new().await;
    let (alice, paula): (Actor, Actor) = (world.actor("alice").await, world.proposer("paula").await);
    let own = [world.deposit(&alice, ETHER).await, world.deposit(&alice, ETHER).await];
    let posted = world
        .post(&paula, 0, &transfer(&world, &alice, own, 0), |batch| {
            // Of the first signature: another s.
            let mut body = nthroot_protocol::Body::of(&batch.steps[0]).unwrap();
            let signature = &mut body.calls[0].authorisations[0].signature;
            let nthroot_protocol::Signature::Secp256k1(compact) = signature else {
                panic!("{signature:?}")
            };
            compact.0[63] ^= 1;
            batch.steps[0].body = body.encode().into();
        })
        .await
        .unwrap();
    let said = explain(&world, &posted.id.to_string());
    let judged = &said["judged"][0];
    assert_eq!(judged["fault"], "Call/Signature", "{judged:#}");
    assert_eq!(
        (&judged["consents"][0]["good"], &judged["consents"][1]["good"]),
        (&json!(false), &json!(true))
    );

    // Offline, from the manifest alone: all but who signed.
    let provider = world.devnet.l1().provider();
    let hash = posted.mined.receipt.transaction_hash;
    let transaction = provider.get_transaction_by_hash(hash).await.unwrap().unwrap();
    let calldata = transaction.input().to_string();
    let offline = explain(&world, &calldata);
    assert_eq!(
        (&offline["kind"], &offline["operations"]),
        (&said["kind"], &said["operations"])
    );
    assert!(offline["judged"].is_null());
    // The same proof, before it is sent.
    let follower = world.follower().await;
    let proof = nthroot_node::watcher::challenge(follower.ledger(), posted.id, 0).unwrap();
    let said = explain(&world, &proof.evidence.to_string());
    assert_eq!(
        (&said["kind"], &said["judged"][0]["fault"]),
        (&json!("evidence"), &json!("Call/Signature"))
    );

    // A bridge takes no plain ether.
    let call = nthroot_node::Call::new(world.deployment.bridge, vec![])
        .value(U256::ONE)
        .gas(100_000);
    let failed = alice.sender.send(call).await.unwrap_err();
    let nthroot_node::Error::Failed { hash, .. } = failed else {
        panic!("{failed}")
    };
    let said = explain(&world, &hash.to_string());
    assert_eq!(said["transaction"]["succeeded"], false);
    assert!(
        said["failure"].as_str().unwrap().contains("PlainTransferRefused"),
        "{said:#}"
    );
}

#[test]
fn a_step_of_each_rule_names_its_operations() {
    let net = Net::start("explain_rules");
    net.bond("alice");
    net.fragment("alice", 20, 50_000);
    let pool = net.act("alice", &["pool", "create", net.token(), "ETH", "--fee", "0.3%"]);
    let pool = pool["opened"][0].as_str().unwrap().to_owned();
    let tokens = format!("20000e18:{}", net.token());
    net.act(
        "alice",
        &["pool", "add", &pool, "--max", "10ether:ETH", "--max", &tokens],
    );
    let market = [
        "credit",
        "create",
        "--asset",
        net.token(),
        "--collateral",
        "ETH",
        "--ratio",
        "1500e18",
    ];
    let terms = [
        "--rate",
        "5%",
        "--minimum",
        "100e18",
        "--grace",
        "2",
        "--rise",
        "4",
        "--fall",
        "4",
        "--depth",
        "2",
    ];
    net.act("alice", &[&market[..], &terms].concat());
    net.fragment("bob", 2, 0);
    net.bond("bob");
    let sign = |who: &str, give: &str, get: &str| {
        let path = net.path(who);
        net.act(who, &["swap", "sign", "--give", give, "--get", get, "--out", &path]);
        path
    };
    let tokens = format!("100e18:{}", net.token());
    let (a, b) = (sign("alice", &tokens, "1ether:ETH"), sign("bob", "1ether:ETH", &tokens));
    net.act("bob", &["swap", "fill", &a, &b]);

    let logs = net.rpc("eth_getLogs", &json!([{ "fromBlock": "0x0", "address": net.bridge() }]));
    let mut operations = Vec::new();
    for log in logs.as_array().unwrap() {
        let said = net.ask("alice", &["explain", log["transactionHash"].as_str().unwrap()]);
        let named = said["operations"].as_array().cloned().unwrap_or_default();
        operations.extend(named.into_iter().map(|name| name.as_str().unwrap().to_owned()));
        for judged in said["judged"].as_array().into_iter().flatten() {
            assert_eq!(judged["is"], "valid", "{said:#}");
        }
    }
    for name in [
        "Account: Pay",
        "Pool: Create",
        "Pool: Add",
        "Credit: Create",
        "Swap: Intent",
    ] {
        assert!(operations.iter().any(|found| found == name), "{name}: {operations:?}");
    }
    // Beside its bytes, for who wants to see them.
    let last = logs.as_array().unwrap().last().unwrap();
    let output = net.run(
        "alice",
        &["explain", last["transactionHash"].as_str().unwrap(), "--hex"],
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("    68  01 ") && text.contains("version: 1"), "{text}");
}
