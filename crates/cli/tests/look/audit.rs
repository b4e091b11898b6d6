//! What an audit finds, and what it does not.

use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, B256, Bytes, U256, hex, keccak256},
    providers::Provider as _,
    sol_types::{SolCall as _, SolValue as _},
};
use nthroot_bindings::mocks::Token;
use nthroot_node::{Call, Watcher, claims};
use nthroot_protocol::{AccountOp, storage::bond_slot};
use serde_json::{Value, json};

use crate::{
    faulty::{Fault, faulty_url},
    scene::{audit, audit_by, cheat, deposit_token, enrich, findings, manifest, run, transfer},
    world::{ETHER, WINDOW, World, party, pay, withdraw},
};

fn wei(value: &Value) -> u128 {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_busy_deployment_is_clean() {
    let world = World::new().await;
    let (alice, wanda) = (world.actor("alice").await, world.actor("wanda").await);
    let (paula, mallory) = (world.proposer("paula").await, world.proposer("mallory").await);
    let [a, b] = [world.deposit(&alice, ETHER).await, world.deposit(&alice, ETHER).await];
    let token = deposit_token(&world, &alice, 500).await;
    let own = [
        world.deposit(&mallory, ETHER).await,
        world.deposit(&mallory, ETHER).await,
    ];

    // A payment with two withdrawals and a lease, which Paula uses until it expires.
    let lease = AccountOp::SetLease {
        holder: paula.address(),
        last_block: world.devnet.l1().block_number().await.unwrap() + 20,
    };
    let paid = [
        pay(b, ETHER / 8),
        withdraw(wanda.address(), ETHER / 4),
        withdraw(wanda.address(), ETHER / 16),
    ];
    let plan = world.plan(&[party(&alice, a, 0, &paid), party(&alice, b, 0, &[lease])]);
    let first = world.post(&paula, 0, &[plan], |_| ()).await.unwrap();
    let plan = world.plan(&[party(&alice, b, 1, &[pay(a, 1)]), party(&alice, a, 1, &[])]);
    world.post(&paula, 1, &[plan], |_| ()).await.unwrap();
    // A lie, which is convicted.
    let lie = world
        .post(&mallory, 0, &transfer(&world, &mallory, own, 0), enrich(&mallory))
        .await
        .unwrap();
    let mut follower = world.follower().await;
    Watcher::new(wanda.sender.clone()).defend(&mut follower).await.unwrap();
    // One claim is given away, the other is paid.
    let unpaid = claims::unpaid(follower.ledger(), first.id).unwrap();
    let bridge = world.deployment.bridge;
    wanda
        .sender
        .send(unpaid[1].give(bridge, alice.address()))
        .await
        .unwrap();
    world.devnet.mine(WINDOW + 1).await.unwrap();
    wanda.sender.send(unpaid[0].call(bridge)).await.unwrap();

    let (status, report) = audit(&world, "busy", &["--strict"]);
    assert_eq!((status, &report["verdict"]), (0, &json!("clean")), "{report:#}");
    assert_eq!(report["findings"], json!([]));
    assert_eq!(report["batchCount"], 3);
    let told = &report["batches"][2];
    assert_eq!((&told["id"], &told["status"]), (&json!(lie.id), &json!("unwound")));
    assert_eq!(told["lies"][0]["fault"], "Root");
    assert!(told["convicted"].is_string(), "{told}");
    assert_eq!(
        report["batches"][0]["calls"],
        json!({ format!("{:?}", world.deployment.account).to_lowercase(): 1 })
    );
    let lease = &report["leases"][0];
    assert_eq!(
        (&lease["runs"], &lease["uses"]),
        (&json!(false), &json!(1)),
        "an expired lease, used once: {lease}"
    );
    assert_eq!(
        (&report["paid"], report["unpaid"].as_array().unwrap().len()),
        (&json!(1), 1)
    );
    assert_eq!(
        (&report["unpaid"][0]["when"], &report["unpaid"][0]["assignments"]),
        (&json!("ready"), &json!(1))
    );
    assert_eq!(report["events"]["kinds"]["Convicted"], 1);
    assert_eq!(report["storage"]["differences"], json!([]));

    let ether = &report["assets"][0];
    let found = world.devnet.l1().provider().get_balance(bridge).await.unwrap();
    assert_eq!(
        (wei(&ether["held"]), wei(&ether["owed"])),
        (found.to(), found.to()),
        "{ether}"
    );
    let lock = 61 * ETHER / 100;
    assert_eq!(
        (wei(&ether["burnt"]), wei(&ether["bonds"])),
        (lock / 2, 20 * ETHER - lock)
    );
    assert_eq!(
        (wei(&ether["fragments"]), wei(&ether["claims"])),
        (4 * ETHER - 5 * ETHER / 16, ETHER / 16)
    );
    let tokens = report["assets"].as_array().unwrap().iter();
    let tokens: Vec<&Value> = tokens.filter(|asset| asset["token"] == format!("{token:?}")).collect();
    assert_eq!((wei(&tokens[0]["held"]), wei(&tokens[0]["owed"])), (500, 500));

    // For people, and as a page; of a block of one's choice, when the lie stood.
    let page = manifest("busy", &world.deployment).with_extension("html");
    let before = report["batches"][2]["block"].to_string();
    let output = run(
        &world,
        "busy",
        &["audit", "--block", &before, "--html", page.to_str().unwrap()],
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.starts_with("WRONG: 1 wrong, 0 notices"), "{text}");
    for said in [
        "can be convicted until block",
        "runs",
        "Solvency",
        "ready",
        "pending until block",
    ] {
        assert_eq!(text.contains(said), said != "ready", "{said}: {text}");
    }
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("<h1 class=\"wrong\">WRONG: 1 wrong") && page.ends_with("</html>\n"));
}

