//! Which moves satisfy intents.

use alloy_primitives::U256;
use nthroot_model::rules::swap::{Limits, SwapFailure};
use nthroot_protocol::{
    AssetId, Effect, Truncated,
    rules::swap::{Curve, Fill, FillError, FillMove, Leg, SwapIntent},
};

use super::{fails, offer, swap, swap_at};
use crate::bench::{CLOCK, asset, id, moved, outflow};

/// Two users exchange 10 of asset 1 for 5 of asset 2.
fn pair() -> Vec<SwapIntent> {
    vec![
        offer((asset(1), 10), (asset(2), 5)),
        offer((asset(2), 5), (asset(1), 10)),
    ]
}

fn exchange(of_1: u128, of_2: u128) -> Fill {
    Fill::new(Vec::new(), &[(0, 1, asset(1), of_1), (1, 0, asset(2), of_2)])
}

/// One user gives 10 of asset 1 for 7 of asset 2, in whole or in part. Whoever is at position 1 has no intent.
fn partial(least: u128) -> SwapIntent {
    SwapIntent {
        least_fill: Some(least),
        ..offer((asset(1), 10), (asset(2), 7))
    }
}

/// What the rule says to the first one alone, with somebody else at position 1.
fn alone(intent: &SwapIntent, fill: &Fill) -> Result<Vec<Effect>, String> {
    let intents = std::slice::from_ref(intent);
    swap_at(CLOCK, intents, 2, &fill.encode()).map_err(|failure| failure.0)
}

fn taken(asset: AssetId, taken: u128, most: u128) -> SwapFailure {
    SwapFailure::Taken {
        intent: 0,
        asset,
        taken: U256::from(taken),
        most: U256::from(most),
    }
}

fn brought(asset: AssetId, brought: u128, least: u128) -> SwapFailure {
    SwapFailure::Brought {
        intent: 0,
        asset,
        brought: U256::from(brought),
        least,
    }
}

#[test]
fn the_effects_are_the_meanings_and_then_the_moves_in_order() {
    let intents = pair();
    let expected = [
        Effect::meaning(0, intents[0].meaning()),
        Effect::meaning(1, intents[1].meaning()),
        moved(0, 1, asset(1), 10),
        moved(1, 0, asset(2), 5),
    ];
    assert_eq!(swap(&intents, &exchange(10, 5)), Ok(expected.to_vec()));
    let mut turned = exchange(10, 5);
    turned.moves.reverse();
    let expected = [
        expected[0].clone(),
        expected[1].clone(),
        expected[3].clone(),
        expected[2].clone(),
    ];
    assert_eq!(swap(&intents, &turned), Ok(expected.to_vec()));
}

#[test]
fn a_ring_of_three_needs_nobody_to_want_what_the_other_has() {
    let n = |n: u8| asset(n);
    let intents = [
        offer((n(1), 3), (n(3), 9)),
        offer((n(2), 5), (n(1), 3)),
        offer((n(3), 9), (n(2), 5)),
    ];
    let fill = Fill::new(Vec::new(), &[(0, 1, n(1), 3), (1, 2, n(2), 5), (2, 0, n(3), 9)]);
    assert_eq!(swap(&intents, &fill).unwrap().len(), 6);
}

#[test]
fn nobody_gives_a_unit_more_or_gets_a_unit_less() {
    fails(&pair(), &exchange(11, 5), taken(asset(1), 11, 10));
    fails(&pair(), &exchange(10, 4), brought(asset(2), 4, 5));
    fails(&pair(), &Fill::default(), brought(asset(2), 0, 5));
    // The second user's turn.
    let failure = swap(&pair(), &exchange(9, 5)).unwrap_err();
    let of_second = SwapFailure::Brought {
        intent: 1,
        asset: asset(1),
        brought: U256::from(9),
        least: 10,
    };
    assert_eq!(failure, of_second.into());
    // Less given and more got is nobody's harm.
    let mut kind = pair();
    kind[1].gets[0].start = 9;
    assert!(swap(&kind, &exchange(9, 5)).is_ok());
    assert!(alone(&pair()[0], &exchange(0, 6)).is_ok());
}

#[test]
fn nothing_is_taken_of_an_asset_that_is_not_given() {
    let mut fill = exchange(10, 5);
    fill.assets.push(asset(3));
    fill.moves.push(FillMove {
        from: 0,
        to: 1,
        asset: 2,
        amount: 1,
    });
    fails(&pair(), &fill, taken(asset(3), 1, 0));
    // Not even of one that it gets.
    let fill = Fill::new(
        Vec::new(),
        &[(0, 1, asset(1), 10), (1, 0, asset(2), 6), (0, 1, asset(2), 1)],
    );
    fails(&pair(), &fill, taken(asset(2), 1, 0));
}

