//! Nodes as people run them: processes of the command, with a configuration file, a folder and keys; killed and started again.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use alloy::{
    primitives::{Address, hex},
    signers::local::PrivateKeySigner,
};
use jsonrpsee::http_client::{HttpClient, HttpClientBuilder};

/// What a node does beside following.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Watcher,
    Proposer,
}

/// A process, or the place of one.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) address: Address,
    pub(crate) api: HttpClient,
    ops: String,
    dir: PathBuf,
    child: Option<Child>,
    /// Why it is not as it should be.
    pub(crate) complaints: Vec<String>,
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}

impl Node {
    /// Writes its folder. It follows the deployment in `manifest` from the L1 at `url`.
    pub(crate) fn new(role: Role, number: usize, key: &PrivateKeySigner, url: &str, manifest: &str) -> Self {
        let name = match role {
            Role::Watcher => format!("watcher {number}"),
            Role::Proposer => format!("proposer {number}"),
        };
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join("soak")
            .join(name.replace(' ', "-"));
        // What an earlier run left.
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("a folder");
        fs::write(dir.join("node.key"), hex::encode(key.to_bytes())).expect("written");
        fs::write(dir.join("deployment.json"), manifest).expect("written");
        let (api, ops) = (free_port(), free_port());
        let section = match role {
            Role::Watcher => "watcher",
            Role::Proposer => "proposer",
        };
        let config = format!(
            "[l1]\nurls = [\"{url}\"]\npoll_ms = 100\ntimeout_ms = 1500\n\
             [{section}]\nenabled = true\n[{section}.key]\nfile = \"node.key\"\n\
             [api]\nlisten = \"127.0.0.1:{api}\"\nrequests_per_second = 100000\nburst = 100000\n\
             [ops]\nlisten = \"127.0.0.1:{ops}\"\n\
             [log]\nlevel = \"info\"\n"
        );
        fs::write(dir.join("node.toml"), config).expect("written");
        let api = HttpClientBuilder::default()
            .request_timeout(Duration::from_secs(5))
            .build(format!("http://127.0.0.1:{api}"))
            .expect("an address");
        Self {
            name,
            role,
            address: key.address(),
            api,
            ops: format!("http://127.0.0.1:{ops}"),
            dir,
            child: None,
            complaints: Vec::new(),
        }
    }

    /// Starts it, if it does not run.
    pub(crate) fn start(&mut self) {
        if self.child.is_some() {
            return;
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.dir.join("log.txt"))
            .expect("a log");
        let command = std::env::var_os("NTHROOT_SOAK_COMMAND").unwrap_or_else(|| env!("CARGO_BIN_EXE_nthroot").into());
        let child = Command::new(command)
            .args(["node", "run", "--config"])
            .arg(self.dir.join("node.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the command runs");
        self.child = Some(child);
    }

    /// Kills it, at whatever it is doing.
    pub(crate) fn kill(&mut self) {
        self.look();
        if let Some(mut child) = self.child.take() {
            // SIGKILL. It may have ended by itself, which was looked for.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks it to stop, which it does soon and in good order.
    pub(crate) fn stop(&mut self) {
        self.look();
        let Some(mut child) = self.child.take() else {
            return;
        };
        let asked = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status();
        assert!(asked.is_ok_and(|status| status.success()), "it runs");
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(20) {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return,
                Ok(Some(status)) => return self.complaints.push(format!("it stopped with {status}")),
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        let _ = child.kill();
        let _ = child.wait();
        self.complaints.push("it did not stop when asked".to_owned());
    }

    /// Complains if it ended by itself.
    pub(crate) fn look(&mut self) {
        let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
        if let Some(status) = ended {
            self.child = None;
            self.complaints
                .push(format!("it ended by itself with {status}: {}", self.last_words()));
        }
    }

    /// Whether it says of itself that it is at work; else why not.
    pub(crate) async fn is_ready(&self) -> Result<(), String> {
        let answer = reqwest::get(format!("{}/ready", self.ops))
            .await
            .map_err(|error| error.to_string())?;
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        if status.is_success() {
            Ok(())
        } else {
            Err(format!("{status}: {text}"))
        }
    }

    /// The end of its log.
    pub(crate) fn last_words(&self) -> String {
        let log = fs::read_to_string(self.dir.join("log.txt")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
