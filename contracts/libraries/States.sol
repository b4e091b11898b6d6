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

    /// @dev Hash of the canonical encoding, which is written to scratch memory behind the free pointer.
    function hash(State memory state) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let shown := mload(state)
            let assets := mload(add(shown, 0x60))
            let data := mload(add(shown, 0x80))
            let start := mload(0x40)
            // 0x00 ‖ kind ‖ controller ‖ nonce ‖ number of assets
            mstore(
                start,
                or(
                    or(shl(240, mload(add(shown, 0x20))), shl(80, mload(add(shown, 0x40)))),
                    or(shl(16, mload(add(state, 0x20))), shl(8, mload(assets)))
                )
            )
            let to := add(start, 31)
            let from := add(assets, 32)
            for { let last := add(from, shl(5, mload(assets))) } lt(from, last) { from := add(from, 32) } {
                let asset := mload(from)
                mstore(to, mload(asset))
                mstore(add(to, 32), shl(128, mload(add(asset, 32))))
                to := add(to, ASSET_SIZE)
            }
            let size := mload(data)
            mstore(to, shl(240, size))
            mcopy(add(to, 2), add(data, 32), size)
            digest := keccak256(start, add(sub(to, start), add(size, 2)))
        }
    }

    /// @dev Adds to an asset; a new one takes its place in the order.
    function credit(IRule.Fragment memory fragment, bytes32 id, uint128 amount) internal pure {
        IRule.Asset[] memory assets = fragment.assets;
        (uint256 place, uint256 found) = _find(assets, id);
        if (found == uint256(id)) {
            IRule.Asset memory held = _assetAt(place);
            held.amount += amount; // overflow reverts: invalid
            return;
        }
        if (assets.length == MAX_ASSETS) revert NotAState();
        IRule.Asset memory added = IRule.Asset(id, amount);
        assembly ("memory-safe") {
            let grown := mload(0x40)
            let count := mload(assets)
            mstore(0x40, add(grown, shl(5, add(count, 2))))
            mstore(grown, add(count, 1))
            let before := sub(place, add(assets, 32))
            mcopy(add(grown, 32), add(assets, 32), before)
            mstore(add(add(grown, 32), before), added)
            mcopy(add(add(grown, 64), before), place, sub(shl(5, count), before))
            mstore(add(fragment, 0x60), grown)
        }
    }

    /// @dev Takes from an asset, which disappears at zero.
    function debit(IRule.Fragment memory fragment, bytes32 id, uint128 amount) internal pure {
        IRule.Asset[] memory assets = fragment.assets;
        (uint256 place, uint256 found) = _find(assets, id);
        if (found != uint256(id)) revert NotAState();
        IRule.Asset memory held = _assetAt(place);
        held.amount -= amount; // underflow reverts: invalid
        if (held.amount != 0) return;
        assembly ("memory-safe") {
            // Closes the gap; the word behind the shortened array stays unused.
            let last := add(assets, shl(5, mload(assets)))
            mcopy(place, add(place, 32), sub(last, place))
            mstore(assets, sub(mload(assets), 1))
        }
    }

    /// @dev Takes from what is left of a signed outflow.
    function spend(IRule.Asset[] memory limits, bytes32 id, uint128 amount) internal pure {
        (uint256 place, uint256 found) = _find(limits, id);
        if (found != uint256(id)) revert NotAState();
        IRule.Asset memory limit = _assetAt(place);
        limit.amount -= amount; // underflow reverts: invalid
    }

    /// @dev First element whose id is not below `id`, of a list in ascending order: where its pointer lies, and its id.
    /// Behind the last one the id reads as `~id`, which is another. Up to 64 effects scan up to three lists of 32: hence assembly, 41
    /// gas an element instead of 130 checked.
    function _find(IRule.Asset[] memory assets, bytes32 id) private pure returns (uint256 place, uint256 found) {
        assembly ("memory-safe") {
            found := not(id)
            place := add(assets, 32)
            for { let end := add(place, shl(5, mload(assets))) } lt(place, end) { place := add(place, 32) } {
                let held := mload(mload(place))
                if iszero(lt(held, id)) {
                    found := held
                    break
                }
            }
        }
    }

    /// @dev The asset whose pointer lies at `place`.
    function _assetAt(uint256 place) private pure returns (IRule.Asset memory asset) {
        assembly ("memory-safe") {
            asset := mload(place)
        }
    }
}
