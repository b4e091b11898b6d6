// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IBridge} from "../interfaces/IBridge.sol";
import {IDepositRouter} from "../interfaces/IDepositRouter.sol";
import {ISignatureTransfer} from "../interfaces/ISignatureTransfer.sol";
import {BatchId} from "../types/BatchId.sol";

contract DepositRouter is IDepositRouter, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    bytes32 private constant WITNESS_TYPEHASH = keccak256("Deposit(bytes21 key)");
    /// @dev What Permit2 puts behind its own fields: the witness's field, then the types in alphabetical order.
    string private constant WITNESS_TYPE =
        "Deposit witness)Deposit(bytes21 key)TokenPermissions(address token,uint256 amount)";

    IBridge public immutable BRIDGE;
    ISignatureTransfer public immutable PERMIT2;

    constructor(IBridge bridge, ISignatureTransfer permit2) {
        BRIDGE = bridge;
        PERMIT2 = permit2;
    }

    /// @inheritdoc IDepositRouter
    function depositWithPermit(
        address token,
        uint256 amount,
        bytes21 key,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant returns (BatchId id) {
        if (token.code.length == 0) revert IBridge.TokenWithoutCode(token);
        // Whoever saw it in the mempool may have used it first. If there is no allowance the transfer says so.
        try IERC20Permit(token).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        return _deposit(token, before, key);
    }

    /// @inheritdoc IDepositRouter
    function depositWithPermit2(
        ISignatureTransfer.PermitTransferFrom calldata permit,
        address owner,
        bytes21 key,
        bytes calldata signature
    ) external nonReentrant returns (BatchId id) {
        uint256 before = IERC20(permit.permitted.token).balanceOf(address(this));
        PERMIT2.permitWitnessTransferFrom(
            permit,
            ISignatureTransfer.SignatureTransferDetails(address(this), permit.permitted.amount),
            owner,
            keccak256(abi.encode(WITNESS_TYPEHASH, key)),
            WITNESS_TYPE,
            signature
        );
        return _deposit(permit.permitted.token, before, key);
    }

    /// @dev What has arrived, and no more: what somebody else sent here could exceed the bridge's cap. The bridge takes exactly what is
    /// approved.
    function _deposit(address token, uint256 before, bytes21 key) private returns (BatchId id) {
        uint256 amount = IERC20(token).balanceOf(address(this)) - before;
        IERC20(token).forceApprove(address(BRIDGE), amount);
        return BRIDGE.depositToken(token, amount, key);
    }
}
