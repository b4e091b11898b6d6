// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Codec} from "./Codec.sol";
import {Deployment} from "./Deployment.sol";
import {Again, Anchor, Call, Fresh, Header, Signed, State, Step} from "./Shapes.sol";

/// @dev A step in the making: states before and after instead of roots.
struct Draft {
    Anchor[] fresh;
    State[] opened; // after the step
    uint16[] entries; // of the repeated touches
    Anchor[] again;
    State[] freshAfter;
    State[] againAfter;
    IBridge.Withdrawal[] withdrawals;
    Call[] calls;
}

/// @notice Honest steps, of which the tests change one thing each.
abstract contract Drafts is Deployment {
    using Codec for *;

    uint32 internal constant RULE_GAS = 100_000;
    uint16 internal constant MAX_EFFECTS = 256;

    // ---------------------------------------------------------------- states

    function userState(address controller, IRule.Asset[] memory assets) internal pure returns (State memory) {
        return State(1, controller, 0, assets, "");
    }

    /// @dev The assets after adding, in order. Fails on overflow.
    function plus(IRule.Asset[] memory assets, bytes32 id, uint128 amount)
        internal
        pure
        returns (IRule.Asset[] memory out)
    {
        for (uint256 i = 0; i < assets.length; i++) {
            if (assets[i].id == id) {
                assets[i].amount += amount;
                return assets;
            }
        }
        out = new IRule.Asset[](assets.length + 1);
        uint256 place = 0;
        for (uint256 i = 0; i < assets.length; i++) {
            if (place == i && assets[i].id > id) out[place++] = IRule.Asset(id, amount);
            out[place++] = assets[i];
        }
        if (place == assets.length) out[place] = IRule.Asset(id, amount);
    }

    function minus(IRule.Asset[] memory assets, bytes32 id, uint128 amount)
        internal
        pure
        returns (IRule.Asset[] memory out)
    {
        bool gone;
        for (uint256 i = 0; i < assets.length; i++) {
            if (assets[i].id == id) {
                assets[i].amount -= amount;
                gone = assets[i].amount == 0;
            }
        }
        if (!gone) return assets;
        out = new IRule.Asset[](assets.length - 1);
        uint256 place = 0;
        for (uint256 i = 0; i < assets.length; i++) {
            if (assets[i].id != id) out[place++] = assets[i];
        }
    }

    function fragmentId(Anchor memory anchor) internal pure returns (uint80) {
        return uint80(bytes10(abi.encodePacked(anchor.id, uint24(0))));
    }

    // ---------------------------------------------------------------- payloads of the Account rule

    function pay(Anchor memory to, bytes32 asset, uint128 amount) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(1), fragmentId(to), asset, amount);
    }

    function open(uint8 kind, address controller, IRule.Asset[] memory assets)
        internal
        pure
        returns (bytes memory out)
    {
        out = abi.encodePacked(uint8(2), kind, controller, uint8(assets.length));
        for (uint256 i = 0; i < assets.length; i++) {
            out = abi.encodePacked(out, assets[i].id, assets[i].amount);
        }
    }

    function withdraw(address recipient, address token, uint128 amount) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(3), recipient, token, amount);
    }

    // ---------------------------------------------------------------- signatures

    function unsigned(uint8 position, bytes memory payload, IRule.Asset[] memory outflows)
        internal
        view
        returns (Signed memory a)
    {
        a = Signed(position, uint64(block.number + 100), outflows, payload, 1, 0, 0);
    }

    /// @dev Signs for the anchor's fragment at its present nonce, by its controller's key.
    function sign(Signed memory a, address rule, Anchor memory anchor) internal view returns (Signed memory) {
        return sign(a, rule, fragmentId(anchor), anchor.state.nonce, keyOf[anchor.state.controller]);
    }

    function sign(Signed memory a, address rule, uint80 fragment, uint64 nonce, uint256 key)
        internal
        view
        returns (Signed memory)
    {
        return signDigest(a, Codec.digest(Codec.domain(block.chainid, address(bridge)), rule, fragment, nonce, a), key);
    }

    function signDigest(Signed memory a, bytes32 digest, uint256 key) internal pure returns (Signed memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        a.r = r;
        a.vs = bytes32((uint256(v) - 27) * 2 ** 255 + uint256(s));
        return a;
    }

    // ---------------------------------------------------------------- drafts

    function draft(uint256 fresh, uint256 opened, uint256 again, uint256 withdrawals, uint256 calls)
        internal
        pure
        returns (Draft memory d)
    {
        d.fresh = new Anchor[](fresh);
        d.freshAfter = new State[](fresh);
        d.opened = new State[](opened);
        d.entries = new uint16[](again);
        d.again = new Anchor[](again);
        d.againAfter = new State[](again);
        d.withdrawals = new IBridge.Withdrawal[](withdrawals);
        d.calls = new Call[](calls);
    }

    function step(Draft memory d) internal pure returns (Step memory s) {
        s.fresh = new Fresh[](d.fresh.length);
        for (uint256 i = 0; i < d.fresh.length; i++) {
            s.fresh[i] = Fresh(d.fresh[i].id, d.freshAfter[i].root(), d.fresh[i].writer);
        }
        s.opened = new bytes27[](d.opened.length);
        for (uint256 i = 0; i < d.opened.length; i++) {
            s.opened[i] = d.opened[i].root();
        }
        s.again = new Again[](d.again.length);
        for (uint256 i = 0; i < d.again.length; i++) {
            s.again[i] = Again(d.entries[i], d.againAfter[i].root());
        }
        s.withdrawals = d.withdrawals;
        s.body = d.calls.encode();
    }

    /// @dev Canonical pre-states: of the fresh, then the repeated touches.
    function preStates(Draft memory d) internal pure returns (bytes[] memory states) {
        states = new bytes[](d.fresh.length + d.again.length);
        for (uint256 i = 0; i < d.fresh.length; i++) {
            states[i] = d.fresh[i].state.encode();
        }
        for (uint256 i = 0; i < d.again.length; i++) {
            states[d.fresh.length + i] = d.again[i].state.encode();
        }
    }

    function steps(Step memory a) internal pure returns (Step[] memory list) {
        list = new Step[](1);
        list[0] = a;
    }

    function steps(Step memory a, Step memory b) internal pure returns (Step[] memory list) {
        list = new Step[](2);
        (list[0], list[1]) = (a, b);
    }

    function steps(Step memory a, Step memory b, Step memory c) internal pure returns (Step[] memory list) {
        list = new Step[](3);
        (list[0], list[1], list[2]) = (a, b, c);
    }

    /// @dev `from` pays `to`, who consents. Both are fresh touches.
    function transfer(Anchor memory from, Anchor memory to, bytes32 asset, uint128 amount)
        internal
        view
        returns (Draft memory d)
    {
        d = draft(2, 0, 0, 0, 1);
        (d.fresh[0], d.fresh[1]) = (from, to);
        d.calls[0] = transferCall(0, 1, from, to, asset, amount);
        (d.freshAfter[0], d.freshAfter[1]) = (from.state.copy(), to.state.copy());
        d.freshAfter[0].nonce++;
        d.freshAfter[1].nonce++;
        d.freshAfter[0].assets = minus(d.freshAfter[0].assets, asset, amount);
        d.freshAfter[1].assets = plus(d.freshAfter[1].assets, asset, amount);
    }

    /// @dev The call of a transfer between the step's fragments `a` and `b`.
    function transferCall(uint8 a, uint8 b, Anchor memory from, Anchor memory to, bytes32 asset, uint128 amount)
        internal
        view
        returns (Call memory c)
    {
        c = Call(0, RULE_GAS, MAX_EFFECTS, ids(a, b), new Signed[](2), "");
        c.signed[0] = sign(unsigned(0, pay(to, asset, amount), one(asset, amount)), account, from);
        c.signed[1] = sign(unsigned(1, "", noAssets()), account, to);
    }

    /// @dev One user acts alone by `payload`, with `outflows` at most. The states after are the caller's to say.
    function solo(
        Anchor memory from,
        bytes memory payload,
        IRule.Asset[] memory outflows,
        uint256 opened,
        uint256 withdrawals
    ) internal view returns (Draft memory d) {
        d = draft(1, opened, 0, withdrawals, 1);
        d.fresh[0] = from;
        d.calls[0] = Call(0, RULE_GAS, MAX_EFFECTS, ids(0), new Signed[](1), "");
        d.calls[0].signed[0] = sign(unsigned(0, payload, outflows), account, from);
        d.freshAfter[0] = from.state.copy();
        d.freshAfter[0].nonce++;
    }

    /// @dev A user withdraws to an L1 recipient.
    function withdrawal(Anchor memory from, address recipient, address token, uint128 amount)
        internal
        view
        returns (Draft memory d)
    {
        bytes32 asset = bytes32(uint256(uint160(token)));
        d = solo(from, withdraw(recipient, token, amount), one(asset, amount), 0, 1);
        d.freshAfter[0].assets = minus(d.freshAfter[0].assets, asset, amount);
        d.withdrawals[0] = IBridge.Withdrawal(recipient, token, amount);
    }

    /// @dev A lie: the step is honest but for one root.
    function lie(Draft memory d) internal pure returns (Draft memory) {
        d.freshAfter[0].nonce += 7;
        return d;
    }
}
