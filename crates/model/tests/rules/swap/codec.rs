//! Payloads, fills, and what they mean.

use alloy_primitives::{B256, U256, keccak256};
use nthroot_model::rules::swap::Swap;
use nthroot_protocol::{
    FragmentId, Outflow, Trailing, Truncated,
    rules::swap::{Curve, Fill, FillError, FillMove, Leg, SwapError, SwapIntent},
};
use proptest::prelude::*;

use super::{offer, swap, swap_at};
use crate::bench::{CLOCK, amount, asset, config, id, moved, outflow, owned, spoilt, transition, view};

/// What is changed in an intent.
type Change = fn(&mut SwapIntent);

/// An intent with everything that one may have.
fn rich() -> SwapIntent {
    let leg = |n, start, end| Leg {
        asset: asset(n),
        start,
        end,
    };
    SwapIntent {
        gives: vec![leg(1, 10, 12), leg(3, 0, 7)],
        gets: vec![leg(2, 5, 5), leg(4, 9, 0)],
        rewards: vec![outflow(asset(1), 1), outflow(asset(5), 2)],
        counterparties: vec![id(7), id(8)],
        curve: Some(Curve {
            first: 900,
            last: 1_100,
        }),
        least_fill: Some(3),
    }
}

fn words(words: &[B256]) -> B256 {
    keccak256(words.concat())
}

fn number(number: impl Into<u128>) -> B256 {
    U256::from(number.into()).into()
}

#[test]
fn an_intent_is_laid_out_as_the_page_says() {
    let mut bytes = vec![3, 2];
    for (n, start, end) in [(1, 10_u128, 12_u128), (3, 0, 7)] {
        bytes.extend(asset(n).0);
        bytes.extend(start.to_be_bytes());
        bytes.extend(end.to_be_bytes());
    }
    bytes.push(2);
    for (n, start, end) in [(2, 5_u128, 5_u128), (4, 9, 0)] {
        bytes.extend(asset(n).0);
        bytes.extend(start.to_be_bytes());
        bytes.extend(end.to_be_bytes());
    }
    bytes.push(2);
    for (n, amount) in [(1, 1_u128), (5, 2)] {
        bytes.extend(asset(n).0);
        bytes.extend(amount.to_be_bytes());
    }
    bytes.push(2);
    bytes.extend(id(7).to_bytes());
    bytes.extend(id(8).to_bytes());
    bytes.extend(900_u64.to_be_bytes());
    bytes.extend(1_100_u64.to_be_bytes());
    bytes.extend(3_u128.to_be_bytes());
    assert_eq!(rich().encode(), bytes);
    assert_eq!(SwapIntent::decode(&bytes), Ok(rich()));
}

#[test]
fn without_a_curve_legs_are_short_and_the_end_is_the_start() {
    let plain = offer((asset(1), 10), (asset(2), 5));
    let bytes = plain.encode();
    assert_eq!(bytes.len(), 1 + 1 + 48 + 1 + 48 + 1 + 1);
    assert_eq!(bytes[0], 0);
    let decoded = SwapIntent::decode(&bytes).unwrap();
    assert_eq!((decoded.gives[0].end, decoded.gets[0].end), (10, 5));
    let typed = decoded.typed();
    assert_eq!((typed.firstBlock, typed.lastBlock), (0, 0));
}

#[test]
fn the_forms_are_four() {
    let changes: [Change; 4] = [
        |_| (),
        |intent| intent.curve = Some(Curve { first: 1, last: 1 }),
        |intent| intent.least_fill = Some(1),
        |intent| {
            intent.curve = Some(Curve { first: 0, last: 2 });
            intent.least_fill = Some(0);
        },
    ];
    for (form, change) in (0..).zip(changes) {
        let mut intent = offer((asset(1), 10), (asset(2), 5));
        change(&mut intent);
        let mut bytes = intent.encode();
        assert_eq!(bytes[0], form);
        assert_eq!(SwapIntent::decode(&bytes), Ok(intent));
        bytes[0] |= 4;
        assert_eq!(SwapIntent::decode(&bytes), Err(SwapError::Form(form + 4)));
    }
}

