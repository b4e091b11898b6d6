//! Each condition on a whole step (points 1, 2, 5, 6 and 7 of section 6), by the honest step with one thing changed.

use nthroot_model::{
    invalid::{CallFault, Invalid},
    kernel::{Failure, Undecided, Verdict},
};
use nthroot_protocol::{
    AccountOp, AnchorProof, BodyError, Evidence, FragmentError, PlacedStep, Root, Trailing, Withdrawal,
    proof_gas::PROOF_GAS,
};

use crate::{
    scene::{Posted, Scene},
    world::{Consent, ETH, PUPPET, UNKNOWN, account, holder, open, owned, puppet, ruled, transfer, with, write},
};

/// Touches of each kind, and two withdrawals.
fn scene() -> Scene {
    let withdraw = |amount| AccountOp::Withdraw {
        recipient: holder(7),
        token: alloy_primitives::Address::ZERO,
        amount,
    };
    let consent = Consent::of(1).outflow(ETH, 3).ops(&[withdraw(1), withdraw(2)]);
    Scene::new()
        .fresh(1, owned(1, &[(ETH, 100)]))
        .fresh(9, ruled(&[(ETH, 50)]))
        .opening(1)
        .again(crate::world::new_anchor(4), ruled(&[]))
        .call(with(account(&[0]), 0, &consent))
        .call(puppet(&[1, 3], &[open(3, PUPPET), transfer(0, 1, ETH, 5)]))
}

#[track_caller]
fn check(change: impl FnOnce(&mut Posted), expected: impl FnOnce(&Posted) -> Invalid) {
    let mut posted = scene().post();
    change(&mut posted);
    assert_eq!(posted.evaluate(), Ok(Verdict::Invalid(expected(&posted))));
}

#[test]
fn the_honest_step_is_valid() {
    let outcome = scene().execute().unwrap();
    assert_eq!(scene().post().evaluate(), Ok(Verdict::Valid(outcome)));
}

#[test]
fn a_body_is_well_formed() {
    let append = |posted: &mut Posted| {
        let mut body = posted.placed.step.body.to_vec();
        body.push(0);
        posted.placed.step.body = body.into();
    };
    check(append, |_| Invalid::Body(BodyError::Trailing(Trailing(1))));
    let form = |posted: &mut Posted| {
        let mut body = posted.placed.step.body.to_vec();
        body[0] = 2;
        posted.placed.step.body = body.into();
    };
    check(form, |_| Invalid::Body(BodyError::Form(2)));
}

/// Section 7.1, in one formula.
fn proof_gas(posted: &Posted, scene: &Scene) -> u64 {
    let evidence = Evidence {
        preimage: posted.preimage.clone(),
        placed: posted.placed.clone(),
        // Step 9 of 20 has 7 siblings in its run of 8, and 2 above: the runs are of 8, 8 and 4.
        siblings: vec![alloy_primitives::B256::ZERO; 9],
        proofs: posted.proofs.clone(),
    };
    let length = |length: usize| u64::try_from(length).unwrap();
    let (e, p) = (
        length(evidence.encode().len()),
        length(posted.proofs.iter().flat_map(|proof| &proof.states).map(Vec::len).sum()),
    );
    let s = length(posted.placed.step.encode().len()) + p;
    let f = length(posted.placed.step.touches() + scene.body().further_leaves());
    let n = length(posted.proofs.iter().map(|proof| proof.siblings.len()).sum())
        + 24 * length(posted.placed.step.opened.len());
    let mut evaluation = 30_000 + 40 * s + 6_000 * f + 600 * n;
    let mut effects = 0;
    for call in &scene.calls {
        let signed: usize = call.authorisations.iter().map(|a| a.outflows.len()).sum();
        effects += u64::from(call.max_effects);
        evaluation += 15_000
            + u64::from(call.gas)
            + 6_000 * length(call.fragments.len())
            + 12_000 * length(call.authorisations.len());
        evaluation += 1_000 * length(signed) + 40 * (p + effects) + 300 * u64::from(call.max_effects);
    }
    200_000 + (64 * e).max((16 + PROOF_GAS.open_byte) * e + evaluation)
}

