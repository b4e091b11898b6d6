//! The parts that are a command or two.

use std::{process::Command, time::Duration};

use eyre::{OptionExt, Result, ensure};
use serde_json::Value;

use super::{Outcome, budget::paced, follow, toolbox};
use crate::{
    artifacts as compiled, docs,
    tally::Tally,
    tools::{anvil, cargo, forge, output, root},
};

/// Steps that the differential test compares, histories of bridge and ledger, histories of roll-back, and schedules of honest
/// batches: some hundred times, and for schedules ten times, those of `cargo xtask test`.
const CASES: u64 = 1_000_000;
const HISTORIES: u64 = 35_000;
const ROLLBACKS: u64 = 150_000;
const SCHEDULES: u64 = 2_500;
/// Seconds: ten times those of `cargo xtask test`.
const SOAK: u64 = 600;

pub(super) fn artifacts() -> Result<Outcome> {
    build()?;
    let mut tally = compiled::check_sizes()?;
    tally += compiled::check_committed()?;
    Ok(Outcome::Ran(tally, format!("{tally}")))
}

pub(super) fn gas() -> Result<Outcome> {
    build()?;
    let tally = docs::check_gas()?;
    Ok(Outcome::Ran(tally, "every snapshot of forge's tests".to_owned()))
}

/// Without the network there are no advisories, but the rest still says something.
pub(super) fn deny(install: bool) -> Result<Outcome> {
    if let Err(why) = toolbox::DENY.is_there(install)? {
        return Ok(Outcome::Skipped(why));
    }
    let deny = |words: &[&str]| follow(toolbox::DENY.command().args(["--color", "never"]).args(words));
    let mut tally = deny(&["check", "bans", "licenses", "sources"])?;
    tally.check(tally.failed == 0);
    if deny(&["fetch", "db"])?.failed != 0 {
        return Ok(Outcome::Ran(
            tally,
            "bans, licences, sources; no advisories within reach".to_owned(),
        ));
    }
    tally += deny(&["check", "--disable-fetch", "advisories"])?;
    Ok(Outcome::Ran(tally, "bans, licences, sources, advisories".to_owned()))
}

/// npm fails both if it finds something and if it reaches nobody: what it prints tells which.
pub(super) fn npm() -> Result<Outcome> {
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let printed = Command::new(npm)
        .args(["audit", "--json"])
        .current_dir(root())
        .output()?;
    let found: Value = serde_json::from_slice(&printed.stdout).unwrap_or_default();
    let Some(total) = found["metadata"]["vulnerabilities"]["total"].as_u64() else {
        return Ok(Outcome::Skipped("npm has no advisories within reach".to_owned()));
    };
    for (package, advisory) in found["vulnerabilities"].as_object().into_iter().flatten() {
        eprintln!("{package}: {}", advisory["severity"]);
    }
    let mut tally = Tally::default();
    tally.check(total == 0);
    let packages = found["metadata"]["dependencies"]["total"].as_u64().unwrap_or_default();
    Ok(Outcome::Ran(
        tally,
        format!("{total} advisories about {packages} packages"),
    ))
}

pub(super) fn forge_tests(effort: u64, time: Option<Duration>) -> Result<Outcome> {
    const PROFILE: (&str, &str) = ("FOUNDRY_PROFILE", "audit");
    let config = output(forge()?.args(["config", "--json"]).env(PROFILE.0, PROFILE.1))?;
    let config: Value = serde_json::from_str(&config)?;
    let runs = |kind: &str| config[kind]["runs"].as_u64().ok_or_eyre("forge config names no runs");
    let (fuzz, invariant) = (runs("fuzz")?, runs("invariant")?);
    build()?;
    let (tally, effort) = paced(effort, time, |effort| {
        let mut test = forge()?;
        test.arg("test")
            .env(PROFILE.0, PROFILE.1)
            .env("FOUNDRY_FUZZ_RUNS", scaled(fuzz, effort).to_string())
            .env("FOUNDRY_INVARIANT_RUNS", scaled(invariant, effort).to_string())
            // What gas costs is another part's.
            .env("FORGE_SNAPSHOT_EMIT", "false");
        follow(&mut test)
    })?;
    let (fuzz, invariant) = (scaled(fuzz, effort), scaled(invariant, effort));
    let depth = &config["invariant"]["depth"];
    Ok(Outcome::Ran(
        tally,
        format!("{tally}; {fuzz} runs each, invariants {invariant} × {depth}"),
    ))
}

pub(super) fn differential(effort: u64, time: Option<Duration>) -> Result<Outcome> {
    let anvil = anvil()?;
    let test = |arguments: &[&str]| {
        let mut test = cargo([
            "test",
            "--quiet",
            "--package",
            "nthroot-evm",
            "--package",
            "nthroot-model",
        ]);
        test.args(arguments).env("ANVIL", &anvil);
        test
    };
    // Compiling is no test, and says nothing of the pace.
    ensure!(
        follow(&mut test(&["--no-run"]))?.failed == 0,
        "the tests do not compile"
    );
    let (tally, effort) = paced(effort, time, |effort| {
        let mut test = test(&["--no-fail-fast"]);
        for (name, full) in DEPTHS {
            test.env(name, scaled(full, effort).to_string());
        }
        follow(&mut test)
    })?;
    let [cases, histories, rollbacks, schedules] = DEPTHS.map(|(_, full)| scaled(full, effort));
    Ok(Outcome::Ran(
        tally,
        format!("{tally}; {cases} steps, {histories} histories, {rollbacks} of roll-back, {schedules} schedules"),
    ))
}

/// What each random test reads its depth from.
const DEPTHS: [(&str, u64); 4] = [
    ("NTHROOT_CASES", CASES),
    ("NTHROOT_HISTORIES", HISTORIES),
    ("NTHROOT_ROLLBACKS", ROLLBACKS),
    ("NTHROOT_SCHEDULES", SCHEDULES),
];

pub(super) fn soak(effort: u64, time: Option<Duration>) -> Result<Outcome> {
    let seconds = time.map_or(scaled(SOAK, effort), |time| time.as_secs().max(1));
    let mut test = cargo(["test", "--quiet", "--package", "nthroot-cli", "--test", "soak"]);
    let tally = follow(
        test.args(["--", "--nocapture"])
            .env("NTHROOT_SOAK_SECONDS", seconds.to_string())
            .env("ANVIL", anvil()?),
    )?;
    Ok(Outcome::Ran(tally, format!("{seconds} s of a chain in bad weather")))
}

/// As `cargo xtask build` does it for the contracts; stdout is for the results.
pub(super) fn build() -> Result<()> {
    let built = follow(forge()?.args(["build", "contracts", "--deny", "warnings"]))?;
    ensure!(built.failed == 0, "the contracts do not compile");
    Ok(())
}

/// Per cent of a depth, one at least.
fn scaled(full: u64, effort: u64) -> u64 {
    (full.saturating_mul(effort) / 100).max(1)
}
