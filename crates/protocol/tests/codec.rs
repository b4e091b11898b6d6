//! The codec: each value has one encoding, every other input is an error, and nothing panics.

mod arbitrary;

use alloy_primitives::{B256, U256, b256, keccak256};
use nthroot_protocol::{
    AccountOp, AnchorId, AssetId, Batch, BatchError, BatchId, BatchWord, Body, BodyError, Effect, EffectError,
    Evidence, Fragment, FragmentError, FragmentId, GlobalWord, Head, Key, KeyError, Lease, PreEntry, Preimage,
    RepeatedTouch, Root, Status, limits, storage, tree,
};
use proptest::{collection::vec, prelude::*, strategy::ValueTree};

/// A simple batch, for tests that break one thing in it.
fn simple_batch() -> Batch {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut batch = arbitrary::batch().new_tree(&mut runner).unwrap().current();
    batch.steps.truncate(1);
    batch.header.rules.clear();
    batch.seal();
    batch
}

proptest! {
    #![proptest_config(arbitrary::config())]

    #[test]
    fn every_value_decodes_to_itself(
        fragment in arbitrary::fragment(),
        batch in arbitrary::batch(),
        body in arbitrary::body(2),
        effects in arbitrary::effects(),
        ops in arbitrary::account_ops(),
        entries in arbitrary::pre_entries(),
        preimage in arbitrary::preimage(),
    ) {
        prop_assert_eq!(Fragment::decode(&fragment.encode()), Ok(fragment));
        prop_assert_eq!(batch.header.encode().len(), batch.header.encoded_length());
        prop_assert_eq!(batch.steps[0].encode().len(), batch.steps[0].encoded_length());
        prop_assert_eq!(Batch::parse(&batch.encode()), Ok(batch));
        prop_assert_eq!(Body::parse(&body.encode(), 2, 0), Ok(body));
        prop_assert_eq!(Effect::decode_list(&Effect::encode_list(&effects)), Ok(effects));
        prop_assert_eq!(AccountOp::decode_payload(&AccountOp::encode_payload(&ops)), Ok(ops));
        prop_assert_eq!(PreEntry::decode_list(&PreEntry::encode_list(&entries)), Ok(entries));
        prop_assert_eq!(preimage.encode().len(), preimage.encoded_length());
        prop_assert_eq!(Preimage::decode(&preimage.encode()), Ok(preimage));
    }

    /// Random bytes, and valid encodings with one byte changed: what decodes encodes to the same bytes.
    #[test]
    fn what_decodes_has_that_one_encoding(
        random in vec(any::<u8>(), 0..400),
        fragment in arbitrary::fragment(),
        batch in arbitrary::batch(),
        body in arbitrary::body(2),
        at in any::<prop::sample::Index>(),
        xor in any::<u8>(),
    ) {
        let mangle = |mut bytes: Vec<u8>| {
            let at = at.index(bytes.len());
            bytes[at] ^= xor;
            bytes
        };
        for bytes in [&random, &mangle(fragment.encode())] {
            if let Ok(value) = Fragment::decode(bytes) {
                prop_assert_eq!(&value.encode(), bytes);
            }
        }
        for bytes in [&random, &mangle(batch.encode())] {
            if let Ok(value) = Batch::parse(bytes) {
                prop_assert_eq!(&value.encode(), bytes);
            }
        }
        for bytes in [&random, &mangle(body.encode())] {
            if let Ok(value) = Body::parse(bytes, 2, 0) {
                prop_assert_eq!(&value.encode(), bytes);
            }
        }
        if let Ok(value) = Effect::decode_list(&random) {
            prop_assert_eq!(&Effect::encode_list(&value), &random);
        }
        if let Ok(value) = AccountOp::decode_payload(&random) {
            prop_assert_eq!(&AccountOp::encode_payload(&value), &random);
        }
        if let Ok(value) = Preimage::decode(&random) {
            prop_assert_eq!(&value.encode(), &random);
        }
        if let Ok(value) = Evidence::decode(&random) {
            prop_assert_eq!(&value.encode(), &random);
        }
    }

    #[test]
    fn every_prefix_is_an_error(fragment in arbitrary::fragment(), body in arbitrary::body(3), cut in any::<prop::sample::Index>()) {
        let bytes = fragment.encode();
        prop_assert!(Fragment::decode(&bytes[..cut.index(bytes.len())]).is_err());
        let bytes = body.encode();
        prop_assert!(Body::parse(&bytes[..cut.index(bytes.len())], 3, 0).is_err());
    }

    #[test]
    fn words_unpack_to_what_was_packed(
        preimage in arbitrary::preimage(),
        status in prop::sample::select(vec![Status::Live, Status::Faulty, Status::Condemned, Status::Unwound]),
        unpaid in 0..1_u32 << 24,
        last in arbitrary::batch_id(),
        faults in prop::array::uniform5(prop::option::of(arbitrary::batch_id())),
        more in any::<u16>(),
        random in any::<[u8; 32]>(),
    ) {
        let word = BatchWord { status, unpaid, ..BatchWord::new(&preimage) };
        prop_assert_eq!(BatchWord::unpack(word.pack()), Some(word));
        if let Some(word) = BatchWord::unpack(U256::from_be_bytes(random)) {
            prop_assert_eq!(word.pack(), U256::from_be_bytes(random));
        }
        let global = GlobalWord { last, faults, more };
        prop_assert_eq!(GlobalWord::unpack(global.pack()), global);
        prop_assert_eq!(GlobalWord::unpack(U256::from_be_bytes(random)).pack(), U256::from_be_bytes(random));
    }

    #[test]
    fn ids_read_back_from_text_and_bytes(anchor in arbitrary::anchor_id(), fragment in arbitrary::fragment_id(), asset in arbitrary::asset(), root in arbitrary::root()) {
        prop_assert_eq!(anchor.batch().to_string().parse(), Ok(anchor.batch()));
        prop_assert_eq!(anchor.to_string().parse(), Ok(anchor));
        prop_assert_eq!(fragment.to_string().parse(), Ok(fragment));
        prop_assert_eq!(asset.to_string().parse(), Ok(asset));
        prop_assert_eq!(root.to_string().parse(), Ok(root));
        prop_assert_eq!(AnchorId::new(anchor.batch(), anchor.index()), anchor);
        prop_assert_eq!(BatchId::new(anchor.batch().block_offset(), anchor.batch().sequence()), Some(anchor.batch()));
        prop_assert_eq!(FragmentId::from_bytes(fragment.to_bytes()), fragment);
        let json = serde_json::to_string(&fragment).unwrap();
        prop_assert_eq!(serde_json::from_str::<FragmentId>(&json).unwrap(), fragment);
        let head = Some(Head { root, id: anchor.batch() });
        prop_assert_eq!(Head::from_word(Head::to_word(head)), head);
    }

    #[test]
    fn each_leaf_of_a_tree_opens_and_nothing_else_does(
        leaves in vec(arbitrary::b256(), 1..200),
        index in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
    ) {
        let (count, index) = (leaves.len(), index.index(leaves.len()));
        let root = tree::root(&leaves).unwrap();
        let siblings = tree::siblings(&leaves, index).unwrap();
        prop_assert_eq!(&tree::openings(&leaves)[index], &siblings);
        prop_assert_eq!(tree::sibling_count(count, index), Some(siblings.len()));
        prop_assert!(tree::verify(root, leaves[index], count, index, &siblings));
        prop_assert!(!tree::verify(root, B256::repeat_byte(7), count, index, &siblings));
        let other = other.index(count);
        if other != index {
            prop_assert!(!tree::verify(root, leaves[index], count, other, &siblings));
        }
        let longer = [siblings.clone(), vec![B256::ZERO]].concat();
        prop_assert!(!tree::verify(root, leaves[index], count, index, &longer));
        prop_assert!(!tree::verify(root, leaves[index], count, count, &siblings));
    }
}

