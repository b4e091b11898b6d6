//! The worst steps, each at some limit.

use alloy::primitives::{Address, B256, Bytes};
use nthroot_model::builder::Name;
use nthroot_protocol::{AccountOp, AnchorId, AssetId, Authorisation, Call, Effect, Key, limits::MAX_BODY};

use crate::{
    city::{City, Plan, Scheme, call, tree},
    stage::{ETHER, MALLORY, PUPPET, SPINNER},
};

/// What else there is about a step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It is valid but for its last root.
    Plain,
    /// And its rules spend all that the ceiling leaves them.
    Spins,
    /// The same without another step beside it.
    SpinsAlone,
    /// Its proof gas exceeds the ceiling, so that nothing but its length is looked at.
    AboveItsCeiling,
}

/// A step at some limit.
pub(crate) struct Worst {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) make: fn(&City) -> Plan,
}

const fn worst(name: &'static str, make: fn(&City) -> Plan) -> Worst {
    let kind = Kind::Plain;
    Worst { name, kind, make }
}

const fn spinning(name: &'static str, make: fn(&City) -> Plan) -> Worst {
    let kind = Kind::Spins;
    Worst { name, kind, make }
}

pub(crate) const WORST: &[Worst] = &[
    worst("16 cohorts of depth 24, full leased headers", |city| {
        let at = towers(city);
        consents(city, &at, Scheme::P256)
    }),
    worst("16 full leaves of depth 24, scattered", |city| {
        let at = trees(city);
        consents(city, &at, Scheme::P256)
    }),
    worst("15 leased headers, credited", |city| {
        // One pays, the others do not sign.
        let at = &towers(city)[..15];
        let pay = |to: u8| Effect::Move {
            from: 0,
            to,
            asset: AssetId::ETH,
            amount: 1,
        };
        let extra = Effect::encode_list(&(1..15).map(pay).collect::<Vec<_>>());
        let signed = city.sign(Scheme::P256, at[0], 0, PUPPET, &[], 32);
        Plan {
            names: names(at),
            calls: vec![call(PUPPET, (0..15).collect(), vec![signed], extra.into())],
        }
    }),
    worst("7 signers of 32 outflows, 64 moves", |city| {
        let at = &towers(city)[..7];
        let signed = at
            .iter()
            .map(|at| city.sign(Scheme::P256, *at, 0, PUPPET, &[], 32))
            .collect();
        let assets: Vec<AssetId> = city.stage.fragment(at[0].0, 0).assets.keys().copied().collect();
        let moves: Vec<Effect> = (0_u8..64)
            .map(|n| Effect::Move {
                from: n % 7,
                to: (n + 1) % 7,
                asset: assets[usize::from(31 - n % 32)],
                amount: 1,
            })
            .collect();
        Plan {
            names: names(at),
            calls: vec![call(
                PUPPET,
                (0..7).collect(),
                signed,
                Effect::encode_list(&moves).into(),
            )],
        }
    }),
    worst("15 cohorts of depth 24 opened", |city| {
        let (kind, controller) = key(city);
        let open = AccountOp::Open {
            depth: 24,
            kind,
            controller,
            assets: vec![(AssetId::ETH, 1)],
        };
        let signed = city.sign(Scheme::P256, (city.homes[0], 0), 0, 0, &vec![open; 15], 1);
        let news = std::iter::repeat_n(Name::New, 15);
        Plan {
            names: std::iter::once(Name::Anchor(city.homes[0])).chain(news).collect(),
            calls: vec![call(0, vec![0], vec![signed], Bytes::new())],
        }
    }),
    worst("15 leaves of depth 24 opened", |city| {
        let (kind, controller) = key(city);
        let open = AccountOp::OpenLeaf {
            kind,
            controller,
            assets: vec![(AssetId::ETH, 1)],
        };
        let cohort = city.towers[0];
        let signed = city.sign(Scheme::P256, (cohort, 0), 0, 0, &vec![open; 15], 1);
        // Beside none of those that are there.
        let leaves = (1..16).map(|n| Name::Leaf(cohort, tree(n) | 3));
        Plan {
            names: std::iter::once(Name::Anchor(cohort)).chain(leaves).collect(),
            calls: vec![call(0, vec![0], vec![signed], Bytes::new())],
        }
    }),
    worst("a body of 16 KiB", |city| {
        let write = Effect::Write {
            fragment: 0,
            data: vec![0xff; 2_044].into(),
        };
        let extra = Effect::encode_list(&vec![write; 4]);
        let payload = |length| city.sign_payload(Scheme::P256, (city.homes[0], 0), 0, PUPPET, vec![0xff; length], 0);
        let calls = |length| vec![call(PUPPET, vec![0], vec![payload(length)], extra.clone().into())];
        Plan {
            names: vec![Name::Anchor(city.homes[0])],
            calls: calls(MAX_BODY - size(calls(0))),
        }
    }),
    worst("the largest client data", |city| {
        let signed = |rest| city.sign(Scheme::WebAuthn(255, rest), (city.homes[0], 0), 0, 0, &[], 0);
        let calls = |rest| vec![call(0, vec![0], vec![signed(rest)], Bytes::new())];
        Plan {
            names: vec![Name::Anchor(city.homes[0])],
            calls: calls(MAX_BODY - size(calls(0))),
        }
    }),
    worst("16 calls of 6 P-256 signers", |city| calls_of(city, 6, Scheme::P256)),
    worst("16 calls of 5 WebAuthn signers", |city| {
        calls_of(city, 5, Scheme::WebAuthn(37, 0))
    }),
    spinning("a loop to the ceiling", |city| spin(city, &homes(city)[..1], 1)),
    Worst {
        name: "a loop to the ceiling, alone in its batch",
        kind: Kind::SpinsAlone,
        make: |city| spin(city, &homes(city)[..1], 1),
    },
    spinning("16 loops to the ceiling", |city| spin(city, &homes(city)[..1], 16)),
    spinning("a loop on 16 full headers of depth 24", |city| {
        spin(city, &towers(city), 1)
    }),
    spinning("a loop on 16 full leaves of depth 24", |city| {
        spin(city, &trees(city), 1)
    }),
    worst("all at once, on 16 headers", |city| everything(city, &towers(city))),
    worst("all at once, on 16 leaves", |city| everything(city, &trees(city))),
    Worst {
        name: "all at once, above its ceiling",
        kind: Kind::AboveItsCeiling,
        make: |city| everything(city, &towers(city)),
    },
];

