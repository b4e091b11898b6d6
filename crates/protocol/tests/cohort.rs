//! Cohorts against a full tree that is built level by level, and what a leaf table may be.

#[allow(dead_code, reason = "the other test files use the rest")]
mod arbitrary;

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{B256, hex, keccak256};
use nthroot_protocol::{
    Assertion, Body, BodyError, Cohort, LeafTable, Step, cohort, cohort::sibling_count, cohort::top,
};
use proptest::{
    collection::{btree_map, btree_set},
    prelude::*,
};

const DEPTH: u8 = 5;

/// The levels of the full tree, leaves first.
fn levels(depth: u8, leaves: &BTreeMap<u32, B256>) -> Vec<Vec<B256>> {
    let value = |leaf| leaves.get(&leaf).copied().unwrap_or_default();
    let mut levels = vec![(0..1_u32 << depth).map(value).collect::<Vec<B256>>()];
    for _ in 0..depth {
        let pairs = levels.last().unwrap().chunks(2);
        levels.push(
            pairs
                .map(|pair| match pair {
                    [B256::ZERO, B256::ZERO] => B256::ZERO,
                    pair => keccak256([&[1], pair[0].as_slice(), pair[1].as_slice()].concat()),
                })
                .collect(),
        );
    }
    levels
}

proptest! {
    #![proptest_config(arbitrary::config())]

    #[test]
    fn tops_and_roots_are_those_of_the_full_tree(
        depth in 0..=DEPTH,
        leaves in btree_map(0..1_u32 << DEPTH, arbitrary::b256(), 0..20),
        emptied in any::<prop::sample::Index>(),
    ) {
        let mut leaves = leaves;
        let mut cohort = Cohort::new(depth);
        for (leaf, value) in &leaves {
            prop_assert_eq!(cohort.set(*leaf, *value), *leaf < 1 << depth);
        }
        leaves.retain(|leaf, _| *leaf < 1 << depth);
        // A value that goes leaves no trace.
        if let Some(leaf) = leaves.keys().copied().nth(emptied.index(20)) {
            leaves.remove(&leaf);
            cohort.set(leaf, B256::ZERO);
        }
        let full = levels(depth, &leaves).pop().unwrap()[0];
        prop_assert_eq!(cohort.top(), full);
        let mut fewer = Cohort::new(depth);
        for (leaf, value) in &leaves {
            fewer.set(*leaf, *value);
            prop_assert_eq!(cohort.leaf(*leaf), *value);
        }
        prop_assert_eq!(&fewer, &cohort);
        let root = match depth {
            0 => full,
            _ => keccak256([&[2, depth], full.as_slice()].concat()),
        };
        prop_assert_eq!(&cohort.root().0[..], &root[..27]);
    }

    /// The siblings are what the page says, each leads to the top, and no other number of them does.
    #[test]
    fn multiproofs_lead_to_the_top(
        depth in 0..=DEPTH,
        values in btree_map(0..1_u32 << DEPTH, arbitrary::b256(), 0..20),
        named in btree_set(0..1_u32 << DEPTH, 1..8),
        other in arbitrary::b256(),
        at in any::<prop::sample::Index>(),
    ) {
        let values: BTreeMap<u32, B256> = values.into_iter().filter(|(leaf, _)| *leaf < 1 << depth).collect();
        let named: BTreeSet<u32> = named.into_iter().map(|leaf| leaf % (1 << depth)).collect();
        let mut cohort = Cohort::new(depth);
        for (leaf, value) in &values {
            cohort.set(*leaf, *value);
        }
        // The sibling of each node above a named leaf, unless it is above one itself; as soon as the last leaf below the node was seen.
        let mut expected = BTreeMap::new();
        for (level, nodes) in levels(depth, &values).iter().take(depth.into()).enumerate() {
            let last: BTreeMap<u32, u32> = named.iter().map(|leaf| (leaf >> level, *leaf)).collect();
            let lacking = last.iter().filter(|(node, _)| !last.contains_key(&(*node ^ 1)));
            expected.extend(lacking.map(|(node, leaf)| ((*leaf, level), nodes[(node ^ 1) as usize])));
        }
        let expected: Vec<B256> = expected.into_values().collect();
        let siblings = cohort.siblings(named.iter().copied());
        prop_assert_eq!(&siblings, &expected);
        prop_assert_eq!(sibling_count(depth, named.iter().copied()), siblings.len());

        let mut leaves: Vec<(u32, B256)> = named.iter().map(|leaf| (*leaf, cohort.leaf(*leaf))).collect();
        prop_assert_eq!(top(depth, &leaves, &siblings), Some(cohort.top()));
        prop_assert_eq!(top(depth, &leaves, &[siblings.as_slice(), &[B256::ZERO]].concat()), None);
        if let Some((_, fewer)) = siblings.split_last() {
            prop_assert_eq!(top(depth, &leaves, fewer), None);
        }
        // What changes leads elsewhere, to where the tree goes that changes the same way.
        let place = at.index(leaves.len());
        prop_assume!(leaves[place].1 != other);
        leaves[place].1 = other;
        let after = top(depth, &leaves, &siblings);
        prop_assert_ne!(after, Some(cohort.top()));
        cohort.set(leaves[place].0, other);
        prop_assert_eq!(after, Some(cohort.top()));
    }
}

