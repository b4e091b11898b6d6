//! Why L1 would not do what it is asked to. Whoever gets one of these sorts them by what they embed: malformed input,
//! a batch that is not (or no longer) as the caller believed, or a condition that time may change.

use alloy_primitives::{Address, B256, Bytes, U256};
use nthroot_protocol::{AnchorId, BatchError, BatchId, EvidenceError, PreimageError, Status};

use crate::{bond::BondTooLow, kernel::Undecided};

/// A block that does not follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("block {number} does not follow block {current}")]
pub struct BlockError {
    /// The current block.
    pub current: u64,
    /// The one that should begin.
    pub number: u64,
}

/// A block has given out its 8,191 ids, or is beyond those that ids can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("block {block} has no id left")]
pub struct IdsExhausted {
    /// The block.
    pub block: u64,
}

/// Why a deposit is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DepositError {
    /// Nobody controls it.
    #[error("the controller is zero")]
    ZeroController,
    /// Nothing arrived.
    #[error("the amount is zero")]
    ZeroAmount,
    /// The deployment names its assets, and this is none of them.
    #[error("token {0} cannot be deposited")]
    NotListed(Address),
    /// The bridge would hold more of the asset than its cap.
    #[error("the bridge would hold {balance} of {token}, at most {cap} is allowed")]
    Cap {
        /// The token.
        token: Address,
        /// Its cap.
        cap: U256,
        /// What the bridge would hold.
        balance: U256,
    },
    /// No id left.
    #[error(transparent)]
    Ids(#[from] IdsExhausted),
}

/// Why a bond is not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BondError {
    /// Bonds are kept in gwei.
    #[error("{0} wei is not a whole number of gwei")]
    NotWholeGwei(u128),
    /// More than a bond can hold.
    #[error("{0} wei does not fit the bond")]
    TooMuch(u128),
    /// Not so much is free.
    #[error(transparent)]
    TooLow(#[from] BondTooLow),
    /// Nothing leaves while a fault is unresolved.
    #[error("fault {0} is unresolved")]
    Frozen(BatchId),
}

