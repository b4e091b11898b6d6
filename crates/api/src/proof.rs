//! Believing a node only as far as L1 says the same.

use alloy_primitives::{B256, keccak256};
use nthroot_protocol::{Fragment, FragmentError, Head, Root, cohort, storage::anchor_slot};

use crate::types::FragmentProof;

/// Why a proof does not show its fragment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// L1 has another head: the proof is of another block, or the node lies. Ask both again at the same block.
    #[error("the proof is for head {found:?}, L1 has {expected:?}")]
    Head {
        /// What L1 has.
        expected: Head,
        /// What the proof names.
        found: Head,
    },
    /// The cohort has no such leaf, or the path has not as many siblings as the cohort is deep.
    #[error("{siblings} siblings do not lead from leaf {leaf} to the top of a cohort of depth {depth}")]
    Path {
        /// The leaf.
        leaf: u32,
        /// Depth of the cohort.
        depth: u8,
        /// How many there are.
        siblings: usize,
    },
    /// State and path lead to another root.
    #[error("state and siblings lead to root {found}, the head has {expected}")]
    Root {
        /// That of the head.
        expected: Root,
        /// Where they lead.
        found: Root,
    },
    /// The state is none.
    #[error("the state: {0}")]
    State(#[from] FragmentError),
}

impl FragmentProof {
    /// Where the bridge keeps the head of the fragment's anchor: the slot to ask L1 for.
    pub fn slot(&self) -> B256 {
        anchor_slot(self.id.anchor())
    }

    /// The fragment, if the proof leads from its state to `head`. That must be L1's: what stands at [`Self::slot`] in the
    /// bridge's storage, read with [`Head::from_word`], from an L1 node that is trusted or with a proof of its own. Then
    /// nothing of the node that made the proof needs to be believed, save that what wrote the head is no lie, which shows
    /// when it is final.
    ///
    /// # Errors
    ///
    /// As [`ProofError`] says; then nothing is shown.
    pub fn verify(&self, head: Head) -> Result<Fragment, ProofError> {
        if self.head != head {
            return Err(ProofError::Head {
                expected: head,
                found: self.head,
            });
        }
        let top = cohort::top(self.depth, &[(self.id.leaf(), keccak256(&self.state))], &self.siblings);
        let top = top.ok_or(ProofError::Path {
            leaf: self.id.leaf(),
            depth: self.depth,
            siblings: self.siblings.len(),
        })?;
        let found = cohort::root(self.depth, top);
        if found != head.root {
            return Err(ProofError::Root {
                expected: head.root,
                found,
            });
        }
        // Only canonical states hash to what a leaf is; the first byte tells them from nodes.
        Ok(Fragment::decode(&self.state)?)
    }
}
