// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IEvidenceErrors} from "../../contracts/interfaces/IEvidenceErrors.sol";
import {Draft} from "../harness/Drafts.sol";
import {Anchor, Call, Signed} from "../harness/Shapes.sol";
import {Trial, Trials} from "../harness/Trials.sol";

/// @dev A rule that returns no effects, if it is given so much gas.
contract Demanding {
    uint256 private immutable LEAST;

    constructor(uint256 least) {
        LEAST = least;
    }

    fallback() external {
        require(gasleft() >= LEAST);
        assembly ("memory-safe") {
            mstore(0, 32)
            mstore(32, 0)
            return(0, 64)
        }
    }
}

/// @notice Whatever a rule returns is a verdict: no return data is an error of the verifier's (docs/spec.md, section 6.1).
contract RuleReturnsTest is Trials {
    uint16 private constant COMMITTED = 200;

    /// @dev Writing 0x77 to the vault, as the rule should return it.
    function _effects(uint256 size) private pure returns (bytes memory) {
        bytes memory data = new bytes(size - 4);
        data[0] = 0x77;
        return write(0, data);
    }

    /// @dev u256 32 ‖ u256 length ‖ effects ‖ zeros up to a multiple of 32.
    function _canonical(bytes memory effects) private pure returns (bytes memory) {
        return abi.encode(effects);
    }

    function _draft(bytes memory returned, bytes memory effects) private view returns (Draft memory d) {
        Anchor memory own = vault(rules[RAW_RETURN - 1], one(ETH, 9), "");
        d = ruled(RAW_RETURN, these(own), noAssets(), returned, 0);
        d.calls[0].maxEffects = COMMITTED;
        if (effects.length > 4) {
            bytes memory data = new bytes(effects.length - 4);
            data[0] = 0x77;
            d.freshAfter[0].data = data;
        }
    }

    function _check(bytes memory returned, bytes memory effects, bool valid, string memory what) private view {
        assertEq(verdict(trial(_draft(returned, effects))), valid, what);
    }

    function test_EveryCanonicalLengthUpToTheCommittedOneIsValid() public view {
        for (uint256 size = 5; size <= COMMITTED; size += size < 70 ? 1 : 13) {
            _check(_canonical(_effects(size)), _effects(size), true, "canonical");
        }
        _check(_canonical(_effects(COMMITTED)), _effects(COMMITTED), true, "as long as committed");
        _check(_canonical(_effects(COMMITTED + 1)), _effects(COMMITTED + 1), false, "a byte more than committed");
        _check(_canonical(_effects(COMMITTED + 300)), _effects(COMMITTED + 300), false, "much more");
    }

    function test_AnyByteOfPaddingMustBeZero() public view {
        bytes memory effects = _effects(5);
        for (uint256 i = 69; i < 96; i += 3) {
            bytes memory returned = _canonical(effects);
            returned[i] = 0x01;
            _check(returned, effects, false, "padding");
        }
    }

    function test_AnotherOffsetLengthOrSizeIsInvalid() public view {
        bytes memory effects = _effects(32);
        bytes memory good = _canonical(effects);
        _check(good, effects, true, "canonical");
        _check(bytes.concat(good, bytes32(0)), effects, false, "a word more");
        _check(bytes.concat(good, hex"00"), effects, false, "a byte more");
        _check(_cut(good, good.length - 1), effects, false, "a byte less");
        _check(_cut(good, 64), effects, false, "no effects");
        _check(_cut(good, 63), effects, false, "not even a length");
        _check("", effects, false, "nothing");
        _check(abi.encodePacked(uint256(64), uint256(32), effects), effects, false, "offset 64");
        _check(abi.encodePacked(uint256(0), uint256(32), effects), effects, false, "offset 0");
        _check(abi.encodePacked(uint256(64), uint256(0), uint256(32), effects), effects, false, "a gap");
        _check(abi.encodePacked(uint256(32), uint256(33), effects), effects, false, "length 33 of 32");
        _check(abi.encodePacked(uint256(32), uint256(31), effects), effects, false, "length 31 of 32");
        _check(abi.encodePacked(uint256(32), type(uint256).max, effects), effects, false, "the largest length");
        _check(abi.encodePacked(uint256(32), type(uint256).max - 63, effects), effects, false, "a length that wraps");
        _check(abi.encodePacked(type(uint256).max, uint256(32), effects), effects, false, "the largest offset");
    }

    function test_NoEffectsAreAList() public view {
        // For who signed, who need not change.
        Draft memory d = ruled(RAW_RETURN, these(a()), noAssets(), _canonical(""), 0);
        assertValid(d, "empty");
        d.calls[0].maxEffects = 0;
        assertValid(d, "and nothing committed");
        d.calls[0].extra = abi.encodePacked(uint256(32));
        assertInvalid(d, "no length");
    }

    function testFuzz_NoReturnDataIsAnErrorOfTheVerifiers(bytes memory returned) public view {
        if (returned.length > 4000) return;
        _check(returned, "", false, "junk");
    }

    function test_AllThatWasCommittedIsValidHoweverLittleOfItsLastWordThatIs() public view {
        for (uint16 size = 32; size <= 66; size++) {
            Draft memory d = _draft(_canonical(_effects(size)), _effects(size));
            d.calls[0].maxEffects = size;
            assertValid(d, "as long as committed");
            d.calls[0].maxEffects = size - 1;
            assertInvalid(d, "a byte more than committed");
        }
    }

    /// @dev Effects take the place of what the rule was given, which may be less.
    function test_ARuleMayReturnMuchMoreThanItWasGiven() public {
        Anchor memory x = vault(rules[0], one(ETH, 9), "");
        Anchor memory y = vault(rules[0], one(ETH, 9), "");
        y.id++;
        Draft memory d = puppet(these(x, y), noAssets(), "", 0);
        (d.freshAfter[0].data, d.freshAfter[1].data) = (new bytes(2000), new bytes(2000));
        for (uint256 i = 0; i < 2000; i++) {
            (d.freshAfter[0].data[i], d.freshAfter[1].data[i]) = (0x11, 0x22);
        }
        bytes memory effects = bytes.concat(write(0, d.freshAfter[0].data), write(1, d.freshAfter[1].data));
        bytes memory returned = _canonical(effects);
        vm.etch(rules[0], returning(returned));
        assertValid(d, "4 KB for nothing");
    }

    function test_NothingBeyondWhatWasCommittedIsCopied() public {
        // 1.76 MB of zeros, for 6 million gas: as much again would be missing afterwards, and there were no verdict.
        vm.etch(rules[0], hex"621adb005ff3");
        Draft memory d = puppet(these(a()), noAssets(), "", 0);
        (d.calls[0].gasLimit, d.calls[0].maxEffects) = (7_000_000, 64);
        assertInvalid(d, "far too long");
    }

    function test_ARuleThatFailsIsInvalidWhateverItSays() public view {
        Anchor memory own = vault(rules[REVERTER - 1], one(ETH, 9), "");
        bytes[4] memory reasons = [
            bytes(""),
            abi.encodeWithSelector(IEvidenceErrors.NeedGas.selector, 1, 2),
            abi.encodeWithSignature("Panic(uint256)", 1),
            abi.encode(_effects(32))
        ];
        for (uint256 i = 0; i < reasons.length; i++) {
            assertInvalid(ruled(REVERTER, these(own), noAssets(), reasons[i], 0), "reverts");
            assertInvalid(ruled(REVERTER, these(a()), noAssets(), reasons[i], 0), "reverts though all signed");
        }
    }

    function test_ARuleThatFailsIsInvalidThoughItSaysWhatOthersReturn() public view {
        Anchor memory own = vault(rules[REVERTER - 1], one(ETH, 9), "");
        bytes memory effects = _effects(36);
        Draft memory d = ruled(REVERTER, these(own), noAssets(), _canonical(effects), 0);
        d.freshAfter[0].data = new bytes(32);
        d.freshAfter[0].data[0] = 0x77;
        assertInvalid(d, "effects");
        assertInvalid(ruled(REVERTER, these(a()), noAssets(), _canonical(""), 0), "none");
        d = _draft(_canonical(effects), effects);
        assertValid(d, "returned");
    }

    function test_ARuleThatLoopsIsInvalidAndCostsWhatWasCommitted() public view {
        uint32[3] memory limits = [uint32(0), 100_000, 7_000_000];
        for (uint256 i = 0; i < limits.length; i++) {
            Draft memory d = ruled(LOOPER, these(a()), noAssets(), "", 0);
            d.calls[0].gasLimit = limits[i];
            d.calls[0].maxEffects = 64;
            uint256 before = gasleft();
            assertInvalid(d, "loops");
            assertLt(before - gasleft(), 1_500_000 + limits[i], "no more gas than committed");
        }
    }

    function test_ARuleGetsWhatWasCommittedAndNoMore() public view {
        // The puppet needs some thousand gas.
        Draft memory d = puppet(these(a()), noAssets(), "", 0);
        assertValid(d, "enough");
        d.calls[0].gasLimit = 300;
        assertInvalid(d, "too little");
        d.calls[0].gasLimit = type(uint32).max;
        assertInvalid(d, "above the ceiling");
    }

    /// @dev Whatever gas the evaluation has: the rule gets what was committed, or there is no verdict.
    function test_TooLittleGasForARuleIsNoVerdict() public {
        uint32[3] memory limits = [uint32(100_000), 7_000_000, 400_000_000];
        for (uint256 i = 0; i < 3; i++) {
            uint256 limit = limits[i];
            vm.etch(rules[0], address(new Demanding(limit - 1000)).code);
            Draft memory d = puppet(these(a()), noAssets(), "", 0);
            d.calls[0].gasLimit = limits[i];
            bytes memory input = evaluationInput(evidence(trial(d)));
            uint256 refused;
            uint256 valid;
            uint256 width = limit / 30 + 200_000;
            for (uint256 given = limit; given < limit + width; given += width / 200) {
                (bool done, bytes memory output) = address(verifier).staticcall{gas: given}(input);
                if (done) {
                    assertEq(output, abi.encode(true), "all of it");
                    valid++;
                    continue;
                }
                uint256 needed = assertNeedGas(done, output, "a verdict");
                assertEq(needed, limit + limit / 63 + 10_000);
                refused++;
            }
            assertGt(refused, 20, "never too little");
            assertGt(valid, 20, "never enough");
        }
    }

    function test_ARuleWithoutCodeIsInvalid() public {
        Draft memory d = puppet(these(a()), noAssets(), "", 0);
        Trial memory t = trial(d);
        assertValid(t, "with code");
        vm.etch(rules[0], "");
        assertInvalid(t, "without");
    }

    function test_TheBytesBehindTheTableAreNoRule() public {
        // Behind the rule table stand the step's index, header and first touch: an address that has code, say.
        Trial memory t = trial(puppet(these(a()), noAssets(), "", 0));
        t.draft.calls[0].rule = 5;
        t.draft.calls[0].signed[0] = unsigned(0, "", noAssets());
        t.step = step(t.draft);
        bytes memory proof = evidence(t);
        bytes20 behind;
        assembly ("memory-safe") {
            behind := mload(add(proof, add(32, add(185, 80))))
        }
        vm.etch(address(behind), rules[0].code);
        t.header.rules[0] = address(type(uint160).max); // nor is a byte of the table their number
        Signed memory s = unsigned(0, "", noAssets());
        t.draft.calls[0].signed[0] = sign(s, address(behind), a());
        t.step = step(t.draft);
        assertInvalid(t, "beyond the table");
        t.header.rules = new address[](5);
        t.header.rules[4] = address(behind);
        assertValid(t, "in the table");
    }

    function test_ARuleBeyondTheTableIsInvalid() public view {
        Trial memory t = trial(ruled(LOOPER, these(a()), noAssets(), "", 0));
        t.draft.calls[0].rule = 5;
        t.step = step(t.draft);
        assertInvalid(t, "the fifth of four");
        Draft memory d = transfer(a(), b(), ETH, 1);
        t = trial(d);
        t.header.rules = new address[](0);
        assertValid(t, "the enshrined rule needs no table");
    }

    function _cut(bytes memory data, uint256 length) private pure returns (bytes memory out) {
        out = new bytes(length);
        for (uint256 i = 0; i < length; i++) {
            out[i] = data[i];
        }
    }
}
