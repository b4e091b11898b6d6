//! An L1 node that fails as real ones do, in front of one that does not.
//!
//! What it may do to a request: answer never, drop the connection, before the request arrives or before its answer does; answer with
//! an error of HTTP or of JSON-RPC; be off by one with a nonce; swallow a transaction; deliver one twice; be some blocks behind.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy::primitives::{hex, keccak256};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::{dice::Dice, tally::Tally};

/// Blocks that a node which lags is behind at most.
const MOST_LAG: u64 = 3;

/// How often requests fail, for all proxies at once.
#[derive(Clone, Default)]
pub(crate) struct Weather(Arc<AtomicU64>);

impl Weather {
    /// From now on so many in a thousand.
    pub(crate) fn set(&self, permille: u64) {
        self.0.store(permille, Ordering::Relaxed);
    }
}

/// What is shared by the connections of a proxy.
struct Proxy {
    upstream: String,
    client: reqwest::Client,
    dice: Mutex<Dice>,
    weather: Weather,
    tally: Tally,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    NoAnswer,
    LostRequest,
    LostAnswer,
    Http(u16),
    Rpc(i64),
    NonceOff(bool),
    Swallowed,
    Twice,
    Behind(u64),
    Slow,
}

/// Starts a proxy of the node at `upstream`; its address.
pub(crate) async fn start(upstream: &str, dice: Dice, weather: Weather, tally: Tally) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let proxy = Arc::new(Proxy {
        upstream: upstream.to_owned(),
        client: reqwest::Client::new(),
        dice: Mutex::new(dice),
        weather,
        tally,
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let proxy = Arc::clone(&proxy);
            // Who hangs up has what he came for, or will come again.
            tokio::spawn(async move { drop(proxy.serve(stream).await) });
        }
    });
    format!("http://{address}")
}

impl Proxy {
    /// Requests of one connection, one after the other, until either side hangs up.
    async fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        while let Some(body) = read_request(&mut stream).await? {
            let Ok(request) = serde_json::from_slice::<Value>(&body) else {
                return Ok(());
            };
            let fault = self.fault(request["method"].as_str().unwrap_or_default());
            let answer = match fault {
                Fault::LostRequest => return Ok(()),
                Fault::NoAnswer => {
                    tokio::time::sleep(Duration::from_secs(600)).await;
                    return Ok(());
                }
                Fault::Http(status) => {
                    let head = format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n");
                    stream.write_all(head.as_bytes()).await?;
                    continue;
                }
                Fault::Rpc(code) => json!({"jsonrpc": "2.0", "id": request["id"],
                    "error": {"code": code, "message": "something went wrong inside"}}),
                fault => self.answer(request, fault).await,
            };
            if fault == Fault::LostAnswer || answer.is_null() {
                return Ok(());
            }
            let body = answer.to_string();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(body.as_bytes()).await?;
        }
        Ok(())
    }

    fn fault(&self, method: &str) -> Fault {
        let rate = self.weather.0.load(Ordering::Relaxed);
        let mut dice = self.dice.lock().expect("nobody panics with it");
        if !dice.permille(rate) {
            return Fault::None;
        }
        let lag = 1 + dice.next() % MOST_LAG;
        let own = match method {
            "eth_sendRawTransaction" => [Fault::Swallowed, Fault::Twice],
            "eth_getTransactionCount" => [Fault::NonceOff(false), Fault::NonceOff(true)],
            "eth_blockNumber"
            | "eth_getBlockByNumber"
            | "eth_getBlockByHash"
            | "eth_getLogs"
            | "eth_getTransactionReceipt" => [Fault::Behind(lag); 2],
            _ => [Fault::Slow; 2],
        };
        let of_all = [
            Fault::NoAnswer,
            Fault::LostRequest,
            Fault::LostAnswer,
            Fault::Http(429),
            Fault::Http(500),
            Fault::Rpc(-32_603),
            Fault::Rpc(-32_005),
            Fault::Slow,
        ];
        let fault = if dice.permille(500) {
            *dice.pick(&own)
        } else {
            *dice.pick(&of_all)
        };
        self.tally.count("faults", name(fault));
        fault
    }

    async fn answer(&self, mut request: Value, fault: Fault) -> Value {
        match fault {
            Fault::Swallowed => {
                let raw = request["params"][0].as_str().and_then(|raw| hex::decode(raw).ok());
                let hash = keccak256(raw.unwrap_or_default());
                json!({"jsonrpc": "2.0", "id": request["id"], "result": hash})
            }
            Fault::Twice => {
                self.forward(&request).await;
                self.forward(&request).await
            }
            Fault::NonceOff(above) => {
                let mut answer = self.forward(&request).await;
                if let Some(nonce) = number(&answer["result"]) {
                    let nonce = if above { nonce + 1 } else { nonce.saturating_sub(1) };
                    answer["result"] = json!(format!("{nonce:#x}"));
                }
                answer
            }
            Fault::Behind(lag) => self.behind(&mut request, lag).await,
            Fault::Slow => {
                tokio::time::sleep(Duration::from_millis(700)).await;
                self.forward(&request).await
            }
            _ => self.forward(&request).await,
        }
    }

    /// What a node says that does not have the last blocks yet.
    async fn behind(&self, request: &mut Value, lag: u64) -> Value {
        let ask = json!({"jsonrpc": "2.0", "id": 0, "method": "eth_blockNumber", "params": []});
        let Some(head) = number(&self.forward(&ask).await["result"]) else {
            return Value::Null;
        };
        let head = head.saturating_sub(lag);
        let method = request["method"].as_str().unwrap_or_default().to_owned();
        if method == "eth_getBlockByNumber" && request["params"][0] == "latest" {
            request["params"][0] = json!(format!("{head:#x}"));
        }
        let mut answer = self.forward(request).await;
        let result = &mut answer["result"];
        let newer = |number_of: &Value| number(number_of).is_some_and(|number| number > head);
        match method.as_str() {
            "eth_blockNumber" => *result = json!(format!("{head:#x}")),
            "eth_getLogs" => {
                if let Some(logs) = result.as_array_mut() {
                    logs.retain(|log| !newer(&log["blockNumber"]));
                }
            }
            "eth_getTransactionReceipt" if newer(&result["blockNumber"]) => *result = Value::Null,
            "eth_getBlockByNumber" | "eth_getBlockByHash" if newer(&result["number"]) => *result = Value::Null,
            _ => {}
        }
        answer
    }

    /// The node's answer; null if it has none.
    async fn forward(&self, request: &Value) -> Value {
        let sent = self.client.post(&self.upstream).json(request).send().await;
        match sent {
            Ok(answer) => answer.json().await.unwrap_or_default(),
            Err(_) => Value::Null,
        }
    }
}

/// The body of the next request. None if there is none any more.
async fn read_request(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Vec<u8>>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await?;
            return Ok(Some(body));
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
}

fn number(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}

fn name(fault: Fault) -> String {
    match fault {
        Fault::None => "none".into(),
        Fault::NoAnswer => "no answer".into(),
        Fault::LostRequest => "connection dropped before the request".into(),
        Fault::LostAnswer => "connection dropped before the answer".into(),
        Fault::Http(status) => format!("HTTP {status}"),
        Fault::Rpc(code) => format!("JSON-RPC error {code}"),
        Fault::NonceOff(true) => "nonce one too high".into(),
        Fault::NonceOff(false) => "nonce one too low".into(),
        Fault::Swallowed => "transaction swallowed".into(),
        Fault::Twice => "transaction sent twice".into(),
        Fault::Behind(_) => "blocks behind".into(),
        Fault::Slow => "slow".into(),
    }
}
