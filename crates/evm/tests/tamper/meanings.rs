//! Lies about what payloads mean.

use nthroot_protocol::{AccountOp, Effect, Meaning};

use crate::{
    Draft, Lie,
    honest::{Base, Cast, User, sale},
    keys::effects,
    stage::ETHER,
};

const fn lie(name: &'static str, base: Base, reason: &'static str, tell: fn(&Cast, &mut Draft)) -> Lie {
    Lie {
        name,
        base,
        reason,
        tell,
    }
}

pub(crate) const LIES: &[Lie] = &[
    lie("another meaning", Base::Meant, "Signer {", |_, draft| {
        effects(draft, &[Effect::meaning(0, sale(3)), carols(), pay()]);
    }),
    lie(
        "another meaning of a passkey's",
        Base::Meant,
        "Verification",
        |_, draft| {
            effects(draft, &[alices(), Effect::meaning(1, sale(3)), pay()]);
        },
    ),
    lie("struct of another type", Base::Meant, "Signer {", |_, draft| {
        let Meaning { struct_hash, .. } = sale(1);
        let type_hash = Meaning::opaque(&[]).type_hash;
        let meaning = Meaning { type_hash, struct_hash };
        effects(draft, &[Effect::meaning(0, meaning), carols(), pay()]);
    }),
    lie("meaning withheld", Base::Meant, "Signer {", |_, draft| {
        effects(draft, &[carols(), pay()]);
    }),
    lie("passkey's meaning withheld", Base::Meant, "Verification", |_, draft| {
        effects(draft, &[alices(), pay()]);
    }),
    lie("meanings exchanged", Base::Meant, "Signer {", |_, draft| {
        effects(
            draft,
            &[Effect::meaning(0, sale(2)), Effect::meaning(1, sale(1)), pay()],
        );
    }),
    lie("payload's bytes signed", Base::Meant, "Signer {", |cast, draft| {
        draft.sign_payload(cast, vec![1]);
    }),
    lie(
        "meaning of what was signed as bytes",
        Base::Ruled,
        "Signer {",
        |_, draft| {
            effects(draft, &[alices(), credit()]);
        },
    ),
    lie("payment said to be a sale", Base::Ruled, "Signer {", |cast, draft| {
        // What Alice signed at this nonce is a payment by the Account rule; the rule repeats its words.
        let payload = AccountOp::encode_payload(&cast.payment(2 * ETHER));
        let meaning = Meaning::opaque(&payload);
        let account = cast.rule(0);
        draft.sign_other(cast, 0, |message| {
            message.rule = account;
            message.meaning = meaning;
        });
        effects(draft, &[Effect::meaning(0, meaning), credit()]);
    }),
    lie(
        "meaning behind another effect",
        Base::Meant,
        "MeaningTooLate {",
        |_, draft| {
            effects(draft, &[alices(), carols(), pay(), carols()]);
        },
    ),
    lie("meaning too late to count", Base::Meant, "Verification", |_, draft| {
        effects(draft, &[alices(), pay(), carols()]);
    }),
    lie("meaning twice", Base::Meant, "MeaningOrder {", |_, draft| {
        effects(draft, &[alices(), carols(), carols(), pay()]);
    }),
    lie("meanings out of order", Base::Meant, "MeaningOrder {", |_, draft| {
        effects(draft, &[carols(), alices(), pay()]);
    }),
    lie(
        "meaning of who has not signed",
        Base::Meant,
        "MeaningOfNone {",
        |_, draft| {
            effects(draft, &[alices(), carols(), Effect::meaning(2, sale(3)), pay()]);
        },
    ),
    lie("meaning cut off", Base::Meant, "Effects(Truncated", |_, draft| {
        let call = &mut draft.body.calls[0];
        call.extra.truncate(66 + 65);
    }),
    lie(
        "forged signature of a meaning",
        Base::Meant,
        "Signer {",
        |cast, draft| {
            draft.sign_as(0, User::Bob, &cast.stage.domain());
        },
    ),
];

fn alices() -> Effect {
    Effect::meaning(0, sale(1))
}

fn carols() -> Effect {
    Effect::meaning(1, sale(2))
}

/// What the rule does in [`Base::Meant`].
fn pay() -> Effect {
    Cast::payment_by_rule(2)
}

/// And in [`Base::Ruled`].
fn credit() -> Effect {
    Cast::payment_by_rule(1)
}
