//! Withdrawals that can be paid, and claims that are sold before.

use std::collections::BTreeSet;

use alloy::{
    primitives::{Address, Bytes, U256, keccak256},
    sol_types::SolCall,
};
use nthroot_bindings::{Bridge, bridge::IBridge};
use nthroot_model::ledger::{Claim, Judgement, Ledger, WordError};
use nthroot_protocol::{Assignment, BatchId, Withdrawal};

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
    /// The transaction that pays it. Anyone may send it; the present recipient gets the money.
    pub fn call(&self, bridge: Address) -> Call {
        let claim = Bridge::claimCall {
            preimage: self.preimage.clone().into(),
            position: U256::from(self.claim.position),
            withdrawal: self.withdrawal(),
            siblings: self.claim.siblings.concat().into(),
        };
        Call::new(bridge, claim.abi_encode())
    }

    /// What its present recipient signs to sell it for `price` of `token` (zero: ether), to this buyer or to whoever pays.
    /// It names one content of one batch, and dies with the first assignment.
    pub fn offer(&self, to: Option<Address>, token: Address, price: U256, deadline: u64) -> Assignment {
        Assignment {
            commitment: keccak256(&self.preimage),
            position: self.claim.position,
            sequence: self.claim.assignments,
            from: self.claim.recipient,
            to,
            token,
            price,
            deadline: U256::from(deadline),
        }
    }

    /// The transaction that takes an offer for `buyer`: it pays the price and makes the buyer the recipient at once. The
    /// signature is that of an account, 65 bytes, or what its contract takes (ERC-1271).
    ///
    /// Whoever buys before the batch is final answers for it: see [`is_sound`].
    pub fn take(&self, bridge: Address, offer: &Assignment, buyer: Address, signature: Bytes) -> Call {
        let terms = IBridge::Terms {
            from: offer.from,
            to: offer.to.unwrap_or(buyer),
            open: offer.to.is_none(),
            token: offer.token,
            price: offer.price,
            deadline: offer.deadline,
        };
        let value = if offer.token.is_zero() { offer.price } else { U256::ZERO };
        Call::new(bridge, self.assign(terms, signature)).value(value)
    }

    /// The transaction by which its present recipient gives it away.
    pub fn give(&self, bridge: Address, to: Address) -> Call {
        let terms = IBridge::Terms {
            from: self.claim.recipient,
            to,
            open: false,
            token: Address::ZERO,
            price: U256::ZERO,
            deadline: U256::ZERO,
        };
        Call::new(bridge, self.assign(terms, Bytes::new()))
    }

    fn assign(&self, terms: IBridge::Terms, signature: Bytes) -> Vec<u8> {
        Bridge::assignCall {
            preimage: self.preimage.clone().into(),
            position: U256::from(self.claim.position),
            withdrawal: self.withdrawal(),
            siblings: self.claim.siblings.concat().into(),
            terms,
            signature,
        }
        .abi_encode()
    }

    const fn withdrawal(&self) -> IBridge::Withdrawal {
        let Withdrawal {
            recipient,
            token,
            amount,
        } = self.claim.withdrawal;
        IBridge::Withdrawal {
            recipient,
            token,
            amount,
        }
    }
}

/// Whether a batch will become final, as far as this ledger's own judgement goes: it and all batches that it is built on are
/// final, or live with no unresolved fault before them and not a step that is a lie or could not be judged. One lie in any of
/// them would take the batch with it, on whatever anchor it is.
///
/// # Errors
///
/// If the ledger does not know the batch.
pub fn is_sound(ledger: &Ledger, batch: BatchId) -> Result<bool> {
    let unknown = |error: WordError| Error::Model(error.to_string());
    let good = |judgement: &&Judgement| matches!(judgement, Judgement::Valid | Judgement::Skipped(_));
    let (mut cone, mut seen) = (vec![batch], BTreeSet::new());
    while let Some(id) = cone.pop() {
        // What is final stays so. A deposit's id is no batch's.
        if !seen.insert(id) || ledger.is_final(id) || (id != batch && ledger.status(id).is_none()) {
            continue;
        }
        let judgements = ledger.judgement(id).map_err(unknown)?;
        if ledger.final_at(id).is_none() || !judgements.iter().all(good) {
            return Ok(false);
        }
        let entries = ledger.entries(id).map_err(unknown)?;
        cone.extend(entries.iter().filter_map(|entry| Some(entry.head?.id)));
    }
    Ok(true)
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
