// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Codec} from "./Codec.sol";
import {Draft} from "./Drafts.sol";
import {Scenario} from "./Scenario.sol";
import {Anchor, Call, Header, Signed, State, Step, Walked} from "./Shapes.sol";

/// @dev A step before the verifier, in a batch of one step that no bridge has seen: so a test can put anything into it.
struct Trial {
    Draft draft;
    Header header;
    Step step;
    bytes[] states; // canonical pre-states, or what stands in their place
    uint40 id;
    address proposer;
    address bridge;
}

/// @notice Asks the verifier about single steps.
abstract contract Trials is Scenario {
    using Codec for *;

    uint32 internal constant HIGH_CEILING = 10_000_000;
    uint8 internal constant PUPPET = 1;
    uint8 internal constant RAW_RETURN = 2;
    uint8 internal constant REVERTER = 3;
    uint8 internal constant LOOPER = 4;

    address[] internal rules;

    function setUp() public virtual override {
        super.setUp();
        rules.push(register("Puppet.sol:Puppet"));
        rules.push(register("RawReturn.sol:RawReturn"));
        rules.push(register("Reverter.sol:Reverter"));
        rules.push(register("Looper.sol:Looper"));
        nextBlock();
    }

    function trial(Draft memory d) internal view returns (Trial memory t) {
        t.draft = d;
        t.step = step(d);
        t.header = header(steps(t.step), 0);
        t.header.ceiling = HIGH_CEILING;
        t.header.rules = rules;
        t.states = preStates(d);
        t.id = idAt(block.number, 1);
        t.proposer = proposer;
        t.bridge = address(bridge);
    }

    function evidence(Trial memory t) internal pure returns (bytes memory) {
        Step memory s = t.step;
        Walked memory w;
        bytes memory preEntries;
        for (uint256 i = 0; i < s.fresh.length; i++) {
            bytes27 root = bytes27(keccak256(t.states[i]));
            preEntries = abi.encodePacked(preEntries, s.fresh[i].anchor, root, s.fresh[i].parent);
        }
        uint56[] memory named = new uint56[](s.opened.length + s.again.length);
        for (uint256 i = 0; i < s.opened.length; i++) {
            named[i] = uint56(t.id) * 65_536 + uint56(s.fresh.length + i);
            preEntries = abi.encodePacked(preEntries, named[i], bytes32(0));
        }
        for (uint256 i = 0; i < s.again.length; i++) {
            named[s.opened.length + i] = t.draft.again[i].id;
            bytes27 root = bytes27(keccak256(t.states[s.fresh.length + i]));
            preEntries = abi.encodePacked(preEntries, t.draft.again[i].id, root, t.id);
        }
        bytes memory bytes_ = s.encode();
        uint256 touches = s.fresh.length + named.length;
        w.stepRoot = keccak256(abi.encodePacked(preEntries, bytes_, uint8(touches)));
        w.leaves = new bytes32[](s.withdrawals.length);
        bytes memory preimage = Codec.preimage(t.id, t.proposer, w, t.header.encode());
        return Codec.evidence(preimage, 0, "", bytes_, named, t.states);
    }

    function verdict(Trial memory t) internal view returns (bool) {
        return verifier.verify(evidence(t), t.bridge);
    }

    function assertValid(Trial memory t, string memory what) internal view {
        assertTrue(verdict(t), what);
    }

    function assertInvalid(Trial memory t, string memory what) internal view {
        assertFalse(verdict(t), what);
    }

    function assertValid(Draft memory d, string memory what) internal view {
        assertTrue(verdict(trial(d)), what);
    }

    function assertInvalid(Draft memory d, string memory what) internal view {
        assertFalse(verdict(trial(d)), what);
    }

    // ---------------------------------------------------------------- steps of a puppet

    /// @dev A fragment under a rule, as if an earlier batch had opened it.
    function vault(address rule, IRule.Asset[] memory assets, bytes memory data) internal pure returns (Anchor memory) {
        return Anchor(
            idAt(DEPLOYMENT_BLOCK + 40, 9) * 65_536 + 3, idAt(DEPLOYMENT_BLOCK + 45, 2), State(3, rule, 0, assets, data)
        );
    }

    /// @dev A call of the puppet on the anchors, which returns `effects`. Those with a key sign for `outflows`.
    function puppet(Anchor[] memory anchors, IRule.Asset[] memory outflows, bytes memory effects, uint256 opened)
        internal
        view
        returns (Draft memory d)
    {
        return ruled(PUPPET, anchors, outflows, effects, opened);
    }

    function ruled(
        uint8 rule,
        Anchor[] memory anchors,
        IRule.Asset[] memory outflows,
        bytes memory extra,
        uint256 opened
    ) internal view returns (Draft memory d) {
        d = draft(anchors.length, opened, 0, 0, 1);
        d.calls[0] = Call(rule, RULE_GAS, 8192, new uint8[](anchors.length), new Signed[](0), extra);
        for (uint256 i = 0; i < anchors.length; i++) {
            d.calls[0].fragments[i] = uint8(i);
            d.fresh[i] = anchors[i];
            d.freshAfter[i] = anchors[i].state.copy();
            if (anchors[i].state.kind == 1) {
                d.freshAfter[i].nonce++;
                Signed memory s = unsigned(uint8(i), "", outflows);
                d.calls[0].signed = append(d.calls[0].signed, sign(s, rules[rule - 1], anchors[i]));
            }
        }
    }

    function append(Signed[] memory list, Signed memory item) internal pure returns (Signed[] memory longer) {
        longer = new Signed[](list.length + 1);
        for (uint256 i = 0; i < list.length; i++) {
            longer[i] = list[i];
        }
        longer[list.length] = item;
    }

    function these(Anchor memory x) internal pure returns (Anchor[] memory list) {
        list = new Anchor[](1);
        list[0] = x;
    }

    function these(Anchor memory x, Anchor memory y) internal pure returns (Anchor[] memory list) {
        list = new Anchor[](2);
        (list[0], list[1]) = (x, y);
    }

    // ---------------------------------------------------------------- effects

    function move(uint8 from, uint8 to, bytes32 asset, uint128 amount) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(1), from, to, asset, amount);
    }

    function mint(uint8 to, bytes32 tag, uint128 amount) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(2), to, tag, amount);
    }

    function burn(uint8 from, bytes32 tag, uint128 amount) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(3), from, tag, amount);
    }

    function write(uint8 fragment, bytes memory data) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(4), fragment, uint16(data.length), data);
    }

    function openEffect(uint8 kind, address controller) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(5), kind, controller);
    }

    function withdrawEffect(uint8 from, address recipient, address token, uint128 amount)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodePacked(uint8(6), from, recipient, token, amount);
    }

    /// @dev keccak(rule ‖ tag) with its highest bit set.
    function issued(address rule, bytes32 tag) internal pure returns (bytes32) {
        return bytes32(uint256(keccak256(bytes.concat(bytes20(rule), tag))) | 2 ** 255);
    }
}
