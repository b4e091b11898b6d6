//! Payloads, data, and what they mean.

use alloy_primitives::{B256, U256, keccak256};
use nthroot_model::rules::pool::Pool;
use nthroot_protocol::{
    AssetId, Trailing, Truncated,
    rules::pool::{Pair, PoolCodecError, PoolOp, PoolState, Side, share_tag},
};
use proptest::prelude::*;

use super::{assets, pool_id};
use crate::bench::{CLOCK, RULE, amount, asset, config, owned, ruled, spoilt, transition, view};

const PAIR: Pair = Pair {
    assets: [AssetId(B256::with_last_byte(1)), AssetId(B256::with_last_byte(2))],
    fee: 3_000,
};

/// One of each kind.
fn ops() -> [PoolOp; 5] {
    let pool = pool_id();
    [
        PoolOp::Create(PAIR),
        PoolOp::Add {
            pool,
            at_most: [4, 5],
            shares_at_least: 6,
        },
        PoolOp::Remove {
            pool,
            shares: 4,
            at_least: [5, 6],
        },
        PoolOp::Sell {
            pool,
            side: Side::One,
            amount: 4,
            at_least: 5,
        },
        PoolOp::Buy {
            pool,
            side: Side::One,
            amount: 4,
            at_most: 5,
        },
    ]
}

fn op() -> impl Strategy<Value = PoolOp> {
    let side = any::<bool>().prop_map(|one| if one { Side::One } else { Side::Zero });
    (0..5_usize, amount(), amount(), amount(), side, 0..=100_000_u32).prop_map(|(kind, a, b, c, side, fee)| {
        let pool = pool_id();
        match kind {
            0 => PoolOp::Create(Pair { fee, ..PAIR }),
            1 => PoolOp::Add {
                pool,
                at_most: [a, b],
                shares_at_least: c,
            },
            2 => PoolOp::Remove {
                pool,
                shares: a,
                at_least: [b, c],
            },
            3 => PoolOp::Sell {
                pool,
                side,
                amount: a,
                at_least: b,
            },
            _ => PoolOp::Buy {
                pool,
                side,
                amount: a,
                at_most: b,
            },
        }
    })
}

#[test]
fn operations_are_laid_out_as_the_page_says() {
    let pool = pool_id().to_bytes();
    let number = |n: u128| n.to_be_bytes();
    let expected = [
        [&[1][..], asset(1).0.as_slice(), asset(2).0.as_slice(), &[0, 0x0b, 0xb8]].concat(),
        [&[2][..], &pool, &number(4), &number(5), &number(6)].concat(),
        [&[3][..], &pool, &number(4), &number(5), &number(6)].concat(),
        [&[4][..], &pool, &[1], &number(4), &number(5)].concat(),
        [&[5][..], &pool, &[1], &number(4), &number(5)].concat(),
    ];
    for (op, expected) in ops().into_iter().zip(expected) {
        assert_eq!(op.encode(), expected);
        assert_eq!(PoolOp::decode(&expected), Ok(op));
    }
}

#[test]
fn data_are_83_bytes_of_assets_fee_and_shares() {
    let state = PoolState { pair: PAIR, shares: 77 };
    let bytes = [
        asset(1).0.as_slice(),
        asset(2).0.as_slice(),
        &[0, 0x0b, 0xb8],
        &77_u128.to_be_bytes(),
    ]
    .concat();
    assert_eq!(bytes.len(), 83);
    assert_eq!(state.encode(), bytes);
    assert_eq!(PoolState::decode(&bytes), Ok(state));
    let short = PoolState::decode(&bytes[..82]);
    assert_eq!(short, Err(PoolCodecError::Truncated(Truncated { at: 67, missing: 1 })));
    let long = PoolState::decode(&[bytes, vec![0]].concat());
    assert_eq!(long, Err(PoolCodecError::Trailing(Trailing(1))));
}

#[test]
fn assets_increase_and_the_fee_is_at_most_a_tenth() {
    let cases = [
        ([2, 1], 0, Err(PoolCodecError::AssetOrder)),
        ([1, 1], 0, Err(PoolCodecError::AssetOrder)),
        ([1, 2], 100_000, Ok(())),
        ([1, 2], 100_001, Err(PoolCodecError::Fee(100_001))),
        ([1, 2], u32::MAX, Err(PoolCodecError::Fee((1 << 24) - 1))),
    ];
    for (numbers, fee, expected) in cases {
        let pair = Pair {
            assets: numbers.map(asset),
            fee,
        };
        assert_eq!(PoolOp::decode(&PoolOp::Create(pair).encode()).map(|_| ()), expected);
        assert_eq!(
            PoolState::decode(&PoolState { pair, shares: 0 }.encode()).map(|_| ()),
            expected
        );
    }
}

