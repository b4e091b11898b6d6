// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Swaps} from "../harness/Swaps.sol";

/// @notice docs/rules/swap.md sentence by sentence: curves, what a fill is, and when it satisfies intents.
contract SwapFillTest is Swaps {
    uint128 private constant MAX = type(uint128).max;

    function _takes(uint256 position, bytes32 asset, uint256 granted, uint256 taken)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSignature("TakesTooMuch(uint256,bytes32,uint256,uint256)", position, asset, granted, taken);
    }

    function _brings(uint256 position, bytes32 asset, uint256 missing) private pure returns (bytes memory) {
        return abi.encodeWithSignature("BringsTooLittle(uint256,bytes32,uint256)", position, asset, missing);
    }

    function _extra(uint256 offset) private pure returns (bytes memory) {
        return abi.encodeWithSignature("BadExtra(uint256)", offset);
    }

    /// @dev Gives anything of B for nothing.
    function _donor() private pure returns (Want memory) {
        return want(leg(B, 1000), leg(A, 0));
    }

    /// @dev Of the first user: exactly this much may be taken, and this much must be brought.
    function _assertExact(Want memory w, uint128 pays, uint128 gets, string memory what) private {
        Deal memory d = deal2(w, _donor(), list(mv(0, 1, 0, pays), mv(1, 0, 1, gets)));
        uint256 snapshot = vm.snapshotState();
        assertTrue(tryDeal(d), what);
        assertTrue(vm.revertToStateAndDelete(snapshot));
        d.moves[0].amount++;
        assertFails(d, _takes(0, A, pays, pays + 1));
        d.moves[0].amount--;
        d.moves[1].amount--;
        if (gets > 1) assertFails(d, _brings(0, B, 1));
        else assertFalse(tryDeal(d), what);
    }

    // ---------------------------------------------------------------- curves

    function test_AmountsFollowTheCurve() public {
        Want memory w = wantCurve(leg(A, 100, 200), leg(B, 300, 100), 900, 1100);
        uint64[5] memory clocks = [uint64(0), 899, 900, 901, 999];
        uint128[5] memory pays = [uint128(100), 100, 100, 100, 149]; // 100.5 and 149.5, down
        uint128[5] memory gets = [uint128(300), 300, 300, 299, 201];
        for (uint256 i = 0; i < 5; i++) {
            context.blockNumber = clocks[i];
            (w.partly, w.least, w.filled) = (true, 200, 200);
            _assertExact(w, pays[i], gets[i], "rising");
        }
        clocks = [uint64(1000), 1001, 1099, 1100, type(uint64).max];
        pays = [uint128(150), 150, 199, 200, 200];
        gets = [uint128(200), 199, 101, 100, 100];
        for (uint256 i = 0; i < 5; i++) {
            context.blockNumber = clocks[i];
            _assertExact(w, pays[i], gets[i], "on");
        }
    }

    function test_QuotientsOnTheCurveFavourTheUser() public {
        // A third of the way from 0 to 10 and from 20 to 10: 3.3, and 16.7.
        Want memory w = wantCurve(leg(A, 0, 10), leg(B, 20, 10), 999, 1002);
        _assertExact(w, 3, 17, "a third");
    }

    function test_ACurveOfOneBlockIsAStep() public {
        Want memory w = wantCurve(leg(A, 3, 9), leg(B, 50, 40), 1000, 1000);
        _assertExact(w, 3, 50, "at it");
        context.blockNumber = 1001;
        _assertExact(w, 9, 40, "after it");
    }

    function test_TheLargestAmountsFollowTheLongestCurve() public {
        uint64 end = type(uint64).max;
        Want memory w = wantCurve(leg(A, 0, MAX), leg(B, MAX, 0), 0, end);
        context.blockNumber = end - 1;
        give(users[0], A, MAX - 1000);
        // MAX · (end − 1) / end: MAX is a multiple of end.
        uint128 pays = MAX - MAX / end;
        Deal memory d = deal2(w, want(leg(B, MAX), leg(A, 0)), list(mv(0, 1, 0, pays), mv(1, 0, 1, 1)));
        assertFails(d, _brings(0, B, MAX / end - 1));
        give(users[1], B, MAX - 2000);
        d.moves[0].amount++;
        assertFails(d, _takes(0, A, pays, pays + 1));
    }

    // ---------------------------------------------------------------- what is filled

    function test_TheFillLiesBetweenLeastAndWhole() public {
        uint128[4] memory fills = [uint128(3), 11, 0, MAX];
        for (uint256 i = 0; i < 4; i++) {
            Deal memory bad = deal2(wantPart(leg(A, 10), leg(B, 0), 4, fills[i]), _donor(), new Move[](0));
            assertFails(bad, abi.encodeWithSignature("BadFill(uint256,uint256,uint256,uint256)", 0, 4, 10, fills[i]));
        }
        assertTrue(tryDeal(deal2(wantPart(leg(A, 10), leg(B, 0), 4, 4), _donor(), new Move[](0))), "least");
        assertTrue(tryDeal(deal2(wantPart(leg(A, 10), leg(B, 0), 4, 10), _donor(), new Move[](0))), "whole");
    }

    function test_NothingIsNoFill() public {
        Deal memory d = deal2(wantPart(leg(A, 10), leg(B, 0), 0, 0), _donor(), new Move[](0));
        assertFails(d, abi.encodeWithSignature("BadFill(uint256,uint256,uint256,uint256)", 0, 0, 10, 0));
        d.wants[0].filled = 1;
        assertTrue(tryDeal(d));
    }

    function test_AnIntentThatAsksForMoreThanTheWholeIsNeverFilled() public {
        for (uint128 filled = 9; filled < 13; filled++) {
            Deal memory d = deal2(wantPart(leg(A, 10), leg(B, 0), 11, filled), _donor(), new Move[](0));
            assertFails(d, abi.encodeWithSignature("BadFill(uint256,uint256,uint256,uint256)", 0, 11, 10, filled));
        }
    }

    function test_PartsAreRoundedInTheUsersFavour() public {
        // 2/3 of 100 and 50: 66.7 and 33.3; the first give itself, 3, is exact.
        Want memory w = wantPart(two(leg(A, 100), leg(C, 3)), leg(B, 50), 1, 67);
        _assertExact(w, 67, 34, "67 of 100");
        w = wantPart(leg(A, 3), leg(B, 50), 1, 2);
        _assertExact(w, 2, 34, "2 of 3");
        w = wantPart(leg(A, 3), leg(B, 1), 1, 1);
        _assertExact(w, 1, 1, "a third of one is one");
    }

    function test_GiveAndRewardAreRoundedEachForItself() public {
        // Half of 3 and of 5 in one asset: 1 + 2, not 4.
        Want memory w = wantPart(two(leg(C, 2), leg(D, 2)), leg(B, 4), 1, 1);
        w.give = two(leg(A, 2), leg(D, 3));
        w.reward = new Reward[](1);
        w.reward[0] = Reward(D, 5);
        Deal memory d = deal2(w, _donor(), list(mv(0, 1, 3, 3), mv(1, 0, 1, 2)));
        assertTrue(tryDeal(d), "three");
        d.moves[0].amount = 4;
        assertFails(d, _takes(0, D, 3, 4));
    }

    function test_OnlyIntentsThatSayItAreFilledInPart() public {
        // The second's fill stands first in the call: the first has none.
        Deal memory d = deal3(
            want(leg(A, 10), leg(B, 20)),
            wantPart(leg(B, 40), leg(A, 20), 1, 20),
            wantPart(leg(C, 9), leg(D, 0), 1, 7),
            list(mv(0, 1, 0, 10), mv(1, 0, 1, 20), mv(2, 0, 2, 7))
        );
        assertTrue(tryDeal(d));
        (d.wants[1].filled, d.wants[2].filled) = (7, 20);
        assertFails(d, abi.encodeWithSignature("BadFill(uint256,uint256,uint256,uint256)", 2, 1, 9, 20));
    }

    // ---------------------------------------------------------------- the fill's format

    function _assertBadExtra(bytes memory fill, uint256 offset) private {
        vm.expectRevert(_extra(offset));
        this.run(rule, places(users[0]), one(0, payload(wantPart(leg(A, 10), leg(B, 0), 1, 0))), fill);
    }

    function test_TheTableIsInOrderWithoutRepetition() public {
        _assertBadExtra(abi.encodePacked(uint8(2), A, A, uint128(10)), 33);
        _assertBadExtra(abi.encodePacked(uint8(2), B, A, uint128(10)), 33);
        _assertBadExtra(abi.encodePacked(uint8(3), A, C, B, uint128(10)), 65);
    }

    function test_AFillThatIsCutOffFails() public {
        _assertBadExtra("", 0);
        _assertBadExtra(hex"01", 0);
        _assertBadExtra(abi.encodePacked(uint8(2), A, bytes31(B)), 0);
        _assertBadExtra(abi.encodePacked(uint8(1), A), 33);
        _assertBadExtra(abi.encodePacked(uint8(1), A, bytes15("fill")), 33);
        for (uint256 size = 1; size < 19; size++) {
            _assertBadExtra(abi.encodePacked(uint8(1), A, uint128(10), new bytes(size)), 49 + size);
        }
        this.run(
            rule,
            places(users[0]),
            one(0, payload(wantPart(leg(A, 10), leg(B, 0), 1, 0))),
            abi.encodePacked(uint8(1), A, uint128(10))
        );
    }

    function test_AFillMayNameNothing() public {
        Want memory w = want(leg(A, 10), leg(B, 0));
        this.run(rule, places(users[0]), one(0, payload(w)), hex"00");
        w.get = leg(B, 1);
        vm.expectRevert(abi.encodeWithSignature("NotInTable(uint256,bytes32)", 0, B));
        this.run(rule, places(users[0]), one(0, payload(w)), hex"00");
    }

    function test_WhatLiesBehindTheTableIsNoAssetOfIt() public {
        bytes memory moves = abi.encodePacked(bytes32(0), B); // as they would be named by a table of two more
        vm.expectRevert(abi.encodeWithSignature("NotInTable(uint256,bytes32)", 0, B));
        this.run(
            rule, places(users[0]), one(0, payload(want(leg(A, 10), leg(B, 1)))), abi.encodePacked(uint8(1), A, moves)
        );
    }

    function test_PositionsAndNumbersAreBelowTheirCounts() public {
        Deal memory d = deal2(want(leg(A, 10), leg(B, 0)), _donor(), list(mv(0, 1, 0, 1), mv(0, 1, 0, 1)));
        Move[5] memory bad = [mv(2, 0, 0, 1), mv(0, 2, 0, 1), mv(255, 0, 0, 1), mv(0, 1, 4, 1), mv(0, 1, 255, 1)];
        for (uint256 i = 0; i < 5; i++) {
            d.moves[1] = bad[i];
            assertFails(d, _extra(1 + 4 * 32 + 19));
        }
    }

    // ---------------------------------------------------------------- conditions

    function test_SumsAreOverAllMoves() public {
        Deal memory d = deal2(
            want(leg(A, 10), leg(B, 6)),
            want(leg(B, 6), leg(A, 10)),
            list(mv(0, 1, 0, 4), mv(1, 0, 1, 6), mv(0, 1, 0, 6))
        );
        assertTrue(tryDeal(d));
        d.moves[2].amount = 7;
        assertFails(d, _takes(0, A, 6, 7));
        d.moves[2].amount = 5;
        assertFails(d, _brings(1, A, 1));
    }

    function test_RingsOfAnySize() public {
        for (uint256 size = 2; size <= 16; size++) {
            Deal memory d = ring(size, 1);
            d.moves[size - 1].amount = 9;
            assertFails(d, _brings(size - 1, d.table[0], 1));
            d.moves[size - 1].amount = 10;
            runDeal(d);
            for (uint256 i = 0; i < size; i++) {
                assertEq(holding(d.listed[i], d.table[i]), 0);
                assertEq(holding(d.listed[i], d.table[(i + 1) % size]), 10);
            }
        }
    }

    function test_NothingOfAnyOtherAssetIsTaken() public {
        Deal memory d = deal2(want(leg(A, 10), leg(B, 0)), _donor(), list(mv(0, 1, 2, 1)));
        assertFails(d, _takes(0, C, 0, 1));
        d.wants[0].get = leg(C, 0); // nor of what it gets
        assertFails(d, _takes(0, C, 0, 1));
    }

    function test_WhatTheTableDoesNotNameIsNotGivenAsItsNext() public {
        Deal memory d = deal2(want(leg(A, 10), leg(B, 0)), _donor(), list(mv(0, 1, 0, 10)));
        d.table = new bytes32[](1);
        d.table[0] = C;
        assertFails(d, _takes(0, C, 0, 10));
    }

    function test_ATableMayNameManyAssets() public {
        bytes32[] memory table = new bytes32[](255);
        for (uint256 i = 0; i < 255; i++) {
            table[i] = bytes32(uint256(A) + i);
        }
        bytes32 last = table[254];
        give(users[0], last, 10);
        Deal memory d = deal2(want(leg(last, 10), leg(B, 0)), want(leg(B, 10), leg(last, 9)), list(mv(0, 1, 254, 9)));
        d.table = table;
        runDeal(d);
        assertEq(holding(users[1], last), 9);
        d.moves[0].number = 255;
        assertFails(d, _extra(1 + 255 * 32));
    }

    function test_ARewardIsAGiveBesideThePrice() public {
        Deal memory d =
            deal2(want(leg(A, 10), leg(B, 5)), _donor(), list(mv(0, 1, 0, 12), mv(0, 1, 2, 3), mv(1, 0, 1, 5)));
        d.wants[0].reward = new Reward[](2);
        (d.wants[0].reward[0], d.wants[0].reward[1]) = (Reward(A, 2), Reward(C, 3));
        uint256 snapshot = vm.snapshotState();
        assertTrue(tryDeal(d));
        assertTrue(vm.revertToStateAndDelete(snapshot));
        d.moves[1].amount = 4;
        assertFails(d, _takes(0, C, 3, 4));
        d.moves[1].amount = 3;
        d.moves[0].amount = 13;
        assertFails(d, _takes(0, A, 12, 13));
    }

    function test_CounterpartiesAreNamedByFragmentBothWays() public {
        Want memory w = want(leg(A, 10), leg(B, 5));
        w.counterparties = new uint80[](1);
        w.counterparties[0] = idOf(users[1]);
        Want memory other = want(leg(B, 5), leg(A, 0));
        Want memory third = want(leg(C, 5), leg(A, 0));
        Deal memory d = deal3(w, other, third, list(mv(0, 1, 0, 10), mv(1, 0, 1, 5)));
        uint256 snapshot = vm.snapshotState();
        assertTrue(tryDeal(d), "with the one named");
        assertTrue(vm.revertToStateAndDelete(snapshot));
        d.moves = list(mv(0, 1, 0, 10), mv(1, 0, 1, 5), mv(2, 0, 2, 1));
        assertFails(d, abi.encodeWithSignature("NotACounterparty(uint256,uint256)", 2, 0));
        d.moves = list(mv(0, 2, 0, 1), mv(1, 0, 1, 5));
        assertFails(d, abi.encodeWithSignature("NotACounterparty(uint256,uint256)", 0, 2));
        d.moves = list(mv(0, 1, 0, 10), mv(1, 0, 1, 5), mv(2, 1, 2, 1));
        assertTrue(tryDeal(d), "others deal with whom they like");
    }

    function test_ACounterpartyIsFoundInAnyPlaceOfTheList() public {
        for (uint256 place = 0; place < 9; place++) {
            Want memory w = want(leg(A, 1), leg(B, 0));
            w.counterparties = new uint80[](9);
            for (uint256 i = 0; i < 9; i++) {
                w.counterparties[i] = uint80(uint256(idOf(users[1])) + i) - uint80(place);
            }
            Deal memory d = deal2(w, _donor(), list(mv(0, 1, 0, 1)));
            assertTrue(tryDeal(d), "there");
            for (uint256 i = place; i < 9; i++) {
                w.counterparties[i]++;
            }
            assertFails(d, abi.encodeWithSignature("NotACounterparty(uint256,uint256)", 0, 1));
        }
    }

    /// @dev Called as a kernel would: with a fragment that is merely credited, which signs nothing.
    function test_WhoMerelyReceivesHasNoConditions() public {
        Deal memory d = deal2(want(leg(A, 10), leg(B, 0)), _donor(), list(mv(0, 1, 0, 10)));
        IRule.Authorisation[] memory signed = new IRule.Authorisation[](1);
        signed[0] = IRule.Authorisation(0, payload(d.wants[0]));
        IRule.Fragment[] memory seen = new IRule.Fragment[](2);
        (seen[0], seen[1]) = (shown(users[0]), shown(users[1]));
        bytes memory fill = extra(d.table, new Want[](0), d.moves);
        IRule(rule).transition(context, seen, signed, fill);
        // Taking from it is the kernel's to refuse, for it has no authority.
        fill = extra(d.table, new Want[](0), list(mv(1, 0, 1, 10)));
        IRule(rule).transition(context, seen, signed, fill);
    }
}
