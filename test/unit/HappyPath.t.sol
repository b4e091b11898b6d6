// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {Status} from "../../contracts/types/BatchWord.sol";
import {Draft} from "../harness/Drafts.sol";
import {Posting} from "../harness/Posting.sol";
import {Anchor, Posted} from "../harness/Shapes.sol";

/// @notice From deposit to payment, and what happens to the liar on the way.
contract HappyPathTest is Posting {
    Anchor private a;
    Anchor private b;

    function setUp() public override {
        super.setUp();
        a = depositEth(alice, 5 ether);
        b = depositEth(bob, 2 ether);
        nextBlock();
        nextBlock();
    }

    function test_AnHonestTransferCannotBeConvicted() public {
        Draft memory d = transfer(a, b, ETH, 1 ether);
        Posted memory p = post(steps(step(d)));
        bytes memory proof = evidence(p, 0, preStates(d));
        assertTrue(verifier.verify(proof, address(bridge)));
        vm.expectRevert(abi.encodeWithSelector(IBridge.StepIsValid.selector));
        challenge(proof, p.walked.entries);
    }

    function test_AWrongRootIsConvictedAndUnwoundAtOnce() public {
        Draft memory d = lie(transfer(a, b, ETH, 1 ether));
        Posted memory p = post(steps(step(d)));
        bytes32 headA = vm.load(address(0), 0);
        headA = bridge.headOf(a.id);
        challenge(evidence(p, 0, preStates(d)), p.walked.entries);
        assertStatus(p, Status.Unwound);
        assertTrue(bridge.headOf(a.id) != headA);
        assertEq(uint40(uint256(bridge.headOf(a.id))), a.writer);
        assertEq(bridge.oldestFault(), 2 ** 40);
    }
}
