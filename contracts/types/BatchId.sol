// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

/// @notice Names a batch or a deposit: when it happened, and its place among its block's.
///
///     39                         13 12          0
///     | block − deployment block | sequence      |
///
/// The sequence counts from 1, so no id is zero; ids grow with time, so `<` is "older".
type BatchId is uint40;

using BatchIdLib for BatchId global;

library BatchIdLib {
    uint256 internal constant SEQUENCE_BITS = 13;
    uint256 internal constant MAX_SEQUENCE = (1 << SEQUENCE_BITS) - 1;

    /// @dev Block of the id, counted from the deployment block.
    function relativeBlock(BatchId id) internal pure returns (uint256) {
        return BatchId.unwrap(id) >> SEQUENCE_BITS;
    }

    /// @dev Place among the batches and deposits of its block, from 1.
    function sequence(BatchId id) internal pure returns (uint256) {
        return BatchId.unwrap(id) & MAX_SEQUENCE;
    }
}
