// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../interfaces/IRule.sol";
import {Effects} from "../libraries/Effects.sol";

/// @title The Account rule
/// @notice What a user does with their own fragment: pay, open a fragment for somebody (or to split), withdraw to L1, hand it to
/// another key, lease it to a proposer, open leaves of the cohort that it heads. Each authorisation's payload is a list of
/// operations on the signer's fragment; an empty one merely consents to be paid.
contract Account is IRule {
    using Effects for Effects.List;

    /// @notice The payload is not a list of operations.
    error BadPayload(uint256 authorisation, uint256 offset);
    /// @notice The payee is not among the call's fragments.
    error PayeeNotListed(uint80 payee);
    /// @notice This rule takes no unsigned data.
    error ExtraNotEmpty();

    uint8 private constant PAY = 1; // to (10) ‖ asset (32) ‖ amount (16)
    uint8 private constant OPEN = 2; // depth (1) ‖ kind (1) ‖ controller (20) ‖ count (1) ‖ count × (asset (32) ‖ amount (16))
    uint8 private constant WITHDRAW = 3; // recipient (20) ‖ token (20) ‖ amount (16)
    uint8 private constant SET_CONTROLLER = 4; // kind (1) ‖ controller (20)
    uint8 private constant SET_LEASE = 5; // holder (20) ‖ last block (8)
    uint8 private constant OPEN_LEAF = 6; // as OPEN, without depth

    /// @inheritdoc IRule
    function transition(
        Context calldata,
        Fragment[] calldata fragments,
        Authorisation[] calldata authorisations,
        bytes calldata extra
    ) external pure returns (bytes memory) {
        if (extra.length != 0) revert ExtraNotEmpty();
        // An operation's effects are never twice as long as the operation.
        uint256 capacity;
        for (uint256 i; i < authorisations.length; ++i) {
            capacity += 2 * authorisations[i].payload.length;
        }
        Effects.List memory effects = Effects.list(capacity);
        uint256 opened = fragments.length; // position of the next fragment to be opened
        for (uint256 i; i < authorisations.length; ++i) {
            Authorisation calldata authorisation = authorisations[i];
            uint8 from = authorisation.fragment;
            bytes calldata payload = authorisation.payload;
            uint256 pos;
            while (pos < payload.length) {
                uint256 left = payload.length - pos;
                uint8 operation = uint8(payload[pos]);
                if (operation == PAY && left >= 59) {
                    uint8 to = _position(fragments, uint80(bytes10(payload[pos + 1:pos + 11])));
                    effects.move(from, to, _asset(payload, pos + 11), _amount(payload, pos + 43));
                    pos += 59;
                } else if (operation == OPEN && left >= 24) {
                    effects.open(uint8(payload[pos + 1]), _keyKind(payload, pos + 2, i), _address(payload, pos + 3));
                    pos = _fund(effects, payload, pos + 23, from, uint8(opened++), i);
                } else if (operation == OPEN_LEAF && left >= 23) {
                    effects.openLeaf(from, _keyKind(payload, pos + 1, i), _address(payload, pos + 2));
                    pos = _fund(effects, payload, pos + 22, from, uint8(opened++), i);
                } else if (operation == SET_CONTROLLER && left >= 22) {
                    effects.setController(from, uint8(payload[pos + 1]), _address(payload, pos + 2));
                    pos += 22;
                } else if (operation == SET_LEASE && left >= 29) {
                    uint64 lastBlock = uint64(bytes8(payload[pos + 21:pos + 29]));
                    effects.setLease(from, _address(payload, pos + 1), lastBlock);
                    pos += 29;
                } else if (operation == WITHDRAW && left >= 57) {
                    effects.withdraw(
                        from, _address(payload, pos + 1), _address(payload, pos + 21), _amount(payload, pos + 41)
                    );
                    pos += 57;
                } else {
                    revert BadPayload(i, pos);
                }
            }
        }
        return effects.finish();
    }

    function _position(Fragment[] calldata fragments, uint80 id) private pure returns (uint8) {
        for (uint256 i; i < fragments.length; ++i) {
            if (fragments[i].id == id && id != 0) return uint8(i);
        }
        revert PayeeNotListed(id);
    }

    /// @dev Kind of controller of what is opened: nothing could move what lies under this rule itself.
    function _keyKind(bytes calldata payload, uint256 pos, uint256 authorisation) private pure returns (uint8 kind) {
        kind = uint8(payload[pos]);
        if (kind == Effects.KIND_RULE) revert BadPayload(authorisation, pos);
    }

    /// @dev Moves the assets listed at `pos`, behind their number, to what was opened; returns where they end.
    function _fund(
        Effects.List memory effects,
        bytes calldata payload,
        uint256 pos,
        uint8 from,
        uint8 to,
        uint256 authorisation
    ) private pure returns (uint256) {
        uint256 end = pos + 1 + 48 * uint256(uint8(payload[pos]));
        if (end > payload.length) revert BadPayload(authorisation, pos);
        for (++pos; pos < end; pos += 48) {
            effects.move(from, to, _asset(payload, pos), _amount(payload, pos + 32));
        }
        return end;
    }

    function _address(bytes calldata payload, uint256 pos) private pure returns (address) {
        return address(bytes20(payload[pos:pos + 20]));
    }

    function _asset(bytes calldata payload, uint256 pos) private pure returns (bytes32) {
        return bytes32(payload[pos:pos + 32]);
    }

    function _amount(bytes calldata payload, uint256 pos) private pure returns (uint128) {
        return uint128(bytes16(payload[pos:pos + 16]));
    }
}
