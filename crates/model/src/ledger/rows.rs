//! The ledger as rows of a table: what a follower writes down, so that it need not derive everything again.
//!
//! | first byte | rest of the key | value |
//! |---|---|---|
//! | 0 | | version (1) ‖ block (8) ‖ global word (32) |
//! | 1 | block (8) | its hash (32) |
//! | 2 | rule (20) | the block of its registration (8) |
//! | 3 | proposer (20) | balance, locks, locks before, epoch (8 each) |
//! | 4 | token (20) | what the bridge holds (32) |
//! | 5 | anchor id (7) | head (32) ‖ 0, or 1 if its state is known and 2 if an earlier one is, with depth (1) ‖ header |
//! | 6 | fragment id (10) | a further leaf of that state |
//! | 7 | proposer (20) ‖ slot (2) | batch id (5) |
//! | 8 | batch id (5) | word (32) ‖ paid (32) ‖ for each assigned claim position (1) ‖ its word (32) |
//! | 9 | batch id (5) | u16 length ‖ preimage, withdrawals, entries, and what each step is |
//! | 10 | batch id (5) | for each entry that was open before 0, or 1 and how the state before differs |
//!
//! A cohort may have a million leaves, so that states before a batch are kept as what differs from the state after it, and
//! where that is not known, from the last one that is.

use std::{collections::BTreeSet, sync::Arc};

use alloy_primitives::Address;
use imbl::{OrdMap, ordmap::DiffItem};
use nthroot_protocol::{AnchorId, BatchId, FragmentId, Head, PreEntry, Withdrawal};

use super::{Accepted, Anchor, Change, Judgement, Ledger, Record, State, Unjudged};
use crate::{
    anchor::AnchorState,
    bond::Bond,
    walk::{Skip, Stale},
};

/// Of the layout above.
pub(super) const VERSION: u8 = 1;

/// What a row is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Chain,
    Hash(u64),
    Rule(Address),
    Bond(Address),
    Held(Address),
    Anchor(AnchorId),
    Leaf(FragmentId),
    Slot(Address, u16),
    Batch(BatchId),
    Accepted(BatchId),
    Changes(BatchId),
}

impl Key {
    pub(super) fn encode(self) -> Vec<u8> {
        let key = |first: u8, rest: &[u8]| [&[first], rest].concat();
        match self {
            Self::Chain => key(0, &[]),
            Self::Hash(block) => key(1, &block.to_be_bytes()),
            Self::Rule(rule) => key(2, rule.as_slice()),
            Self::Bond(proposer) => key(3, proposer.as_slice()),
            Self::Held(token) => key(4, token.as_slice()),
            Self::Anchor(anchor) => key(5, &anchor.to_bytes()),
            Self::Leaf(fragment) => key(6, &fragment.to_bytes()),
            Self::Slot(proposer, slot) => key(7, &[proposer.as_slice(), &slot.to_be_bytes()].concat()),
            Self::Batch(id) => key(8, &id.to_bytes()),
            Self::Accepted(id) => key(9, &id.to_bytes()),
            Self::Changes(id) => key(10, &id.to_bytes()),
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (first, rest) = bytes.split_first()?;
        let address = || Some(Address::from(<[u8; 20]>::try_from(rest).ok()?));
        let batch = || Some(BatchId::from_bytes(rest.try_into().ok()?));
        Some(match first {
            0 => rest.is_empty().then_some(Self::Chain)?,
            1 => Self::Hash(u64::from_be_bytes(rest.try_into().ok()?)),
            2 => Self::Rule(address()?),
            3 => Self::Bond(address()?),
            4 => Self::Held(address()?),
            5 => Self::Anchor(AnchorId::from_bytes(rest.try_into().ok()?)),
            6 => Self::Leaf(FragmentId::from_bytes(rest.try_into().ok()?)),
            7 => {
                let (proposer, slot) = rest.split_first_chunk()?;
                Self::Slot(Address::from(proposer), u16::from_be_bytes(slot.try_into().ok()?))
            }
            8 => Self::Batch(batch()?),
            9 => Self::Accepted(batch()?),
            10 => Self::Changes(batch()?),
            _ => return None,
        })
    }
}

/// Rows that are written (a value) or deleted (none).
#[derive(Default)]
struct Rows(Vec<(Vec<u8>, Option<Vec<u8>>)>);

impl Rows {
    fn set(&mut self, key: Key, value: Option<Vec<u8>>) {
        self.0.push((key.encode(), value));
    }

