// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {Status} from "../../contracts/types/BatchWord.sol";
import {Codec} from "../harness/Codec.sol";
import {Draft} from "../harness/Drafts.sol";
import {Scenario} from "../harness/Scenario.sol";
import {Call, Header, Posted, Signed, Step} from "../harness/Shapes.sol";

/// @notice What the rules of a step may take is bounded by its bytes, unless it is alone in its batch (docs/spec.md, section 6,
/// point 1): whoever watches runs them, and L1 is paid for bytes only.
contract RuleGasTest is Scenario {
    using Codec for *;

    uint256 private constant PER_BYTE = 600;
    uint32 private constant DEAR = 5_000_000;

    function test_RulesTakeWhatTheBytesOfTheirStepPayFor() public {
        Draft memory d = transfer(a(), b(), ETH, 1);
        uint256 most = PER_BYTE * step(d).encode().length;
        d.calls[0].gasLimit = uint32(most);
        _check(d, true, true);
        d.calls[0].gasLimit = uint32(most + 1);
        _check(d, true, false);
        _check(d, false, true);
        d.calls[0].gasLimit = DEAR;
        _check(d, true, false);
        _check(d, false, true);
    }

    function test_TheGasOfAllCallsOfAStepCountsTogether() public {
        Draft memory d = solo(a(), "", noAssets(), 0, 0);
        Call memory first = d.calls[0];
        d.calls = new Call[](2);
        d.calls[0] = first;
        d.calls[1] = Call(0, RULE_GAS, MAX_EFFECTS, ids(0), new Signed[](1), "");
        d.calls[1].signed[0] = sign(unsigned(0, "", noAssets()), account, fragmentId(d.fresh[0]), 1, keyOf[alice]);
        d.freshAfter[0].nonce++;
        uint256 most = PER_BYTE * step(d).encode().length;
        d.calls[1].gasLimit = uint32(most) - RULE_GAS;
        _check(d, true, true);
        d.calls[1].gasLimit++;
        _check(d, true, false);
        _check(d, false, true);
    }

    /// @dev What becomes of a step that is honest in all else, as the first of two or by itself.
    function _check(Draft memory d, bool beside, bool valid) private {
        uint256 snapshot = vm.snapshotState();
        Step memory other = step(solo(c(), "", noAssets(), 0, 0));
        Step[] memory list = beside ? steps(step(d), other) : steps(step(d));
        Header memory h = header(list, 0);
        h.ceiling = 10_000_000;
        Posted memory p = post(proposer, h, list);
        bytes memory proof = evidence(p, 0, preStates(d));
        if (valid) vm.expectRevert(abi.encodeWithSelector(IBridge.StepIsValid.selector));
        challenge(proof, p.walked.entries);
        assertStatus(p, valid ? Status.Live : Status.Unwound);
        vm.revertToState(snapshot);
    }
}
