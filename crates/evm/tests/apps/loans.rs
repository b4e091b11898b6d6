//! Lies about loans and auctions.

use alloy::primitives::{U256, aliases::U192};
use nthroot_model::rules::credit::quotes;
use nthroot_protocol::{AssetId, Kind, rules::credit::CreditOp};

use crate::{
    Lie,
    bases::{Base, gold},
    credit::change,
    draft::{Draft, Who},
    lie,
    stage::ETHER,
    world::{BIDDER, BORROWER, Loan, World, address},
};

pub(crate) fn lies(base: Base) -> &'static [Lie] {
    match base {
        Base::Borrow | Base::BorrowInside => BORROW,
        Base::BorrowMore => MORE,
        Base::Repay | Base::RepayInside => REPAY,
        Base::RepayPart => PART,
        Base::RepayCalled => REPAY_CALLED,
        Base::Call | Base::CallInside => CALL,
        Base::CallEdge => CALL_EDGE,
        Base::CallWeak => CALL_WEAK,
        Base::BidRise => RISE,
        Base::BidFall => FALL,
        Base::Add | Base::AddInside => ADD,
        _ => CLOSE,
    }
}

const BORROW: &[Lie] = &[
    lie("no collateral", "Root {", |world, _, draft| {
        draft.shift(gold(world), Who::Position, Who::User(0), 10 * ETHER);
    }),
    lie("title not minted", "Root {", |world, _, draft| {
        let title = new_title(world, draft);
        draft.lose(Who::User(0), title, 1);
    }),
    lie("title minted twice", "Root {", |world, _, draft| {
        let title = new_title(world, draft);
        draft.gain(Who::User(0), title, 1);
    }),
    lie("title minted to another", "Root {", |world, _, draft| {
        let title = new_title(world, draft);
        draft.shift(title, Who::User(0), Who::Market, 1);
    }),
    lie("debt forgotten", "Root {", |world, _, draft| {
        owes_less(world, draft, 2 * ETHER);
    }),
    lie("a unit less owed", "Root {", |world, _, draft| {
        owes_less(world, draft, 1);
    }),
    lie("a unit more lent", "Root {", |_, _, draft| {
        draft.shift(AssetId::ETH, Who::Market, Who::User(0), 1);
    }),
    lie("owed from the next block on", "Root {", |_, _, draft| {
        draft.position(|position| position.since += 1);
    }),
    lie("serial not counted", "Root {", |_, _, draft| {
        draft.market(|market| market.serial -= 1);
    }),
    lie("a position of another serial", "Root {", |_, _, draft| {
        draft.position(|position| position.serial += 1);
    }),
    lie("a position in somebody's hands", "Root {", |_, _, draft| {
        draft.edit(Who::Position, |own| {
            (own.kind, own.controller) = (Kind::Secp256k1, address(7));
        });
    }),
    lie("beyond what the collateral covers", "Rule(", |world, _, draft| {
        change(world, draft, |op| match op {
            CreditOp::Borrow { amount, .. } => *amount = 5 * ETHER + 1,
            _ => unreachable!("it borrows"),
        });
        let more = 3 * ETHER + 1;
        draft.shift(AssetId::ETH, Who::Market, Who::User(0), more);
        owes_more(world, draft, more);
    }),
    lie("without collateral", "Rule(", |world, _, draft| {
        change(world, draft, |op| match op {
            CreditOp::Borrow { added, .. } => *added = 0,
            _ => unreachable!("it borrows"),
        });
        draft.shift(gold(world), Who::Position, Who::User(0), 10 * ETHER);
    }),
    lie("less than the minimum", "Rule(", |world, _, draft| {
        change(world, draft, |op| match op {
            CreditOp::Borrow { amount, .. } => *amount = ETHER - 1,
            _ => unreachable!("it borrows"),
        });
        let less = ETHER + 1;
        draft.shift(AssetId::ETH, Who::User(0), Who::Market, less);
        owes_less(world, draft, less);
    }),
];

