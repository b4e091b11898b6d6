// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Amounts} from "../../contracts/libraries/Amounts.sol";
import {Effects} from "../../contracts/libraries/Effects.sol";

/// @title A template of a rule: an escrow
/// @notice A buyer puts some of an asset under this rule. The buyer, or for a fee an arbiter, hands it to the seller; from the refund
/// block on, whoever likes hands it back to the buyer. How to write a rule of your own: docs/writing-a-rule.md.
///
/// Terms (73 bytes): seller (21) ‖ arbiter (21), zero if there is none ‖ fee (3), in millionths ‖ refund block (8) ‖ proposer (20), zero
/// for any. An escrow is a fragment under this rule; its data is 1 ‖ buyer (21) ‖ terms. People are keys: kind ‖ controller.
///
/// Payloads, of a call's only authorisation:
///
///     open     1 ‖ terms ‖ asset (32) ‖ amount (16)      EscrowOpen; `extra` is this rule's address
///     pay      2 ‖ escrow (10), listed first             EscrowPay
///
/// A call without authorisations refunds the escrow that it lists.
///
/// Warning: before the refund block nobody but the proposer of the terms can post a payment. If it goes away, the seller is not paid.
contract Escrow is IRule {
    using Amounts for uint256;
    using Effects for Effects.List;

    /// @notice The payload is none of this rule's, or its terms could not be kept.
    error BadPayload();
    /// @notice `extra` is not what this operation takes.
    error BadExtra();
    /// @notice Position 0 is no escrow, or another one than was signed.
    error NotTheEscrow();
    /// @notice The signer is neither buyer nor arbiter.
    error NotYours(bytes21 signer);
    /// @notice Until the refund block another proposer was chosen.
    error NotTheProposer(address chosen, address proposer);
    /// @notice There is no refund yet.
    error TooEarly(uint64 refundBlock, uint64 clock);

    struct Terms {
        bytes21 seller;
        bytes21 arbiter;
        uint24 fee;
        uint64 refundBlock;
        address proposer;
    }

    uint8 private constant OPEN = 1;
    uint8 private constant PAY = 2;
    /// @dev First byte of the data. This rule has one type of fragment; the next one that you add must not be taken for it.
    uint8 private constant ESCROW = 1;
    uint256 private constant MILLION = 1_000_000;
    uint24 private constant MAX_FEE = 100_000; // 10 %, so that something is left for the seller
    /// @dev Room for the longest list: meaning 66, open 23, move 51, write 4 + 95.
    uint256 private constant CAPACITY = 239;

    bytes32 private constant KEY = keccak256("Key(uint8 kind,address controller)");
    bytes32 private constant ESCROW_OPEN = keccak256(
        "EscrowOpen(Key seller,Key arbiter,uint24 fee,uint64 refundBlock,address proposer,bytes32 asset,uint128 amount)Key(uint8 kind,address controller)"
    );
    bytes32 private constant ESCROW_PAY = keccak256(
        "EscrowPay(uint80 escrow,Key seller,bytes32 asset,uint128 amount,uint128 fee)Key(uint8 kind,address controller)"
    );
    /// @dev What is signed: a struct of these for its first member, the kernel's own behind it. Types in alphabetical order.
    bytes32 private constant OPEN_TYPE = keccak256(
        "Authorisation(EscrowOpen intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)EscrowOpen(Key seller,Key arbiter,uint24 fee,uint64 refundBlock,address proposer,bytes32 asset,uint128 amount)Key(uint8 kind,address controller)Outflow(bytes32 asset,uint128 amount)"
    );
    bytes32 private constant PAY_TYPE = keccak256(
        "Authorisation(EscrowPay intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)EscrowPay(uint80 escrow,Key seller,bytes32 asset,uint128 amount,uint128 fee)Key(uint8 kind,address controller)Outflow(bytes32 asset,uint128 amount)"
    );

    /// @inheritdoc IRule
    function transition(
        Context calldata context,
        Fragment[] calldata fragments,
        Authorisation[] calldata authorisations,
        bytes calldata extra
    ) external pure returns (bytes memory) {
        if (authorisations.length > 1) revert BadPayload();
        if (authorisations.length == 1 && uint8(authorisations[0].payload[0]) == OPEN) {
            return _open(fragments, authorisations[0], extra);
        }
        if (extra.length != 0) revert BadExtra();
        if (authorisations.length == 1) return _pay(context, fragments, authorisations[0]);
        return _refund(context, fragments[0]);
    }

    function _open(Fragment[] calldata fragments, Authorisation calldata signed, bytes calldata extra)
        private
        pure
        returns (bytes memory)
    {
        bytes calldata payload = signed.payload;
        // A rule cannot know its address: the proposer says it, and the kernel opens under this rule or not at all.
        if (extra.length != 20) revert BadExtra();
        if (payload.length != 122) revert BadPayload();
        Terms memory terms = _terms(payload[1:74]);
        // What the kernel would refuse only when the seller is to be paid must not get in.
        if (!_isKey(terms.seller) || terms.fee > MAX_FEE) revert BadPayload();
        bytes32 asset = bytes32(payload[74:106]);
        uint128 amount = uint128(bytes16(payload[106:122]));
        uint8 buyer = signed.fragment;
        uint8 escrow = uint8(fragments.length); // the first position behind those listed

        Effects.List memory effects = Effects.list(CAPACITY);
        effects.meaning(0, OPEN_TYPE, _openHash(terms, asset, amount));
        effects.open(0, Effects.KIND_RULE, address(bytes20(extra)));
        effects.move(buyer, escrow, asset, amount);
        effects.write(escrow, abi.encodePacked(ESCROW, _keyOf(fragments[buyer]), payload[1:74]));
        return effects.finish();
    }

    function _pay(Context calldata context, Fragment[] calldata fragments, Authorisation calldata signed)
        private
        pure
        returns (bytes memory)
    {
        bytes calldata payload = signed.payload;
        if (payload.length != 11 || uint8(payload[0]) != PAY) revert BadPayload();
        Fragment calldata escrow = fragments[0];
        uint80 id = uint80(bytes10(payload[1:11]));
        // In the batch that opens them all escrows have id zero: a signature for zero would do for each.
        if (escrow.id != id || id == 0) revert NotTheEscrow();
        bytes calldata data = _data(escrow);
        Terms memory terms = _terms(data[22:95]);
        if (terms.proposer != address(0) && context.blockNumber < terms.refundBlock) {
            if (context.proposer != terms.proposer) revert NotTheProposer(terms.proposer, context.proposer);
        }
        Asset calldata held = escrow.assets[0];
        bytes21 signer = _keyOf(fragments[signed.fragment]);
        uint128 fee;
        if (signer != bytes21(data[1:22])) {
            if (signer != terms.arbiter) revert NotYours(signer);
            // Down: whoever takes a fee does not gain by rounding.
            fee = uint256(held.amount).mulDivDown(terms.fee, MILLION).toAmount();
        }

        Effects.List memory effects = Effects.list(CAPACITY);
        bytes32 meaning = keccak256(abi.encode(ESCROW_PAY, id, _keyHash(terms.seller), held.id, held.amount - fee, fee));
        effects.meaning(0, PAY_TYPE, meaning);
        // An effect that moves nothing is invalid.
        if (fee != 0) effects.move(0, signed.fragment, held.id, fee);
        _handTo(effects, terms.seller);
        return effects.finish();
    }

    /// @dev Nobody signs: what lies under the rule, the rule may move, if it changes it.
    function _refund(Context calldata context, Fragment calldata escrow) private pure returns (bytes memory) {
        bytes calldata data = _data(escrow);
        uint64 refundBlock = _terms(data[22:95]).refundBlock;
        if (context.blockNumber < refundBlock) revert TooEarly(refundBlock, context.blockNumber);
        Effects.List memory effects = Effects.list(CAPACITY);
        _handTo(effects, bytes21(data[1:22]));
        return effects.finish();
    }

    /// @dev The escrow becomes a fragment of that key, assets and all. So it costs no second root, and whoever gets it need not sign.
    function _handTo(Effects.List memory effects, bytes21 key) private pure {
        effects.write(0, "");
        effects.setController(0, _kind(key), _controller(key));
    }

    /// @dev Data is anybody's but in fragments under a rule; and of these the kernel lists no other rule's.
    function _data(Fragment calldata escrow) private pure returns (bytes calldata data) {
        data = escrow.data;
        if (escrow.kind != Effects.KIND_RULE || uint8(data[0]) != ESCROW) revert NotTheEscrow();
    }

    function _terms(bytes calldata packed) private pure returns (Terms memory) {
        return Terms({
            seller: bytes21(packed[0:21]),
            arbiter: bytes21(packed[21:42]),
            fee: uint24(bytes3(packed[42:45])),
            refundBlock: uint64(bytes8(packed[45:53])),
            proposer: address(bytes20(packed[53:73]))
        });
    }

    function _openHash(Terms memory terms, bytes32 asset, uint128 amount) private pure returns (bytes32) {
        return keccak256(
            abi.encode(
                ESCROW_OPEN,
                _keyHash(terms.seller),
                _keyHash(terms.arbiter),
                terms.fee,
                terms.refundBlock,
                terms.proposer,
                asset,
                amount
            )
        );
    }

    // ---------------------------------------------------------------- keys

    function _keyOf(Fragment calldata fragment) private pure returns (bytes21) {
        return bytes21(abi.encodePacked(fragment.kind, fragment.controller));
    }

    function _kind(bytes21 key) private pure returns (uint8) {
        return uint8(key[0]);
    }

    function _controller(bytes21 key) private pure returns (address) {
        return address(uint160(uint168(key)));
    }

    function _isKey(bytes21 key) private pure returns (bool) {
        uint8 kind = _kind(key);
        return (kind == Effects.KIND_SECP256K1 || kind == Effects.KIND_P256) && _controller(key) != address(0);
    }

    function _keyHash(bytes21 key) private pure returns (bytes32) {
        return keccak256(abi.encode(KEY, _kind(key), _controller(key)));
    }
}
