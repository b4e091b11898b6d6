//! Lies: an honest batch, and what is changed in it. The kinds are those that the tests of the contracts know, one of each class.

use alloy::primitives::Address;
use nthroot_protocol::{AccountOp, AssetId, RepeatedTouch, Root, Signature, Step, Withdrawal};

use crate::{
    liar::{Draft, fragment},
    world::ETHER,
};

/// What is lied about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// The liar pays itself and withdraws.
    Payment,
    /// A user pays the liar and withdraws to it.
    Theft,
    /// Two fragments of the liar exchange assets.
    Swap,
    /// A trade with a pool that nobody else uses.
    OwnPool,
    /// A trade with the pool that everybody uses.
    SharedPool,
    /// A payment by a rule of which nodes have no twin.
    Puppet,
    /// As a payment, of a fragment that is leased to somebody else.
    Leased,
}

use Base::{Leased, OwnPool, Payment, Puppet, SharedPool, Swap, Theft};

/// All that anybody could have posted.
const ALL: &[Base] = &[Payment, Theft, Swap, OwnPool, SharedPool, Puppet];

/// An honest batch with one thing changed.
pub(crate) struct Lie {
    pub(crate) name: &'static str,
    pub(crate) bases: &'static [Base],
    pub(crate) tell: fn(&mut Draft<'_>),
}

const fn lie(name: &'static str, bases: &'static [Base], tell: fn(&mut Draft<'_>)) -> Lie {
    Lie { name, bases, tell }
}

pub(crate) const LIES: &[Lie] = &[
    lie("wrong root", ALL, |draft| {
        draft.batch.steps[0].fresh[0].root = Root::of(b"wrong");
    }),
    lie("somebody is richer", &[Payment, Theft, Puppet], |draft| {
        // The last who signs is paid: by ever so much.
        let (message, _) = draft.signed.last().expect("two sign");
        let mut state = fragment(draft.ledger, message.fragment).expect("it is known").clone();
        state.nonce += 1;
        let richer = state.balance(AssetId::ETH) + 1_000_000 * ETHER;
        state.assets.insert(AssetId::ETH, richer);
        let place = draft.batch.steps[0].fresh.iter_mut();
        let place = { place }.find(|touch| touch.anchor == message.fragment.anchor());
        place.expect("it is touched").root = state.root();
    }),
    lie("withdrawal that nothing backs", ALL, |draft| {
        draft.batch.steps[0].withdrawals.push(Withdrawal {
            recipient: draft.liar.address,
            token: Address::ZERO,
            amount: 100 * ETHER,
        });
    }),
    lie("withdrawal of more", &[Payment, Theft], |draft| {
        draft.batch.steps[0].withdrawals[0].amount *= 50;
    }),
    lie("withdrawal to another", &[Payment, Theft], |draft| {
        draft.batch.steps[0].withdrawals[0].recipient = Address::repeat_byte(0x66);
    }),
    lie("withdrawal left out", &[Payment, Theft], |draft| {
        draft.batch.steps[0].withdrawals.clear();
    }),
    lie("signature of nobody", ALL, |draft| {
        let signature = &mut draft.body.calls[0].authorisations[0].signature;
        match signature {
            Signature::Secp256k1(signature) => signature.0[40] ^= 1,
            Signature::P256(signature) | Signature::WebAuthn(signature, _) => signature.s.0[20] ^= 1,
        }
    }),
    lie("signed by the liar instead", &[Theft], |draft| {
        draft.signed[0].1 = draft.signed[1].1.clone();
        draft.sign(0, |_| {});
    }),
    lie("used nonce", ALL, |draft| {
        draft.sign(0, |message| message.nonce = message.nonce.wrapping_sub(1));
    }),
    lie("nonce to come", ALL, |draft| {
        draft.sign(0, |message| message.nonce += 1);
    }),
    lie("for another chain", ALL, |draft| {
        let mut domain = draft.liar.domain;
        domain.chain_id += 1;
        draft.sign_for(0, &domain, |_| {});
    }),
    lie("for another rule", ALL, |draft| {
        draft.sign(0, |message| message.rule = Address::repeat_byte(5));
    }),
    lie("expired", ALL, |draft| {
        let clock = draft.batch.header.clock;
        draft.sign(0, |message| message.valid_until = clock - 1);
    }),
    lie("nobody has consented", ALL, |draft| {
        draft.body.calls[0].authorisations.pop();
    }),
    lie("more than was let go", &[Payment, Theft, Puppet, Swap], |draft| {
        draft.sign(0, |message| message.outflows[0].amount -= 1);
    }),
    lie("overdraft", &[Payment, Theft], |draft| {
        let authorisation = &mut draft.body.calls[0].authorisations[0];
        let mut ops = AccountOp::decode_payload(&authorisation.payload).expect("operations");
        for op in &mut ops {
            if let AccountOp::Pay { amount, .. } = op {
                *amount = 1 << 120;
            }
        }
        authorisation.payload = AccountOp::encode_payload(&ops).into();
        let meaning = nthroot_protocol::Meaning::opaque(&authorisation.payload);
        draft.sign(0, |message| {
            message.outflows[0].amount = u128::MAX;
            message.meaning = meaning;
        });
    }),
    lie(
        "other words than were signed",
        &[Payment, Theft, OwnPool, SharedPool, Swap],
        |draft| {
            let payload = &mut draft.body.calls[0].authorisations[0].payload;
            let mut bytes = payload.to_vec();
            *bytes.last_mut().expect("some") ^= 1;
            *payload = bytes.into();
        },
    ),
    lie("hardly any gas", ALL, |draft| draft.body.calls[0].gas = 500),
    lie("a unit of gas too little", ALL, |draft| {
        let least = draft.threshold();
        draft.body.calls[0].gas = least - 1;
    }),
    lie("less effects than there are", ALL, |draft| {
        draft.body.calls[0].max_effects = 20;
    }),
    lie("another fill", &[Swap], |draft| {
        let extra = &mut draft.body.calls[0].extra;
        let mut bytes = extra.to_vec();
        *bytes.last_mut().expect("some") ^= 1;
        *extra = bytes.into();
    }),
    lie("a rule takes from who has not signed", &[Puppet], |draft| {
        let effect = nthroot_protocol::Effect::Move {
            from: 1,
            to: 0,
            asset: AssetId::ETH,
            amount: ETHER,
        };
        let call = &mut draft.body.calls[0];
        call.authorisations.pop();
        call.extra = nthroot_protocol::Effect::encode_list(&[effect]).into();
    }),
    lie("a rule returns no effects", &[Puppet], |draft| {
        draft.body.calls[0].extra = vec![0xff; 40].into();
    }),
    lie("a rule that is not in the table", ALL, |draft| {
        draft.body.calls[0].rule = 9;
    }),
    lie("another fragment", ALL, |draft| draft.body.calls[0].fragments = vec![7]),
    lie("a fragment twice", ALL, |draft| {
        let twice = draft.body.calls[0].fragments[0];
        draft.body.calls[0].fragments.push(twice);
    }),
    lie("opened by nobody", ALL, |draft| {
        draft.batch.steps[0].opened.push(Root::of(b"nobody"));
    }),
    lie("leased to another", &[Leased], |_| {}),
    lie("the same once more", ALL, |draft| {
        let first = &draft.batch.steps[0];
        let roots = first
            .fresh
            .iter()
            .map(|touch| touch.root)
            .chain(first.opened.iter().copied());
        let again = (0..).zip(roots).map(|(entry, root)| RepeatedTouch { entry, root });
        let again = Step {
            again: again.collect(),
            withdrawals: first.withdrawals.clone(),
            body: draft.body.encode().into(),
            ..Step::default()
        };
        draft.batch.steps.push(again);
    }),
    lie("a ceiling below the proof", ALL, |draft| {
        draft.batch.header.ceiling = 100_000;
    }),
    lie("no body", ALL, |draft| draft.spoil = Vec::clear),
    lie("a body that ends too early", ALL, |draft| {
        draft.spoil = |bytes| bytes.truncate(bytes.len() - 1);
    }),
    lie("a body that goes on", ALL, |draft| draft.spoil = |bytes| bytes.push(0)),
];
