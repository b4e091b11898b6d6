// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Test} from "forge-std/Test.sol";

import {Effects} from "../../contracts/libraries/Effects.sol";
import {CohortTree} from "../harness/CohortTree.sol";

interface IExposedMemory {
    function top(bytes32 junk, bytes32[2] calldata values, bytes calldata siblings) external pure returns (bytes32);
    function moves(uint256 capacity, uint256 count) external pure returns (bytes memory list, bool behind);
}

/// @notice Libraries that lay out memory by hand keep within what is theirs, and do not mind what is beside it.
contract LibraryMemoryTest is Test {
    IExposedMemory private libraries;

    function setUp() public {
        libraries = IExposedMemory(deployCode("ExposedLibraries.sol:ExposedLibraries"));
    }

    /// @dev A leaf climbs past the words before the first pair: no other leaf waits there.
    function test_ATreesTopIsTheSameWhateverLiesBeforeItsLeaves() public view {
        bytes32[] memory leaves = new bytes32[](8);
        for (uint256 i; i < 8; i++) {
            leaves[i] = keccak256(abi.encode(i));
        }
        bytes memory siblings = bytes.concat(
            leaves[1], CohortTree.join(leaves[2], leaves[3]), leaves[4], CohortTree.join(leaves[6], leaves[7])
        );
        bytes32 expected = CohortTree.top(leaves);
        for (uint256 junk; junk < 5; junk++) {
            assertEq(libraries.top(bytes32(junk), [leaves[0], leaves[5]], siblings), expected);
        }
        assertEq(libraries.top(bytes32(type(uint256).max), [leaves[0], leaves[5]], siblings), expected);
    }

    function test_AListTakesWhatItWasMadeForAndNoMore() public {
        for (uint256 spare; spare < 51; spare++) {
            (bytes memory list, bool behind) = libraries.moves(3 * 51 + spare, 3);
            assertEq(list.length, 3 * 51);
            assertTrue(behind, "what lies behind the list");
            vm.expectRevert(Effects.ListFull.selector);
            libraries.moves(3 * 51 + spare, 4);
        }
    }
}
