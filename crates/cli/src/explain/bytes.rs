//! Batches, proofs and what they consist of, field by field.

use std::fmt::Debug;

use alloy::primitives::{Address, U256, keccak256};
use nthroot_protocol::{
    Fragment, Kind, PreEntry, Step, Withdrawal,
    rules::swap::SwapIntent,
    trace::{self, FieldKind, Traced, Value},
};
use nthroot_wallet::Request;

use super::{
    broken::{Broken, Fault},
    known::{Known, Language},
    out::Out,
    step::Told,
};

/// Shows what was read, and what is wrong if it could not all be.
fn show<T, E: Fault>(out: &mut Out, bytes: &[u8], base: usize, traced: &Traced<T, E>) {
    out.fields(bytes, base, &traced.fields, |_, _| ());
    fault(out, bytes, base, traced);
}

fn fault<T, E: Fault>(out: &mut Out, bytes: &[u8], base: usize, traced: &Traced<T, E>) {
    if let Err(error) = &traced.result {
        out.broken(&Broken::of(error, &traced.fields, base, bytes.len()));
    }
}

/// A batch. `told` is what is known of its steps.
pub(super) fn batch(out: &mut Out, known: &Known, told: &[Told], bytes: &[u8]) {
    batch_at(out, known, told, bytes, 0);
}

/// The same where the batch begins at `base`.
pub(super) fn batch_at(out: &mut Out, known: &Known, told: &[Told], bytes: &[u8], base: usize) {
    let traced = trace::batch(bytes);
    let steps = traced.result.as_ref().map_or(&[][..], |batch| &batch.steps);
    let rules = traced.result.as_ref().map_or(&[][..], |batch| &batch.header.rules);
    out.heading(format!("batch of {} bytes (section 4)", bytes.len()));
    out.deeper(|out| {
        let mut index = 0;
        out.fields(bytes, base, &traced.fields, |out, field| {
            match (field.kind, field.name) {
                (FieldKind::Section, "step") => {
                    index = field.number.unwrap_or_default();
                    if let Some(told) = told.get(index) {
                        told.say(out);
                    }
                }
                (_, name @ ("fresh ‖ opened touches" | "repeated touches ‖ withdrawals")) => {
                    nibbles(out, name, field.bytes(bytes));
                }
                (_, "body") => {
                    if let Some(step) = steps.get(index) {
                        body(out, known, rules, step, base + field.at, told.get(index));
                    }
                }
                _ => {}
            }
        });
        fault(out, bytes, base, &traced);
    });
    if let Ok(batch) = &traced.result {
        let withdrawals = batch.steps.iter().map(|step| step.withdrawals.len()).sum::<usize>();
        out.say("steps", batch.steps.len());
        out.say("withdrawals", withdrawals);
        let calls = batch.steps.len();
        out.fact("steps", calls);
    }
}

/// Two counts in a byte.
fn nibbles(out: &mut Out, name: &str, bytes: &[u8]) {
    if let ([byte], Some((high, low))) = (bytes, name.split_once(" ‖ ")) {
        out.say("counts", format!("{} {high}, {} {low}", byte >> 4, byte & 0x0f));
    }
}

