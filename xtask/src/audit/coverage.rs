//! What tests reach. Of the contracts: lines and ways of branches, in the code that is deployed, by the tests of cargo, which run it in
//! an EVM in this process. (forge measures coverage in code that it compiles for that, without the optimizer: 27 tests fail there for
//! want of gas, and it finds neither bridge nor verifier.) Of the crates: lines, by cargo-tarpaulin.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use eyre::{Result, ensure};
use nthroot_report::{Figure, Section, Table};

use super::{
    Outcome, bytecode, folder, follow, lcov,
    lcov::Lines,
    srcmap::{Compiled, JUMPI, Range, Seen, recorded},
    toolbox,
};
use crate::{
    artifacts,
    tally::Tally,
    tools::{anvil, cargo, root},
};

/// Declarations of which each has a body: an instruction that belongs to all of one belongs to no line.
const WHOLES: [&str; 7] = [
    "contract ",
    "library ",
    "abstract ",
    "function ",
    "modifier ",
    "constructor",
    "interface ",
];

/// Of a file of Solidity.
#[derive(Default)]
struct Reached {
    lines: Lines,
    /// Ways of its branches, and those that were taken.
    ways: BTreeSet<(usize, usize, bool)>,
    taken: BTreeSet<(usize, usize, bool)>,
}

/// Crates whose tests are run, and whose lines count: codec, model, and the contracts beside it. Of the others a small part runs on the
/// way.
const MEASURED: [&str; 3] = ["protocol", "model", "evm"];

pub(super) fn run(install: bool) -> Result<Outcome> {
    let (contracts, files) = contracts()?;
    let mut section = Section::new("coverage", "What do tests reach?");
    section.text = vec![
        "Contracts: in the deployed code, by the tests of cargo alone; forge's tests come on top and are not counted. A line counts if an \
         instruction stands for it, in whichever contract; a way is one outcome of a conditional jump."
            .to_owned(),
    ];
    let (reached, all) = sum(&files);
    let mut remark = format!("contracts: {reached} of {all} lines");
    section.figures = vec![Figure::Table(contracts), Figure::Table(by_file(&files))];
    match crates(install)? {
        Ok(table) => {
            remark += "; crates";
            section.figures.push(Figure::Table(table));
        }
        Err(why) => {
            section.text.push(format!("Crates: not measured, {why}"));
            remark += &format!("; no crates: {why}");
        }
    }
    let mut tally = Tally::default();
    tally.check(reached > 0);
    Ok(Outcome::Measured(tally, remark, section))
}

/// Runs the tests that execute contracts, and says by contract and by file what ran.
fn contracts() -> Result<(Table, BTreeMap<String, Reached>)> {
    let records = folder().join("coverage/contracts");
    if records.exists() {
        fs::remove_dir_all(&records)?;
    }
    let mut test = cargo([
        "test",
        "--quiet",
        "--package",
        "nthroot-evm",
        "--package",
        "nthroot-fuzz",
    ]);
    let tally = follow(test.env("NTHROOT_COVERAGE", &records).env("ANVIL", anvil()?))?;
    ensure!(tally.failed == 0, "tests fail, so what they reach says little");
    mapped(&records, &bytecode::compile()?)
}

