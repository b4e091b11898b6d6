// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Test} from "forge-std/Test.sol";

import {Random} from "../harness/Random.sol";

interface IExposedFaults {
    function isFrozen(uint256 word) external pure returns (bool);
    function oldestFault(uint256 word) external pure returns (uint256);
    function addFault(uint256 word, uint40 id) external pure returns (uint256);
    function resolveFault(uint256 word, uint40 id) external pure returns (uint256);
}

/// @notice The fault set against a plain list (docs/spec.md, section 9).
contract FaultsTest is Test {
    using Random for Random.Rng;

    uint256 private constant NONE = 2 ** 40;

    IExposedFaults private words;

    function setUp() public {
        words = IExposedFaults(deployCode("ExposedTypes.sol:ExposedTypes"));
    }

    function testFuzz_TheOldestFaultIsNeverTooYoungAndTheFreezeEndsWithTheLast(uint256 seed) public view {
        Random.Rng memory rng = Random.Rng(seed);
        uint256 lastId = rng.below(2 ** 40);
        uint256 word = lastId;
        uint40[] memory faults = new uint40[](64);
        uint256 count = 0;
        uint256 most = 1 + rng.below(12); // how many at once
        for (uint256 i = 0; i < 60; i++) {
            if (count == 0 || (count < most && rng.onceIn(2))) {
                uint40 id = _unused(rng, faults, count);
                faults[count++] = id;
                word = words.addFault(word, id);
            } else {
                uint256 chosen = rng.below(count);
                word = words.resolveFault(word, faults[chosen]);
                faults[chosen] = faults[--count];
            }
            uint256 oldest = NONE;
            for (uint256 j = 0; j < count; j++) {
                if (faults[j] < oldest) oldest = faults[j];
            }
            assertEq(words.isFrozen(word), count != 0, "frozen exactly while a fault is unresolved");
            if (count == 0) assertEq(words.oldestFault(word), NONE, "none");
            assertLe(words.oldestFault(word), oldest, "never later than the true oldest");
            assertEq(word % 2 ** 40, lastId, "the last id stays");
        }
    }

    function testFuzz_UpToFiveFaultsAreExact(uint256 seed) public view {
        Random.Rng memory rng = Random.Rng(seed);
        uint256 word = 0;
        uint40[] memory faults = new uint40[](64);
        uint256 count = 0;
        for (uint256 i = 0; i < 40; i++) {
            if (count == 0 || (count < 5 && rng.onceIn(2))) {
                uint40 id = _unused(rng, faults, count);
                faults[count++] = id;
                word = words.addFault(word, id);
            } else {
                uint256 chosen = rng.below(count);
                word = words.resolveFault(word, faults[chosen]);
                faults[chosen] = faults[--count];
            }
            uint256 oldest = NONE;
            for (uint256 j = 0; j < count; j++) {
                if (faults[j] < oldest) oldest = faults[j];
            }
            assertEq(words.oldestFault(word), oldest);
        }
    }

    function test_TheFifthFieldKeepsTheLowestAndCounts() public view {
        uint256 word = 77;
        for (uint40 i = 0; i < 5; i++) {
            word = words.addFault(word, 100 + i);
        }
        uint256 expected = 77;
        for (uint256 i = 0; i < 5; i++) {
            expected += (100 + i) * 2 ** (40 * (i + 1));
        }
        assertEq(word, expected, "five fields");
        uint256 more = words.addFault(word, 200);
        assertEq(more, expected + 2 ** 240, "a later one is counted");
        uint256 older = words.addFault(more, 50);
        assertEq(older, expected + 2 * 2 ** 240 - 54 * 2 ** 200, "an older one lowers the field");
        assertEq(words.oldestFault(older), 50);
        // Resolving those that the field stands for, in any order, empties it at the last.
        uint256 less = words.resolveFault(older, 50);
        assertEq(words.oldestFault(less), 50, "stays too low for a while");
        less = words.resolveFault(less, 200);
        less = words.resolveFault(less, 104);
        assertEq(words.oldestFault(less), 100);
        for (uint40 i = 0; i < 4; i++) {
            less = words.resolveFault(less, 100 + i);
        }
        assertEq(less, 77);
    }

    function _unused(Random.Rng memory rng, uint40[] memory faults, uint256 count) private pure returns (uint40 id) {
        bool taken = true;
        while (taken) {
            id = uint40(rng.onceIn(2) ? 1 + rng.below(30) : 1 + rng.below(2 ** 40 - 1));
            taken = false;
            for (uint256 i = 0; i < count; i++) {
                taken = taken || faults[i] == id;
            }
        }
    }
}
