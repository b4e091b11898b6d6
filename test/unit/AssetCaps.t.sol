// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {BatchId} from "../../contracts/types/BatchId.sol";
import {Posting} from "../harness/Posting.sol";

interface IToken {
    function mint(address to, uint256 amount) external;
    function approve(address spender, uint256 amount) external returns (bool);
}

/// @notice Which assets a deployment takes, and how much of them (docs/spec.md, section 3).
contract AssetCapsTest is Posting {
    address private token;
    address private unlisted;

    function setUp() public override {
        super.setUp();
        token = _token("Token.sol:Token");
        unlisted = _token("Token.sol:Token");
        IBridge.AssetCap[] memory caps = new IBridge.AssetCap[](2);
        caps[0] = IBridge.AssetCap(address(0), 10 ether);
        caps[1] = IBridge.AssetCap(token, 1000);
        bridge = deployBridge(WINDOW, INSURED_GAS_PRICE, MIN_LOCK, caps);
        IToken(token).approve(address(bridge), type(uint256).max);
        IToken(unlisted).approve(address(bridge), type(uint256).max);
        vm.deal(address(this), 100 ether);
    }

    function test_CapsAreThoseOfTheDeployment() public {
        assertEq(bridge.capOf(address(0)), 10 ether);
        assertEq(bridge.capOf(token), 1000);
        assertEq(bridge.capOf(unlisted), 0);
        bridge = deployBridge(WINDOW, INSURED_GAS_PRICE, MIN_LOCK);
        assertEq(bridge.capOf(address(0)), type(uint256).max);
        assertEq(bridge.capOf(unlisted), type(uint256).max);
    }

    function test_EthIsTakenUpToItsCapWithBondsAndAllElse() public {
        bridge.deposit{value: 4 ether}(keyFor(alice));
        bridge.fundBond{value: 5 ether}(bob);
        bytes memory reason = abi.encodeWithSelector(IBridge.CapExceeded.selector, address(0), 10 ether, 10 ether + 1);
        vm.expectRevert(reason);
        bridge.deposit{value: 1 ether + 1}(keyFor(alice));
        bridge.deposit{value: 1 ether}(keyFor(alice));
        // Nothing else looks at caps.
        bridge.fundBond{value: 5 ether}(bob);
        vm.expectRevert(abi.encodeWithSelector(IBridge.CapExceeded.selector, address(0), 10 ether, 15 ether + 1));
        bridge.deposit{value: 1}(keyFor(alice));
        vm.prank(bob);
        bridge.withdrawBond(6 ether, payable(bob));
        bridge.deposit{value: 1 ether}(keyFor(alice));
    }

    function test_ATokenIsTakenUpToItsCap() public {
        bridge.depositToken(token, 400, keyFor(alice));
        IToken(token).mint(address(bridge), 100);
        vm.expectRevert(abi.encodeWithSelector(IBridge.CapExceeded.selector, token, 1000, 1001));
        bridge.depositToken(token, 501, keyFor(alice));
        bridge.depositToken(token, 500, keyFor(alice));
        vm.expectRevert(abi.encodeWithSelector(IBridge.CapExceeded.selector, token, 1000, 1001));
        bridge.depositToken(token, 1, keyFor(alice));
    }

    function test_AnAssetThatIsNotListedIsRefused() public {
        vm.expectRevert(abi.encodeWithSelector(IBridge.AssetNotListed.selector, unlisted));
        bridge.depositToken(unlisted, 1, keyFor(alice));
        IBridge.AssetCap[] memory caps = new IBridge.AssetCap[](1);
        caps[0] = IBridge.AssetCap(token, 1000);
        bridge = deployBridge(WINDOW, INSURED_GAS_PRICE, MIN_LOCK, caps);
        vm.expectRevert(abi.encodeWithSelector(IBridge.AssetNotListed.selector, address(0)));
        bridge.deposit{value: 1}(keyFor(alice));
    }

    function test_WithoutCapsADepositReadsTheGlobalWordOnly() public {
        bridge = deployBridge(WINDOW, INSURED_GAS_PRICE, MIN_LOCK);
        vm.record();
        uint40 id = BatchId.unwrap(bridge.deposit{value: 1 ether}(keyFor(alice)));
        (bytes32[] memory reads,) = vm.accesses(address(bridge));
        bytes32 head = bytes32(abi.encodePacked(bytes25(keccak256("nthroot.anchor")), uint56(id) * 65_536));
        for (uint256 i = 0; i < reads.length; i++) {
            assertTrue(reads[i] == 0 || reads[i] == head, "the global word, and the head that is written");
        }
    }

    function test_SlipsOfTheDeployersAreRefused() public {
        IBridge.AssetCap[] memory caps = _caps(64);
        assertTrue(_deploys(caps), "64 assets");
        assertFalse(_deploys(_caps(65)), "65 assets");
        caps[63].token = caps[0].token;
        assertFalse(_deploys(caps), "one twice");
        caps = _caps(64);
        caps[5].cap = 0;
        assertFalse(_deploys(caps), "a cap of nothing");
    }

    // ---------------------------------------------------------------- helpers

    function _caps(uint256 count) private pure returns (IBridge.AssetCap[] memory caps) {
        caps = new IBridge.AssetCap[](count);
        for (uint256 i = 0; i < count; i++) {
            caps[i] = IBridge.AssetCap(address(uint160(i)), 1);
        }
    }

    function _deploys(IBridge.AssetCap[] memory caps) private returns (bool) {
        bytes memory arguments = abi.encode(WINDOW, INSURED_GAS_PRICE, MIN_LOCK, verifier, registry, caps);
        bytes memory initcode = bytes.concat(vm.getCode("Bridge.sol:Bridge"), arguments);
        address made;
        uint256 size;
        bytes4 reason;
        assembly ("memory-safe") {
            made := create(0, add(initcode, 32), mload(initcode))
            size := returndatasize()
            if iszero(made) {
                returndatacopy(0, 0, 4)
                reason := shl(224, shr(224, mload(0)))
            }
        }
        if (made != address(0)) return true;
        assertEq(size, 4);
        assertEq(reason, IBridge.BadParameters.selector);
        return false;
    }

    function _token(string memory artifact) private returns (address made) {
        made = deployCode(artifact);
        IToken(made).mint(address(this), 1e18);
    }
}
