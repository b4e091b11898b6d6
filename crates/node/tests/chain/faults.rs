//! An L1 node that is stale, partial, slow, or wrong costs time and never the truth.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy::primitives::hex;
use nthroot_node::{
    Action, Error, Follower, L1,
    follower::{News, Options},
};
use serde_json::{Value, json};

use crate::{
    faulty::{Fault, faulty, faulty_url},
    history::History,
};

/// A chain that is long enough to be final in its first part.
pub(crate) async fn long() -> History {
    let history = History::new().await;
    for round in 0..3 {
        history.go_on(history.block().await + 30, round).await;
    }
    history
}

pub(crate) async fn sync_at_last(follower: &mut Follower) -> u32 {
    for failures in 0..1_000 {
        match follower.sync().await {
            Ok(_) => return failures,
            Err(error) => assert_eq!(error.action(), Action::Retry, "{error}"),
        }
    }
    panic!("it never succeeds");
}

pub(crate) async fn derives_the_same(history: &History, l1: L1) -> u32 {
    let mut follower = history.follower_of(l1, Options::default()).await;
    let failures = sync_at_last(&mut follower).await;
    history.assert_fresh(&follower).await;
    failures
}

#[tokio::test]
async fn requests_that_are_lost_are_made_again() {
    let history = long().await;
    let count = AtomicU64::new(0);
    let lossy = faulty(history.world.devnet.url(), move |_, _| {
        // After those with which it is opened, one in nine.
        match count.fetch_add(1, Ordering::Relaxed) {
            number if number > 40 && number % 9 == 0 => Fault::Lost,
            _ => Fault::None,
        }
    });
    assert!(derives_the_same(&history, lossy.await.with_span(16)).await > 0);
}

#[tokio::test]
async fn events_that_a_node_keeps_back_once_are_asked_for_again() {
    let history = long().await;
    // Those of a range, then those of a block.
    for by_block in [false, true] {
        let kept_back = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&kept_back);
        let partial = faulty(history.world.devnet.url(), move |method, params| {
            let logs = method == "eth_getLogs" && (params[0].get("blockHash").is_some() == by_block);
            if logs && !kept_back.swap(true, Ordering::Relaxed) {
                Fault::Lie(json!([]))
            } else {
                Fault::None
            }
        });
        assert_eq!(derives_the_same(&history, partial.await.with_span(1_000)).await, 0);
        assert!(done.load(Ordering::Relaxed));
    }
}

#[tokio::test]
async fn events_that_a_node_has_no_index_of_are_found_in_receipts() {
    let history = long().await;
    let kept_back = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&kept_back);
    // All of those blocks, deposits with nothing after them in the block among them, and nothing else ever tells of these.
    let partial = faulty(history.world.devnet.url(), move |method, params| {
        if method == "eth_getLogs" && params[0].get("blockHash").is_some() {
            count.fetch_add(1, Ordering::Relaxed);
            Fault::Lie(json!([]))
        } else {
            Fault::None
        }
    });
    assert_eq!(derives_the_same(&history, partial.await).await, 0);
    assert!(kept_back.load(Ordering::Relaxed) > 20);
}

#[tokio::test]
async fn calldata_that_is_wrong_once_is_asked_for_again() {
    let history = long().await;
    let spoilt = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&spoilt);
    let (upstream, client) = (history.world.devnet.url().to_owned(), reqwest::Client::new());
    // The first batch is answered with a bit of its calldata changed: in the body of a step, say.
    let mut hash = None;
    let follower = history.world.follower().await;
    for block in history.world.deployment.deployment_block..follower.tip().number {
        let asked = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": [format!("{block:#x}"), true]});
        let answer: Value = client
            .post(&upstream)
            .json(&asked)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let transactions = answer["result"]["transactions"].as_array().unwrap().clone();
        let to = format!("{:#x}", history.world.deployment.bridge);
        let submits = |transaction: &&Value| {
            let input = transaction["input"].as_str().unwrap();
            transaction["to"].as_str() == Some(&to) && input.len() > 600
        };
        hash = hash.or_else(|| transactions.iter().find(submits).cloned());
    }
    let mut wrong = hash.expect("there is a batch");
    let mut input = hex::decode(wrong["input"].as_str().unwrap()).unwrap();
    let place = input.len() / 2;
    input[place] ^= 1;
    wrong["input"] = json!(hex::encode_prefixed(input));
    let wrong_node = faulty(&upstream, move |method, params| {
        let mut spoilt = spoilt.lock().unwrap();
        if method == "eth_getTransactionByHash" && params[0] == wrong["hash"] && spoilt.is_none() {
            *spoilt = Some(());
            return Fault::Lie(wrong.clone());
        }
        Fault::None
    });
    assert_eq!(derives_the_same(&history, wrong_node.await).await, 0);
    assert!(seen.lock().unwrap().is_some());
}

