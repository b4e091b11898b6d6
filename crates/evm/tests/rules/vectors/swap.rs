//! The Swap rule.

use nthroot_model::rule::FragmentView;
use nthroot_protocol::{
    AssetId, FragmentId, Outflow,
    rules::swap::{Curve, Fill, Leg, SwapIntent},
};

use super::{
    Vectors,
    scene::{A, B, C, CLOCK, ETHER, but, call, id, user},
};
use crate::case::Case;

const MAX: u128 = u128::MAX;

type Move = (u8, u8, AssetId, u128);

/// Users at positions 0, 1, …, each with its intent, if it has one.
fn swap(intents: &[Option<SwapIntent>], filled: &[u128], moves: &[Move]) -> Case {
    let users: Vec<FragmentView> = (1..).zip(intents).map(|(number, _)| user(number, &[])).collect();
    let signed: Vec<_> = (0..)
        .zip(intents)
        .filter_map(|(position, intent)| Some((position, intent.as_ref()?.encode())))
        .collect();
    call(users, &signed, &Fill::new(filled.to_vec(), moves).encode())
}

fn intent(gives: &[Leg], gets: &[Leg]) -> SwapIntent {
    SwapIntent {
        gives: gives.to_vec(),
        gets: gets.to_vec(),
        rewards: Vec::new(),
        counterparties: Vec::new(),
        curve: None,
        least_fill: None,
    }
}

fn fixed(asset: AssetId, amount: u128) -> Leg {
    Leg::fixed(asset, amount)
}

/// 100 A for 200 B.
fn ann() -> SwapIntent {
    intent(&[fixed(A, 100)], &[fixed(B, 200)])
}

/// 200 B for 100 A.
fn ben() -> SwapIntent {
    intent(&[fixed(B, 200)], &[fixed(A, 100)])
}

/// What both agree on.
const TRADE: [Move; 2] = [(0, 1, A, 100), (1, 0, B, 200)];

/// Ann's exchange with somebody who signs an intent that allows anything.
fn alone(intent: SwapIntent, filled: &[u128], moves: &[Move]) -> Case {
    swap(&[Some(intent), Some(anything())], filled, moves)
}

fn anything() -> SwapIntent {
    let most = [ETHER, A, B, C].map(|asset| fixed(asset, MAX));
    intent(&most, &[fixed(ETHER, 0)])
}

/// From 10 blocks before the clock to 10 after it: the give rises from 80 to 100, the get falls from 250 to 200.
fn curved(first: u64, last: u64) -> SwapIntent {
    let leg = |asset, start, end| Leg { asset, start, end };
    SwapIntent {
        curve: Some(Curve { first, last }),
        ..intent(&[leg(A, 80, 100)], &[leg(B, 250, 200)])
    }
}

/// The cases.
pub(crate) fn vectors() -> Vectors {
    let mut all = Vectors::default();
    whole(&mut all);
    curves(&mut all);
    parts(&mut all);
    rewards(&mut all);
    counterparties(&mut all);
    intents(&mut all);
    fills(&mut all);
    all
}

