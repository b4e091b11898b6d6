// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {BatchId} from "../../contracts/types/BatchId.sol";
import {BondLib} from "../../contracts/types/Bond.sol";
import {Codec} from "../harness/Codec.sol";
import {Draft} from "../harness/Drafts.sol";
import {Posting} from "../harness/Posting.sol";
import {Scenario} from "../harness/Scenario.sol";
import {Again, Anchor, Fresh, Header, Posted, State, Step} from "../harness/Shapes.sol";

/// @notice What `submit` refuses (docs/spec.md, section 4.4), and what it announces.
contract BridgeSubmitTest is Scenario {
    using Codec for *;

    // ---------------------------------------------------------------- sender

    function test_ABatchComesFromACodelessOriginOnly() public {
        Step[] memory list = _list();
        bytes memory batch = batchBytes(header(list, 0), list);
        vm.prank(proposer, alice);
        vm.expectRevert(abi.encodeWithSelector(IBridge.SenderNotPlain.selector, proposer, alice));
        bridge.submit(batch);

        vm.etch(proposer, hex"00");
        _expect(batch, abi.encodeWithSelector(IBridge.SenderNotPlain.selector, proposer, proposer));
        // An account that delegates its code (EIP-7702).
        vm.etch(proposer, abi.encodePacked(hex"ef0100", account));
        _expect(batch, abi.encodeWithSelector(IBridge.SenderNotPlain.selector, proposer, proposer));
        vm.etch(proposer, "");
        send(proposer, batch);
    }

    // ---------------------------------------------------------------- header

    function test_EveryFieldOfTheHeaderIsChecked() public {
        Step[] memory list = _list();
        Header memory h = header(list, 0);
        h.version = 2;
        _expect(h, list, abi.encodeWithSelector(IBridge.UnsupportedVersion.selector, uint8(2)));
        h = header(list, 0);
        h.version = 0;
        _expect(h, list, abi.encodeWithSelector(IBridge.UnsupportedVersion.selector, uint8(0)));
        h = header(list, 0);
        h.availability = 1;
        _expect(h, list, abi.encodeWithSelector(IBridge.UnsupportedDataAvailability.selector, uint8(1)));
        h = header(list, 0);
        h.chainId++;
        _expect(h, list, abi.encodeWithSelector(IBridge.WrongChain.selector, block.chainid, block.chainid + 1));
        h = header(list, 0);
        h.ceiling = 10_000_001;
        _expect(h, list, abi.encodeWithSelector(IBridge.CeilingTooHigh.selector, 10_000_000, 10_000_001));
        h = header(list, 0);
        h.stepCount = 0;
        _expect(h, list, abi.encodeWithSelector(IBridge.NoSteps.selector));
        h = header(list, 0);
        h.entryCount = 513;
        _expect(h, list, abi.encodeWithSelector(IBridge.TooManyEntries.selector, 512, 513));
        h = header(list, 0);
        h.rules = new address[](33);
        _expect(h, list, abi.encodeWithSelector(IBridge.TooManyRules.selector, 32, 33));
        // One less: what is missing now is the first rule.
        h.rules = new address[](32);
        _expect(h, list, abi.encodeWithSelector(IBridge.RuleNotRegistered.selector, address(0), 0, h.clock));
    }

    function test_AHeaderMustBeThere() public {
        Step[] memory list = _list();
        Header memory h = header(list, 0);
        bytes memory encoded = h.encode();
        _expect("", abi.encodeWithSelector(IBridge.BatchTruncated.selector, 61, 0));
        _expect(_cut(encoded, 60), abi.encodeWithSelector(IBridge.BatchTruncated.selector, 61, 60));
        h.rules = new address[](2);
        (h.rules[0], h.rules[1]) = (account, account);
        encoded = h.encode();
        _expect(_cut(encoded, 100), abi.encodeWithSelector(IBridge.BatchTruncated.selector, 101, 100));
    }

    // ---------------------------------------------------------------- the clock

    function test_TheClockIsOneOfTheLast32Blocks() public {
        Step[] memory list = _list();
        vm.roll(block.number + 200);
        Header memory h = header(list, 0);
        h.clock = uint64(block.number - 33);
        h.clockHash = blockhash(h.clock);
        _expect(
            h,
            list,
            abi.encodeWithSelector(
                IBridge.ClockOutOfRange.selector, block.number - 33, block.number - 32, block.number - 1
            )
        );
        h.clock = uint64(block.number);
        _expect(
            h,
            list,
            abi.encodeWithSelector(IBridge.ClockOutOfRange.selector, block.number, block.number - 32, block.number - 1)
        );
        h.clock = type(uint64).max;
        _expect(
            h,
            list,
            abi.encodeWithSelector(
                IBridge.ClockOutOfRange.selector, type(uint64).max, block.number - 32, block.number - 1
            )
        );
        h.clock = uint64(block.number - 32);
        h.clockHash = blockhash(h.clock);
        post(proposer, h, list);
    }

    function test_TheClockIsNotBeforeTheDeployment() public {
        Step[] memory list = _list();
        vm.roll(DEPLOYMENT_BLOCK + 5);
        Header memory h = header(list, 0);
        h.clock = uint64(DEPLOYMENT_BLOCK - 1);
        h.clockHash = blockhash(h.clock);
        _expect(
            h,
            list,
            abi.encodeWithSelector(
                IBridge.ClockOutOfRange.selector, DEPLOYMENT_BLOCK - 1, DEPLOYMENT_BLOCK, DEPLOYMENT_BLOCK + 4
            )
        );
    }

    function test_TheClocksHashIsThatOfThisChain() public {
        Step[] memory list = _list();
        Header memory h = header(list, 0);
        h.clockHash = ~h.clockHash;
        bytes32 right = blockhash(block.number - 1);
        _expect(h, list, abi.encodeWithSelector(IBridge.ClockHashMismatch.selector, right, ~right));
        h.clockHash = 0;
        _expect(h, list, abi.encodeWithSelector(IBridge.ClockHashMismatch.selector, right, bytes32(0)));
    }

    // ---------------------------------------------------------------- rules

    function test_RulesWereRegisteredAtTheClock() public {
        Step[] memory list = _list();
        uint256 registered = block.number;
        address puppet = register("Puppet.sol:Puppet");
        nextBlock();
        Header memory h = header(list, 0);
        h.rules = new address[](2);
        (h.rules[0], h.rules[1]) = (account, puppet);
        h.clock--;
        h.clockHash = blockhash(h.clock);
        _expect(h, list, abi.encodeWithSelector(IBridge.RuleNotRegistered.selector, puppet, registered, registered - 1));
        h.rules[1] = alice;
        _expect(h, list, abi.encodeWithSelector(IBridge.RuleNotRegistered.selector, alice, 0, registered - 1));
        h = header(list, 0);
        h.rules = new address[](1);
        h.rules[0] = puppet;
        post(proposer, h, list);
    }

    // ---------------------------------------------------------------- bond

    function test_TheLockMustBeFree() public {
        Step[] memory list = _list();
        Header memory h = header(list, 0);
        h.ceiling = 7_000_000;
        // 2 · (7,000,000 + 13,000 · 2) · 10 gwei, in gwei
        uint256 lock = 140_520_000;
        assertEq(bridge.lockOf(h.ceiling, h.entryCount), lock * 1 gwei);
        address poor = makeAddr("poor");
        bytes memory batch = batchBytes(h, list);
        vm.prank(poor, poor);
        vm.expectRevert(abi.encodeWithSelector(BondLib.BondTooSmall.selector, lock, 0));
        bridge.submit(batch);
        fund(poor, lock * 1 gwei - 1 gwei);
        vm.prank(poor, poor);
        vm.expectRevert(abi.encodeWithSelector(BondLib.BondTooSmall.selector, lock, lock - 1));
        bridge.submit(batch);
        fund(poor, 1 gwei);
        send(poor, batch);
        (uint256 balance, uint256 free) = bridge.bondOf(poor);
        assertEq(balance, lock * 1 gwei);
        assertEq(free, 0);
    }

    function test_TheLeastLockBinds() public view {
        assertEq(bridge.lockOf(0, 1), MIN_LOCK);
        assertEq(bridge.lockOf(10_000_000, 512), 2 * (10_000_000 + 13_000 * 512) * INSURED_GAS_PRICE);
    }

    function test_TheHighestCeilingIsTaken() public {
        Step[] memory list = _list();
        Header memory h = header(list, 0);
        h.ceiling = 10_000_000;
        post(proposer, h, list);
    }

    function test_ALockIsRoundedUpToAGwei() public {
        IBridge other = deployBridge(WINDOW, 1, 5 gwei);
        assertEq(other.lockOf(0, 1), 5 gwei);
        other = deployBridge(WINDOW, 1, 5 gwei + 1);
        assertEq(other.lockOf(0, 1), 6 gwei);
        other = deployBridge(WINDOW, 1, 6 gwei - 1);
        assertEq(other.lockOf(0, 1), 6 gwei);
    }

    function test_NoBatchThatCannotBeHasALock() public {
        vm.expectRevert(abi.encodeWithSelector(IBridge.CeilingTooHigh.selector, 10_000_000, 10_000_001));
        bridge.lockOf(10_000_001, 512);
        vm.expectRevert(abi.encodeWithSelector(IBridge.TooManyEntries.selector, 512, 513));
        bridge.lockOf(10_000_000, 513);
    }

    // ---------------------------------------------------------------- shapes

    function test_StepsOfTheWrongShapeAreRefused() public {
        bytes memory malformed = abi.encodeWithSelector(IBridge.MalformedStep.selector, 0);
        Step[] memory list = _list();

        list[0].fresh = new Fresh[](0); // no touch at all
        _expect(header(list, 0), list, malformed);

        list = _list();
        list[0].opened = new bytes27[](15); // 2 + 15 touches
        _expect(header(list, 0), list, malformed);
        list[0].opened = new bytes27[](14);
        uint256 snapshot = vm.snapshotState();
        post(list);
        vm.revertToState(snapshot);

        list = _list();
        list[0].body = new bytes(16_385);
        _expect(header(list, 0), list, malformed);
        list[0].body = new bytes(16_384);
        post(list);
    }

    function test_EntriesAreAsManyAsAnnounced() public {
        Step[] memory list = _list();
        Header memory h = header(list, 0);
        h.entryCount = 1;
        _expect(h, list, abi.encodeWithSelector(IBridge.MalformedBatch.selector));
        h.entryCount = 3;
        _expect(h, list, abi.encodeWithSelector(IBridge.MalformedBatch.selector));
    }

    function test_TheBytesEndWithTheLastStep() public {
        Step[] memory list = _list();
        Header memory h = header(list, 0);
        bytes memory batch = batchBytes(h, list);
        _expect(bytes.concat(batch, hex"00"), abi.encodeWithSelector(IBridge.MalformedBatch.selector));
        _expect(_cut(batch, batch.length - 1), abi.encodeWithSelector(IBridge.MalformedBatch.selector));
        _expect(_cut(batch, 64), abi.encodeWithSelector(IBridge.MalformedBatch.selector));
        _expect(_cut(batch, 61), abi.encodeWithSelector(IBridge.MalformedStep.selector, 0));
        h.stepCount = 2;
        _expect(batchBytes(h, list), abi.encodeWithSelector(IBridge.MalformedStep.selector, 1));
    }

    function test_RepeatedTouchesNameEarlierEntriesInOrder() public {
        Step memory first = step(transfer(a(), b(), ETH, 1));
        Step memory second;
        second.again = new Again[](2);
        (second.again[0], second.again[1]) = (Again(0, bytes27(uint216(1))), Again(1, bytes27(uint216(2))));
        Step[] memory list = steps(first, second);
        bytes memory malformed = abi.encodeWithSelector(IBridge.MalformedStep.selector, 1);
        second.again[0].entry = 1;
        _expect(header(list, 0), list, malformed); // twice
        second.again[1].entry = 0;
        _expect(header(list, 0), list, malformed); // descending
        (second.again[0].entry, second.again[1].entry) = (0, 2);
        _expect(header(list, 0), list, malformed); // not an entry yet
        second.opened = new bytes27[](1);
        _expect(header(list, 0), list, malformed); // an entry of this very step
        second.again[1].entry = 65_535;
        _expect(header(list, 0), list, malformed);
        second.opened = new bytes27[](0);
        second.fresh = new Fresh[](1);
        second.fresh[0] = step(transfer(c(), a(), ETH, 1)).fresh[0];
        second.again[1].entry = 2;
        _expect(header(list, 0), list, malformed); // a fresh one of this very step
        (second.fresh, second.again[1].entry) = (new Fresh[](0), 1);
        post(list);
    }

    function test_AtMost255WithdrawalsInABatch() public {
        Step[] memory list = new Step[](19);
        list[0] = step(transfer(a(), b(), ETH, 1));
        for (uint256 i = 1; i < 18; i++) {
            list[i].again = new Again[](1);
            list[i].withdrawals = new IBridge.Withdrawal[](15);
        }
        list[18].again = new Again[](1); // the first entry lies behind the last leaf
        list[0].withdrawals = new IBridge.Withdrawal[](1);
        _expect(header(list, 0), list, abi.encodeWithSelector(IBridge.TooManyWithdrawals.selector, 255));
        list[0].withdrawals = new IBridge.Withdrawal[](0);
        Posted memory p = post(list);
        assertEq(p.walked.leaves.length, 255);
        assertEq(bridge.wordOf(proposer, 0) % 2 ** 24, 255);
    }

    /// A small batch does not pay for the room of a large one: it has as many withdrawals as its bytes can hold.
    function test_NoMoreWithdrawalsThanBytesForThem() public {
        Step[] memory list = _list();
        list[0].withdrawals = new IBridge.Withdrawal[](15);
        list[0].body = "";
        bytes memory batch = batchBytes(header(list, 0), list);
        assertEq(batch.length, 61 + 4 + 2 * 39 + 15 * 56);
        // The two touches are there, but not all withdrawals: what is missing would be read as zeros.
        for (uint256 room = 1; room < 15; room++) {
            uint256 end = 61 + 56 * (room + 1) - 1;
            _expect(_cut(batch, end), abi.encodeWithSelector(IBridge.TooManyWithdrawals.selector, room));
        }
        _expect(_cut(batch, 61 + 15 * 56), abi.encodeWithSelector(IBridge.MalformedBatch.selector));
        send(proposer, batch);
    }

    function test_OneBatchTakes512EntriesAndAThousandSteps() public {
        Step[] memory list = new Step[](1000);
        Step memory first = step(transfer(a(), b(), ETH, 1));
        list[0] = first;
        for (uint256 i = 1; i < 1000; i++) {
            if (i <= 170) list[i].opened = new bytes27[](3);
            list[i].again = new Again[](1);
            list[i].again[0] = Again(uint16(i % 2), bytes27(uint216(i)));
        }
        Header memory h = header(list, 0);
        assertEq(h.entryCount, 512);
        bytes memory batch = batchBytes(h, list);
        uint40 id = send(proposer, batch);
        assertEq(bridge.headOf(uint56(id) * 65_536 + 511), bytes32(uint256(id)));
    }

    // ---------------------------------------------------------------- events

    function test_ABatchAnnouncesItsIdItsWordAndWhatItSkipped() public {
        Step memory good = step(transfer(a(), b(), ETH, 1));
        Step memory stale = step(solo(c(), "", noAssets(), 0, 0));
        stale.fresh[0].parent++;
        Step[] memory list = steps(stale, good, stale);
        Header memory h = header(list, 9);
        Posted memory p = expectPosted(proposer, h, list, nextId());
        vm.expectEmit(address(bridge));
        emit IBridge.BatchSubmitted(p.id, wordOf(p));
        vm.expectEmit(address(bridge));
        emit IBridge.StepsSkipped(p.id, hex"05");
        send(proposer, batchBytes(h, list));
    }

    /// A bit for each step, the first lowest, and no byte without one.
    function test_EachSkippedStepIsItsOwnBit() public {
        for (uint256 count = 8; count <= 16; count++) {
            Step[] memory list = new Step[](count);
            list[0] = step(transfer(a(), b(), ETH, 1));
            for (uint256 i = 1; i < count; i++) {
                list[i] = step(solo(c(), "", noAssets(), 0, 0));
                if (i == 7 || i == 8 || i == 15) list[i].fresh[0].parent++;
                else list[i] = _again(list[0]);
            }
            Header memory h = header(list, 9);
            bytes memory bits = count == 8 ? bytes(hex"80") : count < 16 ? bytes(hex"8001") : bytes(hex"8081");
            uint256 snapshot = vm.snapshotState();
            vm.expectEmit(address(bridge));
            emit IBridge.StepsSkipped(nextId(), bits);
            send(proposer, batchBytes(h, list));
            vm.revertToState(snapshot);
        }
    }

    // ---------------------------------------------------------------- helpers

    /// @dev Touches what a step wrote before.
    function _again(Step memory first) private pure returns (Step memory more) {
        more.again = new Again[](1);
        more.again[0] = Again(0, first.fresh[0].root);
    }

    function _list() private view returns (Step[] memory) {
        return steps(step(transfer(a(), b(), ETH, 1)));
    }

    function _expect(Header memory h, Step[] memory list, bytes memory reason) private {
        _expect(batchBytes(h, list), reason);
    }

    function _expect(bytes memory batch, bytes memory reason) private {
        vm.prank(proposer, proposer);
        (bool accepted, bytes memory answer) = address(bridge).call(abi.encodeCall(IBridge.submit, (batch)));
        assertFalse(accepted, "accepted");
        assertEq(answer, reason, "to the byte");
    }

    function _cut(bytes memory data, uint256 length) private pure returns (bytes memory out) {
        out = new bytes(length);
        for (uint256 i = 0; i < length; i++) {
            out[i] = data[i];
        }
    }
}

/// @notice The first blocks of a bridge, before any of its windows can have passed.
contract BridgeBeginningTest is Posting {
    function test_BatchesCanBePostedFromTheStart() public {
        vm.roll(DEPLOYMENT_BLOCK + 1);
        Anchor memory hers = depositEth(alice, 1 ether);
        Anchor memory his = depositEth(bob, 1 ether);
        vm.roll(DEPLOYMENT_BLOCK + 3);
        post(steps(step(transfer(hers, his, ETH, 1))));
    }
}
