// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {CreditBench} from "../harness/CreditBench.sol";

/// @notice What somebody who is after other people's money would try on the Credit rule, each by its name: that it yields nothing, or what
/// it yields and at whose cost.
contract CreditAttacksTest is CreditBench {
    uint128 private constant LENT = 10_000_000;
    uint128 private constant MAX = type(uint128).max;

    function _gain(uint256 who) private view returns (int256) {
        return int256(uint256(holding(who, ASSET))) - int256(uint256(PURSE));
    }

    // ---------------------------------------------------------------- roundings and dust

    /// @dev The attacker is first, borrows from itself, and lets interest raise the price of a share until what the victim lends is
    /// rounded. Of that interest a million shares have a part that nobody has: it costs the attacker a million times what the victim
    /// loses.
    function testFuzz_FirstLenderInflation(uint128 first, uint128 victims, uint64 blocks, uint64 rate) public {
        Terms memory t = terms();
        t.minimum = 1;
        t.ratio = 1e18;
        t.rate = uint64(bound(rate, 1, type(uint64).max));
        market = newMarket(t);
        first = uint128(bound(first, 1, 1e9));
        doLend(cat, first);
        uint256 loan = doOpen(cat, first, first);
        later(uint64(bound(blocks, 0, 1e6)));
        uint256 price = (_lowAt(t.rate) + 1) / (uint256(first) + 1) + 1; // of a million shares
        doLend(ann, uint128(bound(victims, price, 4 * price)));
        doAt(loan, cat, repay(1, MAX, 0));
        doRedeem(cat, sharesOf(cat));
        doRedeem(ann, sharesOf(ann));
        assertLe(_gain(cat), 0);
        assertLe(-_gain(ann) * 500_000, -_gain(cat) + 1_000_000);
    }

    function _lowAt(uint64 rate) private view returns (uint256) {
        Books memory b = books();
        return
            holding(market, ASSET) + b.principal + (uint256(context.blockNumber) * b.principal - b.moment) * rate / 1e18;
    }

    /// @dev Before and after the victim, in whatever parts.
    function testFuzz_SandwichOfRoundings(uint128 a, uint128 b, uint128 c, uint64 blocks) public {
        doLend(ann, LENT);
        doOpen(ben, 4 * LENT, LENT / 2);
        later(uint64(bound(blocks, 0, 1e6)));
        (a, b, c) = (uint128(bound(a, 20, 1e9)), uint128(bound(b, 20, 1e9)), uint128(bound(c, 20, 1e9)));
        doLend(cat, a);
        doLend(ann, b);
        doLend(cat, c);
        uint128 shares = sharesOf(cat);
        doRedeem(cat, shares / 3);
        doRedeem(cat, shares - shares / 3);
        assertLe(_gain(cat), 0);
    }

    function testFuzz_DepositsOfDust(uint128 amount, uint64 blocks) public {
        doLend(ann, LENT);
        doOpen(ben, 4 * LENT, LENT / 2);
        later(uint64(bound(blocks, 1, 1e6)));
        uint256 price = (low() + 1) * 1e18 / (books().shares + 1e6);
        for (uint256 i = 0; i < 8; i++) {
            doLend(cat, uint128(bound(amount, 20, 100)) + uint128(i));
            doRedeem(cat, sharesOf(cat) - uint128(i));
        }
        assertLe(_gain(cat), 0);
        assertGe((low() + 1) * 1e18 / (books().shares + 1e6), price);
    }

    /// @dev Loans of the least size, each rounded: the market is owed no more than they bring.
    function test_LoansOfDust() public {
        Terms memory t = terms();
        t.minimum = 1;
        market = newMarket(t);
        doLend(ann, LENT);
        uint256[] memory loans = new uint256[](12);
        for (uint256 i = 0; i < loans.length; i++) {
            loans[i] = doOpen(cat, 3, 1);
            later(1);
        }
        uint256 before = low();
        for (uint256 i = 0; i < loans.length; i++) {
            doAt(loans[i], cat, repay(uint64(i + 1), MAX, 0));
        }
        assertGe(low(), before);
        assertEq(_gain(cat), -12); // a unit of interest from each, for a hundred-thousandth of one
    }

    /// @dev Turning interest into principal again and again costs a unit each time; it never saves one.
    function testFuzz_RepayingInSlices(uint128 slice, uint8 parts) public {
        doLend(ann, LENT);
        uint256 whole = doOpen(ben, 2_000_000, 500_000);
        uint256 sliced = doOpen(cat, 2_000_000, 500_000);
        slice = uint128(bound(slice, 1, 40_000));
        for (uint256 i = 0; i < parts % 10; i++) {
            doAt(sliced, cat, repay(2, slice, 0));
            doAt(sliced, cat, borrow(2, 0, slice));
        }
        later(1000);
        doAt(whole, ben, repay(1, MAX, 0));
        doAt(sliced, cat, repay(2, MAX, 0));
        assertLe(_gain(cat), _gain(ben));
    }

    // ---------------------------------------------------------------- the largest amounts

    function test_TheLargestAmounts() public {
        give(cat, ASSET, MAX - PURSE);
        give(cat, COLLATERAL, MAX - PURSE);
        // A million shares for each unit: not all can be lent to an empty market.
        refused(places(market, cat), 1, lend(MAX, 0), why("TooLarge(uint256)", uint256(MAX) * 1e6));
        uint128 most = MAX / 1e6;
        doLend(cat, most);
        refused(places(market, cat), 1, redeem(MAX, 0), why("TooMuch(uint256,uint256)", sharesOf(cat), MAX));
        refused(places(market, cat), 1, borrow(0, MAX, MAX), why("NotIdle(uint256,uint256)", most, MAX));
        uint256 loan = doOpen(cat, MAX, most);
        assertEq(debtOf(loan), most);
        refused(places(market, cat), 1, borrow(0, MAX, 1), why("NotIdle(uint256,uint256)", 0, 1));
        later(1e9);
        doAt(loan, cat, callIn(1, MAX));
        later(1e18);
        doAt(loan, cat, bid(1, MAX, MAX));
        assertEq(holding(cat, COLLATERAL), MAX);
        assertEq(books().principal + books().moment + books().called, 0);
    }

    function test_ARateOfZeroIsNoInterest() public {
        Terms memory t = terms();
        t.rate = 0;
        market = newMarket(t);
        doLend(ann, LENT);
        uint256 loan = doOpen(ben, 2_000_000, 1_000_000);
        later(1e9);
        doAt(loan, ben, repay(1, MAX, 0));
        assertEq(_gain(ben), 0);
        assertEq(doRedeem(ann, sharesOf(ann)), LENT);
    }

    /// @dev 18.4 times the principal in a block. Nothing overflows that could be stored; whoever calls finds it out.
    function test_TheHighestRate() public {
        Terms memory t = terms();
        t.rate = type(uint64).max;
        market = newMarket(t);
        doLend(ann, LENT);
        uint256 loan = doOpen(ben, 2_000_000, 1_000_000);
        later(1e6);
        doAt(loan, cat, callIn(1, 0));
        assertEq(loanAt(loan).principal, 1_000_000 + quotientUp(uint256(1e12) * type(uint64).max, 1e18));
        later(70);
        doAt(loan, cat, bid(1, 0, 2_000_000));
        assertEq(doRedeem(ann, sharesOf(ann)), LENT - 1_000_000);
    }

    /// @dev A debt that does not fit an amount can be neither paid nor called. No lender need agree to terms that lead there.
    function test_ADebtAboveAllAmountsIsStuck() public {
        Terms memory t = terms();
        t.rate = type(uint64).max;
        market = newMarket(t);
        doLend(ann, 1e20);
        uint256 loan = doOpen(ben, 2e20, 1e20);
        later(1 << 62);
        uint256 debt = 1e20 + quotientUp(uint256(1e20) * type(uint64).max * (1 << 62), 1e18);
        assertGt(debt, MAX);
        refused(places(market, loan, cat), 2, callIn(1, 0), why("TooLarge(uint256)", debt));
        bytes memory reason = why("NotCovered(uint256,uint256)", 1e20, debt - MAX);
        refused(places(market, loan, ben), 2, repay(1, MAX, 0), reason);
    }

    // ---------------------------------------------------------------- one person in several roles

    function testFuzz_LendingToOneself(uint128 amount, uint64 blocks, bool calls) public {
        doLend(ann, LENT);
        amount = uint128(bound(amount, 1000, 1e9));
        doLend(cat, amount);
        uint256 loan = doOpen(cat, 2 * amount, amount);
        later(uint64(bound(blocks, 0, 1e6)));
        if (calls) doAt(loan, cat, callIn(1, MAX));
        doAt(loan, cat, repay(1, MAX, 0));
        doRedeem(cat, sharesOf(cat));
        assertLe(_gain(cat), 0);
        assertEq(holding(cat, COLLATERAL), PURSE);
    }

    /// @dev A borrower may bid for its own collateral. In the first part it then pays the debt, as by paying it; in the second it pays what
    /// anybody would have paid at that block, and nobody did.
    function test_BorrowerBidsOnItsOwnAuction() public {
        doLend(ann, LENT);
        uint256 loan = doOpen(ben, 2_000_000, 1_000_000);
        doAt(loan, ben, callIn(1, MAX));
        uint256 here = vm.snapshotState();
        for (uint64 passed = 0; passed < 20; passed++) {
            later(10 + passed);
            doAt(loan, ben, bid(1, MAX, 0));
            this.run(rule, places(loan, ben), one(1, close(1)), "");
            assertEq(_gain(ben), -50_000); // the fee
            assertEq(holding(ben, COLLATERAL), PURSE);
            vm.revertToState(here);
        }
        later(10 + 20 + 20);
        doAt(loan, ben, bid(1, MAX, 0));
        assertEq(_gain(ben), 450_000); // half of the debt, less the fee: lenders bear it
        assertEq(low(), LENT - 450_000);
        assertEq(holding(ben, COLLATERAL), PURSE);
    }

    /// @dev A called debt bears no interest; what a borrower that calls itself saves by that, it has paid as the fee.
    function test_ABorrowerThatCallsItselfPaysTheFee() public {
        doLend(ann, LENT);
        uint256 called = doOpen(ben, 2_000_000, 500_000);
        uint256 plain = doOpen(cat, 2_000_000, 500_000);
        doAt(called, ben, callIn(1, MAX));
        later(80); // until nothing is asked
        doAt(called, ben, repay(1, MAX, 0));
        doAt(plain, cat, repay(2, MAX, 0));
        assertEq(_gain(ben), -25_000);
        assertEq(_gain(cat), -400);
    }

    /// @dev The fee is the lenders', and who lends all of it has it back. Such a lender ends loans when it likes, as its borrowers know.
    function test_TheOnlyLenderCallsForNothing() public {
        doLend(cat, LENT);
        uint256 loan = doOpen(ben, 2_000_000, 500_000);
        doAt(loan, cat, callIn(1, MAX));
        doAt(loan, ben, repay(1, MAX, 0));
        doRedeem(cat, sharesOf(cat));
        assertEq(_gain(ben), 0);
        assertApproxEqAbs(_gain(cat), 0, 1);
    }

    // ---------------------------------------------------------------- losses in sight

    /// @dev Ann and cat lend the same. The loan is lost as a whole.
    function _twoLenders() private returns (uint256 loan) {
        doLend(ann, LENT);
        doLend(cat, LENT);
        loan = doOpen(ben, 2 * LENT, LENT);
    }

    function _lose(uint256 loan) private {
        later(200);
        doAt(loan, ben, bid(1, MAX, 0));
    }

    function test_RedeemingAfterACallFetchesTheLossAlready() public {
        uint256 loan = _twoLenders();
        doAt(loan, ben, callIn(1, MAX)); // for 500,000, which are idle now
        doRedeem(cat, sharesOf(cat));
        _lose(loan);
        doRedeem(ann, sharesOf(ann));
        assertLe(_gain(cat), -int256(uint256(LENT - 500_000) / 2));
        assertApproxEqAbs(_gain(cat), _gain(ann), 2);
    }

    /// @dev Before anybody calls, debts count as what they are: who doubts a loan and sees idle money may take it first. It is the
    /// market's own risk, as a bank's: calling costs nothing once a debt is above its cover by the fee.
    function test_RedeemingBeforeACallIsAtThePriceOfThatMoment() public {
        uint256 loan = _twoLenders();
        doRedeem(cat, sharesOf(cat));
        assertApproxEqAbs(_gain(cat), 0, 1);
        doAt(loan, ben, callIn(1, MAX));
        _lose(loan);
        doRedeem(ann, sharesOf(ann));
        assertApproxEqAbs(_gain(ann), -int256(uint256(LENT - 500_000)), 2);
    }

    function test_LendingAfterACallGainsNothingWhenItIsPaid() public {
        uint256 loan = _twoLenders();
        uint256 dan = user("dan");
        give(dan, ASSET, PURSE);
        doAt(loan, ben, callIn(1, MAX));
        doLend(dan, LENT);
        doAt(loan, ben, repay(1, MAX, 0));
        doRedeem(dan, sharesOf(dan));
        assertLe(_gain(dan), 0);
        assertGe(doRedeem(ann, sharesOf(ann)), LENT);
    }

    function test_LendingAfterACallSharesTheLoss() public {
        uint256 loan = _twoLenders();
        uint256 dan = user("dan");
        give(dan, ASSET, PURSE);
        doAt(loan, ben, callIn(1, MAX));
        doLend(dan, LENT);
        _lose(loan);
        doRedeem(dan, sharesOf(dan));
        assertApproxEqAbs(_gain(dan), -int256(uint256(LENT) * LENT / (3 * uint256(LENT) + 500_000)), 2);
    }

    /// @dev A part of the fee is to be had for lending in front of the call, but not in time: who leaves is paid from what is low.
    function testFuzz_LendingForTheFeeOfACall(uint128 amount, uint128 debt) public {
        doLend(ann, LENT);
        debt = uint128(bound(debt, 100, LENT));
        uint256 loan = doOpen(ben, 2 * debt, debt);
        amount = uint128(bound(amount, debt, 1e9));
        doLend(cat, amount);
        doAt(loan, ben, callIn(1, MAX));
        doRedeem(cat, sharesOf(cat));
        assertLt(_gain(cat), 0);
    }

    /// @dev What is paid when nobody has shares belongs to the million that nobody has. So it makes shares dear, not the next lender rich.
    function testFuzz_WhatTheLastLenderLeaves(uint128 next) public {
        doLend(ann, LENT);
        uint256 loan = doOpen(ben, LENT, LENT / 4);
        doAt(loan, ben, callIn(1, MAX));
        doRedeem(ann, sharesOf(ann));
        assertEq(books().shares, 0);
        next = uint128(bound(next, 100, 1e18));
        uint256 here = vm.snapshotState();
        doLend(cat, next); // before it is paid
        doAt(loan, ben, repay(1, MAX, 0));
        doRedeem(cat, sharesOf(cat));
        assertLe(_gain(cat), 0);
        vm.revertToState(here);
        doAt(loan, ben, repay(1, MAX, 0));
        doLend(cat, next); // and after
        doRedeem(cat, sharesOf(cat));
        assertLe(_gain(cat), 0);
    }

    /// @dev While a loan is called who leaves leaves the rest to the others. So somebody might call a good loan in front of a redemption:
    /// the redeemer's `atLeast` refuses that. Without it the caller may gain more than its fee.
    function test_CallingJustBeforeARedemption() public {
        uint256 loan = _twoLenders();
        uint256 expected = uint256(sharesOf(ann)) * (low() + 1) / (books().shares + 1e6);
        bytes memory careful = redeem(sharesOf(ann), uint128(expected));
        bytes memory careless = redeem(sharesOf(ann), 0);
        doAt(loan, cat, callIn(1, MAX));
        uint256 less = uint256(sharesOf(ann)) * (low() + 1) / (books().shares + 1e6);
        refused(places(market, ann), 1, careful, why("TooLittle(uint256,uint256)", expected, less));
        this.run(rule, places(market, ann), one(1, careless), "");
        doAt(loan, ben, repay(1, MAX, 0));
        doRedeem(cat, sharesOf(cat));
        assertEq(_gain(ben), 0);
        assertLt(_gain(ann), 0);
        assertApproxEqAbs(_gain(cat), -_gain(ann), 2);
    }

    /// @dev Whoever borrows all that is idle holds up redemptions, and pays interest for as long.
    function test_BorrowingAllThatIsIdle() public {
        doLend(ann, LENT);
        uint256 loan = doOpen(cat, 2 * LENT, LENT);
        refused(places(market, ann), 1, redeem(1e6, 0), why("NotIdle(uint256,uint256)", 0, 1));
        later(100);
        doAt(loan, cat, repay(1, MAX, 0));
        assertEq(_gain(cat), -10_000);
        assertGe(doRedeem(ann, sharesOf(ann)), LENT + 9999);
    }

    /// @dev A debt that is a little above what is covered is no gift to whoever wants to end it.
    function test_ALoanUpToItsRatioIsNotCalledForNothing() public {
        doLend(ann, LENT);
        uint256 loan = doOpen(ben, 2_000_000, 1_000_000);
        later(1); // 10 units of interest, and half a unit more of a fee
        uint256 fee = 50_001 - 10;
        refused(
            places(market, loan, cat), 2, callIn(1, uint128(fee - 1)), why("TooMuch(uint256,uint256)", fee - 1, fee)
        );
        doAt(loan, cat, callIn(1, uint128(fee)));
        assertEq(_gain(cat), -int256(fee));
    }
}
