//! Calls: who stands where, and what effects they have.

use alloy_primitives::{Address, B256};
use nthroot_model::{
    rule::RuleFailure,
    rules::pool::{Liquidity, Pool, PoolFailure},
};
use nthroot_protocol::{
    Effect, FragmentId, Kind,
    rules::pool::{Pair, PoolCodecError, PoolOp, PoolState, Side, share_tag},
};

use super::{POOL, add, assets, buy, operate, pool, pool_id, remove, seen, sell};
use crate::bench::{CLOCK, RULE, asset, id, moved, owned, transition, view};

const PAIR_FEE: u32 = 3_000;

fn pair() -> Pair {
    Pair {
        assets: assets(),
        fee: PAIR_FEE,
    }
}

/// A pool with 5000 shares.
fn filled() -> Liquidity {
    pool(PAIR_FEE, 5_000, [10_000, 5_000])
}

fn write(pool: &Liquidity, shares: u128) -> Effect {
    let state = PoolState { shares, ..pool.state };
    Effect::Write {
        fragment: 0,
        data: state.encode().into(),
    }
}

fn mint(to: u8, amount: u128) -> Effect {
    let tag = share_tag(pool_id());
    Effect::Mint { to, tag, amount }
}

fn burn(from: u8, amount: u128) -> Effect {
    let tag = share_tag(pool_id());
    Effect::Burn { from, tag, amount }
}

/// The effects behind the meanings, which are checked.
#[track_caller]
fn effects(pool: &Liquidity, ops: &[PoolOp]) -> Vec<Effect> {
    let mut effects = operate(pool, ops).unwrap();
    let rest = effects.split_off(ops.len());
    let meanings: Vec<_> = (0..)
        .zip(ops)
        .map(|(n, op)| Effect::meaning(n, op.meaning(assets())))
        .collect();
    assert_eq!(effects, meanings);
    rest
}

fn failed<T: std::fmt::Debug>(failure: PoolFailure) -> Result<T, RuleFailure> {
    Err(failure.into())
}

/// What the rule says to these users of a call that lists so many fragments of keys.
fn create(ops: &[PoolOp], listed: u8, extra: &[u8]) -> Result<Vec<Effect>, RuleFailure> {
    let fragments: Vec<_> = (0..listed).map(|n| view(n, &owned(n + 1, &[]))).collect();
    let payloads: Vec<_> = (0..).zip(ops.iter().map(PoolOp::encode)).collect();
    transition(&Pool, CLOCK, &fragments, &payloads, extra)
}

#[test]
fn a_new_pool_is_opened_behind_what_is_listed_without_shares() {
    let op = PoolOp::Create(pair());
    for listed in 1..=16 {
        let expected = [
            Effect::meaning(0, op.meaning(assets())),
            Effect::Open {
                depth: 0,
                kind: Kind::Rule.to_u8(),
                controller: RULE,
            },
            Effect::Write {
                fragment: listed,
                data: PoolState {
                    pair: pair(),
                    shares: 0,
                }
                .encode()
                .into(),
            },
        ];
        assert_eq!(create(&[op], listed, RULE.as_slice()), Ok(expected.to_vec()));
    }
}

#[test]
fn a_pool_is_created_alone_and_extra_is_the_rules_address() {
    let op = PoolOp::Create(pair());
    for length in [0, 19, 21] {
        assert_eq!(create(&[op], 1, &vec![1; length]), failed(PoolFailure::Extra(length)));
    }
    assert_eq!(create(&[], 1, RULE.as_slice()), failed(PoolFailure::Operations));
    // The kernel lets no rule open fragments for another one.
    let other = create(&[op], 1, Address::ZERO.as_slice()).unwrap();
    assert!(matches!(
        other[1],
        Effect::Open {
            controller: Address::ZERO,
            ..
        }
    ));
    let both = [op, add([1, 1])(id(0))];
    assert!(create(&both, 2, RULE.as_slice()).is_err());
    assert!(create(&[op, op], 2, RULE.as_slice()).is_err());
    assert_eq!(
        operate(&filled(), &[add([10, 10])(pool_id()), op]),
        failed(PoolFailure::Operations)
    );
    assert_eq!(operate(&filled(), &[op, op]), failed(PoolFailure::Operations));
}

