//! What should be: a plain list of all deposits and batches, with what each found and what each wrote. Every question is
//! answered by going through the list.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use nthroot_protocol::{AnchorId, BatchId, Head, PlacedStep, PreEntry, Preimage, Status, Step, Withdrawal};

/// An anchor that a batch wrote, at its first write.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub(crate) anchor: AnchorId,
    pub(crate) before: Option<Head>,
}

/// A step as it was applied.
#[derive(Debug, Clone)]
pub(crate) struct Applied {
    pub(crate) placed: PlacedStep,
    pub(crate) pre_entries: Vec<PreEntry>,
    pub(crate) lie: bool,
}

/// What never changes of a batch.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) preimage: Preimage,
    pub(crate) block: u64,
    /// In gwei.
    pub(crate) lock: u64,
    pub(crate) writes: Vec<Write>,
    /// None where a step was skipped.
    pub(crate) steps: Vec<Option<Applied>>,
    pub(crate) withdrawals: Vec<Withdrawal>,
    /// The batches, not deposits, on whose heads it builds: their places in the list.
    pub(crate) parents: Vec<usize>,
}

impl Posted {
    pub(crate) const fn id(&self) -> BatchId {
        self.preimage.id
    }

    pub(crate) const fn slot(&self) -> u16 {
        self.preimage.header.slot
    }

    /// The applied steps that are lies.
    pub(crate) fn lies(&self) -> impl Iterator<Item = usize> + '_ {
        let lie = |step: &Option<Applied>| step.as_ref().is_some_and(|step| step.lie);
        (0..self.steps.len()).filter(move |index| lie(&self.steps[*index]))
    }
}

/// A batch and what has become of it.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub(crate) posted: Rc<Posted>,
    pub(crate) status: Status,
    /// A lie in it was proved.
    pub(crate) convicted: bool,
    /// It was seen to be final.
    pub(crate) was_final: bool,
    pub(crate) paid: BTreeSet<u8>,
    /// Its lock was seen past its time and without a fault that is older: the bond need not keep it any more.
    pub(crate) lock_over: bool,
}

/// What a step of a batch to be posted is.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) step: Step,
    pub(crate) lie: bool,
}

/// What a batch does to the heads.
#[derive(Debug, Default)]
pub(crate) struct Effect {
    pub(crate) steps: Vec<Option<Applied>>,
    pub(crate) writes: Vec<Write>,
    pub(crate) after: BTreeMap<AnchorId, Head>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Oracle {
    pub(crate) batches: Vec<Batch>,
    /// For each anchor who wrote it, oldest first; none for a deposit.
    pub(crate) anchors: BTreeMap<AnchorId, Vec<(Option<usize>, Head)>>,
    /// Unresolved faults, by place in the list, in the order of their convictions.
    pub(crate) faults: Vec<usize>,
    /// More faults were unresolved at once than the global word has fields, and since then never none.
    pub(crate) overflowed: bool,
}

const FIELDS: usize = 5;

impl Oracle {
    pub(crate) fn is_doomed(&self, batch: usize) -> bool {
        matches!(self.batches[batch].status, Status::Faulty | Status::Condemned)
    }

    /// The head that an anchor should have: the last one that was not taken back.
    pub(crate) fn head(&self, anchor: AnchorId) -> Option<Head> {
        let stands = |by: &Option<usize>| by.is_none_or(|by| self.batches[by].status != Status::Unwound);
        let written = self.anchors.get(&anchor)?;
        written.iter().rev().find(|(by, _)| stands(by)).map(|(_, head)| *head)
    }

    /// The oldest unresolved fault.
    pub(crate) fn oldest_fault(&self) -> Option<BatchId> {
        self.faults.iter().map(|fault| self.batches[*fault].posted.id()).min()
    }

    /// Sections 4.3 and 4.5, to the letter. `oldest` is the oldest unresolved fault as L1 knows it.
    pub(crate) fn walk(&self, id: BatchId, clock_offset: u64, oldest: Option<BatchId>, drafts: &[Draft]) -> Effect {
        let mut effect = Effect::default();
        let mut entries: Vec<(AnchorId, bool)> = Vec::new();
        for (index, draft) in (0..).zip(drafts) {
            let (step, first) = (&draft.step, entries.len());
            entries.extend(step.fresh.iter().map(|touch| (touch.anchor, false)));
            let next = u16::try_from(entries.len()).unwrap();
            let opened: Vec<AnchorId> = (next..)
                .zip(&step.opened)
                .map(|(entry, _)| AnchorId::new(id, entry))
                .collect();
            entries.extend(opened.iter().map(|anchor| (*anchor, false)));

            let mut heads = effect.after.clone();
            let mut found = Vec::new();
            let mut applies = true;
            for touch in &step.fresh {
                let head = heads.get(&touch.anchor).copied().or_else(|| self.head(touch.anchor));
                let fits = |head: &Head| {
                    head.id == touch.parent
                        && head.id.block_offset() <= clock_offset
                        && oldest.is_none_or(|oldest| head.id < oldest)
                };
                applies &= head.as_ref().is_some_and(fits);
                found.push((touch.anchor, head));
                heads.insert(touch.anchor, Head { root: touch.root, id });
            }
            for (anchor, root) in opened.iter().zip(&step.opened) {
                found.push((*anchor, None));
                heads.insert(*anchor, Head { root: *root, id });
            }
            let mut again = Vec::new();
            for touch in &step.again {
                let (anchor, poisoned) = entries[usize::from(touch.entry)];
                applies &= !poisoned;
                again.push(anchor);
                found.push((anchor, heads.get(&anchor).copied()));
                heads.insert(anchor, Head { root: touch.root, id });
            }
            if !applies {
                entries[first..].iter_mut().for_each(|entry| entry.1 = true);
                for touch in &step.again {
                    entries[usize::from(touch.entry)].1 = true;
                }
                effect.steps.push(None);
                continue;
            }
            for (anchor, before) in &found {
                if !effect.after.contains_key(anchor) {
                    effect.writes.push(Write {
                        anchor: *anchor,
                        before: *before,
                    });
                }
            }
            effect.after = heads;
            let step = step.clone();
            effect.steps.push(Some(Applied {
                placed: PlacedStep {
                    index,
                    step,
                    opened,
                    again,
                },
                pre_entries: found.iter().map(|(anchor, head)| pre_entry(*anchor, *head)).collect(),
                lie: draft.lie,
            }));
        }
        effect
    }

