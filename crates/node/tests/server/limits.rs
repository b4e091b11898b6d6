//! What is bounded, is.

use std::{sync::Arc, time::Duration};

use jsonrpsee::{
    core::{
        ClientError,
        client::{BatchResponse, ClientT},
        params::BatchRequestBuilder,
    },
    http_client::{HeaderMap, HeaderValue, HttpClient},
    rpc_params,
};
use nthroot_api::{ApiClient, Bundle, Failure, IntentId, IntentInfo, Refusal, Terms};
use nthroot_node::{
    server::{Intake, Limits, Server, StartError},
    view::View,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
};

use crate::world::{World, eventually, http, limits, ws};

/// The failure that an answer says.
fn failure<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> Option<Failure> {
    match answer {
        Err(ClientError::Call(error)) => Failure::of(&error),
        other => panic!("{other:?}"),
    }
}

/// As a client that a proxy names.
fn named(server: &Server, forwarded: &'static str) -> HttpClient {
    let headers = HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), HeaderValue::from_static(forwarded))]);
    HttpClient::builder()
        .set_headers(headers)
        .build(format!("http://{}", server.address()))
        .unwrap()
}

/// What a server says to these bytes, until it closes the connection.
async fn said(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // It may be reset while it is read.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST / HTTP/1.1\r\nhost: node\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: \
         {length}\r\n{headers}\r\n{body}"
    )
}

