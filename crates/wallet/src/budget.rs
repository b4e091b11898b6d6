//! What calls of rules may take.

use nthroot_protocol::{
    AccountOp,
    rules::{credit::CreditOp, pool::PoolOp},
};

/// What a call of a rule may take. It is twice what its longest use takes, measured, and costs nobody anything but room under
/// the proof ceiling: whatever the fork does that comes next, the call has gas to spare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Gas of the rule.
    pub gas: u32,
    /// Bytes of its effects.
    pub effects: u16,
}

// Bytes of effects (section 6.3).
const MEANING: u16 = 66;
const MOVE: u16 = 51;
const SUPPLY: u16 = 50; // mint or burn
const OPEN: u16 = 23;
const WITHDRAW: u16 = 58;
const CONTROLLER: u16 = 23;
const LEASE: u16 = 30;
const POOL_DATA: u16 = 4 + 83;
const MARKET_DATA: u16 = 4 + 201;
const POSITION_DATA: u16 = 4 + 83;

impl Budget {
    /// Nothing.
    pub const ZERO: Self = Self { gas: 0, effects: 0 };

    /// Of both together.
    #[must_use]
    pub const fn and(self, more: Self) -> Self {
        Self {
            gas: self.gas.saturating_add(more.gas),
            effects: self.effects.saturating_add(more.effects),
        }
    }

    /// Of operations of the Account rule, in one call.
    pub fn account<'a>(ops: impl IntoIterator<Item = &'a AccountOp>) -> Self {
        let each = |op: &AccountOp| {
            let (effects, moves) = match op {
                AccountOp::Pay { .. } => (MOVE, 0),
                AccountOp::Open { assets, .. } | AccountOp::OpenLeaf { assets, .. } => (OPEN, assets.len()),
                AccountOp::Withdraw { .. } => (WITHDRAW, 0),
                AccountOp::SetController { .. } => (CONTROLLER, 0),
                AccountOp::SetLease { .. } => (LEASE, 0),
            };
            let moves = u16::try_from(moves).unwrap_or(u16::MAX);
            Self {
                gas: 8_000 * (1 + u32::from(moves)),
                effects: MOVE.saturating_mul(moves).saturating_add(effects),
            }
        };
        let call = Self {
            gas: 40_000,
            effects: 0,
        };
        ops.into_iter().map(each).fold(call, Self::and)
    }

    /// Of one operation on a pool. Those of one call add up.
    pub const fn pool(op: &PoolOp) -> Self {
        let effects = match op {
            PoolOp::Create(_) => OPEN + POOL_DATA,
            PoolOp::Add { .. } | PoolOp::Remove { .. } => 2 * MOVE + SUPPLY + POOL_DATA,
            PoolOp::Sell { .. } | PoolOp::Buy { .. } => 2 * MOVE,
        };
        Self {
            gas: 60_000,
            effects: MEANING + effects,
        }
    }

    /// Of an operation on a market.
    pub const fn credit(op: &CreditOp) -> Self {
        let effects = match op {
            CreditOp::Create(_) => OPEN + MARKET_DATA,
            CreditOp::Lend { .. } | CreditOp::Redeem { .. } => MOVE + SUPPLY + MARKET_DATA,
            CreditOp::Borrow { .. } => OPEN + 2 * MOVE + SUPPLY + POSITION_DATA + MARKET_DATA,
            CreditOp::Repay { .. } => 2 * MOVE + SUPPLY + POSITION_DATA + MARKET_DATA,
            CreditOp::Call { .. } => MOVE + POSITION_DATA + MARKET_DATA,
            CreditOp::Bid { .. } => 2 * MOVE + POSITION_DATA + MARKET_DATA,
            CreditOp::Add { .. } => MOVE,
            CreditOp::Close { .. } => MOVE + SUPPLY + 4, // and no data
        };
        Self {
            gas: 100_000,
            effects: MEANING + effects,
        }
    }

    /// Of a fill of intents with so many legs, rewards and counterparties in all.
    pub fn swap(intents: usize, items: usize, moves: usize) -> Self {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let gas = count(intents)
            .saturating_mul(30_000)
            .saturating_add(count(items).saturating_mul(6_000));
        let effects = intents * usize::from(MEANING) + moves * usize::from(MOVE);
        Self {
            gas: gas
                .saturating_add(count(moves).saturating_mul(4_000))
                .saturating_add(30_000),
            effects: u16::try_from(effects).unwrap_or(u16::MAX),
        }
    }
}
