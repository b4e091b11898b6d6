//! Close: for what an auction left, and the end of a position.

use nthroot_model::rules::credit::CreditFault;
use nthroot_protocol::{
    FragmentId,
    rules::credit::{CreditError, Terms, title_tag},
};

use super::world::{
    RICHES, World, add, bid, borrow, burn, call, close, gold, lend, meaning, redeem, repay, terms, title, transfer,
    user, write,
};

#[test]
fn closing_takes_what_an_auction_left_and_burns_the_title() {
    for depth in [0, 3] {
        let (mut world, market) = World::lent(Terms { depth, ..terms() }, 10_000);
        world.open(2, market, 1_000, 500);
        let op = close(market, 1);
        assert_eq!(world.effects(2, op), Err(CreditFault::Indebted(500)));
        world.call(3, market, 1);
        world.pass(60);
        assert_eq!(world.effects(2, op), Err(CreditFault::Indebted(500)));
        world.bid(4, market, 1);
        assert!(matches!(world.effects(3, op), Err(CreditFault::NotOwner { .. })));
        let effects = [
            meaning(op),
            transfer(0, 1, gold(), 500),
            burn(1, title_tag(market, 1), 1),
            write(0, vec![]),
        ];
        assert_eq!(world.act(2, op).unwrap(), effects);
        assert_eq!(world.held(2, gold()), RICHES - 500);
        check_closed(&world, market);
    }
}

#[test]
fn a_position_of_which_an_auction_left_nothing_is_closed_too() {
    for (depth, blocks, asked) in [(0, 110, 500), (3, 210, 0)] {
        let (mut world, market) = World::lent(Terms { depth, ..terms() }, 10_000);
        world.open(2, market, 1_000, 500);
        world.call(3, market, 1);
        world.pass(blocks);
        assert_eq!(world.bid(4, market, 1), (asked, 1_000));
        let op = close(market, 1);
        let effects = [meaning(op), burn(1, title_tag(market, 1), 1), write(0, vec![])];
        assert_eq!(world.act(2, op).unwrap(), effects);
        check_closed(&world, market);
    }
}

/// Neither title nor data are left of position 1, and nobody can do anything with it, even if the title came back.
fn check_closed(world: &World, market: FragmentId) {
    assert_eq!(world.supply(title(market, 1)), 0);
    let left = &world.fragments[&world.positions[&(market, 1)]];
    assert!(left.data.is_empty() && left.assets.is_empty());
    let mut world = world.clone();
    let revived = world.fragments.get_mut(&user(2)).unwrap();
    revived.assets.insert(title(market, 1), 1);
    for blocks in [0, 1, 1_000] {
        world.pass(blocks);
        for op in [
            borrow(market, 1, 1_000, 500),
            repay(market, 1, 500, 0),
            call(market, 1),
            bid(market, 1),
            add(market, 1, 5),
            close(market, 1),
        ] {
            let answer = world.effects(2, op);
            assert!(
                matches!(answer, Err(CreditFault::Format(CreditError::Truncated(_)))),
                "{op:?}"
            );
        }
        // Nor does it pass for a market.
        let closed = world.positions[&(market, 1)];
        for op in [lend(closed, 5), redeem(closed, 5), borrow(closed, 0, 1_000, 500)] {
            let mut request = world.request(2, op);
            request.listed[0] = closed;
            let answer = world.ask(&request);
            assert!(matches!(answer, Err(CreditFault::Format(CreditError::Truncated(_)))));
        }
    }
}
