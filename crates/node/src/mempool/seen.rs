//! Which batches of a ledger are known, whatever L1 takes back.

use std::collections::BTreeMap;

use alloy::primitives::{B256, keccak256};
use nthroot_model::ledger::Ledger;
use nthroot_protocol::{BatchId, limits::MAX_SEQUENCE};

use crate::view::View;

/// What a new view brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// What was known of batches from this one on is void. None if nothing is new.
    pub(crate) from: Option<BatchId>,
    /// The batches from there on, oldest first.
    pub(crate) new: Vec<BatchId>,
}

/// The batches that were seen, so that what is new, and what is another one under a known id, is found.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Those since the last final block of L1, each by the hash of its preimage.
    batches: BTreeMap<BatchId, B256>,
    /// The last id of a block that L1 has finalised: up to there all are known, and none goes again.
    settled: BatchId,
}

impl Seen {
    /// Takes up a view. A reorganisation may bring a batch that is older than known ones, and those again.
    pub(crate) fn update(&mut self, view: &View) -> Changes {
        let ledger = &view.ledger;
        let is_gone = |(id, hash): &(&BatchId, &B256)| {
            let now = identity(ledger, **id);
            // Of what is over in every respect nothing is left that could tell.
            now.map_or(ledger.status(**id).is_none(), |now| now != **hash)
        };
        let gone = self.batches.iter().find(is_gone).map(|(id, _)| *id);
        let next = BatchId::from_u64(self.settled.to_u64() + 1).unwrap_or_default();
        let unseen = ledger.batches_from(next).find(|id| !self.batches.contains_key(id));
        let from = [gone, unseen].into_iter().flatten().min();
        let new: Vec<BatchId> = from.map_or_else(Vec::new, |from| ledger.batches_from(from).collect());
        if let Some(from) = from {
            self.batches.split_off(&from);
            let known = new.iter().map(|id| (*id, identity(ledger, *id).unwrap_or_default()));
            self.batches.extend(known);
        }
        if let Some(settled) = BatchId::new(ledger.params().offset(view.finalised.number), MAX_SEQUENCE) {
            self.settled = self.settled.max(settled);
            self.batches.retain(|id, _| *id > settled);
        }
        Changes { from, new }
    }
}

/// What tells a batch from another one with its id, on another branch of L1. None if it is not known, or over in every respect.
pub(crate) fn identity(ledger: &Ledger, id: BatchId) -> Option<B256> {
    let preimage = ledger.preimage(id).ok()?;
    Some(keccak256(preimage.encode()))
}
