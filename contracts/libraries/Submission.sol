// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../interfaces/IBridge.sol";
import {BatchId} from "../types/BatchId.sol";
import {HeadLib} from "../types/Head.sol";
import {CommitmentTree} from "./CommitmentTree.sol";

/// @notice Walks the steps of a batch: checks their shape, moves the anchors' heads, and commits to what was done. Runs no
/// rule and checks no signature.
///
/// Every user root of every batch pays for the inner loops, hence assembly and unchecked arithmetic (on numbers below 2^32):
/// checked Solidity over structs cost 715 gas more per user root. test/unit/SubmissionReference.t.sol holds them to a plain version.
library Submission {
    uint256 private constant MAX_BODY = 16_384;
    uint256 private constant MAX_TOUCHES = 16;
    uint256 private constant MAX_WITHDRAWALS = 255;

    uint256 private constant STEP_HEADER = 4;
    uint256 private constant FRESH_SIZE = 39; // anchor id ‖ root ‖ parent id
    uint256 private constant OPENED_SIZE = 27; // root
    uint256 private constant AGAIN_SIZE = 29; // entry number ‖ root
    uint256 private constant WITHDRAWAL_SIZE = 56; // recipient ‖ token ‖ amount
    uint256 private constant ENTRY_SIZE = 39; // anchor id ‖ head before
    uint256 private constant ID_MASK = (1 << 40) - 1;

    struct Result {
        uint256 entriesWritten;
        bytes32 entriesHash;
        bytes32 stepRoot;
        uint256 withdrawals;
        bytes32 withdrawalRoot;
        bytes skipped; // bit i: step i was skipped; empty if none was
    }

    /// @dev The walk's memory: step commitments, withdrawal leaves, entry words, then the list of pre-entries written. The list comes
    /// last, for it grows, and each step is hashed right behind it. An entry word is the anchor id, with the highest
    /// bit set once the entry is poisoned.
    struct Walk {
        uint256 id; // of the batch
        uint256 newest; // heads whose id is not below are stale
        uint256 commitments;
        uint256 leaves;
        uint256 leavesEnd;
        uint256 entries;
        uint256 list;
        uint256 anySkipped;
        uint256 end; // of the steps in calldata
    }

    /// @param steps The batch without its header
    /// @param id The batch's own id, newer than every head
    /// @param newest Heads whose id is not below this are stale: after the clock, or frozen
    function walk(bytes calldata steps, uint256 stepCount, uint256 entryCount, BatchId id, uint256 newest)
        internal
        returns (Result memory result)
    {
        Walk memory w;
        uint256 start;
        unchecked {
            w.id = BatchId.unwrap(id);
            w.newest = newest;
            assembly ("memory-safe") {
                let commitments := mload(0x40)
                let leaves := add(commitments, shl(5, stepCount))
                // Not more than its bytes can hold: a small batch does not pay for the memory of a large one.
                let most := div(steps.length, WITHDRAWAL_SIZE)
                if gt(most, MAX_WITHDRAWALS) { most := MAX_WITHDRAWALS }
                let entries := add(leaves, shl(5, most))
                start := steps.offset
                mstore(add(w, 0x100), add(steps.offset, steps.length))
                mstore(add(w, 0x40), commitments)
                mstore(add(w, 0x60), leaves)
                mstore(add(w, 0x80), leaves)
                mstore(add(w, 0xa0), entries)
                mstore(add(w, 0xc0), add(entries, shl(5, entryCount)))
            }
            uint256 listEnd = _walk(w, start, stepCount);

            // Nothing was allocated since the walk began: its lists still lie behind the free pointer.
            uint256 list = w.list;
            bytes32 entriesHash;
            assembly ("memory-safe") {
                entriesHash := keccak256(list, sub(listEnd, list))
            }
            result.entriesHash = entriesHash;
            result.entriesWritten = (listEnd - list) / ENTRY_SIZE;
            result.withdrawals = (w.leavesEnd - w.leaves) >> 5;
            if (w.anySkipped != 0) result.skipped = _skipped(w.commitments, stepCount, list);
            result.stepRoot = CommitmentTree.rootInPlace(w.commitments, stepCount);
            if (result.withdrawals != 0) {
                result.withdrawalRoot = CommitmentTree.rootInPlace(w.leaves, result.withdrawals);
            }
        }
    }

    /// @dev The loop over the steps. Returns the end of the list of pre-entries. One block of assembly, with the
    /// rarer parts as functions behind it: what every step pays for stays on the stack.
    function _walk(Walk memory w, uint256 start, uint256 stepCount) private returns (uint256 listEnd) {
        uint256 tag = HeadLib.SLOT_TAG;
        bytes4 malformedStep = IBridge.MalformedStep.selector;
        bytes4 tooManyWithdrawals = IBridge.TooManyWithdrawals.selector;
        uint256 entry = w.entries;
        listEnd = w.list;
        assembly ("memory-safe") {
            // At hand for the innermost loop. `newest` is an id or the start of a later block, far above 2.
            mstore(0, mload(w))
            mstore(0x20, sub(mload(add(w, 0x20)), 2))
            let commitment := mload(add(w, 0x40))
            for { let end := add(commitment, shl(5, stepCount)) } lt(commitment, end) {
                commitment := add(commitment, 32)
            } {
                // Zeros beyond the calldata: no touches, hence refused. Steps that pass the batch's end are refused behind
                // the loop, as are entries beyond those announced: both cursors only grow.
                let header := shr(224, calldataload(start))
                let touches := and(shr(12, header), 15)
                let from := add(start, STEP_HEADER)
                let to := listEnd
                let stale := 0

                // Fresh touches: compares heads, moves them, appends pre-entries.
                for { let last := add(from, mul(FRESH_SIZE, touches)) } lt(from, last) { from := add(from, FRESH_SIZE) }
                {
                    let slot := calldataload(from) // anchor id in its first 7 bytes
                    mstore(to, slot)
                    slot := shr(200, slot)
                    mstore(entry, slot)
                    entry := add(entry, 32)
                    slot := or(tag, slot)
                    let head := sload(slot)
                    mstore(add(to, 7), head)
                    to := add(to, ENTRY_SIZE)
                    let claim := calldataload(add(from, 7)) // root ‖ parent id
                    let parent := and(claim, ID_MASK)
                    // Stale: another id than the parent's, or a parent that is zero (wraps) or not below `newest`.
                    let bad := or(and(xor(head, claim), ID_MASK), gt(sub(parent, 1), mload(0x20)))
                    claim := or(xor(claim, parent), mload(0)) // root ‖ batch id
                    // A stale touch writes the head that is there.
                    if bad {
                        claim := head
                        stale := 1
                    }
                    sstore(slot, claim)
                }

                let kept := to
                if and(header, 0xff0) {
                    touches, from, entry, kept, to, stale := others(w, tag, header, touches, from, entry, to, stale)
                }
                // 1 to 16 touches, at most 16,384 bytes of body.
                if or(or(iszero(touches), gt(touches, MAX_TOUCHES)), gt(header, or(shl(16, MAX_BODY), 0xffff))) {
                    mstore(0, malformedStep)
                    mstore(4, shr(5, sub(commitment, mload(add(w, 0x40)))))
                    revert(0, 36)
                }
                let next := add(add(from, mul(WITHDRAWAL_SIZE, and(header, 15))), shr(16, header))

                switch stale
                case 0 {
                    // keccak256(pre-entries ‖ step ‖ number of touches)
                    let size := sub(next, start)
                    calldatacopy(to, start, size)
                    to := add(to, size)
                    mstore8(to, touches)
                    mstore(commitment, keccak256(listEnd, sub(add(to, 1), listEnd)))
                    listEnd := kept
                    if and(header, 15) { withdraw(w, tooManyWithdrawals, from, and(header, 15), to) }
                }
                default {
                    undo(w, tag, start, header, entry, listEnd)
                    mstore(commitment, 0)
                }
                start := next
            }

            // Opened anchors, then repeated touches. The pre-entries up to `kept` belong to the list if the step is applied.
            // No touches: repeated ones are not ascending entries of earlier steps.
            function others(w_, tag_, header, fresh, from_, entry_, to_, stale_) ->
                touches,
                from,
                nextEntry,
                kept,
                to,
                stale
            {
                from := from_
                nextEntry := entry_
                to := to_
                stale := stale_
                touches := add(fresh, add(and(shr(8, header), 15), and(shr(4, header), 15)))
                let entries := mload(add(w_, 0xa0))
                let beyond := sub(nextEntry, shl(5, fresh)) // entries of this step
                let last := add(from, mul(OPENED_SIZE, and(shr(8, header), 15)))
                for {} lt(from, last) { from := add(from, OPENED_SIZE) } {
                    // Anchor id: batch id ‖ entry number. The id is new, so the slot is empty.
                    let anchor := or(shl(16, mload(w_)), shr(5, sub(nextEntry, entries)))
                    mstore(nextEntry, anchor)
                    mstore(to, shl(200, anchor))
                    mstore(add(to, 7), 0)
                    sstore(or(tag_, anchor), or(shl(40, shr(40, calldataload(from))), mload(w_)))
                    to := add(to, ENTRY_SIZE)
                    nextEntry := add(nextEntry, 32)
                }
                kept := to

                last := add(from, mul(AGAIN_SIZE, and(shr(4, header), 15)))
                let lowest := entries
                for {} lt(from, last) { from := add(from, AGAIN_SIZE) } {
                    let place := add(entries, shl(5, shr(240, calldataload(from))))
                    if or(lt(place, lowest), iszero(lt(place, beyond))) {
                        touches := 0
                        break
                    }
                    lowest := add(place, 32)
                    let anchor := mload(place)
                    // A poisoned entry's head may be anybody's: it is not written.
                    switch shr(255, anchor)
                    case 0 {
                        let slot := or(tag_, anchor)
                        mstore(to, shl(200, anchor))
                        mstore(add(to, 7), sload(slot))
                        sstore(slot, or(shl(40, shr(40, calldataload(add(from, 2)))), mload(w_)))
                    }
                    default { stale := 1 }
                    to := add(to, ENTRY_SIZE)
                }
            }

            // Restores the heads that a step wrote, last first (an anchor may stand in it twice), and poisons its
            // entries. The pre-entries still lie behind `preEntries`.
            function undo(w_, tag_, start_, header, entryEnd, preEntries) {
                mstore(add(w_, 0xe0), 1) // some step was skipped
                let fresh := and(shr(12, header), 15)
                let opened := and(shr(8, header), 15)
                let taken := add(fresh, opened)
                let again := add(add(start_, STEP_HEADER), add(mul(FRESH_SIZE, fresh), mul(OPENED_SIZE, opened)))
                for { let i := add(taken, and(shr(4, header), 15)) } i {} {
                    i := sub(i, 1)
                    let place := sub(entryEnd, shl(5, sub(taken, i)))
                    if iszero(lt(i, taken)) {
                        let named := shr(240, calldataload(add(again, mul(AGAIN_SIZE, sub(i, taken)))))
                        place := add(mload(add(w_, 0xa0)), shl(5, named))
                    }
                    let anchor := mload(place)
                    if iszero(shr(255, anchor)) {
                        // A stale touch wrote nothing; its pre-entry is the head as it still is.
                        sstore(or(tag_, anchor), mload(add(preEntries, add(mul(ENTRY_SIZE, i), 7))))
                        mstore(place, or(anchor, shl(255, 1)))
                    }
                }
            }

            // Appends the leaves of the `count` withdrawals at `from_`. `scratch` is memory that nobody needs.
            function withdraw(w_, tooMany, from_, count, scratch) {
                let leaf := mload(add(w_, 0x80))
                let end_ := add(leaf, shl(5, count))
                if gt(end_, mload(add(w_, 0xa0))) {
                    mstore(0, tooMany)
                    mstore(4, shr(5, sub(mload(add(w_, 0xa0)), mload(add(w_, 0x60)))))
                    revert(0, 36)
                }
                mstore(add(w_, 0x80), end_)
                for {} lt(leaf, end_) { leaf := add(leaf, 32) } {
                    calldatacopy(scratch, from_, WITHDRAWAL_SIZE)
                    mstore(leaf, keccak256(scratch, WITHDRAWAL_SIZE))
                    from_ := add(from_, WITHDRAWAL_SIZE)
                }
            }
        }
        unchecked {
            if (start != w.end || entry != w.list) revert IBridge.MalformedBatch();
            // A repeated touch alone is applied only if its entry was.
            if (listEnd == w.list) revert IBridge.NothingApplied();
        }
    }

    /// @dev The steps whose commitment is zero, as bits. `free` is where memory may be taken.
    function _skipped(uint256 commitments, uint256 stepCount, uint256 free) private pure returns (bytes memory bits) {
        assembly ("memory-safe") {
            mstore(0x40, free) // behind the commitments, leaves and entry words
        }
        bits = new bytes((stepCount + 7) / 8);
        for (uint256 i; i < stepCount; ++i) {
            bytes32 commitment;
            assembly ("memory-safe") {
                commitment := mload(add(commitments, shl(5, i)))
            }
            if (commitment == 0) bits[i / 8] |= bytes1(uint8(1 << (i % 8)));
        }
    }
}
