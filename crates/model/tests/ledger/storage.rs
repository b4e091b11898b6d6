//! Which slots of the bridge are not zero, and what stands in them (sections 4.7, 4.8, 8 and 9).

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256};
use nthroot_protocol::{
    Head,
    storage::{GLOBAL_SLOT, anchor_slot, assignment_slot, batch_slot, bond_slot, cap_slot, paid_slot},
};

use crate::world::{ALICE, BOB, TOKEN, WINDOW, World, spend, user};

#[test]
fn all_that_happened_stands_in_storage_and_nothing_else() {
    let cap = U256::from(5_000);
    let mut world = World::with_caps(Some(BTreeMap::from([(TOKEN, cap)])));
    let [anchor, other] = world.deposits();
    let mut builder = world.builder(ALICE);
    // The word has room for 24 of these 25.
    for count in [15, 10] {
        builder
            .step(&spend(&builder, 0, anchor, None, &vec![1; count]))
            .unwrap();
    }
    let batch = builder.build().unwrap();
    let id = world.submit(ALICE, &batch).unwrap().id;
    let buyer = Address::repeat_byte(0xbe);
    world.ledger.on_assigned(id, 1, user(0), buyer).unwrap();
    world.advance(WINDOW + 1);
    world.ledger.on_claimed(id, 24).unwrap();

    let head = |anchor| U256::from_be_bytes(Head::to_word(world.ledger.head(anchor)).0);
    let bond = |proposer| {
        let bond = world.ledger.bond(proposer);
        let fields = [
            (bond.balance, 192),
            (bond.locked, 128),
            (bond.locked_before, 64),
            (bond.epoch, 32),
        ];
        fields
            .iter()
            .fold(U256::ZERO, |word, (field, shift)| word | U256::from(*field) << shift)
    };
    // Sequence 1, then who holds it.
    let assigned = U256::from_be_slice(buyer.as_slice()) | U256::ONE << 160;
    let expected: BTreeMap<B256, U256> = [
        (GLOBAL_SLOT, world.ledger.global().pack()),
        (bond_slot(ALICE), bond(ALICE)),
        (bond_slot(BOB), bond(BOB)),
        (cap_slot(TOKEN), cap),
        (anchor_slot(anchor), head(anchor)),
        (anchor_slot(other), head(other)),
        (batch_slot(ALICE, 0), world.ledger.word(ALICE, 0).unwrap().pack()),
        (paid_slot(id), U256::ONE << 24),
        (assignment_slot(id, 1), assigned),
    ]
    .into();
    assert_eq!(world.ledger.storage().collect::<BTreeMap<_, _>>(), expected);
}
