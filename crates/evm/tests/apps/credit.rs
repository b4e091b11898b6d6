//! Lies about markets and their lenders.

use alloy::primitives::U256;
use nthroot_model::rules::credit::quotes;
use nthroot_protocol::{
    AssetId, Kind,
    rules::credit::{CreditOp, VIRTUAL_SHARES, shares_tag},
};
use nthroot_wallet::Request;

use crate::{
    Lie,
    bases::{Base, gold},
    draft::{Draft, Who},
    lie, loans,
    stage::ETHER,
    world::{LENDER, World, address},
};

pub(crate) fn lies(base: Base) -> &'static [Lie] {
    match base {
        Base::Create | Base::CreateClub => CREATE,
        Base::Lend => LEND,
        Base::Redeem => REDEEM,
        _ => loans::lies(base),
    }
}

const CREATE: &[Lie] = &[
    lie("a larger ratio", "Root {", |_, _, draft| {
        draft.market(|market| market.terms.ratio *= 2);
    }),
    lie("another depth in the data", "Root {", |_, _, draft| {
        draft.market(|market| market.terms.depth += 1);
    }),
    lie("shares from the start", "Root {", |_, _, draft| {
        draft.market(|market| market.shares = 1);
    }),
    lie("a debt from the start", "Root {", |_, _, draft| {
        draft.market(|market| market.principal = ETHER);
    }),
    lie("a market in somebody's hands", "Root {", |_, _, draft| {
        draft.edit(Who::Market, |market| {
            (market.kind, market.controller) = (Kind::Secp256k1, address(0));
        });
    }),
    lie(
        "opened under another rule",
        "OpenUnderOtherRule {",
        |world, _, draft| {
            draft.body.calls[0].extra = world.book.pool.to_vec().into();
        },
    ),
    lie("an asset lent against itself", "Rule(", |world, _, draft| {
        change(world, draft, |op| match op {
            CreditOp::Create(terms) => terms.collateral = AssetId::ETH,
            _ => unreachable!("it creates"),
        });
        draft.market(|market| market.terms.collateral = AssetId::ETH);
    }),
];

const LEND: &[Lie] = &[
    lie("a share too many", "Root {", |world, _, draft| {
        draft.gain(Who::User(0), shares(world), 1);
        draft.market(|market| market.shares += 1);
    }),
    lie("a share that is not counted", "Root {", |world, _, draft| {
        draft.gain(Who::User(0), shares(world), 1);
    }),
    lie("shares for nothing", "Root {", |_, _, draft| {
        draft.shift(AssetId::ETH, Who::Market, Who::User(0), 10 * ETHER + 1);
    }),
    lie("interest left out of the price", "Root {", |world, base, draft| {
        let market = world.market_data(base.loan(world).market);
        let idle = world.fragment(world.market).balance(AssetId::ETH);
        let worth = U256::from(idle) + U256::from(market.principal) + U256::from(market.called) + U256::ONE;
        let all = U256::from(market.shares) + U256::from(VIRTUAL_SHARES);
        let cheap = u128::try_from(U256::from(10 * ETHER + 1) * all / worth).expect("an amount");
        let more = cheap - draft.state(Who::User(0)).balance(shares(world));
        draft.gain(Who::User(0), shares(world), more);
        draft.market(|market| market.shares += more);
    }),
    lie("fewer shares than asked for", "Rule(", |world, _, draft| {
        let got = draft.state(Who::User(0)).balance(shares(world));
        change(world, draft, |op| match op {
            CreditOp::Lend { shares_at_least, .. } => *shares_at_least = got + 1,
            _ => unreachable!("it lends"),
        });
    }),
];

const REDEEM: &[Lie] = &[
    lie("rounded in the user's favour", "Root {", |_, _, draft| {
        draft.shift(AssetId::ETH, Who::Market, Who::User(LENDER), 1);
    }),
    lie(
        "called loans counted as if they were paid",
        "Root {",
        |world, _, draft| {
            let market = world.market_data(world.market);
            let idle = world.fragment(world.market).balance(AssetId::ETH);
            let high = quotes::high(&market, idle, world.clock()).expect("a number") + U256::ONE;
            let all = U256::from(market.shares) + U256::from(VIRTUAL_SHARES);
            let dear = u128::try_from(U256::from(5_000_000 * ETHER) * high / all).expect("an amount");
            let got = draft.state(Who::User(LENDER)).balance(AssetId::ETH) - world.home(LENDER).balance(AssetId::ETH);
            draft.shift(AssetId::ETH, Who::Market, Who::User(LENDER), dear - got);
        },
    ),
    lie("shares not burnt", "Root {", |world, _, draft| {
        draft.gain(Who::User(LENDER), shares(world), 5_000_000 * ETHER);
        draft.market(|market| market.shares += 5_000_000 * ETHER);
    }),
    lie("more than is idle", "Rule(", |world, _, draft| {
        let all = world.market_data(world.market).shares;
        change(world, draft, |op| match op {
            CreditOp::Redeem { shares, .. } => *shares = all,
            _ => unreachable!("it redeems"),
        });
    }),
];

/// Shares of the market's lenders.
fn shares(world: &World) -> AssetId {
    AssetId::issued(world.book.credit, shares_tag(world.market))
}

/// Has the user ask for something else.
pub(crate) fn change(world: &World, draft: &mut Draft, change: impl FnOnce(&mut CreditOp)) {
    let mut op = CreditOp::decode(&draft.body.calls[0].authorisations[0].payload).expect("an operation");
    change(&mut op);
    let (collateral, asset) = match op {
        CreditOp::Create(terms) => (terms.collateral, terms.asset),
        _ => (gold(world), AssetId::ETH),
    };
    draft.ask(world, (0, 0), &Request::Credit { op, collateral, asset });
}
