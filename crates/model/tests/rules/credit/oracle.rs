//! The page's numbers once more, as fractions of 512 bits that are rounded last.

use std::collections::BTreeMap;

use alloy_primitives::{U256, aliases::U512};
use nthroot_protocol::{
    AssetId, FragmentId,
    rules::credit::{Market, Position, Terms, shares_tag},
};

use super::world::{RICHES, RULE, USERS, World, gold, title, usd, user};

pub(super) fn wide(number: impl TryInto<u128>) -> U512 {
    U512::from(number.try_into().ok().unwrap())
}

pub(super) fn widen(number: U256) -> U512 {
    U512::from_limbs_slice(number.as_limbs())
}

fn wad() -> U512 {
    U512::from(10_u64).pow(U512::from(18_u64))
}

/// 10^18 times the debt of a position, exactly.
fn exact(terms: &Terms, position: &Position, clock: u64) -> U512 {
    let blocks = if position.called == 0 {
        clock - position.since
    } else {
        0
    };
    wide(position.principal) * (wad() + wide(terms.rate) * wide(blocks))
}

pub(super) fn debt(terms: &Terms, position: &Position, clock: u64) -> U512 {
    (exact(terms, position, clock) + wad() - wide(1_u8)) / wad()
}

/// What it costs to call a debt that has so much collateral.
pub(super) fn call_fee(terms: &Terms, debt: U512, collateral: u128) -> U512 {
    let million = wide(1_000_000_u32);
    let bare = debt.saturating_sub(wide(collateral) * wide(terms.ratio) / wad());
    let fee = (debt * wide(terms.call_fee)).saturating_sub(bare * million);
    (fee + million - wide(1_u8)) / million
}

/// The positions of a market that have a debt.
pub(super) fn indebted(world: &World, market: FragmentId) -> Vec<Position> {
    let positions = world.positions.keys().filter(|(of, _)| *of == market);
    let positions = positions.filter_map(|(_, serial)| world.find(market, *serial));
    positions.filter(|position| position.principal != 0).collect()
}

/// What holds of a market at all times. `alive`: whether the title of each position should exist.
pub(super) fn check(world: &World, id: FragmentId, alive: &BTreeMap<u64, bool>) {
    let market = world.market(id);
    let positions = indebted(world, id);
    let (called, running): (Vec<Position>, Vec<Position>) =
        positions.into_iter().partition(|position| position.called != 0);

    // S, M and Z are what the page says of the positions.
    let sum = |of: fn(&Position) -> U512, positions: &[Position]| positions.iter().map(of).sum::<U512>();
    let principal = |position: &Position| wide(position.principal);
    let moment = |position: &Position| wide(position.principal) * wide(position.since);
    assert_eq!(wide(market.principal), sum(principal, &running));
    assert_eq!(U512::from(market.moment), sum(moment, &running));
    assert_eq!(wide(market.called), sum(principal, &called));

    // Owed is never above the sum of debts, and at most one unit for each position below.
    let debts: U512 = running
        .iter()
        .map(|position| debt(&market.terms, position, world.clock))
        .sum();
    let exact: U512 = running
        .iter()
        .map(|position| exact(&market.terms, position, world.clock))
        .sum();
    let owed = widen(world.low(id)) - wide(world.idle(id));
    assert_eq!(owed, exact / wad());
    assert!(
        owed <= debts && debts - owed <= wide(running.len()),
        "{owed} owed, debts {debts}"
    );
    assert_eq!(widen(world.high(id)), widen(world.low(id)) + wide(market.called));

    // Nothing comes from nowhere.
    assert_eq!(world.supply(gold()), RICHES * u128::from(USERS));
    assert_eq!(world.supply(usd()), RICHES * u128::from(USERS));
    let shares = AssetId::issued(RULE, shares_tag(id));
    assert_eq!(world.supply(shares), market.shares);
    assert_eq!((1..=USERS).map(|n| world.held(n, shares)).sum::<u128>(), market.shares);
    assert_eq!(world.fragments[&id].assets.len(), usize::from(world.idle(id) != 0));

    // A title is unique, somebody's, and there until it is burnt.
    for (serial, alive) in alive {
        let title = title(id, *serial);
        let holders = (1..=USERS).filter(|n| world.fragments[&user(*n)].balance(title) != 0);
        assert_eq!(holders.count(), usize::from(*alive));
        assert_eq!(world.supply(title), u128::from(*alive));
        let position = world.find(id, *serial);
        let is_empty = position.is_none_or(|position| position.principal == 0) && world.collateral(id, *serial) == 0;
        assert!(if *alive { position.is_some() } else { is_empty });
    }
    assert_eq!(u64::try_from(alive.len()).unwrap(), market.serial);
}

/// Low and high of a market, and what their parts are shared by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Worth {
    pub(super) low: U512,
    pub(super) high: U512,
    shares: U512,
}

impl Worth {
    pub(super) fn of(world: &World, id: FragmentId) -> Self {
        let Market { shares, .. } = world.market(id);
        Self {
            low: widen(world.low(id)),
            high: widen(world.high(id)),
            shares: wide(shares) + wide(1_000_000_u32),
        }
    }

    /// What a share is paid for has not fallen.
    pub(super) fn low_price_holds(&self, before: &Self) -> bool {
        (self.low + wide(1_u8)) * before.shares >= (before.low + wide(1_u8)) * self.shares
    }

    /// What a share is bought for has not fallen.
    pub(super) fn high_price_holds(&self, before: &Self) -> bool {
        (self.high + wide(1_u8)) * before.shares >= (before.high + wide(1_u8)) * self.shares
    }

    /// Whether so much for so many shares is at most low's part.
    pub(super) fn is_within_low(&self, amount: u128, shares: u128) -> bool {
        wide(amount) * self.shares <= wide(shares) * (self.low + wide(1_u8))
    }
}
