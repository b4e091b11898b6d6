//! What can go wrong, sorted by what the caller should do about it.

use std::path::PathBuf;

use alloy::{
    primitives::{Address, B256, utils::format_units},
    transports::TransportError,
};
use nthroot_model::builder::StepError;
use nthroot_protocol::BatchId;

use crate::{deploy::Refusal, revert::Revert};

/// What the caller of a failed operation should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Try again, later: the L1 node did not answer, or not yet.
    Retry,
    /// Stop and call a person: chain, model and node disagree, and nothing automatic may act on any of them.
    Halt,
}

/// Why an operation of the node failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The L1 node could not be asked.
    #[error("the L1 node does not answer: {0}")]
    Transport(#[from] TransportError),
    /// The L1 node does not know what it must know, if only later.
    #[error("the L1 node has no {what}")]
    Missing {
        /// What was asked for.
        what: String,
    },
    /// A transaction is not in a block yet, after its fee was raised several times.
    #[error("transaction {hash} was not included within {blocks} blocks")]
    NotIncluded {
        /// Hash of its last version.
        hash: B256,
        /// How long it was waited for.
        blocks: u64,
    },
    /// A unit of gas costs more than was agreed to: nothing was sent.
    #[error(
        "not sent: the base fee is {} gwei, and at most {} were agreed to. Wait until it is lower, or run it again and agree to more",
        gwei(*found),
        gwei(*most)
    )]
    TooDear {
        /// Wei per gas: the base fee of the next block.
        found: u128,
        /// Wei per gas.
        most: u128,
    },
    /// A transaction was included and failed: its sender's view was outdated.
    #[error("transaction {hash} failed with {gas_used} gas used: {revert}")]
    Failed {
        /// The transaction.
        hash: B256,
        /// Gas that it used up.
        gas_used: u64,
        /// Why, as a call at the block before tells.
        revert: Revert,
    },
    /// A call failed, so the transaction was not sent.
    #[error("not sent, it would fail: {0}")]
    WouldFail(Revert),
    /// The chain does not continue the one followed so far: it was reorganised again and again while it was read.
    #[error("L1 was reorganised: block {number} is {found}, expected {expected}")]
    Reorg {
        /// The block that differs.
        number: u64,
        /// The hash that was followed.
        expected: B256,
        /// The hash that is there now.
        found: B256,
    },
    /// A block that L1 had finalised is another one now.
    #[error("L1 takes back what it had finalised: block {number} is {found}, was {expected}")]
    FinalityBroken {
        /// The block.
        number: u64,
        /// The hash that was final.
        expected: B256,
        /// The hash that is there now.
        found: B256,
    },
    /// No bridge can be deployed with these parameters.
    #[error("no bridge can have these parameters: {0}")]
    Parameters(String),
    /// Nothing is deployed, or no further.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A contract is not the one that the manifest names.
    #[error("the deployment at {address} is not that of the manifest: {what}")]
    WrongDeployment {
        /// The contract.
        address: Address,
        /// What differs.
        what: String,
    },
    /// The L1 nodes that were named are of several chains.
    #[error("the L1 node {node} is of chain {found}, the one before of chain {expected}: name nodes of one chain")]
    WrongChain {
        /// Host of the node.
        node: String,
        /// The chain of those before.
        expected: u64,
        /// Its chain.
        found: u64,
    },
    /// The bridge says something else than what follows from its inputs.
    #[error("block {block}: the chain says {chain}, the model derives {model}")]
    Diverged {
        /// The block.
        block: u64,
        /// What the event says.
        chain: String,
        /// What the model says.
        model: String,
    },
    /// Something does not fit, and may yet: an L1 node may be wrong for a while.
    #[error("L1 and what follows from it did not fit {times} times, it is asked again: {what}")]
    Doubtful {
        /// How often since all fitted.
        times: u32,
        /// The last time.
        what: Box<Self>,
    },
    /// A transaction or event of the bridge cannot be read.
    #[error("transaction {hash} cannot be read: {what}")]
    Unreadable {
        /// The transaction.
        hash: B256,
        /// What is wrong with it.
        what: String,
    },
    /// The model holds a step for a lie, and the contracts do not: nothing is sent.
    #[error("step {step} of batch {batch} is a lie for the model, but the chain answers: {revert}")]
    VerdictDiffers {
        /// The batch.
        batch: BatchId,
        /// The step.
        step: u16,
        /// What the simulation answered.
        revert: Revert,
    },
    /// A step touches an anchor that is leased to somebody else: posted, it would be a lie.
    #[error("plan {plan} touches an anchor that is leased to {holder} until block {last_block}")]
    Leased {
        /// The step's plan.
        plan: usize,
        /// Who alone may touch the anchor.
        holder: Address,
        /// The last block at which the lease runs.
        last_block: u64,
    },
    /// A step would be a lie, or would be skipped.
    #[error("plan {plan}: {reason}")]
    Step {
        /// The step's plan.
        plan: usize,
        /// Why.
        reason: Box<StepError>,
    },
    /// There is no batch.
    #[error("the batch cannot be built: {0}")]
    Build(String),
    /// The model refuses what the bridge accepted, or was asked for what it does not know.
    #[error("the model: {0}")]
    Model(String),
    /// A transaction did not emit the event that it must.
    #[error("transaction {hash} emitted no {event}")]
    NoEvent {
        /// The transaction.
        hash: B256,
        /// The event.
        event: &'static str,
    },
    /// Keys or addresses that do not fit.
    #[error("signing: {0}")]
    Signer(String),
    /// The outbox has a row that it cannot read. Without it, what is on its way would be sent twice.
    #[error("the outbox cannot be read: {0}")]
    Outbox(String),
    /// A local chain could not be started.
    #[error("anvil: {0}")]
    Devnet(String),
    /// The store could not be read or written: its disk is full, say.
    #[error("the store {}: {what}", path.display())]
    Store {
        /// Its file.
        path: PathBuf,
        /// What failed.
        what: String,
    },
    /// Another process has the store.
    #[error("the store {} is open in another process: stop that one, or name another file", .0.display())]
    StoreLocked(PathBuf),
    /// The file is no store, or is damaged.
    #[error(
        "the store {} cannot be used ({what}): move it away. What L1 has is derived again; intents that were taken and are not \
         on L1 yet are lost with it",
        path.display()
    )]
    StoreDamaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The store was written by a version of the node whose tables are others.
    #[error(
        "the store {} has schema {found}, this version has {expected}: run the version that wrote it until its outbox is empty, \
         then move the file away; what L1 has is derived again",
        path.display()
    )]
    StoreVersion {
        /// The file.
        path: PathBuf,
        /// The schema of this version.
        expected: u32,
        /// The schema of the file.
        found: u32,
    },
    /// The store is of another bridge.
    #[error("the store is of bridge {found}, not of {expected}: name another file")]
    StoreForeign {
        /// The bridge that is followed.
        expected: String,
        /// The bridge of the store.
        found: String,
    },
}

