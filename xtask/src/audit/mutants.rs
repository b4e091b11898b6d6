//! Mutation tests of the contracts: each small change is noticed by a test, or explained in a table that is committed.

mod answers;
mod bench;
mod compile;
mod list;
pub(super) mod model;
mod operators;
mod place;
mod suites;
mod weave;

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fs::{self, OpenOptions},
    hash::{DefaultHasher, Hash, Hasher},
    io::Write,
    path::PathBuf,
    process::Stdio,
    sync::Mutex,
    thread,
    time::Instant,
};

use eyre::{OptionExt, Result, bail};
use serde_json::{Value, json};

use self::{
    bench::{Bench, Fate},
    compile::{Code, Codes, Compiled, Sources},
    list::Mutant,
    place::Place,
};
use super::Outcome;
use crate::{
    tally::Tally,
    tools::{forge, root, run as execute},
};

/// Mutants that are compiled together. More would save little: by then most of the time goes into tests.
const TOGETHER: usize = 60;

/// What is known of a mutant: its fate in a word, and the test that killed it.
type Known = BTreeMap<String, (String, String)>;

pub(super) fn run(effort: u64) -> Result<Outcome> {
    execute(forge()?.arg("build").stdout(Stdio::null()))?;
    let sources = compile::sources()?;
    let all = list_all(&sources)?;
    let committed = answers::committed()?;
    let known_rows: BTreeSet<_> = all.iter().map(|(_, mutant)| answers::row(mutant)).collect();

    let mut tally = Tally::default();
    for row in committed.difference(&known_rows) {
        eprintln!(
            "{} answers a mutant that does not exist: {}",
            answers::PAGE,
            row.join(" ")
        );
        tally.check(false);
    }
    let chosen: Vec<&(String, Mutant)> = all
        .iter()
        .filter(|(name, mutant)| is_chosen(name, mutant, effort))
        .collect();
    let log = Log::open(&sources)?;
    let open: Vec<&(String, Mutant)> = chosen
        .iter()
        .copied()
        .filter(|(name, _)| !log.is_settled(name))
        .collect();
    eprintln!(
        "{} mutants, {} chosen, {} still to be run",
        all.len(),
        chosen.len(),
        open.len()
    );
    run_all(&sources, &open, &log)?;

    let known = log.known();
    let mut killed_rows = BTreeSet::new();
    let mut survivors = BTreeSet::new();
    for (name, mutant) in &chosen {
        let row = answers::row(mutant);
        match known.get(name).map(|(fate, _)| fate.as_str()) {
            Some("survived") => {
                tally.check(committed.contains(&row));
                survivors.insert(row);
            }
            Some("killed" | "endless") => {
                tally.check(true);
                killed_rows.insert(row);
            }
            _ => {}
        }
    }
    for row in survivors.difference(&committed) {
        eprintln!(
            "survives, and is not explained in {}: | {} | |",
            answers::PAGE,
            row.join(" | ")
        );
    }
    for row in committed
        .intersection(&killed_rows)
        .filter(|row| !survivors.contains(*row))
    {
        eprintln!("explained in {}, but killed: {}", answers::PAGE, row.join(" | "));
        tally.check(false);
    }
    let score = score(&chosen, &known);
    eprint!("{score}");
    fs::write(root().join("target/mutants/score.md"), &score)?;
    let count = |fate: &str| {
        chosen
            .iter()
            .filter(|(name, _)| known.get(name).is_some_and(|known| known.0 == fate))
            .count()
    };
    Ok(Outcome::Ran(
        tally,
        format!(
            "{} of {} mutants: {} killed, {} endless, {} survive, {} unviable",
            chosen.len(),
            all.len(),
            count("killed"),
            count("endless"),
            count("survived"),
            count("unviable"),
        ),
    ))
}

/// Each mutant of each file with code in it, under a name that stays the same.
fn list_all(sources: &Sources) -> Result<Vec<(String, Mutant)>> {
    let trees = compile::trees(sources)?;
    let mut plain = BTreeSet::new();
    trees
        .values()
        .for_each(|tree| list::named_in_assembly(tree, &mut plain));
    let mut all = Vec::new();
    for (file, source) in sources {
        if !file.starts_with("contracts/") || file.contains("/interfaces/") {
            continue;
        }
        let tree = trees.get(file).ok_or_eyre("a file without a tree")?;
        let mutants = list::mutants(file, source, tree, &plain);
        all.extend(mutants.into_iter().map(|mutant| (mutant.name(), mutant)));
    }
    Ok(all)
}

