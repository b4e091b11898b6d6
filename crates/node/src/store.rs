//! What a node keeps over a restart: everything that L1 does not have, and of what it has as much as saves deriving it again.
//!
//! A store is tables of byte strings. Changes are committed together, or not at all: a node that is killed at any moment finds
//! what it last committed. All that is kept of L1 can be derived again, so that a store that is lost, or of another version,
//! costs time; what was not handed to L1 yet ([`Table::Intents`], [`Table::Outbox`]) is what is lost with it.

mod memory;
mod redb;

pub use self::{memory::Memory, redb::Redb};

use crate::error::Result;

/// Version of what the tables hold. It goes up when an older node could not read what a newer one writes, or the reverse.
pub const SCHEMA: u32 = 2;

/// A table, in each of which keys are unique and in the order of their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Of what deployment this is, in which version, and up to which block.
    Meta,
    /// The ledger as it was after that block, in rows of the model.
    Ledger,
    /// Code of the registered rules.
    Code,
    /// Signed intents that were taken and are not over.
    Intents,
    /// What became of those that are over.
    Ended,
    /// Transactions that were sent and are not final.
    Outbox,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Meta,
        Self::Ledger,
        Self::Code,
        Self::Intents,
        Self::Ended,
        Self::Outbox,
    ];

    /// Its name in files and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Ledger => "ledger",
            Self::Code => "code",
            Self::Intents => "intents",
            Self::Ended => "ended",
            Self::Outbox => "outbox",
        }
    }
}

/// A row that is written, or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub table: Table,
    /// Its key.
    pub key: Vec<u8>,
    /// What it says from now on. None: it is gone.
    pub value: Option<Vec<u8>>,
}

impl Change {
    /// Writes a row.
    pub fn put(table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        let (key, value) = (key.into(), Some(value.into()));
        Self { table, key, value }
    }

    /// Deletes a row, if it is there.
    pub fn delete(table: Table, key: impl Into<Vec<u8>>) -> Self {
        let (key, value) = (key.into(), None);
        Self { table, key, value }
    }
}

/// Hears of a row: its key, and what it says.
pub type Each<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<()>;

/// Where a node keeps what it must not lose. Implementations may be shared by threads.
pub trait Store: Send + Sync {
    /// A row.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Hands all rows of a table to `each`, in the order of their keys, until it fails.
    ///
    /// # Errors
    ///
    /// If the store cannot be read, or `each` fails.
    fn scan(&self, table: Table, each: Each<'_>) -> Result<()>;

    /// Makes these changes, in this order, all of them or none. When it returns they outlast a crash.
    ///
    /// # Errors
    ///
    /// If the store cannot be written; then nothing has changed.
    fn commit(&self, changes: &[Change]) -> Result<()>;

    /// Deletes all rows of these tables, together with making these changes.
    ///
    /// # Errors
    ///
    /// As [`Self::commit`].
    fn replace(&self, tables: &[Table], changes: &[Change]) -> Result<()>;
}