#[test]
fn what_breaks_a_line_of_the_page_is_no_intent() {
    let cases: Vec<(Change, SwapError)> = vec![
        (|intent| intent.gives.clear(), SwapError::NoLegs),
        (|intent| intent.gets.clear(), SwapError::NoLegs),
        (
            |intent| intent.gives[1].asset = asset(1),
            SwapError::AssetOrder(asset(1)),
        ),
        (
            |intent| intent.gets[1].asset = asset(2),
            SwapError::AssetOrder(asset(2)),
        ),
        (
            |intent| intent.gets[0].asset = asset(9),
            SwapError::AssetOrder(asset(4)),
        ),
        (
            |intent| intent.rewards[1].asset = asset(1),
            SwapError::AssetOrder(asset(1)),
        ),
        (
            |intent| intent.counterparties.reverse(),
            SwapError::CounterpartyOrder(id(7)),
        ),
        (
            |intent| intent.counterparties[1] = id(7),
            SwapError::CounterpartyOrder(id(7)),
        ),
        (
            |intent| intent.counterparties[0] = FragmentId::ZERO,
            SwapError::CounterpartyOrder(FragmentId::ZERO),
        ),
        (|intent| intent.gives[1].start = 8, SwapError::GiveFalls(asset(3))),
        (|intent| intent.gets[0].end = 6, SwapError::GetRises(asset(2))),
        (
            |intent| intent.curve = Some(Curve { first: 901, last: 900 }),
            SwapError::Curve { first: 901, last: 900 },
        ),
        (
            |intent| (intent.gives[0].start, intent.gives[0].end) = (0, 0),
            SwapError::NothingGiven,
        ),
    ];
    for (change, error) in cases {
        let mut intent = rich();
        change(&mut intent);
        assert_eq!(SwapIntent::decode(&intent.encode()), Err(error));
        let failure = swap(&[intent], &Fill::default()).unwrap_err();
        assert!(failure.to_string().contains(&error.to_string()), "{failure}");
    }
}

#[test]
fn the_whole_is_the_first_give_at_the_end_whatever_the_others_are() {
    let mut intent = rich();
    assert_eq!(intent.whole(), 12);
    (intent.gives[1].start, intent.gives[1].end) = (0, 0);
    (intent.gives[0].start, intent.gives[0].end) = (0, 1);
    assert_eq!(SwapIntent::decode(&intent.encode()).map(|intent| intent.whole()), Ok(1));
}

#[test]
fn junk_behind_a_payload_is_no_payload() {
    for mut intent in [offer((asset(1), 1), (asset(2), 1)), rich()] {
        intent.counterparties.clear();
        let mut bytes = intent.encode();
        for cut in 0..bytes.len() {
            let cut = SwapIntent::decode(&bytes[..cut]);
            assert!(matches!(cut, Err(SwapError::Truncated(_))), "{cut:?}");
        }
        bytes.push(0);
        assert_eq!(SwapIntent::decode(&bytes), Err(SwapError::Trailing(Trailing(1))));
    }
}

