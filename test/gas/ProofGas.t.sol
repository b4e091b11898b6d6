// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Codec} from "../harness/Codec.sol";
import {Draft} from "../harness/Drafts.sol";
import {Measuring} from "../harness/Measuring.sol";
import {Anchor, Call, Meaning, Signed, State, unleased} from "../harness/Shapes.sol";

/// @notice The constants of docs/spec.md, section 7.1, against what evaluation costs at its dearest. A lie whose evaluation
/// costs more than the bound × 4/3 could not be proven; so each shape must stay within the bound itself.
/// Each shape stresses one constant.
contract ProofGasTest is Measuring {
    using Codec for *;

    // ---------------------------------------------------------------- shapes

    function test_AStepOfNothing() public {
        _measure("one fragment, no effect", trial(solo(a(), "", noAssets(), 0, 0)));
        _measure("transfer", trial(transfer(a(), b(), ETH, 1)));
        _finish();
    }

    function test_FullStates() public {
        _measure("15 signers, 32 assets, 2 KB data", trial(_full(15, 32, 2048, 1)));
        _measure("15 signers, 32 assets", trial(_full(15, 32, 0, 1)));
        _measure("15 signers, 2 KB data", trial(_full(15, 0, 2048, 1)));
        _measure("15 signers, empty", trial(_full(15, 0, 0, 1)));
        _measure("15 signers, 32 outflows each", trial(_full(15, 32, 0, 32)));
        _finish();
    }

    function test_ManyCallsOnFullStates() public {
        _measure("16 calls, 15 signers, empty", trial(_calls(16, 15, 0, 0)));
        _measure("16 calls, 8 signers, 32 assets", trial(_calls(16, 8, 32, 0)));
        _measure("16 calls, 2 signers, 2 KB data", trial(_calls(16, 2, 0, 2048)));
        _measure("16 calls, 1 signer, 32 assets", trial(_calls(16, 1, 32, 0)));
        _finish();
    }

    function test_ManyCallsOnVaults() public {
        // Unsigned fragments are hashed before and after each call, and listed for a byte.
        _measure("16 calls, 15 vaults, empty, written", trial(_vaults(16, 15, 0, 0, 0)));
        _measure("16 calls, 15 vaults, 32 assets, written", trial(_vaults(16, 15, 32, 0, 0)));
        _measure("16 calls, 15 vaults, 2 KB data, minted", trial(_vaults(16, 15, 0, 2048, 1)));
        _measure("16 calls, 15 vaults, empty, minted", trial(_vaults(16, 15, 0, 0, 1)));
        _measure("16 calls, 5 vaults, empty, written", trial(_vaults(16, 5, 0, 0, 0)));
        _measure("1 call, 15 vaults, empty, written", trial(_vaults(1, 15, 0, 0, 0)));
        _measure("1 call, 1 vault", trial(_vaults(1, 1, 0, 0, 0)));
        _measure("16 calls, 1 vault", trial(_vaults(16, 1, 0, 0, 0)));
        _measure("16 calls, 1 vault, 32 assets", trial(_vaults(16, 1, 32, 0, 0)));
        _finish();
    }

    function test_MaximalEffects() public {
        _measure("64 moves back and forth over 32 assets", trial(_moves(1, 32, false)));
        _measure("64 moves back and forth over 32 assets, signed", trial(_moves(1, 32, true)));
        _measure("64 mints of 31 assets", trial(_mints(64, 31)));
        _measure("15 withdrawals of 32 assets", trial(_withdrawals(15, 32)));
        _measure("5 calls of 64 moves, signed", trial(_moves(5, 32, true)));
        _finish();
    }

    function test_MoreEffects() public {
        _measure("6 calls of 64 moves", trial(_moves(6, 32, false)));
        _measure("64 writes of nothing", trial(_writes(64, 0)));
        _measure("64 writes of 120 bytes", trial(_writes(64, 120)));
        _measure("4 writes of 2,000 bytes", trial(_writes(4, 2000)));
        _finish();
    }

    function test_Meanings() public {
        // What the kernel spends on meanings shows against the same calls without them.
        _measure("15 signers, no meaning", trial(_meanings(1, 15, false)));
        _measure("15 signers, 15 meanings", trial(_meanings(1, 15, true)));
        _measure("16 calls, 8 signers, no meaning", trial(_meanings(16, 8, false)));
        _measure("16 calls, 8 signers, 8 meanings", trial(_meanings(16, 8, true)));
        _finish();
    }

    function test_Opening() public {
        _measure("15 opened in one call", trial(_opens(15, 1)));
        _measure("15 opened, then 16 calls name them all", trial(_opens(15, 16)));
        _finish();
    }

    function test_BigBodies() public {
        Draft memory d = solo(a(), "", noAssets(), 0, 0);
        d.calls[0].rule = 2;
        d.calls[0].extra = new bytes(16_000);
        d.calls[0].signed[0] = sign(d.calls[0].signed[0], rules[1], a());
        _measure("16 KB of unsigned data", trial(d));
        d = solo(a(), new bytes(16_000), noAssets(), 0, 0);
        d.calls[0].rule = 1;
        d.calls[0].signed[0] = sign(d.calls[0].signed[0], echo, a());
        _measure("16 KB of payload", trial(d));
        _finish();
    }

    // ---------------------------------------------------------------- building

    function _full(uint256 fragments, uint256 assets, uint256 data, uint256 outflows)
        private
        view
        returns (Draft memory d)
    {
        d = ruled(1, _users(fragments, assets, data), _list(outflows), "", 0);
        d.calls[0].maxEffects = 0;
    }

    /// @dev Each fragment signs in each call.
    function _calls(uint256 calls, uint256 fragments, uint256 assets, uint256 data)
        private
        view
        returns (Draft memory d)
    {
        Anchor[] memory users = _users(fragments, assets, data);
        d = ruled(1, users, noAssets(), "", 0);
        d.calls = new Call[](calls);
        for (uint256 i = 0; i < calls; i++) {
            d.calls[i] = ruled(1, users, noAssets(), "", 0).calls[0];
            d.calls[i].maxEffects = 0;
            for (uint256 j = 0; j < fragments; j++) {
                users[j].state.nonce++;
                d.freshAfter[j].nonce = users[j].state.nonce;
            }
        }
        for (uint256 j = 0; j < fragments; j++) {
            d.fresh[j].state.nonce = 0;
        }
    }

    /// @dev Each fragment signs in each call, and the rule says what.
    function _meanings(uint256 calls, uint8 fragments, bool said) private view returns (Draft memory d) {
        d = _calls(calls, fragments, 0, 0);
        if (!said) return d;
        Meaning memory meaning = Meaning(keccak256("type"), keccak256("struct"));
        for (uint256 i = 0; i < calls; i++) {
            Call memory c = d.calls[i];
            for (uint8 j = 0; j < fragments; j++) {
                c.extra = bytes.concat(c.extra, meaningEffect(j, meaning));
                bytes32 digest_ = digest(c.signed[j], echo, fragmentId(d.fresh[j]), uint64(i), meaning);
                c.signed[j] = signDigest(c.signed[j], digest_, keyOf[alice]);
            }
            c.maxEffects = uint16(c.extra.length);
        }
    }

    /// @dev Each call changes every vault: writes a byte, or mints.
    function _vaults(uint256 calls, uint256 count, uint256 assets, uint256 data, uint256 mints)
        private
        view
        returns (Draft memory d)
    {
        Anchor[] memory list = new Anchor[](count);
        for (uint256 i = 0; i < count; i++) {
            list[i] = _anchor(i, unleased(3, echo, 0, _list(assets), new bytes(data)));
        }
        d = ruled(1, list, noAssets(), "", 0);
        Call memory first = d.calls[0];
        d.calls = new Call[](calls);
        for (uint256 i = 0; i < calls; i++) {
            bytes memory effects;
            for (uint8 j = 0; j < count; j++) {
                // A byte, then none, then a byte: the shortest effects that change it each time.
                bytes memory written = i % 2 == 0 ? bytes(hex"01") : bytes("");
                effects = bytes.concat(effects, mints == 0 ? write(j, written) : mint(j, 0, 1));
                if (mints == 0) d.freshAfter[j].data = written;
                else d.freshAfter[j].assets = plus(d.freshAfter[j].assets, issued(echo, 0), 1);
            }
            d.calls[i] = Call(1, first.gasLimit, uint16(effects.length), first.fragments, new Signed[](0), effects);
        }
    }

    /// @dev The last asset goes back and forth, all of it: every search is as long as it can be, and each move takes an
    /// asset out of one list and inserts it into the other.
    function _moves(uint256 calls, uint256 assets, bool signed) private view returns (Draft memory d) {
        Anchor[] memory list = new Anchor[](2);
        for (uint256 i = 0; i < 2; i++) {
            IRule.Asset[] memory held = _list(i == 0 ? assets : assets - 1);
            list[i] = _anchor(i, signed ? unleased(1, alice, 0, held, "") : unleased(3, echo, 0, held, ""));
        }
        IRule.Asset[] memory limits = _list(assets);
        for (uint256 i = 0; i < assets; i++) {
            limits[i].amount = 1_000_000;
        }
        d = ruled(1, list, limits, "", 0);
        d.calls = new Call[](calls);
        for (uint256 i = 0; i < calls; i++) {
            bytes memory written = i % 2 == 0 ? bytes(hex"01") : bytes("");
            // 64 effects, with those that change who did not sign.
            bytes memory effects = signed ? bytes("") : bytes.concat(write(0, written), write(1, written));
            for (uint256 j = 0; j < (signed ? 64 : 62); j++) {
                effects = bytes.concat(effects, move(uint8(j % 2), uint8(1 - j % 2), limits[assets - 1].id, 1000));
            }
            d.calls[i] = ruled(1, list, limits, effects, 0).calls[0];
            d.calls[i].maxEffects = uint16(effects.length);
            for (uint256 j = 0; j < 2; j++) {
                if (signed) d.freshAfter[j].nonce = ++list[j].state.nonce;
                else d.freshAfter[j].data = written;
            }
        }
        if (signed) (d.fresh[0].state.nonce, d.fresh[1].state.nonce) = (0, 0);
    }

    function _mints(uint256 count, uint256 assets) private view returns (Draft memory d) {
        d = ruled(1, these(_anchor(0, unleased(3, echo, 0, _list(assets), ""))), noAssets(), "", 0);
        for (uint256 i = 0; i < count; i++) {
            d.calls[0].extra = bytes.concat(d.calls[0].extra, mint(0, 0, 1));
            d.freshAfter[0].assets = plus(d.freshAfter[0].assets, issued(echo, 0), 1);
        }
        d.calls[0].maxEffects = uint16(d.calls[0].extra.length);
    }

    function _withdrawals(uint256 count, uint256 assets) private view returns (Draft memory d) {
        d = ruled(1, these(_anchor(0, unleased(3, echo, 0, _list(assets), ""))), noAssets(), "", 0);
        bytes32 last = _list(assets)[assets - 1].id;
        d.withdrawals = new IBridge.Withdrawal[](count);
        for (uint256 i = 0; i < count; i++) {
            address token = address(uint160(uint256(last)));
            d.calls[0].extra = bytes.concat(d.calls[0].extra, withdrawEffect(0, bob, token, 1));
            d.withdrawals[i] = IBridge.Withdrawal(bob, token, 1);
        }
        d.freshAfter[0].assets = minus(d.freshAfter[0].assets, last, uint128(count));
        d.calls[0].maxEffects = uint16(d.calls[0].extra.length);
    }

    function _writes(uint256 count, uint256 size) private view returns (Draft memory d) {
        d = ruled(1, these(_anchor(0, unleased(3, echo, 0, noAssets(), hex"01"))), noAssets(), "", 0);
        for (uint256 i = 0; i < count; i++) {
            d.calls[0].extra = bytes.concat(d.calls[0].extra, write(0, new bytes(size)));
        }
        d.freshAfter[0].data = new bytes(size);
        d.calls[0].maxEffects = uint16(d.calls[0].extra.length);
    }

    /// @dev One call opens all; the further ones write to each.
    function _opens(uint256 count, uint256 calls) private view returns (Draft memory d) {
        d = ruled(1, these(a()), noAssets(), "", count);
        Call memory first = d.calls[0];
        d.calls = new Call[](calls);
        d.calls[0] = first;
        for (uint256 i = 0; i < count; i++) {
            first.extra = bytes.concat(first.extra, openEffect(3, echo));
            d.opened[i] = unleased(3, echo, 0, noAssets(), calls == 1 ? bytes("") : abi.encodePacked(uint8(calls - 1)));
        }
        first.maxEffects = uint16(first.extra.length);
        for (uint256 i = 1; i < calls; i++) {
            Call memory c = Call(1, first.gasLimit, 0, new uint8[](count), new Signed[](0), "");
            for (uint8 j = 0; j < count; j++) {
                c.fragments[j] = j + 1;
                c.extra = bytes.concat(c.extra, write(j, abi.encodePacked(uint8(i))));
            }
            c.maxEffects = uint16(c.extra.length);
            d.calls[i] = c;
        }
    }

    function _users(uint256 count, uint256 assets, uint256 data) private view returns (Anchor[] memory list) {
        list = new Anchor[](count);
        for (uint256 i = 0; i < count; i++) {
            list[i] = _anchor(i, unleased(1, alice, 0, _list(assets), new bytes(data)));
        }
    }
}
