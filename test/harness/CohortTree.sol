// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Node} from "./Shapes.sol";

/// @notice The tree of a cohort (docs/spec.md, sections 3 and 7), by recursion from its top. It is given as nodes of which none lies
/// under another; where there is none it is empty.
library CohortTree {
    function root(uint8 depth, Node[] memory nodes) internal pure returns (bytes27) {
        return anchorRoot(depth, valueOf(nodes, depth, 0));
    }

    /// @dev Root of an anchor, of its tree's top.
    function anchorRoot(uint8 depth, bytes32 top_) internal pure returns (bytes27) {
        return bytes27(depth == 0 ? top_ : keccak256(abi.encodePacked(uint8(2), depth, top_)));
    }

    function join(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        if (left == 0 && right == 0) return 0;
        return keccak256(abi.encodePacked(uint8(1), left, right));
    }

    /// @dev Value of the `index`th node of a level.
    function valueOf(Node[] memory nodes, uint256 level, uint256 index) internal pure returns (bytes32 value) {
        uint256 free;
        assembly ("memory-safe") {
            free := mload(0x40)
        }
        nodes = _under(nodes, level, index);
        if (nodes.length != 0 && nodes[0].level == level) {
            value = nodes[0].value;
        } else if (nodes.length != 0) {
            value = join(valueOf(nodes, level - 1, 2 * index), valueOf(nodes, level - 1, 2 * index + 1));
        }
        // The lists have served. Without this a deep tree fills the memory of a test.
        assembly ("memory-safe") {
            mstore(0x40, free)
        }
    }

    /// @dev Those nodes that are the `index`th of the level, or lie under it.
    function _under(Node[] memory nodes, uint256 level, uint256 index) private pure returns (Node[] memory list) {
        uint256 count = 0;
        assembly ("memory-safe") {
            list := mload(0x40) // pointers only; `new` would fill in empty nodes
            mstore(0x40, add(list, shl(5, add(mload(nodes), 1))))
            mstore(list, mload(nodes))
        }
        for (uint256 i = 0; i < nodes.length; i++) {
            Node memory node = nodes[i];
            if (node.level <= level && node.index >> (level - node.level) == index) list[count++] = node;
        }
        assembly ("memory-safe") {
            mstore(list, count)
        }
    }

    /// @dev What the multiproof of these leaves, in ascending order, takes.
    function siblings(uint8 depth, uint24[] memory leaves, Node[] memory nodes) internal pure returns (bytes memory) {
        return _siblings(nodes, leaves, depth, 0);
    }

    /// @dev What the `index`th subtree of a level takes: its halves', then that of the half without leaves.
    function _siblings(Node[] memory nodes, uint24[] memory leaves, uint256 level, uint256 index)
        private
        pure
        returns (bytes memory)
    {
        if (level == 0) return "";
        bool left = _contains(leaves, level - 1, 2 * index);
        bool right = _contains(leaves, level - 1, 2 * index + 1);
        if (left && right) {
            return bytes.concat(
                _siblings(nodes, leaves, level - 1, 2 * index), _siblings(nodes, leaves, level - 1, 2 * index + 1)
            );
        }
        uint256 half = left ? 2 * index : 2 * index + 1;
        uint256 other = left ? 2 * index + 1 : 2 * index;
        return bytes.concat(_siblings(nodes, leaves, level - 1, half), valueOf(nodes, level - 1, other));
    }

    function _contains(uint24[] memory leaves, uint256 level, uint256 index) private pure returns (bool) {
        for (uint256 i = 0; i < leaves.length; i++) {
            if (leaves[i] >> level == index) return true;
        }
        return false;
    }

    /// @dev Top of a tree that is given in full, its number of leaves a power of two.
    function top(bytes32[] memory values) internal pure returns (bytes32) {
        while (values.length > 1) {
            bytes32[] memory parents = new bytes32[](values.length / 2);
            for (uint256 i = 0; i < parents.length; i++) {
                parents[i] = join(values[2 * i], values[2 * i + 1]);
            }
            values = parents;
        }
        return values[0];
    }
}
