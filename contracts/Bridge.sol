// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {IBridge} from "./interfaces/IBridge.sol";
import {IFraudVerifier} from "./interfaces/IFraudVerifier.sol";
import {IRuleRegistry} from "./interfaces/IRuleRegistry.sol";
import {BatchHeader} from "./libraries/BatchHeader.sol";
import {Calldata} from "./libraries/Calldata.sol";
import {Claims} from "./libraries/Claims.sol";
import {Entries} from "./libraries/Entries.sol";
import {Preimage} from "./libraries/Preimage.sol";
import {Submission} from "./libraries/Submission.sol";
import {BatchId, BatchIdLib} from "./types/BatchId.sol";
import {BatchWord, BatchWordLib, Status} from "./types/BatchWord.sol";
import {Bond} from "./types/Bond.sol";
import {GlobalWord, GlobalWordLib} from "./types/GlobalWord.sol";
import {Head, HeadLib} from "./types/Head.sol";

contract Bridge is IBridge, ReentrancyGuardTransient {
    using Calldata for bytes;
    using Entries for bytes;
    using Preimage for bytes;
    using SafeERC20 for IERC20;

    /// @dev Unwinding one anchor under the dearer of the known gas schedules, rounded up (test/gas).
    uint256 private constant UNWIND_GAS = 13_000;
    /// @dev What whoever unwinds an orphan is paid for beside its anchors: the transaction, its calldata, condemning it before.
    uint256 private constant ORPHAN_GAS = 250_000;
    /// @dev Proof that a step exceeds its batch's ceiling, which that ceiling does not bound: all that costs is evidence, of below 92,000
    /// bytes (16 states of 3,645, 24 siblings each, a step of 18,500, preimage and path of 2,500), at 64 gas each.
    uint256 private constant OVERSIZE_PROOF_GAS = 6_100_000;
    uint256 private constant MAX_CAPS = 64;
    /// @dev Enough for a wallet contract's receive function; the verdict does not depend on it.
    uint256 private constant REWARD_GAS = 30_000;

    uint256 public immutable WINDOW;
    uint256 public immutable INSURED_GAS_PRICE;
    uint256 public immutable MIN_LOCK;
    IFraudVerifier public immutable VERIFIER;
    IRuleRegistry public immutable REGISTRY;
    uint256 public immutable DEPLOYMENT_BLOCK;
    bool private immutable CAPPED;

    GlobalWord private _global;
    mapping(address proposer => Bond) private _bonds;
    mapping(address token => uint256) private _caps;

    /// @param window Blocks in which a batch can be challenged: L1 finality and a cushion
    /// @param insuredGasPrice Wei per gas at which the bond pays for a proof
    /// @param minLock Least bond of a batch, wei
    /// @param caps The assets that it takes; none: any, without a cap
    constructor(
        uint256 window,
        uint256 insuredGasPrice,
        uint256 minLock,
        IFraudVerifier verifier,
        IRuleRegistry registry,
        AssetCap[] memory caps
    ) {
        // A window of a year or a lock beyond the gwei word is a slip of the deployer's.
        if (
            window == 0 || window > 2_628_000 || insuredGasPrice == 0 || insuredGasPrice > 1e15 || minLock > 1e24
                || minLock < 2 * OVERSIZE_PROOF_GAS * insuredGasPrice || address(verifier).code.length == 0
                || address(registry).code.length == 0 || caps.length > MAX_CAPS
        ) revert BadParameters();
        WINDOW = window;
        INSURED_GAS_PRICE = insuredGasPrice;
        MIN_LOCK = minLock;
        VERIFIER = verifier;
        REGISTRY = registry;
        DEPLOYMENT_BLOCK = block.number;
        CAPPED = caps.length != 0;
        for (uint256 i; i < caps.length; ++i) {
            (address token, uint256 cap) = (caps[i].token, caps[i].cap);
            if (cap == 0 || _caps[token] != 0) revert BadParameters();
            _caps[token] = cap;
        }
    }

    receive() external payable {
        revert PlainTransferRefused();
    }

    // ---------------------------------------------------------------- deposits

    /// @inheritdoc IBridge
    function deposit(bytes21 key) external payable returns (BatchId id) {
        if (CAPPED) _checkCap(address(0), address(this).balance);
        return _open(key, address(0), msg.value);
    }

    /// @inheritdoc IBridge
    function depositToken(address token, uint256 amount, bytes21 key) external nonReentrant returns (BatchId id) {
        if (token.code.length == 0) revert TokenWithoutCode(token);
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        uint256 balance = IERC20(token).balanceOf(address(this));
        if (CAPPED) _checkCap(token, balance);
        return _open(key, token, balance - before);
    }

    function _checkCap(address token, uint256 balance) private view {
        uint256 cap = _caps[token];
        if (cap == 0) revert AssetNotListed(token);
        if (balance > cap) revert CapExceeded(token, cap, balance);
    }

    /// @dev A fragment that holds one asset, in its canonical encoding, under the anchor (id, 0).
    function _open(bytes21 key, address token, uint256 amount) private returns (BatchId id) {
        unchecked {
            // Kind 1 or 2: zero wraps.
            if (uint256(uint8(key[0])) - 1 > 1 || uint160(uint168(key)) == 0) revert BadKey(key);
        }
        if (amount == 0) revert ZeroAmount();
        if (amount > type(uint128).max) revert AmountTooLarge(amount);
        (_global, id) = _global.nextId(block.number - DEPLOYMENT_BLOCK);
        // keccak256(abi.encodePacked(uint8(0), key, uint64(0), uint8(1), uint256(uint160(token)), uint128(amount), uint16(0))):
        // domain of leaves, key, nonce, one asset, no data.
        bytes32 hash;
        assembly ("memory-safe") {
            let encoded := mload(0x40)
            mstore(encoded, or(shr(8, key), 0x100))
            mstore(add(encoded, 31), token)
            mstore(add(encoded, 63), shl(128, amount))
            hash := keccak256(encoded, 81)
        }
        HeadLib.store(uint256(BatchId.unwrap(id)) << 16, HeadLib.pack(hash, id));
        emit Deposited(BatchId.unwrap(id), key, token, uint128(amount));
    }

    // ---------------------------------------------------------------- batches

    /// @inheritdoc IBridge
    function submit(bytes calldata batch) external returns (BatchId id) {
        if (msg.sender != tx.origin || msg.sender.code.length != 0) revert SenderNotPlain(msg.sender, tx.origin);
        uint256 headerSize = BatchHeader.check(batch, DEPLOYMENT_BLOCK, REGISTRY);
        Submission.Result memory done;
        // Block numbers and sizes: `check` has ordered deployment ≤ clock < now, and header ≤ batch.
        unchecked {
            GlobalWord global;
            (global, id) = _global.nextId(block.number - DEPLOYMENT_BLOCK);
            _global = global;
            uint256 fault = global.oldestFault();
            _requireFree(BatchHeader.wordSlot(batch), fault);
            _lock(BatchHeader.ceiling(batch), BatchHeader.entryCount(batch), fault);

            // Heads of the clock's block or before, and older than every unresolved fault.
            uint256 newest = (BatchHeader.clock(batch) - DEPLOYMENT_BLOCK + 1) << BatchIdLib.SEQUENCE_BITS;
            if (fault < newest) newest = fault;
            bytes calldata steps = batch.slice(headerSize, batch.length - headerSize);
            done = Submission.walk(steps, BatchHeader.stepCount(batch), BatchHeader.entryCount(batch), id, newest);
        }
        bytes32 commitment = Preimage.hash(id, msg.sender, done, batch);
        BatchWord word = BatchWordLib.pack(commitment, id.relativeBlock(), done.withdrawals);
        BatchWordLib.store(msg.sender, BatchHeader.wordSlot(batch), word);
        emit BatchSubmitted(BatchId.unwrap(id), BatchWord.unwrap(word));
        if (done.skipped.length != 0) emit StepsSkipped(BatchId.unwrap(id), done.skipped);
    }

    /// @dev A word is reused once nothing can be asked of its batch any more.
    function _requireFree(uint256 k, uint256 fault) private view {
        BatchWord word = BatchWordLib.load(msg.sender, k);
        if (word.isEmpty()) return;
        Status fate = word.status();
        if (fate == Status.Unwound) return;
        uint256 posted = word.relativeBlock();
        unchecked {
            if (
                fate != Status.Live || word.hasUnpaid() || block.number <= DEPLOYMENT_BLOCK + posted + WINDOW
                    || fault >> BatchIdLib.SEQUENCE_BITS <= posted
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
        bool last = entries.length != 0;
        if (last) {
            entries.check(preimage);
            last = entries.areHeadsOf(preimage.batchId());
        }

        if (VERIFIER.verify(evidence, address(this))) revert StepIsValid();

        BatchId id = preimage.batchId();
        address proposer = preimage.proposer();
        if (last) {
            // Nothing was built on it: the fault is over in the transaction that finds it.
            _store(preimage, word.withStatus(Status.Unwound));
            entries.restore(id);
        } else {
            _store(preimage, word.withStatus(Status.Faulty));
            _global = _global.addFault(id);
        }
        uint256 slashed = _slash(preimage, word.relativeBlock());
        emit Convicted(BatchId.unwrap(id), proposer, msg.sender, slashed, last);
        _reward(slashed / 2);
    }

    /// @inheritdoc IBridge
    function condemn(bytes calldata child, bytes calldata childEntries, uint256 index, bytes calldata parent) external {
        BatchWord word = _load(child);
        Status parentFate = _load(parent).status();
        if (word.status() != Status.Live) revert WrongStatus(word.status());
        if (parentFate != Status.Faulty && parentFate != Status.Condemned) revert WrongStatus(parentFate);
        childEntries.check(child);
        uint256 count = childEntries.count();
        if (index >= count) revert EntryOutOfRange(index, count);
        (, Head before) = childEntries.entry(index);
        BatchId parentId = parent.batchId();
        if (BatchId.unwrap(before.writer()) != BatchId.unwrap(parentId)) revert NotParent(before.writer(), parentId);
        _store(child, word.withStatus(Status.Condemned));
        emit Condemned(BatchId.unwrap(child.batchId()), BatchId.unwrap(parentId));
    }

    /// @inheritdoc IBridge
    function unwind(bytes calldata preimage, bytes calldata entries) external nonReentrant {
        BatchWord word = _load(preimage);
        Status fate = word.status();
        if (fate != Status.Faulty && fate != Status.Condemned) revert WrongStatus(fate);
        entries.check(preimage);
        BatchId id = preimage.batchId();
        entries.restore(id);
        _store(preimage, word.withStatus(Status.Unwound));
        if (fate == Status.Faulty) _global = _global.resolveFault(id);
        emit Unwound(BatchId.unwrap(id));
        if (fate == Status.Condemned) _payOrphanFee(id, preimage.proposer(), entries.count());
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

        Claims.check(word, preimage, position, withdrawal, siblings);

        address recipient = withdrawal.recipient;
        if (word.isAssigned()) (recipient,) = _presentRecipient(id, position, recipient);
        _store(preimage, Claims.markPaid(word, id, position));
        emit Claimed(BatchId.unwrap(id), position, recipient, withdrawal.token, withdrawal.amount);
        if (withdrawal.token == address(0)) _sendAll(recipient, withdrawal.amount);
        else IERC20(withdrawal.token).safeTransfer(recipient, withdrawal.amount);
    }

    /// @inheritdoc IBridge
    function assign(
        bytes calldata preimage,
        uint256 position,
        Withdrawal calldata withdrawal,
        bytes calldata siblings,
        Terms calldata terms,
        bytes calldata signature
    ) external payable nonReentrant {
        BatchWord word = _load(preimage);
        if (word.status() != Status.Live) revert WrongStatus(word.status());
        BatchId id = preimage.batchId();
        uint256 fault = _global.oldestFault();
        if (fault < BatchId.unwrap(id)) revert Frozen(fault);
        Claims.check(word, preimage, position, withdrawal, siblings);

        (address recipient, uint256 sequence) = _presentRecipient(id, position, withdrawal.recipient);
        if (terms.from != recipient) revert NotRecipient(recipient, terms.from);
        if (terms.to == address(0)) revert ZeroRecipient();
        bool sold = msg.sender != recipient;
        if (sold) {
            if (block.number > terms.deadline) revert OfferExpired(terms.deadline, block.number);
            bytes32 digest = Claims.digest(keccak256(preimage), position, sequence, terms);
            if (!SignatureChecker.isValidSignatureNowCalldata(recipient, digest, signature)) {
                revert BadSignature(recipient, digest);
            }
        }
        (address token, uint256 price) = sold ? (terms.token, terms.price) : (address(0), 0);
        uint256 value = token == address(0) ? price : 0;
        if (msg.value != value) revert WrongValue(value, msg.value);

        Claims.assign(id, position, terms.to, sequence + 1);
        if (!word.isAssigned()) _store(preimage, word.withAssigned());
        emit Assigned(BatchId.unwrap(id), position, recipient, terms.to, token, price);
        if (value != 0) _sendAll(recipient, value);
        else if (price != 0) IERC20(token).safeTransferFrom(msg.sender, recipient, price);
    }

    /// @param first The withdrawal's own
    function _presentRecipient(BatchId id, uint256 position, address first)
        private
        view
        returns (address recipient, uint256 assignments)
    {
        (recipient, assignments) = Claims.assignment(id, position);
        if (assignments == 0) recipient = first;
    }

    function _sendAll(address to, uint256 amount) private {
        if (!_send(to, amount, gasleft())) revert PaymentFailed(to, amount);
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
        uint256 fault = _global.oldestFault();
        if (fault != GlobalWordLib.NO_FAULT) revert Frozen(fault);
        _bonds[msg.sender] = _rolled(msg.sender, fault).remove(_gwei(amount));
        emit BondWithdrawn(msg.sender, to, amount);
        _sendAll(to, amount);
    }

    function _lock(uint256 ceiling, uint256 entryCount, uint256 fault) private {
        Bond bond = _rolled(msg.sender, fault);
        _bonds[msg.sender] = bond.lock(_lockGwei(ceiling, entryCount));
    }

    /// @return slashed Wei that left the bond
    function _slash(bytes calldata preimage, uint256 relativeBlock) private returns (uint256 slashed) {
        address proposer = preimage.proposer();
        uint256 amount = _lockGwei(preimage.ceiling(), preimage.entryCount());
        (_bonds[proposer], slashed) = _bonds[proposer].slash(amount, relativeBlock / (WINDOW + 1));
        slashed *= 1 gwei;
    }

    /// @dev For the gas of condemning and unwinding an orphan, at the price that bonds insure.
    function _payOrphanFee(BatchId id, address proposer, uint256 entryCount) private {
        uint256 fee = (ORPHAN_GAS + UNWIND_GAS * entryCount) * INSURED_GAS_PRICE / 1 gwei;
        (_bonds[proposer], fee) = _bonds[proposer].charge(fee);
        fee *= 1 gwei;
        emit OrphanFeePaid(BatchId.unwrap(id), proposer, msg.sender, fee);
        _reward(fee);
    }

    /// @dev Pays the sender, to its bond if it does not take ETH.
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

    /// @dev A bond as it stands now.
    function _rolled(address proposer, uint256 fault) private view returns (Bond) {
        unchecked {
            uint256 held = fault == GlobalWordLib.NO_FAULT
                ? type(uint256).max
                : (fault >> BatchIdLib.SEQUENCE_BITS) / (WINDOW + 1);
            return _bonds[proposer].roll((block.number - DEPLOYMENT_BLOCK) / (WINDOW + 1), held);
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
    function assignmentOf(uint40 id, uint8 position) external view returns (address recipient, uint256 count) {
        return Claims.assignment(BatchId.wrap(id), position);
    }

    /// @inheritdoc IBridge
    function capOf(address token) external view returns (uint256) {
        return CAPPED ? _caps[token] : type(uint256).max;
    }

    /// @inheritdoc IBridge
    function bondOf(address proposer) external view returns (uint256 balance, uint256 free) {
        Bond bond = _rolled(proposer, _global.oldestFault());
        (balance,,,) = bond.unpack();
        return (balance * 1 gwei, bond.free() * 1 gwei);
    }

    /// @inheritdoc IBridge
    function lockOf(uint256 ceiling, uint256 entryCount) external view returns (uint256) {
        if (ceiling > BatchHeader.MAX_CEILING) revert CeilingTooHigh(BatchHeader.MAX_CEILING, ceiling);
        if (entryCount > BatchHeader.MAX_ENTRIES) revert TooManyEntries(BatchHeader.MAX_ENTRIES, entryCount);
        return _lockGwei(ceiling, entryCount) * 1 gwei;
    }

    /// @inheritdoc IBridge
    function oldestFault() external view returns (uint256) {
        return _global.oldestFault();
    }
}
