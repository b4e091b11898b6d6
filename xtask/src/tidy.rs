//! The documents are true: their links lead somewhere, what they name exists, and their numbers are those of the code.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use clap::CommandFactory;

use crate::{Args, docs, tools::root};

mod audit;
mod guide;
mod properties;
mod spec;

/// Folders that are not ours.
const SKIPPED: [&str; 5] = ["node_modules", "target", "out", "cache", "broadcast"];

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below a folder of the repository whose names end so, as paths from the repository.
fn files(folder: &str, ending: &str) -> Vec<String> {
    fn walk(dir: &Path, ending: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
            let path = entry.expect("a folder that can be read").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && !name.starts_with('.') && !SKIPPED.contains(&name) {
                walk(&path, ending, found);
            } else if path.is_file() && name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), ending, &mut found);
    let mut found: Vec<_> = found
        .iter()
        .map(|path| {
            path.strip_prefix(root())
                .expect("in the repository")
                .display()
                .to_string()
        })
        .map(|path| path.replace('\\', "/"))
        .collect();
    found.sort();
    found
}

fn documents() -> Vec<String> {
    files("", ".md")
}

/// A document without its fenced blocks, and these blocks.
fn fences(text: &str) -> (String, String) {
    let (mut prose, mut code, mut inside) = (String::new(), String::new(), false);
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
            continue;
        }
        let part = if inside { &mut code } else { &mut prose };
        part.push_str(line);
        part.push('\n');
    }
    (prose, code)
}

/// The code spans of a document's prose.
fn spans(prose: &str) -> Vec<&str> {
    prose.split('`').skip(1).step_by(2).collect()
}

/// The names under which the headings of a document can be linked to.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for line in fences(text).0.lines().filter(|line| line.starts_with('#')) {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let slug: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let again = (1..).map(|n| format!("{slug}-{n}"));
        let free = std::iter::once(slug.clone())
            .chain(again)
            .find(|name| !anchors.contains(name));
        anchors.extend(free);
    }
    anchors
}

/// Fails with all that was found wrong.
fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn links_lead_somewhere() {
    let mut wrong = Vec::new();
    for document in documents() {
        let text = read(&document);
        let prose = fences(&text).0;
        for part in prose.split("](").skip(1) {
            let target = match part.strip_prefix('<') {
                Some(part) => part.split('>').next(),
                None => part.split(')').next(),
            };
            let target = target.unwrap_or_default();
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() {
                root().join(&document)
            } else {
                root().join(&document).parent().expect("a file").join(file)
            };
            let found = path.exists()
                && (anchor.is_empty() || fs::read_to_string(&path).is_ok_and(|text| anchors(&text).contains(anchor)));
            if !found {
                wrong.push(format!("{document}: nothing at {target}"));
            }
        }
    }
    none(&wrong);
}

#[test]
fn commands_exist() {
    let xtask = Args::command();
    let nthroot = read("crates/cli/src/main.rs");
    let options = files("crates/cli/src", ".rs").iter().map(read).collect::<String>();
    let subcommands = nthroot
        .split_once("enum Command {")
        .and_then(|(_, rest)| rest.split_once("\n}"))
        .expect("the subcommands of nthroot")
        .0
        .to_lowercase();
    // Options of `nthroot` are fields of the same name; clap adds these two everywhere.
    let everywhere = |option: &str| ["help", "version"].contains(&option);
    let field = |source: &str, option: &str| source.contains(&format!("    {}:", option.replace('-', "_")));
    let has_option = |option: &str| everywhere(option) || field(&options, option);
    let measured = read("crates/bench/src/main.rs");

    let mut wrong = Vec::new();
    for document in documents() {
        let text = read(&document);
        let (prose, code) = fences(&text);
        let typed = spans(&prose).into_iter().chain(code.lines()).map(str::trim);
        for line in typed {
            let known = if let Some(command) = line.strip_prefix("cargo xtask ") {
                let mut words = command.split_whitespace();
                let found = words.next().map(|word| match word.strip_prefix("--") {
                    Some(option) if everywhere(option) => Some(&xtask),
                    _ => xtask.find_subcommand(word),
                });
                found.flatten().is_some_and(|found| {
                    let passed_on = |option: &str| match found.get_name() {
                        "demo" => has_option(option),
                        "bench" => field(&measured, option),
                        _ => false,
                    };
                    let own = |option: &str| found.get_arguments().any(|arg| arg.get_long() == Some(option));
                    words
                        .filter_map(|word| word.strip_prefix("--"))
                        .all(|option| own(option) || everywhere(option) || passed_on(option))
                })
            } else if let Some(command) = line.strip_prefix("nthroot ") {
                let mut words = command.split_whitespace();
                let found = words
                    .next()
                    .is_some_and(|word| word.starts_with("--") || subcommands.contains(&format!("\n    {word}(")));
                found && words.filter_map(|word| word.strip_prefix("--")).all(has_option)
            } else {
                true
            };
            if !known {
                wrong.push(format!("{document}: there is no `{line}`"));
            }
        }
    }
    none(&wrong);
}

