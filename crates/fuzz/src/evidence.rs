//! Evidence byte by byte. Random bytes open nothing, so an input says first what is to be mended before it is judged: a change then
//! reaches what lies behind the openings, the signatures, or all of the evaluation.

use nthroot_evm::Jump;
use nthroot_model::{
    anchor::AnchorState,
    kernel::{self, Env, Terms, Touch},
};
use nthroot_protocol::{
    AnchorProof, Body, Domain, Evidence, Fragment, LeafTable, Root, cohort, commitment::step_commitment, tree,
};

use crate::{
    judges::{Judges, answer, describe, model},
    steps::{Choices, NO_CODE, sign},
};

/// Bits of an input's first byte.
const OPENING: u8 = 1;
const OUTCOME: u8 = 2;
const SIGNATURES: u8 = 4;

/// All that can be mended, as seeds ask for it.
pub(crate) const ALL: u8 = OPENING | OUTCOME | SIGNATURES;

#[derive(Default)]
pub(crate) struct Mended(Judges);

impl Mended {
    pub(crate) fn run(&mut self, input: &[u8], seen: &mut dyn FnMut(Jump)) -> &'static str {
        let Self(judges) = self;
        let (mode, bytes) = input.split_first().map_or((0, input), |(mode, bytes)| (*mode, bytes));
        let bytes = match Evidence::decode(bytes) {
            Ok(evidence) => {
                assert_eq!(evidence.encode(), bytes, "evidence has one encoding");
                assert_eq!(evidence.encoded_length(), bytes.len());
                mend(mode, evidence, &judges.metered).encode()
            }
            Err(_) => bytes.to_vec(),
        };
        let judged = model(&judges.metered, &bytes);
        let contract = judges.contract(&bytes, seen);
        assert_eq!(
            contract,
            answer(&judged),
            "the model says {:?}\n{}",
            judged.map(|(_, verdict)| verdict),
            describe(&bytes)
        );
        contract.name()
    }
}

fn mend(mode: u8, mut evidence: Evidence, env: &Env) -> Evidence {
    // `submit` takes registered rules only. What lies at any other address is nobody's business: it becomes one without code.
    for rule in &mut evidence.preimage.header.rules {
        if *rule != env.account_rule && env.rules.get(*rule).is_none() {
            *rule = NO_CODE;
        }
    }
    // Nor does it take a clock before the deployment, and nothing is deployed in block 0, until which no lease would be one.
    let clock = &mut evidence.preimage.header.clock;
    *clock = (*clock).max(1);
    // Signatures are part of the step, and what it leads to does not depend on them.
    if mode & SIGNATURES != 0 {
        let _ = mend_signatures(&mut evidence, env);
    }
    if mode & OUTCOME != 0 {
        let _ = mend_outcome(&mut evidence, env);
    }
    if mode & OPENING != 0
        && let Some(entries) = evidence.pre_entries()
    {
        let leaf = step_commitment(&entries, &evidence.placed.step.encode());
        let (count, index) = (evidence.preimage.header.step_count, evidence.placed.index);
        let root = tree::root_from(leaf, count.into(), index.into(), &evidence.siblings);
        evidence.preimage.step_root = root.unwrap_or_default();
    }
    evidence
}

/// The touches of a step, if each of its pre-states is one. In the order fresh, opened, again.
fn touches(evidence: &Evidence, table: &LeafTable) -> Option<Vec<Touch>> {
    let step = &evidence.placed.step;
    let own = evidence.preimage.id;
    let opened = || {
        let touch = Touch {
            anchor: None,
            leaves: vec![(0, None)],
        };
        std::iter::repeat_n(touch, step.opened.len())
    };
    let ids = step.fresh.iter().map(|touch| touch.anchor);
    let ids = ids.chain(evidence.placed.again.iter().copied());
    let mut touches = Vec::new();
    for ((place, proof), anchor) in evidence.proofs.iter().enumerate().zip(ids) {
        let further = table.further(place);
        if further.iter().any(|leaf| !cohort::has_leaf(proof.depth, *leaf)) {
            return None;
        }
        let states = proof.states.iter().map(|state| {
            let decoded = Fragment::decode(state).ok();
            (state.is_empty() || decoded.is_some()).then_some(decoded)
        });
        let states: Vec<Option<Fragment>> = states.collect::<Option<_>>()?;
        touches.push(Touch {
            anchor: (anchor.batch() != own).then_some(anchor),
            leaves: AnchorProof::leaves(proof.depth, further).zip(states).collect(),
        });
    }
    if touches
        .iter()
        .any(|touch| touch.leaves.first().is_none_or(|(_, state)| state.is_none()))
    {
        return None;
    }
    let fresh = step.fresh.len().min(touches.len());
    touches.splice(fresh..fresh, opened());
    Some(touches)
}

/// Signs each authorisation again, by whoever controlled its fragment before the step.
fn mend_signatures(evidence: &mut Evidence, env: &Env) -> Option<()> {
    let step = &evidence.placed.step;
    let mut body = Body::of(step).ok()?;
    let terms = Terms::of(&evidence.preimage);
    let touches = touches(evidence, &LeafTable::of(step))?;
    let before: Vec<Option<Fragment>> = touches
        .iter()
        .flat_map(|touch| touch.leaves.iter().map(|(_, state)| state.clone()))
        .collect();
    let messages = kernel::messages(env, &terms, &body, touches).ok()?;
    let domain = Domain {
        chain_id: terms.chain_id,
        bridge: env.bridge,
    };
    for (call, messages) in body.calls.iter_mut().zip(messages) {
        for (signed, message) in call.authorisations.iter_mut().zip(messages) {
            let number = call.fragments.get(usize::from(signed.position))?;
            let owner = before.get(usize::from(*number))?.as_ref()?;
            let digest = message.signing_hash(&domain);
            signed.signature = sign(&mut Choices::new(&[]), owner.kind, owner.controller, digest);
        }
    }
    evidence.placed.step.body = body.encode().into();
    Some(())
}

/// Has the step say what its calls lead to.
fn mend_outcome(evidence: &mut Evidence, env: &Env) -> Option<()> {
    let step = &evidence.placed.step;
    let body = Body::of(step).ok()?;
    let table = LeafTable::of(step);
    let touches = touches(evidence, &table)?;
    let outcome = kernel::execute(env, &Terms::of(&evidence.preimage), &body, touches).ok()?;
    let (fresh, opened) = (step.fresh.len(), step.opened.len());
    let mut states = outcome.states.iter();
    let mut depths = outcome.depths.iter();
    let mut roots: Vec<Root> = Vec::new();
    for touch in 0..step.touches() {
        if (fresh..fresh + opened).contains(&touch) {
            let state = states.next()?.clone();
            roots.push(AnchorState::new(*depths.next()?, state).root());
        } else {
            let place = if touch < fresh { touch } else { touch - opened };
            let proof = &evidence.proofs[place];
            let after = states.by_ref().take(proof.states.len());
            let values: Vec<_> = after.map(Fragment::leaf_value).collect();
            roots.push(proof.root_of(table.further(place), &values)?);
        }
    }
    let step = &mut evidence.placed.step;
    step.withdrawals = outcome.withdrawals;
    let stated = step.fresh.iter_mut().map(|touch| &mut touch.root);
    let stated = stated.chain(&mut step.opened);
    for (stated, root) in stated
        .chain(step.again.iter_mut().map(|touch| &mut touch.root))
        .zip(roots)
    {
        *stated = root;
    }
    Some(())
}