#[test]
fn adding_moves_both_assets_mints_and_writes() {
    let empty = pool(PAIR_FEE, 0, [0, 0]);
    let expected = [
        moved(1, 0, asset(1), 10_000),
        moved(1, 0, asset(2), 2_500),
        mint(1, 4_000),
        write(&empty, 5_000),
    ];
    assert_eq!(effects(&empty, &[add([10_000, 2_500])(pool_id())]), expected);
    let expected = [
        moved(1, 0, asset(1), 100),
        moved(1, 0, asset(2), 50),
        mint(1, 50),
        write(&filled(), 5_050),
    ];
    assert_eq!(effects(&filled(), &[add([101, 51])(pool_id())]), expected);
}

#[test]
fn removing_burns_and_moves_what_is_not_zero() {
    let expected = [
        burn(1, 50),
        moved(0, 1, asset(1), 100),
        moved(0, 1, asset(2), 50),
        write(&filled(), 4_950),
    ];
    assert_eq!(effects(&filled(), &[remove(50)(pool_id())]), expected);
    let lopsided = pool(0, 5_000, [10_000, 3]);
    let expected = [burn(1, 50), moved(0, 1, asset(1), 100), write(&lopsided, 4_950)];
    assert_eq!(effects(&lopsided, &[remove(50)(pool_id())]), expected);
    let poor = pool(0, 5_000, [3, 3]);
    assert_eq!(
        effects(&poor, &[remove(50)(pool_id())]),
        [burn(1, 50), write(&poor, 4_950)]
    );
}

#[test]
fn trades_move_what_is_sold_and_then_what_is_bought() {
    let id = pool_id();
    let expected = [moved(1, 0, asset(1), 999), moved(0, 1, asset(2), 452)];
    assert_eq!(effects(&filled(), &[sell(Side::Zero, 999)(id)]), expected);
    let expected = [moved(1, 0, asset(2), 999), moved(0, 1, asset(1), 1_661)];
    assert_eq!(effects(&filled(), &[sell(Side::One, 999)(id)]), expected);
    let expected = [moved(1, 0, asset(1), 997), moved(0, 1, asset(2), 452)];
    assert_eq!(effects(&filled(), &[buy(Side::One, 452)(id)]), expected);
    let expected = [moved(1, 0, asset(2), 2), moved(0, 1, asset(1), 1)];
    assert_eq!(effects(&filled(), &[buy(Side::Zero, 1)(id)]), expected);
}

#[test]
fn each_operation_stands_on_what_the_one_before_left() {
    let id = pool_id();
    let ops = [
        sell(Side::Zero, 999)(id),
        buy(Side::Zero, 100)(id),
        add([500, 500])(id),
        remove(10)(id),
    ];
    let mut pool = filled();
    let mut expected = Vec::new();
    for (user, op) in (1..).zip(ops) {
        let (next, effects) = pool.after(id, user, op).unwrap();
        pool = next;
        expected.extend(effects);
    }
    expected.push(write(&pool, pool.state.shares));
    assert_eq!(effects(&filled(), &ops), expected);
    // The second one would pay less for the pool as it was.
    assert_ne!(effects(&filled(), &ops[1..2])[..], expected[2..4]);
}

#[test]
fn data_are_written_if_shares_have_changed() {
    let id = pool_id();
    let writes = |ops: &[PoolOp]| {
        effects(&filled(), ops)
            .iter()
            .any(|effect| matches!(effect, Effect::Write { .. }))
    };
    assert!(!writes(&[sell(Side::Zero, 999)(id), sell(Side::One, 999)(id)]));
    assert!(writes(&[sell(Side::Zero, 999)(id), remove(1)(id)]));
    // What is added and removed again leaves them as they were.
    assert!(!writes(&[add([100, 50])(id), remove(50)(id)]));
}

