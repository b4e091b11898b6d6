// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {Status} from "../../contracts/types/BatchWord.sol";
import {Codec} from "../harness/Codec.sol";
import {Draft} from "../harness/Drafts.sol";
import {Scenario} from "../harness/Scenario.sol";
import {Again, Anchor, Fresh, Header, Posted, State, Step} from "../harness/Shapes.sol";

/// @notice Steps that meet an anchor which somebody else has moved, and what hangs on them (docs/spec.md, section 4.5).
/// `post` holds every head, the word and with it all commitments to the reference.
contract BridgeStaleTest is Scenario {
    using Codec for *;

    bytes private nothing = abi.encodeWithSelector(IBridge.NothingApplied.selector);

    // ---------------------------------------------------------------- stale

    function test_AnAnchorThatSomebodyElseMovedIsStale() public {
        post(steps(_touch(a())));
        nextBlock();
        _expectNothing(steps(_touch(a()))); // still names the deposit as its parent
        bytes32 head = bridge.headOf(a().id);
        Posted memory p = post(steps(_touch(a()), _touch(c())), 1);
        assertFalse(p.walked.applied[0]);
        assertTrue(p.walked.applied[1]);
        assertEq(bridge.headOf(a().id), head, "a skipped step changes nothing");
    }

    function test_ASkippedStepOfABatchWithRulesHasNoCommitment() public {
        // The registry was asked through memory near that of the commitments.
        post(steps(_touch(a())));
        nextBlock();
        Step[] memory list = steps(_touch(a()), _touch(c()));
        address[] memory rules = new address[](2);
        (rules[0], rules[1]) = (register("Puppet.sol:Puppet"), register("Looper.sol:Looper"));
        nextBlock();
        for (uint256 count = 1; count < 3; count++) {
            Header memory h = header(list, uint16(count));
            h.rules = new address[](count);
            for (uint256 i = 0; i < count; i++) {
                h.rules[i] = rules[i];
            }
            Posted memory p = post(proposer, h, list);
            assertEq(p.walked.skipped, hex"01");
            list[1] = _touch(Anchor(c().id, p.id, c().state));
            nextBlock();
        }
    }

    function test_AnAnchorWrittenAfterTheClockIsStale() public {
        uint256 clock = block.number - 1;
        Posted memory first = post(steps(_touch(a())));
        Anchor memory later = Anchor(a().id, first.id, a().state);
        nextBlock();
        // First with a clock from before that batch, then with one from its block.
        Step[] memory list = steps(_touch(later));
        Header memory h = header(list, 1);
        h.clock = uint64(clock);
        h.clockHash = blockhash(clock);
        _expectNothing(h, list);
        post(proposer, header(list, 1), list);
    }

    function test_AnAnchorThatWasNeverOpenedIsStale() public {
        Anchor memory none = a();
        none.id += 77;
        none.writer = 0;
        _expectNothing(steps(_touch(none)));
        none.id = 0;
        _expectNothing(steps(_touch(none)));
        none.id = type(uint56).max;
        _expectNothing(steps(_touch(none)));
    }

    function test_AnAnchorThatThisVeryBatchOpensCannotBeTouchedAsIfItWereThere() public {
        Step memory opener = _touch(a());
        opener.opened = new bytes27[](1);
        Anchor memory guessed = Anchor(uint56(nextId()) * 65_536 + 1, nextId(), b().state);
        Posted memory p = post(steps(opener, _touch(guessed)));
        assertTrue(p.walked.applied[0]);
        assertFalse(p.walked.applied[1]);
    }

    function test_HeadsThatAreNotOlderThanAFaultAreStale() public {
        // Alice's lie stands, for Bob builds on it before it is proven.
        Draft memory lying = lie(transfer(a(), b(), ETH, 1));
        Posted memory first = post(steps(step(lying)));
        nextBlock();
        Anchor memory later = Anchor(b().id, first.id, lying.freshAfter[1]);
        Posted memory second = post(steps(_touch(later)), 1);
        Anchor memory deposited = depositEth(carol, 1 ether);
        nextBlock();
        nextBlock();
        challenge(evidence(first, 0, preStates(lying)), first.walked.entries);
        assertEq(bridge.oldestFault(), first.id);

        later.writer = second.id;
        _expectNothing(steps(_touch(later)), 2); // what was built on the fault
        _expectNothing(steps(_touch(deposited)), 2); // what came after it
        Anchor memory liars = Anchor(a().id, first.id, lying.freshAfter[0]);
        _expectNothing(steps(_touch(liars)), 2); // what the fault itself wrote
        post(steps(_touch(c())), 2); // what was there before
    }

    // ---------------------------------------------------------------- poison

    function test_AStaleAnchorPoisonsAllThatItsStepNames() public {
        Step memory bad = step(transfer(a(), b(), ETH, 1));
        bad.fresh[1].parent++;
        Step memory onA;
        onA.again = new Again[](1);
        onA.again[0] = Again(0, bytes27(uint216(5)));
        Posted memory p = post(steps(bad, onA, _touch(c())));
        assertEq(uint40(uint256(bridge.headOf(a().id))), a().writer, "Alice's anchor is as it was");
        assertEq(p.walked.skipped, hex"03");
    }

    function test_AnAnchorKeepsTheHeadOfTheLastStepThatWasApplied() public {
        Step memory first = _touch(a());
        Step memory bad;
        bad.fresh = new Fresh[](1);
        bad.fresh[0] = Fresh(b().id, bytes27(uint216(2)), b().writer + 1);
        bad.again = new Again[](1);
        bad.again[0] = Again(0, bytes27(uint216(3)));
        Step memory after_;
        after_.again = new Again[](1);
        after_.again[0] = Again(0, bytes27(uint216(4)));
        Posted memory p = post(steps(first, bad, after_));
        assertEq(p.walked.skipped, hex"06", "the third names a poisoned entry");
        assertEq(bytes27(bridge.headOf(a().id)), first.fresh[0].root, "as the first step left it");
        assertEq(p.walked.entriesWritten, 1);
    }

    function test_WhatASkippedStepWouldHaveOpenedDoesNotExist() public {
        Step memory bad = _touch(a());
        bad.fresh[0].parent++;
        bad.opened = new bytes27[](2);
        bad.opened[0] = bytes27(uint216(9));
        Step memory user;
        user.again = new Again[](1);
        user.again[0] = Again(1, bytes27(uint216(5)));
        Posted memory p = post(steps(bad, user, _touch(c())));
        assertEq(p.walked.skipped, hex"03");
        assertEq(bridge.headOf(uint56(p.id) * 65_536 + 1), 0);
        assertEq(bridge.headOf(uint56(p.id) * 65_536 + 2), 0);
    }

    function test_ASecondFreshTouchOfAnAnchorIsStaleAndPoisonsOnlyItself() public {
        Step memory again;
        again.again = new Again[](1);
        again.again[0] = Again(0, bytes27(uint216(5)));
        Posted memory p = post(steps(_touch(a()), _touch(a()), again));
        assertEq(p.walked.skipped, hex"02");
        assertEq(bytes27(bridge.headOf(a().id)), bytes27(uint216(5)), "the first entry is not poisoned");
    }

    function test_TheSameAnchorTwiceInAStepIsSkipped() public {
        Step memory twice = step(transfer(a(), b(), ETH, 1));
        twice.fresh[1] = Fresh(a().id, bytes27(uint216(1)), a().writer);
        _expectNothing(steps(twice));
        Posted memory p = post(steps(twice, _touch(c())));
        assertEq(p.walked.skipped, hex"01");
        assertEq(uint40(uint256(bridge.headOf(a().id))), a().writer, "restored");
        assertEq(bridge.headOf(a().id), Codec.head(a().state, a().writer));
    }

    function test_AnAnchorWhoseFirstStepWasSkippedMayBeTouchedAfresh() public {
        Step memory bad = step(transfer(a(), b(), ETH, 1));
        bad.fresh[1].parent++;
        Posted memory p = post(steps(bad, _touch(a())));
        assertEq(p.walked.skipped, hex"01");
        assertEq(uint40(uint256(bridge.headOf(a().id))), p.id);
    }

    function test_AnchorsOpenedInABatchCanBeUsedByItsLaterSteps() public {
        Step memory opener = _touch(a());
        opener.opened = new bytes27[](2);
        (opener.opened[0], opener.opened[1]) = (bytes27(uint216(7)), bytes27(uint216(8)));
        Step memory user;
        user.again = new Again[](2);
        (user.again[0], user.again[1]) = (Again(0, bytes27(uint216(5))), Again(2, bytes27(uint216(6))));
        Posted memory p = post(steps(opener, user));
        assertEq(bytes27(bridge.headOf(uint56(p.id) * 65_536 + 1)), bytes27(uint216(7)));
        assertEq(bytes27(bridge.headOf(uint56(p.id) * 65_536 + 2)), bytes27(uint216(6)));
        nextBlock();
        // And by later batches, as fresh touches.
        post(steps(_touch(Anchor(uint56(p.id) * 65_536 + 2, p.id, a().state))), 1);
    }

    // ---------------------------------------------------------------- several proposers

    function test_ManyProposersShareABlock() public {
        address second = makeAddr("second");
        fund(second, BOND);
        Step[] memory mine = steps(_touch(a()), _touch(b()));
        Step[] memory theirs = steps(_touch(b()), _touch(c()));
        Posted memory p = post(mine);
        Posted memory q = post(second, header(theirs, 0), theirs);
        assertEq(q.id, p.id + 1);
        assertEq(q.walked.skipped, hex"01", "only the conflict is lost");
        // Two of one proposer in one block, in two of its words.
        Step[] memory third = steps(_touch(depositNow()));
        vm.roll(block.number + 2);
        Posted memory r = post(third, 1);
        assertEq(r.id % 8192, 1, "the sequence starts again");
    }

    function test_DepositsAndBatchesCountTogether() public {
        Posted memory p = post(steps(_touch(a())));
        Anchor memory d = depositEth(bob, 1);
        Posted memory q = post(steps(_touch(c())), 1);
        assertEq(d.writer, p.id + 1);
        assertEq(q.id, p.id + 2);
    }

    // ---------------------------------------------------------------- word slots

    function test_AWordIsBusyUntilItsBatchIsFinal() public {
        post(steps(_touch(a())));
        uint256 posted = block.number;
        vm.roll(posted + WINDOW);
        _expectBusy(steps(_touch(c())), 0);
        nextBlock();
        post(steps(_touch(c())), 0);
    }

    function test_AWordIsBusyUntilAllIsPaid() public {
        Draft memory d = withdrawal(a(), bob, address(0), 1 ether);
        Posted memory p = post(steps(step(d)));
        vm.roll(block.number + WINDOW + 1);
        _expectBusy(steps(_touch(c())), 0);
        bridge.claim(p.preimage, 0, d.withdrawals[0], "");
        post(steps(_touch(c())), 0);
    }

    function test_AWordIsBusyWhileAnOlderFaultIsUnresolved() public {
        Posted memory old = post(steps(_touch(c())), 3);
        nextBlock();
        Draft memory lying = lie(transfer(a(), b(), ETH, 1));
        Posted memory first = post(steps(step(lying)), 0);
        nextBlock();
        Posted memory child = post(steps(_touch(Anchor(b().id, first.id, lying.freshAfter[1]))), 1);
        challenge(evidence(first, 0, preStates(lying)), "");
        Anchor memory mine = Anchor(c().id, old.id, c().state);
        vm.roll(block.number + WINDOW + 5);
        _expectBusy(steps(_touch(mine)), 0); // faulty
        _expectBusy(steps(_touch(mine)), 1); // after the fault
        post(steps(_touch(mine)), 3); // before the fault: final

        // Descendants first, then the faulty one: both words are free then, and final is what came between.
        bridge.condemn(child.preimage, child.walked.entries, 0, first.preimage);
        _expectBusy(steps(_touch(mine)), 1); // condemned
        bridge.unwind(child.preimage, child.walked.entries);
        bridge.unwind(first.preimage, first.walked.entries);
        nextBlock();
        post(steps(_touch(a())), 0);
        post(steps(_touch(b())), 1);
    }

    function test_AWordIsBusyWhileAFaultOfItsBlockIsUnresolved() public {
        Draft memory lying = lie(transfer(a(), b(), ETH, 1));
        Posted memory p = post(steps(step(lying)), 0);
        Posted memory behind = post(steps(_touch(c())), 3);
        assertEq(p.id / 8192, behind.id / 8192, "the same block");
        challenge(evidence(p, 0, preStates(lying)), "");
        vm.roll(block.number + WINDOW + 1);
        _expectBusy(steps(_touch(c())), 3);
        bridge.unwind(p.preimage, p.walked.entries);
        post(steps(_touch(a())), 3);
    }

    // ---------------------------------------------------------------- gas

    /// Whoever moves all anchors but one of a batch does not keep it from being included.
    function test_ABatchOfManyStaleStepsFitsATransaction() public {
        Step[] memory list = new Step[](300);
        for (uint256 i = 0; i < 299; i++) {
            Anchor memory gone = a();
            gone.id += uint56(i + 1);
            list[i] = _touch(gone);
        }
        list[299] = _touch(a());
        bytes memory batch = batchBytes(header(list, 0), list);
        uint256 word = bridge.wordOf(proposer, 0);
        vm.prank(proposer, proposer);
        bridge.submit{gas: 2 ** 24}(batch);
        assertTrue(bridge.wordOf(proposer, 0) != word);
    }

    // ---------------------------------------------------------------- helpers

    /// @dev A step that names the anchor. Nobody will evaluate it.
    function _touch(Anchor memory anchor) private pure returns (Step memory s) {
        s.fresh = new Fresh[](1);
        s.fresh[0] = Fresh(anchor.id, bytes27(keccak256(abi.encode(anchor.id, anchor.writer))), anchor.writer);
        s.body = hex"0001";
    }

    function depositNow() private returns (Anchor memory) {
        return depositEth(carol, 1);
    }

    function _expectNothing(Step[] memory list) private {
        _expectNothing(header(list, 5), list);
    }

    function _expectNothing(Step[] memory list, uint16 slot) private {
        _expectNothing(header(list, slot), list);
    }

    function _expectNothing(Header memory h, Step[] memory list) private {
        bytes memory batch = batchBytes(h, list);
        vm.expectRevert(nothing);
        vm.prank(proposer, proposer);
        bridge.submit(batch);
    }

    function _expectBusy(Step[] memory list, uint16 slot) private {
        bytes memory batch = batchBytes(header(list, slot), list);
        uint256 word = bridge.wordOf(proposer, slot);
        vm.expectRevert(abi.encodeWithSelector(IBridge.WordSlotBusy.selector, slot, word));
        vm.prank(proposer, proposer);
        bridge.submit(batch);
    }
}
