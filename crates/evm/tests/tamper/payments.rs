//! Lies about a payment.

use alloy::primitives::{Address, B256, Bytes};
use nthroot_model::signing::authorise;
use nthroot_protocol::{
    AccountOp, Authorisation, Body, Call, Effect, Fragment, Meaning, Signature, SignedMessage, Withdrawal,
};

use crate::{
    Draft, Lie,
    honest::{Base, Cast, User, other_domain},
    stage::{ETHER, LOOPER, MALLORY, PUPPET, RAW, REVERTER},
    wrong_root,
};

const fn lie(name: &'static str, reason: &'static str, tell: fn(&Cast, &mut Draft)) -> Lie {
    Lie {
        name,
        base: Base::Payment,
        reason,
        tell,
    }
}

pub(crate) const LIES: &[Lie] = &[
    lie("wrong root", "Root {", |_, draft| {
        draft.step.fresh[0].root = wrong_root();
    }),
    lie("credits itself", "Root {", |cast, draft| {
        let mut bob = Fragment::deposited(User::Bob.key(), Address::ZERO, 900 * ETHER);
        bob.nonce = cast.stage.fragment(cast.bob, 0).nonce + 1;
        draft.step.fresh[1].root = bob.root();
    }),
    lie("overdraft", "Balance {", |cast, draft| {
        draft.signed[0].1.outflows[0].amount = u128::MAX;
        draft.sign_payload(cast, AccountOp::encode_payload(&cast.payment(200 * ETHER)));
    }),
    lie("outflow above what was signed", "Outflow {", |cast, draft| {
        draft.sign_other(cast, 0, |message| message.outflows[0].amount = ETHER);
    }),
    lie("signature of nobody", "Signer {", |_, draft| {
        let Signature::Secp256k1(signature) = &mut draft.body.calls[0].authorisations[0].signature else {
            unreachable!("Alice has an account")
        };
        signature[40] ^= 1;
    }),
    lie("signed by another", "Signer {", |cast, draft| {
        draft.sign_as(0, User::Bob, &cast.stage.domain());
    }),
    lie("replayed nonce", "Signer {", |cast, draft| {
        draft.sign_other(cast, 0, |message| message.nonce -= 1);
    }),
    lie("other chain", "Signer {", |cast, draft| {
        draft.sign_as(0, User::Alice, &other_domain(cast, |domain| domain.chain_id += 1));
    }),
    lie("other bridge", "Signer {", |cast, draft| {
        draft.sign_as(0, User::Alice, &other_domain(cast, |domain| domain.bridge = MALLORY));
    }),
    lie("other rule", "Signer {", |cast, draft| {
        draft.sign_other(cast, 0, |message| message.rule = cast.rule(PUPPET));
    }),
    lie("expired at the clock", "Expired {", |cast, draft| {
        let clock = draft.header.clock;
        draft.sign_other(cast, 0, |message| message.valid_until = clock - 1);
    }),
    lie("touch without consent", "NotAuthorised {", |_, draft| {
        draft.body.calls[0].authorisations.pop();
    }),
    lie("foreign fragment debited", "NotAuthorised {", |cast, draft| {
        let effect = Effect::Move {
            from: 1,
            to: 0,
            asset: nthroot_protocol::AssetId::ETH,
            amount: ETHER,
        };
        draft.body.calls[0] = puppet_call(cast, draft, &[effect]);
    }),
    lie("junk minted to a stranger", "NotAuthorised {", |cast, draft| {
        let effect = Effect::Mint {
            to: 1,
            tag: B256::ZERO,
            amount: 1,
        };
        draft.body.calls[0] = puppet_call(cast, draft, &[effect]);
    }),
    lie("same fragment twice", "FragmentTwice {", |_, draft| {
        draft.body.calls[0].fragments = vec![0, 1, 1];
    }),
    lie("fragment that is not there", "FragmentNumber {", |_, draft| {
        draft.body.calls[0].fragments = vec![0, 1, 2];
    }),
    lie("consents out of order", "PositionOrder {", |_, draft| {
        draft.body.calls[0].authorisations.reverse();
    }),
    lie("consent of nobody listed", "Position {", |_, draft| {
        draft.body.calls[0].authorisations[1].position = 2;
    }),
    lie("empty body", "Body(Truncated", |_, draft| draft.bytes = Vec::clear),
    lie("truncated body", "Body(Truncated", |_, draft| {
        draft.bytes = |bytes| bytes.truncate(bytes.len() - 1);
    }),
    lie("trailing byte", "Body(Trailing", |_, draft| {
        draft.bytes = |bytes| bytes.push(0);
    }),
    lie("unknown form", "Body(Form", |_, draft| {
        draft.bytes = |bytes| bytes[0] = 2;
    }),
    lie("unknown scheme", "Body(Scheme", |_, draft| {
        // Behind Bob's consent stands the length of extra alone.
        draft.bytes = |bytes| {
            let scheme = bytes.len() - 2 - 65;
            bytes[scheme] = 4;
        };
    }),
    lie("no call", "Body(Calls", |_, draft| draft.body.calls.clear()),
    lie("rule not in the table", "RuleIndex {", |_, draft| {
        draft.body.calls[0].rule = 9;
    }),
    lie("rule reverts", "Rule(", |cast, draft| {
        draft.body.calls[0] = rule_call(cast, draft, REVERTER, Bytes::new());
    }),
    lie("rule loops", "Rule(", |cast, draft| {
        draft.body.calls[0] = rule_call(cast, draft, LOOPER, Bytes::new());
    }),
    // As return data, neither is the encoding of a byte string.
    lie("rule returns garbage", "Rule(", |cast, draft| {
        draft.body.calls[0] = rule_call(cast, draft, RAW, vec![7; 64].into());
    }),
    lie("rule returns too much", "Rule(", |cast, draft| {
        draft.body.calls[0] = rule_call(cast, draft, RAW, vec![0; 12_000].into());
    }),
    lie("effects longer than committed", "EffectsLength {", |_, draft| {
        draft.body.calls[0].max_effects = 50;
    }),
    lie("withdrawal not backed", "Withdrawals {", |_, draft| {
        draft.step.withdrawals.push(Withdrawal {
            recipient: MALLORY,
            token: Address::ZERO,
            amount: ETHER,
        });
    }),
    lie("withdrawal to another", "Withdrawals {", |_, draft| {
        draft.step.withdrawals[0].recipient = MALLORY;
    }),
    lie("withdrawal dropped", "Withdrawals {", |_, draft| {
        draft.step.withdrawals.clear();
    }),
    lie("anchor opened by nobody", "Unopened {", |_, draft| {
        draft.step.opened.push(wrong_root());
    }),
    lie("fragment of nobody's call", "Unlisted {", |cast, draft| {
        // A call that Bob's fragment has no part in.
        let Call { authorisations, .. } = rule_call(cast, draft, 0, Bytes::new());
        draft.body = Body::from(vec![Call {
            fragments: vec![0],
            authorisations: vec![authorisations[0].clone()],
            ..draft.body.calls[0].clone()
        }]);
    }),
    lie("above its ceiling", "ProofGas {", |_, draft| {
        draft.header.ceiling = 100_000;
    }),
];

/// A call of a rule on both fragments, which both sign.
fn rule_call(cast: &Cast, draft: &Draft, rule: u8, extra: Bytes) -> Call {
    let consent = |(place, (user, message)): (usize, &(User, SignedMessage))| -> Authorisation {
        let mut message = message.clone();
        message.rule = cast.rule(rule);
        message.meaning = Meaning::opaque(&[]);
        message.outflows.clear();
        let position = u8::try_from(place).expect("two");
        let domain = cast.stage.domain();
        authorise(user.signer().as_ref(), &domain, &message, Bytes::new(), position)
    };
    Call {
        rule,
        gas: 100_000,
        max_effects: 100,
        fragments: vec![0, 1],
        authorisations: draft.signed.iter().enumerate().map(consent).collect(),
        extra,
    }
}

/// A call of the puppet on both fragments which only Alice signs.
fn puppet_call(cast: &Cast, draft: &Draft, effects: &[Effect]) -> Call {
    let mut call = rule_call(cast, draft, PUPPET, Effect::encode_list(effects).into());
    call.authorisations.pop();
    call
}
