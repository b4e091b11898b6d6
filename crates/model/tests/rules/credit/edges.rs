//! Which fragments an operation is about, what was signed for it, and how large numbers may be.

use alloy_primitives::Address;
use nthroot_model::{
    invalid::{CallFault, EffectFault},
    rules::credit::CreditFault,
};
use nthroot_protocol::{
    AssetId, FragmentId, Kind, Outflow,
    rules::credit::{CreditError, CreditOp, Terms},
};

use super::world::{
    RICHES, RULE, START, WAD, World, add, bid, borrow, call, close, gold, lend, redeem, repay, terms, title, usd, user,
};

/// Two markets, each with a position of user 2.
fn two_markets() -> (World, FragmentId, FragmentId) {
    let (mut world, first) = World::lent(terms(), 10_000);
    world.create(terms());
    let second = *world.fragments.keys().next_back().unwrap();
    for market in [first, second] {
        if market == second {
            world.lend(1, market, 10_000);
        }
        world.open(2, market, 1_000, 500);
    }
    (world, first, second)
}

fn on_positions(market: FragmentId) -> [CreditOp; 4] {
    [
        borrow(market, 1, 0, 1),
        repay(market, 1, 1_000, 0),
        call(market, 1),
        bid(market, 1),
    ]
}

#[test]
fn position_0_is_the_market_that_is_named() {
    let (world, first, second) = two_markets();
    for op in [lend(first, 5), redeem(first, 5), borrow(first, 0, 500, 500)]
        .into_iter()
        .chain(on_positions(first))
    {
        let mut request = world.request(2, op);
        request.listed[0] = second;
        let (expected, actual) = (first, second);
        assert_eq!(world.ask(&request), Err(CreditFault::OtherMarket { expected, actual }));
        request.listed.clear();
        assert_eq!(world.ask(&request), Err(CreditFault::NotRules { position: 0 }));
    }
}

#[test]
fn position_1_is_the_position_that_is_named() {
    let (mut world, first, second) = two_markets();
    world.open(2, first, 1_000, 500);
    let other = |serial, market| CreditFault::OtherPosition {
        expected: (first, 1),
        actual: (market, serial),
    };
    for op in on_positions(first) {
        for (listed, fault) in [((second, 1), other(1, second)), ((first, 2), other(2, first))] {
            let mut request = world.request(2, op);
            request.listed[1] = world.positions[&listed];
            assert_eq!(world.ask(&request), Err(fault));
        }
        let mut request = world.request(2, op);
        request.listed.truncate(1);
        assert_eq!(world.ask(&request), Err(CreditFault::NotRules { position: 1 }));
    }
    for op in [add(first, 1, 5), close(first, 1)] {
        let mut request = world.request(2, op);
        request.listed = vec![world.positions[&(second, 1)]];
        assert_eq!(world.ask(&request), Err(other(1, second)));
    }
}

#[test]
fn a_position_is_no_market_and_a_market_no_position() {
    let (world, market, second) = two_markets();
    let position = world.positions[&(market, 1)];
    for op in [lend(position, 5), redeem(position, 5), borrow(position, 0, 500, 500)] {
        let mut request = world.request(2, op);
        request.listed[0] = position;
        let fault = CreditFault::Format(CreditError::NotMarket(2));
        assert_eq!(world.ask(&request), Err(fault));
    }
    let fault = CreditFault::Format(CreditError::NotPosition(1));
    for op in on_positions(market) {
        let mut request = world.request(2, op);
        request.listed[1] = second;
        assert_eq!(world.ask(&request), Err(fault));
    }
    for op in [add(market, 1, 5), close(market, 1)] {
        let mut request = world.request(2, op);
        request.listed[0] = market;
        assert_eq!(world.ask(&request), Err(fault));
    }
}

