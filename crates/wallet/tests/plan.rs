//! Every operation, from a request to a step that the model holds for valid.

mod world;

use nthroot_model::{
    builder::StepError,
    rules::{credit::quotes::debt_up, pool::Liquidity},
    signing::Signer,
};
use nthroot_protocol::{
    AccountOp, AssetId, FragmentId,
    rules::{
        credit::{CreditOp, Market, Position, Terms, shares_tag, title_tag},
        pool::{Pair, PoolOp, Side, share_tag},
        swap::{Leg, SwapIntent},
    },
};
use nthroot_wallet::{
    Consent, Intent, Plan, Request, SignedIntent,
    account::{self, Party},
    plan::PlanError,
    solver,
};

use crate::world::{BOOK, DOMAIN, World, asset, key};

const MANY: u128 = 1_000_000_000;

fn pool_request(op: PoolOp) -> Request {
    Request::Pool {
        op,
        assets: [asset(1), asset(2)],
    }
}

fn credit_request(op: CreditOp) -> Request {
    Request::Credit {
        op,
        collateral: asset(1),
        asset: asset(2),
    }
}

fn give(gives: &[(u8, u128)], gets: &[(u8, u128)]) -> SwapIntent {
    let legs = |legs: &[(u8, u128)]| legs.iter().map(|(n, amount)| Leg::fixed(asset(*n), *amount)).collect();
    SwapIntent {
        gives: legs(gives),
        gets: legs(gets),
        rewards: Vec::new(),
        counterparties: Vec::new(),
        curve: None,
        least_fill: None,
    }
}

#[test]
fn every_operation_on_a_pool_becomes_a_valid_step() {
    let mut world = World::new();
    let user = world.fragment(1, &[(asset(1), MANY), (asset(2), MANY)]);
    let trader = world.fragment(2, &[(asset(1), MANY), (asset(2), MANY)]);
    let create = PoolOp::Create(Pair {
        assets: [asset(1), asset(2)],
        fee: 3_000,
    });
    let signed = world.sign(1, user, pool_request(create));
    let batch = world.run(|plan| plan.pool(&[signed]).unwrap());
    let pool = world.opened(batch);
    let shares = AssetId::issued(BOOK.pool, share_tag(pool));

    let add = PoolOp::Add {
        pool,
        at_most: [100_000, 400_000],
        shares_at_least: 1,
    };
    let signed = world.sign(1, user, pool_request(add));
    world.run(|plan| plan.pool(&[signed]).unwrap());
    assert_eq!(world.balance(user, shares), 200_000 - 1_000);

    let sell = PoolOp::Sell {
        pool,
        side: Side::Zero,
        amount: 1_000,
        at_least: 1,
    };
    let buy = PoolOp::Buy {
        pool,
        side: Side::One,
        amount: 1_000,
        at_most: 1_000,
    };
    // Several users of one pool share a call, and the pool's root.
    let both = [
        world.sign(1, user, pool_request(buy)),
        world.sign(2, trader, pool_request(sell)),
    ];
    world.run(|plan| plan.pool(&both).unwrap());
    assert_eq!(world.balance(trader, asset(1)), MANY - 1_000);
    let fragment = world.state(pool);
    let assets: Vec<(AssetId, u128)> = fragment
        .assets
        .iter()
        .map(|(asset, amount)| (*asset, *amount))
        .collect();
    let liquidity = Liquidity::of(&fragment.data, &assets).unwrap();
    assert_eq!(world.balance(user, asset(2)), MANY - 400_000 + 1_000);

    let remove = PoolOp::Remove {
        pool,
        shares: 199_000,
        at_least: liquidity.quote_remove(199_000).unwrap(),
    };
    let signed = world.sign(1, user, pool_request(remove));
    world.run(|plan| plan.pool(&[signed]).unwrap());
    assert_eq!(world.balance(user, shares), 0);
}

