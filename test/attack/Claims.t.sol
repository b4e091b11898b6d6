// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {Codec} from "../harness/Codec.sol";
import {Draft} from "../harness/Drafts.sol";
import {Offers} from "../harness/Offers.sol";
import {Selling} from "../harness/Selling.sol";
import {Posted} from "../harness/Shapes.sol";

interface IHostile {
    enum Mood {
        Plain,
        Calling,
        False,
        Burning,
        Bomb,
        Inflating
    }

    function mint(address to, uint256 amount) external;
    function set(Mood mood, address target, bytes calldata call_) external;
    function balanceOf(address who) external view returns (uint256);
    function done() external view returns (bool);
    function answer() external view returns (bytes memory);
}

interface IMooded {
    enum Mood {
        Taking,
        Refusing,
        Burning,
        Calling
    }

    function set(Mood mood, address target, bytes calldata call_) external;
    function answer() external view returns (bytes memory);
}

/// @notice An outsider wants somebody else's claim, one that is not there, or one for nothing (docs/audit/attacks.md).
contract ClaimsAttacks is Selling {
    address private mallory = makeAddr("mallory");

    function _terms(address token, uint256 price) private view returns (IBridge.Terms memory) {
        return IBridge.Terms(bob, mallory, token, price, block.number + 100, false);
    }

    // ---------------------------------------------------------------- claims that are not there

    /// A batch without withdrawals has zeros for a root, and a path of the wrong length leads to zeros.
    function test_ARootOfZerosOpensToNothing() public {
        Posted memory p = post(steps(step(solo(a(), "", noAssets(), 0, 0))));
        vm.roll(block.number + WINDOW + 1);
        IBridge.Withdrawal memory w = IBridge.Withdrawal(mallory, address(0), 1 ether);
        uint256[5] memory positions = [uint256(0), 23, 24, 255, type(uint256).max];
        for (uint256 i = 0; i < 5; i++) {
            for (uint256 size = 0; size <= 64; size += 16) {
                vm.expectRevert(abi.encodeWithSelector(IBridge.AlreadyPaid.selector, positions[i]));
                bridge.claim(p.preimage, positions[i], w, new bytes(size));
            }
        }
    }

    /// A node of the tree as if it were a withdrawal, and a withdrawal as if it were a node: paths of other lengths.
    function test_NoNodeIsAWithdrawal() public {
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(12);
        vm.roll(block.number + WINDOW + 1);
        for (uint256 i = 0; i < 12; i++) {
            bytes memory path = withdrawalOpening(p, i);
            bytes[3] memory others =
                [bytes.concat(path, bytes32(0)), _cut(path, path.length - 32), _cut(path, path.length - 1)];
            for (uint256 j = 0; j < 3; j++) {
                vm.expectRevert(
                    abi.encodeWithSelector(IBridge.WithdrawalNotOpen.selector, p.walked.withdrawalRoot, bytes32(0))
                );
                bridge.claim(p.preimage, i, list[i], others[j]);
            }
        }
    }

    /// A withdrawal's path at another position of the batch: a place is part of the claim.
    function test_APathIsForItsPosition() public {
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(9);
        vm.roll(block.number + WINDOW + 1);
        for (uint256 i = 0; i < 9; i++) {
            for (uint256 j = 0; j < 9; j++) {
                bytes memory call_ = abi.encodeCall(IBridge.claim, (p.preimage, j, list[i], withdrawalOpening(p, i)));
                uint256 snapshot = vm.snapshotState();
                (bool done,) = address(bridge).call(call_);
                assertEq(done, i == j);
                vm.revertToState(snapshot);
            }
        }
    }

    /// Addresses and amounts with bits above their width, in claims and deposits: an encoding that is not one.
    function test_DirtyBitsAreRefused() public {
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(1);
        vm.roll(block.number + WINDOW + 1);
        bytes memory call_ = abi.encodeCall(IBridge.claim, (p.preimage, 0, list[0], ""));
        // Behind the selector: offset, position, then recipient, token, amount.
        uint256[3] memory words = [uint256(2), 3, 4];
        for (uint256 i = 0; i < 3; i++) {
            bytes memory dirty = bytes.concat(call_);
            dirty[4 + 32 * words[i]] = 0x01;
            (bool done, bytes memory answer) = address(bridge).call(dirty);
            assertFalse(done);
            assertEq(answer, "");
        }
        vm.deal(address(this), 1);
        call_ = abi.encodeCall(IBridge.deposit, (keyFor(alice)));
        call_[4 + 21] = 0x01;
        (bool taken,) = address(bridge).call{value: 1}(call_);
        assertFalse(taken, "a key of more than 21 bytes");
        call_[4 + 21] = 0;
        (taken,) = address(bridge).call{value: 1}(call_);
        assertTrue(taken);
    }

    // ---------------------------------------------------------------- other people's claims

    /// A price in a token that is no contract: its transfer succeeds, and moves nothing.
    function test_APriceInNothingIsNotPaid() public {
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(1);
        IBridge.Terms memory terms = _terms(address(0xdead), 1 ether);
        bytes memory signature = _sign(p, 0, 0, terms);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(0xdead)));
        vm.prank(mallory);
        bridge.assign(p.preimage, 0, list[0], "", terms, signature);
        _assertAssigned(p, 0, address(0), 0);
    }

    /// A price in a token that calls the bridge on its way: the claim has its new owner by then, and the bridge is locked.
    function test_APriceThatCallsBackBuysOnce() public {
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(1);
        IHostile token = IHostile(deployCode("HostileTokens.sol:HostileToken"));
        token.mint(mallory, 10);
        IBridge.Terms memory terms = _terms(address(token), 10);
        bytes memory signature = _sign(p, 0, 0, terms);
        bytes memory again = abi.encodeCall(IBridge.assign, (p.preimage, 0, list[0], "", terms, signature));
        token.set(IHostile.Mood.Calling, address(bridge), again);
        vm.prank(mallory);
        bridge.assign(p.preimage, 0, list[0], "", terms, signature);
        assertFalse(token.done());
        assertEq(token.answer(), abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector));
        _assertAssigned(p, 0, mallory, 1);
        assertEq(token.balanceOf(bob), 10);
    }

    /// The mirror image of an offer's signature, its short form, and other spellings of it.
    function test_AnOfferHasOneSignature() public {
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(1);
        IBridge.Terms memory terms = _terms(address(0), 1 ether);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keyOf[bob], _digest(p, 0, 0, terms));
        bytes[5] memory forms = [
            abi.encodePacked(r, SECP256K1_ORDER - uint256(s), uint8(55 - v)),
            abi.encodePacked(r, uint256(s) + (uint256(v) - 27) * 2 ** 255),
            abi.encodePacked(r, s, uint8(v - 27)),
            abi.encodePacked(r, s, v, uint8(0)),
            abi.encodePacked(r, s)
        ];
        vm.deal(mallory, 1 ether);
        for (uint256 i = 0; i < 5; i++) {
            vm.expectRevert(abi.encodeWithSelector(IBridge.BadSignature.selector, bob, _digest(p, 0, 0, terms)));
            vm.prank(mallory);
            bridge.assign{value: 1 ether}(p.preimage, 0, list[0], "", terms, forms[i]);
        }
        vm.prank(mallory);
        bridge.assign{value: 1 ether}(p.preimage, 0, list[0], "", terms, abi.encodePacked(r, s, v));
    }

    /// An offer for the same claim on another chain, or on another bridge.
    function test_AnOfferIsForOneChainAndOneBridge() public {
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(1);
        IBridge.Terms memory terms = _terms(address(0), 0);
        bytes32[2] memory digests;
        vm.chainId(block.chainid + 1);
        digests[0] = _digest(p, 0, 0, terms);
        vm.chainId(block.chainid - 1);
        digests[1] = Offers.digest(address(this), p.preimage, 0, 0, terms);
        for (uint256 i = 0; i < 2; i++) {
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(keyOf[bob], digests[i]);
            vm.expectRevert(abi.encodeWithSelector(IBridge.BadSignature.selector, bob, _digest(p, 0, 0, terms)));
            vm.prank(mallory);
            bridge.assign(p.preimage, 0, list[0], "", terms, abi.encodePacked(r, s, v));
        }
    }

    /// The seller gives the claim away just before the buyer pays: the buyer keeps its ether, and the offer is void.
    function test_ASellerThatRunsAheadIsNotPaid() public {
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(1);
        IBridge.Terms memory terms = _terms(address(0), 1 ether);
        bytes memory signature = _sign(p, 0, 0, terms);
        vm.deal(mallory, 1 ether);
        // To somebody else, and to and fro, so that the recipient is the seller again.
        _give(p, list[0], bob, carol);
        vm.expectRevert(abi.encodeWithSelector(IBridge.NotRecipient.selector, carol, bob));
        vm.prank(mallory);
        bridge.assign{value: 1 ether}(p.preimage, 0, list[0], "", terms, signature);
        _give(p, list[0], carol, bob);
        vm.expectRevert(abi.encodeWithSelector(IBridge.BadSignature.selector, bob, _digest(p, 0, 2, terms)));
        vm.prank(mallory);
        bridge.assign{value: 1 ether}(p.preimage, 0, list[0], "", terms, signature);
        assertEq(mallory.balance, 1 ether);
    }

    /// A recipient that deposits what it is paid while it is paid: one payment, one deposit, both of them whole.
    function test_ARecipientMayDepositWhileItIsPaid() public {
        address actor = deployCode("Tokens.sol:Recipient");
        (Posted memory p, IBridge.Withdrawal[] memory list) = _post(2, actor);
        IMooded(actor).set(IMooded.Mood.Calling, address(bridge), abi.encodeCall(IBridge.fundBond, (mallory)));
        vm.roll(block.number + WINDOW + 1);
        uint256 held = address(bridge).balance;
        bridge.claim(p.preimage, 0, list[0], withdrawalOpening(p, 0));
        assertEq(address(bridge).balance, held - list[0].amount);
        IMooded(actor)
            .set(
                IMooded.Mood.Calling,
                address(bridge),
                abi.encodeCall(IBridge.claim, (p.preimage, 0, list[0], withdrawalOpening(p, 0)))
            );
        bridge.claim(p.preimage, 1, list[1], withdrawalOpening(p, 1));
        assertEq(address(bridge).balance, held - list[0].amount - list[1].amount, "each once");
    }

    function _cut(bytes memory data, uint256 size) private pure returns (bytes memory out) {
        out = new bytes(size);
        for (uint256 i = 0; i < size; i++) {
            out[i] = data[i];
        }
    }
}
