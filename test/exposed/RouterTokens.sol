// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

import {IDepositRouter} from "../../contracts/interfaces/IDepositRouter.sol";

/// @notice OpenZeppelin's ERC-20 with permits.
contract PermitToken is ERC20("Permit", "PMT"), ERC20Permit("Permit") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// @notice Calls the router again on its way there, and keeps what that answered.
contract HookToken is ERC20("Hook", "HOOK") {
    bytes public answer;

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        super.transferFrom(from, to, amount);
        if (answer.length == 0) {
            bytes memory again = abi.encodeCall(
                IDepositRouter.depositWithPermit, (address(this), 0, bytes21(uint168(2 ** 160 + 1)), 0, 0, 0, 0)
            );
            (, answer) = to.call(again);
        }
        return true;
    }
}
