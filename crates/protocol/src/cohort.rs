//! The binary tree of a cohort (section 3) and its multiproofs (section 7).

use std::collections::BTreeMap;

use alloy_primitives::{B256, keccak256};
use serde::{Deserialize, Serialize};

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
    Cohort::new(depth).siblings(leaves).len()
}

/// The tree of a cohort. Only values that are not zero take room, and a change hashes one path: depth 24 costs no more than
/// the leaves that are there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cohort {
    depth: u8,
    /// The values that are not zero, by level (0: leaves) and index.
    values: BTreeMap<(u8, u32), B256>,
}

impl Cohort {
    /// The tree of this depth without any leaf.
    pub const fn new(depth: u8) -> Self {
        Self {
            depth,
            values: BTreeMap::new(),
        }
    }

    /// Its depth.
    pub const fn depth(&self) -> u8 {
        self.depth
    }

    /// The value of a leaf: zero if it was never set, or is not of the tree.
    pub fn leaf(&self, leaf: u32) -> B256 {
        self.value(0, leaf)
    }

    /// Sets the value of a leaf. Returns whether the tree has the leaf; if not, nothing has changed.
    pub fn set(&mut self, leaf: u32, value: B256) -> bool {
        if !has_leaf(self.depth, leaf) {
            return false;
        }
        self.put(0, leaf, value);
        let mut index = leaf;
        for level in 0..self.depth {
            let parent = node(self.value(level, index & !1), self.value(level, index | 1));
            index >>= 1;
            self.put(level + 1, index, parent);
        }
        true
    }

    /// The tree's top.
    pub fn top(&self) -> B256 {
        self.value(self.depth, 0)
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
            self.collect(self.depth, &leaves, &mut siblings);
        }
        siblings
    }

    /// Appends what a subtree of this height that contains these leaves takes.
    fn collect(&self, height: u8, leaves: &[u32], siblings: &mut Vec<B256>) {
        let Some(below) = height.checked_sub(1) else { return };
        let (left, right) = halves(height, leaves, |leaf| *leaf);
        for half in [left, right] {
            if !half.is_empty() {
                self.collect(below, half, siblings);
            }
        }
        if left.is_empty() || right.is_empty() {
            siblings.push(self.value(below, leaves[0].checked_shr(below.into()).unwrap_or(0) ^ 1));
        }
    }

    fn value(&self, level: u8, index: u32) -> B256 {
        self.values.get(&(level, index)).copied().unwrap_or_default()
    }

    fn put(&mut self, level: u8, index: u32, value: B256) {
        if value.is_zero() {
            self.values.remove(&(level, index));
        } else {
            self.values.insert((level, index), value);
        }
    }
}
