// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Script} from "forge-std/Script.sol";
import {console} from "forge-std/console.sol";

import {IBridge} from "../contracts/interfaces/IBridge.sol";
import {IFraudVerifier} from "../contracts/interfaces/IFraudVerifier.sol";
import {IRuleRegistry} from "../contracts/interfaces/IRuleRegistry.sol";

/// @title Deploys a bridge with its rules, as `nthroot deploy` does: the same code at the same addresses
/// @notice Warning: it checks nothing of the preset but what constructors refuse. `nthroot deploy --dry-run` says whether the window
/// is long enough and the bond high enough, and `nthroot deploy` writes the manifest afterwards: it finds all there.
/// @dev PRESET=deployments/presets/prudent.toml forge script script/Deploy.s.sol --rpc-url … --broadcast --account …
/// SALT sets the bridge apart from others of the same parameters. What is there already is not made again.
contract Deploy is Script {
    /// @dev The factory that most chains have: called with salt ‖ creation code. https://github.com/Arachnid/deterministic-deployment-proxy
    address private constant FACTORY = 0x4e59b44847b379578588920cA78FbF26c0B4956C;

    error NoFactory();
    error OtherChain(uint256 expected, uint256 actual);
    error NotAnAmount(string text);

    IRuleRegistry private registry;

    function run() external returns (IBridge bridge) {
        string memory preset = vm.readFile(vm.envString("PRESET"));
        bytes32 salt = vm.envOr("SALT", bytes32(0));
        if (FACTORY.code.length == 0) revert NoFactory();
        if (vm.keyExistsToml(preset, "$['chain-id']")) {
            uint256 expected = vm.parseTomlUint(preset, "$['chain-id']");
            if (expected != block.chainid) revert OtherChain(expected, block.chainid);
        }
        uint256 window = vm.parseTomlUint(preset, ".window");
        uint256 insuredGasPrice = amount(vm.parseTomlString(preset, "$['insured-gas-price']"));
        uint256 minLock = amount(vm.parseTomlString(preset, "$['min-lock']"));
        IBridge.AssetCap[] memory caps = capsOf(preset);

        vm.startBroadcast();
        registry = IRuleRegistry(create("registry", 0, vm.getCode("RuleRegistry.sol:RuleRegistry")));
        address account = register("Account rule", "Account.sol:Account");
        bytes memory initcode = bytes.concat(vm.getCode("FraudVerifier.sol:FraudVerifier"), abi.encode(account));
        IFraudVerifier verifier = IFraudVerifier(create("verifier", 0, initcode));
        register("Swap rule", "Swap.sol:Swap");
        register("Pool rule", "Pool.sol:Pool");
        register("Credit rule", "Credit.sol:Credit");
        bytes memory arguments = abi.encode(window, insuredGasPrice, minLock, verifier, registry, caps);
        bridge = IBridge(create("bridge", salt, bytes.concat(vm.getCode("Bridge.sol:Bridge"), arguments)));
        vm.stopBroadcast();
    }

    function create(string memory name, bytes32 salt, bytes memory initcode) private returns (address made) {
        made = vm.computeCreate2Address(salt, keccak256(initcode), FACTORY);
        if (made.code.length == 0) {
            (bool success,) = FACTORY.call(bytes.concat(salt, initcode));
            require(success && made.code.length != 0, "the factory refuses");
        }
        console.log(name, made);
    }

    function register(string memory name, string memory artifact) private returns (address rule) {
        bytes memory runtime = vm.getDeployedCode(artifact);
        rule = registry.addressOf(runtime);
        if (registry.registeredAt(rule) == 0) registry.register(runtime);
        console.log(name, rule);
    }

    // ---------------------------------------------------------------- presets

    /// @dev Sorted by address, as `nthroot deploy` has them: their order is part of the bridge's address.
    function capsOf(string memory preset) private view returns (IBridge.AssetCap[] memory caps) {
        if (!vm.keyExistsToml(preset, ".caps")) return caps;
        string[] memory keys = vm.parseTomlKeys(preset, ".caps");
        caps = new IBridge.AssetCap[](keys.length);
        for (uint256 i; i < keys.length; ++i) {
            bool isEther = keccak256(bytes(keys[i])) == keccak256("ETH");
            address token = isEther ? address(0) : vm.parseAddress(keys[i]);
            uint256 cap = amount(vm.parseTomlString(preset, string.concat("$.caps['", keys[i], "']")));
            uint256 place = i;
            for (; place > 0 && caps[place - 1].token > token; --place) {
                caps[place] = caps[place - 1];
            }
            caps[place] = IBridge.AssetCap(token, cap);
        }
    }

    /// @dev "81 gwei", "0.5 ether", "1000000" or "5_000e6", in base units.
    function amount(string memory text) internal pure returns (uint256 units) {
        bytes memory characters = bytes(text);
        (uint256 place, uint256 fraction, bool isFraction) = (0, 0, false);
        for (; place < characters.length; ++place) {
            bytes1 character = characters[place];
            if (character >= "0" && character <= "9") {
                units = units * 10 + (uint8(character) - uint8(bytes1("0")));
                if (isFraction) ++fraction;
            } else if (character == "." && !isFraction && place > 0) {
                isFraction = true;
            } else if (character != "_") {
                break;
            }
        }
        if (place == 0) revert NotAnAmount(text);
        uint256 decimals = decimalsOf(text, place);
        if (fraction > decimals) revert NotAnAmount(text);
        units *= 10 ** (decimals - fraction);
    }

    /// @dev Of the unit that begins at this character.
    function decimalsOf(string memory text, uint256 place) private pure returns (uint256) {
        bytes memory characters = bytes(text);
        if (place == characters.length) return 0;
        if (characters[place] == " ") ++place;
        bytes memory unit = new bytes(characters.length - place);
        for (uint256 i; i < unit.length; ++i) {
            unit[i] = characters[place + i];
        }
        bytes32 hash = keccak256(unit);
        if (hash == keccak256("ether")) return 18;
        if (hash == keccak256("gwei")) return 9;
        if (hash == keccak256("wei")) return 0;
        if (unit.length < 2 || unit[0] != "e") revert NotAnAmount(text);
        unit[0] = "0";
        return vm.parseUint(string(unit));
    }
}
