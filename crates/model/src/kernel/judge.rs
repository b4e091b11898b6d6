//! The verdict on a step: from evidence, which may be anything, or from states that are known.

use alloy_primitives::B256;
use nthroot_protocol::{
    AnchorProof, BatchId, Body, Cohort, Evidence, Fragment, LeafTable, PlacedStep, Preimage, ProofSizes, Root,
    SignedMessage, Step, Withdrawal, cohort, limits::MAX_DEPTH, proof_gas::PROOF_GAS, tree,
};

use super::{Env, Failure, Outcome, Signatures, Terms, Touch, Undecided, Verdict, execute_with, messages_as_far};
use crate::{
    anchor::{self, AnchorState},
    behind::Behind,
    invalid::Invalid,
};

/// Judges a step: the whole of section 6. `proofs` are what stood behind its fresh, then its repeated touches.
///
/// # Errors
///
/// If the arguments are not those of one step, or a rule has no twin. What is invalid before the first call of such a rule
/// is invalid whatever the rule returns, and is reported so.
pub fn evaluate(
    env: &Env,
    preimage: &Preimage,
    placed: &PlacedStep,
    proofs: &[AnchorProof],
) -> Result<Verdict, Undecided> {
    let step = &placed.step;
    let table = LeafTable::of(step);
    check_counts(placed, &table, proofs)?;
    let (index, count) = (placed.index, preimage.header.step_count);
    let siblings = tree::sibling_count(count.into(), index.into()).ok_or(Undecided::StepIndex { index, count })?;
    let batch = (preimage, &Terms::of(preimage));
    let judged = judge(Signatures::Checked, env, batch, placed, &table, proofs, siblings);
    let compared = judged.and_then(|outcome| {
        check_roots(step, roots(step, &table, proofs, &outcome))?;
        check_withdrawals(step, &outcome.withdrawals)?;
        Ok(outcome)
    });
    Ok(match compared {
        Ok(outcome) => Verdict::Valid(outcome),
        Err(Failure::Invalid(invalid)) => Verdict::Invalid(invalid),
        Err(Failure::UnknownRule(rule)) => return Err(Undecided::UnknownRule(rule)),
    })
}

/// What the authorisations of a step have to be signatures of, call by call, as far as it is valid but for its signatures and its
/// cost; and why it goes no further, if so. The arguments are those of [`evaluate`].
///
/// # Errors
///
/// If the arguments are not those of one step.
pub fn messages_of(
    env: &Env,
    preimage: &Preimage,
    placed: &PlacedStep,
    proofs: &[AnchorProof],
) -> Result<(Vec<Vec<SignedMessage>>, Option<Failure>), Undecided> {
    let step = &placed.step;
    let table = LeafTable::of(step);
    check_counts(placed, &table, proofs)?;
    let read = || {
        let body = Body::of(step).map_err(Invalid::Body)?;
        check_leaves(step, &table, proofs)?;
        Ok((body, touches(preimage.id, placed, &table, proofs)?))
    };
    Ok(match read() {
        Ok((body, touches)) => messages_as_far(env, &Terms::of(preimage), &body, touches),
        Err(invalid) => (Vec::new(), Some(Failure::Invalid(invalid))),
    })
}

/// Judges a step on states that are known. Returns the states of its anchors after it, in the order fresh, opened, again.
/// That of [`evaluate`] with what evidence says of these states is the same verdict, but that signatures may be trusted.
pub(crate) fn advance(
    signatures: Signatures,
    env: &Env,
    (preimage, terms): (&Preimage, &Terms),
    placed: &PlacedStep,
    before: &[&AnchorState],
) -> Result<Vec<AnchorState>, Failure> {
    let step = &placed.step;
    let (index, count) = (placed.index, preimage.header.step_count);
    // The batch has the step.
    let siblings = tree::sibling_count(count.into(), index.into()).unwrap_or_default();
    let table = LeafTable::of(step);
    let mut outcome = judge(signatures, env, (preimage, terms), placed, &table, before, siblings)?;
    let withdrawals = std::mem::take(&mut outcome.withdrawals);
    let after = anchor::advance(step, &table, before, outcome);
    check_roots(step, after.iter().map(AnchorState::root))?;
    check_withdrawals(step, &withdrawals)?;
    Ok(after)
}

/// Points 1 to 5 of section 6. `before` is what stood behind the step's fresh, then its repeated touches.
fn judge(
    signatures: Signatures,
    env: &Env,
    (preimage, terms): (&Preimage, &Terms),
    placed: &PlacedStep,
    table: &LeafTable,
    before: &[impl Behind],
    siblings: usize,
) -> Result<Outcome, Failure> {
    let PlacedStep { step, .. } = placed;
    let header = &preimage.header;

    // 1. The body is well formed, its rules take no more than its bytes allow, and a proof against it fits under the ceiling. (That the leaves are of their
    // cohorts is of point 2, but comes before the proof gas, as in a challenge: leaves beyond have no pre-states.)
    let body = Body::of(step).map_err(Invalid::Body)?;
    check_leaves(step, table, before)?;
    let (committed, most) = (body.rule_gas(), step.rule_gas_beside_others());
    if header.step_count > 1 && committed > most {
        return Err(Invalid::RuleGas { committed, most }.into());
    }
    let sizes = before
        .iter()
        .enumerate()
        .fold(ProofSizes::default(), |sum, (place, behind)| {
            sum + behind.sizes(table.further(place))
        });
    let evaluation = PROOF_GAS.evaluation(step, sizes, &body);
    let evidence = Evidence::length(header.rules.len(), siblings, step, sizes);
    let needed = PROOF_GAS.proof(evidence, evaluation);
    if needed > u64::from(header.ceiling) {
        let ceiling = header.ceiling;
        return Err(Invalid::ProofGas { ceiling, needed }.into());
    }

    // 2. Every pre-state is a state, or there is none.
    let touches = touches(preimage.id, placed, table, before)?;

    // 3 to 5. No anchor is leased to somebody else, the calls are valid, and every fragment has its part in them.
    execute_with(signatures, env, terms, &body, touches)
}

