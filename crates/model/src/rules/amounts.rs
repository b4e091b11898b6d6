//! The arithmetic of rules (section 11): unsigned numbers of 256 bits. Whatever would leave that range, or be divided by
//! zero, fails, and so does what does not fit where it is stored.

use alloy_primitives::U256;

use crate::rule::RuleFailure;

/// Why there is no such number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Above 2^256 − 1.
    #[error("a number exceeds 256 bits")]
    Overflow,
    /// Below zero.
    #[error("a number is below zero")]
    Underflow,
    /// Divided by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// Too large for what it is stored in.
    #[error("{0} does not fit where it is stored")]
    TooLarge(U256),
}

impl From<AmountError> for RuleFailure {
    fn from(error: AmountError) -> Self {
        Self(error.to_string())
    }
}

/// The sum.
///
/// # Errors
///
/// If it exceeds 256 bits.
pub fn add(a: U256, b: U256) -> Result<U256, AmountError> {
    a.checked_add(b).ok_or(AmountError::Overflow)
}

/// The difference.
///
/// # Errors
///
/// If it is below zero.
pub fn sub(a: U256, b: U256) -> Result<U256, AmountError> {
    a.checked_sub(b).ok_or(AmountError::Underflow)
}

/// The product.
///
/// # Errors
///
/// If it exceeds 256 bits.
pub fn mul(a: U256, b: U256) -> Result<U256, AmountError> {
    a.checked_mul(b).ok_or(AmountError::Overflow)
}

/// The quotient, rounded down.
///
/// # Errors
///
/// If the divisor is zero.
pub fn div_down(a: U256, by: U256) -> Result<U256, AmountError> {
    a.checked_div(by).ok_or(AmountError::DivisionByZero)
}

/// The quotient, rounded up.
///
/// # Errors
///
/// If the divisor is zero.
pub fn div_up(a: U256, by: U256) -> Result<U256, AmountError> {
    let down = div_down(a, by)?;
    // No overflow: with a remainder the divisor is above 1, and the quotient at most half of the range.
    Ok(if a.checked_rem(by) == Some(U256::ZERO) {
        down
    } else {
        down + U256::ONE
    })
}

/// `a · b / by`, rounded down.
///
/// # Errors
///
/// If the product exceeds 256 bits, or the divisor is zero.
pub fn mul_div_down(a: U256, b: U256, by: U256) -> Result<U256, AmountError> {
    div_down(mul(a, b)?, by)
}

/// `a · b / by`, rounded up.
///
/// # Errors
///
/// If the product exceeds 256 bits, or the divisor is zero.
pub fn mul_div_up(a: U256, b: U256, by: U256) -> Result<U256, AmountError> {
    div_up(mul(a, b)?, by)
}

/// The square root, rounded down.
pub fn sqrt_down(a: U256) -> U256 {
    // By bisection: low² ≤ a < high² throughout.
    let (mut low, mut high) = (U256::ZERO, U256::ONE << 128);
    while high - low > U256::ONE {
        let middle = (low + high) >> 1;
        // The middle is below 2^128, so its square does not overflow.
        if middle * middle <= a {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// The number as an amount.
///
/// # Errors
///
/// If it is not below 2^128.
pub fn narrow(a: U256) -> Result<u128, AmountError> {
    a.try_into().map_err(|_| AmountError::TooLarge(a))
}
