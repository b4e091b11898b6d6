// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Test} from "forge-std/Test.sol";

import {Random} from "../harness/Random.sol";
import {PoolHandler} from "./PoolHandler.sol";

/// @notice What holds in pools after any operations of anybody, one by one or several in a call. The handler compares each call with what was
/// before it: k does not fall by trades, nor what a share is worth by anything; and no conspiracy takes value out of a pool.
/// forge-config: default.invariant.runs = 12
/// forge-config: audit.invariant.runs = 1000
/// forge-config: default.invariant.fail-on-revert = true
/// forge-config: audit.invariant.fail-on-revert = true
contract PoolInvariants is Test {
    using Random for Random.Rng;

    PoolHandler private handler;

    function setUp() public {
        handler = new PoolHandler();
        handler.setUp();
        targetContract(address(handler));
        bytes4[] memory actions = new bytes4[](6);
        actions[0] = PoolHandler.add.selector;
        actions[1] = PoolHandler.remove.selector;
        actions[2] = PoolHandler.sell.selector;
        actions[3] = PoolHandler.buy.selector;
        actions[4] = PoolHandler.together.selector;
        actions[5] = PoolHandler.conspire.selector;
        targetSelector(FuzzSelector(address(handler), actions));
    }

    function invariant_AssetsAreConserved() public view {
        handler.assertConserved();
    }

    function invariant_SharesAreThoseInFragmentsAnd1000() public view {
        handler.assertSharesCounted();
    }

    function invariant_NoReserveIsZeroOnceThereAreShares() public view {
        handler.assertSharesBacked();
    }

    /// @dev No invariant is kept by nothing happening: in a few fixed histories each action does what it is for.
    function test_EachActionHappens() public {
        bytes32[7] memory actions = [bytes32("add"), "remove", "sell", "buy", "together", "conspire", "refused"];
        Random.Rng memory rng = Random.Rng(1);
        for (uint256 i = 0; i < 240; i++) {
            uint256 action = rng.below(6);
            if (action == 0) handler.add(rng.next());
            else if (action == 1) handler.remove(rng.next());
            else if (action == 2) handler.sell(rng.next());
            else if (action == 3) handler.buy(rng.next());
            else if (action == 4) handler.together(rng.next());
            else handler.conspire(rng.next());
        }
        handler.assertConserved();
        handler.assertSharesCounted();
        handler.assertSharesBacked();
        for (uint256 i = 0; i < actions.length; i++) {
            assertGt(handler.done(actions[i]), 5, string(abi.encodePacked(actions[i])));
        }
    }
}
