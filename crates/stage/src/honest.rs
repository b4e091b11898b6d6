//! What happens in the honest steps.

use nthroot_protocol::{
    AnchorId, AssetId, Outflow,
    rules::{
        credit::CreditOp,
        pool::{Pair, PoolOp, Side},
        swap::{Curve, Fill, Leg, SwapIntent},
    },
};

use crate::{
    bases::{Base, Who},
    deeds::{Deed, intent},
    stage::ETHER,
    world::{BIDDER, BORROWER, LENDER, Loan, PROVIDER, World, terms},
};

/// What is exchanged of each token.
const TRADED: u128 = 10 * ETHER;

impl Base {
    /// Brings about what it needs, and says what happens.
    pub fn deed(self, world: &mut World) -> Deed {
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
        if self == Self::CallEdge {
            world.weak = world.borrowed(3, world.market, 6, None, [40, 20]);
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
            Self::Call | Self::CallEdge | Self::CallWeak | Self::CallInside => {
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
    pub fn meanwhile(self, world: &World) -> Option<Deed> {
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
