//! What has been found out of mutants: as it comes, a line each, in `target/`; and whole, in a file that is committed.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fs::{self, OpenOptions},
    io::Write,
    path::PathBuf,
    sync::Mutex,
};

use eyre::Result;
use serde_json::{Value, json};

use super::{bench::Fate, compile::Sources, digest, list::Mutant, suites};
use crate::{docs::thousands, tools::root};

/// By file: its text's digest, and by fate and test the mutants, by the digests of their names.
pub(super) const RECORD: &str = "docs/audit/mutants.json";

/// The fate of a mutant in a word, and the test that killed it; or, if none did, which tests did not.
pub(super) type Known = BTreeMap<String, (String, String)>;

type Fates = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// What stays as it is while a file does.
pub(super) struct Log {
    path: PathBuf,
    known: Mutex<Known>,
    /// By file, what its text is known by.
    texts: BTreeMap<String, String>,
}

impl Log {
    /// With `NTHROOT_RECORDED` it goes on from what is committed.
    pub(super) fn open(sources: &Sources, all: &[(String, Mutant)]) -> Result<Self> {
        let path = root().join("target/mutants/results.jsonl");
        eprintln!("results lie in {}", path.display());
        fs::create_dir_all(root().join("target/mutants"))?;
        let texts: BTreeMap<String, String> = sources
            .iter()
            .map(|(file, text)| (file.clone(), format!("{:016x}", digest(text))))
            .collect();
        let mut known = Known::new();
        if env::var_os("NTHROOT_RECORDED").is_some() {
            let record = record()?;
            let names: BTreeMap<String, &String> = all.iter().map(|(name, _)| (id(name), name)).collect();
            for (file, (of, fates)) in &record {
                if texts.get(file) != Some(of) {
                    continue;
                }
                for (fate, tests) in fates {
                    for (by, ids) in tests {
                        let names = ids.iter().filter_map(|id| names.get(id));
                        known.extend(names.map(|&name| (name.clone(), (fate.clone(), by.clone()))));
                    }
                }
            }
        }
        for line in fs::read_to_string(&path).unwrap_or_default().lines() {
            let line: Value = serde_json::from_str(line)?;
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            let mutant = text("mutant");
            if texts.get(file_of(&mutant)) == Some(&text("of")) {
                known.insert(mutant, (text("fate"), text("by")));
            }
        }
        Ok(Self {
            path,
            known: Mutex::new(known),
            texts,
        })
    }

    /// What was killed stays so. What was not may be killed by tests that have been added since.
    pub(super) fn is_settled(&self, name: &str) -> Result<bool> {
        let Some((fate, by)) = self.fate(name) else {
            return Ok(false);
        };
        Ok(match fate.as_str() {
            "left" => false,
            "survived" => by == tests(file_of(name))?,
            _ => true,
        })
    }

    /// Whether the quick tests did not kill it, and are as they were.
    pub(super) fn is_left(&self, name: &str) -> Result<bool> {
        let Some((fate, by)) = self.fate(name) else {
            return Ok(false);
        };
        let quick = suites::digest(&suites::quick(file_of(name))?)?;
        Ok(matches!(fate.as_str(), "left" | "survived") && by.starts_with(&quick))
    }

    /// Takes down what became of a mutant, in so many seconds.
    pub(super) fn settle(&self, name: &str, fate: &Fate, seconds: f64) -> Result<()> {
        let (word, by) = match fate {
            Fate::Killed(test) => ("killed", test.clone()),
            Fate::Endless => ("endless", String::new()),
            Fate::Unviable => ("unviable", String::new()),
            Fate::Same => ("same", String::new()),
            Fate::Left => ("left", tests(file_of(name))?),
            Fate::Survived => ("survived", tests(file_of(name))?),
        };
        eprintln!("{word} {by} {seconds:.1} s: {name}");
        let mut known = self.known.lock().expect("not poisoned");
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        let of = self.texts.get(file_of(name));
        let seconds = (seconds * 10.0).round() / 10.0;
        let line = json!({ "mutant": name, "of": of, "fate": word, "by": by, "seconds": seconds });
        writeln!(file, "{line}")?;
        known.insert(name.to_owned(), (word.to_owned(), by));
        Ok(())
    }

