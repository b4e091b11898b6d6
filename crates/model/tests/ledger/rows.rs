//! Ledgers that were written down as rows and read again.

use std::collections::BTreeMap;

use nthroot_model::{
    ledger::{Judgement, Ledger, RowError},
    walk::{Skip, Stale},
};
use nthroot_protocol::{AnchorId, BatchId, PreEntry, RepeatedTouch, Step, Withdrawal};

use crate::world::{ALICE, BOB, TOKEN, World, key_of, root, spend};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

fn rows(ledger: &Ledger) -> Rows {
    let rows = ledger.rows_since(None).into_iter();
    rows.map(|(key, value)| (key, value.unwrap())).collect()
}

fn read(ledger: &Ledger, rows: &Rows) -> Result<Ledger, RowError> {
    Ledger::from_rows(ledger.params().clone(), ledger.env().clone(), rows)
}

fn accepted_key(id: BatchId) -> Vec<u8> {
    [&[9], &id.to_bytes()[..]].concat()
}

/// A batch that withdraws this much from an anchor.
fn withdraw(world: &mut World, anchor: AnchorId, amount: u128) -> BatchId {
    let mut builder = world.builder(ALICE);
    builder.step(&spend(&builder, 0, anchor, None, &[amount])).unwrap();
    let batch = builder.build().unwrap();
    world.submit(ALICE, &batch).unwrap().id
}

#[test]
fn a_batch_of_another_branch_is_written_though_id_and_judgements_are_the_same() {
    let mut world = World::new();
    let [anchor] = world.deposits();
    let fork = world.ledger.clone();
    let id = withdraw(&mut world, anchor, 1);
    let one = world.ledger.clone();
    world.ledger = fork;
    assert_eq!(withdraw(&mut world, anchor, 2), id);
    assert_eq!(world.ledger.judgement(id), one.judgement(id));
    let mut written = rows(&one);
    for (key, value) in world.ledger.rows_since(Some(&one)) {
        match value {
            Some(value) => drop(written.insert(key, value)),
            None => drop(written.remove(&key)),
        }
    }
    assert_eq!(written, rows(&world.ledger));
}

#[test]
fn each_reason_of_a_skip_is_read_as_it_was() {
    let mut world = World::new();
    let [fine, moved, frozen] = world.deposits();
    let fault = world.lie(BOB, &[frozen]);
    world.advance(1);
    world.convict(fault, 0, false);
    let late = world.ledger.deposit(key_of(0), TOKEN, 1).unwrap();
    let late = AnchorId::new(late, 0);
    let nothing = AnchorId::new(moved.batch(), 1);
    let mut other_parent = world.touch(&[moved]);
    other_parent.fresh[0].parent = fine.batch();
    let poisoned = Step {
        again: vec![RepeatedTouch {
            entry: 1,
            root: root(1),
        }],
        ..Step::default()
    };
    let stale = |anchor, reason| Some(Skip::Stale { anchor, reason });
    let (head, parent) = (moved.batch(), fine.batch());
    let steps = [
        (world.touch(&[fine]), None),
        (world.touch(&[nothing]), stale(nothing, Stale::NoHead)),
        (other_parent, stale(moved, Stale::OtherParent { head, parent })),
        (world.touch(&[late]), stale(late, Stale::AfterClock(late.batch()))),
        (
            world.touch(&[frozen]),
            stale(frozen, Stale::Fault { head: fault, fault }),
        ),
        (poisoned, Some(Skip::Poisoned(1))),
    ];
    let (steps, expected): (Vec<_>, Vec<_>) = steps.into_iter().unzip();
    let batch = world.raw(ALICE, steps);
    let id = world.submit(ALICE, &batch).unwrap().id;
    let skips = |ledger: &Ledger| -> Vec<Option<Skip>> {
        let judgements = ledger.judgement(id).unwrap();
        let skip = |judgement: &Judgement| match judgement {
            Judgement::Skipped(skip) => Some(*skip),
            _ => None,
        };
        judgements.iter().map(|judgement| skip(judgement)).collect()
    };
    assert_eq!(skips(&world.ledger), expected);
    let read = read(&world.ledger, &rows(&world.ledger)).unwrap();
    assert_eq!(skips(&read), expected);
    assert_eq!(read.rows_since(Some(&world.ledger)), []);
}

#[test]
fn nothing_that_a_batch_posted_can_be_changed_in_its_row() {
    let mut world = World::new();
    let [anchor] = world.deposits();
    let id = withdraw(&mut world, anchor, 1);
    let mut rows = rows(&world.ledger);
    let key = accepted_key(id);
    let posted = 2 + world.preimage(id).len() + Withdrawal::LENGTH + PreEntry::LENGTH;
    // And one byte says that the step is valid: that, nothing can tell.
    assert_eq!(rows[&key].len(), posted + 1);
    for place in 0..posted {
        rows.get_mut(&key).unwrap()[place] ^= 1;
        assert!(read(&world.ledger, &rows).is_err(), "byte {place}");
        rows.get_mut(&key).unwrap()[place] ^= 1;
    }
    read(&world.ledger, &rows).unwrap();
}
