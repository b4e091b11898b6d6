// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

/// @notice Writes the list of effects that a rule returns. For authors of rules.
/// @dev Positions: the call's fragments as listed, then those that the call has opened, in order.
library Effects {
    uint8 internal constant MOVE = 1;
    uint8 internal constant MINT = 2;
    uint8 internal constant BURN = 3;
    uint8 internal constant WRITE = 4;
    uint8 internal constant OPEN = 5;
    uint8 internal constant WITHDRAW = 6;
    uint8 internal constant SET_CONTROLLER = 7;
    uint8 internal constant SET_LEASE = 8;
    uint8 internal constant OPEN_LEAF = 9;
    uint8 internal constant MEANING = 10;

    uint8 internal constant KIND_SECP256K1 = 1;
    uint8 internal constant KIND_P256 = 2;
    uint8 internal constant KIND_RULE = 3;

    /// @notice More effects than the list was made for.
    error ListFull();

    /// @dev A list with room for `capacity` bytes.
    struct List {
        bytes buffer;
        uint256 length;
    }

    function list(uint256 capacity) internal pure returns (List memory made) {
        // Behind the capacity a word more, since effects are written by whole words.
        bytes memory buffer = new bytes(capacity + 32);
        assembly ("memory-safe") {
            mstore(buffer, capacity)
        }
        made.buffer = buffer;
    }

    /// @dev Id of the asset that `rule` issues under `tag`. Its highest bit tells it from every L1 token.
    function issuedAsset(address rule, bytes32 tag) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(rule, tag)) | bytes32(uint256(1) << 255);
    }

    /// @dev Appends abi.encodePacked(MOVE, from, to, asset, amount); in place, for it is what most calls consist of.
    function move(List memory self, uint8 from, uint8 to, bytes32 asset, uint128 amount) internal pure {
        uint256 place = _reserve(self, 51);
        assembly ("memory-safe") {
            mstore8(place, MOVE)
            mstore8(add(place, 1), from)
            mstore8(add(place, 2), to)
            mstore(add(place, 3), asset)
            mstore(add(place, 35), shl(128, amount))
        }
    }

    /// @dev What the controller of the authorisation with this number signed, as EIP-712 structs: the type hash of
    /// `Authorisation` with the rule's own struct for its first member, and that member's hash. Before all other effects.
    /// Appends abi.encodePacked(MEANING, authorisation, typeHash, structHash), in place as `move` does.
    function meaning(List memory self, uint8 authorisation, bytes32 typeHash, bytes32 structHash) internal pure {
        uint256 place = _reserve(self, 66);
        assembly ("memory-safe") {
            mstore8(place, MEANING)
            mstore8(add(place, 1), authorisation)
            mstore(add(place, 2), typeHash)
            mstore(add(place, 34), structHash)
        }
    }

    function mint(List memory self, uint8 to, bytes32 tag, uint128 amount) internal pure {
        _append(self, abi.encodePacked(MINT, to, tag, amount));
    }

    function burn(List memory self, uint8 from, bytes32 tag, uint128 amount) internal pure {
        _append(self, abi.encodePacked(BURN, from, tag, amount));
    }

    function write(List memory self, uint8 fragment, bytes memory data) internal pure {
        _append(self, abi.encodePacked(WRITE, fragment, uint16(data.length), data));
    }

    function open(List memory self, uint8 depth, uint8 kind, address controller) internal pure {
        _append(self, abi.encodePacked(OPEN, depth, kind, controller));
    }

    function openLeaf(List memory self, uint8 header, uint8 kind, address controller) internal pure {
        _append(self, abi.encodePacked(OPEN_LEAF, header, kind, controller));
    }

    function setController(List memory self, uint8 fragment, uint8 kind, address controller) internal pure {
        _append(self, abi.encodePacked(SET_CONTROLLER, fragment, kind, controller));
    }

    /// @dev Both zero end the lease.
    function setLease(List memory self, uint8 fragment, address holder, uint64 lastBlock) internal pure {
        _append(self, abi.encodePacked(SET_LEASE, fragment, holder, lastBlock));
    }

    function withdraw(List memory self, uint8 from, address recipient, address token, uint128 amount) internal pure {
        _append(self, abi.encodePacked(WITHDRAW, from, recipient, token, amount));
    }

    /// @dev The list as a rule returns it.
    function finish(List memory self) internal pure returns (bytes memory effects) {
        effects = self.buffer;
        uint256 length = self.length;
        assembly ("memory-safe") {
            mstore(effects, length)
        }
    }

    function _append(List memory self, bytes memory effect) private pure {
        uint256 place = _reserve(self, effect.length);
        assembly ("memory-safe") {
            mcopy(place, add(effect, 32), mload(effect))
        }
    }

    /// @dev Where in memory the next `size` bytes go.
    function _reserve(List memory self, uint256 size) private pure returns (uint256 place) {
        bytes memory buffer = self.buffer;
        uint256 length = self.length;
        if (length + size > buffer.length) revert ListFull();
        self.length = length + size;
        assembly ("memory-safe") {
            place := add(add(buffer, 32), length)
        }
    }
}
