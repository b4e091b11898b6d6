//! A store that ends with its process: for commands that run once, and for tests.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock, RwLockWriteGuard},
};

use super::{Change, Store, Table};
use crate::error::Result;

type Rows = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// Rows in memory.
#[derive(Debug, Default)]
pub struct Memory(RwLock<Rows>);

impl Memory {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    // Nothing that holds the lock leaves rows half changed: what panics is a caller's closure, and it only reads.
    fn write(&self) -> RwLockWriteGuard<'_, Rows> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Memory {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let rows = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Ok(rows.get(&(table, key.to_vec())).cloned())
    }

    fn scan(&self, table: Table, each: &mut dyn FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
        // Copied, so that `each` may write: a scan shows what there was when it began.
        let rows = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let from = rows.range((table, Vec::new())..);
        let of_table: Vec<_> = from
            .take_while(|((of, _), _)| *of == table)
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect();
        drop(rows);
        of_table.iter().try_for_each(|(key, value)| each(key, value))
    }

    fn commit(&self, changes: &[Change]) -> Result<()> {
        self.replace(&[], changes)
    }

    fn replace(&self, tables: &[Table], changes: &[Change]) -> Result<()> {
        let mut rows = self.write();
        rows.retain(|(table, _), _| !tables.contains(table));
        for Change { table, key, value } in changes {
            let place = (*table, key.clone());
            match value {
                Some(value) => drop(rows.insert(place, value.clone())),
                None => drop(rows.remove(&place)),
            }
        }
        Ok(())
    }
}
