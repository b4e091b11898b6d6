// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

/// @title A rule: how fragments may change
/// @notice A rule is a pure function from what it is shown to a list of effects. The kernel applies the effects, and
/// refuses those that nobody authorised; a rule cannot create, lose or take assets that it was not given authority over.
///
/// Warning: the `data` of a fragment that is not under the rule's own control is anybody's. Check `controller` first.
///
/// Warning: a rule that reverts, exceeds the gas committed for the call, or returns anything but a canonical list makes
/// the step invalid, and its proposer loses a bond.
interface IRule {
    /// @param id L1 token address, or with the highest bit set an asset issued by a rule
    /// @param amount In the token's own units
    struct Asset {
        bytes32 id;
        uint128 amount;
    }

    /// @param id Fragment id (anchor id ‖ u24 leaf); zero if the fragment was opened in this very batch
    /// @param kind 1 secp256k1 address, 2 P-256 key, 3 rule
    /// @param controller Whoever may change the fragment
    /// @param assets Strictly increasing by id, no amount zero
    /// @param data What rules keep in the fragment
    struct Fragment {
        uint80 id;
        uint8 kind;
        address controller;
        Asset[] assets;
        bytes data;
    }

    /// @param fragment Position of the signing fragment in `fragments`
    /// @param payload What its controller signed for this rule to read
    struct Authorisation {
        uint8 fragment;
        bytes payload;
    }

    /// @param blockNumber The batch's clock: an L1 block shortly before inclusion
    /// @param proposer Who posted the batch
    struct Context {
        uint64 blockNumber;
        address proposer;
    }

    /// @notice The effects of one call.
    /// @param context When, and by whom
    /// @param fragments The fragments that the call lists
    /// @param authorisations Who signed this call, in ascending order of fragment
    /// @param extra Unsigned data from the proposer
    /// @return effects Packed list of effects (docs/spec.md, section 6.3; `libraries/Effects.sol` writes it)
    function transition(
        Context calldata context,
        Fragment[] calldata fragments,
        Authorisation[] calldata authorisations,
        bytes calldata extra
    ) external pure returns (bytes memory effects);
}
