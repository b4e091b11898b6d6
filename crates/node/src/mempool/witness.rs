//! Where bundles are on L1, whoever carried them. A batch's steps are looked at while they are known: in a view as long as L1 may
//! take the batch back, and at the latest when a follower is about to forget them.

use std::collections::BTreeSet;

use alloy::primitives::B256;
use nthroot_api::IntentId;
use nthroot_model::ledger::{Judgement, Ledger};
use nthroot_protocol::{BatchId, Body};
use tracing::debug;

use super::{
    Mempool,
    entry::{Found, State, mark},
    seen,
};

/// A bundle that a step carried out.
pub(super) struct Sighting {
    pub(super) id: IntentId,
    pub(super) found: Found,
    /// Whether all of its intents were: else it was torn apart.
    pub(super) whole: bool,
}

impl Mempool {
    /// Sees a batch of a block that L1 has finalised, before its steps are forgotten. Bundles in it are found when there is a view.
    pub fn witness(&mut self, ledger: &Ledger, batch: BatchId) {
        self.witnessed = self.witnessed.max(batch);
        let mut changes = Vec::new();
        for Sighting { id, found, whole } in self.sightings(ledger, batch) {
            let Some(entry) = self.entries.get_mut(&id) else {
                continue;
            };
            let seen = if whole { &mut entry.found } else { &mut entry.torn };
            if seen.replace(found) == Some(found) && matches!(entry.state, State::Included { .. } | State::Dropped) {
                continue;
            }
            debug!(%id, %batch, step = found.step, whole, "found");
            if whole {
                self.found.push((id, found));
            }
            changes.extend(self.row(id));
        }
        self.unkept.extend(changes);
    }

    /// Keeps what was [seen](Self::witness) over a restart. Returns whether that worked: until it does nobody may rely on not having
    /// to derive those blocks again.
    pub fn keep_witnessed(&mut self) -> bool {
        self.keep_at_last(Vec::new())
    }

    /// The bundles that steps of a batch carried out, in whole or in part.
    pub(super) fn sightings(&self, ledger: &Ledger, batch: BatchId) -> Vec<Sighting> {
        let mut sightings = Vec::new();
        if self.marks.is_empty() {
            return sightings;
        }
        let steps = ledger.steps(batch).unwrap_or_default();
        let identity = seen::identity(ledger, batch).unwrap_or_default();
        for (step, (placed, judgement)) in (0..).zip(steps) {
            let Some(placed) = placed.filter(|_| *judgement == Judgement::Valid) else {
                continue;
            };
            let Ok(body) = Body::of(&placed.step) else { continue };
            let signed = body.calls.iter().flat_map(|call| &call.authorisations);
            let marks: BTreeSet<B256> = signed.map(|authorisation| mark(&authorisation.signature)).collect();
            let of_mark = |mark: &B256| {
                self.marks
                    .range((*mark, IntentId::ZERO)..=(*mark, IntentId::repeat_byte(0xff)))
            };
            let ids: BTreeSet<IntentId> = marks.iter().flat_map(of_mark).map(|(_, id)| *id).collect();
            for id in ids {
                let entry = self.entries.get(&id);
                sightings.push(Sighting {
                    id,
                    found: Found { batch, identity, step },
                    whole: entry.is_some_and(|entry| entry.marks.iter().all(|mark| marks.contains(mark))),
                });
            }
        }
        sightings
    }
}
