// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {ISignatureTransfer} from "../../contracts/interfaces/ISignatureTransfer.sol";
import {Codec} from "./Codec.sol";

/// @notice What the seller of a claim signs (docs/spec.md, section 9).
library Offers {
    function digest(
        address bridge,
        bytes memory preimage,
        uint256 position,
        uint256 sequence,
        IBridge.Terms memory terms
    ) internal view returns (bytes32) {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "Assignment(bytes32 commitment,uint256 position,uint256 sequence,address from,address to,address token,uint256 price,uint256 deadline)"
                ),
                keccak256(preimage),
                position,
                sequence,
                terms.from,
                terms.open ? address(0) : terms.to,
                terms.token,
                terms.price,
                terms.deadline
            )
        );
        return keccak256(bytes.concat(hex"1901", Codec.domain(block.chainid, bridge), structHash));
    }
}

interface IPermits {
    function nonces(address owner) external view returns (uint256);
    function DOMAIN_SEPARATOR() external view returns (bytes32);
}

/// @notice What a depositor signs, as ERC-2612 and Permit2's documentation have it.
library Permits {
    function erc2612(address token, address owner, address spender, uint256 amount, uint256 deadline)
        internal
        view
        returns (bytes32)
    {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                owner,
                spender,
                amount,
                IPermits(token).nonces(owner),
                deadline
            )
        );
        return keccak256(abi.encodePacked(hex"1901", IPermits(token).DOMAIN_SEPARATOR(), structHash));
    }

    function permit2(
        address permit2_,
        ISignatureTransfer.PermitTransferFrom memory permit,
        bytes21 key,
        address spender
    ) internal view returns (bytes32) {
        bytes32 permitted = keccak256(
            abi.encode(
                keccak256("TokenPermissions(address token,uint256 amount)"),
                permit.permitted.token,
                permit.permitted.amount
            )
        );
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,Deposit witness)Deposit(bytes21 key)TokenPermissions(address token,uint256 amount)"
                ),
                permitted,
                spender,
                permit.nonce,
                permit.deadline,
                keccak256(abi.encode(keccak256("Deposit(bytes21 key)"), key))
            )
        );
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,uint256 chainId,address verifyingContract)"),
                keccak256("Permit2"),
                block.chainid,
                permit2_
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }
}
