// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Test} from "forge-std/Test.sol";

import {Tree} from "../harness/Tree.sol";

interface IExposedTree {
    function root(bytes32[] memory values) external pure returns (bytes32);
    function siblingCount(uint256 n, uint256 index) external pure returns (uint256);
    function rootFrom(bytes32 leaf, uint256 n, uint256 index, bytes calldata siblings) external pure returns (bytes32);
}

/// @notice Trees of arity eight (docs/spec.md, section 4.6) against a plain version.
contract CommitmentTreeTest is Test {
    IExposedTree private tree;

    function setUp() public {
        tree = IExposedTree(deployCode("ExposedLibraries.sol:ExposedLibraries"));
    }

    function testFuzz_RootAndOpeningEqualTheReference(uint256 seed, uint256 n, uint256 index) public view {
        n = bound(n, 1, 600);
        index = bound(index, 0, n - 1);
        bytes32[] memory values = _values(seed, n);
        bytes32 expected = Tree.root(values);
        bytes memory siblings = Tree.opening(values, index);
        assertEq(tree.root(values), expected);
        assertEq(32 * tree.siblingCount(n, index), siblings.length);
        assertEq(tree.rootFrom(values[index], n, index, siblings), expected);
    }

    function test_EverySizeUpTo80OpensAtEveryIndex() public view {
        for (uint256 n = 1; n <= 80; n++) {
            bytes32[] memory values = _values(n, n);
            bytes32 expected = Tree.root(values);
            assertEq(tree.root(values), expected);
            for (uint256 i = 0; i < n; i += n < 20 ? 1 : 7) {
                assertEq(tree.rootFrom(values[i], n, i, Tree.opening(values, i)), expected);
            }
        }
    }

    function test_OneValueIsItsOwnRootAndTwoAreHashed() public view {
        bytes32[] memory values = _values(1, 2);
        assertEq(tree.root(values), keccak256(abi.encodePacked(values[0], values[1])));
        bytes32[] memory single = new bytes32[](1);
        single[0] = values[0];
        assertEq(tree.root(single), values[0]);
    }

    function testFuzz_AnotherLeafOrSiblingGivesAnotherRoot(uint256 seed, uint256 n, uint256 index, uint256 changed)
        public
        view
    {
        n = bound(n, 2, 100);
        index = bound(index, 0, n - 1);
        bytes32[] memory values = _values(seed, n);
        bytes memory siblings = Tree.opening(values, index);
        bytes32 expected = Tree.root(values);
        assertTrue(tree.rootFrom(~values[index], n, index, siblings) != expected);
        changed = bound(changed, 0, siblings.length - 1);
        siblings[changed] = ~siblings[changed];
        assertTrue(tree.rootFrom(values[index], n, index, siblings) != expected);
    }

    /// @dev A run is hashed right behind what is allocated: memory far off would cost 5,000 gas more.
    function test_AnOpeningTakesLittleGas() public view {
        bytes32[] memory values = _values(1, 8);
        bytes memory call_ = abi.encodeCall(tree.rootFrom, (values[0], 8, 0, Tree.opening(values, 0)));
        (bool done, bytes memory output) = address(tree).staticcall{gas: 4000}(call_);
        assertTrue(done);
        assertEq(abi.decode(output, (bytes32)), Tree.root(values));
    }

    function _values(uint256 seed, uint256 n) private pure returns (bytes32[] memory values) {
        values = new bytes32[](n);
        for (uint256 i = 0; i < n; i++) {
            values[i] = keccak256(abi.encode(seed, i));
        }
    }
}
