//! The Swap rule.

mod attacks;
mod codec;
mod curve;
mod fills;
mod properties;

use nthroot_model::{
    rule::RuleFailure,
    rules::swap::{Swap, SwapFailure},
};
use nthroot_protocol::{
    AssetId, Effect,
    rules::swap::{Fill, Leg, SwapIntent},
};

use crate::bench::{CLOCK, Consent, Plan, World, owned, transition, view};

/// Gives one asset for another.
fn offer(give: (AssetId, u128), get: (AssetId, u128)) -> SwapIntent {
    SwapIntent {
        gives: vec![Leg::fixed(give.0, give.1)],
        gets: vec![Leg::fixed(get.0, get.1)],
        rewards: Vec::new(),
        counterparties: Vec::new(),
        curve: None,
        least_fill: None,
    }
}

/// What the rule returns at a clock for fragments 0, 1, …, of which the first ones have these intents.
fn swap_at(clock: u64, intents: &[SwapIntent], fragments: u8, extra: &[u8]) -> Result<Vec<Effect>, RuleFailure> {
    let fragments: Vec<_> = (0..fragments).map(|n| view(n, &owned(n + 1, &[]))).collect();
    let payloads: Vec<_> = (0..).zip(intents.iter().map(SwapIntent::encode)).collect();
    transition(&Swap, clock, &fragments, &payloads, extra)
}

/// What it returns at the usual clock, if nobody is listed but those who have an intent.
fn swap(intents: &[SwapIntent], fill: &Fill) -> Result<Vec<Effect>, RuleFailure> {
    swap_at(CLOCK, intents, u8::try_from(intents.len()).unwrap(), &fill.encode())
}

#[track_caller]
fn fails(intents: &[SwapIntent], fill: &Fill, failure: SwapFailure) {
    assert_eq!(swap(intents, fill), Err(failure.into()));
}

/// Fragment n signs its intent.
fn consent(n: u8, intent: &SwapIntent) -> Consent {
    Consent::new(n, intent.encode(), intent.meaning(), intent.outflows())
}

/// Fragments 1, 2, … of keys with these assets.
fn world(holdings: &[&[(AssetId, u128)]]) -> World {
    (1..)
        .zip(holdings)
        .fold(World::new(Swap), |world, (n, assets)| world.with(n, owned(n, assets)))
}

/// Fragments 1, 2, … with these intents are listed, and all of them sign.
fn plan(intents: &[SwapIntent], fill: &Fill) -> Plan {
    let consents: Vec<_> = (1..).zip(intents).map(|(n, intent)| consent(n, intent)).collect();
    Plan {
        listed: consents.iter().map(|consent| consent.of).collect(),
        consents,
        extra: fill.encode(),
        opened: 0,
    }
}