#[test]
fn batches_of_a_wrong_shape_are_told_apart() {
    type Break = fn(&mut Batch);
    fn again(entry: u16) -> RepeatedTouch {
        RepeatedTouch {
            entry,
            root: Root::default(),
        }
    }
    let cases: [(Break, BatchError); 11] = [
        (|batch| batch.header.version = 2, BatchError::Version(2)),
        (
            |batch| batch.header.data_availability = 1,
            BatchError::DataAvailability(1),
        ),
        (
            |batch| batch.header.ceiling = 10_000_001,
            BatchError::Ceiling(10_000_001),
        ),
        (|batch| batch.header.step_count = 0, BatchError::NoSteps),
        (|batch| batch.header.entry_count = 513, BatchError::TooManyEntries(513)),
        (
            |batch| batch.header.rules = vec![Default::default(); 33],
            BatchError::TooManyRules(33),
        ),
        (
            |batch| batch.steps[0].body = vec![0; 16_385].into(),
            BatchError::BodyTooLong {
                step: 0,
                length: 16_385,
            },
        ),
        (
            |batch| {
                batch.steps[0].fresh.clear();
                batch.steps[0].opened.clear();
            },
            BatchError::Touches { step: 0, touches: 0 },
        ),
        (
            |batch| {
                let fresh = batch.steps[0].fresh[0];
                batch.steps[0].fresh = vec![fresh; 2];
                batch.steps[0].opened = vec![Root::default(); 15];
            },
            BatchError::Touches { step: 0, touches: 17 },
        ),
        (
            |batch| batch.steps[0].again = vec![again(0)],
            BatchError::UnknownEntry { step: 0, entry: 0 },
        ),
        (
            |batch| {
                let mut second = batch.steps[0].clone();
                second.fresh.truncate(1);
                second.opened.clear();
                second.again = vec![again(0), again(0)];
                batch.steps.push(second);
                batch.seal();
            },
            BatchError::EntryOrder { step: 1, entry: 0 },
        ),
    ];
    for (change, expected) in cases {
        let mut batch = simple_batch();
        change(&mut batch);
        assert_eq!(Batch::parse(&batch.encode()), Err(expected));
    }

    let mut batch = simple_batch();
    let counted = usize::from(batch.header.entry_count);
    batch.header.entry_count += 1;
    let declared = batch.header.entry_count;
    assert_eq!(
        Batch::parse(&batch.encode()),
        Err(BatchError::EntryCount { declared, counted })
    );

    let bytes = [simple_batch().encode(), vec![0]].concat();
    assert_eq!(
        Batch::parse(&bytes),
        Err(BatchError::Trailing(nthroot_protocol::Trailing(1)))
    );
}

