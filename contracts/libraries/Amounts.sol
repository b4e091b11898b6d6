// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../interfaces/IRule.sol";

/// @notice Arithmetic of amounts for authors of rules. Whoever divides says in whose favour.
/// @dev Factors below 2^128 have a product that fits; anything that does not fit reverts, which makes the step invalid.
library Amounts {
    /// @notice An amount that the kernel could not move.
    error TooLarge(uint256 amount);

    /// @dev ⌊x · y / denominator⌋
    function mulDivDown(uint256 x, uint256 y, uint256 denominator) internal pure returns (uint256) {
        return x * y / denominator;
    }

    /// @dev ⌈x · y / denominator⌉
    function mulDivUp(uint256 x, uint256 y, uint256 denominator) internal pure returns (uint256) {
        uint256 product = x * y;
        uint256 quotient = product / denominator;
        return product % denominator == 0 ? quotient : quotient + 1;
    }

    function toAmount(uint256 amount) internal pure returns (uint128) {
        if (amount > type(uint128).max) revert TooLarge(amount);
        return uint128(amount);
    }

    function min(uint256 x, uint256 y) internal pure returns (uint256) {
        return x < y ? x : y;
    }

    /// @dev How much of the asset the fragment holds.
    function held(IRule.Fragment calldata fragment, bytes32 asset) internal pure returns (uint128) {
        IRule.Asset[] calldata assets = fragment.assets;
        for (uint256 i; i < assets.length; ++i) {
            if (assets[i].id == asset) return assets[i].amount;
        }
        return 0;
    }
}
