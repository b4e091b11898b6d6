//! The figures that the documents state: taken from a run of the demonstration and from `snapshots/`, never typed.
//!
//! `docs/demo.json` holds what the demonstration measured. `README.md` shows it, between markers: a table of costs against
//! their aims, and what the demonstration prints. `docs/writing-a-rule.md` shows in the same way what a rule costs.

use std::{
    collections::BTreeMap,
    fs,
    process::{Command, Stdio},
};

use eyre::{Context, OptionExt, Result, ensure, eyre};
use serde_json::{Value, json};

use crate::{
    tally::Tally,
    tools::{anvil, cargo, describe, forge, root, run},
};

/// What the demonstration measured when it was last recorded.
const FIGURES: &str = "docs/demo.json";
/// The page that shows it.
const PAGE: &str = "README.md";

/// Per mille by which a figure may differ from the one recorded: block hashes and addresses are part of the data, and a zero
/// byte in them is cheaper than another.
const TOLERANCE: u64 = 5;

/// The part of the demonstration's output that the page shows: from the first of these acts up to the second.
const SHOWN: [&str; 2] = ["Deposits:", "Measurements:"];

/// Figures of `snapshots/` that have an aim: file, name there, name in the table, aim, all of them gas.
const SNAPSHOTS: [(&str, &str, &str, u64); 13] = [
    (
        "challenger",
        "fraud proof of a transfer, batch of 1,000 steps",
        "Fraud proof, two parties in 1,000 steps, slashing only",
        120_000,
    ),
    ("challenger", "unwinding, per anchor", "Unwinding, per anchor", 5_800),
    (
        "user",
        "claim ETH from a batch of 1,000 steps",
        "ETH claim out of a batch of 1,000 steps",
        52_000,
    ),
    (
        "worst proofs",
        "a loop up to the ceiling",
        "Fraud proof, the dearest that we could construct",
        12_500_000,
    ),
    (
        "worst steps",
        "a loop to the ceiling, gas Amsterdam",
        "The same under the schedule planned for Glamsterdam",
        12_500_000,
    ),
    (
        "proofs",
        "swap of 4 tokens, gas Osaka",
        "Fraud proof, four users who swap four tokens, in 1,000 steps",
        200_000,
    ),
    (
        "rule proofs",
        "a lie about: 4 users swap 4 tokens in a ring, gas Osaka",
        "Fraud proof, four users who swap four tokens by the Swap rule, in 1,000 steps",
        200_000,
    ),
    (
        "swap updates",
        "one more ring of 8 users with 8 tokens, a user root without the body, gas Osaka",
        "One more user root of a swap of 8 users and 8 tokens, its body apart",
        6_000,
    ),
    (
        "proofs",
        "transfer to a neighbour, gas Osaka",
        "Fraud proof, two neighbours in a cohort of depth 20",
        150_000,
    ),
    (
        "proofs",
        "transfer in a cohort, gas Osaka",
        "The same, two members far from each other",
        150_000,
    ),
    (
        "proofs",
        "swap of 4 tokens in a cohort, gas Osaka",
        "Fraud proof, the swap by four members far from each other",
        270_000,
    ),
    (
        "proofs",
        "registering a rule of 6 KB, beside its deployment, gas Osaka",
        "Registering a rule of 6 KB, beside its deployment",
        160_000,
    ),
    (
        "proofs",
        "registering a rule of 24 KB, beside its deployment, gas Osaka",
        "Registering a rule of 24 KB, beside its deployment",
        460_000,
    ),
];

/// The page for authors of rules, and the snapshot of the template that it shows.
pub(crate) const GUIDE: &str = "docs/writing-a-rule.md";
const TEMPLATE: &str = "snapshots/rule template.json";

/// Figures of each operation of the template: in the page's table, and in the snapshot.
const TEMPLATE_ROWS: [(&str, &str); 14] = [
    ("least gas of the rule", "gas of the rule"),
    ("longest effects, bytes", "effects, bytes"),
    ("E", "E"),
    ("S", "S"),
    ("P", "P"),
    (
        "step: `EVAL_BASE`, `EVAL_BYTE` · S, its fragments, nodes of what it opens",
        "evaluation of the step",
    ),
    ("call: `CALL_BASE`, its fragments", "call and its fragments"),
    ("+ twice the rule's gas", "committed gas"),
    ("+ `AUTH`, `AUTH_OUTFLOW`", "signature and outflow"),
    ("+ `PASS_BYTE` · (P + effects)", "states and effects passed"),
    ("+ `EFFECT_BYTE` · effects", "effects applied"),
    ("= evaluation", "evaluation"),
    (
        "**proof gas**: `TX_BASE` + (16 + `OPEN_BYTE`) · E + evaluation",
        "proof gas",
    ),
    ("a challenge, as measured", "measured proof"),
];

/// The forge tests that measure gas: all of them together write or compare all that is theirs in `snapshots/`.
fn gas_tests() -> Result<Command> {
    let mut test = forge()?;
    test.args(["test", "--match-path", "test/{gas,template}/*"]);
    Ok(test)
}

