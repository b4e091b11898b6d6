//! A deployment that was interrupted goes on, and pays for nothing twice.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    cut,
    stranger::{DEPLOYER, SHORT, Stranger, number},
};

/// Contracts of a deployment, each made by one transaction.
const CONTRACTS: u64 = 7;

const TRIAL: [&str; 6] = [
    "deploy",
    "--preset",
    "my.toml",
    "--allow-short-window",
    "--yes",
    "--out",
];

fn trial(out: &str) -> Vec<&str> {
    [&TRIAL[..], &[out]].concat()
}

/// The manifest without what depends on when it was: blocks, with them the bridge's code, and with fees the transactions' hashes.
fn lasting(manifest: &Value) -> Value {
    let mut manifest = manifest.clone();
    manifest["deployment"]["deployment_block"] = Value::Null;
    for contract in manifest["record"]["contracts"].as_array_mut().unwrap() {
        for field in ["block", "transaction"] {
            contract[field] = Value::Null;
        }
        if contract["kind"] == "bridge" {
            contract["code_hash"] = Value::Null;
        }
    }
    manifest
}

#[test]
fn a_lost_connection_is_taken_up_after_each_of_the_transactions() {
    let chain = Stranger::start("deploy-resume", &[]);
    chain.preset("my.toml", SHORT, "");
    let clean = chain.rpc("evm_snapshot", &json!([]));
    // Undisturbed.
    chain.ask(&trial("whole.json"));
    let whole = chain.manifest("whole.json");
    let mut snapshot = clean;
    for transactions in 1..=CONTRACTS {
        assert_eq!(chain.rpc("evm_revert", &json!([snapshot])), true);
        snapshot = chain.rpc("evm_snapshot", &json!([]));
        let before = chain.wei(DEPLOYER);
        let out = format!("cut-{transactions}.json");
        let cut = cut::after(transactions.try_into().unwrap(), chain.url());
        let interrupted = chain
            .command(&trial(&out))
            .env("NTHROOT_RPC_URL", cut)
            .output()
            .unwrap();
        assert_eq!(interrupted.status.code(), Some(3), "{interrupted:?}");
        // The last one was taken, whatever became of the answer.
        let end = Instant::now() + Duration::from_secs(30);
        while chain.nonce(DEPLOYER) < transactions {
            assert!(
                Instant::now() < end,
                "the L1 node has not mined {transactions} transactions"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        // It goes on.
        let manifest = chain.ask(&trial(&out));
        assert_eq!(chain.nonce(DEPLOYER), CONTRACTS, "something was sent twice");
        assert_eq!(lasting(&manifest), lasting(&whole), "after {transactions}");
        assert_eq!(manifest, chain.manifest(&out));
        let contracts = manifest["record"]["contracts"].as_array().unwrap();
        let known = |field: &str| contracts.iter().all(|contract| !contract[field].is_null());
        assert!(known("block") && known("transaction"), "{manifest:#}");
        // Nothing was paid for but what the manifest names.
        let fee = |contract: &Value| {
            let receipt = chain.rpc("eth_getTransactionReceipt", &json!([contract["transaction"]]));
            assert_eq!(receipt["status"], "0x1");
            u128::from(number(&receipt["gasUsed"])) * u128::from(number(&receipt["effectiveGasPrice"]))
        };
        let fees: u128 = contracts.iter().map(fee).sum();
        assert_eq!(before - chain.wei(DEPLOYER), fees);
        // And once more: nothing is left to do.
        assert_eq!(chain.ask(&trial(&out)), manifest);
        assert_eq!(chain.nonce(DEPLOYER), CONTRACTS);
    }
}

#[test]
fn what_waits_in_the_pool_is_not_sent_twice() {
    let chain = Stranger::start("deploy-pool", &["--no-mining"]);
    chain.preset("my.toml", SHORT, "");
    for _ in 0..2 {
        // Nothing is mined: it is given up, as if somebody lost patience.
        let cut = cut::after(1, chain.url());
        let interrupted = chain
            .command(&trial("d.json"))
            .env("NTHROOT_RPC_URL", cut)
            .output()
            .unwrap();
        assert_eq!(interrupted.status.code(), Some(3), "{interrupted:?}");
    }
    let pool = chain.rpc("txpool_status", &json!([]));
    assert_eq!(pool, json!({ "pending": "0x1", "queued": "0x0" }));
    chain.rpc("evm_setAutomine", &json!([true]));
    chain.rpc("evm_mine", &json!([]));
    chain.ask(&trial("d.json"));
    assert_eq!(chain.nonce(DEPLOYER), CONTRACTS);
}