    /// Enters a batch that was accepted.
    pub(crate) fn post(&mut self, preimage: Preimage, block: u64, lock: u64, effect: Effect) {
        let place = self.batches.len();
        for (anchor, head) in effect.after {
            self.anchors.entry(anchor).or_default().push((Some(place), head));
        }
        let parents = effect.writes.iter().filter_map(|write| write.before);
        let parents = parents.filter_map(|head| self.place(head.id)).collect();
        let applied = effect.steps.iter().flatten();
        let withdrawals = applied.flat_map(|step| step.placed.step.withdrawals.clone()).collect();
        self.batches.push(Batch {
            posted: Rc::new(Posted {
                preimage,
                block,
                lock,
                writes: effect.writes,
                steps: effect.steps,
                withdrawals,
                parents,
            }),
            status: Status::Live,
            convicted: false,
            was_final: false,
            paid: BTreeSet::new(),
            lock_over: false,
        });
    }

    /// The place of a batch in the list; none for a deposit.
    pub(crate) fn place(&self, id: BatchId) -> Option<usize> {
        self.batches.binary_search_by_key(&id, |batch| batch.posted.id()).ok()
    }

    /// A lie was proved. `at_once`: it was unwound in the same transaction.
    pub(crate) fn convict(&mut self, place: usize, at_once: bool) {
        let batch = &mut self.batches[place];
        batch.convicted = true;
        if at_once {
            batch.status = Status::Unwound;
        } else {
            batch.status = Status::Faulty;
            self.faults.push(place);
            self.overflowed |= self.faults.len() > FIELDS;
        }
    }

    pub(crate) fn unwind(&mut self, place: usize) {
        self.batches[place].status = Status::Unwound;
        self.faults.retain(|fault| *fault != place);
        self.overflowed &= !self.faults.is_empty();
    }

    /// Whether the batch is the head of every anchor that it wrote.
    pub(crate) fn is_on_top(&self, place: usize) -> bool {
        let posted = &self.batches[place].posted;
        let own = |write: &Write| self.head(write.anchor).is_some_and(|head| head.id == posted.id());
        posted.writes.iter().all(own)
    }

    /// Live batches that build on a doomed one: child, entry, parent.
    pub(crate) fn condemnable(&self) -> Vec<(usize, usize, usize)> {
        let mut found = Vec::new();
        for (child, batch) in self.batches.iter().enumerate() {
            if batch.status != Status::Live {
                continue;
            }
            for (entry, write) in batch.posted.writes.iter().enumerate() {
                let parent = write.before.and_then(|head| self.place(head.id));
                found.extend(
                    parent
                        .filter(|parent| self.is_doomed(*parent))
                        .map(|parent| (child, entry, parent)),
                );
            }
        }
        found
    }

    /// Doomed batches that are the head of all they wrote.
    pub(crate) fn unwindable(&self) -> Vec<usize> {
        let places = 0..self.batches.len();
        places
            .filter(|place| self.is_doomed(*place) && self.is_on_top(*place))
            .collect()
    }

    /// The cone of some batches: they and all that descends from them and still stands. For each batch the length of the longest
    /// chain that leads to it, or zero if it is not in the cone.
    pub(crate) fn cone(&self, from: &[usize]) -> Vec<usize> {
        let mut depth = vec![0; self.batches.len()];
        for (place, batch) in self.batches.iter().enumerate() {
            if batch.status == Status::Unwound {
                continue;
            }
            let above = batch.posted.parents.iter().map(|parent| depth[*parent]).max();
            let above = above.unwrap_or_default();
            if above > 0 || from.contains(&place) {
                depth[place] = above + 1;
            }
        }
        depth
    }

    /// For each batch whether it or an ancestor is in `set`.
    pub(crate) fn descends(&self, set: impl Fn(&Batch) -> bool) -> Vec<bool> {
        let mut found: Vec<bool> = Vec::with_capacity(self.batches.len());
        for batch in &self.batches {
            let above = batch.posted.parents.iter().any(|parent| found[*parent]);
            found.push(above || set(batch));
        }
        found
    }
}

pub(crate) const fn pre_entry(anchor: AnchorId, head: Option<Head>) -> PreEntry {
    PreEntry { anchor, head }
}
