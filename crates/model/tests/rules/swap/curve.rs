//! Curves.

use alloy_primitives::U256;
use nthroot_model::rules::{
    amounts::AmountError,
    swap::{Limits, get_at, give_at},
};
use nthroot_protocol::rules::swap::{Curve, Leg};
use proptest::prelude::*;

use super::offer;
use crate::bench::{amount, asset, config};

const CURVE: Option<Curve> = Some(Curve { first: 100, last: 107 });

fn leg(start: u128, end: u128) -> Leg {
    Leg {
        asset: asset(1),
        start,
        end,
    }
}

#[test]
fn a_give_rises_and_is_rounded_down() {
    let amounts = [
        (0, 10),
        (100, 10),
        (101, 11),
        (103, 14),
        (106, 18),
        (107, 20),
        (u64::MAX, 20),
    ];
    for (clock, amount) in amounts {
        assert_eq!(give_at(&leg(10, 20), CURVE, clock), Ok(amount), "at {clock}");
    }
}

#[test]
fn a_get_falls_and_is_rounded_up() {
    let amounts = [
        (0, 20),
        (100, 20),
        (101, 19),
        (103, 16),
        (106, 12),
        (107, 10),
        (u64::MAX, 10),
    ];
    for (clock, amount) in amounts {
        assert_eq!(get_at(&leg(20, 10), CURVE, clock), Ok(amount), "at {clock}");
    }
}

#[test]
fn a_curve_of_one_block_jumps_behind_it() {
    let curve = Some(Curve { first: 100, last: 100 });
    assert_eq!(give_at(&leg(10, 20), curve, 100), Ok(10));
    assert_eq!(give_at(&leg(10, 20), curve, 101), Ok(20));
}

#[test]
fn without_a_curve_the_end_counts_at_every_clock() {
    for clock in [0, u64::MAX] {
        assert_eq!(give_at(&leg(10, 10), None, clock), Ok(10));
        assert_eq!(get_at(&leg(10, 10), None, clock), Ok(10));
    }
}

#[test]
fn the_wrong_way_fails() {
    assert_eq!(give_at(&leg(2, 1), CURVE, 0), Err(AmountError::Underflow));
    assert_eq!(get_at(&leg(1, 2), CURVE, 0), Err(AmountError::Underflow));
}

#[test]
fn limits_are_those_of_the_clock() {
    let mut intent = offer((asset(1), 20), (asset(2), 10));
    intent.gives[0].start = 10;
    intent.gets[0].start = 20;
    intent.curve = CURVE;
    for (clock, most, least) in [(100, 10, 20), (103, 14, 16), (107, 20, 10)] {
        let limits = Limits::of(&intent, clock, 20).unwrap();
        assert_eq!(limits.most[&asset(1)], U256::from(most));
        assert_eq!(limits.least[&asset(2)], least);
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn amounts_go_from_start_to_end_and_never_back(
        (a, b) in (amount(), amount()),
        (first, length) in (any::<u32>(), any::<u32>()),
        clocks in (any::<u64>(), any::<u64>()),
        near in any::<bool>(),
    ) {
        let (first, last) = (u64::from(first), u64::from(first) + u64::from(length));
        let curve = Some(Curve { first, last });
        let (low, high) = (a.min(b), a.max(b));
        let clock = |clock: u64| if near { first + clock % (u64::from(length) + 1) } else { clock };
        let (early, late) = (clock(clocks.0.min(clocks.1)), clock(clocks.0.max(clocks.1)));
        let (early, late) = (early.min(late), early.max(late));
        let give = |clock| give_at(&leg(low, high), curve, clock).unwrap();
        let get = |clock| get_at(&leg(high, low), curve, clock).unwrap();
        prop_assert!(give(early) <= give(late));
        prop_assert!(get(early) >= get(late));
        prop_assert_eq!((give(first), get(first)), (low, high));
        if length > 0 {
            prop_assert_eq!((give(last), get(last)), (high, low));
        }
        prop_assert_eq!((give(u64::MAX), get(u64::MAX)), (high, low));
    }

    #[test]
    fn in_between_amounts_are_the_nearest_ones_in_the_users_favour(
        (a, b) in (amount(), amount()),
        (first, length, at) in (any::<u32>(), 1..u32::MAX, any::<u32>()),
    ) {
        let at = at % length;
        let first = u64::from(first);
        let curve = Some(Curve { first, last: first + u64::from(length) });
        let clock = first + u64::from(at);
        let (low, high) = (a.min(b), a.max(b));
        // What has changed, exactly, is change · at / length. What counts is at most that, and by less than a unit.
        let (change, at, length) = (U256::from(high - low), U256::from(at), U256::from(length));
        let give = U256::from(give_at(&leg(low, high), curve, clock).unwrap() - low) * length;
        prop_assert!(give <= change * at && change * at < give + length);
        let get = U256::from(high - get_at(&leg(high, low), curve, clock).unwrap()) * length;
        prop_assert_eq!(get, give);
    }
}
