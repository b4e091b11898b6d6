// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IEvidenceErrors} from "../../contracts/interfaces/IEvidenceErrors.sol";
import {Codec} from "../harness/Codec.sol";
import {CohortTree} from "../harness/CohortTree.sol";
import {CohortTrials} from "../harness/CohortTrials.sol";
import {Draft} from "../harness/Drafts.sol";
import {Random} from "../harness/Random.sol";
import {Call, Leaf, Node, Signed, State} from "../harness/Shapes.sol";
import {Pre, Trial} from "../harness/Trials.sol";

/// @notice Which leaves a step says it works on, and what opens them (docs/spec.md, sections 5 and 7): a table that cannot be read
/// convicts, a tree that is not the batch's is bad evidence.
contract CohortEvidenceTest is CohortTrials {
    using Codec for *;
    using Random for Random.Rng;

    // ---------------------------------------------------------------- the table of leaves

    function test_ALeafThatIsNotBelowTheCohortsSizeConvicts() public view {
        for (uint8 depth = 0; depth < 24; depth++) {
            uint24 beyond = uint24(2 ** depth);
            if (depth > 0) assertValid(openLeafStep(depth, beyond - 1), "the last leaf");
            Draft memory d = openLeafStep(depth, beyond);
            d.freshCohorts[0].rest = new Node[](0);
            assertInvalid(d, "behind the last one");
            d.freshCohorts[0].leaves[0].index = type(uint24).max;
            assertInvalid(d, "far behind");
            // Beside one that is there.
            if (depth == 0) continue;
            d = withdrawLeaf(depth, 1);
            d.freshCohorts[0].leaves = leaves(d.freshCohorts[0].leaves[0], leaf(beyond, userState(bob, noAssets())));
            assertInvalid(d, "beside another");
        }
    }

    function test_ATableThatCannotBeReadConvicts() public view {
        _checkTable(hex"01000003", true, "leaf 3");
        _checkTable(hex"02000003000003", false, "leaf 3 twice");
        _checkTable(hex"02000003000001", false, "descending");
        _checkTable(hex"02000000000003", false, "leaf 0 named");
        _checkTable(hex"01000000", false, "leaf 0 alone");
        bytes memory many = hex"10";
        for (uint24 i = 1; i <= 16; i++) {
            many = abi.encodePacked(many, i);
        }
        _checkTable(many, false, "17 fragments");
        _checkTable(bytes.concat(hex"ff", new bytes(600)), false, "255 leaves");
        bytes memory body = trial(withdrawLeaf(2, 3)).step.body;
        _checkBody(_cut(body, 0), "no form");
        _checkBody(_cut(body, 1), "no table");
        _checkBody(_cut(body, 2), "no leaf");
        _checkBody(_cut(body, 4), "half a leaf");
        body[0] = 0x02;
        _checkBody(body, "form 2");
        body[0] = 0xff;
        _checkBody(body, "form 255");
    }

    function test_ATableThatEndsTheBodyIsNotWellFormed() public view {
        Trial memory t = trial(withdrawLeaf(2, 3));
        t.step.body = _cut(t.step.body, 5);
        assertInvalid(t, "no calls");
        t.step.body = bytes.concat(t.step.body, hex"00");
        assertInvalid(t, "zero calls");
    }

    function test_ATableMayBeEmpty() public view {
        Trial memory t = trial(solo(a(), "", noAssets(), 0, 0));
        assertEq(t.step.body[0], bytes1(0));
        bytes memory calls = new bytes(t.step.body.length - 1);
        for (uint256 i = 0; i < calls.length; i++) {
            calls[i] = t.step.body[i + 1];
        }
        t.step.body = bytes.concat(hex"0100", calls);
        assertValid(t, "no further leaf");
        t.step.body = bytes.concat(hex"01", calls);
        assertInvalid(t, "nothing said");
    }

    function test_SixteenFragmentsOverAllTouches() public view {
        for (uint24 extra = 13; extra <= 15; extra++) {
            uint24[] memory indices = new uint24[](extra);
            for (uint24 i = 0; i < extra; i++) {
                indices[i] = 1 + 3 * i;
            }
            Draft memory d = writeLeaves(10, indices);
            Draft memory both = draft(1, 0, 1, 0, 2);
            both.fresh[0] = b();
            Draft memory other = solo(b(), "", noAssets(), 0, 0);
            both.freshAfter[0] = other.freshAfter[0];
            (both.again[0], both.againAfter[0]) = (a(), a().state);
            both.againCohorts[0] = d.freshCohorts[0];
            (both.calls[0], both.calls[1]) = (other.calls[0], d.calls[0]);
            for (uint256 i = 0; i < extra; i++) {
                both.calls[1].fragments[i]++;
            }
            // The header of each touch counts: 2 + 14 are as many as there may be.
            if (extra <= 14) assertValid(both, "at most 16");
            else _assertUnreadable(trial(both), "17");
        }
    }

    function test_AnOpenedTouchCountsAmongTheSixteenToo() public view {
        for (uint24 extra = 14; extra <= 15; extra++) {
            uint24[] memory indices = new uint24[](extra);
            for (uint24 i = 0; i < extra; i++) {
                indices[i] = 1 + 3 * i;
            }
            Draft memory both = writeLeaves(10, indices);
            (both.opened, both.depths) = (new State[](1), new uint8[](1));
            both.opened[0] = userState(bob, noAssets());
            both.calls[0].extra = bytes.concat(both.calls[0].extra, openEffect(1, bob));
            if (extra == 14) assertValid(both, "16");
            else _assertUnreadable(trial(both), "17, the last of which has no part in the table");
        }
    }

    function test_ATableOfTooManyLeavesConvictsThoughNoCallNamesThem() public view {
        Trial memory t = trial(solo(a(), "", noAssets(), 0, 0));
        bytes memory calls = new bytes(t.step.body.length - 1);
        for (uint256 i = 0; i < calls.length; i++) {
            calls[i] = t.step.body[i + 1];
        }
        bytes memory many = hex"0110";
        for (uint24 i = 1; i <= 16; i++) {
            many = abi.encodePacked(many, i);
        }
        t.step.body = bytes.concat(many, calls);
        assertInvalid(t, "17 fragments, and a call that would be valid without them");
    }

    /// @dev Of three touches the table speaks of the first and the last.
    function test_EachCohortHasItsLeavesInTheTableAndAnOpenedTouchNone() public view {
        Draft memory d = draft(1, 1, 1, 0, 1);
        (d.fresh[0], d.freshAfter[0]) = (a(), a().state);
        (d.again[0], d.againAfter[0]) = (b(), b().state);
        d.opened[0] = userState(bob, noAssets());
        d.freshCohorts[0] = cohort(9, leaves(puppetLeaf(300, hex"77"), puppetLeaf(301, hex"78")));
        d.againCohorts[0] = cohort(4, leaves(puppetLeaf(5, hex"79")));
        bytes memory effects = bytes.concat(write(0, hex"77"), write(1, hex"78"), write(2, hex"79"), openEffect(1, bob));
        d.calls[0] = Call(PUPPET, RULE_GAS, 256, ids(1, 2, 5), new Signed[](0), effects);
        assertValid(d, "leaves of two cohorts, an opened anchor between");
        d.againCohorts[0].leaves[0].next.data = hex"7a";
        assertInvalid(d, "another root of the last");
    }

    /// @dev A withdrawal from leaf 3 of a cohort of four; with `table` in the body.
    function _checkTable(bytes memory table, bool readable, string memory what) private view {
        bytes memory good = trial(withdrawLeaf(2, 3)).step.body;
        bytes memory calls = new bytes(good.length - 5);
        for (uint256 i = 0; i < calls.length; i++) {
            calls[i] = good[i + 5];
        }
        bytes memory body = bytes.concat(hex"01", table, calls);
        if (!readable) return _checkBody(body, what);
        assertEq(body, good);
        assertValid(withdrawLeaf(2, 3), what);
    }

    function _checkBody(bytes memory body, string memory what) private view {
        Trial memory t = trial(withdrawLeaf(2, 3));
        t.step.body = body;
        _assertUnreadable(t, what);
    }

    /// @dev Evidence is then as though no table was there: all leaves but the header belong to the rest of the tree.
    function _assertUnreadable(Trial memory t, string memory what) private view {
        for (uint256 i = 0; i < t.pre.length; i++) {
            Pre memory p = t.pre[i];
            Node[] memory rest = new Node[](p.rest.length + p.leaves.length - 1);
            for (uint256 j = 0; j < rest.length; j++) {
                if (j < p.rest.length) rest[j] = p.rest[j];
                else rest[j] = Node(0, p.leaves[j - p.rest.length + 1], keccak256(p.states[j - p.rest.length + 1]));
            }
            bytes[] memory states = new bytes[](1);
            states[0] = p.states[0];
            t.pre[i] = Pre(p.depth, new uint24[](1), states, rest);
        }
        assertInvalid(t, what);
    }

    // ---------------------------------------------------------------- evidence

    function test_TheDepthIsNotTheChallengersToChoose() public {
        Draft[3] memory drafts = [payLeaf(1, 1), openLeafStep(3, 1), solo(a(), "", noAssets(), 0, 0)];
        for (uint256 i = 0; i < 3; i++) {
            Trial memory t = trial(drafts[i]);
            uint8 honest = t.pre[0].depth;
            assertValid(t, "honest");
            for (uint8 depth = 0; depth <= 24; depth++) {
                if (depth == honest) continue;
                Trial memory other = trial(drafts[i]);
                other.pre[0].depth = depth;
                _assertBad(t, other);
            }
            t.pre[0].depth = 25;
            vm.expectRevert(abi.encodeWithSelector(IEvidenceErrors.DepthTooLarge.selector, 25));
            verifier.verify(evidence(t, statesOf(t.pre[0])), t.bridge);
        }
    }

    function test_ACohortsRootIsNotTakenForASingleFragments() public {
        Draft memory d = solo(a(), "", noAssets(), 0, 0);
        d.freshCohorts[0] = cohort(3, new Leaf[](0));
        Trial memory t = trial(d);
        assertValid(t, "honest");
        Node[] memory nodes = new Node[](4);
        nodes[0] = Node(0, 0, keccak256(t.pre[0].states[0]));
        for (uint256 i = 0; i < 3; i++) {
            nodes[i + 1] = t.pre[0].rest[i];
        }
        bytes memory raw = abi.encodePacked(uint8(2), uint8(3), CohortTree.valueOf(nodes, 3, 0));
        assertEq(bytes27(keccak256(raw)), rootBefore(t.pre[0]));
        vm.expectRevert(abi.encodeWithSelector(IEvidenceErrors.NotAPreState.selector, 0));
        verifier.verify(evidence(t, abi.encodePacked(uint8(0), uint16(raw.length), raw)), t.bridge);
    }

    function test_SiblingsPaddedMissingOrReorderedAreBad() public {
        Trial memory t = trial(payLeaf(5, 19));
        bytes memory trees_ = trees(t.pre);
        uint256 size = evidence(t).length;
        _expectLength(size, size + 32);
        verifier.verify(evidence(t, bytes.concat(trees_, bytes32(0))), t.bridge);
        _expectLength(size, size - 32);
        verifier.verify(evidence(t, _cut(trees_, trees_.length - 32)), t.bridge);
        uint256 first = size - siblingsOf(t.pre[0]).length;
        _expectLength(first, size + 1);
        verifier.verify(evidence(t, bytes.concat(trees_, hex"00")), t.bridge);
        _expectLength(first, size - 1);
        verifier.verify(evidence(t, _cut(trees_, trees_.length - 1)), t.bridge);
        Trial memory other = trial(payLeaf(5, 19));
        Node[] memory rest = other.pre[0].rest;
        for (uint256 i = 1; i < rest.length; i++) {
            (rest[0].value, rest[i].value) = (rest[i].value, rest[0].value);
            _assertBad(t, other);
            (rest[0].value, rest[i].value) = (rest[i].value, rest[0].value);
        }
        assertEq(evidence(t, trees(other.pre)), evidence(t));
        assertValid(t, "as they are");
    }

    function test_PreStatesMissingMadeUpOrExchangedAreBad() public {
        Trial memory t = trial(payLeaf(5, 19));
        Trial memory other = trial(payLeaf(5, 19));
        other.pre[0].states[1] = "";
        _assertBad(t, other);
        other = trial(payLeaf(5, 19));
        other.pre[0].states[0] = "";
        _assertBad(t, other);
        other = trial(payLeaf(5, 19));
        (other.pre[0].states[0], other.pre[0].states[1]) = (other.pre[0].states[1], other.pre[0].states[0]);
        _assertBad(t, other);
        t = trial(openLeafStep(5, 19));
        other = trial(openLeafStep(5, 19));
        other.pre[0].states[1] = userState(carol, one(ETH, 1)).encode();
        _assertBad(t, other);
        other.pre[0].states[1] = hex"02";
        vm.expectRevert(abi.encodeWithSelector(IEvidenceErrors.NotAPreState.selector, 1));
        verifier.verify(evidence(t, trees(other.pre)), t.bridge);
    }

    /// @dev The tree of the contracts, the sparse one of the harness and a full one are the same.
    function testFuzz_AnyLeavesOfAnyTree(uint256 seed) public {
        Random.Rng memory rng = Random.Rng(seed);
        uint8 depth = uint8(1 + rng.below(6));
        uint24[] memory indices = _subset(rng, 2 ** depth);
        Draft memory d = writeLeaves(depth, indices);
        bytes32[] memory values = new bytes32[](2 ** depth);
        Node[] memory rest = new Node[](values.length - 1 - indices.length);
        uint256 place = 0;
        uint256 worked = 0;
        for (uint24 i = 1; i < values.length; i++) {
            if (worked < indices.length && indices[worked] == i) {
                values[i] = d.freshCohorts[0].leaves[worked++].state.value();
            } else {
                if (!rng.onceIn(3)) values[i] = bytes32(rng.next());
                rest[place++] = Node(0, i, values[i]);
            }
        }
        values[0] = a().state.value();
        d.freshCohorts[0].rest = rest;
        Trial memory t = trial(d);
        assertEq(rootBefore(t.pre[0]), CohortTree.anchorRoot(depth, CohortTree.top(values)));
        assertValid(t, "honest");
        if (rest.length != 0) {
            Trial memory other = trial(d);
            other.pre[0].rest[rng.below(rest.length)].value ^= bytes32(1 + rng.next() / 2);
            _assertBad(t, other);
        }
        t.step.fresh[0].root ^= bytes27(uint216(1) << uint216(rng.below(216)));
        assertInvalid(t, "another root");
    }

    // ---------------------------------------------------------------- helpers

    /// @dev At least one and at most 15 of 1, 2, … n − 1.
    function _subset(Random.Rng memory rng, uint256 n) private pure returns (uint24[] memory list) {
        list = new uint24[](15);
        uint256 count = 0;
        uint256 density = 1 + rng.below(8);
        for (uint24 i = 1; i < n && count < 15; i++) {
            if (rng.onceIn(density) || (i == n - 1 && count == 0)) list[count++] = i;
        }
        assembly ("memory-safe") {
            mstore(list, count)
        }
    }

    /// @dev What `other` says of the trees does not open the step of `t`.
    function _assertBad(Trial memory t, Trial memory other) private {
        bytes memory proof = evidence(t, trees(other.pre));
        vm.expectRevert(abi.encodeWithSelector(IEvidenceErrors.StepNotInBatch.selector, stepRoot(t), stepRoot(other)));
        verifier.verify(proof, t.bridge);
    }

    function _expectLength(uint256 expected, uint256 given) private {
        vm.expectRevert(abi.encodeWithSelector(IEvidenceErrors.EvidenceLength.selector, expected, given));
    }

    function _cut(bytes memory data, uint256 length) private pure returns (bytes memory out) {
        out = new bytes(length);
        for (uint256 i = 0; i < length; i++) {
            out[i] = data[i];
        }
    }
}
