//! Histories of pools.

use nthroot_evm::metered::Known;
use nthroot_model::{
    rule::AuthorisationView,
    rules::pool::{Liquidity, effects},
};
use nthroot_protocol::{
    AssetId, Effect, FragmentId,
    rules::pool::{LOCKED_SHARES, MAX_FEE, Pair, PoolOp, PoolState, Side, share_tag},
};

use nthroot_wallet::Budget;

use crate::{
    bench::{Subject, reason},
    case::{Case, RULE},
    mutate::{Field, number},
    rng::Rng,
    world::{Turn, World, holding},
};

/// A pool, and those who use it.
pub(crate) struct Pools {
    world: World,
    pool: Option<usize>,
    users: Vec<usize>,
    bits: u32,
}

impl Subject for Pools {
    const NAME: &'static str = "Pool";
    const KNOWN: Known = Known::Pool;
    const OPERATIONS: &'static [&'static str] = &["add", "buy", "create", "first add", "remove", "sell", "several"];
    const REASONS: &'static [&'static str] = &[
        "Amount DivisionByZero",
        "Amount Overflow",
        "Amount TooLarge",
        "Bought",
        "Burnt",
        "Codec AssetOrder",
        "Codec Code",
        "Codec Fee",
        "Codec Side",
        "Codec Trailing",
        "Codec Truncated",
        "Extra",
        "NoPool",
        "NoShares",
        "Operations",
        "OtherPool",
        "TooLittle",
        "TooMuch",
    ];
    const LENGTHS: &'static [usize] = &[83, 68, 59, 59, 44, 44];

    fn new(rng: &mut Rng) -> Self {
        let mut world = World::new(rng.next() >> rng.below(64));
        let users = (0..16).map(|_| world.user(rng, 0)).collect();
        let bits = if rng.one_in(6) {
            127
        } else {
            u32::try_from(12 + rng.below(116)).unwrap_or(64)
        };
        Self {
            world,
            pool: None,
            users,
            bits,
        }
    }

    fn turn(&mut self, rng: &mut Rng) -> Turn {
        rng.shuffle(&mut self.users);
        match self.pool {
            Some(pool) if !rng.one_in(24) => self.operate(rng, pool),
            _ => self.create(rng),
        }
    }

    fn apply(&mut self, turn: &Turn, effects: &[Effect]) {
        if let Some(opened) = self.world.apply(turn, effects) {
            self.pool = opened.first().copied().or(self.pool);
        }
    }

    fn twin(case: &Case) -> Result<Vec<Effect>, String> {
        effects(&case.fragments, &case.authorisations, &case.extra).map_err(|failure| reason(&failure))
    }

    fn operation(case: &Case) -> &'static str {
        let [signed] = case.authorisations.as_slice() else {
            return "several";
        };
        match PoolOp::decode(&signed.payload) {
            Ok(PoolOp::Create(_)) => "create",
            Ok(PoolOp::Add { .. }) if case.fragments[0].data[67..] == [0; 16] => "first add",
            Ok(PoolOp::Add { .. }) => "add",
            Ok(PoolOp::Remove { .. }) => "remove",
            Ok(PoolOp::Sell { .. }) => "sell",
            Ok(PoolOp::Buy { .. }) => "buy",
            Err(_) => "no operation",
        }
    }

    fn meanings(case: &Case) -> Vec<(String, Vec<u8>)> {
        let data = &case.fragments[0].data;
        let ops = case
            .authorisations
            .iter()
            .flat_map(|signed| PoolOp::decode(&signed.payload));
        let typed = ops.map(|op| match op {
            PoolOp::Create(pair) => op.typed(pair.assets),
            op => op.typed(PoolState::decode(data).expect("a pool").pair.assets),
        });
        // Structs of numbers: encoded for a hash as for a contract.
        typed.map(|typed| (typed.type_string, typed.encoded)).collect()
    }

    fn budget(case: &Case) -> Budget {
        let ops = case.authorisations.iter().map(|signed| PoolOp::decode(&signed.payload));
        ops.flatten()
            .map(|op| Budget::pool(&op))
            .fold(Budget::ZERO, Budget::and)
    }

    fn fields(payload: &[u8]) -> Vec<Field> {
        match payload.first() {
            Some(1) => vec![(1, 32), (33, 32), (65, 3)],
            Some(2 | 3) => vec![(1, 10), (11, 16), (27, 16), (43, 16)],
            Some(4 | 5) => vec![(1, 10), (11, 1), (12, 16), (28, 16)],
            _ => vec![],
        }
    }

    fn extra_fields(_: &[AuthorisationView], extra: &[u8]) -> Vec<Field> {
        vec![(0, extra.len().min(20))]
    }

    fn forge(rng: &mut Rng, data: &mut Vec<u8>) {
        // Only the shares ever change.
        if let Some(shares) = data.get_mut(67..83) {
            let old = u128::from_be_bytes((&*shares).try_into().expect("16 bytes"));
            shares.copy_from_slice(&number(rng, old, u128::MAX).to_be_bytes());
        }
    }
}

