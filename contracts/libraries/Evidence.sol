// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IEvidenceErrors} from "../interfaces/IEvidenceErrors.sol";
import {BatchId} from "../types/BatchId.sol";
import {Head, HeadLib} from "../types/Head.sol";
import {Leaf, LeafLib} from "../types/Leaf.sol";
import {Calldata} from "./Calldata.sol";
import {Cohort} from "./Cohort.sol";
import {CommitmentTree} from "./CommitmentTree.sol";
import {Preimage} from "./Preimage.sol";

/// @notice Takes evidence apart, and checks that it is what the batch committed to. After `open` there is no byte in it that
/// the challenger could have chosen otherwise, but for which step it is.
library Evidence {
    using Calldata for bytes;
    using LeafLib for Leaf[];
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
        uint256 callsAt; // behind the leaf table
        uint256 anchorsAt; // of the opened, then the repeated touches
        Leaf[] leaves; // the step's fragments
        bool sound; // the leaf table is readable, and each of its leaves is there
        uint256 statesSize; // without their length prefixes
        uint256 nodesAt; // siblings in the anchors' trees
    }

    uint256 private constant LAYOUT_SIZE = 512; // of the struct in memory
    uint256 private constant STEP_HEADER = 4;
    uint256 private constant ID_SIZE = 7;
    uint256 private constant ROOT_SIZE = 27;
    uint256 private constant FRESH_SIZE = 39; // anchor id ‖ root ‖ parent id
    uint256 private constant AGAIN_SIZE = 29; // entry number ‖ root
    uint256 private constant WITHDRAWAL_SIZE = 56;
    uint256 private constant ENTRY_SIZE = 39; // anchor id ‖ head before
    uint256 private constant MAX_FRAGMENTS = 16;

    /// @dev Finds the parts. What lies behind the evidence is read before its length is compared with theirs, once, at the end.
    function locate(bytes calldata evidence) internal pure returns (Layout memory loc) {
        // Sums of at most 32 sizes of 16 bits.
        unchecked {
            bytes calldata preimage = evidence.cut();
            loc.preimageSize = preimage.length;
            loc.siblingsAt = loc.preimageSize + 2;
            loc.index = evidence.number(loc.preimageSize, 2);
            uint256 steps = preimage.stepCount();
            if (loc.index >= steps) revert IEvidenceErrors.StepOutOfRange(loc.index, steps);
            loc.stepAt = loc.siblingsAt + 32 * CommitmentTree.siblingCount(steps, loc.index);

            uint256 header = evidence.number(loc.stepAt, STEP_HEADER);
            loc.fresh = (header >> 12) & 15;
            loc.opened = (header >> 8) & 15;
            loc.again = (header >> 4) & 15;
            loc.withdrawals = header & 15;
            loc.withdrawalsAt =
                loc.stepAt + STEP_HEADER + FRESH_SIZE * loc.fresh + ROOT_SIZE * loc.opened + AGAIN_SIZE * loc.again;
            loc.bodyAt = loc.withdrawalsAt + WITHDRAWAL_SIZE * loc.withdrawals;
            loc.anchorsAt = loc.bodyAt + (header >> 16);
            loc.leaves = _readTable(evidence, loc);
            _locateStates(evidence, loc);
        }
    }

    /// @dev The layout as bytes: its words but the list, then the list with its length.
    function pack(Layout memory loc) internal pure returns (bytes memory packed) {
        Leaf[] memory leaves = loc.leaves;
        assembly ("memory-safe") {
            packed := mload(0x40)
            let list := shl(5, add(mload(leaves), 1))
            mstore(packed, add(LAYOUT_SIZE, list))
            mcopy(add(packed, 32), loc, LAYOUT_SIZE)
            mcopy(add(packed, add(32, LAYOUT_SIZE)), leaves, list)
            mstore(0x40, add(packed, add(add(32, LAYOUT_SIZE), list)))
        }
    }

    function unpack(bytes calldata packed) internal pure returns (Layout memory loc) {
        Leaf[] memory leaves;
        assembly ("memory-safe") {
            leaves := mload(0x40)
            calldatacopy(loc, packed.offset, LAYOUT_SIZE)
            let list := sub(packed.length, LAYOUT_SIZE)
            calldatacopy(leaves, add(packed.offset, LAYOUT_SIZE), list)
            mstore(0x40, add(leaves, list))
        }
        loc.leaves = leaves;
    }

    /// @dev The step's fragments. If the leaf table cannot be read the step is invalid, and evidence is read as though it had none.
    function _readTable(bytes calldata evidence, Layout memory loc) private pure returns (Leaf[] memory leaves) {
        unchecked {
            uint256 touches = loc.fresh + loc.opened + loc.again;
            assembly ("memory-safe") {
                leaves := mload(0x40) // grows in free memory, and is allocated at the end
            }
            loc.callsAt = loc.bodyAt + 1;
            uint256 form = loc.callsAt > loc.anchorsAt ? 2 : evidence.number(loc.bodyAt, 1);
            loc.sound = form < 2;
            uint256 count;
            if (form == 1) {
                for (uint256 touch; touch < touches && loc.sound; ++touch) {
                    count = _push(leaves, count, touch, 0);
                    if (touch >= loc.fresh && touch < loc.fresh + loc.opened) continue;
                    count = _readLeaves(evidence, loc, leaves, count, touch);
                }
                loc.sound = loc.sound && count <= MAX_FRAGMENTS && loc.callsAt <= loc.anchorsAt;
                if (!loc.sound) count = 0;
            }
            if (count == 0) {
                for (uint256 touch; touch < touches; ++touch) {
                    count = _push(leaves, count, touch, 0);
                }
            }
            assembly ("memory-safe") {
                mstore(leaves, count)
                mstore(0x40, add(leaves, shl(5, add(count, 1))))
            }
        }
    }

    /// @dev Reads one touch's part of the leaf table.
    function _readLeaves(bytes calldata evidence, Layout memory loc, Leaf[] memory leaves, uint256 count, uint256 touch)
        private
        pure
        returns (uint256)
    {
        unchecked {
            uint256 pos = loc.callsAt;
            uint256 further = evidence.number(pos, 1);
            loc.callsAt = pos + 1 + 3 * further;
            if (count + further > MAX_FRAGMENTS || loc.callsAt > loc.anchorsAt) {
                loc.sound = false;
                return count;
            }
            uint256 lowest = 1;
            for (++pos; pos < loc.callsAt; pos += 3) {
                uint256 leaf = evidence.number(pos, 3);
                if (leaf < lowest) loc.sound = false;
                lowest = leaf + 1;
                count = _push(leaves, count, touch, leaf);
            }
            return count;
        }
    }

    function _push(Leaf[] memory leaves, uint256 count, uint256 touch, uint256 leaf) private pure returns (uint256) {
        leaves.put(count, LeafLib.pack(touch, leaf));
        unchecked {
            return count + 1;
        }
    }

    /// @dev Finds depths and pre-states of the touches that are not opened, and what lies behind them.
    function _locateStates(bytes calldata evidence, Layout memory loc) private pure {
        unchecked {
            uint256 pos = loc.anchorsAt + ID_SIZE * (loc.opened + loc.again);
            uint256 depth;
            Leaf[] memory leaves = loc.leaves;
            for (uint256 i; i < leaves.length; ++i) {
                Leaf leaf = leaves.pick(i);
                uint256 touch = leaf.touch();
                if (touch >= loc.fresh && touch < loc.fresh + loc.opened) continue;
                if (leaf.index() == 0) {
                    depth = evidence.number(pos, 1);
                    if (depth > Cohort.MAX_DEPTH) revert IEvidenceErrors.DepthTooLarge(depth);
                    pos += 1;
                }
                if (leaf.index() >> depth != 0) {
                    leaves.put(i, leaf.beyond());
                    loc.sound = false;
                    continue;
                }
                uint256 size = evidence.number(pos, 2);
                pos += 2;
                // The hash of anything else could be a cohort's, taken for that of a fragment whose state is none.
                if (size != 0 && evidence.number(pos, 1) != 0) revert IEvidenceErrors.NotAPreState(i);
                leaves.put(i, leaf.located(depth, pos, size));
                loc.statesSize += size;
                pos += size;
            }
            loc.nodesAt = pos;
            if (evidence.length < pos || (evidence.length - pos) & 31 != 0) {
                revert IEvidenceErrors.EvidenceLength(pos, evidence.length);
            }
        }
    }

    /// @dev Checks that the step, its anchors, and the depths, pre-states and siblings of their trees are what the preimage's step
    /// root commits to. Heads are derived from the states, never taken from the challenger.
    function open(bytes calldata evidence, Layout memory loc) internal pure {
        unchecked {
            bytes calldata preimage = evidence[:loc.preimageSize];
            uint256 start;
            assembly ("memory-safe") {
                start := mload(0x40) // scratch behind the free pointer
            }
            uint256 to = _entries(evidence, loc, start, BatchId.unwrap(preimage.batchId()));
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

    /// @dev Writes the pre-entries to memory at `to`, in the order fresh, opened, again; returns where they end.
    function _entries(bytes calldata evidence, Layout memory loc, uint256 to, uint256 own)
        private
        pure
        returns (uint256)
    {
        unchecked {
            uint256 touches = loc.fresh + loc.opened + loc.again;
            uint256 anchors = loc.anchorsAt;
            uint256 place; // in the list of leaves
            uint256 nodes = loc.nodesAt;
            for (uint256 touch; touch < touches; ++touch) {
                uint256 anchor;
                uint256 writer = own;
                if (touch < loc.fresh) {
                    uint256 from = loc.stepAt + STEP_HEADER + FRESH_SIZE * touch;
                    anchor = evidence.number(from, ID_SIZE);
                    writer = evidence.number(from + 34, 5);
                } else {
                    anchor = evidence.number(anchors, ID_SIZE);
                    anchors += ID_SIZE;
                }
                bytes32 head;
                if (touch >= loc.fresh && touch < loc.fresh + loc.opened) {
                    ++place;
                } else {
                    (head, place, nodes) = _root(evidence, loc, touch, place, nodes, to + ENTRY_SIZE);
                    head = Head.unwrap(HeadLib.pack(head, BatchId.wrap(uint40(writer))));
                }
                assembly ("memory-safe") {
                    mstore(to, shl(200, anchor))
                    mstore(add(to, 7), head)
                }
                to += ENTRY_SIZE;
            }
            if (nodes != evidence.length) revert IEvidenceErrors.EvidenceLength(nodes, evidence.length);
            return to;
        }
    }

    /// @dev Root of an anchor before the step, from the leaves that start at `place`; with the next touch's first leaf and first sibling.
    /// `scratch` is memory that nobody needs.
    function _root(
        bytes calldata evidence,
        Layout memory loc,
        uint256 touch,
        uint256 place,
        uint256 nodes,
        uint256 scratch
    ) private pure returns (bytes32 value, uint256, uint256) {
        unchecked {
            Leaf[] memory leaves = loc.leaves;
            uint256 depth = leaves.pick(place).depth();
            uint256 count;
            // Values stand in pairs at `scratch`; each state is hashed behind its own.
            for (; place < leaves.length; ++place) {
                Leaf leaf = leaves.pick(place);
                if (leaf.touch() != touch) break;
                if (leaf.isBeyond()) continue;
                value = _hash(evidence, leaf.offset(), leaf.size(), scratch + 64 * (count + 1));
                uint256 index = leaf.index();
                assembly ("memory-safe") {
                    let pair := add(scratch, shl(6, count))
                    mstore(pair, index)
                    mstore(add(pair, 32), value)
                    count := add(count, 1)
                }
            }
            if (depth != 0) {
                uint256 base;
                assembly ("memory-safe") {
                    base := evidence.offset
                }
                (value, nodes) = Cohort.top(scratch, count, depth, base + nodes);
                nodes -= base;
                value = Cohort.root(depth, value);
            }
            return (value, place, nodes);
        }
    }

    /// @dev Value of a leaf with `size` bytes of state at `offset`; zero if there are none.
    function _hash(bytes calldata evidence, uint256 offset, uint256 size, uint256 scratch)
        private
        pure
        returns (bytes32 value)
    {
        assembly ("memory-safe") {
            if size {
                calldatacopy(scratch, add(evidence.offset, offset), size)
                value := keccak256(scratch, size)
            }
        }
    }
}
