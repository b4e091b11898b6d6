//! Posting a batch (section 4).

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::{Address, U256, keccak256};
use nthroot_protocol::{
    Batch, BatchHeader, BatchId, BatchWord, PreEntry, Preimage, Status,
    commitment::withdrawal_root,
    limits::{MAX_BATCH_WITHDRAWALS, MAX_CLOCK_AGE},
};

use super::{Accepted, Anchor, Change, Ledger, Record, State, SubmitError, judge::judge};
use crate::walk::{Walk, WalkTerms, walk};

/// A batch that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// Its id.
    pub id: BatchId,
    /// Its word.
    pub word: BatchWord,
    /// The skipped steps as the event `StepsSkipped` tells them; empty if there are none.
    pub skipped: Vec<u8>,
    /// What the word commits to.
    pub preimage: Preimage,
    /// The entries.
    pub entries: Vec<PreEntry>,
    /// What it locks, in gwei.
    pub lock: u64,
}

impl Ledger {
    /// Posts a batch. Everything in section 4.4 is checked, except that the sender has no code and is the transaction's
    /// origin.
    ///
    /// # Errors
    ///
    /// If L1 refuses the batch. Then nothing has changed.
    pub fn submit(&mut self, sender: Address, batch: &[u8]) -> Result<Submitted, SubmitError> {
        let Batch { header, steps } = Batch::parse(batch)?;
        self.check_header(&header)?;
        self.check_slot(sender, header.slot)?;
        let lock = self.params.lock(header.ceiling, header.entry_count);
        let bond = self.bond(sender).lock(lock, self.epoch(), self.held_since())?;

        let id = self.next_id()?;
        let terms = WalkTerms {
            id,
            clock_offset: self.params.offset(header.clock),
            oldest_fault: self.oldest_fault(),
        };
        let walk = walk(&terms, steps, |anchor| self.head(anchor));
        if !walk.applies_any() {
            return Err(SubmitError::NothingApplied);
        }
        if walk.withdrawals.len() > MAX_BATCH_WITHDRAWALS {
            return Err(SubmitError::TooManyWithdrawals(walk.withdrawals.len()));
        }

        let preimage = preimage(id, sender, header, &walk);
        let submitted = Submitted {
            id,
            word: BatchWord::new(&preimage),
            skipped: walk.skipped_bits(),
            preimage,
            entries: walk.entries.clone(),
            lock,
        };
        self.bonds.insert(sender, bond);
        self.global.last = id;
        self.accept(&submitted, walk);
        Ok(submitted)
    }

    /// What section 4.4 requires of the header beside its shape.
    fn check_header(&self, header: &BatchHeader) -> Result<(), SubmitError> {
        if header.chain_id != self.params.chain_id {
            return Err(SubmitError::ChainId {
                expected: self.params.chain_id,
                actual: header.chain_id,
            });
        }
        let clock = header.clock;
        let oldest = self
            .block
            .saturating_sub(MAX_CLOCK_AGE)
            .max(self.params.deployment_block);
        if clock < oldest || clock >= self.block {
            return Err(SubmitError::Clock {
                oldest,
                newest: self.block.saturating_sub(1),
                clock,
            });
        }
        match self.hashes.get(&clock) {
            None => return Err(SubmitError::ClockHashUnknown(clock)),
            Some(expected) if *expected != header.clock_hash => {
                return Err(SubmitError::ClockHash {
                    clock,
                    expected: *expected,
                    actual: header.clock_hash,
                });
            }
            Some(_) => {}
        }
        let registered = |rule: &Address| self.rules.get(rule).is_some_and(|block| *block <= clock);
        match header.rules.iter().find(|rule| !registered(rule)) {
            Some(rule) => Err(SubmitError::Rule { rule: *rule, clock }),
            None => Ok(()),
        }
    }

    /// Whether a word slot is free (section 4.7).
    fn check_slot(&self, proposer: Address, slot: u16) -> Result<(), SubmitError> {
        let Some((by, record)) = self.in_slot(proposer, slot) else {
            return Ok(());
        };
        let word = &record.word;
        let block = u64::from(word.block_offset);
        // Whole blocks, unlike finality: the word keeps no sequence.
        let faults_are_later = self.oldest_fault().is_none_or(|fault| fault.block_offset() > block);
        let done = word.status == Status::Live && word.unpaid == 0 && self.window_is_over(by) && faults_are_later;
        if done || word.status == Status::Unwound {
            Ok(())
        } else {
            Err(SubmitError::SlotInUse { slot, by })
        }
    }

    /// Whether a batch of this proposer could use the word slot now.
    pub fn slot_is_free(&self, proposer: Address, slot: u16) -> bool {
        self.check_slot(proposer, slot).is_ok()
    }

    /// The first word slot that is free, if any of the 65,536 is.
    pub fn free_slot(&self, proposer: Address) -> Option<u16> {
        (0..=u16::MAX).find(|slot| self.slot_is_free(proposer, *slot))
    }

    /// Writes heads and states, and keeps what will be needed later.
    fn accept(&mut self, submitted: &Submitted, walk: Walk) {
        let Submitted { id, word, preimage, .. } = submitted;
        let (proposer, slot) = (preimage.proposer, preimage.header.slot);
        let judged = judge(self.signatures, &self.env, preimage, walk.steps, |anchor| {
            self.state(anchor).cloned().unwrap_or(State::Unknown)
        });

        let mut changes = Vec::with_capacity(walk.entries.len());
        for (anchor, head) in walk
            .entries
            .iter()
            .filter_map(|entry| Some((entry.anchor, *walk.heads.get(&entry.anchor)?)))
        {
            let after = judged.states.get(&anchor).cloned().unwrap_or(State::Unknown);
            let state = after.clone();
            let before = self.anchors.insert(anchor, Anchor { head, state });
            changes.push(Change {
                before: before.map(|anchor| anchor.state),
                after,
            });
        }

        let accepted = Accepted {
            preimage: preimage.clone(),
            withdrawals: walk.withdrawals,
            entries: walk.entries,
            steps: judged.steps,
            commitments: walk.commitments,
        };
        self.slots.insert((proposer, slot), *id);
        self.enter(*id, accepted);
        self.changes.insert(*id, Arc::new(changes));
        self.batches.insert(
            *id,
            Record {
                word: *word,
                paid: U256::ZERO,
                assigned: BTreeMap::new(),
            },
        );
    }
}

/// The commitment preimage (section 4.6).
fn preimage(id: BatchId, proposer: Address, header: BatchHeader, walk: &Walk) -> Preimage {
    Preimage {
        id,
        proposer,
        // At most 255 and 512: the batch was checked.
        withdrawal_count: u8::try_from(walk.withdrawals.len()).unwrap_or(u8::MAX),
        entries_written: u16::try_from(walk.entries.len()).unwrap_or(u16::MAX),
        entries_hash: keccak256(PreEntry::encode_list(&walk.entries)),
        step_root: walk.step_root(),
        withdrawal_root: withdrawal_root(&walk.withdrawals),
        header,
    }
}
