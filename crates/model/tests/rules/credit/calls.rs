//! Calls that are not made to find out what a loan is worth: what they cost, and to whom.

use std::cell::RefCell;

use alloy_primitives::U256;
use nthroot_model::rules::credit::quotes;
use nthroot_protocol::{FragmentId, rules::credit::Terms};
use proptest::{prelude::*, test_runner::TestRunner};

use crate::bench::config;

use super::{
    oracle::{self, Worth, wide},
    world::{RICHES, WAD, World, borrow, call, gold, lend, redeem, repay, terms, usd},
};

/// A fee of 5 %, interest of so many millionths of the principal in a block.
fn rate(millionths: u64) -> Terms {
    let rate = millionths * 1_000_000_000_000;
    Terms { rate, ..terms() }
}

/// What a user has spent of what is lent.
fn spent(world: &World, user: u8) -> u128 {
    RICHES - world.held(user, usd())
}

fn redeem_all(world: &mut World, user: u8, market: FragmentId) -> u128 {
    let shares = world.shares(user, market);
    world.redeem(user, market, shares)
}

#[test]
fn a_call_lowers_low_by_the_debt_and_raises_both_by_the_fee() {
    for (call_fee, fee) in [(0, 0), (1, 1), (50_000, 51), (100_000, 101)] {
        let (mut world, market) = World::lent(Terms { call_fee, ..terms() }, 10_000);
        world.open(2, market, 2_000, 1_000);
        world.pass(5);
        let before = Worth::of(&world, market);
        world.call(3, market, 1);
        let after = Worth::of(&world, market);
        assert_eq!((spent(&world, 3), world.debt(market, 1)), (fee, 1_005));
        assert_eq!(after.high, before.high + wide(fee));
        assert_eq!(after.low + wide(1_005_u32), before.low + wide(fee));
    }
}

#[test]
fn a_borrower_that_calls_itself_loses_if_the_fee_exceeds_the_interest_and_saves_if_not() {
    // An auction takes 210 blocks from the call: 2.1 % or 21 % of interest, and a fee of 5 %.
    for (millionths, loses) in [(100, true), (1_000, false)] {
        let (mut honest, market) = World::lent(rate(millionths), 10_000);
        honest.open(2, market, 2_000, 1_000);
        let mut world = honest.clone();
        world.call(2, market, 1);
        let mut saved = false;
        for blocks in 0..=210_u64 {
            let (mut world, mut honest) = (world.clone(), honest.clone());
            for world in [&mut world, &mut honest] {
                world.pass(blocks);
                world.repay(2, market, 1);
                assert_eq!(world.held(2, gold()), RICHES);
                // What it costs is what the lenders have of it.
                let gain = wide(spent(world, 2));
                assert_eq!(Worth::of(world, market).low, wide(10_000_u32) + gain);
            }
            let interest = (u128::from(millionths) * u128::from(blocks)).div_ceil(1_000);
            assert_eq!((spent(&world, 2), spent(&honest, 2)), (50, interest));
            saved |= interest > 50;
        }
        assert_eq!(saved, !loses);
    }
}

#[test]
fn what_a_borrower_lends_itself_makes_neither_fee_nor_interest_dearer_than_the_other() {
    // Interest of 40 in 40 blocks, a fee of 50; of either it gets its part back.
    for (lent, interest, fee) in [(0, 40, 50), (10_000, 20, 25), (90_000, 4, 5)] {
        for (calls, cost) in [(false, interest), (true, fee)] {
            let (mut world, market) = World::lent(terms(), 10_000);
            if lent != 0 {
                world.lend(2, market, lent);
            }
            world.open(2, market, 2_000, 1_000);
            if calls {
                world.call(2, market, 1);
            }
            world.pass(40);
            world.repay(2, market, 1);
            if lent != 0 {
                redeem_all(&mut world, 2, market);
            }
            let paid = spent(&world, 2);
            assert!((cost..=cost + 1).contains(&paid), "{lent} {calls}: {paid}");
        }
    }
}

