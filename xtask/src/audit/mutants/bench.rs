//! A copy of the project in which forge's tests meet mutants: sources as they are, artifacts exchanged. Forge finds nothing to compile.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use eyre::{OptionExt, Result, bail, ensure};
use serde_json::{Value, json};

use super::{compile::Codes, suites};
use crate::tools::{cargo, forge, output, root, run};

/// What no test of ours takes, however busy the machine. A loop that does not end runs out of gas long before.
const PATIENCE: Duration = Duration::from_mins(10);

/// Tests of `crates/evm` in which the contracts meet the model.
const COMPARED: [&str; 3] = ["differential", "tamper", "schedules"];

/// Runs of a random test, always the same ones; runs and depth of an invariant.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("FOUNDRY_FUZZ_RUNS", "24"),
    ("FOUNDRY_FUZZ_SEED", "0x01"),
    ("FOUNDRY_INVARIANT_RUNS", "2"),
    // The other arms of all the choices are code too.
    ("FOUNDRY_CODE_SIZE_LIMIT", "1000000"),
    ("FORGE_SNAPSHOT_EMIT", "false"),
    ("NO_COLOR", "1"),
];

/// What became of a mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// By the test of this name.
    Killed(String),
    /// A test did not end.
    Endless,
    /// The compiler refuses it.
    Unviable,
    /// It is the same code.
    Same,
    /// By the quick tests: the slow ones are to come.
    Left,
    Survived,
}

pub(super) struct Bench {
    home: PathBuf,
    /// The tests that are in it. Forge takes twice as long to choose tests as to start where there are no others.
    tests: BTreeSet<PathBuf>,
    /// Artifacts that are not the project's now.
    exchanged: BTreeSet<PathBuf>,
    /// Tests that fail although no mutant was chosen, once that is known: the choices themselves cost gas.
    excluded: Option<Vec<String>>,
}

impl Bench {
    /// The project must be built.
    pub(super) fn new(number: usize) -> Result<Self> {
        let home = root().join("target/mutants").join(format!("bench-{number}"));
        for folder in [
            "contracts",
            "snapshots",
            "node_modules/@openzeppelin",
            "node_modules/@layerzerolabs",
        ] {
            replace(folder, &home)?;
        }
        fs::create_dir_all(home.join("tools"))?;
        let compiler = root().join("tools/solc.mjs");
        let version = output(Command::new(&compiler).arg("--version"))?;
        fs::write(home.join("tools/version"), version)?;
        for (from, to) in [("solc.sh", "solc.mjs"), ("solc-remembered.mjs", "remembered.mjs")] {
            fs::copy(root().join("xtask/audit").join(from), home.join("tools").join(to))?;
        }
        for file in ["foundry.toml", "package.json"] {
            fs::copy(root().join(file), home.join(file))?;
        }
        Ok(Self {
            home,
            tests: BTreeSet::new(),
            exchanged: BTreeSet::new(),
            excluded: None,
        })
    }

    /// Makes these the only tests that are there, with the project's own artifacts.
    fn lay_out(&mut self, tests: BTreeSet<PathBuf>) -> Result<()> {
        if self.tests == tests {
            return Ok(());
        }
        for folder in ["out", "cache", "test"] {
            replace(folder, &self.home)?;
        }
        for folder in fs::read_dir(self.home.join("test"))? {
            let folder = folder?.path();
            for file in fs::read_dir(&folder)? {
                let path = file?.path();
                let name = path.strip_prefix(&self.home)?;
                if name.to_string_lossy().ends_with(".t.sol") && !tests.contains(name) {
                    fs::remove_file(&path)?;
                }
            }
        }
        self.tests = tests;
        self.exchanged.clear();
        self.excluded = None;
        Ok(())
    }

    /// Puts other code into the artifacts of these contracts, and the project's into all others.
    pub(super) fn exchange(&mut self, codes: &Codes) -> Result<()> {
        let mut now = BTreeSet::new();
        for ((file, name), code) in codes {
            let path = artifact(file, name)?;
            let mut artifact: Value = serde_json::from_slice(&fs::read(root().join(&path))?)?;
            artifact["bytecode"]["object"] = json!(format!("0x{}", code.creation));
            artifact["deployedBytecode"]["object"] = json!(format!("0x{}", code.runtime));
            fs::write(self.home.join(&path), artifact.to_string())?;
            now.insert(path);
        }
        for path in self.exchanged.difference(&now) {
            fs::copy(root().join(path), self.home.join(path))?;
        }
        self.exchanged = now;
        Ok(())
    }

    /// Other choices are compiled in: which tests that alone makes fail is to be found out again.
    pub(super) fn forget(&mut self) {
        self.excluded = None;
    }

