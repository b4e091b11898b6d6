//! The Pool rule.

mod attacks;
mod calls;
mod codec;
mod life;
mod properties;
mod quotes;

use alloy_primitives::U512;
use nthroot_model::{
    rule::{FragmentView, RuleFailure},
    rules::pool::{Liquidity, Pool},
};
use nthroot_protocol::{
    AssetId, Effect, FragmentId, Outflow,
    rules::pool::{LOCKED_SHARES, Pair, PoolOp, PoolState, Side, share_tag},
};

use crate::bench::{CLOCK, Consent, RULE, asset, id, outflow, owned, ruled, transition, view};

/// Number of the pool's fragment.
const POOL: u8 = 200;

fn pool_id() -> FragmentId {
    id(POOL)
}

fn assets() -> [AssetId; 2] {
    [asset(1), asset(2)]
}

/// The pool's shares.
fn share() -> AssetId {
    AssetId::issued(RULE, share_tag(pool_id()))
}

fn pool(fee: u32, shares: u128, reserves: [u128; 2]) -> Liquidity {
    let pair = Pair { assets: assets(), fee };
    Liquidity {
        state: PoolState { pair, shares },
        reserves,
    }
}

/// The pool as a fragment of which a rule sees this.
fn seen(pool: &Liquidity) -> FragmentView {
    let held = assets()
        .into_iter()
        .zip(pool.reserves)
        .filter(|(_, amount)| *amount != 0);
    let held: Vec<_> = held.collect();
    view(POOL, &ruled(&held, pool.state.encode()))
}

/// What the rule alone returns to users at positions 1, 2, … of a call on the pool.
fn operate(pool: &Liquidity, ops: &[PoolOp]) -> Result<Vec<Effect>, RuleFailure> {
    let users = (1..).take(ops.len()).map(|n: u8| view(n, &owned(n, &[])));
    let fragments: Vec<_> = std::iter::once(seen(pool)).chain(users).collect();
    let payloads: Vec<_> = (1..).zip(ops.iter().map(PoolOp::encode)).collect();
    transition(&Pool, CLOCK, &fragments, &payloads, &[])
}

const fn add(at_most: [u128; 2]) -> impl Fn(FragmentId) -> PoolOp {
    move |pool| PoolOp::Add {
        pool,
        at_most,
        shares_at_least: 0,
    }
}

const fn remove(shares: u128) -> impl Fn(FragmentId) -> PoolOp {
    move |pool| PoolOp::Remove {
        pool,
        shares,
        at_least: [0, 0],
    }
}

const fn sell(side: Side, amount: u128) -> impl Fn(FragmentId) -> PoolOp {
    move |pool| PoolOp::Sell {
        pool,
        side,
        amount,
        at_least: 0,
    }
}

const fn buy(side: Side, amount: u128) -> impl Fn(FragmentId) -> PoolOp {
    move |pool| PoolOp::Buy {
        pool,
        side,
        amount,
        at_most: u128::MAX,
    }
}

/// Fragment n signs an operation on the pool, and lets everything go.
fn consent(n: u8, op: PoolOp) -> Consent {
    let mut most: Vec<Outflow> = [asset(1), asset(2), share()]
        .map(|asset| outflow(asset, u128::MAX))
        .to_vec();
    most.sort_by_key(|outflow| outflow.asset);
    Consent::new(n, op.encode(), op.meaning(assets()), most)
}

fn wide(number: u128) -> U512 {
    U512::from(number)
}

/// Whether k did not fall.
fn k_holds(before: &Liquidity, after: &Liquidity) -> bool {
    let k = |pool: &Liquidity| wide(pool.reserves[0]) * wide(pool.reserves[1]);
    k(after) >= k(before)
}

/// Whether k / T² did not fall. The products are below 2^512.
fn k_of_a_share_holds(before: &Liquidity, after: &Liquidity) -> bool {
    let k = |pool: &Liquidity| wide(pool.reserves[0]) * wide(pool.reserves[1]);
    let squared = |pool: &Liquidity| wide(pool.state.shares) * wide(pool.state.shares);
    before.state.shares == 0 || k(after) * squared(before) >= k(before) * squared(after)
}

/// What holds of every pool that has shares.
fn is_sound(pool: &Liquidity) -> bool {
    pool.state.shares == 0 && pool.reserves == [0, 0]
        || pool.state.shares > LOCKED_SHARES - 1 && pool.reserves.iter().all(|reserve| *reserve > 0)
}
