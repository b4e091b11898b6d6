//! Whatever the rule accepts satisfies every intent: random rings, checked without the rule's arithmetic.

use std::cell::RefCell;

use alloy_primitives::{U256, U512};
use nthroot_model::rules::swap::Limits;
use nthroot_protocol::{
    AssetId,
    rules::swap::{Curve, Fill, FillMove, Leg, SwapIntent},
};
use proptest::{prelude::*, test_runner::TestRunner};

use super::swap_at;
use crate::bench::{CLOCK, asset, config, id, outflow};

fn wide(number: impl Into<u128>) -> U512 {
    U512::from(number.into())
}

/// One user of a ring, before its neighbours are known.
#[derive(Clone, Debug)]
struct Draft {
    give: u128,
    rise: u128,
    /// How much of what the one before gives it asks for, in hundredths, and how much more at the start.
    asks: (u128, u128),
    reward: u128,
    curve: Option<Curve>,
    /// Least fill and fill, in hundredths of the whole.
    partial: Option<(u128, u128)>,
    named: bool,
}

fn draft() -> impl Strategy<Value = Draft> {
    let curve = proptest::option::of((0..100_u64, 0..100_u64));
    let amounts = prop_oneof![1..50_u128, 1..1_u128 << 60, 1..u128::MAX >> 9];
    (
        amounts,
        0..300_u128,
        (60..102_u128, 0..30_u128),
        0..20_u128,
        curve,
        proptest::option::of((0..90_u128, 60..=100_u128)),
        any::<bool>(),
    )
        .prop_map(|(give, rise, asks, reward, curve, partial, named)| Draft {
            give,
            // The curve runs across the clock, or ends before it, or begins after it.
            curve: curve.map(|(a, b)| Curve {
                first: CLOCK - 50 + a.min(b),
                last: CLOCK - 50 + a.max(b),
            }),
            rise: if curve.is_some() { rise } else { 0 },
            asks,
            reward,
            partial,
            named,
        })
}

/// A ring: user i gives asset i to the next one, who gives at most what it signed. With a reward in asset 100 for a last one,
/// who gives nothing.
fn ring(drafts: &[Draft]) -> (Vec<SwapIntent>, Vec<u128>) {
    let mut intents: Vec<SwapIntent> = Vec::new();
    let mut fills = Vec::new();
    for (i, draft) in (0_u8..).zip(drafts) {
        let end = draft.give + draft.rise;
        let least_fill = draft.partial.map(|(least, _)| end / 100 * least);
        fills.extend(
            draft
                .partial
                .map(|(least, fill)| (end / 100 * least.max(fill)).clamp(1, end)),
        );
        intents.push(SwapIntent {
            gives: vec![Leg {
                asset: asset(i + 1),
                start: draft.give,
                end,
            }],
            gets: Vec::new(),
            rewards: vec![outflow(asset(100), draft.reward)],
            counterparties: Vec::new(),
            curve: draft.curve,
            least_fill,
        });
    }
    let count = intents.len();
    for (i, draft) in drafts.iter().enumerate() {
        let before = (i + count - 1) % count;
        let offered = intents[before].gives[0];
        let part = |hundredths: u128| {
            let part = wide(offered.start) * wide(hundredths) / wide(100_u128);
            u128::try_from(part).unwrap_or(u128::MAX)
        };
        let end = part(draft.asks.0);
        let start = if draft.curve.is_some() {
            part(draft.asks.0 + draft.asks.1)
        } else {
            end
        };
        intents[i].gets.push(Leg {
            asset: offered.asset,
            start,
            end,
        });
        if draft.named {
            let mut named = vec![before, (i + 1) % count, count]
                .into_iter()
                .map(|n| id(u8::try_from(n).unwrap()))
                .collect::<Vec<_>>();
            named.sort_unstable();
            named.dedup();
            intents[i].counterparties = named;
        }
    }
    (intents, fills)
}

