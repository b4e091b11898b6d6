// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../../contracts/interfaces/IRule.sol";
import {CohortTree} from "./CohortTree.sol";
import {Draft} from "./Drafts.sol";
import {Anchor, Call, Cohort, Leaf, Node, Signed, State, unleased} from "./Shapes.sol";
import {Trials} from "./Trials.sol";

/// @notice Steps on cohorts. Alice's anchor is one: her fragment is its header.
abstract contract CohortTrials is Trials {
    /// @dev A leaf that the step leaves as it is.
    function leaf(uint24 index, State memory state) internal pure returns (Leaf memory) {
        return Leaf(index, state, state);
    }

    /// @dev A leaf that the step opens.
    function empty(uint24 index, State memory next) internal pure returns (Leaf memory l) {
        l.index = index;
        l.next = next;
    }

    function leaves(Leaf memory x) internal pure returns (Leaf[] memory list) {
        list = new Leaf[](1);
        list[0] = x;
    }

    function leaves(Leaf memory x, Leaf memory y) internal pure returns (Leaf[] memory list) {
        list = new Leaf[](2);
        (list[0], list[1]) = (x, y);
    }

    /// @dev The rest of a tree whose header and `list` a step works on, with something under every node.
    function dense(uint8 depth, Leaf[] memory list) internal pure returns (Node[] memory rest) {
        rest = new Node[](uint256(depth) * (list.length + 1));
        uint256[] memory path = new uint256[](list.length + 1);
        for (uint256 i = 0; i < list.length; i++) {
            path[i + 1] = list[i].index;
        }
        uint256 count = 0;
        for (uint8 level = 0; level < depth; level++) {
            for (uint256 i = 0; i < path.length; i++) {
                uint256 sibling = path[i] % 2 == 0 ? path[i] + 1 : path[i] - 1;
                bool worked = i > 0 && path[i] == path[i - 1]; // seen already
                for (uint256 j = 0; j < path.length; j++) {
                    if (path[j] == sibling) worked = true;
                }
                if (!worked) rest[count++] = Node(level, uint24(sibling), keccak256(abi.encode(level, sibling)));
            }
            for (uint256 i = 0; i < path.length; i++) {
                path[i] /= 2;
            }
        }
        assembly ("memory-safe") {
            mstore(rest, count)
        }
    }

    function cohort(uint8 depth, Leaf[] memory list) internal pure returns (Cohort memory) {
        return Cohort(depth, list, dense(depth, list));
    }

    /// @dev Consent of a leaf of Alice's cohort to a call of the Account rule, at nonce 0.
    function consent(uint8 position, uint24 index, address who, bytes memory payload, IRule.Asset[] memory outflows)
        internal
        view
        returns (Signed memory)
    {
        return sign(unsigned(position, payload, outflows), account, fragmentId(a(), index), 0, keyOf[who]);
    }

    /// @dev Alice's header pays a leaf of Bob's, who consents.
    function payLeaf(uint8 depth, uint24 index) internal view returns (Draft memory d) {
        d = draft(1, 0, 0, 0, 1);
        d.fresh[0] = a();
        d.freshAfter[0] = unleased(1, alice, 1, one(ETH, 5 ether - 4), "");
        Leaf memory bobs = leaf(index, userState(bob, one(ETH, 9)));
        bobs.next = unleased(1, bob, 1, one(ETH, 13), "");
        d.freshCohorts[0] = cohort(depth, leaves(bobs));
        d.calls[0] = Call(0, RULE_GAS, MAX_EFFECTS, ids(0, 1), new Signed[](2), "");
        d.calls[0].signed[0] = consent(0, 0, alice, pay(fragmentId(a(), index), ETH, 4), one(ETH, 4));
        d.calls[0].signed[1] = consent(1, index, bob, "", noAssets());
    }

    /// @dev A leaf of Bob's withdraws. The header is not listed.
    function withdrawLeaf(uint8 depth, uint24 index) internal view returns (Draft memory d) {
        d = draft(1, 0, 0, 1, 1);
        d.fresh[0] = a();
        d.freshAfter[0] = a().state;
        Leaf memory bobs = leaf(index, userState(bob, one(ETH, 9)));
        bobs.next = unleased(1, bob, 1, one(ETH, 5), "");
        d.freshCohorts[0] = cohort(depth, leaves(bobs));
        d.calls[0] = Call(0, RULE_GAS, MAX_EFFECTS, ids(1), new Signed[](1), "");
        d.calls[0].signed[0] = consent(0, index, bob, withdraw(carol, address(0), 4), one(ETH, 4));
        d.withdrawals[0].recipient = carol;
        d.withdrawals[0].amount = 4;
    }

    /// @dev Alice opens a leaf for Bob, and pays 4 into it.
    function openLeafStep(uint8 depth, uint24 index) internal view returns (Draft memory d) {
        d = solo(a(), openLeaf(1, bob, one(ETH, 4)), one(ETH, 4), 0, 0);
        d.freshAfter[0].assets = one(ETH, 5 ether - 4);
        d.freshCohorts[0] = cohort(depth, leaves(empty(index, userState(bob, one(ETH, 4)))));
    }

    /// @dev A leaf under the puppet.
    function puppetLeaf(uint24 index, bytes memory written) internal view returns (Leaf memory l) {
        l = leaf(index, unleased(3, rules[0], 0, one(ETH, 9), hex"aa"));
        l.next = unleased(3, rules[0], 0, one(ETH, 9), written);
    }

    /// @dev Writes `written` to the step's fragments 1, 2, …, leaves of one cohort under the puppet.
    function writeLeaves(uint8 depth, uint24[] memory indices) internal view returns (Draft memory d) {
        d = draft(1, 0, 0, 0, 1);
        d.fresh[0] = a();
        d.freshAfter[0] = a().state;
        Leaf[] memory list = new Leaf[](indices.length);
        d.calls[0] = Call(PUPPET, RULE_GAS, 8192, new uint8[](indices.length), new Signed[](0), "");
        for (uint8 i = 0; i < indices.length; i++) {
            bytes memory written = abi.encodePacked(i);
            list[i] = puppetLeaf(indices[i], written);
            d.calls[0].fragments[i] = i + 1;
            d.calls[0].extra = bytes.concat(d.calls[0].extra, write(i, written));
        }
        d.freshCohorts[0] = cohort(depth, list);
    }
}
