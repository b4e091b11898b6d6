// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IFraudVerifier} from "../interfaces/IFraudVerifier.sol";
import {IRule} from "../interfaces/IRule.sol";
import {Effects} from "./Effects.sol";
import {Intents} from "./Intents.sol";
import {States} from "./States.sol";

/// @notice One call of a step: who authorised it, what its rule returns, and what the fragments become (docs/spec.md,
/// sections 6.1 and 6.3). Assets move by effects only, so no rule can create or lose them.
///
/// Whatever is wrong reverts, and the verifier reads any revert but `NeedGas` as "invalid".
library Kernel {
    using States for IRule.Fragment;
    using States for States.State;

    /// @notice The call breaks a rule of the kernel.
    error Invalid();

    uint256 internal constant MAX_EFFECTS = 64;
    uint256 private constant MAX_DATA = 2048;
    /// @dev Kept back beside what a rule gets, so that 63/64 of what is left is surely that much. Covers the cold access.
    uint256 private constant CALL_RESERVE = 10_000;

    /// @dev What a whole step works on.
    struct Step {
        bytes32 domain; // EIP-712 domain separator
        uint64 clock;
        address proposer;
        Work[] fragments; // in the order of the touches
        uint256 firstOpened; // the touches to be opened: [firstOpened, endOpened)
        uint256 endOpened;
        uint256 nextOpened;
        bytes32[] withdrawals; // hashes of those produced
        uint256 withdrawn; // how many
    }

    /// @dev A fragment during a step.
    struct Work {
        States.State state;
        uint80 id; // the true one; rules see zero for new ones
        bool isNew; // opened in this batch: signs nothing
        bool exists; // not, or no longer, waiting to be opened
        bool listed; // by some call
    }

    /// @dev A fragment in a call.
    struct Party {
        Work work;
        bool authority;
        bool signed;
        IRule.Asset[] limits; // what is left of the signed outflows
        bytes32 before; // hash of its state, if it must change
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
    }

    /// @dev Runs the call whose rule is `rule` at the front of `body`, a well-formed one; returns where the next starts.
    function run(Step memory step, address rule, bytes calldata body, uint256 pos) internal view returns (uint256) {
        Call memory call_;
        call_.rule = rule;
        call_.gasLimit = uint32(bytes4(body[pos + 1:pos + 5]));
        call_.maxEffects = uint16(bytes2(body[pos + 5:pos + 7]));
        call_.listed = uint8(body[pos + 7]);
        pos += 8;
        call_.parties = _parties(step, body, pos, call_.listed);
        call_.count = call_.listed;
        pos = _authorise(step, call_, body, pos + call_.listed);
        _settleAuthority(call_);
        uint256 size = uint16(bytes2(body[pos:pos + 2]));
        bytes calldata extra = body[pos + 2:pos + 2 + size];
        _applyAll(step, call_, _invoke(step, call_, extra));
        _requireChange(call_);
        return pos + 2 + size;
    }

    // ---------------------------------------------------------------- who takes part, and with what right

    function _parties(Step memory step, bytes calldata body, uint256 pos, uint256 listed)
        private
        pure
        returns (Party[] memory parties)
    {
        parties = _allocate(listed + step.endOpened - step.nextOpened);
        uint256 seen;
        for (uint256 i; i < listed; ++i) {
            uint256 number = uint8(body[pos + i]);
            if (number >= step.fragments.length || (seen >> number) & 1 == 1) revert Invalid();
            seen |= 1 << number;
            Work memory work = step.fragments[number];
            if (!work.exists) revert Invalid();
            work.listed = true;
            parties[i] = _party(work);
        }
    }

    /// @dev Reads and checks the call's authorisations.
    function _authorise(Step memory step, Call memory call_, bytes calldata body, uint256 pos)
        private
        view
        returns (uint256)
    {
        uint256 count = uint8(body[pos]);
        pos += 1;
        call_.authorisations = new IRule.Authorisation[](count);
        uint256 lowest;
        for (uint256 i; i < count; ++i) {
            uint256 position = uint8(body[pos]);
            if (position < lowest || position >= call_.listed) revert Invalid();
            lowest = position + 1;
            Party memory party = call_.parties[position];
            Work memory work = party.work;
            if (work.isNew || work.state.shown.kind != Effects.KIND_KEY) revert Invalid();

            Intents.Intent memory intent;
            (intent, pos) = Intents.read(body, pos + 1);
            if (step.clock > intent.validUntil) revert Invalid();
            address signer = Intents.signer(intent, step.domain, call_.rule, work.id, work.state.nonce);
            if (signer == address(0) || signer != work.state.shown.controller) revert Invalid();
            work.state.nonce += 1; // overflow reverts: invalid
            party.signed = true;
            party.limits = intent.outflows;
            call_.authorisations[i] = IRule.Authorisation(uint8(position), intent.payload);
        }
        return pos;
    }

    /// @dev Fixes authority before the rule runs. Whoever neither signed nor is under the rule has not consented.
    function _settleAuthority(Call memory call_) private pure {
        for (uint256 i; i < call_.listed; ++i) {
            Party memory party = call_.parties[i];
            party.authority = true;
            if (party.signed) continue;
            IRule.Fragment memory shown = party.work.state.shown;
            if (shown.kind != Effects.KIND_RULE || shown.controller != call_.rule) revert Invalid();
            party.before = party.work.state.hash();
        }
    }

    /// @dev A rule's fragment may be named only by a call that changes it: else anyone could make its updates stale.
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
        IRule.Fragment[] memory shown = new IRule.Fragment[](0);
        uint256 listed = call_.listed;
        assembly ("memory-safe") {
            // An array of pointers, which `new` would fill with empty fragments.
            shown := mload(0x40)
            mstore(0x40, add(shown, shl(5, add(listed, 1))))
            mstore(shown, listed)
        }
        for (uint256 i; i < listed; ++i) {
            shown[i] = call_.parties[i].work.state.shown;
        }
        bytes memory input = abi.encodeCall(
            IRule.transition, (IRule.Context(step.clock, step.proposer), shown, call_.authorisations, extra)
        );

        uint256 gasLimit = call_.gasLimit;
        uint256 needed = gasLimit + gasLimit / 63 + CALL_RESERVE;
        if (gasleft() < needed) revert IFraudVerifier.NeedGas(needed, gasleft());
        address rule = call_.rule;
        uint256 maxSize = call_.maxEffects;
        bool canonical;
        assembly ("memory-safe") {
            let done := staticcall(gasLimit, rule, add(input, 32), mload(input), 0, 0)
            let size := returndatasize()
            // u256 32 ‖ u256 length ‖ effects ‖ padding; nothing longer than committed is copied.
            if and(done, and(gt(size, 63), iszero(gt(size, add(maxSize, 95))))) {
                let output := mload(0x40)
                returndatacopy(output, 0, size)
                effects := add(output, 32)
                let length := mload(effects)
                let end := add(add(output, 64), length)
                mstore(0x40, add(output, and(add(size, 63), not(31)))) // and a word for what follows
                canonical := and(
                    and(eq(mload(output), 32), iszero(gt(length, maxSize))),
                    eq(size, add(64, and(add(length, 31), not(31))))
                )
                // Padding: the bytes behind the effects in their last word.
                if and(canonical, iszero(iszero(and(length, 31)))) {
                    canonical := iszero(shl(shl(3, and(length, 31)), mload(sub(end, and(length, 31)))))
                }
            }
        }
        if (!canonical) revert Invalid();
    }

    // ---------------------------------------------------------------- effects

    function _applyAll(Step memory step, Call memory call_, bytes memory effects) private pure {
        uint256 pos;
        uint256 count;
        while (pos < effects.length) {
            if (++count > MAX_EFFECTS) revert Invalid();
            pos = _apply(step, call_, effects, pos);
        }
    }

    /// @dev Applies the effect at `at`; returns where the next starts.
    function _apply(Step memory step, Call memory call_, bytes memory effects, uint256 pos)
        private
        pure
        returns (uint256)
    {
        uint256 code = _read(effects, pos, 1);
        if (code == Effects.MOVE) {
            uint256 from = _read(effects, pos + 1, 1);
            uint256 to = _read(effects, pos + 2, 1);
            if (from == to) revert Invalid();
            bytes32 asset = bytes32(_read(effects, pos + 3, 32));
            uint128 amount = uint128(_read(effects, pos + 35, 16));
            _debit(call_, from, asset, amount);
            _at(call_, to).work.state.shown.credit(asset, amount);
            return pos + 51;
        }
        if (code == Effects.MINT || code == Effects.BURN) {
            uint256 position = _read(effects, pos + 1, 1);
            bytes32 asset = Effects.issuedAsset(call_.rule, bytes32(_read(effects, pos + 2, 32)));
            uint128 amount = uint128(_read(effects, pos + 34, 16));
            if (amount == 0) revert Invalid();
            if (code == Effects.MINT) _at(call_, position).work.state.shown.credit(asset, amount);
            else _debit(call_, position, asset, amount);
            return pos + 50;
        }
        if (code == Effects.WRITE) {
            Party memory party = _at(call_, _read(effects, pos + 1, 1));
            uint256 size = _read(effects, pos + 2, 2);
            if (!party.authority || size > MAX_DATA || pos + 4 + size > effects.length) revert Invalid();
            bytes memory data = new bytes(size);
            assembly ("memory-safe") {
                mcopy(add(data, 32), add(add(effects, 36), pos), size)
            }
            party.work.state.shown.data = data;
            return pos + 4 + size;
        }
        if (code == Effects.OPEN) {
            _open(step, call_, uint8(_read(effects, pos + 1, 1)), address(uint160(_read(effects, pos + 2, 20))));
            return pos + 22;
        }
        if (code == Effects.WITHDRAW) {
            uint256 from = _read(effects, pos + 1, 1);
            address recipient = address(uint160(_read(effects, pos + 2, 20)));
            address token = address(uint160(_read(effects, pos + 22, 20)));
            uint128 amount = uint128(_read(effects, pos + 42, 16));
            if (recipient == address(0)) revert Invalid();
            _debit(call_, from, bytes32(uint256(uint160(token))), amount);
            // Out of bounds reverts: more withdrawals than the step has are invalid.
            step.withdrawals[step.withdrawn++] = keccak256(abi.encodePacked(recipient, token, amount));
            return pos + 58;
        }
        revert Invalid();
    }

    /// @dev Takes an asset from a party with authority, within what it signed.
    function _debit(Call memory call_, uint256 position, bytes32 asset, uint128 amount) private pure {
        Party memory party = _at(call_, position);
        if (!party.authority || amount == 0) revert Invalid();
        if (party.signed) {
            IRule.Asset[] memory limits = party.limits;
            uint256 i;
            while (i < limits.length && limits[i].id != asset) ++i;
            if (i == limits.length) revert Invalid();
            limits[i].amount -= amount; // underflow reverts: invalid
        }
        party.work.state.shown.debit(asset, amount);
    }

    function _open(Step memory step, Call memory call_, uint8 kind, address controller) private pure {
        if (step.nextOpened == step.endOpened) revert Invalid();
        bool own = kind == Effects.KIND_RULE && controller == call_.rule;
        if (!own && (kind != Effects.KIND_KEY || controller == address(0))) revert Invalid();
        Work memory work = step.fragments[step.nextOpened++];
        work.exists = true;
        work.state.shown.kind = kind;
        work.state.shown.controller = controller;
        Party memory party = _party(work);
        party.authority = own;
        call_.parties[call_.count++] = party;
    }

    // ---------------------------------------------------------------- helpers

    function _at(Call memory call_, uint256 position) private pure returns (Party memory) {
        if (position >= call_.count) revert Invalid();
        return call_.parties[position];
    }

    /// @dev An effect's field; the list must reach as far.
    function _read(bytes memory effects, uint256 pos, uint256 size) private pure returns (uint256 value) {
        if (pos + size > effects.length) revert Invalid();
        assembly ("memory-safe") {
            value := shr(sub(256, shl(3, size)), mload(add(add(effects, 32), pos)))
        }
    }

    function _party(Work memory work) private pure returns (Party memory party) {
        party.work = work;
    }

    /// @dev An array of `size` pointers, each still to be set.
    function _allocate(uint256 size) private pure returns (Party[] memory parties) {
        assembly ("memory-safe") {
            parties := mload(0x40)
            mstore(0x40, add(parties, shl(5, add(size, 1))))
            mstore(parties, size)
        }
    }
}
