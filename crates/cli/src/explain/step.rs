//! What is known of a step: who signed what in it, and what it is.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256};
use nthroot_model::{
    invalid::Invalid,
    kernel::{self, Failure, Verdict},
    ledger::{Judgement, Ledger},
    signing::{self, BadSignature},
};
use nthroot_node::audit::fault_name;
use nthroot_protocol::{AnchorProof, BatchId, Body, Evidence, Fragment, FragmentId, Kind, LeafTable, SignedMessage};
use serde_json::json;

use super::{known::Known, out::Out};

/// A consent in it.
pub(super) struct Consent {
    message: SignedMessage,
    digest: B256,
    kind: Kind,
    controller: Address,
    good: Result<(), BadSignature>,
}

/// A step, as far as it can be judged.
#[derive(Default)]
pub(super) struct Told {
    index: u16,
    /// What it is: valid, lie, skipped or not judged.
    is: &'static str,
    /// The name of what it breaks, and why it is what it is.
    fault: Option<String>,
    why: Option<String>,
    consents: Vec<Vec<Consent>>,
}

impl Told {
    /// By evidence alone.
    pub(super) fn by(known: &Known, evidence: &Evidence) -> Option<Self> {
        let env = known.env.as_ref()?;
        let Evidence {
            preimage,
            placed,
            proofs,
            ..
        } = evidence;
        let mut told = Self {
            index: placed.index,
            ..Self::default()
        };
        match kernel::evaluate(env, preimage, placed, proofs) {
            Ok(Verdict::Valid(_)) => told.is = "valid",
            Ok(Verdict::Invalid(reason)) => told.lies(&reason),
            Err(undecided) => (told.is, told.why) = ("not judged", Some(undecided.to_string())),
        }
        let domain = known.domain(preimage.header.chain_id)?;
        let states = states(evidence);
        let (messages, failure) = kernel::messages_of(env, preimage, placed, proofs).ok()?;
        if let Some(Failure::UnknownRule(rule)) = failure {
            told.why = Some(format!("rule {rule} is not known here"));
        }
        let calls = Body::of(&placed.step).map(|body| body.calls).unwrap_or_default();
        for (messages, call) in messages.into_iter().zip(&calls) {
            let consents = messages
                .into_iter()
                .zip(&call.authorisations)
                .filter_map(|(message, authorisation)| {
                    let state: &Fragment = states.get(&message.fragment)?;
                    let digest = message.signing_hash(&domain);
                    Some(Consent {
                        good: signing::check(digest, &authorisation.signature, state.kind, state.controller),
                        digest,
                        kind: state.kind,
                        controller: state.controller,
                        message,
                    })
                });
            told.consents.push(consents.collect());
        }
        Some(told)
    }

    /// The steps of a batch, by the ledger right after it.
    pub(super) fn of_batch(known: &Known, ledger: &Ledger, batch: BatchId) -> Vec<Self> {
        let judgements = ledger.judgement(batch).unwrap_or_default();
        let told = judgements.into_iter().zip(0..).map(|(judgement, index)| {
            let evidence = ledger.evidence(batch, index).ok();
            let evidence = evidence.and_then(|bytes| Evidence::decode(&bytes).ok());
            let mut told = evidence
                .and_then(|evidence| Self::by(known, &evidence))
                .unwrap_or_default();
            told.index = index;
            match judgement {
                Judgement::Valid => told.is = "valid",
                Judgement::Skipped(skip) => (told.is, told.why) = ("skipped", Some(skip.to_string())),
                Judgement::Lie(reason) => told.lies(reason),
                Judgement::Unjudged(why) => (told.is, told.why) = ("not judged", Some(why.to_string())),
            }
            told
        });
        told.collect()
    }

    fn lies(&mut self, reason: &Invalid) {
        self.is = "lie";
        self.fault = Some(fault_name(reason));
        self.why = Some(reason.to_string());
    }

    /// The consent to a call by its authorisation.
    pub(super) fn consent(&self, call: usize, authorisation: usize) -> Option<&Consent> {
        self.consents.get(call)?.get(authorisation)
    }

    pub(super) fn say(&self, out: &mut Out) {
        let why = self.why.as_deref();
        match (self.is, &self.fault) {
            ("lie", Some(fault)) => out.warn("verdict", format!("a lie ({fault}): {}", why.unwrap_or_default())),
            (is, _) => out.say(
                "verdict",
                why.map_or_else(|| is.to_owned(), |why| format!("{is}: {why}")),
            ),
        }
        let consents = self.consents.iter().flatten().map(|consent| {
            json!({
                "fragment": consent.message.fragment,
                "nonce": consent.message.nonce,
                "digest": consent.digest,
                "controller": consent.controller,
                "good": consent.good.is_ok(),
            })
        });
        let consents: Vec<_> = consents.collect();
        out.add(
            "judged",
            json!({ "step": self.index, "is": self.is, "fault": self.fault, "why": self.why, "consents": consents }),
        );
    }
}

impl Consent {
    pub(super) fn say(&self, out: &mut Out) {
        let SignedMessage { fragment, nonce, .. } = &self.message;
        out.say(
            "fragment",
            format!("{fragment}, nonce {nonce}, under {:?} {}", self.kind, self.controller),
        );
        out.say("digest", self.digest);
        match &self.good {
            Ok(()) => out.say("signed", format!("by its controller {}", self.controller)),
            Err(bad) => out.warn("signed", format!("not as it should be: {bad}")),
        }
    }
}

/// The states that evidence shows.
fn states(evidence: &Evidence) -> BTreeMap<FragmentId, Fragment> {
    let placed = &evidence.placed;
    let table = LeafTable::of(&placed.step);
    let fresh = placed.step.fresh.iter().map(|touch| touch.anchor);
    let anchors = fresh.chain(placed.again.iter().copied());
    let mut states = BTreeMap::new();
    for (place, (anchor, proof)) in anchors.zip(&evidence.proofs).enumerate() {
        let leaves = AnchorProof::leaves(proof.depth, table.further(place));
        for (leaf, state) in leaves.zip(&proof.states) {
            if let (Some(id), Ok(fragment)) = (anchor.leaf(leaf), Fragment::decode(state)) {
                states.insert(id, fragment);
            }
        }
    }
    states
}
