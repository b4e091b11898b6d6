//! A table of rows that a ledger is written to from time to time, and what must hold of a ledger that is read from it.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use nthroot_model::ledger::{Judgement, Ledger, RowError};

use crate::random::Rng;

/// The rows, and the ledger as it was when they were written.
#[derive(Default)]
pub(crate) struct Store {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    written: Option<Ledger>,
}

impl Store {
    /// Sometimes lets go what is not needed, sometimes writes the ledger down, and sometimes goes on with what can be read.
    pub(crate) fn visit(&mut self, ledger: &mut Ledger, proposers: &[Address], rng: &mut Rng) -> Result<Visit, String> {
        let forgets = rng.percent(25);
        if forgets {
            ledger.forget_valid_steps(ledger.block().saturating_sub(rng.next() % 4));
        }
        if rng.percent(15) {
            ledger.prune_final();
        }
        if rng.percent(50) {
            return Ok(Visit::None);
        }
        self.write(ledger);
        if rng.percent(50) {
            return Ok(Visit::Written);
        }
        let read = self.check(ledger, proposers)?;
        if rng.percent(50) {
            *ledger = read;
        }
        if rng.percent(20) {
            self.break_one(ledger, rng)?;
        }
        Ok(Visit::Read)
    }

    fn write(&mut self, ledger: &Ledger) {
        for (key, value) in ledger.rows_since(self.written.as_ref()) {
            match value {
                Some(value) => drop(self.rows.insert(key, value)),
                None => drop(self.rows.remove(&key).expect("what is deleted was there")),
            }
        }
        self.written = Some(ledger.clone());
    }

    fn read(ledger: &Ledger, rows: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<Ledger, RowError> {
        Ledger::from_rows(ledger.params().clone(), ledger.env().clone(), rows)
    }

    /// The changes gave what all rows at once are, and the ledger with these rows gives the same answers.
    fn check(&self, ledger: &Ledger, proposers: &[Address]) -> Result<Ledger, String> {
        let all = |ledger: &Ledger| -> BTreeMap<Vec<u8>, Vec<u8>> {
            let rows = ledger.rows_since(None).into_iter();
            rows.map(|(key, value)| (key, value.expect("nothing to delete")))
                .collect()
        };
        if all(ledger) != self.rows {
            return Err("the changes are not those between the ledgers".into());
        }
        let read = Self::read(ledger, &self.rows).map_err(|error| error.to_string())?;
        let (expected, found) = (answers(ledger, proposers), answers(&read, proposers));
        if let Some((expected, found)) = expected.iter().zip(&found).find(|(expected, found)| expected != found) {
            return Err(format!("expected {expected}\nread {found}"));
        }
        if expected.len() != found.len() || all(&read) != self.rows || !read.rows_since(Some(ledger)).is_empty() {
            return Err("what was read has other rows".into());
        }
        Ok(read)
    }

    /// Rows with one thing changed are refused, or are those of some ledger; nothing panics.
    fn break_one(&self, ledger: &Ledger, rng: &mut Rng) -> Result<(), String> {
        for _ in 0..20 {
            let mut rows = self.rows.clone();
            let keys: Vec<&Vec<u8>> = self.rows.keys().collect();
            let key = keys[rng.below(keys.len())].clone();
            let mut value = rows.remove(&key).expect("there is");
            let place = rng.below(value.len().max(1));
            match rng.below(5) {
                0 => value.truncate(place),
                1 => value.insert(place, rng.next().to_be_bytes()[0]),
                2 => value.push(0),
                3 if !value.is_empty() => value[place] ^= 1 << rng.below(8),
                _ => {
                    let mut key = key.clone();
                    let place = rng.below(key.len());
                    key[place] ^= 1 << rng.below(8);
                    rows.insert(key, value.clone());
                }
            }
            rows.insert(key, value);
            let Ok(read) = Self::read(ledger, &rows) else { continue };
            let again: BTreeMap<Vec<u8>, Vec<u8>> = read
                .rows_since(None)
                .into_iter()
                .filter_map(|(key, value)| Some((key, value?)))
                .collect();
            if again != rows {
                let differs = rows.iter().find(|(key, value)| again.get(*key) != Some(*value));
                return Err(format!("rows that are read are written otherwise: {differs:02x?}"));
            }
        }
        Ok(())
    }
}

/// What a visit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Visit {
    None,
    Written,
    Read,
}

/// Everything that a ledger can be asked, but for evidence against valid steps.
fn answers(ledger: &Ledger, proposers: &[Address]) -> Vec<String> {
    let mut answers = vec![
        format!("{} {:?} {:?}", ledger.block(), ledger.global(), ledger.oldest_fault()),
        format!("{:?} {:?} {:?}", ledger.lies(), ledger.final_lies(), ledger.rollbacks()),
    ];
    answers.extend(ledger.anchors().map(|anchor| format!("{anchor:?}")));
    for token in [Address::ZERO, Address::repeat_byte(0x70)] {
        answers.push(format!("{}", ledger.held(token)));
    }
    for proposer in proposers {
        let words: Vec<_> = (0..40).map(|slot| ledger.word(*proposer, slot)).collect();
        let (bond, free) = (ledger.bond(*proposer), ledger.free_bond(*proposer));
        answers.push(format!("{bond:?} {free} {:?} {words:?}", ledger.free_slot(*proposer)));
    }
    for id in ledger.batches() {
        let judgement = ledger.judgement(id);
        answers.push(format!(
            "{id} {:?} {:?} {:?} {:?} {:?} {judgement:?} {:?}",
            ledger.status(id),
            ledger.final_at(id),
            ledger.preimage(id),
            ledger.entries(id),
            ledger.claims(id),
            ledger.lies_of(id),
        ));
        for (judgement, step) in judgement.into_iter().flatten().zip(0..) {
            if *judgement != Judgement::Valid {
                answers.push(format!("{:?}", ledger.evidence(id, step)));
            }
        }
        // What it would be to take the batch back.
        let mut copy = ledger.clone();
        if copy.on_condemned(id).is_ok() && copy.on_unwound(id).is_ok() {
            answers.extend(copy.anchors().map(|anchor| format!("without {id}: {anchor:?}")));
        }
    }
    answers
}
