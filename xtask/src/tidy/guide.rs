//! What docs/writing-a-rule.md says is what specification, settings and template say.

use std::collections::BTreeSet;

use super::{number, read, table};
use crate::docs;

fn page() -> String {
    read(docs::GUIDE)
}

#[test]
fn the_costs_of_the_template_are_the_measured_ones() {
    let page = page();
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let same = words(docs::block(&page, "template").unwrap()) == words(&docs::template().unwrap());
    assert!(
        same,
        "{} is not what snapshots/ say: run `cargo xtask docs`",
        docs::GUIDE
    );
}

#[test]
fn the_limits_of_a_rule_are_those_of_the_specification() {
    let spec = table(&read("docs/spec.md"), "## 1. Limits");
    let stated = table(&page(), "## What it may return");
    let limits: Vec<_> = stated.iter().filter(|(name, _)| name.starts_with("MAX_")).collect();
    assert!(limits.len() > 5, "all limits were read");
    for (name, value) in limits {
        assert_eq!(number(value), spec.get(name).and_then(|value| number(value)), "{name}");
    }
}

#[test]
fn each_effect_has_its_function() {
    let effects = read("contracts/libraries/Effects.sol");
    let stated = table(&page(), "## What it may return");
    let mut found = 0;
    for (code, function) in stated.iter().filter(|(code, _)| number(code).is_some()) {
        let constant = function
            .chars()
            .flat_map(|c| {
                if c.is_uppercase() {
                    vec!['_', c]
                } else {
                    vec![c.to_ascii_uppercase()]
                }
            })
            .collect::<String>();
        assert!(effects.contains(&format!("function {function}(")), "{function}");
        assert!(
            effects.contains(&format!(" {constant} = {code};")),
            "{constant} = {code}"
        );
        found += 1;
    }
    assert_eq!(
        found,
        effects.matches("uint8 internal constant ").count() - 3,
        "all but the kinds of keys"
    );
}

/// The opcodes of a list like `00–0b 20`.
fn opcodes(list: &str) -> Vec<u8> {
    let byte = |text: &str| u8::from_str_radix(text, 16).expect("an opcode");
    list.split_whitespace()
        .flat_map(|range| {
            let (first, last) = range.split_once('–').unwrap_or((range, range));
            byte(first)..=byte(last)
        })
        .collect()
}

#[test]
fn each_opcode_is_allowed_or_refused() {
    let spec = read("docs/spec.md");
    let allowed = spec
        .split_once("outside the allow-list `")
        .and_then(|(_, rest)| rest.split_once('`'))
        .expect("the allow-list")
        .0;
    let refused = table(&page(), "## What the scan refuses");
    let all: Vec<_> = refused
        .keys()
        .flat_map(|list| opcodes(list))
        .chain(opcodes(allowed))
        .collect();
    assert_eq!(all.len(), 256, "each once");
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 256, "and every one");
}

#[test]
fn what_it_quotes_is_there() {
    let page = page();
    let sources = [
        ("```toml", read("foundry.toml")),
        ("```solidity", read("test/template/Escrow.sol")),
    ];
    for (fence, source) in sources {
        let quotes: Vec<_> = page
            .split(fence)
            .skip(1)
            .filter_map(|rest| rest.split("```").next())
            .collect();
        assert!(!quotes.is_empty(), "{fence}");
        for line in quotes.iter().flat_map(|quote| quote.lines()) {
            assert!(line.is_empty() || source.lines().any(|there| there == line), "{line}");
        }
    }
}
