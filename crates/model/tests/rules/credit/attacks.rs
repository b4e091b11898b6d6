//! What somebody tries who knows the page.

use nthroot_model::rules::credit::CreditFault;
use nthroot_protocol::rules::credit::{CreditOp, Terms};

use super::{
    oracle::{Worth, wide},
    world::{RICHES, World, borrow, call, close, gold, lend, redeem, repay, terms, usd},
};

/// Lends and redeems at once, in many sizes. Whether anything was gained.
fn gains(world: &World, market: nthroot_protocol::FragmentId) -> bool {
    (1..40).chain([99, 100, 101, 4_999, 5_003]).any(|amount| {
        let mut world = world.clone();
        let Ok(_) = world.act(5, lend(market, amount)) else {
            return false;
        };
        let shares = world.shares(5, market);
        let before = Worth::of(&world, market);
        for part in [shares, shares / 2, shares / 3, 1] {
            // As often as it goes.
            for _ in 0..3 {
                let _ = world.act(5, redeem(market, part.min(world.shares(5, market))));
            }
        }
        assert!(Worth::of(&world, market).high_price_holds(&before));
        world.held(5, usd()) > RICHES
    })
}

#[test]
fn no_rounding_is_to_be_had_by_lending_and_redeeming() {
    let (mut world, market) = World::lent(terms(), 5_003);
    assert!(!gains(&world, market));
    world.open(2, market, 5_000, 4_001);
    world.pass(13);
    assert!(!gains(&world, market));
    world.call(3, market, 1);
    assert!(!gains(&world, market));
    world.pass(150);
    world.bid(4, market, 1);
    assert!(!gains(&world, market));
}

#[test]
fn no_rounding_is_to_be_had_around_an_operation_of_somebody_else() {
    let (mut world, market) = World::lent(terms(), 5_003);
    world.open(2, market, 3_000, 2_001);
    world.pass(7);
    for op in [
        borrow(market, 1, 0, 1),
        borrow(market, 1, 0, 333),
        repay(market, 1, 1, 0),
        repay(market, 1, 1_000, 3),
        repay(market, 1, u128::MAX, 0),
    ] {
        for amount in [1, 2, 3, 100, 4_999, 100_000] {
            let mut world = world.clone();
            let shares = world.lend(5, market, amount);
            world.act(2, op).unwrap();
            let _ = world.act(5, redeem(market, shares));
            // A unit at most, and only as its part of the unit that rounding a debt up gives to all.
            assert!(world.held(5, usd()) <= RICHES, "{op:?} {amount}");
        }
    }
}

#[test]
fn many_dust_loans_pay_for_themselves() {
    let (mut world, market) = World::lent(Terms { minimum: 1, ..terms() }, 5_000);
    let before = Worth::of(&world, market);
    for _ in 0..20 {
        world.open(2, market, 1, 1);
    }
    world.pass(1);
    // Interest of 0.02 altogether; each debt is rounded up.
    for serial in 1..=20 {
        assert_eq!(world.debt(market, serial), 2);
        world.repay(2, market, serial);
    }
    assert_eq!(Worth::of(&world, market).low, before.low + wide(20_u8));
    assert_eq!(world.held(2, usd()), RICHES - 20);
}

#[test]
fn many_dust_loans_in_one_position_do_not_lose_interest() {
    let (mut world, market) = World::lent(terms(), 5_000);
    world.open(2, market, 1_000, 100);
    let (mut touched, mut left) = (world.clone(), world);
    for _ in 0..50 {
        touched.pass(1);
        touched.act(2, borrow(market, 1, 0, 1)).unwrap();
        left.pass(1);
    }
    // The one who comes each block pays a unit for each.
    assert_eq!(left.debt(market, 1), 105);
    assert!(touched.debt(market, 1) >= 100 + 50 + 50);
}

#[test]
fn the_first_lender_cannot_take_from_the_second() {
    // A unit is lent and all shares but few redeemed, again and again: what it leaves behind is its own loss.
    let (mut world, market) = World::with(terms());
    for _ in 0..20 {
        world.lend(5, market, 1_000);
        let shares = world.shares(5, market);
        let _ = world.act(5, redeem(market, shares - 1));
    }
    let spent = RICHES - world.held(5, usd());
    let shares = world.lend(1, market, 10_000);
    let worth = world.redeem(1, market, shares);
    assert!(worth >= 9_999, "{worth}");
    let rest = world.shares(5, market);
    let _ = world.act(5, redeem(market, rest));
    assert!(world.held(5, usd()) <= RICHES && spent <= 40);
}

