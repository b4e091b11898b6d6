// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Codec} from "../harness/Codec.sol";
import {Draft} from "../harness/Drafts.sol";
import {Random} from "../harness/Random.sol";
import {Anchor, Call, Signed, State, unleased} from "../harness/Shapes.sol";
import {Trial, Trials} from "../harness/Trials.sol";

/// @notice What a rule sees, to the byte (docs/spec.md, section 6.2).
contract RuleInputTest is Trials {
    using Codec for *;
    using Random for Random.Rng;

    address private mirror;

    function setUp() public override {
        super.setUp();
        mirror = register("Mirror.sol:Mirror");
        rules[0] = mirror;
        nextBlock();
    }

    function testFuzz_ARuleSeesTheFragmentsAsTheyAreBeforeIt(
        bytes memory data,
        bytes memory payload,
        bytes memory extra
    ) public view {
        vm.assume(data.length <= 2048 && payload.length < 1000 && extra.length < 1000);
        Anchor memory own = vault(mirror, one(ETH, 9), data);
        Draft memory d = ruled(1, these(own, a()), one(ETH, 5), extra, 0);
        Signed memory s = unsigned(1, payload, one(ETH, 5));
        d.calls[0].signed[0] = sign(s, mirror, a());

        IRule.Fragment[] memory shown = new IRule.Fragment[](2);
        shown[0] = IRule.Fragment(fragmentId(own), 3, mirror, one(ETH, 9), data);
        shown[1] = IRule.Fragment(fragmentId(a()), 1, alice, one(ETH, 5 ether), "");
        IRule.Authorisation[] memory signed = new IRule.Authorisation[](1);
        signed[0] = IRule.Authorisation(1, payload);
        d.freshAfter[0].data = _seen(shown, signed, extra);
        assertValid(d, "as specified");
        d.freshAfter[0].data[0] ^= 0x01;
        assertInvalid(d, "otherwise");
    }

    /// @dev Any number of fragments, assets and authorisations, of any length: the kernel writes the calldata by hand.
    function testFuzz_TheInputIsTheStandardEncoding(uint256 seed) public view {
        Random.Rng memory rng = Random.Rng(seed);
        uint256 count = 1 + rng.below(rng.onceIn(4) ? 15 : 3);
        bool own = rng.onceIn(2); // the first is the mirror's own, and signs nothing
        IRule.Fragment[] memory shown = new IRule.Fragment[](count);
        IRule.Authorisation[] memory signed = new IRule.Authorisation[](own ? count - 1 : count);
        bytes memory extra = rng.data(rng.below(100));
        Draft memory d = draft(count, 0, 0, 0, 1);
        d.calls[0] = Call(1, 1_000_000, 64, new uint8[](count), new Signed[](signed.length), extra);
        for (uint8 i = 0; i < count; i++) {
            d.fresh[i] = _random(rng, i, own && i == 0);
            State memory state = d.fresh[i].state;
            d.freshAfter[i] = state.copy();
            d.calls[0].fragments[i] = i;
            shown[i] = IRule.Fragment(fragmentId(d.fresh[i]), state.kind, state.controller, state.assets, state.data);
            if (own && i == 0) continue;
            uint256 place = own ? i - 1 : i;
            signed[place] = IRule.Authorisation(i, rng.data(rng.below(100)));
            d.calls[0].signed[place] = sign(unsigned(i, signed[place].payload, noAssets()), mirror, d.fresh[i]);
            d.freshAfter[i].nonce++;
        }
        d.freshAfter[0].data = _seen(shown, signed, extra);
        assertValid(d, "as specified");
    }

    function _random(Random.Rng memory rng, uint256 i, bool own) private view returns (Anchor memory anchor) {
        IRule.Asset[] memory assets = new IRule.Asset[](rng.onceIn(8) ? 32 : rng.below(4));
        for (uint256 j = 0; j < assets.length; j++) {
            assets[j] = IRule.Asset(bytes32(2 ** 200 * (j + 1) + rng.below(2 ** 199)), uint128(1 + rng.below(2 ** 127)));
        }
        bytes memory data = rng.data(rng.onceIn(8) ? 2048 : rng.below(70));
        anchor = Anchor(uint56((777 + i) * 65_536 + rng.below(9)), uint40(777 + i), unleased(1, alice, 5, assets, data));
        if (own) (anchor.state.kind, anchor.state.controller) = (3, mirror);
    }

    function test_AFragmentOpenedInTheBatchHasNoIdForRules() public view {
        // Opened by an earlier step of the batch, and by an earlier call of the step.
        uint40 own = idAt(block.number, 1);
        Draft memory d = draft(0, 0, 1, 0, 1);
        d.again[0] = Anchor(uint56(own) * 65_536 + 5, own, unleased(3, mirror, 0, one(ETH, 9), ""));
        d.againAfter[0] = d.again[0].state.copy();
        d.calls[0] = ruled(1, these(d.again[0]), noAssets(), "", 0).calls[0];
        IRule.Fragment[] memory shown = new IRule.Fragment[](1);
        shown[0] = IRule.Fragment(0, 3, mirror, one(ETH, 9), "");
        d.againAfter[0].data = _seen(shown, new IRule.Authorisation[](0), "");
        assertValid(d, "zero");
        shown[0].id = fragmentId(d.again[0]);
        d.againAfter[0].data = _seen(shown, new IRule.Authorisation[](0), "");
        assertInvalid(d, "its id");
    }

    function test_TheContextIsTheClockAndTheProposer() public view {
        Anchor memory own = vault(mirror, noAssets(), "");
        Draft memory d = ruled(1, these(own), noAssets(), "", 0);
        IRule.Fragment[] memory shown = new IRule.Fragment[](1);
        shown[0] = IRule.Fragment(fragmentId(own), 3, mirror, noAssets(), "");
        d.freshAfter[0].data = _seen(shown, new IRule.Authorisation[](0), "");
        Trial memory t = trial(d);
        assertValid(t, "these");
        t.proposer = alice;
        assertInvalid(t, "another proposer");
        t = trial(d);
        t.header.clock--;
        assertInvalid(t, "another clock");
    }

    function test_PaddingIsZeroWhateverLayInItsPlace() public view {
        // What the first call was given lies where the second's input is written.
        Anchor memory own = vault(mirror, noAssets(), new bytes(32));
        bytes memory ones = new bytes(6000);
        for (uint256 i = 0; i < ones.length; i++) {
            ones[i] = 0xff;
        }
        IRule.Fragment[] memory shown = new IRule.Fragment[](1);
        for (uint256 size = 0; size < 34; size++) {
            // Data, payload and extra, each padded.
            bytes memory zeros = new bytes(size);
            Anchor memory hers = a();
            hers.state.data = zeros;
            Draft memory d = draft(2, 0, 0, 0, 2);
            (d.fresh[0], d.fresh[1]) = (own, hers);
            (d.freshAfter[0], d.freshAfter[1]) = (own.state.copy(), hers.state.copy());
            d.freshAfter[1].nonce++;
            d.calls[0] = Call(1, RULE_GAS, 64, ids(0), new Signed[](0), ones);
            d.calls[1] = Call(1, RULE_GAS, 64, ids(0, 1), new Signed[](1), zeros);
            d.calls[1].signed[0] = sign(unsigned(1, zeros, noAssets()), mirror, hers);

            shown = new IRule.Fragment[](1);
            shown[0] = IRule.Fragment(fragmentId(own), 3, mirror, noAssets(), own.state.data);
            bytes memory first = _seen(shown, new IRule.Authorisation[](0), ones);
            shown = new IRule.Fragment[](2);
            shown[0] = IRule.Fragment(fragmentId(own), 3, mirror, noAssets(), first);
            shown[1] = IRule.Fragment(fragmentId(hers), 1, alice, one(ETH, 5 ether), zeros);
            IRule.Authorisation[] memory signed = new IRule.Authorisation[](1);
            signed[0] = IRule.Authorisation(1, zeros);
            d.freshAfter[0].data = _seen(shown, signed, zeros);
            assertValid(d, "as specified");
        }
    }

    /// @dev What the mirror writes if it is called as specified.
    function _seen(IRule.Fragment[] memory shown, IRule.Authorisation[] memory signed, bytes memory extra)
        private
        view
        returns (bytes memory)
    {
        IRule.Context memory context = IRule.Context(uint64(block.number - 1), proposer);
        return abi.encodePacked(keccak256(abi.encodeCall(IRule.transition, (context, shown, signed, extra))));
    }
}
