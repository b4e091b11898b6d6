//! Counting what passed and what failed, over forge, cargo and our own checks.

use std::{
    fmt::{self, Display, Formatter},
    io::{BufRead, BufReader},
    ops::AddAssign,
    process::{Command, ExitCode, Stdio},
    time::Instant,
};

use eyre::{Context, Result};

use crate::tools::describe;

/// How many tests or checks passed, and how many failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Tally {
    /// Counts one check.
    pub(crate) fn check(&mut self, passed: bool) {
        if passed {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
    }

    /// Runs a stage, adds what it counts, and prints what it counted and how long it took.
    pub(crate) fn stage(&mut self, name: &str, stage: impl FnOnce() -> Result<Self>) -> Result<()> {
        println!("\n== {name}");
        let start = Instant::now();
        let tally = stage().wrap_err_with(|| format!("{name} could not run"))?;
        *self += tally;
        let seconds = start.elapsed().as_secs_f64();
        if tally == Self::default() {
            println!("== {name}: {seconds:.1} s");
        } else {
            println!("== {name}: {tally}, {seconds:.1} s");
        }
        Ok(())
    }

    pub(crate) fn exit_code(self) -> ExitCode {
        if self.failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    /// Adds a result line of forge (`Suite result: …`) or of cargo (`test result: …`); both go on with
    /// `ok. 4 passed; 0 failed; …`.
    fn add_line(&mut self, line: &str) {
        let Some((_, result)) = line
            .split_once("uite result: ")
            .or_else(|| line.split_once("test result: "))
        else {
            return;
        };
        let words: Vec<_> = result.split_whitespace().collect();
        let before = |word| {
            let at = words.iter().position(|found| found.trim_end_matches(';') == word)?;
            words[at.checked_sub(1)?].parse::<u64>().ok()
        };
        self.passed += before("passed").unwrap_or(0);
        self.failed += before("failed").unwrap_or(0);
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl Display for Tally {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// Runs a test command, passes its output on to stdout, and counts the results in it.
pub(crate) fn tested(command: &mut Command) -> Result<Tally> {
    counted(command, |line| println!("{line}"))
}

/// Runs a test command, passes each line that it prints on, and counts the results in them. A command that fails without
/// naming a failed test (one that does not compile, say) counts as one failure.
pub(crate) fn counted(command: &mut Command, pass_on: impl Fn(&str)) -> Result<Tally> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .wrap_err_with(|| describe(command))?;
    let mut tally = Tally::default();
    for line in BufReader::new(child.stdout.take().expect("stdout is piped")).lines() {
        let line = line?;
        tally.add_line(&line);
        pass_on(&line);
    }
    if !child.wait()?.success() && tally.failed == 0 {
        tally.failed = 1;
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_result_lines_and_nothing_else() {
        let mut tally = Tally::default();
        tally.add_line("Suite result: FAILED. 4 passed; 1 failed; 0 skipped; finished in 3.40ms (3.25ms CPU time)");
        tally
            .add_line("test result: ok. 20 passed; 0 failed; 3 ignored; 0 measured; 0 filtered out; finished in 0.10s");
        tally.add_line("Ran 1 test suite in 6.27ms: 4 tests passed, 1 failed, 0 skipped (5 total tests)");
        tally.add_line("[PASS] test_passed() (gas: 1)");
        assert_eq!(tally, Tally { passed: 24, failed: 1 });
    }

    #[test]
    fn a_command_that_fails_without_a_result_is_one_failure() {
        let tally = tested(&mut Command::new("false")).unwrap();
        assert_eq!(tally, Tally { passed: 0, failed: 1 });
    }
}