#[test]
fn the_types_are_those_of_the_page() {
    const SWAP: &str = "Swap(Leg[] give,Leg[] get,Outflow[] reward,uint80[] counterparties,uint64 firstBlock,\
                        uint64 lastBlock,uint128 fillAtLeast)";
    const LEG: &str = "Leg(bytes32 asset,uint128 start,uint128 end)";
    const OUTFLOW: &str = "Outflow(bytes32 asset,uint128 amount)";
    const AUTHORISATION: &str = "Authorisation(Swap intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,\
                                 Outflow[] outflows)";
    assert_eq!(
        rich().meaning().type_hash,
        keccak256(format!("{AUTHORISATION}{LEG}{OUTFLOW}{SWAP}"))
    );

    // And by hand.
    let leg = |n, start: u128, end: u128| words(&[keccak256(LEG), asset(n).0, number(start), number(end)]);
    let amount = |n, amount: u128| words(&[keccak256(OUTFLOW), asset(n).0, number(amount)]);
    let fragment = |id: FragmentId| B256::left_padding_from(&id.to_bytes());
    let by_hand = words(&[
        keccak256(format!("{SWAP}{LEG}{OUTFLOW}")),
        words(&[leg(1, 10, 12), leg(3, 0, 7)]),
        words(&[leg(2, 5, 5), leg(4, 9, 0)]),
        words(&[amount(1, 1), amount(5, 2)]),
        words(&[fragment(id(7)), fragment(id(8))]),
        number(900_u64),
        number(1_100_u64),
        number(3_u128),
    ]);
    assert_eq!(rich().meaning().struct_hash, by_hand);
}

#[test]
fn one_that_may_not_be_filled_in_part_has_the_whole_for_its_least_fill() {
    let plain = offer((asset(1), 10), (asset(2), 5));
    assert_eq!(plain.typed().fillAtLeast, 10);
    let partial = |least| SwapIntent {
        least_fill: Some(least),
        ..plain.clone()
    };
    assert_eq!(partial(4).typed().fillAtLeast, 4);
    assert_ne!(partial(4).meaning(), plain.meaning());
    assert_eq!(partial(10).meaning(), plain.meaning());
}

#[test]
fn the_outflows_to_sign_are_gives_at_the_end_and_rewards() {
    let mut intent = rich();
    let expected = [(1, 13), (3, 7), (5, 2)].map(|(n, amount)| outflow(asset(n), amount));
    assert_eq!(intent.outflows(), expected);
    // No outflow signed can be larger.
    intent.rewards[0].amount = u128::MAX;
    assert_eq!(intent.outflows()[0], outflow(asset(1), u128::MAX));
}

#[test]
fn a_fill_is_laid_out_as_the_page_says() {
    let fill = Fill::new(
        vec![7, 8],
        &[(2, 1, asset(9), 5), (0, 3, asset(4), 6), (1, 0, asset(9), 4)],
    );
    let mut bytes = vec![2];
    bytes.extend(asset(4).0);
    bytes.extend(asset(9).0);
    bytes.extend(7_u128.to_be_bytes());
    bytes.extend(8_u128.to_be_bytes());
    for (from, to, number, amount) in [(2, 1, 1, 5_u128), (0, 3, 0, 6), (1, 0, 1, 4)] {
        bytes.extend([from, to, number]);
        bytes.extend(amount.to_be_bytes());
    }
    assert_eq!(fill.encode(), bytes);
    assert_eq!(Fill::decode(&bytes, 2), Ok(fill));
}

#[test]
fn an_asset_stands_in_the_table_once_and_every_move_names_one() {
    let mut fill = Fill::new(Vec::new(), &[(0, 1, asset(1), 1), (1, 0, asset(2), 1)]);
    for order in [[2, 1], [1, 1]] {
        fill.assets = order.map(asset).to_vec();
        assert_eq!(Fill::decode(&fill.encode(), 0), Err(FillError::AssetOrder(asset(1))));
    }
    fill.assets = vec![asset(1)];
    assert_eq!(
        Fill::decode(&fill.encode(), 0),
        Err(FillError::Asset { number: 1, count: 1 })
    );
}

#[test]
fn junk_behind_the_moves_is_a_move_cut_off() {
    let mut bytes = Fill::new(vec![1], &[(0, 1, asset(1), 1)]).encode();
    bytes.extend([0; 18]);
    let error = Truncated {
        at: bytes.len() - 15,
        missing: 1,
    };
    assert_eq!(Fill::decode(&bytes, 1), Err(FillError::Truncated(error)));
    assert_eq!(
        Fill::decode(&[], 0),
        Err(FillError::Truncated(Truncated { at: 0, missing: 1 }))
    );
}

