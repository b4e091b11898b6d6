// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Vm} from "forge-std/Vm.sol";

/// @notice What a wallet is asked to sign, as JSON: an intent of the rule's own, and the kernel's fields behind it.
library TypedData {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    string private constant OPEN =
        '[{"name":"seller","type":"Key"},{"name":"arbiter","type":"Key"},{"name":"fee","type":"uint24"},{"name":"refundBlock","type":"uint64"},{"name":"proposer","type":"address"},{"name":"asset","type":"bytes32"},{"name":"amount","type":"uint128"}]';
    string private constant PAY =
        '[{"name":"escrow","type":"uint80"},{"name":"seller","type":"Key"},{"name":"asset","type":"bytes32"},{"name":"amount","type":"uint128"},{"name":"fee","type":"uint128"}]';
    string private constant KERNEL =
        '"Key":[{"name":"kind","type":"uint8"},{"name":"controller","type":"address"}],"Outflow":[{"name":"asset","type":"bytes32"},{"name":"amount","type":"uint128"}],"EIP712Domain":[{"name":"name","type":"string"},{"name":"version","type":"string"},{"name":"chainId","type":"uint256"},{"name":"verifyingContract","type":"address"}]';
    string private constant AUTHORISATION =
        '{"name":"rule","type":"address"},{"name":"fragment","type":"uint80"},{"name":"nonce","type":"uint64"},{"name":"validUntil","type":"uint64"},{"name":"outflows","type":"Outflow[]"}]';

    /// @dev The kernel's fields.
    struct Rest {
        address bridge;
        address rule;
        uint80 fragment;
        uint64 nonce;
        uint64 validUntil;
        uint128 outflow; // of ETH; zero: none
    }

    /// @dev Of EscrowOpen, for secp256k1 keys.
    function open(
        address seller,
        address arbiter,
        uint24 fee,
        uint64 refundBlock,
        address proposer,
        uint128 amount,
        Rest memory rest
    ) internal view returns (bytes32 digest) {
        string memory intent = string.concat('{"seller":', _key(seller), ',"arbiter":', _key(arbiter));
        intent = string.concat(intent, ',"fee":', _number(fee), ',"refundBlock":', _number(refundBlock));
        intent = string.concat(intent, ',"proposer":"', vm.toString(proposer), '","asset":', _word(0));
        return _digest("EscrowOpen", OPEN, string.concat(intent, ',"amount":', _number(amount), "}"), rest);
    }

    /// @dev Of EscrowPay.
    function pay(uint80 escrow, address seller, uint128 amount, uint128 fee, Rest memory rest)
        internal
        view
        returns (bytes32 digest)
    {
        string memory intent = string.concat('{"escrow":', _number(escrow), ',"seller":', _key(seller));
        intent = string.concat(intent, ',"asset":', _word(0), ',"amount":', _number(amount));
        return _digest("EscrowPay", PAY, string.concat(intent, ',"fee":', _number(fee), "}"), rest);
    }

    function _digest(string memory name, string memory fields, string memory intent, Rest memory rest)
        private
        view
        returns (bytes32)
    {
        string memory types = string.concat('{"Authorisation":[{"name":"intent","type":"', name, '"},', AUTHORISATION);
        types = string.concat(types, ',"', name, '":', fields, ",", KERNEL, "}");
        string memory domain = string.concat('{"name":"nthroot","version":"1","chainId":', _number(block.chainid));
        domain = string.concat(domain, ',"verifyingContract":"', vm.toString(rest.bridge), '"}');
        string memory outflows = string.concat('{"asset":', _word(0), ',"amount":', _number(rest.outflow), "}");
        string memory message = string.concat('{"intent":', intent, ',"rule":"', vm.toString(rest.rule), '"');
        message = string.concat(message, ',"fragment":', _number(rest.fragment), ',"nonce":', _number(rest.nonce));
        message = string.concat(message, ',"validUntil":', _number(rest.validUntil));
        message = string.concat(message, ',"outflows":[', rest.outflow == 0 ? "" : outflows, "]}");
        string memory json = string.concat('{"types":', types, ',"primaryType":"Authorisation","domain":', domain);
        return vm.eip712HashTypedData(string.concat(json, ',"message":', message, "}"));
    }

    function _key(address controller) private pure returns (string memory) {
        return string.concat('{"kind":1,"controller":"', vm.toString(controller), '"}');
    }

    function _number(uint256 value) private pure returns (string memory) {
        return string.concat('"', vm.toString(value), '"');
    }

    function _word(uint256 value) private pure returns (string memory) {
        return string.concat('"', vm.toString(bytes32(value)), '"');
    }
}
