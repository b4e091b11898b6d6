// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {BatchId} from "../types/BatchId.sol";
import {BatchHeader} from "./BatchHeader.sol";
import {Calldata} from "./Calldata.sol";
import {Submission} from "./Submission.sol";

/// @notice The bytes that a batch word commits to: what `submit` found out, then the batch header as it was posted.
///
///     0   batch id             5
///     5   proposer            20
///     25  withdrawals          1
///     26  entries written      2
///     28  hash of entries     32
///     60  step root           32
///     92  withdrawal root     32
///     124 batch header        61 + 20 · rules
library Preimage {
    using Calldata for bytes;

    /// @notice The bytes end before the preimage does.
    error PreimageTruncated(uint256 needed, uint256 given);

    uint256 internal constant HEADER_AT = 124;
    /// @dev Size of a batch header without its rule table.
    uint256 internal constant HEADER_SIZE = BatchHeader.SIZE;

    /// @dev Hash of the preimage of a batch that was just walked:
    ///     keccak256(abi.encodePacked(uint40 id, address proposer, uint8 withdrawals, uint16 entriesWritten, bytes32 entriesHash,
    ///     bytes32 stepRoot, bytes32 withdrawalRoot, batch header))
    function hash(BatchId id, address proposer_, Submission.Result memory done, bytes calldata batch)
        internal
        pure
        returns (bytes32 digest)
    {
        uint256 headerSize = HEADER_SIZE + 20 * BatchHeader.ruleCount(batch);
        uint256 withdrawals = done.withdrawals;
        uint256 written = done.entriesWritten;
        assembly ("memory-safe") {
            let preimage := mload(0x40)
            mstore(preimage, or(or(shl(216, id), shl(56, proposer_)), or(shl(48, withdrawals), shl(32, written))))
            mcopy(add(preimage, 28), add(done, 0x20), 64) // entries hash, step root
            mcopy(add(preimage, 92), add(done, 0x80), 32) // withdrawal root
            calldatacopy(add(preimage, HEADER_AT), batch.offset, headerSize)
            digest := keccak256(preimage, add(HEADER_AT, headerSize))
        }
    }

    /// @dev Cuts the preimage off the front of `data`.
    function cut(bytes calldata data) internal pure returns (bytes calldata preimage) {
        uint256 size = HEADER_AT + HEADER_SIZE;
        if (data.length >= size) size += 20 * uint256(uint8(data[size - 1])); // widened first: 13 rules overflow a byte
        if (data.length < size) revert PreimageTruncated(size, data.length);
        return data[:size];
    }

    function batchId(bytes calldata preimage) internal pure returns (BatchId) {
        return BatchId.wrap(uint40(preimage.number(0, 5)));
    }

    function proposer(bytes calldata preimage) internal pure returns (address) {
        return address(uint160(preimage.number(5, 20)));
    }

    function withdrawalCount(bytes calldata preimage) internal pure returns (uint256) {
        return preimage.number(25, 1);
    }

    function entriesHash(bytes calldata preimage) internal pure returns (bytes32) {
        return bytes32(preimage.number(28, 32));
    }

    function stepRoot(bytes calldata preimage) internal pure returns (bytes32) {
        return bytes32(preimage.number(60, 32));
    }

    function withdrawalRoot(bytes calldata preimage) internal pure returns (bytes32) {
        return bytes32(preimage.number(92, 32));
    }

    function chainId(bytes calldata preimage) internal pure returns (uint64) {
        return uint64(preimage.number(HEADER_AT + 2, 8));
    }

    function clock(bytes calldata preimage) internal pure returns (uint64) {
        return uint64(preimage.number(HEADER_AT + 10, 8));
    }

    function ceiling(bytes calldata preimage) internal pure returns (uint256) {
        return preimage.number(HEADER_AT + 50, 4);
    }

    function wordSlot(bytes calldata preimage) internal pure returns (uint256) {
        return preimage.number(HEADER_AT + 54, 2);
    }

    function stepCount(bytes calldata preimage) internal pure returns (uint256) {
        return preimage.number(HEADER_AT + 56, 2);
    }

    function entryCount(bytes calldata preimage) internal pure returns (uint256) {
        return preimage.number(HEADER_AT + 58, 2);
    }

    function ruleCount(bytes calldata preimage) internal pure returns (uint256) {
        return preimage.number(HEADER_AT + 60, 1);
    }

    /// @dev Entry of the preimage's rule table. `index < ruleCount`.
    function rule(bytes calldata preimage, uint256 index) internal pure returns (address) {
        return address(uint160(preimage.number(HEADER_AT + HEADER_SIZE + 20 * index, 20)));
    }
}
