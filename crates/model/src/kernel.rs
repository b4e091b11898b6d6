//! Evaluation of a step (section 6): what holds before the calls, the calls in order, what must hold after them.
//!
//! The answer is a function of the arguments alone. One thing is not modelled: a rule that runs out of its committed gas.
//! Twins have no gas, so such a call is valid here and invalid on L1.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use alloy_primitives::Address;
use nthroot_protocol::{
    AnchorId, BatchId, Body, Evidence, Fragment, PlacedStep, Preimage, Step, Withdrawal, proof_gas::PROOF_GAS, tree,
};

use crate::{
    account::Account,
    call::{self, Progress, Stop},
    invalid::Invalid,
    rule::{Rule, Rules},
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
    /// What the code at a rule's address does. The enshrined rule is the same one if a rule table names it.
    pub(crate) fn twin(&self, rule: Address) -> Option<Arc<dyn Rule>> {
        if rule == self.account_rule {
            Some(Arc::new(Account))
        } else {
            self.rules.get(rule)
        }
    }
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
    let unopened = |(fragment, touch): (usize, &Touch)| touch.state.is_none().then_some(fragment);
    let to_open: VecDeque<usize> = touches.iter().enumerate().filter_map(unopened).collect();
    let opened: BTreeSet<usize> = to_open.iter().copied().collect();
    let mut step = Progress {
        touches,
        to_open,
        withdrawals: Vec::new(),
    };

    for (index, call) in body.calls.iter().enumerate() {
        call::run(env, terms, call, &mut step).map_err(|stop| match stop {
            Stop::Fault(fault) => Failure::Invalid(Invalid::Call { call: index, fault }),
            Stop::UnknownRule(rule) => Failure::UnknownRule(rule),
        })?;
    }

    let listed: BTreeSet<usize> = body
        .calls
        .iter()
        .flat_map(|call| &call.fragments)
        .map(|number| usize::from(*number))
        .collect();
    let mut states = Vec::with_capacity(step.touches.len());
    for (fragment, touch) in step.touches.into_iter().enumerate() {
        if !listed.contains(&fragment) && !opened.contains(&fragment) {
            return Err(Failure::Invalid(Invalid::Unlisted { fragment }));
        }
        states.push(touch.state.ok_or(Invalid::Unopened { fragment })?);
    }
    Ok(Outcome {
        states,
        withdrawals: step.withdrawals,
    })
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
    check_counts(placed, pre_states)?;
    let step = &placed.step;
    let header = &preimage.header;
    let (index, count) = (placed.index, header.step_count);
    let siblings = tree::sibling_count(count.into(), index.into()).ok_or(Undecided::StepIndex { index, count })?;

    // 1. The body is well formed, and a proof against the step fits under the ceiling.
    let body = match Body::parse(&step.body) {
        Ok(body) => body,
        Err(error) => return Ok(Verdict::Invalid(Invalid::Body(error))),
    };
    let lengths = pre_states.iter().map(Vec::len);
    let evaluation = PROOF_GAS.evaluation(step, lengths.clone().sum(), &body);
    let needed = PROOF_GAS.proof(
        Evidence::length(header.rules.len(), siblings, step, lengths),
        evaluation,
    );
    if needed > u64::from(header.ceiling) {
        return Ok(Verdict::Invalid(Invalid::ProofGas {
            ceiling: header.ceiling,
            needed,
        }));
    }

    // 2. Every pre-state is a state.
    let touches = match touches(preimage.id, placed, pre_states) {
        Ok(touches) => touches,
        Err(invalid) => return Ok(Verdict::Invalid(invalid)),
    };

    // 3 and 4. The calls are valid, and every fragment has its part in them.
    let outcome = match execute(env, &Terms::of(preimage), &body, touches) {
        Ok(outcome) => outcome,
        Err(Failure::Invalid(invalid)) => return Ok(Verdict::Invalid(invalid)),
        Err(Failure::UnknownRule(rule)) => return Err(Undecided::UnknownRule(rule)),
    };

    // 5 and 6. Roots and withdrawals are those that the step says.
    Ok(match compare(step, &outcome) {
        Ok(()) => Verdict::Valid(outcome),
        Err(invalid) => Verdict::Invalid(invalid),
    })
}

fn check_counts(placed: &PlacedStep, pre_states: &[Vec<u8>]) -> Result<(), Undecided> {
    let PlacedStep {
        step, opened, again, ..
    } = placed;
    for (expected, actual) in [
        (step.opened.len(), opened.len()),
        (step.again.len(), again.len()),
        (step.fresh.len() + step.again.len(), pre_states.len()),
    ] {
        if expected != actual {
            return Err(Undecided::Count { expected, actual });
        }
    }
    Ok(())
}

/// The fragments of a step of batch `id`, before its calls.
fn touches(id: BatchId, placed: &PlacedStep, pre_states: &[Vec<u8>]) -> Result<Vec<Touch>, Invalid> {
    let mut states = Vec::with_capacity(pre_states.len());
    for (index, state) in pre_states.iter().enumerate() {
        states.push(Fragment::decode(state).map_err(|error| Invalid::PreState { index, error })?);
    }
    // Pre-states are those of the fresh, then of the repeated touches; the opened ones between them have none.
    let again = states.split_off(placed.step.fresh.len().min(states.len()));
    let fresh = states.into_iter().map(Some);
    let opened = placed.opened.iter().map(|_| None);
    let states = fresh.chain(opened).chain(again.into_iter().map(Some));
    let touch = |(anchor, state): (AnchorId, Option<Fragment>)| Touch {
        anchor: (anchor.batch() != id).then_some(anchor),
        state,
    };
    Ok(placed.anchors().zip(states).map(touch).collect())
}

/// Points 5 and 6 of section 6.
fn compare(step: &Step, outcome: &Outcome) -> Result<(), Invalid> {
    for (fragment, (stated, state)) in step.roots().zip(&outcome.states).enumerate() {
        let actual = state.root();
        if stated != actual {
            return Err(Invalid::Root {
                fragment,
                stated,
                actual,
            });
        }
    }
    if step.withdrawals == outcome.withdrawals {
        Ok(())
    } else {
        Err(Invalid::Withdrawals {
            stated: step.withdrawals.clone(),
            actual: outcome.withdrawals.clone(),
        })
    }
}
