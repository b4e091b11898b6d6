//! What a fragment can ask of a rule.

use std::collections::BTreeMap;

use alloy_primitives::{Address, Bytes};
use nthroot_protocol::{
    AccountOp, AssetId, Meaning, Outflow,
    rules::{
        Typed,
        credit::{CreditOp, shares_tag, title_tag},
        pool::{PoolOp, share_tag},
        swap::SwapIntent,
    },
};
use serde::{Deserialize, Serialize};

/// Where the rules are that come with a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleBook {
    /// The enshrined rule.
    pub account: Address,
    /// The Swap rule.
    pub swap: Address,
    /// The Pool rule.
    pub pool: Address,
    /// The Credit rule.
    pub credit: Address,
}

impl RuleBook {
    /// The rule table of batches that use any of them; calls name the enshrined rule as 0.
    pub fn table(&self) -> Vec<Address> {
        vec![self.swap, self.pool, self.credit]
    }
}

/// What a fragment wants of a rule. Assets are said where a payload leaves them to the state of a pool or a market.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Operations on its own assets; none is consent to be paid.
    Account(Vec<AccountOp>),
    /// To exchange assets with others.
    Swap(SwapIntent),
    /// To trade with a pool, or to hold a share of it.
    Pool {
        /// The operation.
        op: PoolOp,
        /// The pool's assets.
        assets: [AssetId; 2],
    },
    /// To lend, to borrow, to call, to bid.
    Credit {
        /// The operation.
        op: CreditOp,
        /// The market's collateral.
        collateral: AssetId,
        /// What it lends.
        asset: AssetId,
    },
}

impl Request {
    /// The rule that it goes to.
    pub const fn rule(&self, book: &RuleBook) -> Address {
        match self {
            Self::Account(_) => book.account,
            Self::Swap(_) => book.swap,
            Self::Pool { .. } => book.pool,
            Self::Credit { .. } => book.credit,
        }
    }

    /// What the rule is told.
    pub fn payload(&self) -> Bytes {
        match self {
            Self::Account(ops) => AccountOp::encode_payload(ops),
            Self::Swap(intent) => intent.encode(),
            Self::Pool { op, .. } => op.encode(),
            Self::Credit { op, .. } => op.encode(),
        }
        .into()
    }

    /// The struct that the payload means. None: the payload is signed as it is.
    pub fn typed(&self) -> Option<Typed> {
        match self {
            Self::Account(_) => None,
            Self::Swap(intent) => Some(Typed::new(&intent.typed())),
            Self::Pool { op, assets } => Some(op.typed(*assets)),
            Self::Credit { op, collateral, asset } => Some(op.typed(*collateral, *asset)),
        }
    }

    /// What is signed of the payload.
    pub fn meaning(&self) -> Meaning {
        match self.typed() {
            Some(typed) => typed.meaning(),
            None => Meaning::opaque(&self.payload()),
        }
    }

    /// The most that may leave the fragment, by strictly increasing asset: a signature lets go no more than it must. A sum
    /// beyond what an amount can be is as much as it can be.
    pub fn outflows(&self, book: &RuleBook) -> Vec<Outflow> {
        match self {
            Self::Account(ops) => sums(ops.iter().flat_map(account_outflows)),
            Self::Swap(intent) => intent.outflows(),
            Self::Pool { op, assets } => sums(pool_outflows(op, *assets, book)),
            Self::Credit { op, collateral, asset } => sums(credit_outflows(op, *collateral, *asset, book)),
        }
    }
}

fn sums(outflows: impl IntoIterator<Item = (AssetId, u128)>) -> Vec<Outflow> {
    let mut sums: BTreeMap<AssetId, u128> = BTreeMap::new();
    for (asset, amount) in outflows {
        let sum = sums.entry(asset).or_default();
        *sum = sum.saturating_add(amount);
    }
    let outflow = |(asset, amount)| Outflow { asset, amount };
    sums.into_iter()
        .filter(|(_, amount)| *amount > 0)
        .map(outflow)
        .collect()
}

fn account_outflows(op: &AccountOp) -> Vec<(AssetId, u128)> {
    match op {
        AccountOp::Pay { asset, amount, .. } => vec![(*asset, *amount)],
        AccountOp::Open { assets, .. } | AccountOp::OpenLeaf { assets, .. } => assets.clone(),
        AccountOp::Withdraw { token, amount, .. } => vec![(AssetId::token(*token), *amount)],
        AccountOp::SetController { .. } | AccountOp::SetLease { .. } => Vec::new(),
    }
}

fn pool_outflows(op: &PoolOp, assets: [AssetId; 2], book: &RuleBook) -> Vec<(AssetId, u128)> {
    match op {
        PoolOp::Create(_) => Vec::new(),
        PoolOp::Add { at_most, .. } => assets.into_iter().zip(*at_most).collect(),
        PoolOp::Remove { pool, shares, .. } => vec![(AssetId::issued(book.pool, share_tag(*pool)), *shares)],
        PoolOp::Sell { side, amount, .. } => vec![(side.of(assets), *amount)],
        PoolOp::Buy { side, at_most, .. } => vec![(side.other().of(assets), *at_most)],
    }
}

fn credit_outflows(op: &CreditOp, collateral: AssetId, asset: AssetId, book: &RuleBook) -> Vec<(AssetId, u128)> {
    let title = |market, serial| (AssetId::issued(book.credit, title_tag(market, serial)), 1);
    match *op {
        CreditOp::Create(_) => Vec::new(),
        CreditOp::Lend { amount, .. } => vec![(asset, amount)],
        CreditOp::Redeem { market, shares, .. } => vec![(AssetId::issued(book.credit, shares_tag(market)), shares)],
        CreditOp::Borrow { added, .. } => vec![(collateral, added)],
        // Whether it is all that is owed shows only when it is done: then the title goes too.
        CreditOp::Repay {
            market,
            serial,
            at_most,
            ..
        } => vec![(asset, at_most), title(market, serial)],
        CreditOp::Call { fee_at_most, .. } => vec![(asset, fee_at_most)],
        CreditOp::Bid { at_most, .. } => vec![(asset, at_most)],
        CreditOp::Add { amount, .. } => vec![(collateral, amount)],
        CreditOp::Close { market, serial } => vec![title(market, serial)],
    }
}