const CHAIN: &str = r#"{"jsonrpc":"2.0","id":1,"method":"nthroot_chain"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn only_who_says_so_is_reachable_from_elsewhere() {
    let world = World::new();
    let elsewhere = Limits {
        listen: ([0, 0, 0, 0], 0).into(),
        ..limits()
    };
    let refused = Server::start(elsewhere.clone(), world.views(), None).await;
    assert!(
        matches!(refused, Err(StartError::Public(address)) if address == elsewhere.listen),
        "{refused:?}"
    );
    let public = Limits {
        public: true,
        ..elsewhere
    };
    assert!(Server::start(public, world.views(), None).await.is_ok());
    let taken = world.serve().await;
    let again = Limits {
        listen: taken.address(),
        ..limits()
    };
    let refused = Server::start(again, world.views(), None).await;
    assert!(matches!(refused, Err(StartError::Listen { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_big_is_not_read() {
    let world = World::new();
    let small = Limits {
        max_request_bytes: 2_000,
        ..limits()
    };
    let server = world.serve_with(small, None).await;
    let fits = format!("{CHAIN}{}", " ".repeat(1_900 - CHAIN.len()));
    assert!(said(&server, &post("", &fits)).await.starts_with("HTTP/1.1 200"));
    let too_big = format!("{CHAIN}{}", " ".repeat(2_001));
    let answer = said(&server, &post("", &too_big)).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");

    let client = ws(&server).await;
    let answer: Result<Value, _> = client.request("nthroot_chain", rpc_params![" ".repeat(2_001)]).await;
    assert!(answer.is_err(), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_no_bigger_than_allowed() {
    let world = World::new();
    let small = Limits {
        max_response_bytes: 1_000,
        ..limits()
    };
    let server = world.serve_with(small, None).await;
    assert!(http(&server).chain().await.is_ok());
    let answer: Result<Value, _> = http(&server).request("rpc.discover", rpc_params![]).await;
    // jsonrpsee's code of answers that are too big.
    assert!(
        matches!(&answer, Err(ClientError::Call(error)) if error.code() == -32008),
        "{answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_counted_and_given_back() {
    let world = World::new();
    for limits in [
        Limits {
            max_connections: 2,
            ..limits()
        },
        Limits {
            max_connections_of_client: 2,
            ..limits()
        },
    ] {
        let server = world.serve_with(limits, None).await;
        let (first, second) = (ws(&server).await, ws(&server).await);
        assert!(first.chain().await.is_ok() && second.chain().await.is_ok());
        assert_eq!(said(&server, &post("", CHAIN)).await, "", "a third is closed");
        drop(first);
        eventually("the place is given back", async || {
            said(&server, &post("", CHAIN)).await.contains("bridge")
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_is_slowed_down_and_others_are_not() {
    let world = World::new();
    let slow = Limits {
        requests_per_second: 1,
        burst: 3,
        behind_proxy: true,
        ..limits()
    };
    let server = world.serve_with(slow.clone(), None).await;
    let greedy = named(&server, "203.0.113.9, 198.51.100.1");
    for _ in 0..3 {
        greedy.chain().await.unwrap();
    }
    let Some(Failure::Limited { milliseconds }) = failure(greedy.chain().await) else {
        panic!("not limited")
    };
    assert!((1..=1_001).contains(&milliseconds), "{milliseconds}");
    // What stands before the last was said by the client itself.
    let disguised = named(&server, "203.0.113.77, 198.51.100.1");
    assert!(matches!(
        failure(disguised.chain().await),
        Some(Failure::Limited { .. })
    ));
    let other = named(&server, "198.51.100.2");
    assert!(other.chain().await.is_ok());
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    assert!(greedy.chain().await.is_ok(), "after the time that it was told");

    // Without a proxy anybody could say to be somebody else.
    let direct = world
        .serve_with(
            Limits {
                behind_proxy: false,
                ..slow
            },
            None,
        )
        .await;
    for forwarded in ["198.51.100.1", "198.51.100.2", "198.51.100.3"] {
        named(&direct, forwarded).chain().await.unwrap();
    }
    let limited = named(&direct, "198.51.100.4").chain().await;
    assert!(matches!(failure(limited), Some(Failure::Limited { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_of_a_batch_counts_and_a_batch_has_not_too_many() {
    let world = World::new();
    let few = Limits {
        requests_per_second: 1,
        burst: 3,
        max_batch: 4,
        ..limits()
    };
    let server = world.serve_with(few, None).await;
    let client = http(&server);
    let batch = |n: usize| {
        let mut batch = BatchRequestBuilder::new();
        for _ in 0..n {
            batch.insert("nthroot_chain", rpc_params![]).unwrap();
        }
        batch
    };
    let too_long: Result<BatchResponse<'_, Value>, _> = client.batch_request(batch(5)).await;
    assert!(too_long.is_err(), "{too_long:?}");
    let answers: BatchResponse<'_, Value> = client.batch_request(batch(4)).await.unwrap();
    assert_eq!((answers.num_successful_calls(), answers.num_failed_calls()), (3, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn web_pages_may_ask_only_if_they_are_listed() {
    let world = World::new();
    let listed = Limits {
        origins: vec!["https://wallet.example".to_owned()],
        ..limits()
    };
    let (closed, open) = (world.serve().await, world.serve_with(listed, None).await);
    let from = |origin: &str| post(&format!("origin: {origin}\r\n"), CHAIN);
    let allowed = "access-control-allow-origin: https://wallet.example";
    for (server, origin, expected) in [
        (&closed, "https://wallet.example", 403),
        (&open, "https://wallet.example", 200),
        (&open, "https://evil.example", 403),
        (&open, "null", 403),
    ] {
        let answer = said(server, &from(origin)).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {expected}")),
            "{origin}: {answer}"
        );
        assert_eq!(answer.contains(allowed), expected == 200, "{answer}");
    }
    let preflight = "OPTIONS / HTTP/1.1\r\nhost: node\r\nconnection: close\r\norigin: https://wallet.example\r\n\
                     access-control-request-method: POST\r\n\r\n";
    let answer = said(&open, preflight).await;
    assert!(
        answer.starts_with("HTTP/1.1 204") && answer.contains(allowed),
        "{answer}"
    );
    // Browsers ask nobody before they open a WebSocket.
    for (origin, expected) in [
        ("https://evil.example", "HTTP/1.1 403"),
        ("https://wallet.example", "HTTP/1.1 101"),
    ] {
        let upgrade = format!(
            "GET / HTTP/1.1\r\nhost: node\r\nconnection: upgrade\r\nupgrade: websocket\r\norigin: \
             {origin}\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let mut stream = TcpStream::connect(open.address()).await.unwrap();
        stream.write_all(upgrade.as_bytes()).await.unwrap();
        let mut status = vec![0; expected.len()];
        stream.read_exact(&mut status).await.unwrap();
        assert_eq!(String::from_utf8(status).unwrap(), expected, "{origin}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_finish_a_request_is_let_go() {
    let world = World::new();
    let hasty = Limits {
        request_time: Duration::from_millis(300),
        ..limits()
    };
    let server = world.serve_with(hasty, None).await;
    for unfinished in [
        "POST / HTTP/1.1\r\nhost: no",
        "POST / HTTP/1.1\r\nhost: node\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{",
    ] {
        let answer = tokio::time::timeout(Duration::from_secs(5), said(&server, unfinished)).await;
        let answer = answer.expect("the connection is closed");
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
}

/// Takes so long for each bundle.
struct Slow(Duration);

impl Intake for Slow {
    fn accept(&self, _: &watch::Receiver<View>, bundles: Vec<Bundle>) -> Vec<Result<IntentId, Refusal>> {
        std::thread::sleep(self.0);
        bundles.iter().map(|bundle| Ok(bundle.id())).collect()
    }

    fn status(&self, _: &View, _: IntentId) -> Option<IntentInfo> {
        None
    }

    fn next_nonce(&self, _: &View, _: nthroot_protocol::FragmentId) -> Option<u64> {
        None
    }

    fn terms(&self) -> Terms {
        Terms {
            proposer: alloy::primitives::Address::ZERO,
            fee: None,
            least_validity: 0,
            longest_validity: 0,
            bundle_limit: 1,
            waiting: 0,
            capacity: 1,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_takes_too_long_is_an_error_that_says_so() {
    let world = World::new();
    let hasty = Limits {
        request_time: Duration::from_secs(1),
        ..limits()
    };
    let server = world
        .serve_with(hasty, Some(Arc::new(Slow(Duration::from_millis(1_500)))))
        .await;
    let client = ws(&server).await;
    let late = client.send(Bundle(Vec::new())).await;
    assert_eq!(failure(late), Some(Failure::TimedOut { seconds: 1 }));
    assert!(client.chain().await.is_ok(), "others are answered meanwhile");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_being_answered_when_the_node_stops_is_answered() {
    let world = World::new();
    let server = world
        .serve_with(limits(), Some(Arc::new(Slow(Duration::from_millis(500)))))
        .await;
    let (address, client, idle) = (server.address(), http(&server), ws(&server).await);
    let answer = tokio::spawn(async move { client.send(Bundle(Vec::new())).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop().await;
    assert_eq!(answer.await.unwrap().unwrap(), Bundle(Vec::new()).id());
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens");
    assert!(idle.chain().await.is_err(), "who only waited is let go");
}
