// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {BatchId} from "../types/BatchId.sol";
import {IBridge} from "./IBridge.sol";
import {ISignatureTransfer} from "./ISignatureTransfer.sol";

/// @title Token deposits without an approval beforehand
/// @notice Holds nothing between calls and has no owner. A token that takes a fee on transfer takes it twice: on the way to the
/// router, and from there to the bridge; what arrives is deposited.
///
/// Warning: what is sent to the router by mistake is lost.
interface IDepositRouter {
    /// @notice Where it deposits.
    function BRIDGE() external view returns (IBridge);
    /// @notice Permit2.
    function PERMIT2() external view returns (ISignatureTransfer);

    /// @notice Deposits the sender's tokens by its ERC-2612 permit for the router. A permit that somebody else has used already does no
    /// harm: the allowance stands.
    /// @param key As in `IBridge.deposit`
    function depositWithPermit(
        address token,
        uint256 amount,
        bytes21 key,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external returns (BatchId id);

    /// @notice Deposits `owner`'s tokens by its signature for Permit2. Anyone may send it: amount, key and router are signed.
    /// @param permit With all of `permitted.amount` being deposited
    /// @param key The witness: `Deposit(bytes21 key)`
    function depositWithPermit2(
        ISignatureTransfer.PermitTransferFrom calldata permit,
        address owner,
        bytes21 key,
        bytes calldata signature
    ) external returns (BatchId id);
}
