//! What is kept of a bundle.

use std::sync::Arc;

use alloy::primitives::{B256, keccak256};
use nthroot_api::{Bundle, IntentId, IntentStatus, Refusal};
use nthroot_protocol::{BatchId, FragmentId, Signature, limits::MAX_CLOCK_AGE};
use serde::{Deserialize, Serialize};

use crate::store::{Change, Table};

/// Where a bundle is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// It waits for a batch.
    Waiting,
    /// It is in a batch on its way to L1, in this transaction.
    Posted(B256),
    /// It is on L1.
    Included {
        /// The batch.
        batch: BatchId,
        /// The step.
        step: u16,
    },
    /// It is not on L1 and cannot come there, unless L1 takes something back: its entry says why.
    Dropped,
    /// Nothing can happen to it any more.
    Over(IntentStatus),
}

/// A bundle and where it is.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Its place in the order in which bundles came.
    pub(super) number: u64,
    /// What it uses.
    pub(super) places: Vec<(FragmentId, u64)>,
    /// [`mark`] of each of its signatures. None of what is over.
    pub(super) marks: Vec<B256>,
    /// The last block at which all of it is valid.
    pub(super) valid_until: u64,
    /// About what it takes.
    pub(super) bytes: usize,
    /// How many others were replaced until it came.
    pub(super) replaced: u32,
    /// How often in a row it could not be carried out.
    pub(super) fails: u32,
    /// When it is looked at again.
    pub(super) retry_at: u64,
    /// Where L1 has it, as far as was seen.
    pub(super) found: Option<Found>,
    /// Where L1 has some of its intents and not the others.
    pub(super) torn: Option<Found>,
    /// Why it does not happen if it is not on L1. What was replaced never waits again.
    pub(super) dropped: Option<Refusal>,
    /// None where only the store has it.
    pub(super) bundle: Option<Arc<Bundle>>,
    pub(super) state: State,
}

/// Where a bundle was found on L1: once that is final, and its batch's steps are let go, nothing else tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Found {
    /// The batch.
    pub(super) batch: BatchId,
    /// What tells it from another one with its id, on another branch of L1.
    pub(super) identity: B256,
    /// The step.
    pub(super) step: u16,
}

/// A bundle as it is kept.
#[derive(Serialize, Deserialize)]
pub(super) struct Row<B = Bundle> {
    pub(super) number: u64,
    pub(super) replaced: u32,
    pub(super) bundle: B,
    pub(super) found: Option<Found>,
    #[serde(default)]
    pub(super) torn: Option<Found>,
    #[serde(default)]
    pub(super) dropped: Option<Refusal>,
}

/// What became of a bundle, as it is kept.
#[derive(Serialize, Deserialize)]
pub(super) struct Ended {
    /// Its place in the order in which bundles were over.
    pub(super) order: u64,
    pub(super) status: IntentStatus,
}

impl Ended {
    /// The rows that take the place of a bundle's.
    pub(super) fn changes(&self, id: IntentId) -> [Change; 2] {
        // It is written without fail, as a row is.
        let value = serde_json::to_vec(self).ok();
        let (table, key) = (Table::Ended, id.to_vec());
        [deleted(Table::Intents, id), Change { table, key, value }]
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

impl<B: Serialize> Row<B> {
    /// The row as it is written.
    pub(super) fn change(&self, id: IntentId) -> Change {
        Change {
            table: Table::Intents,
            key: id.to_vec(),
            // Nothing in it fails to be written: its maps have keys of text.
            value: serde_json::to_vec(self).ok(),
        }
    }
}

impl Row {
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

impl Entry {
    /// Whether no batch with the tip as its clock can carry it. One with an earlier clock still can: see [`Self::is_expired`].
    pub(super) const fn is_late(&self, tip: u64) -> bool {
        self.valid_until < tip
    }

    /// Whether no batch can carry it after the tip, were its clock as old as L1 allows.
    pub(super) const fn is_expired(&self, tip: u64) -> bool {
        self.valid_until.saturating_add(MAX_CLOCK_AGE) <= tip
    }

    pub(super) fn of(row: Row) -> Self {
        let intents = &row.bundle.0;
        Self {
            number: row.number,
            places: intents.iter().map(|signed| (signed.fragment, signed.nonce)).collect(),
            marks: intents.iter().map(|signed| mark(&signed.signature)).collect(),
            valid_until: intents
                .iter()
                .map(|signed| signed.valid_until)
                .min()
                .unwrap_or_default(),
            bytes: size(&row.bundle),
            replaced: row.replaced,
            fails: 0,
            retry_at: 0,
            found: row.found,
            torn: row.torn,
            dropped: row.dropped,
            bundle: Some(Arc::new(row.bundle)),
            state: State::Waiting,
        }
    }

    /// One that is over.
    pub(super) fn over(status: IntentStatus) -> Self {
        Self {
            number: 0,
            places: Vec::new(),
            marks: Vec::new(),
            valid_until: 0,
            bytes: 0,
            replaced: 0,
            fails: 0,
            retry_at: 0,
            found: None,
            torn: None,
            dropped: None,
            bundle: None,
            state: State::Over(status),
        }
    }
}

/// The deletion of a bundle's row.
pub(super) fn deleted(table: Table, id: IntentId) -> Change {
    Change::delete(table, id.to_vec())
}

/// By what a signature is found again in a step.
pub(super) fn mark(signature: &Signature) -> B256 {
    keccak256(signature.encode())
}

/// About what a bundle takes in memory, and not less: `tests/mempool/memory.rs` measures it.
pub(super) fn size(bundle: &Bundle) -> usize {
    /// An entry in its map, which is half empty after it has grown, and its place in the queue.
    const ENTRY: usize = 1_700;
    /// An intent without what it points to, with its places in the maps.
    const INTENT: usize = 550;
    let intent = |signed: &nthroot_wallet::SignedIntent| {
        let pointed_to = signed.payload.len() + 48 * signed.outflows.len() + signed.signature.encode().len();
        // What grew while it was read has room left over.
        INTENT + pointed_to * 3 / 2
    };
    ENTRY + bundle.0.iter().map(intent).sum::<usize>()
}
