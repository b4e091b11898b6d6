//! Which heads can be built on, and what new batches bring.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use alloy::primitives::B256;
use nthroot_model::ledger::{Judgement, Ledger, State};
use nthroot_protocol::{AnchorId, BatchId, FragmentId, LeafTable, PlacedStep, Status};
use nthroot_wallet::{States, states::open_position};

use crate::view::View;

/// What a new view brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// What was known of batches from this one on is void: a reorganisation took them back.
    pub(super) gone: Option<BatchId>,
    /// Batches that were not known, oldest first.
    pub(super) new: Vec<BatchId>,
}

/// What of a ledger can be built on, and where positions are.
#[derive(Debug, Default)]
pub(super) struct Heads {
    /// The batches since the last final block of L1, each by the hash of its preimage.
    seen: BTreeMap<BatchId, B256>,
    /// The last one known.
    last: BatchId,
    /// Batches with a lie or a step that was not judged, and those that build on one: they are unwound, or may be.
    tainted: BTreeSet<BatchId>,
    /// Fragments that are, or were, a position of a market.
    positions: Option<HashMap<(FragmentId, u64), FragmentId>>,
}

impl Heads {
    /// Takes up a view.
    pub(super) fn update(&mut self, view: &View) -> Changes {
        let ledger = &view.ledger;
        let is_same = |(id, hash): &(&BatchId, &B256)| identity(ledger, **id) == Some(**hash);
        let gone = self.seen.iter().find(|seen| !is_same(seen)).map(|(id, _)| *id);
        if let Some(gone) = gone {
            self.seen.split_off(&gone);
            self.tainted.split_off(&gone);
            // Batches before were all known.
            self.last = BatchId::from_u64(gone.to_u64() - 1).unwrap_or_default();
        }
        let next = BatchId::from_u64(self.last.to_u64() + 1).unwrap_or_default();
        let new: Vec<BatchId> = ledger.batches_from(next).collect();
        for id in &new {
            self.last = *id;
            if self.is_doomed(ledger, *id) {
                self.tainted.insert(*id);
            }
            if let Some(hash) = identity(ledger, *id) {
                self.seen.insert(*id, hash);
            }
        }
        self.learn_positions(ledger, &new);
        self.forget(view);
        Changes { gone, new }
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

    /// The first time by looking at every fragment, then at those that steps worked on.
    fn learn_positions(&mut self, ledger: &Ledger, new: &[BatchId]) {
        let Some(positions) = &mut self.positions else {
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
            let steps = ledger.steps(*id).unwrap_or_default();
            for fragment in steps.iter().filter_map(|(step, _)| *step).flat_map(fragments_of) {
                if let Some(position) = ledger.fragment(fragment).and_then(open_position) {
                    positions.insert(position, fragment);
                }
            }
        }
    }

    /// What is final of L1 does not go again; what is final of the bridge, or unwound, is no danger any more.
    fn forget(&mut self, view: &View) {
        let (ledger, finalised) = (&view.ledger, view.finalised);
        let deployment = ledger.params().deployment_block;
        self.seen
            .retain(|id, _| deployment.saturating_add(id.block_offset()) > finalised);
        self.tainted
            .retain(|id| ledger.status(*id) != Some(Status::Unwound) && !ledger.is_final(*id));
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

/// What tells a batch from another one with its id, on another branch of L1. None if it is not known, or over in every respect.
pub(super) fn identity(ledger: &Ledger, id: BatchId) -> Option<B256> {
    let preimage = ledger.preimage(id).ok()?;
    Some(alloy::primitives::keccak256(preimage.encode()))
}
