//! What a step was an example of.

use std::collections::BTreeSet;

use nthroot_model::invalid::Invalid;
use nthroot_protocol::{AccountOp, Body, Call, Evidence};

fn op(op: &AccountOp) -> &'static str {
    match op {
        AccountOp::Pay { .. } => "pay",
        AccountOp::Open { depth: 0, .. } => "open",
        AccountOp::Open { .. } => "open a cohort",
        AccountOp::Withdraw { .. } => "withdraw",
        AccountOp::SetController { .. } => "set controller",
        AccountOp::SetLease { .. } => "set lease",
        AccountOp::OpenLeaf { .. } => "open a leaf",
    }
}

/// The features of a well-formed step.
pub(crate) fn of(evidence: &[u8]) -> BTreeSet<&'static str> {
    let evidence = Evidence::decode(evidence).expect("the ledger's own");
    let body = Body::of(&evidence.placed.step).expect("a valid step");
    let mut features = BTreeSet::new();
    let leaves = body.leaves.iter().flat_map(|table| &table.0);
    for leaves in leaves.filter(|leaves| !leaves.is_empty()) {
        features.insert(if leaves.len() > 1 { "several leaves" } else { "one leaf" });
    }
    if evidence.proofs.iter().any(|proof| proof.depth == 24) {
        features.insert("depth 24");
    }
    for call in &body.calls {
        features.extend(of_call(call));
    }
    features
}

fn of_call(call: &Call) -> BTreeSet<&'static str> {
    let schemes = call
        .authorisations
        .iter()
        .map(|signed| match signed.signature.scheme() {
            1 => "secp256k1",
            2 => "P-256",
            _ => "WebAuthn",
        });
    let mut features: BTreeSet<&'static str> = schemes.collect();
    if call.rule != 0 {
        features.insert("puppet");
        return features;
    }
    let payloads = call.authorisations.iter().map(|signed| &signed.payload);
    let ops = payloads.flat_map(|payload| AccountOp::decode_payload(payload).expect("of a valid step"));
    features.extend(ops.map(|done| op(&done)));
    if call.authorisations.len() < call.fragments.len() {
        features.insert("merely credited");
    }
    features
}

/// The kind of lie.
pub(crate) fn name(reason: &Invalid) -> String {
    let text = match reason {
        Invalid::Call { fault, .. } => format!("{fault:?}"),
        reason => format!("{reason:?}"),
    };
    text.chars().take_while(char::is_ascii_alphanumeric).collect()
}
