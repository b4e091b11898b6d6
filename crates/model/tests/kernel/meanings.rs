//! What rules say that payloads mean (sections 5.1 and 6.3): each sentence, by the honest call with one thing changed.

use alloy_primitives::{Address, B256, keccak256};
use nthroot_model::{
    invalid::{CallFault, EffectFault, Invalid},
    kernel::{Failure, Verdict},
    rule::{AuthorisationView, Context, FragmentView, RuleFailure},
    signing::BadSignature,
};
use nthroot_protocol::{Effect, EffectError, Meaning};

use crate::{
    scene::Scene,
    world::{
        CLOCK, Consent, DOMAIN, ETH, PUPPET, Returned, Scheme, anchor, call, holder, open, owned, passkey_owned,
        puppet, ruled, transfer, with, write,
    },
};

/// Some struct of a rule's.
pub(crate) fn sale(price: u8) -> Meaning {
    let type_string = "Sale(uint8 price)";
    let words = [keccak256(type_string), B256::with_last_byte(price)];
    Meaning::of(type_string, keccak256(words.concat()))
}

/// Key 1 pays 10 to a fragment of the puppet, and means a sale by it. Keys 2 and 3 consent.
fn consents() -> [Consent; 3] {
    let mut seller = Consent::of(1).outflow(ETH, 10).meaning(sale(10));
    seller.payload = vec![10];
    [seller, Consent::of(2), Consent::of(3).meaning(sale(3))]
}

fn scene(consents: &[Consent; 3], effects: &[Effect]) -> Scene {
    let [first, second, third] = consents;
    let call = with(with(puppet(&[0, 1, 2, 3], effects), 0, first), 1, second);
    Scene::new()
        .fresh(1, owned(1, &[(ETH, 100)]))
        .fresh(2, owned(2, &[]))
        .fresh(3, owned(3, &[]))
        .fresh(9, ruled(&[]))
        .call(with(call, 2, third))
}

/// The first and the third authorisation have a meaning; the second is signed as bytes.
fn effects() -> Vec<Effect> {
    vec![
        Effect::meaning(0, sale(10)),
        Effect::meaning(2, sale(3)),
        transfer(0, 3, ETH, 10),
    ]
}

#[track_caller]
fn check(scene: &Scene, fault: CallFault) {
    assert_eq!(scene.execute(), Err(Failure::Invalid(Invalid::Call { call: 0, fault })));
}

/// The signature at this position is not one of what it should be.
#[track_caller]
fn check_signer(scene: &Scene, position: u8) {
    let failure = scene.execute().unwrap_err();
    let Failure::Invalid(Invalid::Call { call: 0, fault }) = failure else {
        panic!("{failure:?}");
    };
    let CallFault::Signature {
        position: actual,
        reason,
    } = fault
    else {
        panic!("{fault:?}");
    };
    assert_eq!(actual, position);
    assert!(matches!(
        reason,
        BadSignature::Signer { .. } | BadSignature::Verification
    ));
}

#[test]
fn what_is_signed_is_what_the_rule_says_or_else_the_payload() {
    let scene = scene(&consents(), &effects());
    let outcome = scene.execute().unwrap();
    assert_eq!(outcome.states[3], ruled(&[(ETH, 10)]));
    assert_eq!(scene.post().evaluate(), Ok(Verdict::Valid(outcome)));
}

/// The kernel does not know what the words stand for: any two do.
#[test]
fn a_meaning_is_any_two_words() {
    for meaning in [
        Meaning::opaque(b"another payload"),
        Meaning {
            type_hash: B256::ZERO,
            struct_hash: B256::ZERO,
        },
        Meaning {
            type_hash: B256::repeat_byte(0xff),
            struct_hash: keccak256("anything"),
        },
    ] {
        let mut consents = consents();
        consents[0].meaning = Some(meaning);
        let mut effects = effects();
        effects[0] = Effect::meaning(0, meaning);
        scene(&consents, &effects).execute().unwrap();
    }
}

/// The default said aloud is the default.
#[test]
fn a_rule_may_say_that_a_payload_is_its_bytes() {
    let mut effects = effects();
    effects.insert(1, Effect::meaning(1, Meaning::opaque(&[])));
    scene(&consents(), &effects).execute().unwrap();
}

