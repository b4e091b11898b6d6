//! A ledger from its rows. Every row is checked against what it is a preimage of: heads, words, roots.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::{B256, Bytes, keccak256};
use imbl::OrdMap;
use nthroot_protocol::{
    AnchorId, AssignedClaim, BatchId, BatchWord, Fragment, GlobalWord, Head, PreEntry, Status,
    commitment::withdrawal_root, limits::MAX_SEQUENCE,
};

use super::{
    Accepted, Anchor, Change, Ledger, Record, RowError, State,
    fields::{Before, Behind, Fields},
    rows::{Key, VERSION},
};
use crate::{anchor::AnchorState, bond::Bond, kernel::Env, params::Params};

impl Ledger {
    /// The ledger with these rows, which are in the order of their keys: those of [`Self::rows_since`], all changes applied.
    /// What steps were found to be follows from the rows, but for lies and what was not judged: they are judged again.
    ///
    /// # Errors
    ///
    /// If they are not the rows of a ledger. That those of the steps which count as valid are, nothing here can tell.
    pub fn from_rows<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        params: Params,
        env: Env,
        rows: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, RowError> {
        let mut load = Load {
            ledger: Self::new(params, env),
            version: None,
            anchors: Vec::new(),
            leaves: BTreeMap::new(),
            changes: Vec::new(),
        };
        let mut last: Option<K> = None;
        for (key, value) in rows {
            let bytes = key.as_ref();
            if last.as_ref().is_some_and(|last| last.as_ref() >= bytes) {
                return Err(RowError::Order(Bytes::copy_from_slice(bytes)));
            }
            let decoded = Key::decode(bytes).ok_or_else(|| RowError::Key(Bytes::copy_from_slice(bytes)))?;
            load.row(decoded, &mut Fields(value.as_ref()))?;
            last = Some(key);
        }
        load.finish()
    }
}

fn wrong(key: Key, what: &'static str) -> RowError {
    RowError::Value {
        key: key.encode().into(),
        what,
    }
}

/// Rows that were read, as far as they go without others.
struct Load {
    ledger: Ledger,
    version: Option<u8>,
    /// Each with the part of its row behind the head.
    anchors: Vec<(AnchorId, Head, Behind)>,
    leaves: BTreeMap<AnchorId, Leaves>,
    changes: Vec<(BatchId, Vec<Before>)>,
}

type Leaves = OrdMap<u32, Arc<Fragment>>;

impl Load {
    fn row(&mut self, key: Key, value: &mut Fields<'_>) -> Result<(), RowError> {
        let malformed = || wrong(key, "the value is malformed");
        match key {
            Key::Chain => {
                let version = value.u8().ok_or_else(malformed)?;
                if version != VERSION {
                    return Err(RowError::Version(version));
                }
                self.version = Some(version);
            }
            _ if self.version.is_none() => return Err(RowError::Missing),
            _ => {}
        }
        match key {
            Key::Accepted(id) => {
                let accepted = self.accepted(key, id, value)?;
                self.ledger.enter(id, accepted);
                return Ok(());
            }
            Key::Changes(id) => {
                let entries = self.ledger.accepted.get(&id).map(|accepted| &accepted.entries);
                let entries = entries.ok_or_else(|| wrong(key, "the batch was pruned"))?;
                let changes = value.changes(entries).ok_or_else(malformed)?;
                self.changes.push((id, changes));
                return Ok(());
            }
            _ => {}
        }
        self.simple(key, value).and_then(|()| value.end()).ok_or_else(malformed)
    }

