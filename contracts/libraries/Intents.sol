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
    bytes32 internal constant INTENT_TYPEHASH = keccak256(
        "Authorisation(address rule,bytes payload,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)Outflow(bytes32 asset,uint128 amount)"
    );

    /// @dev An authorisation as the body has it, without the fragment's position.
    struct Intent {
        uint64 validUntil;
        IRule.Asset[] outflows;
        bytes payload;
    }

    function domain(uint256 chainId, address bridge) internal pure returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, keccak256("nthroot"), keccak256("1"), chainId, bridge));
    }

    /// @dev Reads a well-formed authorisation behind its position byte, up to its scheme, into `intent`; returns where that stands.
    function read(bytes calldata body, uint256 pos, Intent memory intent) internal pure returns (uint256) {
        unchecked {
            intent.validUntil = uint64(body.number(pos, 8));
            uint256 count = body.number(pos + 8, 1);
            pos += 9;
            intent.outflows = States.readAssets(body, pos, count);
            pos += 48 * count;
            uint256 size = body.number(pos, 2);
            intent.payload = body.slice(pos + 2, size);
            return pos + 2 + size;
        }
    }

    /// @dev What the controller signs.
    function digest(Intent memory intent, bytes32 domain_, address rule, uint80 fragment, uint64 nonce)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encodePacked(bytes2(0x1901), domain_, structHash(intent, rule, fragment, nonce)));
    }

    function structHash(Intent memory intent, address rule, uint80 fragment, uint64 nonce)
        internal
        pure
        returns (bytes32)
    {
        IRule.Asset[] memory outflows = intent.outflows;
        bytes32 outflowsHash;
        bytes32 typeHash = OUTFLOW_TYPEHASH;
        assembly ("memory-safe") {
            // keccak256 of each keccak256(abi.encode(OUTFLOW_TYPEHASH, id, amount)), in memory behind the free pointer
            let hashes := mload(0x40)
            let to := hashes
            let from := add(outflows, 32)
            for { let end := add(from, shl(5, mload(outflows))) } lt(from, end) { from := add(from, 32) } {
                mstore(to, typeHash)
                mcopy(add(to, 32), mload(from), 64)
                mstore(to, keccak256(to, 96))
                to := add(to, 32)
            }
            outflowsHash := keccak256(hashes, sub(to, hashes))
        }
        return keccak256(
            abi.encode(
                INTENT_TYPEHASH, rule, keccak256(intent.payload), fragment, nonce, intent.validUntil, outflowsHash
            )
        );
    }
}