#[test]
fn codes_and_sides_are_those_of_the_page() {
    for code in [0, 6, 255] {
        let mut bytes = ops()[1].encode();
        bytes[0] = code;
        assert_eq!(PoolOp::decode(&bytes), Err(PoolCodecError::Code(code)));
    }
    for op in &ops()[3..] {
        let mut bytes = op.encode();
        bytes[11] = 2;
        assert_eq!(PoolOp::decode(&bytes), Err(PoolCodecError::Side(2)));
    }
}

#[test]
fn junk_behind_a_payload_is_no_payload() {
    for op in ops() {
        let mut bytes = op.encode();
        for cut in 0..bytes.len() {
            let cut = PoolOp::decode(&bytes[..cut]);
            assert!(matches!(cut, Err(PoolCodecError::Truncated(_))), "{cut:?}");
        }
        bytes.push(0);
        assert_eq!(PoolOp::decode(&bytes), Err(PoolCodecError::Trailing(Trailing(1))));
    }
}

#[test]
fn the_types_are_those_of_the_page() {
    let words = |kind: &str, words: &[B256]| keccak256([&[keccak256(kind)], words].concat().concat());
    let number = |n: u128| B256::from(U256::from(n));
    let pool = B256::left_padding_from(&pool_id().to_bytes());
    let [zero, one] = assets().map(|asset| asset.0);
    let cases = [
        (
            "PoolCreate(bytes32 asset0,bytes32 asset1,uint24 fee)",
            vec![zero, one, number(3_000)],
        ),
        (
            "PoolAdd(uint80 pool,bytes32 asset0,uint128 atMost0,bytes32 asset1,uint128 atMost1,uint128 sharesAtLeast)",
            vec![pool, zero, number(4), one, number(5), number(6)],
        ),
        (
            "PoolRemove(uint80 pool,uint128 shares,bytes32 asset0,uint128 atLeast0,bytes32 asset1,uint128 atLeast1)",
            vec![pool, number(4), zero, number(5), one, number(6)],
        ),
        (
            "PoolSell(uint80 pool,bytes32 sell,uint128 amount,bytes32 buy,uint128 atLeast)",
            vec![pool, one, number(4), zero, number(5)],
        ),
        (
            "PoolBuy(uint80 pool,bytes32 buy,uint128 amount,bytes32 sell,uint128 atMost)",
            vec![pool, one, number(4), zero, number(5)],
        ),
    ];
    for (op, (kind, members)) in ops().into_iter().zip(cases) {
        let name = kind.split('(').next().unwrap();
        let authorisation = format!(
            "Authorisation({name} intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)\
             Outflow(bytes32 asset,uint128 amount){kind}"
        );
        let meaning = op.meaning(assets());
        assert_eq!(meaning.type_hash, keccak256(authorisation));
        assert_eq!(meaning.struct_hash, words(kind, &members));
    }
}

#[test]
fn shares_of_a_pool_have_its_id_for_their_tag() {
    let tag = share_tag(pool_id());
    assert_eq!(tag[..22], [0; 22]);
    assert_eq!(tag[22..], pool_id().to_bytes());
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn an_operation_has_one_encoding(op in op()) {
        prop_assert_eq!(PoolOp::decode(&op.encode()), Ok(op));
    }

    #[test]
    fn what_decodes_is_its_own_encoding(bytes in op().prop_flat_map(|op| spoilt(op.encode()))) {
        if let Ok(op) = PoolOp::decode(&bytes) {
            prop_assert_eq!(op.encode(), bytes);
        }
    }

    #[test]
    fn no_bytes_make_the_rule_panic(
        payloads in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..80),
                op().prop_flat_map(|op| spoilt(op.encode())),
                op().prop_map(|op| op.encode()),
            ],
            0..4,
        ),
        extra in prop_oneof![3 => Just(Vec::new()), 1 => Just(RULE.to_vec()), 1 => proptest::collection::vec(any::<u8>(), 0..40)],
        data in prop_oneof![
            3 => amount().prop_map(|shares| PoolState { pair: PAIR, shares }.encode()),
            1 => proptest::collection::vec(any::<u8>(), 83),
            1 => proptest::collection::vec(any::<u8>(), 0..100),
        ],
        held in (amount(), amount()),
        fragments in 0..3_u8,
    ) {
        let pool = view(super::POOL, &ruled(&[(asset(1), held.0), (asset(2), held.1)], data));
        let users = (0..fragments).map(|n| view(n, &owned(1, &[])));
        let fragments: Vec<_> = std::iter::once(pool).chain(users).skip(usize::from(fragments == 2)).collect();
        let payloads: Vec<_> = (0..).zip(payloads).collect();
        // Whether it fails is asked elsewhere.
        let _ = transition(&Pool, CLOCK, &fragments, &payloads, &extra);
    }
}
