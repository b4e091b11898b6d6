//! A node that proposes and challenges is killed at any moment: nothing is lost, nothing is done twice.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy::primitives::Address;
use nthroot_node::inputs::What;
use nthroot_protocol::{FragmentId, Key};
use serde_json::json;

use crate::{
    chain::Chain,
    life::ALL,
    net::Net,
    running::{Node, wait_for},
};

/// Random numbers that a failure says how to repeat, as far as the clock lets them be repeated.
struct Dice(u64);

impl Dice {
    #[allow(clippy::print_stdout, reason = "what a failed test shows")]
    fn new() -> Self {
        let given = std::env::var("NTHROOT_SEED").ok().and_then(|seed| seed.parse().ok());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let seed = given.unwrap_or(now);
        println!("repeat with NTHROOT_SEED={seed}");
        Self(seed)
    }

    /// Less than `end`.
    fn below(&mut self, end: u64) -> u64 {
        // Knuth's MMIX generator; its high bits are the good ones.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// How often it is killed.
fn rounds() -> u64 {
    let rounds = std::env::var("NTHROOT_KILLS")
        .ok()
        .and_then(|rounds| rounds.parse().ok());
    rounds.unwrap_or(8)
}

#[tokio::test]
async fn a_lie_is_convicted_in_the_next_block_and_told() {
    let net = Net::start("node-lie");
    net.bond("bob");
    let fragment: FragmentId = net.fragment("bob", 1, 0).parse().unwrap();
    let node = Node::start(&net, "n", ALL);
    let lie = Chain::read(&net).await.lie(&net, "bob", fragment).await;
    wait_for("conviction", || {
        (node.figure("nthroot_convictions_total", "us") == 1.0).then_some(())
    });
    let chain = Chain::read(&net).await;
    assert_eq!(chain.convicted(), [lie]);
    let posted = chain.block_of(|what| matches!(what, What::Submitted { .. }));
    assert_eq!(
        chain.block_of(|what| matches!(what, What::Convicted { .. })),
        posted + 1
    );
    assert_eq!(node.figure("nthroot_lies_total", ""), 1.0);
    assert_eq!(node.figure("nthroot_steps_judged_total", "lie"), 1.0);
    for (alert, level) in [("lie_found", "ERROR"), ("convicted", "INFO")] {
        let told = node.log().into_iter().find(|line| line["alert"] == alert);
        let told = told.unwrap_or_else(|| panic!("no alert {alert}: {:#?}", node.log()));
        assert_eq!(
            (&told["level"], &told["subject"]),
            (&json!(level), &json!(lie.to_string()))
        );
    }
}

#[tokio::test]
async fn a_lie_that_became_final_is_told_when_it_does_and_at_each_start() {
    let net = Net::start("node-missed");
    net.bond("bob");
    let fragment: FragmentId = net.fragment("bob", 1, 0).parse().unwrap();
    // Nobody proves anything.
    let mut node = Node::start(&net, "n", "");
    let lie = Chain::read(&net).await.lie(&net, "bob", fragment).await;
    net.mine(20);
    wait_for("lie", || (node.figure("nthroot_lies_open", "") == 1.0).then_some(()));
    let told = |node: &Node| -> Vec<_> {
        let lines = node.log().into_iter();
        let told = lines.filter(|line| line["alert"] == "lie_final");
        told.map(|line| (line["level"].clone(), line["subject"].clone()))
            .collect()
    };
    let expected = vec![(json!("ERROR"), json!(lie.to_string()))];
    assert_eq!(told(&node), []);
    assert_eq!(node.figure("nthroot_lies_final", ""), 0.0);
    net.mine(1);
    wait_for("alert", || (!told(&node).is_empty()).then_some(()));
    // Long after L1 finalised it, in a node that goes on, in one that comes late, and when that resumes from what it kept.
    net.mine(100);
    wait_for("figure", || {
        (node.figure("nthroot_tip_block", "").to_string() == net.block().to_string()).then_some(())
    });
    assert_eq!(told(&node), expected);
    assert_eq!(node.figure("nthroot_lies_open", ""), 0.0);
    node.stop();
    let mut late = Node::start(&net, "late", "");
    for resumes in [false, true] {
        if resumes {
            late.stop();
            late.spawn();
            late.wait_until_ready();
        }
        assert_eq!(late.logged("resuming").is_some(), resumes);
        wait_for("alert", || (!told(&late).is_empty()).then_some(()));
        assert_eq!(told(&late), expected);
        assert_eq!(late.figure("nthroot_lies_final", ""), 1.0);
    }
}

#[tokio::test]
async fn a_node_that_is_killed_loses_nothing_and_repeats_nothing() {
    let (mut dice, rounds) = (Dice::new(), rounds());
    let net = Net::start("node-kills");
    // Each batch locks some of it for a window, and each lie costs it.
    for who in ["paula", "bob"] {
        net.ask(who, &["bond", "fund", "--amount", "60ether"]);
    }
    let liar: FragmentId = net.fragment("bob", 1, 0).parse().unwrap();
    let fragments: Vec<String> = (0..rounds).map(|_| net.fragment("alice", 1, 0)).collect();
    let recipient = Address::repeat_byte(0x99);
    let mut node = Node::start(&net, "n", ALL);
    // Blocks come by the clock, so that transactions are on their way when it dies.
    net.rpc("evm_setAutomine", &json!([false]));
    net.rpc("evm_setIntervalMining", &json!([1]));

    let mut chain = Chain::read(&net).await;
    let (mut accepted, mut lies) = (Vec::new(), BTreeSet::new());
    for (round, fragment) in (1_u128..).zip(&fragments) {
        let amount = round * 1_000;
        let send = [
            "send",
            &recipient.to_string(),
            &amount.to_string(),
            "--fragment",
            fragment,
            "--json",
            "--yes",
        ];
        let sent = net
            .command("alice", &send)
            .env("NTHROOT_NODE", node.api())
            .output()
            .unwrap();
        assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
        accepted.push(amount);
        if dice.below(2) == 0 {
            chain.read_on().await;
            lies.insert(chain.lie(&net, "bob", liar).await);
        }
        tokio::time::sleep(Duration::from_millis(dice.below(1_500))).await;
        node.kill();
        node.spawn();
        node.wait_until_ready();
        if dice.below(3) == 0 {
            // Also while it has hardly begun.
            tokio::time::sleep(Duration::from_millis(dice.below(200))).await;
            node.kill();
            node.spawn();
            node.wait_until_ready();
        }
        // The liar's fragment is as it was before the next lie.
        for _ in 0..50 {
            chain.read_on().await;
            if lies.iter().all(|lie| chain.convicted().contains(lie)) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    let waits = || node.figure("nthroot_mempool_bundles", "") + node.figure("nthroot_outbox_pending", "");
    wait_for("end of all work", || (waits() == 0.0).then_some(()));
    node.stop();

    chain.read_on().await;
    let mut held = chain.held(Key::Secp256k1(recipient));
    held.sort_unstable();
    assert_eq!(held, accepted, "each intent happened once");
    assert_eq!(chain.convicted().len(), lies.len());
    assert_eq!(
        chain.convicted().into_iter().collect::<BTreeSet<_>>(),
        lies,
        "each lie was convicted once"
    );
    for (who, least) in [("paula", 1), ("carol", lies.len())] {
        let (all, failed) = chain.transactions(net.address(who).parse().unwrap()).await;
        assert!(all >= least, "{who} sent {all}");
        assert_eq!(failed, 0, "of {all} transactions of {who}");
    }
    let skipped = chain.inputs.iter().filter(|input| match &input.what {
        What::Submitted { skipped, .. } => !skipped.is_empty(),
        _ => false,
    });
    assert_eq!(skipped.count(), 0, "no step was posted in vain");
}