    fn fate(&self, name: &str) -> Option<(String, String)> {
        self.known.lock().expect("not poisoned").get(name).cloned()
    }

    pub(super) fn known(&self) -> Known {
        self.known.lock().expect("not poisoned").clone()
    }

    /// Writes down all that is known, beside what the record says of others.
    pub(super) fn record(&self) -> Result<()> {
        // The other core waits: both would write the file.
        let known = self.known.lock().expect("not poisoned");
        let mut files = record()?;
        files.retain(|file, (of, _)| self.texts.get(file) == Some(of));
        for (name, (fate, by)) in known.iter() {
            let file = file_of(name);
            let Some(of) = self.texts.get(file) else { continue };
            let (_, fates) = files
                .entry(file.to_owned())
                .or_insert_with(|| (of.clone(), Fates::new()));
            let id = id(name);
            for tests in fates.values_mut() {
                for ids in tests.values_mut() {
                    ids.remove(&id);
                }
                tests.retain(|_, ids| !ids.is_empty());
            }
            let tests = fates.entry(fate.clone()).or_default();
            tests.entry(by.clone()).or_default().insert(id);
        }
        let files: serde_json::Map<String, Value> = files
            .into_iter()
            .map(|(file, (of, fates))| (file, json!({ "of": of, "fates": fates })))
            .collect();
        let text = serde_json::to_string_pretty(&Value::Object(files))?;
        // A test and its mutants in one line.
        let lists = text.replace("\n          ", " ").replace("\n        ]", " ]");
        fs::write(root().join(RECORD), lists + "\n")?;
        Ok(())
    }
}

/// What is committed, by file: its text's digest, and fates.
pub(super) fn record() -> Result<BTreeMap<String, (String, Fates)>> {
    let path = root().join(RECORD);
    let record: Value = match path.exists() {
        true => serde_json::from_slice(&fs::read(path)?)?,
        false => json!({}),
    };
    let mut files = BTreeMap::new();
    for (file, found) in record.as_object().into_iter().flatten() {
        let of = found["of"].as_str().unwrap_or_default().to_owned();
        files.insert(file.clone(), (of, serde_json::from_value(found["fates"].clone())?));
    }
    Ok(files)
}

/// What the record says, as the page has it: by file how many were run, and what became of them.
pub(super) fn score() -> Result<String> {
    let mut text = "| file | mutants | killed | live | left for slow tests | not compiled, or the same code |\n\
                    | --- | ---: | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    let mut all = [0; 4];
    let mut row = |name: &str, counts: [usize; 4]| {
        let [killed, live, left, none] = counts;
        let [all, killed, live, left, none] =
            [killed + live + left, killed, live, left, none].map(|count| thousands(count as u64));
        text += &format!("| {name} | {all} | {killed} | {live} | {left} | {none} |\n");
    };
    for (file, (_, fates)) in record()? {
        let count = |words: &[&str]| -> usize {
            let tests = words.iter().filter_map(|&word| fates.get(word));
            tests.flat_map(BTreeMap::values).map(BTreeSet::len).sum()
        };
        let counts = [
            count(&["killed", "endless"]),
            count(&["survived"]),
            count(&["left"]),
            count(&["unviable", "same"]),
        ];
        row(&format!("`{}`", file.trim_start_matches("contracts/")), counts);
        all = std::array::from_fn(|at| all[at] + counts[at]);
    }
    row("all", all);
    Ok(text)
}

/// What the tests of a file are known by: the quick ones, and all.
fn tests(file: &str) -> Result<String> {
    let digests = [suites::quick(file)?, suites::all(file)?].map(|tests| suites::digest(&tests));
    let [quick, all] = digests;
    Ok(format!("{} {}", quick?, all?))
}

fn id(name: &str) -> String {
    format!("{:010x}", digest(&name) >> 24)
}

/// The file in which a mutant of this name is.
pub(super) fn file_of(name: &str) -> &str {
    name.split(" | ").next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{super::answers::PAGE, *};

    #[test]
    fn the_page_has_the_score_of_the_record() {
        let score = score().unwrap();
        let page = fs::read_to_string(root().join(PAGE)).unwrap();
        assert!(page.contains(&score), "{PAGE} must have this table:\n{score}");
    }
}
