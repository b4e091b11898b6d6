//! Bids, at each corner of the auction.

use nthroot_model::rules::credit::{
    CreditFault,
    quotes::{self, Lot},
};
use nthroot_protocol::{
    FragmentId,
    rules::credit::{CreditOp, Position, Terms},
};

use super::{
    oracle::{Worth, wide},
    world::{RICHES, START, World, bid, close, gold, meaning, terms, transfer, usd, write},
};

/// User 2 owes 500 for 1,000 of collateral, called at [`START`].
fn called(terms: Terms) -> (World, FragmentId) {
    let (mut world, market) = World::lent(terms, 10_000);
    world.open(2, market, 1_000, 500);
    world.call(3, market, 1);
    (world, market)
}

#[test]
fn first_the_collateral_rises_then_the_debt_falls() {
    let (world, market) = called(terms());
    let grace = CreditFault::Grace((START + 10).to_string().parse().unwrap());
    let cases = [
        (0, None),
        (9, None),
        (10, Some((0, 500))),
        (11, Some((10, 500))),
        (60, Some((500, 500))),
        (109, Some((990, 500))),
        (110, Some((1_000, 500))),
        // 500 · 99 / 100
        (111, Some((1_000, 495))),
        (160, Some((1_000, 250))),
        (209, Some((1_000, 5))),
        (210, Some((1_000, 0))),
        (211, Some((1_000, 0))),
        (1_000_000_000_000, Some((1_000, 0))),
    ];
    for (blocks, lot) in cases {
        let mut world = world.clone();
        world.pass(blocks);
        let quoted = quotes::lot(&terms(), &world.position(market, 1), 1_000, world.clock);
        let Some((offered, asked)) = lot else {
            assert_eq!(world.effects(4, bid(market, 1)), Err(grace));
            assert_eq!(quoted, Err(grace));
            continue;
        };
        let number = |number: u128| number.to_string().parse().unwrap();
        let lot = Lot {
            offered: number(offered),
            asked: number(asked),
        };
        assert_eq!(quoted, Ok(lot));

        let op = |at_most, at_least| CreditOp::Bid {
            market,
            serial: 1,
            at_most,
            at_least,
        };
        let bid = op(asked, offered);
        let mut after = world.market(market);
        after.called = 0;
        let position = Position {
            principal: 0,
            since: world.clock,
            ..world.position(market, 1)
        };
        let mut effects = vec![meaning(bid)];
        effects.extend((asked != 0).then(|| transfer(2, 0, usd(), asked)));
        effects.extend((offered != 0).then(|| transfer(1, 2, gold(), offered)));
        effects.extend([write(1, position.encode()), write(0, after.encode())]);
        assert!(matches!(
            world.effects(4, op(asked, offered + 1)),
            Err(CreditFault::TooLittle { .. })
        ));
        if asked != 0 {
            assert!(matches!(
                world.effects(4, op(asked - 1, offered)),
                Err(CreditFault::TooMuch { .. })
            ));
        }
        assert_eq!(world.act(4, bid).unwrap(), effects);
        assert_eq!(world.effects(4, super::world::bid(market, 1)), Err(CreditFault::NoDebt));
        world.act(2, close(market, 1)).unwrap();
        assert_eq!(world.held(2, gold()), RICHES - offered);
    }
}

#[test]
fn the_shortest_auction_has_a_block_for_each_part() {
    let (mut world, market) = called(Terms {
        grace: 0,
        rise: 1,
        fall: 1,
        ..terms()
    });
    let lot = |world: &World| {
        let effects = world.clone().bid(4, market, 1);
        (effects.0, effects.1)
    };
    assert_eq!(lot(&world), (500, 0));
    world.pass(1);
    assert_eq!(lot(&world), (500, 1_000));
    world.pass(1);
    assert_eq!(lot(&world), (0, 1_000));
}

#[test]
fn the_longest_auction_ends() {
    let (mut world, market) = called(Terms {
        grace: u32::MAX,
        rise: u32::MAX,
        fall: u32::MAX,
        ..terms()
    });
    world.pass(u64::from(u32::MAX));
    assert_eq!(world.clone().bid(4, market, 1), (500, 0));
    world.pass(u64::from(u32::MAX));
    assert_eq!(world.clone().bid(4, market, 1), (500, 1_000));
    world.pass(u64::from(u32::MAX) - 1);
    assert_eq!(world.clone().bid(4, market, 1), (1, 1_000));
    world.pass(1);
    assert_eq!(world.bid(4, market, 1), (0, 1_000));
}

#[test]
fn a_running_position_is_not_for_sale() {
    let (mut world, market) = World::lent(terms(), 10_000);
    world.open(2, market, 1_000, 500);
    world.pass(1_000);
    assert_eq!(world.effects(4, bid(market, 1)), Err(CreditFault::NotCalled));
}

#[test]
fn lenders_lose_what_is_missing_and_each_the_same_part() {
    let (mut world, market) = World::lent(terms(), 6_000);
    world.lend(3, market, 3_000);
    world.lend(4, market, 1_000);
    world.open(2, market, 5_000, 5_000);
    world.call(3, market, 1);
    // 5,000 are called, of which 4/5 are asked for.
    world.pass(130);
    let before = Worth::of(&world, market);
    assert_eq!(world.bid(5, market, 1), (4_000, 5_000));
    let after = Worth::of(&world, market);
    assert_eq!((before.high, after.high), (wide(10_250_u32), wide(9_250_u32)));
    assert_eq!(after.low, after.high);
    let redeemed = [(1, 5_550), (3, 2_775), (4, 925)];
    for (user, amount) in redeemed {
        let shares = world.shares(user, market);
        assert_eq!(world.redeem(user, market, shares), amount);
    }
}

#[test]
fn during_a_call_who_leaves_is_paid_from_low_and_who_comes_pays_high() {
    let (mut world, market) = World::lent(terms(), 5_000);
    world.lend(3, market, 5_000);
    world.open(2, market, 8_000, 8_000);
    world.call(4, market, 1);
    // Idle 2,000 and a fee of 400; called 8,000.
    let shares = world.shares(3, market);
    let mut left = world.clone();
    // Half of low, not half of high; and no more if the debt is paid in the end.
    assert_eq!(left.redeem(3, market, shares), 1_200);
    left.pass(110);
    assert_eq!(left.bid(5, market, 1), (8_000, 8_000));
    let shares_of_1 = left.shares(1, market);
    assert_eq!(left.redeem(1, market, shares_of_1), 9_199);

    let bought = world.lend(5, market, 1_000);
    for (blocks, asked, worth) in [(110, 8_000, 999), (210, 0, 298)] {
        let mut world = world.clone();
        world.pass(blocks);
        assert_eq!(world.bid(5, market, 1), (asked, 8_000));
        // It bought a part of the debt as well as of what is idle: 1,000 of 11,400, rounded down.
        assert_eq!(world.redeem(5, market, bought), worth);
    }
}
