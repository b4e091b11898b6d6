//! What the solver finds, and what it refuses.

#[allow(dead_code, reason = "shared with the tests of plans")]
mod world;

use std::collections::BTreeSet;

use alloy_primitives::U256;
use nthroot_model::rules::swap::check;
use nthroot_protocol::{
    AnchorId, BatchId, FragmentId, Outflow,
    rules::swap::{Curve, Fill, Leg, SwapIntent},
};
use nthroot_wallet::{
    Request,
    solver::{Party, Unfilled, clear},
};
use proptest::{prelude::*, test_runner::RngSeed};

use crate::world::{World, asset};

const CLOCK: u64 = 1_000;

fn id(n: u8) -> FragmentId {
    AnchorId::new(BatchId::new(u64::from(n) + 1, 1).unwrap(), 0).fragment()
}

fn legs(legs: &[(u8, u128)]) -> Vec<Leg> {
    legs.iter().map(|(n, amount)| Leg::fixed(asset(*n), *amount)).collect()
}

fn intent(gives: &[(u8, u128)], gets: &[(u8, u128)]) -> SwapIntent {
    SwapIntent {
        gives: legs(gives),
        gets: legs(gets),
        rewards: Vec::new(),
        counterparties: Vec::new(),
        curve: None,
        least_fill: None,
    }
}

fn partial(gives: &[(u8, u128)], gets: &[(u8, u128)], least: u128) -> SwapIntent {
    SwapIntent {
        least_fill: Some(least),
        ..intent(gives, gets)
    }
}

fn parties(intents: &[SwapIntent]) -> Vec<Party> {
    (0..).map(id).zip(intents.iter().cloned()).collect()
}

/// What moves of an asset from one party to another.
fn moved(fill: &Fill, from: u8, to: u8, n: u8) -> u128 {
    let of = |m: &&nthroot_protocol::rules::swap::FillMove| {
        (m.from, m.to, fill.assets[usize::from(m.asset)]) == (from, to, asset(n))
    };
    fill.moves.iter().filter(of).map(|one| one.amount).sum()
}

#[test]
fn rings_of_any_length_are_found() {
    for count in 2..=8_u8 {
        let ring = |n: u8| intent(&[(n + 1, 100)], &[((n + 1) % count + 1, 100)]);
        let intents: Vec<SwapIntent> = (0..count).map(ring).collect();
        let fill = clear(CLOCK, &parties(&intents), None).unwrap();
        assert_eq!(fill.moves.len(), usize::from(count));
        for n in 0..count {
            assert_eq!(moved(&fill, (n + 1) % count, n, (n + 1) % count + 1), 100);
        }
    }
}

#[test]
fn a_ring_is_posted_with_the_signatures_of_all() {
    let mut world = World::new();
    let users = [1, 2, 3, 4];
    let fragments = users.map(|user| world.fragment(user, &[(asset(user), 100)]));
    let intents = users.map(|user| intent(&[(user, 100)], &[(user % 4 + 1, 90)]));
    let parties: Vec<Party> = fragments.into_iter().zip(intents.clone()).collect();
    let fill = clear(world.clock(), &parties, None).unwrap();
    let mut signed = Vec::new();
    for ((user, fragment), intent) in users.into_iter().zip(fragments).zip(intents) {
        signed.push(world.sign(user, fragment, Request::Swap(intent)));
    }
    world.run(|plan| plan.swap(&signed, &fill).unwrap());
    for (user, fragment) in users.into_iter().zip(fragments) {
        assert_eq!(world.balance(fragment, asset(user)), 10, "what nobody asked for stays");
        assert_eq!(world.balance(fragment, asset(user % 4 + 1)), 90);
    }
}

#[test]
fn many_are_netted_against_one() {
    let intents = [
        intent(&[(1, 100)], &[(2, 90)]),
        intent(&[(2, 30)], &[(1, 30)]),
        intent(&[(2, 60)], &[(1, 60)]),
    ];
    let fill = clear(CLOCK, &parties(&intents), None).unwrap();
    assert_eq!([moved(&fill, 1, 0, 2), moved(&fill, 2, 0, 2)], [30, 60]);
    assert_eq!([moved(&fill, 0, 1, 1), moved(&fill, 0, 2, 1)], [30, 60]);
}

