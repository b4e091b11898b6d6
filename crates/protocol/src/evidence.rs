//! Evidence: what a challenger sends (section 7).

use alloy_primitives::{B256, keccak256};

use crate::{
    AnchorId, BatchError, BatchHeader, BatchId, Head, LeafTable, PlacedStep, PreEntry, Preimage, Root, Step, Trailing,
    Truncated,
    codec::{Reader, count_u16},
    cohort,
    commitment::step_commitment,
    fragment::LEAF_DOMAIN,
    limits::MAX_DEPTH,
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
    /// No cohort is so deep.
    #[error("depth {0}, at most 24 is allowed")]
    Depth(u8),
    /// What is given as a pre-state begins otherwise than a state: its hash could be a cohort's.
    #[error("a pre-state begins with {0:#04x}, not with 0x00")]
    NotAPreState(u8),
    /// The step, or what stood before it, is not the one committed to.
    #[error("the step does not open the step root {0}")]
    Opening(B256),
}

/// What stood behind the head of a fresh or repeated touch, as far as the step names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnchorProof {
    /// Depth of the cohort.
    pub depth: u8,
    /// Encoded pre-states of leaf 0 and of each further leaf of the leaf table below 2^depth. Empty if there is none.
    pub states: Vec<Vec<u8>>,
    /// The siblings of their multiproof.
    pub siblings: Vec<B256>,
}

impl AnchorProof {
    /// The proof of an anchor of depth 0 with this state.
    pub fn single(state: Vec<u8>) -> Self {
        Self {
            depth: 0,
            states: vec![state],
            siblings: Vec::new(),
        }
    }

    /// The leaves that a proof has states of, given the further leaves of the leaf table: leaf 0, and those below 2^depth.
    pub fn leaves(depth: u8, further: &[u32]) -> impl Iterator<Item = u32> + Clone + '_ {
        let below = further
            .iter()
            .copied()
            .filter(move |leaf| cohort::has_leaf(depth, *leaf));
        std::iter::once(0).chain(below)
    }

    /// The root that follows, if the leaves of these states have these values. None if states and siblings are not exactly
    /// as many as it takes.
    pub fn root_of(&self, further: &[u32], values: &[B256]) -> Option<Root> {
        let leaves: Vec<u32> = Self::leaves(self.depth, further).collect();
        if leaves.len() != values.len() {
            return None;
        }
        let leaves: Vec<(u32, B256)> = leaves.into_iter().zip(values.iter().copied()).collect();
        Some(cohort::root(
            self.depth,
            cohort::top(self.depth, &leaves, &self.siblings)?,
        ))
    }

    /// The root before the step.
    pub fn root(&self, further: &[u32]) -> Option<Root> {
        let value = |state: &Vec<u8>| if state.is_empty() { B256::ZERO } else { keccak256(state) };
        let values: Vec<B256> = self.states.iter().map(value).collect();
        self.root_of(further, &values)
    }
}

/// Sizes of what a step's proofs of anchors hold, all together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProofSizes {
    /// How many pre-states.
    pub states: usize,
    /// Their bytes.
    pub state_bytes: usize,
    /// How many siblings.
    pub siblings: usize,
}

impl ProofSizes {
    /// The sizes of these proofs.
    pub fn of(proofs: &[AnchorProof]) -> Self {
        proofs.iter().fold(Self::default(), |sizes, proof| Self {
            states: sizes.states + proof.states.len(),
            state_bytes: sizes.state_bytes + proof.states.iter().map(Vec::len).sum::<usize>(),
            siblings: sizes.siblings + proof.siblings.len(),
        })
    }
}

