// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Test} from "forge-std/Test.sol";

import {Status} from "../../contracts/types/BatchWord.sol";
import {GlobalWordLib} from "../../contracts/types/GlobalWord.sol";

interface IExposedWords {
    function partsOf(uint40 id) external pure returns (uint256 relativeBlock, uint256 sequence);
    function pack(bytes32 commitment, uint256 relativeBlock, uint256 withdrawals) external pure returns (uint256);
    function unpack(uint256 word) external pure returns (Status status, uint256 relativeBlock, bool hasUnpaid);
    function commitsTo(uint256 word, bytes32 commitment) external pure returns (bool);
    function withStatus(uint256 word, Status status) external pure returns (uint256);
    function withPaid(uint256 word, uint256 position) external pure returns (uint256);
    function isUnpaid(uint256 word, uint256 position) external pure returns (bool);
    function isMany(uint256 word) external pure returns (bool);
    function isAssigned(uint256 word) external pure returns (bool);
    function withAssigned(uint256 word) external pure returns (uint256);
    function storeWord(address proposer, uint256 k, uint256 word) external;
    function loadWord(address proposer, uint256 k) external view returns (uint256);
    function packHead(bytes32 hash, uint40 id) external pure returns (bytes32 head, uint40 writer);
    function storeHead(uint56 anchor, bytes32 head) external;
    function loadHead(uint56 anchor) external view returns (bytes32);
    function nextId(uint256 word, uint256 relativeBlock) external pure returns (uint256, uint40);
}

