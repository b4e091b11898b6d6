//! Tells people what a node found and what it cannot do: in the log, in the metrics, and to a webhook.
//!
//! Raising an alert never waits and never fails. The same alert is told once an hour, however often it is raised, and of each
//! kind only so many a minute; what was held back is counted in the next. The log has every alert that is told, whether or not
//! the webhook takes it.

mod filter;
mod webhook;

use std::{
    fmt::{self, Display, Formatter},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use self::webhook::{Message, Webhook};
pub use self::{
    filter::{Filter, Told},
    webhook::Pace,
};
use crate::{
    config::Endpoint,
    error::{Action, Error},
    follower::Trouble,
    metrics,
    outbox::{Event, Purpose},
    watcher::Work,
};

/// Alerts that wait for the webhook at most; more are in the log only.
const QUEUE: usize = 256;

/// How much somebody should hurry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Look at it today.
    Warning,
    /// Money is at stake until somebody looks.
    Critical,
}

impl Severity {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What alerts are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A batch has a lie that can be proved.
    LieFound,
    /// A lie was not proved in its window, and stands for ever.
    LieFinal,
    /// This node proved a lie.
    Convicted,
    /// The contracts hold valid what the model holds a lie.
    VerdictDiffers,
    /// The node stopped because what it saw must not be.
    Halted,
    /// A proof or a roll-back is refused by L1, although nobody else did it.
    DutyRefused,
    /// A transaction waits, and neither its budget nor the key's balance allows more.
    BudgetExhausted,
    /// A transaction was included and failed.
    TransactionFailed,
    /// The L1 node does not take a transaction.
    TransactionRefused,
    /// Something else sends with a key of this node.
    KeyShared,
    /// A reorganisation took back many blocks, or final ones.
    DeepReorg,
    /// The L1 node has not answered for a while.
    L1Unreachable,
    /// The L1 node has had no new block for a while.
    L1Stale,
    /// The proposer's free bond is low.
    BondLow,
    /// A key's balance is low.
    BalanceLow,
    /// The store cannot be read or written.
    StoreFailing,
    /// L1 and what was derived from it did not fit for long: all is derived again.
    DerivesAgain,
    /// The L1 node does not prove what the bridge holds.
    Unverified,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::LieFound,
        Self::LieFinal,
        Self::Convicted,
        Self::VerdictDiffers,
        Self::Halted,
        Self::DutyRefused,
        Self::BudgetExhausted,
        Self::TransactionFailed,
        Self::TransactionRefused,
        Self::KeyShared,
        Self::DeepReorg,
        Self::L1Unreachable,
        Self::L1Stale,
        Self::BondLow,
        Self::BalanceLow,
        Self::StoreFailing,
        Self::DerivesAgain,
        Self::Unverified,
    ];

    /// Its name, as metrics, logs and webhooks have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LieFound => "lie_found",
            Self::LieFinal => "lie_final",
            Self::Convicted => "convicted",
            Self::VerdictDiffers => "verdict_differs",
            Self::Halted => "halted",
            Self::DutyRefused => "duty_refused",
            Self::BudgetExhausted => "budget_exhausted",
            Self::TransactionFailed => "transaction_failed",
            Self::TransactionRefused => "transaction_refused",
            Self::KeyShared => "key_shared",
            Self::DeepReorg => "deep_reorg",
            Self::L1Unreachable => "l1_unreachable",
            Self::L1Stale => "l1_stale",
            Self::BondLow => "bond_low",
            Self::BalanceLow => "balance_low",
            Self::StoreFailing => "store_failing",
            Self::DerivesAgain => "derives_again",
            Self::Unverified => "unverified",
        }
    }

    /// How much it matters.
    pub const fn severity(self) -> Severity {
        match self {
            Self::Convicted => Severity::Info,
            Self::TransactionFailed
            | Self::TransactionRefused
            | Self::KeyShared
            | Self::BondLow
            | Self::BalanceLow
            | Self::DeepReorg
            | Self::Unverified => Severity::Warning,
            Self::LieFound
            | Self::LieFinal
            | Self::VerdictDiffers
            | Self::Halted
            | Self::DutyRefused
            | Self::BudgetExhausted
            | Self::L1Unreachable
            | Self::L1Stale
            | Self::StoreFailing
            | Self::DerivesAgain => Severity::Critical,
        }
    }

    /// How long it must go on before it is told: what mostly ends by itself.
    pub const fn grace(self) -> Duration {
        match self {
            Self::L1Unreachable | Self::StoreFailing => Duration::from_secs(30),
            _ => Duration::ZERO,
        }
    }
}