const MORE: &[Lie] = &[
    lie("interest left out", "Root {", |world, base, draft| {
        owes_less(world, draft, world.interest(base.loan(world)));
    }),
    lie("debt forgotten", "Root {", |world, _, draft| {
        owes_less(world, draft, ETHER);
    }),
    lie("no collateral added", "Root {", |world, _, draft| {
        draft.shift(gold(world), Who::Position, Who::User(BORROWER), ETHER);
    }),
    lie("beyond what the collateral covers", "Rule(", |world, base, draft| {
        let most = (100 + 1) * ETHER / 2 - world.debt(base.loan(world));
        change(world, draft, |op| match op {
            CreditOp::Borrow { amount, .. } => *amount = most + 1,
            _ => unreachable!("it borrows"),
        });
        draft.shift(AssetId::ETH, Who::Market, Who::User(BORROWER), most + 1 - ETHER);
        owes_more(world, draft, most + 1 - ETHER);
    }),
    lie(OTHER_POSITION, "Rule(", other_position),
];

const REPAY: &[Lie] = &[
    lie("interest left out", "Root {", |world, base, draft| {
        let interest = world.interest(base.loan(world));
        draft.shift(AssetId::ETH, Who::Market, Who::User(BORROWER), interest);
    }),
    lie("debt forgotten", "Root {", |world, base, draft| {
        let debt = world.debt(base.loan(world));
        draft.shift(AssetId::ETH, Who::Market, Who::User(BORROWER), debt);
    }),
    lie("collateral kept back", "Root {", |world, _, draft| {
        draft.shift(gold(world), Who::User(BORROWER), Who::Position, 1);
    }),
    lie("title not burnt", "Root {", |world, base, draft| {
        draft.gain(Who::User(BORROWER), world.title(base.loan(world)), 1);
    }),
    lie("still owed", "Root {", |world, base, draft| {
        let debt = world.debt(base.loan(world));
        owes_more(world, draft, debt);
    }),
    lie(OTHER_POSITION, "Rule(", other_position),
];

const PART: &[Lie] = &[
    lie("a unit less paid", "Root {", |_, _, draft| {
        draft.shift(AssetId::ETH, Who::Market, Who::User(BORROWER), 1);
    }),
    lie("interest left out", "Root {", |world, base, draft| {
        owes_less(world, draft, world.interest(base.loan(world)));
    }),
    lie("a unit more taken", "Root {", |world, _, draft| {
        draft.shift(gold(world), Who::Position, Who::User(BORROWER), 1);
    }),
    lie("title burnt", "Root {", |world, base, draft| {
        draft.lose(Who::User(BORROWER), world.title(base.loan(world)), 1);
    }),
    lie("less left than the minimum", "Rule(", |world, base, draft| {
        let debt = world.debt(base.loan(world));
        let more = debt - (ETHER - 1) - 5 * ETHER;
        change(world, draft, |op| match op {
            CreditOp::Repay { at_most, .. } => *at_most = debt - (ETHER - 1),
            _ => unreachable!("it repays"),
        });
        draft.shift(AssetId::ETH, Who::User(BORROWER), Who::Market, more);
        owes_less(world, draft, more);
    }),
    lie("more taken than cover allows", "Rule(", |world, _, draft| {
        change(world, draft, |op| match op {
            CreditOp::Repay { taken, .. } => *taken = 90 * ETHER,
            _ => unreachable!("it repays"),
        });
        draft.shift(gold(world), Who::Position, Who::User(BORROWER), 87 * ETHER);
    }),
];

const REPAY_CALLED: &[Lie] = &[
    lie("as if never called", "Root {", |_, _, draft| {
        draft.position(|position| position.called = 0);
    }),
    lie("still counted as called", "Root {", |world, base, draft| {
        let debt = world.debt(base.loan(world));
        draft.market(|market| market.called += debt);
    }),
    lie("paid in part", "Rule(", |world, _, draft| {
        change(world, draft, |op| match op {
            CreditOp::Repay { at_most, .. } => *at_most = 5 * ETHER,
            _ => unreachable!("it repays"),
        });
    }),
];

