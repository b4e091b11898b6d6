//! The long checks: symbolic execution, static analysis, random tests at full depth, fuzzing, coverage; and one report of them all.

mod budget;
mod bytecode;
mod coverage;
mod fuzz;
mod halmos;
mod lcov;
mod libfuzzer;
mod mutants;
mod parts;
mod python;
mod reader;
mod report;
mod slither;
mod srcmap;
mod toolbox;

use std::{
    path::PathBuf,
    process::{Command, ExitCode},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use clap::{Args, ValueEnum};
use eyre::{Result, ensure};
use nthroot_report::Section;
use serde_json::Value;
use signal_hook::{consts::SIGINT, flag};

pub(crate) use fuzz::compile;

use crate::{
    tally::{Tally, counted},
    tools::{root, setup},
};

#[derive(Args)]
pub(crate) struct Options {
    /// Run these parts only, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PARTS")]
    only: Vec<Part>,
    /// Leave these parts out, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PARTS")]
    without: Vec<Part>,
    /// Per cent of the full depth of everything random: runs, cases, histories
    #[arg(long, default_value_t = 100, value_name = "PERCENT", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "time")]
    effort: u64,
    /// How long everything random may take together, such as 90m or 2h, instead of --effort. The other parts take what they take
    #[arg(long, value_name = "TIME", value_parser = budget::duration)]
    time: Option<Duration>,
    /// Seconds that the solver may take for one question; a question without an answer is a failure
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    solver_timeout: u64,
    /// Install missing tools under target/audit/tools instead of skipping what needs them
    #[arg(long)]
    install: bool,
    /// Make what the fuzzers found the committed corpus
    #[arg(long)]
    keep_corpus: bool,
    /// Print the results as JSON to stdout; progress goes to stderr, as always
    #[arg(long)]
    json: bool,
}

/// What an audit consists of, the quickest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// ABIs, storage layouts and code sizes are the committed ones
    Artifacts,
    /// Gas is that of the committed snapshots
    Gas,
    /// Licences, sources and advisories of the crates, if cargo-deny is installed
    Deny,
    /// Advisories of the packages from npm, if it is within reach
    Npm,
    /// Static analysis; each finding is answered in docs/audit/slither.md
    Slither,
    /// A client written from the specification alone, tools/reader: vectors, random steps, chains
    Reader,
    /// The contracts, compiled anew from nothing, are the committed bytecode
    Bytecode,
    /// Symbolic execution of test/symbolic: every input, not some
    Halmos,
    /// Lines and branches that tests reach, of contracts and of crates
    Coverage,
    /// Everything at once on a chain, for minutes: nodes that are killed, an L1 that is reorganised, a liar
    Soak,
    /// All forge tests, with the runs and depths of `FOUNDRY_PROFILE=audit`
    Forge,
    /// Contracts against the model: steps, histories, tampering
    Differential,
    /// The same and the codec, steered by coverage of the model and of the contracts
    Fuzz,
    /// Small changes of the contracts: tests notice each one, or docs/audit/mutants.md explains it
    Mutants,
    /// The same of the model and the codec, if cargo-mutants is installed
    ModelMutants,
}

impl Part {
    fn name(self) -> String {
        self.to_possible_value()
            .expect("no part is hidden")
            .get_name()
            .to_owned()
    }

    /// Its part of the time that everything random has, if it is random: weights among those that run.
    const fn weight(self) -> u64 {
        match self {
            Self::Soak => 1,
            Self::Forge | Self::Differential => 3,
            Self::Fuzz => 4,
            _ => 0,
        }
    }
}

/// How a part ended.
enum Outcome {
    /// What was checked, and in words how much that was.
    Ran(Tally, String),
    /// The same with figures for the report.
    Measured(Tally, String, Section),
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
            Ok(Outcome::Ran(tally, what) | Outcome::Measured(tally, what, _)) if tally.failed == 0 => {
                ("passed", what.clone())
            }
            Ok(Outcome::Ran(_, what) | Outcome::Measured(_, what, _)) => ("FAILED", what.clone()),
            Ok(Outcome::Skipped(why)) => ("skipped", why.clone()),
            Err(error) => ("FAILED", format!("could not run: {error:#}")),
        }
    }

    fn failed(&self) -> bool {
        self.words().0 == "FAILED"
    }
}

/// What a shell calls a program that was interrupted.
const INTERRUPTED_CODE: u8 = 130;

/// Where the report goes.
fn folder() -> PathBuf {
    root().join("target/audit")
}

pub(crate) fn audit(options: &Options) -> Result<ExitCode> {
    setup()?;
    // Set when somebody has had enough. What runs gets the same signal and ends; no further part begins.
    let interrupted = Arc::new(AtomicBool::new(false));
    flag::register(SIGINT, Arc::clone(&interrupted))?;
    let chosen =
        |part: &&Part| (options.only.is_empty() || options.only.contains(part)) && !options.without.contains(part);
    let parts: Vec<Part> = Part::value_variants().iter().filter(chosen).copied().collect();
    let weights: u64 = parts.iter().map(|part| part.weight()).sum();
    let mut lines = Vec::new();
    for (number, &part) in parts.iter().enumerate() {
        eprintln!("\n== {} ({} of {})", part.name(), number + 1, parts.len());
        let start = Instant::now();
        let share = options.time.map(|time| budget::share(time, part.weight(), weights));
        let mut outcome = run(part, options, share);
        if interrupted.load(Ordering::Relaxed) {
            outcome = Ok(Outcome::Skipped("interrupted".to_owned()));
        }
        let seconds = start.elapsed().as_secs_f64();
        let line = Line { part, outcome, seconds };
        let (result, remark) = line.words();
        eprintln!("== {}: {result}, {remark}, {seconds:.1} s", part.name());
        lines.push(line);
        // After each part: what was done is there, whatever ends the rest.
        report::write(&lines, &parts, options)?;
        if interrupted.load(Ordering::Relaxed) {
            break;
        }
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report::json(&lines))?);
    } else {
        report::print(&lines, &parts);
    }
    eprintln!("the report: {}", folder().join("report.html").display());
    Ok(if interrupted.load(Ordering::Relaxed) {
        ExitCode::from(INTERRUPTED_CODE)
    } else if lines.iter().any(Line::failed) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// `share`: how long a random part may take, if the time is limited.
fn run(part: Part, options: &Options, share: Option<Duration>) -> Result<Outcome> {
    match part {
        Part::Artifacts => parts::artifacts(),
        Part::Gas => parts::gas(),
        Part::Deny => parts::deny(options.install),
        Part::Npm => parts::npm(),
        Part::Slither => slither::run(),
        Part::Reader => reader::run(),
        Part::Bytecode => bytecode::run(),
        Part::Halmos => halmos::run(options.solver_timeout),
        Part::Coverage => coverage::run(options.install),
        Part::Soak => parts::soak(options.effort, share),
        Part::Forge => parts::forge_tests(options.effort, share),
        Part::Differential => parts::differential(options.effort, share),
        Part::Fuzz => fuzz::run(options.effort, share, options.keep_corpus),
        Part::Mutants => mutants::run(options.effort),
        Part::ModelMutants => mutants::model::run(options.effort, options.install),
    }
}

/// Runs a command, passes what it prints on to stderr, and counts the results in it.
fn follow(command: &mut Command) -> Result<Tally> {
    counted(command.current_dir(root()), |line| eprintln!("{line}"))
}

/// Fails with the last words of a tool that did not leave the file which it was asked for.
fn left_behind(path: &std::path::Path, tool: &str) -> Result<Value> {
    ensure!(path.exists(), "{tool} ended without a result");
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}
