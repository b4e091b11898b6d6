//! For those who run the node: whether it is well, and its figures. On a port of its own, which is not for the public.

use std::{future::IntoFuture, net::SocketAddr};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::{StartError, listen};

/// How often what was recorded is taken in, if nobody asks for it: until then it takes room.
const UPKEEP: std::time::Duration = std::time::Duration::from_secs(5);

/// How the node is, as the engine tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    /// Whether it is at L1's head.
    pub synced: bool,
    /// Why L1 does not answer, while it does not.
    pub l1: Option<String>,
    /// Why the node has stopped, if it has.
    pub halted: Option<String>,
    /// Why the proposer alone does nothing, while it does not.
    pub proposer: Option<String>,
}

impl Condition {
    /// Why it is not to be relied on. Empty if it is.
    pub fn problems(&self) -> Vec<String> {
        let synced = (!self.synced).then(|| "it is not at the head of L1".to_owned());
        let l1 = self.l1.as_ref().map(|error| format!("L1 does not answer: {error}"));
        let halted = self.halted.as_ref().map(|error| format!("it has halted: {error}"));
        [halted, l1, synced, self.proposer.clone()]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// What `/ready` says.
#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    problems: Vec<String>,
}

/// The server of `/metrics`, `/health` and `/ready`.
#[derive(Debug)]
pub struct Ops {
    address: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

#[derive(Clone)]
struct Known {
    figures: PrometheusHandle,
    condition: watch::Receiver<Condition>,
}

impl Ops {
    /// Begins to answer. `public`: it may be reachable from other machines.
    ///
    /// # Errors
    ///
    /// As [`StartError`] says.
    pub async fn start(
        address: SocketAddr,
        public: bool,
        figures: PrometheusHandle,
        condition: watch::Receiver<Condition>,
    ) -> Result<Self, StartError> {
        let listener = listen(address, public).await?;
        let address = listener.local_addr().unwrap_or(address);
        let stop = CancellationToken::new();
        let router = Router::new()
            .route("/metrics", get(metrics))
            .route("/health", get(async || "ok\n"))
            .route("/ready", get(ready))
            .with_state(Known {
                figures: figures.clone(),
                condition,
            });
        let server = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
        let serving = tokio::spawn(async move {
            let upkeep = async {
                loop {
                    tokio::time::sleep(UPKEEP).await;
                    figures.run_upkeep();
                }
            };
            tokio::select! {
                result = server.into_future() => if let Err(error) = result {
                    error!(%error, "figures are no longer served");
                },
                () = upkeep => {}
            }
        });
        info!(%address, "serving figures");
        Ok(Self { address, stop, serving })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends, when what is being answered is.
    pub async fn stop(self) {
        self.stop.cancel();
        let _ = self.serving.await;
    }
}

async fn metrics(State(known): State<Known>) -> impl IntoResponse {
    known.figures.run_upkeep();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], known.figures.render())
}

async fn ready(State(known): State<Known>) -> impl IntoResponse {
    let problems = known.condition.borrow().problems();
    let ready = problems.is_empty();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = serde_json::to_string(&Readiness { ready, problems }).unwrap_or_default();
    (status, [(CONTENT_TYPE, "application/json")], body)
}
