// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {console} from "forge-std/console.sol";

import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Bound} from "./Bound.sol";
import {CohortTrials} from "./CohortTrials.sol";
import {Passkeys} from "./Passkeys.sol";
import {Anchor, Call, State} from "./Shapes.sol";
import {Trial} from "./Trials.sol";

/// @notice What an evaluation costs, against its bound. The rule's gas is taken out on both sides, for it is spent as committed.
abstract contract Measuring is CohortTrials, Passkeys {
    /// @dev A rule that returns `extra` for next to no gas, so that the kernel's own cost is all that shows.
    address internal echo;
    string[] private exceeded;

    function setUp() public virtual override {
        super.setUp();
        // `extra` comes last in the calldata, as length ‖ bytes ‖ padding. With o = calldataload(132) + 4, where it starts,
        // returns u256 32 ‖ calldata[o …]:
        // PUSH1 32 PUSH0 MSTORE · PUSH1 132 CALLDATALOAD PUSH1 4 ADD · DUP1 CALLDATASIZE SUB · DUP1 SWAP2 PUSH1 32
        // CALLDATACOPY · PUSH1 32 ADD PUSH0 RETURN
        echo = registry.register(hex"60205f5260843560040180360380916020376020015ff3");
        rules[0] = echo;
        // PUSH1 32 PUSH0 MSTORE · PUSH1 64 PUSH0 RETURN: no effects, whatever it is shown.
        rules[1] = registry.register(hex"60205f5260405ff3");
        nextBlock();
    }

    /// @dev The step must be valid: then all of it was evaluated. What the rule really used counts against the bound.
    function _measure(string memory what, Trial memory t) internal {
        bytes memory trees_ = trees(t.pre);
        uint256 bound_ = Bound.evaluation(t.draft, sizes(t, trees_));
        for (uint256 i = 0; i < t.draft.calls.length; i++) {
            bound_ -= t.draft.calls[i].gasLimit;
        }
        uint256 used = _gasOf(evidence(t, trees_));
        console.log(string.concat(what, ": used, bound, used / bound in percent"));
        console.log(used, bound_, used * 100 / bound_);
        if (used > bound_) exceeded.push(string.concat(what, ": ", vm.toString(used), " > ", vm.toString(bound_)));
        _assertBoundAsSpecified(what, t, trees_);
        _assertLieProvable(what, t, trees_);
    }

    /// @dev The contract's bound is that of the harness.
    function _assertBoundAsSpecified(string memory what, Trial memory t, bytes memory trees_) private view {
        uint256 bound_ = Bound.proof(t.draft, sizes(t, trees_));
        t.header.ceiling = uint32(bound_);
        assertTrue(verifier.verify(evidence(t, trees_), t.bridge), string.concat(what, ", at its bound"));
        t.header.ceiling = uint32(bound_ - 1);
        assertFalse(verifier.verify(evidence(t, trees_), t.bridge), string.concat(what, ", below its bound"));
        t.header.ceiling = HIGH_CEILING;
    }

    /// @dev The same step with a wrong root, its rules' gas cut to what they need: it can be proven, within one transaction.
    function _assertLieProvable(string memory what, Trial memory t, bytes memory trees_) private {
        for (uint256 i = 0; i < t.draft.calls.length; i++) {
            Call memory c = t.draft.calls[i];
            if (c.rule != 0) c.gasLimit = uint32(300 + c.extra.length / 2);
        }
        t.step = step(t.draft);
        t.step.fresh[0].root ^= bytes27(uint216(1));
        try verifier.verify{gas: 2 ** 24 - 2_000_000}(evidence(t, trees_), t.bridge) returns (bool valid) {
            assertFalse(valid, what);
        } catch (bytes memory reason) {
            exceeded.push(string.concat(what, ": unprovable, ", vm.toString(reason)));
        }
    }

    /// @dev Reports all shapes that exceed the bound, rather than the first.
    function _finish() internal view {
        string memory all = "";
        for (uint256 i = 0; i < exceeded.length; i++) {
            all = string.concat(all, i == 0 ? "" : "; ", exceeded[i]);
        }
        assertEq(all, "", "evaluation costs more than its bound");
    }

    /// @dev Gas of the evaluation's frame, with the rules cold as in a transaction of its own.
    function _gasOf(bytes memory proof) private returns (uint256 used) {
        bytes memory input = evaluationInput(proof);
        address target = address(verifier);
        vm.cool(echo);
        vm.cool(account);
        bool valid;
        // Into memory that is there: in a test's large memory each new word is dear.
        assembly ("memory-safe") {
            let size := mload(input)
            mstore(0, 0)
            used := gas()
            let done := staticcall(gas(), target, add(input, 32), size, 0, 32)
            used := sub(used, gas())
            valid := and(done, eq(mload(0), 1))
        }
        assertTrue(valid, "valid");
    }

    // ---------------------------------------------------------------- building

    function _anchor(uint256 i, State memory state) internal pure returns (Anchor memory) {
        return Anchor(uint56((777 + i) * 65_536), uint40(777 + i), state);
    }

    function _list(uint256 count) internal pure returns (IRule.Asset[] memory list) {
        list = new IRule.Asset[](count);
        for (uint256 i = 0; i < count; i++) {
            list[i] = IRule.Asset(bytes32(1000 * (i + 1)), 1000);
        }
    }
}
