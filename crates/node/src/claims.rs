//! Withdrawals that can be paid.

use alloy::{
    primitives::{Address, U256},
    sol_types::SolCall,
};
use nthroot_bindings::{Bridge, bridge::IBridge};
use nthroot_model::ledger::{Claim, Ledger, WordError};
use nthroot_protocol::BatchId;

use crate::{
    error::{Error, Result},
    sender::Call,
};

/// A withdrawal with all that a claim of it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payable {
    /// Its batch.
    pub batch: BatchId,
    /// What its batch's word commits to.
    pub preimage: Vec<u8>,
    /// The withdrawal and its opening.
    pub claim: Claim,
}

impl Payable {
    /// The transaction that pays it. Anyone may send it; the recipient gets the money.
    pub fn call(&self, bridge: Address) -> Call {
        let Claim {
            position,
            withdrawal,
            siblings,
            ..
        } = &self.claim;
        let claim = Bridge::claimCall {
            preimage: self.preimage.clone().into(),
            position: U256::from(*position),
            withdrawal: IBridge::Withdrawal {
                recipient: withdrawal.recipient,
                token: withdrawal.token,
                amount: withdrawal.amount,
            },
            siblings: siblings.concat().into(),
        };
        Call::new(bridge, claim.abi_encode())
    }
}

/// The unpaid withdrawals of a batch, whether or not it is final.
///
/// # Errors
///
/// If the ledger does not know the batch.
pub fn unpaid(ledger: &Ledger, batch: BatchId) -> Result<Vec<Payable>> {
    let unknown = |error: WordError| Error::Model(error.to_string());
    let preimage = match ledger.preimage(batch) {
        Ok(preimage) => preimage.encode(),
        // Only what is paid or unwound is pruned.
        Err(WordError::Pruned(_)) => return Ok(Vec::new()),
        Err(error) => return Err(unknown(error)),
    };
    let claims = ledger.claims(batch).map_err(unknown)?;
    let payable = |claim| Payable {
        batch,
        preimage: preimage.clone(),
        claim,
    };
    Ok(claims.into_iter().filter(|claim| !claim.paid).map(payable).collect())
}

/// The withdrawals that can be paid now, oldest batch first.
///
/// # Errors
///
/// Never for a ledger that is whole.
pub fn ready(ledger: &Ledger) -> Result<Vec<Payable>> {
    let mut ready = Vec::new();
    for batch in ledger.batches().filter(|batch| ledger.is_final(*batch)) {
        ready.extend(unpaid(ledger, batch)?);
    }
    Ok(ready)
}
