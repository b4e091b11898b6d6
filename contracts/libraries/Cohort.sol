// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

/// @notice Trees of fragments under one anchor (docs/spec.md, section 3). An anchor with a single fragment is one of depth 0.
library Cohort {
    uint256 internal constant MAX_DEPTH = 24;

    /// @dev Root of an anchor, in the first 27 bytes of the result:
    ///     depth == 0 ? top : keccak256(abi.encodePacked(uint8(2), uint8(depth), top))
    function root(uint256 depth, bytes32 top_) internal pure returns (bytes32 result) {
        if (depth == 0) return top_;
        assembly ("memory-safe") {
            mstore(2, top_)
            mstore8(0, 2)
            mstore8(1, depth)
            result := keccak256(0, 34)
        }
    }

    /// @dev Top of the tree over `count` leaves, which stand in memory at `pairs` as (index, value) by ascending index, each index below
    /// 2^depth; they are overwritten, as are 65 bytes behind them. Siblings are taken from calldata at `siblings`; returns also where
    /// they end. The value of a subtree is that of its only leaf, or a node: of its two halves', if both have leaves; else of the one
    /// half's and the next sibling. A node of two zeros is zero, any other keccak256(abi.encodePacked(uint8(1), left, right)).
    ///
    /// Without recursion: a leaf climbs, with siblings, to the level on which it meets its neighbour in the list. A left one waits
    /// there on a stack, which takes the place of the pairs that have served. In assembly, for there are up to 384 nodes, twice.
    function top(uint256 pairs, uint256 count, uint256 depth, uint256 siblings)
        internal
        pure
        returns (bytes32 value, uint256 next)
    {
        if (depth == 0) {
            assembly ("memory-safe") {
                value := mload(add(pairs, 32))
            }
            return (value, siblings);
        }
        assembly ("memory-safe") {
            next := siblings
            let end := add(pairs, shl(6, count))
            let node := end
            mstore8(node, 1)
            let sides := add(node, 1)
            let stack := pairs // of (level, value)
            for { let from := pairs } lt(from, end) {} {
                let index := mload(from)
                value := mload(add(from, 32))
                from := add(from, 64)
                // Two leaves meet on the level of the highest bit in which they differ.
                let goal := depth
                if lt(from, end) { goal := sub(255, clz(xor(index, mload(from)))) }
                for { let level := 0 } 1 {} {
                    let until := goal
                    if gt(stack, pairs) {
                        let meets := mload(sub(stack, 64))
                        if lt(meets, goal) { until := meets }
                    }
                    for {} lt(level, until) { level := add(level, 1) } {
                        let side := shl(5, and(index, 1)) // an odd one stands on the right
                        let other := calldataload(next)
                        mstore(add(sides, side), value)
                        mstore(add(sides, xor(side, 32)), other)
                        value := mul(keccak256(node, 65), iszero(iszero(or(value, other))))
                        next := add(next, 32)
                        index := shr(1, index)
                    }
                    if eq(until, goal) { break }
                    // Meets the one that waits, on its left.
                    let left := mload(sub(stack, 32))
                    mstore(sides, left)
                    mstore(add(sides, 32), value)
                    value := mul(keccak256(node, 65), iszero(iszero(or(left, value))))
                    stack := sub(stack, 64)
                    level := add(level, 1)
                    index := shr(1, index)
                }
                if lt(from, end) {
                    mstore(stack, goal)
                    mstore(add(stack, 32), value)
                    stack := add(stack, 64)
                }
            }
        }
    }
}
