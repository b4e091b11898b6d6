//! Cohorts: followed, leased, lied about, reorganised.

use nthroot_model::{builder::StepPlan, invalid::Invalid, ledger::State};
use nthroot_node::{Error, Follower, Watcher, watcher::Deed};
use nthroot_protocol::{AccountOp, AnchorId, AssetId, Body, Fragment, FragmentId, Status};
use nthroot_wallet::account::Party;

use crate::world::{Actor, ETHER, World, leaf_for, member, party, pay_to};

/// Leaves of Alice and Bob.
const LEAVES: [u32; 2] = [3, 700_000];

/// A cohort of depth 20 under Paula's key, in which Alice and Bob have 1 ether each.
struct Scene {
    world: World,
    paula: Actor,
    alice: Actor,
    bob: Actor,
    cohort: AnchorId,
}

impl Scene {
    async fn new() -> Self {
        let world = World::new().await;
        let (paula, alice, bob) = (
            world.proposer("paula").await,
            world.actor("alice").await,
            world.actor("bob").await,
        );
        let first = world.deposit(&paula, 10 * ETHER).await;
        let open = AccountOp::Open {
            depth: 20,
            kind: 1,
            controller: paula.address(),
            assets: vec![(AssetId::ETH, 5 * ETHER)],
        };
        let plan = world.plan(&[party(&paula, first, 0, &[open])]);
        let posted = world.post(&paula, 0, &[plan], |_| ()).await.unwrap();
        let scene = Self {
            world,
            paula,
            alice,
            bob,
            // Entry 0 is Paula's own anchor.
            cohort: AnchorId::new(posted.id, 1),
        };
        let leaves = [scene.alice.key(), scene.bob.key()].map(|key| leaf_for(key, ETHER));
        scene.post(1, &[scene.header(0, &leaves, &LEAVES)]).await;
        scene
    }

    /// What Paula does with the header.
    fn header(&self, nonce: u64, ops: &[AccountOp], leaves: &[u32]) -> StepPlan {
        let party = party(&self.paula, self.cohort, nonce, ops);
        self.world.plan(&[party.opening(leaves.iter().copied())])
    }

    fn leaf(&self, place: usize) -> FragmentId {
        self.cohort.leaf(LEAVES[place]).unwrap()
    }

    /// Alice and Bob pay each other.
    fn exchange(&self, nonce: u64) -> StepPlan {
        let [a, b] = [0, 1].map(|place| self.leaf(place));
        self.world.plan(&[
            member(&self.alice, a, nonce, &[pay_to(b, ETHER / 4)]),
            member(&self.bob, b, nonce, &[pay_to(a, ETHER / 8)]),
        ])
    }

    async fn post(&self, slot: u16, plans: &[StepPlan]) {
        let posted = self.world.post(&self.paula, slot, plans, |_| ()).await.unwrap();
        assert!(posted.skipped.is_empty());
    }

    fn fragment(&self, follower: &Follower, leaf: u32) -> Fragment {
        let state = follower.ledger().state(self.cohort).and_then(State::known).unwrap();
        state.fragment(leaf).unwrap().clone()
    }

    fn balances(&self, follower: &Follower) -> [u128; 2] {
        LEAVES.map(|leaf| self.fragment(follower, leaf).balance(AssetId::ETH))
    }
}

#[tokio::test]
async fn members_pay_each_other_under_one_root_and_the_follower_knows_each_leaf() {
    let scene = Scene::new().await;
    scene.post(2, &[scene.exchange(0), scene.exchange(1)]).await;
    let follower = scene.world.follower().await;
    scene.world.assert_same(&follower).await;
    let [gives, gets] = [ETHER / 4, ETHER / 8];
    assert_eq!(
        scene.balances(&follower),
        [ETHER - 2 * gives + 2 * gets, ETHER + 2 * gives - 2 * gets]
    );
    assert_eq!(scene.fragment(&follower, 0).balance(AssetId::ETH), 3 * ETHER);
}

