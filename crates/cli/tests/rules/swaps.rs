//! Intents to swap, from their users' files to a fill.

use crate::net::{Net, number};

const ETHER: u128 = 1_000_000_000_000_000_000;

/// Signs an intent of somebody's; returns its file.
fn sign(net: &Net, who: &str, file: &str, terms: &[&str]) -> String {
    let path = net.path(file);
    net.act(who, &[&["swap", "sign", "--out", &path], terms].concat());
    path
}

#[test]
fn two_users_sign_and_a_third_fills() {
    let net = Net::start("swaps");
    net.bond("carol");
    let alice = net.fragment("alice", 10, 0);
    let bob = net.fragment("bob", 0, 30_000);
    let carol = net.fragment("carol", 1, 0);
    let token = |amount: &str| format!("{amount}:{}", net.token());
    let a = sign(
        &net,
        "alice",
        "a.json",
        &[
            "--give",
            "9.5ether:ETH",
            "--get",
            &token("19000e18"),
            "--reward",
            "0.5ether:ETH",
        ],
    );
    // Bob pays up to 20,000 for 9 ETH, or for a part of that.
    let b = sign(
        &net,
        "bob",
        "b.json",
        &[
            "--give",
            &token("20000e18"),
            "--get",
            "9ether:ETH",
            "--least-fill",
            "1000e18",
        ],
    );
    let shown = net.ask("carol", &["swap", "show", &b]);
    assert_eq!(
        (number(&shown["gives"][0]["most"]), number(&shown["gets"][0]["least"])),
        (20_000 * ETHER, 9 * ETHER)
    );
    assert!(shown["problem"].is_null(), "{shown}");

    let alone = ["swap", "fill", &a];
    net.refuse("carol", &alone, 1, "asked for");
    let filled = net.act("carol", &["swap", "fill", &a, &b, "--take"]);
    assert_eq!(Net::held(&filled, &alice, net.token()), 19_000 * ETHER);
    assert_eq!(Net::held(&filled, &bob, "ETH"), 9 * ETHER);
    // What they would have given and nobody asked for.
    assert_eq!(Net::held(&filled, &carol, "ETH"), 2 * ETHER);
    assert_eq!(Net::held(&filled, &carol, net.token()), 1_000 * ETHER);
    net.refuse("carol", &["swap", "fill", &a, &b], 1, "used or cancelled");
    assert!(net.ask("carol", &["swap", "show", &a])["problem"].is_string());
}

#[test]
fn an_intent_along_a_curve_gets_worse_until_it_is_filled() {
    let net = Net::start("curves");
    net.bond("carol");
    let alice = net.fragment("alice", 2, 0);
    let carol = net.fragment("carol", 0, 1_000);
    let counterparty = ["--counterparty", &carol];
    let get = format!("100..0:{}", net.token());
    let terms = [
        "--give",
        "1ether:ETH",
        "--get",
        &get,
        "--curve",
        "0..100000",
        "--valid-for",
        "5",
    ];
    let file = sign(&net, "alice", "curve.json", &[&terms[..], &counterparty].concat());
    let shown = net.ask("carol", &["swap", "show", &file]);
    assert_eq!(number(&shown["gets"][0]["least"]), 100);
    let give = format!("100:{}", net.token());
    let filled = net.act("carol", &["swap", "fill", &file, "--take", "--give", &give]);
    assert_eq!(Net::held(&filled, &alice, net.token()), 100);
    assert_eq!(Net::held(&filled, &carol, "ETH"), ETHER);

    let changes = ["swap", "sign", "--give", "1..2:ETH", "--get", "1:ETH", "--yes"];
    net.refuse("alice", &changes, 1, "--curve");
    net.refuse(
        "alice",
        &["swap", "sign", "--give", "0:ETH", "--get", "1:ETH", "--yes"],
        1,
        "nobody could fill",
    );
    // What is over is over.
    let late = sign(
        &net,
        "alice",
        "late.json",
        &["--give", "1:ETH", "--get", "1:ETH", "--valid-for", "1"],
    );
    net.fragment("bob", 1, 0);
    net.fragment("bob", 1, 0);
    net.refuse("carol", &["swap", "fill", &late], 1, "valid until");
    net.refuse("carol", &["post", &file], 1, "used or cancelled");
}
