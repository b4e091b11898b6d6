// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../interfaces/IRule.sol";
import {Amounts} from "../libraries/Amounts.sol";
import {Calldata} from "../libraries/Calldata.sol";
import {Effects} from "../libraries/Effects.sol";

/// @title The Swap rule
/// @notice Any number of users exchange any number of assets in one step. Each signs an intent: what it gives at most, what it gets
/// at least, on a curve over blocks if it likes, in whole or in part. Whoever proposes brings a fill: moves that satisfy all
/// intents at once. Formats and conditions: docs/rules/swap.md.
///
/// Each intent grants what moves may take from its fragment, and demands what they must bring it. Moves use up both.
contract Swap is IRule {
    using Calldata for bytes;
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

    /// @dev What is left of all that the call's intents grant and demand. Both tables have a row for each listed fragment, and in it
    /// an amount for each asset of the fill.
    struct Book {
        uint256 assets; // how many the fill names
        uint256[] grants; // what moves may still take
        uint256[] demands; // what they must still bring
        uint256 unmet; // how many demands are not zero
        uint256[] strangers; // for each listed fragment, the set of those that it does not deal with
        uint256 signed; // the set of those that have an intent
        uint256 pos; // where `extra` has been read to
    }

    /// @dev An intent, while it is read.
    struct Intent {
        uint256 number; // of its authorisation
        uint256 row; // where that of its fragment starts in the book
        uint256 pos; // where the payload has been read to
        uint256 listsEnd; // where its lists must end
        uint256 legSize;
        uint256 elapsed; // elapsed / duration, 0 to 1: how far amounts have come from start to end
        uint256 duration;
        uint256 filled; // filled / whole, up to 1: how much of these amounts counts
        uint256 whole;
        bytes32[8] words; // the struct `Swap`, encoded for its hash
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
        for (uint256 i; i < authorisations.length; ++i) {
            bytes32 structHash = _enter(book, context.blockNumber, fragments, i, authorisations[i], extra);
            effects.meaning(uint8(i), MEANING_TYPEHASH, structHash);
        }
        _moveAll(book, fragments.length, extra, effects);
        if (book.unmet != 0) _revertUnmet(book, extra);
        return effects.finish();
    }

    // ---------------------------------------------------------------- intents

    /// @dev Enters in the book what an intent grants and demands; returns its hash.
    function _enter(
        Book memory book,
        uint256 clock,
        Fragment[] calldata fragments,
        uint256 number,
        Authorisation calldata authorisation,
        bytes calldata extra
    ) private pure returns (bytes32) {
        bytes calldata payload = authorisation.payload;
        uint256 position = authorisation.fragment;
        Intent memory intent;
        intent.number = number;
        intent.row = position * book.assets;
        intent.pos = 1;
        book.signed |= 1 << position;

        uint256 form = payload.number(0, 1);
        if (payload.length == 0 || form > CURVE + PARTIAL) revert BadPayload(number, 0);
        // Behind the lists. Read first, for the amounts depend on it.
        uint256 tail = (form & CURVE == 0 ? 0 : 16) + (form & PARTIAL == 0 ? 0 : 16);
        intent.legSize = form & CURVE == 0 ? 48 : 64;
        if (payload.length < 2 + intent.legSize + tail) revert BadPayload(number, payload.length);
        intent.listsEnd = payload.length - tail;
        _readCurve(intent, clock, payload, form & CURVE != 0);
        _readFill(book, intent, payload, form & PARTIAL != 0, extra);

        intent.words[0] = SWAP_TYPEHASH;
        intent.words[1] = _readLegs(book, intent, payload, true, extra);
        intent.words[2] = _readLegs(book, intent, payload, false, extra);
        intent.words[3] = _readRewards(book, intent, payload, extra);
        intent.words[4] = _readCounterparties(book, intent, payload, position, fragments);
        if (intent.pos != intent.listsEnd) revert BadPayload(number, intent.pos);
        return keccak256(abi.encode(intent.words));
    }

    /// @dev How far the curve has come at the clock. Without a curve it starts where it ends.
    function _readCurve(Intent memory intent, uint256 clock, bytes calldata payload, bool curve) private pure {
        intent.duration = 1;
        if (!curve) return;
        uint256 first = payload.number(intent.listsEnd, 8);
        uint256 last = payload.number(intent.listsEnd + 8, 8);
        if (first > last) revert BadPayload(intent.number, intent.listsEnd);
        (intent.words[5], intent.words[6]) = (bytes32(first), bytes32(last));
        if (clock <= first) return;
        (intent.elapsed, intent.duration) = clock < last ? (clock - first, last - first) : (1, 1);
    }

    /// @dev How much of the intent is filled: all, or what `extra` says next.
    function _readFill(Book memory book, Intent memory intent, bytes calldata payload, bool partly, bytes calldata extra)
        private
        pure
    {
        uint256 whole = payload.number(2 + intent.legSize - 16, 16); // the first give's amount at the end
        if (whole == 0) revert BadPayload(intent.number, 2);
        (uint256 least, uint256 filled) = (whole, whole);
        if (partly) {
            least = payload.number(payload.length - 16, 16);
            filled = extra.number(book.pos, 16);
            book.pos += 16;
            if (book.pos > extra.length) revert BadExtra(book.pos);
            if (filled < least || filled > whole || filled == 0) revert BadFill(intent.number, least, whole, filled);
        }
        (intent.whole, intent.filled, intent.words[7]) = (whole, filled, bytes32(least));
    }

    /// @dev Starts a list at its number of elements; returns where they end.
    function _startList(Intent memory intent, bytes calldata payload, uint256 size)
        private
        pure
        returns (uint256 count, uint256 end)
    {
        count = payload.number(intent.pos, 1);
        end = intent.pos + 1 + count * size;
        if (end > intent.listsEnd) revert BadPayload(intent.number, intent.pos);
        ++intent.pos;
    }

    /// @dev The list of gives, or that of gets. Amounts at the clock are rounded in the user's favour, and what is filled of them once more.
    function _readLegs(Book memory book, Intent memory intent, bytes calldata payload, bool giving, bytes calldata extra)
        private
        pure
        returns (bytes32)
    {
        (uint256 count,) = _startList(intent, payload, intent.legSize);
        if (count == 0) revert BadPayload(intent.number, intent.pos - 1);
        bytes32[] memory hashes = new bytes32[](count);
        uint256 previous;
        for (uint256 i; i < count; ++i) {
            uint256 pos = intent.pos;
            uint256 asset = payload.number(pos, 32);
            uint256 atStart = payload.number(pos + 32, 16);
            uint256 atEnd = payload.number(pos + intent.legSize - 16, 16);
            if (i != 0 && asset <= previous) revert BadPayload(intent.number, pos);
            if (giving ? atStart > atEnd : atStart < atEnd) revert BadPayload(intent.number, pos + 32);
            hashes[i] = keccak256(abi.encode(LEG_TYPEHASH, asset, atStart, atEnd));
            if (giving) {
                uint256 risen = Amounts.mulDivDown(atEnd - atStart, intent.elapsed, intent.duration);
                _grant(book, intent, asset, atStart + risen, extra);
            } else {
                uint256 fallen = Amounts.mulDivDown(atStart - atEnd, intent.elapsed, intent.duration);
                _demand(book, intent, asset, atStart - fallen, extra);
            }
            previous = asset;
            intent.pos += intent.legSize;
        }
        return keccak256(abi.encodePacked(hashes));
    }

    function _readRewards(Book memory book, Intent memory intent, bytes calldata payload, bytes calldata extra)
        private
        pure
        returns (bytes32)
    {
        (uint256 count,) = _startList(intent, payload, OUTFLOW_SIZE);
        bytes32[] memory hashes = new bytes32[](count);
        uint256 previous;
        for (uint256 i; i < count; ++i) {
            uint256 asset = payload.number(intent.pos, 32);
            uint256 amount = payload.number(intent.pos + 32, 16);
            if (i != 0 && asset <= previous) revert BadPayload(intent.number, intent.pos);
            hashes[i] = keccak256(abi.encode(OUTFLOW_TYPEHASH, asset, amount));
            _grant(book, intent, asset, amount, extra);
            previous = asset;
            intent.pos += OUTFLOW_SIZE;
        }
        return keccak256(abi.encodePacked(hashes));
    }

    /// @dev Whoever names counterparties has strangers: all listed fragments that it does not name.
    function _readCounterparties(
        Book memory book,
        Intent memory intent,
        bytes calldata payload,
        uint256 position,
        Fragment[] calldata fragments
    ) private pure returns (bytes32) {
        (uint256 count, uint256 end) = _startList(intent, payload, ID_SIZE);
        uint256[] memory ids = new uint256[](count);
        for (uint256 i; i < count; ++i) {
            ids[i] = payload.number(intent.pos + i * ID_SIZE, ID_SIZE);
            if (i != 0 && ids[i] <= ids[i - 1]) revert BadPayload(intent.number, intent.pos + i * ID_SIZE);
        }
        if (count != 0) {
            uint256 strangers;
            for (uint256 i; i < fragments.length; ++i) {
                if (_find(payload, intent.pos, count, ID_SIZE, fragments[i].id) == count) strangers |= 1 << i;
            }
            book.strangers[position] = strangers;
        }
        intent.pos = end;
        return keccak256(abi.encodePacked(ids));
    }

    /// @dev Moves may take what is filled of the amount, rounded down. What the fill does not name, they cannot.
    function _grant(Book memory book, Intent memory intent, uint256 asset, uint256 amount, bytes calldata extra)
        private
        pure
    {
        uint256 number = _find(extra, 1, book.assets, 32, asset);
        if (number == book.assets) return;
        book.grants[intent.row + number] += Amounts.mulDivDown(amount, intent.filled, intent.whole);
    }

    /// @dev Moves must bring what is filled of the amount, rounded up.
    function _demand(Book memory book, Intent memory intent, uint256 asset, uint256 amount, bytes calldata extra)
        private
        pure
    {
        uint256 demanded = Amounts.mulDivUp(amount, intent.filled, intent.whole);
        if (demanded == 0) return;
        uint256 number = _find(extra, 1, book.assets, 32, asset);
        if (number == book.assets) revert NotInTable(intent.number, bytes32(asset));
        book.demands[intent.row + number] = demanded;
        ++book.unmet;
    }

    // ---------------------------------------------------------------- the fill

    /// @dev A book for the assets of the fill, which strictly increase.
    function _open(uint256 listed, bytes calldata extra) private pure returns (Book memory book) {
        uint256 assets = extra.number(0, 1);
        book.assets = assets;
        book.pos = 1 + 32 * assets;
        if (book.pos > extra.length) revert BadExtra(0);
        for (uint256 i = 1; i < assets; ++i) {
            if (_asset(extra, i) <= _asset(extra, i - 1)) revert BadExtra(1 + 32 * i);
        }
        book.grants = new uint256[](listed * assets);
        book.demands = new uint256[](listed * assets);
        book.strangers = new uint256[](listed);
    }

    /// @dev Makes effects of the moves, and takes their amounts from what is granted and demanded.
    function _moveAll(Book memory book, uint256 listed, bytes calldata extra, Effects.List memory effects) private pure {
        for (uint256 pos = book.pos; pos < extra.length; pos += MOVE_SIZE) {
            uint256 move = extra.number(pos, MOVE_SIZE);
            (uint256 from, uint256 to, uint256 number) = (move >> 144, uint8(move >> 136), uint8(move >> 128));
            uint128 amount = uint128(move);
            if (pos + MOVE_SIZE > extra.length || from >= listed || to >= listed || number >= book.assets) {
                revert BadExtra(pos);
            }
            if ((book.strangers[from] >> to | book.strangers[to] >> from) & 1 == 1) revert NotACounterparty(from, to);
            bytes32 asset = bytes32(_asset(extra, number));
            uint256 place = from * book.assets + number;
            uint256 granted = book.grants[place];
            if (amount <= granted) {
                book.grants[place] = granted - amount;
            } else if (book.signed >> from & 1 == 1) {
                // From whoever did not sign the kernel lets nothing be taken.
                revert TakesTooMuch(from, asset, granted, amount);
            }
            place = to * book.assets + number;
            uint256 demanded = book.demands[place];
            if (demanded > amount) {
                book.demands[place] = demanded - amount;
            } else if (demanded != 0) {
                book.demands[place] = 0;
                --book.unmet;
            }
            effects.move(uint8(from), uint8(to), asset, amount);
        }
    }

    /// @dev Says which demand is not met.
    function _revertUnmet(Book memory book, bytes calldata extra) private pure {
        uint256 place;
        while (book.demands[place] == 0) ++place;
        bytes32 asset = bytes32(_asset(extra, place % book.assets));
        revert BringsTooLittle(place / book.assets, asset, book.demands[place]);
    }

    function _asset(bytes calldata extra, uint256 number) private pure returns (uint256) {
        return extra.number(1 + 32 * number, 32);
    }

    /// @dev Number of the element `wanted` in the list at `pos` of `data`, whose elements strictly increase; `count` if it is not there.
    function _find(bytes calldata data, uint256 pos, uint256 count, uint256 size, uint256 wanted)
        private
        pure
        returns (uint256)
    {
        uint256 low;
        uint256 high = count;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            uint256 found = data.number(pos + middle * size, size);
            if (found == wanted) return middle;
            if (found < wanted) low = middle + 1;
            else high = middle;
        }
        return count;
    }
}