const CALL: &[Lie] = &[
    lie("fee skipped", "Root {", |world, base, draft| {
        draft.shift(AssetId::ETH, Who::Market, Who::User(0), fee(world, base));
    }),
    lie("interest left out", "Root {", |world, base, draft| {
        let interest = world.interest(base.loan(world));
        draft.position(|position| position.principal -= interest);
        draft.market(|market| market.called -= interest);
    }),
    lie("called a block ago", "Root {", |_, _, draft| {
        draft.position(|position| position.called -= 1);
    }),
    lie("not called", "Root {", |_, _, draft| {
        draft.position(|position| position.called = 0);
    }),
    lie("not counted as called", "Root {", |world, base, draft| {
        let debt = world.debt(base.loan(world));
        draft.market(|market| market.called -= debt);
    }),
    lie("a larger fee than allowed", "Rule(", |world, base, draft| {
        let most = fee(world, base) - 1;
        change(world, draft, |op| match op {
            CreditOp::Call { fee_at_most, .. } => *fee_at_most = most,
            _ => unreachable!("it calls"),
        });
    }),
];

const CALL_WEAK: &[Lie] = &[
    lie(
        "a fee for calling what is not covered",
        "Root {",
        |world, base, draft| {
            draft.shift(AssetId::ETH, Who::User(0), Who::Market, fee(world, base));
        },
    ),
    lie("interest left out", "Root {", |world, base, draft| {
        let interest = world.interest(base.loan(world));
        draft.position(|position| position.principal -= interest);
        draft.market(|market| market.called -= interest);
    }),
];

const CALL_EDGE: &[Lie] = &[
    lie("the whole fee", "Root {", |world, base, draft| {
        draft.shift(AssetId::ETH, Who::User(0), Who::Market, uncovered(world, base));
    }),
    lie("no fee at all", "Root {", |world, base, draft| {
        let fee = fee(world, base) - uncovered(world, base);
        draft.shift(AssetId::ETH, Who::Market, Who::User(0), fee);
    }),
];

const RISE: &[Lie] = &[
    lie("a unit more offered", "Root {", |world, _, draft| {
        draft.shift(gold(world), Who::Position, Who::User(BIDDER), 1);
    }),
    lie("what the next block offers", "Root {", |world, base, draft| {
        let (now, next) = lots(world, base);
        draft.shift(gold(world), Who::Position, Who::User(BIDDER), next.0 - now.0);
    }),
    lie("a unit less asked", "Root {", |_, _, draft| {
        draft.shift(AssetId::ETH, Who::Market, Who::User(BIDDER), 1);
    }),
    lie("debt still owed", "Root {", |world, base, draft| {
        let debt = world.debt(base.loan(world));
        draft.position(|position| position.principal = debt);
        draft.market(|market| market.called += debt);
    }),
    lie("less than asked for", "Rule(", |world, base, draft| {
        let (now, _) = lots(world, base);
        change(world, draft, |op| match op {
            CreditOp::Bid { at_least, .. } => *at_least = now.0 + 1,
            _ => unreachable!("it bids"),
        });
    }),
    lie("more than allowed", "Rule(", |world, base, draft| {
        let (now, _) = lots(world, base);
        change(world, draft, |op| match op {
            CreditOp::Bid { at_most, .. } => *at_most = now.1 - 1,
            _ => unreachable!("it bids"),
        });
    }),
];

const FALL: &[Lie] = &[
    lie("what the next block asks", "Root {", |world, base, draft| {
        let (now, next) = lots(world, base);
        draft.shift(AssetId::ETH, Who::Market, Who::User(BIDDER), now.1 - next.1);
    }),
    lie("rounded in the bidder's favour", "Root {", |_, _, draft| {
        draft.shift(AssetId::ETH, Who::Market, Who::User(BIDDER), 1);
    }),
    lie("for nothing", "Root {", |world, base, draft| {
        let (now, _) = lots(world, base);
        draft.shift(AssetId::ETH, Who::Market, Who::User(BIDDER), now.1);
    }),
    lie("something left in the position", "Root {", |world, _, draft| {
        draft.shift(gold(world), Who::User(BIDDER), Who::Position, 1);
    }),
];

