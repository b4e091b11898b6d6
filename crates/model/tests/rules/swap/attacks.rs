//! What others may try with an intent that they hold, signatures and all, and what the kernel says to it.

use alloy_primitives::U256;
use nthroot_model::{
    invalid::{CallFault, EffectFault},
    rules::swap::{Swap, SwapFailure},
    signing::BadSignature,
};
use nthroot_protocol::{
    FragmentId, Lease, Meaning,
    rules::swap::{Curve, Fill, SwapIntent},
};

use super::{consent, fails, offer, plan, world};
use crate::bench::{CLOCK, PROPOSER, Plan, World, asset, effect_fault, id, outflow, owned, transition, view};

/// Fragment 1 gives 10 of asset 1 for 5 of asset 2, and fragment 2 does the reverse. Both have 100.
fn pair() -> (World, Vec<SwapIntent>) {
    let some = [(asset(1), 100), (asset(2), 100)];
    let intents = vec![
        offer((asset(1), 10), (asset(2), 5)),
        offer((asset(2), 5), (asset(1), 10)),
    ];
    (world(&[&some, &some, &some]), intents)
}

fn exchange() -> Fill {
    Fill::new(Vec::new(), &[(0, 1, asset(1), 10), (1, 0, asset(2), 5)])
}

#[track_caller]
fn bad_signature(fault: &CallFault) {
    let is_bad = matches!(
        fault,
        CallFault::Signature {
            reason: BadSignature::Signer { .. },
            ..
        }
    );
    assert!(is_bad, "{fault}");
}

#[test]
fn a_ring_settles_in_one_call() {
    let n = asset;
    let mut world = world(&[&[(n(1), 3)], &[(n(2), 5)], &[(n(3), 9)]]);
    let intents = [
        offer((n(1), 3), (n(3), 9)),
        offer((n(2), 5), (n(1), 3)),
        offer((n(3), 9), (n(2), 5)),
    ];
    let fill = Fill::new(Vec::new(), &[(0, 1, n(1), 3), (1, 2, n(2), 5), (2, 0, n(3), 9)]);
    world.run(&plan(&intents, &fill)).unwrap();
    for (fragment, got, amount) in [(1, 3, 9), (2, 1, 3), (3, 2, 5)] {
        assert_eq!(world.balance(fragment, n(got)), amount);
        assert_eq!(world.balance(fragment, n(fragment)), 0);
        assert_eq!(world.fragments[&fragment].nonce, 1);
    }
}

#[test]
fn an_expired_intent_fills_nothing() {
    let (mut world, intents) = pair();
    world.terms.clock = CLOCK + 1;
    let fault = world.refused(&plan(&intents, &exchange()));
    let expired = matches!(
        fault,
        CallFault::Expired {
            position: 0,
            valid_until: CLOCK,
            ..
        }
    );
    assert!(expired, "{fault}");
}

#[test]
fn an_intent_is_used_once() {
    let (mut world, intents) = pair();
    let plan = plan(&intents, &exchange());
    world.run(&plan).unwrap();
    bad_signature(&world.refused(&plan));
}

#[test]
fn a_fill_in_part_uses_the_whole_intent() {
    let (mut world, mut intents) = pair();
    intents[0].least_fill = Some(2);
    intents[1] = offer((asset(2), 1), (asset(1), 2));
    let fill = Fill::new(vec![2], &[(0, 1, asset(1), 2), (1, 0, asset(2), 1)]);
    let first = plan(&intents, &fill);
    world.run(&first).unwrap();
    assert_eq!(world.balance(1, asset(1)), 98);
    // The other one signs again; the rest of the first cannot be had.
    let mut second = first;
    second.consents[1].nonce = 1;
    bad_signature(&world.refused(&second));
}

#[test]
fn any_other_message_with_its_nonce_cancels_an_intent() {
    let (mut world, intents) = pair();
    let mut cancel = plan(&[offer((asset(1), 1), (asset(1), 0))], &Fill::default());
    cancel.consents[0].outflows.clear();
    world.run(&cancel).unwrap();
    bad_signature(&world.refused(&plan(&intents, &exchange())));
}

#[test]
fn a_signature_is_for_its_own_price_only() {
    let (world, intents) = pair();
    let mut cheap = intents.clone();
    cheap[0].gets[0].start = 4;
    let fill = Fill::new(Vec::new(), &[(0, 1, asset(1), 10), (1, 0, asset(2), 4)]);
    cheap[1].gives[0].start = 4;
    let mut plan = plan(&cheap, &fill);
    plan.consents[0].meaning = intents[0].meaning();
    bad_signature(&world.refused(&plan));
}

