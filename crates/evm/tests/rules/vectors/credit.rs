//! The Credit rule.

use alloy::primitives::aliases::U192;
use nthroot_model::rule::FragmentView;
use nthroot_protocol::{
    AssetId, FragmentId, Kind,
    rules::credit::{CreditOp, Market, Position, Terms, WAD, shares_tag, title_tag},
};

use super::{
    Vectors,
    scene::{A, B, C, CLOCK, but, call, id, ruled, user},
};
use crate::case::{Case, RULE};

const MAX: u128 = u128::MAX;

/// A debt of one unit for two of collateral, 10^-6 of interest for a block, a hundredth for a call.
const TERMS: Terms = Terms {
    depth: 0,
    collateral: A,
    asset: B,
    ratio: WAD as u128 / 2,
    rate: WAD / 1_000_000,
    minimum: 100,
    call_fee: 10_000,
    grace: 50,
    rise: 100,
    fall: 200,
};

/// A market with one position, and a user who owns everything.
#[derive(Clone, Copy)]
struct Scene {
    terms: Terms,
    idle: u128,
    shares: u128,
    principal: u128,
    since: u64,
    called: u64,
    collateral: u128,
}

/// A debt of 10,000 since 100 blocks, so of 10,001 now, and collateral for one of 15,000.
const LENT: Scene = Scene {
    terms: TERMS,
    idle: 90_000,
    shares: 100_000_000_000,
    principal: 10_000,
    since: CLOCK - 100,
    called: 0,
    collateral: 30_000,
};

/// The same, called at some block: 10,000 are owed.
const fn called(block: u64) -> Scene {
    Scene {
        called: block,
        since: block,
        ..LENT
    }
}

/// The auction is over: nothing is owed.
const DONE: Scene = Scene {
    principal: 0,
    collateral: 5_000,
    ..called(CLOCK - 300)
};

impl Scene {
    fn market(&self) -> FragmentView {
        let (running, called) = if self.called == 0 {
            (self.principal, 0)
        } else {
            (0, self.principal)
        };
        let data = Market {
            serial: 1,
            shares: self.shares,
            principal: running,
            moment: U192::from(running) * U192::from(self.since),
            called,
            ..Market::new(self.terms)
        };
        ruled(id(1), &[(self.terms.asset, self.idle)], data.encode())
    }

    fn position(&self) -> FragmentView {
        let data = Position {
            market: id(1),
            serial: 1,
            collateral: self.terms.collateral,
            principal: self.principal,
            since: self.since,
            called: self.called,
        };
        ruled(id(2), &[(self.terms.collateral, self.collateral)], data.encode())
    }

    /// An operation on the market alone.
    fn lending(&self, op: CreditOp) -> Case {
        call(vec![self.market(), owner()], &[(1, op.encode())], &[])
    }

    /// An operation on market and position.
    fn both(&self, op: CreditOp) -> Case {
        call(vec![self.market(), self.position(), owner()], &[(2, op.encode())], &[])
    }

    /// An operation on the position alone.
    fn alone(&self, op: CreditOp) -> Case {
        call(vec![self.position(), owner()], &[(1, op.encode())], &[])
    }
}

fn owner() -> FragmentView {
    let shares = AssetId::issued(RULE, shares_tag(id(1)));
    let mut assets = vec![(A, 1_000_000), (B, 1_000_000), (shares, 100_000_000_000), (title(), 1)];
    assets.sort_unstable();
    user(1, &assets)
}

fn title() -> AssetId {
    AssetId::issued(RULE, title_tag(id(1), 1))
}

fn create(terms: Terms) -> Case {
    call(
        vec![user(1, &[])],
        &[(0, CreditOp::Create(terms).encode())],
        RULE.as_slice(),
    )
}

fn lend(amount: u128, shares_at_least: u128) -> CreditOp {
    CreditOp::Lend {
        market: id(1),
        amount,
        shares_at_least,
    }
}

fn redeem(shares: u128, at_least: u128) -> CreditOp {
    CreditOp::Redeem {
        market: id(1),
        shares,
        at_least,
    }
}

