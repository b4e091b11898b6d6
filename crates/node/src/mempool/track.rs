//! What becomes of bundles, as L1 shows it.

use std::sync::Arc;

use alloy::primitives::B256;
use nthroot_api::{IntentId, IntentStatus, Refusal};
use nthroot_model::ledger::Judgement;
use nthroot_protocol::{BatchId, Body, Status};
use nthroot_wallet::States as _;
use tracing::{debug, error};

use super::{
    Mempool,
    entry::{Found, Row, State, mark},
    heads,
};
use crate::{
    store::{Change, Table},
    view::View,
};

/// Blocks after which a bundle that cannot be carried out is looked at again, at most: it doubles each time.
const LONGEST_RETRY: u64 = 16;

impl Mempool {
    /// Takes up what L1 shows now: what is included, final, too late, or taken back by a reorganisation or with somebody's lie.
    pub fn on_view(&mut self, view: &View) {
        self.tip = view.tip.number;
        let doomed = self.included_in_doomed(view);
        let changed = self.heads.update(view);
        let gone = changed
            .gone
            .map(|gone| self.included.split_off(&gone))
            .unwrap_or_default();
        let mut changes = Vec::new();
        for id in gone.into_values().flatten().chain(doomed) {
            self.wait_again(id, &mut changes);
        }
        for (id, Found { batch, identity, step }) in std::mem::take(&mut self.found) {
            // Of what is over in every respect nothing is left that could tell.
            let is_it = heads::identity(&view.ledger, batch).map_or(view.ledger.is_final(batch), |is| is == identity);
            if is_it && view.ledger.status(batch) == Some(Status::Live) {
                self.include(id, batch, step);
            }
        }
        for batch in changed.new {
            self.find(view, batch, &mut changes);
        }
        self.settle(view, &mut changes);
        self.drop_what_cannot_be(view, &mut changes);
        if !changes.is_empty() {
            // What is over is found to be so again after a crash.
            self.keep(&changes);
        }
    }

    /// Bundles are on their way in this transaction, and no others are.
    pub fn set_posted(&mut self, bundles: &[IntentId], transaction: B256) {
        self.clear_posted();
        for id in bundles {
            if let Some(entry) = self.entries.get_mut(id).filter(|entry| entry.state == State::Waiting) {
                entry.state = State::Posted(transaction);
                entry.fails = 0;
            }
        }
    }

    /// No bundles are on their way.
    pub fn clear_posted(&mut self) {
        for id in self.queue.values() {
            if let Some(entry) = self.entries.get_mut(id) {
                entry.state = State::Waiting;
            }
        }
    }

    /// A bundle could not be carried out at the tip: it is looked at again later.
    pub(crate) fn postpone(&mut self, id: IntentId) {
        if let Some(entry) = self.entries.get_mut(&id) {
            let wait = 1_u64.checked_shl(entry.fails).unwrap_or(u64::MAX).min(LONGEST_RETRY);
            entry.fails = entry.fails.saturating_add(1);
            entry.retry_at = self.tip.saturating_add(wait);
        }
    }

    /// Bundles in batches that were found to be lies, or to stand on them.
    fn included_in_doomed(&mut self, view: &View) -> Vec<IntentId> {
        let doomed = |id: &BatchId| view.ledger.status(*id).is_some_and(|status| status != Status::Live);
        let doomed: Vec<BatchId> = self.heads.tainted().filter(doomed).collect();
        let ids = doomed.iter().filter_map(|batch| self.included.remove(batch));
        ids.flatten().collect()
    }

    /// What was on L1 is not any more.
    fn wait_again(&mut self, id: IntentId, changes: &mut Vec<Change>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if entry.bundle.is_none() {
            let kept = self.store.get(Table::Intents, id.as_slice());
            let row = kept.inspect_err(|error| error!(%error, %id, "an intent cannot be read"));
            let row = row.ok().flatten().and_then(|row| Row::decode(&row));
            entry.bundle = row.map(|row| Arc::new(row.bundle));
        }
        (entry.fails, entry.retry_at) = (0, 0);
        let others = entry.places.iter().filter_map(|place| self.nonces.get(place).copied());
        match others.max() {
            Some(by) => {
                let reason = Refusal::Replaced { by };
                self.finish(id, IntentStatus::Dropped { reason }, changes);
            }
            None => self.enqueue(id),
        }
    }

