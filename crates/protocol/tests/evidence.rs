//! Evidence: its encoding, what it opens, and proof gas, which follows from its sizes.

#[allow(dead_code, reason = "the other test files use the rest")]
mod arbitrary;

use std::collections::BTreeMap;

use alloy_primitives::B256;
use nthroot_protocol::{
    AnchorId, AnchorProof, Body, Cohort, Evidence, EvidenceError, Fragment, Key, LeafTable, P256Signature, PlacedStep,
    Preimage, ProofSizes, RepeatedTouch, Signature, Step, commitment::step_commitment, proof_gas::PROOF_GAS, tree,
};
use proptest::{collection::vec, prelude::*, strategy::ValueTree};

fn fragment() -> impl Strategy<Value = Fragment> {
    (arbitrary::address(), 1..u128::MAX)
        .prop_map(|(owner, amount)| Fragment::deposited(Key::P256(owner), Default::default(), amount))
}

/// The tree of a cohort and the fragments in it.
type Tree = (Cohort, BTreeMap<u32, Fragment>);

/// A step on cohorts with a leaf table, and the tables' cohorts: some of the leaves named exist.
fn step_on_cohorts() -> impl Strategy<Value = (Step, Vec<Tree>)> {
    let cohort = (0..5_u8, vec((any::<u32>(), fragment()), 0..6), fragment());
    (
        arbitrary::first_step(),
        vec(cohort, 16),
        arbitrary::leaf_table(16, 5),
        any::<bool>(),
    )
        .prop_map(|(mut step, cohorts, LeafTable(mut table), plain)| {
            step.fresh.truncate(4);
            step.opened.truncate(2);
            let root = step.fresh[0].root;
            step.again = (0..2).map(|entry| RepeatedTouch { entry, root }).collect();
            let touched = step.fresh.len() + step.again.len();
            table.truncate(touched);
            for leaves in &mut table {
                leaves.truncate(1);
            }
            table[0] = vec![1, 3, 4];
            let leaves = (!plain).then_some(LeafTable(table));
            let body = Body {
                leaves,
                calls: Vec::new(),
            };
            step.body = body.encode().into();
            let cohorts = cohorts.into_iter().take(touched).map(|(depth, fragments, header)| {
                let mut states: BTreeMap<u32, Fragment> = BTreeMap::from([(0, header)]);
                for (leaf, fragment) in fragments {
                    states.entry(leaf % (1 << depth)).or_insert(fragment);
                }
                let mut cohort = Cohort::new(depth);
                for (leaf, fragment) in &states {
                    assert!(cohort.set(*leaf, fragment.leaf_value()));
                }
                (cohort, states)
            });
            (step, cohorts.collect())
        })
}

/// Evidence against the step, which stands first of three in its batch.
fn evidence(mut preimage: Preimage, step: Step, cohorts: &[Tree]) -> Evidence {
    let table = LeafTable::of(&step);
    let prove = |(place, (cohort, states)): (usize, &Tree)| {
        let leaves = AnchorProof::leaves(cohort.depth(), table.further(place));
        let state = |leaf| states.get(&leaf).map(Fragment::encode).unwrap_or_default();
        AnchorProof {
            depth: cohort.depth(),
            states: leaves.clone().map(state).collect(),
            siblings: cohort.siblings(leaves),
        }
    };
    let id = |place: usize| AnchorId::new(preimage.id, u16::try_from(place).unwrap());
    let placed = PlacedStep {
        index: 0,
        opened: (0..step.opened.len()).map(id).collect(),
        again: (100..100 + step.again.len()).map(id).collect(),
        step,
    };
    preimage.header.step_count = 3;
    let proofs = cohorts.iter().enumerate().map(prove).collect();
    let mut evidence = Evidence {
        preimage,
        placed,
        siblings: vec![],
        proofs,
    };
    let leaf = step_commitment(&evidence.pre_entries().unwrap(), &evidence.placed.step.encode());
    let leaves = [leaf, B256::repeat_byte(1), B256::repeat_byte(2)];
    evidence.preimage.step_root = tree::root(&leaves).unwrap();
    evidence.siblings = tree::siblings(&leaves, 0).unwrap();
    evidence
}