#[test]
fn what_a_wallet_shows_is_what_counts_and_not_its_bytes() {
    let (world, intents) = pair();
    let mut blind = plan(&intents, &exchange());
    blind.consents[0].meaning = Meaning::opaque(&blind.consents[0].payload);
    bad_signature(&world.refused(&blind));

    // One meaning has several payloads, all of which do the same: in part, but not less than all of it, is in whole; and a
    // curve at block 0 between equal amounts is none.
    for (curve, least_fill) in [(None, Some(10)), (Some(Curve { first: 0, last: 0 }), None)] {
        let mut other = intents[0].clone();
        (other.curve, other.least_fill) = (curve, least_fill);
        assert_ne!(other.encode(), intents[0].encode());
        assert_eq!(other.meaning(), intents[0].meaning());
        let mut fill = exchange();
        fill.filled.extend(least_fill);
        let mut world = world.clone();
        let mut plan = plan(&intents, &fill);
        plan.consents[0].payload = other.encode();
        world.run(&plan).unwrap();
        assert_eq!((world.balance(1, asset(1)), world.balance(1, asset(2))), (90, 105));
    }
}

#[test]
fn a_fragment_is_listed_once() {
    let (world, intents) = pair();
    let twice = plan(&intents, &exchange());
    let mut call = world.call(&twice);
    call.fragments[1] = 0;
    assert_eq!(world.refused_call(&twice, call), CallFault::FragmentTwice { number: 0 });
    // Nor does it authorise twice, to be paid for twice.
    let mut call = world.call(&twice);
    let again = call.authorisations[0].clone();
    call.authorisations.insert(1, again);
    let fault = world.refused_call(&twice, call);
    assert_eq!(fault, CallFault::PositionOrder { last: 0, position: 0 });
}

#[test]
fn nothing_is_taken_from_who_did_not_sign() {
    let (mut world, intents) = pair();
    // Fragment 3 has leased itself to the proposer, who may list it.
    let lease = Lease {
        holder: PROPOSER,
        last_block: CLOCK,
    };
    world.fragments.get_mut(&3).unwrap().lease = Some(lease);
    let fill = |from, to| {
        let mut moves = vec![(0, 1, asset(1), 10), (1, 0, asset(2), 5)];
        moves.push((from, to, asset(1), 1));
        Fill::new(Vec::new(), &moves)
    };
    let mut plan = plan(&intents, &fill(2, 1));
    plan.listed.push(3);
    let fault = effect_fault(world.refused(&plan));
    assert_eq!(fault, EffectFault::NoAuthority { position: 2 });
    // A reward is how it is paid.
    let rewarding = SwapIntent {
        rewards: vec![outflow(asset(1), 1)],
        ..intents[0].clone()
    };
    plan.consents[0] = consent(1, &rewarding);
    plan.extra = fill(0, 2).encode();
    world.run(&plan).unwrap();
    assert_eq!(world.balance(3, asset(1)), 101);
    assert_eq!(world.balance(1, asset(1)), 89);
}

#[test]
fn a_proposer_takes_a_reward_with_an_intent_of_its_own() {
    let (mut world, mut intents) = pair();
    intents[0].rewards = vec![outflow(asset(2), 3)];
    intents.push(offer((asset(9), 1), (asset(2), 3)));
    let moves = [(0, 1, asset(1), 10), (1, 0, asset(2), 5), (0, 2, asset(2), 3)];
    world.run(&plan(&intents, &Fill::new(Vec::new(), &moves))).unwrap();
    assert_eq!(world.balance(3, asset(2)), 103);
}

#[test]
fn the_outflows_signed_bound_what_the_rule_allows() {
    let (world, intents) = pair();
    let mut plan = plan(&intents, &exchange());
    plan.consents[0].outflows[0].amount = 9;
    let fault = effect_fault(world.refused(&plan));
    let bound = EffectFault::Outflow {
        position: 0,
        asset: asset(1),
        left: 9,
        amount: 10,
    };
    assert_eq!(fault, bound);
}

#[test]
fn zero_amounts_and_moves_to_oneself_change_nothing() {
    let (world, intents) = pair();
    for (extra, expected) in [
        ((0, 1, asset(1), 0), EffectFault::ZeroAmount),
        ((0, 0, asset(1), 1), EffectFault::SelfMove { position: 0 }),
    ] {
        let mut rich = intents.clone();
        (rich[0].gives[0].start, rich[0].gives[0].end) = (11, 11);
        let moves = [(0, 1, asset(1), 10), (1, 0, asset(2), 5), extra];
        let plan = plan(&rich, &Fill::new(Vec::new(), &moves));
        assert_eq!(effect_fault(world.refused(&plan)), expected);
    }
}

