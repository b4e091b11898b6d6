//! What makes no sense is refused, and it is said what would.

use crate::{net::Net, running::Node};

#[test]
fn a_configuration_that_makes_no_sense_is_refused_with_the_place() {
    let net = Net::start("node-refusals");
    for (name, sections, says) in [
        (
            "key",
            "watcher.enable = true",
            "watcher.enable: there is no such key; there are `enabled`",
        ),
        ("nokey", "watcher.enabled = true", "watcher.enabled: it needs a key"),
        (
            "missing",
            "watcher.enabled = true\nwatcher.key.file = \"none.key\"",
            "none.key: No such file",
        ),
        (
            "same",
            "watcher.enabled = true\nwatcher.key.file = \"paula.key\"\nproposer.enabled = true\nproposer.key.file = \"./paula.key\"",
            "the same",
        ),
    ] {
        let node = Node::new(&net, name, sections);
        for command in ["run", "check"] {
            let output = node.command(&[command]).output().unwrap();
            let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert_eq!(output.status.code(), Some(1), "{name}, {command}: {said}");
            assert!(said.contains(says), "{name}, {command}: {said}");
            assert!(!said.contains(&net.key("paula")[2..]), "a key was printed");
        }
    }
}

#[test]
fn the_environment_goes_before_the_file() {
    let net = Net::start("node-environment");
    let node = Node::new(&net, "n", "");
    let mut command = node.command(&["check"]);
    let output = command.env("NTHROOT_NODE__L1__POLL_MS", "0").output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    let says = "environment variable NTHROOT_NODE__L1__POLL_MS: l1.poll_ms: 0 is not between 1 and 60000";
    assert!(error.contains(says), "{error}");
    let mut command = node.command(&["check"]);
    let output = command.env("NTHROOT_NODE__L1__POL_MS", "5").output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("l1.pol_ms: there is no such key"), "{error}");
}

#[test]
fn the_default_file_is_printed_and_can_be_used() {
    let net = Net::start("node-default");
    let node = Node::new(&net, "n", "");
    let printed = std::process::Command::new(env!("CARGO_BIN_EXE_nthroot"))
        .args(["node", "config"])
        .output()
        .unwrap();
    assert!(printed.status.success());
    assert_eq!(
        String::from_utf8(printed.stdout).unwrap(),
        nthroot_node::config::DEFAULT
    );
    std::fs::write(net.path("n/node.toml"), nthroot_node::config::DEFAULT).unwrap();
    let output = node
        .command(&["check"])
        .env("NTHROOT_NODE__DEPLOYMENT", "../deployment.json")
        .env("NTHROOT_NODE__L1__URLS", format!("[\"{}\"]", net.rpc_url()))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}

#[test]
fn a_check_says_what_is_there_and_what_is_not() {
    let net = Net::start("node-check");
    let node = Node::new(
        &net,
        "n",
        "proposer.enabled = true\nproposer.key.file = \"paula.key\"\nproposer.balance_floor = \"1000 ether\"",
    );
    let output = node.command(&["check", "--json"]).output().unwrap();
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    let row = |what: &str| {
        let rows = said["checks"].as_array().unwrap();
        let row = rows.iter().find(|row| row["what"].as_str().unwrap().starts_with(what));
        let row = row.unwrap_or_else(|| panic!("no {what} in {said}"));
        (
            row["state"].as_str().unwrap().to_owned(),
            row["says"].as_str().unwrap().to_owned(),
        )
    };
    assert_eq!(row("contracts").0, "ok");
    assert_eq!(row("L1 node").0, "ok");
    assert_eq!(row("proposer's balance").0, "warning");
    let (state, says) = row("proposer's bond");
    assert!(state == "warning" && says.contains("nthroot bond fund"), "{says}");

    // Another chain's node is told from one that does not answer.
    let output = node
        .command(&["check"])
        .env("NTHROOT_NODE__L1__URLS", "[\"http://127.0.0.1:9/secret\"]")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        !output.status.success() && said.contains("it does not answer") && !said.contains("secret"),
        "{said}"
    );
}
