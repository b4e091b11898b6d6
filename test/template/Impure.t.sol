// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Test} from "forge-std/Test.sol";

import {IRuleRegistry} from "../../contracts/interfaces/IRuleRegistry.sol";

interface IRun {
    function run() external view returns (uint256);
}

/// @notice What docs/writing-a-rule.md says that the scan refuses, and what passes.
contract ImpureTest is Test {
    IRuleRegistry private registry;

    function setUp() public {
        registry = IRuleRegistry(deployCode("RuleRegistry.sol:RuleRegistry"));
    }

    function test_WhatAsksOrTouchesTheWorldIsRefused() public {
        _refused("AsksItsAddress", 0x30);
        _refused("AsksABalance", 0x31);
        _refused("AsksWhoCalls", 0x33);
        _refused("AsksTheBlock", 0x43);
        _refused("AsksTheChain", 0x46);
        _refused("Stores", 0x54);
        _refused("AsksForGas", 0x5a);
        _refused("StoresForAWhile", 0x5c);
        _refused("Logs", 0xa1);
    }

    /// @dev Before a call solc measures gas, after it reads what was returned: either is found first.
    function test_WhatCallsIsRefused() public {
        _refused("Hashes", 0x5a);
        _refused("Recovers", 0x5a);
        _refused("Creates", 0xf0);
    }

    /// @dev A library's external functions lie elsewhere, at an address that is not known yet: there is no bytecode to register.
    function test_WhatIsToBeLinkedIsNoBytecode() public {
        assertTrue(vm.contains(_object("CallsALibrary"), "__$"), "a place for an address");
        assertFalse(vm.contains(_object("Computes"), "__$"), "nothing to fill in");
    }

    function _object(string memory name) private view returns (string memory) {
        string memory artifact = vm.readFile(string.concat("out/Impure.sol/", name, ".json"));
        return vm.parseJsonString(artifact, ".deployedBytecode.object");
    }

    /// @dev What `cbor_metadata = true` appends.
    function test_MetadataIsRefused() public {
        bytes memory runtime = this.runtimeOf("Computes");
        vm.expectRevert(abi.encodeWithSelector(IRuleRegistry.OpcodeRefused.selector, runtime.length, uint8(0xa1)));
        registry.register(bytes.concat(runtime, hex"a164736f6c6343000825000a"));
    }

    function runtimeOf(string memory name) external view returns (bytes memory) {
        return vm.getDeployedCode(string.concat("Impure.sol:", name));
    }

    function test_WhatComputesPasses() public {
        registry.register(this.runtimeOf("Computes"));
    }

    function test_AnImmutablePassesAndIsZero() public {
        address rule = registry.register(this.runtimeOf("HasAnImmutable"));
        assertEq(IRun(rule).run(), 0);
    }

    function _refused(string memory name, uint8 opcode) private {
        bytes memory runtime = this.runtimeOf(name);
        try registry.register(runtime) {
            revert(name);
        } catch (bytes memory reason) {
            assertEq(bytes4(reason), IRuleRegistry.OpcodeRefused.selector, name);
            bytes memory values = new bytes(64);
            for (uint256 i = 0; i < 64; i++) {
                values[i] = reason[4 + i];
            }
            (uint256 offset, uint8 found) = abi.decode(values, (uint256, uint8));
            assertEq(found, opcode, name);
            assertEq(uint8(runtime[offset]), opcode, name);
        }
    }
}
