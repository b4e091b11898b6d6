//! How far a follower is, while it catches up.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::info;

/// How often the log says how far it is.
const LOG_EVERY: Duration = Duration::from_secs(5);

/// How far a follower is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Progress {
    /// The last block derived from.
    pub block: u64,
    /// L1's latest block, as of the last time that it was asked.
    pub target: u64,
    /// Steps that were judged since the follower was opened.
    pub steps: u64,
    /// Steps per second since it began to catch up.
    pub rate: f64,
}

/// Tells whoever listens.
pub(super) struct Reporter {
    sender: watch::Sender<Progress>,
    /// When this run began, and with how many steps.
    began: (Instant, u64),
    logged: Instant,
}

impl Reporter {
    pub(super) fn new(block: u64) -> Self {
        let (sender, now) = (watch::Sender::default(), Instant::now());
        sender.send_modify(|progress: &mut Progress| progress.block = block);
        Self {
            sender,
            began: (now, 0),
            logged: now,
        }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Progress> {
        self.sender.subscribe()
    }

    /// A run up to `target` begins.
    pub(super) fn begin(&mut self, target: u64) {
        self.began = (Instant::now(), self.sender.borrow().steps);
        self.sender.send_modify(|progress| progress.target = target);
    }

    pub(super) fn add_steps(&self, steps: u16) {
        self.sender.send_if_modified(|progress| {
            progress.steps += u64::from(steps);
            false
        });
    }

    pub(super) fn reached(&mut self, block: u64) {
        let (began, steps) = self.began;
        self.sender.send_modify(|progress| {
            progress.block = block;
            let seconds = began.elapsed().as_secs_f64().max(1e-9);
            // Steps of one run are far below 2^32.
            progress.rate = f64::from(u32::try_from(progress.steps - steps).unwrap_or(u32::MAX)) / seconds;
        });
        let Progress {
            target, steps, rate, ..
        } = *self.sender.borrow();
        if block < target && self.logged.elapsed() >= LOG_EVERY {
            self.logged = Instant::now();
            info!(block, target, steps, rate = rate.round(), "catching up");
        }
    }
}
