// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IEvidenceErrors} from "../interfaces/IEvidenceErrors.sol";
import {IRule} from "../interfaces/IRule.sol";
import {Calldata} from "./Calldata.sol";
import {Cohort} from "./Cohort.sol";
import {Effects} from "./Effects.sol";
import {Intents} from "./Intents.sol";
import {RuleInput} from "./RuleInput.sol";
import {Signatures} from "./Signatures.sol";
import {States} from "./States.sol";

/// @notice One call of a step: who authorised it, what its rule returns, and what the fragments become (docs/spec.md,
/// sections 6.1 and 6.3). Assets move by effects only, so no rule can create or lose them.
///
/// Whatever is wrong reverts, and the verifier reads any revert but `NeedGas` as "invalid".
library Kernel {
    using Calldata for bytes;
    using Intents for Intents.Message;
    using States for IRule.Asset[];
    using States for IRule.Fragment;
    using States for States.State;

    /// @notice The call breaks a rule of the kernel.
    error Invalid();

    uint256 internal constant MAX_EFFECTS = 64;
    uint256 private constant MEANING_SIZE = 66; // bytes: code, authorisation, type hash, struct hash
    uint256 private constant MAX_DATA = 2048;
    uint256 private constant MAX_LEASE = 64; // blocks ahead of the clock
    /// @dev Kept back beside what a rule gets, so that 63/64 of what is left is surely that much. Covers the cold access.
    uint256 private constant CALL_RESERVE = 10_000;

    /// @dev What a whole step works on.
    struct Step {
        bytes32 domain; // EIP-712 domain separator
        uint64 clock;
        address proposer;
        address account; // the enshrined rule
        Work[] fragments;
        uint256 nextOpened; // the touches still to be opened are fragments [nextOpened, endOpened)
        uint256 endOpened;
        uint256 nextLeaf; // no leaf before this one is still to be opened
        bytes32[] withdrawals; // hashes of those produced
        uint256 withdrawn; // how many
    }

    /// @dev A fragment during a step.
    struct Work {
        States.State state;
        uint80 id; // the true one; rules see zero for new ones
        uint256 depth; // of its anchor
        bool isNew; // its anchor was opened in this batch: signs nothing
        bool exists; // not, or no longer, waiting to be opened
        bool listed; // by some call, or opened by one
        bool leased; // its anchor is leased to the proposer
    }

    /// @dev A fragment in a call.
    struct Party {
        Work work;
        bool authority;
        bool signed; // else, if it has a key, it is merely credited
        IRule.Asset[] limits; // what is left of the signed outflows
        bytes32 before; // hash of its state, if it must change
        Intents.Message message; // if it signed
    }

    /// @dev A call as its body says.
    struct Call {
        address rule;
        uint256 gasLimit;
        uint256 maxEffects; // bytes
        uint256 listed; // fragments of the call
        Party[] parties; // they, and room for what the call opens
        uint256 count; // parties in use
        IRule.Authorisation[] authorisations;
        uint256 free; // where the rule's input starts, and its output after it
    }

    /// @dev `count` empty fragments. What `new` does, but not 500 gas for each.
    function allocate(uint256 count) internal pure returns (Work[] memory works) {
        assembly ("memory-safe") {
            works := mload(0x40)
            let work := add(works, shl(5, add(count, 1)))
            let size := mul(count, 0x1e0)
            mstore(0x40, add(work, size))
            mstore(works, count)
            calldatacopy(work, calldatasize(), size) // zeros
            for { let i := 1 } iszero(gt(i, count)) { i := add(i, 1) } {
                mstore(add(works, shl(5, i)), work)
                let state := add(work, 0xe0) // behind the seven words of a Work
                let shown := add(state, 0x60) // behind the three of a State
                mstore(work, state)
                mstore(state, shown)
                mstore(add(shown, 0x60), 0x60) // no assets, no data: Solidity's empty array
                mstore(add(shown, 0x80), 0x60)
                work := add(work, 0x1e0)
            }
        }
    }

    /// @dev Runs the call whose rule is `rule` at the front of `body`, a well-formed one; returns where the next starts.
    function run(Step memory step, address rule, bytes calldata body, uint256 pos) internal view returns (uint256) {
        unchecked {
            Call memory call_;
            call_.rule = rule;
            call_.gasLimit = body.number(pos + 1, 4);
            call_.maxEffects = body.number(pos + 5, 2);
            call_.listed = body.number(pos + 7, 1);
            pos += 8;
            call_.parties = _parties(step, body, pos, call_.listed);
            call_.count = call_.listed;
            pos = _authorise(step, call_, body, pos + call_.listed);
            _settleAuthority(call_);
            bytes memory effects = _invoke(step, call_, body.slice(pos + 2, body.number(pos, 2)));
            uint256 meanings = _readMeanings(call_, effects);
            _requireSignatures(step, call_, body);
            _applyAll(step, call_, effects, meanings);
            _requireChange(call_);
            return pos + 2 + body.number(pos, 2);
        }
    }

    // ---------------------------------------------------------------- who takes part, and with what right

    function _parties(Step memory step, bytes calldata body, uint256 pos, uint256 listed)
        private
        pure
        returns (Party[] memory parties)
    {
        parties = _allocate(listed + step.fragments.length); // it may open all the others
        uint256 seen;
        for (uint256 i; i < listed; ++i) {
            uint256 fragment = body.number(pos + i, 1);
            if (fragment >= step.fragments.length || (seen >> fragment) & 1 == 1) revert Invalid();
            seen |= 1 << fragment;
            Work memory work = step.fragments[fragment];
            if (!work.exists) revert Invalid();
            work.listed = true;
            _join(parties, i, work);
        }
    }

    /// @dev Reads the call's authorisations and checks all of them but the signatures: only the rule knows what is signed.
    function _authorise(Step memory step, Call memory call_, bytes calldata body, uint256 pos)
        private
        pure
        returns (uint256)
    {
        uint256 count = body.number(pos, 1);
        pos += 1;
        IRule.Authorisation[] memory authorisations = _pointers(count);
        call_.authorisations = authorisations;
        uint256 lowest;
        for (uint256 i; i < count; ++i) {
            uint256 position = body.number(pos, 1);
            if (position < lowest || position >= call_.listed) revert Invalid();
            lowest = position + 1;
            Party memory party = call_.parties[position];
            party.signed = true;
            bytes memory payload;
            (payload, pos) = _readMessage(step, call_.rule, party, body, pos + 1);
            authorisations[i] = IRule.Authorisation(uint8(position), payload);
        }
        return pos;
    }

    /// @dev Reads the message that a party signs; returns its payload, and where the authorisation ends.
    function _readMessage(Step memory step, address rule, Party memory party, bytes calldata body, uint256 pos)
        private
        pure
        returns (bytes memory payload, uint256)
    {
        Work memory work = party.work;
        if (work.isNew) revert Invalid();
        Intents.Message memory message =
            Intents.Message(Intents.PLAIN_TYPEHASH, 0, rule, work.id, work.state.nonce, 0, 0, 0);
        work.state.nonce += 1; // overflow reverts: invalid
        party.message = message;
        (party.limits, payload) = Intents.read(body, pos, message);
        if (step.clock > message.validUntil) revert Invalid();
        pos = message.signatureAt;
        return (payload, Signatures.end(body, pos + 1, body.number(pos, 1)));
    }

    /// @dev Checks the call's signatures, on what the rule has said of them.
    function _requireSignatures(Step memory step, Call memory call_, bytes calldata body) private view {
        // Authorisations are in the order of parties.
        for (uint256 i; i < call_.listed; ++i) {
            Party memory party = call_.parties[i];
            if (!party.signed) continue;
            Intents.Message memory message = party.message;
            IRule.Fragment memory shown = party.work.state.shown;
            bytes32 digest = message.digest(step.domain);
            if (!Signatures.isGood(body, message.signatureAt, digest, shown.kind, shown.controller)) revert Invalid();
        }
    }

    /// @dev Fixes authority before the rule runs. Whoever neither signed nor is under the rule has not consented, but to being
    /// credited by the proposer that it leases to.
    function _settleAuthority(Call memory call_) private pure {
        for (uint256 i; i < call_.listed; ++i) {
            Party memory party = call_.parties[i];
            party.authority = true;
            if (party.signed) continue;
            IRule.Fragment memory shown = party.work.state.shown;
            if (shown.kind == Effects.KIND_RULE) {
                if (shown.controller != call_.rule) revert Invalid();
            } else {
                if (!party.work.leased) revert Invalid();
                party.authority = false;
            }
            party.before = party.work.state.hash();
        }
    }

    /// @dev Who has not signed may be named only by a call that changes it: else anyone could make its updates stale.
    function _requireChange(Call memory call_) private pure {
        for (uint256 i; i < call_.listed; ++i) {
            Party memory party = call_.parties[i];
            if (!party.signed && party.work.state.hash() == party.before) revert Invalid();
        }
    }

    // ---------------------------------------------------------------- the rule

    /// @dev Calls the rule with exactly the gas that the proposer committed to. Returns its effects, a canonical `bytes`.
    function _invoke(Step memory step, Call memory call_, bytes calldata extra)
        private
        view
        returns (bytes memory effects)
    {
        assembly ("memory-safe") {
            mstore(add(call_, 0xe0), mload(0x40)) // call_.free
        }
        bytes memory input = _input(step, call_, extra);
        _requireGas(call_.gasLimit);
        bool done;
        assembly ("memory-safe") {
            // Gas limit and rule stand in the call's second and first word.
            done := staticcall(mload(add(call_, 0x20)), mload(call_), add(input, 32), mload(input), 0, 0)
        }
        if (!done) revert Invalid();
        return _output(call_.free, call_.maxEffects);
    }

    /// @dev The calldata of the rule.
    function _input(Step memory step, Call memory call_, bytes calldata extra) private pure returns (bytes memory) {
        IRule.Fragment[] memory shown;
        Party[] memory parties = call_.parties;
        uint256 listed = call_.listed;
        assembly ("memory-safe") {
            // An array of pointers, which `new` would fill with empty fragments: shown[i] = parties[i].work.state.shown.
            shown := mload(0x40)
            mstore(0x40, add(shown, shl(5, add(listed, 1))))
            mstore(shown, listed)
            for { let i := shl(5, listed) } i { i := sub(i, 32) } {
                mstore(add(shown, i), mload(mload(mload(mload(add(parties, i))))))
            }
        }
        return RuleInput.encode(step.clock, step.proposer, shown, call_.authorisations, extra);
    }

    /// @dev The rule surely gets what was committed: 63/64 of what is left is that much.
    function _requireGas(uint256 gasLimit) private view {
        uint256 needed = gasLimit + gasLimit / 63 + CALL_RESERVE;
        if (gasleft() < needed) revert IEvidenceErrors.NeedGas(needed, gasleft());
    }

    /// @dev The return data: u256 32 ‖ u256 length ‖ effects ‖ padding. Nothing longer than committed is copied; it
    /// takes the place of the input, at `free`, which has served.
    function _output(uint256 free, uint256 maxSize) private pure returns (bytes memory effects) {
        bool canonical;
        assembly ("memory-safe") {
            let size := returndatasize()
            if and(gt(size, 63), iszero(gt(size, add(maxSize, 95)))) {
                returndatacopy(free, 0, size)
                effects := add(free, 32)
                let length := mload(effects)
                mstore(0x40, add(free, and(add(size, 63), not(31))))
                canonical := and(
                    and(eq(mload(free), 32), iszero(gt(length, maxSize))),
                    eq(size, add(64, and(add(length, 31), not(31))))
                )
                // Padding: the bytes behind the effects in their last word.
                let rest := and(length, 31)
                if and(canonical, iszero(iszero(rest))) {
                    canonical := iszero(shl(shl(3, rest), mload(add(effects, sub(add(length, 32), rest)))))
                }
            }
        }
        if (!canonical) revert Invalid();
    }

    // ---------------------------------------------------------------- effects

    /// @dev Takes the meanings that stand in front into the messages; returns their number.
    function _readMeanings(Call memory call_, bytes memory effects) private pure returns (uint256 count) {
        unchecked {
            (uint256 from, uint256 end) = _bounds(effects);
            uint256 lowest;
            for (; from < end && _read(from, 1) == Effects.MEANING; from += MEANING_SIZE) {
                uint256 number = _read(from + 1, 1);
                if (number < lowest) revert Invalid();
                lowest = number + 1;
                // Out of bounds reverts: the call has no such authorisation.
                Intents.Message memory message = call_.parties[call_.authorisations[number].fragment].message;
                message.typeHash = bytes32(_read(from + 2, 32));
                message.intent = bytes32(_read(from + 34, 32));
                ++count;
            }
        }
    }

    /// @dev Applies the effects behind the meanings.
    function _applyAll(Step memory step, Call memory call_, bytes memory effects, uint256 meanings) private pure {
        unchecked {
            (uint256 from, uint256 end) = _bounds(effects);
            from += MEANING_SIZE * meanings;
            for (uint256 count = meanings; from < end; ++count) {
                if (count == MAX_EFFECTS) revert Invalid();
                from = _apply(step, call_, from);
            }
            // The last one went on behind the list: it was read from whatever lies there, and this undoes it.
            if (from != end) revert Invalid();
        }
    }

    /// @dev Where in memory the effects start and end.
    function _bounds(bytes memory effects) private pure returns (uint256 from, uint256 end) {
        assembly ("memory-safe") {
            from := add(effects, 32)
            end := add(from, mload(effects))
        }
    }

    /// @dev Applies the effect at memory `from`; returns where the next starts.
    function _apply(Step memory step, Call memory call_, uint256 from) private pure returns (uint256) {
        unchecked {
            uint256 code = _read(from, 1);
            uint256 position = _read(from + 1, 1);
            if (code > Effects.WITHDRAW || code == Effects.OPEN) return _govern(step, call_, code, position, from + 2);
            if (code == Effects.MOVE) {
                uint256 to = _read(from + 2, 1);
                if (position == to) revert Invalid();
                bytes32 asset = bytes32(_read(from + 3, 32));
                uint128 amount = uint128(_read(from + 35, 16));
                _debit(call_, position, asset, amount);
                _credit(call_, to, asset, amount);
                return from + 51;
            }
            if (code == Effects.WRITE) {
                if (position >= call_.count) revert Invalid();
                Party memory party = call_.parties[position];
                uint256 size = _read(from + 2, 2);
                if (!party.authority || size > MAX_DATA) revert Invalid();
                bytes memory data;
                assembly ("memory-safe") {
                    data := mload(0x40)
                    mstore(0x40, add(data, and(add(size, 63), not(31))))
                    mstore(data, size)
                    mcopy(add(data, 32), add(from, 4), size)
                }
                party.work.state.shown.data = data;
                return from + 4 + size;
            }
            if (code == Effects.MINT || code == Effects.BURN) {
                bytes32 asset = Effects.issuedAsset(call_.rule, bytes32(_read(from + 2, 32)));
                uint128 amount = uint128(_read(from + 34, 16));
                if (amount == 0) revert Invalid();
                if (code == Effects.MINT) _credit(call_, position, asset, amount);
                else _debit(call_, position, asset, amount);
                return from + 50;
            }
            if (code == Effects.WITHDRAW) {
                address recipient = address(uint160(_read(from + 2, 20)));
                address token = address(uint160(_read(from + 22, 20)));
                uint128 amount = uint128(_read(from + 42, 16));
                if (recipient == address(0)) revert Invalid();
                _debit(call_, position, bytes32(uint256(uint160(token))), amount);
                // Out of bounds reverts: more withdrawals than the step has are invalid.
                step.withdrawals[step.withdrawn++] = keccak256(abi.encodePacked(recipient, token, amount));
                return from + 58;
            }
            revert Invalid();
        }
    }

    /// @dev Takes an asset from a party with authority, within what it signed.
    function _debit(Call memory call_, uint256 position, bytes32 asset, uint128 amount) private pure {
        if (position >= call_.count || amount == 0) revert Invalid();
        Party memory party = call_.parties[position];
        if (!party.authority) revert Invalid();
        if (party.signed) party.limits.spend(asset, amount);
        party.work.state.shown.debit(asset, amount);
    }

    /// @dev Gives an asset to a party; all of them have consented to be touched. One that did neither sign nor is under a rule takes no
    /// asset that it does not hold.
    function _credit(Call memory call_, uint256 position, bytes32 asset, uint128 amount) private pure {
        if (position >= call_.count) revert Invalid();
        Party memory party = call_.parties[position];
        bool merely = position < call_.listed && !party.authority;
        party.work.state.shown.credit(asset, amount, !merely);
    }

    /// @dev Applies an effect on who controls what: opens a fragment, sets a controller or a lease. `operand` is its first one, the
    /// others start at memory `from`; returns where the next effect starts.
    function _govern(Step memory step, Call memory call_, uint256 code, uint256 operand, uint256 from)
        private
        pure
        returns (uint256)
    {
        unchecked {
            if (code == Effects.OPEN) {
                // Operand: depth.
                if (operand > Cohort.MAX_DEPTH || step.nextOpened == step.endOpened) revert Invalid();
                Work memory work = step.fragments[step.nextOpened++];
                work.depth = operand;
                _open(call_, work, from);
                return from + 21;
            }
            if (operand >= call_.count) revert Invalid();
            Party memory party = call_.parties[operand];
            if (!party.authority) revert Invalid();
            if (code == Effects.OPEN_LEAF) {
                _open(call_, step.fragments[_nextLeaf(step, party.work)], from);
                return from + 21;
            }
            // A key's fragment changes hands, or its sequencer, by the enshrined rule only: no other's payload need be read for it.
            States.State memory state = party.work.state;
            if (state.shown.kind != Effects.KIND_RULE && call_.rule != step.account) revert Invalid();
            if (code == Effects.SET_CONTROLLER) {
                (uint8 kind, address controller) = _readController(from);
                if (!_isKey(kind, controller)) revert Invalid();
                state.shown.kind = kind;
                state.shown.controller = controller;
                return from + 21;
            }
            if (code == Effects.SET_LEASE) {
                uint224 lease = uint224(_read(from, 28));
                uint256 lastBlock = uint64(lease);
                if (uint24(party.work.id) != 0 || (lease >> 64 == 0) != (lastBlock == 0)) revert Invalid();
                if (lastBlock > step.clock + MAX_LEASE) revert Invalid();
                state.lease = lease;
                return from + 28;
            }
            revert Invalid();
        }
    }

    /// @dev Number of the next leaf to be opened, which must be of the cohort that `header` heads.
    function _nextLeaf(Step memory step, Work memory header) private pure returns (uint256 place) {
        unchecked {
            // What does not exist is a leaf other than 0, or an opened touch.
            for (place = step.nextLeaf; place < step.fragments.length; ++place) {
                if (!step.fragments[place].exists && uint24(step.fragments[place].id) != 0) break;
            }
            step.nextLeaf = place + 1;
            // Beyond the last: reverts.
            if (uint24(header.id) != 0 || step.fragments[place].id >> 24 != header.id >> 24) revert Invalid();
        }
    }

    /// @dev Opens a fragment under the controller at memory `from`, and lets it join the call.
    function _open(Call memory call_, Work memory work, uint256 from) private pure {
        (uint8 kind, address controller) = _readController(from);
        bool own = kind == Effects.KIND_RULE && controller == call_.rule;
        if (!own && !_isKey(kind, controller)) revert Invalid();
        work.exists = true;
        work.listed = true;
        work.state.shown.kind = kind;
        work.state.shown.controller = controller;
        _join(call_.parties, call_.count, work);
        call_.parties[call_.count++].authority = own;
    }

    function _isKey(uint8 kind, address controller) private pure returns (bool) {
        return (kind == Effects.KIND_SECP256K1 || kind == Effects.KIND_P256) && controller != address(0);
    }

    function _readController(uint256 from) private pure returns (uint8 kind, address controller) {
        unchecked {
            return (uint8(_read(from, 1)), address(uint160(_read(from + 1, 20))));
        }
    }

    // ---------------------------------------------------------------- helpers

    /// @dev `size` bytes at memory `from`, as a number.
    function _read(uint256 from, uint256 size) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(sub(256, shl(3, size)), mload(from))
        }
    }

    /// @dev Sets a place of `parties`, as yet without authority. In assembly, since Solidity fills a whole empty fragment into a
    /// party that it declares or returns, 500 gas each time.
    function _join(Party[] memory parties, uint256 place, Work memory work) private pure {
        assembly ("memory-safe") {
            let party := mload(0x40)
            mstore(0x40, add(party, 0xc0))
            mstore(party, work)
            mstore(add(party, 0x20), 0)
            mstore(add(party, 0x40), 0)
            mstore(add(party, 0x60), 0x60) // no outflows: Solidity's empty array
            mstore(add(party, 0x80), 0)
            mstore(add(party, 0xa0), 0)
            mstore(add(parties, shl(5, add(place, 1))), party)
        }
    }

    /// @dev An array of `size` pointers, each still to be set.
    function _allocate(uint256 size) private pure returns (Party[] memory parties) {
        assembly ("memory-safe") {
            parties := mload(0x40)
            mstore(0x40, add(parties, shl(5, add(size, 1))))
            mstore(parties, size)
        }
    }

    function _pointers(uint256 size) private pure returns (IRule.Authorisation[] memory authorisations) {
        Party[] memory pointers = _allocate(size);
        assembly ("memory-safe") {
            authorisations := pointers
        }
    }
}
