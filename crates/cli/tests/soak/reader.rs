//! The second reading of the specification, `tools/reader`, on the chain that is left: it sees L1 alone, and comes to the same.

use std::{collections::BTreeMap, ffi::OsStr, path::Path, process::Command};

use nthroot_model::{anchor::AnchorState, ledger::Ledger};
use serde_json::Value;

use crate::{verdict::Judge, world::World};

/// What the reader derives, where Python 3.11 with what the reader needs is at this path.
pub(crate) fn read(python: &OsStr, world: &World) -> Value {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/reader/reader.py");
    let done = Command::new(python)
        .arg(program)
        .args(["--rpc-url", world.devnet.url()])
        .args(["--bridge", &world.deployment.bridge.to_string()])
        .output()
        .expect("Python runs");
    serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&done.stderr)))
}

/// What it does not agree with.
pub(crate) fn check(report: &Value, judge: &Judge, wrong: &mut Vec<String>) {
    let ledger = judge.ledger();
    let mut same = |what: &str, own: Value, its: &Value| {
        if own != *its {
            wrong.push(format!("{what}: the reader of the specification has {its}, not {own}"));
        }
    };
    same("differences from L1", Value::Array(Vec::new()), &report["differences"]);
    same("block", judge.follower.tip().number.into(), &report["block"]);
    same("digest", judge.digest().to_string().into(), &report["digest"]);
    same("balances", balances(ledger), &report["balances"]["latest"]);
    let lies = judge.batches.iter().filter(|(_, seen)| seen.lie.is_some());
    let lies: Vec<String> = lies.map(|(id, _)| format!("{:#012x}", id.to_u64())).collect();
    let mut its: Vec<&str> = report["lies"].as_array().map_or_else(Vec::new, |lies| {
        lies.iter().filter_map(|lie| lie["batch"].as_str()).collect()
    });
    its.dedup();
    same("lies", lies.into(), &its.into());
}

/// By key and asset, as the reader has them: decimal text.
fn balances(ledger: &Ledger) -> Value {
    let mut sums: BTreeMap<String, BTreeMap<String, u128>> = BTreeMap::new();
    let states = ledger.anchors().filter_map(|(_, _, state)| state.known());
    for (_, fragment) in states.flat_map(AnchorState::fragments) {
        let owner = format!(
            "{:02x}{}",
            fragment.kind.to_u8(),
            alloy::hex::encode(fragment.controller)
        );
        let own = sums.entry(owner).or_default();
        for (asset, amount) in fragment.assets.iter() {
            *own.entry(alloy::hex::encode(asset.0)).or_default() += amount;
        }
    }
    let text = sums.into_iter().map(|(owner, own)| {
        let own = own.into_iter().map(|(asset, amount)| (asset, amount.to_string()));
        (owner, own.collect::<BTreeMap<_, _>>())
    });
    serde_json::json!(text.collect::<BTreeMap<_, _>>())
}
