// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IBridge} from "./interfaces/IBridge.sol";
import {IFraudVerifier} from "./interfaces/IFraudVerifier.sol";
import {IRuleRegistry} from "./interfaces/IRuleRegistry.sol";
import {CommitmentTree} from "./libraries/CommitmentTree.sol";
import {Preimage} from "./libraries/Preimage.sol";
import {Submission} from "./libraries/Submission.sol";
import {BatchId, BatchIdLib} from "./types/BatchId.sol";
import {BatchWord, BatchWordLib, Status} from "./types/BatchWord.sol";
import {Bond} from "./types/Bond.sol";
import {GlobalWord} from "./types/GlobalWord.sol";
import {Head, HeadLib} from "./types/Head.sol";

contract Bridge is IBridge, ReentrancyGuardTransient {
    using Preimage for bytes;
    using SafeERC20 for IERC20;

    uint256 private constant VERSION = 1;
    uint256 private constant MAX_CLOCK_AGE = 32;
    uint256 private constant MAX_CEILING = 10_000_000;
    uint256 private constant MAX_ENTRIES = 512;
    uint256 private constant MAX_RULES = 32;
    uint256 private constant ENTRY_SIZE = 39;
    /// @dev Unwinding one anchor under the dearer of the known gas schedules, rounded up (test/gas).
    uint256 private constant UNWIND_GAS = 13_000;
    /// @dev Proof that a step exceeds its batch's ceiling, which that ceiling does not bound: all that costs is evidence,
    /// of below 80,000 bytes (16 states of 3,645, a step of 18,500, preimage and path of 2,500), at 64 gas each.
    uint256 private constant OVERSIZE_PROOF_GAS = 5_300_000;
    /// @dev Enough for a wallet contract's receive function; the verdict does not depend on it.
    uint256 private constant REWARD_GAS = 30_000;

    uint256 public immutable WINDOW;
    uint256 public immutable INSURED_GAS_PRICE;
    uint256 public immutable MIN_LOCK;
    IFraudVerifier public immutable VERIFIER;
    IRuleRegistry public immutable REGISTRY;
    uint256 public immutable DEPLOYMENT_BLOCK;

    GlobalWord private _global;
    mapping(address proposer => Bond) private _bonds;

    /// @param window Blocks in which a batch can be challenged: L1 finality and a cushion
    /// @param insuredGasPrice Wei per gas at which the bond pays for a proof
    /// @param minLock Least bond of a batch, wei
    constructor(
        uint256 window,
        uint256 insuredGasPrice,
        uint256 minLock,
        IFraudVerifier verifier,
        IRuleRegistry registry
    ) {
        // A window of a year or a lock beyond the gwei word is a slip of the deployer's.
        if (
            window == 0 || window > 2_628_000 || insuredGasPrice == 0 || insuredGasPrice > 1e15 || minLock > 1e24
                || minLock < 2 * OVERSIZE_PROOF_GAS * insuredGasPrice || address(verifier).code.length == 0
                || address(registry).code.length == 0
        ) revert BadParameters();
        WINDOW = window;
        INSURED_GAS_PRICE = insuredGasPrice;
        MIN_LOCK = minLock;
        VERIFIER = verifier;
        REGISTRY = registry;
        DEPLOYMENT_BLOCK = block.number;
    }

    receive() external payable {
        revert PlainTransferRefused();
    }

    // ---------------------------------------------------------------- deposits

    /// @inheritdoc IBridge
    function deposit(address controller) external payable returns (BatchId id) {
        return _open(controller, address(0), msg.value);
    }

    /// @inheritdoc IBridge
    function depositToken(address token, uint256 amount, address controller)
        external
        nonReentrant
        returns (BatchId id)
    {
        if (token.code.length == 0) revert TokenWithoutCode(token);
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = IERC20(token).balanceOf(address(this)) - before;
        return _open(controller, token, received);
    }

    /// @dev A fragment that holds one asset, in its canonical encoding, under the anchor (id, 0).
    function _open(address controller, address token, uint256 amount) private returns (BatchId id) {
        if (controller == address(0)) revert ZeroController();
        if (amount == 0) revert ZeroAmount();
        if (amount > type(uint128).max) revert AmountTooLarge(amount);
        (_global, id) = _global.nextId(block.number - DEPLOYMENT_BLOCK);
        // keccak256(abi.encodePacked(bytes2(0x0001), controller, uint64(0), uint8(1), uint256(uint160(token)),
        //     uint128(amount), uint16(0))): domain of leaves and kind, controller, nonce, one asset, no data.
        bytes32 hash;
        assembly ("memory-safe") {
            let encoded := mload(0x40)
            mstore(encoded, or(or(shl(240, 1), shl(80, controller)), 0x100))
            mstore(add(encoded, 31), token)
            mstore(add(encoded, 63), shl(128, amount))
            hash := keccak256(encoded, 81)
        }
        HeadLib.store(uint256(BatchId.unwrap(id)) << 16, HeadLib.pack(hash, id));
        emit Deposited(BatchId.unwrap(id), controller, token, uint128(amount));
    }

    // ---------------------------------------------------------------- batches

    /// @inheritdoc IBridge
    function submit(bytes calldata batch) external returns (BatchId id) {
        if (msg.sender != tx.origin || msg.sender.code.length != 0) revert SenderNotPlain(msg.sender, tx.origin);
        (bytes calldata header, uint256 k, uint256 stepCount, uint256 entryCount, uint256 ceiling, uint256 clock) =
            _checkHeader(batch);

        Submission.Result memory done;
        uint256 present;
        // Block numbers and sizes: `_checkHeader` has ordered deployment ≤ clock < now, and header ≤ batch.
        unchecked {
            present = block.number - DEPLOYMENT_BLOCK;
            GlobalWord global;
            (global, id) = _global.nextId(present);
            _global = global;
            _requireFree(k, global);
            _lock(ceiling, entryCount, global.isFrozen());

            // Heads of the clock's block or before, and older than every unresolved fault.
            uint256 newest = (clock - DEPLOYMENT_BLOCK + 1) << BatchIdLib.SEQUENCE_BITS;
            uint256 fault = global.oldestFault();
            if (fault < newest) newest = fault;
            bytes calldata steps;
            assembly ("memory-safe") {
                steps.offset := add(batch.offset, header.length)
                steps.length := sub(batch.length, header.length)
            }
            done = Submission.walk(steps, stepCount, entryCount, id, newest);
        }
        bytes32 commitment = Preimage.hash(id, msg.sender, done, header);
        BatchWord word = BatchWordLib.pack(commitment, present, done.withdrawals);
        BatchWordLib.store(msg.sender, k, word);
        emit BatchSubmitted(BatchId.unwrap(id), BatchWord.unwrap(word));
        if (done.skipped.length != 0) emit StepsSkipped(BatchId.unwrap(id), done.skipped);
    }

    /// @dev Checks all that the header says but the word slot and the bond.
    function _checkHeader(bytes calldata batch)
        private
        view
        returns (
            bytes calldata header,
            uint256 k,
            uint256 stepCount,
            uint256 entryCount,
            uint256 ceiling,
            uint256 clock
        )
    {
        uint256 size = Preimage.HEADER_SIZE;
        if (batch.length < size) revert BatchTruncated(size, batch.length);
        uint256 fields; // the header's bytes 0 to 17, at the top
        bytes32 clockHash;
        uint256 counts; // bytes 50 to 60, at the top
        assembly ("memory-safe") {
            fields := calldataload(batch.offset)
            clockHash := calldataload(add(batch.offset, 18))
            counts := calldataload(add(batch.offset, 50))
        }
        if (fields >> 248 != VERSION) revert UnsupportedVersion(uint8(fields >> 248));
        if (uint8(fields >> 240) != 0) revert UnsupportedDataAvailability(uint8(fields >> 240));
        if (uint64(fields >> 176) != block.chainid) revert WrongChain(block.chainid, uint64(fields >> 176));

        clock = uint64(fields >> 112);
        unchecked {
            uint256 oldest = block.number > MAX_CLOCK_AGE ? block.number - MAX_CLOCK_AGE : 0;
            if (oldest < DEPLOYMENT_BLOCK) oldest = DEPLOYMENT_BLOCK;
            if (clock < oldest || clock >= block.number) revert ClockOutOfRange(clock, oldest, block.number - 1);
        }
        if (blockhash(clock) != clockHash) revert ClockHashMismatch(blockhash(clock), clockHash);

        ceiling = counts >> 224;
        if (ceiling > MAX_CEILING) revert CeilingTooHigh(MAX_CEILING, ceiling);
        k = uint16(counts >> 208);
        stepCount = uint16(counts >> 192);
        if (stepCount == 0) revert NoSteps();
        entryCount = uint16(counts >> 176);
        if (entryCount > MAX_ENTRIES) revert TooManyEntries(MAX_ENTRIES, entryCount);

        uint256 rules = uint8(counts >> 168);
        if (rules > MAX_RULES) revert TooManyRules(MAX_RULES, rules);
        unchecked {
            size += 20 * rules;
        }
        if (batch.length < size) revert BatchTruncated(size, batch.length);
        header = batch[:size];
        for (uint256 i; i < rules; ++i) {
            address rule = header.ruleAt(i);
            uint256 registered = REGISTRY.registeredAt(rule);
            if (registered == 0 || registered > clock) revert RuleNotRegistered(rule, registered, clock);
        }
    }

    /// @dev A word is reused once nothing can be asked of its batch any more.
    function _requireFree(uint256 k, GlobalWord global) private view {
        BatchWord word = BatchWordLib.load(msg.sender, k);
        if (word.isEmpty()) return;
        Status fate = word.status();
        if (fate == Status.Unwound) return;
        uint256 posted = word.relativeBlock();
        unchecked {
            if (
                fate != Status.Live || word.hasUnpaid() || block.number <= DEPLOYMENT_BLOCK + posted + WINDOW
                    || global.oldestFault() >> BatchIdLib.SEQUENCE_BITS <= posted
            ) revert WordSlotBusy(k, BatchWord.unwrap(word));
        }
    }

    // ---------------------------------------------------------------- fraud

    /// @inheritdoc IBridge
    function challenge(bytes calldata evidence, bytes calldata entries) external nonReentrant {
        bytes calldata preimage = evidence.cut();
        BatchWord word = _load(preimage);
        Status fate = word.status();
        if (fate != Status.Live && fate != Status.Condemned) revert WrongStatus(fate);
        uint256 lastBlock = DEPLOYMENT_BLOCK + word.relativeBlock() + WINDOW;
        if (block.number > lastBlock) revert ChallengeWindowOver(lastBlock, block.number);
        bool last = entries.length != 0 && _isHeadOfAll(preimage, entries);

        if (VERIFIER.verify(evidence, address(this))) revert StepIsValid();

        BatchId id = preimage.batchId();
        address proposer = preimage.proposer();
        if (last) {
            // Nothing was built on it: the fault is over in the transaction that finds it.
            _store(preimage, word.withStatus(Status.Unwound));
            _restore(id, entries);
        } else {
            _store(preimage, word.withStatus(Status.Faulty));
            _global = _global.addFault(id);
        }
        uint256 slashed = _slash(preimage, word.relativeBlock());
        emit Convicted(BatchId.unwrap(id), proposer, msg.sender, slashed);
        if (last) emit Unwound(BatchId.unwrap(id));
        _reward(slashed / 2);
    }

    /// @inheritdoc IBridge
    function condemn(bytes calldata child, bytes calldata childEntries, uint256 index, bytes calldata parent) external {
        BatchWord word = _load(child);
        Status parentFate = _load(parent).status();
        if (word.status() != Status.Live) revert WrongStatus(word.status());
        if (parentFate != Status.Faulty && parentFate != Status.Condemned) revert WrongStatus(parentFate);
        _checkEntries(child, childEntries);
        uint256 count = childEntries.length / ENTRY_SIZE;
        if (index >= count) revert EntryOutOfRange(index, count);
        (, Head before) = _entry(childEntries, index);
        BatchId parentId = parent.batchId();
        if (BatchId.unwrap(before.writer()) != BatchId.unwrap(parentId)) revert NotParent(before.writer(), parentId);
        _store(child, word.withStatus(Status.Condemned));
        emit Condemned(BatchId.unwrap(child.batchId()), BatchId.unwrap(parentId));
    }

    /// @inheritdoc IBridge
    function unwind(bytes calldata preimage, bytes calldata entries) external {
        BatchWord word = _load(preimage);
        Status fate = word.status();
        if (fate != Status.Faulty && fate != Status.Condemned) revert WrongStatus(fate);
        _checkEntries(preimage, entries);
        BatchId id = preimage.batchId();
        _restore(id, entries);
        _store(preimage, word.withStatus(Status.Unwound));
        if (fate == Status.Faulty) _global = _global.resolveFault(id);
        emit Unwound(BatchId.unwrap(id));
    }

    /// @dev Whether the batch wrote the present head of each of its anchors.
    function _isHeadOfAll(bytes calldata preimage, bytes calldata entries) private view returns (bool) {
        _checkEntries(preimage, entries);
        BatchId id = preimage.batchId();
        uint256 count = entries.length / ENTRY_SIZE;
        for (uint256 i; i < count; ++i) {
            (uint256 anchor,) = _entry(entries, i);
            if (BatchId.unwrap(HeadLib.load(anchor).writer()) != BatchId.unwrap(id)) return false;
        }
        return true;
    }

    /// @dev Restores every anchor that the batch wrote; reverts unless it is the head of all.
    function _restore(BatchId id, bytes calldata entries) private {
        uint256 count = entries.length / ENTRY_SIZE;
        for (uint256 i; i < count; ++i) {
            (uint256 anchor, Head before) = _entry(entries, i);
            Head head = HeadLib.load(anchor);
            if (BatchId.unwrap(head.writer()) != BatchId.unwrap(id)) revert NotHead(anchor, Head.unwrap(head));
            HeadLib.store(anchor, before);
        }
    }

    function _checkEntries(bytes calldata preimage, bytes calldata entries) private pure {
        bytes32 hash = keccak256(entries);
        if (hash != preimage.entriesHash()) revert EntriesMismatch(preimage.entriesHash(), hash);
    }

    /// @dev Anchor id and head before the batch. The caller has checked the hash of `entries`, and `index`.
    function _entry(bytes calldata entries, uint256 index) private pure returns (uint256 anchor, Head before) {
        assembly ("memory-safe") {
            let pos := add(entries.offset, mul(index, ENTRY_SIZE))
            anchor := shr(200, calldataload(pos))
            before := calldataload(add(pos, 7))
        }
    }

    // ---------------------------------------------------------------- finality and claims

    /// @inheritdoc IBridge
    function claim(bytes calldata preimage, uint256 position, Withdrawal calldata withdrawal, bytes calldata siblings)
        external
        nonReentrant
    {
        BatchWord word = _load(preimage);
        if (word.status() != Status.Live) revert WrongStatus(word.status());
        BatchId id = preimage.batchId();
        uint256 finalBlock = DEPLOYMENT_BLOCK + word.relativeBlock() + WINDOW + 1;
        uint256 fault = _global.oldestFault();
        if (block.number < finalBlock || fault < BatchId.unwrap(id)) revert NotFinal(finalBlock, block.number, fault);

        if (!word.isUnpaid(position)) revert AlreadyPaid(position);
        uint256 count = preimage.withdrawalCount();
        bytes32 leaf = keccak256(abi.encodePacked(withdrawal.recipient, withdrawal.token, withdrawal.amount));
        bytes32 root = siblings.length == 32 * CommitmentTree.siblingCount(count, position)
            ? CommitmentTree.rootFrom(leaf, count, position, siblings)
            : bytes32(0);
        if (root != preimage.withdrawalRoot()) revert WithdrawalNotOpen(preimage.withdrawalRoot(), root);

        _store(preimage, word.withPaid(position));
        emit Claimed(BatchId.unwrap(id), position, withdrawal.recipient, withdrawal.token, withdrawal.amount);
        _pay(withdrawal);
    }

    function _pay(Withdrawal calldata withdrawal) private {
        if (withdrawal.token != address(0)) {
            IERC20(withdrawal.token).safeTransfer(withdrawal.recipient, withdrawal.amount);
        } else if (!_send(withdrawal.recipient, withdrawal.amount, gasleft())) {
            revert PaymentFailed(withdrawal.recipient, withdrawal.amount);
        }
    }

    /// @dev Sends ETH and looks at no returned byte.
    function _send(address to, uint256 amount, uint256 gasLimit) private returns (bool sent) {
        assembly ("memory-safe") {
            sent := call(gasLimit, to, amount, 0, 0, 0, 0)
        }
    }

    // ---------------------------------------------------------------- bonds

    /// @inheritdoc IBridge
    function fundBond(address proposer) external payable {
        _bonds[proposer] = _bonds[proposer].add(_gwei(msg.value));
        emit BondFunded(proposer, msg.sender, msg.value);
    }

    /// @inheritdoc IBridge
    function withdrawBond(uint256 amount, address payable to) external nonReentrant {
        if (_global.isFrozen()) revert Frozen(_global.oldestFault());
        _bonds[msg.sender] = _bonds[msg.sender].roll(_epoch(), false).remove(_gwei(amount));
        emit BondWithdrawn(msg.sender, to, amount);
        if (!_send(to, amount, gasleft())) revert PaymentFailed(to, amount);
    }

    function _lock(uint256 ceiling, uint256 entryCount, bool frozen) private {
        Bond bond = _bonds[msg.sender].roll(_epoch(), frozen);
        _bonds[msg.sender] = bond.lock(_lockGwei(ceiling, entryCount));
    }

    /// @return slashed Wei that left the bond
    function _slash(bytes calldata preimage, uint256 relativeBlock) private returns (uint256 slashed) {
        address proposer = preimage.proposer();
        uint256 amount = _lockGwei(preimage.ceiling(), preimage.entryCount());
        (_bonds[proposer], slashed) = _bonds[proposer].slash(amount, relativeBlock / (WINDOW + 1));
        slashed *= 1 gwei;
    }

    /// @dev Pays the challenger, to its bond if it does not take ETH.
    function _reward(uint256 amount) private {
        if (_send(msg.sender, amount, REWARD_GAS)) return;
        _bonds[msg.sender] = _bonds[msg.sender].add(amount / 1 gwei);
        emit BondFunded(msg.sender, address(this), amount / 1 gwei * 1 gwei);
    }

    /// @dev No overflow: the constructor and the limits bound each factor.
    function _lockGwei(uint256 ceiling, uint256 entryCount) private view returns (uint256) {
        unchecked {
            uint256 amount = 2 * (ceiling + UNWIND_GAS * entryCount) * INSURED_GAS_PRICE;
            if (amount < MIN_LOCK) amount = MIN_LOCK;
            return (amount + 1 gwei - 1) / 1 gwei;
        }
    }

    function _gwei(uint256 amount) private pure returns (uint256) {
        if (amount % 1 gwei != 0) revert NotWholeGwei(amount);
        return amount / 1 gwei;
    }

    function _epoch() private view returns (uint256) {
        unchecked {
            return (block.number - DEPLOYMENT_BLOCK) / (WINDOW + 1);
        }
    }

    // ---------------------------------------------------------------- words and views

    /// @dev The batch's word, which must commit to `preimage`: to all of it, so that its fields, read before this is known, were
    /// within it.
    function _load(bytes calldata preimage) private view returns (BatchWord word) {
        word = BatchWordLib.load(preimage.proposer(), preimage.wordSlot());
        bytes32 commitment = keccak256(preimage);
        if (!word.commitsTo(commitment)) revert UnknownBatch(BatchWord.unwrap(word), commitment);
    }

    function _store(bytes calldata preimage, BatchWord word) private {
        BatchWordLib.store(preimage.proposer(), preimage.wordSlot(), word);
    }

    /// @inheritdoc IBridge
    function headOf(uint56 anchor) external view returns (bytes32) {
        return Head.unwrap(HeadLib.load(anchor));
    }

    /// @inheritdoc IBridge
    function wordOf(address proposer, uint16 slot) external view returns (uint256) {
        return BatchWord.unwrap(BatchWordLib.load(proposer, slot));
    }

    /// @inheritdoc IBridge
    function status(bytes calldata preimage) external view returns (Status) {
        return _load(preimage).status();
    }

    /// @inheritdoc IBridge
    function finalAt(bytes calldata preimage) external view returns (uint256) {
        BatchWord word = _load(preimage);
        if (word.status() != Status.Live) revert WrongStatus(word.status());
        return DEPLOYMENT_BLOCK + word.relativeBlock() + WINDOW + 1;
    }

    /// @inheritdoc IBridge
    function bondOf(address proposer) external view returns (uint256 balance, uint256 free) {
        Bond bond = _bonds[proposer].roll(_epoch(), _global.isFrozen());
        (balance,,,) = bond.unpack();
        return (balance * 1 gwei, bond.free() * 1 gwei);
    }

    /// @inheritdoc IBridge
    function lockOf(uint256 ceiling, uint256 entryCount) external view returns (uint256) {
        if (ceiling > MAX_CEILING) revert CeilingTooHigh(MAX_CEILING, ceiling);
        if (entryCount > MAX_ENTRIES) revert TooManyEntries(MAX_ENTRIES, entryCount);
        return _lockGwei(ceiling, entryCount) * 1 gwei;
    }

    /// @inheritdoc IBridge
    function oldestFault() external view returns (uint256) {
        return _global.oldestFault();
    }
}
