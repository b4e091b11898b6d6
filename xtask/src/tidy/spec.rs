//! `docs/spec.md` has all of the contracts' interface, and its worked example is the committed one.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{none, read, table};

/// The contracts whose interface is specified. Of rules, `transition` is (6.2); their errors are for people.
const SPECIFIED: [&str; 4] = ["Bridge", "FraudVerifier", "RuleRegistry", "DepositRouter"];

fn json(path: &str) -> Value {
    serde_json::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The type of a parameter, tuples spelt out.
fn kind(parameter: &Value) -> String {
    let kind = parameter["type"].as_str().unwrap_or_default();
    match kind.strip_prefix("tuple") {
        Some(rest) => format!("({}){rest}", kinds(&parameter["components"])),
        None => kind.to_owned(),
    }
}

fn kinds(parameters: &Value) -> String {
    let parameters = parameters.as_array().map_or(&[][..], Vec::as_slice);
    parameters.iter().map(kind).collect::<Vec<_>>().join(",")
}

/// Name and types, as they are hashed; of events in the page's words.
fn signature(item: &Value) -> String {
    let name = item["name"].as_str().unwrap_or_default();
    if item["type"] != "event" || name == "RuleRegistered" {
        return format!("{name}({})", kinds(&item["inputs"]));
    }
    let inputs = item["inputs"].as_array().map_or(&[][..], Vec::as_slice);
    let inputs = inputs.iter().map(|input| {
        let indexed = if input["indexed"] == true { "indexed " } else { "" };
        format!(
            "{} {indexed}{}",
            kind(input),
            input["name"].as_str().unwrap_or_default()
        )
    });
    format!("{name}({})", inputs.collect::<Vec<_>>().join(", "))
}

#[test]
fn every_function_event_and_error_stands_in_the_specification() {
    // A signature may go over the end of a line.
    let page = read("docs/spec.md").split_whitespace().collect::<Vec<_>>().join(" ");
    let mut wrong = Vec::new();
    let mut errors = BTreeSet::new();
    for contract in SPECIFIED {
        let abi = json(&format!("abi/{contract}.json"));
        for item in abi["abi"].as_array().expect("an ABI") {
            if ["constructor", "receive"].iter().any(|kind| item["type"] == *kind) {
                continue;
            }
            let signature = signature(item);
            if !page.contains(&format!("`{signature}`")) {
                wrong.push(format!("docs/spec.md: does not say what {contract}.{signature} is"));
            }
            if item["type"] == "error" {
                errors.insert(signature);
            }
        }
    }
    let stated = table(&read("docs/spec.md"), "### Errors and the event of the registry");
    let gone = stated.keys().filter(|stated| !errors.contains(*stated));
    wrong.extend(gone.map(|stated| format!("docs/spec.md: no contract has the error {stated}")));
    none(&wrong);
}

#[test]
fn the_worked_example_is_the_committed_one() {
    let (page, file) = (read("docs/spec.md"), json("test/vectors/wire.json"));
    let example = table(&page, "## 13. A worked example");
    assert!(example.len() > 20, "the table is there");
    let mut wrong = Vec::new();
    for (pointer, stated) in &example {
        let value = file.pointer(pointer).map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        if value.as_ref() != Some(stated) {
            wrong.push(format!(
                "docs/spec.md: {pointer} is {stated}, test/vectors/wire.json has {value:?}"
            ));
        }
    }
    none(&wrong);
}

#[test]
fn what_is_hashed_is_what_the_vectors_hash() {
    let page = read("docs/spec.md");
    let mut hashed = BTreeSet::new();
    for one in json("test/vectors/wire.json")["hashes"].as_array().expect("a list") {
        hashed.insert((one["text"].to_string(), one["hash"].to_string()));
    }
    for rule in ["swap", "pool", "credit"] {
        let file = json(&format!("test/vectors/rules/{rule}.json"));
        let cases = file["cases"].as_array().expect("a list").iter();
        for meaning in cases.flat_map(|case| case["meanings"].as_array().into_iter().flatten()) {
            let intent = meaning["intentType"].as_str().unwrap_or_default();
            let name = intent.split('(').next().unwrap_or_default();
            hashed.insert((format!("\"{name}\""), meaning["typeHash"].to_string()));
        }
    }
    // The second table stands below the same heading, with a head of its own.
    let stated = table(&page, "### 13.1 What is hashed").into_iter();
    let stated: BTreeSet<_> = stated
        .filter(|(_, hash)| hash.starts_with("0x"))
        .map(|(text, hash)| (format!("\"{text}\""), format!("\"{hash}\"")))
        .collect();
    assert_eq!(stated, hashed);
}
