//! A node starts, follows, answers, ends, and goes on where it was.

use alloy::primitives::B256;
use nthroot_protocol::storage::GLOBAL_SLOT;
use serde_json::json;

use crate::{
    net::Net,
    running::{Node, wait_for},
};

/// Sections of one that does everything.
pub(crate) const ALL: &str = "watcher.enabled = true\nwatcher.key.file = \"carol.key\"\nproposer.enabled = true\nproposer.key.file = \"paula.key\"";

#[test]
fn it_follows_ends_and_goes_on_where_it_was() {
    let net = Net::start("node-life");
    net.fragment("alice", 2, 0);
    // What is final is kept: anvil finalises what is 64 blocks deep.
    net.mine(100);
    let mut node = Node::start(&net, "n", "");
    assert_eq!(node.ops("/health"), (200, "ok\n".to_owned()));
    assert_eq!(node.ask("nthroot_chain", &json!([]))["tip"]["block"], net.block());
    assert_eq!(node.figure("nthroot_synced", ""), 1.0);
    assert!(node.ask("nthroot_terms", &json!([])).is_null(), "it carries nothing");

    // A block that comes is followed.
    net.mine(1);
    wait_for("block", || {
        (node.figure("nthroot_tip_block", "").to_string() == net.block().to_string()).then_some(())
    });

    node.stop();
    assert!(node.logged("the node ends").is_some());
    net.mine(3);
    node.spawn();
    node.wait_until_ready();
    let resumed = node.logged("resuming").expect("it was kept");
    assert!(resumed["block"].as_u64().unwrap() > 30, "{resumed}");
    assert_eq!(node.ask("nthroot_chain", &json!([]))["tip"]["block"], net.block());

    // Ctrl-C does the same.
    node.signal("-INT");
    assert!(node.ended().success());
}

#[test]
fn a_second_process_does_not_get_the_same_store() {
    let net = Net::start("node-twice");
    let node = Node::start(&net, "n", "");
    let second = node.command(&["run"]).output().unwrap();
    let error = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1), "{error}");
    assert!(error.contains("another process"), "{error}");
}

#[test]
fn it_waits_for_l1_and_says_so() {
    let net = Net::start("node-waits");
    let mut node = Node::new(&net, "n", "");
    // Nobody listens there.
    let mut command = node.command(&["run"]);
    command.env(
        "NTHROOT_NODE__L1__URLS",
        "[\"http://user:hunter2@127.0.0.1:9/hunter2\"]",
    );
    node.spawn_as(command);
    let (status, body) = wait_for("problem", || {
        Some(node.ops("/ready")).filter(|(_, body)| body.contains("L1 does not answer"))
    });
    assert_eq!(status, 503, "{body}");
    assert_eq!(node.ops("/health").0, 200);
    // What may be a secret in an address is not told.
    let log = format!("{:?}", node.log());
    assert!(log.contains("trying again") && !log.contains("hunter2"), "{log}");
    assert!(!body.contains("hunter2"), "{body}");
    node.stop();
}

#[test]
fn it_halts_when_the_chain_says_what_does_not_follow_and_goes_on_answering() {
    let net = Net::start("node-halt");
    let mut node = Node::start(&net, "n", ALL);
    // The bridge's last id and fault set, as nothing that happened makes them.
    let slot = format!("{GLOBAL_SLOT:#x}");
    net.rpc("anvil_setStorageAt", &json!([net.bridge(), slot, B256::repeat_byte(1)]));
    net.mine(1);
    let (status, problem) = wait_for("halt", || {
        Some(node.ops("/ready")).filter(|(_, body)| body.contains("it has halted"))
    });
    assert_eq!(status, 503, "{problem}");
    assert_eq!(node.ops("/health").0, 200);
    assert_eq!(node.figure("nthroot_halted", ""), 1.0);
    assert_eq!(node.ask("nthroot_chain", &json!([]))["tip"]["synced"], false);
    assert!(node.log().iter().any(|line| line["alert"] == "halted"));
    node.signal("-TERM");
    assert_eq!(node.ended().code(), Some(4));

    let mut node = Node::new(&net, "n-exit", "on_halt = \"exit\"");
    node.spawn();
    assert_eq!(node.ended().code(), Some(4));
}

