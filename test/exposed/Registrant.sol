// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRuleRegistry} from "../../contracts/interfaces/IRuleRegistry.sol";

/// @notice Registers from its constructor, when it has no code yet.
contract Registrant {
    constructor(address registry, bytes memory runtime) {
        IRuleRegistry(registry).register(runtime);
    }
}
