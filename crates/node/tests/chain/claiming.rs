//! Withdrawals are paid once, and not before their batch is final; to whoever bought the claim, if anybody did.

use alloy::{
    primitives::{Address, U256},
    providers::Provider,
    signers::SignerSync,
};
use nthroot_bindings::bridge::Bridge::BridgeErrors;
use nthroot_node::{Error, Mined, Result, claims};
use nthroot_protocol::Domain;

use crate::world::{Actor, ETHER, WINDOW, World, party, pay, withdraw};

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

impl World {
    async fn balance(&self, address: Address) -> U256 {
        self.devnet.l1().provider().get_balance(address).await.unwrap()
    }

    /// A signature of an offer.
    fn sign(&self, actor: &Actor, offer: &nthroot_protocol::Assignment) -> alloy::primitives::Bytes {
        let domain = Domain {
            chain_id: self.deployment.chain_id,
            bridge: self.deployment.bridge,
        };
        let signature = actor.key.sign_hash_sync(&offer.signing_hash(&domain)).unwrap();
        signature.as_bytes().into()
    }
}

fn refused(sent: Result<Mined>) -> BridgeErrors {
    match sent {
        Err(Error::WouldFail(revert)) => revert.bridge_error().expect("an error of the bridge"),
        sent => panic!("not refused: {sent:?}"),
    }
}

#[tokio::test]
async fn a_claim_that_was_sold_is_its_buyers() {
    let world = World::new().await;
    let (bob, wanda, mallory) = (
        world.actor("bob").await,
        world.actor("wanda").await,
        world.actor("mallory").await,
    );
    let paula = world.proposer("paula").await;
    let b = world.deposit(&bob, ETHER).await;
    let ops = [withdraw(bob.address(), ETHER / 2), withdraw(bob.address(), ETHER / 4)];
    let posted = world
        .post(&paula, 0, &[world.plan(&[party(&bob, b, 0, &ops)])], |_| ())
        .await
        .unwrap();
    let bridge = world.deployment.bridge;

    let mut follower = world.follower().await;
    let [first, second] = &claims::unpaid(follower.ledger(), posted.id).unwrap()[..] else {
        panic!("two claims")
    };
    assert!(claims::is_sound(follower.ledger(), posted.id).unwrap());
    let price = U256::from(ETHER * 49 / 100);
    let deadline = follower.tip().number + 10;
    let offer = first.offer(Some(wanda.address()), Address::ZERO, price, deadline);
    let signature = world.sign(&bob, &offer);

    // Not for another buyer, not at another price, not with another's signature.
    let mut cheaper = offer;
    cheaper.price = U256::ONE;
    let mut others = offer;
    others.to = Some(mallory.address());
    for (offer, signature) in [
        (cheaper, signature.clone()),
        (others, signature.clone()),
        (offer, world.sign(&mallory, &offer)),
    ] {
        let call = first.take(bridge, &offer, mallory.address(), signature);
        let error = refused(mallory.sender.send(call).await);
        assert!(matches!(error, BridgeErrors::BadSignature(_)), "{error:?}");
    }
    let before = world.balance(bob.address()).await;
    let take = first.take(bridge, &offer, wanda.address(), signature);
    wanda.sender.send(take.clone()).await.unwrap();
    assert_eq!(world.balance(bob.address()).await - before, price);
    let error = refused(wanda.sender.send(take).await);
    assert!(matches!(error, BridgeErrors::NotRecipient(_)), "{error:?}");

    // The second is given away, before the follower looks.
    bob.sender.send(second.give(bridge, mallory.address())).await.unwrap();
    follower.sync().await.unwrap();
    let assigned = claims::unpaid(follower.ledger(), posted.id).unwrap();
    let recipients: Vec<_> = assigned.iter().map(|payable| payable.claim.recipient).collect();
    assert_eq!(recipients, [wanda.address(), mallory.address()]);

    world.devnet.mine(WINDOW + 1).await.unwrap();
    follower.sync().await.unwrap();
    for (claim, buyer, amount) in [(0, &wanda, ETHER / 2), (1, &mallory, ETHER / 4)] {
        let before = world.balance(buyer.address()).await;
        let ready = &claims::ready(follower.ledger()).unwrap()[claim];
        paula.sender.send(ready.call(bridge)).await.unwrap();
        assert_eq!(world.balance(buyer.address()).await - before, U256::from(amount));
    }
    follower.sync().await.unwrap();
    assert!(claims::ready(follower.ledger()).unwrap().is_empty());
    world.assert_same(&follower).await;
}

#[tokio::test]
async fn a_claim_above_a_lie_on_another_anchor_is_not_sound() {
    let world = World::new().await;
    let (bob, mallory, paula) = (
        world.actor("bob").await,
        world.proposer("mallory").await,
        world.proposer("paula").await,
    );
    let b = world.deposit(&bob, ETHER).await;
    let m = [
        world.deposit(&mallory, ETHER).await,
        world.deposit(&mallory, ETHER).await,
    ];
    // Mallory's batch is honest to Bob and lies about an anchor of her own.
    let plans = [
        world.plan(&[party(&bob, b, 0, &[])]),
        world.plan(&[party(&mallory, m[0], 0, &[pay(m[1], 1)]), party(&mallory, m[1], 0, &[])]),
    ];
    let lie = world
        .post(&mallory, 0, &plans, |batch| {
            batch.steps[1].fresh[0].root = batch.steps[1].fresh[1].root;
        })
        .await
        .unwrap();
    let op = withdraw(bob.address(), ETHER / 2);
    let above = world
        .post(&paula, 0, &[world.plan(&[party(&bob, b, 1, &[op])])], |_| ())
        .await
        .unwrap();

    let follower = world.follower().await;
    let lies = follower.ledger().lies();
    assert!(matches!(&lies[..], [found] if found.batch == lie.id), "{lies:?}");
    assert!(follower.ledger().lies_of(above.id).is_empty());
    assert!(!claims::is_sound(follower.ledger(), above.id).unwrap());
}
