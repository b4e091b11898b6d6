// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../../contracts/interfaces/IRule.sol";

/// @notice Writes the hash of its own calldata into the first fragment: so a step shows what a rule sees.
contract Mirror is IRule {
    function transition(Context calldata, Fragment[] calldata, Authorisation[] calldata, bytes calldata)
        external
        pure
        returns (bytes memory)
    {
        return abi.encodePacked(uint8(4), uint8(0), uint16(32), keccak256(msg.data));
    }
}
