//! Subscriptions: what is pushed, to whom, and who is cut off.

use std::time::Duration;

use jsonrpsee::core::ClientError;
use nthroot_api::{ApiClient, Failure, IntentId, IntentStatus};
use nthroot_node::{
    mempool, metrics,
    server::{Limits, Server},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::world::{WINDOW, World, eventually, limits, pay, ws};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn each_block_is_told() {
    let mut world = World::new();
    let server = world.serve().await;
    let client = ws(&server).await;
    let mut blocks = client.subscribe_blocks().await.unwrap();
    for _ in 0..3 {
        let tip = timeout(SOON, blocks.next()).await.unwrap().unwrap().unwrap();
        assert_eq!((tip.block, tip.hash), (world.view().tip.number, world.view().tip.hash));
        world.advance(1);
    }
    blocks.unsubscribe().await.unwrap();
    assert!(client.chain().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fragment_is_told_when_it_changes_and_not_else() {
    let mut world = World::new();
    let alice = world.deposit(1, 1_000);
    let server = world.serve().await;
    let client = ws(&server).await;
    let mut changes = client.subscribe_fragment(alice).await.unwrap();
    let mut next = async || timeout(SOON, changes.next()).await.unwrap().unwrap().unwrap();
    let nonce = |info: Option<nthroot_api::FragmentInfo>| info.unwrap().pending.unwrap().nonce;
    assert_eq!(nonce(next().await), 0);
    // Blocks in which nothing happens to it.
    world.advance(1);
    world.advance(1);
    world.withdraw(1, alice, 1);
    assert_eq!(nonce(next().await), 1);
    world.deposit(2, 5);
    world.withdraw(1, alice, 1);
    assert_eq!(nonce(next().await), 2);

    let none = "9.9/9#9".parse().unwrap();
    let mut nothing = client.subscribe_fragment(none).await.unwrap();
    assert_eq!(timeout(SOON, nothing.next()).await.unwrap().unwrap().unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_told_until_it_is_over() {
    let mut world = World::new();
    let (alice, bob) = (world.deposit(1, 1_000), world.deposit(2, 1));
    let mempool = world.mempool(mempool::Limits::default());
    let server = world.serve_with(limits(), Some(mempool.clone())).await;
    let client = ws(&server).await;
    let unknown = client.subscribe_intent(IntentId::ZERO).await.err().unwrap();
    let ClientError::Call(error) = unknown else {
        panic!("{unknown:?}")
    };
    assert_eq!(Failure::of(&error), Some(Failure::UnknownIntent { id: IntentId::ZERO }));

    let bundle = world.payment([(1, alice), (2, bob)], 10);
    let id = client.send(bundle).await.unwrap();
    let mut changes = client.subscribe_intent(id).await.unwrap();
    let mut next = async || timeout(SOON, changes.next()).await.unwrap().map(Result::unwrap);
    assert!(matches!(next().await.unwrap().status, IntentStatus::Waiting { .. }));
    mempool.lock().unwrap().set_posted(&[id], IntentId::repeat_byte(5));
    assert!(
        matches!(next().await.unwrap().status, IntentStatus::Posted { .. }),
        "between blocks"
    );

    // Somebody else uses the nonces.
    world.post(&[(1, alice, vec![pay(bob, 99)]), (2, bob, vec![])]);
    mempool.lock().unwrap().clear_posted();
    mempool.lock().unwrap().on_view(&world.view());
    let last = loop {
        match next().await {
            Some(info) if matches!(info.status, IntentStatus::Dropped { .. }) => break info,
            Some(_) => {}
            None => panic!("ended before it was over"),
        }
    };
    assert!(!last.status.is_over(), "L1 may take that back: {last:?}");
    world.advance(WINDOW + 1);
    world.finalise();
    mempool.lock().unwrap().on_view(&world.view());
    let last = next().await.unwrap();
    assert!(
        matches!(last.status, IntentStatus::Dropped { settled: true, .. }),
        "{last:?}"
    );
    world.advance(1);
    let more = timeout(Duration::from_secs(1), changes.next()).await;
    assert!(more.is_err(), "nothing more is told: {more:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_has_not_too_many_subscriptions() {
    let world = World::new();
    let few = Limits {
        max_subscriptions: 2,
        ..limits()
    };
    let server = world.serve_with(few, None).await;
    let client = ws(&server).await;
    let (first, _second) = (
        client.subscribe_blocks().await.unwrap(),
        client.subscribe_blocks().await.unwrap(),
    );
    assert!(client.subscribe_blocks().await.is_err());
    first.unsubscribe().await.unwrap();
    eventually("one is given back", async || client.subscribe_blocks().await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_end_with_the_node() {
    let world = World::new();
    let server = world.serve().await;
    let client = ws(&server).await;
    let mut blocks = client.subscribe_blocks().await.unwrap();
    blocks.next().await.unwrap().unwrap();
    timeout(SOON, server.stop()).await.unwrap();
    let end = timeout(SOON, blocks.next()).await.unwrap();
    assert!(!matches!(end, Some(Ok(_))), "{end:?}");
}

/// A WebSocket whose client has next to no room for what it is sent, and does not read.
async fn deaf(server: &Server) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(server.address()).await.unwrap();
    let upgrade = "GET / HTTP/1.1\r\nhost: node\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"));
    stream
}

/// A text frame, masked with zeros.
fn frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 126).unwrap();
    [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_and_does_not_read_is_no_longer_read_and_then_cut_off() {
    let world = World::new();
    let alone = Limits {
        max_connections: 1,
        patience: Duration::from_secs(2),
        ..limits()
    };
    let server = world.serve_with(alone, None).await;
    let mut deaf = deaf(&server).await;
    // Answers are ten times as long, and the client takes none.
    let ask = frame(r#"{"jsonrpc":"2.0","id":1,"method":"nthroot_chain"}"#);
    let (before, mut asked) = (answered_so_far(), 0);
    let cut = timeout(SOON, async {
        while deaf.write_all(&ask).await.is_ok() {
            asked += 1;
        }
    });
    cut.await.expect("it is cut off");
    // What is not read waits with the client and in the buffers of the system, and costs the node nothing.
    let answered = answered_so_far() - before;
    println!("{answered} of {asked} requests of a client that does not read were answered");
    assert!(asked > 4 * answered, "{answered} of {asked} requests were answered");
    eventually("its place is free", async || {
        TcpStream::connect(server.address()).await.is_ok() && reads(&server).await
    })
    .await;
}

/// How often it was said what the node follows.
fn answered_so_far() -> u64 {
    let figures = metrics::install().unwrap().render();
    let series = r#"nthroot_api_requests_total{method="nthroot_chain",outcome="ok"} "#;
    let line = figures.lines().find_map(|line| line.strip_prefix(series));
    line.map_or(0, |count| count.parse().unwrap())
}

/// Whether a connection is let in.
async fn reads(server: &Server) -> bool {
    use jsonrpsee::ws_client::WsClientBuilder;
    let client = WsClientBuilder::default()
        .build(format!("ws://{}", server.address()))
        .await;
    match client {
        Ok(client) => client.chain().await.is_ok(),
        Err(_) => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_subscribes_and_does_not_read_is_cut_off_and_others_are_told_meanwhile() {
    let mut world = World::new();
    let impatient = Limits {
        patience: Duration::from_secs(1),
        max_subscriptions: 1_000,
        ..limits()
    };
    let server = world.serve_with(impatient, None).await;
    let mut deaf = deaf(&server).await;
    // Many, so that it is much that is pushed.
    let subscribe = frame(r#"{"jsonrpc":"2.0","id":1,"method":"nthroot_subscribeBlocks"}"#);
    for _ in 0..900 {
        deaf.write_all(&subscribe).await.unwrap();
    }
    let hearing = ws(&server).await;
    let mut blocks = hearing.subscribe_blocks().await.unwrap();
    let mut told = 0;
    let until_cut = timeout(Duration::from_secs(60), async {
        loop {
            world.advance(1);
            let tip = timeout(SOON, blocks.next()).await.unwrap().unwrap().unwrap();
            told += 1;
            assert!(tip.block <= world.view().tip.number);
            // Fails once it is cut off.
            if told % 20 == 0 && deaf.write_all(&frame("{}")).await.is_err() {
                break;
            }
        }
    });
    until_cut.await.expect("it is cut off");
    assert!(hearing.is_connected() && hearing.chain().await.is_ok());
}
