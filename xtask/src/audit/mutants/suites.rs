//! Which tests meet a mutant first.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use eyre::Result;

use crate::tools::root;

/// A file's own tests, by how their names begin: those that kill most of its mutants, and take a second.
const KIN: [(&str, &str); 35] = [
    ("Account", "AccountRule|Cohorts|KernelEffects|Leases|RuleVectors"),
    ("Amounts", "PoolRule|PoolSums|SwapFill|CreditRule"),
    (
        "BatchHeader",
        "BridgeSubmit|SubmissionMalformed|Types|HappyPath|StepEvaluation|BridgeStale",
    ),
    ("BatchId", "Types|HappyPath|BridgeDeposit"),
    (
        "BatchWord",
        "Types|BridgeClaim|ManyWithdrawals|BridgeChallenge|BridgeSubmit",
    ),
    ("Bond", "Bond|Types|BridgeBond"),
    ("Bridge", "Bridge|Assignment|Faults|OrphanFee|AssetCaps|Bond"),
    ("Calldata", "HappyPath|StepEvaluation|Authorisation"),
    ("Claims", "BridgeClaim|Assignment|ManyWithdrawals"),
    ("Cohort", "Cohort|StepEvaluation|LibraryMemory"),
    ("CommitmentTree", "CommitmentTree|ManyWithdrawals|BridgeClaim"),
    ("Credit", "CreditRule|CreditAttacks|CreditForgeries|RuleVectors"),
    ("DepositRouter", "DepositRouter"),
    ("Effects", "RuleVectors|AccountRule|KernelEffects|LibraryMemory|Leases"),
    ("Entries", "BridgeRollback|SubmissionReference|Faults"),
    (
        "Evidence",
        "BridgeChallenge|CohortEvidence|OpenedFragments|StepEvaluation",
    ),
    (
        "FraudVerifier",
        "StepEvaluation|Leases|Cohorts|OpenedFragments|BridgeChallenge|EvaluationFrame|ManyWithdrawals|PasskeyKeys",
    ),
    ("GlobalWord", "Types|Faults|BridgeRollback"),
    ("Head", "Types|HappyPath|BridgeStale|SubmissionReference"),
    ("Intents", "Authorisation|Meanings|PasskeyKeys"),
    (
        "Kernel",
        "Kernel|Leases|Authorisation|RuleReturns|Meanings|OpenedFragments|StepEvaluation|Cohorts",
    ),
    ("Leaf", "Types|Cohort|OpenedFragments"),
    ("Market", "CreditRule|CreditAttacks|CreditForgeries|RuleVectors"),
    ("Meanings", "CreditRule|CreditForgeries|RuleVectors"),
    ("Pool", "PoolRule|PoolCalls|PoolAttacks|RuleVectors"),
    ("Position", "CreditRule|CreditAttacks|CreditForgeries|RuleVectors"),
    (
        "Preimage",
        "BridgeChallenge|BridgeClaim|BridgeRollback|BridgeStale|HappyPath|RuleReturns",
    ),
    (
        "ProofGas",
        "BodyBounds|States|StepEvaluation|PasskeyKeys|RuleGas|ProofGas",
    ),
    ("Purity", "RuleRegistry|Impure"),
    ("RuleInput", "RuleInput|RuleReturns|Meanings"),
    ("RuleRegistry", "RuleRegistry|Impure|RuleChanges"),
    ("Signatures", "Authorisation|BodyBounds|Meanings|PasskeyKeys"),
    ("States", "Authorisation|States|StepEvaluation|KernelEffects"),
    ("Submission", "Submission|BridgeSubmit|BridgeStale|HappyPath"),
    ("Swap", "SwapRule|SwapFill|SwapAttacks|SwapReference|RuleVectors"),
];

/// Where tests are that are quick enough for every mutant.
const QUICK: [&str; 3] = ["test/unit", "test/template", "test/gas"];

/// And those that meet what these leave alive.
const SLOW: [&str; 2] = ["test/attack", "test/invariant"];

