//! Finds the leaves of a storage trie that are not what they should be, by the proofs that any L1 node gives: a branch on the way
//! shows the hashes of all its children, and those that are as derived need not be looked at.

use std::collections::{BTreeMap, BTreeSet};

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, Bytes, U256, keccak256},
    providers::Provider as _,
    rlp::{self, Decodable as _},
    trie::{HashBuilder, Nibbles, nodes::TrieNode},
};

use crate::{
    error::{Error, Result},
    l1::L1,
};

/// Proofs that are asked for at most. Each shows at least one leaf that differs, or one branch on the way there.
const MOST: usize = 1_024;

/// Slots that are tried for one whose hash begins as wanted: enough for six nibbles.
const TRIES: u64 = 1 << 27;

/// What a walk found.
pub(super) struct Walk {
    /// The leaves that differ: keccak of the slot, and the word there.
    pub(super) leaves: BTreeMap<B256, U256>,
    /// Whether these are all.
    pub(super) is_whole: bool,
}

/// Looks for the leaves that are not among these slots with these words.
pub(super) async fn walk(l1: &L1, bridge: Address, block: BlockId, derived: &BTreeMap<B256, U256>) -> Result<Walk> {
    let derived: BTreeMap<Nibbles, U256> = derived
        .iter()
        .map(|(slot, word)| (Nibbles::unpack(keccak256(slot)), *word))
        .collect();
    let mut walk = Walk {
        leaves: BTreeMap::new(),
        is_whole: true,
    };
    let (mut waiting, mut asked) = (vec![Nibbles::new()], BTreeSet::new());
    while let Some(prefix) = waiting.pop() {
        if !asked.insert(prefix) {
            continue;
        }
        let Some(slot) = slot_under(&prefix).filter(|_| asked.len() <= MOST) else {
            walk.is_whole = false;
            continue;
        };
        let proof = l1.provider().get_proof(bridge, vec![slot]).block_id(block).await?;
        let nodes = proof.storage_proof.into_iter().flat_map(|proof| proof.proof);
        follow(
            &derived,
            Nibbles::unpack(keccak256(slot)),
            nodes,
            &mut waiting,
            &mut walk,
        )?;
    }
    Ok(walk)
}

/// Goes along a proof, and notes what else is to be looked at.
fn follow(
    derived: &BTreeMap<Nibbles, U256>,
    path: Nibbles,
    nodes: impl Iterator<Item = Bytes>,
    waiting: &mut Vec<Nibbles>,
    walk: &mut Walk,
) -> Result<()> {
    let unreadable = |error: rlp::Error| Error::missing(format!("readable proof of the bridge's storage: {error}"));
    let mut at = 0;
    for node in nodes {
        if at >= path.len() {
            return Err(Error::missing("proof of the bridge's storage that ends".to_owned()));
        }
        match TrieNode::decode(&mut &node[..]).map_err(unreadable)? {
            TrieNode::EmptyRoot => {}
            TrieNode::Branch(branch) => {
                for (nibble, child) in branch.as_ref().children() {
                    let mut prefix = path.slice(..at);
                    prefix.push(nibble);
                    // What goes on in this proof is looked at anyway. A child that is not a hash is too small for one.
                    let same = child.is_none_or(|child| child.as_hash() == Some(root_under(derived, &prefix)));
                    if !same && !path.starts_with(&prefix) {
                        waiting.push(prefix);
                    }
                }
                at += 1;
            }
            TrieNode::Extension(extension) => {
                let prefix = path.slice(..at).join(&extension.key);
                if !path.starts_with(&prefix) {
                    waiting.push(prefix);
                }
                at += extension.key.len();
            }
            TrieNode::Leaf(leaf) => {
                let key = path.slice(..at).join(&leaf.key);
                let word = U256::decode(&mut &leaf.value[..]).map_err(unreadable)?;
                if derived.get(&key) != Some(&word) {
                    let hash = B256::try_from(&key.pack()[..]);
                    let hash = hash.map_err(|_| Error::missing("proof of the bridge's storage with whole keys"))?;
                    walk.leaves.insert(hash, word);
                }
            }
        }
    }
    Ok(())
}

/// The hash of the node for what was derived under a prefix.
fn root_under(derived: &BTreeMap<Nibbles, U256>, prefix: &Nibbles) -> B256 {
    let mut builder = HashBuilder::default();
    for (key, word) in derived.range(*prefix..).take_while(|(key, _)| key.starts_with(prefix)) {
        builder.add_leaf(key.slice(prefix.len()..), &rlp::encode(word));
    }
    builder.root()
}

/// A slot whose hash begins so.
fn slot_under(prefix: &Nibbles) -> Option<B256> {
    let slots = (0..TRIES).map(|number| B256::from(U256::from(number)));
    let mut slots = slots.take(if prefix.len() > 6 { 0 } else { usize::MAX });
    slots.find(|slot| Nibbles::unpack(keccak256(slot)).starts_with(prefix))
}
