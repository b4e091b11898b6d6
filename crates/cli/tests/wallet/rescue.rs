//! `nthroot rescue`, where nobody helps: there is no proposer and no node on these chains.

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Stdio},
};

use serde_json::Value;

use crate::net::{Net, number};

const ETHER: u128 = 1_000_000_000_000_000_000;

/// Somebody on L1 who has nothing.
const NOBODY: &str = "0x00000000000000000000000000000000000ABCde";

/// A rescue that runs.
struct Running<'a> {
    net: &'a Net,
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl<'a> Running<'a> {
    fn start(net: &'a Net, fragment: &str) -> Self {
        let args = ["rescue", fragment, "--to", NOBODY, "--json", "--yes"];
        let mut child = net.command("alice", &args).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { net, child, lines }
    }

    /// Its next stage. What it waits for, comes.
    fn stage(&mut self) -> Option<Value> {
        let stage: Value = serde_json::from_str(&self.lines.next()?.unwrap()).unwrap();
        let until = match stage["stage"].as_str().unwrap() {
            "lease" => stage["lastBlock"].as_u64().map(|block| block + 1),
            "final" => stage["finalAt"].as_u64(),
            "release" => stage["block"].as_u64(),
            _ => None,
        };
        if let Some(missing) = until.and_then(|block| block.checked_sub(self.net.block())) {
            self.net.mine(missing);
        }
        Some(stage)
    }

    /// Kills it as soon as it comes to a stage, unless it ends before. Returns the stages until then.
    fn kill_at(mut self, stage: &str) -> Vec<String> {
        let mut stages = Vec::new();
        while let Some(next) = self.stage() {
            let name = next["stage"].as_str().unwrap().to_owned();
            stages.push(name.clone());
            if name == stage {
                self.child.kill().unwrap();
                break;
            }
        }
        self.child.wait().unwrap();
        stages
    }

    /// All stages, to a good end.
    fn finish(mut self) -> Vec<String> {
        let stages = std::iter::from_fn(|| self.stage());
        let stages = stages
            .map(|stage| stage["stage"].as_str().unwrap().to_owned())
            .collect();
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
    for stage in ["plan", "fund", "post", "final", "claim", "release", "withdrawBond"] {
        let stages = Running::start(&net, &fragment).kill_at(stage);
        // Whatever was under way happened, or happens now; nothing happens twice.
        assert!(stages.len() <= 8, "{stage}: {stages:?}");
    }
    Running::start(&net, &fragment).finish();
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