#[test]
fn each_attack_that_was_tried_is_in_the_list() {
    let text = read("docs/audit/attacks.md");
    let mut wrong = Vec::new();
    for file in files("test/attack", ".t.sol") {
        let source = read(&file);
        for test in source.split("function test_").skip(1) {
            let name = test.split('(').next().unwrap_or_default();
            if !text.contains(&format!("`{file}::test_{name}`")) {
                wrong.push(format!("docs/audit/attacks.md: says nothing of {file}::test_{name}"));
            }
        }
    }
    none(&wrong);
}

#[test]
fn what_lies_cost_follows_from_the_presets() {
    let value = |preset: &str, key: &str| -> f64 {
        let text = read(format!("deployments/presets/{preset}.toml"));
        let line = text.lines().find(|line| line.starts_with(key));
        let value = line
            .and_then(|line| line.split('"').nth(1))
            .and_then(|value| value.split(' ').next());
        value.and_then(|value| value.parse().ok()).expect("an amount")
    };
    let window = |preset: &str| -> f64 {
        let text = read(format!("deployments/presets/{preset}.toml"));
        let blocks = text.lines().find_map(|line| number(line.strip_prefix("window = ")?));
        blocks
            .expect("a number of blocks")
            .to_string()
            .parse()
            .expect("a number")
    };
    let presets = ["swift", "prudent", "social"];
    let half = presets.map(|preset| value(preset, "min-lock") / 2.0);
    let price = presets.map(|preset| value(preset, "insured-gas-price") * 1e-9);
    let proof = table(&read("docs/gas.md"), "## Proofs and roll-back")
        .get("prove a lie about: 2-party transfer")
        .and_then(|gas| number(gas))
        .expect("the proof of a transfer");
    let proof: f64 = proof.to_string().parse().expect("a number");
    let anchors = price.map(|price| 512.0 * 13_000.0 * price);
    let filled = [0, 1, 2].map(|i| window(presets[i]) * 60e6 * price[i]);
    // To three digits.
    let three = |value: f64| {
        let mut unit = 1.0;
        while value / unit >= 1_000.0 {
            unit *= 10.0;
        }
        (value / unit).round() * unit
    };

    let list = |values: [f64; 3], digits: usize, last: &str| {
        let [a, b, c] = values.map(|value| {
            let value = format!("{value:.digits$}");
            let (whole, rest) = value.split_once('.').unwrap_or((&value, ""));
            let rest = rest.trim_end_matches('0');
            let whole = match whole.len().checked_sub(3) {
                Some(cut @ 1..) => format!("{},{}", &whole[..cut], &whole[cut..]),
                _ => whole.to_owned(),
            };
            if rest.is_empty() {
                whole
            } else {
                format!("{whole}.{rest}")
            }
        });
        format!("{a}, {b} {last} {c}")
    };
    let hour = |values: [f64; 3]| values.map(|value| 300.0 * value);
    let expected = [
        list(half, 2, "and") + " ETH with the three presets",
        list(anchors, 2, "and") + " ETH. Gas is that of",
        list(anchors, 2, "or") + " ETH, and 6 million gas",
        list(hour(anchors), 0, "or") + " ETH |",
        list(hour(half), 0, "or") + " ETH an hour",
        list(hour(half.map(|half| 3.0 * half)), 0, "or") + " ETH an hour | the fifth field",
        list(half.map(|half| 65_540.0 * half), 0, "or") + " ETH |",
        list(
            [0, 1, 2]
                .map(|i| half[i] / proof * 1e9 / 5.0)
                .map(|gwei| gwei.round() * 5.0),
            0,
            "or",
        ) + " gwei for a transfer",
        list(price.map(|price| price * 1e9), 0, "or") + " gwei for the dearest",
        // 60 million gas a block, at the insured price: half a lock pays for the gas of its proof.
        format!("burn {} ETH", list(filled.map(three), 0, "or")),
        format!(
            "where it is, {}",
            list(filled.map(|filled| three(filled / 2.0)), 0, "or")
        ),
    ];
    let text = read("docs/threat-model.md");
    let wrong: Vec<_> = expected.into_iter().filter(|figure| !text.contains(figure)).collect();
    none(&wrong);
}

