//! Coverage-guided fuzzing: libFuzzer around the targets of crates/fuzz. It sees edges of the model, of the codec and of the targets,
//! which LLVM counts, and jumps of the contracts, which the EVM tells.

use std::{
    ffi::OsString,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use eyre::{Context, OptionExt, Result};
use nthroot_report::{Axis, Chart, Figure, Mark, Section, Table};

use super::{
    Outcome, folder,
    libfuzzer::{self, Run},
};
use crate::{
    tally::Tally,
    tools::{cargo, output, root, run as execute},
};

/// The targets of crates/fuzz with the longest input of each, bytes, and its part of the time.
const TARGETS: [(&str, u32, u64); 4] = [
    ("codec", 4_096, 1),
    ("evidence", 8_192, 3),
    ("verdict", 1_536, 3),
    ("rules", 4_096, 2),
];

/// Seconds for all targets at full depth.
const SECONDS: u64 = 3_600;
/// Seconds after which an input hangs: the slowest takes one hundredth.
const HANGS: u64 = 20;

/// Crates whose edges steer. The EVM's own are noise: what the contracts do is told by their jumps.
const STEERING: [&str; 3] = ["nthroot_protocol", "nthroot_model", "nthroot_fuzz"];
/// LLVM's counters, a table of where they are, and the operands of comparisons; and arithmetic that wraps is a finding.
const COVERAGE: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Coverflow-checks=on",
];
/// Set where cargo calls this program instead of the compiler.
const WRAPS: &str = "NTHROOT_WRAPS_RUSTC";

/// Compiles a crate as cargo asks for it, with coverage if it steers. None if this is not what the program was called for.
pub(crate) fn compile() -> Option<Result<ExitCode>> {
    std::env::var_os(WRAPS)?;
    let mut words = std::env::args_os().skip(1);
    let rustc = words.next()?;
    let words: Vec<OsString> = words.collect();
    let mut command = Command::new(rustc);
    command.args(&words);
    let name = words.iter().position(|word| word == "--crate-name");
    let name = name.and_then(|at| words.get(at + 1)?.to_str());
    if name.is_some_and(|name| STEERING.contains(&name)) {
        command.args(COVERAGE);
    }
    let status = command.status().wrap_err("rustc could not start");
    Some(status.map(|status| ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1))))
}

/// Builds the engine, and says where it is.
fn engine() -> Result<PathBuf> {
    let mut build = cargo([
        "build",
        "--quiet",
        "--workspace",
        "--features",
        "nthroot-libfuzzer/engine",
    ]);
    build.args([
        "--bin",
        "nthroot-libfuzzer",
        "--message-format",
        "json-render-diagnostics",
    ]);
    for name in STEERING {
        // Another profile is another artifact: those of ordinary builds stay as they are.
        let name = name.replace('_', "-");
        build
            .arg("--config")
            .arg(format!("profile.dev.package.{name}.opt-level=3"));
    }
    build
        .env(WRAPS, "1")
        .env("RUSTC_WRAPPER", std::env::current_exe()?)
        .stderr(Stdio::inherit());
    let messages = output(&mut build)?;
    let built = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "nthroot-libfuzzer")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    built.ok_or_eyre("cargo built no engine")
}

/// A target's share of the seconds.
fn seconds(all: u64, weight: u64) -> u64 {
    let weights: u64 = TARGETS.iter().map(|(_, _, weight)| weight).sum();
    (all * weight / weights).max(1)
}

pub(super) fn run(effort: u64, time: Option<Duration>, keep: bool) -> Result<Outcome> {
    if cfg!(not(target_os = "linux")) {
        return Ok(Outcome::Skipped(
            "libFuzzer's extra counters are for Linux only".to_owned(),
        ));
    }
    let engine = engine()?;
    let all = time.map_or(SECONDS.saturating_mul(effort) / 100, |time| time.as_secs());
    let mut tally = Tally::default();
    let mut runs = Vec::new();
    for (target, longest, weight) in TARGETS {
        let (passed, run) = fuzz(&engine, target, longest, seconds(all, weight), keep)?;
        tally.check(passed);
        runs.push((target, seconds(all, weight), passed, run));
    }
    let executed: u64 = runs.iter().map(|(.., run)| run.executed).sum();
    let remark = format!("{executed} inputs in {all} s, {} findings", tally.failed);
    Ok(Outcome::Measured(tally, remark, section(&runs)))
}

