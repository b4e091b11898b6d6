//! The base fee moves as EIP-1559 says, and blocks take what pays best.

use alloy::primitives::U256;
use nthroot_bench::congestion::{
    block::{Built, Order, Want, build, entry},
    market::Market,
};
use proptest::prelude::*;

const GWEI: u64 = 1_000_000_000;
const ETHER: f64 = 1e18;

/// The formula of the EIP, in integers without bounds.
fn expected(market: Market, base_fee: u64, gas_used: u64) -> U256 {
    let target = U256::from(market.gas_limit / market.elasticity);
    let (fee, used) = (U256::from(base_fee), U256::from(gas_used));
    let denominator = U256::from(market.denominator);
    if used == target {
        fee
    } else if used > target {
        fee + (fee * (used - target) / target / denominator).max(U256::from(1))
    } else {
        fee - fee * (target - used) / target / denominator
    }
}

proptest! {
    #[test]
    fn the_base_fee_moves_by_the_formula(
        gas_limit in 10_000_u64..1_000_000_000,
        elasticity in 1_u64..8,
        denominator in 2_u64..64,
        base_fee in prop_oneof![0..100_u64, 0..1_000 * GWEI],
        share in 0.0..=1.0_f64,
    ) {
        let market = Market { gas_limit, elasticity, denominator };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a part of the limit")]
        let gas_used = (share * gas_limit as f64) as u64;
        prop_assert_eq!(U256::from(market.next_base_fee(base_fee, gas_used)), expected(market, base_fee, gas_used));
    }

    #[test]
    fn one_more_transaction_enters_exactly_above_the_entry_tip(
        wants in prop::collection::vec((1_u64..20, 0..50_u128, 0..30_u128), 0..40),
        gas in 1_u64..40,
        base_fee in 0_u64..30,
    ) {
        let market = Market { gas_limit: 60, elasticity: 2, denominator: 8 };
        let mut waiting: Vec<Want> = wants
            .into_iter()
            .map(|(gas, max_fee, tip)| Want { gas, used: gas, max_fee, tip })
            .collect();
        let built = build(market, base_fee, Order::Tip, &waiting);
        prop_assert!(built.gas_used <= market.gas_limit);
        let least = entry(market, base_fee, &waiting, &built, gas);
        for tip in 0..31 {
            waiting.push(Want { gas, used: gas, max_fee: 1_000, tip });
            let with: Built = build(market, base_fee, Order::Tip, &waiting);
            let is_in = with.taken.contains(&(waiting.len() - 1));
            prop_assert_eq!(is_in, least.is_none_or(|least| tip > least), "tip {} against {:?}", tip, least);
            waiting.pop();
        }
    }
}

#[test]
fn full_blocks_double_the_base_fee_in_six_and_multiply_it_by_ten_in_twenty() {
    let blocks_until = |factor: u64| {
        let mut fees = Market::MAINNET.full_blocks(GWEI);
        fees.position(|fee| fee >= factor * GWEI).unwrap()
    };
    assert_eq!((blocks_until(2), blocks_until(10)), (6, 20));
    // 5.9 and 19.5, since the last of them are not needed whole.
    assert_eq!(format!("{:.1}", 2_f64.ln() / 1.125_f64.ln()), "5.9");
    assert_eq!(format!("{:.1}", 10_f64.ln() / 1.125_f64.ln()), "19.5");
}

#[test]
fn filling_every_block_costs_what_is_published() {
    for (minutes, blocks, ether) in [
        (5.0, 25, 8.6),
        (10.0, 50, 173.0),
        (12.8, 64, 901.0),
        (15.0, 75, 3_293.0),
    ] {
        assert_eq!((minutes * 5.0_f64).round(), f64::from(blocks));
        let blocks = usize::try_from(blocks).unwrap();
        #[allow(clippy::cast_precision_loss, reason = "it is rounded")]
        let bill = Market::MAINNET.bill_of_filling(GWEI, blocks) as f64 / ETHER;
        assert!((bill / ether - 1.0).abs() < 0.006, "{bill} instead of {ether}");
    }
}

#[test]
fn who_pays_most_comes_first_and_who_came_first_among_equals() {
    let market = Market {
        gas_limit: 10,
        elasticity: 2,
        denominator: 8,
    };
    let want = |gas, max_fee, tip| Want {
        gas,
        used: gas,
        max_fee,
        tip,
    };
    // The fourth pays too little in all; the third brings 2 beyond the base fee, although it offers 9.
    let waiting = [
        want(4, 20, 3),
        want(4, 20, 3),
        want(4, 12, 9),
        want(1, 9, 9),
        want(2, 20, 1),
    ];
    assert_eq!(build(market, 10, Order::Tip, &waiting).taken, [0, 1, 4]);
    assert_eq!(build(market, 8, Order::Tip, &waiting).taken, [2, 0, 3]);
    assert_eq!(build(market, 9, Order::MaxFee, &waiting).taken, [0, 1, 4]);
}
