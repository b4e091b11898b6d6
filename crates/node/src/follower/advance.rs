//! Along the chain: back to where it forked, and on, by ranges or block by block.

use std::{pin::pin, sync::Arc};

use alloy::{eips::BlockNumberOrTag, primitives::B256};
use futures_util::TryStreamExt;
use nthroot_model::kernel::Signatures;
use nthroot_protocol::BatchId;
use tracing::{info, warn};

use super::{Follower, moment::Moment};
use crate::{
    derive,
    error::{Error, Result},
    inputs::{self, Block, Complete, Input, Piece, What},
};

/// Blocks, about a day. A chain that has grown by so many and calls none of them final is not read block by block.
const MOST_UNFINAL: u64 = 8_192;

impl Follower {
    /// The last block that both L1 and this follower have. None if L1 has not come to the last final block.
    pub(super) async fn common_ancestor(&self, head: Block) -> Result<Option<u64>> {
        let (settled, tip) = (self.settled.block, self.tip().number);
        for number in (settled.number..=tip.min(head.number)).rev() {
            let found = if number == head.number {
                head
            } else {
                inputs::block(&self.l1, number.into()).await?
            };
            if self.hash_at(number) == Some(found.hash) {
                return Ok(Some(number));
            }
            if number == settled.number {
                return Err(Error::FinalityBroken {
                    number,
                    expected: settled.hash,
                    found: found.hash,
                });
            }
        }
        Ok(None)
    }

    /// Goes back to a block that it has.
    pub(super) fn go_back(&mut self, number: u64) {
        if number < self.tip().number {
            info!(from = self.tip().number, to = number, "L1 was reorganised");
        }
        drop(self.since.split_off(&(number + 1)));
        self.news.inputs.retain(|input| input.block <= number);
        self.news.rolled_back += self.told.saturating_sub(number);
        self.told = self.told.min(number);
    }

