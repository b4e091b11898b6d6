//! Create, lend, redeem.

use alloy_primitives::aliases::U192;
use nthroot_model::{invalid::CallFault, invalid::EffectFault, rules::credit::CreditFault};
use nthroot_protocol::{
    Effect, Kind,
    rules::credit::{CreditError, CreditOp, Market, Terms, TermsError, shares_tag},
};

use super::world::{
    RICHES, RULE, START, World, bid, burn, call, gold, lend, meaning, mint, redeem, repay, terms, transfer, usd, write,
};

#[test]
fn create_opens_a_market_with_zeros_behind_the_terms() {
    for depth in [0, 7] {
        let terms = Terms { depth, ..terms() };
        let (mut world, op) = (World::empty(), CreditOp::Create(terms));
        let mut data = op.encode();
        assert_eq!(data.len(), 121);
        data.extend([0; 80]);
        let open = Effect::Open {
            depth,
            kind: 3,
            controller: RULE,
        };
        assert_eq!(world.create(terms), [meaning(op), open, write(1, data)]);
        let market = &world.fragments[world.fragments.keys().next_back().unwrap()];
        assert_eq!((market.kind, market.controller), (Kind::Rule, RULE));
        assert_eq!(Market::decode(&market.data), Ok(Market::new(terms)));
    }
}

#[test]
fn terms_out_of_bounds_are_refused() {
    let bad = [
        (
            Terms {
                asset: gold(),
                ..terms()
            },
            TermsError::SameAsset(gold()),
        ),
        (Terms { ratio: 0, ..terms() }, TermsError::Zero("ratio")),
        (Terms { minimum: 0, ..terms() }, TermsError::Zero("minimum")),
        (Terms { rise: 0, ..terms() }, TermsError::Zero("rise")),
        (Terms { fall: 0, ..terms() }, TermsError::Zero("fall")),
        (
            Terms {
                call_fee: 100_001,
                ..terms()
            },
            TermsError::CallFee(100_001),
        ),
    ];
    for (terms, error) in bad {
        let answer = World::empty().effects(1, CreditOp::Create(terms));
        assert_eq!(answer, Err(CreditFault::Terms(error)));
    }
    let most = Terms {
        depth: 24,
        ratio: u128::MAX,
        rate: u64::MAX,
        minimum: u128::MAX,
        call_fee: 100_000,
        grace: u32::MAX,
        rise: u32::MAX,
        fall: u32::MAX,
        ..terms()
    };
    let least = Terms {
        ratio: 1,
        rate: 0,
        minimum: 1,
        call_fee: 0,
        grace: 0,
        rise: 1,
        fall: 1,
        ..terms()
    };
    for terms in [most, least] {
        let (world, market) = World::with(terms);
        assert_eq!(world.market(market).terms, terms);
    }
    let depth = |depth| World::empty().act(1, CreditOp::Create(Terms { depth, ..terms() }));
    let fault = EffectFault::Depth(25);
    assert_eq!(depth(25), Err(CallFault::Effect { effect: 1, fault }));
}

#[test]
fn the_extra_of_create_is_the_rules_address_and_that_of_all_others_empty() {
    let mut world = World::empty();
    let mut request = world.request(1, CreditOp::Create(terms()));
    for length in [0, 19, 21, 40] {
        request.extra = vec![0xc4; length];
        let (expected, actual) = (20, length);
        assert_eq!(world.ask(&request), Err(CreditFault::Extra { expected, actual }));
    }
    request.extra = vec![0xc5; 20];
    assert!(matches!(
        world.post(&request),
        Err(CallFault::Effect {
            effect: 1,
            fault: EffectFault::OpenUnderOtherRule { .. }
        })
    ));
    let (world, market) = World::lent(terms(), 1_000);
    for op in [lend(market, 5), redeem(market, 5), call(market, 1), bid(market, 1)] {
        let mut request = world.request(1, op);
        request.extra = vec![0];
        let (expected, actual) = (0, 1);
        assert_eq!(world.ask(&request), Err(CreditFault::Extra { expected, actual }));
    }
}

#[test]
fn lending_mints_shares_of_high_rounded_down() {
    let (mut world, market) = World::with(terms());
    let op = lend(market, 5_000);
    // 5,000 · 10^6 / (0 + 1)
    let shares = 5_000_000_000;
    let mut after = world.market(market);
    after.shares = shares;
    let effects = [
        meaning(op),
        transfer(1, 0, usd(), 5_000),
        mint(1, shares_tag(market), shares),
        write(0, after.encode()),
    ];
    assert_eq!(world.act(1, op).unwrap(), effects);

    // 300 are lent, and called for a fee that the lenders have at once: what is called counts for whoever comes.
    world.open(2, market, 1_000, 300);
    world.pass(7);
    // Interest of 2.1, rounded up; 303 · 5 % rounded up is 16.
    world.call(3, market, 1);
    assert_eq!(world.market(market).called, 303);
    assert_eq!(world.low(market).to::<u128>(), 4_716);
    assert_eq!(world.high(market).to::<u128>(), 5_019);
    // 777 · 5,001,000,000 / 5,020
    assert_eq!(world.lend(4, market, 777), 774059163);
}

