//! Which heads can be built on, and what new batches bring.

use std::collections::{BTreeSet, HashMap};

use nthroot_model::ledger::{Judgement, Ledger, State};
use nthroot_protocol::{AnchorId, BatchId, FragmentId, LeafTable, PlacedStep, Status};
use nthroot_wallet::{States, states::open_position};

use super::seen::{Changes, Seen};
use crate::view::View;

/// What of a ledger can be built on, and where positions are.
#[derive(Debug, Default)]
pub(super) struct Heads {
    seen: Seen,
    /// Batches with a lie or a step that was not judged, and those that build on one: they are unwound, or may be.
    tainted: BTreeSet<BatchId>,
    /// Fragments that are, or were, a position of a market.
    positions: Option<HashMap<(FragmentId, u64), FragmentId>>,
}

impl Heads {
    /// Takes up a view.
    pub(super) fn update(&mut self, view: &View) -> Changes {
        let ledger = &view.ledger;
        let changes = self.seen.update(view);
        if let Some(from) = changes.from {
            self.tainted.split_off(&from);
        }
        for id in &changes.new {
            if self.is_doomed(ledger, *id) {
                self.tainted.insert(*id);
            }
        }
        self.learn_positions(ledger, &changes.new);
        // What is final of the bridge, or unwound, is no danger any more, when L1 cannot take that back.
        let settled = &view.settled;
        self.tainted
            .retain(|id| settled.status(*id) != Some(Status::Unwound) && !settled.is_final(*id));
        changes
    }

    /// Whether a head was written by a batch that must not be built on.
    pub(super) fn is_tainted(&self, batch: BatchId) -> bool {
        self.tainted.contains(&batch)
    }

    /// The batches that must not be built on.
    pub(super) fn tainted(&self) -> impl Iterator<Item = BatchId> + '_ {
        self.tainted.iter().copied()
    }

    /// Whether an anchor is open, its state known, and its head one that can be built on.
    pub(super) fn is_verified(&self, ledger: &Ledger, anchor: AnchorId) -> bool {
        let known = matches!(ledger.state(anchor), Some(State::Known(_)));
        known && ledger.head(anchor).is_some_and(|head| !self.is_tainted(head.id))
    }

    /// The fragment that is, or was, a position.
    pub(super) fn position(&self, market: FragmentId, serial: u64) -> Option<FragmentId> {
        self.positions.as_ref()?.get(&(market, serial)).copied()
    }

    fn is_doomed(&self, ledger: &Ledger, id: BatchId) -> bool {
        if ledger.status(id) != Some(Status::Live) {
            return true;
        }
        // One that was pruned is final.
        let Ok(steps) = ledger.steps(id) else { return false };
        let wrong = |judgement: &Judgement| matches!(judgement, Judgement::Lie(_) | Judgement::Unjudged(_));
        let parents = ledger.entries(id).unwrap_or_default().iter();
        let mut parents = parents.filter_map(|entry| entry.head.map(|head| head.id));
        steps.iter().any(|(_, judgement)| wrong(judgement)) || parents.any(|parent| self.is_tainted(parent))
    }

    /// By looking at every fragment the first time, and when steps were let go before they were seen; else at those that steps
    /// worked on.
    fn learn_positions(&mut self, ledger: &Ledger, new: &[BatchId]) {
        let steps = |id: &BatchId| ledger.steps(*id).unwrap_or_default();
        let is_forgotten = |id: &BatchId| {
            let mut steps = steps(id).into_iter();
            steps.any(|(step, judgement)| step.is_none() && *judgement == Judgement::Valid)
        };
        let Some(positions) = self.positions.as_mut().filter(|_| !new.iter().any(is_forgotten)) else {
            let known = ledger
                .anchors()
                .filter_map(|(anchor, _, state)| Some((anchor, state.known()?)));
            let fragments = known.flat_map(|(anchor, state)| {
                let leaves = state.fragments();
                leaves.filter_map(move |(leaf, fragment)| Some((open_position(fragment)?, anchor.leaf(leaf)?)))
            });
            self.positions = Some(fragments.collect());
            return;
        };
        for id in new {
            for fragment in steps(id).iter().filter_map(|(step, _)| *step).flat_map(fragments_of) {
                if let Some(position) = ledger.fragment(fragment).and_then(open_position) {
                    positions.insert(position, fragment);
                }
            }
        }
    }
}

/// The fragments that a step works on.
fn fragments_of(step: &PlacedStep) -> Vec<FragmentId> {
    let table = LeafTable::of(&step.step);
    let fresh = step.step.fresh.iter().map(|touch| touch.anchor);
    let touched = fresh.chain(step.again.iter().copied()).enumerate();
    let leaves = touched.flat_map(|(place, anchor)| {
        let leaves = std::iter::once(0).chain(table.further(place).iter().copied());
        leaves.filter_map(move |leaf| anchor.leaf(leaf)).collect::<Vec<_>>()
    });
    let opened = step.opened.iter().map(|anchor| anchor.fragment());
    leaves.chain(opened).collect()
}
