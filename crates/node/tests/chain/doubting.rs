//! What does not fit is asked for again, for long enough; what an L1 node keeps back is noticed; and nothing stays wrong.

use alloy::{
    primitives::U256,
    providers::Provider as _,
    rpc::types::{Filter, Log},
    sol_types::SolEvent as _,
};
use nthroot_bindings::Bridge;
use nthroot_node::{
    Action, Error, Follower, Watcher,
    follower::{Options, Trouble},
    watcher::Deed,
};
use nthroot_protocol::{AccountOp, AssetId};
use serde_json::{Value, json};

use crate::{
    faults::{derives_the_same, long, sync_at_last},
    faulty::{Fault, faulty},
    history::History,
    watching::enrich,
    world::{ETHER, party},
};

/// Syncs until that is given up. Returns how often it was to be tried again, and why it was given up.
pub(crate) async fn ends(follower: &mut Follower) -> (u32, Error) {
    for retries in 0..20 {
        match follower.sync().await.unwrap_err() {
            error if error.action() == Action::Halt => return (retries, error),
            Error::Doubtful { .. } => {}
            error => panic!("{error}"),
        }
    }
    panic!("it never gives up")
}

#[tokio::test]
async fn events_that_a_node_always_keeps_back_are_found_in_receipts() {
    let history = long().await;
    let silent = faulty(history.world.devnet.url(), |method, _| match method {
        "eth_getLogs" => Fault::Lie(json!([])),
        _ => Fault::None,
    });
    assert!(derives_the_same(&history, silent.await).await <= 1);
}

#[tokio::test]
async fn what_never_fits_halts_but_not_before_it_was_asked_for_again_and_again() {
    let history = long().await;
    let silent = faulty(history.world.devnet.url(), |method, _| match method {
        "eth_getLogs" | "eth_getBlockReceipts" => Fault::Lie(json!([])),
        _ => Fault::None,
    });
    let mut follower = history.follower_of(silent.await, Options::default()).await;
    let (retries, error) = ends(&mut follower).await;
    assert!(matches!(error, Error::Diverged { .. }), "{error}");
    assert!(retries >= 6, "{retries}");
    assert!(matches!(
        follower.troubles()[..],
        [Trouble::DerivesAgain(Error::Diverged { .. })]
    ));
}

fn number(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}

/// A node that has all events but one in its index: a deposit in a block of its own, of which no later id tells, and that
/// nobody has touched since.
async fn without_a_deposit(history: &History, proves: bool) -> nthroot_node::L1 {
    let l1 = history.world.devnet.l1();
    let filter = Filter::new().address(history.world.deployment.bridge).from_block(0);
    let mut logs: Vec<Log> = l1.provider().get_logs(&filter).await.unwrap();
    let deposits = logs
        .iter()
        .filter(|log| log.topic0() == Some(&Bridge::Deposited::SIGNATURE_HASH));
    // The first two are those that somebody goes on with.
    let kept_back = deposits.map(|log| log.transaction_hash).nth(2).expect("there are more");
    logs.retain(|log| log.transaction_hash != kept_back);
    faulty(history.world.devnet.url(), move |method, params| match method {
        "eth_getLogs" if params[0].get("blockHash").is_none() => {
            let (from, to) = (
                number(&params[0]["fromBlock"]).unwrap(),
                number(&params[0]["toBlock"]).unwrap(),
            );
            let found = |log: &&Log| (from..=to).contains(&log.block_number.unwrap());
            Fault::Lie(json!(logs.iter().filter(found).collect::<Vec<_>>()))
        }
        "eth_getProof" if !proves => Fault::Refusal(json!({"code": -32601, "message": "the method does not exist"})),
        _ => Fault::None,
    })
    .await
}

#[tokio::test]
async fn a_deposit_that_a_range_lacks_is_missed_by_the_bridges_storage() {
    let history = long().await;
    let l1 = without_a_deposit(&history, true).await;
    assert_eq!(derives_the_same(&history, l1).await, 0);
}

