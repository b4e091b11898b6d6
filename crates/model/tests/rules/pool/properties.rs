//! Random sequences of calls of several users, with all that the page says holds of them.

use std::{cell::RefCell, collections::BTreeMap};

use alloy_primitives::{I256, U256};
use nthroot_model::rules::pool::Liquidity;
use nthroot_protocol::{
    AssetId, Effect,
    rules::pool::{LOCKED_SHARES, PoolOp, PoolState, Side, share_tag},
};
use proptest::{prelude::*, test_runner::TestRunner};

use super::{
    add, assets, buy, is_sound, k_holds, k_of_a_share_holds, operate, pool, pool_id, remove, sell, share, wide,
};
use crate::bench::{RULE, config};

/// Position of the pool, and of somebody who has added first and stands by.
const POOL: u8 = 0;
const BYSTANDER: u8 = 99;

/// An operation in parts of what there is: the pool's reserves, or the user's shares.
#[derive(Clone, Copy, Debug)]
enum Wish {
    Add(u16, u16),
    Remove(u16),
    Sell(Side, u16),
    Buy(Side, u16),
    /// An amount of a few units, or of any size.
    Odd(u8, u128),
}

fn wish() -> impl Strategy<Value = Wish> {
    let side = || any::<bool>().prop_map(|one| if one { Side::One } else { Side::Zero });
    prop_oneof![
        3 => (any::<u16>(), any::<u16>()).prop_map(|(a, b)| Wish::Add(a, b)),
        3 => any::<u16>().prop_map(Wish::Remove),
        3 => (side(), any::<u16>()).prop_map(|(side, part)| Wish::Sell(side, part)),
        3 => (side(), any::<u16>()).prop_map(|(side, part)| Wish::Buy(side, part)),
        3 => (0..6_u8, prop_oneof![9 => 0..12_u128, 1 => any::<u128>()]).prop_map(|(kind, n)| Wish::Odd(kind, n)),
    ]
}

fn signed(amount: u128) -> I256 {
    I256::from_raw(U256::from(amount))
}

/// What everybody has, by position and asset. Users may owe what is no share: they are as rich as they wish.
#[derive(Clone, Default)]
struct Books(BTreeMap<(u8, AssetId), I256>);

impl Books {
    fn balance(&self, who: u8, asset: AssetId) -> I256 {
        self.0.get(&(who, asset)).copied().unwrap_or_default()
    }

    fn credit(&mut self, who: u8, asset: AssetId, amount: I256) {
        *self.0.entry((who, asset)).or_default() += amount;
    }

    fn shares(&self, who: u8) -> u128 {
        u128::try_from(self.balance(who, share()).into_raw()).unwrap()
    }