impl Error {
    /// What to do about it.
    pub const fn action(&self) -> Action {
        match self {
            Self::Transport(_)
            | Self::Missing { .. }
            | Self::NotIncluded { .. }
            | Self::TooDear { .. }
            | Self::Failed { .. }
            | Self::WouldFail(_)
            | Self::Leased { .. }
            | Self::Step { .. }
            | Self::Build(_)
            | Self::Reorg { .. }
            | Self::Doubtful { .. }
            | Self::Store { .. } => Action::Retry,
            Self::WrongDeployment { .. }
            | Self::FinalityBroken { .. }
            | Self::WrongChain { .. }
            | Self::Parameters(_)
            | Self::Refused(_)
            | Self::Diverged { .. }
            | Self::Unreadable { .. }
            | Self::VerdictDiffers { .. }
            | Self::Model(_)
            | Self::NoEvent { .. }
            | Self::Signer(_)
            | Self::Outbox(_)
            | Self::Devnet(_)
            | Self::StoreLocked(_)
            | Self::StoreDamaged { .. }
            | Self::StoreVersion { .. }
            | Self::StoreForeign { .. } => Action::Halt,
        }
    }

    pub(crate) fn missing(what: impl Into<String>) -> Self {
        Self::Missing { what: what.into() }
    }
}

/// Result with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Wei as gwei, without zeros at the end.
fn gwei(wei: u128) -> String {
    let exact = format_units(wei, "gwei").unwrap_or_default();
    exact.trim_end_matches('0').trim_end_matches('.').to_owned()
}
