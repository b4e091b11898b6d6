//! What a key with too little ether, or a disk with too little room, sends first.

use std::sync::{Arc, atomic::Ordering};

use alloy::primitives::U256;
use nthroot_node::{
    Error,
    fees::FeePolicy,
    outbox::{Event, Job, MAX_IN_FLIGHT, Outbox, Purpose, State},
};

use crate::{
    faulty::Full,
    outbox::{Chain, GWEI, batch, job, place, rows, sent, urgent},
    world::ETHER,
};

#[tokio::test]
async fn no_more_are_on_their_way_than_nodes_keep_and_none_is_lost() {
    let chain = Chain::new().await;
    let mut outbox = chain.outbox("many").await;
    let mut wanted: Vec<Job> = (1..=40).map(urgent).collect();
    let mut blocks = 0;
    while !wanted.is_empty() {
        chain.tick(&mut outbox, &wanted).await;
        let pending = outbox.entries().filter(|entry| entry.state == State::Pending);
        assert!(pending.count() <= MAX_IN_FLIGHT);
        chain.mine().await;
        blocks += 1;
        let mut left = Vec::new();
        for job in wanted {
            if chain.balance(place(job.purpose)).await == 0 {
                left.push(job);
            }
        }
        wanted = left;
    }
    assert_eq!(blocks, 3);
    assert_eq!(chain.count(outbox.address()).await, 40);
}

#[tokio::test]
async fn what_cannot_pay_the_base_fee_keeps_out_nothing_that_can() {
    for waits_already in [true, false] {
        let chain = Chain::new().await;
        let mut outbox = chain.outbox("jammed").await;
        let cheap = |number| job(Purpose::Convict(batch(number)), FeePolicy::urgent(21_000 * 10 * GWEI));
        let mut wanted: Vec<Job> = (1..=20).map(cheap).collect();
        if waits_already {
            chain.tick(&mut outbox, &wanted).await;
            assert_eq!(outbox.entries().count(), MAX_IN_FLIGHT);
        }
        chain.base_fee(100 * GWEI).await;
        chain.mine().await;
        // The newest lie is the last in the list.
        wanted.push(urgent(21));
        for _ in 0..3 {
            chain.tick(&mut outbox, &wanted).await;
            chain.mine().await;
        }
        assert_eq!(chain.balance(place(wanted[20].purpose)).await, 1, "{waits_already}");
    }
}

