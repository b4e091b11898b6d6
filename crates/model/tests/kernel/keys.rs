//! P-256 keys and assertions (section 5.1), by the honest signature with one thing changed.

use alloy_primitives::{Address, B256, U256, hex, keccak256};
use nthroot_model::{
    invalid::{CallFault, Invalid},
    kernel::Failure,
    signing::{BadSignature, Signer, assert, check},
};
use nthroot_protocol::{AccountOp, Assertion, Key, Kind, P256Signature, Signature};
use sha2::{Digest, Sha256};

use crate::{
    scene::Scene,
    world::{
        Consent, ETH, PUPPET, Scheme, account, authenticator, key, open, owned, passkey, passkey_holder, passkey_owned,
        puppet, ruled, transfer, with, write,
    },
};

/// Order of P-256.
const ORDER: [u8; 32] = hex!("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
/// Its field's prime.
const PRIME: [u8; 32] = hex!("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");

const DIGEST: B256 = B256::repeat_byte(0x1d);

fn order() -> U256 {
    U256::from_be_bytes(ORDER)
}

fn number(word: B256) -> U256 {
    U256::from_be_bytes(word.0)
}

fn controller(x: B256, y: B256) -> Address {
    Address::from_slice(&keccak256([x, y].concat())[12..])
}

/// A good signature of key 1 over [`DIGEST`].
fn p256() -> P256Signature {
    match passkey(1).sign(DIGEST) {
        Signature::P256(signature) => signature,
        other => panic!("{other:?}"),
    }
}

/// Whether the signature is good for the key that it carries.
fn judge(digest: B256, signature: P256Signature) -> Result<(), BadSignature> {
    let controller = controller(signature.x, signature.y);
    check(digest, &Signature::P256(signature), Kind::P256, controller)
}

/// The example of RFC 6979, A.2.5, for SHA-256 and "sample". Its s is the higher one.
#[test]
fn a_signature_of_rfc_6979_is_good_with_the_lower_s() {
    let high = P256Signature {
        r: hex!("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716").into(),
        s: hex!("f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8").into(),
        x: hex!("60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6").into(),
        y: hex!("7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299").into(),
    };
    let digest = B256::from_slice(&Sha256::digest("sample"));
    let low = P256Signature {
        s: (order() - number(high.s)).into(),
        ..high
    };
    assert_eq!(judge(digest, low), Ok(()));
    assert_eq!(judge(digest, high), Err(BadSignature::Verification));
    assert_eq!(judge(DIGEST, low), Err(BadSignature::Verification));
}

#[test]
fn keys_sign_with_the_lower_s_for_their_controllers() {
    let half = order() >> 1;
    for n in 1..=20 {
        let key = passkey(n);
        let Signature::P256(signature) = key.sign(DIGEST) else {
            panic!("another scheme");
        };
        assert!(number(signature.s) <= half);
        assert_eq!(key.key(), Key::P256(controller(signature.x, signature.y)));
        assert_eq!(judge(DIGEST, signature), Ok(()));
        let high = P256Signature {
            s: (order() - number(signature.s)).into(),
            ..signature
        };
        assert_eq!(judge(DIGEST, high), Err(BadSignature::Verification));
    }
}

#[test]
fn r_and_s_are_between_zero_and_the_order_and_the_key_is_on_the_curve() {
    let good = p256();
    assert_eq!(judge(DIGEST, good), Ok(()));
    let mut bad = Vec::new();
    for value in [U256::ZERO, order(), number(good.r) + U256::ONE, U256::MAX] {
        bad.push(P256Signature {
            r: value.into(),
            ..good
        });
        bad.push(P256Signature {
            s: value.into(),
            ..good
        });
    }
    // Off the curve; the point at infinity, as zeros; and not below the field's prime.
    for (x, y) in [
        (good.x, (number(good.y) ^ U256::ONE).into()),
        ((number(good.x) ^ U256::ONE).into(), good.y),
        (B256::ZERO, B256::ZERO),
        (PRIME.into(), good.y),
        (good.x, B256::repeat_byte(0xff)),
    ] {
        bad.push(P256Signature { x, y, ..good });
    }
    // The other point with this x: on the curve, but another key.
    let y = (U256::from_be_bytes(PRIME) - number(good.y)).into();
    bad.push(P256Signature { y, ..good });
    for signature in bad {
        assert_eq!(
            judge(DIGEST, signature),
            Err(BadSignature::Verification),
            "{signature:?}"
        );
    }
}

#[test]
fn the_key_carried_is_the_controllers() {
    let signer = Some(passkey_holder(1));
    let controller = passkey_holder(2);
    assert_eq!(
        check(DIGEST, &Signature::P256(p256()), Kind::P256, controller),
        Err(BadSignature::Signer { controller, signer })
    );
}

#[test]
fn each_scheme_is_of_its_kind_of_controller() {
    let signatures = [
        key(1).sign(DIGEST),
        passkey(1).sign(DIGEST),
        authenticator(1).sign(DIGEST),
    ];
    let controllers = [
        (Kind::Secp256k1, key(1).key().controller()),
        (Kind::P256, passkey_holder(1)),
        (Kind::Rule, PUPPET),
    ];
    for (scheme, signature) in (1_u8..).zip(&signatures) {
        for (kind, controller) in controllers {
            let fits = matches!((kind, scheme), (Kind::Secp256k1, 1) | (Kind::P256, 2 | 3));
            let expected = if fits {
                Ok(())
            } else {
                Err(BadSignature::Scheme { kind, scheme })
            };
            assert_eq!(check(DIGEST, signature, kind, controller), expected);
        }
    }
}

/// Changes authenticator data or the rest of client data.
type Change = fn(&mut Vec<u8>, &mut Vec<u8>);

#[test]
fn an_assertion_is_over_the_digest_and_all_that_comes_with_it() {
    let controller = passkey_holder(1);
    let Signature::WebAuthn(signature, assertion) = authenticator(1).sign(DIGEST) else {
        panic!("another scheme");
    };
    let judge = |digest, signature, assertion| {
        check(
            digest,
            &Signature::WebAuthn(signature, assertion),
            Kind::P256,
            controller,
        )
    };
    assert_eq!(judge(DIGEST, signature, assertion.clone()), Ok(()));
    // What it signs, written once more.
    let client_data = format!(
        r#"{{"type":"webauthn.get","challenge":"{}","origin":"https://wallet.example","crossOrigin":false}}"#,
        "HR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0"
    );
    let mut data = Sha256::digest("wallet.example").to_vec();
    data.extend([5, 0, 0, 0, 0]);
    assert_eq!(assertion.authenticator_data, data);
    data.extend(Sha256::digest(client_data));
    let hash = B256::from_slice(&Sha256::digest(&data));
    assert_eq!(check(hash, &Signature::P256(signature), Kind::P256, controller), Ok(()));

    let failed = Err(BadSignature::Verification);
    assert_eq!(judge(hash, signature, assertion.clone()), failed);
    let change = |change: Change| {
        let mut data = assertion.authenticator_data.to_vec();
        let mut rest = assertion.client_data_rest.to_vec();
        change(&mut data, &mut rest);
        Assertion {
            authenticator_data: data.into(),
            client_data_rest: rest.into(),
        }
    };
    let changes: [Change; 5] = [
        |data, _| data[0] ^= 1,
        |data, _| data[32] ^= 4,
        |data, _| data.push(0),
        |_, rest| rest[3] ^= 1,
        |_, rest| rest.clear(),
    ];
    for changed in changes.map(change) {
        assert_eq!(judge(DIGEST, signature, changed), failed);
    }
    // The plain scheme does not pass for it, nor it for the plain one.
    assert_eq!(judge(DIGEST, p256(), assertion.clone()), failed);
    let plain = Signature::P256(signature);
    assert_eq!(check(DIGEST, &plain, Kind::P256, controller), failed);
}

/// Not even a key that signs it makes it good.
#[test]
fn an_assertion_says_that_a_user_was_present() {
    let sign = |data: Vec<u8>, rest: &[u8]| {
        let assertion = Assertion {
            authenticator_data: data.into(),
            client_data_rest: rest.to_vec().into(),
        };
        let signature = assert(&passkey(1), DIGEST, assertion);
        check(DIGEST, &signature, Kind::P256, passkey_holder(1))
    };
    let data = |flags: u8, length: usize| {
        let mut data = vec![7; length];
        data[32] = flags;
        data
    };
    // Any site, verified or not, with extensions or not.
    assert_eq!(sign(data(1, 37), b"}"), Ok(()));
    assert_eq!(sign(data(0xff, 255), b""), Ok(()));
    for absent in [data(0, 37), data(0xfe, 37), data(1, 36), Vec::new()] {
        assert_eq!(sign(absent, b"}"), Err(BadSignature::UserAbsent));
    }
}

/// Fragment 0 of passkey 1 pays into one of the puppet's.
fn spend(scheme: Scheme) -> Scene {
    let consent = Consent::of(1).by(scheme).outflow(ETH, 30);
    Scene::new()
        .fresh(1, passkey_owned(1, &[(ETH, 100)]))
        .fresh(9, ruled(&[]))
        .call(with(puppet(&[0, 1], &[transfer(0, 1, ETH, 30)]), 0, &consent))
}

#[test]
fn a_passkey_spends_as_any_key_does() {
    for scheme in [Scheme::P256, Scheme::WebAuthn] {
        let scene = spend(scheme);
        let mut after = passkey_owned(1, &[(ETH, 70)]);
        after.nonce = 1;
        let outcome = scene.execute().unwrap();
        assert_eq!(outcome.states, [after, ruled(&[(ETH, 30)])]);
        assert_eq!(
            scene.post().evaluate(),
            Ok(nthroot_model::kernel::Verdict::Valid(outcome))
        );
    }
}

#[test]
fn a_passkey_consents_to_exactly_this() {
    for scheme in [Scheme::P256, Scheme::WebAuthn] {
        let changes: [fn(&mut Scene); 6] = [
            |scene| scene.calls[0].authorisations[0].valid_until += 1,
            |scene| scene.calls[0].authorisations[0].payload = vec![0].into(),
            |scene| scene.calls[0].authorisations[0].outflows[0].amount += 1,
            |scene| scene.fresh[0].header.nonce = 1,
            |scene| scene.terms.chain_id += 1,
            |scene| scene.env.bridge = Address::ZERO,
        ];
        for change in changes {
            let mut scene = spend(scheme);
            change(&mut scene);
            let fault = CallFault::Signature {
                position: 0,
                reason: BadSignature::Verification,
            };
            assert_eq!(scene.execute(), Err(Failure::Invalid(Invalid::Call { call: 0, fault })));
        }
    }
}

#[test]
fn a_key_opens_for_a_passkey_and_hands_over_to_one() {
    let ops = [
        AccountOp::Open {
            depth: 0,
            kind: 2,
            controller: passkey_holder(2),
            assets: vec![(ETH, 10)],
        },
        AccountOp::SetController {
            kind: 2,
            controller: passkey_holder(3),
        },
    ];
    let consent = Consent::of(1).outflow(ETH, 10).ops(&ops);
    // From the next call on the new key signs, and the nonce goes on.
    let next = Consent {
        key: 3,
        ..Consent::of(1).by(Scheme::WebAuthn).nonce(1)
    };
    let scene = Scene::new()
        .fresh(1, owned(1, &[(ETH, 100)]))
        .opening(1)
        .call(with(account(&[0]), 0, &consent))
        .call(with(account(&[0]), 0, &next));
    let mut after = passkey_owned(3, &[(ETH, 90)]);
    after.nonce = 2;
    assert_eq!(scene.execute().unwrap().states, [after, passkey_owned(2, &[(ETH, 10)])]);

    let mut stale = scene;
    stale.calls[1] = with(account(&[0]), 0, &Consent::of(1).nonce(1));
    let reason = BadSignature::Scheme {
        kind: Kind::P256,
        scheme: 1,
    };
    let fault = CallFault::Signature { position: 0, reason };
    assert_eq!(stale.execute(), Err(Failure::Invalid(Invalid::Call { call: 1, fault })));
}

#[test]
fn a_rule_opens_for_a_passkey() {
    let scene = Scene::new().fresh(9, ruled(&[(ETH, 10)])).opening(1).call(puppet(
        &[0],
        &[write(0, b"x"), open(2, passkey_holder(1)), transfer(0, 1, ETH, 4)],
    ));
    assert_eq!(scene.execute().unwrap().states[1], passkey_owned(1, &[(ETH, 4)]));
}
