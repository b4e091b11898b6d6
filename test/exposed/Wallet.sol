// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @notice A contract that signs by its owner's key (ERC-1271), and takes ETH or does not.
contract Wallet {
    address private immutable OWNER;
    bool private immutable TAKES;

    constructor(address owner, bool takes) {
        OWNER = owner;
        TAKES = takes;
    }

    receive() external payable {
        require(TAKES);
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        (address signer,,) = ECDSA.tryRecoverCalldata(hash, signature);
        return signer == OWNER ? this.isValidSignature.selector : bytes4(0xffffffff);
    }
}
