// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IFraudVerifier} from "./interfaces/IFraudVerifier.sol";
import {Calldata} from "./libraries/Calldata.sol";
import {Evidence} from "./libraries/Evidence.sol";
import {Intents} from "./libraries/Intents.sol";
import {Kernel} from "./libraries/Kernel.sol";
import {Preimage} from "./libraries/Preimage.sol";
import {ProofGas} from "./libraries/ProofGas.sol";
import {States} from "./libraries/States.sol";
import {BatchId} from "./types/BatchId.sol";

contract FraudVerifier is IFraudVerifier {
    using Calldata for bytes;
    using Evidence for bytes;
    using Preimage for bytes;
    using States for States.State;

    /// @notice The enshrined rule: index 0 of every rule table.
    address public immutable ACCOUNT;

    constructor(address account) {
        ACCOUNT = account;
    }

    /// @inheritdoc IFraudVerifier
    function verify(bytes calldata evidence, address bridge) external view returns (bool valid) {
        // 1. Bad evidence ends here.
        Evidence.Layout memory loc = evidence.locate();
        evidence.open(loc);

        // 2. A step that cannot be read, or costs more to prove than its batch answers for, is invalid.
        (bool wellFormed, uint256 gas_) = ProofGas.evaluation(
            evidence[loc.bodyAt:loc.anchorsAt],
            loc.anchorsAt - loc.stepAt,
            loc.fresh + loc.opened + loc.again,
            loc.statesSize
        );
        if (!wellFormed || ProofGas.proof(evidence.length, gas_) > evidence.ceiling()) return false;

        // 3. Evaluate in a frame of its own, with gas to spare.
        gas_ += gas_ / 3;
        bytes memory input = abi.encodeCall(this.evaluate, (evidence, bridge));
        uint256 needed = gas_ + gas_ / 63 + 5000;
        uint256 given = gasleft();
        if (given < needed) revert NeedGas(needed, given);
        bool done;
        bytes32 output;
        bool needGas;
        bytes4 needGasSelector = NeedGas.selector;
        assembly ("memory-safe") {
            given := gas()
            done := staticcall(gas_, address(), add(input, 32), mload(input), 0, 32)
            given := sub(given, gas())
            output := mload(0)
            needGas := and(iszero(done), and(gt(returndatasize(), 3), eq(shl(224, shr(224, output)), needGasSelector)))
        }
        if (done) return uint256(output) == 1;
        // Burnt all it got: the bound is wrong, and no verdict hangs on that.
        if (needGas || given >= gas_) revert NeedGas(needed, given);
        return false;
    }

    /// @inheritdoc IFraudVerifier
    function evaluate(bytes calldata evidence, address bridge) external view returns (bool valid) {
        Evidence.Layout memory loc = evidence.locate();
        bytes calldata body = evidence[loc.bodyAt:loc.anchorsAt];
        Kernel.Step memory step;
        step.domain = Intents.domain(evidence.chainId(), bridge);
        step.clock = evidence.clock();
        step.proposer = evidence.proposer();
        step.withdrawals = new bytes32[](loc.withdrawals);
        step.nextOpened = loc.fresh;
        step.endOpened = loc.fresh + loc.opened;
        step.fragments = _fragments(evidence, loc);

        uint256 calls = body.number(1, 1);
        uint256 rules = evidence.ruleCount();
        uint256 from = 2;
        for (uint256 i; i < calls; ++i) {
            uint256 rule = body.number(from, 1);
            if (rule > rules) return false;
            from = Kernel.run(step, rule == 0 ? ACCOUNT : evidence.rule(rule - 1), body, from);
        }
        return _matches(evidence, loc, step);
    }

    /// @dev Pre-states in the order of the touches; those to be opened are empty.
    function _fragments(bytes calldata evidence, Evidence.Layout memory loc)
        private
        pure
        returns (Kernel.Work[] memory fragments)
    {
        // Offsets within the evidence, which `locate` has checked.
        unchecked {
            uint256 own = BatchId.unwrap(evidence.batchId());
            fragments = new Kernel.Work[](loc.fresh + loc.opened + loc.again);
            uint256 anchorAt = loc.anchorsAt;
            uint256 stateAt = loc.statesAt;
            for (uint256 i; i < fragments.length; ++i) {
                Kernel.Work memory work = fragments[i];
                uint256 anchor;
                if (i < loc.fresh) {
                    anchor = evidence.number(loc.stepAt + 4 + 39 * i, 7);
                } else {
                    anchor = evidence.number(anchorAt, 7);
                    anchorAt += 7;
                }
                work.exists = i < loc.fresh || i >= loc.fresh + loc.opened;
                if (work.exists) {
                    uint256 size = evidence.number(stateAt, 2);
                    States.decode(evidence.slice(stateAt + 2, size), work.state);
                    stateAt += 2 + size;
                }
                work.id = uint80(anchor << 24);
                work.isNew = anchor >> 16 == own;
                work.state.shown.id = work.isNew ? 0 : work.id;
            }
        }
    }

    /// @dev Whether roots and withdrawals came out as the step says, and every touch was consented to.
    function _matches(bytes calldata evidence, Evidence.Layout memory loc, Kernel.Step memory step)
        private
        pure
        returns (bool)
    {
        unchecked {
            if (step.nextOpened != step.endOpened || step.withdrawn != loc.withdrawals) return false;
            uint256 from = loc.withdrawalsAt;
            for (uint256 i; i < loc.withdrawals; ++i) {
                if (keccak256(evidence.slice(from, 56)) != step.withdrawals[i]) return false;
                from += 56;
            }
            from = loc.stepAt + 4;
            for (uint256 i; i < step.fragments.length; ++i) {
                Kernel.Work memory work = step.fragments[i];
                bool opened = i >= loc.fresh && i < step.endOpened;
                if (!work.listed && !opened) return false;
                // Root in a fresh touch behind the anchor id, in a repeated one behind the entry number.
                uint256 rootAt = i < loc.fresh ? from + 7 : opened ? from : from + 2;
                if (bytes27(work.state.hash()) != bytes27(bytes32(evidence.number(rootAt, 27) << 40))) return false;
                from += i < loc.fresh ? 39 : opened ? 27 : 29;
            }
            return true;
        }
    }
}