#[tokio::test]
async fn a_node_that_proves_no_storage_is_told_of() {
    let history = long().await;
    let l1 = without_a_deposit(&history, false).await;
    let mut follower = history.follower_of(l1, Options::default()).await;
    for _ in 0..3 {
        sync_at_last(&mut follower).await;
        history.world.devnet.mine(1).await.unwrap();
    }
    let troubles = follower.troubles();
    assert!(matches!(troubles[..], [Trouble::Unverified(_)]), "{troubles:?}");
    // What is missed then, nothing else tells.
    let all = history.world.follower().await;
    assert_eq!(follower.ledger().anchors().count() + 1, all.ledger().anchors().count());
}

/// anvil's roots count slots that became zero, as those of anchors do whose opening was a lie: no reason to halt.
#[tokio::test]
async fn a_root_that_only_the_node_sees_is_told_and_nothing_halts() {
    let history = History::new().await;
    let world = &history.world;
    let anchor = world.deposit(&history.alice, ETHER).await;
    let open = AccountOp::Open {
        depth: 0,
        kind: history.alice.key().kind().to_u8(),
        controller: history.alice.address(),
        assets: vec![(AssetId::ETH, ETHER / 2)],
    };
    let plan = world.plan(&[party(&history.alice, anchor, 0, &[open])]);
    let lie = enrich(&history.alice);
    world.post(&history.paula, 0, &[plan], lie).await.unwrap();
    let mut follower = world.follower().await;
    let deeds = Watcher::new(history.alice.sender.clone())
        .defend(&mut follower)
        .await
        .unwrap();
    assert!(
        matches!(deeds[..], [Deed::Convicted { unwound: true, .. }]),
        "{deeds:?}"
    );
    world.devnet.mine(100).await.unwrap();

    let mut fresh = history.follower_of(world.devnet.l1().clone(), Options::default()).await;
    sync_at_last(&mut fresh).await;
    let troubles = fresh.troubles();
    assert!(matches!(troubles[..], [Trouble::Unverified(_)]), "{troubles:?}");
    assert_eq!(fresh.ledger().head(anchor), follower.ledger().head(anchor));
}

#[tokio::test]
async fn an_error_is_no_answer_to_what_is_final() {
    let history = long().await;
    for (message, is_none) in [("finalized block not found", true), ("the backend is down", false)] {
        let l1 = faulty(history.world.devnet.url(), move |_, params| {
            if params[0] == "finalized" {
                Fault::Refusal(json!({"code": -32000, "message": message}))
            } else {
                Fault::None
            }
        });
        let mut follower = history.follower_of(l1.await, Options::default()).await;
        match follower.sync().await {
            Ok(_) => assert!(is_none, "{message}"),
            Err(error) => assert!(!is_none && error.action() == Action::Retry, "{error}"),
        }
    }
}

/// L1 must not convict what the model holds valid: whichever is wrong, nobody should build on it.
#[tokio::test]
async fn a_conviction_of_a_batch_without_a_lie_does_not_fit() {
    let history = History::new().await;
    let world = &history.world;
    let anchor = world.deposit(&history.alice, ETHER).await;
    let posted = world
        .post(
            &history.paula,
            0,
            &[world.plan(&[party(&history.alice, anchor, 0, &[])])],
            |_| (),
        )
        .await
        .unwrap();
    world.devnet.mine(1).await.unwrap();
    let block = world.devnet.l1().latest().await.unwrap();
    let event = Bridge::Convicted {
        id: posted.id.to_u64().try_into().unwrap(),
        proposer: history.paula.address(),
        challenger: history.alice.address(),
        slashed: U256::ZERO,
        unwound: true,
    };
    let log = Log {
        inner: alloy::primitives::Log {
            address: world.deployment.bridge,
            data: event.encode_log_data(),
        },
        block_number: Some(block.0),
        block_hash: Some(block.1),
        transaction_hash: Some(posted.mined.hash()),
        transaction_index: Some(0),
        log_index: Some(0),
        ..Log::default()
    };
    let l1 = faulty(world.devnet.url(), move |method, params| {
        if method == "eth_getLogs" && params[0]["blockHash"] == json!(block.1) {
            Fault::Lie(json!([log]))
        } else {
            Fault::None
        }
    });
    let mut follower = history.follower_of(l1.await, Options::default()).await;
    let error = follower.sync().await.unwrap_err();
    assert!(error.to_string().contains("every step of it is valid"), "{error}");
}