fn borrow(serial: u64, added: u128, amount: u128) -> CreditOp {
    CreditOp::Borrow {
        market: id(1),
        serial,
        added,
        amount,
    }
}

fn repay(at_most: u128, taken: u128) -> CreditOp {
    CreditOp::Repay {
        market: id(1),
        serial: 1,
        at_most,
        taken,
    }
}

fn fee(fee_at_most: u128) -> CreditOp {
    CreditOp::Call {
        market: id(1),
        serial: 1,
        fee_at_most,
    }
}

fn bid(at_most: u128, at_least: u128) -> CreditOp {
    CreditOp::Bid {
        market: id(1),
        serial: 1,
        at_most,
        at_least,
    }
}

fn add(amount: u128) -> CreditOp {
    CreditOp::Add {
        market: id(1),
        serial: 1,
        amount,
    }
}

fn close() -> CreditOp {
    CreditOp::Close {
        market: id(1),
        serial: 1,
    }
}

/// The cases.
pub(crate) fn vectors() -> Vectors {
    let mut all = Vectors::default();
    creating(&mut all);
    lending(&mut all);
    borrowing(&mut all);
    repaying(&mut all);
    calling(&mut all);
    bidding(&mut all);
    closing(&mut all);
    refused(&mut all);
    all
}

#[rustfmt::skip] // a case is a line
fn creating(all: &mut Vectors) {
    all.works("create", "opens a market; zeros stand behind its terms", create(TERMS));
    let terms = Terms { depth: 24, call_fee: 100_000, grace: 0, rate: 0, ..TERMS };
    all.works("create a cohort", "of the greatest depth, at the bounds of the terms", create(terms));
    let zero = |terms| ("Terms Zero", create(terms));
    for (name, (reason, case)) in [
        ("create without a ratio", zero(Terms { ratio: 0, ..TERMS })),
        ("create without a minimum", zero(Terms { minimum: 0, ..TERMS })),
        ("create without a rise", zero(Terms { rise: 0, ..TERMS })),
        ("create without a fall", zero(Terms { fall: 0, ..TERMS })),
        ("create with too high a call fee", ("Terms CallFee", create(Terms { call_fee: 100_001, ..TERMS }))),
        ("create with one asset", ("Terms SameAsset", create(Terms { asset: A, ..TERMS }))),
    ] {
        all.fails(name, "a bound of the terms", reason, case);
    }
    let silent = but(create(TERMS), |case| case.extra.clear());
    all.fails("create without extra", "extra is the rule's address", "Extra", silent);
}

#[rustfmt::skip] // a case is a line
fn lending(all: &mut Vectors) {
    let empty = Scene { idle: 0, shares: 0, principal: 0, ..LENT };
    all.works("lend first", "1,000,000 shares for a unit", empty.lending(lend(100, 100_000_000)));
    all.works("lend", "shares rounded down, at idle 90,000 and 10,001 owed", LENT.lending(lend(777, 0)));
    all.works("lend for just the shares wanted", "777·(10^11 + 10^6) / 100,002", LENT.lending(lend(777, 776_992_230)));
    all.fails("lend for one share less than wanted", "one more is wanted", "TooLittle shares", LENT.lending(lend(777, 776_992_231)));
    let waiting = called(CLOCK - 10);
    all.works("lend while a loan is called", "who comes pays for it in full: high", waiting.lending(lend(777, 0)));
    all.fails("lend nothing", "at least one", "TooLittle amount lent", LENT.lending(lend(0, 0)));
    let dear = Scene { idle: MAX / 2, shares: 0, ..LENT };
    all.fails("lend for no share", "a share is dearer than that", "TooLittle shares", dear.lending(lend(1, 0)));
    let many = Scene { idle: 0, shares: MAX - 1_000_000, principal: 0, ..LENT };
    all.fails("lend for more shares than there can be", "2^128 is no amount", "Amount TooLarge", many.lending(lend(1, 0)));
    all.works("redeem", "amount rounded down", LENT.lending(redeem(777_000_000, 0)));
    all.works("redeem for just the amount wanted", "777·10^6·100,002 / (10^11 + 10^6)", LENT.lending(redeem(777_000_000, 777)));
    all.fails("redeem for one unit less than wanted", "777", "TooLittle amount redeemed", LENT.lending(redeem(777_000_000, 778)));
    all.works("redeem while a loan is called", "who leaves is paid as if it brought nothing: low", waiting.lending(redeem(777_000_000, 0)));
    all.fails("redeem for nothing", "a share is worth less than a unit", "TooLittle amount redeemed", LENT.lending(redeem(1, 0)));
    all.fails("redeem nothing", "at least one share", "TooLittle shares redeemed", LENT.lending(redeem(0, 0)));
    all.fails("redeem more than there are", "one more", "TooMuch shares redeemed", LENT.lending(redeem(100_000_000_001, 0)));
    all.fails("redeem what is lent", "90,000 are idle", "TooMuch amount redeemed", LENT.lending(redeem(95_000_000_000, 0)));
}

