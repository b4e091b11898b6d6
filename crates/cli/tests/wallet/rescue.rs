//! `nthroot rescue`, where nobody helps: there is no proposer and no node on these chains.

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::net::{Net, number};

const ETHER: u128 = 1_000_000_000_000_000_000;

/// Somebody on L1 who has nothing.
const NOBODY: &str = "0x00000000000000000000000000000000000ABCde";

/// A rescue that runs.
struct Running<'a> {
    net: &'a Net,
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    /// Whether its transactions wait for somebody who mines.
    slowly: bool,
}

impl<'a> Running<'a> {
    fn start(net: &'a Net, fragment: &str) -> Self {
        let args = ["rescue", fragment, "--to", NOBODY, "--json", "--yes"];
        let mut child = net.command("alice", &args).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            net,
            child,
            lines,
            slowly: false,
        }
    }

    const fn slowly(mut self) -> Self {
        self.slowly = true;
        self
    }

    /// Its next stage.
    fn next(&mut self) -> Option<Value> {
        Some(serde_json::from_str(&self.lines.next()?.unwrap()).unwrap())
    }

    /// What a stage waits for, comes.
    fn serve(&self, stage: &Value) {
        let until = match stage["stage"].as_str().unwrap() {
            "pending" | "fund" | "post" | "claim" | "withdrawBond" if self.slowly => {
                let begin = Instant::now();
                while self.net.pending() == 0 {
                    assert!(begin.elapsed() < Duration::from_secs(20), "nothing was sent: {stage}");
                    std::thread::sleep(Duration::from_millis(50));
                }
                Some(self.net.block() + 1)
            }
            "lease" => stage["lastBlock"].as_u64().map(|block| block + 1),
            "final" => stage["finalAt"].as_u64(),
            "release" => stage["block"].as_u64(),
            _ => None,
        };
        if let Some(missing) = until.and_then(|block| block.checked_sub(self.net.block())) {
            self.net.mine(missing);
        }
    }

    /// Kills it `after` it has come to a stage, which it must.
    fn kill_at(mut self, stage: &str, after: Duration) {
        loop {
            let next = self.next().unwrap_or_else(|| panic!("it ended before `{stage}`"));
            if next["stage"] == stage {
                break;
            }
            self.serve(&next);
        }
        std::thread::sleep(after);
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// All stages, to a good end.
    fn finish(mut self) -> Vec<String> {
        let mut stages = Vec::new();
        // It ends by itself: what does not is the test's error.
        while let Some(stage) = self.next() {
            self.serve(&stage);
            stages.push(stage["stage"].as_str().unwrap().to_owned());
        }
        assert!(self.child.wait().unwrap().success());
        stages
    }
}

/// Nothing of the bond is left behind.
fn assert_out(net: &Net, fragment: &str, wei: u128) {
    assert_eq!(net.wei(NOBODY), wei);
    assert_eq!(Net::held(&net.ask("alice", &["fragments"]), fragment, "ETH"), 0);
    assert_eq!(number(&net.ask("alice", &["bond", "show"])["balance"]), 0);
}

#[test]
fn everything_comes_out_with_nobodys_help() {
    let net = Net::start("rescue");
    let fragment = net.fragment("alice", 3, 0);
    let dry = net.ask("alice", &["rescue", &fragment, "--to", NOBODY, "--dry-run"]);
    assert!(number(&dry["bondMissing"]) > 0, "{dry}");
    net.refuse("alice", &["rescue", &fragment, "--to", NOBODY], 1, "nothing was done");
    net.refuse(
        "bob",
        &["rescue", &fragment, "--to", NOBODY, "--yes"],
        1,
        "not under your key",
    );
    let stages = Running::start(&net, &fragment).finish();
    let all = [
        "plan",
        "fund",
        "post",
        "final",
        "claim",
        "release",
        "withdrawBond",
        "done",
    ];
    assert_eq!(stages, all);
    assert_out(&net, &fragment, 3 * ETHER);
    // Once more changes nothing.
    assert_eq!(Running::start(&net, &fragment).finish(), ["plan", "done"]);
}

#[test]
fn it_goes_on_wherever_it_was_interrupted() {
    let net = Net::start("rescue-interrupted");
    let fragment = net.fragment("alice", 3, 0);
    // Whether what was under way happened, the next one sees on L1.
    for stage in ["plan", "fund", "post", "final", "claim", "release", "withdrawBond"] {
        Running::start(&net, &fragment).kill_at(stage, Duration::ZERO);
    }
    Running::start(&net, &fragment).finish();
    assert_out(&net, &fragment, 3 * ETHER);
}

#[test]
fn it_goes_on_though_its_transactions_were_still_on_their_way() {
    let net = Net::start("rescue-pending");
    let fragment = net.fragment("alice", 3, 0);
    // Blocks come only when they are asked for: each transaction waits for one, and its sender is dead by then.
    net.rpc("evm_setAutomine", &json!([false]));
    for stage in ["fund", "post", "claim", "withdrawBond"] {
        Running::start(&net, &fragment)
            .slowly()
            .kill_at(stage, Duration::from_secs(2));
        assert_eq!(net.pending(), 1, "{stage}");
    }
    let rest = Running::start(&net, &fragment).slowly().finish();
    assert_eq!(rest, ["plan", "pending", "done"]);
    net.rpc("evm_setAutomine", &json!([true]));
    assert_out(&net, &fragment, 3 * ETHER);
}

#[test]
fn a_lease_is_waited_for() {
    let net = Net::start("rescue-lease");
    net.bond("alice");
    let fragment = net.fragment("alice", 3, 0);
    let bob = net.ask("bob", &["bond", "show"])["proposer"]
        .as_str()
        .unwrap()
        .to_owned();
    net.act("alice", &["lease", &fragment, "--holder", &bob, "--blocks", "12"]);
    net.refuse("alice", &["withdraw", "1ether", "--to", NOBODY, "--yes"], 3, "leased");
    let stages = Running::start(&net, &fragment).finish();
    assert_eq!(stages[..3], ["plan", "lease", "post"], "{stages:?}");
    assert_out(&net, &fragment, 3 * ETHER);
}
