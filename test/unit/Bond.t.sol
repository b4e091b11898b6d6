// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Test} from "forge-std/Test.sol";

import {BondLib} from "../../contracts/types/Bond.sol";
import {Random} from "../harness/Random.sol";

interface IExposedBond {
    function unpackBond(uint256 bond) external pure returns (uint256, uint256, uint256, uint256);
    function free(uint256 bond) external pure returns (uint256);
    function roll(uint256 bond, uint256 epoch, uint256 held) external pure returns (uint256);
    function add(uint256 bond, uint256 amount) external pure returns (uint256);
    function remove(uint256 bond, uint256 amount) external pure returns (uint256);
    function lock(uint256 bond, uint256 amount) external pure returns (uint256);
    function charge(uint256 bond, uint256 amount) external pure returns (uint256, uint256);
    function slash(uint256 bond, uint256 amount, uint256 lockedIn) external pure returns (uint256, uint256);
}

/// @notice A bond against a plain list of locks (docs/spec.md, section 8).
contract BondTest is Test {
    using Random for Random.Rng;

    uint256 private constant NONE = type(uint256).max;

    struct Lock {
        uint256 amount;
        uint256 posted; // epoch of the batch
        uint256 counted; // epoch that the lock counts from: the epoch before, where a fault holds it
    }

    struct Model {
        uint256 balance;
        Lock[] locks;
        uint256 count;
        uint256 epoch;
        uint256 word;
    }

    IExposedBond private bonds;

    function setUp() public {
        bonds = IExposedBond(deployCode("ExposedTypes.sol:ExposedTypes"));
    }

    function testFuzz_TheLayoutIsThatOfTheSpecification(uint64 balance, uint64 current, uint64 previous, uint32 epoch)
        public
        view
    {
        uint256 word = uint256(balance) * 2 ** 192 + uint256(current) * 2 ** 128 + uint256(previous) * 2 ** 64
            + uint256(epoch) * 2 ** 32;
        (uint256 a, uint256 b, uint256 c, uint256 d) = bonds.unpackBond(word);
        assertEq(a, balance);
        assertEq(b, current);
        assertEq(c, previous);
        assertEq(d, epoch);
        uint256 locked = uint256(current) + previous;
        assertEq(bonds.free(word), locked < balance ? balance - locked : 0);
        assertEq(bonds.roll(word, epoch, 0), word, "an epoch rolls once");
    }

    function testFuzz_ABondIsItsBalanceAndItsLocks(uint256 seed) public {
        Random.Rng memory rng = Random.Rng(seed);
        Model memory m;
        m.locks = new Lock[](128);
        for (uint256 i = 0; i < 60; i++) {
            m.epoch += rng.onceIn(3) ? rng.below(4) : 0;
            uint256 held = rng.onceIn(2) ? rng.below(m.epoch + 1) : NONE;
            m.word = bonds.roll(m.word, m.epoch, held);
            _release(m, held);
            uint256 amount = rng.below(1000);
            uint256 free = m.balance - _locked(m);
            assertEq(bonds.free(m.word), free, "free");
            uint256 action = rng.below(4);
            if (action == 0) {
                m.word = bonds.add(m.word, amount);
                m.balance += amount;
            } else if (action == 1) {
                if (amount > free) {
                    vm.expectRevert(abi.encodeWithSelector(BondLib.BondTooSmall.selector, amount, free));
                    bonds.remove(m.word, amount);
                } else {
                    m.word = bonds.remove(m.word, amount);
                    m.balance -= amount;
                }
            } else if (action == 2) {
                if (amount > free) {
                    vm.expectRevert(abi.encodeWithSelector(BondLib.BondTooSmall.selector, amount, free));
                    bonds.lock(m.word, amount);
                } else {
                    m.word = bonds.lock(m.word, amount);
                    m.locks[m.count++] = Lock(amount, m.epoch, m.epoch);
                }
            } else if (m.count != 0) {
                uint256 chosen = rng.below(m.count);
                Lock memory slashed = m.locks[chosen];
                // A batch can be convicted in its epoch and the one after.
                if (m.epoch > slashed.posted + 1) continue;
                uint256 taken;
                (m.word, taken) = bonds.slash(m.word, slashed.amount, slashed.posted);
                assertEq(taken, slashed.amount, "the whole lock is there to be taken");
                m.balance -= taken;
                m.locks[chosen] = m.locks[--m.count];
            }
            (uint256 balance, uint256 current, uint256 previous,) = bonds.unpackBond(m.word);
            assertEq(balance, m.balance, "balance");
            assertEq(current + previous, _locked(m), "locked");
        }
    }

    /// @dev Slashing never reverts, and takes no more than there is.
    function testFuzz_SlashingIsTotal(uint256 word, uint64 amount, uint32 lockedIn) public view {
        word = word / 2 ** 32 * 2 ** 32;
        (uint256 balance,,,) = bonds.unpackBond(word);
        (uint256 left, uint256 taken) = bonds.slash(word, amount, lockedIn);
        (uint256 after_,,,) = bonds.unpackBond(left);
        assertEq(taken, amount < balance ? amount : balance);
        assertEq(after_, balance - taken);
    }

    /// @dev A fee leaves the balance only, never reverts, and takes no more than there is.
    function testFuzz_ChargingLeavesTheLocks(uint256 word, uint64 amount) public view {
        word = word / 2 ** 32 * 2 ** 32;
        (uint256 balance, uint256 current, uint256 previous, uint256 epoch) = bonds.unpackBond(word);
        (uint256 left, uint256 taken) = bonds.charge(word, amount);
        assertEq(taken, amount < balance ? amount : balance);
        (uint256 b, uint256 c, uint256 p, uint256 e) = bonds.unpackBond(left);
        assertEq(b, balance - taken);
        assertEq(abi.encode(c, p, e), abi.encode(current, previous, epoch));
    }

    function test_ABalanceBeyond64BitsOfGweiIsRefused() public {
        uint256 word = bonds.add(0, type(uint64).max);
        vm.expectRevert(abi.encodeWithSelector(BondLib.BondTooLarge.selector, uint256(type(uint64).max) + 1));
        bonds.add(word, 1);
    }

    function test_ALockIsReleasedWhenTheEpochAfterTheNextBegins() public view {
        uint256 word = bonds.lock(bonds.add(bonds.roll(0, 7, NONE), 100), 60);
        assertEq(bonds.free(word), 40);
        assertEq(bonds.free(bonds.roll(word, 8, NONE)), 40, "the next epoch");
        assertEq(bonds.free(bonds.roll(word, 9, NONE)), 100, "the one after");
    }

    function test_AFaultHoldsTheLocksMadeSince() public view {
        uint256 word = bonds.lock(bonds.add(bonds.roll(0, 7, NONE), 100), 60);
        assertEq(bonds.free(bonds.roll(word, 9, 8)), 100, "of a later epoch");
        assertEq(bonds.free(bonds.roll(word, 9, 7)), 40, "of the same");
        assertEq(bonds.free(bonds.roll(word, 20, 3)), 40, "of an earlier one");
        // An epoch later each time: what stays counts as of the epoch before.
        word = bonds.lock(bonds.roll(word, 8, 7), 10);
        assertEq(bonds.free(bonds.roll(word, 9, 8)), 90, "the second");
        assertEq(bonds.free(bonds.roll(word, 9, 7)), 30, "both");
        assertEq(bonds.free(bonds.roll(bonds.roll(word, 9, 7), 9, NONE)), 30, "in that epoch");
        assertEq(bonds.free(bonds.roll(bonds.roll(word, 9, 7), 10, NONE)), 100, "and no longer");
    }

    function _release(Model memory m, uint256 held) private pure {
        uint256 kept = 0;
        for (uint256 i = 0; i < m.count; i++) {
            Lock memory lock = m.locks[i];
            if (m.epoch > lock.counted + 1 && lock.counted >= held) lock.counted = m.epoch - 1;
            if (m.epoch <= lock.counted + 1) m.locks[kept++] = lock;
        }
        m.count = kept;
    }

    function _locked(Model memory m) private pure returns (uint256 sum) {
        for (uint256 i = 0; i < m.count; i++) {
            sum += m.locks[i].amount;
        }
    }
}