/// Maps records to contracts and files.
fn mapped(records: &Path, out: &Path) -> Result<(Table, BTreeMap<String, Reached>)> {
    let compiled = compiled(out)?;
    let mut seen: Vec<Seen> = compiled.iter().map(|_| Seen::default()).collect();
    for file in fs::read_dir(records)? {
        for (code, ran) in recorded(&fs::read_to_string(file?.path())?)? {
            if let Some(place) = compiled.iter().position(|compiled| compiled.is(&code)) {
                seen[place].merge(ran);
            }
        }
    }
    let mut table = Table::new(
        "contracts",
        "The deployed code of each contract",
        &[
            ("contract", ""),
            ("executed", "instructions"),
            ("of", "instructions"),
            ("ways taken", "ways"),
            ("of", "ways"),
        ],
    );
    let mut files: BTreeMap<String, Reached> = BTreeMap::new();
    let mut texts = BTreeMap::new();
    for (compiled, seen) in compiled.iter().zip(&seen) {
        let jumps: Vec<usize> = compiled
            .sources
            .keys()
            .copied()
            .filter(|at| compiled.opcode(*at) == JUMPI)
            .collect();
        table.row([
            compiled.name.as_str().into(),
            count(seen.executed.len()).into(),
            count(compiled.sources.len()).into(),
            count(seen.taken.len() + seen.passed.len()).into(),
            count(2 * jumps.len()).into(),
        ]);
        for (at, range) in &compiled.sources {
            let Some((file, first, length)) = range else { continue };
            let Some(line) = line_of(range, &mut texts)? else {
                continue;
            };
            let reached = files.entry(file.clone()).or_default();
            reached.lines.all.insert(line);
            if seen.executed.contains(at) {
                reached.lines.hit.insert(line);
            }
            if compiled.opcode(*at) == JUMPI {
                for (way, taken) in [(true, &seen.taken), (false, &seen.passed)] {
                    reached.ways.insert((*first, *length, way));
                    if taken.contains(at) {
                        reached.taken.insert((*first, *length, way));
                    }
                }
            }
        }
    }
    Ok((table, files))
}

/// The line, from 1, of what begins in one of ours; None if it is all of a declaration, or another's.
fn line_of(range: &Option<Range>, texts: &mut BTreeMap<String, String>) -> Result<Option<u32>> {
    let Some((file, first, length)) = range.as_ref().filter(|(file, ..)| file.starts_with("contracts/")) else {
        return Ok(None);
    };
    if !texts.contains_key(file) {
        texts.insert(file.clone(), fs::read_to_string(root().join(file))?);
    }
    let text = &texts[file];
    let (Some(before), Some(piece)) = (text.get(..*first), text.get(*first..first + length)) else {
        return Ok(None);
    };
    if WHOLES.iter().any(|whole| piece.starts_with(whole)) {
        return Ok(None);
    }
    Ok(u32::try_from(before.matches('\n').count() + 1).ok())
}

fn compiled(out: &Path) -> Result<Vec<Compiled>> {
    let mut files = BTreeMap::new();
    for folder in fs::read_dir(out)?
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_dir())
    {
        for file in fs::read_dir(folder.path())? {
            let artifact: serde_json::Value = serde_json::from_slice(&fs::read(file?.path())?)?;
            let targets = artifact["metadata"]["settings"]["compilationTarget"].as_object();
            let path = targets.and_then(|targets| targets.keys().next());
            if let (Some(number), Some(path)) = (artifact["id"].as_i64(), path) {
                files.insert(number, path.clone());
            }
        }
    }
    let artifacts = artifacts::compiled_in("contracts", out)?;
    artifacts
        .iter()
        .map(|(name, artifact)| Compiled::of(name, artifact, &files))
        .collect()
}

fn by_file(files: &BTreeMap<String, Reached>) -> Table {
    let mut table = Table::new(
        "files",
        "Lines and ways, by file",
        &[
            ("file", ""),
            ("lines reached", "%"),
            ("of", "lines"),
            ("ways taken", "%"),
            ("of", "ways"),
            ("lines not reached", ""),
        ],
    );
    for (file, reached) in files {
        let missed: Vec<u32> = reached.lines.all.difference(&reached.lines.hit).copied().collect();
        table.row([
            file.as_str().into(),
            percent(reached.lines.hit.len(), reached.lines.all.len()).into(),
            count(reached.lines.all.len()).into(),
            percent(reached.taken.len(), reached.ways.len()).into(),
            count(reached.ways.len()).into(),
            runs(&missed).into(),
        ]);
    }
    table
}

fn sum(files: &BTreeMap<String, Reached>) -> (usize, usize) {
    let add =
        |(hit, all): (usize, usize), reached: &Reached| (hit + reached.lines.hit.len(), all + reached.lines.all.len());
    files.values().fold((0, 0), add)
}

