//! The wallet with a node: what it says is held against L1, and it carries what was signed.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::net::{Net, number};

const ETHER: u128 = 1_000_000_000_000_000_000;

/// What the node asks for carrying a bundle, in wei.
const FEE: u128 = 1_000_000_000_000;

/// Somebody on L1 who has nothing.
const NOBODY: &str = "0x00000000000000000000000000000000000ABCde";

/// A node that posts under Paula's bond.
struct Node<'a> {
    net: &'a Net,
    child: Child,
    url: String,
    till: String,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl<'a> Node<'a> {
    fn start(net: &'a Net) -> Self {
        net.bond("paula");
        let till = net.fragment("paula", 1, 0);
        std::fs::write(net.path("paula.key"), net.key("paula")).unwrap();
        let port = free_port();
        let config = format!(
            "data = \"data\"\ndeployment = \"deployment.json\"\n[l1]\nurls = [\"{}\"]\npoll_ms = 100\n[proposer]\nenabled = true\n\
             [proposer.key]\nfile = \"paula.key\"\n[proposer.fee]\ntills = [\"{till}\"]\nasset = \"ETH\"\namount = \"{FEE}\"\n\
             [api]\nlisten = \"127.0.0.1:{port}\"\nrequests_per_second = 1000\nburst = 1000\n[ops]\nenabled = false\n",
            net.url()
        );
        std::fs::write(net.path("node.toml"), config).unwrap();
        let log = std::fs::File::create(net.path("node.log")).unwrap();
        let mut command = net.command("paula", &["node", "run", "--config", &net.path("node.toml")]);
        // Its permissions are what is checked of a key file.
        #[cfg(unix)]
        std::fs::set_permissions(
            net.path("paula.key"),
            std::os::unix::fs::PermissionsExt::from_mode(0o600),
        )
        .unwrap();
        let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let mut node = Self { net, child, url, till };
        let begin = Instant::now();
        while !node.run("alice", &["balance"]).status.success() {
            let log = std::fs::read_to_string(net.path("node.log")).unwrap();
            assert!(node.child.try_wait().unwrap().is_none(), "the node ended: {log}");
            assert!(
                begin.elapsed() < Duration::from_secs(60),
                "the node does not answer: {log}"
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        node
    }

    fn run(&self, who: &str, args: &[&str]) -> Output {
        self.net
            .command(who, args)
            .env("NTHROOT_NODE", &self.url)
            .output()
            .unwrap()
    }

    fn ask(&self, who: &str, args: &[&str]) -> Value {
        let output = self.run(who, &[args, &["--json"]].concat());
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {error}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|bad| panic!("{args:?}: {bad}: {error}"))
    }

    /// Hands something in, and follows it until it is final, while blocks go on. Returns the changes that were told.
    fn carried(&self, who: &str, args: &[&str]) -> Vec<String> {
        let handed = self.ask(who, &[args, &["--yes"]].concat());
        let id = handed["intent"].as_str().unwrap().to_owned();
        let mut watching = self
            .net
            .command(who, &["watch", &id, "--json"])
            .env("NTHROOT_NODE", &self.url)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = watching.try_wait().unwrap() {
                break status;
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "{args:?} is never final");
            self.net.mine(1);
            std::thread::sleep(Duration::from_millis(200));
        };
        let mut text = String::new();
        watching.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        assert!(status.success(), "{args:?}: {text}");
        let states = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        states
            .map(|state| state["status"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Drop for Node<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_node_carries_what_was_signed_until_it_is_final() {
    let net = Net::start("wallet-node");
    let alice = net.fragment("alice", 4, 0);
    let node = Node::start(&net);
    // Alice has no bond. What the node says of her is what follows from L1.
    assert_eq!(
        node.ask("alice", &["balance"])[0]["pending"],
        net.ask("alice", &["balance"])[0]["pending"]
    );
    let bob = net.ask("bob", &["bond", "show"])["proposer"]
        .as_str()
        .unwrap()
        .to_owned();
    let states = node.carried("alice", &["send", &bob, "1ether"]);
    assert_eq!(states.last().map(String::as_str), Some("final"), "{states:?}");
    assert!(states.iter().any(|state| state == "included"), "{states:?}");
    let got = node.ask("bob", &["balance"]);
    assert_eq!((number(&got[0]["final"]), number(&got[0]["pending"])), (ETHER, ETHER));

    node.carried("alice", &["withdraw", "2ether", "--to", NOBODY]);
    node.ask("alice", &["watch", &alice]);
    // Two bundles, two fees, and one of the network's: what is left is Alice's.
    let own = node.ask("alice", &["fragments"]);
    assert_eq!(Net::held(&own, &alice, "ETH"), ETHER - 2 * FEE);
    assert_eq!(
        Net::held(&net.ask("paula", &["fragments"]), &node.till, "ETH"),
        ETHER + 2 * FEE
    );
    let listed = node.ask("alice", &["claim", "--recipient", NOBODY, "--list"]);
    assert_eq!(number(&listed[0]["amount"]), 2 * ETHER);
    assert_eq!(
        node.ask("bob", &["claim", "--recipient", NOBODY])["paid"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(net.wei(NOBODY), 2 * ETHER);
}

#[test]
fn what_a_node_refuses_is_said_with_what_to_do() {
    let net = Net::start("wallet-refused");
    let alice = net.fragment("alice", 4, 0);
    let node = Node::start(&net);
    let short = node.run(
        "alice",
        &[
            "withdraw",
            "1ether",
            "--to",
            NOBODY,
            "--valid-for",
            "1",
            "--yes",
            "--json",
        ],
    );
    let document: Value = serde_json::from_slice(&short.stdout).unwrap();
    let error = String::from_utf8(short.stderr).unwrap();
    assert_eq!(
        (document["refused"]["kind"].as_str(), short.status.code()),
        (Some("expired"), Some(1)),
        "{document}"
    );
    assert!(error.contains("--valid-for"), "{error}");
    // All of it cannot be withdrawn, since the fee is to be paid too.
    let all = node.run("alice", &["withdraw", "4ether", "--to", NOBODY, "--yes"]);
    assert_eq!(all.status.code(), Some(1));
    // A rescue needs no node, and does not ask it.
    let rescue = node.ask("alice", &["rescue", &alice, "--to", NOBODY, "--dry-run"]);
    assert_eq!(rescue["stage"], json!("plan"));
}

/// Hands requests to a node, and changes its answers.
fn liar(to: &str, says: &str, instead: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let to = to.strip_prefix("http://").unwrap().to_owned();
    let (says, instead) = (says.to_owned(), instead.to_owned());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = forward(&mut stream.unwrap(), &to, &says, &instead);
        }
    });
    url
}

fn forward(client: &mut TcpStream, to: &str, says: &str, instead: &str) -> std::io::Result<()> {
    let body = body(client)?;
    let mut node = TcpStream::connect(to)?;
    let length = body.len();
    write!(
        node,
        "POST / HTTP/1.1\r\nHost: {to}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    let answer = self::body(&mut node)?.replace(says, instead);
    let length = answer.len();
    write!(
        client,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}"
    )
}

/// The body of a message whose length is said.
fn body(stream: &mut TcpStream) -> std::io::Result<String> {
    let (mut text, mut byte) = (Vec::new(), [0]);
    while !text.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        text.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&text).to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.expect("a length")];
    stream.read_exact(&mut body)?;
    Ok(String::from_utf8(body).unwrap())
}

#[test]
fn a_node_that_lies_is_found_out_by_whoever_asks_l1_too() {
    let net = Net::start("wallet-liar");
    net.fragment("alice", 4, 0);
    let node = Node::start(&net);
    // 4 ETH, as a state has them; 5 are said instead.
    let url = liar(&node.url, "3782dace9d900000", "4563918244f40000");
    let withdraw = ["withdraw", "4.5ether", "--to", NOBODY, "--yes"];
    let found = net
        .command("alice", &withdraw)
        .env("NTHROOT_NODE", &url)
        .output()
        .unwrap();
    let error = String::from_utf8(found.stderr).unwrap();
    assert_eq!(found.status.code(), Some(1), "{error}");
    assert!(error.contains("is wrong"), "{error}");
    // Another bridge than that of the manifest is not asked at all.
    let manifest: Value = serde_json::from_str(&std::fs::read_to_string(net.path("deployment.json")).unwrap()).unwrap();
    let bridge = manifest["deployment"]["bridge"].as_str().unwrap();
    let url = liar(&node.url, bridge, NOBODY);
    let elsewhere = net
        .command("alice", &["balance"])
        .env("NTHROOT_NODE", &url)
        .output()
        .unwrap();
    let error = String::from_utf8(elsewhere.stderr).unwrap();
    assert_eq!(elsewhere.status.code(), Some(1), "{error}");
    assert!(error.contains("not that of"), "{error}");
    // Without L1 it is believed, and that is said.
    let believing = net
        .command("alice", &["balance"])
        .env("NTHROOT_NODE", &node.url)
        .env_remove("NTHROOT_RPC_URL")
        .output();
    let believing = believing.unwrap();
    assert!(believing.status.success());
    assert!(String::from_utf8(believing.stderr).unwrap().contains("is believed"));
}
