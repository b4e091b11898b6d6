//! Batches of those who know no states, who lie, and who cannot write: an honest one with one thing changed.

use alloy::primitives::{Address, B256};
use nthroot_fuzz::steps::Choices;
use nthroot_protocol::{Batch, BatchHeader, Body, FreshTouch, RepeatedTouch, Root, Signature, Step, Withdrawal};

use crate::{
    users,
    world::{SLOTS, World},
};

/// A batch of somebody who knows no states: a step on the present heads of some anchors, without a body. It is a lie, or, on top
/// of another lie, nothing that anybody could judge.
pub(crate) fn blind(world: &World, proposer: Address, spread: bool, choices: &mut Choices<'_>) -> Option<Batch> {
    let clock = world.ledger.block() - 1;
    let is_known = |known: bool| {
        let anchors = world.ledger.anchors();
        let anchors = anchors.filter(move |(.., state)| state.known().is_some() == known);
        anchors.map(|(anchor, head, _)| (anchor, head.id)).collect::<Vec<_>>()
    };
    let [known, unknown] = [true, false].map(is_known);
    let count = if spread { 1 } else { 1 + choices.below(3) };
    let mut fresh = Vec::new();
    for _ in 0..count {
        // Cones grow where lies are; spread ones fill the set of faults.
        let on_lies = !spread && !unknown.is_empty() && !choices.once_in(3);
        let from = if on_lies || known.is_empty() { &unknown } else { &known };
        let (anchor, parent) = choices.pick(from);
        let root = Root::of(&[choices.byte()]);
        if fresh.iter().all(|touch: &FreshTouch| touch.anchor != anchor) {
            fresh.push(FreshTouch { anchor, root, parent });
        }
    }
    let opened = vec![Root::of(b"opened"); choices.below(2)];
    let mut batch = Batch {
        header: BatchHeader {
            version: 1,
            data_availability: 0,
            chain_id: world.ledger.params().chain_id,
            clock,
            clock_hash: world.hashes[&clock],
            ceiling: 1_000_000,
            slot: world.ledger.free_slot(proposer).filter(|slot| *slot < SLOTS)?,
            step_count: 0,
            entry_count: 0,
            rules: Vec::new(),
        },
        steps: vec![Step {
            fresh,
            opened,
            ..Step::default()
        }],
    };
    batch.seal();
    Some(batch)
}

/// Changes one thing that makes a step a lie, mostly. (Some changes are refused, some make no difference.)
pub(crate) fn corrupt(batch: &mut Batch, c: &mut Choices<'_>) {
    let index = c.below(batch.steps.len());
    let again = batch.steps[index].clone();
    let step = &mut batch.steps[index];
    let wrong = Root::of(&[c.byte()]);
    let invented = Withdrawal {
        recipient: users::account(0),
        token: Address::ZERO,
        amount: 1,
    };
    match c.below(14) {
        0 | 1 if !step.fresh.is_empty() => step.fresh[0].root = wrong,
        2 if !step.opened.is_empty() => step.opened[0] = wrong,
        3 if !step.again.is_empty() => step.again[0].root = wrong,
        4 if !step.withdrawals.is_empty() => step.withdrawals[0].amount += 1,
        5 => step.withdrawals.clear(),
        6 => step.withdrawals.push(invented),
        7 => step.body.truncate(c.below(256)),
        8 => batch.header.ceiling = c.pick(&[0, batch.header.ceiling - 1]),
        9 => {
            let mut body = step.body.to_vec();
            let place = (c.below(256) * 256 + c.below(256)) % body.len().max(1);
            if let Some(byte) = body.get_mut(place) {
                *byte ^= c.byte().max(1);
            }
            step.body = body.into();
            if starves(step) {
                *step = again;
            }
        }
        10 => {
            let Ok(mut body) = Body::of(step) else { return };
            let signed = body.calls.iter_mut().flat_map(|call| call.authorisations.iter_mut());
            match signed.last().map(|authorisation| &mut authorisation.signature) {
                Some(Signature::Secp256k1(signature)) => signature[40] ^= 1,
                Some(Signature::P256(signature)) => signature.s.0[8] ^= 1,
                Some(Signature::WebAuthn(signature, assertion)) => match c.below(3) {
                    0 => signature.r.0[8] ^= 1,
                    // Nobody was there.
                    1 => {
                        let mut data = assertion.authenticator_data.to_vec();
                        data[32] &= 0xfe;
                        assertion.authenticator_data = data.into();
                    }
                    _ => assertion.client_data_rest = vec![b'}'].into(),
                },
                None => {}
            }
            step.body = body.encode().into();
        }
        11 => relocate(step, c),
        // A transfer that is carried out twice.
        _ => {
            batch.steps.push(again);
            batch.seal();
        }
    }
}

