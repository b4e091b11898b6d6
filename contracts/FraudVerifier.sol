// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IFraudVerifier} from "./interfaces/IFraudVerifier.sol";
import {Calldata} from "./libraries/Calldata.sol";
import {Cohort} from "./libraries/Cohort.sol";
import {Evidence} from "./libraries/Evidence.sol";
import {Intents} from "./libraries/Intents.sol";
import {Kernel} from "./libraries/Kernel.sol";
import {Preimage} from "./libraries/Preimage.sol";
import {ProofGas} from "./libraries/ProofGas.sol";
import {Signatures} from "./libraries/Signatures.sol";
import {States} from "./libraries/States.sol";
import {BatchId} from "./types/BatchId.sol";
import {Leaf, LeafLib} from "./types/Leaf.sol";

contract FraudVerifier is IFraudVerifier {
    using Calldata for bytes;
    using Evidence for Evidence.Layout;
    using Evidence for bytes;
    using LeafLib for Leaf[];
    using Preimage for bytes;
    using States for States.State;

    /// @dev How far the roots of a step's anchors are compared.
    struct Cursor {
        uint256 place; // in the list of leaves
        uint256 nodes; // in calldata: siblings still to be taken
        bool refused; // some fragment was not opened, or nobody consented to its being touched
    }

    /// @notice The enshrined rule: index 0 of every rule table.
    address public immutable ACCOUNT;

    constructor(address account) {
        if (!Signatures.hasP256()) revert NoP256Precompile();
        ACCOUNT = account;
    }

    /// @inheritdoc IFraudVerifier
    function verify(bytes calldata evidence, address bridge) external view returns (bool valid) {
        // 1. Bad evidence ends here.
        Evidence.Layout memory loc = evidence.locate();
        evidence.open(loc);

        // 2. A step that cannot be read, runs more than its bytes pay for, or costs more to prove than its batch answers for,
        // is invalid.
        if (!loc.sound) return false;
        uint256 stepSize = loc.anchorsAt - loc.stepAt;
        uint256 nodes = (evidence.length - loc.nodesAt) / 32 + Cohort.MAX_DEPTH * loc.opened;
        uint256 gas_ = ProofGas.base(stepSize + loc.statesSize, loc.leaves.length, nodes);
        bool wellFormed;
        (wellFormed, gas_) = ProofGas.evaluation(
            evidence.slice(loc.bodyAt, loc.anchorsAt - loc.bodyAt),
            loc.callsAt - loc.bodyAt,
            gas_,
            loc.statesSize,
            ProofGas.rules(evidence.stepCount(), stepSize)
        );
        if (!wellFormed || ProofGas.proof(evidence.length, gas_) > evidence.ceiling()) return false;

        // 3. Evaluate in a frame of its own, with gas to spare.
        gas_ += gas_ / 3;
        bytes memory input = abi.encodeCall(this.evaluate, (evidence, bridge, loc.pack()));
        uint256 needed = gas_ + gas_ / 63 + 5000;
        uint256 given = gasleft();
        if (given < needed) revert NeedGas(needed, given);
        bool done;
        bytes32 output;
        bool needGas;
        bytes4 needGasSelector = NeedGas.selector;
        assembly ("memory-safe") {
            given := gas()
            done := staticcall(gas_, address(), add(input, 32), mload(input), 0, 32)
            given := sub(given, gas())
            output := mload(0)
            needGas := and(iszero(done), and(gt(returndatasize(), 3), eq(shl(224, shr(224, output)), needGasSelector)))
        }
        if (done) return uint256(output) == 1;
        // Burnt all it got: the bound is wrong, and no verdict hangs on that.
        if (needGas || given >= gas_) revert NeedGas(needed, given);
        return false;
    }

    /// @inheritdoc IFraudVerifier
    function evaluate(bytes calldata evidence, address bridge, bytes calldata parts)
        external
        view
        returns (bool valid)
    {
        Evidence.Layout memory loc = Evidence.unpack(parts);
        bytes calldata body = evidence.slice(loc.bodyAt, loc.anchorsAt - loc.bodyAt);
        Kernel.Step memory step;
        step.domain = Intents.domain(evidence.chainId(), bridge);
        step.clock = evidence.clock();
        step.proposer = evidence.proposer();
        step.account = ACCOUNT;
        step.withdrawals = new bytes32[](loc.withdrawals);
        if (!_readFragments(evidence, loc, step)) return false;

        uint256 from = loc.callsAt - loc.bodyAt;
        uint256 calls = body.number(from, 1);
        uint256 rules = evidence.ruleCount();
        ++from;
        for (; calls > 0; --calls) {
            uint256 rule = body.number(from, 1);
            if (rule > rules) return false;
            from = Kernel.run(step, rule == 0 ? ACCOUNT : evidence.rule(rule - 1), body, from);
        }
        return _matches(evidence, loc, step);
    }

    /// @dev Takes the pre-states; those to be opened are empty. False if an anchor is leased to another proposer.
    function _readFragments(bytes calldata evidence, Evidence.Layout memory loc, Kernel.Step memory step)
        private
        pure
        returns (bool)
    {
        // Offsets within the evidence, which `locate` has checked.
        unchecked {
            uint256 own = BatchId.unwrap(evidence.batchId());
            Leaf[] memory leaves = loc.leaves;
            Kernel.Work[] memory fragments = Kernel.allocate(leaves.length);
            step.fragments = fragments;
            uint256 anchor;
            bool leased;
            for (uint256 i; i < fragments.length; ++i) {
                Kernel.Work memory work = fragments[i];
                Leaf leaf = leaves.pick(i);
                uint256 touch = leaf.touch();
                bool opened = touch >= loc.fresh && touch < loc.fresh + loc.opened;
                if (opened) {
                    if (touch == loc.fresh) step.nextOpened = i;
                    step.endOpened = i + 1;
                }
                // Still to be opened: leaf 0 of an opened touch, and leaves without a state.
                work.exists = !opened && (leaf.index() == 0 || leaf.size() != 0);
                if (work.exists) States.decode(evidence.slice(leaf.offset(), leaf.size()), work.state);
                if (leaf.index() == 0) {
                    anchor = touch < loc.fresh
                        ? evidence.number(loc.stepAt + 4 + 39 * touch, 7)
                        : evidence.number(loc.anchorsAt + 7 * (touch - loc.fresh), 7);
                    // That of the header holds for the whole anchor. Without one it is zero, which no clock is.
                    uint224 lease = work.state.lease;
                    leased = uint64(lease) >= step.clock;
                    if (leased && lease >> 64 != uint160(step.proposer)) return false;
                }
                work.leased = leased;
                work.depth = leaf.depth();
                work.id = uint80((anchor << 24) | leaf.index());
                work.isNew = anchor >> 16 == own;
                work.state.shown.id = work.isNew ? 0 : work.id;
            }
            return true;
        }
    }

    /// @dev Whether roots and withdrawals came out as the step says, and every touch was consented to.
    function _matches(bytes calldata evidence, Evidence.Layout memory loc, Kernel.Step memory step)
        private
        pure
        returns (bool)
    {
        unchecked {
            if (step.withdrawn != loc.withdrawals) return false;
            uint256 from = loc.withdrawalsAt;
            for (uint256 i; i < loc.withdrawals; ++i) {
                if (keccak256(evidence.slice(from, 56)) != step.withdrawals[i]) return false;
                from += 56;
            }
            from = loc.stepAt + 4;
            uint256 touches = loc.fresh + loc.opened + loc.again;
            Cursor memory cursor;
            assembly ("memory-safe") {
                mstore(add(cursor, 0x20), evidence.offset)
            }
            cursor.nodes += loc.nodesAt;
            for (uint256 touch; touch < touches; ++touch) {
                bool opened = touch >= loc.fresh && touch < loc.fresh + loc.opened;
                bytes32 root = _root(loc.leaves, step.fragments, cursor, opened);
                // Root in a fresh touch behind the anchor id, in a repeated one behind the entry number.
                uint256 rootAt = touch < loc.fresh ? from + 7 : opened ? from : from + 2;
                if (bytes27(root) != bytes27(bytes32(evidence.number(rootAt, 27) << 40))) return false;
                from += touch < loc.fresh ? 39 : opened ? 27 : 29;
            }
            return !cursor.refused;
        }
    }

    /// @dev Root of the anchor whose leaves start at the cursor, as the step left them.
    function _root(Leaf[] memory leaves, Kernel.Work[] memory fragments, Cursor memory cursor, bool opened)
        private
        pure
        returns (bytes32 root)
    {
        unchecked {
            uint256 first = cursor.place;
            uint256 place = first;
            uint256 touch = leaves.pick(first).touch();
            uint256 pairs;
            assembly ("memory-safe") {
                pairs := mload(0x40)
                mstore(0x40, add(pairs, shl(6, add(mload(leaves), 2)))) // pairs, and 65 bytes behind them
            }
            Kernel.Work memory header = fragments[first];
            for (; place < leaves.length; ++place) {
                Leaf leaf = leaves.pick(place);
                if (leaf.touch() != touch) break;
                Kernel.Work memory work = place == first ? header : fragments[place];
                bytes32 value = work.state.hash();
                uint256 index = leaf.index();
                assembly ("memory-safe") {
                    let pair := add(pairs, shl(6, sub(place, first)))
                    mstore(pair, index)
                    mstore(add(pair, 32), value)
                }
                // What was to be opened and was not is not listed either.
                if (!work.listed && index != 0) cursor.refused = true;
            }
            // A header need not be listed, unless it is all that its anchor was touched for.
            if (place == first + 1 && !header.listed) cursor.refused = true;
            cursor.place = place;
            uint256 depth = header.depth;
            // The other leaves of an opened anchor are empty: zeros, as there are behind the calldata.
            uint256 next;
            (root, next) = Cohort.top(pairs, place - first, depth, opened ? msg.data.length : cursor.nodes);
            if (!opened) cursor.nodes = next;
            root = Cohort.root(depth, root);
            assembly ("memory-safe") {
                mstore(0x40, pairs)
            }
        }
    }
}