const ADD: &[Lie] = &[
    lie("collateral kept", "Root {", |world, _, draft| {
        draft.shift(gold(world), Who::Position, Who::User(BORROWER), 3 * ETHER);
    }),
    lie("collateral added for nothing", "Root {", |world, _, draft| {
        draft.gain(Who::User(BORROWER), gold(world), 3 * ETHER);
    }),
    lie("debt forgotten", "Root {", |_, _, draft| {
        draft.position(|position| position.principal -= ETHER);
    }),
    lie("closed with a debt", "Rule(", |world, base, draft| {
        let loan = base.loan(world);
        let title = world.title(loan);
        let all = draft.state(Who::Position).balance(gold(world));
        change(world, draft, |op| {
            *op = CreditOp::Close {
                market: loan.market,
                serial: loan.serial,
            };
        });
        draft.shift(gold(world), Who::Position, Who::User(BORROWER), all);
        draft.lose(Who::User(BORROWER), title, 1);
        draft.edit(Who::Position, |own| own.data = Default::default());
    }),
    lie(OTHER_POSITION, "Rule(", other_position),
];

const CLOSE: &[Lie] = &[
    lie("title not burnt", "Root {", |world, base, draft| {
        draft.gain(Who::User(BORROWER), world.title(base.loan(world)), 1);
    }),
    lie("a unit left behind", "Root {", |world, _, draft| {
        draft.shift(gold(world), Who::User(BORROWER), Who::Position, 1);
    }),
    lie("data left behind", "Root {", |world, base, draft| {
        let data = world.fragment(base.loan(world).at).data.clone();
        draft.edit(Who::Position, |own| own.data = data);
    }),
    lie("added to what was sold", "Rule(", |world, base, draft| {
        let loan = base.loan(world);
        change(world, draft, |op| {
            *op = CreditOp::Add {
                market: loan.market,
                serial: loan.serial,
                amount: ETHER,
            };
        });
    }),
];

const OTHER_POSITION: &str = "a position that the payload does not name";

/// Has the user sign for the debtor's loan, and the proposer take it for its own.
fn other_position(world: &World, _: Base, draft: &mut Draft) {
    let Loan { market, serial, .. } = world.poor;
    change(world, draft, |op| match op {
        CreditOp::Borrow {
            market: of,
            serial: number,
            ..
        }
        | CreditOp::Repay {
            market: of,
            serial: number,
            ..
        }
        | CreditOp::Add {
            market: of,
            serial: number,
            ..
        } => (*of, *number) = (market, serial),
        _ => unreachable!("the owner's"),
    });
}

/// The title of the position that the step opens.
fn new_title(world: &World, draft: &Draft) -> AssetId {
    let user = draft.state(Who::User(0));
    let new = user.assets.keys().find(|asset| world.home(0).balance(**asset) == 0);
    *new.expect("it is minted")
}

/// Says that the position owes less, and counts it.
fn owes_less(world: &World, draft: &mut Draft, less: u128) {
    draft.position(|position| position.principal -= less);
    draft.market(|market| {
        market.principal -= less;
        market.moment -= U192::from(less) * U192::from(world.clock());
    });
}

fn owes_more(world: &World, draft: &mut Draft, more: u128) {
    draft.position(|position| position.principal += more);
    draft.market(|market| {
        market.principal += more;
        market.moment += U192::from(more) * U192::from(world.clock());
    });
}

/// What calling the loan costs, if it is covered.
fn fee(world: &World, base: Base) -> u128 {
    let debt = world.debt(base.loan(world));
    (debt * 10_000).div_ceil(1_000_000)
}

/// How much of the loan's debt its collateral does not cover.
fn uncovered(world: &World, base: Base) -> u128 {
    let loan = base.loan(world);
    world.debt(loan) - world.fragment(loan.at).balance(gold(world)) / 2
}

/// Collateral offered and debt asked, now and in the next block.
fn lots(world: &World, base: Base) -> ((u128, u128), (u128, u128)) {
    let loan = base.loan(world);
    let (market, position) = (world.market_data(loan.market), world.position(loan));
    let collateral = world.fragment(loan.at).balance(gold(world));
    let number = |value: U256| u128::try_from(value).expect("an amount");
    let at = |clock| {
        let lot = quotes::lot(&market.terms, &position, collateral, clock).expect("an auction");
        (number(lot.offered), number(lot.asked))
    };
    (at(world.clock()), at(world.clock() + 1))
}
