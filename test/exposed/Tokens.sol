// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

import {IBridge} from "../../contracts/interfaces/IBridge.sol";

/// @notice Keeps one part in a hundred of each transfer.
contract FeeToken is ERC20("Fee", "FEE") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (from == address(0)) return super._update(from, to, amount);
        super._update(from, address(1), amount / 100);
        super._update(from, to, amount - amount / 100);
    }
}

/// @notice Returns nothing, as some of the oldest tokens do.
contract SilentToken {
    mapping(address => uint256) public balanceOf;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address, uint256) external pure returns (bool) {
        return true;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    function transferFrom(address from, address to, uint256 amount) external {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @notice Deposits again while it is being deposited.
contract ReentrantToken {
    IBridge private immutable BRIDGE;
    mapping(address => uint256) public balanceOf;

    constructor(address bridge) {
        BRIDGE = IBridge(bridge);
    }

    function transferFrom(address, address to, uint256 amount) external returns (bool) {
        if (amount > 1) BRIDGE.depositToken(address(this), 1, bytes21(uint168(1 << 160 | 1)));
        balanceOf[to] += amount;
        return true;
    }
}

/// @notice Takes ETH, or refuses it, burns its gas, or does something else with it: the recipients a bridge meets.
contract Recipient {
    enum Mood {
        Taking,
        Refusing,
        Burning,
        Calling
    }

    Mood private _mood;
    address private _target;
    bytes private _call;
    bool public called;
    bytes public answer;

    function set(Mood mood, address target, bytes calldata call_) external {
        (_mood, _target, _call) = (mood, target, call_);
    }

    receive() external payable {
        if (_mood == Mood.Refusing) {
            // Much data, to be copied by the unwary.
            assembly ("memory-safe") {
                revert(0, 100000)
            }
        }
        if (_mood == Mood.Burning) while (true) {}
        if (_mood == Mood.Calling) {
            (called, answer) = _target.call(_call);
            called = true;
        }
    }

    /// @dev Acts as this contract.
    function act(address target, bytes calldata data) external returns (bytes memory) {
        (bool done, bytes memory output) = target.call(data);
        if (!done) {
            assembly ("memory-safe") {
                revert(add(output, 32), mload(output))
            }
        }
        return output;
    }
}
