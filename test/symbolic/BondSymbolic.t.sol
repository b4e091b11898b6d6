// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

import {Bond} from "../../contracts/types/Bond.sol";

/// @notice Bonds, for every word that can arise. Locks may be more than the balance, once a fee was charged; but together they fit
/// their 64 bits, which each operation is shown to keep.
contract BondSymbolic {
    struct Parts {
        uint256 balance;
        uint256 current;
        uint256 previous;
        uint256 epoch;
    }

    function check_ABondIsItsParts(uint64 balance, uint64 current, uint64 previous, uint32 epoch) external pure {
        Parts memory p = _parts(_word(balance, current, previous, epoch));
        assert(p.balance == balance && p.current == current && p.previous == previous && p.epoch == epoch);
    }

    function check_FreeIsWhatIsNotLocked(uint64 balance, uint64 current, uint64 previous, uint32 epoch) external pure {
        uint256 locked = uint256(current) + previous;
        uint256 free = _word(balance, current, previous, epoch).free();
        assert(locked <= balance ? free + locked == balance : free == 0);
    }

    /// @dev A lock of this epoch outlasts the next one's whole length, and no epoch beyond.
    function check_TimeReleasesALockAfterAWholeEpoch(
        uint64 balance,
        uint64 current,
        uint64 previous,
        uint32 epoch,
        uint32 present
    ) external pure {
        if (present < epoch) return;
        Bond bond = _word(balance, current, previous, epoch);
        Bond rolled = bond.roll(present, type(uint256).max);
        Parts memory p = _parts(rolled);
        assert(p.balance == balance && p.epoch == present);
        if (present == epoch) assert(Bond.unwrap(rolled) == Bond.unwrap(bond));
        else assert(p.current == 0 && p.previous == (present == uint256(epoch) + 1 ? current : 0));
        assert(uint32(Bond.unwrap(rolled)) == 0);
    }

    /// @dev What was made since the oldest fault's epoch, and nothing that time would not have kept besides.
    function check_AFaultHoldsTheLocksMadeSince(
        uint64 balance,
        uint64 current,
        uint64 previous,
        uint32 epoch,
        uint32 present,
        uint32 held
    ) external pure {
        if (uint256(current) + previous > type(uint64).max || present < epoch) return;
        Bond bond = _word(balance, current, previous, epoch);
        Bond rolled = bond.roll(present, held);
        Parts memory p = _parts(rolled);
        assert(p.balance == balance && p.epoch == present);
        if (present == epoch) {
            assert(Bond.unwrap(rolled) == Bond.unwrap(bond));
            return;
        }
        uint256 ofCurrent = held <= epoch || present == uint256(epoch) + 1 ? current : 0;
        uint256 ofPrevious = held < epoch ? previous : 0;
        assert(p.current == 0 && p.previous == ofCurrent + ofPrevious);
        assert(uint32(Bond.unwrap(rolled)) == 0);
    }

    /// @dev Locks the amount if it is free, and otherwise reverts.
    function check_OnlyWhatIsFreeIsLocked(uint64 balance, uint64 current, uint64 previous, uint32 epoch, uint256 amount)
        external
        view
    {
        Bond bond = _word(balance, current, previous, epoch);
        try this.lock(bond, amount) returns (Bond locked) {
            Parts memory p = _parts(locked);
            assert(amount <= bond.free());
            assert(p.balance == balance && p.previous == previous && p.epoch == epoch);
            assert(p.current == current + amount);
            assert(amount == 0 || p.current + previous <= balance);
        } catch {
            assert(amount > bond.free());
        }
    }

    function check_OnlyWhatIsFreeIsRemoved(
        uint64 balance,
        uint64 current,
        uint64 previous,
        uint32 epoch,
        uint256 amount
    ) external view {
        Bond bond = _word(balance, current, previous, epoch);
        try this.remove(bond, amount) returns (Bond left) {
            Parts memory p = _parts(left);
            assert(amount <= bond.free());
            assert(p.balance == balance - amount);
            assert(p.current == current && p.previous == previous && p.epoch == epoch);
        } catch {
            assert(amount > bond.free());
        }
    }

    function check_WhatIsAddedIsFree(uint64 balance, uint64 current, uint64 previous, uint32 epoch, uint128 amount)
        external
        view
    {
        Bond bond = _word(balance, current, previous, epoch);
        try this.add(bond, amount) returns (Bond more) {
            Parts memory p = _parts(more);
            assert(p.balance == uint256(balance) + amount);
            assert(p.current == current && p.previous == previous && p.epoch == epoch);
        } catch {
            assert(uint256(balance) + amount > type(uint64).max);
        }
    }

    /// @dev For every word at all, sound or not: a verdict must not fail for the bond's sake.
    function check_SlashingNeverRevertsAndTakesNoMoreThanThereIs(uint256 word, uint64 amount, uint32 lockedIn)
        external
        view
    {
        Bond bond = Bond.wrap(word);
        Parts memory before = _parts(bond);
        try this.slash(bond, amount, lockedIn) returns (Bond left, uint256 taken) {
            Parts memory p = _parts(left);
            assert(taken == (amount < before.balance ? amount : before.balance));
            assert(p.balance == before.balance - taken && p.epoch == before.epoch);
            assert(p.current <= before.current && p.previous <= before.previous);
        } catch {
            assert(false);
        }
    }

    /// @dev A lock that still stands goes with its balance, so what is free stays the same: an older epoch's lock leaves the
    /// previous field, any other the current one.
    function check_SlashingALockLeavesTheFreePart(
        uint64 balance,
        uint64 current,
        uint64 previous,
        uint32 epoch,
        uint64 amount,
        uint32 lockedIn
    ) external pure {
        if (amount > balance) return; // no lock is
        (uint256 fromCurrent, uint256 fromPrevious) =
            lockedIn < epoch ? (uint256(0), uint256(amount)) : (uint256(amount), uint256(0));
        if (fromCurrent > current || fromPrevious > previous) return; // released: the check above is all there is to say
        (Bond left, uint256 taken) = _word(balance, current, previous, epoch).slash(amount, lockedIn);
        Parts memory p = _parts(left);
        assert(taken == amount);
        assert(p.balance == balance - amount);
        assert(p.previous == previous - fromPrevious);
        assert(p.current == current - fromCurrent);
    }

    /// @dev For every word at all: a fee touches the balance alone, and is what there is.
    function check_AFeeNeverRevertsAndTakesNoMoreThanThereIs(uint256 word, uint64 amount) external view {
        uint256 balance = word >> 192;
        try this.charge(Bond.wrap(word), amount) returns (Bond left, uint256 taken) {
            assert(taken == (amount < balance ? amount : balance));
            assert(Bond.unwrap(left) >> 192 == balance - taken);
            assert(uint192(Bond.unwrap(left)) == uint192(word));
        } catch {
            assert(false);
        }
    }

    // ---------------------------------------------------------------- calls that may revert

    function lock(Bond bond, uint256 amount) external pure returns (Bond) {
        return bond.lock(amount);
    }

    function remove(Bond bond, uint256 amount) external pure returns (Bond) {
        return bond.remove(amount);
    }

    function add(Bond bond, uint256 amount) external pure returns (Bond) {
        return bond.add(amount);
    }

    function charge(Bond bond, uint256 amount) external pure returns (Bond, uint256) {
        return bond.charge(amount);
    }

    function slash(Bond bond, uint256 amount, uint256 lockedIn) external pure returns (Bond, uint256) {
        return bond.slash(amount, lockedIn);
    }

    // ---------------------------------------------------------------- the word, by its layout

    function _word(uint64 balance, uint64 current, uint64 previous, uint32 epoch) private pure returns (Bond) {
        return Bond.wrap(uint256(bytes32(abi.encodePacked(balance, current, previous, epoch, uint32(0)))));
    }

    function _parts(Bond bond) private pure returns (Parts memory p) {
        (p.balance, p.current, p.previous, p.epoch) = bond.unpack();
    }
}
