//! A store that tells how long its commits take, and how large it is.

use std::time::Instant;

use metrics::{counter, gauge, histogram};

use crate::{
    error::Result,
    metrics::{STORE_COMMIT_TIME, STORE_COMMITS, STORE_SIZE},
    store::{Change, Redb, Store, Table},
};

/// The file, with its figures.
pub(super) struct Metered(pub(super) Redb);

impl Metered {
    fn measure(&self, write: impl FnOnce(&Redb) -> Result<()>) -> Result<()> {
        let begun = Instant::now();
        write(&self.0)?;
        histogram!(STORE_COMMIT_TIME).record(begun.elapsed().as_secs_f64());
        counter!(STORE_COMMITS).increment(1);
        if let Ok(file) = std::fs::metadata(self.0.path()) {
            gauge!(STORE_SIZE).set(super::report::figure(file.len()));
        }
        Ok(())
    }
}

impl Store for Metered {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.0.get(table, key)
    }

    fn scan(&self, table: Table, each: &mut dyn FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
        self.0.scan(table, each)
    }

    fn commit(&self, changes: &[Change]) -> Result<()> {
        self.measure(|store| store.commit(changes))
    }

    fn replace(&self, tables: &[Table], changes: &[Change]) -> Result<()> {
        self.measure(|store| store.replace(tables, changes))
    }
}
