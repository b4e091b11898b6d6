// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {Status} from "../../contracts/types/BatchWord.sol";
import {Codec} from "../harness/Codec.sol";
import {Selling} from "../harness/Selling.sol";
import {Anchor, Posted} from "../harness/Shapes.sol";

interface IToken {
    function mint(address to, uint256 amount) external;
    function approve(address spender, uint256 amount) external returns (bool);
    function balanceOf(address who) external view returns (uint256);
}

/// @dev A batch on L1, as whoever knows everything sees it.
struct Batch {
    uint40 id;
    address proposer;
    uint16 slot;
    uint256 posted; // block
    bool lie; // one of its steps is invalid
    bool tainted; // it is a lie, or built on one
    bool gone; // another batch has its word
    Status fate;
    uint256 lock; // wei
    bytes evidence; // of the step that lies, or of the first
    bytes record; // abi.encode(Posted)
    bytes withdrawals; // abi.encode(IBridge.Withdrawal[])
    uint256 paid; // a bit for each
}

/// @notice What is true, kept beside the bridge: every version of every anchor, every batch and claim, and what was burnt. Written
/// from docs/spec.md; nothing here asks the bridge.
abstract contract World is Selling {
    using Codec for *;

    uint256 internal constant NO_FAULT = 2 ** 40;

    IToken public token;
    Batch[] internal batches;
    /// @dev One more than the index of the batch with this id; 0: a deposit's.
    mapping(uint40 id => uint256) internal batchOf;
    uint56[] internal anchors;
    /// @dev What the anchor was, oldest first: abi.encode(Anchor), as written by its deposit or batch. Unwinding takes the last away.
    mapping(uint56 anchor => bytes[]) internal versions;
    /// @dev Who is to be paid, by batch and position. Zero: never assigned.
    mapping(uint40 id => mapping(uint256 position => address)) internal assigned;
    mapping(uint40 id => mapping(uint256 position => uint256)) internal assignments;
    uint256 public burnt; // wei
    uint256 public mostFaults; // at any one time
    uint40 public lastId;
    address[] public proposers;

    function setUp() public virtual override {
        super.setUp();
        token = IToken(deployCode("Token.sol:Token"));
        proposers.push(proposer);
        proposers.push(makeAddr("second proposer"));
        fund(proposers[1], 0.6 ether);
        _opened(a());
        _opened(b());
        _opened(c());
        lastId = c().writer;
    }

    // ---------------------------------------------------------------- anchors

    function _opened(Anchor memory anchor) internal {
        anchors.push(anchor.id);
        _write(anchor);
    }

    function _write(Anchor memory anchor) internal {
        versions[anchor.id].push(abi.encode(anchor));
    }

    /// @dev The last version; none: an anchor whose opening was unwound.
    function _present(uint56 anchor) internal view returns (Anchor memory present, bool exists) {
        bytes[] storage all = versions[anchor];
        if (all.length == 0) return (present, false);
        return (abi.decode(all[all.length - 1], (Anchor)), true);
    }

    /// @dev The last version that no lie has had a part in.
    function _sound(uint56 anchor) internal view returns (Anchor memory sound, bool exists) {
        bytes[] storage all = versions[anchor];
        for (uint256 i = all.length; i > 0; i--) {
            sound = abi.decode(all[i - 1], (Anchor));
            if (!_isTainted(sound.writer)) return (sound, true);
        }
    }

    function _isTainted(uint40 writer) internal view returns (bool) {
        return batchOf[writer] != 0 && batches[batchOf[writer] - 1].tainted;
    }

    /// @dev Whether a batch that is posted now may build on what `writer` wrote: not of this block, nor at or after a known fault.
    function _isFresh(uint40 writer) internal view returns (bool) {
        return writer < idAt(block.number, 0) && writer < _oldestFault();
    }

    // ---------------------------------------------------------------- batches

    function _isHeadOfAll(Batch storage batch) internal view returns (bool) {
        Posted memory p = abi.decode(batch.record, (Posted));
        for (uint256 i = 0; i < p.walked.count; i++) {
            (Anchor memory present, bool exists) = _present(p.walked.anchors[i]);
            if (!exists || present.writer != batch.id) return false;
        }
        return true;
    }

    function _unwound(Batch storage batch) internal {
        Posted memory p = abi.decode(batch.record, (Posted));
        for (uint256 i = 0; i < p.walked.count; i++) {
            versions[p.walked.anchors[i]].pop();
        }
        batch.fate = Status.Unwound;
    }

    /// @dev A final batch's withdrawals are paid. The window is over, and no older fault is unresolved.
    function _isFinal(Batch storage batch) internal view returns (bool) {
        return batch.fate == Status.Live && block.number > batch.posted + WINDOW && _oldestFault() > batch.id;
    }

    /// @dev Whether its word may be overwritten: an unwound batch's, or a final one's with nothing to pay.
    function _isSlotFree(Batch storage batch) internal view returns (bool) {
        if (batch.fate == Status.Unwound) return true;
        uint256 oldest = _oldestFault() / 8192;
        return batch.fate == Status.Live && block.number > batch.posted + WINDOW && _unpaid(batch) == 0
            && oldest > batch.id / 8192;
    }

    function _unpaid(Batch storage batch) internal view returns (uint256 count) {
        IBridge.Withdrawal[] memory list = abi.decode(batch.withdrawals, (IBridge.Withdrawal[]));
        for (uint256 i = 0; i < list.length; i++) {
            if ((batch.paid / 2 ** i) % 2 == 0) count++;
        }
    }

    function _faults() internal view returns (uint256 count) {
        for (uint256 i = 0; i < batches.length; i++) {
            if (batches[i].fate == Status.Faulty) count++;
        }
    }

    /// @dev The least unresolved fault.
    function _oldestFault() internal view returns (uint256) {
        for (uint256 i = 0; i < batches.length; i++) {
            if (batches[i].fate == Status.Faulty) return batches[i].id; // ids grow
        }
        return NO_FAULT;
    }

    // ---------------------------------------------------------------- sums

    /// @dev What users have of an asset: in fragments, and in withdrawals still to be paid. Lies and what is built on them do not count.
    function owed(bytes32 asset) public view returns (uint256 sum) {
        for (uint256 i = 0; i < anchors.length; i++) {
            (Anchor memory sound, bool exists) = _sound(anchors[i]);
            for (uint256 j = 0; exists && j < sound.state.assets.length; j++) {
                if (sound.state.assets[j].id == asset) sum += sound.state.assets[j].amount;
            }
        }
        for (uint256 i = 0; i < batches.length; i++) {
            if (batches[i].tainted) continue;
            IBridge.Withdrawal[] memory list = abi.decode(batches[i].withdrawals, (IBridge.Withdrawal[]));
            for (uint256 j = 0; j < list.length; j++) {
                bool unpaid = (batches[i].paid / 2 ** j) % 2 == 0;
                if (unpaid && bytes32(uint256(uint160(list[j].token))) == asset) sum += list[j].amount;
            }
        }
    }

    function bonds() public view returns (uint256 sum) {
        for (uint256 i = 0; i < proposers.length; i++) {
            (uint256 balance,) = bridge.bondOf(proposers[i]);
            sum += balance;
        }
    }

    /// @dev Locks that must still stand: of batches that can be challenged and were not convicted.
    function locks(address who) public view returns (uint256 sum) {
        for (uint256 i = 0; i < batches.length; i++) {
            Batch storage batch = batches[i];
            bool open = batch.fate == Status.Live || batch.fate == Status.Condemned;
            if (open && batch.proposer == who && block.number <= batch.posted + WINDOW) sum += batch.lock;
        }
    }
}