/// Fuzzes one target. A finding is kept under target/audit/fuzz/findings.
fn fuzz(engine: &Path, target: &str, longest: u32, seconds: u64, keep: bool) -> Result<(bool, Run)> {
    let home = folder().join("fuzz");
    let (corpus, findings) = (home.join("corpus").join(target), home.join("findings"));
    fs::create_dir_all(&findings)?;
    own(&["seed", target], &corpus)?;
    let mut command = Command::new(engine);
    command
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={longest}"))
        .arg(format!("-timeout={HANGS}"))
        .arg(format!("-artifact_prefix={}/{target}-", findings.display()))
        .args(["-print_final_stats=1", "-use_value_profile=0"])
        .arg(&corpus)
        .env("NTHROOT_TARGET", target);
    let (passed, lines) = watch(&mut command)?;
    let run = libfuzzer::read(lines.iter().map(String::as_str))?;
    if !passed {
        let found = lines.iter().find(|line| line.contains("Test unit written to"));
        eprintln!("{target}: {}", found.map_or("it ended by itself", String::as_str));
        eprintln!("again: NTHROOT_TARGET={target} {} <the file>", engine.display());
    }
    if keep && passed {
        let merged = home.join("merged").join(target);
        if merged.exists() {
            fs::remove_dir_all(&merged)?;
        }
        fs::create_dir_all(&merged)?;
        let mut merge = Command::new(engine);
        merge
            .args(["-merge=1".into(), format!("-max_len={longest}")])
            .args([&merged, &corpus])
            .env("NTHROOT_TARGET", target);
        watch(&mut merge)?;
        own(&["keep", target], &merged)?;
    }
    Ok((passed, run))
}

/// crates/fuzz's own command: seeds and the committed corpus.
fn own(words: &[&str], folder: &Path) -> Result<()> {
    let mut command = cargo(["run", "--quiet", "--package", "nthroot-fuzz", "--"]);
    execute(command.args(words).arg(folder))
}

/// Runs the engine, shows its progress, and returns whether it found nothing, with what it printed.
fn watch(command: &mut Command) -> Result<(bool, Vec<String>)> {
    let mut child = command
        .current_dir(root())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .wrap_err("the engine does not start")?;
    let mut lines = Vec::new();
    for line in BufReader::new(child.stderr.take().expect("stderr is piped")).lines() {
        let line = line.unwrap_or_default();
        // New inputs come by the hundred: powers of two and what is no progress are enough to see.
        if !line.contains("NEW ") && !line.contains("REDUCE ") {
            eprintln!("{line}");
        }
        lines.push(line);
    }
    Ok((child.wait()?.success(), lines))
}

fn section(runs: &[(&str, u64, bool, Run)]) -> Section {
    let mut table = Table::new(
        "targets",
        "What was fuzzed",
        &[
            ("target", ""),
            ("result", ""),
            ("time", "s"),
            ("inputs", "inputs"),
            ("pace", "inputs a second"),
            ("edges", "edges"),
            ("features", "features"),
            ("corpus", "inputs"),
        ],
    );
    let mut chart = Chart::new(
        "pace",
        "How fast",
        Axis::named("Target", runs.iter().map(|(target, ..)| *target)),
        Axis::linear("Inputs a second"),
    );
    for (target, seconds, passed, run) in runs {
        table.row([
            (*target).into(),
            if *passed { "no difference" } else { "A FINDING" }.into(),
            (*seconds).into(),
            run.executed.into(),
            run.rate.into(),
            run.edges.into(),
            run.features.into(),
            run.corpus.into(),
        ]);
    }
    let rates = runs
        .iter()
        .enumerate()
        .map(|(place, (.., run))| (place as f64, run.rate as f64));
    chart.draw("inputs a second", Mark::Bars, rates);
    let mut section = Section::new("fuzz", "Do model and contracts agree where no generator looks?");
    section.text = vec![
        "libFuzzer mutates inputs and keeps those that reach something new: edges of the model, the codec and the targets, or jumps of \
         the contracts. Features count an edge or jump once for each order of magnitude of how often an input took it."
            .to_owned(),
    ];
    section.figures = vec![Figure::Table(table), Figure::Chart(chart)];
    section
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_the_time_is_shared_out() {
        let sum = |all| TARGETS.iter().map(|(.., weight)| seconds(all, *weight)).sum::<u64>();
        assert_eq!(sum(900), 900);
        assert!(sum(3_600) <= 3_600);
    }

    /// The targets that are fuzzed are those that there are: each has a committed corpus.
    #[test]
    fn every_target_is_fuzzed() {
        let mut kept: Vec<String> = fs::read_dir(root().join("crates/fuzz/corpus"))
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        kept.sort();
        let mut fuzzed = TARGETS.map(|(target, ..)| target.to_owned());
        fuzzed.sort();
        assert_eq!(kept, fuzzed);
    }
}
