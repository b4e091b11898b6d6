//! Where the bridge keeps anchor heads and batch words (section 4.8).

use alloy_primitives::{Address, B256, keccak256};

use crate::AnchorId;

/// Slot of the global word.
pub const GLOBAL_SLOT: B256 = B256::ZERO;

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
