// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../interfaces/IBridge.sol";
import {IRuleRegistry} from "../interfaces/IRuleRegistry.sol";
import {Calldata} from "./Calldata.sol";

/// @notice The header at the front of a batch.
///
///     0   version             1
///     1   data availability   1
///     2   chain id            8
///     10  clock               8
///     18  hash of its block  32
///     50  proof ceiling       4
///     54  word slot           2
///     56  step count          2
///     58  entry count         2
///     60  rule count          1
///     61  rule table         20 · rules
library BatchHeader {
    using Calldata for bytes;

    /// @dev Without the rule table.
    uint256 internal constant SIZE = 61;
    uint256 internal constant MAX_CEILING = 10_000_000;
    uint256 internal constant MAX_ENTRIES = 512;

    uint256 private constant VERSION = 1;
    uint256 private constant MAX_CLOCK_AGE = 32;
    uint256 private constant MAX_RULES = 32;

    /// @dev Checks all that the header says but the word slot and the bond; returns its size.
    function check(bytes calldata batch, uint256 deploymentBlock, IRuleRegistry registry)
        internal
        view
        returns (uint256 size)
    {
        if (batch.length < SIZE) revert IBridge.BatchTruncated(SIZE, batch.length);
        uint256 fields = batch.number(0, 32);
        if (fields >> 248 != VERSION) revert IBridge.UnsupportedVersion(uint8(fields >> 248));
        if (uint8(fields >> 240) != 0) revert IBridge.UnsupportedDataAvailability(uint8(fields >> 240));
        if (uint64(fields >> 176) != block.chainid) {
            revert IBridge.WrongChain(block.chainid, uint64(fields >> 176));
        }

        uint256 time = uint64(fields >> 112);
        unchecked {
            uint256 oldest = block.number > MAX_CLOCK_AGE ? block.number - MAX_CLOCK_AGE : 0;
            if (oldest < deploymentBlock) oldest = deploymentBlock;
            if (time < oldest || time >= block.number) {
                revert IBridge.ClockOutOfRange(time, oldest, block.number - 1);
            }
        }
        bytes32 timeHash = bytes32(batch.number(18, 32));
        if (blockhash(time) != timeHash) revert IBridge.ClockHashMismatch(blockhash(time), timeHash);

        fields = batch.number(50, 11); // bytes 50 to 60
        if (fields >> 56 > MAX_CEILING) revert IBridge.CeilingTooHigh(MAX_CEILING, fields >> 56);
        if (uint16(fields >> 24) == 0) revert IBridge.NoSteps();
        if (uint16(fields >> 8) > MAX_ENTRIES) revert IBridge.TooManyEntries(MAX_ENTRIES, uint16(fields >> 8));
        uint256 rules = uint8(fields);
        if (rules > MAX_RULES) revert IBridge.TooManyRules(MAX_RULES, rules);
        unchecked {
            size = SIZE + 20 * rules;
        }
        if (batch.length < size) revert IBridge.BatchTruncated(size, batch.length);
        for (uint256 i; i < rules; ++i) {
            address rule = address(uint160(batch.number(SIZE + 20 * i, 20)));
            uint256 registered = registry.registeredAt(rule);
            if (registered == 0 || registered > time) revert IBridge.RuleNotRegistered(rule, registered, time);
        }
    }

    function clock(bytes calldata batch) internal pure returns (uint256) {
        return batch.number(10, 8);
    }

    function ceiling(bytes calldata batch) internal pure returns (uint256) {
        return batch.number(50, 4);
    }

    function wordSlot(bytes calldata batch) internal pure returns (uint256) {
        return batch.number(54, 2);
    }

    function stepCount(bytes calldata batch) internal pure returns (uint256) {
        return batch.number(56, 2);
    }

    function entryCount(bytes calldata batch) internal pure returns (uint256) {
        return batch.number(58, 2);
    }

    function ruleCount(bytes calldata batch) internal pure returns (uint256) {
        return batch.number(60, 1);
    }
}
