//! `nthroot watch`: follows something until it is final.

use std::str::FromStr;

use alloy::primitives::B256;
use eyre::{Result, bail};
use jsonrpsee::{core::client::Subscription, ws_client::WsClient};
use nthroot_api::{ApiClient, IntentStatus, Tip};
use nthroot_model::ledger::Ledger;
use nthroot_protocol::{BatchId, FragmentId, Status};
use serde_json::{Value, json};

use crate::{
    args::Chain,
    carrier::{Carrier, Refused},
    client::Client,
    light::Light,
    progress::{Progress, print_line},
    reach::{Reach, View, held_in},
    text::thousands,
};

/// Follow a fragment, a batch or an intent until it is final
///
/// It ends with status 0 when that is final, and with 1 when it will not be: the batch was rolled back, the intent was dropped. With
/// --json it prints a line for each change.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  nthroot watch 12.1/0#0\n  nthroot watch 14.1\n  nthroot watch 0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470 --node http://127.0.0.1:8590"
)]
pub(crate) struct Args {
    /// A fragment (as 12.1/0#0), a batch (as 14.1), or an intent that a node took (0x and 64 digits)
    #[arg(value_name = "ID")]
    id: Target,

    #[command(flatten)]
    chain: Chain,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Fragment(FragmentId),
    Batch(BatchId),
    Intent(B256),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fragment = text.parse().map(Self::Fragment).ok();
        let batch = || text.parse().map(Self::Batch).ok();
        let intent = || text.parse().map(Self::Intent).ok();
        fragment.or_else(batch).or_else(intent).ok_or_else(|| {
            format!(
                "`{text}` is neither a fragment (as 12.1/0#0), nor a batch (as 14.1), nor an intent (0x and 64 digits)"
            )
        })
    }
}

/// How something stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Seen {
    status: &'static str,
    /// What wrote it, or carries it.
    batch: Option<BatchId>,
    final_at: Option<u64>,
    transaction: Option<B256>,
    /// Whether it is over, well or not.
    end: Option<Result<(), String>>,
    /// Why it was dropped.
    refused: Option<Value>,
}

impl Seen {
    fn json(&self, id: &str, clock: u64) -> Value {
        json!({
            "id": id,
            "status": self.status,
            "block": clock,
            "batch": self.batch,
            "transaction": self.transaction,
            "finalAt": self.final_at,
            "reason": self.end.as_ref().and_then(|end| end.as_ref().err()),
            "refused": self.refused,
        })
    }

    fn line(&self, id: &str, clock: u64) -> String {
        let batch = self.batch.map_or(String::new(), |batch| format!(" in batch {batch}"));
        let when = self
            .final_at
            .map_or(String::new(), |block| format!("; final at block {}", thousands(block)));
        format!("block {}: {id} is {}{batch}{when}", thousands(clock), self.status)
    }
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let mut reach = Reach::connect(&args.chain, None, &[]).await?;
    let id = match args.id {
        Target::Fragment(id) => id.to_string(),
        Target::Batch(id) => id.to_string(),
        Target::Intent(id) => id.to_string(),
    };
    let mut clock = Clock::start(&reach).await;
    let progress = Progress::blocks(reach.view().clock());
    let mut last = None;
    loop {
        let now = reach.view().clock();
        let seen = match &reach {
            Reach::Chain(client) => on_chain(client, args.id)?,
            Reach::Node(light) => by_node(light, args.id).await?,
        };
        if last.as_ref() != Some(&seen) {
            if args.chain.json {
                print_line(&seen.json(&id, now));
            } else {
                progress.say(&seen.line(&id, now));
            }
        }
        match &seen.end {
            Some(Ok(())) => return Ok(()),
            Some(Err(why)) => bail!("{id} will not be final: {why}"),
            None => {}
        }
        progress.set(seen.status, now, seen.final_at);
        last = Some(seen);
        clock.tick().await;
        reach.next().await?;
    }
}

/// When to look again: a node tells of blocks over WebSocket, so that it need not be asked all the time.
struct Clock(Option<(WsClient, Subscription<Tip>)>);

impl Clock {
    async fn start(reach: &Reach) -> Self {
        let Reach::Node(light) = reach else { return Self(None) };
        Self(blocks(&light.carrier).await.ok())
    }

    /// Until there is something new, or a second is over: an intent goes on between blocks too.
    async fn tick(&mut self) {
        let Some((_, blocks)) = &mut self.0 else { return };
        let second = std::time::Duration::from_secs(1);
        if let Ok(None | Some(Err(_))) = tokio::time::timeout(second, blocks.next()).await {
            // The connection is over: from now on it is asked.
            self.0 = None;
        }
    }
}

