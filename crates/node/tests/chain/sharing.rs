//! A key that something else sends with: nothing happens twice, nobody is driven to the end of a budget, and it is told.

use std::sync::Arc;

use alloy::primitives::{Address, B256, U256};
use nthroot_node::{
    Call, Sender,
    fees::FeePolicy,
    outbox::{Event, Outbox, Purpose},
    store::Memory,
};

use crate::{
    outbox::{Chain, job, place, sent, urgent},
    world::ETHER,
};

#[tokio::test]
async fn a_nonce_that_somebody_else_used_is_given_up_and_the_job_gets_another() {
    let chain = Chain::new().await;
    let mut outbox = chain.outbox("shared").await;
    let wanted = [urgent(1)];
    let first = sent(&chain.tick(&mut outbox, &wanted).await);
    chain.ask("anvil_dropTransaction", (first[0],)).await;
    let sender = Sender::new(chain.l1().clone(), chain.key("shared").await);
    let elsewhere = Call::new(Address::repeat_byte(9), []).value(U256::from(1)).gas(21_000);
    let sending = tokio::spawn(async move { sender.send(elsewhere).await });
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    chain.mine().await;
    sending.await.unwrap().unwrap();

    let events = chain.tick(&mut outbox, &wanted).await;
    let [Event::Taken { nonce: 0, block, .. }, Event::Sent { nonce: 1, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(*block, chain.tip().await.number);
    chain.mine().await;
    chain.tick(&mut outbox, &wanted).await;
    assert_eq!(chain.balance(place(wanted[0].purpose)).await, 1);
}

/// What L1 would not refuse the second time waits until the first transaction can never come back.
#[tokio::test]
async fn what_could_happen_twice_waits_for_finality_before_it_gets_another_nonce() {
    let chain = Chain::new().await;
    let mut outbox = chain.outbox("careful").await;
    let wanted = [job(Purpose::Other(B256::repeat_byte(1)), FeePolicy::urgent(ETHER))];
    let first = sent(&chain.tick(&mut outbox, &wanted).await);
    chain.ask("anvil_dropTransaction", (first[0],)).await;
    let sender = Sender::new(chain.l1().clone(), chain.key("careful").await);
    let elsewhere = Call::new(Address::repeat_byte(9), []).value(U256::from(1)).gas(21_000);
    let sending = tokio::spawn(async move { sender.send(elsewhere).await });
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    chain.mine().await;
    sending.await.unwrap().unwrap();
    let taken = chain.tip().await.number;
    for _ in 0..3 {
        assert!(sent(&chain.tick(&mut outbox, &wanted).await).is_empty());
        chain.mine().await;
    }
    // The tick in which the nonce is forgotten.
    let tip = chain.tip().await;
    let events = outbox.tick(tip, taken, &wanted).await.unwrap();
    assert!(matches!(&events[..], [Event::Sent { nonce: 1, .. }]), "{events:?}");
}

#[tokio::test]
async fn a_key_whose_store_was_lost_outbids_what_it_sent_before() {
    let chain = Chain::new().await;
    chain.tick(&mut chain.outbox("lost").await, &[urgent(1)]).await;
    let mut outbox = chain.outbox("lost").await;
    let events = chain.tick(&mut outbox, &[urgent(2)]).await;
    assert!(
        matches!(
            &events[..],
            [Event::Contested { nonce: 0, .. }, Event::Sent { nonce: 0, .. }]
        ),
        "{events:?}"
    );
    chain.mine().await;
    chain.tick(&mut outbox, &[]).await;
    assert_eq!(chain.balance(place(urgent(1).purpose)).await, 0);
    assert_eq!(chain.balance(place(urgent(2).purpose)).await, 1);
}

#[tokio::test]
async fn two_processes_with_one_key_outbid_each_other_a_few_times_a_block_and_say_so() {
    let chain = Chain::new().await;
    let key = chain.key("twins").await;
    let open = || Outbox::open(chain.l1().clone(), key.clone(), Arc::new(Memory::new())).unwrap();
    let mut twins = [open(), open()];
    let mut offers = Vec::new();
    let mut contested = 0;
    for _ in 0..10 {
        for (number, outbox) in (1..).zip(&mut twins) {
            for event in chain.tick(outbox, &[urgent(number)]).await {
                match event {
                    Event::Sent { offer, .. } => offers.push(offer.max_fee),
                    Event::Contested { nonce: 0, .. } => contested += 1,
                    event => panic!("{event:?}"),
                }
            }
        }
    }
    assert!(contested > 0 && offers.len() > 2, "{offers:?}");
    // Each twice after the first.
    assert!(
        offers.len() <= 6 && offers.iter().max() <= Some(&(offers[0] << 4)),
        "{offers:?}"
    );
}

#[tokio::test]
async fn what_something_else_sends_with_the_key_is_told_although_nothing_waits() {
    let chain = Chain::new().await;
    let mut outbox = chain.outbox("idle").await;
    assert!(chain.tick(&mut outbox, &[]).await.is_empty());
    let sender = Sender::new(chain.l1().clone(), chain.key("idle").await);
    let elsewhere = Call::new(Address::repeat_byte(9), []).value(U256::from(1)).gas(21_000);
    let sending = tokio::spawn(async move { sender.send(elsewhere).await });
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    chain.mine().await;
    sending.await.unwrap().unwrap();
    let events = chain.tick(&mut outbox, &[]).await;
    assert!(
        matches!(
            &events[..],
            [Event::Taken {
                purpose: None,
                nonce: 0,
                ..
            }]
        ),
        "{events:?}"
    );
    assert!(chain.tick(&mut outbox, &[]).await.is_empty(), "once");
    // Its own it knows.
    let wanted = [urgent(1)];
    assert_eq!(sent(&chain.tick(&mut outbox, &wanted).await).len(), 1);
    chain.mine().await;
    let events = chain.tick(&mut outbox, &wanted).await;
    assert!(matches!(&events[..], [Event::Included { .. }]), "{events:?}");
}
