//! The long checks: symbolic execution, static analysis, and the random tests at full depth.

mod halmos;
mod python;
mod reader;
mod slither;

use std::{process::Command, process::ExitCode, time::Instant};

use clap::{Args, ValueEnum};
use eyre::{OptionExt, Result, ensure};
use serde_json::{Value, json};

use crate::{
    artifacts,
    tally::{Tally, counted},
    tools::{anvil, cargo, forge, output, root, setup},
};

/// Steps that the differential test compares, histories of bridge and ledger, histories of roll-back, and schedules of honest
/// batches: some hundred times, and for schedules ten times, those of `cargo xtask test`.
const CASES: u64 = 1_000_000;
const HISTORIES: u64 = 35_000;
const ROLLBACKS: u64 = 150_000;
const SCHEDULES: u64 = 2_500;

#[derive(Args)]
pub(crate) struct Options {
    /// Run these parts only, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PARTS")]
    only: Vec<Part>,
    /// Per cent of the full depth of everything random: runs, cases, histories
    #[arg(long, default_value_t = 100, value_name = "PERCENT", value_parser = clap::value_parser!(u64).range(1..))]
    effort: u64,
    /// Seconds that the solver may take for one question; a question without an answer is a failure
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    solver_timeout: u64,
    /// Print the results as JSON to stdout; progress goes to stderr, as always
    #[arg(long)]
    json: bool,
}

/// What an audit consists of, the quickest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// ABIs, storage layouts and code sizes are the committed ones
    Artifacts,
    /// Licences, sources and advisories of the crates, if cargo-deny is installed
    Deny,
    /// Static analysis; each finding is answered in docs/audit/slither.md
    Slither,
    /// A client written from the specification alone, tools/reader: vectors, random steps, chains
    Reader,
    /// Symbolic execution of test/symbolic: every input, not some
    Halmos,
    /// All forge tests, with the runs and depths of `FOUNDRY_PROFILE=audit`
    Forge,
    /// Contracts against the model: steps, histories, tampering
    Differential,
}

impl Part {
    fn name(self) -> String {
        self.to_possible_value()
            .expect("no part is hidden")
            .get_name()
            .to_owned()
    }
}

/// How a part ended.
enum Outcome {
    /// What was checked, and in words how much that was.
    Ran(Tally, String),
    /// Why not.
    Skipped(String),
}

struct Line {
    part: Part,
    outcome: Result<Outcome>,
    seconds: f64,
}

impl Line {
    /// Result and remark.
    fn words(&self) -> (&'static str, String) {
        match &self.outcome {
            Ok(Outcome::Ran(tally, what)) if tally.failed == 0 => ("passed", what.clone()),
            Ok(Outcome::Ran(_, what)) => ("FAILED", what.clone()),
            Ok(Outcome::Skipped(why)) => ("skipped", why.clone()),
            Err(error) => ("FAILED", format!("could not run: {error:#}")),
        }
    }

    fn failed(&self) -> bool {
        self.words().0 == "FAILED"
    }
}

