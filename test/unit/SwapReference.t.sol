// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Random} from "../harness/Random.sol";
import {Swaps} from "../harness/Swaps.sol";

/// @notice Random deals, and such with one thing changed: the rule takes exactly those that satisfy the page's conditions as the
/// harness has them, plain and slow.
contract SwapReferenceTest is Swaps {
    using Random for Random.Rng;

    uint256 private constant DEALS = 12; // for each seed

    /// forge-config: default.fuzz.runs = 64
    function testFuzz_TheRuleTakesWhatSatisfiesAllIntents(uint256 seed) public {
        Random.Rng memory rng = Random.Rng(seed);
        uint256 taken;
        uint256 spoilt;
        for (uint256 i = 0; i < DEALS; i++) {
            Deal memory d = _deal(rng);
            assertTrue(_agrees(d), "a deal as made");
            taken++;
            for (uint256 j = 0; j < 4; j++) {
                _spoil(rng, d);
                if (!_agrees(d)) spoilt++;
            }
            context.blockNumber = 1000;
        }
        assertEq(taken, DEALS);
        assertGt(spoilt, DEALS / 3, "too few were spoilt");
    }

    /// @dev Whether the rule takes the deal, which it must if and only if the reference does; and then its effects are as expected.
    function _agrees(Deal memory d) private view returns (bool taken) {
        bytes memory out;
        (taken, out) = rule.staticcall(input(d));
        assertEq(taken, satisfied(d), "rule and reference");
        if (!taken) return false;
        bytes memory effects;
        string memory kernels =
            "Authorisation(Swap intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)";
        for (uint256 i = 0; i < d.wants.length; i++) {
            effects = abi.encodePacked(
                effects,
                uint8(10),
                uint8(i),
                keccak256(abi.encodePacked(kernels, LEG, OUTFLOW, SWAP)),
                structHash(d.wants[i])
            );
        }
        for (uint256 i = 0; i < d.moves.length; i++) {
            Move memory m = d.moves[i];
            effects = abi.encodePacked(effects, uint8(1), m.from, m.to, d.table[m.number], m.amount);
        }
        assertEq(abi.decode(out, (bytes)), effects);
    }

    // ---------------------------------------------------------------- deals that satisfy, mostly to the unit

    /// @dev First the moves, then for each user an intent that they satisfy.
    function _deal(Random.Rng memory rng) private view returns (Deal memory d) {
        uint256 count = 1 + rng.below(4);
        d.listed = new uint256[](count);
        for (uint256 i = 0; i < count; i++) {
            d.listed[i] = users[i];
        }
        d.table = table4();
        d.moves = new Move[](count == 1 ? 0 : rng.below(9));
        for (uint256 i = 0; i < d.moves.length; i++) {
            uint256 from = rng.below(count);
            uint256 to = (from + 1 + rng.below(count - 1)) % count;
            d.moves[i] = Move(uint8(from), uint8(to), uint8(rng.below(4)), uint128(1 + rng.below(30)));
        }
        d.wants = new Want[](count);
        for (uint256 i = 0; i < count; i++) {
            d.wants[i] = _want(rng, d, i);
        }
    }

    function _want(Random.Rng memory rng, Deal memory d, uint256 who) private view returns (Want memory w) {
        w.give = new Leg[](4);
        w.get = new Leg[](4);
        w.reward = new Reward[](4);
        w.curve = rng.onceIn(2);
        if (w.curve) {
            w.first = uint64(995 + rng.below(8));
            w.last = uint64(w.first + rng.below(8));
        }
        w.partly = rng.onceIn(2);
        // The first give is all of what is filled, at the end; the others are what moves take, scaled up to the whole.
        uint256 filled = flow(d, who, A, false) + (rng.onceIn(2) ? 0 : rng.below(5));
        if (filled == 0) filled = 1 + rng.below(20);
        uint256 whole = w.partly ? filled + rng.below(20) : filled;
        (w.filled, w.least) = w.partly ? (uint128(filled), uint128(rng.below(filled + 1))) : (0, 0);
        for (uint256 i = 0; i < 4; i++) {
            _price(rng, w, i, [flow(d, who, d.table[i], false), flow(d, who, d.table[i], true), filled, whole]);
        }
        _shorten(rng, w);
        if (rng.onceIn(3)) w.counterparties = _partners(rng, d, who);
    }

    /// @dev Of the asset with this number; sums are what moves take, what they bring, what is filled, and of how much.
    function _price(Random.Rng memory rng, Want memory w, uint256 i, uint256[4] memory sums) private view {
        (bytes32 asset, uint256 filled, uint256 whole) = (table4()[i], sums[2], sums[3]);
        uint256 end = i == 0 ? whole : _up(sums[0] * whole, filled);
        uint256 start = w.curve ? end - rng.below(end + 1) / 4 : end;
        w.give[i] = Leg(asset, uint128(start), uint128(end));
        // What the curve has not reached is a reward, beside the price.
        uint256 granted = giveNow(w, i) * filled / whole;
        w.reward[i] = Reward(asset, uint128(sums[0] > granted ? _up((sums[0] - granted) * whole, filled) : 0));
        uint256 most = sums[1] * whole / filled;
        start = rng.onceIn(4) ? rng.below(most + 1) : most;
        w.get[i] = Leg(asset, uint128(start), uint128(w.curve ? rng.below(start + 1) : start));
    }

    function _up(uint256 x, uint256 y) private pure returns (uint256) {
        return (x + y - 1) / y;
    }

    /// @dev Legs of nothing are left out, mostly: but the first give, and one get.
    function _shorten(Random.Rng memory rng, Want memory w) private pure {
        uint256 gives = 1;
        uint256 gets;
        uint256 rewards;
        for (uint256 i = 0; i < 4; i++) {
            if (i > 0 && (w.give[i].end > 0 || rng.onceIn(4))) w.give[gives++] = w.give[i];
            if (w.get[i].start > 0 || rng.onceIn(4) || (i == 3 && gets == 0)) w.get[gets++] = w.get[i];
            if (w.reward[i].amount > 0 || rng.onceIn(4)) w.reward[rewards++] = w.reward[i];
        }
        (Leg[] memory give_, Leg[] memory get_, Reward[] memory reward_) = (w.give, w.get, w.reward);
        assembly ("memory-safe") {
            mstore(give_, gives)
            mstore(get_, gets)
            mstore(reward_, rewards)
        }
    }

    /// @dev Whom moves bring it into touch with, and a few others.
    function _partners(Random.Rng memory rng, Deal memory d, uint256 who) private view returns (uint80[] memory ids) {
        ids = new uint80[](5);
        uint256 count;
        for (uint256 i = 0; i < d.listed.length; i++) {
            bool touched = rng.onceIn(4);
            for (uint256 j = 0; j < d.moves.length; j++) {
                Move memory m = d.moves[j];
                touched = touched || (m.from == who && m.to == i) || (m.to == who && m.from == i);
            }
            if (touched) ids[count++] = idOf(d.listed[i]);
        }
        if (count == 0 || rng.onceIn(2)) ids[count++] = type(uint80).max;
        assembly ("memory-safe") {
            mstore(ids, count)
        }
    }

    // ---------------------------------------------------------------- one thing changed

    function _spoil(Random.Rng memory rng, Deal memory d) private {
        Want memory w = d.wants[rng.below(d.wants.length)];
        uint256 what = rng.below(10);
        if (what < 4 && d.moves.length > 0) {
            Move memory m = d.moves[rng.below(d.moves.length)];
            if (what == 0) m.amount = _near(rng, m.amount);
            else if (what == 1) m.number = uint8(rng.below(5));
            else if (what == 2) m.to = uint8(rng.below(d.listed.length + 1));
            else m.from = uint8(rng.below(d.listed.length + 1));
        } else if (what == 4) {
            Leg memory leg_ = w.give[rng.below(w.give.length)];
            leg_.end = _near(rng, leg_.end);
            if (!w.curve) leg_.start = leg_.end;
        } else if (what == 5) {
            Leg memory leg_ = w.get[rng.below(w.get.length)];
            leg_.start = _near(rng, leg_.start);
            if (!w.curve) leg_.end = leg_.start;
        } else if (what == 6 && w.reward.length > 0) {
            Reward memory reward_ = w.reward[rng.below(w.reward.length)];
            reward_.amount = _near(rng, reward_.amount);
        } else if (what == 7) {
            w.filled = _near(rng, w.filled);
        } else if (what == 8) {
            context.blockNumber = uint64(_near(rng, 1000));
        } else if (w.counterparties.length > 0) {
            w.counterparties[0] = rng.onceIn(2) ? 0 : w.counterparties[0] / 2;
        }
    }

    function _near(Random.Rng memory rng, uint128 x) private pure returns (uint128) {
        return rng.onceIn(2) ? x + uint128(1 + rng.below(2)) : x == 0 ? 0 : x - 1;
    }
}
