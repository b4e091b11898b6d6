// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {console} from "forge-std/console.sol";

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {Status} from "../../contracts/types/BatchWord.sol";
import {BondLib} from "../../contracts/types/Bond.sol";
import {Codec} from "../harness/Codec.sol";
import {Draft} from "../harness/Drafts.sol";
import {Scenario} from "../harness/Scenario.sol";
import {Anchor, Fresh, Header, Posted, Step} from "../harness/Shapes.sol";

interface IMooded {
    enum Mood {
        Taking,
        Refusing,
        Burning,
        Calling
    }

    function set(Mood mood, address target, bytes calldata call_) external;
    function act(address target, bytes calldata data) external returns (bytes memory);
    function answer() external view returns (bytes memory);
}

/// @dev Opens ids until it stops.
contract Depositor {
    constructor(address bridge, uint256 count) payable {
        for (uint256 i = 0; i < count; i++) {
            IBridge(bridge).deposit{value: 1}(bytes21(uint168(2 ** 160 + 1)));
        }
    }
}

/// @notice An outsider wants a bond that is locked, somebody else's, or a reward for nothing; or makes bonding dear for others
/// (docs/audit/attacks.md).
contract BondsAttacks is Scenario {
    using Codec for *;

    uint256 private constant EPOCH = WINDOW + 1;

    address private mallory = makeAddr("mallory");

    function _bond(address who) private view returns (uint256 balance, uint256 free) {
        return bridge.bondOf(who);
    }

    /// @dev A lie of Mallory's about an anchor of Carol's, and its proof.
    function _lie(Anchor memory anchor, uint16 slot) private returns (Posted memory p, bytes memory proof) {
        Draft memory d = lie(solo(anchor, "", noAssets(), 0, 0));
        p = post(mallory, header(steps(step(d)), slot), steps(step(d)));
        proof = evidence(p, 0, preStates(d));
    }

    // ---------------------------------------------------------------- what is locked

    /// Two lies; the liar convicts itself of one, unwinds it, and goes with what the other has locked, all in one block.
    function test_ConvictingOneselfFreesNoOtherLock() public {
        fund(mallory, 2 * MIN_LOCK);
        (Posted memory p, bytes memory proof) = _lie(a(), 0);
        (Posted memory q, bytes memory other) = _lie(c(), 1);
        vm.startPrank(mallory);
        bridge.challenge(proof, p.walked.entries);
        vm.expectRevert(abi.encodeWithSelector(BondLib.BondTooSmall.selector, 1, 0));
        bridge.withdrawBond(1 gwei, payable(mallory));
        vm.stopPrank();
        uint256 before = challenger.balance;
        challenge(other, q.walked.entries);
        assertEq(challenger.balance, before + MIN_LOCK / 2);
        (uint256 balance,) = _bond(mallory);
        assertEq(balance, 0);
    }

    /// A lie that was condemned is convicted too: its proposer pays once, and whoever unwinds it nothing more.
    function test_NobodyIsPaidTwiceForOneBatch() public {
        fund(mallory, 5 ether);
        (Posted memory p, bytes memory proof) = _lie(a(), 0);
        nextBlock();
        Anchor memory mine = Anchor(a().id, p.id, lie(solo(a(), "", noAssets(), 0, 0)).freshAfter[0]);
        (Posted memory q, bytes memory second) = _lie(mine, 1);
        challenge(proof, "");
        bridge.condemn(q.preimage, q.walked.entries, 0, p.preimage);
        challenge(second, "");
        assertStatus(q, Status.Faulty);
        (uint256 balance,) = _bond(mallory);
        assertEq(balance, 5 ether - 2 * MIN_LOCK);
        uint256 before = alice.balance;
        vm.startPrank(alice);
        bridge.unwind(q.preimage, q.walked.entries);
        bridge.unwind(p.preimage, p.walked.entries);
        vm.stopPrank();
        assertEq(alice.balance, before, "no fee for what was convicted");
        (balance,) = _bond(mallory);
        assertEq(balance, 5 ether - 2 * MIN_LOCK);
        assertEq(bridge.oldestFault(), 2 ** 40, "both faults are over");
    }

    /// Dust paid into somebody's bond keeps no lock alive, and frees none.
    function test_FundingSomebodyTouchesNoLock() public {
        post(steps(step(solo(a(), "", noAssets(), 0, 0))));
        uint256 start = block.number;
        for (uint256 i = 0; i < 2 * EPOCH + 2; i++) {
            vm.roll(start + i);
            uint256 snapshot = vm.snapshotState();
            (uint256 balance, uint256 free) = _bond(proposer);
            fund(proposer, 1 gwei);
            (uint256 more, uint256 freer) = _bond(proposer);
            assertEq(more, balance + 1 gwei);
            assertEq(freer, free + 1 gwei);
            vm.revertToState(snapshot);
            fund(proposer, 1 gwei);
        }
        (uint256 balance_, uint256 free_) = _bond(proposer);
        assertEq(balance_, free_, "released in its time");
    }

    /// Whoever takes a bond out is called with all the gas there is, and may do what it likes: the books are right by then.
    function test_TheRecipientOfABondGainsNothingByCallingBack() public {
        bytes[3] memory calls = [
            abi.encodeCall(IBridge.withdrawBond, (1 gwei, payable(mallory))),
            abi.encodeCall(IBridge.fundBond, (proposer)),
            abi.encodeCall(IBridge.deposit, (keyFor(alice)))
        ];
        for (uint256 i = 0; i < calls.length; i++) {
            uint256 snapshot = vm.snapshotState();
            address actor = deployCode("Tokens.sol:Recipient");
            fund(actor, 3 ether);
            IMooded(actor).set(IMooded.Mood.Calling, address(bridge), calls[i]);
            uint256 held = address(bridge).balance;
            IMooded(actor).act(address(bridge), abi.encodeCall(IBridge.withdrawBond, (1 ether, payable(actor))));
            (uint256 balance, uint256 free) = _bond(actor);
            assertEq(balance, 2 ether);
            assertEq(free, 2 ether);
            assertEq(address(bridge).balance, held - 1 ether);
            vm.revertToState(snapshot);
        }
    }

    // ---------------------------------------------------------------- what lies and rewards are worth

    /// For every ceiling and number of anchors: half a lock pays the dearest proof that can be needed and the roll-back, at the insured
    /// price; and who convicts itself is short of the other half.
    function test_HalfALockPaysProofAndRollBackWhateverIsAnnounced() public view {
        for (uint256 ceiling = 0; ceiling <= 10_000_000; ceiling += 500_000) {
            for (uint256 n = 0; n <= 512; n += 64) {
                uint256 half = bridge.lockOf(ceiling, n) / 2;
                assertGe(half, (ceiling + 13_000 * n) * INSURED_GAS_PRICE, "proof and roll-back");
                assertGe(half, 92_000 * 64 * INSURED_GAS_PRICE, "the largest evidence, if it is above the ceiling");
                // An orphan's fee is never more than what its lock leaves.
                assertGe(2 * half, (250_000 + 13_000 * n) * INSURED_GAS_PRICE, "the fee");
            }
        }
    }

    /// One lie holds up 512 anchors of other people until it is proven: in one transaction, which restores them all. It costs half a lock.
    function test_HoldingUp512AnchorsCostsHalfALockEachTime() public {
        Step[] memory list = new Step[](40);
        bytes[] memory states = new bytes[](13);
        for (uint256 i = 0; i < list.length; i++) {
            list[i].fresh = new Fresh[](i == 39 ? 5 : 13);
            list[i].body = hex"00";
            for (uint256 j = 0; j < list[i].fresh.length; j++) {
                Anchor memory anchor = depositEth(carol, 1);
                list[i].fresh[j] = Fresh(anchor.id, bytes27(uint216(i)), anchor.writer);
                states[j] = userState(carol, one(ETH, 1)).encode();
            }
        }
        nextBlock();
        fund(mallory, 1 ether);
        Header memory h = header(list, 0);
        h.ceiling = 0;
        Posted memory p = post(mallory, h, list);
        assertEq(p.walked.entriesWritten, 512);
        uint256 lock = bridge.lockOf(0, 512);
        assertEq(lock, 2 * 512 * 13_000 * INSURED_GAS_PRICE);
        vm.prank(mallory);
        bridge.challenge(evidence(p, 0, states), p.walked.entries);
        (uint256 balance,) = _bond(mallory);
        assertEq(balance + mallory.balance, 1 ether - lock / 2, "by itself, as cheaply as can be");
        for (uint256 i = 0; i < list.length; i++) {
            for (uint256 j = 0; j < list[i].fresh.length; j++) {
                assertEq(uint40(uint256(bridge.headOf(list[i].fresh[j].anchor))), list[i].fresh[j].parent);
            }
        }
    }

    /// To use up the 8,191 ids of a block takes more gas than a block has.
    function test_ABlocksIdsAreMoreThanItsGas() public {
        vm.deal(address(this), 1 ether);
        nextBlock();
        uint256 before = gasleft();
        new Depositor{value: 10}(address(bridge), 10);
        uint256 ten = before - gasleft();
        before = gasleft();
        new Depositor{value: 110}(address(bridge), 110);
        uint256 each = (before - gasleft() - ten) / 100;
        console.log("gas for an id", each, "for all of a block", each * 8191);
        assertGt(each * 8191, 3 * 60_000_000, "three blocks of 60 million");
    }

    // ---------------------------------------------------------------- making bonds dear for others

    /// A lie for each epoch, which its author proves itself just before the victim posts: it keeps nothing, whichever post that is. All that the
    /// fault holds was made in its epoch.
    function test_ALieInEachEpochKeepsNobodyFromItsBond() public {
        uint256 snapshot = vm.snapshotState();
        uint256 released = _epochs(NEVER);
        assertEq(released, 2 * 3 * MIN_LOCK, "those of two epochs");
        for (uint256 attacked = 0; attacked < 3; attacked++) {
            vm.revertToState(snapshot);
            snapshot = vm.snapshotState();
            assertEq(_epochs(attacked), released, "those of two epochs, as ever");
            (uint256 balance,) = _bond(mallory);
            assertEq(balance + mallory.balance, 10 ether - 6 * MIN_LOCK / 2, "half a lock an epoch");
        }
    }

    /// A known limit, by design: while a lie is unresolved no lock made since its epoch is released, for its batch may stand on the lie.
    /// Anybody ends that by unwinding.
    function test_AFaultThatNobodyUnwindsHoldsTheLocksMadeSince() public {
        fund(mallory, 1 ether);
        Anchor memory anchor = depositEth(carol, 1);
        vm.roll(DEPLOYMENT_BLOCK + ((block.number - DEPLOYMENT_BLOCK) / EPOCH + 1) * EPOCH);
        post(steps(step(solo(a(), "", noAssets(), 0, 0))), 100);
        vm.roll(block.number + EPOCH);
        (Posted memory p, bytes memory proof) = _lie(anchor, 0);
        challenge(proof, "");
        post(steps(step(solo(c(), "", noAssets(), 0, 0))), 101);
        uint256 snapshot = vm.snapshotState();
        for (uint256 e = 1; e < 4; e++) {
            vm.roll(block.number + EPOCH);
            (uint256 balance, uint256 free) = _bond(proposer);
            assertEq(balance - free, MIN_LOCK, "the one made since");
        }
        vm.revertToState(snapshot);
        vm.roll(block.number + 3 * EPOCH);
        bridge.unwind(p.preimage, p.walked.entries);
        (uint256 all, uint256 free_) = _bond(proposer);
        assertEq(all, free_, "released with the fault");
    }

    uint256 private constant NEVER = 3;

    /// @dev Six epochs in each of which the proposer posts three batches, this one of them while there is a fault.
    /// @return locked What the proposer has locked in the end
    function _epochs(uint256 attacked) private returns (uint256 locked) {
        fund(mallory, 10 ether);
        Anchor[24] memory anchors;
        for (uint256 i = 0; i < 24; i++) {
            anchors[i] = depositEth(carol, 1);
        }
        uint256 epoch = (block.number - DEPLOYMENT_BLOCK) / EPOCH + 1;
        for (uint256 e = 0; e < 6; e++) {
            vm.roll(DEPLOYMENT_BLOCK + (epoch + e) * EPOCH + 3);
            for (uint256 i = 0; i < 3; i++) {
                Posted memory p;
                if (i == attacked) {
                    bytes memory proof;
                    (p, proof) = _lie(anchors[4 * e + 3], uint16(e));
                    vm.prank(mallory);
                    bridge.challenge(proof, "");
                }
                post(steps(step(solo(anchors[4 * e + i], "", noAssets(), 0, 0))), uint16(100 + 10 * e + i));
                if (i == attacked) bridge.unwind(p.preimage, p.walked.entries);
                nextBlock();
            }
        }
        (uint256 balance, uint256 free) = _bond(proposer);
        locked = balance - free;
    }

    // ---------------------------------------------------------------- caps

    /// A known limit: bonds count towards a cap on ETH, and whoever bonds gets all of it back. So who has as much as the cap leaves
    /// keeps others from depositing, for no more than two transactions.
    function test_ABondUsesUpACapAndIsTakenBack() public {
        IBridge.AssetCap[] memory caps = new IBridge.AssetCap[](1);
        caps[0] = IBridge.AssetCap(address(0), 100 ether);
        bridge = deployBridge(WINDOW, INSURED_GAS_PRICE, MIN_LOCK, caps);
        vm.deal(mallory, 100 ether);
        vm.prank(mallory);
        bridge.fundBond{value: 100 ether}(mallory);
        vm.deal(address(this), 1);
        vm.expectRevert(abi.encodeWithSelector(IBridge.CapExceeded.selector, address(0), 100 ether, 100 ether + 1));
        bridge.deposit{value: 1}(keyFor(alice));
        vm.prank(mallory);
        bridge.withdrawBond(100 ether, payable(mallory));
        assertEq(mallory.balance, 100 ether);
        bridge.deposit{value: 1}(keyFor(alice));
    }

    /// ETH that is forced in uses up the cap at its owner's expense, and blocks neither claims nor bonds.
    function test_EthThatIsForcedInBlocksDepositsOnly() public {
        IBridge.AssetCap[] memory caps = new IBridge.AssetCap[](1);
        caps[0] = IBridge.AssetCap(address(0), 100 ether);
        vm.roll(DEPLOYMENT_BLOCK);
        bridge = deployBridge(WINDOW, INSURED_GAS_PRICE, MIN_LOCK, caps);
        vm.roll(DEPLOYMENT_BLOCK + 50);
        depositEth(alice, 5 ether);
        fund(proposer, 1 ether);
        vm.roll(DEPLOYMENT_BLOCK + 52);
        vm.deal(address(bridge), 500 ether);
        vm.expectRevert(abi.encodeWithSelector(IBridge.CapExceeded.selector, address(0), 100 ether, 500 ether + 1));
        vm.prank(alice);
        bridge.deposit{value: 1}(keyFor(alice));
        fund(proposer, 1 ether);
        Draft memory d = withdrawal(a(), bob, address(0), 1 ether);
        Posted memory p = post(steps(step(d)));
        vm.roll(block.number + WINDOW + 1);
        uint256 before = bob.balance;
        bridge.claim(p.preimage, 0, d.withdrawals[0], "");
        assertEq(bob.balance, before + 1 ether);
    }
}
