//! Holds what was derived to what the bridge's storage is, as far as an L1 node tells.

use alloy::{
    eips::BlockId,
    primitives::{B256, U256},
    providers::Provider as _,
    rpc::types::EIP1186StorageProof,
    transports::TransportError,
    trie::root::storage_root_unhashed,
};
use nthroot_protocol::storage::GLOBAL_SLOT;
use tracing::{debug, info, warn};

use super::{Follower, Trouble, checkpoint::blocking, moment::Moment};
use crate::error::{Error, Result};

/// How often an L1 node is asked for a proof that it refuses: at later blocks it may not.
const ATTEMPTS: u32 = 3;
/// Slots that are asked for at a time.
const SLOTS: usize = 256;

/// What was read by ranges. Ids and roots tell of much that a node may keep back in a range, but not of a deposit that nobody
/// has touched since.
pub(super) struct Unproven {
    /// Before the first of the ranges.
    before: Moment,
    attempts: u32,
}

impl Unproven {
    pub(super) const fn since(before: Moment) -> Self {
        Self { before, attempts: 0 }
    }
}

impl Follower {
    /// The last id and the faults of the bridge at the tip: if an L1 node kept the last event back, this tells. What a node says of
    /// its state it may not know any more for old blocks; then there is nothing to compare.
    pub(super) async fn compare_global_word(&self) -> Result<()> {
        let Moment { block, ledger, .. } = self.last();
        let (bridge, id) = (self.deployment.bridge, BlockId::hash(block.hash));
        let word = self
            .l1
            .provider()
            .get_storage_at(bridge, GLOBAL_SLOT.into())
            .block_id(id);
        match (word.await, ledger.global().pack()) {
            (Ok(chain), model) if chain != model => Err(Error::Diverged {
                block: block.number,
                chain: format!("global word {chain:#x}"),
                model: format!("global word {model:#x}"),
            }),
            (Ok(_), _) => Ok(()),
            (Err(error), _) => {
                debug!(%error, "the bridge's global word cannot be read");
                Ok(())
            }
        }
    }

    /// All of the bridge's storage at the tip, by its root, after something was read by ranges. If it is not what follows, what was
    /// read is read again, block by block.
    pub(super) async fn compare_storage(&mut self) -> Result<()> {
        let Some(mut unproven) = self.unproven.take() else {
            return Ok(());
        };
        let block = self.last().block;
        let (bridge, id) = (self.deployment.bridge, BlockId::hash(block.hash));
        let chain = match self.l1.provider().get_proof(bridge, Vec::new()).block_id(id).await {
            Ok(proof) => proof.storage_hash,
            Err(error) => {
                unproven.attempts += 1;
                return self.without_proof(unproven, error);
            }
        };
        let ledger = self.last().ledger.clone();
        let model = blocking(move || Ok(storage_root_unhashed(ledger.storage()))).await?;
        if chain == model {
            info!(block = block.number, "the bridge's storage is what was derived");
            return Ok(());
        }
        if self.careful && self.slots_agree(id).await? {
            let why = format!(
                "block {}: every slot is what was derived, but their root is not",
                block.number
            );
            warn!("{why}");
            self.troubles.push(Trouble::Unverified(why));
            return Ok(());
        }
        warn!(
            block = block.number,
            "the bridge's storage is not what was derived: an event was kept back"
        );
        self.careful = true;
        self.go_back_to(unproven);
        Err(Error::Diverged {
            block: block.number,
            chain: format!("storage root {chain}"),
            model: format!("storage root {model}"),
        })
    }

    /// Whether every slot that was derived has its word on the chain. Asked where reading receipts did not help: there are nodes whose roots
    /// are wrong (anvil counts slots that became zero), and to halt for that would leave lies unproved.
    async fn slots_agree(&self, block: BlockId) -> Result<bool> {
        let ledger = self.last().ledger.clone();
        let derived = ledger.storage().chain([(GLOBAL_SLOT, ledger.global().pack())]);
        let derived: Vec<_> = derived.collect();
        for slots in derived.chunks(SLOTS) {
            let keys = slots.iter().map(|(slot, _)| *slot).collect();
            let request = self.l1.provider().get_proof(self.deployment.bridge, keys);
            let found = request.block_id(block).await?.storage_proof;
            let same = |((slot, word), found): (&(B256, U256), &EIP1186StorageProof)| {
                found.key.as_b256() == *slot && found.value == *word
            };
            if found.len() != slots.len() || !slots.iter().zip(&found).all(same) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// As if nothing had been read by ranges.
    pub(super) fn go_back_to(&mut self, Unproven { before, .. }: Unproven) {
        self.go_back(before.block.number.max(self.settled.block.number));
        self.since.clear();
        self.told = self.told.min(before.block.number);
        self.settled = before;
        // The store may have some of it.
        self.checkpoints.forget();
    }

    fn without_proof(&mut self, unproven: Unproven, error: TransportError) -> Result<()> {
        if !error.is_error_resp() {
            self.unproven = Some(unproven);
            return Err(error.into());
        }
        if unproven.attempts < ATTEMPTS {
            self.unproven = Some(unproven);
        } else {
            warn!(%error, "the L1 node does not prove what the bridge holds");
            self.troubles.push(Trouble::Unverified(error.to_string()));
        }
        Ok(())
    }
}
