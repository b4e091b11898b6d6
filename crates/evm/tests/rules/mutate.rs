//! One thing changed: most faults are one step from what is right.

use alloy::primitives::Address;
use nthroot_model::rule::{AuthorisationView, FragmentView};
use nthroot_protocol::{FragmentId, Kind};

use crate::{bench::Subject, case::Case, rng::Rng, world::fragment_id};

/// A number in bytes: where it is, and of how many bytes.
pub(crate) type Field = (usize, usize);

/// Changes one thing of a call.
pub(crate) fn mutate<S: Subject>(rng: &mut Rng, case: &mut Case) {
    match rng.below(32) {
        0..=9 => payload(rng, case, |rng, bytes| {
            let fields = S::fields(bytes);
            tweak(rng, bytes, &fields);
        }),
        10 => payload(rng, case, |rng, bytes| flip(rng, bytes)),
        11 => payload(rng, case, resize),
        12 => payload(rng, case, |rng, bytes| {
            if let Some(first) = bytes.first_mut() {
                *first = u8::try_from(rng.below(12)).unwrap_or(0);
            }
        }),
        13 => payload(rng, case, |rng, bytes| {
            let code = rng.below(11);
            *bytes = rng.bytes(S::LENGTHS[code % S::LENGTHS.len()]);
            if let Some(first) = bytes.first_mut() {
                *first = u8::try_from(code).unwrap_or(0);
            }
        }),
        14 | 15 => {
            case.clock = match rng.below(6) {
                0 => case.clock.wrapping_add(1),
                1 => case.clock.wrapping_sub(1),
                2 => rng.pick(&[0, 1, u64::MAX, u64::MAX - 1]),
                3 => case.clock / 2,
                _ => case.clock.saturating_add(rng.block(0, 100_000)),
            }
        }
        16 => resize(rng, &mut case.extra),
        17 | 18 => {
            let authorisations = &case.authorisations;
            let fields = S::extra_fields(authorisations, &case.extra);
            tweak(rng, &mut case.extra, &fields);
        }
        19 => flip(rng, &mut case.extra),
        20 => fragment(rng, case, |rng, fragment| {
            fragment.id = match rng.below(4) {
                0 => FragmentId::ZERO,
                1 => fragment_id(rng.next() >> 8, 0),
                _ => fragment_id(1 << 40, u32::try_from(rng.below(9)).unwrap_or(0)),
            };
        }),
        21 => fragment(rng, case, |rng, fragment| {
            fragment.kind = rng.pick(&[Kind::Secp256k1, Kind::P256, Kind::Rule]);
            if fragment.kind == Kind::Rule && fragment.data.len() > 1 {
                // A key's fragment may hold any bytes; that of the rule only what the rule wrote.
                fragment.data.pop();
            }
        }),
        22 => {
            let (a, b) = (rng.below(case.fragments.len()), rng.below(case.fragments.len()));
            case.fragments.swap(a, b);
        }
        23 => {
            let from = rng.below(case.fragments.len());
            let to = rng.below(case.fragments.len() + 1);
            let Some(fragment) = case.fragments.get(from).cloned() else {
                return;
            };
            case.fragments.insert(to, fragment);
        }
        24 if case.fragments.len() > 1 => {
            if rng.one_in(2) {
                case.fragments.remove(rng.below(case.fragments.len()));
            } else {
                // Who signs is listed still.
                let last = rng.below(case.fragments.len() - 1);
                case.fragments.truncate(last + 1);
                for signed in &mut case.authorisations {
                    signed.fragment = signed.fragment.min(u8::try_from(last).unwrap_or(0));
                }
            }
        }
        25 => authorisations(rng, &mut case.authorisations, case.fragments.len()),
        26 | 27 => fragment(rng, case, |rng, fragment| {
            let place = rng.below(fragment.assets.len());
            let Some((_, amount)) = fragment.assets.get_mut(place) else {
                return;
            };
            *amount = number(rng, *amount, u128::MAX);
        }),
        28 => {
            let from = rng.below(case.fragments.len());
            let data = case.fragments[from].data.clone();
            fragment(rng, case, |_, fragment| fragment.data = data);
        }
        29 => fragment(rng, case, |rng, fragment| resize(rng, &mut fragment.data)),
        _ => fragment(rng, case, |rng, fragment| {
            if fragment.kind == Kind::Rule {
                S::forge(rng, &mut fragment.data);
            } else {
                fragment.data = rng.bytes(S::LENGTHS[0]);
            }
        }),
    }
    case.normalise();
}

