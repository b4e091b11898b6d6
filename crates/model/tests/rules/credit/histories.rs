//! Random histories of several lenders, borrowers, callers and bidders, at clocks that increase. What each operation may change
//! is stated with it, and what must always hold is checked after each.

use std::{cell::RefCell, collections::BTreeMap};

use nthroot_protocol::{
    FragmentId,
    rules::credit::{CreditOp, Position, Terms},
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{RngSeed, TestRunner},
};

use super::{
    oracle::{self, Worth, wide},
    world::{
        START, USERS, WAD, World, add, bid, borrow, call, close, gold, lend, redeem, repay, terms, title, usd, user,
    },
};

/// What is tried: an operation, by whom, on which position, and how much, in 256ths of what would be sensible.
#[derive(Clone, Debug)]
struct Try {
    code: u8,
    by: u8,
    position: u8,
    part: u128,
    other: u128,
    blocks: u64,
}

fn any_try() -> impl Strategy<Value = Try> {
    let part = || prop_oneof![6 => 0..=256_u128, 1 => Just(256), 1 => Just(300)];
    let code = prop_oneof![3 => Just(2_u8), 2 => Just(3), 5 => Just(4), 3 => Just(5), 3 => Just(6), 4 => Just(7),
        1 => Just(8), 3 => Just(9), 1 => Just(10)];
    let blocks = prop_oneof![3 => Just(0_u64), 3 => 1..4_u64, 2 => 4..40_u64, 1 => 40..300_u64];
    (code, 1..=USERS, any::<u8>(), part(), part(), blocks).prop_map(|(code, by, position, part, other, blocks)| Try {
        code,
        by,
        position,
        part,
        other,
        blocks,
    })
}

fn any_terms() -> impl Strategy<Value = Terms> {
    let rate = prop_oneof![
        1 => Just(0),
        1 => Just(1_000_000_000_000),
        3 => 100_000_000_000_000..5_000_000_000_000_000_u64,
        1 => Just(u64::MAX)
    ];
    let blocks = || prop_oneof![1 => Just(1_u32), 2 => 2..30_u32];
    let fee = prop_oneof![1 => Just(0), 3 => 0..100_001_u32, 1 => Just(100_000)];
    let ratio = prop_oneof![Just(WAD), Just(WAD / 3), Just(7 * WAD / 2)];
    let minimum = prop_oneof![Just(1_u128), Just(50)];
    (
        prop_oneof![Just(0_u8), Just(5)],
        rate,
        fee,
        ratio,
        minimum,
        0..10_u32,
        blocks(),
        blocks(),
    )
        .prop_map(|(depth, rate, call_fee, ratio, minimum, grace, rise, fall)| Terms {
            depth,
            rate,
            call_fee,
            ratio,
            minimum,
            grace,
            rise,
            fall,
            ..terms()
        })
}

/// What a history has come to, as its own operations say.
struct History {
    world: World,
    market: FragmentId,
    /// Each position's title: whether it is still there.
    alive: BTreeMap<u64, bool>,
    /// Debt, block since when, and whether it is called, from what was paid.
    debts: BTreeMap<u64, Position>,
}

impl History {
    fn owner(&self, serial: u64) -> Option<u8> {
        (1..=USERS).find(|n| self.world.held(*n, title(self.market, serial)) != 0)
    }