    /// Derives from blocks that are final, by ranges.
    pub(super) async fn catch_up(&mut self, finalised: Block, head: Block) -> Result<()> {
        // All of them are of the head's chain, and not after what it has finalised.
        self.show_since();
        self.settled = self.last().clone();
        self.since.clear();
        let (l1, deployment) = (self.l1.clone(), Arc::clone(&self.deployment));
        let blocks = self.tip().number + 1..=finalised.number;
        let mut pieces = pin!(inputs::of_final(&l1, &deployment, blocks, self.careful));
        let mut next = self.settled.clone();
        while let Some(piece) = pieces.try_next().await? {
            match piece {
                Piece::Input(complete) => {
                    let block = complete.input.block;
                    self.options
                        .choose_signatures(&mut next.ledger, block, finalised.number);
                    // Nobody asks for what evidence against steps before would be made of: a range of busy blocks has a lot of it.
                    next.ledger.forget_valid_steps(block.saturating_sub(1));
                    let input = self.apply(&mut next, *complete, finalised.number).await?;
                    if let (Some(witness), What::Submitted { id, .. }) = (&self.witness, &input.what) {
                        witness.see(&next.ledger, *id);
                    }
                }
                Piece::End(block) => {
                    if block.number == finalised.number && block.hash != finalised.hash {
                        return Err(restless(block.number, finalised.hash, block.hash));
                    }
                    next.ledger.set_signatures(Signatures::Checked);
                    next = next.close(block, &self.settled);
                    next.prune(block.number);
                    self.settled = next.clone();
                    self.told = block.number.min(head.number);
                    self.reporter.reached(block.number);
                    if self.checkpoints.is_due() {
                        self.save().await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Derives from blocks that may still go, one by one.
    pub(super) async fn go_on(&mut self, head: Block) -> Result<()> {
        let (l1, deployment) = (self.l1.clone(), Arc::clone(&self.deployment));
        let numbers = self.tip().number + 1..=head.number;
        let mut blocks = pin!(inputs::of_blocks(&l1, &deployment, numbers));
        while let Some((block, inputs)) = blocks.try_next().await? {
            let before = self.last().clone();
            if block.parent != before.block.hash {
                return Err(restless(before.block.number, before.block.hash, block.parent));
            }
            let (mut next, mut news) = (before.clone(), Vec::with_capacity(inputs.len()));
            for complete in inputs {
                news.push(self.apply(&mut next, complete, self.settled.block.number).await?);
            }
            let next = next.close(block, &before);
            self.since.insert(block.number, next);
            self.news.inputs.extend(news);
            self.reporter.reached(block.number);
        }
        if self.tip().hash != head.hash {
            return Err(restless(head.number, head.hash, self.tip().hash));
        }
        Ok(())
    }

    /// Shows the batches since the last final block, which are final now, each while the ledger of its block has its steps.
    fn show_since(&self) {
        let Some(witness) = &self.witness else { return };
        for Moment { block, ledger, .. } in self.since.values() {
            let first = BatchId::new(ledger.params().offset(block.number), 0);
            for batch in first.into_iter().flat_map(|first| ledger.batches_from(first)) {
                witness.see(ledger, batch);
            }
        }
    }

    /// Applies an input to a ledger that nobody sees yet, where L1 has finalised the blocks up to `finalised`.
    async fn apply(&mut self, moment: &mut Moment, complete: Complete, finalised: u64) -> Result<Input> {
        let Complete {
            input,
            mut clock_hash,
            code,
        } = complete;
        match &input.what {
            What::Registered { rule } => {
                let code = code.unwrap_or_default();
                self.rulebook.learn(*rule, code)?;
                moment.ledger.set_rules(self.rulebook.rules());
            }
            What::Submitted { batch, .. } => {
                for rule in derive::rules(batch) {
                    if moment.ledger.rule_registered_at(rule).is_none() {
                        self.rulebook.look_up(&self.l1, rule, &mut moment.ledger).await?;
                    }
                }
                if let Some(clock) = derive::clock(batch) {
                    clock_hash = match self.hash_at(clock).or(clock_hash) {
                        Some(hash) => Some(hash),
                        // Before the last final block all is final.
                        None => Some(inputs::block(&self.l1, clock.into()).await?.hash),
                    };
                }
                self.reporter.add_steps(derive::step_count(batch));
            }
            _ => {}
        }
        if let What::Convicted { id, .. } = &input.what
            && !self.options.trusts_signatures(&moment.ledger, *id, finalised)
        {
            derive::check_conviction(&moment.ledger, &input, *id)?;
        }
        derive::apply(&mut moment.ledger, &input, clock_hash)?;
        Ok(input)
    }

    /// Moves the last final block on, as far as L1 says.
    pub(super) fn settle(&mut self, finalised: Block) {
        match self.hash_at(finalised.number) {
            Some(hash) if hash == finalised.hash && finalised.number > self.settled.block.number => {}
            Some(hash) if hash != finalised.hash => {
                warn!(
                    block = finalised.number,
                    "L1 calls final what is not on the way to its head"
                );
                return;
            }
            // Nothing new, or an older view.
            _ => return,
        }
        let later = self.since.split_off(&(finalised.number + 1));
        self.show_since();
        if let Some((_, moment)) = self.since.pop_last() {
            self.settled = moment;
        }
        self.since = later;
        self.settled.prune(finalised.number);
        if let Some(mut tip) = self.since.last_entry() {
            tip.get_mut().prune(finalised.number);
        }
    }

    /// The last block that L1 has finalised. None if it says that there is none.
    ///
    /// # Errors
    ///
    /// If it does not say: taken for none, that would have blocks read one by one which are final long since, and none forgotten.
    pub(super) async fn finalised_by_l1(&self, head: Block) -> Result<Option<Block>> {
        let error = match inputs::block(&self.l1, BlockNumberOrTag::Finalized).await {
            Ok(block) => return Ok(Some(block)),
            Err(error) => error,
        };
        let is_none = match &error {
            Error::Missing { .. } => true,
            Error::Transport(error) => error.as_error_resp().is_some_and(|error| {
                let message = error.message.to_lowercase();
                ["not found", "unknown block"].iter().any(|none| message.contains(none))
            }),
            _ => false,
        };
        let is_young = head.number.saturating_sub(self.settled.block.number) < MOST_UNFINAL;
        if is_none && is_young { Ok(None) } else { Err(error) }
    }
}

const fn restless(number: u64, expected: B256, found: B256) -> Error {
    Error::Reorg {
        number,
        expected,
        found,
    }
}
