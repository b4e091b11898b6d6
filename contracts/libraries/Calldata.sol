// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

/// @notice Fields of byte strings in calldata, without Solidity's check of every slice (77 gas each).
library Calldata {
    /// @dev The `size` bytes (1 to 32) at `offset`, as a number. It does not look where `data` ends: the caller knows that the
    /// field lies within, or makes sure of it before it believes the value. Beyond the calldata there are zeros.
    function number(bytes calldata data, uint256 offset, uint256 size) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(sub(256, shl(3, size)), calldataload(add(data.offset, offset)))
        }
    }

    /// @dev The `size` bytes at `offset`. As for `number`, the caller answers for the bounds.
    function slice(bytes calldata data, uint256 offset, uint256 size) internal pure returns (bytes calldata part) {
        assembly ("memory-safe") {
            part.offset := add(data.offset, offset)
            part.length := size
        }
    }
}
