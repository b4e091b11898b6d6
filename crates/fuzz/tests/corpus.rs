//! What the fuzzers have found so far, run once more: each input agrees, and together they still reach what they were kept for.
#![allow(clippy::print_stdout, reason = "what was reached")]

use std::collections::{BTreeMap, BTreeSet};

use nthroot_fuzz::{Fuzzer, Target, corpus};

/// Runs the seeds and what was kept, and asserts that every one of `expected` occurred, and that contracts took so many different jumps.
fn agree(target: Target, expected: &[&str], jumps: usize) {
    let mut fuzzer = Fuzzer::new(target);
    let (mut reached, mut seen) = (BTreeMap::<_, usize>::new(), BTreeSet::new());
    let kept = corpus::kept(target).expect("the corpus is there, whole");
    for input in corpus::seeds(target).into_iter().chain(kept) {
        let what = fuzzer.run(&input, &mut |jump| {
            seen.insert((jump.contract, jump.from, jump.to));
        });
        *reached.entry(what).or_default() += 1;
    }
    println!("{}: {reached:?}, {} different jumps", target.name(), seen.len());
    let missing: Vec<_> = expected.iter().filter(|what| !reached.contains_key(**what)).collect();
    assert!(missing.is_empty(), "these never occurred: {missing:?}");
    assert!(
        seen.len() >= jumps,
        "only {} different jumps, {jumps} were known",
        seen.len()
    );
}

#[test]
fn encodings_are_canonical_and_those_of_the_contracts() {
    let all = [
        "refused",
        "fragment",
        "body",
        "batch",
        "evidence",
        "preimage",
        "effects",
        "operations",
        "entries",
        "swap",
        "pool",
        "pool state",
        "market",
        "position",
        "withdrawal",
        "words",
        "key",
    ];
    agree(Target::Codec, &all, 110);
}

#[test]
fn mended_evidence_gets_the_verdict_of_the_model() {
    agree(Target::Evidence, &["valid", "invalid", "bad evidence"], 1_100);
}

#[test]
fn steps_that_fuzzing_found_get_the_verdict_of_the_model() {
    agree(Target::Verdict, &["valid", "invalid", "bad evidence"], 1_150);
}

#[test]
fn calls_that_fuzzing_found_return_what_the_twins_do() {
    agree(Target::Rules, &["account", "swap", "pool", "credit", "fails"], 0);
}
