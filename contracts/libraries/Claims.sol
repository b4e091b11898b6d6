// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../interfaces/IBridge.sol";
import {BatchId} from "../types/BatchId.sol";
import {BatchWord} from "../types/BatchWord.sol";
import {CommitmentTree} from "./CommitmentTree.sol";
import {Intents} from "./Intents.sol";
import {Preimage} from "./Preimage.sol";

/// @notice A claim is a withdrawal of a batch, by its position: whether it is paid, and whom it belongs to now.
library Claims {
    using Preimage for bytes;

    bytes32 internal constant ASSIGNMENT_TYPEHASH = keccak256(
        "Assignment(bytes32 commitment,uint256 position,uint256 sequence,address from,address to,address token,uint256 price,uint256 deadline)"
    );

    /// @dev Bitmaps of batches with many withdrawals: 27 bytes of this hash ‖ batch id. Bit p: paid.
    uint256 private constant PAID_TAG = uint256(keccak256("nthroot.paid")) & ~((uint256(1) << 40) - 1);
    /// @dev Assigned claims: 26 bytes of this hash ‖ batch id ‖ u8 position.
    ///
    ///     255                               160 159                 0
    ///     | number of assignments so far       | present recipient  |
    uint256 private constant ASSIGNMENT_TAG = uint256(keccak256("nthroot.assignment")) & ~((uint256(1) << 48) - 1);

    /// @dev Reverts unless the withdrawal at `position` is what the batch says, and unpaid. `preimage` is that of `word`.
    function check(
        BatchWord word,
        bytes calldata preimage,
        uint256 position,
        IBridge.Withdrawal calldata withdrawal,
        bytes calldata siblings
    ) internal view {
        uint256 count = preimage.withdrawalCount();
        bool unpaid = word.isMany()
            ? position < count && (_load(_paidSlot(preimage.batchId())) >> position) & 1 == 0
            : word.isUnpaid(position);
        if (!unpaid) revert IBridge.AlreadyPaid(position);
        bytes32 leaf = _leaf(withdrawal.recipient, withdrawal.token, withdrawal.amount);
        bytes32 root = siblings.length == 32 * CommitmentTree.siblingCount(count, position)
            ? CommitmentTree.rootFrom(leaf, count, position, siblings)
            : bytes32(0);
        if (root != preimage.withdrawalRoot()) revert IBridge.WithdrawalNotOpen(preimage.withdrawalRoot(), root);
    }

    /// @dev keccak256(abi.encodePacked(recipient, token, amount))
    function _leaf(address recipient, address token, uint128 amount) private pure returns (bytes32 leaf) {
        assembly ("memory-safe") {
            mstore(0, or(shl(96, recipient), shr(64, token)))
            mstore(24, or(shl(128, token), amount))
            leaf := keccak256(0, 56)
        }
    }

    /// @dev Marks a withdrawal paid that `check` found unpaid; returns the batch's word with it.
    function markPaid(BatchWord word, BatchId id, uint256 position) internal returns (BatchWord) {
        if (word.isMany()) _store(_paidSlot(id), _load(_paidSlot(id)) | (1 << position));
        return word.withPaid(position);
    }

    /// @dev Whom the claim was assigned to last, zero if it never was; and how many times.
    function assignment(BatchId id, uint256 position) internal view returns (address recipient, uint256 count) {
        uint256 raw = _load(_assignmentSlot(id, position));
        return (address(uint160(raw)), raw >> 160);
    }

    /// @dev The `count`th assignment.
    function assign(BatchId id, uint256 position, address recipient, uint256 count) internal {
        _store(_assignmentSlot(id, position), (count << 160) | uint160(recipient));
    }

    /// @dev What the seller of a claim signs (docs/spec.md, section 9).
    function digest(bytes32 commitment, uint256 position, uint256 sequence, IBridge.Terms calldata terms)
        internal
        view
        returns (bytes32)
    {
        bytes32 structHash = keccak256(
            abi.encode(
                ASSIGNMENT_TYPEHASH,
                commitment,
                position,
                sequence,
                terms.from,
                terms.open ? address(0) : terms.to,
                terms.token,
                terms.price,
                terms.deadline
            )
        );
        bytes32 domain = Intents.domain(block.chainid, address(this));
        return keccak256(abi.encodePacked(bytes2(0x1901), domain, structHash));
    }

    function _paidSlot(BatchId id) private pure returns (uint256) {
        return PAID_TAG | BatchId.unwrap(id);
    }

    /// @dev `position` < 256.
    function _assignmentSlot(BatchId id, uint256 position) private pure returns (uint256) {
        return ASSIGNMENT_TAG | (uint256(BatchId.unwrap(id)) << 8) | position;
    }

    function _load(uint256 slot) private view returns (uint256 value) {
        assembly ("memory-safe") {
            value := sload(slot)
        }
    }

    function _store(uint256 slot, uint256 value) private {
        assembly ("memory-safe") {
            sstore(slot, value)
        }
    }
}