#[test]
fn proof_gas_is_at_most_the_ceiling() {
    let needed = proof_gas(&scene().post(), &scene());
    let ceiling = u32::try_from(needed).unwrap();
    let mut posted = scene().post();
    posted.preimage.header.ceiling = ceiling;
    assert!(matches!(posted.evaluate(), Ok(Verdict::Valid(_))));
    check(
        |posted| posted.preimage.header.ceiling = ceiling - 1,
        |_| Invalid::ProofGas {
            ceiling: ceiling - 1,
            needed,
        },
    );
}

/// What the rules of a step may take is paid for by its bytes, unless it is alone in its batch.
#[test]
fn rules_take_no_more_gas_than_the_bytes_of_their_step_allow() {
    let with_gas = |gas: u64| {
        let mut scene = scene();
        let rest = gas - u64::from(scene.calls[0].gas);
        scene.calls[1].gas = u32::try_from(rest).unwrap();
        scene.post()
    };
    let most = 600 * u64::try_from(scene().post().placed.step.encode().len()).unwrap();
    assert!(matches!(with_gas(most).evaluate(), Ok(Verdict::Valid(_))));
    let committed = most + 1;
    let mut posted = with_gas(committed);
    assert_eq!(
        posted.evaluate(),
        Ok(Verdict::Invalid(Invalid::RuleGas { committed, most }))
    );
    (posted.preimage.header.step_count, posted.placed.index) = (2, 1);
    assert!(matches!(
        posted.evaluate(),
        Ok(Verdict::Invalid(Invalid::RuleGas { .. }))
    ));
    (posted.preimage.header.step_count, posted.placed.index) = (1, 0);
    assert!(matches!(posted.evaluate(), Ok(Verdict::Valid(_))));
}

#[test]
fn every_pre_state_is_a_state() {
    // Between the fresh touches and the repeated one stands an opened one, which has no pre-state.
    for (place, fragment) in [(0, 0), (1, 1), (2, 3)] {
        let change = |posted: &mut Posted| posted.proofs[place].states[0].push(0);
        let error = FragmentError::Trailing(Trailing(1));
        check(change, |_| Invalid::PreState { fragment, error });
    }
    let change = |posted: &mut Posted| posted.proofs[1].states[0][1] = 4;
    let error = FragmentError::Kind(4);
    check(change, |_| Invalid::PreState { fragment: 1, error });
}

#[test]
fn an_invalid_call_makes_the_step_invalid() {
    let change = |posted: &mut Posted| posted.preimage.header.rules.clear();
    check(change, |_| Invalid::Call {
        call: 1,
        fault: CallFault::RuleIndex { index: 1, rules: 0 },
    });
}

#[test]
fn every_fragment_has_its_part() {
    let invalid = |scene: Scene| match scene.execute() {
        Err(Failure::Invalid(invalid)) => invalid,
        other => panic!("{other:?}"),
    };
    let unlisted = scene().again(crate::world::new_anchor(8), ruled(&[]));
    assert_eq!(invalid(unlisted), Invalid::Unlisted { fragment: 4 });
    let mut unopened = scene();
    unopened.calls[1] = puppet(&[1, 3], &[transfer(0, 1, ETH, 5)]);
    assert_eq!(invalid(unopened), Invalid::Unopened { fragment: 2 });
}

#[test]
fn each_root_is_that_of_the_state_left() {
    let states = scene().execute().unwrap().states;
    let root = |step: &mut nthroot_protocol::Step, fragment: usize, root: Root| match fragment {
        0 | 1 => step.fresh[fragment].root = root,
        2 => step.opened[0] = root,
        _ => step.again[0].root = root,
    };
    for (fragment, state) in states.iter().enumerate() {
        let mut stated = state.root();
        stated.0[26] ^= 1;
        check(
            |posted| root(&mut posted.placed.step, fragment, stated),
            |_| Invalid::Root {
                touch: fragment,
                stated,
                actual: state.root(),
            },
        );
    }
}

