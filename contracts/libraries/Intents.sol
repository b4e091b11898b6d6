// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../interfaces/IRule.sol";
import {Calldata} from "./Calldata.sol";
import {States} from "./States.sol";

/// @notice What users sign: EIP-712 typed data (docs/spec.md, section 5.1).
library Intents {
    using Calldata for bytes;

    bytes32 internal constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 internal constant OUTFLOW_TYPEHASH = keccak256("Outflow(bytes32 asset,uint128 amount)");
    /// @dev Of an authorisation whose rule does not say what its payload means.
    bytes32 internal constant PLAIN_TYPEHASH = keccak256(
        "Authorisation(bytes intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)Outflow(bytes32 asset,uint128 amount)"
    );

    /// @dev The signed struct, as EIP-712 encodes it; and behind it where the signature is. A rule may replace the two first words.
    struct Message {
        bytes32 typeHash;
        bytes32 intent; // hash of the payload, or of what it means
        address rule;
        uint80 fragment;
        uint64 nonce;
        uint64 validUntil;
        bytes32 outflows;
        uint256 signatureAt; // its scheme, in the body
    }

    function domain(uint256 chainId, address bridge) internal pure returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, keccak256("nthroot"), keccak256("1"), chainId, bridge));
    }

    /// @dev Reads a well-formed authorisation behind its position byte into what `message` lacks.
    function read(bytes calldata body, uint256 pos, Message memory message)
        internal
        pure
        returns (IRule.Asset[] memory outflows, bytes memory payload)
    {
        unchecked {
            message.validUntil = uint64(body.number(pos, 8));
            uint256 count = body.number(pos + 8, 1);
            pos += 9;
            outflows = States.readAssets(body, pos, count);
            message.outflows = _hash(outflows);
            pos += 48 * count;
            uint256 size = body.number(pos, 2);
            payload = body.slice(pos + 2, size);
            message.intent = keccak256(payload);
            message.signatureAt = pos + 2 + size;
        }
    }

    /// @dev What the controller signs: keccak256(0x1901 ‖ domain ‖ keccak256(the struct's seven words)).
    function digest(Message memory message, bytes32 domain_) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let scratch := mload(0x40)
            mstore(scratch, shl(240, 0x1901))
            mstore(add(scratch, 2), domain_)
            mstore(add(scratch, 34), keccak256(message, 0xe0))
            hash := keccak256(scratch, 66)
        }
    }

    /// @dev keccak256 of each keccak256(abi.encode(OUTFLOW_TYPEHASH, id, amount)), in memory behind the free pointer.
    function _hash(IRule.Asset[] memory outflows) private pure returns (bytes32 hash) {
        bytes32 typeHash = OUTFLOW_TYPEHASH;
        assembly ("memory-safe") {
            let hashes := mload(0x40)
            let to := hashes
            let from := add(outflows, 32)
            for { let end := add(from, shl(5, mload(outflows))) } lt(from, end) { from := add(from, 32) } {
                mstore(to, typeHash)
                mcopy(add(to, 32), mload(from), 64)
                mstore(to, keccak256(to, 96))
                to := add(to, 32)
            }
            hash := keccak256(hashes, sub(to, hashes))
        }
    }
}