#[test]
fn each_scheme_signs_meanings() {
    for scheme in [Scheme::Secp256k1, Scheme::P256, Scheme::WebAuthn] {
        let own = match scheme {
            Scheme::Secp256k1 => owned(1, &[(ETH, 9)]),
            Scheme::P256 | Scheme::WebAuthn => passkey_owned(1, &[(ETH, 9)]),
        };
        let one = |said: Meaning| {
            let consent = Consent::of(1).by(scheme).outflow(ETH, 9).meaning(sale(1));
            let effects = [Effect::meaning(0, said), transfer(0, 1, ETH, 9)];
            let scene = Scene::new().fresh(1, own.clone()).fresh(9, ruled(&[]));
            scene.call(with(puppet(&[0, 1], &effects), 0, &consent))
        };
        assert_eq!(one(sale(1)).execute().unwrap().states[1], ruled(&[(ETH, 9)]));
        check_signer(&one(sale(2)), 0);
    }
}

#[test]
fn another_meaning_is_another_message() {
    let said = |meaning: Meaning| {
        let mut effects = effects();
        effects[0] = Effect::meaning(0, meaning);
        scene(&consents(), &effects)
    };
    said(sale(10)).execute().unwrap();
    check_signer(&said(sale(11)), 0);
    let Meaning { type_hash, struct_hash } = sale(10);
    check_signer(
        &said(Meaning {
            type_hash: struct_hash,
            struct_hash,
        }),
        0,
    );
    check_signer(
        &said(Meaning {
            type_hash,
            struct_hash: type_hash,
        }),
        0,
    );
    check_signer(&said(Meaning::opaque(&[10])), 0);
}

#[test]
fn what_is_signed_as_bytes_passes_for_no_meaning_nor_the_reverse() {
    // The rule is silent about what was signed as a struct.
    let mut silent = effects();
    silent.remove(0);
    check_signer(&scene(&consents(), &silent), 0);
    let mut silent = effects();
    silent.remove(1);
    check_signer(&scene(&consents(), &silent), 2);
    // And speaks of what was signed as bytes.
    let mut loud = effects();
    loud.insert(1, Effect::meaning(1, sale(2)));
    check_signer(&scene(&consents(), &loud), 1);
}

/// The payload is under the signature only as far as the rule says so: the rule alone knows how it follows from it.
#[test]
fn a_payload_with_a_meaning_is_bound_by_its_meaning_alone() {
    let mut scene = scene(&consents(), &effects());
    scene.calls[0].authorisations[0].payload = vec![99].into();
    scene.execute().unwrap();
    scene.calls[0].authorisations[1].payload = vec![99].into();
    check_signer(&scene, 1);
}

/// All else of the message is the kernel's, whatever the rule says.
#[test]
fn a_meaning_changes_nothing_else_of_what_is_signed() {
    let changes: [fn(&mut Scene); 8] = [
        |scene| scene.calls[0].authorisations[0].valid_until += 1,
        |scene| scene.calls[0].authorisations[0].outflows[0].amount += 1,
        |scene| scene.calls[0].authorisations[0].outflows.clear(),
        |scene| scene.fresh[0].header.nonce += 1,
        |scene| scene.fresh[0].header.controller = holder(7),
        |scene| scene.fresh[0].anchor = anchor(7),
        |scene| scene.terms.chain_id += 1,
        |scene| scene.env.bridge = Address::ZERO,
    ];
    for change in changes {
        let mut scene = scene(&consents(), &effects());
        change(&mut scene);
        check_signer(&scene, 0);
    }
}

#[test]
fn meanings_stand_before_all_other_effects() {
    let late = |effects: &[Effect], effect: usize, authorisation: u8| {
        let fault = EffectFault::MeaningTooLate { authorisation };
        check(&scene(&consents(), effects), CallFault::Effect { effect, fault });
    };
    let [first, third, pay] = effects().try_into().unwrap();
    // Whatever was signed is judged by the meanings in front: here those are all that there are to be.
    let again = [first.clone(), third.clone(), pay.clone(), third.clone()];
    late(&again, 3, 2);
    let again = [
        first.clone(),
        third.clone(),
        pay,
        Effect::meaning(1, Meaning::opaque(&[])),
    ];
    late(&again, 3, 1);
    late(&[first, third.clone(), write(3, b"x"), third], 3, 2);
}

