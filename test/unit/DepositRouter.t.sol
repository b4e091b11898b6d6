// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {IDepositRouter} from "../../contracts/interfaces/IDepositRouter.sol";
import {ISignatureTransfer} from "../../contracts/interfaces/ISignatureTransfer.sol";
import {BatchId} from "../../contracts/types/BatchId.sol";
import {Codec} from "../harness/Codec.sol";
import {Permits} from "../harness/Offers.sol";
import {Posting} from "../harness/Posting.sol";
import {State} from "../harness/Shapes.sol";

interface IPermitToken {
    function mint(address to, uint256 amount) external;
    function approve(address spender, uint256 amount) external returns (bool);
    function allowance(address owner, address spender) external view returns (uint256);
    function balanceOf(address who) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
    function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external;
    function answer() external view returns (bytes memory);
}

/// @notice Deposits by signature, through the real Permit2 (its runtime: test/vectors/permit2.json).
contract DepositRouterTest is Posting {
    using Codec for *;

    struct Signature {
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    bytes4 private constant INVALID_SIGNER = bytes4(keccak256("InvalidSigner()"));

    IDepositRouter private router;
    ISignatureTransfer private permit2;
    IPermitToken private token;

    function setUp() public override {
        vm.chainId(1); // not the one whose domain the runtime has in its cache
        super.setUp();
        string memory json = vm.readFile("test/vectors/permit2.json");
        permit2 = ISignatureTransfer(vm.parseJsonAddress(json, ".address"));
        vm.etch(address(permit2), vm.parseJsonBytes(json, ".runtime"));
        router = IDepositRouter(deployCode("DepositRouter.sol:DepositRouter", abi.encode(bridge, permit2)));
        token = _token("RouterTokens.sol:PermitToken");
    }

    function test_TheRouterDepositsWhereItWasDeployedTo() public view {
        assertEq(address(router.BRIDGE()), address(bridge));
        assertEq(address(router.PERMIT2()), address(permit2));
    }

    // ---------------------------------------------------------------- ERC-2612

    function testFuzz_APermitDeposits(bool passkey, address controller, uint128 amount) public {
        vm.assume(controller != address(0));
        amount = uint128(bound(amount, 1, 1e30));
        bytes21 key = keyFor(passkey ? 2 : 1, controller);
        Signature memory sig = _permit(alice, amount);
        vm.expectEmit(address(bridge));
        emit IBridge.Deposited(nextId(), key, address(token), amount);
        vm.prank(alice);
        uint40 id =
            BatchId.unwrap(router.depositWithPermit(address(token), amount, key, block.timestamp, sig.v, sig.r, sig.s));
        _assertDeposited(id, key, amount);
        assertEq(token.balanceOf(alice), 1e30 - amount);
        assertEq(token.allowance(alice, address(router)), 0);
    }

    function test_APermitThatSomebodyElseUsedFirstStillDeposits() public {
        Signature memory sig = _permit(alice, 100);
        token.permit(alice, address(router), 100, block.timestamp, sig.v, sig.r, sig.s);
        vm.prank(alice);
        uint40 id = BatchId.unwrap(
            router.depositWithPermit(address(token), 100, keyFor(alice), block.timestamp, sig.v, sig.r, sig.s)
        );
        _assertDeposited(id, keyFor(alice), 100);
    }

    function test_ATokenWithoutPermitsDepositsByItsAllowance() public {
        token = _token("Token.sol:Token");
        vm.prank(alice);
        token.approve(address(router), 100);
        vm.prank(alice);
        uint40 id = BatchId.unwrap(router.depositWithPermit(address(token), 100, keyFor(bob), 0, 0, 0, 0));
        _assertDeposited(id, keyFor(bob), 100);
    }

    function test_APermitIsForItsSignerOnly() public {
        Signature memory sig = _permit(alice, 100);
        bytes memory reason =
            abi.encodeWithSignature("ERC20InsufficientAllowance(address,uint256,uint256)", router, 0, 100);
        vm.prank(bob);
        vm.expectRevert(reason);
        router.depositWithPermit(address(token), 100, keyFor(bob), block.timestamp, sig.v, sig.r, sig.s);
        // Nor is an allowance that stands: the tokens are the sender's.
        token.permit(alice, address(router), 100, block.timestamp, sig.v, sig.r, sig.s);
        vm.prank(bob);
        vm.expectRevert(reason);
        router.depositWithPermit(address(token), 100, keyFor(bob), block.timestamp, sig.v, sig.r, sig.s);
    }

    function test_ATokenWithoutCodeIsRefused() public {
        vm.expectRevert(abi.encodeWithSelector(IBridge.TokenWithoutCode.selector, alice));
        router.depositWithPermit(alice, 100, keyFor(bob), 0, 0, 0, 0);
    }

    // ---------------------------------------------------------------- Permit2

    function testFuzz_AnyoneRelaysWhatTheOwnerSigned(bool passkey, address controller, uint128 amount, address relayer)
        public
    {
        vm.assume(controller != address(0));
        amount = uint128(bound(amount, 1, 1e30));
        bytes21 key = keyFor(passkey ? 2 : 1, controller);
        ISignatureTransfer.PermitTransferFrom memory permit = _permit2(amount, 7);
        bytes memory sig = _sign2(alice, permit, key, address(router));
        vm.prank(relayer);
        uint40 id = BatchId.unwrap(router.depositWithPermit2(permit, alice, key, sig));
        _assertDeposited(id, key, amount);
        assertEq(token.balanceOf(alice), 1e30 - amount);

        vm.expectRevert(abi.encodeWithSignature("InvalidNonce()"));
        router.depositWithPermit2(permit, alice, key, sig);
    }

    function test_NobodyRedirectsADeposit() public {
        ISignatureTransfer.PermitTransferFrom memory permit = _permit2(100, 7);
        bytes21 key = keyFor(alice);
        bytes memory sig = _sign2(alice, permit, key, address(router));
        vm.expectRevert(abi.encodeWithSelector(INVALID_SIGNER));
        router.depositWithPermit2(permit, alice, keyFor(bob), sig);
        vm.expectRevert(abi.encodeWithSelector(INVALID_SIGNER));
        router.depositWithPermit2(permit, alice, keyFor(2, alice), sig);
        vm.expectRevert(abi.encodeWithSelector(INVALID_SIGNER));
        router.depositWithPermit2(permit, bob, key, sig);
        permit.permitted.amount = 99;
        vm.expectRevert(abi.encodeWithSelector(INVALID_SIGNER));
        router.depositWithPermit2(permit, alice, key, sig);
        permit.permitted.amount = 100;

        // Nobody but the router may use it, with whatever witness.
        ISignatureTransfer.SignatureTransferDetails memory to = ISignatureTransfer.SignatureTransferDetails(bob, 100);
        bytes32 witness = keccak256(abi.encode(keccak256("Deposit(bytes21 key)"), key));
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(INVALID_SIGNER));
        permit2.permitWitnessTransferFrom(
            permit,
            to,
            alice,
            witness,
            "Deposit witness)Deposit(bytes21 key)TokenPermissions(address token,uint256 amount)",
            sig
        );
        IDepositRouter other =
            IDepositRouter(deployCode("DepositRouter.sol:DepositRouter", abi.encode(bridge, permit2)));
        vm.expectRevert(abi.encodeWithSelector(INVALID_SIGNER));
        other.depositWithPermit2(permit, alice, key, sig);

        vm.warp(permit.deadline + 1);
        vm.expectRevert(abi.encodeWithSignature("SignatureExpired(uint256)", permit.deadline));
        router.depositWithPermit2(permit, alice, key, sig);
        assertEq(token.balanceOf(alice), 1e30);
    }

    function test_ABadKeyMovesNothing() public {
        ISignatureTransfer.PermitTransferFrom memory permit = _permit2(100, 7);
        bytes21 key = keyFor(3, alice);
        bytes memory sig = _sign2(alice, permit, key, address(router));
        vm.expectRevert(abi.encodeWithSelector(IBridge.BadKey.selector, key));
        router.depositWithPermit2(permit, alice, key, sig);
        assertEq(token.balanceOf(alice), 1e30);
    }

    // ---------------------------------------------------------------- tokens

    function test_WhatArrivesIsDeposited() public {
        token = _token("Tokens.sol:FeeToken");
        ISignatureTransfer.PermitTransferFrom memory permit = _permit2(1000, 7);
        bytes memory sig = _sign2(alice, permit, keyFor(alice), address(router));
        uint40 id = BatchId.unwrap(router.depositWithPermit2(permit, alice, keyFor(alice), sig));
        _assertDeposited(id, keyFor(alice), 981); // 1000, 990, 981
    }

    function test_ATokenThatReturnsNothingIsDeposited() public {
        token = _token("Tokens.sol:SilentToken");
        vm.prank(alice);
        uint40 id = BatchId.unwrap(router.depositWithPermit(address(token), 100, keyFor(bob), 0, 0, 0, 0));
        State memory state = userState(bob, one(bytes32(uint256(uint160(address(token)))), 100));
        assertEq(bridge.headOf(uint56(id) * 65_536), state.head(id));
        assertEq(token.balanceOf(address(router)), 0);
    }

    /// Deposited with somebody's own, it could exceed the bridge's cap, and block them.
    function test_WhatSomebodySentToTheRouterIsNobodysDeposit() public {
        vm.prank(alice);
        token.transfer(address(router), 11);
        ISignatureTransfer.PermitTransferFrom memory permit = _permit2(100, 7);
        bytes memory sig = _sign2(alice, permit, keyFor(alice), address(router));
        uint40 id = BatchId.unwrap(router.depositWithPermit2(permit, alice, keyFor(alice), sig));
        _assertDeposited(id, keyFor(alice), 100, 11);
    }

    function test_ATokenCannotDepositAnothersBalanceOnItsWay() public {
        token = _token("RouterTokens.sol:HookToken");
        vm.prank(alice);
        token.approve(address(router), 100);
        vm.prank(alice);
        uint40 id = BatchId.unwrap(router.depositWithPermit(address(token), 100, keyFor(alice), 0, 0, 0, 0));
        _assertDeposited(id, keyFor(alice), 100);
        assertEq(token.answer(), abi.encodeWithSignature("ReentrancyGuardReentrantCall()"));
    }

    function test_NorOnItsWayThroughPermit2() public {
        token = _token("RouterTokens.sol:HookToken");
        ISignatureTransfer.PermitTransferFrom memory permit = _permit2(100, 7);
        bytes memory sig = _sign2(alice, permit, keyFor(alice), address(router));
        uint40 id = BatchId.unwrap(router.depositWithPermit2(permit, alice, keyFor(alice), sig));
        _assertDeposited(id, keyFor(alice), 100);
        assertEq(token.answer(), abi.encodeWithSignature("ReentrancyGuardReentrantCall()"));
    }

    // ---------------------------------------------------------------- helpers

    /// @dev A token of which Alice has 1e30, and Permit2 her approval.
    function _token(string memory artifact) private returns (IPermitToken made) {
        made = IPermitToken(deployCode(artifact));
        made.mint(alice, 1e30);
        vm.prank(alice);
        made.approve(address(permit2), type(uint256).max);
    }

    function _assertDeposited(uint40 id, bytes21 key, uint128 amount) private view {
        _assertDeposited(id, key, amount, 0);
    }

    function _assertDeposited(uint40 id, bytes21 key, uint128 amount, uint256 left) private view {
        bytes32 asset = bytes32(uint256(uint160(address(token))));
        State memory state = userState(address(uint160(uint168(key))), one(asset, amount));
        state.kind = uint8(key[0]);
        assertEq(bridge.headOf(uint56(id) * 65_536), state.head(id), "head");
        assertEq(token.balanceOf(address(bridge)), amount, "the bridge has it");
        assertEq(token.balanceOf(address(router)), left, "nothing of it stays behind");
        assertEq(token.allowance(address(router), address(bridge)), 0, "nor an approval");
    }

    function _permit(address owner, uint256 amount) private view returns (Signature memory sig) {
        bytes32 digest = Permits.erc2612(address(token), owner, address(router), amount, block.timestamp);
        (sig.v, sig.r, sig.s) = vm.sign(keyOf[owner], digest);
    }

    function _permit2(uint256 amount, uint256 nonce)
        private
        view
        returns (ISignatureTransfer.PermitTransferFrom memory)
    {
        return ISignatureTransfer.PermitTransferFrom(
            ISignatureTransfer.TokenPermissions(address(token), amount), nonce, block.timestamp + 100
        );
    }

    function _sign2(address owner, ISignatureTransfer.PermitTransferFrom memory permit, bytes21 key, address spender)
        private
        view
        returns (bytes memory)
    {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keyOf[owner], Permits.permit2(address(permit2), permit, key, spender));
        return abi.encodePacked(r, s, v);
    }
}