/// Something that people should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// What kind of thing.
    pub kind: Kind,
    /// What it is about, such as a batch: two alerts of the same kind about the same are the same.
    pub subject: String,
    /// The whole of it, for a person.
    pub text: String,
}

impl Alert {
    /// An alert.
    pub fn new(kind: Kind, subject: impl Display, text: impl Display) -> Self {
        Self {
            kind,
            subject: subject.to_string(),
            text: text.to_string(),
        }
    }

    /// What the event of an outbox is worth.
    pub fn of_event(event: &Event) -> Option<Self> {
        Some(match event {
            Event::Included {
                purpose: Some(Purpose::Convict(batch)),
                hash,
                block,
                ..
            } => {
                let text = format!("proved the lie in batch {batch}, in block {block} by transaction {hash}");
                Self::new(Kind::Convicted, batch, text)
            }
            // Somebody else was faster: it is done.
            Event::Failed { purpose, revert, .. } if purpose.is_some_and(Purpose::is_duty) && revert.is_late() => {
                return None;
            }
            Event::Failed {
                purpose, hash, revert, ..
            } => {
                let text = format!("transaction {hash} to {} failed: {revert}", What(*purpose));
                Self::new(Kind::TransactionFailed, What(*purpose), text)
            }
            Event::Exhausted { purpose, offer } => {
                let text = format!(
                    "the transaction to {} waits at {} wei for a unit of gas, and its budget or the key's balance allows no more",
                    What(*purpose),
                    offer.max_fee
                );
                Self::new(Kind::BudgetExhausted, What(*purpose), text)
            }
            Event::Refused { purpose, error } => {
                let text = format!(
                    "the L1 node does not take the transaction to {}: {error}",
                    What(*purpose)
                );
                Self::new(Kind::TransactionRefused, What(*purpose), text)
            }
            Event::Taken { nonce, block, .. } => {
                let text = format!(
                    "a transaction that this node did not send used nonce {nonce} of its key, about block {block}"
                );
                Self::new(Kind::KeyShared, nonce, text)
            }
            Event::Contested { nonce, .. } => {
                let text = format!(
                    "a transaction that this node did not send waits under nonce {nonce} of its key: stop what else sends with that \
                     key, unless it is this node itself with a store that was lost"
                );
                Self::new(Kind::KeyShared, nonce, text)
            }
            Event::Unwritten { error } => {
                let text = format!("proofs are sent without being written down, and nothing else is sent: {error}");
                Self::new(Kind::StoreFailing, "outbox", text)
            }
            Event::Sent { .. } | Event::Included { .. } | Event::Unmined { .. } => return None,
        })
    }

    /// What a failed operation is worth. What is tried again because L1 moved on is worth nothing.
    pub fn of_error(error: &Error) -> Option<Self> {
        let kind = match error {
            Error::VerdictDiffers { batch, .. } => return Some(Self::new(Kind::VerdictDiffers, batch, error)),
            Error::Transport(_) => Kind::L1Unreachable,
            Error::Store { .. } => Kind::StoreFailing,
            error if error.action() == Action::Halt => Kind::Halted,
            _ => return None,
        };
        Some(Self::new(kind, "", error))
    }

    /// What a follower has trouble with.
    pub fn of_trouble(trouble: &Trouble) -> Self {
        match trouble {
            Trouble::DerivesAgain(error) => {
                let text =
                    format!("L1 and what was derived from it did not fit for long, all is derived again: {error}");
                Self::new(Kind::DerivesAgain, "", text)
            }
            Trouble::Unverified(why) => {
                let text = format!(
                    "the L1 node does not prove what the bridge holds, so that nothing tells whether it kept events back: {why}"
                );
                Self::new(Kind::Unverified, "", text)
            }
            Trouble::Store(error) => Self::new(
                Kind::StoreFailing,
                "checkpoint",
                format!("following goes on, a restart would begin at an older block: {error}"),
            ),
        }
    }

