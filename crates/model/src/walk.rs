//! What a batch does to the anchors' heads (sections 4.3, 4.5 and 4.6): which of its steps are applied, and what it
//! commits to. A pure function of the steps, the heads before the batch, and four numbers.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use nthroot_protocol::{
    AnchorId, BatchId, FreshTouch, Head, PlacedStep, PreEntry, Root, Step, Withdrawal, commitment::step_commitment,
    tree,
};

/// What the walk needs to know beside the steps and the heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalkTerms {
    /// Id of the batch.
    pub id: BatchId,
    /// The clock, counted from the deployment.
    pub clock_offset: u64,
    /// The oldest unresolved fault.
    pub oldest_fault: Option<BatchId>,
}

/// Why a fresh touch is stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stale {
    /// The anchor was never opened, or its opening was unwound.
    #[error("the anchor has no head")]
    NoHead,
    /// Somebody else wrote the head.
    #[error("the head is of {head}, not of {parent}")]
    OtherParent {
        /// Who wrote the head.
        head: BatchId,
        /// The id that the touch names.
        parent: BatchId,
    },
    /// The head was written after the clock, so that a step at the clock cannot know it.
    #[error("the head of {0} is after the clock")]
    AfterClock(BatchId),
    /// The head may have to be taken back.
    #[error("the head of {head} is not older than the unresolved fault {fault}")]
    Fault {
        /// Who wrote the head.
        head: BatchId,
        /// The oldest unresolved fault.
        fault: BatchId,
    },
}

/// Why a step is skipped: the first reason, in the order of its touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Skip {
    /// A fresh touch is stale.
    #[error("the touch of {anchor} is stale: {reason}")]
    Stale {
        /// The anchor.
        anchor: AnchorId,
        /// Why.
        reason: Stale,
    },
    /// A repeated touch names an entry of a step that was skipped.
    #[error("entry {0} belongs to a skipped step")]
    Poisoned(u16),
}

/// A step that is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedStep {
    /// The step and the ids of its anchors.
    pub placed: PlacedStep,
    /// What it finds: a pre-entry for each touch, in the order fresh, opened, again.
    pub pre_entries: Vec<PreEntry>,
}

/// What becomes of a step.
pub type StepFate = Result<AppliedStep, Skip>;

/// What a batch does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    /// What becomes of each step.
    pub steps: Vec<StepFate>,
    /// The pre-entries of the anchors written, each at its first write.
    pub entries: Vec<PreEntry>,
    /// The withdrawals of the applied steps.
    pub withdrawals: Vec<Withdrawal>,
    /// The new heads of the anchors written.
    pub heads: BTreeMap<AnchorId, Head>,
    /// The step commitments, zero for skipped steps.
    pub commitments: Vec<B256>,
}

impl Walk {
    /// The tree over the step commitments.
    pub fn step_root(&self) -> B256 {
        tree::root(&self.commitments).unwrap_or_default()
    }

    /// Whether any step is applied.
    pub fn applies_any(&self) -> bool {
        self.steps.iter().any(Result::is_ok)
    }

    /// The skipped steps as the event `StepsSkipped` tells them (section 4.9): bit `i % 8` of byte `i / 8` for step i. Empty
    /// if there are none.
    pub fn skipped_bits(&self) -> Vec<u8> {
        if self.steps.iter().all(Result::is_ok) {
            return Vec::new();
        }
        let bits = |steps: &[StepFate]| {
            let bit = |(i, fate): (usize, &StepFate)| u8::from(fate.is_err()) << i;
            steps.iter().enumerate().map(bit).fold(0, |byte, bit| byte | bit)
        };
        self.steps.chunks(8).map(bits).collect()
    }
}

/// Whether a fresh touch of an anchor with this head is stale, and why.
///
/// # Errors
///
/// If it is stale.
pub fn check_fresh(head: Option<Head>, parent: BatchId, terms: &WalkTerms) -> Result<Head, Stale> {
    let head = head.ok_or(Stale::NoHead)?;
    if head.id != parent {
        return Err(Stale::OtherParent { head: head.id, parent });
    }
    if head.id.block_offset() > terms.clock_offset {
        return Err(Stale::AfterClock(head.id));
    }
    match terms.oldest_fault {
        Some(fault) if head.id >= fault => Err(Stale::Fault { head: head.id, fault }),
        _ => Ok(head),
    }
}

