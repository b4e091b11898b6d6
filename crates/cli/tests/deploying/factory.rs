//! A chain without the factory: putting it there can be interrupted too, and costs its 0.01 ether once.

use std::time::{Duration, Instant};

use nthroot_node::deploy::factory::{MAKER, PRICE, TRANSACTION};
use serde_json::json;

use crate::{
    cut,
    stranger::{DEPLOYER, SHORT, Stranger},
};

const BARE: &str = "--disable-default-create2-deployer";

const TRIAL: [&str; 5] = ["deploy", "--preset", "my.toml", "--allow-short-window", "--yes"];

fn bare(name: &str, options: &[&str]) -> Stranger {
    let chain = Stranger::start(name, &[&[BARE], options].concat());
    chain.preset("my.toml", SHORT, "");
    chain
}

#[test]
fn a_lost_connection_is_taken_up_before_there_is_a_factory() {
    let chain = bare("deploy-factory-cut", &[]);
    let mut snapshot = chain.rpc("evm_snapshot", &json!([]));
    // Tried out, given ether, sent, and the first contract.
    for transactions in 1..=4 {
        assert_eq!(chain.rpc("evm_revert", &json!([snapshot])), true);
        snapshot = chain.rpc("evm_snapshot", &json!([]));
        let cut = cut::after(transactions, chain.url());
        let interrupted = chain.command(&TRIAL).env("NTHROOT_RPC_URL", cut).output().unwrap();
        assert_eq!(interrupted.status.code(), Some(3), "{interrupted:?}");
        chain.ask(&TRIAL);
        // One for its ether, and seven contracts.
        assert_eq!(
            chain.nonce(DEPLOYER),
            8,
            "something was sent twice after {transactions}"
        );
        // What its transaction did not use.
        assert!(chain.wei(&MAKER.to_string()) < PRICE);
        std::fs::remove_file(chain.path("deployment.json")).unwrap();
    }
}

#[test]
fn its_transaction_may_wait_in_the_pool() {
    let chain = bare("deploy-factory-pool", &["--no-mining"]);
    chain.rpc("anvil_setBalance", &json!([MAKER, format!("{PRICE:#x}")]));
    let raw = alloy::hex::encode_prefixed(TRANSACTION);
    chain.rpc("eth_sendRawTransaction", &json!([raw]));
    let mut child = chain.command(&TRIAL).spawn().unwrap();
    // It is known already, which is as good as sent: nobody gives up.
    let end = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        assert!(child.try_wait().unwrap().is_none(), "it gave up");
        std::thread::sleep(Duration::from_millis(50));
    }
    chain.rpc("evm_setAutomine", &json!([true]));
    chain.rpc("evm_mine", &json!([]));
    assert!(child.wait().unwrap().success());
    assert_eq!(chain.nonce(DEPLOYER), 7);
}

#[test]
fn a_node_that_never_takes_it_costs_no_ether() {
    let chain = bare("deploy-factory-refused", &[]);
    let part = "f8a58085174876e800830186a08080b853604580600e";
    let url = cut::refusing(
        part,
        "only replay-protected (EIP-155) transactions allowed over RPC",
        chain.url(),
    );
    let refused = chain.command(&TRIAL).env("NTHROOT_RPC_URL", url).output().unwrap();
    let error = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{error}");
    assert!(error.contains("only replay-protected"), "{error}");
    assert_eq!(chain.nonce(DEPLOYER), 0);
    assert_eq!(chain.wei(&MAKER.to_string()), 0);
}
