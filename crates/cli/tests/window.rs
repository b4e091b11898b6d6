//! `nthroot window`, run as people run it.

use std::process::{Command, Output};

use nthroot_bench::window::{
    Assumptions, answer,
    preset::{FILES, Preset},
};
use serde_json::Value;

fn nthroot(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nthroot"));
    command.arg("window").args(args).env_remove("NO_COLOR");
    command.output().expect("the command runs")
}

fn json(args: &[&str]) -> Value {
    let output = nthroot(&[args, &["--json"]].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("it is JSON")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn it_says_what_the_calculator_says() {
    let document = json(&["--builder-share", "60%", "--value", "70ether", "--finality-delay", "25"]);
    let assumed: Assumptions = serde_json::from_value(document["assumptions"].clone()).unwrap();
    assert_eq!((assumed.builder_share.get(), assumed.finality_delay), (0.6, 25));
    let found = answer(&assumed).unwrap();
    // As text and back, since reading a number may round it.
    let expected: Value = serde_json::from_str(&serde_json::to_string(&found).unwrap()).unwrap();
    assert_eq!(document["answer"], expected);
    assert_eq!(document["answer"]["window"], found.window);

    let shown = nthroot(&["--builder-share", "60%", "--value", "70ether", "--finality-delay", "25"]);
    let shown = text(&shown.stdout);
    for part in [
        &format!("{} blocks", found.window),
        "runs of censors",
        "decides",
        "Not covered",
    ] {
        assert!(shown.contains(part), "no `{part}` in {shown}");
    }
}

#[test]
fn it_shows_the_recommended_deployments() {
    for (name, _) in FILES {
        let document = json(&["--preset", name]);
        let presets = Preset::all().unwrap();
        let (_, preset) = presets.into_iter().find(|(each, _)| *each == name).unwrap();
        assert_eq!(document["preset"], serde_json::to_value(&preset).unwrap());
        assert!(document["answer"]["window"].as_u64().unwrap() <= preset.window);
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_what_would() {
    for (args, says) in [
        (&["--preset", "hasty"][..], "swift, prudent, social"),
        (&["--preset", "swift", "--value", "1ether"], "cannot be used with"),
        (&["--builder-share", "150%"], "at most 100%"),
        (&["--value", "100"], "it has a unit"),
        (&["--target", "0"], "a probability above 0"),
        (&["--censoring-share", "100%"], "assume less"),
        (&["--finality", "32"], "64..=96"),
    ] {
        let output = nthroot(args);
        let error = text(&output.stderr);
        assert!(!output.status.success() && error.contains(says), "{args:?}: {error}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn the_help_teaches_by_examples_that_run() {
    let help = text(&nthroot(&["--help"]).stdout);
    let examples: Vec<&str> = help
        .lines()
        .filter_map(|line| line.trim().strip_prefix("nthroot window "))
        .filter(|example| !example.starts_with('['))
        .collect();
    assert_eq!(examples.len(), 3, "{help}");
    for example in examples {
        let output = nthroot(&example.split_whitespace().collect::<Vec<_>>());
        assert!(output.status.success(), "{example}: {output:?}");
    }
}
