// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRuleRegistry} from "./interfaces/IRuleRegistry.sol";
import {Purity} from "./libraries/Purity.sol";

contract RuleRegistry is IRuleRegistry {
    /// @dev Init code in front of the runtime: returns all that follows it.
    ///     PUSH1 11  CODESIZE  SUB  DUP1  PUSH1 11  PUSH0  CODECOPY  PUSH0  RETURN
    bytes11 private constant PREFIX = 0x600b380380600b5f395ff3;

    /// @inheritdoc IRuleRegistry
    mapping(address rule => uint256 blockNumber) public registeredAt;

    /// @inheritdoc IRuleRegistry
    function register(bytes calldata runtime) external returns (address rule) {
        rule = addressOf(runtime);
        if (registeredAt[rule] != 0) return rule;
        Purity.check(runtime);
        bytes memory initcode = abi.encodePacked(PREFIX, runtime);
        address created;
        assembly ("memory-safe") {
            created := create2(0, add(initcode, 32), mload(initcode), 0)
        }
        if (created != rule) revert DeploymentFailed();
        registeredAt[rule] = block.number;
        emit RuleRegistered(rule, runtime.length);
    }

    /// @inheritdoc IRuleRegistry
    function addressOf(bytes calldata runtime) public view returns (address rule) {
        bytes32 initcodeHash = keccak256(abi.encodePacked(PREFIX, runtime));
        bytes32 hash = keccak256(abi.encodePacked(bytes1(0xff), address(this), bytes32(0), initcodeHash));
        return address(uint160(uint256(hash)));
    }
}