#[rustfmt::skip] // a case is a line
fn borrowing(all: &mut Vectors) {
    all.works("open", "a position with an anchor of its own", LENT.lending(borrow(0, 2_000, 1_000)));
    let cohort = Scene { terms: Terms { depth: 10, ..TERMS }, ..LENT };
    all.works("open in a cohort", "a leaf", cohort.lending(borrow(0, 2_000, 1_000)));
    all.works("open at the minimum", "100, and all that 200 covers", LENT.lending(borrow(0, 200, 100)));
    all.fails("open below the minimum", "99", "TooLittle debt", LENT.lending(borrow(0, 2_000, 99)));
    all.fails("open without enough collateral", "1,999 covers 999", "TooMuch debt", LENT.lending(borrow(0, 1_999, 1_000)));
    all.fails("open without collateral", "at least one", "TooLittle collateral", LENT.lending(borrow(0, 0, 1_000)));
    all.works("open for all that is idle", "90,000", LENT.lending(borrow(0, 180_000, 90_000)));
    all.fails("open for more than is idle", "one more", "TooMuch amount borrowed", LENT.lending(borrow(0, 180_002, 90_001)));
    all.fails("open for nothing", "at least one", "TooLittle amount borrowed", LENT.lending(borrow(0, 2_000, 0)));
    let last = but(LENT.lending(borrow(0, 2_000, 1_000)), |case| case.fragments[0].data[121..129].fill(0xff));
    all.fails("open after the last serial", "2^64 − 1", "Amount Overflow", last);
    all.works("borrow more", "the interest so far becomes principal", LENT.both(borrow(1, 500, 1_000)));
    all.works("borrow up to the cover", "10,001 + 4,999 of 15,000, with nothing added", LENT.both(borrow(1, 0, 4_999)));
    all.fails("borrow above the cover", "15,001", "TooMuch debt", LENT.both(borrow(1, 1, 5_000)));
    let rounding = Scene { principal: 10_001, ..LENT };
    all.works("borrow on a debt with a fraction", "interest 1.0001 is rounded up to 2", rounding.both(borrow(1, 0, 100)));
    all.fails("borrow on a called position", "it is the auction's", "Called", called(CLOCK - 10).both(borrow(1, 0, 100)));
}

