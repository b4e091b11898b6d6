//! Which steps are applied (section 4.5), and what the batch commits to (section 4.6).

use std::collections::BTreeMap;

use alloy_primitives::B256;
use nthroot_model::walk::{Skip, Stale, Walk, WalkTerms, walk};
use nthroot_protocol::{
    AnchorId, BatchId, FreshTouch, Head, PreEntry, RepeatedTouch, Step, commitment::step_commitment,
};
use proptest::{collection::vec, prelude::*};

use crate::world::{config, root};

const CLOCK: u64 = 10;
/// The batch is in block 12; anchors are from blocks 5, 10 (the clock) and 11.
fn id(block: u64, sequence: u16) -> BatchId {
    BatchId::new(block, sequence).unwrap()
}

fn anchor(number: u16) -> AnchorId {
    AnchorId::new(id(5, 1), number)
}

fn terms(oldest_fault: Option<BatchId>) -> WalkTerms {
    WalkTerms {
        id: id(12, 3),
        clock_offset: CLOCK,
        oldest_fault,
    }
}

fn fresh(number: u16, parent: BatchId) -> Step {
    Step {
        fresh: vec![FreshTouch {
            anchor: anchor(number),
            root: root(1),
            parent,
        }],
        ..Step::default()
    }
}

fn opened() -> Step {
    Step {
        opened: vec![root(2)],
        ..Step::default()
    }
}

fn again(entries: &[u16]) -> Step {
    let touch = |entry: &u16| RepeatedTouch {
        entry: *entry,
        root: root(3),
    };
    Step {
        again: entries.iter().map(touch).collect(),
        ..Step::default()
    }
}

fn both(mut a: Step, b: Step) -> Step {
    a.fresh.extend(b.fresh);
    a.opened.extend(b.opened);
    a.again.extend(b.again);
    a
}

/// Anchors 0 to 7 are of block 5, 8 is of the clock, 9 of the block after it, 10 of block 7; there are no others.
fn heads(anchor: AnchorId) -> Option<Head> {
    let block = match anchor.index() {
        _ if anchor.batch() != id(5, 1) => return None,
        0..8 => 5,
        8 => CLOCK,
        9 => CLOCK + 1,
        10 => 7,
        _ => return None,
    };
    let id = id(block, 1);
    Some(Head { root: root(0), id })
}

#[test]
fn a_step_with_a_stale_or_poisoned_touch_is_skipped() {
    let old = id(5, 1);
    let own = id(12, 3);
    let open = AnchorId::new(own, 1);
    let own_opened = Step {
        fresh: vec![FreshTouch {
            anchor: open,
            root: root(1),
            parent: own,
        }],
        ..Step::default()
    };
    let fault = |sequence| Some(id(7, sequence));
    // Letters: . applied, s skipped.
    let cases: Vec<(&str, Option<BatchId>, Vec<Step>, &str)> = vec![
        ("touches of heads", None, vec![fresh(0, old), fresh(1, old)], ".."),
        ("no head", None, vec![fresh(11, old)], "s"),
        (
            "no head and the zero id",
            None,
            vec![fresh(11, BatchId::default())],
            "s",
        ),
        ("another parent", None, vec![fresh(0, id(5, 2))], "s"),
        ("at the clock", None, vec![fresh(8, id(CLOCK, 1))], "."),
        ("after the clock", None, vec![fresh(9, id(CLOCK + 1, 1))], "s"),
        ("the fault itself", fault(1), vec![fresh(10, id(7, 1))], "s"),
        ("a younger fault", fault(2), vec![fresh(10, id(7, 1))], "."),
        ("an older fault", fault(0), vec![fresh(10, id(7, 1))], "s"),
        ("twice, two steps", None, vec![fresh(0, old), fresh(0, old)], ".s"),
        (
            "twice, own id as parent",
            None,
            vec![fresh(0, old), fresh(0, own)],
            ".s",
        ),
        ("twice, one step", None, vec![both(fresh(0, old), fresh(0, old))], "s"),
        (
            "twice, one step, own id",
            None,
            vec![both(fresh(0, old), fresh(0, own))],
            "s",
        ),
        (
            "first one skipped",
            None,
            vec![both(fresh(0, old), fresh(11, old)), fresh(0, old)],
            "s.",
        ),
        ("again", None, vec![fresh(0, old), again(&[0]), again(&[0])], "..."),
        ("again of a skipped one", None, vec![fresh(11, old), again(&[0])], "ss"),
        (
            "again of opened",
            None,
            vec![fresh(0, old), opened(), again(&[0, 1])],
            "...",
        ),
        (
            "opened in a skipped step",
            None,
            vec![both(fresh(11, old), opened()), again(&[1])],
            "ss",
        ),
        (
            "skipped poisons what it names",
            None,
            vec![fresh(0, old), both(fresh(11, old), again(&[0])), again(&[0])],
            ".ss",
        ),
        (
            "poison spreads",
            None,
            vec![
                fresh(0, old),
                fresh(1, old),
                fresh(11, old),
                again(&[1, 2]),
                again(&[0, 1]),
                again(&[0]),
            ],
            "..ssss",
        ),
        (
            "poison leaves others alone",
            None,
            vec![
                fresh(0, old),
                fresh(1, old),
                both(fresh(11, old), again(&[0])),
                again(&[1]),
            ],
            "..s.",
        ),
        (
            "two entries of one anchor",
            None,
            vec![
                both(fresh(0, old), fresh(11, old)),
                fresh(0, old),
                again(&[0]),
                again(&[2]),
            ],
            "s.s.",
        ),
        (
            "fresh touch of an opened anchor",
            None,
            vec![fresh(0, old), opened(), own_opened.clone()],
            "..s",
        ),
        (
            "fresh touch before it opens",
            None,
            vec![both(own_opened, opened())],
            "s",
        ),
    ];
    for (name, fault, steps, expected) in cases {
        let walk = walk(&terms(fault), steps.clone(), heads);
        let fates: String = walk
            .steps
            .iter()
            .map(|fate| if fate.is_ok() { '.' } else { 's' })
            .collect();
        assert_eq!(fates, expected, "{name}");
        assert_eq!(walk.applies_any(), expected.contains('.'), "{name}");
        check_against_reference(&terms(fault), &steps, &walk);
    }
}

