//! What others may try with a pool.

use std::cell::RefCell;

use nthroot_model::rules::pool::{Liquidity, PoolFailure};
use nthroot_protocol::{
    FragmentId,
    rules::pool::{LOCKED_SHARES, PoolOp, Side},
};
use proptest::{prelude::*, test_runner::TestRunner};

use super::{add, buy, k_holds, k_of_a_share_holds, pool, pool_id, remove, sell};
use crate::bench::{amount, config};

/// The pool after an operation.
fn after(pool: &Liquidity, op: impl Fn(FragmentId) -> PoolOp) -> Liquidity {
    pool.after(pool_id(), 1, op(pool_id())).unwrap().0
}

/// Whether somebody has taken something out of a pool, and put in nothing.
fn is_drained(before: &Liquidity, after: &Liquidity) -> bool {
    before.reserves != after.reserves
        && before
            .reserves
            .iter()
            .zip(&after.reserves)
            .all(|(before, after)| after <= before)
}

#[test]
fn dust_sold_again_and_again_buys_no_more_than_at_once() {
    for fee in [0, 1, 3_000] {
        let start = pool(fee, 5_000, [1_000, 1_000_000]);
        let mut pool = start;
        let mut bought = 0;
        for _ in 0..500 {
            match pool.quote_sell(Side::Zero, 1) {
                Ok(amount) => bought += amount,
                // A unit after a fee is nothing.
                Err(error) => {
                    assert_eq!((error, fee > 0), (PoolFailure::Bought(0), true));
                    break;
                }
            }
            pool = after(&pool, sell(Side::Zero, 1));
        }
        assert!(bought <= start.quote_sell(Side::Zero, 500).unwrap());
    }
}

#[test]
fn roundings_go_there_and_back_without_profit() {
    // Without a fee rounding is all that stands between a trader and a free unit.
    for reserves in [[1, 1], [2, 3], [7, 1_000], [1_000, 1_001], [999_999_937, 2]] {
        let start = pool(0, 5_000, reserves);
        for amount in 1..200 {
            for side in Side::BOTH {
                let Ok(bought) = start.quote_sell(side, amount) else {
                    continue;
                };
                let there = after(&start, sell(side, amount));
                if let Ok(back) = there.quote_sell(side.other(), bought) {
                    assert!(back <= amount);
                }
                let cost = start.quote_buy(side.other(), bought).unwrap();
                assert!(cost <= amount);
                let there = after(&start, buy(side.other(), bought));
                // What was paid cannot be bought back for less than was bought.
                assert!(there.quote_buy(side, cost).is_ok_and(|again| again >= bought));
            }
        }
    }
}

#[test]
fn a_sandwich_takes_no_more_than_the_victim_has_signed() {
    let id = pool_id();
    let start = pool(3_000, 1_000_000, [1_000_000, 1_000_000]);
    let fair = start.quote_sell(Side::Zero, 10_000).unwrap();
    let victim = |at_least| PoolOp::Sell {
        pool: id,
        side: Side::Zero,
        amount: 10_000,
        at_least,
    };
    let (mut squeezed, mut refused) = (0, 0);
    for front in (500..20_000).step_by(500) {
        let pool = after(&start, sell(Side::Zero, front));
        match pool.after(id, 1, victim(fair - 100)) {
            Ok((hit, _)) => {
                let got = pool.reserves[1] - hit.reserves[1];
                assert!((fair - 100..fair).contains(&got));
                squeezed += 1;
            }
            Err(failure) => {
                assert!(matches!(failure, PoolFailure::TooLittle { .. }), "{failure}");
                refused += 1;
            }
        }
        // Who leaves no room is not hit at all.
        assert!(pool.after(id, 1, victim(fair)).is_err());
    }
    assert!(squeezed >= 5 && refused >= 5, "{squeezed} squeezed, {refused} refused");
}

#[test]
fn a_round_trip_around_nobody_only_pays_the_fee() {
    let start = pool(3_000, 1_000_000, [1_000_000, 1_000_000]);
    let there = after(&start, sell(Side::Zero, 100_000));
    let bought = start.reserves[1] - there.reserves[1];
    let back = after(&there, sell(Side::One, bought));
    assert_eq!(back.reserves[1], start.reserves[1]);
    assert!(back.reserves[0] > start.reserves[0] + 500);
}

#[test]
fn the_first_depositor_cannot_inflate_a_share() {
    // The least there can be: one share, and the 1,000 of nobody. A price beyond reason is made by trading, for nobody can
    // donate; and the next one still pays and gets its part to the unit.
    let first = after(&pool(0, 0, [0, 0]), add([1_001, 1_001]));
    assert_eq!(first.state.shares, LOCKED_SHARES + 1);
    let inflated = after(&first, sell(Side::Zero, 1 << 60));
    let victim = [1 << 70, 1 << 70];
    let added = inflated.quote_add(victim).unwrap();
    let joined = after(&inflated, add(victim));
    let back = joined.quote_remove(added.minted).unwrap();
    for (paid, back) in added.paid.into_iter().zip(back) {
        assert!(paid - back <= 1);
    }
    // What the first one takes out in the end is less than it has put in.
    let left = after(&joined, remove(1));
    let end = after(&left, remove(added.minted));
    assert!(end.reserves.iter().all(|reserve| *reserve > 0));
}

