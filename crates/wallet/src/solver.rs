//! Bringing intents to swap together.
//!
//! No search for the best price: everybody gives what is needed and gets what was asked for, at the prices of the clock, and what is
//! left of the gives stays with the givers or goes to whoever fills. That finds every ring and every netting, for it looks at the sums of
//! each asset and not at pairs.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::U256;
use nthroot_model::rules::swap::{Limits, SwapFailure, check};
use nthroot_protocol::{
    AssetId, FragmentId,
    limits::MAX_EFFECTS,
    rules::swap::{Fill, SwapIntent},
};

/// Why there is no fill.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfilled {
    /// More of an asset is asked for than is given.
    #[error("{asset}: {asked} asked for, {given} given")]
    Short {
        /// The asset.
        asset: AssetId,
        /// Sum of the gets, in its units.
        asked: U256,
        /// Sum of the gives.
        given: U256,
    },
    /// There is enough of each asset, but whoever has it is nobody's counterparty who asks for it.
    #[error("{asset}: the intents' counterparties keep givers and getters apart")]
    Counterparties {
        /// The asset.
        asset: AssetId,
    },
    /// More moves than a call may have.
    #[error("{0} moves, and a call may have {MAX_EFFECTS} effects with one for each intent")]
    Moves(usize),
    /// An intent cannot be filled at this clock, or not so.
    #[error(transparent)]
    Intent(#[from] SwapFailure),
}

/// A fill of these intents at a clock: their fragments stand in the call in this order. `surplus`: the party that takes what is given
/// and not asked for; without one, it stays where it is. Intents that may be filled in part are filled as far as the others allow.
///
/// # Errors
///
/// If this finds none.
pub fn clear(clock: u64, parties: &[(FragmentId, SwapIntent)], surplus: Option<usize>) -> Result<Fill, Unfilled> {
    let mut filled: Vec<u128> = parties.iter().map(|(_, intent)| intent.whole()).collect();
    let mut limits = limits_of(clock, parties, &filled)?;
    // Each round ends a shortage as well as one intent can, and cannot be had twice for the same intent and asset.
    let mut tried = BTreeSet::new();
    while let Some((asset, asked, given)) = shortage(&limits) {
        let lowers = |party: &usize| {
            let (_, intent) = &parties[*party];
            intent.is_partial() && intent.gets.iter().any(|leg| leg.asset == asset) && !tried.contains(&(*party, asset))
        };
        let Some(party) = (0..parties.len()).find(lowers) else {
            return Err(Unfilled::Short { asset, asked, given });
        };
        tried.insert((party, asset));
        filled[party] = largest_fill(clock, parties, &filled, party, asset)?;
        limits = limits_of(clock, parties, &filled)?;
    }

    let mut moves = Vec::new();
    let mut left: Vec<BTreeMap<AssetId, U256>> = limits.iter().map(|limits| limits.most.clone()).collect();
    for (to, asks) in limits.iter().enumerate() {
        for (&asset, &least) in &asks.least {
            let mut missing = U256::from(least);
            for (from, most) in left.iter_mut().enumerate() {
                let most = most.entry(asset).or_default();
                let amount = missing.min(*most);
                if from == to || amount.is_zero() || !may_trade(parties, from, to) {
                    continue;
                }
                *most -= amount;
                missing -= amount;
                moves.push((position(from), position(to), asset, amount_of(amount)));
            }
            if !missing.is_zero() {
                return Err(Unfilled::Counterparties { asset });
            }
        }
    }
    if let Some(taker) = surplus {
        for (from, most) in left.iter().enumerate() {
            let rest = most.iter().filter(|(_, rest)| !rest.is_zero());
            let rest = rest.filter(|_| from != taker && may_trade(parties, from, taker));
            moves.extend(rest.map(|(asset, rest)| (position(from), position(taker), *asset, amount_of(*rest))));
        }
    }
    if moves.len() + parties.len() > MAX_EFFECTS {
        return Err(Unfilled::Moves(moves.len()));
    }

    let partial = parties
        .iter()
        .zip(&filled)
        .filter(|((_, intent), _)| intent.is_partial());
    let fill = Fill::new(partial.map(|(_, filled)| *filled).collect(), &moves);
    let fragments: Vec<FragmentId> = parties.iter().map(|(fragment, _)| *fragment).collect();
    let intents: Vec<(u8, SwapIntent)> = (0..).zip(parties.iter().map(|(_, intent)| intent.clone())).collect();
    check(clock, &fragments, &intents, &fill)?;
    Ok(fill)
}

fn limits_of(clock: u64, parties: &[(FragmentId, SwapIntent)], filled: &[u128]) -> Result<Vec<Limits>, SwapFailure> {
    parties
        .iter()
        .zip(filled)
        .map(|((_, intent), filled)| Limits::of(intent, clock, *filled))
        .collect()
}

/// The first asset of which more is asked for than given: it, and both sums.
fn shortage(limits: &[Limits]) -> Option<(AssetId, U256, U256)> {
    let assets: BTreeSet<AssetId> = limits.iter().flat_map(|limits| limits.least.keys().copied()).collect();
    let asked = |asset: &AssetId| {
        limits
            .iter()
            .filter_map(|limits| limits.least.get(asset))
            .map(|x| U256::from(*x))
            .sum()
    };
    let given = |asset: &AssetId| limits.iter().filter_map(|limits| limits.most.get(asset)).copied().sum();
    let sums = assets.into_iter().map(|asset| (asset, asked(&asset), given(&asset)));
    sums.into_iter()
        .find(|(_, asked, given): &(AssetId, U256, U256)| asked > given)
}

/// The most that can be filled of one intent so that enough is given of an asset; its least fill if there never is.
fn largest_fill(
    clock: u64,
    parties: &[(FragmentId, SwapIntent)],
    filled: &[u128],
    party: usize,
    asset: AssetId,
) -> Result<u128, SwapFailure> {
    let enough = |fill: u128| {
        let mut filled = filled.to_vec();
        filled[party] = fill;
        let limits = limits_of(clock, parties, &filled)?;
        let asked: U256 = limits
            .iter()
            .filter_map(|limits| limits.least.get(&asset))
            .map(|x| U256::from(*x))
            .sum();
        let given: U256 = limits
            .iter()
            .filter_map(|limits| limits.most.get(&asset))
            .copied()
            .sum();
        Ok::<_, SwapFailure>(asked <= given)
    };
    let mut low = parties[party].1.least_fill.unwrap_or_default().max(1);
    let mut high = filled[party];
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if enough(middle)? {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    Ok(low)
}

fn may_trade(parties: &[(FragmentId, SwapIntent)], one: usize, other: usize) -> bool {
    let accepts = |of: usize, by: usize| {
        let counterparties = &parties[by].1.counterparties;
        counterparties.is_empty() || counterparties.contains(&parties[of].0)
    };
    accepts(one, other) && accepts(other, one)
}

fn position(party: usize) -> u8 {
    u8::try_from(party).unwrap_or(u8::MAX)
}

/// What is moved is at most what somebody's limits are; a give and a reward in one asset may exceed what an amount can be.
fn amount_of(amount: U256) -> u128 {
    u128::try_from(amount).unwrap_or(u128::MAX)
}