/// A body, below its field.
fn body(out: &mut Out, known: &Known, rules: &[Address], step: &Step, base: usize, told: Option<&Told>) {
    let traced = trace::body(step);
    let bytes = &step.body[..];
    let (mut call, mut authorisation, mut language, mut partial) = (0, 0, None, 0);
    out.fields(bytes, base, &traced.fields, |out, field| {
        match (field.kind, field.name) {
            (FieldKind::Section, "call") => {
                (call, partial) = (field.number.unwrap_or_default(), 0);
            }
            (FieldKind::Section, "authorisation") => {
                authorisation = field.number.unwrap_or_default();
                if let Some(consent) = told.and_then(|told| told.consent(call, authorisation)) {
                    consent.say(out);
                }
            }
            (_, "rule (0: Account; i: table)") => {
                let Value::Number(rule) = field.value(bytes) else {
                    return;
                };
                let rule = u8::try_from(rule).unwrap_or(u8::MAX);
                language = known.language(rule, rules);
                let address = usize::from(rule).checked_sub(1).map(|place| rules.get(place));
                match (language, address) {
                    (Some(language), _) => out.say("rule", format!("{language:?}")),
                    (None, Some(Some(address))) => {
                        out.say("rule", format!("{address}, which does not come with the bridge"));
                    }
                    (None, _) => out.warn("rule", "the rule table has no such rule: section 6.1"),
                }
            }
            (_, "payload") => {
                let payload = field.bytes(bytes);
                if language == Some(Language::Swap) {
                    partial += usize::from(SwapIntent::decode(payload).is_ok_and(|intent| intent.is_partial()));
                }
                if let Some(language) = language {
                    self::payload(out, language, payload, base + field.at);
                }
            }
            (_, "extra") if language == Some(Language::Swap) => {
                let extra = field.bytes(bytes);
                show(out, extra, base + field.at, &trace::fill(extra, partial));
            }
            _ => {}
        }
    });
    fault(out, bytes, base, &traced);
}

/// A payload in the language of its rule.
fn payload(out: &mut Out, language: Language, bytes: &[u8], base: usize) {
    let names = |out: &mut Out, name: String| out.add("operations", format!("{language:?}: {name}"));
    match language {
        Language::Account => {
            let traced = trace::account(bytes);
            if let Ok(ops) = &traced.result {
                if ops.is_empty() {
                    names(out, "Consent".to_owned());
                    out.say("means", "merely consents");
                }
                for op in ops {
                    names(out, variant(op));
                }
                for line in Request::Account(ops.clone()).lines().iter().skip(1) {
                    out.say("means", line.trim());
                }
            }
            show(out, bytes, base, &traced);
        }
        Language::Swap => {
            let traced = trace::swap(bytes);
            if let Ok(intent) = &traced.result {
                names(out, "Intent".to_owned());
                for line in Request::Swap(intent.clone()).lines() {
                    out.say("means", line.trim());
                }
            }
            show(out, bytes, base, &traced);
        }
        Language::Pool => {
            let traced = trace::pool(bytes);
            if let Ok(op) = &traced.result {
                names(out, variant(op));
                out.say("means", variant(op));
            }
            show(out, bytes, base, &traced);
        }
        Language::Credit => {
            let traced = trace::credit(bytes);
            if let Ok(op) = &traced.result {
                names(out, variant(op));
                out.say("means", variant(op));
            }
            show(out, bytes, base, &traced);
        }
    }
}

