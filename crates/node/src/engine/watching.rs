//! The watcher's part of a turn.

use alloy::{
    primitives::{Address, B256},
    providers::Provider,
};

use super::report::Report;
use crate::{
    error::Result,
    l1::L1,
    outbox::{Job, Outbox, State},
    view::View,
    watcher::Duties,
};

/// A watcher with its key.
pub(super) struct Watching {
    l1: L1,
    pub(super) outbox: Outbox,
    duties: Duties,
    /// The block for which it was looked what is to be done, unless that failed.
    looked_at: Option<B256>,
    jobs: Vec<Job>,
}

impl Watching {
    pub(super) const fn new(l1: L1, outbox: Outbox, duties: Duties) -> Self {
        Self {
            l1,
            outbox,
            duties,
            looked_at: None,
            jobs: Vec::new(),
        }
    }

    pub(super) const fn address(&self) -> Address {
        self.outbox.address()
    }

    /// Whether it sent this transaction, if it is not long ago.
    pub(super) fn sent(&self, hash: B256) -> bool {
        let mut versions = self.outbox.entries().flat_map(|entry| &entry.versions);
        versions.any(|version| version.hash == hash)
    }

    /// Whether the contracts hold a step valid that the model holds a lie.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.duties.is_in_doubt()
    }

    pub(super) async fn turn(&mut self, view: &View, report: &Report) -> Result<()> {
        let is_new = self.looked_at != Some(view.tip.hash);
        if is_new {
            let work = self.duties.of(&view.ledger, &self.outbox).await;
            report.work(&work);
            // What L1 refuses now is simulated again, and what there was no time for has its turn.
            let is_all = work.refused.is_empty() && work.failed.is_empty() && work.jobs.len() >= work.lies.len();
            self.jobs = work.jobs;
            self.looked_at = is_all.then_some(view.tip.hash);
        }
        if !is_new && is_idle(&self.outbox, &self.jobs) {
            return Ok(());
        }
        let events = self.outbox.tick(view.tip, view.finalised.number, &self.jobs).await?;
        report.events(&events);
        if is_new {
            let ether = self.l1.provider().get_balance(self.address()).await?;
            report.balance("watcher", self.address(), ether);
        }
        Ok(())
    }
}

/// Whether an outbox has nothing to do before the next block, so that L1 need not be asked.
pub(super) fn is_idle(outbox: &Outbox, wanted: &[Job]) -> bool {
    wanted.is_empty() && outbox.entries().all(|entry| entry.state != State::Pending)
}