    /// What a look at a watcher's duties is worth.
    pub fn of_work(work: &Work) -> Vec<Self> {
        let lie = |lie: &nthroot_model::ledger::Lie| {
            let text = format!("step {} of batch {} is a lie: {}", lie.step, lie.batch, lie.reason);
            Self::new(Kind::LieFound, lie.batch, text)
        };
        let refused = |(purpose, revert): &(Purpose, crate::Revert)| {
            let what = What(Some(*purpose));
            Self::new(Kind::DutyRefused, &what, format!("L1 refuses to {what}: {revert}"))
        };
        let lies = work.lies.iter().map(lie);
        let failed = work.failed.iter().filter_map(Self::of_error);
        lies.chain(work.refused.iter().map(refused)).chain(failed).collect()
    }
}

/// A purpose, as a person reads it.
struct What(Option<Purpose>);

impl Display for What {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(Purpose::Submit(hash)) => write!(f, "submit the batch with hash {hash}"),
            Some(Purpose::Convict(batch)) => write!(f, "convict batch {batch}"),
            Some(Purpose::Condemn(batch)) => write!(f, "condemn batch {batch}"),
            Some(Purpose::Unwind(batch)) => write!(f, "unwind batch {batch}"),
            Some(Purpose::Claim { batch, position }) => write!(f, "claim withdrawal {position} of batch {batch}"),
            Some(Purpose::Other(name)) => write!(f, "do {name}"),
            None => write!(f, "cancel another one"),
        }
    }
}

/// What the one who posts is told.
enum Order {
    Post(Message),
    /// Answer when all before it is done.
    Flush(oneshot::Sender<()>),
}

/// Where alerts are raised; clones raise at the same place.
#[derive(Clone)]
pub struct Alerts {
    filter: Arc<Mutex<Filter>>,
    queue: Option<mpsc::Sender<Order>>,
}

impl Alerts {
    /// Tells the log, and the webhook if there is one. Must be called within a tokio runtime.
    pub fn start(webhook: Option<Endpoint>, pace: Pace) -> Self {
        let queue = webhook.map(|endpoint| {
            let (queue, mut orders) = mpsc::channel(QUEUE);
            let webhook = Webhook::new(endpoint, pace);
            tokio::spawn(async move {
                while let Some(order) = orders.recv().await {
                    match order {
                        Order::Post(message) => webhook.post(&message).await,
                        // Whoever asked may not wait any more.
                        Order::Flush(done) => drop(done.send(())),
                    }
                }
            });
            queue
        });
        Self {
            filter: Arc::default(),
            queue,
        }
    }

    /// Tells people, unless they were told the same lately. Never waits.
    pub fn raise(&self, alert: Alert) {
        let told = {
            let mut filter = self.filter.lock().unwrap_or_else(PoisonError::into_inner);
            filter.admit(&alert, Instant::now())
        };
        let Some(Told { held_back }) = told else { return };
        let (kind, subject, text) = (alert.kind, &alert.subject, &alert.text);
        let name = kind.name();
        match kind.severity() {
            Severity::Info => info!(alert = name, subject, held_back, "{text}"),
            Severity::Warning => warn!(alert = name, subject, held_back, "{text}"),
            Severity::Critical => error!(alert = name, subject, held_back, "{text}"),
        }
        let Some(queue) = &self.queue else {
            count(kind, "logged");
            return;
        };
        let message = Message { alert, held_back };
        if queue.try_send(Order::Post(message)).is_err() {
            warn!(alert = name, "the webhook does not keep up, the alert is not posted");
            count(kind, "failed");
        }
    }

    /// Raises each.
    pub fn raise_all(&self, alerts: impl IntoIterator<Item = Alert>) {
        for alert in alerts {
            self.raise(alert);
        }
    }

    /// Waits until what was raised is posted, but no longer than this: before a process ends.
    pub async fn flush(&self, within: Duration) {
        let Some(queue) = &self.queue else { return };
        let (done, flushed) = oneshot::channel();
        let flush = async {
            if queue.send(Order::Flush(done)).await.is_ok() {
                // It fails if the one who posts is gone: then there is nothing to wait for.
                let _ = flushed.await;
            }
        };
        if tokio::time::timeout(within, flush).await.is_err() {
            warn!("not all alerts were posted");
        }
    }
}

fn count(kind: Kind, outcome: &'static str) {
    ::metrics::counter!(metrics::ALERTS, "kind" => kind.name(), "outcome" => outcome).increment(1);
}
