//! Cases as JSON, for people and for other languages: numbers are decimal text, bytes are hexadecimal.

use alloy::primitives::{U256, hex, keccak256};
use nthroot_protocol::Effect;
use serde::Serialize;

use crate::{bench::Subject, case::Case};

/// A file.
#[derive(Serialize)]
pub(crate) struct File {
    pub(crate) rule: &'static str,
    pub(crate) page: String,
    pub(crate) address: String,
    pub(crate) cases: Vec<Entry>,
}

/// A case, and what it comes to.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) why: &'static str,
    #[serde(flatten)]
    pub(crate) call: Call,
    pub(crate) fails: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    pub(crate) effects: String,
    pub(crate) decoded: Vec<String>,
    pub(crate) meanings: Vec<Meaning>,
}

/// What a rule is called with.
#[derive(Serialize)]
pub(crate) struct Call {
    context: Context,
    fragments: Vec<Fragment>,
    authorisations: Vec<Authorisation>,
    extra: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    block_number: String,
    proposer: String,
}

#[derive(Serialize)]
struct Fragment {
    id: String,
    kind: String,
    controller: String,
    assets: Vec<Asset>,
    data: String,
}

#[derive(Serialize)]
struct Asset {
    id: String,
    amount: String,
}

#[derive(Serialize)]
struct Authorisation {
    fragment: String,
    payload: String,
}

/// What a payload means.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Meaning {
    authorisation: String,
    intent_type: String,
    signed_type: String,
    type_hash: String,
    words: Vec<String>,
    struct_hash: String,
}

fn bytes(bytes: impl AsRef<[u8]>) -> String {
    hex::encode_prefixed(bytes)
}

/// What a rule is called with.
pub(crate) fn call(case: &Case) -> Call {
    let fragments = case.fragments.iter().map(|fragment| Fragment {
        id: U256::from_be_slice(&fragment.id.to_bytes()).to_string(),
        kind: fragment.kind.to_u8().to_string(),
        controller: bytes(fragment.controller),
        assets: fragment
            .assets
            .iter()
            .map(|(id, amount)| Asset {
                id: bytes(id.0),
                amount: amount.to_string(),
            })
            .collect(),
        data: bytes(&fragment.data),
    });
    let authorisations = case.authorisations.iter().map(|signed| Authorisation {
        fragment: signed.fragment.to_string(),
        payload: bytes(&signed.payload),
    });
    Call {
        context: Context {
            block_number: case.clock.to_string(),
            proposer: bytes(case.proposer),
        },
        fragments: fragments.collect(),
        authorisations: authorisations.collect(),
        extra: bytes(&case.extra),
    }
}

/// A case, for people.
pub(crate) fn case(case: &Case) -> String {
    serde_json::to_string_pretty(&call(case)).expect("text")
}

/// An effect, for people.
pub(crate) fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Move {
            from,
            to,
            asset,
            amount,
        } => format!("move {amount} of {} from {from} to {to}", asset.0),
        Effect::Mint { to, tag, amount } => format!("mint {amount} under tag {tag} to {to}"),
        Effect::Burn { from, tag, amount } => format!("burn {amount} under tag {tag} of {from}"),
        Effect::Write { fragment, data } => format!("write {data} to {fragment}"),
        Effect::Open {
            depth,
            kind,
            controller,
        } => format!("open an anchor of depth {depth} for {controller} of kind {kind}"),
        Effect::OpenLeaf {
            header,
            kind,
            controller,
        } => format!("open a leaf of the cohort of {header} for {controller} of kind {kind}"),
        Effect::Meaning { authorisation, .. } => format!("meaning of authorisation {authorisation}"),
        other => panic!("no rule here does this: {other:?}"),
    }
}

/// The meanings of a case, which are those among its effects.
pub(crate) fn meanings<S: Subject>(case: &Case, effects: &[Effect]) -> Vec<Meaning> {
    let all = S::meanings(case);
    assert_eq!(all.len(), case.authorisations.len(), "each payload means something");
    let meanings = all.into_iter().enumerate().map(|(number, (intent_type, data))| {
        let signed_type = signed_type(&intent_type);
        let type_hash = keccak256(&signed_type);
        let words = [keccak256(&intent_type).as_slice(), &data].concat();
        let struct_hash = keccak256(&words);
        let said = Effect::Meaning {
            authorisation: u8::try_from(number).unwrap_or(u8::MAX),
            type_hash,
            struct_hash,
        };
        assert_eq!(effects[number], said, "{signed_type}");
        Meaning {
            authorisation: number.to_string(),
            intent_type,
            signed_type,
            type_hash: bytes(type_hash),
            words: words.chunks(32).map(bytes).collect(),
            struct_hash: bytes(struct_hash),
        }
    });
    meanings.collect()
}

/// `encodeType` of what is signed (section 5.1): the kernel's struct, then what it refers to by name.
fn signed_type(intent_type: &str) -> String {
    let mut types: Vec<&str> = intent_type.split_inclusive(')').collect();
    let name = types[0].split('(').next().unwrap_or_default();
    let outflow = "Outflow(bytes32 asset,uint128 amount)";
    if !types.contains(&outflow) {
        types.push(outflow);
    }
    types.sort_unstable();
    format!(
        "Authorisation({name} intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows){}",
        types.concat()
    )
}