#[test]
fn redeeming_pays_a_part_of_low_rounded_down() {
    let (mut world, market) = World::lent(terms(), 5_000);
    world.open(2, market, 1_000, 300);
    world.pass(7);
    // Idle 4,700, owed 302.1: 1,234,567,890 · 5,003 / 5,001,000,000 = 1,235.06
    let op = redeem(market, 1_234_567_890);
    let mut after = world.market(market);
    after.shares -= 1_234_567_890;
    let effects = [
        meaning(op),
        burn(1, shares_tag(market), 1_234_567_890),
        transfer(0, 1, usd(), 1_235),
        write(0, after.encode()),
    ];
    assert_eq!(world.act(1, op).unwrap(), effects);
    world.call(3, market, 1);
    // Idle 3,465 and a fee of 16: 10^9 · 3,482 / 3,766,432,110 + …
    assert_eq!(world.idle(market), 3_481);
    assert_eq!(world.redeem(1, market, 1_000_000_000), 924);
}

#[test]
fn what_lenders_ask_for_is_kept_and_zero_is_nothing() {
    let (mut world, market) = World::lent(terms(), 5_000);
    let at_least = |amount, shares_at_least| CreditOp::Lend {
        market,
        amount,
        shares_at_least,
    };
    // 10 · 5,001,000,000 / 5,001
    assert!(world.effects(2, at_least(10, 10_000_000)).is_ok());
    let too_little =
        |quantity| move |fault| matches!(fault, CreditFault::TooLittle { quantity: q, .. } if q == quantity);
    assert!(
        world
            .effects(2, at_least(10, 10_000_001))
            .is_err_and(too_little("shares"))
    );
    assert!(world.effects(2, at_least(0, 0)).is_err_and(too_little("amount lent")));

    let at_least = |shares, at_least| CreditOp::Redeem {
        market,
        shares,
        at_least,
    };
    assert!(world.effects(1, at_least(10_000_000, 10)).is_ok());
    assert!(
        world
            .effects(1, at_least(10_000_000, 11))
            .is_err_and(too_little("amount redeemed"))
    );
    assert!(
        world
            .effects(1, at_least(0, 0))
            .is_err_and(too_little("shares redeemed"))
    );
    // Less than a unit.
    assert!(
        world
            .effects(1, at_least(999_999, 0))
            .is_err_and(too_little("amount redeemed"))
    );
    let all = world.market(market).shares;
    let too_much = |quantity| move |fault| matches!(fault, CreditFault::TooMuch { quantity: q, .. } if q == quantity);
    assert!(
        world
            .effects(1, at_least(all + 1, 0))
            .is_err_and(too_much("shares redeemed"))
    );
    assert!(world.effects(1, at_least(all, 0)).is_ok());
    // Shares of others are not to be had.
    world.lend(2, market, 5_000);
    assert!(matches!(
        world.act(1, at_least(all + 1, 0)),
        Err(CallFault::Effect {
            effect: 1,
            fault: EffectFault::Balance { .. }
        })
    ));
    // What is lent cannot be redeemed.
    world.open(3, market, 9_000, 9_000);
    assert!(
        world
            .effects(1, at_least(all, 0))
            .is_err_and(too_much("amount redeemed"))
    );
}

#[test]
fn a_share_too_small_to_be_counted_is_not_bought() {
    // With the largest rate a debt of one grows to 18 in a block, and a share is worth more than a unit soon.
    let terms = Terms {
        rate: u64::MAX,
        minimum: 1,
        ..terms()
    };
    let (mut world, market) = World::lent(terms, 1_000);
    world.open(2, market, 1_000, 1_000);
    world.pass(1_000_000);
    assert!(world.effects(3, lend(market, 18)).is_err());
    assert!(world.effects(3, lend(market, 19)).is_ok());
}

#[test]
fn low_and_high_are_what_the_page_says() {
    let (mut world, market) = World::lent(terms(), 10_000);
    let first = world.open(2, market, 4_000, 3_000);
    world.pass(5);
    let second = world.open(3, market, 4_000, 2_000);
    world.pass(10);
    let data = world.market(market);
    assert_eq!(data.principal, 5_000);
    assert_eq!(data.moment, U192::from(3_000 * START + 2_000 * (START + 5)));
    // Interest: 3,000 · 15 / 1,000 + 2,000 · 10 / 1,000 = 65
    assert_eq!(world.low(market).to::<u128>(), 5_000 + 5_000 + 65);
    assert_eq!(world.high(market), world.low(market));
    world.call(4, market, first);
    let (after, debt) = (world.market(market), world.debt(market, first));
    // A fee of 152.25, rounded up, of a debt of 3,045.
    assert_eq!((after.called, debt), (3_045, 3_045));
    assert_eq!(after.moment, U192::from(2_000 * (START + 5)));
    assert_eq!(world.low(market).to::<u128>(), 5_153 + 2_020);
    assert_eq!(world.high(market).to::<u128>(), 5_153 + 2_020 + 3_045);
    world.act(3, repay(market, second, 1_020, 1_000)).unwrap();
    assert_eq!(world.market(market).principal, 1_000);
    assert_eq!(world.held(3, gold()), RICHES - 3_000);
}

#[test]
fn a_call_has_one_authorisation_and_a_whole_payload() {
    use nthroot_model::{rule::AuthorisationView, rules::credit::effects};
    let authorisation = AuthorisationView {
        fragment: 0,
        payload: CreditOp::Create(terms()).encode(),
    };
    let extra = RULE.as_slice();
    for count in [0, 2] {
        let answer = effects(START, &[], &vec![authorisation.clone(); count], extra);
        assert_eq!(answer, Err(CreditFault::Authorisations(count)));
    }
    let mut long = authorisation.clone();
    long.payload.push(0);
    let answer = effects(START, &[], &[long], extra);
    assert!(matches!(answer, Err(CreditFault::Format(CreditError::Trailing(_)))));
    assert!(effects(START, &[], &[authorisation], extra).is_ok());
}
