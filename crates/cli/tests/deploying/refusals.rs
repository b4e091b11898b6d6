//! Nonsense is refused before anything is sent, with what would not be.

use serde_json::json;

use crate::stranger::{ASSUMES, DEPLOYER, SHORT, Stranger, number};

#[test]
fn nonsense_costs_nothing() {
    let chain = Stranger::start("deploy-refusals", &["--chain-id", "4242"]);
    let deploy = |preset: &str, options: &[&str], says: &str| {
        let args = [&["deploy", "--preset", preset, "--yes"], options].concat();
        chain.refuse(&args, says);
        // A dry run refuses the same.
        chain.refuse(&[&args[..], &["--dry-run"]].concat(), says);
    };
    let trial = ["--allow-short-window"];
    let mut files = 0;
    let mut check = |head: &str, caps: &str, options: &[&str], says: &str| {
        files += 1;
        let file = format!("{files}.toml");
        chain.preset(&file, head, caps);
        deploy(&file, options, says);
    };
    let good = |window: u64| format!("window = {window}\ninsured-gas-price = \"1 gwei\"\nmin-lock = \"0.02 ether\"");
    check(&good(20), "", &[], "a window of 20 blocks ends before L1 finalises");
    check(&good(100), "", &[], "is less than the");
    check(&good(0), "", &trial, "a window of 0 blocks");
    check(&good(2_628_001), "", &[], "a window of 2628001 blocks");
    let lock = "window = 200\ninsured-gas-price = \"2 gwei\"\nmin-lock = \"0.02 ether\"";
    check(lock, "", &[], "at least 24400000000000000 is needed");
    let price = "window = 200\ninsured-gas-price = \"0 wei\"\nmin-lock = \"0.02 ether\"";
    check(price, "", &[], "an insured gas price of 0 wei");
    check(&good(200), "[caps]\nETH = \"0 ether\"", &[], "the cap of ETH is zero");
    let more = "up to 1.1 ether of ETH, and the window is computed for 1 ether at stake";
    check(&good(200), "[caps]\nETH = \"1.1 ether\"", &[], more);
    let token = "0x00000000000000000000000000000000000000aa";
    let caps = format!("[caps]\n\"{token}\" = \"1000000\"");
    check(&good(200), &caps, &trial, "has a cap, and no code on this chain");
    check(&format!("owner = 1\n{SHORT}"), "", &trial, "owner");
    check(
        &format!("chain-id = 1\n{SHORT}"),
        "",
        &trial,
        "the L1 node is of chain 4242, and chain 1",
    );
    check(
        SHORT,
        "",
        &["--allow-short-window", "--chain-id", "5"],
        "the L1 node is of chain 4242, and chain 5",
    );
    let optimist = ASSUMES.replace("finality = 96", "finality = 1");
    chain.write("optimist.toml", &format!("{SHORT}\n{optimist}"));
    deploy("optimist.toml", &[], "`finality` is 1 slots");
    deploy("nothing.toml", &[], "it is a file, or one of swift, prudent, social");

    // A manifest of another deployment is not overwritten.
    chain.preset("my.toml", SHORT, "");
    chain.write("deployment.json", "{}");
    deploy("my.toml", &trial, "is not the manifest of");

    // Ether that does not suffice.
    chain.rpc("anvil_setBalance", &json!([DEPLOYER, "0x2386f26fc10000"]));
    deploy(
        "my.toml",
        &["--allow-short-window", "--out", "poor.json"],
        "has 0.010000000000000000 ether",
    );
    // Nobody consents.
    chain.rpc("anvil_setBalance", &json!([DEPLOYER, "0x56bc75e2d63100000"]));
    let args = [
        "deploy",
        "--preset",
        "my.toml",
        "--allow-short-window",
        "--out",
        "new.json",
    ];
    chain.refuse(&args, "nothing was sent");
}

#[test]
fn a_chain_that_cannot_bear_a_bridge_gets_none() {
    // A window counts blocks: faster ones make it shorter.
    let fast = Stranger::start("deploy-fast", &[]);
    fast.rpc("anvil_mine", &json!(["0x10", "0x2"]));
    fast.refuse(
        &["deploy", "--preset", "swift", "--yes"],
        "the last 16 blocks of this chain took 3",
    );

    // Ethereum itself is no place for trials.
    let mainnet = Stranger::start("deploy-mainnet", &["--chain-id", "1"]);
    mainnet.preset("my.toml", SHORT, "");
    let args = ["deploy", "--preset", "my.toml", "--yes", "--allow-short-window"];
    mainnet.refuse(&args, "chain 1 is Ethereum itself");

    // The dearest proof must fit a block.
    let small = Stranger::start("deploy-small", &["--gas-limit", "10000000"]);
    small.refuse(
        &["deploy", "--preset", "swift", "--yes"],
        "a block of this chain has 10000000 gas",
    );

    // Something else is where a contract would be.
    let squatted = Stranger::start("deploy-squatted", &[]);
    let dry = squatted.ask(&["deploy", "--preset", "swift", "--dry-run"]);
    let verifier = &dry["contracts"][2]["address"];
    squatted.rpc("anvil_setCode", &json!([verifier, "0x00"]));
    squatted.refuse(
        &["deploy", "--preset", "swift", "--yes"],
        "where the verifier would be, is other code",
    );
}