/// Compares what gas costs with `snapshots/`.
pub(crate) fn check_gas() -> Result<Tally> {
    let mut test = gas_tests()?;
    test.env("FORGE_SNAPSHOT_CHECK", "true")
        .env("FORGE_SNAPSHOT_EMIT", "false");
    let same = run(&mut test).is_ok();
    if !same {
        println!("gas differs from snapshots/: run `cargo xtask docs` and commit it");
    }
    let mut tally = Tally::default();
    tally.check(same);
    Ok(tally)
}

/// Measures gas anew, and writes it to `snapshots/` and to what `nthroot advise` counts with.
fn refresh_gas() -> Result<()> {
    run(&mut gas_tests()?)?;
    let mut worst = cargo([
        "test",
        "--quiet",
        "--package",
        "nthroot-evm",
        "--test",
        "proofs",
        "--test",
        "apps",
        "--test",
        "worst",
    ]);
    run(worst.env("NTHROOT_SNAPSHOTS", "1").env("ANVIL", anvil()?))?;
    let mut spectrum = cargo(["test", "--quiet", "--package", "nthroot-bench", "--test", "spectrum"]);
    run(spectrum
        .arg("the_committed_figures_are_those_that_are_measured")
        .env("NTHROOT_SNAPSHOTS", "1"))
}

/// Measures gas, runs the demonstration, and writes what they say to `snapshots/`, [`FIGURES`] and [`PAGE`].
pub(crate) fn refresh() -> Result<()> {
    refresh_gas()?;
    let figures = measure()?;
    fs::write(root().join(FIGURES), serde_json::to_string_pretty(&figures)? + "\n")?;
    let path = root().join(PAGE);
    let page = fs::read_to_string(&path)?;
    let page = with_block(&page, "costs", &costs(&figures)?)?;
    let page = with_block(&page, "demo", &format!("```text\n{}\n```", shown(&demo(&[])?)?))?;
    fs::write(path, page)?;
    let path = root().join(GUIDE);
    let page = fs::read_to_string(&path)?;
    fs::write(path, with_block(&page, "template", &template()?)?)?;
    println!("wrote snapshots/, {FIGURES}, {PAGE} and {GUIDE}");
    Ok(())
}

/// Runs the demonstration, and compares its figures with those in [`FIGURES`].
pub(crate) fn check() -> Result<Tally> {
    let (found, recorded) = (flat(&measure()?), flat(&recorded()?));
    let mut names: Vec<_> = found.keys().chain(recorded.keys()).collect();
    names.sort();
    names.dedup();
    let mut tally = Tally::default();
    for name in names {
        let same = match (found.get(name), recorded.get(name)) {
            (Some(found), Some(recorded)) => close(*found, *recorded),
            _ => false,
        };
        if !same {
            let show = |number: Option<&u64>| number.map_or_else(|| "nothing".to_owned(), |number| thousands(*number));
            let [found, recorded] = [found.get(name), recorded.get(name)].map(show);
            println!("{name}: measured {found}, recorded {recorded}: run `cargo xtask docs` and commit it");
        }
        tally.check(same);
    }
    Ok(tally)
}

/// What the demonstration measured when it was last recorded.
pub(crate) fn recorded() -> Result<Value> {
    let path = root().join(FIGURES);
    let text = fs::read_to_string(&path).wrap_err_with(|| format!("no {FIGURES}: `cargo xtask docs` writes it"))?;
    Ok(serde_json::from_str(&text)?)
}

