// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../../contracts/interfaces/IRule.sol";
import {RuleBench} from "./RuleBench.sol";

/// @notice Intents and fills of the Swap rule, and when a fill satisfies them: docs/rules/swap.md once more, plain and slow.
abstract contract Swaps is RuleBench {
    struct Leg {
        bytes32 asset;
        uint128 start;
        uint128 end;
    }

    struct Reward {
        bytes32 asset;
        uint128 amount;
    }

    struct Want {
        bool curve;
        bool partly;
        Leg[] give;
        Leg[] get;
        Reward[] reward;
        uint80[] counterparties;
        uint64 first;
        uint64 last;
        uint128 least;
        uint128 filled; // not part of the intent: what the fill says of it
    }

    struct Move {
        uint8 from;
        uint8 to;
        uint8 number;
        uint128 amount;
    }

    /// @dev A call: all that are listed sign, each its intent.
    struct Deal {
        uint256[] listed;
        Want[] wants;
        bytes32[] table;
        Move[] moves;
    }

    bytes32 internal constant A = bytes32(uint256(0xa));
    bytes32 internal constant B = bytes32(uint256(0xb));
    bytes32 internal constant C = bytes32(uint256(0xc));
    bytes32 internal constant D = bytes32(uint256(0xd));

    string internal constant SWAP =
        "Swap(Leg[] give,Leg[] get,Outflow[] reward,uint80[] counterparties,uint64 firstBlock,uint64 lastBlock,uint128 fillAtLeast)";
    string internal constant LEG = "Leg(bytes32 asset,uint128 start,uint128 end)";
    string internal constant OUTFLOW = "Outflow(bytes32 asset,uint128 amount)";

    address internal rule;
    uint256[4] internal users; // each has 1000 of each of the four assets

    function setUp() public virtual {
        rule = registered("Swap.sol:Swap");
        for (uint256 i = 0; i < 4; i++) {
            users[i] = user(vm.toString(i));
            for (uint256 j = 0; j < 4; j++) {
                give(users[i], table4()[j], 1000);
            }
        }
    }

    function table4() internal pure returns (bytes32[] memory table) {
        table = new bytes32[](4);
        (table[0], table[1], table[2], table[3]) = (A, B, C, D);
    }

    // ---------------------------------------------------------------- intents

    function leg(bytes32 asset, uint128 amount) internal pure returns (Leg[] memory legs) {
        legs = new Leg[](1);
        legs[0] = Leg(asset, amount, amount);
    }

    function leg(bytes32 asset, uint128 start, uint128 end) internal pure returns (Leg[] memory legs) {
        legs = new Leg[](1);
        legs[0] = Leg(asset, start, end);
    }

    function two(Leg[] memory x, Leg[] memory y) internal pure returns (Leg[] memory legs) {
        legs = new Leg[](2);
        (legs[0], legs[1]) = (x[0], y[0]);
    }

    /// @dev Gives for gets, in whole, to anybody, at one price.
    function want(Leg[] memory give_, Leg[] memory get_) internal pure returns (Want memory w) {
        (w.give, w.get) = (give_, get_);
    }

    function wantPart(Leg[] memory give_, Leg[] memory get_, uint128 least, uint128 filled)
        internal
        pure
        returns (Want memory w)
    {
        w = want(give_, get_);
        (w.partly, w.least, w.filled) = (true, least, filled);
    }

    function wantCurve(Leg[] memory give_, Leg[] memory get_, uint64 first, uint64 last)
        internal
        pure
        returns (Want memory w)
    {
        w = want(give_, get_);
        (w.curve, w.first, w.last) = (true, first, last);
    }

    function payload(Want memory w) internal pure returns (bytes memory out) {
        out = abi.encodePacked(uint8((w.curve ? 1 : 0) + (w.partly ? 2 : 0)));
        out = bytes.concat(out, _legs(w.give, w.curve), _legs(w.get, w.curve), bytes1(uint8(w.reward.length)));
        for (uint256 i = 0; i < w.reward.length; i++) {
            out = abi.encodePacked(out, w.reward[i].asset, w.reward[i].amount);
        }
        out = bytes.concat(out, bytes1(uint8(w.counterparties.length)));
        for (uint256 i = 0; i < w.counterparties.length; i++) {
            out = abi.encodePacked(out, w.counterparties[i]);
        }
        if (w.curve) out = abi.encodePacked(out, w.first, w.last);
        if (w.partly) out = abi.encodePacked(out, w.least);
    }

    function _legs(Leg[] memory legs, bool curve) private pure returns (bytes memory out) {
        out = abi.encodePacked(uint8(legs.length));
        for (uint256 i = 0; i < legs.length; i++) {
            out = abi.encodePacked(out, legs[i].asset, legs[i].start);
            if (curve) out = abi.encodePacked(out, legs[i].end);
        }
    }

    function structHash(Want memory w) internal pure returns (bytes32) {
        bytes32[] memory rewards = new bytes32[](w.reward.length);
        for (uint256 i = 0; i < rewards.length; i++) {
            rewards[i] = keccak256(abi.encode(keccak256(bytes(OUTFLOW)), w.reward[i].asset, w.reward[i].amount));
        }
        bytes memory lists = abi.encode(
            _legsHash(w.give),
            _legsHash(w.get),
            keccak256(abi.encodePacked(rewards)),
            keccak256(abi.encodePacked(w.counterparties)) // elements of arrays are padded to words
        );
        uint128 least = w.partly ? w.least : w.give[0].end;
        return keccak256(
            bytes.concat(keccak256(abi.encodePacked(SWAP, LEG, OUTFLOW)), lists, abi.encode(w.first, w.last, least))
        );
    }

    function _legsHash(Leg[] memory legs) private pure returns (bytes32) {
        bytes32[] memory hashes = new bytes32[](legs.length);
        for (uint256 i = 0; i < legs.length; i++) {
            hashes[i] = keccak256(abi.encode(keccak256(bytes(LEG)), legs[i].asset, legs[i].start, legs[i].end));
        }
        return keccak256(abi.encodePacked(hashes));
    }

    // ---------------------------------------------------------------- fills

    function extra(bytes32[] memory table, Want[] memory wants, Move[] memory moves)
        internal
        pure
        returns (bytes memory out)
    {
        out = abi.encodePacked(uint8(table.length), table);
        for (uint256 i = 0; i < wants.length; i++) {
            if (wants[i].partly) out = abi.encodePacked(out, wants[i].filled);
        }
        for (uint256 i = 0; i < moves.length; i++) {
            out = abi.encodePacked(out, moves[i].from, moves[i].to, moves[i].number, moves[i].amount);
        }
    }

    function mv(uint8 from, uint8 to, uint8 number, uint128 amount) internal pure returns (Move memory) {
        return Move(from, to, number, amount);
    }

    function list(Move memory x) internal pure returns (Move[] memory moves) {
        moves = new Move[](1);
        moves[0] = x;
    }

    function list(Move memory x, Move memory y) internal pure returns (Move[] memory moves) {
        moves = new Move[](2);
        (moves[0], moves[1]) = (x, y);
    }

    function list(Move memory x, Move memory y, Move memory z) internal pure returns (Move[] memory moves) {
        moves = new Move[](3);
        (moves[0], moves[1], moves[2]) = (x, y, z);
    }

    /// @dev The first users with these intents; the table is A, B, C, D.
    function deal2(Want memory x, Want memory y, Move[] memory moves) internal view returns (Deal memory d) {
        d.listed = places(users[0], users[1]);
        d.wants = new Want[](2);
        (d.wants[0], d.wants[1]) = (x, y);
        (d.table, d.moves) = (table4(), moves);
    }

    function deal3(Want memory x, Want memory y, Want memory z, Move[] memory moves)
        internal
        view
        returns (Deal memory d)
    {
        d.listed = places(users[0], users[1], users[2]);
        d.wants = new Want[](3);
        (d.wants[0], d.wants[1], d.wants[2]) = (x, y, z);
        (d.table, d.moves) = (table4(), moves);
    }

    /// @dev Users in a ring: each gives one asset and gets `gets` others.
    function ring(uint256 size, uint256 gets) internal returns (Deal memory d) {
        d.listed = new uint256[](size);
        d.wants = new Want[](size);
        d.table = new bytes32[](size);
        d.moves = new Move[](size * gets);
        for (uint256 i = 0; i < size; i++) {
            d.listed[i] = user(vm.toString(i));
            d.table[i] = bytes32(0xa0 + i);
            give(d.listed[i], d.table[i], uint128(10 * gets));
        }
        for (uint256 i = 0; i < size; i++) {
            d.wants[i].give = leg(d.table[i], uint128(10 * gets));
            d.wants[i].get = new Leg[](gets);
            uint256 n;
            for (uint256 j = 0; j < size; j++) {
                uint256 ahead = (j + size - i) % size; // from whom user i gets
                if (ahead == 0 || ahead > gets) continue;
                d.wants[i].get[n] = Leg(d.table[j], 10, 10);
                d.moves[i * gets + n++] = Move(uint8(j), uint8(i), uint8(j), 10);
            }
        }
    }

    /// @dev The call as a kernel makes it.
    function input(Deal memory d) internal view returns (bytes memory) {
        IRule.Fragment[] memory seen = new IRule.Fragment[](d.listed.length);
        IRule.Authorisation[] memory signed = new IRule.Authorisation[](d.wants.length);
        for (uint256 i = 0; i < seen.length; i++) {
            seen[i] = shown(d.listed[i]);
        }
        for (uint256 i = 0; i < signed.length; i++) {
            signed[i] = IRule.Authorisation(uint8(i), payload(d.wants[i]));
        }
        return abi.encodeCall(IRule.transition, (context, seen, signed, extra(d.table, d.wants, d.moves)));
    }

    function consentsOf(Want[] memory wants) internal pure returns (Consent[] memory consents) {
        consents = new Consent[](wants.length);
        for (uint256 i = 0; i < wants.length; i++) {
            consents[i] = Consent(uint8(i), payload(wants[i]));
        }
    }

    function runDeal(Deal memory d) internal {
        this.run(rule, d.listed, consentsOf(d.wants), extra(d.table, d.wants, d.moves));
    }

    function tryDeal(Deal memory d) internal returns (bool) {
        return tryRun(rule, d.listed, consentsOf(d.wants), extra(d.table, d.wants, d.moves));
    }

    function assertFails(Deal memory d, bytes memory reason) internal {
        bytes memory fill = extra(d.table, d.wants, d.moves);
        vm.expectRevert(reason);
        this.run(rule, d.listed, consentsOf(d.wants), fill);
    }

    // ---------------------------------------------------------------- what satisfies an intent

    /// @dev Whether the page's conditions hold for all intents.
    function satisfied(Deal memory d) internal view returns (bool) {
        for (uint256 i = 0; i < d.moves.length; i++) {
            Move memory m = d.moves[i];
            if (m.from >= d.listed.length || m.to >= d.listed.length || m.number >= d.table.length) return false;
        }
        for (uint256 i = 0; i < d.wants.length; i++) {
            if (!_inOrder(d.wants[i]) || !_pays(d, i) || !_gets(d, i) || !_dealsWith(d, i)) return false;
        }
        return true;
    }

    function _inOrder(Want memory w) private pure returns (bool) {
        if (w.counterparties.length > 0 && w.counterparties[0] == 0) return false;
        uint256 whole = w.give[0].end;
        uint256 filled = w.partly ? w.filled : whole;
        if (whole == 0 || filled == 0 || filled > whole || filled < (w.partly ? w.least : whole)) return false;
        if (w.first > w.last) return false;
        for (uint256 i = 0; i < w.give.length; i++) {
            if (w.give[i].start > w.give[i].end) return false;
        }
        for (uint256 i = 0; i < w.get.length; i++) {
            if (w.get[i].start < w.get[i].end) return false;
        }
        return true;
    }

    /// @dev Of each asset, all that moves take, against the give and the reward in it.
    function _pays(Deal memory d, uint256 who) private view returns (bool) {
        Want memory w = d.wants[who];
        for (uint256 n = 0; n < d.table.length; n++) {
            uint256 limit;
            for (uint256 i = 0; i < w.give.length; i++) {
                if (w.give[i].asset == d.table[n]) limit += giveNow(w, i) * filledOf(w) / w.give[0].end;
            }
            for (uint256 i = 0; i < w.reward.length; i++) {
                if (w.reward[i].asset == d.table[n]) limit += w.reward[i].amount * filledOf(w) / w.give[0].end;
            }
            if (flow(d, who, d.table[n], false) > limit) return false;
        }
        return true;
    }

    function _gets(Deal memory d, uint256 who) private view returns (bool) {
        Want memory w = d.wants[who];
        for (uint256 i = 0; i < w.get.length; i++) {
            // At least share / whole, without rounding.
            if (flow(d, who, w.get[i].asset, true) * w.give[0].end < getNow(w, i) * filledOf(w)) return false;
        }
        return true;
    }

    function _dealsWith(Deal memory d, uint256 who) private view returns (bool) {
        Want memory w = d.wants[who];
        if (w.counterparties.length == 0) return true;
        for (uint256 i = 0; i < d.moves.length; i++) {
            Move memory m = d.moves[i];
            if (m.from != who && m.to != who) continue;
            uint80 other = shown(d.listed[m.from == who ? m.to : m.from]).id;
            bool named;
            for (uint256 j = 0; j < w.counterparties.length; j++) {
                named = named || w.counterparties[j] == other;
            }
            if (!named) return false;
        }
        return true;
    }

    /// @dev The sum of moves of the asset to the fragment at a position, or from it.
    function flow(Deal memory d, uint256 who, bytes32 asset, bool inward) internal pure returns (uint256 sum) {
        for (uint256 i = 0; i < d.moves.length; i++) {
            Move memory m = d.moves[i];
            if (d.table[m.number] == asset && (inward ? m.to : m.from) == who) sum += m.amount;
        }
    }

    function filledOf(Want memory w) internal pure returns (uint256) {
        return w.partly ? w.filled : w.give[0].end;
    }

    function giveNow(Want memory w, uint256 i) internal view returns (uint256) {
        (uint256 s, uint256 e) = (w.give[i].start, w.give[i].end);
        if (!w.curve || context.blockNumber <= w.first) return s;
        if (context.blockNumber >= w.last) return e;
        return s + (e - s) * (context.blockNumber - w.first) / (w.last - w.first);
    }

    function getNow(Want memory w, uint256 i) internal view returns (uint256) {
        (uint256 s, uint256 e) = (w.get[i].start, w.get[i].end);
        if (!w.curve || context.blockNumber <= w.first) return s;
        if (context.blockNumber >= w.last) return e;
        return s - (s - e) * (context.blockNumber - w.first) / (w.last - w.first);
    }
}
