//! Amounts.

use nthroot_model::rules::{
    amounts::AmountError,
    pool::{Added, PoolFailure},
};
use nthroot_protocol::rules::pool::Side;
use proptest::prelude::*;

use super::{add, buy, pool, pool_id, sell, wide};
use crate::bench::{amount, config};

const ALL: u128 = u128::MAX;

#[test]
fn the_first_shares_are_the_root_of_the_product_less_1000() {
    let empty = pool(3_000, 0, [0, 0]);
    for (paid, shares) in [
        ([1_001, 1_001], 1_001),
        ([1_002_001, 1], 1_001),
        ([1_004_003, 1], 1_001),
        ([4_000_000, 9_000_000], 6_000_000),
        ([ALL, ALL], ALL),
    ] {
        let minted = shares - 1_000;
        assert_eq!(empty.quote_add(paid), Ok(Added { paid, minted, shares }));
    }
    for paid in [[0, 0], [0, ALL], [1, 1], [1_000, 1_000], [1_002_000, 1]] {
        assert_eq!(empty.quote_add(paid), Err(PoolFailure::NoShares));
    }
}

#[test]
fn later_shares_are_the_lesser_part_and_are_paid_for_rounded_up() {
    let pool = pool(0, 2_000, [3_000, 700]);
    // 100 · 2000 / 3000 = 66.6 and 100 · 2000 / 700 = 285.7; 66 shares are 99 of asset 0 and 23.1 of asset 1.
    let added = Added {
        paid: [99, 24],
        minted: 66,
        shares: 66,
    };
    assert_eq!(pool.quote_add([100, 100]), Ok(added));
    assert_eq!(pool.quote_add([100, 24]), Ok(added));
    // 23 · 2000 / 700 = 65.7.
    let less = Added {
        paid: [98, 23],
        minted: 65,
        shares: 65,
    };
    assert_eq!(pool.quote_add([100, 23]), Ok(less));
    // 1 · 2000 / 3000 is none.
    for at_most in [[1, 100], [0, 100], [100, 0]] {
        assert_eq!(pool.quote_add(at_most), Err(PoolFailure::NoShares));
    }
}

#[test]
fn shares_are_paid_out_rounded_down_and_1000_are_nobodys() {
    let pool = pool(0, 2_000, [3_001, 7]);
    assert_eq!(pool.quote_remove(1), Ok([1, 0]));
    assert_eq!(pool.quote_remove(999), Ok([1_498, 3]));
    assert_eq!(pool.quote_remove(1_000), Ok([1_500, 3]));
    for shares in [0, 1_001, 2_000, ALL] {
        assert_eq!(pool.quote_remove(shares), Err(PoolFailure::Burnt(shares)));
    }
    let empty = super::pool(0, 0, [0, 0]);
    assert_eq!(empty.quote_remove(1), Err(PoolFailure::Burnt(1)));
}

#[test]
fn a_sale_pays_the_fee_first_and_is_rounded_down_twice() {
    let pool = pool(3_000, 5_000, [10_000, 5_000]);
    // 999 · 0.997 = 996.003: 996; 996 · 5000 / 10996 = 452.9.
    assert_eq!(pool.quote_sell(Side::Zero, 999), Ok(452));
    // 999 · 0.997 = 996; 996 · 10000 / 5996 = 1661.1.
    assert_eq!(pool.quote_sell(Side::One, 999), Ok(1_661));
    // 3 · 0.997 is 2; 2 · 5000 / 10002 is none.
    for amount in [0, 1, 2, 3] {
        assert_eq!(pool.quote_sell(Side::Zero, amount), Err(PoolFailure::Bought(0)));
    }
    assert_eq!(pool.quote_sell(Side::Zero, 4), Ok(1));
    // Whatever is sold, something stays.
    assert_eq!(pool.quote_sell(Side::Zero, ALL), Ok(4_999));
}

