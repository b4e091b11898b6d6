// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

/// @title The verdict on one step
/// @notice Stateless. Three outcomes, never confused: bad evidence or too little gas reverts; a valid step returns true; an
/// invalid one returns false. Everything that the verdict depends on is fixed by the batch's commitment.
interface IFraudVerifier {
    /// @notice The evidence is shorter or longer than what it announces.
    error EvidenceLength(uint256 expected, uint256 given);
    /// @notice The batch has fewer steps.
    error StepOutOfRange(uint256 index, uint256 stepCount);
    /// @notice The step, its anchors or its pre-states are not those of the batch.
    error StepNotInBatch(bytes32 expectedRoot, bytes32 openedRoot);
    /// @notice Bring more gas: the verdict must not depend on it.
    error NeedGas(uint256 needed, uint256 given);

    /// @notice Whether the step that `evidence` opens is valid.
    /// @param evidence docs/spec.md, section 7. Its commitment preimage is taken as given: the bridge has checked it
    /// @param bridge The bridge whose domain the signatures carry
    function verify(bytes calldata evidence, address bridge) external view returns (bool valid);

    /// @notice The evaluation alone, in a frame of its own; `verify` calls it. A revert other than `NeedGas` means invalid.
    /// @param evidence As opened by `verify`, with a well-formed body
    function evaluate(bytes calldata evidence, address bridge) external view returns (bool valid);
}