#[rustfmt::skip] // a case is a line
fn whole(all: &mut Vectors) {
    let two = || [Some(ann()), Some(ben())];
    all.works("two users", "each gives what the other gets", swap(&two(), &[], &TRADE));
    let (less, more) = ([(0, 1, A, 99), TRADE[1]], [(0, 1, A, 101), TRADE[1]]);
    all.fails("one unit too few", "ben gets 100 at least", "Brought", swap(&two(), &[], &less));
    all.fails("one unit too many", "ann gives 100 at most", "Taken", swap(&two(), &[], &more));
    all.works("less is given", "a give is a limit, not a duty", alone(ann(), &[], &[(0, 1, A, 1), TRADE[1]]));
    all.works("more is brought", "so is a get", alone(ann(), &[], &[TRADE[0], (1, 0, B, 300)]));
    let halves = [(0, 1, A, 50), (1, 0, B, 150), (0, 1, A, 50), (1, 0, B, 50)];
    all.works("in halves", "sums over all moves count", swap(&two(), &[], &halves));
    let back = [(0, 1, A, 100), (1, 0, A, 50), (0, 1, A, 1), (1, 0, B, 200)];
    all.fails("taken after some came back", "sums are not netted", "Taken", alone(ann(), &[], &back));
    let other = [TRADE[0], TRADE[1], (0, 1, C, 1)];
    all.fails("another asset is taken", "the intent does not give it", "Taken", alone(ann(), &[], &other));
    let gift = [TRADE[0], TRADE[1], (1, 0, C, 1)];
    all.works("another asset is brought", "nobody minds", alone(ann(), &[], &gift));
    let ring = [(A, B), (B, C), (C, A)].map(|(give, get)| Some(intent(&[fixed(give, 10)], &[fixed(get, 10)])));
    let moves = [(0, 2, A, 10), (1, 0, B, 10), (2, 1, C, 10)];
    all.works("a ring of three", "no two of them could exchange", swap(&ring, &[], &moves));
    let many = intent(&[fixed(ETHER, 5), fixed(A, 100)], &[fixed(B, 200), fixed(C, 3)]);
    let moves = [(0, 1, ETHER, 5), TRADE[0], TRADE[1], (1, 0, C, 3)];
    all.works("two assets for two", "ether is the asset zero", alone(many, &[], &moves));
    all.works("nobody signs", "the kernel lets nothing be taken then", swap(&[None, None], &[], &TRADE));
    let third = [Some(ann()), None, Some(ben())];
    let moves = [(0, 2, A, 100), (2, 0, B, 200)];
    all.works("somebody is only listed", "positions are those of the call", swap(&third, &[], &moves));
    all.works("to oneself", "it is taken and brought; the kernel refuses such a move", alone(ann(), &[], &[(0, 0, A, 100), TRADE[1]]));
    all.works("a get of nothing", "a gift", alone(intent(&[fixed(A, 100)], &[fixed(B, 0)]), &[], &[TRADE[0]]));
    let give = alone(intent(&[fixed(A, MAX)], &[fixed(B, MAX)]), &[], &[(0, 1, A, MAX), (1, 0, B, MAX)]);
    all.works("the greatest amounts", "2^128 − 1", give);
}

#[rustfmt::skip] // a case is a line
fn curves(all: &mut Vectors) {
    let at = |first, last, taken, brought| alone(curved(first, last), &[], &[(0, 1, A, taken), (1, 0, B, brought)]);
    let (before, after) = (CLOCK - 10, CLOCK + 10);
    all.works("half way", "90 for 225", at(before, after, 90, 225));
    all.fails("half way, one too many", "90", "Taken", at(before, after, 91, 225));
    all.fails("half way, one too few", "225", "Brought", at(before, after, 90, 224));
    all.works("a third of the way", "86.67 rounded down, 233.3 rounded up", at(CLOCK - 10, CLOCK + 20, 86, 234));
    all.fails("a third of the way, give rounded up", "86", "Taken", at(CLOCK - 10, CLOCK + 20, 87, 234));
    all.fails("a third of the way, get rounded down", "234", "Brought", at(CLOCK - 10, CLOCK + 20, 86, 233));
    all.works("at the first block", "the amounts at the start", at(CLOCK, after, 80, 250));
    all.fails("at the first block, one too many", "80", "Taken", at(CLOCK, after, 81, 250));
    all.works("before the first block", "the amounts at the start", at(after, after + 10, 80, 250));
    all.works("at the last block", "the amounts at the end", at(before, CLOCK, 100, 200));
    all.works("after the last block", "the amounts at the end", at(before - 10, before, 100, 200));
    all.works("a curve of one block, after it", "the amounts at the end", at(before, before, 100, 200));
    all.works("a curve of one block, at it", "t ≤ first: the amounts at the start", at(CLOCK, CLOCK, 80, 250));
    all.fails("a curve that ends before it begins", "first is not after last", "Intent Curve", at(after, before, 80, 250));
    all.works("all blocks there are", "1,000 of 2^64 − 1 blocks: rounded to the start", at(0, u64::MAX, 80, 250));
    let part = SwapIntent { least_fill: Some(10), ..curved(before, after) };
    let moves = [(0, 1, A, 29), (1, 0, B, 75)];
    all.works("half way and in part", "33 of 100: 90·0.33 = 29.7 for 225·0.33 = 74.25", alone(part, &[33], &moves));
}