#[test]
fn sums_are_taken_over_all_moves_and_not_netted() {
    // 10 in two parts are 10.
    let parts = |first, second, back| {
        let moves = [
            (0, 1, asset(1), first),
            (0, 1, asset(1), second),
            (1, 0, asset(1), back),
            (1, 0, asset(2), 5),
        ];
        Fill::new(Vec::new(), &moves)
    };
    assert!(alone(&pair()[0], &parts(4, 6, 1)).is_ok());
    assert_eq!(
        alone(&pair()[0], &parts(6, 6, 2)),
        Err(taken(asset(1), 12, 10).to_string())
    );
    // Nor does what comes and goes count twice for a get: 3 brought, of which 3 are taken again, are no 6.
    let intent = SwapIntent {
        rewards: vec![outflow(asset(2), 3)],
        ..offer((asset(1), 10), (asset(2), 5))
    };
    let fill = Fill::new(
        Vec::new(),
        &[(0, 1, asset(1), 10), (1, 0, asset(2), 4), (0, 1, asset(2), 3)],
    );
    assert_eq!(alone(&intent, &fill), Err(brought(asset(2), 4, 5).to_string()));
}

#[test]
fn a_reward_is_given_beside_the_price() {
    let intent = SwapIntent {
        rewards: vec![outflow(asset(1), 2), outflow(asset(4), 3)],
        ..offer((asset(1), 10), (asset(2), 5))
    };
    let fill = |of_1, of_4| {
        let moves = [(0, 1, asset(1), of_1), (0, 1, asset(4), of_4), (1, 0, asset(2), 5)];
        Fill::new(Vec::new(), &moves)
    };
    assert!(alone(&intent, &fill(12, 3)).is_ok());
    assert_eq!(alone(&intent, &fill(13, 3)), Err(taken(asset(1), 13, 12).to_string()));
    assert_eq!(alone(&intent, &fill(12, 4)), Err(taken(asset(4), 4, 3).to_string()));
}

#[test]
fn a_part_is_given_rounded_down_and_got_rounded_up() {
    // A third of 10 for a third of 7, by units of 10: 3 of 10 are 3, and 2.1 of 7 are 3.
    for (filled, most, least) in [(1, 1, 1), (3, 3, 3), (4, 4, 3), (5, 5, 4), (9, 9, 7), (10, 10, 7)] {
        let fill = |of_1, of_2| Fill::new(vec![filled], &[(0, 1, asset(1), of_1), (1, 0, asset(2), of_2)]);
        assert!(alone(&partial(0), &fill(most, least)).is_ok());
        let more = alone(&partial(0), &fill(most + 1, least));
        assert_eq!(more, Err(taken(asset(1), most + 1, most).to_string()));
        let less = alone(&partial(0), &fill(most, least - 1));
        assert_eq!(less, Err(brought(asset(2), least - 1, least).to_string()));
    }
}

#[test]
fn give_and_reward_of_one_asset_are_rounded_each() {
    // 5 · 1/2 and 3 · 1/2: 2 and 1, not 4.
    let intent = SwapIntent {
        rewards: vec![outflow(asset(3), 3)],
        gives: [(1, 2), (3, 5)]
            .map(|(n, amount)| Leg::fixed(asset(n), amount))
            .to_vec(),
        ..partial(0)
    };
    let limits = Limits::of(&intent, CLOCK, 1).unwrap();
    assert_eq!(limits.most[&asset(3)], U256::from(3));
    let fill = |of_3| Fill::new(vec![1], &[(0, 1, asset(3), of_3), (1, 0, asset(2), 4)]);
    assert!(alone(&intent, &fill(3)).is_ok());
    assert_eq!(alone(&intent, &fill(4)), Err(taken(asset(3), 4, 3).to_string()));
}

#[test]
fn filled_is_between_the_least_fill_and_the_whole() {
    for (least, filled, fits) in [
        (0, 0, false),
        (0, 1, true),
        (4, 3, false),
        (4, 4, true),
        (4, 10, true),
        (4, 11, false),
        (10, 10, true),
        // Nothing fills what wants more than the whole.
        (11, 10, false),
        (11, 11, false),
        (0, u128::MAX, false),
    ] {
        let fill = Fill::new(vec![filled], &[(1, 0, asset(2), 7)]);
        let failure = SwapFailure::Filled {
            filled,
            least,
            whole: 10,
        };
        let expected = if fits { Ok(()) } else { Err(failure.to_string()) };
        assert_eq!(
            alone(&partial(least), &fill).map(|_| ()),
            expected,
            "{filled} of at least {least}"
        );
    }
}

