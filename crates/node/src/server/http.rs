//! Who may come in: connections, and HTTP requests before they are looked into.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use axum::http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_MAX_AGE, ORIGIN, VARY,
    },
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use jsonrpsee::server::{HttpBody, HttpRequest, HttpResponse, StopHandle, TowerServiceBuilder};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;
use tower::{
    Service,
    layer::util::{Identity, Stack},
};
use tracing::debug;

use super::{guard::GuardLayer, limits::Limits, rpc::Desk, socket::Socket};

/// Who asks, for whoever counts: an IPv4 address, or the network of an IPv6 address, of which everybody has 2^64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Client(IpAddr);

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
            address => address,
        })
    }
}

/// How many connections each client has.
type OfClient = Arc<Mutex<HashMap<Client, u32>>>;

/// A connection's place among those that may be.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    client: Client,
    of_client: OfClient,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut clients = self.of_client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = clients.get_mut(&self.client) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                clients.remove(&self.client);
            }
        }
    }
}

/// Lets clients in.
pub(super) struct Door {
    pub(super) limits: Arc<Limits>,
    pub(super) desk: Desk,
    pub(super) service: TowerServiceBuilder<Stack<GuardLayer, Identity>, Identity>,
    pub(super) stopped: StopHandle,
    /// Nobody else may come in.
    pub(super) stop: CancellationToken,
    /// Everybody must go at once.
    pub(super) cut: CancellationToken,
    pub(super) connections: Arc<Semaphore>,
    pub(super) of_client: OfClient,
}

impl Door {
    /// Accepts connections until it shall stop.
    pub(super) async fn open(self, listener: TcpListener) {
        let door = Arc::new(self);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = door.stop.cancelled() => return,
            };
            match accepted {
                Ok((stream, from)) => match door.place(from) {
                    Some(place) => drop(tokio::spawn(door.clone().serve(stream, from, place))),
                    None => debug!(%from, "too many connections"),
                },
                Err(error) => {
                    // Out of file descriptors, as a rule: some will be given back.
                    debug!(%error, "not accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn place(&self, from: SocketAddr) -> Option<Place> {
        let permit = self.connections.clone().try_acquire_owned().ok()?;
        let client = Client::from(from.ip());
        let mut clients = self.of_client.lock().unwrap_or_else(PoisonError::into_inner);
        let count = clients.entry(client).or_default();
        if !self.limits.behind_proxy && *count >= self.limits.max_connections_of_client {
            return None;
        }
        *count = count.saturating_add(1);
        Some(Place {
            _permit: permit,
            client,
            of_client: self.of_client.clone(),
        })
    }

    async fn serve(self: Arc<Self>, stream: TcpStream, from: SocketAddr, place: Place) {
        // Answers are small and waited for.
        let _ = stream.set_nodelay(true);
        let cut = self.cut.child_token();
        let methods = self.desk.methods(cut.clone());
        let rpc = self.service.clone().build(methods, self.stopped.clone());
        let service = service_fn(|request| {
            let (door, rpc) = (self.clone(), rpc.clone());
            async move { Ok::<_, Infallible>(door.answer(request, from, rpc).await) }
        });
        let socket = Socket::new(stream, &cut, self.limits.patience, place);
        let mut http = http1::Builder::new();
        // Bounds the time between requests too.
        http.timer(TokioTimer::new())
            .header_read_timeout(self.limits.request_time);
        let connection = http.serve_connection(TokioIo::new(socket), service).with_upgrades();
        tokio::pin!(connection);
        let result = tokio::select! {
            result = &mut connection => result,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = result {
            debug!(%from, %error, "connection ended");
        }
    }

    async fn answer<S>(&self, mut request: HttpRequest<Incoming>, from: SocketAddr, mut rpc: S) -> HttpResponse
    where
        S: Service<HttpRequest<Incoming>, Response = HttpResponse>,
    {
        let origin = request.headers().get(ORIGIN).cloned();
        if origin.as_ref().is_some_and(|origin| !self.allows(origin)) {
            return plain(StatusCode::FORBIDDEN);
        }
        let mut response = if request.method() == Method::OPTIONS && origin.is_some() {
            plain(StatusCode::NO_CONTENT)
        } else {
            let client = self.client(request.headers(), from);
            request.extensions_mut().insert(client);
            match tokio::time::timeout(self.limits.request_time, rpc.call(request)).await {
                Ok(Ok(response)) => response,
                Ok(Err(_)) => plain(StatusCode::INTERNAL_SERVER_ERROR),
                Err(_) => plain(StatusCode::REQUEST_TIMEOUT),
            }
        };
        if let Some(origin) = origin {
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
            headers.insert(VARY, HeaderValue::from_static("origin"));
        }
        response
    }

    /// Whether a web page may ask. Browsers name it with each request that a page makes, over WebSocket too.
    fn allows(&self, origin: &HeaderValue) -> bool {
        let mut allowed = self.limits.origins.iter();
        allowed.any(|allowed| allowed == "*" || allowed.as_bytes() == origin.as_bytes())
    }

    /// Who asks: behind a proxy the last that it names, which it wrote itself; what stands before may be made up.
    fn client(&self, headers: &HeaderMap, from: SocketAddr) -> Client {
        let forwarded = || {
            let last = headers.get_all("x-forwarded-for").iter().next_back()?;
            last.to_str().ok()?.rsplit(',').next()?.trim().parse::<IpAddr>().ok()
        };
        let named = self.limits.behind_proxy.then(forwarded).flatten();
        Client::from(named.unwrap_or(from.ip()))
    }
}

fn plain(status: StatusCode) -> HttpResponse {
    let mut response = HttpResponse::new(HttpBody::empty());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_apart_by_what_they_cannot_choose() {
        let client = |text: &str| Client::from(text.parse::<IpAddr>().expect("an address"));
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:1"), "one network");
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
        assert_ne!(client("192.0.2.1"), client("192.0.2.2"));
    }
}