#[test]
fn a_bridge_that_others_made_and_used_is_not_taken_unseen() {
    let chain = Stranger::start("deploy-used", &[]);
    chain.preset("my.toml", SHORT, "");
    let args = [
        "deploy",
        "--preset",
        "my.toml",
        "--allow-short-window",
        "--yes",
        "--out",
    ];
    // Somebody was faster, which is all the same.
    let first = chain.ask(&[&args[..], &["theirs.json"]].concat());
    let second = chain.ask(&[&args[..], &["mine.json"]].concat());
    assert_eq!(first, second);
    assert_eq!(chain.nonce(DEPLOYER), 7);
    // But they may have posted a lie that nobody saw, and waited.
    chain.ask(&["deposit", "--amount", "1gwei", "--deployment", "theirs.json"]);
    // Until its first window is over nothing is final: whoever broke off goes on.
    let since = first["deployment"]["deployment_block"].as_u64().unwrap();
    let last = since + 20;
    let now = number(&chain.rpc("eth_blockNumber", &json!([])));
    chain.rpc("anvil_mine", &json!([format!("{:#x}", last - now)]));
    assert_eq!(chain.ask(&[&args[..], &["soon.json"]].concat()), first);
    chain.rpc("anvil_mine", &json!(["0x1"]));
    chain.refuse(&[&args[..], &["late.json"]].concat(), "and in use");
    chain.refuse(&[&args[..], &["late.json", "--dry-run"]].concat(), "and in use");
    // There is a way to look first.
    chain.ask(&[&args[..], &["look.json", "--adopt", "--dry-run"]].concat());
    assert_eq!(chain.manifest("look.json"), first);
    let report = chain.ask(&["audit", "--block", "latest", "--deployment", "look.json"]);
    assert!(report.to_string().contains("verdict"), "{report}");
    let adopted = chain.ask(&[&args[..], &["late.json", "--adopt"]].concat());
    assert_eq!(adopted, first);
    // Whoever has its manifest knows it.
    assert_eq!(chain.ask(&[&args[..], &["mine.json"]].concat()), first);
}

#[test]
fn a_manifest_that_cannot_be_written_is_found_out_before_gas_is_paid() {
    let chain = Stranger::start("deploy-unwritable", &[]);
    chain.preset("my.toml", SHORT, "");
    let args = [
        "deploy",
        "--preset",
        "my.toml",
        "--allow-short-window",
        "--yes",
        "--out",
    ];
    chain.refuse(
        &[&args[..], &["missing/deployment.json"]].concat(),
        "nothing was sent: cannot write",
    );
}

#[test]
fn what_may_be_secret_in_an_address_is_not_told() {
    let chain = Stranger::start("deploy-secret", &[]);
    chain.preset("my.toml", SHORT, "");
    chain.ask(&["deploy", "--preset", "my.toml", "--allow-short-window", "--yes"]);
    for secret in ["http://user:hunter2@127.0.0.1:9/hunter2", "hunter2"] {
        for args in [&["deploy", "--preset", "swift"][..], &["balance"]] {
            let output = chain.command(args).env("NTHROOT_RPC_URL", secret).output().unwrap();
            let error = String::from_utf8(output.stderr).unwrap();
            assert!(
                !output.status.success() && !error.contains("hunter2"),
                "{args:?}: {error}"
            );
        }
    }
}

/// A chain on which somebody made the bridge that was rehearsed elsewhere, and used it.
#[test]
fn a_manifest_of_another_chain_neither_vouches_for_a_bridge_nor_is_overwritten() {
    let rehearsal = Stranger::start("deploy-rehearsal", &["--chain-id", "4242"]);
    let chain = Stranger::start("deploy-earnest", &["--chain-id", "4243"]);
    let args = ["deploy", "--preset", "my.toml", "--allow-short-window", "--yes"];
    for place in [&rehearsal, &chain] {
        place.preset("my.toml", SHORT, "");
    }
    let rehearsed = rehearsal.ask(&args).to_string();
    let theirs = [&args[..], &["--out", "theirs.json"]].concat();
    let made = chain.ask(&theirs);
    chain.ask(&["deposit", "--amount", "1gwei", "--deployment", "theirs.json"]);
    chain.rpc("anvil_mine", &json!(["0x40"]));
    let refused = |manifest: &str| {
        chain.write("deployment.json", manifest);
        chain.refuse(&args, "on chain 4243, made in block");
        assert_eq!(chain.manifest("deployment.json").to_string(), manifest);
    };
    refused(&rehearsed);
    // Of a chain of the same id, which was begun anew, too; and of other parameters.
    let mut other = made.clone();
    other["deployment"]["deployment_block"] = 1.into();
    refused(&other.to_string());
    let mut other = made.clone();
    other["deployment"]["parameters"]["window"] = 21.into();
    refused(&other.to_string());
    // What cannot be read is not taken for nothing.
    std::fs::remove_file(chain.path("deployment.json")).unwrap();
    std::fs::create_dir(chain.path("deployment.json")).unwrap();
    chain.refuse(&args, "cannot read deployment.json");
    std::fs::remove_dir(chain.path("deployment.json")).unwrap();
    // Its own is known.
    chain.write("deployment.json", &made.to_string());
    assert_eq!(chain.ask(&args), made);
}