#[rustfmt::skip] // a case is a line
fn repaying(all: &mut Vectors) {
    all.works("repay a part", "and take what is free", LENT.both(repay(5_001, 20_000)));
    all.fails("repay a part and take too much", "9,999 covers 4,999", "TooMuch debt", LENT.both(repay(5_001, 20_001)));
    all.works("repay without taking", "no collateral moves", LENT.both(repay(1, 0)));
    all.works("repay down to the minimum", "100 are left", LENT.both(repay(9_901, 0)));
    all.fails("repay to below the minimum", "99 would be left", "TooLittle debt", LENT.both(repay(9_902, 0)));
    all.works("repay all", "the collateral comes back, the title goes", LENT.both(repay(10_001, 0)));
    all.works("repay more than all", "no more than the debt is paid", LENT.both(repay(MAX, MAX)));
    all.works("repay all of a called debt", "until somebody has bid", called(CLOCK - 100).both(repay(10_000, 0)));
    all.fails("repay a part of a called debt", "all or nothing", "Called", called(CLOCK - 100).both(repay(9_999, 0)));
    all.fails("repay nothing", "at least one", "TooLittle amount repaid", LENT.both(repay(0, 0)));
    all.fails("repay nobody's debt", "it was bid for", "NoDebt", DONE.both(repay(1, 0)));
    all.fails("take more than there is", "30,000", "TooMuch collateral taken", LENT.both(repay(9_000, 30_001)));
    let early = but(LENT.both(repay(10_001, 0)), |case| case.clock = LENT.since - 1);
    all.fails("repay by an earlier clock", "time would run backwards", "Amount Underflow", early);
}

#[rustfmt::skip] // a case is a line
fn calling(all: &mut Vectors) {
    all.works("call", "1 % of 10,001, rounded up: 101", LENT.both(fee(101)));
    all.fails("call for less than the fee", "100", "TooMuch call fee", LENT.both(fee(100)));
    let bare = |collateral| Scene { collateral, ..LENT };
    all.works("call what is just covered", "the whole fee", bare(20_002).both(fee(MAX)));
    all.works("call what is not quite covered", "10,000 of 10,001 are: one less", bare(20_000).both(fee(100)));
    all.works("call what is not covered", "9,900 are: nothing is paid", bare(19_800).both(fee(0)));
    let free = Scene { terms: Terms { call_fee: 0, ..TERMS }, ..LENT };
    all.works("call without a fee", "nothing is paid", free.both(fee(0)));
    all.fails("call again", "it is called", "Called", called(CLOCK - 1).both(fee(MAX)));
    let paid = Scene { called: 0, ..DONE };
    all.fails("call without a debt", "there is none", "NoDebt", paid.both(fee(MAX)));
    let stranger = but(LENT.both(fee(101)), |case| case.fragments[2].assets.clear());
    all.works("call by anybody", "without the title", stranger);
}

#[rustfmt::skip] // a case is a line
fn bidding(all: &mut Vectors) {
    // The auction begins 50 blocks after the call; 100 to rise, 200 to fall.
    let after = |blocks| called(CLOCK - 50 - blocks);
    all.fails("bid in the grace", "one block too early", "Grace", called(CLOCK - 49).both(bid(MAX, 0)));
    all.works("bid at the first block", "nothing is offered", after(0).both(bid(10_000, 0)));
    all.works("bid in the rise", "half of the collateral", after(50).both(bid(10_000, 15_000)));
    let odd = Scene { collateral: 30_001, ..after(33) };
    all.works("bid in the rise, rounded", "30,001·33 / 100, rounded down", odd.both(bid(10_000, 9_900)));
    all.fails("bid for more collateral", "9,900 are offered", "TooLittle collateral offered", odd.both(bid(10_000, 9_901)));
    all.fails("bid less", "10,000 are asked", "TooMuch debt asked", after(50).both(bid(9_999, 0)));
    all.works("bid at the last block of the rise", "99 of 100 parts", after(99).both(bid(10_000, 29_700)));
    all.works("bid at the first block of the fall", "all for all", after(100).both(bid(10_000, 30_000)));
    let odd = Scene { principal: 10_001, ..after(167) };
    all.works("bid in the fall, rounded", "10,001·133 / 200, rounded up", odd.both(bid(6_651, 30_000)));
    all.fails("bid less in the fall", "6,651 are asked", "TooMuch debt asked", odd.both(bid(6_650, 0)));
    all.works("bid at the last block of the fall", "1 of 200 parts", after(299).both(bid(50, 30_000)));
    all.works("bid after the fall", "for nothing", after(300).both(bid(0, 30_000)));
    all.fails("bid for what is not called", "there is no auction", "NotCalled", LENT.both(bid(MAX, 0)));
    all.fails("bid again", "nothing is owed any more", "NoDebt", DONE.both(bid(MAX, 0)));
}