proptest! {
    #![proptest_config(arbitrary::config())]

    /// Evidence opens; with any one byte changed it does not decode, does not open, or names another batch.
    #[test]
    fn evidence_is_fixed_by_the_commitment(
        (step, cohorts) in step_on_cohorts(),
        preimage in arbitrary::preimage(),
        at in any::<prop::sample::Index>(),
        xor in 1..=u8::MAX,
    ) {
        let evidence = evidence(preimage, step, &cohorts);
        for (entry, place) in evidence.pre_entries().unwrap().iter().filter(|entry| entry.head.is_some()).zip(0..) {
            prop_assert_eq!(entry.head.unwrap().root, cohorts[place].0.root());
        }
        let bytes = evidence.encode();
        prop_assert_eq!(bytes.len(), evidence.encoded_length());
        prop_assert_eq!(evidence.check_opening(), Ok(()));
        prop_assert_eq!(Evidence::decode(&bytes), Ok(evidence.clone()));
        prop_assert!(Evidence::decode(&bytes[..at.index(bytes.len())]).is_err());

        // Once anywhere, and once in the second half, where what stood before the step is.
        for at in [at.index(bytes.len()), bytes.len() - 1 - at.index(bytes.len() / 2)] {
            let mut changed = bytes.clone();
            changed[at] ^= xor;
            if let Ok(other) = Evidence::decode(&changed) {
                prop_assert_eq!(other.encode(), changed);
                prop_assert!(other.preimage.hash() != evidence.preimage.hash() || other.check_opening().is_err());
            }
        }
    }

    /// A table that cannot be read is the empty one: evidence has leaf 0 of each touch and opens.
    #[test]
    fn evidence_against_an_unreadable_table_opens(
        (step, cohorts) in step_on_cohorts(),
        preimage in arbitrary::preimage(),
        body in vec(any::<u8>(), 0..60),
    ) {
        for start in [vec![], vec![2], vec![1, 1, 0, 0, 0], vec![1, 2, 0, 0, 5, 0, 0, 5], vec![1, 255], vec![1, 3, 0, 0, 1]] {
            let mut step = step.clone();
            step.body = match start.as_slice() {
                [1, 255] => [start.clone(), (1..=255).flat_map(|leaf| [0, 0, leaf]).collect(), vec![0; 20]].concat().into(),
                [1, 3, ..] | [] => start.into(),
                _ => [start, body.clone()].concat().into(),
            };
            prop_assert!(Body::of(&step).is_err());
            prop_assert_eq!(LeafTable::of(&step), LeafTable::default());
            let evidence = evidence(preimage.clone(), step, &cohorts);
            prop_assert!(evidence.proofs.iter().all(|proof| proof.states.len() == 1));
            prop_assert_eq!(evidence.check_opening(), Ok(()));
            prop_assert_eq!(Evidence::decode(&evidence.encode()), Ok(evidence));
        }
    }
}

#[test]
fn evidence_against_a_step_that_is_not_there_is_refused() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut preimage = arbitrary::preimage().new_tree(&mut runner).unwrap().current();
    preimage.header.step_count = 3;
    let bytes = [preimage.encode(), vec![0, 3]].concat();
    assert_eq!(
        Evidence::decode(&bytes),
        Err(EvidenceError::StepIndex { index: 3, count: 3 })
    );
}

/// An honest piece of evidence, the same each time.
fn some_evidence() -> Evidence {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (step, cohorts) = step_on_cohorts().new_tree(&mut runner).unwrap().current();
    let preimage = arbitrary::preimage().new_tree(&mut runner).unwrap().current();
    evidence(preimage, step, &cohorts)
}

#[test]
fn depths_above_24_are_refused() {
    let mut evidence = some_evidence();
    for proof in &mut evidence.proofs {
        *proof = AnchorProof::single(vec![0]);
    }
    evidence.placed.step.body = vec![0].into();
    evidence.proofs[0].depth = 24;
    evidence.proofs[0].siblings = vec![B256::ZERO; 24];
    assert_eq!(Evidence::decode(&evidence.encode()), Ok(evidence.clone()));
    evidence.proofs[0].depth = 25;
    assert_eq!(Evidence::decode(&evidence.encode()), Err(EvidenceError::Depth(25)));
}

/// The bytes under a cohort's root must not pass for the state of a single fragment.
#[test]
fn what_does_not_begin_as_a_state_is_no_pre_state() {
    let mut evidence = some_evidence();
    for proof in &mut evidence.proofs {
        *proof = AnchorProof::single(vec![0]);
    }
    evidence.placed.step.body = vec![0].into();
    for first in [1, 2, 255] {
        evidence.proofs[0].states[0][0] = first;
        assert_eq!(
            Evidence::decode(&evidence.encode()),
            Err(EvidenceError::NotAPreState(first))
        );
    }
}

