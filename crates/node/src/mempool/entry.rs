//! What is kept of a bundle.

use std::sync::Arc;

use alloy::primitives::{B256, keccak256};
use nthroot_api::{Bundle, IntentId, IntentStatus};
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
    /// [`mark`] of its first signature.
    pub(super) signature: B256,
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
            signature: intents
                .first()
                .map(|signed| mark(&signed.signature))
                .unwrap_or_default(),
            valid_until: intents
                .iter()
                .map(|signed| signed.valid_until)
                .min()
                .unwrap_or_default(),
            bytes: size(&row.bundle),
            replaced: row.replaced,
            fails: 0,
            retry_at: 0,
            bundle: Some(Arc::new(row.bundle)),
            state: State::Waiting,
        }
    }
}

/// The deletion of a bundle's row.
pub(super) fn deleted(id: IntentId) -> Change {
    Change {
        table: Table::Intents,
        key: id.to_vec(),
        value: None,
    }
}

/// By what a signature is found again in a step.
pub(super) fn mark(signature: &Signature) -> B256 {
    keccak256(signature.encode())
}

/// About what a bundle takes in memory.
pub(super) fn size(bundle: &Bundle) -> usize {
    /// An entry with its places in the maps.
    const ENTRY: usize = 600;
    /// An intent without what it points to.
    const INTENT: usize = 350;
    let intent = |signed: &nthroot_wallet::SignedIntent| {
        INTENT + signed.payload.len() + 48 * signed.outflows.len() + signed.signature.encode().len()
    };
    ENTRY + bundle.0.iter().map(intent).sum::<usize>()
}
