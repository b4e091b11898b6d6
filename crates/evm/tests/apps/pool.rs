//! Lies about pools.

use nthroot_model::rules::pool::Liquidity;
use nthroot_protocol::{
    AssetId, Kind,
    rules::pool::{LOCKED_SHARES, PoolOp, Side},
};
use nthroot_wallet::Request;

use crate::{
    Lie,
    bases::{Base, gold, shares},
    draft::{Draft, Who},
    lie,
    stage::ETHER,
    world::{PROVIDER, World, address},
};

pub(crate) fn lies(base: Base) -> &'static [Lie] {
    match base {
        Base::PoolCreate => CREATE,
        Base::PoolAdd => ADD,
        Base::PoolFirst => FIRST,
        Base::PoolRemove => REMOVE,
        Base::PoolSell => SELL,
        Base::PoolBuy => BUY,
        _ => TWO,
    }
}

const CREATE: &[Lie] = &[
    lie("shares from the start", "Root {", |_, _, draft| {
        draft.pool(|pool| pool.shares = 1);
    }),
    lie("another fee", "Root {", |_, _, draft| {
        draft.pool(|pool| pool.pair.fee += 1);
    }),
    lie("a pool in somebody's hands", "Root {", |_, _, draft| {
        draft.edit(Who::Pool, |pool| {
            (pool.kind, pool.controller) = (Kind::Secp256k1, address(0));
        });
    }),
    lie("a pool under another rule", "Root {", |world, _, draft| {
        draft.edit(Who::Pool, |pool| pool.controller = world.book.swap);
    }),
    lie(
        "opened under another rule",
        "OpenUnderOtherRule {",
        |world, _, draft| {
            draft.body.calls[0].extra = world.book.swap.to_vec().into();
        },
    ),
    lie("a fee above the largest", "Rule(", |world, _, draft| {
        let mut pair = world.pair();
        pair.fee = 100_001;
        ask(world, draft, PoolOp::Create(pair));
        draft.pool(|pool| pool.pair = pair);
    }),
    lie("assets out of order", "Rule(", |world, _, draft| {
        let mut pair = world.pair();
        pair.assets.reverse();
        ask(world, draft, PoolOp::Create(pair));
        draft.pool(|pool| pool.pair = pair);
    }),
];

const ADD: &[Lie] = &[
    lie("a share too many", "Root {", |world, _, draft| {
        draft.gain(Who::User(0), shares(world), 1);
        draft.pool(|pool| pool.shares += 1);
    }),
    lie("a share that is not counted", "Root {", |world, _, draft| {
        draft.gain(Who::User(0), shares(world), 1);
    }),
    lie("a share too few", "Root {", |world, _, draft| {
        draft.lose(Who::User(0), shares(world), 1);
        draft.pool(|pool| pool.shares -= 1);
    }),
    lie("shares for nothing", "Root {", |world, _, draft| {
        for asset in [AssetId::ETH, gold(world)] {
            let paid = draft.state(Who::Pool).balance(asset) - world.fragment(world.pool).balance(asset);
            draft.shift(asset, Who::Pool, Who::User(0), paid);
        }
    }),
    lie("rounded in the user's favour", "Root {", |world, _, draft| {
        draft.shift(gold(world), Who::Pool, Who::User(0), 1);
    }),
    lie("fewer shares than asked for", "Rule(", |world, _, draft| {
        let minted = draft.state(Who::User(0)).balance(shares(world));
        change(world, draft, |op| match op {
            PoolOp::Add { shares_at_least, .. } => *shares_at_least = minted + 1,
            _ => unreachable!("it adds"),
        });
    }),
];

const FIRST: &[Lie] = &[
    lie("shares that nobody has", "Root {", |world, _, draft| {
        draft.gain(Who::User(0), shares(world), LOCKED_SHARES);
    }),
    lie("shares that nobody has left out", "Root {", |_, _, draft| {
        draft.pool(|pool| pool.shares -= LOCKED_SHARES);
    }),
];