/// Proofs that do not fit their leaves open nothing, and do not panic.
#[test]
fn proofs_of_other_leaves_open_nothing() {
    type Break = fn(&mut AnchorProof);
    let changes: [Break; 5] = [
        |proof| proof.states.push(Vec::new()),
        |proof| proof.states.truncate(proof.states.len() - 1),
        |proof| proof.siblings.push(B256::ZERO),
        |proof| proof.siblings.truncate(proof.siblings.len() - 1),
        |proof| proof.depth = 255,
    ];
    for change in changes {
        let mut evidence = some_evidence();
        assert_eq!(evidence.check_opening(), Ok(()));
        let deep = evidence.proofs.iter().position(|proof| !proof.siblings.is_empty());
        change(&mut evidence.proofs[deep.expect("one has siblings")]);
        let root = evidence.preimage.step_root;
        assert_eq!(evidence.check_opening(), Err(EvidenceError::Opening(root)));
    }
    let mut evidence = some_evidence();
    evidence.proofs.pop();
    assert!(evidence.check_opening().is_err());
}

/// The formula of section 7.1 written out once more, for one step of two calls.
#[test]
fn proof_gas_is_the_formula_of_the_specification() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut body = arbitrary::body(2).new_tree(&mut runner).unwrap().current();
    let call = body
        .calls
        .iter()
        .find_map(|call| call.authorisations.first().map(|signed| (call.clone(), signed.clone())));
    let (mut call, mut signed) = call.expect("some call is signed");
    call.fragments = vec![0, 1, 2];
    signed.outflows.clear();
    let p256 = P256Signature {
        r: B256::ZERO,
        s: B256::ZERO,
        x: B256::ZERO,
        y: B256::ZERO,
    };
    let assertion = nthroot_protocol::Assertion {
        authenticator_data: vec![0; 37].into(),
        client_data_rest: vec![b'}'].into(),
    };
    call.authorisations = [
        Signature::Secp256k1(Default::default()),
        Signature::P256(p256),
        Signature::WebAuthn(p256, assertion),
    ]
    .map(|signature| nthroot_protocol::Authorisation {
        signature,
        ..signed.clone()
    })
    .to_vec();
    body.calls = vec![call.clone(), call];
    body.calls[1].authorisations.truncate(1);
    for (call, (gas, effects)) in body.calls.iter_mut().zip([(100_000, 300), (50_000, 1_000)]) {
        (call.gas, call.max_effects) = (gas, effects);
    }
    body.leaves = Some(LeafTable(vec![vec![1, 2, 3], vec![9]]));
    let mut step = some_evidence().placed.step;
    step.fresh.truncate(1);
    step.again.truncate(1);
    step.opened.truncate(1);
    step.body = body.encode().into();
    assert_eq!(Body::of(&step), Ok(body.clone()));
    let step_length = u64::try_from(step.encoded_length()).unwrap();
    let evaluation = 30_000
        + 40 * (step_length + 500)
        + 6_000 * (1 + 1 + step.opened.len() as u64 + 4)
        + 600 * 7
        + (15_000 + 100_000 + 40 * (500 + 300) + 6_000 * 3 + 12_000 * 3 + 8_000 * 2 + 10_000 + 300 * 300)
        + (15_000 + 50_000 + 40 * (500 + 1_300) + 6_000 * 3 + 12_000 + 300 * 1_000);
    let sizes = ProofSizes {
        states: 6,
        state_bytes: 500,
        siblings: 7,
    };
    assert_eq!(PROOF_GAS.evaluation(&step, sizes, &body), evaluation);
    // One step of one, no rules: no siblings in the step tree.
    let anchors = 7 * (step.opened.len() as u64 + 1);
    let evidence = 185 + 2 + step_length + anchors + 2 + 6 * 2 + 500 + 7 * 32;
    let proof = 200_000 + (64 * evidence).max(24 * evidence + evaluation);
    assert_eq!(PROOF_GAS.of_step(0, 1, 0, &step, sizes, &body), Some(proof));
    assert_eq!(PROOF_GAS.of_step(0, 1, 1, &step, sizes, &body), None);
    assert_eq!(PROOF_GAS.proof(usize::MAX, u64::MAX), u64::MAX);
}