#[tokio::test]
async fn a_lie_that_is_not_convicted_is_named_with_its_last_block() {
    let world = World::new().await;
    let (mallory, wanda) = (world.proposer("mallory").await, world.actor("wanda").await);
    let own = [
        world.deposit(&mallory, ETHER).await,
        world.deposit(&mallory, ETHER).await,
    ];
    let lie = world
        .post(&mallory, 0, &transfer(&world, &mallory, own, 0), enrich(&mallory))
        .await
        .unwrap();
    let (status, report) = audit(&world, "lie", &[]);
    assert_eq!(status, 1);
    let found = findings(&report, "lie");
    let until = lie.mined.block() + WINDOW;
    assert!(
        found[0].contains(&format!("batch {}", lie.id)) && found[0].ends_with(&format!("can be until block {until}"))
    );
    // What is owed is what will be when it is convicted.
    let ether = &report["assets"][0];
    assert_eq!(
        (wei(&ether["missing"]), wei(&ether["fragments"])),
        (0, 2 * ETHER),
        "{ether}"
    );
    assert_eq!(wei(&ether["rewards"]), 61 * ETHER / 200);
    assert!(findings(&report, "solvency").is_empty());

    // Too late: it stands for ever, and nobody can say what is owed.
    let provider = world.devnet.l1().provider();
    let snapshot: Value = provider.raw_request("evm_snapshot".into(), ()).await.unwrap();
    world.devnet.mine(WINDOW + 1).await.unwrap();
    let (status, report) = audit(&world, "lie", &[]);
    assert_eq!(status, 1);
    assert!(findings(&report, "lie")[0].contains("stands for ever"));
    assert!(
        findings(&report, "solvency")[0].contains("2 anchors is not known"),
        "{report:#}"
    );
    let _: bool = provider.raw_request("evm_revert".into(), (snapshot,)).await.unwrap();

    Watcher::new(wanda.sender.clone())
        .defend(&mut world.follower().await)
        .await
        .unwrap();
    let (status, report) = audit(&world, "lie", &[]);
    assert_eq!((status, &report["findings"]), (0, &json!([])));
}

#[tokio::test]
async fn each_slot_that_is_not_what_follows_is_named() {
    let world = World::new().await;
    let (alice, paula) = (world.actor("alice").await, world.proposer("paula").await);
    world.deposit(&alice, ETHER).await;
    let bridge = world.deployment.bridge;
    let (foreign, one) = (B256::repeat_byte(0x42), B256::from(U256::ONE));
    cheat(
        &world,
        "anvil_setStorageAt",
        json!([bridge, bond_slot(paula.address()), one]),
    )
    .await;
    cheat(&world, "anvil_setStorageAt", json!([bridge, foreign, one])).await;
    let (status, report) = audit(&world, "slots", &[]);
    assert_eq!(status, 1);
    let differences = report["storage"]["differences"].as_array().unwrap();
    assert_eq!(differences.len(), 2, "{differences:#?}");
    assert_eq!(differences[0]["name"], format!("bond of {}", paula.address()));
    assert_eq!(
        (&differences[0]["found"], &differences[0]["slot"]),
        (&json!(one), &json!(bond_slot(paula.address())))
    );
    assert_eq!(
        (&differences[1]["hash"], &differences[1]["found"]),
        (&json!(keccak256(foreign)), &json!(one))
    );
    assert_eq!(findings(&report, "storage").len(), 2);
}

