//! Operations, and effects as the page lists them.

use alloy_primitives::B256;
use nthroot_protocol::{
    AssetId, Effect, FragmentId,
    rules::credit::{CreditOp, title_tag},
};

use super::world::{RULE, gold, usd};

pub(super) fn lend(market: FragmentId, amount: u128) -> CreditOp {
    CreditOp::Lend {
        market,
        amount,
        shares_at_least: 0,
    }
}

pub(super) fn redeem(market: FragmentId, shares: u128) -> CreditOp {
    CreditOp::Redeem {
        market,
        shares,
        at_least: 0,
    }
}

pub(super) fn borrow(market: FragmentId, serial: u64, added: u128, amount: u128) -> CreditOp {
    CreditOp::Borrow {
        market,
        serial,
        added,
        amount,
    }
}

pub(super) fn repay(market: FragmentId, serial: u64, at_most: u128, taken: u128) -> CreditOp {
    CreditOp::Repay {
        market,
        serial,
        at_most,
        taken,
    }
}

/// At whatever fee.
pub(super) fn call(market: FragmentId, serial: u64) -> CreditOp {
    CreditOp::Call {
        market,
        serial,
        fee_at_most: u128::MAX,
    }
}

/// At whatever price.
pub(super) fn bid(market: FragmentId, serial: u64) -> CreditOp {
    CreditOp::Bid {
        market,
        serial,
        at_most: u128::MAX,
        at_least: 0,
    }
}

pub(super) fn add(market: FragmentId, serial: u64, amount: u128) -> CreditOp {
    CreditOp::Add { market, serial, amount }
}

pub(super) const fn close(market: FragmentId, serial: u64) -> CreditOp {
    CreditOp::Close { market, serial }
}

/// The asset that is a position's title.
pub(super) fn title(market: FragmentId, serial: u64) -> AssetId {
    AssetId::issued(RULE, title_tag(market, serial))
}

/// The meaning that effects begin with.
pub(super) fn meaning(op: CreditOp) -> Effect {
    Effect::meaning(0, op.meaning(gold(), usd()))
}

pub(super) fn transfer(from: u8, to: u8, asset: AssetId, amount: u128) -> Effect {
    Effect::Move {
        from,
        to,
        asset,
        amount,
    }
}

pub(super) fn mint(to: u8, tag: B256, amount: u128) -> Effect {
    Effect::Mint { to, tag, amount }
}

pub(super) fn burn(from: u8, tag: B256, amount: u128) -> Effect {
    Effect::Burn { from, tag, amount }
}

pub(super) fn write(fragment: u8, data: Vec<u8>) -> Effect {
    let data = data.into();
    Effect::Write { fragment, data }
}
