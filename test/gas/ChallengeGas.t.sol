// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {console} from "forge-std/console.sol";

import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Status} from "../../contracts/types/BatchWord.sol";
import {Codec} from "../harness/Codec.sol";
import {Draft} from "../harness/Drafts.sol";
import {Anchor, Call, Header, Posted, Signed, State, Step} from "../harness/Shapes.sol";
import {Trials} from "../harness/Trials.sol";

interface IBound {
    function evaluation(bytes calldata body, uint256 stepSize, uint256 touches, uint256 stateSize)
        external
        pure
        returns (bool wellFormed, uint256 gas_);
    function proof(uint256 evidenceSize, uint256 evaluationGas) external pure returns (uint256);
}

/// @notice The whole challenge, as one transaction, against the bound of docs/spec.md, section 7.1, and against what one
/// transaction may use (2^24 gas, EIP-7825).
/// forge-config: default.isolate = true
contract ChallengeGasTest is Trials {
    using Codec for *;

    uint256 private constant TRANSACTION = 2 ** 24;

    IBound private formula;

    function setUp() public override {
        super.setUp();
        formula = IBound(deployCode("ExposedLibraries.sol:ExposedLibraries"));
        vm.deal(challenger, 1 ether);
        nextBlock();
    }

    function test_ATransfer() public {
        _challenge("transfer", transfer(a(), b(), ETH, 1));
    }

    function test_ALoopUpToTheHighestCeiling() public {
        Draft memory d = ruled(LOOPER, these(a()), noAssets(), "", 0);
        d.calls[0].maxEffects = 0;
        d.calls[0].gasLimit = 0;
        (uint256 rest,) = _bound(d);
        d.calls[0].gasLimit = uint32(HIGH_CEILING - rest);
        _challenge("a loop up to the ceiling", d);
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
        _challenge("16 loops", d);
    }

    function test_TheLargestStates() public {
        Anchor[] memory list = new Anchor[](15);
        for (uint256 i = 0; i < 15; i++) {
            list[i] = _stored(i, State(1, alice, 0, _assets(), new bytes(2048)));
        }
        Draft memory d = ruled(PUPPET, list, noAssets(), "", 0);
        d.calls[0].maxEffects = 0;
        d.calls[0].gasLimit = 1_000_000;
        _challenge("15 signers of 32 assets and 2 KB", d);
    }

    function test_TheLargestBody() public {
        Draft memory d = ruled(LOOPER, these(a()), noAssets(), new bytes(16_000), 0);
        d.calls[0].maxEffects = 0;
        d.calls[0].gasLimit = 1_000_000;
        _challenge("a body of 16 KB", d);
    }

    function test_APreStateThatNobodyShouldHave() public {
        // A junk root that a lie wrote, and another builds on: 60,000 bytes that are no state.
        Draft memory d = solo(a(), "", noAssets(), 0, 0);
        d.fresh[0] = _stored(0, State(1, alice, 0, noAssets(), new bytes(60_000)));
        _challenge("60,000 bytes instead of a state", d);
    }

    function _challenge(string memory name, Draft memory d) private {
        Step[] memory list = steps(step(lie(d)));
        Header memory h = header(list, 0);
        h.ceiling = HIGH_CEILING;
        h.rules = rules;
        Posted memory p = post(proposer, h, list);
        bytes memory proof = evidence(p, 0, preStates(d));
        (uint256 bound_,) = _bound(d);
        // What is left of a transaction's gas when it has been paid for its bytes.
        uint256 intrinsic = 21_000;
        bytes memory input = abi.encodeCall(bridge.challenge, (proof, p.walked.entries));
        for (uint256 i = 0; i < input.length; i++) {
            intrinsic += input[i] == 0 ? 4 : 16;
        }
        vm.prank(challenger);
        (bool done, bytes memory reason) = address(bridge).call{gas: TRANSACTION - intrinsic}(input);
        uint256 used = IGasOf(address(vm)).lastCallGas().gasTotalUsed;
        assertTrue(done, string.concat(name, " must be provable: ", vm.toString(reason)));
        assertStatus(p, Status.Unwound);
        console.log(string.concat(name, ": used, bound, percent, bytes of evidence"));
        console.log(used, bound_, used * 100 / bound_, proof.length);
        if (bound_ <= HIGH_CEILING) assertLe(used, bound_, name);
        assertLe(used, TRANSACTION, name);
        vm.snapshotValue("worst proofs", name, used);
        vm.snapshotValue("worst proofs", string.concat(name, ", bound"), bound_);
    }

    /// @dev The proof gas of a step in a batch of one, and the evidence's size.
    function _bound(Draft memory d) private view returns (uint256 bound_, uint256 size) {
        bytes[] memory states = preStates(d);
        bytes memory bytes_ = step(d).encode();
        uint256 stateSize = 0;
        for (uint256 i = 0; i < states.length; i++) {
            stateSize += states[i].length;
        }
        size = 185 + 20 * rules.length + 2 + bytes_.length + 7 * d.opened.length + 2 * states.length + stateSize;
        (, uint256 gas_) = formula.evaluation(step(d).body, bytes_.length, d.fresh.length + d.opened.length, stateSize);
        bound_ = formula.proof(size, gas_);
    }

    /// @dev An anchor that the bridge has with this state, as if an old batch had written it.
    function _stored(uint256 i, State memory state) private returns (Anchor memory anchor) {
        anchor = Anchor(idAt(DEPLOYMENT_BLOCK + 10, 1) * 65_536 + uint56(i), idAt(DEPLOYMENT_BLOCK + 20, 1), state);
        bytes32 slot = bytes32(abi.encodePacked(bytes25(keccak256("nthroot.anchor")), anchor.id));
        vm.store(address(bridge), slot, state.head(anchor.writer));
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
