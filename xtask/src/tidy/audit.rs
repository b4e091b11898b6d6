//! docs/auditing.md names every contract with its length, and every document of earlier audits.

use std::collections::BTreeSet;

use super::{files, none, number, read};
use crate::tools::root;

const PAGE: &str = "docs/auditing.md";

/// Per cent by which a length may differ from what is stated: the page says how long reading takes, not what to the line.
const TOLERANCE: usize = 10;

/// Lines of a file, or of all sources below a folder.
fn lines(path: &str) -> Option<usize> {
    let count = |file: &str| read(file).lines().count();
    if root().join(path).is_file() {
        return Some(count(path));
    }
    let found = [".sol", ".rs", ".py"].map(|ending| files(path, ending)).concat();
    (!found.is_empty()).then(|| found.iter().map(|file| count(file)).sum())
}

/// Rows of the page's tables whose second cell is a number: paths and lines. A path is a link or a code span.
fn stated(page: &str) -> Vec<(String, usize)> {
    let rows = page.lines().filter(|line| line.starts_with('|')).filter_map(|line| {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let (path, stated) = (cells.next()?, number(cells.next()?)?);
        let path = match path.split_once("](") {
            Some((_, link)) => link.trim_end_matches(')').trim_start_matches("../").to_owned(),
            None => path.trim_matches('`').to_owned(),
        };
        Some((path, usize::try_from(stated).ok()?))
    });
    rows.collect()
}

#[test]
fn lengths_are_near_those_of_the_files() {
    let mut wrong = Vec::new();
    for (path, stated) in stated(&read(PAGE)) {
        // Links to other pages of docs/ stand without their folder.
        let found = lines(&path).or_else(|| lines(&format!("docs/{path}")));
        let near = found.is_some_and(|found| found.abs_diff(stated) * 100 <= stated * TOLERANCE);
        if !near {
            wrong.push(format!("{PAGE}: {path} has {found:?} lines, not {stated}"));
        }
    }
    none(&wrong);
}

#[test]
fn every_contract_is_in_the_order_of_reading() {
    let page = read(PAGE);
    let listed: BTreeSet<_> = stated(&page).into_iter().map(|(path, _)| path).collect();
    let mut wrong = Vec::new();
    for file in files("contracts", ".sol") {
        // A folder of small ones may stand for them.
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        if !listed.contains(&file) && !listed.contains(folder) {
            wrong.push(format!("{PAGE}: {file} is not in the order of reading"));
        }
    }
    none(&wrong);
}

#[test]
fn every_document_of_an_earlier_audit_is_listed() {
    let page = read(PAGE);
    let documents = files("docs/audit", ".md");
    let missing = documents.iter().map(|file| file.trim_start_matches("docs/"));
    let missing: Vec<_> = missing.filter(|file| !page.contains(&format!("]({file})"))).collect();
    assert!(!documents.is_empty() && missing.is_empty(), "{PAGE}: does not list {missing:?}");
}