/// Views of an impostor say what is expected of them.
#[tokio::test]
async fn a_bridge_with_other_code_is_none() {
    let world = World::new().await;
    let bridge = world.deployment.bridge;
    let code = world.devnet.l1().provider().get_code_at(bridge).await.unwrap();
    let refusal = async |code: &[u8]| {
        cheat(&world, "anvil_setCode", json!([bridge, hex::encode_prefixed(code)])).await;
        let (status, report) = audit(&world, "impostor", &[]);
        assert_eq!(status, 1);
        findings(&report, "derivation").remove(0)
    };
    let longer = refusal(&[&code[..], &[0]].concat()).await;
    assert!(
        longer.contains("not the bridge of the manifest: other code"),
        "{longer}"
    );

    // The window stands in several places: one of them is enough.
    let window = [&[0x7f], &U256::from(WINDOW).to_be_bytes::<32>()[..]].concat();
    let places: Vec<usize> = (0..code.len()).filter(|at| code[*at..].starts_with(&window)).collect();
    assert!(places.len() > 1, "{places:?}");
    for place in places {
        let mut other = code.to_vec();
        other[place + 32] = 0;
        let other = refusal(&other).await;
        assert!(
            other.contains(&format!("WINDOW is 0x0 instead of {WINDOW:#x}")),
            "{other}"
        );
    }
    refusal(&[]).await;
    cheat(&world, "anvil_setCode", json!([bridge, code])).await;
    assert_eq!(audit(&world, "impostor", &[]).0, 0);
}

/// What is proved of the bridge is wrong, and the node that is asked hides it.
#[tokio::test(flavor = "multi_thread")]
async fn an_l1_node_that_forges_proofs_is_found_out() {
    let world = World::new().await;
    let (alice, paula) = (world.actor("alice").await, world.proposer("paula").await);
    world.deposit(&alice, ETHER).await;
    let (l1, bridge) = (world.devnet.l1(), world.deployment.bridge);
    let derived: BTreeMap<B256, U256> = world.follower().await.ledger().storage().collect();
    let account = async || {
        let proof = l1.provider().get_proof(bridge, Vec::new()).await.unwrap();
        serde_json::to_value(proof).unwrap()
    };
    let forging = async |answer: Box<dyn Fn(&Value) -> Value + Send + Sync>| {
        let decide = move |method: &str, params: &Value| match method {
            "eth_getProof" if params[0] == json!(bridge) => Fault::Lie(answer(&params[1])),
            _ => Fault::None,
        };
        faulty_url(world.devnet.url(), decide).await
    };

    // More ether than there is.
    let mut rich = account().await;
    rich["balance"] = json!(U256::from(3 * ETHER));
    let node = forging(Box::new(move |_| rich.clone())).await;
    let (status, report) = audit_by(&node, &world, "forged", &[]);
    assert_eq!((status, findings(&report, "proof").len()), (1, 2), "{report:#}");

    // The bridge has a slot more. Its account is proved; all that is asked of its storage is as derived, but for a zero that somebody's
    // trie might count.
    let bond = bond_slot(paula.address());
    cheat(
        &world,
        "anvil_setStorageAt",
        json!([bridge, bond, B256::from(U256::ONE)]),
    )
    .await;
    let honest = account().await;
    let node = forging(Box::new(move |slots| {
        let slots: Vec<B256> = serde_json::from_value(slots.clone()).unwrap();
        let proofs = slots.iter().map(|slot| {
            let leaf = [&[0xe4, 0xa1, 0x20], &keccak256(slot)[..], &[0x81, 0x80]].concat();
            let value = derived.get(slot).copied().unwrap_or_default();
            json!({ "key": slot, "value": value, "proof": [Bytes::from(leaf)] })
        });
        let mut forged = honest.clone();
        forged["storageProof"] = proofs.collect();
        forged
    }))
    .await;
    let (status, report) = audit_by(&node, &world, "forged", &[]);
    assert_eq!((status, findings(&report, "proof").len()), (1, 0), "{report:#}");
    let found = &findings(&report, "storage")[0];
    assert!(found.contains("it contradicts itself"), "{found}");
}

#[tokio::test]
async fn ether_that_is_missing_is_wrong_and_ether_from_outside_is_a_notice() {
    let world = World::new().await;
    let alice = world.actor("alice").await;
    world.deposit(&alice, ETHER).await;
    let set = |wei: u128| {
        cheat(
            &world,
            "anvil_setBalance",
            json!([world.deployment.bridge, U256::from(wei)]),
        )
    };
    set(ETHER + 5).await;
    let (status, report) = audit(&world, "ether", &[]);
    assert_eq!((status, wei(&report["assets"][0]["beyond"])), (0, 5));
    assert!(
        findings(&report, "surplus")[0].contains("5 came in from outside"),
        "{report:#}"
    );
    assert_eq!(audit(&world, "ether", &["--strict"]).0, 1);
    set(ETHER - 1).await;
    let (status, report) = audit(&world, "ether", &[]);
    assert_eq!((status, wei(&report["assets"][0]["missing"])), (1, 1));
    assert!(findings(&report, "solvency")[0].contains("1 are missing"), "{report:#}");
}

