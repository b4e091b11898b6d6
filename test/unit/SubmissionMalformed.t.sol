// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {Submission} from "../../contracts/libraries/Submission.sol";
import {Codec} from "../harness/Codec.sol";
import {Random} from "../harness/Random.sol";
import {Again, Fresh, Step, Walked} from "../harness/Shapes.sol";
import {IHeads, Walk} from "../harness/Walk.sol";
import {Test} from "forge-std/Test.sol";

interface IExposedWalk is IHeads {
    function setHead(uint56 anchor, bytes32 head) external;
    function walk(bytes calldata steps, uint256 stepCount, uint256 entryCount, uint40 id, uint256 newest)
        external
        returns (Submission.Result memory);
}

/// @notice Batches that are almost right: changed bytes, wrong counts, bytes too many or too few. A strict parser, written from
/// docs/spec.md, sections 4.2 and 4.3, says which are well formed; for those the plain walk says what comes of them.
contract SubmissionMalformedTest is Test {
    using Random for Random.Rng;
    bytes4 private constant PANIC = bytes4(keccak256("Panic(uint256)"));
    uint256 private constant BOUND = 100 * 8192;
    uint40 private constant ID = 101 * 8192 + 3;
    uint256 private constant POOL = 6;
    IExposedWalk private submission;

    function setUp() public {
        submission = IExposedWalk(deployCode("ExposedSubmission.sol:ExposedSubmission"));
    }

    function _anchor(uint56 i) private pure returns (uint56) {
        return (uint56(90) * 8192 + i) * 65_536;
    }

    function _number(bytes memory b, uint256 pos, uint256 n) private pure returns (uint256 v) {
        for (uint256 i; i < n; i++) {
            v = (v << 8) | (pos + i < b.length ? uint8(b[pos + i]) : 0);
        }
    }

    struct Cursor {
        uint256 pos;
        uint256 entries;
        uint256 f;
        uint256 o;
        uint256 g;
        uint256 wd;
        uint256 body;
    }

    function _parse(bytes memory b, uint256 count, uint256 entryCount)
        private
        pure
        returns (bool ok, Step[] memory list)
    {
        if (count == 0) return (false, list);
        list = new Step[](count);
        Cursor memory p;
        for (uint256 i; i < count; i++) {
            if (!_parseStep(b, p, list[i])) return (false, list);
        }
        ok = p.pos == b.length && p.entries == entryCount;
    }

    function _parseStep(bytes memory b, Cursor memory p, Step memory s) private pure returns (bool) {
        if (p.pos + 4 > b.length) return false;
        uint256 h = _number(b, p.pos, 4);
        p.pos += 4;
        p.f = (h >> 12) & 15;
        p.o = (h >> 8) & 15;
        p.g = (h >> 4) & 15;
        p.wd = h & 15;
        p.body = h >> 16;
        if (p.f + p.o + p.g == 0 || p.f + p.o + p.g > 16 || p.body > 16_384) return false;
        if (p.pos + 39 * p.f + 27 * p.o + 29 * p.g + 56 * p.wd + p.body > b.length) return false;
        uint256 pos = p.pos;
        s.fresh = new Fresh[](p.f);
        for (uint256 j; j < p.f; j++) {
            s.fresh[j] = Fresh(
                uint56(_number(b, pos, 7)), bytes27(uint216(_number(b, pos + 7, 27))), uint40(_number(b, pos + 34, 5))
            );
            pos += 39;
        }
        s.opened = new bytes27[](p.o);
        for (uint256 j; j < p.o; j++) {
            s.opened[j] = bytes27(uint216(_number(b, pos, 27)));
            pos += 27;
        }
        s.again = new Again[](p.g);
        for (uint256 j; j < p.g; j++) {
            s.again[j] = Again(uint16(_number(b, pos, 2)), bytes27(uint216(_number(b, pos + 2, 27))));
            pos += 29;
            if (s.again[j].entry >= p.entries) return false;
            if (j > 0 && s.again[j].entry <= s.again[j - 1].entry) return false;
        }
        s.withdrawals = new IBridge.Withdrawal[](p.wd);
        for (uint256 j; j < p.wd; j++) {
            s.withdrawals[j] = IBridge.Withdrawal(
                address(uint160(_number(b, pos, 20))),
                address(uint160(_number(b, pos + 20, 20))),
                uint128(_number(b, pos + 40, 16))
            );
            pos += 56;
        }
        s.body = new bytes(p.body);
        for (uint256 j; j < p.body; j++) {
            s.body[j] = b[pos + j];
        }
        p.pos = pos + p.body;
        p.entries += p.f + p.o;
        return true;
    }

    struct Bytes {
        bytes all;
        uint256 n;
        uint256 entries;
    }

    function _step(Random.Rng memory rng, uint256 entries) private view returns (Step memory st) {
        st.fresh = new Fresh[](rng.below(5));
        for (uint256 i; i < st.fresh.length; i++) {
            uint56 a = _anchor(uint56(rng.below(POOL)));
            if (rng.onceIn(8)) a = uint56(ID) * 65_536 + uint56(rng.below(5));
            uint40 parent = uint40(uint256(submission.headOf(a)));
            if (rng.onceIn(10)) parent = rng.onceIn(2) ? ID : 0;
            st.fresh[i] = Fresh(a, bytes27(bytes32(rng.next())), parent);
        }
        st.opened = new bytes27[](rng.below(4));
        for (uint256 i; i < st.opened.length; i++) {
            st.opened[i] = bytes27(bytes32(rng.next()));
        }
        if (entries > 0) {
            uint256 cnt = rng.below(4);
            if (cnt > entries) cnt = entries;
            st.again = new Again[](cnt);
            uint256 e = rng.below(entries - cnt + 1);
            for (uint256 i; i < cnt; i++) {
                st.again[i] = Again(uint16(e + i), bytes27(bytes32(rng.next())));
            }
        }
        st.withdrawals = new IBridge.Withdrawal[](rng.onceIn(3) ? rng.below(12) : 0);
        for (uint256 i; i < st.withdrawals.length; i++) {
            st.withdrawals[i] = IBridge.Withdrawal(address(uint160(rng.next())), address(0), uint128(rng.next()));
        }
        st.body = rng.data(rng.below(60));
    }

    function _malform(Random.Rng memory rng, Bytes memory v) private pure {
        uint256 kind = rng.below(10);
        bytes memory all = v.all;
        if (kind == 0) {
            all[rng.below(all.length)] = bytes1(uint8(rng.next()));
        } else if (kind == 1) {
            v.all = bytes.concat(all, rng.data(1 + rng.below(50)));
        } else if (kind == 2) {
            assembly { mstore(all, sub(mload(all), 1)) }
        } else if (kind == 3) {
            v.n += 1;
        } else if (kind == 4 && v.n > 1) {
            v.n -= 1;
        } else if (kind == 5) {
            v.entries += 1 + rng.below(3);
        } else if (kind == 6 && v.entries > 0) {
            v.entries -= 1;
        } else if (kind == 7 && v.entries > 3) {
            v.entries = rng.below(v.entries);
        } else if (kind == 8) {
            for (uint256 i = 0; i < 4; i++) {
                if (rng.onceIn(2)) all[i % all.length] = bytes1(uint8(rng.next()));
            }
        }
    }

    function testFuzz_WhatIsMalformedIsRefusedAndAllElseWalked(uint256 seed) public {
        Random.Rng memory rng = Random.Rng(seed);
        for (uint56 i = 1; i < POOL; i++) {
            uint256 writer = i == 1 ? BOUND : 1 + rng.below(90 * 8192);
            submission.setHead(_anchor(i), bytes32(abi.encodePacked(bytes27(bytes32(rng.next())), uint40(writer))));
        }
        Bytes memory v;
        v.n = 1 + rng.below(5);
        for (uint256 s; s < v.n; s++) {
            Step memory st = _step(rng, v.entries);
            v.entries += st.fresh.length + st.opened.length;
            v.all = bytes.concat(v.all, Codec.encode(st));
        }
        _malform(rng, v);
        _judge(v);
    }

    function _judge(Bytes memory v) private {
        (bool ok, Step[] memory list) = _parse(v.all, v.n, v.entries);
        Walked memory w;
        if (ok) {
            w = Walk.walk(submission, list, ID, BOUND);
            bool any;
            for (uint256 i; i < v.n; i++) {
                any = any || w.applied[i];
            }
            if (w.leaves.length > 255 || !any) ok = false;
        }
        try submission.walk(v.all, v.n, v.entries, ID, BOUND) returns (Submission.Result memory got) {
            assertTrue(ok, "accepted malformed");
            _same(got, w);
        } catch (bytes memory err) {
            assertFalse(ok, "refused well-formed");
            assertTrue(err.length >= 4 && bytes4(err) != PANIC, "an error with a name");
        }
    }

    function _same(Submission.Result memory got, Walked memory w) private view {
        assertEq(got.stepRoot, w.stepRoot);
        assertEq(got.entriesWritten, w.entriesWritten);
        assertEq(got.entriesHash, keccak256(w.entries));
        assertEq(got.withdrawals, w.leaves.length);
        assertEq(got.withdrawalRoot, w.withdrawalRoot);
        assertEq(got.skipped, w.anySkipped ? w.skipped : bytes(""));
        for (uint256 i; i < w.count; i++) {
            assertEq(submission.headOf(w.anchors[i]), w.heads[i], "head");
        }
    }
}
