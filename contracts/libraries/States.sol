// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../interfaces/IRule.sol";

/// @notice Canonical encoding of fragments (docs/spec.md, section 3), and their assets.
library States {
    /// @notice The bytes encode no state, or an effect would lead to one that has no encoding.
    error NotAState();

    uint256 internal constant MAX_ASSETS = 32;
    uint256 internal constant MAX_DATA = 2048;
    uint256 private constant FIXED = 33; // all but assets and data
    uint256 private constant ASSET_SIZE = 48;

    /// @dev State of a fragment: what rules see of it, and its nonce.
    struct State {
        IRule.Fragment shown;
        uint64 nonce;
    }

    /// @dev Reverts unless `encoded` is the canonical encoding of a state. `shown.id` is left to the caller.
    function decode(bytes calldata encoded) internal pure returns (State memory state) {
        uint256 size = encoded.length;
        if (size < FIXED) revert NotAState();
        IRule.Fragment memory shown = state.shown;
        shown.kind = uint8(encoded[1]);
        if (encoded[0] != 0 || shown.kind == 0 || shown.kind > 3) revert NotAState();
        shown.controller = address(bytes20(encoded[2:22]));
        state.nonce = uint64(bytes8(encoded[22:30]));
        uint256 count = uint8(encoded[30]);
        if (count > MAX_ASSETS || size < FIXED + ASSET_SIZE * count) revert NotAState();

        IRule.Asset[] memory assets = new IRule.Asset[](count);
        uint256 pos = 31;
        for (uint256 i; i < count; ++i) {
            bytes32 id = bytes32(encoded[pos:pos + 32]);
            uint128 amount = uint128(bytes16(encoded[pos + 32:pos + 48]));
            if (amount == 0 || (i != 0 && id <= assets[i - 1].id)) revert NotAState();
            (assets[i].id, assets[i].amount) = (id, amount);
            pos += ASSET_SIZE;
        }
        shown.assets = assets;

        uint256 length = uint16(bytes2(encoded[pos:pos + 2]));
        if (length > MAX_DATA || size != pos + 2 + length) revert NotAState();
        shown.data = encoded[pos + 2:];
    }

    /// @dev Hash of the canonical encoding.
    function hash(State memory state) internal pure returns (bytes32 digest) {
        IRule.Fragment memory shown = state.shown;
        bytes memory head =
            abi.encodePacked(uint8(0), shown.kind, shown.controller, state.nonce, uint8(shown.assets.length));
        uint256 start;
        uint256 pos;
        assembly ("memory-safe") {
            // Continues `head` in scratch memory behind the free pointer.
            start := mload(0x40)
            mcopy(start, add(head, 32), mload(head))
            pos := add(start, mload(head))
        }
        uint256 count = shown.assets.length;
        for (uint256 i; i < count; ++i) {
            IRule.Asset memory asset = shown.assets[i];
            assembly ("memory-safe") {
                mstore(pos, mload(asset))
                mstore(add(pos, 32), shl(128, mload(add(asset, 32))))
                pos := add(pos, ASSET_SIZE)
            }
        }
        bytes memory data = shown.data;
        assembly ("memory-safe") {
            mstore(pos, shl(240, mload(data)))
            mcopy(add(pos, 2), add(data, 32), mload(data))
            digest := keccak256(start, add(sub(add(pos, 2), start), mload(data)))
        }
    }

    /// @dev Adds to an asset; a new one takes its place in the order.
    function credit(IRule.Fragment memory fragment, bytes32 id, uint128 amount) internal pure {
        IRule.Asset[] memory assets = fragment.assets;
        uint256 count = assets.length;
        uint256 i;
        while (i < count && assets[i].id < id) ++i;
        if (i < count && assets[i].id == id) {
            assets[i].amount += amount; // overflow reverts: invalid
            return;
        }
        if (count == MAX_ASSETS) revert NotAState();
        IRule.Asset memory added = IRule.Asset(id, amount);
        assembly ("memory-safe") {
            let grown := mload(0x40)
            mstore(0x40, add(grown, shl(5, add(count, 2))))
            mstore(grown, add(count, 1))
            mcopy(add(grown, 32), add(assets, 32), shl(5, i))
            mstore(add(grown, shl(5, add(i, 1))), added)
            mcopy(add(grown, shl(5, add(i, 2))), add(assets, shl(5, add(i, 1))), shl(5, sub(count, i)))
            mstore(add(fragment, 0x60), grown)
        }
    }

    /// @dev Takes from an asset, which disappears at zero.
    function debit(IRule.Fragment memory fragment, bytes32 id, uint128 amount) internal pure {
        IRule.Asset[] memory assets = fragment.assets;
        uint256 count = assets.length;
        uint256 i;
        while (i < count && assets[i].id != id) ++i;
        if (i == count) revert NotAState();
        uint128 left = assets[i].amount - amount; // underflow reverts: invalid
        assets[i].amount = left;
        if (left != 0) return;
        assembly ("memory-safe") {
            // Closes the gap; memory behind the shortened array stays unused.
            mcopy(add(assets, shl(5, add(i, 1))), add(assets, shl(5, add(i, 2))), shl(5, sub(sub(count, i), 1)))
            mstore(assets, sub(count, 1))
        }
    }
}
