// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {Status} from "../../contracts/types/BatchWord.sol";
import {BondLib} from "../../contracts/types/Bond.sol";
import {Draft} from "../harness/Drafts.sol";
import {Scenario} from "../harness/Scenario.sol";
import {Anchor, Header, Posted, Step} from "../harness/Shapes.sol";

interface IRecipient {
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

/// @notice What a proposer stakes, when it is free again, and where it goes (docs/spec.md, section 8).
contract BridgeBondTest is Scenario {
    // ---------------------------------------------------------------- funding and withdrawing

    function test_AnyoneFundsAnyone() public {
        vm.prank(alice);
        vm.expectEmit(address(bridge));
        emit IBridge.BondFunded(bob, alice, 3 gwei);
        bridge.fundBond{value: 3 gwei}(bob);
        _assertBond(bob, 3 gwei, 3 gwei);
    }

    function test_BondsAreWholeGwei() public {
        vm.deal(address(this), 1 ether);
        vm.expectRevert(abi.encodeWithSelector(IBridge.NotWholeGwei.selector, 1 gwei + 1));
        bridge.fundBond{value: 1 gwei + 1}(bob);
        vm.prank(proposer);
        vm.expectRevert(abi.encodeWithSelector(IBridge.NotWholeGwei.selector, 1));
        bridge.withdrawBond(1, payable(bob));
    }

    function test_OnlyTheOwnerWithdrawsAndOnlyWhatIsFree() public {
        uint256 before = bob.balance;
        vm.prank(proposer);
        vm.expectEmit(address(bridge));
        emit IBridge.BondWithdrawn(proposer, bob, 40 ether);
        bridge.withdrawBond(40 ether, payable(bob));
        assertEq(bob.balance, before + 40 ether);
        _assertBond(proposer, 60 ether, 60 ether);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(BondLib.BondTooSmall.selector, 1, 0));
        bridge.withdrawBond(1 gwei, payable(bob));

        post(steps(step(transfer(a(), b(), ETH, 1))));
        _assertBond(proposer, 60 ether, 60 ether - _lock());
        vm.prank(proposer);
        vm.expectRevert(
            abi.encodeWithSelector(BondLib.BondTooSmall.selector, 60 ether / 1 gwei, (60 ether - _lock()) / 1 gwei)
        );
        bridge.withdrawBond(60 ether, payable(bob));
    }

    function test_ARecipientThatRefusesKeepsTheBondWhereItIs() public {
        address refuser = _recipient(IRecipient.Mood.Refusing, "");
        vm.prank(proposer);
        vm.expectRevert(abi.encodeWithSelector(IBridge.PaymentFailed.selector, refuser, 1 ether));
        bridge.withdrawBond(1 ether, payable(refuser));
        _assertBond(proposer, BOND, BOND);
    }

    function test_ABondCannotBeWithdrawnTwiceByReentry() public {
        address mallory = _recipient(
            IRecipient.Mood.Calling, abi.encodeCall(IBridge.withdrawBond, (1 ether, payable(address(this))))
        );
        vm.prank(alice);
        bridge.fundBond{value: 2 ether}(mallory);
        IRecipient(mallory).act(address(bridge), abi.encodeCall(IBridge.withdrawBond, (1 ether, payable(mallory))));
        assertEq(mallory.balance, 1 ether);
        assertEq(IRecipient(mallory).answer(), abi.encodeWithSignature("ReentrancyGuardReentrantCall()"));
        _assertBond(mallory, 1 ether, 1 ether);
    }

    // ---------------------------------------------------------------- locks

    function test_ALockOutlastsTheWindowWhereverInAnEpochItIsMade() public {
        for (uint256 offset = 0; offset <= WINDOW; offset++) {
            uint256 snapshot = vm.snapshotState();
            uint256 epoch = (block.number - DEPLOYMENT_BLOCK) / (WINDOW + 1) + 1;
            uint256 posted = DEPLOYMENT_BLOCK + epoch * (WINDOW + 1) + offset;
            vm.roll(posted);
            post(steps(step(transfer(a(), b(), ETH, 1))));
            vm.roll(posted + WINDOW);
            _assertBond(proposer, BOND, BOND - _lock());
            // Released when the epoch after the next begins.
            uint256 released = DEPLOYMENT_BLOCK + (epoch + 2) * (WINDOW + 1);
            vm.roll(released - 1);
            _assertBond(proposer, BOND, BOND - _lock());
            vm.roll(released);
            _assertBond(proposer, BOND, BOND);
            assertGt(released, posted + WINDOW);
            vm.revertToState(snapshot);
        }
    }

    function test_LocksAddUp() public {
        post(steps(step(transfer(a(), b(), ETH, 1))), 0);
        post(steps(step(solo(c(), "", noAssets(), 0, 0))), 1);
        _assertBond(proposer, BOND, BOND - 2 * _lock());
    }

    // ---------------------------------------------------------------- slashing

