// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Calldata} from "../../contracts/libraries/Calldata.sol";
import {States} from "../../contracts/libraries/States.sol";

/// @notice The canonical encoding of fragments, for every value of every field: up to two assets, 32 bytes of data, with and
/// without a lease. Longer lists take the same loops. What is not a state is refused, what is one is read and hashed as it stands.
contract StateSymbolic {
    using Calldata for bytes;
    using States for bytes;
    using States for States.State;

    /// @dev Of every encoding: the domain too, which must be zero.
    struct Fields {
        uint8 domain;
        uint8 kind;
        address controller;
        uint64 nonce;
        bool leased;
        address holder;
        uint64 last;
    }

    function check_ANumberIsItsBytes(bytes32 before, bytes32 word, bytes32 behind) external view {
        bytes memory data = abi.encodePacked(before, word, behind);
        for (uint256 size = 1; size <= 32; size++) {
            assert(this.number(data, 32, size) == uint256(word) >> (256 - 8 * size));
        }
    }

    function check_AStateWithoutAssetsIsItsEncoding(Fields calldata f, bytes32 data) external view {
        _roundTrip(f, true, "", 0, abi.encodePacked(data));
    }

    function check_AStateWithOneAssetIsItsEncoding(Fields calldata f, bytes32 id, uint128 amount) external view {
        _roundTrip(f, amount != 0, abi.encodePacked(id, amount), 1, "");
    }

    function check_AStateWithTwoAssetsIsItsEncoding(
        Fields calldata f,
        bytes32[2] calldata ids,
        uint128[2] calldata amounts,
        bytes32 data
    ) external view {
        bool valid = amounts[0] != 0 && amounts[1] != 0 && ids[0] < ids[1];
        bytes memory assets = abi.encodePacked(ids[0], amounts[0], ids[1], amounts[1]);
        _roundTrip(f, valid, assets, 2, abi.encodePacked(data));
    }

    /// @dev Nothing may stand behind the data, and nothing of it may be missing.
    function check_AnEncodingEndsWithItsData(Fields calldata f, bytes32 id, uint128 amount, bytes32 data)
        external
        view
    {
        bytes memory assets = abi.encodePacked(id, amount);
        for (uint256 length = 0; length <= 32; length += 4) {
            bytes memory encoded = _encode(f, 1, assets, uint16(length), abi.encodePacked(data));
            try this.decode(encoded) {
                assert(length == 32);
            } catch {}
        }
    }

    /// @dev The encoding, written as the specification's table has it: read to the fields it was made of and hashed, if these
    /// are fields that a state can have, and otherwise refused.
    function _roundTrip(Fields calldata f, bool valid, bytes memory assets, uint8 count, bytes memory data)
        private
        view
    {
        valid = valid && f.domain == 0 && _kind(f) != 0 && _kind(f) <= 3;
        if (f.leased) valid = valid && f.holder != address(0) && f.last != 0;
        bytes memory encoded = _encode(f, count, assets, uint16(data.length), data);
        try this.decode(encoded) returns (States.State memory state, bytes32 hash) {
            assert(valid);
            assert(state.shown.kind == _kind(f) && state.shown.controller == f.controller && state.nonce == f.nonce);
            assert(state.lease == (f.leased ? (uint224(uint160(f.holder)) << 64) | f.last : 0));
            assert(keccak256(_packed(state.shown.assets)) == keccak256(assets));
            assert(keccak256(state.shown.data) == keccak256(data));
            assert(hash == keccak256(encoded));
        } catch {
            assert(!valid);
        }
    }

    function _encode(Fields calldata f, uint8 count, bytes memory assets, uint16 length, bytes memory data)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodePacked(
            f.domain,
            f.leased ? _kind(f) | 0x80 : _kind(f),
            f.controller,
            f.nonce,
            f.leased ? abi.encodePacked(f.holder, f.last) : bytes(""),
            count,
            assets,
            length,
            data
        );
    }

    /// @dev The lease's bit is `leased`.
    function _kind(Fields calldata f) private pure returns (uint8) {
        return f.kind & 0x7f;
    }

    function _packed(IRule.Asset[] memory assets) private pure returns (bytes memory packed) {
        for (uint256 i = 0; i < assets.length; i++) {
            packed = abi.encodePacked(packed, assets[i].id, assets[i].amount);
        }
    }

    // ---------------------------------------------------------------- the library

    function number(bytes calldata data, uint256 offset, uint256 size) external pure returns (uint256) {
        return data.number(offset, size);
    }

    function decode(bytes calldata encoded) external pure returns (States.State memory state, bytes32 hash) {
        encoded.decode(state);
        hash = state.hash();
    }
}