async fn blocks(carrier: &Carrier) -> Result<(WsClient, Subscription<Tip>)> {
    let client = carrier.subscribe().await?;
    let blocks = client.subscribe_blocks().await?;
    Ok((client, blocks))
}

fn on_chain(client: &Client, target: Target) -> Result<Seen> {
    let ledger = client.ledger();
    match target {
        Target::Intent(_) => {
            bail!("only the node that took an intent knows it: name it with --node, or watch its fragment")
        }
        Target::Batch(id) => match ledger.status(id) {
            Some(status) => Ok(batch(ledger, id, status)),
            None => bail!("there is no batch {id}: it was never posted, or L1 was reorganised"),
        },
        Target::Fragment(id) => {
            let fragment = client.fragment(id)?;
            let written = ledger.head(id.anchor()).map(|head| head.id);
            let held = held_in(ledger, id, fragment);
            let mut seen = match written.and_then(|id| Some((id, ledger.status(id)?))) {
                Some((id, status)) => batch(ledger, id, status),
                None => Seen::default(),
            };
            if held.is_final() {
                seen.status = "final";
                seen.end = Some(Ok(()));
            } else {
                // Not yet over: its batch may be rolled back, and then the fragment is what it was before.
                seen.end = None;
            }
            Ok(seen)
        }
    }
}

fn batch(ledger: &Ledger, id: BatchId, status: Status) -> Seen {
    let final_at = ledger.final_at(id);
    let (status, end) = match status {
        Status::Live if ledger.is_final(id) => ("final", Some(Ok(()))),
        Status::Live if final_at.is_none() => ("held up by an older fault", None),
        Status::Live if !ledger.lies_of(id).is_empty() => ("a lie that nobody has proved yet", None),
        Status::Live => ("pending", None),
        Status::Faulty => ("convicted", Some(Err("it was proved to be a lie".to_owned()))),
        Status::Condemned => (
            "condemned",
            Some(Err("it is built on a lie, and is rolled back".to_owned())),
        ),
        Status::Unwound => ("rolled back", Some(Err("it was rolled back".to_owned()))),
    };
    Seen {
        status,
        batch: Some(id),
        final_at,
        end,
        ..Seen::default()
    }
}

async fn by_node(light: &Light, target: Target) -> Result<Seen> {
    let (carrier, clock) = (&light.carrier, light.clock());
    match target {
        Target::Batch(id) => {
            let Some(info) = carrier.said(carrier.http.batch(id).await)? else {
                bail!("the node knows no batch {id}");
            };
            let (status, end) = match info.status.as_str() {
                _ if info.is_final => ("final", Some(Ok(()))),
                "live" if info.final_at.is_none() => ("held up by an older fault", None),
                "live" => ("pending", None),
                other => ("undone", Some(Err(format!("it is {other}")))),
            };
            Ok(Seen {
                status,
                batch: Some(id),
                final_at: info.final_at,
                end,
                ..Seen::default()
            })
        }
        Target::Fragment(id) => {
            let Some(info) = carrier.said(carrier.http.fragment(id).await)? else {
                bail!("there is no fragment {id}");
            };
            let reached = info.final_at.is_some_and(|block| block <= clock);
            let is_final = info.pending.is_some() && (reached || info.pending == info.settled);
            Ok(Seen {
                status: if is_final { "final" } else { "pending" },
                batch: Some(info.head.id),
                final_at: info.final_at,
                end: is_final.then_some(Ok(())),
                ..Seen::default()
            })
        }
        Target::Intent(id) => {
            let Some(info) = carrier.said(carrier.http.intent(id).await)? else {
                bail!("the node does not know intent {id}");
            };
            Ok(of_intent(info.status))
        }
    }
}

fn of_intent(status: IntentStatus) -> Seen {
    let seen = Seen::default();
    match status {
        IntentStatus::Waiting { .. } => Seen {
            status: "waiting for a batch",
            ..seen
        },
        IntentStatus::Posted { transaction } => Seen {
            status: "on its way to L1",
            transaction: Some(transaction),
            ..seen
        },
        IntentStatus::Included { batch, final_at, .. } => Seen {
            status: "included",
            batch: Some(batch),
            final_at,
            ..seen
        },
        IntentStatus::Final { batch, .. } => Seen {
            status: "final",
            batch: Some(batch),
            end: Some(Ok(())),
            ..seen
        },
        IntentStatus::Dropped { reason, .. } => {
            let refused = Refused(reason);
            Seen {
                status: "dropped",
                refused: Some(refused.json()),
                end: Some(Err(refused.to_string())),
                ..seen
            }
        }
    }
}