type At = (AnchorId, u32);

fn homes(city: &City) -> Vec<At> {
    city.homes.iter().map(|home| (*home, 0)).collect()
}

fn towers(city: &City) -> Vec<At> {
    city.towers.iter().map(|tower| (*tower, 0)).collect()
}

fn trees(city: &City) -> Vec<At> {
    (0..16).map(|n| (city.forest, tree(n))).collect()
}

fn key(city: &City) -> (u8, Address) {
    let state = city.stage.fragment(city.homes[0], 0);
    let key = Key::new(state.kind.to_u8(), state.controller).expect("a key");
    (key.kind().to_u8(), key.controller())
}

fn names(at: &[At]) -> Vec<Name> {
    let name = |(anchor, leaf): &At| match leaf {
        0 => Name::Anchor(*anchor),
        leaf => Name::Leaf(*anchor, *leaf),
    };
    at.iter().map(name).collect()
}

/// Length of a body with these calls, beside a leaf table.
fn size(calls: Vec<Call>) -> usize {
    nthroot_protocol::Body::from(calls).encode().len()
}

/// How often a fragment has signed in the batch before the step: the 16th anchor once.
fn earlier(at: &[At], place: usize) -> u64 {
    u64::from(place == 15 && at[place].1 == 0)
}

/// A signature for each.
fn signatures(city: &City, at: &[At], scheme: Scheme, rule: u8, outflows: usize) -> Vec<Authorisation> {
    let sign = |(place, who): (usize, &At)| city.sign(scheme, *who, earlier(at, place), rule, &[], outflows);
    at.iter().enumerate().map(sign).collect()
}

fn everybody(at: &[At]) -> Vec<u8> {
    (0..).take(at.len()).collect()
}

/// All consent, and nothing happens.
fn consents(city: &City, at: &[At], scheme: Scheme) -> Plan {
    let signed = signatures(city, at, scheme, 0, 0);
    Plan {
        names: names(at),
        calls: vec![call(0, everybody(at), signed, Bytes::new())],
    }
}

/// 16 calls, each of which some homes sign.
fn calls_of(city: &City, signers: usize, scheme: Scheme) -> Plan {
    let at = &homes(city)[..signers];
    let calls = (0..16).map(|nth| {
        let signed = at.iter().map(|at| city.sign(scheme, *at, nth, 0, &[], 0)).collect();
        let mut call = call(0, everybody(at), signed, Bytes::new());
        call.gas = 60_000;
        call.max_effects = 0;
        call
    });
    Plan {
        names: names(at),
        calls: calls.collect(),
    }
}

/// Calls that spend gas alone.
fn spin(city: &City, at: &[At], calls: u64) -> Plan {
    let calls = (0..calls).map(|nth| {
        let sign =
            |(place, who): (usize, &At)| city.sign(Scheme::P256, *who, nth + earlier(at, place), SPINNER, &[], 0);
        let signed = at.iter().enumerate().map(sign).collect();
        call(SPINNER, everybody(at), signed, Bytes::new())
    });
    Plan {
        names: names(at),
        calls: calls.collect(),
    }
}

/// Full fragments that all sign by assertions, a body of 16 KiB, 15 withdrawals, and moves.
fn everything(city: &City, at: &[At]) -> Plan {
    let withdrawals = (0..15).map(|_| Effect::Withdraw {
        from: 0,
        recipient: MALLORY,
        token: Address::ZERO,
        amount: ETHER,
    });
    // All hold what the puppet has issued under this tag.
    let common = AssetId::issued(city.stage.table[usize::from(PUPPET) - 1], B256::with_last_byte(1));
    let moves = (0..20).map(|n| Effect::Move {
        from: 0,
        to: n % 15 + 1,
        asset: common,
        amount: 1,
    });
    let effects: Vec<Effect> = withdrawals.chain(moves).collect();
    let extra: Bytes = Effect::encode_list(&effects).into();
    let calls = |rest| {
        let mut signed = signatures(city, at, Scheme::WebAuthn(255, rest), PUPPET, 0);
        signed[0] = city.sign(Scheme::WebAuthn(255, rest), at[0], 0, PUPPET, &[], 32);
        vec![call(PUPPET, everybody(at), signed, extra.clone())]
    };
    // A leaf table takes 46 bytes.
    let room = MAX_BODY - 46 - size(calls(0));
    let mut calls = calls(room / at.len());
    calls[0].gas = 200_000;
    Plan {
        names: names(at),
        calls,
    }
}
