//! Paying withdrawals (section 9).

use alloy_primitives::{Address, B256, U256};
use nthroot_protocol::{AssignedClaim, BatchId, Preimage, Status, Withdrawal, tree};

use super::{ClaimError, Ledger, WordError};

/// A withdrawal of a batch, and what a claim of it needs beside the batch's preimage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Its place among the batch's withdrawals.
    pub position: u8,
    /// The withdrawal.
    pub withdrawal: Withdrawal,
    /// Siblings in the withdrawal tree.
    pub siblings: Vec<B256>,
    /// Whether it was paid.
    pub paid: bool,
    /// Who is paid: the withdrawal's recipient, until the claim is assigned.
    pub recipient: Address,
    /// How often it was assigned: the sequence of the next offer.
    pub assignments: u128,
}

/// What L1 pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payment {
    /// The batch.
    pub batch: BatchId,
    /// Position of the withdrawal.
    pub position: u8,
    /// In what and how much.
    pub withdrawal: Withdrawal,
    /// To whom: its present recipient.
    pub recipient: Address,
}

impl Ledger {
    /// The withdrawals of a batch.
    ///
    /// # Errors
    ///
    /// If the batch is unknown or pruned.
    pub fn claims(&self, id: BatchId) -> Result<Vec<Claim>, WordError> {
        let withdrawals = &self.accepted(id)?.withdrawals;
        let leaves: Vec<B256> = withdrawals.iter().map(Withdrawal::leaf).collect();
        let claim = |((withdrawal, siblings), position): ((&Withdrawal, Vec<B256>), u8)| {
            let AssignedClaim { assignments, recipient } = self.assigned(id, position, withdrawal.recipient);
            Claim {
                position,
                withdrawal: *withdrawal,
                siblings,
                paid: !self.is_unpaid(id, position),
                recipient,
                assignments,
            }
        };
        // In this order, or the count would go on to 256.
        let opened = withdrawals.iter().zip(tree::openings(&leaves));
        Ok(opened.zip(0..).map(claim).collect())
    }

    /// Claims a withdrawal of a final batch. (That the payment arrives is not modelled: on L1 a payment that fails reverts.)
    ///
    /// # Errors
    ///
    /// If the preimage is not that of its word, the batch is not final, or the withdrawal is not an unpaid one of it.
    pub fn claim(
        &mut self,
        preimage: &[u8],
        position: u8,
        withdrawal: Withdrawal,
        siblings: &[B256],
    ) -> Result<Payment, ClaimError> {
        let preimage = Preimage::decode(preimage).map_err(WordError::from)?;
        let batch = self.open_word(&preimage)?;
        self.require_status(batch, &[Status::Live])?;
        self.check_window_over(batch)?;
        self.check_no_older_fault(batch)?;
        self.check_opening(&preimage, position, &withdrawal, siblings)?;
        Ok(self.pay(batch, position, withdrawal))
    }

    /// A payment that L1 tells of.
    ///
    /// # Errors
    ///
    /// If there is no such batch, it is not live, or nothing is unpaid at this position: then this ledger is not that of
    /// the chain.
    pub fn on_claimed(&mut self, id: BatchId, position: u8) -> Result<Payment, ClaimError> {
        self.require_status(id, &[Status::Live])?;
        let withdrawal = self.unpaid(id, position)?;
        Ok(self.pay(id, position, withdrawal))
    }

    fn check_window_over(&self, id: BatchId) -> Result<(), ClaimError> {
        let last = self.window_end(id);
        let over = self.window_is_over(id);
        over.then_some(()).ok_or(ClaimError::InWindow { id, last })
    }

    pub(super) fn check_no_older_fault(&self, id: BatchId) -> Result<(), ClaimError> {
        match self.oldest_fault() {
            Some(fault) if fault < id => Err(ClaimError::Fault { id, fault }),
            _ => Ok(()),
        }
    }

    /// Whether the withdrawal is the one at this position, and unpaid.
    pub(super) fn check_opening(
        &self,
        preimage: &Preimage,
        position: u8,
        withdrawal: &Withdrawal,
        siblings: &[B256],
    ) -> Result<(), ClaimError> {
        self.unpaid(preimage.id, position)?;
        let (root, count) = (preimage.withdrawal_root, preimage.withdrawal_count);
        let opens = tree::verify(root, withdrawal.leaf(), count.into(), position.into(), siblings);
        opens.then_some(()).ok_or(ClaimError::Opening(position))
    }

    /// The withdrawal at a position, if it is unpaid.
    pub(super) fn unpaid(&self, id: BatchId, position: u8) -> Result<Withdrawal, ClaimError> {
        let withdrawals = &self.accepted(id)?.withdrawals;
        let unpaid = withdrawals.get(usize::from(position));
        let unpaid = unpaid.filter(|_| self.is_unpaid(id, position));
        unpaid.copied().ok_or(ClaimError::NothingToPay(position))
    }

    fn is_unpaid(&self, id: BatchId, position: u8) -> bool {
        let count = self.preimage(id).map_or(0, |preimage| preimage.withdrawal_count);
        let record = self.record(id);
        record.is_ok_and(|record| record.word.is_unpaid(position, count, record.paid))
    }

    /// What was made of a claim whose withdrawal names this recipient.
    pub(super) fn assigned(&self, id: BatchId, position: u8, recipient: Address) -> AssignedClaim {
        let record = self.record(id).ok();
        let assigned = record.and_then(|record| record.assigned.get(&position).copied());
        assigned.unwrap_or(AssignedClaim {
            assignments: 0,
            recipient,
        })
    }

    fn pay(&mut self, batch: BatchId, position: u8, withdrawal: Withdrawal) -> Payment {
        let AssignedClaim { recipient, .. } = self.assigned(batch, position, withdrawal.recipient);
        if let Some(record) = self.batches.get_mut(&batch) {
            record.word = record.word.pay(position);
            if record.word.many {
                record.paid |= U256::ONE << position;
            }
        }
        if recipient != self.env.bridge {
            self.send(withdrawal.token, withdrawal.amount);
        }
        Payment {
            batch,
            position,
            withdrawal,
            recipient,
        }
    }
}