/// Of a budget the builder gets ten elevenths.
#[test]
fn watchers_are_told_what_the_presets_assume() {
    let text = read("docs/deploying.md");
    for preset in ["swift", "prudent", "social"] {
        let assumed = read(format!("deployments/presets/{preset}.toml"));
        let line = assumed.lines().find_map(|line| line.strip_prefix("budget = \""));
        let assumed: f64 = line
            .and_then(|line| line.split(' ').next()?.parse().ok())
            .expect("ether");
        let budget = format!("| `{preset}` | `budget = \"{:.2}", assumed * 1.1);
        let budget = budget.trim_end_matches('0');
        assert!(
            text.contains(&format!("{budget} ether\"`")),
            "docs/deploying.md lacks {budget}"
        );
    }
}

/// The rows of the table below a heading, by their first two cells.
fn table(text: &str, heading: &str) -> BTreeMap<String, String> {
    let (_, section) = text
        .split_once(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("no {heading}"));
    let section = section.split("\n#").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with('|')).map(|line| {
        let mut cells = line
            .trim_matches('|')
            .split(" | ")
            .map(|cell| cell.trim().trim_matches('`').to_owned());
        (cells.next().unwrap_or_default(), cells.next().unwrap_or_default())
    });
    rows.skip(2).collect()
}

/// The number that a text starts with, written `1,234` or `1_234`.
fn number(text: &str) -> Option<u64> {
    let digits: String = text
        .trim()
        .chars()
        .take_while(|c| c.is_ascii_digit() || matches!(c, ',' | '_'))
        .filter(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

/// The value of a constant in Rust or Solidity: a literal, or the name of another one.
fn constant(source: &str, name: &str) -> Option<u64> {
    let value = source.lines().find_map(|line| {
        let (left, value) = line.split_once(" = ")?;
        let left = left.split(':').next()?;
        (line.contains("const") && left.split_whitespace().last() == Some(name)).then_some(value)
    })?;
    number(value).or_else(|| constant(source, value.trim_end_matches(';')))
}

#[test]
fn limits_are_those_of_the_specification() {
    let spec = table(&read("docs/spec.md"), "## 1. Limits");
    assert_eq!(spec.len(), 18, "all limits were read");
    let limits = read("crates/protocol/src/limits.rs");
    let contracts: Vec<_> = files("contracts", ".sol")
        .into_iter()
        .map(|file| (read(&file), file))
        .collect();
    let mut wrong = Vec::new();
    for (name, value) in &spec {
        let stated = number(value).unwrap_or_else(|| panic!("{name} is {value}"));
        let ids = name == "ids per block";
        let value = |source: &str, name: &str| {
            if ids {
                constant(source, "SEQUENCE_BITS").map(|bits| (1 << bits) - 1)
            } else {
                constant(source, name)
            }
        };
        let coded = value(&limits, name);
        if coded != Some(stated) {
            wrong.push(format!(
                "{name}: {stated} in docs/spec.md, {coded:?} in crates/protocol/src/limits.rs"
            ));
        }
        let name = match name.as_str() {
            "MAX_BATCH_WITHDRAWALS" => "MAX_WITHDRAWALS",
            name => name,
        };
        let mut found = 0;
        for (source, file) in &contracts {
            let coded = value(source, name);
            found += usize::from(coded.is_some());
            if coded.is_some_and(|coded| coded != stated) {
                wrong.push(format!("{name}: {stated} in docs/spec.md, {coded:?} in {file}"));
            }
        }
        // A step's withdrawals are counted in a nibble, which holds no more than their limit.
        if found == 0 && name != "MAX_STEP_WITHDRAWALS" {
            wrong.push(format!("{name}: in no contract"));
        }
    }
    none(&wrong);
}

#[test]
fn proof_gas_is_that_of_the_specification() {
    let spec: BTreeMap<_, _> = table(&read("docs/spec.md"), "### 7.1 Proof gas")
        .into_iter()
        .map(|(name, value)| (name, number(&value).expect("gas")))
        .collect();
    assert_eq!(spec.len(), 14, "all constants were read");

    let source = read("crates/protocol/src/proof_gas.rs");
    let (_, fields) = source
        .split_once("PROOF_GAS: ProofGasTable = ProofGasTable {")
        .expect("the constants");
    let rust: BTreeMap<_, _> = fields
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with('}'))
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.trim().to_uppercase(), number(value).expect("gas")))
        .collect();
    assert_eq!(rust, spec, "crates/protocol/src/proof_gas.rs and docs/spec.md");

    let source = read("contracts/libraries/ProofGas.sol");
    let solidity: BTreeMap<_, _> = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("uint256 internal constant "))
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, value)| (name.to_owned(), number(value).expect("gas")))
        // In the formula of the specification these two are numbers: 64 and 16.
        .filter(|constant| ![("FLOOR_BYTE".to_owned(), 64), ("DATA_BYTE".to_owned(), 16)].contains(constant))
        .collect();
    assert_eq!(solidity, spec, "contracts/libraries/ProofGas.sol and docs/spec.md");
}

