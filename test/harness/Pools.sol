// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../../contracts/interfaces/IRule.sol";
import {RuleBench} from "./RuleBench.sol";

/// @notice The Pool rule on a bench: payloads, and docs/rules/pool.md once more as plain sums.
abstract contract Pools is RuleBench {
    /// @dev A pool's reserves and shares.
    struct Book {
        uint256 r0;
        uint256 r1;
        uint256 shares;
    }

    bytes32 internal constant ASSET0 = 0; // ETH
    bytes32 internal constant ASSET1 = bytes32(uint256(0xB0B));
    uint24 internal constant FEE = 3000;
    uint256 internal constant NOBODYS = 1000;
    uint128 internal constant MOST = type(uint128).max;
    uint8 internal constant CREATE = 1;
    uint8 internal constant ADD = 2;
    uint8 internal constant REMOVE = 3;
    uint8 internal constant SELL = 4;
    uint8 internal constant BUY = 5;

    address internal rule;

    function setUp() public virtual {
        rule = registered("Pool.sol:Pool");
    }

    // ---------------------------------------------------------------- pools

    /// @dev A pool with nothing in it, opened by the rule, in an earlier batch.
    function emptyPool(uint256 creator, bytes32 asset0, bytes32 asset1, uint24 fee) internal returns (uint256 pool) {
        this.run(rule, places(creator), one(0, abi.encodePacked(CREATE, asset0, asset1, fee)), abi.encodePacked(rule));
        pool = opened[0];
        nextBatch();
    }

    /// @dev A pool that `first` has put `amount0` and `amount1` into.
    function pooled(uint256 first, uint24 fee, uint128 amount0, uint128 amount1) internal returns (uint256 pool) {
        pool = emptyPool(first, ASSET0, ASSET1, fee);
        give(first, ASSET0, amount0);
        give(first, ASSET1, amount1);
        act(pool, first, addTo(pool, amount0, amount1, 0));
    }

    function book(uint256 pool) internal view returns (Book memory) {
        (bytes32 asset0, bytes32 asset1,, uint128 shares) = parsed(dataOf(pool));
        return Book(holding(pool, asset0), holding(pool, asset1), shares);
    }

    function parsed(bytes memory data)
        internal
        pure
        returns (bytes32 asset0, bytes32 asset1, uint24 fee, uint128 shares)
    {
        assertEq(data.length, 83);
        assembly ("memory-safe") {
            asset0 := mload(add(data, 32))
            asset1 := mload(add(data, 64))
            fee := shr(232, mload(add(data, 96)))
            shares := shr(128, mload(add(data, 99)))
        }
    }

    function shareOf(uint256 pool) internal view returns (bytes32) {
        return issued(rule, bytes32(uint256(idOf(pool))));
    }

    // ---------------------------------------------------------------- payloads

    function addTo(uint256 pool, uint128 atMost0, uint128 atMost1, uint128 sharesAtLeast)
        internal
        view
        returns (bytes memory)
    {
        return abi.encodePacked(ADD, idOf(pool), atMost0, atMost1, sharesAtLeast);
    }

    function removeFrom(uint256 pool, uint128 shares, uint128 atLeast0, uint128 atLeast1)
        internal
        view
        returns (bytes memory)
    {
        return abi.encodePacked(REMOVE, idOf(pool), shares, atLeast0, atLeast1);
    }

    function sellTo(uint256 pool, uint8 side, uint128 amount, uint128 atLeast) internal view returns (bytes memory) {
        return abi.encodePacked(SELL, idOf(pool), side, amount, atLeast);
    }

    function buyFrom(uint256 pool, uint8 side, uint128 amount, uint128 atMost) internal view returns (bytes memory) {
        return abi.encodePacked(BUY, idOf(pool), side, amount, atMost);
    }

    // ---------------------------------------------------------------- calls

    function act(uint256 pool, uint256 by, bytes memory payload) internal {
        this.run(rule, places(pool, by), one(1, payload), "");
    }

    function tryAct(uint256 pool, uint256 by, bytes memory payload) internal returns (bool) {
        return tryRun(rule, places(pool, by), one(1, payload), "");
    }

    function expectFailure(uint256 pool, uint256 by, bytes memory payload, bytes memory reason) internal {
        vm.expectRevert(reason);
        act(pool, by, payload);
    }

    /// @dev The same without the bench: for holdings that no kernel would ever show.
    function effectsOf(IRule.Fragment memory pool, bytes memory payload) internal view returns (bytes memory) {
        IRule.Fragment[] memory fragments = new IRule.Fragment[](2);
        (fragments[0], fragments[1].id, fragments[1].kind) = (pool, 77, KEY);
        IRule.Authorisation[] memory authorisations = new IRule.Authorisation[](1);
        authorisations[0] = IRule.Authorisation(1, payload);
        return IRule(rule).transition(context, fragments, authorisations, "");
    }

    // ---------------------------------------------------------------- the page's sums

    /// @dev ⌊√(a · b)⌋ by bisection.
    function rootOf(uint256 a, uint256 b) internal pure returns (uint256 root) {
        for (uint256 bit = 1 << 127; bit > 0; bit /= 2) {
            if ((root + bit) * (root + bit) <= a * b) root += bit;
        }
    }

    function ceiling(uint256 numerator, uint256 denominator) internal pure returns (uint256) {
        return (numerator + denominator - 1) / denominator;
    }

    /// @dev Shares that the pool counts for a₀ and a₁, and what is paid for them.
    function sumsOfAdd(Book memory b, uint256 a0, uint256 a1)
        internal
        pure
        returns (uint256 shares, uint256 paid0, uint256 paid1)
    {
        if (b.shares == 0) return (rootOf(a0, a1), a0, a1);
        (uint256 by0, uint256 by1) = (a0 * b.shares / b.r0, a1 * b.shares / b.r1);
        shares = by0 < by1 ? by0 : by1;
        return (shares, ceiling(shares * b.r0, b.shares), ceiling(shares * b.r1, b.shares));
    }

    function sumsOfRemove(Book memory b, uint256 shares) internal pure returns (uint256 out0, uint256 out1) {
        return (shares * b.r0 / b.shares, shares * b.r1 / b.shares);
    }

    /// @dev What `amount` buys.
    function sumOfSale(uint256 reserveSold, uint256 reserveBought, uint24 fee, uint256 amount)
        internal
        pure
        returns (uint256)
    {
        uint256 net = amount * (1_000_000 - fee) / 1_000_000;
        return net * reserveBought / (reserveSold + net);
    }

    /// @dev What `amount` costs.
    function sumOfPurchase(uint256 reserveSold, uint256 reserveBought, uint24 fee, uint256 amount)
        internal
        pure
        returns (uint256)
    {
        return ceiling(ceiling(reserveSold * amount, reserveBought - amount) * 1_000_000, 1_000_000 - fee);
    }
}
