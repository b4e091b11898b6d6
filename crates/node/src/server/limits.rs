//! What a server lets whom do.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

/// Where a server listens, and what it bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Where.
    pub listen: SocketAddr,
    /// Whether that may be reachable from other machines.
    pub public: bool,
    /// Web pages that may ask, as browsers name them: `https://wallet.example`; `*` is any. A request of a page that is not
    /// listed is refused, so that none reaches a node on its visitor's machine.
    pub origins: Vec<String>,
    /// Requests per second of one client. Some methods count as several: [`Self::cost`].
    pub requests_per_second: u32,
    /// How many may come at once.
    pub burst: u32,
    /// Whether a reverse proxy in front names its clients by `X-Forwarded-For`. Without one anybody could set it.
    pub behind_proxy: bool,
    /// Connections of all clients.
    pub max_connections: u32,
    /// Connections of one client; all of them are one behind a proxy, and then this is not looked at.
    pub max_connections_of_client: u32,
    /// Bytes of a request, or of a batch of them.
    pub max_request_bytes: u32,
    /// Bytes of an answer.
    pub max_response_bytes: u32,
    /// Requests in a batch.
    pub max_batch: u32,
    /// Items of a page.
    pub max_page: u32,
    /// Subscriptions of a connection.
    pub max_subscriptions: u32,
    /// For a request to arrive, and to be answered.
    pub request_time: Duration,
    /// For a client to read what it was sent, before it is cut off.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 8590).into(),
            public: false,
            origins: Vec::new(),
            requests_per_second: 50,
            burst: 100,
            behind_proxy: false,
            max_connections: 500,
            max_connections_of_client: 50,
            max_request_bytes: 256 << 10,
            max_response_bytes: 4 << 20,
            max_batch: 20,
            max_page: 100,
            max_subscriptions: 64,
            request_time: Duration::from_secs(10),
            patience: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// As how many requests one of a method counts: about what it costs the node next to looking up a fragment.
    pub fn cost(method: &str) -> u32 {
        match method {
            // A signature check and a write to disk for each.
            "nthroot_send" => 5,
            // Pages, and what lives on after the answer.
            "nthroot_fragmentsOf"
            | "nthroot_batches"
            | "nthroot_claims"
            | "nthroot_digest"
            | "rpc.discover"
            | "nthroot_subscribeIntent"
            | "nthroot_subscribeFragment"
            | "nthroot_subscribeBlocks" => 3,
            _ => 1,
        }
    }

    /// How many items a page has of which so many were asked for.
    pub(crate) fn page(&self, asked: Option<u32>) -> usize {
        usize::try_from(asked.unwrap_or(self.max_page).min(self.max_page)).unwrap_or(usize::MAX)
    }
}