#[test]
fn a_purchase_is_rounded_up_twice_and_leaves_something() {
    let pool = pool(3_000, 5_000, [10_000, 5_000]);
    // 10000 · 452 / 4548 = 993.8: 994; 994 / 0.997 = 996.99.
    assert_eq!(pool.quote_buy(Side::One, 452), Ok(997));
    assert_eq!(pool.quote_buy(Side::Zero, 1), Ok(2));
    // 10000 · 4999 / 1, and the fee.
    assert_eq!(pool.quote_buy(Side::One, 4_999), Ok(50_140_422));
    for amount in [0, 5_000, 5_001, ALL] {
        assert_eq!(pool.quote_buy(Side::One, amount), Err(PoolFailure::Bought(amount)));
    }
}

#[test]
fn an_empty_pool_trades_nothing() {
    let empty = pool(0, 0, [0, 0]);
    for side in Side::BOTH {
        assert_eq!(
            empty.quote_sell(side, 0),
            Err(PoolFailure::Amount(AmountError::DivisionByZero))
        );
        assert_eq!(empty.quote_sell(side, 10), Err(PoolFailure::Bought(0)));
        assert_eq!(empty.quote_buy(side, 1), Err(PoolFailure::Bought(1)));
    }
}

#[test]
fn a_reserve_reaches_2_to_the_128th_less_1_and_no_more() {
    let id = pool_id();
    let pool = pool(0, 5_000, [ALL - 10, ALL - 10]);
    assert_eq!(pool.after(id, 1, sell(Side::Zero, 10)(id)).unwrap().0.reserves[0], ALL);
    let over = |op| matches!(pool.after(id, 1, op), Err(PoolFailure::Amount(_)));
    assert!(over(sell(Side::Zero, 11)(id)));
    assert!(over(buy(Side::One, 11)(id)));
    assert!(over(buy(Side::One, ALL - 11)(id)));
    assert!(over(add([ALL, ALL])(id)));
    // Nor do shares.
    let dear = super::pool(0, ALL, [1 << 100, 1 << 100]);
    assert!(matches!(
        dear.after(id, 1, add([1 << 90, 1 << 90])(id)),
        Err(PoolFailure::Amount(AmountError::TooLarge(_)))
    ));
}

fn side() -> impl Strategy<Value = Side> {
    any::<bool>().prop_map(|one| if one { Side::One } else { Side::Zero })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_a_sale_buys_is_the_most_that_keeps_k(
        fee in 0..=100_000_u32,
        (r0, r1) in (amount(), amount()),
        side in side(),
        amount in amount(),
    ) {
        let pool = pool(fee, 5_000, [r0.max(1), r1.max(1)]);
        let (sold_of, bought_of) = (side.of(pool.reserves), side.other().of(pool.reserves));
        let net = wide(amount) * wide(u128::from(1_000_000 - fee)) / wide(1_000_000);
        let keeps = |bought: u128| (wide(sold_of) + net) * (wide(bought_of) - wide(bought)) >= wide(sold_of) * wide(bought_of);
        match pool.quote_sell(side, amount) {
            Ok(bought) => {
                prop_assert!(bought < bought_of && keeps(bought));
                prop_assert!(bought + 1 == bought_of || !keeps(bought + 1));
            }
            Err(error) => {
                prop_assert_eq!(error, PoolFailure::Bought(0));
                prop_assert!(!keeps(1));
            }
        }
    }

    #[test]
    fn what_a_purchase_costs_is_the_least_that_keeps_k(
        fee in 0..=100_000_u32,
        (r0, r1) in (amount(), amount()),
        side in side(),
        amount in amount(),
    ) {
        let pool = pool(fee, 5_000, [r0.max(2), r1.max(2)]);
        let (bought_of, sold_of) = (side.of(pool.reserves), side.other().of(pool.reserves));
        let amount = 1 + amount % (bought_of - 1);
        let net = |sold: u128| wide(sold) * wide(u128::from(1_000_000 - fee)) / wide(1_000_000);
        let keeps = |sold| (wide(sold_of) + net(sold)) * wide(bought_of - amount) >= wide(sold_of) * wide(bought_of);
        match pool.quote_buy(side, amount) {
            Ok(sold) => {
                prop_assert!(keeps(sold) && !keeps(sold - 1));
                // So selling it buys no less.
                prop_assert!(pool.quote_sell(side.other(), sold).unwrap() >= amount);
            }
            Err(error) => {
                prop_assert!(matches!(error, PoolFailure::Amount(_)));
                prop_assert!(!keeps(ALL));
            }
        }
    }
}
