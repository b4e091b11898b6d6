// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Cohort} from "../../contracts/libraries/Cohort.sol";
import {CommitmentTree} from "../../contracts/libraries/CommitmentTree.sol";
import {Effects} from "../../contracts/libraries/Effects.sol";
import {Kernel} from "../../contracts/libraries/Kernel.sol";
import {ProofGas} from "../../contracts/libraries/ProofGas.sol";
import {Purity} from "../../contracts/libraries/Purity.sol";
import {Signatures} from "../../contracts/libraries/Signatures.sol";
import {States} from "../../contracts/libraries/States.sol";

/// @notice Libraries without state, one function each.
contract ExposedLibraries {
    using Effects for Effects.List;
    using States for IRule.Fragment;
    using States for States.State;

    // ---------------------------------------------------------------- Cohort

    /// @dev Top over leaves 0 and 5 of a tree of depth 3, behind two words of memory that say what they like.
    function top(bytes32 junk, bytes32[2] calldata values, bytes calldata siblings)
        external
        pure
        returns (bytes32 value)
    {
        uint256[11] memory words;
        (words[0], words[1]) = (uint256(junk), uint256(junk));
        (words[2], words[3]) = (0, uint256(values[0]));
        (words[4], words[5]) = (5, uint256(values[1]));
        uint256 pairs;
        uint256 start;
        assembly ("memory-safe") {
            pairs := add(words, 64)
            start := siblings.offset
        }
        (value,) = Cohort.top(pairs, 2, 3, start);
    }

    // ---------------------------------------------------------------- CommitmentTree

    function root(bytes32[] memory values) external pure returns (bytes32) {
        uint256 start;
        assembly ("memory-safe") {
            start := add(values, 32)
        }
        return CommitmentTree.rootInPlace(start, values.length);
    }

    function siblingCount(uint256 n, uint256 index) external pure returns (uint256) {
        return CommitmentTree.siblingCount(n, index);
    }

    function rootFrom(bytes32 leaf, uint256 n, uint256 index, bytes calldata siblings) external pure returns (bytes32) {
        return CommitmentTree.rootFrom(leaf, n, index, siblings);
    }

    // ---------------------------------------------------------------- Effects

    /// @dev As many moves, and whether what lies behind the list's room is as it was.
    function moves(uint256 capacity, uint256 count) external pure returns (bytes memory list, bool behind) {
        Effects.List memory effects = Effects.list(capacity);
        bytes32[1] memory neighbour = [bytes32(type(uint256).max)];
        for (uint256 i; i < count; ++i) {
            effects.move(uint8(i), 2, bytes32(type(uint256).max), type(uint128).max);
        }
        return (effects.finish(), neighbour[0] == bytes32(type(uint256).max));
    }

    // ---------------------------------------------------------------- Kernel

    /// @dev What `allocate` makes of memory that is not zero, what `new` makes, and whether all empty lists are Solidity's own.
    function allocate(uint256 count) external pure returns (bytes32 allocated, bytes32 made, bool empty) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            for { let end := add(free, mul(add(count, 1), 0x200)) } lt(free, end) { free := add(free, 32) } {
                mstore(free, not(0))
            }
        }
        Kernel.Work[] memory works = Kernel.allocate(count);
        empty = true;
        for (uint256 i; i < count; ++i) {
            IRule.Fragment memory shown = works[i].state.shown;
            assembly ("memory-safe") {
                empty := and(empty, and(eq(mload(add(shown, 0x60)), 0x60), eq(mload(add(shown, 0x80)), 0x60)))
            }
        }
        (allocated, made) = (keccak256(abi.encode(works)), keccak256(abi.encode(new Kernel.Work[](count))));
    }

    // ---------------------------------------------------------------- ProofGas

    function evaluation(bytes calldata body, uint256 pos, uint256 base_, uint256 stateSize, uint256 rules_)
        external
        pure
        returns (bool wellFormed, uint256 gas_)
    {
        return ProofGas.evaluation(body, pos, base_, stateSize, rules_);
    }

    function rules(uint256 steps, uint256 stepSize) external pure returns (uint256) {
        return ProofGas.rules(steps, stepSize);
    }

    function base(uint256 size, uint256 fragments, uint256 nodes) external pure returns (uint256) {
        return ProofGas.base(size, fragments, nodes);
    }

    function proof(uint256 evidenceSize, uint256 evaluationGas) external pure returns (uint256) {
        return ProofGas.proof(evidenceSize, evaluationGas);
    }

    // ---------------------------------------------------------------- Purity

    function checkPurity(bytes calldata runtime) external pure {
        Purity.check(runtime);
    }

    /// @dev Whether the scan leaves memory as it was: the free pointer, and words in the way of its table.
    function checkPurityAmong(bytes calldata runtime) external pure returns (bool same) {
        uint256[8] memory words;
        for (uint256 i; i < 8; ++i) {
            words[i] = type(uint256).max / (i + 3);
        }
        bytes32 before;
        assembly ("memory-safe") {
            before := keccak256(0x40, 0x140)
        }
        Purity.check(runtime);
        assembly ("memory-safe") {
            same := eq(before, keccak256(0x40, 0x140))
        }
    }

    // ---------------------------------------------------------------- Signatures

    /// @dev Also whether what was allocated before and what is afterwards are other memory.
    function base64url(bytes32 value) external pure returns (bytes memory text, bool apart) {
        bytes32[3] memory earlier = [value, ~value, value];
        text = Signatures.base64url(value);
        bytes32[3] memory later = [~value, value, ~value];
        apart = earlier[0] == value && earlier[1] == ~value && earlier[2] == value;
        apart = apart && later[0] == ~value && later[1] == value && later[2] == ~value;
    }

    // ---------------------------------------------------------------- States

    function decode(bytes calldata encoded)
        external
        pure
        returns (IRule.Fragment memory shown, uint64 nonce, uint224 lease, bytes32 hash)
    {
        States.State memory state;
        States.decode(encoded, state);
        return (state.shown, state.nonce, state.lease, state.hash());
    }

    function credit(bytes calldata encoded, bytes32 id, uint128 amount, bool accepts) external pure returns (bytes32) {
        States.State memory state;
        States.decode(encoded, state);
        state.shown.credit(id, amount, accepts);
        return state.hash();
    }

    function debit(bytes calldata encoded, bytes32 id, uint128 amount) external pure returns (bytes32) {
        States.State memory state;
        States.decode(encoded, state);
        state.shown.debit(id, amount);
        return state.hash();
    }
}
