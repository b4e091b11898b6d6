//! Committed cases (`test/vectors/rules`, described in `docs/rules/vectors.md`): chosen by hand, answered by the twins.
//! `NTHROOT_VECTORS=1` writes the files; otherwise they are compared.

pub(crate) mod credit;
pub(crate) mod format;
pub(crate) mod pool;
mod scene;
pub(crate) mod swap;

use std::{collections::BTreeSet, fs, path::Path};

use nthroot_evm::{Code, Outcome, SpecId};
use nthroot_model::rule::{Context, Rule};
use nthroot_protocol::Effect;

use crate::{
    bench::Subject,
    case::{AMPLE, Case, RULE, returned},
};

/// A case chosen by hand.
pub(crate) struct Vector {
    name: &'static str,
    why: &'static str,
    case: Case,
    /// Why it must fail, if it must.
    fails: Option<&'static str>,
}

/// The cases of a rule.
#[derive(Default)]
pub(crate) struct Vectors(Vec<Vector>);

impl Vectors {
    fn works(&mut self, name: &'static str, why: &'static str, case: Case) {
        let fails = None;
        self.0.push(Vector { name, why, case, fails });
    }

    fn fails(&mut self, name: &'static str, why: &'static str, reason: &'static str, case: Case) {
        let fails = Some(reason);
        self.0.push(Vector { name, why, case, fails });
    }
}

/// The committed file is what the twin says of the cases, and the bytecode says the same.
pub(crate) fn check<S: Subject>(vectors: &Vectors, twin: &dyn Rule) {
    check_coverage::<S>(vectors);
    let code = Code::new(SpecId::OSAKA, S::KNOWN.runtime().clone());
    let names: BTreeSet<_> = vectors.0.iter().map(|vector| vector.name).collect();
    assert_eq!(names.len(), vectors.0.len(), "names are unique");
    let entries = vectors.0.iter().map(|vector| {
        let case = &vector.case;
        let mut lawful = case.clone();
        lawful.normalise();
        assert_eq!(*case, lawful, "{}: no kernel calls a rule so", vector.name);
        let said = S::twin(case);
        let reason = said.as_ref().err().map(String::as_str);
        assert_eq!(reason, vector.fails, "{}: {said:?}", vector.name);
        match (&said, code.call(AMPLE, case.calldata())) {
            (Ok(effects), Outcome::Returned { output, gas }) => {
                assert_eq!(output, returned(effects), "{}", vector.name);
                let budget = S::budget(case);
                assert!(2 * gas <= budget.gas.into(), "{}: {gas} gas, {budget:?}", vector.name);
            }
            (Err(_), Outcome::Reverted(_)) => {}
            (said, code) => panic!("{}: the twin says {said:?}, the bytecode {code:?}", vector.name),
        }
        let effects = said.unwrap_or_default();
        format::Entry {
            name: vector.name,
            why: vector.why,
            call: format::call(case),
            fails: vector.fails.is_some(),
            reason: vector.fails.map(|_| explain(twin, case)),
            effects: alloy::hex::encode_prefixed(Effect::encode_list(&effects)),
            decoded: effects.iter().map(format::effect).collect(),
            meanings: if vector.fails.is_some() {
                Vec::new()
            } else {
                format::meanings::<S>(case, &effects)
            },
        }
    });
    let file = format::File {
        rule: S::NAME,
        page: format!("docs/rules/{}.md", S::NAME.to_lowercase()),
        address: RULE.to_string().to_lowercase(),
        cases: entries.collect(),
    };
    let text = serde_json::to_string_pretty(&file).expect("text") + "\n";
    let path = format!("../../test/vectors/rules/{}.json", S::NAME.to_lowercase());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("NTHROOT_VECTORS").is_some() {
        fs::write(&path, text).expect("it can be written");
    } else {
        let committed = fs::read_to_string(&path).expect("it is there");
        let different = committed
            .lines()
            .zip(text.lines())
            .find(|(committed, said)| committed != said);
        assert!(
            committed == text,
            "{} is not what the twin says, first in {different:?}; NTHROOT_VECTORS=1 writes it",
            path.display()
        );
    }
}

/// Every reason for which the twin fails, and every operation, has a case.
fn check_coverage<S: Subject>(vectors: &Vectors) {
    let fails: BTreeSet<&str> = vectors.0.iter().filter_map(|vector| vector.fails).collect();
    let missing: Vec<_> = S::REASONS.iter().filter(|reason| !fails.contains(**reason)).collect();
    assert!(missing.is_empty(), "no case fails for {missing:?}");
    let valid = vectors.0.iter().filter(|vector| vector.fails.is_none());
    let operations: BTreeSet<_> = valid.map(|vector| S::operation(&vector.case)).collect();
    let missing: Vec<_> = S::OPERATIONS
        .iter()
        .filter(|name| !operations.contains(**name))
        .collect();
    assert!(missing.is_empty(), "no case of {missing:?}");
}

/// Why it fails, in the twin's words.
fn explain(twin: &dyn Rule, case: &Case) -> String {
    let context = Context {
        clock: case.clock,
        proposer: case.proposer,
    };
    let answer = twin.transition(&context, &case.fragments, &case.authorisations, &case.extra);
    answer.expect_err("it fails").0
}
