// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Codec} from "./Codec.sol";
import {Step, Walked} from "./Shapes.sol";
import {Tree} from "./Tree.sol";

interface IHeads {
    function headOf(uint56 anchor) external view returns (bytes32);
}

/// @notice What `submit` does with steps, from docs/spec.md, sections 4.3 to 4.6: the reference that the assembly is held
/// to. It copies the state before each step and throws the copy away when the step is skipped.
library Walk {
    struct Entry {
        uint56 anchor;
        bool poisoned;
    }

    struct Run {
        IHeads heads;
        uint40 id;
        uint256 bound; // heads with an id that is not below are stale: after the clock, or frozen
        Entry[] entries;
        uint256 taken;
    }

    /// @param bound min(oldest fault, first id after the clock)
    function walk(IHeads heads, Step[] memory steps, uint40 id, uint256 bound) internal view returns (Walked memory w) {
        uint256 most;
        for (uint256 i = 0; i < steps.length; i++) {
            most += steps[i].fresh.length + steps[i].opened.length;
        }
        Run memory run = Run(heads, id, bound, new Entry[](most), 0);
        w.applied = new bool[](steps.length);
        w.preEntries = new bytes[](steps.length);
        w.commitments = new bytes32[](steps.length);
        w.skipped = new bytes((steps.length + 7) / 8);
        w.anchors = new uint56[](most);
        w.heads = new bytes32[](most);
        for (uint256 i = 0; i < steps.length; i++) {
            _step(run, w, steps[i], i);
        }
        w.stepRoot = Tree.root(w.commitments);
        if (w.leaves.length != 0) w.withdrawalRoot = Tree.root(w.leaves);
    }

    function _step(Run memory run, Walked memory w, Step memory step, uint256 index) private view {
        uint256 first = run.taken;
        uint256 n = step.fresh.length + step.opened.length + step.again.length;
        uint56[] memory anchors = new uint56[](n);
        bytes27[] memory roots = new bytes27[](n);
        bool stale = false;
        uint256 place = 0;

        // Every fresh touch and every opened anchor takes the next entry number.
        for (uint256 i = 0; i < step.fresh.length; i++) {
            uint56 anchor = step.fresh[i].anchor;
            bytes32 head = _head(run, w, anchor);
            uint40 writer = uint40(uint256(head));
            if (head == 0 || writer != step.fresh[i].parent || writer >= run.bound) stale = true;
            // The anchor twice in one step: the second touch would find this batch's own id.
            for (uint256 j = 0; j < i; j++) {
                if (step.fresh[j].anchor == anchor) stale = true;
            }
            (anchors[place], roots[place]) = (anchor, step.fresh[i].root);
            run.entries[run.taken] = Entry(anchor, false);
            run.taken++;
            place++;
        }
        for (uint256 i = 0; i < step.opened.length; i++) {
            uint56 anchor = uint56(bytes7(abi.encodePacked(run.id, uint16(run.taken))));
            (anchors[place], roots[place]) = (anchor, step.opened[i]);
            run.entries[run.taken] = Entry(anchor, false);
            run.taken++;
            place++;
        }
        for (uint256 i = 0; i < step.again.length; i++) {
            Entry memory entry = run.entries[step.again[i].entry];
            if (entry.poisoned) stale = true;
            (anchors[place], roots[place]) = (entry.anchor, step.again[i].root);
            place++;
        }

        if (stale) {
            for (uint256 i = first; i < run.taken; i++) {
                run.entries[i].poisoned = true;
            }
            for (uint256 i = 0; i < step.again.length; i++) {
                run.entries[step.again[i].entry].poisoned = true;
            }
            w.anySkipped = true;
            w.skipped[index / 8] |= bytes1(uint8(2 ** (index % 8)));
            return;
        }

        bytes memory preEntries;
        for (uint256 i = 0; i < n; i++) {
            bytes memory entry = abi.encodePacked(anchors[i], _head(run, w, anchors[i]));
            preEntries = bytes.concat(preEntries, entry);
            if (i < step.fresh.length + step.opened.length) {
                w.entries = bytes.concat(w.entries, entry);
                w.entriesWritten++;
            }
        }
        for (uint256 i = 0; i < n; i++) {
            _setHead(w, anchors[i], bytes32(abi.encodePacked(roots[i], run.id)));
        }
        w.applied[index] = true;
        w.preEntries[index] = preEntries;
        w.commitments[index] = keccak256(bytes.concat(preEntries, Codec.encode(step), bytes1(uint8(n))));
        for (uint256 i = 0; i < step.withdrawals.length; i++) {
            w.leaves = _push(w.leaves, keccak256(Codec.encode(step.withdrawals[i])));
        }
    }

    /// @dev Head of an anchor as the batch's earlier steps left it.
    function _head(Run memory run, Walked memory w, uint56 anchor) private view returns (bytes32) {
        for (uint256 i = 0; i < w.count; i++) {
            if (w.anchors[i] == anchor) return w.heads[i];
        }
        return run.heads.headOf(anchor);
    }

    function _setHead(Walked memory w, uint56 anchor, bytes32 head) private pure {
        for (uint256 i = 0; i < w.count; i++) {
            if (w.anchors[i] == anchor) {
                w.heads[i] = head;
                return;
            }
        }
        (w.anchors[w.count], w.heads[w.count]) = (anchor, head);
        w.count++;
    }

    function _push(bytes32[] memory list, bytes32 value) private pure returns (bytes32[] memory longer) {
        longer = new bytes32[](list.length + 1);
        for (uint256 i = 0; i < list.length; i++) {
            longer[i] = list[i];
        }
        longer[list.length] = value;
    }
}
