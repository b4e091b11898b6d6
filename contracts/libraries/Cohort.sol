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
    /// they end. At each level a value meets its neighbour in the list, or else the next sibling; a node of two zeros is zero, any
    /// other keccak256(abi.encodePacked(uint8(1), left, right)). In assembly: up to 384 nodes, twice.
    function top(uint256 pairs, uint256 count, uint256 depth, uint256 siblings)
        internal
        pure
        returns (bytes32 value, uint256 next)
    {
        assembly ("memory-safe") {
            next := siblings
            let end := add(pairs, shl(6, count))
            let node := end
            mstore8(node, 1)
            let sides := add(node, 1)
            // Levels of several values; what is left of one value climbs alone below.
            for {} and(gt(depth, 0), gt(sub(end, pairs), 64)) { depth := sub(depth, 1) } {
                let to := pairs
                for { let from := pairs } lt(from, end) {} {
                    let index := mload(from)
                    let own := mload(add(from, 32))
                    from := add(from, 64)
                    let other
                    switch and(lt(from, end), eq(mload(from), or(index, 1)))
                    case 1 {
                        // Indices ascend, so this one is even and the next its neighbour.
                        other := mload(add(from, 32))
                        from := add(from, 64)
                    }
                    default {
                        other := calldataload(next)
                        next := add(next, 32)
                    }
                    let side := shl(5, and(index, 1)) // an odd one stands on the right
                    mstore(add(sides, side), own)
                    mstore(add(sides, xor(side, 32)), other)
                    mstore(to, shr(1, index))
                    mstore(add(to, 32), mul(keccak256(node, 65), iszero(iszero(or(own, other)))))
                    to := add(to, 64)
                }
                end := to
            }
            let index := mload(pairs)
            value := mload(add(pairs, 32))
            for {} depth { depth := sub(depth, 1) } {
                let other := calldataload(next)
                next := add(next, 32)
                let side := shl(5, and(index, 1))
                mstore(add(sides, side), value)
                mstore(add(sides, xor(side, 32)), other)
                value := mul(keccak256(node, 65), iszero(iszero(or(value, other))))
                index := shr(1, index)
            }
        }
    }
}
