//! What the engine tells of itself: condition, figures, log, alerts.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use alloy::primitives::{Address, B256, U256};
use metrics::{counter, gauge, histogram};
use nthroot_model::{
    ledger::{Judgement, Lie},
    params::GWEI,
};
use nthroot_protocol::BatchId;
use tokio::sync::watch;
use tracing::{debug, error, info, warn};

use crate::{
    alert::{Alert, Alerts, Kind},
    config::{Config, Wei},
    error::{Action, Error},
    follower::{News, Progress, Trouble},
    inputs::What,
    metrics::{
        ANCHORS, BALANCE, CONVICTIONS, FINALISED, HALTED, L1_BLOCK, L1_ERRORS, LAG, LIE_TO_PROOF, LIES, LIES_FINAL,
        LIES_OPEN, MEMPOOL, PROPOSER_HALTED, REORG_DEPTH, REORGS, STEPS, SYNCED, TIP,
    },
    outbox::Event,
    proposer::Bond,
    server::Condition,
    view::View,
    watcher,
};

/// Blocks. A reorganisation that takes back more is not one of every day.
const DEEP: u64 = 8;

/// After so long without a block something is wrong with L1, or with its node: 50 slots.
const STALE: Duration = Duration::from_secs(600);

/// For how long a node that ends waits until its alerts are posted.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Where all of it goes.
pub(super) struct Report {
    condition: watch::Sender<Condition>,
    alerts: Alerts,
    /// Wei below which a key is poor, by what it is for.
    floors: [(&'static str, Wei); 2],
    /// The last block, and when it came. None until there was one.
    last: Option<(B256, Instant)>,
    /// The batches with lies that became final, which were told.
    missed: BTreeSet<BatchId>,
}

impl Report {
    pub(super) fn new(condition: watch::Sender<Condition>, alerts: Alerts, config: &Config) -> Self {
        for figure in [HALTED, PROPOSER_HALTED, SYNCED] {
            gauge!(figure).set(0);
        }
        Self {
            condition,
            alerts,
            floors: [
                ("watcher", config.watcher.balance_floor),
                ("proposer", config.proposer.balance_floor),
            ],
            last: None,
            missed: BTreeSet::new(),
        }
    }

    /// A turn was made.
    pub(super) fn works(&self) {
        self.condition.send_if_modified(|condition| {
            let failed = condition.l1.take();
            if failed.is_some() {
                info!("it works again");
            }
            failed.is_some()
        });
    }

    /// A turn failed, and is made again after a pause.
    pub(super) fn fails(&self, error: &Error, pause: Duration) {
        counter!(L1_ERRORS).increment(1);
        warn!(%error, pause_ms = pause.as_millis(), "trying again");
        self.alerts.raise_all(Alert::of_error(error));
        self.condition
            .send_modify(|condition| condition.l1 = Some(error.to_string()));
    }

    /// The node acts no more.
    pub(super) fn halts(&self, error: &Error) {
        debug_assert!(error.action() == Action::Halt, "all else is tried again");
        gauge!(HALTED).set(1);
        gauge!(SYNCED).set(0);
        self.alerts.raise_all(Alert::of_error(error));
        self.condition.send_modify(|condition| {
            condition.synced = false;
            condition.halted = Some(error.to_string());
        });
    }

    /// L1 was not asked with success: who knows what its head is.
    pub(super) fn is_behind(&self) {
        gauge!(SYNCED).set(0);
        self.condition
            .send_if_modified(|condition| std::mem::take(&mut condition.synced));
    }

    /// The proposer failed, and tries again after a pause.
    pub(super) fn proposer_fails(&self, error: &Error, pause: Duration) {
        counter!(L1_ERRORS).increment(1);
        warn!(%error, pause_ms = pause.as_millis(), "the proposer tries again");
        self.alerts.raise_all(Alert::of_error(error));
        self.set_proposer(Some(format!("the proposer fails: {error}")));
    }

    /// The proposer acts no more, and all else does.
    pub(super) fn proposer_halts(&self, error: &Error) {
        gauge!(PROPOSER_HALTED).set(1);
        error!(%error, "the proposer has halted: it sends nothing any more, the watcher goes on");
        let text = format!("the proposer has halted, the watcher goes on: {error}");
        self.alerts.raise(Alert::new(Kind::Halted, "proposer", &text));
        self.set_proposer(Some(text));
    }

    pub(super) fn proposer_works(&self) {
        self.set_proposer(None);
    }

    fn set_proposer(&self, problem: Option<String>) {
        self.condition.send_if_modified(|condition| {
            let changed = condition.proposer != problem;
            condition.proposer = problem;
            changed
        });
    }

    /// What the follower saw that people should know.
    pub(super) fn troubles(&self, troubles: &[Trouble]) {
        self.alerts.raise_all(troubles.iter().map(Alert::of_trouble));
    }

    /// What was raised is posted, if that is possible.
    pub(super) async fn end(&self) {
        self.alerts.flush(LAST_WORDS).await;
    }

    /// The follower is further. `is_own` says whether this node sent a transaction.
    pub(super) fn news(&mut self, news: &News, view: &View, progress: Progress, is_own: impl Fn(B256) -> bool) {
        let synced = view.synced;
        self.condition.send_if_modified(|condition| {
            let changed = condition.synced != synced;
            condition.synced = synced;
            changed
        });
        let latest = progress.target.max(view.tip.number);
        gauge!(L1_BLOCK).set(figure(latest));
        gauge!(TIP).set(figure(view.tip.number));
        gauge!(LAG).set(figure(latest - view.tip.number));
        gauge!(FINALISED).set(figure(view.finalised.number));
        gauge!(ANCHORS).set(figure(u64::try_from(view.ledger.anchor_count()).unwrap_or(u64::MAX)));
        gauge!(SYNCED).set(u8::from(synced));
        match self.last.replace((view.tip.hash, Instant::now())) {
            Some((hash, since)) if hash == view.tip.hash => {
                self.last = Some((hash, since));
                return self.look_for_growth(view, since);
            }
            Some(_) => self.tell(news, view, is_own),
            // What happened before it began was told then. But a lie that stands is news for whoever begins.
            None => {
                for lie in watcher::lies(&view.ledger) {
                    let text = format!("step {} of batch {} is a lie: {}", lie.step, lie.batch, lie.reason);
                    self.alerts.raise(Alert::new(Kind::LieFound, lie.batch, text));
                }
            }
        }
        let count = |lies: usize| figure(u64::try_from(lies).unwrap_or(u64::MAX));
        gauge!(LIES_OPEN).set(count(watcher::lies(&view.ledger).len()));
        let missed = watcher::final_lies(&view.ledger);
        gauge!(LIES_FINAL).set(count(missed.len()));
        self.tell_missed(&missed);
    }

    /// Lies that nobody proved in time: once after the start, and when it happens.
    fn tell_missed(&mut self, lies: &[Lie]) {
        for lie in lies {
            if self.missed.insert(lie.batch) {
                let text = format!(
                    "step {} of batch {} is a lie that nobody proved in its window, and stands for ever: who holds anything in this bridge \
                     may pay for it. {}",
                    lie.step, lie.batch, lie.reason
                );
                self.alerts.raise(Alert::new(Kind::LieFinal, lie.batch, text));
            }
        }
    }

    /// What happened in new blocks.
    fn tell(&self, news: &News, view: &View, is_own: impl Fn(B256) -> bool) {
        if news.rolled_back > 0 {
            let (blocks, block) = (news.rolled_back, view.tip.number);
            counter!(REORGS).increment(1);
            histogram!(REORG_DEPTH).record(figure(blocks));
            warn!(blocks, block, "L1 was reorganised");
            if blocks > DEEP {
                let text = format!("L1 took back {blocks} blocks, and is at block {block}");
                self.alerts.raise(Alert::new(Kind::DeepReorg, block, text));
            }
        }
        for input in &news.inputs {
            match &input.what {
                What::Submitted { id, proposer, .. } => self.batch(view, *id, *proposer, input.block),
                What::Convicted { id, .. } => {
                    let by = if is_own(input.transaction) { "us" } else { "others" };
                    let posted = view.deployment.deployment_block.saturating_add(id.block_offset());
                    let blocks = input.block.saturating_sub(posted);
                    info!(batch = %id, by, blocks, "a lie was convicted");
                    counter!(CONVICTIONS, "by" => by).increment(1);
                    histogram!(LIE_TO_PROOF).record(figure(blocks));
                }
                _ => {}
            }
        }
    }

    fn look_for_growth(&self, view: &View, since: Instant) {
        if since.elapsed() > STALE {
            let block = view.tip.number;
            let text = format!("no block came after {block} for {} minutes", STALE.as_secs() / 60);
            self.alerts.raise(Alert::new(Kind::L1Stale, block, text));
        }
    }

    /// What a batch was found to be. That it is a lie is told even if nobody here can prove it.
    fn batch(&self, view: &View, id: BatchId, proposer: Address, block: u64) {
        let Ok(judgements) = view.ledger.judgement(id) else {
            return;
        };
        let mut lie = None;
        for (step, judgement) in judgements.iter().enumerate() {
            let verdict = match judgement {
                Judgement::Valid => "valid",
                Judgement::Skipped(_) => "skipped",
                Judgement::Lie(reason) => {
                    lie.get_or_insert_with(|| format!("step {step} of batch {id} of {proposer} is a lie: {reason}"));
                    "lie"
                }
                Judgement::Unjudged(_) => "unjudged",
            };
            counter!(STEPS, "verdict" => verdict).increment(1);
        }
        debug!(%id, block, %proposer, steps = judgements.len(), "a batch");
        if let Some(text) = lie {
            counter!(LIES).increment(1);
            self.alerts.raise(Alert::new(Kind::LieFound, id, text));
        }
    }

    /// What a key has.
    pub(super) fn balance(&self, of: &'static str, address: Address, wei: U256) {
        gauge!(BALANCE, "of" => of).set(gwei(wei));
        let floor = self.floors.iter().find(|(name, _)| *name == of);
        if let Some((_, floor)) = floor.filter(|(_, floor)| wei < U256::from(floor.0)) {
            let balance = Wei(wei.saturating_to());
            let text = format!("the {of}'s key {address} has {balance}, less than {floor}");
            self.alerts.raise(Alert::new(Kind::BalanceLow, of, text));
        }
    }

    /// The proposer's bond. `waits`: something does, and nothing is on its way.
    pub(super) fn bond(&self, bond: Bond, waits: bool, view: &View) {
        let least = u64::try_from(view.ledger.params().min_lock / u128::from(GWEI)).unwrap_or(u64::MAX);
        if bond.is_low || (waits && bond.free < least) {
            let text = format!(
                "{} gwei of the bond are free and {} are locked, a batch locks {least} at least",
                bond.free, bond.locked
            );
            self.alerts.raise(Alert::new(Kind::BondLow, "", text));
        }
    }

    /// How many bundles wait, or are on their way.
    pub(super) fn mempool(&self, bundles: usize) {
        gauge!(MEMPOOL).set(figure(u64::try_from(bundles).unwrap_or(u64::MAX)));
    }

    /// What a look at the watcher's duties showed.
    pub(super) fn work(&self, work: &watcher::Work) {
        self.alerts.raise_all(Alert::of_work(work));
        for error in &work.failed {
            warn!(%error, "a duty could not be looked at");
        }
    }

    /// What became of transactions.
    pub(super) fn events(&self, events: &[Event]) {
        self.alerts.raise_all(events.iter().filter_map(Alert::of_event));
    }
}

/// As metrics take it: exact below 2^53.
pub(super) fn figure(number: u64) -> f64 {
    number.to_string().parse().unwrap_or(f64::MAX)
}

fn gwei(wei: U256) -> f64 {
    (wei / U256::from(1_000_000_000_u64))
        .to_string()
        .parse()
        .unwrap_or(f64::MAX)
}
