// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {IEvidenceErrors} from "../../contracts/interfaces/IEvidenceErrors.sol";
import {BatchId} from "../../contracts/types/BatchId.sol";
import {Codec} from "../harness/Codec.sol";
import {Draft} from "../harness/Drafts.sol";
import {Passkey, Passkeys} from "../harness/Passkeys.sol";
import {Anchor, Call, Posted, Signed, unleased} from "../harness/Shapes.sol";
import {Trial} from "../harness/Trials.sol";

interface IExposedSignatures {
    function base64url(bytes32 value) external pure returns (bytes memory text, bool apart);
}

/// @notice Fragments under P-256 keys, which sign as they are or through a browser (docs/spec.md, sections 3 and 5.1).
contract PasskeyKeysTest is Passkeys {
    using Codec for *;

    Passkey private key;

    function setUp() public override {
        super.setUp();
        key = passkey("dora");
    }

    /// @dev Alice's anchor, had it been opened for this controller.
    function _under(uint8 kind, address controller) private view returns (Anchor memory anchor) {
        anchor = a();
        (anchor.state.kind, anchor.state.controller) = (kind, controller);
    }

    /// @dev The anchor's fragment withdraws, with this for a signature.
    function _step(Anchor memory anchor, Signed memory s) private pure returns (Draft memory d) {
        d = draft(1, 0, 0, 0, 1);
        d.fresh[0] = anchor;
        d.freshAfter[0] = anchor.state.copy();
        d.freshAfter[0].nonce++;
        d.calls[0] = Call(0, RULE_GAS, MAX_EFFECTS, ids(0), new Signed[](1), "");
        d.calls[0].signed[0] = s;
    }

    function _check(Signed memory s, bool valid, string memory what) private view {
        assertEq(verdict(trial(_step(_under(2, key.controller), s))), valid, what);
    }

    function _raw() private view returns (Signed memory) {
        return signP256(unsigned(0, "", noAssets()), account, fragmentId(a()), 0, key);
    }

    function _digest() private view returns (bytes32) {
        return digest(unsigned(0, "", noAssets()), account, fragmentId(a()), 0);
    }

    function _browser(bytes memory authenticator, bytes memory rest) private view returns (Signed memory) {
        return signWebAuthn(unsigned(0, "", noAssets()), _digest(), key, authenticator, rest);
    }

    // ---------------------------------------------------------------- the chain

    /// P256VERIFY says 1 in a word, or it is not there.
    function test_WithoutP256ThereIsNoVerifier() public {
        bytes memory anything;
        bytes[5] memory answers =
            [bytes(""), abi.encode(0), abi.encode(2), abi.encode(1, 0), abi.encodePacked(uint248(1))];
        for (uint256 i = 0; i < answers.length; i++) {
            vm.mockCall(address(0x100), anything, answers[i]);
            _refusesToBeDeployed();
            vm.clearMockedCalls();
        }
        vm.mockCallRevert(address(0x100), anything, abi.encode(1));
        _refusesToBeDeployed();
        vm.clearMockedCalls();
        deployCode("FraudVerifier.sol:FraudVerifier", abi.encode(account));
    }

    function _refusesToBeDeployed() private {
        bytes memory init = bytes.concat(vm.getCode("FraudVerifier.sol:FraudVerifier"), abi.encode(account));
        address made;
        bytes32 reason;
        assembly ("memory-safe") {
            made := create(0, add(init, 32), mload(init))
            returndatacopy(0, 0, 4)
            reason := mload(0)
        }
        assertEq(made, address(0));
        assertEq(bytes4(reason), bytes4(keccak256("NoP256Precompile()")));
    }

    /// A precompile fails for want of gas only: whatever the signature is, that is no verdict.
    function test_APrecompileThatFailsIsNoVerdict() public {
        Anchor memory ours = _under(2, key.controller);
        Trial memory ethereum = trial(solo(a(), "", noAssets(), 0, 0));
        Trial memory raw = trial(_step(ours, _raw()));
        Trial memory browser = trial(_step(ours, _browser(authenticatorData(37), CLIENT_REST)));
        _needsGas(address(1), ethereum, "ecrecover");
        _needsGas(address(0x100), raw, "P256VERIFY");
        _needsGas(address(0x100), browser, "P256VERIFY, in a browser");
        _needsGas(address(2), browser, "SHA-256");
        assertValid(raw, "nothing fails");
    }

    function _needsGas(address precompile, Trial memory t, string memory what) private {
        bytes memory input = evaluationInput(evidence(t));
        bytes memory anything;
        vm.mockCallRevert(precompile, anything, "");
        (bool done, bytes memory output) = address(verifier).staticcall(input);
        vm.clearMockedCalls();
        assertEq(assertNeedGas(done, output, what), 20_000, what);
    }

    function test_WhateverElseP256VerifyMaySayIsNoSignature() public {
        Trial memory t = trial(_step(_under(2, key.controller), _raw()));
        bytes memory anything;
        bytes[5] memory answers =
            [bytes(""), abi.encode(0), abi.encode(2), abi.encode(1, 0), abi.encodePacked(uint248(1))];
        for (uint256 i = 0; i < answers.length; i++) {
            vm.mockCall(address(0x100), anything, answers[i]);
            assertInvalid(t, "not 1 in a word");
            vm.clearMockedCalls();
        }
        assertValid(t, "1");
    }

    // ---------------------------------------------------------------- raw

    function test_APasskeyPaysAndIsPaid() public view {
        Anchor memory from = _under(2, key.controller);
        Draft memory d = draft(2, 0, 0, 0, 1);
        (d.fresh[0], d.fresh[1]) = (from, b());
        d.freshAfter[0] = unleased(2, key.controller, 1, one(ETH, 3 ether), "");
        d.freshAfter[1] = unleased(1, bob, 1, one(ETH, 4 ether), "");
        d.calls[0] = Call(0, RULE_GAS, MAX_EFFECTS, ids(0, 1), new Signed[](2), "");
        Signed memory s = unsigned(0, pay(b(), ETH, 2 ether), one(ETH, 2 ether));
        d.calls[0].signed[0] = signP256(s, account, fragmentId(from), 0, key);
        d.calls[0].signed[1] = sign(unsigned(1, "", noAssets()), account, b());
        assertValid(d, "raw");
        d.calls[0].signed[0] = signWebAuthn(s, account, fragmentId(from), 0, key);
        assertValid(d, "in a browser");
        assertInvalid(lie(d), "a wrong root");
    }

    function testFuzz_AnyChangedBitOfARawSignatureIsInvalid(uint256 bit) public view {
        Signed memory s = _raw();
        _check(s, true, "as signed");
        bit = bound(bit, 0, 1023);
        s.signature[bit / 8] ^= bytes1(uint8(2 ** (bit % 8)));
        _check(s, false, "flipped");
    }

    function test_ASignatureOfAnotherKeyOrMessageIsInvalid() public view {
        Signed memory s = unsigned(0, "", noAssets());
        Passkey memory other = passkey("eve");
        _check(signP256(s, account, fragmentId(a()), 0, other), false, "another key");
        other.secret = key.secret;
        _check(signP256(s, account, fragmentId(a()), 0, other), false, "under another public key");
        (other.x, other.y) = (key.x, key.y);
        other.secret++;
        _check(signP256(s, account, fragmentId(a()), 0, other), false, "another private key");
        _check(signP256(s, account, fragmentId(a()), 1, key), false, "another nonce");
        _check(signP256(s, account, fragmentId(b()), 0, key), false, "another fragment");
        _check(signP256(s, rules[0], fragmentId(a()), 0, key), false, "another rule");
        _check(signP256(s, account, fragmentId(a()), 0, key), true, "this one");
    }

    function test_TheHigherSIsInvalid() public view {
        Signed memory s = _raw();
        (bytes32 r, bytes32 low) = _parts(s.signature);
        assertLe(uint256(low), P256_ORDER / 2);
        s.signature = abi.encodePacked(r, P256_ORDER - uint256(low), key.x, key.y);
        _check(s, false, "the mirror image");
        s = _browser(authenticatorData(37), CLIENT_REST);
        (r, low) = _parts(s.signature);
        for (uint256 i = 0; i < 32; i++) {
            s.signature[32 + i] = bytes32(P256_ORDER - uint256(low))[i];
        }
        _check(s, false, "the mirror image, in a browser");
    }

    function test_HalfTheOrderIsTheHighestS() public view {
        _checkS(P256_ORDER / 2 - 1, true);
        _checkS(P256_ORDER / 2, true);
        _checkS(P256_ORDER / 2 + 1, false);
        _checkS(P256_ORDER - 1, false);
    }

    /// @dev The digest does not depend on the key, so there is one whose signature has this s: d = (s · k − e) / r.
    function _checkS(uint256 s, bool valid) private view {
        uint256 k = 12_345;
        (uint256 r,) = vm.publicKeyP256(k);
        r %= P256_ORDER;
        uint256 e = uint256(_digest()) % P256_ORDER;
        uint256 d = mulmod(addmod(mulmod(s, k, P256_ORDER), P256_ORDER - e, P256_ORDER), _inverse(r), P256_ORDER);
        (uint256 x, uint256 y) = vm.publicKeyP256(d);
        address controller = address(uint160(uint256(keccak256(abi.encodePacked(x, y)))));
        Signed memory a_ = unsigned(0, "", noAssets());
        a_.scheme = 2;
        a_.signature = abi.encodePacked(r, s, x, y);
        (bool called, bytes memory output) = address(0x100).staticcall(abi.encodePacked(_digest(), a_.signature));
        assertTrue(called && output.length == 32, "a signature, but for what is said of s");
        assertEq(verdict(trial(_step(_under(2, controller), a_))), valid, "s");
    }

    /// @dev By Fermat: r^(n − 2).
    function _inverse(uint256 r) private pure returns (uint256 result) {
        result = 1;
        for (uint256 e = P256_ORDER - 2; e > 0; e /= 2) {
            if (e % 2 == 1) result = mulmod(result, r, P256_ORDER);
            r = mulmod(r, r, P256_ORDER);
        }
    }

    function test_NumbersOutOfRangeSignNothing() public view {
        uint256[4] memory odd = [uint256(0), P256_ORDER, P256_ORDER + 1, type(uint256).max];
        (bytes32 r, bytes32 s) = _parts(_raw().signature);
        Signed memory a_ = _raw();
        for (uint256 i = 0; i < odd.length; i++) {
            a_.signature = abi.encodePacked(odd[i], s, key.x, key.y);
            _check(a_, false, "r");
            a_.signature = abi.encodePacked(r, odd[i], key.x, key.y);
            _check(a_, false, "s");
        }
    }

    function test_AKeyThatIsNotOnTheCurveSignsNothing() public view {
        // A fragment can be under the hash of anything.
        (bytes32 r, bytes32 s) = _parts(_raw().signature);
        bytes32 field = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffff;
        _checkKey(r, s, key.x, bytes32(uint256(key.y) ^ 1), "not on the curve");
        _checkKey(r, s, 0, 0, "zero, the point at infinity");
        _checkKey(0, 0, 0, 0, "zeros and nothing else");
        _checkKey(r, s, key.y, key.x, "exchanged");
        _checkKey(r, s, field, key.y, "x is the field's order");
        _checkKey(r, s, key.x, bytes32(type(uint256).max), "y beyond the field");
    }

    function _checkKey(bytes32 r, bytes32 s, bytes32 x, bytes32 y, string memory what) private view {
        Signed memory a_ = _raw();
        a_.signature = abi.encodePacked(r, s, x, y);
        address controller = address(uint160(uint256(keccak256(abi.encodePacked(x, y)))));
        assertInvalid(_step(_under(2, controller), a_), what);
    }

    // ---------------------------------------------------------------- kinds and schemes

    function test_TheSchemeIsOneOfTheKeysKind() public view {
        Signed memory raw = _raw();
        Signed memory browser = _browser(authenticatorData(37), CLIENT_REST);
        for (uint8 kind = 1; kind <= 3; kind++) {
            assertEq(verdict(trial(_step(_under(kind, key.controller), raw))), kind == 2, "raw");
            assertEq(verdict(trial(_step(_under(kind, key.controller), browser))), kind == 2, "browser");
            Signed memory ethereum = sign(unsigned(0, "", noAssets()), account, fragmentId(a()), 0, keyOf[alice]);
            assertEq(verdict(trial(_step(_under(kind, alice), ethereum))), kind == 1, "secp256k1");
        }
        // The same bytes under the other scheme's number.
        raw.scheme = 3;
        raw.signature = bytes.concat(raw.signature, hex"00", hex"0000");
        _check(raw, false, "raw as a browser's");
        Signed memory s = unsigned(0, "", noAssets());
        s.scheme = 2;
        s.signature = signatureOf(key, sha256(bytes.concat(authenticatorData(37), sha256(clientData(_digest(), "")))));
        _check(s, false, "a browser's as raw");
    }

    /// A key's fragment can be under any address: also under one that an error could be taken for.
    function test_AHigherSIsNobodysSignature() public view {
        bytes32 above = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1;
        Signed memory s = unsigned(0, "", noAssets());
        s.scheme = 1;
        s.signature = abi.encodePacked(bytes32(uint256(1)), above);
        for (uint160 controller = 0; controller < 4; controller++) {
            assertInvalid(_step(_under(1, address(controller)), s), "of secp256k1");
        }
    }

    // ---------------------------------------------------------------- in a browser

    /// Without a user there is no message: not even zero, which somebody may have signed.
    function test_WithoutAUserNothingIsSigned() public view {
        Signed memory s = unsigned(0, "", noAssets());
        s.scheme = 3;
        bytes memory absent = authenticatorData(37);
        absent[32] = 0;
        s.signature = bytes.concat(signatureOf(key, 0), hex"25", absent, hex"0000");
        _check(s, false, "absent");
        s.signature = bytes.concat(signatureOf(key, 0), hex"000000");
        _check(s, false, "no data");
    }

    function test_AuthenticatorDataAndTheRestOfClientDataAreTheWalletsOwn() public view {
        uint256[4] memory sizes = [uint256(37), 38, 69, 255];
        bytes[4] memory rests = [bytes(""), CLIENT_REST, "}", new bytes(3000)];
        for (uint256 i = 0; i < 4; i++) {
            for (uint256 j = 0; j < 4; j++) {
                _check(_browser(authenticatorData(sizes[i]), rests[j]), true, "any");
            }
        }
        _check(
            _browser(authenticatorData(37), ",\"other_keys_can_be_added_here\":\"do not compare\"}"), true, "more keys"
        );
    }

    function test_AuthenticatorDataHas37BytesAtLeast() public view {
        _check(_browser(authenticatorData(36), CLIENT_REST), false, "36");
        _check(_browser(authenticatorData(33), CLIENT_REST), false, "33");
        _check(_browser("", CLIENT_REST), false, "none");
        // Shorter than the flags: behind it lies a byte that could be taken for them.
        bytes memory short = new bytes(32);
        _check(_browser(short, bytes.concat(hex"01", CLIENT_REST)), false, "32");
    }

    function test_AUserWasPresent() public view {
        for (uint256 flags = 0; flags < 256; flags++) {
            bytes memory data = authenticatorData(37);
            data[32] = bytes1(uint8(flags));
            _check(_browser(data, CLIENT_REST), flags % 2 == 1, "flags");
        }
    }

    function test_ClientDataSaysGetAndTheDigest() public view {
        bytes memory challenge = base64Url(_digest());
        _checkClient(clientData(_digest(), CLIENT_REST), true, "as specified");
        _checkClient(clientData(bytes32(uint256(_digest()) ^ 1), CLIENT_REST), false, "another challenge");
        _checkClient(clientData(0, CLIENT_REST), false, "challenge zero");
        bytes memory create = "{\"type\":\"webauthn.create\",\"challenge\":\"";
        _checkClient(bytes.concat(create, challenge, "\"", CLIENT_REST), false, "another type");
        bytes memory spaced = "{\"type\": \"webauthn.get\", \"challenge\": \"";
        _checkClient(bytes.concat(spaced, challenge, "\"", CLIENT_REST), false, "another serialisation");
        bytes memory get = "{\"type\":\"webauthn.get\",\"challenge\":\"";
        _checkClient(bytes.concat(get, challenge, "\"", CLIENT_REST), true, "by hand");
        _checkClient(bytes.concat(get, challenge, "=\"", CLIENT_REST), false, "padded");
        _checkClient(bytes.concat(get, challenge, CLIENT_REST), false, "no closing quote");
        bytes memory turned = "{\"challenge\":\"";
        _checkClient(
            bytes.concat(turned, challenge, "\",\"type\":\"webauthn.get\"", CLIENT_REST), false, "in another order"
        );
        _checkClient(clientData(_digest(), "}"), false, "another rest than in the body");
    }

    function testFuzz_AnyChangedByteOfAnAssertionIsInvalid(uint256 place, uint8 change) public view {
        Signed memory s = _browser(authenticatorData(40), CLIENT_REST);
        if (change == 0) change = 1;
        s.signature[bound(place, 0, s.signature.length - 1)] ^= bytes1(change);
        _check(s, false, "changed");
    }

    function test_AnAssertionThatTheBodyCutsOffIsNotWellFormed() public view {
        Trial memory t = trial(_step(_under(2, key.controller), _browser(authenticatorData(37), CLIENT_REST)));
        bytes memory body = t.step.body;
        for (uint256 length = body.length - 1; length > body.length - 130; length -= 7) {
            t.step.body = new bytes(length);
            for (uint256 i = 0; i < length; i++) {
                t.step.body[i] = body[i];
            }
            assertInvalid(t, "cut");
        }
    }

    function testFuzz_TheChallengeIsBase64Url(bytes32 value) public {
        bytes memory expected = base64Url(value);
        string memory padded = vm.toBase64URL(abi.encodePacked(value));
        assertEq(bytes.concat(expected, "="), bytes(padded), "RFC 4648");
        (bytes memory text, bool apart) =
            IExposedSignatures(deployCode("ExposedLibraries.sol:ExposedLibraries")).base64url(value);
        assertEq(text, expected, "contract");
        assertTrue(apart, "in memory of its own");
    }

    function _checkClient(bytes memory client, bool valid, string memory what) private view {
        Signed memory s = unsigned(0, "", noAssets());
        _check(assertion(s, key, authenticatorData(37), client, CLIENT_REST), valid, what);
    }

    // ---------------------------------------------------------------- handing over

    function test_AnAccountMovesToAPasskeyAndBack() public view {
        Draft memory d = draft(1, 0, 0, 0, 3);
        d.fresh[0] = a();
        d.freshAfter[0] = unleased(1, alice, 3, one(ETH, 5 ether), "");
        for (uint256 i = 0; i < 3; i++) {
            d.calls[i] = Call(0, RULE_GAS, MAX_EFFECTS, ids(0), new Signed[](1), "");
        }
        uint80 id = fragmentId(a());
        Signed memory there = unsigned(0, setController(2, key.controller), noAssets());
        Signed memory back = unsigned(0, setController(1, alice), noAssets());
        d.calls[0].signed[0] = sign(there, account, id, 0, keyOf[alice]);
        d.calls[1].signed[0] = signWebAuthn(back, account, id, 1, key);
        d.calls[2].signed[0] = sign(unsigned(0, "", noAssets()), account, id, 2, keyOf[alice]);
        assertValid(d, "there and back");
        d.calls[1].signed[0] = sign(unsigned(0, setController(1, alice), noAssets()), account, id, 1, keyOf[alice]);
        assertInvalid(d, "by the old key");
        d = _half(there, id);
        assertValid(d, "there");
        d.freshAfter[0].kind = 1;
        assertInvalid(d, "with the kind left as it was");
    }

    function _half(Signed memory there, uint80 id) private view returns (Draft memory d) {
        d = _step(a(), sign(there, account, id, 0, keyOf[alice]));
        (d.freshAfter[0].kind, d.freshAfter[0].controller) = (2, key.controller);
    }

    function test_ADepositForAPasskeyIsSpentByIt() public {
        bytes21 bytes_ = bytes21(abi.encodePacked(uint8(2), key.controller));
        vm.deal(address(this), 3 ether);
        uint40 id = BatchId.unwrap(bridge.deposit{value: 3 ether}(bytes_));
        Anchor memory anchor = Anchor(uint56(id) * 65_536, id, unleased(2, key.controller, 0, one(ETH, 3 ether), ""));
        assertEq(bridge.headOf(anchor.id), anchor.state.head(id));
        nextBlock();
        nextBlock();
        Signed memory s = unsigned(0, setController(1, alice), noAssets());
        Draft memory d = _step(anchor, signWebAuthn(s, account, fragmentId(anchor), 0, key));
        (d.freshAfter[0].kind, d.freshAfter[0].controller) = (1, alice);
        Posted memory p = post(steps(step(d)));
        bytes memory proof = evidence(p, 0, preStates(d));
        vm.expectRevert(IBridge.StepIsValid.selector);
        challenge(proof, "");
    }

    function test_AFragmentIsOpenedForAPasskey() public view {
        Draft memory d = solo(a(), open(2, key.controller, one(ETH, 4)), one(ETH, 4), 1, 0);
        d.freshAfter[0].assets = one(ETH, 5 ether - 4);
        d.opened[0] = unleased(2, key.controller, 0, one(ETH, 4), "");
        assertValid(d, "kind 2");
        d.opened[0].kind = 1;
        assertInvalid(d, "as if it were an Ethereum address");
    }

    function _parts(bytes memory signature) private pure returns (bytes32 r, bytes32 s) {
        assembly ("memory-safe") {
            r := mload(add(signature, 32))
            s := mload(add(signature, 64))
        }
    }
}
