// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Submission} from "../../contracts/libraries/Submission.sol";
import {BatchId} from "../../contracts/types/BatchId.sol";
import {Head, HeadLib} from "../../contracts/types/Head.sol";

/// @notice The walk of a batch, on heads that a test sets.
contract ExposedSubmission {
    function setHead(uint56 anchor, bytes32 head) external {
        HeadLib.store(anchor, Head.wrap(head));
    }

    function headOf(uint56 anchor) external view returns (bytes32) {
        return Head.unwrap(HeadLib.load(anchor));
    }

    function walk(bytes calldata steps, uint256 stepCount, uint256 entryCount, uint40 id, uint256 newest)
        external
        returns (Submission.Result memory)
    {
        return Submission.walk(steps, stepCount, entryCount, BatchId.wrap(id), newest);
    }
}
