// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Test} from "forge-std/Test.sol";

import {Random} from "../harness/Random.sol";
import {CreditHandler} from "./CreditHandler.sol";

/// @notice What holds in a market of the Credit rule after any operations of anybody. The handler knows what each must lead to; one that
/// fails though it must not, or the other way round, fails the run, as does one that takes from anybody but who signed it.
/// forge-config: default.invariant.fail-on-revert = true
/// forge-config: audit.invariant.fail-on-revert = true
contract CreditInvariants is Test {
    using Random for Random.Rng;

    CreditHandler private handler;

    function setUp() public {
        handler = new CreditHandler();
        handler.setUp();
        targetContract(address(handler));
        bytes4[] memory actions = new bytes4[](12);
        actions[0] = CreditHandler.wait.selector;
        actions[1] = bytes4(keccak256("lend(uint256,uint256)"));
        actions[2] = bytes4(keccak256("redeem(uint256,uint256)"));
        actions[3] = CreditHandler.open.selector;
        actions[4] = CreditHandler.borrowMore.selector;
        actions[5] = bytes4(keccak256("repay(uint256,uint256,uint256)"));
        actions[6] = bytes4(keccak256("callIn(uint256,uint256)"));
        actions[7] = bytes4(keccak256("bid(uint256,uint256)"));
        actions[8] = bytes4(keccak256("add(uint256,uint256)"));
        actions[9] = bytes4(keccak256("close(uint256)"));
        actions[10] = CreditHandler.handTitle.selector;
        actions[11] = CreditHandler.trespass.selector;
        targetSelector(FuzzSelector(address(handler), actions));
        // Loans and time make the rest possible.
        bytes4[] memory often = new bytes4[](4);
        (often[0], often[1], often[2], often[3]) = (actions[1], actions[3], actions[0], actions[0]);
        targetSelector(FuzzSelector(address(handler), often));
    }

    /// @dev And idle is what lenders and borrowers brought, less what they took.
    function invariant_AssetsAreConserved() public view {
        handler.assertConserved();
    }

    function invariant_BooksAreTheSumsOverAllPositions() public view {
        handler.assertBooks();
    }

    function invariant_OwedIsTheSumOfDebtsToAUnitForEach() public view {
        handler.assertOwed();
    }

    function invariant_EachOpenPositionHasOneTitle() public view {
        handler.assertTitles();
    }

    /// @dev No invariant is kept by nothing happening: in a few fixed histories each action does what it is for.
    function test_EachActionHappens() public {
        bytes32[16] memory actions = [
            bytes32("wait"),
            "lend",
            "redeem",
            "open",
            "borrowMore",
            "repay",
            "repay a part",
            "call",
            "call for free",
            "bid",
            "bid with a loss",
            "add",
            "close",
            "handTitle",
            "refused",
            "trespass"
        ];
        uint256[16] memory counts;
        Random.Rng memory rng = Random.Rng(1);
        for (uint256 history = 0; history < 8; history++) {
            if (history != 0) {
                handler = new CreditHandler();
                handler.setUp();
            }
            for (uint256 i = 0; i < 180; i++) {
                _act(rng.below(16), rng.next(), rng.next(), rng.next());
            }
            handler.assertConserved();
            handler.assertBooks();
            handler.assertOwed();
            handler.assertTitles();
            for (uint256 i = 0; i < actions.length; i++) {
                counts[i] += handler.done(actions[i]);
            }
        }
        assertEq(counts[15], 0, "a trespass");
        for (uint256 i = 0; i < 15; i++) {
            assertGt(counts[i], 1, string(abi.encodePacked(actions[i])));
        }
    }

    function _act(uint256 action, uint256 x, uint256 y, uint256 z) private {
        if (action == 0) handler.redeem(x, y);
        else if (action == 1) handler.borrowMore(x, y, z);
        else if (action == 2 || action == 3) handler.repay(x, y, z);
        else if (action == 4) handler.callIn(x, y);
        else if (action == 5 || action == 6) handler.bid(x, y);
        else if (action == 7) handler.add(x, y);
        else if (action == 8) handler.close(x);
        else if (action == 9) handler.handTitle(x, y);
        else if (action == 10) handler.trespass(x, y, z, x);
        else if (action == 11) handler.wait(x);
        else if (action < 14) handler.open(x, y, z);
        else handler.lend(x, y);
    }
}
