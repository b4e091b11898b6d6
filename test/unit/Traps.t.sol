// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {BatchId} from "../../contracts/types/BatchId.sol";
import {Status} from "../../contracts/types/BatchWord.sol";
import {BondLib} from "../../contracts/types/Bond.sol";
import {CohortTrials} from "../harness/CohortTrials.sol";
import {Draft} from "../harness/Drafts.sol";
import {Anchor, Header, Posted, State, Step} from "../harness/Shapes.sol";
import {Trial} from "../harness/Trials.sol";

interface IMintable {
    function mint(address to, uint256 amount) external;
    function approve(address spender, uint256 amount) external returns (bool);
    function balanceOf(address who) external view returns (uint256);
}

/// @dev Calls from a number of frames below.
contract Descent {
    function call(address target, bytes calldata data, uint256 depth) external returns (bool done) {
        if (depth == 0) {
            (done,) = target.call(data);
        } else {
            try this.call(target, data, depth - 1) returns (bool below) {
                done = below;
            } catch {}
        }
    }
}

/// @notice Mistakes that bridges like this one have made or nearly made, where no other file is the place (docs/properties.md).
contract TrapsTest is CohortTrials {
    // ---------------------------------------------------------------- lies that could not be proven

    function test_ALeafThatIsNotAStateConvicts() public view {
        Trial memory t = trial(payLeaf(5, 19));
        assertValid(t, "honest");
        bytes memory encoded = t.pre[0].states[1];
        t.pre[0].states[1] = hex"00";
        assertInvalid(t, "too short");
        t.pre[0].states[1] = bytes.concat(encoded, hex"00");
        assertInvalid(t, "too long");
        encoded[1] = 0x04;
        t.pre[0].states[1] = encoded;
        assertInvalid(t, "a kind that there is not");
    }

    /// @dev 1.75 MiB of zeros, returned or given as a reason: whoever copied them would pay as much again.
    function test_ReturnDataOfMegabytesIsNotCopied() public {
        bytes[2] memory bombs = [bytes(hex"621c00005ff3"), hex"621c00005ffd"];
        for (uint256 i = 0; i < bombs.length; i++) {
            rules.push(registry.register(bombs[i]));
            Draft memory d = ruled(uint8(rules.length), these(a()), noAssets(), "", 0);
            d.calls[0].gasLimit = 7_000_000;
            d.calls[0].maxEffects = 64;
            bytes memory proof = evidence(trial(d));
            uint256 before = gasleft();
            assertFalse(verifier.verify(proof, address(bridge)));
            uint256 used = before - gasleft();
            assertGt(used, 6_500_000, "the bomb went off");
            assertLt(used, 7_200_000, "nobody else paid for it");
        }
    }

    /// @dev A challenger and a recipient that answer with 96 KiB.
    function test_NoAnswerToAPaymentIsCopied() public {
        address mallory = makeAddr("mallory");
        vm.etch(mallory, hex"620180005ff3");
        Draft memory lying = lie(transfer(a(), b(), ETH, 1));
        Posted memory p = post(steps(step(lying)));
        vm.prank(mallory);
        bridge.challenge(evidence(p, 0, preStates(lying)), p.walked.entries);
        assertStatus(p, Status.Unwound);
        assertEq(mallory.balance, MIN_LOCK / 2);

        Draft memory d = withdrawal(a(), mallory, address(0), 1 ether);
        p = post(steps(step(d)), 1);
        vm.roll(block.number + WINDOW + 1);
        uint256 before = gasleft();
        bridge.claim(p.preimage, 0, d.withdrawals[0], "");
        // Its own memory costs it 27,648; whoever copied that would pay as much again.
        assertLt(before - gasleft(), 27_648 + 25_000);
        assertEq(mallory.balance, MIN_LOCK / 2 + 1 ether);
    }

    // ---------------------------------------------------------------- convictions of the honest

    function test_ADepositThatRunsAheadShiftsIdsAndFalsifiesNothing() public {
        Draft memory d = solo(a(), open(1, bob, one(ETH, 4)), one(ETH, 4), 1, 0);
        d.freshAfter[0].assets = one(ETH, 5 ether - 4);
        d.opened[0] = userState(bob, one(ETH, 4));
        Draft memory second = withdrawal(c(), carol, address(0), 1 ether);
        Step[] memory list = steps(step(d), step(second));
        Header memory h = header(list, 0);
        uint40 guessed = nextId();
        depositEth(bob, 1);
        Posted memory p = post(proposer, h, list);
        assertEq(p.id, guessed + 1);
        assertEq(p.walked.skipped, hex"00");
        assertTrue(verifier.verify(evidence(p, 0, preStates(d)), address(bridge)));
        assertTrue(verifier.verify(evidence(p, 1, preStates(second)), address(bridge)));
    }

    /// @dev What a batch builds on comes again after a reorganisation: the same id, somebody else's deposit.
    function test_AParentWhoseContentWasReplacedUnderItsIdIsNotBuiltOn() public {
        uint256 earlier = block.number - 1;
        uint256 snapshot = vm.snapshotState();
        Anchor memory first = depositEth(alice, 1 ether);
        nextBlock();
        Step[] memory list = steps(step(withdrawal(first, alice, address(0), 1 ether)));
        Header memory h = header(list, 0);
        post(proposer, h, list); // on the chain that it was built for

        vm.revertToState(snapshot);
        Anchor memory second = depositEth(bob, 2 ether);
        assertEq(second.id, first.id);
        assertEq(second.writer, first.writer);
        nextBlock();
        bytes32 replaced = keccak256("another block");
        vm.setBlockhash(h.clock, replaced);
        _expectRefused(
            batchBytes(h, list), abi.encodeWithSelector(IBridge.ClockHashMismatch.selector, replaced, h.clockHash)
        );
        // A clock before what was replaced pins nothing of it, and there it does not exist.
        (h.clock, h.clockHash) = (uint64(earlier), blockhash(earlier));
        _expectRefused(batchBytes(h, list), abi.encodeWithSelector(IBridge.NothingApplied.selector));
    }

    /// @dev Warm is what an access list makes of accounts and slots. It changes what a challenge costs, and no verdict.
    function test_WarmOrColdTheVerdictIsTheSame() public {
        Draft memory lying = lie(transfer(a(), b(), ETH, 1));
        Posted memory p = post(steps(step(lying)));
        Draft memory honest = solo(c(), "", noAssets(), 0, 0);
        Posted memory q = post(steps(step(honest)), 1);
        bytes memory refuted = abi.encodeCall(IBridge.challenge, (evidence(q, 0, preStates(honest)), ""));
        bytes memory proven = abi.encodeCall(IBridge.challenge, (evidence(p, 0, preStates(lying)), p.walked.entries));
        uint256[2] memory least;
        for (uint256 cold = 0; cold < 2; cold++) {
            for (uint256 limit = 40_000; limit < 500_000; limit += 1000) {
                uint256 snapshot = vm.snapshotState();
                assertFalse(_challenge(refuted, limit, cold == 1), "an honest step is never convicted");
                bool done = _challenge(proven, limit, cold == 1);
                assertStatus(p, done ? Status.Unwound : Status.Live);
                vm.revertToState(snapshot);
                if (done && least[cold] == 0) least[cold] = limit;
                assertTrue(done || least[cold] == 0, "more gas is never too little");
            }
        }
        assertGt(least[0], 0);
        assertGt(least[1], least[0], "cold costs more");
    }

    /// @dev Each frame keeps a 64th of the gas: deep down a challenge has less, and says so or runs out.
    function test_AtAnyDepthOfCallsTheVerdictIsTheSame() public {
        Draft memory lying = lie(transfer(a(), b(), ETH, 1));
        Posted memory p = post(steps(step(lying)));
        Draft memory honest = solo(c(), "", noAssets(), 0, 0);
        Posted memory q = post(steps(step(honest)), 1);
        bytes memory refuted = abi.encodeCall(IBridge.challenge, (evidence(q, 0, preStates(honest)), ""));
        bytes memory proven = abi.encodeCall(IBridge.challenge, (evidence(p, 0, preStates(lying)), p.walked.entries));
        Descent descent = new Descent();
        uint256 convictions = 0;
        uint256 deepest = 0;
        for (uint256 depth = 1; depth < 400; depth += 7) {
            uint256 snapshot = vm.snapshotState();
            descent.call{gas: 2 ** 24}(address(bridge), refuted, depth);
            assertStatus(q, Status.Live);
            bool done = descent.call{gas: 2 ** 24}(address(bridge), proven, depth);
            assertStatus(p, done ? Status.Unwound : Status.Live);
            vm.revertToState(snapshot);
            if (done) (convictions, deepest) = (convictions + 1, depth);
        }
        assertEq(deepest, 1 + 7 * (convictions - 1), "convicted down to some depth, and not below");
        assertGt(deepest, 50);
        assertLt(deepest, 390);
    }

    function _challenge(bytes memory call_, uint256 limit, bool cold) private returns (bool done) {
        if (cold) {
            vm.cool(address(bridge));
            vm.cool(address(verifier));
            vm.cool(account);
        }
        vm.prank(challenger);
        (done,) = address(bridge).call{gas: limit}(call_);
    }

    // ---------------------------------------------------------------- heads that are not heads

    function test_AnAnchorWhoseOpeningWasUnwoundIsNoParent() public {
        Draft memory d = solo(a(), open(1, bob, noAssets()), noAssets(), 1, 0);
        d.opened[0] = userState(bob, noAssets());
        d = lie(d);
        Posted memory p = post(steps(step(d)));
        Anchor memory opened = openedBy(p, 0, 0, d.opened[0]);
        challenge(evidence(p, 0, preStates(d)), p.walked.entries);
        assertEq(bridge.headOf(opened.id), 0);
        nextBlock();
        uint40[2] memory parents = [p.id, 0];
        for (uint256 i = 0; i < parents.length; i++) {
            opened.writer = parents[i];
            Step[] memory list = steps(step(solo(opened, "", noAssets(), 0, 0)));
            _expectRefused(batchBytes(header(list, 1), list), abi.encodeWithSelector(IBridge.NothingApplied.selector));
        }
    }

    function test_TwoBatchesOfOneProposerInABlockAreToldApart() public {
        Draft memory lying = lie(solo(a(), "", noAssets(), 0, 0));
        Draft memory honest = solo(c(), "", noAssets(), 0, 0);
        Posted memory p = post(steps(step(lying)), 0);
        // Not in the same word.
        Step[] memory list = steps(step(honest));
        bytes memory busy = abi.encodeWithSelector(IBridge.WordSlotBusy.selector, 0, bridge.wordOf(proposer, 0));
        _expectRefused(batchBytes(header(list, 0), list), busy);
        Posted memory q = post(list, 1);
        assertEq(q.id, p.id + 1);
        bytes32 head = bridge.headOf(c().id);

        challenge(evidence(p, 0, preStates(lying)), "");
        assertEq(bridge.oldestFault(), p.id);
        assertStatus(q, Status.Live);
        vm.expectRevert(
            abi.encodeWithSelector(IBridge.NotParent.selector, BatchId.wrap(c().writer), BatchId.wrap(p.id))
        );
        bridge.condemn(q.preimage, q.walked.entries, 0, p.preimage);
        bridge.unwind(p.preimage, p.walked.entries);
        assertStatus(q, Status.Live);
        assertEq(bridge.headOf(c().id), head);
    }

    // ---------------------------------------------------------------- withdrawals and tokens

    function test_EqualWithdrawalsAreEachPaidOnce() public {
        bytes memory payload = withdraw(bob, address(0), 7);
        Draft memory d = solo(a(), bytes.concat(payload, payload, payload), one(ETH, 21), 0, 3);
        d.freshAfter[0].assets = one(ETH, 5 ether - 21);
        for (uint256 i = 0; i < 3; i++) {
            d.withdrawals[i] = IBridge.Withdrawal(bob, address(0), 7);
        }
        Posted memory p = post(steps(step(d)));
        assertTrue(verifier.verify(evidence(p, 0, preStates(d)), address(bridge)));
        vm.roll(block.number + WINDOW + 1);
        uint256 before = bob.balance;
        for (uint256 i = 0; i < 3; i++) {
            bytes memory siblings = withdrawalOpening(p, i);
            bridge.claim(p.preimage, i, d.withdrawals[i], siblings);
            assertEq(bob.balance, before + 7 * (i + 1));
            vm.expectRevert(abi.encodeWithSelector(IBridge.AlreadyPaid.selector, i));
            bridge.claim(p.preimage, i, d.withdrawals[i], siblings);
        }
    }

    /// @dev The bridge cannot tell that balances will shrink. Who holds such a token loses; nobody else does.
    function test_ATokenThatShrinksHurtsItsHoldersOnly() public {
        IMintable token = IMintable(deployCode("Token.sol:Token"));
        token.mint(address(this), 100);
        token.approve(address(bridge), 100);
        uint40 id = BatchId.unwrap(bridge.depositToken(address(token), 100, keyFor(alice)));
        bytes32 asset = bytes32(uint256(uint160(address(token))));
        Anchor memory mine = Anchor(uint56(id) * 65_536, id, userState(alice, one(asset, 100)));
        nextBlock();
        Draft memory some = withdrawal(mine, carol, address(token), 60);
        Draft memory ether_ = withdrawal(b(), carol, address(0), 1 ether);
        Posted memory p = post(steps(step(some), step(ether_)));
        vm.roll(block.number + WINDOW + 1);
        deal(address(token), address(bridge), 40);
        bytes memory siblings = withdrawalOpening(p, 0);
        vm.expectRevert(
            abi.encodeWithSignature("ERC20InsufficientBalance(address,uint256,uint256)", address(bridge), 40, 60)
        );
        bridge.claim(p.preimage, 0, some.withdrawals[0], siblings);
        uint256 before = carol.balance;
        bridge.claim(p.preimage, 1, ether_.withdrawals[0], withdrawalOpening(p, 1));
        assertEq(carol.balance, before + 1 ether);
        // The claim is not lost.
        deal(address(token), address(bridge), 60);
        bridge.claim(p.preimage, 0, some.withdrawals[0], siblings);
        assertEq(token.balanceOf(carol), 60);
    }

    // ---------------------------------------------------------------- roll-back

    function test_ABatchIsNotUnwoundInPart() public {
        Draft memory lying = lie(transfer(a(), b(), ETH, 1));
        Posted memory p = post(steps(step(lying)));
        bytes memory proof = evidence(p, 0, preStates(lying));
        bytes memory all = p.walked.entries;
        bytes memory part = new bytes(39);
        for (uint256 i = 0; i < 39; i++) {
            part[i] = all[i];
        }
        bytes memory mismatch =
            abi.encodeWithSelector(IBridge.EntriesMismatch.selector, keccak256(all), keccak256(part));
        vm.expectRevert(mismatch);
        challenge(proof, part);
        challenge(proof, "");
        vm.expectRevert(mismatch);
        bridge.unwind(p.preimage, part);
        bytes memory twice = bytes.concat(all, part);
        vm.expectRevert(abi.encodeWithSelector(IBridge.EntriesMismatch.selector, keccak256(all), keccak256(twice)));
        bridge.unwind(p.preimage, twice);
        assertEq(uint40(uint256(bridge.headOf(a().id))), p.id, "all of it stands");
        bridge.unwind(p.preimage, all);
        assertEq(uint40(uint256(bridge.headOf(a().id))), a().writer);
        assertEq(uint40(uint256(bridge.headOf(b().id))), b().writer);
    }

    /// @dev The next lie is always proven before the last one is resolved: the bridge is never without a fault. What is older than
    /// those that are left becomes final all the same.
    function test_FaultsThatOverlapForEverDelayNothingForEver() public {
        Anchor[7] memory own;
        for (uint256 i = 0; i < own.length; i++) {
            own[i] = depositEth(carol, 1 ether);
        }
        nextBlock();
        nextBlock();
        Draft memory early = withdrawal(a(), bob, address(0), 1 ether);
        Posted memory before = post(steps(step(early)), 20);
        Draft memory late = withdrawal(c(), bob, address(0), 1 ether);
        Posted memory between;
        Posted memory last;
        for (uint256 i = 0; i < own.length; i++) {
            nextBlock();
            if (i == 3) between = post(steps(step(late)), 21);
            Draft memory lying = lie(solo(own[i], "", noAssets(), 0, 0));
            Posted memory p = post(steps(step(lying)), uint16(i));
            challenge(evidence(p, 0, preStates(lying)), "");
            if (i != 0) {
                assertEq(bridge.oldestFault(), last.id);
                bridge.unwind(last.preimage, last.walked.entries);
            }
            assertEq(bridge.oldestFault(), p.id, "frozen again");
            last = p;
            vm.roll(block.number + WINDOW / 3);
        }
        bridge.claim(before.preimage, 0, early.withdrawals[0], "");
        bridge.claim(between.preimage, 0, late.withdrawals[0], "");
        assertEq(bridge.oldestFault(), last.id, "still frozen");
    }

    function test_NoBondLeavesBetweenALieAndItsProof() public {
        Draft memory lying = lie(transfer(a(), b(), ETH, 1));
        Posted memory p = post(steps(step(lying)));
        uint256 posted = block.number;
        bytes memory tooSmall =
            abi.encodeWithSelector(BondLib.BondTooSmall.selector, BOND / 1 gwei, (BOND - MIN_LOCK) / 1 gwei);
        for (uint256 i = 0; i <= WINDOW; i++) {
            vm.roll(posted + i);
            vm.prank(proposer);
            vm.expectRevert(tooSmall);
            bridge.withdrawBond(BOND, payable(proposer));
        }
        // What is free may leave; the lock stays, and is slashed at the last block.
        vm.prank(proposer);
        bridge.withdrawBond(BOND - MIN_LOCK, payable(proposer));
        uint256 before = challenger.balance;
        challenge(evidence(p, 0, preStates(lying)), p.walked.entries);
        assertEq(challenger.balance, before + MIN_LOCK / 2);
        (uint256 balance,) = bridge.bondOf(proposer);
        assertEq(balance, 0);
    }

    // ---------------------------------------------------------------- refusals

    function _expectRefused(bytes memory batch, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(proposer, proposer);
        bridge.submit(batch);
    }

    /// If the logs were the same, no follower could tell a set of faults that has forgotten one from one that never knew it.
    function test_TheLogsTellAFaultThatEnteredTheSetFromOneThatDidNot() public {
        Draft memory lying = lie(transfer(a(), b(), ETH, 1));
        Posted memory p = post(steps(step(lying)));
        bytes memory proof = evidence(p, 0, preStates(lying));
        uint256 snapshot = vm.snapshotState();
        vm.recordLogs();
        challenge(proof, p.walked.entries);
        bytes32 atOnce = keccak256(abi.encode(vm.getRecordedLogs()));
        vm.revertToState(snapshot);
        vm.recordLogs();
        challenge(proof, "");
        bridge.unwind(p.preimage, p.walked.entries);
        assertStatus(p, Status.Unwound);
        assertTrue(keccak256(abi.encode(vm.getRecordedLogs())) != atOnce);
    }
}