    function test_HalfOfASlashedBondIsTheChallengersAndHalfIsBurnt() public {
        uint256 pool = address(bridge).balance;
        uint256 before = challenger.balance;
        (Posted memory p, bytes memory proof) = _lie();
        vm.expectEmit(address(bridge));
        emit IBridge.Convicted(p.id, proposer, challenger, _lock(), true);
        challenge(proof, p.walked.entries);
        assertEq(challenger.balance, before + _lock() / 2);
        assertEq(address(bridge).balance, pool - _lock() / 2, "the other half stays");
        _assertBond(proposer, BOND - _lock(), BOND - _lock());
    }

    function test_WhoeverConvictsItselfLoses() public {
        uint256 before = proposer.balance;
        (Posted memory p, bytes memory proof) = _lie();
        vm.prank(proposer);
        bridge.challenge(proof, p.walked.entries);
        assertEq(proposer.balance - before, _lock() / 2);
        _assertBond(proposer, BOND - _lock(), BOND - _lock());
    }

    function test_ARewardThatIsRefusedGoesToTheChallengersBond() public {
        IRecipient.Mood[2] memory moods = [IRecipient.Mood.Refusing, IRecipient.Mood.Burning];
        for (uint256 i = 0; i < moods.length; i++) {
            uint256 snapshot = vm.snapshotState();
            address mallory = _recipient(moods[i], "");
            (Posted memory p, bytes memory proof) = _lie();
            vm.expectEmit(address(bridge));
            emit IBridge.BondFunded(mallory, address(bridge), _lock() / 2);
            IRecipient(mallory).act(address(bridge), abi.encodeCall(IBridge.challenge, (proof, p.walked.entries)));
            _assertBond(mallory, _lock() / 2, _lock() / 2);
            vm.revertToState(snapshot);
        }
    }

    function test_ARewardCannotReenter() public {
        (Posted memory p, bytes memory proof) = _lie();
        address mallory = makeAddr("mallory");
        vm.etch(mallory, calling(address(bridge), abi.encodeCall(IBridge.unwind, (p.preimage, p.walked.entries))));
        vm.prank(mallory);
        bridge.challenge(proof, "");
        _assertBond(mallory, _lock() / 2, _lock() / 2);
        assertStatus(p, Status.Faulty);
        (bool done,) = mallory.call{gas: 30_000}(""); // by itself the same call goes through
        assertTrue(done);
        assertStatus(p, Status.Unwound);
    }

    function test_NoBondLeavesWhileAFaultIsUnresolved() public {
        Draft memory lying = lie(transfer(a(), b(), ETH, 1));
        Posted memory p = post(steps(step(lying)));
        challenge(evidence(p, 0, preStates(lying)), "");
        vm.prank(proposer);
        vm.expectRevert(abi.encodeWithSelector(IBridge.Frozen.selector, p.id));
        bridge.withdrawBond(1 gwei, payable(bob));
        bridge.unwind(p.preimage, p.walked.entries);
        vm.prank(proposer);
        bridge.withdrawBond(1 gwei, payable(bob));
    }

    function test_AFreezeHoldsAllLocks() public {
        post(steps(step(solo(c(), "", noAssets(), 0, 0))), 7);
        Draft memory lying = lie(transfer(a(), b(), ETH, 1));
        Posted memory p = post(steps(step(lying)));
        challenge(evidence(p, 0, preStates(lying)), "");
        _assertBond(proposer, BOND - _lock(), BOND - 2 * _lock());
        vm.roll(block.number + 10 * WINDOW);
        _assertBond(proposer, BOND - _lock(), BOND - 2 * _lock());
        bridge.unwind(p.preimage, p.walked.entries);
        _assertBond(proposer, BOND - _lock(), BOND - _lock());
    }

    function test_ABatchCanBeSlashedInTheEpochAfterItsOwn() public {
        uint256 epoch = (block.number - DEPLOYMENT_BLOCK) / (WINDOW + 1) + 1;
        vm.roll(DEPLOYMENT_BLOCK + (epoch + 1) * (WINDOW + 1) - 1);
        (Posted memory p, bytes memory proof) = _lie();
        vm.roll(block.number + 2);
        // A further lock, so that the bond's word was rolled.
        post(steps(step(solo(c(), "", noAssets(), 0, 0))), 7);
        _assertBond(proposer, BOND, BOND - 2 * _lock());
        challenge(proof, p.walked.entries);
        _assertBond(proposer, BOND - _lock(), BOND - 2 * _lock());
    }

    /// @dev In an epoch's last block, while the next epoch's lock is there too.
    function test_ALockOfTheEpochBeforeIsNotTakenFromThePresentOne() public {
        uint256 next = _nextEpoch();
        vm.roll(next - 1);
        (Posted memory p, bytes memory proof) = _lie();
        vm.roll(next);
        _lockMore();
        challenge(proof, p.walked.entries);
        _assertBond(proposer, BOND - _lock(), BOND - _lock() - 0.2 ether);
        vm.roll(next + WINDOW + 1);
        _assertBond(proposer, BOND - _lock(), BOND - _lock() - 0.2 ether);
        vm.roll(next + 2 * (WINDOW + 1));
        _assertBond(proposer, BOND - _lock(), BOND - _lock());
    }

