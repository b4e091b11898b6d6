// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {console} from "forge-std/console.sol";

import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Pools} from "../harness/Pools.sol";

/// @notice What the Pool rule itself costs where it is run again, in a proof: gas of the call's own frame, with its code warm.
contract PoolGasTest is Pools {
    uint256 private ann;
    uint256 private pool;

    function setUp() public override {
        super.setUp();
        ann = user("ann");
        pool = pooled(ann, FEE, 1_000_000, 4_000_000);
    }

    /// @dev With as many users as payloads, who each hold both assets and shares.
    function _measure(string memory what, uint256 listed, bytes[] memory payloads, bytes memory extra, uint256 most)
        private
        view
    {
        IRule.Fragment[] memory fragments = new IRule.Fragment[](payloads.length + 1);
        IRule.Authorisation[] memory authorisations = new IRule.Authorisation[](payloads.length);
        fragments[0] = shown(listed);
        for (uint256 i = 0; i < payloads.length; i++) {
            fragments[i + 1] = shown(ann);
            authorisations[i] = IRule.Authorisation(uint8(i + 1), payloads[i]);
        }
        bytes memory input = abi.encodeCall(IRule.transition, (context, fragments, authorisations, extra));
        address to = rule;
        uint256 used;
        bool done;
        assembly ("memory-safe") {
            pop(staticcall(gas(), to, 0, 0, 0, 0)) // warm
            used := gas()
            done := staticcall(gas(), to, add(input, 32), mload(input), 0, 0)
            used := sub(used, gas())
        }
        assertTrue(done, what);
        console.log(what, used);
        assertLe(used, most, what);
    }

    function _measure(string memory what, uint256 listed, bytes memory payload, uint256 most) private view {
        bytes[] memory payloads = new bytes[](1);
        payloads[0] = payload;
        _measure(what, listed, payloads, "", most);
    }

    function test_EachOperationCostsWhatItDid() public {
        give(ann, ASSET0, 1e9);
        give(ann, ASSET1, 1e9);
        bytes[] memory payloads = new bytes[](1);
        payloads[0] = abi.encodePacked(CREATE, ASSET0, ASSET1, FEE);
        _measure("create", pool, payloads, abi.encodePacked(rule), 4500);
        uint256 made = emptyPool(ann, ASSET0, ASSET1, FEE);
        _measure("first add, equal amounts", made, addTo(made, 1e18, 1e18, 0), 9500);
        _measure("first add, 3000 USDC for an ether", made, addTo(made, 1e18, 3e9, 0), 15_000);
        _measure("first add, at its dearest", made, addTo(made, 1, MOST, 0), 30_000);
        _measure("add", pool, addTo(pool, 1000, 4000, 0), 10_500);
        _measure("remove", pool, removeFrom(pool, 1000, 0, 0), 10_000);
        _measure("sell", pool, sellTo(pool, 0, 1000, 0), 9000);
        _measure("buy", pool, buyFrom(pool, 0, 1000, MOST), 9500);
    }

    function test_AFurtherTradeCostsLessThanTheFirst() public view {
        bytes[] memory payloads = new bytes[](15);
        for (uint256 i = 0; i < 15; i++) {
            payloads[i] = sellTo(pool, uint8(i % 2), 1000, 0);
        }
        _measure("fifteen sales in one call", pool, payloads, "", 15 * 4500);
    }
}
