// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IRule} from "../../interfaces/IRule.sol";
import {Amounts} from "../../libraries/Amounts.sol";
import {Calldata} from "../../libraries/Calldata.sol";
import {Position} from "./Position.sol";

/// @notice Terms of loans, and the money that is lent on them.
///
///     | size | offset | field                      |
///     |    1 |      0 | 1                          |
///     |    1 |      1 | depth                      |
///     |   32 |      2 | collateral asset           |
///     |   32 |     34 | asset that is lent         |
///     |   16 |     66 | ratio                      |
///     |    8 |     82 | rate                       |
///     |   16 |     90 | minimum                    |
///     |    3 |    106 | call fee                   |
///     |    4 |    109 | grace                      |
///     |    4 |    113 | rise                       |
///     |    4 |    117 | fall                       |
///     |    8 |    121 | serial                     |
///     |   16 |    129 | shares                     |
///     |   16 |    145 | principal                  |
///     |   24 |    161 | moment                     |
///     |   16 |    185 | called                     |
///
/// What stands before the serial never changes; nor does any operation need all of it.
///
/// @param id Fragment id
/// @param depth Of the anchor: 0, and each position has an anchor of its own; else positions are leaves of the market's cohort
/// @param collateral Asset that secures loans
/// @param asset Asset that is lent
/// @param ratio The largest debt for 10^18 units of collateral
/// @param rate Interest for a block, in 10^-18 of the principal
/// @param minimum The least debt
/// @param serial Number of positions opened so far
/// @param shares Shares of all lenders
/// @param principal Sum of the principals of positions that are not called
/// @param moment Sum of these principals, each times the block since when it bears interest
/// @param called Sum of the debts of called positions
/// @param idle How much of the asset the fragment holds; not part of its data
struct Market {
    uint80 id;
    uint8 depth;
    bytes32 collateral;
    bytes32 asset;
    uint256 ratio;
    uint256 rate;
    uint256 minimum;
    uint64 serial;
    uint256 shares;
    uint256 principal;
    uint256 moment;
    uint256 called;
    uint128 idle;
}

using MarketLib for Market global;

library MarketLib {
    using Amounts for IRule.Fragment;
    using Calldata for bytes;

    /// @notice The call's first fragment is not this market.
    error MarketNotListed(uint80 market);

    uint256 internal constant SIZE = 201;
    uint8 internal constant TAG = 1; // first byte of the data
    uint256 internal constant TERMS = 121; // size of what never changes

    /// @dev The market with this id, which the call lists first. One that was opened in this very batch shows no id yet. A fragment of
    /// kind 3 is under the rule that runs, or the kernel refuses the call: so its data are what the rule wrote.
    function read(IRule.Fragment[] calldata fragments, uint80 id) internal pure returns (Market memory self) {
        if (fragments.length == 0) revert MarketNotListed(id);
        IRule.Fragment calldata fragment = fragments[0];
        bytes calldata data = fragment.data;
        if (fragment.kind != 3 || fragment.id != id || id == 0 || data.length != SIZE || data.number(0, 1) != TAG) {
            revert MarketNotListed(id);
        }
        self.id = id;
        self.depth = uint8(data.number(1, 1));
        self.collateral = bytes32(data.number(2, 32));
        self.asset = bytes32(data.number(34, 32));
        self.ratio = data.number(66, 16);
        self.rate = data.number(82, 8);
        self.minimum = data.number(90, 16);
        self.serial = uint64(data.number(121, 8));
        self.shares = data.number(129, 16);
        self.principal = data.number(145, 16);
        self.moment = data.number(161, 24);
        self.called = data.number(185, 16);
        self.idle = fragment.held(self.asset);
    }

    /// @dev Call fee in millionths of the debt.
    function callFee(IRule.Fragment calldata market) internal pure returns (uint256) {
        return market.data.number(106, 3);
    }

    /// @dev In blocks: from call to auction, the auction's first part, its second part.
    function auction(IRule.Fragment calldata market) internal pure returns (uint256 grace, uint256 rise, uint256 fall) {
        bytes calldata data = market.data;
        return (data.number(109, 4), data.number(113, 4), data.number(117, 4));
    }

    /// @dev The market's data, with the terms as they are in the fragment.
    function pack(Market memory self, IRule.Fragment calldata market) internal pure returns (bytes memory) {
        if (self.moment > type(uint192).max) revert Amounts.TooLarge(self.moment);
        return abi.encodePacked(
            market.data.slice(0, TERMS),
            self.serial,
            Amounts.toAmount(self.shares),
            Amounts.toAmount(self.principal),
            uint192(self.moment),
            Amounts.toAmount(self.called)
        );
    }

    /// @dev What lenders have if called loans bring nothing: what is idle, and the debts of all positions that are not called.
    /// Rounded down, so that it is never more than these debts.
    function low(Market memory self, uint256 clock) internal pure returns (uint256) {
        uint256 principal = self.principal;
        return self.idle + principal + Amounts.mulDivDown(self.rate, clock * principal - self.moment, 1e18);
    }

    /// @dev What lenders have if called loans are paid.
    function high(Market memory self, uint256 clock) internal pure returns (uint256) {
        return self.low(clock) + self.called;
    }

    /// @dev The largest debt that this much collateral covers.
    function covered(Market memory self, uint256 collateral) internal pure returns (uint256) {
        return Amounts.mulDivDown(collateral, self.ratio, 1e18);
    }

    /// @dev Counts a position, as it is now.
    function include(Market memory self, Position memory position) internal pure {
        if (position.called == 0) {
            self.principal += position.principal;
            self.moment += position.principal * position.since;
        } else {
            self.called += position.principal;
        }
    }

    /// @dev Counts a position no longer. It must be as it was when it was included.
    function exclude(Market memory self, Position memory position) internal pure {
        if (position.called == 0) {
            self.principal -= position.principal;
            self.moment -= position.principal * position.since;
        } else {
            self.called -= position.principal;
        }
    }

    /// @dev Tag of the lenders' shares: market id (10) ‖ 22 zero bytes.
    function sharesTag(Market memory self) internal pure returns (bytes32) {
        return bytes32(uint256(self.id) << 176);
    }
}