#[test]
fn a_bridge_that_is_not_the_manifests_is_not_followed() {
    let net = Net::start("node-wrong");
    let mut node = Node::new(&net, "n", "deployment = \"other.json\"");
    let text = std::fs::read_to_string(net.path("deployment.json")).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    manifest["deployment"]["parameters"]["window"] = 99.into();
    std::fs::write(net.path("n/other.json"), manifest.to_string()).unwrap();
    node.spawn();
    // As any other halt it is no end, unless that is wanted.
    wait_for("halt", || {
        Some(node.ops("/ready")).filter(|(_, body)| body.contains("it has halted"))
    });
    node.signal("-TERM");
    assert_eq!(node.ended().code(), Some(4));
    let mut command = node.command(&["run"]);
    command.env("NTHROOT_NODE__ON_HALT", "exit");
    node.spawn_as(command);
    assert_eq!(node.ended().code(), Some(4));
    assert!(
        node.log().iter().any(|line| line["alert"] == "halted"),
        "{:?}",
        node.log()
    );
}

#[test]
fn an_intent_is_taken_posted_and_final() {
    let net = Net::start("node-intent");
    net.bond("paula");
    let fragment = net.fragment("alice", 2, 0);
    let node = Node::start(&net, "n", ALL);
    let bob = net.address("bob");
    let sent = net
        .command(
            "alice",
            &["send", &bob, "0.5ether", "--fragment", &fragment, "--json", "--yes"],
        )
        .env("NTHROOT_NODE", node.api())
        .output()
        .unwrap();
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    let sent: serde_json::Value = serde_json::from_slice(&sent.stdout).unwrap();
    let id = sent["intent"].as_str().unwrap_or_else(|| panic!("{sent}")).to_owned();
    let status = |status: &str| {
        let info = node.ask("nthroot_intent", &json!([id]));
        (info["status"] == status).then_some(info)
    };
    let included = wait_for("inclusion", || status("included"));
    assert!(included["finalAt"].as_u64() > included["block"].as_u64(), "{included}");
    net.mine(30);
    wait_for("finality", || status("final"));
    assert_eq!(node.figure("nthroot_intake_total", "accepted"), 1.0);
    assert_eq!(node.figure("nthroot_batches_posted_total", ""), 1.0);
    assert_eq!(node.figure("nthroot_transactions_total", "failed"), 0.0);
    // Of the bond one sees what is free, of the keys what they have.
    assert!(node.figure("nthroot_bond_free_gwei", "") > 4e9);
    assert!(node.figure("nthroot_balance_gwei", "watcher") > 9e10);
}

#[test]
fn without_a_bond_it_says_so_and_goes_on_when_there_is_one() {
    let net = Net::start("node-bondless");
    let fragment = net.fragment("alice", 1, 0);
    let node = Node::start(&net, "n", ALL);
    let bob = net.address("bob");
    let send = ["send", &bob, "0.5ether", "--fragment", &fragment, "--json", "--yes"];
    let sent = net
        .command("alice", &send)
        .env("NTHROOT_NODE", node.api())
        .output()
        .unwrap();
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    wait_for("alert", || {
        node.log().into_iter().find(|line| line["alert"] == "bond_low")
    });
    assert_eq!(node.figure("nthroot_mempool_bundles", ""), 1.0);
    net.ask("paula", &["bond", "fund", "--amount", "5ether"]);
    wait_for("batch", || {
        (node.figure("nthroot_batches_posted_total", "") == 1.0).then_some(())
    });
    assert_eq!(node.figure("nthroot_mempool_bundles", ""), 0.0);
}
