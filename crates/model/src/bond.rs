//! Bonds and their locks (section 8). Amounts are in gwei.

/// A proposer's bond: one storage word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bond {
    /// All of it.
    pub balance: u64,
    /// What the batches of `epoch` lock.
    pub locked: u64,
    /// What the batches of the epoch before lock.
    pub locked_before: u64,
    /// The epoch in which the locks were last brought up to date.
    pub epoch: u64,
}

/// The free bond does not suffice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("needs {needed} gwei of free bond, there are {free}")]
pub struct BondTooLow {
    /// Gwei needed.
    pub needed: u64,
    /// Gwei free.
    pub free: u64,
}

impl Bond {
    /// The bond as it stands in `epoch`: a lock is released when the epoch after the next begins, but none is while the
    /// bond is `frozen` by an unresolved fault. Then all that is older counts as of the epoch before.
    #[must_use]
    pub const fn at(self, epoch: u64, frozen: bool) -> Self {
        let locked_before = match epoch.saturating_sub(self.epoch) {
            0 => return self,
            _ if frozen => self.total_locked(),
            1 => self.locked,
            _ => 0,
        };
        Self {
            locked: 0,
            locked_before,
            epoch,
            ..self
        }
    }

    /// The sum of both locks.
    pub const fn total_locked(self) -> u64 {
        self.locked.saturating_add(self.locked_before)
    }

    /// What is not locked in `epoch`.
    pub const fn free(self, epoch: u64, frozen: bool) -> u64 {
        self.balance.saturating_sub(self.at(epoch, frozen).total_locked())
    }

    /// Adds to the balance. None, and nothing changes, if it would not fit.
    #[must_use]
    pub fn fund(self, amount: u64) -> Option<Self> {
        let balance = self.balance.checked_add(amount)?;
        Some(Self { balance, ..self })
    }

    /// Takes free bond out. The caller sees to it that no fault is unresolved.
    ///
    /// # Errors
    ///
    /// If not so much is free.
    pub fn withdraw(self, amount: u64, epoch: u64) -> Result<Self, BondTooLow> {
        self.require(amount, epoch, false)?;
        let bond = self.at(epoch, false);
        Ok(Self {
            balance: bond.balance - amount,
            ..bond
        })
    }

    /// Locks `amount` for a batch of `epoch`.
    ///
    /// # Errors
    ///
    /// If not so much is free.
    pub fn lock(self, amount: u64, epoch: u64, frozen: bool) -> Result<Self, BondTooLow> {
        self.require(amount, epoch, frozen)?;
        let bond = self.at(epoch, frozen);
        Ok(Self {
            // No sum overflows: the locks are at most the balance, since so much was free.
            locked: bond.locked + amount,
            ..bond
        })
    }

    const fn require(self, needed: u64, epoch: u64, frozen: bool) -> Result<(), BondTooLow> {
        let free = self.free(epoch, frozen);
        if needed > free {
            return Err(BondTooLow { needed, free });
        }
        Ok(())
    }

    /// Takes the lock of a convicted batch of epoch `posted` out of the locks and, as far as it goes, out of the balance.
    /// Returns the bond and what left the balance.
    #[must_use]
    pub fn slash(self, lock: u64, posted: u64) -> (Self, u64) {
        let (charged, slashed) = self.charge(lock);
        // A lock is not released while its batch can be convicted: all of it is in one of the two.
        let bond = if posted < self.epoch {
            Self {
                locked_before: self.locked_before.saturating_sub(lock),
                ..charged
            }
        } else {
            Self {
                locked: self.locked.saturating_sub(lock),
                ..charged
            }
        };
        (bond, slashed)
    }

    /// Takes up to `amount` out of the balance, locked or not, and leaves the locks. Returns the bond and what left the
    /// balance.
    #[must_use]
    pub fn charge(self, amount: u64) -> (Self, u64) {
        let charged = amount.min(self.balance);
        let bond = Self {
            balance: self.balance - charged,
            ..self
        };
        (bond, charged)
    }
}
