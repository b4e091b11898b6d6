//! The honest steps that lies are made from: each operation of each rule.

use nthroot_protocol::{AssetId, rules::pool::share_tag};

use crate::world::{GOLD, Loan, World};

/// A fragment of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    User(usize),
    Pool,
    Market,
    Position,
}

/// An honest step of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// Three exchange three tokens.
    Ring3,
    /// Four exchange four.
    Ring4,
    /// A small intent is filled by part of a large one.
    Part,
    /// What one gets at least falls with the blocks.
    Curve,
    /// One gives a reward to whoever finds the fill, who takes part.
    Reward,
    /// Two pairs, of which one trades with each other only.
    Named,

    PoolCreate,
    PoolAdd,
    /// Adds to a pool that has no shares yet.
    PoolFirst,
    PoolRemove,
    PoolSell,
    PoolBuy,
    /// Two sell in one call, against each other.
    PoolTwo,

    Create,
    CreateClub,
    Lend,
    Redeem,
    Borrow,
    BorrowInside,
    BorrowMore,
    Repay,
    RepayPart,
    RepayInside,
    RepayCalled,
    Call,
    /// The collateral lacks less than the fee.
    CallEdge,
    CallWeak,
    CallInside,
    /// While the collateral rises.
    BidRise,
    /// While the debt falls.
    BidFall,
    Add,
    AddInside,
    Close,
}

impl Base {
    pub const ALL: [Self; 33] = [
        Self::Ring3,
        Self::Ring4,
        Self::Part,
        Self::Curve,
        Self::Reward,
        Self::Named,
        Self::PoolCreate,
        Self::PoolAdd,
        Self::PoolFirst,
        Self::PoolRemove,
        Self::PoolSell,
        Self::PoolBuy,
        Self::PoolTwo,
        Self::Create,
        Self::CreateClub,
        Self::Lend,
        Self::Redeem,
        Self::Borrow,
        Self::BorrowInside,
        Self::BorrowMore,
        Self::Repay,
        Self::RepayPart,
        Self::RepayInside,
        Self::RepayCalled,
        Self::Call,
        Self::CallEdge,
        Self::CallWeak,
        Self::CallInside,
        Self::BidRise,
        Self::BidFall,
        Self::Add,
        Self::AddInside,
        Self::Close,
    ];

    /// What it is to its users.
    pub const fn what(self) -> &'static str {
        match self {
            Self::Ring3 => "ring of 3",
            Self::Ring4 => "ring of 4",
            Self::Part => "swap in part",
            Self::Curve => "swap on a curve",
            Self::Reward => "swap with a reward",
            Self::Named => "swap with named counterparties",
            Self::PoolCreate => "pool: create",
            Self::PoolAdd => "pool: add liquidity",
            Self::PoolFirst => "pool: first liquidity",
            Self::PoolRemove => "pool: remove liquidity",
            Self::PoolSell => "pool: sell",
            Self::PoolBuy => "pool: buy",
            Self::PoolTwo => "pool: two sales in one call",
            Self::Create => "credit: create a market",
            Self::CreateClub => "credit: create a market of a cohort",
            Self::Lend => "credit: lend",
            Self::Redeem => "credit: redeem",
            Self::Borrow => "credit: borrow",
            Self::BorrowInside => "credit: borrow in a cohort",
            Self::BorrowMore => "credit: borrow more",
            Self::Repay => "credit: repay",
            Self::RepayPart => "credit: repay in part",
            Self::RepayInside => "credit: repay in a cohort",
            Self::RepayCalled => "credit: repay a called loan",
            Self::Call => "credit: call",
            Self::CallEdge => "credit: call a loan that is nearly covered",
            Self::CallWeak => "credit: call a loan that is not covered",
            Self::CallInside => "credit: call in a cohort",
            Self::BidRise => "credit: bid while collateral rises",
            Self::BidFall => "credit: bid while debt falls",
            Self::Add => "credit: add collateral",
            Self::AddInside => "credit: add collateral in a cohort",
            Self::Close => "credit: close",
        }
    }

    /// What others share in it; in a swap the second user.
    pub const fn shared(self) -> Who {
        match self {
            Self::Ring3 | Self::Ring4 | Self::Part | Self::Curve | Self::Reward | Self::Named => Who::User(1),
            Self::PoolCreate
            | Self::PoolAdd
            | Self::PoolFirst
            | Self::PoolRemove
            | Self::PoolSell
            | Self::PoolBuy
            | Self::PoolTwo => Who::Pool,
            Self::Add | Self::AddInside | Self::Close => Who::Position,
            _ => Who::Market,
        }
    }

    pub const fn is_swap(self) -> bool {
        matches!(self.shared(), Who::User(_))
    }

    /// The loan that it is about.
    pub const fn loan(self, world: &World) -> Loan {
        match self {
            Self::RepayInside | Self::CallInside | Self::AddInside => world.inside,
            Self::RepayCalled | Self::BidRise | Self::BidFall => world.called,
            Self::CallEdge | Self::CallWeak => world.weak,
            Self::Close => world.sold,
            _ => world.running,
        }
    }
}

/// The shares of the pool.
pub fn shares(world: &World) -> AssetId {
    AssetId::issued(world.book.pool, share_tag(world.pool))
}

/// What secures loans.
pub fn gold(world: &World) -> AssetId {
    world.token(GOLD)
}
