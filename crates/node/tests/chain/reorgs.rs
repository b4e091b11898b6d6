//! Reorganisations are rolled back exactly, however deep; below what was final everything is derived again.

use std::sync::Arc;

use nthroot_model::rule::Rules;
use nthroot_node::{Action, Error, Follower, follower::Trouble, store::Memory};

use crate::{faults::sync_at_last, history::History, world::ETHER};

#[tokio::test]
async fn a_reorganisation_of_any_depth_is_rolled_back_exactly() {
    let history = History::new().await;
    let mut follower = history.world.follower().await;
    for (depth, seed) in [1, 2, 3, 5, 8, 16, 32, 63, 64].into_iter().zip(0..) {
        let (snapshot, base) = (history.snapshot().await, history.block().await);
        history.go_on(base + depth, 2 * seed).await;
        let dropped = history.block().await - base;
        assert!(dropped >= depth);
        follower.sync().await.unwrap();
        history.assert_fresh(&follower).await;

        history.revert(snapshot).await;
        history.go_on(base + depth + 1, 2 * seed + 1).await;
        let news = follower.sync().await.unwrap();
        assert_eq!(news.rolled_back, dropped, "depth {depth}");
        assert!(news.inputs.iter().all(|input| input.block > base));
        assert!(!news.inputs.is_empty());
        history.assert_fresh(&follower).await;
    }
}

#[tokio::test]
async fn a_chain_that_is_shorter_and_another_one_is_followed_down() {
    let history = History::new().await;
    let (snapshot, base) = (history.snapshot().await, history.block().await);
    history.go_on(base + 20, 1).await;
    let mut follower = history.world.follower().await;
    history.revert(snapshot).await;
    history.go_on(base + 7, 2).await;
    assert!(follower.sync().await.unwrap().rolled_back >= 20);
    history.assert_fresh(&follower).await;
}

#[tokio::test]
async fn what_was_final_and_is_taken_back_is_derived_again_and_replaced_in_the_store() {
    let history = History::new().await;
    let (snapshot, base) = (history.snapshot().await, history.block().await);
    history.go_on(base + 90, 1).await;
    let store = Arc::new(Memory::new());
    let open = || {
        let (l1, deployment) = (history.world.devnet.l1().clone(), history.world.deployment.clone());
        Follower::open(l1, deployment, Rules::default(), store.clone())
    };
    let mut follower = open().await.unwrap();
    follower.sync().await.unwrap();
    assert!(follower.finalised().number > base);

    history.revert(snapshot).await;
    history.go_on(base + 100, 2).await;
    // One that runs, and one that was down meanwhile.
    let mut later = open().await.unwrap();
    assert!(later.finalised().number > base);
    sync_at_last(&mut later).await;
    history.assert_fresh(&later).await;
    let mut attempts = 0;
    let rolled_back = loop {
        match follower.sync().await {
            Ok(news) => break news.rolled_back,
            Err(error) => assert_eq!(error.action(), Action::Retry, "{error}"),
        }
        attempts += 1;
        assert!(attempts < 6);
    };
    assert!(rolled_back >= 90, "{rolled_back}");
    assert!(matches!(
        follower.troubles()[..],
        [Trouble::DerivesAgain(Error::FinalityBroken { .. })]
    ));
    history.assert_fresh(&follower).await;
    let resumed = open().await.unwrap();
    assert_eq!(resumed.finalised(), later.finalised());
}

#[tokio::test]
async fn what_was_not_told_yet_and_is_dropped_is_never_told() {
    let history = History::new().await;
    let mut follower = history.world.follower().await;
    let alice = history.world.actor("alice").await;
    follower.sync().await.unwrap();
    let snapshot = history.snapshot().await;
    history.world.deposit(&alice, ETHER).await;
    history.revert(snapshot).await;
    history.world.devnet.mine(2).await.unwrap();
    let news = follower.sync().await.unwrap();
    assert_eq!((news.rolled_back, news.inputs.len()), (0, 0));
    history.assert_fresh(&follower).await;
}
