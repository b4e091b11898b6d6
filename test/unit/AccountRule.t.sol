// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Codec} from "../harness/Codec.sol";
import {Draft} from "../harness/Drafts.sol";
import {Anchor, Call, Signed, State, unleased} from "../harness/Shapes.sol";
import {Trial, Trials} from "../harness/Trials.sol";

/// @notice What users do with the Account rule, and what they cannot.
contract AccountRuleTest is Trials {
    using Codec for *;

    // ---------------------------------------------------------------- valid

    function testFuzz_ATransferOfAnyAmountIsValid(uint128 amount) public view {
        amount = uint128(bound(amount, 1, 5 ether));
        assertValid(transfer(a(), b(), ETH, amount), "transfer");
        Draft memory d = lie(transfer(a(), b(), ETH, amount));
        assertInvalid(d, "with a wrong root");
    }

    function test_PayingAllRemovesTheAsset() public view {
        Draft memory d = transfer(a(), b(), ETH, 5 ether);
        assertEq(d.freshAfter[0].assets.length, 0);
        assertValid(d, "all");
        d.freshAfter[0].assets = one(ETH, 0);
        assertInvalid(d, "a zero amount left behind");
    }

    function test_OneSignatureMakesSeveralPayments() public view {
        Draft memory d = draft(3, 0, 0, 0, 1);
        (d.fresh[0], d.fresh[1], d.fresh[2]) = (a(), b(), c());
        d.calls[0] = Call(0, RULE_GAS, MAX_EFFECTS, ids(0, 1, 2), new Signed[](3), "");
        bytes memory payload = bytes.concat(pay(b(), ETH, 1 ether), pay(c(), ETH, 2 ether));
        d.calls[0].signed[0] = sign(unsigned(0, payload, one(ETH, 3 ether)), account, a());
        d.calls[0].signed[1] = sign(unsigned(1, "", noAssets()), account, b());
        d.calls[0].signed[2] = sign(unsigned(2, "", noAssets()), account, c());
        d.freshAfter[0] = unleased(1, alice, 1, one(ETH, 2 ether), "");
        d.freshAfter[1] = unleased(1, bob, 1, one(ETH, 3 ether), "");
        d.freshAfter[2] = unleased(1, carol, 1, one(ETH, 5 ether), "");
        assertValid(d, "two payments");
    }

    function test_OpeningForSomebodyNeedsNoConsentOfTheirs() public view {
        assertValid(_openFor(bob, 1 ether), "open");
    }

    function test_SplittingIsOpeningForOneself() public view {
        assertValid(_openFor(alice, 2 ether), "split");
    }

    function test_AFragmentCanBeOpenedEmpty() public view {
        Draft memory d = solo(a(), open(1, bob, noAssets()), noAssets(), 1, 0);
        d.opened[0] = unleased(1, bob, 0, noAssets(), "");
        assertValid(d, "empty");
    }

    function test_SeveralAreOpenedInTheirOrderAndMoreFollows() public view {
        bytes memory payload = bytes.concat(
            setController(1, bob), open(1, carol, one(ETH, 1)), setController(1, carol), open(1, bob, one(ETH, 20))
        );
        Draft memory d = solo(a(), payload, one(ETH, 21), 2, 0);
        d.freshAfter[0] = unleased(1, carol, 1, one(ETH, 5 ether - 21), "");
        d.opened[0] = unleased(1, carol, 0, one(ETH, 1), "");
        d.opened[1] = unleased(1, bob, 0, one(ETH, 20), "");
        assertValid(d, "two");
    }

    function test_MergingIsPayingOneself() public {
        Anchor memory other = depositEth(alice, 3 ether);
        nextBlock();
        nextBlock();
        Draft memory d = transfer(other, a(), ETH, 3 ether);
        assertEq(d.freshAfter[1].assets[0].amount, 8 ether);
        assertValid(d, "merge");
    }

    function test_AWithdrawalIsBackedByADebit() public view {
        Draft memory d = withdrawal(a(), carol, address(0), 2 ether);
        assertValid(d, "withdraw");
    }

    function test_WithAnyAssetUsersPayFundAndWithdraw() public view {
        address token = address(0x1122334455667788990011223344556677889900);
        bytes32[3] memory assets =
            [bytes32(uint256(uint160(token))), issued(rules[0], "share"), bytes32(type(uint256).max)];
        Anchor memory mine = a();
        for (uint256 i = 0; i < 3; i++) {
            mine.state.assets = one(assets[i], 9);
            assertValid(transfer(mine, b(), assets[i], 4), "paid");
            Draft memory d = solo(mine, open(1, bob, one(assets[i], 4)), one(assets[i], 4), 1, 0);
            d.freshAfter[0].assets = one(assets[i], 5);
            d.opened[0] = unleased(1, bob, 0, one(assets[i], 4), "");
            assertValid(d, "funded");
        }
        mine.state.assets = one(assets[0], 9);
        assertValid(withdrawal(mine, carol, token, 4), "withdrawn");
    }

    function test_AStepMayTouchAnAnchorThatTheBatchUpdatedBefore() public view {
        // The state as an earlier step of this batch left it: not new, it signs with its nonce.
        Anchor memory mine = Anchor(a().id, 0, unleased(1, alice, 4, one(ETH, 1 ether), ""));
        Draft memory d = draft(1, 0, 1, 0, 1);
        d.fresh[0] = b();
        d.again[0] = mine;
        d.entries[0] = 3;
        d.calls[0] = transferCall(1, 0, mine, b(), ETH, 1 ether);
        d.freshAfter[0] = unleased(1, bob, 1, one(ETH, 3 ether), "");
        d.againAfter[0] = unleased(1, alice, 5, noAssets(), "");
        assertValid(d, "again");
    }

    function test_NoncesCountFromCallToCallWithinAStep() public view {
        assertValid(_twice(0, 1), "in sequence");
        assertInvalid(_twice(0, 0), "replayed within the step");
        assertInvalid(_twice(1, 0), "out of sequence");
    }

    // ---------------------------------------------------------------- invalid

    function test_AnOverdraftIsInvalid() public view {
        Draft memory d = solo(a(), withdraw(carol, address(0), 5 ether + 1), one(ETH, 6 ether), 0, 1);
        d.withdrawals[0] = IBridge.Withdrawal(carol, address(0), 5 ether + 1);
        d.freshAfter[0].assets = noAssets();
        assertInvalid(d, "more than there is");
        d = solo(a(), withdraw(carol, address(1), 1), one(bytes32(uint256(1)), 1), 0, 1);
        d.withdrawals[0] = IBridge.Withdrawal(carol, address(1), 1);
        assertInvalid(d, "of an asset that is not there");
    }

    function test_PaymentsOfNothingOrToOneselfOrToStrangersAreInvalid() public view {
        assertInvalid(solo(a(), pay(a(), ETH, 1), one(ETH, 1), 0, 0), "to oneself");
        assertInvalid(solo(a(), pay(b(), ETH, 1), one(ETH, 1), 0, 0), "to who is not listed");
        Draft memory d = transfer(a(), b(), ETH, 1);
        d.calls[0].signed[0] = sign(unsigned(0, pay(b(), ETH, 0), one(ETH, 1)), account, a());
        d.freshAfter[0].assets = a().state.assets;
        d.freshAfter[1].assets = b().state.assets;
        assertInvalid(d, "nothing");
    }

    function test_AFragmentOpenedInTheBatchCannotBePaidById() public view {
        Anchor memory nobody = Anchor(0, 0, userState(bob, noAssets()));
        Draft memory d = solo(a(), bytes.concat(open(1, bob, noAssets()), pay(nobody, ETH, 1)), one(ETH, 1), 1, 0);
        d.opened[0] = unleased(1, bob, 0, one(ETH, 1), "");
        d.freshAfter[0].assets = one(ETH, 5 ether - 1);
        assertInvalid(d, "id zero");
    }

    function test_PayloadsThatAreNotAListOfOperationsAreInvalid() public view {
        bytes[6] memory operations = [
            pay(b(), ETH, 1),
            open(1, bob, one(ETH, 1)),
            withdraw(carol, address(0), 1),
            setController(1, bob),
            setLease(bob, 1),
            openLeaf(1, bob, one(ETH, 1))
        ];
        for (uint256 o = 0; o < 6; o++) {
            assertEq(uint8(operations[o][0]), o + 1);
            for (uint256 length = 1; length < operations[o].length; length += 7) {
                bytes memory cut = new bytes(length);
                for (uint256 i = 0; i < length; i++) {
                    cut[i] = operations[o][i];
                }
                assertInvalid(solo(a(), cut, noAssets(), 0, 0), "truncated");
            }
        }
        assertInvalid(solo(a(), new bytes(80), noAssets(), 0, 0), "operation 0");
        assertInvalid(solo(a(), bytes.concat(hex"07", new bytes(80)), noAssets(), 0, 0), "operation 7");
        assertValid(solo(a(), "", noAssets(), 0, 0), "consent alone");
    }

    function test_TheRuleTakesNoUnsignedData() public view {
        Draft memory d = transfer(a(), b(), ETH, 1);
        d.calls[0].extra = hex"00";
        assertInvalid(d, "extra");
    }

    function test_OpeningForNobodyOrUnderARuleIsInvalid() public view {
        Draft memory d = solo(a(), open(1, address(0), noAssets()), noAssets(), 1, 0);
        d.opened[0] = unleased(1, address(0), 0, noAssets(), "");
        assertInvalid(d, "for nobody");
        d = solo(a(), open(2, address(0), noAssets()), noAssets(), 1, 0);
        d.opened[0] = unleased(2, address(0), 0, noAssets(), "");
        assertInvalid(d, "for no P-256 key");
        d = solo(a(), open(3, rules[0], noAssets()), noAssets(), 1, 0);
        d.opened[0] = unleased(3, rules[0], 0, noAssets(), "");
        assertInvalid(d, "under another rule");
        d = solo(a(), open(3, account, noAssets()), noAssets(), 1, 0);
        d.opened[0] = unleased(3, account, 0, noAssets(), "");
        assertInvalid(d, "under the Account rule, where nothing could move it");
    }

    function test_WithdrawingToNobodyIsInvalid() public view {
        Draft memory d = withdrawal(a(), carol, address(0), 1);
        d.calls[0].signed[0] = sign(unsigned(0, withdraw(address(0), address(0), 1), one(ETH, 1)), account, a());
        d.withdrawals[0].recipient = address(0);
        assertInvalid(d, "recipient zero");
    }

    // ---------------------------------------------------------------- the rule by itself

    function test_TheRuleSaysWhatIsWrong() public {
        IRule.Fragment[] memory fragments = new IRule.Fragment[](1);
        fragments[0] = IRule.Fragment(7, 1, alice, one(ETH, 5), "");
        _expectFailure(
            fragments, pay(b(), ETH, 1), "", abi.encodeWithSignature("PayeeNotListed(uint80)", fragmentId(b()))
        );
        fragments[0].id = 0;
        _expectFailure(
            fragments, pay(uint80(0), ETH, 1), "", abi.encodeWithSignature("PayeeNotListed(uint80)", uint80(0))
        );
        fragments[0].id = 7;
        _expectFailure(fragments, hex"09", "", abi.encodeWithSignature("BadPayload(uint256,uint256)", 0, 0));
        _expectFailure(
            fragments,
            bytes.concat(withdraw(bob, address(0), 1), hex"03"),
            "",
            abi.encodeWithSignature("BadPayload(uint256,uint256)", 0, 57)
        );
        _expectFailure(
            fragments,
            abi.encodePacked(uint8(2), uint8(0), uint8(1), bob, uint8(1), ETH),
            "",
            abi.encodeWithSignature("BadPayload(uint256,uint256)", 0, 23)
        );
        _expectFailure(fragments, "", hex"01", abi.encodeWithSignature("ExtraNotEmpty()"));
    }

    function _expectFailure(
        IRule.Fragment[] memory fragments,
        bytes memory payload,
        bytes memory extra,
        bytes memory reason
    ) private {
        IRule.Authorisation[] memory signed = new IRule.Authorisation[](1);
        signed[0] = IRule.Authorisation(0, payload);
        vm.expectRevert(reason);
        IRule(account).transition(IRule.Context(1, proposer), fragments, signed, extra);
    }

    // ---------------------------------------------------------------- helpers

    function _openFor(address who, uint128 amount) private view returns (Draft memory d) {
        d = solo(a(), open(1, who, one(ETH, amount)), one(ETH, amount), 1, 0);
        d.freshAfter[0].assets = one(ETH, 5 ether - amount);
        d.opened[0] = unleased(1, who, 0, one(ETH, amount), "");
    }

    /// @dev Alice acts twice in a step, signing for these nonces.
    function _twice(uint64 first, uint64 second) private view returns (Draft memory d) {
        d = draft(1, 0, 0, 2, 2);
        d.fresh[0] = a();
        for (uint256 i = 0; i < 2; i++) {
            bytes memory payload = withdraw(carol, address(0), 1 ether);
            d.calls[i] = Call(0, RULE_GAS, MAX_EFFECTS, ids(0), new Signed[](1), "");
            d.calls[i].signed[0] = sign(
                unsigned(0, payload, one(ETH, 1 ether)), account, fragmentId(a()), i == 0 ? first : second, keyOf[alice]
            );
            d.withdrawals[i] = IBridge.Withdrawal(carol, address(0), 1 ether);
        }
        d.freshAfter[0] = unleased(1, alice, 2, one(ETH, 3 ether), "");
    }
}