/// What moves take from or bring to a user of an asset.
fn sum(fill: &Fill, asset: AssetId, side: impl Fn(&FillMove) -> bool) -> U512 {
    let of_it = fill
        .moves
        .iter()
        .filter(|each| side(each) && fill.assets[usize::from(each.asset)] == asset);
    of_it.fold(U512::ZERO, |sum, each| sum + wide(each.amount))
}

/// The promise of the page, in fractions and without rounding: at most what the give and the reward are at this clock, for
/// as much as is filled, and at least what the get is.
fn satisfies(user: u8, intent: &SwapIntent, filled: u128, fill: &Fill) -> bool {
    let whole = wide(intent.whole());
    if filled == 0 || filled < intent.least_fill.unwrap_or(intent.whole()) || wide(filled) > whole {
        return false;
    }
    // How far the curve is: `far / length`.
    let (far, length) = match intent.curve {
        None => (1, 1),
        Some(Curve { first, last }) if first == last => (u64::from(CLOCK > first), 1),
        Some(Curve { first, last }) => (CLOCK.clamp(first, last) - first, last - first),
    };
    let (far, length, filled) = (wide(far), wide(length), wide(filled));
    let now = |leg: &Leg| wide(leg.start) * (length - far) + wide(leg.end) * far;
    let taken = |asset| sum(fill, asset, |each| each.from == user);
    let gives = |asset| {
        intent
            .gives
            .iter()
            .find(|leg| leg.asset == asset)
            .map_or(U512::ZERO, now)
    };
    let reward = |asset| {
        let reward = intent.rewards.iter().find(|reward| reward.asset == asset);
        reward.map_or(U512::ZERO, |reward| wide(reward.amount) * length)
    };
    let pays = fill
        .assets
        .iter()
        .all(|asset| taken(*asset) * whole * length <= (gives(*asset) + reward(*asset)) * filled);
    let brought = |asset| sum(fill, asset, |each| each.to == user);
    let gets = intent
        .gets
        .iter()
        .all(|leg| brought(leg.asset) * whole * length >= now(leg) * filled);
    let known = |other: u8| intent.counterparties.is_empty() || intent.counterparties.contains(&id(other));
    let named = fill
        .moves
        .iter()
        .all(|each| (each.from != user || known(each.to)) && (each.to != user || known(each.from)));
    pays && gets && named
}

#[derive(Default, Debug)]
struct Reached {
    accepted: u32,
    refused: u32,
    partial: u32,
    rising: u32,
    named: u32,
    large_rings: u32,
}

