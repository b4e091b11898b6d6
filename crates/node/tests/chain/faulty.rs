//! An L1 node that fails as real ones do, and a store that fails as disks do.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use nthroot_node::{
    Error, L1, Result,
    store::{Change, Store, Table},
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
}

type Decide = dyn Fn(&str, &Value) -> Fault + Send + Sync;

struct Proxy {
    upstream: String,
    client: reqwest::Client,
    decide: Box<Decide>,
}

/// A connection to the node at `url` on which `decide` says for every method and its parameters what goes wrong.
pub(crate) async fn faulty(url: &str, decide: impl Fn(&str, &Value) -> Fault + Send + Sync + 'static) -> L1 {
    let proxy = Arc::new(Proxy {
        upstream: url.to_owned(),
        client: reqwest::Client::new(),
        decide: Box::new(decide),
    });
    let app = Router::new().route("/", post(answer)).with_state(proxy);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    L1::connect(&format!("http://{address}"), Duration::from_millis(2))
        .await
        .unwrap()
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

/// Rows that outlast the one who wrote them, until commits run out.
#[derive(Default)]
pub(crate) struct Disk {
    rows: Mutex<BTreeMap<(Table, Vec<u8>), Vec<u8>>>,
}

impl Disk {
    pub(crate) fn len(&self) -> usize {
        self.rows.lock().unwrap().len()
    }
}

/// Somebody's view of a disk, who is killed at a commit.
pub(crate) struct Killed {
    disk: Arc<Disk>,
    /// Commits until the fatal one.
    left: AtomicI64,
    /// Whether the fatal one is on the disk.
    written: bool,
}

impl Killed {
    pub(crate) const fn at(disk: Arc<Disk>, commit: i64, written: bool) -> Self {
        Self {
            disk,
            left: AtomicI64::new(commit),
            written,
        }
    }

    pub(crate) const fn never(disk: Arc<Disk>) -> Self {
        Self::at(disk, i64::MAX, false)
    }
}

impl Store for Killed {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let rows = self.disk.rows.lock().unwrap();
        Ok(rows.get(&(table, key.to_vec())).cloned())
    }

    fn scan(&self, table: Table, each: &mut dyn FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
        let rows = self.disk.rows.lock().unwrap();
        let mut rows = rows.iter().filter(|((of, _), _)| *of == table);
        rows.try_for_each(|((_, key), row)| each(key, row))
    }

    fn commit(&self, changes: &[Change]) -> Result<()> {
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        if left > 0 || (left == 0 && self.written) {
            let mut rows = self.disk.rows.lock().unwrap();
            for Change { table, key, value } in changes {
                match value {
                    Some(row) => rows.insert((*table, key.clone()), row.clone()),
                    None => rows.remove(&(*table, key.clone())),
                };
            }
        }
        if left > 0 {
            Ok(())
        } else {
            Err(Error::Outbox("killed".to_owned()))
        }
    }

    fn replace(&self, tables: &[Table], changes: &[Change]) -> Result<()> {
        let mut rows = self.disk.rows.lock().unwrap();
        rows.retain(|(table, _), _| !tables.contains(table));
        drop(rows);
        self.commit(changes)
    }
}
