//! What stood behind the anchors that a step touches: as evidence says it, or as a follower knows it.

use nthroot_protocol::{AnchorProof, Fragment, FragmentError, ProofSizes, cohort};

use crate::anchor::AnchorState;

/// Leaves with their states, if they exist.
pub(crate) type Leaves = Vec<(u32, Option<Fragment>)>;

/// What an evaluation needs of an anchor before the step. `further` are the leaves that the step names beside leaf 0; of
/// these, those beyond the cohort count for nothing.
pub(crate) trait Behind {
    /// Depth of its cohort.
    fn depth(&self) -> u8;

    /// Sizes of its proof.
    fn sizes(&self, further: &[u32]) -> ProofSizes;

    /// Leaf 0 and the further leaves with their states, if they exist. An error has the place of what is not a state.
    fn leaves(&self, further: &[u32]) -> Result<Leaves, (usize, FragmentError)>;
}

impl Behind for AnchorProof {
    fn depth(&self) -> u8 {
        self.depth
    }

    fn sizes(&self, _: &[u32]) -> ProofSizes {
        ProofSizes::of(std::slice::from_ref(self))
    }

    fn leaves(&self, further: &[u32]) -> Result<Leaves, (usize, FragmentError)> {
        let states = self.states.iter().enumerate().map(|(place, state)| {
            let decode = || Fragment::decode(state).map_err(|error| (place, error));
            if state.is_empty() { Ok(None) } else { decode().map(Some) }
        });
        let states: Vec<Option<Fragment>> = states.collect::<Result<_, _>>()?;
        Ok(Self::leaves(self.depth, further).zip(states).collect())
    }
}

impl Behind for &AnchorState {
    fn depth(&self) -> u8 {
        AnchorState::depth(self)
    }

    fn sizes(&self, further: &[u32]) -> ProofSizes {
        let leaves = AnchorProof::leaves(self.depth(), further);
        let lengths = leaves
            .clone()
            .map(|leaf| self.fragment(leaf).map_or(0, Fragment::encoded_length));
        let (states, state_bytes) = lengths.fold((0, 0), |(states, bytes), length| (states + 1, bytes + length));
        ProofSizes {
            states,
            state_bytes,
            siblings: cohort::sibling_count(self.depth(), leaves),
        }
    }

    fn leaves(&self, further: &[u32]) -> Result<Leaves, (usize, FragmentError)> {
        let leaves = AnchorProof::leaves(self.depth(), further);
        // What is known was decoded, or left by a valid step: it is a state.
        Ok(leaves.map(|leaf| (leaf, self.fragment(leaf).cloned())).collect())
    }
}
