//! The proposer's part of a turn.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alloy::{
    primitives::{Address, B256},
    providers::Provider,
};

use super::{report::Report, watching::is_idle};
use crate::{
    error::Result,
    l1::L1,
    mempool::Mempool,
    outbox::{Job, Outbox},
    proposer::{Carrying, Policy},
    view::View,
};

/// A proposer with its key and what waits.
pub(super) struct Proposing {
    l1: L1,
    pub(super) outbox: Outbox,
    pub(super) mempool: Arc<Mutex<Mempool>>,
    carrying: Carrying,
    /// The block for which it was packed.
    packed_at: Option<B256>,
    /// How many bundles waited then.
    waited: usize,
    jobs: Vec<Job>,
}

impl Proposing {
    pub(super) fn new(l1: L1, outbox: Outbox, mempool: Mempool, policy: Policy) -> Self {
        Self {
            l1,
            outbox,
            mempool: Arc::new(Mutex::new(mempool)),
            carrying: Carrying::new(policy),
            packed_at: None,
            waited: 0,
            jobs: Vec::new(),
        }
    }

    pub(super) const fn address(&self) -> Address {
        self.outbox.address()
    }

    pub(super) fn mempool(&self) -> MutexGuard<'_, Mempool> {
        locked(&self.mempool)
    }

    pub(super) async fn turn(&mut self, view: &View, report: &Report) -> Result<()> {
        let is_new = self.is_to_be_packed(view);
        if is_new {
            let ether = self.l1.provider().get_balance(self.address()).await?;
            report.balance("proposer", self.address(), ether);
            let mut mempool = locked(&self.mempool);
            mempool.on_view(view);
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
        let events = self.outbox.tick(view.tip, view.finalised, &self.jobs).await?;
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
