//! Lies are proved, honest batches are left alone, and what was built on a lie goes with it.

use std::time::Duration;

use alloy::{consensus::Transaction as _, primitives::U256, providers::Provider};
use nthroot_bindings::Bridge;
use nthroot_model::ledger::Rollback;
use nthroot_node::{
    Action, Error, Watcher,
    watcher::{self, Deed},
};
use nthroot_protocol::{AnchorId, Batch, Body, Evidence, Fragment, ProofSizes, Status, proof_gas::PROOF_GAS};

use crate::world::{Actor, ETHER, World, party, pay};

/// Claims for the first fresh touch of the first step the root of a fragment of `actor` with a million ether.
pub(crate) fn enrich(actor: &Actor) -> impl FnOnce(&mut Batch) {
    let rich = Fragment {
        nonce: 1,
        ..Fragment::deposited(actor.key(), Default::default(), 1_000_000 * ETHER)
    };
    move |batch| batch.steps[0].fresh[0].root = rich.root()
}

pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) mallory: Actor,
    pub(crate) wanda: Actor,
    pub(crate) anchors: [AnchorId; 2],
}

pub(crate) async fn scene() -> Scene {
    let world = World::new().await;
    let (mallory, wanda) = (world.proposer("mallory").await, world.actor("wanda").await);
    let anchors = [
        world.deposit(&mallory, ETHER).await,
        world.deposit(&mallory, ETHER).await,
    ];
    Scene {
        world,
        mallory,
        wanda,
        anchors,
    }
}

impl Scene {
    pub(crate) fn transfer(&self, nonce: u64) -> [nthroot_model::builder::StepPlan; 1] {
        let [a, b] = self.anchors;
        [self.world.plan(&[
            party(&self.mallory, a, nonce, &[pay(b, ETHER / 4)]),
            party(&self.mallory, b, nonce, &[]),
        ])]
    }
}

#[tokio::test]
async fn a_lie_is_convicted_and_rolled_back_in_one_transaction() {
    let scene = scene().await;
    let Scene {
        world,
        mallory,
        wanda,
        anchors,
    } = &scene;
    let before = [world.head(anchors[0]).await, world.head(anchors[1]).await];
    let posted = world
        .post(mallory, 0, &scene.transfer(0), enrich(mallory))
        .await
        .unwrap();
    assert_ne!(world.head(anchors[0]).await, before[0]);

    let mut follower = world.follower().await;
    let deeds = Watcher::new(wanda.sender.clone()).defend(&mut follower).await.unwrap();
    let [Deed::Convicted { lie, mined, unwound }] = &deeds[..] else {
        panic!("{deeds:?}")
    };
    assert_eq!((lie.batch, lie.step, *unwound), (posted.id, 0, true));
    let convicted: Bridge::Convicted = mined.event(world.deployment.bridge).unwrap();
    assert_eq!(
        (convicted.proposer, convicted.challenger),
        (mallory.address(), wanda.address())
    );
    assert_eq!([world.head(anchors[0]).await, world.head(anchors[1]).await], before);
    assert_eq!(follower.ledger().status(posted.id), Some(Status::Unwound));
    world.assert_same(&follower).await;
}

#[tokio::test]
async fn the_honest_twin_of_a_lie_cannot_be_convicted() {
    let scene = scene().await;
    let posted = scene
        .world
        .post(&scene.mallory, 0, &scene.transfer(0), |_| ())
        .await
        .unwrap();
    let follower = scene.world.follower().await;
    assert!(watcher::lies(follower.ledger()).is_empty());

    let challenge = watcher::challenge(follower.ledger(), posted.id, 0).unwrap();
    let watcher = Watcher::new(scene.wanda.sender.clone());
    let error = watcher
        .simulate(scene.world.deployment.bridge, &challenge)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::VerdictDiffers { .. }), "{error}");
    assert_eq!(error.action(), Action::Halt);
    // Sent all the same, it fails with the same answer and changes nothing.
    let sent = scene
        .wanda
        .sender
        .send(challenge.call(scene.world.deployment.bridge))
        .await;
    assert!(
        matches!(&sent, Err(Error::Failed { revert, .. }) if revert.is_step_is_valid()),
        "{sent:?}"
    );
    scene.world.assert_same(&follower).await;
}

