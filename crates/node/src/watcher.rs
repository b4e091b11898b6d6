//! Proves lies, and clears up after them.
//!
//! [`Duties`] says what is to be done, for an outbox that sends it. [`Watcher`] does it at once, one after the other, and
//! waits for each: for tests and demonstrations.

mod duties;

use std::time::Duration;

use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::SolCall,
};
use nthroot_bindings::Bridge;
use nthroot_model::ledger::{Ledger, Lie, Rollback};
use nthroot_protocol::{BatchId, Body, Evidence, PreEntry, ProofSizes, proof_gas::PROOF_GAS};
use tracing::{info, warn};

pub use self::duties::{Duties, MAX_SIMULATIONS, Work, counted_gas};
use crate::{
    error::{Action, Error, Result},
    follower::Follower,
    l1::L1,
    sender::{self, Call, MAX_TX_GAS, Mined, Sender},
};

/// Gas for an entry that is restored with the conviction: two storage accesses, and its calldata, with room.
const ENTRY_GAS: u64 = 15_000;

/// Gas for the verdict's consequences: word, bond, reward, with room; and for those of a roll-back, which are fewer.
const VERDICT_GAS: u64 = 200_000;

/// Gas for a byte of calldata: what nodes may ask for it under any schedule that is known (EIP-7976).
const BYTE_GAS: u64 = 64;

/// A challenge that convicts a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The batch.
    pub batch: BatchId,
    /// The step that is a lie.
    pub step: u16,
    /// The evidence.
    pub evidence: Bytes,
    /// The batch's entries, to unwind it at once; empty if something was built on it.
    pub entries: Bytes,
    /// Gas limit: from the formula that bounds the proof, not from a node's estimate.
    pub gas: u64,
}

impl Proof {
    /// The transaction.
    pub fn call(&self, bridge: Address) -> Call {
        let challenge = Bridge::challengeCall {
            evidence: self.evidence.clone(),
            entries: self.entries.clone(),
        };
        Call::new(bridge, challenge.abi_encode()).gas(self.gas)
    }
}

/// What the watcher did.
#[derive(Debug, Clone)]
pub enum Deed {
    /// It proved a lie.
    Convicted {
        /// The lie.
        lie: Lie,
        /// The transaction.
        mined: Mined,
        /// Whether the batch was unwound in the same transaction.
        unwound: bool,
    },
    /// It condemned a batch or unwound one.
    RolledBack {
        /// Which.
        what: Rollback,
        /// The transaction.
        mined: Mined,
        /// Wei that it got for unwinding an orphan.
        fee: U256,
    },
}

/// The lies that can be proved, one for each batch, oldest first.
pub fn lies(ledger: &Ledger) -> Vec<Lie> {
    let mut lies = ledger.lies();
    lies.dedup_by_key(|lie| lie.batch);
    lies
}

/// The lies that nobody proved in time, one for each batch, oldest first.
pub fn final_lies(ledger: &Ledger) -> Vec<Lie> {
    let mut lies = ledger.final_lies();
    lies.dedup_by_key(|lie| lie.batch);
    lies
}

/// The challenge of a step. Whether it convicts depends on the step.
///
/// # Errors
///
/// If the ledger does not know the step or the states before it.
pub fn challenge(ledger: &Ledger, batch: BatchId, step: u16) -> Result<Proof> {
    let unknown = |error: &dyn std::error::Error| Error::Model(error.to_string());
    let evidence = ledger.evidence(batch, step).map_err(|error| unknown(&error))?;
    let entries = ledger.entries(batch).map_err(|error| unknown(&error))?;
    let gas = gas(&evidence)?;
    let with_entries = gas.saturating_add(ENTRY_GAS.saturating_mul(u64::try_from(entries.len()).unwrap_or(u64::MAX)));

    let last = entries
        .iter()
        .all(|entry| ledger.head(entry.anchor).is_some_and(|head| head.id == batch));
    let at_once = last && with_entries <= MAX_TX_GAS;
    Ok(Proof {
        batch,
        step,
        evidence: evidence.into(),
        entries: if at_once {
            PreEntry::encode_list(entries).into()
        } else {
            Bytes::new()
        },
        gas: if at_once { with_entries } else { gas }.min(MAX_TX_GAS),
    })
}

/// Gas that suffices for a challenge without entries: the bound of section 7.1 of the specification, with the share that
/// calls hold back, and room.
fn gas(evidence: &[u8]) -> Result<u64> {
    let Evidence {
        preimage,
        placed,
        proofs,
        ..
    } = Evidence::decode(evidence).map_err(|error| Error::Model(error.to_string()))?;
    // A step that is not well formed, or over the ceiling, is a lie without being evaluated.
    let evaluation = Body::of(&placed.step).map_or(0, |body| {
        PROOF_GAS.evaluation(&placed.step, ProofSizes::of(&proofs), &body)
    });
    let proof = PROOF_GAS.proof(evidence.len(), evaluation);
    let proof = if proof > u64::from(preimage.header.ceiling) {
        PROOF_GAS.proof(evidence.len(), 0)
    } else {
        proof.saturating_add(evaluation / 3).saturating_add(evaluation / 16)
    };
    Ok(proof.saturating_add(VERDICT_GAS))
}

/// One who proves lies.
pub struct Watcher {
    sender: Sender,
}

impl Watcher {
    /// Sends with this key. The challenger's half of a slashed bond goes to it.
    pub const fn new(sender: Sender) -> Self {
        Self { sender }
    }