#[test]
fn a_batch_may_have_all_that_the_limits_allow() {
    let mut batch = simple_batch();
    batch.header.ceiling = 10_000_000;
    batch.header.rules = vec![Default::default(); 32];
    batch.steps[0].body = vec![0; 16_384].into();
    // 15 of a kind at most, and 16 in a step: 32 steps of these are 512 entries.
    let fresh = batch.steps[0].fresh[0];
    batch.steps[0].fresh = vec![fresh];
    batch.steps[0].opened = vec![Root::default(); 15];
    batch.steps[0].again.clear();
    batch.steps = vec![batch.steps[0].clone(); 32];
    batch.seal();
    assert_eq!(batch.header.entry_count, 512);
    assert_eq!(Batch::parse(&batch.encode()).as_ref(), Ok(&batch));
}

#[test]
fn bodies_that_are_not_well_formed_are_told_apart() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut body = arbitrary::body(0).new_tree(&mut runner).unwrap().current();
    body.leaves = None;
    body.calls.truncate(1);
    body.calls[0].fragments = vec![0];
    body.calls[0].authorisations = vec![];
    body.calls[0].extra = Default::default();
    // form, calls; rule, gas (4), effects (2), n, fragment, signers, extra (2)
    let good = body.encode();
    assert_eq!(good.len(), 14);
    let cases = [
        (0, 2, BodyError::Form(2)),
        (1, 0, BodyError::Calls(0)),
        (1, 17, BodyError::Calls(17)),
        (9, 0, BodyError::Fragments(0)),
        (9, 17, BodyError::Fragments(17)),
        (11, 2, BodyError::Authorisations(2)),
    ];
    for (at, value, expected) in cases {
        let mut bytes = good.clone();
        bytes[at] = value;
        assert_eq!(Body::parse(&bytes, 1, 0), Err(expected));
    }
    let mut long = good.clone();
    long[7..9].copy_from_slice(&8_193_u16.to_be_bytes());
    assert_eq!(Body::parse(&long, 1, 0), Err(BodyError::EffectsLength(8_193)));
    let mut signed = good;
    signed[11] = 1;
    signed.splice(12..12, [0; 9].into_iter().chain([33]));
    assert_eq!(Body::parse(&signed, 1, 0), Err(BodyError::Outflows(33)));
    signed[21] = 0;
    for scheme in [0, 4, 255] {
        let mut signed = signed.clone();
        signed.splice(22..22, [0, 0, scheme]);
        assert_eq!(Body::parse(&signed, 1, 0), Err(BodyError::Scheme(scheme)));
    }
}

