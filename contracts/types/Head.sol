// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {BatchId} from "./BatchId.sol";

/// @notice An anchor's storage word: what it holds, and who wrote it.
///
///     255                            40 39        0
///     | root: 27 bytes of the hash     | batch id  |
///
/// Zero is not a head: the anchor was never opened, or its opening was unwound.
type Head is bytes32;

using HeadLib for Head global;

library HeadLib {
    /// @dev Covers the id's bits.
    uint256 internal constant ID_MASK = (1 << 40) - 1;

    /// @dev Anchor slots: the hash with its last 7 bytes replaced by the anchor id. The tag keeps anchors away from
    /// the contract's own slots, whatever id a batch names.
    uint256 internal constant SLOT_TAG = uint256(keccak256("nthroot.anchor")) & ~((uint256(1) << 56) - 1);

    /// @dev Head with the first 27 bytes of `hash` as its root.
    function pack(bytes32 hash, BatchId id) internal pure returns (Head) {
        return Head.wrap(bytes32((uint256(hash) & ~ID_MASK) | BatchId.unwrap(id)));
    }

    /// @dev Batch or deposit that wrote the head.
    function writer(Head head) internal pure returns (BatchId) {
        return BatchId.wrap(uint40(uint256(Head.unwrap(head))));
    }

    /// @dev Head of an anchor. `anchor` has 56 bits: batch id ‖ u16 index.
    function load(uint256 anchor) internal view returns (Head head) {
        uint256 slot = SLOT_TAG | anchor;
        assembly ("memory-safe") {
            head := sload(slot)
        }
    }

    /// @dev Writes an anchor's head.
    function store(uint256 anchor, Head head) internal {
        uint256 slot = SLOT_TAG | anchor;
        assembly ("memory-safe") {
            sstore(slot, head)
        }
    }
}
