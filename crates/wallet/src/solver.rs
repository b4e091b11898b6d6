//! Bringing intents to swap together.
//!
//! No search for the best price: everybody gives what is needed and gets what was asked for, at the prices of the clock, and what is
//! left of the gives stays with the givers or goes to whoever fills. That finds every ring and every netting, for it looks at the sums of
//! each asset and not at pairs.

use std::collections::{BTreeSet, VecDeque};

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

/// A party: its fragment, and what it wants.
pub type Party = (FragmentId, SwapIntent);

/// How often fills are lowered. In a ring whose prices do not meet they could shrink for ever.
const ROUNDS: usize = 200;

/// A fill of these intents at a clock: their fragments stand in the call in this order. `surplus`: the party that takes what is given
/// and not asked for; without one, it stays where it is. Intents that may be filled in part are filled as far as the others allow.
///
/// # Errors
///
/// If this finds none.
pub fn clear(clock: u64, parties: &[Party], surplus: Option<usize>) -> Result<Fill, Unfilled> {
    let filled = fills(clock, parties)?;
    let limits = limits_of(clock, parties, &filled)?;
    let assets: BTreeSet<AssetId> = limits.iter().flat_map(|limits| limits.most.keys().copied()).collect();
    let may = |from, to| may_trade(parties, from, to);
    let mut moves = Vec::new();
    for asset in assets.union(&asked_assets(&limits)).copied() {
        let mut left: Vec<U256> = limits.iter().map(|limits| given_by(limits, asset)).collect();
        let asked: Vec<U256> = limits.iter().map(|limits| asked_by(limits, asset)).collect();
        let mut sent = route(&mut left, &asked, may).ok_or(Unfilled::Counterparties { asset })?;
        if let Some(taker) = surplus {
            for (from, rest) in left.iter().enumerate() {
                if from != taker && may(from, taker) {
                    sent[from][taker] += *rest;
                }
            }
        }
        for (from, to) in (0..parties.len()).flat_map(|from| (0..parties.len()).map(move |to| (from, to))) {
            if !sent[from][to].is_zero() {
                moves.push((position(from), position(to), asset, amount_of(sent[from][to])));
            }
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

/// How much of each intent is filled, so that no more of any asset is asked for than given.
fn fills(clock: u64, parties: &[Party]) -> Result<Vec<u128>, Unfilled> {
    let mut filled: Vec<u128> = parties.iter().map(|(_, intent)| intent.whole()).collect();
    for _ in 0..ROUNDS {
        let limits = limits_of(clock, parties, &filled)?;
        let Some(Shortage { asset, .. }) = shortage(&limits) else {
            return Ok(filled);
        };
        // Whoever asks for less ends the shortage, or as much of it as it can. It always asks for less than before.
        let mut lowers = (0..parties.len()).filter(|party| {
            let (_, intent) = &parties[*party];
            let asks = intent.gets.iter().any(|leg| leg.asset == asset);
            asks && intent.is_partial() && filled[*party] > least_fill(intent)
        });
        let Some(first) = lowers.next() else { break };
        let mut chosen = (first, least_fill(&parties[first].1));
        for party in std::iter::once(first).chain(lowers) {
            if let Some(fill) = largest_fill(clock, parties, &filled, party, asset)? {
                chosen = (party, fill);
                break;
            }
        }
        let (party, fill) = chosen;
        filled[party] = fill;
    }
    let short = shortage(&limits_of(clock, parties, &filled)?);
    short.map_or(Ok(filled), |Shortage { asset, asked, given }| {
        Err(Unfilled::Short { asset, asked, given })
    })
}

/// Who sends how much of an asset to whom, so that each gets what it asks for; none if they are not enough. Takes it from what is
/// left to the givers. A maximum flow, along shortest augmenting paths (Edmonds and Karp).
fn route(left: &mut [U256], asked: &[U256], may: impl Fn(usize, usize) -> bool) -> Option<Vec<Vec<U256>>> {
    let count = left.len();
    let mut sent = vec![vec![U256::ZERO; count]; count];
    for (getter, asked) in asked.iter().enumerate() {
        let mut missing = *asked;
        while !missing.is_zero() {
            // For each getter that could go without: who would send to another one instead.
            let mut instead: Vec<Option<(usize, usize)>> = vec![None; count];
            let mut queue = VecDeque::from([getter]);
            let mut found = None;
            while let Some(to) = queue.pop_front().filter(|_| found.is_none()) {
                for from in (0..count).filter(|from| *from != to && may(*from, to)) {
                    if !left[from].is_zero() {
                        found = found.or(Some((from, to)));
                    }
                    for other in 0..count {
                        if other != getter && instead[other].is_none() && !sent[from][other].is_zero() {
                            instead[other] = Some((from, to));
                            queue.push_back(other);
                        }
                    }
                }
            }
            let (source, last) = found?;
            let steps = std::iter::successors(Some((source, last)), |(_, to)| instead[*to]);
            let steps: Vec<(usize, usize)> = steps.collect();
            let taken = steps.windows(2).map(|pair| sent[pair[1].0][pair[0].1]);
            let amount = taken.fold(missing.min(left[source]), U256::min);
            for pair in steps.windows(2) {
                sent[pair[1].0][pair[0].1] -= amount;
            }
            for (from, to) in steps {
                sent[from][to] += amount;
            }
            left[source] -= amount;
            missing -= amount;
        }
    }
    Some(sent)
}

fn limits_of(clock: u64, parties: &[Party], filled: &[u128]) -> Result<Vec<Limits>, SwapFailure> {
    parties
        .iter()
        .zip(filled)
        .map(|((_, intent), filled)| Limits::of(intent, clock, *filled))
        .collect()
}

/// More of an asset is asked for than given.
struct Shortage {
    asset: AssetId,
    asked: U256,
    given: U256,
}

/// The first there is.
fn shortage(limits: &[Limits]) -> Option<Shortage> {
    let of = |asset| Shortage {
        asset,
        asked: limits.iter().map(|limits| asked_by(limits, asset)).sum(),
        given: limits.iter().map(|limits| given_by(limits, asset)).sum(),
    };
    asked_assets(limits)
        .into_iter()
        .map(of)
        .find(|shortage| shortage.asked > shortage.given)
}

fn asked_assets(limits: &[Limits]) -> BTreeSet<AssetId> {
    limits.iter().flat_map(|limits| limits.least.keys().copied()).collect()
}

fn asked_by(limits: &Limits, asset: AssetId) -> U256 {
    limits.least.get(&asset).copied().map(U256::from).unwrap_or_default()
}

fn given_by(limits: &Limits, asset: AssetId) -> U256 {
    limits.most.get(&asset).copied().unwrap_or_default()
}

const fn least_fill(intent: &SwapIntent) -> u128 {
    match intent.least_fill {
        None | Some(0) => 1,
        Some(least) => least,
    }
}

/// The most that can be filled of one intent so that enough is given of an asset; none if there never is.
fn largest_fill(
    clock: u64,
    parties: &[Party],
    filled: &[u128],
    party: usize,
    asset: AssetId,
) -> Result<Option<u128>, SwapFailure> {
    let enough = |fill: u128| {
        let mut filled = filled.to_vec();
        filled[party] = fill;
        let limits = limits_of(clock, parties, &filled)?;
        let asked: U256 = limits.iter().map(|limits| asked_by(limits, asset)).sum();
        let given: U256 = limits.iter().map(|limits| given_by(limits, asset)).sum();
        Ok::<_, SwapFailure>(asked <= given)
    };
    let (mut low, mut high) = (least_fill(&parties[party].1), filled[party]);
    if !enough(low)? {
        return Ok(None);
    }
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if enough(middle)? {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    Ok(Some(low))
}

fn may_trade(parties: &[Party], one: usize, other: usize) -> bool {
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