    /// Derives up to the latest block, proves every lie that is there, and rolls back what was built on it. Returns what it
    /// did, in order, when nothing is left to be done.
    ///
    /// # Errors
    ///
    /// As [`Self::step`]; what was done until then is done.
    pub async fn defend(&self, follower: &mut Follower) -> Result<Vec<Deed>> {
        let mut deeds = Vec::new();
        while let Some(deed) = self.step(follower).await? {
            deeds.push(deed);
        }
        Ok(deeds)
    }

    /// Defends for ever: looks at L1 `every` so often, tries again what failed for the moment, and follows reorganisations.
    /// `tell` hears of each deed. Returns only when it must stop, with the reason.
    pub async fn run(&self, follower: &mut Follower, every: Duration, mut tell: impl FnMut(Deed)) -> Error {
        loop {
            let failed = match self.step(follower).await {
                Ok(Some(deed)) => {
                    tell(deed);
                    continue;
                }
                Ok(None) => None,
                Err(error) => Some(error),
            };
            match failed {
                Some(error) if error.action() == Action::Halt => return error,
                Some(error) => warn!(%error, "trying again"),
                None => {}
            }
            tokio::time::sleep(every).await;
        }
    }

    /// Derives up to the latest block, and does the next thing that is to be done, if there is any.
    ///
    /// # Errors
    ///
    /// [`Error::VerdictDiffers`] if the contracts hold valid what the model holds a lie: then nothing is sent. Otherwise as
    /// [`Follower::sync`] and [`Sender::send`].
    pub async fn step(&self, follower: &mut Follower) -> Result<Option<Deed>> {
        follower.sync().await?;
        if let Some(lie) = lies(follower.ledger()).into_iter().next() {
            return Ok(Some(self.convict(follower, lie).await?));
        }
        let Some(what) = follower.ledger().rollbacks().into_iter().next() else {
            return Ok(None);
        };
        let call = rollback(follower.ledger(), follower.deployment().bridge, what)?;
        let mined = self.sender.send(call).await?;
        let paid = mined.event::<Bridge::OrphanFeePaid>(follower.deployment().bridge);
        let fee = paid.map_or(U256::ZERO, |event| event.amount);
        info!(?what, %fee, hash = %mined.hash(), "rolled back");
        Ok(Some(Deed::RolledBack { what, mined, fee }))
    }

    /// Proves a lie, if a simulation of the proof convicts.
    ///
    /// # Errors
    ///
    /// As [`Self::step`].
    pub async fn convict(&self, follower: &Follower, lie: Lie) -> Result<Deed> {
        let bridge = follower.deployment().bridge;
        warn!(batch = %lie.batch, step = lie.step, reason = %lie.reason, "a lie");
        let proof = challenge(follower.ledger(), lie.batch, lie.step)?;
        self.simulate(bridge, &proof).await?;
        let mined = self.sender.send(proof.call(bridge)).await?;
        let convicted: Bridge::Convicted = mined.event(bridge)?;
        info!(batch = %lie.batch, slashed = %convicted.slashed, hash = %mined.hash(), gas = mined.gas(), "convicted");
        Ok(Deed::Convicted {
            lie,
            mined,
            unwound: convicted.unwound,
        })
    }

    /// What L1 would say to a proof: nothing if it convicts.
    ///
    /// # Errors
    ///
    /// [`Error::VerdictDiffers`] if the step is valid, [`Error::WouldFail`] if the proof comes too late, as when somebody
    /// else was faster.
    pub async fn simulate(&self, bridge: Address, proof: &Proof) -> Result<()> {
        simulate(self.sender.l1(), self.sender.address(), bridge, proof).await
    }
}

async fn simulate(l1: &L1, from: Address, bridge: Address, proof: &Proof) -> Result<()> {
    match sender::simulate(l1, from, &proof.call(bridge)).await {
        Ok(_) => Ok(()),
        Err(Error::WouldFail(revert)) if revert.is_step_is_valid() => Err(Error::VerdictDiffers {
            batch: proof.batch,
            step: proof.step,
            revert,
        }),
        Err(error) => Err(error),
    }
}

/// The transaction of a roll-back, with a gas limit that suffices whatever happens before it.
fn rollback(ledger: &Ledger, bridge: Address, what: Rollback) -> Result<Call> {
    let unknown = |error: nthroot_model::ledger::WordError| Error::Model(error.to_string());
    let preimage = |id| -> Result<Bytes> { Ok(ledger.preimage(id).map_err(unknown)?.encode().into()) };
    let entries = |id| -> Result<Bytes> { Ok(PreEntry::encode_list(ledger.entries(id).map_err(unknown)?).into()) };
    let (input, written) = match what {
        Rollback::Condemn { child, index, parent } => {
            let call = Bridge::condemnCall {
                child: preimage(child)?,
                childEntries: entries(child)?,
                index: U256::from(index),
                parent: preimage(parent)?,
            };
            (call.abi_encode(), 0)
        }
        Rollback::Unwind(id) => {
            let call = Bridge::unwindCall {
                preimage: preimage(id)?,
                entries: entries(id)?,
            };
            (call.abi_encode(), ledger.entries(id).map_err(unknown)?.len())
        }
    };
    let many = |count: usize, gas: u64| gas.saturating_mul(u64::try_from(count).unwrap_or(u64::MAX));
    let gas = VERDICT_GAS.saturating_add(many(input.len(), BYTE_GAS));
    Ok(Call::new(bridge, input).gas(gas.saturating_add(many(written, ENTRY_GAS))))
}
