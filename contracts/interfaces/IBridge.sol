// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {BatchId} from "../types/BatchId.sol";
import {Status} from "../types/BatchWord.sol";
import {IEvidenceErrors} from "./IEvidenceErrors.sol";

/// @title The bridge: custody, batches, finality
/// @notice Byte layouts and meaning: docs/spec.md. There is no owner, no upgrade and no pause.
///
/// Safety rests on one honest watcher whose challenge is included within `WINDOW` blocks. Liveness of one's own anchor rests
/// on nobody: anyone with a bond may propose.
///
/// Warning: tokens whose balances change by themselves (rebasing) are not supported: the bridge would owe what it does not
/// hold, or hold what it owes nobody. Nor are tokens that charge the sender beside the amount. Tokens that take their fee from the
/// amount are credited with what arrives.
interface IBridge is IEvidenceErrors {
    /// @notice What the withdrawal says; the claim's leaf is the hash of the three fields packed.
    struct Withdrawal {
        address recipient;
        address token;
        uint128 amount;
    }

    /// @notice Terms of an assignment of a claim.
    struct Terms {
        address from; // present recipient
        address to; // next recipient
        address token; // of the price; zero: ETH
        uint256 price;
        uint256 deadline; // last block in which the offer can be taken
        bool open; // the offer names nobody: `to` is the buyer's choice
    }

    /// @notice An asset that a deployment takes (zero: ETH), and how much of it the bridge may hold after a deposit.
    struct AssetCap {
        address token;
        uint256 cap;
    }

    /// @notice A new fragment holds `amount` of `token` (zero: ETH) under `key`: kind ‖ controller.
    event Deposited(uint40 indexed id, bytes21 indexed key, address token, uint128 amount);
    /// @notice A batch was accepted; its proposer is the transaction's sender. `word` commits to it.
    event BatchSubmitted(uint40 indexed id, uint256 word);
    /// @notice Some steps of the batch met stale anchors. Bit `i % 8` of byte `i / 8`: step i.
    event StepsSkipped(uint40 indexed id, bytes skipped);
    /// @notice A step of the batch was disproved. `slashed` (wei) left the bond; half of it is burnt, half is the challenger's.
    /// `unwound`: the batch was unwound by the same call, and its fault never entered the fault set.
    event Convicted(uint40 indexed id, address indexed proposer, address challenger, uint256 slashed, bool unwound);
    /// @notice The batch builds on a faulty or condemned one.
    event Condemned(uint40 indexed id, uint40 indexed parent);
    /// @notice The batch's anchors are as they were before it. Not for a batch that `Convicted` says was unwound.
    event Unwound(uint40 indexed id);
    /// @notice A withdrawal was paid.
    event Claimed(
        uint40 indexed id, uint256 position, address indexed recipient, address indexed token, uint128 amount
    );
    /// @notice A claim has a new recipient, who paid `price` of `token` (zero: ETH) for it; nothing if the old one sent it.
    event Assigned(
        uint40 indexed id, uint256 position, address indexed from, address indexed to, address token, uint256 price
    );
    /// @notice An orphan was unwound; `amount` (wei) left its proposer's bond for whoever did it.
    event OrphanFeePaid(uint40 indexed id, address indexed proposer, address to, uint256 amount);
    /// @notice The bond grew, by whomever. Wei.
    event BondFunded(address indexed proposer, address indexed from, uint256 amount);
    /// @notice The owner took unlocked bond out. Wei.
    event BondWithdrawn(address indexed proposer, address indexed to, uint256 amount);

