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
            "{} of {} mutants: {} killed, {} endless, {} survive, {} unviable, {} the same code",
            chosen.len(),
            all.len(),
            count("killed"),
            count("endless"),
            count("survived"),
            count("unviable"),
            count("same"),
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

/// First the quick tests, of mutants that are compiled together; then the slow ones, for the few that are left alive by then.
fn run_all(sources: &Sources, open: &[&(String, Mutant)], log: &Log) -> Result<()> {
    let queue = batches(open)
        .into_iter()
        .filter_map(|mut batch| {
            batch.mutants.retain(|(name, _)| !log.is(name, "left"));
            (!batch.mutants.is_empty()).then_some(batch)
        })
        .collect();
    work_off(queue, |batch, bench| run_batch(sources, &batch, bench, log))?;

    let left: Vec<&(String, Mutant)> = open.iter().copied().filter(|(name, _)| log.is(name, "left")).collect();
    eprintln!("{} mutants are left for the slow tests", left.len());
    work_off(left.into_iter().rev().collect(), |entry, bench| {
        run_slowly(sources, entry, bench, log)
    })
}

/// Lets each core take from the end of the queue, until it is empty.
fn work_off<T: Send>(queue: Vec<T>, work: impl Fn(T, &mut Bench) -> Result<()> + Sync) -> Result<()> {
    let workers = thread::available_parallelism()?.get();
    let workers = env::var("NTHROOT_WORKERS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(workers)
        .min(queue.len());
    let queue = Mutex::new(queue);
    thread::scope(|scope| {
        let started: Vec<_> = (0..workers)
            .map(|number| {
                let (queue, work) = (&queue, &work);
                scope.spawn(move || -> Result<()> {
                    let mut bench = Bench::new(number)?;
                    loop {
                        let Some(next) = queue.lock().expect("not poisoned").pop() else {
                            return Ok(());
                        };
                        work(next, &mut bench)?;
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
    let Batch { file, mutants } = batch;
    let mut mutants = mutants.clone();
    let start = Instant::now();
    let compiled = loop {
        if mutants.is_empty() {
            return Ok(());
        }
        match compile_batch(sources, file, &mutants)? {
            Ok(codes) => break codes,
            // An error that stands elsewhere, as of a variable that a mutant leaves without a value; or the choices take too much of the stack.
            Err(unviable) if unviable.is_empty() => {
                let (first, second) = mutants.split_at(mutants.len() / 2);
                if first.is_empty() {
                    // By itself it may compile.
                    return log.settle(&mutants[0].0, &Fate::Left, start);
                }
                for half in [first, second] {
                    let (file, mutants) = (file.clone(), half.to_vec());
                    run_batch(sources, &Batch { file, mutants }, bench, log)?;
                }
                return Ok(());
            }
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
        file,
        mutants.len(),
        start.elapsed().as_secs_f64()
    );
    if alone && bench.is_original(&compiled)? {
        return log.add(&mutants[0].0, "same", "", start.elapsed().as_secs_f64());
    }
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
        let fate = bench.judge(&mutant.file, &pick(at + 1), unchosen.as_ref())?;
        log.settle(name, &fate.unwrap_or(Fate::Left), start)?;
    }
    Ok(())
}

/// Compiles a mutant by itself, unless it was: now its gas and its size are what they would be.
fn run_slowly(sources: &Sources, (name, mutant): &(String, Mutant), bench: &mut Bench, log: &Log) -> Result<()> {
    let start = Instant::now();
    let source = weave::alone(&sources[&mutant.file], mutant);
    let Ok(codes) = compile_changed(sources, &mutant.file, &source)? else {
        // The mutant as it was woven in is another text.
        return log.add(name, "unviable", "", start.elapsed().as_secs_f64());
    };
    if bench.is_original(&codes)? {
        return log.add(name, "same", "", start.elapsed().as_secs_f64());
    }
    let fate = match bench.judge_slowly(&mutant.file, &codes)? {
        Some(fate) => fate,
        None => bench.compare(&codes)?.unwrap_or(Fate::Survived),
    };
    log.settle(name, &fate, start)
}

/// Code with all these mutants, or the places of those that are to blame for there being none, as far as the compiler says.
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
        let words: Vec<&str> = errors.iter().map(|error| error.words.as_str()).collect();
        eprintln!("{file}: by halves, for together {}", words.join("; "));
    }
    Ok(Err(blamed.into_iter().collect()))
}

/// Code of all contracts that have a file in them, with another text in it.
fn compile_changed(sources: &Sources, file: &str, text: &str) -> Result<Compiled> {
    let mut mutated = sources.clone();
    mutated.insert(file.to_owned(), text.to_owned());
    compile::compile(&mutated, &compile::users(sources, file))
}

/// What has been found out, a line to each mutant, kept while its file stays as it is.
struct Log {
    path: PathBuf,
    known: Mutex<Known>,
    /// By file, what its text is known by.
    texts: BTreeMap<String, String>,
}

impl Log {
    fn open(sources: &Sources) -> Result<Self> {
        let path = root().join("target/mutants/results.jsonl");
        eprintln!("results lie in {}", path.display());
        fs::create_dir_all(root().join("target/mutants"))?;
        let texts: BTreeMap<String, String> = sources
            .iter()
            .map(|(file, text)| (file.clone(), format!("{:016x}", digest(text))))
            .collect();
        let mut known = Known::new();
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

    /// Tests are added, so one that survived may be killed today; what was killed stays so.
    fn is_settled(&self, name: &str) -> bool {
        self.known()
            .get(name)
            .is_some_and(|(fate, _)| fate != "survived" && fate != "left")
    }

    fn is(&self, name: &str, fate: &str) -> bool {
        self.known().get(name).is_some_and(|known| known.0 == fate)
    }

    fn settle(&self, name: &str, fate: &Fate, since: Instant) -> Result<()> {
        let (word, by) = match fate {
            Fate::Killed(test) => ("killed", test.as_str()),
            Fate::Endless => ("endless", ""),
            Fate::Left => ("left", ""),
            Fate::Survived => ("survived", ""),
        };
        let seconds = since.elapsed().as_secs_f64();
        eprintln!("{word} {by} {seconds:.1} s: {name}");
        self.add(name, word, by, seconds)
    }

    fn known(&self) -> Known {
        self.known.lock().expect("not poisoned").clone()
    }

    fn add(&self, name: &str, fate: &str, by: &str, seconds: f64) -> Result<()> {
        let mut known = self.known.lock().expect("not poisoned");
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        let of = self.texts.get(file_of(name));
        let seconds = (seconds * 10.0).round() / 10.0;
        let line = json!({ "mutant": name, "of": of, "fate": fate, "by": by, "seconds": seconds });
        writeln!(file, "{line}")?;
        known.insert(name.to_owned(), (fate.to_owned(), by.to_owned()));
        Ok(())
    }
}

/// The file in which a mutant of this name is.
fn file_of(name: &str) -> &str {
    name.split(" | ").next().unwrap_or_default()
}

/// By file: how many there were, and what became of them.
fn score(chosen: &[&(String, Mutant)], known: &Known) -> String {
    let mut files: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    for (name, mutant) in chosen {
        let column = match known.get(name).map(|(fate, _)| fate.as_str()) {
            Some("killed" | "endless") => 1,
            Some("survived") => 2,
            Some("unviable" | "same") => 3,
            _ => continue,
        };
        let row = files.entry(mutant.file.trim_start_matches("contracts/")).or_default();
        row[0] += usize::from(column != 3);
        row[column] += 1;
    }
    let mut text =
        "| file | mutants | killed | survive | no mutants |\n| --- | ---: | ---: | ---: | ---: |\n".to_owned();
    for (file, [all, killed, survived, unviable]) in files {
        text += &format!("| `{file}` | {all} | {killed} | {survived} | {unviable} |\n");
    }
    text
}