#[tokio::test]
async fn a_lie_in_a_leaf_is_convicted_and_its_honest_twin_is_not() {
    let scene = Scene::new().await;
    let Scene { world, paula, .. } = &scene;
    let honest = world.post(paula, 2, &[scene.exchange(0)], |_| ()).await.unwrap();
    let mut follower = world.follower().await;
    let watcher = Watcher::new(scene.alice.sender.clone());
    let challenge = nthroot_node::watcher::challenge(follower.ledger(), honest.id, 0).unwrap();
    let error = watcher.simulate(world.deployment.bridge, &challenge).await.unwrap_err();
    assert!(matches!(error, Error::VerdictDiffers { .. }), "{error}");

    // Bob's leaf is credited with a million more.
    let before = world.head(scene.cohort).await;
    let mut state = follower
        .ledger()
        .state(scene.cohort)
        .and_then(State::known)
        .unwrap()
        .clone();
    let tamper = |batch: &mut nthroot_protocol::Batch| {
        let mut rich = scene.fragment(&follower, LEAVES[1]);
        rich.assets.insert(AssetId::ETH, 1_000_000 * ETHER);
        state.set(LEAVES[1], rich);
        batch.steps[0].fresh[0].root = state.root();
    };
    let lie = world.post(paula, 3, &[scene.exchange(1)], tamper).await.unwrap();
    let deeds = watcher.defend(&mut follower).await.unwrap();
    let [
        Deed::Convicted {
            lie: found, unwound, ..
        },
    ] = &deeds[..]
    else {
        panic!("{deeds:?}")
    };
    assert_eq!((found.batch, *unwound), (lie.id, true));
    assert!(matches!(found.reason, Invalid::Root { .. }), "{}", found.reason);
    assert_eq!(world.head(scene.cohort).await, before);
    assert_eq!(follower.ledger().status(honest.id), Some(Status::Live));
    world.assert_same(&follower).await;
}

#[tokio::test]
async fn a_leaf_beyond_its_cohort_is_a_lie_that_is_convicted_without_evaluation() {
    let scene = Scene::new().await;
    let tamper = |batch: &mut nthroot_protocol::Batch| {
        let step = &mut batch.steps[0];
        let mut body = Body::of(step).unwrap();
        body.leaves.as_mut().unwrap().0[0][1] = 1 << 20;
        step.body = body.encode().into();
    };
    let lie = scene
        .world
        .post(&scene.paula, 2, &[scene.exchange(0)], tamper)
        .await
        .unwrap();
    let mut follower = scene.world.follower().await;
    let watcher = Watcher::new(scene.bob.sender.clone());
    let deeds = watcher.defend(&mut follower).await.unwrap();
    assert!(
        matches!(&deeds[..], [Deed::Convicted { lie: found, unwound: true, .. }] if found.batch == lie.id),
        "{deeds:?}"
    );
    scene.world.assert_same(&follower).await;
}

#[tokio::test]
async fn others_leave_a_leased_cohort_alone_and_its_holder_credits_without_consent() {
    let scene = Scene::new().await;
    let Scene { world, paula, .. } = &scene;
    let peter = world.proposer("peter").await;
    let elsewhere = world.deposit(&scene.bob, ETHER).await;
    let last_block = world.follower().await.tip().number + 60;
    let lease = AccountOp::SetLease {
        holder: paula.address(),
        last_block,
    };
    scene.post(2, &[scene.header(1, &[lease], &[])]).await;

    // Peter's proposer says so before it posts; what else he has goes on without it.
    let follower = world.follower().await;
    let proposer = nthroot_node::Proposer::new(peter.sender.clone());
    let plans = [scene.exchange(0), world.plan(&[party(&scene.bob, elsewhere, 0, &[])])];
    let error = proposer.build(&follower, None, &plans).unwrap_err();
    let is_lease = |error: &Error| {
        matches!(error, Error::Leased { plan: 0, holder, last_block: last }
            if *holder == paula.address() && *last == last_block)
    };
    assert!(is_lease(&error), "{error}");
    let selected = proposer.select(&follower, None, &plans).unwrap();
    assert!(matches!(&selected.left_out[..], [(0, error)] if is_lease(error)));
    let posted = proposer.post(&follower, &selected.batch).await.unwrap();
    assert!(posted.skipped.is_empty());

    // Alice pays Bob, who is away.
    let [a, b] = [0, 1].map(|place| scene.leaf(place));
    let credit = world.plan(&[member(&scene.alice, a, 0, &[pay_to(b, ETHER / 2)]), Party::credited(b)]);
    scene.post(3, &[credit]).await;
    let mut follower = world.follower().await;
    world.assert_same(&follower).await;
    assert_eq!(scene.balances(&follower), [ETHER / 2, ETHER + ETHER / 2]);
    assert!(follower.ledger().lies().is_empty());

    // Peter posts on the cohort all the same, what Paula's software built: a lie in his hands.
    let batch = nthroot_node::Proposer::new(paula.sender.clone())
        .build(&follower, Some(1), &[scene.exchange_after_credit()])
        .unwrap();
    let lie = proposer.post(&follower, &batch).await.unwrap();
    let deeds = Watcher::new(scene.alice.sender.clone())
        .defend(&mut follower)
        .await
        .unwrap();
    let [Deed::Convicted { lie: found, .. }] = &deeds[..] else {
        panic!("{deeds:?}")
    };
    assert_eq!(found.batch, lie.id);
    assert!(matches!(found.reason, Invalid::Leased { .. }), "{}", found.reason);
    world.assert_same(&follower).await;
}

