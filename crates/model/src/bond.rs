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
    /// The bond as it stands in `epoch`: a lock is released when the epoch after the next begins. `held` is the epoch of the oldest
    /// unresolved fault: no lock made since is released, it counts as of the epoch before.
    #[must_use]
    pub fn at(self, epoch: u64, held: Option<u64>) -> Self {
        if epoch <= self.epoch {
            return self;
        }
        // What `locked_before` has was made before this word's epoch.
        let is_held = |made: Option<u64>| matches!((made, held), (Some(made), Some(held)) if made >= held);
        let keep = |amount, is_kept| if is_kept { amount } else { 0 };
        let locked = keep(self.locked, epoch == self.epoch + 1 || is_held(Some(self.epoch)));
        let before = keep(self.locked_before, is_held(self.epoch.checked_sub(1)));
        Self {
            locked: 0,
            locked_before: locked.saturating_add(before),
            epoch,
            ..self
        }
    }

    /// The sum of both locks.
    pub const fn total_locked(self) -> u64 {
        self.locked.saturating_add(self.locked_before)
    }

    /// What is not locked in `epoch`.
    pub fn free(self, epoch: u64, held: Option<u64>) -> u64 {
        self.balance.saturating_sub(self.at(epoch, held).total_locked())
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
        self.require(amount, epoch, None)?;
        let bond = self.at(epoch, None);
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
    pub fn lock(self, amount: u64, epoch: u64, held: Option<u64>) -> Result<Self, BondTooLow> {
        self.require(amount, epoch, held)?;
        let bond = self.at(epoch, held);
        Ok(Self {
            // No sum overflows: the locks are at most the balance, since so much was free.
            locked: bond.locked + amount,
            ..bond
        })
    }

    fn require(self, needed: u64, epoch: u64, held: Option<u64>) -> Result<(), BondTooLow> {
        let free = self.free(epoch, held);
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
