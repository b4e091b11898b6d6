//! What a batch is built of.

use alloy_primitives::{Address, B256};
use nthroot_protocol::{AnchorId, Body, ProofSizes, Step, Withdrawal};

use super::place::Places;
use crate::anchor::AnchorState;

/// Who posts a batch, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting {
    /// The proposer.
    pub proposer: Address,
    /// The block at which the batch is judged.
    pub clock: u64,
    /// Its hash.
    pub clock_hash: B256,
    /// The word slot.
    pub slot: u16,
    /// Most gas that a proof may need. Where it is not known beforehand, see [`BatchBuilder::set_ceiling`].
    pub ceiling: u32,
}

/// How a step names a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Name {
    /// Leaf 0 of an anchor that was open before the batch. The touch is fresh or repeated, as need be.
    Anchor(AnchorId),
    /// A leaf of such an anchor, whether it exists or is to be opened.
    Leaf(AnchorId, u32),
    /// Leaf 0 of an anchor that an earlier step of this batch touched or opened, by its entry number ([`BuiltStep::entries`]).
    Entry(u16),
    /// A leaf of such an anchor.
    EntryLeaf(u16, u32),
    /// Leaf 0 of an anchor that this step opens.
    New,
}

impl Name {
    /// The leaf that it names.
    pub const fn leaf(self) -> u32 {
        match self {
            Self::Leaf(_, leaf) | Self::EntryLeaf(_, leaf) => leaf,
            Self::Anchor(_) | Self::Entry(_) | Self::New => 0,
        }
    }
}

/// A step to be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepPlan {
    /// Its fragments, in any order. Anchors, and leaves of one cohort, are opened in the order of the wire: anchors in that in
    /// which they stand here, leaves by their numbers.
    pub fragments: Vec<Name>,
    /// Its body, whose calls name fragments by their places in that list. They are renumbered to the order of the wire, and
    /// its leaf table is replaced by one that fits them. Nothing that is signed changes by that.
    pub body: Body,
}

/// A step that was evaluated and can be added, with what it takes of the batch.
#[derive(Debug, Clone)]
pub struct ReadyStep {
    pub(super) places: Places,
    pub(super) step: Step,
    pub(super) body: Body,
    pub(super) proofs: ProofSizes,
    pub(super) after: Vec<AnchorState>,
    /// How many steps the batch had when it was evaluated.
    pub(super) index: usize,
    /// Its proof gas as the last step of the batch (section 7.1). Later steps may raise it slightly.
    pub proof_gas: u64,
}

impl ReadyStep {
    /// The step.
    pub const fn step(&self) -> &Step {
        &self.step
    }

    /// Whether it can only be the one step of its batch, for the gas that it commits to its rules (point 1 of section 6).
    pub fn goes_alone(&self) -> bool {
        self.body.rule_gas() > self.step.rule_gas_beside_others()
    }

    /// The entries that it takes.
    pub fn entries(&self) -> usize {
        self.step.fresh.len() + self.step.opened.len()
    }
}

/// A step that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltStep {
    /// Its index.
    pub index: u16,
    /// The entry number of each fragment's anchor, in the order of the plan.
    pub entries: Vec<u16>,
    /// What it withdraws.
    pub withdrawals: Vec<Withdrawal>,
}
