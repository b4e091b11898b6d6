//! Each condition on a call (section 6.1), by the honest call with one thing changed.

use alloy_primitives::Address;
use nthroot_model::{
    invalid::{CallFault, Invalid},
    kernel::Failure,
    rule::RuleFailure,
    signing::BadSignature,
};
use nthroot_protocol::{Effect, EffectError, Kind, Outflow, Signature};

use crate::{
    scene::Scene,
    world::{
        CLOCK, Consent, ETH, FAILING, PUPPET, TABLE, UNKNOWN, anchor, fragment, holder, new_anchor, open, owned,
        puppet, ruled, transfer, usd, with, write,
    },
};

fn consent() -> Consent {
    Consent::of(1).outflow(ETH, 10).outflow(usd(), 10)
}

/// Fragments 0 of key 1, 1 of the puppet, 2 opened by the second call, 3 of the puppet and opened by an earlier step.
///
/// The first call lists 0 and 1, the second 1 and 3.
fn honest() -> Scene {
    Scene::new()
        .fresh(1, owned(1, &[(ETH, 100)]))
        .fresh(9, ruled(&[(ETH, 100)]))
        .opening(1)
        .again(new_anchor(0), ruled(&[]))
        .call(with(puppet(&[0, 1], &[transfer(0, 1, ETH, 10)]), 0, &consent()))
        .call(puppet(&[1, 3], &[transfer(0, 1, ETH, 5), open(3, PUPPET)]))
}

#[test]
fn the_honest_step_is_valid() {
    honest().execute().unwrap();
}

fn check(call: usize, change: impl FnOnce(&mut Scene), fault: CallFault) {
    let mut scene = honest();
    change(&mut scene);
    assert_eq!(scene.execute(), Err(Failure::Invalid(Invalid::Call { call, fault })));
}

/// Changes what the first call's signer consents to. The signature is that of the changed consent.
fn signed(change: impl FnOnce(&mut Consent)) -> impl FnOnce(&mut Scene) {
    move |scene| {
        let mut consent = consent();
        change(&mut consent);
        scene.calls[0].authorisations = vec![consent.sign(PUPPET, 0)];
    }
}

