//! Which tests meet a mutant first.

/// A file's own tests, by the names of their contracts: those that kill most of its mutants, and take a second.
const KIN: [(&str, &str); 35] = [
    ("Account", "AccountRule|Leases|RuleVectors"),
    ("Amounts", "PoolRule|PoolSums|SwapFill|CreditRule"),
    ("BatchHeader", "BridgeSubmit|SubmissionMalformed|Types|HappyPath"),
    ("BatchId", "Types|HappyPath|BridgeDeposit"),
    ("BatchWord", "Types|BridgeClaim|ManyWithdrawals|BridgeChallenge"),
    ("Bond", "Bond|Types|BridgeBond"),
    ("Bridge", "Bridge|Assignment|Faults|OrphanFee|AssetCaps|Bond"),
    ("Calldata", "HappyPath|StepEvaluation|Authorisation"),
    ("Claims", "BridgeClaim|Assignment|ManyWithdrawals"),
    ("Cohort", "Cohort|StepEvaluation|LibraryMemory"),
    ("CommitmentTree", "CommitmentTree|ManyWithdrawals|BridgeClaim"),
    ("Credit", "CreditRule|CreditAttacks|CreditForgeries|RuleVectors"),
    ("DepositRouter", "DepositRouter"),
    ("Effects", "RuleVectors|AccountRule|KernelEffects|Leases|LibraryMemory"),
    ("Entries", "BridgeRollback|SubmissionReference|Faults"),
    (
        "Evidence",
        "BridgeChallenge|CohortEvidence|OpenedFragments|StepEvaluation",
    ),
    (
        "FraudVerifier",
        "StepEvaluation|Leases|Cohorts|OpenedFragments|BridgeChallenge",
    ),
    ("GlobalWord", "Types|Faults|BridgeRollback"),
    ("Head", "Types|HappyPath|BridgeStale|SubmissionReference"),
    ("Intents", "Authorisation|Meanings|PasskeyKeys"),
    (
        "Kernel",
        "Kernel|Leases|Authorisation|RuleReturns|Meanings|OpenedFragments|StepEvaluation",
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
    ("ProofGas", "BodyBounds|States|StepEvaluation|PasskeyKeys|RuleGas|ProofGas"),
    ("Purity", "RuleRegistry|Impure"),
    ("RuleInput", "RuleInput|RuleReturns|Meanings"),
    ("RuleRegistry", "RuleRegistry|Impure|RuleChanges"),
    ("Signatures", "Authorisation|BodyBounds|Meanings|PasskeyKeys"),
    ("States", "Authorisation|States|StepEvaluation|KernelEffects"),
    ("Submission", "Submission|BridgeSubmit|BridgeStale|HappyPath"),
    ("Swap", "SwapRule|SwapFill|SwapAttacks|SwapReference|RuleVectors"),
];

/// Words for forge that choose the quick tests: a file's own, then all others of rules and bridge.
pub(super) fn quick(file: &str) -> [Vec<String>; 2] {
    let own = KIN
        .iter()
        .find(|(name, _)| *name == stem(file))
        .map_or(stem(file), |(_, suites)| suites);
    [
        words(&["--match-contract", &format!("^({own}).*Test$")]),
        [words(&["--match-path", "test/{unit,template}/**"]), words(apart(file))].concat(),
    ]
}

/// The same once more, for some were left out while mutants were woven in, with those that take longest or rarely see more: attacks, gas and invariants.
pub(super) fn all(file: &str) -> Vec<String> {
    let paths = words(&["--match-path", "test/{unit,template,attack,gas,invariant}/**"]);
    [paths, words(apart(file))].concat()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn stem(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file).trim_end_matches(".sol")
}

/// Rules by themselves, without verifier or bridge, or all the rest, or both for libraries that these share.
fn apart(file: &str) -> &'static [&'static str] {
    const OF_RULES: &str = "^(Swap|Pool|Credit|Rule(Vectors|Bench|Gas))";
    let shared = ["Amounts", "Calldata", "Effects", "Purity", "RuleRegistry"].contains(&stem(file));
    if shared {
        &[]
    } else if file.contains("/rules/") && stem(file) != "Account" {
        &["--match-contract", OF_RULES]
    } else {
        &["--no-match-contract", OF_RULES]
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::tools::root;

    #[test]
    fn each_file_of_code_has_tests_that_exist() {
        let names = |folder: &str| -> String {
            let files = fs::read_dir(root().join(folder))
                .unwrap()
                .map(|entry| entry.unwrap().path());
            files
                .filter(|path| path.is_file())
                .map(|path| fs::read_to_string(path).unwrap())
                .collect()
        };
        let tests = ["test/unit", "test/gas", "test/template"].map(names).concat();
        for (stem, suites) in KIN {
            for suite in suites.split('|') {
                assert!(
                    tests.contains(&format!("contract {suite}")),
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
}
