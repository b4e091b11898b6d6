// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Test} from "forge-std/Test.sol";

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {Submission} from "../../contracts/libraries/Submission.sol";
import {Codec} from "../harness/Codec.sol";
import {Random} from "../harness/Random.sol";
import {Again, Fresh, Step, Walked} from "../harness/Shapes.sol";
import {IHeads, Walk} from "../harness/Walk.sol";

interface IExposedSubmission is IHeads {
    function setHead(uint56 anchor, bytes32 head) external;
    function walk(bytes calldata steps, uint256 stepCount, uint256 entryCount, uint40 id, uint256 newest)
        external
        returns (Submission.Result memory);
}

/// @notice The assembly of `Submission` does what the plain reference does, on batches of every kind of touch.
contract SubmissionReferenceTest is Test {
    using Random for Random.Rng;

    uint256 private constant BOUND = 100 * 8192;
    uint40 private constant ID = 101 * 8192 + 3;
    uint256 private constant POOL = 10;

    IExposedSubmission private submission;

    function setUp() public {
        submission = IExposedSubmission(deployCode("ExposedSubmission.sol:ExposedSubmission"));
    }

    function testFuzz_TheWalkEqualsItsReference(uint256 seed) public {
        Random.Rng memory rng = Random.Rng(seed);
        _setHeads(rng);
        Step[] memory steps = new Step[](1 + rng.below(rng.onceIn(4) ? 70 : 12));
        uint256 entries = 0;
        uint256 left = 255; // withdrawals
        uint256 most = rng.onceIn(2) ? 4 : 16; // in a step: few, or too many for a word's bits
        for (uint256 i = 0; i < steps.length; i++) {
            steps[i] = _step(rng, entries, rng.below(left >= most ? most : left + 1));
            left -= steps[i].withdrawals.length;
            entries += steps[i].fresh.length + steps[i].opened.length;
        }
        Walked memory expected = Walk.walk(submission, steps, ID, BOUND);
        bytes memory bytes_;
        for (uint256 i = 0; i < steps.length; i++) {
            bytes_ = bytes.concat(bytes_, Codec.encode(steps[i]));
        }
        bool any = false;
        for (uint256 i = 0; i < steps.length; i++) {
            any = any || expected.applied[i];
        }
        if (!any) {
            vm.expectRevert(abi.encodeWithSelector(IBridge.NothingApplied.selector));
            submission.walk(bytes_, steps.length, entries, ID, BOUND);
            return;
        }

        bytes32[] memory before = _poolHeads();
        Submission.Result memory got = submission.walk(bytes_, steps.length, entries, ID, BOUND);
        assertEq(got.stepRoot, expected.stepRoot, "step root");
        assertEq(got.entriesWritten, expected.entriesWritten, "entries written");
        assertEq(got.entriesHash, keccak256(expected.entries), "entries");
        assertEq(got.withdrawals, expected.leaves.length, "withdrawals");
        assertEq(got.withdrawalRoot, expected.withdrawalRoot, "withdrawal root");
        assertEq(got.skipped, expected.anySkipped ? expected.skipped : bytes(""), "skipped");
        for (uint256 i = 0; i < expected.count; i++) {
            assertEq(submission.headOf(expected.anchors[i]), expected.heads[i], "head written");
        }
        for (uint56 i = 0; i < POOL; i++) {
            bool written = false;
            for (uint256 j = 0; j < expected.count; j++) {
                written = written || expected.anchors[j] == _anchor(i);
            }
            if (!written) assertEq(submission.headOf(_anchor(i)), before[i], "head untouched");
        }
        for (uint16 i = 0; i < entries; i++) {
            _assertOpenedOnlyIfApplied(uint56(ID) * 65_536 + i, expected);
        }
    }

    /// @dev An anchor of this batch exists only if the step that opens it was applied.
    function _assertOpenedOnlyIfApplied(uint56 anchor, Walked memory expected) private view {
        for (uint256 j = 0; j < expected.count; j++) {
            if (expected.anchors[j] == anchor) return;
        }
        assertEq(submission.headOf(anchor), 0, "not opened");
    }

    function _anchor(uint56 i) private pure returns (uint56) {
        return (uint56(90) * 8192 + i) * 65_536;
    }

    function _poolHeads() private view returns (bytes32[] memory heads) {
        heads = new bytes32[](POOL);
        for (uint56 i = 0; i < POOL; i++) {
            heads[i] = submission.headOf(_anchor(i));
        }
    }

    /// @dev One anchor is not open, one was written after the bound, one exactly at it, the others long before.
    function _setHeads(Random.Rng memory rng) private {
        for (uint56 i = 1; i < POOL; i++) {
            uint256 writer = i == 1 ? BOUND + 1 : i == 2 ? BOUND : i == 3 ? BOUND - 1 : 1 + rng.below(90 * 8192);
            submission.setHead(_anchor(i), bytes32(abi.encodePacked(bytes27(bytes32(rng.next())), uint40(writer))));
        }
    }

    function _step(Random.Rng memory rng, uint256 entries, uint256 withdrawals) private view returns (Step memory s) {
        s.fresh = new Fresh[](rng.below(4));
        for (uint256 i = 0; i < s.fresh.length; i++) {
            uint56 anchor = _anchor(uint56(rng.onceIn(8) ? rng.below(4) : 3 + rng.below(POOL - 3)));
            uint40 parent = uint40(uint256(submission.headOf(anchor)));
            if (rng.onceIn(12)) parent = rng.onceIn(2) ? ID : rng.onceIn(2) ? 0 : parent + 1;
            s.fresh[i] = Fresh(anchor, bytes27(bytes32(rng.next())), parent);
        }
        s.opened = new bytes27[](rng.below(3) + (s.fresh.length == 0 ? 1 : 0));
        for (uint256 i = 0; i < s.opened.length; i++) {
            s.opened[i] = bytes27(bytes32(rng.next()));
        }
        if (entries != 0) {
            uint16[] memory chosen = new uint16[](4);
            uint256 count = 0;
            uint256 entry = rng.below(entries);
            while (entry < entries && count < 4 && !rng.onceIn(3)) {
                chosen[count++] = uint16(entry);
                entry += 1 + rng.below(4);
            }
            s.again = new Again[](count);
            for (uint256 i = 0; i < count; i++) {
                s.again[i] = Again(chosen[i], bytes27(bytes32(rng.next())));
            }
        }
        s.withdrawals = new IBridge.Withdrawal[](withdrawals);
        for (uint256 i = 0; i < withdrawals; i++) {
            s.withdrawals[i] =
                IBridge.Withdrawal(address(uint160(rng.next())), address(uint160(rng.below(2))), uint128(rng.next()));
        }
        s.body = rng.data(rng.below(100));
    }
}
