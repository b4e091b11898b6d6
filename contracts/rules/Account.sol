// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../interfaces/IRule.sol";
import {Effects} from "../libraries/Effects.sol";

/// @title The Account rule
/// @notice What a user does with their own fragment: pay, open a fragment for somebody (or to split), withdraw to L1. Each
/// authorisation's payload is a list of operations on the signer's fragment; an empty one merely consents to be paid.
contract Account is IRule {
    using Effects for Effects.List;

    /// @notice The payload is not a list of operations.
    error BadPayload(uint256 authorisation, uint256 offset);
    /// @notice The payee is not among the call's fragments.
    error PayeeNotListed(uint80 payee);
    /// @notice This rule takes no unsigned data.
    error ExtraNotEmpty();

    uint8 private constant PAY = 1; // to (10) ‖ asset (32) ‖ amount (16)
    uint8 private constant OPEN = 2; // kind (1) ‖ controller (20) ‖ count (1) ‖ count × (asset (32) ‖ amount (16))
    uint8 private constant WITHDRAW = 3; // recipient (20) ‖ token (20) ‖ amount (16)

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
            uint8 from = authorisations[i].fragment;
            bytes calldata payload = authorisations[i].payload;
            uint256 pos;
            while (pos < payload.length) {
                uint256 left = payload.length - pos;
                uint8 operation = uint8(payload[pos]);
                if (operation == PAY && left >= 59) {
                    uint8 to = _position(fragments, uint80(bytes10(payload[pos + 1:pos + 11])));
                    effects.move(from, to, _asset(payload, pos + 11), _amount(payload, pos + 43));
                    pos += 59;
                } else if (operation == OPEN && left >= 23) {
                    uint256 count = uint8(payload[pos + 22]);
                    uint8 kind = uint8(payload[pos + 1]);
                    // Nothing could move what lies under this rule itself.
                    if (left < 23 + 48 * count || kind == Effects.KIND_RULE) revert BadPayload(i, pos);
                    effects.open(kind, address(bytes20(payload[pos + 2:pos + 22])));
                    pos += 23;
                    for (; count > 0; --count) {
                        effects.move(from, uint8(opened), _asset(payload, pos), _amount(payload, pos + 32));
                        pos += 48;
                    }
                    ++opened;
                } else if (operation == WITHDRAW && left >= 57) {
                    effects.withdraw(
                        from,
                        address(bytes20(payload[pos + 1:pos + 21])),
                        address(bytes20(payload[pos + 21:pos + 41])),
                        _amount(payload, pos + 41)
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

    function _asset(bytes calldata payload, uint256 pos) private pure returns (bytes32) {
        return bytes32(payload[pos:pos + 32]);
    }

    function _amount(bytes calldata payload, uint256 pos) private pure returns (uint128) {
        return uint128(bytes16(payload[pos:pos + 16]));
    }
}
