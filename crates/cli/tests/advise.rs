//! `nthroot advise`, run as people run it.

use std::process::{Command, Output};

use serde_json::Value;

fn nthroot(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nthroot"));
    command.arg("advise").args(args).output().expect("the command runs")
}

fn json(args: &[&str]) -> Value {
    let output = nthroot(&[args, &["--json"]].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("it is JSON")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[test]
fn who_must_leave_alone_gets_a_root() {
    let load = ["--users", "100000", "--daily", "2", "--locality", "0.9"];
    let (shared, alone) = (json(&load), json(&[&load[..], &["--exit"]].concat()));
    assert!(shared["best"]["depth"].as_u64() > Some(0), "{shared}");
    assert_eq!(alone["best"]["depth"], 0);
    let shown = text(&nthroot(&load).stdout);
    assert!(shown.contains("depth"), "{shown}");
}

#[test]
fn the_help_teaches_by_examples_that_run() {
    let help = text(&nthroot(&["--help"]).stdout);
    let examples: Vec<_> = help
        .lines()
        .filter_map(|line| line.trim().strip_prefix("nthroot advise "))
        .collect();
    assert!(examples.len() >= 3, "{help}");
    for example in examples {
        let output = nthroot(&example.split(' ').collect::<Vec<_>>());
        assert!(
            output.status.success() && !output.stdout.is_empty(),
            "{example}: {output:?}"
        );
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    for args in [
        &["--users", "0"][..],
        &["--users", "10", "--locality", "1.5"],
        &["--users", "10", "--daily", "-1"],
    ] {
        let output = nthroot(args);
        assert!(
            !output.status.success() && output.stdout.is_empty(),
            "{args:?}: {output:?}"
        );
        assert!(!output.stderr.is_empty());
    }
}
