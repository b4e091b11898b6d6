//! The binary tree of a cohort (section 3) and its multiproofs (section 7).

use std::sync::Arc;

use alloy_primitives::{B256, keccak256};

use crate::Root;

/// First byte of what is hashed to a node.
const NODE_DOMAIN: u8 = 0x01;
/// First byte of what is hashed to the root of a cohort.
const COHORT_DOMAIN: u8 = 0x02;

/// The node over two values: zero if both are zero, else `keccak(0x01 ‖ left ‖ right)`.
pub fn node(left: B256, right: B256) -> B256 {
    if left.is_zero() && right.is_zero() {
        return B256::ZERO;
    }
    keccak256([&[NODE_DOMAIN], left.as_slice(), right.as_slice()].concat())
}

/// The root of an anchor: the first 27 bytes of `top` if the depth is 0, and of `keccak(0x02 ‖ u8 depth ‖ top)` otherwise.
pub fn root(depth: u8, top: B256) -> Root {
    if depth == 0 {
        return Root::truncate(top);
    }
    Root::truncate(keccak256([&[COHORT_DOMAIN, depth], top.as_slice()].concat()))
}

/// Whether a tree of this depth has the leaf.
pub const fn has_leaf(depth: u8, leaf: u32) -> bool {
    depth >= 32 || leaf >> depth == 0
}

/// Splits leaves of a subtree of this height, which is not 0, into those of its halves.
fn halves<T>(height: u8, leaves: &[T], index: impl Fn(&T) -> u32) -> (&[T], &[T]) {
    // Of no use above 24, but bytes may claim up to 255.
    let bit = |leaf: &T| index(leaf).checked_shr(u32::from(height) - 1).unwrap_or(0) & 1;
    leaves.split_at(leaves.partition_point(|leaf| bit(leaf) == 0))
}

/// The value of a subtree that contains these leaves, at least one.
fn fold(height: u8, leaves: &[(u32, B256)], siblings: &mut impl Iterator<Item = B256>) -> Option<B256> {
    let Some(below) = height.checked_sub(1) else {
        return Some(leaves.first()?.1);
    };
    Some(match halves(height, leaves, |(index, _)| *index) {
        (left, []) => {
            let value = fold(below, left, siblings)?;
            node(value, siblings.next()?)
        }
        ([], right) => {
            let value = fold(below, right, siblings)?;
            node(siblings.next()?, value)
        }
        (left, right) => {
            let value = fold(below, left, siblings)?;
            node(value, fold(below, right, siblings)?)
        }
    })
}

/// The top of a tree from some of its leaves' values and the siblings of their multiproof. None unless there is a leaf, the
/// leaves strictly increase and are of the tree, and the siblings are exactly as many as it takes.
pub fn top(depth: u8, leaves: &[(u32, B256)], siblings: &[B256]) -> Option<B256> {
    let increasing = leaves.windows(2).all(|pair| pair[0].0 < pair[1].0);
    if !increasing || !has_leaf(depth, leaves.last()?.0) {
        return None;
    }
    let mut siblings = siblings.iter().copied();
    let top = fold(depth, leaves, &mut siblings)?;
    siblings.next().is_none().then_some(top)
}

/// How many siblings the multiproof of these leaves takes. They strictly increase.
pub fn sibling_count(depth: u8, leaves: impl IntoIterator<Item = u32>) -> usize {
    // The only leaf of a tree of depth 0 has none.
    if depth == 0 {
        return 0;
    }
    Cohort::new(depth).siblings(leaves).len()
}

/// A subtree: its value, and its halves unless it is a leaf or empty. What two trees have in common they share.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Subtree {
    value: B256,
    halves: Option<Arc<[Self; 2]>>,
}

impl Subtree {
    /// A subtree of any height in which nothing was set.
    const EMPTY: Self = Self {
        value: B256::ZERO,
        halves: None,
    };

    /// The subtree of this height with these leaves, of which it contains all.
    fn of(height: u8, leaves: &[(u32, B256)]) -> Self {
        let Some((_, value)) = leaves.first().copied() else {
            return Self::EMPTY;
        };
        let Some(below) = height.checked_sub(1) else {
            return Self { value, halves: None };
        };
        let (left, right) = halves(height, leaves, |(index, _)| *index);
        let halves = [Self::of(below, left), Self::of(below, right)];
        let value = node(halves[0].value, halves[1].value);
        let halves = (!value.is_zero()).then(|| Arc::new(halves));
        Self { value, halves }
    }

