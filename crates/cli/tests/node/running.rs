//! A node as a process of its own.

use std::{
    fs::File,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::net::Net;

/// Longest that something may take that should happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something is there.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "no {what} after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An address of this machine where nobody listens, a moment ago.
pub(crate) fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// A configuration file in a folder of its own, and the process that runs with it, if one does.
pub(crate) struct Node {
    folder: PathBuf,
    child: Option<Child>,
    /// How often it was started.
    starts: usize,
}

impl Node {
    /// A file with these sections beside those that every test needs. Nothing runs yet.
    pub(crate) fn new(net: &Net, name: &str, sections: &str) -> Self {
        let folder = PathBuf::from(net.path(name));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        for who in ["alice", "bob", "carol", "paula"] {
            std::fs::write(folder.join(format!("{who}.key")), net.key(who)).unwrap();
        }
        let deployment = if sections.starts_with("deployment") {
            ""
        } else {
            "deployment = \"../deployment.json\"\n"
        };
        let common = format!(
            "{deployment}l1.urls = [\"{}\"]\nl1.poll_ms = 20\napi.listen = \"127.0.0.1:0\"\nops.listen = \
             \"127.0.0.1:0\"\nlog.format = \"json\"\n{sections}\n",
            net.rpc_url()
        );
        std::fs::write(folder.join("node.toml"), common).unwrap();
        Self {
            folder,
            child: None,
            starts: 0,
        }
    }

    /// The same, running and at L1's head.
    pub(crate) fn start(net: &Net, name: &str, sections: &str) -> Self {
        let mut node = Self::new(net, name, sections);
        node.spawn();
        node.wait_until_ready();
        node
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nthroot"));
        command
            .arg("node")
            .args(args)
            .arg("--config")
            .arg(self.folder.join("node.toml"));
        command.env_remove("RUST_LOG").stdin(Stdio::null());
        command
    }

    pub(crate) fn spawn(&mut self) {
        let command = self.command(&["run"]);
        self.spawn_as(command);
    }

    pub(crate) fn spawn_as(&mut self, mut command: Command) {
        self.starts += 1;
        let log = File::create(self.log_file()).unwrap();
        self.child = Some(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join(format!("log.{}", self.starts))
    }

    /// What it logged since it was started last, a document to a line.
    pub(crate) fn log(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.log_file()).unwrap();
        // The last line may be half written.
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// The first line with this message.
    pub(crate) fn logged(&self, message: &str) -> Option<Value> {
        self.log().into_iter().find(|line| line["message"] == message)
    }

    fn address(&self, message: &str) -> String {
        let line = wait_for(message, || self.logged(message));
        line["address"].as_str().unwrap().to_owned()
    }

    /// Where wallets are answered.
    pub(crate) fn api(&self) -> String {
        format!("http://{}", self.address("answering"))
    }

    /// Status and body of what is served for those who run it.
    pub(crate) fn ops(&self, path: &str) -> (u16, String) {
        http(&self.address("serving figures"), "GET", path, "").expect("it answers")
    }

    /// What the API answers.
    pub(crate) fn ask(&self, method: &str, params: &Value) -> Value {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let (_, answer) = http(&self.address("answering"), "POST", "/", &body.to_string()).expect("it answers");
        let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|bad| panic!("{bad}: {answer}"));
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// The sum of a figure's series whose labels have this in them.
    pub(crate) fn figure(&self, name: &str, label: &str) -> f64 {
        let (_, figures) = self.ops("/metrics");
        let series = figures.lines().filter_map(|line| line.strip_prefix(name));
        let series = series.filter(|rest| rest.starts_with(['{', ' ']) && rest.contains(label));
        series
            .filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ops("/ready").0 == 200
    }

    pub(crate) fn wait_until_ready(&self) {
        wait_for("readiness", || self.is_ready().then_some(()));
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.as_ref().expect("it runs").id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Waits until it has ended.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        wait_for("end", || child.try_wait().unwrap())
    }

    /// At once, as a failure of power would.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// As whoever runs it does.
    pub(crate) fn stop(&mut self) {
        self.signal("-TERM");
        let status = self.ended();
        let log = self.log();
        assert!(status.success(), "{status}: {log:#?}");
        let log = format!("{log:?}");
        for who in ["alice", "bob", "carol", "paula"] {
            let key = std::fs::read_to_string(self.folder.join(format!("{who}.key"))).unwrap();
            assert!(!log.contains(&key[2..]), "a key was logged");
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Status and body.
fn http(host: &str, verb: &str, path: &str, body: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(host)?;
    let length = body.len();
    write!(
        stream,
        "{verb} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.unwrap_or(0), body.to_owned()))
}
