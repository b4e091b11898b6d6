// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Pools} from "../harness/Pools.sol";

/// @notice What the Pool rule does, sentence by sentence of docs/rules/pool.md, and each way to fail.
contract PoolRuleTest is Pools {
    uint256 private ann; // has put in what is there
    uint256 private ben;
    uint256 private pool; // 1,000,000 and 4,000,000 for 2,000,000 shares

    function setUp() public override {
        super.setUp();
        ann = user("ann");
        ben = user("ben");
        pool = pooled(ann, FEE, 1_000_000, 4_000_000);
        give(ben, ASSET0, 1e12);
        give(ben, ASSET1, 1e12);
    }

    function _assertBook(uint256 r0, uint256 r1, uint256 shares) private view {
        Book memory b = book(pool);
        assertEq(b.r0, r0, "reserve 0");
        assertEq(b.r1, r1, "reserve 1");
        assertEq(b.shares, shares, "shares");
    }

    // ---------------------------------------------------------------- create

    function test_CreateOpensAPoolWithoutShares() public {
        uint256 made = emptyPool(ben, ASSET0, ASSET1, 100_000);
        IRule.Fragment memory seen = shown(made);
        assertEq(seen.kind, RULE);
        assertEq(seen.controller, rule);
        assertEq(seen.assets.length, 0);
        assertEq(seen.data, abi.encodePacked(ASSET0, ASSET1, uint24(100_000), uint128(0)));
    }

    function _expectNoPool(bytes memory payload, bytes memory extra, bytes memory reason) private {
        vm.expectRevert(reason);
        this.run(rule, places(ben), one(0, payload), extra);
    }

    function test_CreateHasTermsWithinBounds() public {
        bytes memory extra = abi.encodePacked(rule);
        bytes memory bad = abi.encodeWithSignature("AssetsNotIncreasing(bytes32,bytes32)", ASSET1, ASSET0);
        _expectNoPool(abi.encodePacked(CREATE, ASSET1, ASSET0, FEE), extra, bad);
        bad = abi.encodeWithSignature("AssetsNotIncreasing(bytes32,bytes32)", ASSET1, ASSET1);
        _expectNoPool(abi.encodePacked(CREATE, ASSET1, ASSET1, FEE), extra, bad);
        bad = abi.encodeWithSignature("FeeTooHigh(uint256,uint256)", 100_000, 100_001);
        _expectNoPool(abi.encodePacked(CREATE, ASSET0, ASSET1, uint24(100_001)), extra, bad);
        bad = abi.encodeWithSignature("BadPayload(uint256)", 0);
        _expectNoPool(abi.encodePacked(CREATE, ASSET0, ASSET1, uint16(0)), extra, bad);
        _expectNoPool(abi.encodePacked(CREATE, ASSET0, ASSET1, uint32(0)), extra, bad);
    }

    function test_ExtraIsTheRulesAddressToCreateAndEmptyOtherwise() public {
        bytes memory payload = abi.encodePacked(CREATE, ASSET0, ASSET1, FEE);
        for (uint256 length = 0; length <= 32; length++) {
            if (length == 20) continue;
            _expectNoPool(payload, new bytes(length), abi.encodeWithSignature("BadExtra(uint256,uint256)", 20, length));
        }
        vm.expectRevert(abi.encodeWithSignature("BadExtra(uint256,uint256)", 0, 20));
        this.run(rule, places(pool, ben), one(1, sellTo(pool, 0, 1000, 0)), abi.encodePacked(rule));
    }

    // ---------------------------------------------------------------- what every other call needs

    function test_SomebodyAuthorises() public {
        vm.expectRevert(abi.encodeWithSignature("NobodyAuthorises()"));
        this.run(rule, places(pool), new Consent[](0), "");
    }

    function test_AnUnknownOperationFails() public {
        for (uint256 code = 0; code <= 255; code++) {
            if (code >= ADD && code <= BUY) continue;
            bytes memory payload = addTo(pool, 1000, 4000, 0);
            payload[0] = bytes1(uint8(code));
            expectFailure(pool, ben, payload, abi.encodeWithSignature("BadPayload(uint256)", 0));
        }
    }

    function test_APayloadEndsWithItsLastField() public {
        bytes[4] memory payloads = [
            addTo(pool, 1000, 4000, 0),
            removeFrom(pool, 10, 0, 0),
            sellTo(pool, 0, 1000, 0),
            buyFrom(pool, 0, 1000, MOST)
        ];
        for (uint256 i = 0; i < 4; i++) {
            bytes memory whole = payloads[i];
            for (uint256 length = 0; length <= whole.length + 1; length++) {
                if (length == whole.length) continue;
                bytes memory other = new bytes(length);
                for (uint256 j = 0; j < length && j < whole.length; j++) {
                    other[j] = whole[j];
                }
                expectFailure(pool, ben, other, abi.encodeWithSignature("BadPayload(uint256)", 0));
            }
            act(pool, i == 1 ? ann : ben, whole);
        }
    }

    function test_ASideIsZeroOrOne() public {
        for (uint256 side = 2; side <= 255; side++) {
            bytes memory reason = abi.encodeWithSignature("BadPayload(uint256)", 0);
            expectFailure(pool, ben, sellTo(pool, uint8(side), 1000, 0), reason);
            expectFailure(pool, ben, buyFrom(pool, uint8(side), 1000, MOST), reason);
        }
    }

    function test_ThePoolIsTheOneThatThePayloadNames() public {
        uint256 other = pooled(ann, FEE, 1_000_000, 4_000_000);
        bytes memory reason = abi.encodeWithSignature("WrongPool(uint80,uint80)", idOf(pool), idOf(other));
        expectFailure(pool, ben, sellTo(other, 0, 1000, 0), reason);
        expectFailure(pool, ben, buyFrom(other, 0, 1000, MOST), reason);
        expectFailure(pool, ben, addTo(other, 1000, 4000, 0), reason);
        expectFailure(pool, ann, removeFrom(other, 1000, 0, 0), reason);
    }

    function test_ThePoolStandsFirst() public {
        vm.expectRevert(abi.encodeWithSignature("NotAPool(uint80)", idOf(ben)));
        this.run(rule, places(ben, pool), one(0, sellTo(pool, 0, 1000, 0)), "");
    }

    function test_APoolCreatedInThisBatchCanDoNothing() public {
        this.run(rule, places(ben), one(0, abi.encodePacked(CREATE, ASSET0, ASSET1, FEE)), abi.encodePacked(rule));
        uint256 made = opened[0];
        bytes memory payload = abi.encodePacked(ADD, uint80(0), uint128(10_000), uint128(10_000), uint128(0));
        expectFailure(made, ben, payload, abi.encodeWithSignature("NotAPool(uint80)", 0));
        nextBatch();
        act(made, ben, addTo(made, 10_000, 10_000, 0));
    }

    function test_APoolsDataHas83Bytes() public {
        bytes memory data = dataOf(pool);
        setData(pool, bytes.concat(data, hex"00"));
        expectFailure(pool, ben, sellTo(pool, 0, 1000, 0), abi.encodeWithSignature("NotAPool(uint80)", idOf(pool)));
    }

    // ---------------------------------------------------------------- add

    function test_TheFirstGetsTheRootLess1000() public {
        _assertBook(1_000_000, 4_000_000, 2_000_000);
        assertEq(holding(ann, shareOf(pool)), 1_999_000);
        assertEq(holding(ann, ASSET0) + holding(ann, ASSET1), 0, "paid all of both");
    }

    function test_TheFirstSharesAreMoreThan1000() public {
        uint256 made = emptyPool(ben, ASSET0, ASSET1, FEE);
        bytes memory reason = abi.encodeWithSignature("TooFewShares(uint256,uint256)", 0, 0);
        expectFailure(made, ben, addTo(made, 1000, 1000, 0), reason);
        expectFailure(made, ben, addTo(made, 1, 1001 * 1001 - 1, 0), reason);
        expectFailure(made, ben, addTo(made, 0, 1e9, 0), reason);
        expectFailure(made, ben, addTo(made, 0, 1, 0), reason);
        expectFailure(made, ben, addTo(made, 0, 0, 0), reason);
        act(made, ben, addTo(made, 1, 1001 * 1001, 1));
        assertEq(holding(ben, shareOf(made)), 1);
    }

    function test_SharesAreNotFewerThanAskedFor() public {
        uint256 made = emptyPool(ben, ASSET0, ASSET1, FEE);
        bytes memory reason = abi.encodeWithSignature("TooFewShares(uint256,uint256)", 9001, 9000);
        expectFailure(made, ben, addTo(made, 10_000, 10_000, 9001), reason);
        act(made, ben, addTo(made, 10_000, 10_000, 9000));
        reason = abi.encodeWithSignature("TooFewShares(uint256,uint256)", 21, 20);
        expectFailure(pool, ben, addTo(pool, 10, 40, 21), reason);
        act(pool, ben, addTo(pool, 10, 40, 20));
        _assertBook(1_000_010, 4_000_040, 2_000_020);
    }

    function test_LaterSharesAreAtLeastOne() public {
        bytes memory reason = abi.encodeWithSignature("TooFewShares(uint256,uint256)", 0, 0);
        expectFailure(pool, ben, addTo(pool, 0, 4000, 0), reason);
        expectFailure(pool, ben, addTo(pool, 1000, 0, 0), reason);
        expectFailure(pool, ben, addTo(pool, 1, 1, 0), reason); // one unit of asset 1 is half a share
        act(pool, ben, addTo(pool, 1, 2, 0));
        _assertBook(1_000_001, 4_000_002, 2_000_001); // ½ of asset 0, rounded up
    }

    /// @dev Asset 1 alone limits, so less of asset 0 is taken than was offered.
    function test_TheScarcerAssetDecides() public {
        act(pool, ben, addTo(pool, 1e9, 4000, 2000));
        _assertBook(1_001_000, 4_004_000, 2_002_000);
        assertEq(holding(ben, ASSET0), 1e12 - 1000);
        act(pool, ben, addTo(pool, 500, 1e9, 1000));
        _assertBook(1_001_500, 4_006_000, 2_003_000);
        assertEq(holding(ben, shareOf(pool)), 3000);
    }

    // ---------------------------------------------------------------- remove

    function test_RemoveRoundsDownAndLeaves1000() public {
        act(pool, ann, removeFrom(pool, 1, 0, 2)); // half a unit of asset 0 is none
        _assertBook(1_000_000, 3_999_998, 1_999_999);
        act(pool, ann, removeFrom(pool, 1_998_999, 0, 0));
        Book memory b = book(pool);
        assertEq(b.shares, 1000);
        assertEq(b.r0, 501); // 1,000,000 · 1,000 / 1,999,999, rounded up
        assertEq(holding(ann, shareOf(pool)), 0);
        expectFailure(
            pool, ann, removeFrom(pool, 1, 0, 0), abi.encodeWithSignature("NotRedeemable(uint256,uint256)", 1000, 1)
        );
    }

    function test_WhatIsNobodysCannotBeRemoved() public {
        bytes memory reason = abi.encodeWithSignature("NotRedeemable(uint256,uint256)", 2_000_000, 1_999_001);
        expectFailure(pool, ann, removeFrom(pool, 1_999_001, 0, 0), reason);
        reason = abi.encodeWithSignature("NotRedeemable(uint256,uint256)", 2_000_000, 0);
        expectFailure(pool, ann, removeFrom(pool, 0, 0, 0), reason);
        uint256 made = emptyPool(ben, ASSET0, ASSET1, FEE);
        reason = abi.encodeWithSignature("NotRedeemable(uint256,uint256)", 0, 1);
        expectFailure(made, ann, removeFrom(made, 1, 0, 0), reason);
    }

    function test_RemovePaysAtLeastWhatIsAskedFor() public {
        bytes memory reason = abi.encodeWithSignature("TooLittle(uint256,uint256)", 501, 500);
        expectFailure(pool, ann, removeFrom(pool, 1000, 501, 2000), reason);
        reason = abi.encodeWithSignature("TooLittle(uint256,uint256)", 2001, 2000);
        expectFailure(pool, ann, removeFrom(pool, 1000, 500, 2001), reason);
        act(pool, ann, removeFrom(pool, 1000, 500, 2000));
    }

    // ---------------------------------------------------------------- sell and buy

    function test_ASaleKeepsTheFeeInThePool() public {
        // net = 9970 of 10,000; 9970 · 4,000,000 / 1,009,970 = 39,486.3…
        bytes memory reason = abi.encodeWithSignature("TooLittle(uint256,uint256)", 39_487, 39_486);
        expectFailure(pool, ben, sellTo(pool, 0, 10_000, 39_487), reason);
        act(pool, ben, sellTo(pool, 0, 10_000, 39_486));
        _assertBook(1_010_000, 3_960_514, 2_000_000);
        assertEq(holding(ben, ASSET0), 1e12 - 10_000);
        assertEq(holding(ben, ASSET1), 1e12 + 39_486);
    }

    function test_ASaleOfDustFails() public {
        bytes memory reason = abi.encodeWithSignature("TooLittle(uint256,uint256)", 0, 0);
        expectFailure(pool, ben, sellTo(pool, 0, 0, 0), reason);
        expectFailure(pool, ben, sellTo(pool, 0, 1, 0), reason); // all of it is fee
        expectFailure(pool, ben, sellTo(pool, 1, 4, 0), reason); // 3 of asset 1 are worth ¾ of asset 0
        act(pool, ben, sellTo(pool, 0, 2, 3));
    }

    function test_APurchaseRoundsUpTwice() public {
        // net = 1,000,000 · 39,486 / 3,960,514 = 9969.9…, rounded up; / 0.997 = 10,000 exactly
        bytes memory reason = abi.encodeWithSignature("TooMuch(uint256,uint256)", 9999, 10_000);
        expectFailure(pool, ben, buyFrom(pool, 1, 39_486, 9999), reason);
        act(pool, ben, buyFrom(pool, 1, 39_486, 10_000));
        _assertBook(1_010_000, 3_960_514, 2_000_000);
    }

    function test_APurchaseIsOfSomethingAndNeverOfAll() public {
        bytes memory reason = abi.encodeWithSignature("NotForSale(uint256,uint256)", 4_000_000, 0);
        expectFailure(pool, ben, buyFrom(pool, 1, 0, MOST), reason);
        reason = abi.encodeWithSignature("NotForSale(uint256,uint256)", 4_000_000, 4_000_000);
        expectFailure(pool, ben, buyFrom(pool, 1, 4_000_000, MOST), reason);
        reason = abi.encodeWithSignature("NotForSale(uint256,uint256)", 1_000_000, MOST);
        expectFailure(pool, ben, buyFrom(pool, 0, MOST, MOST), reason);
        give(ben, ASSET0, 5e12);
        act(pool, ben, buyFrom(pool, 1, 3_999_999, MOST));
        assertEq(book(pool).r1, 1);
    }

    function test_APoolWithoutSharesTradesNothing() public {
        uint256 made = emptyPool(ben, ASSET0, ASSET1, FEE);
        expectFailure(made, ben, sellTo(made, 0, 1000, 0), abi.encodeWithSignature("TooLittle(uint256,uint256)", 0, 0));
        expectFailure(
            made, ben, buyFrom(made, 0, 1, MOST), abi.encodeWithSignature("NotForSale(uint256,uint256)", 0, 1)
        );
        expectFailure(made, ben, sellTo(made, 0, 1, 0), abi.encodeWithSignature("Panic(uint256)", 0x12)); // 0 / 0
    }
}
