//! What users of a market may want.

use alloy::primitives::U256;
use nthroot_model::{
    rule::AuthorisationView,
    rules::credit::quotes::{call_fee_up, debt_up, lot, redeemed_down, shares_down},
};
use nthroot_protocol::{
    AssetId,
    rules::credit::{CreditOp, Market, Position, WAD, shares_tag, title_tag},
};

use crate::{
    case::RULE,
    credit::Markets,
    rng::Rng,
    world::{Turn, holding},
};

/// Something that somebody may try. Its limits are just met, or loose.
pub(crate) struct Attempt<'a> {
    on: &'a Markets,
    rng: &'a mut Rng,
    place: usize,
    market: Market,
    idle: u128,
}

impl<'a> Attempt<'a> {
    pub(crate) fn new(on: &'a Markets, rng: &'a mut Rng) -> Self {
        // Mostly the first, so that something happens there.
        let place = if rng.one_in(4) {
            rng.pick(&on.markets)
        } else {
            on.markets[0]
        };
        let fragment = &on.world.fragments[place];
        let market = Market::decode(&fragment.data).expect("a market");
        let idle = holding(fragment, market.terms.asset);
        Self {
            on,
            rng,
            place,
            market,
            idle,
        }
    }

    pub(crate) fn turn(mut self) -> Turn {
        let id = self.on.world.fragments[self.place].id;
        let positions: Vec<(usize, Position)> = self
            .on
            .positions
            .iter()
            .filter_map(|place| Some((*place, Position::decode(&self.on.world.fragments[*place].data).ok()?)))
            .filter(|(_, position)| position.market == id)
            .collect();
        let running: Vec<_> = positions
            .iter()
            .filter(|(_, p)| p.principal != 0 && p.called == 0)
            .copied()
            .collect();
        let called: Vec<_> = positions
            .iter()
            .filter(|(_, p)| p.principal != 0 && p.called != 0)
            .copied()
            .collect();
        let done: Vec<_> = positions.iter().filter(|(_, p)| p.principal == 0).copied().collect();
        match self.rng.below(16) {
            0 | 1 => self.lend(),
            2 => self.redeem(),
            3 if !running.is_empty() => self.borrow(&running),
            4 if !running.is_empty() => self.add(&running),
            5..=7 if !running.is_empty() => self.repay(&running),
            8 | 9 if !running.is_empty() => self.call(&running),
            10..=12 if !called.is_empty() => self.bid(&called),
            13 if !called.is_empty() => self.repay(&called),
            14 if !done.is_empty() => self.close(&done),
            15 if !positions.is_empty() => self.whatever(&positions),
            _ if self.idle > 0 => self.open(),
            _ => self.lend(),
        }
    }

    /// Just so much, or anything below.
    fn at_least(&mut self, quote: U256) -> u128 {
        let quote = u128::try_from(quote).unwrap_or(u128::MAX);
        if self.rng.one_in(2) {
            quote
        } else {
            self.rng.within(0, quote)
        }
    }

    /// Just so much, or anything above.
    fn at_most(&mut self, quote: U256) -> u128 {
        let quote = u128::try_from(quote).unwrap_or(u128::MAX);
        if self.rng.one_in(2) {
            quote
        } else {
            self.rng.within(quote, u128::MAX)
        }
    }

    fn lend(&mut self) -> Turn {
        let amount = self.rng.of_bits(self.on.bits) + 1;
        let shares = shares_down(&self.market, self.idle, amount, self.on.world.clock).unwrap_or_default();
        let op = CreditOp::Lend {
            market: self.on.world.fragments[self.place].id,
            amount,
            shares_at_least: self.at_least(shares),
        };
        let user = self.rng.pick(&self.on.users);
        self.call_of(&op, &[self.place, user])
    }

    fn redeem(&mut self) -> Turn {
        let market = self.on.world.fragments[self.place].id;
        let user = self.holder(AssetId::issued(RULE, shares_tag(market)));
        let held = holding(
            &self.on.world.fragments[user],
            AssetId::issued(RULE, shares_tag(market)),
        );
        let shares = self.rng.within(1, held);
        let amount = redeemed_down(&self.market, self.idle, shares, self.on.world.clock).unwrap_or_default();
        let op = CreditOp::Redeem {
            market,
            shares,
            at_least: self.at_least(amount),
        };
        self.call_of(&op, &[self.place, user])
    }

    /// Collateral that just covers so much.
    fn cover(&self, debt: u128) -> u128 {
        let needed = (U256::from(debt) * U256::from(WAD)).div_ceil(U256::from(self.market.terms.ratio));
        u128::try_from(needed).unwrap_or(u128::MAX)
    }

    fn open(&mut self) -> Turn {
        let most = if self.rng.one_in(2) { self.idle } else { self.idle / 4 };
        let amount = self.rng.within(self.market.terms.minimum, most);
        let cover = self.cover(amount);
        let op = CreditOp::Borrow {
            market: self.on.world.fragments[self.place].id,
            serial: 0,
            added: self.rng.within(cover, cover.saturating_mul(2)).max(1),
            amount,
        };
        let user = self.rng.pick(&self.on.users);
        self.call_of(&op, &[self.place, user])
    }

    fn debt(&self, position: &Position) -> u128 {
        let debt = debt_up(&self.market.terms, position, self.on.world.clock);
        debt.ok()
            .and_then(|debt| u128::try_from(debt).ok())
            .unwrap_or(u128::MAX)
    }

