//! The state of an anchor: its fragments and their tree (section 3).

use std::sync::Arc;

use alloy_primitives::B256;
use imbl::OrdMap;
use nthroot_protocol::{AnchorProof, Cohort, Fragment, LeafTable, Root, Step, cohort, limits::MAX_DEPTH};

use crate::kernel::Outcome;

/// What stands under an anchor. Leaf 0 always exists. A clone shares the further leaves, so that a step copies those that it
/// works on, however many there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnchorState {
    tree: Cohort,
    header: Fragment,
    /// The further leaves that exist.
    leaves: OrdMap<u32, Arc<Fragment>>,
}

impl AnchorState {
    /// A cohort of this depth, of which only the header exists.
    pub fn new(depth: u8, header: Fragment) -> Self {
        let mut tree = Cohort::new(depth);
        tree.set(0, header.leaf_value());
        Self {
            tree,
            header,
            leaves: OrdMap::new(),
        }
    }

    /// A cohort of this depth with these further leaves. None if it has no room for one of them, or there is no such cohort.
    pub(crate) fn with_leaves(depth: u8, header: Fragment, leaves: OrdMap<u32, Arc<Fragment>>) -> Option<Self> {
        (depth <= MAX_DEPTH && !leaves.contains_key(&0)).then_some(())?;
        let further = leaves.iter().map(|(leaf, fragment)| (*leaf, fragment.leaf_value()));
        let values: Vec<(u32, B256)> = std::iter::once((0, header.leaf_value())).chain(further).collect();
        let tree = Cohort::of(depth, &values)?;
        Some(Self { tree, header, leaves })
    }

    /// The further leaves that exist.
    pub(crate) const fn further(&self) -> &OrdMap<u32, Arc<Fragment>> {
        &self.leaves
    }

    /// Depth of the cohort.
    pub const fn depth(&self) -> u8 {
        self.tree.depth()
    }

    /// The root of the anchor.
    pub fn root(&self) -> Root {
        self.tree.root()
    }

    /// The fragment at leaf 0.
    pub const fn header(&self) -> &Fragment {
        &self.header
    }

    /// The fragment at a leaf, if it exists.
    pub fn fragment(&self, leaf: u32) -> Option<&Fragment> {
        if leaf == 0 {
            Some(&self.header)
        } else {
            self.leaves.get(&leaf).map(Arc::as_ref)
        }
    }

    /// The fragments that exist, by leaf.
    pub fn fragments(&self) -> impl Iterator<Item = (u32, &Fragment)> {
        let further = self.leaves.iter().map(|(leaf, fragment)| (*leaf, fragment.as_ref()));
        std::iter::once((0, &self.header)).chain(further)
    }

    /// The last leaf that exists.
    pub fn last_leaf(&self) -> u32 {
        self.leaves.keys().next_back().copied().unwrap_or_default()
    }

    /// Whether the cohort is deep enough for this leaf.
    pub const fn has_leaf(&self, leaf: u32) -> bool {
        cohort::has_leaf(self.depth(), leaf)
    }

    /// Puts a fragment at a leaf. Returns whether the cohort is deep enough for it; if not, nothing has changed.
    pub fn set(&mut self, leaf: u32, fragment: Fragment) -> bool {
        if !self.tree.set(leaf, fragment.leaf_value()) {
            return false;
        }
        if leaf == 0 {
            self.header = fragment;
        } else {
            self.leaves.insert(leaf, Arc::new(fragment));
        }
        true
    }

    /// The state with other fragments at leaf 0 and these further leaves.
    fn with(&self, further: &[u32], fragments: &mut impl Iterator<Item = Fragment>) -> Self {
        if self.depth() == 0 {
            return fragments
                .next()
                .map_or_else(|| self.clone(), |header| Self::new(0, header));
        }
        let mut state = self.clone();
        let leaves = std::iter::once(0).chain(further.iter().copied());
        for (leaf, fragment) in leaves.zip(fragments) {
            state.set(leaf, fragment);
        }
        state
    }

    /// Takes a further leaf away. Returns whether it existed; if not, nothing has changed.
    pub(crate) fn remove(&mut self, leaf: u32) -> bool {
        self.leaves.remove(&leaf).is_some() && self.tree.set(leaf, B256::ZERO)
    }

    /// The siblings on the way from a leaf to the top.
    pub fn path(&self, leaf: u32) -> Vec<B256> {
        self.tree.siblings([leaf])
    }

    /// What evidence says of it, given the further leaves that a step names.
    pub fn prove(&self, further: &[u32]) -> AnchorProof {
        let leaves = AnchorProof::leaves(self.depth(), further);
        let state = |leaf| self.fragment(leaf).map(Fragment::encode).unwrap_or_default();
        AnchorProof {
            depth: self.depth(),
            states: leaves.clone().map(state).collect(),
            siblings: self.tree.siblings(leaves),
        }
    }
}

/// What evidence says of the anchors that a step touches. `before` are those of its fresh, then its repeated touches.
pub fn prove<'a>(step: &Step, before: impl IntoIterator<Item = &'a AnchorState>) -> Vec<AnchorProof> {
    let table = LeafTable::of(step);
    let prove = |(place, state): (usize, &AnchorState)| state.prove(table.further(place));
    before.into_iter().enumerate().map(prove).collect()
}

/// The anchors after a valid step, in the order fresh, opened, again. `before` are those of its fresh, then its repeated
/// touches.
pub fn advance(step: &Step, table: &LeafTable, before: &[&AnchorState], outcome: Outcome) -> Vec<AnchorState> {
    let mut fragments = outcome.states.into_iter();
    let mut after = Vec::with_capacity(step.touches());
    for (place, state) in before.iter().enumerate() {
        if place == step.fresh.len() {
            after.extend(opened(&outcome.depths, &mut fragments));
        }
        after.push(state.with(table.further(place), &mut fragments));
    }
    // If there are repeated touches, the opened ones stand before them and are taken already.
    after.extend(opened(&outcome.depths, &mut fragments));
    after
}

fn opened(depths: &[u8], fragments: &mut impl Iterator<Item = Fragment>) -> Vec<AnchorState> {
    let header = depths.iter().zip(fragments);
    header.map(|(depth, header)| AnchorState::new(*depth, header)).collect()
}