#[test]
fn the_costs_in_the_readme_are_the_measured_ones() {
    let page = read("README.md");
    let shown = docs::block(&page, "costs").unwrap();
    let measured = docs::costs(&docs::recorded().unwrap()).unwrap();
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let (shown, measured) = (words(shown), words(&measured));
    let same = shown.len() == measured.len()
        && shown.iter().zip(&measured).all(|(shown, measured)| {
            shown == measured
                || match (number(shown), number(measured)) {
                    (Some(shown), Some(measured)) => docs::close(shown, measured),
                    _ => false,
                }
        });
    assert!(
        same,
        "README.md's costs are not those of docs/demo.json and snapshots/: run `cargo xtask docs` and commit it"
    );
}

#[test]
fn the_output_in_the_readme_is_of_the_measured_run() {
    let page = read("README.md");
    let shown = docs::block(&page, "demo").unwrap();
    let figures = docs::recorded().unwrap();
    let transactions = figures["transactions"].as_array().unwrap();
    let mut wrong = Vec::new();
    let mut lines = 0;
    for line in shown
        .lines()
        .filter(|line| line.contains(" gas ") && line.ends_with(" bytes"))
    {
        lines += 1;
        let known = transactions.iter().any(|transaction| {
            let text = |field: &str| transaction[field].as_str().unwrap_or_default();
            let start = format!("  {:<9} {}", text("actor"), text("what"));
            let numbers: Vec<_> = line
                .strip_prefix(&start)
                .unwrap_or_default()
                .split_whitespace()
                .filter_map(number)
                .collect();
            let measured = ["gas", "calldata"].map(|field| transaction[field].as_u64().unwrap_or_default());
            numbers.len() == 2
                && numbers
                    .iter()
                    .zip(measured)
                    .all(|(shown, measured)| docs::close(*shown, measured))
        });
        if !known {
            wrong.push(format!("README.md: not in docs/demo.json: {line}"));
        }
    }
    assert!(lines > 5, "the transactions are there");
    none(&wrong);
}

#[test]
fn figures_are_the_same_within_half_a_per_cent() {
    for (a, b, same) in [(1000, 1005, true), (1000, 1006, false), (32, 33, false), (0, 0, true)] {
        assert_eq!(docs::close(a, b), same, "{a} {b}");
        assert_eq!(docs::close(b, a), same, "{b} {a}");
    }
    for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
        assert_eq!(docs::thousands(number), text);
    }
}
