//! Posts batches.

use alloy::sol_types::SolCall;
use nthroot_bindings::Bridge;
use nthroot_model::builder::{BatchBuilder, Posting, StepPlan};
use nthroot_protocol::{Batch, BatchId, limits::MAX_CEILING};
use tracing::info;

use crate::{
    error::{Error, Result},
    follower::Follower,
    sender::{Call, Mined, Sender},
};

/// A batch that was posted.
#[derive(Debug, Clone)]
pub struct Posted {
    /// Its id.
    pub id: BatchId,
    /// Which steps were skipped, as a bit list; empty if none was.
    pub skipped: Vec<u8>,
    /// The transaction.
    pub mined: Mined,
}

/// One who posts batches.
pub struct Proposer {
    sender: Sender,
}

impl Proposer {
    /// Sends with this key, under its own bond.
    pub const fn new(sender: Sender) -> Self {
        Self { sender }
    }

    /// A batch of these steps on the states that follow from L1, judged at the follower's tip. Its ceiling is as low as its
    /// steps allow, since the bond that it locks grows with it. Without a word slot the first free one is taken.
    ///
    /// # Errors
    ///
    /// [`Error::Build`] if a step would be a lie or be skipped: then nothing is built.
    pub fn build(&self, follower: &Follower, slot: Option<u16>, plans: &[StepPlan]) -> Result<Batch> {
        let ledger = follower.ledger();
        let refused = |error: &dyn std::error::Error| Error::Build(error.to_string());
        let proposer = self.sender.address();
        let slot = slot.or_else(|| ledger.free_slot(proposer));
        let tip = follower.tip();
        let mut builder = BatchBuilder::new(
            ledger,
            Posting {
                proposer,
                clock: tip.number,
                clock_hash: tip.hash,
                slot: slot.ok_or_else(|| Error::Build("no word slot is free".to_owned()))?,
                ceiling: MAX_CEILING,
            },
        );
        for plan in plans {
            builder.step(plan).map_err(|error| refused(&error))?;
        }
        let ceiling = builder.proof_gas().into_iter().max().unwrap_or_default();
        builder.set_ceiling(u32::try_from(ceiling).unwrap_or(u32::MAX));
        builder.build().map_err(|error| refused(&error))
    }

    /// Posts a batch, whatever it says.
    ///
    /// # Errors
    ///
    /// As [`Sender::send`].
    pub async fn post(&self, follower: &Follower, batch: &Batch) -> Result<Posted> {
        let bridge = follower.deployment().bridge;
        let submit = Bridge::submitCall {
            batch: batch.encode().into(),
        };
        let mined = self.sender.send(Call::new(bridge, submit.abi_encode())).await?;
        let event: Bridge::BatchSubmitted = mined.event(bridge)?;
        let id = BatchId::from_u64(event.id.to()).ok_or(Error::NoEvent {
            hash: mined.hash(),
            event: "BatchSubmitted with an id",
        })?;
        let skipped = mined
            .event::<Bridge::StepsSkipped>(bridge)
            .map_or(Vec::new(), |event| event.skipped.into());
        info!(%id, hash = %mined.hash(), gas = mined.gas(), "posted");
        Ok(Posted { id, skipped, mined })
    }
}