    fn half(&self, right: bool) -> &Self {
        self.halves
            .as_ref()
            .map_or(&Self::EMPTY, |halves| &halves[usize::from(right)])
    }

    /// Sets a leaf of this subtree, which has this height.
    fn set(&mut self, height: u8, leaf: u32, value: B256) {
        let Some(below) = height.checked_sub(1) else {
            self.value = value;
            return;
        };
        let halves = self.halves.get_or_insert_with(|| Arc::new([Self::EMPTY; 2]));
        let halves = Arc::make_mut(halves);
        halves[usize::from(is_right(below, leaf))].set(below, leaf, value);
        self.value = node(halves[0].value, halves[1].value);
        // One tree has one form.
        if self.value.is_zero() {
            self.halves = None;
        }
    }
}

/// Whether a leaf is in the right half, where the halves have this height.
fn is_right(below: u8, leaf: u32) -> bool {
    leaf.checked_shr(below.into()).unwrap_or(0) & 1 == 1
}

/// The tree of a cohort. Only values that are not zero take room, a clone shares them all, and a change copies and hashes one
/// path: depth 24 costs no more than the leaves that are there, and a tree of depth 0 is its top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cohort {
    depth: u8,
    tree: Subtree,
}

impl Cohort {
    /// The tree of this depth without any leaf.
    pub const fn new(depth: u8) -> Self {
        Self {
            depth,
            tree: Subtree::EMPTY,
        }
    }

    /// The tree of this depth with the values of these leaves, built at once. None unless the leaves strictly increase and are
    /// of the tree.
    pub fn of(depth: u8, leaves: &[(u32, B256)]) -> Option<Self> {
        let increasing = leaves.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let has_all = leaves.last().is_none_or(|(last, _)| has_leaf(depth, *last));
        (increasing && has_all).then(|| Self {
            depth,
            tree: Subtree::of(depth, leaves),
        })
    }

    /// Its depth.
    pub const fn depth(&self) -> u8 {
        self.depth
    }

    /// The value of a leaf: zero if it was never set, or is not of the tree.
    pub fn leaf(&self, leaf: u32) -> B256 {
        if !has_leaf(self.depth, leaf) {
            return B256::ZERO;
        }
        let path = (0..self.depth).rev();
        path.fold(&self.tree, |tree, below| tree.half(is_right(below, leaf)))
            .value
    }

    /// Sets the value of a leaf. Returns whether the tree has the leaf; if not, nothing has changed.
    pub fn set(&mut self, leaf: u32, value: B256) -> bool {
        let has_leaf = has_leaf(self.depth, leaf);
        if has_leaf {
            self.tree.set(self.depth, leaf, value);
        }
        has_leaf
    }

    /// The tree's top.
    pub const fn top(&self) -> B256 {
        self.tree.value
    }

    /// The root of the anchor.
    pub fn root(&self) -> Root {
        root(self.depth, self.top())
    }

    /// The siblings in the multiproof of these leaves, which strictly increase.
    pub fn siblings(&self, leaves: impl IntoIterator<Item = u32>) -> Vec<B256> {
        let leaves: Vec<u32> = leaves.into_iter().collect();
        let mut siblings = Vec::new();
        if !leaves.is_empty() {
            collect(&self.tree, self.depth, &leaves, &mut siblings);
        }
        siblings
    }
}

/// Appends what a subtree of this height that contains these leaves takes.
fn collect(tree: &Subtree, height: u8, leaves: &[u32], siblings: &mut Vec<B256>) {
    let Some(below) = height.checked_sub(1) else { return };
    let (left, right) = halves(height, leaves, |leaf| *leaf);
    for (half, leaves) in [(tree.half(false), left), (tree.half(true), right)] {
        if !leaves.is_empty() {
            collect(half, below, leaves, siblings);
        }
    }
    if left.is_empty() || right.is_empty() {
        // The half without leaves.
        siblings.push(tree.half(right.is_empty()).value);
    }
}
