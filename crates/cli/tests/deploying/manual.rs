//! docs/deploying.md, from nothing to a running system, on the chain that it starts itself.

use std::{
    fs,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::json;

use crate::stranger::{Stranger, root};

/// A node that runs until the end of the manual.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The fenced blocks of a document in its order, with their languages.
fn blocks(document: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut parts = document.split("\n```");
    parts.next();
    while let (Some(block), Some(_)) = (parts.next(), parts.next()) {
        let (language, text) = block.split_once('\n').unwrap();
        found.push((language.to_owned(), text.to_owned()));
    }
    found
}

/// Follows the manual line by line.
struct Reader {
    chain: Stranger,
    environment: Vec<(String, String)>,
    node: Option<Running>,
}

impl Reader {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.chain.command(words);
        command
            .env_remove("NTHROOT_KEY")
            .env_remove("NTHROOT_KEYS")
            .env("NTHROOT_NODE__L1__URLS", format!("[\"{}\"]", self.chain.url()))
            .env("NTHROOT_NODE__API__LISTEN", free_address())
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn run(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["export", assignment] => {
                let (name, value) = assignment.split_once('=').unwrap();
                // Where the chain is only the test knows.
                if name != "NTHROOT_RPC_URL" {
                    self.environment.push((name.to_owned(), value.to_owned()));
                }
            }
            ["echo", secret, ">", file] => self.chain.write(file, &format!("{secret}\n")),
            ["nthroot", "node", "run", ..] => {
                let child = self.command(&words[1..]).stderr(Stdio::null()).spawn().unwrap();
                self.node = Some(Running(child));
                let end = Instant::now() + Duration::from_secs(60);
                let ready = ["node", "health", "--ready", "--config", "node.toml"];
                while !self.command(&ready).output().unwrap().status.success() {
                    assert!(Instant::now() < end, "the node is not ready");
                    std::thread::sleep(Duration::from_millis(200));
                }
            }
            ["nthroot", ..] => {
                let output = self.command(&words[1..]).output().unwrap();
                let said = String::from_utf8_lossy(&output.stdout);
                let error = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{line}: {said}{error}");
                if let ["nthroot", "key", "new", name] = words[..] {
                    self.send_ether(name);
                }
                if line.contains("--canary") {
                    self.check_canary(&said);
                }
            }
            _ => panic!("the manual has a line that nobody runs: {line}"),
        }
    }

    /// What the manual asks for in words.
    fn send_ether(&self, name: &str) {
        let shown = self.command(&["key", "show", name, "--json"]).output().unwrap();
        let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
        self.chain
            .rpc("anvil_setBalance", &json!([shown["key"], "0x56bc75e2d63100000"]));
    }

    fn check_canary(&self, said: &str) {
        for part in [
            "Posting the step",
            "Claiming the withdrawal",
            "Taking out the bond",
            "Done",
        ] {
            assert!(said.contains(part), "no `{part}` in {said}");
        }
        let bridge = self.chain.manifest("deployment.json")["deployment"]["bridge"].clone();
        let left = self.chain.rpc("eth_getBalance", &json!([bridge, "latest"]));
        assert_eq!(left, "0x0", "the canary is not out");
    }
}

fn free_address() -> String {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().to_string()
}

#[test]
fn the_manual_leads_from_nothing_to_a_running_system() {
    let manual = fs::read_to_string(root().join("docs/deploying.md")).unwrap();
    let blocks = blocks(&manual);
    let start = blocks.iter().find_map(|(_, text)| text.strip_prefix("anvil "));
    let options: Vec<&str> = start.expect("it starts a chain").split(' ').collect();
    assert!(options.contains(&"--chain-id") && options.contains(&"--disable-default-create2-deployer"));
    let chain = Stranger::start("deploy-manual", &options);
    #[cfg(unix)]
    std::os::unix::fs::symlink(root(), chain.path("nthroot")).unwrap();
    let mut reader = Reader {
        // The port of its figures stays the same, since health is asked there.
        environment: vec![("NTHROOT_NODE__OPS__LISTEN".to_owned(), free_address())],
        chain,
        node: None,
    };
    let mut lines = 0;
    for (language, text) in &blocks {
        match language.as_str() {
            // A file begins with a comment that names it.
            "toml" => {
                let name = text.lines().next().and_then(|line| line.strip_prefix("# "));
                reader.chain.write(name.expect("a file has a name"), text);
            }
            "sh" if text.starts_with("anvil ") => {}
            "sh" => {
                for line in text.lines() {
                    reader.run(line);
                    lines += 1;
                }
            }
            _ => {}
        }
    }
    assert!(lines > 12, "only {lines} lines were run");
    assert!(reader.node.is_some());
}
