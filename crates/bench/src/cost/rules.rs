//! One more operation of each rule in a batch that does something else already.

use nthroot_stage::{
    bases::Base,
    deeds::Deed,
    posting::{one_more, ring},
    world::{USERS, World},
};

use super::{
    run::{Group, Row, Rows},
    schedule::{Cost, Schedule},
};

/// Has a step before the one that is measured, if that needs none of its own.
const OTHER: usize = USERS - 1;

/// What it costs, and the bytes of its body.
pub(super) fn operations(schedule: Schedule, bases: impl Fn(Base) -> bool) -> Vec<Row> {
    let mut rows = Rows::new(Group::Rule);
    let world = World::new(schedule.spec());
    for base in Base::ALL.into_iter().filter(|base| bases(*base)) {
        let mut world = world.clone();
        let deed = base.deed(&mut world);
        let before = base.meanwhile(&world).unwrap_or(Deed::Account(OTHER, Vec::new()));
        let more = one_more(&mut world, before, vec![deed]);
        let cost = Cost {
            gas: more.gas,
            bytes: more.body,
            ..Cost::default()
        };
        rows.one(base.what(), cost);
    }
    rows.finish()
}

/// One more swap in a ring, of so many users and tokens, without what is fixed in a batch.
pub(super) fn exchanges(schedule: Schedule) -> Vec<Row> {
    let mut rows = Rows::new(Group::Exchange);
    let world = World::new(schedule.spec());
    for (users, tokens) in [(2, 2), (4, 4), (8, 4), (16, 4)] {
        let mut world = world.clone();
        let step = ring(&world, users, tokens);
        let more = one_more(&mut world, Deed::Account(OTHER, Vec::new()), vec![step]);
        let cost = Cost {
            gas: more.gas,
            bytes: more.body,
            ..Cost::default()
        };
        let users = u64::try_from(users).expect("few");
        rows.put(format!("{users} parties exchange {tokens} tokens"), users, cost);
    }
    rows.finish()
}
