//! Markets of strange assets: own shares, titles; and what becomes of titles that change hands.

use nthroot_model::rules::credit::CreditFault;
use nthroot_protocol::{
    AnchorId, AssetId, BatchId, FragmentId,
    rules::credit::{Terms, shares_tag},
};

use super::world::{
    RICHES, RULE, START, WAD, World, bid, borrow, call, close, gold, lend, repay, terms, title, usd, user,
};

/// A market that lends against its own shares up to 90 % of what they cost at first. Whoever posts a batch knows the id.
fn of_own_shares() -> (World, FragmentId) {
    let id = AnchorId::new(BatchId::new(START, 2).unwrap(), 0).fragment();
    let (world, market) = World::with(Terms {
        collateral: AssetId::issued(RULE, shares_tag(id)),
        ratio: WAD / 1_000_000 * 9 / 10,
        rate: 0,
        ..terms()
    });
    assert_eq!(market, id);
    (world, market)
}

#[test]
fn shares_secured_by_themselves_are_worth_what_somebody_bids_for_them() {
    let (mut world, market) = of_own_shares();
    world.lend(1, market, 1_000);
    let shares = world.lend(5, market, 1_000);
    world.open(5, market, shares, 900);
    world.lend(5, market, 900);
    world.call(5, market, 1);
    // A fee of 45.
    assert_eq!(world.market(market).shares, 2_900_000_000);
    assert_eq!(world.high(market), 2_945_u128);

    // If others bid, the lenders lose nothing: the first part offers it for what it is worth.
    let mut watched = world.clone();
    watched.pass(10 + 90);
    let (asked, offered) = watched.bid(4, market, 1);
    assert_eq!((asked, offered), (900, 900_000_000));
    assert!(watched.redeem(4, market, offered) > 900);
    let all = watched.shares(1, market);
    assert_eq!(watched.redeem(1, market, all), 1_015);

    // If nobody does, who borrowed gets its collateral for nothing, and the others pay for it.
    world.pass(1_000);
    assert_eq!(world.bid(5, market, 1), (0, 1_000_000_000));
    let all = world.shares(5, market);
    assert_eq!(world.redeem(5, market, all), 1_340);
    assert_eq!(world.held(5, usd()) - RICHES, 1_340 - 1_045);
    let all = world.shares(1, market);
    assert_eq!(world.redeem(1, market, all), 705);
}

#[test]
fn a_market_of_its_own_shares_counts_right_in_a_loop() {
    let (mut world, market) = of_own_shares();
    let (mut lent, mut amount) = (0, 1_000_000_u128);
    for serial in 1..=8 {
        let shares = world.lend(5, market, amount);
        lent += amount;
        amount = amount * 9 / 10;
        assert!(world.effects(5, borrow(market, 0, shares, amount + 1)).is_err());
        assert_eq!(world.open(5, market, shares, amount), serial);
    }
    assert_eq!((world.low(market).to::<u128>(), world.shares(5, market)), (lent, 0));
    for serial in (1..=8).rev() {
        world.repay(5, market, serial);
    }
    let all = world.shares(5, market);
    assert_eq!(all, world.market(market).shares);
    assert!(world.redeem(5, market, all) >= lent - 1);
    assert!(RICHES - world.held(5, usd()) <= 1);
}

#[test]
fn a_market_that_lends_its_own_shares_or_title_never_begins() {
    for serial in [0, 1] {
        let id = AnchorId::new(BatchId::new(START, 2).unwrap(), 0).fragment();
        let (mut world, market) = World::with(Terms {
            asset: title(id, serial),
            minimum: 1,
            ..terms()
        });
        // Nobody has any of it, and the only way to it leads through lending it.
        assert!(world.act(5, lend(market, 1)).is_err());
        assert!(world.act(5, borrow(market, 0, 1_000, 1)).is_err());
    }
}

/// A title of a position of user 2, pledged in another market for 300.
fn pledged() -> (World, FragmentId, FragmentId) {
    let (mut world, inner) = World::lent(terms(), 10_000);
    world.open(2, inner, 1_000, 500);
    world.create(Terms {
        collateral: title(inner, 1),
        ratio: 300 * WAD,
        ..terms()
    });
    let outer = *world.fragments.keys().next_back().unwrap();
    world.lend(1, outer, 10_000);
    world.open(2, outer, 1, 300);
    (world, inner, outer)
}

#[test]
fn a_title_that_is_pledged_can_neither_pay_nor_take_anything() {
    let (mut world, inner, outer) = pledged();
    let title = title(inner, 1);
    for op in [
        repay(inner, 1, 500, 0),
        repay(inner, 1, 100, 100),
        borrow(inner, 1, 0, 1),
        close(inner, 1),
    ] {
        assert_eq!(world.effects(2, op), Err(CreditFault::NotOwner { title }));
    }
    // It may be called and sold meanwhile, which its owner cannot keep from it without paying the outer debt first.
    world.call(3, inner, 1);
    world.pass(110);
    assert_eq!(world.bid(4, inner, 1), (500, 1_000));
    world.act(3, call(outer, 1)).unwrap();
    world.pass(1_000);
    // The outer lenders have a title of nothing. Who takes it may close what is left.
    assert_eq!(world.bid(4, outer, 1), (0, 1));
    world.act(4, close(inner, 1)).unwrap();
    assert_eq!(world.supply(title), 0);
}

