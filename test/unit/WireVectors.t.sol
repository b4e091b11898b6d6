// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Test} from "forge-std/Test.sol";

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {IFraudVerifier} from "../../contracts/interfaces/IFraudVerifier.sol";
import {Claims} from "../../contracts/libraries/Claims.sol";
import {Intents} from "../../contracts/libraries/Intents.sol";
import {BatchId} from "../../contracts/types/BatchId.sol";
import {HeadLib} from "../../contracts/types/Head.sol";

/// @notice The worked example of the specification (docs/spec.md, section 13; test/vectors/wire.json), played against the contracts: every
/// byte, word, head and verdict in the file is theirs.
contract WireVectorsTest is Test {
    string private _json;
    IBridge private _bridge;
    IFraudVerifier private _verifier;
    address private _proposer;

    function setUp() public {
        _json = vm.readFile("test/vectors/wire.json");
        _proposer = vm.parseJsonAddress(_json, ".proposer");
        vm.chainId(_number(".chainId"));
        vm.roll(_number(".deploymentBlock"));
        address account = vm.parseJsonAddress(_json, ".accountRule");
        vm.etch(account, vm.getDeployedCode("Account.sol:Account"));
        _verifier = IFraudVerifier(deployCode("FraudVerifier.sol:FraudVerifier", abi.encode(account)));
        address registry = deployCode("RuleRegistry.sol:RuleRegistry");
        _bridge = IBridge(vm.parseJsonAddress(_json, ".bridge"));
        deployCodeTo(
            "Bridge.sol:Bridge",
            abi.encode(
                _number(".window"),
                _number(".insuredGasPrice"),
                _number(".minLock"),
                _verifier,
                registry,
                new IBridge.AssetCap[](0)
            ),
            address(_bridge)
        );
        vm.deal(address(this), 10 ether);
        _bridge.fundBond{value: 1 ether}(_proposer);
    }

    function test_TheContractsDoWhatTheWorkedExampleSays() public {
        for (uint256 i; i < 2; ++i) {
            _deposit(string.concat(".deposits[", vm.toString(i), "]"));
        }
        uint256 batches;
        for (; vm.keyExistsJson(_json, _batch(batches)); ++batches) {
            _post(_batch(batches));
        }
        assertEq(batches, 3);
        // The last one lies, and wrote nothing that anybody built on.
        string memory last = _batch(2);
        bytes memory evidence = _bytes(string.concat(last, ".steps[0].evidence"));
        vm.expectEmit(address(_bridge));
        uint40 id = uint40(_id(last));
        emit IBridge.Convicted(id, _proposer, address(this), _number(string.concat(last, ".lock")) * 1 gwei, true);
        _bridge.challenge(evidence, _bytes(string.concat(last, ".entries")));
    }

    function test_WhatIsHashedIsWhatTheContractsHash() public view {
        bytes32[5] memory coded = [
            Intents.DOMAIN_TYPEHASH,
            Intents.PLAIN_TYPEHASH,
            Intents.OUTFLOW_TYPEHASH,
            Claims.ASSIGNMENT_TYPEHASH,
            bytes32(HeadLib.SLOT_TAG)
        ];
        for (uint256 i; i < coded.length; ++i) {
            string memory hashed = _item("", ".hashes", i);
            bytes32 hash = vm.parseJsonBytes32(_json, string.concat(hashed, ".hash"));
            assertEq(keccak256(bytes(vm.parseJsonString(_json, string.concat(hashed, ".text")))), hash);
            // Of the tag of a slot the last bytes are the anchor's.
            assertEq(i == 4 ? bytes25(hash) : hash, coded[i]);
        }
        bytes32 domain = Intents.domain(_number(".chainId"), address(_bridge));
        assertEq(domain, vm.parseJsonBytes32(_json, ".domainSeparator"));
    }

    function _deposit(string memory deposit) private {
        vm.roll(_number(string.concat(deposit, ".block")));
        bytes memory key = _bytes(string.concat(deposit, ".key"));
        uint256 amount = _number(string.concat(deposit, ".amount"));
        assertEq(BatchId.unwrap(_bridge.deposit{value: amount}(bytes21(key))), _id(deposit));
        uint56 anchor = uint56(bytes7(_bytes(string.concat(deposit, ".anchor"))));
        assertEq(_bridge.headOf(anchor), vm.parseJsonBytes32(_json, string.concat(deposit, ".head")));
        bytes32 leaf = vm.parseJsonBytes32(_json, string.concat(deposit, ".leaf"));
        assertEq(keccak256(_bytes(string.concat(deposit, ".state"))), leaf);
    }

    function _post(string memory batch) private {
        vm.roll(_number(string.concat(batch, ".block")));
        vm.setBlockhash(
            _number(string.concat(batch, ".clock")), vm.parseJsonBytes32(_json, string.concat(batch, ".clockHash"))
        );
        vm.expectEmit(address(_bridge));
        uint256 word = uint256(vm.parseJsonBytes32(_json, string.concat(batch, ".word")));
        emit IBridge.BatchSubmitted(uint40(_id(batch)), word);
        vm.prank(_proposer, _proposer);
        _bridge.submit(_bytes(string.concat(batch, ".bytes")));

        bytes memory preimage = _bytes(string.concat(batch, ".preimage"));
        assertEq(keccak256(preimage), vm.parseJsonBytes32(_json, string.concat(batch, ".commitment")));
        assertEq(uint8(_bridge.status(preimage)), 0);
        for (uint256 i; vm.keyExistsJson(_json, _item(batch, ".heads", i)); ++i) {
            string memory head = _item(batch, ".heads", i);
            uint56 anchor = uint56(bytes7(_bytes(string.concat(head, ".anchor"))));
            assertEq(_bridge.headOf(anchor), vm.parseJsonBytes32(_json, string.concat(head, ".head")));
        }
        uint256 steps;
        for (; vm.keyExistsJson(_json, _item(batch, ".steps", steps)); ++steps) {
            _judge(_item(batch, ".steps", steps));
        }
        assertGt(steps, 0);
    }

    function _judge(string memory step) private {
        bytes memory evidence = _bytes(string.concat(step, ".evidence"));
        bool valid = vm.parseJsonBool(_json, string.concat(step, ".valid"));
        assertEq(_verifier.verify(evidence, address(_bridge)), valid);
        if (!valid) return;
        vm.expectRevert(IBridge.StepIsValid.selector);
        _bridge.challenge(evidence, "");
    }

    function _batch(uint256 i) private pure returns (string memory) {
        return _item("", ".batches", i);
    }

    function _item(string memory of_, string memory list, uint256 i) private pure returns (string memory) {
        return string.concat(of_, list, "[", vm.toString(i), "]");
    }

    function _id(string memory of_) private view returns (uint256) {
        return uint40(bytes5(_bytes(string.concat(of_, ".id"))));
    }

    function _number(string memory key) private view returns (uint256) {
        return vm.parseJsonUint(_json, key);
    }

    function _bytes(string memory key) private view returns (bytes memory) {
        return vm.parseJsonBytes(_json, key);
    }
}
