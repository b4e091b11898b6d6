//! What a wallet shows: the JSON that `eth_signTypedData_v4` takes.

use alloy_dyn_abi::{DynSolValue, eip712::Resolver};
use alloy_primitives::{U256, hex};
use nthroot_protocol::{Domain, SignedMessage, rules::Typed};
use serde_json::{Map, Value, json};

use crate::{intent::Intent, request::RuleBook};

/// The kernel's members behind the intent (docs/spec.md, section 5.1).
const KERNEL_MEMBERS: &str = "address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows";
const OUTFLOW_TYPE: &str = "Outflow(bytes32 asset,uint128 amount)";

/// EIP-712 typed data of an intent: its hash is the digest that the kernel checks. Numbers are decimal text, which wallets
/// take for every width.
pub fn typed_data(intent: &Intent, book: &RuleBook, domain: &Domain) -> Value {
    let typed = intent.request.typed();
    let message = intent.message(book);
    let mut types = Map::new();
    types.insert(
        "EIP712Domain".to_owned(),
        members("string name,string version,uint256 chainId,address verifyingContract"),
    );
    let name = typed.as_ref().map_or("bytes", |typed| name_of(&typed.type_string));
    types.insert(
        "Authorisation".to_owned(),
        members(&format!("{name} intent,{KERNEL_MEMBERS}")),
    );
    let own = typed.as_ref().map_or("", |typed| typed.type_string.as_str());
    for definition in own.split_inclusive(')').chain([OUTFLOW_TYPE]) {
        let body = definition
            .trim_end_matches(')')
            .split_once('(')
            .map_or("", |(_, body)| body);
        types.insert(name_of(definition).to_owned(), members(body));
    }
    let payload = || Value::String(hex::encode_prefixed(intent.request.payload()));
    json!({
        "types": types,
        "primaryType": "Authorisation",
        "domain": {
            "name": "nthroot",
            "version": "1",
            "chainId": domain.chain_id.to_string(),
            "verifyingContract": domain.bridge,
        },
        "message": message_json(&message, &typed.as_ref().map_or_else(payload, shown)),
    })
}

fn message_json(message: &SignedMessage, intent: &Value) -> Value {
    let outflows = message.outflows.iter();
    let outflows = outflows.map(|outflow| json!({ "asset": outflow.asset.0, "amount": outflow.amount.to_string() }));
    json!({
        "intent": intent,
        "rule": message.rule,
        "fragment": U256::from_be_slice(&message.fragment.to_bytes()).to_string(),
        "nonce": message.nonce.to_string(),
        "validUntil": message.valid_until.to_string(),
        "outflows": outflows.collect::<Vec<_>>(),
    })
}

/// Members as EIP-712's JSON has them, from `type name,type name`.
fn members(list: &str) -> Value {
    let member = |member: &str| {
        let (kind, name) = member.split_once(' ').unwrap_or((member, ""));
        json!({ "name": name, "type": kind })
    };
    list.split(',').map(member).collect()
}

/// The name of the type that a definition begins with.
fn name_of(definition: &str) -> &str {
    definition.split('(').next().unwrap_or_default()
}

/// The members of a struct with their values.
///
/// # Panics
///
/// If the struct's type is not what its encoding says: both come from the same declaration.
pub(crate) fn shown(typed: &Typed) -> Value {
    let mut resolver = Resolver::default();
    for definition in typed.type_string.split_inclusive(')') {
        resolver.ingest_string(definition).expect("a struct's own type");
    }
    let kind = resolver
        .resolve(name_of(&typed.type_string))
        .expect("it refers to its own types");
    json_of(kind.abi_decode(&typed.encoded).expect("its own encoding"))
}

fn json_of(value: DynSolValue) -> Value {
    match value {
        DynSolValue::Uint(number, _) => Value::String(number.to_string()),
        DynSolValue::Int(number, _) => Value::String(number.to_string()),
        DynSolValue::Bool(truth) => Value::Bool(truth),
        DynSolValue::String(text) => Value::String(text),
        DynSolValue::Address(address) => json!(address),
        DynSolValue::FixedBytes(word, size) => Value::String(hex::encode_prefixed(&word[..size])),
        DynSolValue::Bytes(bytes) => Value::String(hex::encode_prefixed(bytes)),
        DynSolValue::Function(function) => Value::String(hex::encode_prefixed(function)),
        DynSolValue::Array(values) | DynSolValue::FixedArray(values) | DynSolValue::Tuple(values) => {
            values.into_iter().map(json_of).collect()
        }
        DynSolValue::CustomStruct { prop_names, tuple, .. } => {
            Value::Object(prop_names.into_iter().zip(tuple.into_iter().map(json_of)).collect())
        }
    }
}