#[tokio::test]
async fn a_conviction_stands_although_others_built_on_the_lie_and_all_of_it_is_rolled_back() {
    let scene = scene().await;
    let Scene {
        world,
        mallory,
        wanda,
        anchors,
    } = &scene;
    let before = [world.head(anchors[0]).await, world.head(anchors[1]).await];
    let bystander = world.deposit(wanda, ETHER).await;

    // The lie, a batch that builds on its second anchor, and one that builds on that.
    let lie = world
        .post(mallory, 0, &scene.transfer(0), enrich(mallory))
        .await
        .unwrap();
    // The model, which judged the step a lie, knows none of its states; Mallory does, and builds by hand.
    let mut children = Vec::new();
    for (slot, nonce) in [(1, 1), (2, 2)] {
        let batch = build_on_unknown(world, mallory, slot, anchors[1], nonce).await;
        let follower = world.follower().await;
        let proposer = nthroot_node::Proposer::new(mallory.sender.clone());
        children.push(proposer.post(&follower, &batch).await.unwrap().id);
    }

    let mut follower = world.follower().await;
    let deeds = Watcher::new(wanda.sender.clone()).defend(&mut follower).await.unwrap();
    assert!(
        matches!(&deeds[0], Deed::Convicted { lie: found, unwound: false, .. } if found.batch == lie.id),
        "{deeds:?}"
    );
    let rolled: Vec<Rollback> = deeds[1..]
        .iter()
        .map(|deed| match deed {
            Deed::RolledBack { what, .. } => *what,
            Deed::Convicted { .. } => panic!("{deed:?}"),
        })
        .collect();
    // Whoever cleared the two orphans got what unwinding one anchor is reckoned at.
    let fees = deeds.iter().filter_map(|deed| match deed {
        Deed::RolledBack {
            what: Rollback::Unwind(id),
            fee,
            ..
        } => (*id != lie.id).then_some(*fee),
        _ => None,
    });
    let gwei = U256::from(1_000_000_000_u64);
    let fee = U256::from(follower.ledger().params().orphan_fee(1)) * gwei;
    assert_eq!(fees.collect::<Vec<_>>(), [fee; 2]);
    assert_eq!(rolled.len(), 5, "two condemned, three unwound: {rolled:?}");
    assert_eq!(rolled.last(), Some(&Rollback::Unwind(lie.id)), "the lie goes last");
    for id in children.into_iter().chain([lie.id]) {
        assert_eq!(follower.ledger().status(id), Some(Status::Unwound));
    }
    assert_eq!([world.head(anchors[0]).await, world.head(anchors[1]).await], before);
    assert!(world.head(bystander).await.is_some());
    assert_eq!(follower.ledger().oldest_fault(), None);
    world.assert_same(&follower).await;
}

#[tokio::test]
async fn a_conviction_stands_when_a_child_slips_in_between_simulation_and_inclusion() {
    let scene = scene().await;
    let Scene {
        world,
        mallory,
        wanda,
        anchors,
    } = &scene;
    let lie = world
        .post(mallory, 0, &scene.transfer(0), enrich(mallory))
        .await
        .unwrap();
    let mut follower = world.follower().await;
    let proof = watcher::challenge(follower.ledger(), lie.id, 0).unwrap();
    assert!(!proof.entries.is_empty(), "nothing was built on it yet");
    let watcher = Watcher::new(wanda.sender.clone());
    watcher.simulate(world.deployment.bridge, &proof).await.unwrap();

    let child = build_on_unknown(world, mallory, 1, anchors[1], 1).await;
    nthroot_node::Proposer::new(mallory.sender.clone())
        .post(&follower, &child)
        .await
        .unwrap();
    let mined = wanda.sender.send(proof.call(world.deployment.bridge)).await.unwrap();
    let convicted: Bridge::Convicted = mined.event(world.deployment.bridge).unwrap();
    assert!(!convicted.unwound);

    let deeds = watcher.defend(&mut follower).await.unwrap();
    assert_eq!(
        deeds.len(),
        3,
        "the child condemned and unwound, then the lie unwound: {deeds:?}"
    );
    assert_eq!(follower.ledger().oldest_fault(), None);
    world.assert_same(&follower).await;
}

