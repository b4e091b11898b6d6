//! Cohorts: steps on several leaves, what is opened in them, and their roots.

use alloy_primitives::{B256, keccak256};
use nthroot_model::{
    invalid::{CallFault, EffectFault, Invalid},
    kernel::{Failure, Outcome, Verdict},
};
use nthroot_protocol::{AccountOp, Fragment, FragmentId, LeafTable, Root, cohort};

use crate::{
    scene::{Posted, Scene},
    world::{
        Consent, ETH, PUPPET, account, anchor, holder, new_anchor, open_cohort, open_leaf, owned, puppet, ruled,
        transfer, with, write,
    },
};

/// The outcome, if the step that says so is valid too.
#[track_caller]
fn outcome(scene: &Scene) -> Outcome {
    let outcome = scene.execute().unwrap();
    assert_eq!(scene.post().evaluate(), Ok(Verdict::Valid(outcome.clone())));
    outcome
}

#[track_caller]
fn invalid(scene: &Scene) -> Invalid {
    match scene.execute() {
        Err(Failure::Invalid(invalid)) => invalid,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check_effect(scene: &Scene, effect: usize, fault: EffectFault) {
    let fault = CallFault::Effect { effect, fault };
    assert_eq!(invalid(scene), Invalid::Call { call: 0, fault });
}

fn after(mut fragment: Fragment, nonce: u64) -> Fragment {
    fragment.nonce = nonce;
    fragment
}

fn pay(to: FragmentId, amount: u128) -> AccountOp {
    AccountOp::Pay { to, asset: ETH, amount }
}

/// Leaf 5 of the cohort pays leaf 6 of it. The header is only touched.
fn payment() -> Scene {
    let [from, to] = [5, 6].map(|leaf| anchor(1).leaf(leaf).unwrap());
    assert_eq!(from.leaf(), 5);
    let consent = Consent::at(2, 1, 5).outflow(ETH, 30).ops(&[pay(to, 30)]);
    let leaves = [(5, Some(owned(2, &[(ETH, 100)]))), (6, Some(owned(3, &[])))];
    Scene::new().cohort(1, 3, owned(1, &[(ETH, 7)]), &leaves).call(with(
        with(account(&[1, 2]), 0, &consent),
        1,
        &Consent::at(3, 1, 6),
    ))
}

#[test]
fn leaves_of_one_cohort_pay_each_other() {
    let states = [
        owned(1, &[(ETH, 7)]),
        after(owned(2, &[(ETH, 70)]), 1),
        after(owned(3, &[(ETH, 30)]), 1),
    ];
    assert_eq!(outcome(&payment()).states, states);
    // The root by hand: leaves 0, 5 and 6 of 8.
    let leaf = |fragment: &Fragment| keccak256(fragment.encode());
    let node = |left: B256, right: B256| keccak256([&[1], left.as_slice(), right.as_slice()].concat());
    let [header, five, six] = states.each_ref().map(leaf);
    let left = node(node(header, B256::ZERO), B256::ZERO);
    let right = node(node(B256::ZERO, five), node(six, B256::ZERO));
    let root = keccak256([&[2, 3], node(left, right).as_slice()].concat());
    let posted = payment().post();
    assert_eq!(posted.placed.step.fresh[0].root.0, root[..27]);
    // The siblings: leaves 1, 4 and 7, then the node over leaves 2 and 3.
    assert_eq!(posted.proofs[0].siblings, [B256::ZERO; 4]);
}

/// A leaf that the step does not name lies under the root all the same.
#[test]
fn what_the_step_does_not_name_stays() {
    let mut scene = payment();
    let before = scene.post().placed.step.fresh[0].root;
    scene.fresh[0].leaves.insert(3, owned(4, &[(ETH, 1)]));
    outcome(&scene);
    let posted = scene.post();
    assert_ne!(posted.placed.step.fresh[0].root, before);
    let mut changed = posted.clone();
    changed.proofs[0].siblings[3].0[0] ^= 1;
    assert!(matches!(
        changed.evaluate(),
        Ok(Verdict::Invalid(Invalid::Root { touch: 0, .. }))
    ));
}

/// Key 2 has two leaves that are alike; what it signs for one is nothing for the other.
#[test]
fn a_signature_names_the_leaf() {
    let scene = |fragment: u8| {
        Scene::new()
            .cohort(
                1,
                3,
                owned(1, &[]),
                &[(5, Some(owned(2, &[]))), (6, Some(owned(2, &[])))],
            )
            .call(with(account(&[1]), 0, &Consent::at(2, 1, 5)))
            .call(with(account(&[fragment]), 0, &Consent::at(2, 1, 6)))
    };
    scene(2).execute().unwrap();
    assert!(matches!(
        invalid(&scene(1)),
        Invalid::Call {
            call: 1,
            fault: CallFault::Signature { position: 0, .. }
        }
    ));
}

#[test]
fn every_further_leaf_has_its_part_and_a_lone_header_too() {
    let mut scene = payment();
    scene.fresh[0].named.push(7);
    scene.fresh[0].leaves.insert(7, owned(5, &[]));
    assert_eq!(invalid(&scene), Invalid::Unlisted { fragment: 3 });
    scene.fresh[0].leaves.remove(&7);
    assert_eq!(invalid(&scene), Invalid::Unopened { fragment: 3 });
    let listed = CallFault::NotOpen { number: 3 };
    scene.calls[0].fragments.push(3);
    assert_eq!(invalid(&scene), Invalid::Call { call: 0, fault: listed });
    // The header of a touch without further leaves is not excused.
    let alone = payment().cohort(8, 3, ruled(&[]), &[]);
    assert_eq!(invalid(&alone), Invalid::Unlisted { fragment: 3 });
}

#[test]
fn fragments_are_numbered_touch_by_touch() {
    let scene = Scene::new()
        .cohort(
            8,
            2,
            ruled(&[]),
            &[(1, Some(ruled(&[(ETH, 1)]))), (3, Some(ruled(&[(ETH, 3)])))],
        )
        .cohort(9, 24, ruled(&[]), &[((1 << 24) - 1, Some(ruled(&[(ETH, 24)])))])
        .opening(1)
        .again(new_anchor(3), ruled(&[(ETH, 50)]))
        .call(puppet(
            &[6, 4, 2, 1],
            &[
                open_cohort(7, 3, PUPPET),
                transfer(0, 1, ETH, 2),
                transfer(2, 4, ETH, 3),
                write(2, b"x"),
                write(3, b"y"),
            ],
        ));
    let outcome = outcome(&scene);
    let amounts: Vec<u128> = outcome.states.iter().map(|state| state.balance(ETH)).collect();
    assert_eq!(amounts, [0, 1, 0, 0, 26, 3, 48]);
    assert_eq!(outcome.depths, [7]);
    // A new cohort's other leaves are empty.
    let mut top = outcome.states[5].leaf_value();
    for _ in 0..7 {
        top = cohort::node(top, B256::ZERO);
    }
    let mut posted = scene.post();
    assert_eq!(posted.placed.step.opened, [cohort::root(7, top)]);
    // It has the depth that it was opened with.
    posted.placed.step.opened = vec![cohort::root(8, cohort::node(top, B256::ZERO))];
    assert!(matches!(
        posted.evaluate(),
        Ok(Verdict::Invalid(Invalid::Root { touch: 2, .. }))
    ));
}

#[test]
fn depths_are_at_most_24() {
    let scene = |depth| {
        Scene::new()
            .fresh(9, ruled(&[]))
            .opening(1)
            .call(puppet(&[0], &[write(0, b"x"), open_cohort(depth, 1, holder(1))]))
    };
    assert_eq!(outcome(&scene(24)).depths, [24]);
    for depth in [25, 32, 255] {
        check_effect(&scene(depth), 1, EffectFault::Depth(depth));
    }
}

/// Key 1, which holds the header, opens leaves 2 and 3 by one signature.
fn opening() -> Scene {
    let open = |n: u8, amount| AccountOp::OpenLeaf {
        kind: 1,
        controller: holder(n),
        assets: vec![(ETH, amount)],
    };
    let consent = Consent::of(1).outflow(ETH, 30).ops(&[open(2, 10), open(3, 20)]);
    Scene::new()
        .cohort(1, 2, owned(1, &[(ETH, 100)]), &[(2, None), (3, None)])
        .call(with(account(&[0]), 0, &consent))
}

#[test]
fn a_header_opens_leaves_in_order() {
    let states = [
        after(owned(1, &[(ETH, 70)]), 1),
        owned(2, &[(ETH, 10)]),
        owned(3, &[(ETH, 20)]),
    ];
    assert_eq!(outcome(&opening()).states, states);
}

/// Its id was known before the batch: so it is not new, and its key can sign at once.
#[test]
fn a_leaf_of_an_older_cohort_authorises_as_soon_as_it_is_open() {
    let consent = Consent::at(2, 1, 2)
        .outflow(ETH, 4)
        .ops(&[pay(anchor(1).leaf(3).unwrap(), 4)]);
    let scene = opening().call(with(with(account(&[1, 2]), 0, &consent), 1, &Consent::at(3, 1, 3)));
    assert_eq!(outcome(&scene).states[1], after(owned(2, &[(ETH, 6)]), 1));
}

#[test]
fn leaves_of_a_cohort_of_this_batch_are_new() {
    let consent = Consent {
        anchor: new_anchor(5),
        leaf: 3,
        ..Consent::of(2)
    };
    let mut scene = Scene::new()
        .cohort(1, 2, ruled(&[]), &[(3, Some(owned(2, &[])))])
        .call(with(account(&[1]), 0, &consent));
    scene.fresh[0].anchor = new_anchor(5);
    scene.again = std::mem::take(&mut scene.fresh);
    assert_eq!(
        invalid(&scene),
        Invalid::Call {
            call: 0,
            fault: CallFault::NewSigner { position: 0 }
        }
    );
}

#[test]
fn leaves_are_opened_in_their_cohort_by_its_header() {
    // Positions 0 and 1: the puppet's header at 8 and its leaf 1; position 2: the puppet's header at 9; 3: key 1's header.
    let scene = |effects: &[nthroot_protocol::Effect]| {
        let mut effects = effects.to_vec();
        effects.extend([write(0, b"a"), write(1, b"b"), write(2, b"c")]);
        Scene::new()
            .cohort(8, 4, ruled(&[]), &[(1, Some(ruled(&[]))), (4, None)])
            .cohort(9, 4, ruled(&[]), &[(2, None)])
            .fresh(1, owned(1, &[]))
            .call(with(puppet(&[0, 1, 3, 5], &effects), 3, &Consent::of(1)))
    };
    let eight = open_leaf(0, 1, holder(2));
    let nine = open_leaf(2, 3, PUPPET);
    // What it opened under itself it uses at once.
    let states = outcome(&scene(&[eight.clone(), nine.clone(), write(5, b"new")])).states;
    assert_eq!((&states[2], &states[4].data[..]), (&owned(2, &[]), &b"new"[..]));

    check_effect(
        &scene(std::slice::from_ref(&nine)),
        0,
        EffectFault::OtherAnchor { position: 2 },
    );
    check_effect(
        &scene(&[eight.clone(), eight.clone()]),
        1,
        EffectFault::OtherAnchor { position: 0 },
    );
    check_effect(
        &scene(&[open_leaf(1, 1, holder(2))]),
        0,
        EffectFault::NotHeader { position: 1 },
    );
    check_effect(
        &scene(&[open_leaf(3, 1, holder(2))]),
        0,
        EffectFault::OtherAnchor { position: 3 },
    );
    check_effect(
        &scene(&[eight.clone(), nine.clone(), eight.clone()]),
        2,
        EffectFault::NoLeafToOpen,
    );
    let beyond = EffectFault::Position {
        position: 4,
        positions: 4,
    };
    check_effect(&scene(&[open_leaf(4, 1, holder(2))]), 0, beyond);
    // A leaf opened for a key gives no authority; nor does a new one count as a header.
    let none = EffectFault::NoAuthority { position: 4 };
    check_effect(&scene(&[eight.clone(), write(4, b"x")]), 1, none.clone());
    check_effect(&scene(&[eight, open_leaf(4, 1, holder(2))]), 1, none);
    // The conditions on kind and controller are those of an anchor's opening.
    let elsewhere = EffectFault::OpenUnderOtherRule {
        controller: holder(2),
        rule: PUPPET,
    };
    check_effect(&scene(&[open_leaf(0, 3, holder(2))]), 0, elsewhere);
    let kind = EffectFault::Key(nthroot_protocol::KeyError::Kind(4));
    check_effect(&scene(&[open_leaf(0, 4, holder(2))]), 0, kind);
}

/// What is posted may name leaves that are not there, or be no table at all: each is a lie that evidence shows.
#[test]
fn leaves_beyond_the_cohort_make_a_step_invalid() {
    let rename = |posted: &mut Posted, further: Vec<u32>| {
        let mut body = nthroot_protocol::Body::of(&posted.placed.step).unwrap();
        body.leaves = Some(LeafTable(vec![further]));
        posted.placed.step.body = body.encode().into();
    };
    for leaf in [8, 9, (1 << 24) - 1] {
        let mut posted = payment().post();
        rename(&mut posted, vec![5, 6, leaf]);
        let (touch, depth) = (0, 3);
        assert_eq!(
            posted.evaluate(),
            Ok(Verdict::Invalid(Invalid::Leaf { touch, leaf, depth }))
        );
    }
    // A repeated touch is numbered after the opened one, and stands before it in the table.
    let effects = [write(0, b"x"), write(1, b"y"), open_cohort(0, 3, PUPPET)];
    let mut posted = Scene::new()
        .fresh(9, ruled(&[]))
        .opening(1)
        .again(new_anchor(3), ruled(&[]))
        .call(puppet(&[0, 2], &effects))
        .post();
    for (touch, table) in [(0, vec![vec![1], vec![]]), (2, vec![vec![], vec![1]])] {
        let mut body = nthroot_protocol::Body::of(&posted.placed.step).unwrap();
        body.leaves = Some(LeafTable(table));
        posted.placed.step.body = body.encode().into();
        let (leaf, depth) = (1, 0);
        assert_eq!(
            posted.evaluate(),
            Ok(Verdict::Invalid(Invalid::Leaf { touch, leaf, depth }))
        );
    }
}

#[test]
fn there_is_a_leaf_0_under_every_head() {
    let mut posted = payment().post();
    posted.proofs[0].states[0].clear();
    assert_eq!(posted.evaluate(), Ok(Verdict::Invalid(Invalid::NoHeader { touch: 0 })));
    let mut posted = payment().post();
    posted.proofs[0].states[2].push(0);
    assert!(matches!(
        posted.evaluate(),
        Ok(Verdict::Invalid(Invalid::PreState { fragment: 2, .. }))
    ));
}

#[test]
fn roots_of_cohorts_are_compared() {
    let mut posted = payment().post();
    let root: &mut Root = &mut posted.placed.step.fresh[0].root;
    root.0[0] ^= 1;
    let stated = *root;
    let actual = payment().post().placed.step.fresh[0].root;
    assert_eq!(
        posted.evaluate(),
        Ok(Verdict::Invalid(Invalid::Root {
            touch: 0,
            stated,
            actual
        }))
    );
}

#[test]
fn an_anchor_of_depth_0_has_no_leaf_to_open() {
    let mut posted = Scene::new()
        .fresh(1, owned(1, &[]))
        .call(with(account(&[0]), 0, &Consent::of(1)))
        .post();
    let mut body = nthroot_protocol::Body::of(&posted.placed.step).unwrap();
    body.leaves = Some(LeafTable(vec![vec![1]]));
    posted.placed.step.body = body.encode().into();
    let (touch, leaf, depth) = (0, 1, 0);
    assert_eq!(
        posted.evaluate(),
        Ok(Verdict::Invalid(Invalid::Leaf { touch, leaf, depth }))
    );
    // An empty table is another body, and as good.
    body.leaves = Some(LeafTable(vec![vec![]]));
    posted.placed.step.body = body.encode().into();
    assert!(matches!(posted.evaluate(), Ok(Verdict::Valid(_))));
}
