// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice OpenZeppelin's ERC-20 that anybody can mint.
contract Token is ERC20("Test Dollar", "TUSD") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}
