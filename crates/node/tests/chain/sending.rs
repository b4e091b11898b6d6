//! Transactions reach a block, whatever fees do.

use std::time::Duration;

use alloy::{
    primitives::{Address, U256},
    providers::Provider,
};
use nthroot_node::{Call, Error};

use crate::world::{ETHER, World};

impl World {
    async fn set_mining(&self, automatic: bool) {
        let provider = self.devnet.l1().provider();
        let _: Option<bool> = provider
            .raw_request("evm_setAutomine".into(), (automatic,))
            .await
            .unwrap();
    }

    async fn mine_with_base_fee(&self, wei: u64) {
        let provider = self.devnet.l1().provider();
        let _: Option<bool> = provider
            .raw_request("anvil_setNextBlockBaseFeePerGas".into(), (U256::from(wei),))
            .await
            .unwrap();
        self.devnet.mine(1).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn gift() -> Call {
    Call::new(Address::repeat_byte(0x55), vec![]).value(U256::from(1))
}

#[tokio::test]
async fn a_transaction_that_fees_ran_away_from_is_sent_again_and_included_once() {
    let world = World::new().await;
    let alice = world.actor("alice").await;
    world.set_mining(false).await;
    let sender = alice.sender.clone();
    let sending = tokio::spawn(async move { sender.send(gift()).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    // A thousand times what it offered at first: only a later version can be included.
    for _ in 0..12 {
        world.mine_with_base_fee(1_000_000_000_000).await;
    }
    let mined = sending.await.unwrap().unwrap();
    assert!(mined.receipt.effective_gas_price >= 1_000_000_000_000);
    let count = world
        .devnet
        .l1()
        .provider()
        .get_transaction_count(alice.address())
        .await
        .unwrap();
    assert_eq!(count, 1);
}

#[tokio::test]
async fn a_transaction_that_was_given_up_is_replaced_by_the_next() {
    let world = World::new().await;
    let alice = world.actor("alice").await;
    world.set_mining(false).await;
    let sender = alice.sender.clone();
    let sending = tokio::spawn(async move { sender.send(gift()).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    sending.abort();
    let _ = sending.await;

    let sender = alice.sender.clone();
    let sending = tokio::spawn(async move { sender.send(gift().value(U256::from(2))).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    world.devnet.mine(1).await.unwrap();
    sending.await.unwrap().unwrap();
    let provider = world.devnet.l1().provider();
    assert_eq!(
        provider.get_balance(Address::repeat_byte(0x55)).await.unwrap(),
        U256::from(2)
    );
}

#[tokio::test]
async fn what_would_fail_is_not_sent() {
    let world = World::new().await;
    let alice = world.actor("alice").await;
    // The bridge takes no plain transfers.
    let call = Call::new(world.deployment.bridge, vec![]).value(U256::from(ETHER));
    let error = alice.sender.send(call).await.unwrap_err();
    assert!(
        matches!(&error, Error::WouldFail(revert) if revert.to_string().contains("PlainTransferRefused")),
        "{error}"
    );
    let count = world
        .devnet
        .l1()
        .provider()
        .get_transaction_count(alice.address())
        .await
        .unwrap();
    assert_eq!(count, 0);
}
