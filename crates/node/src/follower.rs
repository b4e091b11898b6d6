//! Derives everything from L1, and holds the bridge to what follows from its inputs.
//!
//! There is a ledger for each block that L1 may still take back, so that a reorganisation is rolled back exactly; what is final
//! is kept in the store. An L1 node is not believed more than needed: blocks continue each other, events and batches are of their
//! blocks, and what follows from them is compared with every commitment that the bridge makes on the way. When something does not
//! fit, it is asked once more, and another node if there is one, before anybody is called.

mod checkpoint;
mod known;
mod moment;
mod options;
mod progress;

use std::{collections::BTreeMap, pin::pin, sync::Arc, time::Instant};

use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    primitives::B256,
    providers::Provider,
};
use futures_util::TryStreamExt;
use nthroot_model::{kernel::Signatures, ledger::Ledger, rule::Rules};
use nthroot_protocol::storage::GLOBAL_SLOT;
use nthroot_wallet::RuleBook;
use tokio::sync::watch;
use tracing::{debug, error, info, warn};

use self::{checkpoint::Checkpoints, known::Known, moment::Moment, progress::Reporter};
pub use self::{options::Options, progress::Progress};
use crate::{
    deploy::Deployment,
    derive,
    error::{Error, Result},
    inputs::{self, Block, Complete, Input, Piece, What},
    l1::L1,
    rules,
    store::{Memory, Store},
    view::View,
};

/// How often one run begins again because L1 was reorganised while it was read.
const RESTARTS: u32 = 8;

/// What is new since the last time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct News {
    /// Blocks that are not part of the chain any more, of those that were told of: what was in them did not happen.
    pub rolled_back: u64,
    /// What happened since, but for blocks that were final when they were first seen: after a long absence there would be no end
    /// of it. Whoever wants to know what became of something asks the ledger.
    pub inputs: Vec<Input>,
}

/// Follows a bridge. It reads L1 and nothing else.
pub struct Follower {
    l1: L1,
    deployment: Arc<Deployment>,
    book: RuleBook,
    options: Options,
    rulebook: Known,
    checkpoints: Checkpoints,
    /// The last block that is final, or that before the deployment.
    settled: Moment,
    /// The blocks after it, none left out.
    since: BTreeMap<u64, Moment>,
    /// The block up to which the caller was told, less what was rolled back since.
    told: u64,
    news: News,
    synced: bool,
    /// When L1 was last seen to grow.
    grew: Instant,
    /// How often something did not fit since all did.
    doubts: u32,
    reporter: Reporter,
}

