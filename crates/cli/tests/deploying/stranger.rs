//! An L1 of somebody else's: anvil, with whatever options, and nothing on it.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::{Value, json};

/// The key of the first account that anvil funds.
pub(crate) const KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

/// Its address.
pub(crate) const DEPLOYER: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// A program of Foundry's, out of its package of npm: the script in `node_modules/.bin` would leave it running when it is killed.
pub(crate) fn foundry(program: &str) -> PathBuf {
    if let Some(named) = std::env::var_os(program.to_uppercase()) {
        return named.into();
    }
    let packages = fs::read_dir(root().join("node_modules/@foundry-rs")).into_iter();
    let mut paths = packages.flatten().flatten().map(|package| {
        let file = format!("bin/{program}{}", std::env::consts::EXE_SUFFIX);
        package.path().join(file)
    });
    paths
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("these tests need {program}: run `cargo xtask setup`"))
}

/// A running chain, and a folder for what is done with it.
pub(crate) struct Stranger {
    child: Child,
    url: String,
    dir: PathBuf,
}

impl Stranger {
    /// Starts one with these options, with its files in a folder of this name.
    pub(crate) fn start(name: &str, options: &[&str]) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        // What an earlier run left.
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        let fork: &[&str] = if options.contains(&"--hardfork") {
            &[]
        } else {
            &["--hardfork", "osaka"]
        };
        let mut child = Command::new(foundry("anvil"))
            .args(["--port", "0", "--enable-tx-gas-limit"])
            .args(fork)
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let address = lines.find_map(|line| line.strip_prefix("Listening on ").map(str::to_owned));
        let url = format!("http://{}", address.expect("anvil listens"));
        // What it says afterwards is dropped, or it would block.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url, dir }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn path(&self, file: &str) -> String {
        self.dir.join(file).to_str().unwrap().to_owned()
    }

    /// Asks the L1 node.
    pub(crate) fn rpc(&self, method: &str, params: &Value) -> Value {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let answer = post(self.url.strip_prefix("http://").unwrap(), &body).unwrap();
        let document: Value = serde_json::from_slice(&answer).unwrap();
        assert!(document["error"].is_null(), "{method}: {document}");
        document["result"].clone()
    }

    /// Transactions that an account has sent.
    pub(crate) fn nonce(&self, account: &str) -> u64 {
        number(&self.rpc("eth_getTransactionCount", &json!([account, "latest"])))
    }

    /// Wei of an account.
    pub(crate) fn wei(&self, account: &str) -> u128 {
        let wei = self.rpc("eth_getBalance", &json!([account, "latest"]));
        u128::from_str_radix(wei.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
    }

    /// The code at an address.
    pub(crate) fn code(&self, address: &Value) -> String {
        let code = self.rpc("eth_getCode", &json!([address, "latest"]));
        code.as_str().unwrap().to_owned()
    }

    /// The command with these arguments, in the folder, with the key of the one who has ether.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nthroot"));
        command
            .args(args)
            .current_dir(&self.dir)
            .env("NTHROOT_RPC_URL", &self.url)
            .env("NTHROOT_KEY", KEY)
            .env("NTHROOT_KEYS", self.path("keys"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// What it answers in JSON.
    pub(crate) fn ask(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--json"]].concat());
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {error}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|bad| panic!("{args:?}: {bad}: {error}"))
    }

    /// It ends with this status, says this, and sends nothing.
    pub(crate) fn refuse(&self, args: &[&str], says: &str) {
        let before = self.nonce(DEPLOYER);
        let output = self.run(args);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {error}");
        assert!(error.contains(says), "{args:?}: {error}");
        assert_eq!(self.nonce(DEPLOYER), before, "{args:?}: something was sent");
    }

    /// Writes a file into the folder.
    pub(crate) fn write(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).unwrap();
    }

    /// A preset for trials, with its first lines.
    pub(crate) fn preset(&self, file: &str, head: &str, caps: &str) {
        self.write(file, &format!("{head}\n{ASSUMES}\n{caps}\n"));
    }

    pub(crate) fn manifest(&self, file: &str) -> Value {
        serde_json::from_str(&fs::read_to_string(self.path(file)).unwrap()).unwrap()
    }
}

/// What presets for trials assume: little.
pub(crate) const ASSUMES: &str = r#"
[assumes]
stake-share = 0.25
builder-share = 0.35
censoring-share = 0.35
missed-slots = 0.005
target = 1e-6
value = "1 ether"
budget = "0.01 ether"
finality = 96
finality-delay = 0
reaction = 2
social-days = 0
slot = 12
"#;

/// The first lines of a preset for trials.
pub(crate) const SHORT: &str = "window = 20\ninsured-gas-price = \"1 gwei\"\nmin-lock = \"0.02 ether\"";

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The answer of an HTTP server to a document.
pub(crate) fn post(host: &str, body: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(host)?;
    let length = body.len();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap_or_default();
    Ok(answer.split_off(end + 4))
}

/// A number as L1 nodes write it.
pub(crate) fn number(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}
