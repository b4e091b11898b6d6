//! Payloads, data, tags and what is signed: each value has one encoding, and everything else is refused.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

use alloy_primitives::{B256, aliases::U192, keccak256};
use nthroot_model::{
    rule::{AuthorisationView, FragmentView},
    rules::credit::effects,
};
use nthroot_protocol::{
    AssetId, Effect, FragmentId, Kind,
    rules::credit::{CreditError, CreditOp, Market, Position, Terms, shares_tag, title_tag},
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{RngSeed, TestRunner},
};

use super::world::{RULE, add, bid, borrow, call, close, gold, lend, redeem, repay, terms, usd};

fn id(bytes: [u8; 10]) -> FragmentId {
    FragmentId::from_bytes(bytes)
}

/// All operations on a market, with their codes, lengths and types as the page has them.
fn page() -> [(u8, usize, CreditOp, &'static str); 9] {
    let market = id([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    [
        (
            1,
            121,
            CreditOp::Create(terms()),
            "CreditCreate(uint8 depth,bytes32 collateral,bytes32 asset,uint128 ratio,uint64 rate,uint128 minimum,uint24 \
             callFee,uint32 grace,uint32 rise,uint32 fall)",
        ),
        (
            2,
            43,
            lend(market, 5),
            "CreditLend(uint80 market,bytes32 asset,uint128 amount,uint128 sharesAtLeast)",
        ),
        (
            3,
            43,
            redeem(market, 5),
            "CreditRedeem(uint80 market,uint128 shares,bytes32 asset,uint128 atLeast)",
        ),
        (
            4,
            51,
            borrow(market, 7, 5, 6),
            "CreditBorrow(uint80 market,uint64 serial,bytes32 collateral,uint128 added,bytes32 asset,uint128 amount)",
        ),
        (
            5,
            51,
            repay(market, 7, 5, 6),
            "CreditRepay(uint80 market,uint64 serial,bytes32 asset,uint128 atMost,bytes32 collateral,uint128 taken)",
        ),
        (
            6,
            35,
            call(market, 7),
            "CreditCall(uint80 market,uint64 serial,bytes32 asset,uint128 feeAtMost)",
        ),
        (
            7,
            51,
            bid(market, 7),
            "CreditBid(uint80 market,uint64 serial,bytes32 asset,uint128 atMost,bytes32 collateral,uint128 atLeast)",
        ),
        (
            8,
            35,
            add(market, 7, 5),
            "CreditAdd(uint80 market,uint64 serial,bytes32 collateral,uint128 amount)",
        ),
        (9, 19, close(market, 7), "CreditClose(uint80 market,uint64 serial)"),
    ]
}

#[test]
fn payloads_have_their_codes_and_lengths() {
    for (code, length, op, _) in page() {
        let payload = op.encode();
        assert_eq!((payload[0], payload.len()), (code, length));
        assert_eq!(CreditOp::decode(&payload), Ok(op));
    }
    for code in [0, 10, 255] {
        assert_eq!(CreditOp::decode(&[code; 200]), Err(CreditError::Code(code)));
    }
}

/// `hashStruct` of the meaning, from the payload's bytes: its fields in the struct's order, assets where the type has them.
fn struct_hash(op: &CreditOp, types: &str) -> B256 {
    let payload = op.encode();
    let mut rest = &payload[1..];
    let members = types.split(['(', ')']).nth(1).unwrap().split(',');
    let mut words = keccak256(types).to_vec();
    for member in members {
        let (kind, name) = member.split_once(' ').unwrap();
        let size = match kind {
            "bytes32" => 32,
            uint => uint.strip_prefix("uint").unwrap().parse::<usize>().unwrap() / 8,
        };
        if kind == "bytes32" && payload[0] != 1 {
            let asset = if name == "asset" { usd() } else { gold() };
            words.extend(asset.0);
            continue;
        }
        let field;
        (field, rest) = rest.split_at(size);
        words.extend(vec![0; 32 - size]);
        words.extend(field);
    }
    assert!(rest.is_empty());
    keccak256(words)
}

#[test]
fn meanings_are_the_structs_of_the_page() {
    for (_, _, op, types) in page() {
        let name = types.split('(').next().unwrap();
        let signed = format!(
            "Authorisation({name} intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)\
             {types}Outflow(bytes32 asset,uint128 amount)"
        );
        let meaning = op.meaning(gold(), usd());
        assert_eq!(meaning.type_hash, keccak256(signed), "{name}");
        assert_eq!(meaning.struct_hash, struct_hash(&op, types), "{name}");
    }
}

#[test]
fn tags_are_the_market_and_the_serial() {
    let market = id([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    let mut tag = [0; 32];
    tag[..10].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(shares_tag(market), B256::from(tag));
    tag[10..18].copy_from_slice(&[11, 12, 13, 14, 15, 16, 17, 18]);
    assert_eq!(title_tag(market, 0x0b0c_0d0e_0f10_1112), B256::from(tag));
}

#[test]
fn a_call_fee_of_more_than_24_bits_is_not_mistaken_for_a_small_one() {
    let large = Terms {
        call_fee: 1 << 24,
        ..terms()
    };
    let CreditOp::Create(read) = CreditOp::decode(&CreditOp::Create(large).encode()).unwrap() else {
        panic!("another operation");
    };
    assert_eq!(read.call_fee, 0x00ff_ffff);
    assert!(read.check().is_err());
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        rng_seed: RngSeed::Fixed(1),
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn any_terms() -> impl Strategy<Value = Terms> {
    let assets = (any::<[u8; 32]>(), any::<[u8; 32]>());
    let amounts = (any::<u128>(), any::<u64>(), any::<u128>());
    let rest = (any::<u8>(), 0..1_u32 << 24, any::<u32>(), any::<u32>(), any::<u32>());
    (assets, amounts, rest).prop_map(
        |((collateral, asset), (ratio, rate, minimum), (depth, call_fee, grace, rise, fall))| Terms {
            depth,
            collateral: AssetId(collateral.into()),
            asset: AssetId(asset.into()),
            ratio,
            rate,
            minimum,
            call_fee,
            grace,
            rise,
            fall,
        },
    )
}

fn any_market() -> impl Strategy<Value = Market> {
    let rest = (any::<u64>(), any::<[u128; 3]>(), any::<[u64; 3]>());
    (any_terms(), rest).prop_map(|(terms, (serial, [shares, principal, called], moment))| Market {
        terms,
        serial,
        shares,
        principal,
        moment: U192::from_limbs(moment),
        called,
    })
}

fn any_position() -> impl Strategy<Value = Position> {
    (any::<[u8; 10]>(), any::<[u8; 32]>(), any::<u128>(), any::<[u64; 3]>()).prop_map(
        |(market, collateral, principal, [serial, since, called])| Position {
            market: id(market),
            serial,
            collateral: AssetId(collateral.into()),
            principal,
            since,
            called,
        },
    )
}

/// Payloads of any code, with bytes that are small numbers more often than not.
fn any_payload() -> impl Strategy<Value = Vec<u8>> {
    let byte = || prop_oneof![3 => Just(0), 1 => any::<u8>()];
    let market = prop_oneof![9 => Just([9; 10]), 1 => any::<[u8; 10]>()];
    let serial = prop_oneof![2 => Just(0_u64), 7 => Just(1), 1 => any::<u64>()];
    let amount = || prop_oneof![1 => 0..3_u128, 6 => 0..2_000_u128, 1 => any::<u128>(), 1 => Just(u128::MAX)];
    let fields = (market, serial, amount(), amount());
    let whole = (2..10_u8, fields).prop_map(|(code, (market, serial, a, b))| {
        let market = id(market);
        match code {
            2 => lend(market, a),
            3 => redeem(market, a),
            4 => borrow(market, serial, a, b),
            5 => repay(market, serial, a, b),
            6 => call(market, serial),
            7 => bid(market, serial),
            8 => add(market, serial, a),
            _ => close(market, serial),
        }
        .encode()
    });
    prop_oneof![
        4 => whole,
        1 => (0..11_u8, vec(byte(), 0..140)).prop_map(|(code, rest)| [vec![code], rest].concat()),
        1 => vec(any::<u8>(), 0..140),
    ]
}

/// A market as histories leave it, or with any numbers.
fn any_market_data() -> impl Strategy<Value = Vec<u8>> {
    let numbers = (any_market(), 0..2_000_u128, 0..2_000_u128, 0..1_000_u64, any::<bool>());
    numbers.prop_map(|(market, principal, called, since, plausible)| {
        if !plausible {
            return market.encode();
        }
        let moment = U192::from(principal) * U192::from(since);
        let terms = Terms {
            depth: market.terms.depth % 2,
            minimum: market.terms.minimum % 100,
            grace: market.terms.grace % 100,
            ..terms()
        };
        Market {
            terms,
            serial: market.serial % 3,
            shares: market.shares % 1_000_000_000,
            principal,
            moment,
            called,
        }
        .encode()
    })
}

/// A position of market 9…9, as histories leave it, or with any numbers.
fn any_position_data() -> impl Strategy<Value = Vec<u8>> {
    let principal = prop_oneof![1 => Just(0_u128), 3 => 1..2_000_u128];
    let numbers = (any_position(), principal, 0..1_000_u64, any::<bool>(), any::<bool>());
    numbers.prop_map(|(position, principal, block, is_called, plausible)| {
        let position = Position {
            market: id([9; 10]),
            serial: 1,
            ..position
        };
        if !plausible {
            return position.encode();
        }
        Position {
            collateral: gold(),
            principal,
            since: block,
            called: if is_called { block } else { 0 },
            ..position
        }
        .encode()
    })
}

/// A fragment with this data, that holds what the rule could look for.
fn fragment(data: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = FragmentView> {
    let kind = prop_oneof![9 => Just(Kind::Rule), 1 => Just(Kind::Secp256k1)];
    let amount = || prop_oneof![3 => Just(1_000_u128), 1 => Just(0), 1 => any::<u128>()];
    (data, kind, [amount(), amount(), amount()]).prop_map(|(data, kind, amounts)| {
        let assets = [gold(), usd(), AssetId::issued(RULE, title_tag(id([9; 10]), 1))];
        FragmentView {
            id: id([9; 10]),
            kind,
            controller: RULE,
            assets: assets.into_iter().zip(amounts).collect(),
            data,
        }
    })
}

/// Mostly what an operation needs: a market, a position, a user.
fn any_fragments() -> impl Strategy<Value = Vec<FragmentView>> {
    let any = || vec(any::<u8>(), 0..210);
    let market = || fragment(any_market_data());
    let position = || fragment(any_position_data());
    prop_oneof![
        4 => (market(), position(), fragment(any())).prop_map(|(market, position, user)| vec![market, position, user]),
        2 => (position(), fragment(any())).prop_map(|(position, user)| vec![position, user.clone(), user]),
        1 => vec(prop_oneof![market(), position(), fragment(any())], 0..4),
    ]
}

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn data_has_one_encoding(market in any_market(), position in any_position()) {
        let (data, other) = (market.encode(), position.encode());
        prop_assert_eq!((data.len(), other.len()), (201, 83));
        prop_assert_eq!((data[0], other[0]), (1, 2));
        prop_assert_eq!(Market::decode(&data), Ok(market));
        prop_assert_eq!(Position::decode(&other), Ok(position));
        prop_assert_eq!(Market::decode(&other), Err(CreditError::NotMarket(2)));
        prop_assert_eq!(Position::decode(&data), Err(CreditError::NotPosition(1)));
    }

    #[test]
    fn what_is_shorter_or_longer_is_refused(market in any_market(), position in any_position(), cut in any::<prop::sample::Index>()) {
        let (data, other) = (market.encode(), position.encode());
        prop_assert!(matches!(Market::decode(&data[..cut.index(201)]), Err(CreditError::Truncated(_))));
        prop_assert!(matches!(Position::decode(&other[..cut.index(83)]), Err(CreditError::Truncated(_))));
        prop_assert!(matches!(Market::decode(&[data, vec![0]].concat()), Err(CreditError::Trailing(_))));
        prop_assert!(matches!(Position::decode(&[other, vec![0]].concat()), Err(CreditError::Trailing(_))));
        for (_, length, op, _) in page() {
            let payload = op.encode();
            prop_assert!(matches!(CreditOp::decode(&payload[..cut.index(length)]), Err(CreditError::Truncated(_))));
            prop_assert!(matches!(CreditOp::decode(&[payload, vec![0]].concat()), Err(CreditError::Trailing(_))));
        }
    }

    #[test]
    fn any_bytes_that_decode_encode_to_themselves(bytes in any_payload(), data in vec(any::<u8>(), 201)) {
        if let Ok(op) = CreditOp::decode(&bytes) {
            prop_assert_eq!(op.encode(), bytes);
        }
        let mut data = data;
        data[0] = 1;
        prop_assert_eq!(Market::decode(&data).unwrap().encode(), data.clone());
        data[0] = 2;
        data.truncate(83);
        prop_assert_eq!(Position::decode(&data).unwrap().encode(), data);
    }
}

/// Whatever the rule is asked, it answers: with effects that the kernel can read, or with a failure.
#[test]
fn no_input_makes_the_rule_panic() {
    let inputs = (
        any_fragments(),
        any_payload(),
        prop_oneof![4 => Just(2_u8), 1 => any::<u8>()],
        prop_oneof![0..2_000_u64, any::<u64>()],
        prop_oneof![9 => Just(0_usize), 1 => 0..30_usize],
    );
    let (answered, decoded) = (RefCell::new(BTreeMap::<u8, u32>::new()), Cell::new(0));
    TestRunner::new(config(15_000))
        .run(&inputs, |(fragments, payload, fragment, clock, extra)| {
            let authorisation = AuthorisationView { fragment, payload };
            let code = authorisation.payload.first().copied().unwrap_or_default();
            decoded.set(decoded.get() + u32::from(CreditOp::decode(&authorisation.payload).is_ok()));
            if let Ok(effects) = effects(clock, &fragments, &[authorisation], &vec![0xc4; extra]) {
                *answered.borrow_mut().entry(code).or_default() += 1;
                let bytes = Effect::encode_list(&effects);
                prop_assert_eq!(Effect::decode_list(&bytes), Ok(effects));
            }
            Ok(())
        })
        .unwrap();
    let answered = answered.into_inner();
    assert!((2..10).all(|code| answered.contains_key(&code)), "{answered:?}");
    assert!(
        answered.values().sum::<u32>() > 200 && decoded.get() > 7_500,
        "{answered:?} of {decoded:?}"
    );
}
