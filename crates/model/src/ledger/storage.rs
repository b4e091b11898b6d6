//! What the bridge's storage holds (sections 4.7, 4.8, 8 and 9).

use alloy_primitives::{B256, U256};
use nthroot_protocol::{
    Head,
    storage::{GLOBAL_SLOT, anchor_slot, assignment_slot, batch_slot, bond_slot, cap_slot, paid_slot},
};

use super::Ledger;
use crate::bond::Bond;

impl Ledger {
    /// Every slot of the bridge that is not zero, with its word, in no order. The bridge has these and no others: so one hash over
    /// all of them tells whether this ledger misses anything that happened. The cost is that of all anchors and batches.
    pub fn storage(&self) -> impl Iterator<Item = (B256, U256)> + '_ {
        let anchors = self
            .anchors
            .iter()
            .map(|(id, anchor)| (anchor_slot(*id), word(Head::to_word(Some(anchor.head)))));
        let words = self
            .slots
            .iter()
            .filter_map(|((proposer, k), id)| Some((batch_slot(*proposer, *k), self.batches.get(id)?.word.pack())));
        let claims = self.batches.iter().flat_map(|(id, record)| {
            let assigned = record.assigned.iter();
            let assigned = assigned.map(|(position, claim)| (assignment_slot(*id, *position), word(claim.pack())));
            assigned.chain([(paid_slot(*id), record.paid)])
        });
        let bonds = self
            .bonds
            .iter()
            .map(|(proposer, bond)| (bond_slot(*proposer), packed(bond)));
        let caps = self
            .params
            .caps
            .iter()
            .flatten()
            .map(|(token, cap)| (cap_slot(*token), *cap));
        let all = anchors.chain(words).chain(claims).chain(bonds).chain(caps);
        all.chain([(GLOBAL_SLOT, self.global.pack())])
            .filter(|(_, value)| !value.is_zero())
    }
}

/// Balance (64 bits, highest) ‖ locked (64) ‖ locked before (64) ‖ epoch (32) ‖ 32 zero bits.
fn packed(bond: &Bond) -> U256 {
    let Bond {
        balance,
        locked,
        locked_before,
        epoch,
    } = *bond;
    U256::from_limbs([epoch << 32, locked_before, locked, balance])
}

const fn word(bytes: B256) -> U256 {
    U256::from_be_bytes(bytes.0)
}
