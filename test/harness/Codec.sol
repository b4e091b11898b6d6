// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Again, Call, Fresh, Header, Lease, Meaning, Signed, State, Step, Walked} from "./Shapes.sol";

/// @notice The wire format, written from docs/spec.md and from nothing else. Plain and slow: the contracts are held to it.
library Codec {
    // ---------------------------------------------------------------- fragments

    function encode(State memory state) internal pure returns (bytes memory out) {
        bool leased = state.lease.holder != address(0) || state.lease.last != 0;
        out = abi.encodePacked(bytes1(0), state.kind + (leased ? 0x80 : 0), state.controller, state.nonce);
        if (leased) out = abi.encodePacked(out, state.lease.holder, state.lease.last);
        out = abi.encodePacked(out, uint8(state.assets.length));
        for (uint256 i = 0; i < state.assets.length; i++) {
            out = bytes.concat(out, abi.encodePacked(state.assets[i].id, state.assets[i].amount));
        }
        out = abi.encodePacked(out, uint16(state.data.length), state.data);
    }

    /// @dev Of a leaf that is not there: zero.
    function value(State memory state) internal pure returns (bytes32) {
        return state.kind == 0 ? bytes32(0) : keccak256(encode(state));
    }

    /// @dev Of an anchor that is one fragment.
    function root(State memory state) internal pure returns (bytes27) {
        return bytes27(keccak256(encode(state)));
    }

    /// @dev Head of an anchor with this state, written by `id`.
    function head(State memory state, uint40 id) internal pure returns (bytes32) {
        return bytes32(abi.encodePacked(root(state), id));
    }

    function copy(State memory state) internal pure returns (State memory out) {
        out = State({
            kind: state.kind,
            controller: state.controller,
            nonce: state.nonce,
            assets: new IRule.Asset[](state.assets.length),
            data: state.data,
            lease: Lease(state.lease.holder, state.lease.last)
        });
        for (uint256 i = 0; i < state.assets.length; i++) {
            out.assets[i] = IRule.Asset(state.assets[i].id, state.assets[i].amount);
        }
    }

    // ---------------------------------------------------------------- batches

    function encode(Header memory h) internal pure returns (bytes memory out) {
        out = abi.encodePacked(h.version, h.availability, h.chainId, h.clock, h.clockHash, h.ceiling, h.slot);
        out = abi.encodePacked(out, h.stepCount, h.entryCount, uint8(h.rules.length));
        for (uint256 i = 0; i < h.rules.length; i++) {
            out = abi.encodePacked(out, h.rules[i]);
        }
    }

    function encode(Step memory step) internal pure returns (bytes memory out) {
        out = abi.encodePacked(
            uint16(step.body.length),
            uint8(step.fresh.length * 16 + step.opened.length),
            uint8(step.again.length * 16 + step.withdrawals.length)
        );
        for (uint256 i = 0; i < step.fresh.length; i++) {
            out = abi.encodePacked(out, step.fresh[i].anchor, step.fresh[i].root, step.fresh[i].parent);
        }
        for (uint256 i = 0; i < step.opened.length; i++) {
            out = abi.encodePacked(out, step.opened[i]);
        }
        for (uint256 i = 0; i < step.again.length; i++) {
            out = abi.encodePacked(out, step.again[i].entry, step.again[i].root);
        }
        for (uint256 i = 0; i < step.withdrawals.length; i++) {
            out = bytes.concat(out, encode(step.withdrawals[i]));
        }
        out = bytes.concat(out, step.body);
    }

    function encode(IBridge.Withdrawal memory w) internal pure returns (bytes memory) {
        return abi.encodePacked(w.recipient, w.token, w.amount);
    }

    /// @dev Concatenation of many: `bytes.concat` in a loop would copy the front again for each.
    function join(bytes[] memory parts) internal pure returns (bytes memory out) {
        uint256 size = 0;
        for (uint256 i = 0; i < parts.length; i++) {
            size += parts[i].length;
        }
        out = new bytes(size);
        uint256 place = 0;
        for (uint256 i = 0; i < parts.length; i++) {
            for (uint256 j = 0; j < parts[i].length; j++) {
                out[place++] = parts[i][j];
            }
        }
    }

    function preimage(uint40 id, address proposer, Walked memory w, bytes memory header)
        internal
        pure
        returns (bytes memory)
    {
        return bytes.concat(
            abi.encodePacked(id, proposer, uint8(w.leaves.length), uint16(w.entriesWritten), keccak256(w.entries)),
            w.stepRoot,
            w.withdrawalRoot,
            header
        );
    }

    // ---------------------------------------------------------------- bodies

    function encode(Signed memory a) internal pure returns (bytes memory out) {
        out = abi.encodePacked(a.position, a.validUntil, uint8(a.outflows.length));
        for (uint256 i = 0; i < a.outflows.length; i++) {
            out = abi.encodePacked(out, a.outflows[i].id, a.outflows[i].amount);
        }
        out = abi.encodePacked(out, uint16(a.payload.length), a.payload, a.scheme, a.signature);
    }

    function encode(Call memory c) internal pure returns (bytes memory out) {
        out = abi.encodePacked(c.rule, c.gasLimit, c.maxEffects, uint8(c.fragments.length));
        for (uint256 i = 0; i < c.fragments.length; i++) {
            out = abi.encodePacked(out, c.fragments[i]);
        }
        out = abi.encodePacked(out, uint8(c.signed.length));
        for (uint256 i = 0; i < c.signed.length; i++) {
            out = bytes.concat(out, encode(c.signed[i]));
        }
        out = abi.encodePacked(out, uint16(c.extra.length), c.extra);
    }

    /// @dev `table`: the further leaves of each fresh, then each repeated touch. If there are none it is left out.
    function body(uint24[][] memory table, Call[] memory calls) internal pure returns (bytes memory out) {
        bytes memory leaves = hex"01";
        bool any = false;
        for (uint256 i = 0; i < table.length; i++) {
            leaves = abi.encodePacked(leaves, uint8(table[i].length));
            for (uint256 j = 0; j < table[i].length; j++) {
                leaves = abi.encodePacked(leaves, table[i][j]);
                any = true;
            }
        }
        out = bytes.concat(any ? leaves : bytes(hex"00"), bytes1(uint8(calls.length)));
        for (uint256 i = 0; i < calls.length; i++) {
            out = bytes.concat(out, encode(calls[i]));
        }
    }

    // ---------------------------------------------------------------- signatures

    function domain(uint256 chainId, address bridge) internal pure returns (bytes32) {
        bytes32 typeHash =
            keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        return keccak256(abi.encode(typeHash, keccak256("nthroot"), keccak256("1"), chainId, bridge));
    }

    /// @dev What an authorisation means whose rule does not say so: its payload.
    function plain(Signed memory a) internal pure returns (Meaning memory) {
        return Meaning(
            keccak256(
                "Authorisation(bytes intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)Outflow(bytes32 asset,uint128 amount)"
            ),
            keccak256(a.payload)
        );
    }

    function digest(bytes32 domain_, address rule, uint80 fragment, uint64 nonce, Signed memory a)
        internal
        pure
        returns (bytes32)
    {
        return digest(domain_, rule, fragment, nonce, a, plain(a));
    }

    function digest(
        bytes32 domain_,
        address rule,
        uint80 fragment,
        uint64 nonce,
        Signed memory a,
        Meaning memory meaning
    ) internal pure returns (bytes32) {
        bytes memory outflows;
        for (uint256 i = 0; i < a.outflows.length; i++) {
            bytes32 hash = keccak256(
                abi.encode(keccak256("Outflow(bytes32 asset,uint128 amount)"), a.outflows[i].id, a.outflows[i].amount)
            );
            outflows = bytes.concat(outflows, hash);
        }
        bytes32 structHash = keccak256(
            abi.encode(meaning.typeHash, meaning.intent, rule, fragment, nonce, a.validUntil, keccak256(outflows))
        );
        return keccak256(bytes.concat(hex"1901", domain_, structHash));
    }

    // ---------------------------------------------------------------- evidence

    /// @dev Section 7. `trees`: of the fresh and repeated touches, depths and pre-states, then the siblings.
    function evidence(
        bytes memory preimage_,
        uint16 index,
        bytes memory siblings,
        bytes memory step,
        uint56[] memory anchors,
        bytes memory trees
    ) internal pure returns (bytes memory out) {
        out = abi.encodePacked(preimage_, index, siblings, step);
        for (uint256 i = 0; i < anchors.length; i++) {
            out = abi.encodePacked(out, anchors[i]);
        }
        out = bytes.concat(out, trees);
    }

    /// @dev The same, if every anchor is a single fragment with one of these pre-states.
    function evidence(
        bytes memory preimage_,
        uint16 index,
        bytes memory siblings,
        bytes memory step,
        uint56[] memory anchors,
        bytes[] memory states
    ) internal pure returns (bytes memory) {
        bytes memory trees;
        for (uint256 i = 0; i < states.length; i++) {
            trees = abi.encodePacked(trees, uint8(0), uint16(states[i].length), states[i]);
        }
        return evidence(preimage_, index, siblings, step, anchors, trees);
    }
}
