// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

/// @notice Numbers from a seed that the fuzzer chooses.
library Random {
    struct Rng {
        uint256 state;
    }

    function next(Rng memory rng) internal pure returns (uint256) {
        rng.state = uint256(keccak256(abi.encode(rng.state)));
        return rng.state;
    }

    /// @dev From 0 to n − 1.
    function below(Rng memory rng, uint256 n) internal pure returns (uint256) {
        return next(rng) % n;
    }

    /// @dev True once in n.
    function onceIn(Rng memory rng, uint256 n) internal pure returns (bool) {
        return below(rng, n) == 0;
    }

    function data(Rng memory rng, uint256 size) internal pure returns (bytes memory out) {
        out = new bytes(size);
        for (uint256 i = 0; i < size; i++) {
            if (i % 32 == 0) next(rng);
            out[i] = bytes1(uint8(rng.state / 2 ** (8 * (i % 32))));
        }
    }
}
