//! The forge script deploys the same as the command.

use std::process::Command;

use serde_json::json;

use crate::stranger::{DEPLOYER, KEY, SHORT, Stranger, foundry, root};

/// A token for which there is a cap, on both chains.
const TOKENS: [&str; 2] = [
    "0xFFfFfFffFFfffFFfFFfFFFFFffFFFffffFfFFFfF",
    "0x1000000000000000000000000000000000000001",
];

#[test]
fn script_and_command_deploy_the_same() {
    let caps = format!(
        "[caps]\n\"{}\" = \"5_000e6\"\nETH = \"0.5 ether\"\n\"{}\" = \"1_000_000\"",
        TOKENS[0], TOKENS[1]
    );
    let salt = format!("0x{}", "5a".repeat(32));
    let chains = ["deploy-script-ours", "deploy-script-theirs"].map(|name| {
        let chain = Stranger::start(name, &["--chain-id", "4242"]);
        chain.preset("my.toml", &format!("chain-id = 4242\n{SHORT}"), &caps);
        for token in TOKENS {
            chain.rpc("anvil_setCode", &json!([token, "0x00"]));
        }
        chain
    });
    let [ours, theirs] = &chains;
    let args = [
        "deploy",
        "--preset",
        "my.toml",
        "--allow-short-window",
        "--salt",
        &salt,
        "--yes",
    ];
    let made = ours.ask(&args);

    let forge = |preset: &str| {
        Command::new(foundry("forge"))
            .args([
                "script",
                "script/Deploy.s.sol",
                "--broadcast",
                "--slow",
                "--rpc-url",
                theirs.url(),
            ])
            .args(["--private-key", KEY])
            .env("PRESET", preset)
            .env("SALT", &salt)
            .current_dir(root())
            .output()
            .unwrap()
    };
    let output = forge(&theirs.path("my.toml"));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for contract in made["record"]["contracts"].as_array().unwrap() {
        let address = &contract["address"];
        // A bridge knows its block: that is what may differ.
        if contract["kind"] != "bridge" {
            assert_eq!(ours.code(address), theirs.code(address), "{contract}");
        }
        // With the capitals of its checksum.
        let said = said.to_lowercase();
        assert!(said.contains(address.as_str().unwrap()), "{address}: {said}");
    }
    // The command finds all of it there, and nothing that differs.
    assert_eq!(theirs.nonce(DEPLOYER), 7);
    let found = theirs.ask(&args);
    assert_eq!(theirs.nonce(DEPLOYER), 7);
    for field in ["bridge", "verifier", "registry", "account", "parameters"] {
        assert_eq!(found["deployment"][field], made["deployment"][field]);
    }
    assert_eq!(theirs.ask(&["verify", "--built-in"])["isGood"], true);

    // Another chain is refused by both.
    theirs.preset("other.toml", &format!("chain-id = 1\n{SHORT}"), "");
    let output = forge(&theirs.path("other.toml"));
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("OtherChain(1, 4242)"), "{error}");
}