    /// @notice Batches come straight from an account without code, so that anyone finds their bytes in the transaction.
    error SenderNotPlain(address sender, address origin);
    /// @notice The batch is shorter than its header.
    error BatchTruncated(uint256 needed, uint256 given);
    error UnsupportedVersion(uint8 version);
    error UnsupportedDataAvailability(uint8 kind);
    error WrongChain(uint256 expected, uint256 given);
    /// @notice The clock is not one of the last 32 blocks, or precedes the deployment.
    error ClockOutOfRange(uint256 clock, uint256 oldest, uint256 newest);
    /// @notice The clock's block is not part of this chain.
    error ClockHashMismatch(bytes32 expected, bytes32 given);
    error CeilingTooHigh(uint256 limit, uint256 given);
    error TooManyEntries(uint256 limit, uint256 given);
    error TooManyRules(uint256 limit, uint256 given);
    error NoSteps();
    /// @notice The rule is not in the registry, or came after the clock.
    error RuleNotRegistered(address rule, uint256 registeredAt, uint256 clock);
    /// @notice The word slot still serves a batch that is not final, or that has withdrawals to pay.
    error WordSlotBusy(uint256 slot, uint256 word);

    /// @notice Step `index` is not of the form that docs/spec.md gives.
    error MalformedStep(uint256 index);
    /// @notice The steps do not end with the batch, or their entries are not as many as announced.
    error MalformedBatch();
    /// @notice Every step names an anchor that somebody else has moved, or that is frozen.
    error NothingApplied();
    /// @notice The batch has more than 255 withdrawals, or more than its bytes can hold.
    error TooManyWithdrawals(uint256 limit);

    /// @notice A key is kind 1 or 2 ‖ controller, which is not zero.
    error BadKey(bytes21 key);
    error ZeroAmount();
    error AmountTooLarge(uint256 amount);
    error TokenWithoutCode(address token);
    /// @notice This deployment does not take the asset.
    error AssetNotListed(address token);
    /// @notice The deposit would bring the bridge's balance above the asset's cap.
    error CapExceeded(address token, uint256 cap, uint256 balance);
    /// @notice ETH arrives by `deposit` or `fundBond` only.
    error PlainTransferRefused();

    /// @notice The preimage is not that of a batch of its proposer's word slot.
    error UnknownBatch(uint256 word, bytes32 commitment);
    error WrongStatus(Status status);
    error ChallengeWindowOver(uint256 lastBlock, uint256 blockNumber);
    /// @notice The step is what its proposer said. Nothing changed.
    error StepIsValid();
    error NotFinal(uint256 finalAt, uint256 blockNumber, uint256 oldestFault);
    error WithdrawalNotOpen(bytes32 expectedRoot, bytes32 openedRoot);
    error AlreadyPaid(uint256 position);
    error PaymentFailed(address recipient, uint256 amount);
    /// @notice Who assigns a claim must be its present recipient.
    error NotRecipient(address expected, address given);
    error ZeroRecipient();
    /// @notice The signature on `digest` is not `signer`'s.
    error BadSignature(address signer, bytes32 digest);
    error OfferExpired(uint256 deadline, uint256 blockNumber);
    /// @notice An assignment takes exactly its price in ETH, none if the price is in a token or if the recipient itself assigns.
    error WrongValue(uint256 expected, uint256 given);
    error EntriesMismatch(bytes32 expected, bytes32 given);
    error EntryOutOfRange(uint256 index, uint256 count);
    /// @notice The batch is not, or no longer, the head of an anchor that it wrote: its descendants go first.
    error NotHead(uint256 anchor, bytes32 head);
    /// @notice The child's recorded parent is another batch.
    error NotParent(BatchId recorded, BatchId given);
    /// @notice While a fault is unresolved no bond leaves, and no claim of a later batch is assigned.
    error Frozen(uint256 oldestFault);
    /// @notice Bonds are kept in gwei.
    error NotWholeGwei(uint256 amount);
    error BadParameters();

    /// @notice Blocks during which a batch can be challenged.
    function WINDOW() external view returns (uint256);
    /// @notice Gas price (wei) up to which half a slashed bond outweighs the proof's cost.
    function INSURED_GAS_PRICE() external view returns (uint256);
    /// @notice Least bond that a batch locks (wei).
    function MIN_LOCK() external view returns (uint256);

    /// @notice Opens a fragment that holds the ETH sent, under `key`: kind (1 secp256k1, 2 P-256) ‖ controller.
    ///
    /// Warning: what goes to a key that nobody has is lost. For kind 1 the controller is an Ethereum address with a private key,
    /// never a contract; for kind 2 it is the last 20 bytes of keccak(x ‖ y).
    function deposit(bytes21 key) external payable returns (BatchId id);
    /// @notice Opens a fragment that holds what arrives of `amount` of an ERC-20.
    function depositToken(address token, uint256 amount, bytes21 key) external returns (BatchId id);

