// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Test, stdError} from "forge-std/Test.sol";

import {IRule} from "../../contracts/interfaces/IRule.sol";
import {States} from "../../contracts/libraries/States.sol";
import {Codec} from "../harness/Codec.sol";
import {Random} from "../harness/Random.sol";
import {Lease, State, unleased} from "../harness/Shapes.sol";

interface IExposedStates {
    function decode(bytes calldata encoded)
        external
        pure
        returns (IRule.Fragment memory shown, uint64 nonce, uint224 lease, bytes32 hash);
    function credit(bytes calldata encoded, bytes32 id, uint128 amount, bool accepts) external pure returns (bytes32);
    function debit(bytes calldata encoded, bytes32 id, uint128 amount) external pure returns (bytes32);
    function evaluation(bytes calldata body, uint256 pos, uint256 base, uint256 stateSize, uint256 rules)
        external
        pure
        returns (bool wellFormed, uint256 gas_);
    function rules(uint256 steps, uint256 stepSize) external pure returns (uint256);
    function base(uint256 size, uint256 fragments, uint256 nodes) external pure returns (uint256);
    function proof(uint256 evidenceSize, uint256 evaluationGas) external pure returns (uint256);
}

/// @notice One encoding to a state, and one state to an encoding (docs/spec.md, section 3).
contract StatesTest is Test {
    using Codec for *;
    using Random for Random.Rng;

    IExposedStates private states;
    bytes private notAState = abi.encodeWithSelector(States.NotAState.selector);

    function setUp() public {
        states = IExposedStates(deployCode("ExposedLibraries.sol:ExposedLibraries"));
    }

    function testFuzz_AStateIsReadBackAndHashedAsItWasEncoded(uint256 seed) public view {
        State memory state = _state(Random.Rng(seed));
        bytes memory encoded = state.encode();
        (IRule.Fragment memory shown, uint64 nonce, uint224 lease, bytes32 hash) = states.decode(encoded);
        assertEq(hash, keccak256(encoded));
        assertEq(shown.kind, state.kind);
        assertEq(shown.controller, state.controller);
        assertEq(nonce, state.nonce);
        assertEq(lease, uint256(uint160(state.lease.holder)) * 2 ** 64 + state.lease.last);
        assertEq(shown.data, state.data);
        assertEq(abi.encode(shown.assets), abi.encode(state.assets));
    }

    /// @dev What is accepted is its own encoding: so no two byte strings are one state.
    function testFuzz_WhateverIsAcceptedIsCanonical(uint256 seed, uint256 place, uint8 value) public view {
        bytes memory encoded = _state(Random.Rng(seed)).encode();
        encoded[bound(place, 0, encoded.length - 1)] = bytes1(value);
        try states.decode(encoded) returns (IRule.Fragment memory, uint64, uint224, bytes32 hash) {
            assertEq(hash, keccak256(encoded));
        } catch (bytes memory reason) {
            assertEq(reason, notAState);
        }
    }

    function test_DomainKindAndLengthsAreChecked() public {
        bytes memory good = unleased(1, address(7), 5, new IRule.Asset[](0), hex"aabb").encode();
        states.decode(good);
        // Domain, kind (with a lease that is not there, too), number of assets, length of data.
        uint8[2][10] memory changes =
            [[0, 1], [0, 2], [0, 255], [1, 0], [1, 4], [1, 0x81], [30, 1], [30, 33], [32, 1], [32, 3]];
        for (uint256 i = 0; i < changes.length; i++) {
            bytes memory bad = bytes.concat(good);
            bad[changes[i][0]] = bytes1(changes[i][1]);
            vm.expectRevert(notAState);
            states.decode(bad);
        }
    }

    function testFuzz_ALeaseHasAHolderAndAnEnd(uint256 seed) public {
        State memory state = _state(Random.Rng(seed));
        state.lease = Lease(address(0), 5);
        vm.expectRevert(notAState);
        states.decode(state.encode());
        state.lease = Lease(address(5), 0);
        vm.expectRevert(notAState);
        states.decode(state.encode());
        state.lease = Lease(address(1), 1);
        states.decode(state.encode());
        // Neither: 28 zero bytes behind the nonce, and the bit.
        state.lease = Lease(address(0), 0);
        bytes memory plain = state.encode();
        bytes memory zero = abi.encodePacked(bytes1(0), state.kind + 0x80, state.controller, state.nonce, new bytes(28));
        for (uint256 i = 30; i < plain.length; i++) {
            zero = bytes.concat(zero, plain[i]);
        }
        states.decode(plain);
        vm.expectRevert(notAState);
        states.decode(zero);
    }

    function testFuzz_JunkIsNotAState(bytes memory junk) public {
        vm.assume(junk.length < 33 || junk[0] != 0);
        vm.expectRevert(notAState);
        states.decode(junk);
    }

    function testFuzz_CreditAndDebitMoveTheAmountAndKeepTheOrder(uint256 seed, bytes32 id, uint128 amount) public {
        amount = uint128(bound(amount, 1, 2 ** 127));
        Random.Rng memory rng = Random.Rng(seed);
        State memory state = _state(rng);
        if (state.assets.length != 0 && rng.onceIn(2)) id = state.assets[rng.below(state.assets.length)].id;
        bytes memory encoded = state.encode();
        (bool found, uint256 place) = _find(state, id);

        if (found) {
            uint128 held = state.assets[place].amount;
            // Debit: all, a part, or more than there is.
            uint128 part = rng.onceIn(2) ? held : uint128(1 + rng.below(held));
            bytes32 debited = states.debit(encoded, id, part);
            assertEq(debited, keccak256(_with(state, id, held - part).encode()), "debit");
            vm.expectRevert(stdError.arithmeticError);
            states.debit(encoded, id, held + 1);
            bytes32 credited = keccak256(_with(state, id, held + amount).encode());
            assertEq(states.credit(encoded, id, amount, true), credited, "credit");
            assertEq(states.credit(encoded, id, amount, false), credited, "credit of what is held");
            vm.expectRevert(stdError.arithmeticError);
            states.credit(encoded, id, type(uint128).max, true);
        } else {
            vm.expectRevert(notAState);
            states.debit(encoded, id, amount);
            vm.expectRevert(notAState);
            states.credit(encoded, id, amount, false);
            if (state.assets.length == 32) {
                vm.expectRevert(notAState);
                states.credit(encoded, id, amount, true);
            } else {
                assertEq(states.credit(encoded, id, amount, true), keccak256(_with(state, id, amount).encode()), "new");
            }
        }
    }

    // ---------------------------------------------------------------- the static bound

    /// @dev The bound reads any bytes without an error, and never so little that the calls' own gas is lost.
    function testFuzz_TheBoundIsTotal(bytes memory body, uint256 seed) public view {
        Random.Rng memory rng = Random.Rng(seed);
        states.evaluation(body, bound(seed, 0, 60), states.base(80_000, 16, 384), 60_000, rng.next());
        // Something that starts like a body.
        bytes memory almost = bytes.concat(hex"00", bytes1(uint8(1 + rng.below(16))), rng.data(rng.below(700)));
        for (uint256 i = 2; i < almost.length; i++) {
            if (rng.onceIn(2)) almost[i] = bytes1(uint8(rng.below(3)));
        }
        (bool wellFormed, uint256 gas_) = states.evaluation(almost, 1, 20_000, 33, type(uint256).max);
        if (wellFormed) assertGt(gas_, 20_000);
        assertGe(states.proof(rng.below(2 ** 32), gas_), 200_000);
    }

    function testFuzz_RulesTakeWhatBytesPayForUnlessTheirStepIsAlone(uint16 steps, uint32 size) public view {
        vm.assume(steps > 0);
        assertEq(states.rules(steps, size), steps == 1 ? type(uint256).max : 600 * uint256(size));
    }

    function testFuzz_TheBoundStartsFromSizes(uint32 size, uint8 fragments, uint16 nodes) public view {
        uint256 expected = 30_000 + 40 * uint256(size) + 6000 * uint256(fragments) + 600 * uint256(nodes);
        assertEq(states.base(size, fragments, nodes), expected);
    }

    function testFuzz_TheBoundOfAProofIsTheDearerOfBytesAndGas(uint32 size, uint64 evaluation) public view {
        uint256 execution = uint256(size) * 24 + evaluation;
        uint256 floor = uint256(size) * 64;
        assertEq(states.proof(size, evaluation), 200_000 + (floor > execution ? floor : execution));
    }

    // ---------------------------------------------------------------- helpers

    function _state(Random.Rng memory rng) private pure returns (State memory state) {
        state.kind = uint8(1 + rng.below(3));
        state.controller = address(uint160(rng.next()));
        state.nonce = uint64(rng.next());
        if (rng.onceIn(2)) state.lease = Lease(address(uint160(rng.next())), uint64(rng.next()));
        state.assets = new IRule.Asset[](rng.onceIn(4) ? 32 : rng.below(8));
        uint256 id = rng.onceIn(2) ? 0 : rng.next() / 2;
        for (uint256 i = 0; i < state.assets.length; i++) {
            state.assets[i] = IRule.Asset(bytes32(id), uint128(1 + rng.below(2 ** 127)));
            id += 1 + (rng.onceIn(2) ? 0 : rng.next() / 2 ** 10);
        }
        state.data = rng.data(rng.onceIn(8) ? 2048 : rng.below(100));
    }

    function _find(State memory state, bytes32 id) private pure returns (bool, uint256) {
        for (uint256 i = 0; i < state.assets.length; i++) {
            if (state.assets[i].id == id) return (true, i);
        }
        return (false, 0);
    }

    /// @dev The state with this amount of the asset; none if it is zero.
    function _with(State memory state, bytes32 id, uint128 amount) private pure returns (State memory out) {
        out = state.copy();
        (bool found,) = _find(state, id);
        uint256 count = state.assets.length;
        out.assets = new IRule.Asset[](found ? (amount == 0 ? count - 1 : count) : count + 1);
        uint256 place = 0;
        bool done = amount == 0;
        for (uint256 i = 0; i < count; i++) {
            if (!done && state.assets[i].id >= id) {
                out.assets[place++] = IRule.Asset(id, amount);
                done = true;
            }
            if (state.assets[i].id != id) out.assets[place++] = state.assets[i];
        }
        if (!done) out.assets[place++] = IRule.Asset(id, amount);
    }
}