#[test]
fn collateral_of_one_unit_is_not_divided_by_an_auction() {
    let (mut world, inner, outer) = pledged();
    world.act(3, call(outer, 1)).unwrap();
    // Nothing is offered for the debt until all is.
    for (blocks, lot) in [(10, (300, 0)), (99, (300, 0)), (1, (300, 1))] {
        world.pass(blocks);
        assert_eq!(world.clone().bid(4, outer, 1), lot);
    }
    // Who bids too early pays for nothing: the least collateral that it says keeps it from that.
    assert_eq!(world.clone().bid(4, outer, 1).1, 1);
    world.bid(4, outer, 1);
    world.repay(4, inner, 1);
    assert_eq!(world.held(4, gold()), RICHES + 1_000);
}

#[test]
fn a_title_sold_in_an_auction_brings_its_rights_along_and_no_more() {
    let (mut world, market) = World::lent(terms(), 10_000);
    world.open(2, market, 1_000, 500);
    world.call(3, market, 1);
    world.pass(60);
    world.pay(2, 4, title(market, 1), 1);
    // The buyer pays the debt; or takes what a bid leaves; the seller can do neither.
    let mut repaid = world.clone();
    assert!(matches!(
        repaid.effects(2, repay(market, 1, 500, 0)),
        Err(CreditFault::NotOwner { .. })
    ));
    repaid.repay(4, market, 1);
    assert_eq!(repaid.held(4, gold()), RICHES + 1_000);
    world.bid(5, market, 1);
    assert!(matches!(
        world.effects(2, close(market, 1)),
        Err(CreditFault::NotOwner { .. })
    ));
    world.act(4, close(market, 1)).unwrap();
    assert_eq!(world.held(4, gold()), RICHES + 500);
}

#[test]
fn a_seller_may_empty_the_position_before_the_title_is_paid() {
    // A title is not what the position holds: whoever buys one must see the position in the same batch.
    let (mut world, market) = World::lent(terms(), 10_000);
    world.open(2, market, 1_000, 500);
    world.same_batch = true;
    world.act(2, borrow(market, 1, 0, 500)).unwrap();
    world.pay(2, 4, title(market, 1), 1);
    world.repay(4, market, 1);
    assert_eq!(RICHES - world.held(4, usd()), 1_000);
}

#[test]
fn of_bid_and_repayment_in_one_batch_the_first_counts() {
    let (mut world, market) = World::lent(terms(), 10_000);
    world.open(2, market, 1_000, 500);
    world.call(3, market, 1);
    world.pass(60);
    world.same_batch = true;
    let mut other = world.clone();
    world.repay(2, market, 1);
    assert_eq!(world.effects(4, bid(market, 1)), Err(CreditFault::NoDebt));
    other.bid(4, market, 1);
    assert_eq!(other.effects(2, repay(market, 1, 500, 0)), Err(CreditFault::NoDebt));
    // At the end of the auction too: the owner pays all for all, as long as nobody has bid.
    let (mut world, market) = World::lent(terms(), 10_000);
    world.open(2, market, 1_000, 500);
    world.call(3, market, 1);
    world.pass(10_000);
    world.repay(2, market, 1);
    assert_eq!((world.held(2, gold()), world.idle(market)), (RICHES, 10_025));
}

#[test]
fn a_cohort_is_used_up_by_anybody_in_one_block_for_nothing() {
    let (mut world, market) = World::lent(Terms { depth: 2, ..terms() }, 10_000);
    world.same_batch = true;
    for serial in 1..=3 {
        world.open(5, market, 100, 100);
        world.repay(5, market, serial);
    }
    assert_eq!((world.held(5, gold()), world.held(5, usd())), (RICHES, RICHES));
    let leaves = world.fragments.keys().filter(|id| id.anchor() == market.anchor());
    assert_eq!(leaves.count(), 4);
}

#[test]
fn debts_whose_sum_does_not_fit_are_called_one_after_the_other() {
    // The largest rate, and more units than any asset should have: a Z near 2^128 keeps the next call out, until a bid.
    let (mut world, market) = World::with(Terms {
        ratio: u128::MAX,
        rate: u64::MAX,
        call_fee: 0,
        ..terms()
    });
    let whale = world.fragments.get_mut(&user(5)).unwrap();
    whale.assets.extend([(gold(), u128::MAX), (usd(), u128::MAX)]);
    let amount = 10_u128.pow(32);
    world.lend(5, market, 2 * amount);
    for _ in 0..2 {
        world.open(5, market, WAD, amount);
    }
    world.pass(100_000);
    world.call(3, market, 1);
    assert!(matches!(world.effects(3, call(market, 2)), Err(CreditFault::Amount(_))));
    world.pass(210);
    world.bid(3, market, 1);
    world.clock -= 210;
    world.call(3, market, 2);
}
