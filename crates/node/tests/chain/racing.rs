//! Watchers that are not alone: somebody else is faster, contracts disagree, and what failed may fail again.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use alloy::providers::Provider as _;
use nthroot_node::{
    alert::{Alert, Kind},
    outbox::{Event, Purpose},
};
use nthroot_protocol::Status;

use crate::{
    faulty::{Fault, faulty},
    guarding::{Guard, refusing, step_is_valid},
    watching::scene,
};

/// Two proofs of one lie in one block: the second does nothing, which is no failure of its sender.
#[tokio::test]
async fn a_proof_that_is_second_in_a_block_is_no_failure() {
    let mut scene = scene().await;
    let l1 = scene.world.devnet.l1().clone();
    let mut first = Guard::new(&scene, &l1).await;
    scene.wanda = scene.world.actor("otto").await;
    let mut second = Guard::new(&scene, &l1).await;
    let id = scene.lie().await;
    first.tick().await;
    second.tick().await;
    scene.mine().await;
    let mut events = first.tick().await;
    events.extend(second.tick().await);
    let mut alerts: Vec<Kind> = events
        .iter()
        .filter_map(Alert::of_event)
        .map(|alert| alert.kind)
        .collect();
    alerts.dedup();
    assert_eq!(alerts, [Kind::Convicted], "{events:?}");
    let late = events.iter().filter(|event| match event {
        Event::Failed { purpose, revert, .. } => *purpose == Some(Purpose::Convict(id)) && revert.is_late(),
        _ => false,
    });
    assert_eq!(late.count(), 1, "{events:?}");
    assert_eq!(first.follower.ledger().status(id), Some(Status::Unwound));
}

/// A simulation is good until what it said turns out wrong.
#[tokio::test]
async fn what_was_included_and_failed_is_simulated_before_it_is_sent_again() {
    let scene = scene().await;
    let simulations = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&simulations);
    let l1 = faulty(scene.world.devnet.url(), move |method, params| {
        // Reasons of what failed are asked for at the blocks where it did.
        if method == "eth_call" && params[1] == "latest" {
            count.fetch_add(1, Ordering::SeqCst);
        }
        Fault::None
    })
    .await;
    let mut guard = Guard::new(&scene, &l1).await;
    let id = scene.lie().await;
    guard.tick().await;
    assert_eq!(simulations.load(Ordering::SeqCst), 1);

    // For a block the bridge is something else.
    let bridge = scene.world.deployment.bridge;
    let code = scene.world.devnet.l1().provider().get_code_at(bridge).await.unwrap();
    scene.world.ask("anvil_setCode", (bridge, "0x60ff5f5360015ffd")).await;
    scene.mine().await;
    scene.world.ask("anvil_setCode", (bridge, code)).await;
    guard.follower.sync().await.unwrap();
    let events = guard.outbox.tick(guard.follower.tip(), 0, &[]).await.unwrap();
    assert!(matches!(events[..], [Event::Failed { .. }]), "{events:?}");
    guard.tick().await;
    assert_eq!(simulations.load(Ordering::SeqCst), 2);
    scene.mine().await;
    guard.tick().await;
    assert_eq!(guard.follower.ledger().status(id), Some(Status::Unwound));
}

#[tokio::test]
async fn a_doubt_about_the_model_is_found_again_after_a_restart() {
    let scene = scene().await;
    let selector = "0x".to_owned() + &alloy::primitives::hex::encode(step_is_valid());
    let l1 = refusing(&scene, selector).await;
    let mut guard = Guard::new(&scene, &l1).await;
    scene.lie().await;
    guard.look().await.unwrap();
    assert!(guard.duties.is_in_doubt());
    let mut guard = Guard::restarted(&scene, &l1, guard.store).await;
    assert!(!guard.duties.is_in_doubt());
    guard.look().await.unwrap();
    assert!(guard.duties.is_in_doubt());
}

/// A doubt lasts until the contracts say otherwise.
#[tokio::test]
async fn a_doubt_about_the_model_stays_while_the_contracts_cannot_be_asked() {
    let scene = scene().await;
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    let valid = serde_json::json!({"code": 3, "message": "execution reverted",
        "data": "0x".to_owned() + &alloy::primitives::hex::encode(step_is_valid())});
    let l1 = faulty(scene.world.devnet.url(), move |method, _| match method {
        "eth_call" if count.fetch_add(1, Ordering::SeqCst) == 0 => Fault::Refusal(valid.clone()),
        "eth_call" => Fault::Lost,
        _ => Fault::None,
    })
    .await;
    let mut guard = Guard::new(&scene, &l1).await;
    scene.lie().await;
    guard.look().await.unwrap();
    // Longer than it is not asked again, and not as long as the window.
    scene.world.devnet.mine(35).await.unwrap();
    let work = guard.look().await.unwrap();
    assert_eq!(work.failed.len(), 1, "{work:?}");
    assert!(asked.load(Ordering::SeqCst) > 1 && guard.duties.is_in_doubt());
}