#[test]
fn bytes_that_break_the_table_are_not_a_state() {
    let mut fragment = Fragment::deposited(Key::Secp256k1([1; 20].into()), [2; 20].into(), 5);
    fragment.assets.insert(AssetId(B256::repeat_byte(9)), 7);
    // domain, kind, controller (20), nonce (8), count at 30, asset 31, amount 63, asset 79, amount 111, length 127
    let good = fragment.encode();
    assert_eq!(good.len(), 129);
    let change = |at: usize, value: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + value.len()].copy_from_slice(value);
        Fragment::decode(&bytes).unwrap_err()
    };
    assert_eq!(change(0, &[1]), FragmentError::Domain(1));
    for kind in [0, 4, 0x41, 0x80, 0x84] {
        assert_eq!(change(1, &[kind]), FragmentError::Kind(kind));
    }
    assert_eq!(change(30, &[33]), FragmentError::TooManyAssets(33));
    assert_eq!(
        change(31, &[0xff]),
        FragmentError::AssetOrder(AssetId(B256::repeat_byte(9)))
    );
    assert_eq!(
        change(79, &good[31..63]),
        FragmentError::AssetOrder(AssetId::token([2; 20].into()))
    );
    assert_eq!(
        change(63, &[0; 16]),
        FragmentError::ZeroAmount(AssetId::token([2; 20].into()))
    );
    assert_eq!(change(127, &2_049_u16.to_be_bytes()), FragmentError::DataTooLong(2_049));
    assert_eq!(
        Fragment::decode(&[good, vec![0]].concat()),
        Err(FragmentError::Trailing(nthroot_protocol::Trailing(1)))
    );
}

/// The lease stands between the nonce and the assets, and has both its fields or is not there.
#[test]
fn a_lease_has_a_holder_and_a_last_block() {
    let mut fragment = Fragment::deposited(Key::P256([1; 20].into()), [2; 20].into(), 5);
    let plain = fragment.encode();
    let (holder, last_block) = ([7; 20].into(), 9);
    fragment.lease = Some(Lease { holder, last_block });
    let lease = [[7; 20].as_slice(), &[0, 0, 0, 0, 0, 0, 0, 9]].concat();
    let leased = [&[0, 0x82], &plain[2..30], &lease, &plain[30..]].concat();
    assert_eq!(fragment.encode(), leased);
    assert_eq!(Fragment::decode(&leased), Ok(fragment));

    let mut nobody = leased.clone();
    nobody[30..50].fill(0);
    assert_eq!(
        Fragment::decode(&nobody),
        Err(FragmentError::Lease(Default::default(), 9))
    );
    let mut never = leased;
    never[57] = 0;
    assert_eq!(Fragment::decode(&never), Err(FragmentError::Lease(holder, 0)));
}

#[test]
fn a_key_has_a_kind_of_keys_and_a_controller() {
    for key in [Key::Secp256k1([3; 20].into()), Key::P256([4; 20].into())] {
        assert_eq!(Key::from_bytes(key.to_bytes()), Ok(key));
    }
    assert_eq!(Key::P256([4; 20].into()).to_bytes()[..2], [2, 4]);
    for kind in [0, 3, 4, 0x81, 255] {
        let mut bytes = [4; 21];
        bytes[0] = kind;
        assert_eq!(Key::from_bytes(bytes), Err(KeyError::Kind(kind)));
    }
    for kind in [1, 2] {
        let mut bytes = [0; 21];
        bytes[0] = kind;
        assert_eq!(Key::from_bytes(bytes), Err(KeyError::ZeroController));
    }
}

#[test]
fn a_list_of_65_effects_is_refused() {
    let effects = vec![
        Effect::Open {
            depth: 0,
            kind: 1,
            controller: [1; 20].into()
        };
        65
    ];
    assert_eq!(
        Effect::decode_list(&Effect::encode_list(&effects)),
        Err(EffectError::TooMany)
    );
    assert!(Effect::decode_list(&Effect::encode_list(&effects[1..])).is_ok());
    for code in [0, 11, 255] {
        assert_eq!(Effect::decode_list(&[code]), Err(EffectError::Code(code)));
    }
}

