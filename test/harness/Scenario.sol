// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Posting} from "./Posting.sol";
import {Anchor} from "./Shapes.sol";

/// @notice Where most tests start: three users hold ETH, deposited two blocks ago.
abstract contract Scenario is Posting {
    uint256 private constant DEPOSIT_BLOCK = DEPLOYMENT_BLOCK + 50;

    function setUp() public virtual override {
        super.setUp();
        depositEth(alice, 5 ether);
        depositEth(bob, 2 ether);
        depositEth(carol, 3 ether);
        vm.roll(DEPOSIT_BLOCK + 2);
    }

    /// @dev Alice's deposit, as it was made.
    function a() internal view returns (Anchor memory) {
        return _deposited(1, alice, 5 ether);
    }

    function b() internal view returns (Anchor memory) {
        return _deposited(2, bob, 2 ether);
    }

    function c() internal view returns (Anchor memory) {
        return _deposited(3, carol, 3 ether);
    }

    function _deposited(uint256 sequence, address who, uint128 amount) private pure returns (Anchor memory) {
        uint40 id = idAt(DEPOSIT_BLOCK, sequence);
        return Anchor(uint56(id) * 65_536, id, userState(who, one(ETH, amount)));
    }
}
