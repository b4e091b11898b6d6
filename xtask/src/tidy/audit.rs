//! docs/auditing.md names every contract with its length, and every document of earlier audits.

use std::collections::BTreeSet;

use super::{files, none, number, read};
use crate::tools::root;

const PAGE: &str = "docs/auditing.md";

/// Per cent by which a length may differ from what is stated: the page says how long reading takes, not what to the line.
const TOLERANCE: usize = 10;

/// Lines of a file, or of all sources below a folder. None if there is neither.
fn lines(path: &str) -> Option<usize> {
    let count = |file: &str| read(file).lines().count();
    let place = root().join(path);
    if place.is_dir() {
        let sources = [".sol", ".rs", ".py"].map(|ending| files(path, ending)).concat();
        return Some(sources.iter().map(|file| count(file)).sum());
    }
    place.is_file().then(|| count(path))
}

/// Rows of the page's tables whose second cell is a number: what the first one links to, and that number.
fn stated(page: &str) -> Vec<(String, usize)> {
    let rows = page.lines().filter(|line| line.starts_with('|')).filter_map(|line| {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let (name, lines) = (cells.next()?, number(cells.next()?)?);
        let link = name.split_once("](")?.1.trim_end_matches(')');
        let path = link
            .strip_prefix("../")
            .map_or_else(|| format!("docs/{link}"), str::to_owned);
        Some((path, usize::try_from(lines).ok()?))
    });
    rows.collect()
}

#[test]
fn lengths_are_near_those_of_the_files() {
    let mut wrong = Vec::new();
    let stated = stated(&read(PAGE));
    assert!(stated.len() > 30, "the tables are there, and read");
    for (path, stated) in stated {
        let found = lines(&path);
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
    assert!(
        !documents.is_empty() && missing.is_empty(),
        "{PAGE}: does not list {missing:?}"
    );
}
