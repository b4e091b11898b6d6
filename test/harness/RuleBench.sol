// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Test} from "forge-std/Test.sol";

import {IRule} from "../../contracts/interfaces/IRule.sol";
import {IRuleRegistry} from "../../contracts/interfaces/IRuleRegistry.sol";

/// @notice One rule at work on fragments in storage: calls it with what a kernel would show it, and applies the effects it returns by
/// the letter of docs/spec.md, section 6.3. Consent is said, not signed: signatures and L1 are tested elsewhere. A call is all or nothing.
abstract contract RuleBench is Test {
    /// @notice The kernel would refuse the call.
    error Refused(string why);

    struct Stored {
        uint80 id;
        bool isNew; // opened since the last `nextBatch`: rules see no id
        uint8 kind;
        address controller;
        bytes data;
        bytes32[] assets; // each once, also of those that are used up
        mapping(bytes32 => uint128) holds;
    }

    /// @dev An authorisation: of the fragment at this position in the call.
    struct Consent {
        uint8 position;
        bytes payload;
    }

    /// @dev What a rule said of an authorisation.
    struct Meaning {
        uint8 authorisation;
        bytes32 typeHash;
        bytes32 structHash;
    }

    uint8 internal constant KEY = 1;
    uint8 internal constant RULE = 3;

    Stored[] private _fragments;
    /// @dev Of issued assets, by all fragments: minted less burnt. Of others: what tests gave.
    mapping(bytes32 asset => uint256) internal supply;
    /// @dev Of the last call.
    Meaning[] internal meanings;
    /// @dev Where the last call's opened fragments are, in order.
    uint256[] internal opened;
    /// @dev The rules' clock and proposer.
    IRule.Context internal context = IRule.Context(1000, address(0x9909));

    uint256[] private _parties;

    // ---------------------------------------------------------------- fragments

    /// @dev Registers a contract's runtime, as anybody would: it must pass the purity scan.
    function registered(string memory artifact) internal returns (address) {
        return IRuleRegistry(deployCode("RuleRegistry.sol:RuleRegistry")).register(vm.getDeployedCode(artifact));
    }

    /// @dev A new fragment; returns its place.
    function fragment(uint8 kind, address controller) internal returns (uint256 place) {
        place = _fragments.length;
        Stored storage made = _fragments.push();
        made.id = uint80((place + 1) << 24);
        made.kind = kind;
        made.controller = controller;
    }

    function user(string memory name) internal returns (uint256) {
        return fragment(KEY, makeAddr(name));
    }

    function give(uint256 place, bytes32 asset, uint128 amount) internal {
        supply[asset] += amount;
        _credit(place, asset, amount);
    }

    function holding(uint256 place, bytes32 asset) internal view returns (uint128) {
        return _fragments[place].holds[asset];
    }

    function dataOf(uint256 place) internal view returns (bytes memory) {
        return _fragments[place].data;
    }

    /// @dev For forgeries: what anybody may have written into a fragment of their own.
    function setData(uint256 place, bytes memory data) internal {
        _fragments[place].data = data;
    }

    function idOf(uint256 place) internal view returns (uint80) {
        return _fragments[place].id;
    }

    function fragmentCount() internal view returns (uint256) {
        return _fragments.length;
    }

    /// @dev From now on rules see the ids of what was opened.
    function nextBatch() internal {
        for (uint256 i = 0; i < _fragments.length; i++) {
            _fragments[i].isNew = false;
        }
    }

    function issued(address rule, bytes32 tag) internal pure returns (bytes32) {
        return bytes32(uint256(keccak256(abi.encodePacked(rule, tag))) | (1 << 255));
    }

    /// @dev As a rule sees it: assets sorted, none of them zero.
    function shown(uint256 place) internal view returns (IRule.Fragment memory seen) {
        Stored storage stored = _fragments[place];
        uint256 count;
        for (uint256 i = 0; i < stored.assets.length; i++) {
            if (stored.holds[stored.assets[i]] != 0) count++;
        }
        seen.id = stored.isNew ? 0 : stored.id;
        (seen.kind, seen.controller, seen.data) = (stored.kind, stored.controller, stored.data);
        seen.assets = new IRule.Asset[](count);
        bytes32 last;
        for (uint256 n = 0; n < count; n++) {
            bytes32 least = bytes32(type(uint256).max);
            for (uint256 i = 0; i < stored.assets.length; i++) {
                bytes32 asset = stored.assets[i];
                if (stored.holds[asset] != 0 && asset <= least && (n == 0 || asset > last)) least = asset;
            }
            seen.assets[n] = IRule.Asset(least, stored.holds[least]);
            last = least;
        }
    }

    // ---------------------------------------------------------------- calls

    /// @dev Calls the rule and applies what it returns. Reverts, with the rule's reason or `Refused`, and changes nothing, if that is invalid.
    function run(address rule, uint256[] memory listed, Consent[] memory consents, bytes memory extra) public {
        require(msg.sender == address(this) || msg.sender == tx.origin, "internal");
        _parties = listed;
        delete opened;
        delete meanings;
        IRule.Fragment[] memory seen = new IRule.Fragment[](listed.length);
        bytes32[] memory before = new bytes32[](listed.length);
        for (uint256 i = 0; i < listed.length; i++) {
            for (uint256 j = 0; j < i; j++) {
                if (listed[j] == listed[i]) revert Refused("a fragment twice");
            }
            seen[i] = shown(listed[i]);
            if (seen[i].kind == RULE && seen[i].controller != rule) revert Refused("under another rule");
            before[i] = keccak256(abi.encode(seen[i]));
        }
        IRule.Authorisation[] memory authorisations = new IRule.Authorisation[](consents.length);
        for (uint256 i = 0; i < consents.length; i++) {
            if (i > 0 && consents[i - 1].position >= consents[i].position) revert Refused("order of authorisations");
            if (_fragments[listed[consents[i].position]].isNew) revert Refused("a new fragment signs");
            authorisations[i] = IRule.Authorisation(consents[i].position, consents[i].payload);
        }
        bytes memory effects = IRule(rule).transition(context, seen, authorisations, extra);
        _apply(rule, consents, effects);
        for (uint256 i = 0; i < listed.length; i++) {
            if (_signed(consents, i)) continue;
            // As it was before: the rule may have handed it to a key.
            if (seen[i].kind != RULE || seen[i].controller != rule) revert Refused("no consent");
            if (keccak256(abi.encode(shown(listed[i]))) == before[i]) revert Refused("unchanged");
        }
    }

    /// @dev Whether the call is valid; if not, it changed nothing.
    function tryRun(address rule, uint256[] memory listed, Consent[] memory consents, bytes memory extra)
        internal
        returns (bool done)
    {
        (done,) = address(this).call(abi.encodeCall(this.run, (rule, listed, consents, extra)));
    }

    function one(uint8 position, bytes memory payload) internal pure returns (Consent[] memory consents) {
        consents = new Consent[](1);
        consents[0] = Consent(position, payload);
    }

    function places(uint256 a) internal pure returns (uint256[] memory list) {
        list = new uint256[](1);
        list[0] = a;
    }

    function places(uint256 a, uint256 b) internal pure returns (uint256[] memory list) {
        list = new uint256[](2);
        (list[0], list[1]) = (a, b);
    }

    function places(uint256 a, uint256 b, uint256 c) internal pure returns (uint256[] memory list) {
        list = new uint256[](3);
        (list[0], list[1], list[2]) = (a, b, c);
    }

    // ---------------------------------------------------------------- effects

    function _apply(address rule, Consent[] memory consents, bytes memory effects) private {
        uint256 pos;
        uint256 count;
        bool meaningsOver;
        while (pos < effects.length) {
            if (++count > 64) revert Refused("more than 64 effects");
            uint8 code = uint8(effects[pos]);
            if (code == 10) {
                Meaning memory said =
                    Meaning(uint8(_number(effects, pos + 1, 1)), _word(effects, pos + 2), _word(effects, pos + 34));
                if (meaningsOver) revert Refused("a late meaning");
                if (said.authorisation >= consents.length) revert Refused("a meaning of nothing");
                if (meanings.length > 0 && meanings[meanings.length - 1].authorisation >= said.authorisation) {
                    revert Refused("order of meanings");
                }
                meanings.push(said);
                pos += 66;
                continue;
            }
            meaningsOver = true;
            uint8 party = uint8(_number(effects, pos + 1, 1));
            if (code == 1) {
                uint128 amount = uint128(_number(effects, pos + 35, 16));
                uint8 to = uint8(_number(effects, pos + 2, 1));
                if (party == to) revert Refused("a move to itself");
                _debit(rule, consents, party, _word(effects, pos + 3), amount);
                _credit(_place(to), _word(effects, pos + 3), amount);
                pos += 51;
            } else if (code == 2 || code == 3) {
                bytes32 asset = issued(rule, _word(effects, pos + 2));
                uint128 amount = uint128(_number(effects, pos + 34, 16));
                if (code == 2) {
                    supply[asset] += amount;
                    _credit(_place(party), asset, amount);
                } else {
                    _debit(rule, consents, party, asset, amount);
                    supply[asset] -= amount;
                }
                pos += 50;
            } else if (code == 4) {
                _requireAuthority(rule, consents, party);
                uint256 size = _number(effects, pos + 2, 2);
                if (size > 2048) revert Refused("too much data");
                _fragments[_place(party)].data = _slice(effects, pos + 4, size);
                pos += 4 + size;
            } else if (code == 5 || code == 9) {
                // For 5 the first operand is a depth, for 9 a header.
                if (code == 9) _requireAuthority(rule, consents, party);
                uint8 kind = uint8(_number(effects, pos + 2, 1));
                address controller = address(uint160(_number(effects, pos + 3, 20)));
                if (kind == RULE && controller != rule) revert Refused("under another rule");
                uint256 place = fragment(kind, controller);
                _fragments[place].isNew = true;
                opened.push(place);
                _parties.push(place);
                pos += 23;
            } else if (code == 7) {
                _requireAuthority(rule, consents, party);
                Stored storage stored = _fragments[_place(party)];
                if (stored.kind != RULE) revert Refused("a key's fragment");
                stored.kind = uint8(_number(effects, pos + 2, 1));
                stored.controller = address(uint160(_number(effects, pos + 3, 20)));
                if (stored.kind == 0 || stored.kind >= RULE || stored.controller == address(0)) {
                    revert Refused("no key");
                }
                pos += 23;
            } else {
                revert Refused("an effect that no rule here has");
            }
        }
        if (pos != effects.length) revert Refused("truncated");
    }

    function _debit(address rule, Consent[] memory consents, uint8 position, bytes32 asset, uint128 amount) private {
        _requireAuthority(rule, consents, position);
        mapping(bytes32 => uint128) storage holds = _fragments[_place(position)].holds;
        if (holds[asset] < amount) revert Refused("overdraft");
        holds[asset] -= amount;
    }

    function _credit(uint256 place, bytes32 asset, uint128 amount) private {
        if (amount == 0) revert Refused("nothing moved");
        Stored storage stored = _fragments[place];
        if (uint256(stored.holds[asset]) + amount > type(uint128).max) revert Refused("overflow");
        stored.holds[asset] += amount;
        for (uint256 i = 0; i < stored.assets.length; i++) {
            if (stored.assets[i] == asset) return;
        }
        stored.assets.push(asset);
    }

    function _requireAuthority(address rule, Consent[] memory consents, uint8 position) private view {
        Stored storage stored = _fragments[_place(position)];
        if (!_signed(consents, position) && !(stored.kind == RULE && stored.controller == rule)) {
            revert Refused("no authority");
        }
    }

    function _place(uint8 position) private view returns (uint256) {
        if (position >= _parties.length) revert Refused("no such position");
        return _parties[position];
    }

    function _signed(Consent[] memory consents, uint256 position) private pure returns (bool) {
        for (uint256 i = 0; i < consents.length; i++) {
            if (consents[i].position == position) return true;
        }
        return false;
    }

    function _number(bytes memory data, uint256 from, uint256 size) private pure returns (uint256 value) {
        for (uint256 i = from; i < from + size; i++) {
            if (i >= data.length) revert Refused("truncated");
            value = (value << 8) | uint8(data[i]);
        }
    }

    function _word(bytes memory data, uint256 from) private pure returns (bytes32) {
        return bytes32(_number(data, from, 32));
    }

    function _slice(bytes memory data, uint256 from, uint256 size) private pure returns (bytes memory out) {
        out = new bytes(size);
        for (uint256 i = 0; i < size; i++) {
            if (from + i >= data.length) revert Refused("truncated");
            out[i] = data[from + i];
        }
    }
}
