//! Leases (sections 3, 6 and 6.1): who may touch an anchor, and what its holder may do.

use alloy_primitives::Address;
use nthroot_model::{
    invalid::{CallFault, EffectFault, Invalid},
    kernel::{Failure, Verdict},
};
use nthroot_protocol::{AccountOp, Effect, Fragment, Lease};

use crate::{
    scene::Scene,
    world::{
        CLOCK, Consent, ETH, PROPOSER, PUPPET, account, anchor, gold, holder, leased, new_anchor, owned, puppet, ruled,
        set_lease, transfer, usd, with, write,
    },
};

const OTHER: Address = Address::repeat_byte(0x0e);

fn call_fault(scene: &Scene) -> (usize, CallFault) {
    match scene.execute() {
        Err(Failure::Invalid(Invalid::Call { call, fault })) => (call, fault),
        other => panic!("{other:?}"),
    }
}

fn consenting(lease: Fragment) -> Scene {
    Scene::new()
        .fresh(1, lease)
        .call(with(account(&[0]), 0, &Consent::of(1)))
}

#[test]
fn while_a_lease_runs_only_its_holder_touches_the_anchor() {
    let mine = owned(1, &[(ETH, 5)]);
    for last_block in [CLOCK, CLOCK + 1, u64::MAX] {
        consenting(leased(mine.clone(), PROPOSER, last_block))
            .execute()
            .unwrap();
        let (holder, touch) = (OTHER, 0);
        let lease = Lease { holder, last_block };
        assert_eq!(
            consenting(leased(mine.clone(), OTHER, last_block)).execute(),
            Err(Failure::Invalid(Invalid::Leased { touch, lease }))
        );
    }
    for last_block in [1, CLOCK - 1] {
        consenting(leased(mine.clone(), OTHER, last_block)).execute().unwrap();
    }
}

/// Neither the place of the touch nor what the calls do matters; and evaluation says so.
#[test]
fn every_touch_of_a_leased_anchor_counts() {
    let scene = || {
        Scene::new()
            .fresh(8, ruled(&[]))
            .opening(1)
            .again(new_anchor(4), leased(ruled(&[]), PROPOSER, CLOCK))
            .call(puppet(
                &[0, 2],
                &[write(0, b"x"), write(1, b"y"), crate::world::open(3, PUPPET)],
            ))
    };
    let mut posted = scene().post();
    assert!(matches!(posted.evaluate(), Ok(Verdict::Valid(_))));
    posted.preimage.proposer = OTHER;
    let lease = Lease {
        holder: PROPOSER,
        last_block: CLOCK,
    };
    assert_eq!(
        posted.evaluate(),
        Ok(Verdict::Invalid(Invalid::Leased { touch: 2, lease }))
    );
}

/// The lease of a cohort is that of its leaf 0, whatever a leaf says.
#[test]
fn the_header_leases_the_whole_cohort() {
    let pay = Consent::at(2, 1, 3);
    let cohort = |header: Fragment, leaf: Fragment| {
        Scene::new()
            .cohort(1, 4, header, &[(3, Some(leaf))])
            .call(with(account(&[1]), 0, &pay))
    };
    cohort(owned(1, &[]), owned(2, &[])).execute().unwrap();
    cohort(owned(1, &[]), leased(owned(2, &[]), OTHER, CLOCK))
        .execute()
        .unwrap();
    assert!(matches!(
        cohort(leased(owned(1, &[]), OTHER, CLOCK), owned(2, &[])).execute(),
        Err(Failure::Invalid(Invalid::Leased { touch: 0, .. }))
    ));
}

/// Fragment 0 of the puppet's, 1 of key 1 under a lease of the proposer, who credits it without its consent.
fn crediting(effects: &[Effect]) -> Scene {
    Scene::new()
        .fresh(9, ruled(&[(ETH, 50), (usd(), 50)]))
        .fresh(1, leased(owned(1, &[(ETH, 10), (gold(), 1)]), PROPOSER, CLOCK))
        .call(puppet(&[0, 1], effects))
}

#[test]
fn the_holder_credits_without_consent() {
    let scene = crediting(&[transfer(0, 1, ETH, 7)]);
    let outcome = scene.execute().unwrap();
    let credited = leased(owned(1, &[(ETH, 17), (gold(), 1)]), PROPOSER, CLOCK);
    assert_eq!(outcome.states, [ruled(&[(ETH, 43), (usd(), 50)]), credited]);
    assert_eq!(scene.post().evaluate(), Ok(Verdict::Valid(outcome)));
    let mint = Effect::Mint {
        to: 1,
        tag: crate::world::TAG,
        amount: 5,
    };
    crediting(&[write(0, b"x"), mint]).execute().unwrap();
}

