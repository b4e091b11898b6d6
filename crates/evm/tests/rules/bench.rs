//! The bytecode of a rule against its twin: the same effects, byte for byte, or both fail.

use std::{collections::BTreeMap, fmt::Debug, time::Instant};

use nthroot_evm::{
    Code, Outcome, SpecId,
    metered::{Known, Metered},
};
use nthroot_model::rule::AuthorisationView;
use nthroot_protocol::{Effect, limits::MAX_EFFECTS};
use nthroot_wallet::Budget;

use crate::{
    case::{AMPLE, Case, returned},
    limits,
    mutate::{Field, junk, mutate},
    rng::Rng,
    vectors::format,
    world::Turn,
};

/// Cases in which everything occurs.
const ENOUGH: u64 = 20_000;
/// Turns after which a history ends and another one begins.
const TURNS: u32 = 64;

/// A rule, and a world in which it is used.
pub(crate) trait Subject {
    /// Its name.
    const NAME: &'static str;
    /// The rule.
    const KNOWN: Known;
    /// What [`Self::operation`] may say, of which each must occur.
    const OPERATIONS: &'static [&'static str];
    /// Why the twin fails, of which each must occur.
    const REASONS: &'static [&'static str];
    /// Lengths of payloads and data.
    const LENGTHS: &'static [usize];

    /// A new world.
    fn new(rng: &mut Rng) -> Self;

    /// A call that somebody might make. Most succeed.
    fn turn(&mut self, rng: &mut Rng) -> Turn;

    /// Something has happened.
    fn apply(&mut self, turn: &Turn, effects: &[Effect]);

    /// What the twin says; or why it fails, in one to three words.
    fn twin(case: &Case) -> Result<Vec<Effect>, String>;

    /// What a call that succeeds is a case of.
    fn operation(case: &Case) -> &'static str;

    /// What wallets commit for the call.
    fn budget(case: &Case) -> Budget;

    /// What each authorisation of a call that succeeds means: `encodeType` and `encodeData` of the struct.
    fn meanings(case: &Case) -> Vec<(String, Vec<u8>)>;

    /// The numbers in a payload.
    fn fields(payload: &[u8]) -> Vec<Field>;

    /// The numbers in `extra`.
    fn extra_fields(authorisations: &[AuthorisationView], extra: &[u8]) -> Vec<Field>;

    /// Changes data of a fragment under the rule to others that the rule could have written.
    fn forge(rng: &mut Rng, data: &mut Vec<u8>);
}

/// What is compared with the twin.
struct Sides {
    code: Code,
    metered: Metered,
}

/// What was reached.
#[derive(Default)]
struct Tally {
    cases: u64,
    valid: BTreeMap<&'static str, Measured>,
    failed: BTreeMap<String, u64>,
    /// Calls of which a kernel takes what they return, and those of them that the twin judges if wallets make them.
    bounded: u64,
    by_twin: u64,
}

#[derive(Default, Clone, Copy)]
struct Measured {
    count: u64,
    gas: u64,
    committed: u64,
}

/// Runs as many cases as `NTHROOT_CASES` says, in histories whose seeds count from `NTHROOT_SEED`.
pub(crate) fn agree<S: Subject>() {
    let number = |name, default| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (cases, first) = (number("NTHROOT_CASES", ENOUGH), number("NTHROOT_SEED", 1));
    let sides = Sides {
        code: Code::new(SpecId::OSAKA, S::KNOWN.runtime().clone()),
        metered: S::KNOWN.rule(SpecId::OSAKA),
    };
    let mut tally = Tally::default();
    let start = Instant::now();
    let mut seed = first;
    while tally.cases < cases {
        history::<S>(&sides, seed, &mut tally);
        seed += 1;
    }
    let seconds = start.elapsed().as_secs_f64();
    report::<S>(&tally, seconds);
    check::<S>(&tally);
}

fn history<S: Subject>(sides: &Sides, seed: u64, tally: &mut Tally) {
    // Seeds that follow each other start far from each other.
    let mut rng = Rng(seed.wrapping_mul(0xd6e8_feb8_6659_fd93));
    let mut subject = S::new(&mut rng);
    for number in 0..TURNS {
        let mut turn = subject.turn(&mut rng);
        let changed = rng.one_in(2);
        if changed {
            for _ in 0..=usize::from(rng.one_in(8)) {
                mutate::<S>(&mut rng, &mut turn.case);
            }
        } else if rng.one_in(16) {
            turn.case = junk::<S>(&mut rng);
        }
        let applies = !changed && turn.listed.len() == turn.case.fragments.len();
        let effects = compare::<S>(&mut rng, sides, &turn.case, tally).unwrap_or_else(|fault| {
            panic!(
                "{}, NTHROOT_SEED={seed} NTHROOT_CASES=1, turn {number}: {fault}\n{}",
                S::NAME,
                format::case(&turn.case)
            )
        });
        if let Some(effects) = effects.filter(|_| applies) {
            subject.apply(&turn, &effects);
        }
    }
}

