// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IEvidenceErrors} from "./IEvidenceErrors.sol";

/// @title The verdict on one step
/// @notice Stateless. Three outcomes, never confused: bad evidence or too little gas reverts; a valid step returns true; an
/// invalid one returns false. Everything that the verdict depends on is fixed by the batch's commitment.
interface IFraudVerifier is IEvidenceErrors {
    /// @notice The chain does not verify P-256 signatures (EIP-7951): a passkey's lies could not be told from its truths.
    error NoP256Precompile();

    /// @notice Whether the step that `evidence` opens is valid.
    /// @param evidence docs/spec.md, section 7. Its commitment preimage is taken as given: the bridge has checked it
    /// @param bridge The bridge whose domain the signatures carry
    function verify(bytes calldata evidence, address bridge) external view returns (bool valid);

    /// @notice The evaluation alone, in a frame of its own; `verify` calls it. A revert other than `NeedGas` means invalid.
    /// @param evidence As opened by `verify`, with a well-formed body
    /// @param parts Where `verify` found its parts: a function of the evidence, handed on since finding them twice costs more
    function evaluate(bytes calldata evidence, address bridge, bytes calldata parts) external view returns (bool valid);
}
