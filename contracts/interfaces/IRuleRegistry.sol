// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

/// @title The registry of rules
/// @notice Deploys bytecode that it has scanned: a rule here can read nothing but its input, call nobody, and never change.
interface IRuleRegistry {
    /// @notice A rule was deployed.
    /// @param rule Its address: a function of the runtime code and of this registry
    /// @param size Bytes of runtime code
    event RuleRegistered(address indexed rule, uint256 size);

    /// @notice There is no code to register.
    error EmptyRuntime();
    /// @notice The opcode at byte `offset` is not on the allow-list.
    error OpcodeRefused(uint256 offset, uint8 opcode);
    /// @notice The EVM refused to create the contract (too large, or out of gas).
    error DeploymentFailed();

    /// @notice Block at which a rule was registered; zero if it is not a rule of this registry.
    function registeredAt(address rule) external view returns (uint256 blockNumber);

    /// @notice Scans and deploys a rule. For code that is registered already: returns its address.
    /// @param runtime Runtime bytecode, without metadata (`bytecode_hash = "none"`, `cbor_metadata = false`)
    function register(bytes calldata runtime) external returns (address rule);

    /// @notice Address that `runtime` has, or would have, as a rule of this registry.
    function addressOf(bytes calldata runtime) external view returns (address rule);
}
