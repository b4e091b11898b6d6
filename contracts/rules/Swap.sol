// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../interfaces/IRule.sol";
import {Effects} from "../libraries/Effects.sol";

/// @title The Swap rule
/// @notice Any number of users exchange any number of assets in one step. Each signs an intent: what it gives at most, what it gets
/// at least, on a curve over blocks if it likes, in whole or in part. Whoever proposes brings a fill: moves that satisfy all
/// intents at once. Formats and conditions: docs/rules/swap.md.
///
/// Each intent grants what moves may take from its fragment, and demands what they must bring it. Moves use up both.
contract Swap is IRule {
    using Effects for Effects.List;

    /// @notice The payload of this authorisation is no intent: cut off, too long, out of order or out of range at this offset.
    error BadPayload(uint256 authorisation, uint256 offset);
    /// @notice The fill is cut off, out of order or out of range at this offset.
    error BadExtra(uint256 offset);
    /// @notice The intent is filled by less than it must be, or by more than it can be. In units of its first give.
    error BadFill(uint256 authorisation, uint256 least, uint256 whole, uint256 filled);
    /// @notice One of the two fragments, by position, names counterparties, and the other is none of them.
    error NotACounterparty(uint256 from, uint256 to);
    /// @notice A move takes more from the fragment at this position than its intent still grants.
    error TakesTooMuch(uint256 position, bytes32 asset, uint256 granted, uint256 taken);
    /// @notice The intent demands an asset that the fill does not name.
    error NotInTable(uint256 authorisation, bytes32 asset);
    /// @notice All moves together leave so much of what the intent of the fragment at this position demands.
    error BringsTooLittle(uint256 position, bytes32 asset, uint256 missing);

    /// @dev Of what controllers sign (effect 10): the kernel's struct with this rule's for its first member.
    bytes32 private constant MEANING_TYPEHASH = keccak256(
        "Authorisation(Swap intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)Leg(bytes32 asset,uint128 start,uint128 end)Outflow(bytes32 asset,uint128 amount)Swap(Leg[] give,Leg[] get,Outflow[] reward,uint80[] counterparties,uint64 firstBlock,uint64 lastBlock,uint128 fillAtLeast)"
    );
    bytes32 private constant SWAP_TYPEHASH = keccak256(
        "Swap(Leg[] give,Leg[] get,Outflow[] reward,uint80[] counterparties,uint64 firstBlock,uint64 lastBlock,uint128 fillAtLeast)Leg(bytes32 asset,uint128 start,uint128 end)Outflow(bytes32 asset,uint128 amount)"
    );
    bytes32 private constant LEG_TYPEHASH = keccak256("Leg(bytes32 asset,uint128 start,uint128 end)");
    bytes32 private constant OUTFLOW_TYPEHASH = keccak256("Outflow(bytes32 asset,uint128 amount)");

    // Bits of an intent's form.
    uint256 private constant CURVE = 1;
    uint256 private constant PARTIAL = 2;

    uint256 private constant MOVE_SIZE = 19; // from (1) ‖ to (1) ‖ number of the asset (1) ‖ amount (16)
    uint256 private constant OUTFLOW_SIZE = 48; // asset (32) ‖ amount (16)
    uint256 private constant ID_SIZE = 10;
    uint256 private constant MEANING_SIZE = 66; // of the effect

    /// @dev What is left of all that the call's intents grant and demand, by listed fragment and asset of the fill.
    struct Book {
        uint256 pos; // calldata: where the fill has been read to
        uint256 end; // calldata: where it ends
        uint256 table; // calldata: where its assets start
        uint256 tableEnd; // calldata: where they end
        uint256 cells; // memory: for each listed fragment, and in it for each asset, two words: granted, demanded
        uint256 rowSize; // bytes of a fragment's cells
        uint256 unmet; // how many demands are not zero
        uint256 signed; // the set of fragments that have an intent
        uint256[] strangers; // for each listed fragment, the set of those that it does not deal with; empty if no intent says
    }

    /// @dev An intent, while it is read.
    struct Intent {
        uint256 number; // of its authorisation
        uint256 start; // calldata: where its payload starts
        uint256 listsEnd; // calldata: where its lists must end
        uint256 legSize;
        uint256 cells; // memory: those of its fragment
        uint256 elapsed; // elapsed / duration, 0 to 1: how far amounts have come from start to end
        uint256 duration;
        uint256 filled; // filled / whole, up to 1: how much of these amounts counts
        uint256 whole;
        uint256[8] words; // the struct `Swap`, encoded
    }

    /// @inheritdoc IRule
    function transition(
        Context calldata context,
        Fragment[] calldata fragments,
        Authorisation[] calldata authorisations,
        bytes calldata extra
    ) external pure returns (bytes memory) {
        // The effect of a move is less than three times as long as the move.
        Effects.List memory effects = Effects.list(MEANING_SIZE * authorisations.length + 3 * extra.length);
        Book memory book = _open(fragments.length, extra);
        Intent memory intent;
        for (uint256 i; i < authorisations.length; ++i) {
            intent.number = i;
            bytes32 structHash = _enter(book, intent, context.blockNumber, fragments, authorisations[i]);
            effects.meaning(uint8(i), MEANING_TYPEHASH, structHash);
        }
        _moveAll(book, fragments.length, effects);
        if (book.unmet != 0) _revertUnmet(book);
        return effects.finish();
    }

    // Arithmetic is unchecked below. Amounts and blocks are under 2^128, so products of two fit, and sums of two. Counts and positions are
    // bytes, places lie within calldata or memory. What is subtracted was compared before. Calldata and memory are read by place, for
    // Solidity's slices, allocations and bounds cost more than all else here (a ring of four: 64,000 gas instead of 26,000).

    // ---------------------------------------------------------------- intents

    /// @dev Enters in the book what an intent grants and demands; returns its hash.
    function _enter(
        Book memory book,
        Intent memory intent,
        uint256 clock,
        Fragment[] calldata fragments,
        Authorisation calldata authorisation
    ) private pure returns (bytes32) {
        unchecked {
            uint256 position = authorisation.fragment;
            intent.cells = book.cells + position * book.rowSize;
            book.signed |= 1 << position;

            (uint256 start, uint256 end) = _bounds(authorisation.payload);
            intent.start = start;
            uint256 form = _read(start, 1);
            if (form > CURVE + PARTIAL) _revertBad(intent, start);
            uint256 legSize = form & CURVE == 0 ? 48 : 64;
            intent.legSize = legSize;
            // Behind the lists stand the curve's blocks and the least fill. They are read first, for amounts depend on them.
            if (form & PARTIAL != 0) end -= 16;
            uint256 leastPos = end;
            if (form & CURVE != 0) end -= 16;
            if (start + 2 + legSize > end) _revertBad(intent, start);
            intent.listsEnd = end;

            uint256[8] memory words = intent.words;
            words[0] = uint256(SWAP_TYPEHASH);
            uint256 whole = _read(start + legSize - 14, 16); // the first give's amount at the end
            if (whole == 0) _revertBad(intent, start + 2);
            intent.whole = whole;
            intent.filled = whole;
            words[7] = form & PARTIAL == 0 ? whole : _readFill(book, intent, leastPos);
            (words[5], words[6]) = form & CURVE == 0 ? (0, 0) : _readCurve(intent, clock);
            uint256 pos = start + 1;
            (words[1], pos) = _readLegs(book, intent, pos, true);
            (words[2], pos) = _readLegs(book, intent, pos, false);
            (words[3], pos) = _readRewards(book, intent, pos);
            (words[4], pos) = _readCounterparties(book, intent, pos, position, fragments);
            if (pos != end) _revertBad(intent, pos);
            return _hashStruct(words);
        }
    }

    /// @dev How far the curve has come at the clock.
    function _readCurve(Intent memory intent, uint256 clock) private pure returns (uint256 first, uint256 last) {
        unchecked {
            first = _read(intent.listsEnd, 8);
            last = _read(intent.listsEnd + 8, 8);
            if (first > last) _revertBad(intent, intent.listsEnd);
            bool within = first < clock && clock < last;
            intent.elapsed = within ? clock - first : clock <= first ? 0 : 1;
            intent.duration = within ? last - first : 1;
        }
    }

    /// @dev How much is filled of an intent that may be filled in part: the fill says it next. Returns the least fill, at `pos`.
    function _readFill(Book memory book, Intent memory intent, uint256 pos) private pure returns (uint256 least) {
        unchecked {
            least = _read(pos, 16);
            uint256 filled = _read(book.pos, 16);
            if (book.pos + 16 > book.end) _revertExtra(book, book.pos);
            if (filled < least || filled > intent.whole || filled == 0) {
                revert BadFill(intent.number, least, intent.whole, filled);
            }
            book.pos += 16;
            intent.filled = filled;
        }
    }

    /// @dev Reads the gives or the gets at `pos`; returns their hash, and where they end. The curve's quotient is rounded down, which is
    /// in the user's favour both ways.
    function _readLegs(Book memory book, Intent memory intent, uint256 pos, bool giving)
        private
        pure
        returns (uint256, uint256)
    {
        unchecked {
            uint256 size = intent.legSize;
            uint256 end = pos + 1 + size * _read(pos, 1);
            if (end > intent.listsEnd || end == pos + 1) _revertBad(intent, pos);
            uint256 hashes = _scratch();
            uint256 hash = hashes;
            uint256 table = book.table;
            uint256 previous;
            for (pos += 1; pos < end; pos += size) {
                uint256 asset = _read(pos, 32);
                if (asset <= previous && hash != hashes) _revertBad(intent, pos);
                uint256 from = _read(pos + 32, 16);
                uint256 to = _read(pos + size - 16, 16);
                uint256 amount = from;
                if (from != to) {
                    if (giving != from < to) _revertBad(intent, pos + 32);
                    if (giving) amount += (to - from) * intent.elapsed / intent.duration;
                    else amount -= (from - to) * intent.elapsed / intent.duration;
                }
                table = _find(book, table, asset);
                if (giving) _grant(book, intent, table, asset, amount);
                else _demand(book, intent, table, asset, amount);
                _hashLeg(hash, asset, from, to);
                hash += 32;
                previous = asset;
            }
            return (_hash(hashes, hash), end);
        }
    }

    /// @dev Reads the rewards at `pos`; returns their hash, and where they end.
    function _readRewards(Book memory book, Intent memory intent, uint256 pos) private pure returns (uint256, uint256) {
        unchecked {
            uint256 end = pos + 1 + OUTFLOW_SIZE * _read(pos, 1);
            if (end > intent.listsEnd) _revertBad(intent, pos);
            uint256 hashes = _scratch();
            uint256 hash = hashes;
            uint256 table = book.table;
            uint256 previous;
            for (pos += 1; pos < end; pos += OUTFLOW_SIZE) {
                uint256 asset = _read(pos, 32);
                if (asset <= previous && hash != hashes) _revertBad(intent, pos);
                uint256 amount = _read(pos + 32, 16);
                table = _find(book, table, asset);
                _grant(book, intent, table, asset, amount);
                _hashOutflow(hash, asset, amount);
                hash += 32;
                previous = asset;
            }
            return (_hash(hashes, hash), end);
        }
    }

    /// @dev Reads the counterparties at `pos`; returns their hash, and where they end. If there are any, all listed fragments that are not
    /// among them are strangers.
    function _readCounterparties(
        Book memory book,
        Intent memory intent,
        uint256 pos,
        uint256 position,
        Fragment[] calldata fragments
    ) private pure returns (uint256, uint256) {
        unchecked {
            uint256 start = pos + 1;
            uint256 end = start + ID_SIZE * _read(pos, 1);
            if (end > intent.listsEnd) _revertBad(intent, pos);
            if (start == end) return (uint256(keccak256("")), end);
            if (book.strangers.length == 0) book.strangers = new uint256[](fragments.length);
            uint256 strangers;
            for (uint256 i; i < fragments.length; ++i) {
                if (!_contains(start, end, fragments[i].id)) strangers |= 1 << i;
            }
            book.strangers[position] = strangers;
            uint256 ids = _scratch();
            uint256 to = ids;
            uint256 previous;
            for (pos = start; pos < end; pos += ID_SIZE) {
                uint256 id = _read(pos, ID_SIZE);
                if (id <= previous) _revertBad(intent, pos); // none is zero
                _write(to, id);
                to += 32;
                previous = id;
            }
            return (_hash(ids, to), end);
        }
    }

    /// @dev Whether the sorted ids between `start` and `end` of calldata contain this one.
    function _contains(uint256 start, uint256 end, uint256 id) private pure returns (bool) {
        unchecked {
            uint256 low;
            uint256 high = (end - start) / ID_SIZE;
            while (low < high) {
                uint256 middle = (low + high) >> 1;
                uint256 found = _read(start + middle * ID_SIZE, ID_SIZE);
                if (found == id) return true;
                if (found < id) low = middle + 1;
                else high = middle;
            }
            return false;
        }
    }

    /// @dev Where the fill's assets, from `table` on, have the first that is not below this one.
    function _find(Book memory book, uint256 table, uint256 asset) private pure returns (uint256) {
        unchecked {
            uint256 end = book.tableEnd;
            while (table < end && _read(table, 32) < asset) table += 32;
            return table;
        }
    }

    /// @dev Moves may take what is filled of the amount, rounded down. What the fill does not name, they cannot.
    function _grant(Book memory book, Intent memory intent, uint256 table, uint256 asset, uint256 amount) private pure {
        unchecked {
            if (table == book.tableEnd || _read(table, 32) != asset) return;
            uint256 cell = intent.cells + 2 * (table - book.table);
            _write(cell, _load(cell) + amount * intent.filled / intent.whole);
        }
    }

    /// @dev Moves must bring what is filled of the amount, rounded up.
    function _demand(Book memory book, Intent memory intent, uint256 table, uint256 asset, uint256 amount)
        private
        pure
    {
        unchecked {
            if (amount == 0) return;
            if (table == book.tableEnd || _read(table, 32) != asset) revert NotInTable(intent.number, bytes32(asset));
            uint256 cell = intent.cells + 2 * (table - book.table);
            _write(cell + 32, (amount * intent.filled - 1) / intent.whole + 1);
            ++book.unmet;
        }
    }

    function _revertBad(Intent memory intent, uint256 pos) private pure {
        revert BadPayload(intent.number, pos - intent.start);
    }

    // ---------------------------------------------------------------- the fill

    /// @dev A book for the assets of the fill, which strictly increase.
    function _open(uint256 listed, bytes calldata extra) private pure returns (Book memory book) {
        unchecked {
            (uint256 start, uint256 end) = _bounds(extra);
            book.rowSize = 64 * _read(start, 1);
            book.table = start + 1;
            book.tableEnd = book.table + book.rowSize / 2;
            book.pos = book.tableEnd;
            book.end = end;
            if (book.pos > end) revert BadExtra(0);
            for (uint256 pos = book.table + 32; pos < book.tableEnd; pos += 32) {
                if (_read(pos, 32) <= _read(pos - 32, 32)) _revertExtra(book, pos);
            }
            bytes memory cells = new bytes(listed * book.rowSize);
            assembly ("memory-safe") {
                mstore(add(book, 0x80), add(cells, 32))
            }
        }
    }

    function _moveAll(Book memory book, uint256 listed, Effects.List memory effects) private pure {
        unchecked {
            uint256 end = book.end;
            uint256 pos = book.pos;
            if ((end - pos) % MOVE_SIZE != 0) _revertExtra(book, end);
            for (; pos < end; pos += MOVE_SIZE) {
                uint256 move = _read(pos, MOVE_SIZE);
                _move(book, listed, effects, pos, move >> 144, uint8(move >> 136), uint8(move >> 128), uint128(move));
            }
        }
    }

    /// @dev Makes an effect of a move, and takes its amount from what is granted and demanded.
    function _move(
        Book memory book,
        uint256 listed,
        Effects.List memory effects,
        uint256 pos,
        uint256 from,
        uint256 to,
        uint256 number,
        uint256 amount
    ) private pure {
        unchecked {
            if (from >= listed || to >= listed || 64 * number >= book.rowSize) _revertExtra(book, pos);
            if (book.strangers.length != 0) _requireAcquainted(book, from, to);
            uint256 asset = _read(book.table + 32 * number, 32);
            uint256 cell = book.cells + from * book.rowSize + 64 * number;
            uint256 granted = _load(cell);
            if (amount <= granted) {
                _write(cell, granted - amount);
            } else if (book.signed >> from & 1 == 1) {
                // From whoever did not sign the kernel lets nothing be taken.
                revert TakesTooMuch(from, bytes32(asset), granted, amount);
            }
            cell = book.cells + to * book.rowSize + 64 * number + 32;
            uint256 demanded = _load(cell);
            if (demanded > amount) {
                _write(cell, demanded - amount);
            } else if (demanded != 0) {
                _write(cell, 0);
                --book.unmet;
            }
            effects.move(uint8(from), uint8(to), bytes32(asset), uint128(amount));
        }
    }

    /// @dev Neither names counterparties without naming the other.
    function _requireAcquainted(Book memory book, uint256 from, uint256 to) private pure {
        if ((book.strangers[from] >> to | book.strangers[to] >> from) & 1 == 1) revert NotACounterparty(from, to);
    }

    /// @dev Says which demand is not met.
    function _revertUnmet(Book memory book) private pure {
        uint256 cell = book.cells;
        while (_load(cell + 32) == 0) cell += 64;
        uint256 position = (cell - book.cells) / book.rowSize;
        uint256 number = (cell - book.cells) % book.rowSize / 64;
        revert BringsTooLittle(position, bytes32(_read(book.table + 32 * number, 32)), _load(cell + 32));
    }

    function _revertExtra(Book memory book, uint256 pos) private pure {
        revert BadExtra(pos - book.table + 1);
    }

    // ---------------------------------------------------------------- calldata and memory

    /// @dev Where in calldata it starts and ends.
    function _bounds(bytes calldata data) private pure returns (uint256 start, uint256 end) {
        assembly ("memory-safe") {
            start := data.offset
            end := add(start, data.length)
        }
    }

    /// @dev The `size` bytes (1 to 32) of calldata at `pos`, as a number. Nothing is believed before it is known to lie within its field's
    /// bounds; beyond the calldata there are zeros.
    function _read(uint256 pos, uint256 size) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(sub(256, shl(3, size)), calldataload(pos))
        }
    }

    /// @dev Memory that nobody uses, for as long as nothing is allocated.
    function _scratch() private pure returns (uint256 place) {
        assembly ("memory-safe") {
            place := mload(0x40)
        }
    }

    function _load(uint256 place) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(place)
        }
    }

    function _write(uint256 place, uint256 word) private pure {
        assembly ("memory-safe") {
            mstore(place, word)
        }
    }

    /// @dev keccak256 of the memory between.
    function _hash(uint256 start, uint256 end) private pure returns (uint256 hash) {
        assembly ("memory-safe") {
            hash := keccak256(start, sub(end, start))
        }
    }

    /// @dev keccak256(abi.encode(words))
    function _hashStruct(uint256[8] memory words) private pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            hash := keccak256(words, 256)
        }
    }

    /// @dev Writes keccak256(abi.encode(LEG_TYPEHASH, asset, start, end)); uses the three words behind it.
    function _hashLeg(uint256 place, uint256 asset, uint256 start, uint256 end) private pure {
        bytes32 typeHash = LEG_TYPEHASH;
        assembly ("memory-safe") {
            mstore(place, typeHash)
            mstore(add(place, 32), asset)
            mstore(add(place, 64), start)
            mstore(add(place, 96), end)
            mstore(place, keccak256(place, 128))
        }
    }

    /// @dev Writes keccak256(abi.encode(OUTFLOW_TYPEHASH, asset, amount)); uses the two words behind it.
    function _hashOutflow(uint256 place, uint256 asset, uint256 amount) private pure {
        bytes32 typeHash = OUTFLOW_TYPEHASH;
        assembly ("memory-safe") {
            mstore(place, typeHash)
            mstore(add(place, 32), asset)
            mstore(add(place, 64), amount)
            mstore(place, keccak256(place, 96))
        }
    }
}
