// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Codec} from "../harness/Codec.sol";
import {CohortTrials} from "../harness/CohortTrials.sol";
import {Draft} from "../harness/Drafts.sol";
import {Anchor, Call, Leaf, Signed, State, unleased} from "../harness/Shapes.sol";

/// @notice Fragments that the batch itself opened (docs/spec.md, section 6.1). Nobody can know the id of an anchor before its batch is
/// included, so nobody can have signed for it; the id of a leaf in an older cohort everybody knows.
contract OpenedFragmentsTest is CohortTrials {
    using Codec for *;

    address private mirror;

    function setUp() public override {
        super.setUp();
        mirror = register("Mirror.sol:Mirror");
        rules[RAW_RETURN - 1] = mirror;
        nextBlock();
    }

    /// @dev An anchor that an earlier step of the trial's batch opened.
    function _opened(State memory state) private view returns (Anchor memory) {
        uint40 own = idAt(block.number, 1);
        return Anchor(uint56(own) * 65_536 + 5, own, state);
    }

    /// @dev The same step on the same anchor, which an earlier step of the batch has updated already.
    function _again(Draft memory d) private pure returns (Draft memory r) {
        r = draft(0, 0, 1, 0, 0);
        (r.again[0], r.againAfter[0], r.againCohorts[0]) = (d.fresh[0], d.freshAfter[0], d.freshCohorts[0]);
        (r.calls, r.withdrawals) = (d.calls, d.withdrawals);
    }

    // ---------------------------------------------------------------- leaves

    function test_ALeafOpenedByAnEarlierStepIsUsedLikeAnyOther() public view {
        // Its id is known before inclusion: its anchor is older than the batch.
        assertValid(_again(withdrawLeaf(9, 300)), "withdraws");
        assertValid(_again(payLeaf(9, 300)), "is paid");
        assertValid(_again(openLeafStep(9, 300)), "and others are opened");
        assertInvalid(_again(lie(payLeaf(9, 300))), "a wrong root");
    }

    function test_ALeafOpenedByACallSignsTheNext() public view {
        Draft memory d = _openThenWithdraw();
        assertValid(d, "opened, then used");
        (d.calls[0], d.calls[1]) = (d.calls[1], d.calls[0]);
        assertInvalid(d, "used, then opened");
        d = _openThenWithdraw();
        d.calls[1].signed[0] = sign(unsigned(0, withdraw(carol, address(0), 4), one(ETH, 4)), account, 0, 0, keyOf[bob]);
        assertInvalid(d, "signed for id zero");
    }

    function test_WhatACallOpenedIsPaidByIdInTheNext() public view {
        Draft memory d = openLeafStep(9, 300);
        Leaf memory bobs = d.freshCohorts[0].leaves[0];
        bobs.next = unleased(1, bob, 1, one(ETH, 7), "");
        Call memory opening = d.calls[0];
        d.calls = new Call[](2);
        d.calls[0] = opening;
        d.calls[1] = Call(0, RULE_GAS, MAX_EFFECTS, ids(0, 1), new Signed[](2), "");
        Signed memory s = unsigned(0, pay(fragmentId(a(), 300), ETH, 3), one(ETH, 3));
        d.calls[1].signed[0] = sign(s, account, fragmentId(a()), 1, keyOf[alice]);
        d.calls[1].signed[1] = consent(1, 300, bob, "", noAssets());
        d.freshAfter[0] = unleased(1, alice, 2, one(ETH, 5 ether - 7), "");
        assertValid(d, "in the next");
        d = openLeafStep(9, 300);
        bytes memory payload = bytes.concat(openLeaf(1, bob, one(ETH, 4)), pay(fragmentId(a(), 300), ETH, 3));
        d.calls[0].signed[0] = consent(0, 0, alice, payload, one(ETH, 7));
        d.freshCohorts[0].leaves[0].next.assets = one(ETH, 7);
        d.freshAfter[0].assets = one(ETH, 5 ether - 7);
        assertInvalid(d, "in the same, where it is not listed");
    }

    function test_ALeafOpenedUnderARuleIsUsedByTheRulesNextCall() public view {
        Draft memory d = puppet(these(a()), noAssets(), leafEffect(0, 3, rules[0]), 0);
        d.freshCohorts[0] = cohort(9, leaves(empty(300, unleased(3, rules[0], 0, noAssets(), hex"77"))));
        Call memory opening = d.calls[0];
        d.calls = new Call[](2);
        d.calls[0] = opening;
        d.calls[1] = Call(PUPPET, RULE_GAS, 64, ids(1), new Signed[](0), write(0, hex"77"));
        assertValid(d, "written to");
        d.calls[0].extra = bytes.concat(leafEffect(0, 3, rules[0]), write(1, hex"77"));
        d.calls[1].extra = write(0, hex"78");
        d.freshCohorts[0].leaves[0].next.data = hex"78";
        assertValid(d, "in the call that opened it, too");
    }

    function _openThenWithdraw() private view returns (Draft memory d) {
        d = openLeafStep(9, 300);
        Call memory opening = d.calls[0];
        d.calls = new Call[](2);
        d.calls[0] = opening;
        d.calls[1] = Call(0, RULE_GAS, MAX_EFFECTS, ids(1), new Signed[](1), "");
        d.calls[1].signed[0] = consent(0, 300, bob, withdraw(carol, address(0), 4), one(ETH, 4));
        d.freshCohorts[0].leaves[0].next = unleased(1, bob, 1, noAssets(), "");
        d.withdrawals = withdrawLeaf(9, 300).withdrawals;
    }

    // ---------------------------------------------------------------- anchors

    function test_AnAnchorOpenedByTheBatchSignsNothing() public view {
        Anchor memory old = a();
        Anchor memory new_ = _opened(a().state);
        for (uint256 i = 0; i < 2; i++) {
            Anchor memory anchor = i == 0 ? old : new_;
            Draft memory d = draft(0, 0, 1, 0, 1);
            d.again[0] = anchor;
            d.againAfter[0] = unleased(1, alice, 1, one(ETH, 5 ether), "");
            d.calls[0] = Call(0, RULE_GAS, MAX_EFFECTS, ids(0), new Signed[](1), "");
            d.calls[0].signed[0] = sign(unsigned(0, "", noAssets()), account, anchor);
            if (i == 0) assertValid(d, "an older one");
            else assertInvalid(d, "a new one");
        }
    }

    function test_NorDoLeavesOfACohortOpenedByTheBatch() public view {
        for (uint256 i = 0; i < 2; i++) {
            Anchor memory anchor = i == 0 ? a() : _opened(a().state);
            Draft memory d = withdrawLeaf(9, 300);
            d.fresh[0] = anchor;
            Signed memory s = unsigned(0, withdraw(carol, address(0), 4), one(ETH, 4));
            d.calls[0].signed[0] = sign(s, account, fragmentId(anchor, 300), 0, keyOf[bob]);
            if (i == 0) assertValid(_again(d), "of an older one");
            else assertInvalid(_again(d), "of a new one");
        }
    }

    function test_ARuleGoesOnWithWhatTheBatchOpenedUnderIt() public view {
        // The header of a new cohort, under the rule: its call opens a leaf, and the next one writes to it.
        Draft memory d = draft(0, 0, 1, 0, 2);
        d.again[0] = _opened(unleased(3, rules[0], 0, one(ETH, 9), ""));
        d.againAfter[0] = unleased(3, rules[0], 0, one(ETH, 5), "");
        d.againCohorts[0] = cohort(9, leaves(empty(300, unleased(3, rules[0], 0, one(ETH, 4), hex"77"))));
        bytes memory effects = bytes.concat(leafEffect(0, 3, rules[0]), move(0, 1, ETH, 4));
        d.calls[0] = Call(PUPPET, RULE_GAS, 256, ids(0), new Signed[](0), effects);
        d.calls[1] = Call(PUPPET, RULE_GAS, 64, ids(1), new Signed[](0), write(0, hex"77"));
        assertValid(d, "a leaf of a new cohort");
        assertInvalid(_forAKey(d), "for a key: named without consent, which it cannot give");
    }

    /// @dev The leaf is opened for Bob instead, who is then given something by the rule.
    function _forAKey(Draft memory d) private view returns (Draft memory) {
        d.calls[0].extra = bytes.concat(leafEffect(0, 1, bob), move(0, 1, ETH, 4));
        d.calls[1] = Call(PUPPET, RULE_GAS, 64, ids(0, 1), new Signed[](0), move(0, 1, ETH, 1));
        d.againAfter[0].assets = one(ETH, 4);
        d.againCohorts[0].leaves[0].next = userState(bob, one(ETH, 5));
        return d;
    }

    function test_AStepThatTouchesNothingFreshOpensAnchorsToo() public view {
        Draft memory d = _opening();
        assertValid(d, "one is announced, one opened");
        // With one more, the next fragment in line is the rule's own, which is nobody's to take over.
        d.calls[0].extra = bytes.concat(openEffect(1, bob), move(0, 1, ETH, 4), openEffect(1, carol));
        (d.againAfter[0].kind, d.againAfter[0].controller) = (1, carol);
        assertInvalid(d, "one is announced, two opened");
    }

    /// @dev A rule opens an anchor for Bob out of what it holds in one that the batch has updated before.
    function _opening() private view returns (Draft memory d) {
        d = draft(0, 1, 1, 0, 1);
        d.again[0] = vault(rules[0], one(ETH, 9), "");
        d.againAfter[0] = unleased(3, rules[0], 0, one(ETH, 5), "");
        d.opened[0] = userState(bob, one(ETH, 4));
        bytes memory effects = bytes.concat(openEffect(1, bob), move(0, 1, ETH, 4));
        d.calls[0] = Call(PUPPET, RULE_GAS, 256, ids(1), new Signed[](0), effects);
    }

    // ---------------------------------------------------------------- what rules see

    function test_RulesSeeTheIdsOfLeaves() public view {
        uint80 leafId = fragmentId(a(), 300);
        assertValid(_mirrored(a(), leafId), "an older cohort's");
        assertInvalid(_mirrored(a(), fragmentId(a())), "not its header's");
        assertInvalid(_mirrored(a(), 0), "not zero");
        Anchor memory new_ = _opened(a().state);
        assertValid(_mirrored(new_, 0), "zero for a new cohort's");
        assertInvalid(_mirrored(new_, fragmentId(new_, 300)), "not the id that it has");
    }

    function test_RulesSeeTheIdOfALeafThatTheStepOpened() public {
        Draft memory d = puppet(these(a()), noAssets(), leafEffect(0, 3, rules[0]), 0);
        d.freshCohorts[0] = cohort(9, leaves(empty(300, unleased(3, rules[0], 0, noAssets(), hex"77"))));
        Call memory opening = d.calls[0];
        d.calls = new Call[](2);
        d.calls[0] = opening;
        d.calls[1] = Call(PUPPET, RULE_GAS, 64, ids(1), new Signed[](0), write(0, hex"77"));
        vm.expectCall(
            rules[0], _input(IRule.Fragment(fragmentId(a(), 300), 3, rules[0], noAssets(), ""), write(0, hex"77"))
        );
        assertValid(d, "shown");
    }

    function _input(IRule.Fragment memory fragment, bytes memory extra) private view returns (bytes memory) {
        IRule.Fragment[] memory shown = new IRule.Fragment[](1);
        shown[0] = fragment;
        IRule.Context memory context = IRule.Context(uint64(block.number - 1), proposer);
        return abi.encodeCall(IRule.transition, (context, shown, new IRule.Authorisation[](0), extra));
    }

    /// @dev The mirror's leaf of this anchor is written what the mirror sees, if that has this id.
    function _mirrored(Anchor memory anchor, uint80 id) private view returns (Draft memory d) {
        d = draft(0, 0, 1, 0, 1);
        d.again[0] = anchor;
        d.againAfter[0] = anchor.state.copy();
        Leaf memory l = leaf(300, unleased(3, mirror, 0, one(ETH, 9), ""));
        bytes memory input = _input(IRule.Fragment(id, 3, mirror, one(ETH, 9), ""), "");
        l.next = unleased(3, mirror, 0, one(ETH, 9), abi.encodePacked(keccak256(input)));
        d.againCohorts[0] = cohort(9, leaves(l));
        d.calls[0] = Call(RAW_RETURN, RULE_GAS, 256, ids(1), new Signed[](0), "");
    }
}
