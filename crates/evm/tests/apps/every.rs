//! Lies that can be told about any step of one call.

use alloy::primitives::Address;
use nthroot_protocol::{
    AssetId, Meaning, Outflow, SignedMessage,
    rules::{credit::CreditOp, pool::PoolOp, swap::SwapIntent},
};

use crate::{
    Lie,
    bases::Base,
    draft::{Draft, Who},
    lie,
};

pub(crate) const LIES: &[Lie] = &[
    lie("user a unit richer", "Root {", |_, _, draft| {
        let user = draft.signed[0][0].0;
        draft.gain(Who::User(user), AssetId::ETH, 1);
    }),
    lie("user a unit poorer", "Root {", |_, _, draft| {
        let user = draft.signed[0][0].0;
        draft.lose(Who::User(user), AssetId::ETH, 1);
    }),
    lie("the other side a unit richer", "Root {", |_, base, draft| {
        let asset = held(base, draft);
        draft.gain(base.shared(), asset, 1);
    }),
    lie(POORER, "Root {", |_, base, draft| {
        let asset = held(base, draft);
        draft.lose(base.shared(), asset, 1);
    }),
    lie("other data", "Root {", |_, base, draft| {
        draft.edit(base.shared(), |fragment| {
            let mut data = fragment.data.to_vec();
            match data.last_mut() {
                Some(last) => *last ^= 1,
                None => data.push(1),
            }
            fragment.data = data.into();
        });
    }),
    lie("nonce not counted", "Root {", |_, _, draft| {
        let user = draft.signed[0][0].0;
        draft.edit(Who::User(user), |fragment| fragment.nonce -= 1);
    }),
    lie("one has not signed", "NotAuthorised {", |_, _, draft| {
        draft.body.calls[0].authorisations.pop();
    }),
    lie("somebody else has signed", "Signer {", |world, _, draft| {
        draft.sign_as(world, (0, last(draft)), 8);
    }),
    lie("too late", "Expired {", |world, _, draft| {
        let clock = world.clock();
        draft.sign_other(world, (0, last(draft)), |message| message.valid_until = clock - 1);
    }),
    lie("later than signed", "Signer {", |_, _, draft| {
        let place = last(draft);
        draft.body.calls[0].authorisations[place].valid_until += 1;
    }),
    lie("a nonce that was used", "Signer {", |world, _, draft| {
        draft.sign_other(world, (0, last(draft)), |message| message.nonce -= 1);
    }),
    lie("a nonce to come", "Signer {", |world, _, draft| {
        draft.sign_other(world, (0, last(draft)), |message| message.nonce += 1);
    }),
    lie("for another rule", "Signer {", |world, _, draft| {
        let account = world.book.account;
        draft.sign_other(world, (0, last(draft)), |message| message.rule = account);
    }),
    lie(OUTFLOW, "Outflow {", |world, _, draft| {
        // The last who pays something, and what it pays.
        let paid = |(place, (user, message)): (usize, &(usize, SignedMessage))| {
            let (before, after) = (world.home(*user), draft.state(Who::User(*user)));
            let of = |asset| before.balance(asset).saturating_sub(after.balance(asset));
            let paid = message.outflows.iter().map(|outflow| of(outflow.asset));
            let first = paid.enumerate().find(|(_, paid)| *paid > 0);
            first.map(|(number, paid)| (place, number, paid))
        };
        let paid = draft.signed[0].iter().enumerate().rev().find_map(paid);
        let (place, number, paid) = paid.expect("somebody pays");
        draft.sign_other(world, (0, place), |message| message.outflows[number].amount = paid - 1);
    }),
    lie("more let go than signed", "Signer {", |_, _, draft| {
        let place = last(draft);
        let asset = AssetId::token(Address::repeat_byte(1));
        let outflow = Outflow { asset, amount: 1 };
        draft.body.calls[0].authorisations[place].outflows = vec![outflow];
    }),
    lie("easier terms than signed", "Signer {", |_, _, draft| {
        let call = &mut draft.body.calls[0];
        let payload = &mut call.authorisations[0].payload;
        *payload = easier(call.rule, payload).into();
    }),
    lie("payload goes on", "Rule(", |_, _, draft| {
        let authorisation = &mut draft.body.calls[0].authorisations[0];
        authorisation.payload = [authorisation.payload.as_ref(), &[0]].concat().into();
    }),
    lie(
        "the payload's bytes are signed, not its meaning",
        "Signer {",
        |world, _, draft| {
            let place = last(draft);
            let meaning = Meaning::opaque(&draft.body.calls[0].authorisations[place].payload);
            draft.sign_other(world, (0, place), |message| message.meaning = meaning);
        },
    ),
    lie("extra goes on", "Rule(", |_, _, draft| {
        let call = &mut draft.body.calls[0];
        call.extra = [call.extra.as_ref(), &[0]].concat().into();
    }),
    lie("effects longer than committed", "EffectsLength {", |_, _, draft| {
        draft.body.calls[0].max_effects = 66;
    }),
];

const POORER: &str = "the other side a unit poorer";
const OUTFLOW: &str = "a unit less let go than it takes";

/// Whether a lie can be told about this step.
pub(crate) fn concerns(name: &str, base: Base) -> bool {
    let creates = matches!(base, Base::PoolCreate | Base::Create | Base::CreateClub);
    match name {
        POORER => !creates && base != Base::Close,
        OUTFLOW => !creates && base != Base::CallWeak,
        // Nothing in it could be easier.
        "easier terms than signed" => base != Base::Close,
        _ => true,
    }
}

/// Number of the last who signs.
fn last(draft: &Draft) -> usize {
    draft.signed[0].len() - 1
}

/// Something that the other side holds.
fn held(base: Base, draft: &Draft) -> AssetId {
    let held = draft.state(base.shared()).assets.keys().last().copied();
    held.unwrap_or(AssetId::ETH)
}

/// A payload that asks for a little less, or lets a little more be taken. The step would do with it.
fn easier(rule: u8, payload: &[u8]) -> Vec<u8> {
    match rule {
        1 => {
            let mut intent = SwapIntent::decode(payload).expect("an intent");
            intent.gets[0].start -= 1;
            intent.gets[0].end = intent.gets[0].end.min(intent.gets[0].start);
            intent.encode()
        }
        2 => {
            let mut op = PoolOp::decode(payload).expect("an operation");
            match &mut op {
                PoolOp::Create(pair) => pair.fee += 1,
                PoolOp::Add { shares_at_least, .. } => *shares_at_least -= 1,
                PoolOp::Remove { at_least, .. } => at_least[0] -= 1,
                PoolOp::Sell { at_least, .. } => *at_least -= 1,
                PoolOp::Buy { at_most, .. } => *at_most += 1,
            }
            op.encode()
        }
        _ => {
            let mut op = CreditOp::decode(payload).expect("an operation");
            match &mut op {
                CreditOp::Create(terms) => terms.ratio -= 1,
                CreditOp::Lend { shares_at_least, .. } => *shares_at_least -= 1,
                CreditOp::Redeem { at_least, .. } | CreditOp::Bid { at_least, .. } => *at_least -= 1,
                CreditOp::Borrow { amount, .. } => *amount -= 1,
                CreditOp::Repay { at_most, .. } => *at_most += 1,
                CreditOp::Call { fee_at_most, .. } => *fee_at_most += 1,
                CreditOp::Add { amount, .. } => *amount += 1,
                CreditOp::Close { .. } => {}
            }
            op.encode()
        }
    }
}
