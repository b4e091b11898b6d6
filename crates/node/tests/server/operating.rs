//! What those see who run a node.

use nthroot_api::ApiClient;
use nthroot_node::{
    metrics,
    server::{Condition, Ops, StartError},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
};

use crate::world::{World, http};

async fn get(ops: &Ops, path: &str) -> String {
    let mut stream = TcpStream::connect(ops.address()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_says_whether_it_is_well_and_why_not() {
    let (condition, seen) = watch::channel(Condition::default());
    let ops = Ops::start(([127, 0, 0, 1], 0).into(), false, metrics::install().unwrap(), seen)
        .await
        .unwrap();
    assert!(get(&ops, "/health").await.starts_with("HTTP/1.1 200"));
    let answer = get(&ops, "/ready").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(
        answer.ends_with(r#"{"ready":false,"problems":["it is not at the head of L1"]}"#),
        "{answer}"
    );
    let well = Condition {
        synced: true,
        ..Condition::default()
    };
    condition.send_replace(well.clone());
    let answer = get(&ops, "/ready").await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with(r#"{"ready":true,"problems":[]}"#),
        "{answer}"
    );
    for ill in [
        Condition {
            l1: Some("timeout".to_owned()),
            ..well.clone()
        },
        Condition {
            halted: Some("it diverged".to_owned()),
            ..well
        },
    ] {
        let problem = ill.problems().remove(0);
        condition.send_replace(ill);
        let answer = get(&ops, "/ready").await;
        assert!(
            answer.starts_with("HTTP/1.1 503") && answer.contains(&problem),
            "{answer}"
        );
        assert!(get(&ops, "/health").await.starts_with("HTTP/1.1 200"), "it lives");
    }
    let public = Ops::start(
        ([0, 0, 0, 0], 0).into(),
        false,
        metrics::install().unwrap(),
        condition.subscribe(),
    )
    .await;
    assert!(matches!(public, Err(StartError::Public(_))));
    ops.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_show_in_the_figures_by_method_and_outcome() {
    let (_condition, seen) = watch::channel(Condition::default());
    let ops = Ops::start(([127, 0, 0, 1], 0).into(), false, metrics::install().unwrap(), seen)
        .await
        .unwrap();
    let world = World::new();
    let client = http(&world.serve().await);
    client.fragment("1.1/0#0".parse().unwrap()).await.unwrap();
    crate::world::ask(&client, "nthroot_madeUp", &[]).await.unwrap_err();
    crate::world::ask(&client, "nthroot_proof", &["no id".into()])
        .await
        .unwrap_err();
    let figures = get(&ops, "/metrics").await;
    for line in [
        r#"nthroot_api_requests_total{method="nthroot_fragment",outcome="ok"}"#,
        r#"nthroot_api_requests_total{method="unknown",outcome="refused"}"#,
        r#"nthroot_api_requests_total{method="nthroot_proof",outcome="refused"}"#,
        r#"nthroot_api_request_seconds_bucket{method="nthroot_fragment",le="10"}"#,
        "# HELP nthroot_api_requests_total Requests to the API",
    ] {
        assert!(figures.contains(line), "{line} in {figures}");
    }
    assert!(!figures.contains("madeUp"), "names that callers make up are no series");
}