    /// A position that fits the operation, if there is any, and whoever may do it.
    fn op(&self, tried: &Try) -> (u8, CreditOp) {
        let (world, market) = (&self.world, self.market);
        let of = |whole: u128, part: u128| whole / 256 * part + whole % 256 * part / 256;
        let fits = |serial: &u64| {
            let Some(position) = world.find(market, *serial) else {
                return false;
            };
            match tried.code {
                4 | 6 | 8 => position.principal != 0 && position.called == 0,
                5 => position.principal != 0,
                7 => position.principal != 0 && position.called != 0,
                9 => position.principal == 0 && self.alive[serial],
                _ => self.alive[serial],
            }
        };
        let serials: Vec<u64> = self.alive.keys().copied().filter(fits).collect();
        let index = usize::from(tried.position) % serials.len().max(1);
        let serial = serials.get(index).copied().unwrap_or(1);
        // One operation in eight is tried by whoever happens to be named.
        let owner = self
            .owner(serial)
            .filter(|_| tried.position & 7 != 0)
            .unwrap_or(tried.by);
        let opens = serials.is_empty() || self.alive.len() < 12 && tried.position & 1 == 0;
        let cover = |amount: u128| amount * WAD / world.market(market).terms.ratio + 1;
        let known = !self.alive.is_empty();
        match tried.code {
            3 => (tried.by, redeem(market, of(world.shares(tried.by, market), tried.part))),
            4 if opens => {
                let amount = of(world.idle(market), tried.part.min(200));
                (
                    tried.by,
                    borrow(market, 0, cover(amount) + of(cover(amount), tried.other), amount),
                )
            }
            4 => {
                let amount = of(world.idle(market), tried.part / 4);
                let added = if tried.other & 1 == 0 { cover(amount) } else { 0 };
                (owner, borrow(market, serial, added, amount))
            }
            5 if known => {
                let debt = world.find(market, serial).map_or(wide(1_u8), |position| {
                    oracle::debt(&world.market(market).terms, &position, world.clock)
                });
                let debt = debt.try_into().unwrap_or(u128::MAX);
                let taken = of(world.collateral(market, serial), tried.other / 2);
                (owner, repay(market, serial, of(debt, tried.part), taken))
            }
            6 if known => (tried.by, call(market, serial)),
            7 if known => (tried.by, bid(market, serial)),
            8 if known => (owner, add(market, serial, tried.part)),
            9 if known => (owner, close(market, serial)),
            _ => (tried.by, lend(market, tried.part * 40 + tried.other)),
        }
    }

    /// Tries an operation, and checks what it may change. Whether it succeeded.
    fn attempt(&mut self, by: u8, op: CreditOp) -> bool {
        let before = self.world.clone();
        let market = self.market;
        if self.world.act(by, op).is_err() {
            assert_eq!(self.world.fragments, before.fragments);
            return false;
        }
        let asset = |world: &World| world.held(by, usd());
        let paid = asset(&before).saturating_sub(asset(&self.world));
        let received = asset(&self.world).saturating_sub(asset(&before));
        let (was, is) = (Worth::of(&before, market), Worth::of(&self.world, market));
        // What rounding up a debt may add.
        let one = wide(1_u8);
        let grows_by_a_unit_at_most = |was, is| is >= was && is <= was + one;
        match op {
            CreditOp::Create(_) => unreachable!(),
            CreditOp::Lend { amount, .. } => {
                assert_eq!(
                    (paid, is.low, is.high),
                    (amount, was.low + wide(amount), was.high + wide(amount))
                );
            }
            CreditOp::Redeem { shares, .. } => {
                assert_eq!((is.low, is.high), (was.low - wide(received), was.high - wide(received)));
                assert!(was.is_within_low(received, shares));
            }
            CreditOp::Borrow { serial, amount, .. } => {
                assert_eq!(received, amount);
                assert!(grows_by_a_unit_at_most(was.low, is.low) && grows_by_a_unit_at_most(was.high, is.high));
                let serial = if serial == 0 { self.opened() } else { serial };
                self.owes(&before, serial, |debt| debt + amount);
            }
            CreditOp::Repay { serial, .. } => {
                if before.position(market, serial).called == 0 {
                    assert!(grows_by_a_unit_at_most(was.low, is.low) && grows_by_a_unit_at_most(was.high, is.high));
                } else {
                    assert_eq!((is.low, is.high), (was.low + wide(paid), was.high));
                }
                self.owes(&before, serial, |debt| debt - paid);
                self.alive.insert(serial, self.debts[&serial].principal != 0);
            }
            CreditOp::Call { serial, .. } => {
                self.owes(&before, serial, |debt| debt);
                let (terms, debt) = (before.market(market).terms, wide(self.debts[&serial].principal));
                let fee = oracle::call_fee(&terms, debt, before.collateral(market, serial));
                assert_eq!(wide(paid), fee);
                self.debts.get_mut(&serial).unwrap().called = before.clock;
                // The debt leaves low; the fee joins both.
                let called = wide(self.debts[&serial].principal);
                assert!(grows_by_a_unit_at_most(was.low + wide(paid), is.low + called));
                assert!(grows_by_a_unit_at_most(was.high + wide(paid), is.high));
            }
            CreditOp::Bid { serial, .. } => {
                let debt = wide(self.debts[&serial].principal);
                assert_eq!((is.low, is.high), (was.low + wide(paid), was.high + wide(paid) - debt));
                assert!(wide(paid) <= debt);
                self.debts.get_mut(&serial).unwrap().principal = 0;
            }
            CreditOp::Add { .. } => assert_eq!((is.low, is.high), (was.low, was.high)),
            CreditOp::Close { serial, .. } => {
                assert_eq!((is.low, is.high), (was.low, was.high));
                self.alive.insert(serial, false);
            }
        }
        // What a share is redeemed for falls by nothing but a call, what it is bought for by nothing but a bid below the debt.
        assert!(matches!(op, CreditOp::Call { .. }) || is.low_price_holds(&was));
        assert!(matches!(op, CreditOp::Bid { .. }) && is.high < was.high || is.high_price_holds(&was));
        true
    }

