//! `nthroot devnet`, and people who run the command.
#![allow(dead_code, reason = "each test program needs another part of it")]

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::{Value, json};

/// The anvil of the environment, or the one that npm installed.
fn anvil() -> PathBuf {
    if let Some(anvil) = std::env::var_os("ANVIL") {
        return anvil.into();
    }
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../node_modules/@foundry-rs");
    let mut packages = std::fs::read_dir(packages).into_iter().flatten().flatten();
    packages
        .find_map(|package| {
            let anvil = package
                .path()
                .join(format!("bin/anvil{}", std::env::consts::EXE_SUFFIX));
            anvil.exists().then_some(anvil)
        })
        .expect("these tests need anvil: run `cargo xtask setup`, or set ANVIL to its path")
}

/// A running devnet.
pub(crate) struct Net {
    child: Child,
    dir: PathBuf,
    about: Value,
}

impl Net {
    /// Starts one, with its files in a folder of this name.
    pub(crate) fn start(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        // What an earlier run left.
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_nthroot"))
            .args(["devnet", "--json", "--port", "0", "--window", "20", "--out"])
            .arg(dir.join("deployment.json"))
            .env("ANVIL", anvil())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It prints one document and stays: the text ends with the brace at the start of a line.
        let (mut text, mut byte) = (Vec::new(), [0]);
        let out = child.stdout.as_mut().unwrap();
        while !text.ends_with(b"\n}\n") {
            assert_eq!(
                out.read(&mut byte).unwrap(),
                1,
                "it ended: {}",
                String::from_utf8_lossy(&text)
            );
            text.push(byte[0]);
        }
        let about = serde_json::from_slice(&text).unwrap();
        Self { child, dir, about }
    }

    /// Where its L1 node is.
    pub(crate) fn rpc_url(&self) -> &str {
        self.about["rpcUrl"].as_str().unwrap()
    }

    /// The bridge.
    pub(crate) fn bridge(&self) -> String {
        let manifest = std::fs::read_to_string(self.path("deployment.json")).unwrap();
        let manifest: Value = serde_json::from_str(&manifest).unwrap();
        manifest["deployment"]["bridge"].as_str().unwrap().to_owned()
    }

    /// Somebody's account.
    pub(crate) fn address(&self, who: &str) -> String {
        let people = self.about["people"].as_array().unwrap();
        let person = people.iter().find(|person| person["name"] == who).unwrap();
        person["address"].as_str().unwrap().to_owned()
    }

    pub(crate) fn token(&self) -> &str {
        self.about["token"].as_str().unwrap()
    }

    /// The L1 node.
    pub(crate) fn url(&self) -> &str {
        self.about["rpcUrl"].as_str().unwrap()
    }

    pub(crate) fn path(&self, file: &str) -> String {
        self.dir.join(file).to_str().unwrap().to_owned()
    }

    pub(crate) fn key(&self, who: &str) -> &str {
        let people = self.about["people"].as_array().unwrap();
        let person = people.iter().find(|person| person["name"] == who).unwrap();
        person["key"].as_str().unwrap()
    }

    /// The command with these arguments, by somebody.
    pub(crate) fn run(&self, who: &str, args: &[&str]) -> Output {
        self.command(who, args).output().unwrap()
    }

