//! One who must have seen every batch before its steps are forgotten.

use nthroot_model::ledger::Ledger;
use nthroot_protocol::BatchId;

/// Sees the batches of blocks that L1 has finalised, each at least once and oldest first, as long as a ledger has their steps. It
/// sees them again when they are derived again: after a restart, those that came after the last checkpoint.
pub trait Witness: Send + Sync {
    /// A batch of this ledger.
    fn see(&self, ledger: &Ledger, batch: BatchId);

    /// Keeps over a restart what was seen. Returns whether that worked: else no checkpoint is made, so that all of it is seen again.
    fn keep(&self) -> bool;
}