/// One that stands behind does not count: the signature is judged without it.
#[test]
fn a_late_meaning_makes_no_signature_good() {
    let mut effects = effects();
    effects.rotate_left(1);
    check_signer(&scene(&consents(), &effects), 0);
    effects.rotate_left(1);
    check_signer(&scene(&consents(), &effects), 0);
}

#[test]
fn meanings_are_of_authorisations_in_order_once_each() {
    let refused = |authorisations: &[u8], effect: usize, fault: EffectFault| {
        let meanings = authorisations.iter().map(|n| Effect::meaning(*n, sale(*n)));
        let effects: Vec<Effect> = meanings.chain([transfer(0, 3, ETH, 10)]).collect();
        check(&scene(&consents(), &effects), CallFault::Effect { effect, fault });
    };
    let order = |last, authorisation| EffectFault::MeaningOrder { last, authorisation };
    refused(&[0, 0], 1, order(0, 0));
    refused(&[0, 2, 2], 2, order(2, 2));
    refused(&[2, 0], 1, order(2, 0));
    refused(&[0, 2, 1], 2, order(2, 1));
    let none = |authorisation| EffectFault::MeaningOfNone {
        authorisation,
        authorisations: 3,
    };
    // There are four fragments, and three authorisations.
    refused(&[3], 0, none(3));
    refused(&[0, 255], 1, none(255));
}

/// The number is that of the authorisation, not the position of its fragment.
#[test]
fn authorisations_are_numbered_by_themselves() {
    let consent = Consent::of(1).outflow(ETH, 10).meaning(sale(10));
    let one = |number: u8| {
        let effects = [Effect::meaning(number, sale(10)), transfer(1, 0, ETH, 10)];
        Scene::new()
            .fresh(9, ruled(&[]))
            .fresh(1, owned(1, &[(ETH, 10)]))
            .call(with(puppet(&[0, 1], &effects), 1, &consent))
    };
    one(0).execute().unwrap();
    let fault = EffectFault::MeaningOfNone {
        authorisation: 1,
        authorisations: 1,
    };
    check(&one(1), CallFault::Effect { effect: 0, fault });
    // Without authorisations there is nothing to mean.
    let effects = [Effect::meaning(0, sale(1)), write(0, b"x")];
    let nobody = Scene::new().fresh(9, ruled(&[])).call(puppet(&[0], &effects));
    let fault = EffectFault::MeaningOfNone {
        authorisation: 0,
        authorisations: 0,
    };
    check(&nobody, CallFault::Effect { effect: 0, fault });
}

#[test]
fn meanings_count_among_the_effects() {
    let with_writes = |writes: usize| {
        let mut effects = effects();
        effects.extend(vec![write(3, b"x"); writes]);
        let mut scene = scene(&consents(), &effects);
        scene.calls[0].max_effects = 8_192;
        scene
    };
    with_writes(61).execute().unwrap();
    check(&with_writes(62), CallFault::Effects(EffectError::TooMany));
    // code, authorisation, type hash (32), struct hash (32); cut short it is none.
    let bytes = Effect::encode_list(&effects()[..1]);
    assert_eq!(bytes.len(), 66);
    let mut scene = scene(&consents(), &effects());
    for length in 1..bytes.len() {
        scene.calls[0].extra = bytes[..length].to_vec().into();
        let failure = scene.execute().unwrap_err();
        let Failure::Invalid(Invalid::Call {
            fault: CallFault::Effects(EffectError::Truncated(_)),
            ..
        }) = failure
        else {
            panic!("{length} bytes: {failure:?}");
        };
    }
}

/// What comes before the rule comes before what it says: nonce, block, and what its code does.
#[test]
fn signatures_are_judged_after_the_rule_has_run() {
    let broken = |change: fn(&mut Scene)| {
        let mut consents = consents();
        consents[0].key = 5;
        let mut scene = scene(&consents, &effects());
        check_signer(&scene, 0);
        change(&mut scene);
        scene
    };
    let expired = CallFault::Expired {
        position: 0,
        clock: CLOCK,
        valid_until: CLOCK - 1,
    };
    check(
        &broken(|scene| scene.calls[0].authorisations[0].valid_until = CLOCK - 1),
        expired,
    );
    let exhausted = CallFault::NonceExhausted { position: 0 };
    check(&broken(|scene| scene.fresh[0].header.nonce = u64::MAX), exhausted);
    let failed = CallFault::Rule(RuleFailure("always".to_owned()));
    let fails = |scene: &mut Scene| {
        scene.calls[0].rule = 2;
        scene.calls[0].fragments.pop();
    };
    check(&broken(fails), failed);
    let code = |scene: &mut Scene| scene.calls[0].extra = vec![11].into();
    check(&broken(code), CallFault::Effects(EffectError::Code(11)));
}

