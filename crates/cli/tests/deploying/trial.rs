//! A deployment is what it should be, and something that is not is told.

use serde_json::{Value, json};

use crate::stranger::{DEPLOYER, KEY, SHORT, Stranger};

fn deployed(name: &str, options: &[&str]) -> Stranger {
    let chain = Stranger::start(name, options);
    chain.preset("my.toml", SHORT, "");
    chain.ask(&["deploy", "--preset", "my.toml", "--allow-short-window", "--yes"]);
    chain
}

#[test]
fn a_chain_without_the_factory_gets_it() {
    let chain = Stranger::start(
        "deploy-factory",
        &["--chain-id", "777", "--disable-default-create2-deployer"],
    );
    chain.preset("my.toml", SHORT, "");
    let args = ["deploy", "--preset", "my.toml", "--allow-short-window"];
    let dry = chain.ask(&[&args[..], &["--dry-run"]].concat());
    assert_eq!(dry["factory"]["isThere"], false);
    let made = chain.ask(&[&args[..], &["--yes"]].concat());
    // The addresses are those of every chain.
    let elsewhere = Stranger::start("deploy-factory-there", &[]);
    elsewhere.preset("my.toml", SHORT, "");
    let other = elsewhere.ask(&[&args[..], &["--yes"]].concat());
    for field in ["bridge", "verifier", "registry", "account"] {
        assert_eq!(made["deployment"][field], other["deployment"][field]);
    }
    // One transaction more: the ether that the factory's transaction needs.
    assert_eq!((chain.nonce(DEPLOYER), elsewhere.nonce(DEPLOYER)), (8, 7));
}

#[test]
fn it_says_until_when_somebody_must_watch() {
    let chain = Stranger::start("deploy-watch", &[]);
    chain.preset("my.toml", SHORT, "");
    let output = chain.run(&["deploy", "--preset", "my.toml", "--allow-short-window", "--yes"]);
    let block = chain.manifest("deployment.json")["deployment"]["deployment_block"].as_u64();
    let says = format!("at L1's head before block {}", block.unwrap() + 20);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains(&says) && said.contains("a reorganisation may take it back"),
        "{said}"
    );
    // Anvil finalises what is 64 blocks deep.
    chain.rpc("anvil_mine", &json!(["0x80"]));
    let output = chain.run(&["deploy", "--preset", "my.toml", "--allow-short-window", "--yes"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains(&says) && !said.contains("a reorganisation"), "{said}");
}

#[test]
fn what_differs_is_told_by_its_name() {
    let chain = deployed("deploy-verify", &[]);
    let verify = ["verify", "--built-in"];
    let good = chain.ask(&verify);
    assert_eq!(good["isGood"], true);
    let manifest = chain.manifest("deployment.json");
    let contracts = good["contracts"].as_array().unwrap();
    assert_eq!(contracts.len(), 7);
    for (found, made) in contracts
        .iter()
        .zip(manifest["record"]["contracts"].as_array().unwrap())
    {
        assert_eq!(
            (&found["address"], &found["codeHash"]),
            (&made["address"], &made["code_hash"])
        );
        assert_eq!(found["isDerived"], true);
    }
    let bridge = &contracts[6];
    assert_eq!(bridge["immutables"]["WINDOW"], "20");
    assert_eq!(bridge["immutables"]["INSURED_GAS_PRICE"], "1000000000");
    assert_eq!(bridge["immutables"]["CAPPED"], "0");
    let block = manifest["deployment"]["deployment_block"].to_string();
    assert_eq!(bridge["immutables"]["DEPLOYMENT_BLOCK"], block.as_str());

    // A byte of the verifier that no call to it shows.
    let verifier = &contracts[2]["address"];
    let code = chain.code(verifier);
    let at = code.len() - 40;
    let other = format!(
        "{}{}{}",
        &code[..at],
        if &code[at..=at] == "0" { "1" } else { "0" },
        &code[at + 1..]
    );
    chain.rpc("anvil_setCode", &json!([verifier, other]));
    chain.refuse(&verify, "other code from byte");
    chain.rpc("anvil_setCode", &json!([verifier, code]));

    // A manifest that says something else.
    let wrong = |change: &dyn Fn(&mut Value), says: &str| {
        let mut manifest = manifest.clone();
        change(&mut manifest);
        chain.write("wrong.json", &manifest.to_string());
        chain.refuse(&["verify", "--built-in", "--deployment", "wrong.json"], says);
    };
    wrong(
        &|manifest| manifest["deployment"]["parameters"]["window"] = 21.into(),
        "is not that of the manifest",
    );
    // The table is there all the same.
    wrong(
        &|manifest| manifest["deployment"]["parameters"]["window"] = 21.into(),
        "WINDOW is 20 instead of 21",
    );
    let output = chain.run(&["verify", "--built-in", "--deployment", "wrong.json", "--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&found["isGood"], &found["contracts"][6]["isGood"]),
        (&json!(false), &json!(false))
    );
    assert!(
        found["answers"]
            .as_str()
            .unwrap()
            .contains("is not that of the manifest")
    );
    // What it says beside the deployment.
    wrong(
        &|manifest| manifest["rules"]["swap"] = manifest["rules"]["pool"].clone(),
        "the manifest's rules.swap is",
    );
    wrong(
        &|manifest| manifest["record"]["contracts"][2]["code_hash"] = format!("0x{}", "33".repeat(32)).into(),
        "the manifest's code_hash of the verifier in record is",
    );
    wrong(
        &|manifest| manifest["record"]["contracts"][6]["block"] = 1.into(),
        "the manifest's block of the bridge in record is 1",
    );
    wrong(
        &|manifest| manifest["record"]["factory"] = DEPLOYER.into(),
        "the manifest's record.factory is",
    );
    let salt = format!("0x{}", "22".repeat(32));
    wrong(
        &|manifest| manifest["record"]["salt"] = salt.as_str().into(),
        "does not follow from its creation code",
    );
}

#[test]
fn the_canary_takes_out_nothing_but_itself() {
    let chain = deployed("deploy-canary", &[]);
    let canary = [
        "deploy",
        "--preset",
        "my.toml",
        "--allow-short-window",
        "--canary",
        "0.001ether",
    ];
    let yes = [&canary[..], &["--yes"]].concat();
    // All contracts are there: it asks all the same.
    chain.refuse(&canary, "the canary was not sent: nobody is there to consent");
    chain.ask(&["bond", "fund", "--amount", "0.02ether"]);
    chain.refuse(&yes, "has a bond of 0.02 ether in this bridge");
    chain.ask(&["deposit", "--amount", "0.0010001ether"]);
    chain.refuse(&yes, "holds more than the canary");
}

#[test]
fn every_command_reads_the_manifest() {
    let chain = deployed("deploy-manifest", &[]);
    chain.ask(&["deposit", "--amount", "1gwei"]);
    let held = chain.ask(&["balance"]);
    assert!(held.to_string().contains("1000000000"), "{held}");
    chain.write("node.key", KEY);
    let config = "deployment = \"deployment.json\"\n[api]\nenabled = false\n[ops]\nenabled = false\n";
    chain.write("node.toml", &format!("{config}[l1]\nurls = [\"{}\"]\n", chain.url()));
    let check = chain.run(&["node", "check", "--config", "node.toml"]);
    assert!(check.status.success(), "{check:?}");
    // One as earlier versions wrote it.
    let mut old = chain.manifest("deployment.json");
    old.as_object_mut().unwrap().remove("record");
    chain.write("old.json", &old.to_string());
    assert_eq!(chain.ask(&["balance", "--deployment", "old.json"]), held);
}
