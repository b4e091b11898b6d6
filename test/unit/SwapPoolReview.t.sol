// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {console} from "forge-std/console.sol";

import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Pools} from "../harness/Pools.sol";
import {Swaps} from "../harness/Swaps.sol";

/// @notice Attacks on how Swap reads calldata and keeps its book in memory, and on what a fill may cost.
contract SwapReviewTest is Swaps {
    uint256 private constant MOST_ASSETS = 255;
    uint128 private constant MOST = type(uint128).max;

    /// @dev What wallets commit for a call (crates/wallet/src/budget.rs).
    function _budget(Deal memory d) private pure returns (uint256) {
        uint256 items;
        for (uint256 i = 0; i < d.wants.length; i++) {
            Want memory w = d.wants[i];
            items += w.give.length + w.get.length + w.reward.length + w.counterparties.length;
        }
        return 30_000 * (d.wants.length + 1) + 6000 * items + 4000 * d.moves.length;
    }

    function _gas(bytes memory call_) private view returns (bool done, uint256 used) {
        address to = rule;
        assembly ("memory-safe") {
            pop(staticcall(30000000, to, add(call_, 32), mload(call_), 0, 0)) // warm
            used := gas()
            done := staticcall(30000000, to, add(call_, 32), mload(call_), 0, 0)
            used := sub(used, gas())
        }
    }

    function _done(bytes memory call_) private view returns (bool done) {
        (done,) = rule.staticcall(call_);
    }

    /// @dev A ring: each gives one asset and gets another, of the highest ones in a table of this length.
    function _named(uint256 users_, uint256 assets) private returns (Deal memory d) {
        d.listed = new uint256[](users_);
        d.wants = new Want[](users_);
        d.moves = new Move[](users_);
        d.table = new bytes32[](assets);
        for (uint256 i = 0; i < assets; i++) {
            d.table[i] = bytes32(0x1000 + i);
        }
        uint256 first = assets - users_;
        for (uint256 i = 0; i < users_; i++) {
            uint256 next = (i + 1) % users_;
            d.listed[i] = user(vm.toString(100 + i));
            d.wants[i] = want(leg(d.table[first + i], 10), leg(d.table[first + next], 10));
            d.moves[i] = mv(uint8(next), uint8(i), uint8(first + next), 10);
        }
    }

    /// @dev A fill that names assets which nobody moves satisfies all the same, and the twin, which counts no gas, cannot tell it. Yet each
    /// costs: a step through the table for each list of each intent, and its cells. So whoever takes a fill from a solver must count them
    /// when it commits gas, or leave them out, as `Plan::swap` of the wallet does.
    function test_AssetsThatNobodyMovesCostGasThatMovesAndLegsDoNotShow() public {
        for (uint256 n = 2; n <= 16; n += 7) {
            Deal memory few = _named(n, n);
            (, uint256 without) = _gas(input(few));
            Deal memory all = _named(n, MOST_ASSETS);
            (bool done, uint256 used) = _gas(input(all));
            assertTrue(done);
            assertEq(_budget(few), _budget(all));
            console.log(n, without, used, _budget(all));
            assertGt(used, _budget(all), "by legs and moves alone it is too little");
            // What it is at most: for the table itself, for each list, and for cells and their memory.
            uint256 more = (MOST_ASSETS - n) * (160 + 240 * n) + n * n * 650;
            assertLe(used, without + more);
        }
    }

    /// @dev Whatever users write into intents: with a table of the assets that move, twice the gas is committed.
    function test_TheDearestIntentsStayWithinHalfTheBudget() public {
        for (uint256 n = 1; n <= 16; n += 5) {
            for (uint256 few = 0; few < 2; few++) {
                Deal memory d = _dear(n, 64 - n, few == 1);
                (bool done, uint256 used) = _gas(input(d));
                assertTrue(done);
                console.log(n, used, _budget(d));
                assertLe(2 * used, _budget(d));
            }
        }
    }

    /// @dev Sixteen are listed, and the first n sign: legs in all assets of the table, or in the last one only, on a curve, in part,
    /// with all others for counterparties, or with each other.
    function _dear(uint256 n, uint256 moves, bool few) private returns (Deal memory d) {
        d.listed = new uint256[](16);
        for (uint256 i = 0; i < 16; i++) {
            d.listed[i] = user(vm.toString(100 + i));
        }
        d.wants = new Want[](n);
        d.table = new bytes32[](moves);
        d.moves = new Move[](moves);
        for (uint256 i = 0; i < moves; i++) {
            d.table[i] = bytes32(0x1000 + i);
            uint256 asset = few ? moves - 1 : i;
            d.moves[i] = few && n > 1
                ? mv(uint8(i % n), uint8((i + 1) % n), uint8(asset), 1)
                : mv(uint8((i + n) % 16), uint8((i + n + 1) % 16), uint8(asset), few ? 0 : 1);
        }
        bytes32[] memory legs = d.table;
        if (few) {
            legs = new bytes32[](1);
            legs[0] = d.table[moves - 1];
        }
        for (uint256 i = 0; i < n; i++) {
            d.wants[i] = wantCurve(_all(legs, 0, MOST), _all(legs, 0, 0), 1, type(uint64).max);
            (d.wants[i].partly, d.wants[i].least, d.wants[i].filled) = (true, 1, MOST);
            if (few && n == 1) continue;
            d.wants[i].counterparties = new uint80[](few ? n : 16);
            for (uint256 j = 0; j < d.wants[i].counterparties.length; j++) {
                d.wants[i].counterparties[j] = idOf(d.listed[j]);
            }
        }
    }

    function _all(bytes32[] memory assets, uint128 start, uint128 end) private pure returns (Leg[] memory legs) {
        legs = new Leg[](assets.length);
        for (uint256 i = 0; i < assets.length; i++) {
            legs[i] = Leg(assets[i], start, end);
        }
    }

    // ---------------------------------------------------------------- memory

    /// @dev Hashes of many legs lie where the list of strangers is made a moment later: nobody becomes a stranger by what lay there.
    function test_StaleHashesMakeNobodyAStranger() public {
        Leg[] memory many = new Leg[](60);
        for (uint256 i = 0; i < 60; i++) {
            many[i] = Leg(bytes32(i + 1), 1, 1);
        }
        many[9] = Leg(A, 1, 1);
        Want memory x = want(many, leg(B, 1));
        Want memory y = want(leg(B, 1), leg(A, 1));
        y.counterparties = new uint80[](1);
        y.counterparties[0] = idOf(users[0]);
        Want memory z = want(leg(C, 1), leg(D, 1));
        Move[] memory moves = new Move[](5);
        (moves[0], moves[1]) = (mv(0, 1, 0, 1), mv(1, 0, 1, 1));
        (moves[2], moves[3]) = (mv(2, 3, 2, 1), mv(3, 2, 3, 1));
        moves[4] = mv(2, 0, 2, 0); // not granted any more; nothing, but acquainted
        Deal memory d;
        d.listed = places(users[0], users[1], users[2]);
        uint256[] memory listed = new uint256[](4);
        (listed[0], listed[1], listed[2], listed[3]) = (users[0], users[1], users[2], users[3]);
        d.listed = listed;
        d.wants = new Want[](4);
        (d.wants[0], d.wants[1], d.wants[2], d.wants[3]) = (x, y, z, want(leg(D, 1), leg(C, 1)));
        (d.table, d.moves) = (table4(), moves);
        assertTrue(_done(input(d)));
        d.moves[4] = mv(2, 1, 2, 0);
        assertFalse(_done(input(d)), "the one who is");
    }

    /// @dev The largest book: what one cell grants, no other does. Around the ends of rows, where neighbours would be.
    function testFuzz_NoCellIsAnothers(uint8 owner, uint8 asset, uint8 taker, uint8 taken) public {
        (owner, asset) = (owner % 16, uint8(asset % MOST_ASSETS));
        // Half of the time a neighbour.
        unchecked {
            if (taker % 2 == 0) (taker, taken) = (owner + taker / 2 % 3, asset + taken % 3);
        }
        (taker, taken) = (taker % 16, uint8(taken % MOST_ASSETS));
        Deal memory d;
        d.listed = new uint256[](16);
        d.wants = new Want[](16);
        d.table = new bytes32[](MOST_ASSETS);
        for (uint256 i = 0; i < MOST_ASSETS; i++) {
            d.table[i] = bytes32(i << 200 | 5);
        }
        for (uint256 i = 0; i < 16; i++) {
            d.listed[i] = user(vm.toString(i));
            d.wants[i] = want(leg(bytes32(uint256(1)), 1), leg(d.table[254 - asset], 0));
        }
        d.wants[owner] = want(leg(d.table[asset], 7), leg(d.table[254 - asset], 0));
        d.moves = list(mv(taker, (taker + 1) % 16, taken, 7));
        assertEq(_done(input(d)), taker == owner && taken == asset, "granted");
        // And demanded: by the owner alone, and met by what it is brought alone.
        d.wants[owner] = want(leg(d.table[asset], 7), leg(d.table[asset], 7));
        uint8 giver = (taker + 1) % 16;
        if (giver == owner) return;
        d.wants[giver] = want(leg(d.table[taken], 7), leg(d.table[0], 0));
        d.moves = list(mv(giver, taker, taken, 7));
        assertEq(_done(input(d)), taker == owner && taken == asset, "demanded");
    }

    /// @dev An intent without a curve has no time, whatever the one before it had.
    function test_TheCurveOfOneIsNotThatOfTheNext() public {
        Want memory x = wantCurve(leg(A, 0, 100), leg(B, 100, 0), 500, 1500);
        Want memory y = want(leg(B, 50), leg(A, 50));
        Deal memory d = deal2(x, y, list(mv(0, 1, 0, 50), mv(1, 0, 1, 50)));
        assertTrue(tryDeal(d));
        Deal memory e = deal2(y, x, list(mv(1, 0, 0, 50), mv(0, 1, 1, 50)));
        assertTrue(tryDeal(e));
        Want memory part = wantPart(leg(B, 100), leg(A, 100), 1, 50);
        Deal memory f =
            deal3(part, x, want(leg(C, 2), leg(D, 2)), list(mv(1, 0, 0, 50), mv(0, 1, 1, 50), mv(2, 0, 2, 2)));
        assertFalse(tryDeal(f), "the third is filled in whole, and gets nothing");
    }

    // ---------------------------------------------------------------- calldata

    /// @dev All that is missing of a cut field stands right behind it: still it is cut.
    function test_WhatStandsBehindAFieldIsNotOfIt() public view {
        Want memory x = wantCurve(leg(A, 0, 100), leg(B, 100, 0), 500, 1500);
        (x.partly, x.least, x.filled) = (true, 1, 100);
        x.reward = new Reward[](1);
        x.reward[0] = Reward(C, 5);
        x.counterparties = new uint80[](1);
        x.counterparties[0] = idOf(users[1]);
        Want memory y = want(leg(B, 50), leg(A, 50));
        Deal memory d = deal2(x, y, list(mv(0, 1, 0, 50), mv(1, 0, 1, 50)));
        bytes memory call_ = input(d);
        assertTrue(_done(call_));
        bytes memory fill = extra(d.table, d.wants, d.moves);
        _cutEverywhere(call_, payload(x));
        _cutEverywhere(call_, payload(y));
        _cutEverywhere(call_, fill);
    }

    /// @dev Says in calldata that this field is shorter, or longer than it is.
    function _cutEverywhere(bytes memory call_, bytes memory field) private view {
        uint256 place = _placeOf(call_, field);
        for (uint256 size = 0; size < field.length + 32; size++) {
            assembly ("memory-safe") {
                mstore(add(call_, place), size)
            }
            assertEq(_done(call_), size == field.length, "cut");
        }
        uint256 length = field.length;
        assembly ("memory-safe") {
            mstore(add(call_, place), length)
        }
    }

    /// @dev Where in memory, from the start of `call_`, the length of `field` stands.
    function _placeOf(bytes memory call_, bytes memory field) private pure returns (uint256) {
        bytes32 hash = keccak256(field);
        uint256 size = field.length;
        for (uint256 place = 36; place + size <= call_.length + 32; place += 32) {
            bytes32 found;
            uint256 length;
            assembly ("memory-safe") {
                length := mload(add(call_, place))
                found := keccak256(add(add(call_, place), 32), size)
            }
            if (length == size && found == hash) return place;
        }
        revert("not there");
    }

    // ---------------------------------------------------------------- what a signature is worth

    /// @dev A get that the curve lets fall to nothing leaves a gift; and a fill that does nothing uses up its nonce. As the page says: it
    /// gets worse until somebody fills it.
    function test_AGetOfNothingIsFilledByNothing() public {
        Want memory x = wantCurve(leg(A, 100), leg(B, 100, 0), 1, 2);
        Deal memory d;
        d.listed = places(users[0]);
        d.wants = new Want[](1);
        d.wants[0] = x;
        assertTrue(tryDeal(d));
        x.get[0].end = 1;
        assertFalse(tryDeal(d));
    }
}

