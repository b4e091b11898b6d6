//! What a follower can ask.

use std::{ops::Bound, sync::Arc};

use alloy_primitives::{Address, U256};
use nthroot_protocol::{
    AnchorId, BatchId, BatchWord, Evidence, GlobalWord, Head, PlacedStep, PreEntry, Preimage, Status, tree,
};

use super::{
    Accepted, Anchor, EvidenceUnavailable, JudgedStep, Judgement, Ledger, Opening, Record, State, Unjudged, WordError,
};
use crate::{anchor, bond::Bond, invalid::Invalid, kernel::Env, params::Params};

/// A posted step that is a lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lie {
    /// Its batch.
    pub batch: BatchId,
    /// Its index.
    pub step: u16,
    /// Why.
    pub reason: Invalid,
}

impl Ledger {
    /// What the deployment fixes.
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// What steps are evaluated against.
    pub const fn env(&self) -> &Env {
        &self.env
    }

    /// The current block.
    pub const fn block(&self) -> u64 {
        self.block
    }

    /// The last id given out and the faults, as L1 keeps them.
    pub const fn global(&self) -> &GlobalWord {
        &self.global
    }

    /// The oldest unresolved fault.
    pub fn oldest_fault(&self) -> Option<BatchId> {
        self.global.oldest_fault()
    }

    /// The block at which a rule was registered.
    pub fn rule_registered_at(&self, rule: Address) -> Option<u64> {
        self.rules.get(&rule).copied()
    }

    /// The head of an anchor, if it is open.
    pub fn head(&self, anchor: AnchorId) -> Option<Head> {
        self.anchors.get(&anchor).map(|anchor| anchor.head)
    }

    /// The state behind the head of an anchor, if it is open.
    pub fn state(&self, anchor: AnchorId) -> Option<&State> {
        self.anchors.get(&anchor).map(|anchor| &anchor.state)
    }

    /// The head of an anchor and the state behind it, as deposits and final batches leave it: what is there if all else is taken
    /// back. None if nothing final opened it. Takes as long as there are batches that wrote it since.
    pub fn final_state(&self, anchor: AnchorId) -> Option<(Head, &State)> {
        let Anchor { head, state } = self.anchors.get(&anchor)?;
        let (mut head, mut state) = (*head, state);
        // A deposit's id is no batch's.
        while self.status(head.id).is_some() && !self.is_final(head.id) {
            let entries = &self.accepted(head.id).ok()?.entries;
            let place = entries.iter().position(|entry| entry.anchor == anchor)?;
            state = self.changes.get(&head.id)?.get(place)?.before.as_ref()?;
            head = entries.get(place)?.head?;
        }
        Some((head, state))
    }

    /// The open anchors with their heads and states.
    pub fn anchors(&self) -> impl Iterator<Item = (AnchorId, Head, &State)> {
        self.anchors
            .iter()
            .map(|(id, anchor)| (*id, anchor.head, &anchor.state))
    }

    /// How many anchors are open.
    pub fn anchor_count(&self) -> usize {
        self.anchors.len()
    }

