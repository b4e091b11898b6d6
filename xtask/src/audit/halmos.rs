//! Symbolic execution: each `check_` of test/symbolic is proven for all inputs, or refuted by one.

use std::{fs, process::Stdio};

use eyre::{OptionExt, Result};
use serde_json::Value;

use super::{Outcome, follow, left_behind, python};
use crate::{
    tally::Tally,
    tools::{forge, root, run as execute},
};

/// Unrolled further than any loop in the checks goes. One that goes on is reported, and no proof.
const LOOPS: &str = "64";

pub(super) fn run(solver_timeout: u64) -> Result<Outcome> {
    const PROFILE: (&str, &str) = ("FOUNDRY_PROFILE", "symbolic");
    let results = root().join("target/symbolic/results.json");
    if results.exists() {
        fs::remove_file(&results)?;
    }
    // Halmos builds too, but hides what the compiler says.
    execute(
        forge()?
            .args(["build", "--ast"])
            .env(PROFILE.0, PROFILE.1)
            .stdout(Stdio::null()),
    )?;
    let mut halmos = python::tool("halmos")?;
    halmos
        .args(["--forge-build-out", "target/symbolic/out", "--no-status"])
        .args(["--loop", LOOPS, "--solver-timeout-assertion"])
        .arg(format!("{solver_timeout}s"))
        .arg("--json-output")
        .arg(&results)
        .env(PROFILE.0, PROFILE.1)
        .env("NO_COLOR", "1");
    follow(&mut halmos)?;
    let (tally, paths) = count(&left_behind(&results, "halmos")?)?;
    Ok(Outcome::Ran(
        tally,
        format!("{} proven, {} not; {paths} paths", tally.passed, tally.failed),
    ))
}

/// Checks that were proven, those that were not, and the paths taken.
fn count(results: &Value) -> Result<(Tally, u64)> {
    let (mut tally, mut paths) = (Tally::default(), 0);
    let contracts = results["test_results"]
        .as_object()
        .ok_or_eyre("halmos reports no results")?;
    for check in contracts.values().filter_map(Value::as_array).flatten() {
        // A loop that was cut off leaves inputs unseen.
        tally.check(check["exitcode"] == 0 && check["num_bounded_loops"] == 0);
        paths += check["num_paths"][0].as_u64().unwrap_or(0);
    }
    // No check at all proves nothing.
    if tally == Tally::default() {
        tally.check(false);
    }
    Ok((tally, paths))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_check_is_proven_if_it_passed_and_no_loop_was_cut_off() {
        let check = |exitcode, loops| json!({"exitcode": exitcode, "num_bounded_loops": loops, "num_paths": [3, 1, 0]});
        let results = json!({"test_results": {"A": [check(0, 0), check(1, 0)], "B": [check(0, 2)]}});
        assert_eq!(count(&results).unwrap(), (Tally { passed: 1, failed: 2 }, 9));
        let nothing = json!({"test_results": {}});
        assert_eq!(count(&nothing).unwrap(), (Tally { passed: 0, failed: 1 }, 0));
    }
}