    /// What differs between two maps, a row to an entry.
    fn diff<K: Ord + Copy, V: PartialEq>(
        &mut self,
        old: &OrdMap<K, V>,
        new: &OrdMap<K, V>,
        key: impl Fn(K) -> Key,
        value: impl Fn(&K, &V) -> Vec<u8>,
    ) {
        for item in old.diff(new) {
            match item {
                DiffItem::Add(k, v) | DiffItem::Update { new: (k, v), .. } => self.set(key(*k), Some(value(k, v))),
                DiffItem::Remove(k, _) => self.set(key(*k), None),
            }
        }
    }
}

impl Ledger {
    /// The rows that have changed since an earlier ledger, each with its value, or none if it is gone; all of them without an
    /// earlier one. That one may be of another fork: applied to its rows, the changes give the rows of this one. The cost is
    /// that of the changes, once both come from a common clone.
    ///
    /// Rows do not keep what evidence against valid steps is made of: a ledger [from rows](Self::from_rows) is as if
    /// [`Self::forget_valid_steps`] had been called up to its block. They do not keep twins and parameters either.
    pub fn rows_since(&self, old: Option<&Self>) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let nothing;
        let before = if let Some(old) = old {
            old
        } else {
            nothing = Self::new(self.params.clone(), self.env.clone());
            &nothing
        };
        let mut rows = Rows::default();
        let chain = |ledger: &Self| {
            [
                &[VERSION][..],
                &ledger.block.to_be_bytes(),
                &ledger.global.pack().to_be_bytes::<32>(),
            ]
            .concat()
        };
        if old.is_none_or(|old| chain(old) != chain(self)) {
            rows.set(Key::Chain, Some(chain(self)));
        }
        rows.diff(&before.hashes, &self.hashes, Key::Hash, |_, hash| hash.to_vec());
        rows.diff(&before.rules, &self.rules, Key::Rule, |_, block| {
            block.to_be_bytes().into()
        });
        rows.diff(&before.bonds, &self.bonds, Key::Bond, |_, bond| bond_value(bond));
        rows.diff(&before.held, &self.held, Key::Held, |_, held| held.to_be_bytes_vec());
        rows.diff(
            &before.slots,
            &self.slots,
            |(proposer, slot)| Key::Slot(proposer, slot),
            |_, id| id.to_bytes().into(),
        );
        rows.diff(&before.batches, &self.batches, Key::Batch, |_, record| {
            record_value(record)
        });
        rows.diff(&before.accepted, &self.accepted, Key::Accepted, |_, accepted| {
            accepted_value(accepted)
        });
        rows.diff(&before.changes, &self.changes, Key::Changes, |_, changes| {
            changes_value(changes)
        });
        for anchor in self.changed_anchors(before) {
            rows.anchor(anchor, before, self);
        }
        rows.0
    }

    /// The anchors whose rows may differ: those that differ, and where batches came or went, those that the batches wrote, of
    /// whose earlier states more or less is known then.
    fn changed_anchors(&self, before: &Self) -> BTreeSet<AnchorId> {
        let differ = before.anchors.diff(&self.anchors).map(|item| match item {
            DiffItem::Add(anchor, _) | DiffItem::Update { new: (anchor, _), .. } | DiffItem::Remove(anchor, _) => {
                *anchor
            }
        });
        let batches = before.changes.diff(&self.changes).flat_map(|item| {
            let (ledger, id) = match item {
                DiffItem::Add(id, _) | DiffItem::Update { new: (id, _), .. } => (self, id),
                DiffItem::Remove(id, _) => (before, id),
            };
            let entries = ledger.accepted.get(id).map_or(&[][..], |accepted| &accepted.entries);
            entries.iter().map(|entry| entry.anchor)
        });
        differ.chain(batches).collect()
    }

    /// The last state of an anchor that is known, if one is: its present one, or that before a lie.
    fn last_known(&self, anchor: AnchorId) -> Option<&Arc<AnchorState>> {
        let Anchor { head, state } = self.anchors.get(&anchor)?;
        let (mut id, mut state) = (head.id, state);
        loop {
            match state {
                State::Known(state) => return Some(state),
                State::Unknown => {
                    let entries = &self.accepted.get(&id)?.entries;
                    let place = entries.iter().position(|entry| entry.anchor == anchor)?;
                    state = self.changes.get(&id)?.get(place)?.before.as_ref()?;
                    id = entries[place].head?.id;
                }
            }
        }
    }
}

impl Rows {
    /// The rows of an anchor and of its further leaves.
    fn anchor(&mut self, id: AnchorId, before: &Ledger, now: &Ledger) {
        let row = |ledger: &Ledger| {
            Some(anchor_value(
                ledger.anchors.get(&id)?,
                ledger.last_known(id).map(Arc::as_ref),
            ))
        };
        let (old, new) = (row(before), row(now));
        if old != new {
            self.set(Key::Anchor(id), new);
        }
        let nothing = OrdMap::new();
        let leaves = |ledger: &'_ Ledger| ledger.last_known(id).map(|state| state.further().clone());
        let (old, new) = (leaves(before), leaves(now));
        let (old, new) = (old.as_ref().unwrap_or(&nothing), new.as_ref().unwrap_or(&nothing));
        for item in old.diff(new) {
            let (leaf, value) = match item {
                DiffItem::Add(leaf, fragment)
                | DiffItem::Update {
                    new: (leaf, fragment), ..
                } => (leaf, Some(fragment.encode())),
                DiffItem::Remove(leaf, _) => (leaf, None),
            };
            // A cohort has no deeper leaf.
            if let Some(fragment) = id.leaf(*leaf) {
                self.set(Key::Leaf(fragment), value);
            }
        }
    }
}

