// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {Status} from "../../contracts/types/BatchWord.sol";
import {Draft} from "../harness/Drafts.sol";
import {Selling} from "../harness/Selling.sol";
import {Anchor, Header, Posted, Step} from "../harness/Shapes.sol";

interface IErc20 {
    function mint(address to, uint256 amount) external;
    function approve(address spender, uint256 amount) external returns (bool);
    function balanceOf(address who) external view returns (uint256);
}

/// @notice A claim is given away or sold before it is paid (docs/spec.md, section 9).
contract AssignmentTest is Selling {
    address private constant TOKEN = address(0x1234);

    // ---------------------------------------------------------------- by the recipient itself

    function test_TheRecipientGivesItsClaimAway() public {
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(3);
        // Price and deadline are not looked at.
        IBridge.Terms memory terms = IBridge.Terms(bob, carol, TOKEN, 77, 0, false);
        vm.expectEmit(address(bridge));
        emit IBridge.Assigned(p.id, 1, bob, carol, address(0), 0);
        vm.prank(bob);
        bridge.assign(p.preimage, 1, list[1], withdrawalOpening(p, 1), terms, "");
        assertEq(bridge.wordOf(proposer, 0), wordOf(p) + 2 ** 51);
        _assertAssigned(p, 1, carol, 1);

        vm.roll(block.number + WINDOW + 1);
        uint256 before = carol.balance;
        vm.expectEmit(address(bridge));
        emit IBridge.Claimed(p.id, 1, carol, address(0), list[1].amount);
        bridge.claim(p.preimage, 1, list[1], withdrawalOpening(p, 1));
        assertEq(carol.balance, before + list[1].amount);
        // The batch's other claims are whose they were.
        before = bob.balance;
        bridge.claim(p.preimage, 0, list[0], withdrawalOpening(p, 0));
        assertEq(bob.balance, before + list[0].amount);
    }

    function test_WhoeverGivesAwayPaysNothing() public {
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(1);
        IBridge.Terms memory terms = IBridge.Terms(bob, carol, address(0), 5, 0, false);
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IBridge.WrongValue.selector, 0, 5));
        bridge.assign{value: 5}(p.preimage, 0, list[0], "", terms, "");
    }

    function test_AClaimMovesOnAndOnlyItsPresentRecipientMovesIt() public {
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(1);
        _give(p, list[0], bob, carol);
        IBridge.Terms memory terms = IBridge.Terms(bob, alice, address(0), 0, 0, false);
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IBridge.NotRecipient.selector, carol, bob));
        bridge.assign(p.preimage, 0, list[0], "", terms, "");
        _give(p, list[0], carol, alice);
        _assertAssigned(p, 0, alice, 2);
        _give(p, list[0], alice, alice);
        _assertAssigned(p, 0, alice, 3);
        _give(p, list[0], alice, bob);
        _assertAssigned(p, 0, bob, 4);
        vm.roll(block.number + WINDOW + 1);
        uint256 before = bob.balance;
        bridge.claim(p.preimage, 0, list[0], "");
        assertEq(bob.balance, before + list[0].amount);
    }

    function test_ZeroIsNoRecipient() public {
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(1);
        IBridge.Terms memory terms = IBridge.Terms(bob, address(0), address(0), 0, 0, false);
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IBridge.ZeroRecipient.selector));
        bridge.assign(p.preimage, 0, list[0], "", terms, "");
        // An open offer names zero; the buyer must not.
        terms = IBridge.Terms(bob, address(0), address(0), 0, block.number, true);
        bytes memory signature = _sign(p, 0, 0, terms);
        vm.expectRevert(abi.encodeWithSelector(IBridge.ZeroRecipient.selector));
        bridge.assign(p.preimage, 0, list[0], "", terms, signature);
    }

    // ---------------------------------------------------------------- by an offer

    function testFuzz_AnOfferIsTakenForItsPrice(uint96 price, bool open) public {
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(2);
        IBridge.Terms memory terms = IBridge.Terms(bob, carol, address(0), price, block.number, open);
        bytes memory signature = _sign(p, 1, 0, terms);
        vm.deal(alice, uint256(price) + 1);
        uint256 before = bob.balance;
        uint256 pool = address(bridge).balance;

        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IBridge.WrongValue.selector, price, uint256(price) + 1));
        bridge.assign{value: uint256(price) + 1}(p.preimage, 1, list[1], withdrawalOpening(p, 1), terms, signature);
        if (price != 0) {
            vm.prank(alice);
            vm.expectRevert(abi.encodeWithSelector(IBridge.WrongValue.selector, price, 0));
            bridge.assign(p.preimage, 1, list[1], withdrawalOpening(p, 1), terms, signature);
        }
        vm.expectEmit(address(bridge));
        emit IBridge.Assigned(p.id, 1, bob, carol, address(0), price);
        vm.prank(alice);
        bridge.assign{value: price}(p.preimage, 1, list[1], withdrawalOpening(p, 1), terms, signature);
        assertEq(bob.balance, before + price);
        assertEq(address(bridge).balance, pool);
        _assertAssigned(p, 1, carol, 1);
        _assertAssigned(p, 0, address(0), 0);
    }

    function test_ATokensPriceIsPaidInIt() public {
        string[2] memory tokens = ["Token.sol:Token", "Tokens.sol:SilentToken"];
        for (uint256 i = 0; i < 2; i++) {
            uint256 snapshot = vm.snapshotState();
            IErc20 token = IErc20(deployCode(tokens[i]));
            token.mint(alice, 100);
            (Posted memory p, IBridge.Withdrawal[] memory list) = _post(1);
            IBridge.Terms memory terms = IBridge.Terms(bob, carol, address(token), 60, block.number, false);
            bytes memory signature = _sign(p, 0, 0, terms);
            vm.prank(alice);
            vm.expectRevert(abi.encodeWithSelector(IBridge.WrongValue.selector, 0, 60));
            bridge.assign{value: 60}(p.preimage, 0, list[0], "", terms, signature);
            if (i == 0) {
                vm.prank(alice);
                vm.expectRevert(
                    abi.encodeWithSignature("ERC20InsufficientAllowance(address,uint256,uint256)", bridge, 0, 60)
                );
                bridge.assign(p.preimage, 0, list[0], "", terms, signature);
            }
            vm.prank(alice);
            token.approve(address(bridge), 60);
            vm.expectEmit(address(bridge));
            emit IBridge.Assigned(p.id, 0, bob, carol, address(token), 60);
            vm.prank(alice);
            bridge.assign(p.preimage, 0, list[0], "", terms, signature);
            assertEq(token.balanceOf(alice), 40);
            assertEq(token.balanceOf(bob), 60);
            _assertAssigned(p, 0, carol, 1);
            vm.revertToState(snapshot);
        }
    }

    function test_APriceOfNothingPaysNobody() public {
        // Not even a token without code is called.
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(1);
        IBridge.Terms memory terms = IBridge.Terms(bob, carol, TOKEN, 0, block.number, false);
        bytes memory signature = _sign(p, 0, 0, terms);
        bridge.assign(p.preimage, 0, list[0], "", terms, signature);
        _assertAssigned(p, 0, carol, 1);
    }

    function test_AnOfferIsGoodUpToItsDeadline() public {
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(1);
        IBridge.Terms memory terms = IBridge.Terms(bob, carol, address(0), 0, block.number + 3, false);
        bytes memory signature = _sign(p, 0, 0, terms);
        vm.roll(terms.deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IBridge.OfferExpired.selector, terms.deadline, terms.deadline + 1));
        bridge.assign(p.preimage, 0, list[0], "", terms, signature);
        vm.roll(terms.deadline);
        bridge.assign(p.preimage, 0, list[0], "", terms, signature);
        _assertAssigned(p, 0, carol, 1);
    }

    function test_EveryTermIsSigned() public {
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(2);
        IBridge.Terms memory good = IBridge.Terms(bob, carol, address(0), 0, block.number, false);
        bytes memory signature = _sign(p, 0, 0, good);
        _expectBad(p, list[1], 1, good, signature);
        IBridge.Terms memory terms = IBridge.Terms(bob, alice, address(0), 0, block.number, false);
        _expectBad(p, list[0], 0, terms, signature);
        terms = IBridge.Terms(bob, carol, TOKEN, 0, block.number, false);
        _expectBad(p, list[0], 0, terms, signature);
        terms = IBridge.Terms(bob, carol, address(0), 1, block.number, false);
        _expectBad(p, list[0], 0, terms, signature);
        terms = IBridge.Terms(bob, carol, address(0), 0, block.number + 1, false);
        _expectBad(p, list[0], 0, terms, signature);
        // An offer to somebody is not an open one, nor the other way round.
        terms = IBridge.Terms(bob, carol, address(0), 0, block.number, true);
        _expectBad(p, list[0], 0, terms, signature);
        _expectBad(p, list[0], 0, good, _sign(p, 0, 0, terms));
        // Another key, a mirrored signature, none.
        _expectBad(p, list[0], 0, good, _signBy(alice, p, 0, 0, good));
        _expectBad(p, list[0], 0, good, _mirrored(signature));
        _expectBad(p, list[0], 0, good, "");
        _expectBad(p, list[0], 0, good, new bytes(65));
        // `from` is the present recipient, whoever signed.
        terms = IBridge.Terms(alice, carol, address(0), 0, block.number, false);
        vm.expectRevert(abi.encodeWithSelector(IBridge.NotRecipient.selector, bob, alice));
        bridge.assign(p.preimage, 0, list[0], withdrawalOpening(p, 0), terms, _signBy(alice, p, 0, 0, terms));

        bridge.assign(p.preimage, 0, list[0], withdrawalOpening(p, 0), good, signature);
    }

    function test_OffersDieWithTheFirstAssignmentAndDoNotComeBack() public {
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(1);
        IBridge.Terms memory terms = IBridge.Terms(bob, alice, address(0), 0, block.number, false);
        bytes memory stale = _sign(p, 0, 0, terms);
        _give(p, list[0], bob, carol);
        vm.expectRevert(abi.encodeWithSelector(IBridge.NotRecipient.selector, carol, bob));
        bridge.assign(p.preimage, 0, list[0], "", terms, stale);
        // The claim comes back, the offer does not.
        _give(p, list[0], carol, bob);
        bytes32 digest = _digest(p, 0, 2, terms);
        vm.expectRevert(abi.encodeWithSelector(IBridge.BadSignature.selector, bob, digest));
        bridge.assign(p.preimage, 0, list[0], "", terms, stale);
        bytes memory anew = _sign(p, 0, 2, terms);
        bridge.assign(p.preimage, 0, list[0], "", terms, anew);
        _assertAssigned(p, 0, alice, 3);
        // Nor is it taken twice.
        vm.expectRevert(abi.encodeWithSelector(IBridge.NotRecipient.selector, alice, bob));
        bridge.assign(p.preimage, 0, list[0], "", terms, anew);
    }

    function test_AnOfferIsForOneContentOfOneBatch() public {
        // The chain is reorganised, and a batch with other content takes the id, with the same claim in the same place.
        uint256 snapshot = vm.snapshotState();
        (Posted memory p,) = _post(1);
        IBridge.Terms memory terms = IBridge.Terms(bob, carol, address(0), 0, block.number, false);
        bytes memory signature = _sign(p, 0, 0, terms);
        vm.revertToState(snapshot);
        (Step memory s, IBridge.Withdrawal[] memory list) = _withdrawing(1);
        Step[] memory steps_ = steps(s);
        Header memory h = header(steps_, 0);
        h.ceiling++;
        Posted memory other = post(proposer, h, steps_);
        assertEq(other.id, p.id);
        _expectBad(other, list[0], 0, terms, signature);
        vm.expectRevert(
            abi.encodeWithSelector(IBridge.UnknownBatch.selector, bridge.wordOf(proposer, 0), keccak256(p.preimage))
        );
        bridge.assign(p.preimage, 0, list[0], "", terms, signature);
    }

    // ---------------------------------------------------------------- what is not for sale

    function test_WhatIsPaidIsNotAssigned() public {
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(2);
        vm.roll(block.number + WINDOW + 1);
        bridge.claim(p.preimage, 0, list[0], withdrawalOpening(p, 0));
        _expect(p, list[0], 0, abi.encodeWithSelector(IBridge.AlreadyPaid.selector, 0));
        _expect(p, list[0], 2, abi.encodeWithSelector(IBridge.AlreadyPaid.selector, 2));
        _expect(p, list[0], 256, abi.encodeWithSelector(IBridge.AlreadyPaid.selector, 256));
        // A final claim that is not paid yet is assigned like any other; then it is paid once.
        IBridge.Terms memory terms = IBridge.Terms(bob, carol, address(0), 0, 0, false);
        vm.prank(bob);
        bridge.assign(p.preimage, 1, list[1], withdrawalOpening(p, 1), terms, "");
        bridge.claim(p.preimage, 1, list[1], withdrawalOpening(p, 1));
        _expect(p, list[1], 1, abi.encodeWithSelector(IBridge.AlreadyPaid.selector, 1));
    }

    function test_OnlyWhatTheBatchSaysIsAssigned() public {
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(1);
        IBridge.Withdrawal memory forged = IBridge.Withdrawal(alice, address(0), list[0].amount);
        bytes32 leaf = keccak256(abi.encodePacked(alice, address(0), list[0].amount));
        IBridge.Terms memory terms = IBridge.Terms(alice, carol, address(0), 0, 0, false);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IBridge.WithdrawalNotOpen.selector, p.walked.withdrawalRoot, leaf));
        bridge.assign(p.preimage, 0, forged, "", terms, "");
    }

    function test_NothingIsAssignedInTheConeOfAKnownLie() public {
        (Posted memory early, IBridge.Withdrawal[] memory first) = _post(1);
        Draft memory lying = lie(solo(b(), "", noAssets(), 0, 0));
        Posted memory bad = post(steps(step(lying)), 1);
        Draft memory d = withdrawal(c(), bob, address(0), 1 ether);
        Posted memory late = post(steps(step(d)), 2);
        challenge(evidence(bad, 0, preStates(lying)), "");

        _expect(late, d.withdrawals[0], 0, abi.encodeWithSelector(IBridge.Frozen.selector, bad.id));
        _expect(bad, d.withdrawals[0], 0, abi.encodeWithSelector(IBridge.WrongStatus.selector, Status.Faulty));
        _give(early, first[0], bob, carol); // nothing older is at fault
        bridge.unwind(bad.preimage, bad.walked.entries);
        _expect(bad, d.withdrawals[0], 0, abi.encodeWithSelector(IBridge.WrongStatus.selector, Status.Unwound));
        _give(late, d.withdrawals[0], bob, carol);
    }

    function test_AnOrphansClaimIsNotAssignedAndWhatWasAssignedIsVoid() public {
        Draft memory lying = lie(transfer(a(), b(), ETH, 1));
        Posted memory bad = post(steps(step(lying)), 1);
        nextBlock();
        Anchor memory bobs = Anchor(b().id, bad.id, lying.freshAfter[1]);
        Draft memory d = withdrawal(bobs, bob, address(0), 1 ether);
        Posted memory child = post(steps(step(d)), 2);
        _give(child, d.withdrawals[0], bob, carol);
        challenge(evidence(bad, 0, preStates(lying)), "");
        bridge.condemn(child.preimage, child.walked.entries, 0, bad.preimage);
        _expect(child, d.withdrawals[0], 0, abi.encodeWithSelector(IBridge.WrongStatus.selector, Status.Condemned));
        bridge.unwind(child.preimage, child.walked.entries);
        bridge.unwind(bad.preimage, bad.walked.entries);
        vm.roll(block.number + WINDOW + 1);
        vm.expectRevert(abi.encodeWithSelector(IBridge.WrongStatus.selector, Status.Unwound));
        bridge.claim(child.preimage, 0, d.withdrawals[0], "");
    }

    function test_AForgedWithdrawalToNobodyIsNobodys() public {
        // A lie may withdraw to zero; ecrecover's answer to a bad signature must not be taken for its owner's.
        Draft memory d = withdrawal(a(), address(0), address(0), 1 ether);
        Posted memory p = post(steps(step(d)));
        IBridge.Terms memory terms = IBridge.Terms(address(0), carol, address(0), 0, block.number, false);
        _expectBad(p, d.withdrawals[0], 0, terms, new bytes(65));
    }

    // ---------------------------------------------------------------- helpers

    /// @dev Assigning by Bob, with terms that are good.
    function _expect(Posted memory p, IBridge.Withdrawal memory w, uint256 position, bytes memory reason) private {
        IBridge.Terms memory terms = IBridge.Terms(bob, carol, address(0), 0, 0, false);
        bytes memory siblings = position < p.walked.leaves.length ? withdrawalOpening(p, position) : bytes("");
        vm.prank(bob);
        vm.expectRevert(reason);
        bridge.assign(p.preimage, position, w, siblings, terms, "");
    }

    function _expectBad(
        Posted memory p,
        IBridge.Withdrawal memory w,
        uint256 position,
        IBridge.Terms memory terms,
        bytes memory signature
    ) private {
        bytes memory siblings = withdrawalOpening(p, position);
        bytes32 digest = _digest(p, position, 0, terms);
        vm.expectRevert(abi.encodeWithSelector(IBridge.BadSignature.selector, terms.from, digest));
        bridge.assign(p.preimage, position, w, siblings, terms, signature);
    }

    /// @dev The other signature that ecrecover takes for the same digest.
    function _mirrored(bytes memory signature) private pure returns (bytes memory) {
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        bytes32 r;
        uint256 s;
        assembly ("memory-safe") {
            r := mload(add(signature, 32))
            s := mload(add(signature, 64))
        }
        return abi.encodePacked(r, order - s, uint8(signature[64]) == 27 ? uint8(28) : uint8(27));
    }
}
