//! Answers wallets and explorers: JSON-RPC over HTTP and WebSocket on one port, from what the engine publishes.
//!
//! Whoever asks may be anybody. So everything is bounded: connections in all and from each address, requests by rate, bodies,
//! batches, pages and answers by size, each request by time, and what waits for a client that does not read by the
//! [`patience`](Limits::patience) after which it is cut off. Nothing that is asked keeps the engine waiting.

mod answers;
mod guard;
mod http;
mod intake;
mod limits;
mod ops;
mod rpc;
mod socket;
mod subscriptions;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use jsonrpsee::server::{BatchRequestConfig, PingConfig, ServerBuilder, ServerConfig, ServerHandle, stop_channel};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use intake::Intake;
pub use limits::Limits;
pub use ops::{Condition, Ops};

use self::{guard::GuardLayer, http::Door, rpc::Desk};
use crate::view::View;

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It would be reachable from elsewhere.
    #[error("{0} can be reached from other machines: say `public` if that is meant, or listen on 127.0.0.1")]
    Public(SocketAddr),
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    calls: ServerHandle,
    accepting: JoinHandle<()>,
    cut: CancellationToken,
    connections: Arc<Semaphore>,
    limit: u32,
}

impl Server {
    /// Longest that [`Self::stop`] waits for answers that are on their way.
    const GRACE: Duration = Duration::from_secs(5);

    /// Begins to answer from what is published. Without an `intake` intents are refused.
    ///
    /// # Errors
    ///
    /// As [`StartError`] says.
    pub async fn start(
        limits: Limits,
        views: watch::Receiver<View>,
        intake: Option<Arc<dyn Intake>>,
    ) -> Result<Self, StartError> {
        let listener = Self::listen(&limits).await?;
        Ok(Self::start_at(listener, limits, views, intake))
    }

    /// Takes the address, at which nobody is answered yet: so that one which is taken is known before there is anything to say.
    ///
    /// # Errors
    ///
    /// As [`StartError`] says.
    pub async fn listen(limits: &Limits) -> Result<TcpListener, StartError> {
        listen(limits.listen, limits.public).await
    }

    /// As [`Self::start`], at an address that was taken before.
    pub fn start_at(
        listener: TcpListener,
        limits: Limits,
        views: watch::Receiver<View>,
        intake: Option<Arc<dyn Intake>>,
    ) -> Self {
        let address = listener.local_addr().unwrap_or(limits.listen);
        let (stopped, calls) = stop_channel();
        let limits = Arc::new(limits);
        let rpc = jsonrpsee::server::middleware::rpc::RpcServiceBuilder::new().layer(GuardLayer::new(&limits));
        let service = ServerBuilder::with_config(config(&limits))
            .set_rpc_middleware(rpc)
            .to_service_builder();
        let stop = CancellationToken::new();
        let cut = CancellationToken::new();
        let limit = limits.max_connections;
        let connections = Arc::new(Semaphore::new(usize::try_from(limit).unwrap_or(usize::MAX)));
        let door = Door {
            desk: Desk::new(limits.clone(), views, intake),
            limits,
            service,
            stopped,
            stop: stop.clone(),
            cut: cut.clone(),
            connections: connections.clone(),
            of_client: Arc::default(),
        };
        info!(%address, "answering");
        Self {
            address,
            stop,
            calls,
            accepting: tokio::spawn(door.open(listener)),
            cut,
            connections,
            limit,
        }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests, answers those that it has, and closes all connections: those that take longer than some seconds
    /// are cut off.
    pub async fn stop(self) {
        self.stop.cancel();
        // Fails if nobody is connected.
        let _ = self.calls.stop();
        let _ = self.accepting.await;
        let all_closed = self.connections.acquire_many(self.limit);
        if tokio::time::timeout(Self::GRACE, all_closed).await.is_err() {
            warn!("connections that do not close are cut off");
        }
        self.cut.cancel();
    }
}

/// Listens, on this machine's loopback unless it shall be public.
async fn listen(address: SocketAddr, public: bool) -> Result<TcpListener, StartError> {
    if !public && !address.ip().is_loopback() {
        return Err(StartError::Public(address));
    }
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| StartError::Listen { address, error })
}

/// The bounds that jsonrpsee keeps.
fn config(limits: &Limits) -> ServerConfig {
    ServerConfig::builder()
        .max_request_body_size(limits.max_request_bytes)
        .max_response_body_size(limits.max_response_bytes)
        // What is counted here is requests: connections are counted where they are accepted.
        .max_connections(u32::MAX >> 4)
        .max_subscriptions_per_connection(limits.max_subscriptions)
        .set_batch_request_config(BatchRequestConfig::Limit(limits.max_batch))
        // Each subscription has at most one message waiting, and each call its answer.
        .set_message_buffer_capacity(limits.max_subscriptions.saturating_add(limits.max_batch).max(1))
        .enable_ws_ping(PingConfig::new())
        .build()
}
