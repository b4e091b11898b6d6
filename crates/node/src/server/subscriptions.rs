//! Tells those who subscribed what changes.
//!
//! Each subscription looks at the latest view when it has sent what it had to say: what a client is too slow for it never
//! sees, and nothing waits for it but one message. A client that takes that too slowly is cut off.

use std::{future::ready, time::Duration};

use ::metrics::{counter, gauge};
use jsonrpsee::{PendingSubscriptionSink, SendTimeoutError, SubscriptionSink, core::SubscriptionResult};
use nthroot_api::{Failure, IntentId, IntentInfo};
use nthroot_protocol::FragmentId;
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{answers, rpc::Desk};
use crate::{metrics, view::View};

/// How often a bundle is looked at between blocks: it is posted some time after a block.
const LOOK: Duration = Duration::from_millis(500);

/// Serves a subscription.
pub(super) struct Subscriber {
    pub(super) desk: Desk,
    pub(super) views: watch::Receiver<View>,
    pub(super) patience: Duration,
    pub(super) cut: CancellationToken,
}

/// What to say.
enum Say<T> {
    /// This, if it is something else than before.
    Now(T),
    /// This, and then nothing more.
    Last(T),
}

impl Subscriber {
    /// Each new block.
    pub(super) async fn blocks(self, pending: PendingSubscriptionSink) -> SubscriptionResult {
        let sink = pending.accept().await?;
        let say = |_, view: View| ready(Some(Say::Now(answers::tip(&view))));
        self.tell(sink, None, say, PartialEq::eq).await
    }

    /// A fragment.
    pub(super) async fn fragment(self, pending: PendingSubscriptionSink, id: FragmentId) -> SubscriptionResult {
        let sink = pending.accept().await?;
        let say = |desk: Desk, view| async move { Some(Say::Now(desk.fragment(view, id).await.ok()?)) };
        self.tell(sink, None, say, PartialEq::eq).await
    }

    /// A bundle.
    pub(super) async fn intent(self, pending: PendingSubscriptionSink, id: IntentId) -> SubscriptionResult {
        if let Ok(None) = self.desk.status(id).await {
            pending.reject(Failure::UnknownIntent { id }).await;
            return Ok(());
        }
        let sink = pending.accept().await?;
        let say = |desk: Desk, _| async move {
            let info = desk.status(id).await.ok()??;
            Some(if info.status.is_over() {
                Say::Last(info)
            } else {
                Say::Now(info)
            })
        };
        // That time goes by is no news.
        let same = |before: &IntentInfo, now: &IntentInfo| before.status == now.status;
        self.tell(sink, Some(LOOK), say, same).await
    }

    /// Says what `say` does whenever it changes: with each view, and `every` so often. Ends when the client goes, nothing more
    /// can be said, or the node stops.
    async fn tell<T, S>(
        mut self,
        sink: SubscriptionSink,
        every: Option<Duration>,
        say: impl Fn(Desk, View) -> S + Send,
        same: impl Fn(&T, &T) -> bool + Send,
    ) -> SubscriptionResult
    where
        T: Serialize + Send + Sync,
        S: Future<Output = Option<Say<T>>> + Send,
    {
        let _open = Open::new();
        let mut said: Option<T> = None;
        loop {
            let view = self.views.borrow_and_update().clone();
            let (now, last) = match say(self.desk.clone(), view).await {
                Some(Say::Now(now)) => (now, false),
                Some(Say::Last(now)) => (now, true),
                None => return Ok(()),
            };
            if !said.as_ref().is_some_and(|said| same(said, &now)) {
                let message = serde_json::value::to_raw_value(&now)?;
                match sink.send_timeout(message, self.patience).await {
                    Ok(()) => said = Some(now),
                    Err(SendTimeoutError::Timeout(_)) => {
                        counter!(metrics::SLOW_CLIENTS).increment(1);
                        self.cut.cancel();
                        return Ok(());
                    }
                    Err(SendTimeoutError::Closed(_)) => return Ok(()),
                }
            }
            if last {
                return Ok(());
            }
            let pause = async {
                match every {
                    Some(every) => tokio::time::sleep(every).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = sink.closed() => return Ok(()),
                changed = self.views.changed() => if changed.is_err() { return Ok(()) },
                () = pause => {}
            }
        }
    }
}

/// Counts an open subscription.
struct Open;

impl Open {
    fn new() -> Self {
        gauge!(metrics::SUBSCRIPTIONS).increment(1);
        Self
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        gauge!(metrics::SUBSCRIPTIONS).decrement(1);
    }
}
