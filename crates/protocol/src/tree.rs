//! The 8-ary commitment tree (section 4.6).
//!
//! While there is more than one value, each run of eight consecutive values (the last run may be shorter) is replaced by
//! the keccak of their concatenation. The shape is a function of the number of values, and that number is committed to.

use alloy_primitives::{B256, keccak256};

/// Values under one node.
pub const ARITY: usize = 8;

fn hash(run: &[B256]) -> B256 {
    keccak256(run.concat())
}

/// The root over `leaves`, or none if there are no leaves.
pub fn root(leaves: &[B256]) -> Option<B256> {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        level = level.chunks(ARITY).map(hash).collect();
    }
    level.first().copied()
}

/// The siblings that open leaf `index`, bottom-up, at each level those of its run in order without itself. None if there
/// is no such leaf.
pub fn siblings(leaves: &[B256], index: usize) -> Option<Vec<B256>> {
    leaves.get(index)?;
    let (mut level, mut index) = (leaves.to_vec(), index);
    let mut siblings = Vec::new();
    while level.len() > 1 {
        let run = level.chunks(ARITY).nth(index / ARITY)?;
        siblings.extend(
            run.iter()
                .enumerate()
                .filter(|(place, _)| *place != index % ARITY)
                .map(|(_, value)| *value),
        );
        level = level.chunks(ARITY).map(hash).collect();
        index /= ARITY;
    }
    Some(siblings)
}

/// The siblings of every leaf, as [`siblings`] has them, at the price of hashing the tree once.
pub fn openings(leaves: &[B256]) -> Vec<Vec<B256>> {
    let mut openings = vec![Vec::new(); leaves.len()];
    let (mut level, mut width) = (leaves.to_vec(), 1);
    while level.len() > 1 {
        for (index, opening) in openings.iter_mut().enumerate() {
            let place = index / width;
            let run = level.chunks(ARITY).nth(place / ARITY).unwrap_or_default();
            let others = run.iter().enumerate().filter(|(other, _)| *other != place % ARITY);
            opening.extend(others.map(|(_, value)| *value));
        }
        level = level.chunks(ARITY).map(hash).collect();
        width *= ARITY;
    }
    openings
}

/// How many siblings open leaf `index` of `count`, or none if there is no such leaf.
pub fn sibling_count(count: usize, index: usize) -> Option<usize> {
    if index >= count {
        return None;
    }
    let (mut count, mut index, mut siblings) = (count, index, 0);
    while count > 1 {
        siblings += run_length(count, index) - 1;
        count = count.div_ceil(ARITY);
        index /= ARITY;
    }
    Some(siblings)
}

/// The root that follows from leaf `index` of `count` and its siblings. None if there is no such leaf, or if the number of
/// siblings is not exactly the right one.
pub fn root_from(leaf: B256, count: usize, index: usize, siblings: &[B256]) -> Option<B256> {
    if sibling_count(count, index)? != siblings.len() {
        return None;
    }
    let (mut value, mut count, mut index, mut rest) = (leaf, count, index, siblings);
    while count > 1 {
        let (own, others) = rest.split_at_checked(run_length(count, index) - 1)?;
        let mut run = own.to_vec();
        run.insert(index % ARITY, value);
        value = hash(&run);
        rest = others;
        count = count.div_ceil(ARITY);
        index /= ARITY;
    }
    Some(value)
}

/// Whether leaf `index` of the `count` under `root` is `leaf`.
pub fn verify(root: B256, leaf: B256, count: usize, index: usize, siblings: &[B256]) -> bool {
    root_from(leaf, count, index, siblings) == Some(root)
}

/// Length of the run in which value `index` of a level of `count` stands, at least 1.
const fn run_length(count: usize, index: usize) -> usize {
    let rest = count - index / ARITY * ARITY;
    if rest < ARITY { rest } else { ARITY }
}
