//! Derives everything from L1, and holds the bridge to what follows from its inputs.

use std::{collections::BTreeMap, sync::Arc};

use alloy::{eips::BlockNumberOrTag, primitives::B256};
use nthroot_model::{ledger::Ledger, rule::Rules};
use tracing::{debug, info, warn};

use crate::{
    deploy::Deployment,
    derive,
    error::{Error, Result},
    index::Index,
    inputs::{self, Block, Input, What},
    l1::L1,
    rules,
    view::View,
};

/// Blocks that are asked for at once, where they are final.
const CHUNK: u64 = 1_000;

/// The ledger as it is after a block that L1 has finalised, or before the deployment: a reorganisation leads back to it.
#[derive(Clone)]
struct Checkpoint {
    block: Block,
    ledger: Ledger,
}

/// Follows a bridge. It reads L1 and nothing else.
pub struct Follower {
    l1: L1,
    deployment: Deployment,
    twins: Rules,
    checkpoint: Checkpoint,
    /// Hashes of the blocks since the checkpoint.
    since: BTreeMap<u64, B256>,
    tip: Block,
    ledger: Ledger,
    synced: bool,
}

impl Follower {
    /// Starts before the deployment; nothing is derived yet. `rules` are twins of the rules that it shall judge, beside the
    /// Account rule.
    ///
    /// # Errors
    ///
    /// If the contracts are not those of the manifest, or the L1 node fails.
    pub async fn start(l1: L1, deployment: Deployment, rules: Rules) -> Result<Self> {
        deployment.check(&l1).await?;
        let checkpoint = genesis(&l1, &deployment, &rules).await?;
        Ok(Self {
            l1,
            deployment,
            twins: rules,
            since: BTreeMap::from([(checkpoint.block.number, checkpoint.block.hash)]),
            tip: checkpoint.block,
            ledger: checkpoint.ledger.clone(),
            synced: false,
            checkpoint,
        })
    }

    /// The L1 that it reads.
    pub const fn l1(&self) -> &L1 {
        &self.l1
    }

    /// The bridge that it follows.
    pub const fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// What follows from L1 up to the [tip](Self::tip).
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The last block derived from.
    pub const fn tip(&self) -> Block {
        self.tip
    }

    /// What to show to those who only read.
    pub fn view(&self) -> View {
        let (ledger, settled) = (self.ledger.clone(), self.checkpoint.ledger.clone());
        View {
            deployment: Arc::new(self.deployment.clone()),
            book: rules::book(&self.deployment),
            index: Index::of(&ledger),
            settled_index: Index::of(&settled),
            ledger,
            settled,
            tip: self.tip,
            finalised: self.checkpoint.block.number,
            synced: self.synced,
        }
    }

    /// Derives up to the latest block. Returns what happened.
    ///
    /// # Errors
    ///
    /// [`Error::Reorg`] if the chain is another one: then [`Self::reset`] and call again. [`Error::Diverged`] if an event
    /// says something else than the model. Or if the L1 node fails: then call again.
    pub async fn sync(&mut self) -> Result<Vec<Input>> {
        let head = inputs::block(&self.l1, BlockNumberOrTag::Latest).await?;
        self.synced = false;
        self.require_same_chain(head).await?;
        let mut news = Vec::new();

        let finalised = self.finalised().await?.min(head.number);
        while self.tip.number < finalised {
            let last = finalised.min(self.tip.number + CHUNK);
            let block = inputs::block(&self.l1, last.into()).await?;
            let inputs = inputs::of_range(&self.l1, &self.deployment, self.tip.number + 1..=last).await?;
            self.apply(block, inputs, &mut news).await?;
            self.set_checkpoint();
        }
        while self.tip.number < head.number {
            let block = inputs::block(&self.l1, (self.tip.number + 1).into()).await?;
            if block.parent != self.tip.hash {
                return Err(reorg(self.tip.number, self.tip.hash, block.parent));
            }
            let inputs = inputs::of_block(&self.l1, &self.deployment, block.hash).await?;
            self.apply(block, inputs, &mut news).await?;
        }
        self.synced = true;
        debug!(block = self.tip.number, news = news.len(), "derived");
        Ok(news)
    }

