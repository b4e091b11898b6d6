//! Pools through the kernel, with signatures.

use nthroot_model::{
    invalid::{CallFault, EffectFault},
    rules::pool::Pool,
    signing::BadSignature,
};
use nthroot_protocol::{
    AccountOp, Effect, Fragment, Kind, Meaning, Outflow,
    rules::pool::{Pair, PoolOp, PoolState, Side},
};

use super::{POOL, add, assets, buy, consent, pool_id, remove, sell, share};
use crate::bench::{CLOCK, Plan, RULE, World, asset, effect_fault, moved, outflow, owned, ruled};

/// Users 1, 2 and 3 with a million of both assets.
fn world() -> World {
    let some = [(asset(1), 1_000_000), (asset(2), 1_000_000)];
    (1..=3).fold(World::new(Pool), |world, n| world.with(n, owned(n, &some)))
}

/// What user 1 signs to create the pool. It lets nothing go.
fn creating() -> Plan {
    let pair = Pair {
        assets: assets(),
        fee: 3_000,
    };
    let mut consent = consent(1, PoolOp::Create(pair));
    consent.outflows.clear();
    Plan {
        listed: vec![1],
        consents: vec![consent],
        extra: RULE.to_vec(),
        opened: 1,
    }
}

/// A call in which users do these operations, each with its nonce.
fn calling(world: &World, ops: &[(u8, PoolOp)]) -> Plan {
    let users = ops.iter().map(|(user, _)| *user);
    let consents = ops.iter().map(|(user, op)| {
        let mut consent = consent(*user, *op);
        consent.nonce = world.fragments[user].nonce;
        consent
    });
    Plan {
        listed: std::iter::once(POOL).chain(users).collect(),
        consents: consents.collect(),
        ..Plan::default()
    }
}

/// A pool that user 1 has created, and filled with 400,000 and 100,000.
fn filled() -> World {
    let mut world = world();
    let opened = world.run(&creating()).unwrap();
    let [pool] = <[Fragment; 1]>::try_from(opened).unwrap();
    world = world.with(POOL, pool);
    let plan = calling(&world, &[(1, add([400_000, 100_000])(pool_id()))]);
    world.run(&plan).unwrap();
    world
}

fn shares(world: &World) -> u128 {
    PoolState::decode(&world.fragments[&POOL].data).unwrap().shares
}

#[test]
fn a_pool_is_a_fragment_under_the_rule_and_holds_its_reserves() {
    let world = filled();
    let pool = &world.fragments[&POOL];
    assert_eq!((pool.kind, pool.controller), (Kind::Rule, RULE));
    assert_eq!(
        (world.balance(POOL, asset(1)), world.balance(POOL, asset(2))),
        (400_000, 100_000)
    );
    assert_eq!(shares(&world), 200_000);
    assert_eq!(world.balance(1, share()), 199_000);
    assert_eq!(world.balance(1, asset(1)), 600_000);
}

#[test]
fn users_share_a_call_and_the_pool_is_touched_once() {
    let mut world = filled();
    let id = pool_id();
    let ops = [
        (2, sell(Side::Zero, 10_000)(id)),
        (3, buy(Side::Zero, 10_000)(id)),
        (1, remove(1_000)(id)),
    ];
    let before: Vec<u128> = [1, 2]
        .map(|n| (1..=3).map(|user| world.balance(user, asset(n))).sum::<u128>() + world.balance(POOL, asset(n)))
        .to_vec();
    let plan = calling(&world, &ops);
    world.run(&plan).unwrap();
    assert!(world.balance(2, asset(2)) > 1_000_000);
    assert_eq!(world.balance(3, asset(1)), 1_010_000);
    assert_eq!(shares(&world), 199_000);
    assert_eq!(world.balance(1, share()), 198_000);
    let after: Vec<u128> = [1, 2]
        .map(|n| (1..=3).map(|user| world.balance(user, asset(n))).sum::<u128>() + world.balance(POOL, asset(n)))
        .to_vec();
    assert_eq!(after, before);
}

#[test]
fn shares_are_assets_that_their_holder_may_pass_on() {
    let mut world = filled();
    // User 2 has got them, as by a payment, and gives them back to the pool.
    let user = world.fragments.get_mut(&1).unwrap();
    let all = user.assets.remove(&share()).unwrap();
    world.fragments.get_mut(&2).unwrap().assets.insert(share(), all);
    let plan = calling(&world, &[(1, remove(1)(pool_id()))]);
    let fault = effect_fault(world.refused(&plan));
    assert!(matches!(fault, EffectFault::Balance { position: 1, .. }), "{fault}");
    let plan = calling(&world, &[(2, remove(all)(pool_id()))]);
    world.run(&plan).unwrap();
    assert_eq!(shares(&world), 1_000);
    assert_eq!(
        (world.balance(POOL, asset(1)), world.balance(POOL, asset(2))),
        (2_000, 500)
    );
}

#[test]
fn expired_and_replayed_operations_do_nothing() {
    let mut world = filled();
    let plan = calling(&world, &[(2, sell(Side::Zero, 10)(pool_id()))]);
    world.run(&plan).unwrap();
    let replayed = world.refused(&plan);
    let is_bad = matches!(
        replayed,
        CallFault::Signature {
            reason: BadSignature::Signer { .. },
            ..
        }
    );
    assert!(is_bad, "{replayed}");

    let plan = calling(&world, &[(2, sell(Side::Zero, 10)(pool_id()))]);
    world.terms.clock = CLOCK + 1;
    let expired = world.refused(&plan);
    assert!(matches!(expired, CallFault::Expired { position: 1, .. }), "{expired}");
}

