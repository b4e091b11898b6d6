// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Test} from "forge-std/Test.sol";

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {IFraudVerifier} from "../../contracts/interfaces/IFraudVerifier.sol";
import {IRule} from "../../contracts/interfaces/IRule.sol";
import {IRuleRegistry} from "../../contracts/interfaces/IRuleRegistry.sol";

/// @notice A deployed bridge, a funded proposer and users with keys. Contracts come from their artifacts: what is tested is
/// what is deployed, and tests compile without them. With a filter, forge compiles only what a test imports: build first
/// (`forge build && forge test --mc …`), or an old artifact is tested.
abstract contract Deployment is Test {
    uint256 internal constant WINDOW = 20;
    uint256 internal constant INSURED_GAS_PRICE = 10 gwei;
    uint256 internal constant MIN_LOCK = 0.122 ether;
    /// @dev Not zero and not round, so that an id counted from the wrong block shows.
    uint256 internal constant DEPLOYMENT_BLOCK = 1017;
    uint256 internal constant BOND = 100 ether;

    bytes32 internal constant ETH = 0;

    IRuleRegistry internal registry;
    IFraudVerifier internal verifier;
    IBridge internal bridge;
    address internal account;

    address internal proposer = makeAddr("proposer");
    address internal challenger = makeAddr("challenger");
    address internal alice;
    address internal bob;
    address internal carol;
    mapping(address => uint256) internal keyOf;

    function setUp() public virtual {
        vm.roll(DEPLOYMENT_BLOCK);
        registry = IRuleRegistry(deployCode("RuleRegistry.sol:RuleRegistry"));
        account = register("Account.sol:Account");
        verifier = IFraudVerifier(deployCode("FraudVerifier.sol:FraudVerifier", abi.encode(account)));
        bridge = deployBridge(WINDOW, INSURED_GAS_PRICE, MIN_LOCK);
        alice = user("alice");
        bob = user("bob");
        carol = user("carol");
        vm.deal(proposer, 1000 ether);
        fund(proposer, BOND);
        vm.roll(DEPLOYMENT_BLOCK + 50);
    }

    function deployBridge(uint256 window, uint256 insuredGasPrice, uint256 minLock) internal returns (IBridge) {
        return deployBridge(window, insuredGasPrice, minLock, new IBridge.AssetCap[](0));
    }

    function deployBridge(uint256 window, uint256 insuredGasPrice, uint256 minLock, IBridge.AssetCap[] memory caps)
        internal
        returns (IBridge)
    {
        bytes memory arguments = abi.encode(window, insuredGasPrice, minLock, verifier, registry, caps);
        return IBridge(deployCode("Bridge.sol:Bridge", arguments));
    }

    /// @dev Registers a contract's runtime as a rule.
    function register(string memory artifact) internal returns (address) {
        return registry.register(vm.getDeployedCode(artifact));
    }

    function user(string memory name) internal returns (address who) {
        uint256 key;
        (who, key) = makeAddrAndKey(name);
        keyOf[who] = key;
        vm.deal(who, 1000 ether);
    }

    function fund(address who, uint256 amount) internal {
        vm.deal(address(this), amount);
        bridge.fundBond{value: amount}(who);
    }

    function nextBlock() internal {
        vm.roll(block.number + 1);
    }

    /// @dev Id that the next batch or deposit of this block gets, if it is the `sequence`th.
    function idAt(uint256 blockNumber, uint256 sequence) internal pure returns (uint40) {
        return uint40((blockNumber - DEPLOYMENT_BLOCK) * 8192 + sequence);
    }

    /// @dev Code that makes this call whenever it is called, with little gas of its own, and reverts if that does.
    function calling(address target, bytes memory data) internal pure returns (bytes memory) {
        bytes memory copy = abi.encodePacked(hex"61", uint16(data.length), hex"602e5f39");
        bytes memory ask = abi.encodePacked(hex"5f5f61", uint16(data.length), hex"5f5f73", target, hex"5af1");
        return bytes.concat(copy, ask, hex"15602a57005b5f5ffd", data);
    }

    // ---------------------------------------------------------------- keys

    /// @dev The key of an Ethereum account.
    function keyFor(address who) internal pure returns (bytes21) {
        return keyFor(1, who);
    }

    function keyFor(uint8 kind, address controller) internal pure returns (bytes21) {
        return bytes21(abi.encodePacked(kind, controller));
    }

    // ---------------------------------------------------------------- lists

    function noAssets() internal pure returns (IRule.Asset[] memory) {
        return new IRule.Asset[](0);
    }

    function one(bytes32 id, uint128 amount) internal pure returns (IRule.Asset[] memory list) {
        list = new IRule.Asset[](1);
        list[0] = IRule.Asset(id, amount);
    }

    function ids(uint8 a) internal pure returns (uint8[] memory list) {
        list = new uint8[](1);
        list[0] = a;
    }

    function ids(uint8 a, uint8 b) internal pure returns (uint8[] memory list) {
        list = new uint8[](2);
        (list[0], list[1]) = (a, b);
    }

    function ids(uint8 a, uint8 b, uint8 c) internal pure returns (uint8[] memory list) {
        list = new uint8[](3);
        (list[0], list[1], list[2]) = (a, b, c);
    }
}