/// The tree over 9 values by hand: a run of eight, and a run of one that is hashed as well.
#[test]
fn the_tree_has_the_shape_of_the_specification() {
    let leaves: Vec<B256> = (0..9).map(B256::repeat_byte).collect();
    let left = keccak256(leaves[..8].concat());
    let right = keccak256(leaves[8]);
    assert_eq!(tree::root(&leaves), Some(keccak256([left, right].concat())));
    assert_eq!(tree::siblings(&leaves, 8), Some(vec![left]));
    assert_eq!(tree::root(&leaves[..1]), Some(leaves[0]));
    assert_eq!(tree::root(&[]), None);
}

#[test]
fn asset_ids_of_rules_are_never_tokens() {
    let rule = [3; 20].into();
    let tag = B256::repeat_byte(4);
    let issued = AssetId::issued(rule, tag);
    let mut expected = keccak256([[3; 20].as_slice(), [4; 32].as_slice()].concat());
    expected[0] |= 0x80;
    assert_eq!(issued.0, expected);
    assert_eq!(issued.as_token(), None);
    assert_eq!(AssetId::ETH.as_token(), Some(Default::default()));
    assert_eq!(AssetId::token(rule).as_token(), Some(rule));
}

#[test]
fn ids_out_of_range_are_refused() {
    assert_eq!(BatchId::new(1 << 27, 1), None);
    assert_eq!(BatchId::new(0, 8_192), None);
    assert_eq!(BatchId::new(1, 1).map(BatchId::to_u64), Some(8_193));
    assert_eq!(BatchId::from_u64(1 << 40), None);
    for text in ["", "1", "1.8192", "134217728.1", "1.1/65536", "-1.1"] {
        assert!(
            text.parse::<BatchId>().is_err() && text.parse::<AnchorId>().is_err(),
            "{text}"
        );
    }
    assert!("1.1/1#16777216".parse::<FragmentId>().is_err());
}

#[test]
fn limits_agree_with_the_fields_that_hold_them() {
    assert_eq!(u64::from(limits::MAX_SEQUENCE) + 1, 1 << limits::SEQUENCE_BITS);
    assert_eq!(
        limits::MAX_BLOCK_OFFSET << limits::SEQUENCE_BITS | u64::from(limits::MAX_SEQUENCE),
        (1 << 40) - 1
    );
    assert_eq!(limits::MAX_STEP_WITHDRAWALS, 0x0f);
}

#[test]
fn the_fault_set_never_forgets_an_older_fault() {
    let id = |n| BatchId::from_u64(n).unwrap();
    let mut global = GlobalWord::default();
    for n in [50, 40, 30, 20, 60, 10, 70] {
        assert!(global.insert_fault(id(n)));
    }
    assert_eq!((global.oldest_fault(), global.more), (Some(id(10)), 2));
    // One that the fifth field stands for: the counter falls, the lowest id stays.
    global.resolve_fault(id(10));
    assert_eq!((global.oldest_fault(), global.more), (Some(id(10)), 1));
    global.resolve_fault(id(20));
    assert!(global.insert_fault(id(80)));
    assert_eq!((global.faults[3], global.more), (Some(id(80)), 1));
    global.resolve_fault(id(70));
    assert_eq!(global.oldest_fault(), Some(id(10)));
    global.resolve_fault(id(60));
    assert_eq!((global.oldest_fault(), global.faults[4]), (Some(id(30)), None));
    for n in [30, 40, 50, 80] {
        global.resolve_fault(id(n));
    }
    assert_eq!(global, GlobalWord::default());
    let full = GlobalWord {
        faults: [Some(id(1)); 5],
        more: u16::MAX,
        ..global
    };
    assert!(!{ full }.insert_fault(id(2)));
}

#[test]
fn storage_slots_are_tagged() {
    let anchor = AnchorId::from_bytes([1, 2, 3, 4, 5, 6, 7]);
    let slot = storage::anchor_slot(anchor);
    assert_eq!(slot[..25], keccak256("nthroot.anchor")[..25]);
    assert_eq!(slot[25..], [1, 2, 3, 4, 5, 6, 7]);
    let slot = storage::batch_slot([9; 20].into(), 0x0102);
    assert_eq!(slot[..10], keccak256("nthroot.batch")[..10]);
    assert_eq!(slot[10..], [[9; 20].as_slice(), &[1, 2]].concat());
    assert_eq!(
        storage::GLOBAL_SLOT,
        b256!("0000000000000000000000000000000000000000000000000000000000000000")
    );
}
