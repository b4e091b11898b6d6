// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Vm} from "forge-std/Vm.sol";

import {IEvidenceErrors} from "../../contracts/interfaces/IEvidenceErrors.sol";
import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Intents} from "../../contracts/libraries/Intents.sol";
import {Kernel} from "../../contracts/libraries/Kernel.sol";

/// @dev A rule whose effects are whatever the call says.
contract Echo is IRule {
    function transition(Context calldata, Fragment[] calldata, Authorisation[] calldata, bytes calldata extra)
        external
        pure
        returns (bytes memory)
    {
        return extra;
    }
}

/// @notice Effects on two fragments, for every amount, asset and holding: nothing is created or lost, nobody without authority loses
/// anything, and no signature is outspent. Fragment 0 holds two assets, fragment 1 the lower of them.
contract KernelSymbolic {
    Vm private constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    IRule private immutable RULE = new Echo();
    /// @dev Of private key 1.
    address private constant SIGNER = 0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf;

    /// @dev What the fragments hold before a call, and what is asked about afterwards.
    struct Holdings {
        bytes32 low;
        bytes32 high;
        uint128 low0;
        uint128 high0;
        uint128 low1;
    }

    /// @dev How fragment 0 takes part.
    enum Role {
        Ruled, // the rule is its controller
        Leased, // a key's, leased to the proposer: merely credited
        Signed // a key's, which has signed for an outflow
    }

    // ---------------------------------------------------------------- conservation

    /// @dev A move takes from one what it gives to the other, of that asset and of no other; it is refused exactly if there is not
    /// enough, or nothing to move, or the sum does not fit.
    function check_AMoveConserves(Holdings calldata h, bytes32 asset, uint128 amount) external view {
        if (!_valid(h)) return;
        (bool applied, bytes memory result) =
            _run(h, Role.Ruled, abi.encodePacked(uint16(0x0100), uint8(1), asset, amount), "");
        uint256 held = _held(h, asset);
        uint256 other = asset == h.low ? h.low1 : 0;
        bool possible = amount != 0 && amount <= held && other + amount <= type(uint128).max;
        if (applied) {
            assert(possible);
            (IRule.Asset[] memory first, IRule.Asset[] memory second,) = _decode(result);
            _canonical(first);
            _canonical(second);
            assert(_amount(first, asset) == held - amount);
            assert(_amount(second, asset) == other + amount);
            if (asset != h.low) assert(_amount(first, h.low) == h.low0 && _amount(second, h.low) == h.low1);
            if (asset != h.high) assert(_amount(first, h.high) == h.high0 && _amount(second, h.high) == 0);
        } else {
            assert(!possible || _needsGas(result));
        }
    }

    /// @dev There and back again is no change; and that is refused, for nobody signed.
    function check_MovingBackChangesNothing(Holdings calldata h, bytes32 asset, uint128 amount) external view {
        if (!_valid(h)) return;
        bytes memory effects =
            abi.encodePacked(uint16(0x0100), uint8(1), asset, amount, uint16(0x0101), uint8(0), asset, amount);
        (bool applied,) = _run(h, Role.Ruled, effects, "");
        assert(!applied);
    }

    function check_NobodyMovesToItselfOrBeyond(Holdings calldata h, bytes32 asset, uint128 amount, uint8 pair)
        external
        view
    {
        if (!_valid(h)) return;
        // One pair to a path: positions are memory offsets, which halmos wants to know.
        for (uint8 i = 0; i < 9; i++) {
            (uint8 from, uint8 to) = (i / 3, i % 3);
            if (pair != i || (from < 2 && to < 2 && from != to)) continue;
            (bool applied,) = _run(h, Role.Ruled, abi.encodePacked(uint8(1), from, to, asset, amount), "");
            assert(!applied);
            return;
        }
    }

    /// @dev A withdrawal takes exactly what it says it pays.
    function check_AWithdrawalIsDebited(Holdings calldata h, address recipient, address token, uint128 amount)
        external
        view
    {
        if (!_valid(h)) return;
        bytes32 asset = bytes32(uint256(uint160(token)));
        // Fragment 1 must change too, to be named by a call that it did not sign: its data does.
        bytes memory effects =
            abi.encodePacked(uint16(0x0600), recipient, token, amount, uint16(0x0401), uint16(1), uint8(7));
        (bool applied, bytes memory result) = _run(h, Role.Ruled, effects, "");
        uint256 held = _held(h, asset);
        if (applied) {
            (IRule.Asset[] memory first, IRule.Asset[] memory second, bytes32 leaf) = _decode(result);
            assert(recipient != address(0) && amount != 0 && amount <= held);
            assert(_amount(first, asset) == held - amount);
            assert(_amount(second, h.low) == h.low1);
            assert(leaf == keccak256(abi.encodePacked(recipient, token, amount)));
        } else {
            assert(recipient == address(0) || amount == 0 || amount > held || _needsGas(result));
        }
    }

    /// @dev What a rule mints is an asset that it issues, never an L1 token: the highest bit says so.
    function check_AMintIsNoToken(Holdings calldata h, bytes32 tag, uint128 amount) external view {
        if (!_valid(h) || uint256(h.high) >> 160 != 0) return;
        bytes memory effects = abi.encodePacked(uint16(0x0200), tag, amount, uint16(0x0401), uint16(1), uint8(7));
        (bool applied, bytes memory result) = _run(h, Role.Ruled, effects, "");
        if (!applied) return;
        (IRule.Asset[] memory first, IRule.Asset[] memory second,) = _decode(result);
        assert(_amount(first, h.low) == h.low0 && _amount(first, h.high) == h.high0);
        assert(_amount(second, h.low) == h.low1);
        assert(first.length == 3 && uint256(first[2].id) >> 255 == 1 && first[2].amount == amount);
    }

    // ---------------------------------------------------------------- authority

    /// @dev Whoever has not authorised a call loses nothing by it and stays whose it is, whatever the effect.
    function check_NothingIsTakenWithoutAuthority(Holdings calldata h, bytes32 x, bytes32 y, uint8 effect)
        external
        view
    {
        if (!_valid(h)) return;
        bytes[8] memory effects = [
            abi.encodePacked(uint16(0x0100), uint8(1), x, bytes16(y)), // move
            abi.encodePacked(uint16(0x0300), x, bytes16(y)), // burn
            abi.encodePacked(uint16(0x0400), uint16(0)), // write
            abi.encodePacked(uint16(0x0400), uint16(32), x),
            abi.encodePacked(uint16(0x0600), bytes20(x), bytes20(y), bytes16(x << 128)), // withdraw
            abi.encodePacked(uint16(0x0700), bytes21(x)), // set controller
            abi.encodePacked(uint16(0x0800), bytes28(x)), // set lease
            abi.encodePacked(uint16(0x0900), bytes21(x)) // open leaf
        ];
        for (uint256 i = 0; i < effects.length; i++) {
            if (effect != i) continue;
            (bool applied,) = _run(h, Role.Leased, effects[i], "");
            assert(!applied);
            return;
        }
    }

    /// @dev It may be given more of what it holds, and nothing else.
    function check_AMereCreditIsOfWhatIsHeld(Holdings calldata h, bytes32 asset, uint128 amount) external view {
        if (!_valid(h)) return;
        (bool applied, bytes memory result) =
            _run(h, Role.Leased, abi.encodePacked(uint16(0x0101), uint8(0), asset, amount), "");
        if (!applied) return;
        (IRule.Asset[] memory first, IRule.Asset[] memory second,) = _decode(result);
        assert(asset == h.low && amount <= h.low1);
        assert(first.length == 2 && _amount(first, h.low) == uint256(h.low0) + amount);
        assert(_amount(first, h.high) == h.high0);
        assert(_amount(second, h.low) == h.low1 - amount);
    }

    /// @dev All debits of a call together stay within what was signed for.
    function check_NoSignatureIsOutspent(
        Holdings calldata h,
        IRule.Asset calldata outflow,
        bytes32 asset,
        uint128[2] calldata amounts,
        bytes32[2] calldata signature
    ) external view {
        if (!_valid(h)) return;
        bytes memory effects =
            abi.encodePacked(uint16(0x0100), uint8(1), asset, amounts[0], uint16(0x0100), uint8(1), asset, amounts[1]);
        bytes memory signed = abi.encodePacked(
            uint8(0),
            type(uint64).max,
            uint8(1),
            outflow.id,
            outflow.amount,
            uint16(0),
            uint8(1),
            signature[0],
            signature[1]
        );
        (bool applied, bytes memory result) = _run(h, Role.Signed, effects, signed);
        if (!applied) return;
        uint256 spent = uint256(amounts[0]) + amounts[1];
        assert(asset == outflow.id && spent <= outflow.amount && spent <= _held(h, asset));
        (IRule.Asset[] memory first,,) = _decode(result);
        assert(_amount(first, asset) == _held(h, asset) - spent);
    }

    // ---------------------------------------------------------------- not in vain

    /// @dev What the checks say of calls that are applied would hold if none ever were. These are.
    function test_WhatTheChecksAllowIsApplied() external view {
        Holdings memory h = Holdings(bytes32(uint256(5)), bytes32(uint256(9)), 100, 200, 300);
        _applied(h, Role.Ruled, abi.encodePacked(uint16(0x0100), uint8(1), h.high, uint128(200)), "");
        _applied(h, Role.Leased, abi.encodePacked(uint16(0x0101), uint8(0), h.low, uint128(1)), "");
        bytes memory write = abi.encodePacked(uint16(0x0401), uint16(1), uint8(7));
        _applied(h, Role.Ruled, abi.encodePacked(uint16(0x0200), h.low, uint128(1), write), "");
        _applied(h, Role.Ruled, abi.encodePacked(uint16(0x0600), SIGNER, address(9), uint128(1), write), "");

        bytes32 outflows = keccak256(abi.encode(keccak256(abi.encode(Intents.OUTFLOW_TYPEHASH, h.low, 30))));
        bytes32 message =
            keccak256(abi.encode(Intents.PLAIN_TYPEHASH, keccak256(""), RULE, 1 << 24, 0, type(uint64).max, outflows));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", bytes32(0), message));
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(1, digest);
        bytes memory signed = abi.encodePacked(
            uint8(0),
            type(uint64).max,
            uint8(1),
            h.low,
            uint128(30),
            uint16(0),
            uint8(1),
            r,
            (uint256(v - 27) << 255) | uint256(s)
        );
        bytes memory move = abi.encodePacked(uint16(0x0100), uint8(1), h.low, uint128(15));
        _applied(h, Role.Signed, bytes.concat(move, move), signed);
    }

    function _applied(Holdings memory h, Role role, bytes memory effects, bytes memory signed) private view {
        assert(_valid(h));
        (bool applied,) = _run(h, role, effects, signed);
        assert(applied);
    }

    // ---------------------------------------------------------------- one call of the kernel

    /// @dev The call of the echo on both fragments; what is left of them if it is valid, or why not.
    function _run(Holdings memory h, Role role, bytes memory effects, bytes memory signed)
        private
        view
        returns (bool applied, bytes memory result)
    {
        bytes memory body = abi.encodePacked(
            uint8(0),
            uint32(100_000),
            uint16(effects.length),
            uint8(2),
            uint16(1), // fragments 0 and 1
            uint8(signed.length == 0 ? 0 : 1),
            signed,
            uint16(effects.length),
            effects
        );
        try this.run(h, role, body) returns (bytes memory left) {
            return (true, left);
        } catch (bytes memory reason) {
            return (false, reason);
        }
    }

    function run(Holdings calldata h, Role role, bytes calldata body) external view returns (bytes memory) {
        Kernel.Step memory step;
        step.clock = 1;
        step.fragments = new Kernel.Work[](2);
        step.withdrawals = new bytes32[](1);
        _place(step.fragments[0], 1, _two(h));
        _place(step.fragments[1], 2, _one(h));
        if (role != Role.Ruled) {
            step.fragments[0].state.shown.kind = 1;
            step.fragments[0].state.shown.controller = SIGNER;
            step.fragments[0].leased = role == Role.Leased;
        }
        uint256 end = Kernel.run(step, address(RULE), body, 0);
        assert(end == body.length);
        return
            abi.encode(step.fragments[0].state.shown.assets, step.fragments[1].state.shown.assets, step.withdrawals[0]);
    }

    function _place(Kernel.Work memory work, uint80 anchor, IRule.Asset[] memory assets) private view {
        work.state.shown.kind = 3;
        work.state.shown.controller = address(RULE);
        work.state.shown.assets = assets;
        work.id = anchor << 24;
        work.exists = true;
    }

    function _two(Holdings calldata h) private pure returns (IRule.Asset[] memory assets) {
        assets = new IRule.Asset[](2);
        assets[0] = IRule.Asset(h.low, h.low0);
        assets[1] = IRule.Asset(h.high, h.high0);
    }

    function _one(Holdings calldata h) private pure returns (IRule.Asset[] memory assets) {
        assets = new IRule.Asset[](1);
        assets[0] = IRule.Asset(h.low, h.low1);
    }

    // ---------------------------------------------------------------- what is expected

    function _valid(Holdings memory h) private pure returns (bool) {
        return h.low < h.high && h.low0 != 0 && h.high0 != 0 && h.low1 != 0;
    }

    /// @dev Of fragment 0.
    function _held(Holdings calldata h, bytes32 asset) private pure returns (uint256) {
        return asset == h.low ? h.low0 : asset == h.high ? h.high0 : 0;
    }

    function _decode(bytes memory result)
        private
        pure
        returns (IRule.Asset[] memory first, IRule.Asset[] memory second, bytes32 leaf)
    {
        return abi.decode(result, (IRule.Asset[], IRule.Asset[], bytes32));
    }

    function _amount(IRule.Asset[] memory assets, bytes32 id) private pure returns (uint256 amount) {
        for (uint256 i = 0; i < assets.length; i++) {
            if (assets[i].id == id) amount += assets[i].amount;
        }
    }

    function _canonical(IRule.Asset[] memory assets) private pure {
        for (uint256 i = 0; i < assets.length; i++) {
            assert(assets[i].amount != 0 && (i == 0 || assets[i - 1].id < assets[i].id));
        }
    }

    /// @dev How much gas there is, is anybody's guess in symbolic execution.
    function _needsGas(bytes memory reason) private pure returns (bool) {
        return reason.length >= 4 && bytes4(reason) == IEvidenceErrors.NeedGas.selector;
    }
}
