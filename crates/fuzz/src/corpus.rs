//! Inputs to begin with: made of what the generators make; and those that a fuzzer has found and kept, in one file to a target.

use std::{fs, io, path::PathBuf};

use alloy::primitives::{Address, keccak256};
use nthroot_evm::metered::Known;
use nthroot_model::rule::{AuthorisationView, FragmentView};
use nthroot_protocol::{Body, Effect, Evidence, Fragment, Kind, PreEntry};
use serde_json::Value;

use crate::{
    Target, codec, evidence,
    judges::Judges,
    limits,
    rules::{Case, RULE},
    steps::{Choices, Scene},
};

/// Bytes of a target's corpus: it is committed.
const ROOM: usize = 96 * 1024;
/// How many steps the generator makes for seeds.
const STEPS: u32 = 160;

/// Inputs to begin with, the same every time.
///
/// # Panics
///
/// If the vectors of the rules are not there.
pub fn seeds(target: Target) -> Vec<Vec<u8>> {
    match target {
        Target::Verdict => (0..STEPS).map(random).collect(),
        Target::Evidence => steps().map(|bytes| [vec![evidence::ALL], bytes].concat()).collect(),
        Target::Codec => steps()
            .flat_map(|bytes| encodings(&bytes))
            .chain(payloads())
            .chain(limits::encodings())
            .collect(),
        Target::Rules => steps()
            .flat_map(|bytes| account_calls(&bytes))
            .chain(vectors().into_iter().map(|(rule, case)| case.write(rule)))
            .collect(),
    }
}

/// The file with what was kept of a target's inputs.
pub fn path(target: Target) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target.name())
}

/// What was kept: each input as length (u16) ‖ bytes.
///
/// # Errors
///
/// If the file is not there, or ends inside an input.
pub fn kept(target: Target) -> io::Result<Vec<Vec<u8>>> {
    let file = fs::read(path(target))?;
    let (mut rest, mut inputs) = (file.as_slice(), Vec::new());
    while !rest.is_empty() {
        let cut = || io::Error::new(io::ErrorKind::UnexpectedEof, "the corpus ends inside an input");
        let (length, behind) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
        let (input, behind) = behind
            .split_at_checked(u16::from_be_bytes(*length).into())
            .ok_or_else(cut)?;
        inputs.push(input.to_vec());
        rest = behind;
    }
    Ok(inputs)
}

/// Keeps these inputs, the shortest first, as far as there is room.
///
/// # Errors
///
/// If the file cannot be written.
pub fn keep(target: Target, mut inputs: Vec<Vec<u8>>) -> io::Result<()> {
    inputs.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    let mut packed = Vec::new();
    for input in inputs {
        let length = u16::try_from(input.len()).map_err(io::Error::other)?;
        if packed.len() + 2 + input.len() > ROOM {
            break;
        }
        packed.extend(length.to_be_bytes());
        packed.extend(input);
    }
    fs::write(path(target), packed)
}

/// Bytes without a pattern.
fn random(number: u32) -> Vec<u8> {
    let words = 8 + number % 24;
    let word = |word: u32| keccak256([number.to_be_bytes(), word.to_be_bytes()].concat());
    (0..words).flat_map(word).collect()
}

/// Evidence of random steps.
fn steps() -> impl Iterator<Item = Vec<u8>> {
    let judges = Judges::default();
    (0..STEPS).map(move |number| {
        let bytes = random(number);
        Scene::evidence(&mut Choices::new(&bytes), &judges.env, &judges.rules, judges.chain_id()).0
    })
}

/// Everything in evidence that has an encoding of its own.
fn encodings(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut add = |kind: u8, bytes: &[u8]| found.push([&[kind], bytes].concat());
    add(codec::EVIDENCE, bytes);
    let Ok(evidence) = Evidence::decode(bytes) else {
        return found;
    };
    add(codec::PREIMAGE, &evidence.preimage.encode());
    let step = &evidence.placed.step;
    let mut batch = nthroot_protocol::Batch {
        header: evidence.preimage.header.clone(),
        steps: vec![step.clone(); 2],
    };
    // Both steps open entries; the second touches again what the first did, if that is as many.
    batch.steps[0].again.clear();
    batch.seal();
    add(codec::BATCH, &batch.encode());
    for state in evidence.proofs.iter().flat_map(|proof| &proof.states) {
        add(codec::FRAGMENT, state);
    }
    if let Some(entries) = evidence.pre_entries() {
        add(codec::ENTRIES, &PreEntry::encode_list(&entries));
    }
    for withdrawal in &step.withdrawals {
        add(codec::WITHDRAWAL, &withdrawal.encode());
    }
    add(codec::WORDS, evidence.preimage.hash().as_slice());
    add(codec::WORDS, &[&[1], evidence.preimage.proposer.as_slice()].concat());
    let touched = step.fresh.len() + step.again.len();
    if let Ok(counts) = u8::try_from(touched | step.opened.len() << 2)
        && touched < 4
        && step.opened.len() < 4
    {
        add(codec::BODY, &[&[counts], step.body.as_ref()].concat());
    }
    for call in Body::of(step).unwrap_or_default().calls {
        for signed in &call.authorisations {
            add(codec::ACCOUNT, &signed.payload);
        }
        if Effect::decode_list(&call.extra).is_ok() {
            add(codec::EFFECTS, &call.extra);
        }
    }
    found
}

