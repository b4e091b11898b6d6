//! Proofs of fragments: the true one convinces, and nothing else does.

use alloy_primitives::{Address, B256};
use nthroot_api::{FragmentProof, ProofError};
use nthroot_protocol::{AssetId, BatchId, Cohort, Fragment, Head, Key, Kind, storage};
use proptest::prelude::*;

fn fragment(n: u8) -> Fragment {
    let mut fragment = Fragment::deposited(
        Key::Secp256k1(Address::repeat_byte(n + 1)),
        Address::ZERO,
        1_000 + u128::from(n),
    );
    fragment.assets.insert(AssetId(B256::repeat_byte(n + 1)), 7);
    fragment
}

/// A cohort of this depth with some leaves, the proof of each, and the head that L1 has.
fn proofs(depth: u8, leaves: &[u32]) -> (Head, Vec<FragmentProof>) {
    let mut tree = Cohort::new(depth);
    for (leaf, n) in leaves.iter().zip(0..) {
        assert!(tree.set(*leaf, fragment(n).leaf_value()));
    }
    let id = BatchId::new(5, 1).unwrap();
    let head = Head { root: tree.root(), id };
    let anchor = nthroot_protocol::AnchorId::new(id, 3);
    let proof = |(leaf, n): (&u32, u8)| FragmentProof {
        id: anchor.leaf(*leaf).unwrap(),
        depth,
        state: fragment(n).encode().into(),
        siblings: tree.siblings([*leaf]),
        root: tree.root(),
        head,
        block: 9,
    };
    (head, leaves.iter().zip(0..).map(proof).collect())
}

fn cases() -> Vec<(Head, Vec<FragmentProof>)> {
    vec![
        proofs(0, &[0]),
        proofs(1, &[0, 1]),
        proofs(3, &[0, 3, 6]),
        proofs(24, &[0, 1, 0x00ff_ffff]),
    ]
}

#[test]
fn a_true_proof_shows_its_fragment() {
    for (head, proofs) in cases() {
        for (proof, n) in proofs.iter().zip(0..) {
            assert_eq!(proof.verify(head), Ok(fragment(n)));
            assert_eq!(proof.slot(), storage::anchor_slot(proof.id.anchor()));
        }
    }
}

#[test]
fn each_thing_that_is_changed_shows_nothing() {
    let other = |head: Head| Head {
        root: head.root,
        id: BatchId::new(6, 1).unwrap(),
    };
    for (head, proofs) in cases() {
        let [first, ..] = proofs.as_slice() else { panic!() };
        let changed = |change: &dyn Fn(&mut FragmentProof)| {
            let mut proof = first.clone();
            change(&mut proof);
            proof.verify(head)
        };
        // Another head than L1's, though it fits the state.
        assert!(matches!(first.verify(other(head)), Err(ProofError::Head { .. })));
        assert!(matches!(
            changed(&|proof| proof.head = other(head)),
            Err(ProofError::Head { .. })
        ));
        // A richer fragment.
        let richer = changed(&|proof| {
            let mut rich = fragment(0);
            rich.assets.insert(AssetId::ETH, u128::MAX);
            proof.state = rich.encode().into();
        });
        assert!(matches!(richer, Err(ProofError::Root { .. })), "{richer:?}");
        // Somebody else's, at this place.
        if let [_, second, ..] = proofs.as_slice() {
            let swapped = changed(&|proof| proof.state = second.state.clone());
            assert!(matches!(swapped, Err(ProofError::Root { .. })));
            let moved = changed(&|proof| proof.id = second.id);
            assert!(moved.is_err());
        }
        // Paths that are too long or too short, or of another tree.
        let longer = changed(&|proof| proof.siblings.push(B256::ZERO));
        assert!(matches!(longer, Err(ProofError::Path { .. })));
        let deeper = changed(&|proof| {
            proof.depth += 1;
            proof.siblings.push(B256::ZERO);
        });
        assert!(matches!(deeper, Err(ProofError::Root { .. })));
        // A leaf beyond the cohort.
        let beyond = changed(&|proof| proof.id = proof.id.anchor().leaf(1 << proof.depth.min(23)).unwrap());
        assert!(beyond.is_err());
        for place in 0..first.siblings.len() {
            assert!(changed(&|proof| proof.siblings[place].0[31] ^= 1).is_err());
        }
    }
}

#[test]
fn what_is_no_fragment_is_not_shown_as_one() {
    // A node of the tree, or anything, that somebody got into a root is no state.
    for state in [vec![0x01; 65], vec![0x02; 34], b"anything".to_vec(), Vec::new()] {
        let top = alloy_primitives::keccak256(&state);
        let id = BatchId::new(5, 1).unwrap();
        let head = Head {
            root: nthroot_protocol::cohort::root(0, top),
            id,
        };
        let proof = FragmentProof {
            id: nthroot_protocol::AnchorId::new(id, 0).fragment(),
            depth: 0,
            state: state.into(),
            siblings: Vec::new(),
            root: head.root,
            head,
            block: 9,
        };
        assert!(matches!(proof.verify(head), Err(ProofError::State(_))));
    }
    assert!(Kind::from_u8(0).is_none());
}

proptest! {
    #[test]
    fn no_changed_byte_of_a_proof_shows_another_fragment(
        case in 0..4_usize,
        place in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let (head, proofs) = cases().swap_remove(case);
        let proof = &proofs[proofs.len() - 1];
        let truth = proof.verify(head).unwrap();
        let mut changed = proof.clone();
        let mut state = changed.state.to_vec();
        let at = place.index(state.len() + 32 * changed.siblings.len());
        if at < state.len() {
            state[at] ^= 1 << bit;
            changed.state = state.into();
        } else {
            let at = at - state.len();
            changed.siblings[at / 32].0[at % 32] ^= 1 << bit;
        }
        prop_assert!(changed != *proof);
        prop_assert!(changed.verify(head).is_err(), "{truth:?}");
    }
}