/// The effects of a case, if it has any; or what the two sides disagree on.
fn compare<S: Subject>(
    rng: &mut Rng,
    sides: &Sides,
    case: &Case,
    tally: &mut Tally,
) -> Result<Option<Vec<Effect>>, String> {
    tally.cases += 1;
    let expected = S::twin(case);
    match (sides.code.call(AMPLE, case.calldata()), &expected) {
        (Outcome::Returned { output, gas }, Ok(effects)) if output == returned(effects) => {
            // More effects no kernel takes, so nobody commits gas for them.
            if effects.len() <= MAX_EFFECTS {
                let budget = S::budget(case);
                let committed = u64::from(budget.gas);
                let length = Effect::encode_list(effects).len();
                if 2 * gas > committed || length > usize::from(budget.effects) {
                    return Err(format!("{gas} gas used, {length} bytes returned, {budget:?}"));
                }
                let entry = tally.valid.entry(S::operation(case)).or_default();
                entry.count += 1;
                if u128::from(gas) * u128::from(entry.committed.max(1)) > u128::from(entry.gas) * u128::from(committed)
                {
                    (entry.gas, entry.committed) = (gas, committed);
                }
            }
            let bound = limits::measure(rng, &sides.metered, case, &Effect::encode_list(effects), gas)?;
            if let Some(bound) = bound {
                tally.bounded += 1;
                tally.by_twin += u64::from(bound <= S::budget(case).gas.into());
            }
        }
        (Outcome::Reverted(_), Err(reason)) => {
            *tally.failed.entry(reason.clone()).or_default() += 1;
            limits::fails(rng, &sides.metered, case)?;
        }
        (actual, expected) => return Err(format!("the bytecode says {actual:?}, the twin {expected:?}")),
    }
    Ok(expected.ok())
}

fn report<S: Subject>(tally: &Tally, seconds: f64) {
    let valid: u64 = tally.valid.values().map(|measured| measured.count).sum();
    let rate = tally.cases as f64 / seconds;
    println!(
        "{}: {} cases agree, {rate:.0} a second, {valid} of them valid:",
        S::NAME,
        tally.cases
    );
    for (operation, Measured { count, gas, committed }) in &tally.valid {
        println!("  {count:>8}  {operation} ({gas} of {committed} gas)");
    }
    println!("  {:>8}  judged by the twin, of {}", tally.by_twin, tally.bounded);
    for (reason, count) in &tally.failed {
        println!("  {count:>8}  {reason}");
    }
}

fn check<S: Subject>(tally: &Tally) {
    if tally.cases < ENOUGH {
        return;
    }
    let valid: u64 = tally.valid.values().map(|measured| measured.count).sum();
    assert!(
        valid * 4 > tally.cases,
        "one case in four is valid, or the test says little"
    );
    for operation in S::OPERATIONS {
        let count = tally.valid.get(operation).map_or(0, |measured| measured.count);
        assert!(count * 500 > tally.cases, "{operation} was valid {count} times only");
    }
    let reached: Vec<&str> = tally.failed.keys().map(String::as_str).collect();
    let missing: Vec<_> = S::REASONS.iter().filter(|reason| !reached.contains(reason)).collect();
    assert!(missing.is_empty(), "these never occurred: {missing:?}");
    let unknown: Vec<_> = reached.iter().filter(|reason| !S::REASONS.contains(reason)).collect();
    assert!(unknown.is_empty(), "these are not in the list: {unknown:?}");
}

/// The name of an enum's variant, and of the variant in it if it has one.
pub(crate) fn reason(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    let ident = |text: &str| {
        let end = text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len());
        text[..end].to_owned()
    };
    let outer = ident(&text);
    match text[outer.len()..].strip_prefix('(').map(ident) {
        Some(inner) if inner.starts_with(|c: char| c.is_ascii_uppercase()) => format!("{outer} {inner}"),
        _ => outer,
    }
}
