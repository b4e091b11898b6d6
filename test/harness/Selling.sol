// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {Draft} from "./Drafts.sol";
import {Offers} from "./Offers.sol";
import {Scenario} from "./Scenario.sol";
import {Posted, Step} from "./Shapes.sol";

/// @notice Claims and offers for them, signed as docs/spec.md, section 9, has it.
abstract contract Selling is Scenario {
    /// @dev Alice withdraws `count` times to Bob, one wei more each time. An honest step.
    function _withdrawing(uint256 count) internal view returns (Step memory, IBridge.Withdrawal[] memory list) {
        return _withdrawing(count, bob);
    }

    function _withdrawing(uint256 count, address recipient)
        internal
        view
        returns (Step memory, IBridge.Withdrawal[] memory list)
    {
        bytes memory payload;
        uint128 sum = 0;
        list = new IBridge.Withdrawal[](count);
        for (uint256 i = 0; i < count; i++) {
            list[i] = IBridge.Withdrawal(recipient, address(0), uint128(100 + i));
            payload = bytes.concat(payload, withdraw(recipient, address(0), list[i].amount));
            sum += list[i].amount;
        }
        Draft memory d = solo(a(), payload, one(ETH, sum), 0, 0);
        d.calls[0].maxEffects = 1000;
        d.freshAfter[0].assets = minus(d.freshAfter[0].assets, ETH, sum);
        d.withdrawals = list;
        return (step(d), list);
    }

    function _post(uint256 count) internal returns (Posted memory p, IBridge.Withdrawal[] memory list) {
        return _post(count, bob);
    }

    function _post(uint256 count, address recipient)
        internal
        returns (Posted memory p, IBridge.Withdrawal[] memory list)
    {
        Step memory s;
        (s, list) = _withdrawing(count, recipient);
        p = post(steps(s));
    }

    /// @dev The only claim of its batch changes hands.
    function _give(Posted memory p, IBridge.Withdrawal memory w, address from, address to) internal {
        vm.prank(from);
        bridge.assign(p.preimage, 0, w, "", IBridge.Terms(from, to, address(0), 0, 0, false), "");
    }

    function _digest(Posted memory p, uint256 position, uint256 sequence, IBridge.Terms memory terms)
        internal
        view
        returns (bytes32)
    {
        return Offers.digest(address(bridge), p.preimage, position, sequence, terms);
    }

    function _sign(Posted memory p, uint256 position, uint256 sequence, IBridge.Terms memory terms)
        internal
        view
        returns (bytes memory)
    {
        return _signBy(terms.from, p, position, sequence, terms);
    }

    function _signBy(address who, Posted memory p, uint256 position, uint256 sequence, IBridge.Terms memory terms)
        internal
        view
        returns (bytes memory)
    {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keyOf[who], _digest(p, position, sequence, terms));
        return abi.encodePacked(r, s, v);
    }

    /// @dev View and storage slot. Recipient zero: never assigned.
    function _assertAssigned(Posted memory p, uint8 position, address recipient, uint256 count) internal view {
        (address got, uint256 gotCount) = bridge.assignmentOf(p.id, position);
        assertEq(got, recipient, "recipient");
        assertEq(gotCount, count, "assignments");
        bytes32 slot = bytes32(abi.encodePacked(bytes26(keccak256("nthroot.assignment")), p.id, position));
        assertEq(vm.load(address(bridge), slot), bytes32(abi.encodePacked(uint96(count), recipient)), "slot");
    }
}
