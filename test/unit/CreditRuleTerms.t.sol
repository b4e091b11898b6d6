// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../../contracts/interfaces/IRule.sol";
import {CreditBench} from "../harness/CreditBench.sol";

/// @notice The Credit rule: terms of markets, what lenders do, and what every call has to look like.
contract CreditRuleTermsTest is CreditBench {
    string private constant CREATE_TYPE =
        "CreditCreate(uint8 depth,bytes32 collateral,bytes32 asset,uint128 ratio,uint64 rate,uint128 minimum,uint24 callFee,uint32 grace,uint32 rise,uint32 fall)";
    string private constant LEND_TYPE = "CreditLend(uint80 market,bytes32 asset,uint128 amount,uint128 sharesAtLeast)";
    string private constant REDEEM_TYPE = "CreditRedeem(uint80 market,uint128 shares,bytes32 asset,uint128 atLeast)";

    // ---------------------------------------------------------------- create

    function _created(Terms memory t, bytes memory extra) private view returns (bytes memory) {
        IRule.Fragment[] memory seen = new IRule.Fragment[](2);
        (seen[0], seen[1]) = (shown(ann), shown(ben));
        IRule.Authorisation[] memory signed = new IRule.Authorisation[](1);
        signed[0] = IRule.Authorisation(1, create(t));
        return IRule(rule).transition(context, seen, signed, extra);
    }

    function testFuzz_AMarketIsOpenedWithItsTermsAndEmptyBooks(Terms memory t) public view {
        t.callFee = uint24(bound(t.callFee, 0, 100_000));
        if (t.collateral == t.asset) t.asset = ~t.collateral;
        if (t.ratio == 0) t.ratio = 1;
        if (t.minimum == 0) t.minimum = 1;
        if (t.rise == 0) t.rise = 1;
        if (t.fall == 0) t.fall = 1;
        // Every member is one word of its own: such is abi.encode of a struct without dynamic members.
        bytes memory expected = bytes.concat(
            meaning("CreditCreate", CREATE_TYPE, abi.encode(t)),
            abi.encodePacked(uint8(5), t.depth, uint8(3), rule),
            write(2, abi.encodePacked(uint8(1), packed(t), new bytes(80)))
        );
        assertEq(_created(t, abi.encodePacked(rule)), expected);
    }

    function test_TermsHaveBounds() public {
        Terms memory t = terms();
        t.collateral = t.asset;
        _refusesTerms(t, abi.encodeWithSignature("SameAsset(bytes32)", ASSET));
        t = terms();
        t.ratio = 0;
        _refusesTerms(t, why("BadTerm(uint256,uint256)", 66, 0));
        t = terms();
        t.minimum = 0;
        _refusesTerms(t, why("BadTerm(uint256,uint256)", 90, 0));
        t = terms();
        t.callFee = 100_001;
        _refusesTerms(t, why("BadTerm(uint256,uint256)", 106, 100_001));
        t = terms();
        t.rise = 0;
        _refusesTerms(t, why("BadTerm(uint256,uint256)", 113, 0));
        t = terms();
        t.fall = 0;
        _refusesTerms(t, why("BadTerm(uint256,uint256)", 117, 0));
    }

    function _refusesTerms(Terms memory t, bytes memory reason) private {
        vm.expectRevert(reason);
        this.created(t, abi.encodePacked(rule));
    }

    /// @dev For vm.expectRevert.
    function created(Terms memory t, bytes memory extra) external view returns (bytes memory) {
        return _created(t, extra);
    }

    function test_OnlyUnderThisRuleCanAMarketBe() public {
        Consent[] memory consents = one(0, create(terms()));
        vm.expectRevert(abi.encodeWithSelector(Refused.selector, "under another rule"));
        this.run(rule, places(ann), consents, abi.encodePacked(address(this)));
        vm.expectRevert(why("ExtraLength(uint256,uint256)", 20, 0));
        this.created(terms(), "");
        vm.expectRevert(why("ExtraLength(uint256,uint256)", 20, 21));
        this.created(terms(), abi.encodePacked(rule, uint8(0)));
    }

    // ---------------------------------------------------------------- every call

    function test_EveryOtherOperationTakesNoUnsignedData() public {
        for (uint8 code = 2; code <= 9; code++) {
            vm.expectRevert(why("ExtraLength(uint256,uint256)", 0, 1));
            this.run(rule, places(market, ann), one(1, abi.encodePacked(code)), hex"00");
        }
    }

    function test_ACallIsForOneUser() public {
        Consent[] memory consents = new Consent[](2);
        (consents[0], consents[1]) = (Consent(1, lend(5, 0)), Consent(2, lend(5, 0)));
        vm.expectRevert(why("NotOneAuthorisation(uint256)", 2));
        this.run(rule, places(market, ann, ben), consents, "");
        vm.expectRevert(why("NotOneAuthorisation(uint256)", 0));
        this.run(rule, places(market, ann), new Consent[](0), "");
    }

    function test_NoOtherOperations() public {
        refused(places(market, ann), 1, "", why("UnknownOperation(uint256)", 0));
        refused(places(market, ann), 1, hex"00", why("UnknownOperation(uint256)", 0));
        refused(places(market, ann), 1, hex"0a", why("UnknownOperation(uint256)", 10));
        refused(places(market, ann), 1, hex"ff", why("UnknownOperation(uint256)", 255));
    }

    function test_PayloadsEndWithTheirLastField() public {
        uint8[9] memory sizes = [121, 43, 43, 51, 51, 35, 51, 35, 19];
        for (uint8 code = 1; code <= 9; code++) {
            uint256 size = sizes[code - 1];
            for (uint256 given = 1; given <= size + 1; given += given == 1 && size > 2 ? size - 2 : 1) {
                if (given == size) continue;
                bytes memory payload = new bytes(given);
                payload[0] = bytes1(code);
                bytes memory extra = code == 1 ? abi.encodePacked(rule) : bytes("");
                vm.expectRevert(why("PayloadLength(uint256,uint256)", size, given));
                this.run(rule, places(market, ann), one(1, payload), extra);
            }
        }
    }

    function test_TheMarketIsListedFirst() public {
        bytes[6] memory payloads =
            [lend(5, 0), redeem(5, 0), borrow(0, 5, 5), repay(1, 5, 5), callIn(1, 5), bid(1, 5, 5)];
        bytes memory reason = abi.encodeWithSignature("MarketNotListed(uint80)", idOf(market));
        uint256 other = newMarket(terms());
        uint256 forged = user("forger");
        setData(forged, dataOf(market));
        for (uint256 i = 0; i < payloads.length; i++) {
            refused(new uint256[](0), 1, payloads[i], reason);
            refused(places(ann, market), 0, payloads[i], reason);
            refused(places(other, ann), 1, payloads[i], reason);
            // The right data and id, but under a key.
            IRule.Fragment[] memory seen = new IRule.Fragment[](2);
            (seen[0], seen[1]) = (shown(forged), shown(ann));
            seen[0].id = idOf(market);
            IRule.Authorisation[] memory signed = new IRule.Authorisation[](1);
            signed[0] = IRule.Authorisation(1, payloads[i]);
            vm.expectRevert(reason);
            IRule(rule).transition(context, seen, signed, "");
        }
    }

    function test_AMarketOfTheSameBatchCanDoNothing() public {
        this.run(rule, places(ann), one(0, create(terms())), abi.encodePacked(rule));
        uint256 made = opened[0];
        bytes memory named = lend(5, 0);
        refused(places(made, ann), 1, named, abi.encodeWithSignature("MarketNotListed(uint80)", idOf(market)));
        bytes memory unnamed = abi.encodePacked(uint8(2), uint80(0), uint128(5), uint128(0));
        refused(places(made, ann), 1, unnamed, why("MarketNotListed(uint80)", 0));
    }

    // ---------------------------------------------------------------- lend

    function test_LendingMovesMintsAndCounts() public {
        bytes memory expected = bytes.concat(
            meaning("CreditLend", LEND_TYPE, abi.encode(idOf(market), ASSET, 7, 7e6)),
            move(1, 0, ASSET, 7),
            mint(1, sharesTag(), 7e6),
            writeBooks(Books(0, 7e6, 0, 0, 0))
        );
        check(places(market, ann), 1, lend(7, 7e6), expected);
        assertEq(sharesOf(ann), 7e6);
        assertEq(holding(market, ASSET), 7);
    }

    function test_SharesAtLeast() public {
        refused(places(market, ann), 1, lend(7, 7e6 + 1), why("TooLittle(uint256,uint256)", 7e6 + 1, 7e6));
    }

    function test_NothingIsLentForNothing() public {
        refused(places(market, ann), 1, lend(0, 0), why("Nothing()"));
    }

    function testFuzz_SharesAreSoldAtTheHighPrice(uint128 first, uint128 amount, uint64 blocks, bool calls) public {
        _someLoans(first, blocks, calls);
        amount = uint128(bound(amount, 1, PURSE / 4));
        uint256 expected = uint256(amount) * (books().shares + 1e6) / (high() + 1);
        if (expected == 0) refused(places(market, cat), 1, lend(amount, 0), why("Nothing()"));
        else assertEq(doLend(cat, amount), expected);
    }

    function test_SharesFitTheirField() public {
        refused(
            places(market, ann),
            1,
            lend(type(uint128).max, 0),
            why("TooLarge(uint256)", uint256(type(uint128).max) * 1e6)
        );
    }

    // ---------------------------------------------------------------- redeem

    function test_RedeemingBurnsAndMoves() public {
        doLend(ann, 1000);
        doOpen(ben, 1000, 500);
        bytes memory expected = bytes.concat(
            meaning("CreditRedeem", REDEEM_TYPE, abi.encode(idOf(market), 3e6, ASSET, 3)),
            burn(1, sharesTag(), 3e6),
            move(0, 1, ASSET, 3),
            writeBooks(Books(1, 997e6, 500, 500_000, 0))
        );
        check(places(market, ann), 1, redeem(3e6, 3), expected);
    }

    function test_WhatIsRedeemedIsBounded() public {
        uint128 shares = doLend(ann, 1000);
        refused(places(market, ann), 1, redeem(3e6, 4), why("TooLittle(uint256,uint256)", 4, 3));
        refused(places(market, ann), 1, redeem(0, 0), why("Nothing()"));
        refused(places(market, ann), 1, redeem(999_999, 0), why("Nothing()"));
        refused(places(market, ann), 1, redeem(shares + 1, 0), why("TooMuch(uint256,uint256)", shares, shares + 1));
        doOpen(ben, 1000, 500);
        refused(places(market, ann), 1, redeem(501e6, 0), why("NotIdle(uint256,uint256)", 500, 501));
        assertEq(doRedeem(ann, 500e6), 500);
    }

    function testFuzz_SharesAreRedeemedAtTheLowPrice(uint128 first, uint128 shares, uint64 blocks, bool calls) public {
        _someLoans(first, blocks, calls);
        shares = uint128(bound(shares, 1, books().shares));
        uint256 expected = uint256(shares) * (low() + 1) / (books().shares + 1e6);
        uint128 idle = holding(market, ASSET);
        bytes memory payload = redeem(shares, 0);
        if (expected == 0) {
            refused(places(market, ann), 1, payload, why("Nothing()"));
        } else if (expected > idle) {
            refused(places(market, ann), 1, payload, why("NotIdle(uint256,uint256)", idle, expected));
        } else {
            assertEq(doRedeem(ann, shares), expected);
        }
    }

    /// @dev Ann lends, ben borrows half of it in two loans at different times, and one may be called.
    function _someLoans(uint128 first, uint64 blocks, bool calls) private {
        first = uint128(bound(first, 1000, PURSE / 4));
        blocks = uint64(bound(blocks, 0, 1e7));
        doLend(ann, first);
        uint256 loan = doOpen(ben, first, first / 4);
        later(blocks);
        doOpen(ben, first, first / 4);
        if (calls) doAt(loan, cat, callIn(1, type(uint128).max));
        later(blocks / 3);
    }

    /// @dev No market can have such data: the moment is a sum of principals, each times a block, of 128 and 64 bits.
    function test_WhatIsStoredFitsItsField() public {
        doLend(ann, 1000);
        uint256 loan = doOpen(ben, 10_000, 500);
        // Before, 500 since block 1000; then 600.
        _setMoment(type(uint192).max - 99_999);
        refused(places(market, loan, ben), 2, borrow(1, 0, 100), why("TooLarge(uint256)", 2 ** 192));
        _setMoment(type(uint192).max - 100_000);
        doAt(loan, ben, borrow(1, 0, 100));
    }

    function _setMoment(uint192 moment) private {
        bytes memory data = dataOf(market);
        for (uint256 i = 0; i < 24; i++) {
            data[161 + i] = bytes24(moment)[i];
        }
        setData(market, data);
    }
}
