//! What markets, shares, debts and auctions are worth at a clock. Names say how a quotient is rounded: always in the
//! lenders' favour.

use alloy_primitives::U256;
use nthroot_protocol::rules::credit::{MILLION, Market, Position, Terms, VIRTUAL_SHARES, WAD};

use super::CreditFault;
use crate::rules::amounts::{AmountError, add, div_down, div_up, mul, mul_div_down, mul_div_up, sub};

/// The debts of all positions of a market that are not called, to a unit for each: S + rate·(t·S − M) / 10^18.
///
/// # Errors
///
/// If the clock is before that of an earlier operation.
pub fn owed_down(market: &Market, clock: u64) -> Result<U256, AmountError> {
    let principal = U256::from(market.principal);
    let blocks = sub(mul(U256::from(clock), principal)?, U256::from(market.moment))?;
    let interest = mul_div_down(U256::from(market.terms.rate), blocks, U256::from(WAD))?;
    add(principal, interest)
}

/// What the lenders have if called loans bring nothing. `idle` is what the market holds of the asset.
///
/// # Errors
///
/// As [`owed_down`].
pub fn low(market: &Market, idle: u128, clock: u64) -> Result<U256, AmountError> {
    add(U256::from(idle), owed_down(market, clock)?)
}

/// What the lenders have if called loans are paid.
///
/// # Errors
///
/// As [`owed_down`].
pub fn high(market: &Market, idle: u128, clock: u64) -> Result<U256, AmountError> {
    add(low(market, idle, clock)?, U256::from(market.called))
}

/// The shares for an amount that is lent.
///
/// # Errors
///
/// If there is no such number.
pub fn shares_down(market: &Market, idle: u128, amount: u128, clock: u64) -> Result<U256, AmountError> {
    let worth = add(high(market, idle, clock)?, U256::ONE)?;
    mul_div_down(U256::from(amount), all_shares(market)?, worth)
}

/// What shares are redeemed for, if so much is idle.
///
/// # Errors
///
/// If there is no such number.
pub fn redeemed_down(market: &Market, idle: u128, shares: u128, clock: u64) -> Result<U256, AmountError> {
    let worth = add(low(market, idle, clock)?, U256::ONE)?;
    mul_div_down(U256::from(shares), worth, all_shares(market)?)
}

/// Those of the lenders and those that nobody has.
fn all_shares(market: &Market) -> Result<U256, AmountError> {
    add(U256::from(market.shares), U256::from(VIRTUAL_SHARES))
}

/// D: the debt of a position.
///
/// # Errors
///
/// If the clock is before that of an earlier operation.
pub fn debt_up(terms: &Terms, position: &Position, clock: u64) -> Result<U256, AmountError> {
    let principal = U256::from(position.principal);
    if position.is_called() {
        return Ok(principal);
    }
    let blocks = sub(U256::from(clock), U256::from(position.since))?;
    let by_block = mul(principal, U256::from(terms.rate))?;
    add(principal, mul_div_up(by_block, blocks, U256::from(WAD))?)
}

/// The largest debt that so much collateral covers. It may be above 2^128.
///
/// # Errors
///
/// If there is no such number.
pub fn cover_down(terms: &Terms, collateral: U256) -> Result<U256, AmountError> {
    mul_div_down(collateral, U256::from(terms.ratio), U256::from(WAD))
}

/// What it costs to call a debt secured by so much collateral: less what that does not cover.
///
/// # Errors
///
/// If there is no such number.
pub fn call_fee_up(terms: &Terms, debt: U256, collateral: u128) -> Result<U256, AmountError> {
    let bare = debt.saturating_sub(cover_down(terms, U256::from(collateral))?);
    let fee = mul_div_up(debt, U256::from(terms.call_fee), U256::from(MILLION))?;
    Ok(fee.saturating_sub(bare))
}

/// What an auction offers, and asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lot {
    /// Units of the collateral.
    pub offered: U256,
    /// Units of the asset that was lent.
    pub asked: U256,
}

/// What the auction of a position with so much collateral offers at a clock.
///
/// # Errors
///
/// If the position is not called or has no debt, or the auction has not begun.
pub fn lot(terms: &Terms, position: &Position, collateral: u128, clock: u64) -> Result<Lot, CreditFault> {
    if !position.is_called() {
        return Err(CreditFault::NotCalled);
    }
    if position.principal == 0 {
        return Err(CreditFault::NoDebt);
    }
    let begins = add(U256::from(position.called), U256::from(terms.grace))?;
    let risen = sub(U256::from(clock), begins).map_err(|_| CreditFault::Grace(begins))?;
    let (collateral, debt) = (U256::from(collateral), U256::from(position.principal));
    let (rise, fall) = (U256::from(terms.rise), U256::from(terms.fall));
    if risen < rise {
        return Ok(Lot {
            offered: div_down(mul(collateral, risen)?, rise)?,
            asked: debt,
        });
    }
    let left = fall.saturating_sub(risen - rise);
    Ok(Lot {
        offered: collateral,
        asked: div_up(mul(debt, left)?, fall)?,
    })
}
