// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {BatchId} from "../../contracts/types/BatchId.sol";
import {Status} from "../../contracts/types/BatchWord.sol";
import {GlobalWordLib} from "../../contracts/types/GlobalWord.sol";
import {Draft} from "../harness/Drafts.sol";
import {Scenario} from "../harness/Scenario.sol";
import {Anchor, Header, Posted, Step} from "../harness/Shapes.sol";

/// @notice An outsider plays with blocks: boundaries of windows, reorganisations, ids that run out, roll-backs at a bad time
/// (docs/audit/attacks.md).
contract TimeAttacks is Scenario {
    address private mallory = makeAddr("mallory");

    function _refuse(address who, bytes memory batch, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(who, who);
        bridge.submit(batch);
    }

    // ---------------------------------------------------------------- windows

    /// There is no block in which a lie can be paid and not be proven, or be proven when it was paid; nor one in which a bond leaves first.
    function test_EachBlockIsForProofsOrForPayments() public {
        Draft memory d = withdrawal(a(), mallory, address(0), 1 ether);
        d.freshAfter[0].nonce += 1; // a lie
        Posted memory p = post(steps(step(d)));
        bytes memory proof = evidence(p, 0, preStates(d));
        uint256 posted = block.number;
        for (uint256 i = 0; i <= 2 * WINDOW; i++) {
            vm.roll(posted + i);
            uint256 snapshot = vm.snapshotState();
            (bool paid,) = address(bridge).call(abi.encodeCall(IBridge.claim, (p.preimage, 0, d.withdrawals[0], "")));
            vm.revertToState(snapshot);
            snapshot = vm.snapshotState();
            (bool proven,) = address(bridge).call(abi.encodeCall(IBridge.challenge, (proof, p.walked.entries)));
            vm.revertToState(snapshot);
            (uint256 balance, uint256 free) = bridge.bondOf(proposer);
            assertEq(proven, i <= WINDOW, "proofs");
            assertEq(paid, i > WINDOW, "payments");
            if (proven) assertEq(balance - free, MIN_LOCK, "locked while it can be proven");
        }
    }

    /// A child's window is over before anybody condemns it, a year after its parent fell: it is condemned and unwound as ever, and was
    /// never paid.
    function test_AnOrphanDoesNotGrowOutOfItsFate() public {
        Draft memory lying = lie(transfer(a(), b(), ETH, 1));
        Posted memory bad = post(steps(step(lying)));
        vm.roll(block.number + WINDOW);
        Anchor memory bobs = Anchor(b().id, bad.id, lying.freshAfter[1]);
        Draft memory d = withdrawal(bobs, mallory, address(0), 1 ether);
        Posted memory orphan = post(steps(step(d)), 1);
        challenge(evidence(bad, 0, preStates(lying)), bad.walked.entries);
        assertStatus(bad, Status.Faulty);
        vm.roll(block.number + 2_628_000);
        vm.expectRevert(
            abi.encodeWithSelector(
                IBridge.NotFinal.selector, bridge.finalAt(orphan.preimage), block.number, uint256(bad.id)
            )
        );
        bridge.claim(orphan.preimage, 0, d.withdrawals[0], "");
        bytes memory notHead = abi.encodeWithSelector(IBridge.NotHead.selector, uint256(b().id), bridge.headOf(b().id));
        vm.expectRevert(notHead);
        bridge.unwind(bad.preimage, bad.walked.entries);
        bridge.condemn(orphan.preimage, orphan.walked.entries, 0, bad.preimage);
        bridge.unwind(orphan.preimage, orphan.walked.entries);
        bridge.unwind(bad.preimage, bad.walked.entries);
        assertEq(uint40(uint256(bridge.headOf(b().id))), b().writer);
        vm.expectRevert(abi.encodeWithSelector(IBridge.WrongStatus.selector, Status.Unwound));
        bridge.claim(orphan.preimage, 0, d.withdrawals[0], "");
    }

    /// Outside the assumptions: a reorganisation as deep as the window, on whose branch nobody includes the proof. The lie is final there.
    /// It is why a window is longer than L1 takes to finalise, and what a long loss of finality costs (docs/threat-model.md).
    function test_AReorganisationAsDeepAsTheWindowMakesALieFinal() public {
        Draft memory d = withdrawal(a(), mallory, address(0), 1 ether);
        d.freshAfter[0].nonce += 1;
        Posted memory p = post(steps(step(d)));
        bytes memory proof = evidence(p, 0, preStates(d));
        uint256 posted = block.number;
        vm.roll(posted + 1);
        uint256 fork = vm.snapshotState();
        challenge(proof, p.walked.entries);
        assertStatus(p, Status.Unwound);

        // One block less, and the proof is sent again on the new branch.
        vm.revertToStateAndDelete(fork);
        fork = vm.snapshotState();
        vm.roll(posted + WINDOW);
        challenge(proof, p.walked.entries);
        assertStatus(p, Status.Unwound);

        vm.revertToState(fork);
        vm.roll(posted + WINDOW + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IBridge.ChallengeWindowOver.selector, posted + WINDOW, posted + WINDOW + 1)
        );
        challenge(proof, p.walked.entries);
        bridge.claim(p.preimage, 0, d.withdrawals[0], "");
        assertEq(mallory.balance, 1 ether);
    }

    /// A lie is as old as its block, not as its clock: an old clock shortens nobody's window.
    function test_AnOldClockShortensNoWindow() public {
        vm.roll(block.number + 31);
        Draft memory d = lie(solo(a(), "", noAssets(), 0, 0));
        Step[] memory list = steps(step(d));
        Header memory h = header(list, 0);
        h.clock = uint64(block.number - 32);
        h.clockHash = blockhash(h.clock);
        Posted memory p = post(proposer, h, list);
        vm.roll(block.number + WINDOW);
        challenge(evidence(p, 0, preStates(d)), p.walked.entries);
        assertStatus(p, Status.Unwound);
    }

    // ---------------------------------------------------------------- ids

    /// The block's last id is given out, and then none till the next block: no id of that block is taken before.
    function test_ABlocksLastIdDoesNotRunOverIntoTheNext() public {
        uint40 last = idAt(block.number, 8191);
        Draft memory lying = lie(solo(c(), "", noAssets(), 0, 0));
        Posted memory p = post(steps(step(lying)), 9);
        bytes memory proof = evidence(p, 0, preStates(lying));
        vm.store(address(bridge), 0, bytes32(uint256(last - 2)));
        assertEq(depositEth(alice, 1).writer, last - 1);
        Draft memory d = solo(a(), "", noAssets(), 0, 0);
        Posted memory q = post(steps(step(d)));
        assertEq(q.id, last);
        vm.deal(address(this), 1);
        vm.expectRevert(GlobalWordLib.IdsExhausted.selector);
        bridge.deposit{value: 1}(keyFor(alice));
        Step[] memory list = steps(step(solo(b(), "", noAssets(), 0, 0)));
        _refuse(
            proposer, batchBytes(header(list, 1), list), abi.encodeWithSelector(GlobalWordLib.IdsExhausted.selector)
        );
        // Proofs need no id.
        challenge(proof, p.walked.entries);
        nextBlock();
        assertEq(depositEth(alice, 1).writer, idAt(block.number, 1));
    }

    /// The same content under other ids: what was unwound and posted again is not taken for what it was.
    function test_WhatIsPostedAgainAfterARollBackIsAnotherBatch() public {
        Draft memory lying = lie(transfer(a(), b(), ETH, 1));
        Posted memory p = post(steps(step(lying)));
        bytes memory proof = evidence(p, 0, preStates(lying));
        challenge(proof, p.walked.entries);
        // In the same block, in the same word, the honest twin: heads are back, and so old enough.
        Draft memory d = transfer(a(), b(), ETH, 1);
        Posted memory q = post(steps(step(d)));
        assertEq(q.id, p.id + 1);
        bytes memory unknown =
            abi.encodeWithSelector(IBridge.UnknownBatch.selector, bridge.wordOf(proposer, 0), keccak256(p.preimage));
        vm.expectRevert(unknown);
        challenge(proof, p.walked.entries);
        vm.expectRevert(unknown);
        bridge.unwind(p.preimage, p.walked.entries);
        vm.expectRevert(IBridge.StepIsValid.selector);
        challenge(evidence(q, 0, preStates(d)), q.walked.entries);
    }

    // ---------------------------------------------------------------- front-running

    /// A user signs for a proposer, and posts its own step first: the proposer's batch reverts or loses that step, and no bond.
    function test_AUserThatRunsAheadCostsAProposerTheStepOnly() public {
        Draft memory d = withdrawal(a(), alice, address(0), 1 ether);
        Draft memory other = solo(c(), "", noAssets(), 0, 0);
        Step[] memory both = steps(step(d), step(other));
        Step[] memory alone = steps(step(d));
        bytes memory first = batchBytes(header(alone, 0), alone);
        Header memory h = header(both, 1);

        fund(alice, 1 ether);
        Step[] memory own = steps(step(solo(a(), "", noAssets(), 0, 0)));
        post(alice, header(own, 0), own);
        _refuse(proposer, first, abi.encodeWithSelector(IBridge.NothingApplied.selector));
        Posted memory p = post(proposer, h, both);
        assertEq(p.walked.skipped, hex"01", "the user's step, and no other");
        assertEq(p.walked.leaves.length, 0);
        vm.expectRevert(IBridge.StepIsValid.selector);
        challenge(evidence(p, 1, preStates(other)), "");
    }

    /// The liar builds on its lie just before the proof, so that it cannot be unwound at once. The proof stands, and from then on nothing
    /// can be built: what there is has an end.
    function test_NothingIsBuiltOnALieOnceItIsProven() public {
        Draft memory lying = lie(transfer(a(), b(), ETH, 1));
        Posted memory bad = post(steps(step(lying)));
        bytes memory proof = evidence(bad, 0, preStates(lying));
        nextBlock();
        Draft memory d = solo(Anchor(a().id, bad.id, lying.freshAfter[0]), "", noAssets(), 0, 0);
        Posted memory child = post(steps(step(d)), 1);
        challenge(proof, bad.walked.entries);
        nextBlock();
        uint40[2] memory writers = [bad.id, child.id];
        uint56[2] memory anchors = [b().id, a().id];
        for (uint256 i = 0; i < 2; i++) {
            Step[] memory list =
                steps(step(solo(Anchor(anchors[i], writers[i], d.freshAfter[0]), "", noAssets(), 0, 0)));
            _refuse(
                proposer, batchBytes(header(list, 2), list), abi.encodeWithSelector(IBridge.NothingApplied.selector)
            );
        }
        bridge.condemn(child.preimage, child.walked.entries, 0, bad.preimage);
        // The child's child, had there been one, could not be named a child of another.
        vm.expectRevert(abi.encodeWithSelector(IBridge.WrongStatus.selector, Status.Faulty));
        bridge.condemn(bad.preimage, bad.walked.entries, 0, child.preimage);
        bridge.unwind(child.preimage, child.walked.entries);
        bridge.unwind(bad.preimage, bad.walked.entries);
        assertEq(bridge.oldestFault(), 2 ** 40);
    }

    /// An accomplice unwinds, or condemns, just before the honest do: they lose a transaction, and it ends all the same.
    function test_WhoeverUnwindsFirstUnwindsForAll() public {
        Draft memory lying = lie(transfer(a(), b(), ETH, 1));
        Posted memory bad = post(steps(step(lying)));
        challenge(evidence(bad, 0, preStates(lying)), "");
        vm.prank(mallory);
        bridge.unwind(bad.preimage, bad.walked.entries);
        vm.expectRevert(abi.encodeWithSelector(IBridge.WrongStatus.selector, Status.Unwound));
        bridge.unwind(bad.preimage, bad.walked.entries);
        assertEq(bridge.oldestFault(), 2 ** 40);
        assertEq(mallory.balance, 0, "and is paid nothing for a faulty one");
    }

    /// A head is never older than it looks: a deposit in the block of a fault waits like everything else, and is not lost.
    function test_ADepositDuringAFreezeWaitsAndIsThereAfterwards() public {
        Draft memory lying = lie(transfer(a(), b(), ETH, 1));
        Posted memory bad = post(steps(step(lying)));
        challenge(evidence(bad, 0, preStates(lying)), "");
        Anchor memory late = depositEth(alice, 7);
        nextBlock();
        Step[] memory list = steps(step(withdrawal(late, alice, address(0), 7)));
        _refuse(proposer, batchBytes(header(list, 1), list), abi.encodeWithSelector(IBridge.NothingApplied.selector));
        bridge.unwind(bad.preimage, bad.walked.entries);
        Draft memory d = withdrawal(late, alice, address(0), 7);
        Posted memory p = post(steps(step(d)), 1);
        vm.roll(block.number + WINDOW + 1);
        uint256 before = alice.balance;
        bridge.claim(p.preimage, 0, d.withdrawals[0], "");
        assertEq(alice.balance, before + 7);
        assertTrue(BatchId.unwrap(BatchId.wrap(late.writer)) > bad.id);
    }

    /// A lie in every block, proved by its author before anybody else posts, and unwound by the honest at the end of the next block: there is
    /// always a fault. What was written after one is built on a block later, when that fault is over; so an anchor that is updated in
    /// each block is updated in every other.
    function test_AFaultInEveryBlockHalvesThePace() public {
        Anchor[8] memory own;
        for (uint256 i = 0; i < 8; i++) {
            own[i] = depositEth(mallory, 1);
        }
        (, keyOf[mallory]) = makeAddrAndKey("mallory");
        fund(mallory, 10 ether);
        nextBlock();
        Anchor memory busy = c();
        Posted memory bad;
        uint256 updates = 0;
        for (uint16 i = 0; i < 8; i++) {
            nextBlock();
            Draft memory lying = lie(solo(own[i], "", noAssets(), 0, 0));
            Step[] memory list = steps(step(lying));
            Posted memory p = post(mallory, header(list, i), list);
            vm.prank(mallory);
            bridge.challenge(evidence(p, 0, preStates(lying)), "");
            Draft memory d = solo(busy, "", noAssets(), 0, 0);
            list = steps(step(d));
            if (busy.writer < bridge.oldestFault()) {
                busy = Anchor(busy.id, post(proposer, header(list, i), list).id, d.freshAfter[0]);
                updates++;
            } else {
                _refuse(
                    proposer, batchBytes(header(list, i), list), abi.encodeWithSelector(IBridge.NothingApplied.selector)
                );
            }
            if (i != 0) bridge.unwind(bad.preimage, bad.walked.entries);
            bad = p;
        }
        assertEq(updates, 4);
        (uint256 balance,) = bridge.bondOf(mallory);
        assertEq(balance + mallory.balance, 10 ether - 8 * MIN_LOCK / 2, "half a lock a block");
    }
}
