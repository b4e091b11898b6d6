//! What documents and packages say of a node is so: its keys, its figures, its commands.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nthroot_node::{
    alert::Kind,
    config::{Config, DEFAULT},
    metrics,
};

use crate::{
    net::Net,
    running::{Node, free_address, wait_for},
};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The fenced blocks of a document in this language.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let parts = document.split(fence.as_str()).skip(1);
    parts
        .map(|part| part.split("\n```").next().unwrap().to_owned())
        .collect()
}

/// Words of a text that begin so and continue with letters, digits and underscores.
fn names<'a>(text: &'a str, prefix: &'a str) -> BTreeSet<&'a str> {
    let places = text.match_indices(prefix).map(|(place, _)| &text[place..]);
    let end = |text: &str| {
        text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(text.len())
    };
    places.map(|text| &text[..end(text)]).collect()
}

#[test]
fn the_defaults_in_the_manual_are_the_defaults() {
    let manual = read("docs/operating.md");
    let found = blocks(&manual, "toml")
        .into_iter()
        .find(|block| block.starts_with("# Configuration"));
    assert_eq!(
        found.unwrap().trim_end(),
        DEFAULT.trim_end(),
        "copy crates/node/src/config/default.toml"
    );
}

#[test]
fn figures_that_are_named_exist() {
    let known: BTreeSet<String> = metrics::ALL
        .iter()
        .flat_map(|metric| match metric.kind {
            metrics::Kind::Histogram => ["_bucket", "_count", "_sum"]
                .map(|end| format!("{}{end}", metric.name))
                .to_vec(),
            _ => vec![metric.name.to_owned()],
        })
        .collect();
    let mut seen = 0;
    for file in ["packaging/alerts.yml", "docs/operating.md"] {
        let text = read(file);
        for name in names(&text, "nthroot_")
            .into_iter()
            .filter(|name| !name.starts_with("nthroot_node"))
        {
            assert!(known.contains(name), "{file}: {name}");
            seen += 1;
        }
    }
    assert!(seen > 15, "only {seen} names were found");
}

#[test]
fn each_alert_has_its_line_in_the_manual() {
    let (rules, manual) = (read("packaging/alerts.yml"), read("docs/operating.md"));
    let rules: BTreeSet<&str> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    let rows: BTreeSet<&str> = manual
        .lines()
        .filter_map(|line| line.strip_prefix("| `Nthroot")?.split('`').next())
        .collect();
    let stripped: BTreeSet<&str> = rules.iter().map(|name| name.strip_prefix("Nthroot").unwrap()).collect();
    assert!(rows.len() > 10);
    assert_eq!(stripped, rows);
    for kind in Kind::ALL {
        let name = format!("`{}`", kind.name());
        assert!(manual.contains(&name), "docs/operating.md does not explain {name}");
    }
}

/// The program takes these words: with `--help` at their end it explains them.
fn is_understood(words: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_nthroot"))
        .args(words)
        .arg("--help")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_commands_of_packages_are_understood() {
    let json = |line: &str| -> Vec<String> {
        let list = &line[line.find('[').unwrap()..];
        serde_json::from_str(list).unwrap()
    };
    let mut seen = 0;
    for (file, starts) in [
        ("packaging/Dockerfile", ["CMD [", "    CMD ["].as_slice()),
        ("packaging/compose.yaml", &["    command: ["]),
    ] {
        let text = read(file);
        for line in text
            .lines()
            .filter(|line| starts.iter().any(|start| line.starts_with(start)))
        {
            let words = json(line);
            let words: Vec<&str> = words
                .iter()
                .map(String::as_str)
                .filter(|word| *word != "nthroot")
                .collect();
            is_understood(&words);
            seen += 1;
        }
    }
    let unit = read("packaging/nthroot.service");
    let start = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/nthroot "))
        .unwrap();
    is_understood(&start.split(' ').collect::<Vec<_>>());
    assert_eq!(seen, 3);
    // That of the compose file.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/node.toml");
    let config = Config::load(Some(&path)).unwrap();
    assert!(config.watcher.enabled && config.ops.listen.port() == 9590 && config.api.listen.port() == 8590);
    assert_eq!(config.data, PathBuf::from("/data"));
}

/// Runs the lines of the manual as they stand, in a folder with a manifest.
#[test]
fn the_commands_of_the_manual_run() {
    let net = Net::start("node-manual");
    let mut node = Node::new(&net, "n", "");
    let folder = PathBuf::from(net.path("n"));
    fs::copy(net.path("deployment.json"), folder.join("deployment.json")).unwrap();
    fs::remove_file(folder.join("node.toml")).unwrap();
    fs::write(folder.join("watcher.password"), "secret\n").unwrap();
    let (api, ops) = (free_address(), free_address());
    let command = |words: &[&str]| {
        let mut command = net.command("paula", words);
        command
            .current_dir(&folder)
            .env("NTHROOT_KEYS", &folder)
            .env("NTHROOT_PASSWORD_FILE", "watcher.password")
            .env("NTHROOT_NODE__L1__URLS", format!("[\"{}\"]", net.rpc_url()))
            .env("NTHROOT_NODE__API__LISTEN", &api)
            .env("NTHROOT_NODE__OPS__LISTEN", &ops)
            .env("NTHROOT_NODE__LOG__FORMAT", "json");
        command
    };
    let manual = read("docs/operating.md");
    let lines: Vec<String> = blocks(&manual, "sh")
        .iter()
        .flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    // An audit is of what L1 has made final.
    net.mine(100);
    let l1 = net.rpc_url();
    for line in &lines {
        let words: Vec<&str> = line
            .split(' ')
            .map(|word| if word == "https://l1.example" { l1 } else { word })
            .collect();
        let (program, words) = words.split_first().unwrap();
        assert_eq!(*program, "nthroot", "{line}");
        match words {
            // One runs already; and nobody has posted batch 15 here.
            ["devnet" | "explain", ..] => is_understood(words),
            ["node", "run", ..] => {
                node.spawn_as(command(words));
                wait_for("health", || {
                    let status = command(&["node", "health", "--config", "node.toml"])
                        .stdout(Stdio::null())
                        .stderr(Stdio::null())
                        .status();
                    status.unwrap().success().then_some(())
                });
                node.wait_until_ready();
            }
            words => {
                let (words, into) = match words {
                    [words @ .., ">", file] => (words, Some(file)),
                    words => (words, None),
                };
                let output = command(words).output().unwrap();
                assert!(
                    output.status.success(),
                    "{line}: {}{}",
                    String::from_utf8_lossy(&output.stderr),
                    String::from_utf8_lossy(&output.stdout)
                );
                if let Some(file) = into {
                    fs::write(folder.join(file), output.stdout).unwrap();
                }
            }
        }
    }
    assert!(lines.len() > 6, "{lines:?}");
    node.stop();

    // With what the manual adds it is a watcher, whose key the command made.
    for name in ["watcher.json", "proposer.json"] {
        fs::copy(folder.join("watcher"), folder.join(name)).unwrap();
    }
    fs::copy(folder.join("watcher.password"), folder.join("proposer.password")).unwrap();
    let sections = blocks(&manual, "toml");
    let sections: Vec<&String> = sections.iter().filter(|block| !block.starts_with('#')).collect();
    assert_eq!(sections.len(), 2);
    for section in sections {
        fs::write(folder.join("node.toml"), section).unwrap();
        let output = command(&["node", "check", "--config", "node.toml"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("key of 0x"),
            "{said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