#[test]
fn fills_stand_for_those_intents_that_may_be_filled_in_part_in_order() {
    let intents = [
        partial(0),
        offer((asset(2), 7), (asset(1), 3)),
        SwapIntent {
            least_fill: Some(2),
            ..offer((asset(3), 100), (asset(4), 0))
        },
    ];
    let moves = [(0, 1, asset(1), 3), (1, 0, asset(2), 3), (2, 1, asset(3), 50)];
    assert!(swap(&intents, &Fill::new(vec![3, 50], &moves)).is_ok());
    assert!(swap(&intents, &Fill::new(vec![50, 3], &moves)).is_err());
    // One that is missing is read out of the moves, and then these make no sense.
    let short = Fill::new(vec![3], &moves).encode();
    let error = FillError::Asset { number: 3, count: 3 };
    assert_eq!(
        swap_at(CLOCK, &intents, 3, &short),
        Err(SwapFailure::Fill(error).into())
    );
    // Without moves it is cut off.
    let short = Fill::new(vec![3], &[]).encode();
    let error = FillError::Truncated(Truncated { at: 17, missing: 16 });
    assert_eq!(
        swap_at(CLOCK, &intents, 3, &short),
        Err(SwapFailure::Fill(error).into())
    );
}

#[test]
fn counterparties_are_named_by_fragment_and_others_may_trade_beside_them() {
    let mut intents = pair();
    intents[0].counterparties = vec![id(1)];
    assert!(swap_at(CLOCK, &intents, 4, &exchange(10, 5).encode()).is_ok());
    let wrong = |other| {
        let failure = SwapFailure::Counterparty {
            intent: 0,
            id: id(other),
        };
        Err(failure.into())
    };
    // Takes them to another one.
    let fill = Fill::new(Vec::new(), &[(0, 2, asset(1), 10), (1, 0, asset(2), 5)]);
    assert_eq!(swap_at(CLOCK, &intents, 4, &fill.encode()), wrong(2));
    // Brings them from another one, even above what the intent wants.
    let moves = [(0, 1, asset(1), 10), (1, 0, asset(2), 5), (3, 0, asset(2), 1)];
    let fill = Fill::new(Vec::new(), &moves);
    assert_eq!(swap_at(CLOCK, &intents, 4, &fill.encode()), wrong(3));
    // The others exchange what they like.
    let moves = [(0, 1, asset(1), 10), (1, 0, asset(2), 5), (3, 2, asset(2), 1)];
    assert!(swap_at(CLOCK, &intents, 4, &Fill::new(Vec::new(), &moves).encode()).is_ok());
    // Several may be named.
    intents[0].counterparties = vec![id(1), id(3)];
    let moves = [(0, 1, asset(1), 10), (3, 0, asset(2), 5)];
    assert!(swap_at(CLOCK, &intents[..1], 4, &Fill::new(Vec::new(), &moves).encode()).is_ok());
}

#[test]
fn both_positions_of_a_move_are_listed() {
    for (from, to) in [(0, 2), (2, 0), (255, 1)] {
        let mut fill = exchange(10, 5);
        fill.moves.push(FillMove {
            from,
            to,
            asset: 0,
            amount: 0,
        });
        let position = from.max(to);
        fails(&pair(), &fill, SwapFailure::Position { position, fragments: 2 });
    }
    // Of a move between others, too.
    for (from, to) in [(2, 3), (3, 2)] {
        let mut fill = exchange(10, 5);
        fill.moves.push(FillMove {
            from,
            to,
            asset: 0,
            amount: 1,
        });
        let failure = SwapFailure::Position {
            position: 3,
            fragments: 3,
        };
        assert_eq!(swap_at(CLOCK, &pair(), 3, &fill.encode()), Err(failure.into()));
    }
}

#[test]
fn an_asset_of_the_table_need_not_move() {
    let mut fill = exchange(10, 5);
    fill.assets.push(asset(9));
    assert!(swap(&pair(), &fill).is_ok());
}

#[test]
fn the_clock_is_that_of_the_batch() {
    let mut intent = offer((asset(1), 10), (asset(2), 5));
    intent.gets[0].start = 9;
    intent.curve = Some(Curve { first: 100, last: 200 });
    let fill = exchange(10, 7).encode();
    // 9 falls to 5 in 100 blocks: to 7 in 50.
    for (clock, fits) in [(149, false), (150, true), (u64::MAX, true)] {
        let intents = std::slice::from_ref(&intent);
        assert_eq!(swap_at(clock, intents, 2, &fill).is_ok(), fits, "at {clock}");
    }
}
