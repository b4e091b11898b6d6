//! The Pool rule.

use nthroot_protocol::{
    AssetId, FragmentId, Kind,
    rules::pool::{Pair, PoolOp, PoolState, Side, share_tag},
};

use super::{
    Vectors,
    scene::{A, B, but, call, id, ruled, user},
};
use crate::{
    case::{Case, RULE},
    world::holding,
};

const MAX: u128 = u128::MAX;
/// Millionths.
const FEE: u32 = 3_000;

/// A pool with these reserves and shares, and a user for each operation.
fn on(reserves: [u128; 2], shares: u128, fee: u32, ops: &[PoolOp]) -> Case {
    let state = PoolState {
        pair: Pair { assets: [A, B], fee },
        shares,
    };
    let pool = ruled(id(1), &[(A, reserves[0]), (B, reserves[1])], state.encode());
    let mut fragments = vec![pool];
    let mut signed = Vec::new();
    for (number, op) in (1..).zip(ops) {
        let shares = AssetId::issued(RULE, share_tag(id(1)));
        fragments.push(user(
            number,
            &[(A, 1_000_000_000), (B, 1_000_000_000), (shares, 1_000_000)],
        ));
        signed.push((number, op.encode()));
    }
    call(fragments, &signed, &[])
}

/// One operation on a pool of 1,000,000 and 4,000,000 with 2,000,000 shares.
fn one(op: PoolOp) -> Case {
    on([1_000_000, 4_000_000], 2_000_000, FEE, &[op])
}

/// On a pool whose numbers have no common factor.
fn odd(op: PoolOp) -> Case {
    on([1_000_003, 4_000_037], 2_000_003, FEE, &[op])
}

fn create(assets: [AssetId; 2], fee: u32) -> Case {
    let op = PoolOp::Create(Pair { assets, fee });
    call(vec![user(1, &[])], &[(0, op.encode())], RULE.as_slice())
}

fn add(at_most: [u128; 2], shares_at_least: u128) -> PoolOp {
    PoolOp::Add {
        pool: id(1),
        at_most,
        shares_at_least,
    }
}

fn remove(shares: u128, at_least: [u128; 2]) -> PoolOp {
    PoolOp::Remove {
        pool: id(1),
        shares,
        at_least,
    }
}

fn sell(side: Side, amount: u128, at_least: u128) -> PoolOp {
    PoolOp::Sell {
        pool: id(1),
        side,
        amount,
        at_least,
    }
}

fn buy(side: Side, amount: u128, at_most: u128) -> PoolOp {
    PoolOp::Buy {
        pool: id(1),
        side,
        amount,
        at_most,
    }
}

/// The cases.
pub(crate) fn vectors() -> Vectors {
    let mut all = Vectors::default();
    creating(&mut all);
    adding(&mut all);
    removing(&mut all);
    trading(&mut all);
    several(&mut all);
    refused(&mut all);
    all
}

#[rustfmt::skip] // a case is a line
fn creating(all: &mut Vectors) {
    all.works("create", "opens a pool without shares", create([A, B], FEE));
    all.works("create with the largest fee", "100,000 millionths", create([A, B], 100_000));
    let two = but(create([A, B], 0), |case| case.fragments.push(user(2, &[])));
    all.works("create with two listed", "the data is written to position n, which is 2", two);
    all.fails("create with equal assets", "asset 1 is greater", "Codec AssetOrder", create([A, A], FEE));
    all.fails("create with falling assets", "asset 1 is greater", "Codec AssetOrder", create([B, A], FEE));
    all.fails("create with too high a fee", "one millionth above", "Codec Fee", create([A, B], 100_001));
    let short = but(create([A, B], FEE), |case| case.extra.truncate(case.extra.len() - 1));
    all.fails("create with 19 bytes of extra", "extra is the rule's address", "Extra", short);
    let long = but(create([A, B], FEE), |case| case.extra.push(0));
    all.fails("create with 21 bytes of extra", "extra is the rule's address", "Extra", long);
    let mixed = but(one(sell(Side::Zero, 1_000, 0)), |case| {
        case.fragments.push(user(2, &[]));
        case.authorisations.push(create([A, B], FEE).authorisations[0].clone());
        case.authorisations[1].fragment = 2;
    });
    all.fails("create beside a trade", "who creates is alone", "Operations", mixed);
}

