// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

/// @title Bad evidence
/// @notice Why a challenge says nothing about its step. The verifier reverts with these, and the bridge passes them on.
interface IEvidenceErrors {
    /// @notice The evidence is shorter or longer than what it announces.
    error EvidenceLength(uint256 expected, uint256 given);
    /// @notice The batch has fewer steps.
    error StepOutOfRange(uint256 index, uint256 stepCount);
    /// @notice The step, its anchors or its pre-states are not those of the batch.
    error StepNotInBatch(bytes32 expectedRoot, bytes32 openedRoot);
    /// @notice No cohort is that deep.
    error DepthTooLarge(uint256 depth);
    /// @notice What is given as the pre-state of this fragment does not start with the domain of leaves.
    error NotAPreState(uint256 fragment);
    /// @notice Bring more gas: the verdict must not depend on it.
    error NeedGas(uint256 needed, uint256 given);
}
