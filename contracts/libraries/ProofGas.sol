// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Calldata} from "./Calldata.sol";

/// @notice A bound on what proving a step costs, from sizes that the batch's commitment fixes, at the dearer of the known gas
/// schedules. A step that exceeds its batch's ceiling is invalid; so no proposer can post a lie too costly to disprove.
/// Total: neither function reverts, whatever the bytes.
library ProofGas {
    using Calldata for bytes;

    // Gas. The test in test/gas/ProofGas.t.sol measures worst cases against each.
    uint256 internal constant TX_BASE = 200_000; // everything but evidence and evaluation
    uint256 internal constant FLOOR_BYTE = 64; // calldata floor of EIP-7976, whatever the byte
    uint256 internal constant DATA_BYTE = 16; // calldata
    uint256 internal constant OPEN_BYTE = 8; // copying and hashing evidence
    uint256 internal constant EVAL_BASE = 30_000;
    uint256 internal constant EVAL_BYTE = 40; // decoding, encoding, hashing of step and states
    uint256 internal constant EVAL_TOUCH = 5000;
    uint256 internal constant CALL_BASE = 15_000;
    uint256 internal constant CALL_FRAGMENT = 6000; // listing a fragment, beside its bytes
    uint256 internal constant AUTH = 12_000; // signature and its message
    uint256 internal constant AUTH_OUTFLOW = 1000;
    uint256 internal constant PASS_BYTE = 40; // passing states to a rule
    uint256 internal constant EFFECT_BYTE = 300; // decoding and applying effects

    uint256 private constant MAX_CALLS = 16;
    uint256 private constant MAX_FRAGMENTS = 16;
    uint256 private constant MAX_OUTFLOWS = 32;
    uint256 private constant MAX_EFFECT_BYTES = 8192;

    /// @dev Whether a body is well formed (docs/spec.md, section 5), and the evaluation's gas.
    /// @param stepSize Bytes of the step
    /// @param touches Anchors that the step names
    /// @param stateSize Bytes of its pre-states
    function evaluation(bytes calldata body, uint256 stepSize, uint256 touches, uint256 stateSize)
        internal
        pure
        returns (bool wellFormed, uint256 gas_)
    {
        // Every read is within the body or followed by a check that fails; `at` only grows.
        unchecked {
            gas_ = EVAL_BASE + EVAL_BYTE * (stepSize + stateSize) + EVAL_TOUCH * touches;
            uint256 size = body.length;
            uint256 calls = body.number(1, 1);
            if (size < 2 || body.number(0, 1) != 0 || calls == 0 || calls > MAX_CALLS) return (false, 0);
            uint256 passed = stateSize;
            uint256 pos = 2;
            for (uint256 i; i < calls; ++i) {
                uint256 effectBytes = body.number(pos + 5, 2);
                uint256 fragments = body.number(pos + 7, 1);
                if (effectBytes > MAX_EFFECT_BYTES || fragments == 0 || fragments > MAX_FRAGMENTS) return (false, 0);
                passed += effectBytes;
                gas_ += CALL_BASE + body.number(pos + 1, 4) + CALL_FRAGMENT * fragments + PASS_BYTE * passed
                    + EFFECT_BYTE * effectBytes;
                pos += 8 + fragments;

                uint256 authorisations = body.number(pos, 1);
                if (authorisations > fragments) return (false, 0);
                gas_ += AUTH * authorisations;
                pos += 1;
                for (uint256 j; j < authorisations; ++j) {
                    uint256 outflows = body.number(pos + 9, 1);
                    if (outflows > MAX_OUTFLOWS) return (false, 0);
                    gas_ += AUTH_OUTFLOW * outflows;
                    pos += 10 + 48 * outflows;
                    pos += 2 + body.number(pos, 2);
                    if (body.number(pos, 1) != 1) return (false, 0); // scheme
                    pos += 65;
                    if (pos > size) return (false, 0);
                }
                pos += 2 + body.number(pos, 2);
                if (pos > size) return (false, 0);
            }
            return (pos == size, gas_);
        }
    }

    /// @dev Bound of the whole challenge transaction.
    function proof(uint256 evidenceSize, uint256 evaluationGas) internal pure returns (uint256) {
        unchecked {
            uint256 floor = FLOOR_BYTE * evidenceSize;
            uint256 execution = (DATA_BYTE + OPEN_BYTE) * evidenceSize + evaluationGas;
            return TX_BASE + (floor > execution ? floor : execution);
        }
    }
}
