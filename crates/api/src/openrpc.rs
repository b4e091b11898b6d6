//! The interface as an `OpenRPC` document: what it is called, what it takes and what it says, with schemas out of the types.

use std::sync::LazyLock;

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{failure::Failure, refusal::Refusal, schema, types};

/// The method that answers with the document.
pub const DISCOVER: &str = "rpc.discover";

/// A parameter: its name, and whether it must be said.
struct Param {
    name: &'static str,
    help: &'static str,
    required: bool,
    schema: SchemaOf,
}

type SchemaOf = fn(&mut SchemaGenerator) -> Value;

struct Method {
    name: &'static str,
    summary: &'static str,
    params: Vec<Param>,
    result: SchemaOf,
    /// What is told to those who subscribed, and how to end it.
    told: Option<(&'static str, SchemaOf, &'static str)>,
    refuses: bool,
}

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

fn must<T: JsonSchema>(name: &'static str, help: &'static str) -> Param {
    Param {
        name,
        help,
        required: true,
        schema: of::<T>,
    }
}

fn may<T: JsonSchema>(name: &'static str, help: &'static str) -> Param {
    Param {
        required: false,
        ..must::<Option<T>>(name, help)
    }
}

fn method<T: JsonSchema>(name: &'static str, summary: &'static str, params: Vec<Param>) -> Method {
    Method {
        name,
        summary,
        params,
        result: of::<T>,
        told: None,
        refuses: false,
    }
}

fn subscription<T: JsonSchema>(
    [name, told, end]: [&'static str; 3],
    summary: &'static str,
    params: Vec<Param>,
) -> Method {
    Method {
        told: Some((told, of::<T>, end)),
        ..method::<String>(name, summary, params)
    }
}

fn methods() -> Vec<Method> {
    let id = || must::<schema::FragmentId>("id", "The fragment.");
    let bundle = || must::<schema::Hash>("id", "The bundle, as nthroot_send named it.");
    vec![
        method::<types::ChainInfo>(
            "nthroot_chain",
            "The bridge that the node follows, and how far it is.",
            vec![],
        ),
        method::<Option<types::FragmentInfo>>(
            "nthroot_fragment",
            "A fragment, as final batches and as all batches leave it. Null if there is none.",
            vec![id()],
        ),
        method::<types::Page<types::FragmentInfo>>(
            "nthroot_fragmentsOf",
            "The fragments under a key, by id.",
            vec![
                must::<schema::Key>("key", "The key."),
                may::<schema::FragmentId>("after", "Those after this one."),
            ],
        ),
        method::<Option<types::FragmentProof>>(
            "nthroot_proof",
            "The proof of a fragment against the head of its anchor. Null if there is none.",
            vec![id()],
        ),
        method::<Option<types::BatchInfo>>(
            "nthroot_batch",
            "A batch. Null if there is none.",
            vec![must::<schema::BatchId>("id", "The batch.")],
        ),
        method::<types::Page<types::BatchInfo>>(
            "nthroot_batches",
            "The batches, newest first.",
            vec![
                may::<schema::BatchId>("before", "Those before this one."),
                may::<u32>("limit", "At most so many; never more than the node allows."),
            ],
        ),
        method::<Option<types::Digest>>(
            "nthroot_digest",
            "What nodes that agree have in common at a block. Null unless it is the last that the node derived from, or the last \
             that L1 has finalised.",
            vec![may::<u64>(
                "block",
                "The block; without it the last that the node derived from.",
            )],
        ),
        method::<Option<types::Terms>>(
            "nthroot_terms",
            "What this node asks for carrying intents. Null if it carries none.",
            vec![],
        ),
        Method {
            refuses: true,
            ..method::<schema::Hash>(
                "nthroot_send",
                "Takes signed intents that shall happen together or not at all. Refuses at once what could not.",
                vec![must::<types::Bundle>("bundle", "The intents.")],
            )
        },
        method::<Option<types::IntentInfo>>(
            "nthroot_intent",
            "What became of a bundle. Null if the node does not know it.",
            vec![bundle()],
        ),
        method::<types::Page<types::ClaimInfo>>(
            "nthroot_claims",
            "Withdrawals that an account is or was paid, oldest first.",
            vec![
                must::<schema::Address>("recipient", "The account."),
                may::<types::ClaimId>("after", "Those after this one."),
            ],
        ),
        method::<Option<types::CallData>>(
            "nthroot_claimCall",
            "The transaction of a claim, ready to be sent by anybody. Null unless it can be pushed.",
            vec![
                must::<schema::BatchId>("batch", "Its batch."),
                must::<u8>("position", "Its position in the batch."),
            ],
        ),
        subscription::<types::Tip>(
            [
                "nthroot_subscribeBlocks",
                "nthroot_newBlock",
                "nthroot_unsubscribeBlocks",
            ],
            "Each new block of L1.",
            vec![],
        ),
        subscription::<types::IntentInfo>(
            [
                "nthroot_subscribeIntent",
                "nthroot_intentChanged",
                "nthroot_unsubscribeIntent",
            ],
            "A bundle, now and whenever its status changes, until nothing can change any more.",
            vec![bundle()],
        ),
        subscription::<Option<types::FragmentInfo>>(
            [
                "nthroot_subscribeFragment",
                "nthroot_fragmentChanged",
                "nthroot_unsubscribeFragment",
            ],
            "A fragment, now and whenever it changes; null while there is none.",
            vec![id()],
        ),
    ]
}

/// The names of all methods, with those that end subscriptions.
pub fn names() -> &'static [String] {
    static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let methods = document()["methods"].as_array().cloned().unwrap_or_default();
        let name = |method: &Value| method["name"].as_str().map(str::to_owned);
        methods.iter().filter_map(name).collect()
    });
    &NAMES
}

