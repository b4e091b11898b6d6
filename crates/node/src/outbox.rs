//! Transactions on their way into L1, kept over restarts and reorganisations.
//!
//! An outbox has one key, and nothing else may send with it. At every tick its caller says what it wants to be on L1 now; the
//! outbox sends it, each job in one transaction, raises what waits, sends again what nodes dropped or a reorganisation took
//! back, and cancels what is not wanted any more. Nothing leaves before it is persisted, so that no restart sends a second
//! transaction for a job whose first may still be included; a nonce is forgotten when what used it is final. Only a proof leaves
//! although the disk fails: sent twice it costs gas, not sent it costs what the lie takes.

mod dispatch;
mod entry;
mod funds;
mod plan;
mod settle;
mod sign;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alloy::{
    network::EthereumWallet,
    primitives::{Address, B256, U256},
    signers::local::PrivateKeySigner,
};

pub use self::{
    dispatch::MAX_IN_FLIGHT,
    entry::{Entry, Job, Purpose, State, Version},
};
use tracing::error;

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
    /// Something else stands under a nonce of this key at the L1 node, and is outbid slowly: another process has the same key,
    /// or the store of this one was lost.
    Contested {
        /// What is sent under it.
        purpose: Option<Purpose>,
        /// The nonce.
        nonce: u64,
    },
    /// The store does not take what is to be sent. Proofs left without it, and nothing else.
    Unwritten {
        /// What the store said.
        error: Error,
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
    /// The least nonce that L1 had not used at any time that it was looked. None until then.
    highest: Option<u64>,
    /// The block at which it was last looked.
    seen: Option<B256>,
    /// Nonces whose rows the store has not taken.
    unwritten: BTreeSet<u64>,
    /// How often something unknown was outbid, by nonce, and at which block.
    outbid: BTreeMap<u64, (u64, u32)>,
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
            highest: None,
            seen: None,
            unwritten: BTreeSet::new(),
            outbid: BTreeMap::new(),
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

    /// What was included and failed, each with its block.
    pub fn failed(&self) -> impl Iterator<Item = (Purpose, u64)> {
        self.entries().filter_map(|entry| match entry.state {
            State::Mined {
                block, success: false, ..
            } => Some((entry.mined()?.purpose?, block)),
            _ => None,
        })
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
    /// A job whose call changes pays for each change, since nodes ask for a raise. One that was included and failed is not sent
    /// again before that was told: its caller should look first whether it can succeed.
    ///
    /// # Errors
    ///
    /// If the L1 node or the store fails. Nothing is lost: call it again.
    pub async fn tick(&mut self, tip: Block, finalised: u64, wanted: &[Job]) -> Result<Vec<Event>> {
        self.settle(tip, finalised).await?;
        let wanted = self.without_failed(wanted);
        self.dispatch(tip, &wanted).await?;
        Ok(std::mem::take(&mut self.events))
    }

    fn without_failed<'a>(&self, wanted: &'a [Job]) -> Cow<'a, [Job]> {
        let failed = |job: &Job| {
            let mut events = self.events.iter();
            events.any(|event| matches!(event, Event::Failed { purpose, .. } if *purpose == Some(job.purpose)))
        };
        if !wanted.iter().any(failed) {
            return Cow::Borrowed(wanted);
        }
        Cow::Owned(wanted.iter().filter(|job| !failed(job)).cloned().collect())
    }

    /// Persists entries, then knows them. Returns those that may leave: all, or if the disk fails, those that are as well sent
    /// twice.
    fn keep(&mut self, mut entries: Vec<Entry>) -> Result<Vec<Entry>> {
        if entries.is_empty() {
            return Ok(entries);
        }
        let changes = entries
            .iter()
            .map(|entry| self.row(entry))
            .collect::<Result<Vec<_>>>()?;
        match self.store.commit(&changes) {
            Ok(()) => {}
            Err(error) if is_of_disk(&error) => {
                // A cancellation does nothing, and may stand before a proof.
                entries.retain(|entry| entry.purpose().is_none_or(Purpose::is_proof));
                let left = entries.len();
                error!(%error, left, "the store does not take what is to be sent: proofs leave without it, nothing else does");
                self.events.push(Event::Unwritten { error });
                self.unwritten.extend(entries.iter().map(|entry| entry.nonce));
            }
            Err(error) => return Err(error),
        }
        self.entries
            .extend(entries.iter().map(|entry| (entry.nonce, entry.clone())));
        Ok(entries)
    }

    /// Knows what L1 says of a nonce, or forgets the nonce. [`Self::write`] persists it; until then a restart asks L1 again.
    fn note(&mut self, nonce: u64, entry: Option<Entry>) {
        match entry {
            Some(entry) => drop(self.entries.insert(nonce, entry)),
            None => drop(self.entries.remove(&nonce)),
        }
        self.unwritten.insert(nonce);
    }

    /// Persists what was noted.
    fn write(&mut self) -> Result<()> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let row = |nonce: &u64| match self.entries.get(nonce) {
            Some(entry) => self.row(entry),
            None => Ok(Change::delete(Table::Outbox, entry::row_key(self.address, *nonce))),
        };
        let changes = self.unwritten.iter().map(row).collect::<Result<Vec<_>>>()?;
        match self.store.commit(&changes) {
            Ok(()) => {
                self.unwritten.clear();
                Ok(())
            }
            Err(error) if is_of_disk(&error) => {
                error!(%error, "the store does not take what became of transactions");
                self.events.push(Event::Unwritten { error });
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn row(&self, entry: &Entry) -> Result<Change> {
        let key = entry::row_key(self.address, entry.nonce);
        Ok(Change::put(Table::Outbox, key, entry::encode(entry)?))
    }
}

/// Whether a store refuses whatever it is given, as a disk does that is full.
const fn is_of_disk(error: &Error) -> bool {
    matches!(error, Error::Store { .. } | Error::StoreDamaged { .. })
}
