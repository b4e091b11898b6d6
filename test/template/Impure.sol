// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

// What the purity scan refuses (docs/writing-a-rule.md), each in a contract of its own, compiled as rules are. And what it does
// not refuse, although it does not do what it seems to.

library Linked {
    function twice(uint256 x) external pure returns (uint256) {
        return 2 * x;
    }
}

contract AsksItsAddress {
    function run() external view returns (address) {
        return address(this);
    }
}

contract AsksWhoCalls {
    function run() external view returns (address) {
        return msg.sender;
    }
}

contract AsksABalance {
    function run() external view returns (uint256) {
        return address(1).balance;
    }
}

contract AsksTheBlock {
    function run() external view returns (uint256) {
        return block.number;
    }
}

contract AsksTheChain {
    function run() external view returns (uint256) {
        return block.chainid;
    }
}

contract AsksForGas {
    function run() external view returns (uint256) {
        return gasleft();
    }
}

contract Stores {
    uint256 public value;
}

contract StoresForAWhile {
    uint256 private transient value;

    function run() external view returns (uint256) {
        return value;
    }
}

contract Hashes {
    /// @dev SHA-256 is a precompile, which is called; Keccak-256 is an opcode.
    function run(bytes calldata data) external pure returns (bytes32) {
        return sha256(data);
    }
}

contract Recovers {
    function run(bytes32 digest, uint8 v, bytes32 r, bytes32 s) external pure returns (address) {
        return ecrecover(digest, v, r, s);
    }
}

contract CallsALibrary {
    function run(uint256 x) external pure returns (uint256) {
        return Linked.twice(x);
    }
}

contract Creates {
    function run() external returns (address) {
        return address(new AsksForGas());
    }
}

contract Logs {
    event Done();

    function run() external {
        emit Done();
    }
}

/// @dev Passes, and says zero: the registry deploys the runtime, and no constructor ever runs.
contract HasAnImmutable {
    uint256 private immutable VALUE;

    constructor() {
        VALUE = 7;
    }

    function run() external view returns (uint256) {
        return VALUE;
    }
}

/// @dev Passes: all of this is computation.
contract Computes {
    error Wrong(uint256 value);

    function run(bytes calldata data) external pure returns (bytes32 hash) {
        if (data.length > 64) revert Wrong(data.length);
        (uint256 x, string memory text) = abi.decode(data, (uint256, string));
        hash = keccak256(abi.encodePacked(x, text, msg.data.length));
    }
}
