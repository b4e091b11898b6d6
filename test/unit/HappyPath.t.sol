// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {Status} from "../../contracts/types/BatchWord.sol";
import {Draft} from "../harness/Drafts.sol";
import {Scenario} from "../harness/Scenario.sol";
import {Anchor, Posted} from "../harness/Shapes.sol";

/// @notice From deposit to payment, and what happens to the liar on the way.
contract HappyPathTest is Scenario {
    function test_AnHonestTransferCannotBeConvicted() public {
        Draft memory d = transfer(a(), b(), ETH, 1 ether);
        Posted memory p = post(steps(step(d)));
        bytes memory proof = evidence(p, 0, preStates(d));
        assertTrue(verifier.verify(proof, address(bridge)));
        vm.expectRevert(abi.encodeWithSelector(IBridge.StepIsValid.selector));
        challenge(proof, p.walked.entries);
    }

    function test_AWrongRootIsConvictedAndUnwoundAtOnce() public {
        bytes32 before = bridge.headOf(a().id);
        Draft memory d = lie(transfer(a(), b(), ETH, 1 ether));
        Posted memory p = post(steps(step(d)));
        assertTrue(bridge.headOf(a().id) != before);
        challenge(evidence(p, 0, preStates(d)), p.walked.entries);
        assertStatus(p, Status.Unwound);
        assertEq(bridge.headOf(a().id), before);
        assertEq(bridge.oldestFault(), 2 ** 40);
    }

    function test_FromDepositToPayment() public {
        Draft memory d = transfer(a(), b(), ETH, 1 ether);
        Posted memory first = post(steps(step(d)));
        nextBlock();
        Anchor memory mine = Anchor(b().id, first.id, d.freshAfter[1]);
        Draft memory out = withdrawal(mine, carol, address(0), 3 ether);
        Posted memory p = post(steps(step(out)), 1);
        assertTrue(verifier.verify(evidence(p, 0, preStates(out)), address(bridge)));

        uint256 posted = block.number;
        vm.roll(posted + WINDOW);
        vm.expectRevert(
            abi.encodeWithSelector(IBridge.NotFinal.selector, posted + WINDOW + 1, posted + WINDOW, 2 ** 40)
        );
        bridge.claim(p.preimage, 0, out.withdrawals[0], "");
        nextBlock();
        uint256 balance = carol.balance;
        bridge.claim(p.preimage, 0, out.withdrawals[0], "");
        assertEq(carol.balance, balance + 3 ether);
    }
}
