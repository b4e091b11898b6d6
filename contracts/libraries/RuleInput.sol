// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../interfaces/IRule.sol";

/// @notice The calldata of a rule (docs/spec.md, section 6.2):
///
///     abi.encodeCall(IRule.transition, (IRule.Context(clock, proposer), fragments, authorisations, extra))
///
/// In assembly, which costs 500 gas less for each fragment than what Solidity makes of that line; test/unit/RuleInput.t.sol
/// compares the two.
library RuleInput {
    function encode(
        uint64 clock,
        address proposer,
        IRule.Fragment[] memory fragments,
        IRule.Authorisation[] memory authorisations,
        bytes calldata extra
    ) internal pure returns (bytes memory input) {
        bytes4 selector = IRule.transition.selector;
        assembly ("memory-safe") {
            input := mload(0x40)
            mstore(add(input, 0x20), selector)
            let start := add(input, 0x24)
            mstore(start, clock)
            mstore(add(start, 0x20), proposer)
            mstore(add(start, 0x40), 0xa0)

            // Fragments: their number, an offset for each, then they.
            let to := add(start, 0xa0)
            let count := mload(fragments)
            mstore(to, count)
            let heads := add(to, 0x20)
            to := add(heads, shl(5, count))
            for { let i := 0 } lt(i, count) { i := add(i, 1) } {
                mstore(add(heads, shl(5, i)), sub(to, heads))
                let fragment := mload(add(fragments, shl(5, add(i, 1))))
                mcopy(to, fragment, 0x60) // id, kind, controller
                mstore(add(to, 0x60), 0xa0) // where its assets start
                let assets := mload(add(fragment, 0x60))
                let end := add(to, 0xa0)
                mstore(end, mload(assets))
                end := add(end, 0x20)
                let from := add(assets, 0x20)
                for { let last := add(from, shl(5, mload(assets))) } lt(from, last) { from := add(from, 0x20) } {
                    mcopy(end, mload(from), 0x40)
                    end := add(end, 0x40)
                }
                mstore(add(to, 0x80), sub(end, to)) // where its data starts
                to := append(end, mload(add(fragment, 0x80)))
            }

            // Authorisations, in the same way.
            mstore(add(start, 0x60), sub(to, start))
            count := mload(authorisations)
            mstore(to, count)
            heads := add(to, 0x20)
            to := add(heads, shl(5, count))
            for { let i := 0 } lt(i, count) { i := add(i, 1) } {
                mstore(add(heads, shl(5, i)), sub(to, heads))
                let authorisation := mload(add(authorisations, shl(5, add(i, 1))))
                mstore(to, mload(authorisation))
                mstore(add(to, 0x20), 0x40)
                to := append(add(to, 0x40), mload(add(authorisation, 0x20)))
            }

            mstore(add(start, 0x80), sub(to, start))
            mstore(to, extra.length)
            calldatacopy(add(to, 0x20), extra.offset, extra.length)
            mstore(add(add(to, 0x20), extra.length), 0) // padding
            to := add(to, and(add(extra.length, 0x3f), not(0x1f)))

            mstore(input, sub(to, add(input, 0x20)))
            mstore(0x40, and(add(to, 0x1f), not(0x1f)))

            // Writes length, bytes and padding of `data` at `pos`; says where they end.
            function append(pos, data) -> end {
                let size := mload(data)
                mcopy(pos, data, add(size, 0x20))
                mstore(add(add(pos, 0x20), size), 0)
                end := add(pos, and(add(size, 0x3f), not(0x1f)))
            }
        }
    }
}
