// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

/// @notice Puts any code at one address, and other code once that is destroyed.
contract Metamorphic {
    bytes public runtime;

    function hatch(bytes calldata runtime_) public returns (address) {
        runtime = runtime_;
        return address(new Egg{salt: 0}());
    }

    function hatchAndBurn(bytes calldata runtime_) external returns (address bird) {
        bird = hatch(runtime_);
        (bool done,) = bird.call("");
        require(done, "burnt");
    }
}

/// @notice Asks who creates it for its code.
contract Egg {
    constructor() {
        bytes memory runtime = Metamorphic(msg.sender).runtime();
        assembly ("memory-safe") {
            return(add(runtime, 32), mload(runtime))
        }
    }
}
