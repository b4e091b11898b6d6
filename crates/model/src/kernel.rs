//! Evaluation of a step (section 6): what holds before the calls, the calls in order, what must hold after them.
//!
//! The answer is a function of the arguments alone. One thing is not modelled: a rule that runs out of its committed gas.
//! Twins have no gas, so such a call is valid here and invalid on L1.

mod judge;

use std::{collections::VecDeque, sync::Arc};

use alloy_primitives::Address;
use nthroot_protocol::{AnchorId, Body, Fragment, Preimage, SignedMessage, Withdrawal};

pub(crate) use judge::advance;
pub use judge::{evaluate, messages_of};

use crate::{
    call::{self, Messages, Progress, StepFragment, Stop},
    invalid::Invalid,
    rule::{Rule, Rules},
    rules::account::Account,
};

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

impl Env {
    /// What the code at a rule's address does. The enshrined rule is the same one if a rule table names it; its twin is known, if
    /// [`Self::rules`] does not have one that knows more of it.
    pub(crate) fn twin(&self, rule: Address) -> Option<Arc<dyn Rule>> {
        let enshrined = || (rule == self.account_rule).then(|| Arc::new(Account) as Arc<dyn Rule>);
        self.rules.get(rule).or_else(enshrined)
    }
}

/// Whether the signatures of steps are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Signatures {
    /// A step with a bad signature is invalid.
    #[default]
    Checked,
    /// They count as good. For steps of which others have shown it, as that their batch was not convicted within its window.
    Trusted,
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

/// A touch of a step before its calls. They stand in the order fresh, opened, again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// Its anchor. None if it was opened in this batch, whether by this step or an earlier one: then its fragments authorise
    /// nothing, and rules read their ids as zero.
    pub anchor: Option<AnchorId>,
    /// Leaf 0, and the further leaves that the step works on, with their states if they exist. Leaf 0 does not if and only
    /// if this step opens the anchor.
    pub leaves: Vec<(u32, Option<Fragment>)>,
}

/// What the calls of a step do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// State of each fragment after the calls, by number.
    pub states: Vec<Fragment>,
    /// Depths of the anchors that the step opened.
    pub depths: Vec<u8>,
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
    #[error("expected {expected} anchor ids, proofs, pre-states or siblings, found {actual}")]
    Count {
        /// How many the step has.
        expected: usize,
        /// How many were given.
        actual: usize,
    },
    /// No cohort is so deep.
    #[error("depth {0}, at most 24 is allowed")]
    Depth(u8),
}

/// Runs the calls of a well-formed body on the fragments of its step: points 3, 4 and 5 of section 6.
///
/// # Errors
///
/// If an anchor is leased to somebody else, a call is invalid, a fragment is left unlisted or unopened, or a rule has no twin.
pub fn execute(env: &Env, terms: &Terms, body: &Body, touches: Vec<Touch>) -> Result<Outcome, Failure> {
    execute_with(Signatures::Checked, env, terms, body, touches)
}

/// The same, with signatures looked at or not.
pub(crate) fn execute_with(
    signatures: Signatures,
    env: &Env,
    terms: &Terms,
    body: &Body,
    touches: Vec<Touch>,
) -> Result<Outcome, Failure> {
    let mut then = match signatures {
        Signatures::Checked => Messages::Checked,
        Signatures::Trusted => Messages::Ignored,
    };
    run(env, terms, body, touches, &mut then)
}

/// What the authorisations of a step's calls have to be signatures of, call by call, as the twins of the rules say it. The
/// signatures that the body has are not looked at: all else is as in [`execute`].
///
/// # Errors
///
/// If the step would be invalid with good signatures, or a rule has no twin.
pub fn messages(
    env: &Env,
    terms: &Terms,
    body: &Body,
    touches: Vec<Touch>,
) -> Result<Vec<Vec<SignedMessage>>, Failure> {
    match messages_as_far(env, terms, body, touches) {
        (messages, None) => Ok(messages),
        (_, Some(failure)) => Err(failure),
    }
}

/// The same as far as the step is valid, and why it is not, if so.
fn messages_as_far(
    env: &Env,
    terms: &Terms,
    body: &Body,
    touches: Vec<Touch>,
) -> (Vec<Vec<SignedMessage>>, Option<Failure>) {
    let mut messages = Vec::with_capacity(body.calls.len());
    let run = run(env, terms, body, touches, &mut Messages::Collected(&mut messages));
    (messages, run.err())
}

fn run(
    env: &Env,
    terms: &Terms,
    body: &Body,
    touches: Vec<Touch>,
    then: &mut Messages<'_>,
) -> Result<Outcome, Failure> {
    let mut step = begin(terms, touches)?;
    // For each fragment whether it has its part in the step: a call lists it, or it was to be opened.
    let mut has_part = vec![false; step.fragments.len()];
    for number in step.to_open.iter().chain(&step.leaves_to_open) {
        has_part[*number] = true;
    }

    for (index, call) in body.calls.iter().enumerate() {
        call::run(env, terms, call, &mut step, then).map_err(|stop| match stop {
            Stop::Fault(fault) => Failure::Invalid(Invalid::Call { call: index, fault }),
            Stop::UnknownRule(rule) => Failure::UnknownRule(rule),
        })?;
    }

    for number in body.calls.iter().flat_map(|call| &call.fragments) {
        has_part[usize::from(*number)] = true;
    }
    for (has_part, fragment) in has_part.iter_mut().zip(&step.fragments) {
        let is_further = |other: &StepFragment| other.touch == fragment.touch && other.leaf != 0;
        *has_part |= fragment.leaf == 0 && step.fragments.iter().any(is_further);
    }
    let mut states = Vec::with_capacity(step.fragments.len());
    for (number, fragment) in step.fragments.into_iter().enumerate() {
        if !has_part[number] {
            return Err(Failure::Invalid(Invalid::Unlisted { fragment: number }));
        }
        states.push(fragment.state.ok_or(Invalid::Unopened { fragment: number })?);
    }
    Ok(Outcome {
        states,
        depths: step.depths,
        withdrawals: step.withdrawals,
    })
}

/// The step before its calls. No anchor of it is leased to somebody else.
fn begin(terms: &Terms, touches: Vec<Touch>) -> Result<Progress, Invalid> {
    let mut step = Progress {
        fragments: Vec::new(),
        leases: Vec::with_capacity(touches.len()),
        to_open: VecDeque::new(),
        leaves_to_open: VecDeque::new(),
        depths: Vec::new(),
        withdrawals: Vec::new(),
    };
    for (number, touch) in touches.into_iter().enumerate() {
        let header = touch.leaves.first().and_then(|(_, state)| state.as_ref());
        let lease = header.and_then(|header| header.lease);
        if let Some(lease) = lease.filter(|lease| lease.runs(terms.clock) && lease.holder != terms.proposer) {
            return Err(Invalid::Leased { touch: number, lease });
        }
        step.leases.push(lease);
        for (leaf, state) in touch.leaves {
            if state.is_none() {
                let queue = if leaf == 0 {
                    &mut step.to_open
                } else {
                    &mut step.leaves_to_open
                };
                queue.push_back(step.fragments.len());
            }
            step.fragments.push(StepFragment {
                touch: number,
                leaf,
                id: touch.anchor.and_then(|anchor| anchor.leaf(leaf)),
                state,
            });
        }
    }
    Ok(step)
}
