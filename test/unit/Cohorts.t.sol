// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {Codec} from "../harness/Codec.sol";
import {CohortTree} from "../harness/CohortTree.sol";
import {CohortTrials} from "../harness/CohortTrials.sol";
import {Draft} from "../harness/Drafts.sol";
import {Anchor, Call, Leaf, Signed, State, unleased} from "../harness/Shapes.sol";
import {Trial} from "../harness/Trials.sol";

/// @notice Many fragments under one anchor: working on some of them, and opening them (docs/spec.md, sections 3 and 6).
contract CohortsTest is CohortTrials {
    using Codec for *;

    // ---------------------------------------------------------------- working on leaves

    function test_AHeaderPaysALeafAtEveryDepth() public view {
        for (uint8 depth = 1; depth <= 24; depth++) {
            uint24 last = uint24(2 ** depth - 1);
            assertValid(payLeaf(depth, last), "the last leaf");
            assertInvalid(lie(payLeaf(depth, last)), "another header");
            Draft memory d = payLeaf(depth, uint24(1 + uint256(keccak256(abi.encode(depth))) % last));
            assertValid(d, "some leaf");
            d.freshCohorts[0].leaves[0].next.assets[0].amount++;
            assertInvalid(d, "another leaf after");
            d = payLeaf(depth, 1);
            if (depth == 1) continue;
            Trial memory t = trial(d);
            d.freshCohorts[0].rest[depth - 2].value = 0;
            t.step = step(d);
            assertInvalid(t, "a root without some of the rest");
        }
    }

    function test_AHeaderNeedNotBeListedBesideOtherLeaves() public view {
        assertValid(withdrawLeaf(9, 300), "unlisted");
        Draft memory d = withdrawLeaf(9, 300);
        d.freshAfter[0].nonce++;
        assertInvalid(d, "unlisted, yet changed");
        d = withdrawLeaf(9, 300);
        d.fresh[0].state.data = hex"01";
        assertInvalid(d, "another header than the one before");
    }

    function test_AnAnchorTouchedForNothingIsInvalid() public view {
        // Its head would move, and whoever built on it would be stale.
        Draft memory one_ = withdrawal(b(), carol, address(0), 1);
        assertValid(one_, "by itself");
        Draft memory d = draft(2, 0, 0, 1, 1);
        (d.fresh[0], d.fresh[1]) = (b(), a());
        (d.freshAfter[0], d.freshAfter[1]) = (one_.freshAfter[0], a().state);
        (d.withdrawals, d.calls) = (one_.withdrawals, one_.calls);
        d.freshCohorts[1] = cohort(5, new Leaf[](0));
        assertInvalid(d, "with a header alone");
        d.freshCohorts[1] = cohort(5, leaves(leaf(7, userState(bob, one(ETH, 9)))));
        assertInvalid(d, "with a leaf");
    }

    function test_EachFurtherLeafIsListed() public view {
        Draft memory d = withdrawLeaf(9, 300);
        Leaf memory bobs = d.freshCohorts[0].leaves[0];
        d.freshCohorts[0] = cohort(9, leaves(bobs, leaf(301, userState(carol, one(ETH, 9)))));
        assertInvalid(d, "one is not");
    }

    function test_SeveralLeavesInOneStep() public view {
        uint24[] memory indices = new uint24[](15);
        for (uint24 i = 0; i < 15; i++) {
            indices[i] = 1 + 1000 * i * i;
        }
        assertValid(writeLeaves(24, indices), "15, scattered");
        for (uint24 i = 0; i < 15; i++) {
            indices[i] = 1 + i;
        }
        assertValid(writeLeaves(4, indices), "15 of 16, side by side");
        assertValid(writeLeaves(24, indices), "15 of many, side by side");
        Draft memory d = writeLeaves(24, indices);
        (d.freshCohorts[0].leaves[3].next, d.freshCohorts[0].leaves[4].next) =
        (d.freshCohorts[0].leaves[4].next, d.freshCohorts[0].leaves[3].next);
        assertInvalid(d, "in other places afterwards");
    }

    function test_TwoCohortsInOneStep() public view {
        Draft memory d = payLeaf(6, 33);
        Draft memory other = draft(2, 0, 0, 0, 2);
        (other.fresh[0], other.fresh[1]) = (a(), b());
        (other.freshAfter[0], other.freshAfter[1]) = (d.freshAfter[0], b().state);
        other.freshCohorts[0] = d.freshCohorts[0];
        other.freshCohorts[1] = cohort(3, leaves(puppetLeaf(5, hex"07"), puppetLeaf(6, hex"08")));
        other.calls[0] = d.calls[0];
        // Fragments: 0 and 1 of the first anchor, 2, 3 and 4 of the second.
        bytes memory effects = bytes.concat(write(0, hex"08"), write(1, hex"07"));
        other.calls[1] = Call(PUPPET, RULE_GAS, 64, ids(4, 3), new Signed[](0), effects);
        assertValid(other, "both");
        (other.fresh[0], other.fresh[1]) = (b(), a());
        assertInvalid(other, "the other way round");
    }

    // ---------------------------------------------------------------- opening

    function test_ALeafIsOpenedWhereThereIsNone() public view {
        assertValid(openLeafStep(8, 200), "empty");
        assertValid(openLeafStep(8, 1), "the first");
        Draft memory d = openLeafStep(8, 200);
        d.freshCohorts[0].leaves[0].state = userState(carol, one(ETH, 1));
        assertInvalid(d, "carol's");
        d.freshCohorts[0].leaves[0].state = userState(bob, one(ETH, 4));
        assertInvalid(d, "Bob's, and just like the new one");
    }

    function test_AnEmptyLeafThatIsNotOpenedConvicts() public view {
        Draft memory d = withdrawLeaf(9, 300);
        Leaf memory bobs = d.freshCohorts[0].leaves[0];
        Leaf memory none;
        none.index = 301;
        d.freshCohorts[0] = cohort(9, leaves(bobs, none));
        assertInvalid(d, "named in the table");
        d = payLeaf(9, 300);
        (d.freshCohorts[0].leaves[0].state, d.freshCohorts[0].leaves[0].next) = (none.state, none.next);
        assertInvalid(d, "paid");
        // As if it were a fragment under nobody.
        d.freshCohorts[0].leaves[0].next = unleased(0, address(0), 0, one(ETH, 4), "");
        assertInvalid(d, "paid into nothing");
    }

    function test_LeavesAreOpenedInTheOrderOfFragmentsAndAllOfThem() public view {
        Draft memory d =
            solo(a(), bytes.concat(openLeaf(1, bob, noAssets()), openLeaf(2, carol, one(ETH, 4))), one(ETH, 4), 0, 0);
        d.freshAfter[0].assets = one(ETH, 5 ether - 4);
        Leaf memory first = empty(5, userState(bob, noAssets()));
        Leaf memory second = empty(9, unleased(2, carol, 0, one(ETH, 4), ""));
        d.freshCohorts[0] = cohort(8, leaves(first, second));
        assertValid(d, "in order");
        (first.next, second.next) = (second.next, first.next);
        assertInvalid(d, "the other way round");
        (first.next, second.next) = (second.next, first.next);
        d.freshCohorts[0] = cohort(8, leaves(first));
        assertInvalid(d, "two for one");
        d = openLeafStep(8, 5);
        d.freshCohorts[0] = cohort(8, leaves(d.freshCohorts[0].leaves[0], empty(9, userState(bob, noAssets()))));
        assertInvalid(d, "one of two");
        // A leaf that exists between the two is passed over.
        d = solo(a(), bytes.concat(openLeaf(1, bob, noAssets()), openLeaf(1, bob, noAssets())), noAssets(), 0, 0);
        Leaf[] memory three = new Leaf[](3);
        three[0] = empty(5, userState(bob, noAssets()));
        three[1] = puppetLeaf(6, hex"01");
        three[2] = empty(7, userState(bob, noAssets()));
        d.freshCohorts[0] = cohort(8, three);
        Call memory opening = d.calls[0];
        d.calls = new Call[](2);
        d.calls[0] = opening;
        d.calls[1] = Call(PUPPET, RULE_GAS, 64, ids(2), new Signed[](0), write(0, hex"01"));
        assertValid(d, "around one");
    }

    function test_LeavesOfTwoCohortsAreOpenedInTheirOrder() public view {
        assertValid(_openInTwo(0, 1), "in order");
        assertInvalid(_openInTwo(1, 0), "the second cohort's first");
        assertInvalid(_openInTwo(0, 0), "both in the first");
    }

    function test_OpeningALeafNeedsAuthorityOverItsHeader() public view {
        // By a rule that the header signed for.
        assertValid(_openByPuppet(leafEffect(0, 1, bob), userState(bob, noAssets())), "the header's");
        assertInvalid(_openByPuppet(leafEffect(1, 1, bob), userState(bob, noAssets())), "a position beyond");
        // Bob's leaf signs for the next one.
        Draft memory d = withdrawLeaf(9, 300);
        d.calls[0].signed[0] = consent(0, 300, bob, openLeaf(1, bob, noAssets()), noAssets());
        d.withdrawals = new IBridge.Withdrawal[](0);
        Leaf memory bobs = d.freshCohorts[0].leaves[0];
        bobs.next.assets = bobs.state.assets;
        d.freshCohorts[0] = cohort(9, leaves(bobs, empty(301, userState(bob, noAssets()))));
        assertInvalid(d, "another leaf");
        // Bob's own anchor, where there is none to open.
        d = openLeafStep(9, 300);
        Draft memory both = draft(2, 0, 0, 0, 1);
        (both.fresh[0], both.fresh[1]) = (a(), b());
        (both.freshAfter[0], both.freshAfter[1]) = (a().state, b().state);
        both.freshAfter[0].nonce = 1;
        both.freshAfter[1] = unleased(1, bob, 1, one(ETH, 2 ether - 4), "");
        both.freshCohorts[0] = d.freshCohorts[0];
        both.calls[0] = Call(0, RULE_GAS, MAX_EFFECTS, ids(0, 2), new Signed[](2), "");
        both.calls[0].signed[0] = consent(0, 0, alice, "", noAssets());
        both.calls[0].signed[1] = sign(unsigned(1, openLeaf(1, bob, one(ETH, 4)), one(ETH, 4)), account, b());
        assertInvalid(both, "the header of another anchor");
    }

    function test_WhoALeafIsOpenedFor() public view {
        _checkLeaf(1, bob, true, "a key");
        _checkLeaf(2, bob, true, "a P-256 key");
        _checkLeaf(3, rules[0], true, "the rule itself");
        _checkLeaf(3, rules[1], false, "another rule");
        _checkLeaf(1, address(0), false, "nobody");
        _checkLeaf(2, address(0), false, "no P-256 key");
        _checkLeaf(0, bob, false, "kind 0");
        _checkLeaf(4, bob, false, "kind 4");
        _checkLeaf(0x81, bob, false, "with a lease");
    }

    function test_ANewCohortHasItsHeaderAlone() public view {
        for (uint8 depth = 0; depth <= 24; depth++) {
            Draft memory d = _openCohort(depth);
            assertValid(d, "as deep as said");
            d.depths[0] = depth == 24 ? 0 : depth + 1;
            assertInvalid(d, "another depth");
        }
        assertInvalid(_openCohort(25), "25");
        Trial memory t = trial(_openCohort(1));
        t.step.opened[0] = CohortTree.anchorRoot(1, keccak256(t.draft.opened[0].encode()));
        assertInvalid(t, "a top without the empty leaf");
    }

    function test_TheLeafOfANewCohortWaitsForAnotherStep() public view {
        // The table does not speak of opened touches: with one it cannot be read, and without there is no leaf to open.
        Draft memory d = _openCohort(3);
        d.calls[0].signed[0] =
            consent(0, 0, alice, bytes.concat(open(3, 1, bob, one(ETH, 4)), openLeaf(1, bob, noAssets())), one(ETH, 4));
        assertInvalid(d, "in its step");
    }

    function _openCohort(uint8 depth) private view returns (Draft memory d) {
        d = solo(a(), open(depth, 1, bob, one(ETH, 4)), one(ETH, 4), 1, 0);
        d.freshAfter[0].assets = one(ETH, 5 ether - 4);
        d.opened[0] = userState(bob, one(ETH, 4));
        d.depths[0] = depth;
    }

    /// @dev Two vaults of the puppet's, each the header of a cohort with an empty leaf. It opens leaves in this order.
    function _openInTwo(uint8 first, uint8 second) private view returns (Draft memory d) {
        Anchor memory x = vault(rules[0], noAssets(), "");
        Anchor memory y = vault(rules[0], noAssets(), "");
        y.id++;
        bytes memory effects = bytes.concat(leafEffect(first, 1, bob), leafEffect(second, 1, bob));
        d = puppet(these(x, y), noAssets(), bytes.concat(write(0, hex"01"), write(1, hex"01"), effects), 0);
        d.calls[0].fragments = ids(0, 2);
        (d.freshAfter[0].data, d.freshAfter[1].data) = (hex"01", hex"01");
        d.freshCohorts[0] = cohort(4, leaves(empty(5, userState(bob, noAssets()))));
        d.freshCohorts[1] = cohort(4, leaves(empty(5, userState(bob, noAssets()))));
    }

    function _openByPuppet(bytes memory effects, State memory next) private view returns (Draft memory d) {
        d = puppet(these(a()), noAssets(), effects, 0);
        d.freshCohorts[0] = cohort(9, leaves(empty(300, next)));
    }

    function _checkLeaf(uint8 kind, address controller, bool valid, string memory what) private view {
        Draft memory d = _openByPuppet(leafEffect(0, kind, controller), unleased(kind, controller, 0, noAssets(), ""));
        assertEq(verdict(trial(d)), valid, what);
    }
}
