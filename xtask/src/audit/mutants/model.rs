//! Mutation tests of the model and the codec, by cargo-mutants.

use std::{collections::BTreeSet, fs, io::stderr, path::Path, process::Command};

use eyre::{Context, OptionExt, Result, ensure};
use serde_json::Value;

use super::answers;
use crate::{
    audit::{Outcome, toolbox},
    tally::Tally,
    tools::{output, root},
};

/// Both are one page read once: a mutant of either may be killed by tests of either.
const PACKAGES: [&str; 2] = ["nthroot-protocol", "nthroot-model"];

/// Where cargo-mutants writes; it goes on there when it is run again.
const HOME: &str = "target/mutants/model";

/// What random tests run the first time, enough to kill nearly all mutants.
const FEW: [(&str, &str); 3] = [
    ("PROPTEST_CASES", "16"),
    ("NTHROOT_ROLLBACKS", "40"),
    ("NTHROOT_SCHEDULES", "10"),
];

/// Tests that are not run the first time: they take seconds, however few the cases.
const SLOW: [&str; 5] = [
    "signing::two_implementations_recover_the_same_signer",
    "credit::format::no_input_makes_the_rule_panic",
    "credit::histories::whatever_happens_the_market_counts_right_and_shares_fall_by_losses_only",
    "credit::one_block::no_order_of_moves_in_one_block_gains_anything",
    "credit::attacks::no_rounding_is_to_be_had_by_lending_and_redeeming",
];

pub(in crate::audit) fn run(effort: u64, install: bool) -> Result<Outcome> {
    if let Err(why) = toolbox::MUTANTS.is_there(install)? {
        return Ok(Outcome::Skipped(why));
    }
    fs::create_dir_all(root().join(HOME))?;
    let mut list = toolbox::MUTANTS.command();
    list.args(["--list", "--json"]);
    for package in PACKAGES {
        list.args(["--package", package]);
    }
    let existing: Value = serde_json::from_str(&output(&mut list)?)?;
    let existing = existing.as_array().ok_or_eyre("cargo-mutants lists nothing")?;
    let existing: Vec<&str> = existing.iter().filter_map(|mutant| mutant["name"].as_str()).collect();
    // One in so many, always the same ones. Not as a shard: of that, too, those would be left out first that were killed before.
    let shares = 100 / effort.clamp(1, 100);
    let chosen: Vec<&str> = existing
        .iter()
        .enumerate()
        // cargo-mutants tries those without a field, whatever it is asked for.
        .filter(|(number, name)| (*number as u64).is_multiple_of(shares) || name.contains(": delete field "))
        .map(|(_, name)| *name)
        .collect();
    eprintln!("{} mutants, {} chosen", existing.len(), chosen.len());

    let mut first = mutants(&chosen);
    first.args(["--", "--"]).envs(FEW);
    for test in SLOW {
        first.args(["--skip", test]);
    }
    attempt(&mut first)?;
    let home = root().join(HOME).join("mutants.out");
    // What is left meets the random tests at their length.
    if !fs::read_to_string(home.join("missed.txt"))
        .unwrap_or_default()
        .is_empty()
    {
        attempt(&mut mutants(&chosen))?;
    }

    let chosen: BTreeSet<String> = chosen.iter().map(|name| without_line(name)).collect();
    let existing: BTreeSet<String> = existing.iter().map(|name| without_line(name)).collect();
    let missed: BTreeSet<String> = &read(&home, "missed")? & &chosen;
    let killed = (&(&read(&home, "caught")? | &read(&home, "timeout")?) & &chosen).len();
    let answered: BTreeSet<String> = answers::of_model()?;
    let mut tally = Tally::default();
    for _ in 0..killed {
        tally.check(true);
    }
    for mutant in &missed {
        if !answered.contains(mutant) {
            eprintln!("survives, and is not explained in {}: | `{mutant}` | |", answers::PAGE);
        }
        tally.check(answered.contains(mutant));
    }
    for row in answered.iter().filter(|row| !existing.contains(*row)) {
        eprintln!("{} answers a mutant that does not exist: {row}", answers::PAGE);
        tally.check(false);
    }
    Ok(Outcome::Ran(
        tally,
        format!(
            "one in {shares} of {} mutants: {killed} killed, {} survive",
            existing.len(),
            missed.len()
        ),
    ))
}

/// Tries these, but for those that were killed before.
fn mutants(chosen: &[&str]) -> Command {
    let mut mutants = toolbox::MUTANTS.command();
    mutants.args(["--iterate", "--no-shuffle", "--colors", "never", "--output", HOME]);
    mutants.args(["--profile", "mutants"]).env_remove("CARGO_INCREMENTAL");
    for package in PACKAGES {
        mutants.args(["--package", package, "--test-package", package]);
    }
    for name in chosen {
        mutants.args(["--re", &format!("^{}$", escaped(name))]);
    }
    mutants
}

/// Runs it to its end: with all killed, some missed or some that do not end. Anything else is no result.
fn attempt(mutants: &mut Command) -> Result<()> {
    let status = mutants.current_dir(root()).stdout(stderr()).status()?;
    ensure!(
        matches!(status.code(), Some(0 | 2 | 3)),
        "cargo-mutants ended with {status}; {HOME}/mutants.out/log says why"
    );
    Ok(())
}

/// As a regular expression that matches nothing else.
fn escaped(name: &str) -> String {
    name.chars().fold(String::new(), |mut escaped, letter| {
        if r"\.+*?()|[]{}^$#&-~".contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
        escaped
    })
}

/// Of this run and, with `--iterate`, those before it.
fn read(home: &Path, fate: &str) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for file in [format!("{fate}.txt"), format!("previously_{fate}.txt")] {
        let path = home.join(file);
        if path.exists() {
            let text = fs::read_to_string(&path).wrap_err_with(|| path.display().to_string())?;
            names.extend(text.lines().map(without_line));
        }
    }
    Ok(names)
}

/// `file:line:column: what` without line and column, which other changes move.
fn without_line(name: &str) -> String {
    let mut parts = name.splitn(4, ':');
    match (parts.next(), parts.nth(2)) {
        (Some(file), Some(what)) => format!("{file}:{what}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_an_expression_is_escaped() {
        let name = "a.rs:1:2: replace <impl A>::f -> Vec<u8> with [1].into_iter() && x | y^2";
        let expected = r"a\.rs:1:2: replace <impl A>::f \-> Vec<u8> with \[1\]\.into_iter\(\) \&\& x \| y\^2";
        assert_eq!(escaped(name), expected);
    }

    #[test]
    fn a_mutant_is_named_without_its_line() {
        let name = "crates/model/src/bond.rs:10:5: replace Bond::free -> u64 with 0";
        assert_eq!(
            without_line(name),
            "crates/model/src/bond.rs: replace Bond::free -> u64 with 0"
        );
    }
}