    /// The same before it runs, for whoever changes its environment.
    pub(crate) fn command(&self, who: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nthroot"));
        command
            .args(args)
            .env("NTHROOT_RPC_URL", self.about["rpcUrl"].as_str().unwrap())
            .env("NTHROOT_DEPLOYMENT", self.path("deployment.json"))
            .env("NTHROOT_KEY", self.key(who))
            .env("NTHROOT_KEYS", self.path("keys"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .stdin(Stdio::null());
        command
    }

    /// What it answers in JSON.
    pub(crate) fn ask(&self, who: &str, args: &[&str]) -> Value {
        let output = self.run(who, &[args, &["--json"]].concat());
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {error}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|bad| panic!("{args:?}: {bad}: {error}"))
    }

    /// The same, consenting to what is signed.
    pub(crate) fn act(&self, who: &str, args: &[&str]) -> Value {
        self.ask(who, &[args, &["--yes"]].concat())
    }

    /// It ends with this status, and says this.
    pub(crate) fn refuse(&self, who: &str, args: &[&str], status: i32, says: &str) {
        let output = self.run(who, args);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{args:?}: {error}");
        assert!(error.contains(says), "{args:?}: {error}");
        assert!(!error.contains(&self.key(who)[2..]), "a key was printed");
    }

    /// Asks the L1 node.
    pub(crate) fn rpc(&self, method: &str, params: &Value) -> Value {
        let host = self.about["rpcUrl"].as_str().unwrap().strip_prefix("http://").unwrap();
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let length = body.len();
        let mut stream = TcpStream::connect(host).unwrap();
        write!(
            stream,
            "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, document) = answer.split_once("\r\n\r\n").unwrap();
        let document: Value = serde_json::from_str(document).unwrap_or_else(|bad| panic!("{bad}: {answer}"));
        assert!(document["error"].is_null(), "{method}: {document}");
        document["result"].clone()
    }

    /// Mines so many empty blocks.
    pub(crate) fn mine(&self, blocks: u64) {
        self.rpc("anvil_mine", &json!([format!("{blocks:#x}")]));
    }

    /// The latest block.
    pub(crate) fn block(&self) -> u64 {
        hex(&self.rpc("eth_blockNumber", &json!([]))).try_into().unwrap()
    }

    /// Transactions that wait for a block.
    pub(crate) fn pending(&self) -> u128 {
        hex(&self.rpc("txpool_status", &json!([]))["pending"])
    }

    /// Wei of an account on L1.
    pub(crate) fn wei(&self, account: &str) -> u128 {
        hex(&self.rpc("eth_getBalance", &json!([account, "latest"])))
    }

    /// A fragment with ether and tokens, in whole units.
    pub(crate) fn fragment(&self, who: &str, ether: u32, tokens: u32) -> String {
        let mut ids = Vec::new();
        for (asset, amount) in [("ETH", ether), (self.token(), tokens)] {
            if amount > 0 {
                let amount = format!("{amount}e18");
                let deposit = self.ask(who, &["deposit", "--token", asset, "--amount", &amount]);
                ids.push(deposit["fragment"].as_str().unwrap().to_owned());
            }
        }
        if ids.len() > 1 {
            self.act(who, &["merge", &ids[0], &ids[1]]);
        }
        ids[0].clone()
    }

    pub(crate) fn bond(&self, who: &str) {
        let bond = self.ask(who, &["bond", "fund", "--amount", "5ether"]);
        assert_eq!(bond["free"], "5000000000000000000");
    }

    /// What the fragments that an answer shows hold of what is called so.
    pub(crate) fn held(answer: &Value, fragment: &str, name: &str) -> u128 {
        let fragments = answer["fragments"]
            .as_array()
            .unwrap_or_else(|| answer.as_array().unwrap());
        let found = fragments.iter().find(|one| one["id"] == fragment);
        let assets = found.unwrap_or_else(|| panic!("no {fragment} in {answer:#}"))["assets"]
            .as_array()
            .unwrap();
        let asset = assets
            .iter()
            .find(|asset| asset["name"].as_str().unwrap().eq_ignore_ascii_case(name));
        asset.map_or(0, |asset| number(&asset["amount"]))
    }
}

/// A number as L1 nodes write it.
fn hex(value: &Value) -> u128 {
    u128::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

/// An amount, which JSON has as text.
pub(crate) fn number(value: &Value) -> u128 {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
        .parse()
        .unwrap()
}

impl Drop for Net {
    fn drop(&mut self) {
        // Asked to end, it ends its chain too.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}