    /// Applies effects as the kernel does. The data that are written, if any.
    fn apply(&mut self, effects: &[Effect]) -> Option<PoolState> {
        let mut written = None;
        for effect in effects {
            match effect {
                Effect::Move {
                    from,
                    to,
                    asset,
                    amount,
                } => {
                    assert!(*amount > 0 && from != to);
                    let amount = signed(*amount);
                    self.credit(*from, *asset, -amount);
                    self.credit(*to, *asset, amount);
                    assert!(*from != POOL || self.balance(POOL, *asset).is_positive(), "drained");
                }
                Effect::Mint { to, tag, amount } => {
                    self.credit(*to, AssetId::issued(RULE, *tag), signed(*amount));
                }
                Effect::Burn { from, tag, amount } => {
                    self.credit(*from, AssetId::issued(RULE, *tag), -signed(*amount));
                }
                Effect::Write { fragment: POOL, data } => written = Some(PoolState::decode(data).unwrap()),
                Effect::Meaning { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        written
    }
}

fn part(of: u128, part: u16) -> u128 {
    u128::try_from(wide(of) * wide(part.into()) / wide(u16::MAX.into())).unwrap()
}

fn op(wish: Wish, pool: &Liquidity, shares: u128) -> PoolOp {
    let id = pool_id();
    let [r0, r1] = pool.reserves;
    match wish {
        Wish::Add(a, b) => add([part(r0, a), part(r1, b)])(id),
        Wish::Remove(n) => remove(part(shares, n))(id),
        Wish::Sell(side, n) => sell(side, part(side.of(pool.reserves), n))(id),
        Wish::Buy(side, n) => buy(side, part(side.of(pool.reserves), n))(id),
        Wish::Odd(0, n) => add([n, n])(id),
        Wish::Odd(1, n) => remove(n.min(shares))(id),
        Wish::Odd(2, n) => sell(Side::Zero, n)(id),
        Wish::Odd(3, n) => sell(Side::One, n)(id),
        Wish::Odd(4, n) => buy(Side::Zero, n)(id),
        Wish::Odd(_, n) => buy(Side::One, n)(id),
    }
}

#[derive(Default, Debug)]
struct Reached {
    calls: u32,
    failed: u32,
    adds: u32,
    removals: u32,
    trades: u32,
    several: u32,
    profits_of_one_asset: u32,
}

#[test]
fn no_sequence_of_operations_takes_out_more_than_it_put_in() {
    let reached = RefCell::new(Reached::default());
    // Reserves of all sizes, down to where rounding is everything.
    let size = || prop_oneof![1..2_000_u128, 1..1_u128 << 40, 1..1_u128 << 90];
    let calls = proptest::collection::vec(proptest::collection::vec(wish(), 1..=3), 1..24);
    let strategy = (
        size(),
        size(),
        prop_oneof![Just(0), Just(3_000), 0..=100_000_u32],
        calls,
    );
    TestRunner::new(config())
        .run(&strategy, |(a, b, fee, calls)| {
            let empty = pool(fee, 0, [0, 0]);
            let mut books = Books::default();
            let Ok((begun, _)) = empty.after(pool_id(), BYSTANDER, add([a.max(1_001), b.max(1_001)])(pool_id())) else {
                return Ok(());
            };
            let first = operate(&empty, &[add([a.max(1_001), b.max(1_001)])(pool_id())]).unwrap();
            assert_eq!(books.apply(&first), Some(begun.state));
            // The first user is the one who stands by from now on.
            let shares_of_bystander = books.shares(1);
            books.credit(1, share(), -signed(shares_of_bystander));
            books.credit(BYSTANDER, share(), signed(shares_of_bystander));
            for asset in assets() {
                let paid = books.balance(1, asset);
                books.credit(1, asset, -paid);
            }

            let mut now = begun;
            let last_calls = (1..=3).map(|user| (user, true));
            let calls = calls
                .into_iter()
                .map(|wishes| (Some(wishes), 0))
                .chain(last_calls.map(|(user, _)| (None, user)));
            for (wishes, leaver) in calls {
                // In the end all but the bystander leave.
                let ops: Vec<PoolOp> = match &wishes {
                    Some(wishes) => (1..)
                        .zip(wishes)
                        .map(|(user, wish)| op(*wish, &now, books.shares(user)))
                        .collect(),
                    None if books.shares(leaver) == 0 => continue,
                    None => {
                        // The one who leaves stands first.
                        let shares = books.balance(leaver, share());
                        books.credit(leaver, share(), -shares);
                        books.credit(1, share(), shares);
                        vec![remove(books.shares(1))(pool_id())]
                    }
                };
                let mut reached = reached.borrow_mut();
                let Ok(effects) = operate(&now, &ops) else {
                    prop_assert!(wishes.is_some(), "everybody can always leave");
                    reached.failed += 1;
                    continue;
                };
                reached.calls += 1;
                reached.several += u32::from(ops.len() > 1);

                // Each operation on its own: k, and k of a share.
                let mut steps = now;
                for (user, op) in (1..).zip(&ops) {
                    let (next, _) = steps.after(pool_id(), user, *op).unwrap();
                    prop_assert!(is_sound(&next));
                    prop_assert!(k_of_a_share_holds(&steps, &next));
                    match op {
                        PoolOp::Sell { .. } | PoolOp::Buy { .. } => {
                            prop_assert!(k_holds(&steps, &next));
                            prop_assert_eq!(steps.state, next.state);
                            reached.trades += 1;
                        }
                        PoolOp::Add { .. } => reached.adds += 1,
                        _ => reached.removals += 1,
                    }
                    steps = next;
                }

                // The effects do just that.
                let written = books.apply(&effects);
                prop_assert_eq!(written, (steps.state != now.state).then_some(steps.state));
                now = steps;
                for (asset, reserve) in assets().into_iter().zip(now.reserves) {
                    prop_assert_eq!(books.balance(POOL, asset), signed(reserve));
                }
                let owned = (1..=3).map(|user| books.shares(user)).sum::<u128>() + books.shares(BYSTANDER);
                prop_assert_eq!(owned + LOCKED_SHARES, now.state.shares);
            }

            // Together the three users had nothing, and have no shares: they are not richer in one asset without being
            // poorer in the other. Nor is the bystander, who did nothing, poorer by k.
            prop_assert_eq!(now.state, begun.state);
            prop_assert!(k_holds(&begun, &now));
            let gain = assets().map(|asset| (1..=3).fold(I256::ZERO, |sum, user| sum + books.balance(user, asset)));
            prop_assert!(
                gain.iter().any(I256::is_negative) || gain == [I256::ZERO; 2],
                "{gain:?}"
            );
            reached.borrow_mut().profits_of_one_asset += u32::from(gain.iter().any(I256::is_positive));
            Ok(())
        })
        .unwrap();
    let reached = reached.into_inner();
    let cases = config().cases;
    let Reached {
        calls,
        failed,
        adds,
        removals,
        trades,
        several,
        profits_of_one_asset,
    } = reached;
    for part in [calls, adds, removals, trades, several] {
        assert!(part >= cases, "{reached:?} of {cases}");
    }
    for part in [failed, profits_of_one_asset] {
        assert!(part >= cases / 10, "{reached:?} of {cases}");
    }
}

#[test]
fn who_trades_alone_from_any_state_gains_nothing() {
    // Pools as they may have become: any shares, any reserves.
    let strategy = (
        (1_001..1_u128 << 90, 1..1_u128 << 90, 1..1_u128 << 90),
        prop_oneof![Just(0), 0..=100_000_u32],
        proptest::collection::vec(wish(), 1..12),
    );
    let done = RefCell::new(0_u32);
    TestRunner::new(config())
        .run(&strategy, |((shares, r0, r1), fee, wishes)| {
            let start = pool(fee, shares, [r0, r1]);
            let mut now = start;
            let mut own = 0;
            for wish in wishes {
                let Ok((next, effects)) = now.after(pool_id(), 1, op(wish, &now, own)) else {
                    continue;
                };
                for effect in effects {
                    match effect {
                        Effect::Mint { tag, amount, .. } => {
                            prop_assert_eq!(tag, share_tag(pool_id()));
                            own += amount;
                        }
                        Effect::Burn { amount, .. } => own -= amount,
                        _ => {}
                    }
                }
                now = next;
                *done.borrow_mut() += 1;
            }
            if own > 0 {
                now = now.after(pool_id(), 1, remove(own)(pool_id())).unwrap().0;
            }
            prop_assert_eq!(now.state, start.state);
            let [a, b] = [0, 1].map(|n| now.reserves[n].cmp(&start.reserves[n]));
            prop_assert!(a.is_gt() || b.is_gt() || now.reserves == start.reserves);
            prop_assert!(now.reserves.iter().all(|reserve| *reserve > 0));
            Ok(())
        })
        .unwrap();
    assert!(done.into_inner() >= config().cases);
}