impl Follower {
    /// Follows without keeping anything: from before the deployment, of which nothing is derived yet. `rules` are twins of the
    /// rules that it shall judge, beside the Account rule.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub async fn start(l1: L1, deployment: Deployment, rules: Rules) -> Result<Self> {
        Self::open(l1, deployment, rules, Arc::new(Memory::new())).await
    }

    /// Follows from where the store says that it was, or else from before the deployment. Rules without a twin are judged by
    /// their code.
    ///
    /// # Errors
    ///
    /// If the contracts are not those of the manifest, the store is of another bridge or cannot be read, or the L1 node fails.
    pub async fn open(l1: L1, deployment: Deployment, rules: Rules, store: Arc<dyn Store>) -> Result<Self> {
        Self::open_with(l1, deployment, rules, store, Options::default()).await
    }

    /// The same, in another way.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub async fn open_with(
        l1: L1,
        deployment: Deployment,
        rules: Rules,
        store: Arc<dyn Store>,
        options: Options,
    ) -> Result<Self> {
        deployment.check(&l1).await?;
        let deployment = Arc::new(deployment);
        let loaded = Checkpoints::load(store, &deployment, rules, options.checkpoint_every).await?;
        let mut rulebook = loaded.rulebook;
        let settled = match loaded.moment {
            Some(moment) => moment,
            None => genesis(&l1, &deployment, &mut rulebook).await?,
        };
        Ok(Self {
            l1,
            book: rules::book(&deployment),
            deployment,
            options,
            rulebook,
            checkpoints: loaded.checkpoints,
            told: settled.block.number,
            reporter: Reporter::new(settled.block.number),
            settled,
            since: BTreeMap::new(),
            news: News::default(),
            synced: false,
            grew: Instant::now(),
            doubts: 0,
        })
    }

    /// The L1 that it reads.
    pub const fn l1(&self) -> &L1 {
        &self.l1
    }

    /// The bridge that it follows.
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// What follows from L1 up to the [tip](Self::tip).
    pub fn ledger(&self) -> &Ledger {
        &self.last().ledger
    }

    /// The last block derived from.
    pub fn tip(&self) -> Block {
        self.last().block
    }

    /// What follows from the blocks that L1 has finalised.
    pub const fn settled(&self) -> &Ledger {
        &self.settled.ledger
    }

    /// The last of those blocks.
    pub const fn finalised(&self) -> Block {
        self.settled.block
    }

    /// Whether the tip is L1's latest block, as of the last [`Self::sync`].
    pub const fn is_synced(&self) -> bool {
        self.synced
    }

    /// How far it is, and whenever that changes.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.reporter.subscribe()
    }

    /// What to show to those who only read.
    pub fn view(&self) -> View {
        let tip = self.last();
        View {
            deployment: Arc::clone(&self.deployment),
            book: self.book,
            ledger: tip.ledger.clone(),
            index: tip.index.clone(),
            settled: self.settled.ledger.clone(),
            settled_index: self.settled.index.clone(),
            tip: tip.block,
            finalised: self.settled.block.number,
            synced: self.synced,
        }
    }

    /// Derives up to the latest block, after rolling back what L1 has dropped. Returns what is new. A node that answers with an
    /// older head of the same chain has nothing new.
    ///
    /// # Errors
    ///
    /// If the L1 node fails, or changes its mind too often: what was derived until then is kept, and told by the next call.
    /// [`Error::Diverged`] if the bridge says something else than the model, again and again: nothing may act on either then.
    pub async fn sync(&mut self) -> Result<News> {
        let mut restarts = 0;
        loop {
            match self.follow().await {
                Ok(()) => break,
                Err(error @ Error::Reorg { .. }) => {
                    restarts += 1;
                    if restarts > RESTARTS {
                        return Err(error);
                    }
                    debug!(%error, "L1 changed while it was read");
                }
                Err(error) => self.look_again(error).await?,
            }
        }
        self.doubts = 0;
        self.told = self.tip().number;
        Ok(std::mem::take(&mut self.news))
    }

    async fn follow(&mut self) -> Result<()> {
        self.synced = false;
        let head = inputs::block(&self.l1, BlockNumberOrTag::Latest).await?;
        if self.hash_at(head.number) == Some(head.hash) {
            self.synced = head == self.tip();
            return self.look_for_growth().await;
        }
        let Some(common) = self.common_ancestor(head).await? else {
            // It is not at the last final block yet: an older view of this chain, as far as can be told.
            return self.look_for_growth().await;
        };
        self.go_back(common);
        self.grew = Instant::now();
        self.reporter.begin(head.number);
        let finalised = self
            .finalised_by_l1()
            .await?
            .filter(|block| block.number <= head.number);
        let caught_up = match finalised {
            Some(finalised) if finalised.number > self.tip().number => {
                self.catch_up(finalised, head).await?;
                true
            }
            _ => false,
        };
        self.go_on(head).await?;
        self.compare_global_word().await?;
        if let Some(finalised) = finalised {
            self.settle(finalised);
        }
        if caught_up || self.checkpoints.is_due() {
            self.save().await?;
        }
        self.synced = true;
        Ok(())
    }

    /// The last block that both L1 and this follower have. None if L1 has not come to the last final block.
    async fn common_ancestor(&self, head: Block) -> Result<Option<u64>> {
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
    fn go_back(&mut self, number: u64) {
        if number < self.tip().number {
            info!(from = self.tip().number, to = number, "L1 was reorganised");
        }
        drop(self.since.split_off(&(number + 1)));
        self.news.inputs.retain(|input| input.block <= number);
        self.news.rolled_back += self.told.saturating_sub(number);
        self.told = self.told.min(number);
    }

    /// Derives from blocks that are final, by ranges.
    async fn catch_up(&mut self, finalised: Block, head: Block) -> Result<()> {
        // All of them are of the head's chain, and not after what it has finalised.
        self.settled = self.last().clone();
        self.since.clear();
        let (l1, deployment) = (self.l1.clone(), Arc::clone(&self.deployment));
        let blocks = self.tip().number + 1..=finalised.number;
        let mut pieces = pin!(inputs::of_final(&l1, &deployment, blocks));
        let mut next = self.settled.clone();
        while let Some(piece) = pieces.try_next().await? {
            match piece {
                Piece::Input(complete) => {
                    let block = complete.input.block;
                    self.options
                        .choose_signatures(&mut next.ledger, block, finalised.number);
                    // Nobody asks for what evidence against steps before would be made of: a range of busy blocks has a lot of it.
                    next.ledger.forget_valid_steps(block.saturating_sub(1));
                    drop(self.apply(&mut next, *complete).await?);
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
    async fn go_on(&mut self, head: Block) -> Result<()> {
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
                news.push(self.apply(&mut next, complete).await?);
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

    /// Applies an input to a ledger that nobody sees yet.
    async fn apply(&mut self, moment: &mut Moment, complete: Complete) -> Result<Input> {
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
        derive::apply(&mut moment.ledger, &input, clock_hash)?;
        Ok(input)
    }

    /// Moves the last final block on, as far as L1 says.
    fn settle(&mut self, finalised: Block) {
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
        if let Some((_, moment)) = self.since.pop_last() {
            self.settled = moment;
        }
        self.since = later;
        self.settled.prune(finalised.number);
        if let Some(mut tip) = self.since.last_entry() {
            tip.get_mut().prune(finalised.number);
        }
    }

    async fn save(&mut self) -> Result<()> {
        self.checkpoints.save(&self.settled, self.rulebook.learnt()).await
    }

    /// The last id and the faults of the bridge at the tip: if an L1 node kept an event back, this tells. What a node says of
    /// its state it may not know any more for old blocks; then there is nothing to compare.
    async fn compare_global_word(&self) -> Result<()> {
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

    /// When L1 has not grown for long, another node may know more.
    async fn look_for_growth(&mut self) -> Result<()> {
        if self.grew.elapsed() >= self.options.stall {
            self.grew = Instant::now();
            warn!(tip = self.tip().number, "L1 does not grow, as far as its node says");
            self.l1.ask_one_ahead_of(self.tip().number).await;
        }
        Ok(())
    }

    /// What did not fit may be an L1 node's doing: everything that is not final is derived once more, from another node if there
    /// is one; and if something does not fit again, everything.
    ///
    /// # Errors
    ///
    /// The error, if it stays, or if it is of another kind.
    async fn look_again(&mut self, error: Error) -> Result<()> {
        let doubtful = matches!(
            error,
            Error::Diverged { .. }
                | Error::Unreadable { .. }
                | Error::FinalityBroken { .. }
                | Error::WrongDeployment { .. }
        );
        if !doubtful {
            // A node that answers with errors may do so for ever, say for want of old blocks: another one may not.
            self.l1.ask_another();
            return Err(error);
        }
        self.doubts += 1;
        match self.doubts {
            1 => {
                warn!(%error, "asking again");
                self.l1.ask_another();
                self.go_back(self.settled.block.number);
            }
            2 => {
                error!(%error, "deriving everything again, from the deployment");
                self.deployment.check(&self.l1).await?;
                self.checkpoints.forget();
                let genesis = genesis(&self.l1, &self.deployment, &mut self.rulebook).await?;
                self.go_back(genesis.block.number);
                self.settled = genesis;
            }
            _ => return Err(error),
        }
        Ok(())
    }

    fn last(&self) -> &Moment {
        self.since.last_key_value().map_or(&self.settled, |(_, moment)| moment)
    }

    /// The hash of a block that it has.
    fn hash_at(&self, number: u64) -> Option<B256> {
        let settled = Some(&self.settled).filter(|settled| settled.block.number == number);
        let moment = settled.or_else(|| self.since.get(&number));
        moment.map(|moment| moment.block.hash)
    }

    async fn finalised_by_l1(&self) -> Result<Option<Block>> {
        match inputs::block(&self.l1, BlockNumberOrTag::Finalized).await {
            Ok(block) => Ok(Some(block)),
            // A young chain has none.
            Err(Error::Missing { .. }) => Ok(None),
            Err(Error::Transport(error)) if error.is_error_resp() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The moment before the deployment, when there is nothing but rules that were registered earlier. Those that come with the bridge
/// are looked up; another one is when a batch names it.
async fn genesis(l1: &L1, deployment: &Deployment, rulebook: &mut Known) -> Result<Moment> {
    let before = deployment.deployment_block.saturating_sub(1);
    let mut ledger = derive::genesis(deployment, &rulebook.rules());
    let RuleBook {
        account,
        swap,
        pool,
        credit,
    } = rules::book(deployment);
    for rule in [account, swap, pool, credit] {
        rulebook.look_up(l1, rule, &mut ledger).await?;
    }
    Ok(Moment::new(inputs::block(l1, before.into()).await?, ledger))
}

const fn restless(number: u64, expected: B256, found: B256) -> Error {
    Error::Reorg {
        number,
        expected,
        found,
    }
}
