// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../../../contracts/interfaces/IRule.sol";

/// @notice Returns whatever effects the proposer supplies: the kernel alone stands between them and the fragments.
contract Puppet is IRule {
    function transition(Context calldata, Fragment[] calldata, Authorisation[] calldata, bytes calldata extra)
        external
        pure
        returns (bytes memory)
    {
        return extra;
    }
}
