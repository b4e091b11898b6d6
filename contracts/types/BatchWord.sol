// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

/// @notice What the bridge keeps of a batch. A proposer has 65,536 words and reuses them.
///
///     255                       56 55    54 53 52     51        50                         24 23               0
///     | 25 bytes of the           | status | 0 | many | assigned | block − deployment block   | unpaid            |
///     | commitment                |        |   |      |          |                            | withdrawals       |
///
/// Up to 24 withdrawals have a bit each, set while unpaid. Of many the field says how many are unpaid; which ones those are, says a
/// slot of their own (`Claims`).
type BatchWord is uint256;

/// @notice A batch's fate. Only a live one can become final.
enum Status {
    Live,
    Faulty, // convicted by a fraud proof
    Condemned, // built on a faulty or condemned batch
    Unwound // its anchors are restored
}

using BatchWordLib for BatchWord global;

library BatchWordLib {
    uint256 private constant COMMITMENT_MASK = ~((uint256(1) << 56) - 1);
    uint256 private constant STATUS_SHIFT = 54;
    uint256 private constant MANY = 1 << 52;
    uint256 private constant ASSIGNED = 1 << 51;
    uint256 private constant BLOCK_SHIFT = 24;
    uint256 private constant BLOCK_MASK = (1 << 27) - 1;

    /// @dev Word slots: 10 bytes of this hash ‖ proposer ‖ u16 k.
    uint256 private constant SLOT_TAG = uint256(keccak256("nthroot.batch")) & ~((uint256(1) << 176) - 1);

    /// @dev A live batch's word with nothing paid. `withdrawals` ≤ 255.
    function pack(bytes32 commitment, uint256 blockOffset, uint256 withdrawals) internal pure returns (BatchWord) {
        uint256 unpaid = withdrawals > BLOCK_SHIFT ? MANY | withdrawals : (1 << withdrawals) - 1;
        return BatchWord.wrap((uint256(commitment) & COMMITMENT_MASK) | (blockOffset << BLOCK_SHIFT) | unpaid);
    }

    /// @dev Whether the word commits to `commitment`. False for an unused word: no commitment has 25 zero bytes.
    function commitsTo(BatchWord word, bytes32 commitment) internal pure returns (bool) {
        return (BatchWord.unwrap(word) ^ uint256(commitment)) & COMMITMENT_MASK == 0;
    }

    function isEmpty(BatchWord word) internal pure returns (bool) {
        return BatchWord.unwrap(word) == 0;
    }

    function status(BatchWord word) internal pure returns (Status) {
        return Status((BatchWord.unwrap(word) >> STATUS_SHIFT) & 3);
    }

    function withStatus(BatchWord word, Status to) internal pure returns (BatchWord) {
        return BatchWord.wrap((BatchWord.unwrap(word) & ~(uint256(3) << STATUS_SHIFT)) | (uint256(to) << STATUS_SHIFT));
    }

    /// @dev Block of inclusion, counted from the deployment block.
    function relativeBlock(BatchWord word) internal pure returns (uint256) {
        return (BatchWord.unwrap(word) >> BLOCK_SHIFT) & BLOCK_MASK;
    }

    function hasUnpaid(BatchWord word) internal pure returns (bool) {
        return BatchWord.unwrap(word) & ((1 << BLOCK_SHIFT) - 1) != 0;
    }

    /// @dev Whether the batch has more withdrawals than there are bits for.
    function isMany(BatchWord word) internal pure returns (bool) {
        return BatchWord.unwrap(word) & MANY != 0;
    }

    /// @dev Of a batch without many.
    function isUnpaid(BatchWord word, uint256 position) internal pure returns (bool) {
        return position < BLOCK_SHIFT && (BatchWord.unwrap(word) >> position) & 1 == 1;
    }

    /// @dev One withdrawal is paid, the one at `position`. It was unpaid: of many, the count is not zero.
    function withPaid(BatchWord word, uint256 position) internal pure returns (BatchWord) {
        unchecked {
            return BatchWord.wrap(BatchWord.unwrap(word) - (word.isMany() ? 1 : 1 << position));
        }
    }

    /// @dev Whether a claim of the batch was ever assigned.
    function isAssigned(BatchWord word) internal pure returns (bool) {
        return BatchWord.unwrap(word) & ASSIGNED != 0;
    }

    function withAssigned(BatchWord word) internal pure returns (BatchWord) {
        return BatchWord.wrap(BatchWord.unwrap(word) | ASSIGNED);
    }

    function load(address proposer, uint256 k) internal view returns (BatchWord word) {
        uint256 slot = SLOT_TAG | (uint256(uint160(proposer)) << 16) | k;
        assembly ("memory-safe") {
            word := sload(slot)
        }
    }

    function store(address proposer, uint256 k, BatchWord word) internal {
        uint256 slot = SLOT_TAG | (uint256(uint160(proposer)) << 16) | k;
        assembly ("memory-safe") {
            sstore(slot, word)
        }
    }
}
