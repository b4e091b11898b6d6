// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Swaps} from "../harness/Swaps.sol";

/// @notice docs/rules/swap.md sentence by sentence: what an intent is, what it means, and what of its payload is refused, where.
contract SwapRuleTest is Swaps {
    /// @dev The first user's payload as it stands, against an honest counterpart; nothing moves.
    function _assertBadPayload(bytes memory payload_, uint256 offset, string memory what) private {
        _assertRefused(payload_, extra(table4(), new Want[](0), new Move[](0)), _bad(0, offset), what);
    }

    function _assertRefused(bytes memory payload_, bytes memory fill, bytes memory reason, string memory what) private {
        (bool done, bytes memory said) =
            address(this).call(abi.encodeCall(this.run, (rule, places(users[0]), one(0, payload_), fill)));
        assertFalse(done, what);
        assertEq(said, reason, what);
    }

    function _bad(uint256 authorisation, uint256 offset) private pure returns (bytes memory) {
        return abi.encodeWithSignature("BadPayload(uint256,uint256)", authorisation, offset);
    }

    /// @dev An intent with all there is; filled in part.
    function _full() private view returns (Want memory w) {
        w = wantCurve(two(leg(A, 8, 10), leg(C, 0, 7)), two(leg(B, 20, 10), leg(D, 5, 0)), 900, 1100);
        w.reward = new Reward[](2);
        (w.reward[0], w.reward[1]) = (Reward(A, 1), Reward(D, 2));
        w.counterparties = new uint80[](2);
        (w.counterparties[0], w.counterparties[1]) = (idOf(users[1]), idOf(users[2]));
        (w.partly, w.least, w.filled) = (true, 3, 4);
    }

    function _alone(Want memory w) private view returns (Deal memory d) {
        d.listed = places(users[0]);
        d.wants = new Want[](1);
        d.wants[0] = w;
        d.table = table4();
    }

    function _set(bytes memory data, uint256 pos, bytes memory with) private pure returns (bytes memory) {
        for (uint256 i = 0; i < with.length; i++) {
            data[pos + i] = with[i];
        }
        return data;
    }

    // ---------------------------------------------------------------- what it means

    function test_TheTypeHashIsThatOfItsText() public {
        Deal memory d =
            deal2(want(leg(A, 10), leg(B, 5)), want(leg(B, 5), leg(A, 10)), list(mv(0, 1, 0, 10), mv(1, 0, 1, 5)));
        runDeal(d);
        string memory kernels =
            "Authorisation(Swap intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)";
        assertEq(meanings.length, 2);
        for (uint8 i = 0; i < 2; i++) {
            assertEq(meanings[i].authorisation, i);
            assertEq(meanings[i].typeHash, keccak256(abi.encodePacked(kernels, LEG, OUTFLOW, SWAP)));
            assertEq(meanings[i].structHash, structHash(d.wants[i]));
        }
    }

    function test_AnIntentOfOnePriceIsACurveWithoutBlocks() public {
        // The same meaning in another form, so that whoever encodes it differently changes nothing.
        Deal memory d = _alone(want(leg(A, 10), leg(B, 0)));
        runDeal(d);
        bytes32 plain = meanings[0].structHash;
        d.wants[0].curve = true;
        runDeal(d);
        assertEq(meanings[0].structHash, plain);
        (d.wants[0].partly, d.wants[0].least, d.wants[0].filled) = (true, 10, 10);
        runDeal(d);
        assertEq(meanings[0].structHash, plain);
        d.wants[0].filled = 9;
        assertFails(d, abi.encodeWithSignature("BadFill(uint256,uint256,uint256,uint256)", 0, 10, 10, 9));
    }

    /// @dev Every form and number of legs means what the reference says. Gets are free, so that nothing need move.
    function testFuzz_EachIntentMeansItsStruct(bytes32 seed, uint8 gives, uint8 gets, uint8 rewards, uint8 ids) public {
        Want memory w;
        (w.curve, w.partly, w.first, w.last) = (seed[0] & 0x01 != 0, seed[0] & 0x02 != 0, uint8(seed[1]), 256);
        if (!w.curve) (w.first, w.last) = (0, 0);
        w.give = new Leg[](bound(gives, 1, 40));
        w.get = new Leg[](bound(gets, 1, 40));
        w.reward = new Reward[](rewards % 40);
        w.counterparties = new uint80[](ids % 40);
        for (uint256 i = 0; i < w.give.length; i++) {
            uint128 end = uint128(uint256(keccak256(abi.encode(seed, i)))) | 1;
            w.give[i] = Leg(bytes32(i * 7), w.curve ? end / 3 : end, end);
        }
        for (uint256 i = 0; i < w.get.length; i++) {
            w.get[i] = Leg(bytes32(i * 3), w.curve ? uint128(bytes16(seed)) : 0, 0);
        }
        for (uint256 i = 0; i < w.reward.length; i++) {
            w.reward[i] = Reward(bytes32(type(uint256).max - 50 + i), uint128(uint256(seed)));
        }
        for (uint256 i = 0; i < w.counterparties.length; i++) {
            w.counterparties[i] = uint80(type(uint80).max - 50 + i);
        }
        (w.least, w.filled) = w.partly ? (w.give[0].end / 2, w.give[0].end) : (0, 0);
        runDeal(_alone(w));
        assertEq(meanings[0].structHash, structHash(w));
    }

    function test_EffectsAreTheMeaningsAndThenTheMovesInOrder() public {
        Deal memory d = deal2(
            want(leg(A, 10), leg(B, 5)),
            want(leg(B, 5), leg(A, 10)),
            list(mv(1, 0, 1, 2), mv(0, 1, 0, 10), mv(1, 0, 1, 3))
        );
        runDeal(d);
        bytes memory expected;
        for (uint8 i = 0; i < 2; i++) {
            expected = abi.encodePacked(expected, uint8(10), i, meanings[i].typeHash, structHash(d.wants[i]));
        }
        expected = abi.encodePacked(expected, hex"010100", B, uint128(2), hex"010001", A, uint128(10));
        expected = abi.encodePacked(expected, hex"010100", B, uint128(3));
        (bool done, bytes memory out) = rule.staticcall(input(d));
        assertTrue(done);
        assertEq(abi.decode(out, (bytes)), expected);
    }

    function test_NoMoreMovesThanEffectsAllow() public {
        Deal memory d = deal2(want(leg(A, 100), leg(B, 0)), want(leg(B, 1), leg(A, 62)), new Move[](62));
        for (uint256 i = 0; i < 62; i++) {
            d.moves[i] = mv(0, 1, 0, 1);
        }
        assertTrue(tryDeal(d), "64 effects");
        d.moves = new Move[](63);
        for (uint256 i = 0; i < 63; i++) {
            d.moves[i] = mv(0, 1, 0, 1);
        }
        assertFails(d, abi.encodeWithSelector(Refused.selector, "more than 64 effects"));
    }

    // ---------------------------------------------------------------- what is no intent

    function test_TheFullestIntentPasses() public {
        // At block 1000 half of the curve is behind; 4 of 10 are filled. Gets: 15 and 3 (2.5, up), of which 6 and 2 (1.2, up).
        Want memory other = wantPart(two(leg(B, 1000), leg(D, 1000)), leg(A, 0), 0, 1000);
        runDeal(deal2(_full(), other, list(mv(1, 0, 1, 6), mv(1, 0, 3, 2))));
        assertEq(meanings[0].structHash, structHash(_full()));
    }

    function test_OtherFormsFail() public {
        for (uint256 form = 4; form < 256; form++) {
            _assertBadPayload(_set(payload(want(leg(A, 10), leg(B, 0))), 0, abi.encodePacked(uint8(form))), 0, "form");
        }
    }

    function test_EveryPayloadThatIsCutOffOrTooLongFails() public {
        for (uint256 form = 0; form < 4; form++) {
            Want memory w = _full();
            (w.curve, w.partly) = (form & 1 != 0, form & 2 != 0);
            if (!w.curve) (w.give, w.get) = (two(leg(A, 10), leg(C, 7)), two(leg(B, 0), leg(D, 0)));
            bytes memory whole = payload(w);
            bytes memory fill = extra(table4(), _alone(w).wants, new Move[](0));
            for (uint256 size = 0; size < whole.length; size++) {
                bytes memory part = new bytes(size);
                for (uint256 i = 0; i < size; i++) {
                    part[i] = whole[i];
                }
                _assertNoIntent(part, fill);
            }
            _assertNoIntent(bytes.concat(whole, hex"00"), fill);
            _assertNoIntent(bytes.concat(whole, new bytes(16)), fill);
        }
    }

    /// @dev What is cut off is read in other places, so which offset is to blame varies, or how much is to be filled.
    function _assertNoIntent(bytes memory payload_, bytes memory fill) private {
        (bool done, bytes memory said) =
            address(this).call(abi.encodeCall(this.run, (rule, places(users[0]), one(0, payload_), fill)));
        assertFalse(done);
        bytes4 reason = bytes4(said);
        assertTrue(
            reason == bytes4(keccak256("BadPayload(uint256,uint256)"))
                || reason == bytes4(keccak256("BadFill(uint256,uint256,uint256,uint256)")),
            "reason"
        );
    }

    function test_ExactEndsOfLists() public {
        bytes memory plain = payload(want(leg(A, 10), leg(B, 0))); // gives at 1, gets at 50, rewards at 99, ids at 100
        assertEq(plain.length, 101);
        _assertBadPayload("", 0, "empty");
        _assertBadPayload(bytes.concat(plain, hex"00"), 101, "one byte more");
        _assertBadPayload(_set(plain, 1, hex"00"), 1, "no give");
        plain = payload(want(leg(A, 10), leg(B, 0)));
        _assertBadPayload(_set(plain, 1, hex"02"), 98, "two gives, so no gets");
        plain = payload(want(leg(A, 10), leg(B, 0)));
        _assertBadPayload(_set(plain, 50, hex"00"), 50, "no get");
        plain = payload(want(leg(A, 10), leg(B, 0)));
        _assertBadPayload(_set(plain, 50, hex"02"), 50, "a get cut off");
        plain = payload(want(leg(A, 10), leg(B, 0)));
        _assertBadPayload(_set(plain, 99, hex"01"), 99, "a reward cut off");
        plain = payload(want(leg(A, 10), leg(B, 0)));
        _assertBadPayload(_set(plain, 100, hex"01"), 100, "a counterparty cut off");
        // Each list ends where the payload may, and the next one is missed; before that the first give is.
        for (uint256 size = 0; size < 101; size++) {
            plain = payload(want(leg(A, 10), leg(B, 0)));
            assembly ("memory-safe") {
                mstore(plain, size)
            }
            _assertBadPayload(plain, size < 50 ? 0 : size < 99 ? 50 : size, "a list cut off");
        }
    }

    function test_ListsAreInOrderWithoutRepetition() public {
        for (uint256 i = 0; i < 2; i++) {
            bytes32 second = i == 0 ? B : A; // the same, or one below
            Want memory w = want(two(leg(B, 10), leg(second, 1)), leg(A, 0));
            _assertBadPayload(payload(w), 50, "gives");
            w = want(leg(A, 10), two(leg(B, 0), leg(second, 0)));
            _assertBadPayload(payload(w), 99, "gets");
            w = want(leg(A, 10), leg(B, 0));
            w.reward = new Reward[](2);
            (w.reward[0], w.reward[1]) = (Reward(B, 1), Reward(second, 1));
            _assertBadPayload(payload(w), 148, "rewards");
            w = want(leg(A, 10), leg(B, 0));
            w.counterparties = new uint80[](2);
            (w.counterparties[0], w.counterparties[1]) = (7, uint80(7 - i));
            _assertBadPayload(payload(w), 111, "counterparties");
        }
    }

    function test_NoCounterpartyIsZero() public {
        Want memory w = want(leg(A, 10), leg(B, 0));
        w.counterparties = new uint80[](1);
        _assertBadPayload(payload(w), 101, "zero");
        w.counterparties[0] = 1;
        assertTrue(tryDeal(_alone(w)));
    }

    function test_EthIsAnAssetLikeOthers() public {
        Want memory w = want(leg(0, 10), two(leg(0, 0), leg(B, 0)));
        w.reward = new Reward[](1);
        assertTrue(tryDeal(_alone(w)));
    }

    function test_TheWholeIsNotZero() public {
        _assertBadPayload(payload(want(leg(A, 0), leg(B, 0))), 2, "nothing");
        _assertBadPayload(payload(want(two(leg(A, 0), leg(B, 1)), leg(C, 0))), 2, "the first give counts");
        assertTrue(tryDeal(_alone(want(two(leg(A, 1), leg(B, 0)), leg(C, 0)))), "others may be zero");
        assertTrue(tryDeal(_alone(wantCurve(leg(A, 0, 1), leg(C, 0), 0, 1))), "its end counts");
    }

    function test_CurvesRunTheRightWay() public {
        _assertBadPayload(payload(wantCurve(leg(A, 11, 10), leg(B, 5, 0), 1, 2)), 34, "a give that falls");
        _assertBadPayload(payload(wantCurve(leg(A, 10), leg(B, 0, 5), 1, 2)), 99, "a get that rises");
        Want memory w = wantCurve(leg(A, 9, 10), leg(B, 5, 0), 3, 2);
        _assertBadPayload(payload(w), payload(w).length - 16, "blocks");
        // Whatever the clock: also where the wrong end does not count yet.
        context.blockNumber = 0;
        _assertBadPayload(payload(wantCurve(leg(A, 11, 10), leg(B, 5, 0), 1, 2)), 34, "before");
        context.blockNumber = 9;
        _assertBadPayload(payload(wantCurve(leg(A, 11, 10), leg(B, 5, 0), 1, 2)), 34, "after");
    }

    function test_TheOneToBlameIsNamed() public {
        Deal memory d = deal2(want(leg(A, 10), leg(B, 0)), want(leg(B, 0), leg(A, 0)), new Move[](0));
        assertFails(d, _bad(1, 2));
    }
}
