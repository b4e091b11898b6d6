// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.37;

/// @notice A proposer's bond, in gwei.
///
///     255      192 191               128 127                64 63    32 31   0
///     | balance   | locked in epoch     | locked before       | epoch   | zero |
///
/// A lock is released when the epoch after the next one begins: at least one whole epoch later, with no transaction.
type Bond is uint256;

using BondLib for Bond global;

library BondLib {
    /// @notice The bond's unlocked part is too small (gwei).
    error BondTooSmall(uint256 needed, uint256 free);
    /// @notice The balance does not fit 64 bits of gwei.
    error BondTooLarge(uint256 gweiBalance);

    uint256 private constant MAX = type(uint64).max;

    function unpack(Bond bond)
        internal
        pure
        returns (uint256 balance, uint256 current, uint256 previous, uint256 epoch)
    {
        uint256 raw = Bond.unwrap(bond);
        balance = raw >> 192;
        current = (raw >> 128) & MAX;
        previous = (raw >> 64) & MAX;
        epoch = (raw >> 32) & type(uint32).max;
    }

    function pack(uint256 balance, uint256 current, uint256 previous, uint256 epoch) internal pure returns (Bond) {
        if (balance > MAX) revert BondTooLarge(balance);
        return Bond.wrap((balance << 192) | (current << 128) | (previous << 64) | (epoch << 32));
    }

    /// @dev Brings the locks to epoch `now_`. Time releases none of an epoch since `held`, that of the oldest fault: of those batches some may
    /// stand on it. They count as of the epoch before then.
    function roll(Bond bond, uint256 now_, uint256 held) internal pure returns (Bond) {
        (uint256 balance, uint256 current, uint256 previous, uint256 epoch) = bond.unpack();
        if (now_ == epoch) return bond;
        // An epoch has 32 bits, each lock 64.
        unchecked {
            uint256 kept = now_ == epoch + 1 || epoch >= held ? current : 0;
            if (epoch > held) kept += previous;
            return pack(balance, 0, kept, now_);
        }
    }

    /// @dev Unlocked part of a bond that was rolled to the present.
    function free(Bond bond) internal pure returns (uint256) {
        unchecked {
            (uint256 balance, uint256 current, uint256 previous,) = bond.unpack();
            uint256 locked = current + previous;
            return balance > locked ? balance - locked : 0;
        }
    }

    function add(Bond bond, uint256 amount) internal pure returns (Bond) {
        (uint256 balance, uint256 current, uint256 previous, uint256 epoch) = bond.unpack();
        return pack(balance + amount, current, previous, epoch);
    }

    /// @dev Takes out of the free part.
    function remove(Bond bond, uint256 amount) internal pure returns (Bond) {
        uint256 available = bond.free();
        if (amount > available) revert BondTooSmall(amount, available);
        (uint256 balance, uint256 current, uint256 previous, uint256 epoch) = bond.unpack();
        return pack(balance - amount, current, previous, epoch);
    }

    /// @dev Locks a part of the free bond in the current epoch.
    function lock(Bond bond, uint256 amount) internal pure returns (Bond) {
        uint256 available = bond.free();
        if (amount > available) revert BondTooSmall(amount, available);
        // All locks together are at most the balance then, so the field does not overflow.
        return Bond.wrap(Bond.unwrap(bond) + (amount << 128));
    }

    /// @dev Takes a fee out of the balance, or what there is of it. The locks stay: the lock of the batch that owes it is larger,
    /// and can be slashed no more. Total, as `slash` is.
    function charge(Bond bond, uint256 amount) internal pure returns (Bond, uint256 taken) {
        unchecked {
            uint256 balance = Bond.unwrap(bond) >> 192;
            taken = amount < balance ? amount : balance;
            return (Bond.wrap(Bond.unwrap(bond) - (taken << 192)), taken);
        }
    }

    /// @dev Takes a lock made in epoch `lockedIn` out of balance and locks. Total: never reverts, for a verdict must
    /// not depend on a payment.
    function slash(Bond bond, uint256 amount, uint256 lockedIn) internal pure returns (Bond, uint256 taken) {
        // Each subtrahend is at most what it is taken from.
        unchecked {
            (uint256 balance, uint256 current, uint256 previous, uint256 epoch) = bond.unpack();
            taken = amount < balance ? amount : balance;
            if (lockedIn < epoch) previous -= amount < previous ? amount : previous;
            else current -= amount < current ? amount : current;
            uint256 raw = ((balance - taken) << 192) | (current << 128) | (previous << 64) | (epoch << 32);
            return (Bond.wrap(raw), taken);
        }
    }
}
