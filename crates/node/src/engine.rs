//! A node as a whole: one task that goes through everything block by block, and servers that show what it publishes.
//!
//! Each turn is sync, publish, watch, propose, in this order and never two at once; nothing in it waits for an inclusion. What
//! fails is sorted by [`Error::action`]: tried again with growing pauses, or the end of all acting. A node that has halted goes
//! on answering, not ready, with the reason.

mod begin;
mod metered;
mod proposing;
mod report;
mod turn;
mod watching;

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Config, ConfigError},
    error::Error,
    follower::Progress,
    server::{Condition, Ops, StartError as ServerError},
};

/// Longest pause before what failed is tried again: a slot, so that no more than a block goes by once it works.
const MAX_PAUSE: Duration = Duration::from_secs(12);

/// Why a node does not start. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A key cannot be read.
    #[error("{section}.key: {what}")]
    Key {
        /// Whose.
        section: &'static str,
        /// Which file, and what is wrong.
        what: String,
    },
    /// Watcher and proposer have the same key.
    #[error("watcher and proposer have the same key: a challenge must not queue behind a batch")]
    OneKey,
    /// The data folder cannot be used.
    #[error("{path}: {error}")]
    Data {
        /// The folder.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// The store cannot be opened, or there is no way to ask L1.
    #[error(transparent)]
    Node(#[from] Error),
    /// A server cannot listen.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// Figures cannot be recorded.
    #[error("metrics: {0}")]
    Metrics(String),
}

/// How a node ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was stopped.
    Stopped,
    /// It must not go on, for this reason.
    Halted(String),
    /// It panicked. Started again it goes on where it was.
    Failed(String),
}

/// A node that runs.
pub struct Node {
    stop: CancellationToken,
    task: JoinHandle<Ended>,
    watch: Watch,
    ops: Option<Ops>,
}

/// What can be seen of a node while it runs.
#[derive(Clone)]
pub struct Watch {
    condition: watch::Receiver<Condition>,
    progress: Arc<OnceLock<watch::Receiver<Progress>>>,
    api: Arc<OnceLock<SocketAddr>>,
}

impl Node {
    /// Starts a node. That L1 does not answer is no error: it is asked until it does.
    ///
    /// # Errors
    ///
    /// As [`StartError`] says.
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        begin::start(config).await
    }

    /// What can be seen of it from elsewhere.
    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// Where health and metrics are served.
    pub fn ops(&self) -> Option<SocketAddr> {
        self.ops.as_ref().map(Ops::address)
    }

    /// What asks it to end: [`Self::ended`] returns soon after.
    pub fn stopper(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Waits until it has ended, and its servers too.
    pub async fn ended(mut self) -> Ended {
        let ended = (&mut self.task).await;
        if let Some(ops) = self.ops.take() {
            ops.stop().await;
        }
        ended.unwrap_or_else(|error| Ended::Failed(format!("the engine failed: {error}")))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Watch {
    /// How it is.
    pub fn condition(&self) -> watch::Receiver<Condition> {
        self.condition.clone()
    }

    /// How far it is. None until L1 has answered.
    pub fn progress(&self) -> Option<watch::Receiver<Progress>> {
        self.progress.get().cloned()
    }

    /// Where wallets are answered. None until L1 has answered.
    pub fn api(&self) -> Option<SocketAddr> {
        self.api.get().copied()
    }
}

/// Pauses between attempts: each twice as long as the last one, until something works.
struct Pause {
    least: Duration,
    next: Duration,
}

impl Pause {
    const fn new(least: Duration) -> Self {
        Self { least, next: least }
    }

    /// The pause after a failure.
    fn after_failure(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(MAX_PAUSE.max(self.least));
        pause
    }

    const fn reset(&mut self) {
        self.next = self.least;
    }
}
