//! Where the bridge keeps what (section 4.8).

use alloy_primitives::{Address, B256, keccak256};

use crate::{AnchorId, BatchId};

/// Slot of the global word.
pub const GLOBAL_SLOT: B256 = B256::ZERO;

/// Slot of a proposer's bond: `keccak(proposer, 32 bytes ‖ 1, 32 bytes)`, as Solidity lays out the mapping at slot 1.
pub fn bond_slot(proposer: Address) -> B256 {
    mapped(proposer, 1)
}

/// Slot of a token's cap: `keccak(token, 32 bytes ‖ 2, 32 bytes)`, as Solidity lays out the mapping at slot 2.
pub fn cap_slot(token: Address) -> B256 {
    mapped(token, 2)
}

fn mapped(key: Address, slot: u8) -> B256 {
    let mut preimage = [0; 64];
    preimage[12..32].copy_from_slice(key.as_slice());
    preimage[63] = slot;
    keccak256(preimage)
}

/// Slot of an anchor's head: `keccak("nthroot.anchor")` with its last 7 bytes replaced by the anchor id.
pub fn anchor_slot(anchor: AnchorId) -> B256 {
    let mut slot = keccak256("nthroot.anchor");
    slot[25..].copy_from_slice(&anchor.to_bytes());
    slot
}

/// Slot of a batch word: `first 10 bytes of keccak("nthroot.batch") ‖ proposer (20) ‖ u16 k`.
pub fn batch_slot(proposer: Address, k: u16) -> B256 {
    let mut slot = keccak256("nthroot.batch");
    slot[10..30].copy_from_slice(proposer.as_slice());
    slot[30..].copy_from_slice(&k.to_be_bytes());
    slot
}

/// Slot of the bits of a batch with many withdrawals, set for what was paid: `first 27 bytes of keccak("nthroot.paid") ‖
/// batch id (5)`.
pub fn paid_slot(id: BatchId) -> B256 {
    let mut slot = keccak256("nthroot.paid");
    slot[27..].copy_from_slice(&id.to_bytes());
    slot
}

/// Slot of an assigned claim: `first 26 bytes of keccak("nthroot.assignment") ‖ batch id (5) ‖ u8 position`.
pub fn assignment_slot(id: BatchId, position: u8) -> B256 {
    let mut slot = keccak256("nthroot.assignment");
    slot[26..31].copy_from_slice(&id.to_bytes());
    slot[31] = position;
    slot
}
