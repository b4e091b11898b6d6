// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Codec} from "../harness/Codec.sol";
import {CohortTrials} from "../harness/CohortTrials.sol";
import {Draft} from "../harness/Drafts.sol";
import {Anchor, Call, Leaf, Lease, Signed, State, unleased} from "../harness/Shapes.sol";
import {Trial} from "../harness/Trials.sol";

/// @notice A lease gives one proposer the order of an anchor's updates, and lets it credit without asking (docs/spec.md, sections 3 and 6).
contract LeasesTest is CohortTrials {
    using Codec for *;

    address private other = makeAddr("another proposer");

    function _clock() private view returns (uint64) {
        return uint64(block.number - 1);
    }

    /// @dev The step, had the first anchor been leased before, and not changed in that.
    function _leased(Draft memory d, address holder, uint64 last) private pure returns (Draft memory) {
        d.fresh[0].state.lease = Lease(holder, last);
        d.freshAfter[0].lease = Lease(holder, last);
        return d;
    }

    // ---------------------------------------------------------------- who may touch

    function test_WhileALeaseRunsItsHolderAloneTouches() public view {
        uint64 clock = _clock();
        assertValid(_leased(transfer(a(), b(), ETH, 1), proposer, clock + 10), "the holder");
        assertInvalid(_leased(transfer(a(), b(), ETH, 1), other, clock + 10), "somebody else");
        assertInvalid(_leased(transfer(a(), b(), ETH, 1), alice, clock + 10), "not even the user, by another proposer");
        assertInvalid(_leased(transfer(a(), b(), ETH, 1), other, type(uint64).max), "without end, as a lie left it");
    }

    function test_TheLastBlockIsPartOfTheLease() public view {
        uint64 clock = _clock();
        assertInvalid(_leased(transfer(a(), b(), ETH, 1), other, clock), "at the last block");
        assertValid(_leased(transfer(a(), b(), ETH, 1), other, clock - 1), "behind it");
        assertValid(_leased(transfer(a(), b(), ETH, 1), other, 1), "long behind it");
    }

    function test_ALeaseIsJudgedAtTheClock() public {
        uint64 clock = _clock();
        Trial memory held = trial(_leased(transfer(a(), b(), ETH, 1), other, clock));
        Trial memory over = trial(_leased(transfer(a(), b(), ETH, 1), other, clock - 1));
        for (uint256 i = 0; i < 3; i++) {
            assertInvalid(held, "runs, whenever it is asked");
            assertValid(over, "over, whenever it is asked");
            vm.roll(block.number + 70);
        }
        over.header.clock--;
        assertInvalid(over, "at an earlier clock");
    }

    function test_TheLeaseOfTheHeaderHoldsForEveryLeaf() public view {
        uint64 clock = _clock();
        assertValid(_leased(withdrawLeaf(9, 300), proposer, clock), "the holder");
        assertInvalid(_leased(withdrawLeaf(9, 300), other, clock), "somebody else, with the header unlisted");
        assertInvalid(_leased(payLeaf(9, 300), other, clock), "with the header listed");
        assertInvalid(_leased(openLeafStep(9, 300), other, clock), "opening");
        // On another leaf a lease means nothing: no step writes one, and what a lie left there binds nobody.
        Draft memory d = withdrawLeaf(9, 300);
        d.freshCohorts[0].leaves[0].state.lease = Lease(other, clock);
        d.freshCohorts[0].leaves[0].next.lease = Lease(other, clock);
        assertValid(d, "a leaf's own");
    }

    function test_EveryAnchorOfTheStepIsAskedFor() public view {
        uint64 clock = _clock();
        Draft memory d = transfer(a(), b(), ETH, 1);
        (d.fresh[1].state.lease, d.freshAfter[1].lease) = (Lease(other, clock), Lease(other, clock));
        assertInvalid(d, "the second fresh touch");
        d = draft(1, 0, 1, 0, 1);
        (d.fresh[0], d.again[0]) = (b(), a());
        d.calls[0] = transferCall(1, 0, a(), b(), ETH, 1);
        d.freshAfter[0] = unleased(1, bob, 1, one(ETH, 2 ether + 1), "");
        d.againAfter[0] = unleased(1, alice, 1, one(ETH, 5 ether - 1), "");
        (d.again[0].state.lease, d.againAfter[0].lease) = (Lease(proposer, clock), Lease(proposer, clock));
        assertValid(d, "a repeated touch by the holder");
        (d.again[0].state.lease, d.againAfter[0].lease) = (Lease(other, clock), Lease(other, clock));
        assertInvalid(d, "a repeated touch by another");
    }

    function test_WhatIsLeasedToAnotherHasNoOtherIdToSignFor() public view {
        Draft memory d = solo(a(), "", noAssets(), 0, 0);
        d.calls[0].signed[0] = sign(unsigned(0, "", noAssets()), account, 0, 0, keyOf[alice]);
        assertInvalid(_leased(d, other, _clock()), "id zero");
    }

    function test_ALeaseIsThatBeforeTheStep() public view {
        uint64 clock = _clock();
        // Set for another in this very step: it goes on as it began.
        Draft memory d = solo(a(), setLease(other, clock + 5), noAssets(), 0, 0);
        d.freshAfter[0].lease = Lease(other, clock + 5);
        assertValid(d, "set for another");
        assertValid(_andConsent(d), "set for another, then touched again");
        // Ended in this step, which was not this proposer's to post.
        d = solo(a(), setLease(address(0), 0), noAssets(), 0, 0);
        d.fresh[0].state.lease = Lease(other, clock + 5);
        assertInvalid(d, "ended by a step of somebody else's");
        d.fresh[0].state.lease = Lease(proposer, clock + 5);
        assertValid(d, "ended by a step of the holder's");
        d.fresh[0].state.lease = Lease(other, clock - 1);
        assertValid(d, "ended when it was over");
    }

    /// @dev Alice signs a second call, which does nothing.
    function _andConsent(Draft memory d) private view returns (Draft memory) {
        Call memory first = d.calls[0];
        d.calls = new Call[](2);
        (d.calls[0], d.calls[1]) = (first, Call(0, RULE_GAS, 64, ids(0), new Signed[](1), ""));
        d.calls[1].signed[0] = sign(unsigned(0, "", noAssets()), account, fragmentId(a()), 1, keyOf[alice]);
        d.freshAfter[0].nonce = 2;
        return d;
    }

    // ---------------------------------------------------------------- setting and ending

    function test_ALeaseEndsWithin64BlocksOfTheClock() public view {
        uint64 clock = _clock();
        _checkSet(other, clock + 64, true, "64 ahead");
        _checkSet(other, clock + 65, false, "65 ahead");
        _checkSet(other, type(uint64).max, false, "for ever");
        _checkSet(other, clock, true, "for one block");
        _checkSet(other, 1, true, "over already");
        _checkSet(other, 0, false, "until never");
        _checkSet(address(0), clock + 5, false, "for nobody");
        _checkSet(address(0), 0, true, "ended, though there was none");
    }

    function test_AnyAddressButZeroHoldsALease() public view {
        _checkSet(address(1), _clock() + 5, true, "one");
        _checkSet(address(type(uint160).max), _clock() + 5, true, "the highest");
        _checkSet(address(1), 0, false, "one, until never");
    }

    function test_ALeaseCanBeProlongedAndHandedOn() public view {
        uint64 clock = _clock();
        Draft memory d = solo(a(), setLease(proposer, clock + 64), noAssets(), 0, 0);
        d.fresh[0].state.lease = Lease(proposer, clock);
        d.freshAfter[0].lease = Lease(proposer, clock + 64);
        assertValid(d, "prolonged");
        d = solo(a(), bytes.concat(setLease(proposer, clock + 64), setLease(other, clock + 3)), noAssets(), 0, 0);
        d.fresh[0].state.lease = Lease(proposer, clock);
        d.freshAfter[0].lease = Lease(other, clock + 3);
        assertValid(d, "handed on");
        d.freshAfter[0].lease = Lease(proposer, clock + 64);
        assertInvalid(d, "the first one left");
    }

    function test_OnlyLeaf0HasALease() public view {
        Draft memory d = withdrawLeaf(9, 300);
        d.withdrawals = new IBridge.Withdrawal[](0);
        d.freshCohorts[0].leaves[0].next.assets = one(ETH, 9);
        d.calls[0].signed[0] = consent(0, 300, bob, "", noAssets());
        assertValid(d, "consent alone");
        d.calls[0].signed[0] = consent(0, 300, bob, setLease(other, _clock() + 5), noAssets());
        d.freshCohorts[0].leaves[0].next.lease = Lease(other, _clock() + 5);
        assertInvalid(d, "another leaf");
        d.calls[0].signed[0] = consent(0, 300, bob, setLease(address(0), 0), noAssets());
        d.freshCohorts[0].leaves[0].next.lease = Lease(address(0), 0);
        assertInvalid(d, "not even ending what is none");
    }

    function test_ARuleLeasesWhatItControlsAndNoMore() public view {
        uint64 clock = _clock();
        Draft memory d =
            puppet(these(vault(rules[0], one(ETH, 9), "")), noAssets(), leaseEffect(0, other, clock + 64), 0);
        d.freshAfter[0].lease = Lease(other, clock + 64);
        assertValid(d, "its own");
        d = puppet(these(vault(rules[0], one(ETH, 9), "")), noAssets(), leaseEffect(0, other, clock + 65), 0);
        d.freshAfter[0].lease = Lease(other, clock + 65);
        assertInvalid(d, "for too long");
        d = puppet(these(a()), noAssets(), leaseEffect(0, other, clock + 5), 0);
        d.freshAfter[0].lease = Lease(other, clock + 5);
        assertInvalid(d, "a key's, who signed for another rule than Account");
        // What it opened, from the start.
        bytes memory effects = bytes.concat(write(0, hex"01"), openEffect(3, rules[0]), leaseEffect(1, proposer, clock));
        d = puppet(these(vault(rules[0], one(ETH, 9), "")), noAssets(), effects, 1);
        d.freshAfter[0].data = hex"01";
        d.opened[0] = unleased(3, rules[0], 0, noAssets(), "");
        d.opened[0].lease = Lease(proposer, clock);
        assertValid(d, "what it opened under itself");
        effects = bytes.concat(write(0, hex"01"), openEffect(1, bob), leaseEffect(1, proposer, clock));
        d.calls[0].extra = effects;
        (d.opened[0].kind, d.opened[0].controller) = (1, bob);
        assertInvalid(d, "what it opened for a key");
        d.calls[0].extra = bytes.concat(write(0, hex"01"), openEffect(1, bob), leaseEffect(2, proposer, clock));
        assertInvalid(d, "a position beyond");
    }

    function _checkSet(address holder, uint64 last, bool valid, string memory what) private view {
        Draft memory d = solo(a(), setLease(holder, last), noAssets(), 0, 0);
        d.freshAfter[0].lease = Lease(holder, last);
        assertEq(verdict(trial(d)), valid, what);
    }

    // ---------------------------------------------------------------- crediting without consent

    function test_TheHolderCreditsWithoutConsent() public view {
        uint64 clock = _clock();
        assertValid(_credit(Lease(proposer, clock), move(0, 1, ETH, 4), 5, one(ETH, 9), one(ETH, 13)), "the holder");
        assertValid(
            _credit(Lease(proposer, clock + 9), move(0, 1, ETH, 4), 5, one(ETH, 9), one(ETH, 13)), "while it runs"
        );
        assertInvalid(
            _credit(Lease(proposer, clock - 1), move(0, 1, ETH, 4), 5, one(ETH, 9), one(ETH, 13)), "behind it"
        );
        assertInvalid(_credit(Lease(other, clock), move(0, 1, ETH, 4), 5, one(ETH, 9), one(ETH, 13)), "somebody else");
        assertInvalid(
            _credit(Lease(address(0), 0), move(0, 1, ETH, 4), 5, one(ETH, 9), one(ETH, 13)), "without a lease"
        );
        Draft memory d = _credit(Lease(proposer, clock), move(0, 1, ETH, 4), 5, one(ETH, 9), one(ETH, 13));
        (d.fresh[1].state.kind, d.freshAfter[1].kind) = (2, 2);
        assertValid(d, "a P-256 key");
        (d.fresh[1].state.kind, d.freshAfter[1].kind) = (3, 3);
        assertInvalid(d, "a rule, whose consent is its own call");
    }

    function test_OnlyAssetsThatItHoldsAlready() public view {
        Lease memory l = Lease(proposer, _clock());
        bytes32 asset = issued(rules[0], 0);
        assertInvalid(_credit(l, move(0, 1, ETH, 4), 5, noAssets(), one(ETH, 4)), "a new one");
        assertInvalid(_credit(l, mint(1, 0, 4), 9, one(ETH, 9), plus(one(ETH, 9), asset, 4)), "a new one, minted");
        assertValid(_credit(l, mint(1, 0, 4), 9, one(asset, 1), one(asset, 5)), "more of what was minted before");
        uint128 most = type(uint128).max;
        assertInvalid(_credit(l, mint(1, 0, 4), 9, one(asset, most), one(asset, 3)), "more than there can be");
        assertValid(
            _credit(l, bytes.concat(move(0, 1, ETH, 1), move(0, 1, ETH, 3)), 5, one(ETH, 9), one(ETH, 13)), "twice"
        );
    }

    function test_CreditAndNothingElse() public view {
        Lease memory l = Lease(proposer, _clock());
        bytes memory credit = move(0, 1, ETH, 4);
        bytes memory back = move(1, 0, ETH, 1);
        assertInvalid(_credit(l, "", 9, one(ETH, 9), one(ETH, 9)), "named for nothing");
        assertInvalid(_credit(l, bytes.concat(credit, back), 6, one(ETH, 9), one(ETH, 12)), "debited");
        Draft memory d = _credit(l, bytes.concat(credit, write(1, hex"01")), 5, one(ETH, 9), one(ETH, 13));
        d.freshAfter[1].data = hex"01";
        assertInvalid(d, "written to");
        bytes32 asset = issued(rules[0], 0);
        IRule.Asset[] memory before = plus(one(ETH, 9), asset, 2);
        d = _credit(l, bytes.concat(credit, burn(1, 0, 1)), 5, before, plus(one(ETH, 13), asset, 1));
        assertInvalid(d, "burnt from");
        d = _credit(l, bytes.concat(credit, withdrawEffect(1, bob, address(0), 1)), 5, one(ETH, 9), one(ETH, 12));
        d.withdrawals = new IBridge.Withdrawal[](1);
        d.withdrawals[0] = IBridge.Withdrawal(bob, address(0), 1);
        assertInvalid(d, "withdrawn from");
        d = _credit(l, bytes.concat(credit, controllerEffect(1, 1, carol)), 5, one(ETH, 9), one(ETH, 13));
        d.freshAfter[1].controller = carol;
        assertInvalid(d, "handed to another key");
        d = _credit(l, bytes.concat(credit, leaseEffect(1, proposer, _clock() + 9)), 5, one(ETH, 9), one(ETH, 13));
        d.freshAfter[1].lease = Lease(proposer, _clock() + 9);
        assertInvalid(d, "leased for longer");
        d = _credit(l, bytes.concat(credit, leafEffect(1, 1, bob)), 5, one(ETH, 9), one(ETH, 13));
        d.freshCohorts[1] = cohort(9, leaves(empty(7, userState(bob, noAssets()))));
        assertInvalid(d, "a leaf opened by it");
        d = _credit(l, credit, 5, one(ETH, 9), one(ETH, 13));
        d.freshAfter[1].nonce = 1;
        assertInvalid(d, "its nonce used");
    }

    function test_TheAccountRuleCreditsToo() public view {
        // Alice's signature alone, and Bob's anchor leased to the proposer.
        Draft memory d = transfer(a(), b(), ETH, 4);
        d.calls[0].signed[1] = d.calls[0].signed[0];
        Signed[] memory alone = new Signed[](1);
        alone[0] = d.calls[0].signed[0];
        d.calls[0].signed = alone;
        d.freshAfter[1].nonce = 0;
        (d.fresh[1].state.lease, d.freshAfter[1].lease) = (Lease(proposer, _clock()), Lease(proposer, _clock()));
        assertValid(d, "a payment");
        (d.fresh[1].state.lease, d.freshAfter[1].lease) = (Lease(other, _clock() - 1), Lease(other, _clock() - 1));
        assertInvalid(d, "a payment under a lease that is over");
    }

    function test_ALeafIsCreditedUnderTheLeaseOfItsHeader() public view {
        Draft memory d = payLeaf(9, 300);
        Signed[] memory alone = new Signed[](1);
        alone[0] = d.calls[0].signed[0];
        d.calls[0].signed = alone;
        d.freshCohorts[0].leaves[0].next.nonce = 0;
        assertInvalid(d, "without a lease");
        assertValid(_leased(d, proposer, _clock()), "under the header's");
        assertInvalid(_leased(d, proposer, _clock() - 1), "under one that is over");
        _leased(d, address(0), 0);
        d.freshCohorts[0].leaves[0].state.lease = Lease(proposer, _clock());
        d.freshCohorts[0].leaves[0].next.lease = Lease(proposer, _clock());
        assertInvalid(d, "under one of its own");
    }

    function test_CreditingIsUnderTheLeaseBeforeTheStep() public view {
        uint64 clock = _clock();
        // Bob ends the lease in the first call, the second still credits him.
        assertValid(_leaseThenCredit(Lease(proposer, clock), Lease(address(0), 0)), "ended in the step");
        assertInvalid(_leaseThenCredit(Lease(address(0), 0), Lease(proposer, clock)), "made in the step");
    }

    function test_WhatWasSpentInTheStepIsNotHeld() public view {
        // Bob withdraws all in the first call; the second would give him some again.
        Draft memory d = _leaseThenCredit(Lease(proposer, _clock()), Lease(proposer, _clock()));
        assertValid(d, "while he holds it");
        bytes memory payload = withdraw(carol, address(0), 9);
        d.calls[0].signed[0] = sign(unsigned(0, payload, one(ETH, 9)), account, b());
        d.withdrawals = new IBridge.Withdrawal[](1);
        d.withdrawals[0] = IBridge.Withdrawal(carol, address(0), 9);
        d.freshAfter[1].assets = one(ETH, 4);
        assertInvalid(d, "spent");
    }

    function test_ALeafOpenedInTheStepIsCreditedLater() public view {
        Draft memory d = _leased(openLeafStep(9, 300), proposer, _clock());
        Draft memory both = draft(2, 0, 0, 0, 2);
        (both.fresh[0], both.fresh[1]) = (d.fresh[0], vault(rules[0], one(ETH, 9), ""));
        (both.freshAfter[0], both.freshAfter[1]) = (d.freshAfter[0], unleased(3, rules[0], 0, one(ETH, 5), ""));
        both.freshCohorts[0] = d.freshCohorts[0];
        both.freshCohorts[0].leaves[0].next.assets = one(ETH, 8);
        both.calls[0] = d.calls[0];
        both.calls[1] = Call(PUPPET, RULE_GAS, 64, ids(2, 1), new Signed[](0), move(0, 1, ETH, 4));
        assertValid(both, "leased");
        _leased(both, address(0), 0);
        assertInvalid(both, "without a lease");
    }

    function test_WhatDoesNotExistIsNotListedThoughItIsOpenedByThatCall() public view {
        Draft memory d = puppet(these(a()), noAssets(), leafEffect(0, 1, bob), 0);
        d.freshCohorts[0] = cohort(9, leaves(empty(300, userState(bob, noAssets()))));
        assertValid(_leased(d, proposer, _clock()), "opened");
        d.calls[0].fragments = ids(0, 1);
        assertInvalid(_leased(d, proposer, _clock()), "listed before");
    }

    function test_WhatTheStepOpenedHasNoLeaseBefore() public view {
        // A new anchor under a key, named by a second call that gives it something.
        Draft memory d = draft(2, 1, 0, 0, 2);
        Draft memory opening = solo(a(), open(1, bob, one(ETH, 4)), one(ETH, 4), 1, 0);
        (d.fresh[0], d.fresh[1]) = (a(), vault(rules[0], one(ETH, 9), ""));
        d.freshAfter[0] = unleased(1, alice, 1, one(ETH, 5 ether - 4), "");
        d.freshAfter[1] = unleased(3, rules[0], 0, one(ETH, 5), "");
        _leased(d, proposer, _clock());
        d.opened[0] = userState(bob, one(ETH, 8));
        d.calls[0] = opening.calls[0];
        d.calls[1] = Call(PUPPET, RULE_GAS, 64, ids(1, 2), new Signed[](0), move(0, 1, ETH, 4));
        assertInvalid(d, "credited");
    }

    /// @dev The puppet's vault of 9 wei, and Bob's anchor under this lease, which signs nothing. The states after are those that these
    /// effects would lead to, were they allowed; `left` is what stays in the vault.
    function _credit(
        Lease memory lease,
        bytes memory effects,
        uint128 left,
        IRule.Asset[] memory before,
        IRule.Asset[] memory next
    ) private view returns (Draft memory d) {
        Anchor memory bobs = b();
        bobs.state.assets = before;
        bobs.state.lease = lease;
        Anchor memory own = vault(rules[0], one(ETH, 9), "");
        d = puppet(these(own, bobs), noAssets(), bytes.concat(write(0, hex"01"), effects), 0);
        d.calls[0].signed = new Signed[](0);
        d.freshAfter[0] = unleased(3, rules[0], 0, one(ETH, left), hex"01");
        d.freshAfter[1] = bobs.state.copy();
        d.freshAfter[1].assets = next;
    }

    /// @dev Bob changes his lease by the first call; the second moves him 4 wei from the puppet's vault.
    function _leaseThenCredit(Lease memory before, Lease memory next) private view returns (Draft memory d) {
        Anchor memory bobs = b();
        bobs.state.assets = one(ETH, 9);
        bobs.state.lease = before;
        d = draft(2, 0, 0, 0, 2);
        (d.fresh[0], d.fresh[1]) = (vault(rules[0], one(ETH, 9), ""), bobs);
        d.freshAfter[0] = unleased(3, rules[0], 0, one(ETH, 5), "");
        d.freshAfter[1] = State(1, bob, 1, one(ETH, 13), "", next);
        d.calls[0] = Call(0, RULE_GAS, 64, ids(1), new Signed[](1), "");
        d.calls[0].signed[0] = sign(unsigned(0, setLease(next.holder, next.last), noAssets()), account, b());
        d.calls[1] = Call(PUPPET, RULE_GAS, 64, ids(0, 1), new Signed[](0), move(0, 1, ETH, 4));
    }
}
