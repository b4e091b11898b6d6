//! Borrow, repay, call, add, close: what a position goes through before and after its auction.

use nthroot_model::rules::credit::CreditFault;
use nthroot_protocol::{
    Effect, FragmentId, Kind,
    rules::credit::{CreditOp, Position, Terms, title_tag},
};

use super::world::{
    RICHES, RULE, START, WAD, World, add, borrow, burn, call, close, gold, meaning, mint, repay, terms, title,
    transfer, usd, write,
};

fn too_little(quantity: &'static str) -> impl Fn(CreditFault) -> bool {
    move |fault| matches!(fault, CreditFault::TooLittle { quantity: q, .. } if q == quantity)
}

fn too_much(quantity: &'static str) -> impl Fn(CreditFault) -> bool {
    move |fault| matches!(fault, CreditFault::TooMuch { quantity: q, .. } if q == quantity)
}

fn running(market: FragmentId, serial: u64, principal: u128, since: u64) -> Position {
    Position {
        market,
        serial,
        collateral: gold(),
        principal,
        since,
        called: 0,
    }
}

#[test]
fn borrowing_opens_a_position_and_mints_its_title() {
    for depth in [0, 3] {
        let (mut world, market) = World::lent(Terms { depth, ..terms() }, 10_000);
        world.open(3, market, 100, 100);
        world.pass(4);
        let op = borrow(market, 0, 700, 600);
        let mut after = world.market(market);
        (after.serial, after.principal) = (2, 700);
        after.moment = (100 * START + 600 * (START + 4)).to_string().parse().unwrap();
        let position = running(market, 2, 600, START + 4);
        let (kind, controller) = (3, RULE);
        let open = match depth {
            0 => Effect::Open {
                depth: 0,
                kind,
                controller,
            },
            _ => Effect::OpenLeaf {
                header: 0,
                kind,
                controller,
            },
        };
        let effects = [
            meaning(op),
            open,
            transfer(1, 2, gold(), 700),
            transfer(0, 1, usd(), 600),
            mint(1, title_tag(market, 2), 1),
            write(2, position.encode()),
            write(0, after.encode()),
        ];
        assert_eq!(world.act(2, op).unwrap(), effects);
        let opened = &world.fragments[&world.positions[&(market, 2)]];
        assert_eq!((opened.kind, opened.controller), (Kind::Rule, RULE));
        assert_eq!(world.collateral(market, 2), 700);
        assert_eq!(world.positions[&(market, 2)].anchor() == market.anchor(), depth != 0);
        assert_eq!(world.held(2, title(market, 2)), 1);
    }
}

#[test]
fn a_new_debt_is_at_least_the_minimum_and_covered_and_idle() {
    let (world, market) = World::lent(terms(), 10_000);
    let ask = |added, amount| world.effects(2, borrow(market, 0, added, amount));
    assert!(ask(100, 100).is_ok());
    assert!(ask(1_000, 99).is_err_and(too_little("debt")));
    assert!(ask(99, 100).is_err_and(too_much("debt")));
    assert!(ask(0, 100).is_err_and(too_little("collateral")));
    assert!(ask(1_000, 0).is_err_and(too_little("amount borrowed")));
    assert!(ask(20_000, 10_000).is_ok());
    assert!(ask(20_000, 10_001).is_err_and(too_much("amount borrowed")));
    // Cover is rounded down: 101 · 1.99 = 200.99
    let ratio = 199 * WAD / 100;
    let (world, market) = World::lent(Terms { ratio, ..terms() }, 10_000);
    assert!(world.effects(2, borrow(market, 0, 101, 200)).is_ok());
    assert!(
        world
            .effects(2, borrow(market, 0, 101, 201))
            .is_err_and(too_much("debt"))
    );
}