const REMOVE: &[Lie] = &[
    lie("rounded in the user's favour", "Root {", |world, _, draft| {
        draft.shift(gold(world), Who::Pool, Who::User(PROVIDER), 1);
    }),
    lie("shares not burnt", "Root {", |world, _, draft| {
        draft.gain(Who::User(PROVIDER), shares(world), 10 * ETHER + 3);
        draft.pool(|pool| pool.shares += 10 * ETHER + 3);
    }),
    lie("shares burnt and not counted", "Root {", |_, _, draft| {
        draft.pool(|pool| pool.shares += 10 * ETHER + 3);
    }),
    lie("less than asked for", "Rule(", |world, _, draft| {
        let got = draft.state(Who::User(PROVIDER)).balance(AssetId::ETH) - world.home(PROVIDER).balance(AssetId::ETH);
        change(world, draft, |op| match op {
            PoolOp::Remove { at_least, .. } => at_least[0] = got + 1,
            _ => unreachable!("it removes"),
        });
    }),
    lie("shares that nobody has burnt", "Rule(", |world, _, draft| {
        let all = world.liquidity().state.shares;
        change(world, draft, |op| match op {
            PoolOp::Remove { shares, .. } => *shares = all - LOCKED_SHARES + 1,
            _ => unreachable!("it removes"),
        });
    }),
];

const SELL: &[Lie] = &[
    lie("a unit more bought", "Root {", |world, _, draft| {
        draft.shift(gold(world), Who::Pool, Who::User(0), 1);
    }),
    lie("a unit less bought", "Root {", |world, _, draft| {
        draft.shift(gold(world), Who::User(0), Who::Pool, 1);
    }),
    lie("fee skipped", "Root {", |world, _, draft| {
        let pool = world.liquidity();
        let without = free(&pool).quote_sell(Side::Zero, 5 * ETHER + 1).expect("a price");
        let with = pool.quote_sell(Side::Zero, 5 * ETHER + 1).expect("a price");
        draft.shift(gold(world), Who::Pool, Who::User(0), without - with);
    }),
    lie("bought for nothing", "Root {", |_, _, draft| {
        draft.shift(AssetId::ETH, Who::Pool, Who::User(0), 5 * ETHER + 1);
    }),
    lie("sold for nothing", "Root {", |world, _, draft| {
        let bought = world
            .liquidity()
            .quote_sell(Side::Zero, 5 * ETHER + 1)
            .expect("a price");
        draft.shift(gold(world), Who::User(0), Who::Pool, bought);
    }),
    lie("less than asked for", "Rule(", |world, _, draft| {
        let bought = world
            .liquidity()
            .quote_sell(Side::Zero, 5 * ETHER + 1)
            .expect("a price");
        change(world, draft, |op| match op {
            PoolOp::Sell { at_least, .. } => *at_least = bought + 1,
            _ => unreachable!("it sells"),
        });
    }),
];

const BUY: &[Lie] = &[
    lie("a unit less sold", "Root {", |_, _, draft| {
        draft.shift(AssetId::ETH, Who::Pool, Who::User(0), 1);
    }),
    lie("a unit more sold", "Root {", |_, _, draft| {
        draft.shift(AssetId::ETH, Who::User(0), Who::Pool, 1);
    }),
    lie("fee skipped", "Root {", |world, _, draft| {
        let pool = world.liquidity();
        let with = pool.quote_buy(Side::One, 7 * ETHER + 1).expect("a price");
        let without = free(&pool).quote_buy(Side::One, 7 * ETHER + 1).expect("a price");
        draft.shift(AssetId::ETH, Who::Pool, Who::User(0), with - without);
    }),
    lie("more than allowed", "Rule(", |world, _, draft| {
        let sold = world.liquidity().quote_buy(Side::One, 7 * ETHER + 1).expect("a price");
        change(world, draft, |op| match op {
            PoolOp::Buy { at_most, .. } => *at_most = sold - 1,
            _ => unreachable!("it buys"),
        });
    }),
];

const TWO: &[Lie] = &[
    lie("each at the price before the other", "Root {", |world, _, draft| {
        let first = world.liquidity().quote_sell(Side::One, 8 * ETHER + 1).expect("a price");
        let got = draft.state(Who::User(1)).balance(AssetId::ETH) - world.home(1).balance(AssetId::ETH);
        draft.shift(AssetId::ETH, Who::User(1), Who::Pool, got - first);
    }),
    lie("one pays for the other", "Root {", |_, _, draft| {
        draft.shift(AssetId::ETH, Who::User(1), Who::User(0), 1);
    }),
];

/// Has the first user ask for something else.
fn ask(world: &World, draft: &mut Draft, op: PoolOp) {
    let assets = world.pair().assets;
    draft.ask(world, (0, 0), &Request::Pool { op, assets });
}

fn change(world: &World, draft: &mut Draft, change: impl FnOnce(&mut PoolOp)) {
    let mut op = PoolOp::decode(&draft.body.calls[0].authorisations[0].payload).expect("an operation");
    change(&mut op);
    ask(world, draft, op);
}

/// The pool without its fee.
fn free(pool: &Liquidity) -> Liquidity {
    let mut free = *pool;
    free.state.pair.fee = 0;
    free
}
