// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../interfaces/IBridge.sol";
import {BatchId} from "../types/BatchId.sol";
import {Head, HeadLib} from "../types/Head.sol";
import {Preimage} from "./Preimage.sol";

/// @notice The entries of a batch: each anchor that it wrote, with the head from before (docs/spec.md, section 4.6).
library Entries {
    using Preimage for bytes;

    uint256 private constant SIZE = 39; // anchor id ‖ head

    function check(bytes calldata entries, bytes calldata preimage) internal pure {
        bytes32 hash = keccak256(entries);
        if (hash != preimage.entriesHash()) revert IBridge.EntriesMismatch(preimage.entriesHash(), hash);
    }

    function count(bytes calldata entries) internal pure returns (uint256) {
        return entries.length / SIZE;
    }

    /// @dev Anchor id and head before the batch. `index < count`.
    function entry(bytes calldata entries, uint256 index) internal pure returns (uint256 anchor, Head before) {
        assembly ("memory-safe") {
            let pos := add(entries.offset, mul(index, SIZE))
            anchor := shr(200, calldataload(pos))
            before := calldataload(add(pos, 7))
        }
    }

    /// @dev Whether batch `id` wrote the present head of each of its anchors.
    function areHeadsOf(bytes calldata entries, BatchId id) internal view returns (bool) {
        uint256 n = count(entries);
        for (uint256 i; i < n; ++i) {
            (uint256 anchor,) = entry(entries, i);
            if (BatchId.unwrap(HeadLib.load(anchor).writer()) != BatchId.unwrap(id)) return false;
        }
        return true;
    }

    /// @dev Restores every anchor that batch `id` wrote; reverts unless it is the head of all.
    function restore(bytes calldata entries, BatchId id) internal {
        uint256 n = count(entries);
        for (uint256 i; i < n; ++i) {
            (uint256 anchor, Head before) = entry(entries, i);
            Head head = HeadLib.load(anchor);
            if (BatchId.unwrap(head.writer()) != BatchId.unwrap(id)) revert IBridge.NotHead(anchor, Head.unwrap(head));
            HeadLib.store(anchor, before);
        }
    }
}
