//! What became of the model's mutants, in a file that is committed: the next run goes on from it.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    fs,
};

use eyre::{Context, Result};
use serde_json::{Value, json};

use super::super::digest;
use crate::{docs::thousands, tools::root};

/// By file: its text's digest, and by fate the mutants, by the digests of their names.
const RECORD: &str = "docs/audit/model-mutants.json";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Killed,
    /// The compiler refuses it.
    Unviable,
    /// By the quick tests: all others are to come.
    Left,
    Survived,
}

impl Fate {
    const ALL: [Self; 4] = [Self::Killed, Self::Unviable, Self::Left, Self::Survived];

    const fn word(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Unviable => "unviable",
            Self::Left => "left",
            Self::Survived => "survived",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    of: String,
    fates: BTreeMap<String, BTreeSet<String>>,
}

/// Of the files that are as they were.
pub(super) struct Record(BTreeMap<String, Found>);

impl Record {
    pub(super) fn open() -> Result<Self> {
        let mut record = committed()?;
        record.retain(|file, found| text(file).is_ok_and(|text| found.of == text));
        Ok(Self(record))
    }

    pub(super) fn fate(&self, name: &str) -> Option<Fate> {
        let fates = &self.0.get(file_of(name))?.fates;
        let has = |fate: &Fate| fates.get(fate.word()).is_some_and(|ids| ids.contains(&id(name)));
        Fate::ALL.into_iter().find(has)
    }

    pub(super) fn settle(&mut self, name: &str, fate: Fate) -> Result<()> {
        let file = file_of(name);
        let found = match self.0.entry(file.to_owned()) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(Found {
                of: text(file)?,
                fates: BTreeMap::new(),
            }),
        };
        for ids in found.fates.values_mut() {
            ids.remove(&id(name));
        }
        found.fates.entry(fate.word().to_owned()).or_default().insert(id(name));
        found.fates.retain(|_, ids| !ids.is_empty());
        Ok(())
    }

    pub(super) fn write(&self) -> Result<()> {
        let files: serde_json::Map<String, Value> = self
            .0
            .iter()
            .map(|(file, Found { of, fates })| (file.clone(), json!({ "of": of, "fates": fates })))
            .collect();
        let text = serde_json::to_string_pretty(&Value::Object(files))?;
        // The mutants of a fate in one line.
        let lists = text.replace("\n        ", " ").replace("\n      ]", " ]");
        Ok(fs::write(root().join(RECORD), lists + "\n")?)
    }
}

fn committed() -> Result<BTreeMap<String, Found>> {
    let path = root().join(RECORD);
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let record: BTreeMap<String, Value> = serde_json::from_slice(&fs::read(path)?)?;
    let found = |(file, found): (String, Value)| {
        let of = found["of"].as_str().unwrap_or_default().to_owned();
        let fates = serde_json::from_value(found["fates"].clone())?;
        Ok((file, Found { of, fates }))
    };
    record.into_iter().map(found).collect()
}

/// What the text of a file is known by.
fn text(file: &str) -> Result<String> {
    let text = fs::read_to_string(root().join(file)).wrap_err_with(|| file.to_owned())?;
    Ok(format!("{:016x}", digest(&text)))
}

fn id(name: &str) -> String {
    format!("{:010x}", digest(&name) >> 24)
}

/// `file:line:column: what`
fn file_of(name: &str) -> &str {
    name.split(':').next().unwrap_or_default()
}

/// What the record says, as the page has it: by crate how many were run, and what became of them.
pub(super) fn score() -> Result<String> {
    let mut crates: BTreeMap<String, [usize; 4]> = BTreeMap::new();
    for (file, found) in committed()? {
        let package = file.split("/src/").next().unwrap_or_default().to_owned();
        let counts = Fate::ALL.map(|fate| found.fates.get(fate.word()).map_or(0, BTreeSet::len));
        let sums = crates.entry(package).or_default();
        *sums = std::array::from_fn(|at| sums[at] + counts[at]);
    }
    let mut text = "| crate | mutants | killed | live | left for all tests | not compiled |\n\
                    | --- | ---: | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    for (package, [killed, unviable, left, survived]) in crates {
        let [all, killed, survived, left, unviable] =
            [killed + left + survived, killed, survived, left, unviable].map(|count| thousands(count as u64));
        text += &format!("| `{package}` | {all} | {killed} | {survived} | {left} | {unviable} |\n");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::{super::super::answers::PAGE, *};

    #[test]
    fn the_page_has_the_score_of_the_model_s_record() {
        let score = score().unwrap();
        let page = fs::read_to_string(root().join(PAGE)).unwrap();
        assert!(page.contains(&score), "{PAGE} must have this table:\n{score}");
    }

    #[test]
    fn a_mutant_has_its_last_fate_only() {
        let mut record = Record(BTreeMap::new());
        let name = "xtask/src/audit/mutants/model/record.rs:1:2: replace a with b";
        assert_eq!(record.fate(name), None);
        for fate in [Fate::Left, Fate::Survived, Fate::Killed] {
            record.settle(name, fate).unwrap();
            assert_eq!(record.fate(name), Some(fate));
        }
        assert_eq!(record.fate(&name.replace(":2:", ":3:")), None);
    }
}
