// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {IEvidenceErrors} from "../../contracts/interfaces/IEvidenceErrors.sol";
import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Codec} from "../harness/Codec.sol";
import {Draft} from "../harness/Drafts.sol";
import {Anchor, Call, Lease, Signed, State, unleased} from "../harness/Shapes.sol";
import {Trial, Trials} from "../harness/Trials.sol";

/// @notice What makes a step invalid beside its calls (docs/spec.md, sections 5 and 6): its body, its pre-states, its cost and
/// what it claims to lead to.
contract StepEvaluationTest is Trials {
    using Codec for *;

    // ---------------------------------------------------------------- claims

    function testFuzz_AnyOtherRootIsInvalid(uint256 bit, bool second) public view {
        bit = bound(bit, 40, 255);
        Trial memory t = trial(transfer(a(), b(), ETH, 1));
        bytes27 flipped = bytes27(bytes32(2 ** bit));
        t.step.fresh[second ? 1 : 0].root ^= flipped;
        assertInvalid(t, "fresh");
    }

    function test_RootsOfOpenedAndRepeatedTouchesCountToo() public view {
        Draft memory d = solo(a(), open(1, bob, noAssets()), noAssets(), 1, 0);
        d.opened[0] = unleased(1, bob, 0, noAssets(), "");
        Trial memory t = trial(d);
        assertValid(t, "opened");
        t.step.opened[0] ^= bytes27(uint216(1));
        assertInvalid(t, "opened, another root");

        d = draft(0, 0, 1, 0, 1);
        d.again[0] = a();
        d.calls[0] = Call(0, RULE_GAS, 64, ids(0), new Signed[](1), "");
        d.calls[0].signed[0] = sign(unsigned(0, "", noAssets()), account, a());
        d.againAfter[0] = a().state;
        d.againAfter[0].nonce = 1;
        t = trial(d);
        assertValid(t, "repeated");
        t.step.again[0].root ^= bytes27(uint216(1));
        assertInvalid(t, "repeated, another root");
    }

    function test_TouchesThatNoCallListsAreInvalid() public view {
        Draft memory d = solo(a(), "", noAssets(), 0, 0);
        Draft memory both = draft(2, 0, 0, 0, 1);
        (both.fresh[0], both.fresh[1]) = (a(), b());
        (both.freshAfter[0], both.freshAfter[1]) = (d.freshAfter[0], b().state);
        both.calls = d.calls;
        assertInvalid(both, "a fresh touch");
        Draft memory again = draft(1, 0, 1, 0, 1);
        again.fresh[0] = a();
        again.again[0] = b();
        (again.freshAfter[0], again.againAfter[0]) = (d.freshAfter[0], b().state);
        again.calls = d.calls;
        assertInvalid(again, "a repeated touch");
    }

    function test_FragmentNumbersAreDistinctAndWithinTheStep() public view {
        Draft memory d = puppet(these(vault(rules[0], one(ETH, 9), "")), noAssets(), write(0, hex"01"), 0);
        d.freshAfter[0].data = hex"01";
        assertValid(d, "once");
        d.calls[0].fragments = ids(0, 0);
        assertInvalid(d, "twice: two positions of one fragment");
        d.calls[0].fragments = ids(0, 1);
        assertInvalid(d, "beyond the step");
        d.calls[0].fragments = ids(0, 255);
        assertInvalid(d, "255");
    }

    function test_AnyFragmentIsListedOnce() public view {
        Anchor memory x = vault(rules[0], one(ETH, 9), "");
        Anchor memory y = vault(rules[0], one(ETH, 9), "");
        y.id++;
        Draft memory d = puppet(these(x, y), noAssets(), bytes.concat(write(0, hex"01"), write(1, hex"02")), 0);
        (d.freshAfter[0].data, d.freshAfter[1].data) = (hex"01", hex"02");
        assertValid(d, "both, once each");
        d.calls[0].fragments = ids(0, 1, 0);
        assertInvalid(d, "the first twice");
        d.calls[0].fragments = ids(0, 1, 1);
        assertInvalid(d, "the second twice");
    }

    function test_WithdrawalsThatNothingBacksAreInvalid() public view {
        Draft memory d = transfer(a(), b(), ETH, 1);
        d.withdrawals = new IBridge.Withdrawal[](1);
        d.withdrawals[0] = IBridge.Withdrawal(alice, address(0), 1);
        assertInvalid(d, "made up");
        d = withdrawal(a(), carol, address(0), 2 ether);
        d.withdrawals = new IBridge.Withdrawal[](0);
        assertInvalid(d, "left out");
    }

    function test_EachWithdrawalCounts() public view {
        Draft memory d =
            solo(a(), bytes.concat(withdraw(carol, address(0), 3), withdraw(bob, address(0), 4)), one(ETH, 7), 0, 2);
        d.freshAfter[0].assets = one(ETH, 5 ether - 7);
        d.withdrawals[0] = IBridge.Withdrawal(carol, address(0), 3);
        d.withdrawals[1] = IBridge.Withdrawal(bob, address(0), 4);
        assertValid(d, "both");
        d.withdrawals[1].amount = 5;
        assertInvalid(d, "another amount");
        d.withdrawals[1] = IBridge.Withdrawal(alice, address(0), 4);
        assertInvalid(d, "another recipient");
        d.withdrawals[1] = IBridge.Withdrawal(bob, address(1), 4);
        assertInvalid(d, "another token");
        (d.withdrawals[0], d.withdrawals[1]) =
        (IBridge.Withdrawal(bob, address(0), 4), IBridge.Withdrawal(carol, address(0), 3));
        assertInvalid(d, "another order");
    }

    function test_EachRepeatedTouchIsOfItsOwnAnchor() public view {
        Anchor[3] memory anchors = [a(), b(), c()];
        Draft memory d = draft(0, 0, 3, 0, 1);
        d.calls[0] = Call(0, RULE_GAS, 64, new uint8[](3), new Signed[](3), "");
        for (uint8 i = 0; i < 3; i++) {
            (d.again[i], d.entries[i]) = (anchors[i], i);
            d.calls[0].fragments[i] = i;
            d.calls[0].signed[i] = sign(unsigned(i, "", noAssets()), account, anchors[i]);
            d.againAfter[i] = anchors[i].state.copy();
            d.againAfter[i].nonce = 1;
        }
        Trial memory t = trial(d);
        assertValid(t, "all three");
        for (uint256 i = 0; i < 3; i++) {
            t.step.again[i].root ^= bytes27(uint216(1));
            assertInvalid(t, "another root");
            t.step.again[i].root ^= bytes27(uint216(1));
        }
    }

    function test_ARuleThatItsBatchDoesNotNameIsInvalid() public view {
        // Nothing happens, whatever is called.
        Draft memory d = solo(a(), "", noAssets(), 0, 0);
        d.freshAfter[0] = a().state;
        uint8[3] memory beyond = [5, 128, 255];
        for (uint256 i = 0; i < 3; i++) {
            d.calls[0].rule = beyond[i];
            assertInvalid(d, "there are four");
        }
    }

    function test_NoDomainIsTakenForAFurtherLeaf() public view {
        // It may lie behind the list of leaves, with any number where theirs have their touch.
        Draft memory d = puppet(these(vault(rules[0], one(ETH, 9), "")), noAssets(), write(0, hex"01"), 0);
        d.freshAfter[0].data = hex"01";
        Trial memory t = trial(d);
        uint256 touches = 0;
        for (uint160 i = 1; touches < 3; i++) {
            t.bridge = address(i);
            if (uint8(uint256(Codec.domain(block.chainid, t.bridge)) >> 88) != 0) continue;
            touches++;
            assertValid(t, "touch 0");
        }
    }

    // ---------------------------------------------------------------- pre-states

    function test_APreStateThatIsNotAStateIsInvalid() public view {
        bytes memory good = a().state.encode();
        _checkState(good, true, "a state");
        _checkState("", false, "empty");
        _checkState(bytes.concat(good, hex"00"), false, "a byte more");
        _checkState(_set(good, 1, 0), false, "kind 0");
        _checkState(_set(good, 1, 4), false, "kind 4");
        _checkState(_set(good, 1, 0x81), false, "a lease announced, none there");
        _checkState(_set(good, 1, 0x80), false, "kind 0 with a lease");
        _checkState(_set(good, 30, 2), false, "two assets announced, one there");
        _checkState(_set(good, 30, 0), false, "none announced, one there");
        _checkState(_set(good, good.length - 1, 1), false, "data announced, none there");
        for (uint256 length = 1; length < good.length; length += 5) {
            bytes memory cut = new bytes(length);
            for (uint256 i = 0; i < length; i++) {
                cut[i] = good[i];
            }
            _checkState(cut, false, "truncated");
        }
    }

    function test_WhatIsNotOfTheDomainOfLeavesIsNoPreState() public {
        // A cohort's root is a hash of 0x02 ‖ depth ‖ top, and a node's value one of 0x01 ‖ left ‖ right. Taken for states that are none,
        // they would convict whoever touches a cohort.
        Trial memory t = trial(solo(a(), "", noAssets(), 0, 0));
        for (uint256 domain = 1; domain < 256; domain += domain < 3 ? 1 : 84) {
            t.pre[0].states[0] = _set(a().state.encode(), 0, uint8(domain));
            vm.expectRevert(abi.encodeWithSelector(IEvidenceErrors.NotAPreState.selector, 0));
            verdict(t);
        }
    }

    function test_AStateHasItsAssetsInOrderAndNoZeros() public view {
        IRule.Asset[] memory list = new IRule.Asset[](2);
        list[0] = IRule.Asset(ETH, 5);
        list[1] = IRule.Asset(bytes32(uint256(1)), 5);
        _checkState(userState(alice, list).encode(), true, "in order");
        list[1].id = ETH;
        _checkState(userState(alice, list).encode(), false, "twice");
        list[0].id = bytes32(uint256(1));
        _checkState(userState(alice, list).encode(), false, "descending");
        list[0].id = bytes32(uint256(2));
        list[1].id = bytes32(uint256(1));
        _checkState(userState(alice, list).encode(), false, "descending, and none is zero");
        list[0].id = bytes32(uint256(1));
        list[1] = IRule.Asset(bytes32(uint256(2)), 0);
        _checkState(userState(alice, list).encode(), false, "zero");
    }

    function test_ALeaseHasAHolderAndAnEnd() public view {
        State memory state = userState(alice, one(ETH, 5));
        state.lease = Lease(proposer, 1);
        bytes memory good = state.encode();
        _checkState(good, true, "both");
        _checkState(_set(good, 1, 1), false, "not announced");
        state.lease = Lease(address(0), 1);
        _checkState(state.encode(), false, "no holder");
        state.lease = Lease(proposer, 0);
        _checkState(state.encode(), false, "no end");
        for (uint256 i = 30; i < 58; i++) {
            good[i] = 0;
        }
        _checkState(good, false, "neither");
    }

    function test_AStateIsOfBoundedSize() public view {
        State memory big = userState(alice, new IRule.Asset[](33));
        for (uint256 i = 0; i < 33; i++) {
            big.assets[i] = IRule.Asset(bytes32(i), 1);
        }
        _checkState(big.encode(), false, "33 assets");
        big.assets = noAssets();
        big.data = new bytes(2049);
        _checkState(big.encode(), false, "2,049 bytes");
        big.data = new bytes(2048);
        _checkState(big.encode(), true, "2,048 bytes");
        big.data = new bytes(60_000);
        _checkState(big.encode(), false, "60,000 bytes");
    }

    /// @dev Alice's anchor holds these bytes. The step consents to nothing else than its nonce.
    function _checkState(bytes memory state, bool valid, string memory what) private view {
        Trial memory t = trial(solo(a(), "", noAssets(), 0, 0));
        t.pre[0].states[0] = state;
        bytes memory after_ = bytes.concat(state);
        if (after_.length > 29) after_[29] = bytes1(uint8(after_[29]) + 1); // the nonce's last byte
        t.step.fresh[0].root = bytes27(keccak256(after_));
        assertEq(verdict(t), valid, what);
    }

    function _set(bytes memory data, uint256 place, uint8 value) private pure returns (bytes memory out) {
        out = bytes.concat(data);
        out[place] = bytes1(value);
    }

    // ---------------------------------------------------------------- the body

    function test_ABodyThatIsNotWellFormedIsInvalid() public view {
        bytes memory good = trial(transfer(a(), b(), ETH, 1)).step.body;
        _checkBody(good, true, "good");
        _checkBody("", false, "empty");
        _checkBody(hex"00", false, "form alone");
        _checkBody(hex"0000", false, "no call");
        _checkBody(hex"0001", false, "a call that is not there");
        _checkBody(_set(good, 0, 1), false, "a leaf table announced, none there");
        _checkBody(_set(good, 0, 2), false, "form 2");
        _checkBody(_set(good, 1, 2), false, "two calls announced, one there");
        _checkBody(_set(good, 1, 17), false, "17 calls");
        _checkBody(_set(good, 7, 0x21), false, "effects of 8,448 bytes"); // high byte of the effects' length
        _checkBody(_set(good, 9, 0), false, "no fragments");
        _checkBody(_set(good, 9, 17), false, "17 fragments");
        _checkBody(_set(good, 12, 3), false, "three signatures of two fragments");
        _checkBody(_set(good, 22, 33), false, "33 outflows");
        _checkBody(bytes.concat(good, hex"00"), false, "a byte more");
        for (uint256 length = 1; length < good.length; length += 11) {
            bytes memory cut = new bytes(length);
            for (uint256 i = 0; i < length; i++) {
                cut[i] = good[i];
            }
            _checkBody(cut, false, "truncated");
        }
    }

    function test_OtherSchemesThanOneToThreeAreNotWellFormed() public view {
        for (uint8 scheme = 0; scheme < 6; scheme++) {
            Draft memory d = transfer(a(), b(), ETH, 1);
            d.calls[0].signed[1].scheme = scheme;
            if (scheme == 1) assertValid(d, "1");
            else assertInvalid(d, "another");
        }
    }

    /// @dev Every body has a verdict.
    function testFuzz_NoBodyIsAnErrorOfTheVerifiers(bytes memory body) public view {
        if (body.length > 16_384) return;
        _checkBody(body, false, "junk");
        _checkBody(bytes.concat(hex"0001", body), false, "junk in a call");
    }

    function testFuzz_AChangedByteOfTheBodyHasAVerdict(uint256 place, uint8 value) public view {
        Trial memory t = trial(transfer(a(), b(), ETH, 1));
        t.step.body[bound(place, 0, t.step.body.length - 1)] = bytes1(value);
        verdict(t);
    }

    function _checkBody(bytes memory body, bool valid, string memory what) private view {
        Trial memory t = trial(transfer(a(), b(), ETH, 1));
        t.step.body = body;
        assertEq(verdict(t), valid, what);
    }

    // ---------------------------------------------------------------- the ceiling

    function test_AStepThatCostsMoreToProveThanItsCeilingIsInvalid() public view {
        Trial memory t = trial(transfer(a(), b(), ETH, 1));
        uint256 cost = proofGas(t);
        t.header.ceiling = uint32(cost);
        assertValid(t, "as high as the cost");
        t.header.ceiling = uint32(cost - 1);
        assertInvalid(t, "one less");
    }

    function test_TheCostSaturatesRatherThanWraps() public view {
        Draft memory d = draft(1, 0, 0, 0, 16);
        d.fresh[0] = a();
        d.freshAfter[0] = a().state;
        for (uint256 i = 0; i < 16; i++) {
            d.calls[i] = Call(0, type(uint32).max, 8192, ids(0), new Signed[](0), "");
        }
        assertInvalid(d, "16 calls of 2^32 - 1 gas");
    }
}