/// An estimate is that of one state: in the next the challenge may need more, and too little is no verdict.
#[tokio::test]
async fn a_proof_gets_the_gas_of_the_formula_and_not_of_an_estimate() {
    let scene = scene().await;
    let world = &scene.world;
    let lie = world
        .post(&scene.mallory, 0, &scene.transfer(0), enrich(&scene.mallory))
        .await
        .unwrap();
    let mut follower = world.follower().await;
    let proof = watcher::challenge(follower.ledger(), lie.id, 0).unwrap();
    let watcher = Watcher::new(scene.wanda.sender.clone());
    let deeds = watcher.defend(&mut follower).await.unwrap();
    let [Deed::Convicted { mined, .. }] = &deeds[..] else {
        panic!("{deeds:?}")
    };
    let provider = world.devnet.l1().provider();
    let sent = provider.get_transaction_by_hash(mined.hash()).await.unwrap().unwrap();
    assert_eq!(sent.gas_limit(), proof.gas);

    let evidence = Evidence::decode(&proof.evidence).unwrap();
    let step = &evidence.placed.step;
    let evaluation = PROOF_GAS.evaluation(step, ProofSizes::of(&evidence.proofs), &Body::of(step).unwrap());
    let bound = PROOF_GAS.proof(proof.evidence.len(), evaluation);
    assert!(
        mined.gas() < bound && bound < proof.gas,
        "{} {bound} {}",
        mined.gas(),
        proof.gas
    );
}

#[tokio::test]
async fn a_watcher_that_runs_survives_a_reorganisation_and_proves_the_lie_that_comes_after() {
    let scene = scene().await;
    let Scene {
        world, mallory, wanda, ..
    } = &scene;
    let mut follower = world.follower().await;
    let watcher = Watcher::new(wanda.sender.clone());
    let (sender, mut deeds) = tokio::sync::mpsc::unbounded_channel();
    let run = async {
        let tell = |deed| sender.send(deed).unwrap();
        watcher.run(&mut follower, Duration::from_millis(5), tell).await
    };
    let story = async {
        world.devnet.mine(3).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        world.devnet.reorg(2).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let posted = world
            .post(mallory, 0, &scene.transfer(0), enrich(mallory))
            .await
            .unwrap();
        let Some(Deed::Convicted { lie, unwound, .. }) = deeds.recv().await else {
            panic!("no conviction")
        };
        assert_eq!((lie.batch, unwound), (posted.id, true));
    };
    tokio::select! {
        error = run => panic!("the watcher stopped: {error}"),
        () = story => {}
    }
}

/// A batch with a consent to nothing on an anchor whose state the model does not know.
pub(crate) async fn build_on_unknown(world: &World, actor: &Actor, slot: u16, anchor: AnchorId, nonce: u64) -> Batch {
    let follower = world.follower().await;
    let head = follower.ledger().head(anchor).unwrap();
    let before = Fragment {
        nonce,
        ..Fragment::deposited(actor.key(), Default::default(), ETHER + ETHER / 4)
    };
    assert_eq!(before.root(), head.root);
    let after = Fragment {
        nonce: nonce + 1,
        ..before
    };
    let plan = world.plan(&[party(actor, anchor, nonce, &[])]);
    let tip = follower.tip();
    let mut batch = Batch {
        header: nthroot_protocol::BatchHeader {
            version: 1,
            data_availability: 0,
            chain_id: world.deployment.chain_id,
            clock: tip.number,
            clock_hash: tip.hash,
            ceiling: 1_000_000,
            slot,
            step_count: 0,
            entry_count: 0,
            rules: Vec::new(),
        },
        steps: vec![nthroot_protocol::Step {
            fresh: vec![nthroot_protocol::FreshTouch {
                anchor,
                root: after.root(),
                parent: head.id,
            }],
            body: plan.body.encode().into(),
            ..Default::default()
        }],
    };
    batch.seal();
    batch
}
