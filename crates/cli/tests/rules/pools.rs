//! Pools, outside wallets, and what goes wrong.

use alloy::{
    dyn_abi::eip712::TypedData,
    primitives::hex,
    signers::{SignerSync, local::PrivateKeySigner},
};

use crate::net::{Net, number};

const ETHER: u128 = 1_000_000_000_000_000_000;

/// A pool of Alice's with 10 ETH and 20,000 tokens.
fn pool(net: &Net) -> (String, String) {
    net.bond("alice");
    let alice = net.fragment("alice", 20, 50_000);
    let created = net.act("alice", &["pool", "create", net.token(), "ETH", "--fee", "0.3%"]);
    let pool = created["opened"][0].as_str().unwrap().to_owned();
    let tokens = format!("20000e18:{}", net.token());
    let added = net.act(
        "alice",
        &["pool", "add", &pool, "--max", "10ether:ETH", "--max", &tokens],
    );
    assert_eq!(Net::held(&added, &alice, "ETH"), 10 * ETHER);
    assert!(added["finalAt"].as_u64() > added["block"].as_u64());
    (pool, alice)
}

#[test]
fn a_pool_is_opened_traded_with_and_left() {
    let net = Net::start("a_pool");
    let (pool, alice) = pool(&net);
    net.bond("bob");
    let bob = net.fragment("bob", 5, 0);
    let sold = net.act("bob", &["pool", "swap", &pool, "--sell", "1ether", "--of", "ETH"]);
    let bought = Net::held(&sold, &bob, net.token());
    // 20,000 · 0.997 / (10 + 0.997), rounded down.
    assert_eq!(bought, 1_813_221_787_760_298_263_162);
    let back = net.act(
        "bob",
        &[
            "pool",
            "swap",
            &pool,
            "--buy",
            "0.5ether",
            "--of",
            "ETH",
            "--slippage",
            "1%",
        ],
    );
    assert_eq!(Net::held(&back, &bob, "ETH"), 9 * ETHER / 2);

    let shown = net.ask("alice", &["pool", "show", &pool]);
    assert_eq!(number(&shown["reserves"][0]["amount"]), 21 * ETHER / 2);
    assert_eq!(shown["feeMillionths"], 3_000);
    assert_eq!(number(&shown["shares"]) - number(&shown["ownShares"]), 1_000);
    assert_eq!(net.ask("bob", &["pool", "list"]).as_array().unwrap().len(), 1);
    // One amount is enough: the price says the other.
    net.act("alice", &["pool", "add", &pool, "--max", "1ether:ETH"]);
    let left = net.act("alice", &["pool", "remove", &pool, "--shares", "all"]);
    assert_eq!(Net::held(&left, &alice, &format!("shares of pool {pool}")), 0);
    assert!(
        Net::held(&left, &alice, "ETH") > 20 * ETHER,
        "fees stay with whoever has shares"
    );

    let text = net.run("alice", &["pool", "show", &pool]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("fee         0.3%"), "{text}");
}

#[test]
fn an_outside_wallet_signs_what_somebody_else_posts() {
    let net = Net::start("outside");
    let (pool, _) = pool(&net);
    let bob = net.fragment("bob", 5, 0);
    let mut args = vec![
        "pool",
        "swap",
        &pool,
        "--sell",
        "1ether",
        "--of",
        "ETH",
        "--at-least",
        "1800e18",
    ];
    args.extend(["--fragment", &bob, "--valid-until", "1000"]);
    let typed = net.ask("alice", &[&args[..], &["--typed-data"]].concat());
    let data: TypedData = serde_json::from_value(typed).unwrap();
    let wallet: PrivateKeySigner = net.key("bob").parse().unwrap();
    let signature = hex::encode_prefixed(wallet.sign_dynamic_typed_data_sync(&data).unwrap().as_bytes());
    let signed = [&args[..], &["--signature", &signature]].concat();
    let intent = net.ask("alice", &[&signed[..], &["--sign-only"]].concat());
    let file = net.path("intent.json");
    std::fs::write(&file, intent.to_string()).unwrap();
    let posted = net.ask("alice", &["post", &file]);
    assert!(Net::held(&posted, &bob, net.token()) > 1_800 * ETHER);

    net.refuse("alice", &["post", &file], 1, "used or cancelled");
    // A signature for other terms.
    let other: Vec<&str> = signed
        .iter()
        .map(|arg| if *arg == "1800e18" { "1700e18" } else { arg })
        .collect();
    net.refuse("alice", &other, 1, "is not one of what this command asks for");
}

#[test]
fn what_is_refused_says_what_to_do() {
    let net = Net::start("refused");
    let (pool, alice) = pool(&net);
    let bob = net.fragment("bob", 1, 0);
    let sell = ["pool", "swap", &pool, "--sell", "1ether", "--of", "ETH"];
    net.refuse("bob", &[&sell[..], &["--yes"]].concat(), 1, "nthroot bond fund");
    net.refuse("bob", &sell, 1, "pass --yes");
    net.refuse("carol", &[&sell[..], &["--yes"]].concat(), 1, "nthroot deposit");
    net.refuse(
        "carol",
        &[&sell[..], &["--yes", "--fragment", &bob]].concat(),
        1,
        "not under your key",
    );
    let over = [
        "pool",
        "swap",
        &pool,
        "--sell",
        "1ether",
        "--of",
        "ETH",
        "--at-least",
        "9e24",
        "--yes",
    ];
    net.refuse("alice", &over, 1, "is less than");
    net.refuse("alice", &["pool", "show", &alice], 1, "nthroot pool list");
    net.refuse("alice", &["pool", "swap", &pool, "--sell", "1"], 2, "--of");
    net.refuse(
        "alice",
        &["pool", "swap", &pool, "--sell", "1ounce", "--of", "ETH"],
        2,
        "not an amount",
    );
    net.refuse(
        "alice",
        &["pool", "list", "--deployment", "/nowhere"],
        1,
        "NTHROOT_DEPLOYMENT",
    );
    net.refuse(
        "alice",
        &["pool", "list", "--rpc-url", "http://127.0.0.1:1"],
        3,
        "NTHROOT_RPC_URL",
    );
    // Two fragments would do.
    net.fragment("alice", 1, 0);
    let small = ["pool", "swap", &pool, "--sell", "0.1ether", "--of", "ETH", "--yes"];
    net.refuse("alice", &small, 1, "--fragment");
    net.act("alice", &[&small[..7], &["--fragment", &alice]].concat());
    let key = net.path("key");
    std::fs::write(&key, "not a key, but a secret").unwrap();
    net.refuse(
        "alice",
        &["fragments", "--key-file", &key],
        1,
        "32 bytes in hexadecimal",
    );
    std::fs::write(&key, net.key("bob")).unwrap();
    assert_eq!(
        net.ask("alice", &["fragments", "--key-file", &key])[0]["id"],
        bob.as_str()
    );
}