#[test]
fn a_move_to_oneself_is_no_get() {
    // The rule alone would count it as taken and brought: the kernel refuses it.
    let intent = offer((asset(1), 10), (asset(1), 10));
    let some = [(asset(1), 100)];
    let fill = Fill::new(Vec::new(), &[(0, 0, asset(1), 10)]);
    let fault = effect_fault(world(&[&some]).refused(&plan(&[intent], &fill)));
    assert_eq!(fault, EffectFault::SelfMove { position: 0 });
}

#[test]
fn trading_with_oneself_gains_nothing() {
    // Both fragments of the pair may well be one person's: what they have together stays what it was.
    let (mut world, intents) = pair();
    let sum = |world: &World, n| world.balance(1, asset(n)) + world.balance(2, asset(n));
    world.run(&plan(&intents, &exchange())).unwrap();
    assert_eq!((sum(&world, 1), sum(&world, 2)), (200, 200));
}

#[test]
fn dust_of_a_fill_is_the_users() {
    // 1 of 3 at 3 for 2: a part that gives 1 unit must bring a whole one. Three such parts would bring 3 for 3.
    let intent = SwapIntent {
        least_fill: Some(0),
        ..offer((asset(1), 3), (asset(2), 2))
    };
    let mut world = world(&[&[(asset(1), 3)], &[(asset(2), 10)]]);
    for nonce in 0..3 {
        let other = offer((asset(2), 1), (asset(1), 1));
        let fill = Fill::new(vec![1], &[(0, 1, asset(1), 1), (1, 0, asset(2), 1)]);
        let mut plan = plan(&[intent.clone(), other], &fill);
        plan.consents.iter_mut().for_each(|consent| consent.nonce = nonce);
        world.run(&plan).unwrap();
    }
    assert_eq!((world.balance(1, asset(1)), world.balance(1, asset(2))), (0, 3));
}

#[test]
fn the_largest_amounts_trade_and_no_credit_wraps() {
    let all = u128::MAX;
    let intents = [
        offer((asset(1), all), (asset(2), all)),
        offer((asset(2), all), (asset(1), all)),
    ];
    let fill = Fill::new(Vec::new(), &[(0, 1, asset(1), all), (1, 0, asset(2), all)]);
    let mut fits = world(&[&[(asset(1), all)], &[(asset(2), all)]]);
    fits.run(&plan(&intents, &fill)).unwrap();
    assert_eq!(fits.balance(1, asset(2)), all);
    let over = world(&[&[(asset(1), all), (asset(2), 1)], &[(asset(2), all)]]);
    let fault = effect_fault(over.refused(&plan(&intents, &fill)));
    assert!(matches!(fault, EffectFault::Overflow { position: 0, .. }), "{fault}");
}

#[test]
fn moves_that_sum_above_128_bits_are_not_read_as_few() {
    let all = u128::MAX;
    let intents = [
        offer((asset(1), all), (asset(2), 0)),
        offer((asset(2), 1), (asset(1), 0)),
    ];
    let moves = [(0, 1, asset(1), all), (1, 0, asset(2), 1), (0, 1, asset(1), 1)];
    let failure = SwapFailure::Taken {
        intent: 0,
        asset: asset(1),
        taken: U256::from(all) + U256::ONE,
        most: U256::from(all),
    };
    fails(&intents, &Fill::new(Vec::new(), &moves), failure);
}

#[test]
fn sixty_four_effects_are_all_that_a_call_has() {
    let (world, intents) = pair();
    let fill = |moves: usize| {
        let back = (0..moves - 2).map(|_| (1, 0, asset(2), 1));
        let all: Vec<_> = back.chain([(0, 1, asset(1), 10), (1, 0, asset(2), 5)]).collect();
        Fill::new(Vec::new(), &all)
    };
    let mut generous = intents;
    (generous[1].gives[0].start, generous[1].gives[0].end) = (100, 100);
    let call = |moves| Plan {
        extra: fill(moves).encode(),
        ..plan(&generous, &Fill::default())
    };
    assert!(world.clone().run(&call(62)).is_ok());
    assert!(matches!(world.refused(&call(63)), CallFault::Effects(_)));
}

#[test]
fn a_new_fragment_is_no_counterparty_of_a_known_one() {
    // Its id reads as zero, and the rule compares ids as they read.
    let (_, mut intents) = pair();
    intents[0].counterparties = vec![id(1)];
    let mut new = view(1, &owned(1, &[]));
    new.id = FragmentId::ZERO;
    let fragments = [view(0, &owned(1, &[])), new];
    let payloads = [(0, intents[0].encode())];
    let failure = SwapFailure::Counterparty {
        intent: 0,
        id: FragmentId::ZERO,
    };
    let failed = transition(&Swap, CLOCK, &fragments, &payloads, &exchange().encode());
    assert_eq!(failed, Err(failure.into()));
}
