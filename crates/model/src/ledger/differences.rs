//! What differs between two ledgers, at the cost of what differs if both come from a common clone.

use imbl::{OrdMap, ordmap::DiffItem};
use nthroot_protocol::{BatchId, Fragment, FragmentId};

use super::Ledger;
use crate::anchor::AnchorState;

/// Hears of a fragment, what it was, and what it is.
type Hear<'a> = &'a mut dyn FnMut(FragmentId, Option<&Fragment>, Option<&Fragment>);

impl Ledger {
    /// Hands every fragment that is known in one of the ledgers and is not the same in the other to `each`: what it was in `old`,
    /// and what it is here.
    pub fn fragments_since(&self, old: &Self, each: Hear<'_>) {
        for item in old.anchors.diff(&self.anchors) {
            let (id, before, after) = match item {
                DiffItem::Add(id, anchor) => (*id, None, anchor.state.known()),
                DiffItem::Remove(id, anchor) => (*id, anchor.state.known(), None),
                DiffItem::Update { old, new } => (*new.0, old.1.state.known(), new.1.state.known()),
            };
            let mut differ = |leaf, before: Option<&Fragment>, after: Option<&Fragment>| {
                if let Some(id) = id.leaf(leaf).filter(|_| before != after) {
                    each(id, before, after);
                }
            };
            differ(0, before.map(AnchorState::header), after.map(AnchorState::header));
            let nothing = OrdMap::new();
            let further = |state: Option<&'_ AnchorState>| state.map(|state| state.further().clone());
            let (before, after) = (further(before), further(after));
            let (before, after) = (before.as_ref().unwrap_or(&nothing), after.as_ref().unwrap_or(&nothing));
            for item in before.diff(after) {
                match item {
                    DiffItem::Add(leaf, fragment) => differ(*leaf, None, Some(fragment)),
                    DiffItem::Remove(leaf, fragment) => differ(*leaf, Some(fragment), None),
                    DiffItem::Update { old, new } => differ(*new.0, Some(old.1), Some(new.1)),
                }
            }
        }
    }

    /// The batches whose words or claims are not the same in both ledgers, or of which one of them keeps more.
    pub fn batches_since(&self, old: &Self) -> Vec<BatchId> {
        let records = old.batches.diff(&self.batches).map(|item| id_of(&item));
        let accepted = old.accepted.diff(&self.accepted).map(|item| id_of(&item));
        let mut ids: Vec<BatchId> = records.chain(accepted).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

const fn id_of<V>(item: &DiffItem<'_, '_, BatchId, V>) -> BatchId {
    match item {
        DiffItem::Add(id, _) | DiffItem::Update { new: (id, _), .. } | DiffItem::Remove(id, _) => **id,
    }
}
