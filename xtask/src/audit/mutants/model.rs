//! Mutation tests of the model and the codec, by cargo-mutants.

mod record;

use std::{collections::BTreeSet, fs, io::stderr, process::Command, thread::sleep, time::Duration};

use eyre::{OptionExt, Result, ensure};
use serde_json::Value;

use self::record::{Fate, Record};
use super::answers;
use crate::{
    audit::{Outcome, toolbox},
    tally::Tally,
    tools::{output, root},
};

/// Both are one page read once: a mutant of either may be killed by tests of either.
const PACKAGES: [&str; 2] = ["nthroot-protocol", "nthroot-model"];

/// Where cargo-mutants writes.
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

/// How often what a run has found so far is written down.
const TAKEN_DOWN: Duration = Duration::from_secs(5);

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
    // One in so many, always the same ones.
    let shares = 100 / effort.clamp(1, 100);
    let chosen: Vec<&str> = existing
        .iter()
        .enumerate()
        .filter(|(number, _)| (*number as u64).is_multiple_of(shares))
        .map(|(_, name)| *name)
        .collect();
    let answered: BTreeSet<String> = answers::of_model()?;
    let mut record = Record::open()?;
    let is_open = |record: &Record, name: &str| match record.fate(name) {
        Some(Fate::Killed | Fate::Unviable) => false,
        Some(Fate::Survived) => !answered.contains(&without_line(name)),
        Some(Fate::Left) | None => true,
    };
    let open: Vec<&str> = chosen.iter().copied().filter(|name| is_open(&record, name)).collect();
    eprintln!(
        "{} mutants, {} chosen, {} still to be run",
        existing.len(),
        chosen.len(),
        open.len()
    );

    if !open.is_empty() {
        let mut first = mutants(&open);
        first.args(["--", "--"]).envs(FEW);
        for test in SLOW {
            first.args(["--skip", test]);
        }
        attempt(&mut first, &open, Fate::Left, &mut record)?;
    }
    // What is left meets all tests, and the random ones at their length.
    let left: Vec<&str> = open
        .into_iter()
        .filter(|name| record.fate(name) == Some(Fate::Left))
        .collect();
    if !left.is_empty() {
        attempt(&mut mutants(&left), &left, Fate::Survived, &mut record)?;
    }

    let mut tally = Tally::default();
    let (mut killed, mut survive) = (0_u64, 0_u64);
    for name in &chosen {
        match record.fate(name) {
            Some(Fate::Killed) => {
                killed += 1;
                tally.check(true);
            }
            Some(Fate::Survived) => {
                survive += 1;
                let mutant = without_line(name);
                let is_answered = answered.contains(&mutant);
                if !is_answered {
                    eprintln!("survives, and is not explained in {}: | `{mutant}` | |", answers::PAGE);
                }
                tally.check(is_answered);
            }
            Some(Fate::Unviable) => {}
            Some(Fate::Left) | None => {
                eprintln!("cargo-mutants has not run {name}");
                tally.check(false);
            }
        }
    }
    let existing_rows: BTreeSet<String> = existing.iter().map(|name| without_line(name)).collect();
    for row in answered.difference(&existing_rows) {
        eprintln!("{} answers a mutant that does not exist: {row}", answers::PAGE);
        tally.check(false);
    }
    eprint!("{}", record::score()?);
    Ok(Outcome::Ran(
        tally,
        format!(
            "{} of {} mutants: {killed} killed, {survive} survive",
            chosen.len(),
            existing.len()
        ),
    ))
}

/// Tries these, and whatever else cargo-mutants tries unasked in their files.
fn mutants(chosen: &[&str]) -> Command {
    let mut mutants = toolbox::MUTANTS.command();
    mutants.args(["--no-shuffle", "--colors", "never", "--output", HOME]);
    mutants.args(["--profile", "mutants"]).env_remove("CARGO_INCREMENTAL");
    mutants.args(["--jobs", &super::workers().to_string()]);
    for package in PACKAGES {
        mutants.args(["--package", package, "--test-package", package]);
    }
    let files: BTreeSet<&str> = chosen.iter().filter_map(|name| name.split(':').next()).collect();
    for file in files {
        mutants.args(["--file", file]);
    }
    for name in chosen {
        mutants.args(["--re", &format!("^{}$", escaped(name))]);
    }
    mutants
}

/// Runs it to its end, whether all are killed, some are missed or some do not end. Anything else is no result.
fn attempt(mutants: &mut Command, asked: &[&str], missed: Fate, record: &mut Record) -> Result<()> {
    let home = root().join(HOME).join("mutants.out");
    if home.exists() {
        fs::remove_dir_all(&home)?;
    }
    let mut child = mutants.current_dir(root()).stdout(stderr()).spawn()?;
    let status = loop {
        let ended = child.try_wait()?;
        for (file, fate) in [
            ("caught", Fate::Killed),
            ("timeout", Fate::Killed),
            ("unviable", Fate::Unviable),
            ("missed", missed),
        ] {
            let names = fs::read_to_string(home.join(file).with_extension("txt")).unwrap_or_default();
            // The last line may be half a name, and cargo-mutants tries some unasked.
            for name in names.lines().filter(|name| asked.contains(name)) {
                record.settle(name, fate)?;
            }
        }
        record.write()?;
        match ended {
            Some(status) => break status,
            None => sleep(TAKEN_DOWN),
        }
    };
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
