//! Several L1 nodes as one: while one does not answer, the next is asked.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use alloy::{
    primitives::U64,
    rpc::{
        client::RpcClient,
        json_rpc::{RequestPacket, ResponsePacket},
    },
    transports::{
        TransportError, TransportErrorKind, TransportFut,
        http::{
            Http,
            reqwest::{self, Client, Url},
        },
    },
};
use tower::Service;
use tracing::{info, warn};

/// After so long on another node the first is tried again.
const BACK_AFTER: Duration = Duration::from_secs(60);

/// Nodes in the order in which they are preferred.
#[derive(Clone)]
pub(crate) struct Failover(Arc<Inner>);

struct Inner {
    nodes: Vec<Node>,
    chain_id: u64,
    /// Which is asked first, and since when.
    current: Mutex<(usize, Instant)>,
}

struct Node {
    http: Http<Client>,
    /// Without what may be secret in its address.
    host: String,
    /// Whether it said that it is of the right chain.
    checked: AtomicBool,
}

impl Failover {
    /// Nodes of a chain. A request fails after `timeout`.
    pub(crate) fn new(urls: &[Url], chain_id: u64, timeout: Duration) -> Result<Self, TransportError> {
        let client = Client::builder().timeout(timeout).build();
        let client = client.map_err(|error| TransportErrorKind::custom(error.without_url()))?;
        let node = |url: &Url| Node {
            http: Http::with_client(client.clone(), url.clone()),
            host: url.host_str().unwrap_or_default().to_owned(),
            checked: AtomicBool::new(false),
        };
        Ok(Self(Arc::new(Inner {
            nodes: urls.iter().map(node).collect(),
            chain_id,
            current: Mutex::new((0, Instant::now())),
        })))
    }

    async fn ask(self, request: RequestPacket) -> Result<ResponsePacket, TransportError> {
        let Inner { nodes, chain_id, .. } = &*self.0;
        let first = self.first();
        let mut failure = TransportErrorKind::custom_str("no L1 node is configured");
        for place in (first..nodes.len()).chain(0..first) {
            let Some(node) = nodes.get(place) else { continue };
            match node.ask(*chain_id, request.clone()).await {
                Ok(answer) => {
                    if place != first {
                        info!(host = node.host, "another L1 node is asked");
                        *self.current() = (place, Instant::now());
                    }
                    return Ok(answer);
                }
                Err(error) => {
                    if nodes.len() > 1 {
                        warn!(host = node.host, %error, "an L1 node does not answer");
                    }
                    failure = error;
                }
            }
        }
        Err(failure)
    }

    /// The one that answered last, but for the best after a while.
    fn first(&self) -> usize {
        let mut current = self.current();
        if current.0 != 0 && current.1.elapsed() > BACK_AFTER {
            *current = (0, Instant::now());
        }
        current.0
    }

    fn current(&self) -> std::sync::MutexGuard<'_, (usize, Instant)> {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node {
    async fn ask(&self, chain_id: u64, request: RequestPacket) -> Result<ResponsePacket, TransportError> {
        // What a node of another chain says would look like a reorganisation of everything.
        if !self.checked.load(Ordering::Relaxed) {
            let client = RpcClient::new(self.http.clone(), false);
            let found: U64 = client.request_noparams("eth_chainId").await.map_err(without_address)?;
            if found != U64::from(chain_id) {
                let what = format!("it is of chain {found}, not {chain_id}");
                return Err(TransportErrorKind::custom_str(&what));
            }
            self.checked.store(true, Ordering::Relaxed);
        }
        self.http.clone().call(request).await.map_err(without_address)
    }
}

impl Service<RequestPacket> for Failover {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RequestPacket) -> Self::Future {
        Box::pin(self.clone().ask(request))
    }
}

/// Errors of HTTP name the address, which may have a key in it.
fn without_address(error: TransportError) -> TransportError {
    match error {
        TransportError::Transport(TransportErrorKind::Custom(error)) => match error.downcast::<reqwest::Error>() {
            Ok(error) => TransportErrorKind::custom(error.without_url()),
            Err(error) => TransportError::Transport(TransportErrorKind::Custom(error)),
        },
        error => error,
    }
}
