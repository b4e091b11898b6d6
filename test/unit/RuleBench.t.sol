// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {RuleBench} from "../harness/RuleBench.sol";

/// @notice The bench refuses what a kernel refuses: else the rules' tests would prove nothing.
contract RuleBenchTest is RuleBench {
    bytes32 internal constant ETH = 0;

    address internal puppet; // returns its extra as effects
    uint256 internal ann;
    uint256 internal ben;

    function setUp() public {
        puppet = registered("Puppet.sol:Puppet");
        ann = user("ann");
        ben = user("ben");
        give(ann, ETH, 5);
    }

    function _move(uint8 from, uint8 to, uint128 amount) private pure returns (bytes memory) {
        return abi.encodePacked(uint8(1), from, to, ETH, amount);
    }

    function _run(uint256[] memory listed, Consent[] memory consents, bytes memory effects) private returns (bool) {
        return tryRun(puppet, listed, consents, effects);
    }

    function _both() private pure returns (Consent[] memory consents) {
        consents = new Consent[](2);
        (consents[0].position, consents[1].position) = (0, 1);
    }

    function test_MovesWithConsent() public {
        assertTrue(_run(places(ann, ben), _both(), _move(0, 1, 5)));
        assertEq(holding(ann, ETH), 0);
        assertEq(holding(ben, ETH), 5);
        assertEq(shown(ann).assets.length, 0);
    }

    function test_RefusesAndChangesNothing() public {
        assertFalse(_run(places(ann, ben), _both(), _move(0, 1, 6)), "overdraft");
        assertFalse(_run(places(ann, ben), _both(), _move(0, 1, 0)), "nothing");
        assertFalse(_run(places(ann, ben), _both(), _move(0, 0, 1)), "itself");
        assertFalse(_run(places(ann, ben), one(1, ""), _move(0, 1, 1)), "no authority");
        assertFalse(_run(places(ann, ben), one(0, ""), _move(0, 1, 1)), "no consent");
        assertFalse(_run(places(ann, ben), _both(), bytes.concat(_move(0, 1, 5), _move(0, 1, 1))), "twice");
        assertFalse(_run(places(ann, ann), _both(), ""), "listed twice");
        assertFalse(_run(places(ann, ben), _both(), _move(0, 2, 1)), "no such position");
        assertEq(holding(ann, ETH), 5);
    }

    function test_RefusesWhatIsUnderAnotherRule() public {
        uint256 other = fragment(RULE, address(this));
        assertFalse(_run(places(ann, other), one(0, ""), _move(0, 1, 1)), "not even credited");
        assertTrue(_run(places(ann, fragment(RULE, puppet)), one(0, ""), _move(0, 1, 1)));
    }

    function test_OpensUnderItself() public {
        bytes memory effects = abi.encodePacked(uint8(5), uint8(0), RULE, puppet, _move(0, 1, 2), hex"0401000112");
        assertTrue(_run(places(ann), one(0, ""), effects));
        assertEq(dataOf(opened[0]), hex"12");
        assertEq(shown(opened[0]).id, 0);
        nextBatch();
        assertGt(shown(opened[0]).id, 0);
        assertFalse(_run(places(ann), one(0, ""), abi.encodePacked(uint8(5), uint8(0), RULE, address(this))), "other");
    }

    function test_HandsWhatIsUnderTheRuleToAKey() public {
        uint256 vault = fragment(RULE, puppet);
        bytes memory hand = abi.encodePacked(uint8(7), uint8(0), KEY, address(0xbe4));
        assertFalse(_run(places(vault), new Consent[](0), abi.encodePacked(uint8(7), uint8(0), RULE, puppet)), "a rule");
        assertFalse(
            _run(places(vault), new Consent[](0), abi.encodePacked(uint8(7), uint8(0), KEY, address(0))), "zero"
        );
        assertFalse(_run(places(ann), one(0, ""), hand), "a key's");
        assertTrue(_run(places(vault), new Consent[](0), hand));
        assertEq(shown(vault).controller, address(0xbe4));
        assertFalse(_run(places(vault), new Consent[](0), hand), "no longer the rule's");
    }

    function test_MeaningsComeFirst() public {
        bytes memory meaning = abi.encodePacked(uint8(10), uint8(0), bytes32("type"), bytes32("struct"));
        assertTrue(_run(places(ann, ben), _both(), bytes.concat(meaning, _move(0, 1, 1))));
        assertEq(meanings[0].structHash, "struct");
        assertFalse(_run(places(ann, ben), _both(), bytes.concat(_move(0, 1, 1), meaning)), "late");
        assertFalse(_run(places(ann, ben), _both(), bytes.concat(meaning, meaning)), "twice");
        assertFalse(_run(places(ann, ben), one(0, ""), bytes.concat(meaning, hex"01")), "truncated");
    }

    function test_AssetsAreShownSorted() public {
        give(ben, bytes32(uint256(9)), 1);
        give(ben, bytes32(uint256(2)), 2);
        give(ben, bytes32(type(uint256).max), 3);
        give(ben, ETH, 4);
        assertEq(shown(ben).assets.length, 4);
        assertEq(shown(ben).assets[0].amount, 4);
        assertEq(shown(ben).assets[1].amount, 2);
        assertEq(shown(ben).assets[2].amount, 1);
        assertEq(shown(ben).assets[3].amount, 3);
    }
}
