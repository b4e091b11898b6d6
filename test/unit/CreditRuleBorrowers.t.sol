// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {CreditBench} from "../harness/CreditBench.sol";

/// @notice The Credit rule: what borrowers do, and that it is theirs alone to do.
contract CreditRuleBorrowersTest is CreditBench {
    string private constant BORROW_TYPE =
        "CreditBorrow(uint80 market,uint64 serial,bytes32 collateral,uint128 added,bytes32 asset,uint128 amount)";
    string private constant REPAY_TYPE =
        "CreditRepay(uint80 market,uint64 serial,bytes32 asset,uint128 atMost,bytes32 collateral,uint128 taken)";
    string private constant ADD_TYPE = "CreditAdd(uint80 market,uint64 serial,bytes32 collateral,uint128 amount)";
    string private constant CLOSE_TYPE = "CreditClose(uint80 market,uint64 serial)";

    uint128 private constant LENT = 10_000_000;
    uint256 private loan; // serial 1: 2,000,000 of collateral, 500,000 of debt since block 1000

    function setUp() public override {
        super.setUp();
        doLend(ann, LENT);
        loan = doOpen(ben, 2_000_000, 500_000);
    }

    function _meaning(string memory name, string memory text, uint64 serial, uint128 x, uint128 y)
        private
        view
        returns (bytes memory)
    {
        bytes memory members = keccak256(bytes(name)) == keccak256("CreditBorrow")
            ? abi.encode(idOf(market), serial, COLLATERAL, x, ASSET, y)
            : abi.encode(idOf(market), serial, ASSET, x, COLLATERAL, y);
        return meaning(name, text, members);
    }

    function _at(uint256 place) private view returns (uint256[] memory) {
        return places(market, place, ben);
    }

    function _loan(uint64 serial, uint128 principal, uint64 since, uint64 called) private view returns (Loan memory) {
        return Loan(idOf(market), serial, COLLATERAL, principal, since, called);
    }

    // ---------------------------------------------------------------- borrow

    function test_ALoanIsAPositionWithATitle() public {
        later(5);
        _checkOpening(hex"050003");
    }

    function test_InACohortPositionsAreLeavesOfTheMarkets() public {
        Terms memory t = terms();
        t.depth = 12;
        market = newMarket(t);
        doLend(ann, LENT);
        doOpen(ben, 2_000_000, 500_000);
        later(5);
        _checkOpening(hex"090003");
    }

    function _checkOpening(bytes memory open) private {
        bytes memory expected = bytes.concat(
            _meaning("CreditBorrow", BORROW_TYPE, 0, 300, 150),
            open,
            abi.encodePacked(rule),
            move(1, 2, COLLATERAL, 300),
            move(0, 1, ASSET, 150),
            mint(1, titleTag(2), 1),
            writeLoan(2, _loan(2, 150, 1005, 0)),
            writeBooks(Books(2, uint128(LENT * 1e6), 500_150, 500_000_000 + 150_750, 0))
        );
        check(places(market, ben), 1, borrow(0, 300, 150), expected);
        assertEq(titles(ben, 2), 1);
        assertEq(holding(opened[0], COLLATERAL), 300);
    }

    function test_ANewLoanIsCoveredAndNotTooSmall() public {
        uint256[] memory listed = places(market, ben);
        refused(listed, 1, borrow(0, 1000, 0), why("Nothing()"));
        refused(listed, 1, borrow(0, 1000, 99), why("BelowMinimum(uint256,uint256)", 100, 99));
        refused(listed, 1, borrow(0, 1000, 501), why("NotCovered(uint256,uint256)", 500, 501));
        refused(listed, 1, borrow(0, 1001, 501), why("NotCovered(uint256,uint256)", 500, 501));
        refused(listed, 1, borrow(0, 0, 100), why("NotCovered(uint256,uint256)", 0, 100));
        uint128 idle = LENT - 500_000;
        refused(listed, 1, borrow(0, PURSE, idle + 1), why("NotIdle(uint256,uint256)", idle, idle + 1));
        doOpen(ben, PURSE / 2, idle);
        refused(listed, 1, borrow(0, 1000, 100), why("NotIdle(uint256,uint256)", 0, 100));
    }

    function test_SerialsAreNotUsedTwice() public {
        doAt(loan, ben, repay(1, type(uint128).max, 0));
        doOpen(ben, 1000, 100);
        assertEq(titles(ben, 1), 0);
        assertEq(titles(ben, 2), 1);
        assertEq(books().serial, 2);
    }

    function test_BorrowingMoreTurnsInterestIntoPrincipal() public {
        later(7); // interest: 500,000 · 7 · 10^-5 = 35
        bytes memory expected = bytes.concat(
            _meaning("CreditBorrow", BORROW_TYPE, 1, 11, 13),
            move(2, 1, COLLATERAL, 11),
            move(0, 2, ASSET, 13),
            writeLoan(1, _loan(1, 500_048, 1007, 0)),
            writeBooks(Books(1, uint128(LENT * 1e6), 500_048, 500_048 * 1007, 0))
        );
        check(_at(loan), 2, borrow(1, 11, 13), expected);
    }

    function test_NoCollateralNeedBeAdded() public {
        bytes memory expected = bytes.concat(
            _meaning("CreditBorrow", BORROW_TYPE, 1, 0, 13),
            move(0, 2, ASSET, 13),
            writeLoan(1, _loan(1, 500_013, 1000, 0)),
            writeBooks(Books(1, uint128(LENT * 1e6), 500_013, 500_013_000, 0))
        );
        check(_at(loan), 2, borrow(1, 0, 13), expected);
    }

    function test_BorrowingMoreIsBounded() public {
        later(7);
        refused(_at(loan), 2, borrow(1, 5, 0), why("Nothing()"));
        refused(_at(loan), 2, borrow(1, 0, 499_966), why("NotCovered(uint256,uint256)", 1_000_000, 1_000_001));
        refused(_at(loan), 2, borrow(1, 0, LENT), why("NotIdle(uint256,uint256)", LENT - 500_000, LENT));
        refused(_at(loan), 2, borrow(1, 10, 499_971), why("NotCovered(uint256,uint256)", 1_000_005, 1_000_006));
        doAt(loan, ben, borrow(1, 10, 499_970)); // what is added covers too
        doAt(loan, cat, callIn(1, 100_000));
        refused(_at(loan), 2, borrow(1, PURSE / 2, 1), why("IsCalled(uint256)", 1007));
        doAt(loan, ben, repay(1, type(uint128).max, 0));
        _giveTitle(1);
        refused(_at(loan), 2, borrow(1, 5, 100), why("IsCalled(uint256)", 1007));
    }

    function test_APaidLoanIsNoLoanAnyMore() public {
        doAt(loan, ben, repay(1, type(uint128).max, 0));
        _giveTitle(1); // which nobody can have: then its last check holds still
        refused(_at(loan), 2, borrow(1, 5, 100), why("NoDebt()"));
        refused(_at(loan), 2, repay(1, 100, 0), why("NoDebt()"));
        refused(places(loan, ben), 1, add(1, 5), why("NoDebt()"));
    }

    function _giveTitle(uint64 serial) private {
        give(ben, issued(rule, titleTag(serial)), 1);
    }

    /// @dev Only a market whose terms had changed could lend less than its minimum here: a debt never falls below it.
    function test_BorrowingMoreLeavesTheMinimum() public {
        bytes memory data = dataOf(market);
        data[96] = 0x01; // minimum 2^72 + 100
        setData(market, data);
        refused(_at(loan), 2, borrow(1, 5, 1), why("BelowMinimum(uint256,uint256)", 2 ** 72 + 100, 500_001));
    }

    // ---------------------------------------------------------------- repay

    function test_PayingAllGivesBackAllAndEndsTheTitle() public {
        later(7);
        bytes memory expected = bytes.concat(
            _meaning("CreditRepay", REPAY_TYPE, 1, 500_035, 1),
            move(2, 0, ASSET, 500_035),
            move(1, 2, COLLATERAL, 2_000_000),
            burn(2, titleTag(1), 1),
            writeLoan(1, _loan(1, 0, 1007, 0)),
            writeBooks(Books(1, uint128(LENT * 1e6), 0, 0, 0))
        );
        check(_at(loan), 2, repay(1, 500_035, 1), expected);
        assertEq(supply[issued(rule, titleTag(1))], 0);
    }

    function test_NobodyPaysMoreThanTheDebt() public {
        later(1_000_000);
        uint128 before = holding(ben, ASSET);
        doAt(loan, ben, repay(1, type(uint128).max, 0));
        assertEq(before - holding(ben, ASSET), 500_000 + 5_000_000);
    }

    function test_PayingAPartGivesBackWhatIsTaken() public {
        later(7);
        bytes memory expected = bytes.concat(
            _meaning("CreditRepay", REPAY_TYPE, 1, 100_036, 1_200_000),
            move(2, 0, ASSET, 100_036),
            move(1, 2, COLLATERAL, 1_200_000),
            writeLoan(1, _loan(1, 399_999, 1007, 0)),
            writeBooks(Books(1, uint128(LENT * 1e6), 399_999, 399_999 * 1007, 0))
        );
        check(_at(loan), 2, repay(1, 100_036, 1_200_000), expected);
        expected = bytes.concat(
            _meaning("CreditRepay", REPAY_TYPE, 1, 1, 0),
            move(2, 0, ASSET, 1),
            writeLoan(1, _loan(1, 399_998, 1007, 0)),
            writeBooks(Books(1, uint128(LENT * 1e6), 399_998, 399_998 * 1007, 0))
        );
        check(_at(loan), 2, repay(1, 1, 0), expected);
    }

    function test_WhatIsLeftIsCoveredAndNotTooSmall() public {
        refused(_at(loan), 2, repay(1, 0, 0), why("Nothing()"));
        refused(_at(loan), 2, repay(1, 499_901, 0), why("BelowMinimum(uint256,uint256)", 100, 99));
        refused(_at(loan), 2, repay(1, 100_000, 1_200_001), why("NotCovered(uint256,uint256)", 399_999, 400_000));
        refused(_at(loan), 2, repay(1, 100_000, 2_000_000), why("NotCovered(uint256,uint256)", 0, 400_000));
        refused(_at(loan), 2, repay(1, 100_000, 2_000_001), why("NotHeld(uint256,uint256)", 2_000_000, 2_000_001));
        doAt(loan, ben, repay(1, 100_000, 1_200_000));
        later(1); // now the debt has outgrown what is left
        refused(_at(loan), 2, repay(1, 3, 0), why("NotCovered(uint256,uint256)", 400_000, 400_001));
        doAt(loan, ben, repay(1, 4, 0));
    }

    function test_ACalledLoanIsPaidAsAWhole() public {
        doAt(loan, cat, callIn(1, 25_000));
        later(10_000);
        refused(_at(loan), 2, repay(1, 499_999, 0), why("IsCalled(uint256)", 1000));
        bytes memory expected = bytes.concat(
            _meaning("CreditRepay", REPAY_TYPE, 1, 500_000, 0),
            move(2, 0, ASSET, 500_000),
            move(1, 2, COLLATERAL, 2_000_000),
            burn(2, titleTag(1), 1),
            writeLoan(1, _loan(1, 0, 11_000, 1000)),
            writeBooks(Books(1, uint128(LENT * 1e6), 0, 0, 0))
        );
        check(_at(loan), 2, repay(1, 500_000, 0), expected);
    }

    function testFuzz_DebtIsRoundedUpAndAllOfItIsPaid(uint128 amount, uint64 blocks) public {
        amount = uint128(bound(amount, 100, LENT - 500_000));
        blocks = uint64(bound(blocks, 0, 1e9));
        uint256 other = doOpen(ben, 2 * amount, amount);
        later(blocks);
        uint256 exact = uint256(amount) * 1e18 + uint256(amount) * 1e13 * blocks; // in 10^-18
        uint128 before = holding(ben, ASSET);
        doAt(other, ben, repay(2, type(uint128).max, 0));
        uint256 paid = before - holding(ben, ASSET);
        assertGe(paid * 1e18, exact);
        assertLt((paid - 1) * 1e18, exact);
        assertEq(books().principal, 500_000);
        assertEq(books().moment, 500_000_000);
    }

    // ---------------------------------------------------------------- add and close

    function test_AddingMovesAndNothingElse() public {
        bytes memory expected = bytes.concat(
            meaning("CreditAdd", ADD_TYPE, abi.encode(idOf(market), 1, COLLATERAL, 9)), move(1, 0, COLLATERAL, 9)
        );
        check(places(loan, ben), 1, add(1, 9), expected);
        assertEq(holding(loan, COLLATERAL), 2_000_009);
        refused(places(loan, ben), 1, add(1, 0), why("Nothing()"));
        doAt(loan, cat, callIn(1, 25_000));
        refused(places(loan, ben), 1, add(1, 9), why("IsCalled(uint256)", 1000));
    }

    function test_ClosingFetchesWhatAnAuctionLeft() public {
        refused(places(loan, ben), 1, close(1), why("NotPaid(uint256)", 500_000));
        doAt(loan, cat, callIn(1, 25_000));
        refused(places(loan, ben), 1, close(1), why("NotPaid(uint256)", 500_000));
        later(15); // 5 of 20 blocks: a quarter
        doAt(loan, cat, bid(1, 500_000, 500_000));
        bytes memory expected = bytes.concat(
            meaning("CreditClose", CLOSE_TYPE, abi.encode(idOf(market), 1)),
            move(0, 1, COLLATERAL, 1_500_000),
            burn(1, titleTag(1), 1),
            write(0, "")
        );
        check(places(loan, ben), 1, close(1), expected);
        assertEq(holding(ben, COLLATERAL), PURSE - 500_000);
    }

    function test_WhatAnAuctionLeftNothingOfIsClosedToo() public {
        doAt(loan, cat, callIn(1, 25_000));
        later(30);
        doAt(loan, cat, bid(1, 500_000, 2_000_000));
        bytes memory expected = bytes.concat(
            meaning("CreditClose", CLOSE_TYPE, abi.encode(idOf(market), 1)), burn(1, titleTag(1), 1), write(0, "")
        );
        check(places(loan, ben), 1, close(1), expected);
        assertEq(supply[issued(rule, titleTag(1))], 0);
    }

    function test_WhatIsClosedIsNoPositionAnyMore() public {
        _checkClosed(15); // with something left
    }

    function test_WhatIsClosedWithoutCollateralIsNoPositionAnyMore() public {
        _checkClosed(30);
    }

    function test_AClosedLeafIsNoPositionAnyMore() public {
        Terms memory t = terms();
        t.depth = 12;
        market = newMarket(t);
        doLend(ann, LENT);
        loan = doOpen(ben, 2_000_000, 500_000);
        _checkClosed(15);
        doOpen(ben, 1000, 100);
        assertEq(titles(ben, 2), 1, "the market goes on");
    }

    /// @dev A bid so many blocks after the call. Nothing can be done with what is left, not even by whoever had a title, nor opened on it.
    function _checkClosed(uint64 blocks) private {
        doAt(loan, cat, callIn(1, 25_000));
        later(blocks);
        doAt(loan, cat, bid(1, 500_000, 0));
        bytes memory before = dataOf(market);
        this.run(rule, places(loan, ben), one(1, close(1)), "");
        assertEq(dataOf(loan), "");
        assertEq(holding(loan, COLLATERAL), 0);
        assertEq(dataOf(market), before, "closing is not the market's affair");
        _giveTitle(1);
        bytes memory reason = abi.encodeWithSignature("PositionNotListed(uint80,uint64)", idOf(market), 1);
        refused(_at(loan), 2, borrow(1, 5, 100), reason);
        refused(_at(loan), 2, repay(1, 5, 0), reason);
        refused(_at(loan), 2, callIn(1, type(uint128).max), reason);
        refused(_at(loan), 2, bid(1, type(uint128).max, 0), reason);
        refused(places(loan, ben), 1, add(1, 5), reason);
        refused(places(loan, ben), 1, close(1), reason);
        uint256 here = market;
        market = loan; // which the payloads name
        reason = abi.encodeWithSignature("MarketNotListed(uint80)", idOf(loan));
        refused(places(loan, ben), 1, lend(100, 0), reason);
        refused(places(loan, ben), 1, redeem(100, 0), reason);
        refused(places(loan, ben), 1, borrow(0, 1000, 100), reason);
        market = here;
    }

    // ---------------------------------------------------------------- whose it is

    function test_OnlyTheOwnerDecides() public {
        bytes memory reason = abi.encodeWithSignature("NotTheOwner(bytes32)", issued(rule, titleTag(1)));
        uint256[] memory listed = places(market, loan, cat);
        refused(listed, 2, borrow(1, 5, 5), reason);
        refused(listed, 2, repay(1, 5, 5), reason);
        refused(listed, 2, repay(1, type(uint128).max, 0), reason);
        refused(places(loan, cat), 1, add(1, 5), reason);
        refused(places(loan, cat), 1, close(1), reason);
        // Titles of other positions do not help.
        doOpen(cat, 1000, 100);
        refused(listed, 2, repay(1, 5, 5), reason);
    }

    function test_WhoeverHoldsTheTitleOwnsThePosition() public {
        _handTitle(ben, cat);
        refused(
            _at(loan), 2, repay(1, 5, 0), abi.encodeWithSignature("NotTheOwner(bytes32)", issued(rule, titleTag(1)))
        );
        doAt(loan, cat, repay(1, type(uint128).max, 0));
        assertEq(holding(cat, COLLATERAL), PURSE + 2_000_000);
    }

    /// @dev As the Account rule would.
    function _handTitle(uint256 from, uint256 to) private {
        address puppet = registered("Puppet.sol:Puppet");
        Consent[] memory consents = new Consent[](2);
        consents[1].position = 1;
        this.run(puppet, places(from, to), consents, move(0, 1, issued(rule, titleTag(1)), 1));
    }

    function test_ThePositionIsListedWhereItBelongs() public {
        bytes[4] memory payloads = [borrow(1, 5, 5), repay(1, 5, 5), callIn(1, 100_000), bid(1, 5, 5)];
        bytes memory reason = abi.encodeWithSignature("PositionNotListed(uint80,uint64)", idOf(market), 1);
        uint256 other = doOpen(ben, 1000, 100);
        for (uint256 i = 0; i < payloads.length; i++) {
            refused(places(market), 0, payloads[i], reason);
            refused(places(market, ben), 1, payloads[i], reason);
            refused(places(market, ben, loan), 1, payloads[i], reason);
            refused(places(market, other, ben), 2, payloads[i], reason);
        }
        bytes[2] memory alone = [add(1, 5), close(1)];
        for (uint256 i = 0; i < alone.length; i++) {
            refused(new uint256[](0), 0, alone[i], reason);
            refused(places(ben, loan), 0, alone[i], reason);
            refused(places(other, ben), 1, alone[i], reason);
            refused(places(market, ben), 1, alone[i], reason);
        }
    }
}
