//! What is written of the interface is what there is.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use jsonrpsee::core::ClientError;
use nthroot_api::{Failure, Refusal, openrpc};
use nthroot_node::mempool;
use nthroot_protocol::FragmentId;
use serde_json::{Value, json};

use crate::world::{World, address, ask, http, limits, pay};

fn file(path: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../..", path].iter().collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(file(path)).unwrap()
}

/// The methods of the interface by their names, each with its parameters and whether they may be left out, as the source of the
/// trait has them.
fn declared() -> BTreeMap<String, Vec<(String, bool)>> {
    let source = read("crates/api/src/lib.rs");
    let mut declared = BTreeMap::new();
    let mut name = None;
    for line in source.lines().map(str::trim) {
        let quoted = || line.split('"').nth(1).map(|name| format!("nthroot_{name}"));
        if line.starts_with("#[method(") || line.starts_with("#[subscription(") {
            name = quoted();
        } else if let Some(signature) = line.strip_prefix("async fn ") {
            let inside = signature.split_once("(&self").unwrap().1.split_once(") ->").unwrap().0;
            let params = inside.split(", ").filter_map(|param| {
                let (name, kind) = param.split_once(": ")?;
                Some((name.trim().to_owned(), kind.starts_with("Option<")))
            });
            declared.insert(name.take().expect("an attribute before it"), params.collect());
        }
    }
    declared
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_has_every_method_and_every_parameter() {
    let document = openrpc::document();
    let methods = document["methods"].as_array().unwrap();
    let described: BTreeMap<String, Vec<(String, bool)>> = methods
        .iter()
        .filter(|method| {
            let name = method["name"].as_str().unwrap();
            name != openrpc::DISCOVER && !name.contains("_unsubscribe")
        })
        .map(|method| {
            let params = method["params"].as_array().unwrap().iter().map(|param| {
                let required = param["required"].as_bool().unwrap();
                (param["name"].as_str().unwrap().to_owned(), !required)
            });
            (method["name"].as_str().unwrap().to_owned(), params.collect())
        })
        .collect();
    assert!(described.len() > 10);
    assert_eq!(described, declared());

    // And the server has each of them: what it does not have it says is not found.
    let world = World::new();
    let client = http(&world.serve().await);
    for name in openrpc::names() {
        let answer = ask(&client, name, &[]).await;
        let not_found = matches!(&answer, Err(ClientError::Call(error)) if error.code() == -32601);
        assert!(!not_found, "{name}: {answer:?}");
    }
    let served = ask(&client, openrpc::DISCOVER, &[]).await.unwrap();
    assert_eq!(&served, document);
}

#[test]
fn the_file_is_what_the_types_say() {
    let now = format!("{}\n", serde_json::to_string_pretty(openrpc::document()).unwrap());
    if std::env::var_os("NTHROOT_OPENRPC").is_some() {
        std::fs::write(file("docs/openrpc.json"), &now).unwrap();
    }
    // In whatever order the names stand: that depends on what else is built.
    let kept: Value = serde_json::from_str(&read("docs/openrpc.json")).unwrap();
    assert!(
        &kept == openrpc::document(),
        "docs/openrpc.json is of another version: NTHROOT_OPENRPC=1 cargo test -p nthroot-node --test server document"
    );
}

/// The object a schema names, and what it may be instead.
fn resolve(schema: &Value) -> &Value {
    let Some(reference) = schema["$ref"].as_str() else {
        return schema;
    };
    let path = reference.strip_prefix('#').unwrap();
    openrpc::document()
        .pointer(path)
        .unwrap_or_else(|| panic!("{reference} is nowhere"))
}

/// Why a value is not what a schema says.
fn fault(schema: &Value, value: &Value) -> Option<String> {
    let schema = resolve(schema);
    for one_of in ["anyOf", "oneOf"] {
        if let Some(schemas) = schema[one_of].as_array() {
            let faults: Vec<String> = schemas.iter().filter_map(|schema| fault(schema, value)).collect();
            if faults.len() == schemas.len() {
                return Some(format!("none of {faults:?}"));
            }
        }
    }
    for schema in schema["allOf"].as_array().into_iter().flatten() {
        if let Some(fault) = fault(schema, value) {
            return Some(fault);
        }
    }
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("type {other}"),
    };
    let named = match &schema["type"] {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().any(|name| is(name.as_str().unwrap())),
        _ => true,
    };
    if !named {
        return Some(format!("{value} is not {}", schema["type"]));
    }
    let allowed = schema["enum"].as_array();
    if schema.get("const").is_some_and(|only| only != value) || allowed.is_some_and(|all| !all.contains(value)) {
        return Some(format!("{value} is not what {schema} allows"));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.get(name.as_str().unwrap()).is_none() {
            return Some(format!("{value} has no {name}"));
        }
    }
    let items = value.as_array().into_iter().flatten();
    if let Some(fault) = schema
        .get("items")
        .filter(|items| items.is_object())
        .and_then(|schema| items.into_iter().find_map(|item| fault(schema, item)))
    {
        return Some(fault);
    }
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties
        .filter_map(|(name, schema)| Some((schema, value.get(name)?)))
        .find_map(|(schema, value)| fault(schema, value))
}

/// The history that the guide tells: Alice and Bob deposit, Alice pays Bob and withdraws.
struct Story {
    world: World,
    alice: FragmentId,
    bob: FragmentId,
}

