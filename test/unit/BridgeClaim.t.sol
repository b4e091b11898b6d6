// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {Status} from "../../contracts/types/BatchWord.sol";
import {Draft} from "../harness/Drafts.sol";
import {Scenario} from "../harness/Scenario.sol";
import {Anchor, Posted, Step} from "../harness/Shapes.sol";

interface IActor {
    enum Mood {
        Taking,
        Refusing,
        Burning,
        Calling
    }

    function set(Mood mood, address target, bytes calldata call_) external;
    function called() external view returns (bool);
    function answer() external view returns (bytes memory);
}

interface IMintable {
    function mint(address to, uint256 amount) external;
    function balanceOf(address who) external view returns (uint256);
}

/// @notice Withdrawals of final batches are paid, once each (docs/spec.md, section 9).
contract BridgeClaimTest is Scenario {
    function test_AFinalWithdrawalIsPaidOnceByAnyone() public {
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(11);
        vm.roll(block.number + WINDOW + 1);
        for (uint256 i = 11; i > 0; i--) {
            uint256 before = bob.balance;
            vm.expectEmit(address(bridge));
            emit IBridge.Claimed(p.id, i - 1, bob, address(0), list[i - 1].amount);
            vm.prank(carol);
            bridge.claim(p.preimage, i - 1, list[i - 1], withdrawalOpening(p, i - 1));
            assertEq(bob.balance, before + list[i - 1].amount);
            _expect(p, i - 1, list[i - 1], abi.encodeWithSelector(IBridge.AlreadyPaid.selector, i - 1));
        }
        _expect(p, 11, list[0], abi.encodeWithSelector(IBridge.AlreadyPaid.selector, 11));
        vm.expectRevert(abi.encodeWithSelector(IBridge.AlreadyPaid.selector, 2 ** 200));
        bridge.claim(p.preimage, 2 ** 200, list[0], "");
    }

    function test_NothingIsPaidBeforeTheWindowIsOver() public {
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(1);
        uint256 finalAt = block.number + WINDOW + 1;
        assertEq(bridge.finalAt(p.preimage), finalAt);
        vm.roll(finalAt - 1);
        _expect(p, 0, list[0], abi.encodeWithSelector(IBridge.NotFinal.selector, finalAt, finalAt - 1, 2 ** 40));
        vm.roll(finalAt);
        bridge.claim(p.preimage, 0, list[0], "");
    }

    function test_AWrongOpeningIsRefused() public {
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(11);
        vm.roll(block.number + WINDOW + 1);
        bytes32 root = p.walked.withdrawalRoot;
        bytes memory siblings = withdrawalOpening(p, 3);
        // Another length opens nothing.
        bytes memory none = abi.encodeWithSelector(IBridge.WithdrawalNotOpen.selector, root, bytes32(0));
        vm.expectRevert(none);
        bridge.claim(p.preimage, 3, list[3], bytes.concat(siblings, bytes32(0)));
        vm.expectRevert(none);
        bridge.claim(p.preimage, 3, list[3], bytes.concat(siblings, hex"00"));
        vm.expectRevert(none);
        bridge.claim(p.preimage, 3, list[3], "");
        // Another withdrawal or position opens something else.
        IBridge.Withdrawal memory more = IBridge.Withdrawal(bob, address(0), list[3].amount + 1);
        _expectNotOpen(p, 3, more, siblings);
        _expectNotOpen(p, 3, IBridge.Withdrawal(carol, address(0), list[3].amount), siblings);
        _expectNotOpen(p, 3, IBridge.Withdrawal(bob, address(1), list[3].amount), siblings);
        _expectNotOpen(p, 4, list[3], siblings);
        _expectNotOpen(p, 3, list[4], withdrawalOpening(p, 4));
        bridge.claim(p.preimage, 3, list[3], siblings);
    }

    function test_AWithdrawalOfASkippedStepDoesNotExist() public {
        Draft memory d = withdrawal(a(), bob, address(0), 1 ether);
        Step memory stale = step(d);
        stale.fresh[0].parent++;
        Posted memory p = post(steps(stale, step(solo(c(), "", noAssets(), 0, 0))));
        vm.roll(block.number + WINDOW + 1);
        vm.expectRevert(abi.encodeWithSelector(IBridge.AlreadyPaid.selector, 0));
        bridge.claim(p.preimage, 0, d.withdrawals[0], "");
        assertEq(bridge.wordOf(proposer, 0) % 2 ** 24, 0);
    }

    function test_DuringAFreezeOnlyWhatIsOlderIsPaid() public {
        Draft memory early = withdrawal(a(), bob, address(0), 1 ether);
        Posted memory p = post(steps(step(early)), 0);
        Draft memory lying = lie(solo(b(), "", noAssets(), 0, 0));
        Posted memory bad = post(steps(step(lying)), 1);
        Draft memory late = withdrawal(c(), bob, address(0), 1 ether);
        Posted memory q = post(steps(step(late)), 2);
        challenge(evidence(bad, 0, preStates(lying)), "");
        uint256 finalAt = block.number + WINDOW + 1;
        vm.roll(finalAt);
        bridge.claim(p.preimage, 0, early.withdrawals[0], "");
        _expect(q, 0, late.withdrawals[0], abi.encodeWithSelector(IBridge.NotFinal.selector, finalAt, finalAt, bad.id));
        bridge.unwind(bad.preimage, bad.walked.entries);
        bridge.claim(q.preimage, 0, late.withdrawals[0], "");
    }

    function test_ABatchThatIsNotLivePaysNothing() public {
        Draft memory d = lie(withdrawal(a(), bob, address(0), 1 ether));
        Posted memory p = post(steps(step(d)));
        bytes memory proof = evidence(p, 0, preStates(d));
        challenge(proof, "");
        vm.roll(block.number + WINDOW + 1);
        _expect(p, 0, d.withdrawals[0], abi.encodeWithSelector(IBridge.WrongStatus.selector, Status.Faulty));
        vm.expectRevert(abi.encodeWithSelector(IBridge.WrongStatus.selector, Status.Faulty));
        bridge.finalAt(p.preimage);
        bridge.unwind(p.preimage, p.walked.entries);
        _expect(p, 0, d.withdrawals[0], abi.encodeWithSelector(IBridge.WrongStatus.selector, Status.Unwound));
    }

    // ---------------------------------------------------------------- recipients and tokens

    function test_ARecipientThatRefusesHurtsOnlyItself() public {
        address refuser = deployCode("Tokens.sol:Recipient");
        IActor(refuser).set(IActor.Mood.Refusing, address(0), "");
        Draft memory d = withdrawal(a(), refuser, address(0), 1 ether);
        Posted memory p = post(steps(step(d)));
        vm.roll(block.number + WINDOW + 1);
        _expect(p, 0, d.withdrawals[0], abi.encodeWithSelector(IBridge.PaymentFailed.selector, refuser, 1 ether));
        // It can still be paid once it takes ETH.
        IActor(refuser).set(IActor.Mood.Taking, address(0), "");
        bridge.claim(p.preimage, 0, d.withdrawals[0], "");
        assertEq(refuser.balance, 1 ether);
    }

    function test_ARecipientThatReentersIsPaidOnce() public {
        address actor = deployCode("Tokens.sol:Recipient");
        Draft memory d = withdrawal(a(), actor, address(0), 1 ether);
        Posted memory p = post(steps(step(d)));
        vm.roll(block.number + WINDOW + 1);
        IActor(actor)
            .set(
                IActor.Mood.Calling,
                address(bridge),
                abi.encodeCall(IBridge.claim, (p.preimage, 0, d.withdrawals[0], ""))
            );
        bridge.claim(p.preimage, 0, d.withdrawals[0], "");
        assertEq(actor.balance, 1 ether);
        assertTrue(IActor(actor).called());
        assertEq(IActor(actor).answer(), abi.encodeWithSignature("ReentrancyGuardReentrantCall()"));
    }

    function test_TokensArePaidWhetherOrNotTheyReturnAnything() public {
        string[2] memory tokens = ["Token.sol:Token", "Tokens.sol:SilentToken"];
        for (uint256 i = 0; i < 2; i++) {
            uint256 snapshot = vm.snapshotState();
            address token = deployCode(tokens[i]);
            IMintable(token).mint(address(this), 100);
            (bool done,) = token.call(abi.encodeWithSignature("approve(address,uint256)", address(bridge), 100));
            assertTrue(done);
            Anchor memory mine = a();
            mine.writer = uint40(uint256(vm.load(address(bridge), 0)));
            bridge.depositToken(token, 100, keyFor(alice));
            mine.writer = uint40(uint256(vm.load(address(bridge), 0)));
            mine.id = uint56(mine.writer) * 65_536;
            mine.state.assets = one(bytes32(uint256(uint160(token))), 100);
            nextBlock();
            Draft memory d = withdrawal(mine, carol, token, 60);
            Posted memory p = post(steps(step(d)));
            assertTrue(verifier.verify(evidence(p, 0, preStates(d)), address(bridge)));
            vm.roll(block.number + WINDOW + 1);
            bridge.claim(p.preimage, 0, d.withdrawals[0], "");
            assertEq(IMintable(token).balanceOf(carol), 60);
            assertEq(IMintable(token).balanceOf(address(bridge)), 40);
            vm.revertToState(snapshot);
        }
    }

    // ---------------------------------------------------------------- helpers

    /// @dev Alice withdraws `count` times to Bob, one wei more each time.
    function _post(uint256 count) private returns (Posted memory p, IBridge.Withdrawal[] memory list) {
        bytes memory payload;
        uint128 sum = 0;
        list = new IBridge.Withdrawal[](count);
        for (uint256 i = 0; i < count; i++) {
            list[i] = IBridge.Withdrawal(bob, address(0), uint128(100 + i));
            payload = bytes.concat(payload, withdraw(bob, address(0), list[i].amount));
            sum += list[i].amount;
        }
        Draft memory d = solo(a(), payload, one(ETH, sum), 0, 0);
        d.calls[0].maxEffects = 1000;
        d.freshAfter[0].assets = minus(d.freshAfter[0].assets, ETH, sum);
        d.withdrawals = list;
        p = post(steps(step(d)));
        assertTrue(verifier.verify(evidence(p, 0, preStates(d)), address(bridge)), "honest");
    }

    function _expect(Posted memory p, uint256 position, IBridge.Withdrawal memory w, bytes memory reason) private {
        bytes memory siblings = position < p.walked.leaves.length ? withdrawalOpening(p, position) : bytes("");
        vm.expectRevert(reason);
        bridge.claim(p.preimage, position, w, siblings);
    }

    function _expectNotOpen(Posted memory p, uint256 position, IBridge.Withdrawal memory w, bytes memory siblings)
        private
    {
        (bool done, bytes memory got) =
            address(bridge).call(abi.encodeCall(IBridge.claim, (p.preimage, position, w, siblings)));
        assertFalse(done);
        assertEq(got.length, 68);
        assertEq(bytes4(got), IBridge.WithdrawalNotOpen.selector);
    }
}
