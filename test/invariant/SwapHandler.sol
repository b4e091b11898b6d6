// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Random} from "../harness/Random.sol";
import {Swaps} from "../harness/Swaps.sol";

/// @notice Three users who sign nothing but fair prices, and a filler who wants what they have: it takes all that intents let it, brings
/// no more than it must, and now and then one unit too many or too few. The harness says whether a fill must pass.
contract SwapHandler is Swaps {
    using Random for Random.Rng;

    uint256 private constant HONEST = 3;
    uint128 private constant PURSE = 1_000_000; // of each asset

    uint256 public taken;
    uint256 public refused;
    uint256 public inPart;
    uint256 public onCurve;
    uint256 public fromEachOther;

    uint256 private _lost; // by value and in all, what fills cost the three beyond rewards; gains do not count
    Move[] private _moves;

    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < 4; i++) {
            for (uint256 n = 0; n < 4; n++) {
                give(users[i], table4()[n], i < HONEST ? PURSE : 1000 * PURSE);
            }
        }
    }

    // ---------------------------------------------------------------- actions

    function wait(uint256 blocks) public {
        context.blockNumber += uint64(blocks % 16);
    }

    function fill(uint256 seed) public {
        Random.Rng memory rng = Random.Rng(seed);
        Deal memory d = _deal(rng);
        bool must = satisfied(d);
        uint256[4][HONEST] memory before = _holdings();
        bool done = tryDeal(d);
        require(done == must, "the rule and its page");
        for (uint256 i = 0; i + 1 < d.wants.length; i++) {
            _requireWithin(d, i, before[i], done);
            if (!done) continue;
            uint256 had = _reserve(d.wants[i], before[i]);
            if (_wealth(i) < had) _lost += had - _wealth(i);
            if (d.wants[i].partly) inPart++;
            if (d.wants[i].curve) onCurve++;
        }
        if (done) taken++;
        else refused++;
    }

    /// @dev By what the user holds, not by moves: no less than before, less what it gives, plus what it gets.
    function _requireWithin(Deal memory d, uint256 who, uint256[4] memory before, bool done) private view {
        for (uint256 n = 0; n < 4; n++) {
            uint256 now_ = holding(users[who], d.table[n]);
            if (!done) {
                require(now_ == before[n], "nothing happened");
            } else {
                require(now_ + _limit(d.wants[who], d.table[n]) >= before[n] + _due(d.wants[who], d.table[n]), "terms");
            }
        }
    }

    // ---------------------------------------------------------------- what intents allow

    function _price(bytes32 asset) private pure returns (uint256) {
        return asset == A ? 1 : asset == B ? 2 : asset == C ? 3 : 5;
    }

    function _wealth(uint256 who) private view returns (uint256 sum) {
        for (uint256 n = 0; n < 4; n++) {
            sum += _price(table4()[n]) * holding(users[who], table4()[n]);
        }
    }

    /// @dev What it held was worth, without the rewards that its intent offers.
    function _reserve(Want memory w, uint256[4] memory held) private pure returns (uint256 sum) {
        for (uint256 n = 0; n < 4; n++) {
            sum += _price(table4()[n]) * held[n];
        }
        for (uint256 i = 0; i < w.reward.length; i++) {
            sum -= _price(w.reward[i].asset) * (w.reward[i].amount * filledOf(w) / w.give[0].end);
        }
    }

    function _holdings() private view returns (uint256[4][HONEST] memory all) {
        for (uint256 i = 0; i < HONEST; i++) {
            for (uint256 n = 0; n < 4; n++) {
                all[i][n] = holding(users[i], table4()[n]);
            }
        }
    }

    function _limit(Want memory w, bytes32 asset) private view returns (uint256 sum) {
        for (uint256 i = 0; i < w.give.length; i++) {
            if (w.give[i].asset == asset) sum += giveNow(w, i) * filledOf(w) / w.give[0].end;
        }
        for (uint256 i = 0; i < w.reward.length; i++) {
            if (w.reward[i].asset == asset) sum += w.reward[i].amount * filledOf(w) / w.give[0].end;
        }
    }

    function _due(Want memory w, bytes32 asset) private view returns (uint256 sum) {
        uint256 whole = w.give[0].end;
        for (uint256 i = 0; i < w.get.length; i++) {
            if (w.get[i].asset == asset) sum += (getNow(w, i) * filledOf(w) + whole - 1) / whole;
        }
    }

    // ---------------------------------------------------------------- deals

    function _deal(Random.Rng memory rng) private returns (Deal memory d) {
        uint256 honest = 1 + rng.below(HONEST);
        d.listed = new uint256[](honest + 1);
        d.wants = new Want[](honest + 1);
        d.table = table4();
        for (uint256 i = 0; i < honest; i++) {
            d.listed[i] = users[i];
            d.wants[i] = _fair(rng);
        }
        d.listed[honest] = users[HONEST];
        Want memory filler = want(leg(A, type(uint128).max), leg(A, 0));
        filler.give = new Leg[](4);
        for (uint256 n = 0; n < 4; n++) {
            filler.give[n] = Leg(d.table[n], type(uint128).max, type(uint128).max);
        }
        d.wants[honest] = filler;
        _takeAndBring(rng, d, honest);
        d.moves = _moves;
        delete _moves;
        if (d.moves.length > 0 && rng.onceIn(3)) {
            Move memory m = d.moves[rng.below(d.moves.length)];
            if (rng.onceIn(2)) m.amount++;
            else if (m.amount > 1) m.amount--;
        }
    }

    /// @dev All that intents let it: from one user to the next what both want, the rest through its own hands.
    function _takeAndBring(Random.Rng memory rng, Deal memory d, uint256 honest) private {
        for (uint8 n = 0; n < 4; n++) {
            uint256[] memory left = new uint256[](honest);
            for (uint256 i = 0; i < honest; i++) {
                left[i] = _limit(d.wants[i], d.table[n]);
            }
            for (uint256 i = 0; i < honest; i++) {
                uint256 due = _due(d.wants[i], d.table[n]);
                uint256 other = rng.below(honest);
                uint256 direct = other == i ? 0 : left[other] < due ? left[other] : due;
                if (direct > 0) {
                    _moves.push(Move(uint8(other), uint8(i), n, uint128(direct)));
                    left[other] -= direct;
                    fromEachOther++;
                }
                if (due > direct) _moves.push(Move(uint8(honest), uint8(i), n, uint128(due - direct)));
            }
            for (uint256 i = 0; i < honest; i++) {
                if (left[i] > 0) _moves.push(Move(uint8(i), uint8(honest), n, uint128(left[i])));
            }
        }
    }

    /// @dev What is got at least is worth what is given at most, at the end of the curve. Rewards come on top.
    function _fair(Random.Rng memory rng) private view returns (Want memory w) {
        uint256 first = rng.below(3);
        w.give = two(leg(table4()[first], uint128(1 + rng.below(30))), leg(table4()[first + 1], uint128(rng.below(30))));
        uint256 value;
        for (uint256 i = 0; i < 2; i++) {
            value += _price(w.give[i].asset) * w.give[i].end;
        }
        bytes32 asset = table4()[rng.below(4)];
        w.get = leg(asset, uint128((value + _price(asset) - 1) / _price(asset)));
        if (rng.onceIn(2)) {
            (w.curve, w.first) = (true, context.blockNumber - uint64(rng.below(8)));
            w.last = w.first + uint64(rng.below(12));
            w.give[0].start -= uint128(rng.below(w.give[0].end + 1));
            w.get[0].start += uint128(rng.below(20));
        }
        if (rng.onceIn(2)) {
            (w.partly, w.filled) = (true, uint128(1 + rng.below(w.give[0].end)));
            w.least = uint128(rng.below(w.filled + 1));
        }
        if (rng.onceIn(3)) {
            w.reward = new Reward[](1);
            w.reward[0] = Reward(table4()[rng.below(4)], uint128(rng.below(6)));
        }
        if (rng.onceIn(4)) {
            w.counterparties = new uint80[](2);
            (w.counterparties[0], w.counterparties[1]) = (idOf(users[rng.below(HONEST)]), idOf(users[HONEST]));
        }
    }

    // ---------------------------------------------------------------- what holds

    function assertFair() public view {
        assertEq(_lost, 0, "paid beyond a fair price and rewards");
    }

    function assertConserved() public view {
        for (uint256 n = 0; n < 4; n++) {
            uint256 sum;
            for (uint256 i = 0; i < 4; i++) {
                sum += holding(users[i], table4()[n]);
            }
            assertEq(sum, supply[table4()[n]], "made or lost");
        }
    }
}
