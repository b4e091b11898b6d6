// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../../interfaces/IRule.sol";
import {Amounts} from "../../libraries/Amounts.sol";
import {Calldata} from "../../libraries/Calldata.sol";

/// @notice A loan, and the fragment that holds its collateral.
///
///     | size | field                      |
///     |    1 | 2                          |
///     |   10 | market id                  |
///     |    8 | serial                     |
///     |   32 | collateral asset           |
///     |   16 | principal                  |
///     |    8 | since: block               |
///     |    8 | called: block, or zero     |
///
/// @param principal In units of the asset lent: the debt at block `since`
/// @param since The block from which interest counts
/// @param called When the loan was called; zero if it was not
/// @param held How much of the collateral the fragment holds; not part of its data
struct Position {
    uint80 market;
    uint64 serial;
    bytes32 collateral;
    uint256 principal;
    uint256 since;
    uint256 called;
    uint128 held;
}

using PositionLib for Position global;

library PositionLib {
    using Amounts for IRule.Fragment;
    using Calldata for bytes;

    /// @notice The call does not list this position where it belongs.
    error PositionNotListed(uint80 market, uint64 serial);

    uint256 internal constant SIZE = 83;
    uint8 internal constant TAG = 2; // first byte of the data

    /// @dev The position with this serial in this market, which the call lists at `place`. A fragment of kind 3 is under the rule that
    /// runs, or the kernel refuses the call: so its data are what the rule wrote.
    function read(IRule.Fragment[] calldata fragments, uint256 place, uint80 market, uint64 serial)
        internal
        pure
        returns (Position memory self)
    {
        if (fragments.length <= place) revert PositionNotListed(market, serial);
        IRule.Fragment calldata fragment = fragments[place];
        bytes calldata data = fragment.data;
        if (
            fragment.kind != 3 || data.length != SIZE || data.number(0, 1) != TAG || data.number(1, 10) != market
                || data.number(11, 8) != serial
        ) revert PositionNotListed(market, serial);
        self.market = market;
        self.serial = serial;
        self.collateral = bytes32(data.number(19, 32));
        self.principal = data.number(51, 16);
        self.since = data.number(67, 8);
        self.called = data.number(75, 8);
        self.held = fragment.held(self.collateral);
    }

    function pack(Position memory self) internal pure returns (bytes memory) {
        // Blocks come from 64 bits.
        return abi.encodePacked(
            TAG,
            self.market,
            self.serial,
            self.collateral,
            Amounts.toAmount(self.principal),
            uint64(self.since),
            uint64(self.called)
        );
    }

    /// @dev What is owed at the clock, rounded up. A called loan bears no interest.
    function debt(Position memory self, uint256 rate, uint256 clock) internal pure returns (uint256) {
        uint256 principal = self.principal;
        if (self.called != 0) return principal;
        return principal + Amounts.mulDivUp(principal * rate, clock - self.since, 1e18);
    }

    /// @dev Tag of the asset, of one unit, whose holder owns the position: market id (10) ‖ serial (8) ‖ 14 zero bytes.
    function titleTag(Position memory self) internal pure returns (bytes32) {
        return bytes32(uint256(self.market) << 176 | uint256(self.serial) << 112);
    }
}
