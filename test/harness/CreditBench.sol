// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../../contracts/interfaces/IRule.sol";
import {RuleBench} from "./RuleBench.sol";

/// @notice A market of the Credit rule with some users; payloads, effects and formulas once more, plain, from docs/rules/credit.md.
abstract contract CreditBench is RuleBench {
    struct Terms {
        uint8 depth;
        bytes32 collateral;
        bytes32 asset;
        uint128 ratio;
        uint64 rate;
        uint128 minimum;
        uint24 callFee;
        uint32 grace;
        uint32 rise;
        uint32 fall;
    }

    /// @dev What a market's data say behind its terms.
    struct Books {
        uint64 serial;
        uint128 shares;
        uint128 principal;
        uint192 moment;
        uint128 called;
    }

    struct Loan {
        uint80 market;
        uint64 serial;
        bytes32 collateral;
        uint128 principal;
        uint64 since;
        uint64 called;
    }

    bytes32 internal constant COLLATERAL = bytes32(uint256(0xC0));
    bytes32 internal constant ASSET = bytes32(uint256(0xA5));
    uint128 internal constant MILLION = 1e6;
    uint128 internal constant PURSE = 1e24;

    address internal rule;
    uint256 internal market;
    uint256 internal ann; // lends
    uint256 internal ben; // borrows
    uint256 internal cat; // calls and bids

    function setUp() public virtual {
        rule = registered("Credit.sol:Credit");
        (ann, ben, cat) = (user("ann"), user("ben"), user("cat"));
        for (uint256 who = ann; who <= cat; who++) {
            give(who, ASSET, PURSE);
            give(who, COLLATERAL, PURSE);
        }
        market = newMarket(terms());
    }

    /// @dev Half a million units of debt for a million of collateral; 10^-5 a block; 5 % for a call.
    function terms() internal pure virtual returns (Terms memory) {
        return Terms(0, COLLATERAL, ASSET, 0.5e18, 1e13, 100, 50_000, 10, 20, 40);
    }

    function newMarket(Terms memory t) internal returns (uint256 place) {
        this.run(rule, places(ann), one(0, create(t)), abi.encodePacked(rule));
        place = opened[0];
        nextBatch();
    }

    // ---------------------------------------------------------------- payloads

    function packed(Terms memory t) internal pure returns (bytes memory) {
        return bytes.concat(
            abi.encodePacked(t.depth, t.collateral, t.asset, t.ratio, t.rate),
            abi.encodePacked(t.minimum, t.callFee, t.grace, t.rise, t.fall)
        );
    }

    function create(Terms memory t) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(1), packed(t));
    }

    function lend(uint128 amount, uint128 sharesAtLeast) internal view returns (bytes memory) {
        return abi.encodePacked(uint8(2), idOf(market), amount, sharesAtLeast);
    }

    function redeem(uint128 shares, uint128 atLeast) internal view returns (bytes memory) {
        return abi.encodePacked(uint8(3), idOf(market), shares, atLeast);
    }

    function borrow(uint64 serial, uint128 added, uint128 amount) internal view returns (bytes memory) {
        return abi.encodePacked(uint8(4), idOf(market), serial, added, amount);
    }

    function repay(uint64 serial, uint128 atMost, uint128 taken) internal view returns (bytes memory) {
        return abi.encodePacked(uint8(5), idOf(market), serial, atMost, taken);
    }

    function callIn(uint64 serial, uint128 feeAtMost) internal view returns (bytes memory) {
        return abi.encodePacked(uint8(6), idOf(market), serial, feeAtMost);
    }

    function bid(uint64 serial, uint128 atMost, uint128 atLeast) internal view returns (bytes memory) {
        return abi.encodePacked(uint8(7), idOf(market), serial, atMost, atLeast);
    }

    function add(uint64 serial, uint128 amount) internal view returns (bytes memory) {
        return abi.encodePacked(uint8(8), idOf(market), serial, amount);
    }

    function close(uint64 serial) internal view returns (bytes memory) {
        return abi.encodePacked(uint8(9), idOf(market), serial);
    }

    // ---------------------------------------------------------------- effects

    /// @dev Of authorisation 0: `text` is the struct's type, `members` its values, one word each.
    function meaning(string memory name, string memory text, bytes memory members)
        internal
        pure
        returns (bytes memory)
    {
        bytes32 signed = keccak256(
            abi.encodePacked(
                "Authorisation(",
                name,
                " intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)",
                text,
                "Outflow(bytes32 asset,uint128 amount)"
            )
        );
        return abi.encodePacked(uint8(10), uint8(0), signed, keccak256(bytes.concat(keccak256(bytes(text)), members)));
    }

    function move(uint8 from, uint8 to, bytes32 asset, uint128 amount) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(1), from, to, asset, amount);
    }

    function mint(uint8 to, bytes32 tag, uint128 amount) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(2), to, tag, amount);
    }

    function burn(uint8 from, bytes32 tag, uint128 amount) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(3), from, tag, amount);
    }

    function write(uint8 to, bytes memory data) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(4), to, uint16(data.length), data);
    }

    function writeBooks(Books memory b) internal view returns (bytes memory) {
        bytes memory data = dataOf(market);
        bytes memory front = new bytes(121);
        for (uint256 i = 0; i < 121; i++) {
            front[i] = data[i];
        }
        return write(0, abi.encodePacked(front, b.serial, b.shares, b.principal, b.moment, b.called));
    }

    function writeLoan(uint8 to, Loan memory l) internal pure returns (bytes memory) {
        return write(to, abi.encodePacked(uint8(2), l.market, l.serial, l.collateral, l.principal, l.since, l.called));
    }

    // ---------------------------------------------------------------- what stands where

    function number(bytes memory data, uint256 from, uint256 size) internal pure returns (uint256 value) {
        assertLe(from + size, data.length);
        assembly ("memory-safe") {
            value := shr(sub(256, mul(8, size)), mload(add(add(data, 32), from)))
        }
    }

    function books() internal view returns (Books memory b) {
        bytes memory data = dataOf(market);
        assertEq(data.length, 201);
        b.serial = uint64(number(data, 121, 8));
        b.shares = uint128(number(data, 129, 16));
        b.principal = uint128(number(data, 145, 16));
        b.moment = uint192(number(data, 161, 24));
        b.called = uint128(number(data, 185, 16));
    }

    function loanAt(uint256 place) internal view returns (Loan memory l) {
        bytes memory data = dataOf(place);
        assertEq(data.length, 83);
        l.market = uint80(number(data, 1, 10));
        l.serial = uint64(number(data, 11, 8));
        l.collateral = bytes32(number(data, 19, 32));
        l.principal = uint128(number(data, 51, 16));
        l.since = uint64(number(data, 67, 8));
        l.called = uint64(number(data, 75, 8));
    }

    function sharesTag() internal view returns (bytes32) {
        return bytes32(abi.encodePacked(idOf(market), bytes22(0)));
    }

    function titleTag(uint64 serial) internal view returns (bytes32) {
        return bytes32(abi.encodePacked(idOf(market), serial, bytes14(0)));
    }

    function sharesOf(uint256 who) internal view returns (uint128) {
        return holding(who, issued(rule, sharesTag()));
    }

    function titles(uint256 who, uint64 serial) internal view returns (uint128) {
        return holding(who, issued(rule, titleTag(serial)));
    }

    // ---------------------------------------------------------------- formulas

    function quotientUp(uint256 x, uint256 y) internal pure returns (uint256) {
        return (x + y - 1) / y;
    }

    function debtOf(uint256 place) internal view returns (uint256) {
        Loan memory l = loanAt(place);
        if (l.called > 0) return l.principal;
        return l.principal + quotientUp(uint256(l.principal) * terms().rate * (context.blockNumber - l.since), 1e18);
    }

    function low() internal view returns (uint256) {
        Books memory b = books();
        uint256 blocks = uint256(context.blockNumber) * b.principal - b.moment;
        return holding(market, ASSET) + b.principal + blocks * terms().rate / 1e18;
    }

    function high() internal view returns (uint256) {
        return low() + books().called;
    }

    // ---------------------------------------------------------------- what users do

    function later(uint64 blocks) internal {
        context.blockNumber += blocks;
    }

    function doLend(uint256 who, uint128 amount) internal returns (uint128 shares) {
        shares = sharesOf(who);
        this.run(rule, places(market, who), one(1, lend(amount, 0)), "");
        return sharesOf(who) - shares;
    }

    function doRedeem(uint256 who, uint128 shares) internal returns (uint128 amount) {
        amount = holding(who, ASSET);
        this.run(rule, places(market, who), one(1, redeem(shares, 0)), "");
        return holding(who, ASSET) - amount;
    }

    /// @dev Returns the new position's place.
    function doOpen(uint256 who, uint128 collateral, uint128 amount) internal returns (uint256 place) {
        this.run(rule, places(market, who), one(1, borrow(0, collateral, amount)), "");
        place = opened[0];
        nextBatch();
    }

    /// @dev An operation on a position that exists, by a user at position 2.
    function doAt(uint256 loan, uint256 who, bytes memory payload) internal {
        this.run(rule, places(market, loan, who), one(2, payload), "");
    }

    // ---------------------------------------------------------------- checks

    /// @dev The rule returns just these effects, and the kernel takes them.
    function check(uint256[] memory listed, uint8 by, bytes memory payload, bytes memory effects) internal {
        assertEq(answer(listed, by, payload), effects, "effects");
        this.run(rule, listed, one(by, payload), "");
    }

    function refused(uint256[] memory listed, uint8 by, bytes memory payload, bytes memory reason) internal {
        IRule.Fragment[] memory seen = new IRule.Fragment[](listed.length);
        for (uint256 i = 0; i < listed.length; i++) {
            seen[i] = shown(listed[i]);
        }
        IRule.Authorisation[] memory signed = new IRule.Authorisation[](1);
        signed[0] = IRule.Authorisation(by, payload);
        vm.expectRevert(reason);
        IRule(rule).transition(context, seen, signed, "");
    }

    function answer(uint256[] memory listed, uint8 by, bytes memory payload) internal view returns (bytes memory) {
        IRule.Fragment[] memory seen = new IRule.Fragment[](listed.length);
        for (uint256 i = 0; i < listed.length; i++) {
            seen[i] = shown(listed[i]);
        }
        IRule.Authorisation[] memory signed = new IRule.Authorisation[](1);
        signed[0] = IRule.Authorisation(by, payload);
        return IRule(rule).transition(context, seen, signed, "");
    }

    function why(string memory text) internal pure returns (bytes memory) {
        return abi.encodeWithSignature(text);
    }

    function why(string memory text, uint256 x) internal pure returns (bytes memory) {
        return abi.encodeWithSignature(text, x);
    }

    function why(string memory text, uint256 x, uint256 y) internal pure returns (bytes memory) {
        return abi.encodeWithSignature(text, x, y);
    }
}
