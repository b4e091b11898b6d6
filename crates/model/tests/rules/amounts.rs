//! Arithmetic of rules (section 11).

use alloy_primitives::U256;
use nthroot_model::rules::amounts::{
    AmountError, add, div_down, div_up, mul, mul_div_down, mul_div_up, narrow, sqrt_down, sub,
};
use proptest::prelude::*;

use crate::bench::{amount, config};

const ONE: U256 = U256::ONE;

#[test]
fn what_leaves_256_bits_or_is_divided_by_zero_fails() {
    assert_eq!(add(U256::MAX, ONE), Err(AmountError::Overflow));
    assert_eq!(sub(ONE, ONE + ONE), Err(AmountError::Underflow));
    assert_eq!(mul(ONE << 128, ONE << 128), Err(AmountError::Overflow));
    assert_eq!(div_down(ONE, U256::ZERO), Err(AmountError::DivisionByZero));
    assert_eq!(div_up(U256::ZERO, U256::ZERO), Err(AmountError::DivisionByZero));
    assert_eq!(
        mul_div_down(ONE << 128, ONE << 128, U256::MAX),
        Err(AmountError::Overflow)
    );
    assert_eq!(mul_div_up(ONE, ONE, U256::ZERO), Err(AmountError::DivisionByZero));
}

#[test]
fn the_largest_numbers_round_as_small_ones_do() {
    assert_eq!(div_up(U256::MAX, ONE), Ok(U256::MAX));
    assert_eq!(div_up(U256::MAX, ONE + ONE), Ok(ONE << 255));
    assert_eq!(div_down(U256::MAX, ONE + ONE), Ok((ONE << 255) - ONE));
    assert_eq!(sqrt_down(U256::MAX), (ONE << 128) - ONE);
}

#[test]
fn an_amount_has_128_bits() {
    assert_eq!(narrow((ONE << 128) - ONE), Ok(u128::MAX));
    assert_eq!(narrow(ONE << 128), Err(AmountError::TooLarge(ONE << 128)));
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn quotients_lie_on_the_side_that_their_name_says(a in amount(), b in amount(), by in amount()) {
        prop_assume!(by != 0);
        let (a, b, by) = (U256::from(a), U256::from(b), U256::from(by));
        let (down, up) = (mul_div_down(a, b, by).unwrap(), mul_div_up(a, b, by).unwrap());
        prop_assert!(down * by <= a * b && a * b - down * by < by);
        prop_assert_eq!(up, if down * by == a * b { down } else { down + ONE });
    }

    #[test]
    fn a_root_is_the_largest_whose_square_is_not_above(a in amount(), b in amount()) {
        let square = U256::from(a) * U256::from(b);
        let root = sqrt_down(square);
        prop_assert!(root * root <= square);
        prop_assert!((root + ONE).checked_mul(root + ONE).is_none_or(|next| next > square));
        prop_assert_eq!(sqrt_down(U256::from(a) * U256::from(a)), U256::from(a));
    }
}
