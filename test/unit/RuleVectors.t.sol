// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Test} from "forge-std/Test.sol";

import {IRule} from "../../contracts/interfaces/IRule.sol";

/// @notice The committed cases of each rule (test/vectors/rules, described in docs/rules/vectors.md), read as anybody else would read them.
contract RuleVectorsTest is Test {
    struct StatedMeaning {
        uint8 authorisation;
        string intentType;
        string signedType;
        bytes32 typeHash;
        bytes32[] words;
        bytes32 structHash;
    }

    string private constant CONTEXT = "Context(uint64 blockNumber,address proposer)";
    string private constant FRAGMENT =
        "Fragment(uint80 id,uint8 kind,address controller,Asset[] assets,bytes data)Asset(bytes32 id,uint128 amount)";
    string private constant AUTHORISATION = "Authorisation(uint8 fragment,bytes payload)";
    string private constant MEANING =
        "StatedMeaning(uint8 authorisation,string intentType,string signedType,bytes32 typeHash,bytes32[] words,bytes32 structHash)";

    uint256 private constant MEANING_SIZE = 66;

    function test_PoolDoesWhatItsVectorsSay() public {
        _check("pool", "Pool.sol:Pool", 60);
    }

    function test_CreditDoesWhatItsVectorsSay() public {
        _check("credit", "Credit.sol:Credit", 60);
    }

    function test_SwapDoesWhatItsVectorsSay() public {
        _check("swap", "Swap.sol:Swap", 60);
    }

    function _check(string memory name, string memory artifact, uint256 least) private {
        string memory json = vm.readFile(string.concat("test/vectors/rules/", name, ".json"));
        address rule = vm.parseJsonAddress(json, ".address");
        vm.etch(rule, vm.getDeployedCode(artifact));
        uint256 count;
        for (; vm.keyExistsJson(json, _key(count)); count++) {
            this.check(json, _key(count), rule);
        }
        assertGe(count, least, "cases");
    }

    function _key(uint256 number) private pure returns (string memory) {
        return string.concat(".cases[", vm.toString(number), "]");
    }

    /// @dev One case, in a call of its own: so its memory is not paid for again by the next one.
    function check(string memory json, string memory key, address rule) external view {
        string memory name = vm.parseJsonString(json, string.concat(key, ".name"));
        (bool ok, bytes memory returned) = rule.staticcall(_call(json, key));
        bytes memory effects = vm.parseJsonBytes(json, string.concat(key, ".effects"));
        assertEq(ok, !vm.parseJsonBool(json, string.concat(key, ".fails")), name);
        if (!ok) return;
        assertEq(returned, abi.encode(effects), name);
        _checkMeanings(json, key, effects, name);
    }

    function _call(string memory json, string memory key) private pure returns (bytes memory) {
        bytes memory context = vm.parseJsonType(json, string.concat(key, ".context"), CONTEXT);
        bytes memory fragments = vm.parseJsonTypeArray(json, string.concat(key, ".fragments"), FRAGMENT);
        bytes memory authorisations = vm.parseJsonTypeArray(json, string.concat(key, ".authorisations"), AUTHORISATION);
        return abi.encodeCall(
            IRule.transition,
            (
                abi.decode(context, (IRule.Context)),
                abi.decode(fragments, (IRule.Fragment[])),
                abi.decode(authorisations, (IRule.Authorisation[])),
                vm.parseJsonBytes(json, string.concat(key, ".extra"))
            )
        );
    }

    /// @dev The effects begin with the meanings, whose hashes are those of the types and words beside them.
    function _checkMeanings(string memory json, string memory key, bytes memory effects, string memory name)
        private
        pure
    {
        bytes memory encoded = vm.parseJsonTypeArray(json, string.concat(key, ".meanings"), MEANING);
        StatedMeaning[] memory meanings = abi.decode(encoded, (StatedMeaning[]));
        bytes memory expected;
        for (uint256 i; i < meanings.length; i++) {
            StatedMeaning memory meaning = meanings[i];
            assertEq(meaning.typeHash, keccak256(bytes(meaning.signedType)), name);
            assertEq(meaning.words[0], keccak256(bytes(meaning.intentType)), name);
            assertEq(meaning.structHash, keccak256(abi.encodePacked(meaning.words)), name);
            expected =
                abi.encodePacked(expected, uint8(10), meaning.authorisation, meaning.typeHash, meaning.structHash);
        }
        assertEq(expected.length, meanings.length * MEANING_SIZE);
        bytes memory head = new bytes(expected.length);
        for (uint256 i; i < head.length; i++) {
            head[i] = effects[i];
        }
        assertEq(head, expected, name);
    }
}