#[tokio::test]
async fn a_poor_key_offers_what_it_has_and_says_so() {
    let chain = Chain::new().await;
    let mut outbox = chain.outbox("poor").await;
    let funds = 21_000 * 3 * GWEI + 1;
    chain
        .ask("anvil_setBalance", (outbox.address(), U256::from(funds)))
        .await;
    let mut wanted = [urgent(1)];
    wanted[0].call.value = U256::ZERO;
    let events = chain.tick(&mut outbox, &wanted).await;
    let [Event::Sent { offer, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert!(offer.cost(21_000) <= funds);
    chain.base_fee(50 * GWEI).await;
    chain.mine().await;
    let events = chain.tick(&mut outbox, &wanted).await;
    assert!(
        events.iter().any(|event| matches!(event, Event::Exhausted { .. })),
        "{events:?}"
    );
}

/// A budget is what a transaction costs: the price for the gas that it uses. But nodes want a key to have that price for all of the
/// gas limit.
#[tokio::test]
async fn a_budget_counts_the_gas_that_is_used_and_the_ether_of_a_key_all_that_may_be() {
    const LIMIT: u64 = 1_000_000;
    let (budget, price) = (21_000 * 500 * GWEI, 400 * GWEI);
    for (uses, funds, pays) in [
        (Some(21_000), ETHER, true),
        (None, ETHER, false),
        (Some(21_000), 300 * GWEI * u128::from(LIMIT), false),
    ] {
        let chain = Chain::new().await;
        let mut outbox = chain.outbox("counts").await;
        chain
            .ask("anvil_setBalance", (outbox.address(), U256::from(funds)))
            .await;
        let mut wanted = [job(Purpose::Convict(batch(1)), FeePolicy::urgent(budget))];
        wanted[0].call.gas = Some(LIMIT);
        wanted[0].uses = uses;
        for _ in 0..16 {
            chain.base_fee(price).await;
            chain.tick(&mut outbox, &wanted).await;
            chain.mine().await;
        }
        let included = chain.balance(place(wanted[0].purpose)).await == 1;
        assert_eq!(included, pays, "{uses:?} {funds}");
        for version in outbox.entries().flat_map(|entry| &entry.versions) {
            assert!(version.offer.cost(uses.unwrap_or(LIMIT)) <= budget && version.offer.cost(LIMIT) <= funds);
        }
    }
}

/// A roll-back that takes much gas.
fn dear(number: u64) -> Job {
    let mut dear = job(Purpose::Unwind(batch(number)), FeePolicy::patient(ETHER));
    dear.call.gas = Some(8_000_000);
    dear
}

/// What stands before a proof must offer as much for a unit of gas as the proof: if the key has not the ether for so much gas,
/// it makes room.
#[tokio::test]
async fn a_proof_behind_what_takes_much_gas_is_not_kept_out_for_want_of_ether() {
    let chain = Chain::new().await;
    let mut outbox = chain.outbox("dear").await;
    chain
        .ask("anvil_setBalance", (outbox.address(), U256::from(ETHER / 20)))
        .await;
    let mut wanted = vec![dear(1)];
    assert_eq!(sent(&chain.tick(&mut outbox, &wanted).await).len(), 1);
    wanted.insert(0, urgent(2));
    // Eight million units of gas at this price are eight times what the key has.
    chain.base_fee(50 * GWEI).await;
    chain.mine().await;
    for _ in 0..3 {
        for event in chain.tick(&mut outbox, &wanted).await {
            assert!(!matches!(event, Event::Refused { .. }), "{event:?}");
        }
        chain.base_fee(50 * GWEI).await;
        chain.mine().await;
    }
    assert_eq!(chain.balance(place(wanted[0].purpose)).await, 1);
    // When fees are low again, it is done too.
    wanted.remove(0);
    for _ in 0..4 {
        chain.base_fee(GWEI).await;
        chain.tick(&mut outbox, &wanted).await;
        chain.mine().await;
    }
    assert_eq!(chain.balance(place(wanted[0].purpose)).await, 1);
}

/// And it takes nothing that the proof may come to need.
#[tokio::test]
async fn a_roll_back_leaves_the_ether_for_a_proof_that_waits() {
    let chain = Chain::new().await;
    let mut outbox = chain.outbox("reserve").await;
    let funds = ETHER / 20;
    chain
        .ask("anvil_setBalance", (outbox.address(), U256::from(funds)))
        .await;
    let budget = funds - funds / 10;
    let proof = job(Purpose::Convict(batch(1)), FeePolicy::urgent(budget));
    let events = chain.tick(&mut outbox, &[proof, dear(2)]).await;
    assert!(
        matches!(
            &events[..],
            [
                Event::Exhausted {
                    purpose: Some(Purpose::Unwind(_)),
                    ..
                },
                Event::Sent {
                    purpose: Some(Purpose::Convict(_)),
                    ..
                }
            ]
        ),
        "{events:?}"
    );
}

/// Sent twice a proof costs gas, not sent it costs what the lie takes.
#[tokio::test]
async fn a_proof_leaves_although_the_disk_is_full_and_nothing_else_does() {
    let chain = Chain::new().await;
    let (key, disk) = (chain.key("full").await, Arc::new(Full::default()));
    let mut outbox = Outbox::open(chain.l1().clone(), key.clone(), disk.clone()).unwrap();
    let wanted = [urgent(1), job(Purpose::Unwind(batch(2)), FeePolicy::urgent(ETHER))];
    disk.is_full.store(true, Ordering::SeqCst);
    let events = chain.tick(&mut outbox, &wanted).await;
    assert!(
        matches!(
            &events[..],
            [
                Event::Unwritten {
                    error: Error::Store { .. }
                },
                Event::Sent {
                    purpose: Some(Purpose::Convict(_)),
                    ..
                }
            ]
        ),
        "{events:?}"
    );
    chain.mine().await;
    let events = chain.tick(&mut outbox, &wanted).await;
    let is_proved = |event: &Event| {
        matches!(
            event,
            Event::Included {
                purpose: Some(Purpose::Convict(_)),
                ..
            }
        )
    };
    assert!(events.iter().any(is_proved), "{events:?}");
    assert!(sent(&events).is_empty(), "{events:?}");
    assert_eq!(rows(&disk.rows), 0);

    // As soon as there is room, all is as if there had always been.
    disk.is_full.store(false, Ordering::SeqCst);
    let events = chain.tick(&mut outbox, &wanted).await;
    assert_eq!(sent(&events).len(), 1, "{events:?}");
    chain.mine().await;
    chain.tick(&mut outbox, &wanted).await;
    for job in &wanted {
        assert_eq!(chain.balance(place(job.purpose)).await, 1);
    }
    let again = Outbox::open(chain.l1().clone(), key, disk.clone()).unwrap();
    assert!(again.entries().eq(outbox.entries()));
    assert_eq!(rows(&disk.rows), 2);
}
