// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Test} from "forge-std/Test.sol";

import {IRuleRegistry} from "../../contracts/interfaces/IRuleRegistry.sol";

interface IMetamorphic {
    function hatch(bytes calldata runtime) external returns (address);
    function hatchAndBurn(bytes calldata runtime) external returns (address);
}

/// @notice The tricks by which code changes under an address, each of which would turn a rule that was scanned into one that was not
/// (docs/spec.md, section 10).
contract RuleChangesTest is Test {
    /// @dev PUSH0 PUSH0 RETURN
    bytes private constant PURE = hex"5f5ff3";

    IRuleRegistry private registry;
    IMetamorphic private factory;
    address private bird;

    /// @dev A transaction of its own: what it creates and destroys is gone when a test begins.
    function setUp() public {
        registry = IRuleRegistry(deployCode("RuleRegistry.sol:RuleRegistry"));
        factory = IMetamorphic(deployCode("Metamorphic.sol:Metamorphic"));
        bird = factory.hatchAndBurn(hex"5fff"); // PUSH0 SELFDESTRUCT
    }

    function test_ARuleCannotDestroyItself() public {
        // Code that destroys itself in the transaction that created it leaves its address to other code. A rule has no SELFDESTRUCT, and no
        // way to have somebody else's executed in its place.
        bytes[4] memory ways = [bytes(hex"5fff"), hex"5f5f5f5f5ff4", hex"5f5f5f5f5f5ff2", hex"5f5f5ff0"];
        uint256[4] memory places = [uint256(1), 5, 6, 3];
        for (uint256 i = 0; i < 4; i++) {
            bytes1 op = ways[i][places[i]];
            vm.expectRevert(abi.encodeWithSelector(IRuleRegistry.OpcodeRefused.selector, places[i], uint8(op)));
            registry.register(ways[i]);
        }
    }

    function test_ADestroyedContractThatCameBackIsNoRule() public {
        // The factory's initcode is always the same, so is the address; the code behind it is not.
        assertEq(bird.code.length, 0, "gone with the transaction that created it");
        assertEq(factory.hatch(PURE), bird, "other code at the same address");
        assertEq(bird.code, PURE);
        address rule = registry.register(bird.code);
        assertTrue(rule != bird, "the registry deploys its own copy");
        assertEq(registry.registeredAt(bird), 0);
        assertEq(rule.code, PURE);
    }

    function test_TheRegistryDeploysEachCodeOnceAndForAll() public {
        address rule = registry.register(PURE);
        vm.roll(block.number + 5);
        uint64 nonce = vm.getNonce(address(registry));
        assertEq(registry.register(PURE), rule);
        assertEq(vm.getNonce(address(registry)), nonce, "nothing was created");
        assertEq(rule.code, PURE);
        // Had its code gone, against all that the EVM promises, it would not be deployed anew under an old registration.
        vm.etch(rule, "");
        assertEq(registry.register(PURE), rule);
        assertEq(rule.code.length, 0);
    }

    function test_AProxyIsRefused() public {
        // ERC-1167 begins by RETURNDATASIZE, for a zero.
        bytes memory minimal =
            abi.encodePacked(hex"363d3d373d3d3d363d73", address(this), hex"5af43d82803e903d91602b57fd5bf3");
        vm.expectRevert(abi.encodeWithSelector(IRuleRegistry.OpcodeRefused.selector, 1, uint8(0x3d)));
        registry.register(minimal);
        // Without it the first is GAS, then DELEGATECALL itself.
        bytes memory plain = abi.encodePacked(hex"5f5f365f73", address(this), hex"5af4");
        vm.expectRevert(abi.encodeWithSelector(IRuleRegistry.OpcodeRefused.selector, 25, uint8(0x5a)));
        registry.register(plain);
        plain = abi.encodePacked(hex"5f5f365f73", address(this), hex"61fffff4");
        vm.expectRevert(abi.encodeWithSelector(IRuleRegistry.OpcodeRefused.selector, 28, uint8(0xf4)));
        registry.register(plain);
        vm.expectRevert(abi.encodeWithSelector(IRuleRegistry.OpcodeRefused.selector, 1, uint8(0x54)));
        registry.register(hex"5f5456"); // PUSH0 SLOAD JUMP
    }

    function test_ADelegatedAccountIsNoRule() public {
        // EIP-7702: its key can change what it runs at any time.
        (address account, uint256 key) = makeAddrAndKey("delegated");
        vm.signAndAttachDelegation(address(registry), key);
        (bool done,) = account.call("");
        assertFalse(done, "the registry has no fallback");
        assertEq(account.code, abi.encodePacked(hex"ef0100", address(registry)));
        assertEq(registry.registeredAt(account), 0);
        vm.expectRevert(abi.encodeWithSelector(IRuleRegistry.OpcodeRefused.selector, 0, uint8(0xef)));
        registry.register(account.code);
    }

    function test_InitcodeIsDeployedAsItIs() public {
        // What is given is the runtime, and what is scanned is deployed: whatever it would return if it ran.
        bytes memory initcode = hex"61f1f15f526002601ef3"; // would return f1 f1
        address rule = registry.register(initcode);
        assertEq(rule.code, initcode);
    }
}
