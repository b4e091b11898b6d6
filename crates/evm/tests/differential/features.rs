//! What cases have in them: a feature that never occurs is not tested, however many cases agree.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

use nthroot_fuzz::steps::{CLOCK, Missigned, half_order, is_off_the_curve};
use nthroot_model::{
    invalid::{CallFault, EffectFault, Invalid},
    signing::BadSignature,
};
use nthroot_protocol::{
    AccountOp, Body, BodyError, Call, Effect, EffectError, Evidence, Fragment, Kind, LeafTable, Meaning, Signature,
    limits::{MAX_DEPTH, MAX_LEASE},
};

use crate::expected::{FEATURES, REASONS};

/// How often each thing occurred.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) valid: usize,
    pub(crate) bad_evidence: usize,
    pub(crate) reasons: BTreeMap<String, usize>,
    pub(crate) features: BTreeMap<&'static str, usize>,
    pub(crate) depths: BTreeSet<u8>,
}

/// The name of an enum's variant.
fn variant(value: &impl Debug) -> String {
    let name = format!("{value:?}");
    let end = name.find(|c: char| !c.is_alphanumeric()).unwrap_or(name.len());
    name[..end].into()
}

/// The name of a reason, down to what distinguishes it.
pub(crate) fn name(reason: &Invalid) -> String {
    match reason {
        Invalid::Body(error) => format!("Body {}", variant(error)),
        Invalid::PreState { error, .. } => format!("PreState {}", variant(error)),
        Invalid::Call { fault, .. } => match fault {
            CallFault::Signature { reason, .. } => format!("Signature {}", variant(reason)),
            CallFault::Effects(error) => format!("Effects {}", variant(error)),
            CallFault::Effect { fault, .. } => match fault {
                EffectFault::Key(error) => format!("Effect Key {}", variant(error)),
                fault => format!("Effect {}", variant(fault)),
            },
            CallFault::Rule(_) => "Rule".into(),
            fault => variant(fault),
        },
        reason => variant(reason),
    }
}

impl Tally {
    /// Counts a case whose evidence opens. `reason`: why the step is invalid, if it is. `missigned`: what was signed over
    /// another meaning.
    pub(crate) fn count(&mut self, evidence: &Evidence, reason: Option<&Invalid>, missigned: &[Missigned]) {
        let mut features = BTreeSet::new();
        match reason {
            Some(reason) => {
                *self.reasons.entry(name(reason)).or_default() += 1;
                wrong(reason, &mut features);
                let is_reason = |missigned: &&Missigned| {
                    matches!(reason, Invalid::Call {
                    call,
                    fault: CallFault::Signature { position, .. },
                } if (*call, *position) == (missigned.0.into(), missigned.1))
                };
                features.extend(missigned.iter().filter(is_reason).map(|(_, _, what)| *what));
                if let Ok(body) = Body::of(&evidence.placed.step) {
                    refused(reason, &body, &mut features);
                }
            }
            None => {
                self.valid += 1;
                let proofs = evidence.proofs.iter();
                self.depths.extend(proofs.map(|proof| proof.depth));
                if let Ok(body) = Body::of(&evidence.placed.step) {
                    pre_states(evidence, &mut features);
                    calls(evidence, &body, &mut features);
                }
            }
        }
        for feature in features {
            *self.features.entry(feature).or_default() += 1;
        }
    }

    /// Asserts that everything occurred.
    pub(crate) fn check(&self) {
        let missing: Vec<&str> = REASONS
            .iter()
            .filter(|reason| !self.reasons.contains_key(**reason))
            .chain(FEATURES.iter().filter(|feature| !self.features.contains_key(**feature)))
            .copied()
            .collect();
        assert!(missing.is_empty(), "these never occurred: {missing:?}");
        let unknown: Vec<_> = self
            .reasons
            .keys()
            .filter(|reason| !REASONS.contains(&reason.as_str()))
            .collect();
        assert!(unknown.is_empty(), "these are not in the list: {unknown:?}");
        assert!(
            (0..=MAX_DEPTH).all(|depth| self.depths.contains(&depth)),
            "cohorts of each depth"
        );
    }
}

type Features = BTreeSet<&'static str>;

/// What makes a step invalid.
fn wrong(reason: &Invalid, features: &mut Features) {
    let feature = match reason {
        Invalid::Body(BodyError::Form(_)) => "form above 1",
        Invalid::Body(BodyError::LeafOrder(_) | BodyError::StepFragments(_)) => "leaf table unreadable",
        Invalid::Leaf { .. } => "leaf beyond its cohort",
        Invalid::Unopened { .. } => "something to open is not opened",
        Invalid::Leased { .. } => "lease of another proposer",
        Invalid::Call {
            fault:
                CallFault::Effect {
                    fault: EffectFault::NewAsset { .. },
                    ..
                },
            ..
        } => "credited with what it does not hold",
        _ => return,
    };
    features.insert(feature);
}