impl Scene {
    /// Alice, whose nonce is 1 by then, pays Bob once more, whose nonce is not.
    fn exchange_after_credit(&self) -> StepPlan {
        let [a, b] = [0, 1].map(|place| self.leaf(place));
        self.world.plan(&[
            member(&self.alice, a, 1, &[pay_to(b, ETHER / 8)]),
            member(&self.bob, b, 0, &[]),
        ])
    }
}

#[tokio::test]
async fn a_reorganisation_takes_a_cohort_step_and_leaves_the_cohort() {
    let scene = Scene::new().await;
    let Scene { world, paula, .. } = &scene;
    world.devnet.mine(4).await.unwrap();
    let before = world.head(scene.cohort).await;
    scene.post(2, &[scene.exchange(0)]).await;
    let late = LEAVES[1] + 1;
    scene
        .post(3, &[scene.header(1, &[leaf_for(paula.key(), ETHER)], &[late])])
        .await;
    let mut follower = world.follower().await;
    let state = |follower: &Follower| {
        follower
            .ledger()
            .state(scene.cohort)
            .and_then(State::known)
            .unwrap()
            .clone()
    };
    assert!(state(&follower).fragment(late).is_some());

    world.devnet.reorg(3).await.unwrap();
    assert_eq!(follower.sync().await.unwrap().rolled_back, 3);
    assert_eq!(world.head(scene.cohort).await, before);
    assert!(state(&follower).fragment(late).is_none());
    assert_eq!(scene.balances(&follower), [ETHER, ETHER]);
    world.assert_same(&follower).await;

    // The same intents again.
    scene.post(4, &[scene.exchange(0)]).await;
    follower.sync().await.unwrap();
    assert_eq!(scene.balances(&follower), [ETHER - ETHER / 8, ETHER + ETHER / 8]);
    world.assert_same(&follower).await;
}

/// The model does not know gas: where an intent committed too little, an honest proposer would be convicted.
#[tokio::test]
async fn half_the_gas_of_intents_suffices_for_the_widest_calls() {
    let halve = |batch: &mut nthroot_protocol::Batch| {
        for step in &mut batch.steps {
            let mut body = Body::of(step).unwrap();
            body.calls.iter_mut().for_each(|call| call.gas /= 2);
            step.body = body.encode().into();
        }
    };
    let scene = Scene::new().await;
    let Scene { world, paula, .. } = &scene;
    let more: Vec<u32> = (10..25).collect();
    let leaves = vec![leaf_for(paula.key(), ETHER / 100); more.len()];
    let header = scene.header(1, &leaves, &more);
    let opened = world.post(paula, 2, &[header], halve).await.unwrap();
    let ids: Vec<FragmentId> = more.iter().map(|leaf| scene.cohort.leaf(*leaf).unwrap()).collect();
    let step = |nonce, payees: &[FragmentId]| {
        let ops: Vec<_> = payees.iter().map(|id| pay_to(*id, 1)).collect();
        let payer = member(paula, ids[0], nonce, &ops);
        let others = ids[1..].iter().map(|id| member(paula, *id, nonce, &[]));
        world.plan(&std::iter::once(payer).chain(others).collect::<Vec<_>>())
    };
    let open = AccountOp::Open {
        depth: 0,
        kind: 1,
        controller: paula.address(),
        assets: vec![(AssetId::ETH, 1); 60],
    };
    let single = world.deposit(paula, ETHER).await;
    let plans = [
        world.plan(&[party(paula, single, 0, &[open])]),
        step(0, &ids[14..]),
        step(1, &ids[1..]),
    ];
    let paid = world.post(paula, 3, &plans, halve).await.unwrap();

    let follower = world.follower().await;
    world.assert_same(&follower).await;
    let watcher = Watcher::new(scene.alice.sender.clone());
    for (batch, step) in [(paid.id, 0), (paid.id, 1), (paid.id, 2), (opened.id, 0)] {
        let challenge = nthroot_node::watcher::challenge(follower.ledger(), batch, step).unwrap();
        let verdict = watcher.simulate(world.deployment.bridge, &challenge).await;
        assert!(
            matches!(verdict, Err(Error::VerdictDiffers { .. })),
            "step {step} of {batch}: {verdict:?}"
        );
    }
}