#[test]
fn an_addition_too_small_for_a_share_costs_nothing() {
    // Not rounded to no share for something, as where shares are inflated.
    let dear = pool(0, 1_001, [1 << 60, 1 << 60]);
    let failed = dear.after(pool_id(), 1, add([1 << 49, 1 << 49])(pool_id()));
    assert_eq!(failed.map(|_| ()), Err(PoolFailure::NoShares));
}

#[test]
fn zero_is_no_amount() {
    let id = pool_id();
    let some = pool(0, 5_000, [10_000, 5_000]);
    for op in [
        add([0, 0])(id),
        add([0, 1_000])(id),
        remove(0)(id),
        sell(Side::Zero, 0)(id),
        buy(Side::Zero, 0)(id),
    ] {
        assert!(some.after(id, 1, op).is_err(), "{op:?}");
    }
}

#[test]
fn the_largest_amounts_neither_wrap_nor_drain() {
    const ALL: u128 = u128::MAX;
    let id = pool_id();
    let whale = after(&pool(0, 0, [0, 0]), add([ALL, ALL]));
    assert_eq!(whale.state.shares, ALL);
    for op in [add([ALL, ALL])(id), sell(Side::Zero, ALL)(id), buy(Side::One, ALL)(id)] {
        assert!(whale.after(id, 1, op).is_err(), "{op:?}");
    }
    let left = after(&whale, remove(ALL - LOCKED_SHARES));
    assert_eq!((left.reserves, left.state.shares), ([1_000, 1_000], 1_000));
    // Somebody begins again where everybody has left.
    let again = after(&left, add([50, 50]));
    assert_eq!((again.reserves, again.state.shares), ([1_050, 1_050], 1_050));
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn shares_bought_and_given_back_are_no_profit(
        fee in 0..=100_000_u32,
        shares in (1_000..u128::MAX >> 2),
        (r0, r1) in (amount(), amount()),
        at_most in (amount(), amount()),
        after_trade in proptest::option::of(amount()),
    ) {
        let reserves = [(r0 >> 2).max(1), (r1 >> 2).max(1)];
        let start = pool(fee, shares, reserves);
        let id = pool_id();
        let Ok((joined, _)) = start.after(id, 1, add([at_most.0, at_most.1])(id)) else { return Ok(()); };
        let minted = joined.state.shares - shares;
        prop_assert!(k_of_a_share_holds(&start, &joined));
        let paid = [0, 1].map(|n| joined.reserves[n] - reserves[n]);
        prop_assert!(paid[0] <= at_most.0 && paid[1] <= at_most.1);
        let back = joined.quote_remove(minted).unwrap();
        for (paid, back) in paid.into_iter().zip(back) {
            // At most what was paid, and less by a unit at most: nobody's rounding is worth more.
            prop_assert!(back <= paid && paid - back <= 1);
        }
        // Nor with a trade of one's own in between, which ends where the pool has as much for a share as before.
        if let Some((traded, _)) = after_trade.and_then(|amount| joined.after(id, 1, sell(Side::Zero, amount)(id)).ok()) {
            prop_assert!(k_holds(&joined, &traded));
            let (end, _) = traded.after(id, 1, remove(minted)(id)).unwrap();
            prop_assert!(k_of_a_share_holds(&start, &end));
            prop_assert!(!is_drained(&start, &end));
        }
    }
}

#[test]
fn a_victim_who_gets_the_fair_amount_is_no_attackers_gain() {
    // Fronts so small that rounding may hide them.
    let strategy = (
        (1_000..1_u128 << 40, 1_000..1_u128 << 40),
        prop_oneof![Just(0), 0..=100_000_u32],
        1..2_000_u128,
        1..10_000_u128,
    );
    let unharmed = RefCell::new(0_u32);
    TestRunner::new(config())
        .run(&strategy, |((r0, r1), fee, front, amount)| {
            let id = pool_id();
            let start = pool(fee, 5_000, [r0, r1]);
            let next = |pool: Liquidity, op| pool.after(id, 1, op).ok().map(|(pool, _)| pool);
            let run = || {
                let fair = start.quote_sell(Side::Zero, amount).ok()?;
                let fronted = next(start, sell(Side::Zero, front)(id))?;
                let hit = next(fronted, sell(Side::Zero, amount)(id))?;
                let bought = start.reserves[1] - fronted.reserves[1];
                let end = next(hit, sell(Side::One, bought)(id))?;
                let got = fronted.reserves[1] - hit.reserves[1];
                Some((fair, got, hit.reserves[0] - end.reserves[0]))
            };
            let Some((fair, got, back)) = run() else { return Ok(()) };
            prop_assert!(got <= fair);
            if got == fair {
                *unharmed.borrow_mut() += 1;
                prop_assert!(back <= front);
            }
            Ok(())
        })
        .unwrap();
    let unharmed = unharmed.into_inner();
    assert!(unharmed >= config().cases / 20, "{unharmed}");
}
