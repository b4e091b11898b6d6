//! What becomes of bundles, as L1 shows it.

use alloy::primitives::B256;
use nthroot_api::{IntentId, IntentStatus, Refusal};
use nthroot_model::ledger::State as AnchorState;
use nthroot_protocol::{BatchId, FragmentId, Status};
use nthroot_wallet::States as _;
use tracing::debug;

use super::{
    Mempool,
    entry::{Entry, Found, State},
    seen,
    witness::Sighting,
};
use crate::{store::Change, view::View};

/// Blocks after which a bundle that cannot be carried out is looked at again, at most: it doubles each time.
const LONGEST_RETRY: u64 = 16;

impl Mempool {
    /// Takes up what L1 shows now: what is included, final, too late, or taken back by a reorganisation or with somebody's lie.
    pub fn on_view(&mut self, view: &View) {
        self.tip = view.tip.number;
        let doomed = self.included_in_doomed(view);
        let changed = self.heads.update(view);
        let gone = changed.from.map(|from| self.included.split_off(&from));
        let mut changes = Vec::new();
        for id in gone.unwrap_or_default().into_values().flatten().chain(doomed) {
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.found = None;
                self.lay_aside(id);
            }
        }
        for (id, found) in std::mem::take(&mut self.found) {
            if stands(view, &found) {
                self.include(id, found);
            }
        }
        for batch in changed.new {
            self.find(view, batch, &mut changes);
        }
        self.settle(view, &mut changes);
        self.drop_what_cannot_be(view, &mut changes);
        self.review_dropped(view, &mut changes);
        // What is over is found to be so again after a crash.
        self.keep_at_last(changes);
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

    /// Looks for bundles among the steps of a batch, whoever posted it.
    fn find(&mut self, view: &View, batch: BatchId, changes: &mut Vec<Change>) {
        let stands = view.ledger.status(batch) == Some(Status::Live);
        for Sighting { id, found, whole } in self.sightings(&view.ledger, batch) {
            debug!(%id, %batch, step = found.step, whole, stands, "on L1");
            match self.entries.get_mut(&id) {
                Some(entry) if !whole => entry.torn = Some(found),
                Some(_) if stands => self.include(id, found),
                _ => {}
            }
            changes.extend(self.row(id));
        }
    }

    fn include(&mut self, id: IntentId, found: Found) {
        self.dequeue(id);
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let (batch, step) = (found.batch, found.step);
        match std::mem::replace(&mut entry.state, State::Included { batch, step }) {
            State::Included { batch: before, .. } => {
                if let Some(others) = self.included.get_mut(&before) {
                    others.retain(|other| *other != id);
                }
            }
            State::Dropped => self.dropped.retain(|_, dropped| *dropped != id),
            State::Waiting | State::Posted(_) => {}
            over @ State::Over(_) => {
                entry.state = over;
                return;
            }
        }
        entry.found = Some(found);
        // What was overtaken or late was not, after all; what was replaced stays so if this is taken back.
        entry
            .dropped
            .take_if(|reason| !matches!(reason, Refusal::Replaced { .. }));
        self.included.entry(batch).or_default().push(id);
    }

