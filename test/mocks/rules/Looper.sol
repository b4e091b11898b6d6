// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../../../contracts/interfaces/IRule.sol";

/// @notice Burns all the gas that it gets.
contract Looper is IRule {
    function transition(Context calldata, Fragment[] calldata, Authorisation[] calldata, bytes calldata)
        external
        pure
        returns (bytes memory)
    {
        while (true) {}
    }
}