/// The name of a variant.
pub(super) fn variant(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    text.chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// Evidence, and what it proves.
pub(super) fn evidence(out: &mut Out, known: &Known, bytes: &[u8]) {
    evidence_at(out, known, bytes, 0);
}

/// The same where it begins at `base`.
pub(super) fn evidence_at(out: &mut Out, known: &Known, bytes: &[u8], base: usize) {
    let traced = trace::evidence(bytes);
    let told = traced
        .result
        .as_ref()
        .ok()
        .and_then(|evidence| Told::by(known, evidence));
    out.heading(format!("evidence of {} bytes (section 7)", bytes.len()));
    out.deeper(|out| {
        out.fields(bytes, base, &traced.fields, |out, field| {
            match (&traced.result, field.name) {
                (Ok(evidence), "body") => {
                    let (rules, step) = (&evidence.preimage.header.rules, &evidence.placed.step);
                    body(out, known, rules, step, base + field.at, told.as_ref());
                }
                (_, name @ ("fresh ‖ opened touches" | "repeated touches ‖ withdrawals")) => {
                    nibbles(out, name, field.bytes(bytes));
                }
                (_, "pre-state") if field.length > 0 => fragment(out, known, field.bytes(bytes), base + field.at),
                _ => {}
            }
        });
        fault(out, bytes, base, &traced);
    });
    let Ok(evidence) = &traced.result else { return };
    let (batch, step) = (evidence.preimage.id, evidence.placed.index);
    out.fact("batch", batch);
    out.fact("step", step);
    out.heading("what it asserts");
    out.deeper(|out| {
        out.say(
            "claim",
            format!(
                "step {step} of batch {batch} by {} is a lie",
                evidence.preimage.proposer
            ),
        );
        out.say(
            "commitment",
            format!("keccak of the preimage is {}", evidence.preimage.hash()),
        );
        match evidence.check_opening() {
            Ok(()) => out.say(
                "opens",
                "the step, the heads before it and its pre-states open the step root",
            ),
            Err(error) => out.warn(
                "opens",
                format!("no: {error}: it proves nothing (section 7.2, point 1)"),
            ),
        }
        out.fact("opens", evidence.check_opening().is_ok());
        match told {
            Some(told) => told.say(out),
            None => out.say(
                "verdict",
                "not judged: without a manifest the rules and the bridge are not known",
            ),
        }
    });
}

/// A commitment preimage.
pub(super) fn preimage(out: &mut Out, bytes: &[u8]) {
    preimage_at(out, bytes, 0);
}

pub(super) fn preimage_at(out: &mut Out, bytes: &[u8], base: usize) {
    let traced = trace::preimage(bytes);
    out.heading("commitment preimage (section 4.6)");
    out.deeper(|out| {
        show(out, bytes, base, &traced);
        out.say("keccak", keccak256(bytes));
    });
    if let Ok(preimage) = &traced.result {
        out.fact("batch", preimage.id);
    }
}

/// A list of entries.
pub(super) fn entries(out: &mut Out, bytes: &[u8]) {
    entries_at(out, bytes, 0);
}

pub(super) fn entries_at(out: &mut Out, bytes: &[u8], base: usize) {
    let traced = trace::entries(bytes);
    out.heading(format!("entries: {} (section 4.6)", bytes.len() / PreEntry::LENGTH));
    out.deeper(|out| {
        show(out, bytes, base, &traced);
        out.say("keccak", keccak256(bytes));
    });
}

/// A fragment's state.
pub(super) fn fragment(out: &mut Out, known: &Known, bytes: &[u8], base: usize) {
    let traced = trace::fragment(bytes);
    let data_of = traced
        .result
        .as_ref()
        .ok()
        .and_then(|fragment| language_of(known, fragment));
    out.fields(bytes, base, &traced.fields, |out, field| {
        let (data, at) = (field.bytes(bytes), base + field.at);
        match (field.name, data_of) {
            ("data", Some(Language::Pool)) if field.kind == FieldKind::Bytes => {
                show(out, data, at, &trace::pool_state(data));
            }
            ("data", Some(Language::Credit)) if data.first() == Some(&1) => show(out, data, at, &trace::market(data)),
            ("data", Some(Language::Credit)) => show(out, data, at, &trace::position(data)),
            _ => {}
        }
    });
    fault(out, bytes, base, &traced);
}

fn language_of(known: &Known, fragment: &Fragment) -> Option<Language> {
    (fragment.kind == Kind::Rule).then(|| known.language_of(fragment.controller))?
}

/// A withdrawal as a call names it.
pub(super) fn withdrawal(out: &mut Out, withdrawal: &Withdrawal) {
    let Withdrawal {
        recipient,
        token,
        amount,
    } = withdrawal;
    out.say("recipient", recipient);
    let amount = if token.is_zero() {
        format!(
            "{amount} wei ({} ETH)",
            alloy::primitives::utils::format_ether(U256::from(*amount))
        )
    } else {
        format!("{amount} of token {token}")
    };
    out.say("amount", amount);
}