/// Whether a call may run out of its gas, which the model knows nothing of.
fn starves(step: &Step) -> bool {
    let calls = Body::of(step).map_or(Vec::new(), |body| body.calls);
    calls.iter().any(|call| call.gas < 100_000)
}

/// Changes the leaf table of a step: another leaf, one that no cohort has, one too few.
fn relocate(step: &mut Step, c: &mut Choices<'_>) {
    let Ok(mut body) = Body::of(step) else { return };
    let Some(table) = &mut body.leaves else { return };
    let Some(leaves) = table.0.iter_mut().find(|leaves| !leaves.is_empty()) else {
        return;
    };
    match (c.below(4), leaves.last_mut()) {
        (0, Some(last)) => *last += 1,
        (1, Some(last)) => *last = (1 << 24) - 1,
        (2, _) => leaves.insert(0, 0),
        _ => drop(leaves.pop()),
    }
    step.body = body.encode().into();
}

/// The batch's bytes with a shape that is wrong, or a header that does not fit the chain.
pub(crate) fn malform(batch: &mut Batch, c: &mut Choices<'_>) -> Vec<u8> {
    let header = &mut batch.header;
    let index = c.below(batch.steps.len());
    match c.below(18) {
        0 => header.version = c.pick(&[0, 2]),
        1 => header.data_availability = 1,
        2 => header.chain_id += 1,
        3 => header.clock += 1 + c.below(3) as u64,
        4 => header.clock = header.clock.saturating_sub(1 + c.below(64) as u64),
        5 => header.clock_hash = B256::repeat_byte(c.byte()),
        6 => header.ceiling = 10_000_001,
        7 => header.step_count = c.pick(&[0, header.step_count + 1, header.step_count - 1]),
        8 => header.entry_count = c.pick(&[0, header.entry_count + 1, header.entry_count.max(1) - 1, 513]),
        9 => header.rules.push(Address::repeat_byte(c.byte())),
        10 => {
            let mut bytes = batch.encode();
            bytes.truncate(c.below(256) * bytes.len() / 256);
            return bytes;
        }
        11 => {
            let mut bytes = batch.encode();
            bytes.push(c.byte());
            return bytes;
        }
        12 => {
            let entry = u16::from(c.byte()) % 4;
            let root = Root::of(b"again");
            batch.steps[index].again.push(RepeatedTouch { entry, root });
        }
        13 => batch.steps[index].body = vec![0; 16_385].into(),
        14 => {
            batch.steps[index].fresh.clear();
            batch.steps[index].opened.clear();
            batch.steps[index].again.clear();
            batch.seal();
        }
        15 => header.rules = vec![header.rules.first().copied().unwrap_or_default(); 33],
        16 => {
            let fresh = batch.steps[index].fresh.clone();
            batch.steps[index].fresh.extend(fresh);
            batch.seal();
        }
        _ => {
            let mut bytes = batch.encode();
            let place = (c.below(256) * 256 + c.below(256)) % bytes.len();
            bytes[place] ^= c.byte().max(1);
            let starves = Batch::parse(&bytes).is_ok_and(|batch| batch.steps.iter().any(starves));
            return if starves { batch.encode() } else { bytes };
        }
    }
    batch.encode()
}
