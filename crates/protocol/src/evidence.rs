//! Evidence: what a challenger sends (section 7).

use alloy_primitives::B256;

use crate::{
    AnchorId, BatchError, BatchHeader, BatchId, Head, PlacedStep, PreEntry, Preimage, Root, Step, Trailing, Truncated,
    codec::{Reader, count_u16},
    commitment::step_commitment,
    tree,
};

/// Why bytes are not evidence, or do not open what they claim to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// The bytes end too early.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// The bytes go on.
    #[error(transparent)]
    Trailing(#[from] Trailing),
    /// The batch has no such step.
    #[error("step {index} of {count}")]
    StepIndex {
        /// The step named.
        index: u16,
        /// How many there are.
        count: u16,
    },
    /// What stands for the step has not the shape of one.
    #[error(transparent)]
    Step(#[from] BatchError),
    /// The step or a pre-state is not the one committed to.
    #[error("the step does not open the step root {0}")]
    Opening(B256),
}

/// Evidence against one step. Everything in it is fixed by the batch word and the choice of the step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What the batch word commits to.
    pub preimage: Preimage,
    /// The step and the ids of its anchors.
    pub placed: PlacedStep,
    /// Siblings in the step tree.
    pub siblings: Vec<B256>,
    /// Encoded pre-state of each fresh, then of each repeated touch.
    pub pre_states: Vec<Vec<u8>>,
}

impl Evidence {
    /// The encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.preimage.encode();
        out.extend(self.placed.index.to_be_bytes());
        for sibling in &self.siblings {
            out.extend(sibling);
        }
        out.extend(self.placed.step.encode());
        for anchor in self.placed.opened.iter().chain(&self.placed.again) {
            out.extend(anchor.to_bytes());
        }
        for state in &self.pre_states {
            out.extend(count_u16(state.len()).to_be_bytes());
            out.extend(state);
        }
        out
    }

    /// The evidence that `bytes` encode. Whether it opens anything is another question: see [`Self::check_opening`].
    ///
    /// # Errors
    ///
    /// If the bytes have not the layout of section 7.
    pub fn decode(bytes: &[u8]) -> Result<Self, EvidenceError> {
        let mut reader = Reader::new(bytes);
        let preimage = Preimage::read(&mut reader)?;
        let index = reader.u16()?;
        let count = preimage.header.step_count;
        let siblings =
            tree::sibling_count(count.into(), index.into()).ok_or(EvidenceError::StepIndex { index, count })?;
        let siblings = (0..siblings).map(|_| reader.b256()).collect::<Result<_, _>>()?;

        let step = Step::read(&mut reader, index)?;
        let opened = step
            .opened
            .iter()
            .map(|_| reader.array().map(AnchorId::from_bytes))
            .collect::<Result<_, _>>()?;
        let again = step
            .again
            .iter()
            .map(|_| reader.array().map(AnchorId::from_bytes))
            .collect::<Result<_, _>>()?;
        let mut pre_states = Vec::new();
        for _ in 0..step.fresh.len() + step.again.len() {
            let length = reader.u16()?;
            pre_states.push(reader.take(length.into())?.to_vec());
        }
        reader.finish()?;
        Ok(Self {
            preimage,
            placed: PlacedStep {
                index,
                step,
                opened,
                again,
            },
            siblings,
            pre_states,
        })
    }

    /// Length of the encoding.
    pub fn encoded_length(&self) -> usize {
        let pre_states = self.pre_states.iter().map(Vec::len);
        Self::length(
            self.preimage.header.rules.len(),
            self.siblings.len(),
            &self.placed.step,
            pre_states,
        )
    }

    /// Length of the evidence against a step, from the sizes that the commitments fix.
    pub fn length(rules: usize, siblings: usize, step: &Step, pre_states: impl Iterator<Item = usize>) -> usize {
        Preimage::BASE_LENGTH
            + BatchHeader::BASE_LENGTH
            + 20 * rules
            + 2
            + 32 * siblings
            + step.encoded_length()
            + AnchorId::LENGTH * (step.opened.len() + step.again.len())
            + pre_states.map(|length| 2 + length).sum::<usize>()
    }

    /// The pre-entries that the evidence claims: a fresh touch's head carries its parent id, a repeated one's the batch's own,
    /// and there is none before an opening.
    pub fn pre_entries(&self) -> Vec<PreEntry> {
        let PlacedStep {
            step, opened, again, ..
        } = &self.placed;
        let mut roots = self.pre_states.iter().map(|state| Root::of(state));
        let mut head = |id: BatchId| roots.next().map(|root| Head { root, id });
        let mut entries = Vec::with_capacity(step.touches());
        entries.extend(step.fresh.iter().map(|touch| PreEntry {
            anchor: touch.anchor,
            head: head(touch.parent),
        }));
        entries.extend(opened.iter().map(|anchor| PreEntry {
            anchor: *anchor,
            head: None,
        }));
        entries.extend(again.iter().map(|anchor| PreEntry {
            anchor: *anchor,
            head: head(self.preimage.id),
        }));
        entries
    }

    /// Whether the step and its pre-states are those that the preimage commits to.
    ///
    /// # Errors
    ///
    /// If they are not. Such evidence says nothing about the batch.
    pub fn check_opening(&self) -> Result<(), EvidenceError> {
        let leaf = step_commitment(&self.pre_entries(), &self.placed.step.encode());
        let (count, index) = (self.preimage.header.step_count, self.placed.index);
        if tree::verify(
            self.preimage.step_root,
            leaf,
            count.into(),
            index.into(),
            &self.siblings,
        ) {
            Ok(())
        } else {
            Err(EvidenceError::Opening(self.preimage.step_root))
        }
    }
}
