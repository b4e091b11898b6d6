//! Lies about what passkeys signed, and about who controls what.

use alloy::primitives::{B256, U256, keccak256};
use nthroot_model::signing;
use nthroot_protocol::{AccountOp, Assertion, Effect, P256Signature, Signature};

use crate::{
    Draft, Lie,
    honest::{Base, Cast, User},
    stage::{MALLORY, PUPPET},
};

/// Order of P-256.
const ORDER: U256 = U256::from_be_bytes(alloy::hex!(
    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"
));

const fn lie(name: &'static str, base: Base, reason: &'static str, tell: fn(&Cast, &mut Draft)) -> Lie {
    Lie {
        name,
        base,
        reason,
        tell,
    }
}

pub(crate) const LIES: &[Lie] = &[
    lie("forged P-256 signature", Base::P256, "Verification", |_, draft| {
        p256(draft).r.0[31] ^= 1;
    }),
    lie("forged passkey signature", Base::Passkey, "Verification", |_, draft| {
        p256(draft).s.0[31] ^= 1;
    }),
    lie("high s of P-256", Base::P256, "Verification", |_, draft| {
        raise(p256(draft));
    }),
    lie("high s of a passkey", Base::Passkey, "Verification", |_, draft| {
        raise(p256(draft));
    }),
    lie("key off the curve", Base::P256, "Signer {", |_, draft| {
        let signature = p256(draft);
        (signature.x, signature.y) = (signature.y, signature.x);
    }),
    lie("another's passkey", Base::Passkey, "Signer {", |cast, draft| {
        let message = draft.signed[0].1.signing_hash(&cast.stage.domain());
        let mallorys = p256::ecdsa::SigningKey::from_slice(&[0x3a; 32]).expect("below the order");
        let (_, assertion) = assertion(draft);
        draft.body.calls[0].authorisations[0].signature = signing::assert(&mallorys, message, assertion);
    }),
    lie(
        "account signs for a passkey",
        Base::Passkey,
        "Scheme {",
        |cast, draft| {
            draft.sign_as(0, User::Alice, &cast.stage.domain());
        },
    ),
    lie(
        "passkey signs for an account",
        Base::Payment,
        "Scheme {",
        |cast, draft| {
            draft.sign_as(0, User::Carol, &cast.stage.domain());
        },
    ),
    lie("user not present", Base::Passkey, "UserAbsent", |cast, draft| {
        assert_again(cast, draft, |assertion| {
            let mut data = assertion.authenticator_data.to_vec();
            data[Assertion::FLAGS] &= !1;
            assertion.authenticator_data = data.into();
        });
    }),
    lie(
        "authenticator data cut short",
        Base::Passkey,
        "UserAbsent",
        |cast, draft| {
            assert_again(cast, draft, |assertion| {
                assertion.authenticator_data = assertion.authenticator_data.slice(..36);
            });
        },
    ),
    lie("another challenge", Base::Passkey, "Verification", |_, draft| {
        let (_, assertion) = assertion(draft);
        let carols = p256::ecdsa::SigningKey::from_slice(&[0xca; 32]).expect("below the order");
        let other = signing::assert(&carols, keccak256("other"), assertion);
        draft.body.calls[0].authorisations[0].signature = other;
    }),
    lie("another client data", Base::Passkey, "Verification", |_, draft| {
        let Signature::WebAuthn(_, assertion) = &mut draft.body.calls[0].authorisations[0].signature else {
            unreachable!("Carol has a passkey")
        };
        assertion.client_data_rest = b"}".as_slice().into();
    }),
    lie(
        "assertion as a bare signature",
        Base::Passkey,
        "Verification",
        |_, draft| {
            let (signature, _) = assertion(draft);
            draft.body.calls[0].authorisations[0].signature = Signature::P256(signature);
        },
    ),
    lie("controller set to a rule", Base::Payment, "Key(Kind", |cast, draft| {
        let controller = cast.rule(PUPPET);
        operate(cast, draft, &[AccountOp::SetController { kind: 3, controller }]);
    }),
    lie(
        "controller set to nobody",
        Base::Payment,
        "ZeroController",
        |cast, draft| {
            let controller = Default::default();
            operate(cast, draft, &[AccountOp::SetController { kind: 2, controller }]);
        },
    ),
    lie(
        "rule sets a signer's controller",
        Base::Ruled,
        "KeysOwn {",
        |_, draft| {
            effects(draft, &[seize(0)]);
        },
    ),
    lie(
        "controller set without authority",
        Base::Ruled,
        "NoAuthority {",
        |_, draft| {
            effects(draft, &[seize(1)]);
        },
    ),
    lie("rule leases a signer's anchor", Base::Ruled, "KeysOwn {", |_, draft| {
        let lease = Effect::SetLease {
            fragment: 0,
            holder: MALLORY,
            last_block: draft.header.clock + 1,
        };
        effects(draft, &[lease]);
    }),
    lie(
        "data of the merely credited",
        Base::Ruled,
        "NoAuthority {",
        |_, draft| {
            let write = Effect::Write {
                fragment: 1,
                data: vec![1].into(),
            };
            effects(draft, &[write]);
        },
    ),
];

/// Hands a fragment to Mallory.
fn seize(fragment: u8) -> Effect {
    Effect::SetController {
        fragment,
        kind: 1,
        controller: MALLORY,
    }
}

/// The signature of the first authorisation.
fn p256(draft: &mut Draft) -> &mut P256Signature {
    match &mut draft.body.calls[0].authorisations[0].signature {
        Signature::P256(signature) | Signature::WebAuthn(signature, _) => signature,
        Signature::Secp256k1(_) => unreachable!("Carol has a passkey"),
    }
}

/// The same signature with the higher s, which verifies too.
fn raise(signature: &mut P256Signature) {
    signature.s = B256::from(ORDER - U256::from_be_bytes(signature.s.0));
}

fn assertion(draft: &Draft) -> (P256Signature, Assertion) {
    match &draft.body.calls[0].authorisations[0].signature {
        Signature::WebAuthn(signature, assertion) => (*signature, assertion.clone()),
        _ => unreachable!("Carol has a passkey"),
    }
}

/// Carol's authenticator says something else, and signs that.
fn assert_again(cast: &Cast, draft: &mut Draft, change: fn(&mut Assertion)) {
    let (_, mut assertion) = assertion(draft);
    change(&mut assertion);
    let digest = draft.signed[0].1.signing_hash(&cast.stage.domain());
    let carols = p256::ecdsa::SigningKey::from_slice(&[0xca; 32]).expect("below the order");
    draft.body.calls[0].authorisations[0].signature = signing::assert(&carols, digest, assertion);
}

/// Has the first signer sign other operations.
pub(crate) fn operate(cast: &Cast, draft: &mut Draft, ops: &[AccountOp]) {
    draft.sign_payload(cast, AccountOp::encode_payload(ops));
}

/// Has the rule return other effects.
pub(crate) fn effects(draft: &mut Draft, effects: &[Effect]) {
    draft.body.calls[0].extra = Effect::encode_list(effects).into();
}