/// What the demonstration prints. Fails if one of its statements does not hold.
fn demo(options: &[&str]) -> Result<String> {
    let mut command = cargo(["run", "--quiet", "--package", "nthroot-cli", "--", "demo"]);
    command.args(options).env("ANVIL", anvil()?).current_dir(root());
    let output = command.stderr(Stdio::inherit()).output().wrap_err("no cargo")?;
    ensure!(
        output.status.success(),
        "`{}` failed: {}",
        describe(&command),
        output.status
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// The figures of a run: all that would be the same in the next one.
fn measure() -> Result<Value> {
    let report: Value = serde_json::from_str(&demo(&["--json"])?)?;
    let list = |value: &Value| {
        value
            .as_array()
            .cloned()
            .ok_or_eyre("the demonstration's report lacks a list")
    };
    let mut transactions = Vec::new();
    for act in list(&report["acts"])? {
        for line in list(&act["lines"])? {
            if line["kind"] == "transaction" {
                transactions.push(pick(&line, &["actor", "what", "gas", "calldata"]));
            }
        }
    }
    let batches: Vec<_> = list(&report["batches"])?
        .iter()
        .map(|batch| pick(batch, &["transfers", "gas", "calldata"]))
        .collect();
    let targets: Vec<_> = list(&report["targets"])?
        .iter()
        .map(|target| pick(target, &["what", "unit", "measured", "target"]))
        .collect();
    Ok(json!({
        "transactions": transactions,
        "batches": batches,
        "targets": targets,
        "blocks_to_finality": report["blocks_to_finality"],
        "checks": report["checks"],
    }))
}

fn pick(value: &Value, fields: &[&str]) -> Value {
    fields
        .iter()
        .map(|field| ((*field).to_owned(), value[field].clone()))
        .collect()
}

/// All numbers of a document, under names that people recognise.
fn flat(value: &Value) -> BTreeMap<String, u64> {
    fn walk(name: &str, value: &Value, numbers: &mut BTreeMap<String, u64>) {
        match value {
            Value::Number(number) => {
                numbers.insert(name.to_owned(), number.as_u64().unwrap_or(u64::MAX));
            }
            Value::Array(items) => {
                for (place, item) in items.iter().enumerate() {
                    let words = ["actor", "what"].map(|field| item[field].as_str().unwrap_or_default());
                    walk(&format!("{name} {place} {}", words.join(" ")), item, numbers);
                }
            }
            Value::Object(fields) => {
                for (field, value) in fields {
                    walk(&format!("{name} {field}"), value, numbers);
                }
            }
            _ => {}
        }
    }
    let mut numbers = BTreeMap::new();
    walk("demo:", value, &mut numbers);
    numbers
}

/// The table of costs: the recorded figures and those of `snapshots/`, beside their aims.
pub(crate) fn costs(figures: &Value) -> Result<String> {
    let mut rows = Vec::new();
    let mut row = |what: &str, unit: &str, measured: u64, aim: u64, source: &str| {
        let verdict = if measured <= aim { "met" } else { "**missed**" };
        let [measured, aim] = [measured, aim].map(thousands);
        rows.push(format!(
            "| {what} | {measured} {unit} | ≤ {aim} | {verdict} | {source} |"
        ));
    };
    for target in figures["targets"].as_array().ok_or_eyre("no targets")? {
        let text = |field: &str| target[field].as_str().ok_or_eyre("a target without text");
        let number = |field: &str| target[field].as_u64().ok_or_eyre("a target without number");
        row(
            text("what")?,
            text("unit")?,
            number("measured")?,
            number("target")?,
            "demo",
        );
    }
    for (file, name, what, aim) in SNAPSHOTS {
        let path = format!("snapshots/{file}.json");
        let measured = snapshot(&path, name)?;
        row(what, "gas", measured, aim, &format!("[{file}](<{path}>)"));
    }
    let head = "| what | measured | aim | | source |\n| --- | ---: | ---: | --- | --- |";
    Ok(format!("{head}\n{}", rows.join("\n")))
}

/// A figure of a snapshot.
fn snapshot(path: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(root().join(path)).wrap_err_with(|| path.to_owned())?;
    let snapshot: Value = serde_json::from_str(&text)?;
    let number = snapshot[name].as_str().and_then(|number| number.parse().ok());
    number.ok_or_else(|| eyre!("{path} has no {name:?}"))
}

/// What the template of a rule costs.
pub(crate) fn template() -> Result<String> {
    let figure = |name: &str| Ok::<_, eyre::Report>(thousands(snapshot(TEMPLATE, name)?));
    let mut lines = vec!["| | open | pay | refund |\n| --- | ---: | ---: | ---: |".to_owned()];
    for (what, name) in TEMPLATE_ROWS {
        let [open, pay, refund] = ["open", "pay", "refund"].map(|operation| figure(&format!("{operation}, {name}")));
        lines.push(format!("| {what} | {} | {} | {} |", open?, pay?, refund?));
    }
    let [gas, size] = ["gas", "bytes of runtime"].map(|name| figure(&format!("register, {name}")));
    lines.push(format!(
        "\nRegistering it takes {} gas, for {} bytes of runtime.",
        gas?, size?
    ));
    Ok(lines.join("\n"))
}

/// The part of the output that the page shows, and the last line.
fn shown(output: &str) -> Result<String> {
    let lacks = |act: &str| eyre!("the demonstration has no act {act:?}");
    let [start, end] = SHOWN.map(|act| output.find(&format!("\n{act}")).ok_or_else(|| lacks(act)));
    let story = output.get(start?..end?).ok_or_eyre("acts out of order")?.trim();
    let last = output.trim().lines().last().unwrap_or_default();
    Ok(format!("{story}\n\n…\n\n{last}"))
}

/// The text between the two markers of that name.
pub(crate) fn block<'a>(page: &'a str, name: &str) -> Result<&'a str> {
    let (start, end) = (
        format!("<!-- {name}: written by `cargo xtask docs` -->"),
        format!("<!-- end of {name} -->"),
    );
    let block = page.split_once(&start).and_then(|(_, rest)| rest.split_once(&end));
    Ok(block
        .ok_or_else(|| eyre!("a page lacks the markers {start} and {end}"))?
        .0)
}

fn with_block(page: &str, name: &str, text: &str) -> Result<String> {
    let old = block(page, name)?;
    let start = old.as_ptr() as usize - page.as_ptr() as usize;
    let (before, after) = (&page[..start], &page[start + old.len()..]);
    Ok(format!("{before}\n\n{text}\n\n{after}"))
}

/// Whether two figures are the same but for chance.
pub(crate) fn close(a: u64, b: u64) -> bool {
    a.abs_diff(b).saturating_mul(1000) <= a.min(b).saturating_mul(TOLERANCE)
}

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(String::from_utf8_lossy)
        .collect();
    groups.join(",")
}
