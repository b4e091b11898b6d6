// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Test} from "forge-std/Test.sol";

import {Random} from "../harness/Random.sol";
import {Handler} from "./Handler.sol";

/// @notice What holds after any sequence of any calls, as long as one watcher challenges every lie within its window. The handler
/// knows what is true; here the bridge is held to it. A call that fails though it must not, or the other way round, fails the run.
/// forge-config: default.invariant.fail-on-revert = true
/// forge-config: audit.invariant.fail-on-revert = true
contract BridgeInvariants is Test {
    using Random for Random.Rng;

    Handler private handler;
    mapping(bytes32 action => bool) private happened;

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

    /// @dev No invariant is kept by nothing happening: in a few fixed histories each action does what it is for, and each refusal occurs.
    function test_EachActionHappens() public {
        bytes32[35] memory actions = [
            bytes32("deposit"),
            "depositToken",
            "sendPlainly",
            "submit",
            "submit a lie",
            "submit many withdrawals",
            "submitConflicting",
            "submitStale",
            "slot busy",
            "reuse a slot",
            "bond too small",
            "challengeLie",
            "challenge and unwind",
            "challengeHonest",
            "challengeBadly",
            "challengeLate",
            "condemn",
            "condemnWrongly",
            "unwind a lie",
            "unwind an orphan",
            "unwind too early",
            "unwindWrongly",
            "rollBack",
            "claim",
            "claim in vain",
            "claim while frozen",
            "claim twice",
            "assign",
            "sell",
            "assign in vain",
            "fundBond",
            "withdrawBond",
            "withdrawBond in vain",
            "register",
            "wait"
        ];
        Random.Rng memory rng = Random.Rng(1);
        uint256 missing = actions.length;
        for (uint256 history = 0; missing != 0 && history < 16; history++) {
            // Several of them take more than a test's gas.
            vm.resetGasMetering();
            if (history != 0) {
                handler = new Handler();
                handler.setUp();
            }
            _history(rng);
            for (uint256 i = 0; i < actions.length; i++) {
                if (happened[actions[i]] || handler.done(actions[i]) == 0) continue;
                happened[actions[i]] = true;
                missing--;
            }
        }
        for (uint256 i = 0; i < actions.length; i++) {
            assertTrue(happened[actions[i]], string(abi.encodePacked(actions[i])));
        }
    }

    function _history(Random.Rng memory rng) private {
        for (uint256 i = 0; i < 400; i++) {
            _act(rng.below(30), rng.next(), rng.next());
            if (i % 10 != 0) continue;
            handler.assertSolvent();
            handler.assertBondsCoverLocks();
            handler.assertHeadsAreTheLastVersions();
            handler.assertFates();
            handler.assertFrozenWhileThereAreFaults();
        }
    }

    function _act(uint256 action, uint256 x, uint256 y) private {
        if (action < 6) handler.submit(x, y % 3 == 0);
        else if (action < 9) handler.wait(1 + y % (x % 2 == 0 ? 24 : 3));
        else if (action < 11) handler.claim(x, y);
        else if (action < 13) handler.assign(x, y, x / 3, x % 2 == 0, uint64(y));
        else if (action < 15) handler.challengeLie(x, y % 2 == 0);
        else if (action == 15) handler.deposit(x, uint128(y));
        else if (action == 16) handler.depositToken(x, uint128(y));
        else if (action == 17) handler.sendPlainly(uint96(y));
        else if (action == 18) handler.submitConflicting(x);
        else if (action == 19) handler.submitStale(x);
        else if (action == 20) handler.challengeHonest(x);
        else if (action == 21) handler.challengeBadly(x, y);
        else if (action == 22) handler.challengeLate(x);
        else if (action == 23) handler.condemn(x);
        else if (action == 24) handler.condemnWrongly(x, y);
        else if (action == 25 && y % 2 == 0) handler.unwind(x);
        else if (action == 26) handler.unwindWrongly(x);
        else if (action == 27) handler.withdrawBond(x, y);
        else if (action == 28) y % 2 == 0 ? handler.register(x) : handler.fundBond(x, uint64(y));
        else if (x % 6 == 0) handler.rollBack();
    }
}
