// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IEvidenceErrors} from "../interfaces/IEvidenceErrors.sol";
import {Calldata} from "./Calldata.sol";
import {Effects} from "./Effects.sol";

/// @notice Whether a controller signed a digest (docs/spec.md, section 5.1). A bad signature is an answer; too little gas to look at
/// one reverts with `NeedGas`.
library Signatures {
    using Calldata for bytes;

    uint256 internal constant SECP256K1 = 1; // r ‖ yParity << 255 | s (EIP-2098)
    uint256 internal constant P256 = 2; // r ‖ s ‖ x ‖ y
    uint256 internal constant WEBAUTHN = 3; // as P256, then u8 length ‖ authenticator data ‖ u16 length ‖ rest of client data

    /// @dev Half the groups' orders, rounded down: a higher s is the mirror image of a lower one.
    uint256 private constant HALF_N_SECP256K1 = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;
    uint256 private constant HALF_N_P256 = 0x7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8;
    /// @dev ecrecover costs 3,000, P256VERIFY 6,900, SHA-256 of a whole body 6,204; the rest leaves room for a repricing. Each gets
    /// all that is left.
    uint256 private constant PRECOMPILE_RESERVE = 20_000;
    uint256 private constant SHA256_ADDRESS = 2;
    uint256 private constant P256VERIFY_ADDRESS = 0x100; // EIP-7951
    uint256 private constant AUTHENTICATOR_DATA_MIN = 37; // hash of the site (32), flags (1), counter (4)
    /// @dev Start of the client data in a browser's serialisation, in front of the challenge.
    bytes private constant CLIENT_DATA = '{"type":"webauthn.get","challenge":"';

    /// @dev Where a signature behind its scheme byte ends; 0 if there is no such scheme. Reads zeros where the body has ended.
    function end(bytes calldata body, uint256 pos, uint256 scheme) internal pure returns (uint256) {
        unchecked {
            if (scheme == SECP256K1) return pos + 64;
            if (scheme == P256) return pos + 128;
            if (scheme != WEBAUTHN) return 0;
            pos += 129 + body.number(pos + 128, 1);
            return pos + 2 + body.number(pos, 2);
        }
    }

    /// @dev Whether the signature at `pos` (its scheme byte), a well-formed one, is the controller's.
    function isGood(bytes calldata body, uint256 pos, bytes32 digest, uint8 kind, address controller)
        internal
        view
        returns (bool)
    {
        unchecked {
            uint256 scheme = body.number(pos, 1);
            ++pos;
            if (scheme == SECP256K1) {
                if (kind != Effects.KIND_SECP256K1 || controller == address(0)) return false;
                return _recover(digest, bytes32(body.number(pos, 32)), body.number(pos + 32, 32)) == controller;
            }
            if (kind != Effects.KIND_P256) return false;
            if (address(uint160(uint256(_hash(body.slice(pos + 64, 64))))) != controller) return false;
            if (body.number(pos + 32, 32) > HALF_N_P256) return false;
            if (scheme == WEBAUTHN) {
                bool present;
                (digest, present) = _assertion(body, pos + 128, digest);
                if (!present) return false;
            }
            return _verify(digest, body.slice(pos, 128));
        }
    }

    /// @dev Who signed; zero if nobody did.
    function _recover(bytes32 digest, bytes32 r, uint256 vs) private view returns (address recovered) {
        uint256 s = vs & ~(uint256(1) << 255);
        if (s > HALF_N_SECP256K1) return address(0);
        _requireGas();
        bool called;
        assembly ("memory-safe") {
            let input := mload(0x40)
            mstore(input, digest)
            mstore(add(input, 0x20), add(27, shr(255, vs)))
            mstore(add(input, 0x40), r)
            mstore(add(input, 0x60), s)
            called := staticcall(gas(), 1, input, 0x80, 0, 0x20)
            // No output for a bad signature.
            if returndatasize() { recovered := mload(0) }
        }
        _requireCalled(called);
    }

    /// @dev P256VERIFY of digest ‖ r ‖ s ‖ x ‖ y: says 1, or nothing. It refuses keys that are not on the curve.
    function _verify(bytes32 digest, bytes calldata signature) private view returns (bool verified) {
        _requireGas();
        bool called;
        assembly ("memory-safe") {
            let input := mload(0x40)
            mstore(input, digest)
            calldatacopy(add(input, 0x20), signature.offset, 128)
            mstore(0, 0)
            called := staticcall(gas(), P256VERIFY_ADDRESS, input, 0xa0, 0, 0x20)
            verified := and(eq(returndatasize(), 0x20), eq(mload(0), 1))
        }
        _requireCalled(called);
    }

    /// @dev Whether the chain has P256VERIFY: asks it for the signature on digest 1 by private key 1 with nonce 2.
    function hasP256() internal view returns (bool has) {
        bytes memory input = abi.encodePacked(
            uint256(1),
            hex"7cf27b188d034f7e8a52380304b51ac3c08969e277f21b35a60b48fc47669978",
            hex"4186c273397e58413ad6e3fe7da5729dfe2ec8659792c1a7a6d740e35a7e45ec",
            hex"6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296", // the generator, which is the public key
            hex"4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
        );
        (bool called, bytes memory output) = address(uint160(P256VERIFY_ADDRESS)).staticcall(input);
        return called && output.length == 32 && abi.decode(output, (uint256)) == 1;
    }

    /// @dev What an authenticator signs for `digest`, given its data and the rest of the client data at `pos`:
    ///     sha256(authenticatorData ‖ sha256(CLIENT_DATA ‖ base64url(digest) ‖ '"' ‖ rest))
    /// and whether its data says that a user was present.
    function _assertion(bytes calldata body, uint256 pos, bytes32 digest)
        private
        view
        returns (bytes32 message, bool present)
    {
        unchecked {
            bytes calldata data = body.slice(pos + 1, body.number(pos, 1));
            pos += 1 + data.length;
            bytes calldata rest = body.slice(pos + 2, body.number(pos, 2));
            present = data.length >= AUTHENTICATOR_DATA_MIN && data.number(32, 1) & 1 == 1;
            if (!present) return (0, false);
            bytes memory clientData = abi.encodePacked(CLIENT_DATA, base64url(digest), '"', rest);
            return (_sha256(abi.encodePacked(data, _sha256(clientData))), true);
        }
    }

    /// @dev RFC 4648 without padding: 43 characters of six bits each, the last with two zero bits at its end.
    function base64url(bytes32 value) internal pure returns (bytes memory text) {
        assembly ("memory-safe") {
            text := mload(0x40)
            mstore(0x40, add(text, 96))
            mstore(text, 43)
            let to := add(text, 32)
            for { let i := 0 } lt(i, 43) { i := add(i, 1) } {
                let six := shr(250, shl(mul(6, i), value)) // bits 6i to 6i + 5 from the top
                let low := byte(six, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef")
                let high := byte(sub(six, 32), "ghijklmnopqrstuvwxyz0123456789-_")
                mstore8(add(to, i), or(low, high)) // `byte` is zero beyond its word
            }
        }
    }

    function _sha256(bytes memory data) private view returns (bytes32 digest) {
        _requireGas();
        bool called;
        assembly ("memory-safe") {
            called := staticcall(gas(), SHA256_ADDRESS, add(data, 32), mload(data), 0, 32)
            digest := mload(0)
        }
        _requireCalled(called);
    }

    function _hash(bytes calldata data) private pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let scratch := mload(0x40)
            calldatacopy(scratch, data.offset, data.length)
            digest := keccak256(scratch, data.length)
        }
    }

    function _requireGas() private view {
        if (gasleft() < PRECOMPILE_RESERVE) revert IEvidenceErrors.NeedGas(PRECOMPILE_RESERVE, gasleft());
    }

    /// @dev A precompile fails for want of gas only.
    function _requireCalled(bool called) private view {
        if (!called) revert IEvidenceErrors.NeedGas(PRECOMPILE_RESERVE, gasleft());
    }
}
