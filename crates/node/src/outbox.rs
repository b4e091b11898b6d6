//! Transactions on their way into L1, kept over restarts and reorganisations.
//!
//! An outbox has one key, and nothing else may send with it. At every tick its caller says what it wants to be on L1 now; the
//! outbox sends it, each job in one transaction, raises what waits, sends again what nodes dropped or a reorganisation took
//! back, and cancels what is not wanted any more. Nothing leaves before it is persisted, so that no restart sends a second
//! transaction for a job whose first may still be included; a nonce is forgotten when what used it is final.

mod dispatch;
mod entry;
mod plan;
mod settle;

use std::{collections::BTreeMap, sync::Arc};

use alloy::{
    network::EthereumWallet,
    primitives::{Address, B256, U256},
    signers::local::PrivateKeySigner,
};

pub use self::{
    dispatch::MAX_IN_FLIGHT,
    entry::{Entry, Job, Purpose, State, Version},
};
use crate::{
    error::{Error, Result},
    fees::Offer,
    inputs::Block,
    l1::L1,
    revert::Revert,
    sender::Call,
    store::{Change, Store, Table},
};

/// What became of transactions. What is not told because the process ended is not told again: the chain says it.
#[derive(Debug)]
pub enum Event {
    /// A transaction was handed to the L1 node, for the first time, raised or again.
    Sent {
        /// What for. None: it cancels another one.
        purpose: Option<Purpose>,
        /// Its nonce.
        nonce: u64,
        /// Its hash.
        hash: B256,
        /// What it offers.
        offer: Offer,
    },
    /// It is in a block, and did what it should.
    Included {
        /// What for. None: it cancelled another one.
        purpose: Option<Purpose>,
        /// Its hash.
        hash: B256,
        /// The block.
        block: u64,
        /// Gas that it used.
        gas_used: u64,
        /// Wei that it paid for the gas.
        fee: U256,
        /// Blocks from the one in which it was first signed.
        waited: u64,
    },
    /// It is in a block, and failed.
    Failed {
        /// What for. None: it should have cancelled another one.
        purpose: Option<Purpose>,
        /// Its hash.
        hash: B256,
        /// The block.
        block: u64,
        /// Gas that it used up.
        gas_used: u64,
        /// Wei that it paid for the gas.
        fee: U256,
        /// Why, as a call at the block before tells; empty if it cannot be told.
        revert: Revert,
    },
    /// A reorganisation took back what had been included under this nonce.
    Unmined {
        /// What the newest version is for.
        purpose: Option<Purpose>,
        /// The nonce.
        nonce: u64,
    },
    /// A transaction that this outbox did not send used the nonce: something else has the same key.
    Taken {
        /// What had been sent under it.
        purpose: Option<Purpose>,
        /// The nonce.
        nonce: u64,
        /// About the block.
        block: u64,
    },
    /// It waits, and neither its budget nor the key's balance allows more.
    Exhausted {
        /// What for.
        purpose: Option<Purpose>,
        /// What is offered.
        offer: Offer,
    },
    /// The L1 node does not take it, or its gas cannot be estimated because it would fail. It is tried again.
    Refused {
        /// What for.
        purpose: Option<Purpose>,
        /// What the node said.
        error: Error,
    },
}

/// The transactions of one key that are on their way.
pub struct Outbox {
    l1: L1,
    address: Address,
    wallet: EthereumWallet,
    store: Arc<dyn Store>,
    /// By nonce: all that is not final.
    entries: BTreeMap<u64, Entry>,
    /// The least nonce that L1 has not used, as far as it was seen.
    next: u64,
    /// The block at which it was last looked.
    seen: Option<B256>,
    /// What was not told yet.
    events: Vec<Event>,
}

impl Outbox {
    /// Goes on where the store says that this key was.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub fn open(l1: L1, signer: PrivateKeySigner, store: Arc<dyn Store>) -> Result<Self> {
        let address = signer.address();
        let mut entries = BTreeMap::new();
        store.scan(Table::Outbox, &mut |key, row| {
            if key.starts_with(address.as_slice()) {
                let entry = entry::decode(row)?;
                entries.insert(entry.nonce, entry);
            }
            Ok(())
        })?;
        Ok(Self {
            l1,
            address,
            wallet: signer.into(),
            store,
            entries,
            next: 0,
            seen: None,
            events: Vec::new(),
        })
    }

    /// Whose transactions these are.
    pub const fn address(&self) -> Address {
        self.address
    }

    /// What is not final, in the order of nonces.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Whether something that may fulfil this purpose is on its way, and not in a block.
    pub fn is_pending(&self, purpose: Purpose) -> bool {
        let mut pending = self.entries().filter(|entry| entry.state == State::Pending);
        pending.any(|entry| entry.may_fulfil(purpose))
    }

    /// Whether the newest version of something that is on its way, and not in a block, is this call for this purpose.
    pub fn carries(&self, job: &Job) -> bool {
        let mut pending = self.entries().filter(|entry| entry.state == State::Pending);
        pending.any(|entry| {
            let same = |call: Call| job.call.is_carried_by(&call);
            entry.purpose() == Some(job.purpose) && entry.call().is_ok_and(same)
        })
    }

    /// Looks what became of the transactions, and sees to it that what is `wanted` now, most urgent first, is on its way, and
    /// nothing else. `tip` is the block from which that was derived, `finalised` the number of the last final one. It waits
    /// for no inclusion. Call it once for each block, or more often.
    ///
    /// A job whose call changes pays for each change, since nodes ask for a raise.
    ///
    /// # Errors
    ///
    /// If the L1 node or the store fails. Nothing is lost: call it again.
    pub async fn tick(&mut self, tip: Block, finalised: u64, wanted: &[Job]) -> Result<Vec<Event>> {
        self.settle(tip, finalised).await?;
        self.dispatch(tip, wanted).await?;
        Ok(std::mem::take(&mut self.events))
    }

    /// Persists entries, then knows them.
    fn keep(&mut self, entries: Vec<Entry>) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let change = |entry: &Entry| -> Result<Change> {
            Ok(Change {
                table: Table::Outbox,
                key: entry::row_key(self.address, entry.nonce),
                value: Some(entry::encode(entry)?),
            })
        };
        let changes = entries.iter().map(change).collect::<Result<Vec<_>>>()?;
        self.store.commit(&changes)?;
        self.entries
            .extend(entries.into_iter().map(|entry| (entry.nonce, entry)));
        Ok(())
    }

    fn forget(&mut self, nonce: u64) -> Result<()> {
        self.store.commit(&[Change {
            table: Table::Outbox,
            key: entry::row_key(self.address, nonce),
            value: None,
        }])?;
        self.entries.remove(&nonce);
        Ok(())
    }
}
