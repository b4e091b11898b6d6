//! The rules Swap, Pool and Credit on the real contracts. The liar is the honest proposer with one thing changed: each such lie about
//! each operation is convicted in one transaction, and the step that it was made from cannot be. Then several rules in one
//! step, and what all of it costs.
#![allow(clippy::print_stdout, reason = "tables of what was measured")]

mod compose;
mod credit;
mod draft;
mod every;
mod gas;
mod history;
mod loans;
mod pool;
#[path = "../snapshot/mod.rs"]
mod snapshot;
mod swap;
mod threshold;

use std::collections::BTreeMap;

use nthroot_evm::SpecId;
use nthroot_protocol::Batch;
use nthroot_stage::{bases, deeds, stage, world};

use crate::{bases::Base, draft::Draft, stage::MALLORY, world::World};

const TX_GAS_CAP: u64 = 1 << 24;

/// The rules of today and those to come.
const SPECS: [SpecId; 2] = [SpecId::OSAKA, SpecId::AMSTERDAM];

/// An honest step with one thing changed.
struct Lie {
    /// What is changed.
    name: &'static str,
    /// What the model must find wrong: part of its reason.
    reason: &'static str,
    tell: fn(&World, Base, &mut Draft),
}

const fn lie(name: &'static str, reason: &'static str, tell: fn(&World, Base, &mut Draft)) -> Lie {
    Lie { name, reason, tell }
}

/// All lies about an honest step.
fn lies(base: Base) -> impl Iterator<Item = &'static Lie> {
    let own = match base.shared() {
        _ if base.is_swap() => swap::lies(base),
        draft::Who::Pool => pool::lies(base),
        _ => credit::lies(base),
    };
    let of_every_step = every::LIES.iter().filter(move |lie| every::concerns(lie.name, base));
    of_every_step.chain(own)
}

/// Posts a batch with a lie in it, and has it convicted by one transaction: its gas.
fn convict(mut world: World, batch: &Batch, step: u16, name: &str, reason: &str) -> u64 {
    let (_, id) = world.stage.submit(MALLORY, batch);
    let judgement = world.stage.ledger.judgement(id).expect("kept")[usize::from(step)];
    let found = format!("{judgement:?}");
    assert!(found.contains(reason), "{name}: wrong in that way only: {found}");
    let challenged = world.stage.challenge(id, step);
    assert!(challenged.receipt.gas < TX_GAS_CAP, "{name}");
    challenged.receipt.gas
}

/// Posts a batch and asserts that a step of it cannot be convicted.
fn stands(mut world: World, batch: &Batch, step: u16, name: &str) {
    let (_, id) = world.stage.submit(MALLORY, batch);
    let lies = world.stage.ledger.lies_of(id);
    assert!(lies.is_empty(), "{name}: {lies:?}");
    world.stage.assert_valid(id, step);
}

/// For each of these steps: it cannot be convicted, and every lie about it is, today and under the coming gas schedule.
fn each_lie_is_convicted(bases: impl Fn(Base) -> bool) {
    let mut gas: BTreeMap<(usize, usize), Vec<u64>> = BTreeMap::new();
    for spec in SPECS {
        let world = World::new(spec);
        for (number, base) in Base::ALL.into_iter().enumerate().filter(|(_, base)| bases(*base)) {
            let mut world = world.clone();
            let deed = base.deed(&mut world);
            let honest = Draft::new(&mut world, &[deed]);
            stands(world.clone(), &honest.batch(&world), 0, &format!("{base:?}"));
            for (place, lie) in lies(base).enumerate() {
                let mut draft = honest.clone();
                (lie.tell)(&world, base, &mut draft);
                let name = format!("{base:?}: {}", lie.name);
                let cost = convict(world.clone(), &draft.batch(&world), 0, &name, lie.reason);
                gas.entry((number, place)).or_default().push(cost);
            }
        }
    }
    println!("{:<38} {:<46} {:>9} {:>10}", "step", "lie", "gas Osaka", "Amsterdam");
    for ((number, place), gas) in &gas {
        let base = Base::ALL[*number];
        let name = lies(base).nth(*place).map_or("", |lie| lie.name);
        println!("{:<38} {name:<46} {:>9} {:>10}", base.what(), gas[0], gas[1]);
    }
    println!("{} lies", gas.len());
}

#[test]
fn each_lie_about_a_swap_is_convicted_in_one_transaction() {
    each_lie_is_convicted(Base::is_swap);
}

#[test]
fn each_lie_about_a_pool_is_convicted_in_one_transaction() {
    each_lie_is_convicted(|base| base.shared() == draft::Who::Pool);
}

#[test]
fn each_lie_about_credit_is_convicted_in_one_transaction() {
    each_lie_is_convicted(|base| !base.is_swap() && base.shared() != draft::Who::Pool);
}
