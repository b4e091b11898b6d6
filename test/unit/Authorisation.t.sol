// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Codec} from "../harness/Codec.sol";
import {Draft} from "../harness/Drafts.sol";
import {Anchor, Call, Signed, State, unleased} from "../harness/Shapes.sol";
import {Trial, Trials} from "../harness/Trials.sol";

/// @notice Who may touch and debit a fragment: consent, signatures and what was signed (docs/spec.md, sections 5.1 and 6.1).
contract AuthorisationTest is Trials {
    using Codec for *;

    uint256 private constant ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    // ---------------------------------------------------------------- signatures

    function test_ASignatureOfSomebodyElseIsInvalid() public view {
        Draft memory d = transfer(a(), b(), ETH, 1);
        d.calls[0].signed[0] = sign(d.calls[0].signed[0], account, fragmentId(a()), 0, keyOf[bob]);
        assertInvalid(d, "another key");
    }

    function testFuzz_AnyChangedBitOfASignatureOrOfWhatItSaysIsInvalid(uint256 bit) public view {
        Draft memory d = transfer(a(), b(), ETH, 1);
        Signed memory s = d.calls[0].signed[1];
        bit = bound(bit, 0, 64 + 512 - 1);
        // Later than the clock in any case: the lowest 20 bits are left alone, for they could make it expire.
        if (bit < 64) s.validUntil ^= uint64(2 ** (bit < 20 ? 20 : bit));
        else s.signature[(bit - 64) / 8] ^= bytes1(uint8(2 ** (bit % 8)));
        assertInvalid(d, "flipped");
    }

    function test_AHighSIsInvalid() public view {
        // Of the high values of s the compact form can carry those below 2^255 only. Whoever the precompile takes for the
        // signer controls the fragment.
        uint256 high = ORDER / 2 + 1;
        Anchor memory anchor = a();
        Signed memory s = unsigned(0, "", noAssets());
        bytes32 digest_ = digest(s, account, fragmentId(anchor), 0);
        bytes32 r = bytes32(uint256(0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798));
        anchor.state.controller = ecrecover(digest_, 27, r, bytes32(high));
        assertTrue(anchor.state.controller != address(0));
        Draft memory d = draft(1, 0, 0, 0, 1);
        d.fresh[0] = anchor;
        d.freshAfter[0] = anchor.state.copy();
        d.freshAfter[0].nonce = 1;
        d.calls[0] = Call(0, RULE_GAS, MAX_EFFECTS, ids(0), new Signed[](1), "");
        d.calls[0].signed[0] = s;
        s.signature = abi.encodePacked(r, 2 ** 255 + (ORDER - high));
        assertValid(d, "its mirror image");
        s.signature = abi.encodePacked(r, high);
        assertInvalid(d, "high");
    }

    function test_NobodysSignatureIsNotThatOfTheZeroAddress() public view {
        // A fragment under address zero cannot be opened; had one come to be, no junk may sign for it.
        Anchor memory orphan = a();
        orphan.state.controller = address(0);
        Draft memory d = draft(1, 0, 0, 0, 1);
        d.fresh[0] = orphan;
        d.calls[0] = Call(0, RULE_GAS, MAX_EFFECTS, ids(0), new Signed[](1), "");
        d.calls[0].signed[0] = unsigned(0, "", noAssets());
        d.freshAfter[0] = orphan.state.copy();
        d.freshAfter[0].nonce = 1;
        assertInvalid(d, "r and s zero");
        d.calls[0].signed[0].signature = abi.encodePacked(ORDER, uint256(1));
        assertInvalid(d, "r not below the order");
    }

    function test_AReplayedOrSkippedNonceIsInvalid() public view {
        for (uint64 nonce = 0; nonce < 4; nonce++) {
            Anchor memory used = a();
            used.state.nonce = 2;
            Draft memory d = solo(used, "", noAssets(), 0, 0);
            d.calls[0].signed[0] = sign(d.calls[0].signed[0], account, fragmentId(used), nonce, keyOf[alice]);
            if (nonce == 2) assertValid(d, "the present nonce");
            else assertInvalid(d, "another nonce");
        }
    }

    function test_TheLastNonceCannotBeUsed() public view {
        Anchor memory old = a();
        old.state.nonce = type(uint64).max - 1;
        assertValid(solo(old, "", noAssets(), 0, 0), "the last but one");
        old.state.nonce = type(uint64).max;
        Draft memory d = draft(1, 0, 0, 0, 1);
        d.fresh[0] = old;
        d.freshAfter[0] = old.state.copy();
        d.freshAfter[0].nonce = 0;
        d.calls[0] = Call(0, RULE_GAS, MAX_EFFECTS, ids(0), new Signed[](1), "");
        d.calls[0].signed[0] = sign(unsigned(0, "", noAssets()), account, old);
        assertInvalid(d, "the last");
    }

    function test_ASignatureForAnotherChainBridgeRuleOrFragmentIsInvalid() public view {
        bytes32 here = Codec.domain(block.chainid, address(bridge));
        _checkDigest(here, account, fragmentId(a()), true, "this one");
        _checkDigest(Codec.domain(1, address(bridge)), account, fragmentId(a()), false, "chain");
        _checkDigest(Codec.domain(block.chainid, address(this)), account, fragmentId(a()), false, "bridge");
        _checkDigest(here, rules[0], fragmentId(a()), false, "rule");
        _checkDigest(here, account, fragmentId(b()), false, "fragment");
        _checkDigest(here, account, fragmentId(a()) + 1, false, "leaf");
    }

    function _checkDigest(bytes32 domain, address rule, uint80 fragment, bool valid, string memory what) private view {
        Draft memory d = solo(a(), "", noAssets(), 0, 0);
        Signed memory s = d.calls[0].signed[0];
        d.calls[0].signed[0] = signDigest(s, Codec.digest(domain, rule, fragment, 0, s), keyOf[alice]);
        assertEq(verdict(trial(d)), valid, what);
    }

    function test_TheChainIsThatOfTheHeaderAndTheBridgeThatOfTheCaller() public view {
        Trial memory t = trial(transfer(a(), b(), ETH, 1));
        t.bridge = address(this);
        assertInvalid(t, "another bridge");
        t = trial(transfer(a(), b(), ETH, 1));
        t.header.chainId += 1;
        assertInvalid(t, "another chain");
    }

    // ---------------------------------------------------------------- time

    function test_ValidUntilIsJudgedAtTheClock() public {
        uint256 clock = block.number - 1;
        Draft memory d = solo(a(), "", noAssets(), 0, 0);
        Signed memory s = d.calls[0].signed[0];
        s.validUntil = uint64(clock);
        d.calls[0].signed[0] = sign(s, account, a());
        Trial memory t = trial(d);
        assertValid(t, "at the clock");
        vm.roll(block.number + 1000);
        assertValid(t, "whenever it is asked");
        s.validUntil = uint64(clock - 1);
        d.calls[0].signed[0] = sign(s, account, a());
        vm.roll(clock + 1);
        assertInvalid(d, "expired at the clock");
    }

    // ---------------------------------------------------------------- outflows

    function test_NoMoreThanSignedFlowsOut() public view {
        _checkOutflow(one(ETH, 3), 3, true, "just as signed");
        _checkOutflow(one(ETH, 4), 3, true, "less than signed");
        _checkOutflow(one(ETH, 2), 3, false, "more than signed");
        _checkOutflow(noAssets(), 3, false, "nothing signed");
        _checkOutflow(one(bytes32(uint256(1)), 3), 3, false, "another asset signed");
    }

    function test_SeveralDebitsCountTogether() public view {
        _checkTwoDebits(2, true, "in sum");
        _checkTwoDebits(1, false, "each alone would pass");
    }

    function _checkOutflow(IRule.Asset[] memory signed, uint128 amount, bool valid, string memory what) private view {
        Draft memory d = transfer(a(), b(), ETH, amount);
        d.calls[0].signed[0] = sign(unsigned(0, pay(b(), ETH, amount), signed), account, a());
        assertEq(verdict(trial(d)), valid, what);
    }

    function _checkTwoDebits(uint128 limit, bool valid, string memory what) private view {
        bytes memory effects = bytes.concat(move(0, 1, ETH, 1), move(0, 1, ETH, 1));
        Draft memory d = puppet(these(a(), b()), one(ETH, limit), effects, 0);
        d.freshAfter[0].assets = one(ETH, 5 ether - 2);
        d.freshAfter[1].assets = one(ETH, 2 ether + 2);
        assertEq(verdict(trial(d)), valid, what);
    }

    function test_OutflowsThatDoNotAscendAreInvalid() public view {
        IRule.Asset[] memory list = new IRule.Asset[](2);
        list[0] = IRule.Asset(ETH, 1);
        list[1] = IRule.Asset(bytes32(uint256(1)), 1);
        assertValid(solo(a(), "", list, 0, 0), "ascending");
        (list[0], list[1]) = (list[1], list[0]);
        assertInvalid(solo(a(), "", list, 0, 0), "descending");
        list[0] = list[1];
        assertInvalid(solo(a(), "", list, 0, 0), "twice the same");
    }

    // ---------------------------------------------------------------- consent

    function test_WhoDoesNotSignIsNotTouched() public view {
        Draft memory d = transfer(a(), b(), ETH, 1);
        Signed[] memory all = d.calls[0].signed;
        d.calls[0].signed = new Signed[](1);
        d.calls[0].signed[0] = all[0];
        d.freshAfter[1].nonce = 0;
        assertInvalid(d, "credited without consent");
        d = solo(a(), "", noAssets(), 0, 0);
        d.calls[0].signed = new Signed[](0);
        d.freshAfter[0].nonce = 0;
        assertInvalid(d, "named without consent");
    }

    function test_NoRuleGivesJunkToWhoHasNotSignedThatCall() public view {
        // Bob signs the first call; the second, of the puppet, mints to him.
        Draft memory d = draft(2, 0, 0, 0, 2);
        (d.fresh[0], d.fresh[1]) = (a(), b());
        Draft memory one_ = transfer(a(), b(), ETH, 1);
        d.calls[0] = one_.calls[0];
        d.freshAfter = one_.freshAfter;
        bytes32 tag = bytes32(uint256(7));
        d.calls[1] = Call(PUPPET, RULE_GAS, 256, ids(1), new Signed[](0), mint(0, tag, 5));
        d.freshAfter[1].assets = plus(d.freshAfter[1].assets, issued(rules[0], tag), 5);
        assertInvalid(d, "junk");
        Anchor memory later = b();
        later.state.nonce = 1;
        d.calls[1].signed = new Signed[](1);
        d.calls[1].signed[0] = sign(unsigned(0, "", noAssets()), rules[0], later);
        d.freshAfter[1].nonce = 2;
        assertValid(d, "with consent to that call");
    }

    function test_ASignatureForOneRuleIsNoConsentToAnother() public view {
        Draft memory d = puppet(these(a()), noAssets(), "", 0);
        assertValid(d, "signed for the puppet");
        d.calls[0].rule = 0;
        assertInvalid(d, "but called the Account rule");
    }

    function test_AFragmentUnderAnotherRuleIsNotTouched() public view {
        Anchor memory foreign = vault(rules[1], one(ETH, 9), "");
        bytes memory effects = mint(0, 0, 1);
        Draft memory d = puppet(these(foreign), noAssets(), effects, 0);
        d.freshAfter[0].assets = plus(d.freshAfter[0].assets, issued(rules[0], 0), 1);
        assertInvalid(d, "foreign");
        Anchor memory own = vault(rules[0], one(ETH, 9), "");
        d = puppet(these(own), noAssets(), effects, 0);
        d.freshAfter[0].assets = plus(d.freshAfter[0].assets, issued(rules[0], 0), 1);
        assertValid(d, "own");
    }

    function test_AKeyWithTheAddressOfARuleIsNotUnderTheRule() public view {
        // Anybody can deposit for the address of a rule: nobody has its key, and the rule has no say.
        Anchor memory own = vault(rules[0], one(ETH, 9), "");
        Draft memory d = puppet(these(own), noAssets(), write(0, hex"01"), 0);
        d.freshAfter[0].data = hex"01";
        assertValid(d, "under the rule");
        (d.fresh[0].state.kind, d.freshAfter[0].kind) = (1, 1);
        assertInvalid(d, "under a key");
        (d.fresh[0].state.kind, d.freshAfter[0].kind) = (2, 2);
        assertInvalid(d, "under a P-256 key");
    }

    function test_ARulesFragmentMustBeChangedByTheCallThatNamesIt() public view {
        Anchor memory own = vault(rules[0], one(ETH, 9), hex"aa");
        assertInvalid(puppet(these(own), noAssets(), "", 0), "no effect");
        assertInvalid(puppet(these(own), noAssets(), write(0, hex"aa"), 0), "written as it was");
        Draft memory d = puppet(these(own), noAssets(), write(0, hex"ab"), 0);
        d.freshAfter[0].data = hex"ab";
        assertValid(d, "changed");
    }

    function test_ARulesFragmentCannotSign() public view {
        Anchor memory own = vault(rules[0], noAssets(), "");
        own.state.controller = alice;
        Draft memory d = solo(own, "", noAssets(), 0, 0);
        assertInvalid(d, "kind 3 with the address of a key");
    }

    function test_AFragmentOpenedInThisBatchCannotSign() public view {
        // An earlier step of this batch opened it: its anchor id starts with the batch's own id.
        uint40 own = idAt(block.number, 1);
        Anchor memory fresh = Anchor(uint56(own) * 65_536 + 5, own, unleased(1, alice, 0, one(ETH, 5), ""));
        Draft memory d = draft(0, 0, 1, 0, 1);
        d.again[0] = fresh;
        d.calls[0] = Call(0, RULE_GAS, MAX_EFFECTS, ids(0), new Signed[](1), "");
        d.calls[0].signed[0] = sign(unsigned(0, "", noAssets()), account, fresh);
        d.againAfter[0] = fresh.state.copy();
        d.againAfter[0].nonce = 1;
        assertInvalid(d, "by its id");
        d.calls[0].signed[0] = sign(d.calls[0].signed[0], account, 0, 0, keyOf[alice]);
        assertInvalid(d, "by id zero, as rules see it");
        Trial memory t = trial(d);
        t.id += 1;
        t.draft.calls[0].signed[0] = sign(unsigned(0, "", noAssets()), account, fresh);
        t.step = step(t.draft);
        assertValid(t, "opened in another batch");
    }

    function test_PositionsOfAuthorisationsAscend() public view {
        Draft memory d = transfer(a(), b(), ETH, 1);
        (d.calls[0].signed[0], d.calls[0].signed[1]) = (d.calls[0].signed[1], d.calls[0].signed[0]);
        assertInvalid(d, "descending");
        d = transfer(a(), b(), ETH, 1);
        d.calls[0].signed[1].position = 2;
        assertInvalid(d, "beyond the list");
        d = solo(a(), "", noAssets(), 0, 0);
        Anchor memory later = a();
        later.state.nonce = 1;
        d.calls[0].fragments = ids(0, 0);
        d.calls[0].signed = append(d.calls[0].signed, sign(unsigned(0, "", noAssets()), account, later));
        d.freshAfter[0].nonce = 2;
        assertInvalid(d, "the same twice");
    }
}
