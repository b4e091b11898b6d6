// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Calldata} from "./Calldata.sol";
import {Signatures} from "./Signatures.sol";

/// @notice A bound on what proving a step costs, from sizes that the batch's commitment fixes, at the dearer of the known gas
/// schedules. A step that exceeds its batch's ceiling is invalid; so no proposer can post a lie too costly to disprove.
/// And a bound on what rules may take, from the step's bytes: L1 is paid for those, and each watcher runs the rules.
/// Total: nothing here reverts, whatever the bytes.
library ProofGas {
    using Calldata for bytes;

    // Gas. The test in test/gas/ProofGas.t.sol measures worst cases against each.
    uint256 internal constant TX_BASE = 200_000; // everything but evidence and evaluation
    uint256 internal constant FLOOR_BYTE = 64; // calldata floor of EIP-7976, whatever the byte
    uint256 internal constant DATA_BYTE = 16; // calldata
    uint256 internal constant OPEN_BYTE = 8; // copying and hashing evidence
    uint256 internal constant EVAL_BASE = 30_000;
    uint256 internal constant EVAL_BYTE = 40; // decoding, encoding, hashing of step and states
    uint256 internal constant EVAL_FRAGMENT = 6000;
    uint256 internal constant EVAL_NODE = 600; // a level of a cohort's tree, before and after
    uint256 internal constant CALL_BASE = 15_000;
    uint256 internal constant CALL_FRAGMENT = 6000; // listing a fragment, beside its bytes
    uint256 internal constant AUTH = 12_000; // signature and its message
    uint256 internal constant AUTH_P256 = 8000; // beside AUTH, for P-256 and WebAuthn
    uint256 internal constant AUTH_WEBAUTHN = 10_000; // beside both
    uint256 internal constant AUTH_OUTFLOW = 1000;
    uint256 internal constant PASS_BYTE = 40; // passing states to a rule
    uint256 internal constant EFFECT_BYTE = 300; // decoding and applying effects

    uint256 private constant RULE_GAS_PER_BYTE = 600;
    uint256 private constant MAX_CALLS = 16;
    uint256 private constant MAX_FRAGMENTS = 16;
    uint256 private constant MAX_OUTFLOWS = 32;
    uint256 private constant MAX_EFFECT_BYTES = 8192;

    /// @dev Gas that the rules of a step of this size may take: any, if it is alone in its batch.
    function rules(uint256 steps, uint256 stepSize) internal pure returns (uint256) {
        unchecked {
            return steps == 1 ? type(uint256).max : RULE_GAS_PER_BYTE * stepSize;
        }
    }

    /// @dev Whether a body is well formed (docs/spec.md, section 5) behind its leaf table and commits no more than
    /// `rules_` to its calls, and the evaluation's gas.
    /// @param pos Where its calls start
    /// @param gas_ What `base` says
    /// @param stateSize Bytes of the pre-states
    /// @param rules_ What `rules` says
    function evaluation(bytes calldata body, uint256 pos, uint256 gas_, uint256 stateSize, uint256 rules_)
        internal
        pure
        returns (bool, uint256)
    {
        // Every read is within the body or followed by a check that fails; `at` only grows.
        unchecked {
            uint256 size = body.length;
            uint256 calls = body.number(pos, 1);
            if (size <= pos || calls == 0 || calls > MAX_CALLS) return (false, 0);
            uint256 passed = stateSize;
            ++pos;
            for (; calls > 0; --calls) {
                uint256 committed = body.number(pos + 1, 4);
                if (committed > rules_) return (false, 0);
                rules_ -= committed;
                uint256 effectBytes = body.number(pos + 5, 2);
                uint256 fragments = body.number(pos + 7, 1);
                if (effectBytes > MAX_EFFECT_BYTES || fragments == 0 || fragments > MAX_FRAGMENTS) return (false, 0);
                passed += effectBytes;
                gas_ += CALL_BASE + committed + CALL_FRAGMENT * fragments + PASS_BYTE * passed + EFFECT_BYTE
                    * effectBytes;
                pos += 8 + fragments;

                uint256 authorisations = body.number(pos, 1);
                if (authorisations > fragments) return (false, 0);
                gas_ += AUTH * authorisations;
                pos += 1;
                for (; authorisations > 0; --authorisations) {
                    uint256 outflows = body.number(pos + 9, 1);
                    if (outflows > MAX_OUTFLOWS) return (false, 0);
                    gas_ += AUTH_OUTFLOW * outflows;
                    pos += 10 + 48 * outflows;
                    pos += 2 + body.number(pos, 2);
                    uint256 scheme = body.number(pos, 1);
                    pos = Signatures.end(body, pos + 1, scheme);
                    if (pos == 0 || pos > size) return (false, 0);
                    if (scheme != Signatures.SECP256K1) gas_ += AUTH_P256;
                    if (scheme == Signatures.WEBAUTHN) gas_ += AUTH_WEBAUTHN;
                }
                pos += 2 + body.number(pos, 2);
                if (pos > size) return (false, 0);
            }
            return (pos == size, gas_);
        }
    }

    /// @dev What an evaluation costs beside its calls.
    /// @param size Bytes of the step and of its pre-states
    /// @param nodes Siblings in its anchors' trees, and the most that opened anchors can have
    function base(uint256 size, uint256 fragments, uint256 nodes) internal pure returns (uint256) {
        unchecked {
            return EVAL_BASE + EVAL_BYTE * size + EVAL_FRAGMENT * fragments + EVAL_NODE * nodes;
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
