// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Codec} from "../harness/Codec.sol";
import {Draft} from "../harness/Drafts.sol";
import {Anchor, Call, Signed, State, unleased} from "../harness/Shapes.sol";
import {Trial, Trials} from "../harness/Trials.sol";

/// @notice What a rule may do by its effects, whatever its code (docs/spec.md, section 6.3). The rule is a puppet of the
/// proposer. After-states are those that a kernel without the check in question would produce.
contract KernelEffectsTest is Trials {
    using Codec for *;

    bytes32 private constant TAG = bytes32(uint256(42));

    // ---------------------------------------------------------------- move

    function test_MovingNeedsAuthorityOverTheSource() public view {
        // The puppet's vault pays Alice; Alice's other fragment, opened here under her key, may not be debited.
        Anchor memory own = vault(rules[0], one(ETH, 9), "");
        Draft memory d = puppet(these(own, a()), noAssets(), move(0, 1, ETH, 4), 0);
        d.freshAfter[0].assets = one(ETH, 5);
        d.freshAfter[1].assets = one(ETH, 5 ether + 4);
        assertValid(d, "from the rule's own");
        bytes memory effects = bytes.concat(openEffect(1, bob), move(0, 1, ETH, 4), move(1, 0, ETH, 1));
        d = puppet(these(own), noAssets(), effects, 1);
        d.freshAfter[0].assets = one(ETH, 6);
        d.opened[0] = unleased(1, bob, 0, one(ETH, 3), "");
        assertInvalid(d, "from a fragment that it opened under a key");
        effects = bytes.concat(openEffect(3, rules[0]), move(0, 1, ETH, 4), move(1, 0, ETH, 1));
        d = puppet(these(own), noAssets(), effects, 1);
        d.freshAfter[0].assets = one(ETH, 6);
        d.opened[0] = unleased(3, rules[0], 0, one(ETH, 3), "");
        assertValid(d, "from one that it opened under itself");
    }

    function test_MovesOfNothingToItselfOrBeyondTheListAreInvalid() public view {
        Anchor memory own = vault(rules[0], one(ETH, 9), "");
        _check(these(own, a()), move(0, 1, ETH, 0), false, "nothing");
        _check(these(own, a()), move(0, 0, ETH, 1), false, "to itself");
        _check(these(own, a()), move(0, 2, ETH, 1), false, "to position 2");
        _check(these(own, a()), move(2, 0, ETH, 1), false, "from position 2");
        _check(these(own, a()), move(255, 0, ETH, 1), false, "from position 255");
    }

    function test_EffectsThatChangeNothingAreInvalidAllTheSame() public view {
        Anchor memory holder = a();
        holder.state.assets = one(issued(rules[0], TAG), 9);
        bytes32 asset = holder.state.assets[0].id;
        assertValid(puppet(these(holder), one(asset, 1), "", 0), "none");
        assertInvalid(puppet(these(holder), one(asset, 1), move(0, 0, asset, 1), 0), "a move to itself");
        assertInvalid(puppet(these(holder), one(asset, 1), mint(0, TAG, 0), 0), "nothing minted");
        assertInvalid(puppet(these(holder), one(asset, 1), burn(0, TAG, 0), 0), "nothing burnt");
    }

    function test_AnEffectIsValidWhenApplied() public view {
        Anchor memory own = vault(rules[0], one(ETH, 9), "");
        bytes32 asset = issued(rules[0], TAG);
        Draft memory d = puppet(these(own), noAssets(), bytes.concat(mint(0, TAG, 5), burn(0, TAG, 4)), 0);
        d.freshAfter[0].assets = plus(one(ETH, 9), asset, 1);
        assertValid(d, "mint, then burn");
        d = puppet(these(own), noAssets(), bytes.concat(burn(0, TAG, 4), mint(0, TAG, 5)), 0);
        d.freshAfter[0].assets = plus(one(ETH, 9), asset, 1);
        assertInvalid(d, "burn what is minted later");
    }

    function test_NoOverflow() public view {
        Anchor memory own = vault(rules[0], one(ETH, 9), "");
        bytes32 asset = issued(rules[0], TAG);
        uint128 most = type(uint128).max;
        Draft memory d = puppet(these(own), noAssets(), bytes.concat(mint(0, TAG, most - 1), mint(0, TAG, 1)), 0);
        d.freshAfter[0].assets = plus(one(ETH, 9), asset, most);
        assertValid(d, "2^128 - 1");
        d = puppet(these(own), noAssets(), bytes.concat(mint(0, TAG, most), mint(0, TAG, 3)), 0);
        d.freshAfter[0].assets = plus(one(ETH, 9), asset, 2);
        assertInvalid(d, "wrapped");
    }

    function test_AFragmentHoldsAtMost32Assets() public view {
        for (uint256 count = 31; count <= 32; count++) {
            IRule.Asset[] memory many = _assets(count);
            Anchor memory own = vault(rules[0], many, "");
            Draft memory d = puppet(these(own), noAssets(), mint(0, TAG, 5), 0);
            d.freshAfter[0].assets = plus(d.freshAfter[0].assets, issued(rules[0], TAG), 5);
            if (count == 31) assertValid(d, "32");
            else assertInvalid(d, "33");
        }
        // A full fragment takes more of what it holds, and a new one for one that leaves.
        Anchor memory full = vault(rules[0], _assets(32), "");
        bytes32 third = _assets(32)[2].id;
        bytes memory swap = bytes.concat(withdrawEffect(0, bob, address(uint160(uint256(third))), 1), mint(0, TAG, 5));
        Draft memory d2 = puppet(these(full), noAssets(), swap, 0);
        d2.withdrawals = new IBridge.Withdrawal[](1);
        d2.withdrawals[0] = IBridge.Withdrawal(bob, address(uint160(uint256(third))), 1);
        d2.freshAfter[0].assets = plus(minus(d2.freshAfter[0].assets, third, 1), issued(rules[0], TAG), 5);
        assertValid(d2, "one for one");
    }

    function testFuzz_AssetsStayInOrderWhereverTheyAreInserted(uint256 seed) public view {
        Anchor memory own = vault(rules[0], _assets(10), "");
        bytes memory effects;
        IRule.Asset[] memory assets = own.state.copy().assets;
        for (uint256 i = 0; i < 12; i++) {
            bytes32 tag = keccak256(abi.encode(seed, i % 7));
            effects = bytes.concat(effects, mint(0, tag, uint128(i + 1)));
            assets = plus(assets, issued(rules[0], tag), uint128(i + 1));
        }
        Draft memory d = puppet(these(own), noAssets(), effects, 0);
        d.freshAfter[0].assets = assets;
        assertValid(d, "in order");
    }

    // ---------------------------------------------------------------- mint and burn

    function test_OnlyTheIssuingRuleChangesTheSupply() public view {
        // There is no way to name another rule's asset: the tag is hashed with the rule that was called.
        Anchor memory own = vault(rules[0], one(issued(rules[1], TAG), 9), "");
        Draft memory d = puppet(these(own), noAssets(), burn(0, TAG, 9), 0);
        d.freshAfter[0].assets = noAssets();
        assertInvalid(d, "another rule's");
        d = puppet(these(own), noAssets(), mint(0, TAG, 1), 0);
        d.freshAfter[0].assets = one(issued(rules[1], TAG), 10);
        assertInvalid(d, "minted as another rule's");
        d.freshAfter[0].assets = plus(one(issued(rules[1], TAG), 9), issued(rules[0], TAG), 1);
        assertValid(d, "minted as its own");
        _check(these(own), mint(0, TAG, 0), false, "mint nothing");
        _check(these(own), burn(0, TAG, 0), false, "burn nothing");
    }

    function test_BurningCountsAsOutflow() public view {
        bytes32 asset = issued(rules[0], TAG);
        Anchor memory holder = a();
        holder.state.assets = one(asset, 9);
        Draft memory d = puppet(these(holder), one(asset, 4), burn(0, TAG, 4), 0);
        d.freshAfter[0].assets = one(asset, 5);
        assertValid(d, "signed");
        d = puppet(these(holder), one(asset, 3), burn(0, TAG, 4), 0);
        d.freshAfter[0].assets = one(asset, 5);
        assertInvalid(d, "beyond what was signed");
    }

    // ---------------------------------------------------------------- write

    function test_DataIsAtMost2048Bytes() public view {
        Anchor memory own = vault(rules[0], one(ETH, 9), hex"aa");
        _checkWrite(own, new bytes(2048), true, "2,048");
        _checkWrite(own, new bytes(2049), false, "2,049");
        _checkWrite(own, "", true, "none");
    }

    function test_WritingNeedsAuthority() public view {
        Anchor memory own = vault(rules[0], one(ETH, 9), "");
        bytes memory effects = bytes.concat(openEffect(1, bob), write(1, hex"01"), write(0, hex"02"));
        Draft memory d = puppet(these(own), noAssets(), effects, 1);
        d.freshAfter[0].data = hex"02";
        d.opened[0] = unleased(1, bob, 0, noAssets(), hex"01");
        assertInvalid(d, "to a fragment opened under a key");
        d = puppet(these(a()), noAssets(), write(0, hex"01"), 0);
        d.freshAfter[0].data = hex"01";
        assertValid(d, "to one that signed");
    }

    // ---------------------------------------------------------------- open

    function test_UnderARuleOnlyThatRuleOpens() public view {
        Anchor memory own = vault(rules[0], one(ETH, 9), "");
        _checkOpen(own, 1, bob, true, "for a key");
        _checkOpen(own, 3, rules[0], true, "under itself");
        _checkOpen(own, 3, rules[1], false, "under another rule: a forged position");
        _checkOpen(own, 3, bob, false, "under a key's address as a rule");
        _checkOpen(own, 1, address(0), false, "for nobody");
        _checkOpen(own, 2, bob, true, "for a P-256 key");
        _checkOpen(own, 2, address(0), false, "for no P-256 key");
        _checkOpen(own, 0, bob, false, "kind 0");
        _checkOpen(own, 4, bob, false, "kind 4");
        _checkOpen(own, 0x81, bob, false, "with a lease");
    }

    function test_AllThatTheStepOpensIsOpenedAndNoMore() public view {
        Anchor memory own = vault(rules[0], one(ETH, 9), "");
        bytes memory effects = bytes.concat(write(0, hex"01"), openEffect(1, bob));
        Draft memory d = puppet(these(own), noAssets(), effects, 1);
        d.freshAfter[0].data = hex"01";
        d.opened[0] = unleased(1, bob, 0, noAssets(), "");
        assertValid(d, "one and one");
        (d.opened, d.depths) = (new State[](2), new uint8[](2));
        d.opened[0] = unleased(1, bob, 0, noAssets(), "");
        d.opened[1] = unleased(1, bob, 0, noAssets(), "");
        assertInvalid(d, "one of two");
        d.opened[1] = unleased(0, address(0), 0, noAssets(), "");
        assertInvalid(d, "one of two, the other as it is in memory");
        d = puppet(these(own), noAssets(), bytes.concat(effects, openEffect(1, bob)), 1);
        d.freshAfter[0].data = hex"01";
        d.opened[0] = unleased(1, bob, 0, noAssets(), "");
        assertInvalid(d, "two for one");
    }

    function test_AnchorsAreOpenedInTheirOrder() public view {
        Anchor memory own = vault(rules[0], one(ETH, 9), "");
        bytes memory effects =
            bytes.concat(openEffect(1, bob), openEffect(2, carol), move(0, 1, ETH, 4), move(0, 2, ETH, 3));
        Draft memory d = puppet(these(own), noAssets(), effects, 2);
        d.freshAfter[0].assets = one(ETH, 2);
        d.opened[0] = unleased(1, bob, 0, one(ETH, 4), "");
        d.opened[1] = unleased(2, carol, 0, one(ETH, 3), "");
        assertValid(d, "in order");
        (d.opened[0], d.opened[1]) = (d.opened[1], d.opened[0]);
        assertInvalid(d, "the other way round");
    }

    function test_ALaterCallSeesWhatAnEarlierOneOpened() public view {
        Draft memory d = _openThenUse();
        assertValid(d, "opened, then used");
        (d.calls[0], d.calls[1]) = (d.calls[1], d.calls[0]);
        assertInvalid(d, "used, then opened");
    }

    // ---------------------------------------------------------------- set controller

    function test_ARuleHandsWhatItControlsToAKey() public view {
        Anchor memory own = vault(rules[0], one(ETH, 9), "");
        _checkController(own, 1, bob, true, "a key");
        _checkController(own, 2, bob, true, "a P-256 key");
        _checkController(own, 3, rules[1], false, "another rule");
        _checkController(own, 3, rules[0], false, "itself");
        _checkController(own, 1, address(0), false, "nobody");
        _checkController(own, 2, address(0), false, "no P-256 key");
        _checkController(own, 0, bob, false, "kind 0");
        _checkController(own, 4, bob, false, "kind 4");
        _checkController(own, 0x81, bob, false, "with a lease");
        _checkController(vault(rules[1], one(ETH, 9), ""), 1, bob, false, "what another rule controls");
    }

    function test_AKeysFragmentIsHandedOnByTheAccountRuleOnly() public view {
        _checkController(a(), 1, bob, false, "by the puppet, which she signed for");
        Draft memory d = solo(a(), setController(1, bob), noAssets(), 0, 0);
        d.freshAfter[0].controller = bob;
        assertValid(d, "by the Account rule");
        d.freshAfter[0].controller = alice;
        assertInvalid(d, "and by nothing else than the effect");
        // The same rule by another index.
        d.freshAfter[0].controller = bob;
        d.calls[0].rule = 1;
        Trial memory t = trial(d);
        assertInvalid(t, "the puppet at index 1");
        t.header.rules[0] = account;
        assertValid(t, "the Account rule at index 1");
        for (uint8 kind = 0; kind < 5; kind++) {
            d = solo(a(), setController(kind, rules[0]), noAssets(), 0, 0);
            (d.freshAfter[0].kind, d.freshAfter[0].controller) = (kind, rules[0]);
            assertEq(verdict(trial(d)), kind == 1 || kind == 2, "to a key, never to a rule");
        }
        d = solo(a(), setController(1, address(0)), noAssets(), 0, 0);
        d.freshAfter[0].controller = address(0);
        assertInvalid(d, "to nobody");
    }

    function test_AuthorityEndsWithTheCall() public view {
        Anchor memory own = vault(rules[0], one(ETH, 9), "");
        bytes memory effects = bytes.concat(controllerEffect(0, 1, bob), write(0, hex"01"));
        Draft memory d = puppet(these(own), noAssets(), effects, 0);
        d.freshAfter[0] = unleased(1, bob, 0, one(ETH, 9), hex"01");
        assertValid(d, "written to after it was handed on");
        d.calls[0].extra = bytes.concat(controllerEffect(0, 1, bob), leaseEffect(0, address(0), 0), write(0, hex"01"));
        assertInvalid(d, "but a key's now, whom this rule makes no leases for");
        d.calls[0].extra = bytes.concat(controllerEffect(0, 1, carol), controllerEffect(0, 1, bob), write(0, hex"01"));
        assertInvalid(d, "nor hands on");
        Call memory second = Call(PUPPET, RULE_GAS, 64, ids(0), new Signed[](0), write(0, hex"02"));
        d.calls = new Call[](2);
        (d.calls[0], d.calls[1]) = (puppet(these(own), noAssets(), effects, 0).calls[0], second);
        d.freshAfter[0].data = hex"02";
        assertInvalid(d, "by the next call");
    }

    function test_WhatARuleOpenedItMayHandOnIfItIsItsOwn() public view {
        Anchor memory own = vault(rules[0], one(ETH, 9), "");
        bytes memory effects = bytes.concat(write(0, hex"01"), openEffect(3, rules[0]), controllerEffect(1, 1, bob));
        Draft memory d = puppet(these(own), noAssets(), effects, 1);
        d.freshAfter[0].data = hex"01";
        d.opened[0] = unleased(1, bob, 0, noAssets(), "");
        assertValid(d, "opened under itself");
        d.calls[0].extra = bytes.concat(write(0, hex"01"), openEffect(1, carol), controllerEffect(1, 1, bob));
        assertInvalid(d, "opened for a key");
        d.calls[0].extra = bytes.concat(write(0, hex"01"), openEffect(1, bob), controllerEffect(2, 1, bob));
        assertInvalid(d, "a position beyond");
    }

    function _checkController(Anchor memory anchor, uint8 kind, address controller, bool valid, string memory what)
        private
        view
    {
        Draft memory d = puppet(these(anchor), noAssets(), controllerEffect(0, kind, controller), 0);
        (d.freshAfter[0].kind, d.freshAfter[0].controller) = (kind, controller);
        assertEq(verdict(trial(d)), valid, what);
    }

    // ---------------------------------------------------------------- withdraw

    function test_WithdrawalsAreThoseOfTheStepInOrder() public view {
        Anchor memory own = vault(rules[0], one(ETH, 9), "");
        bytes memory effects =
            bytes.concat(withdrawEffect(0, bob, address(0), 1), withdrawEffect(0, carol, address(0), 2));
        Draft memory d = puppet(these(own), noAssets(), effects, 0);
        d.freshAfter[0].assets = one(ETH, 6);
        d.withdrawals = new IBridge.Withdrawal[](2);
        d.withdrawals[0] = IBridge.Withdrawal(bob, address(0), 1);
        d.withdrawals[1] = IBridge.Withdrawal(carol, address(0), 2);
        assertValid(d, "in order");
        (d.withdrawals[0], d.withdrawals[1]) = (d.withdrawals[1], d.withdrawals[0]);
        assertInvalid(d, "reordered");
        (d.withdrawals[0], d.withdrawals[1]) = (d.withdrawals[1], d.withdrawals[0]);
        d.withdrawals[1].amount = 3;
        assertInvalid(d, "another amount");
        d.withdrawals[1] = IBridge.Withdrawal(carol, address(1), 2);
        assertInvalid(d, "another token");
        d.withdrawals = new IBridge.Withdrawal[](1);
        d.withdrawals[0] = IBridge.Withdrawal(bob, address(0), 1);
        assertInvalid(d, "one that the step does not list");
        d.withdrawals = new IBridge.Withdrawal[](3);
        d.withdrawals[0] = IBridge.Withdrawal(bob, address(0), 1);
        d.withdrawals[1] = IBridge.Withdrawal(carol, address(0), 2);
        d.withdrawals[2] = IBridge.Withdrawal(carol, address(0), 2);
        assertInvalid(d, "one that nothing backs");
    }

    function test_WithdrawingNeedsAuthorityAmountRecipientAndHolding() public view {
        Anchor memory own = vault(rules[0], one(ETH, 9), "");
        _checkWithdrawal(own, IBridge.Withdrawal(bob, address(0), 4), 5, true, "four of nine");
        _checkWithdrawal(own, IBridge.Withdrawal(bob, address(0), 0), 9, false, "nothing");
        _checkWithdrawal(own, IBridge.Withdrawal(address(0), address(0), 4), 5, false, "to nobody");
        _checkWithdrawal(own, IBridge.Withdrawal(bob, address(0), 10), 0, false, "ten of nine");
        bytes memory effects =
            bytes.concat(openEffect(1, bob), move(0, 1, ETH, 4), withdrawEffect(1, bob, address(0), 4));
        Draft memory d = puppet(these(own), noAssets(), effects, 1);
        d.freshAfter[0].assets = one(ETH, 5);
        d.opened[0] = unleased(1, bob, 0, noAssets(), "");
        d.withdrawals = new IBridge.Withdrawal[](1);
        d.withdrawals[0] = IBridge.Withdrawal(bob, address(0), 4);
        assertInvalid(d, "from a fragment opened under a key");
    }

    function test_AnIssuedAssetCannotBeWithdrawn() public view {
        // Its id has the highest bit set; a token's address has not.
        bytes32 asset = issued(rules[0], TAG);
        Anchor memory own = vault(rules[0], one(asset, 9), "");
        address token = address(uint160(uint256(asset)));
        _checkWithdrawal(own, IBridge.Withdrawal(bob, token, 9), 0, false, "truncated to an address");
    }

    // ---------------------------------------------------------------- the list

    function test_UnknownCodesAreInvalid() public view {
        Anchor memory own = vault(rules[0], one(ETH, 9), "");
        Draft memory d = puppet(these(own), noAssets(), write(0, hex"01"), 0);
        d.freshAfter[0].data = hex"01";
        assertValid(d, "without");
        uint8[4] memory codes = [0, 10, 128, 255];
        for (uint256 i = 0; i < codes.length; i++) {
            d.calls[0].extra = bytes.concat(write(0, hex"01"), abi.encodePacked(codes[i], new bytes(60)));
            assertInvalid(d, "with");
        }
    }

    function test_AListThatEndsInsideAnEffectIsInvalid() public view {
        Anchor memory own = vault(rules[0], one(ETH, 9), "");
        bytes[9] memory tails = [
            move(0, 1, ETH, 1),
            mint(0, TAG, 1),
            burn(0, TAG, 1),
            write(0, hex"0102"),
            openEffect(1, bob),
            withdrawEffect(0, bob, address(0), 1),
            controllerEffect(0, 1, bob),
            leaseEffect(0, bob, 1),
            leafEffect(0, 1, bob)
        ];
        for (uint256 i = 0; i < tails.length; i++) {
            for (uint256 length = 1; length < tails[i].length; length += i == 4 || i == 8 ? 1 : 3) {
                bytes memory cut = new bytes(length);
                for (uint256 j = 0; j < length; j++) {
                    cut[j] = tails[i][j];
                }
                Draft memory d = puppet(these(own), noAssets(), bytes.concat(write(0, hex"01"), cut), 0);
                d.freshAfter[0].data = hex"01";
                assertInvalid(d, "cut");
            }
        }
    }

    function test_AtMost64Effects() public view {
        Anchor memory own = vault(rules[0], one(ETH, 9), "");
        bytes memory effects;
        for (uint256 i = 0; i < 64; i++) {
            effects = bytes.concat(effects, mint(0, TAG, 1));
        }
        Draft memory d = puppet(these(own), noAssets(), effects, 0);
        d.freshAfter[0].assets = plus(d.freshAfter[0].assets, issued(rules[0], TAG), 64);
        assertValid(d, "64");
        d = puppet(these(own), noAssets(), bytes.concat(effects, mint(0, TAG, 1)), 0);
        d.freshAfter[0].assets = plus(d.freshAfter[0].assets, issued(rules[0], TAG), 65);
        assertInvalid(d, "65");
    }

    // ---------------------------------------------------------------- helpers

    function _check(Anchor[] memory list, bytes memory effects, bool valid, string memory what) private view {
        assertEq(verdict(trial(puppet(list, noAssets(), effects, 0))), valid, what);
    }

    function _checkWrite(Anchor memory own, bytes memory data, bool valid, string memory what) private view {
        Draft memory d = puppet(these(own), noAssets(), write(0, data), 0);
        d.freshAfter[0].data = data;
        assertEq(verdict(trial(d)), valid, what);
    }

    function _checkOpen(Anchor memory own, uint8 kind, address controller, bool valid, string memory what)
        private
        view
    {
        Draft memory d =
            puppet(these(own), noAssets(), bytes.concat(write(0, hex"01"), openEffect(kind, controller)), 1);
        d.freshAfter[0].data = hex"01";
        d.opened[0] = unleased(kind, controller, 0, noAssets(), "");
        assertEq(verdict(trial(d)), valid, what);
    }

    function _checkWithdrawal(
        Anchor memory own,
        IBridge.Withdrawal memory w,
        uint128 left,
        bool valid,
        string memory what
    ) private view {
        Draft memory d = puppet(these(own), noAssets(), withdrawEffect(0, w.recipient, w.token, w.amount), 0);
        d.freshAfter[0].assets = left == 0 ? noAssets() : one(own.state.assets[0].id, left);
        d.withdrawals = new IBridge.Withdrawal[](1);
        d.withdrawals[0] = w;
        assertEq(verdict(trial(d)), valid, what);
    }

    /// @dev The puppet opens a fragment under itself; its second call writes to it.
    function _openThenUse() private view returns (Draft memory d) {
        Anchor memory own = vault(rules[0], one(ETH, 9), "");
        d = puppet(these(own), noAssets(), bytes.concat(openEffect(3, rules[0]), move(0, 1, ETH, 9)), 1);
        d.freshAfter[0].assets = noAssets();
        d.opened[0] = unleased(3, rules[0], 0, one(ETH, 9), hex"77");
        Call memory first = d.calls[0];
        d.calls = new Call[](2);
        d.calls[0] = first;
        d.calls[1] = Call(PUPPET, RULE_GAS, 64, ids(1), new Signed[](0), write(0, hex"77"));
    }

    function _assets(uint256 count) private pure returns (IRule.Asset[] memory list) {
        list = new IRule.Asset[](count);
        for (uint256 i = 0; i < count; i++) {
            list[i] = IRule.Asset(bytes32(1000 * (i + 1)), 1);
        }
    }
}