#[rustfmt::skip] // a case is a line
fn parts(all: &mut Vectors) {
    let part = |least| SwapIntent { least_fill: Some(least), ..intent(&[fixed(A, 100), fixed(C, 10)], &[fixed(B, 201)]) };
    let at = |least, filled, moves: &[Move]| alone(part(least), &[filled], moves);
    let moves = |a, c, b| [(0, 1, A, a), (0, 1, C, c), (1, 0, B, b)];
    all.works("a third", "33 A and 3 C, rounded down, for 67 B, rounded up", at(10, 33, &moves(33, 3, 67)));
    all.fails("a third, a second give rounded up", "3.3 is 3", "Taken", at(10, 33, &moves(33, 4, 67)));
    all.fails("a third, the get rounded down", "66.33 is 67", "Brought", at(10, 33, &moves(33, 3, 66)));
    all.works("in part, but all of it", "as if it could not", at(10, 100, &moves(100, 10, 201)));
    all.works("as little as may be", "10", at(10, 10, &moves(10, 1, 21)));
    all.fails("less than may be", "9", "Filled", at(10, 9, &moves(9, 0, 20)));
    all.fails("more than the whole", "101", "Filled", at(10, 101, &moves(100, 10, 203)));
    all.works("a least fill of nothing", "one unit will do", at(0, 1, &[(0, 1, A, 1), (1, 0, B, 3)]));
    all.fails("nothing is filled", "even if nothing is the least", "Filled", at(0, 0, &[]));
    all.fails("a least fill above the whole", "nothing satisfies it", "Filled", at(101, 101, &moves(100, 10, 203)));
    let two = [Some(part(10)), Some(SwapIntent { least_fill: Some(1), ..anything() })];
    let case = swap(&two, &[33, MAX / 2], &moves(33, 3, 67));
    all.works("two in part", "their fills stand in the order of authorisations", case);
    let short = but(swap(&two, &[33, MAX], &[]), |case| case.extra.truncate(case.extra.len() - 1));
    all.fails("a fill is cut off", "16 bytes for each", "Fill Truncated", short);
}

#[rustfmt::skip] // a case is a line
fn rewards(all: &mut Vectors) {
    let reward = |asset, amount| SwapIntent { rewards: vec![Outflow { asset, amount }], ..ann() };
    let more = |asset, amount| [TRADE[0], TRADE[1], (0, 1, asset, amount)];
    all.works("a reward", "beside the price", alone(reward(C, 7), &[], &more(C, 7)));
    all.fails("one more than the reward", "7", "Taken", alone(reward(C, 7), &[], &more(C, 8)));
    all.works("a reward in what is given", "the two add up to 107", alone(reward(A, 7), &[], &more(A, 7)));
    all.fails("one more than give and reward", "107", "Taken", alone(reward(A, 7), &[], &more(A, 8)));
    let part = |taken| {
        let intent = SwapIntent { least_fill: Some(1), ..reward(A, 7) };
        alone(intent, &[50], &[(0, 1, A, taken), (1, 0, B, 100)])
    };
    all.works("a part of the reward", "50 + 3.5 rounded down, each by itself", part(53));
    all.fails("one more than a part of the reward", "53", "Taken", part(54));
    let huge = SwapIntent { rewards: vec![Outflow { asset: A, amount: MAX }], ..intent(&[fixed(A, MAX)], &[fixed(B, 0)]) };
    let moves = [(0, 1, A, MAX), (0, 1, A, MAX)];
    all.works("give and reward above 128 bits", "numbers have 256", alone(huge, &[], &moves));
}

#[rustfmt::skip] // a case is a line
fn counterparties(all: &mut Vectors) {
    let with = |parties: &[u64]| SwapIntent { counterparties: parties.iter().map(|number| id(100 + number)).collect(), ..ann() };
    let three = |intent, moves: &[Move]| swap(&[Some(intent), Some(anything()), Some(anything())], &[], moves);
    all.works("with whom it names", "user 2", three(with(&[2]), &TRADE));
    all.works("with both whom it names", "users 2 and 3", three(with(&[2, 3]), &[(0, 2, A, 100), TRADE[1]]));
    all.fails("from somebody else", "user 2 is not named", "Counterparty", three(with(&[3]), &[(0, 2, A, 100), TRADE[1]]));
    all.fails("to somebody else", "user 3 is not named", "Counterparty", three(with(&[2]), &[(0, 2, A, 100), TRADE[1]]));
    all.works("moves among others", "are not its affair", three(with(&[2]), &[TRADE[0], TRADE[1], (1, 2, C, 1), (2, 1, C, 1)]));
    let zero = SwapIntent { counterparties: vec![FragmentId::ZERO, id(102)], ..ann() };
    all.fails("a counterparty zero", "every new fragment shows as zero", "Intent CounterpartyOrder", three(zero, &TRADE));
    let falling = SwapIntent { counterparties: vec![id(103), id(102)], ..ann() };
    all.fails("counterparties out of order", "they strictly increase", "Intent CounterpartyOrder", three(falling, &TRADE));
}