#[test]
fn what_a_key_controls_is_neither_market_nor_position_whatever_it_says() {
    let (mut world, market, _) = two_markets();
    // As if a key could write: user 3 holds the data and the assets of a market, user 4 those of a position.
    for (n, copied) in [(3, market), (4, world.positions[&(market, 1)])] {
        let copied = world.fragments[&copied].clone();
        let forged = world.fragments.get_mut(&user(n)).unwrap();
        forged.data = copied.data;
        forged.assets.extend(copied.assets);
    }
    for op in [lend(user(3), 5), redeem(user(3), 5), borrow(user(3), 0, 500, 500)] {
        let mut request = world.request(2, op);
        request.listed[0] = user(3);
        assert_eq!(world.ask(&request), Err(CreditFault::NotRules { position: 0 }));
    }
    for op in on_positions(market) {
        let mut request = world.request(2, op);
        request.listed[1] = user(4);
        assert_eq!(world.ask(&request), Err(CreditFault::NotRules { position: 1 }));
    }
    // A fragment under another rule is refused before the rule runs.
    let mut request = world.request(2, lend(market, 5));
    let other = Address::repeat_byte(0x99);
    world.fragments.get_mut(&market).unwrap().controller = other;
    request.listed[0] = market;
    assert!(matches!(world.post(&request), Err(CallFault::OtherRule { controller, .. }) if controller == other));
}

#[test]
fn the_title_of_another_market_or_position_is_of_no_use() {
    let (mut world, first, second) = two_markets();
    world.open(2, first, 1_000, 500);
    world.pay(2, 3, title(second, 1), 1);
    world.pay(2, 4, title(first, 2), 1);
    for by in [1, 3, 4] {
        for op in [
            borrow(first, 1, 0, 1),
            repay(first, 1, 1, 0),
            add(first, 1, 5),
            close(first, 1),
        ] {
            let title = title(first, 1);
            assert_eq!(world.effects(by, op), Err(CreditFault::NotOwner { title }));
        }
    }
    // Nor are shares a title.
    assert!(world.effects(1, repay(first, 0, 1, 0)).is_err());
}

#[test]
fn a_fragment_listed_twice_an_old_consent_and_a_used_one_are_refused() {
    let (mut world, market, _) = two_markets();
    let mut twice = world.request(1, redeem(market, 1_000_000_000));
    twice.listed.push(market);
    assert!(matches!(world.post(&twice), Err(CallFault::FragmentTwice { .. })));

    let mut expired = world.request(1, lend(market, 5));
    expired.valid_until = START - 1;
    assert!(matches!(world.post(&expired), Err(CallFault::Expired { .. })));

    let used = world.request(1, lend(market, 5));
    world.post(&used).unwrap();
    assert!(matches!(world.post(&used), Err(CallFault::Signature { .. })));
}

#[test]
fn a_consent_holds_for_the_assets_that_it_shows_and_no_more_of_them() {
    let (mut world, market, _) = two_markets();
    let mut request = world.request(2, borrow(market, 0, 700, 600));
    // A wallet was told that gold is borrowed against dollars.
    request.assets = (usd(), gold());
    assert!(matches!(world.post(&request), Err(CallFault::Signature { .. })));

    for (op, asset) in [
        (borrow(market, 0, 700, 600), gold()),
        (repay(market, 1, 500, 0), usd()),
        (repay(market, 1, 500, 0), title(market, 1)),
        (lend(market, 5), usd()),
        (add(market, 1, 5), gold()),
    ] {
        let mut request = world.request(2, op);
        let mut most: Vec<Outflow> = [(gold(), 700), (usd(), 500), (title(market, 1), 1)]
            .map(|(asset, amount)| Outflow { asset, amount })
            .into();
        most.sort_by_key(|outflow| outflow.asset);
        request.outflows = Some(most.clone());
        assert!(world.clone().post(&request).is_ok());
        most.retain(|outflow| outflow.asset != asset);
        request.outflows = Some(most);
        let refused = world.clone().post(&request);
        assert!(
            matches!(refused, Err(CallFault::Effect { fault: EffectFault::Outflow { asset: a, .. }, .. }) if a == asset)
        );
    }
}

