//! Assigning claims (section 9).

use alloy_primitives::{Address, B256, FixedBytes, U256};
use nthroot_protocol::{AssignedClaim, Assignment, BatchId, Domain, Preimage, Status, Withdrawal};

use super::{AssignError, ClaimError, Ledger, WordError};
use crate::signing;

/// The terms of an assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sale {
    /// The present recipient.
    pub from: Address,
    /// The next one.
    pub to: Address,
    /// Whether the offer names nobody: whoever pays says who is next.
    pub open: bool,
    /// In what the price is paid; zero for ether.
    pub token: Address,
    /// The price.
    pub price: U256,
    /// Last L1 block at which the offer holds.
    pub deadline: U256,
}

/// How the present recipient consents, if it is not the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent<'a> {
    /// An account's signature: `r (32) ‖ s (32) ‖ v (1)`, v being 27 or 28, s at most half the group order.
    Signature(&'a [u8]),
    /// What a contract answered (ERC-1271), which this ledger cannot ask.
    Contract(bool),
}

/// What `assign` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer<'a> {
    /// What the batch's word commits to.
    pub preimage: &'a [u8],
    /// Position of the withdrawal.
    pub position: u8,
    /// The withdrawal, as the step says it.
    pub withdrawal: Withdrawal,
    /// Siblings in the withdrawal tree.
    pub siblings: &'a [B256],
    /// The terms.
    pub sale: Sale,
    /// The consent, which is not looked at if the sender is the present recipient.
    pub consent: Consent<'a>,
}

/// A claim that was assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assigned {
    /// The batch.
    pub batch: BatchId,
    /// Position of the withdrawal.
    pub position: u8,
    /// How often the claim was assigned now.
    pub assignments: u128,
    /// What the sender pays the recipient before, in the sale's token. Zero if the recipient is the sender.
    pub paid: U256,
}

impl Ledger {
    /// Assigns an unpaid claim. (That the price arrives is not modelled: on L1 a payment that fails reverts.)
    ///
    /// # Errors
    ///
    /// If the preimage is not that of its word, the batch is not live or newer than a fault, the withdrawal is not an unpaid
    /// one of it, or its present recipient does not consent to the terms.
    pub fn assign(&mut self, sender: Address, value: U256, offer: &Offer<'_>) -> Result<Assigned, AssignError> {
        let Offer { position, sale, .. } = *offer;
        let preimage = Preimage::decode(offer.preimage).map_err(|error| ClaimError::from(WordError::from(error)))?;
        let batch = self.open_word(&preimage).map_err(ClaimError::from)?;
        self.require_status(batch, &[Status::Live]).map_err(ClaimError::from)?;
        self.check_no_older_fault(batch)?;
        self.check_opening(&preimage, position, &offer.withdrawal, offer.siblings)?;

        let present = self.assigned(batch, position, offer.withdrawal.recipient);
        check_recipient(present, sale.from)?;
        if sale.to.is_zero() {
            return Err(AssignError::ZeroRecipient);
        }
        let price = if sender == sale.from {
            U256::ZERO
        } else {
            self.check_consent(&preimage, position, present.assignments, offer)?;
            sale.price
        };
        let due = if sale.token.is_zero() { price } else { U256::ZERO };
        if value != due {
            return Err(AssignError::Value {
                expected: due,
                actual: value,
            });
        }
        Ok(self.set_recipient(batch, position, present, sale.to, price))
    }

    /// An assignment that L1 tells of.
    ///
    /// # Errors
    ///
    /// If there is no such batch, it is not live, nothing is unpaid at this position, or the recipient is another: then this
    /// ledger is not that of the chain.
    pub fn on_assigned(
        &mut self,
        id: BatchId,
        position: u8,
        from: Address,
        to: Address,
    ) -> Result<Assigned, AssignError> {
        self.require_status(id, &[Status::Live]).map_err(ClaimError::from)?;
        let withdrawal = self.unpaid(id, position)?;
        let present = self.assigned(id, position, withdrawal.recipient);
        check_recipient(present, from)?;
        Ok(self.set_recipient(id, position, present, to, U256::ZERO))
    }

    fn check_consent(
        &self,
        preimage: &Preimage,
        position: u8,
        sequence: u128,
        offer: &Offer<'_>,
    ) -> Result<(), AssignError> {
        let Sale {
            from,
            to,
            open,
            token,
            price,
            deadline,
        } = offer.sale;
        let block = self.block;
        if U256::from(block) > deadline {
            return Err(AssignError::Expired { deadline, block });
        }
        let good = match offer.consent {
            Consent::Contract(answer) => answer,
            Consent::Signature(signature) => {
                let message = Assignment {
                    commitment: preimage.hash(),
                    position,
                    sequence,
                    from,
                    to: (!open).then_some(to),
                    token,
                    price,
                    deadline,
                };
                let domain = Domain {
                    chain_id: self.params.chain_id,
                    bridge: self.env.bridge,
                };
                signer(message.signing_hash(&domain), signature) == Some(from)
            }
        };
        good.then_some(()).ok_or(AssignError::Signature(from))
    }

    fn set_recipient(
        &mut self,
        batch: BatchId,
        position: u8,
        present: AssignedClaim,
        to: Address,
        paid: U256,
    ) -> Assigned {
        let assignments = present.assignments.saturating_add(1);
        if let Some(record) = self.batches.get_mut(&batch) {
            record.word.assigned = true;
            let assigned = AssignedClaim {
                assignments,
                recipient: to,
            };
            record.assigned.insert(position, assigned);
        }
        Assigned {
            batch,
            position,
            assignments,
            paid,
        }
    }
}

fn check_recipient(present: AssignedClaim, from: Address) -> Result<(), AssignError> {
    if present.recipient == from {
        return Ok(());
    }
    Err(AssignError::NotRecipient {
        expected: present.recipient,
        actual: from,
    })
}

/// Who made an account's signature of 65 bytes. The compact form carries the parity in s, whose own highest bit is never set.
fn signer(digest: B256, signature: &[u8]) -> Option<Address> {
    let (compact, [v]) = signature.split_first_chunk::<64>()? else {
        return None;
    };
    let mut compact = FixedBytes::from(*compact);
    if compact[32] & 0x80 != 0 {
        return None;
    }
    match v {
        27 => {}
        28 => compact[32] |= 0x80,
        _ => return None,
    }
    signing::recover(digest, &compact)
}
