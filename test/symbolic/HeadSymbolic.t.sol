// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {BatchId, BatchIdLib} from "../../contracts/types/BatchId.sol";
import {Head, HeadLib} from "../../contracts/types/Head.sol";

/// @notice Heads and ids, for every value. `cargo xtask audit --only halmos` proves each `check_`.
contract HeadSymbolic {
    function check_AHeadIsItsRootAndItsWriter(bytes32 hash, uint40 id) external pure {
        Head head = HeadLib.pack(hash, BatchId.wrap(id));
        assert(BatchId.unwrap(head.writer()) == id);
        assert(bytes27(Head.unwrap(head)) == bytes27(hash));
    }

    /// @dev Two heads are one only if root and writer are.
    function check_PackingLosesNothing(bytes27 rootA, uint40 a, bytes27 rootB, uint40 b) external pure {
        Head headA = HeadLib.pack(rootA, BatchId.wrap(a));
        Head headB = HeadLib.pack(rootB, BatchId.wrap(b));
        bool same = Head.unwrap(headA) == Head.unwrap(headB);
        assert(same == (rootA == rootB && a == b));
    }

    function check_AnIdIsItsBlockAndItsSequence(uint40 id) external pure {
        uint256 sequence = BatchId.wrap(id).sequence();
        assert(sequence <= BatchIdLib.MAX_SEQUENCE);
        assert(BatchId.wrap(id).relativeBlock() * 8192 + sequence == id);
    }

    /// @dev Anchors have a slot each: an anchor's slot is the tag ‖ its id, and the tag ends before the id begins.
    function check_AnchorsDoNotShareSlots(uint56 a, uint56 b) external pure {
        assert(HeadLib.SLOT_TAG & type(uint56).max == 0);
        assert((HeadLib.SLOT_TAG | a == HeadLib.SLOT_TAG | b) == (a == b));
    }
}