#[test]
fn the_largest_amounts_are_refused_or_counted_right() {
    let (mut world, market) = World::with(Terms {
        ratio: u128::MAX,
        ..terms()
    });
    let whale = world.fragments.get_mut(&user(5)).unwrap();
    whale.assets.extend([(gold(), u128::MAX), (usd(), u128::MAX)]);
    // Shares would not fit.
    assert!(matches!(
        world.effects(5, lend(market, u128::MAX)),
        Err(CreditFault::Amount(_))
    ));
    let most = u128::MAX / 1_000_000;
    assert_eq!(world.lend(5, market, most), most * 1_000_000);
    assert!(matches!(
        world.effects(1, lend(market, 1_000)),
        Err(CreditFault::Amount(_))
    ));
    let huge = [
        redeem(market, u128::MAX),
        borrow(market, 0, u128::MAX, u128::MAX),
        borrow(market, 0, u128::MAX, 0),
        borrow(market, 0, 0, u128::MAX),
    ];
    for op in huge {
        assert!(world.effects(5, op).is_err());
    }
    // Everything is borrowed, and owed until the clock of 2^64 − 1: it fits no repayment, but the numbers stand.
    world.open(5, market, u128::MAX, most);
    world.clock = u64::MAX;
    let owed = world.low(market);
    assert!(owed > u128::MAX);
    assert_eq!(owed, world.high(market));
    for op in [call(market, 1), repay(market, 1, u128::MAX, 0), borrow(market, 1, 0, 1)] {
        assert!(world.effects(5, op).is_err());
    }
}

#[test]
fn a_rate_of_zero_costs_nothing_and_the_largest_much() {
    for (rate, debt) in [(0, 500), (1, 501), (u64::MAX, 922_338)] {
        let (mut world, market) = World::lent(Terms { rate, ..terms() }, 10_000);
        world.open(2, market, 1_000, 500);
        assert_eq!(world.debt(market, 1), 500);
        // 500 · 18.446744073709551615 · 100 = 922,337.2
        world.pass(100);
        let interest = if rate == u64::MAX { debt + 500 } else { debt };
        assert_eq!(world.debt(market, 1), interest);
        world.repay(2, market, 1);
        assert_eq!(world.held(2, usd()), RICHES + 500 - interest);
    }
}

#[test]
fn a_cohort_has_room_for_as_many_positions_as_leaves() {
    let (mut world, market) = World::lent(Terms { depth: 2, ..terms() }, 10_000);
    for serial in 1..=3 {
        assert_eq!(world.open(2, market, 1_000, 500), serial);
        world.repay(2, market, serial);
    }
    // The rule opens a fourth leaf behind the header, and the kernel knows of none: leaves are never free again.
    assert!(world.effects(2, borrow(market, 0, 1_000, 500)).is_ok());
    let leaves = world.fragments.keys().filter(|id| id.anchor() == market.anchor());
    assert_eq!(leaves.count(), 4);
}

#[test]
fn markets_of_a_title_or_of_shares_work_as_any() {
    let (mut world, inner, _) = two_markets();
    let shares = AssetId::issued(RULE, nthroot_protocol::rules::credit::shares_tag(inner));
    world.create(Terms {
        collateral: shares,
        ..terms()
    });
    let market = *world.fragments.keys().next_back().unwrap();
    world.lend(2, market, 10_000);
    let serial = world.open(1, market, 1_000_000_000, 500);
    world.call(3, market, serial);
    world.pass(60);
    assert_eq!(world.bid(4, market, serial), (500, 500_000_000));
    assert_eq!(world.redeem(4, inner, 500_000_000), 501);
    assert_eq!(world.fragments[&market].kind, Kind::Rule);
    assert_eq!(world.market(market).terms.ratio, WAD);
}
