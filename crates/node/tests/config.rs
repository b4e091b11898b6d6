//! The configuration: what its file says is what is used, and what makes no sense is refused with words that help.

use std::{collections::BTreeSet, fs, path::PathBuf};

use nthroot_node::config::{Config, DEFAULT, Wei};

/// The test vector of the Web3 Secret Storage Definition; its password is `testpassword`.
const KEYSTORE: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},
"ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2","kdfparams":{"c":262144,
"dklen":32,"prf":"hmac-sha256","salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
"mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},
"id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;

/// What is in it.
const KEY: &str = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";

/// A file with this text, in a folder of its own.
fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.toml");
    fs::write(&path, text).unwrap();
    (dir, path)
}

fn load(text: &str) -> Result<Config, String> {
    let (_dir, path) = file(text);
    Config::load(Some(&path)).map_err(|error| error.to_string())
}

/// The keys of a document, with those of its sections.
fn keys(prefix: &str, value: &serde_json::Value, into: &mut BTreeSet<String>) {
    match value.as_object() {
        Some(object) => {
            for (key, value) in object {
                keys(&format!("{prefix}.{key}"), value, into);
            }
        }
        None => {
            into.insert(prefix.trim_start_matches('.').to_owned());
        }
    }
}

#[test]
fn the_default_file_has_every_key() {
    let config = Config::load(None).unwrap();
    let mut expected = BTreeSet::new();
    keys("", &serde_json::to_value(config).unwrap(), &mut expected);

    let (mut section, mut found) = (String::new(), BTreeSet::new());
    for line in DEFAULT.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.trim_end_matches(']'));
        } else if let Some((key, _)) = line.trim_start_matches("# ").split_once(" = ") {
            assert!(found.insert(format!("{section}{key}")), "{key} twice");
        }
    }
    assert_eq!(found, expected);
}

#[test]
fn a_file_changes_what_it_names() {
    let (dir, path) = file(
        "data = \"store\"\n[l1]\npoll_ms = 5\n[watcher]\nenabled = true\nkey.file = \"w.key\"\n[proposer.bond]\nlow = \"2 ether\"\n",
    );
    let config = Config::load(Some(&path)).unwrap();
    let default = Config::load(None).unwrap();
    assert_eq!(config.data, dir.path().join("store"));
    assert_eq!(config.watcher.key.file, Some(dir.path().join("w.key")));
    assert_eq!((config.l1.poll_ms, &config.l1.urls), (5, &default.l1.urls));
    assert_eq!(config.proposer.bond.low, Wei(2_000_000_000_000_000_000));
    assert_eq!(config.api, default.api);
}

#[test]
fn what_is_served_is_for_this_machine_unless_said_otherwise() {
    let config = Config::load(None).unwrap();
    assert!(config.api.listen.ip().is_loopback() && config.ops.listen.ip().is_loopback());
    assert!(!config.watcher.enabled && !config.proposer.enabled && !config.api.public && !config.ops.public);
}