/// Why a batch is refused (section 4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// It breaks a limit or a shape.
    #[error(transparent)]
    Shape(#[from] BatchError),
    /// It is for another chain.
    #[error("chain id {actual}, expected {expected}")]
    ChainId {
        /// The bridge's chain.
        expected: u64,
        /// The batch's.
        actual: u64,
    },
    /// The clock is not one of the 32 blocks before, or before the deployment.
    #[error("clock {clock}, allowed are {oldest} to {newest}")]
    Clock {
        /// The oldest block allowed.
        oldest: u64,
        /// The newest one.
        newest: u64,
        /// The clock.
        clock: u64,
    },
    /// The clock's hash is another one.
    #[error("block {clock} has the hash {expected}, not {actual}")]
    ClockHash {
        /// The clock.
        clock: u64,
        /// Its hash.
        expected: B256,
        /// The hash in the batch.
        actual: B256,
    },
    /// The ledger was not told the clock's hash. This says nothing about the batch.
    #[error("the hash of block {0} is not known")]
    ClockHashUnknown(u64),
    /// A rule was not registered by the clock.
    #[error("rule {rule} was not registered at block {clock}")]
    Rule {
        /// The rule.
        rule: Address,
        /// The clock.
        clock: u64,
    },
    /// The word slot is in use.
    #[error("word slot {slot} is in use by batch {by}")]
    SlotInUse {
        /// The word slot.
        slot: u16,
        /// The batch in it.
        by: BatchId,
    },
    /// The free bond does not cover the lock.
    #[error(transparent)]
    Bond(#[from] BondTooLow),
    /// No id left.
    #[error(transparent)]
    Ids(#[from] IdsExhausted),
    /// Every step is skipped.
    #[error("no step is applied")]
    NothingApplied,
    /// The applied steps withdraw too often.
    #[error("{0} withdrawals, at most 255 are allowed")]
    TooManyWithdrawals(usize),
}

/// Why a batch cannot be worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// The bytes are not a preimage.
    #[error(transparent)]
    Preimage(#[from] PreimageError),
    /// There is no such batch.
    #[error("there is no batch {0}")]
    Unknown(BatchId),
    /// The word is not that of this preimage.
    #[error("word {slot} of {proposer} is not that of this preimage")]
    Mismatch {
        /// The proposer.
        proposer: Address,
        /// The word slot.
        slot: u16,
    },
    /// The batch's status does not allow it.
    #[error("batch {id} is {actual:?}")]
    Status {
        /// The batch.
        id: BatchId,
        /// Its status.
        actual: Status,
    },
    /// The batch was pruned.
    #[error("batch {0} was pruned")]
    Pruned(BatchId),
}

/// Why a challenge fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeError {
    /// What was sent is no evidence. It says nothing about the batch.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The word or its status does not allow it.
    #[error(transparent)]
    Word(#[from] WordError),
    /// The window is over.
    #[error("batch {id} could be challenged until block {last}, this is {block}")]
    WindowOver {
        /// The batch.
        id: BatchId,
        /// Last block of the window.
        last: u64,
        /// The current block.
        block: u64,
    },
    /// The step is valid.
    #[error("step {0} is valid")]
    StepIsValid(u16),
    /// The entries are not those that the batch wrote.
    #[error("the entries are not those of batch {0}")]
    Entries(BatchId),
    /// The model has no verdict.
    #[error(transparent)]
    Undecided(#[from] Undecided),
    /// The set of faults has no room.
    #[error("too many faults are unresolved")]
    TooManyFaults,
}

/// Why a batch cannot be condemned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CondemnError {
    /// A word or its status does not allow it.
    #[error(transparent)]
    Word(#[from] WordError),
    /// The entries are not those that the child wrote.
    #[error("the entries are not those of batch {0}")]
    Entries(BatchId),
    /// No such entry.
    #[error("entry {index} of {count}")]
    Index {
        /// The entry named.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// The child does not build on the parent there.
    #[error("the entry builds on {actual:?}, not on {expected}")]
    NotParent {
        /// The parent.
        expected: BatchId,
        /// Whose head the child found there.
        actual: Option<BatchId>,
    },
}

/// Why a batch cannot be unwound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnwindError {
    /// The word or its status does not allow it.
    #[error(transparent)]
    Word(#[from] WordError),
    /// The entries are not those that the batch wrote.
    #[error("the entries are not those of batch {0}")]
    Entries(BatchId),
    /// A later batch wrote the anchor and has to be unwound first.
    #[error("anchor {anchor} has the head of {head:?}")]
    NotHead {
        /// The anchor.
        anchor: AnchorId,
        /// Whose head it has.
        head: Option<BatchId>,
    },
}

/// Why a claim is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// The word or its status does not allow it.
    #[error(transparent)]
    Word(#[from] WordError),
    /// The window still runs.
    #[error("batch {id} can be challenged until block {last}")]
    InWindow {
        /// The batch.
        id: BatchId,
        /// Last block of the window.
        last: u64,
    },
    /// An older fault has to be resolved first.
    #[error("fault {fault} is older than batch {id}")]
    Fault {
        /// The batch.
        id: BatchId,
        /// The fault.
        fault: BatchId,
    },
    /// There is no such withdrawal, or it was paid.
    #[error("withdrawal {0} does not exist or was paid")]
    NothingToPay(u8),
    /// The withdrawal is not the one committed to.
    #[error("the withdrawal does not open position {0}")]
    Opening(u8),
}

/// Why a claim is not assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssignError {
    /// It could not be paid, whether or not the window is over.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The claim belongs to somebody else.
    #[error("the recipient is {expected}, not {actual}")]
    NotRecipient {
        /// The present recipient.
        expected: Address,
        /// Who should be it.
        actual: Address,
    },
    /// Nobody can be paid at the zero address.
    #[error("the next recipient is zero")]
    ZeroRecipient,
    /// The offer is past its deadline.
    #[error("the offer held until block {deadline}, this is {block}")]
    Expired {
        /// Last block of the offer.
        deadline: U256,
        /// The current block.
        block: u64,
    },
    /// The offer is not signed by the present recipient.
    #[error("the signature is not that of {0}")]
    Signature(Address),
    /// More or less ether came along than is due.
    #[error("{actual} wei were sent, {expected} are due")]
    Value {
        /// Wei due.
        expected: U256,
        /// Wei sent.
        actual: U256,
    },
}

/// Why there is no evidence against a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceUnavailable {
    /// The batch is unknown or pruned.
    #[error(transparent)]
    Word(#[from] WordError),
    /// The batch has no such step.
    #[error("step {index} of {count}")]
    NoSuchStep {
        /// The step named.
        index: u16,
        /// How many there are.
        count: usize,
    },
    /// The step was skipped: it cannot be a lie.
    #[error("step {0} was skipped")]
    Skipped(u16),
    /// A state before the step is not known.
    #[error("the state of {0} before the step is not known")]
    UnknownPreState(AnchorId),
    /// The step was found valid, and what evidence would be made of was let go.
    #[error("step {0} is valid and was forgotten")]
    Forgotten(u16),
}

/// Why rows are not those of a ledger. There is one remedy: to let them go and to derive the ledger from L1 again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// Rows of another version of this program.
    #[error("the rows have version {0}, expected 1: derive them again")]
    Version(u8),
    /// The row is not there that every ledger has.
    #[error("the first row is missing: derive the rows again")]
    Missing,
    /// The rows are not in the order of their keys.
    #[error("row {0} is out of order")]
    Order(Bytes),
    /// No row has such a key.
    #[error("{0} is not a key")]
    Key(Bytes),
    /// The value is not one of its key.
    #[error("row {key}: {what}; derive the rows again")]
    Value {
        /// The key.
        key: Bytes,
        /// What is wrong.
        what: &'static str,
    },
}
