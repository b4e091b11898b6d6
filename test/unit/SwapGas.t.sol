// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {console} from "forge-std/console.sol";

import {Swaps} from "../harness/Swaps.sol";

/// @notice What the rule's own call costs when a step is proven, in swaps as they are common. Without a kernel around it.
contract SwapGasTest is Swaps {
    function gasOf(Deal memory d) internal view returns (uint256 used) {
        bytes memory call_ = input(d);
        address to = rule;
        bool done;
        // Once to warm the address.
        assembly ("memory-safe") {
            pop(staticcall(gas(), to, add(call_, 32), mload(call_), 0, 0))
            used := gas()
            done := staticcall(gas(), to, add(call_, 32), mload(call_), 0, 0)
            used := sub(used, gas())
        }
        assertTrue(done);
    }

    function _check(string memory what, Deal memory d, uint256 most) private {
        uint256 gas = gasOf(d);
        console.log(what, gas);
        assertLt(gas, most, what);
        runDeal(d);
    }

    function test_ARingOfFour() public {
        _check("ring of 4", ring(4, 1), 28_000);
    }

    function test_FourAmongOneAnother() public {
        _check("4 among one another, 12 moves", ring(4, 3), 43_000);
    }

    function test_TwoAgainstEachOther() public {
        _check("2 against each other", ring(2, 1), 15_000);
    }

    function test_ARingOfSixteen() public {
        _check("ring of 16", ring(16, 1), 120_000);
    }
}
