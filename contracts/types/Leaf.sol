// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

/// @notice A fragment of a step: which leaf of which touch it is, and where evidence has its pre-state.
///
///     255  104 103        96 95    88 87    80 79     56 55    40 39             0
///     | zero  | out of range | touch | depth  | leaf    | size   | offset         |
///
/// `touch` counts fresh, opened, repeated ones, in this order. Size and offset are those of the pre-state in the evidence.
type Leaf is uint256;

using LeafLib for Leaf global;

library LeafLib {
    function pack(uint256 touch_, uint256 leaf) internal pure returns (Leaf) {
        return Leaf.wrap((touch_ << 88) | (leaf << 56));
    }

    /// @dev With depth of its anchor, and place and size of its pre-state.
    function located(Leaf self, uint256 depth_, uint256 offset_, uint256 size_) internal pure returns (Leaf) {
        return Leaf.wrap(Leaf.unwrap(self) | (depth_ << 80) | (size_ << 40) | offset_);
    }

    /// @dev Its index is not below 2^depth: there is no such leaf.
    function beyond(Leaf self) internal pure returns (Leaf) {
        return Leaf.wrap(Leaf.unwrap(self) | (1 << 96));
    }

    /// @dev `list[i]`, for an `i` that the caller knows to be within: 12 gas instead of 58.
    function pick(Leaf[] memory list, uint256 i) internal pure returns (Leaf self) {
        assembly ("memory-safe") {
            self := mload(add(list, shl(5, add(i, 1))))
        }
    }

    /// @dev `list[i] = self`, likewise.
    function put(Leaf[] memory list, uint256 i, Leaf self) internal pure {
        assembly ("memory-safe") {
            mstore(add(list, shl(5, add(i, 1))), self)
        }
    }

    function isBeyond(Leaf self) internal pure returns (bool) {
        return (Leaf.unwrap(self) >> 96) & 1 == 1;
    }

    function touch(Leaf self) internal pure returns (uint256) {
        return (Leaf.unwrap(self) >> 88) & 0xff;
    }

    function depth(Leaf self) internal pure returns (uint256) {
        return (Leaf.unwrap(self) >> 80) & 0xff;
    }

    function index(Leaf self) internal pure returns (uint256) {
        return (Leaf.unwrap(self) >> 56) & 0xffffff;
    }

    function size(Leaf self) internal pure returns (uint256) {
        return (Leaf.unwrap(self) >> 40) & 0xffff;
    }

    function offset(Leaf self) internal pure returns (uint256) {
        return Leaf.unwrap(self) & ((1 << 40) - 1);
    }
}