#[test]
fn no_effect_is_applied_before_the_signatures_are_judged() {
    // The effect that cannot be applied is never reached.
    let mut effects = effects();
    effects[2] = transfer(0, 3, ETH, 1_000);
    let mut forged = consents();
    forged[0].key = 5;
    check_signer(&scene(&forged, &effects), 0);
}

/// A rule that speaks with another message's words gets no further than that message: its rule, fragment, nonce, block and
/// outflows are words of the kernel, in the same struct.
#[test]
fn an_evil_rule_turns_no_signature_for_another_call_into_one_for_its_own() {
    let evil = Address::repeat_byte(0xe7);
    // Key 1 has signed these away elsewhere: under another rule; for another fragment; at another nonce; for less; and
    // longer than it said.
    let honest = || Consent::of(1).outflow(ETH, 10).meaning(sale(10));
    let elsewhere: [(Consent, Address); 6] = [
        (honest(), PUPPET),
        (Consent::at(1, 5, 0).outflow(ETH, 10).meaning(sale(10)), evil),
        (honest().nonce(1), evil),
        (Consent::of(1).outflow(ETH, 9).meaning(sale(10)), evil),
        (Consent::of(1).meaning(sale(10)), evil),
        (
            Consent {
                valid_until: CLOCK + 1,
                ..honest()
            },
            evil,
        ),
    ];
    let steal = |signed: &Consent, rule: Address, said: Meaning| {
        let mut theft = call(4, &[0, 1], Vec::new());
        let mut authorisation = signed.sign(rule, 0);
        authorisation.valid_until = CLOCK;
        authorisation.outflows = honest().outflows;
        theft.authorisations.push(authorisation);
        theft.extra = Effect::encode_list(&[Effect::meaning(0, said), transfer(0, 1, ETH, 10)]).into();
        let mut scene = Scene::new()
            .fresh(1, owned(1, &[(ETH, 100)]))
            .fresh(2, owned(2, &[]))
            .call(theft);
        let receiver = Consent::of(2).sign(evil, 1);
        scene.calls[0].authorisations.push(receiver);
        let twin =
            |_: &Context, _: &[FragmentView], _: &[AuthorisationView], extra: &[u8]| -> Returned { Ok(extra.to_vec()) };
        scene.env.rules = scene.env.rules.with(evil, twin);
        scene.terms.rules.push(evil);
        scene
    };
    steal(&honest(), evil, sale(10)).execute().unwrap();
    for (signed, rule) in elsewhere {
        // Its words: those that were signed, the default's, and the struct hash of that whole message.
        let whole = message_of(&signed, rule);
        for said in [
            sale(10),
            Meaning::opaque(&[]),
            Meaning {
                type_hash: sale(10).type_hash,
                struct_hash: whole,
            },
            Meaning {
                type_hash: whole,
                struct_hash: sale(10).struct_hash,
            },
        ] {
            check_signer(&steal(&signed, rule, said), 0);
        }
    }
}

/// The signing hash of what is consented to.
fn message_of(signed: &Consent, rule: Address) -> B256 {
    signed.message(rule).signing_hash(&DOMAIN)
}

#[test]
fn an_opened_fragment_is_no_authorisation() {
    let mut effects = effects();
    effects.insert(2, open(3, PUPPET));
    let opening = scene(&consents(), &effects).opening(1);
    opening.execute().unwrap();
    effects.insert(2, Effect::meaning(3, sale(1)));
    let fault = EffectFault::MeaningOfNone {
        authorisation: 3,
        authorisations: 3,
    };
    check(
        &scene(&consents(), &effects).opening(1),
        CallFault::Effect { effect: 2, fault },
    );
}
