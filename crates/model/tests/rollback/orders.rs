//! Small cones with two and three lies, in every order in which they can be proved, condemned and unwound: all orders end
//! with the same heads.

use std::collections::BTreeSet;

use nthroot_protocol::{AnchorId, FreshTouch, Head, Status, Step};

use crate::{
    oracle::Draft,
    world::{PROPOSERS, World},
};

/// A batch: the anchors it touches, by number, and whether it is a lie.
type Shape = (&'static [usize], bool);

const LIE: bool = true;
const HONEST: bool = false;
const ANCHORS: usize = 5;

/// What can be done next.
#[derive(Debug, Clone, Copy)]
enum Move {
    Convict { place: usize, entries: bool },
    Condemn(usize, usize, usize),
    Unwind(usize),
}

struct Search {
    anchors: Vec<AnchorId>,
    /// What the heads must be in the end.
    expected: Vec<Option<Head>>,
    seen: BTreeSet<String>,
    ends: usize,
}

fn build(shapes: &[Shape]) -> (World, Vec<AnchorId>) {
    let mut world = World::new(50);
    let anchors: Vec<AnchorId> = (0..ANCHORS).map(|_| world.deposit()).collect();
    world.advance(1);
    for ((slot, (touched, lie)), proposer) in (0..).zip(shapes).zip(PROPOSERS.iter().cycle()) {
        let mut step = Step::default();
        for number in *touched {
            let anchor = anchors[*number];
            let (root, parent) = (world.new_root(), world.ledger.head(anchor).unwrap().id);
            step.fresh.push(FreshTouch { anchor, root, parent });
        }
        step.opened.push(world.new_root());
        let posted = world.post(*proposer, slot, 1, &[Draft { step, lie: *lie }]);
        assert!(posted.unwrap().is_some(), "it is accepted");
        world.advance(1);
    }
    (world, anchors)
}

fn moves(world: &World) -> Vec<Move> {
    let oracle = &world.oracle;
    let mut moves: Vec<Move> = Vec::new();
    for (place, batch) in oracle.batches.iter().enumerate() {
        let provable = matches!(batch.status, Status::Live | Status::Condemned);
        if provable && batch.posted.lies().next().is_some() {
            moves.extend([false, true].map(|entries| Move::Convict { place, entries }));
        }
    }
    let condemnable = oracle.condemnable().into_iter();
    moves.extend(condemnable.map(|(child, entry, parent)| Move::Condemn(child, entry, parent)));
    moves.extend(oracle.unwindable().into_iter().map(Move::Unwind));
    moves
}

impl Search {
    fn go(&mut self, world: &World) -> Result<(), String> {
        let moves = moves(world);
        if moves.is_empty() {
            let heads = self.anchors.iter().map(|anchor| world.ledger.head(*anchor));
            assert!(
                heads.eq(self.expected.iter().copied()),
                "every order ends with the same heads"
            );
            assert!(world.oracle.faults.is_empty());
            world.clone().finish()?;
            self.ends += 1;
        }
        for next in moves {
            let mut world = world.clone();
            match next {
                Move::Convict { place, entries } => world.convict(place, 0, entries),
                Move::Condemn(child, entry, parent) => world.condemn(child, entry, parent),
                Move::Unwind(place) => world.unwind(place),
            }
            .and_then(|()| world.verify())
            .map_err(|failure| format!("{next:?}: {failure}"))?;
            // The order of convictions tells which field each fault has.
            let batches = world.oracle.batches.iter();
            let status: Vec<_> = batches.map(|batch| (batch.status, batch.convicted)).collect();
            if self.seen.insert(format!("{status:?}{:?}", world.oracle.faults)) {
                self.go(&world).map_err(|failure| format!("{next:?}, {failure}"))?;
            }
        }
        Ok(())
    }
}

/// Goes through all orders. `standing` are the batches that nothing can be said against.
fn every_order(name: &str, shapes: &[Shape], standing: &[usize]) -> usize {
    let (world, anchors) = build(shapes);
    let head = |anchor: &AnchorId| {
        let written = &world.oracle.anchors[anchor];
        let stands = written
            .iter()
            .rev()
            .find(|(by, _)| by.is_none_or(|by| standing.contains(&by)));
        stands.map(|(_, head)| *head)
    };
    let mut search = Search {
        expected: anchors.iter().map(head).collect(),
        anchors,
        seen: BTreeSet::new(),
        ends: 0,
    };
    if let Err(failure) = search.go(&world) {
        panic!("{name}: {failure}");
    }
    assert!(search.ends > 0, "{name} has an end");
    search.seen.len()
}

#[test]
fn two_faults_are_rolled_back_in_any_order() {
    let cases: [(&str, &[Shape], &[usize], usize); 4] = [
        ("apart", &[(&[0], LIE), (&[1], LIE), (&[2], HONEST)], &[2], 9),
        (
            "overlapping",
            &[(&[0], LIE), (&[1], LIE), (&[0, 1], HONEST), (&[2], HONEST)],
            &[3],
            15,
        ),
        (
            "nested",
            &[(&[0], LIE), (&[0, 1], LIE), (&[1, 2], HONEST), (&[3], HONEST)],
            &[3],
            15,
        ),
        (
            "nested by two ways",
            &[
                (&[0, 1], LIE),
                (&[0], HONEST),
                (&[1], LIE),
                (&[0, 1], HONEST),
                (&[2], HONEST),
            ],
            &[4],
            25,
        ),
    ];
    for (name, shapes, standing, least) in cases {
        let states = every_order(name, shapes, standing);
        assert!(states >= least, "{name}: {states} states, expected {least}");
    }
}

#[test]
fn three_faults_are_rolled_back_in_any_order() {
    let cases: [(&str, &[Shape], &[usize], usize); 2] = [
        (
            "one above another, joined with a third",
            &[
                (&[0], LIE),
                (&[0, 1], LIE),
                (&[2], LIE),
                (&[1, 2], HONEST),
                (&[2, 3], HONEST),
                (&[4], HONEST),
            ],
            &[5],
            100,
        ),
        (
            "a chain of lies",
            &[
                (&[0], LIE),
                (&[0, 1], LIE),
                (&[1, 2], LIE),
                (&[2, 3], HONEST),
                (&[4], HONEST),
            ],
            &[4],
            60,
        ),
    ];
    for (name, shapes, standing, least) in cases {
        let states = every_order(name, shapes, standing);
        assert!(states >= least, "{name}: {states} states, expected {least}");
    }
}