#[test]
fn holding_low_down_costs_the_fee_again_and_again_but_for_the_own_part() {
    // A lender that borrows too, calls its loan, and renews it when the grace ends.
    for (own, others) in [(2_500_u128, 7_500_u128), (5_000, 5_000), (7_500, 2_500)] {
        let (mut world, market) = World::lent(rate(0), others);
        world.lend(5, market, own);
        let mut serial = world.open(5, market, 2_000, 1_000);
        for cycle in 1..=10_u128 {
            world.call(5, market, serial);
            // A debt of 1,000 is missing from low.
            assert_eq!(world.low(market).to::<u128>(), 9_000 + 50 * cycle);
            world.pass(10);
            world.same_batch = true;
            let next = world.open(5, market, 2_000, 1_000);
            world.repay(5, market, serial);
            world.next_batch();
            serial = next;
        }
        world.repay(5, market, serial);
        redeem_all(&mut world, 5, market);
        // 10 · fee · debt · (1 − own share)
        let least = 10 * 1_000 / 20 * others / (own + others);
        let lost = spent(&world, 5);
        assert!((least..=least + 1).contains(&lost), "{lost}, expected {least}");
        assert!(redeem_all(&mut world, 1, market) >= others + least - 1);
    }
}

#[test]
fn a_called_loan_is_renewed_without_money_but_the_fee() {
    // It borrows on one position to repay the other, and calls it again: ten blocks for 5 %, where interest is 1 %.
    let (mut world, market) = World::lent(terms(), 10_000);
    let mut serial = world.open(2, market, 2_000, 1_000);
    for cycle in 1..=10 {
        world.call(2, market, serial);
        world.pass(10);
        let next = world.open(2, market, 2_000, 1_000);
        world.repay(2, market, serial);
        serial = next;
        assert_eq!(RICHES + 1_000 - world.held(2, usd()), 50 * cycle);
        assert_eq!(Worth::of(&world, market).high, wide(10_000 + 50 * cycle));
    }
}

#[test]
fn at_its_limit_a_borrower_that_calls_itself_a_block_later_pays_the_whole_fee() {
    // It borrows all that its collateral covers, so one block's interest is bare. What that takes from the fee, it owes.
    let terms = Terms {
        call_fee: 100_000,
        grace: 1_000,
        ..rate(10)
    };
    let (mut world, market) = World::lent(terms, 3_000_000);
    let mut serial = world.open(2, market, 1_000_000, 1_000_000);
    for cycle in 1..=10 {
        world.pass(1);
        assert_eq!(world.act(2, call(market, serial)).unwrap().len(), 4);
        world.pass(1_000);
        let next = world.open(2, market, 1_000_000, 1_000_000);
        world.repay(2, market, serial);
        serial = next;
        // 1,000,010 · 10 %: 10 of interest, the rest as a fee.
        assert_eq!(RICHES + 1_000_000 - world.held(2, usd()), 100_001 * cycle);
        assert_eq!(Worth::of(&world, market).high, wide(3_000_000 + 100_001 * cycle));
    }
}

#[test]
fn whoever_calls_a_loan_and_whenever_fee_and_interest_are_the_call_fee_at_least() {
    let counts = RefCell::new([0_u32; 3]);
    // Up to a millionth and up to a thousandth in a block.
    let rate = prop_oneof![1 => Just(0), 4 => 1..1_000_000_000_000_u64, 6 => 1..1_000_000_000_000_000_u64];
    // Collateral, and which part of its cover is borrowed, in 256ths.
    let loan = (1_000..1_000_000_u128, prop_oneof![1 => 1..=256_u128, 2 => Just(256)]);
    let blocks = || prop_oneof![1 => Just(0), 4 => 1..100_u64, 2 => 1..1_000_u64];
    // What is borrowed or repaid between, in 256ths of the loan, if it can be.
    let parts = || prop_oneof![Just(0), 0..=128_u128];
    let change = (any::<bool>(), parts(), parts());
    let config = config();
    let cases = config.cases;
    let tries = (rate, 1..5 * WAD, 0..=100_000_u32, loan, blocks(), change, blocks());
    TestRunner::new(config)
        .run(&tries, |(rate, ratio, call_fee, loan, first, change, then)| {
            let terms = Terms {
                rate,
                ratio,
                call_fee,
                minimum: 1,
                ..terms()
            };
            let (mut world, market) = World::lent(terms, 10_000_000);
            let (collateral, part) = loan;
            let amount = collateral * ratio / WAD * part / 256;
            prop_assume!(amount != 0);
            world.open(2, market, collateral, amount);
            world.pass(first);
            let (more, of_amount, of_collateral) = change;
            let (of_amount, of_collateral) = (amount * of_amount / 256, collateral * of_collateral / 256);
            let change = if more {
                borrow(market, 1, of_collateral, of_amount)
            } else {
                repay(market, 1, of_amount, of_collateral)
            };
            let _ = world.act(2, change);
            world.pass(then);

            let (principal, debt) = (world.position(market, 1).principal, world.debt(market, 1));
            let expected = oracle::call_fee(&terms, wide(debt), world.collateral(market, 1));
            let whole = oracle::call_fee(&terms, wide(debt), u128::MAX);
            world.call(3, market, 1);
            let fee = spent(&world, 3);
            assert_eq!((wide(fee), world.debt(market, 1)), (expected, debt));
            assert!((fee + debt - principal) * 1_000_000 >= debt * u128::from(call_fee));
            let case = usize::from(expected < whole) + usize::from(expected < whole && fee == 0);
            counts.borrow_mut()[case] += 1;
            Ok(())
        })
        .unwrap();
    // The whole fee, a part of it, none of it.
    let counts = counts.into_inner();
    assert!(cases < 256 || counts.iter().all(|count| *count >= 40), "{counts:?}");
}

