// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../interfaces/IRule.sol";
import {Calldata} from "./Calldata.sol";

/// @notice Canonical encoding of fragments (docs/spec.md, section 3), and their assets.
library States {
    using Calldata for bytes;

    /// @notice The bytes encode no state, or an effect would lead to one that has no encoding.
    error NotAState();

    uint256 internal constant MAX_ASSETS = 32;
    uint256 internal constant MAX_DATA = 2048;
    uint256 private constant ASSET_SIZE = 48;
    uint256 private constant LEASE_SIZE = 28;
    uint256 private constant LEASE_BIT = 0x80;

    /// @dev State of a fragment: what rules see of it, and what they do not.
    struct State {
        IRule.Fragment shown;
        uint64 nonce;
        uint224 lease; // holder (20 bytes) ‖ last block (8); zero if there is none
    }

    /// @dev Fills in `state`; reverts unless `encoded` is the canonical encoding of one. `shown.id` is left to the caller.
    /// Fields are read before the length is known to hold them; the last check answers for all.
    function decode(bytes calldata encoded, State memory state) internal pure {
        unchecked {
            IRule.Fragment memory shown = state.shown;
            uint256 kind = encoded.number(0, 2); // domain of leaves ‖ kind
            uint256 pos = 30;
            if (kind & LEASE_BIT != 0) {
                kind ^= LEASE_BIT;
                state.lease = uint224(encoded.number(pos, LEASE_SIZE));
                if (state.lease >> 64 == 0 || uint64(state.lease) == 0) revert NotAState();
                pos += LEASE_SIZE;
            }
            uint256 count = encoded.number(pos, 1);
            if (kind == 0 || kind > 3 || count > MAX_ASSETS) revert NotAState();
            shown.kind = uint8(kind);
            shown.controller = address(uint160(encoded.number(2, 20)));
            state.nonce = uint64(encoded.number(22, 8));

            ++pos;
            IRule.Asset[] memory assets = readAssets(encoded, pos, count);
            for (uint256 i; i < count; ++i) {
                if (assets[i].amount == 0) revert NotAState();
            }
            shown.assets = assets;

            pos += ASSET_SIZE * count;
            uint256 size = encoded.number(pos, 2);
            if (size > MAX_DATA || encoded.length != pos + 2 + size) revert NotAState();
            shown.data = encoded.slice(pos + 2, size);
        }
    }

    /// @dev Reads `count` times asset (32) ‖ amount (16); reverts unless the assets ascend. The caller answers for the bounds.
    function readAssets(bytes calldata data, uint256 pos, uint256 count)
        internal
        pure
        returns (IRule.Asset[] memory assets)
    {
        bool ascending = true;
        assembly ("memory-safe") {
            // The array of pointers, then the assets: what `new` does, without zeros first.
            assets := mload(0x40)
            let asset := add(assets, shl(5, add(count, 1)))
            mstore(0x40, add(asset, shl(6, count)))
            mstore(assets, count)
            let from := add(data.offset, pos)
            for { let i := 1 } iszero(gt(i, count)) { i := add(i, 1) } {
                let id := calldataload(from)
                if gt(i, 1) { ascending := and(ascending, lt(mload(sub(asset, 64)), id)) }
                mstore(add(assets, shl(5, i)), asset)
                mstore(asset, id)
                mstore(add(asset, 32), shr(128, calldataload(add(from, 32))))
                asset := add(asset, 64)
                from := add(from, ASSET_SIZE)
            }
        }
        if (!ascending) revert NotAState();
    }

    /// @dev Hash of the canonical encoding, which is written to scratch memory behind the free pointer.
    function hash(State memory state) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let shown := mload(state)
            let assets := mload(add(shown, 0x60))
            let data := mload(add(shown, 0x80))
            let start := mload(0x40)
            let lease := mload(add(state, 0x40))
            // 0x00 ‖ kind, with the lease's bit ‖ controller ‖ nonce ‖ lease ‖ number of assets
            mstore(
                start,
                or(
                    or(shl(240, mload(add(shown, 0x20))), shl(80, mload(add(shown, 0x40)))),
                    or(shl(16, mload(add(state, 0x20))), shl(247, iszero(iszero(lease))))
                )
            )
            let to := add(start, 30)
            if lease {
                mstore(to, shl(32, lease))
                to := add(to, LEASE_SIZE)
            }
            mstore8(to, mload(assets))
            to := add(to, 1)
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

    /// @dev Adds to an asset; a new one takes its place in the order, if the fragment `accepts` new ones.
    function credit(IRule.Fragment memory fragment, bytes32 id, uint128 amount, bool accepts) internal pure {
        IRule.Asset[] memory assets = fragment.assets;
        (uint256 place, uint256 found) = _find(assets, id);
        if (found == uint256(id)) {
            _setAmount(place, _amount(place) + amount); // overflow reverts: invalid
            return;
        }
        if (!accepts || assets.length == MAX_ASSETS) revert NotAState();
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
        uint128 left = _amount(place) - amount; // underflow reverts: invalid
        _setAmount(place, left);
        if (left != 0) return;
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
        _setAmount(place, _amount(place) - amount); // underflow reverts: invalid
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

    /// @dev Amount of the asset whose pointer lies at `place`.
    function _amount(uint256 place) private pure returns (uint128 amount) {
        assembly ("memory-safe") {
            amount := mload(add(mload(place), 32))
        }
    }

    function _setAmount(uint256 place, uint128 amount) private pure {
        assembly ("memory-safe") {
            mstore(add(mload(place), 32), amount)
        }
    }
}
