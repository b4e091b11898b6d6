//! Lies: changes to a step, or to what stood before it, that mostly make it invalid.

use alloy::primitives::{Address, B256, Bytes, keccak256};
use nthroot_protocol::{AnchorProof, AssetId, Body, Fragment, LeafTable, Lease, Outflow, Root, Step, Withdrawal};

use super::{choices::Choices, scene::TOKEN};

/// Changes one byte.
pub(crate) fn flip(c: &mut Choices<'_>, bytes: &mut [u8]) {
    if !bytes.is_empty() {
        let place = (c.below(256) * 256 + c.below(256)) % bytes.len();
        bytes[place] ^= c.byte().max(1);
    }
}

/// Changes one thing that the step says of its outcome.
pub(crate) fn outcome(c: &mut Choices<'_>, step: &mut Step) {
    let wrong = Root::of(b"wrong");
    match c.below(5) {
        0 if !step.fresh.is_empty() => step.fresh[0].root = wrong,
        1 if !step.opened.is_empty() => step.opened[0] = wrong,
        2 if !step.again.is_empty() => step.again[0].root = wrong,
        3 if !step.withdrawals.is_empty() => {
            step.withdrawals.pop();
        }
        _ => step.withdrawals.push(Withdrawal {
            recipient: Address::repeat_byte(1),
            token: TOKEN,
            amount: 1,
        }),
    }
}

/// Gives the body a number that is out of its bounds.
pub(crate) fn bounds(c: &mut Choices<'_>, body: &mut Body) {
    let touches = body.leaves.as_ref().map_or(1, |table| table.0.len());
    let Some(call) = body.calls.last_mut() else { return };
    match c.below(9) {
        0 => body.calls.clear(),
        1 => body.calls = vec![call.clone(); 17],
        2 => call.fragments.clear(),
        3 => call.fragments = vec![0; 17],
        4 if !call.authorisations.is_empty() => {
            let first = call.authorisations[0].clone();
            call.authorisations = vec![first; call.fragments.len() + 1];
        }
        5 if !call.authorisations.is_empty() => {
            let outflow = Outflow {
                asset: AssetId::ETH,
                amount: 1,
            };
            call.authorisations[0].outflows = vec![outflow; 33];
        }
        6 => call.max_effects = 8_193,
        7 => body.leaves = Some(LeafTable(vec![c.pick(&[vec![1, 1], vec![2, 1], vec![0]]); touches])),
        _ => body.leaves = Some(LeafTable(vec![(1..18).collect(); touches])),
    }
}

/// Makes the body other bytes.
pub(crate) fn bytes(c: &mut Choices<'_>, body: &Body, bytes: &mut Vec<u8>) {
    match c.below(6) {
        0 => {
            let length = c.below(256);
            *bytes = c.bytes(length);
        }
        1 => bytes.truncate(bytes.len() * c.below(64) / 64),
        2 => bytes.push(c.byte()),
        // The form.
        3 => bytes[0] = 2 + c.byte() % 254,
        4 => {
            // The scheme of the last signature.
            let call = body.calls.last();
            let last = call.and_then(|call| Some((call.authorisations.last()?, call.extra.len())));
            if let Some((last, extra)) = last {
                let length = match &last.signature {
                    nthroot_protocol::Signature::Secp256k1(_) => 64,
                    nthroot_protocol::Signature::P256(_) => 128,
                    nthroot_protocol::Signature::WebAuthn(_, assertion) => {
                        131 + assertion.authenticator_data.len() + assertion.client_data_rest.len()
                    }
                };
                let place = bytes.len().checked_sub(length + 1 + 2 + extra);
                if let Some(scheme) = place.and_then(|place| bytes.get_mut(place)) {
                    *scheme = c.pick(&[0, 1, 2, 3, 4, 255]);
                }
            }
        }
        _ => flip(c, bytes),
    }
}

/// Makes one pre-state something else, mostly not a state.
pub(crate) fn pre_state(c: &mut Choices<'_>, proofs: &mut [AnchorProof]) {
    if proofs.is_empty() {
        return;
    }
    let place = c.below(proofs.len());
    let proof = &mut proofs[place];
    let leaf = c.below(proof.states.len());
    let bytes = &mut proof.states[leaf];
    let Ok(mut state) = Fragment::decode(bytes) else {
        // Not there: let there be something.
        *bytes = c.pick(&[
            vec![0],
            vec![2],
            Fragment::new(nthroot_protocol::Kind::Rule, TOKEN).encode(),
        ]);
        return;
    };
    match c.below(11) {
        0 => bytes.clear(),
        1 => bytes[0] = c.pick(&[1, 2, 255]),
        2 => bytes[1] = c.pick(&[0, 4, 0x80, 0x84, 0x7f]),
        3 => {
            state.lease = Some(c.pick(&[
                Lease {
                    holder: Address::ZERO,
                    last_block: 7,
                },
                Lease {
                    holder: TOKEN,
                    last_block: 0,
                },
            ]));
            *bytes = state.encode();
        }
        4 => {
            state.assets.extend((0_u8..33).map(|n| (AssetId(keccak256([n])), 1)));
            *bytes = state.encode();
        }
        5 if state.assets.len() > 1 => {
            let first = if state.lease.is_some() { 59 } else { 31 };
            let (left, right) = bytes[first..first + 96].split_at_mut(48);
            left.swap_with_slice(right);
        }
        5 | 6 => {
            state.assets.insert(AssetId(B256::repeat_byte(9)), 0);
            *bytes = state.encode();
        }
        7 => {
            state.data = Bytes::from(vec![1; 2_049]);
            *bytes = state.encode();
        }
        8 => bytes.push(0),
        9 => bytes.truncate(bytes.len() * (1 + c.below(63)) / 64),
        _ => flip(c, bytes),
    }
}