    /// @dev In an epoch's first block, while a lock of the epoch before stands.
    function test_ALockOfThePresentEpochIsNotTakenFromTheOneBefore() public {
        uint256 next = _nextEpoch();
        vm.roll(next - 1);
        _lockMore();
        vm.roll(next);
        (Posted memory p, bytes memory proof) = _lie();
        challenge(proof, p.walked.entries);
        _assertBond(proposer, BOND - _lock(), BOND - _lock() - 0.2 ether);
        vm.roll(next + WINDOW + 1);
        _assertBond(proposer, BOND - _lock(), BOND - _lock());
    }

    function test_ARewardIsSentWithAGasOfItsOwn() public {
        (Posted memory p, bytes memory proof) = _lie();
        address meter = makeAddr("meter");
        vm.etch(meter, hex"5a5f5500"); // sstore(0, gas())
        vm.prank(meter);
        bridge.challenge(proof, p.walked.entries);
        assertEq(meter.balance, _lock() / 2);
        // 2,300 come with the ETH, and two instructions were paid for.
        assertEq(uint256(vm.load(meter, 0)), 30_000 + 2300 - 2);
    }

    /// Whichever block of its epoch it is of: nothing of that epoch is released, all of the one before.
    function test_AFaultHoldsTheLocksMadeSinceItsEpoch() public {
        address mallory = makeAddr("mallory");
        fund(mallory, 1 ether);
        Anchor memory early = depositEth(carol, 1);
        Anchor memory late = depositEth(carol, 1);
        uint256 first = DEPLOYMENT_BLOCK + 100 * (WINDOW + 1);
        vm.roll(first - 1);
        post(steps(step(solo(early, "", noAssets(), 0, 0))), 100);
        vm.roll(first);
        post(steps(step(solo(late, "", noAssets(), 0, 0))), 101);
        for (uint256 last = 0; last < 2; last++) {
            uint256 snapshot = vm.snapshotState();
            vm.roll(first + last * WINDOW);
            Draft memory d = lie(solo(c(), "", noAssets(), 0, 0));
            Step[] memory list = steps(step(d));
            Posted memory p = post(mallory, header(list, 0), list);
            challenge(evidence(p, 0, preStates(d)), "");
            vm.roll(first + 2 * (WINDOW + 1));
            (uint256 balance, uint256 free) = bridge.bondOf(proposer);
            assertEq(balance - free, _lock(), "the later one");
            vm.revertToState(snapshot);
        }
    }

    /// Ids end with block 2^27 after the deployment, and bonds do not: that block is in no fault's epoch if there is none.
    function test_LocksOfTheLastIdsAreReleasedToo() public {
        vm.roll(DEPLOYMENT_BLOCK + 2 ** 27 - 1);
        assertNotEq(2 ** 27 % (WINDOW + 1), 0, "ids end within an epoch");
        _lockMore();
        (uint256 balance, uint256 free) = bridge.bondOf(proposer);
        assertEq(balance - free, 0.2 ether);
        vm.roll(block.number + 2 * (WINDOW + 1));
        vm.prank(proposer);
        bridge.withdrawBond(balance, payable(proposer));
        (balance,) = bridge.bondOf(proposer);
        assertEq(balance, 0);
    }

    // ---------------------------------------------------------------- helpers

    /// @dev The first block of the next epoch.
    function _nextEpoch() private view returns (uint256) {
        return DEPLOYMENT_BLOCK + ((block.number - DEPLOYMENT_BLOCK) / (WINDOW + 1) + 1) * (WINDOW + 1);
    }

    /// @dev A harmless batch with a lock of 2 · (9,987,000 + 13,000) · 10 gwei: 0.2 ETH.
    function _lockMore() private {
        Step[] memory list = steps(step(solo(c(), "", noAssets(), 0, 0)));
        Header memory h = header(list, 8);
        h.ceiling = 9_987_000;
        post(proposer, h, list);
    }

    function _lie() private returns (Posted memory p, bytes memory proof) {
        Draft memory lying = lie(transfer(a(), b(), ETH, 1));
        p = post(steps(step(lying)));
        proof = evidence(p, 0, preStates(lying));
    }

    /// @dev Lock of a batch at the usual ceiling: the least one.
    function _lock() private pure returns (uint256) {
        return MIN_LOCK;
    }

    function _recipient(IRecipient.Mood mood, bytes memory call_) private returns (address made) {
        made = deployCode("Tokens.sol:Recipient");
        IRecipient(made).set(mood, address(bridge), call_);
    }

    function _assertBond(address who, uint256 balance, uint256 free) private view {
        (uint256 gotBalance, uint256 gotFree) = bridge.bondOf(who);
        assertEq(gotBalance, balance, "balance");
        assertEq(gotFree, free, "free");
    }
}