    /// Looks for bundles among the steps of a batch, whoever posted it.
    fn find(&mut self, view: &View, batch: BatchId, changes: &mut Vec<Change>) {
        if self.queue.is_empty() {
            return;
        }
        let steps = view.ledger.steps(batch).unwrap_or_default();
        for (step, (placed, judgement)) in (0..).zip(steps) {
            let Some(placed) = placed.filter(|_| *judgement == Judgement::Valid) else {
                continue;
            };
            let Ok(body) = Body::of(&placed.step) else { continue };
            let signed = body.calls.iter().flat_map(|call| &call.authorisations);
            let marks: Vec<B256> = signed.map(|authorisation| mark(&authorisation.signature)).collect();
            let ids: Vec<IntentId> = marks
                .iter()
                .filter_map(|mark| self.signatures.get(mark).copied())
                .collect();
            for id in ids
                .into_iter()
                .filter(|id| self.is_whole(*id, &marks))
                .collect::<Vec<_>>()
            {
                debug!(%id, %batch, step, "included");
                self.include(id, batch, step);
                let identity = heads::identity(&view.ledger, batch);
                let kept = self.entries.get(&id).zip(identity).and_then(|(entry, identity)| {
                    let row = Row {
                        number: entry.number,
                        replaced: entry.replaced,
                        bundle: entry.bundle.as_deref()?,
                        found: Some(Found { batch, identity, step }),
                    };
                    Some(row.change(id))
                });
                changes.extend(kept);
            }
        }
    }

    /// Whether a step that has the first signature of a bundle has all of them, and so carries it out.
    fn is_whole(&self, id: IntentId, marks: &[B256]) -> bool {
        let bundle = self.entries.get(&id).and_then(|entry| entry.bundle.as_deref());
        bundle.is_some_and(|bundle| {
            let mut signatures = bundle.0.iter().map(|signed| mark(&signed.signature));
            signatures.all(|mark| marks.contains(&mark))
        })
    }

    fn include(&mut self, id: IntentId, batch: BatchId, step: u16) {
        self.dequeue(id);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.state = State::Included { batch, step };
            self.included.entry(batch).or_default().push(id);
        }
    }

    /// What is final of the bridge is over; of what is final of L1 the bundle stays in the store only.
    fn settle(&mut self, view: &View, changes: &mut Vec<Change>) {
        while let Some(batch) = self.included.first_entry() {
            if !view.ledger.is_final(*batch.key()) {
                break;
            }
            for id in batch.remove() {
                if let Some(State::Included { batch, step }) = self.entries.get(&id).map(|entry| entry.state.clone()) {
                    self.finish(id, IntentStatus::Final { batch, step }, changes);
                }
            }
        }
        let settled = view.finalised.saturating_sub(view.ledger.params().deployment_block);
        for (batch, ids) in self.included.iter().rev() {
            if batch.block_offset() > settled {
                continue;
            }
            let mut entries = ids.iter().filter_map(|id| Some((id, self.entries.get(id)?)));
            // All older ones have been here.
            if entries.all(|(_, entry)| entry.bundle.is_none()) {
                break;
            }
            for id in ids {
                if let Some(entry) = self.entries.get_mut(id) {
                    entry.bundle = None;
                }
            }
        }
    }

    /// What waits and is too late, or whose nonce is used.
    fn drop_what_cannot_be(&mut self, view: &View, changes: &mut Vec<Change>) {
        let mut dropped = Vec::new();
        for id in self.queue.values() {
            let Some(entry) = self.entries.get(id) else { continue };
            let next = |fragment| view.ledger.fragment(fragment).map_or(0, |fragment| fragment.nonce);
            if entry.places.iter().any(|(fragment, nonce)| *nonce < next(*fragment)) {
                dropped.push((*id, Refusal::Overtaken));
            } else if entry.is_expired(view.tip.number) {
                let fragment = entry.places.first().map(|(fragment, _)| *fragment).unwrap_or_default();
                let (valid_until, least) = (entry.valid_until, view.tip.number);
                let reason = Refusal::Expired {
                    fragment,
                    valid_until,
                    least,
                };
                dropped.push((*id, reason));
            }
        }
        for (id, reason) in dropped {
            debug!(%id, %reason, "dropped");
            self.finish(id, IntentStatus::Dropped { reason }, changes);
        }
    }
}