#[test]
fn nobody_stands_twice_in_a_call() {
    let world = filled();
    let id = pool_id();
    let plan = calling(&world, &[(2, sell(Side::Zero, 10)(id)), (3, sell(Side::Zero, 10)(id))]);
    let mut call = world.call(&plan);
    call.fragments[2] = 1;
    assert_eq!(world.refused_call(&plan, call), CallFault::FragmentTwice { number: 1 });
    let mut call = world.call(&plan);
    call.authorisations[1] = call.authorisations[0].clone();
    let fault = CallFault::PositionOrder { last: 1, position: 1 };
    assert_eq!(world.refused_call(&plan, call), fault);
}

#[test]
fn what_is_signed_names_the_assets_that_the_pool_has() {
    // Whoever signs a sale of asset 1 cannot be sent to a pool in which side 0 is another one.
    let mut world = filled();
    let mut data = PoolState::decode(&world.fragments[&POOL].data).unwrap();
    data.pair.assets = [asset(2), asset(3)];
    let reserves = [(asset(2), 400_000), (asset(3), 100_000)];
    world.fragments.insert(POOL, ruled(&reserves, data.encode()));
    let mut plan = calling(&world, &[(2, sell(Side::Zero, 10)(pool_id()))]);
    let fault = world.refused(&plan);
    assert!(matches!(fault, CallFault::Signature { position: 1, .. }), "{fault}");
    // Nor is it enough to sign the bytes.
    plan.consents[0].meaning = Meaning::opaque(&plan.consents[0].payload);
    let fault = world.refused(&plan);
    assert!(matches!(fault, CallFault::Signature { position: 1, .. }), "{fault}");
}

#[test]
fn the_outflows_signed_bound_what_a_trade_costs() {
    let world = filled();
    let mut plan = calling(&world, &[(2, buy(Side::One, 1_000)(pool_id()))]);
    plan.consents[0].outflows = vec![outflow(asset(1), 4_000)];
    let fault = effect_fault(world.refused(&plan));
    assert!(
        matches!(
            fault,
            EffectFault::Outflow {
                position: 1,
                left: 4_000,
                ..
            }
        ),
        "{fault}"
    );
}

#[test]
fn nobody_can_donate_to_a_pool() {
    let world = filled();
    let pay = AccountOp::Pay {
        to: pool_id(),
        asset: asset(1),
        amount: 1,
    };
    let payload = AccountOp::encode_payload(&[pay]);
    let mut plan = calling(&world, &[(2, sell(Side::Zero, 1)(pool_id()))]);
    plan.consents[0].meaning = Meaning::opaque(&payload);
    plan.consents[0].payload = payload;
    // Neither the Account rule nor any other may list it.
    for rule in [0, 2] {
        let mut call = world.call(&plan);
        call.rule = rule;
        call.extra = Effect::encode_list(&[moved(1, 0, asset(1), 1)]).into();
        let fault = world.refused_call(&plan, call);
        assert!(matches!(fault, CallFault::OtherRule { position: 0, .. }), "{fault}");
    }
}

#[test]
fn a_user_who_did_not_sign_is_no_party() {
    let world = filled();
    let mut plan = calling(&world, &[(2, sell(Side::Zero, 10)(pool_id()))]);
    plan.listed.push(3);
    let fault = world.refused(&plan);
    assert_eq!(fault, CallFault::NotAuthorised { position: 2 });
}

#[test]
fn a_pool_cannot_be_its_own_customer() {
    // Nobody's key is the pool's, so nothing that it signs is good.
    let world = filled();
    let mut plan = calling(&world, &[(2, sell(Side::Zero, 10)(pool_id()))]);
    plan.consents[0].of = POOL;
    plan.listed.pop();
    let fault = world.refused(&plan);
    let scheme = BadSignature::Scheme {
        kind: Kind::Rule,
        scheme: 1,
    };
    assert_eq!(
        fault,
        CallFault::Signature {
            position: 0,
            reason: scheme
        }
    );
}

#[test]
fn a_sale_that_moves_nothing_is_none() {
    let world = filled();
    let plan = calling(&world, &[(2, sell(Side::Zero, 0)(pool_id()))]);
    assert!(matches!(world.refused(&plan), CallFault::Rule(_)));
    // Nor does a pool without shares change when it is listed.
    let plan = calling(&world, &[(2, remove(0)(pool_id()))]);
    assert!(matches!(world.refused(&plan), CallFault::Rule(_)));
}

#[test]
fn fifteen_users_fit_a_call() {
    let mut world = filled();
    let some = [(asset(1), 1_000)];
    world = (10..25).fold(world, |world, n| world.with(n, owned(n, &some)));
    let ops: Vec<_> = (10..25).map(|n| (n, sell(Side::Zero, 1_000)(pool_id()))).collect();
    let mut plan = calling(&world, &ops);
    for consent in &mut plan.consents {
        consent.outflows = vec![Outflow {
            asset: asset(1),
            amount: 1_000,
        }];
    }
    world.run(&plan).unwrap();
    // The price moves against each of them in turn.
    let bought: Vec<_> = (10..25).map(|n| world.balance(n, asset(2))).collect();
    assert!(
        bought.is_sorted_by(|a, b| a >= b) && bought[0] > bought[14],
        "{bought:?}"
    );
}