/// Depth 24 with a few leaves is as cheap as its paths.
#[test]
fn the_deepest_cohort_is_sparse() {
    let mut cohort = Cohort::new(24);
    assert_eq!(cohort.top(), B256::ZERO);
    let last = (1 << 24) - 1;
    let value = B256::repeat_byte(7);
    assert!(cohort.set(last, value) && cohort.set(0, value));
    assert!(!cohort.set(last + 1, value));
    let mut path = (value, value);
    for _ in 0..23 {
        path = (cohort::node(path.0, B256::ZERO), cohort::node(B256::ZERO, path.1));
    }
    assert_eq!(cohort.top(), cohort::node(path.0, path.1));
    assert_eq!(cohort.siblings([0, last]), vec![B256::ZERO; 46]);
}

#[test]
fn leaves_that_are_not_of_one_proof_have_no_top() {
    let value = B256::repeat_byte(7);
    assert_eq!(top(0, &[], &[]), None);
    assert_eq!(top(1, &[(0, value), (0, value)], &[]), None);
    assert_eq!(top(1, &[(1, value), (0, value)], &[]), None);
    assert_eq!(top(0, &[(1, value)], &[]), None);
    assert_eq!(top(0, &[(0, value)], &[]), Some(value));
    // A leaf of depth 0 is not that of a cohort of depth 1 whose other leaf is empty: depth lies under the root.
    assert_ne!(cohort::root(0, value), cohort::root(1, value));
}

/// Two fresh touches, one opened anchor and one repeated touch.
fn parse(table: &[u8]) -> Result<Option<LeafTable>, BodyError> {
    let call = [0; 7].into_iter().chain([1, 0, 0, 0, 0]);
    let body: Vec<u8> = table.iter().copied().chain([1]).chain(call).collect();
    Body::parse(&body, 3, 1).map(|body| body.leaves)
}

#[test]
fn leaf_tables_are_in_order_and_within_the_step() {
    assert_eq!(parse(&[0]), Ok(None));
    assert_eq!(parse(&[1, 0, 0, 0]), Ok(Some(LeafTable(vec![vec![]; 3]))));
    let table = LeafTable(vec![vec![1, 0xff_ffff], vec![], vec![0x01_0000]]);
    let bytes = hex!("01 02 000001 ffffff 00 01 010000");
    assert_eq!(parse(&bytes), Ok(Some(table.clone())));
    assert_eq!(
        (table.len(), table.further(0), table.further(3)),
        (3, &[1, 0xff_ffff][..], &[][..])
    );

    assert_eq!(parse(&hex!("01 01 000000 00 00")), Err(BodyError::LeafOrder(0)));
    assert_eq!(parse(&hex!("01 02 000005 000005 00 00")), Err(BodyError::LeafOrder(5)));
    assert_eq!(parse(&hex!("01 02 000005 000004 00 00")), Err(BodyError::LeafOrder(4)));
    assert_eq!(parse(&hex!("02 00 00 00")), Err(BodyError::Form(2)));
    // Leaf 0 of four touches, and twelve more: 16. One more is too much.
    let many = |count: u8| {
        [
            vec![1, count],
            (1..=count).flat_map(|leaf| [0, 0, leaf]).collect(),
            vec![0, 0],
        ]
        .concat()
    };
    assert!(parse(&many(12)).is_ok());
    assert_eq!(parse(&many(13)), Err(BodyError::StepFragments(17)));
    // What is behind the table does not matter to it.
    let step = |body: Vec<u8>| Step {
        body: body.into(),
        ..Step::default()
    };
    let mut fresh = step(hex!("01 01 000002").to_vec());
    assert_eq!(LeafTable::of(&fresh), LeafTable::default());
    let touch = nthroot_protocol::FreshTouch {
        anchor: Default::default(),
        root: Default::default(),
        parent: Default::default(),
    };
    fresh.fresh.push(touch);
    assert_eq!(LeafTable::of(&fresh), LeafTable(vec![vec![2]]));
    assert!(Body::of(&fresh).is_err());
}

/// The challenge is the digest in base64url, as another implementation writes it.
#[test]
fn client_data_is_as_a_browser_writes_it() {
    let assertion = Assertion {
        authenticator_data: vec![0; 37].into(),
        client_data_rest: br#","origin":"https://example.org","crossOrigin":false}"#.to_vec().into(),
    };
    let digest = hex!("fbff3ec0ffeeb08a1f5c6e7d0102030405060708090a0b0c0d0e0f10111213fe");
    let expected = concat!(
        r#"{"type":"webauthn.get","challenge":"-_8-wP_usIofXG59AQIDBAUGBwgJCgsMDQ4PEBESE_4""#,
        r#","origin":"https://example.org","crossOrigin":false}"#
    );
    assert_eq!(
        String::from_utf8(assertion.client_data(digest.into())).unwrap(),
        expected
    );
    assert!(!assertion.user_was_present());
    let present = |flags: u8, length: usize| {
        let mut data = vec![0; length];
        data[32] = flags;
        Assertion {
            authenticator_data: data.into(),
            ..assertion.clone()
        }
        .user_was_present()
    };
    assert!(present(1, 37) && present(0x85, 40));
    assert!(!present(1, 36) && !present(0xfe, 37));
}
