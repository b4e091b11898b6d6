// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {BondLib} from "../../contracts/types/Bond.sol";
import {Draft} from "../harness/Drafts.sol";
import {Scenario} from "../harness/Scenario.sol";
import {Anchor, Header, Lease, Posted, Step} from "../harness/Shapes.sol";

/// @notice Whoever holds an anchor under their own key gets out of it alone: with a bond, without anybody's help or consent.
contract ExitTest is Scenario {
    uint256 private constant STAKE = 1 ether;

    function test_AUserGetsOutAlone() public {
        vm.prank(alice);
        bridge.fundBond{value: STAKE}(alice);
        uint256 before = alice.balance;
        (Posted memory p, IBridge.Withdrawal memory w) = _leave(a());
        vm.roll(block.number + WINDOW + 1);
        vm.prank(alice);
        bridge.claim(p.preimage, 0, w, "");
        assertEq(alice.balance, before + 5 ether, "all that she had deposited");
        // And her bond, when its lock is over.
        vm.roll(block.number + 2 * (WINDOW + 1));
        vm.prank(alice);
        bridge.withdrawBond(STAKE, payable(alice));
        assertEq(alice.balance, before + 5 ether + STAKE);
    }

    function test_WithoutABondNobodyPosts() public {
        Step[] memory list = steps(step(withdrawal(a(), alice, address(0), 5 ether)));
        bytes memory batch = batchBytes(header(list, 0), list);
        vm.expectRevert(abi.encodeWithSelector(BondLib.BondTooSmall.selector, MIN_LOCK / 1 gwei, 0));
        vm.prank(alice, alice);
        bridge.submit(batch);
    }

    function test_AUserWhoLeasedGetsOutWhenTheLeaseIsOver() public {
        fund(alice, STAKE);
        // As long as it can be, and its holder serves her no more.
        uint64 last = uint64(block.number - 1 + 64);
        Draft memory d = solo(a(), setLease(proposer, last), noAssets(), 0, 0);
        d.freshAfter[0].lease = Lease(proposer, last);
        Posted memory leased = post(steps(step(d)));
        assertTrue(verifier.verify(evidence(leased, 0, preStates(d)), address(bridge)));
        Anchor memory mine = Anchor(a().id, leased.id, d.freshAfter[0]);

        vm.roll(last + 1);
        Draft memory early = withdrawal(mine, alice, address(0), 5 ether);
        Posted memory p = expectPosted(alice, header(steps(step(early)), 0), steps(step(early)), nextId());
        assertFalse(
            verifier.verify(evidence(p, 0, preStates(early)), address(bridge)), "at the last block of the lease"
        );
        nextBlock();
        uint256 before = alice.balance;
        IBridge.Withdrawal memory w;
        (p, w) = _leave(mine);
        vm.roll(block.number + WINDOW + 1);
        bridge.claim(p.preimage, 0, w, "");
        assertEq(alice.balance, before + 5 ether);
    }

    /// @dev Alice posts her own withdrawal of all that she has, which is valid.
    function _leave(Anchor memory mine) private returns (Posted memory p, IBridge.Withdrawal memory) {
        Draft memory d = withdrawal(mine, alice, address(0), 5 ether);
        Header memory h = header(steps(step(d)), 0);
        p = post(alice, h, steps(step(d)));
        assertTrue(verifier.verify(evidence(p, 0, preStates(d)), address(bridge)), "valid");
        return (p, d.withdrawals[0]);
    }
}