#[tokio::test]
async fn a_token_that_takes_from_the_bridge_is_found_and_so_is_whoever_gives() {
    let world = World::new().await;
    let alice = world.actor("alice").await;
    let token = deposit_token(&world, &alice, 500).await;
    let bridge = world.deployment.bridge;
    let given = Token::transferCall {
        to: bridge,
        value: U256::from(3),
    };
    let given = alice.sender.send(Call::new(token, given.abi_encode())).await.unwrap();
    let (status, report) = audit(&world, "token", &[]);
    assert_eq!(status, 0);
    let surplus = &findings(&report, "surplus")[0];
    let hash = given.receipt.transaction_hash;
    assert!(
        surplus.contains("3 came in from outside") && surplus.contains(&hash.to_string()),
        "{surplus}"
    );

    // As when a token rebases, or takes a fee of whoever holds it: OpenZeppelin keeps balances in the mapping at slot 0.
    let balance = keccak256((bridge, U256::ZERO).abi_encode());
    cheat(
        &world,
        "anvil_setStorageAt",
        json!([token, balance, B256::from(U256::from(493))]),
    )
    .await;
    let (status, report) = audit(&world, "token", &[]);
    assert_eq!(status, 1);
    let missing = &findings(&report, "solvency")[0];
    assert!(
        missing.contains(&token.to_string()) && missing.contains("7 are missing"),
        "{missing}"
    );

    // Anyone can bring such a token. Who holds none of it says what it holds; the finding stays.
    let (status, report) = audit(&world, "token", &["--asset", "ETH"]);
    assert_eq!((status, &report["verdict"]), (0, &json!("clean")), "{report:#}");
    assert!(findings(&report, "solvency")[0].contains("7 are missing"), "{report:#}");
    assert_eq!(audit(&world, "token", &["--asset", &token.to_string()]).0, 1);
}

#[tokio::test]
async fn a_bond_that_does_not_pay_for_a_proof_at_the_base_fee_is_found() {
    let world = World::new().await;
    let (alice, paula) = (world.actor("alice").await, world.proposer("paula").await);
    let own = [world.deposit(&alice, ETHER).await, world.deposit(&alice, ETHER).await];
    let posted = world
        .post(&paula, 0, &transfer(&world, &alice, own, 0), |_| ())
        .await
        .unwrap();
    assert_eq!(audit(&world, "bond", &[]).0, 0);
    // Insured is 50 gwei.
    cheat(
        &world,
        "anvil_setNextBlockBaseFeePerGas",
        json!([U256::from(60_000_000_000_u64)]),
    )
    .await;
    let (status, report) = audit(&world, "bond", &[]);
    let found = findings(&report, "bond");
    assert_eq!((status, found.len()), (0, 1), "{report:#}");
    assert_eq!(audit(&world, "bond", &["--strict"]).0, 1);
    assert!(
        found[0].contains(&format!("batch {}", posted.id)) && found[0].contains("present base fee"),
        "{}",
        found[0]
    );
    // When it is final nothing is at stake.
    world.devnet.mine(WINDOW + 1).await.unwrap();
    assert_eq!(audit(&world, "bond", &[]).0, 0);
}

#[tokio::test]
async fn a_wrong_manifest_is_wrong_and_what_cannot_be_reached_is_neither() {
    let mut world = World::new().await;
    let right = world.deployment.clone();
    world.deployment.parameters.window += 1;
    let (status, report) = audit(&world, "manifest", &[]);
    assert_eq!((status, &report["verdict"]), (1, &json!("wrong")));
    assert!(
        report["findings"][0]["detail"]
            .as_str()
            .unwrap()
            .contains("not that of the manifest"),
        "{report:#}"
    );
    world.deployment = right;
    world.deployment.account = Address::repeat_byte(1);
    assert_eq!(audit(&world, "manifest", &[]).0, 1);

    for (args, says) in [
        (["audit", "--rpc-url", "http://127.0.0.1:1"], "no L1 node"),
        (["audit", "--block", "yesterday"], "--block"),
        (["audit", "--deployment", "/nowhere"], "no manifest"),
    ] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_nthroot"))
            .args(args)
            .env("NTHROOT_DEPLOYMENT", manifest("manifest", &world.deployment))
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert!(error.contains(says), "{args:?}: {error}");
    }
}