#[test]
fn borrowing_more_starts_anew_with_the_debt_so_far_rounded_up() {
    let (mut world, market) = World::lent(terms(), 10_000);
    world.open(2, market, 1_000, 501);
    world.pass(3);
    // 501 · 3 / 1,000 = 1.503
    assert_eq!(world.debt(market, 1), 503);
    for (added, effects) in [(0, 4), (10, 5)] {
        assert_eq!(world.effects(2, borrow(market, 1, added, 100)).unwrap().len(), effects);
    }
    let op = borrow(market, 1, 10, 100);
    let mut after = world.market(market);
    after.principal = 603;
    after.moment = (603 * (START + 3)).to_string().parse().unwrap();
    let effects = [
        meaning(op),
        transfer(2, 1, gold(), 10),
        transfer(0, 2, usd(), 100),
        write(1, running(market, 1, 603, START + 3).encode()),
        write(0, after.encode()),
    ];
    assert_eq!(world.act(2, op).unwrap(), effects);
    assert!(world.effects(2, borrow(market, 1, 0, 407)).is_ok());
    assert!(world.effects(2, borrow(market, 1, 0, 408)).is_err_and(too_much("debt")));
    assert!(
        world
            .effects(2, borrow(market, 1, 0, 0))
            .is_err_and(too_little("amount borrowed"))
    );
    world.call(3, market, 1);
    assert_eq!(world.effects(2, borrow(market, 1, 500, 1)), Err(CreditFault::Called));
}

#[test]
fn repaying_in_part_leaves_a_covered_debt_and_gives_back_what_is_taken() {
    let (mut world, market) = World::lent(terms(), 10_000);
    world.open(2, market, 1_000, 500);
    world.pass(10);
    // The debt is 505.
    let op = repay(market, 1, 205, 700);
    let mut after = world.market(market);
    after.principal = 300;
    after.moment = (300 * (START + 10)).to_string().parse().unwrap();
    let effects = [
        meaning(op),
        transfer(2, 0, usd(), 205),
        transfer(1, 2, gold(), 700),
        write(1, running(market, 1, 300, START + 10).encode()),
        write(0, after.encode()),
    ];
    assert_eq!(world.effects(2, op).unwrap(), effects);
    assert_eq!(world.effects(2, repay(market, 1, 205, 0)).unwrap().len(), 4);
    assert!(
        world
            .effects(2, repay(market, 1, 205, 701))
            .is_err_and(too_much("debt"))
    );
    assert!(
        world
            .effects(2, repay(market, 1, 205, 1_001))
            .is_err_and(too_much("collateral taken"))
    );
    assert!(world.effects(2, repay(market, 1, 405, 0)).is_ok());
    assert!(
        world
            .effects(2, repay(market, 1, 406, 0))
            .is_err_and(too_little("debt"))
    );
    assert!(
        world
            .effects(2, repay(market, 1, 0, 0))
            .is_err_and(too_little("amount repaid"))
    );
    world.act(2, op).unwrap();
    assert_eq!(world.collateral(market, 1), 300);
}

#[test]
fn repaying_in_full_gives_all_back_and_burns_the_title() {
    for at_most in [505, 506, u128::MAX] {
        let (mut world, market) = World::lent(terms(), 10_000);
        world.open(2, market, 1_000, 500);
        world.pass(10);
        // What is to be taken is not looked at.
        let op = repay(market, 1, at_most, u128::MAX);
        let mut after = world.market(market);
        after.principal = 0;
        after.moment = Default::default();
        let effects = [
            meaning(op),
            transfer(2, 0, usd(), 505),
            transfer(1, 2, gold(), 1_000),
            burn(2, title_tag(market, 1), 1),
            write(1, running(market, 1, 0, START + 10).encode()),
            write(0, after.encode()),
        ];
        assert_eq!(world.act(2, op).unwrap(), effects);
        assert_eq!(world.held(2, gold()), RICHES);
        assert_eq!(world.supply(title(market, 1)), 0);
        for op in [repay(market, 1, 1, 0), borrow(market, 1, 100, 100), add(market, 1, 1)] {
            assert!(matches!(world.effects(2, op), Err(CreditFault::NotOwner { .. })));
        }
        assert_eq!(world.effects(3, call(market, 1)), Err(CreditFault::NoDebt));
    }
}

