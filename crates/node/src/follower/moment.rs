//! The ledger at one block of L1, and what is found through it.

use nthroot_model::ledger::Ledger;

use crate::{index::Index, inputs::Block};

/// What follows from L1 up to one of its blocks. A clone shares everything, so that each block that may still go keeps its own.
#[derive(Clone)]
pub(super) struct Moment {
    pub(super) block: Block,
    pub(super) ledger: Ledger,
    pub(super) index: Index,
}

impl Moment {
    pub(super) fn new(block: Block, ledger: Ledger) -> Self {
        let index = Index::of(&ledger);
        Self { block, ledger, index }
    }

    /// The moment after `block`: this ledger has taken all inputs up to it, and `before` is the moment before them.
    pub(super) fn close(mut self, block: Block, before: &Self) -> Self {
        // Fails if the block had inputs and so was begun.
        let _ = self.ledger.begin_block(block.number, block.hash);
        self.index.follow(&before.ledger, &self.ledger);
        self.block = block;
        self
    }

    /// Forgets what can no longer matter when L1 has finalised the blocks up to `finalised`.
    pub(super) fn prune(&mut self, finalised: u64) {
        let before = self.ledger.clone();
        self.ledger.prune_final();
        self.ledger.forget_valid_steps(finalised);
        self.index.follow(&before, &self.ledger);
    }
}