/// Which effect of the puppet, and which signature, a call fails for.
fn refused(reason: &Invalid, body: &Body, features: &mut Features) {
    let Invalid::Call { call, fault } = reason else { return };
    let call = &body.calls[*call];
    if let CallFault::Signature {
        position,
        reason: BadSignature::Verification,
    } = fault
    {
        let mut signed = call.authorisations.iter();
        let signed = signed.find(|signed| signed.position == *position);
        if let Some(Signature::P256(signature) | Signature::WebAuthn(signature, _)) =
            signed.map(|signed| &signed.signature)
        {
            if signature.s > half_order() {
                features.insert("high s of a P-256 key");
            }
            if is_off_the_curve(signature) {
                features.insert("key off the curve");
            }
        }
        if let Some(Signature::WebAuthn(..)) = signed.map(|signed| &signed.signature) {
            features.insert("assertion of something else");
        }
    }
    if let CallFault::Effects(EffectError::Truncated(_)) = fault {
        // Each meaning has 66 bytes.
        let last = call.extra.chunks(66).find(|chunk| chunk[0] != 10 || chunk.len() < 66);
        if last.is_some_and(|last| last[0] == 10 && call.rule == 1) {
            features.insert("meaning cut off");
        }
    }
    let CallFault::Effect { effect, fault } = fault else {
        return;
    };
    let effects = Effect::decode_list(&call.extra).unwrap_or_default();
    let Some(effect) = effects.get(*effect).filter(|_| call.rule == 1) else {
        return;
    };
    let no_right = matches!(fault, EffectFault::NoAuthority { .. } | EffectFault::KeysOwn { .. });
    let no_key = matches!(fault, EffectFault::Key(_) | EffectFault::OpenUnderOtherRule { .. });
    features.insert(match effect {
        Effect::Open { .. } if no_key => "effect 5 for nobody",
        Effect::Open { .. } if matches!(fault, EffectFault::Depth(_)) => "effect 5 too deep",
        Effect::SetController { .. } if no_right => "effect 7 without right",
        Effect::SetController { .. } if no_key => "effect 7 for nobody",
        Effect::SetLease { .. } if no_right => "effect 8 without right",
        Effect::SetLease { .. } => "effect 8 with wrong operands",
        Effect::OpenLeaf { .. } if no_right => "effect 9 without right",
        Effect::OpenLeaf { .. } if no_key => "effect 9 for nobody",
        Effect::OpenLeaf { .. } => "effect 9 with wrong operands",
        _ => return,
    });
}

/// What stood before a valid step.
fn pre_states(evidence: &Evidence, features: &mut Features) {
    let step = &evidence.placed.step;
    let table = LeafTable::of(step);
    if step.body.first() == Some(&1) && table.is_empty() {
        features.insert("leaf table empty");
    }
    for (place, proof) in evidence.proofs.iter().enumerate() {
        let further = table.further(place);
        if further.len() > 1 {
            features.insert("several leaves of one cohort, valid");
        }
        if further.windows(2).any(|pair| pair[0] ^ 1 == pair[1]) {
            features.insert("neighbouring leaves, valid");
        }
        if proof.depth == MAX_DEPTH && !further.is_empty() {
            features.insert("cohort of depth 24, valid");
        }
        for (number, state) in proof.states.iter().enumerate() {
            if state.is_empty() {
                features.insert("leaf opened, valid");
                continue;
            }
            if number > 0 {
                features.insert("occupied leaf, valid");
            }
            let Ok(state) = Fragment::decode(state) else { continue };
            features.insert(match state.kind {
                Kind::Secp256k1 => "kind 1, valid",
                Kind::P256 => "kind 2, valid",
                Kind::Rule => "kind 3, valid",
            });
            let Some(lease) = state.lease else { continue };
            features.insert(match lease.last_block {
                _ if number > 0 => "lease of a further leaf, valid",
                CLOCK => "lease in its last block, valid",
                _ if lease.runs(CLOCK) => "lease runs, valid",
                _ => "lease over, valid",
            });
        }
    }
}

/// The step's fragments, by number: the pre-state of each, none if it did not exist, and whether it is the header of a
/// cohort of which the step works on further leaves.
fn fragments(evidence: &Evidence) -> Vec<(Option<Fragment>, bool)> {
    let step = &evidence.placed.step;
    let table = LeafTable::of(step);
    let mut fragments = Vec::new();
    for (place, proof) in evidence.proofs.iter().enumerate() {
        if place == step.fresh.len() {
            fragments.extend(step.opened.iter().map(|_| (None, false)));
        }
        for (number, state) in proof.states.iter().enumerate() {
            let header = number == 0 && !table.further(place).is_empty();
            fragments.push((Fragment::decode(state).ok(), header));
        }
    }
    if step.again.is_empty() {
        fragments.extend(step.opened.iter().map(|_| (None, false)));
    }
    fragments
}