/// `NTHROOT_MUTANTS=Kernel,Bridge` takes these files only; the share is the same mutants each time.
fn is_chosen(name: &str, mutant: &Mutant, effort: u64) -> bool {
    let stem = mutant
        .file
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .trim_end_matches(".sol")
        .to_owned();
    let files = env::var("NTHROOT_MUTANTS").unwrap_or_default();
    (files.is_empty() || files.split(',').any(|file| file == stem)) && digest(&name) % 100 < effort
}

/// Hashes with fixed keys: the same from run to run.
fn digest(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// Mutants of one file that are compiled together.
struct Batch<'a> {
    file: String,
    mutants: Vec<&'a (String, Mutant)>,
}

fn batches<'a>(open: &[&'a (String, Mutant)]) -> Vec<Batch<'a>> {
    let mut batches: Vec<Batch<'a>> = Vec::new();
    let (alone, together): (Vec<_>, Vec<_>) = open
        .iter()
        .copied()
        .partition(|(_, mutant)| mutant.place == Place::Alone);
    for entry in together {
        match batches.last_mut() {
            Some(last) if last.file == entry.1.file && last.mutants.len() < TOGETHER => last.mutants.push(entry),
            _ => batches.push(Batch {
                file: entry.1.file.clone(),
                mutants: vec![entry],
            }),
        }
    }
    batches.extend(alone.into_iter().map(|entry| Batch {
        file: entry.1.file.clone(),
        mutants: vec![entry],
    }));
    // The last first: it is taken from the end.
    batches.reverse();
    batches
}

