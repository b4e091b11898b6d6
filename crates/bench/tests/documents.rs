//! `docs/gas.md` says what is measured: tables that do not depend on chance or on the machine are measured again.

use std::path::{Path, PathBuf};

use nthroot_bench::{
    Options, cost, record,
    report::{Cell, Section, Table},
    spectrum, window,
};

/// By how much a figure may differ: keys, and with them zero bytes, are the same in each run, but recorded figures are rounded.
const TOLERANCE: f64 = 0.005;

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/gas.md")
}

/// The cells of each row of a table in Markdown.
fn rows(markdown: &str) -> Vec<Vec<String>> {
    let lines = markdown.lines().skip(2);
    lines
        .map(|line| {
            line.trim_matches('|')
                .split('|')
                .map(|cell| cell.trim().to_owned())
                .collect()
        })
        .collect()
}

/// A cell of the page as a number.
fn number(cell: &str) -> Option<f64> {
    cell.replace(',', "").replace('−', "-").parse().ok()
}

fn agrees(recorded: &str, measured: &Cell) -> bool {
    let close =
        |value: f64| number(recorded).is_some_and(|found| (found - value).abs() <= TOLERANCE * value.abs().max(1e-12));
    match measured {
        Cell::Text(text) => recorded == text,
        Cell::Count(count) => close(f64::from(u32::try_from(*count).expect("small"))),
        Cell::Number(value) => close(*value),
        Cell::None => recorded == "–",
    }
}

/// Rows that are measured in a short run too are the same as recorded. What names a row is its text.
fn compare(table: &Table, recorded: &str, name: &str) -> usize {
    let recorded = rows(recorded);
    let mut compared = 0;
    for row in &table.rows {
        let is_same = |found: &&Vec<String>| {
            found.len() == row.len()
                && found.iter().zip(row).all(|(found, cell)| match cell {
                    Cell::Text(text) => found == text,
                    _ => true,
                })
        };
        let mut candidates = recorded.iter().filter(is_same).peekable();
        if candidates.peek().is_none() {
            continue;
        }
        let known = candidates.any(|found| found.iter().zip(row).all(|(found, cell)| agrees(found, cell)));
        assert!(
            known,
            "{name}: {row:?} is not what docs/gas.md says: run `cargo xtask bench --record docs/gas.md`"
        );
        compared += 1;
    }
    compared
}

fn hold(section: &Section) {
    let text = std::fs::read_to_string(page()).expect("docs/gas.md");
    let tables = record::tables(&text).expect("markers");
    let mut shown = 0;
    for table in section.tables() {
        let name = format!("{}-{}", section.id, table.id);
        if let Some(recorded) = tables.get(name.as_str()) {
            shown += 1;
            let compared = compare(table, recorded, &name);
            assert!(
                2 * compared >= table.rows.len(),
                "{name}: {compared} of {} rows are on the page",
                table.rows.len()
            );
        }
    }
    assert!(shown > 0, "the page shows no table of {}", section.id);
}

const OPTIONS: Options = Options { quick: true, seed: 1 };

#[test]
fn costs_are_those_of_the_page() {
    hold(&cost::section(&OPTIONS).expect("measured"));
}

#[test]
fn the_spectrum_is_that_of_the_page() {
    hold(&spectrum::section(&OPTIONS));
}

#[test]
fn windows_are_those_of_the_page() {
    hold(&window::section(&OPTIONS).expect("computed"));
}

/// Each picture that the page shows is there, and each marker names a section.
#[test]
fn the_page_is_whole() {
    let text = std::fs::read_to_string(page()).expect("docs/gas.md");
    for picture in record::pictures(&text) {
        assert!(
            page().with_file_name("").join(picture).is_file(),
            "docs/{picture} is missing"
        );
    }
    for (name, table) in record::tables(&text).expect("markers") {
        assert!(!rows(table).is_empty(), "{name} is empty");
    }
}
