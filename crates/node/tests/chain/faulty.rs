//! An L1 node that fails as real ones do, and a store that fails as disks do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use nthroot_node::{
    Error, L1, Result,
    store::{Change, Memory, Store, Table},
};
use serde_json::Value;

/// What becomes of a request.
pub(crate) enum Fault {
    /// It is answered.
    None,
    /// It never arrives.
    Lost,
    /// It arrives, and the answer is lost.
    Unanswered,
    /// It never arrives, and this is the answer.
    Lie(Value),
    /// It never arrives, and this error is the answer.
    Refusal(Value),
}

type Decide = dyn Fn(&str, &Value) -> Fault + Send + Sync;

struct Proxy {
    upstream: String,
    client: reqwest::Client,
    decide: Box<Decide>,
}

/// A connection to the node at `url` on which `decide` says for every method and its parameters what goes wrong.
pub(crate) async fn faulty(url: &str, decide: impl Fn(&str, &Value) -> Fault + Send + Sync + 'static) -> L1 {
    let url = faulty_url(url, decide).await;
    L1::connect(&url, Duration::from_millis(2)).await.unwrap()
}

/// The address of such a node.
pub(crate) async fn faulty_url(url: &str, decide: impl Fn(&str, &Value) -> Fault + Send + Sync + 'static) -> String {
    let proxy = Arc::new(Proxy {
        upstream: url.to_owned(),
        client: reqwest::Client::new(),
        decide: Box::new(decide),
    });
    let app = Router::new().route("/", post(answer)).with_state(proxy);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

async fn answer(State(proxy): State<Arc<Proxy>>, body: Bytes) -> impl IntoResponse {
    let request: Value = serde_json::from_slice(&body).unwrap();
    let fault = (proxy.decide)(request["method"].as_str().unwrap(), &request["params"]);
    let failed = (StatusCode::BAD_GATEWAY, Bytes::new());
    match fault {
        Fault::Lost => return failed,
        Fault::Lie(result) => {
            let lie = serde_json::json!({"jsonrpc": "2.0", "id": request["id"], "result": result});
            return (StatusCode::OK, lie.to_string().into());
        }
        Fault::Refusal(error) => {
            let refusal = serde_json::json!({"jsonrpc": "2.0", "id": request["id"], "error": error});
            return (StatusCode::OK, refusal.to_string().into());
        }
        Fault::None | Fault::Unanswered => {}
    }
    let sent = proxy
        .client
        .post(&proxy.upstream)
        .header("content-type", "application/json")
        .body(body);
    let answer = sent.send().await.unwrap().bytes().await.unwrap();
    match fault {
        Fault::Unanswered => failed,
        _ => (StatusCode::OK, answer),
    }
}

/// Somebody's view of a store that outlasts them: they are killed at a commit.
pub(crate) struct Killed {
    store: Arc<Memory>,
    /// Commits until the fatal one.
    left: AtomicI64,
    /// Whether the fatal one is written.
    written: bool,
}

impl Killed {
    pub(crate) const fn at(store: Arc<Memory>, commit: i64, written: bool) -> Self {
        Self {
            store,
            left: AtomicI64::new(commit),
            written,
        }
    }
}

impl Store for Killed {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.store.get(table, key)
    }

    fn scan(&self, table: Table, each: &mut dyn FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
        self.store.scan(table, each)
    }

    fn commit(&self, changes: &[Change]) -> Result<()> {
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        if left > 0 || (left == 0 && self.written) {
            self.store.commit(changes)?;
        }
        if left > 0 {
            Ok(())
        } else {
            Err(Error::Outbox("killed".to_owned()))
        }
    }

    fn replace(&self, _: &[Table], _: &[Change]) -> Result<()> {
        panic!("an outbox replaces nothing")
    }
}

/// A disk that takes nothing while it is full.
#[derive(Default)]
pub(crate) struct Full {
    pub(crate) rows: Memory,
    pub(crate) is_full: AtomicBool,
}

impl Store for Full {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.rows.get(table, key)
    }

    fn scan(&self, table: Table, each: &mut dyn FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
        self.rows.scan(table, each)
    }

    fn commit(&self, changes: &[Change]) -> Result<()> {
        self.replace(&[], changes)
    }

    fn replace(&self, tables: &[Table], changes: &[Change]) -> Result<()> {
        if !self.is_full.load(Ordering::SeqCst) {
            return self.rows.replace(tables, changes);
        }
        Err(Error::Store {
            path: "disk".into(),
            what: "no space left on device".to_owned(),
        })
    }
}
