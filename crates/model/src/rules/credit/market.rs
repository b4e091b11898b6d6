//! What lenders do, and how a market keeps count of its positions.

use alloy_primitives::{U256, aliases::U192, ruint::UintTryFrom};
use nthroot_protocol::{
    Effect, FragmentId, Kind,
    rules::credit::{Market, Position, Terms, shares_tag},
};

use super::{
    Call, CreditFault, burn,
    fault::{at_least, at_most},
    mint,
    quotes::{redeemed_down, shares_down},
    transfer, write,
};
use crate::rules::amounts::{AmountError, add, narrow, sub};

impl Call<'_> {
    pub(super) fn create(&self, terms: &Terms, extra: &[u8]) -> Result<Vec<Effect>, CreditFault> {
        let (expected, actual) = (20, extra.len());
        let rule: [u8; 20] = extra.try_into().map_err(|_| CreditFault::Extra { expected, actual })?;
        terms.check()?;
        Ok(vec![
            self.meaning_in(terms),
            Effect::Open {
                depth: terms.depth,
                kind: Kind::Rule.to_u8(),
                controller: rule.into(),
            },
            write(self.opened()?, Market::new(*terms).encode()),
        ])
    }

    pub(super) fn lend(&self, id: FragmentId, amount: u128, least: u128) -> Result<Vec<Effect>, CreditFault> {
        let mut on = self.market(id)?;
        at_least("amount lent", U256::from(amount), U256::ONE)?;
        let shares = shares_down(&on.data, on.idle, amount, self.clock)?;
        at_least("shares", shares, U256::from(least.max(1)))?;
        let shares = narrow(shares)?;
        on.data.shares = narrow(add(U256::from(on.data.shares), U256::from(shares))?)?;
        let mut effects = vec![self.meaning_in(&on.data.terms)];
        effects.extend(transfer(self.user, 0, on.data.terms.asset, amount));
        effects.push(mint(self.user, shares_tag(id), shares));
        effects.push(write(0, on.data.encode()));
        Ok(effects)
    }

    pub(super) fn redeem(&self, id: FragmentId, shares: u128, least: u128) -> Result<Vec<Effect>, CreditFault> {
        let mut on = self.market(id)?;
        at_least("shares redeemed", U256::from(shares), U256::ONE)?;
        at_most("shares redeemed", U256::from(shares), U256::from(on.data.shares))?;
        let amount = redeemed_down(&on.data, on.idle, shares, self.clock)?;
        at_least("amount redeemed", amount, U256::from(least.max(1)))?;
        at_most("amount redeemed", amount, U256::from(on.idle))?;
        let amount = narrow(amount)?;
        on.data.shares = narrow(sub(U256::from(on.data.shares), U256::from(shares))?)?;
        let mut effects = vec![self.meaning_in(&on.data.terms), burn(self.user, shares_tag(id), shares)];
        effects.extend(transfer(0, self.user, on.data.terms.asset, amount));
        effects.push(write(0, on.data.encode()));
        Ok(effects)
    }
}

/// Counts a position as it is after an operation, in the place of what it was, if it was.
pub(super) fn recount(market: &mut Market, before: Option<&Position>, after: &Position) -> Result<(), AmountError> {
    let count = |sum: U256, of: fn(&Position) -> U256| {
        let before = before.map_or(U256::ZERO, of);
        sub(add(sum, of(after))?, before)
    };
    market.principal = narrow(count(U256::from(market.principal), running)?)?;
    let moment = count(U256::from(market.moment), |position| {
        // At most 192 bits.
        running(position) * U256::from(position.since)
    })?;
    market.moment = U192::uint_try_from(moment).map_err(|_| AmountError::TooLarge(moment))?;
    market.called = narrow(count(U256::from(market.called), called)?)?;
    Ok(())
}

/// What a position that is not called counts.
fn running(position: &Position) -> U256 {
    U256::from(if position.is_called() { 0 } else { position.principal })
}

/// What a called position counts.
fn called(position: &Position) -> U256 {
    U256::from(if position.is_called() { position.principal } else { 0 })
}
