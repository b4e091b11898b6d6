//! What explorers are given makes the bytecode, and other sources are told.

use std::{
    fs::{self, File},
    path::Path,
    process::Command,
};

use serde_json::Value;

use crate::stranger::{SHORT, Stranger, root};

fn json(path: impl AsRef<Path>) -> Value {
    let path = path.as_ref();
    serde_json::from_slice(&fs::read(path).unwrap_or_else(|bad| panic!("{}: {bad}", path.display()))).unwrap()
}

#[test]
fn the_standard_json_makes_the_bytecode() {
    let chain = Stranger::start("deploy-standard", &[]);
    let root = root();
    let sources = root.to_str().unwrap();
    let args = [
        "deploy",
        "--preset",
        "swift",
        "--dry-run",
        "--standard-json",
        "explorer",
        "--sources",
        sources,
    ];
    let dry = chain.ask(&args);
    let output = Command::new("node")
        .arg(root.join("tools/solc.mjs"))
        .arg("--standard-json")
        .stdin(File::open(chain.path("explorer/standard-input.json")).unwrap())
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let about = json(chain.path("explorer/contracts.json"));
    assert!(about["compiler"].as_str().unwrap().starts_with("v0.8."), "{about}");
    let contracts = about["contracts"].as_array().unwrap();
    assert_eq!(contracts.len(), 7);
    for (contract, planned) in contracts.iter().zip(dry["contracts"].as_array().unwrap()) {
        assert_eq!(contract["address"], planned["address"]);
        let (file, name) = contract["contract"].as_str().unwrap().split_once(':').unwrap();
        let made = &answer["contracts"][file][name]["evm"];
        let artifact = json(root.join(format!("abi/{name}.json")));
        for (which, code) in [("bytecode", "bytecode"), ("deployedBytecode", "deployedBytecode")] {
            let made = format!("0x{}", made[which]["object"].as_str().unwrap());
            assert_eq!(artifact[code], made.as_str(), "{name}");
        }
    }
}

#[test]
fn other_sources_are_told() {
    let chain = Stranger::start("deploy-sources", &[]);
    chain.preset("my.toml", SHORT, "");
    chain.ask(&["deploy", "--preset", "my.toml", "--allow-short-window", "--yes"]);
    // A checkout in which the registry puts something else before a rule.
    let copy = |from: &Path, to: &Path| copy_folder(from, to);
    let other = Path::new(&chain.path("other")).to_owned();
    for folder in ["contracts", "tools"] {
        copy(&root().join(folder), &other.join(folder));
    }
    fs::copy(root().join("foundry.toml"), other.join("foundry.toml")).unwrap();
    fs::copy(root().join("package.json"), other.join("package.json")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(root().join("node_modules"), other.join("node_modules")).unwrap();
    let file = other.join("contracts/Bridge.sol");
    let text = fs::read_to_string(&file).unwrap();
    let changed = text.replace("REWARD_GAS = 30_000", "REWARD_GAS = 30_001");
    assert_ne!(changed, text);
    fs::write(file, changed).unwrap();
    chain.refuse(
        &["verify", "--sources", "other"],
        "these sources make other bytecode of Bridge:",
    );
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &to);
        } else {
            fs::copy(&path, to).unwrap();
        }
    }
}