    /// A row that can be read without others.
    fn simple(&mut self, key: Key, value: &mut Fields<'_>) -> Option<()> {
        let ledger = &mut self.ledger;
        match key {
            Key::Chain => {
                ledger.block = value.u64()?;
                ledger.global = GlobalWord::unpack(value.u256()?);
            }
            Key::Hash(block) => drop(ledger.hashes.insert(block, B256::from(value.array()?))),
            Key::Rule(rule) => drop(ledger.rules.insert(rule, value.u64()?)),
            Key::Bond(proposer) => {
                let bond = Bond {
                    balance: value.u64()?,
                    locked: value.u64()?,
                    locked_before: value.u64()?,
                    epoch: value.u64()?,
                };
                ledger.bonds.insert(proposer, bond);
            }
            Key::Held(token) => drop(ledger.held.insert(token, value.u256()?)),
            Key::Anchor(anchor) => {
                let head = Head::from_word(B256::from(value.array()?))?;
                let behind = value.behind()?;
                self.anchors.push((anchor, head, behind));
            }
            Key::Leaf(fragment) => {
                let state = Fragment::decode(std::mem::take(&mut value.0)).ok()?;
                let leaves = self.leaves.entry(fragment.anchor()).or_default();
                leaves.insert(fragment.leaf(), Arc::new(state));
            }
            Key::Slot(proposer, slot) => drop(ledger.slots.insert((proposer, slot), value.batch()?)),
            Key::Batch(id) => {
                let mut record = Record {
                    word: BatchWord::unpack(value.u256()?)?,
                    paid: value.u256()?,
                    assigned: BTreeMap::new(),
                };
                while value.end().is_none() {
                    let position = value.u8()?;
                    let claim = AssignedClaim::unpack(B256::from(value.array()?))?;
                    let last = record.assigned.last_key_value();
                    last.is_none_or(|(last, _)| *last < position).then_some(())?;
                    record.assigned.insert(position, claim);
                }
                ledger.batches.insert(id, record);
            }
            Key::Accepted(_) | Key::Changes(_) => return None,
        }
        Some(())
    }

    fn accepted(&self, key: Key, id: BatchId, value: &mut Fields<'_>) -> Result<Accepted, RowError> {
        let record = self
            .ledger
            .batches
            .get(&id)
            .ok_or_else(|| wrong(key, "there is no such batch"))?;
        let malformed = || wrong(key, "the value is malformed");
        let (preimage, withdrawals, entries) = value.batch_parts().ok_or_else(malformed)?;
        let opens = preimage.id == id && record.word.opens_to(&preimage);
        if !opens
            || withdrawal_root(&withdrawals) != preimage.withdrawal_root
            || keccak256(PreEntry::encode_list(&entries)) != preimage.entries_hash
        {
            return Err(wrong(key, "it does not open the batch's word"));
        }
        let env = &self.ledger.env;
        let steps = (0..preimage.header.step_count).map(|index| value.step(env, &preimage, index));
        let steps = steps.collect::<Option<_>>().ok_or_else(malformed)?;
        value.end().ok_or_else(malformed)?;
        Ok(Accepted {
            preimage,
            withdrawals,
            entries,
            steps,
            commitments: Vec::new(),
        })
    }

    fn finish(mut self) -> Result<Ledger, RowError> {
        self.version.ok_or(RowError::Missing)?;
        for ((proposer, slot), id) in &self.ledger.slots {
            if !self.ledger.batches.contains_key(id) {
                return Err(wrong(Key::Slot(*proposer, *slot), "there is no such batch"));
            }
        }
        let mut last_known = self.anchors()?;
        if let Some((anchor, leaf)) = self
            .leaves
            .iter()
            .find_map(|(anchor, leaves)| Some((anchor, leaves.get_min()?.0)))
        {
            let key = anchor.leaf(leaf).map_or(Key::Anchor(*anchor), Key::Leaf);
            return Err(wrong(key, "nothing is known of its anchor"));
        }
        self.changes(&mut last_known)?;
        if let Some((anchor, _)) = last_known.first_key_value() {
            return Err(wrong(
                Key::Anchor(*anchor),
                "it was never in the state that it says was known",
            ));
        }
        let Self { mut ledger, .. } = self;
        let offset = ledger.params.offset(ledger.block);
        ledger.forgotten = BatchId::new(offset, MAX_SEQUENCE).unwrap_or_default();
        let unwound = |id: &&BatchId| ledger.status(**id) == Some(Status::Unwound);
        ledger.unwound = ledger.accepted.keys().filter(unwound).copied().collect();
        Ok(ledger)
    }

