//! From deposit to money on L1, without a node.

use crate::net::{Net, number};

const ETHER: u128 = 1_000_000_000_000_000_000;

/// Somebody on L1 who has nothing.
const NOBODY: &str = "0x00000000000000000000000000000000000ABCde";

/// A P-256 account by the name of phone.
fn phone(net: &Net) -> String {
    std::fs::write(net.path("password"), "secret").unwrap();
    let output = net
        .command("alice", &["key", "new", "phone", "--curve", "p256", "--json"])
        .env("NTHROOT_PASSWORD_FILE", net.path("password"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    made["key"].as_str().unwrap().to_owned()
}

#[test]
fn money_comes_is_sent_and_leaves() {
    let net = Net::start("wallet-life");
    net.bond("alice");
    let alice = net.fragment("alice", 4, 100);
    let balance = net.ask("alice", &["balance"]);
    assert_eq!(number(&balance[0]["pending"]), 4 * ETHER);
    // The tokens were merged by a batch that is not final: until then they are where they were.
    assert_eq!(number(&balance[0]["final"]), 4 * ETHER);

    // To a key: a new fragment, of which Bob need not know.
    let bob = net.ask("bob", &["bond", "show"])["proposer"]
        .as_str()
        .unwrap()
        .to_owned();
    let sent = net.act("alice", &["send", &bob, "1ether"]);
    let opened = sent["opened"][0].as_str().unwrap().to_owned();
    assert_eq!(Net::held(&net.ask("bob", &["fragments"]), &opened, "ETH"), ETHER);
    let pending = net.ask("bob", &["fragments"]);
    assert_eq!(
        (&pending[0]["isFinal"], &pending[0]["finalAt"]),
        (&false.into(), &sent["finalAt"])
    );
    assert_eq!(number(&net.ask("bob", &["balance"])[0]["final"]), 0);

    // To a fragment: only with its owner's consent.
    net.refuse("alice", &["send", &opened, "1ether", "--yes"], 1, "nthroot consent");
    let consent = net.ask("bob", &["consent", &opened, "--yes"]);
    std::fs::write(net.path("consent.json"), consent.to_string()).unwrap();
    let file = net.path("consent.json");
    net.act("alice", &["send", &opened, "1ether", "--consent", &file]);
    assert_eq!(Net::held(&net.ask("bob", &["fragments"]), &opened, "ETH"), 2 * ETHER);
    net.refuse(
        "alice",
        &["send", &opened, "1ether", "--consent", &file, "--yes"],
        1,
        "",
    );
    // To a fragment of one's own: by the same key.
    let second = net.fragment("alice", 1, 0);
    net.act(
        "alice",
        &["send", &second, "all", "--fragment", &alice, "--asset", net.token()],
    );
    let own = net.ask("alice", &["fragments"]);
    assert_eq!(
        (
            Net::held(&own, &second, net.token()),
            Net::held(&own, &alice, net.token())
        ),
        (100 * ETHER, 0)
    );

    net.refuse(
        "alice",
        &["withdraw", "9ether", "--to", NOBODY, "--yes"],
        1,
        "nthroot deposit",
    );
    let left = net.act("alice", &["withdraw", "1.5ether", "--to", NOBODY, "--fragment", &alice]);
    let listed = net.ask("alice", &["claim", "--recipient", NOBODY, "--list"]);
    assert_eq!(
        (number(&listed[0]["amount"]), &listed[0]["payableAt"]),
        (3 * ETHER / 2, &left["finalAt"])
    );
    assert_eq!(
        net.ask("alice", &["claim", "--recipient", NOBODY])["paid"],
        serde_json::json!([])
    );

    // `watch` ends when the batch is final, and not before.
    let batch = left["batch"].as_str().unwrap();
    let mut watching = net
        .command("alice", &["watch", batch, "--json"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert!(watching.try_wait().unwrap().is_none(), "the window is not over");
    net.mine(21);
    let output = watching.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let states: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        states
            .iter()
            .map(|state| state["status"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["pending", "final"]
    );
    net.ask("alice", &["watch", &alice]);

    let paid = net.ask("bob", &["claim", "--all"]);
    assert_eq!(paid["paid"].as_array().unwrap().len(), 1);
    assert_eq!(net.wei(NOBODY), 3 * ETHER / 2);
    assert_eq!(net.ask("bob", &["claim", "--all"])["paid"], serde_json::json!([]));
    assert_eq!(number(&net.ask("bob", &["balance"])[0]["final"]), 2 * ETHER);
    net.refuse("alice", &["watch", "9999.1"], 1, "there is no batch");
    net.refuse("alice", &["watch", "nonsense"], 2, "neither a fragment");
}

#[test]
fn a_p256_key_has_a_whole_life_though_l1_takes_no_transaction_of_it() {
    let net = Net::start("wallet-p256");
    let key = phone(&net);
    // Of accounts of the keystore only the password is secret: Alice's key pays for gas and bond.
    let phone = |args: &[&str]| {
        let output = net
            .command("alice", &[args, &["--account", "phone", "--json"]].concat())
            .env("NTHROOT_PASSWORD_FILE", net.path("password"))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    net.bond("alice");
    let deposit = phone(&["deposit", "--amount", "3ether"]);
    assert_eq!(deposit["key"].as_str(), Some(key.as_str()));
    let fragment = deposit["fragment"].as_str().unwrap().to_owned();
    let address = net.ask("bob", &["bond", "show"])["proposer"]
        .as_str()
        .unwrap()
        .to_owned();
    phone(&["send", &address, "1ether", "--yes"]);
    phone(&["withdraw", "all", "--to", NOBODY, "--yes"]);
    assert_eq!(Net::held(&phone(&["fragments"]), &fragment, "ETH"), 0);
    net.mine(21);
    assert_eq!(
        phone(&["claim", "--recipient", NOBODY])["paid"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(net.wei(NOBODY), 2 * ETHER);

    // Alone it says what is missing.
    let alone = net
        .command("alice", &["deposit", "--amount", "1ether", "--account", "phone"])
        .env("NTHROOT_PASSWORD_FILE", net.path("password"))
        .env_remove("NTHROOT_KEY")
        .output()
        .unwrap();
    let error = String::from_utf8(alone.stderr).unwrap();
    assert_eq!(alone.status.code(), Some(1), "{error}");
    assert!(
        error.contains("P-256") && error.contains("--payer") && error.contains("--node"),
        "{error}"
    );
}

#[test]
fn what_was_derived_is_kept_and_never_in_the_way() {
    let net = Net::start("wallet-store");
    net.bond("alice");
    let fragment = net.fragment("alice", 4, 10);
    // Far enough for L1 to have finalised it.
    net.mine(200);
    let fresh = net.ask("alice", &["fragments", "--no-store"]);
    let kept = || {
        std::fs::read_dir(net.path("cache/nthroot"))
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect::<Vec<_>>()
    };
    for _ in 0..2 {
        assert_eq!(net.ask("alice", &["fragments"]), fresh);
    }
    let files = kept();
    assert_eq!(files.len(), 1, "{files:?}");
    // While another command has it.
    let last = net.act("alice", &["withdraw", "1ether", "--to", NOBODY])["batch"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut watching = net
        .command("alice", &["watch", &last])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert_eq!(
        Net::held(&net.ask("alice", &["fragments"]), &fragment, "ETH"),
        3 * ETHER
    );
    assert!(watching.try_wait().unwrap().is_none());
    watching.kill().unwrap();
    watching.wait().unwrap();
    // What is damaged costs time, and no more.
    std::fs::write(&files[0], "not a store").unwrap();
    let damaged = net.run("alice", &["fragments"]);
    let error = String::from_utf8(damaged.stderr).unwrap();
    assert!(damaged.status.success() && error.contains("delete the file"), "{error}");
    // A chain that begins again with the same addresses is another one.
    let other = Net::start("wallet-store-other");
    let balance = other
        .command("alice", &["balance", "--json"])
        .env("XDG_CACHE_HOME", net.path("cache"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(balance.stdout).unwrap().trim(), "[]");
}
