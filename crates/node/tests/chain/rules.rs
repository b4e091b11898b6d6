//! The rules that come with the bridge, on the chain.

use alloy::{primitives::Bytes, providers::Provider};
use nthroot_bindings::{Credit, Pool, RuleRegistry, Swap, mocks::Puppet};
use nthroot_model::rule::{Context, Rules};
use nthroot_node::{Error, Follower, Proposer, Watcher, rules, watcher};
use nthroot_protocol::{
    AnchorId, AssetId,
    rules::pool::{Pair, PoolOp},
};
use nthroot_wallet::{Intent, Plan, Request};

use crate::world::{ETHER, World};

#[tokio::test]
async fn rules_are_where_the_registry_says_and_registered_once() {
    let world = World::new().await;
    let alice = world.actor("alice").await;
    let registry = RuleRegistry::new(world.deployment.registry, world.devnet.l1().provider());
    let book = rules::book(&world.deployment);
    for (rule, code) in [
        (book.swap, &Swap::DEPLOYED_BYTECODE),
        (book.pool, &Pool::DEPLOYED_BYTECODE),
        (book.credit, &Credit::DEPLOYED_BYTECODE),
    ] {
        let runtime: Bytes = code.clone();
        assert_eq!(registry.addressOf(runtime).call().await.unwrap(), rule);
        assert!(registry.registeredAt(rule).call().await.unwrap().is_zero());
    }
    // One of them was registered by somebody else.
    let register = RuleRegistry::registerCall {
        runtime: Pool::DEPLOYED_BYTECODE.clone(),
    };
    let call = nthroot_node::Call::new(
        world.deployment.registry,
        alloy::sol_types::SolCall::abi_encode(&register),
    );
    alice.sender.send(call).await.unwrap();
    let sent = rules::register(&alice.sender, &world.deployment).await.unwrap();
    let names: Vec<&str> = sent.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["Swap rule", "Credit rule"]);
    for rule in book.table() {
        assert!(!registry.registeredAt(rule).call().await.unwrap().is_zero());
    }
    assert!(
        rules::register(&alice.sender, &world.deployment)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_rule_is_learnt_from_no_code_but_its_own() {
    let world = World::new().await;
    let alice = world.actor("alice").await;
    let registry = world.deployment.registry;
    let code = Puppet::DEPLOYED_BYTECODE.clone();
    let register = RuleRegistry::registerCall { runtime: code.clone() };
    let call = nthroot_node::Call::new(registry, alloy::sol_types::SolCall::abi_encode(&register));
    alice.sender.send(call).await.unwrap();
    let rule = rules::address_of(registry, &code);
    let there = world.devnet.l1().provider().get_code_at(rule).await.unwrap();
    assert_eq!(there, code);

    let none = Rules::default();
    let behind = rules::learn(&none, registry, rule, Bytes::new());
    assert!(matches!(behind, Err(Error::Missing { .. })), "{behind:?}");
    let other = rules::learn(&none, registry, rule, Swap::DEPLOYED_BYTECODE.clone());
    assert!(matches!(other, Err(Error::WrongDeployment { address, .. }) if address == rule));
    let learnt = rules::learn(&none, registry, rule, there.clone()).unwrap();
    // The puppet returns what it is told, for a little gas.
    let context = Context {
        clock: 1,
        proposer: alice.address(),
    };
    let puppet = learnt.get(rule).expect("learnt");
    assert_eq!(puppet.run(10_000, &context, &[], &[], b"said").unwrap(), b"said");
    assert!(puppet.run(100, &context, &[], &[], b"said").is_err());
    // What has a twin keeps it.
    let book = rules::book(&world.deployment);
    let known = rules::twins(&book);
    assert!(rules::learn(&known, registry, book.swap, Bytes::new()).is_ok());
}

#[tokio::test]
async fn a_batch_names_only_the_rules_that_it_uses() {
    let world = World::new().await;
    let paula = world.proposer("paula").await;
    rules::register(&paula.sender, &world.deployment).await.unwrap();
    let book = rules::book(&world.deployment);
    let anchor = world.deposit(&paula, ETHER).await;
    let l1 = world.devnet.l1().clone();
    let mut follower = Follower::start(l1, world.deployment.clone(), rules::twins(&book))
        .await
        .unwrap();
    follower.sync().await.unwrap();

    let assets = [AssetId::ETH, AssetId::token(book.account)];
    let intent = Intent {
        request: Request::Pool {
            op: PoolOp::Create(Pair { assets, fee: 1 }),
            assets,
        },
        fragment: anchor.fragment(),
        nonce: 0,
        valid_until: 1_000,
    };
    let domain = nthroot_protocol::Domain {
        chain_id: world.deployment.chain_id,
        bridge: world.deployment.bridge,
    };
    let mut plan = Plan::new(book);
    plan.pool(&[intent.sign(&book, &domain, paula.key.credential())])
        .unwrap();
    let proposer = Proposer::new(paula.sender.clone()).with_rules(book.table());
    let batch = proposer.build(&follower, None, &[plan.finish()]).unwrap();
    assert_eq!(batch.header.rules, [book.pool]);
    let posted = proposer.post(&follower, &batch).await.unwrap();
    follower.sync().await.unwrap();
    world.assert_same(&follower).await;
    assert!(
        follower.ledger().state(AnchorId::new(posted.id, 1)).is_some(),
        "the pool is open"
    );
    // The contracts hold it for valid, as the twin does.
    assert!(follower.ledger().lies().is_empty());
    let challenge = watcher::challenge(follower.ledger(), posted.id, 0).unwrap();
    let verdict = Watcher::new(paula.sender.clone())
        .simulate(world.deployment.bridge, &challenge)
        .await;
    assert!(matches!(verdict, Err(Error::VerdictDiffers { .. })), "{verdict:?}");
}