/// What the calls of a valid step do.
fn calls(evidence: &Evidence, body: &Body, features: &mut Features) {
    let fragments = fragments(evidence);
    let listed: BTreeSet<usize> = body
        .calls
        .iter()
        .flat_map(|call| &call.fragments)
        .map(|n| usize::from(*n))
        .collect();
    for (number, (_, is_header)) in fragments.iter().enumerate() {
        if *is_header {
            let is_listed = listed.contains(&number);
            features.insert(if is_listed {
                "header listed, valid"
            } else {
                "header not listed, valid"
            });
        }
    }
    if body.calls.len() > 1 {
        features.insert("several calls, valid");
    }
    let mut handed_over = BTreeSet::new();
    for call in &body.calls {
        let signed: BTreeSet<u8> = call.authorisations.iter().map(|signed| signed.position).collect();
        for (position, number) in (0..).zip(&call.fragments) {
            let state = fragments
                .get(usize::from(*number))
                .and_then(|(state, _)| state.as_ref());
            match state {
                None => drop(features.insert("leaf opened by an earlier call, valid")),
                Some(state) if !signed.contains(&position) && state.kind != Kind::Rule => {
                    if !handed_over.contains(number) {
                        features.insert("credited without consent, valid");
                    }
                }
                Some(_) => {}
            }
            if handed_over.contains(number) {
                features.insert("another controller in a later call, valid");
                if signed.contains(&position) {
                    features.insert("new key signs in a later call, valid");
                }
            }
        }
        meanings(call, features);
        for authorisation in &call.authorisations {
            features.insert(match authorisation.signature {
                Signature::Secp256k1(_) => "scheme 1, valid",
                Signature::P256(_) => "scheme 2, valid",
                Signature::WebAuthn(..) => "scheme 3, valid",
            });
            if call.rule != 0 {
                continue;
            }
            for op in AccountOp::decode_payload(&authorisation.payload).unwrap_or_default() {
                if matches!(op, AccountOp::SetController { .. }) {
                    handed_over.insert(call.fragments[usize::from(authorisation.position)]);
                }
                operation(&op, features);
            }
        }
        if call.rule == 1 {
            for effect in Effect::decode_list(&call.extra).unwrap_or_default() {
                if let Effect::SetController { fragment, .. } = effect {
                    handed_over.extend(call.fragments.get(usize::from(fragment)));
                }
                features.insert(match effect {
                    Effect::Move { .. } => "effect 1, valid",
                    Effect::Mint { .. } => "effect 2, valid",
                    Effect::Burn { .. } => "effect 3, valid",
                    Effect::Write { .. } => "effect 4, valid",
                    Effect::Open { .. } => "effect 5, valid",
                    Effect::Withdraw { .. } => "effect 6, valid",
                    Effect::SetController { .. } => "effect 7, valid",
                    Effect::SetLease { .. } => "effect 8, valid",
                    Effect::OpenLeaf { .. } => "effect 9, valid",
                    Effect::Meaning { .. } => "effect 10, valid",
                });
            }
        }
    }
}

/// What a valid call says of its authorisations.
fn meanings(call: &Call, features: &mut Features) {
    if call.rule != 1 {
        return;
    }
    let mut silent: BTreeSet<usize> = (0..call.authorisations.len()).collect();
    for effect in Effect::decode_list(&call.extra).unwrap_or_default() {
        let Effect::Meaning {
            authorisation,
            type_hash,
            struct_hash,
        } = effect
        else {
            continue;
        };
        let number = usize::from(authorisation);
        let signed = &call.authorisations[number];
        let meaning = Meaning { type_hash, struct_hash };
        features.insert(match signed.signature {
            _ if meaning == Meaning::opaque(&signed.payload) => "the bytes of a payload said to be its meaning, valid",
            Signature::Secp256k1(_) => "meaning signed by scheme 1, valid",
            Signature::P256(_) => "meaning signed by scheme 2, valid",
            Signature::WebAuthn(..) => "meaning signed by scheme 3, valid",
        });
        silent.remove(&number);
        if number > 0 && silent.contains(&(number - 1)) {
            features.insert("meaning behind an authorisation without one, valid");
        }
    }
}

fn operation(op: &AccountOp, features: &mut Features) {
    let number = match op {
        AccountOp::Pay { .. } => "operation 1, valid",
        AccountOp::Open { .. } => "operation 2, valid",
        AccountOp::Withdraw { .. } => "operation 3, valid",
        AccountOp::SetController { .. } => "operation 4, valid",
        AccountOp::SetLease { .. } => "operation 5, valid",
        AccountOp::OpenLeaf { .. } => "operation 6, valid",
    };
    features.insert(number);
    if matches!(op, AccountOp::Open { depth, .. } if *depth > 0) {
        features.insert("cohort opened, valid");
    }
    if matches!(op, AccountOp::SetLease { last_block, .. } if *last_block == CLOCK + MAX_LEASE) {
        features.insert("lease as long as can be, valid");
    }
}