fn legs() -> impl Strategy<Value = Vec<(u8, u128, u128)>> {
    proptest::collection::btree_map(0..6_u8, (amount(), amount()), 1..4)
        .prop_map(|legs| legs.into_iter().map(|(n, (a, b))| (n, a, b)).collect())
}

fn intent() -> impl Strategy<Value = SwapIntent> {
    let curve = proptest::option::of((any::<u64>(), any::<u64>()));
    let rewards = proptest::collection::btree_map(0..6_u8, amount(), 0..3);
    let counterparties = proptest::collection::btree_set(0..9_u8, 0..3);
    let least = proptest::option::of(amount());
    (legs(), legs(), rewards, counterparties, curve, least).prop_map(
        |(gives, gets, rewards, counterparties, curve, least_fill)| {
            let leg = |n, start, end: u128| Leg {
                asset: asset(n),
                start,
                end: if curve.is_some() { end } else { start },
            };
            let mut intent = SwapIntent {
                gives: gives.iter().map(|&(n, a, b)| leg(n, a.min(b), a.max(b))).collect(),
                gets: gets.iter().map(|&(n, a, b)| leg(n, a.max(b), a.min(b))).collect(),
                rewards: rewards
                    .into_iter()
                    .map(|(n, a)| Outflow {
                        asset: asset(n),
                        amount: a,
                    })
                    .collect(),
                counterparties: counterparties.into_iter().map(id).collect(),
                curve: curve.map(|(a, b)| Curve {
                    first: a.min(b),
                    last: a.max(b),
                }),
                least_fill,
            };
            let first = &mut intent.gives[0];
            first.end = first.end.max(1);
            if intent.curve.is_none() {
                first.start = first.end;
            }
            intent
        },
    )
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn an_intent_has_one_encoding(intent in intent()) {
        prop_assert_eq!(SwapIntent::decode(&intent.encode()), Ok(intent));
    }

    #[test]
    fn what_decodes_is_its_own_encoding(bytes in intent().prop_flat_map(|intent| spoilt(intent.encode()))) {
        if let Ok(intent) = SwapIntent::decode(&bytes) {
            prop_assert_eq!(intent.encode(), bytes);
        }
    }

    #[test]
    fn a_fill_has_one_encoding(
        assets in proptest::collection::btree_set(any::<u8>(), 1..4),
        filled in proptest::collection::vec(amount(), 0..4),
        moves in proptest::collection::vec((any::<u8>(), any::<u8>(), any::<u8>(), amount()), 0..6),
    ) {
        let fill = Fill {
            assets: assets.iter().copied().map(asset).collect(),
            moves: moves.into_iter().map(|(from, to, number, amount)| FillMove {
                from,
                to,
                asset: number % u8::try_from(assets.len()).unwrap(),
                amount,
            }).collect(),
            filled,
        };
        prop_assert_eq!(Fill::decode(&fill.encode(), fill.filled.len()), Ok(fill));
    }

    #[test]
    fn no_bytes_make_the_rule_panic(
        payloads in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..200),
                intent().prop_flat_map(|intent| spoilt(intent.encode())),
                intent().prop_map(|intent| intent.encode()),
            ],
            0..4,
        ),
        extra in proptest::collection::vec(any::<u8>(), 0..200),
        fragments in 0..4_u8,
        clock in any::<u64>(),
    ) {
        let payloads: Vec<_> = (0..).zip(payloads).collect();
        let fragments: Vec<_> = (0..fragments).map(|n| view(n, &owned(1, &[]))).collect();
        // Whether it fails is asked elsewhere.
        let _ = transition(&Swap, clock, &fragments, &payloads, &extra);
    }
}

#[test]
fn a_call_without_intents_moves_what_it_is_told_to() {
    // The kernel lets nobody be debited who has not signed, so this is nobody's loss.
    let fill = Fill::new(Vec::new(), &[(0, 1, asset(1), 1)]);
    let effects = swap_at(CLOCK, &[], 2, &fill.encode()).unwrap();
    assert_eq!(effects, [moved(0, 1, asset(1), 1)]);
}
