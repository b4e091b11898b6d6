//! Judging the steps of a batch when it is posted, on the states that are known.

use std::{collections::BTreeMap, sync::Arc};

use nthroot_protocol::{AnchorId, Preimage};

use super::{JudgedStep, Opening, State};
use crate::{
    anchor::AnchorState,
    invalid::Invalid,
    kernel::{self, Env, Failure, Signatures, Terms, Undecided},
    walk::{AppliedStep, Skip, StepFate},
};

/// What a posted step is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// It had no effect and cannot be a lie.
    Skipped(Skip),
    /// As it should be.
    Valid,
    /// A lie: whoever sends the evidence convicts the batch.
    Lie(Invalid),
    /// Nobody can say, or this follower cannot.
    Unjudged(Unjudged),
}

/// Why a step is not judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unjudged {
    /// It builds on a state that is not known.
    #[error("the state of {0} before the step is not known")]
    PreState(AnchorId),
    /// The model has no verdict.
    #[error(transparent)]
    Undecided(#[from] Undecided),
}

/// The steps of a batch with their judgements, and the states that the applied ones leave.
pub(super) struct Judged {
    pub(super) steps: Vec<JudgedStep>,
    pub(super) states: BTreeMap<AnchorId, State>,
}

/// Judges the steps in order, each on the states that the steps before it left. `before` are the states before the batch.
pub(super) fn judge(
    signatures: Signatures,
    env: &Env,
    preimage: &Preimage,
    fates: Vec<StepFate>,
    before: impl Fn(AnchorId) -> State,
) -> Judged {
    let terms = Terms::of(preimage);
    let mut judged = Judged {
        steps: Vec::with_capacity(fates.len()),
        states: BTreeMap::new(),
    };
    for fate in fates {
        let step = match fate {
            Err(skip) => JudgedStep {
                judgement: Judgement::Skipped(skip),
                opening: None,
            },
            Ok(applied) => judged.take(signatures, env, (preimage, &terms), applied, &before),
        };
        judged.steps.push(step);
    }
    judged
}

impl Judged {
    fn take(
        &mut self,
        signatures: Signatures,
        env: &Env,
        batch: (&Preimage, &Terms),
        applied: AppliedStep,
        before: &impl Fn(AnchorId) -> State,
    ) -> JudgedStep {
        let placed = applied.placed;
        let fresh = placed.step.fresh.iter().map(|touch| touch.anchor);
        let read: Vec<AnchorId> = fresh.chain(placed.again.iter().copied()).collect();
        let state = |anchor: &AnchorId| self.states.get(anchor).cloned().unwrap_or_else(|| before(*anchor));
        let states: Vec<State> = read.iter().map(state).collect();

        let known: Option<Vec<Arc<AnchorState>>> = states.iter().map(State::known_arc).collect();
        let (judgement, after) = match &known {
            None => {
                let unknown = read.iter().zip(&states).find(|(_, state)| state.known().is_none());
                let anchor = unknown.map(|(anchor, _)| *anchor).unwrap_or_default();
                (Judgement::Unjudged(Unjudged::PreState(anchor)), Vec::new())
            }
            Some(before) => {
                let before: Vec<&AnchorState> = before.iter().map(Arc::as_ref).collect();
                match kernel::advance(signatures, env, batch, &placed, &before) {
                    Ok(after) => (Judgement::Valid, after),
                    Err(Failure::Invalid(reason)) => (Judgement::Lie(reason), Vec::new()),
                    Err(Failure::UnknownRule(rule)) => {
                        (Judgement::Unjudged(Undecided::UnknownRule(rule).into()), Vec::new())
                    }
                }
            }
        };
        let mut after = after.into_iter().map(|state| State::Known(Arc::new(state)));
        for anchor in placed.anchors() {
            self.states.insert(anchor, after.next().unwrap_or(State::Unknown));
        }
        JudgedStep {
            judgement,
            opening: known.map(|before| Opening::Step(placed, before)),
        }
    }
}
