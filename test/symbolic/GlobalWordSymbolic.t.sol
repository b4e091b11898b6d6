// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {BatchId} from "../../contracts/types/BatchId.sol";
import {GlobalWord} from "../../contracts/types/GlobalWord.sol";

/// @notice The fault set and the ids, for every word that can arise: the surplus is zero unless the fifth field holds a fault. What
/// is expected is computed without branches, so that the number of paths is the code's own.
contract GlobalWordSymbolic {
    uint256 private constant NONE = 1 << 40;

    /// @dev The next id is of its block, above the last one, not zero, and touches no fault. It is refused only when the block is
    /// full, lies behind the last id, or does not fit.
    function check_IdsGrow(uint256 raw, uint64 relativeBlock) external view {
        uint256 last = uint40(raw);
        try this.nextId(GlobalWord.wrap(raw), relativeBlock) returns (GlobalWord next, BatchId given) {
            uint256 id = BatchId.unwrap(given);
            assert(id > last);
            assert(id >> 13 == relativeBlock);
            assert(id & 8191 == (last >> 13 == relativeBlock ? (last & 8191) + 1 : 1));
            assert(uint40(GlobalWord.unwrap(next)) == id);
            assert(GlobalWord.unwrap(next) >> 40 == raw >> 40);
        } catch {
            bool full = last >> 13 == relativeBlock && last & 8191 == 8191;
            assert(full || last >> 13 > relativeBlock || relativeBlock >= 1 << 27);
        }
    }

    function check_TheOldestFaultIsTheLowestField(uint256 raw) external pure {
        assert(GlobalWord.wrap(raw).oldestFault() == _oldest(raw));
    }

    function check_FrozenWhileThereAreFaults(uint256 raw) external pure {
        if (!_sound(raw)) return;
        assert(GlobalWord.wrap(raw).isFrozen() == (_count(raw) != 0));
        assert(GlobalWord.wrap(raw).isFrozen() == (_oldest(raw) != NONE));
    }

    function check_AFaultThatIsAddedCounts(uint256 raw, uint40 id) external pure {
        if (!_sound(raw) || id == 0 || raw >> 240 == type(uint16).max) return;
        uint256 more = GlobalWord.unwrap(GlobalWord.wrap(raw).addFault(BatchId.wrap(id)));
        assert(_count(more) == _count(raw) + 1);
        assert(_oldest(more) == _min(_oldest(raw), id));
        assert(uint40(more) == uint40(raw));
        assert(_sound(more));
    }

    /// @dev A fault that came and went leaves none forgotten: the oldest is what it was, or older while the fifth field stands for
    /// several, and never newer.
    function check_AFaultThatIsResolvedIsGone(uint256 raw, uint40 id) external pure {
        if (!_sound(raw) || id == 0 || raw >> 240 == type(uint16).max || _holds(raw, id)) return;
        BatchId fault = BatchId.wrap(id);
        uint256 left = GlobalWord.unwrap(GlobalWord.wrap(raw).addFault(fault).resolveFault(fault));
        assert(_count(left) == _count(raw));
        assert(_oldest(left) <= _oldest(raw));
        assert(left == raw || raw >> 200 != 0);
        assert(_sound(left));
    }

    /// @dev Resolving a fault clears one field that held it, or lowers the surplus; all else stays.
    function check_ResolvingAFaultKeepsTheOthers(uint256 raw, uint40 id) external pure {
        if (!_sound(raw) || id == 0 || !_holds(raw, id)) return;
        uint256 left = GlobalWord.unwrap(GlobalWord.wrap(raw).resolveFault(BatchId.wrap(id)));
        assert(_count(left) + 1 == _count(raw));
        uint256 gone = raw ^ left;
        bool lowered = left == raw - (1 << 240);
        bool cleared = gone == uint256(id) << 40 || gone == uint256(id) << 80 || gone == uint256(id) << 120
            || gone == uint256(id) << 160 || gone == uint256(id) << 200;
        assert(lowered || cleared);
        assert(_sound(left));
    }

    function nextId(GlobalWord word, uint256 relativeBlock) external pure returns (GlobalWord, BatchId) {
        return word.nextId(relativeBlock);
    }

    // ---------------------------------------------------------------- the word, by its layout

    function _field(uint256 raw, uint256 i) private pure returns (uint256) {
        return uint40(raw >> (40 + 40 * i));
    }

    /// @dev Faults in the fields, and the surplus.
    function _count(uint256 raw) private pure returns (uint256 count) {
        unchecked {
            count = raw >> 240;
            for (uint256 i = 0; i < 5; i++) {
                count += _bit(_field(raw, i) != 0);
            }
        }
    }

    /// @dev The least field that is not zero, or 2^40.
    function _oldest(uint256 raw) private pure returns (uint256 oldest) {
        oldest = NONE;
        for (uint256 i = 0; i < 5; i++) {
            uint256 id = _field(raw, i);
            oldest = _min(oldest, id | (_bit(id == 0) << 40));
        }
    }

    function _holds(uint256 raw, uint40 id) private pure returns (bool) {
        uint256 found;
        for (uint256 i = 0; i < 5; i++) {
            found |= _bit(_field(raw, i) == id);
        }
        return found != 0;
    }

    function _sound(uint256 raw) private pure returns (bool) {
        return _bit(raw >> 240 == 0) | _bit(_field(raw, 4) != 0) != 0;
    }

    function _min(uint256 a, uint256 b) private pure returns (uint256 least) {
        assembly ("memory-safe") {
            least := xor(a, and(xor(a, b), sub(0, lt(b, a))))
        }
    }

    function _bit(bool set) private pure returns (uint256 bit) {
        assembly ("memory-safe") {
            bit := set
        }
    }
}
