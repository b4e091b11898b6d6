//! What was done, and how often.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// Counts, by what and of which kind. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Tally(Arc<Mutex<BTreeMap<(&'static str, String), u64>>>);

impl Tally {
    pub(crate) fn count(&self, what: &'static str, kind: impl Into<String>) {
        let mut counts = self.0.lock().expect("nobody panics with it");
        *counts.entry((what, kind.into())).or_default() += 1;
    }

    /// How often it was done, of whatever kind.
    pub(crate) fn of(&self, what: &str) -> u64 {
        let counts = self.0.lock().expect("nobody panics with it");
        let own = counts.iter().filter(|((name, _), _)| *name == what);
        own.map(|(_, count)| count).sum()
    }

    pub(crate) fn print(&self) {
        let counts = self.0.lock().expect("nobody panics with it");
        let mut last = "";
        for ((what, kind), count) in counts.iter() {
            if *what != last {
                let all: u64 = counts
                    .iter()
                    .filter(|((name, _), _)| name == what)
                    .map(|(_, n)| n)
                    .sum();
                println!("{what}: {all}");
                last = what;
            }
            println!("  {count:>7}  {kind}");
        }
    }
}