#[test]
fn what_is_left_over_goes_to_whoever_takes_it() {
    let mut reward = intent(&[(1, 100)], &[(2, 90)]);
    reward.rewards = vec![Outflow {
        asset: asset(3),
        amount: 7,
    }];
    let intents = [reward, intent(&[(2, 95)], &[(1, 98)]), intent(&[(4, 1)], &[(1, 0)])];
    let fill = clear(CLOCK, &parties(&intents), Some(2)).unwrap();
    assert_eq!(
        [moved(&fill, 0, 2, 1), moved(&fill, 1, 2, 2), moved(&fill, 0, 2, 3)],
        [2, 5, 7]
    );
    let fill = clear(CLOCK, &parties(&intents), None).unwrap();
    assert_eq!(fill.moves.len(), 2, "without a taker it stays");
}

#[test]
fn intents_are_filled_in_part_as_far_as_others_allow() {
    let intents = [
        partial(&[(1, 1_000)], &[(2, 2_000)], 1),
        intent(&[(2, 501)], &[(1, 250)]),
    ];
    let fill = clear(CLOCK, &parties(&intents), None).unwrap();
    assert_eq!(fill.filled, [250]);
    assert_eq!([moved(&fill, 1, 0, 2), moved(&fill, 0, 1, 1)], [500, 250]);

    // Each lowers the next, and the last the first again.
    let ring = [
        partial(&[(1, 100)], &[(2, 100)], 1),
        partial(&[(2, 60)], &[(3, 60)], 1),
        partial(&[(3, 30)], &[(1, 30)], 1),
    ];
    for turn in 0..3 {
        let mut ring = ring.clone();
        ring.rotate_left(turn);
        let fill = clear(CLOCK, &parties(&ring), None).unwrap();
        assert_eq!(fill.filled, [30; 3]);
    }

    let too_little = [
        partial(&[(1, 1_000)], &[(2, 2_000)], 251),
        intent(&[(2, 501)], &[(1, 250)]),
    ];
    assert!(matches!(
        clear(CLOCK, &parties(&too_little), None),
        Err(Unfilled::Short { .. })
    ));
    // Prices that do not meet: each round lowers both, for ever.
    let apart = [
        partial(&[(1, u128::MAX)], &[(2, u128::MAX)], 1),
        partial(&[(2, u128::MAX - 9)], &[(1, u128::MAX)], 1),
    ];
    assert!(matches!(
        clear(CLOCK, &parties(&apart), None),
        Err(Unfilled::Short { .. })
    ));
}

#[test]
fn counterparties_are_kept_to_and_all_of_them_are_tried() {
    // The first would take from the only one that the second may take from.
    let mut choosy = intent(&[(1, 10)], &[(2, 10)]);
    choosy.counterparties = vec![id(2)];
    let intents = [
        intent(&[(1, 10)], &[(2, 10)]),
        choosy.clone(),
        intent(&[(2, 10)], &[(1, 10)]),
        intent(&[(2, 10)], &[(1, 10)]),
    ];
    let fill = clear(CLOCK, &parties(&intents), None).unwrap();
    assert_eq!([moved(&fill, 2, 1, 2), moved(&fill, 3, 0, 2)], [10, 10]);

    choosy.counterparties = vec![id(9)];
    let refused = clear(CLOCK, &parties(&[choosy, intent(&[(2, 10)], &[(1, 10)])]), None);
    assert!(matches!(refused, Err(Unfilled::Counterparties { .. })), "{refused:?}");
}

#[test]
fn prices_follow_their_curves() {
    let mut curved = intent(&[(1, 100)], &[(2, 0)]);
    curved.gets[0] = Leg {
        asset: asset(2),
        start: 200,
        end: 100,
    };
    curved.curve = Some(Curve {
        first: 1_000,
        last: 1_100,
    });
    let intents = parties(&[curved, intent(&[(2, 150)], &[(1, 100)])]);
    let refused = clear(1_049, &intents, None).unwrap_err();
    assert_eq!(
        refused,
        Unfilled::Short {
            asset: asset(2),
            asked: U256::from(151),
            given: U256::from(150)
        }
    );
    assert_eq!(moved(&clear(1_050, &intents, None).unwrap(), 1, 0, 2), 150);
}

