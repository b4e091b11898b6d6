// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {IEvidenceErrors} from "../../contracts/interfaces/IEvidenceErrors.sol";
import {Preimage} from "../../contracts/libraries/Preimage.sol";
import {Status} from "../../contracts/types/BatchWord.sol";
import {Codec} from "../harness/Codec.sol";
import {Draft} from "../harness/Drafts.sol";
import {Scenario} from "../harness/Scenario.sol";
import {Again, Anchor, Call, Header, Posted, Signed, State, Step, Walked} from "../harness/Shapes.sol";
import {Tree} from "../harness/Tree.sol";

/// @notice Three outcomes of a challenge, never confused: bad evidence, a valid step, fraud (docs/spec.md, section 7).
contract BridgeChallengeTest is Scenario {
    using Codec for *;

    // ---------------------------------------------------------------- outcomes

    function test_AnInvalidStepConvictsAndAnHonestOneDoesNot() public {
        Draft memory honest = transfer(a(), b(), ETH, 1);
        Draft memory lying = lie(solo(c(), "", noAssets(), 0, 0));
        Posted memory p = post(steps(step(honest), step(lying)));
        vm.expectRevert(abi.encodeWithSelector(IBridge.StepIsValid.selector));
        challenge(evidence(p, 0, preStates(honest)), p.walked.entries);
        assertStatus(p, Status.Live);
        vm.expectEmit(address(bridge));
        emit IBridge.Convicted(p.id, proposer, challenger, bridge.lockOf(CEILING, 3), true);
        challenge(evidence(p, 1, preStates(lying)), p.walked.entries);
        assertStatus(p, Status.Unwound);
    }

    /// 20 · 13 is more than a byte holds: the size of a rule table must not be reckoned in bytes.
    function test_ABatchWithAnyNumberOfRulesCanBeConvicted() public {
        for (uint16 count = 0; count <= 32; count++) {
            Draft memory lying = lie(transfer(a(), b(), ETH, 1));
            Header memory h = header(steps(step(lying)), count);
            h.rules = new address[](count);
            for (uint256 i = 0; i < count; i++) {
                h.rules[i] = account;
            }
            Posted memory p = post(proposer, h, steps(step(lying)));
            challenge(evidence(p, 0, preStates(lying)), p.walked.entries);
            assertStatus(p, Status.Unwound);
        }
    }

    function test_WithoutEntriesTheBatchStaysFaulty() public {
        (Posted memory p, bytes memory proof) = _lie();
        challenge(proof, "");
        assertStatus(p, Status.Faulty);
        assertEq(bridge.oldestFault(), p.id);
        assertEq(uint40(uint256(bridge.headOf(a().id))), p.id);
    }

    function test_ABatchThatSomethingWasBuiltOnIsConvictedAlone() public {
        (Posted memory p, bytes memory proof) = _lie();
        nextBlock();
        Anchor memory mine = Anchor(b().id, p.id, transfer(a(), b(), ETH, 1).freshAfter[1]);
        post(steps(step(solo(mine, "", noAssets(), 0, 0))), 1);
        challenge(proof, p.walked.entries);
        assertStatus(p, Status.Faulty);
        assertEq(bridge.oldestFault(), p.id);
    }

    function test_AConvictedBatchFailsCheaply() public {
        (Posted memory p, bytes memory proof) = _lie();
        challenge(proof, "");
        uint256 before = gasleft();
        vm.expectRevert(abi.encodeWithSelector(IBridge.WrongStatus.selector, Status.Faulty));
        challenge(proof, "");
        assertLt(before - gasleft(), 40_000);
        bridge.unwind(p.preimage, p.walked.entries);
        vm.expectRevert(abi.encodeWithSelector(IBridge.WrongStatus.selector, Status.Unwound));
        challenge(proof, "");
    }

    function test_ACondemnedBatchCanStillBeConvicted() public {
        (Posted memory p, bytes memory proof) = _lie();
        nextBlock();
        Anchor memory mine = Anchor(b().id, p.id, transfer(a(), b(), ETH, 1).freshAfter[1]);
        Draft memory second = lie(solo(mine, "", noAssets(), 0, 0));
        Posted memory q = post(steps(step(second)), 1);
        challenge(proof, "");
        bridge.condemn(q.preimage, q.walked.entries, 0, p.preimage);
        assertStatus(q, Status.Condemned);
        challenge(evidence(q, 0, preStates(second)), q.walked.entries);
        assertStatus(q, Status.Unwound);
        assertEq(bridge.oldestFault(), p.id, "the other fault is still there");
    }

    // ---------------------------------------------------------------- the window

    function test_AChallengeIsForTheWindow() public {
        (Posted memory p, bytes memory proof) = _lie();
        uint256 last = block.number + WINDOW;
        vm.roll(last + 1);
        vm.expectRevert(abi.encodeWithSelector(IBridge.ChallengeWindowOver.selector, last, last + 1));
        challenge(proof, p.walked.entries);
        vm.roll(last);
        challenge(proof, p.walked.entries);
    }

    // ---------------------------------------------------------------- bad evidence

    function test_EvidenceOfAnotherLengthIsBad() public {
        (, bytes memory proof) = _lie();
        _expectBad(
            bytes.concat(proof, hex"00"),
            abi.encodeWithSelector(IEvidenceErrors.EvidenceLength.selector, proof.length, proof.length + 1)
        );
        _expectBad(
            _cut(proof, proof.length - 1),
            abi.encodeWithSelector(IEvidenceErrors.EvidenceLength.selector, proof.length, proof.length - 1)
        );
        _expectBad("", abi.encodeWithSelector(Preimage.PreimageTruncated.selector, 185, 0));
        _expectBad(_cut(proof, 184), abi.encodeWithSelector(Preimage.PreimageTruncated.selector, 185, 184));
        // What is not there reads as zeros: an empty step.
        _expectBad(_cut(proof, 186), abi.encodeWithSelector(IEvidenceErrors.EvidenceLength.selector, 191, 186));
    }

    function test_APreimageEndsBehindItsRuleTable() public {
        Draft memory lying = lie(transfer(a(), b(), ETH, 1));
        Header memory h = header(steps(step(lying)), 0);
        h.rules = new address[](2);
        (h.rules[0], h.rules[1]) = (account, account);
        Posted memory p = post(proposer, h, steps(step(lying)));
        bytes memory proof = evidence(p, 0, preStates(lying));
        for (uint256 length = 185; length < 225; length++) {
            bytes memory reason = abi.encodeWithSelector(Preimage.PreimageTruncated.selector, 225, length);
            _expectBad(_cut(proof, length), reason);
        }
        // What is not there reads as zeros: an empty step.
        _expectBad(_cut(proof, 225), abi.encodeWithSelector(IEvidenceErrors.EvidenceLength.selector, 231, 225));
    }

    function test_EveryByteOfTheEvidenceIsCommittedTo() public {
        // Preimage, step and pre-states: whichever byte is changed, the evidence is bad, never fraud.
        (Posted memory p, bytes memory proof) = _lie();
        for (uint256 i = 0; i < proof.length; i++) {
            bytes memory bad = bytes.concat(proof);
            bad[i] ^= 0x01;
            vm.prank(challenger);
            try bridge.challenge(bad, "") {
                revert(string.concat("convicted with a changed byte ", vm.toString(i)));
            } catch (bytes memory reason) {
                bytes4 selector = bytes4(reason);
                if (i < 185) {
                    assertTrue(
                        selector == IBridge.UnknownBatch.selector || selector == Preimage.PreimageTruncated.selector,
                        "preimage"
                    );
                } else if (i < 187) {
                    assertEq(selector, IEvidenceErrors.StepOutOfRange.selector, "index");
                } else {
                    assertTrue(
                        selector == IEvidenceErrors.StepNotInBatch.selector
                            || selector == IEvidenceErrors.EvidenceLength.selector
                            || selector == IEvidenceErrors.NotAPreState.selector,
                        "step"
                    );
                }
            }
        }
        assertStatus(p, Status.Live);
    }

    function testFuzz_EvidenceWithOtherBytesNeverConvicts(uint256 place, bytes memory with) public {
        (Posted memory p, bytes memory proof) = _lie();
        place = bound(place, 0, proof.length - 1);
        bytes memory bad = bytes.concat(proof);
        bool same = true;
        for (uint256 i = 0; i < with.length && place + i < bad.length; i++) {
            same = same && bad[place + i] == with[i];
            bad[place + i] = with[i];
        }
        if (same) return;
        vm.prank(challenger);
        (bool convicted,) = address(bridge).call(abi.encodeCall(IBridge.challenge, (bad, "")));
        assertFalse(convicted);
        assertStatus(p, Status.Live);
    }

    function test_AnotherStateIndexSiblingOrAnchorIsBad() public {
        // An honest batch of ten steps, two of them on what others opened or touched.
        (Posted memory p, Draft memory d) = _ten();
        bytes[] memory states = preStates(d);
        bytes memory good = evidence(p, 8, states);
        vm.expectRevert(abi.encodeWithSelector(IBridge.StepIsValid.selector));
        challenge(good, "");

        // Another index: the siblings are those of another place.
        bytes memory siblings = Tree.opening(p.walked.commitments, 8);
        uint56[] memory none = new uint56[](0);
        bytes memory proof = Codec.evidence(p.preimage, 9, siblings, p.steps[8], p.again[8], states);
        _expectNotInBatch(p, proof, "index");
        // Beyond the batch.
        proof = Codec.evidence(p.preimage, 10, siblings, p.steps[8], p.again[8], states);
        _expectBad(proof, abi.encodeWithSelector(IEvidenceErrors.StepOutOfRange.selector, 10, 10));
        // Another sibling.
        siblings[40] ^= 0x01;
        proof = Codec.evidence(p.preimage, 8, siblings, p.steps[8], p.again[8], states);
        _expectNotInBatch(p, proof, "sibling");
        siblings[40] ^= 0x01;
        // Another anchor for the repeated touch.
        uint56[] memory other = new uint56[](1);
        other[0] = b().id;
        proof = Codec.evidence(p.preimage, 8, siblings, p.steps[8], other, states);
        _expectNotInBatch(p, proof, "anchor");
        proof = Codec.evidence(p.preimage, 8, siblings, p.steps[8], none, states);
        _expectBad(proof, "");
        // The state before the batch instead of that before the step: the nonce of an earlier time.
        states[0] = a().state.encode();
        proof = Codec.evidence(p.preimage, 8, siblings, p.steps[8], p.again[8], states);
        _expectNotInBatch(p, proof, "state");
    }

    function test_ASkippedStepCannotBeOpened() public {
        Draft memory stale = lie(transfer(a(), b(), ETH, 1));
        stale.fresh[0].writer++;
        Posted memory p = post(steps(step(stale), step(solo(c(), "", noAssets(), 0, 0))));
        assertEq(p.walked.commitments[0], 0);
        stale.fresh[0].writer--;
        bytes memory proof = evidence(p, 0, preStates(stale));
        _expectNotInBatch(p, proof, "skipped");
    }

    function test_EvidenceOfAnotherBatchIsBad() public {
        (Posted memory p, bytes memory proof) = _lie();
        Posted memory honest = post(steps(step(solo(c(), "", noAssets(), 0, 0))), 1);
        // The lying step under the preimage of the honest batch.
        bytes memory mixed = bytes.concat(honest.preimage, _from(proof, p.preimage.length));
        _expectNotInBatch(honest, mixed, "mixed");
        // A preimage that was never posted.
        bytes memory forged = bytes.concat(proof);
        forged[61] ^= 0x01; // the step root
        bytes32 commitment = keccak256(_cut(forged, p.preimage.length));
        _expectBad(
            forged, abi.encodeWithSelector(IBridge.UnknownBatch.selector, bridge.wordOf(proposer, 0), commitment)
        );
    }

    function test_EntriesMustBeThoseOfTheBatch() public {
        (Posted memory p, bytes memory proof) = _lie();
        bytes memory entries = bytes.concat(p.walked.entries);
        entries[10] ^= 0x01;
        vm.expectRevert(
            abi.encodeWithSelector(IBridge.EntriesMismatch.selector, keccak256(p.walked.entries), keccak256(entries))
        );
        challenge(proof, entries);
    }

    /// @dev If the split between pre-entries and step were the challenger's choice, an anchor id whose bytes look like a
    /// step's header would convict the honest: the second pre-entry is offered as the start of the step.
    function test_PreEntriesCannotBeTakenForAStep() public {
        Anchor memory first = a();
        Anchor memory second = b();
        uint256 bodySize = step(transfer(first, second, ETH, 1)).body.length;
        // 78 bytes of fresh touches and the body: one fresh touch, nothing else.
        second.id = uint56(((78 + bodySize) * 2 ** 16 + 0x1000) * 2 ** 24 + 0xabcdef);
        first.id = uint56(bytes7(bytes.concat(hex"abcdef", bytes4(second.state.root()))));
        first.writer = uint40(uint256(second.writer % 256) * 2 ** 32 + bodySize * 2 ** 16 + 0x2000);
        Draft memory d = transfer(first, second, ETH, 1);

        bytes memory entry = abi.encodePacked(second.id, Codec.head(second.state, second.writer));
        bytes memory bytes_ = step(d).encode();
        Walked memory w;
        w.stepRoot =
            keccak256(abi.encodePacked(first.id, Codec.head(first.state, first.writer), entry, bytes_, uint8(2)));
        bytes memory preimage = Codec.preimage(idAt(block.number, 1), proposer, w, header(steps(step(d)), 0).encode());
        uint56[] memory none = new uint56[](0);
        bytes memory honest = Codec.evidence(preimage, 0, "", bytes_, none, preStates(d));
        assertTrue(verifier.verify(honest, address(bridge)), "honest");

        bytes[] memory states = new bytes[](1);
        states[0] = preStates(d)[0];
        bytes memory shifted = Codec.evidence(preimage, 0, "", bytes.concat(entry, bytes_), none, states);
        bytes32 opened =
            keccak256(abi.encodePacked(first.id, Codec.head(first.state, first.writer), entry, bytes_, uint8(1)));
        vm.expectRevert(abi.encodeWithSelector(IEvidenceErrors.StepNotInBatch.selector, w.stepRoot, opened));
        verifier.verify(shifted, address(bridge));
    }

    // ---------------------------------------------------------------- gas

    function test_NoGasLimitChangesTheVerdict() public {
        (Posted memory p, bytes memory lying) = _lie();
        Draft memory d = solo(c(), "", noAssets(), 0, 0);
        Posted memory q = post(steps(step(d)), 1);
        bytes memory honest = evidence(q, 0, preStates(d));
        uint256 convictions = 0;
        for (uint256 limit = 30_000; limit < 900_000; limit += limit < 350_000 ? 1000 : 20_000) {
            uint256 snapshot = vm.snapshotState();
            vm.prank(challenger);
            (bool done,) = address(bridge).call{gas: limit}(abi.encodeCall(IBridge.challenge, (honest, "")));
            assertFalse(done, "an honest step is never convicted");
            vm.prank(challenger);
            (done,) = address(bridge).call{gas: limit}(abi.encodeCall(IBridge.challenge, (lying, p.walked.entries)));
            if (done) convictions++;
            assertStatus(p, done ? Status.Unwound : Status.Live);
            vm.revertToState(snapshot);
        }
        assertGt(convictions, 10);
    }

    function test_TooLittleGasIsNamedAndIsNoVerdict() public {
        (, bytes memory proof) = _lie();
        // Enough to open the evidence, not to promise the evaluation its bound.
        vm.prank(challenger);
        (bool done, bytes memory reason) =
            address(bridge).call{gas: 120_000}(abi.encodeCall(IBridge.challenge, (proof, "")));
        assertFalse(done);
        assertEq(bytes4(reason), IEvidenceErrors.NeedGas.selector);
    }

    function testFuzz_TheVerifierAnswersTheSameOrReverts(uint256 gasLimit, bool lying) public view {
        gasLimit = bound(gasLimit, 20_000, 3_000_000);
        Draft memory d = transfer(a(), b(), ETH, 1);
        if (lying) d = lie(d);
        bytes memory proof = _alone(d);
        try verifier.verify{gas: gasLimit}(proof, address(bridge)) returns (bool valid) {
            assertEq(valid, !lying);
        } catch (bytes memory reason) {
            // Need-gas, or gas ran out before anything was known.
            assertTrue(reason.length == 0 || bytes4(reason) == IEvidenceErrors.NeedGas.selector);
        }
    }

    // ---------------------------------------------------------------- helpers

    function _lie() private returns (Posted memory p, bytes memory proof) {
        Draft memory lying = lie(transfer(a(), b(), ETH, 1));
        p = post(steps(step(lying)));
        proof = evidence(p, 0, preStates(lying));
    }

    /// @dev Evidence for a step in a batch of its own that no bridge has seen.
    function _alone(Draft memory d) private view returns (bytes memory) {
        Step[] memory list = steps(step(d));
        Posted memory p = expectPosted(proposer, header(list, 0), list, nextId());
        return evidence(p, 0, preStates(d));
    }

    /// @dev Nine steps of Alice's one after the other, and one of Carol's. Returns the ninth.
    function _ten() private returns (Posted memory p, Draft memory ninth) {
        Step[] memory list = new Step[](10);
        Anchor memory now_ = a();
        for (uint256 i = 0; i < 9; i++) {
            Draft memory d = i == 0 ? draft(1, 0, 0, 0, 1) : draft(0, 0, 1, 0, 1);
            d.calls[0] = Call(0, RULE_GAS, 64, ids(0), new Signed[](1), "");
            d.calls[0].signed[0] = sign(unsigned(0, "", noAssets()), account, now_);
            Anchor memory before = Anchor(now_.id, now_.writer, now_.state.copy());
            now_.state.nonce++;
            if (i == 0) (d.fresh[0], d.freshAfter[0]) = (before, now_.state.copy());
            else (d.again[0], d.againAfter[0]) = (before, now_.state.copy());
            list[i] = step(d);
            if (i == 8) ninth = d;
        }
        list[9] = step(solo(c(), "", noAssets(), 0, 0));
        p = post(list);
    }

    function _expectBad(bytes memory proof, bytes memory reason) private {
        vm.prank(challenger);
        (bool done, bytes memory got) = address(bridge).call(abi.encodeCall(IBridge.challenge, (proof, "")));
        assertFalse(done);
        if (reason.length != 0) assertEq(got, reason);
    }

    /// @dev The root that comes out depends on the mistake: only that expected is known, and that it differs.
    function _expectNotInBatch(Posted memory p, bytes memory proof, string memory what) private {
        vm.prank(challenger);
        (bool done, bytes memory got) = address(bridge).call(abi.encodeCall(IBridge.challenge, (proof, "")));
        assertFalse(done, what);
        assertEq(got.length, 68, what);
        assertEq(bytes4(got), IEvidenceErrors.StepNotInBatch.selector, what);
        assertEq(bytes32(_from(got, 4)), p.walked.stepRoot, what);
        assertTrue(bytes32(_from(got, 36)) != p.walked.stepRoot, what);
    }

    function _cut(bytes memory data, uint256 length) private pure returns (bytes memory out) {
        out = new bytes(length);
        for (uint256 i = 0; i < length; i++) {
            out[i] = data[i];
        }
    }

    function _from(bytes memory data, uint256 start) private pure returns (bytes memory out) {
        out = new bytes(data.length - start);
        for (uint256 i = 0; i < out.length; i++) {
            out[i] = data[start + i];
        }
    }
}