/// @notice The same for pools.
contract PoolReviewTest is Pools {
    uint256 private ann;
    uint256 private ben;

    function setUp() public override {
        super.setUp();
        ann = user("ann");
        ben = user("ben");
        for (uint256 i = 0; i < 2; i++) {
            give(i == 0 ? ann : ben, ASSET0, 1e30);
            give(i == 0 ? ann : ben, ASSET1, 1e30);
        }
    }

    function _both(uint256 pool, bytes memory x, bytes memory y) private returns (bool) {
        Consent[] memory consents = new Consent[](2);
        (consents[0], consents[1]) = (Consent(1, x), Consent(2, y));
        return tryRun(rule, places(pool, ann, ben), consents, "");
    }

    /// @dev Two trades that undo each other are valid in two calls and not in one: the pool did not sign, and would be as it was before.
    /// So whoever joins strangers' trades must look whether anything is left of them.
    function test_OperationsThatUndoEachOtherDoNotShareACall() public {
        uint256 pool = pooled(ann, 0, 1e6, 2e6);
        bytes memory there = sellTo(pool, 0, 1e6, 1e6);
        bytes memory back = sellTo(pool, 1, 1e6, 1e6);
        assertFalse(_both(pool, there, back), "sales");
        act(pool, ann, there);
        act(pool, ben, back);
        assertEq(book(pool).r0, 1e6);
        act(pool, ben, addTo(pool, 1e6, 2e6, 1));
        Book memory b = book(pool);
        uint128 shares = uint128(holding(ben, shareOf(pool)));
        bytes memory add = addTo(pool, 1e6, 2e6, shares);
        assertFalse(_both(pool, add, removeFrom(pool, shares, 0, 0)), "shares");
        assertEq(book(pool).shares, b.shares);
    }

    /// @dev From any state that can be reached, at any size: √(r0 · r1) for a share never falls, and no reserve is ever zero.
    function testFuzz_AShareIsNeverWorthLess(uint256 seed) public {
        give(ann, ASSET0, MOST - 1e30);
        give(ann, ASSET1, MOST - 1e30);
        give(ben, ASSET0, MOST - 1e30);
        give(ben, ASSET1, MOST - 1e30);
        uint256 pool = emptyPool(ann, ASSET0, ASSET1, uint24(seed % 3 == 0 ? 0 : seed % 100_001));
        if (!tryAct(pool, ann, addTo(pool, _some(seed, 1), _some(seed, 2), 0))) return;
        Book memory old = book(pool);
        for (uint256 i = 0; i < 12; i++) {
            seed = uint256(keccak256(abi.encode(seed)));
            (bytes memory x, bytes memory y) = (_op(pool, seed), _op(pool, seed >> 32));
            if (seed % 2 == 0) _both(pool, x, y);
            else tryAct(pool, i % 2 == 0 ? ann : ben, x);
            Book memory b = book(pool);
            assertTrue(b.r0 != 0 && b.r1 != 0 && b.shares >= NOBODYS);
            _assertNotLess(b, old);
            assertEq(uint256(holding(ann, shareOf(pool))) + holding(ben, shareOf(pool)) + NOBODYS, b.shares);
            old = b;
        }
    }

    /// @dev r0 · r1 / T² against what it was, in 512 bits: k · T'² ≤ k' · T².
    function _assertNotLess(Book memory b, Book memory old) private pure {
        (uint256 low0, uint256 high0) = _wide(b.r0 * b.r1, old.shares, old.shares);
        (uint256 low1, uint256 high1) = _wide(old.r0 * old.r1, b.shares, b.shares);
        assertTrue(high0 > high1 || (high0 == high1 && low0 >= low1));
    }

    /// @dev x · (a · b): the product in two words.
    function _wide(uint256 x, uint256 a, uint256 b) private pure returns (uint256 low, uint256 high) {
        uint256 y = a * b;
        unchecked {
            low = x * y;
        }
        uint256 m = mulmod(x, y, type(uint256).max);
        unchecked {
            high = m - low - (m < low ? 1 : 0);
        }
    }

    /// @dev Of any length in bits.
    function _some(uint256 seed, uint256 salt) private pure returns (uint128) {
        uint256 drawn = uint256(keccak256(abi.encode(seed, salt)));
        return uint128(drawn >> 128 >> (drawn % 128));
    }

    function _op(uint256 pool, uint256 seed) private view returns (bytes memory) {
        uint256 kind = seed % 5;
        uint8 side = uint8(seed >> 8) % 2;
        Book memory b = book(pool);
        if (kind == 0) return addTo(pool, _some(seed, 3), _some(seed, 4), 0);
        if (kind == 1) return removeFrom(pool, uint128(_some(seed, 5) % b.shares), 0, 0);
        if (kind == 2) return buyFrom(pool, side, uint128(_some(seed, 6) % (side == 0 ? b.r0 : b.r1)), MOST);
        return sellTo(pool, side, _some(seed, 7), 0);
    }
}