#[test]
fn what_a_user_wants_is_kept_to_the_unit() {
    let pool = pool_id();
    let at_least = |shares, a, b| PoolOp::Remove {
        pool,
        shares,
        at_least: [a, b],
    };
    let add = |shares_at_least| PoolOp::Add {
        pool,
        at_most: [101, 51],
        shares_at_least,
    };
    let sell = |at_least| PoolOp::Sell {
        pool,
        side: Side::Zero,
        amount: 999,
        at_least,
    };
    let buy = |at_most| PoolOp::Buy {
        pool,
        side: Side::One,
        amount: 452,
        at_most,
    };
    for (good, bad, failure) in [
        (add(50), add(51), PoolFailure::TooLittle { least: 51, actual: 50 }),
        (
            sell(452),
            sell(453),
            PoolFailure::TooLittle {
                least: 453,
                actual: 452,
            },
        ),
        (buy(997), buy(996), PoolFailure::TooMuch { most: 996, actual: 997 }),
        (
            at_least(50, 100, 50),
            at_least(50, 101, 50),
            PoolFailure::TooLittle {
                least: 101,
                actual: 100,
            },
        ),
        (
            at_least(50, 100, 50),
            at_least(50, 100, 51),
            PoolFailure::TooLittle { least: 51, actual: 50 },
        ),
    ] {
        assert!(operate(&filled(), &[good]).is_ok());
        assert_eq!(operate(&filled(), &[bad]), failed(failure));
    }
}

#[test]
fn position_0_is_the_pool_that_every_payload_names() {
    let sell = sell(Side::Zero, 999);
    let named = id(POOL - 1);
    assert_eq!(
        operate(&filled(), &[sell(named)]),
        failed(PoolFailure::OtherPool { named })
    );
    let ops = [sell(pool_id()), sell(named)];
    assert_eq!(operate(&filled(), &ops), failed(PoolFailure::OtherPool { named }));

    let run =
        |fragments: &[_], op: PoolOp, extra: &[u8]| transition(&Pool, CLOCK, fragments, &[(1, op.encode())], extra);
    let user = view(1, &owned(1, &[]));
    // Not at position 0.
    assert_eq!(
        run(&[user.clone(), seen(&filled())], sell(pool_id()), &[]),
        failed(PoolFailure::NoPool)
    );
    assert_eq!(run(&[], sell(pool_id()), &[]), failed(PoolFailure::NoPool));
    // Created in the same batch.
    let mut new = seen(&filled());
    new.id = FragmentId::ZERO;
    assert_eq!(
        run(&[new, user.clone()], sell(FragmentId::ZERO), &[]),
        failed(PoolFailure::NoPool)
    );
    // A key's.
    let mut keys = seen(&filled());
    keys.kind = Kind::Secp256k1;
    assert_eq!(
        run(&[keys, user.clone()], sell(pool_id()), &[]),
        failed(PoolFailure::NoPool)
    );
    // With other data.
    let mut other = seen(&filled());
    other.data.push(0);
    let junk = run(&[other, user.clone()], sell(pool_id()), &[]);
    let junk_is_seen = failed(PoolCodecError::Trailing(nthroot_protocol::Trailing(1)).into());
    assert_eq!(junk, junk_is_seen);
    // With something in extra.
    let extra = run(&[seen(&filled()), user], sell(pool_id()), RULE.as_slice());
    assert_eq!(extra, failed(PoolFailure::Extra(20)));
    assert_eq!(operate(&filled(), &[]), failed(PoolFailure::Operations));
}

#[test]
fn other_assets_that_a_pool_may_hold_count_for_nothing() {
    let mut fragment = seen(&filled());
    fragment
        .assets
        .push((nthroot_protocol::AssetId(B256::repeat_byte(9)), 77));
    let op = sell(Side::Zero, 999)(pool_id());
    let fragments = [fragment, view(1, &owned(1, &[]))];
    let with = transition(&Pool, CLOCK, &fragments, &[(1, op.encode())], &[]);
    assert_eq!(with, operate(&filled(), &[op]));
}
