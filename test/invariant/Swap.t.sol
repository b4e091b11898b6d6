// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Test} from "forge-std/Test.sol";

import {SwapHandler} from "./SwapHandler.sol";

/// @notice Whoever signs fair prices is worth no less after any fills by anybody, but for the rewards it offered. Each fill passes if the
/// page says so, and only then; one that does not fails the run.
/// forge-config: default.invariant.fail-on-revert = true
/// forge-config: audit.invariant.fail-on-revert = true
contract SwapInvariants is Test {
    SwapHandler private handler;

    function setUp() public {
        handler = new SwapHandler();
        handler.setUp();
        targetContract(address(handler));
        bytes4[] memory actions = new bytes4[](3);
        (actions[0], actions[1], actions[2]) =
        (SwapHandler.fill.selector, SwapHandler.fill.selector, SwapHandler.wait.selector);
        targetSelector(FuzzSelector(address(handler), actions));
    }

    function invariant_FairPricesCostNothingButRewards() public view {
        handler.assertFair();
    }

    function invariant_AssetsAreConserved() public view {
        handler.assertConserved();
    }

    /// @dev No invariant is kept by nothing happening.
    function test_FillsPassAndFailInEveryWay() public {
        for (uint256 i = 0; i < 200; i++) {
            handler.wait(i);
            handler.fill(i);
        }
        handler.assertFair();
        assertGt(handler.taken(), 100, "taken");
        assertGt(handler.refused(), 20, "refused");
        assertGt(handler.inPart(), 50, "in part");
        assertGt(handler.onCurve(), 50, "on a curve");
        assertGt(handler.fromEachOther(), 50, "from each other");
    }
}