#[test]
fn what_is_accepted_satisfies_everybody() {
    let reached = RefCell::new(Reached::default());
    let strategy = (
        proptest::collection::vec(draft(), 3..=8),
        // Which move is changed, and how.
        (any::<prop::sample::Index>(), 0..8_u8),
    );
    let cases = config().cases;
    TestRunner::new(config())
        .run(&strategy, |(drafts, (which, how))| {
            let (intents, fills) = ring(&drafts);
            let count = u8::try_from(intents.len()).unwrap();
            let mut in_part = fills.iter().copied();
            let filled: Vec<u128> = intents
                .iter()
                .map(|intent| {
                    if intent.is_partial() {
                        in_part.next().unwrap()
                    } else {
                        intent.whole()
                    }
                })
                .collect();

            // Everybody gives as much as it may, and its reward to the one behind the ring.
            let mut moves = Vec::new();
            let mut feasible = true;
            let limits: Vec<Limits> = intents
                .iter()
                .zip(&filled)
                .map(|(intent, filled)| Limits::of(intent, CLOCK, *filled).unwrap())
                .collect();
            for i in 0..count {
                let next = (i + 1) % count;
                let limits_of = |n: u8| &limits[usize::from(n)];
                let most = u128::try_from(limits_of(i).most[&asset(i + 1)]).unwrap();
                feasible &= most >= limits_of(next).least[&asset(i + 1)];
                moves.push((i, next, asset(i + 1), most));
                let reward = u128::try_from(limits_of(i).most[&asset(100)]).unwrap();
                moves.push((i, count, asset(100), reward));
            }
            let mut fill = Fill::new(fills, &moves);
            let run = |fill: &Fill| swap_at(CLOCK, &intents, count + 2, &fill.encode());
            // What is at the limits is accepted if and only if everybody gets its least.
            prop_assert_eq!(run(&fill).is_ok(), feasible);

            // Something is changed: an amount by one, who gives, who gets, what is filled.
            let place = which.index(fill.moves.len());
            let is_give = fill.moves[place].amount;
            match how {
                0 => fill.moves[place].amount = is_give.saturating_add(1),
                1 => fill.moves[place].amount = is_give.saturating_sub(1),
                2 => fill.moves[place].to = count + 1,
                3 => fill.moves[place].from = (fill.moves[place].from + 1) % count,
                4 => fill
                    .filled
                    .iter_mut()
                    .for_each(|filled| *filled = filled.saturating_sub(1)),
                5 => fill.filled.iter_mut().for_each(|filled| *filled += 1),
                6 => drop(fill.moves.remove(place)),
                _ => {}
            }
            let mut in_part = fill.filled.iter().copied();
            let all = (0..).zip(&intents).all(|(user, intent)| {
                let filled = if intent.is_partial() {
                    in_part.next().unwrap()
                } else {
                    intent.whole()
                };
                satisfies(user, intent, filled, &fill)
            });
            let accepted = run(&fill).is_ok();
            prop_assert!(!accepted || all, "accepted, but not what was signed");
            // A unit more than the most is refused, always.
            prop_assert!(!accepted || how != 0);

            let mut reached = reached.borrow_mut();
            if accepted {
                reached.accepted += 1;
                reached.partial += u32::from(!fill.filled.is_empty());
                let between = |curve: &Curve| curve.first < CLOCK && CLOCK < curve.last;
                let rising = intents.iter().any(|intent| intent.curve.as_ref().is_some_and(between));
                reached.rising += u32::from(rising);
                reached.named += u32::from(intents.iter().any(|intent| !intent.counterparties.is_empty()));
                reached.large_rings += u32::from(count >= 6);
            } else {
                reached.refused += 1;
            }
            Ok(())
        })
        .unwrap();
    let reached = reached.into_inner();
    let Reached {
        accepted,
        refused,
        partial,
        rising,
        named,
        large_rings,
    } = reached;
    for part in [accepted, refused, partial, rising, named, large_rings] {
        assert!(part >= cases / 50, "{reached:?} of {cases}");
    }
}

#[test]
fn limits_of_all_sizes_are_those_of_the_page() {
    let strategy = (
        crate::bench::amount(),
        crate::bench::amount(),
        crate::bench::amount(),
        crate::bench::amount(),
    );
    TestRunner::new(config())
        .run(&strategy, |(give, get, reward, filled)| {
            let whole = give.max(1);
            let filled = filled % whole + 1;
            let intent = SwapIntent {
                gives: vec![Leg::fixed(asset(1), whole)],
                gets: vec![Leg::fixed(asset(2), get)],
                rewards: vec![outflow(asset(1), reward)],
                counterparties: Vec::new(),
                curve: None,
                least_fill: Some(0),
            };
            let limits = Limits::of(&intent, CLOCK, filled).unwrap();
            // What is filled is in units of the first give, so it is what is given.
            let rewarded = limits.most[&asset(1)] - U256::from(filled);
            let (rewarded, least) = (U512::from(rewarded), wide(limits.least[&asset(2)]));
            let part = |of: u128| wide(of) * wide(filled);
            prop_assert!(rewarded * wide(whole) <= part(reward) && part(reward) < (rewarded + U512::ONE) * wide(whole));
            prop_assert!(
                least * wide(whole) >= part(get) && (least.is_zero() || (least - U512::ONE) * wide(whole) < part(get))
            );
            Ok(())
        })
        .unwrap();
}
