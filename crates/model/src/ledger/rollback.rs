//! Condemning and unwinding (section 9).

use std::sync::Arc;

use alloy_primitives::{Address, keccak256};
use nthroot_protocol::{BatchId, Preimage, Status};

use super::{Anchor, CondemnError, Ledger, UnwindError, WordError};
use crate::params::GWEI;

/// What can be done at once to roll a fault back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rollback {
    /// Condemning a live batch.
    Condemn {
        /// The batch.
        child: BatchId,
        /// The entry that builds on the parent.
        index: usize,
        /// The faulty or condemned batch that it builds on.
        parent: BatchId,
    },
    /// Unwinding a faulty or condemned batch that is the head of all it wrote.
    Unwind(BatchId),
}

/// A batch that was unwound by itself, not in the transaction of its conviction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unwinding {
    /// The batch.
    pub batch: BatchId,
    /// Who posted it.
    pub proposer: Address,
    /// What whoever unwound it gets from the proposer's bond, in wei. None if the batch was faulty: that is paid by the
    /// reward for its conviction.
    pub orphan_fee: Option<u128>,
}

const DOOMED: [Status; 2] = [Status::Faulty, Status::Condemned];

impl Ledger {
    /// Condemns a batch for building on a faulty or condemned one.
    ///
    /// # Errors
    ///
    /// If a preimage is not that of its word, a status does not allow it, or the entry named does not build on the parent.
    pub fn condemn(
        &mut self,
        child_preimage: &[u8],
        child_entries: &[u8],
        index: usize,
        parent_preimage: &[u8],
    ) -> Result<BatchId, CondemnError> {
        let preimage = decode(child_preimage)?;
        let child = self.open_word(&preimage)?;
        self.require_status(child, &[Status::Live])?;
        let parent = self.open_word(&decode(parent_preimage)?)?;
        self.require_status(parent, &DOOMED)?;
        if keccak256(child_entries) != preimage.entries_hash {
            return Err(CondemnError::Entries(child));
        }

        let entries = self.entries(child)?;
        let entry = entries.get(index).ok_or(CondemnError::Index {
            index,
            count: entries.len(),
        })?;
        let actual = entry.head.map(|head| head.id);
        if actual != Some(parent) {
            return Err(CondemnError::NotParent {
                expected: parent,
                actual,
            });
        }
        self.set_status(child, Status::Condemned);
        Ok(child)
    }

    /// A condemnation that L1 tells of.
    ///
    /// # Errors
    ///
    /// If there is no such batch, or it is not live: then this ledger is not that of the chain.
    pub fn on_condemned(&mut self, id: BatchId) -> Result<(), WordError> {
        self.require_status(id, &[Status::Live])?;
        self.set_status(id, Status::Condemned);
        Ok(())
    }

    /// Unwinds a faulty or condemned batch that is the head of every anchor it wrote. For an orphan, condemned but not
    /// faulty, the sender gets a fee from its proposer's bond.
    ///
    /// # Errors
    ///
    /// If the preimage is not that of its word, the status does not allow it, or a later batch stands above.
    pub fn unwind(&mut self, preimage: &[u8], entries: &[u8]) -> Result<Unwinding, UnwindError> {
        let preimage = decode(preimage)?;
        let id = self.open_word(&preimage)?;
        self.require_status(id, &DOOMED)?;
        if keccak256(entries) != preimage.entries_hash {
            return Err(UnwindError::Entries(id));
        }
        self.on_unwound(id)
    }

    /// An unwinding that L1 tells of, other than one in the transaction of a conviction. It charges the orphan's fee; the
    /// event of the fee adds nothing to it.
    ///
    /// # Errors
    ///
    /// If there is no such batch, its status does not allow it, or a later batch stands above: then this ledger is not that
    /// of the chain.
    pub fn on_unwound(&mut self, id: BatchId) -> Result<Unwinding, UnwindError> {
        self.require_status(id, &DOOMED)?;
        self.check_is_head(id)?;
        let Preimage {
            proposer,
            entries_written,
            ..
        } = *self.preimage(id)?;
        let is_orphan = self.status(id) == Some(Status::Condemned);
        self.restore(id)?;

        let orphan_fee = is_orphan.then(|| {
            let (bond, fee) = self.bond(proposer).charge(self.params.orphan_fee(entries_written));
            self.bonds.insert(proposer, bond);
            let wei = u128::from(fee) * u128::from(GWEI);
            self.send(Address::ZERO, wei);
            wei
        });
        Ok(Unwinding {
            batch: id,
            proposer,
            orphan_fee,
        })
    }

    /// What can be done now towards resolving the faults. Each step may make others possible; when there is none left and
    /// no fault either, all is resolved.
    pub fn rollbacks(&self) -> Vec<Rollback> {
        let next = |child: BatchId| match self.status(child)? {
            Status::Live => {
                let doomed = |parent: BatchId| self.status(parent).is_some_and(|status| DOOMED.contains(&status));
                let parents = self
                    .entries(child)
                    .ok()?
                    .iter()
                    .map(|entry| entry.head.map(|head| head.id));
                parents.enumerate().find_map(|(index, parent)| {
                    let parent = parent.filter(|parent| doomed(*parent))?;
                    Some(Rollback::Condemn { child, index, parent })
                })
            }
            Status::Faulty | Status::Condemned => {
                let free = self.check_is_head(child).is_ok();
                free.then_some(Rollback::Unwind(child))
            }
            Status::Unwound => None,
        };
        match self.oldest_fault() {
            // Nothing older than a fault builds on it.
            Some(fault) => self.batches.range(fault..).filter_map(|(id, _)| next(*id)).collect(),
            None => Vec::new(),
        }
    }

    /// Whether the batch is the head of every anchor it wrote.
    pub(super) fn check_is_head(&self, id: BatchId) -> Result<(), UnwindError> {
        for entry in self.entries(id)? {
            let head = self.head(entry.anchor).map(|head| head.id);
            if head != Some(id) {
                return Err(UnwindError::NotHead {
                    anchor: entry.anchor,
                    head,
                });
            }
        }
        Ok(())
    }

    /// Gives every anchor the head and the state that it had before the batch, and resolves the batch's fault if it has one.
    pub(super) fn restore(&mut self, id: BatchId) -> Result<(), WordError> {
        let accepted = Arc::clone(self.accepted.get(&id).ok_or(WordError::Pruned(id))?);
        let changes = self.changes.remove(&id).ok_or(WordError::Pruned(id))?;
        for (entry, change) in accepted.entries.iter().zip(changes.iter()) {
            match entry.head.zip(change.before.clone()) {
                Some((head, state)) => self.anchors.insert(entry.anchor, Anchor { head, state }),
                None => self.anchors.remove(&entry.anchor),
            };
        }
        if self.status(id) == Some(Status::Faulty) {
            self.global.resolve_fault(id);
        }
        self.set_status(id, Status::Unwound);
        self.unwound.insert(id);
        Ok(())
    }
}

fn decode(preimage: &[u8]) -> Result<Preimage, WordError> {
    Ok(Preimage::decode(preimage)?)
}