/// Terms of a market whose anchor has this depth.
fn terms(depth: u8) -> Terms {
    Terms {
        depth,
        collateral: asset(1),
        asset: asset(2),
        ratio: 2_000_000_000_000_000_000,
        rate: 1_000_000_000_000,
        minimum: 100,
        call_fee: 10_000,
        grace: 2,
        rise: 4,
        fall: 4,
    }
}

/// Signs an operation on a market for a user, and posts it. Returns what it opened, if its anchor is a new one.
fn credit(
    world: &mut World,
    (user, fragment): (u8, FragmentId),
    op: CreditOp,
    position: Option<FragmentId>,
) -> nthroot_protocol::BatchId {
    let signed = world.sign(user, fragment, credit_request(op));
    world.run(|plan| plan.credit(&signed, position).unwrap())
}

#[test]
fn every_operation_on_a_market_becomes_a_valid_step() {
    for depth in [0, 3] {
        let mut world = World::new();
        let lender = (1, world.fragment(1, &[(asset(2), MANY)]));
        let borrower = (2, world.fragment(2, &[(asset(1), MANY), (asset(2), MANY)]));
        let created = credit(&mut world, lender, CreditOp::Create(terms(depth)), None);
        let market = world.opened(created);
        let lend = CreditOp::Lend {
            market,
            amount: 100_000,
            shares_at_least: 1,
        };
        credit(&mut world, lender, lend, None);
        let shares = AssetId::issued(BOOK.credit, shares_tag(market));
        assert_eq!(world.balance(lender.1, shares), 100_000 * 1_000_000);

        let borrow = |serial, added, amount| CreditOp::Borrow {
            market,
            serial,
            added,
            amount,
        };
        // Two positions: one to be repaid, one to be sold.
        let mut positions = Vec::new();
        for leaf in [1, 2] {
            let place = market.anchor().leaf(leaf).filter(|_| depth > 0);
            let batch = credit(&mut world, borrower, borrow(0, 1_000, 1_000), place);
            positions.push(place.unwrap_or_else(|| world.opened(batch)));
        }
        let [first, second] = positions[..] else {
            panic!("two positions")
        };
        let title = AssetId::issued(BOOK.credit, title_tag(market, 1));
        assert_eq!(world.balance(borrower.1, title), 1);
        credit(&mut world, borrower, borrow(1, 1_000, 500), Some(first));
        let add = CreditOp::Add {
            market,
            serial: 1,
            amount: 10,
        };
        credit(&mut world, borrower, add, Some(first));
        let repay = |at_most, taken| CreditOp::Repay {
            market,
            serial: 1,
            at_most,
            taken,
        };
        credit(&mut world, borrower, repay(500, 10), Some(first));
        let debt = {
            let market = Market::decode(&world.state(market).data).unwrap();
            let position = Position::decode(&world.state(first).data).unwrap();
            debt_up(&market.terms, &position, world.clock()).unwrap()
        };
        credit(&mut world, borrower, repay(debt.to::<u128>() + 50, 0), Some(first));
        assert_eq!(
            (world.balance(borrower.1, title), world.balance(first, asset(1))),
            (0, 0)
        );

        let serial = 2;
        let fee_at_most = 100;
        credit(
            &mut world,
            lender,
            CreditOp::Call {
                market,
                serial,
                fee_at_most,
            },
            Some(second),
        );
        world.advance(5);
        let (at_most, at_least) = (2_000, 1);
        let bid = CreditOp::Bid {
            market,
            serial,
            at_most,
            at_least,
        };
        credit(&mut world, lender, bid, Some(second));
        assert!(
            world.balance(lender.1, asset(1)) > 0,
            "the bidder has some of the collateral"
        );
        credit(&mut world, borrower, CreditOp::Close { market, serial }, Some(second));
        let all = world.balance(lender.1, shares);
        let redeem = CreditOp::Redeem {
            market,
            shares: all,
            at_least: 100_000,
        };
        credit(&mut world, lender, redeem, None);
        assert_eq!(world.balance(lender.1, shares), 0);
        let holders = [lender.1, borrower.1, market];
        let all: u128 = holders.iter().map(|holder| world.balance(*holder, asset(2))).sum();
        assert_eq!(all, 2 * MANY, "nothing is lost on the way");
    }
}

