//! What the follower derives is what the chain has.

use alloy::providers::Provider;
use nthroot_model::ledger::State;
use nthroot_node::follower::News;
use nthroot_protocol::{AccountOp, AssetId};

use crate::world::{ETHER, World, party, pay, withdraw};

#[tokio::test]
async fn every_head_and_status_derived_is_the_bridges() {
    let world = World::new().await;
    let (alice, bob) = (world.actor("alice").await, world.actor("bob").await);
    let paula = world.proposer("paula").await;
    let (a, b) = (world.deposit(&alice, ETHER).await, world.deposit(&bob, ETHER).await);
    let open = AccountOp::Open {
        depth: 0,
        kind: 1,
        controller: paula.address(),
        assets: vec![(AssetId::ETH, ETHER / 8)],
    };
    let plans = [
        world.plan(&[party(&alice, a, 0, &[pay(b, ETHER / 4)]), party(&bob, b, 0, &[])]),
        world.plan(&[party(&bob, b, 1, &[withdraw(bob.address(), ETHER / 2), open])]),
    ];
    world.post(&paula, 0, &plans, |_| ()).await.unwrap();

    let follower = world.follower().await;
    world.assert_same(&follower).await;
    assert_eq!(follower.ledger().anchors().count(), 3);
    let balance = |anchor| {
        follower
            .ledger()
            .state(anchor)
            .and_then(State::known)
            .unwrap()
            .header()
            .balance(AssetId::ETH)
    };
    assert_eq!((balance(a), balance(b)), (ETHER * 3 / 4, ETHER * 5 / 8));
}

#[tokio::test]
async fn a_step_that_lost_a_race_is_skipped_by_chain_and_model_alike() {
    let world = World::new().await;
    let (alice, bob) = (world.actor("alice").await, world.actor("bob").await);
    let (paula, peter) = (world.proposer("paula").await, world.proposer("peter").await);
    let (a, b) = (world.deposit(&alice, ETHER).await, world.deposit(&bob, ETHER).await);

    // Both build on the same heads; Peter's batch comes second, and only its step on Bob's anchor still fits.
    let old = world.follower().await;
    world
        .post(&paula, 0, &[world.plan(&[party(&alice, a, 0, &[])])], |_| ())
        .await
        .unwrap();
    let proposer = nthroot_node::Proposer::new(peter.sender.clone());
    let plans = [
        world.plan(&[party(&alice, a, 0, &[withdraw(alice.address(), 1)])]),
        world.plan(&[party(&bob, b, 0, &[])]),
    ];
    let batch = proposer.build(&old, None, &plans).unwrap();
    let posted = proposer.post(&old, &batch).await.unwrap();
    assert_eq!(posted.skipped, [0b01]);

    let follower = world.follower().await;
    world.assert_same(&follower).await;
    assert!(follower.ledger().lies().is_empty());
}

#[tokio::test]
async fn a_reorganisation_is_told_and_rolled_back() {
    let world = World::new().await;
    let alice = world.actor("alice").await;
    let kept = world.deposit(&alice, ETHER).await;
    world.devnet.mine(3).await.unwrap();
    let gone = world.deposit(&alice, ETHER).await;
    world.devnet.mine(1).await.unwrap();
    let mut follower = world.follower().await;
    assert!(follower.ledger().head(gone).is_some());

    world.devnet.reorg(3).await.unwrap();
    let news = follower.sync().await.unwrap();
    assert_eq!(news.rolled_back, 3);
    assert!(follower.ledger().head(kept).is_some());
    assert_eq!(follower.ledger().head(gone), world.head(gone).await);
    world.assert_same(&follower).await;
}

#[tokio::test]
async fn a_chain_that_became_shorter_is_another_one_or_an_older_view() {
    let world = World::new().await;
    let alice = world.actor("alice").await;
    let provider = world.devnet.l1().provider();
    let snapshot: String = provider.raw_request("evm_snapshot".into(), ()).await.unwrap();
    let gone = world.deposit(&alice, ETHER).await;
    world.devnet.mine(2).await.unwrap();
    let mut follower = world.follower().await;

    // The same blocks, fewer of them: nothing to do but wait.
    let _: bool = provider.raw_request("evm_revert".into(), (snapshot,)).await.unwrap();
    assert_eq!(follower.sync().await.unwrap(), News::default());
    assert!(!follower.is_synced());
    assert!(follower.ledger().head(gone).is_some());

    // Other blocks.
    world.deposit(&alice, 2 * ETHER).await;
    let news = follower.sync().await.unwrap();
    assert_eq!((news.rolled_back, news.inputs.len()), (3, 1));
    assert!(follower.is_synced());
    world.assert_same(&follower).await;
}

#[tokio::test]
async fn old_blocks_are_derived_by_range_and_give_the_same_ledger() {
    let world = World::new().await;
    let (alice, paula) = (world.actor("alice").await, world.proposer("paula").await);
    let a = world.deposit(&alice, ETHER).await;
    let mut early = world.follower().await;
    world
        .post(&paula, 0, &[world.plan(&[party(&alice, a, 0, &[])])], |_| ())
        .await
        .unwrap();
    early.sync().await.unwrap();
    // Beyond the two epochs after which anvil calls a block final.
    world.devnet.mine(100).await.unwrap();
    early.sync().await.unwrap();

    let late = world.follower().await;
    world.assert_same(&late).await;
    assert_eq!(late.tip(), early.tip());
    assert_eq!(late.ledger().global(), early.ledger().global());
    assert_eq!(late.ledger().head(a), early.ledger().head(a));
}