/// The document.
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(generate);
    &DOCUMENT
}

fn generate() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let mut listed = Vec::new();
    for method in methods() {
        let mut entry = describe(&mut generator, &method);
        if let Some((notification, item, end)) = method.told {
            entry["x-notification"] = json!({ "method": notification, "result": item(&mut generator) });
            listed.push(entry);
            listed.push(json!({
                "name": end,
                "summary": "Ends a subscription.",
                "params": [{
                    "name": "subscription",
                    "description": "What the subscription answered.",
                    "required": true,
                    "schema": of::<String>(&mut generator),
                }],
                "result": { "name": "result", "schema": of::<bool>(&mut generator) },
            }));
        } else {
            listed.push(entry);
        }
    }
    listed.push(json!({
        "name": DISCOVER,
        "summary": "This document.",
        "params": [],
        "result": { "name": "result", "schema": { "type": "object" } },
    }));
    let mut errors = Map::new();
    for (name, error) in refusals().into_iter().chain(failures()) {
        errors.insert(name, error);
    }
    // So that the data of errors has a schema.
    let _ = (of::<Refusal>(&mut generator), of::<Failure>(&mut generator));
    json!({
        "openrpc": "1.3.2",
        "info": {
            "title": "nthroot",
            "description": "What wallets and explorers can ask of a node. Subscriptions need a WebSocket.",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "methods": listed,
        "components": { "schemas": generator.take_definitions(true), "errors": errors },
    })
}

fn describe(generator: &mut SchemaGenerator, method: &Method) -> Value {
    let params: Vec<Value> = method
        .params
        .iter()
        .map(|param| {
            json!({
                "name": param.name,
                "description": param.help,
                "required": param.required,
                "schema": (param.schema)(generator),
            })
        })
        .collect();
    let reference = |(name, _): (String, Value)| json!({ "$ref": format!("#/components/errors/{name}") });
    let refusals = refusals().into_iter().filter(|_| method.refuses);
    let errors: Vec<Value> = refusals.chain(failures()).map(reference).collect();
    json!({
        "name": method.name,
        "summary": method.summary,
        "params": params,
        "result": { "name": "result", "schema": (method.result)(generator) },
        "errors": errors,
    })
}

/// The refusals by kind, each with an example of its data.
fn refusals() -> Vec<(String, Value)> {
    let entry = |refusal: &Refusal| error(refusal.code(), &refusal.to_string(), &json!(refusal));
    Refusal::examples().iter().map(entry).collect()
}

fn failures() -> Vec<(String, Value)> {
    let entry = |failure: &Failure| error(failure.code(), &failure.to_string(), &json!(failure));
    Failure::examples().iter().map(entry).collect()
}

fn error(code: i32, message: &str, data: &Value) -> (String, Value) {
    let kind = data["kind"].as_str().unwrap_or_default().to_owned();
    (kind, json!({ "code": code, "message": message, "data": data }))
}
