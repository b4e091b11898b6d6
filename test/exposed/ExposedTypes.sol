// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {BatchId} from "../../contracts/types/BatchId.sol";
import {BatchWord, BatchWordLib, Status} from "../../contracts/types/BatchWord.sol";
import {Bond} from "../../contracts/types/Bond.sol";
import {GlobalWord} from "../../contracts/types/GlobalWord.sol";
import {Head, HeadLib} from "../../contracts/types/Head.sol";

/// @notice The packed words, as functions of numbers.
contract ExposedTypes {
    // ---------------------------------------------------------------- BatchId

    function partsOf(uint40 id) external pure returns (uint256 relativeBlock, uint256 sequence) {
        return (BatchId.wrap(id).relativeBlock(), BatchId.wrap(id).sequence());
    }

    // ---------------------------------------------------------------- BatchWord

    function pack(bytes32 commitment, uint256 relativeBlock, uint256 withdrawals) external pure returns (uint256) {
        return BatchWord.unwrap(BatchWordLib.pack(commitment, relativeBlock, withdrawals));
    }

    function unpack(uint256 word) external pure returns (Status status, uint256 relativeBlock, bool hasUnpaid) {
        BatchWord w = BatchWord.wrap(word);
        return (w.status(), w.relativeBlock(), w.hasUnpaid());
    }

    function commitsTo(uint256 word, bytes32 commitment) external pure returns (bool) {
        return BatchWord.wrap(word).commitsTo(commitment);
    }

    function withStatus(uint256 word, Status status) external pure returns (uint256) {
        return BatchWord.unwrap(BatchWord.wrap(word).withStatus(status));
    }

    function withPaid(uint256 word, uint256 position) external pure returns (uint256) {
        return BatchWord.unwrap(BatchWord.wrap(word).withPaid(position));
    }

    function isUnpaid(uint256 word, uint256 position) external pure returns (bool) {
        return BatchWord.wrap(word).isUnpaid(position);
    }

    function isMany(uint256 word) external pure returns (bool) {
        return BatchWord.wrap(word).isMany();
    }

    function isAssigned(uint256 word) external pure returns (bool) {
        return BatchWord.wrap(word).isAssigned();
    }

    function withAssigned(uint256 word) external pure returns (uint256) {
        return BatchWord.unwrap(BatchWord.wrap(word).withAssigned());
    }

    function storeWord(address proposer, uint256 k, uint256 word) external {
        BatchWordLib.store(proposer, k, BatchWord.wrap(word));
    }

    function loadWord(address proposer, uint256 k) external view returns (uint256) {
        return BatchWord.unwrap(BatchWordLib.load(proposer, k));
    }

    // ---------------------------------------------------------------- Head

    function packHead(bytes32 hash, uint40 id) external pure returns (bytes32 head, uint40 writer) {
        Head packed = HeadLib.pack(hash, BatchId.wrap(id));
        return (Head.unwrap(packed), BatchId.unwrap(packed.writer()));
    }

    function storeHead(uint56 anchor, bytes32 head) external {
        HeadLib.store(anchor, Head.wrap(head));
    }

    function loadHead(uint56 anchor) external view returns (bytes32) {
        return Head.unwrap(HeadLib.load(anchor));
    }

    // ---------------------------------------------------------------- Bond

    function unpackBond(uint256 bond) external pure returns (uint256, uint256, uint256, uint256) {
        return Bond.wrap(bond).unpack();
    }

    function free(uint256 bond) external pure returns (uint256) {
        return Bond.wrap(bond).free();
    }

    function roll(uint256 bond, uint256 epoch, uint256 held) external pure returns (uint256) {
        return Bond.unwrap(Bond.wrap(bond).roll(epoch, held));
    }

    function add(uint256 bond, uint256 amount) external pure returns (uint256) {
        return Bond.unwrap(Bond.wrap(bond).add(amount));
    }

    function remove(uint256 bond, uint256 amount) external pure returns (uint256) {
        return Bond.unwrap(Bond.wrap(bond).remove(amount));
    }

    function lock(uint256 bond, uint256 amount) external pure returns (uint256) {
        return Bond.unwrap(Bond.wrap(bond).lock(amount));
    }

    function charge(uint256 bond, uint256 amount) external pure returns (uint256, uint256) {
        (Bond left, uint256 taken) = Bond.wrap(bond).charge(amount);
        return (Bond.unwrap(left), taken);
    }

    function slash(uint256 bond, uint256 amount, uint256 lockedIn) external pure returns (uint256, uint256) {
        (Bond left, uint256 taken) = Bond.wrap(bond).slash(amount, lockedIn);
        return (Bond.unwrap(left), taken);
    }

    // ---------------------------------------------------------------- GlobalWord

    function nextId(uint256 word, uint256 relativeBlock) external pure returns (uint256, uint40) {
        (GlobalWord next, BatchId id) = GlobalWord.wrap(word).nextId(relativeBlock);
        return (GlobalWord.unwrap(next), BatchId.unwrap(id));
    }

    function isFrozen(uint256 word) external pure returns (bool) {
        return GlobalWord.wrap(word).isFrozen();
    }

    function oldestFault(uint256 word) external pure returns (uint256) {
        return GlobalWord.wrap(word).oldestFault();
    }

    function addFault(uint256 word, uint40 id) external pure returns (uint256) {
        return GlobalWord.unwrap(GlobalWord.wrap(word).addFault(BatchId.wrap(id)));
    }

    function resolveFault(uint256 word, uint40 id) external pure returns (uint256) {
        return GlobalWord.unwrap(GlobalWord.wrap(word).resolveFault(BatchId.wrap(id)));
    }
}