/// A file's own tests, by their paths.
pub(super) fn quick(file: &str) -> Result<BTreeSet<PathBuf>> {
    let own = KIN
        .iter()
        .find(|(name, _)| *name == stem(file))
        .map_or(stem(file), |(_, suites)| suites);
    let is_own = |path: &PathBuf| own.split('|').any(|suite| name(path).starts_with(suite));
    Ok(suites(&QUICK)?.into_iter().filter(is_own).collect())
}

/// All that can have this file's code in them.
pub(super) fn all(file: &str) -> Result<BTreeSet<PathBuf>> {
    let mut all = suites(&QUICK)?;
    all.extend(suites(&SLOW)?);
    all.retain(|path| meets(path, file));
    Ok(all)
}

/// What tests are known by: their text.
pub(super) fn digest(tests: &BTreeSet<PathBuf>) -> Result<String> {
    let mut texts = Vec::new();
    for path in tests {
        texts.push(fs::read(root().join(path))?);
    }
    Ok(format!("{:08x}", super::digest(&texts) >> 32))
}

fn suites(folders: &[&str]) -> Result<BTreeSet<PathBuf>> {
    let mut suites = BTreeSet::new();
    for folder in folders {
        for entry in fs::read_dir(root().join(folder))? {
            let path = Path::new(folder).join(entry?.file_name());
            if path.to_string_lossy().ends_with(".t.sol") {
                suites.insert(path);
            }
        }
    }
    Ok(suites)
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(OsStr::to_str).unwrap_or_default()
}

fn stem(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file).trim_end_matches(".sol")
}

/// Rules are tested by themselves, without verifier or bridge, or with all of them; so is what they share with these.
fn meets(test: &Path, file: &str) -> bool {
    const OF_RULES: [&str; 6] = ["Swap", "Pool", "Credit", "RuleVectors", "RuleBench", "RuleGas"];
    const SHARED: [&str; 5] = ["Amounts", "Calldata", "Effects", "Purity", "RuleRegistry"];
    let of_rules = OF_RULES.iter().any(|start| name(test).starts_with(start));
    let attack = test.starts_with("test/attack");
    if SHARED.contains(&stem(file)) {
        return true;
    }
    let is_rule = file.contains("/rules/") && stem(file) != "Account";
    attack || of_rules == is_rule
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_of_code_has_tests_that_exist() {
        let tests = suites(&QUICK).unwrap();
        for (stem, suites) in KIN {
            for suite in suites.split('|') {
                assert!(
                    tests.iter().any(|path| name(path).starts_with(suite)),
                    "{stem}: no test is called {suite}"
                );
            }
        }
        for folder in [
            "contracts",
            "contracts/libraries",
            "contracts/types",
            "contracts/rules",
            "contracts/rules/credit",
        ] {
            for entry in fs::read_dir(root().join(folder)).unwrap() {
                let path = entry.unwrap().path();
                let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
                assert!(
                    path.is_dir() || KIN.iter().any(|(name, _)| *name == stem),
                    "no tests are named for {stem}"
                );
            }
        }
    }
    #[test]
    fn rules_meet_their_own_tests_and_what_is_shared_meets_all() {
        let meets = |test: &str, file: &str| meets(Path::new(test), file);
        let (rule, bridge) = ("test/unit/PoolRule.t.sol", "test/invariant/Bridge.t.sol");
        for file in ["contracts/Bridge.sol", "contracts/rules/Account.sol"] {
            assert!(meets(bridge, file) && !meets(rule, file), "{file}");
        }
        for file in ["contracts/rules/Pool.sol", "contracts/rules/credit/Market.sol"] {
            assert!(meets(rule, file) && !meets(bridge, file), "{file}");
        }
        for file in ["contracts/libraries/Amounts.sol", "contracts/libraries/Purity.sol"] {
            assert!(meets(rule, file) && meets(bridge, file), "{file}");
        }
        assert!(meets("test/attack/Markets.t.sol", "contracts/rules/Pool.sol"));
    }
}