/// What users sign and what fragments say, in the vectors of the rules.
fn payloads() -> Vec<Vec<u8>> {
    let of_case = |(rule, case): (u8, Case)| {
        let known = Known::ALL[usize::from(rule)];
        let payload = if matches!(known, Known::Pool) {
            codec::POOL
        } else {
            codec::SWAP
        };
        let payloads = case
            .authorisations
            .into_iter()
            .map(move |signed| (payload, signed.payload));
        let data = case.fragments.into_iter().flat_map(move |fragment| {
            let kinds: &[u8] = match known {
                Known::Pool => &[codec::POOL_STATE],
                Known::Credit => &[codec::MARKET, codec::POSITION],
                _ => &[],
            };
            kinds
                .iter()
                .map(move |kind| (*kind, fragment.data.clone()))
                .collect::<Vec<_>>()
        });
        payloads.chain(data).collect::<Vec<_>>()
    };
    let all = vectors().into_iter().flat_map(of_case);
    all.map(|(kind, bytes)| [vec![kind], bytes].concat()).collect()
}

/// The calls of the Account rule in evidence, as far as fragments stood before the step.
fn account_calls(bytes: &[u8]) -> Vec<Vec<u8>> {
    let Ok(evidence) = Evidence::decode(bytes) else {
        return Vec::new();
    };
    let states = evidence.proofs.iter().flat_map(|proof| &proof.states);
    let views: Vec<FragmentView> = states
        .filter_map(|state| Fragment::decode(state).ok())
        .map(|state| FragmentView {
            id: nthroot_protocol::FragmentId::ZERO,
            kind: state.kind,
            controller: state.controller,
            assets: state.assets.iter().map(|(asset, amount)| (*asset, *amount)).collect(),
            data: state.data.to_vec(),
        })
        .collect();
    let anchors = evidence.placed.anchors().collect::<Vec<_>>();
    let calls = Body::of(&evidence.placed.step).unwrap_or_default().calls;
    let calls = calls.into_iter().filter(|call| call.rule == 0);
    let calls = calls.filter_map(|call| {
        let number = |number: &u8| {
            let mut view = views.get(usize::from(*number))?.clone();
            view.id = anchors.get(usize::from(*number))?.fragment();
            Some(view)
        };
        let signed = call.authorisations.iter().map(|signed| AuthorisationView {
            fragment: signed.position,
            payload: signed.payload.to_vec(),
        });
        let case = Case {
            clock: evidence.preimage.header.clock,
            fragments: call.fragments.iter().map(number).collect::<Option<_>>()?,
            authorisations: signed.collect(),
            extra: call.extra.to_vec(),
        };
        Some(case.write(0))
    });
    calls.collect()
}

/// The committed calls of the rules, with the rule's number.
pub(crate) fn vectors() -> Vec<(u8, Case)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../test/vectors/rules");
    let files = [(1, "swap.json"), (2, "pool.json"), (3, "credit.json")];
    let mut found = Vec::new();
    for (rule, file) in files {
        let text = fs::read(folder.join(file)).expect("the vectors are there");
        let vectors: Value = serde_json::from_slice(&text).expect("they are JSON");
        let cases = vectors["cases"].as_array().cloned().unwrap_or_default();
        found.extend(cases.iter().filter_map(case).map(|case| (rule, case)));
    }
    found
}

/// A call as the vectors write it: numbers in decimal, bytes in hexadecimal.
fn case(value: &Value) -> Option<Case> {
    let number = |value: &Value| value.as_str()?.parse::<u128>().ok();
    let bytes = |value: &Value| alloy::hex::decode(value.as_str()?).ok();
    let fragment = |value: &Value| {
        let asset = |asset: &Value| {
            Some((
                nthroot_protocol::AssetId(bytes(&asset["id"])?.as_slice().try_into().ok()?),
                number(&asset["amount"])?,
            ))
        };
        Some(FragmentView {
            id: nthroot_protocol::FragmentId::from_bytes(number(&value["id"])?.to_be_bytes()[6..].try_into().ok()?),
            kind: Kind::from_u8(number(&value["kind"])?.try_into().ok()?)?,
            controller: Address::from_slice(&bytes(&value["controller"])?),
            assets: value["assets"].as_array()?.iter().map(asset).collect::<Option<_>>()?,
            data: bytes(&value["data"])?,
        })
    };
    let signed = |value: &Value| {
        Some(AuthorisationView {
            fragment: number(&value["fragment"])?.try_into().ok()?,
            payload: bytes(&value["payload"])?,
        })
    };
    let case = Case {
        clock: number(&value["context"]["blockNumber"])?.try_into().ok()?,
        fragments: value["fragments"]
            .as_array()?
            .iter()
            .map(fragment)
            .collect::<Option<_>>()?,
        authorisations: value["authorisations"]
            .as_array()?
            .iter()
            .map(signed)
            .collect::<Option<_>>()?,
        extra: bytes(&value["extra"])?,
    };
    let usual = case
        .fragments
        .iter()
        .all(|fragment| fragment.kind != Kind::Rule || fragment.controller == RULE);
    (usual && !case.fragments.is_empty()).then_some(case)
}
