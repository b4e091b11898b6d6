// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {console} from "forge-std/console.sol";

import {CreditBench} from "../harness/CreditBench.sol";
import {Pools} from "../harness/Pools.sol";

/// @notice An outsider who orders a batch earns from those who trade with a pool, within what they signed (docs/audit/attacks.md).
contract MarketsAttacks is Pools {
    uint128 private constant DEPTH = 1000 ether;
    uint128 private constant SOLD = 10 ether;

    /// @dev How much a share is worth, as reserve 0 · reserve 1 / shares², in 10^-18 of what it was.
    function _growth(Book memory before, Book memory later) private pure returns (uint256) {
        uint256 ratio = later.r0 * 1e18 / before.r0 * later.r1 / before.r1;
        return ratio * before.shares / later.shares * before.shares / later.shares - 1e18;
    }

    /// A known limit, of every such market. Whoever adds before a sale and removes behind it takes most of the fee from those who were
    /// there all the time. It takes nothing else: no share falls.
    function test_JustInTimeLiquidityTakesAFeeAndNothingElse() public {
        uint256[2] memory growth;
        for (uint256 i = 0; i < 2; i++) {
            uint256 first = user("first");
            uint256 seller = user("seller");
            uint256 late = user("late");
            uint256 pool = pooled(first, FEE, DEPTH, DEPTH);
            give(seller, ASSET0, SOLD);
            give(late, ASSET0, 9 * DEPTH);
            give(late, ASSET1, 9 * DEPTH);
            Book memory before = book(pool);
            if (i == 1) act(pool, late, addTo(pool, 9 * DEPTH, 9 * DEPTH, 0));
            act(pool, seller, sellTo(pool, 0, SOLD, 0));
            if (i == 1) act(pool, late, removeFrom(pool, uint128(holding(late, shareOf(pool))), 0, 0));
            growth[i] = _growth(before, book(pool));
        }
        console.log("growth of a share without and with it, 10^-18", growth[0], growth[1]);
        assertGt(growth[1], 0, "no share falls");
        assertLt(growth[1], growth[0] / 9);
        assertGt(growth[1], growth[0] / 12);
    }

    /// A known limit, of every such market: whoever orders a batch sells before a sale and buys back behind it. At each slippage that the
    /// seller allows it brings less than that slippage, and more than half of it.
    function test_ASandwichEarnsLessThanTheSlippageAllowed() public {
        uint256[4] memory slippages = [uint256(10), 50, 100, 500]; // in 1/10,000
        for (uint256 i = 0; i < 4; i++) {
            uint256 seller = user("seller");
            uint256 mallory = user("mallory");
            uint256 pool = pooled(user("first"), FEE, DEPTH, DEPTH);
            give(seller, ASSET0, SOLD);
            give(mallory, ASSET0, DEPTH);
            Book memory now_ = book(pool);
            uint256 net = uint256(SOLD) * (1e6 - FEE) / 1e6;
            uint128 atLeast = uint128(net * now_.r1 / (now_.r0 + net) * (10_000 - slippages[i]) / 10_000);
            // The most that can be sold before, to the ether.
            uint128 first = 0;
            for (;; first += 0.1 ether) {
                uint256 front = uint256(first + 0.1 ether) * (1e6 - FEE) / 1e6;
                uint256 bought = front * now_.r1 / (now_.r0 + front);
                uint256 r0 = now_.r0 + first + 0.1 ether;
                if (net * (now_.r1 - bought) / (r0 + net) < atLeast) break;
            }
            uint256 before = holding(mallory, ASSET0);
            act(pool, mallory, sellTo(pool, 0, first, 0));
            act(pool, seller, sellTo(pool, 0, SOLD, atLeast));
            act(pool, mallory, sellTo(pool, 1, uint128(holding(mallory, ASSET1)), 0));
            uint256 later = holding(mallory, ASSET0);
            uint256 allowed = uint256(SOLD) * slippages[i] / 10_000;
            console.log("allowed, gained", allowed, later - before);
            assertLt(later - before, allowed);
            assertGt(later - before, allowed / 2);
        }
    }
}

/// @notice An outsider has the money of whoever lends to a market that was opened just now (docs/audit/attacks.md).
contract LoansAttacks is CreditBench {
    uint128 private constant LENT = 1e6;

    /// A known limit. A market is named by its id, and what lenders sign says nothing of its terms: after a reorganisation that gives the id
    /// to another market the same signature lends on any terms. So whoever lends names a market of a final block.
    function test_ALoanToAYoungMarketCanBeOnOtherTerms() public {
        uint256 fork = vm.snapshotState();
        market = newMarket(terms());
        uint80 id = idOf(market);
        bytes memory payload = lend(LENT, 0);
        bytes memory signed = answer(places(market, ann), 1, payload);

        vm.revertToState(fork);
        Terms memory t = terms();
        (t.ratio, t.minimum) = (type(uint128).max, 1);
        this.run(rule, places(cat), one(0, create(t)), abi.encodePacked(rule));
        market = opened[0];
        nextBatch();
        assertEq(idOf(market), id, "the same id on the other branch");
        bytes memory again = answer(places(market, ann), 1, payload);
        for (uint256 i = 0; i < 66; i++) {
            assertEq(again[i], signed[i], "means the same");
        }
        this.run(rule, places(market, ann), one(1, payload), "");
        doOpen(cat, 1, LENT);
        assertEq(holding(cat, ASSET), PURSE + LENT, "for one unit of collateral");
    }
}