    /// Counts a position that was opened. Returns its serial.
    fn opened(&mut self) -> u64 {
        let serial = self.world.market(self.market).serial;
        assert_eq!(self.alive.insert(serial, true), None);
        let position = Position {
            market: self.market,
            serial,
            collateral: gold(),
            principal: 0,
            since: self.world.clock,
            called: 0,
        };
        self.debts.insert(serial, position);
        serial
    }

    /// The debt of a position changes.
    fn owes(&mut self, before: &World, serial: u64, change: impl Fn(u128) -> u128) {
        let terms = before.market(self.market).terms;
        let position = self.debts.get_mut(&serial).unwrap();
        let debt = oracle::debt(&terms, position, before.clock).try_into().unwrap();
        (position.principal, position.since) = (change(debt), before.clock);
    }

    fn check(&self) {
        oracle::check(&self.world, self.market, &self.alive);
        for (serial, own) in &self.debts {
            let Some(position) = self.world.find(self.market, *serial) else {
                assert_eq!((own.principal, self.alive[serial]), (0, false));
                continue;
            };
            assert_eq!(
                (own.principal, own.called),
                (position.principal, position.called),
                "position {serial}"
            );
            if own.principal != 0 {
                assert_eq!(*own, position);
                let terms = self.world.market(self.market).terms;
                let debt = oracle::debt(&terms, own, self.world.clock);
                let quoted = nthroot_model::rules::credit::quotes::debt_up(&terms, &position, self.world.clock);
                assert_eq!(debt, oracle::widen(quoted.unwrap()));
            }
        }
    }

    /// Time passes: what lenders have does not fall by it, and called loans stay as they are.
    fn pass(&mut self, blocks: u64) {
        let (was, called) = (
            Worth::of(&self.world, self.market),
            self.world.market(self.market).called,
        );
        self.world.pass(blocks);
        let is = Worth::of(&self.world, self.market);
        assert!(is.low >= was.low && is.high >= was.high);
        assert_eq!(is.high - is.low, wide(called));
    }
}

#[test]
fn whatever_happens_the_market_counts_right_and_shares_fall_by_losses_only() {
    let counts = RefCell::new(BTreeMap::<(u8, bool), u32>::new());
    let config = ProptestConfig {
        rng_seed: RngSeed::Fixed(1),
        cases: 100,
        max_shrink_iters: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
        .run(&(any_terms(), vec(any_try(), 1..70)), |(terms, tries)| {
            let (world, market) = World::lent(terms, 5_000);
            let mut history = History {
                world,
                market,
                alive: BTreeMap::new(),
                debts: BTreeMap::new(),
            };
            for tried in &tries {
                // A title changes hands now and then.
                if let Some(owner) = (tried.code == 10)
                    .then(|| history.owner(u64::from(tried.position) % 12))
                    .flatten()
                {
                    if owner != tried.by {
                        let title = title(market, u64::from(tried.position) % 12);
                        history.world.pay(owner, tried.by, title, 1);
                        history.check();
                    }
                    continue;
                }
                history.pass(if terms.rate == u64::MAX {
                    tried.blocks.min(2)
                } else {
                    tried.blocks
                });
                let (by, op) = history.op(tried);
                let done = history.attempt(by, op);
                *counts.borrow_mut().entry((op.encode()[0], done)).or_default() += 1;
                history.check();
            }
            assert!(history.world.clock >= START && history.world.fragments.contains_key(&user(1)));
            Ok(())
        })
        .unwrap();
    let counts = counts.into_inner();
    for code in 2..10 {
        let done = counts.get(&(code, true)).copied().unwrap_or(0);
        assert!(done >= 30, "{counts:?}");
    }
}
