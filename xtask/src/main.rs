//! Build, test and check the repository: `cargo xtask --help`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod artifacts;
mod audit;
mod docs;
mod tally;
#[cfg(test)]
mod tidy;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use eyre::Result;

use crate::{
    tally::{Tally, tested},
    tools::{anvil, cargo, forge, run, setup},
};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Build, test and check the repository")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install the pinned Solidity compiler, tools and libraries, if they are not there yet
    Setup,
    /// Compile the contracts and their tests
    Build,
    /// Write what is committed of the compiled contracts: abi/, and storage layouts and code sizes to snapshots/
    Abi {
        /// Write nothing; fail if a file differs from what the contracts say
        #[arg(long)]
        check: bool,
    },
    /// Format Solidity and Rust
    Fmt {
        /// Write nothing; fail if a file is not formatted
        #[arg(long)]
        check: bool,
    },
    /// Run clippy over the workspace; warnings are errors
    Lint,
    /// Build, then run all tests and checks
    Test,
    /// Run the demonstration on a local chain
    Demo {
        /// Passed on to `nthroot demo`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Measure again: write gas to snapshots/, run the demonstration, on the contracts in abi/, and write what it measured to
    /// docs/demo.json, README.md and docs/writing-a-rule.md
    Docs {
        /// Write nothing; fail if a figure differs by more than half a per cent from the one in docs/demo.json
        #[arg(long)]
        check: bool,
    },
    /// Measure gas, congestion, windows and speed, and write a report to target/bench/report.html: two minutes, beside five of
    /// compiling it with all optimisations
    Bench {
        /// Passed on: see `cargo xtask bench -- --help`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// All that continuous integration checks: formats, lints, tests
    Ci,
    /// Run what takes hours: symbolic execution, static analysis, random tests at full depth, fuzzing, coverage; and write a report to
    /// target/audit/report.html. Needs Python 3.11 or later
    Audit(audit::Options),
}

fn main() -> Result<ExitCode> {
    // cargo calls this program in the compiler's place when it builds the fuzzers.
    if let Some(compiled) = audit::compile() {
        return compiled;
    }
    match Args::parse().command {
        Command::Setup => setup()?,
        Command::Build => build()?,
        Command::Abi { check } => {
            if !check {
                // What the optimizer makes of a contract depends on what is compiled with it. From nothing that is always the same.
                setup()?;
                run(forge()?.arg("clean"))?;
            }
            build()?;
            if check {
                return Ok(artifacts::check_committed()?.exit_code());
            }
            artifacts::write_committed()?;
        }
        Command::Fmt { check } => fmt(check)?,
        Command::Lint => lint()?,
        Command::Test => return test(),
        Command::Demo { args } => {
            build_contracts()?;
            let mut demo = cargo(["run", "--quiet", "--package", "nthroot-cli", "--", "demo"]);
            run(demo.args(args).env("ANVIL", anvil()?))?;
        }
        Command::Docs { check } => {
            setup()?;
            if check {
                return Ok(docs::check()?.exit_code());
            }
            docs::refresh()?;
        }
        Command::Bench { args } => {
            build_contracts()?;
            let mut bench = cargo(["run", "--quiet", "--release", "--package", "nthroot-bench", "--"]);
            run(bench.args(args).env("ANVIL", anvil()?))?;
        }
        Command::Audit(options) => return audit::audit(&options),
        Command::Ci => {
            fmt(true)?;
            lint()?;
            return test();
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn build() -> Result<()> {
    build_contracts()?;
    run(forge()?.arg("build"))
}

/// Compiles `contracts/` by itself: solc reports at most 256 warnings, and forge-std alone has more than that, so in
/// one run with the tests ours would be lost.
fn build_contracts() -> Result<()> {
    setup()?;
    run(forge()?.args(["build", "contracts", "--deny", "warnings"]))
}

fn fmt(check: bool) -> Result<()> {
    setup()?;
    let mut solidity = forge()?;
    solidity.args(["fmt", "contracts", "test", "script"]);
    let mut rust = cargo(["fmt", "--all"]);
    if check {
        solidity.arg("--check");
        rust.arg("--check");
    }
    run(&mut solidity)?;
    run(&mut rust)
}

fn lint() -> Result<()> {
    run(&mut cargo([
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ]))
}

fn test() -> Result<ExitCode> {
    let mut all = Tally::default();
    all.stage("forge build", || build().map(|()| Tally::default()))?;
    all.stage("forge test", || {
        tested(forge()?.arg("test").env("FORGE_SNAPSHOT_EMIT", "false"))
    })?;
    all.stage("gas snapshots", docs::check_gas)?;
    all.stage("artifacts", artifacts::check_committed)?;
    all.stage("code size", artifacts::check_sizes)?;
    all.stage("cargo test", || {
        tested(cargo(["test", "--quiet", "--workspace", "--no-fail-fast"]).env("ANVIL", anvil()?))
    })?;
    all.stage("demo", docs::check)?;
    println!("\n{all}");
    Ok(all.exit_code())
}