fn check_counts(placed: &PlacedStep, table: &LeafTable, proofs: &[AnchorProof]) -> Result<(), Undecided> {
    let PlacedStep {
        step, opened, again, ..
    } = placed;
    let mut counts = vec![
        (step.opened.len(), opened.len()),
        (step.again.len(), again.len()),
        (step.fresh.len() + step.again.len(), proofs.len()),
    ];
    for (place, proof) in proofs.iter().enumerate() {
        if proof.depth > MAX_DEPTH {
            return Err(Undecided::Depth(proof.depth));
        }
        let leaves = AnchorProof::leaves(proof.depth, table.further(place));
        counts.push((leaves.clone().count(), proof.states.len()));
        counts.push((cohort::sibling_count(proof.depth, leaves), proof.siblings.len()));
    }
    for (expected, actual) in counts {
        if expected != actual {
            return Err(Undecided::Count { expected, actual });
        }
    }
    Ok(())
}

/// The number of the touch at this place among the fresh, then the repeated ones: the opened ones stand between them.
fn touch_at(step: &Step, place: usize) -> usize {
    if place < step.fresh.len() {
        place
    } else {
        place + step.opened.len()
    }
}

/// Every leaf named is of its cohort.
fn check_leaves(step: &Step, table: &LeafTable, before: &[impl Behind]) -> Result<(), Invalid> {
    for (place, behind) in before.iter().enumerate() {
        let depth = behind.depth();
        let mut leaves = table.further(place).iter();
        if let Some(leaf) = leaves.find(|leaf| !cohort::has_leaf(depth, **leaf)) {
            let (touch, leaf) = (touch_at(step, place), *leaf);
            return Err(Invalid::Leaf { touch, leaf, depth });
        }
    }
    Ok(())
}

/// The touches of a step of batch `id`, before its calls.
fn touches(id: BatchId, placed: &PlacedStep, table: &LeafTable, before: &[impl Behind]) -> Result<Vec<Touch>, Invalid> {
    let step = &placed.step;
    let mut touches = Vec::with_capacity(step.touches());
    let opened = step.fresh.len()..step.fresh.len() + step.opened.len();
    // Fragments are numbered touch by touch.
    let mut first = 0;
    let mut before = before.iter().enumerate();
    for (touch, anchor) in placed.anchors().enumerate() {
        let leaves = if opened.contains(&touch) {
            vec![(0, None)]
        } else {
            let leaves = before.next().map(|(place, behind)| behind.leaves(table.further(place)));
            let invalid = |(number, error)| Invalid::PreState {
                fragment: first + number,
                error,
            };
            // There is one: they were counted.
            leaves.unwrap_or(Ok(Vec::new())).map_err(invalid)?
        };
        if !opened.contains(&touch) && leaves.first().is_none_or(|(_, state)| state.is_none()) {
            return Err(Invalid::NoHeader { touch });
        }
        first += leaves.len();
        touches.push(Touch {
            anchor: (anchor.batch() != id).then_some(anchor),
            leaves,
        });
    }
    Ok(touches)
}

/// The roots after a step, from the evidence against it, in the order fresh, opened, again.
fn roots(step: &Step, table: &LeafTable, proofs: &[AnchorProof], outcome: &Outcome) -> Vec<Root> {
    let mut values = outcome.states.iter().map(Fragment::leaf_value);
    let mut depths = outcome.depths.iter();
    let mut proofs = proofs.iter().enumerate();
    let opened = step.fresh.len()..step.fresh.len() + step.opened.len();
    let root = |touch: usize| {
        if opened.contains(&touch) {
            let mut cohort = Cohort::new(*depths.next()?);
            cohort.set(0, values.next()?);
            return Some(cohort.root());
        }
        let (place, proof) = proofs.next()?;
        let values: Vec<B256> = values.by_ref().take(proof.states.len()).collect();
        proof.root_of(table.further(place), &values)
    };
    // Each touch has one: it has its fragments, and the proofs were counted.
    (0..step.touches()).map(root).map(Option::unwrap_or_default).collect()
}

/// 6. The roots are those that the step says.
fn check_roots(step: &Step, actual: impl IntoIterator<Item = Root>) -> Result<(), Invalid> {
    let mut actual = actual.into_iter();
    for (touch, stated) in step.roots().enumerate() {
        let actual = actual.next().unwrap_or_default();
        if stated != actual {
            return Err(Invalid::Root { touch, stated, actual });
        }
    }
    Ok(())
}

/// 7. And so are the withdrawals.
fn check_withdrawals(step: &Step, actual: &[Withdrawal]) -> Result<(), Invalid> {
    if step.withdrawals == actual {
        return Ok(());
    }
    Err(Invalid::Withdrawals {
        stated: step.withdrawals.clone(),
        actual: actual.to_vec(),
    })
}
