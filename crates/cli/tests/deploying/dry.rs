//! What a dry run says comes true, and the manual says the same.

use std::fs;

use serde_json::{Value, json};

use crate::stranger::{DEPLOYER, SHORT, Stranger, number, root};

#[test]
fn a_dry_run_says_what_will_be_where_and_what_it_costs() {
    let chain = Stranger::start("deploy-dry", &["--chain-id", "4242"]);
    chain.preset("my.toml", &format!("chain-id = 4242\n{SHORT}"), "");
    let args = ["deploy", "--preset", "my.toml", "--allow-short-window"];
    let dry = chain.ask(&[&args[..], &["--dry-run", "--base-fee", "7gwei"]].concat());
    assert_eq!(chain.nonce(DEPLOYER), 0);
    assert_eq!(dry["chainId"], 4242);
    assert_eq!(dry["factory"]["isThere"], true);
    let gas = number_of(&dry["gas"]);
    let at = number_of(&dry["atBaseFee"]["cost"]);
    assert_eq!(at, gas * 7_000_000_000);

    let manifest = chain.ask(&[&args[..], &["--yes"]].concat());
    let made = manifest["record"]["contracts"].as_array().unwrap();
    let planned = dry["contracts"].as_array().unwrap();
    assert_eq!(made.len(), planned.len());
    let mut sum = 0;
    for (made, planned) in made.iter().zip(planned) {
        assert_eq!(made["address"], planned["address"]);
        assert_eq!(planned["isThere"], false);
        let receipt = chain.rpc("eth_getTransactionReceipt", &json!([made["transaction"]]));
        assert_eq!(
            number(&receipt["gasUsed"]),
            planned["gas"]["osaka"].as_u64().unwrap(),
            "{planned}"
        );
        sum += u128::from(number(&receipt["gasUsed"]));
    }
    assert_eq!(sum, gas);
    // Afterwards there is nothing left to be paid.
    let dry = chain.ask(&[&args[..], &["--dry-run"]].concat());
    assert_eq!(dry["gas"], 0);
    assert!(
        dry["contracts"]
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["isThere"] == true)
    );
    // Another salt is another bridge, of the same verifier, registry and rules.
    let salt = format!("0x{}", "11".repeat(32));
    let other = chain.ask(&[&args[..], &["--dry-run", "--out", "other.json", "--salt", &salt]].concat());
    let there = other["contracts"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["isThere"] == true);
    assert_eq!(there.count(), 6);
}

fn number_of(value: &Value) -> u128 {
    value.to_string().trim_matches('"').parse().unwrap()
}

/// The rows of the manual's table of gas.
#[test]
fn the_manual_says_what_deploying_costs() {
    let chain = Stranger::start("deploy-gas", &[]);
    let unbound = chain.run(&["deploy", "--preset", "prudent", "--dry-run"]);
    assert!(String::from_utf8_lossy(&unbound.stdout).contains("at stake, and nothing bounds it"));
    // Caps cost a slot each: the manual's are those of the presets, which have none.
    let dry = chain.ask(&["deploy", "--preset", "prudent", "--dry-run"]);
    let manual = fs::read_to_string(root().join("docs/deploying.md")).unwrap();
    let mut sums = [0, 0];
    let row = |name: &str, now: u64, soon: u64| {
        let row = format!("| {name} | {} | {} |", thousands(now), thousands(soon));
        assert!(manual.contains(&row), "docs/deploying.md lacks the row {row}");
    };
    for one in dry["contracts"].as_array().unwrap() {
        let [now, soon] = ["osaka", "amsterdam"].map(|fork| one["gas"][fork].as_u64().unwrap());
        row(one["contract"].as_str().unwrap(), now, soon);
        sums = [sums[0] + now, sums[1] + soon];
    }
    row("together", sums[0], sums[1]);
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(String::from_utf8_lossy)
        .collect();
    groups.join(",")
}