#[test]
fn the_reason_of_a_skip_is_the_first_one() {
    let reason = |step: Step, fault| {
        walk(&terms(fault), vec![fresh(11, id(5, 1)), step], heads).steps[1]
            .clone()
            .unwrap_err()
    };
    let stale = |number, reason| Skip::Stale {
        anchor: anchor(number),
        reason,
    };
    let (a, b) = (id(5, 1), id(5, 2));
    assert_eq!(reason(both(fresh(11, a), fresh(0, b)), None), stale(11, Stale::NoHead));
    assert_eq!(
        reason(fresh(0, b), None),
        stale(0, Stale::OtherParent { head: a, parent: b })
    );
    let late = id(CLOCK + 1, 1);
    assert_eq!(reason(fresh(9, late), None), stale(9, Stale::AfterClock(late)));
    let fault = id(4, 1);
    assert_eq!(
        reason(fresh(0, a), Some(fault)),
        stale(0, Stale::Fault { head: a, fault })
    );
    assert_eq!(reason(again(&[0]), None), Skip::Poisoned(0));
}

#[test]
fn skipped_steps_are_told_by_bits() {
    let steps: Vec<Step> = (0..10)
        .map(|i| {
            if i == 1 || i == 9 {
                fresh(11, id(5, 1))
            } else {
                opened()
            }
        })
        .collect();
    assert_eq!(
        walk(&terms(None), steps.to_vec(), heads).skipped_bits(),
        vec![0b10, 0b10]
    );
    assert_eq!(
        walk(&terms(None), vec![opened()], heads).skipped_bits(),
        Vec::<u8>::new()
    );
}

