// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {console} from "forge-std/console.sol";

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Status} from "../../contracts/types/BatchWord.sol";
import {Codec} from "../harness/Codec.sol";
import {CohortTrials} from "../harness/CohortTrials.sol";
import {Draft} from "../harness/Drafts.sol";
import {Passkey, Passkeys} from "../harness/Passkeys.sol";
import {
    Anchor,
    Call,
    Cohort,
    Header,
    Leaf,
    Lease,
    Node,
    Posted,
    Signed,
    State,
    Step,
    unleased
} from "../harness/Shapes.sol";
import {Trial} from "../harness/Trials.sol";

/// @notice The whole challenge, as one transaction, against the bound of docs/spec.md, section 7.1, and against what one
/// transaction may use (2^24 gas, EIP-7825).
/// forge-config: default.isolate = true
contract ChallengeGasTest is CohortTrials, Passkeys {
    using Codec for *;

    uint256 private constant TRANSACTION = 2 ** 24;

    function setUp() public override {
        super.setUp();
        vm.deal(challenger, 1 ether);
        nextBlock();
    }

    function test_ATransfer() public {
        _challenge("transfer", transfer(a(), b(), ETH, 1), true);
    }

    function test_ALoopUpToTheHighestCeiling() public {
        Draft memory d = ruled(LOOPER, these(a()), noAssets(), "", 0);
        d.calls[0].maxEffects = 0;
        d.calls[0].gasLimit = 0;
        d.calls[0].gasLimit = uint32(HIGH_CEILING - proofGas(trial(d)));
        _challenge("a loop up to the ceiling", d, false);
    }

    function test_SixteenLoops() public {
        // Each would be enough by itself: the first that fails ends the evaluation.
        Draft memory d = ruled(LOOPER, these(a()), noAssets(), "", 0);
        d.calls[0].maxEffects = 0;
        Call memory c = d.calls[0];
        c.gasLimit = 500_000;
        d.calls = new Call[](16);
        for (uint256 i = 0; i < 16; i++) {
            d.calls[i] = c;
        }
        _challenge("16 loops", d, false);
    }

    function test_TheLargestStates() public {
        Anchor[] memory list = new Anchor[](15);
        for (uint256 i = 0; i < 15; i++) {
            list[i] = _stored(i, unleased(1, alice, 0, _assets(), new bytes(2048)));
        }
        Draft memory d = ruled(PUPPET, list, noAssets(), "", 0);
        d.calls[0].maxEffects = 0;
        d.calls[0].gasLimit = 1_000_000;
        _challenge("15 signers of 32 assets and 2 KB", d, true);
    }

    function test_TheLargestBody() public {
        Draft memory d = ruled(LOOPER, these(a()), noAssets(), new bytes(16_000), 0);
        d.calls[0].maxEffects = 0;
        d.calls[0].gasLimit = 1_000_000;
        _challenge("a body of 16 KB", d, false);
    }

    function test_APreStateThatNobodyShouldHave() public {
        // A junk root that a lie wrote, and another builds on: 60,000 bytes that are no state.
        Draft memory d = solo(a(), "", noAssets(), 0, 0);
        d.fresh[0] = _stored(0, unleased(1, alice, 0, noAssets(), new bytes(60_000)));
        _challenge("60,000 bytes instead of a state", d, false);
    }

    function test_DeepTrees() public {
        Draft memory d = draft(15, 0, 0, 0, 1);
        d.calls[0] = Call(PUPPET, 200_000, 0, new uint8[](15), new Signed[](0), "");
        for (uint8 i = 0; i < 15; i++) {
            d.freshCohorts[i] = cohort(24, new Leaf[](0));
            d.fresh[i] = _stored(i, unleased(3, rules[0], 0, noAssets(), ""), d.freshCohorts[i]);
            d.freshAfter[i] = unleased(3, rules[0], 0, noAssets(), hex"01");
            d.calls[0].fragments[i] = i;
            d.calls[0].extra = bytes.concat(d.calls[0].extra, write(i, hex"01"));
        }
        d.calls[0].maxEffects = uint16(d.calls[0].extra.length);
        _challenge("15 cohorts of depth 24", d, true);
    }

    function test_ScatteredFullLeaves() public {
        uint24[] memory indices = new uint24[](15);
        for (uint24 i = 0; i < 15; i++) {
            indices[i] = (i + 1) * 1_000_003;
        }
        Draft memory d = writeLeaves(24, indices);
        for (uint256 i = 0; i < 15; i++) {
            d.freshCohorts[0].leaves[i].state = unleased(3, rules[0], 0, _assets(), new bytes(2048));
            d.freshCohorts[0].leaves[i].next = unleased(3, rules[0], 0, _assets(), abi.encodePacked(uint8(i)));
        }
        d.fresh[0] = _stored(0, a().state, d.freshCohorts[0]);
        d.calls[0].gasLimit = 1_000_000;
        d.calls[0].maxEffects = uint16(d.calls[0].extra.length);
        _challenge("16 full leaves of depth 24, scattered", d, true);
    }

    function test_FullHeadersUnderLeases() public {
        Draft memory d = draft(15, 0, 0, 0, 1);
        d.calls[0] = Call(PUPPET, 1_000_000, 750, new uint8[](15), new Signed[](0), "");
        for (uint8 i = 0; i < 15; i++) {
            State memory state = unleased(1, alice, 0, _assets(), new bytes(2048));
            state.assets[31] = IRule.Asset(issued(rules[0], bytes32(uint256(1))), 5);
            for (uint256 j = 31; j > 0 && state.assets[j - 1].id > state.assets[j].id; j--) {
                (state.assets[j - 1], state.assets[j]) = (state.assets[j], state.assets[j - 1]);
            }
            state.lease = Lease(proposer, uint64(block.number + 10));
            d.fresh[i] = _stored(i, state);
            d.freshAfter[i] = state.copy();
            d.freshAfter[i].assets = plus(d.freshAfter[i].assets, issued(rules[0], bytes32(uint256(1))), 1);
            d.calls[0].fragments[i] = i;
            d.calls[0].extra = bytes.concat(d.calls[0].extra, mint(i, bytes32(uint256(1)), 1));
        }
        _challenge("15 leased headers of 32 assets and 2 KB, credited", d, true);
    }

    function test_OpeningDeepCohorts() public {
        Draft memory d = puppet(these(_stored(0, vault(rules[0], noAssets(), "").state)), noAssets(), "", 15);
        d.calls[0].gasLimit = 200_000;
        d.freshAfter[0].data = hex"01";
        d.calls[0].extra = write(0, hex"01");
        for (uint256 i = 0; i < 15; i++) {
            d.calls[0].extra = bytes.concat(d.calls[0].extra, openEffect(24, 1, bob));
            d.opened[i] = userState(bob, noAssets());
            d.depths[i] = 24;
        }
        d.calls[0].maxEffects = uint16(d.calls[0].extra.length);
        _challenge("15 cohorts of depth 24 opened", d, true);
    }

    function test_OpeningScatteredLeaves() public {
        Leaf[] memory list = new Leaf[](15);
        bytes memory effects = write(0, hex"01");
        for (uint24 i = 0; i < 15; i++) {
            list[i] = empty((i + 1) * 1_000_003, userState(bob, noAssets()));
            effects = bytes.concat(effects, leafEffect(0, 1, bob));
        }
        State memory header = vault(rules[0], noAssets(), "").state;
        Draft memory d = puppet(these(_stored(0, header, cohort(24, list))), noAssets(), effects, 0);
        d.calls[0].gasLimit = 200_000;
        d.calls[0].maxEffects = uint16(effects.length);
        d.freshCohorts[0] = cohort(24, list);
        d.freshAfter[0].data = hex"01";
        _challenge("15 leaves of depth 24 opened", d, true);
    }

    function test_PasskeysAlone() public {
        _challenge("16 calls of 6 P-256 signers", _signed(16, 6, 2, 0, 0), true);
    }

    function test_BrowserPasskeysAlone() public {
        _challenge("16 calls of 5 WebAuthn signers", _signed(16, 5, 3, 37, 0), true);
        _challenge("15 WebAuthn signers, 255 and 650 bytes", _signed(1, 15, 3, 255, 650), true);
    }

    function test_TheLargestEvidence() public {
        // All but a batch of 65,535 steps: 15 full headers of deep cohorts, the largest table, body and withdrawals.
        Draft memory d = draft(15, 0, 0, 15, 1);
        d.calls[0] = Call(PUPPET, 1_000_000, 0, new uint8[](15), new Signed[](0), "");
        for (uint8 i = 0; i < 15; i++) {
            State memory state = unleased(3, rules[0], 0, _assets(), new bytes(2048));
            state.lease = Lease(proposer, 1);
            d.freshCohorts[i] = cohort(24, new Leaf[](0));
            d.fresh[i] = _stored(i, state, d.freshCohorts[i]);
            d.freshAfter[i] = state.copy();
            d.calls[0].fragments[i] = i;
            d.withdrawals[i] = IBridge.Withdrawal(bob, address(0), 1);
        }
        d.calls[0].extra = new bytes(16_384 - step(d).body.length);
        for (uint256 i = 0; i < 28; i++) {
            rules.push(rules[0]);
        }
        uint256 size = _challenge("the largest evidence", d, false);
        // Beside what this one has: a sixteenth touch, and the siblings of a step among 65,535.
        uint256 state_ = d.fresh[0].state.encode().length;
        assertLt(size + 29 + 7 + 3 + state_ + 24 * 32 + 36 * 32, 92_000);
    }

    /// @dev Passkeys sign in every call.
    function _signed(uint256 calls, uint8 count, uint8 scheme, uint256 authenticator, uint256 rest)
        private
        returns (Draft memory d)
    {
        Passkey memory key = passkey("dora");
        d = draft(count, 0, 0, 0, calls);
        for (uint256 i = 0; i < calls; i++) {
            d.calls[i] = Call(PUPPET, 50_000, 0, new uint8[](count), new Signed[](count), "");
            for (uint8 j = 0; j < count; j++) {
                d.fresh[j] = _stored(j, unleased(2, key.controller, 0, noAssets(), ""));
                d.freshAfter[j] = unleased(2, key.controller, uint64(calls), noAssets(), "");
                d.calls[i].fragments[j] = j;
                Signed memory s = unsigned(j, "", noAssets());
                uint80 id = fragmentId(d.fresh[j]);
                bytes32 digest_ = digest(s, rules[0], id, uint64(i));
                d.calls[i].signed[j] = scheme == 2
                    ? signP256(s, rules[0], id, uint64(i), key)
                    : signWebAuthn(s, digest_, key, authenticatorData(authenticator), new bytes(rest));
            }
        }
    }

    /// @dev A batch of this step is convicted and unwound in one transaction. If the step is honest it is so no longer: the root that is
    /// compared last is a lie. Returns the size of evidence.
    function _challenge(string memory name, Draft memory d, bool honest) private returns (uint256) {
        Trial memory t = trial(d);
        uint256 bound_ = proofGas(t);
        assertEq(verdict(t), honest, name);
        if (d.opened.length != 0) t.step.opened[d.opened.length - 1] ^= bytes27(uint216(1));
        else t.step.fresh[d.fresh.length - 1].root ^= bytes27(uint216(1));
        Step[] memory list = steps(t.step);
        Header memory h = header(list, 0);
        h.ceiling = HIGH_CEILING;
        h.rules = rules;
        Posted memory p = post(proposer, h, list);
        bytes memory proof = Codec.evidence(p.preimage, 0, "", p.steps[0], p.opened[0], trees(t.pre));
        uint256 used = _prove(name, p, proof);
        console.log(string.concat(name, ": used, bound, percent, bytes of evidence"));
        console.log(used, bound_, used * 100 / bound_, proof.length);
        if (bound_ <= HIGH_CEILING) assertLe(used, bound_, name);
        assertLe(used, TRANSACTION, name);
        vm.snapshotValue("worst proofs", name, used);
        vm.snapshotValue("worst proofs", string.concat(name, ", bound"), bound_);
        return proof.length;
    }

    function _prove(string memory name, Posted memory p, bytes memory proof) private returns (uint256 used) {
        bytes memory input = abi.encodeCall(bridge.challenge, (proof, p.walked.entries));
        // What is left of a transaction's gas when it has been paid for its bytes.
        uint256 intrinsic = 21_000;
        for (uint256 i = 0; i < input.length; i++) {
            intrinsic += input[i] == 0 ? 4 : 16;
        }
        vm.prank(challenger);
        (bool done, bytes memory reason) = address(bridge).call{gas: TRANSACTION - intrinsic}(input);
        used = IGasOf(address(vm)).lastCallGas().gasTotalUsed;
        assertTrue(done, string.concat(name, " must be provable: ", vm.toString(reason)));
        assertStatus(p, Status.Unwound);
    }

    /// @dev The anchor that the bridge has with this state, as if an old batch had written it.
    function _stored(uint256 i, State memory state) private returns (Anchor memory) {
        return _stored(i, state, Cohort(0, new Leaf[](0), new Node[](0)));
    }

    function _stored(uint256 i, State memory state, Cohort memory cohort_) private returns (Anchor memory anchor) {
        anchor = Anchor(idAt(DEPLOYMENT_BLOCK + 10, 1) * 65_536 + uint56(i), idAt(DEPLOYMENT_BLOCK + 20, 1), state);
        bytes32 slot = bytes32(abi.encodePacked(bytes25(keccak256("nthroot.anchor")), anchor.id));
        bytes32 head = bytes32(abi.encodePacked(rootBefore(_pre(anchor, cohort_)), anchor.writer));
        vm.store(address(bridge), slot, head);
    }

    function _assets() private pure returns (IRule.Asset[] memory list) {
        list = new IRule.Asset[](32);
        for (uint256 i = 0; i < 32; i++) {
            list[i] = IRule.Asset(keccak256(abi.encode(i)), 1000);
        }
        // Ascending: insertion into a sorted list.
        for (uint256 i = 1; i < 32; i++) {
            for (uint256 j = i; j > 0 && list[j - 1].id > list[j].id; j--) {
                (list[j - 1].id, list[j].id) = (list[j].id, list[j - 1].id);
            }
        }
    }
}

interface IGasOf {
    struct Gas {
        uint64 gasLimit;
        uint64 gasTotalUsed;
        uint64 gasMemoryUsed;
        int64 gasRefunded;
        uint64 gasRemaining;
    }

    function lastCallGas() external view returns (Gas memory);
}