pub(crate) fn audit(options: &Options) -> Result<ExitCode> {
    setup()?;
    let mut lines = Vec::new();
    for &part in Part::value_variants() {
        if !options.only.is_empty() && !options.only.contains(&part) {
            continue;
        }
        eprintln!("\n== {}", part.name());
        let start = Instant::now();
        let outcome = run(part, options);
        let seconds = start.elapsed().as_secs_f64();
        let line = Line { part, outcome, seconds };
        let (result, remark) = line.words();
        eprintln!("== {}: {result}, {remark}, {seconds:.1} s", part.name());
        lines.push(line);
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report(&lines))?);
    } else {
        print_table(&lines);
    }
    Ok(if lines.iter().any(Line::failed) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn run(part: Part, options: &Options) -> Result<Outcome> {
    match part {
        Part::Artifacts => compare_artifacts(),
        Part::Deny => deny(),
        Part::Slither => slither::run(),
        Part::Reader => reader::run(),
        Part::Halmos => halmos::run(options.solver_timeout),
        Part::Forge => deep_forge(options.effort),
        Part::Differential => differential(options.effort),
    }
}

fn compare_artifacts() -> Result<Outcome> {
    build()?;
    let mut tally = artifacts::check_sizes()?;
    tally += artifacts::check_committed()?;
    Ok(Outcome::Ran(tally, format!("{tally}")))
}

/// Cargo says which subcommands it has; one that is missing is no failure.
fn deny() -> Result<Outcome> {
    if !output(&mut cargo(["--list"]))?
        .lines()
        .any(|line| line.split_whitespace().next() == Some("deny"))
    {
        return Ok(Outcome::Skipped("`cargo install cargo-deny` first".to_owned()));
    }
    let deny = |words: &[&str]| follow(cargo(["deny", "--color", "never"]).args(words));
    let mut tally = deny(&["check", "bans", "licenses", "sources"])?;
    tally.check(tally.failed == 0);
    // Advisories come from the network. Without it the rest still says something.
    if deny(&["fetch", "db"])?.failed != 0 {
        return Ok(Outcome::Ran(
            tally,
            "bans, licences, sources; no advisories within reach".to_owned(),
        ));
    }
    tally += deny(&["check", "--disable-fetch", "advisories"])?;
    Ok(Outcome::Ran(tally, "bans, licences, sources, advisories".to_owned()))
}

fn deep_forge(effort: u64) -> Result<Outcome> {
    const PROFILE: (&str, &str) = ("FOUNDRY_PROFILE", "audit");
    let config = output(forge()?.args(["config", "--json"]).env(PROFILE.0, PROFILE.1))?;
    let config: Value = serde_json::from_str(&config)?;
    let scaled = |kind: &str| {
        let runs = config[kind]["runs"].as_u64().ok_or_eyre("forge config names no runs")?;
        Ok::<_, eyre::Report>((runs * effort / 100).max(1))
    };
    let (fuzz, invariant) = (scaled("fuzz")?, scaled("invariant")?);
    build()?;
    let mut test = forge()?;
    test.arg("test")
        .env(PROFILE.0, PROFILE.1)
        .env("FOUNDRY_FUZZ_RUNS", fuzz.to_string())
        .env("FOUNDRY_INVARIANT_RUNS", invariant.to_string())
        // What gas costs is for `cargo xtask test` to record.
        .env("FORGE_SNAPSHOT_EMIT", "false");
    let tally = follow(&mut test)?;
    let depth = &config["invariant"]["depth"];
    Ok(Outcome::Ran(
        tally,
        format!("{tally}; {fuzz} runs each, invariants {invariant} × {depth}"),
    ))
}

fn differential(effort: u64) -> Result<Outcome> {
    let cases = (CASES * effort / 100).max(1);
    let histories = (HISTORIES * effort / 100).max(1);
    let rollbacks = (ROLLBACKS * effort / 100).max(1);
    let schedules = (SCHEDULES * effort / 100).max(1);
    let mut test = cargo(["test", "--quiet", "--no-fail-fast"]);
    test.args(["--package", "nthroot-evm", "--package", "nthroot-model"])
        .env("NTHROOT_CASES", cases.to_string())
        .env("NTHROOT_HISTORIES", histories.to_string())
        .env("NTHROOT_ROLLBACKS", rollbacks.to_string())
        .env("NTHROOT_SCHEDULES", schedules.to_string())
        .env("ANVIL", anvil()?);
    let tally = follow(&mut test)?;
    Ok(Outcome::Ran(
        tally,
        format!("{tally}; {cases} steps, {histories} histories, {rollbacks} of roll-back, {schedules} schedules"),
    ))
}

/// As `cargo xtask build` does it for the contracts; stdout is for the results.
fn build() -> Result<()> {
    let built = follow(forge()?.args(["build", "contracts", "--deny", "warnings"]))?;
    ensure!(built.failed == 0, "the contracts do not compile");
    Ok(())
}

/// Runs a command, passes what it prints on to stderr, and counts the results in it.
fn follow(command: &mut Command) -> Result<Tally> {
    counted(command.current_dir(root()), |line| eprintln!("{line}"))
}

fn report(lines: &[Line]) -> Value {
    let parts = lines.iter().map(|line| {
        let (result, remark) = line.words();
        json!({
            "part": line.part.name(),
            "result": result.to_lowercase(),
            "remark": remark,
            "seconds": (line.seconds * 10.0).round() / 10.0,
        })
    });
    json!({ "passed": !lines.iter().any(Line::failed), "parts": parts.collect::<Vec<_>>() })
}

fn print_table(lines: &[Line]) {
    println!("\n{:<13} {:<8} {:>9}  what", "part", "result", "seconds");
    for line in lines {
        let (result, remark) = line.words();
        println!("{:<13} {result:<8} {:>9.1}  {remark}", line.part.name(), line.seconds);
    }
}

/// Fails with the last words of a tool that did not leave the file which it was asked for.
fn left_behind(path: &std::path::Path, tool: &str) -> Result<Value> {
    ensure!(path.exists(), "{tool} ended without a result");
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}
