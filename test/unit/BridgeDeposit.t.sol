// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {BatchId} from "../../contracts/types/BatchId.sol";
import {Codec} from "../harness/Codec.sol";
import {Posting} from "../harness/Posting.sol";
import {State, unleased} from "../harness/Shapes.sol";

interface IToken {
    function mint(address to, uint256 amount) external;
    function approve(address spender, uint256 amount) external returns (bool);
    function balanceOf(address who) external view returns (uint256);
}

/// @notice A deposit opens a fragment under a key that holds what arrived (docs/spec.md, section 3).
contract BridgeDepositTest is Posting {
    using Codec for *;

    function testFuzz_ADepositOpensAFragmentThatHoldsIt(bool passkey, address who, uint128 amount) public {
        vm.assume(who != address(0) && amount != 0);
        uint8 kind = passkey ? 2 : 1;
        vm.deal(address(this), amount);
        uint40 expected = idAt(block.number, 1);
        vm.expectEmit(address(bridge));
        emit IBridge.Deposited(expected, keyFor(kind, who), address(0), amount);
        uint40 id = BatchId.unwrap(bridge.deposit{value: amount}(keyFor(kind, who)));
        assertEq(id, expected);
        State memory state = unleased(kind, who, 0, one(ETH, amount), "");
        assertEq(bridge.headOf(uint56(id) * 65_536), state.head(id));
        assertEq(address(bridge).balance, uint256(amount) + BOND);
    }

    function testFuzz_ATokenDepositHoldsTheToken(bool passkey, address who, uint128 amount) public {
        vm.assume(who != address(0) && amount != 0);
        uint8 kind = passkey ? 2 : 1;
        address token = deployCode("Token.sol:Token");
        _approve(token, amount);
        uint40 expected = idAt(block.number, 1);
        vm.expectEmit(address(bridge));
        emit IBridge.Deposited(expected, keyFor(kind, who), token, amount);
        uint40 id = BatchId.unwrap(bridge.depositToken(token, amount, keyFor(kind, who)));
        State memory state = unleased(kind, who, 0, one(bytes32(uint256(uint160(token))), amount), "");
        assertEq(bridge.headOf(uint56(id) * 65_536), state.head(id));
        assertEq(IToken(token).balanceOf(address(bridge)), amount);
    }

    function test_WhatArrivesIsCredited() public {
        address token = deployCode("Tokens.sol:FeeToken");
        _approve(token, 1000);
        uint40 id = BatchId.unwrap(bridge.depositToken(token, 1000, keyFor(alice)));
        State memory state = unleased(1, alice, 0, one(bytes32(uint256(uint160(token))), 990), "");
        assertEq(bridge.headOf(uint56(id) * 65_536), state.head(id));
    }

    function test_ATokenThatReturnsNothingIsTaken() public {
        address token = deployCode("Tokens.sol:SilentToken");
        _approve(token, 1000);
        uint40 id = BatchId.unwrap(bridge.depositToken(token, 1000, keyFor(alice)));
        State memory state = unleased(1, alice, 0, one(bytes32(uint256(uint160(token))), 1000), "");
        assertEq(bridge.headOf(uint56(id) * 65_536), state.head(id));
    }

    function test_WhatIsInTheBridgeAlreadyIsNotCredited() public {
        address token = deployCode("Token.sol:Token");
        _approve(token, 1000);
        bridge.depositToken(token, 600, keyFor(bob));
        uint40 id = BatchId.unwrap(bridge.depositToken(token, 400, keyFor(alice)));
        State memory state = unleased(1, alice, 0, one(bytes32(uint256(uint160(token))), 400), "");
        assertEq(bridge.headOf(uint56(id) * 65_536), state.head(id));
    }

    function test_TheLargestAmountIsTaken() public {
        vm.deal(address(this), 2 ** 128);
        uint40 id = BatchId.unwrap(bridge.deposit{value: type(uint128).max}(keyFor(alice)));
        State memory state = unleased(1, alice, 0, one(ETH, type(uint128).max), "");
        assertEq(bridge.headOf(uint56(id) * 65_536), state.head(id));
    }

    function test_ADepositNeedsAnAmountAndAToken() public {
        vm.deal(address(this), 2 ** 200);
        vm.expectRevert(abi.encodeWithSelector(IBridge.ZeroAmount.selector));
        bridge.deposit(keyFor(alice));
        vm.expectRevert(abi.encodeWithSelector(IBridge.AmountTooLarge.selector, 2 ** 128));
        bridge.deposit{value: 2 ** 128}(keyFor(alice));

        vm.expectRevert(abi.encodeWithSelector(IBridge.TokenWithoutCode.selector, alice));
        bridge.depositToken(alice, 1, keyFor(alice));
        vm.expectRevert(abi.encodeWithSelector(IBridge.TokenWithoutCode.selector, address(0)));
        bridge.depositToken(address(0), 1, keyFor(alice));
        address token = deployCode("Token.sol:Token");
        _approve(token, 2 ** 200);
        vm.expectRevert(abi.encodeWithSelector(IBridge.ZeroAmount.selector));
        bridge.depositToken(token, 0, keyFor(alice));
        vm.expectRevert(abi.encodeWithSelector(IBridge.AmountTooLarge.selector, 2 ** 128));
        bridge.depositToken(token, 2 ** 128, keyFor(alice));
    }

    function test_AKeyIsOfAKindThatSignsAndNotZero() public {
        vm.deal(address(this), 1 ether);
        address token = deployCode("Token.sol:Token");
        _approve(token, 100);
        for (uint256 kind = 0; kind < 256; kind++) {
            if (kind != 1 && kind != 2) _expectBadKey(token, keyFor(uint8(kind), alice));
        }
        _expectBadKey(token, keyFor(1, address(0)));
        _expectBadKey(token, keyFor(2, address(0)));
        bridge.deposit{value: 1}(keyFor(1, address(1)));
        bridge.deposit{value: 1}(keyFor(2, address(2 ** 159)));
    }

    function _expectBadKey(address token, bytes21 key) private {
        vm.expectRevert(abi.encodeWithSelector(IBridge.BadKey.selector, key));
        bridge.deposit{value: 1}(key);
        vm.expectRevert(abi.encodeWithSelector(IBridge.BadKey.selector, key));
        bridge.depositToken(token, 1, key);
    }

    function test_EthSentWithoutACallIsRefused() public {
        vm.deal(address(this), 1 ether);
        // After `expectRevert` a bare call would fail either way, and say why to nobody.
        (bool sent, bytes memory reason) = address(bridge).call{value: 1}("");
        assertFalse(sent);
        assertEq(reason, abi.encodeWithSelector(IBridge.PlainTransferRefused.selector));
    }

    function test_ATokenCannotDepositTwiceWhatItTransfersOnce() public {
        // On its way the token deposits again: the inner one is refused, or else both would be credited with the sum.
        address token = deployCode("Tokens.sol:ReentrantToken", abi.encode(address(bridge)));
        vm.expectRevert(abi.encodeWithSignature("ReentrancyGuardReentrantCall()"));
        bridge.depositToken(token, 1000, keyFor(alice));
    }

    function _approve(address token, uint256 amount) private {
        IToken(token).mint(address(this), amount);
        IToken(token).approve(address(bridge), amount);
    }
}
