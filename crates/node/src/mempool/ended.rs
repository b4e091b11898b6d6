//! Bundles that do not wait any more: laid aside while L1 may take back why, over when it cannot.

use std::sync::Arc;

use nthroot_api::{Bundle, IntentId, IntentStatus, Refusal};
use tracing::{debug, error};

use super::{
    Mempool,
    entry::{self, Ended, Row, State},
};
use crate::store::{Change, Table};

impl Mempool {
    /// What waits, or was on L1, does not happen as far as L1 shows now.
    pub(super) fn drop(&mut self, id: IntentId, reason: Refusal, changes: &mut Vec<Change>) {
        debug!(%id, %reason, "dropped");
        self.dequeue(id);
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let is_new = entry.dropped.as_ref() != Some(&reason);
        entry.dropped = Some(reason);
        if is_new {
            changes.extend(self.row(id));
        }
        if self.entries.get(&id).is_some_and(|entry| entry.state != State::Dropped) {
            self.lay_aside(id);
        }
        self.forget_oldest(changes);
    }

    /// Marks an entry as dropped, of which from now on only the store has the bundle.
    pub(super) fn lay_aside(&mut self, id: IntentId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.state = State::Dropped;
        entry.bundle = None;
        self.dropped.insert(self.next_end, id);
        self.next_end += 1;
    }

    /// What became of a bundle can change no more. That is kept, the bundle is not.
    pub(super) fn finish(&mut self, id: IntentId, status: IntentStatus, changes: &mut Vec<Change>) {
        self.dequeue(id);
        let Some(entry) = self.entries.get_mut(&id) else { return };
        for mark in &entry.marks {
            self.marks.remove(&(*mark, id));
        }
        let order = self.next_end;
        self.next_end += 1;
        *entry = entry::Entry::over(status.clone());
        self.over.push_back(id);
        changes.extend(Ended { order, status }.changes(id));
        self.forget_oldest(changes);
    }

    /// Forgets a bundle that is over or laid aside, since it comes again.
    pub(super) fn forget(&mut self, id: IntentId) {
        let Some(entry) = self.entries.remove(&id) else { return };
        for mark in entry.marks {
            self.marks.remove(&(mark, id));
        }
        // All that is remembered is gone through only for what comes a second time.
        self.over.retain(|over| *over != id);
        self.dropped.retain(|_, dropped| *dropped != id);
    }

    fn forget_oldest(&mut self, changes: &mut Vec<Change>) {
        let most = self.limits.remembered;
        let mut oldest = Vec::new();
        while self.over.len() > most {
            oldest.extend(self.over.pop_front());
        }
        while self.dropped.len() > most {
            oldest.extend(self.dropped.pop_first().map(|(_, id)| id));
        }
        for id in oldest {
            if let Some(entry) = self.entries.remove(&id) {
                for mark in entry.marks {
                    self.marks.remove(&(mark, id));
                }
            }
            changes.extend([Table::Intents, Table::Ended].map(|table| entry::deleted(table, id)));
        }
    }

    /// An entry as it is kept.
    pub(super) fn row(&self, id: IntentId) -> Option<Change> {
        let entry = self.entries.get(&id)?;
        let bundle = entry.bundle.clone().or_else(|| self.kept(id))?;
        let row = Row {
            number: entry.number,
            replaced: entry.replaced,
            bundle: &*bundle,
            found: entry.found,
            torn: entry.torn,
            dropped: entry.dropped.clone(),
        };
        Some(row.change(id))
    }

    /// A bundle, from the store.
    pub(super) fn kept(&self, id: IntentId) -> Option<Arc<Bundle>> {
        let kept = self.store.get(Table::Intents, id.as_slice());
        let row = kept.inspect_err(|error| error!(%error, %id, "an intent cannot be read"));
        let row = Row::decode(&row.ok()??)?;
        Some(Arc::new(row.bundle))
    }
}
