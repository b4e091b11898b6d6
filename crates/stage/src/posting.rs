//! What posting costs, and deeds of any size.

use std::collections::BTreeMap;

use alloy::primitives::Bytes;
use nthroot_bindings::Bridge;
use nthroot_evm::Receipt;
use nthroot_protocol::{AssetId, Batch, RepeatedTouch, Root, Step, rules::swap::Fill};

use crate::{
    deeds::{Deed, Scribe, intent},
    stage::{CHALLENGER, ETHER, MALLORY, Stage},
    world::{HOLDERS, World},
};

/// An honest batch of these steps.
pub fn batch(world: &mut World, steps: &[Vec<Deed>]) -> Option<Batch> {
    let mut scribe = Scribe::new(world);
    let plans: Vec<_> = steps.iter().map(|deeds| scribe.step(deeds).0).collect();
    let mut builder = world.builder();
    for plan in &plans {
        builder.step(plan).ok()?;
    }
    Some(builder.build().expect("complete"))
}

/// Gas of posting, with bodies and without: `submit` looks at none.
#[derive(Clone, Copy)]
pub struct Posted {
    pub gas: u64,
    pub bodiless: u64,
    /// Bytes of the last step's.
    pub body: usize,
}

pub fn posted(world: &World, batch: &Batch) -> Posted {
    let gas = |batch: &Batch| {
        let mut l1 = world.stage.l1.clone();
        let call = Bridge::submitCall {
            batch: batch.encode().into(),
        };
        let receipt = l1.send(MALLORY, &call).expect("sent");
        assert!(receipt.success, "{}", receipt.output);
        receipt.gas
    };
    let mut bodiless = batch.clone();
    for step in &mut bodiless.steps {
        step.body = Bytes::new();
    }
    Posted {
        gas: gas(batch),
        bodiless: gas(&bodiless),
        body: batch.steps.last().map_or(0, |step| step.body.len()),
    }
}

/// What one more step costs in a batch of another one.
pub fn one_more(world: &mut World, before: Deed, step: Vec<Deed>) -> Posted {
    let alone = batch(world, &[vec![before.clone()]]).expect("honest");
    let both = batch(world, &[vec![before], step]).expect("honest");
    let (alone, both) = (posted(world, &alone), posted(world, &both));
    Posted {
        gas: both.gas - alone.gas,
        bodiless: both.bodiless - alone.bodiless,
        body: both.body,
    }
}

/// A step that does nothing but name the batch's first anchor again.
pub fn again() -> Step {
    Step {
        again: vec![RepeatedTouch {
            entry: 0,
            root: Root::of(b"again"),
        }],
        ..Step::default()
    }
}

/// Bytes of evidence, and the challenge that convicts: the first step's last root is wrong, in a batch of so many steps.
pub fn proved(stage: &mut Stage, honest: &Batch, steps: usize) -> (usize, Receipt) {
    let mut batch = honest.clone();
    batch.steps[0].fresh.last_mut().expect("touched").root = Root::of(b"wrong");
    batch.steps.resize(steps, again());
    batch.seal();
    let (_, id) = stage.submit(MALLORY, &batch);
    let call = Bridge::challengeCall {
        entries: Bytes::new(),
        ..stage.challenge_call(id, 0)
    };
    let receipt = stage.l1.send(CHALLENGER, &call).expect("sent");
    assert!(receipt.success, "{}", receipt.output);
    (call.evidence.len(), receipt)
}

/// A ring of users, each of whom gives something to the next: in all so many tokens.
pub fn ring(world: &World, users: usize, tokens: usize) -> Deed {
    let token = |n: usize| world.token(u8::try_from(n).expect("few") + 1);
    let place = |user: usize| u8::try_from(user).expect("few");
    let moves: Vec<(u8, u8, AssetId, u128)> = (0..users.max(tokens))
        .map(|n| {
            let from = n % users;
            (place(from), place((from + 1) % users), token(n % tokens), 10 * ETHER)
        })
        .collect();
    filled(users, 0, &moves)
}

/// A swap in which everybody gives and gets what is moved.
pub fn filled(users: usize, first: usize, moves: &[(u8, u8, AssetId, u128)]) -> Deed {
    let sums = |side: fn(&(u8, u8, AssetId, u128)) -> u8, user: usize| {
        let mut sums: BTreeMap<AssetId, u128> = BTreeMap::new();
        for own in moves.iter().filter(|own| usize::from(side(own)) == user) {
            *sums.entry(own.2).or_default() += own.3;
        }
        sums.into_iter().collect::<Vec<_>>()
    };
    let intents = (0..users).map(|user| {
        let (gives, gets) = (sums(|own| own.0, user), sums(|own| own.1, user));
        (first + user, intent(&gives, &gets))
    });
    Deed::Swap(intents.collect(), Fill::new(Vec::new(), moves))
}

/// Those four in a ring.
pub fn four(world: &World) -> Deed {
    let moves: Vec<_> = (0..4_u8)
        .map(|from| (from, (from + 1) % 4, world.token(from + 1), 10 * ETHER))
        .collect();
    filled(4, HOLDERS.start, &moves)
}
