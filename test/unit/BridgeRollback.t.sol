// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {BatchId} from "../../contracts/types/BatchId.sol";
import {Status} from "../../contracts/types/BatchWord.sol";
import {Draft} from "../harness/Drafts.sol";
import {Scenario} from "../harness/Scenario.sol";
import {Anchor, Fresh, Posted, Step} from "../harness/Shapes.sol";

/// @notice What is built on a lie goes, whole batches only and descendants first; all else stays (docs/spec.md, section 9).
contract BridgeRollbackTest is Scenario {
    struct Cone {
        Posted lie;
        Posted child; // on Bob's anchor
        Posted grandchild; // on Carol's, which the child touched too
        Posted unrelated;
        bytes proof;
    }

    /// @dev A lie on Alice and Bob; a child on Bob and Carol; a grandchild on Carol; and something else in between.
    function _cone() private returns (Cone memory cone) {
        Anchor memory other = depositEth(alice, 1 ether);
        nextBlock();
        nextBlock();
        Draft memory lying = lie(transfer(a(), b(), ETH, 1));
        cone.lie = post(steps(step(lying)), 0);
        cone.proof = evidence(cone.lie, 0, preStates(lying));
        nextBlock();
        Anchor memory bobs = Anchor(b().id, cone.lie.id, lying.freshAfter[1]);
        Draft memory second = transfer(bobs, c(), ETH, 1);
        cone.child = post(steps(step(second)), 1);
        cone.unrelated = post(steps(step(solo(other, "", noAssets(), 0, 0))), 2);
        nextBlock();
        Anchor memory carols = Anchor(c().id, cone.child.id, second.freshAfter[1]);
        cone.grandchild = post(steps(step(solo(carols, "", noAssets(), 0, 0))), 3);
        challenge(cone.proof, cone.lie.walked.entries);
    }

    function test_AConeIsUnwoundFromItsTips() public {
        bytes32[3] memory before = [bridge.headOf(a().id), bridge.headOf(b().id), bridge.headOf(c().id)];
        Cone memory k = _cone();
        assertStatus(k.lie, Status.Faulty);

        // Condemnation spreads top-down.
        vm.expectRevert(abi.encodeWithSelector(IBridge.WrongStatus.selector, Status.Live));
        bridge.condemn(k.grandchild.preimage, k.grandchild.walked.entries, 0, k.child.preimage);
        vm.expectEmit(address(bridge));
        emit IBridge.Condemned(k.child.id, k.lie.id);
        bridge.condemn(k.child.preimage, k.child.walked.entries, 0, k.lie.preimage);
        bridge.condemn(k.grandchild.preimage, k.grandchild.walked.entries, 0, k.child.preimage);

        // Unwinding goes bottom-up.
        _expectNotHead(k.lie, 1);
        _expectNotHead(k.child, 1);
        vm.expectEmit(address(bridge));
        emit IBridge.Unwound(k.grandchild.id);
        bridge.unwind(k.grandchild.preimage, k.grandchild.walked.entries);
        _expectNotHead(k.lie, 1);
        bridge.unwind(k.child.preimage, k.child.walked.entries);
        assertEq(bridge.oldestFault(), k.lie.id, "resolved only with the faulty batch itself");
        bridge.unwind(k.lie.preimage, k.lie.walked.entries);
        assertEq(bridge.oldestFault(), 2 ** 40);

        assertEq(bridge.headOf(a().id), before[0]);
        assertEq(bridge.headOf(b().id), before[1]);
        assertEq(bridge.headOf(c().id), before[2]);
        for (uint256 i = 0; i < k.unrelated.walked.count; i++) {
            assertEq(
                bridge.headOf(k.unrelated.walked.anchors[i]), k.unrelated.walked.heads[i], "unrelated anchors stay"
            );
        }
        assertStatus(k.unrelated, Status.Live);
        assertStatus(k.grandchild, Status.Unwound);
    }

    function test_ALiveBatchCannotBeUnwoundNorOneTwice() public {
        Cone memory k = _cone();
        vm.expectRevert(abi.encodeWithSelector(IBridge.WrongStatus.selector, Status.Live));
        bridge.unwind(k.unrelated.preimage, k.unrelated.walked.entries);
        vm.expectRevert(abi.encodeWithSelector(IBridge.WrongStatus.selector, Status.Live));
        bridge.unwind(k.grandchild.preimage, k.grandchild.walked.entries);
        bridge.condemn(k.child.preimage, k.child.walked.entries, 0, k.lie.preimage);
        vm.expectRevert(abi.encodeWithSelector(IBridge.WrongStatus.selector, Status.Condemned));
        bridge.condemn(k.child.preimage, k.child.walked.entries, 0, k.lie.preimage);
        bridge.condemn(k.grandchild.preimage, k.grandchild.walked.entries, 0, k.child.preimage);
        bridge.unwind(k.grandchild.preimage, k.grandchild.walked.entries);
        vm.expectRevert(abi.encodeWithSelector(IBridge.WrongStatus.selector, Status.Unwound));
        bridge.unwind(k.grandchild.preimage, k.grandchild.walked.entries);
    }

    function test_APreimageIsExactlyItsBytes() public {
        Draft memory lying = lie(transfer(a(), b(), ETH, 1));
        Posted memory p = post(steps(step(lying)), 0);
        nextBlock();
        challenge(evidence(p, 0, preStates(lying)), "");
        bytes memory longer = bytes.concat(p.preimage, hex"00");
        bytes memory unknown =
            abi.encodeWithSelector(IBridge.UnknownBatch.selector, bridge.wordOf(proposer, 0), keccak256(longer));
        vm.expectRevert(unknown);
        bridge.unwind(longer, p.walked.entries);
        vm.expectRevert(unknown);
        bridge.status(longer);
        vm.expectRevert(unknown);
        bridge.finalAt(longer);
        bridge.unwind(p.preimage, p.walked.entries);
    }

    function test_OnlyARecordedParentCondemns() public {
        Cone memory k = _cone();
        BatchId deposit = BatchId.wrap(uint40(uint256(bytes32(_slice(k.unrelated.walked.entries, 7)))));
        vm.expectRevert(abi.encodeWithSelector(IBridge.NotParent.selector, deposit, BatchId.wrap(k.lie.id)));
        bridge.condemn(k.unrelated.preimage, k.unrelated.walked.entries, 0, k.lie.preimage);
        vm.expectRevert(
            abi.encodeWithSelector(IBridge.NotParent.selector, BatchId.wrap(c().writer), BatchId.wrap(k.lie.id))
        );
        bridge.condemn(k.child.preimage, k.child.walked.entries, 1, k.lie.preimage);
        vm.expectRevert(abi.encodeWithSelector(IBridge.EntryOutOfRange.selector, 2, 2));
        bridge.condemn(k.child.preimage, k.child.walked.entries, 2, k.lie.preimage);
        vm.expectRevert(
            abi.encodeWithSelector(
                IBridge.EntriesMismatch.selector, keccak256(k.child.walked.entries), keccak256(k.lie.walked.entries)
            )
        );
        bridge.condemn(k.child.preimage, k.lie.walked.entries, 0, k.lie.preimage);
        vm.expectRevert(
            abi.encodeWithSelector(IBridge.EntriesMismatch.selector, keccak256(k.lie.walked.entries), keccak256(""))
        );
        bridge.unwind(k.lie.preimage, "");
    }

    function test_AnUnwoundParentCondemnsNobodyAndNobodyIsLeft() public {
        Cone memory k = _cone();
        bridge.condemn(k.child.preimage, k.child.walked.entries, 0, k.lie.preimage);
        bridge.condemn(k.grandchild.preimage, k.grandchild.walked.entries, 0, k.child.preimage);
        bridge.unwind(k.grandchild.preimage, k.grandchild.walked.entries);
        bridge.unwind(k.child.preimage, k.child.walked.entries);
        bridge.unwind(k.lie.preimage, k.lie.walked.entries);
        vm.expectRevert(abi.encodeWithSelector(IBridge.WrongStatus.selector, Status.Unwound));
        bridge.condemn(k.unrelated.preimage, k.unrelated.walked.entries, 0, k.lie.preimage);
    }

    function test_OpeningsAreUnwoundToNothing() public {
        Draft memory d = solo(a(), open(1, bob, noAssets()), noAssets(), 1, 0);
        d.opened[0] = userState(bob, noAssets());
        d = lie(d);
        Posted memory p = post(steps(step(d)));
        assertTrue(bridge.headOf(p.opened[0][0]) != 0);
        challenge(evidence(p, 0, preStates(d)), p.walked.entries);
        assertEq(bridge.headOf(p.opened[0][0]), 0);
    }

    function test_AFaultyBatchWithSkippedStepsRestoresOnlyWhatItWrote() public {
        Step memory stale = step(transfer(b(), c(), ETH, 1));
        stale.fresh[0].parent++;
        Draft memory lying = lie(solo(a(), "", noAssets(), 0, 0));
        Posted memory p = post(steps(stale, step(lying)));
        nextBlock();
        // Carol goes on elsewhere; that must survive.
        Posted memory q = post(steps(step(solo(c(), "", noAssets(), 0, 0))), 1);
        challenge(evidence(p, 1, preStates(lying)), p.walked.entries);
        assertStatus(p, Status.Unwound);
        assertEq(bridge.headOf(c().id), q.walked.heads[0]);
    }

    function test_TwoFaultsAtOnceProvenInAnyOrder() public {
        for (uint256 order = 0; order < 2; order++) {
            uint256 snapshot = vm.snapshotState();
            Draft memory first = lie(solo(a(), "", noAssets(), 0, 0));
            Draft memory second = lie(solo(b(), "", noAssets(), 0, 0));
            Posted memory p = post(steps(step(first)), 0);
            Posted memory q = post(steps(step(second)), 1);
            (bytes memory one_, bytes memory two) =
                (evidence(p, 0, preStates(first)), evidence(q, 0, preStates(second)));
            challenge(order == 0 ? one_ : two, "");
            challenge(order == 0 ? two : one_, "");
            assertEq(bridge.oldestFault(), p.id);
            bridge.unwind(p.preimage, p.walked.entries);
            assertEq(bridge.oldestFault(), q.id);
            bridge.unwind(q.preimage, q.walked.entries);
            assertEq(bridge.oldestFault(), 2 ** 40);
            vm.revertToState(snapshot);
        }
    }

    function test_UnwindingACondemnedBatchResolvesNobodysFault() public {
        // Five faults fill the five fields; the first has a child.
        Draft[] memory lies = new Draft[](5);
        Posted[] memory p = new Posted[](5);
        Anchor[] memory more = new Anchor[](4);
        for (uint256 i = 0; i < 4; i++) {
            more[i] = depositEth(carol, 1 ether);
        }
        nextBlock();
        nextBlock();
        for (uint256 i = 0; i < 5; i++) {
            lies[i] = lie(i == 0 ? transfer(a(), b(), ETH, 1) : solo(more[i - 1], "", noAssets(), 0, 0));
            p[i] = post(steps(step(lies[i])), uint16(i));
        }
        nextBlock();
        Anchor memory bobs = Anchor(b().id, p[0].id, lies[0].freshAfter[1]);
        Posted memory child = post(steps(step(solo(bobs, "", noAssets(), 0, 0))), 9);
        for (uint256 i = 0; i < 5; i++) {
            challenge(evidence(p[i], 0, preStates(lies[i])), "");
        }
        bridge.condemn(child.preimage, child.walked.entries, 0, p[0].preimage);
        bridge.unwind(child.preimage, child.walked.entries);
        for (uint256 i = 0; i < 5; i++) {
            assertEq(bridge.oldestFault(), p[i].id);
            bridge.unwind(p[i].preimage, p[i].walked.entries);
        }
        assertEq(bridge.oldestFault(), 2 ** 40);
    }

    function test_NestedFaultsAreResolvedEachByItself() public {
        Draft memory first = lie(transfer(a(), b(), ETH, 1));
        Posted memory p = post(steps(step(first)), 0);
        nextBlock();
        Anchor memory bobs = Anchor(b().id, p.id, first.freshAfter[1]);
        Draft memory second = lie(solo(bobs, "", noAssets(), 0, 0));
        Posted memory q = post(steps(step(second)), 1);
        challenge(evidence(p, 0, preStates(first)), p.walked.entries);
        challenge(evidence(q, 0, preStates(second)), q.walked.entries);
        assertStatus(q, Status.Unwound);
        assertEq(bridge.oldestFault(), p.id);
        bridge.unwind(p.preimage, p.walked.entries);
        assertEq(bridge.oldestFault(), 2 ** 40);
        assertEq(uint40(uint256(bridge.headOf(b().id))), b().writer);
    }

    function test_TheUserSignsAgainAfterARollBack() public {
        // The nonce is restored with the state, so the same signature is good again.
        Draft memory honest = transfer(b(), c(), ETH, 1);
        Draft memory lying = lie(solo(a(), "", noAssets(), 0, 0));
        Posted memory p = post(steps(step(honest), step(lying)));
        challenge(evidence(p, 1, preStates(lying)), p.walked.entries);
        nextBlock();
        Posted memory q = post(steps(step(honest)), 1);
        assertTrue(verifier.verify(evidence(q, 0, preStates(honest)), address(bridge)));
    }

    function _expectNotHead(Posted memory p, uint256 index) private {
        uint56 anchor = uint56(bytes7(_slice(p.walked.entries, 39 * index)));
        vm.expectRevert(abi.encodeWithSelector(IBridge.NotHead.selector, anchor, bridge.headOf(anchor)));
        bridge.unwind(p.preimage, p.walked.entries);
    }

    function _slice(bytes memory data, uint256 start) private pure returns (bytes memory out) {
        out = new bytes(data.length - start);
        for (uint256 i = 0; i < out.length; i++) {
            out[i] = data[start + i];
        }
    }
}