/// The signature of the first call is by somebody, or nobody, who is not the controller.
#[track_caller]
fn check_signer(change: impl FnOnce(&mut Scene)) {
    let mut scene = honest();
    change(&mut scene);
    let controller = holder(1);
    match scene.execute() {
        Err(Failure::Invalid(Invalid::Call {
            call: 0,
            fault:
                CallFault::Signature {
                    position: 0,
                    reason:
                        BadSignature::Signer {
                            controller: expected,
                            signer,
                        },
                },
        })) => {
            assert_eq!(expected, controller);
            assert_ne!(signer, Some(controller));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_rule_index_is_within_the_table() {
    let fault = |index| CallFault::RuleIndex {
        index,
        rules: TABLE.len(),
    };
    check(0, |scene| scene.calls[0].rule = 4, fault(4));
    check(1, |scene| scene.calls[1].rule = 255, fault(255));
}

#[test]
fn listed_fragments_are_distinct_and_open() {
    let number = |number| CallFault::FragmentNumber { number, fragments: 4 };
    check(0, |scene| scene.calls[0].fragments = vec![0, 4], number(4));
    check(0, |scene| scene.calls[0].fragments = vec![255, 1], number(255));
    let twice = CallFault::FragmentTwice { number: 1 };
    check(1, |scene| scene.calls[1].fragments = vec![1, 3, 1], twice);
    let closed = CallFault::NotOpen { number: 2 };
    check(0, |scene| scene.calls[0].fragments = vec![0, 1, 2], closed.clone());
    // Not even the call that opens it can list it.
    check(1, |scene| scene.calls[1].fragments = vec![1, 3, 2], closed);
}

#[test]
fn positions_of_authorisations_are_listed_and_in_order() {
    let beyond = CallFault::Position { position: 2, listed: 2 };
    check(0, |scene| scene.calls[0].authorisations[0].position = 2, beyond);
    let change = |positions: [u8; 2]| {
        move |scene: &mut Scene| {
            scene.calls[0].authorisations = positions.map(|position| consent().sign(PUPPET, position)).to_vec();
        }
    };
    let order = |last, position| CallFault::PositionOrder { last, position };
    check(0, change([0, 0]), order(0, 0));
    check(0, change([1, 0]), order(1, 0));
}

#[test]
fn outflows_are_in_order() {
    let outflow = |asset| Outflow { asset, amount: 10 };
    let fault = |asset| CallFault::OutflowOrder { position: 0, asset };
    check(
        0,
        signed(|consent| consent.outflows = vec![outflow(usd()), outflow(ETH)]),
        fault(ETH),
    );
    check(
        0,
        signed(|consent| consent.outflows = vec![outflow(ETH), outflow(ETH)]),
        fault(ETH),
    );
}

#[test]
fn what_this_batch_opened_authorises_nothing() {
    let consent = Consent {
        anchor: new_anchor(5),
        ..Consent::of(2)
    };
    let change = |scene: &mut Scene| {
        *scene = scene.clone().again(new_anchor(5), owned(2, &[]));
        scene.calls[1] = with(puppet(&[1, 4], &[transfer(0, 1, ETH, 5)]), 1, &consent);
    };
    check(1, change, CallFault::NewSigner { position: 1 });
}

#[test]
fn only_a_key_authorises() {
    let change = |scene: &mut Scene| scene.calls[0].authorisations.push(consent().sign(PUPPET, 1));
    let reason = BadSignature::Scheme {
        kind: Kind::Rule,
        scheme: 1,
    };
    check(0, change, CallFault::Signature { position: 1, reason });
}

#[test]
fn an_authorisation_holds_until_the_block_it_names() {
    let fault = CallFault::Expired {
        position: 0,
        clock: CLOCK,
        valid_until: CLOCK - 1,
    };
    check(0, signed(|consent| consent.valid_until = CLOCK - 1), fault);
    for valid_until in [CLOCK, CLOCK + 1, u64::MAX] {
        let mut scene = honest();
        signed(|consent| consent.valid_until = valid_until)(&mut scene);
        scene.execute().unwrap();
    }
}

#[test]
fn a_signature_is_the_controllers_and_of_exactly_this() {
    check_signer(signed(|consent| consent.key = 2));
    check_signer(signed(|consent| consent.anchor = anchor(2)));
    check_signer(signed(|consent| consent.nonce = 1));
    check_signer(|scene| scene.calls[0].authorisations[0].payload = vec![0].into());
    check_signer(|scene| scene.calls[0].authorisations[0].valid_until += 1);
    check_signer(|scene| scene.calls[0].authorisations[0].outflows[0].amount += 1);
    check_signer(|scene| scene.calls[0].authorisations[0].outflows.truncate(1));
    check_signer(|scene| scene.calls[0].authorisations = vec![consent().sign(FAILING, 0)]);
    check_signer(|scene| scene.terms.chain_id += 1);
    check_signer(|scene| scene.env.bridge = Address::ZERO);
    check_signer(|scene| scene.fresh[0].header.nonce = 1);
    check_signer(|scene| scene.fresh[0].anchor = anchor(2));
    check_signer(|scene| scene.calls[0].authorisations[0].signature = Signature::Secp256k1(Default::default()));
}

#[test]
fn an_authorisation_is_used_once() {
    let again = |scene: &mut Scene| {
        let first = scene.calls[0].clone();
        scene.calls.push(first);
    };
    let mut scene = honest();
    again(&mut scene);
    assert!(matches!(
        scene.execute(),
        Err(Failure::Invalid(Invalid::Call {
            call: 2,
            fault: CallFault::Signature { position: 0, .. }
        }))
    ));
}

#[test]
fn the_zero_address_signs_nothing() {
    let fault = CallFault::Signature {
        position: 0,
        reason: BadSignature::Signer {
            controller: Address::ZERO,
            signer: None,
        },
    };
    let change = |scene: &mut Scene| {
        scene.fresh[0].header.controller = Address::ZERO;
        scene.calls[0].authorisations[0].signature = Signature::Secp256k1(Default::default());
    };
    check(0, change, fault);
}

#[test]
fn the_last_nonce_is_never_used() {
    let at = |nonce: u64| {
        move |scene: &mut Scene| {
            scene.fresh[0].header.nonce = nonce;
            signed(|consent| consent.nonce = nonce)(scene);
        }
    };
    check(0, at(u64::MAX), CallFault::NonceExhausted { position: 0 });
    let mut scene = honest();
    at(u64::MAX - 1)(&mut scene);
    assert_eq!(scene.execute().unwrap().states[0].nonce, u64::MAX);
}

#[test]
fn nobody_is_listed_without_consent() {
    let unsigned = CallFault::NotAuthorised { position: 0 };
    check(0, |scene| scene.calls[0].authorisations.clear(), unsigned);
    let other = Address::repeat_byte(0x33);
    let foreign = CallFault::OtherRule {
        position: 1,
        controller: other,
        rule: PUPPET,
    };
    check(
        0,
        |scene| scene.fresh[1].header = fragment(Kind::Rule, other, &[(ETH, 100)]),
        foreign,
    );
}

#[test]
fn what_was_opened_for_a_key_is_not_listed_in_the_same_step() {
    let change = |scene: &mut Scene| {
        scene.calls[1].extra = Effect::encode_list(&[transfer(0, 1, ETH, 5), open(1, holder(2))]).into();
        scene.calls.push(puppet(&[2, 1], &[transfer(1, 0, ETH, 5)]));
    };
    check(2, change, CallFault::NotAuthorised { position: 0 });
}

#[test]
fn a_rule_that_fails_makes_the_step_invalid() {
    let change = |scene: &mut Scene| {
        scene.calls[0].rule = 2;
        scene.calls[0].fragments = vec![0];
        scene.calls[0].authorisations = vec![consent().sign(FAILING, 0)];
    };
    check(0, change, CallFault::Rule(RuleFailure("always".to_owned())));
}

#[test]
fn effects_are_no_longer_than_committed() {
    // move: code, from, to, asset (32), amount (16).
    let length = 51;
    let fault = CallFault::EffectsLength {
        max: 50,
        actual: length,
    };
    check(0, |scene| scene.calls[0].max_effects = 50, fault);
    let mut scene = honest();
    scene.calls[0].max_effects = 51;
    scene.execute().unwrap();
}

#[test]
fn effects_are_whole_known_and_at_most_64() {
    let returned = |extra: Vec<u8>| move |scene: &mut Scene| scene.calls[1].extra = extra.into();
    for code in [0, 11, 255] {
        check(1, returned(vec![code]), CallFault::Effects(EffectError::Code(code)));
    }
    let mut cut = Effect::encode_list(&[transfer(0, 1, ETH, 5)]);
    cut.pop();
    let mut scene = honest();
    returned(cut)(&mut scene);
    assert!(matches!(
        scene.execute(),
        Err(Failure::Invalid(Invalid::Call {
            call: 1,
            fault: CallFault::Effects(EffectError::Truncated(_))
        }))
    ));

    let writes = |count: usize| {
        let mut effects = vec![transfer(0, 1, ETH, 5), open(3, PUPPET)];
        effects.resize(count, write(0, b""));
        returned(Effect::encode_list(&effects))
    };
    check(1, writes(65), CallFault::Effects(EffectError::TooMany));
    let mut scene = honest();
    writes(64)(&mut scene);
    scene.execute().unwrap();
}

#[test]
fn whoever_did_not_authorise_changes() {
    let effects = |effects: &[Effect]| {
        let extra = Effect::encode_list(effects);
        move |scene: &mut Scene| scene.calls[1].extra = extra.into()
    };
    let unchanged = |position| CallFault::Unchanged { position };
    check(1, effects(&[write(0, b"new"), open(3, PUPPET)]), unchanged(1));
    check(1, effects(&[write(1, b"new"), open(3, PUPPET)]), unchanged(0));
    // There and back again is no change.
    let back = [
        transfer(0, 1, ETH, 5),
        transfer(1, 0, ETH, 5),
        write(1, b"new"),
        open(3, PUPPET),
    ];
    check(1, effects(&back), unchanged(0));
}

#[test]
fn a_rule_without_a_twin_is_reported_only_if_all_before_it_is_valid() {
    let unknown = |scene: &mut Scene| {
        scene.fresh[1].header.controller = UNKNOWN;
        scene.calls[0].rule = 3;
        scene.calls[0].authorisations = vec![consent().sign(UNKNOWN, 0)];
    };
    let mut scene = honest();
    unknown(&mut scene);
    assert_eq!(scene.execute(), Err(Failure::UnknownRule(UNKNOWN)));
    // It alone knows what was signed for it.
    scene.calls[0].authorisations[0].signature = Signature::Secp256k1(Default::default());
    assert_eq!(scene.execute(), Err(Failure::UnknownRule(UNKNOWN)));
    // Its own authorisations come before it.
    let unsigned = |scene: &mut Scene| {
        unknown(scene);
        scene.calls[0].authorisations.clear();
    };
    check(0, unsigned, CallFault::NotAuthorised { position: 0 });
    // So do earlier calls.
    let failing = |scene: &mut Scene| {
        unknown(scene);
        let mut first = puppet(&[3], &[]);
        first.max_effects = 0;
        scene.calls.insert(0, first);
    };
    check(0, failing, CallFault::Unchanged { position: 0 });
}
