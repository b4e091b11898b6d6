//! A deployment is the one of its manifest, or is refused.

use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, U256},
    providers::Provider,
};
use nthroot_bindings::{Bridge, bridge::Bridge::BridgeErrors};
use nthroot_model::rule::Rules;
use nthroot_node::{Action, Deployment, Error, Follower, Parameters, deploy, deploy::factory::FACTORY};

use crate::doubting::ends;
use crate::world::{ETHER, World};

#[tokio::test]
async fn a_manifest_is_recognised_and_a_wrong_one_refused() {
    let world = World::new().await;
    let text = serde_json::to_string(&world.deployment).unwrap();
    let read: Deployment = serde_json::from_str(&text).unwrap();
    assert_eq!(read, world.deployment);
    read.check(world.devnet.l1()).await.unwrap();

    let mut wrong = read.clone();
    wrong.parameters.window += 1;
    assert_eq!(wrong.check(world.devnet.l1()).await.unwrap_err().action(), Action::Halt);
    let wrong = Deployment {
        account: read.verifier,
        ..read.clone()
    };
    assert_eq!(wrong.check(world.devnet.l1()).await.unwrap_err().action(), Action::Halt);

    // A bridge that takes any token is not one with caps, and the other way round.
    let mut wrong = read;
    wrong.parameters.caps = BTreeMap::from([(Address::ZERO, U256::MAX)]);
    assert_eq!(wrong.check(world.devnet.l1()).await.unwrap_err().action(), Action::Halt);
}

#[tokio::test]
async fn caps_are_part_of_the_manifest_and_hold() {
    // Anything with code can be listed.
    let caps = BTreeMap::from([(Address::ZERO, U256::from(3 * ETHER)), (FACTORY, U256::ONE)]);
    let world = World::with_caps(caps.clone()).await;
    let alice = world.actor("alice").await;
    world.deployment.check(world.devnet.l1()).await.unwrap();
    let without = |token| {
        let mut deployment = world.deployment.clone();
        deployment.parameters.caps.remove(&token);
        deployment
    };
    let mut lower = world.deployment.clone();
    lower.parameters.caps.insert(Address::ZERO, U256::from(ETHER));
    let mut none = without(Address::ZERO);
    none.parameters.caps.clear();
    for wrong in [lower, none] {
        assert_eq!(wrong.check(world.devnet.l1()).await.unwrap_err().action(), Action::Halt);
    }

    world.deposit(&alice, 2 * ETHER).await;
    let key = alice.key().to_bytes().into();
    let over = world.call(&Bridge::depositCall { key }).value(U256::from(ETHER + 1));
    let Err(Error::WouldFail(revert)) = alice.sender.send(over).await else {
        panic!("the cap holds")
    };
    assert!(
        matches!(revert.bridge_error(), Some(BridgeErrors::CapExceeded(_))),
        "{revert}"
    );
    world.deposit(&alice, ETHER).await;
    world.assert_same(&world.follower().await).await;

    // The bridge does not list its assets: one that the manifest does not know is found by its first deposit.
    let l1 = world.devnet.l1().clone();
    let mut follower = Follower::start(l1, without(Address::ZERO), Rules::default())
        .await
        .unwrap();
    let error = ends(&mut follower).await.1;
    assert!(matches!(error, Error::Diverged { .. }), "{error}");

    // Caps are in the bridge's storage, as it follows from the manifest.
    world.devnet.mine(100).await.unwrap();
    let mut follower = world.follower().await;
    let troubles = follower.troubles();
    assert!(troubles.is_empty(), "{troubles:?}");
}

#[tokio::test]
async fn parameters_that_no_bridge_can_have_cost_nothing() {
    let world = World::new().await;
    let alice = world.actor("alice").await;
    let good = &world.deployment.parameters;
    let with_caps = |caps: Vec<(Address, U256)>| Parameters {
        caps: caps.into_iter().collect(),
        ..good.clone()
    };
    let too_many = (0..65).map(|byte| (Address::repeat_byte(byte), U256::ONE));
    for parameters in [
        Parameters {
            min_lock: good.min_lock - 1,
            ..good.clone()
        },
        with_caps(vec![(Address::ZERO, U256::ZERO)]),
        with_caps(too_many.collect()),
    ] {
        let error = deploy(&alice.sender, parameters).await.unwrap_err();
        assert!(matches!(error, Error::Parameters(_)), "{error}");
    }
    let provider = world.devnet.l1().provider();
    assert_eq!(provider.get_transaction_count(alice.address()).await.unwrap(), 0);
}
