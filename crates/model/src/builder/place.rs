//! The touches and fragments of a step that is being built, and their order on the wire.

use std::{collections::BTreeSet, sync::Arc};

use nthroot_protocol::{
    AnchorId, BatchId, Body, FreshTouch, LeafTable, RepeatedTouch, Root, Step,
    limits::{MAX_FRAGMENTS, MAX_NIBBLE, MAX_TOUCHES},
};

use super::StepError;
use crate::{anchor::AnchorState, kernel::Touch};

/// How an anchor of the step is touched. The order is that of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Fresh,
    Opened,
    Again(u16),
}

/// An anchor of the step, resolved.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) class: Class,
    /// None if it was opened in this batch.
    pub(super) anchor: Option<AnchorId>,
    /// Who wrote its head; only of fresh ones.
    pub(super) parent: BatchId,
    /// None if this step opens it.
    pub(super) state: Option<Arc<AnchorState>>,
    /// The leaves that the plan names, and leaf 0.
    leaves: BTreeSet<u32>,
    /// Where the plan names them.
    named: Vec<(usize, u32)>,
}

impl Placed {
    pub(super) fn new(
        class: Class,
        anchor: Option<AnchorId>,
        parent: BatchId,
        state: Option<Arc<AnchorState>>,
    ) -> Self {
        Self {
            class,
            anchor,
            parent,
            state,
            leaves: BTreeSet::from([0]),
            named: Vec::new(),
        }
    }

    fn touch(&self) -> Touch {
        let state = |leaf: u32| self.state.as_ref()?.fragment(leaf).cloned();
        Touch {
            anchor: self.anchor,
            leaves: self.leaves.iter().map(|leaf| (*leaf, state(*leaf))).collect(),
        }
    }
}

/// The anchors of a step in the order of the wire.
#[derive(Debug, Clone)]
pub(super) struct Places {
    pub(super) touches: Vec<Placed>,
}

impl Places {
    /// Sorts what the plan names, a leaf of an anchor each, by touches.
    pub(super) fn new(named: Vec<(Placed, u32)>) -> Result<Self, StepError> {
        let mut touches: Vec<Placed> = Vec::new();
        for (place, (placed, leaf)) in named.into_iter().enumerate() {
            let same = |other: &&mut Placed| {
                placed.class != Class::Opened && other.class == placed.class && other.anchor == placed.anchor
            };
            if let Some(state) = placed.state.as_ref().filter(|state| !state.has_leaf(leaf)) {
                let depth = state.depth();
                return Err(StepError::Leaf { leaf, depth });
            }
            let touch = match touches.iter_mut().find(same) {
                Some(touch) if touch.named.iter().any(|(_, other)| *other == leaf) => {
                    return Err(StepError::Twice(placed.anchor));
                }
                Some(touch) => touch,
                None => touches.push_mut(placed),
            };
            touch.leaves.insert(leaf);
            touch.named.push((place, leaf));
        }
        // Stable, so that anchors of one class keep the order of the plan.
        touches.sort_by_key(|touch| touch.class);
        let places = Self { touches };
        places.check()?;
        Ok(places)
    }

    /// The limits on a step's touches and fragments.
    fn check(&self) -> Result<(), StepError> {
        let of = |kind: fn(&Class) -> bool| self.touches.iter().filter(|touch| kind(&touch.class)).count();
        let fresh = of(|class| *class == Class::Fresh);
        let opened = of(|class| *class == Class::Opened);
        let again = of(|class| matches!(class, Class::Again(_)));
        let touches = self.touches.len();
        if touches == 0 || touches > MAX_TOUCHES || fresh.max(opened).max(again) > MAX_NIBBLE {
            return Err(StepError::Touches { fresh, opened, again });
        }
        let fragments = self.fragments().count();
        if fragments > MAX_FRAGMENTS {
            return Err(StepError::TooManyFragments(fragments));
        }
        Ok(())
    }

    /// For each fragment of the step where the plan names it. It need not name leaf 0.
    fn fragments(&self) -> impl Iterator<Item = Option<usize>> {
        self.touches.iter().flat_map(|touch| {
            let place = |leaf: &u32| {
                touch
                    .named
                    .iter()
                    .find(|(_, named)| named == leaf)
                    .map(|(place, _)| *place)
            };
            touch.leaves.iter().map(place)
        })
    }

    /// What the kernel takes.
    pub(super) fn kernel_touches(&self) -> Vec<Touch> {
        self.touches.iter().map(Placed::touch).collect()
    }

    /// For each fragment of the plan the place of its touch.
    pub(super) fn touch_of_each(&self) -> Vec<usize> {
        let mut touches = vec![0; self.touches.iter().map(|touch| touch.named.len()).sum()];
        for (number, touch) in self.touches.iter().enumerate() {
            for (place, _) in &touch.named {
                touches[*place] = number;
            }
        }
        touches
    }

    /// The body as it is posted: with the leaf table, and with fragment numbers changed from places in the plan to those of
    /// the step. A number beyond the plan stays beyond the step.
    pub(super) fn body(&self, body: &Body) -> Body {
        let mut body = body.clone();
        let places: Vec<Option<usize>> = self.fragments().collect();
        for number in body.calls.iter_mut().flat_map(|call| &mut call.fragments) {
            let place = places.iter().position(|place| *place == Some(usize::from(*number)));
            // At most 16 fragments.
            *number = place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX);
        }
        let touched = self.touches.iter().filter(|touch| touch.class != Class::Opened);
        let table = LeafTable(
            touched
                .map(|touch| touch.leaves.iter().copied().skip(1).collect())
                .collect(),
        );
        body.leaves = (!table.is_empty()).then_some(table);
        body
    }

    /// The step as it is posted, but for roots and withdrawals.
    pub(super) fn assemble(&self, body: Vec<u8>) -> Step {
        let mut step = Step {
            body: body.into(),
            ..Step::default()
        };
        let root = Root::default();
        for touch in &self.touches {
            let parent = touch.parent;
            match (touch.class, touch.anchor) {
                (Class::Again(entry), _) => step.again.push(RepeatedTouch { entry, root }),
                (Class::Fresh, Some(anchor)) => step.fresh.push(FreshTouch { anchor, root, parent }),
                (Class::Fresh | Class::Opened, _) => step.opened.push(root),
            }
        }
        step
    }
}

/// Sets the roots after the step, in the order fresh, opened, again.
pub(super) fn set_roots(step: &mut Step, mut roots: impl Iterator<Item = Root>) {
    let fresh = step.fresh.iter_mut().map(|touch| &mut touch.root);
    let again = step.again.iter_mut().map(|touch| &mut touch.root);
    for (stated, root) in fresh.chain(&mut step.opened).chain(again).zip(&mut roots) {
        *stated = root;
    }
}