#[tokio::test]
async fn a_node_that_refuses_wide_ranges_is_asked_for_narrower_ones() {
    let history = long().await;
    let number = |value: &Value| u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok();
    let refusals = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&refusals);
    let narrow = faulty(history.world.devnet.url(), move |method, params| {
        let range = number(&params[0]["fromBlock"]).zip(number(&params[0]["toBlock"]));
        match (method, range) {
            ("eth_getLogs", Some((from, to))) if to - from >= 7 => {
                count.fetch_add(1, Ordering::Relaxed);
                Fault::Refusal(json!({"code": -32005, "message": "query returned more than 10000 results"}))
            }
            _ => Fault::None,
        }
    });
    assert_eq!(derives_the_same(&history, narrow.await).await, 0);
    assert!(refusals.load(Ordering::Relaxed) >= 3);
}

#[tokio::test]
async fn a_node_that_is_asked_too_often_is_asked_later() {
    let history = long().await;
    let busy = AtomicU64::new(0);
    let l1 = faulty(history.world.devnet.url(), move |method, _| {
        if method == "eth_getLogs" && busy.fetch_add(1, Ordering::Relaxed) < 3 {
            Fault::Refusal(json!({"code": 429, "message": "too many requests"}))
        } else {
            Fault::None
        }
    });
    assert_eq!(derives_the_same(&history, l1.await).await, 0);
}

#[tokio::test]
async fn another_node_answers_when_one_fails_is_behind_or_keeps_events_back() {
    let history = long().await;
    let url = history.world.devnet.url();
    let connect = |first: String| async move {
        L1::connect_all(&[&first, url], Duration::from_millis(2), Duration::from_secs(2)).await
    };

    // It was never there.
    let dead = connect("http://127.0.0.1:1".to_owned()).await.unwrap();
    assert_eq!(derives_the_same(&history, dead).await, 0);
    // It goes away.
    let count = AtomicU64::new(0);
    let gone = faulty_url(url, move |_, _| match count.fetch_add(1, Ordering::Relaxed) {
        0..50 => Fault::None,
        _ => Fault::Lost,
    });
    let gone = connect(gone.await).await.unwrap();
    assert_eq!(derives_the_same(&history, gone).await, 0);
    // It keeps all events back: the other one tells.
    let silent = faulty_url(url, |method, _| match method {
        "eth_getLogs" => Fault::Lie(json!([])),
        _ => Fault::None,
    });
    let silent = connect(silent.await).await.unwrap();
    assert_eq!(derives_the_same(&history, silent).await, 0);

    // It stands still.
    let stuck_at: Arc<Mutex<Option<Value>>> = Arc::default();
    let head = Arc::clone(&stuck_at);
    let stuck = faulty_url(url, move |method, params| {
        let head = head.lock().unwrap();
        match (method, head.as_ref()) {
            ("eth_getBlockByNumber", Some(head)) if params[0] == "latest" => Fault::Lie(head.clone()),
            ("eth_blockNumber", Some(head)) => Fault::Lie(head["number"].clone()),
            _ => Fault::None,
        }
    });
    let options = Options {
        stall: Duration::ZERO,
        ..Options::default()
    };
    let mut follower = history.follower_of(connect(stuck.await).await.unwrap(), options).await;
    follower.sync().await.unwrap();
    let latest = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": ["latest", false]});
    let answer = reqwest::Client::new().post(url).json(&latest).send().await.unwrap();
    *stuck_at.lock().unwrap() = Some(answer.json::<Value>().await.unwrap()["result"].clone());
    history.go_on(history.block().await + 5, 9).await;
    assert_eq!(follower.sync().await.unwrap(), News::default());
    assert!(!follower.sync().await.unwrap().inputs.is_empty());
    history.assert_fresh(&follower).await;
}

#[tokio::test]
async fn nodes_of_several_chains_are_refused() {
    let history = History::new().await;
    let url = history.world.devnet.url();
    let other = faulty_url(url, |method, _| match method {
        "eth_chainId" => Fault::Lie(json!("0x1")),
        _ => Fault::None,
    });
    let urls = [url.to_owned(), other.await];
    let error = L1::connect_all(&urls, Duration::ZERO, Duration::from_secs(2)).await;
    let error = error.err().expect("they are of two chains");
    assert!(matches!(error, Error::WrongChain { found: 1, .. }), "{error}");
    assert_eq!(error.action(), Action::Halt);
}

#[tokio::test]
async fn a_node_that_never_answers_is_not_waited_for() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let urls = [url];
    let connected = L1::connect_all(&urls, Duration::ZERO, Duration::from_millis(50));
    let connected = tokio::time::timeout(Duration::from_secs(5), connected).await;
    let error = connected.expect("it gives up").err().expect("there is no answer");
    assert_eq!(error.action(), Action::Retry, "{error}");
}