    /// Goes back to the last checkpoint that is still part of the chain, after [`Error::Reorg`].
    ///
    /// # Errors
    ///
    /// If the L1 node fails.
    pub async fn reset(&mut self) -> Result<()> {
        let Block { number, hash, .. } = self.checkpoint.block;
        let now = inputs::block(&self.l1, number.into()).await?;
        if now.hash != hash {
            // Only on a chain whose finality does not hold, as local ones.
            warn!(number, "a finalised block is gone, deriving from the deployment");
            self.deployment.check(&self.l1).await?;
            self.checkpoint = genesis(&self.l1, &self.deployment, &self.twins).await?;
        }
        let block = self.checkpoint.block;
        info!(block = block.number, "deriving again");
        self.tip = block;
        self.ledger = self.checkpoint.ledger.clone();
        self.since = BTreeMap::from([(block.number, block.hash)]);
        Ok(())
    }

    /// The chain that ends with `head` must be the one followed so far, or a continuation.
    async fn require_same_chain(&self, head: Block) -> Result<()> {
        if head.number >= self.tip.number {
            let now = if head.number == self.tip.number {
                head
            } else {
                inputs::block(&self.l1, self.tip.number.into()).await?
            };
            return same(self.tip.number, self.tip.hash, now.hash);
        }
        // A shorter chain: an older view of this one, or another one.
        match self.since.get(&head.number) {
            Some(hash) => same(head.number, *hash, head.hash),
            None => Err(Error::missing(format!("block {}, which it had", self.tip.number))),
        }
    }

    async fn finalised(&self) -> Result<u64> {
        match inputs::block(&self.l1, BlockNumberOrTag::Finalized).await {
            Ok(block) => Ok(block.number),
            // A young chain has none.
            Err(Error::Missing { .. }) => Ok(0),
            Err(Error::Transport(error)) if error.is_error_resp() => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Applies the inputs up to `block`. All that the L1 node must be asked is asked before: what fails later halts.
    async fn apply(&mut self, block: Block, inputs: Vec<Input>, news: &mut Vec<Input>) -> Result<()> {
        let mut clocks = Vec::with_capacity(inputs.len());
        for input in &inputs {
            clocks.push(self.clock_hash(input).await?);
        }
        for (input, clock) in inputs.into_iter().zip(clocks) {
            derive::apply(&mut self.ledger, &input, clock)?;
            news.push(input);
        }
        // Fails if the block had inputs and so was begun.
        let _ = self.ledger.begin_block(block.number, block.hash);
        self.tip = block;
        self.since.insert(block.number, block.hash);
        Ok(())
    }

    /// The hash of the block that a batch names as its clock.
    async fn clock_hash(&self, input: &Input) -> Result<Option<B256>> {
        let What::Submitted { batch, .. } = &input.what else {
            return Ok(None);
        };
        let Some(clock) = derive::clock(batch) else {
            return Ok(None);
        };
        Ok(Some(match self.since.get(&clock) {
            Some(hash) => *hash,
            // Before the checkpoint all is final.
            None => inputs::block(&self.l1, clock.into()).await?.hash,
        }))
    }

    fn set_checkpoint(&mut self) {
        self.ledger.prune_final();
        self.checkpoint = Checkpoint {
            block: self.tip,
            ledger: self.ledger.clone(),
        };
        self.since = BTreeMap::from([(self.tip.number, self.tip.hash)]);
    }
}

/// The block before the deployment, when there is nothing but rules that were registered earlier.
async fn genesis(l1: &L1, deployment: &Deployment, rules: &Rules) -> Result<Checkpoint> {
    let before = deployment.deployment_block.saturating_sub(1);
    let mut ledger = derive::genesis(deployment, rules);
    for input in inputs::of_range(l1, deployment, 0..=before).await? {
        if let What::Registered { rule } = input.what {
            ledger.register_rule(rule, input.block);
        }
    }
    Ok(Checkpoint {
        block: inputs::block(l1, before.into()).await?,
        ledger,
    })
}

fn same(number: u64, expected: B256, found: B256) -> Result<()> {
    if expected == found {
        Ok(())
    } else {
        Err(reorg(number, expected, found))
    }
}

fn reorg(number: u64, expected: B256, found: B256) -> Error {
    Error::Reorg {
        number,
        expected,
        found,
    }
}
