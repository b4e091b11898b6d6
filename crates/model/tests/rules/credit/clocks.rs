//! What old clocks are good for: that of a batch may be [`MAX_CLOCK_AGE`] blocks back, unless something it touches was
//! touched since.

use nthroot_protocol::{
    limits::MAX_CLOCK_AGE,
    rules::credit::{CreditOp, Terms},
};

use super::world::{RICHES, World, terms, usd};

#[test]
fn an_auction_no_longer_than_a_clock_is_old_is_over_when_the_call_is_seen() {
    let short = Terms {
        grace: 10,
        rise: 11,
        fall: 11,
        ..terms()
    };
    let (mut world, market) = World::lent(short, 10_000);
    world.open(2, market, 2_000, 1_000);
    world.pass(100);
    // Posted MAX_CLOCK_AGE blocks later; the next block's batch has that block for its clock.
    world.call(3, market, 1);
    world.pass(MAX_CLOCK_AGE);
    assert_eq!(world.bid(3, market, 1), (0, 2_000));

    // A grace that is longer by some blocks leaves these to the owner.
    let grace = u32::try_from(MAX_CLOCK_AGE).unwrap() + 5;
    let (mut world, market) = World::lent(Terms { grace, ..short }, 10_000);
    world.open(2, market, 2_000, 1_000);
    world.pass(100);
    world.call(3, market, 1);
    world.pass(MAX_CLOCK_AGE + 5);
    assert_eq!(world.clone().bid(3, market, 1), (1_100, 0));
    world.repay(2, market, 1);
}

#[test]
fn who_lends_by_an_old_clock_has_its_part_of_the_interest_since() {
    let (mut world, market) = World::lent(terms(), 10_000);
    world.open(2, market, 20_000, 9_000);
    world.pass(100);
    let shares = world.lend(5, market, 109_000);
    world.pass(MAX_CLOCK_AGE);
    world.redeem(5, market, shares);
    // Nine units of interest in each of the blocks; of 119,900 at the old clock 109,000 are its own.
    let interest = 9 * u128::from(MAX_CLOCK_AGE);
    assert_eq!(world.held(5, usd()) - RICHES, interest * 109_000 / 119_900);
}

#[test]
fn who_repays_by_an_old_clock_saves_the_interest_since() {
    let (mut world, market) = World::lent(terms(), 10_000);
    world.open(2, market, 20_000, 10_000);
    let op = CreditOp::Repay {
        market,
        serial: 1,
        at_most: u128::MAX,
        taken: 0,
    };
    let mut late = world.clone();
    late.pass(MAX_CLOCK_AGE);
    for world in [&mut world, &mut late] {
        world.act(2, op).unwrap();
    }
    assert_eq!(
        world.held(2, usd()) - late.held(2, usd()),
        10 * u128::from(MAX_CLOCK_AGE)
    );
    // Never below what was written last: the clock of that is a bound.
    let (mut world, market) = World::lent(terms(), 10_000);
    world.open(2, market, 2_000, 1_000);
    world.clock -= 1;
    for op in [op, super::world::lend(market, 1_000), super::world::call(market, 1)] {
        assert!(world.effects(2, op).is_err());
    }
}