#[rustfmt::skip] // a case is a line
fn intents(all: &mut Vectors) {
    let refused = |intent| alone(intent, &[], &TRADE);
    let doubled = [fixed(A, 100), fixed(A, 100)];
    for (name, reason, intent) in [
        ("gives out of order", "Intent AssetOrder", intent(&[fixed(B, 1), fixed(A, 100)], &[fixed(B, 200)])),
        ("gives twice the same", "Intent AssetOrder", intent(&doubled, &[fixed(B, 200)])),
        ("gets out of order", "Intent AssetOrder", intent(&[fixed(A, 100)], &[fixed(C, 0), fixed(B, 200)])),
        ("no give", "Intent NoLegs", intent(&[], &[fixed(B, 200)])),
        ("no get", "Intent NoLegs", intent(&[fixed(A, 100)], &[])),
        ("a whole of nothing", "Intent NothingGiven", intent(&[fixed(A, 0)], &[fixed(B, 200)])),
    ] {
        all.fails(name, "no such intent", reason, refused(intent));
    }
    let curve = Some(Curve { first: CLOCK, last: CLOCK });
    let leg = |asset, start, end| Leg { asset, start, end };
    let falls = SwapIntent { curve, ..intent(&[leg(A, 101, 100)], &[leg(B, 200, 200)]) };
    all.fails("a give that falls", "it rises", "Intent GiveFalls", refused(falls));
    let rises = SwapIntent { curve, ..intent(&[leg(A, 100, 100)], &[leg(B, 199, 200)]) };
    all.fails("a get that rises", "it falls", "Intent GetRises", refused(rises));
    let unordered = SwapIntent { rewards: vec![Outflow { asset: C, amount: 1 }, Outflow { asset: B, amount: 1 }], ..ann() };
    all.fails("rewards out of order", "they strictly increase", "Intent AssetOrder", refused(unordered));
    let payload = |change: fn(&mut Vec<u8>)| but(refused(ann()), |case| change(&mut case.authorisations[0].payload));
    all.fails("form 4", "two bits are known", "Intent Form", payload(|bytes| bytes[0] = 4));
    all.fails("an intent cut off", "the last byte is missing", "Intent Truncated", payload(|bytes| bytes.truncate(bytes.len() - 1)));
    all.fails("an empty intent", "not even a form", "Intent Truncated", payload(Vec::clear));
    all.fails("an intent with one byte more", "it ends with its last field", "Intent Trailing", payload(|bytes| bytes.push(0)));
}

#[rustfmt::skip] // a case is a line
fn fills(all: &mut Vectors) {
    let two = || swap(&[Some(ann()), Some(ben())], &[], &TRADE);
    let extra = |change: fn(&mut Vec<u8>)| but(two(), |case| change(&mut case.extra));
    all.fails("an empty fill", "not even a number of assets", "Fill Truncated", extra(Vec::clear));
    all.fails("a move cut off", "19 bytes each", "Fill Truncated", extra(|bytes| bytes.truncate(bytes.len() - 1)));
    all.fails("a byte behind the moves", "19 bytes each", "Fill Truncated", extra(|bytes| bytes.push(0)));
    all.fails("an asset that is not there", "m is 2", "Fill Asset", extra(|bytes| bytes[65 + 2] = 2));
    all.fails("a position that is not there", "n is 2", "Position", extra(|bytes| bytes[65 + 1] = 2));
    let reversed = extra(|bytes| bytes[1..65].rotate_left(32));
    all.fails("assets out of order", "they strictly increase", "Fill AssetOrder", reversed);
    let more = extra(|bytes| {
        bytes[0] = 3;
        bytes.splice(65..65, [0xff; 32]);
    });
    all.works("an asset that does not move", "it is in the list only", more);
    let nothing = extra(|bytes| {
        bytes.clear();
        bytes.push(0);
    });
    all.fails("no moves", "both get nothing", "Brought", nothing);
}
