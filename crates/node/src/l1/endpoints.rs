//! Several L1 nodes behind one address: one answers, the others stand by.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use alloy::{
    rpc::json_rpc::{ErrorPayload, Id, Request, RequestPacket, ResponsePacket},
    transports::{
        TransportError, TransportErrorKind, TransportFut,
        http::{Http, reqwest, reqwest::Url},
    },
};
use tower::Service;
use tracing::warn;

use crate::error::{Error, Result};

/// How long to wait before an L1 node that is asked too often is asked again; each further time twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// How often all of them are asked that say that they are asked too often: 250 ms to 4 s of waiting, 8 s in all.
const ROUNDS: usize = 6;

/// L1 nodes of one chain. One is active; when it fails, the next one is.
#[derive(Clone)]
pub(super) struct Endpoints(Arc<Inner>);

struct Inner {
    endpoints: Vec<Endpoint>,
    chain_id: u64,
    /// How often another one became active: the active one is this, modulo their number.
    turn: AtomicUsize,
}

struct Endpoint {
    http: Http<reqwest::Client>,
    /// Whether it said that it is of this chain.
    checked: AtomicBool,
}

/// Host and port of an address: the rest of it may be a secret. A question mark for what is no address.
pub fn host_of(url: &str) -> String {
    url.parse::<Url>().map_or_else(
        |_| "?".to_owned(),
        |url| url.authority().rsplit('@').next().unwrap_or("?").to_owned(),
    )
}

impl Endpoint {
    fn name(&self) -> String {
        host_of(self.http.url())
    }

    async fn ask(&self, request: RequestPacket) -> Result<ResponsePacket, TransportError> {
        self.http.clone().call(request).await.map_err(without_address)
    }

    async fn chain_id(&self) -> Result<u64, TransportError> {
        let request = Request::new("eth_chainId", Id::Number(0), ()).serialize();
        let answer = self.ask(request.map_err(TransportError::ser_err)?.into()).await?;
        let text = answer.first_payload().and_then(|payload| payload.as_success());
        let id = text.and_then(|text| serde_json::from_str::<alloy::primitives::U64>(text.get()).ok());
        id.map(|id| id.to())
            .ok_or_else(|| TransportErrorKind::custom_str("it does not tell its chain"))
    }
}

impl Endpoints {
    /// Nodes at these addresses, each request of which is answered within `timeout` or not at all. One at least must answer now.
    pub(super) async fn connect(urls: &[impl AsRef<str>], timeout: Duration) -> Result<Self> {
        let client = reqwest::Client::builder().timeout(timeout).build();
        let client = client.map_err(|error| Error::missing(format!("HTTP client: {error}")))?;
        let endpoint = |url: &str| {
            let parsed = url.parse();
            let url: Url = parsed.map_err(|error| Error::missing(format!("address that can be read: {error}")))?;
            Ok(Endpoint {
                http: Http::with_client(client.clone(), url),
                checked: AtomicBool::new(false),
            })
        };
        let endpoints: Vec<Endpoint> = urls.iter().map(|url| endpoint(url.as_ref())).collect::<Result<_>>()?;

        let mut chain = None;
        let mut failure = Error::missing("address");
        for (place, endpoint) in endpoints.iter().enumerate() {
            match (endpoint.chain_id().await, chain) {
                (Ok(id), None) => chain = Some((id, place)),
                (Ok(id), Some((expected, _))) if id != expected => {
                    return Err(Error::WrongChain {
                        node: endpoint.name(),
                        expected,
                        found: id,
                    });
                }
                (Ok(_), Some(_)) => {}
                (Err(error), _) => {
                    warn!(node = endpoint.name(), %error, "an L1 node does not answer");
                    failure = error.into();
                    continue;
                }
            }
            endpoint.checked.store(true, Ordering::Relaxed);
        }
        let (chain_id, first) = chain.ok_or(failure)?;
        let turn = AtomicUsize::new(first);
        Ok(Self(Arc::new(Inner {
            endpoints,
            chain_id,
            turn,
        })))
    }

