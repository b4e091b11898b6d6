//! Mutation tests of the contracts: each small change is noticed by a test, or explained in a table that is committed.

mod answers;
mod bench;
mod compile;
mod list;
mod log;
pub(super) mod model;
mod operators;
mod place;
mod suites;
mod weave;

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    hash::{DefaultHasher, Hash, Hasher},
    num::NonZero,
    process::Stdio,
    sync::Mutex,
    thread,
    time::Instant,
};

use eyre::{OptionExt, Result, bail};

use self::{
    answers::Row,
    bench::{Bench, Fate},
    compile::{Code, Codes, Compiled, Sources},
    list::Mutant,
    log::Log,
    place::Place,
};
use super::Outcome;
use crate::{
    tally::Tally,
    tools::{forge, run as execute},
};

/// Mutants that are compiled together. More would save little: by then most of the time goes into tests.
const TOGETHER: usize = 60;

/// Of those that a table explains, as many meet the slow tests at once: should one be killed, they are looked for by halves.
const AT_ONCE: usize = 32;

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
    let log = Log::open(&sources, &all)?;
    let mut open: Vec<&(String, Mutant)> = Vec::new();
    for &entry in &chosen {
        if !log.is_settled(&entry.0)? {
            open.push(entry);
        }
    }
    eprintln!(
        "{} mutants, {} chosen, {} still to be run",
        all.len(),
        chosen.len(),
        open.len()
    );
    let ended = run_all(&sources, &open, &committed, &log);
    log.record()?;
    ended?;

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
    eprint!("{}", log::score()?);
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
fn run_all(sources: &Sources, open: &[&(String, Mutant)], explained: &BTreeSet<Row>, log: &Log) -> Result<()> {
    let (mut left, mut unmet) = (Vec::new(), Vec::new());
    for &entry in open {
        let list = if log.is_left(&entry.0)? { &mut left } else { &mut unmet };
        list.push(entry);
    }
    work_off(batches(&unmet), |batch, bench| {
        run_batch(sources, &batch, bench, log)?;
        log.record()
    })?;

    let known = log.known();
    let is_left = |name: &String| known.get(name).is_some_and(|known| known.0 == "left");
    left.extend(unmet.into_iter().filter(|(name, _)| is_left(name)));
    eprintln!("{} mutants are left for the slow tests", left.len());
    work_off(groups(&left, explained), |group, bench| {
        run_slowly(sources, &group, bench, log)?;
        log.record()
    })
}

/// Which mutants meet the slow tests at once: each alone, but those that are explained together.
fn groups<'a>(left: &[&'a (String, Mutant)], explained: &BTreeSet<Row>) -> Vec<Vec<&'a (String, Mutant)>> {
    let mut groups: Vec<Vec<&(String, Mutant)>> = Vec::new();
    let (together, alone): (Vec<_>, Vec<_>) = left
        .iter()
        .copied()
        .partition(|(_, mutant)| explained.contains(&answers::row(mutant)));
    for entry in together {
        let (start, end) = entry.1.edit;
        let apart = |other: &&(String, Mutant)| {
            let edit = other.1.edit;
            other.1.file != entry.1.file || edit.1 < start || end < edit.0
        };
        match groups
            .iter_mut()
            .find(|group| group.len() < AT_ONCE && group.iter().all(apart))
        {
            Some(group) => group.push(entry),
            None => groups.push(vec![entry]),
        }
    }
    groups.extend(alone.into_iter().map(|entry| vec![entry]));
    groups.reverse();
    groups
}

/// Lets each core take from the end of the queue, until it is empty.
fn work_off<T: Send>(queue: Vec<T>, work: impl Fn(T, &mut Bench) -> Result<()> + Sync) -> Result<()> {
    let workers = workers().min(queue.len());
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

/// One for each core, or as many as `NTHROOT_WORKERS` says.
fn workers() -> usize {
    let told = env::var("NTHROOT_WORKERS").ok().and_then(|count| count.parse().ok());
    told.unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZero::get))
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
                    return log.settle(&mutants[0].0, &Fate::Left, start.elapsed().as_secs_f64());
                }
                for half in [first, second] {
                    let (file, mutants) = (file.clone(), half.to_vec());
                    run_batch(sources, &Batch { file, mutants }, bench, log)?;
                }
                return Ok(());
            }
            Err(unviable) => {
                for &at in unviable.iter().rev() {
                    log.settle(&mutants.remove(at).0, &Fate::Unviable, 0.0)?;
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
        return log.settle(&mutants[0].0, &Fate::Same, start.elapsed().as_secs_f64());
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
        log.settle(name, &fate.unwrap_or(Fate::Left), start.elapsed().as_secs_f64())?;
    }
    Ok(())
}