#[test]
fn interest_that_nobody_pays_makes_shares_dear_until_somebody_calls() {
    // Its own debt grows far above its collateral: a share seems worth more than it is. Calling costs nothing then, and
    // whoever lends afterwards pays for the debt too; so a lender looks at debts that are not covered.
    let rate = 1_000_000_000_000_000_000;
    let (mut world, market) = World::lent(Terms { rate, ..terms() }, 1_000);
    world.open(5, market, 1_000, 1_000);
    world.pass(99);
    assert_eq!(world.low(market), 100_000_u128);
    let mut called = world.clone();
    assert_eq!(called.act(3, call(market, 1)).unwrap().len(), 3);
    assert_eq!(
        (Worth::of(&called, market).low, Worth::of(&called, market).high),
        (wide(0_u8), wide(100_000_u32))
    );
    // A victim that lends before the call. The first lender leaves at the price that the interest has made.
    world.lend(2, market, 10_000);
    let all = world.shares(1, market);
    assert_eq!(world.redeem(1, market, all / 11), 9_081);
    assert_eq!(world.idle(market), 919);
}

#[test]
fn a_lender_who_leaves_before_the_call_leaves_the_loss_to_the_others() {
    // The page promises nothing else: only a call stops whoever would flee.
    let (mut world, market) = World::lent(terms(), 5_000);
    world.lend(3, market, 5_000);
    world.open(2, market, 5_000, 5_000);
    let (shares, mut late) = (world.shares(3, market), world.clone());
    assert_eq!(world.redeem(3, market, shares), 5_000);
    for (world, left) in [(&mut world, 1), (&mut late, 2)] {
        world.call(4, market, 1);
        if left == 2 {
            // Low is idle, and the fee that the caller paid.
            assert_eq!(world.clone().redeem(3, market, shares), 2_625);
        }
        world.pass(1_000);
        assert_eq!(world.bid(4, market, 1), (0, 5_000));
    }
    let redeemed = |world: &mut World, user| {
        let shares = world.shares(user, market);
        world.redeem(user, market, shares)
    };
    assert_eq!(redeemed(&mut world, 1), 250);
    assert_eq!((redeemed(&mut late, 1), redeemed(&mut late, 3)), (2_625, 2_625));
}

#[test]
fn calling_just_before_somebody_redeems_brings_the_caller_its_part_of_what_they_leave() {
    let (mut world, market) = World::lent(terms(), 5_000);
    world.lend(3, market, 5_000);
    world.open(2, market, 8_000, 5_000);
    let shares = world.shares(3, market);
    // Whoever redeems says the least that it takes, and is not paid less.
    let careful = CreditOp::Redeem {
        market,
        shares,
        at_least: 5_000,
    };
    world.call(1, market, 1);
    assert!(matches!(world.effects(3, careful), Err(CreditFault::TooLittle { .. })));
    world.pass(5);
    world.repay(2, market, 1);
    world.act(3, careful).unwrap();
}

#[test]
fn a_lender_who_comes_after_a_call_gains_nothing_by_it() {
    let (mut world, market) = World::lent(terms(), 5_000);
    world.open(2, market, 5_000, 5_000);
    world.call(3, market, 1);
    let shares = world.lend(5, market, 5_000);
    world.repay(2, market, 1);
    // It bought at high: what the repayment brings is no gain. Rounded down.
    assert_eq!(world.redeem(5, market, shares), 4_999);
}

#[test]
fn a_borrower_that_bids_for_its_own_collateral_gets_no_better_price_than_others() {
    let (mut world, market) = World::lent(terms(), 5_000);
    world.open(2, market, 1_000, 1_000);
    world.call(3, market, 1);
    let before = Worth::of(&world, market);
    world.pass(60);
    let other = world.clone().bid(4, market, 1);
    assert_eq!(world.bid(2, market, 1), other);
    world.act(2, close(market, 1)).unwrap();
    // It has paid the whole debt, for all its collateral.
    assert_eq!(other.0, 1_000);
    assert_eq!(world.held(2, gold()), RICHES);
    assert_eq!(Worth::of(&world, market).high, before.high);
}

#[test]
fn zero_amounts_do_nothing() {
    let (mut world, market) = World::lent(terms(), 5_000);
    world.open(2, market, 1_000, 500);
    for op in [
        lend(market, 0),
        redeem(market, 0),
        borrow(market, 0, 1_000, 0),
        borrow(market, 1, 5, 0),
        repay(market, 1, 0, 5),
        super::world::add(market, 1, 0),
    ] {
        assert!(
            matches!(world.effects(2, op), Err(CreditFault::TooLittle { .. })),
            "{op:?}"
        );
    }
}
