// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {IEvidenceErrors} from "../../contracts/interfaces/IEvidenceErrors.sol";
import {BatchId} from "../../contracts/types/BatchId.sol";
import {Status} from "../../contracts/types/BatchWord.sol";
import {CohortTrials} from "../harness/CohortTrials.sol";
import {Draft} from "../harness/Drafts.sol";
import {Anchor, Header, Posted, Step} from "../harness/Shapes.sol";
import {Trial} from "../harness/Trials.sol";

/// @notice An outsider wants an honest proposer's bond: evidence that is accepted against a true step (docs/audit/attacks.md).
contract EvidenceAttacks is CohortTrials {
    Posted private p;
    Posted private q;
    bytes private refuted;
    bytes private proven;

    /// @dev An honest batch, and a lie on another anchor.
    function _both() private {
        p = post(steps(step(transfer(a(), b(), ETH, 1))));
        refuted = evidence(p, 0, preStates(transfer(a(), b(), ETH, 1)));
        Draft memory d = lie(solo(c(), "", noAssets(), 0, 0));
        q = post(steps(step(d)), 1);
        proven = evidence(q, 0, preStates(d));
    }

    /// @dev `challenge` with its arguments where the caller wants them.
    function _challenge(uint256 evidenceAt, uint256 entriesAt, bytes memory tail) private returns (bytes memory) {
        bytes memory call_ = bytes.concat(abi.encodePacked(IBridge.challenge.selector, evidenceAt, entriesAt), tail);
        vm.prank(challenger);
        (bool done, bytes memory answer) = address(bridge).call(call_);
        return done ? bytes("convicted") : answer;
    }

    function _cut(bytes memory data, uint256 size) private pure returns (bytes memory out) {
        out = new bytes(size);
        for (uint256 i = 0; i < size; i++) {
            out[i] = data[i];
        }
    }

    // ---------------------------------------------------------------- calldata

    /// Arguments at odd places, unpadded, with rubbish around them: the same bytes have the same verdict.
    function test_OddCalldataChangesNoVerdict() public {
        _both();
        bytes memory valid = abi.encodeWithSelector(IBridge.StepIsValid.selector);
        bytes[2] memory proofs = [refuted, proven];
        for (uint256 i = 0; i < 2; i++) {
            bytes memory e = proofs[i];
            bytes memory expected = i == 0 ? valid : bytes("convicted");
            bytes[4] memory tails = [
                bytes.concat(bytes32(e.length), e, bytes32(0)), // no padding; nothing behind
                bytes.concat(hex"ffff", bytes32(e.length), e, bytes32(0), hex"ffffffff"),
                bytes.concat(bytes32(0), bytes32(e.length), e, hex"ff"),
                bytes.concat(bytes32(e.length), e, hex"ffffff", bytes32(0))
            ];
            uint256[4] memory evidenceAt = [uint256(64), 66, 96, 64];
            uint256[4] memory entriesAt = [uint256(96 + e.length), 98 + e.length, 64, 99 + e.length];
            for (uint256 j = 0; j < 4; j++) {
                uint256 snapshot = vm.snapshotState();
                assertEq(_challenge(evidenceAt[j], entriesAt[j], tails[j]), expected, "odd calldata");
                vm.revertToState(snapshot);
            }
        }
    }

    /// Both arguments are the same bytes, or one lies within the other.
    function test_ArgumentsThatOverlapConvictNobody() public {
        _both();
        bytes memory e = refuted;
        bytes memory mismatch =
            abi.encodeWithSelector(IBridge.EntriesMismatch.selector, keccak256(p.walked.entries), keccak256(e));
        assertEq(_challenge(64, 64, bytes.concat(bytes32(e.length), e)), mismatch, "the same bytes");
        // Entries that start within the evidence: their length is whatever stands there.
        for (uint256 start = 64; start < 64 + e.length; start += 7) {
            bytes memory answer = _challenge(64, start, bytes.concat(bytes32(e.length), e));
            assertTrue(keccak256(answer) != keccak256("convicted"), "within");
        }
        assertStatus(p, Status.Live);
    }

    /// What the evidence lacks lies behind it, in the other argument: read, and refused all the same.
    function test_EvidenceDoesNotGoOnBehindItsEnd() public {
        _both();
        bytes[2] memory proofs = [refuted, proven];
        for (uint256 i = 0; i < 2; i++) {
            bytes memory e = proofs[i];
            for (uint256 less = 1; less < e.length - 190; less += 13) {
                bytes memory tail = bytes.concat(bytes32(e.length - less), e, bytes32(0));
                assertEq(
                    bytes4(_challenge(64, 96 + e.length, tail)),
                    IEvidenceErrors.EvidenceLength.selector,
                    "what is there, but not in it"
                );
            }
        }
        assertStatus(p, Status.Live);
        assertStatus(q, Status.Live);
    }

    /// Offsets and lengths that wrap, or lead beyond the calldata.
    function test_OffsetsThatWrapAreRefused() public {
        _both();
        bytes memory tail = bytes.concat(bytes32(proven.length), proven, bytes32(0));
        uint256[5] memory offsets = [uint256(2 ** 64 + 64), 2 ** 255 + 64, 2 ** 256 - 32, 1e6, 96 + tail.length];
        for (uint256 i = 0; i < 5; i++) {
            assertEq(_challenge(offsets[i], 96 + proven.length, tail), "", "evidence");
            assertEq(_challenge(64, offsets[i], tail), "", "entries");
        }
        uint256[3] memory sizes = [uint256(2 ** 64 + proven.length), 2 ** 256 - 1, proven.length + 33];
        for (uint256 i = 0; i < 3; i++) {
            tail = bytes.concat(bytes32(sizes[i]), proven, bytes32(0));
            assertEq(_challenge(64, 96 + proven.length, tail), "", "length");
        }
        assertStatus(q, Status.Live);
    }

    // ---------------------------------------------------------------- other bridges, other branches

    /// One proposer posts the same bytes to two bridges that share verifier and registry, and gets the same commitment. What is a lie
    /// on one, for it was signed for the other, convicts there and only there.
    function test_AVerdictIsForOneBridge() public {
        IBridge first = bridge;
        uint256 now_ = block.number;
        vm.roll(DEPLOYMENT_BLOCK);
        IBridge second = deployBridge(WINDOW, INSURED_GAS_PRICE, MIN_LOCK);
        bridge = second;
        fund(proposer, BOND);
        vm.roll(DEPLOYMENT_BLOCK + 50);
        depositEth(alice, 5 ether);
        depositEth(bob, 2 ether);
        vm.roll(now_);
        bridge = first;
        Draft memory d = transfer(a(), b(), ETH, 1);
        Posted memory here = post(steps(step(d)));
        bridge = second;
        Posted memory there = post(steps(step(d)));
        assertEq(here.preimage, there.preimage, "the same batch, to the byte");
        bytes memory proof = evidence(there, 0, preStates(d));
        vm.expectRevert(IBridge.StepIsValid.selector);
        vm.prank(challenger);
        first.challenge(proof, "");
        challenge(proof, there.walked.entries);
        assertStatus(there, Status.Unwound);
        bridge = first;
        assertStatus(here, Status.Live);
    }

    /// A lie that a reorganisation took away, proven against the honest batch that has its id and its word now.
    function test_EvidenceOfAnotherBranchIsRefused() public {
        uint256 snapshot = vm.snapshotState();
        Draft memory d = lie(transfer(a(), b(), ETH, 1));
        Posted memory gone = post(steps(step(d)));
        bytes memory proof = evidence(gone, 0, preStates(d));
        vm.revertToState(snapshot);
        Posted memory stands = post(steps(step(transfer(a(), b(), ETH, 1))));
        assertEq(stands.id, gone.id);
        bytes memory unknown =
            abi.encodeWithSelector(IBridge.UnknownBatch.selector, bridge.wordOf(proposer, 0), keccak256(gone.preimage));
        vm.expectRevert(unknown);
        challenge(proof, "");
        vm.expectRevert(unknown);
        bridge.condemn(stands.preimage, stands.walked.entries, 0, gone.preimage);
        vm.expectRevert(unknown);
        bridge.unwind(gone.preimage, gone.walked.entries);
        assertStatus(stands, Status.Live);
    }

    /// A lie that became final, since nobody looked, and whose word was used again.
    function test_EvidenceForAnOverwrittenWordIsRefused() public {
        Draft memory d = lie(transfer(a(), b(), ETH, 1));
        Posted memory old = post(steps(step(d)));
        vm.roll(block.number + WINDOW + 1);
        Posted memory next = post(steps(step(solo(c(), "", noAssets(), 0, 0))));
        vm.expectRevert(
            abi.encodeWithSelector(IBridge.UnknownBatch.selector, bridge.wordOf(proposer, 0), keccak256(old.preimage))
        );
        challenge(evidence(old, 0, preStates(d)), old.walked.entries);
        assertStatus(next, Status.Live);
    }

    // ---------------------------------------------------------------- condemning the honest

    /// A lie posted on top of an honest batch takes nothing with it that lies below or beside.
    function test_ALieCondemnsNothingBelowIt() public {
        Draft memory d = transfer(a(), b(), ETH, 1);
        Posted memory below = post(steps(step(d)));
        nextBlock();
        Anchor memory mine = Anchor(a().id, below.id, d.freshAfter[0]);
        Draft memory top = lie(solo(mine, "", noAssets(), 0, 0));
        Posted memory bad = post(steps(step(top)), 1);
        Posted memory beside = post(steps(step(solo(c(), "", noAssets(), 0, 0))), 2);
        challenge(evidence(bad, 0, preStates(top)), "");
        uint40[2] memory writers = [a().writer, b().writer];
        for (uint256 i = 0; i < 2; i++) {
            vm.expectRevert(
                abi.encodeWithSelector(IBridge.NotParent.selector, BatchId.wrap(writers[i]), BatchId.wrap(bad.id))
            );
            bridge.condemn(below.preimage, below.walked.entries, i, bad.preimage);
        }
        vm.expectRevert(
            abi.encodeWithSelector(IBridge.NotParent.selector, BatchId.wrap(c().writer), BatchId.wrap(bad.id))
        );
        bridge.condemn(beside.preimage, beside.walked.entries, 0, bad.preimage);
        bridge.unwind(bad.preimage, bad.walked.entries);
        assertEq(uint40(uint256(bridge.headOf(a().id))), below.id);
    }

    /// A batch as its own parent; an index whose product with the size of an entry wraps round to the first.
    function test_NobodyIsItsOwnParentNorIsAnIndexAProduct() public {
        _both();
        vm.expectRevert(abi.encodeWithSelector(IBridge.WrongStatus.selector, Status.Live));
        bridge.condemn(p.preimage, p.walked.entries, 0, p.preimage);
        challenge(proven, "");
        vm.expectRevert(abi.encodeWithSelector(IBridge.WrongStatus.selector, Status.Faulty));
        bridge.condemn(q.preimage, q.walked.entries, 0, q.preimage);
        // 39 · inverse(39) = 1 modulo 2^256: so any place can be named by some index.
        uint256 inverse = 1;
        unchecked {
            for (uint256 i = 0; i < 8; i++) {
                inverse *= 2 - 39 * inverse;
            }
            assertEq(39 * inverse, 1);
            uint256[4] memory indices = [uint256(2), inverse, inverse * 38, type(uint256).max];
            for (uint256 i = 0; i < 4; i++) {
                vm.expectRevert(abi.encodeWithSelector(IBridge.EntryOutOfRange.selector, indices[i], 2));
                bridge.condemn(p.preimage, p.walked.entries, indices[i], q.preimage);
            }
        }
    }

    // ---------------------------------------------------------------- trees

    /// A leaf at the very end of the deepest cohort. In a cohort said to be shallower it would lie outside, which convicts: if only the
    /// root were the same.
    function test_ALeafIsNotOutsideByAChallengersDepth() public view {
        uint24 last = 2 ** 24 - 1;
        Trial memory t = trial(payLeaf(24, last));
        assertValid(t, "honest");
        bytes memory header_ = t.pre[0].states[0];
        bytes memory siblings = siblingsOf(t.pre[0]);
        for (uint8 depth = 0; depth < 255; depth++) {
            if (depth == 24) continue;
            bytes memory trees_ = abi.encodePacked(depth, uint16(header_.length), header_);
            if (depth > 24) trees_ = abi.encodePacked(trees_, uint16(t.pre[0].states[1].length), t.pre[0].states[1]);
            trees_ = bytes.concat(trees_, _cut(siblings, 32 * uint256(depth < 24 ? depth : 46)));
            (bool done, bytes memory answer) =
                address(verifier).staticcall(abi.encodeCall(verifier.verify, (evidence(t, trees_), t.bridge)));
            assertFalse(done);
            bytes4 reason =
                depth > 24 ? IEvidenceErrors.DepthTooLarge.selector : IEvidenceErrors.StepNotInBatch.selector;
            assertEq(bytes4(answer), reason, "a depth of the challenger's");
        }
    }

    /// Precompiles that fail, as after a fork that takes them away or makes them dearer than the verifier allows for: no verdict, either way.
    function test_PrecompilesThatFailConvictNobody() public {
        _both();
        vm.mockCallRevert(address(1), bytes(""), bytes(""));
        vm.expectPartialRevert(IEvidenceErrors.NeedGas.selector);
        challenge(refuted, "");
        vm.clearMockedCalls();
        vm.expectRevert(IBridge.StepIsValid.selector);
        challenge(refuted, "");
    }
}