/// Takes the steps of a batch in order. `heads` are the heads before the batch.
///
/// The steps are those of a batch with the shapes of section 4. (A repeated touch of an entry that no earlier step has
/// taken, which no such batch contains, counts as poisoned.)
pub fn walk(terms: &WalkTerms, steps: Vec<Step>, heads: impl Fn(AnchorId) -> Option<Head>) -> Walk {
    let mut walker = Walker {
        terms,
        before: heads,
        entries: Vec::new(),
        walk: Walk {
            steps: Vec::new(),
            entries: Vec::new(),
            withdrawals: Vec::new(),
            heads: BTreeMap::new(),
            commitments: Vec::new(),
        },
    };
    for (index, step) in (0_u16..).zip(steps) {
        walker.take(index, step);
    }
    walker.walk
}

/// An entry number that a step has taken.
struct Entry {
    anchor: AnchorId,
    poisoned: bool,
}

struct Walker<'a, H> {
    terms: &'a WalkTerms,
    before: H,
    entries: Vec<Entry>,
    walk: Walk,
}

impl<H: Fn(AnchorId) -> Option<Head>> Walker<'_, H> {
    /// The head as the steps applied so far have left it.
    fn head(&self, anchor: AnchorId) -> Option<Head> {
        let written = self.walk.heads.get(&anchor).copied();
        written.or_else(|| (self.before)(anchor))
    }

    fn take(&mut self, index: u16, step: Step) {
        let first = self.entries.len();
        let fresh = step.fresh.iter().map(|touch| touch.anchor);
        // At most 512 entries, so each has a number.
        let number = |place: usize| u16::try_from(first + step.fresh.len() + place).unwrap_or(u16::MAX);
        let opened: Vec<AnchorId> = (0..step.opened.len())
            .map(|place| AnchorId::new(self.terms.id, number(place)))
            .collect();
        let taken = fresh.chain(opened.iter().copied());
        self.entries.extend(taken.map(|anchor| Entry {
            anchor,
            poisoned: false,
        }));

        let fate = match self.look(&step, &opened, first) {
            Ok((again, pre_entries)) => {
                let placed = PlacedStep {
                    index,
                    step,
                    opened,
                    again,
                };
                let applied = AppliedStep { placed, pre_entries };
                self.apply(&applied);
                Ok(applied)
            }
            Err(skip) => {
                self.skip(&step, first);
                Err(skip)
            }
        };
        self.walk.steps.push(fate);
    }

    /// Whether the step is applied, which anchors it touches again, and what it finds. Changes nothing.
    fn look(&self, step: &Step, opened: &[AnchorId], first: usize) -> Result<(Vec<AnchorId>, Vec<PreEntry>), Skip> {
        let mut pre_entries = Vec::with_capacity(step.touches());
        for (place, touch) in step.fresh.iter().enumerate() {
            let FreshTouch { anchor, parent, .. } = *touch;
            // An earlier touch of this very step would have left its head.
            let repeated = step.fresh[..place].iter().find(|earlier| earlier.anchor == anchor);
            let head = match repeated {
                Some(earlier) => Some(self.new_head(earlier.root)),
                None => self.head(anchor),
            };
            match check_fresh(head, parent, self.terms) {
                Ok(head) => pre_entries.push(PreEntry {
                    anchor,
                    head: Some(head),
                }),
                Err(reason) => return Err(Skip::Stale { anchor, reason }),
            }
        }
        pre_entries.extend(opened.iter().map(|anchor| PreEntry {
            anchor: *anchor,
            head: None,
        }));
        let mut again = Vec::with_capacity(step.again.len());
        for touch in &step.again {
            let earlier = self.entries[..first].get(usize::from(touch.entry));
            let Some(entry) = earlier.filter(|entry| !entry.poisoned) else {
                return Err(Skip::Poisoned(touch.entry));
            };
            again.push(entry.anchor);
            pre_entries.push(PreEntry {
                anchor: entry.anchor,
                head: self.head(entry.anchor),
            });
        }
        Ok((again, pre_entries))
    }

    const fn new_head(&self, root: Root) -> Head {
        Head {
            root,
            id: self.terms.id,
        }
    }

    fn apply(&mut self, applied: &AppliedStep) {
        let AppliedStep { placed, pre_entries } = applied;
        for (entry, root) in pre_entries.iter().zip(placed.step.roots()) {
            let head = self.new_head(root);
            if self.walk.heads.insert(entry.anchor, head).is_none() {
                self.walk.entries.push(*entry);
            }
        }
        self.walk.withdrawals.extend(&placed.step.withdrawals);
        let commitment = step_commitment(pre_entries, &placed.step.encode());
        self.walk.commitments.push(commitment);
    }

    fn skip(&mut self, step: &Step, first: usize) {
        for touch in &step.again {
            if let Some(entry) = self.entries.get_mut(usize::from(touch.entry)) {
                entry.poisoned = true;
            }
        }
        for entry in &mut self.entries[first..] {
            entry.poisoned = true;
        }
        self.walk.commitments.push(B256::ZERO);
    }
}