    /// What is final of the bridge and of L1 is over; of what is final of L1 the bundle stays in the store only.
    fn settle(&mut self, view: &View, changes: &mut Vec<Change>) {
        while let Some(batch) = self.included.first_entry() {
            // At the tip it may be so in a block that goes again, and with it the end of the window.
            if !view.settled.is_final(*batch.key()) {
                break;
            }
            for id in batch.remove() {
                if let Some(State::Included { batch, step }) = self.entries.get(&id).map(|entry| entry.state.clone()) {
                    self.finish(id, IntentStatus::Final { batch, step }, changes);
                }
            }
        }
        for (batch, ids) in self.included.iter().rev() {
            if block_of(view, *batch) > view.finalised.number {
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
        let waiting = self.queue.values().filter_map(|id| Some((*id, self.entries.get(id)?)));
        let dropped = waiting.filter_map(|(id, entry)| Some((id, why_not(entry, view)?)));
        for (id, reason) in dropped.collect::<Vec<_>>() {
            self.drop(id, reason, changes);
        }
    }

    /// What does not happen is over when L1 can take back no more of why; and waits again when it has.
    fn review_dropped(&mut self, view: &View, changes: &mut Vec<Change>) {
        for id in self.dropped.values().copied().collect::<Vec<_>>() {
            let Some(entry) = self.entries.get(&id) else { continue };
            let reason = match &entry.dropped {
                Some(reason @ Refusal::Replaced { .. }) => Some(reason.clone()),
                Some(reason @ Refusal::CrowdedOut) => Some(why_not(entry, view).unwrap_or_else(|| reason.clone())),
                _ => why_not(entry, view),
            };
            let others = entry.places.iter().filter_map(|place| self.nonces.get(place).copied());
            // The user signed something else with its nonce meanwhile.
            match reason.or_else(|| others.max().map(|by| Refusal::Replaced { by })) {
                Some(reason) if is_settled(entry, view) => {
                    let status = IntentStatus::Dropped { reason, settled: true };
                    self.dropped.retain(|_, dropped| *dropped != id);
                    self.finish(id, status, changes);
                }
                Some(reason) => self.drop(id, reason, changes),
                None => self.wait_again(id, changes),
            }
        }
    }

    fn wait_again(&mut self, id: IntentId, changes: &mut Vec<Change>) {
        let Some(bundle) = self.kept(id) else { return };
        self.dropped.retain(|_, dropped| *dropped != id);
        if let Some(entry) = self.entries.get_mut(&id) {
            debug!(%id, "waits again");
            (entry.fails, entry.retry_at) = (0, 0);
            (entry.bundle, entry.dropped) = (Some(bundle), None);
        }
        changes.extend(self.row(id));
        self.enqueue(id);
    }
}

/// Whether what was found is on the chain that a view shows, and was not unwound.
fn stands(view: &View, found: &Found) -> bool {
    let now = seen::identity(&view.ledger, found.batch);
    // Of what is over in every respect nothing is left that could tell.
    let is_it = now.map_or(view.ledger.is_final(found.batch), |now| now == found.identity);
    is_it && view.ledger.status(found.batch) == Some(Status::Live)
}

/// Why what is not on L1 cannot come there, as it is now.
fn why_not(entry: &Entry, view: &View) -> Option<Refusal> {
    let was_used = matches!(entry.dropped, Some(Refusal::Overtaken | Refusal::Torn { .. }));
    let is_used = |(fragment, nonce): &(FragmentId, u64)| match view.ledger.fragment(*fragment) {
        Some(state) => *nonce < state.nonce,
        // Behind a lie nobody knows: it is as it was until that is taken back.
        None => was_used,
    };
    if entry.places.iter().any(is_used) {
        let torn = entry.torn.as_ref().filter(|found| stands(view, found));
        return Some(torn.map_or(Refusal::Overtaken, |found| Refusal::Torn {
            batch: found.batch,
            step: found.step,
        }));
    }
    let is_late = entry.is_expired(view.tip.number);
    let expired = || Refusal::Expired {
        fragment: entry.places.first().map(|(fragment, _)| *fragment).unwrap_or_default(),
        valid_until: entry.valid_until,
        least: view.tip.number,
    };
    // It says when it was found to be so.
    let before = entry
        .dropped
        .clone()
        .filter(|reason| matches!(reason, Refusal::Expired { .. }));
    is_late.then(|| before.unwrap_or_else(expired))
}

/// Whether what is not on L1 can never come there: it is too late in every block to come, or its nonce was used by what is final.
fn is_settled(entry: &Entry, view: &View) -> bool {
    let next = |fragment: FragmentId| {
        let (_, state) = view.settled.final_state(fragment.anchor())?;
        let state = AnchorState::known(state)?.fragment(fragment.leaf())?;
        Some(state.nonce)
    };
    let used = |(fragment, nonce): &(_, u64)| next(*fragment).is_some_and(|next| *nonce < next);
    entry.is_expired(view.finalised.number) || entry.places.iter().any(used)
}

/// The block of a batch.
pub(super) fn block_of(view: &View, batch: BatchId) -> u64 {
    view.deployment.deployment_block.saturating_add(batch.block_offset())
}
