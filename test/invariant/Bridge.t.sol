// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Test} from "forge-std/Test.sol";

import {Handler} from "./Handler.sol";

/// @notice What holds after any sequence of any calls, as long as one watcher challenges every lie within its window. The handler
/// knows what is true; here the bridge is held to it. A call that fails though it must not, or the other way round, fails the run.
/// forge-config: default.invariant.fail-on-revert = true
/// forge-config: audit.invariant.fail-on-revert = true
contract BridgeInvariants is Test {
    Handler private handler;

    function setUp() public {
        handler = new Handler();
        handler.setUp();
        targetContract(address(handler));
        bytes4[] memory actions = new bytes4[](20);
        actions[0] = Handler.deposit.selector;
        actions[1] = Handler.depositToken.selector;
        actions[2] = Handler.sendPlainly.selector;
        actions[3] = Handler.submit.selector;
        actions[4] = Handler.submitConflicting.selector;
        actions[5] = Handler.submitStale.selector;
        actions[6] = Handler.challengeLie.selector;
        actions[7] = Handler.challengeHonest.selector;
        actions[8] = Handler.challengeBadly.selector;
        actions[9] = Handler.challengeLate.selector;
        actions[10] = Handler.condemn.selector;
        actions[11] = Handler.condemnWrongly.selector;
        actions[12] = Handler.unwind.selector;
        actions[13] = Handler.unwindWrongly.selector;
        actions[14] = Handler.claim.selector;
        actions[15] = Handler.assign.selector;
        actions[16] = Handler.fundBond.selector;
        actions[17] = Handler.withdrawBond.selector;
        actions[18] = Handler.register.selector;
        actions[19] = Handler.wait.selector;
        targetSelector(FuzzSelector(address(handler), actions));
        // Most of what happens is batches and time.
        bytes4[] memory often = new bytes4[](6);
        often[0] = Handler.submit.selector;
        often[1] = Handler.submit.selector;
        often[2] = Handler.wait.selector;
        often[3] = Handler.claim.selector;
        often[4] = Handler.challengeLie.selector;
        often[5] = Handler.rollBack.selector;
        targetSelector(FuzzSelector(address(handler), often));
    }

    /// @dev To the wei: fragments, claims to be paid, bonds and what was burnt are what the bridge holds.
    function invariant_TheBridgeHoldsWhatItOwes() public view {
        handler.assertSolvent();
    }

    function invariant_ABondCoversTheLocksOfBatchesThatCanBeChallenged() public view {
        handler.assertBondsCoverLocks();
    }

    /// @dev So unwinding restores exactly what was there, and nothing else moves a head.
    function invariant_EachHeadIsTheLastVersionThatStands() public view {
        handler.assertHeadsAreTheLastVersions();
    }

    function invariant_LiesFallAndTheHonestStand() public view {
        handler.assertFates();
    }

    function invariant_FrozenWhileThereAreFaults() public view {
        handler.assertFrozenWhileThereAreFaults();
    }
}
