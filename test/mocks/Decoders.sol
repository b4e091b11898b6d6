// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {ProofGas} from "../../contracts/libraries/ProofGas.sol";
import {States} from "../../contracts/libraries/States.sol";

/// @notice Decoders of the libraries, each by itself: in a verdict another fault hides what a decoder took for right.
contract Decoders {
    using States for States.State;

    /// @return Hash of what the state encodes to again
    function state(bytes calldata encoded) external pure returns (bytes32) {
        States.State memory decoded;
        States.decode(encoded, decoded);
        return decoded.hash();
    }

    /// @param callsAt Where the leaf table ends
    /// @return wellFormed Whether the rest of the body is
    /// @return gas_ What its calls add to the evaluation's gas
    function body(bytes calldata encoded, uint256 callsAt) external pure returns (bool wellFormed, uint256 gas_) {
        return ProofGas.evaluation(encoded, callsAt, 0, 0, type(uint256).max);
    }
}
