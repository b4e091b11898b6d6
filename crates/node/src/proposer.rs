//! Posts batches: one at once, as [`Proposer`] does for commands and tests, or of what waits, block by block, as [`Carrying`] does
//! for a node.

mod duty;
mod pack;
mod room;
mod swaps;
mod sweep;

use std::borrow::Cow;

use alloy::{primitives::Address, sol_types::SolCall};
use nthroot_bindings::Bridge;
use nthroot_model::{
    builder::{BatchBuilder, Posting, StepError, StepPlan},
    invalid::Invalid,
    kernel::Failure,
};
use nthroot_protocol::{Batch, BatchId, limits::MAX_CEILING};
use tracing::{info, warn};

pub use duty::{Bond, Carrying, Policy, TopUp};
pub use pack::{Packed, Packing, pack};
pub use room::{MOST_CALLDATA, MOST_GAS, Room, gas_of};
pub use sweep::Sweep;

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

/// A batch of some of the plans.
#[derive(Debug)]
pub struct Selected {
    /// The batch.
    pub batch: Batch,
    /// Which plans are not in it, and why.
    pub left_out: Vec<(usize, Error)>,
}

/// One who posts batches.
pub struct Proposer {
    sender: Sender,
    rules: Vec<Address>,
}

impl Proposer {
    /// Sends with this key, under its own bond.
    pub const fn new(sender: Sender) -> Self {
        Self {
            sender,
            rules: Vec::new(),
        }
    }

    /// With the rule table by which the calls of plans name rules, from 1. A batch has only those of it that its steps use,
    /// since each costs gas.
    #[must_use]
    pub fn with_rules(mut self, rules: Vec<Address>) -> Self {
        self.rules = rules;
        self
    }

    /// A batch of these steps on the states that follow from L1, judged at the follower's tip. Its ceiling is as low as its
    /// steps allow, since the bond that it locks grows with it. Without a word slot the first free one is taken.
    ///
    /// # Errors
    ///
    /// [`Error::Leased`] or [`Error::Step`] if a step would be a lie or be skipped, [`Error::Build`] if there is no batch
    /// for another reason: then nothing is built.
    pub fn build(&self, follower: &Follower, slot: Option<u16>, plans: &[StepPlan]) -> Result<Batch> {
        let (rules, plans) = used_rules(&self.rules, plans);
        let mut builder = self.builder(follower, slot)?.rule_table(rules);
        for (plan, step) in plans.iter().enumerate() {
            builder.step(step).map_err(|reason| refused(plan, reason))?;
        }
        seal(builder)
    }

    /// As [`Self::build`], but what would be a lie or be skipped is left out, and so is what builds on it or cannot stand beside a
    /// step of so much gas. The plans must not
    /// name each other's entries, whose numbers would change.
    ///
    /// # Errors
    ///
    /// [`Error::Build`] if there is no batch, as when nothing is left.
    pub fn select(&self, follower: &Follower, slot: Option<u16>, plans: &[StepPlan]) -> Result<Selected> {
        let (rules, plans) = used_rules(&self.rules, plans);
        let mut builder = self.builder(follower, slot)?.rule_table(rules);
        let mut left_out = Vec::new();
        let mut is_closed = false;
        for (plan, step) in plans.iter().enumerate() {
            let reason = match builder.evaluate(step) {
                Ok(ready) if is_closed || ready.goes_alone() && !builder.steps().is_empty() => {
                    Error::Build("a step that commits so much gas to its rules for its bytes goes alone".to_owned())
                }
                Ok(ready) => {
                    is_closed = ready.goes_alone();
                    builder.add(ready);
                    continue;
                }
                Err(reason) => refused(plan, reason),
            };
            warn!(plan, %reason, "left out");
            left_out.push((plan, reason));
        }
        Ok(Selected {
            batch: seal(builder)?,
            left_out,
        })
    }

    fn builder<'a>(&self, follower: &'a Follower, slot: Option<u16>) -> Result<BatchBuilder<'a>> {
        let ledger = follower.ledger();
        let proposer = self.sender.address();
        let slot = slot.or_else(|| ledger.free_slot(proposer));
        let tip = follower.tip();
        let posting = Posting {
            proposer,
            clock: tip.number,
            clock_hash: tip.hash,
            slot: slot.ok_or_else(|| Error::Build("no word slot is free".to_owned()))?,
            ceiling: MAX_CEILING,
        };
        Ok(BatchBuilder::new(ledger, posting))
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

/// Those rules of a table that calls name, and the plans with the calls that name them by their places among those. A call
/// of a rule that is not in the table stays as it is: the builder says so.
fn used_rules<'a>(table: &[Address], plans: &'a [StepPlan]) -> (Vec<Address>, Cow<'a, [StepPlan]>) {
    let calls = || plans.iter().flat_map(|plan| &plan.body.calls);
    let used = |place: u8| calls().any(|call| call.rule == place);
    let places: Vec<(u8, Address)> = (1..)
        .zip(table.iter().copied())
        .filter(|(place, _)| used(*place))
        .collect();
    let rules = places.iter().map(|(_, rule)| *rule).collect();
    if places.len() == table.len() {
        return (rules, Cow::Borrowed(plans));
    }
    let mut plans = plans.to_vec();
    for call in plans.iter_mut().flat_map(|plan| &mut plan.body.calls) {
        let among = (1..).zip(&places).find(|(_, (place, _))| *place == call.rule);
        if let Some((place, _)) = among {
            call.rule = place;
        }
    }
    (rules, Cow::Owned(plans))
}

/// The batch, at the lowest ceiling.
fn seal(mut builder: BatchBuilder<'_>) -> Result<Batch> {
    let ceiling = builder.proof_gas().into_iter().max().unwrap_or_default();
    builder.set_ceiling(u32::try_from(ceiling).unwrap_or(u32::MAX));
    builder.build().map_err(|error| Error::Build(error.to_string()))
}

fn refused(plan: usize, reason: StepError) -> Error {
    match reason {
        StepError::Failure(Failure::Invalid(Invalid::Leased { lease, .. })) => Error::Leased {
            plan,
            holder: lease.holder,
            last_block: lease.last_block,
        },
        reason => Error::Step {
            plan,
            reason: Box::new(reason),
        },
    }
}
