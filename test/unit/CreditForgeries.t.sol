// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {CreditBench} from "../harness/CreditBench.sol";

/// @notice Things under the Credit rule that are passed for others: data under a key, titles of other positions, markets and rules,
/// positions for markets, and what was there before.
contract CreditForgeriesTest is CreditBench {
    uint128 private constant LENT = 10_000_000;
    uint256 private first; // market
    uint256 private loan; // serial 1 of the first market
    uint256 private second; // market, on the same terms
    uint256 private other; // serial 1 of the second market, cat's

    function setUp() public override {
        super.setUp();
        first = market;
        doLend(ann, LENT);
        loan = doOpen(ben, 2_000_000, 500_000);
        second = market = newMarket(terms());
        doLend(ann, LENT);
        other = doOpen(cat, 2_000_000, 500_000);
        doOpen(cat, 2_000_000, 500_000);
        market = first;
    }

    function _noPosition(uint64 serial) private view returns (bytes memory) {
        return abi.encodeWithSignature("PositionNotListed(uint80,uint64)", idOf(market), serial);
    }

    function _notTheOwner() private view returns (bytes memory) {
        return abi.encodeWithSignature("NotTheOwner(bytes32)", issued(rule, titleTag(1)));
    }

    // ---------------------------------------------------------------- titles

    function test_ATitleOfAnotherMarketOrSerial() public {
        // Cat has the titles 1 and 2 of the second market, and 2 of the first.
        doOpen(cat, 2_000_000, 500_000);
        uint256[] memory listed = places(first, loan, cat);
        refused(listed, 2, repay(1, type(uint128).max, 0), _notTheOwner());
        refused(listed, 2, borrow(1, 0, 100), _notTheOwner());
        refused(places(loan, cat), 1, add(1, 5), _notTheOwner());
        refused(places(loan, cat), 1, close(1), _notTheOwner());
        refused(listed, 2, repay(2, type(uint128).max, 0), _noPosition(2));
    }

    function test_ATitleThatAnotherRuleIssued() public {
        address puppet = registered("Puppet.sol:Puppet");
        this.run(puppet, places(cat), one(0, ""), mint(0, titleTag(1), 1));
        assertEq(holding(cat, issued(puppet, titleTag(1))), 1);
        refused(places(first, loan, cat), 2, repay(1, type(uint128).max, 0), _notTheOwner());
    }

    function test_LendersSharesAreNoTitle() public {
        assertGt(sharesOf(ann), 0);
        refused(places(first, loan, ann), 2, repay(1, type(uint128).max, 0), _notTheOwner());
    }

    function test_ATitleInAFragmentThatDoesNotSign() public {
        // Ben's fragment has it, cat's signs.
        refused(places(loan, cat, ben), 1, close(1), _notTheOwner());
        uint256[] memory listed = new uint256[](4);
        (listed[0], listed[1], listed[2], listed[3]) = (first, loan, cat, ben);
        refused(listed, 2, repay(1, type(uint128).max, 0), _notTheOwner());
    }

    function test_ATitleIsSpentOnce() public {
        doAt(loan, ben, repay(1, type(uint128).max, 0));
        refused(places(first, loan, ben), 2, repay(1, type(uint128).max, 0), _notTheOwner());
        refused(places(loan, ben), 1, close(1), _notTheOwner());
        refused(places(first, loan, ben), 2, borrow(1, 5, 100), _notTheOwner());
    }

    // ---------------------------------------------------------------- positions and markets

    function test_APositionOfAnotherMarket() public {
        uint256[] memory listed = places(first, other, cat);
        refused(listed, 2, repay(1, type(uint128).max, 0), _noPosition(1));
        refused(listed, 2, borrow(1, 5, 100), _noPosition(1));
        refused(listed, 2, callIn(1, type(uint128).max), _noPosition(1));
        refused(listed, 2, bid(1, type(uint128).max, 0), _noPosition(1));
        market = second;
        refused(
            listed, 2, repay(1, type(uint128).max, 0), abi.encodeWithSignature("MarketNotListed(uint80)", idOf(second))
        );
    }

    function test_APositionForAMarket() public {
        market = loan; // the payloads name its fragment
        bytes memory reason = abi.encodeWithSignature("MarketNotListed(uint80)", idOf(loan));
        refused(places(loan, cat), 1, lend(100, 0), reason);
        refused(places(loan, cat), 1, redeem(100, 0), reason);
        refused(places(loan, cat), 1, borrow(0, 1000, 100), reason);
        refused(places(loan, other, cat), 2, repay(1, 100, 0), reason);
    }

    function test_AMarketForAPosition() public {
        refused(places(first, second, cat), 2, callIn(1, type(uint128).max), _noPosition(1));
        refused(places(first, cat), 1, add(1, 5), _noPosition(1));
        refused(places(first, cat), 1, close(1), _noPosition(1));
    }

    function test_DataUnderAKey() public {
        uint256 forged = user("forger");
        setData(forged, dataOf(loan));
        give(forged, COLLATERAL, 1e20);
        refused(places(first, forged, ben), 2, borrow(1, 0, LENT - 500_000), _noPosition(1));
        refused(places(first, forged, ben), 2, repay(1, type(uint128).max, 0), _noPosition(1));
        refused(places(first, forged, cat), 2, callIn(1, type(uint128).max), _noPosition(1));
        refused(places(first, forged, cat), 2, bid(1, type(uint128).max, 0), _noPosition(1));
        refused(places(forged, ben), 1, close(1), _noPosition(1));
    }

    /// @dev A fragment under a key never is the market, wherever its data come from: nor can the signer be.
    function test_TheSignerAsTheMarket() public {
        uint256 forged = user("forger");
        setData(forged, dataOf(first));
        market = forged;
        refused(places(forged), 0, lend(100, 0), abi.encodeWithSignature("MarketNotListed(uint80)", idOf(forged)));
    }

    function test_DataOfAnotherSizeOrTag() public {
        bytes memory data = dataOf(first);
        setData(first, abi.encodePacked(data, uint8(0)));
        refused(places(first, ann), 1, lend(100, 0), abi.encodeWithSignature("MarketNotListed(uint80)", idOf(first)));
        data = dataOf(loan);
        setData(loan, abi.encodePacked(data, uint8(0)));
        refused(places(loan, ben), 1, add(1, 5), _noPosition(1));
        data[0] = 0x01;
        setData(loan, data);
        refused(places(loan, ben), 1, add(1, 5), _noPosition(1));
        data = dataOf(second);
        data[0] = 0x02;
        setData(second, data);
        market = second;
        refused(places(second, ann), 1, lend(100, 0), abi.encodeWithSignature("MarketNotListed(uint80)", idOf(second)));
    }

    function test_AFragmentTwice() public {
        uint256[] memory listed = places(first, first, ben);
        refused(listed, 2, repay(1, 100, 0), _noPosition(1));
        assertFalse(tryRun(rule, places(loan, loan, ben), one(2, add(1, 5)), ""));
        assertTrue(tryRun(rule, places(loan, ben), one(1, add(1, 5)), ""));
    }

    /// @dev The kernel lists nothing that a call leaves alone without consent: so nobody drags in another's position.
    function test_AFragmentTooMany() public {
        assertFalse(tryRun(rule, places(first, ann, other), one(1, lend(100, 0)), ""));
        assertFalse(tryRun(rule, places(loan, ben, cat), one(1, add(1, 5)), ""));
    }

    // ---------------------------------------------------------------- the same batch

    /// @dev A position has no id in the batch that opens it. It needs none, and its owner can go on with it.
    function test_APositionOfTheSameBatch() public {
        this.run(rule, places(first, ben), one(1, borrow(0, 4000, 1000)), "");
        uint256 made = opened[0];
        assertEq(shown(made).id, 0);
        doAt(made, ben, borrow(2, 0, 500));
        this.run(rule, places(made, ben), one(1, add(2, 5)), "");
        doAt(made, ben, repay(2, type(uint128).max, 0));
        assertEq(titles(ben, 2), 0);
        refused(places(first, made, cat), 2, repay(1, 100, 0), _noPosition(1));
    }
}
