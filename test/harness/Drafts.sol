// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {IBridge} from "../../contracts/interfaces/IBridge.sol";
import {IRule} from "../../contracts/interfaces/IRule.sol";
import {Codec} from "./Codec.sol";
import {CohortTree} from "./CohortTree.sol";
import {Deployment} from "./Deployment.sol";
import {Again, Anchor, Call, Cohort, Fresh, Meaning, Node, Signed, State, Step, unleased} from "./Shapes.sol";

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
    Cohort[] freshCohorts; // as they come: single fragments
    Cohort[] againCohorts;
    uint8[] depths; // of the opened touches
}

/// @notice Honest steps, of which the tests change one thing each.
abstract contract Drafts is Deployment {
    using Codec for *;

    uint32 internal constant RULE_GAS = 70_000;
    uint16 internal constant MAX_EFFECTS = 256;

    // ---------------------------------------------------------------- states

    function userState(address controller, IRule.Asset[] memory assets) internal pure returns (State memory) {
        return unleased(1, controller, 0, assets, "");
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
        return fragmentId(anchor, 0);
    }

    function fragmentId(Anchor memory anchor, uint24 leaf) internal pure returns (uint80) {
        return uint80(bytes10(abi.encodePacked(anchor.id, leaf)));
    }

    // ---------------------------------------------------------------- payloads of the Account rule

    function pay(Anchor memory to, bytes32 asset, uint128 amount) internal pure returns (bytes memory) {
        return pay(fragmentId(to), asset, amount);
    }

    function pay(uint80 to, bytes32 asset, uint128 amount) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(1), to, asset, amount);
    }

    function open(uint8 kind, address controller, IRule.Asset[] memory assets) internal pure returns (bytes memory) {
        return open(0, kind, controller, assets);
    }

    function open(uint8 depth, uint8 kind, address controller, IRule.Asset[] memory assets)
        internal
        pure
        returns (bytes memory)
    {
        return bytes.concat(abi.encodePacked(uint8(2), depth, kind, controller), _list(assets));
    }

    function setController(uint8 kind, address controller) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(4), kind, controller);
    }

    function setLease(address holder, uint64 last) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(5), holder, last);
    }

    function openLeaf(uint8 kind, address controller, IRule.Asset[] memory assets)
        internal
        pure
        returns (bytes memory)
    {
        return bytes.concat(abi.encodePacked(uint8(6), kind, controller), _list(assets));
    }

    function _list(IRule.Asset[] memory assets) private pure returns (bytes memory out) {
        out = abi.encodePacked(uint8(assets.length));
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
        a = Signed(position, uint64(block.number + 100), outflows, payload, 1, new bytes(64));
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
        return signDigest(a, digest(a, rule, fragment, nonce), key);
    }

    /// @dev The same, where the rule says what the payload means.
    function sign(Signed memory a, address rule, Anchor memory anchor, Meaning memory meaning)
        internal
        view
        returns (Signed memory)
    {
        bytes32 digest_ = digest(a, rule, fragmentId(anchor), anchor.state.nonce, meaning);
        return signDigest(a, digest_, keyOf[anchor.state.controller]);
    }

    function digest(Signed memory a, address rule, uint80 fragment, uint64 nonce) internal view returns (bytes32) {
        return digest(a, rule, fragment, nonce, Codec.plain(a));
    }

    function digest(Signed memory a, address rule, uint80 fragment, uint64 nonce, Meaning memory meaning)
        internal
        view
        returns (bytes32)
    {
        return Codec.digest(Codec.domain(block.chainid, address(bridge)), rule, fragment, nonce, a, meaning);
    }

    function signDigest(Signed memory a, bytes32 digest_, uint256 key) internal pure returns (Signed memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest_);
        a.signature = abi.encodePacked(r, (uint256(v) - 27) * 2 ** 255 + uint256(s));
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
        d.freshCohorts = new Cohort[](fresh);
        d.againCohorts = new Cohort[](again);
        d.depths = new uint8[](opened);
        d.withdrawals = new IBridge.Withdrawal[](withdrawals);
        d.calls = new Call[](calls);
    }

    function step(Draft memory d) internal pure returns (Step memory s) {
        s.fresh = new Fresh[](d.fresh.length);
        for (uint256 i = 0; i < d.fresh.length; i++) {
            bytes27 root = rootAfter(d.freshAfter[i], d.freshCohorts[i]);
            s.fresh[i] = Fresh(d.fresh[i].id, root, d.fresh[i].writer);
        }
        s.opened = new bytes27[](d.opened.length);
        for (uint256 i = 0; i < d.opened.length; i++) {
            s.opened[i] = cohortRoot(d.depths[i], d.opened[i]);
        }
        s.again = new Again[](d.again.length);
        for (uint256 i = 0; i < d.again.length; i++) {
            s.again[i] = Again(d.entries[i], rootAfter(d.againAfter[i], d.againCohorts[i]));
        }
        s.withdrawals = d.withdrawals;
        uint24[][] memory table = new uint24[][](d.fresh.length + d.again.length);
        for (uint256 i = 0; i < table.length; i++) {
            table[i] = further(i < d.fresh.length ? d.freshCohorts[i] : d.againCohorts[i - d.fresh.length]);
        }
        s.body = Codec.body(table, d.calls);
    }

    /// @dev The leaves of a cohort that the step works on, beside leaf 0.
    function further(Cohort memory cohort) internal pure returns (uint24[] memory list) {
        list = new uint24[](cohort.leaves.length);
        for (uint256 i = 0; i < list.length; i++) {
            list[i] = cohort.leaves[i].index;
        }
    }

    /// @dev Root of a cohort of which the header alone was opened.
    function cohortRoot(uint8 depth, State memory header) internal pure returns (bytes27) {
        Node[] memory nodes = new Node[](1);
        nodes[0] = Node(0, 0, keccak256(header.encode()));
        return CohortTree.root(depth, nodes);
    }

    function rootAfter(State memory header, Cohort memory cohort) internal pure returns (bytes27) {
        Node[] memory nodes = new Node[](1 + cohort.leaves.length + cohort.rest.length);
        nodes[0] = Node(0, 0, keccak256(header.encode()));
        for (uint256 i = 0; i < cohort.leaves.length; i++) {
            nodes[1 + i] = Node(0, cohort.leaves[i].index, cohort.leaves[i].next.value());
        }
        for (uint256 i = 0; i < cohort.rest.length; i++) {
            nodes[1 + cohort.leaves.length + i] = cohort.rest[i];
        }
        return CohortTree.root(cohort.depth, nodes);
    }

    /// @dev Canonical pre-states of single fragments: of the fresh, then the repeated touches.
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