    /// The batches, oldest first.
    pub fn batches(&self) -> impl Iterator<Item = BatchId> + '_ {
        self.batches.keys().copied()
    }

    /// The batches from this id on, oldest first.
    pub fn batches_from(&self, id: BatchId) -> impl Iterator<Item = BatchId> + '_ {
        self.batches.range(id..).map(|(id, _)| *id)
    }

    /// The batches, newest first: those before `before`.
    pub fn batches_before(&self, before: Option<BatchId>) -> impl Iterator<Item = BatchId> + '_ {
        let end = before.map_or(Bound::Unbounded, Bound::Excluded);
        self.batches.range((Bound::Unbounded, end)).rev().map(|(id, _)| *id)
    }

    /// The status of a batch. None if there is no such batch. A batch keeps it when its word is used again.
    pub fn status(&self, id: BatchId) -> Option<Status> {
        self.batches.get(&id).map(|record| record.word.status)
    }

    /// What stands in a word slot.
    pub fn word(&self, proposer: Address, slot: u16) -> Option<BatchWord> {
        self.in_slot(proposer, slot).map(|(_, record)| record.word)
    }

    /// A proposer's bond as it was last written.
    pub fn bond(&self, proposer: Address) -> Bond {
        self.bonds.get(&proposer).copied().unwrap_or_default()
    }

    /// What the bridge holds of a token (zero for ether) by what came in and went out through its functions, with bonds and
    /// what was burnt. What was sent to it otherwise is not known here.
    pub fn held(&self, token: Address) -> U256 {
        self.held.get(&token).copied().unwrap_or_default()
    }

    /// What a proposer could lock now, in gwei.
    pub fn free_bond(&self, proposer: Address) -> u64 {
        self.bond(proposer).free(self.epoch(), self.held_since())
    }

    /// The epoch of the oldest unresolved fault: since then no lock is released.
    pub fn held_since(&self) -> Option<u64> {
        let fault = self.oldest_fault()?;
        Some(
            self.params
                .epoch(self.params.deployment_block.saturating_add(fault.block_offset())),
        )
    }

    /// Last block in which a batch can be challenged.
    pub const fn window_end(&self, id: BatchId) -> u64 {
        let block = self.params.deployment_block.saturating_add(id.block_offset());
        block.saturating_add(self.params.window)
    }

    /// The first block in which the batch is final, if no further fault is found. None while it is not live, or an older
    /// fault is unresolved: then no block can be told.
    pub fn final_at(&self, id: BatchId) -> Option<u64> {
        let live = self.status(id)? == Status::Live;
        let clear = self.oldest_fault().is_none_or(|fault| fault >= id);
        (live && clear).then(|| self.window_end(id).saturating_add(1))
    }

    /// Whether the batch is final now (section 9).
    pub fn is_final(&self, id: BatchId) -> bool {
        self.final_at(id).is_some_and(|block| self.block >= block)
    }

    /// What a batch's word commits to.
    ///
    /// # Errors
    ///
    /// If the batch is unknown or pruned.
    pub fn preimage(&self, id: BatchId) -> Result<&Preimage, WordError> {
        self.accepted(id).map(|accepted| &accepted.preimage)
    }

    /// What a batch wrote.
    ///
    /// # Errors
    ///
    /// If the batch is unknown or pruned.
    pub fn entries(&self, id: BatchId) -> Result<&[PreEntry], WordError> {
        self.accepted(id).map(|accepted| accepted.entries.as_slice())
    }

    /// What each step of a batch is.
    ///
    /// # Errors
    ///
    /// If the batch is unknown or pruned.
    pub fn judgement(&self, id: BatchId) -> Result<Vec<&Judgement>, WordError> {
        let accepted = self.accepted(id)?;
        Ok(accepted.steps.iter().map(|step| &step.judgement).collect())
    }

    /// The steps of a batch, each with what it is. None: it was skipped, a state before it is not known, or it was
    /// [forgotten](Self::forget_valid_steps).
    ///
    /// # Errors
    ///
    /// If the batch is unknown or pruned.
    pub fn steps(&self, id: BatchId) -> Result<Vec<(Option<&PlacedStep>, &Judgement)>, WordError> {
        let steps = self.accepted(id)?.steps.iter();
        Ok(steps.map(|step| (step.placed(), &step.judgement)).collect())
    }

    /// The lies that can still be proved, oldest first: those of live and condemned batches within their windows.
    pub fn lies(&self) -> Vec<Lie> {
        self.lies_where(|id| {
            let status = self.status(id);
            matches!(status, Some(Status::Live | Status::Condemned)) && !self.window_is_over(id)
        })
    }

    /// The lies that nobody proved in time, oldest first: those of live batches whose windows are over. They stand for ever, and what they
    /// say is paid.
    pub fn final_lies(&self) -> Vec<Lie> {
        self.lies_where(|id| self.status(id) == Some(Status::Live) && self.window_is_over(id))
    }

    fn lies_where(&self, is: impl Fn(BatchId) -> bool) -> Vec<Lie> {
        let lying = self.lying.iter().copied().filter(|id| is(*id));
        lying.flat_map(|id| self.lies_of(id)).collect()
    }

    /// The lies of a batch, whether or not they can still be proved. None of a batch that is unknown or pruned.
    pub fn lies_of(&self, id: BatchId) -> Vec<Lie> {
        let steps = self.accepted(id).map_or(&[][..], |accepted| &accepted.steps);
        let lie = |(judged, step): (&JudgedStep, u16)| match &judged.judgement {
            Judgement::Lie(reason) => Some(Lie {
                batch: id,
                step,
                reason: reason.clone(),
            }),
            _ => None,
        };
        steps.iter().zip(0..).filter_map(lie).collect()
    }

    /// The evidence against a step, encoded as a challenge takes it.
    ///
    /// # Errors
    ///
    /// If the batch is unknown or pruned, the step does not exist or was skipped, a state before it is not known, or it was
    /// valid and [forgotten](Self::forget_valid_steps).
    pub fn evidence(&self, id: BatchId, step: u16) -> Result<Vec<u8>, EvidenceUnavailable> {
        Ok(self.accepted(id)?.evidence(step)?.encode())
    }

    pub(super) const fn window_is_over(&self, id: BatchId) -> bool {
        self.block > self.window_end(id)
    }

    /// Whether nothing can happen to the batch any more.
    pub(super) fn is_done(&self, id: BatchId) -> bool {
        let Some(Record { word, .. }) = self.batches.get(&id) else {
            return false;
        };
        word.status == Status::Unwound || (word.unpaid == 0 && self.is_final(id))
    }

    pub(super) fn in_slot(&self, proposer: Address, slot: u16) -> Option<(BatchId, &Record)> {
        let id = self.slots.get(&(proposer, slot))?;
        Some((*id, self.batches.get(id)?))
    }

    pub(super) fn record(&self, id: BatchId) -> Result<&Record, WordError> {
        self.batches.get(&id).ok_or(WordError::Unknown(id))
    }

    pub(super) fn accepted(&self, id: BatchId) -> Result<&Accepted, WordError> {
        self.record(id)?;
        let accepted = self.accepted.get(&id).map(Arc::as_ref);
        accepted.ok_or(WordError::Pruned(id))
    }
}

