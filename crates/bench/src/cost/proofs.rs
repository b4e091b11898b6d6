//! What usual lies cost to prove, in batches of 1,000 steps.

use nthroot_stage::{
    bases::Base,
    deeds::{Deed, Scribe},
    posting::{four, proved},
    stage::Stage,
    town::{Place, Town},
    world::World,
};

use super::{
    run::{Group, Row, Rows},
    schedule::{Cost, Schedule},
};

/// Steps of the batch in which the lie stands.
pub(super) const STEPS: usize = 1_000;

/// Lies about payments and swaps, by roots of one's own and in a cohort; and about a pool and a loan.
pub(super) fn lies(schedule: Schedule) -> Vec<Row> {
    let mut rows = Rows::new(Group::Proof);
    let town = Town::new(schedule.spec());
    for (what, place, users) in [
        ("2-party transfer", Place::House, 2),
        ("4-party transfer in a ring", Place::House, 4),
        ("2-party transfer in a cohort of depth 20", Place::Scattered, 2),
        ("4-party transfer in a cohort of depth 20", Place::Scattered, 4),
        ("2-party transfer of neighbours in a cohort", Place::Neighbours, 2),
    ] {
        let mut town = town.clone();
        let batch = town.ring(place, users);
        put(&mut rows, what, &mut town.stage, &batch);
    }
    let world = World::lean(schedule.spec());
    for (what, base) in [
        ("4-party swap of 4 tokens", None),
        ("sale to a pool", Some(Base::PoolSell)),
        ("loan from a market", Some(Base::Borrow)),
    ] {
        let mut world = world.clone();
        let deed = match base {
            Some(base) => base.deed(&mut world),
            None => four(&world),
        };
        let batch = honest(&mut world, &deed);
        put(&mut rows, what, &mut world.stage, &batch);
    }
    rows.finish()
}

/// A batch of this alone, whose rule table goes no further than the last rule that is used.
pub(super) fn honest(world: &mut World, deed: &Deed) -> nthroot_protocol::Batch {
    let (plan, _) = Scribe::new(world).step(std::slice::from_ref(deed));
    let last = plan.body.calls.iter().map(|call| call.rule).max().unwrap_or_default();
    let table = world.book.table().into_iter().take(last.into()).collect();
    let mut builder = world.builder().rule_table(table);
    builder.step(&plan).expect("honest");
    builder.build().expect("complete")
}

fn put(rows: &mut Rows, what: &str, stage: &mut Stage, batch: &nthroot_protocol::Batch) {
    let (evidence, receipt) = proved(stage, batch, STEPS);
    rows.one(format!("prove a lie about: {what}"), Cost::of(&receipt, evidence));
}
