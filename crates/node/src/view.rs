//! What a node shows to those who only read: one moment, whole and unchanging.

use std::sync::Arc;

use nthroot_model::ledger::Ledger;
use nthroot_protocol::{FragmentId, Key};
use nthroot_wallet::RuleBook;

use crate::{deploy::Deployment, index::Index, inputs::Block};

/// What follows from L1 at one of its blocks. A clone shares everything.
#[derive(Debug, Clone)]
pub struct View {
    /// The bridge.
    pub deployment: Arc<Deployment>,
    /// Where the rules are that come with it.
    pub book: RuleBook,
    /// The ledger after the tip.
    pub ledger: Ledger,
    /// Who owns what in it.
    pub index: Index,
    /// The ledger after the last block that L1 has finalised.
    pub settled: Ledger,
    /// Who owns what in that.
    pub settled_index: Index,
    /// The last block derived from.
    pub tip: Block,
    /// The last block of L1 that is final and was derived from.
    pub finalised: Block,
    /// Whether the tip is L1's latest block, as far as its node said.
    pub synced: bool,
}

impl View {
    /// The fragments that are under a key, at the tip or in the settled ledger, by id: those after `after`. So that one which
    /// somebody lied about is still found.
    pub fn fragments_of(&self, key: Key, after: Option<FragmentId>) -> impl Iterator<Item = FragmentId> + '_ {
        let mut pending = self.index.fragments_of(key, after).peekable();
        let mut settled = self.settled_index.fragments_of(key, after).peekable();
        std::iter::from_fn(move || {
            let next = [pending.peek(), settled.peek()].into_iter().flatten().min().copied()?;
            pending.next_if_eq(&next);
            settled.next_if_eq(&next);
            Some(next)
        })
    }
}
