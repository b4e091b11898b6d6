// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {Status} from "../../contracts/types/BatchWord.sol";
import {Draft} from "../harness/Drafts.sol";
import {Scenario} from "../harness/Scenario.sol";
import {Anchor, Posted} from "../harness/Shapes.sol";

interface IActor {
    enum Mood {
        Taking,
        Refusing,
        Burning,
        Calling
    }

    function set(Mood mood, address target, bytes calldata call_) external;
    function act(address target, bytes calldata data) external returns (bytes memory);
}

/// @notice Whoever unwinds an orphan is paid by the one who built on a lie (docs/spec.md, section 9).
contract OrphanFeeTest is Scenario {
    /// @dev Of an orphan that wrote two anchors.
    uint256 private constant FEE = (250_000 + 2 * 13_000) * INSURED_GAS_PRICE;
    uint256 private constant STAKE = 5 ether;

    address private builder = makeAddr("builder");

    /// @dev A lie on Alice and Bob, and the builder's batch on Bob and Carol. Condemned, ready to be unwound.
    function _orphan() private returns (Posted memory bad, Posted memory orphan) {
        fund(builder, STAKE);
        Draft memory lying = lie(transfer(a(), b(), ETH, 1));
        bad = post(steps(step(lying)), 0);
        nextBlock();
        Anchor memory bobs = Anchor(b().id, bad.id, lying.freshAfter[1]);
        Draft memory d = transfer(bobs, c(), ETH, 1);
        orphan = post(builder, header(steps(step(d)), 1), steps(step(d)));
        challenge(evidence(bad, 0, preStates(lying)), "");
        bridge.condemn(orphan.preimage, orphan.walked.entries, 0, bad.preimage);
    }

    function test_WhoeverUnwindsAnOrphanIsPaidByItsProposer() public {
        (Posted memory bad, Posted memory orphan) = _orphan();
        _assertBond(builder, STAKE, STAKE - MIN_LOCK);
        uint256 pool = address(bridge).balance;
        uint256 before = alice.balance;
        vm.expectEmit(address(bridge));
        emit IBridge.Unwound(orphan.id);
        vm.expectEmit(address(bridge));
        emit IBridge.OrphanFeePaid(orphan.id, builder, alice, FEE);
        vm.prank(alice);
        bridge.unwind(orphan.preimage, orphan.walked.entries);
        assertEq(alice.balance, before + FEE);
        assertEq(address(bridge).balance, pool - FEE);
        assertStatus(orphan, Status.Unwound);
        // The lock stays until its time: the fee is less.
        _assertBond(builder, STAKE - FEE, STAKE - FEE - MIN_LOCK);

        // Nothing is paid for the faulty batch: its challenger was.
        before = alice.balance;
        (uint256 bond,) = bridge.bondOf(proposer);
        vm.prank(alice);
        bridge.unwind(bad.preimage, bad.walked.entries);
        assertEq(alice.balance, before);
        (uint256 bondAfter,) = bridge.bondOf(proposer);
        assertEq(bondAfter, bond);
    }

    function test_AFeeThatIsRefusedGoesToTheUnwindersBond() public {
        IActor.Mood[2] memory moods = [IActor.Mood.Refusing, IActor.Mood.Burning];
        for (uint256 i = 0; i < moods.length; i++) {
            uint256 snapshot = vm.snapshotState();
            (, Posted memory orphan) = _orphan();
            address actor = deployCode("Tokens.sol:Recipient");
            IActor(actor).set(moods[i], address(0), "");
            vm.expectEmit(address(bridge));
            emit IBridge.OrphanFeePaid(orphan.id, builder, actor, FEE);
            vm.expectEmit(address(bridge));
            emit IBridge.BondFunded(actor, address(bridge), FEE);
            bytes memory unwind = abi.encodeCall(IBridge.unwind, (orphan.preimage, orphan.walked.entries));
            IActor(actor).act(address(bridge), unwind);
            _assertBond(actor, FEE, FEE);
            assertEq(actor.balance, 0);
            assertStatus(orphan, Status.Unwound);
            vm.revertToState(snapshot);
        }
    }

    function test_AnUnwinderCannotReenter() public {
        (Posted memory bad, Posted memory orphan) = _orphan();
        address actor = makeAddr("actor");
        vm.etch(actor, calling(address(bridge), abi.encodeCall(IBridge.unwind, (bad.preimage, bad.walked.entries))));
        vm.prank(actor);
        bridge.unwind(orphan.preimage, orphan.walked.entries);
        _assertBond(actor, FEE, FEE);
        assertStatus(bad, Status.Faulty);
        (bool done,) = actor.call{gas: 30_000}(""); // by itself the same call goes through
        assertTrue(done);
        assertStatus(bad, Status.Unwound);
    }

    function test_AProposerThatUnwindsItsOwnOrphanPaysItself() public {
        (, Posted memory orphan) = _orphan();
        uint256 before = builder.balance;
        vm.prank(builder);
        bridge.unwind(orphan.preimage, orphan.walked.entries);
        assertEq(builder.balance, before + FEE);
        _assertBond(builder, STAKE - FEE, STAKE - FEE - MIN_LOCK);
    }

    function test_TheFeeIsWhatThereIs() public {
        uint256[2] memory left = [uint256(0), 7 gwei];
        for (uint256 i = 0; i < left.length; i++) {
            uint256 snapshot = vm.snapshotState();
            (, Posted memory orphan) = _orphan();
            // A lock covers the fee, so a bond like this cannot come about: it is written into storage.
            bytes32 slot = keccak256(abi.encode(builder, 1));
            uint256 word = uint256(vm.load(address(bridge), slot));
            vm.store(address(bridge), slot, bytes32(word % 2 ** 192 + left[i] / 1 gwei * 2 ** 192));
            uint256 before = alice.balance;
            vm.expectEmit(address(bridge));
            emit IBridge.OrphanFeePaid(orphan.id, builder, alice, left[i]);
            vm.prank(alice);
            bridge.unwind(orphan.preimage, orphan.walked.entries);
            assertEq(alice.balance, before + left[i]);
            _assertBond(builder, 0, 0);
            vm.revertToState(snapshot);
        }
    }

    function test_TheFeeIsRoundedDownToGwei() public {
        // 126,000 gas at a price that is no whole number of gwei.
        vm.roll(DEPLOYMENT_BLOCK);
        bridge = deployBridge(WINDOW, 1e10 + 1, 2 * MIN_LOCK);
        fund(proposer, BOND);
        vm.roll(DEPLOYMENT_BLOCK + 50);
        depositEth(alice, 5 ether);
        depositEth(bob, 2 ether);
        depositEth(carol, 3 ether);
        vm.roll(DEPLOYMENT_BLOCK + 52);
        (, Posted memory orphan) = _orphan();
        vm.expectEmit(address(bridge));
        emit IBridge.OrphanFeePaid(orphan.id, builder, alice, FEE);
        vm.prank(alice);
        bridge.unwind(orphan.preimage, orphan.walked.entries);
        _assertBond(builder, STAKE - FEE, STAKE - FEE - 2 * MIN_LOCK);
    }

    function _assertBond(address who, uint256 balance, uint256 free) private view {
        (uint256 gotBalance, uint256 gotFree) = bridge.bondOf(who);
        assertEq(gotBalance, balance, "balance");
        assertEq(gotFree, free, "free");
    }
}
