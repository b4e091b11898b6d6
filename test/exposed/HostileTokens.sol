// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

/// @notice A token of its author's: it calls back, says false, burns gas, answers with a megabyte, or lies about balances.
contract HostileToken {
    enum Mood {
        Plain,
        Calling,
        False,
        Burning,
        Bomb,
        Inflating
    }

    mapping(address who => uint256) private _balances;
    Mood private _mood;
    address private _target;
    bytes private _call;
    bool public done;
    bytes public answer;

    function mint(address to, uint256 amount) external {
        _balances[to] += amount;
    }

    function set(Mood mood, address target, bytes calldata call_) external {
        (_mood, _target, _call) = (mood, target, call_);
        (done, answer) = (false, "");
    }

    /// @dev Inflating: whoever asks holds twice what it holds, and a constant.
    function balanceOf(address who) external view returns (uint256) {
        return _mood == Mood.Inflating ? 2 * _balances[who] + 1e30 : _balances[who];
    }

    function approve(address, uint256) external pure returns (bool) {
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        return _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        return _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private returns (bool) {
        _balances[from] -= amount;
        _balances[to] += amount;
        if (_mood == Mood.False) return false;
        if (_mood == Mood.Burning) while (true) {}
        if (_mood == Mood.Bomb) {
            assembly ("memory-safe") {
                return(0, 1000000)
            }
        }
        if (_mood == Mood.Calling) (done, answer) = _target.call(_call);
        return true;
    }
}

/// @notice One ledger behind two addresses, as tokens have it that were moved to a new contract and kept the old one.
contract Ledger {
    mapping(address who => uint256) public balanceOf;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function move(address from, address to, uint256 amount) external {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

contract Facade {
    Ledger private immutable LEDGER;

    constructor(Ledger ledger) {
        LEDGER = ledger;
    }

    function balanceOf(address who) external view returns (uint256) {
        return LEDGER.balanceOf(who);
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        LEDGER.move(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        LEDGER.move(from, to, amount);
        return true;
    }
}

interface IPayer {
    function onTransfer() external;
}

/// @notice The chain's own coin as a token, which tells the sender of a transfer. Ethereum has none.
contract NativeCoin {
    receive() external payable {}

    function balanceOf(address who) external view returns (uint256) {
        return who.balance;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        IPayer(from).onTransfer();
        // Initcode that destroys itself pays whoever does not want to be paid: PUSH20 to, SELFDESTRUCT.
        bytes memory initcode = abi.encodePacked(hex"73", to, hex"ff");
        assembly ("memory-safe") {
            pop(create(amount, add(initcode, 32), mload(initcode)))
        }
        return true;
    }
}

interface ITaker {
    function deposit(bytes21 key) external payable returns (uint40);
    function depositToken(address token, uint256 amount, bytes21 key) external returns (uint40);
}

/// @notice Deposits the coin, and a second time while that is under way.
contract CoinDepositor is IPayer {
    ITaker private immutable BRIDGE;
    bytes21 private _key;
    uint256 private _value;

    constructor(address bridge) payable {
        BRIDGE = ITaker(bridge);
    }

    function run(address coin, uint256 amount, uint256 value, bytes21 key) external {
        (_key, _value) = (key, value);
        BRIDGE.depositToken(coin, amount, key);
    }

    function onTransfer() external {
        if (_value != 0) BRIDGE.deposit{value: _value}(_key);
    }
}