/// Compiles mutants without the choices: now their gas and their size are what they would be. All live, or one does not.
fn run_slowly(sources: &Sources, group: &[&(String, Mutant)], bench: &mut Bench, log: &Log) -> Result<()> {
    let start = Instant::now();
    let mut mutants: BTreeMap<&str, Vec<&Mutant>> = BTreeMap::new();
    for (_, mutant) in group {
        mutants.entry(&mutant.file).or_default().push(mutant);
    }
    let changed = mutants
        .iter()
        .map(|(&file, mutants)| (file.to_owned(), weave::changed(&sources[file], mutants)))
        .collect();
    let fate = match compile_changed(sources, &changed)? {
        // The mutant as it was woven in is another text.
        Err(_) => Fate::Unviable,
        Ok(codes) if bench.is_original(&codes)? => Fate::Same,
        Ok(codes) => match bench.judge_slowly(changed.keys(), &codes)? {
            Some(fate) => fate,
            None => bench.compare(&codes)?.unwrap_or(Fate::Survived),
        },
    };
    let each = start.elapsed().as_secs_f64() / group.len() as f64;
    if group.len() == 1 || matches!(fate, Fate::Same | Fate::Survived) {
        return group.iter().try_for_each(|(name, _)| log.settle(name, &fate, each));
    }
    let (first, second) = group.split_at(group.len() / 2);
    run_slowly(sources, first, bench, log)?;
    run_slowly(sources, second, bench, log)
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
        weave::changed(original, &[&mutants[0].1])
    } else {
        let plain: Vec<Mutant> = mutants.iter().map(|(_, mutant)| mutant.clone()).collect();
        weave::weave(original, &plain)
    };
    let errors = match compile_changed(sources, &BTreeMap::from([(file.to_owned(), changed.clone())]))? {
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

/// Code of all contracts that have one of these files in them, with these texts instead.
fn compile_changed(sources: &Sources, changed: &Sources) -> Result<Compiled> {
    let mut mutated = sources.clone();
    mutated.extend(changed.clone());
    let users = changed.keys().flat_map(|file| compile::users(sources, file)).collect();
    compile::compile(&mutated, &users)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutant(file: &str, edit: (usize, usize)) -> (String, Mutant) {
        let mutant = Mutant {
            file: format!("contracts/{file}"),
            within: "f".to_owned(),
            text: format!("{edit:?}"),
            operator: "number",
            edit,
            after: "2".to_owned(),
            before: "1".to_owned(),
            ordinal: 1,
            place: Place::Alone,
        };
        (mutant.name(), mutant)
    }

    #[test]
    fn what_is_explained_is_tried_at_once_unless_it_overlaps() {
        let all = [
            mutant("A.sol", (0, 9)),
            mutant("A.sol", (3, 4)),
            mutant("A.sol", (12, 13)),
            mutant("B.sol", (20, 21)),
            mutant("A.sol", (30, 31)),
        ];
        let explained: BTreeSet<Row> = all[..4].iter().map(|(_, mutant)| answers::row(mutant)).collect();
        let left: Vec<_> = all.iter().collect();
        let edits: Vec<Vec<(usize, usize)>> = groups(&left, &explained)
            .iter()
            .rev()
            .map(|group| group.iter().map(|(_, mutant)| mutant.edit).collect())
            .collect();
        let expected = [vec![(0, 9), (12, 13), (20, 21)], vec![(3, 4)], vec![(30, 31)]];
        assert_eq!(edits, expected);
    }

    #[test]
    fn no_more_are_tried_at_once_than_there_may_be() {
        let all: Vec<_> = (0..=AT_ONCE).map(|at| mutant("A.sol", (2 * at, 2 * at + 1))).collect();
        let explained: BTreeSet<Row> = all.iter().map(|(_, mutant)| answers::row(mutant)).collect();
        let sizes: Vec<usize> = groups(&all.iter().collect::<Vec<_>>(), &explained)
            .iter()
            .map(Vec::len)
            .collect();
        assert_eq!(sizes, [1, AT_ONCE]);
    }
}