    /// Whether it is the project's own code: then there is no mutant.
    pub(super) fn is_original(&self, codes: &Codes) -> Result<bool> {
        for ((file, name), code) in codes {
            let artifact: Value = serde_json::from_slice(&fs::read(root().join(artifact(file, name)?))?)?;
            if artifact["bytecode"]["object"] != json!(format!("0x{}", code.creation)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Runs the quick tests until one fails. None if none does.
    ///
    /// `unchosen` is the same code without a mutant, where that is not the project's own.
    pub(super) fn judge(&mut self, file: &str, mutant: &Codes, unchosen: Option<&Codes>) -> Result<Option<Fate>> {
        self.lay_out(suites::quick(file)?)?;
        if let (Some(unchosen), None) = (unchosen, &self.excluded) {
            self.exchange(unchosen)?;
            let failing = self.test(&[], false)?;
            self.excluded = Some(failing.ok_or_eyre("tests do not end although no mutant is chosen")?);
        }
        self.exchange(mutant)?;
        let excluded = self.excluded.as_deref().unwrap_or_default();
        Ok(fate(self.test(excluded, true)?))
    }

    /// Runs all tests of forge that these files' code can be in, with code in which nothing is chosen.
    pub(super) fn judge_slowly<'a>(
        &mut self,
        files: impl Iterator<Item = &'a String>,
        mutant: &Codes,
    ) -> Result<Option<Fate>> {
        let mut tests = BTreeSet::new();
        for file in files {
            tests.extend(suites::all(file)?);
        }
        self.lay_out(tests)?;
        self.exchange(mutant)?;
        Ok(fate(self.test(&[], true)?))
    }

    /// Lets the tests of contracts against the model decide about what forge's have left alive: about exactly this mutant, since they hold
    /// code to its size.
    pub(super) fn compare(&self, mutant: &Codes) -> Result<Option<Fate>> {
        let folder = self.home.join("codes");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        for ((_, name), code) in mutant {
            fs::write(folder.join(format!("{name}.hex")), &code.creation)?;
            fs::write(folder.join(format!("{name}.runtime.hex")), &code.runtime)?;
        }
        let log = self.home.join("compared.log");
        let mut test = cargo(["test", "--quiet", "--workspace"]);
        let mut build = cargo(["test", "--quiet", "--workspace", "--no-run"]);
        for target in COMPARED {
            test.args(["--test", target]);
            build.args(["--test", target]);
        }
        // However long that takes: the tests alone are waited for.
        run(&mut build)?;
        test.current_dir(root()).env("NTHROOT_ARTIFACTS", &folder);
        let Some(success) = patient(&mut test, &log)? else {
            return Ok(Some(Fate::Endless));
        };
        if success {
            return Ok(None);
        }
        let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        // The list of failures is indented; what a test printed is not.
        let failing = said
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("    ").filter(|name| !name.contains(' ')));
        ensure!(
            said.contains("test result: FAILED"),
            "the tests do not run; see {}",
            log.display()
        );
        Ok(Some(Fate::Killed(failing.unwrap_or("a differential test").to_owned())))
    }

    /// Names of the tests that fail. None if they do not end.
    fn test(&self, excluded: &[String], first_only: bool) -> Result<Option<Vec<String>>> {
        let log = self.home.join("test.log");
        let mut test = forge()?;
        test.arg("test").current_dir(&self.home).envs(ENVIRONMENT);
        test.env("NTHROOT_SOLC", root().join("tools/solc.mjs"));
        if first_only {
            test.arg("--fail-fast");
        }
        if !excluded.is_empty() {
            test.arg("--no-match-test")
                .arg(format!("^({})\\(?", excluded.join("|")));
        }
        let Some(success) = patient(&mut test, &log)? else {
            return Ok(None);
        };
        let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        let failing = failures(&said);
        if !success && failing.is_empty() {
            bail!("forge failed without a failing test; see {}", log.display());
        }
        ensure!(
            said.contains("uite result: ") || said.contains("No tests"),
            "forge ran no test; see {}",
            log.display()
        );
        Ok(Some(failing))
    }
}

/// Where forge keeps a contract.
fn artifact(file: &str, name: &str) -> Result<PathBuf> {
    let source = Path::new(file).file_name().ok_or_eyre("a source without a name")?;
    Ok(Path::new("out").join(source).join(format!("{name}.json")))
}

/// What becomes of a mutant with these failing tests; None if it lives.
fn fate(failing: Option<Vec<String>>) -> Option<Fate> {
    match failing {
        None => Some(Fate::Endless),
        Some(failing) => failing.into_iter().next().map(Fate::Killed),
    }
}

/// Runs a command, with what it says in a file: whether it succeeded. None if it does not end.
fn patient(command: &mut Command, log: &Path) -> Result<Option<bool>> {
    let out = File::create(log)?;
    let mut child = command
        .stdin(Stdio::null())
        .stderr(out.try_clone()?)
        .stdout(out)
        .spawn()?;
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.success()));
        }
        if start.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        sleep(Duration::from_millis(20));
    }
}

/// `[FAIL: …] test_Name(uint256) (runs: …)`; a set-up that fails is `setUp()`.
fn failures(said: &str) -> Vec<String> {
    let mut names: Vec<String> = said
        .lines()
        .filter(|line| line.starts_with("[FAIL"))
        .filter_map(|line| {
            let call = line.split_whitespace().rev().find(|word| {
                let name = word.split('(').next().unwrap_or_default();
                word.contains('(')
                    && ["test", "setUp", "invariant", "check"]
                        .iter()
                        .any(|start| name.starts_with(start))
            })?;
            call.split('(').next().map(str::to_owned)
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

/// A folder of the project once more, as it is.
fn replace(folder: &str, home: &Path) -> Result<()> {
    let to = home.join(folder);
    if to.exists() {
        fs::remove_dir_all(&to)?;
    }
    copy(&root().join(folder), &to)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &to)?;
        } else {
            fs::copy(&path, &to)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failing_tests_are_named_once_each() {
        let said = "[PASS] test_A() (gas: 1)\n[FAIL: Wrong(1)] test_B() (gas: 2)\n[FAIL: panic; counterexample: args=[1 (x)]] \
                    testFuzz_C(uint256,bytes) (runs: 3, μ: 1, ~: 1)\n[FAIL: r] setUp() (gas: 0)\n[FAIL: Wrong(1)] test_B() (gas: 2)\n";
        assert_eq!(failures(said), ["setUp", "testFuzz_C", "test_B"]);
    }
}
