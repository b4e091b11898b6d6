//! Calls of the bridge and its registry.

use alloy::{
    primitives::{U256, utils::format_ether},
    sol_types::SolCall,
};
use nthroot_bindings::{Bridge, RuleRegistry, bridge::IBridge};
use nthroot_node::rules;
use nthroot_protocol::{AssetId, Evidence, Key, Withdrawal};

use super::{
    broken::Broken,
    bytes,
    known::Known,
    out::{Out, asset_text},
    step::Told,
};

const ABI: &str = "the contract's ABI (docs/spec.md has what the arguments are)";

/// What a transaction told of a call: the batch that it posted, judged.
pub(super) struct Deed {
    pub(super) steps: Vec<Told>,
}

/// Whether it begins with the selector of a call that changes something.
pub(super) fn is_known(calldata: &[u8]) -> bool {
    name(calldata).is_some()
}

fn name(calldata: &[u8]) -> Option<&'static str> {
    let selector: [u8; 4] = calldata.get(..4)?.try_into().ok()?;
    let names = [
        (Bridge::depositCall::SELECTOR, "deposit"),
        (Bridge::depositTokenCall::SELECTOR, "depositToken"),
        (Bridge::submitCall::SELECTOR, "submit"),
        (Bridge::challengeCall::SELECTOR, "challenge"),
        (Bridge::condemnCall::SELECTOR, "condemn"),
        (Bridge::unwindCall::SELECTOR, "unwind"),
        (Bridge::claimCall::SELECTOR, "claim"),
        (Bridge::assignCall::SELECTOR, "assign"),
        (Bridge::fundBondCall::SELECTOR, "fundBond"),
        (Bridge::withdrawBondCall::SELECTOR, "withdrawBond"),
        (RuleRegistry::registerCall::SELECTOR, "register"),
    ];
    names
        .into_iter()
        .find(|(known, _)| *known == selector)
        .map(|(_, name)| name)
}

/// Explains calldata.
pub(super) fn explain(out: &mut Out, known: &Known, deed: Option<&Deed>, calldata: &[u8]) {
    let Some(name) = name(calldata) else {
        out.fact("kind", "unknown");
        return out.say(
            "call",
            "not one of the bridge's or its registry's that changes anything",
        );
    };
    out.fact("kind", name);
    out.heading(format!("call of {name}"));
    out.deeper(|out| {
        if read(out, known, deed, name, calldata).is_none() {
            out.broken(&Broken {
                byte: calldata.len(),
                rule: ABI,
                says: format!("the calldata does not hold the arguments of {name}"),
            });
        }
    });
}

/// The bytes argument at this place in the head of the arguments, and where it begins in the calldata: read as the contract reads
/// it, at any offset, with or without padding.
fn argument(calldata: &[u8], place: usize) -> Option<(usize, &[u8])> {
    let arguments = calldata.get(4..)?;
    let word = |at: usize| {
        let word = arguments.get(at..at.checked_add(32)?)?;
        usize::try_from(U256::from_be_slice(word)).ok()
    };
    let start = word(32 * place)?;
    let first = start.checked_add(32)?;
    let bytes = arguments.get(first..first.checked_add(word(start)?)?)?;
    Some((4 + first, bytes))
}

