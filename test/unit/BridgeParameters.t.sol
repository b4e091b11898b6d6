// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {Deployment} from "../harness/Deployment.sol";

/// @notice A deployment's parameters are fixed, and slips of the deployer's are refused.
contract BridgeParametersTest is Deployment {
    function test_ParametersAreThoseOfTheDeployment() public view {
        assertEq(bridge.WINDOW(), WINDOW);
        assertEq(bridge.INSURED_GAS_PRICE(), INSURED_GAS_PRICE);
        assertEq(bridge.MIN_LOCK(), MIN_LOCK);
        assertEq(bridge.oldestFault(), 2 ** 40);
    }

    function test_SlipsOfTheDeployersAreRefused() public {
        // The least lock outweighs the proof of an oversize step: 2 · 6,100,000 gas.
        uint256 least = 12_200_000 * INSURED_GAS_PRICE;
        _check(1, 1, 12_200_000, address(verifier), address(registry), true, "the least");
        _check(2_628_000, 1e15, 1e24, address(verifier), address(registry), true, "the most");
        _check(0, INSURED_GAS_PRICE, least, address(verifier), address(registry), false, "no window");
        _check(2_628_001, INSURED_GAS_PRICE, least, address(verifier), address(registry), false, "a year and more");
        _check(WINDOW, 0, least, address(verifier), address(registry), false, "no gas price");
        _check(WINDOW, 1e15 + 1, 1e24, address(verifier), address(registry), false, "a mad gas price");
        _check(WINDOW, INSURED_GAS_PRICE, 1e24 + 1, address(verifier), address(registry), false, "a mad lock");
        _check(WINDOW, INSURED_GAS_PRICE, least - 1, address(verifier), address(registry), false, "too small a lock");
        _check(WINDOW, INSURED_GAS_PRICE, least, alice, address(registry), false, "a verifier without code");
        _check(WINDOW, INSURED_GAS_PRICE, least, address(verifier), alice, false, "a registry without code");
    }

    function _check(
        uint256 window,
        uint256 insuredGasPrice,
        uint256 minLock,
        address verifier_,
        address registry_,
        bool good,
        string memory what
    ) private {
        bytes memory arguments = abi.encode(
            window, insuredGasPrice, minLock, verifier_, registry_, new IBridge.AssetCap[](0)
        );
        bytes memory initcode = bytes.concat(vm.getCode("Bridge.sol:Bridge"), arguments);
        address made;
        bytes4 reason;
        assembly ("memory-safe") {
            made := create(0, add(initcode, 32), mload(initcode))
            if iszero(made) {
                returndatacopy(0, 0, 4)
                reason := shl(224, shr(224, mload(0)))
            }
        }
        assertEq(made != address(0), good, what);
        if (!good) assertEq(reason, IBridge.BadParameters.selector, what);
    }
}