    /// @notice Posts a batch. Locks a part of the sender's bond until the epoch after the next begins, and beyond that while a fault of its own
    /// epoch or an earlier one is unresolved.
    function submit(bytes calldata batch) external returns (BatchId id);

    /// @notice Disproves one step, in one transaction. Convicts, or reverts.
    /// @param evidence docs/spec.md, section 7
    /// @param entries The batch's entries, to unwind it at once if nothing was built on it; or empty
    function challenge(bytes calldata evidence, bytes calldata entries) external;
    /// @notice Marks a live batch that was built on a faulty or condemned one.
    /// @param child Commitment preimage of the batch to condemn
    /// @param childEntries Its entries
    /// @param index Which entry names the parent
    /// @param parent Commitment preimage of the parent
    function condemn(bytes calldata child, bytes calldata childEntries, uint256 index, bytes calldata parent) external;
    /// @notice Restores the anchors of a faulty or condemned batch which is the head of all of them. For a condemned one the sender
    /// gets a fee out of its proposer's bond.
    function unwind(bytes calldata preimage, bytes calldata entries) external;

    /// @notice Pays a withdrawal of a final batch to its present recipient. Anyone may push it.
    /// @param preimage Commitment preimage of the batch
    /// @param position Its place among the batch's withdrawals
    /// @param siblings Its opening in the withdrawal tree
    function claim(bytes calldata preimage, uint256 position, Withdrawal calldata withdrawal, bytes calldata siblings)
        external;

    /// @notice Makes `terms.to` the recipient of a claim, final or not. By the present recipient itself; or by anyone with an offer that it
    /// signed, for the price.
    ///
    /// Warning: a buyer of a claim that is not final answers for the batch and all that it is built on: verify them first. If it is
    /// convicted or condemned the claim is void and the price stays paid.
    /// Warning: an open offer is whoever's comes first.
    /// @param signature `terms.from`'s, of 65 bytes or as its contract takes it (ERC-1271); not looked at if it is the sender
    function assign(
        bytes calldata preimage,
        uint256 position,
        Withdrawal calldata withdrawal,
        bytes calldata siblings,
        Terms calldata terms,
        bytes calldata signature
    ) external payable;

    /// @notice Adds to a proposer's bond; a whole number of gwei.
    function fundBond(address proposer) external payable;
    /// @notice Takes unlocked bond out (wei, whole gwei).
    function withdrawBond(uint256 amount, address payable to) external;

    /// @notice Head of an anchor: root (27 bytes) ‖ id. Zero: not open.
    function headOf(uint56 anchor) external view returns (bytes32 head);
    /// @notice Word of a proposer's slot.
    function wordOf(address proposer, uint16 slot) external view returns (uint256 word);
    /// @notice Fate of the batch with this commitment preimage.
    function status(bytes calldata preimage) external view returns (Status);
    /// @notice First block at which the batch is final, if no older fault is unresolved then. Reverts unless it is live.
    function finalAt(bytes calldata preimage) external view returns (uint256 blockNumber);
    /// @notice To whom the claim was assigned last, and how many times it was. Zeros: never, it is its withdrawal's recipient's.
    function assignmentOf(uint40 id, uint8 position) external view returns (address recipient, uint256 count);
    /// @notice How much of an asset the bridge may hold after a deposit: 2^256 − 1 if deposits are not capped, 0 if it takes none.
    function capOf(address token) external view returns (uint256 cap);
    /// @notice Bond (wei): all of it, and what a batch posted now could lock.
    function bondOf(address proposer) external view returns (uint256 balance, uint256 free);
    /// @notice What a batch with this ceiling and number of entries locks (wei).
    function lockOf(uint256 ceiling, uint256 entryCount) external view returns (uint256 amount);
    /// @notice Lowest id among unresolved faults; 2^40 if there are none.
    function oldestFault() external view returns (uint256 id);
}