/// None: the calldata is too short, or has nonsense in it.
fn read(out: &mut Out, known: &Known, deed: Option<&Deed>, name: &str, calldata: &[u8]) -> Option<()> {
    match name {
        "deposit" => {
            let call = Bridge::depositCall::abi_decode(calldata).ok()?;
            key(out, call.key.0);
        }
        "depositToken" => {
            let call = Bridge::depositTokenCall::abi_decode(calldata).ok()?;
            out.say("token", call.token);
            out.say("amount", format!("{} base units", call.amount));
            key(out, call.key.0);
        }
        "submit" => {
            let (at, batch) = argument(calldata, 0)?;
            let steps = deed.map_or(&[][..], |deed| &deed.steps);
            bytes::batch_at(out, known, steps, batch, at);
        }
        "challenge" => {
            let ((at, evidence), (entries_at, entries)) = (argument(calldata, 0)?, argument(calldata, 1)?);
            bytes::evidence_at(out, known, evidence, at);
            if entries.is_empty() {
                out.say("entries", "none: the conviction stands alone");
            } else {
                bytes::entries_at(out, entries, entries_at);
            }
        }
        "condemn" => {
            let ((at, child), (entries_at, entries)) = (argument(calldata, 0)?, argument(calldata, 1)?);
            let (parent_at, parent) = argument(calldata, 3)?;
            let index = U256::from_be_slice(calldata.get(68..100)?);
            out.say("entry that builds on the parent", index);
            out.heading("child");
            out.deeper(|out| bytes::preimage_at(out, child, at));
            bytes::entries_at(out, entries, entries_at);
            out.heading("parent");
            out.deeper(|out| bytes::preimage_at(out, parent, parent_at));
        }
        "unwind" => {
            let ((at, preimage), (entries_at, entries)) = (argument(calldata, 0)?, argument(calldata, 1)?);
            bytes::preimage_at(out, preimage, at);
            bytes::entries_at(out, entries, entries_at);
        }
        "claim" => {
            let call = Bridge::claimCall::abi_decode(calldata).ok()?;
            let (at, preimage) = argument(calldata, 0)?;
            opening(out, preimage, at, call.position, &call.withdrawal, &call.siblings);
        }
        "assign" => {
            let call = Bridge::assignCall::abi_decode(calldata).ok()?;
            let (at, preimage) = argument(calldata, 0)?;
            opening(out, preimage, at, call.position, &call.withdrawal, &call.siblings);
            terms(out, &call.terms, &call.signature);
        }
        "fundBond" => {
            let call = Bridge::fundBondCall::abi_decode(calldata).ok()?;
            out.say("proposer", call.proposer);
        }
        "withdrawBond" => {
            let call = Bridge::withdrawBondCall::abi_decode(calldata).ok()?;
            out.say(
                "amount",
                format!("{} wei ({} ETH)", call.amount, format_ether(call.amount)),
            );
            out.say("to", call.to);
        }
        _ => {
            let (at, runtime) = argument(calldata, 0)?;
            out.say("runtime", format!("{} bytes from byte {at}", runtime.len()));
            if let Some(registry) = known.registry() {
                out.say("address", rules::address_of(registry, runtime));
            }
        }
    }
    Some(())
}

fn key(out: &mut Out, bytes: [u8; 21]) {
    match Key::from_bytes(bytes) {
        Ok(key) => out.say(
            "key",
            format!(
                "kind {} ({:?}), controller {}",
                key.kind().to_u8(),
                key.kind(),
                key.controller()
            ),
        ),
        Err(error) => {
            out.warn("key", format!("{error}: section 3"));
            out.fact(
                "malformed",
                serde_json::json!({ "byte": 4, "rule": "3: keys", "says": error.to_string() }),
            );
        }
    }
}

fn opening(
    out: &mut Out,
    preimage: &[u8],
    at: usize,
    position: U256,
    withdrawal: &IBridge::Withdrawal,
    siblings: &[u8],
) {
    bytes::preimage_at(out, preimage, at);
    out.say("position", position);
    out.heading("withdrawal");
    let withdrawal = Withdrawal {
        recipient: withdrawal.recipient,
        token: withdrawal.token,
        amount: withdrawal.amount,
    };
    out.deeper(|out| {
        bytes::withdrawal(out, &withdrawal);
        out.say("leaf", withdrawal.leaf());
    });
    out.say("siblings in the withdrawal tree", siblings.len() / 32);
}

fn terms(out: &mut Out, terms: &IBridge::Terms, signature: &[u8]) {
    out.heading("terms");
    out.deeper(|out| {
        out.say("from", terms.from);
        out.say("to", terms.to);
        out.say(
            "offered to",
            if terms.open { "whoever pays" } else { "this buyer alone" },
        );
        out.say(
            "price",
            format!("{} of {}", terms.price, asset_text(AssetId::token(terms.token))),
        );
        out.say("deadline (L1 block)", terms.deadline);
        out.say(
            "signature",
            match signature.len() {
                0 => "none: the sender gives it away".to_owned(),
                bytes => format!("{bytes} bytes, of the seller"),
            },
        );
    });
}

/// The rules of the batch that a challenge is about.
pub(super) fn rules(calldata: &[u8]) -> Vec<alloy::primitives::Address> {
    let evidence = (name(calldata) == Some("challenge"))
        .then(|| argument(calldata, 0))
        .flatten();
    let evidence = evidence.and_then(|(_, bytes)| Evidence::decode(bytes).ok());
    evidence
        .map(|evidence| evidence.preimage.header.rules)
        .unwrap_or_default()
}
