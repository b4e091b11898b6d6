//! What borrowers, callers and bidders do.

use alloy_primitives::U256;
use nthroot_protocol::{
    AssetId, Effect, FragmentId, Kind,
    rules::credit::{Position, Terms, title_tag},
};

use super::{
    Call, CreditFault, OnMarket, OnPosition, burn,
    fault::{at_least, at_most},
    market::recount,
    mint,
    quotes::{call_fee_up, cover_down, debt_up, lot},
    transfer, write,
};
use crate::rules::amounts::{AmountError, add, narrow, sub};

impl Call<'_> {
    /// Borrows on a new position.
    pub(super) fn open(&self, id: FragmentId, added: u128, amount: u128) -> Result<Vec<Effect>, CreditFault> {
        let mut on = self.market(id)?;
        let terms = on.data.terms;
        check_borrowed(amount, &on)?;
        at_least("collateral", U256::from(added), U256::ONE)?;
        check_debt(&terms, U256::from(amount), U256::from(added))?;
        on.data.serial = on.data.serial.checked_add(1).ok_or(AmountError::Overflow)?;
        let position = Position {
            market: id,
            serial: on.data.serial,
            collateral: terms.collateral,
            principal: amount,
            since: self.clock,
            called: 0,
        };
        recount(&mut on.data, None, &position)?;

        let (kind, controller) = (Kind::Rule.to_u8(), on.rule);
        let opened = self.opened()?;
        let mut effects = vec![self.meaning_in(&terms)];
        effects.push(match terms.depth {
            0 => Effect::Open {
                depth: 0,
                kind,
                controller,
            },
            _ => Effect::OpenLeaf {
                header: 0,
                kind,
                controller,
            },
        });
        effects.extend(transfer(self.user, opened, terms.collateral, added));
        effects.extend(transfer(0, self.user, terms.asset, amount));
        effects.push(mint(self.user, title_tag(id, position.serial), 1));
        effects.push(write(opened, position.encode()));
        effects.push(write(0, on.data.encode()));
        Ok(effects)
    }

    /// Borrows on a position that exists.
    pub(super) fn borrow(
        &self,
        id: FragmentId,
        serial: u64,
        added: u128,
        amount: u128,
    ) -> Result<Vec<Effect>, CreditFault> {
        let (market, position) = (self.market(id)?, self.position(1, id, serial)?);
        let terms = market.data.terms;
        self.check_owner(&position)?;
        check_borrowed(amount, &market)?;
        check_running(&position.data)?;
        let debt = add(debt_up(&terms, &position.data, self.clock)?, U256::from(amount))?;
        let collateral = add(U256::from(position.collateral), U256::from(added))?;
        check_debt(&terms, debt, collateral)?;
        let after = Position {
            principal: narrow(debt)?,
            since: self.clock,
            ..position.data
        };
        let paid = transfer(self.user, 1, terms.collateral, added);
        let lent = transfer(0, self.user, terms.asset, amount);
        self.finish(market, &position, &after, [paid, lent, None])
    }

    pub(super) fn repay(
        &self,
        id: FragmentId,
        serial: u64,
        most: u128,
        taken: u128,
    ) -> Result<Vec<Effect>, CreditFault> {
        let (market, position) = (self.market(id)?, self.position(1, id, serial)?);
        let terms = market.data.terms;
        self.check_owner(&position)?;
        check_indebted(&position.data)?;
        let debt = debt_up(&terms, &position.data, self.clock)?;
        let paid = debt.min(U256::from(most));
        at_least("amount repaid", paid, U256::ONE)?;
        let left = sub(debt, paid)?;
        let given_back = if left.is_zero() {
            position.collateral
        } else {
            check_running(&position.data)?;
            at_most("collateral taken", U256::from(taken), U256::from(position.collateral))?;
            check_debt(&terms, left, sub(U256::from(position.collateral), U256::from(taken))?)?;
            taken
        };
        let after = Position {
            principal: narrow(left)?,
            since: self.clock,
            ..position.data
        };
        let paid = transfer(self.user, 0, terms.asset, narrow(paid)?);
        let given_back = transfer(1, self.user, terms.collateral, given_back);
        let title = left.is_zero().then(|| burn(self.user, title_tag(id, serial), 1));
        self.finish(market, &position, &after, [paid, given_back, title])
    }

    pub(super) fn call(&self, id: FragmentId, serial: u64, fee_at_most: u128) -> Result<Vec<Effect>, CreditFault> {
        let (market, position) = (self.market(id)?, self.position(1, id, serial)?);
        let terms = market.data.terms;
        check_running(&position.data)?;
        let debt = debt_up(&terms, &position.data, self.clock)?;
        let fee = call_fee_up(&terms, debt, position.collateral)?;
        at_most("call fee", fee, U256::from(fee_at_most))?;
        let after = Position {
            principal: narrow(debt)?,
            since: self.clock,
            called: self.clock,
            ..position.data
        };
        let fee = transfer(self.user, 0, terms.asset, narrow(fee)?);
        self.finish(market, &position, &after, [fee, None, None])
    }

    pub(super) fn bid(&self, id: FragmentId, serial: u64, most: u128, least: u128) -> Result<Vec<Effect>, CreditFault> {
        let (market, position) = (self.market(id)?, self.position(1, id, serial)?);
        let terms = market.data.terms;
        let lot = lot(&terms, &position.data, position.collateral, self.clock)?;
        at_most("debt asked", lot.asked, U256::from(most))?;
        at_least("collateral offered", lot.offered, U256::from(least))?;
        let after = Position {
            principal: 0,
            since: self.clock,
            ..position.data
        };
        let asked = transfer(self.user, 0, terms.asset, narrow(lot.asked)?);
        let offered = transfer(1, self.user, terms.collateral, narrow(lot.offered)?);
        self.finish(market, &position, &after, [asked, offered, None])
    }

    pub(super) fn add(&self, id: FragmentId, serial: u64, amount: u128) -> Result<Vec<Effect>, CreditFault> {
        let position = self.position(0, id, serial)?;
        self.check_owner(&position)?;
        check_running(&position.data)?;
        at_least("collateral added", U256::from(amount), U256::ONE)?;
        let mut effects = vec![self.meaning_alone(position.data.collateral)];
        effects.extend(transfer(self.user, 0, position.data.collateral, amount));
        Ok(effects)
    }

    pub(super) fn close(&self, id: FragmentId, serial: u64) -> Result<Vec<Effect>, CreditFault> {
        let position = self.position(0, id, serial)?;
        self.check_owner(&position)?;
        let OnPosition { data, collateral, .. } = position;
        if data.principal != 0 {
            return Err(CreditFault::Indebted(data.principal));
        }
        let mut effects = vec![self.meaning_alone(data.collateral)];
        effects.extend(transfer(0, self.user, data.collateral, collateral));
        effects.push(burn(self.user, title_tag(id, serial), 1));
        effects.push(write(0, Vec::new()));
        Ok(effects)
    }

    /// What the payload means without a market: it names no more than the collateral.
    fn meaning_alone(&self, collateral: AssetId) -> Effect {
        self.meaning(collateral, collateral)
    }

    /// The effects of an operation on market and position: its meaning, its own, then what is written.
    fn finish(
        &self,
        mut market: OnMarket,
        before: &OnPosition,
        after: &Position,
        own: [Option<Effect>; 3],
    ) -> Result<Vec<Effect>, CreditFault> {
        recount(&mut market.data, Some(&before.data), after)?;
        let mut effects = vec![self.meaning_in(&market.data.terms)];
        effects.extend(own.into_iter().flatten());
        effects.push(write(1, after.encode()));
        effects.push(write(0, market.data.encode()));
        Ok(effects)
    }
}

fn check_borrowed(amount: u128, market: &OnMarket) -> Result<(), CreditFault> {
    at_least("amount borrowed", U256::from(amount), U256::ONE)?;
    at_most("amount borrowed", U256::from(amount), U256::from(market.idle))
}

/// A debt is not below the minimum, and covered.
fn check_debt(terms: &Terms, debt: U256, collateral: U256) -> Result<(), CreditFault> {
    at_least("debt", debt, U256::from(terms.minimum))?;
    at_most("debt", debt, cover_down(terms, collateral)?)
}

fn check_indebted(position: &Position) -> Result<(), CreditFault> {
    if position.principal == 0 {
        return Err(CreditFault::NoDebt);
    }
    Ok(())
}

/// A position has a debt and is not called.
fn check_running(position: &Position) -> Result<(), CreditFault> {
    if position.is_called() {
        return Err(CreditFault::Called);
    }
    check_indebted(position)
}
