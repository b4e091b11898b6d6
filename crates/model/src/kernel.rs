//! Evaluation of a step (section 6): what holds before the calls, the calls in order, what must hold after them.
//!
//! The answer is a function of the arguments alone. One thing is not modelled: a rule that runs out of its committed gas.
//! Twins have no gas, so such a call is valid here and invalid on L1.

use alloy_primitives::Address;
use nthroot_protocol::{AnchorId, Body, Fragment, PlacedStep, Preimage, Withdrawal};

use crate::{invalid::Invalid, rule::Rules};

/// What a step is evaluated against, beside its batch.
#[derive(Debug, Clone)]
pub struct Env {
    /// Address of the enshrined Account rule.
    pub account_rule: Address,
    /// Address of the bridge.
    pub bridge: Address,
    /// Twins of the other rules.
    pub rules: Rules,
}

/// What the calls of a batch have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Chain id of the batch header.
    pub chain_id: u64,
    /// Clock of the batch header.
    pub clock: u64,
    /// Who posted the batch.
    pub proposer: Address,
    /// The batch's rule table.
    pub rules: Vec<Address>,
}

impl Terms {
    /// The terms of a batch.
    pub fn of(preimage: &Preimage) -> Self {
        Self {
            chain_id: preimage.header.chain_id,
            clock: preimage.header.clock,
            proposer: preimage.proposer,
            rules: preimage.header.rules.clone(),
        }
    }
}

/// A fragment of a step. A step's fragments stand in the order fresh, opened, again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// Its anchor. None if it was opened in this batch, whether by this step or an earlier one: then it authorises
    /// nothing, and rules read its id as zero.
    pub anchor: Option<AnchorId>,
    /// Its state. None if this step opens it.
    pub state: Option<Fragment>,
}

/// What the calls of a step do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// State of each fragment after the calls.
    pub states: Vec<Fragment>,
    /// Withdrawals in the order in which they were produced.
    pub withdrawals: Vec<Withdrawal>,
}

/// Why the calls of a step have no outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The step is invalid.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Up to a call of this rule all is valid; what the rule returns is not known.
    #[error("rule {0} has no twin")]
    UnknownRule(Address),
}

/// What a step is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Valid.
    Valid(Outcome),
    /// Invalid: posted, it is a lie.
    Invalid(Invalid),
}

/// Why there is no verdict. None of these says anything against the step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    /// Up to a call of this rule all is valid; what the rule returns is not known.
    #[error("rule {0} has no twin")]
    UnknownRule(Address),
    /// The batch has no such step.
    #[error("step {index} of {count}")]
    StepIndex {
        /// The step named.
        index: u16,
        /// How many there are.
        count: u16,
    },
    /// The arguments are not those of one step.
    #[error("expected {expected} anchor ids or pre-states, found {actual}")]
    Count {
        /// How many the step has.
        expected: usize,
        /// How many were given.
        actual: usize,
    },
}

/// Runs the calls of a well-formed body on the fragments of its step: points 3 and 4 of section 6.
///
/// # Errors
///
/// If a call is invalid, if a fragment is left unlisted or unopened, or if a rule has no twin.
pub fn execute(env: &Env, terms: &Terms, body: &Body, touches: Vec<Touch>) -> Result<Outcome, Failure> {
    let _ = (env, terms, body, touches);
    Err(Failure::UnknownRule(Address::ZERO))
}

/// Judges a step: the whole of section 6. `pre_states` are the encoded states before the step of its fresh, then its
/// repeated touches.
///
/// # Errors
///
/// If the arguments are not those of one step, or a rule has no twin. What is invalid before the first call of such a rule
/// is invalid whatever the rule returns, and is reported so.
pub fn evaluate(
    env: &Env,
    preimage: &Preimage,
    placed: &PlacedStep,
    pre_states: &[Vec<u8>],
) -> Result<Verdict, Undecided> {
    let _ = (env, preimage, placed, pre_states);
    Err(Undecided::UnknownRule(Address::ZERO))
}
