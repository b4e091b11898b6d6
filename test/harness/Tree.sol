// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

/// @notice The tree of docs/spec.md, section 4.6, level by level in arrays of its own.
library Tree {
    function root(bytes32[] memory values) internal pure returns (bytes32) {
        while (values.length > 1) {
            values = _parents(values);
        }
        return values[0];
    }

    /// @dev Siblings of a leaf, bottom-up, each level's in order without the own one.
    function opening(bytes32[] memory values, uint256 index) internal pure returns (bytes memory siblings) {
        while (values.length > 1) {
            uint256 first = index - index % 8;
            for (uint256 i = first; i < first + 8 && i < values.length; i++) {
                if (i != index) siblings = bytes.concat(siblings, values[i]);
            }
            values = _parents(values);
            index = index / 8;
        }
    }

    function _parents(bytes32[] memory values) private pure returns (bytes32[] memory parents) {
        parents = new bytes32[]((values.length + 7) / 8);
        for (uint256 p = 0; p < parents.length; p++) {
            bytes memory run;
            for (uint256 i = 8 * p; i < 8 * p + 8 && i < values.length; i++) {
                run = bytes.concat(run, values[i]);
            }
            parents[p] = keccak256(run);
        }
    }
}