#[test]
fn withdrawals_are_those_produced_in_order() {
    let actual = scene().execute().unwrap().withdrawals;
    let changes: [fn(&mut Vec<Withdrawal>); 6] = [
        |stated| stated.truncate(1),
        |stated| stated.push(stated[0]),
        |stated| stated.reverse(),
        |stated| stated[0].amount += 1,
        |stated| stated[1].token = holder(1),
        |stated| stated[1].recipient = holder(1),
    ];
    for change in changes {
        check(
            |posted| change(&mut posted.placed.step.withdrawals),
            |posted| Invalid::Withdrawals {
                stated: posted.placed.step.withdrawals.clone(),
                actual: actual.clone(),
            },
        );
    }
}

/// A fragment is new by its anchor's id alone, wherever its touch stands.
#[test]
fn a_fragment_is_new_if_its_anchor_carries_the_batchs_id() {
    check(
        |posted| posted.preimage.id = crate::world::anchor(1).batch(),
        |_| Invalid::Call {
            call: 0,
            fault: CallFault::NewSigner { position: 0 },
        },
    );
}

#[test]
fn a_rule_without_a_twin_leaves_the_step_undecided_unless_it_is_invalid_before() {
    let mut posted = scene().post();
    posted.preimage.header.rules[0] = UNKNOWN;
    posted.proofs[1] = AnchorProof::single(crate::world::fragment(nthroot_protocol::Kind::Rule, UNKNOWN, &[]).encode());
    posted.proofs[2] = posted.proofs[1].clone();
    assert_eq!(posted.evaluate(), Err(Undecided::UnknownRule(UNKNOWN)));
    posted.proofs[0].states[0] = vec![0];
    assert!(matches!(
        posted.evaluate(),
        Ok(Verdict::Invalid(Invalid::PreState { fragment: 0, .. }))
    ));
}

#[test]
fn arguments_that_are_not_of_one_step_say_nothing_about_it() {
    let check = |change: fn(&mut PlacedStep, &mut Vec<AnchorProof>), undecided: Undecided| {
        let mut posted = scene().post();
        change(&mut posted.placed, &mut posted.proofs);
        assert_eq!(posted.evaluate(), Err(undecided));
    };
    let count = |expected, actual| Undecided::Count { expected, actual };
    check(
        |placed, _| placed.index = 20,
        Undecided::StepIndex { index: 20, count: 20 },
    );
    check(|placed, _| placed.opened.clear(), count(1, 0));
    check(|placed, _| placed.again.clear(), count(1, 0));
    check(|_, proofs| drop(proofs.pop()), count(3, 2));
    check(|_, proofs| proofs.push(AnchorProof::single(Vec::new())), count(3, 4));
    check(|_, proofs| proofs[1].states.clear(), count(1, 0));
    check(|_, proofs| proofs[1].states.push(Vec::new()), count(1, 2));
    check(|_, proofs| proofs[1].siblings.push(Default::default()), count(0, 1));
    check(|_, proofs| proofs[1].depth = 1, count(1, 0));
    check(|_, proofs| proofs[1].depth = 25, Undecided::Depth(25));
}

#[test]
fn a_step_without_calls_is_no_step() {
    let mut scene = scene();
    scene.calls.clear();
    assert_eq!(
        scene.execute(),
        Err(Failure::Invalid(Invalid::Unlisted { fragment: 0 }))
    );
    let change = |posted: &mut Posted| posted.placed.step.body = vec![0, 0].into();
    check(change, |_| Invalid::Body(BodyError::Calls(0)));
}

#[test]
fn what_another_call_writes_is_part_of_the_root() {
    let mut scene = scene();
    let root = |scene: &Scene| scene.post().placed.step.fresh[1].root;
    let before = root(&scene);
    scene.calls.push(puppet(&[1], &[write(0, b"more")]));
    assert_ne!(root(&scene), before);
}
