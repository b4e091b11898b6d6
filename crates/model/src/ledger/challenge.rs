//! Convicting a batch (section 7.2).

use alloy_primitives::{Address, keccak256};
use nthroot_protocol::{BatchId, Evidence, Preimage, Status};

use super::{ChallengeError, Ledger, WordError};
use crate::{
    invalid::Invalid,
    kernel::{self, Verdict},
    params::GWEI,
};

/// A conviction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conviction {
    /// The batch.
    pub batch: BatchId,
    /// Who posted it.
    pub proposer: Address,
    /// Why; none if only the event was seen.
    pub reason: Option<Invalid>,
    /// What left the bond, in wei.
    pub slashed: u128,
    /// What the challenger gets of it, in wei. The rest is burnt.
    pub reward: u128,
    /// Whether the batch was unwound at once.
    pub unwound: bool,
}

impl Ledger {
    /// Challenges a step. Nothing but the evidence and the words decides: it need not be what [`Self::evidence`] gives, and
    /// may be any bytes. With `entries` the batch is unwound at once if it is the head of all it wrote.
    ///
    /// # Errors
    ///
    /// If there is no conviction. Then nothing has changed.
    pub fn convict(&mut self, evidence: &[u8], entries: &[u8]) -> Result<Conviction, ChallengeError> {
        let evidence = Evidence::decode(evidence)?;
        let id = self.open_word(&evidence.preimage)?;
        self.check_challengeable(id)?;
        evidence.check_opening()?;
        let Evidence {
            preimage,
            placed,
            proofs,
            ..
        } = &evidence;
        let reason = match kernel::evaluate(&self.env, preimage, placed, proofs)? {
            Verdict::Valid(_) => return Err(ChallengeError::StepIsValid(placed.index)),
            Verdict::Invalid(reason) => reason,
        };
        if !entries.is_empty() && keccak256(entries) != preimage.entries_hash {
            return Err(ChallengeError::Entries(id));
        }

        let unwinds = !entries.is_empty() && self.check_is_head(id).is_ok();
        let mut conviction = self.settle(id, unwinds)?;
        conviction.reason = Some(reason);
        Ok(conviction)
    }

    /// A conviction that L1 tells of, and whether the same transaction unwound the batch.
    ///
    /// # Errors
    ///
    /// If there is no such batch, or it is faulty or unwound already: then this ledger is not that of the chain.
    pub fn on_convicted(&mut self, id: BatchId, unwound: bool) -> Result<Conviction, ChallengeError> {
        self.require_status(id, &[Status::Live, Status::Condemned])?;
        self.settle(id, unwound)
    }

    fn check_challengeable(&self, id: BatchId) -> Result<(), ChallengeError> {
        self.require_status(id, &[Status::Live, Status::Condemned])?;
        if self.window_is_over(id) {
            return Err(ChallengeError::WindowOver {
                id,
                last: self.window_end(id),
                block: self.block,
            });
        }
        Ok(())
    }

    /// Slashes the batch's lock, and unwinds it at once or makes it faulty. A fault that is over at once never enters the set.
    fn settle(&mut self, id: BatchId, unwinds: bool) -> Result<Conviction, ChallengeError> {
        let Preimage { proposer, header, .. } = self.preimage(id)?;
        let (proposer, lock) = (*proposer, self.params.lock(header.ceiling, header.entry_count));
        let posted = self
            .params
            .epoch(self.params.deployment_block.saturating_add(id.block_offset()));

        if unwinds {
            self.restore(id)?;
        } else if self.global.insert_fault(id) {
            self.set_status(id, Status::Faulty);
        } else {
            return Err(ChallengeError::TooManyFaults);
        }
        let (bond, slashed) = self.bond(proposer).slash(lock, posted);
        self.bonds.insert(proposer, bond);
        let slashed = u128::from(slashed) * u128::from(GWEI);
        // The other half is burnt, but stays where it is.
        let reward = slashed / 2;
        self.send(Address::ZERO, reward);
        Ok(Conviction {
            batch: id,
            proposer,
            reason: None,
            slashed,
            reward,
            unwound: unwinds,
        })
    }

    /// The batch whose word opens to this preimage.
    pub(super) fn open_word(&self, preimage: &Preimage) -> Result<BatchId, WordError> {
        let (proposer, slot) = (preimage.proposer, preimage.header.slot);
        match self.in_slot(proposer, slot) {
            Some((id, record)) if record.word.opens_to(preimage) => Ok(id),
            _ => Err(WordError::Mismatch { proposer, slot }),
        }
    }

    pub(super) fn require_status(&self, id: BatchId, allowed: &[Status]) -> Result<(), WordError> {
        let actual = self.record(id)?.word.status;
        if allowed.contains(&actual) {
            Ok(())
        } else {
            Err(WordError::Status { id, actual })
        }
    }

    pub(super) fn set_status(&mut self, id: BatchId, status: Status) {
        if let Some(record) = self.batches.get_mut(&id) {
            record.word.status = status;
        }
    }
}