    /// Enters the anchors. Returns the last states of those whose present ones are not known.
    fn anchors(&mut self) -> Result<BTreeMap<AnchorId, Arc<AnchorState>>, RowError> {
        let mut last_known = BTreeMap::new();
        for (id, head, behind) in std::mem::take(&mut self.anchors) {
            let key = Key::Anchor(id);
            let mut state = State::Unknown;
            if let Behind::State {
                is_present,
                depth,
                header,
            } = behind
            {
                let leaves = self.leaves.remove(&id).unwrap_or_default();
                let known = AnchorState::with_leaves(depth, header, leaves);
                let known = Arc::new(known.ok_or_else(|| wrong(key, "there is no such cohort"))?);
                if !is_present {
                    last_known.insert(id, known);
                } else if known.root() == head.root {
                    state = State::Known(known);
                } else {
                    return Err(wrong(key, "the state has another root"));
                }
            }
            self.ledger.anchors.insert(id, Anchor { head, state });
        }
        Ok(last_known)
    }

    /// Goes back from the present states to those before each batch, the newest first.
    fn changes(&mut self, last_known: &mut BTreeMap<AnchorId, Arc<AnchorState>>) -> Result<(), RowError> {
        // The anchors as they were before the batches gone through so far.
        let mut chain: BTreeMap<AnchorId, Option<Anchor>> = BTreeMap::new();
        while let Some((id, befores)) = self.changes.pop() {
            let key = Key::Changes(id);
            let entries = self
                .ledger
                .accepted
                .get(&id)
                .map_or(&[][..], |accepted| &accepted.entries);
            let mut befores = befores.into_iter();
            let mut changes = Vec::with_capacity(entries.len());
            for entry in entries {
                let present = || self.ledger.anchors.get(&entry.anchor).cloned();
                let anchor = chain.entry(entry.anchor).or_insert_with(present);
                let after = anchor.take().filter(|anchor| anchor.head.id == id);
                let after = after.ok_or_else(|| wrong(key, "an anchor has another head"))?.state;
                let before = match (entry.head, entry.head.and_then(|_| befores.next())) {
                    (Some(head), Some(before)) => {
                        // Where the state after is not known, the last one that is known is the one before, or an earlier one.
                        let state = match after.known_arc() {
                            Some(next) => before.state(&next, head),
                            None if matches!(before, Before::Unknown) => Some(State::Unknown),
                            None => {
                                let known = last_known.remove(&entry.anchor).filter(|known| before.is(known));
                                known.filter(|known| known.root() == head.root).map(State::Known)
                            }
                        };
                        let state = state.ok_or_else(|| wrong(key, "it does not lead to the state before"))?;
                        *anchor = Some(Anchor {
                            head,
                            state: state.clone(),
                        });
                        Some(state)
                    }
                    _ => None,
                };
                changes.push(Change { before, after });
            }
            self.ledger.changes.insert(id, Arc::new(changes));
        }
        Ok(())
    }
}

impl Before {
    /// Whether it is this state, of which nothing differs.
    fn is(&self, state: &AnchorState) -> bool {
        matches!(self, Self::Known { header, leaves } if leaves.is_empty() && header == state.header())
    }

    /// The state, from the one after.
    fn state(self, next: &Arc<AnchorState>, head: Head) -> Option<State> {
        if self.is(next) {
            return (next.root() == head.root).then(|| State::Known(Arc::clone(next)));
        }
        let Self::Known { header, leaves } = self else {
            return None;
        };
        let mut state = AnchorState::clone(next);
        state.set(0, header);
        for (leaf, fragment) in leaves {
            (fragment.as_ref() != next.fragment(leaf)).then_some(())?;
            let has_leaf = match fragment {
                Some(fragment) => state.set(leaf, fragment),
                None => state.remove(leaf),
            };
            has_leaf.then_some(())?;
        }
        (state.root() == head.root).then(|| State::Known(Arc::new(state)))
    }
}