impl Pools {
    fn create(&self, rng: &mut Rng) -> Turn {
        let assets = rng.assets(2).try_into().expect("two");
        let any = u32::try_from(rng.below(100_001)).unwrap_or(0);
        let fee = rng.pick(&[0, 1, 3_000, MAX_FEE, any]);
        let listed = &self.users[..=rng.below(2)];
        let mut case = self.world.call(listed);
        case.authorisations.push(AuthorisationView {
            fragment: u8::try_from(rng.below(listed.len())).unwrap_or(0),
            payload: PoolOp::Create(Pair { assets, fee }).encode(),
        });
        case.extra = RULE.to_vec();
        Turn {
            case,
            listed: listed.into(),
        }
    }

    fn operate(&self, rng: &mut Rng, pool: usize) -> Turn {
        let users = match rng.below(16) {
            0 => 15,
            1..=3 => 2 + rng.below(3),
            _ => 1,
        };
        let listed: Vec<usize> = std::iter::once(pool)
            .chain(self.users[..users].iter().copied())
            .collect();
        let mut case = self.world.call(&listed);
        let id = case.fragments[0].id;
        let mut liquidity = Liquidity::of(&case.fragments[0].data, &case.fragments[0].assets).expect("a pool");
        for user in 1..=users {
            let held = holding(&case.fragments[user], AssetId::issued(RULE, share_tag(id)));
            let position = u8::try_from(user).unwrap_or(u8::MAX);
            // The last attempt stands, whether it succeeds or not.
            let attempts = if rng.one_in(8) { 1 } else { 4 };
            for attempt in 1..=attempts {
                let op = self.operation_on(rng, id, &liquidity, held);
                let after = liquidity.after(id, position, op);
                if after.is_ok() || attempt == attempts {
                    let payload = op.encode();
                    let fragment = position;
                    case.authorisations.push(AuthorisationView { fragment, payload });
                    liquidity = after.map_or(liquidity, |(next, _)| next);
                    break;
                }
            }
        }
        Turn { case, listed }
    }

    /// An operation with limits that are just met, or loose.
    fn operation_on(&self, rng: &mut Rng, pool: FragmentId, liquidity: &Liquidity, held: u128) -> PoolOp {
        let tight = rng.one_in(2);
        if liquidity.state.shares == 0 || rng.one_in(4) {
            let [most_0, most_1] = liquidity.reserves.map(|reserve| match rng.below(4) {
                0 if reserve > 0 => rng.within(1, reserve),
                1 => rng.word() >> (128 - self.bits),
                _ => rng.of_bits(self.bits) + 1,
            });
            let at_most = [most_0, most_1];
            let minted = liquidity.quote_add(at_most).map_or(0, |added| added.minted);
            let shares_at_least = if tight { minted } else { rng.within(0, minted) };
            return PoolOp::Add {
                pool,
                at_most,
                shares_at_least,
            };
        }
        let side = rng.pick(&Side::BOTH);
        match rng.below(3) {
            0 if held > 0 => {
                let free = liquidity.state.shares.saturating_sub(LOCKED_SHARES);
                let shares = rng.within(1, held.min(free));
                let out = liquidity.quote_remove(shares).unwrap_or_default();
                let at_least = out.map(|out| if tight { out } else { rng.within(0, out) });
                PoolOp::Remove { pool, shares, at_least }
            }
            1 => {
                // Often all but one unit, for a price that may not fit.
                let amount = rng.within(1, side.of(liquidity.reserves).saturating_sub(1));
                let sold = liquidity.quote_buy(side, amount).unwrap_or_default();
                let at_most = if tight { sold } else { rng.within(sold, u128::MAX) };
                PoolOp::Buy {
                    pool,
                    side,
                    amount,
                    at_most,
                }
            }
            _ => {
                let amount = rng.within(1, side.of(liquidity.reserves).saturating_mul(2));
                let bought = liquidity.quote_sell(side, amount).unwrap_or_default();
                let at_least = if tight { bought } else { rng.within(0, bought) };
                PoolOp::Sell {
                    pool,
                    side,
                    amount,
                    at_least,
                }
            }
        }
    }
}
