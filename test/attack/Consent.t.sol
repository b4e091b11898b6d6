// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {CohortTrials} from "../harness/CohortTrials.sol";
import {Draft} from "../harness/Drafts.sol";
import {Offers} from "../harness/Offers.sol";
import {Anchor, Call, Header, Lease, Meaning, Posted, Signed, Step, unleased} from "../harness/Shapes.sol";
import {Trial} from "../harness/Trials.sol";

/// @notice An outsider has a signature, or a lease, and makes more of it than was meant (docs/audit/attacks.md).
contract ConsentAttacks is CohortTrials {
    bytes32 private constant ASSIGNMENT = keccak256(
        "Assignment(bytes32 commitment,uint256 position,uint256 sequence,address from,address to,address token,uint256 price,uint256 deadline)"
    );

    address private mallory = makeAddr("mallory");

    // ---------------------------------------------------------------- signatures for something else

    /// A rule says that what Bob signs for a call means the sale of a claim of his, in the words of the bridge's own type.
    function test_NoRuleMakesASignatureTheSaleOfAClaim() public {
        Draft memory d = withdrawal(a(), bob, address(0), 1 ether);
        Posted memory p = post(steps(step(d)));
        Signed memory s = unsigned(0, "harmless", noAssets());
        // Seven words are signed, of which the rule says two; an offer has nine.
        s = sign(s, rules[0], b(), Meaning(ASSIGNMENT, keccak256(p.preimage)));
        Draft memory call_ = puppet(these(b()), noAssets(), "", 0);
        call_.calls[0].signed[0] = s;
        call_.calls[0].extra = meaningEffect(0, Meaning(ASSIGNMENT, keccak256(p.preimage)));
        assertValid(call_, "the rule may say so");
        bytes memory full = _spread(s.signature);
        for (uint256 i = 0; i < 3; i++) {
            IBridge.Terms memory terms = IBridge.Terms(bob, mallory, address(0), 0, block.number, i == 1);
            if (i == 2) terms.deadline = s.validUntil;
            bytes32 digest_ = Offers.digest(address(bridge), p.preimage, 0, 0, terms);
            vm.expectRevert(abi.encodeWithSelector(IBridge.BadSignature.selector, bob, digest_));
            vm.prank(mallory);
            bridge.assign(p.preimage, 0, d.withdrawals[0], "", terms, full);
        }
    }

    /// The signature of an offer as consent to a call: another struct, and another digest.
    function test_AnOfferIsNoConsent() public view {
        Draft memory d = transfer(a(), b(), ETH, 1);
        IBridge.Terms memory terms = IBridge.Terms(alice, mallory, address(0), 0, block.number + 100, false);
        bytes32 digest_ = Offers.digest(address(bridge), "any batch", 0, 0, terms);
        d.calls[0].signed[0] = signDigest(d.calls[0].signed[0], digest_, keyOf[alice]);
        assertInvalid(d, "an offer");
    }

    /// r ‖ yParity, s as r ‖ s ‖ v.
    function _spread(bytes memory compact) private pure returns (bytes memory) {
        (bytes32 r, uint256 vs) = abi.decode(compact, (bytes32, uint256));
        return abi.encodePacked(r, vs % 2 ** 255, uint8(27 + vs / 2 ** 255));
    }

    /// The Account rule by its number and by the table is one rule: one signature, used once.
    function test_ASignatureIsUsedOnceHoweverItsRuleIsNamed() public {
        rules.push(account);
        uint8 named = uint8(rules.length);
        Draft memory d = solo(a(), withdraw(mallory, address(0), 1), one(ETH, 1), 0, 1);
        d.freshAfter[0].assets = one(ETH, 5 ether - 1);
        d.withdrawals[0] = IBridge.Withdrawal(mallory, address(0), 1);
        assertValid(d, "by its number");
        d.calls[0].rule = named;
        assertValid(d, "by the table");
        Call memory once = d.calls[0];
        d.calls = new Call[](2);
        (d.calls[0], d.calls[1]) = (once, once);
        d.freshAfter[0].assets = one(ETH, 5 ether - 2);
        d.freshAfter[0].nonce = 2;
        d.withdrawals = new IBridge.Withdrawal[](2);
        d.withdrawals[0] = IBridge.Withdrawal(mallory, address(0), 1);
        d.withdrawals[1] = IBridge.Withdrawal(mallory, address(0), 1);
        assertInvalid(d, "twice");
    }

    /// Code at a key's address, be it the account's delegation: the key signs as before, and nobody asks the code.
    function test_CodeAtAKeysAddressIsNotAsked() public {
        bytes[3] memory codes = [bytes(hex"600160005260206000f3"), hex"5b5f56", abi.encodePacked(hex"ef0100", account)];
        for (uint256 i = 0; i < 3; i++) {
            vm.etch(alice, codes[i]);
            assertValid(transfer(a(), b(), ETH, 1), "signed");
            Draft memory d = transfer(a(), b(), ETH, 1);
            d.calls[0].signed[0].signature = new bytes(64);
            assertInvalid(d, "not signed");
        }
    }

    // ---------------------------------------------------------------- ids that come again

    /// A known limit. An anchor's id is its block and its place in it: after a reorganisation it can be somebody else's. Who has signed a
    /// payment to an anchor of a block that is not final pays whoever has the id then.
    function test_APaymentToAYoungAnchorCanReachSomebodyElse() public {
        uint256 fork = vm.snapshotState();
        Anchor memory bobs = depositEth(bob, 1);
        Signed memory s = sign(unsigned(0, pay(bobs, ETH, 1 ether), one(ETH, 1 ether)), account, a());

        vm.revertToState(fork);
        Anchor memory carols = depositEth(carol, 1);
        assertEq(carols.id, bobs.id, "the same id on the other branch");
        nextBlock();
        Draft memory d = draft(2, 0, 0, 0, 1);
        (d.fresh[0], d.fresh[1]) = (a(), carols);
        d.calls[0] = Call(0, RULE_GAS, MAX_EFFECTS, ids(0, 1), new Signed[](2), "");
        (d.calls[0].signed[0], d.calls[0].signed[1]) = (s, sign(unsigned(1, "", noAssets()), account, carols));
        d.freshAfter[0] = unleased(1, alice, 1, one(ETH, 4 ether), "");
        d.freshAfter[1] = unleased(1, carol, 1, one(ETH, 1 ether + 1), "");
        Posted memory p = post(steps(step(d)));
        vm.expectRevert(IBridge.StepIsValid.selector);
        challenge(evidence(p, 0, preStates(d)), "");
    }

    /// The same reorganisation, but the payment opens a fragment for Bob: his key is what was signed.
    function test_APaymentToAKeyReachesThatKey() public {
        bytes memory payload = open(1, bob, one(ETH, 1 ether));
        Draft memory d = solo(a(), payload, one(ETH, 1 ether), 1, 0);
        d.freshAfter[0].assets = one(ETH, 4 ether);
        d.opened[0] = userState(bob, one(ETH, 1 ether));
        assertValid(d, "Bob");
        d.opened[0] = userState(carol, one(ETH, 1 ether));
        assertInvalid(d, "Carol");
    }

    // ---------------------------------------------------------------- leases

    /// A lease that was signed and is kept back ends no later for that: its last block was signed, and it is used by its last valid block.
    function test_ALeaseThatIsKeptBackIsNotLonger() public {
        uint64 last = uint64(block.number + 60);
        Signed memory s = unsigned(0, setLease(mallory, last), noAssets());
        s.validUntil = uint64(block.number + 20);
        s = sign(s, account, a());
        Draft memory d = solo(a(), setLease(mallory, last), noAssets(), 0, 0);
        d.calls[0].signed[0] = s;
        d.freshAfter[0].lease = Lease(mallory, last);
        vm.roll(s.validUntil + 1);
        assertValid(d, "at the last block");
        vm.roll(s.validUntil + 2);
        assertInvalid(d, "too late");
        // Its holder cannot write another end.
        vm.roll(s.validUntil + 1);
        d.freshAfter[0].lease.last = last + 1;
        assertInvalid(d, "longer");
    }

    /// A known limit: a clock may be 32 blocks old, so a lease serves its holder that much longer, as long as nobody else has touched
    /// the anchor.
    function test_ALeaseLastsTheAgeOfAClockLonger() public {
        uint64 last = uint64(block.number + 5);
        Draft memory first = solo(a(), setLease(proposer, last), noAssets(), 0, 0);
        first.freshAfter[0].lease = Lease(proposer, last);
        Posted memory p = post(steps(step(first)));
        vm.roll(uint256(last) + 32);
        Anchor memory leased = Anchor(a().id, p.id, first.freshAfter[0]);
        Draft memory d = draft(2, 0, 0, 0, 1);
        (d.fresh[0], d.fresh[1]) = (b(), leased);
        d.calls[0] = Call(0, RULE_GAS, MAX_EFFECTS, ids(0, 1), new Signed[](1), "");
        d.calls[0].signed[0] = sign(unsigned(0, pay(leased, ETH, 1), one(ETH, 1)), account, b());
        d.freshAfter[0] = unleased(1, bob, 1, one(ETH, 2 ether - 1), "");
        d.freshAfter[1] = unleased(1, alice, 1, one(ETH, 5 ether + 1), "");
        d.freshAfter[1].lease = Lease(proposer, last);
        Step[] memory list = steps(step(d));
        Header memory h = header(list, 1);
        (h.clock, h.clockHash) = (last, blockhash(last));
        uint256 snapshot = vm.snapshotState();
        p = post(proposer, h, list);
        vm.expectRevert(IBridge.StepIsValid.selector);
        challenge(evidence(p, 0, preStates(d)), "");
        vm.revertToState(snapshot);
        // By the next clock it is over.
        (h.clock, h.clockHash) = (last + 1, blockhash(last + 1));
        p = post(proposer, h, list);
        challenge(evidence(p, 0, preStates(d)), p.walked.entries);
    }

    /// A known limit: whoever controls a cohort's header can lease it again and again, and keeps every leaf from leaving by anybody else.
    function test_AHeaderThatLeasesForEverKeepsItsLeavesIn() public {
        for (uint256 i = 0; i < 5; i++) {
            uint64 clock = uint64(block.number - 1);
            Draft memory renew = solo(a(), setLease(mallory, clock + 64), noAssets(), 0, 0);
            renew.fresh[0].state.lease = Lease(mallory, clock);
            renew.calls[0].signed[0] = sign(renew.calls[0].signed[0], account, renew.fresh[0]);
            renew.freshAfter[0].lease = Lease(mallory, clock + 64);
            Trial memory t = trial(renew);
            t.proposer = mallory;
            assertValid(t, "renewed by the holder, with the header's signature");
            Draft memory exit = withdrawLeaf(9, 300);
            exit.fresh[0].state.lease = Lease(mallory, clock);
            exit.freshAfter[0] = exit.fresh[0].state;
            assertInvalid(exit, "a leaf leaves by another proposer");
            vm.roll(block.number + 64);
        }
    }

    /// A lease holder fills the owner's fragment, up to the brim, with what the owner holds already: so that nothing more of that can be paid
    /// to it. It costs what fills it.
    function test_ABrimfulAssetCostsWhoFillsIt() public view {
        uint64 clock = uint64(block.number - 1);
        Anchor memory rich = vault(rules[0], one(ETH, type(uint128).max), "");
        Anchor memory victim = a();
        victim.state.lease = Lease(proposer, clock);
        Draft memory d = draft(2, 0, 0, 0, 1);
        (d.fresh[0], d.fresh[1]) = (rich, victim);
        uint128 room = type(uint128).max - 5 ether;
        d.calls[0] = Call(PUPPET, RULE_GAS, MAX_EFFECTS, ids(0, 1), new Signed[](0), move(0, 1, ETH, room));
        d.freshAfter[0] = unleased(3, rules[0], 0, one(ETH, 5 ether), "");
        d.freshAfter[1] = unleased(1, alice, 0, one(ETH, type(uint128).max), "");
        d.freshAfter[1].lease = Lease(proposer, clock);
        assertValid(d, "full: and the victim's");
        d.calls[0].extra = move(0, 1, ETH, room + 1);
        assertInvalid(d, "over the brim");
    }

    /// A known limit: a rule that opens a fragment under itself may lease it before it hands it to a key. So a gift can come with a lease, of
    /// 64 blocks at most; nobody else's anchor does, and nothing that its owner signed for.
    function test_AGiftCanComeWithALease() public view {
        uint64 clock = uint64(block.number - 1);
        Anchor memory giver = vault(rules[0], one(ETH, 9), "");
        for (uint64 more = 63; more <= 65; more++) {
            Draft memory d = puppet(these(giver), noAssets(), "", 1);
            d.calls[0].extra = bytes.concat(
                openEffect(3, rules[0]),
                move(0, 1, ETH, 4),
                leaseEffect(1, mallory, clock + more),
                controllerEffect(1, 1, bob)
            );
            d.freshAfter[0].assets = one(ETH, 5);
            d.opened[0] = userState(bob, one(ETH, 4));
            d.opened[0].lease = Lease(mallory, clock + more);
            assertEq(verdict(trial(d)), more <= 64);
        }
    }
}
