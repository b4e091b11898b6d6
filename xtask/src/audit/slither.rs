//! Static analysis: whatever slither finds is gone, or answered in a table that is committed.

use std::{collections::BTreeSet, fs, process::Stdio};

use eyre::{OptionExt, Result, ensure};
use serde_json::Value;

use super::{Outcome, follow, left_behind, python};
use crate::{
    tally::Tally,
    tools::{forge, root, run as execute},
};

/// The answers: a table of detector, place and reason.
const ANSWERS: &str = "docs/audit/slither.md";

/// A finding, by its detector and where it is.
type Finding = (String, String);

pub(super) fn run() -> Result<Outcome> {
    const PROFILE: (&str, &str) = ("FOUNDRY_PROFILE", "slither");
    let mut slither = python::tool("slither")?;
    let home = root().join("target/slither");
    // Slither reads every build that lies there, and would report on code that is gone.
    if home.exists() {
        fs::remove_dir_all(&home)?;
    }
    execute(
        forge()?
            .args(["build", "contracts"])
            .env(PROFILE.0, PROFILE.1)
            .stdout(Stdio::null()),
    )?;
    let results = home.join("results.json");
    // It prints each finding, and its exit code counts them: they are counted below.
    follow(
        slither
            .args([".", "--json"])
            .arg(&results)
            .env(PROFILE.0, PROFILE.1)
            .stderr(fs::File::create(home.join("log"))?),
    )?;
    let found = findings(&left_behind(&results, "slither (see target/slither/log)")?)?;
    let answered = answers(&fs::read_to_string(root().join(ANSWERS))?);
    let mut tally = Tally::default();
    for finding in found.union(&answered) {
        let (detector, place) = finding;
        let problem = match (found.contains(finding), answered.contains(finding)) {
            (true, false) => Some("nothing answers it in"),
            (false, true) => Some("no longer found, but answered in"),
            _ => None,
        };
        if let Some(problem) = problem {
            eprintln!("{detector} at {place}: {problem} {ANSWERS}");
        }
        tally.check(problem.is_none());
    }
    Ok(Outcome::Ran(
        tally,
        format!("{} findings, {} answers", found.len(), answered.len()),
    ))
}

/// What slither reports.
fn findings(results: &Value) -> Result<BTreeSet<Finding>> {
    ensure!(results["success"] == true, "slither failed: {}", results["error"]);
    // Without findings there is no list of them.
    let reported = results["results"]["detectors"].as_array().cloned().unwrap_or_default();
    reported
        .iter()
        .map(|finding| {
            let text = |field: &str| finding[field].as_str().ok_or_eyre("a finding without words");
            let place = text("description")?.split_whitespace().next().unwrap_or_default();
            Ok((text("check")?.to_owned(), without_parameters(place)))
        })
        .collect()
}

/// `Contract.function(uint256,Type.Struct).local` as `Contract.function.local`.
fn without_parameters(place: &str) -> String {
    let mut depth = 0_u32;
    let outside = |c: &char| {
        match c {
            '(' => depth += 1,
            ')' => {
                depth = depth.saturating_sub(1);
                return false;
            }
            _ => {}
        }
        depth == 0
    };
    place.chars().filter(outside).collect()
}

/// What the table answers: its rows whose first two cells are code and whose third says something.
fn answers(page: &str) -> BTreeSet<Finding> {
    page.lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
            let mut code = || Some(cells.next()?.strip_prefix('`')?.strip_suffix('`')?.to_owned());
            let finding = (code()?, code()?);
            cells.next().is_some_and(|answer| !answer.is_empty()).then_some(finding)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pairs(list: &[(&str, &str)]) -> BTreeSet<Finding> {
        list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn a_finding_is_its_detector_and_its_place() {
        let finding = |check: &str, words: &str| json!({"check": check, "description": words});
        let results = json!({"success": true, "results": {"detectors": [
            finding("calls-loop", "Bridge.f(bytes,A.B) (contracts/Bridge.sol#1-2) has calls"),
            finding("shadowing", "Kernel.run(Kernel.Step,(uint256,bool)).seen (contracts/…) is"),
        ]}});
        let expected = pairs(&[("calls-loop", "Bridge.f"), ("shadowing", "Kernel.run.seen")]);
        assert_eq!(findings(&results).unwrap(), expected);
        assert!(findings(&json!({"success": false, "error": "no AST"})).is_err());
        assert!(findings(&json!({"success": true, "results": {}})).unwrap().is_empty());
    }

    #[test]
    fn only_rows_that_say_why_are_answers() {
        let page =
            "| detector | where | answer |\n| --- | --- | --- |\n| `a` | `B.c` | on purpose |\n| `d` | `E.f` | |\n";
        assert_eq!(answers(page), pairs(&[("a", "B.c")]));
    }
}
