// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../../../contracts/interfaces/IRule.sol";

/// @notice Returns `extra` as it is, without ABI encoding: any return data at all.
contract RawReturn is IRule {
    function transition(Context calldata, Fragment[] calldata, Authorisation[] calldata, bytes calldata extra)
        external
        pure
        returns (bytes memory)
    {
        assembly ("memory-safe") {
            let data := mload(0x40)
            calldatacopy(data, extra.offset, extra.length)
            return(data, extra.length)
        }
    }
}
