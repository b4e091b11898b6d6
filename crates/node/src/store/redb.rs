//! The store of a node that runs for months: one file, written by copying, so that a crash at any moment leaves the last commit.

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
};

use redb::{
    Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, StorageError, TableDefinition, TableError,
    WriteTransaction,
};
use tracing::{info, warn};

use super::{Change, SCHEMA, Store, Table};
use crate::error::{Error, Result};

/// Bytes of pages that are kept in memory. The ledger is in memory anyway and its rows are read once, so that little more than
/// what one commit touches is worth keeping.
const CACHE: usize = 32 << 20;

/// Where the file says its schema: a table apart, so that no change of the others deletes it.
const VERSION: TableDefinition<'_, (), u32> = TableDefinition::new("schema");

/// A file. It is open in one process at a time.
pub struct Redb {
    path: PathBuf,
    /// None after a failure of the disk, until it can be opened again.
    database: RwLock<Option<Database>>,
}

impl Redb {
    /// Opens the file, and makes it if there is none. All of it is read, and compared with the checksums that it has.
    ///
    /// # Errors
    ///
    /// [`Error::StoreLocked`] if another process has it, [`Error::StoreDamaged`] if it is no store or not what was written,
    /// [`Error::StoreVersion`] if another version wrote it, [`Error::Store`] if the disk fails.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let database = RwLock::new(Some(open(&path)?));
        Ok(Self { path, database })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Does something with the database. After a failure of the disk redb answers nothing more until it is opened again: so
    /// that is done first.
    fn with<T>(&self, act: impl Fn(&Database) -> Result<T, redb::Error>) -> Result<T> {
        if let Some(database) = &*self.database.read().unwrap_or_else(PoisonError::into_inner) {
            match act(database) {
                Err(redb::Error::PreviousIo) => {}
                done => return done.map_err(|error| failed(&self.path, error)),
            }
        }
        let mut slot = self.database.write().unwrap_or_else(PoisonError::into_inner);
        warn!(path = %self.path.display(), "the store is opened again after its disk failed");
        // Closed before it is opened: the file has one lock.
        *slot = None;
        let database = slot.insert(open(&self.path)?);
        act(database).map_err(|error| failed(&self.path, error))
    }
}

impl Store for Redb {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.with(|database| {
            let table = database.begin_read()?.open_table(definition(table))?;
            Ok(table.get(key)?.map(|value| value.value().to_vec()))
        })
    }

    fn scan(&self, table: Table, each: &mut dyn FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
        // A transaction that reads shows what there was when it began, whatever is committed meanwhile.
        let rows = self.with(|database| Ok(database.begin_read()?.open_table(definition(table))?))?;
        for row in rows.iter().map_err(|error| failed(&self.path, error))? {
            let (key, value) = row.map_err(|error| failed(&self.path, error))?;
            each(key.value(), value.value())?;
        }
        Ok(())
    }

    fn commit(&self, changes: &[Change]) -> Result<()> {
        self.replace(&[], changes)
    }

    fn replace(&self, tables: &[Table], changes: &[Change]) -> Result<()> {
        self.with(|database| {
            let mut transaction = database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            for table in tables {
                transaction.delete_table(definition(*table))?;
            }
            make_tables(&transaction)?;
            for table in Table::ALL {
                let mut changes = changes.iter().filter(|change| change.table == table).peekable();
                if changes.peek().is_none() {
                    continue;
                }
                let mut rows = transaction.open_table(definition(table))?;
                for Change { key, value, .. } in changes {
                    match value {
                        Some(value) => drop(rows.insert(key.as_slice(), value.as_slice())?),
                        None => drop(rows.remove(key.as_slice())?),
                    }
                }
            }
            transaction.commit()?;
            Ok(())
        })
    }
}

const fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.name())
}

/// So that reading finds every table, if only an empty one.
fn make_tables(transaction: &WriteTransaction) -> Result<(), TableError> {
    Table::ALL
        .into_iter()
        .try_for_each(|table| transaction.open_table(definition(table)).map(drop))
}

fn open(path: &Path) -> Result<Database> {
    if !path.exists() {
        make(path).map_err(|error| unopened(path, error))?;
    }
    let database = database(path).map_err(|error| unopened(path, error))?;
    let version = version(&database).map_err(|error| failed(path, error))?;
    match version {
        Some(SCHEMA) => Ok(database),
        Some(found) => Err(Error::StoreVersion {
            path: path.to_owned(),
            expected: SCHEMA,
            found,
        }),
        None => {
            initialise(&database).map_err(|error| failed(path, error))?;
            info!(path = %path.display(), "a new store");
            Ok(database)
        }
    }
}

fn database(path: &Path) -> Result<Database, DatabaseError> {
    Database::builder()
        .set_cache_size(CACHE)
        // A file that was altered would otherwise be noticed where it is read, by a panic. It costs reading the file once more.
        .set_check_integrity_on_open(true)
        .create(path)
}

/// Makes the file, under another name until it is a database: of a process that is killed between redb's first two flushes remains
/// what is none, for good.
fn make(path: &Path) -> Result<(), DatabaseError> {
    let young = path.with_added_extension("new");
    let made = match database(&young) {
        Err(DatabaseError::Storage(StorageError::Io(error))) if error.kind() == ErrorKind::InvalidData => {
            fs::remove_file(&young)?;
            database(&young)?
        }
        made => made?,
    };
    // Whoever has the lock of the young file is alone, unless another process was done before.
    if path.exists() {
        fs::remove_file(&young)?;
    } else {
        fs::rename(&young, path)?;
        // The name must last as long as what is written under it.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    drop(made);
    Ok(())
}

/// The schema of the file. None if it is new.
fn version(database: &Database) -> Result<Option<u32>, redb::Error> {
    match database.begin_read()?.open_table(VERSION) {
        Ok(table) => Ok(table.get(())?.map(|version| version.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn initialise(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(VERSION)?.insert((), SCHEMA)?;
    make_tables(&transaction)?;
    Ok(transaction.commit()?)
}

fn unopened(path: &Path, error: DatabaseError) -> Error {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => Error::StoreLocked(path.to_owned()),
        // What is no database at all is told so.
        DatabaseError::Storage(StorageError::Io(error)) if error.kind() == ErrorKind::InvalidData => {
            damaged(path, &error)
        }
        error @ (DatabaseError::UpgradeRequired(_) | DatabaseError::RepairAborted) => damaged(path, &error),
        error => failed(path, error),
    }
}

fn failed(path: &Path, error: impl Into<redb::Error>) -> Error {
    match error.into() {
        error @ (redb::Error::Corrupted(_) | redb::Error::TableTypeMismatch { .. }) => damaged(path, &error),
        error => Error::Store {
            path: path.to_owned(),
            what: error.to_string(),
        },
    }
}

fn damaged(path: &Path, why: &dyn std::error::Error) -> Error {
    Error::StoreDamaged {
        path: path.to_owned(),
        what: why.to_string(),
    }
}
