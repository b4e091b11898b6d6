//! Withdrawals are paid once, and not before their batch is final.

use alloy::{primitives::U256, providers::Provider};
use nthroot_bindings::bridge::Bridge::BridgeErrors;
use nthroot_node::{Error, claims};

use crate::world::{ETHER, WINDOW, World, party, withdraw};

#[tokio::test]
async fn a_withdrawal_is_paid_once_and_only_when_final() {
    let world = World::new().await;
    let (alice, paula) = (world.actor("alice").await, world.proposer("paula").await);
    let a = world.deposit(&alice, ETHER).await;
    let recipient = alloy::primitives::Address::repeat_byte(0x77);
    let ops = [withdraw(recipient, ETHER / 4), withdraw(recipient, ETHER / 8)];
    let posted = world
        .post(&paula, 0, &[world.plan(&[party(&alice, a, 0, &ops)])], |_| ())
        .await
        .unwrap();
    let bridge = world.deployment.bridge;

    let mut follower = world.follower().await;
    assert!(claims::ready(follower.ledger()).unwrap().is_empty());
    let early = claims::unpaid(follower.ledger(), posted.id).unwrap();
    let refused = paula.sender.send(early[0].call(bridge)).await.unwrap_err();
    let Error::WouldFail(revert) = &refused else {
        panic!("{refused}")
    };
    assert!(
        matches!(revert.bridge_error(), Some(BridgeErrors::NotFinal(_))),
        "{revert}"
    );

    world.devnet.mine(WINDOW + 1).await.unwrap();
    follower.sync().await.unwrap();
    let ready = claims::ready(follower.ledger()).unwrap();
    assert_eq!(ready, early);
    for (claim, paid) in ready.iter().zip([ETHER / 4, ETHER / 4 + ETHER / 8]) {
        paula.sender.send(claim.call(bridge)).await.unwrap();
        let balance = world.devnet.l1().provider().get_balance(recipient).await.unwrap();
        assert_eq!(balance, U256::from(paid));
        let again = paula.sender.send(claim.call(bridge)).await.unwrap_err();
        let Error::WouldFail(revert) = &again else {
            panic!("{again}")
        };
        assert!(
            matches!(revert.bridge_error(), Some(BridgeErrors::AlreadyPaid(_))),
            "{revert}"
        );
    }
    follower.sync().await.unwrap();
    assert!(claims::ready(follower.ledger()).unwrap().is_empty());
    assert!(follower.ledger().slot_is_free(paula.address(), 0));
    world.assert_same(&follower).await;
}