#[rustfmt::skip] // a case is a line
fn adding(all: &mut Vectors) {
    let first = |at_most, least| on([0, 0], 0, FEE, &[add(at_most, least)]);
    all.works("first add", "√(a₀·a₁) = 2,000, of which nobody has 1,000", first([1_000, 4_000], 1_000));
    all.works("first add rounds the root down", "√(1,000·4,003) = 2,000.7…", first([1_000, 4_003], 0));
    all.works("first add for one share", "s = 1,001", first([1_001, 1_001], 1));
    all.fails("first add for no share", "s = 1,000", "NoShares", first([1_000, 1_000], 0));
    all.fails("first add just below a share", "s = √(1,001²−1), rounded down 1,000", "NoShares", first([1_000, 1_002], 0));
    all.works("first add of all that an amount can be", "the root is 2^128 − 1", first([MAX, MAX], MAX - 1_000));
    all.works("first add as lopsided as can be", "√(2^128 − 1) rounded down is 2^64 − 1", first([MAX, 1], 0));
    all.fails("first add for fewer shares than wanted", "1,000, not 1,001", "TooLittle", first([1_000, 4_000], 1_001));
    all.works("add", "in proportion", one(add([500, 2_000], 1_000)));
    all.works("add limited by asset 0", "asset 1 is not used up", one(add([500, 9_999], 0)));
    all.works("add limited by asset 1", "asset 0 is not used up", one(add([9_999, 2_000], 0)));
    all.works("add rounds shares down and payments up", "the pool's favour twice", odd(add([777, 3_333], 0)));
    all.works("add for just the shares wanted", "s = 1,553", odd(add([777, 3_333], 1_553)));
    all.fails("add for one share less than wanted", "s = 1,553", "TooLittle", odd(add([777, 3_333], 1_554)));
    all.fails("add too little for a share", "1·2 / 5 is none", "NoShares", on([5_000, 5_000], 2_000, FEE, &[add([1, 1], 0)]));
    let full = on([MAX, MAX], 2_000, FEE, &[add([MAX, MAX], 0)]);
    all.fails("add above what a reserve can be", "2^128 is no amount", "Amount TooLarge", full);
}

#[rustfmt::skip] // a case is a line
fn removing(all: &mut Vectors) {
    all.works("remove", "half of the shares, half of the reserves", one(remove(1_000_000, [500_000, 2_000_000])));
    all.works("remove rounds down", "both amounts", odd(remove(777, [388, 1_554])));
    all.fails("remove for too little of asset 0", "388", "TooLittle", odd(remove(777, [389, 0])));
    all.fails("remove for too little of asset 1", "1,554", "TooLittle", odd(remove(777, [0, 1_555])));
    let poor = |shares| on([10, 4_000_000], 2_000_000, FEE, &[remove(shares, [0, 0])]);
    all.works("remove without a move", "1·10 / 2,000,000 is nothing, and nothing is not moved", poor(1));
    all.works("remove all that anybody can have", "1,000 shares stay", one(remove(1_999_000, [0, 0])));
    all.fails("remove one share that nobody has", "T − 999", "Burnt", one(remove(1_999_001, [0, 0])));
    all.fails("remove nothing", "at least one share", "Burnt", one(remove(0, [0, 0])));
    let empty = on([0, 0], 0, FEE, &[remove(1, [0, 0])]);
    all.fails("remove from a pool without shares", "there are none", "Burnt", empty);
}

#[rustfmt::skip] // a case is a line
fn trading(all: &mut Vectors) {
    all.works("sell asset 0", "net 9,970 of 10,000", one(sell(Side::Zero, 10_000, 39_486)));
    all.works("sell asset 1", "the other side", one(sell(Side::One, 10_000, 0)));
    all.fails("sell for one less than wanted", "39,486 are bought", "TooLittle", one(sell(Side::Zero, 10_000, 39_487)));
    all.works("sell rounds down twice", "the net amount, then what is bought", odd(sell(Side::Zero, 777, 0)));
    all.works("sell without a fee", "net is what is sold", on([1_000, 1_000], 1_000, 0, &[sell(Side::One, 100, 90)]));
    all.fails("sell for nothing", "net 1·997,000/1,000,000 is 0", "Bought", one(sell(Side::Zero, 1, 0)));
    all.fails("sell nothing", "nothing is bought", "Bought", one(sell(Side::Zero, 0, 0)));
    let full = on([MAX - 9_999, 4_000_000_000_000_000_000_000_000_000_000_000_000], 2_000, FEE, &[sell(Side::Zero, 10_000, 0)]);
    all.fails("sell above what a reserve can be", "the reserve would be 2^128", "Amount TooLarge", full);
    let just = on([MAX - 10_000, 4_000_000_000_000_000_000_000_000_000_000_000_000], 2_000, FEE, &[sell(Side::Zero, 10_000, 0)]);
    all.works("sell up to what a reserve can be", "the reserve becomes 2^128 − 1", just);
    all.works("buy asset 1", "10,000 for 2,515", one(buy(Side::One, 10_000, 2_515)));
    all.fails("buy for one more than wanted", "2,515 are asked", "TooMuch", one(buy(Side::One, 10_000, 2_514)));
    all.works("buy asset 0", "the other side", one(buy(Side::Zero, 10_000, MAX)));
    all.works("buy rounds up twice", "the net amount, then what is sold", odd(buy(Side::One, 777, MAX)));
    all.works("buy all but one", "the price knows no end", one(buy(Side::One, 3_999_999, MAX)));
    all.fails("buy a whole reserve", "r_b − amount would be zero", "Bought", one(buy(Side::One, 4_000_000, MAX)));
    all.fails("buy nothing", "at least one", "Bought", one(buy(Side::One, 0, MAX)));
    let huge = on([1 << 127, 1 << 127], 2_000, FEE, &[buy(Side::One, (1 << 127) - 1, MAX)]);
    all.fails("buy for more than 256 bits", "net·1,000,000 exceeds the range", "Amount Overflow", huge);
    let forged = on([0, 4_000_000], 2_000_000, FEE, &[add([1, 1], 0)]);
    all.fails("add where a reserve is gone", "division by zero; no pool gets there", "Amount DivisionByZero", forged);
}

