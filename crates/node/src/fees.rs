//! What a transaction pays for its gas, block by block: a pure function, which the simulation of congestion runs too.
//!
//! Only the tip decides who comes first, and only what is offered at most decides whether the base fee lets one in at all; both
//! are raised by the same share, since nodes replace a transaction only if both rise.

/// Wei in a gwei.
const GWEI: u128 = 1_000_000_000;

/// Per cent. Nodes ask for at least 10 more in both fields to replace a transaction.
pub const MIN_RAISE: u64 = 10;

/// Per cent. Least raise of ours, beyond what any node asks for.
const PATIENT_RAISE: u64 = 25;

/// Per cent. From a tip of 1 gwei to one of 64 in six blocks.
const URGENT_RAISE: u64 = 100;

/// Blocks during which the base fee may rise as fast as it can, by an eighth each (EIP-1559), until an offer is too low: it
/// is twice the base fee then.
const HEADROOM: u32 = 6;

/// Wei for a unit of gas. Less than any node's own least tip is not worth sending.
const TIP_FLOOR: u128 = GWEI / 10;

/// Wei for a unit of gas. A challenge starts at what gets one in on all but the busiest days.
const URGENT_TIP_FLOOR: u128 = 2 * GWEI;

/// What a transaction offers for a unit of its gas, in wei.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Offer {
    /// At most, base fee and tip together (`maxFeePerGas`).
    pub max_fee: u128,
    /// For the block's proposer (`maxPriorityFeePerGas`), never more than `max_fee`.
    pub max_priority_fee: u128,
}

impl Offer {
    /// Whether nodes let this offer take the place of another one.
    pub fn replaces(self, other: Self) -> bool {
        let least = raised(other, MIN_RAISE);
        self.max_fee >= least.max_fee && self.max_priority_fee >= least.max_priority_fee
    }

    /// The most that a transaction can cost, in wei.
    pub const fn cost(self, gas: u64) -> u128 {
        self.max_fee.saturating_mul(gas as u128)
    }

    /// The higher of both, in each field.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            max_fee: self.max_fee.max(other.max_fee),
            max_priority_fee: self.max_priority_fee.max(other.max_priority_fee),
        }
    }
}

/// How somebody bids for a place in the next block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeePolicy {
    /// Least tip, in wei for a unit of gas.
    pub tip_floor: u128,
    /// Wei for the whole transaction, which no offer exceeds: for the gas that it uses if that is known, else for its limit.
    pub max_fee_budget_wei: u128,
    /// Per cent by which an offer that waited in vain is raised, at least [`MIN_RAISE`].
    pub raise_percent: u64,
    /// Blocks that an offer waits in vain before it is raised, at least 1.
    pub patience: u64,
    /// Whether the last offer leaves to the block's proposer all that the base fee does not take. Else its tip is no larger than raises
    /// have made it.
    pub all_at_last: bool,
}

impl FeePolicy {
    /// Of one who must be in the next block: twice as much every block.
    pub const fn urgent(max_fee_budget_wei: u128) -> Self {
        Self {
            tip_floor: URGENT_TIP_FLOOR,
            max_fee_budget_wei,
            raise_percent: URGENT_RAISE,
            patience: 1,
            all_at_last: true,
        }
    }

    /// Of one who can wait: a quarter more every third block.
    pub const fn patient(max_fee_budget_wei: u128) -> Self {
        Self {
            tip_floor: TIP_FLOOR,
            max_fee_budget_wei,
            raise_percent: PATIENT_RAISE,
            patience: 3,
            all_at_last: false,
        }
    }

    /// Of one who proves a lie in a batch that locks so many gwei: half of the lock is the reward, and up to that it is worth
    /// its price.
    pub const fn convicting(lock: u64) -> Self {
        Self::urgent(lock as u128 * GWEI / 2)
    }

    /// What to offer for a transaction that uses `gas` gas while the base fee of the coming block is `base_fee`, and nodes suggest
    /// such a tip. `previous` is what it offers already, for `waited` blocks in vain.
    ///
    /// Either the offer stays, or it [replaces](Offer::replaces) the previous one. It never exceeds the budget; if it stays
    /// although it waited for long enough, the budget is exhausted.
    #[must_use]
    pub fn offer(&self, base_fee: u128, suggested_tip: u128, waited: u64, previous: Option<Offer>, gas: u64) -> Offer {
        let tip = suggested_tip.max(self.tip_floor);
        let fresh = Offer {
            max_fee: with_headroom(base_fee).saturating_add(tip),
            max_priority_fee: tip,
        };
        match previous {
            None => self.fitting(fresh, gas),
            Some(previous) if waited < self.patience.max(1) => previous,
            Some(previous) => self.replacement(fresh, previous, gas),
        }
    }

    /// An offer of at least `wanted` that replaces `previous`, by a full raise; or `previous`, if the budget has no room for
    /// one.
    #[must_use]
    pub fn replacement(&self, wanted: Offer, previous: Offer, gas: u64) -> Offer {
        let next = raised(previous, self.raise_percent.max(MIN_RAISE)).max(wanted);
        let next = self.fitting(next, gas);
        if next.replaces(previous) { next } else { previous }
    }

    /// Whether the budget has no room for anything that would replace this offer.
    pub fn is_exhausted(&self, offer: Offer, gas: u64) -> bool {
        self.cap(gas) < raised(offer, MIN_RAISE).max_fee
    }

    /// Whether the budget lets a transaction of `gas` gas in at this base fee.
    pub fn affords(&self, base_fee: u128, gas: u64) -> bool {
        self.cap(gas) > base_fee
    }

    /// The most that the budget allows for a unit of gas, in wei.
    fn cap(&self, gas: u64) -> u128 {
        self.max_fee_budget_wei / u128::from(gas.max(1))
    }

    /// The offer, or the last one, if there is no room for another one after it.
    fn fitting(&self, offer: Offer, gas: u64) -> Offer {
        if !self.is_exhausted(offer, gas) {
            return offer;
        }
        let max_fee = self.cap(gas);
        let tip = if self.all_at_last {
            max_fee
        } else {
            offer.max_priority_fee
        };
        Offer {
            max_fee,
            max_priority_fee: tip.min(max_fee),
        }
    }
}

/// The base fee after [`HEADROOM`] full blocks.
fn with_headroom(base_fee: u128) -> u128 {
    (0..HEADROOM).fold(base_fee, |fee, _| fee.saturating_add(fee.div_ceil(8)))
}

/// Both fields so many per cent higher, and by at least a wei, rounded up.
fn raised(offer: Offer, percent: u64) -> Offer {
    // Nobody offers more than 2^100 wei: what saturates is above any budget.
    let raise = |fee: u128| fee.saturating_add(fee.saturating_mul(percent.into()).div_ceil(100).max(1));
    Offer {
        max_fee: raise(offer.max_fee),
        max_priority_fee: raise(offer.max_priority_fee),
    }
}