/// Section 4.5 read literally: touches are taken one after the other on a copy of the heads, which is thrown away if one of
/// them is bad.
fn reference(terms: &WalkTerms, steps: &[Step]) -> (Vec<bool>, BTreeMap<AnchorId, Head>, Vec<PreEntry>, Vec<B256>) {
    let mut written: BTreeMap<AnchorId, Head> = BTreeMap::new();
    let mut names: Vec<AnchorId> = Vec::new();
    let mut poisoned: Vec<u16> = Vec::new();
    let (mut fates, mut entries, mut commitments) = (Vec::new(), Vec::new(), Vec::new());
    for step in steps {
        let before = written.clone();
        let (names_before, mut pre, mut bad) = (names.len(), Vec::new(), false);
        let new = |root| Head { root, id: terms.id };
        for touch in &step.fresh {
            names.push(touch.anchor);
            let head = written.get(&touch.anchor).copied().or_else(|| heads(touch.anchor));
            bad |= match head {
                None => true,
                Some(head) => {
                    head.id != touch.parent
                        || head.id.to_u64() >> 13 > terms.clock_offset
                        || terms.oldest_fault.is_some_and(|fault| head.id >= fault)
                }
            };
            pre.push(PreEntry {
                anchor: touch.anchor,
                head,
            });
            written.insert(touch.anchor, new(touch.root));
        }
        for root in &step.opened {
            let anchor = AnchorId::new(terms.id, u16::try_from(names.len()).unwrap());
            names.push(anchor);
            pre.push(PreEntry { anchor, head: None });
            written.insert(anchor, new(*root));
        }
        for touch in &step.again {
            bad |= poisoned.contains(&touch.entry);
            let anchor = names[usize::from(touch.entry)];
            pre.push(PreEntry {
                anchor,
                head: written.get(&anchor).copied(),
            });
            written.insert(anchor, new(touch.root));
        }
        fates.push(!bad);
        if bad {
            poisoned.extend((names_before..names.len()).map(|entry| u16::try_from(entry).unwrap()));
            poisoned.extend(step.again.iter().map(|touch| touch.entry));
            written = before;
            commitments.push(B256::ZERO);
        } else {
            commitments.push(step_commitment(&pre, &step.encode()));
            entries.extend(pre.into_iter().filter(|entry| !before.contains_key(&entry.anchor)));
        }
    }
    (fates, written, entries, commitments)
}

fn check_against_reference(terms: &WalkTerms, steps: &[Step], walk: &Walk) {
    let (fates, heads, entries, commitments) = reference(terms, steps);
    assert_eq!(walk.steps.iter().map(Result::is_ok).collect::<Vec<_>>(), fates);
    assert_eq!(walk.heads, heads);
    assert_eq!(walk.entries, entries);
    assert_eq!(walk.commitments, commitments);
}

/// Steps over few anchors, so that they meet; repeated touches of entries that there are.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let parent = prop_oneof![4 => Just(None), 1 => Just(Some(id(12, 3))), 1 => Just(Some(id(5, 9)))];
    let step = (
        vec((0_u16..12, parent), 0..3),
        0_usize..3,
        vec(any::<u16>(), 0..3),
        any::<u8>(),
    );
    vec(step, 1..10).prop_map(|plans| {
        let mut count: u16 = 0;
        let mut steps = Vec::new();
        for (fresh, opened, again, byte) in plans {
            let fresh = fresh.into_iter().map(|(number, parent)| {
                let anchor = anchor(number);
                let parent = parent.or(heads(anchor).map(|head| head.id)).unwrap_or_default();
                FreshTouch {
                    anchor,
                    root: root(byte),
                    parent,
                }
            });
            let mut again: Vec<u16> = again
                .into_iter()
                .filter(|_| count > 0)
                .map(|entry| entry % count.max(1))
                .collect();
            again.sort_unstable();
            again.dedup();
            let step = Step {
                fresh: fresh.collect(),
                opened: vec![root(byte.wrapping_add(1)); opened],
                again: again
                    .into_iter()
                    .map(|entry| RepeatedTouch {
                        entry,
                        root: root(byte.wrapping_add(2)),
                    })
                    .collect(),
                ..Step::default()
            };
            count += u16::try_from(step.fresh.len() + step.opened.len()).unwrap();
            steps.push(step);
        }
        steps
    })
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn the_walk_agrees_with_a_literal_reading(steps in steps(), fault in prop::option::of(4_u64..14)) {
        let terms = terms(fault.map(|block| id(block, 1)));
        check_against_reference(&terms, &steps, &walk(&terms, steps.clone(), heads));
    }

    /// So nothing can be restored twice or out of order.
    #[test]
    fn no_anchor_is_written_under_two_entries(steps in steps()) {
        let walk = walk(&terms(None), steps, heads);
        let anchors: std::collections::BTreeSet<_> = walk.entries.iter().map(|entry| entry.anchor).collect();
        prop_assert_eq!(anchors.len(), walk.entries.len());
        for applied in walk.steps.iter().flatten() {
            let touched: std::collections::BTreeSet<_> = applied.placed.anchors().collect();
            prop_assert_eq!(touched.len(), applied.placed.step.touches());
        }
    }
}
