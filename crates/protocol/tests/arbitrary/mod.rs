//! Generators of well-formed wire values.

use alloy_primitives::{Address, B256, Bytes, FixedBytes};
use nthroot_protocol::{
    AccountOp, AnchorId, Assertion, AssetId, Authorisation, Batch, BatchHeader, BatchId, Body, Call, Effect, Fragment,
    FragmentId, FreshTouch, Head, Kind, LeafTable, Lease, Outflow, P256Signature, PreEntry, Preimage, RepeatedTouch,
    Root, Signature, Step, Withdrawal,
};
use proptest::{
    collection::{btree_map, btree_set, vec},
    prelude::*,
    test_runner::RngSeed,
};

/// Seeded, so that every failure can be repeated. `PROPTEST_CASES` sets the length of a long run.
pub(crate) fn config() -> ProptestConfig {
    ProptestConfig {
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

pub(crate) fn address() -> impl Strategy<Value = Address> {
    any::<[u8; 20]>().prop_map(Address::from)
}

pub(crate) fn b256() -> impl Strategy<Value = B256> {
    any::<[u8; 32]>().prop_map(B256::from)
}

pub(crate) fn bytes(max: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..=max).prop_map(Bytes::from)
}

pub(crate) fn root() -> impl Strategy<Value = Root> {
    any::<[u8; 27]>().prop_map(|bytes| Root(bytes.into()))
}

pub(crate) fn batch_id() -> impl Strategy<Value = BatchId> {
    any::<[u8; 5]>().prop_map(BatchId::from_bytes)
}

pub(crate) fn anchor_id() -> impl Strategy<Value = AnchorId> {
    any::<[u8; 7]>().prop_map(AnchorId::from_bytes)
}

pub(crate) fn fragment_id() -> impl Strategy<Value = FragmentId> {
    any::<[u8; 10]>().prop_map(FragmentId::from_bytes)
}

pub(crate) fn asset() -> impl Strategy<Value = AssetId> {
    b256().prop_map(AssetId)
}

pub(crate) fn fragment() -> impl Strategy<Value = Fragment> {
    let kind = prop::sample::select(vec![Kind::Secp256k1, Kind::P256, Kind::Rule]);
    let lease = (any::<[u8; 19]>(), 1..=u64::MAX).prop_map(|(bytes, last_block)| Lease {
        holder: Address::from_slice(&[&[1], bytes.as_slice()].concat()),
        last_block,
    });
    (
        kind,
        address(),
        any::<u64>(),
        prop::option::of(lease),
        btree_map(asset(), 1..=u128::MAX, 0..=32),
        bytes(2_048),
    )
        .prop_map(|(kind, controller, nonce, lease, assets, data)| Fragment {
            kind,
            controller,
            nonce,
            lease,
            assets: assets.into(),
            data,
        })
}

pub(crate) fn withdrawal() -> impl Strategy<Value = Withdrawal> {
    (address(), address(), any::<u128>()).prop_map(|(recipient, token, amount)| Withdrawal {
        recipient,
        token,
        amount,
    })
}

/// A step that may stand first in a batch.
pub(crate) fn first_step() -> impl Strategy<Value = Step> {
    let touch =
        (anchor_id(), root(), batch_id()).prop_map(|(anchor, root, parent)| FreshTouch { anchor, root, parent });
    (
        vec(touch, 1..=8),
        vec(root(), 0..=8),
        vec(withdrawal(), 0..=15),
        bytes(300),
    )
        .prop_map(|(fresh, opened, withdrawals, body)| Step {
            fresh,
            opened,
            again: vec![],
            withdrawals,
            body,
        })
}

/// A batch whose later steps touch again what the first one did.
pub(crate) fn batch() -> impl Strategy<Value = Batch> {
    let header = (
        any::<u64>(),
        any::<u64>(),
        b256(),
        0..=10_000_000_u32,
        any::<u16>(),
        vec(address(), 0..=32),
    );
    (header, vec(first_step(), 1..20), vec(any::<bool>(), 20)).prop_map(|(header, mut steps, repeat)| {
        let (chain_id, clock, clock_hash, ceiling, slot, rules) = header;
        for (step, repeat) in steps.iter_mut().zip(repeat).skip(1) {
            if repeat {
                let root = step.fresh[0].root;
                step.fresh.truncate(1);
                step.again.push(RepeatedTouch { entry: 0, root });
            }
        }
        let header = BatchHeader {
            version: 1,
            data_availability: 0,
            chain_id,
            clock,
            clock_hash,
            ceiling,
            slot,
            step_count: 0,
            entry_count: 0,
            rules,
        };
        let mut batch = Batch { header, steps };
        batch.seal();
        batch
    })
}

pub(crate) fn outflows() -> impl Strategy<Value = Vec<Outflow>> {
    vec(
        (asset(), any::<u128>()).prop_map(|(asset, amount)| Outflow { asset, amount }),
        0..=32,
    )
}

fn signature() -> impl Strategy<Value = Signature> {
    let p256 = || [b256(), b256(), b256(), b256()].prop_map(|[r, s, x, y]| P256Signature { r, s, x, y });
    let assertion = (bytes(255), bytes(300)).prop_map(|(authenticator_data, client_data_rest)| Assertion {
        authenticator_data,
        client_data_rest,
    });
    prop_oneof![
        any::<[[u8; 32]; 2]>().prop_map(|halves| Signature::Secp256k1(FixedBytes::from_slice(&halves.concat()))),
        p256().prop_map(Signature::P256),
        (p256(), assertion).prop_map(|(signature, assertion)| Signature::WebAuthn(signature, assertion)),
    ]
}

fn authorisation() -> impl Strategy<Value = Authorisation> {
    (any::<u8>(), any::<u64>(), outflows(), bytes(100), signature()).prop_map(
        |(position, valid_until, outflows, payload, signature)| Authorisation {
            position,
            valid_until,
            outflows,
            payload,
            signature,
        },
    )
}

fn call() -> impl Strategy<Value = Call> {
    (
        any::<u8>(),
        any::<u32>(),
        0..=8_192_u16,
        vec(any::<u8>(), 1..=16),
        vec(authorisation(), 0..=3),
        bytes(100),
    )
        .prop_map(|(rule, gas, max_effects, fragments, mut authorisations, extra)| {
            authorisations.truncate(fragments.len());
            Call {
                rule,
                gas,
                max_effects,
                fragments,
                authorisations,
                extra,
            }
        })
}

/// A leaf table for this number of touches, whose leaves are of cohorts of this depth.
pub(crate) fn leaf_table(touched: usize, depth: u8) -> impl Strategy<Value = LeafTable> {
    let leaves = btree_set(1..1_u32 << depth, 0..4).prop_map(|leaves| leaves.into_iter().collect());
    vec(leaves, touched).prop_map(|mut table: Vec<Vec<u32>>| {
        let mut room = 16 - table.len();
        for leaves in &mut table {
            leaves.truncate(room);
            room -= leaves.len();
        }
        LeafTable(table)
    })
}

/// A body of a step with this number of fresh and repeated touches.
pub(crate) fn body(touched: usize) -> impl Strategy<Value = Body> {
    (prop::option::of(leaf_table(touched, 24)), vec(call(), 1..=16)).prop_map(|(leaves, calls)| Body { leaves, calls })
}

pub(crate) fn effects() -> impl Strategy<Value = Vec<Effect>> {
    let effect = prop_oneof![
        (any::<u8>(), any::<u8>(), asset(), any::<u128>()).prop_map(|(from, to, asset, amount)| Effect::Move {
            from,
            to,
            asset,
            amount
        }),
        (any::<u8>(), b256(), any::<u128>()).prop_map(|(to, tag, amount)| Effect::Mint { to, tag, amount }),
        (any::<u8>(), b256(), any::<u128>()).prop_map(|(from, tag, amount)| Effect::Burn { from, tag, amount }),
        (any::<u8>(), bytes(100)).prop_map(|(fragment, data)| Effect::Write { fragment, data }),
        (any::<u8>(), any::<u8>(), address()).prop_map(|(depth, kind, controller)| Effect::Open {
            depth,
            kind,
            controller
        }),
        (any::<u8>(), any::<u8>(), address()).prop_map(|(fragment, kind, controller)| Effect::SetController {
            fragment,
            kind,
            controller
        }),
        (any::<u8>(), address(), any::<u64>()).prop_map(|(fragment, holder, last_block)| Effect::SetLease {
            fragment,
            holder,
            last_block
        }),
        (any::<u8>(), any::<u8>(), address()).prop_map(|(header, kind, controller)| Effect::OpenLeaf {
            header,
            kind,
            controller
        }),
        (any::<u8>(), b256(), b256()).prop_map(|(authorisation, type_hash, struct_hash)| Effect::Meaning {
            authorisation,
            type_hash,
            struct_hash
        }),
        (any::<u8>(), withdrawal()).prop_map(
            |(
                from,
                Withdrawal {
                    recipient,
                    token,
                    amount,
                },
            )| Effect::Withdraw {
                from,
                recipient,
                token,
                amount
            }
        ),
    ];
    vec(effect, 0..=64)
}

fn paid() -> impl Strategy<Value = Vec<(AssetId, u128)>> {
    vec((asset(), any::<u128>()), 0..4)
}

pub(crate) fn account_ops() -> impl Strategy<Value = Vec<AccountOp>> {
    let op = prop_oneof![
        (fragment_id(), asset(), any::<u128>()).prop_map(|(to, asset, amount)| AccountOp::Pay { to, asset, amount }),
        (any::<u8>(), any::<u8>(), address(), paid()).prop_map(|(depth, kind, controller, assets)| AccountOp::Open {
            depth,
            kind,
            controller,
            assets,
        }),
        (any::<u8>(), address(), paid()).prop_map(|(kind, controller, assets)| AccountOp::OpenLeaf {
            kind,
            controller,
            assets,
        }),
        (any::<u8>(), address()).prop_map(|(kind, controller)| AccountOp::SetController { kind, controller }),
        (address(), any::<u64>()).prop_map(|(holder, last_block)| AccountOp::SetLease { holder, last_block }),
        withdrawal().prop_map(
            |Withdrawal {
                 recipient,
                 token,
                 amount,
             }| AccountOp::Withdraw {
                recipient,
                token,
                amount
            }
        ),
    ];
    vec(op, 0..10)
}

pub(crate) fn pre_entries() -> impl Strategy<Value = Vec<PreEntry>> {
    let head = proptest::option::of((root(), batch_id()).prop_map(|(root, id)| Head { root, id }));
    vec(
        (anchor_id(), head).prop_map(|(anchor, head)| PreEntry { anchor, head }),
        0..20,
    )
}

pub(crate) fn preimage() -> impl Strategy<Value = Preimage> {
    (
        batch_id(),
        address(),
        any::<u8>(),
        0..=512_u16,
        b256(),
        b256(),
        b256(),
        batch(),
    )
        .prop_map(
            |(id, proposer, withdrawal_count, entries_written, entries_hash, step_root, withdrawal_root, batch)| {
                Preimage {
                    id,
                    proposer,
                    withdrawal_count,
                    entries_written,
                    entries_hash,
                    step_root,
                    withdrawal_root,
                    header: batch.header,
                }
            },
        )
}