/// Lines of the crates that carry the protocol, by all their tests; or why not.
fn crates(install: bool) -> Result<Result<Table, String>> {
    if let Err(why) = toolbox::TARPAULIN.is_there(install)? {
        return Ok(Err(why));
    }
    let home = folder().join("coverage/crates");
    fs::create_dir_all(&home)?;
    let mut tarpaulin = toolbox::TARPAULIN.command();
    tarpaulin
        .args(["--engine", "llvm", "--skip-clean", "--out", "Lcov", "--timeout", "600"])
        .args(MEASURED.map(|name| format!("--package=nthroot-{name}")))
        .args(["--exclude-files", "crates/*/tests/*"])
        .arg("--output-dir")
        .arg(&home)
        .arg("--target-dir")
        .arg(home.join("build"))
        .env("ANVIL", anvil()?);
    let ran = follow(&mut tarpaulin)?;
    let file: PathBuf = home.join("lcov.info");
    if ran.failed != 0 || !file.exists() {
        return Ok(Err("cargo-tarpaulin ended without a result".to_owned()));
    }
    Ok(Ok(by_crate(&lcov::read(&fs::read_to_string(file)?))))
}

/// Sums up by crate.
fn by_crate(files: &BTreeMap<String, Lines>) -> Table {
    let mut table = Table::new(
        "crates",
        "Lines of what judges a step, by the tests of these crates",
        &[("crate", ""), ("lines reached", "%"), ("of", "lines")],
    );
    let mut crates: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (file, lines) in files {
        let Some((_, path)) = file.split_once("crates/") else {
            continue;
        };
        let Some((name, rest)) = path.split_once('/') else {
            continue;
        };
        if MEASURED.contains(&name) && rest.starts_with("src/") {
            let (hit, all) = crates.entry(name).or_default();
            *hit += lines.hit.len();
            *all += lines.all.len();
        }
    }
    for (name, (hit, all)) in crates {
        table.row([name.into(), percent(hit, all).into(), count(all).into()]);
    }
    table
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Of nothing, all.
fn percent(part: usize, all: usize) -> f64 {
    if all == 0 {
        return 100.0;
    }
    (1_000.0 * part as f64 / all as f64).round() / 10.0
}

/// `3, 5-7`.
fn runs(lines: &[u32]) -> String {
    let mut found: Vec<(u32, u32)> = Vec::new();
    for line in lines {
        match found.last_mut() {
            Some((_, last)) if *last + 1 == *line => *last = *line,
            _ => found.push((*line, *line)),
        }
    }
    let shown = found.iter().map(|(first, last)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    });
    shown.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_as_runs() {
        assert_eq!(runs(&[3, 5, 6, 7, 9]), "3, 5-7, 9");
        assert_eq!(runs(&[]), "");
    }

    #[test]
    fn only_sources_of_crates_count() {
        let lines = |all: &[u32], hit: &[u32]| Lines {
            all: all.iter().copied().collect(),
            hit: hit.iter().copied().collect(),
        };
        let files = BTreeMap::from([
            ("/x/crates/model/src/a.rs".to_owned(), lines(&[1, 2], &[1])),
            ("crates/model/src/b.rs".to_owned(), lines(&[1, 2], &[1, 2])),
            ("crates/model/tests/c.rs".to_owned(), lines(&[1], &[])),
            ("crates/node/src/d.rs".to_owned(), lines(&[1], &[1])),
        ]);
        let table = by_crate(&files);
        assert_eq!(table.rows, [vec!["model".into(), 75.0.into(), 4_u64.into()]]);
    }

    #[test]
    fn what_belongs_to_a_whole_declaration_has_no_line() {
        let mut texts = BTreeMap::from([(
            "contracts/A.sol".to_owned(),
            "contract A {\n    function f() external {\n        g();\n    }\n}\n".to_owned(),
        )]);
        let mut line =
            |first, length| line_of(&Some(("contracts/A.sol".to_owned(), first, length)), &mut texts).unwrap();
        assert_eq!(line(0, 60), None);
        assert_eq!(line(17, 20), None);
        assert_eq!(line(49, 3), Some(3));
        assert_eq!(line(400, 3), None);
    }
}
