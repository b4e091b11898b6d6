// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Draft} from "./Drafts.sol";
import {Call, Signed} from "./Shapes.sol";

/// @notice The bound of a proof (docs/spec.md, section 7.1), from a draft instead of its bytes.
library Bound {
    struct Sizes {
        uint256 step; // bytes of the step
        uint256 states; // bytes of all pre-states
        uint256 siblings; // in the anchors' trees
        uint256 evidence; // bytes
    }

    function proof(Draft memory d, Sizes memory sizes) internal pure returns (uint256) {
        uint256 execution = (16 + 8) * sizes.evidence + evaluation(d, sizes);
        return 200_000 + (64 * sizes.evidence > execution ? 64 * sizes.evidence : execution);
    }

    function evaluation(Draft memory d, Sizes memory sizes) internal pure returns (uint256 sum) {
        sum = 30_000 + 40 * (sizes.step + sizes.states) + 6000 * fragments(d) + 600
            * (sizes.siblings + 24 * d.opened.length);
        uint256 returned = 0;
        for (uint256 i = 0; i < d.calls.length; i++) {
            Call memory c = d.calls[i];
            returned += c.maxEffects;
            sum += 15_000 + c.gasLimit + 6000 * c.fragments.length;
            for (uint256 j = 0; j < c.signed.length; j++) {
                sum += _signature(c.signed[j]);
            }
            sum += 40 * (sizes.states + returned) + 300 * uint256(c.maxEffects);
        }
    }

    function fragments(Draft memory d) internal pure returns (uint256 count) {
        count = d.fresh.length + d.opened.length + d.again.length;
        for (uint256 i = 0; i < d.freshCohorts.length; i++) {
            count += d.freshCohorts[i].leaves.length;
        }
        for (uint256 i = 0; i < d.againCohorts.length; i++) {
            count += d.againCohorts[i].leaves.length;
        }
    }

    function _signature(Signed memory a) private pure returns (uint256) {
        return 12_000 + (a.scheme == 1 ? 0 : 8000) + (a.scheme == 3 ? 10_000 : 0) + 1000 * a.outflows.length;
    }
}
