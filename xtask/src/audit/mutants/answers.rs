//! The mutants that no test kills, and why that is right: a table that is committed.

use std::{collections::BTreeSet, fs};

use eyre::Result;

use super::list::Mutant;
use crate::tools::root;

/// The answers.
pub(super) const PAGE: &str = "docs/audit/mutants.md";

/// A row of the table: file, function, the line's text, the change.
pub(super) type Row = [String; 4];

/// The row that explains this mutant. Lines that repeat in one function share it.
pub(super) fn row(mutant: &Mutant) -> Row {
    [
        format!("`{}`", mutant.file.trim_start_matches("contracts/")),
        format!("`{}`", mutant.within),
        format!("`{}`", mutant.text.replace('|', "¦")),
        mutant.change(),
    ]
}

/// The committed rows that have an explanation.
pub(super) fn committed() -> Result<BTreeSet<Row>> {
    Ok(rows(&fs::read_to_string(root().join(PAGE))?))
}

/// `| file | function | line | mutation | why |`, of which the first two are in backquotes; without a reason it is none.
fn rows(page: &str) -> BTreeSet<Row> {
    page.lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line
                .strip_prefix('|')?
                .strip_suffix('|')?
                .split('|')
                .map(str::trim)
                .collect();
            let [file, within, text, change, why] = cells[..] else {
                return None;
            };
            (file.ends_with(".sol`") && within.starts_with('`') && !why.is_empty())
                .then(|| [file, within, text, change].map(str::to_owned))
        })
        .collect()
}

/// The committed explanations of the model's mutants: `| mutant | why |`.
pub(super) fn of_model() -> Result<BTreeSet<String>> {
    Ok(model_rows(&fs::read_to_string(root().join(PAGE))?))
}

fn model_rows(page: &str) -> BTreeSet<String> {
    let cells = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `crates/")?.strip_suffix(" |")?.split_once("` | "));
    cells
        .filter(|(_, why)| !why.trim().is_empty())
        .map(|(mutant, _)| format!("crates/{mutant}").replace('¦', "|"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_with_a_reason_are_answers() {
        let page = "| file | within | line | mutation | why |\n| --- | --- | --- | --- | --- |\n\
                    | `A.sol` | `f` | `a + b` | `+` → `-` | equal |\n| `A.sol` | `f` | `b` | `c` → `d` | |\n| `A.sol` | 9 | 8 | 1 | 0 |\n";
        let row = ["`A.sol`", "`f`", "`a + b`", "`+` → `-`"].map(str::to_owned);
        assert_eq!(rows(page), BTreeSet::from([row]));
    }

    #[test]
    fn so_are_those_of_the_model() {
        let page = "| `crates/a.rs: replace && with ¦¦ in f` | equal |\n| `crates/b.rs: replace + with -` |  |\n| `A.sol` | x |\n";
        assert_eq!(
            model_rows(page),
            BTreeSet::from(["crates/a.rs: replace && with || in f".to_owned()])
        );
    }

    /// The short version of what the audit does: an answer to a line that is gone would hide nothing, but mislead.
    #[test]
    fn each_answer_is_about_a_line_that_exists() {
        for [file, within, text, change] in committed().unwrap() {
            let path = root().join("contracts").join(file.trim_matches('`'));
            let source = fs::read_to_string(&path).unwrap();
            let line = text.trim_matches('`');
            assert!(
                source.lines().any(|found| found.trim().replace('|', "¦") == line),
                "{file} has no line {text} any more; {change}"
            );
            let name = within.trim_matches('`');
            assert!(source.contains(name), "{file} has no {name}");
        }
    }
}