#[test]
fn a_called_debt_is_repaid_in_full_or_not_at_all() {
    let (mut world, market) = World::lent(terms(), 10_000);
    world.open(2, market, 1_000, 500);
    world.pass(10);
    world.call(3, market, 1);
    // A fee of 25.25, rounded up, lowers no debt.
    assert_eq!(world.debt(market, 1), 505);
    world.pass(1_000);
    assert_eq!(world.effects(2, repay(market, 1, 504, 0)), Err(CreditFault::Called));
    world.repay(2, market, 1);
    assert_eq!(world.market(market).called, 0);
    assert_eq!(world.position(market, 1).called, START + 10);
    assert_eq!(world.idle(market), 10_031);
    assert_eq!(world.held(2, gold()), RICHES);
}

#[test]
fn a_called_debt_is_not_repaid_once_somebody_has_bid() {
    let (mut world, market) = World::lent(terms(), 10_000);
    world.open(2, market, 1_000, 500);
    world.call(3, market, 1);
    world.pass(60);
    assert_eq!(world.bid(4, market, 1), (500, 500));
    assert_eq!(world.effects(2, repay(market, 1, 500, 0)), Err(CreditFault::NoDebt));
}

#[test]
fn whoever_calls_without_need_pays_the_lenders() {
    let (mut world, market) = World::lent(terms(), 10_000);
    world.open(2, market, 1_000, 501);
    world.pass(10);
    // 501 · 1.01 = 506.01, rounded up; 507 · 5 % = 25.35, rounded up.
    let op = |fee_at_most| CreditOp::Call {
        market,
        serial: 1,
        fee_at_most,
    };
    assert!(world.effects(3, op(25)).is_err_and(too_much("call fee")));
    let mut after = world.market(market);
    (after.principal, after.moment, after.called) = (0, Default::default(), 507);
    let position = Position {
        called: START + 10,
        ..running(market, 1, 507, START + 10)
    };
    let effects = [
        meaning(op(26)),
        transfer(2, 0, usd(), 26),
        write(1, position.encode()),
        write(0, after.encode()),
    ];
    assert_eq!(world.act(3, op(26)).unwrap(), effects);
    assert_eq!(world.effects(3, op(26)), Err(CreditFault::Called));
}

#[test]
fn of_a_debt_above_its_cover_the_caller_pays_less_by_what_is_bare() {
    // 5 % of the debt, rounded up, less what of it is above 1,000.
    for (debt, fee) in [
        (1_000, 50),
        (1_001, 51 - 1),
        (1_002, 51 - 2),
        (1_020, 51 - 20),
        (1_021, 52 - 21),
        (1_052, 53 - 52),
        (1_053, 0),
        (1_054, 0),
        (3_000, 0),
    ] {
        let (mut world, market) = World::lent(terms(), 10_000);
        world.open(2, market, 1_000, 1_000);
        world.pass(u64::try_from(debt - 1_000).unwrap());
        let op = |fee_at_most| CreditOp::Call {
            market,
            serial: 1,
            fee_at_most,
        };
        if fee != 0 {
            assert!(world.effects(3, op(fee - 1)).is_err_and(too_much("call fee")));
        }
        let mut after = world.market(market);
        (after.principal, after.moment, after.called) = (0, Default::default(), debt);
        let position = Position {
            called: world.clock,
            ..running(market, 1, debt, world.clock)
        };
        let mut effects = vec![meaning(op(fee))];
        effects.extend((fee != 0).then(|| transfer(2, 0, usd(), fee)));
        effects.extend([write(1, position.encode()), write(0, after.encode())]);
        assert_eq!(world.act(3, op(fee)).unwrap(), effects);
        // A called debt earns nothing.
        world.pass(1_000);
        assert_eq!(world.debt(market, 1), debt);
    }
}

