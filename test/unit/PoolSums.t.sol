// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Pools} from "../harness/Pools.sol";
import {Random} from "../harness/Random.sol";

/// @notice The Pool rule's numbers against the page's, for reserves, shares, fees and amounts of every size up to 2^128 − 1, also such as no
/// pool will ever have; where they do not fit; and that no rounding favours who comes.
contract PoolSumsTest is Pools {
    using Random for Random.Rng;

    uint80 private constant ID = 7 << 24;

    uint24 private fee;
    Book private has;
    uint256[6] private succeeded; // by code

    /// @dev The pool that `has` and `fee` describe, as a rule sees it.
    function _pool() private view returns (IRule.Fragment memory pool) {
        (pool.id, pool.kind, pool.controller) = (ID, RULE, rule);
        pool.data = abi.encodePacked(ASSET0, ASSET1, fee, uint128(has.shares));
        bool zero0 = has.r0 == 0;
        pool.assets = new IRule.Asset[]((zero0 ? 0 : 1) + (has.r1 == 0 ? 0 : 1));
        if (!zero0) pool.assets[0] = IRule.Asset(ASSET0, uint128(has.r0));
        if (has.r1 != 0) pool.assets[zero0 ? 0 : 1] = IRule.Asset(ASSET1, uint128(has.r1));
    }

    /// @dev Of any magnitude, zero among them.
    function _any(Random.Rng memory rng) private pure returns (uint256) {
        return rng.next() >> (128 + rng.below(129));
    }

    /// @dev Not below half of `most`, or of any magnitude.
    function _near(Random.Rng memory rng, uint256 most) private pure returns (uint256) {
        if (most < 2 || rng.onceIn(2)) return _any(rng);
        return most / 2 + rng.below(most / 2 + 1);
    }

    /// @dev Succeeds with these effects behind the meaning, or fails if there are none.
    function _check(uint8 code, bytes memory payload, bytes memory expected) private {
        try this.behindTheMeaning(payload) returns (bytes memory effects) {
            assertEq(effects, expected, string.concat("operation ", vm.toString(code)));
            succeeded[code]++;
        } catch {
            assertEq(expected, "", string.concat("operation ", vm.toString(code)));
        }
    }

    function behindTheMeaning(bytes memory payload) external view returns (bytes memory rest) {
        bytes memory effects = effectsOf(_pool(), payload);
        rest = new bytes(effects.length - 66);
        for (uint256 i = 0; i < rest.length; i++) {
            rest[i] = effects[i + 66];
        }
    }

    function _move(uint8 from, uint8 to, bytes32 asset, uint256 amount) private pure returns (bytes memory) {
        return amount == 0 ? bytes("") : abi.encodePacked(uint8(1), from, to, asset, uint128(amount));
    }

    function _write(uint256 shares) private view returns (bytes memory) {
        return abi.encodePacked(uint8(4), uint8(0), uint16(83), ASSET0, ASSET1, fee, uint128(shares));
    }

    // ---------------------------------------------------------------- against the page

    function _checkAdd(Random.Rng memory rng) private {
        (uint256 a0, uint256 a1) = (_any(rng), _any(rng));
        (uint256 shares, uint256 paid0, uint256 paid1) = sumsOfAdd(has, a0, a1);
        uint256 least = has.shares == 0 ? NOBODYS + 1 : 1;
        uint256 minted = shares < least ? 0 : has.shares == 0 ? shares - NOBODYS : shares;
        uint256 atLeast = rng.onceIn(2) ? 0 : _near(rng, minted);
        bytes memory expected;
        bool fits = has.shares + shares <= MOST && has.r0 + paid0 <= MOST && has.r1 + paid1 <= MOST;
        if (minted != 0 && minted >= atLeast && fits) {
            expected = abi.encodePacked(
                _move(1, 0, ASSET0, paid0),
                _move(1, 0, ASSET1, paid1),
                abi.encodePacked(uint8(2), uint8(1), uint256(ID), uint128(minted)),
                _write(has.shares + shares)
            );
        }
        _check(ADD, abi.encodePacked(ADD, ID, uint128(a0), uint128(a1), uint128(atLeast)), expected);
    }

    function _checkRemove(Random.Rng memory rng) private {
        uint256 shares = rng.onceIn(8) ? has.shares - rng.below(has.shares % 2000 + 1) : _near(rng, has.shares);
        if (shares > MOST) shares = MOST;
        (uint256 out0, uint256 out1) = has.shares == 0 ? (0, 0) : sumsOfRemove(has, shares);
        uint256 least0 = rng.onceIn(2) ? 0 : _near(rng, out0);
        uint256 least1 = rng.onceIn(2) ? 0 : _near(rng, out1);
        if (least0 > MOST) least0 = MOST;
        if (least1 > MOST) least1 = MOST;
        bytes memory expected;
        if (shares >= 1 && shares + NOBODYS <= has.shares && out0 >= least0 && out1 >= least1) {
            expected = abi.encodePacked(
                abi.encodePacked(uint8(3), uint8(1), uint256(ID), uint128(shares)),
                _move(0, 1, ASSET0, out0),
                _move(0, 1, ASSET1, out1),
                _write(has.shares - shares)
            );
        }
        bytes memory payload = abi.encodePacked(REMOVE, ID, uint128(shares), uint128(least0), uint128(least1));
        _check(REMOVE, payload, expected);
    }

    function _checkSell(Random.Rng memory rng) private {
        uint8 side = uint8(rng.below(2));
        (uint256 into, uint256 outOf) = side == 0 ? (has.r0, has.r1) : (has.r1, has.r0);
        uint256 amount = _any(rng);
        uint256 net = amount * (1_000_000 - fee) / 1_000_000;
        uint256 bought = into + net == 0 ? 0 : sumOfSale(into, outOf, fee, amount);
        uint256 atLeast = rng.onceIn(2) ? 0 : _near(rng, bought);
        bytes memory expected;
        if (bought != 0 && bought >= atLeast && into + amount <= MOST) {
            expected = bytes.concat(
                _move(1, 0, side == 0 ? ASSET0 : ASSET1, amount), _move(0, 1, side == 0 ? ASSET1 : ASSET0, bought)
            );
        }
        _check(SELL, abi.encodePacked(SELL, ID, side, uint128(amount), uint128(atLeast)), expected);
    }

    function _checkBuy(Random.Rng memory rng) private {
        uint8 side = uint8(rng.below(2));
        (uint256 outOf, uint256 into) = side == 0 ? (has.r0, has.r1) : (has.r1, has.r0);
        uint256 amount = outOf != 0 && rng.onceIn(4) ? outOf - rng.below(2) : _near(rng, outOf);
        if (amount > MOST) amount = MOST;
        uint256 sold = 0;
        // No overflow: both are below 2^128, and the price is only asked for if net is.
        bool possible = amount >= 1 && amount < outOf && ceiling(into * amount, outOf - amount) <= MOST;
        if (possible) sold = sumOfPurchase(into, outOf, fee, amount);
        uint256 atMost = sold > MOST || rng.onceIn(2) ? MOST : _near(rng, sold);
        bytes memory expected;
        if (possible && sold != 0 && sold <= atMost && into + sold <= MOST) {
            expected = bytes.concat(
                _move(1, 0, side == 0 ? ASSET1 : ASSET0, sold), _move(0, 1, side == 0 ? ASSET0 : ASSET1, amount)
            );
        }
        _check(BUY, abi.encodePacked(BUY, ID, side, uint128(amount), uint128(atMost)), expected);
    }

    /// forge-config: default.fuzz.runs = 16
    /// forge-config: audit.fuzz.runs = 1000
    function testFuzz_NumbersAreThePages(uint256 seed) public {
        Random.Rng memory rng = Random.Rng(seed);
        for (uint256 i = 0; i < 160; i++) {
            fee = uint24(rng.onceIn(4) ? 0 : rng.below(100_001));
            // Reserves are both zero or neither is.
            has = rng.onceIn(5) ? Book(0, 0, 0) : Book(_any(rng) | 1, _any(rng) | 1, _any(rng) | 1);
            _checkAdd(rng);
            _checkRemove(rng);
            _checkSell(rng);
            _checkBuy(rng);
        }
        for (uint8 code = ADD; code <= BUY; code++) {
            assertGt(succeeded[code], 10, string.concat("reached, operation ", vm.toString(code)));
        }
    }

    // ---------------------------------------------------------------- the root

    /// @dev By its definition: root² ≤ a₀ · a₁ < (root + 1)².
    function testFuzz_TheRootIsRoundedDown(uint128 a0, uint128 a1, uint8 shift0, uint8 shift1) public {
        a0 = a0 >> (shift0 % 128) | 1024;
        a1 = a1 >> (shift1 % 128) | 1024;
        uint256 creator = user("creator");
        uint256 root = book(pooled(creator, FEE, a0, a1)).shares;
        uint256 product = uint256(a0) * a1;
        assertLe(root * root, product);
        assertLe(product - root * root, 2 * root);
        assertEq(root, Math.sqrt(product));
    }

    function test_TheRootAtItsEnds() public {
        uint256 creator = user("creator");
        assertEq(book(pooled(creator, FEE, MOST, MOST)).shares, MOST);
        assertEq(book(pooled(user("a"), FEE, 1, MOST)).shares, 2 ** 64 - 1);
        assertEq(book(pooled(user("b"), FEE, MOST, 1)).shares, 2 ** 64 - 1);
        assertEq(book(pooled(user("c"), FEE, MOST, MOST - 1)).shares, MOST - 1);
        assertEq(book(pooled(user("d"), FEE, 1001, 1001)).shares, 1001);
        assertEq(book(pooled(user("e"), FEE, 1002, 1001)).shares, 1001);
    }

    // ---------------------------------------------------------------- what does not fit

    function _tooLarge(bytes memory payload, uint256 amount) private {
        vm.expectRevert(abi.encodeWithSignature("TooLarge(uint256)", amount));
        this.behindTheMeaning(payload);
    }

    function test_AReserveOf2To128Fails() public {
        has = Book(2 ** 127, 2 ** 127, 2 ** 126);
        uint128 rest = 2 ** 127 - 1; // as much as fits
        _tooLarge(abi.encodePacked(SELL, ID, uint8(0), rest + 1, uint128(0)), 2 ** 128);
        _tooLarge(abi.encodePacked(SELL, ID, uint8(1), MOST, uint128(0)), 2 ** 127 + uint256(MOST));
        // 2^127 · (2^126 + 1) / (2^126 - 1) = 2^127 + 4 and a little, rounded up
        _tooLarge(abi.encodePacked(BUY, ID, uint8(0), uint128(2 ** 126) + 1, MOST), 2 ** 128 + 5);
        // The most is 2^121 - 1 shares, of 128 each.
        has = Book(2 ** 127, 2 ** 120, 2 ** 120);
        _tooLarge(abi.encodePacked(ADD, ID, MOST, MOST, uint128(0)), 2 ** 128 - 128 + 2 ** 127);
        has = Book(2 ** 120, 2 ** 127, 2 ** 120);
        _tooLarge(abi.encodePacked(ADD, ID, MOST, MOST, uint128(0)), 2 ** 128 - 128 + 2 ** 127);
    }

    /// @dev No pool comes so far, for shares² never exceed the product of the reserves.
    function test_SharesOf2To128Fail() public {
        has = Book(1000, 1000, 2 ** 127);
        _tooLarge(abi.encodePacked(ADD, ID, uint128(1000), uint128(1000), uint128(0)), 2 ** 128);
    }

    function test_AProductBeyond256BitsFails() public {
        has = Book(MOST, MOST, MOST);
        vm.expectRevert(abi.encodeWithSignature("Panic(uint256)", 0x11));
        this.behindTheMeaning(abi.encodePacked(BUY, ID, uint8(0), MOST - 1, MOST));
    }

    // ---------------------------------------------------------------- no rounding favours who comes

    /// @dev Whether a · b ≤ c · d, in 512 bits.
    function _notAbove(uint256 a, uint256 b, uint256 c, uint256 d) private pure returns (bool) {
        (uint256 highLeft, uint256 lowLeft) = Math.mul512(a, b);
        (uint256 highRight, uint256 lowRight) = Math.mul512(c, d);
        return highLeft < highRight || (highLeft == highRight && lowLeft <= lowRight);
    }

    /// @dev Any operation on any pool, r0 · r1 / shares² afterwards against before. It may be much less: whoever has most of the shares takes most.
    /// forge-config: default.fuzz.runs = 64
    /// forge-config: audit.fuzz.runs = 10000
    function testFuzz_NothingDilutesAShare(uint256 seed) public {
        Random.Rng memory rng = Random.Rng(seed);
        uint256 ann = user("ann");
        give(ann, ASSET0, MOST);
        give(ann, ASSET1, MOST);
        uint256 pool = emptyPool(ann, ASSET0, ASSET1, uint24(rng.below(100_001)));
        act(pool, ann, addTo(pool, uint128(_any(rng) >> 1 | 1024), uint128(_any(rng) >> 1 | 1024), 0));
        uint256 done;
        for (uint256 i = 0; i < 24; i++) {
            Book memory old = book(pool);
            uint256 code = ADD + rng.below(4);
            (uint128 x, uint128 y) = (uint128(_any(rng)), uint128(_any(rng)));
            uint8 side = uint8(rng.below(2));
            bytes memory payload;
            if (code == ADD) payload = addTo(pool, x, y, 0);
            else if (code == REMOVE) payload = removeFrom(pool, uint128(rng.below(old.shares)), 0, 0);
            else if (code == SELL) payload = sellTo(pool, side, x, 0);
            else payload = buyFrom(pool, side, uint128(rng.below(side == 0 ? old.r0 : old.r1)), MOST);
            if (!tryAct(pool, ann, payload)) continue;
            done++;
            Book memory now_ = book(pool);
            assertTrue(
                _notAbove(old.r0 * old.r1, now_.shares * now_.shares, now_.r0 * now_.r1, old.shares * old.shares)
            );
            if (code == SELL || code == BUY) assertGe(now_.r0 * now_.r1, old.r0 * old.r1);
            assertGt(now_.r0, 0);
            assertGt(now_.r1, 0);
        }
        assertGt(done, 3);
    }
}
