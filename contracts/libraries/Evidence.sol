// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IEvidenceErrors} from "../interfaces/IEvidenceErrors.sol";
import {BatchId} from "../types/BatchId.sol";
import {Head, HeadLib} from "../types/Head.sol";
import {Calldata} from "./Calldata.sol";
import {CommitmentTree} from "./CommitmentTree.sol";
import {Preimage} from "./Preimage.sol";

/// @notice Takes evidence apart, and checks that it is what the batch committed to. After `open` there is no byte in it that
/// the challenger could have chosen otherwise, but for which step it is.
library Evidence {
    using Calldata for bytes;
    using Preimage for bytes;

    /// @dev Where the parts start in the evidence (docs/spec.md, section 7), and the numbers of the step's header.
    struct Layout {
        uint256 preimageSize;
        uint256 index; // of the step
        uint256 siblingsAt;
        uint256 stepAt;
        uint256 fresh;
        uint256 opened;
        uint256 again;
        uint256 withdrawals;
        uint256 withdrawalsAt;
        uint256 bodyAt;
        uint256 anchorsAt; // of the opened, then the repeated touches
        uint256 statesAt; // of the fresh, then the repeated touches
        uint256 statesSize; // without their length prefixes
    }

    uint256 private constant STEP_HEADER = 4;
    uint256 private constant ID_SIZE = 7;
    uint256 private constant ROOT_SIZE = 27;
    uint256 private constant FRESH_SIZE = 39; // anchor id ‖ root ‖ parent id
    uint256 private constant AGAIN_SIZE = 29; // entry number ‖ root
    uint256 private constant WITHDRAWAL_SIZE = 56;
    uint256 private constant ENTRY_SIZE = 39; // anchor id ‖ head before

    /// @dev Finds the parts. Reverts if the evidence is shorter or longer than they are together.
    function locate(bytes calldata evidence) internal pure returns (Layout memory loc) {
        // Sums of at most 32 sizes of 16 bits.
        unchecked {
            bytes calldata preimage = evidence.cut();
            loc.preimageSize = preimage.length;
            loc.siblingsAt = loc.preimageSize + 2;
            _require(evidence, loc.siblingsAt);
            loc.index = evidence.number(loc.preimageSize, 2);
            uint256 steps = preimage.stepCount();
            if (loc.index >= steps) revert IEvidenceErrors.StepOutOfRange(loc.index, steps);
            loc.stepAt = loc.siblingsAt + 32 * CommitmentTree.siblingCount(steps, loc.index);

            _require(evidence, loc.stepAt + STEP_HEADER);
            uint256 header = evidence.number(loc.stepAt, STEP_HEADER);
            loc.fresh = (header >> 12) & 15;
            loc.opened = (header >> 8) & 15;
            loc.again = (header >> 4) & 15;
            loc.withdrawals = header & 15;
            loc.withdrawalsAt =
                loc.stepAt + STEP_HEADER + FRESH_SIZE * loc.fresh + ROOT_SIZE * loc.opened + AGAIN_SIZE * loc.again;
            loc.bodyAt = loc.withdrawalsAt + WITHDRAWAL_SIZE * loc.withdrawals;
            loc.anchorsAt = loc.bodyAt + (header >> 16);
            loc.statesAt = loc.anchorsAt + ID_SIZE * (loc.opened + loc.again);

            uint256 end = loc.statesAt;
            for (uint256 i = loc.fresh + loc.again; i > 0; --i) {
                _require(evidence, end + 2);
                uint256 size = evidence.number(end, 2);
                loc.statesSize += size;
                end += 2 + size;
            }
            if (evidence.length != end) revert IEvidenceErrors.EvidenceLength(end, evidence.length);
        }
    }

    /// @dev Checks that the step, its anchors and its pre-states are what the preimage's step root commits to. Heads are
    /// derived from the states, never taken from the challenger.
    function open(bytes calldata evidence, Layout memory loc) internal pure {
        unchecked {
            bytes calldata preimage = evidence[:loc.preimageSize];
            uint256 start;
            assembly ("memory-safe") {
                start := mload(0x40) // scratch behind the free pointer
            }
            uint256 to = start;
            uint256 state = loc.statesAt;
            uint256 anchors = loc.anchorsAt;
            uint256 own = uint256(BatchId.unwrap(preimage.batchId()));

            // Pre-entries in the order fresh, opened, again.
            for (uint256 i; i < loc.fresh; ++i) {
                uint256 from = loc.stepAt + STEP_HEADER + FRESH_SIZE * i;
                bytes32 head;
                (head, state) = _head(evidence, state, to + ENTRY_SIZE, evidence.number(from + 34, 5));
                to = _entry(to, evidence.number(from, ID_SIZE), head);
            }
            for (uint256 i; i < loc.opened; ++i) {
                to = _entry(to, evidence.number(anchors, ID_SIZE), 0);
                anchors += ID_SIZE;
            }
            for (uint256 i; i < loc.again; ++i) {
                bytes32 head;
                (head, state) = _head(evidence, state, to + ENTRY_SIZE, own);
                to = _entry(to, evidence.number(anchors, ID_SIZE), head);
                anchors += ID_SIZE;
            }

            uint256 stepAt = loc.stepAt;
            uint256 stepSize = loc.anchorsAt - stepAt;
            bytes32 leaf;
            assembly ("memory-safe") {
                calldatacopy(to, add(evidence.offset, stepAt), stepSize)
                let last := add(to, stepSize)
                // The number of touches: without it the split between pre-entries and step would be the challenger's choice.
                mstore8(last, div(sub(to, start), ENTRY_SIZE))
                leaf := keccak256(start, add(sub(last, start), 1))
            }
            bytes32 root =
                CommitmentTree.rootFrom(leaf, preimage.stepCount(), loc.index, evidence[loc.siblingsAt:loc.stepAt]);
            if (root != preimage.stepRoot()) revert IEvidenceErrors.StepNotInBatch(preimage.stepRoot(), root);
        }
    }

    /// @dev Head of an anchor with the pre-state at `at`, which starts with its length; and where the next one is.
    /// `scratch` is memory that nobody needs.
    function _head(bytes calldata evidence, uint256 loc, uint256 scratch, uint256 id)
        private
        pure
        returns (bytes32 head, uint256 next)
    {
        unchecked {
            uint256 size = evidence.number(loc, 2);
            next = loc + 2 + size;
            assembly ("memory-safe") {
                calldatacopy(scratch, add(add(evidence.offset, loc), 2), size)
                head := keccak256(scratch, size)
            }
            head = Head.unwrap(HeadLib.pack(head, BatchId.wrap(uint40(id))));
        }
    }

    function _entry(uint256 to, uint256 anchor, bytes32 head) private pure returns (uint256) {
        assembly ("memory-safe") {
            mstore(to, shl(200, anchor))
            mstore(add(to, 7), head)
        }
        unchecked {
            return to + ENTRY_SIZE;
        }
    }

    function _require(bytes calldata evidence, uint256 size) private pure {
        if (evidence.length < size) revert IEvidenceErrors.EvidenceLength(size, evidence.length);
    }
}
