// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {Status} from "../../contracts/types/BatchWord.sol";
import {GlobalWordLib} from "../../contracts/types/GlobalWord.sol";
import {CohortTrials} from "../harness/CohortTrials.sol";
import {Draft} from "../harness/Drafts.sol";
import {Anchor, Header, Posted, Step} from "../harness/Shapes.sol";

/// @notice An outsider lies and wants to survive it: nobody can prove it, or it costs nothing (docs/audit/attacks.md).
contract LiesAttacks is CohortTrials {
    address private mallory = makeAddr("mallory");

    function _lie() private returns (Posted memory p, bytes memory proof) {
        Draft memory d = lie(transfer(a(), b(), ETH, 1));
        p = post(steps(step(d)));
        proof = evidence(p, 0, preStates(d));
    }

    function _refuse(bytes memory batch, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(proposer, proposer);
        bridge.submit(batch);
    }

    // ---------------------------------------------------------------- posting so that nobody reads it

    /// Calldata as no encoder writes it: the bridge takes it, and commits to what it would have committed to. So who reads batches must
    /// read as loosely (`crates/node/src/inputs.rs`).
    function test_ABatchInOddCalldataIsTheSameBatch() public {
        Step[] memory list = steps(step(lie(transfer(a(), b(), ETH, 1))));
        bytes memory batch = batchBytes(header(list, 0), list);
        bytes32 size = bytes32(batch.length);
        bytes[4] memory odd = [
            bytes.concat(bytes32(uint256(32)), size, batch),
            bytes.concat(bytes32(uint256(32)), size, batch, hex"ffffffffffffff"),
            bytes.concat(bytes32(uint256(77)), new bytes(45), size, batch),
            bytes.concat(bytes32(uint256(64)), size, size, batch, batch)
        ];
        uint256 word;
        for (uint256 i = 0; i < odd.length; i++) {
            uint256 snapshot = vm.snapshotState();
            vm.prank(proposer, proposer);
            (bool done,) = address(bridge).call(bytes.concat(IBridge.submit.selector, odd[i]));
            assertTrue(done);
            uint256 got = bridge.wordOf(proposer, 0);
            vm.revertToState(snapshot);
            if (i == 0) word = got;
            assertEq(got, word, "committed to the same");
        }
        (Posted memory p, bytes memory proof) = _lie();
        assertEq(wordOf(p), word, "that of a usual encoder");
        challenge(proof, p.walked.entries);
    }

    /// A header that announces 65,535 steps, so that memory is laid out far away: refused, and only the sender pays.
    function test_StepsThatAreOnlyAnnouncedAreRefused() public {
        Step[] memory list = steps(step(transfer(a(), b(), ETH, 1)));
        Header memory h = header(list, 0);
        h.stepCount = type(uint16).max;
        bytes memory batch = batchBytes(h, list);
        uint256 before = gasleft();
        _refuse(batch, abi.encodeWithSelector(IBridge.MalformedStep.selector, 1));
        assertLt(before - gasleft(), 2 ** 24);
        assertEq(uint40(uint256(bridge.headOf(a().id))), a().writer);
    }

    // ---------------------------------------------------------------- what the liar does afterwards

    /// The liar overwrites the word of what was convicted or condemned, so that nobody can unwind it and the bridge is frozen for ever.
    function test_TheWordOfAConvictedBatchIsNotOverwritten() public {
        (Posted memory p, bytes memory proof) = _lie();
        nextBlock();
        Anchor memory mine = Anchor(b().id, p.id, transfer(a(), b(), ETH, 1).freshAfter[1]);
        Posted memory q = post(steps(step(solo(mine, "", noAssets(), 0, 0))), 1);
        challenge(proof, "");
        bridge.condemn(q.preimage, q.walked.entries, 0, p.preimage);
        uint256[3] memory waits = [uint256(0), WINDOW + 1, 1000 * WINDOW];
        for (uint256 i = 0; i < waits.length; i++) {
            vm.roll(block.number + waits[i]);
            for (uint16 slot = 0; slot < 2; slot++) {
                Step[] memory list = steps(step(solo(c(), "", noAssets(), 0, 0)));
                bytes memory busy =
                    abi.encodeWithSelector(IBridge.WordSlotBusy.selector, slot, bridge.wordOf(proposer, slot));
                _refuse(batchBytes(header(list, slot), list), busy);
            }
        }
        bridge.unwind(q.preimage, q.walked.entries);
        bridge.unwind(p.preimage, p.walked.entries);
        post(steps(step(solo(c(), "", noAssets(), 0, 0))), 1);
    }

    /// The liar's account gets code that burns all gas, or refuses everything: nobody asks it.
    function test_ALiarsCodeIsNotAsked() public {
        (Posted memory p, bytes memory proof) = _lie();
        bytes[2] memory codes = [bytes(hex"5b5f56"), hex"5f5ffd"];
        for (uint256 i = 0; i < 2; i++) {
            uint256 snapshot = vm.snapshotState();
            vm.etch(proposer, codes[i]);
            uint256 before = challenger.balance;
            challenge(proof, p.walked.entries);
            assertEq(challenger.balance, before + MIN_LOCK / 2);
            vm.revertToState(snapshot);
        }
    }

    /// The liar lets an orphan of its own be unwound first, by an accomplice, whose fee comes out of the bond that the lie has locked.
    function test_AnOrphansFeeDoesNotComeOutOfAnotherLiesLock() public {
        fund(mallory, 3 * MIN_LOCK);
        Draft memory first = lie(transfer(a(), b(), ETH, 1));
        Posted memory bad = post(mallory, header(steps(step(first)), 0), steps(step(first)));
        nextBlock();
        Anchor memory bobs = Anchor(b().id, bad.id, first.freshAfter[1]);
        Step[] memory list = steps(step(solo(bobs, "", noAssets(), 0, 0)));
        Posted memory orphan = post(mallory, header(list, 1), list);
        Draft memory second = lie(solo(c(), "", noAssets(), 0, 0));
        list = steps(step(second));
        Posted memory worse = post(mallory, header(list, 2), list);

        challenge(evidence(bad, 0, preStates(first)), "");
        bridge.condemn(orphan.preimage, orphan.walked.entries, 0, bad.preimage);
        vm.prank(makeAddr("accomplice"));
        bridge.unwind(orphan.preimage, orphan.walked.entries);
        assertGt(makeAddr("accomplice").balance, 0);
        uint256 before = challenger.balance;
        challenge(evidence(worse, 0, preStates(second)), worse.walked.entries);
        assertEq(challenger.balance, before + MIN_LOCK / 2, "all of it is there");
    }

    // ---------------------------------------------------------------- roots that nothing has

    /// A root of zeros, as if the anchor held an empty tree, and a step on top of it that shows no state at all.
    function test_ARootOfNothingConvictsAndSoDoesWhatIsBuiltOnIt() public {
        Draft memory d = solo(a(), "", noAssets(), 0, 0);
        Step memory s = step(d);
        s.fresh[0].root = 0;
        Posted memory p = post(steps(s));
        assertEq(bridge.headOf(a().id), bytes32(uint256(p.id)), "a head without a root");
        nextBlock();
        Anchor memory mine = Anchor(a().id, p.id, a().state);
        Draft memory on = solo(mine, "", noAssets(), 0, 0);
        Posted memory q = post(steps(step(on)), 1);
        bytes[] memory nothing = new bytes[](1);
        challenge(evidence(q, 0, nothing), q.walked.entries);
        assertStatus(q, Status.Unwound);
        challenge(evidence(p, 0, preStates(d)), p.walked.entries);
        assertStatus(p, Status.Unwound);
        assertEq(uint40(uint256(bridge.headOf(a().id))), a().writer);
    }

    // ---------------------------------------------------------------- rules

    /// GAS hides in push data, where the scan does not look, and the code jumps there: the EVM does not go.
    function test_AJumpIntoPushDataGoesNowhere() public {
        // PUSH1 4 JUMP  PUSH5 (JUMPDEST GAS PUSH0 MSTORE STOP)
        address rule = registry.register(hex"600456645b5a5f5200");
        rules.push(rule);
        uint256 before = gasleft();
        (bool done,) = rule.staticcall{gas: 50_000}("");
        assertFalse(done);
        assertGt(before - gasleft(), 50_000, "an exception, which burns what it got");
        Draft memory d = ruled(uint8(rules.length), these(a()), noAssets(), "", 0);
        assertInvalid(d, "a verdict like any other");
    }

    /// A rule that is at the edge of its gas, asked with ten times as much, by accounts of every kind: it gets what was committed.
    function test_NoChallengerGivesARuleMoreGas() public {
        Draft memory d = puppet(these(a()), noAssets(), "", 0);
        uint32 least = 200;
        for (;; least += 100) {
            d.calls[0].gasLimit = least;
            if (verdict(trial(d))) break;
        }
        d.calls[0].gasLimit = least - 100;
        bytes memory starved = evidence(trial(d));
        d.calls[0].gasLimit = least;
        bytes memory enough = evidence(trial(d));
        for (uint256 limit = 5_000_000; limit < 2 ** 28; limit *= 3) {
            assertFalse(verifier.verify{gas: limit}(starved, address(bridge)), "too little");
            assertTrue(verifier.verify{gas: limit}(enough, address(bridge)), "enough");
        }
    }

    // ---------------------------------------------------------------- when the fault set is full

    /// 65,540 convicted lies that nobody unwinds: then the next conviction fails, unless it unwinds at once. Each of them has burnt half a
    /// lock, and anybody may unwind any of them.
    function test_AFullFaultSetCostsSixtyFiveThousandLocks() public {
        (Posted memory p, bytes memory proof) = _lie();
        uint256 word = uint256(vm.load(address(bridge), 0));
        for (uint256 i = 1; i <= 5; i++) {
            word += i << (40 * i);
        }
        vm.store(address(bridge), 0, bytes32(word + (uint256(0xfffe) << 240)));
        uint256 snapshot = vm.snapshotState();
        challenge(proof, "");
        assertEq(uint256(vm.load(address(bridge), 0)) >> 240, 0xffff, "the last that fits");
        vm.revertToState(snapshot);
        vm.store(address(bridge), 0, bytes32(word + (uint256(0xffff) << 240)));
        vm.expectRevert(abi.encodeWithSignature("Panic(uint256)", 0x11));
        challenge(proof, "");
        assertGt(65_540 * MIN_LOCK / 2, 3900 ether, "burnt for it, at the parameters of these tests");
        challenge(proof, p.walked.entries);
        assertStatus(p, Status.Unwound);
    }

    // ---------------------------------------------------------------- at the end of all ids

    /// In the last block that has ids, 51 years after the deployment: what was posted can be proven, unwound and claimed afterwards, though
    /// nothing can be posted any more.
    function test_TheLastLieIsProvenAndTheLastClaimPaid() public {
        vm.roll(DEPLOYMENT_BLOCK + 2 ** 27 - 1);
        (Posted memory p, bytes memory proof) = _lie();
        Draft memory d = withdrawal(c(), bob, address(0), 1 ether);
        Posted memory q = post(steps(step(d)), 1);
        nextBlock();
        vm.deal(address(this), 1);
        vm.expectRevert(GlobalWordLib.IdsExhausted.selector);
        bridge.deposit{value: 1}(keyFor(alice));
        Step[] memory list = steps(step(solo(a(), "", noAssets(), 0, 0)));
        _refuse(batchBytes(header(list, 2), list), abi.encodeWithSelector(GlobalWordLib.IdsExhausted.selector));
        vm.roll(block.number + WINDOW - 1);
        challenge(proof, "");
        nextBlock();
        bridge.unwind(p.preimage, p.walked.entries);
        uint256 before = bob.balance;
        bridge.claim(q.preimage, 0, d.withdrawals[0], "");
        assertEq(bob.balance, before + 1 ether);
        vm.prank(proposer);
        bridge.withdrawBond(1 ether, payable(proposer));
    }
}