    pub(super) fn chain_id(&self) -> u64 {
        self.0.chain_id
    }

    /// Counts how often another node became the active one.
    pub(super) fn turn(&self) -> usize {
        self.0.turn.load(Ordering::Relaxed)
    }

    /// Goes on to the next node, unless somebody did since `turn`.
    pub(super) fn next_after(&self, turn: usize) {
        if self.0.endpoints.len() > 1 {
            let next = turn.wrapping_add(1);
            let _ = self
                .0
                .turn
                .compare_exchange(turn, next, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Whether there is another one to ask.
    pub(super) fn has_others(&self) -> bool {
        self.0.endpoints.len() > 1
    }

    fn active(&self, turn: usize) -> &Endpoint {
        // There is at least one, or connecting would have failed.
        &self.0.endpoints[turn % self.0.endpoints.len()]
    }

    /// Asks the active node, and the others if it fails. What sends something is asked of one only: whoever sends finds out
    /// what became of it.
    async fn ask(self, request: RequestPacket) -> Result<ResponsePacket, TransportError> {
        let count = self.0.endpoints.len();
        let sends = request.method_names().any(|method| method.starts_with("eth_send"));
        let (mut tries, mut wait) = (0, FIRST_WAIT);
        loop {
            let turn = self.turn();
            let endpoint = self.active(turn);
            let answer = self.ask_one(endpoint, request.clone()).await;
            let busy = is_busy(&answer);
            if !busy && answer.is_ok() {
                return answer;
            }
            if let Err(error) = &answer {
                warn!(node = endpoint.name(), %error, "an L1 node failed");
            }
            self.next_after(turn);
            tries += 1;
            let tries_left = if busy { tries < ROUNDS * count } else { tries < count };
            if sends || !tries_left {
                return answer;
            }
            if tries.is_multiple_of(count) {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
        }
    }

    /// One that did not answer at first is asked for its chain before anything else: an answer of another one would be believed.
    async fn ask_one(&self, endpoint: &Endpoint, request: RequestPacket) -> Result<ResponsePacket, TransportError> {
        if !endpoint.checked.load(Ordering::Relaxed) {
            let (found, expected) = (endpoint.chain_id().await?, self.0.chain_id);
            if found != expected {
                let wrong = format!("it is a node of chain {found}, not of {expected}");
                return Err(TransportErrorKind::custom_str(&wrong));
            }
            endpoint.checked.store(true, Ordering::Relaxed);
        }
        endpoint.ask(request).await
    }
}

/// Whether the node answers that it is asked too often.
fn is_busy(answer: &Result<ResponsePacket, TransportError>) -> bool {
    match answer {
        Ok(answer) => answer.iter_errors().any(is_rate_limit),
        Err(TransportError::Transport(error)) => error.is_retry_err(),
        Err(TransportError::ErrorResp(error)) => is_rate_limit(error),
        Err(_) => false,
    }
}

/// Some providers have one code for too many requests and for too many results; of the latter there are no fewer later.
fn is_rate_limit(error: &ErrorPayload) -> bool {
    let too_much = ["results", "range", "response size"];
    error.is_retry_err() && !too_much.iter().any(|word| error.message.contains(word))
}

impl Service<RequestPacket> for Endpoints {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RequestPacket) -> Self::Future {
        Box::pin(self.clone().ask(request))
    }
}

/// Errors of HTTP name the address, which may have a secret in it.
fn without_address(error: TransportError) -> TransportError {
    match error {
        TransportError::Transport(TransportErrorKind::Custom(error)) => match error.downcast::<reqwest::Error>() {
            Ok(error) => TransportErrorKind::custom(error.without_url()),
            Err(error) => TransportError::Transport(TransportErrorKind::Custom(error)),
        },
        error => error,
    }
}
