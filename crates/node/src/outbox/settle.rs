//! Reads from L1 what became of the transactions.

use alloy::{
    eips::BlockNumberOrTag,
    network::TransactionResponse as _,
    primitives::{B256, U256},
    providers::Provider as _,
    rpc::types::TransactionReceipt,
};
use tracing::{debug, info, warn};

use super::{
    Event, Outbox,
    entry::{CANCEL, Entry, Purpose, State},
};
use crate::{error::Result, inputs::Block, metrics, sender};

/// Blocks before a transaction was signed in which its nonce may have been used: a reorganisation renumbers blocks, and not
/// by more until they are final.
const SEARCH: u64 = 64;

impl Outbox {
    /// Brings every nonce's state up to date, and forgets what is final.
    pub(super) async fn settle(&mut self, tip: Block, finalised: u64) -> Result<()> {
        let continues = self.seen.is_some_and(|seen| tip.hash == seen || tip.parent == seen);
        let mined = self.l1.provider().get_transaction_count(self.address).latest().await?;
        // A node that lags behind says less than it did; only another chain has less.
        self.next = if continues { self.next.max(mined) } else { mined };
        self.look_for_others(tip);

        for nonce in self.entries.keys().copied().collect::<Vec<_>>() {
            let Some(entry) = self.entries.get(&nonce) else {
                continue;
            };
            let looked_at = match entry.state {
                State::Pending => nonce < self.next,
                State::Mined { block, .. } | State::Taken { block } => {
                    !continues || nonce >= self.next || block <= finalised
                }
            };
            if looked_at {
                let state = self.state_of(entry, tip).await?;
                self.set_state(nonce, state, finalised).await?;
            }
        }
        self.seen = Some(tip.hash);
        self.write()
    }

    /// Nonces that were used since it was last looked, and not by this outbox.
    fn look_for_others(&mut self, tip: Block) {
        let before = self.highest.unwrap_or(self.next);
        for nonce in (before..self.next).filter(|nonce| !self.entries.contains_key(nonce)) {
            let block = tip.number;
            warn!(
                nonce,
                block, "a transaction that is not of this node was sent with its key"
            );
            let purpose = None;
            self.events.push(Event::Taken { purpose, nonce, block });
        }
        self.highest = Some(before.max(self.next));
    }

    /// The state of a nonce as L1 has it now.
    async fn state_of(&self, entry: &Entry, tip: Block) -> Result<State> {
        for version in entry.versions.iter().rev() {
            if let Some(receipt) = self.receipt(version.hash).await? {
                return Ok(State::Mined {
                    hash: version.hash,
                    block: receipt.block_number.unwrap_or_default(),
                    block_hash: receipt.block_hash.unwrap_or_default(),
                    success: receipt.status(),
                });
            }
        }
        if entry.nonce >= self.next {
            return Ok(State::Pending);
        }
        let taken = self.taker(entry, tip).await?;
        Ok(taken.map_or(State::Pending, |block| State::Taken { block }))
    }

    async fn receipt(&self, hash: B256) -> Result<Option<TransactionReceipt>> {
        Ok(self.l1.provider().get_transaction_receipt(hash).await?)
    }

    /// The block in which somebody else used the nonce with this key. None if it is not seen yet, or was one of ours whose
    /// receipt is not seen yet.
    async fn taker(&self, entry: &Entry, tip: Block) -> Result<Option<u64>> {
        let provider = self.l1.provider();
        let used_at = async |block: u64| -> Result<bool> {
            let count = provider.get_transaction_count(self.address).number(block).await?;
            Ok(count > entry.nonce)
        };
        let signed = entry.versions.iter().map(|version| version.block).min();
        let mut unused = signed.unwrap_or_default().saturating_sub(SEARCH);
        let mut used = tip.number;
        if used_at(unused).await? {
            return Ok(Some(unused));
        }
        if unused >= used || !used_at(used).await? {
            return Ok(None);
        }
        while used - unused > 1 {
            let middle = unused + (used - unused) / 2;
            if used_at(middle).await? {
                used = middle;
            } else {
                unused = middle;
            }
        }
        let block = provider
            .get_block_by_number(BlockNumberOrTag::Number(used))
            .full()
            .await?;
        let transactions = block
            .into_iter()
            .flat_map(|block| block.transactions.into_transactions());
        let mut ours = transactions.filter(|transaction| transaction.from() == self.address);
        let taker = ours.find(|transaction| alloy::consensus::Transaction::nonce(transaction) == entry.nonce);
        let taker = taker.map(|transaction| transaction.tx_hash());
        Ok(taker
            .filter(|hash| entry.versions.iter().all(|version| version.hash != *hash))
            .map(|_| used))
    }

