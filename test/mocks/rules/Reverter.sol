// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../../../contracts/interfaces/IRule.sol";

/// @notice Always reverts, with `extra` as its revert data.
contract Reverter is IRule {
    function transition(Context calldata, Fragment[] calldata, Authorisation[] calldata, bytes calldata extra)
        external
        pure
        returns (bytes memory)
    {
        assembly ("memory-safe") {
            let data := mload(0x40)
            calldatacopy(data, extra.offset, extra.length)
            revert(data, extra.length)
        }
    }
}
