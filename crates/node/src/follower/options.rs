//! What somebody may want otherwise.

use std::time::Duration;

use nthroot_model::{kernel::Signatures, ledger::Ledger};
use nthroot_protocol::BatchId;

/// How a follower follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether signatures are taken for good in batches that are final on L1 and whose window was over when L1 finalised it: nobody
    /// can convict them any more, whatever they are, so that their steps stand on L1 by whatever the signatures say. All else
    /// is judged, and roots and withdrawals must be those that follow. What was convicted in time is rolled back as L1 says. Without
    /// it, signatures take most of the time of catching up.
    pub trust_final_signatures: bool,
    /// How long a checkpoint may be behind what is final.
    pub checkpoint_every: Duration,
    /// The block to derive up to, and no further: it is taken for final, so that all is read by ranges. For whoever looks at one
    /// moment. None: whatever is the latest.
    pub up_to: Option<u64>,
    /// Whether the bridge's state is compared with what was derived, and what differs is an error. Whoever does not want that
    /// compares it themselves, as an audit does that is to say what differs.
    pub compare_state: bool,
    /// How long L1 may stand still before another node is asked.
    pub stall: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            trust_final_signatures: true,
            checkpoint_every: Duration::from_secs(5),
            up_to: None,
            compare_state: true,
            // Two slots and a half.
            stall: Duration::from_secs(30),
        }
    }
}

impl Options {
    /// How signatures of a batch in `block` are taken, where L1 has finalised the blocks up to `finalised`.
    pub(super) fn choose_signatures(self, ledger: &mut Ledger, block: u64, finalised: u64) {
        ledger.set_signatures(if self.trusts(ledger, block, finalised) {
            Signatures::Trusted
        } else {
            Signatures::Checked
        });
    }

    /// Whether signatures of this batch may have been taken so.
    pub(super) fn trusts_signatures(self, ledger: &Ledger, id: BatchId, finalised: u64) -> bool {
        let block = ledger.params().deployment_block.saturating_add(id.block_offset());
        self.trusts(ledger, block, finalised)
    }

    fn trusts(self, ledger: &Ledger, block: u64, finalised: u64) -> bool {
        self.trust_final_signatures && block.saturating_add(ledger.params().window) < finalised
    }
}
