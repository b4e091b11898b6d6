//! Where to look for what belongs to whom: a ledger finds fragments by id only.

use alloy::primitives::Address;
use imbl::OrdSet;
use nthroot_model::{anchor::AnchorState, ledger::Ledger};
use nthroot_protocol::{BatchId, Fragment, FragmentId, Key};

/// A key as it sorts.
type KeyBytes = [u8; Key::LENGTH];

/// The fragments under each key and the withdrawals to each account, as one ledger has them. A clone shares them. Fragments whose
/// state nobody knows, behind a lie, are not in it, nor are withdrawals of batches that were unwound or of which all is over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    fragments: OrdSet<(KeyBytes, FragmentId)>,
    claims: OrdSet<(Address, BatchId, u8)>,
}

impl Index {
    /// The index of a ledger, by looking at all of it.
    pub fn of(ledger: &Ledger) -> Self {
        let mut index = Self::default();
        for (anchor, _, state) in ledger.anchors() {
            let fragments = state.known().into_iter().flat_map(AnchorState::fragments);
            for (leaf, fragment) in fragments {
                if let (Some(key), Some(id)) = (key_of(fragment), anchor.leaf(leaf)) {
                    index.fragments.insert((key.to_bytes(), id));
                }
            }
        }
        for id in ledger.batches() {
            index.claims.extend(claims_of(ledger, id));
        }
        index
    }

    /// Goes from the index of `before` to that of `after`.
    pub(crate) fn follow(&mut self, before: &Ledger, after: &Ledger) {
        after.fragments_since(before, &mut |id, old, new| {
            let (old, new) = (old.and_then(key_of), new.and_then(key_of));
            if old == new {
                return;
            }
            if let Some(key) = old {
                self.fragments.remove(&(key.to_bytes(), id));
            }
            if let Some(key) = new {
                self.fragments.insert((key.to_bytes(), id));
            }
        });
        for id in after.batches_since(before) {
            for claim in claims_of(before, id) {
                self.claims.remove(&claim);
            }
            self.claims.extend(claims_of(after, id));
        }
    }

    /// The fragments under a key, by id: those after `after`.
    pub fn fragments_of(&self, key: Key, after: Option<FragmentId>) -> impl Iterator<Item = FragmentId> + '_ {
        let key = key.to_bytes();
        let from = self.fragments.range((key, after.unwrap_or_default())..);
        let of_key = from.take_while(move |(of, _)| *of == key).map(|(_, id)| *id);
        of_key.filter(move |id| after.is_none_or(|after| *id > after))
    }

    /// The withdrawals that are paid to an account, oldest first: batch and position of each of those after `after`.
    pub fn claims_of(
        &self,
        recipient: Address,
        after: Option<(BatchId, u8)>,
    ) -> impl Iterator<Item = (BatchId, u8)> + '_ {
        let (batch, position) = after.unwrap_or_default();
        let from = self.claims.range((recipient, batch, position)..);
        let of_recipient = from.take_while(move |(to, _, _)| *to == recipient);
        let places = of_recipient.map(|(_, batch, position)| (*batch, *position));
        places.filter(move |place| after.is_none_or(|after| *place > after))
    }
}

/// The key that controls a fragment. None if a rule does.
fn key_of(fragment: &Fragment) -> Option<Key> {
    Key::new(fragment.kind.to_u8(), fragment.controller).ok()
}

fn claims_of(ledger: &Ledger, id: BatchId) -> Vec<(Address, BatchId, u8)> {
    let stands = ledger.status(id) != Some(nthroot_protocol::Status::Unwound);
    let claims = ledger.claims(id).ok().filter(|_| stands).unwrap_or_default();
    let place = |claim: nthroot_model::ledger::Claim| (claim.recipient, id, claim.position);
    claims.into_iter().map(place).collect()
}
