// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Status} from "../../contracts/types/BatchWord.sol";
import {Bound} from "../harness/Bound.sol";
import {Codec} from "../harness/Codec.sol";
import {Draft} from "../harness/Drafts.sol";
import {Scenario} from "../harness/Scenario.sol";
import {Anchor, Call, Header, Posted, Signed, State, Step, unleased} from "../harness/Shapes.sol";
import {TypedData} from "./TypedData.sol";

/// @notice The escrow in real batches: signed as wallets sign, posted, judged by the verifier, paid on L1; and what that costs, recorded in
/// snapshots/ as docs/writing-a-rule.md shows it.
/// forge-config: default.isolate = true
contract EscrowOnL1Test is Scenario {
    using Codec for *;

    uint128 private constant AMOUNT = 2 ether;
    uint24 private constant FEE = 20_000; // 2 %
    uint128 private constant TAKEN = 0.04 ether;
    string private constant SNAPSHOT = "rule template";

    address private rule;
    uint64 private refundBlock;

    function setUp() public override {
        super.setUp();
        rule = register("Escrow.sol:Escrow");
        nextBlock();
        refundBlock = uint64(block.number + 50);
    }

    // ---------------------------------------------------------------- steps

    function _terms() private view returns (bytes memory) {
        return abi.encodePacked(uint8(1), bob, uint8(1), carol, FEE, refundBlock, address(0));
    }

    /// @dev The escrow after the step that opens it.
    function _escrow() private view returns (State memory) {
        return unleased(3, rule, 0, one(ETH, AMOUNT), abi.encodePacked(uint8(1), uint8(1), alice, _terms()));
    }

    function _rest(Anchor memory signer, Signed memory s) private view returns (TypedData.Rest memory) {
        uint128 outflow = s.outflows.length == 0 ? 0 : s.outflows[0].amount;
        return TypedData.Rest({
            bridge: address(bridge),
            rule: rule,
            fragment: fragmentId(signer),
            nonce: signer.state.nonce,
            validUntil: s.validUntil,
            outflow: outflow
        });
    }

    /// @dev Alice puts 2 ETH into an escrow for Bob, with Carol as its arbiter.
    function _opening() private view returns (Draft memory d) {
        d = draft(1, 1, 0, 0, 1);
        d.fresh[0] = a();
        d.freshAfter[0] = unleased(1, alice, 1, one(ETH, 3 ether), "");
        d.opened[0] = _escrow();
        Signed memory s = unsigned(0, abi.encodePacked(uint8(1), _terms(), ETH, AMOUNT), one(ETH, AMOUNT));
        bytes32 digest_ = TypedData.open(bob, carol, FEE, refundBlock, address(0), AMOUNT, _rest(a(), s));
        d.calls[0] = Call(1, RULE_GAS, MAX_EFFECTS, ids(0), new Signed[](1), abi.encodePacked(rule));
        d.calls[0].signed[0] = signDigest(s, digest_, keyOf[alice]);
    }

    /// @dev Carol decides for Bob, by a signature for a payment of `shown` to him.
    function _payment(Anchor memory escrow, uint128 shown) private view returns (Draft memory d) {
        d = draft(2, 0, 0, 0, 1);
        (d.fresh[0], d.fresh[1]) = (escrow, c());
        d.freshAfter[0] = unleased(1, bob, 0, one(ETH, AMOUNT - TAKEN), "");
        d.freshAfter[1] = unleased(1, carol, 1, one(ETH, 3 ether + TAKEN), "");
        Signed memory s = unsigned(1, abi.encodePacked(uint8(2), fragmentId(escrow)), noAssets());
        bytes32 digest_ = TypedData.pay(fragmentId(escrow), bob, shown, TAKEN, _rest(c(), s));
        d.calls[0] = Call(1, RULE_GAS, MAX_EFFECTS, ids(0, 1), new Signed[](1), "");
        d.calls[0].signed[0] = signDigest(s, digest_, keyOf[carol]);
    }

    function _refund(Anchor memory escrow) private view returns (Draft memory d) {
        d = draft(1, 0, 0, 0, 1);
        d.fresh[0] = escrow;
        d.freshAfter[0] = unleased(1, alice, 0, one(ETH, AMOUNT), "");
        d.calls[0] = Call(1, RULE_GAS, MAX_EFFECTS, ids(0), new Signed[](0), "");
    }

    function _post(Draft memory d, uint16 slot) private returns (Posted memory p) {
        Step[] memory list = steps(step(d));
        return post(proposer, _header(list, slot), list);
    }

    function _header(Step[] memory list, uint16 slot) private view returns (Header memory h) {
        h = header(list, slot);
        h.rules = new address[](1);
        h.rules[0] = rule;
    }

    /// @dev Posts the opening; from the next block on there is an escrow.
    function _opened() private returns (Anchor memory escrow) {
        Posted memory p = _post(_opening(), 0);
        nextBlock();
        return openedBy(p, 0, 0, _escrow());
    }

    /// @dev Evidence against a batch of this step alone, which nobody has posted.
    function _evidence(Draft memory d) private view returns (bytes memory) {
        Step[] memory list = steps(step(d));
        return evidence(expectPosted(proposer, _header(list, 9), list, nextId()), 0, preStates(d));
    }

    function _valid(Draft memory d) private view returns (bool) {
        return verifier.verify(_evidence(d), address(bridge));
    }

    // ---------------------------------------------------------------- what happens on L1

    function test_FromDepositThroughTheEscrowToPayment() public {
        Draft memory d = _opening();
        assertTrue(_valid(d), "opening");
        Anchor memory escrow = _opened();
        d = _payment(escrow, AMOUNT - TAKEN);
        assertTrue(_valid(d), "payment");
        Posted memory p = _post(d, 1);
        vm.expectRevert(abi.encodeWithSelector(IBridge.StepIsValid.selector));
        challenge(evidence(p, 0, preStates(d)), p.walked.entries);

        // What was the escrow is Bob's like any other fragment: he withdraws.
        nextBlock();
        Anchor memory bobs = Anchor(escrow.id, p.id, d.freshAfter[0]);
        d = withdrawal(bobs, bob, address(0), AMOUNT - TAKEN);
        p = _post(d, 2);
        vm.roll(block.number + WINDOW + 1);
        uint256 balance = bob.balance;
        bridge.claim(p.preimage, 0, d.withdrawals[0], "");
        assertEq(bob.balance, balance + AMOUNT - TAKEN);
    }

    function test_ARefundNeedsNobody() public {
        Anchor memory escrow = _opened();
        assertFalse(_valid(_refund(escrow)), "too early");
        vm.roll(refundBlock);
        assertFalse(_valid(_refund(escrow)), "by the clock, which is a block behind");
        nextBlock();
        assertTrue(_valid(_refund(escrow)));
    }

    function test_WhoeverPaysWithoutAuthorityIsConvicted() public {
        Anchor memory escrow = _opened();
        Draft memory d = _payment(escrow, AMOUNT - TAKEN);
        // Bob signs in Carol's place; all else is as in her payment.
        d.fresh[1] = b();
        d.freshAfter[1] = unleased(1, bob, 1, one(ETH, 2 ether + TAKEN), "");
        Signed memory s = d.calls[0].signed[0];
        bytes32 digest_ = TypedData.pay(fragmentId(escrow), bob, AMOUNT - TAKEN, TAKEN, _rest(b(), s));
        d.calls[0].signed[0] = signDigest(s, digest_, keyOf[bob]);
        Posted memory p = _post(d, 1);
        challenge(evidence(p, 0, preStates(d)), p.walked.entries);
        assertStatus(p, Status.Unwound);
        assertEq(bridge.headOf(escrow.id), escrow.state.head(escrow.writer));
    }

    function test_ASignatureIsForWhatTheWalletShowed() public {
        Anchor memory escrow = _opened();
        assertTrue(_valid(_payment(escrow, AMOUNT - TAKEN)));
        assertFalse(_valid(_payment(escrow, AMOUNT)), "a larger payment than there is");
        Draft memory d = _payment(escrow, AMOUNT - TAKEN);
        Signed memory s = d.calls[0].signed[0];
        d.calls[0].signed[0] = sign(s, rule, c());
        assertFalse(_valid(d), "the payload, which no wallet could show");
    }

    // ---------------------------------------------------------------- what it costs

    function test_Registering() public {
        bytes memory runtime = vm.getDeployedCode("Escrow.sol:Escrow");
        (bool done,) = deployCode("RuleRegistry.sol:RuleRegistry").call(abi.encodeCall(registry.register, (runtime)));
        assertTrue(done);
        vm.snapshotGasLastCall(SNAPSHOT, "register, gas");
        vm.snapshotValue(SNAPSHOT, "register, bytes of runtime", runtime.length);
    }

    function test_ProofGas() public {
        _record("open", _opening(), 239);
        Anchor memory escrow = _opened();
        _record("pay", _payment(escrow, AMOUNT - TAKEN), 144);
        vm.roll(refundBlock + 1);
        _record("refund", _refund(escrow), 27);
    }

    /// @dev Each term of the bound (docs/spec.md, 7.1), and the whole challenge against a lie about it. Commits to the length of effects
    /// that is needed, and twice the gas.
    function _record(string memory name, Draft memory d, uint16 effects) private {
        Call memory c = d.calls[0];
        c.maxEffects = effects - 1;
        assertFalse(_valid(d), "effects are that long");
        c.maxEffects = effects;
        uint32 least = _leastGas(d);
        c.gasLimit = 2 * least;

        bytes memory proof = _evidence(d);
        Bound.Sizes memory z = Bound.Sizes(step(d).encode().length, 0, 0, proof.length);
        bytes[] memory states = preStates(d);
        for (uint256 i = 0; i < states.length; i++) {
            z.states += states[i].length;
        }
        uint256 evaluation = _terms(name, d, z);
        assertEq(evaluation, Bound.evaluation(d, z), "the terms are all there are");
        uint256 total = Bound.proof(d, z);
        assertEq(total, 200_000 + 24 * z.evidence + evaluation, "gas, not bytes, decides");
        _say(name, "gas of the rule", least);
        _say(name, "evaluation", evaluation);
        _say(name, "proof gas", total);
        _say(name, "effects, bytes", effects);
        uint256 insured = total + 13_000 * (d.fresh.length + d.opened.length);
        assertLt(2 * insured * INSURED_GAS_PRICE, MIN_LOCK, "a batch locks the least");
        _prove(name, d, total);
    }

    function _terms(string memory name, Draft memory d, Bound.Sizes memory z) private returns (uint256) {
        Call memory c = d.calls[0];
        uint256 signed = c.signed.length;
        uint256 outflows = signed == 0 ? 0 : c.signed[0].outflows.length;
        _say(name, "E", z.evidence);
        _say(name, "S", z.step + z.states);
        _say(name, "P", z.states);
        uint256 step_ = 30_000 + 40 * (z.step + z.states) + 6000 * Bound.fragments(d) + 600 * 24 * d.opened.length;
        uint256 call_ = 15_000 + 6000 * c.fragments.length;
        uint256 passed = 40 * (z.states + c.maxEffects);
        _say(name, "evaluation of the step", step_);
        _say(name, "call and its fragments", call_);
        _say(name, "committed gas", c.gasLimit);
        _say(name, "signature and outflow", 12_000 * signed + 1000 * outflows);
        _say(name, "states and effects passed", passed);
        _say(name, "effects applied", 300 * uint256(c.maxEffects));
        return step_ + call_ + c.gasLimit + 12_000 * signed + 1000 * outflows + passed + 300 * uint256(c.maxEffects);
    }

    /// @dev The least gas with which the rule does it.
    function _leastGas(Draft memory d) private view returns (uint32) {
        (uint32 low, uint32 high) = (0, RULE_GAS);
        while (high - low > 1) {
            uint32 middle = (low + high) / 2;
            d.calls[0].gasLimit = middle;
            if (_valid(d)) high = middle;
            else low = middle;
        }
        return high;
    }

    /// @dev Under a ceiling of just its proof gas, the step is valid; with a wrong root it is convicted for less.
    function _prove(string memory name, Draft memory d, uint256 ceiling) private {
        uint256 before = vm.snapshotState();
        Step[] memory list = steps(step(lie(d)));
        Header memory h = _header(list, 9);
        h.ceiling = uint32(ceiling);
        Posted memory p = post(proposer, h, list);
        challenge(evidence(p, 0, preStates(d)), p.walked.entries);
        uint256 used = vm.snapshotGasLastCall(SNAPSHOT, string.concat(name, ", measured proof"));
        assertLt(used, ceiling);
        assertStatus(p, Status.Unwound);
        vm.revertToState(before);
        d.freshAfter[0].nonce -= 7;
        assertTrue(_valid(d), "honest");
    }

    function _say(string memory name, string memory what, uint256 value) private {
        vm.snapshotValue(SNAPSHOT, string.concat(name, ", ", what), value);
    }
}
