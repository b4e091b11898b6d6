// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {BatchId} from "../../contracts/types/BatchId.sol";
import {Status} from "../../contracts/types/BatchWord.sol";
import {Codec} from "./Codec.sol";
import {Drafts} from "./Drafts.sol";
import {Anchor, Header, Posted, State, Step, Walked} from "./Shapes.sol";
import {Tree} from "./Tree.sol";
import {IHeads, Walk} from "./Walk.sol";

/// @notice Deposits, batches and evidence, each held to docs/spec.md on the way.
abstract contract Posting is Drafts {
    using Codec for *;

    uint32 internal constant CEILING = 1_000_000;

    // ---------------------------------------------------------------- deposits

    function depositEth(address who, uint128 amount) internal returns (Anchor memory) {
        vm.deal(address(this), amount);
        uint40 id = BatchId.unwrap(bridge.deposit{value: amount}(keyFor(who)));
        return Anchor(uint56(id) * 65_536, id, userState(who, one(ETH, amount)));
    }

    // ---------------------------------------------------------------- batches

    function header(Step[] memory list, uint16 slot) internal view returns (Header memory h) {
        uint256 entries = 0;
        for (uint256 i = 0; i < list.length; i++) {
            entries += list[i].fresh.length + list[i].opened.length;
        }
        h = Header({
            version: 1,
            availability: 0,
            chainId: uint64(block.chainid),
            clock: uint64(block.number - 1),
            clockHash: blockhash(block.number - 1),
            ceiling: CEILING,
            slot: slot,
            stepCount: uint16(list.length),
            entryCount: uint16(entries),
            rules: new address[](0)
        });
    }

    function batchBytes(Header memory h, Step[] memory list) internal pure returns (bytes memory) {
        bytes[] memory parts = new bytes[](list.length + 1);
        parts[0] = h.encode();
        for (uint256 i = 0; i < list.length; i++) {
            parts[i + 1] = list[i].encode();
        }
        return Codec.join(parts);
    }

    /// @dev Sends a batch straight from `who`, as an account without code.
    function send(address who, bytes memory batch) internal returns (uint40) {
        vm.prank(who, who);
        return BatchId.unwrap(bridge.submit(batch));
    }

    function post(Step[] memory list) internal returns (Posted memory) {
        return post(proposer, header(list, 0), list);
    }

    function post(Step[] memory list, uint16 slot) internal returns (Posted memory) {
        return post(proposer, header(list, slot), list);
    }

    /// @dev Posts a batch and checks that the bridge did what the reference says.
    function post(address who, Header memory h, Step[] memory list) internal returns (Posted memory p) {
        p = expectPosted(who, h, list, nextId());
        bytes memory batch = batchBytes(h, list);
        uint40 id = send(who, batch);
        assertEq(id, p.id, "batch id");
        assertEq(bridge.wordOf(who, h.slot), wordOf(p), "batch word");
        for (uint256 i = 0; i < p.walked.count; i++) {
            assertEq(bridge.headOf(p.walked.anchors[i]), p.walked.heads[i], "head");
        }
    }

    /// @dev The batch as it will stand on L1 if it gets this id.
    function expectPosted(address who, Header memory h, Step[] memory list, uint40 id)
        internal
        view
        returns (Posted memory p)
    {
        uint256 bound = (uint256(h.clock) - DEPLOYMENT_BLOCK + 1) * 8192;
        if (bridge.oldestFault() < bound) bound = bridge.oldestFault();
        p.id = id;
        p.proposer = who;
        p.header = h.encode();
        p.walked = Walk.walk(IHeads(address(bridge)), list, id, bound);
        p.preimage = Codec.preimage(id, who, p.walked, p.header);
        _nameAnchors(p, list);
    }

    /// @dev Anchor ids of opened and repeated touches, and the steps' bytes.
    function _nameAnchors(Posted memory p, Step[] memory list) private pure {
        uint56[] memory entries = new uint56[](600);
        uint256 taken = 0;
        p.steps = new bytes[](list.length);
        p.opened = new uint56[][](list.length);
        p.again = new uint56[][](list.length);
        for (uint256 i = 0; i < list.length; i++) {
            Step memory s = list[i];
            p.steps[i] = s.encode();
            for (uint256 j = 0; j < s.fresh.length; j++) {
                entries[taken++] = s.fresh[j].anchor;
            }
            p.opened[i] = new uint56[](s.opened.length);
            for (uint256 j = 0; j < s.opened.length; j++) {
                p.opened[i][j] = uint56(p.id) * 65_536 + uint56(taken);
                entries[taken++] = p.opened[i][j];
            }
            p.again[i] = new uint56[](s.again.length);
            for (uint256 j = 0; j < s.again.length; j++) {
                p.again[i][j] = entries[s.again[j].entry];
            }
        }
    }

    /// @dev The live word of a batch with nothing paid, posted in the present block's id.
    function wordOf(Posted memory p) internal pure returns (uint256) {
        uint256 count = p.walked.leaves.length;
        uint256 unpaid = count > 24 ? 2 ** 52 + count : 2 ** count - 1;
        return uint256(bytes32(bytes25(keccak256(p.preimage)))) + (uint256(p.id) / 8192) * 2 ** 24 + unpaid;
    }

    /// @dev The global word's last id tells what comes next. It is slot 0.
    function nextId() internal view returns (uint40) {
        uint40 last = uint40(uint256(vm.load(address(bridge), 0)));
        uint40 first = idAt(block.number, 1);
        return last + 1 > first ? last + 1 : first;
    }

    /// @dev An anchor that step `index` opened, as it stands after the batch.
    function openedBy(Posted memory p, uint256 index, uint256 i, State memory state)
        internal
        pure
        returns (Anchor memory)
    {
        return Anchor(p.opened[index][i], p.id, state);
    }

    // ---------------------------------------------------------------- evidence and openings

    function evidence(Posted memory p, uint256 index, bytes[] memory states) internal pure returns (bytes memory) {
        uint56[] memory anchors = new uint56[](p.opened[index].length + p.again[index].length);
        for (uint256 i = 0; i < p.opened[index].length; i++) {
            anchors[i] = p.opened[index][i];
        }
        for (uint256 i = 0; i < p.again[index].length; i++) {
            anchors[p.opened[index].length + i] = p.again[index][i];
        }
        bytes memory siblings = Tree.opening(p.walked.commitments, index);
        return Codec.evidence(p.preimage, uint16(index), siblings, p.steps[index], anchors, states);
    }

    /// @dev The position-th withdrawal's opening.
    function withdrawalOpening(Posted memory p, uint256 position) internal pure returns (bytes memory) {
        return Tree.opening(p.walked.leaves, position);
    }

    function challenge(bytes memory evidence_, bytes memory entries) internal {
        vm.prank(challenger);
        bridge.challenge(evidence_, entries);
    }

    function assertStatus(Posted memory p, Status expected) internal view {
        assertEq(uint8(bridge.status(p.preimage)), uint8(expected), "status");
    }
}
