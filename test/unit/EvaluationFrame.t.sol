// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IEvidenceErrors} from "../../contracts/interfaces/IEvidenceErrors.sol";
import {Bound} from "../harness/Bound.sol";
import {CohortTrials} from "../harness/CohortTrials.sol";
import {Trial} from "../harness/Trials.sol";

/// @dev Stands in for an evaluation: answers 1 if it was given so much gas, and 0 if less.
contract Meter {
    uint256 private immutable LEAST;

    constructor(uint256 least) {
        LEAST = least;
    }

    fallback() external {
        uint256 given = gasleft();
        bool enough = given >= LEAST;
        assembly ("memory-safe") {
            mstore(0, enough)
            return(0, 32)
        }
    }
}

/// @notice What `verify` gives its evaluation, and makes of how that ends (docs/spec.md, section 7.1): no verdict hangs on want of gas.
contract EvaluationFrameTest is CohortTrials {
    uint256 private constant LITTLE = 250_000;

    /// @dev Another contract's code in place of the evaluation.
    function _instead(bytes memory code) private {
        address target = address(uint160(uint256(keccak256(code))));
        vm.etch(target, code);
        _instead(target);
    }

    function _instead(address target) private {
        vm.mockFunction(address(verifier), target, abi.encodeWithSelector(verifier.evaluate.selector));
    }

    /// @dev What the frame is given: the bound of its gas, and a third.
    function _frame(Trial memory t) private pure returns (uint256 gas_) {
        gas_ = Bound.evaluation(t.draft, sizes(t, trees(t.pre)));
        gas_ += gas_ / 3;
    }

    function _expectNeedGas(Trial memory t, uint256 gas_, string memory what) private view {
        bytes memory call_ = abi.encodeCall(verifier.verify, (evidence(t), t.bridge));
        (bool done, bytes memory output) = address(verifier).staticcall{gas: gas_}(call_);
        uint256 needed = assertNeedGas(done, output, what);
        uint256 frame = _frame(t);
        assertEq(needed, frame + frame / 63 + 5000, what);
    }

    function test_WithLessGasThanItTakesThereIsNoVerdict() public view {
        _expectNeedGas(trial(transfer(a(), b(), ETH, 1)), LITTLE, "an anchor of one state");
        for (uint8 depth = 1; depth < 20; depth += 6) {
            _expectNeedGas(trial(withdrawLeaf(depth, 1)), LITTLE, "a leaf, with siblings");
        }
    }

    function test_TheFrameIsGivenItsBoundAndAThird() public {
        Trial memory t = trial(transfer(a(), b(), ETH, 1));
        uint256 frame = _frame(t);
        _instead(address(new Meter(frame - 500)));
        assertValid(t, "all of it");
        _instead(address(new Meter(frame + 1)));
        assertInvalid(t, "and no more");
    }

    function test_WantOfGasInTheFrameIsNoVerdict() public {
        Trial memory t = trial(transfer(a(), b(), ETH, 1));
        _instead(reverting(abi.encodeWithSelector(IEvidenceErrors.NeedGas.selector, 1, 2)));
        _expectNeedGas(t, 20_000_000, "as the kernel says it");
        _instead(reverting(abi.encodePacked(IEvidenceErrors.NeedGas.selector)));
        _expectNeedGas(t, 20_000_000, "in four bytes");
        _instead(hex"fe");
        _expectNeedGas(t, 20_000_000, "burnt");
    }

    function test_AnyOtherFailureOfTheFrameIsInvalid() public {
        Trial memory t = trial(transfer(a(), b(), ETH, 1));
        bytes4 selector = IEvidenceErrors.NeedGas.selector;
        _instead(reverting(""));
        assertInvalid(t, "without a word");
        _instead(reverting(abi.encodePacked(bytes3(selector))));
        assertInvalid(t, "three bytes");
        for (uint256 bit = 0; bit < 32; bit++) {
            bytes4 other = selector ^ bytes4(uint32(2 ** bit));
            _instead(reverting(abi.encodePacked(other, new bytes(64))));
            assertInvalid(t, "another error");
        }
    }

    function test_AnswersOtherThanOneAreInvalid() public {
        Trial memory t = trial(transfer(a(), b(), ETH, 1));
        assertValid(t, "as it is");
        uint256[4] memory others = [uint256(0), 2, 1 << 255, type(uint256).max];
        for (uint256 i = 0; i < 4; i++) {
            _instead(returning(abi.encode(others[i])));
            assertInvalid(t, "another word");
        }
        _instead(returning(abi.encode(1)));
        assertValid(t, "1");
    }
}
