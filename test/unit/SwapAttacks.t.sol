// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Swaps} from "../harness/Swaps.sol";

/// @notice What a proposer or a counterparty might try at the cost of those who sign intents, each by name; and what they may do.
contract SwapAttacksTest is Swaps {
    uint128 private constant MAX = type(uint128).max;

    /// @dev The victim gives 10 of A for 20 of B. The thief signs whatever suits it.
    function _victim() private pure returns (Want memory) {
        return want(leg(A, 10), leg(B, 20));
    }

    function _thief() private pure returns (Want memory) {
        return want(two(leg(A, 1000), leg(B, 1000)), leg(D, 0));
    }

    function _attack(Move[] memory moves) private view returns (Deal memory) {
        return deal2(_victim(), _thief(), moves);
    }

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

    // ---------------------------------------------------------------- the fill

    function test_AnAssetTwiceInTheTableGrantsNothingTwice() public {
        Deal memory d = _attack(list(mv(0, 1, 0, 10), mv(0, 1, 1, 10), mv(1, 0, 2, 20)));
        d.table[1] = A;
        d.table[2] = B;
        assertFails(d, abi.encodeWithSignature("BadExtra(uint256)", 33));
    }

    function test_AnUnsortedTableHidesNothing() public {
        // With B before A the search for what the victim gives or gets could miss it.
        Deal memory d = _attack(list(mv(0, 1, 1, 10)));
        (d.table[0], d.table[1]) = (B, A);
        assertFails(d, abi.encodeWithSignature("BadExtra(uint256)", 33));
    }

    function test_AGetThatTheTableLeavesOutIsNotForgotten() public {
        Deal memory d = _attack(list(mv(0, 1, 0, 10)));
        d.table = new bytes32[](1);
        d.table[0] = A;
        assertFails(d, abi.encodeWithSignature("NotInTable(uint256,bytes32)", 0, B));
        d.table[0] = D; // it sorts behind what is missing
        assertFails(d, abi.encodeWithSignature("NotInTable(uint256,bytes32)", 0, B));
    }

    function test_AFillAboveTheWholeTakesNothingMore() public {
        Deal memory d = _attack(list(mv(0, 1, 0, 11), mv(1, 0, 1, 22)));
        (d.wants[0].partly, d.wants[0].least, d.wants[0].filled) = (true, 1, 11);
        assertFails(d, abi.encodeWithSignature("BadFill(uint256,uint256,uint256,uint256)", 0, 1, 10, 11));
    }

    function test_ADustFillDoesNotBurnTheNonceOfWhoAsksForMore() public {
        Deal memory d = _attack(list(mv(0, 1, 0, 1), mv(1, 0, 1, 2)));
        (d.wants[0].partly, d.wants[0].least, d.wants[0].filled) = (true, 5, 1);
        assertFails(d, abi.encodeWithSignature("BadFill(uint256,uint256,uint256,uint256)", 0, 5, 10, 1));
    }

    function test_DustIsRoundedAgainstTheTaker() public {
        // 1 of 1000 for 1 of 1000000: each millionth that is brought costs one, and a fill of less than one is none.
        Deal memory d = deal2(wantPart(leg(A, 1000), leg(B, 1), 1, 1), _thief(), list(mv(0, 1, 0, 1)));
        assertFails(d, _brings(0, B, 1));
        // The other way round: below the price of one nothing may be taken.
        d.wants[0] = wantPart(two(leg(A, 1000), leg(B, 1)), leg(C, 0), 1, 999);
        d.moves = list(mv(0, 1, 1, 1));
        assertFails(d, _takes(0, B, 0, 1));
    }

    /// @dev An order in many parts pays no more and gets no less than its price, to the unit, whatever the parts.
    function testFuzz_ASandwichOfRoundingsEarnsNothing(uint256 seed, uint128 x, uint128 y) public {
        (x, y) = (uint128(bound(x, 1, 1000)), uint128(bound(y, 1, 1000)));
        Want memory w = wantPart(two(leg(A, x), leg(C, y)), two(leg(B, y), leg(D, x)), 1, 0);
        give(users[1], B, 100_000);
        give(users[1], D, 100_000);
        give(users[0], A, 100_000);
        give(users[0], C, 100_000);
        for (uint256 i = 0; i < 2; i++) {
            seed = uint256(keccak256(abi.encode(seed)));
            w.filled = uint128(bound(seed, 1, x));
            uint128 paid = uint128(uint256(y) * w.filled / x);
            uint128 gotB = uint128((uint256(y) * w.filled + x - 1) / x);
            Want memory other = want(two(leg(B, 100_000), leg(D, 100_000)), leg(A, 0));
            Deal memory d = deal2(w, other, list(mv(0, 1, 0, w.filled), mv(1, 0, 1, gotB), mv(1, 0, 3, w.filled)));
            uint256 snapshot = vm.snapshotState();
            d.moves[1].amount--;
            assertFalse(tryDeal(d), "one less brought");
            d.moves[1].amount++;
            d.moves[0] = mv(0, 1, 2, paid + 1);
            assertFalse(tryDeal(d), "one more taken");
            assertTrue(vm.revertToStateAndDelete(snapshot));
            d.moves[0] = mv(0, 1, 0, w.filled);
            assertTrue(tryDeal(d), "exact");
        }
    }

    // ---------------------------------------------------------------- what moves do

    function test_ARewardIsTakenOnce() public {
        Want memory w = _victim();
        w.reward = new Reward[](1);
        w.reward[0] = Reward(C, 3);
        Want memory taker = want(leg(D, 1), leg(C, 0));
        Deal memory d = deal3(w, _thief(), taker, list(mv(1, 0, 1, 20), mv(0, 1, 2, 3), mv(0, 2, 2, 1)));
        assertFails(d, _takes(0, C, 0, 1));
        d.moves = list(mv(1, 0, 1, 20), mv(0, 1, 2, 2), mv(0, 2, 2, 1));
        assertTrue(tryDeal(d), "it may be shared");
    }

    function test_PayingMoreAndGettingItBackIsNotNetted() public {
        assertFails(_attack(list(mv(0, 1, 0, 11), mv(1, 0, 0, 1), mv(1, 0, 1, 20))), _takes(0, A, 10, 11));
        // Nor is what is brought, if it is taken back: the victim does not give it.
        Deal memory d = _attack(list(mv(0, 1, 0, 10), mv(1, 0, 1, 20), mv(0, 1, 1, 1)));
        assertFails(d, _takes(0, B, 0, 1));
    }

    function test_OnePaymentSatisfiesOneUser() public {
        // 20 of B pass through the first to the second, who both want them.
        Deal memory d = deal3(_victim(), _victim(), _thief(), list(mv(2, 0, 1, 20), mv(0, 1, 1, 20), mv(0, 2, 0, 10)));
        assertFails(d, _takes(0, B, 0, 20));
    }

    function test_WhatIsNotSignedForIsNotTaken() public {
        assertFails(_attack(list(mv(1, 0, 1, 20), mv(0, 1, 3, 1))), _takes(0, D, 0, 1));
        assertFails(_attack(list(mv(1, 0, 1, 20), mv(0, 1, 1, 1))), _takes(0, B, 0, 1));
    }

    function test_AMoveOfNothingOrToItselfIsNone() public {
        Deal memory d = _attack(list(mv(0, 1, 0, 10), mv(1, 0, 1, 20), mv(0, 1, 0, 0)));
        assertFails(d, abi.encodeWithSelector(Refused.selector, "nothing moved"));
        d.moves[2] = mv(0, 0, 1, 20);
        assertFails(d, _takes(0, B, 0, 20));
        // Paying itself would satisfy a get of what one gives. The kernel refuses it.
        d = deal2(want(leg(A, 10), leg(A, 10)), _thief(), list(mv(0, 0, 0, 10)));
        assertFails(d, abi.encodeWithSelector(Refused.selector, "a move to itself"));
    }

    function test_AFragmentTwiceIsRefused() public {
        Deal memory d = _attack(list(mv(0, 1, 0, 10), mv(1, 0, 1, 20)));
        d.listed[1] = d.listed[0];
        assertFails(d, abi.encodeWithSelector(Refused.selector, "a fragment twice"));
    }

    // ---------------------------------------------------------------- the largest amounts

    function test_TheLargestAmountsDoNotWrap() public {
        uint256 rich = user("rich");
        uint256 poor = user("poor");
        give(rich, A, MAX);
        give(poor, B, MAX);
        Deal memory d = deal2(want(leg(A, MAX), leg(B, MAX)), want(leg(B, MAX), leg(A, MAX)), new Move[](0));
        d.listed = places(rich, poor);
        d.wants[0].reward = new Reward[](1);
        d.wants[0].reward[0] = Reward(A, MAX);
        // MAX twice of A to MAX once of B: the sums stay sums.
        d.moves = list(mv(0, 1, 0, MAX), mv(1, 0, 1, MAX - 1));
        assertFails(d, _brings(0, B, 1));
        d.moves = list(mv(0, 1, 0, MAX), mv(1, 0, 1, MAX), mv(0, 1, 0, MAX));
        assertFails(d, abi.encodeWithSelector(Refused.selector, "overdraft"));
        d.moves = new Move[](4);
        (d.moves[0], d.moves[1], d.moves[2]) = (mv(0, 1, 0, MAX), mv(1, 0, 1, MAX), mv(0, 1, 0, MAX));
        d.moves[3] = mv(0, 1, 0, 1);
        assertFails(d, _takes(0, A, 0, 1));
        d.moves = list(mv(0, 1, 0, MAX), mv(1, 0, 1, MAX));
        (d.wants[1].partly, d.wants[1].least, d.wants[1].filled) = (true, MAX, MAX);
        assertTrue(tryDeal(d));
        assertEq(holding(rich, B), MAX);
    }

    // ---------------------------------------------------------------- who with whom

    function test_AnIntermediaryMustBeNamedItself() public {
        Want memory w = _victim();
        w.counterparties = new uint80[](1);
        w.counterparties[0] = idOf(users[2]);
        Want memory middle = want(two(leg(A, 10), leg(B, 20)), two(leg(A, 10), leg(B, 20)));
        Deal memory d = deal3(w, middle, _thief(), new Move[](4));
        (d.moves[0], d.moves[1]) = (mv(0, 1, 0, 10), mv(1, 2, 0, 10));
        (d.moves[2], d.moves[3]) = (mv(2, 1, 1, 20), mv(1, 0, 1, 20));
        assertFails(d, abi.encodeWithSignature("NotACounterparty(uint256,uint256)", 0, 1));
        // Whom one names may deal with others in turn: names are of those next to one.
        w.counterparties[0] = idOf(users[1]);
        assertTrue(tryDeal(d));
    }

    /// @dev As a kernel would show it: a fragment that the batch opened has no id yet.
    function test_ANewFragmentIsNobodysCounterparty() public {
        Want memory w = _victim();
        w.counterparties = new uint80[](1);
        w.counterparties[0] = idOf(users[1]);
        IRule.Fragment[] memory seen = new IRule.Fragment[](3);
        for (uint256 i = 0; i < 3; i++) {
            seen[i] = shown(users[i]);
        }
        seen[2].id = 0;
        IRule.Authorisation[] memory signed = new IRule.Authorisation[](2);
        signed[0] = IRule.Authorisation(0, payload(w));
        signed[1] = IRule.Authorisation(1, payload(_thief()));
        bytes memory fill = extra(table4(), new Want[](0), list(mv(1, 0, 1, 20), mv(0, 2, 0, 10)));
        vm.expectRevert(abi.encodeWithSignature("NotACounterparty(uint256,uint256)", 0, 2));
        IRule(rule).transition(context, seen, signed, fill);
        // Nor can a list of counterparties name all of them at once.
        w.counterparties[0] = 0;
        signed[0].payload = payload(w);
        vm.expectRevert(abi.encodeWithSignature("BadPayload(uint256,uint256)", 0, 101));
        IRule(rule).transition(context, seen, signed, fill);
    }

    function test_EachOfOnesFragmentsIsPaidForItself() public {
        // Both intents are of one user. What is due to the second does not count if the first gets it.
        Deal memory d = deal3(_victim(), _victim(), _thief(), new Move[](3));
        d.moves = list(mv(2, 0, 1, 40), mv(0, 2, 0, 10), mv(1, 2, 0, 10));
        d.wants[2].give = two(leg(A, 1000), leg(B, 1000));
        assertFails(d, _brings(1, B, 20));
    }

    function test_GivesAndGetsOfOneAssetAreBothKept() public {
        // Gives at most 10 and gets at least 8 of A: costs two at most, whatever passes.
        Deal memory d = deal2(want(leg(A, 10), leg(A, 8)), _thief(), list(mv(0, 1, 0, 10), mv(1, 0, 0, 7)));
        assertFails(d, _brings(0, A, 1));
        d.moves[1].amount = 8;
        assertTrue(tryDeal(d));
        assertEq(holding(users[0], A), 998);
    }

    // ---------------------------------------------------------------- what they may do

    function test_WhatIsBetweenTwoPricesIsTheFillers() public {
        // One pays up to 10 of A for 20 of B, the other up to 25 of B for 8 of A: who fills keeps 2 of A and 5 of B.
        Want memory filler = want(leg(D, 1), leg(D, 0));
        Deal memory d = deal3(_victim(), want(leg(B, 25), leg(A, 8)), filler, new Move[](4));
        (d.moves[0], d.moves[1]) = (mv(0, 1, 0, 8), mv(1, 0, 1, 20));
        (d.moves[2], d.moves[3]) = (mv(0, 2, 0, 2), mv(1, 2, 1, 5));
        assertTrue(tryDeal(d));
        assertEq(holding(users[2], A), 1002);
        assertEq(holding(users[2], B), 1005);
    }

    function test_WhatNobodyAskedForMayBeBrought() public {
        Deal memory d = _attack(list(mv(0, 1, 0, 10), mv(1, 0, 1, 20), mv(1, 0, 0, 1)));
        assertTrue(tryDeal(d));
        assertEq(holding(users[0], A), 991);
    }
}
