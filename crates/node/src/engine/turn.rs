//! One turn after the other: sync, publish, watch, propose.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{Ended, Pause, proposing::Proposing, report::Report, watching::Watching};
use crate::{
    config::{Config, OnHalt},
    error::{Action, Error, Result},
    follower::Follower,
    outbox::{Outbox, State},
    view::View,
};

/// Says why nothing is done any more, and ends or stays, as is wanted.
pub(super) async fn halt(report: &Report, error: &Error, on_halt: OnHalt, stop: &CancellationToken) -> Ended {
    error!(%error, "halted: nothing is sent any more");
    report.halts(error);
    if on_halt == OnHalt::Stay {
        stop.cancelled().await;
    }
    Ended::Halted(error.to_string())
}

/// Who goes through the turns.
pub(super) struct Engine {
    follower: Follower,
    watcher: Option<Watching>,
    proposer: Option<Proposing>,
    views: watch::Sender<View>,
    report: Report,
    poll: Duration,
    on_halt: OnHalt,
}

impl Engine {
    pub(super) fn new(
        follower: Follower,
        watcher: Option<Watching>,
        proposer: Option<Proposing>,
        views: watch::Sender<View>,
        report: Report,
        config: &Config,
    ) -> Self {
        Self {
            follower,
            watcher,
            proposer,
            views,
            report,
            poll: Duration::from_millis(config.l1.poll_ms),
            on_halt: config.on_halt,
        }
    }

    /// Until it is stopped, or must halt.
    pub(super) async fn run(mut self, stop: &CancellationToken) -> Ended {
        let mut clock = interval(self.poll);
        // After a turn that took longer than the poll the next one begins at once.
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pause = Pause::new(self.poll);
        let ended = loop {
            let turn = tokio::select! {
                biased;
                // Whatever is dropped in the middle is as it would be after a crash: commits are whole, and transactions were kept
                // before they left.
                () = stop.cancelled() => break Ended::Stopped,
                turn = async { clock.tick().await; self.turn().await } => turn,
            };
            match turn {
                Ok(()) => {
                    pause.reset();
                    self.report.works();
                }
                Err(error) if error.action() == Action::Halt => {
                    break self.halt(&error, stop).await;
                }
                Err(error) => {
                    let pause = pause.after_failure();
                    self.report.fails(&error, pause);
                    clock.reset_after(pause);
                }
            }
        };
        self.farewell();
        self.report.end().await;
        ended
    }

    async fn turn(&mut self) -> Result<()> {
        let synced = self.follower.sync().await;
        self.report.troubles(&self.follower.troubles());
        let news = match synced {
            Ok(news) => news,
            Err(error) => {
                self.views.send_if_modified(|view| std::mem::take(&mut view.synced));
                self.report.is_behind();
                return Err(error);
            }
        };
        let view = self.follower.view();
        let progress = *self.follower.progress().borrow();
        let watcher = &self.watcher;
        let is_own = |hash| watcher.as_ref().is_some_and(|watcher| watcher.sent(hash));
        self.report.news(&news, &view, progress, is_own);
        self.views.send_replace(view.clone());
        // The watcher comes first, and neither waits for the other: a failure of one is no reason for the other to do nothing.
        let watched = match &mut self.watcher {
            Some(watcher) => watcher.turn(&view, &self.report).await,
            None => Ok(()),
        };
        if let Err(error) = &watched
            && error.action() == Action::Halt
        {
            return watched;
        }
        let is_in_doubt = self.watcher.as_ref().is_some_and(Watching::is_in_doubt);
        if let Some(proposer) = &mut self.proposer
            // The model may be wrong about more than that: whoever builds on it risks a bond.
            && !is_in_doubt
            && let Err(error) = proposer.turn(&view, &self.report).await
        {
            if self.watcher.is_none() {
                return Err(error);
            }
            self.report.proposer_halts(&error);
        }
        watched
    }

    /// Nothing is sent any more. What was derived can still be read, if that is wanted, and it is said that it is old.
    async fn halt(&mut self, error: &Error, stop: &CancellationToken) -> Ended {
        self.views.send_modify(|view| view.synced = false);
        halt(&self.report, error, self.on_halt, stop).await
    }

    /// Says what goes on without the node.
    fn farewell(&self) {
        let outboxes = [
            self.watcher.as_ref().map(|watcher| &watcher.outbox),
            self.proposer.as_ref().map(|proposer| &proposer.outbox),
        ];
        for entry in outboxes.into_iter().flatten().flat_map(Outbox::entries) {
            if entry.state == State::Pending {
                let purpose = entry.purpose().map_or("cancel", |purpose| purpose.kind());
                let hash = entry.last().map(|version| tracing::field::display(version.hash));
                warn!(nonce = entry.nonce, purpose, hash, "still on its way");
            }
        }
        let waiting = self.proposer.as_ref().map_or(0, |proposer| proposer.mempool().len());
        info!(block = self.follower.tip().number, waiting, "the node ends");
    }
}
