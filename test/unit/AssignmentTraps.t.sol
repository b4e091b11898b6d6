// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {Selling} from "../harness/Selling.sol";
import {Posted} from "../harness/Shapes.sol";

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
    function act(address target, bytes calldata data) external returns (bytes memory);
}

/// @notice Contracts as sellers, buyers and recipients of claims.
contract AssignmentTrapsTest is Selling {
    function test_AContractSellsByItsOwnSignature() public {
        address wallet = deployCode("Wallet.sol:Wallet", abi.encode(alice, true));
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(1, wallet);
        IBridge.Terms memory terms = IBridge.Terms(wallet, carol, address(0), 1 ether, block.number, false);
        bytes32 digest = _digest(p, 0, 0, terms);
        bytes memory bad = _signBy(bob, p, 0, 0, terms);
        vm.expectRevert(abi.encodeWithSelector(IBridge.BadSignature.selector, wallet, digest));
        vm.prank(carol);
        bridge.assign{value: 1 ether}(p.preimage, 0, list[0], "", terms, bad);
        bytes memory good = _signBy(alice, p, 0, 0, terms);
        vm.prank(carol);
        bridge.assign{value: 1 ether}(p.preimage, 0, list[0], "", terms, good);
        assertEq(wallet.balance, 1 ether);
        _assertAssigned(p, 0, carol, 1);
    }

    function test_AContractWithoutSignaturesGivesAwayByCalling() public {
        address actor = deployCode("Tokens.sol:Recipient");
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(1, actor);
        IBridge.Terms memory terms = IBridge.Terms(actor, carol, address(0), 0, block.number, false);
        bytes32 digest = _digest(p, 0, 0, terms);
        vm.expectRevert(abi.encodeWithSelector(IBridge.BadSignature.selector, actor, digest));
        bridge.assign(p.preimage, 0, list[0], "", terms, new bytes(65));
        IActor(actor).act(address(bridge), abi.encodeCall(IBridge.assign, (p.preimage, 0, list[0], "", terms, "")));
        _assertAssigned(p, 0, carol, 1);
    }

    function test_ASellerThatRefusesItsPriceSellsNothing() public {
        address wallet = deployCode("Wallet.sol:Wallet", abi.encode(alice, false));
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(1, wallet);
        IBridge.Terms memory terms = IBridge.Terms(wallet, carol, address(0), 1 ether, block.number, false);
        bytes memory signature = _signBy(alice, p, 0, 0, terms);
        vm.prank(carol);
        vm.expectRevert(abi.encodeWithSelector(IBridge.PaymentFailed.selector, wallet, 1 ether));
        bridge.assign{value: 1 ether}(p.preimage, 0, list[0], "", terms, signature);
        _assertAssigned(p, 0, address(0), 0);
        assertEq(bridge.wordOf(proposer, 0), wordOf(p));
        // For nothing it can.
        terms.price = 0;
        signature = _signBy(alice, p, 0, 0, terms);
        bridge.assign(p.preimage, 0, list[0], "", terms, signature);
        _assertAssigned(p, 0, carol, 1);
    }

    function test_AClaimThatItsFirstRecipientCannotTakeIsRescued() public {
        // A wallet that takes no ETH would keep the word busy for ever.
        address wallet = deployCode("Wallet.sol:Wallet", abi.encode(alice, false));
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(1, wallet);
        vm.roll(block.number + WINDOW + 1);
        vm.expectRevert(abi.encodeWithSelector(IBridge.PaymentFailed.selector, wallet, list[0].amount));
        bridge.claim(p.preimage, 0, list[0], "");
        IBridge.Terms memory terms = IBridge.Terms(wallet, carol, address(0), 0, block.number, false);
        bytes memory signature = _signBy(alice, p, 0, 0, terms);
        bridge.assign(p.preimage, 0, list[0], "", terms, signature);
        uint256 before = carol.balance;
        bridge.claim(p.preimage, 0, list[0], "");
        assertEq(carol.balance, before + list[0].amount);
    }

    function test_ANewRecipientThatRefusesHurtsOnlyItself() public {
        address actor = deployCode("Tokens.sol:Recipient");
        IActor(actor).set(IActor.Mood.Refusing, address(0), "");
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(1);
        _give(p, list[0], bob, actor);
        vm.roll(block.number + WINDOW + 1);
        vm.expectRevert(abi.encodeWithSelector(IBridge.PaymentFailed.selector, actor, list[0].amount));
        bridge.claim(p.preimage, 0, list[0], "");
        IActor(actor).set(IActor.Mood.Taking, address(0), "");
        bridge.claim(p.preimage, 0, list[0], "");
        assertEq(actor.balance, list[0].amount);
    }

    function test_ASellerThatReentersSellsOnceAndIsPaidOnce() public {
        // While it is paid the price it assigns the claim again, or claims it.
        for (uint256 i = 0; i < 2; i++) {
            uint256 snapshot = vm.snapshotState();
            address actor = deployCode("Tokens.sol:Recipient");
            (Posted memory p, IBridge.Withdrawal[] memory list) = _post(1, actor);
            vm.roll(block.number + WINDOW + 1);
            IBridge.Terms memory back = IBridge.Terms(actor, actor, address(0), 0, block.number, false);
            IActor(actor)
                .set(
                    IActor.Mood.Calling,
                    address(bridge),
                    i == 0
                        ? abi.encodeCall(IBridge.assign, (p.preimage, 0, list[0], "", back, ""))
                        : abi.encodeCall(IBridge.claim, (p.preimage, 0, list[0], ""))
                );
            IBridge.Terms memory away = IBridge.Terms(actor, carol, address(0), 1 ether, block.number, false);
            vm.mockCall(
                actor,
                abi.encodeWithSignature("isValidSignature(bytes32,bytes)", _digest(p, 0, 0, away), bytes("")),
                abi.encode(bytes4(0x1626ba7e))
            );
            vm.prank(carol);
            bridge.assign{value: 1 ether}(p.preimage, 0, list[0], "", away, "");
            assertTrue(IActor(actor).called());
            assertEq(IActor(actor).answer(), abi.encodeWithSignature("ReentrancyGuardReentrantCall()"));
            assertEq(actor.balance, 1 ether);
            _assertAssigned(p, 0, carol, 1);
            uint256 before = carol.balance;
            bridge.claim(p.preimage, 0, list[0], "");
            assertEq(carol.balance, before + list[0].amount);
            vm.revertToState(snapshot);
        }
    }
}