    /// Takes up what was seen, and tells of it.
    async fn set_state(&mut self, nonce: u64, state: State, finalised: u64) -> Result<()> {
        let Some(entry) = self.entries.get(&nonce) else {
            return Ok(());
        };
        let before = entry.state;
        let is_final = match state {
            State::Pending => false,
            State::Mined { block, .. } | State::Taken { block } => block <= finalised,
        };
        if state == before && !is_final {
            return Ok(());
        }
        let mut entry = entry.clone();
        entry.state = state;
        let event = if state == before {
            None
        } else {
            self.what_happened(&entry, before).await?
        };
        if is_final {
            debug!(nonce, "final");
            self.note(nonce, None);
        } else {
            self.note(nonce, Some(entry));
        }
        self.events.extend(event);
        Ok(())
    }

    async fn what_happened(&self, entry: &Entry, before: State) -> Result<Option<Event>> {
        let nonce = entry.nonce;
        let (hash, block, success) = match entry.state {
            State::Mined {
                hash, block, success, ..
            } => (hash, block, success),
            State::Taken { block } => {
                warn!(nonce, block, "a transaction that is not of this node used the nonce");
                count(entry.purpose(), "dropped");
                return Ok(Some(Event::Taken {
                    purpose: entry.purpose(),
                    nonce,
                    block,
                }));
            }
            State::Pending => {
                warn!(nonce, "a reorganisation took the transaction back");
                return Ok(Some(Event::Unmined {
                    purpose: entry.purpose(),
                    nonce,
                }));
            }
        };
        if matches!(before, State::Mined { hash: earlier, success: same, .. } if earlier == hash && same == success) {
            // In another block of another chain.
            return Ok(None);
        }
        let Some(receipt) = self.receipt(hash).await? else {
            return Ok(None);
        };
        let purpose = entry.mined().and_then(|version| version.purpose);
        let fee = U256::from(receipt.gas_used) * U256::from(receipt.effective_gas_price);
        let gwei = fee / U256::from(1_000_000_000_u64);
        ::metrics::counter!(metrics::FEES, "purpose" => kind(purpose)).increment(gwei.saturating_to());
        if success {
            let waited = block.saturating_sub(entry.versions.first().map_or(block, |version| version.block));
            info!(nonce, %hash, block, purpose = kind(purpose), waited, "included");
            count(purpose, "included");
            return Ok(Some(Event::Included {
                purpose,
                hash,
                block,
                gas_used: receipt.gas_used,
                fee,
                waited,
            }));
        }
        let revert = sender::reason(&self.l1, &receipt).await;
        if purpose.is_some_and(Purpose::is_duty) && revert.is_late() {
            info!(nonce, %hash, block, purpose = kind(purpose), %revert, "somebody else was faster");
            count(purpose, "late");
        } else {
            warn!(nonce, %hash, block, purpose = kind(purpose), %revert, "included, and failed");
            count(purpose, "failed");
        }
        Ok(Some(Event::Failed {
            purpose,
            hash,
            block,
            gas_used: receipt.gas_used,
            fee,
            revert,
        }))
    }
}

/// The kind of a transaction, as metrics and logs name it.
pub(super) fn kind(purpose: Option<Purpose>) -> &'static str {
    purpose.map_or(CANCEL, Purpose::kind)
}

pub(super) fn count(purpose: Option<Purpose>, state: &'static str) {
    ::metrics::counter!(metrics::TRANSACTIONS, "purpose" => kind(purpose), "state" => state).increment(1);
}