fn bond_value(bond: &Bond) -> Vec<u8> {
    let Bond {
        balance,
        locked,
        locked_before,
        epoch,
    } = *bond;
    [balance, locked, locked_before, epoch].map(u64::to_be_bytes).concat()
}

fn anchor_value(anchor: &Anchor, last_known: Option<&AnchorState>) -> Vec<u8> {
    let mut out = Head::to_word(Some(anchor.head)).to_vec();
    match (last_known, &anchor.state) {
        (None, _) => out.push(0),
        (Some(state), known) => {
            out.push(if matches!(known, State::Known(_)) { 1 } else { 2 });
            out.push(state.depth());
            out.extend(state.header().encode());
        }
    }
    out
}

fn record_value(record: &Record) -> Vec<u8> {
    let mut out = record.word.pack().to_be_bytes_vec();
    out.extend(record.paid.to_be_bytes::<32>());
    for (position, claim) in &record.assigned {
        out.push(*position);
        out.extend(claim.pack());
    }
    out
}

fn accepted_value(accepted: &Accepted) -> Vec<u8> {
    let mut out = Vec::new();
    write_bytes16(&accepted.preimage.encode(), &mut out);
    out.extend(accepted.withdrawals.iter().flat_map(Withdrawal::encode));
    out.extend(PreEntry::encode_list(&accepted.entries));
    for (step, index) in accepted.steps.iter().zip(0_u16..) {
        match &step.judgement {
            Judgement::Valid => out.push(0),
            Judgement::Skipped(skip) => {
                out.push(1);
                write_skip(*skip, &mut out);
            }
            Judgement::Unjudged(Unjudged::PreState(anchor)) => {
                out.push(2);
                out.extend(anchor.to_bytes());
            }
            Judgement::Lie(_) | Judgement::Unjudged(Unjudged::Undecided(_)) => {
                out.push(3);
                // There is, since every state before the step was known.
                let evidence = accepted
                    .evidence(index)
                    .map(|evidence| evidence.encode())
                    .unwrap_or_default();
                write_bytes32(&evidence, &mut out);
            }
        }
    }
    out
}

fn write_skip(skip: Skip, out: &mut Vec<u8>) {
    let (anchor, reason) = match skip {
        Skip::Poisoned(entry) => {
            out.push(0);
            return out.extend(entry.to_be_bytes());
        }
        Skip::Stale { anchor, reason } => (anchor, reason),
    };
    let (code, ids) = match reason {
        Stale::NoHead => (1, vec![]),
        Stale::OtherParent { head, parent } => (2, vec![head, parent]),
        Stale::AfterClock(head) => (3, vec![head]),
        Stale::Fault { head, fault } => (4, vec![head, fault]),
    };
    out.push(code);
    out.extend(anchor.to_bytes());
    out.extend(ids.into_iter().flat_map(BatchId::to_bytes));
}

fn changes_value(changes: &[Change]) -> Vec<u8> {
    let mut out = Vec::new();
    for Change { before, after } in changes {
        let before = match before {
            // Whether the anchor was open, the entry says.
            None => continue,
            Some(State::Unknown) => {
                out.push(0);
                continue;
            }
            Some(State::Known(before)) => before,
        };
        out.push(1);
        write_bytes16(&before.header().encode(), &mut out);
        // Where the state after is not known, the last one that is known is this one.
        let after = after.known().unwrap_or(before);
        let leaves: Vec<_> = after.further().diff(before.further()).collect();
        out.extend(u32::try_from(leaves.len()).unwrap_or(u32::MAX).to_be_bytes());
        for leaf in leaves {
            let (leaf, fragment) = match leaf {
                DiffItem::Add(leaf, fragment)
                | DiffItem::Update {
                    new: (leaf, fragment), ..
                } => (leaf, fragment.encode()),
                DiffItem::Remove(leaf, _) => (leaf, Vec::new()),
            };
            out.extend(leaf.to_be_bytes());
            write_bytes16(&fragment, &mut out);
        }
    }
    out
}

/// Bytes behind their length. Fragments and preimages are shorter than 2^16 bytes.
fn write_bytes16(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(bytes);
}

/// Bytes behind their length. Evidence is shorter than what L1 takes in a transaction.
fn write_bytes32(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(bytes);
}
