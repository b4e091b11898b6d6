// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {BatchId} from "../types/BatchId.sol";
import {HeadLib} from "../types/Head.sol";
import {CommitmentTree} from "./CommitmentTree.sol";

/// @notice Walks the steps of a batch: checks their shape, moves the anchors' heads, and commits to what was done.
/// Runs no rule and checks no signature. The inner loops are assembly, because each user root of each batch pays for them;
/// test/unit/SubmissionReference.t.sol holds them to a plain Solidity version.
library Submission {
    /// @notice Step `index` is not of the form that docs/spec.md gives.
    error MalformedStep(uint256 index);
    /// @notice Bytes follow the last step, or entries are fewer than announced.
    error MalformedBatch();
    /// @notice Every step names an anchor that somebody else has moved, or that is frozen.
    error NothingApplied();
    /// @notice The batch has more withdrawals than its word has bits.
    error TooManyWithdrawals(uint256 limit);

    uint256 internal constant MAX_BODY = 16_384;
    uint256 internal constant MAX_TOUCHES = 16;
    uint256 internal constant MAX_WITHDRAWALS = 24;

    uint256 private constant STEP_HEADER = 4;
    uint256 private constant FRESH_SIZE = 39; // anchor id ‖ root ‖ parent id
    uint256 private constant OPENED_SIZE = 27; // root
    uint256 private constant AGAIN_SIZE = 29; // entry number ‖ root
    uint256 private constant WITHDRAWAL_SIZE = 56; // recipient ‖ token ‖ amount
    uint256 private constant ENTRY_SIZE = 39; // anchor id ‖ head before

    /// @dev Set on an entry that is stale, or that a skipped step named or took. Its low 56 bits are the anchor id.
    uint256 private constant POISONED = 1 << 255;

    struct Result {
        uint256 entriesWritten;
        bytes32 entriesHash;
        bytes32 stepRoot;
        uint256 withdrawals;
        bytes32 withdrawalRoot;
        bool anySkipped;
        bytes skipped; // bit i: step i was skipped
    }

    /// @dev Memory of the walk. `list` must stay last: it grows, and each step is hashed right behind it.
    struct Walk {
        uint256 id; // of the batch
        uint256 newest; // heads whose id is not below are stale
        uint256 entries; // where the entry words start
        uint256 entryEnd; // end of the entry words taken so far
        uint256 list; // end of the list of pre-entries written
        uint256 leaves; // end of the withdrawal leaves
    }

    /// @dev Numbers of a step's header, and where its parts start in calldata.
    struct Step {
        uint256 start;
        uint256 fresh;
        uint256 opened;
        uint256 again;
        uint256 withdrawals;
        uint256 size;
    }

    /// @param steps The batch without its header
    /// @param id The batch's own id, newer than every head
    /// @param newest Heads whose id is not below this are stale: after the clock, or frozen
    function walk(bytes calldata steps, uint256 stepCount, uint256 entryCount, BatchId id, uint256 newest)
        internal
        returns (Result memory result)
    {
        result.skipped = new bytes((stepCount + 7) / 8);
        Walk memory w;
        Step memory step;
        w.id = BatchId.unwrap(id);
        w.newest = newest;
        uint256 commitments;
        uint256 leaves;
        uint256 list;
        assembly ("memory-safe") {
            commitments := mload(0x40)
            leaves := add(commitments, shl(5, stepCount))
            let entries := add(leaves, shl(5, MAX_WITHDRAWALS))
            list := add(entries, shl(5, entryCount))
            mstore(0x40, list) // what is written behind is scratch: nothing is allocated before this function ends
        }
        w.leaves = leaves;
        w.entries = leaves + 32 * MAX_WITHDRAWALS;
        w.entryEnd = w.entries;
        w.list = list;

        uint256 end;
        assembly ("memory-safe") {
            end := add(steps.offset, steps.length)
            mstore(step, steps.offset)
        }
        uint256 applied;
        for (uint256 i; i < stepCount; ++i) {
            if (!_parse(step, end) || w.entryEnd + 32 * (step.fresh + step.opened) > list) revert MalformedStep(i);
            (bool ordered, bytes32 commitment) = _apply(w, step);
            if (!ordered) revert MalformedStep(i);
            if (commitment != 0) {
                ++applied;
            } else {
                result.anySkipped = true;
                result.skipped[i / 8] |= bytes1(uint8(1 << (i % 8)));
            }
            assembly ("memory-safe") {
                mstore(add(commitments, shl(5, i)), commitment)
            }
            unchecked {
                step.start += step.size;
            }
        }
        if (step.start != end || w.entryEnd != list) revert MalformedBatch();
        if (applied == 0) revert NothingApplied();

        result.entriesWritten = (w.list - list) / ENTRY_SIZE;
        result.withdrawals = (w.leaves - leaves) / 32;
        bytes32 entriesHash;
        assembly ("memory-safe") {
            entriesHash := keccak256(list, sub(mload(add(w, 0x80)), list))
        }
        result.entriesHash = entriesHash;
        result.stepRoot = CommitmentTree.rootInPlace(commitments, stepCount);
        if (result.withdrawals != 0) result.withdrawalRoot = CommitmentTree.rootInPlace(leaves, result.withdrawals);
    }

    /// @dev Reads the header of the step at `step.start`. False if the step is too large or passes `end`.
    function _parse(Step memory step, uint256 end) private pure returns (bool) {
        unchecked {
            uint256 start = step.start;
            uint256 header;
            assembly ("memory-safe") {
                header := shr(224, calldataload(start)) // zeros beyond the calldata: no touches, hence refused
            }
            uint256 body = header >> 16;
            uint256 fresh = (header >> 12) & 15;
            uint256 opened = (header >> 8) & 15;
            uint256 again = (header >> 4) & 15;
            uint256 withdrawals = header & 15;
            uint256 size = STEP_HEADER + FRESH_SIZE * fresh + OPENED_SIZE * opened + AGAIN_SIZE * again
                + WITHDRAWAL_SIZE * withdrawals + body;
            uint256 touches = fresh + opened + again;
            (step.fresh, step.opened, step.again) = (fresh, opened, again);
            (step.withdrawals, step.size) = (withdrawals, size);
            return touches != 0 && touches <= MAX_TOUCHES && body <= MAX_BODY && start + size <= end;
        }
    }

    /// @dev Applies a step or, if one of its touches is stale or poisoned, takes back what it wrote and poisons its
    /// entries.
    /// @return ordered False if its repeated touches are not ascending entries of earlier steps
    /// @return commitment Zero if the step was skipped
    function _apply(Walk memory w, Step memory step) private returns (bool ordered, bytes32 commitment) {
        uint256 listStart = w.list;
        uint256 tagSlot = HeadLib.SLOT_TAG;
        uint256 stale;
        uint256 pos; // where the hashed region ends so far
        ordered = true;
        assembly ("memory-safe") {
            let id := mload(w)
            let bound := sub(mload(add(w, 0x20)), 1)
            let entry := mload(add(w, 0x60))
            let firstEntry := entry
            pos := listStart
            let from := add(mload(step), STEP_HEADER)
            let end := add(from, mul(FRESH_SIZE, mload(add(step, 0x20))))

            for {} lt(from, end) { from := add(from, FRESH_SIZE) } {
                let anchor := calldataload(from) // its first 7 bytes
                let claim := calldataload(add(from, 7)) // root ‖ parent id
                let slot := shr(200, anchor)
                mstore(entry, slot)
                slot := or(tagSlot, slot)
                let head := sload(slot)
                mstore(pos, anchor)
                mstore(add(pos, 7), head)
                pos := add(pos, ENTRY_SIZE)
                entry := add(entry, 32)
                let parent := and(claim, 0xffffffffff)
                // Stale: another id than the parent's, or a parent that is zero (wraps) or not below the bound.
                switch or(and(xor(head, claim), 0xffffffffff), iszero(lt(sub(parent, 1), bound)))
                case 0 { sstore(slot, or(xor(claim, parent), id)) }
                default { stale := 1 }
            }

            end := add(from, mul(OPENED_SIZE, mload(add(step, 0x40))))
            for {} lt(from, end) { from := add(from, OPENED_SIZE) } {
                // Anchor id: batch id ‖ entry number. The id is new, so the slot is empty.
                let anchor := or(shl(16, id), shr(5, sub(entry, mload(add(w, 0x40)))))
                mstore(entry, anchor)
                mstore(pos, shl(200, anchor))
                mstore(add(pos, 7), 0)
                pos := add(pos, ENTRY_SIZE)
                entry := add(entry, 32)
                sstore(or(tagSlot, anchor), or(shl(40, shr(40, calldataload(from))), id))
            }
            mstore(add(w, 0x60), entry)
            mstore(add(w, 0x80), pos) // the pre-entries up to here are kept if the step is applied

            end := add(from, mul(AGAIN_SIZE, mload(add(step, 0x60))))
            let lowest := mload(add(w, 0x40))
            for {} lt(from, end) { from := add(from, AGAIN_SIZE) } {
                let place := add(mload(add(w, 0x40)), shl(5, shr(240, calldataload(from))))
                if or(lt(place, lowest), iszero(lt(place, firstEntry))) {
                    ordered := 0
                    break
                }
                lowest := add(place, 32)
                let anchor := mload(place)
                // A poisoned entry's head may be anybody's: it is not written.
                switch shr(255, anchor)
                case 0 {
                    let slot := or(tagSlot, anchor)
                    mstore(pos, shl(200, anchor))
                    mstore(add(pos, 7), sload(slot))
                    sstore(slot, or(shl(40, shr(40, calldataload(add(from, 2)))), id))
                }
                default { stale := 1 }
                pos := add(pos, ENTRY_SIZE)
            }

            if ordered {
                switch stale
                case 0 {
                    // pre-entries ‖ step ‖ number of touches
                    let size := mload(add(step, 0xa0))
                    calldatacopy(pos, mload(step), size)
                    let last := add(pos, size)
                    mstore8(last, div(sub(pos, listStart), ENTRY_SIZE))
                    commitment := keccak256(listStart, add(sub(last, listStart), 1))
                }
                default { mstore(add(w, 0x80), listStart) }
            }
        }
        if (!ordered) return (false, 0);
        if (stale != 0) _undo(w, step, listStart);
        else if (step.withdrawals != 0) _withdraw(w, step);
    }

    /// @dev Restores the heads that the step wrote, last first (an anchor may stand in it twice), and poisons its
    /// entries. The pre-entries still lie behind `listStart`.
    function _undo(Walk memory w, Step memory step, uint256 listStart) private {
        uint256 taken = step.fresh + step.opened;
        uint256 firstEntry = w.entryEnd - 32 * taken;
        uint256 againAt = step.start + STEP_HEADER + FRESH_SIZE * step.fresh + OPENED_SIZE * step.opened;
        for (uint256 i = taken + step.again; i > 0;) {
            --i;
            uint256 place;
            if (i < taken) {
                place = firstEntry + 32 * i;
            } else {
                uint256 from = againAt + AGAIN_SIZE * (i - taken);
                assembly ("memory-safe") {
                    place := shr(240, calldataload(from))
                }
                place = w.entries + 32 * place;
            }
            uint256 tagSlot = HeadLib.SLOT_TAG;
            assembly ("memory-safe") {
                let anchor := mload(place)
                if iszero(shr(255, anchor)) {
                    // A stale touch wrote nothing; its pre-entry is the head as it still is.
                    sstore(or(tagSlot, anchor), mload(add(listStart, add(mul(ENTRY_SIZE, i), 7))))
                    mstore(place, or(anchor, POISONED))
                }
            }
        }
    }

    /// @dev Appends the leaves of an applied step's withdrawals.
    function _withdraw(Walk memory w, Step memory step) private pure {
        uint256 leaves = w.leaves;
        if (leaves + 32 * step.withdrawals > w.entries) revert TooManyWithdrawals(MAX_WITHDRAWALS);
        uint256 from =
            step.start + STEP_HEADER + FRESH_SIZE * step.fresh + OPENED_SIZE * step.opened + AGAIN_SIZE * step.again;
        for (uint256 i; i < step.withdrawals; ++i) {
            assembly ("memory-safe") {
                let scratch := mload(add(w, 0x80)) // behind the list
                calldatacopy(scratch, from, WITHDRAWAL_SIZE)
                mstore(leaves, keccak256(scratch, WITHDRAWAL_SIZE))
            }
            leaves += 32;
            from += WITHDRAWAL_SIZE;
        }
        w.leaves = leaves;
    }
}
