//! Mutation tests of the model and the codec, by cargo-mutants.

use std::{collections::BTreeSet, fs, path::Path};

use eyre::{Context, OptionExt, Result};
use serde_json::Value;

use super::answers;
use crate::{
    audit::{Outcome, follow, toolbox},
    tally::Tally,
    tools::{output, root},
};

/// Both are one page read once: a mutant of either may be killed by tests of either.
const PACKAGES: [&str; 2] = ["nthroot-protocol", "nthroot-model"];

/// Where cargo-mutants writes; it goes on there when it is run again.
const HOME: &str = "target/mutants/model";

pub(in crate::audit) fn run(effort: u64, install: bool) -> Result<Outcome> {
    if let Err(why) = toolbox::MUTANTS.is_there(install)? {
        return Ok(Outcome::Skipped(why));
    }
    fs::create_dir_all(root().join(HOME))?;
    let (mut list, mut mutants) = (toolbox::MUTANTS.command(), toolbox::MUTANTS.command());
    list.args(["--list", "--json"]);
    mutants.args(["--iterate", "--no-shuffle", "--colors", "never", "--output", HOME]);
    for package in PACKAGES {
        list.args(["--package", package]);
        mutants.args(["--package", package, "--test-package", package]);
    }
    // One in so many, always the same ones.
    let shares = 100 / effort.clamp(1, 100);
    mutants.args(["--sharding", "round-robin", "--shard", &format!("0/{shares}")]);
    follow(&mut mutants)?;

    let existing: Value = serde_json::from_str(&output(&mut list)?)?;
    let existing = existing.as_array().ok_or_eyre("cargo-mutants lists nothing")?;
    let existing: BTreeSet<String> = existing.iter().filter_map(named).collect();
    let home = root().join(HOME).join("mutants.out");
    let (missed, killed) = (
        read(&home, "missed")?,
        read(&home, "caught")?.len() + read(&home, "timeout")?.len(),
    );
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

fn named(mutant: &Value) -> Option<String> {
    mutant["name"].as_str().map(without_line)
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
    fn a_mutant_is_named_without_its_line() {
        let name = "crates/model/src/bond.rs:10:5: replace Bond::free -> u64 with 0";
        assert_eq!(
            without_line(name),
            "crates/model/src/bond.rs: replace Bond::free -> u64 with 0"
        );
    }
}
