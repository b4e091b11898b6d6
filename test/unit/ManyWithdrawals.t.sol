// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {Status} from "../../contracts/types/BatchWord.sol";
import {Draft} from "../harness/Drafts.sol";
import {Random} from "../harness/Random.sol";
import {Selling} from "../harness/Selling.sol";
import {Again, Header, Posted, Step} from "../harness/Shapes.sol";

/// @notice A batch with more withdrawals than its word has bits (docs/spec.md, sections 4.7 and 4.8).
contract ManyWithdrawalsTest is Selling {
    using Random for Random.Rng;

    /// forge-config: default.fuzz.runs = 32
    function testFuzz_EachIsPaidOnceInWhateverOrder(uint256 seed) public {
        Random.Rng memory rng = Random.Rng(seed);
        uint256 count = rng.onceIn(2) ? 23 + rng.below(5) : 1 + rng.below(255);
        (Posted memory p, IBridge.Withdrawal[] memory list) = _postMany(count);
        vm.roll(block.number + WINDOW + 1);
        uint256 paid = 0;
        for (uint256 i = 0; i < 12 && i < count; i++) {
            uint256 position = rng.below(count);
            while ((paid >> position) % 2 == 1) {
                position = (position + 1) % count;
            }
            paid += 2 ** position;
            uint256 before = bob.balance;
            bridge.claim(p.preimage, position, list[position], withdrawalOpening(p, position));
            assertEq(bob.balance, before + list[position].amount);
            _expectPaid(p, list[position], position);
            uint256 word = wordOf(p) - (count > 24 ? i + 1 : paid);
            assertEq(bridge.wordOf(proposer, 0), word, "word");
            assertEq(_bitmap(p.id), count > 24 ? paid : 0, "bitmap");
        }
    }

    function test_PositionsBeyondTheLastAreNotThere() public {
        (Posted memory p, IBridge.Withdrawal[] memory list) = _postMany(25);
        vm.roll(block.number + WINDOW + 1);
        _expectPaid(p, list[24], 25);
        _expectPaid(p, list[24], 255);
        _expectPaid(p, list[24], 256);
        _expectPaid(p, list[24], 2 ** 255);
        IBridge.Terms memory terms = IBridge.Terms(bob, carol, address(0), 0, 0, false);
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IBridge.AlreadyPaid.selector, 280));
        bridge.assign(p.preimage, 280, list[24], "", terms, "");
    }

    function test_TheWordIsBusyUntilTheLastIsPaid() public {
        (Posted memory p, IBridge.Withdrawal[] memory list) = _postMany(255);
        vm.roll(block.number + WINDOW + 1);
        Step[] memory next = steps(step(solo(c(), "", noAssets(), 0, 0)));
        for (uint256 i = 0; i < 255; i++) {
            if (i % 127 == 0) {
                bytes memory batch = batchBytes(header(next, 0), next);
                bytes memory busy = abi.encodeWithSelector(IBridge.WordSlotBusy.selector, 0, bridge.wordOf(proposer, 0));
                vm.prank(proposer, proposer);
                vm.expectRevert(busy);
                bridge.submit(batch);
            }
            bridge.claim(p.preimage, i, list[i], withdrawalOpening(p, i));
        }
        assertEq(bridge.wordOf(proposer, 0), wordOf(p) - 255);
        assertEq(_bitmap(p.id), 2 ** 255 - 1);
        Posted memory q = post(next);
        assertEq(_bitmap(q.id), 0);
    }

    function test_TwoBatchesOfABlockHaveABitmapEach() public {
        // Ids that differ in their lowest bit only.
        post(steps(step(solo(c(), "", noAssets(), 0, 0))), 1);
        (Posted memory p, IBridge.Withdrawal[] memory list) = _postMany(25);
        assertEq(p.id % 2, 0);
        vm.roll(block.number + WINDOW + 1);
        bridge.claim(p.preimage, 3, list[3], withdrawalOpening(p, 3));
        assertEq(_bitmap(p.id), 8);
        assertEq(_bitmap(p.id + 1), 0);
    }

    function test_AClaimOfManyIsAssigned() public {
        (Posted memory p, IBridge.Withdrawal[] memory list) = _postMany(255);
        IBridge.Terms memory terms = IBridge.Terms(bob, carol, address(0), 1 ether, block.number, true);
        bytes memory signature = _sign(p, 254, 0, terms);
        vm.prank(carol);
        bridge.assign{value: 1 ether}(p.preimage, 254, list[254], withdrawalOpening(p, 254), terms, signature);
        assertEq(bridge.wordOf(proposer, 0), wordOf(p) + 2 ** 51);
        _assertAssigned(p, 254, carol, 1);
        vm.roll(block.number + WINDOW + 1);
        uint256 before = carol.balance;
        bridge.claim(p.preimage, 254, list[254], withdrawalOpening(p, 254));
        assertEq(carol.balance, before + list[254].amount);
        before = bob.balance;
        bridge.claim(p.preimage, 253, list[253], withdrawalOpening(p, 253));
        assertEq(bob.balance, before + list[253].amount);
        assertEq(bridge.wordOf(proposer, 0), wordOf(p) + 2 ** 51 - 2);
        assertEq(_bitmap(p.id), 3 * 2 ** 253);
        vm.prank(carol);
        vm.expectRevert(abi.encodeWithSelector(IBridge.AlreadyPaid.selector, 254));
        bridge.assign(p.preimage, 254, list[254], withdrawalOpening(p, 254), terms, "");
    }

    function test_ALieWithManyWithdrawalsIsConvictedAndUnwound() public {
        Draft memory lying = lie(solo(c(), "", noAssets(), 0, 0));
        (Step[] memory many,) = _many(254);
        Step[] memory list = new Step[](many.length + 1);
        list[0] = step(lying);
        for (uint256 i = 0; i < many.length; i++) {
            list[i + 1] = many[i];
            if (i != 0) list[i + 1].again[0].entry = 1;
        }
        Posted memory p = post(list);
        challenge(evidence(p, 0, preStates(lying)), "");
        assertStatus(p, Status.Faulty);
        assertEq(bridge.wordOf(proposer, 0), wordOf(p) + 2 ** 54);
        bridge.unwind(p.preimage, p.walked.entries);
        assertEq(bridge.wordOf(proposer, 0), wordOf(p) + 3 * 2 ** 54);
    }

    function test_MoreThanTheBytesCanHoldIsRefused() public {
        // The last step announces 15 withdrawals, of which none is there; zeros follow in the calldata.
        (Step[] memory list,) = _many(16);
        Header memory h = header(list, 0);
        bytes memory batch = batchBytes(h, list);
        uint256 cut = batch.length - 56;
        assembly ("memory-safe") {
            mstore(batch, cut)
        }
        vm.prank(proposer, proposer);
        vm.expectRevert(abi.encodeWithSelector(IBridge.MalformedBatch.selector));
        bridge.submit(batch);

        list = steps(step(solo(c(), "", noAssets(), 0, 0)));
        list[0].body = "";
        list[0].withdrawals = new IBridge.Withdrawal[](15);
        batch = batchBytes(header(list, 0), list);
        cut = batch.length - 15 * 56;
        assembly ("memory-safe") {
            mstore(batch, cut)
        }
        vm.prank(proposer, proposer);
        vm.expectRevert(abi.encodeWithSelector(IBridge.TooManyWithdrawals.selector, 0));
        bridge.submit(batch);
    }

    // ---------------------------------------------------------------- helpers

    /// @dev Steps on Alice's anchor that withdraw to Bob, one wei more each time. Nobody looks at what they say.
    function _many(uint256 count) private view returns (Step[] memory list, IBridge.Withdrawal[] memory all) {
        all = new IBridge.Withdrawal[](count);
        list = new Step[]((count + 14) / 15);
        for (uint256 i = 0; i < list.length; i++) {
            if (i == 0) {
                list[0] = step(solo(a(), "", noAssets(), 0, 0));
            } else {
                list[i].again = new Again[](1);
                list[i].again[0] = Again(0, bytes27(uint216(i)));
            }
            uint256 here = i + 1 < list.length ? 15 : count - 15 * i;
            list[i].withdrawals = new IBridge.Withdrawal[](here);
            for (uint256 j = 0; j < here; j++) {
                all[15 * i + j] = IBridge.Withdrawal(bob, address(0), uint128(100 + 15 * i + j));
                list[i].withdrawals[j] = all[15 * i + j];
            }
        }
    }

    function _postMany(uint256 count) private returns (Posted memory p, IBridge.Withdrawal[] memory all) {
        Step[] memory list;
        (list, all) = _many(count);
        p = post(list);
    }

    function _expectPaid(Posted memory p, IBridge.Withdrawal memory w, uint256 position) private {
        bytes memory siblings = position < p.walked.leaves.length ? withdrawalOpening(p, position) : bytes("");
        vm.expectRevert(abi.encodeWithSelector(IBridge.AlreadyPaid.selector, position));
        bridge.claim(p.preimage, position, w, siblings);
    }

    function _bitmap(uint40 id) private view returns (uint256) {
        return uint256(vm.load(address(bridge), bytes32(abi.encodePacked(bytes27(keccak256("nthroot.paid")), id))));
    }
}
