// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Test} from "forge-std/Test.sol";

import {IRuleRegistry} from "../../contracts/interfaces/IRuleRegistry.sol";
import {Random} from "../harness/Random.sol";

interface IExposedPurity {
    function checkPurity(bytes calldata runtime) external pure;
    function checkPurityAmong(bytes calldata runtime) external pure returns (bool same);
}

/// @notice Only bytecode that can do nothing but compute becomes a rule (docs/spec.md, section 10).
contract RuleRegistryTest is Test {
    using Random for Random.Rng;

    IRuleRegistry private registry;
    IExposedPurity private purity;

    function setUp() public {
        registry = IRuleRegistry(deployCode("RuleRegistry.sol:RuleRegistry"));
        purity = IExposedPurity(deployCode("ExposedLibraries.sol:ExposedLibraries"));
    }

    /// @dev 00–0b 10–1e 20 34–38 39 50–53 56 57 5b 5e 5f–9f f3 fd fe
    function _allowed(uint8 op) private pure returns (bool) {
        return op <= 0x0b || (op >= 0x10 && op <= 0x1e) || op == 0x20 || (op >= 0x34 && op <= 0x39)
            || (op >= 0x50 && op <= 0x53) || op == 0x56 || op == 0x57 || op == 0x5b || (op >= 0x5e && op <= 0x9f)
            || op == 0xf3 || op == 0xfd || op == 0xfe;
    }

    // ---------------------------------------------------------------- the scan

    function test_EveryOpcodeIsAllowedOrRefusedByTheList() public {
        for (uint256 op = 0; op < 256; op++) {
            _check(abi.encodePacked(uint8(op)));
            _check(abi.encodePacked(hex"5b5b5b", uint8(op), hex"5b"));
        }
    }

    function test_PushDataIsNotCode() public {
        bytes memory runtime;
        for (uint256 n = 1; n <= 32; n++) {
            bytes memory data = new bytes(n);
            for (uint256 i = 0; i < n; i++) {
                data[i] = 0xf1; // CALL
            }
            runtime = abi.encodePacked(uint8(0x5f + n), data);
            _check(runtime);
            _check(abi.encodePacked(runtime, uint8(0x00)));
            // The byte behind the data is code.
            vm.expectRevert(abi.encodeWithSelector(IRuleRegistry.OpcodeRefused.selector, n + 1, uint8(0xf1)));
            purity.checkPurity(abi.encodePacked(runtime, uint8(0xf1)));
        }
        // PUSH0 has no data.
        vm.expectRevert(abi.encodeWithSelector(IRuleRegistry.OpcodeRefused.selector, 1, uint8(0xf1)));
        purity.checkPurity(hex"5ff1");
    }

    function test_CodeBehindAJumpOrAnEndIsLookedAt() public {
        bytes[4] memory ends = [bytes(hex"00"), hex"600456", hex"fe", hex"5f5ff3"];
        for (uint256 i = 0; i < 4; i++) {
            vm.expectRevert(
                abi.encodeWithSelector(IRuleRegistry.OpcodeRefused.selector, ends[i].length + 1, uint8(0x54))
            );
            purity.checkPurity(abi.encodePacked(ends[i], hex"5b54"));
        }
    }

    function test_EachRefusedOpcodeIsFoundWhereverItStands() public {
        for (uint256 i = 0; i < 256; i++) {
            uint8 op = uint8(i);
            if (_allowed(op)) continue;
            _refuse("", op, "", "alone");
            _refuse(hex"5b5b", op, "", "at the end");
            _refuse("", op, hex"5b5b5f5ff3", "in front");
            _refuse(hex"600456fe", op, hex"5b00", "jumped over"); // PUSH1 4 JUMP INVALID op JUMPDEST STOP
            _refuse(hex"6003565b", op, "", "behind the target of a jump"); // PUSH1 3 JUMP JUMPDEST op
            _refuse(hex"00", op, "", "behind STOP, where nothing arrives");
            _refuse(hex"5f5ff3", op, "", "behind RETURN");
            _refuse(hex"5f5ffd", op, "", "behind REVERT");
            _refuse(hex"fe", op, "", "behind INVALID");
            _refuse(hex"5f", op, "", "behind PUSH0, which has no data");
            _refuse(hex"60f1", op, "", "behind a push of another refused one");
            _refuse(abi.encodePacked(uint8(0x7f), new bytes(32)), op, "", "behind PUSH32");
            _refuse(hex"60605b", op, "", "behind a push of a push"); // PUSH1 60 JUMPDEST: 60 is data
            _refuse(new bytes(23_999), op, "", "at the end of a contract of full size");
        }
    }

    function test_EachRefusedOpcodeIsAllowedAsPushData() public {
        for (uint256 i = 0; i < 256; i++) {
            uint8 op = uint8(i);
            if (_allowed(op)) continue;
            purity.checkPurity(abi.encodePacked(hex"60", op));
            purity.checkPurity(abi.encodePacked(hex"60", op, hex"00"));
            purity.checkPurity(abi.encodePacked(hex"61", op, op, hex"5b"));
            purity.checkPurity(abi.encodePacked(hex"7f", new bytes(31), op, hex"00"));
            // A push that the end cuts off: the bytes that are there are data, the others zeros.
            purity.checkPurity(abi.encodePacked(hex"7f", op));
            purity.checkPurity(abi.encodePacked(hex"7f", new bytes(30), op));
        }
    }

    function test_PushDataThatLooksLikeAPushSwallowsNothing() public {
        // PUSH1 7f, and not PUSH32: what follows is code.
        vm.expectRevert(abi.encodeWithSelector(IRuleRegistry.OpcodeRefused.selector, 2, uint8(0xf4)));
        purity.checkPurity(abi.encodePacked(hex"607f", hex"f4", new bytes(40)));
        // PUSH2 6000: the byte behind its data is code, whatever another sweep would take it for.
        vm.expectRevert(abi.encodeWithSelector(IRuleRegistry.OpcodeRefused.selector, 3, uint8(0xff)));
        purity.checkPurity(hex"616000ff");
        // A jump cannot enter the data: the EVM has no target there. So this is what it seems.
        bytes memory runtime = hex"600456635bf15b5b00"; // PUSH1 4 JUMP · PUSH4 5b f1 5b 5b · STOP
        purity.checkPurity(runtime);
        address rule = registry.register(runtime);
        (bool done,) = rule.staticcall{gas: 10_000}("");
        assertFalse(done, "no target in data");
    }

    function _refuse(bytes memory front, uint8 op, bytes memory behind, string memory what) private {
        bytes memory reason = abi.encodeWithSelector(IRuleRegistry.OpcodeRefused.selector, front.length, op);
        try purity.checkPurity(abi.encodePacked(front, op, behind)) {
            revert(string.concat(what, ": ", vm.toString(op)));
        } catch (bytes memory given) {
            assertEq(given, reason, what);
        }
    }

    function test_APushThatTheEndCutsOffIsAllowed() public {
        for (uint8 op = 0x60; op <= 0x7f; op++) {
            _check(abi.encodePacked(op));
            _check(abi.encodePacked(op, hex"f1"));
            _check(abi.encodePacked(hex"5b5b", op));
        }
    }

    /// @dev Instructions are looked at in runs of 32: code ends within one, or with it.
    function test_CodeOfAnyLengthPasses() public {
        for (uint256 size = 1; size <= 100; size++) {
            bytes memory runtime = new bytes(size);
            _check(runtime);
            runtime[size - 1] = 0xf1;
            _check(runtime);
        }
    }

    /// @dev The table of opcodes lies at the start of memory, which is in use.
    function test_TheScanPutsBackWhatLayInItsWay() public view {
        assertTrue(purity.checkPurityAmong(hex"5b"));
        assertTrue(purity.checkPurityAmong(vm.getDeployedCode("Account.sol:Account")));
    }

    function testFuzz_TheScanEqualsAPlainLoop(uint256 seed) public {
        Random.Rng memory rng = Random.Rng(seed);
        bytes memory runtime = rng.data(1 + rng.below(rng.onceIn(3) ? 3000 : 150));
        // Random bytes meet a refused opcode soon; so most become JUMPDEST, PUSH or their data.
        uint256 density = rng.below(2000);
        for (uint256 i = 0; i < runtime.length; i++) {
            if (_allowed(uint8(runtime[i]))) continue;
            if (!rng.onceIn(density + 1)) {
                runtime[i] = rng.onceIn(2) ? bytes1(0x5b) : bytes1(uint8(0x60 + rng.below(32)));
            }
        }
        _check(runtime);
    }

    function _check(bytes memory runtime) private {
        for (uint256 i = 0; i < runtime.length; i++) {
            uint8 op = uint8(runtime[i]);
            if (!_allowed(op)) {
                vm.expectRevert(abi.encodeWithSelector(IRuleRegistry.OpcodeRefused.selector, i, op));
                break;
            }
            if (op >= 0x60 && op <= 0x7f) i += op - 0x5f;
        }
        purity.checkPurity(runtime);
    }

    // ---------------------------------------------------------------- registering

    function test_WhatSolcMakesOfARulePasses() public {
        string[5] memory rules = [
            "Account.sol:Account",
            "Puppet.sol:Puppet",
            "RawReturn.sol:RawReturn",
            "Reverter.sol:Reverter",
            "Looper.sol:Looper"
        ];
        for (uint256 i = 0; i < rules.length; i++) {
            bytes memory runtime = vm.getDeployedCode(rules[i]);
            address expected = registry.addressOf(runtime);
            assertEq(registry.registeredAt(expected), 0);
            vm.expectEmit(address(registry));
            emit IRuleRegistry.RuleRegistered(expected, runtime.length);
            address rule = registry.register(runtime);
            assertEq(rule, expected);
            assertEq(rule.code, runtime, "deployed as it is");
            assertEq(registry.registeredAt(rule), block.number);
        }
    }

    function testFuzz_TheAddressIsAFunctionOfTheCode(uint256 seed) public {
        bytes memory runtime = _pure(seed);
        bytes32 initcode = keccak256(abi.encodePacked(hex"600b380380600b5f395ff3", runtime));
        address expected =
            address(uint160(uint256(keccak256(abi.encodePacked(hex"ff", address(registry), bytes32(0), initcode)))));
        assertEq(registry.addressOf(runtime), expected);
        assertEq(registry.register(runtime), expected);
        assertEq(expected.code, runtime);
    }

    function test_RegisteringTwiceChangesNothing() public {
        vm.roll(100);
        address rule = registry.register(hex"5f5ff3");
        vm.roll(200);
        vm.recordLogs();
        assertEq(registry.register(hex"5f5ff3"), rule);
        assertEq(vm.getRecordedLogs().length, 0);
        assertEq(registry.registeredAt(rule), 100);
    }

    function test_AnEmptyRuntimeIsRefused() public {
        vm.expectRevert(abi.encodeWithSelector(IRuleRegistry.EmptyRuntime.selector));
        registry.register("");
    }

    function test_ARefusedRuntimeIsNotDeployed() public {
        // SELFDESTRUCT
        bytes memory runtime = hex"5fff";
        vm.expectRevert(abi.encodeWithSelector(IRuleRegistry.OpcodeRefused.selector, 1, uint8(0xff)));
        registry.register(runtime);
        assertEq(registry.addressOf(runtime).code.length, 0);
        assertEq(registry.registeredAt(registry.addressOf(runtime)), 0);
    }

    function test_DelegationDesignatorsAndEofAreRefused() public {
        vm.expectRevert(abi.encodeWithSelector(IRuleRegistry.OpcodeRefused.selector, 0, uint8(0xef)));
        registry.register(abi.encodePacked(hex"ef0100", address(this)));
        vm.expectRevert(abi.encodeWithSelector(IRuleRegistry.OpcodeRefused.selector, 0, uint8(0xef)));
        registry.register(hex"ef0001");
    }

    function test_CodeThatTheEvmDoesNotTakeIsRefused() public {
        // forge has no limit on code, so it is the gas for 20,000 bytes that is missing.
        bytes memory large = new bytes(20_000);
        vm.expectRevert(abi.encodeWithSelector(IRuleRegistry.DeploymentFailed.selector));
        registry.register{gas: 2_000_000}(large);
        assertEq(registry.registeredAt(registry.addressOf(large)), 0);
    }

    function test_AConstructorCannotRegisterItself() public {
        // While a constructor runs, its contract has no code. The registry deploys what it scans, so there is nothing to gain.
        address made = deployCode("Registrant.sol:Registrant", abi.encode(address(registry), hex"5f5ff3"));
        assertEq(registry.registeredAt(made), 0);
        assertGt(registry.registeredAt(registry.addressOf(hex"5f5ff3")), 0);
    }

    function test_WhatSomebodyElseDeployedIsNoRule() public {
        bytes memory initcode = abi.encodePacked(hex"600b380380600b5f395ff3", hex"5f5ff3");
        address other;
        assembly ("memory-safe") {
            other := create2(0, add(initcode, 32), mload(initcode), 0)
        }
        assertEq(other.code, hex"5f5ff3");
        assertEq(registry.registeredAt(other), 0);
    }

    /// @dev Allowed code of any length up to 600 bytes.
    function _pure(uint256 seed) private pure returns (bytes memory runtime) {
        Random.Rng memory rng = Random.Rng(seed);
        runtime = new bytes(1 + rng.below(600));
        for (uint256 i = 0; i < runtime.length; i++) {
            uint8 op = uint8(rng.below(256));
            runtime[i] = bytes1(_allowed(op) ? op : 0x5b);
            if (op >= 0x60 && op <= 0x7f) {
                for (uint256 n = op - 0x5f; n > 0 && i + 1 < runtime.length; n--) {
                    runtime[++i] = bytes1(uint8(rng.next()));
                }
            }
        }
    }
}
