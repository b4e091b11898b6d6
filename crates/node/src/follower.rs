//! Derives everything from L1, and holds the bridge to what follows from its inputs.
//!
//! There is a ledger for each block that L1 may still take back, so that a reorganisation is rolled back exactly; what is final
//! is kept in the store. An L1 node is not believed more than needed: blocks continue each other, events and batches are of their
//! blocks, and what follows from them is compared with every commitment that the bridge makes on the way. When something does not
//! fit, it is asked once more, and another node if there is one, before anybody is called.

mod advance;
mod checkpoint;
mod doubt;
mod known;
mod moment;
mod options;
mod progress;
mod proven;
mod witness;

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use alloy::{eips::BlockNumberOrTag, primitives::B256};
use nthroot_model::{ledger::Ledger, rule::Rules};
use nthroot_wallet::RuleBook;
use tokio::sync::watch;
use tracing::{debug, error, warn};

use self::{checkpoint::Checkpoints, known::Known, moment::Moment, progress::Reporter, proven::Unproven};
pub use self::{options::Options, progress::Progress, witness::Witness};
use crate::{
    deploy::Deployment,
    derive,
    error::{Error, Result},
    inputs::{self, Block, Input},
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

/// What people should know that is no reason to stop.
#[derive(Debug)]
pub enum Trouble {
    /// All is derived again, from the deployment, since this did not fit again and again.
    DerivesAgain(Error),
    /// The L1 node does not prove what the bridge holds, or contradicts itself. Why not.
    Unverified(String),
    /// A checkpoint could not be written.
    Store(Error),
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
    /// Whether events are looked for block by block, since a node kept some back.
    careful: bool,
    /// What was read by ranges and is not compared with the bridge's storage yet.
    unproven: Option<Unproven>,
    troubles: Vec<Trouble>,
    reporter: Reporter,
    witness: Option<Arc<dyn Witness>>,
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
            careful: false,
            unproven: None,
            troubles: Vec::new(),
            witness: None,
        })
    }

    /// From now on this one sees every batch before its steps are forgotten.
    pub fn set_witness(&mut self, witness: Arc<dyn Witness>) {
        self.witness = Some(witness);
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

    /// What people should know since the last time that this was asked.
    pub fn troubles(&mut self) -> Vec<Trouble> {
        std::mem::take(&mut self.troubles)
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
            finalised: self.settled.block,
            synced: self.synced,
        }
    }

    /// Derives up to the latest block, after rolling back what L1 has dropped. Returns what is new. A node that answers with an
    /// older head of the same chain has nothing new.
    ///
    /// # Errors
    ///
    /// If the L1 node fails, or changes its mind too often: what was derived until then is kept, and told by the next call.
    /// [`Error::Doubtful`] if something does not fit: call it again after a pause, and another node is asked. The error itself,
    /// such as [`Error::Diverged`], if that goes on: nothing may act on chain or model then.
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
        self.careful = false;
        self.told = self.tip().number;
        Ok(std::mem::take(&mut self.news))
    }

    async fn follow(&mut self) -> Result<()> {
        self.synced = false;
        let head = self.options.up_to.map_or(BlockNumberOrTag::Latest, Into::into);
        let head = inputs::block(&self.l1, head).await?;
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
        let finalised = match self.options.up_to {
            Some(_) => Some(head),
            None => self.finalised_by_l1(head).await?,
        };
        let finalised = finalised.filter(|block| block.number <= head.number);
        let caught_up = match finalised {
            Some(finalised) if finalised.number > self.tip().number => {
                let before = self.last().clone();
                self.unproven.get_or_insert_with(|| Unproven::since(before));
                self.catch_up(finalised, head).await?;
                true
            }
            _ => false,
        };
        self.go_on(head).await?;
        if self.options.compare_state {
            self.compare_global_word().await?;
            self.compare_storage().await?;
        }
        if let Some(finalised) = finalised {
            self.settle(finalised);
        }
        if caught_up || self.checkpoints.is_due() {
            self.save().await?;
        }
        self.synced = true;
        Ok(())
    }

    /// Writes what is final down. A disk that fails is no reason to stop following.
    async fn save(&mut self) -> Result<()> {
        if self.witness.as_ref().is_some_and(|witness| !witness.keep()) {
            error!("no checkpoint is made, since what was seen on the way to it cannot be kept");
            return Ok(());
        }
        match self.checkpoints.save(&self.settled, self.rulebook.learnt()).await {
            Err(error @ (Error::Store { .. } | Error::StoreDamaged { .. })) => {
                error!(%error, "the checkpoint is not written: following goes on, a restart would begin at an older one");
                self.troubles.push(Trouble::Store(error));
                Ok(())
            }
            done => done,
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

    fn last(&self) -> &Moment {
        self.since.last_key_value().map_or(&self.settled, |(_, moment)| moment)
    }

    /// The hash of a block that it has.
    fn hash_at(&self, number: u64) -> Option<B256> {
        let settled = Some(&self.settled).filter(|settled| settled.block.number == number);
        let moment = settled.or_else(|| self.since.get(&number));
        moment.map(|moment| moment.block.hash)
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