/// @notice Each packed word, computed again with products and quotients (docs/spec.md, sections 2, 4.7 and 4.8).
contract TypesTest is Test {
    IExposedWords private words;

    function setUp() public {
        words = IExposedWords(deployCode("ExposedTypes.sol:ExposedTypes"));
    }

    function testFuzz_AnIdIsBlockTimes8192PlusSequence(uint40 id) public view {
        (uint256 relativeBlock, uint256 sequence) = words.partsOf(id);
        assertEq(relativeBlock, id / 8192);
        assertEq(sequence, id % 8192);
    }

    // ---------------------------------------------------------------- batch word

    function testFuzz_ABatchWordHasTheLayoutOfTheSpecification(bytes32 commitment, uint256 block_, uint256 withdrawals)
        public
        view
    {
        block_ = bound(block_, 0, 2 ** 27 - 1);
        withdrawals = bound(withdrawals, 0, 255);
        bool many = withdrawals > 24;
        uint256 unpaid = many ? 2 ** 52 + withdrawals : 2 ** withdrawals - 1;
        uint256 expected = uint256(bytes32(bytes25(commitment))) + block_ * 2 ** 24 + unpaid;
        uint256 word = words.pack(commitment, block_, withdrawals);
        assertEq(word, expected);
        (Status status, uint256 relativeBlock, bool hasUnpaid) = words.unpack(word);
        assertEq(uint8(status), uint8(Status.Live));
        assertEq(relativeBlock, block_);
        assertEq(hasUnpaid, withdrawals != 0);
        assertEq(words.isMany(word), many);
        for (uint256 i = 0; i < 26 && !many; i++) {
            assertEq(words.isUnpaid(word, i), i < withdrawals, "unpaid");
        }
        assertFalse(words.isAssigned(word));
        assertEq(words.withAssigned(word), expected + 2 ** 51);
        assertTrue(words.isAssigned(expected + 2 ** 51));
        for (uint8 fate = 0; fate < 4; fate++) {
            uint256 marked = words.withStatus(word, Status(fate));
            assertEq(marked, expected + fate * 2 ** 54, "marked");
            (status, relativeBlock,) = words.unpack(marked);
            assertEq(uint8(status), fate);
            assertEq(relativeBlock, block_);
            assertEq(words.withStatus(marked, Status.Live), word, "unmarked");
        }
    }

    function testFuzz_PayingClearsOneBit(bytes32 commitment, uint256 withdrawals, uint256 position) public view {
        withdrawals = bound(withdrawals, 1, 24);
        position = bound(position, 0, withdrawals - 1);
        uint256 word = words.pack(commitment, 5, withdrawals);
        assertEq(words.withPaid(word, position), word - 2 ** position);
    }

    function testFuzz_OfManyPayingLowersTheCount(bytes32 commitment, uint256 withdrawals, uint8 position) public view {
        withdrawals = bound(withdrawals, 25, 255);
        uint256 word = words.pack(commitment, 5, withdrawals);
        for (uint256 left = withdrawals; left > 0; left--) {
            (,, bool hasUnpaid) = words.unpack(word);
            assertTrue(hasUnpaid);
            word = words.withPaid(word, position);
            assertEq(word % 2 ** 24, left - 1);
        }
        (, uint256 relativeBlock, bool unpaid) = words.unpack(word);
        assertFalse(unpaid);
        assertEq(relativeBlock, 5);
        assertTrue(words.isMany(word), "it stays what it is");
    }

    function testFuzz_OnlyTheFirst25BytesCommit(bytes32 commitment, uint56 low, uint256 bit) public view {
        uint256 word = uint256(bytes32(bytes25(commitment))) + low;
        assertTrue(words.commitsTo(word, commitment));
        bit = bound(bit, 56, 255);
        assertFalse(words.commitsTo(word ^ (2 ** bit), commitment));
    }

    function testFuzz_BatchWordsStandWhereTheSpecificationSays(address proposer, uint16 k, uint256 word) public {
        words.storeWord(proposer, k, word);
        bytes32 slot = bytes32(abi.encodePacked(bytes10(keccak256("nthroot.batch")), proposer, k));
        assertEq(uint256(vm.load(address(words), slot)), word);
        assertEq(words.loadWord(proposer, k), word);
    }

    // ---------------------------------------------------------------- head

    function testFuzz_AHeadIs27BytesOfHashThenTheId(bytes32 hash, uint40 id) public view {
        (bytes32 head, uint40 writer) = words.packHead(hash, id);
        assertEq(head, bytes32(abi.encodePacked(bytes27(hash), id)));
        assertEq(writer, id);
    }

    function testFuzz_HeadsStandWhereTheSpecificationSays(uint56 anchor, bytes32 head) public {
        words.storeHead(anchor, head);
        bytes32 slot = bytes32(abi.encodePacked(bytes25(keccak256("nthroot.anchor")), anchor));
        assertEq(vm.load(address(words), slot), head);
        assertEq(words.loadHead(anchor), head);
    }

    // ---------------------------------------------------------------- ids of the global word

    function testFuzz_IdsCountFromOneInEachBlock(uint256 faults, uint256 block_, uint256 sequence) public {
        block_ = bound(block_, 0, 2 ** 27 - 1);
        sequence = bound(sequence, 0, 8191);
        uint256 high = (faults / 2 ** 40) * 2 ** 40;
        // The last id is of an older block, or none.
        if (block_ > 0) {
            (uint256 word, uint40 id) = words.nextId(high + (block_ - 1) * 8192 + sequence, block_);
            assertEq(id, block_ * 8192 + 1);
            assertEq(word, high + id, "the faults stay");
        }
        // The last id is of this block.
        if (sequence == 8191) {
            vm.expectRevert(abi.encodeWithSelector(GlobalWordLib.IdsExhausted.selector));
            words.nextId(high + block_ * 8192 + sequence, block_);
        } else {
            (uint256 word, uint40 id) = words.nextId(high + block_ * 8192 + sequence, block_);
            assertEq(id, block_ * 8192 + sequence + 1);
            assertEq(word, high + id);
        }
    }

    function test_TheFirstIdIsOneAndTheLastBlockIs2To27() public {
        (, uint40 id) = words.nextId(0, 0);
        assertEq(id, 1);
        (, id) = words.nextId(0, 2 ** 27 - 1);
        assertEq(id, 2 ** 40 - 8192 + 1);
        vm.expectRevert(abi.encodeWithSelector(GlobalWordLib.IdsExhausted.selector));
        words.nextId(0, 2 ** 27);
        // A full block does not run over into the next.
        vm.expectRevert(abi.encodeWithSelector(GlobalWordLib.IdsExhausted.selector));
        words.nextId(8191, 0);
        (, id) = words.nextId(2 ** 40 - 2, 2 ** 27 - 1);
        assertEq(id, 2 ** 40 - 1);
        vm.expectRevert(abi.encodeWithSelector(GlobalWordLib.IdsExhausted.selector));
        words.nextId(2 ** 40 - 1, 2 ** 27 - 1);
    }
}