#[test]
fn what_a_call_cannot_hold_is_refused() {
    // Ten givers of ten assets, each of which one party asks for.
    let all: Vec<(u8, u128)> = (1..=60).map(|n| (n, 1)).collect();
    let intents = [
        intent(&all, &[(61, 1)]),
        intent(&[(61, 1)], &all),
        intent(&[(62, 1)], &[(62, 1)]),
        intent(&[(62, 1)], &[(62, 1)]),
    ];
    assert_eq!(clear(CLOCK, &parties(&intents), None), Err(Unfilled::Moves(63)));
    assert!(clear(CLOCK, &parties(&intents[..2]), None).is_ok());
}

fn any_legs(usual: std::ops::Range<u128>) -> impl Strategy<Value = Vec<Leg>> {
    let amount = prop_oneof![8 => usual, 1 => Just(u128::MAX), 1 => any::<u128>()];
    proptest::collection::btree_map(1..4_u8, (amount, 0..3_u128), 1..3).prop_map(|legs| {
        let leg = |(n, (amount, change)): (u8, (u128, u128))| Leg {
            asset: asset(n),
            start: amount,
            end: amount.saturating_add(change),
        };
        legs.into_iter().map(leg).collect()
    })
}

prop_compose! {
    fn any_intent()(
        gives in any_legs(1..1_000),
        gets in any_legs(0..300),
        reward in proptest::option::of(0..50_u128),
        others in prop_oneof![3 => Just(BTreeSet::new()), 1 => proptest::collection::btree_set(0..5_u8, 1..4)],
        curve in proptest::option::of((990..1_005_u64, 0..20_u64)),
        least in proptest::option::of(0..4_u128),
    ) -> SwapIntent {
        let gets = gets.into_iter().map(|leg| Leg { start: leg.end, end: leg.start, ..leg });
        let fixed = |leg: Leg| if curve.is_some() { leg } else { Leg::fixed(leg.asset, leg.end) };
        SwapIntent {
            gives: gives.into_iter().map(fixed).collect(),
            gets: gets.map(fixed).collect(),
            rewards: reward.map(|amount| Outflow { asset: asset(3), amount }).into_iter().collect(),
            counterparties: others.into_iter().map(id).collect(),
            curve: curve.map(|(first, length)| Curve { first, last: first + length }),
            least_fill: least,
        }
    }
}

#[test]
fn whatever_is_found_the_rule_accepts() {
    let config = ProptestConfig {
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        cases: std::env::var("PROPTEST_CASES").map_or(2_000, |cases| cases.parse().expect("a number")),
        ..ProptestConfig::default()
    };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let many = proptest::collection::vec(any_intent(), 1..5);
    let found = std::cell::Cell::new(0);
    runner
        .run(&(many, proptest::option::of(0..5_usize)), |(intents, surplus)| {
            let decodable = |intent: &SwapIntent| SwapIntent::decode(&intent.encode()).as_ref() == Ok(intent);
            let intents: Vec<SwapIntent> = intents.into_iter().filter(decodable).collect();
            let surplus = surplus.filter(|taker| *taker < intents.len());
            let parties = parties(&intents);
            if let Ok(fill) = clear(CLOCK, &parties, surplus) {
                let ids: Vec<FragmentId> = parties.iter().map(|(id, _)| *id).collect();
                let numbered: Vec<(u8, SwapIntent)> = (0..).zip(intents).collect();
                prop_assert_eq!(check(CLOCK, &ids, &numbered, &fill), Ok(()));
                // What the rule reads of it is the same.
                prop_assert_eq!(Fill::decode(&fill.encode(), fill.filled.len()), Ok(fill.clone()));
                prop_assert!(fill.moves.iter().all(|one| one.amount > 0 && one.from != one.to));
                found.set(found.get() + usize::from(numbered.len() > 1 && !fill.moves.is_empty()));
            }
            Ok(())
        })
        .unwrap();
    let found = found.get();
    assert!(found > 50, "{found} fills were found");
}
