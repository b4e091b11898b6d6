// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Codec} from "../harness/Codec.sol";
import {Draft} from "../harness/Drafts.sol";
import {Passkey, Passkeys} from "../harness/Passkeys.sol";
import {Random} from "../harness/Random.sol";
import {Anchor, Call, Meaning, Signed, State, unleased} from "../harness/Shapes.sol";
import {Trial} from "../harness/Trials.sol";

interface IExposedKernel {
    function allocate(uint256 count) external pure returns (bytes32 allocated, bytes32 made, bool empty);
}

/// @notice The kernel's memory, which it lays out by hand: what one call leaves behind is what the next call's rule sees, and what the
/// roots say. A second account of the states is kept here, in plain Solidity.
contract KernelMemoryTest is Passkeys {
    using Codec for *;
    using Random for Random.Rng;

    struct Model {
        State[3] states;
        bytes effects;
    }

    function test_FragmentsAreAllocatedAsSolidityAllocatesThem() public {
        IExposedKernel kernel = IExposedKernel(deployCode("ExposedLibraries.sol:ExposedLibraries"));
        for (uint256 count; count < 40; count++) {
            (bytes32 allocated, bytes32 made, bool empty) = kernel.allocate(count);
            assertEq(allocated, made, "one by one");
            assertTrue(empty, "their lists are empty, whatever lies beside them");
        }
    }

    /// @dev Two calls on two fragments, and one that the first call opens: random mints, burns, moves and writes.
    function testFuzz_EachCallSeesWhatTheOneBeforeLeft(uint256 seed) public {
        Random.Rng memory rng = Random.Rng(seed);
        Model memory k;
        k.states[0] = unleased(3, rules[0], 0, one(ETH, 9), rng.data(rng.below(70)));
        k.states[1] = unleased(3, rules[0], 0, noAssets(), "");
        k.states[2] = unleased(3, rules[0], 0, noAssets(), "");
        Draft memory d = draft(2, 1, 0, 0, 2);
        for (uint256 i; i < 2; i++) {
            d.fresh[i] = vault(rules[0], k.states[i].assets, k.states[i].data);
            d.fresh[i].id += uint56(i);
            d.fresh[i].state = k.states[i].copy();
        }
        k.effects = openEffect(3, rules[0]);
        for (uint256 i; i < 3; i++) {
            k.effects = bytes.concat(k.effects, _mint(rng, k, i));
        }
        for (uint256 i; i < 20; i++) {
            k.effects = bytes.concat(k.effects, _effect(rng, k));
        }
        for (uint256 i; i < 2; i++) {
            k.states[i].data = rng.data(33 + rng.below(60));
            k.effects = bytes.concat(k.effects, write(uint8(i), k.states[i].data));
        }
        d.calls[0] = Call(1, 300_000, 8192, ids(0, 1), new Signed[](0), k.effects);
        State[3] memory mid;
        for (uint256 i; i < 3; i++) {
            mid[i] = k.states[i].copy();
        }
        k.effects = "";
        for (uint256 i; i < 3; i++) {
            k.effects = bytes.concat(k.effects, _mint(rng, k, i));
        }
        for (uint256 i; i < 12; i++) {
            k.effects = bytes.concat(k.effects, _effect(rng, k));
        }
        for (uint256 i; i < 3; i++) {
            k.states[i].data = rng.data(5 + rng.below(20));
            k.effects = bytes.concat(k.effects, write(uint8(i), k.states[i].data));
        }
        d.calls[1] = Call(1, 300_000, 8192, ids(0, 1, 2), new Signed[](0), k.effects);
        d.freshAfter[0] = k.states[0];
        d.freshAfter[1] = k.states[1];
        d.opened[0] = k.states[2];
        Trial memory t = trial(d);
        _expect(d, mid, k.effects);
        assertTrue(verdict(t), "valid");
        t.step.opened[0] ^= bytes27(uint216(1) << uint216(rng.below(216)));
        assertFalse(verdict(t));
    }

    /// @dev What the first call's rule is given stays in memory behind what it returns: words of the proposer's, and there the second
    /// call's list of fragments comes to lie. Whatever they point to, say to one of that list, is not at a position beyond it.
    function test_WhatLiesBehindAListOfFragmentsIsNoneOfThem() public {
        bytes memory effects;
        for (uint256 i; i < 10; i++) {
            effects = bytes.concat(effects, write(0, hex"01"));
        }
        bytes memory returned = abi.encode(effects);
        vm.etch(
            rules[REVERTER - 1], abi.encodePacked(hex"61", uint16(returned.length), hex"80600c6000396000f3", returned)
        );
        State memory own = unleased(3, rules[0], 0, one(ETH, 9), hex"02");
        assertValid(_twoCalls("", own), "nothing beyond");
        _sweep(_twoCalls(move(1, 0, ETH, 1), own), "debited");
        _sweep(_twoCalls(move(0, 1, ETH, 1), own), "credited");
        _sweep(_twoCalls(write(1, hex"02"), own), "written to");
        _sweep(_twoCalls(leaseEffect(1, address(0), 0), own), "leased");
    }

    /// @dev The first call gets 64 words, aligned in memory. The second writes to the other vault, which is then in state `own`, and has
    /// the effects `beyond`.
    function _twoCalls(bytes memory beyond, State memory own) private view returns (Draft memory d) {
        d = draft(2, 0, 0, 0, 2);
        (d.fresh[0], d.fresh[1]) = (vault(rules[REVERTER - 1], one(ETH, 9), ""), vault(rules[0], one(ETH, 9), ""));
        d.fresh[1].id++;
        (d.freshAfter[0], d.freshAfter[1]) = (unleased(3, rules[REVERTER - 1], 0, one(ETH, 9), hex"01"), own);
        d.calls[0] = Call(REVERTER, RULE_GAS, 256, ids(0), new Signed[](0), new bytes(28 + 32 * 64));
        bytes memory effects = bytes.concat(write(0, hex"02"), beyond);
        d.calls[1] = Call(PUPPET, RULE_GAS, 256, ids(1), new Signed[](0), effects);
    }

    function _sweep(Draft memory d, string memory what) private view {
        Trial memory t = trial(d);
        bytes memory body = t.step.body;
        for (uint256 place = 0x80; place < 0x2000; place += 32) {
            assembly ("memory-safe") {
                // In the body: form, number of calls, 8 bytes of the first call, its fragment, no authorisation, length of extra.
                let word := add(body, add(32, add(14, 28)))
                for { let end := add(word, 2048) } lt(word, end) { word := add(word, 32) } { mstore(word, place) }
            }
            assertInvalid(t, what);
        }
    }

    /// @dev What is to be signed waits in memory while the rule's input and output, of any length, come and go; and signatures that are
    /// checked before the effects are applied leave these alone.
    function testFuzz_WhatIsSignedAndWhatIsReturnedDoNotMix(uint256 seed) public view {
        Random.Rng memory rng = Random.Rng(seed);
        Draft memory d = draft(3, 0, 0, 0, 2);
        (d.fresh[0], d.fresh[1], d.fresh[2]) = (a(), b(), c());
        (d.fresh[2].state.kind, d.fresh[2].state.controller) = (2, passkey("dora").controller);
        for (uint256 i; i < 3; i++) {
            d.freshAfter[i] = d.fresh[i].state.copy();
        }
        for (uint256 i; i < 2; i++) {
            d.calls[i] = Call(PUPPET, 1_000_000, 8192, ids(0, 1, 2), new Signed[](3), "");
            for (uint8 j; j < 3; j++) {
                _sign(rng, d.calls[i], j, d.fresh[j], d.freshAfter[j].nonce++);
            }
            for (uint8 j; j < 3; j++) {
                State memory next = d.freshAfter[j];
                next.data = rng.data(rng.below(rng.onceIn(2) ? 2048 : 20));
                next.assets = plus(next.assets, issued(rules[0], 0), 1);
                d.calls[i].extra = bytes.concat(d.calls[i].extra, write(j, next.data), mint(j, 0, 1));
            }
        }
        assertValid(d, "as signed");
        Signed memory bad = d.calls[rng.below(2)].signed[rng.below(3)];
        bad.signature[rng.below(64)] ^= bytes1(uint8(2 ** rng.below(8)));
        assertInvalid(d, "one bit of a signature");
    }

    /// @dev By any scheme, with any payload and outflows; every other time the rule says what it means.
    function _sign(Random.Rng memory rng, Call memory call_, uint8 position, Anchor memory anchor, uint64 nonce)
        private
        view
    {
        Signed memory s = unsigned(position, rng.data(rng.below(rng.onceIn(2) ? 2000 : 40)), _outflows(rng));
        Meaning memory m = s.plain();
        if (rng.onceIn(2)) {
            m = Meaning(bytes32(rng.next()), bytes32(rng.next()));
            call_.extra = bytes.concat(call_.extra, meaningEffect(position, m));
        }
        call_.signed[position] = _by(rng, s, digest(s, rules[0], fragmentId(anchor), nonce, m), anchor.state);
    }

    function _by(Random.Rng memory rng, Signed memory s, bytes32 digest_, State memory state)
        private
        view
        returns (Signed memory)
    {
        if (state.kind == 1) return signDigest(s, digest_, keyOf[state.controller]);
        if (rng.onceIn(2)) return signP256(s, digest_, passkey("dora"));
        bytes memory rest = rng.data(rng.below(500));
        return signWebAuthn(s, digest_, passkey("dora"), authenticatorData(37 + rng.below(200)), rest);
    }

    function _outflows(Random.Rng memory rng) private pure returns (IRule.Asset[] memory list) {
        list = new IRule.Asset[](rng.below(5));
        for (uint256 i; i < list.length; i++) {
            list[i] = IRule.Asset(bytes32(i), uint128(rng.below(100)));
        }
    }

    function _expect(Draft memory d, State[3] memory mid, bytes memory extra) internal {
        IRule.Fragment[] memory f = new IRule.Fragment[](3);
        for (uint256 i; i < 3; i++) {
            f[i] = IRule.Fragment(
                i < 2 ? fragmentId(d.fresh[i]) : 0, mid[i].kind, mid[i].controller, mid[i].assets, mid[i].data
            );
        }
        bytes memory data = abi.encodeCall(
            IRule.transition, (IRule.Context(trial(d).header.clock, proposer), f, new IRule.Authorisation[](0), extra)
        );
        vm.expectCall(rules[0], data);
    }

    function _mint(Random.Rng memory rng, Model memory k, uint256 to) internal view returns (bytes memory) {
        bytes32 tag = bytes32(rng.below(12));
        uint128 amt = uint128(1 + rng.below(1000));
        k.states[to].assets = plus(k.states[to].assets, issued(rules[0], tag), amt);
        return mint(uint8(to), tag, amt);
    }

    function _effect(Random.Rng memory rng, Model memory k) internal view returns (bytes memory) {
        uint256 c = rng.below(4);
        uint256 who = rng.below(3);
        if (c == 0) return _mint(rng, k, who);
        if (c == 1) {
            bytes memory x = rng.data(rng.below(rng.onceIn(3) ? 120 : 9));
            k.states[who].data = x;
            return write(uint8(who), x);
        }
        IRule.Asset[] memory as_ = k.states[who].assets;
        if (as_.length == 0) return _mint(rng, k, who);
        IRule.Asset memory x_ = as_[rng.below(as_.length)];
        bytes32 id = x_.id;
        uint128 amt = rng.onceIn(2) ? x_.amount : uint128(1 + rng.below(x_.amount));
        if (c == 2) {
            uint256 to = (who + 1 + rng.below(2)) % 3;
            k.states[who].assets = minus(as_, id, amt);
            k.states[to].assets = plus(k.states[to].assets, id, amt);
            return move(uint8(who), uint8(to), id, amt);
        }
        for (uint256 tg; tg < 12; tg++) {
            if (issued(rules[0], bytes32(tg)) == id) {
                k.states[who].assets = minus(as_, id, amt);
                return burn(uint8(who), bytes32(tg), amt);
            }
        }
        return _mint(rng, k, who);
    }
}
