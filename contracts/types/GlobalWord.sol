// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {BatchId, BatchIdLib} from "./BatchId.sol";

/// @notice The one word all batches share: the last id given out, and the unresolved faults.
///
///     255     240 239     200 199      160 159      120 119       80 79        40 39          0
///     | surplus  | fault 4   | fault 3    | fault 2    | fault 1    | fault 0    | last id     |
///
/// Faults 0 to 3 are one fault each. Fault 4 stands for `1 + surplus` faults and is the lowest id among them: it may
/// stay too low for a while, which only freezes more than it must, never less.
type GlobalWord is uint256;

using GlobalWordLib for GlobalWord global;

library GlobalWordLib {
    /// @notice No id is left in this block, or in the 27 bits of blocks.
    error IdsExhausted();

    uint256 private constant ID_BITS = 40;
    uint256 private constant ID_MASK = (1 << ID_BITS) - 1;
    uint256 private constant FAULTS = 5;
    uint256 private constant LAST = ID_BITS * FAULTS;
    uint256 private constant SURPLUS_SHIFT = 240;

    /// @dev No id: above all of them.
    uint256 internal constant NO_FAULT = 1 << ID_BITS;

    /// @dev Gives out the next id of a block (counted from deployment).
    function nextId(GlobalWord word, uint256 relativeBlock) internal pure returns (GlobalWord, BatchId) {
        unchecked {
            uint256 raw = GlobalWord.unwrap(word);
            uint256 first = (relativeBlock << BatchIdLib.SEQUENCE_BITS) | 1;
            uint256 id = (raw & ID_MASK) + 1;
            if (id < first) id = first;
            // The sequence ran over into the next block, or the block does not fit.
            if (id >> BatchIdLib.SEQUENCE_BITS != relativeBlock || id > ID_MASK) revert IdsExhausted();
            return (GlobalWord.wrap((raw & ~ID_MASK) | id), BatchId.wrap(uint40(id)));
        }
    }

    function isFrozen(GlobalWord word) internal pure returns (bool) {
        return GlobalWord.unwrap(word) >> ID_BITS != 0;
    }

    /// @dev Lowest id among the unresolved faults; `NO_FAULT` if there are none.
    function oldestFault(GlobalWord word) internal pure returns (uint256 oldest) {
        oldest = NO_FAULT;
        if (!word.isFrozen()) return oldest;
        for (uint256 shift = ID_BITS; shift <= LAST; shift += ID_BITS) {
            uint256 id = (GlobalWord.unwrap(word) >> shift) & ID_MASK;
            if (id != 0 && id < oldest) oldest = id;
        }
    }

    function addFault(GlobalWord word, BatchId id) internal pure returns (GlobalWord) {
        uint256 raw = GlobalWord.unwrap(word);
        uint256 fault = BatchId.unwrap(id);
        for (uint256 shift = ID_BITS; shift <= LAST; shift += ID_BITS) {
            if ((raw >> shift) & ID_MASK == 0) return GlobalWord.wrap(raw | (fault << shift));
        }
        uint256 last = (raw >> LAST) & ID_MASK;
        if (fault < last) raw ^= (last ^ fault) << LAST;
        return GlobalWord.wrap(raw + (1 << SURPLUS_SHIFT));
    }

    /// @dev Removes a fault that was added and not yet removed.
    function resolveFault(GlobalWord word, BatchId id) internal pure returns (GlobalWord) {
        uint256 raw = GlobalWord.unwrap(word);
        for (uint256 shift = ID_BITS; shift < LAST; shift += ID_BITS) {
            if ((raw >> shift) & ID_MASK == BatchId.unwrap(id)) return GlobalWord.wrap(raw & ~(ID_MASK << shift));
        }
        if (raw >> SURPLUS_SHIFT != 0) return GlobalWord.wrap(raw - (1 << SURPLUS_SHIFT));
        return GlobalWord.wrap(raw & ~(ID_MASK << LAST));
    }
}
