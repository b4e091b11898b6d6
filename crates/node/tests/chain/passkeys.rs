//! Users whose keys are P-256: in software, or in an authenticator.

use nthroot_model::{authenticator::Authenticator, ledger::State, signing::Signer};
use nthroot_node::{Error, Watcher, watcher};
use nthroot_protocol::{AccountOp, AssetId, Body, Signature};
use nthroot_wallet::account::Party;
use p256::ecdsa::SigningKey;

use crate::world::{ETHER, World, leaf_for, party, pay, withdraw};

fn key(byte: u8) -> SigningKey {
    SigningKey::from_slice(&[byte; 32]).unwrap()
}

#[tokio::test]
async fn a_passkey_deposits_pays_withdraws_and_hands_over() {
    let world = World::new().await;
    let (alice, paula) = (world.actor("alice").await, world.proposer("paula").await);
    let pia = Authenticator::new(key(1), "wallet.example");
    let quentin = key(2);
    // Whoever has ether pays for the deposits.
    let p = world.deposit_for(&alice, pia.key(), ETHER).await;
    let q = world.deposit_for(&alice, quentin.key(), ETHER).await;
    let hand_over = AccountOp::SetController {
        kind: pia.key().kind().to_u8(),
        controller: pia.key().controller(),
    };
    let plans = [
        world.plan(&[
            Party::signing(&pia, p.fragment(), 0, vec![pay(q, ETHER / 4)]),
            Party::signing(&quentin, q.fragment(), 0, vec![]),
        ]),
        world.plan(&[Party::signing(
            &pia,
            p.fragment(),
            1,
            vec![withdraw(alice.address(), ETHER / 8)],
        )]),
        world.plan(&[Party::signing(&quentin, q.fragment(), 1, vec![hand_over])]),
        // By now it is Pia's.
        world.plan(&[Party::signing(&pia, q.fragment(), 2, vec![pay(p, ETHER)]), {
            Party::signing(&pia, p.fragment(), 2, vec![])
        }]),
    ];
    let posted = world.post(&paula, 0, &plans, |_| ()).await.unwrap();
    let mut follower = world.follower().await;
    world.assert_same(&follower).await;
    let held = |anchor| {
        let state = follower.ledger().state(anchor).and_then(State::known).unwrap();
        state.header().balance(AssetId::ETH)
    };
    assert_eq!((held(p), held(q)), (2 * ETHER - ETHER * 3 / 8, ETHER / 4));
    for step in 0..4 {
        let challenge = watcher::challenge(follower.ledger(), posted.id, step).unwrap();
        let watcher = Watcher::new(alice.sender.clone());
        let verdict = watcher.simulate(world.deployment.bridge, &challenge).await.unwrap_err();
        assert!(
            matches!(verdict, Error::VerdictDiffers { .. }),
            "step {step}: {verdict}"
        );
    }

    // An assertion for something else.
    let plan = world.plan(&[Party::signing(
        &pia,
        p.fragment(),
        3,
        vec![withdraw(alice.address(), 1)],
    )]);
    let tamper = |batch: &mut nthroot_protocol::Batch| {
        let step = &mut batch.steps[0];
        let mut body = Body::of(step).unwrap();
        let signed = &mut body.calls[0].authorisations[0];
        assert!(matches!(signed.signature, Signature::WebAuthn(..)));
        signed.valid_until += 1;
        step.body = body.encode().into();
    };
    let lie = world.post(&paula, 1, &[plan], tamper).await.unwrap();
    let deeds = Watcher::new(alice.sender.clone()).defend(&mut follower).await.unwrap();
    assert!(
        matches!(&deeds[..], [watcher::Deed::Convicted { lie: found, .. }] if found.batch == lie.id),
        "{deeds:?}"
    );
    world.assert_same(&follower).await;
}

#[tokio::test]
async fn a_passkey_opens_a_cohort_and_a_leaf_for_another() {
    let world = World::new().await;
    let (alice, paula) = (world.actor("alice").await, world.proposer("paula").await);
    let pia = Authenticator::new(key(1), "wallet.example");
    let p = world.deposit_for(&alice, pia.key(), ETHER).await;
    let open = AccountOp::Open {
        depth: 24,
        kind: pia.key().kind().to_u8(),
        controller: pia.key().controller(),
        assets: vec![(AssetId::ETH, ETHER / 2)],
    };
    let plan = world.plan(&[Party::signing(&pia, p.fragment(), 0, vec![open])]);
    let posted = world.post(&paula, 0, &[plan], |_| ()).await.unwrap();
    let cohort = nthroot_protocol::AnchorId::new(posted.id, 1);
    let last = (1 << 24) - 1;
    let header = Party::signing(&pia, cohort.fragment(), 0, vec![leaf_for(alice.key(), ETHER / 4)]);
    let plan = world.plan(&[header.opening([last])]);
    world.post(&paula, 1, &[plan], |_| ()).await.unwrap();
    // Alice takes hers out to a fragment of her own.
    let a = world.deposit(&alice, ETHER).await;
    let plan = world.plan(&[
        Party::signing(
            alice.key.credential(),
            cohort.leaf(last).unwrap(),
            0,
            vec![pay(a, ETHER / 4)],
        ),
        party(&alice, a, 0, &[]),
    ]);
    world.post(&paula, 2, &[plan], |_| ()).await.unwrap();

    let follower = world.follower().await;
    world.assert_same(&follower).await;
    let state = follower.ledger().state(a).and_then(State::known).unwrap();
    assert_eq!(state.header().balance(AssetId::ETH), ETHER + ETHER / 4);
}