#[test]
fn the_largest_debts_have_a_fee_and_the_largest_covers_too() {
    let most = u128::MAX;
    let tenth = most / 10 + 1;
    for (ratio, collateral, fee) in [
        (most, most, tenth),
        (WAD, most, tenth),
        (WAD, most - 1, tenth - 1),
        (WAD, most - tenth + 1, 1),
        (WAD, most - tenth, 0),
        (WAD, 0, 0),
        (1, most, 0),
    ] {
        let terms = Terms {
            ratio,
            call_fee: 100_000,
            ..terms()
        };
        let quoted = quotes::call_fee_up(&terms, U256::from(most), collateral);
        assert_eq!(quoted, Ok(U256::from(fee)), "{ratio} {collateral}");
        assert_eq!(oracle::call_fee(&terms, wide(most), collateral), wide(fee));
    }
}

#[test]
fn whoever_lends_much_for_a_while_calls_for_little() {
    let (mut world, market) = World::lent(rate(0), 10_000);
    world.open(2, market, 16_000, 8_000);
    world.lend(5, market, 990_000);
    world.call(5, market, 1);
    // It has paid 400. Leaving at once would cost its part of the debt.
    let mut hasty = world.clone();
    redeem_all(&mut hasty, 5, market);
    assert_eq!(spent(&hasty, 5), 7_924);
    world.repay(2, market, 1);
    redeem_all(&mut world, 5, market);
    assert_eq!(spent(&world, 5), 5);
    // Lenders for longer get what is left: 400 · 1 %.
    assert_eq!(redeem_all(&mut world, 1, market), 10_004);
}

#[test]
fn what_is_paid_after_all_shares_are_gone_is_nobodys() {
    let (mut world, market) = World::lent(terms(), 10_000);
    world.open(2, market, 2_000, 1_000);
    world.call(3, market, 1);
    assert_eq!(redeem_all(&mut world, 1, market), 9_050);
    for blocks in [0, 5] {
        // Who comes pays high, before the payment and after it.
        let mut world = world.clone();
        if blocks == 0 {
            world.lend(4, market, 5_000);
        }
        world.act(2, repay(market, 1, u128::MAX, 0)).unwrap();
        if blocks != 0 {
            world.act(4, lend(market, 5_000)).unwrap();
        }
        assert_eq!(redeem_all(&mut world, 4, market), 4_999);
        assert_eq!((world.market(market).shares, world.idle(market)), (0, 1_001));
    }
}

#[test]
fn fees_do_not_make_a_share_dear_for_the_next_lender() {
    // Who lends little first, and gives the market much by calling itself, loses what the shares that nobody has get.
    let (mut world, market) = World::with(Terms {
        call_fee: 100_000,
        minimum: 1,
        ..rate(0)
    });
    world.lend(5, market, 1);
    let first = world.shares(5, market);
    world.lend(5, market, 10_000);
    for serial in 1..=50 {
        world.open(5, market, 20_000, 10_000);
        world.call(5, market, serial);
        world.repay(5, market, serial);
    }
    let all = world.shares(5, market);
    world.act(5, redeem(market, all - first)).unwrap();
    for amount in [2, 7, 1_000, 1_000_000] {
        let mut world = world.clone();
        let shares = world.lend(1, market, amount);
        assert!(world.redeem(1, market, shares) >= amount - 1);
        redeem_all(&mut world, 5, market);
        assert!(spent(&world, 5) > 0);
    }
}
