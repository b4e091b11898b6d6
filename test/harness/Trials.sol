// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Vm} from "forge-std/Vm.sol";

import {IEvidenceErrors} from "../../contracts/interfaces/IEvidenceErrors.sol";
import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Bound} from "./Bound.sol";
import {Codec} from "./Codec.sol";
import {CohortTree} from "./CohortTree.sol";
import {Draft} from "./Drafts.sol";
import {Scenario} from "./Scenario.sol";
import {Anchor, Call, Cohort, Header, Lease, Meaning, Node, Signed, State, Step, Walked, unleased} from "./Shapes.sol";

/// @dev A step before the verifier, in a batch of one step that no bridge has seen: so a test can put anything into it.
struct Trial {
    Draft draft;
    Header header;
    Step step;
    Pre[] pre; // of the fresh, then the repeated touches
    uint40 id;
    address proposer;
    address bridge;
}

/// @dev An anchor before the step.
struct Pre {
    uint8 depth;
    uint24[] leaves; // those that the step works on, 0 first
    bytes[] states; // their canonical encodings, empty if there is none; or what stands in their place
    Node[] rest;
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
        t.pre = pres(d);
        t.id = idAt(block.number, 1);
        t.proposer = proposer;
        t.bridge = address(bridge);
    }

    function pres(Draft memory d) internal pure returns (Pre[] memory list) {
        list = new Pre[](d.fresh.length + d.again.length);
        for (uint256 i = 0; i < d.fresh.length; i++) {
            list[i] = _pre(d.fresh[i], d.freshCohorts[i]);
        }
        for (uint256 i = 0; i < d.again.length; i++) {
            list[d.fresh.length + i] = _pre(d.again[i], d.againCohorts[i]);
        }
    }

    function _pre(Anchor memory anchor, Cohort memory cohort) internal pure returns (Pre memory p) {
        uint256 count = 1 + cohort.leaves.length;
        p = Pre(cohort.depth, new uint24[](count), new bytes[](count), new Node[](cohort.rest.length));
        for (uint256 i = 0; i < cohort.rest.length; i++) {
            p.rest[i] = Node(cohort.rest[i].level, cohort.rest[i].index, cohort.rest[i].value);
        }
        p.states[0] = anchor.state.encode();
        for (uint256 i = 1; i < count; i++) {
            p.leaves[i] = cohort.leaves[i - 1].index;
            if (cohort.leaves[i - 1].state.kind != 0) p.states[i] = cohort.leaves[i - 1].state.encode();
        }
    }

    // ---------------------------------------------------------------- evidence

    /// @dev The leaves below 2^depth, of which alone evidence speaks; all others are nobody's.
    function _within(Pre memory p) private pure returns (uint24[] memory leaves) {
        uint256 count = p.leaves.length;
        while (p.leaves[count - 1] >> p.depth != 0) {
            count--;
        }
        leaves = new uint24[](count);
        for (uint256 i = 0; i < count; i++) {
            leaves[i] = p.leaves[i];
        }
    }

    function _nodes(Pre memory p) private pure returns (Node[] memory nodes) {
        uint256 count = _within(p).length;
        nodes = new Node[](count + p.rest.length);
        for (uint256 i = 0; i < count; i++) {
            nodes[i] = Node(0, p.leaves[i], p.states[i].length == 0 ? bytes32(0) : keccak256(p.states[i]));
        }
        for (uint256 i = 0; i < p.rest.length; i++) {
            nodes[count + i] = p.rest[i];
        }
    }

    function rootBefore(Pre memory p) internal pure returns (bytes27) {
        return CohortTree.root(p.depth, _nodes(p));
    }

    /// @dev Depth and pre-states, as in evidence.
    function statesOf(Pre memory p) internal pure returns (bytes memory out) {
        out = abi.encodePacked(p.depth);
        uint256 count = _within(p).length;
        for (uint256 i = 0; i < count; i++) {
            out = abi.encodePacked(out, uint16(p.states[i].length), p.states[i]);
        }
    }

    function siblingsOf(Pre memory p) internal pure returns (bytes memory) {
        return CohortTree.siblings(p.depth, _within(p), _nodes(p));
    }

    /// @dev What evidence says of the anchors' trees.
    function trees(Pre[] memory list) internal pure returns (bytes memory out) {
        bytes memory siblings;
        for (uint256 i = 0; i < list.length; i++) {
            out = bytes.concat(out, statesOf(list[i]));
            siblings = bytes.concat(siblings, siblingsOf(list[i]));
        }
        out = bytes.concat(out, siblings);
    }

    function evidence(Trial memory t) internal pure returns (bytes memory) {
        return evidence(t, trees(t.pre));
    }

    /// @dev Evidence for the trial's batch, with something else in place of the trees.
    function evidence(Trial memory t, bytes memory trees_) internal pure returns (bytes memory) {
        Walked memory w;
        w.stepRoot = stepRoot(t);
        w.leaves = new bytes32[](t.step.withdrawals.length);
        bytes memory preimage = Codec.preimage(t.id, t.proposer, w, t.header.encode());
        return Codec.evidence(preimage, 0, "", t.step.encode(), named(t), trees_);
    }

    /// @dev Anchor ids of the opened, then the repeated touches.
    function named(Trial memory t) internal pure returns (uint56[] memory list) {
        list = new uint56[](t.step.opened.length + t.step.again.length);
        for (uint256 i = 0; i < t.step.opened.length; i++) {
            list[i] = uint56(t.id) * 65_536 + uint56(t.step.fresh.length + i);
        }
        for (uint256 i = 0; i < t.step.again.length; i++) {
            list[t.step.opened.length + i] = t.draft.again[i].id;
        }
    }

    /// @dev Commitment of the step, which is the only one of its batch.
    function stepRoot(Trial memory t) internal pure returns (bytes32) {
        Step memory s = t.step;
        bytes memory preEntries;
        for (uint256 i = 0; i < s.fresh.length; i++) {
            preEntries = abi.encodePacked(preEntries, s.fresh[i].anchor, rootBefore(t.pre[i]), s.fresh[i].parent);
        }
        uint56[] memory anchors = named(t);
        for (uint256 i = 0; i < anchors.length; i++) {
            preEntries = abi.encodePacked(preEntries, anchors[i]);
            if (i < s.opened.length) {
                preEntries = bytes.concat(preEntries, bytes32(0));
            } else {
                preEntries = abi.encodePacked(preEntries, rootBefore(t.pre[s.fresh.length + i - s.opened.length]), t.id);
            }
        }
        return keccak256(abi.encodePacked(preEntries, s.encode(), uint8(s.fresh.length + anchors.length)));
    }

    /// @dev Of a step as drafted.
    function proofGas(Trial memory t) internal pure returns (uint256) {
        return Bound.proof(t.draft, sizes(t, trees(t.pre)));
    }

    function sizes(Trial memory t, bytes memory trees_) internal pure returns (Bound.Sizes memory z) {
        z.step = t.step.encode().length;
        z.evidence = 187 + 20 * t.header.rules.length + z.step + 7 * named(t).length + trees_.length;
        uint256 rest = trees_.length;
        for (uint256 i = 0; i < t.pre.length; i++) {
            rest -= statesOf(t.pre[i]).length;
            for (uint256 j = 0; j < t.pre[i].states.length; j++) {
                z.states += t.pre[i].states[j].length;
            }
        }
        z.siblings = rest / 32;
    }

    // ---------------------------------------------------------------- verdicts

    function verdict(Trial memory t) internal view returns (bool) {
        return verifier.verify(evidence(t), t.bridge);
    }

    /// @dev What the verifier hands to the evaluation's frame. Under the highest ceiling, for it evaluates nothing beyond it.
    function evaluationInput(bytes memory proof) internal returns (bytes memory input) {
        for (uint256 i = 0; i < 4; i++) {
            proof[124 + 50 + i] = 0xff;
        }
        vm.startStateDiffRecording();
        verifier.verify(proof, address(bridge));
        Vm.AccountAccess[] memory accesses = vm.stopAndReturnStateDiff();
        for (uint256 i = 0; i < accesses.length; i++) {
            if (bytes4(accesses[i].data) == verifier.evaluate.selector) return accesses[i].data;
        }
        revert("no evaluation");
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

    /// @dev There was no verdict, for want of gas. Returns how much is asked for.
    function assertNeedGas(bool done, bytes memory output, string memory what) internal pure returns (uint256 needed) {
        assertFalse(done, what);
        assertEq(output.length, 68, what);
        assertEq(bytes4(output), IEvidenceErrors.NeedGas.selector, what);
        assembly ("memory-safe") {
            needed := mload(add(output, 36))
        }
    }

    /// @dev Code that returns these bytes, whatever it is asked.
    function returning(bytes memory data) internal pure returns (bytes memory) {
        return _copying(data, 0xf3);
    }

    /// @dev Code that reverts with them.
    function reverting(bytes memory data) internal pure returns (bytes memory) {
        return _copying(data, 0xfd);
    }

    /// @dev Copies what follows the code to memory, then ends with this instruction.
    function _copying(bytes memory data, uint8 end) private pure returns (bytes memory) {
        return abi.encodePacked(hex"61", uint16(data.length), hex"80600c6000396000", end, data);
    }

    // ---------------------------------------------------------------- steps of a puppet

    /// @dev A fragment under a rule, as if an earlier batch had opened it.
    function vault(address rule, IRule.Asset[] memory assets, bytes memory data) internal pure returns (Anchor memory) {
        return Anchor(
            idAt(DEPLOYMENT_BLOCK + 40, 9) * 65_536 + 3,
            idAt(DEPLOYMENT_BLOCK + 45, 2),
            unleased(3, rule, 0, assets, data)
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
        return openEffect(0, kind, controller);
    }

    function openEffect(uint8 depth, uint8 kind, address controller) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(5), depth, kind, controller);
    }

    function withdrawEffect(uint8 from, address recipient, address token, uint128 amount)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodePacked(uint8(6), from, recipient, token, amount);
    }

    function controllerEffect(uint8 fragment, uint8 kind, address controller) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(7), fragment, kind, controller);
    }

    function leaseEffect(uint8 fragment, address holder, uint64 last) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(8), fragment, holder, last);
    }

    function leafEffect(uint8 header_, uint8 kind, address controller) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(9), header_, kind, controller);
    }

    function meaningEffect(uint8 authorisation, Meaning memory meaning) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(10), authorisation, meaning.typeHash, meaning.intent);
    }

    /// @dev keccak(rule ‖ tag) with its highest bit set.
    function issued(address rule, bytes32 tag) internal pure returns (bytes32) {
        return bytes32(uint256(keccak256(bytes.concat(bytes20(rule), tag))) | 2 ** 255);
    }
}