impl std::ops::Add for ProofSizes {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            states: self.states + other.states,
            state_bytes: self.state_bytes + other.state_bytes,
            siblings: self.siblings + other.siblings,
        }
    }
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
    /// What stood behind each fresh, then each repeated touch.
    pub proofs: Vec<AnchorProof>,
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
        for proof in &self.proofs {
            out.push(proof.depth);
            for state in &proof.states {
                out.extend(count_u16(state.len()).to_be_bytes());
                out.extend(state);
            }
        }
        for sibling in self.proofs.iter().flat_map(|proof| &proof.siblings) {
            out.extend(sibling);
        }
        out
    }

    /// The evidence that `bytes` encode. Whether it opens anything is another question: see [`Self::check_opening`].
    ///
    /// # Errors
    ///
    /// If the bytes have not the layout of section 7.
    pub fn decode(bytes: &[u8]) -> Result<Self, EvidenceError> {
        Self::read(&mut Reader::new(bytes))
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, EvidenceError> {
        let preimage = reader.section("commitment preimage", Preimage::read)?;
        let index = reader.u16("step index")?;
        let count = preimage.header.step_count;
        let siblings =
            tree::sibling_count(count.into(), index.into()).ok_or(EvidenceError::StepIndex { index, count })?;
        let siblings = (0..siblings)
            .map(|_| reader.b256("sibling in the step tree"))
            .collect::<Result<_, _>>()?;

        let step = reader.numbered("step", index.into(), |reader| Step::read(reader, index))?;
        let opened = step
            .opened
            .iter()
            .map(|_| reader.anchor("opened anchor"))
            .collect::<Result<_, _>>()?;
        let again = step
            .again
            .iter()
            .map(|_| reader.anchor("repeated anchor"))
            .collect::<Result<_, _>>()?;
        let table = LeafTable::of(&step);
        let mut proofs = Vec::new();
        for place in 0..step.fresh.len() + step.again.len() {
            let depth = reader.u8("depth")?;
            if depth > MAX_DEPTH {
                return Err(EvidenceError::Depth(depth));
            }
            let state = |_| {
                let length = reader.u16("state length")?;
                let state = reader.take("pre-state", length.into())?;
                match state.first() {
                    None | Some(&LEAF_DOMAIN) => Ok(state.to_vec()),
                    Some(first) => Err(EvidenceError::NotAPreState(*first)),
                }
            };
            let states = AnchorProof::leaves(depth, table.further(place)).map(state);
            proofs.push(AnchorProof {
                depth,
                states: states.collect::<Result<_, _>>()?,
                siblings: Vec::new(),
            });
        }
        for (place, proof) in proofs.iter_mut().enumerate() {
            let leaves = AnchorProof::leaves(proof.depth, table.further(place));
            let siblings =
                (0..cohort::sibling_count(proof.depth, leaves)).map(|_| reader.b256("sibling in the anchor's tree"));
            proof.siblings = siblings.collect::<Result<_, _>>()?;
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
            proofs,
        })
    }

    /// Length of the encoding.
    pub fn encoded_length(&self) -> usize {
        Self::length(
            self.preimage.header.rules.len(),
            self.siblings.len(),
            &self.placed.step,
            ProofSizes::of(&self.proofs),
        )
    }

    /// Length of the evidence against a step, from the sizes that the commitments fix.
    pub fn length(rules: usize, siblings: usize, step: &Step, proofs: ProofSizes) -> usize {
        Preimage::BASE_LENGTH
            + BatchHeader::BASE_LENGTH
            + 20 * rules
            + 2
            + 32 * siblings
            + step.encoded_length()
            + AnchorId::LENGTH * (step.opened.len() + step.again.len())
            + (step.fresh.len() + step.again.len())
            + 2 * proofs.states
            + proofs.state_bytes
            + 32 * proofs.siblings
    }

    /// The pre-entries that the evidence claims: a fresh touch's head carries its parent id, a repeated one's the batch's own,
    /// and there is none before an opening. None if a proof is not one of its anchor's leaves.
    pub fn pre_entries(&self) -> Option<Vec<PreEntry>> {
        let PlacedStep {
            step, opened, again, ..
        } = &self.placed;
        let table = LeafTable::of(step);
        let root = |(place, proof): (usize, &AnchorProof)| proof.root(table.further(place));
        let roots: Vec<Root> = self.proofs.iter().enumerate().map(root).collect::<Option<_>>()?;
        if roots.len() != step.fresh.len() + step.again.len() {
            return None;
        }
        let mut roots = roots.into_iter();
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
        Some(entries)
    }

    /// Whether the step, and what stood before it, are what the preimage commits to.
    ///
    /// # Errors
    ///
    /// If they are not. Such evidence says nothing about the batch.
    pub fn check_opening(&self) -> Result<(), EvidenceError> {
        let root = self.preimage.step_root;
        let entries = self.pre_entries().ok_or(EvidenceError::Opening(root))?;
        let leaf = step_commitment(&entries, &self.placed.step.encode());
        let (count, index) = (self.preimage.header.step_count, self.placed.index);
        if tree::verify(root, leaf, count.into(), index.into(), &self.siblings) {
            Ok(())
        } else {
            Err(EvidenceError::Opening(root))
        }
    }
}
