// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {BatchWord, BatchWordLib, Status} from "../../contracts/types/BatchWord.sol";

/// @notice Batch words, for every value of every field.
contract BatchWordSymbolic {
    function check_AWordIsItsFields(bytes32 commitment, uint32 relativeBlock, uint8 withdrawals) external pure {
        if (relativeBlock >= 1 << 27) return;
        BatchWord word = BatchWordLib.pack(commitment, relativeBlock, withdrawals);
        uint256 raw = BatchWord.unwrap(word);
        bool many = withdrawals > 24;
        uint256 unpaid = many ? withdrawals : _ones(withdrawals);
        assert(raw >> 56 == uint256(commitment) >> 56);
        assert((raw >> 51) & 31 == (many ? 2 : 0)); // live, zero, many, not assigned
        assert((raw >> 24) & (2 ** 27 - 1) == relativeBlock);
        assert(raw & (2 ** 24 - 1) == unpaid);
        assert(word.isMany() == many && !word.isAssigned() && word.status() == Status.Live);
        assert(word.relativeBlock() == relativeBlock && word.hasUnpaid() == (withdrawals != 0));
    }

    /// @dev Each bit is for one claim: paying it leaves all others, and everything else, as they are.
    function check_PayingAClaimChangesItsBitOnly(uint256 raw, uint8 position, uint8 other) external pure {
        BatchWord word = BatchWord.wrap(raw);
        if (word.isMany() || !word.isUnpaid(position)) return;
        BatchWord paid = word.withPaid(position);
        assert(position < 24 && !paid.isUnpaid(position));
        assert(BatchWord.unwrap(paid) ^ raw == uint256(1) << position);
        if (other != position) assert(paid.isUnpaid(other) == word.isUnpaid(other));
    }

    function check_PayingOneOfManyCountsDown(uint256 raw, uint8 position) external pure {
        BatchWord word = BatchWord.wrap(raw);
        if (!word.isMany() || !word.hasUnpaid()) return;
        BatchWord paid = word.withPaid(position);
        assert(uint24(BatchWord.unwrap(paid)) == uint24(raw) - 1);
        assert(BatchWord.unwrap(paid) >> 24 == raw >> 24);
    }

    function check_ItsFateChangesNothingElse(uint256 raw, uint8 fate) external pure {
        if (fate > 3) return;
        BatchWord word = BatchWord.wrap(raw).withStatus(Status(fate));
        assert(word.status() == Status(fate));
        assert((BatchWord.unwrap(word) ^ raw) & ~(uint256(3) << 54) == 0);
    }

    function check_AnAssignmentChangesNothingElse(uint256 raw) external pure {
        BatchWord word = BatchWord.wrap(raw).withAssigned();
        assert(word.isAssigned());
        assert((BatchWord.unwrap(word) ^ raw) & ~(uint256(1) << 51) == 0);
    }

    /// @dev A word commits to whatever agrees with it in 25 bytes, which the rest of the word has no part in.
    function check_AWordCommitsToItsFirst25Bytes(uint256 raw, bytes32 commitment) external pure {
        bool same = bytes25(bytes32(raw)) == bytes25(commitment);
        assert(BatchWord.wrap(raw).commitsTo(commitment) == same);
        assert(BatchWord.wrap(raw).withAssigned().withStatus(Status.Unwound).commitsTo(commitment) == same);
    }

    /// @dev 2^n − 1 for n ≤ 24.
    function _ones(uint256 n) private pure returns (uint256 ones) {
        unchecked {
            ones = (uint256(1) << n) - 1;
        }
    }
}
