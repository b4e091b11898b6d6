// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Codec} from "../harness/Codec.sol";
import {Draft} from "../harness/Drafts.sol";
import {Measuring} from "../harness/Measuring.sol";
import {Passkey} from "../harness/Passkeys.sol";
import {Anchor, Call, Leaf, Lease, Signed, State, unleased} from "../harness/Shapes.sol";

/// @notice As `ProofGas.t.sol`, for what costs most in trees, leaves and signatures: the constants `EVAL_FRAGMENT`, `EVAL_NODE`,
/// `AUTH_P256` and `AUTH_WEBAUTHN` of docs/spec.md, section 7.1.
contract CohortGasTest is Measuring {
    using Codec for *;

    Passkey private key;

    function setUp() public override {
        super.setUp();
        key = passkey("dora");
    }

    // ---------------------------------------------------------------- trees

    function test_DeepTrees() public {
        _measure("16 cohorts of depth 24, headers alone", trial(_headers(24, 0, 0)));
        _measure("16 cohorts of depth 1, headers alone", trial(_headers(1, 0, 0)));
        _measure("16 leaves of depth 24, scattered", trial(_leaves(24, 15, 1_000_003, 0, 0)));
        _measure("1 leaf of depth 24", trial(_leaves(24, 1, 9_999_999, 0, 0)));
        _finish();
    }

    function test_ShallowTreesOfManyLeaves() public {
        _measure("all 16 leaves of depth 4", trial(_leaves(4, 15, 1, 0, 0)));
        _measure("every other leaf of depth 5", trial(_leaves(5, 15, 2, 0, 0)));
        _measure("16 leaves of depth 24, side by side", trial(_leaves(24, 15, 1, 0, 0)));
        _finish();
    }

    function test_FullLeaves() public {
        _measure("16 leaves, 32 assets", trial(_leaves(24, 15, 1_000_003, 32, 0)));
        _measure("16 leaves, 2 KB data", trial(_leaves(24, 15, 1_000_003, 0, 2048)));
        _measure("16 headers, 32 assets, 2 KB data", trial(_headers(24, 32, 2048)));
        _finish();
    }

    function test_OpeningLeavesAndCohorts() public {
        _measure("15 leaves opened in one call", trial(_openLeaves(15, 1)));
        _measure("15 leaves opened, then 16 calls name them all", trial(_openLeaves(15, 16)));
        _measure("15 cohorts of depth 24 opened in one call", trial(_openCohorts(15)));
        _measure("a cohort of depth 24 opened", trial(_openCohorts(1)));
        _finish();
    }

    function test_LeasesAndCredits() public {
        _measure("16 leased headers, full, credited", trial(_credited(1, 32, 2048)));
        _measure("16 leased headers, 32 assets, credited", trial(_credited(1, 32, 0)));
        _measure("10 calls credit 16 leased headers", trial(_credited(10, 1, 0)));
        _measure("64 leases set", trial(_governed(64, leaseEffect(0, bob, 1))));
        _measure("64 leases ended", trial(_governed(64, leaseEffect(0, address(0), 0))));
        _finish();
    }

    // ---------------------------------------------------------------- signatures

    function test_RawPasskeys() public {
        _measure("1 P-256 signer", trial(_signed(1, 1, 2, 0, 0)));
        _measure("15 P-256 signers", trial(_signed(1, 15, 2, 0, 0)));
        _measure("16 calls, 6 P-256 signers", trial(_signed(16, 6, 2, 0, 0)));
        _finish();
    }

    function test_BrowserPasskeys() public {
        _measure("1 WebAuthn signer, no more data than needed", trial(_signed(1, 1, 3, 37, 0)));
        _measure("1 WebAuthn signer, 15 KB of client data", trial(_signed(1, 1, 3, 255, 15_500)));
        _measure("15 WebAuthn signers, no more data than needed", trial(_signed(1, 15, 3, 37, 0)));
        _measure("15 WebAuthn signers, 255 and 650 bytes", trial(_signed(1, 15, 3, 255, 650)));
        _measure("16 calls, 5 WebAuthn signers", trial(_signed(16, 5, 3, 37, 0)));
        _finish();
    }

    // ---------------------------------------------------------------- building

    /// @dev The echo's headers of 16 cohorts, 15 fresh and one repeated; each written a byte.
    function _headers(uint8 depth, uint256 assets, uint256 data) private view returns (Draft memory d) {
        d = draft(15, 0, 1, 0, 1);
        d.calls[0] = Call(1, 1_000_000, 0, new uint8[](16), new Signed[](0), "");
        for (uint8 i = 0; i < 16; i++) {
            Anchor memory anchor = _anchor(i, unleased(3, echo, 0, _list(assets), new bytes(data)));
            State memory next = unleased(3, echo, 0, _list(assets), hex"01");
            if (i < 15) (d.fresh[i], d.freshAfter[i]) = (anchor, next);
            else (d.again[0], d.againAfter[0]) = (anchor, next);
            if (i < 15) d.freshCohorts[i] = cohort(depth, new Leaf[](0));
            else d.againCohorts[0] = cohort(depth, new Leaf[](0));
            d.calls[0].fragments[i] = i;
            d.calls[0].extra = bytes.concat(d.calls[0].extra, write(i, hex"01"));
        }
        d.calls[0].maxEffects = uint16(d.calls[0].extra.length);
    }

    /// @dev The echo's leaves of one cohort, `stride` apart; each written a byte.
    function _leaves(uint8 depth, uint8 count, uint24 stride, uint256 assets, uint256 data)
        private
        view
        returns (Draft memory d)
    {
        d = draft(1, 0, 0, 0, 1);
        State memory before = unleased(3, echo, 0, _list(assets), new bytes(data));
        State memory next = unleased(3, echo, 0, _list(assets), hex"01");
        d.fresh[0] = _anchor(0, before);
        d.freshAfter[0] = before;
        d.calls[0] = Call(1, 1_000_000, 0, new uint8[](count), new Signed[](0), "");
        Leaf[] memory list = new Leaf[](count);
        for (uint8 i = 0; i < count; i++) {
            list[i] = Leaf((i + 1) * stride, before, next);
            d.calls[0].fragments[i] = i + 1;
            d.calls[0].extra = bytes.concat(d.calls[0].extra, write(i, hex"01"));
        }
        d.freshCohorts[0] = cohort(depth, list);
        d.calls[0].maxEffects = uint16(d.calls[0].extra.length);
    }

    /// @dev The echo's header opens leaves for the echo, all in the first call; the further calls write to each.
    function _openLeaves(uint8 count, uint256 calls) private view returns (Draft memory d) {
        State memory header = unleased(3, echo, 0, noAssets(), "");
        d = draft(1, 0, 0, 0, calls);
        d.fresh[0] = _anchor(0, header);
        d.freshAfter[0] = unleased(3, echo, 0, noAssets(), hex"01");
        bytes memory effects = write(0, hex"01");
        Leaf[] memory list = new Leaf[](count);
        for (uint8 i = 0; i < count; i++) {
            effects = bytes.concat(effects, leafEffect(0, 3, echo));
            bytes memory data = calls == 1 ? bytes("") : abi.encodePacked(uint8(calls - 1));
            list[i] = empty((i + 1) * 1_000_003, unleased(3, echo, 0, noAssets(), data));
        }
        d.freshCohorts[0] = cohort(24, list);
        d.calls[0] = Call(1, 1_000_000, uint16(effects.length), ids(0), new Signed[](0), effects);
        for (uint256 i = 1; i < calls; i++) {
            Call memory c = Call(1, 1_000_000, 0, new uint8[](count), new Signed[](0), "");
            for (uint8 j = 0; j < count; j++) {
                c.fragments[j] = j + 1;
                c.extra = bytes.concat(c.extra, write(j, abi.encodePacked(uint8(i))));
            }
            c.maxEffects = uint16(c.extra.length);
            d.calls[i] = c;
        }
    }

    /// @dev A user opens cohorts of the greatest depth.
    function _openCohorts(uint8 count) private view returns (Draft memory d) {
        d = draft(1, count, 0, 0, 1);
        d.fresh[0] = _anchor(0, unleased(3, echo, 0, noAssets(), ""));
        d.freshAfter[0] = unleased(3, echo, 0, noAssets(), hex"01");
        bytes memory effects = write(0, hex"01");
        for (uint8 i = 0; i < count; i++) {
            effects = bytes.concat(effects, openEffect(24, 3, echo));
            d.opened[i] = unleased(3, echo, 0, noAssets(), "");
            d.depths[i] = 24;
        }
        d.calls[0] = Call(1, 1_000_000, uint16(effects.length), ids(0), new Signed[](0), effects);
    }

    /// @dev Users' headers under leases of the proposer's: each call mints to all of them, who hold that asset.
    function _credited(uint256 calls, uint256 assets, uint256 data) private view returns (Draft memory d) {
        d = draft(15, 0, 1, 0, calls);
        for (uint256 i = 0; i < calls; i++) {
            d.calls[i] = Call(1, 1_000_000, 0, new uint8[](16), new Signed[](0), "");
            for (uint8 j = 0; j < 16; j++) {
                d.calls[i].fragments[j] = j;
                d.calls[i].extra = bytes.concat(d.calls[i].extra, mint(j, 0, 1));
            }
            d.calls[i].maxEffects = uint16(d.calls[i].extra.length);
        }
        for (uint256 i = 0; i < 16; i++) {
            State memory before = unleased(1, alice, 0, plus(_list(assets - 1), issued(echo, 0), 7), new bytes(data));
            before.lease = Lease(proposer, uint64(block.number));
            State memory next = before.copy();
            next.assets = plus(next.assets, issued(echo, 0), uint128(calls));
            if (i < 15) (d.fresh[i], d.freshAfter[i]) = (_anchor(i, before), next);
            else (d.again[0], d.againAfter[0]) = (_anchor(i, before), next);
        }
    }

    /// @dev One vault, and the same effect on it many times, behind a byte written.
    function _governed(uint256 count, bytes memory effect) private view returns (Draft memory d) {
        d = draft(1, 0, 0, 0, 1);
        d.fresh[0] = _anchor(0, unleased(3, echo, 0, noAssets(), ""));
        d.freshAfter[0] = unleased(3, echo, 0, noAssets(), hex"01");
        bytes memory effects = write(0, hex"01");
        for (uint256 i = 1; i < count; i++) {
            effects = bytes.concat(effects, effect);
        }
        if (effect[2] != 0) d.freshAfter[0].lease = Lease(bob, 1);
        d.calls[0] = Call(1, 1_000_000, uint16(effects.length), ids(0), new Signed[](0), effects);
    }

    /// @dev Passkeys sign in every call.
    function _signed(uint256 calls, uint8 count, uint8 scheme, uint256 authenticator, uint256 rest)
        private
        view
        returns (Draft memory d)
    {
        d = draft(count, 0, 0, 0, calls);
        for (uint256 i = 0; i < calls; i++) {
            d.calls[i] = Call(1, 100_000, 0, new uint8[](count), new Signed[](count), "");
            for (uint8 j = 0; j < count; j++) {
                Anchor memory anchor = _anchor(j, unleased(2, key.controller, 0, noAssets(), ""));
                (d.fresh[j], d.freshAfter[j]) = (anchor, unleased(2, key.controller, uint64(calls), noAssets(), ""));
                d.calls[i].fragments[j] = j;
                Signed memory s = unsigned(j, "", noAssets());
                bytes32 digest_ = digest(s, echo, fragmentId(anchor), uint64(i));
                if (scheme == 2) s = signP256(s, echo, fragmentId(anchor), uint64(i), key);
                else s = signWebAuthn(s, digest_, key, authenticatorData(authenticator), new bytes(rest));
                d.calls[i].signed[j] = s;
            }
        }
    }
}