#[rustfmt::skip] // a case is a line
fn several(all: &mut Vectors) {
    let base = |ops: &[PoolOp]| on([1_000_000, 4_000_000], 2_000_000, FEE, ops);
    let (first, second) = (sell(Side::Zero, 10_000, 0), sell(Side::Zero, 20_000, 0));
    all.works("two sales", "the second on what the first left", base(&[first, second]));
    all.works("two sales in the other order", "who comes first gets the better price", base(&[second, first]));
    let (more, less) = (add([500, 2_000], 0), remove(1_000, [0, 0]));
    all.works("add and remove as much", "T has not changed, so nothing is written", base(&[more, less]));
    all.works("one of each", "in order", base(&[more, first, less, buy(Side::One, 5, 3)]));
    let beyond = base(&[first, buy(Side::One, 3_999_999, MAX)]);
    all.fails("the second fails", "then all do: the reserve is less by what the first bought", "Bought", beyond);
    all.works("15 at once", "as many as a call has room for", base(&[first; 15]));
}

#[rustfmt::skip] // a case is a line
fn refused(all: &mut Vectors) {
    let fine = || one(sell(Side::Zero, 10_000, 0));
    let payload = |change: fn(&mut Vec<u8>)| but(fine(), |case| change(&mut case.authorisations[0].payload));
    let silent = but(fine(), |case| case.authorisations.clear());
    all.fails("nobody authorises", "nothing is asked for", "Operations", silent);
    all.fails("code 0", "codes are 1 to 5", "Codec Code", payload(|bytes| bytes[0] = 0));
    all.fails("code 6", "codes are 1 to 5", "Codec Code", payload(|bytes| bytes[0] = 6));
    all.fails("side 2", "a pool has two sides", "Codec Side", payload(|bytes| bytes[11] = 2));
    all.fails("cut off", "the last byte is missing", "Codec Truncated", payload(|bytes| bytes.truncate(bytes.len() - 1)));
    all.fails("empty payload", "not even a code", "Codec Truncated", payload(Vec::clear));
    all.fails("one byte more", "payloads end with their last field", "Codec Trailing", payload(|bytes| bytes.push(0)));
    all.fails("with extra", "it is empty", "Extra", but(fine(), |case| case.extra.push(0)));
    let other = but(fine(), |case| case.fragments[0].id = id(2));
    all.fails("another pool", "the payload names pool 1", "OtherPool", other);
    let new = but(fine(), |case| {
        case.fragments[0].id = FragmentId::ZERO;
        case.authorisations[0].payload[1..11].fill(0);
    });
    all.fails("a new pool", "it has no id yet", "NoPool", new);
    let owned = but(fine(), |case| case.fragments[0].kind = Kind::Secp256k1);
    all.fails("a key's fragment", "it can hold any data", "NoPool", owned);
    let swapped = but(fine(), |case| {
        case.fragments.swap(0, 1);
        case.authorisations[0].fragment = 0;
    });
    all.fails("the pool in another place", "it is at position 0", "NoPool", swapped);
    let poor = but(fine(), |case| case.fragments[1].assets.clear());
    assert_eq!(holding(&poor.fragments[1], A), 0);
    all.works("a user without assets", "whether it can pay is the kernel's to check", poor);
}