#[test]
fn a_swap_and_a_payment_make_one_step() {
    let mut world = World::new();
    let fragments = [1, 2].map(|user| world.fragment(user, &[(asset(user), 100)]));
    let [one, two] = fragments;
    let swaps = [give(&[(1, 60)], &[(2, 50)]), give(&[(2, 50)], &[(1, 60)])];
    let parties = [(one, swaps[0].clone()), (two, swaps[1].clone())];
    let fill = solver::clear(world.clock(), &parties, None).unwrap();
    let signed = [
        world.sign(1, one, Request::Swap(swaps[0].clone())),
        world.sign(2, two, Request::Swap(swaps[1].clone())),
    ];
    // What it got goes on in the same step, under the next nonce.
    let pay = AccountOp::Pay {
        to: two,
        asset: asset(2),
        amount: 50,
    };
    let account = |user, fragment, ops| {
        let intent = Intent {
            request: Request::Account(ops),
            fragment,
            nonce: world.state(fragment).nonce + 1,
            valid_until: 10_000,
        };
        Consent::Signed(Box::new(intent.sign(&BOOK, &DOMAIN, &key(user))))
    };
    let consents = [account(1, one, vec![pay]), account(2, two, Vec::new())];
    world.run(|plan| {
        plan.swap(&signed, &fill).unwrap();
        plan.account(&consents, &[]).unwrap();
    });
    assert_eq!([world.balance(one, asset(1)), world.balance(one, asset(2))], [40, 0]);
    assert_eq!([world.balance(two, asset(1)), world.balance(two, asset(2))], [60, 100]);
}

#[test]
fn a_fill_names_no_asset_that_it_does_not_move() {
    // The rule pays gas for each, and no budget counts them.
    let mut world = World::new();
    let [one, two] = [1, 2].map(|user| world.fragment(user, &[(asset(user), 100)]));
    let swaps = [give(&[(1, 60)], &[(2, 50)]), give(&[(2, 50)], &[(1, 60)])];
    let parties = [(one, swaps[0].clone()), (two, swaps[1].clone())];
    let lean = solver::clear(world.clock(), &parties, None).unwrap();
    let mut padded = lean.clone();
    padded.assets = (0..=250).map(asset).collect();
    for part in &mut padded.moves {
        let moved = lean.assets[usize::from(part.asset)];
        let place = padded.assets.iter().position(|named| *named == moved).unwrap();
        part.asset = u8::try_from(place).unwrap();
    }
    assert_eq!(padded.without_idle_assets(), lean);
    let [gives, takes] = swaps;
    let signed = [
        world.sign(1, one, Request::Swap(gives)),
        world.sign(2, two, Request::Swap(takes)),
    ];
    let extra = |fill| {
        let mut plan = Plan::new(BOOK);
        plan.swap(&signed, fill).unwrap();
        plan.finish().body
    };
    assert_eq!(extra(&padded), extra(&lean));
    world.run(|plan| plan.swap(&signed, &padded).unwrap());

    // What names an asset that is not there is nobody's to mend: the rule fails.
    padded.assets.truncate(1);
    assert_eq!(padded.without_idle_assets(), padded);
}

