//! Around each request: its rate, its time, and what is told of it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ::metrics::{counter, histogram};
use governor::{
    DefaultKeyedRateLimiter, Quota,
    clock::{Clock, DefaultClock},
};
use jsonrpsee::{
    core::middleware::{Batch, BatchEntry, Notification, RpcServiceT},
    server::{BatchResponseBuilder, MethodResponse},
    types::{ErrorObjectOwned, Request},
};
use nthroot_api::Failure;
use tower::Layer;

use super::{http::Client, limits::Limits, rpc};
use crate::metrics;

/// Above so many clients at once those are forgotten that have not asked for a while.
const CLIENTS: usize = 10_000;

/// Puts a [`Guard`] before a service.
#[derive(Clone)]
pub(super) struct GuardLayer(Arc<Rules>);

struct Rules {
    rates: DefaultKeyedRateLimiter<Client>,
    burst: u32,
    time: Duration,
    max_response: usize,
}

impl GuardLayer {
    pub(super) fn new(limits: &Limits) -> Self {
        let positive = |n: u32| std::num::NonZeroU32::new(n).unwrap_or(std::num::NonZeroU32::MIN);
        let quota = Quota::per_second(positive(limits.requests_per_second)).allow_burst(positive(limits.burst));
        Self(Arc::new(Rules {
            rates: DefaultKeyedRateLimiter::keyed(quota),
            burst: limits.burst.max(1),
            time: limits.request_time,
            max_response: usize::try_from(limits.max_response_bytes).unwrap_or(usize::MAX),
        }))
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, service: S) -> Guard<S> {
        Guard {
            service: Arc::new(service),
            rules: self.0.clone(),
        }
    }
}

impl Rules {
    /// Lets a request pass, or says how long to wait.
    fn pass(&self, client: Client, method: &str) -> Result<(), Failure> {
        if self.rates.len() > CLIENTS {
            self.rates.retain_recent();
        }
        // Never more than may come at once, or it could never come.
        let cost = std::num::NonZeroU32::new(Limits::cost(method).min(self.burst)).unwrap_or(std::num::NonZeroU32::MIN);
        match self.rates.check_key_n(&client, cost) {
            Ok(Err(not_yet)) => {
                let wait = not_yet.wait_time_from(DefaultClock::default().now());
                let milliseconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
                Err(Failure::Limited { milliseconds })
            }
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }
}

/// Counts, times and bounds the requests to a service.
pub(super) struct Guard<S> {
    service: Arc<S>,
    rules: Arc<Rules>,
}

impl<S> Clone for Guard<S> {
    fn clone(&self) -> Self {
        Self {
            service: self.service.clone(),
            rules: self.rules.clone(),
        }
    }
}

impl<S> Guard<S>
where
    S: RpcServiceT<MethodResponse = MethodResponse> + Send + Sync + 'static,
{
    async fn guarded(self, request: Request<'_>) -> MethodResponse {
        let method = rpc::known(request.method_name());
        let id = request.id().into_owned();
        let begun = Instant::now();
        let failed = |failure: Failure| MethodResponse::error(id, ErrorObjectOwned::from(failure));
        let client = request.extensions().get::<Client>().copied();
        let passed = client.map_or(Ok(()), |client| self.rules.pass(client, method));
        let response = match passed {
            Err(failure) => failed(failure),
            Ok(()) => match tokio::time::timeout(self.rules.time, self.service.call(request)).await {
                Ok(response) => response,
                Err(_) => failed(Failure::TimedOut {
                    seconds: self.rules.time.as_secs(),
                }),
            },
        };
        counter!(metrics::REQUESTS, "method" => method, "outcome" => outcome(&response)).increment(1);
        histogram!(metrics::LATENCY, "method" => method).record(begun.elapsed().as_secs_f64());
        response
    }
}

/// What a figure says of an answer.
fn outcome(response: &MethodResponse) -> &'static str {
    let limited = Failure::Limited { milliseconds: 0 }.code();
    let late = Failure::TimedOut { seconds: 0 }.code();
    match response.as_error_code() {
        None => "ok",
        Some(code) if code == limited => "limited",
        // JSON-RPC's code of errors within the server.
        Some(code) if code == late || code == -32603 => "error",
        Some(_) => "refused",
    }
}

impl<S> RpcServiceT for Guard<S>
where
    S: RpcServiceT<MethodResponse = MethodResponse, NotificationResponse = MethodResponse> + Send + Sync + 'static,
{
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.clone().guarded(request)
    }

    /// Each request of a batch counts.
    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let guard = self.clone();
        async move {
            let mut responses = BatchResponseBuilder::new_with_limit(guard.rules.max_response);
            for entry in batch {
                let response = match entry {
                    Ok(BatchEntry::Call(request)) => guard.clone().guarded(request).await,
                    Ok(BatchEntry::Notification(_)) => continue,
                    Err(error) => {
                        let (error, id) = error.into_parts();
                        MethodResponse::error(id, error)
                    }
                };
                if let Err(too_big) = responses.append(response) {
                    return too_big;
                }
            }
            if responses.is_empty() {
                return MethodResponse::notification();
            }
            MethodResponse::from_batch(responses.finish())
        }
    }

    fn notification<'a>(&self, notification: Notification<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.service.notification(notification)
    }
}