/// A call of bytes, some of which look like something.
pub(crate) fn junk<S: Subject>(rng: &mut Rng) -> Case {
    let fragments = (0..=rng.below(4)).map(|_| FragmentView {
        id: fragment_id(rng.next() >> rng.pick(&[8, 40]), 0),
        kind: rng.pick(&[Kind::Secp256k1, Kind::P256, Kind::Rule]),
        controller: Address::from_slice(&rng.bytes(20)),
        assets: Vec::new(),
        data: bytes::<S>(rng),
    });
    let fragments: Vec<_> = fragments.collect();
    let authorisations = (0..=rng.below(2)).map(|_| AuthorisationView {
        fragment: u8::try_from(rng.below(fragments.len())).unwrap_or(0),
        payload: bytes::<S>(rng),
    });
    let authorisations = authorisations.collect();
    let mut case = Case {
        clock: rng.next() >> rng.below(64),
        proposer: Address::from_slice(&rng.bytes(20)),
        authorisations,
        fragments,
        extra: if rng.one_in(2) { Vec::new() } else { bytes::<S>(rng) },
    };
    case.normalise();
    case
}

fn bytes<S: Subject>(rng: &mut Rng) -> Vec<u8> {
    let length = match rng.below(3) {
        0 => rng.below(300),
        _ => rng.pick(S::LENGTHS),
    };
    let mut bytes = rng.bytes(length);
    if let Some(first) = bytes.first_mut() {
        *first %= 12;
    }
    bytes
}

fn payload(rng: &mut Rng, case: &mut Case, change: impl FnOnce(&mut Rng, &mut Vec<u8>)) {
    let which = rng.below(case.authorisations.len());
    if let Some(signed) = case.authorisations.get_mut(which) {
        change(rng, &mut signed.payload);
    }
}

fn fragment(rng: &mut Rng, case: &mut Case, change: impl FnOnce(&mut Rng, &mut FragmentView)) {
    let which = rng.below(case.fragments.len());
    if let Some(fragment) = case.fragments.get_mut(which) {
        change(rng, fragment);
    }
}

/// One less, one more, another place, another payload.
fn authorisations(rng: &mut Rng, all: &mut Vec<AuthorisationView>, fragments: usize) {
    let which = rng.below(all.len());
    let place = u8::try_from(rng.below(fragments)).unwrap_or(0);
    let Some(mut signed) = all.get(which).cloned() else {
        return;
    };
    match rng.below(4) {
        0 => drop(all.remove(which)),
        1 => all[which].fragment = place,
        2 => {
            signed.fragment = place;
            all.push(signed);
        }
        _ => {
            let other = rng.below(all.len());
            all[which].payload = all[other].payload.clone();
        }
    }
}

/// Other bytes in one place.
fn flip(rng: &mut Rng, bytes: &mut [u8]) {
    let place = rng.below(bytes.len());
    if let Some(byte) = bytes.get_mut(place) {
        *byte ^= 1 << rng.below(8);
    }
}

/// Cut off, or goes on.
fn resize(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let more = rng.pick(&[1, 1, 2, 16, 19, 20, 32]);
    if rng.one_in(2) {
        bytes.extend(rng.bytes(more));
    } else {
        bytes.truncate(bytes.len().saturating_sub(more));
    }
}

/// Another number in one field.
pub(crate) fn tweak(rng: &mut Rng, bytes: &mut [u8], fields: &[Field]) {
    let Some(&(start, size)) = fields.get(rng.below(fields.len())) else {
        return;
    };
    let Some(field) = bytes.get_mut(start..start + size) else {
        return;
    };
    // Of an asset id, its lower half.
    let low = size.saturating_sub(16);
    let mut word = [0; 16];
    word[16 - (size - low)..].copy_from_slice(&field[low..]);
    let most = if size >= 16 { u128::MAX } else { (1 << (8 * size)) - 1 };
    let changed = number(rng, u128::from_be_bytes(word), most).to_be_bytes();
    field[low..].copy_from_slice(&changed[16 - (size - low)..]);
}

/// Another number.
pub(crate) fn number(rng: &mut Rng, old: u128, most: u128) -> u128 {
    let new = match rng.below(12) {
        0..=2 => old.wrapping_add(1),
        3..=5 => old.wrapping_sub(1),
        6 => 0,
        7 => 1,
        8 => most,
        9 => old.wrapping_mul(2),
        10 => old / 2,
        _ => rng.word(),
    };
    new & most
}
