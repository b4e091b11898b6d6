//! Why a batch cannot be built.

use alloy_primitives::Address;
use nthroot_protocol::{AnchorId, BodyError};

use crate::{kernel::Failure, walk::Stale};

/// Why a step is not added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// The step would be invalid, or the model does not know a rule of it.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The step would be skipped.
    #[error("the touch of {anchor} would be stale: {reason}")]
    Stale {
        /// The anchor.
        anchor: AnchorId,
        /// Why.
        reason: Stale,
    },
    /// The state of an anchor is not known.
    #[error("the state of {0} is not known")]
    UnknownState(AnchorId),
    /// No earlier step has taken the entry number.
    #[error("no earlier step has entry {0}")]
    UnknownEntry(u16),
    /// A fragment is named twice. (No anchor: one that the batch opened.)
    #[error("fragment {0:?} is named twice")]
    Twice(Option<AnchorId>),
    /// A leaf is beyond its cohort.
    #[error("leaf {leaf} is not in a cohort of depth {depth}")]
    Leaf {
        /// The leaf.
        leaf: u32,
        /// Depth of the cohort.
        depth: u8,
    },
    /// Too many fragments: the leaves named, and leaf 0 of each anchor.
    #[error("{0} fragments, at most 16 are allowed")]
    TooManyFragments(usize),
    /// No touches, or more than 16, or more than 15 of a kind.
    #[error("{fresh} fresh, {opened} opened and {again} repeated touches")]
    Touches {
        /// Fresh ones.
        fresh: usize,
        /// Opened ones.
        opened: usize,
        /// Repeated ones.
        again: usize,
    },
    /// The body is too long.
    #[error("a body of {0} bytes, at most 16384 are allowed")]
    BodyTooLong(usize),
    /// The body breaks a limit.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The batch has too many entries.
    #[error("{0} entries, at most 512 are allowed")]
    TooManyEntries(usize),
    /// The batch has too many withdrawals.
    #[error("{0} withdrawals, at most 255 are allowed")]
    TooManyWithdrawals(usize),
    /// The batch has too many steps.
    #[error("more than 65535 steps")]
    TooManySteps,
}

/// Why there is no batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// It has no steps.
    #[error("the batch has no steps")]
    NoSteps,
    /// The ceiling is over the limit.
    #[error("proof ceiling {0}, at most 10000000 is allowed")]
    Ceiling(u32),
    /// A step's proof may need more gas than the ceiling.
    #[error("step {step} has the proof gas {needed}, the ceiling is {ceiling}")]
    ProofGas {
        /// The step.
        step: usize,
        /// Its proof gas.
        needed: u64,
        /// The ceiling.
        ceiling: u32,
    },
    /// A step's rules may take more gas than its bytes allow beside other steps: it goes alone, with a longer `extra` if its rule
    /// bears that, or with less gas.
    #[error("step {step} commits {committed} gas to its rules, at most {most} is allowed beside other steps")]
    RuleGas {
        /// The step.
        step: usize,
        /// Gas committed for its calls.
        committed: u64,
        /// What its bytes allow.
        most: u64,
    },
    /// A rule was not registered by the clock.
    #[error("rule {rule} was not registered at block {clock}")]
    Rule {
        /// The rule.
        rule: Address,
        /// The clock.
        clock: u64,
    },
}