fn run_all(sources: &Sources, open: &[&(String, Mutant)], log: &Log) -> Result<()> {
    let queue = Mutex::new(batches(open));
    let workers = thread::available_parallelism()?
        .get()
        .min(queue.lock().expect("not poisoned").len());
    let workers = env::var("NTHROOT_WORKERS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(workers);
    thread::scope(|scope| {
        let started: Vec<_> = (0..workers)
            .map(|number| {
                let queue = &queue;
                scope.spawn(move || -> Result<()> {
                    let mut bench = Bench::new(number)?;
                    loop {
                        let Some(batch) = queue.lock().expect("not poisoned").pop() else {
                            return Ok(());
                        };
                        run_batch(sources, &batch, &mut bench, log)?;
                    }
                })
            })
            .collect();
        started.into_iter().try_for_each(|worker| match worker.join() {
            Ok(result) => result,
            Err(_) => bail!("a worker panicked"),
        })
    })
}

fn run_batch(sources: &Sources, batch: &Batch<'_>, bench: &mut Bench, log: &Log) -> Result<()> {
    let mut mutants = batch.mutants.clone();
    let start = Instant::now();
    let compiled = loop {
        if mutants.is_empty() {
            return Ok(());
        }
        match compile_batch(sources, &batch.file, &mutants)? {
            Ok(codes) => break codes,
            Err(unviable) => {
                for &at in unviable.iter().rev() {
                    log.add(&mutants.remove(at).0, "unviable", "", 0.0)?;
                }
            }
        }
    };
    let alone = mutants[0].1.place == Place::Alone;
    eprintln!(
        "{}: {} mutants in {:.0} s",
        batch.file,
        mutants.len(),
        start.elapsed().as_secs_f64()
    );
    // The choice is in these only.
    let changed = |code: &Code| alone || code.creation.contains("__$");
    let compiled: Codes = compiled.into_iter().filter(|(_, code)| changed(code)).collect();
    let pick = |number: usize| -> Codes {
        compiled
            .iter()
            .map(|(name, code)| (name.clone(), code.chosen(number)))
            .collect()
    };
    bench.forget();
    for (at, (name, mutant)) in mutants.iter().enumerate() {
        let start = Instant::now();
        let unchosen = (!alone).then(|| pick(0));
        let mut fate = bench.judge(&mutant.file, &pick(at + 1), unchosen.as_ref())?;
        if fate == Fate::Survived {
            let source = weave::alone(&sources[&mutant.file], mutant);
            if let Ok(codes) = compile_changed(sources, &mutant.file, &source)? {
                fate = bench.compare(&codes)?;
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        let (fate, by) = match &fate {
            Fate::Killed(test) => ("killed", test.as_str()),
            Fate::Endless => ("endless", ""),
            Fate::Survived => ("survived", ""),
        };
        log.add(name, fate, by, seconds)?;
        eprintln!("{fate} {by} {seconds:.1} s: {name}");
    }
    Ok(())
}

/// Code with all these mutants, or the places of those that are to blame for there being none.
fn compile_batch(
    sources: &Sources,
    file: &str,
    mutants: &[&(String, Mutant)],
) -> Result<std::result::Result<Codes, Vec<usize>>> {
    let original = &sources[file];
    let alone = mutants[0].1.place == Place::Alone;
    let changed = if alone {
        weave::alone(original, &mutants[0].1)
    } else {
        let plain: Vec<Mutant> = mutants.iter().map(|(_, mutant)| mutant.clone()).collect();
        weave::weave(original, &plain)
    };
    let errors = match compile_changed(sources, file, &changed)? {
        Ok(codes) => return Ok(Ok(codes)),
        Err(errors) => errors,
    };
    let mut blamed: BTreeSet<usize> = BTreeSet::new();
    for error in &errors {
        if alone {
            blamed.insert(0);
        } else if error.file == file {
            blamed.extend(
                weave::blamed(&changed, error.from, error.to)
                    .iter()
                    .map(|number| number - 1),
            );
        }
    }
    if blamed.is_empty() {
        fs::write(root().join("target/mutants/woven.sol"), &changed)?;
        let words: Vec<&str> = errors.iter().map(|error| error.words.as_str()).collect();
        bail!(
            "{file} with its mutants does not compile, see target/mutants/woven.sol: {}",
            words.join("; ")
        );
    }
    Ok(Err(blamed.into_iter().collect()))
}

/// Code of all contracts that have a file in them, with another text in it.
fn compile_changed(sources: &Sources, file: &str, text: &str) -> Result<Compiled> {
    let mut mutated = sources.clone();
    mutated.insert(file.to_owned(), text.to_owned());
    compile::compile(&mutated, &compile::users(sources, file))
}

/// What has been found out, a line to each mutant, kept while the contracts stay as they are.
struct Log {
    path: PathBuf,
    known: Mutex<Known>,
}

impl Log {
    fn open(sources: &Sources) -> Result<Self> {
        let contracts: Vec<_> = sources
            .iter()
            .filter(|(path, _)| path.starts_with("contracts/"))
            .collect();
        let path = root().join(format!("target/mutants/results-{:016x}.jsonl", digest(&contracts)));
        eprintln!("results lie in {}", path.display());
        fs::create_dir_all(root().join("target/mutants"))?;
        let mut known = Known::new();
        for line in fs::read_to_string(&path).unwrap_or_default().lines() {
            let line: Value = serde_json::from_str(line)?;
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            known.insert(text("mutant"), (text("fate"), text("by")));
        }
        Ok(Self {
            path,
            known: Mutex::new(known),
        })
    }

    /// Tests are added, so one that survived may be killed today; what was killed stays so.
    fn is_settled(&self, name: &str) -> bool {
        self.known().get(name).is_some_and(|(fate, _)| fate != "survived")
    }

    fn known(&self) -> Known {
        self.known.lock().expect("not poisoned").clone()
    }

    fn add(&self, name: &str, fate: &str, by: &str, seconds: f64) -> Result<()> {
        let mut known = self.known.lock().expect("not poisoned");
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        let line = json!({ "mutant": name, "fate": fate, "by": by, "seconds": (seconds * 10.0).round() / 10.0 });
        writeln!(file, "{line}")?;
        known.insert(name.to_owned(), (fate.to_owned(), by.to_owned()));
        Ok(())
    }
}

/// By file: how many there were, and what became of them.
fn score(chosen: &[&(String, Mutant)], known: &Known) -> String {
    let mut files: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    for (name, mutant) in chosen {
        let column = match known.get(name).map(|(fate, _)| fate.as_str()) {
            Some("killed" | "endless") => 1,
            Some("survived") => 2,
            Some(_) => 3,
            None => continue,
        };
        let row = files.entry(mutant.file.trim_start_matches("contracts/")).or_default();
        row[0] += usize::from(column != 3);
        row[column] += 1;
    }
    let mut text = "| file | mutants | killed | survive | unviable |\n| --- | ---: | ---: | ---: | ---: |\n".to_owned();
    for (file, [all, killed, survived, unviable]) in files {
        text += &format!("| `{file}` | {all} | {killed} | {survived} | {unviable} |\n");
    }
    text
}