#[test]
fn collateral_is_added_by_the_owner_while_there_is_a_debt_that_is_not_called() {
    for depth in [0, 3] {
        let (mut world, market) = World::lent(Terms { depth, ..terms() }, 10_000);
        world.open(2, market, 1_000, 500);
        let op = add(market, 1, 77);
        assert_eq!(world.act(2, op).unwrap(), [meaning(op), transfer(1, 0, gold(), 77)]);
        assert_eq!(world.collateral(market, 1), 1_077);
        assert!(
            world
                .effects(2, add(market, 1, 0))
                .is_err_and(too_little("collateral added"))
        );
        assert!(matches!(world.effects(3, op), Err(CreditFault::NotOwner { .. })));
        world.call(3, market, 1);
        assert_eq!(world.effects(2, op), Err(CreditFault::Called));
        world.pass(60);
        world.bid(4, market, 1);
        assert_eq!(world.effects(2, op), Err(CreditFault::Called));
    }
}

#[test]
fn a_call_fee_as_large_as_the_debt_leaves_the_debt() {
    let (mut world, market) = World::lent(Terms { minimum: 1, ..terms() }, 10_000);
    world.open(2, market, 7, 1);
    // 5 % of a unit, rounded up.
    world.call(3, market, 1);
    assert_eq!(world.held(3, usd()), RICHES - 1);
    assert_eq!(world.debt(market, 1), 1);
    assert_eq!((world.market(market).principal, world.market(market).called), (0, 1));
    assert_eq!(world.effects(2, close(market, 1)), Err(CreditFault::Indebted(1)));
    world.repay(2, market, 1);
    assert_eq!(world.held(2, gold()), RICHES);
    assert_eq!(world.idle(market), 10_001);
}

#[test]
fn whoever_holds_the_title_owns_the_position() {
    let (mut world, market) = World::lent(terms(), 10_000);
    world.open(2, market, 1_000, 500);
    world.pay(2, 4, title(market, 1), 1);
    for op in [borrow(market, 1, 0, 1), repay(market, 1, 500, 0), add(market, 1, 1)] {
        assert!(matches!(world.effects(2, op), Err(CreditFault::NotOwner { .. })));
        assert!(world.effects(4, op).is_ok());
    }
    world.repay(4, market, 1);
    assert_eq!(world.held(4, gold()), RICHES + 1_000);
}

#[test]
fn interest_is_not_compounded() {
    let (mut world, market) = World::lent(terms(), 10_000);
    world.open(2, market, 5_000, 1_000);
    for blocks in 1..=300 {
        world.pass(1);
        assert_eq!(world.debt(market, 1), 1_000 + blocks);
    }
}

#[test]
fn a_position_may_be_used_in_the_batch_that_opened_it_and_a_market_not() {
    let (mut world, market) = World::lent(terms(), 10_000);
    world.same_batch = true;
    world.open(2, market, 1_000, 500);
    world.act(2, borrow(market, 1, 0, 100)).unwrap();
    world.act(2, add(market, 1, 5)).unwrap();
    world.repay(2, market, 1);
    assert_eq!(world.held(2, gold()), RICHES);

    world.create(terms());
    let new = *world.fragments.keys().next_back().unwrap();
    for op in [super::world::lend(new, 100), super::world::lend(FragmentId::ZERO, 100)] {
        let mut request = world.request(1, op);
        request.listed = vec![new];
        let (expected, actual) = (new, FragmentId::ZERO);
        let fault = match op {
            CreditOp::Lend { market, .. } if market == new => CreditFault::OtherMarket { expected, actual },
            _ => CreditFault::NoMarket,
        };
        assert_eq!(world.ask(&request), Err(fault));
    }
    world.next_batch();
    world.lend(1, new, 100);
}
