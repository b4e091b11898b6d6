//! The honest steps that lies are made from: each operation of each rule.

use nthroot_protocol::{
    AnchorId, AssetId, Outflow,
    rules::{
        credit::CreditOp,
        pool::{Pair, PoolOp, Side, share_tag},
        swap::{Curve, Fill, Leg, SwapIntent},
    },
};

use crate::{
    deeds::{Deed, intent},
    draft::Who,
    stage::ETHER,
    world::{BIDDER, BORROWER, GOLD, LENDER, Loan, PROVIDER, World, terms},
};

/// An honest step of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
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

/// Tokens that the first three intents exchange, a unit each: what a ring does.
const TRADED: u128 = 10 * ETHER;

impl Base {
    pub(crate) const ALL: [Self; 32] = [
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
        Self::CallWeak,
        Self::CallInside,
        Self::BidRise,
        Self::BidFall,
        Self::Add,
        Self::AddInside,
        Self::Close,
    ];

    /// What it is to its users.
    pub(crate) const fn what(self) -> &'static str {
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
    pub(crate) const fn shared(self) -> Who {
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

    pub(crate) const fn is_swap(self) -> bool {
        matches!(self.shared(), Who::User(_))
    }

    /// The loan that it is about.
    pub(crate) const fn loan(self, world: &World) -> Loan {
        match self {
            Self::RepayInside | Self::CallInside | Self::AddInside => world.inside,
            Self::RepayCalled | Self::BidRise | Self::BidFall => world.called,
            Self::CallWeak => world.weak,
            Self::Close => world.sold,
            _ => world.running,
        }
    }

    /// Brings about what it needs, and says what happens.
    pub(crate) fn deed(self, world: &mut World) -> Deed {
        match self {
            Self::Ring3 | Self::Ring4 | Self::Part | Self::Curve | Self::Reward | Self::Named => self.exchange(world),
            Self::PoolCreate
            | Self::PoolAdd
            | Self::PoolFirst
            | Self::PoolRemove
            | Self::PoolSell
            | Self::PoolBuy
            | Self::PoolTwo => self.trade(world),
            _ => self.credit(world),
        }
    }

    fn exchange(self, world: &World) -> Deed {
        let token = |n: usize| world.token(u8::try_from(n).expect("few"));
        let swaps = |user: usize, give: usize, get: usize| {
            let of = |n| [(token(n), TRADED)];
            (user, intent(&of(give), &of(get)))
        };
        match self {
            Self::Ring3 | Self::Ring4 => {
                let users = if self == Self::Ring3 { 3 } else { 4 };
                let intents = (0..users).map(|user| swaps(user, user + 1, (user + users - 1) % users + 1));
                world.swap(intents.collect())
            }
            Self::Part => {
                let large = SwapIntent {
                    least_fill: Some(ETHER),
                    ..intent(&[(token(2), 7 * TRADED)], &[(token(1), 7 * TRADED)])
                };
                world.swap(vec![swaps(0, 1, 2), (1, large)])
            }
            Self::Curve => {
                let clock = world.clock();
                let falling = Leg {
                    asset: token(2),
                    start: TRADED + ETHER,
                    end: TRADED - ETHER,
                };
                let curve = Some(Curve {
                    first: clock - 5,
                    last: clock + 7,
                });
                let auction = SwapIntent {
                    gets: vec![falling],
                    curve,
                    ..swaps(0, 1, 2).1
                };
                let filler = intent(&[(token(2), 2 * TRADED)], &[(token(1), TRADED)]);
                world.swap(vec![(0, auction), (1, filler)])
            }
            Self::Reward => {
                let reward = Outflow {
                    asset: AssetId::ETH,
                    amount: ETHER,
                };
                let generous = SwapIntent {
                    rewards: vec![reward],
                    ..swaps(0, 1, 2).1
                };
                let finder = intent(&[(token(3), 1)], &[(AssetId::ETH, ETHER)]);
                let fill = [
                    (0, 1, token(1), TRADED),
                    (1, 0, token(2), TRADED),
                    (0, 2, AssetId::ETH, ETHER),
                ];
                let intents = vec![(0, generous), swaps(1, 2, 1), (2, finder)];
                Deed::Swap(intents, Fill::new(Vec::new(), &fill))
            }
            _ => {
                let mut intents: Vec<_> = [(0, 1, 2), (1, 2, 1), (2, 2, 1), (3, 1, 2)]
                    .map(|(user, give, get)| swaps(user, give, get))
                    .into();
                intents[0].1.counterparties = vec![world.homes[1]];
                intents[1].1.counterparties = vec![world.homes[0]];
                world.swap(intents)
            }
        }
    }

    fn trade(self, world: &mut World) -> Deed {
        let pool = world.pool;
        let ops = match self {
            Self::PoolCreate => vec![(0, PoolOp::Create(world.pair()))],
            Self::PoolAdd => {
                let add = PoolOp::Add {
                    pool,
                    at_most: [3 * ETHER + 1, 6 * ETHER + 5],
                    shares_at_least: ETHER,
                };
                vec![(0, add)]
            }
            Self::PoolFirst => {
                let pair = Pair {
                    assets: world.pair().assets,
                    fee: 0,
                };
                let id = world.happens(&[Deed::Pool(vec![(2, PoolOp::Create(pair))])]);
                world.pool = AnchorId::new(id, 1).fragment();
                let add = PoolOp::Add {
                    pool: world.pool,
                    at_most: [ETHER, 2 * ETHER],
                    shares_at_least: ETHER,
                };
                vec![(0, add)]
            }
            Self::PoolRemove => {
                let remove = PoolOp::Remove {
                    pool,
                    shares: 10 * ETHER + 3,
                    at_least: [ETHER, ETHER],
                };
                vec![(PROVIDER, remove)]
            }
            Self::PoolSell | Self::PoolTwo => {
                let sell = |side, amount| PoolOp::Sell {
                    pool,
                    side,
                    amount,
                    at_least: ETHER,
                };
                let first = (0, sell(Side::Zero, 5 * ETHER + 1));
                let second = (1, sell(Side::One, 8 * ETHER + 1));
                if self == Self::PoolSell {
                    vec![first]
                } else {
                    vec![first, second]
                }
            }
            _ => {
                let buy = PoolOp::Buy {
                    pool,
                    side: Side::One,
                    amount: 7 * ETHER + 1,
                    at_most: 5 * ETHER,
                };
                vec![(0, buy)]
            }
        };
        Deed::Pool(ops)
    }

    fn credit(self, world: &mut World) -> Deed {
        if self == Self::BidFall {
            world.stage.mine(12);
        }
        let Loan { market, serial, at } = self.loan(world);
        let with = |user, op| Deed::Credit(user, op, Some(at));
        let without = |user, op| Deed::Credit(user, op, None);
        match self {
            Self::Create => without(0, CreditOp::Create(terms(world, 0))),
            Self::CreateClub => without(0, CreditOp::Create(terms(world, 4))),
            Self::Lend => {
                let lend = CreditOp::Lend {
                    market,
                    amount: 10 * ETHER + 1,
                    shares_at_least: ETHER,
                };
                without(0, lend)
            }
            Self::Redeem => {
                let redeem = CreditOp::Redeem {
                    market,
                    shares: 5_000_000 * ETHER,
                    at_least: ETHER,
                };
                without(LENDER, redeem)
            }
            Self::Borrow | Self::BorrowInside => {
                let inside = self == Self::BorrowInside;
                let borrow = CreditOp::Borrow {
                    market: if inside { world.club } else { market },
                    serial: 0,
                    added: 10 * ETHER,
                    amount: 2 * ETHER,
                };
                let leaf = world.club.anchor().leaf(7).filter(|_| inside);
                Deed::Credit(0, borrow, leaf)
            }
            Self::BorrowMore => {
                let borrow = CreditOp::Borrow {
                    market,
                    serial,
                    added: ETHER,
                    amount: ETHER,
                };
                with(BORROWER, borrow)
            }
            Self::Repay | Self::RepayPart | Self::RepayInside | Self::RepayCalled => {
                let part = self == Self::RepayPart;
                let repay = CreditOp::Repay {
                    market,
                    serial,
                    at_most: if part { 5 * ETHER } else { 30 * ETHER },
                    taken: if part { 3 * ETHER } else { 0 },
                };
                with(BORROWER, repay)
            }
            Self::Call | Self::CallWeak | Self::CallInside => {
                let call = CreditOp::Call {
                    market,
                    serial,
                    fee_at_most: ETHER,
                };
                with(0, call)
            }
            Self::BidRise | Self::BidFall => {
                let bid = CreditOp::Bid {
                    market,
                    serial,
                    at_most: 25 * ETHER,
                    at_least: ETHER,
                };
                with(BIDDER, bid)
            }
            Self::Add | Self::AddInside => {
                let add = CreditOp::Add {
                    market,
                    serial,
                    amount: 3 * ETHER,
                };
                with(BORROWER, add)
            }
            _ => with(BORROWER, CreditOp::Close { market, serial }),
        }
    }

    /// What somebody else does beforehand with what they share, so that a step built without it is stale.
    pub(crate) fn meanwhile(self, world: &World) -> Option<Deed> {
        let market = self.loan(world).market;
        let lend = |market| {
            let lend = CreditOp::Lend {
                market,
                amount: ETHER,
                shares_at_least: 1,
            };
            Some(Deed::Credit(5, lend, None))
        };
        match self {
            Self::PoolAdd | Self::PoolRemove | Self::PoolSell | Self::PoolBuy | Self::PoolTwo => {
                let sell = PoolOp::Sell {
                    pool: world.pool,
                    side: Side::Zero,
                    amount: ETHER,
                    at_least: 1,
                };
                Some(Deed::Pool(vec![(5, sell)]))
            }
            Self::BorrowInside => lend(world.club),
            Self::Lend | Self::Redeem | Self::Borrow => lend(market),
            Self::Create | Self::CreateClub => None,
            _ if self.shared() == Who::Market => lend(market),
            _ => None,
        }
    }
}

/// The shares of the pool.
pub(crate) fn shares(world: &World) -> AssetId {
    AssetId::issued(world.book.pool, share_tag(world.pool))
}

/// What secures loans.
pub(crate) fn gold(world: &World) -> AssetId {
    world.token(GOLD)
}
