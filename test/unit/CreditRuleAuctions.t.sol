// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {CreditBench} from "../harness/CreditBench.sol";
import {Random} from "../harness/Random.sol";

/// @notice The Credit rule: anybody may call a loan, and then the world is asked what the collateral is worth.
contract CreditRuleAuctionsTest is CreditBench {
    using Random for Random.Rng;

    string private constant CALL_TYPE = "CreditCall(uint80 market,uint64 serial,bytes32 asset,uint128 feeAtMost)";
    string private constant BID_TYPE =
        "CreditBid(uint80 market,uint64 serial,bytes32 asset,uint128 atMost,bytes32 collateral,uint128 atLeast)";

    uint128 private constant LENT = 10_000_000;
    uint256 private loan; // serial 1: 2,000,003 of collateral, 500,001 of debt since block 1000

    function setUp() public override {
        super.setUp();
        doLend(ann, LENT);
        loan = doOpen(ben, 2_000_003, 500_001);
    }

    function _at() private view returns (uint256[] memory) {
        return places(market, loan, cat);
    }

    function _loan(uint128 principal, uint64 since, uint64 called) private view returns (bytes memory) {
        return writeLoan(1, Loan(idOf(market), 1, COLLATERAL, principal, since, called));
    }

    function _books(uint128 called) private view returns (bytes memory) {
        return writeBooks(Books(1, uint128(LENT * 1e6), 0, 0, called));
    }

    // ---------------------------------------------------------------- call

    function _called(uint128 feeAtMost) private view returns (bytes memory) {
        return meaning("CreditCall", CALL_TYPE, abi.encode(idOf(market), 1, ASSET, feeAtMost));
    }

    function test_WhoCallsWithoutNeedPaysTheLenders() public {
        later(7); // debt 500,036.00007, rounded up; of it 5 % are 25,001.85
        bytes memory expected =
            bytes.concat(_called(25_002), move(2, 0, ASSET, 25_002), _loan(500_037, 1007, 1007), _books(500_037));
        refused(_at(), 2, callIn(1, 25_001), why("TooMuch(uint256,uint256)", 25_001, 25_002));
        check(_at(), 2, callIn(1, 25_002), expected);
    }

    /// @dev 1,000,001 are covered. The debt grows by 5 a block.
    function test_OfTheFeeIsTakenWhatIsNotCovered() public {
        _checkFee(99_999, 999_997, 50_000); // 49,999.85
        _checkFee(100_000, 1_000_002, 50_001 - 1);
        _checkFee(100_001, 1_000_008, 50_001 - 7); // 50,000.4
        _checkFee(110_525, 1_052_628, 52_632 - 52_627);
        _checkFee(110_526, 1_052_633, 0); // 52,631.65
        _checkFee(110_527, 1_052_638, 0);
        _checkFee(1_000_000, 5_500_011, 0);
    }

    function _checkFee(uint64 blocks, uint128 debt, uint128 fee) private {
        uint256 here = vm.snapshotState();
        later(blocks);
        assertEq(debtOf(loan), debt);
        if (fee > 0) refused(_at(), 2, callIn(1, fee - 1), why("TooMuch(uint256,uint256)", fee - 1, fee));
        bytes memory expected = bytes.concat(
            _called(fee),
            fee > 0 ? move(2, 0, ASSET, fee) : bytes(""),
            _loan(debt, 1000 + blocks, 1000 + blocks),
            _books(debt)
        );
        check(_at(), 2, callIn(1, fee), expected);
        vm.revertToState(here);
    }

    function test_ALoanIsCalledOnce() public {
        doAt(loan, cat, callIn(1, 100_000));
        refused(_at(), 2, callIn(1, 100_000), why("IsCalled(uint256)", 1000));
        later(1000);
        refused(_at(), 2, callIn(1, 100_000), why("IsCalled(uint256)", 1000));
    }

    function test_APaidLoanIsNotCalled() public {
        this.run(rule, places(market, loan, ben), one(2, repay(1, 600_000, 0)), "");
        refused(_at(), 2, callIn(1, 100_000), why("NoDebt()"));
    }

    function test_TheOwnerMayCallToo() public {
        this.run(rule, places(market, loan, ben), one(2, callIn(1, 100_000)), "");
        assertEq(loanAt(loan).called, 1000);
    }

    function test_TheFeeIsTheLendersAndLowersNoDebt() public {
        uint256 expected = high() + 25_001;
        doAt(loan, cat, callIn(1, 25_001));
        assertEq(high(), expected);
        assertEq(low(), expected - 500_001);
        assertEq(loanAt(loan).principal, 500_001);
    }

    function test_WithoutACallFeeNothingIsMoved() public {
        Terms memory t = terms();
        t.callFee = 0;
        market = newMarket(t);
        doLend(ann, LENT);
        loan = doOpen(ben, 2_000_003, 500_001);
        check(_at(), 2, callIn(1, 9), bytes.concat(_called(9), _loan(500_001, 1000, 1000), _books(500_001)));
    }

    /// @dev Both have borrowed all that their collateral covers, so all interest is bare. What that takes from the fee is owed.
    function test_AtItsLimitABorrowerRenewsForTheWholeFee() public {
        uint256 own = doOpen(ben, 2_000_000, 1_000_000);
        uint128 before = holding(ben, ASSET);
        for (uint64 cycle = 1; cycle <= 5; cycle++) {
            later(1);
            this.run(rule, places(market, own, ben), one(2, callIn(cycle + 1, 50_001 - 10)), ""); // of 1,000,010
            later(10);
            uint256 next = doOpen(ben, 2_000_000, 1_000_000);
            doAt(own, ben, repay(cycle + 1, type(uint128).max, 0));
            own = next;
            assertEq(before - holding(ben, ASSET), 50_001 * cycle);
        }
    }

    /// @dev Whatever the terms: what a debt exceeds its cover by is interest.
    function testFuzz_FeeAndInterestAreTheCallFeeAtLeast(uint256 seed) public {
        Random.Rng memory rng = Random.Rng(seed);
        Terms memory t = terms();
        (t.rate, t.ratio) = (uint64(rng.below(1e14)), uint128(1e15 + rng.below(5e18)));
        (t.minimum, t.callFee) = (1, uint24(1 + rng.below(100_000)));
        market = newMarket(t);
        doLend(ann, LENT);
        uint256 collateral = 1000 + rng.below(1e6);
        uint256 cover = collateral * t.ratio / 1e18;
        uint128 amount = uint128(rng.onceIn(2) ? cover : 1 + rng.below(cover));
        loan = doOpen(ben, uint128(collateral), amount);
        // As many blocks as make interest of this part of the fee, in percent: so each case comes.
        uint256 part = rng.below(300);
        uint64 blocks = uint64(part * 1e10 * t.callFee / (uint256(t.rate) + 1));
        later(blocks);
        uint256 had = holding(cat, ASSET);
        doAt(loan, cat, callIn(1, type(uint128).max));
        uint256 fee = had - holding(cat, ASSET);
        uint256 debt = loanAt(loan).principal;
        assertEq(debt, amount + quotientUp(uint256(amount) * t.rate * blocks, 1e18));
        uint256 whole = quotientUp(debt * t.callFee, 1e6);
        assertEq(fee, debt <= cover ? whole : whole + cover <= debt ? 0 : whole + cover - debt);
        assertGe(fee + debt - amount, whole);
    }

    // ---------------------------------------------------------------- bid

    /// @dev A debt of 500,001 since block 1000; the auction starts at 1010, rises until 1030 and falls until 1070.
    function _auction() private {
        doAt(loan, cat, callIn(1, 25_001));
        assertEq(loanAt(loan).principal, 500_001);
    }

    function test_OnlyACalledLoanIsAuctioned() public {
        refused(_at(), 2, bid(1, 500_000, 0), why("NotCalled()"));
    }

    function test_TheAuctionWaitsForTheGrace() public {
        _auction();
        later(9);
        refused(_at(), 2, bid(1, 500_001, 0), why("NotYet(uint256,uint256)", 1010, 1009));
        later(1);
        doAt(loan, cat, bid(1, 500_001, 0));
    }

    function test_FirstTheOfferRisesThenThePriceFalls() public {
        _auction();
        _checkBid(10, 0, 500_001);
        _checkBid(11, 100_000, 500_001); // 2,000,003 / 20 = 100,000.15
        _checkBid(29, 1_900_002, 500_001); // 2,000,003 · 19 / 20 = 1,900,002.85
        _checkBid(30, 2_000_003, 500_001);
        _checkBid(31, 2_000_003, 487_501); // 500,001 · 39 / 40 = 487,500.98
        _checkBid(69, 2_000_003, 12_501);
        _checkBid(70, 2_000_003, 0);
        _checkBid(71, 2_000_003, 0);
        _checkBid(1 << 62, 2_000_003, 0);
    }

    /// @dev After the call by so many blocks.
    function _checkBid(uint64 blocks, uint128 offered, uint128 asked) private {
        uint256 here = vm.snapshotState();
        later(blocks);
        refused(_at(), 2, bid(1, asked, offered + 1), why("TooLittle(uint256,uint256)", offered + 1, offered));
        if (asked > 0) {
            refused(_at(), 2, bid(1, asked - 1, offered), why("TooMuch(uint256,uint256)", asked - 1, asked));
        }
        bytes memory expected = bytes.concat(
            meaning("CreditBid", BID_TYPE, abi.encode(idOf(market), 1, ASSET, asked, COLLATERAL, offered)),
            asked > 0 ? move(2, 0, ASSET, asked) : bytes(""),
            offered > 0 ? move(1, 2, COLLATERAL, offered) : bytes(""),
            _loan(0, 1000 + blocks, 1000),
            _books(0)
        );
        check(_at(), 2, bid(1, asked, offered), expected);
        refused(_at(), 2, bid(1, asked, 0), why("NoDebt()"));
        assertEq(titles(ben, 1), 1, "the title stays, for what is left");
        vm.revertToState(here);
    }

    function testFuzz_TheAuctionIsRoundedForOwnerAndLenders(uint128 collateral, uint128 debt, uint64 blocks) public {
        collateral = uint128(bound(collateral, 200, PURSE / 2));
        debt = uint128(bound(debt, 100, collateral / 2 < 9_000_000 ? collateral / 2 : 9_000_000));
        blocks = uint64(bound(blocks, 10, 80));
        loan = doOpen(ben, collateral, debt);
        doAt(loan, cat, callIn(2, type(uint128).max));
        uint256 principal = loanAt(loan).principal;
        (uint128 asset, uint128 had) = (holding(cat, ASSET), holding(cat, COLLATERAL));
        later(blocks);
        doAt(loan, cat, bid(2, type(uint128).max, 0));
        uint256 offered = holding(cat, COLLATERAL) - had;
        uint256 asked = asset - holding(cat, ASSET);
        // Blocks that are left of each part, by which the offer falls short of all, and the price exceeds nothing.
        uint256 toRise = blocks < 30 ? 30 - blocks : 0;
        uint256 toFall = blocks < 30 ? 40 : blocks < 70 ? 70 - blocks : 0;
        assertEq(collateral - offered, quotientUp(collateral * toRise, 20));
        assertEq(asked, quotientUp(principal * toFall, 40));
    }

    function test_ALossIsTheLendersAndABidEndsIt() public {
        _auction();
        uint256 all = LENT + 25_001;
        assertEq(high(), all);
        assertEq(low(), all - 500_001);
        later(50); // half of the price is left
        doAt(loan, cat, bid(1, 250_001, 2_000_003));
        assertEq(high(), all - 250_000);
        assertEq(low(), high());
        assertEq(books().called, 0);
    }

    /// @dev No kernel shows a rule a block before one that stands in a fragment. If it did, there would be no negative interest.
    function test_AClockBeforeAnyBlockInThePositionFails() public {
        bytes memory panic = abi.encodeWithSignature("Panic(uint256)", 0x11);
        context.blockNumber -= 1;
        refused(_at(), 2, callIn(1, 100_000), panic);
        refused(places(market, loan, ben), 2, repay(1, 100_000, 0), panic);
        refused(places(market, loan, ben), 2, borrow(1, 0, 100), panic);
        refused(places(market, ann), 1, lend(100, 0), panic);
        refused(places(market, ann), 1, redeem(1e6, 0), panic);
        later(1);
        _auction();
        context.blockNumber -= 1;
        refused(_at(), 2, bid(1, 500_001, 0), why("NotYet(uint256,uint256)", 1010, 999));
    }
}