#[test]
fn who_is_merely_credited_gets_only_what_it_holds_and_loses_nothing() {
    let check = |effects: &[Effect], fault: EffectFault| {
        let effect = effects.len() - 1;
        let fault = CallFault::Effect { effect, fault };
        assert_eq!(call_fault(&crediting(effects)), (0, fault));
    };
    let (position, asset) = (1, usd());
    check(&[transfer(0, 1, usd(), 7)], EffectFault::NewAsset { position, asset });
    let none = EffectFault::NoAuthority { position };
    let credit = transfer(0, 1, ETH, 7);
    for effect in [
        transfer(1, 0, ETH, 1),
        write(1, b"x"),
        crate::world::set_controller(1, 1, holder(5)),
        set_lease(1, Address::ZERO, 0),
        crate::world::open_leaf(1, 1, holder(5)),
    ] {
        check(&[credit.clone(), effect], none.clone());
    }
    // It is listed for a change, as whoever does not authorise.
    assert_eq!(
        call_fault(&crediting(&[write(0, b"x")])),
        (0, CallFault::Unchanged { position: 1 })
    );
}

#[test]
fn without_a_running_lease_of_the_proposer_nobody_is_credited() {
    let refused = (0, CallFault::NotAuthorised { position: 1 });
    let change = |change: fn(&mut Fragment)| {
        let mut scene = crediting(&[transfer(0, 1, ETH, 7)]);
        change(&mut scene.fresh[1].header);
        call_fault(&scene)
    };
    assert_eq!(change(|header| header.lease = None), refused);
    assert_eq!(
        change(|header| *header = leased(header.clone(), PROPOSER, CLOCK - 1)),
        refused
    );
    assert_eq!(
        change(|header| *header = leased(header.clone(), OTHER, CLOCK - 1)),
        refused
    );
    // A lease of another anchor in the step is none of this one.
    let mut scene = crediting(&[transfer(0, 1, ETH, 7)]);
    scene.fresh[1].header.lease = None;
    scene.fresh[0].header = leased(scene.fresh[0].header.clone(), PROPOSER, CLOCK);
    assert_eq!(call_fault(&scene), refused);
    // Nor does a lease give anything over what another rule controls.
    let mut scene = crediting(&[transfer(0, 1, ETH, 7)]);
    scene.fresh[1].header.kind = nthroot_protocol::Kind::Rule;
    assert!(matches!(
        call_fault(&scene),
        (0, CallFault::OtherRule { position: 1, .. })
    ));
}

#[test]
fn a_lease_is_that_of_the_steps_pre_state() {
    let lease = |holder, last_block| {
        let op = AccountOp::SetLease { holder, last_block };
        with(account(&[1]), 0, &Consent::of(1).ops(&[op]))
    };
    // One that was set by an earlier call does not count yet.
    let mut scene = crediting(&[transfer(0, 1, ETH, 7)]);
    scene.fresh[1].header.lease = None;
    scene.calls.insert(0, lease(PROPOSER, CLOCK));
    assert_eq!(call_fault(&scene), (1, CallFault::NotAuthorised { position: 1 }));
    // One that an earlier call ended still does.
    let mut scene = crediting(&[transfer(0, 1, ETH, 7)]);
    scene.calls.insert(0, lease(Address::ZERO, 0));
    assert_eq!(scene.execute().unwrap().states[1].lease, None);
    // Its own consent makes it a signer as any other.
    let mut scene = crediting(&[transfer(0, 1, ETH, 7), transfer(1, 0, ETH, 3), transfer(0, 1, usd(), 1)]);
    scene.calls[0] = with(scene.calls[0].clone(), 1, &Consent::of(1).outflow(ETH, 3));
    scene.execute().unwrap();
}

#[test]
fn the_holder_credits_leaves_of_the_cohort_too() {
    let header = leased(owned(1, &[]), PROPOSER, CLOCK);
    let leaves = [(2, Some(owned(2, &[(ETH, 1)]))), (3, Some(owned(3, &[(ETH, 9)])))];
    let pay = AccountOp::Pay {
        to: anchor(1).leaf(2).unwrap(),
        asset: ETH,
        amount: 4,
    };
    let consent = Consent::at(3, 1, 3).outflow(ETH, 4).ops(&[pay]);
    let scene = Scene::new()
        .cohort(1, 2, header.clone(), &leaves)
        .call(with(account(&[1, 2]), 1, &consent));
    let mut payer = owned(3, &[(ETH, 5)]);
    payer.nonce = 1;
    let outcome = scene.execute().unwrap();
    assert_eq!(outcome.states, [header, owned(2, &[(ETH, 5)]), payer]);
    assert_eq!(scene.post().evaluate(), Ok(Verdict::Valid(outcome)));
}

#[test]
fn what_the_step_opened_is_under_no_lease_yet() {
    let effects = [crate::world::open(1, holder(2)), transfer(0, 1, ETH, 5)];
    let scene = Scene::new()
        .fresh(9, leased(ruled(&[(ETH, 50)]), PROPOSER, CLOCK))
        .opening(1)
        .call(puppet(&[0], &effects))
        .call(puppet(&[0, 1], &[transfer(0, 1, ETH, 5)]));
    assert_eq!(call_fault(&scene), (1, CallFault::NotAuthorised { position: 1 }));
}