#[test]
fn a_cohort_is_opened_and_its_leaves_are_paid() {
    let mut world = World::new();
    let (owner, member) = (key(1), key(2));
    let from = world.fragment(1, &[(asset(1), 100)]);
    let terms = account::Terms {
        domain: DOMAIN,
        book: BOOK,
        valid_until: 10_000,
    };
    let open = AccountOp::Open {
        depth: 4,
        kind: owner.key().kind().to_u8(),
        controller: owner.key().controller(),
        assets: vec![(asset(1), 50)],
    };
    let plan = account::plan(&terms, &[Party::signing(&owner, from, 0, vec![open])]).unwrap();
    let batch = world.post(&plan).unwrap();
    let header = world.opened(batch);
    let leaf = |amount| AccountOp::OpenLeaf {
        kind: member.key().kind().to_u8(),
        controller: member.key().controller(),
        assets: vec![(asset(1), amount)],
    };
    let party = Party::signing(&owner, header, 0, vec![leaf(10), leaf(20)]).opening([3, 15]);
    world.post(&account::plan(&terms, &[party]).unwrap()).unwrap();
    let at = |leaf| header.anchor().leaf(leaf).unwrap();
    assert_eq!([0, 3, 15].map(|leaf| world.balance(at(leaf), asset(1))), [20, 10, 20]);
    // Whoever is merely credited does not sign; without a lease that is not valid.
    let pay = AccountOp::Pay {
        to: at(3),
        asset: asset(1),
        amount: 1,
    };
    let parties = [Party::signing(&member, at(15), 0, vec![pay]), Party::credited(at(3))];
    let refused = world.post(&account::plan(&terms, &parties).unwrap());
    assert!(matches!(refused, Err(StepError::Failure(_))), "{refused:?}");
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let mut world = World::new();
    let user = world.fragment(1, &[(asset(1), 100)]);
    let create = PoolOp::Create(Pair {
        assets: [asset(1), asset(2)],
        fee: 0,
    });
    let created = world.sign(1, user, pool_request(create));
    let add = CreditOp::Add {
        market: user,
        serial: 1,
        amount: 1,
    };
    let added = world.sign(1, user, credit_request(add));
    let swap = world.sign(1, user, Request::Swap(give(&[(1, 1)], &[(2, 1)])));
    let plan = || Plan::new(BOOK);
    let pool = |signed: &[SignedIntent]| plan().pool(signed);
    assert_eq!(pool(std::slice::from_ref(&swap)), Err(PlanError::Rule(user)));
    assert_eq!(pool(&[created.clone(), created.clone()]), Err(PlanError::NotAlone));
    assert_eq!(plan().credit(&added, None), Err(PlanError::NoPosition));
    let twice = [swap.clone(), swap];
    let fill = nthroot_protocol::rules::swap::Fill::default();
    assert_eq!(plan().swap(&twice, &fill), Err(PlanError::Twice(user)));
    let consent = Consent::Credited(user);
    assert_eq!(
        plan().account(&[consent.clone(), consent], &[]),
        Err(PlanError::Twice(user))
    );
    let mut broken = created;
    broken.payload = vec![1].into();
    assert!(matches!(pool(&[broken]), Err(PlanError::Pool(_))));
}

#[test]
fn whoever_changes_a_signed_intent_breaks_it() {
    let mut world = World::new();
    let user = world.fragment(1, &[(asset(1), 100)]);
    let request = Request::Swap(give(&[(1, 1)], &[(2, 1)]));
    let signed = world.sign(1, user, request.clone());
    let check = |signed: &SignedIntent, request| signed.check(request, &DOMAIN, key(1).key());
    check(&signed, &request).unwrap();
    let text = serde_json::to_string(&signed).unwrap();
    assert_eq!(serde_json::from_str::<SignedIntent>(&text).unwrap(), signed);

    let changes: [fn(&mut SignedIntent); 4] = [
        |signed| signed.rule = BOOK.pool,
        |signed| signed.nonce += 1,
        |signed| signed.valid_until += 1,
        |signed| signed.outflows[0].amount += 1,
    ];
    for change in changes {
        let mut other = signed.clone();
        change(&mut other);
        assert!(check(&other, &request).is_err(), "{other:?}");
    }
    assert!(check(&signed, &Request::Swap(give(&[(1, 1)], &[(2, 0)]))).is_err());
    assert!(signed.check(&request, &DOMAIN, key(2).key()).is_err());
}