#[test]
fn nonsense_is_refused_with_the_key_and_what_is_allowed() {
    for (text, says) in [
        (
            "dta = \"x\"",
            "dta: there is no such key; there are `data`, `deployment`, `on_halt`",
        ),
        (
            "[l1]\nurl = \"x\"",
            "l1.url: there is no such key; there are `urls`, `poll_ms`, `timeout_ms`",
        ),
        ("[watcher.keys]\nfile = \"x\"", "watcher.keys: there is no such key"),
        (
            "on_halt = \"panic\"",
            "on_halt: `panic` is not possible; there are `stay`, `exit`",
        ),
        (
            "[l1]\nurls = [\"ws://x\"]",
            "l1.urls.0: not an address that begins with http:// or https://",
        ),
        ("[l1]\nurls = []", "l1.urls: at least one"),
        ("[l1]\npoll_ms = 0", "l1.poll_ms: 0 is not between 1 and 60000"),
        (
            "[l1]\npoll_ms = \"soon\"",
            "l1.poll_ms: found string \"soon\", expected u64",
        ),
        (
            "[watcher]\nbalance_floor = 1",
            "watcher.balance_floor: found signed int `1`, expected a string",
        ),
        (
            "[watcher.fees]\nbudget = \"1\"",
            "watcher.fees.budget: `1` is not an amount of ether: it has a unit",
        ),
        (
            "[watcher.fees]\nraise_percent = 5",
            "watcher.fees.raise_percent: 5 is not between 10 and 1000",
        ),
        (
            "[watcher]\nenabled = true",
            "watcher.enabled: it needs a key: watcher.key.keystore and",
        ),
        (
            "[watcher]\nkey.keystore = \"x\"",
            "watcher.key.keystore: a keystore and a password_file go together",
        ),
        (
            "[proposer]\nkey.file = \"x\"\nkey.keystore = \"y\"",
            "proposer.key.file: with a keystore there can be no file",
        ),
        (
            "[proposer]\nenabled = true\nkey.file = \"x\"\n[watcher]\nenabled = true\nkey.file = \"x\"",
            "watcher.key.file: it is that of the proposer",
        ),
        (
            "[proposer.fee]\namount = \"7\"",
            "proposer.fee.amount: it needs proposer.fee.tills",
        ),
        (
            "[proposer.fee]\nasset = \"GOLD\"",
            "proposer.fee.asset: `GOLD` is not an asset",
        ),
        (
            "[proposer]\nbatch_bytes = 200000",
            "proposer.batch_bytes: 200000 is not between 1000 and 130048",
        ),
        (
            "[proposer.bond]\ntop_up_below = \"3 ether\"",
            "proposer.bond.top_up_below: it is more than",
        ),
        ("[api]\nlisten = \"localhost\"", "api.listen: invalid socket address"),
        ("[ops]\nlisten = \"127.0.0.1:8590\"", "ops.listen: it is api.listen"),
        (
            "[log]\nformat = \"xml\"",
            "log.format: `xml` is not possible; there are `text`, `json`",
        ),
        (
            "[api]\nlisten = \"0.0.0.0:8590\"",
            "api.listen: other machines can reach it",
        ),
        ("data = ", "node.toml: "),
    ] {
        let error = load(text).expect_err(text);
        assert!(error.contains(says), "{text}: {error}");
        assert!(error.contains("node.toml: "), "{text}: the file is not named: {error}");
    }
    let missing = Config::load(Some("nowhere/node.toml".as_ref()))
        .unwrap_err()
        .to_string();
    assert!(
        missing.contains("nowhere/node.toml: ") && missing.contains("`nthroot node config`"),
        "{missing}"
    );
}

#[test]
fn secrets_in_addresses_are_not_shown() {
    let text = "[l1]\nurls = [\"https://user:hunter2@l1.example:8443/v3/hunter2\"]\n[alerts]\nwebhook = \"https://hooks.example/hunter2\"";
    let config = load(text).unwrap();
    let shown = format!(
        "{config:?} {} {}",
        config.l1.urls[0],
        serde_json::to_string(&config).unwrap()
    );
    assert!(
        shown.contains("https://l1.example:8443") && !shown.contains("hunter2"),
        "{shown}"
    );
    let error = load("[alerts]\nwebhook = \"hunter2\"").unwrap_err();
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn keys_are_read_from_files_and_what_is_wrong_with_them_is_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("k.json"), KEYSTORE).unwrap();
    fs::write(path("right"), "testpassword\n").unwrap();
    fs::write(path("wrong"), "another\n").unwrap();
    fs::write(path("plain"), format!("0x{KEY}\n")).unwrap();
    fs::write(path("short"), "hunter2").unwrap();

    let read = |keys: &str| {
        let (_dir, file) = file(&format!("[watcher.key]\n{keys}"));
        Config::load(Some(&file)).unwrap().watcher.key.read()
    };
    let show = |name: &str| path(name).display().to_string();
    let keystore = |password: &str| {
        format!(
            "keystore = \"{}\"\npassword_file = \"{}\"",
            show("k.json"),
            show(password)
        )
    };
    let plain = read(&format!("file = \"{}\"", show("plain"))).unwrap();
    assert_eq!(read(&keystore("right")).unwrap().address(), plain.address());
    assert!(
        read(&keystore("wrong"))
            .unwrap_err()
            .contains("the password is not that")
    );
    assert!(read(&keystore("none")).unwrap_err().contains("none: "));
    let short = read(&format!("file = \"{}\"", show("short"))).unwrap_err();
    assert!(
        short.contains("not a key of 32 bytes") && !short.contains("hunter2"),
        "{short}"
    );
}
