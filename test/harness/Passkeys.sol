// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Signed} from "./Shapes.sol";
import {Trials} from "./Trials.sol";

struct Passkey {
    uint256 secret;
    bytes32 x;
    bytes32 y;
    address controller;
}

/// @notice Users with P-256 keys, raw and behind a browser (docs/spec.md, section 5.1).
abstract contract Passkeys is Trials {
    uint256 internal constant P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551;
    bytes internal constant CLIENT_REST = ",\"origin\":\"https://wallet.example\",\"crossOrigin\":false}";

    function passkey(string memory name) internal pure returns (Passkey memory k) {
        k.secret = uint256(keccak256(bytes(name))) % (P256_ORDER - 1) + 1;
        (uint256 x, uint256 y) = vm.publicKeyP256(k.secret);
        (k.x, k.y) = (bytes32(x), bytes32(y));
        k.controller = address(uint160(uint256(keccak256(abi.encodePacked(x, y)))));
    }

    /// @dev r ‖ s ‖ x ‖ y, s in the lower half.
    function signatureOf(Passkey memory k, bytes32 message) internal pure returns (bytes memory) {
        (bytes32 r, bytes32 s) = vm.signP256(k.secret, message);
        if (uint256(s) > P256_ORDER / 2) s = bytes32(P256_ORDER - uint256(s));
        return abi.encodePacked(r, s, k.x, k.y);
    }

    /// @dev Scheme 2.
    function signP256(Signed memory a, address rule, uint80 fragment, uint64 nonce, Passkey memory k)
        internal
        view
        returns (Signed memory)
    {
        return signP256(a, digest(a, rule, fragment, nonce), k);
    }

    function signP256(Signed memory a, bytes32 digest_, Passkey memory k) internal pure returns (Signed memory) {
        a.scheme = 2;
        a.signature = signatureOf(k, digest_);
        return a;
    }

    /// @dev Scheme 3, by an authenticator that says no more than it must.
    function signWebAuthn(Signed memory a, address rule, uint80 fragment, uint64 nonce, Passkey memory k)
        internal
        view
        returns (Signed memory)
    {
        return signWebAuthn(a, digest(a, rule, fragment, nonce), k, authenticatorData(37), CLIENT_REST);
    }

    function signWebAuthn(
        Signed memory a,
        bytes32 digest_,
        Passkey memory k,
        bytes memory authenticator,
        bytes memory rest
    ) internal pure returns (Signed memory) {
        return assertion(a, k, authenticator, clientData(digest_, rest), rest);
    }

    /// @dev An assertion over any client data, of which the body has `rest`.
    function assertion(
        Signed memory a,
        Passkey memory k,
        bytes memory authenticator,
        bytes memory client,
        bytes memory rest
    ) internal pure returns (Signed memory) {
        bytes memory signature = signatureOf(k, sha256(bytes.concat(authenticator, sha256(client))));
        a.scheme = 3;
        a.signature = abi.encodePacked(signature, uint8(authenticator.length), authenticator, uint16(rest.length), rest);
        return a;
    }

    function clientData(bytes32 digest_, bytes memory rest) internal pure returns (bytes memory) {
        return bytes.concat("{\"type\":\"webauthn.get\",\"challenge\":\"", base64Url(digest_), "\"", rest);
    }

    /// @dev Hash of the relying party's id, flags (user present), counter, and zeros up to `size`.
    function authenticatorData(uint256 size) internal pure returns (bytes memory data) {
        data = new bytes(size);
        bytes32 party = sha256("wallet.example");
        for (uint256 i = 0; i < 32; i++) {
            data[i] = party[i];
        }
        data[32] = 0x01;
    }

    /// @dev 43 characters of six bits each, the last two bits zero.
    function base64Url(bytes32 value) internal pure returns (bytes memory out) {
        bytes memory alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        out = new bytes(43);
        for (uint256 i = 0; i < 43; i++) {
            out[i] = alphabet[i == 42 ? uint256(value) % 16 * 4 : (uint256(value) >> (250 - 6 * i)) % 64];
        }
    }
}
