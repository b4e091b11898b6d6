// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Test} from "forge-std/Test.sol";

interface IExposedProofGas {
    function evaluation(bytes calldata body, uint256 pos, uint256 base_, uint256 stateSize, uint256 rules_)
        external
        pure
        returns (bool wellFormed, uint256 gas_);
}

/// @notice What a well-formed body is, bound by bound, and the gas of its evaluation, term by term (docs/spec.md, sections 5 and 7.1).
contract BodyBoundsTest is Test {
    IExposedProofGas private lib;

    /// @dev Bytes before the calls: form and leaf table, which are not read here.
    bytes private constant BEFORE = hex"00";
    uint256 private constant NO_LIMIT = type(uint256).max;

    struct Shape {
        uint8 calls;
        uint8 fragments;
        uint8 authorisations;
        uint8 outflows;
        uint8 scheme;
        uint16 effectBytes;
        uint32 gas_;
    }

    function setUp() public {
        lib = IExposedProofGas(deployCode("ExposedLibraries.sol:ExposedLibraries"));
    }

    // ---------------------------------------------------------------- building

    function _usual() private pure returns (Shape memory) {
        return
            Shape({calls: 1, fragments: 2, authorisations: 1, outflows: 1, scheme: 1, effectBytes: 100, gas_: 50_000});
    }

    function _signature(uint8 scheme) private pure returns (bytes memory) {
        if (scheme == 2) return new bytes(128);
        if (scheme == 3) return abi.encodePacked(new bytes(128), uint8(37), new bytes(37), uint16(90), new bytes(90));
        return new bytes(64);
    }

    function _authorisation(Shape memory s) private pure returns (bytes memory) {
        // Position, valid until; outflows; a payload of 7 bytes.
        return abi.encodePacked(
            new bytes(9),
            s.outflows,
            new bytes(48 * uint256(s.outflows)),
            uint16(7),
            new bytes(7),
            s.scheme,
            _signature(s.scheme)
        );
    }

    function _call(Shape memory s) private pure returns (bytes memory call_) {
        call_ = abi.encodePacked(uint8(0), s.gas_, s.effectBytes, s.fragments, new bytes(s.fragments), s.authorisations);
        for (uint256 i = 0; i < s.authorisations; i++) {
            call_ = abi.encodePacked(call_, _authorisation(s));
        }
        call_ = abi.encodePacked(call_, uint16(5), new bytes(5));
    }

    function _body(Shape memory s) private pure returns (bytes memory body) {
        body = abi.encodePacked(BEFORE, s.calls);
        bytes memory call_ = _call(s);
        for (uint256 i = 0; i < s.calls; i++) {
            body = abi.encodePacked(body, call_);
        }
    }

    function _isWellFormed(bytes memory body) private view returns (bool ok) {
        uint256 gas_;
        (ok, gas_) = lib.evaluation(body, BEFORE.length, 1000, 0, NO_LIMIT);
    }

    function _assertGood(Shape memory s, string memory what) private view {
        assertTrue(_isWellFormed(_body(s)), what);
    }

    function _assertBad(Shape memory s, string memory what) private view {
        (bool ok, uint256 gas_) = lib.evaluation(_body(s), BEFORE.length, 1000, 0, NO_LIMIT);
        assertFalse(ok, what);
        assertEq(gas_, 0, what);
    }

    // ---------------------------------------------------------------- bounds

    function test_OneTo16Calls() public view {
        Shape memory s = _usual();
        s.calls = 16;
        _assertGood(s, "16");
        s.calls = 17;
        _assertBad(s, "17");
        s.calls = 0;
        _assertBad(s, "none");
    }

    function test_OneTo16FragmentsInACall() public view {
        Shape memory s = _usual();
        s.fragments = 16;
        _assertGood(s, "16");
        s.fragments = 17;
        _assertBad(s, "17");
        (s.fragments, s.authorisations) = (0, 0);
        _assertBad(s, "none");
    }

    function test_NoMoreAuthorisationsThanFragments() public view {
        Shape memory s = _usual();
        s.authorisations = 0;
        _assertGood(s, "none");
        s.authorisations = 2;
        _assertGood(s, "each");
        s.authorisations = 3;
        _assertBad(s, "more");
    }

    function test_AtMost32Outflows() public view {
        Shape memory s = _usual();
        s.outflows = 0;
        _assertGood(s, "none");
        s.outflows = 32;
        _assertGood(s, "32");
        s.outflows = 33;
        _assertBad(s, "33");
    }

    function test_EffectsOfAtMost8192Bytes() public view {
        Shape memory s = _usual();
        s.effectBytes = 0;
        _assertGood(s, "none");
        s.effectBytes = 8192;
        _assertGood(s, "8192");
        s.effectBytes = 8193;
        _assertBad(s, "8193");
    }

    function test_AnotherSchemeIsNone() public view {
        Shape memory s = _usual();
        for (uint8 scheme = 1; scheme < 4; scheme++) {
            s.scheme = scheme;
            _assertGood(s, "known");
        }
        // A body whose first bytes, read as a length, lead to its very end: an unknown scheme must not lead back to them.
        for (uint256 scheme = 0; scheme < 256; scheme = scheme == 0 ? 4 : scheme + 1) {
            s.scheme = uint8(scheme);
            bytes memory body = abi.encodePacked(uint16(0), s.calls, _call(s));
            body[1] = bytes1(uint8(body.length - 2));
            assertLt(body.length, 258);
            (bool ok, uint256 gas_) = lib.evaluation(body, 2, 1000, 0, NO_LIMIT);
            assertFalse(ok, "unknown");
            assertEq(gas_, 0);
            // The same of the bytes behind the form: one call, of a rule whose number is what is missed.
            s.outflows = 4;
            body = _body(s);
            body[2] = bytes1(uint8(body.length - 259));
            assertFalse(_isWellFormed(body), "unknown");
            s.outflows = 1;
        }
    }

    function test_CallsCommitNoMoreGasThanTheirBytesPayFor() public view {
        Shape memory s = _usual();
        s.calls = 3;
        bytes memory body = _body(s);
        (bool ok,) = lib.evaluation(body, BEFORE.length, 0, 0, 150_000);
        assertTrue(ok, "as much");
        uint256 gas_;
        (ok, gas_) = lib.evaluation(body, BEFORE.length, 0, 0, 149_999);
        assertFalse(ok, "one less");
        assertEq(gas_, 0);
    }

    function test_ABodyEndsWithItsLastCall() public view {
        Shape memory s = _usual();
        for (uint8 scheme = 1; scheme < 4; scheme++) {
            (s.scheme, s.calls) = (scheme, 2);
            bytes memory body = _body(s);
            for (uint256 length = 0; length < body.length; length++) {
                bytes memory cut = new bytes(length);
                for (uint256 i = 0; i < length; i++) {
                    cut[i] = body[i];
                }
                (bool ok, uint256 gas_) = lib.evaluation(cut, BEFORE.length, 1000, 0, NO_LIMIT);
                assertFalse(ok, "cut off");
                assertEq(gas_, 0, "cut off");
            }
            assertTrue(_isWellFormed(body), "whole");
            assertFalse(_isWellFormed(abi.encodePacked(body, hex"00")), "longer");
        }
    }

    // ---------------------------------------------------------------- gas

    function _gas(Shape memory s, uint256 stateSize) private view returns (uint256 gas_) {
        bool ok;
        (ok, gas_) = lib.evaluation(_body(s), BEFORE.length, 1000, stateSize, NO_LIMIT);
        assertTrue(ok);
    }

    function test_EachTermOfTheGas() public view {
        Shape memory s = _usual();
        uint256 call_ = 15_000 + 50_000 + 6000 * 2 + 40 * (700 + 100) + 300 * 100;
        uint256 authorisation = 12_000 + 1000;
        assertEq(_gas(s, 700), 1000 + call_ + authorisation, "secp256k1");
        s.authorisations = 2;
        assertEq(_gas(s, 700), 1000 + call_ + 2 * authorisation, "twice");
        s.scheme = 2;
        assertEq(_gas(s, 700), 1000 + call_ + 2 * (authorisation + 8000), "P-256");
        s.scheme = 3;
        assertEq(_gas(s, 700), 1000 + call_ + 2 * (authorisation + 18_000), "WebAuthn");
        (s.outflows, s.scheme) = (5, 1);
        assertEq(_gas(s, 700), 1000 + call_ + 2 * (authorisation + 4000), "outflows");
        // What a call adds to states is passed to the calls after it.
        (s.outflows, s.calls) = (1, 3);
        assertEq(_gas(s, 700), 1000 + 3 * (call_ + 2 * authorisation) + 40 * 100 * (1 + 2), "calls");
    }
}
