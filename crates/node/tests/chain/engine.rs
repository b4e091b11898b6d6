//! A node as a whole: what one part of it cannot do holds up no other.

use std::{path::Path, time::Duration};

use alloy::primitives::{Address, hex};
use nthroot_node::{
    config::Config,
    engine::{Ended, Node, Watch},
    rules,
    store::{Change, Redb, Store as _, Table},
};
use nthroot_protocol::{BatchId, Status};
use serde_json::json;

use crate::{
    faulty::{Fault, faulty_url},
    watching::{Scene, enrich, scene},
    world::Actor,
};

/// A node that watches and proposes, and reads L1 at `url`.
fn config(folder: &Path, scene: &Scene, proposer: &Actor, url: &str, more: &str) -> Config {
    let manifest = serde_json::to_string(
        &json!({ "deployment": scene.world.deployment, "rules": rules::book(&scene.world.deployment) }),
    )
    .unwrap();
    std::fs::write(folder.join("deployment.json"), manifest).unwrap();
    for (name, actor) in [("watcher", &scene.wanda), ("proposer", proposer)] {
        std::fs::write(folder.join(name), hex::encode(actor.key.to_bytes())).unwrap();
    }
    let file = folder.join("node.toml");
    let text = format!(
        "l1.urls = [\"{url}\"]\nl1.poll_ms = 20\napi.listen = \"127.0.0.1:0\"\nops.enabled = false\n{more}\nwatcher.enabled = \
         true\nwatcher.key.file = \"watcher\"\nproposer.enabled = true\nproposer.key.file = \"proposer\"\n"
    );
    std::fs::write(&file, text).unwrap();
    Config::load(Some(&file)).unwrap()
}

async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect(what);
}

fn problem(watch: &Watch) -> Option<String> {
    watch.condition().borrow().proposer.clone()
}

/// A lie is posted, and convicted soon, in a chain with a block now and then.
async fn is_convicted(scene: &Scene) {
    let posted = scene
        .world
        .post(&scene.mallory, 0, &scene.transfer(0), enrich(&scene.mallory))
        .await;
    let id: BatchId = posted.unwrap().id;
    until("it is convicted", async || {
        scene.world.devnet.mine(1).await.unwrap();
        scene.world.follower().await.ledger().status(id) == Some(Status::Unwound)
    })
    .await;
}

#[tokio::test]
async fn a_proposer_that_fails_again_and_again_holds_up_no_proof() {
    let scene = scene().await;
    let paula = scene.world.proposer("paula").await;
    let address = format!("{:#x}", paula.address());
    let url = faulty_url(scene.world.devnet.url(), move |method, params| {
        if method == "eth_getBalance" && params[0].as_str().map(str::to_lowercase).as_ref() == Some(&address) {
            Fault::Refusal(json!({"code": -32000, "message": "not now"}))
        } else {
            Fault::None
        }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(&config(folder.path(), &scene, &paula, &url, ""))
        .await
        .unwrap();
    let watch = node.watch();
    // It has failed so often that its pauses are long.
    until("it fails", async || problem(&watch).is_some()).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let begun = std::time::Instant::now();
    is_convicted(&scene).await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert!(problem(&watch).unwrap().contains("not now"));
    node.stopper().cancel();
    assert_eq!(node.ended().await, Ended::Stopped);
}

#[tokio::test]
async fn a_proposer_that_must_not_go_on_stops_alone_even_if_halts_end_the_node() {
    let scene = scene().await;
    let paula = scene.world.proposer("paula").await;
    let folder = tempfile::tempdir().unwrap();
    let config = config(
        folder.path(),
        &scene,
        &paula,
        scene.world.devnet.url(),
        "on_halt = \"exit\"",
    );
    // What the proposer has on its way cannot be read.
    std::fs::create_dir_all(&config.data).unwrap();
    let store = Redb::open(config.store()).unwrap();
    let row = |of: Address| [of.as_slice(), &[0; 8]].concat();
    store
        .commit(&[Change::put(Table::Outbox, row(paula.address()), [0xff])])
        .unwrap();
    drop(store);
    let node = Node::start(&config).await.unwrap();
    let watch = node.watch();
    until("it begins", async || watch.api().is_some()).await;
    is_convicted(&scene).await;
    assert!(problem(&watch).unwrap().contains("the proposer has halted"));
    node.stopper().cancel();
    assert_eq!(node.ended().await, Ended::Stopped);
}

#[tokio::test]
async fn a_node_that_cannot_ask_l1_says_that_it_is_not_at_its_head() {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };
    let scene = scene().await;
    let paula = scene.world.proposer("paula").await;
    let is_gone = Arc::new(AtomicBool::new(false));
    let gone = Arc::clone(&is_gone);
    let url = faulty_url(scene.world.devnet.url(), move |_, _| {
        if gone.load(Ordering::SeqCst) {
            Fault::Lost
        } else {
            Fault::None
        }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(&config(folder.path(), &scene, &paula, &url, ""))
        .await
        .unwrap();
    let watch = node.watch();
    let synced = || watch.condition().borrow().synced;
    until("it is at the head", async || synced()).await;
    let api = format!("http://{}", watch.api().unwrap());
    let ask = json!({"jsonrpc": "2.0", "id": 1, "method": "nthroot_chain", "params": []});
    let says = async || {
        let answer = reqwest::Client::new().post(&api).json(&ask).send().await.unwrap();
        answer.json::<serde_json::Value>().await.unwrap()["result"]["tip"]["synced"].clone()
    };
    assert_eq!(says().await, json!(true));
    is_gone.store(true, Ordering::SeqCst);
    until("it knows", async || !synced()).await;
    assert_eq!(says().await, json!(false));
    is_gone.store(false, Ordering::SeqCst);
    until("it is at the head again", async || synced()).await;
    assert_eq!(says().await, json!(true));
    node.stopper().cancel();
    assert_eq!(node.ended().await, Ended::Stopped);
}
