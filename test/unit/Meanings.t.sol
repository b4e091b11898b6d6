// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {IEvidenceErrors} from "../../contracts/interfaces/IEvidenceErrors.sol";
import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Codec} from "../harness/Codec.sol";
import {Draft} from "../harness/Drafts.sol";
import {Offers} from "../harness/Offers.sol";
import {Passkey, Passkeys} from "../harness/Passkeys.sol";
import {Anchor, Call, Meaning, Signed, State, unleased} from "../harness/Shapes.sol";
import {Trial} from "../harness/Trials.sol";

/// @notice Rules say what their payloads mean, and that is what users sign (docs/spec.md, sections 5.1, 6.1 and 6.3). The rule here is a
/// puppet, whose every word is the proposer's: whatever holds for it, holds for any rule.
contract MeaningsTest is Passkeys {
    using Codec for *;

    bytes private constant PAYLOAD = "two for one";
    bytes private constant TYPE =
        "Authorisation(Order intent,address rule,uint80 fragment,uint64 nonce,uint64 validUntil,Outflow[] outflows)Order(bytes32 give,uint128 amount)Outflow(bytes32 asset,uint128 amount)";
    string private constant TYPES =
        '"types":{"EIP712Domain":[{"name":"name","type":"string"},{"name":"version","type":"string"},{"name":"chainId","type":"uint256"},{"name":"verifyingContract","type":"address"}],"Authorisation":[{"name":"intent","type":"Order"},{"name":"rule","type":"address"},{"name":"fragment","type":"uint80"},{"name":"nonce","type":"uint64"},{"name":"validUntil","type":"uint64"},{"name":"outflows","type":"Outflow[]"}],"Order":[{"name":"give","type":"bytes32"},{"name":"amount","type":"uint128"}],"Outflow":[{"name":"asset","type":"bytes32"},{"name":"amount","type":"uint128"}]}';

    // ---------------------------------------------------------------- what is signed

    function test_ASignatureIsOverWhatTheRuleSaysThePayloadMeans() public view {
        Meaning memory none = _signed(0).plain();
        Meaning memory other = Meaning(_order(2).typeHash, bytes32(uint256(_order(2).intent) ^ 1));
        _check(_order(2), meaningEffect(0, _order(2)), true, "as the rule says");
        _check(none, "", true, "the payload, of which the rule says nothing");
        _check(none, meaningEffect(0, _order(2)), false, "the payload, of which the rule says something");
        _check(_order(2), "", false, "what the rule does not say");
        _check(_order(2), meaningEffect(0, _order(3)), false, "another struct");
        _check(_order(2), meaningEffect(0, other), false, "another bit");
        other = Meaning(bytes32(uint256(_order(2).typeHash) ^ 1), _order(2).intent);
        _check(_order(2), meaningEffect(0, other), false, "another type");
        _check(Meaning(0, 0), meaningEffect(0, Meaning(0, 0)), true, "whatever the words are");
        _check(none, meaningEffect(0, none), true, "what would have been signed anyway");
    }

    function test_EachAuthorisationHasAMeaningOrNone() public view {
        Meaning[2] memory said = [_order(2), _order(3)];
        Meaning memory none = _signed(0).plain();
        bytes memory first = meaningEffect(0, said[0]);
        bytes memory second = meaningEffect(1, said[1]);
        _checkTwo(said, bytes.concat(first, second), true, "both");
        _checkTwo([said[0], none], first, true, "the first alone");
        _checkTwo([none, said[1]], second, true, "the second alone");
        _checkTwo([none, none], "", true, "none");
        _checkTwo(said, first, false, "none of the second, who signed one");
        _checkTwo(said, second, false, "none of the first, who signed one");
        _checkTwo([said[1], said[0]], bytes.concat(first, second), false, "each other's");
        _checkTwo([said[0], said[0]], bytes.concat(first, second), false, "the first one's twice");
    }

    function test_NumbersAreThoseOfAuthorisationsNotOfFragments() public view {
        Anchor memory own = vault(rules[0], one(ETH, 9), "");
        Draft memory d = puppet(these(own, a()), noAssets(), "", 0);
        d.freshAfter[0].data = hex"01";
        d.calls[0].signed[0] = sign(_signed(1), rules[0], a(), _order(2));
        d.calls[0].extra = bytes.concat(meaningEffect(0, _order(2)), write(0, hex"01"));
        assertValid(d, "the only one");
        d.calls[0].extra = bytes.concat(meaningEffect(1, _order(2)), write(0, hex"01"));
        assertInvalid(d, "the position of its fragment");
    }

    function test_EverySchemeSignsMeanings() public view {
        Passkey memory key = passkey("dora");
        Draft memory d = _draft(_order(2), meaningEffect(0, _order(2)));
        (d.fresh[0].state.kind, d.fresh[0].state.controller) = (2, key.controller);
        (d.freshAfter[0].kind, d.freshAfter[0].controller) = (2, key.controller);
        bytes32 right = digest(_signed(0), rules[0], fragmentId(a()), 0, _order(2));
        bytes32 wrong = digest(_signed(0), rules[0], fragmentId(a()), 0);
        d.calls[0].signed[0] = signP256(_signed(0), right, key);
        assertValid(d, "P-256");
        d.calls[0].signed[0] = signWebAuthn(_signed(0), right, key, authenticatorData(37), CLIENT_REST);
        assertValid(d, "WebAuthn");
        d.calls[0].signed[0] = signP256(_signed(0), wrong, key);
        assertInvalid(d, "P-256, the payload");
        d.calls[0].signed[0] = signWebAuthn(_signed(0), wrong, key, authenticatorData(37), CLIENT_REST);
        assertInvalid(d, "WebAuthn, the payload");
    }

    /// @dev By an encoder of typed data that knows nothing of this protocol, from what a wallet is given to show.
    function testFuzz_TheDigestIsThatOfTypedData(
        Signed memory s,
        address rule,
        uint80 fragment,
        uint64 nonce,
        uint128 amount
    ) public view {
        vm.assume(s.outflows.length < 4);
        string memory outflows;
        for (uint256 i = 0; i < s.outflows.length; i++) {
            outflows =
                string.concat(outflows, i == 0 ? "" : ",", _pair("asset", s.outflows[i].id, s.outflows[i].amount));
        }
        string memory message = string.concat(
            '"message":{"intent":',
            _pair("give", ETH, amount),
            ',"rule":"',
            vm.toString(rule),
            _field('","fragment":', fragment),
            _field(',"nonce":', nonce)
        );
        message = string.concat(message, _field(',"validUntil":', s.validUntil), ',"outflows":[', outflows, "]}");
        string memory domain = string.concat(
            '"domain":{"name":"nthroot","version":"1"',
            _field(',"chainId":', block.chainid),
            ',"verifyingContract":"',
            vm.toString(address(bridge)),
            '"}'
        );
        bytes32 expected = vm.eip712HashTypedData(
            string.concat("{", TYPES, ',"primaryType":"Authorisation",', domain, ",", message, "}")
        );
        assertEq(digest(s, rule, fragment, nonce, _order(amount)), expected);
    }

    function _pair(string memory name, bytes32 id, uint128 amount) private pure returns (string memory) {
        return string.concat('{"', name, '":"', vm.toString(id), _field('","amount":', amount), "}");
    }

    function _field(string memory name, uint256 value) private pure returns (string memory) {
        return string.concat(name, '"', vm.toString(value), '"');
    }

    // ---------------------------------------------------------------- where meanings stand

    function test_MeaningsStandBeforeAllElseAndAscend() public view {
        Meaning memory x = _order(2);
        bytes memory first = meaningEffect(0, x);
        bytes memory second = meaningEffect(1, x);
        bytes memory pay = move(0, 1, ETH, 1);
        bytes memory back = move(1, 0, ETH, 1);
        bytes memory there = bytes.concat(pay, back);
        Meaning[2] memory both = [x, x];
        _checkTwo(both, bytes.concat(first, second, there), true, "before two moves");
        _checkTwo(both, bytes.concat(there, first, second), false, "behind");
        _checkTwo(both, bytes.concat(first, pay, second, back), false, "between");
        _checkTwo(both, bytes.concat(second, first), false, "descending");
        _checkTwo(both, bytes.concat(first, second, second), false, "twice");
        _checkTwo(both, bytes.concat(first, first, second), false, "the first twice");
        _checkTwo(both, bytes.concat(first, second, meaningEffect(2, x)), false, "one beyond");
        _checkTwo(both, bytes.concat(first, second, meaningEffect(255, x)), false, "far beyond");
        // Each of these is of no consequence for what was signed.
        Meaning memory none = _signed(0).plain();
        both = [none, none];
        _checkTwo(both, there, true, "none");
        _checkTwo(both, bytes.concat(there, meaningEffect(0, none)), false, "behind, and what was signed");
        _checkTwo(both, bytes.concat(meaningEffect(0, none), meaningEffect(0, none)), false, "twice what was signed");
        _checkTwo(both, meaningEffect(2, none), false, "of an authorisation that there is not");
    }

    function test_AMeaningOfACallThatNobodySignedIsInvalid() public view {
        Anchor memory own = vault(rules[0], one(ETH, 9), "");
        bytes memory effects = write(0, hex"01");
        Draft memory d = puppet(these(own), noAssets(), effects, 0);
        d.freshAfter[0].data = hex"01";
        assertValid(d, "without");
        d.calls[0].extra = bytes.concat(meaningEffect(0, _order(2)), effects);
        assertInvalid(d, "with");
    }

    function test_ATruncatedMeaningIsInvalid() public view {
        // Behind what the rule returns lie other bytes, perhaps just those that are missing: zeros, say.
        Meaning memory x = Meaning(_order(2).typeHash, bytes32(uint256(1) << 248));
        bytes memory whole = meaningEffect(0, x);
        for (uint256 size = 1; size <= whole.length; size++) {
            bytes memory cut = new bytes(size);
            for (uint256 i = 0; i < size; i++) {
                cut[i] = whole[i];
            }
            _check(x, cut, size == whole.length, "cut");
        }
        _check(x, bytes.concat(whole, hex"00"), false, "a byte more");
    }

    function test_MeaningsCountAmong64Effects() public view {
        bytes memory effects;
        Draft memory d = draft(15, 0, 1, 0, 1);
        d.calls[0] = Call(PUPPET, 300_000, 8192, new uint8[](16), new Signed[](16), "");
        for (uint8 i = 0; i < 16; i++) {
            Anchor memory anchor = a();
            anchor.id += i;
            State memory next = unleased(1, alice, 1, one(ETH, 5 ether), "");
            if (i < 15) (d.fresh[i], d.freshAfter[i]) = (anchor, next);
            else (d.again[0], d.againAfter[0]) = (anchor, next);
            d.calls[0].fragments[i] = i;
            d.calls[0].signed[i] = sign(_signed(i), rules[0], anchor, _order(i));
            effects = bytes.concat(effects, meaningEffect(i, _order(i)));
        }
        d.calls[0].extra = bytes.concat(effects, _mints(48));
        d.againAfter[0].assets = plus(d.againAfter[0].assets, issued(rules[0], 0), 48);
        assertValid(d, "16 and 48");
        d.calls[0].extra = bytes.concat(effects, _mints(49));
        d.againAfter[0].assets = plus(d.againAfter[0].assets, issued(rules[0], 0), 1);
        assertInvalid(d, "16 and 49");
    }

    // ---------------------------------------------------------------- what a rule cannot do

    /// @dev Whatever it says, the rest of the struct is the kernel's.
    function test_NoMeaningCarriesASignatureElsewhere() public view {
        Anchor memory x = a();
        Signed memory s = _signed(0);
        _checkDigest(s, digest(s, rules[0], fragmentId(x), 0, _order(2)), true, "this call");
        _checkDigest(s, digest(s, rules[1], fragmentId(x), 0, _order(2)), false, "another rule");
        _checkDigest(s, digest(s, account, fragmentId(x), 0, _order(2)), false, "the Account rule");
        _checkDigest(s, digest(s, rules[0], fragmentId(b()), 0, _order(2)), false, "another fragment");
        _checkDigest(s, digest(s, rules[0], fragmentId(x) + 1, 0, _order(2)), false, "another leaf");
        _checkDigest(s, digest(s, rules[0], fragmentId(x), 1, _order(2)), false, "another nonce");
        Signed memory other = _signed(0);
        other.validUntil++;
        _checkDigest(s, digest(other, rules[0], fragmentId(x), 0, _order(2)), false, "another block");
        other = _signed(0);
        other.outflows = one(ETH, 1);
        _checkDigest(s, digest(other, rules[0], fragmentId(x), 0, _order(2)), false, "an outflow");
        _checkDigest(other, digest(s, rules[0], fragmentId(x), 0, _order(2)), false, "no outflow");
        bytes32 far = Codec.digest(Codec.domain(1, address(bridge)), rules[0], fragmentId(x), 0, s, _order(2));
        _checkDigest(s, far, false, "another chain");
        far = Codec.digest(Codec.domain(block.chainid, address(this)), rules[0], fragmentId(x), 0, s, _order(2));
        _checkDigest(s, far, false, "another bridge");
    }

    function _checkDigest(Signed memory s, bytes32 digest_, bool valid, string memory what) private view {
        Draft memory d = _draft(_order(2), meaningEffect(0, _order(2)));
        d.calls[0].signed[0] = signDigest(s, digest_, keyOf[alice]);
        assertEq(verdict(trial(d)), valid, what);
    }

    /// @dev An evil rule says of its own call what was signed for something else.
    function test_ARuleThatSpeaksOfOtherMessagesGainsNothing() public view {
        // A payment, by the Account rule.
        Signed memory payment = unsigned(0, pay(b(), ETH, 1), one(ETH, 1));
        Meaning memory said = payment.plain();
        payment = sign(payment, account, a());
        _checkEvil(payment, said, "a payment");
        _checkEvil(payment, Meaning(said.typeHash, keccak256("")), "its type");
        // An order, by another rule than the evil one.
        payment = sign(payment, rules[1], a(), _order(2));
        _checkEvil(payment, _order(2), "an order");
        // A claim that Alice sells.
        IBridge.Terms memory terms = IBridge.Terms(alice, bob, address(0), 1, type(uint256).max, false);
        bytes32 offer = Offers.digest(address(bridge), "preimage", 0, 0, terms);
        string memory type_ =
            "Assignment(bytes32 commitment,uint256 position,uint256 sequence,address from,address to,address token,uint256 price,uint256 deadline)";
        payment = signDigest(payment, offer, keyOf[alice]);
        _checkEvil(payment, Meaning(keccak256(bytes(type_)), keccak256("preimage")), "an offer");
    }

    function _checkEvil(Signed memory s, Meaning memory said, string memory what) private view {
        Draft memory d = _draft(said, bytes.concat(meaningEffect(0, said), mint(0, 0, 1)));
        d.freshAfter[0].assets = plus(d.freshAfter[0].assets, issued(rules[0], 0), 1);
        s.payload = PAYLOAD;
        Signed memory own = sign(_copy(s), rules[0], a(), said);
        d.calls[0].signed[0] = own;
        assertValid(d, string.concat(what, ", signed for this rule"));
        d.calls[0].signed[0] = s;
        assertInvalid(d, what);
    }

    function test_WhatIsNotTheRulesToSayIsJudgedAsEver() public view {
        Meaning memory x = _order(2);
        Draft memory d = _draft(x, meaningEffect(0, x));
        assertValid(d, "good");
        Signed memory late = _signed(0);
        late.validUntil = uint64(block.number - 2);
        d.calls[0].signed[0] = sign(late, rules[0], a(), x);
        assertInvalid(d, "expired");
        d = _draft(x, meaningEffect(0, x));
        d.calls[0].signed[0] = sign(_signed(0), rules[0], fragmentId(a()), 0, keyOf[bob]);
        assertInvalid(d, "by somebody else");
        d = _draft(x, meaningEffect(0, x));
        d.fresh[0].state.nonce = type(uint64).max;
        d.freshAfter[0].nonce = 0;
        d.calls[0].signed[0] = sign(_signed(0), rules[0], d.fresh[0], x);
        assertInvalid(d, "the last nonce");
        d = _draft(x, bytes.concat(meaningEffect(0, x), withdrawEffect(0, bob, address(0), 1)));
        d.withdrawals = new IBridge.Withdrawal[](1);
        d.withdrawals[0] = IBridge.Withdrawal(bob, address(0), 1);
        d.freshAfter[0].assets = one(ETH, 5 ether - 1);
        assertInvalid(d, "more outflow than signed");
        Signed memory enough = _signed(0);
        enough.outflows = one(ETH, 1);
        d.calls[0].signed[0] = sign(enough, rules[0], a(), x);
        assertValid(d, "as much");
    }

    function testFuzz_ABadSignatureIsInvalidWhateverTheRuleReturns(uint256 bit, bool second) public view {
        Meaning memory x = _order(2);
        Draft memory d = _two([x, x], bytes.concat(meaningEffect(0, x), meaningEffect(1, x), move(0, 1, ETH, 0)));
        assertInvalid(d, "effects that are not");
        d.calls[0].extra = bytes.concat(meaningEffect(0, x), meaningEffect(1, x));
        assertValid(d, "good");
        bit = bound(bit, 0, 511);
        d.calls[0].signed[second ? 1 : 0].signature[bit / 8] ^= bytes1(uint8(2 ** (bit % 8)));
        assertInvalid(d, "one bit");
    }

    // ---------------------------------------------------------------- gas

    /// @dev The rule has run when the signature's turn comes, and may have left too little: that is need-gas, never a verdict.
    function test_TooLittleGasForASignatureIsNoVerdict() public {
        Passkey memory key = passkey("dora");
        Meaning memory x = _order(2);
        Draft memory d = _draft(x, meaningEffect(0, x));
        // Little enough for the rule that the gas kept back for the signature is what is missed.
        d.calls[0].gasLimit = 4000;
        _sweep(d, "secp256k1");
        bytes32 digest_ = digest(_signed(0), rules[0], fragmentId(a()), 0, x);
        (d.fresh[0].state.kind, d.fresh[0].state.controller) = (2, key.controller);
        (d.freshAfter[0].kind, d.freshAfter[0].controller) = (2, key.controller);
        d.calls[0].signed[0] = signP256(_signed(0), digest_, key);
        _sweep(d, "P-256");
        d.calls[0].signed[0] = signWebAuthn(_signed(0), digest_, key, authenticatorData(37), CLIENT_REST);
        _sweep(d, "WebAuthn");
    }

    /// @dev The evaluation of an honest step with every amount of gas: it says valid, or need-gas, or burns all it has.
    function _sweep(Draft memory d, string memory what) private {
        bytes memory input = evaluationInput(evidence(trial(d)));
        uint256[3] memory reached; // valid, need-gas for a precompile, burnt
        for (uint256 given = 5000; given < 80_000; given += 50) {
            uint256 used = gasleft();
            (bool done, bytes memory output) = address(verifier).staticcall{gas: given}(input);
            used -= gasleft();
            if (done) {
                assertEq(output, abi.encode(true), what);
                reached[0]++;
            } else if (output.length == 0) {
                assertGe(used, given, string.concat(what, ": burns all it has"));
                reached[2]++;
            } else {
                assertEq(output.length, 68, what);
                assertEq(bytes4(output), IEvidenceErrors.NeedGas.selector, what);
                uint256 needed;
                assembly ("memory-safe") {
                    needed := mload(add(output, 36))
                }
                if (needed == 20_000) reached[1]++;
            }
        }
        for (uint256 i = 0; i < 3; i++) {
            assertGt(reached[i], 20, string.concat(what, ": not reached"));
        }
    }

    // ---------------------------------------------------------------- building

    /// @dev Alice's order: so much ether.
    function _order(uint128 amount) private pure returns (Meaning memory) {
        return
            Meaning(
                keccak256(TYPE), keccak256(abi.encode(keccak256("Order(bytes32 give,uint128 amount)"), ETH, amount))
            );
    }

    function _signed(uint8 position) private view returns (Signed memory) {
        return unsigned(position, PAYLOAD, noAssets());
    }

    function _copy(Signed memory s) private pure returns (Signed memory) {
        return Signed(s.position, s.validUntil, s.outflows, s.payload, s.scheme, s.signature);
    }

    /// @dev Alice signs for `signed`, and the rule returns `effects`.
    function _draft(Meaning memory signed, bytes memory effects) private view returns (Draft memory d) {
        d = puppet(these(a()), noAssets(), effects, 0);
        d.calls[0].signed[0] = sign(_signed(0), rules[0], a(), signed);
    }

    function _check(Meaning memory signed, bytes memory effects, bool valid, string memory what) private view {
        assertEq(verdict(trial(_draft(signed, effects))), valid, what);
    }

    /// @dev Alice and Bob sign, each for an outflow of a wei.
    function _two(Meaning[2] memory signed, bytes memory effects) private view returns (Draft memory d) {
        d = puppet(these(a(), b()), noAssets(), effects, 0);
        for (uint8 i = 0; i < 2; i++) {
            Signed memory s = unsigned(i, PAYLOAD, one(ETH, 1));
            d.calls[0].signed[i] = sign(s, rules[0], d.fresh[i], signed[i]);
        }
    }

    function _checkTwo(Meaning[2] memory signed, bytes memory effects, bool valid, string memory what) private view {
        assertEq(verdict(trial(_two(signed, effects))), valid, what);
    }

    function _mints(uint256 count) private pure returns (bytes memory effects) {
        for (uint256 i = 0; i < count; i++) {
            effects = bytes.concat(effects, mint(15, 0, 1));
        }
    }
}
