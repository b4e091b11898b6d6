//! Paying withdrawals (section 9).

use alloy_primitives::B256;
use nthroot_protocol::{BatchId, Preimage, Status, Withdrawal, tree};

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
}

/// What L1 pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payment {
    /// The batch.
    pub batch: BatchId,
    /// Position of the withdrawal.
    pub position: u8,
    /// To whom, in what and how much.
    pub withdrawal: Withdrawal,
}

impl Ledger {
    /// The withdrawals of a batch.
    ///
    /// # Errors
    ///
    /// If the batch is unknown or pruned.
    pub fn claims(&self, id: BatchId) -> Result<Vec<Claim>, WordError> {
        let word = self.record(id)?.word;
        let withdrawals = &self.accepted(id)?.withdrawals;
        let leaves: Vec<B256> = withdrawals.iter().map(Withdrawal::leaf).collect();
        let claim = |(position, withdrawal): (u8, &Withdrawal)| {
            Some(Claim {
                position,
                withdrawal: *withdrawal,
                siblings: tree::siblings(&leaves, position.into())?,
                paid: !word.is_unpaid(position),
            })
        };
        Ok((0..).zip(withdrawals).filter_map(claim).collect())
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
        self.check_final(batch)?;
        self.check_unpaid(batch, position)?;
        let (root, count) = (preimage.withdrawal_root, preimage.withdrawal_count);
        if !tree::verify(root, withdrawal.leaf(), count.into(), position.into(), siblings) {
            return Err(ClaimError::Opening(position));
        }
        self.pay(batch, position);
        Ok(Payment {
            batch,
            position,
            withdrawal,
        })
    }

    /// A payment that L1 tells of.
    ///
    /// # Errors
    ///
    /// If there is no such batch, it is not live, or nothing is unpaid at this position: then this ledger is not that of
    /// the chain.
    pub fn on_claimed(&mut self, id: BatchId, position: u8) -> Result<(), ClaimError> {
        self.require_status(id, &[Status::Live])?;
        self.check_unpaid(id, position)?;
        self.pay(id, position);
        Ok(())
    }

    fn check_final(&self, id: BatchId) -> Result<(), ClaimError> {
        if !self.window_is_over(id) {
            return Err(ClaimError::InWindow {
                id,
                last: self.window_end(id),
            });
        }
        match self.oldest_fault() {
            Some(fault) if fault < id => Err(ClaimError::Fault { id, fault }),
            _ => Ok(()),
        }
    }

    fn check_unpaid(&self, id: BatchId, position: u8) -> Result<(), ClaimError> {
        if self.record(id)?.word.is_unpaid(position) {
            Ok(())
        } else {
            Err(ClaimError::NothingToPay(position))
        }
    }

    fn pay(&mut self, id: BatchId, position: u8) {
        if let Some(record) = self.batches.get_mut(&id) {
            // An unpaid position is below 24.
            record.word.unpaid &= !(1 << position);
        }
    }
}
