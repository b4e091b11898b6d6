//! A step commitment binds the step: it cannot be opened as another one.

use alloy_primitives::{Address, B256, Bytes, FixedBytes};
use nthroot_protocol::{
    AnchorId, AnchorProof, BatchHeader, BatchId, Body, Evidence, Fragment, Kind, PlacedStep, Preimage, RepeatedTouch,
    Root, Step, commitment::step_commitment,
};

fn evidence(own: BatchId, anchors: &[AnchorId], states: &[Vec<u8>], step: Step) -> Evidence {
    let header = BatchHeader {
        version: 1,
        data_availability: 0,
        chain_id: 1,
        clock: 1,
        clock_hash: B256::ZERO,
        ceiling: 10_000_000,
        slot: 0,
        step_count: 1,
        entry_count: 2,
        rules: vec![],
    };
    let preimage = Preimage {
        id: own,
        proposer: Address::ZERO,
        withdrawal_count: 0,
        entries_written: 2,
        entries_hash: B256::ZERO,
        step_root: B256::ZERO,
        withdrawal_root: B256::ZERO,
        header,
    };
    let placed = PlacedStep {
        index: 0,
        step,
        opened: vec![],
        again: anchors.to_vec(),
    };
    Evidence {
        preimage,
        placed,
        siblings: vec![],
        proofs: states.iter().cloned().map(AnchorProof::single).collect(),
    }
}

/// An honest step touches A1, A2 and A3 again. A3 stems from a deposit of the attacker's, in a block of which there is one in
/// 2048: the bytes of its id read as the beginning of a step that touches two anchors again. If pre-entries are hashed
/// before the step, evidence that splits the same bytes after the second pre-entry opens the commitment, and shows a body that
/// is not well formed.
#[test]
fn honest_step_does_not_open_as_another() {
    let block_offset = 300_u64 << 11;
    let id = |offset: u64| BatchId::new(block_offset + offset, 1).unwrap();
    let anchors = [
        AnchorId::new(id(0), 0),
        AnchorId::new(id(0), 1),
        AnchorId::new(id(1), 0),
    ];
    // As a step: a body of 300 bytes, nothing fresh, nothing opened, two again, no withdrawals.
    assert_eq!(anchors[2].to_bytes()[..4], [0x01, 0x2c, 0x00, 0x20]);

    let states = [1, 2, 3].map(|byte| Fragment::new(Kind::Secp256k1, Address::repeat_byte(byte)).encode());
    let again = [0, 1, 2]
        .map(|entry| RepeatedTouch {
            entry,
            root: Root::default(),
        })
        .to_vec();
    // The attacker has it chosen by the length of a payload: 39 + (4 + 3 · 29 + body) = 4 + 2 · 29 + 300.
    let body = Bytes::from(vec![0; 232]);
    let honest = evidence(
        id(9),
        &anchors,
        &states,
        Step {
            again,
            body,
            ..Step::default()
        },
    );
    let entries = honest.pre_entries().unwrap();
    let leaf = step_commitment(&entries, &honest.placed.step.encode());

    let bytes = [entries[2].encode().to_vec(), honest.placed.step.encode()].concat();
    let again = bytes[4..62].chunks(29).map(|touch| RepeatedTouch {
        entry: u16::from_be_bytes([touch[0], touch[1]]),
        root: Root(FixedBytes::from_slice(&touch[2..])),
    });
    let forged_step = Step {
        again: again.collect(),
        body: Bytes::copy_from_slice(&bytes[62..]),
        ..Step::default()
    };
    assert_eq!(forged_step.encode(), bytes, "the forged step is one");
    assert!(Body::of(&forged_step).is_err());
    let forged = evidence(id(9), &anchors[..2], &states[..2], forged_step);
    assert_ne!(
        step_commitment(&forged.pre_entries().unwrap(), &forged.placed.step.encode()),
        leaf
    );
}