    fn borrow(&mut self, positions: &[(usize, Position)]) -> Turn {
        let (place, position) = self.rng.pick(positions);
        let amount = self.rng.within(1, self.idle);
        let cover = self.cover(self.debt(&position).saturating_add(amount));
        let held = holding(&self.on.world.fragments[place], position.collateral);
        let missing = cover.saturating_sub(held);
        let op = CreditOp::Borrow {
            market: position.market,
            serial: position.serial,
            added: self.rng.within(missing, missing.saturating_mul(2)),
            amount,
        };
        let user = self.owner(&position);
        self.call_of(&op, &[self.place, place, user])
    }

    fn repay(&mut self, positions: &[(usize, Position)]) -> Turn {
        let (place, position) = self.rng.pick(positions);
        let debt = self.debt(&position);
        let held = holding(&self.on.world.fragments[place], position.collateral);
        let left = debt.saturating_sub(self.market.terms.minimum);
        let at_most = match self.rng.below(3) {
            0 => self.rng.within(debt, u128::MAX),
            _ => self.rng.within(1, left),
        };
        let free = held.saturating_sub(self.cover(debt.saturating_sub(at_most)));
        let op = CreditOp::Repay {
            market: position.market,
            serial: position.serial,
            at_most,
            taken: self.rng.within(0, free),
        };
        let user = self.owner(&position);
        self.call_of(&op, &[self.place, place, user])
    }

    fn call(&mut self, positions: &[(usize, Position)]) -> Turn {
        let (place, position) = self.rng.pick(positions);
        let held = holding(&self.on.world.fragments[place], position.collateral);
        let debt = U256::from(self.debt(&position));
        let fee = call_fee_up(&self.market.terms, debt, held).unwrap_or_default();
        let op = CreditOp::Call {
            market: position.market,
            serial: position.serial,
            fee_at_most: self.at_most(fee),
        };
        let user = self.rng.pick(&self.on.users);
        self.call_of(&op, &[self.place, place, user])
    }

    fn bid(&mut self, positions: &[(usize, Position)]) -> Turn {
        let (place, position) = self.rng.pick(positions);
        let held = holding(&self.on.world.fragments[place], position.collateral);
        let terms = self.market.terms;
        // At some block of the auction, or around it.
        let begins = position.called.saturating_add(terms.grace.into());
        let ends = begins.saturating_add(u64::from(terms.rise) + u64::from(terms.fall));
        let now = self.on.world.clock;
        let clock = match self.rng.below(4) {
            0 => now,
            1 => now.max(begins.saturating_add(terms.rise.into())),
            _ => self.rng.block(now.max(begins), now.max(ends).saturating_add(1)),
        };
        let (offered, asked) =
            lot(&terms, &position, held, clock).map_or_else(|_| Default::default(), |lot| (lot.offered, lot.asked));
        let op = CreditOp::Bid {
            market: position.market,
            serial: position.serial,
            at_most: self.at_most(asked),
            at_least: self.at_least(offered),
        };
        let user = self.rng.pick(&self.on.users);
        let mut turn = self.call_of(&op, &[self.place, place, user]);
        turn.case.clock = clock;
        turn
    }

    fn add(&mut self, positions: &[(usize, Position)]) -> Turn {
        let (place, position) = self.rng.pick(positions);
        let op = CreditOp::Add {
            market: position.market,
            serial: position.serial,
            amount: self.rng.of_bits(self.on.bits) + 1,
        };
        let user = self.owner(&position);
        self.call_of(&op, &[place, user])
    }

    fn close(&mut self, positions: &[(usize, Position)]) -> Turn {
        let (place, position) = self.rng.pick(positions);
        let op = CreditOp::Close {
            market: position.market,
            serial: position.serial,
        };
        let user = self.owner(&position);
        self.call_of(&op, &[place, user])
    }

    /// Not what the position is ready for.
    fn whatever(&mut self, positions: &[(usize, Position)]) -> Turn {
        match self.rng.below(6) {
            0 => self.borrow(positions),
            1 => self.repay(positions),
            2 => self.call(positions),
            3 => self.bid(positions),
            4 => self.add(positions),
            _ => self.close(positions),
        }
    }

    fn owner(&mut self, position: &Position) -> usize {
        self.holder(AssetId::issued(RULE, title_tag(position.market, position.serial)))
    }

    /// Somebody who holds the asset; if nobody does, anybody.
    fn holder(&mut self, asset: AssetId) -> usize {
        let anybody = self.rng.pick(&self.on.users);
        let holds = |user: &&usize| holding(&self.on.world.fragments[**user], asset) != 0;
        self.on.users.iter().find(holds).copied().unwrap_or(anybody)
    }

    /// The last one listed signs; a stranger may be listed behind.
    fn call_of(&mut self, op: &CreditOp, listed: &[usize]) -> Turn {
        let mut listed = listed.to_vec();
        let fragment = u8::try_from(listed.len() - 1).unwrap_or(u8::MAX);
        if self.rng.one_in(8) {
            let stranger = self.rng.pick(&self.on.users);
            if !listed.contains(&stranger) {
                listed.push(stranger);
            }
        }
        let mut case = self.on.world.call(&listed);
        case.authorisations.push(AuthorisationView {
            fragment,
            payload: op.encode(),
        });
        Turn { case, listed }
    }
}