impl Story {
    fn new() -> Self {
        let mut world = World::new();
        let (alice, bob) = (world.deposit(1, 1_000_000), world.deposit(2, 500_000));
        world.finalise();
        world.post(&[(1, alice, vec![pay(bob, 250_000)]), (2, bob, vec![])]);
        world.withdraw(1, alice, 100_000);
        Self { world, alice, bob }
    }
}

/// What the guide asks, in its order.
fn asked(story: &Story) -> Vec<(&'static str, Value)> {
    let bundle = story.world.payment([(1, story.alice), (2, story.bob)], 5_000);
    // Other signatures: with the same ones it would be the same bundle, whatever else it says.
    let mut forged = story.world.payment([(1, story.alice), (2, story.bob)], 4_999);
    forged.0[0].valid_until += 1;
    vec![
        ("nthroot_fragment", json!(story.bob)),
        ("nthroot_proof", json!(story.bob)),
        ("nthroot_send", json!(bundle)),
        ("nthroot_send", json!(forged)),
        ("nthroot_intent", json!(bundle.id())),
        ("nthroot_claims", json!(address(1))),
    ]
}

/// The guide with these blocks of JSON in place of its own.
fn with_blocks(guide: &str, blocks: &[Value]) -> String {
    let mut parts = guide.split("```json\n");
    let mut out = parts.next().unwrap().to_owned();
    for (part, block) in parts.zip(blocks) {
        let after = part.split_once("```").unwrap().1;
        let block = serde_json::to_string_pretty(block).unwrap();
        out.push_str(&format!("```json\n{block}\n```{after}"));
    }
    out
}

/// With `NTHROOT_OPENRPC` set it writes questions and answers into the guide.
#[tokio::test(flavor = "multi_thread")]
async fn the_guides_examples_are_real_answers() {
    let story = Story::new();
    let mempool = story.world.mempool(mempool::Limits::default());
    let server = story.world.serve_with(limits(), Some(mempool)).await;
    let client = http(&server);
    let methods = openrpc::document()["methods"].as_array().unwrap();
    let mut blocks = Vec::new();
    for (number, (method, param)) in asked(&story).into_iter().enumerate() {
        let described = methods.iter().find(|described| described["name"] == method).unwrap();
        let described_param = &described["params"][0]["schema"];
        assert_eq!(fault(described_param, &param), None, "{method} does not take that");
        let answer = match ask(&client, method, std::slice::from_ref(&param)).await {
            Ok(result) => {
                let fault = fault(&described["result"]["schema"], &result);
                assert_eq!(fault, None, "{method} answers what its schema does not allow");
                json!({ "jsonrpc": "2.0", "id": 1, "result": result })
            }
            Err(ClientError::Call(error)) => json!({ "jsonrpc": "2.0", "id": 1, "error": error }),
            Err(error) => panic!("{method}: {error}"),
        };
        assert_eq!(
            answer.get("error").is_some(),
            number == 3,
            "only the forged bundle is refused"
        );
        blocks.push(json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": [param] }));
        blocks.push(answer);
    }
    let guide = read("docs/api.md");
    assert_eq!(
        guide.matches("```json\n").count(),
        blocks.len(),
        "each question and answer has its place"
    );
    if std::env::var_os("NTHROOT_OPENRPC").is_some() {
        std::fs::write(file("docs/api.md"), with_blocks(&guide, &blocks)).unwrap();
        return;
    }
    let shown = guide.split("```json\n").skip(1).map(|rest| {
        let block = rest.split_once("```").unwrap().0;
        serde_json::from_str::<Value>(block).unwrap_or_else(|error| panic!("{error} in {block}"))
    });
    for (shown, real) in shown.zip(blocks) {
        assert_eq!(
            shown, real,
            "docs/api.md: NTHROOT_OPENRPC=1 cargo test -p nthroot-node --test server document"
        );
    }
}

#[test]
fn a_value_that_a_schema_does_not_allow_is_found() {
    let story = Story::new();
    let schema = &json!({ "$ref": "#/components/schemas/SignedIntent" });
    let intent = json!(story.world.signed((1, story.alice), Vec::new()));
    assert_eq!(fault(schema, &intent), None);
    for (name, wrong) in [
        ("nonce", json!("1")),
        ("outflows", json!([{}])),
        ("signature", json!({ "Rsa": "0x" })),
    ] {
        let mut changed = intent.clone();
        changed[name] = wrong;
        assert!(fault(schema, &changed).is_some(), "{name}");
    }
    let mut missing = intent;
    missing.as_object_mut().unwrap().remove("payload");
    assert!(fault(schema, &missing).is_some());
}

#[test]
fn the_guide_explains_each_error() {
    let guide = read("docs/api.md");
    let refusals = Refusal::examples()
        .into_iter()
        .map(|refusal| (refusal.code(), json!(refusal)));
    let failures = Failure::examples()
        .into_iter()
        .map(|failure| (failure.code(), json!(failure)));
    let mut codes = BTreeSet::new();
    for (code, data) in refusals.chain(failures) {
        let row = format!("| {code} | `{}` |", data["kind"].as_str().unwrap());
        assert!(guide.contains(&row), "{row}");
        assert!(codes.insert(code), "{code} is used twice");
        // jsonrpsee's own begin at −32000.
        assert!((-32_099..=-32_020).contains(&code), "{code}");
    }
    let rows = guide.lines().filter(|line| line.starts_with("| -320")).count();
    assert_eq!(rows, codes.len(), "codes that nothing has");
    // One of each kind: as many as the schema has.
    let kinds = openrpc::document()["components"]["schemas"]["Refusal"]["oneOf"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(Refusal::examples().len(), kinds);
}
