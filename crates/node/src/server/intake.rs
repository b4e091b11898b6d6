//! Takes intents in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nthroot_api::{Bundle, IntentId, IntentInfo, Refusal, Terms};
use nthroot_model::ledger::Ledger;
use nthroot_protocol::{BatchId, FragmentId};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{follower::Witness, mempool::Mempool, view::View};

/// Whoever takes intents. Methods may take as long as signature checks and a write to disk: they are called where that holds up
/// nobody else.
pub trait Intake: Send + Sync {
    /// Takes bundles, in this order, and keeps them over a restart before it returns; or says of each why it is refused. What it
    /// goes by is the latest view at that time: by an older one a bundle could be taken that was seen on L1 already.
    fn accept(&self, views: &watch::Receiver<View>, bundles: Vec<Bundle>) -> Vec<Result<IntentId, Refusal>>;

    /// Where a bundle is. None if it is not known.
    fn status(&self, view: &View, id: IntentId) -> Option<IntentInfo>;

    /// The nonce of a fragment's next intent, behind those that wait. None if its state is not known.
    fn next_nonce(&self, view: &View, fragment: FragmentId) -> Option<u64>;

    /// What is asked for carrying intents.
    fn terms(&self) -> Terms;
}

impl Intake for Mutex<Mempool> {
    fn accept(&self, views: &watch::Receiver<View>, bundles: Vec<Bundle>) -> Vec<Result<IntentId, Refusal>> {
        let mut mempool = locked(self);
        let view = views.borrow().clone();
        mempool.accept_all(&view, bundles)
    }

    fn status(&self, view: &View, id: IntentId) -> Option<IntentInfo> {
        locked(self).status(view, id)
    }

    fn next_nonce(&self, view: &View, fragment: FragmentId) -> Option<u64> {
        locked(self).next_nonce(view, fragment)
    }

    fn terms(&self) -> Terms {
        locked(self).terms()
    }
}

impl Witness for Mutex<Mempool> {
    fn see(&self, ledger: &Ledger, batch: BatchId) {
        locked(self).witness(ledger, batch);
    }

    fn keep(&self) -> bool {
        locked(self).keep_witnessed()
    }
}

fn locked(mempool: &Mutex<Mempool>) -> MutexGuard<'_, Mempool> {
    mempool.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bundles that are kept together, at most: then the wait for the disk is one for all.
const TOGETHER: usize = 64;

/// Bundles that may wait to be looked at. Whoever brings more waits with them.
const QUEUE: usize = 256;

type Answer = oneshot::Sender<Result<IntentId, Refusal>>;

/// Where bundles are handed in.
#[derive(Clone)]
pub(super) struct Counter {
    queue: mpsc::Sender<(Bundle, Answer)>,
}

impl Counter {
    /// Begins to take, until all clones are gone.
    pub(super) fn open(intake: Arc<dyn Intake>, views: watch::Receiver<View>) -> Self {
        let (queue, mut waiting) = mpsc::channel(QUEUE);
        // Not on a thread that answers others.
        tokio::task::spawn_blocking(move || {
            let mut next = Vec::with_capacity(TOGETHER);
            while let Some(first) = waiting.blocking_recv() {
                next.push(first);
                while next.len() < TOGETHER
                    && let Ok(more) = waiting.try_recv()
                {
                    next.push(more);
                }
                let (bundles, answers): (Vec<Bundle>, Vec<Answer>) = next.drain(..).unzip();
                for (result, answer) in intake.accept(&views, bundles).into_iter().zip(answers) {
                    // Fails if whoever asked is gone; what was taken is taken.
                    let _ = answer.send(result);
                }
            }
        });
        Self { queue }
    }

    /// Hands a bundle in. None if nobody takes any more.
    pub(super) async fn hand_in(&self, bundle: Bundle) -> Option<Result<IntentId, Refusal>> {
        let (answer, result) = oneshot::channel();
        self.queue.send((bundle, answer)).await.ok()?;
        result.await.ok()
    }
}
