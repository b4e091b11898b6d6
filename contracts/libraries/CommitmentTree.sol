// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

/// @notice A tree of arity eight over 32-byte values. Runs of eight values are replaced by their hash until one is left;
/// the last run of a level may be shorter. The shape is a function of the number of leaves, which every commitment
/// that uses a tree also covers: hence no leaf can be taken for a node, and neither carries a tag.
library CommitmentTree {
    uint256 internal constant ARITY = 8;

    /// @dev Root of `n ≥ 1` words at memory `start`, which are overwritten. One word is its own root.
    function rootInPlace(uint256 start, uint256 n) internal pure returns (bytes32 root) {
        assembly ("memory-safe") {
            for {} gt(n, 1) {} {
                let out := start
                let from := start
                let end := add(start, shl(5, n))
                for {} lt(from, end) { from := add(from, 256) } {
                    let size := sub(end, from)
                    if gt(size, 256) { size := 256 }
                    // Never ahead of what is still to be read: out ≤ from.
                    mstore(out, keccak256(from, size))
                    out := add(out, 32)
                }
                n := shr(5, sub(out, start))
            }
            root := mload(start)
        }
    }

    /// @dev Number of siblings in an opening of leaf `index` of `n`.
    function siblingCount(uint256 n, uint256 index) internal pure returns (uint256 count) {
        unchecked {
            while (n > 1) {
                count += _runLength(n, index) - 1;
                index /= ARITY;
                n = (n + ARITY - 1) / ARITY;
            }
        }
    }

    /// @dev Root from leaf `index` of `n` and its siblings, bottom-up, each level's in order without the own one.
    /// `siblings` holds exactly `siblingCount(n, index)` words.
    function rootFrom(bytes32 leaf, uint256 n, uint256 index, bytes calldata siblings)
        internal
        pure
        returns (bytes32 root)
    {
        root = leaf;
        uint256 pos;
        assembly ("memory-safe") {
            pos := siblings.offset
        }
        unchecked {
            while (n > 1) {
                uint256 length = _runLength(n, index);
                uint256 place = index % ARITY;
                assembly ("memory-safe") {
                    let run := mload(0x40) // scratch beyond the free pointer
                    calldatacopy(run, pos, shl(5, place))
                    mstore(add(run, shl(5, place)), root)
                    calldatacopy(
                        add(run, shl(5, add(place, 1))),
                        add(pos, shl(5, place)),
                        shl(5, sub(sub(length, place), 1))
                    )
                    root := keccak256(run, shl(5, length))
                    pos := add(pos, shl(5, sub(length, 1)))
                }
                index /= ARITY;
                n = (n + ARITY - 1) / ARITY;
            }
        }
    }

    /// @dev Length of the run that holds `index` among `n` values.
    function _runLength(uint256 n, uint256 index) private pure returns (uint256) {
        unchecked {
            uint256 left = n - index / ARITY * ARITY;
            return left < ARITY ? left : ARITY;
        }
    }
}
