//! The proposer's part of a turn.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use alloy::{
    primitives::{Address, B256},
    providers::Provider,
};
use nthroot_api::{Bundle, IntentId, IntentInfo, Refusal, Terms};
use nthroot_protocol::FragmentId;
use tokio::sync::watch;

use super::{Pause, report::Report, watching::is_idle};
use crate::{
    error::{Action, Result},
    follower::Witness,
    l1::L1,
    mempool::Mempool,
    outbox::{Job, Outbox},
    proposer::{Carrying, Policy},
    server::Intake,
    view::View,
};

/// What waits, for as long as somebody carries it.
pub(super) struct Gate {
    mempool: Arc<Mutex<Mempool>>,
    is_closed: AtomicBool,
}

impl Intake for Gate {
    fn accept(&self, views: &watch::Receiver<View>, bundles: Vec<Bundle>) -> Vec<Result<IntentId, Refusal>> {
        if self.is_closed.load(Ordering::Relaxed) {
            return bundles.iter().map(|_| Err(Refusal::NotServing)).collect();
        }
        self.mempool.accept(views, bundles)
    }

    fn status(&self, view: &View, id: IntentId) -> Option<IntentInfo> {
        self.mempool.status(view, id)
    }

    fn next_nonce(&self, view: &View, fragment: FragmentId) -> Option<u64> {
        self.mempool.next_nonce(view, fragment)
    }

    fn terms(&self) -> Terms {
        self.mempool.terms()
    }
}

/// A proposer with its key and what waits.
pub(super) struct Proposing {
    l1: L1,
    pub(super) outbox: Outbox,
    mempool: Arc<Mutex<Mempool>>,
    gate: Arc<Gate>,
    carrying: Carrying,
    /// The block that the mempool took up.
    seen_at: Option<B256>,
    /// The block for which it was packed.
    packed_at: Option<B256>,
    /// How many bundles waited then.
    waited: usize,
    jobs: Vec<Job>,
    pause: Pause,
    /// After a failure: when it is its turn again.
    rests_until: Option<Instant>,
    has_halted: bool,
}

impl Proposing {
    pub(super) fn new(l1: L1, outbox: Outbox, mempool: Mempool, policy: Policy, poll: Duration) -> Self {
        let mempool = Arc::new(Mutex::new(mempool));
        Self {
            l1,
            outbox,
            gate: Arc::new(Gate {
                mempool: Arc::clone(&mempool),
                is_closed: AtomicBool::new(false),
            }),
            mempool,
            carrying: Carrying::new(policy),
            seen_at: None,
            packed_at: None,
            waited: 0,
            jobs: Vec::new(),
            pause: Pause::new(poll),
            rests_until: None,
            has_halted: false,
        }
    }

    /// Where intents are handed in.
    pub(super) fn intake(&self) -> Arc<dyn Intake> {
        Arc::<Gate>::clone(&self.gate)
    }

    /// Who must see every batch.
    pub(super) fn witness(&self) -> Arc<dyn Witness> {
        Arc::<Mutex<Mempool>>::clone(&self.mempool)
    }

    pub(super) const fn address(&self) -> Address {
        self.outbox.address()
    }

    pub(super) fn mempool(&self) -> MutexGuard<'_, Mempool> {
        locked(&self.mempool)
    }

    /// Its turn, unless it rests. What it cannot do holds up nobody else: it tries again after a pause of its own, and if it must
    /// not go on, it alone does not, takes no intents any more, and says so.
    ///
    /// # Errors
    ///
    /// Only what must not be, and that once.
    pub(super) async fn turn(&mut self, view: &View, report: &Report) -> Result<()> {
        // What is said of bundles is so, whether or not they are carried.
        if self.seen_at.replace(view.tip.hash) != Some(view.tip.hash) {
            locked(&self.mempool).on_view(view);
        }
        if self.has_halted || self.rests_until.is_some_and(|until| Instant::now() < until) {
            return Ok(());
        }
        match self.try_turn(view, report).await {
            Ok(()) => {
                self.pause.reset();
                self.rests_until = None;
                report.proposer_works();
                Ok(())
            }
            Err(error) if error.action() == Action::Halt => {
                self.has_halted = true;
                self.gate.is_closed.store(true, Ordering::Relaxed);
                Err(error)
            }
            Err(error) => {
                let pause = self.pause.after_failure();
                self.rests_until = Some(Instant::now() + pause);
                report.proposer_fails(&error, pause);
                Ok(())
            }
        }
    }

    async fn try_turn(&mut self, view: &View, report: &Report) -> Result<()> {
        let is_new = self.is_to_be_packed(view);
        if is_new {
            let ether = self.l1.provider().get_balance(self.address()).await?;
            report.balance("proposer", self.address(), ether);
            let mut mempool = locked(&self.mempool);
            self.jobs = self.carrying.duties(&mut mempool, view, ether);
            let waits = !mempool.is_empty() && self.carrying.wanted().is_none();
            report.bond(self.carrying.bond(&mempool, view), waits, view);
            self.waited = mempool.len();
            self.packed_at = Some(view.tip.hash);
        }
        report.mempool(self.mempool().len());
        if !is_new && is_idle(&self.outbox, &self.jobs) {
            return Ok(());
        }
        let events = self.outbox.tick(view.tip, view.finalised.number, &self.jobs).await?;
        if !events.is_empty() {
            self.carrying.on_events(&mut locked(&self.mempool), &events);
            report.events(&events);
            if self.carrying.wanted().is_none() {
                // The batch was refused: the next turn builds another one.
                self.packed_at = None;
            }
        }
        Ok(())
    }

    /// Once for each block, since each change of a batch that is on its way costs a higher fee; but while none is, whenever
    /// something has come.
    fn is_to_be_packed(&self, view: &View) -> bool {
        self.packed_at != Some(view.tip.hash)
            || (self.carrying.wanted().is_none() && self.mempool().len() != self.waited)
    }
}

fn locked(mempool: &Mutex<Mempool>) -> MutexGuard<'_, Mempool> {
    mempool.lock().unwrap_or_else(PoisonError::into_inner)
}