#[rustfmt::skip] // a case is a line
fn closing(all: &mut Vectors) {
    all.works("add", "needs no market", LENT.alone(add(500)));
    all.fails("add nothing", "at least one", "TooLittle collateral added", LENT.alone(add(0)));
    all.fails("add to a called position", "too late", "Called", called(CLOCK - 1).alone(add(500)));
    all.works("close", "what the auction left", DONE.alone(close()));
    let nothing = Scene { collateral: 0, ..DONE };
    all.works("close what is empty", "only the title goes", nothing.alone(close()));
    all.fails("close with a debt", "10,000", "Indebted", LENT.alone(close()));
    let robbed = but(DONE.alone(close()), |case| case.fragments[1].assets.retain(|(asset, _)| *asset != title()));
    all.fails("close without the title", "the position is somebody else's", "NotOwner", robbed);
}

#[rustfmt::skip] // a case is a line
fn refused(all: &mut Vectors) {
    let fine = || LENT.both(repay(1, 0));
    let payload = |change: fn(&mut Vec<u8>)| but(fine(), |case| change(&mut case.authorisations[0].payload));
    all.fails("code 0", "codes are 1 to 9", "Format Code", payload(|bytes| bytes[0] = 0));
    all.fails("code 10", "codes are 1 to 9", "Format Code", payload(|bytes| bytes[0] = 10));
    all.fails("cut off", "the last byte is missing", "Format Truncated", payload(|bytes| bytes.truncate(bytes.len() - 1)));
    all.fails("one byte more", "payloads end with their last field", "Format Trailing", payload(|bytes| bytes.push(0)));
    all.fails("with extra", "only create has it", "Extra", but(fine(), |case| case.extra = RULE.to_vec()));
    all.fails("nobody authorises", "one does", "Authorisations", but(fine(), |case| case.authorisations.clear()));
    let two = but(fine(), |case| {
        let mut second = case.authorisations[0].clone();
        case.fragments.push(user(2, &[(C, 1)]));
        second.fragment = 3;
        case.authorisations.push(second);
    });
    all.fails("two authorise", "one does", "Authorisations", two);
    let new = but(fine(), |case| {
        case.fragments[0].id = FragmentId::ZERO;
        case.authorisations[0].payload[1..11].fill(0);
    });
    all.fails("a new market", "it has no id yet", "NoMarket", new);
    let other = but(fine(), |case| case.fragments[0].id = id(9));
    all.fails("another market", "the payload names market 1", "OtherMarket", other);
    let owned = but(fine(), |case| case.fragments[0].kind = Kind::P256);
    all.fails("a key's fragment for a market", "it can hold any data", "NotRules", owned);
    let owned = but(fine(), |case| case.fragments[1].kind = Kind::Secp256k1);
    all.fails("a key's fragment for a position", "it can hold any data", "NotRules", owned);
    let other = but(fine(), |case| case.authorisations[0].payload[18] = 2);
    all.fails("another position", "the payload names serial 2", "OtherPosition", other);
    let other = but(fine(), |case| case.fragments[1].data[10] ^= 1);
    all.fails("a position of another market", "with the same serial", "OtherPosition", other);
    let twice = but(fine(), |case| case.fragments[1].data = case.fragments[0].data.clone());
    all.fails("a market for a position", "its data starts with 1", "Format NotPosition", twice);
    let twice = but(fine(), |case| case.fragments[0].data = case.fragments[1].data.clone());
    all.fails("a position for a market", "its data starts with 2", "Format NotMarket", twice);
    let closed = but(DONE.alone(close()), |case| case.fragments[0].data.clear());
    all.fails("a closed position", "it has no data", "Format Truncated", closed);
    let missing = but(fine(), |case| {
        case.fragments.truncate(1);
        case.authorisations[0].fragment = 0;
    });
    all.fails("no position is listed", "it is at position 1", "Missing", missing);
}