impl Accepted {
    /// The evidence against a step.
    pub(super) fn evidence(&self, index: u16) -> Result<Evidence, EvidenceUnavailable> {
        let count = self.steps.len();
        let no_such_step = EvidenceUnavailable::NoSuchStep { index, count };
        let step = self.steps.get(usize::from(index)).ok_or(no_such_step)?;
        let (placed, before) = match (&step.opening, &step.judgement) {
            (Some(Opening::Evidence(evidence)), _) => return Ok(Evidence::clone(evidence)),
            (Some(Opening::Step(placed, before)), _) => (placed, before),
            (None, Judgement::Skipped(_)) => return Err(EvidenceUnavailable::Skipped(index)),
            (None, Judgement::Unjudged(Unjudged::PreState(anchor))) => {
                return Err(EvidenceUnavailable::UnknownPreState(*anchor));
            }
            (None, _) => return Err(EvidenceUnavailable::Forgotten(index)),
        };
        Ok(Evidence {
            preimage: self.preimage.clone(),
            placed: placed.clone(),
            siblings: tree::siblings(&self.commitments, index.into()).ok_or(no_such_step)?,
            proofs: anchor::prove(&placed.step, before.iter().map(Arc::as_ref)),
        })
    }

    /// The same, but of its steps only what evidence against those that are not valid is made of.
    pub(super) fn without_valid_steps(&self) -> Self {
        let forget = |(step, index): (&JudgedStep, u16)| JudgedStep {
            judgement: step.judgement.clone(),
            opening: match step.judgement {
                Judgement::Valid => None,
                _ => self
                    .evidence(index)
                    .ok()
                    .map(|evidence| Opening::Evidence(Box::new(evidence))),
            },
        };
        Self {
            preimage: self.preimage.clone(),
            withdrawals: self.withdrawals.clone(),
            entries: self.entries.clone(),
            // In this order, or the count would go on to 65,536.
            steps: self.steps.iter().zip(0..).map(forget).collect(),
            commitments: Vec::new(),
        }
    }
}
