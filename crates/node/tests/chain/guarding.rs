//! A lie is proved in the next block, whatever nodes, fees and reorganisations do meanwhile.

use std::sync::Arc;

use alloy::{primitives::U256, providers::Provider as _};
use nthroot_bindings::bridge::Bridge::BridgeErrors;
use nthroot_node::{
    Error, Follower, L1,
    fees::FeePolicy,
    outbox::{Event, Outbox, Purpose},
    store::Memory,
    watcher::{Duties, Work},
};
use nthroot_protocol::{BatchId, Status};
use serde::Serialize;
use serde_json::json;

use crate::{
    faulty::{Fault, faulty},
    watching::{Scene, build_on_unknown, enrich, scene},
    world::{ETHER, World},
};

const GWEI: u128 = 1_000_000_000;

impl World {
    pub(crate) async fn ask(
        &self,
        method: &'static str,
        params: impl Serialize + Clone + std::fmt::Debug + Send + Sync + Unpin,
    ) {
        let provider = self.devnet.l1().provider();
        let _: serde_json::Value = provider.raw_request(method.into(), params).await.unwrap();
    }
}

/// A watcher whose process can end.
pub(crate) struct Guard {
    pub(crate) follower: Follower,
    pub(crate) duties: Duties,
    pub(crate) outbox: Outbox,
    pub(crate) store: Arc<Memory>,
}

impl Guard {
    pub(crate) async fn new(scene: &Scene, l1: &L1) -> Self {
        Self::restarted(scene, l1, Arc::new(Memory::new())).await
    }

    pub(crate) async fn restarted(scene: &Scene, l1: &L1, store: Arc<Memory>) -> Self {
        let Scene { world, wanda, .. } = scene;
        let (bridge, policy) = (world.deployment.bridge, FeePolicy::urgent(ETHER));
        Self {
            follower: world.follower().await,
            duties: Duties::new(l1.clone(), bridge, policy),
            outbox: Outbox::open(l1.clone(), wanda.key.clone(), store.clone()).unwrap(),
            store,
        }
    }

    pub(crate) async fn look(&mut self) -> Result<Work, Error> {
        self.follower.sync().await?;
        Ok(self.duties.of(self.follower.ledger(), &self.outbox).await)
    }

    pub(crate) async fn tick(&mut self) -> Vec<Event> {
        let work = self.look().await.unwrap();
        self.outbox.tick(self.follower.tip(), 0, &work.jobs).await.unwrap()
    }

    /// Ticks and mines until nothing is left to be done. Returns how many blocks that took.
    async fn work_off(&mut self, world: &World) -> u64 {
        for blocks in 0..20 {
            self.tick().await;
            let ledger = self.follower.ledger();
            if ledger.lies().is_empty() && ledger.rollbacks().is_empty() {
                return blocks;
            }
            world.devnet.mine(1).await.unwrap();
        }
        panic!("not done in 20 blocks")
    }
}

impl Scene {
    /// Posts a lie, whose block is the latest. From now on blocks are mined when they are told to be.
    pub(crate) async fn lie(&self) -> BatchId {
        let posted = self
            .world
            .post(&self.mallory, 0, &self.transfer(0), enrich(&self.mallory))
            .await
            .unwrap();
        self.world.ask("evm_setAutomine", (false,)).await;
        posted.id
    }

    async fn block(&self) -> u64 {
        self.world.devnet.l1().block_number().await.unwrap()
    }

    pub(crate) async fn mine(&self) {
        self.world.devnet.mine(1).await.unwrap();
    }

    async fn next_base_fee(&self, wei: u128) {
        self.world
            .ask("anvil_setNextBlockBaseFeePerGas", (U256::from(wei),))
            .await;
    }

    /// The block in which the batch was convicted, if the watcher's last tick saw it.
    fn convicted(events: &[Event], id: BatchId) -> Option<u64> {
        events.iter().find_map(|event| match event {
            Event::Included {
                purpose: Some(Purpose::Convict(batch)),
                block,
                ..
            } if *batch == id => Some(*block),
            _ => None,
        })
    }
}

#[tokio::test]
async fn a_lie_in_a_block_is_proved_in_the_next() {
    let scene = scene().await;
    let mut guard = Guard::new(&scene, scene.world.devnet.l1()).await;
    let id = scene.lie().await;
    let lie = scene.block().await;
    guard.tick().await;
    scene.mine().await;
    assert_eq!(Scene::convicted(&guard.tick().await, id), Some(lie + 1));
    assert_eq!(guard.follower.ledger().status(id), Some(Status::Unwound));
    scene.world.assert_same(&guard.follower).await;
}

#[tokio::test]
async fn a_lie_is_proved_in_the_next_block_although_the_proof_was_dropped_or_the_watcher_restarted() {
    for restarts in [false, true] {
        let scene = scene().await;
        let mut guard = Guard::new(&scene, scene.world.devnet.l1()).await;
        let id = scene.lie().await;
        let lie = scene.block().await;
        let events = guard.tick().await;
        let [Event::Sent { hash, .. }] = &events[..] else {
            panic!("{events:?}")
        };
        if restarts {
            guard = Guard::restarted(&scene, scene.world.devnet.l1(), guard.store).await;
        } else {
            scene.world.ask("anvil_dropTransaction", (hash,)).await;
        }
        let again = guard.tick().await;
        assert_eq!(again.is_empty(), restarts, "{again:?}");
        scene.mine().await;
        assert_eq!(Scene::convicted(&guard.tick().await, id), Some(lie + 1));
        let sent = nthroot_node::Sender::new(scene.world.devnet.l1().clone(), scene.wanda.key.clone());
        assert_eq!(nonce(&sent).await, 1, "one transaction");
    }
}

async fn nonce(sender: &nthroot_node::Sender) -> u64 {
    let provider = sender.l1().provider();
    provider.get_transaction_count(sender.address()).await.unwrap()
}

/// A conviction may cost what it brings: so many gas as it uses, not as many as it is given.
#[tokio::test]
async fn a_proof_is_bid_for_by_the_gas_that_it_uses() {
    let scene = scene().await;
    let mut guard = Guard::new(&scene, scene.world.devnet.l1()).await;
    let id = scene.lie().await;
    let work = guard.look().await.unwrap();
    let [job] = &work.jobs[..] else { panic!("{work:?}") };
    let (uses, limit) = (job.uses.unwrap(), job.call.gas.unwrap());
    assert!(limit > 3 * uses, "{limit} {uses}");
    // A price that the limit forbids.
    let price = job.policy.max_fee_budget_wei / u128::from(limit) * 2;
    for _ in 0..16 {
        scene.next_base_fee(price).await;
        let events = guard.tick().await;
        if let Some(Event::Included { gas_used, fee, .. }) = events
            .iter()
            .find(|event| matches!(event, Event::Included { purpose, .. } if *purpose == Some(Purpose::Convict(id))))
        {
            assert!(
                (gas_used..=&(gas_used + gas_used / 5)).contains(&&uses),
                "{gas_used} {uses}"
            );
            assert!(fee.saturating_to::<u128>() <= job.policy.max_fee_budget_wei);
            return;
        }
        scene.mine().await;
    }
    panic!("not included at {price} wei")
}

/// As fast as the protocol lets it rise, the base fee does not outrun even the first offer; and if it jumps, as it cannot, the
/// proof is in the first block that asks no more than what is offered by then.
#[tokio::test]
async fn a_proof_is_in_the_next_block_while_fees_rise() {
    let scene = scene().await;
    let mut guard = Guard::new(&scene, scene.world.devnet.l1()).await;
    let id = scene.lie().await;
    let lie = scene.block().await;
    let events = guard.tick().await;
    let [Event::Sent { offer: first, .. }] = events[..] else {
        panic!("{events:?}")
    };
    // Four blocks that ask for a wei more than is offered, then one that asks for what was offered last.
    let mut offer = first;
    for _ in 0..4 {
        scene.next_base_fee(offer.max_fee + 1).await;
        scene.mine().await;
        let events = guard.tick().await;
        let [Event::Sent { offer: next, .. }] = events[..] else {
            panic!("{events:?}")
        };
        assert!(next.replaces(offer), "{offer:?} {next:?}");
        offer = next;
    }
    scene.next_base_fee(offer.max_fee - offer.max_priority_fee).await;
    scene.mine().await;
    let events = guard.tick().await;
    assert_eq!(Scene::convicted(&events, id), Some(lie + 5), "{events:?}");
    assert!(offer.max_fee > 15 * first.max_fee);

    // The next lie while every block is full.
    let Scene { world, mallory, .. } = &scene;
    world.ask("evm_setAutomine", (true,)).await;
    scene.next_base_fee(GWEI).await;
    let posted = world
        .post(mallory, 0, &scene.transfer(0), enrich(mallory))
        .await
        .unwrap();
    world.ask("evm_setAutomine", (false,)).await;
    let lie = scene.block().await;
    let events = guard.tick().await;
    assert!(
        events.iter().any(|event| matches!(event, Event::Sent { .. })),
        "{events:?}"
    );
    let block = world.devnet.l1().provider().get_block_by_number(lie.into()).await;
    let base_fee = u128::from(block.unwrap().unwrap().header.base_fee_per_gas.unwrap());
    scene.next_base_fee(base_fee * 9 / 8).await;
    scene.mine().await;
    assert_eq!(Scene::convicted(&guard.tick().await, posted.id), Some(lie + 1));
}

#[tokio::test]
async fn a_proof_that_a_reorganisation_took_back_is_in_the_next_block_again() {
    let scene = scene().await;
    let mut guard = Guard::new(&scene, scene.world.devnet.l1()).await;
    let id = scene.lie().await;
    guard.tick().await;
    scene.mine().await;
    assert!(Scene::convicted(&guard.tick().await, id).is_some());
    scene.world.devnet.reorg(1).await.unwrap();
    let taken = scene.block().await;
    let events = guard.tick().await;
    assert!(matches!(&events[0], Event::Unmined { .. }), "{events:?}");
    assert_eq!(guard.follower.ledger().status(id), Some(Status::Live));
    scene.mine().await;
    assert_eq!(Scene::convicted(&guard.tick().await, id), Some(taken + 1));
    scene.world.assert_same(&guard.follower).await;
}

#[tokio::test]
async fn what_was_built_on_a_lie_is_condemned_and_unwound_within_gas_limits_that_no_estimate_made() {
    let scene = scene().await;
    let Scene {
        world,
        mallory,
        anchors,
        ..
    } = &scene;
    let lie = world
        .post(mallory, 0, &scene.transfer(0), enrich(mallory))
        .await
        .unwrap()
        .id;
    let mut children = Vec::new();
    for (slot, nonce) in [(1, 1), (2, 2)] {
        let batch = build_on_unknown(world, mallory, slot, anchors[1], nonce).await;
        let proposer = nthroot_node::Proposer::new(mallory.sender.clone());
        children.push(proposer.post(&world.follower().await, &batch).await.unwrap().id);
    }
    world.ask("evm_setAutomine", (false,)).await;
    let l1 = faulty(world.devnet.url(), |method, _| {
        assert_ne!(method, "eth_estimateGas");
        Fault::None
    })
    .await;
    let mut guard = Guard::new(&scene, &l1).await;
    let blocks = guard.work_off(world).await;
    for id in children.into_iter().chain([lie]) {
        assert_eq!(guard.follower.ledger().status(id), Some(Status::Unwound));
    }
    assert_eq!(guard.follower.ledger().oldest_fault(), None);
    // The conviction; both condemned one after the other, the last unwound with the second; then one after the other.
    assert!(blocks <= 6, "{blocks} blocks");
    world.assert_same(&guard.follower).await;
}

#[tokio::test]
async fn nothing_is_sent_for_what_somebody_else_proved() {
    let scene = scene().await;
    let mut guard = Guard::new(&scene, scene.world.devnet.l1()).await;
    let id = scene.lie().await;
    // The other's proof is in a block that this watcher has not derived yet.
    guard.follower.sync().await.unwrap();
    scene.world.ask("evm_setAutomine", (true,)).await;
    let other = scene.world.actor("otto").await;
    let mut follower = scene.world.follower().await;
    let deeds = nthroot_node::Watcher::new(other.sender.clone())
        .defend(&mut follower)
        .await
        .unwrap();
    assert_eq!(deeds.len(), 1);

    let work = guard.duties.of(guard.follower.ledger(), &guard.outbox).await;
    assert_eq!(work.lies.len(), 1);
    assert!(work.jobs.is_empty() && work.refused.is_empty(), "{work:?}");
    let work = guard.look().await.unwrap();
    assert!(work.lies.is_empty() && work.jobs.is_empty(), "{work:?}");
    assert_eq!(guard.follower.ledger().status(id), Some(Status::Unwound));
}

/// A proof that is on its way when somebody else's is included would only cost its gas: it is cancelled, if there is time.
#[tokio::test]
async fn a_proof_that_came_second_is_cancelled() {
    let scene = scene().await;
    let Scene { world, .. } = &scene;
    let mut guard = Guard::new(&scene, world.devnet.l1()).await;
    let otto = world.actor("otto").await;
    let id = scene.lie().await;
    let events = guard.tick().await;
    let [Event::Sent { hash, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    world.ask("anvil_dropTransaction", (hash,)).await;
    let mut follower = world.follower().await;
    let other = tokio::spawn(async move {
        let watcher = nthroot_node::Watcher::new(otto.sender.clone());
        watcher.step(&mut follower).await
    });
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    scene.mine().await;
    other.await.unwrap().unwrap();
    let events = guard.tick().await;
    assert!(
        matches!(
            &events[..],
            [Event::Sent {
                purpose: None,
                nonce: 0,
                ..
            }]
        ),
        "{events:?}"
    );
    assert_eq!(guard.follower.ledger().status(id), Some(Status::Unwound));
}

#[tokio::test]
async fn a_step_that_the_contracts_hold_valid_is_not_challenged() {
    let scene = scene().await;
    let selector = "0x".to_owned() + &alloy::primitives::hex::encode(step_is_valid());
    // The node answers every simulation that the step is valid, as contracts with another opinion would.
    let l1 = refusing(&scene, selector).await;
    let mut guard = Guard::new(&scene, &l1).await;
    let id = scene.lie().await;
    let work = guard.look().await.unwrap();
    assert!(
        matches!(&work.failed[..], [Error::VerdictDiffers { batch, step: 0, .. }] if *batch == id),
        "{work:?}"
    );
    assert!(work.jobs.is_empty() && guard.duties.is_in_doubt());
    // It is not asked at each look, and is not forgotten either.
    assert!(guard.look().await.unwrap().failed.is_empty() && guard.duties.is_in_doubt());
}

#[tokio::test]
async fn a_lie_that_cannot_be_simulated_hides_no_other() {
    for refusal in [
        json!({"code": 3, "message": "execution reverted", "data": "0x".to_owned() + &alloy::primitives::hex::encode(step_is_valid())}),
        json!({"code": -32000, "message": "execution aborted (timeout = 5s)"}),
    ] {
        let mut scene = scene().await;
        let first = std::sync::Mutex::new(None);
        // The node never executes the challenge that it is asked about first.
        let l1 = faulty(scene.world.devnet.url(), move |method, params| {
            if method != "eth_call" {
                return Fault::None;
            }
            let input = params[0]["input"].to_string();
            if *first.lock().unwrap().get_or_insert_with(|| input.clone()) == input {
                Fault::Refusal(refusal.clone())
            } else {
                Fault::None
            }
        })
        .await;
        let mut guard = Guard::new(&scene, &l1).await;
        let mut ids = Vec::new();
        for slot in 0..2 {
            scene.anchors = [
                scene.world.deposit(&scene.mallory, ETHER).await,
                scene.world.deposit(&scene.mallory, ETHER).await,
            ];
            let posted = scene
                .world
                .post(&scene.mallory, slot, &scene.transfer(0), enrich(&scene.mallory))
                .await
                .unwrap();
            ids.push(posted.id);
        }
        let work = guard.look().await.unwrap();
        assert_eq!((work.jobs.len(), work.failed.len()), (1, 1), "{work:?}");
        assert_eq!(work.jobs[0].purpose, Purpose::Convict(ids[1]));
    }
}

#[tokio::test]
async fn what_l1_refuses_for_another_reason_is_not_sent_and_is_told() {
    let scene = scene().await;
    let l1 = refusing(&scene, "0x12345678".to_owned()).await;
    let mut guard = Guard::new(&scene, &l1).await;
    let id = scene.lie().await;
    let work = guard.look().await.unwrap();
    assert!(work.jobs.is_empty());
    assert!(
        matches!(&work.refused[..], [(Purpose::Convict(batch), _)] if *batch == id),
        "{work:?}"
    );
}

/// A node for which every call reverts with this.
pub(crate) async fn refusing(scene: &Scene, data: String) -> L1 {
    faulty(scene.world.devnet.url(), move |method, _| match method {
        "eth_call" => Fault::Refusal(json!({"code": 3, "message": "execution reverted", "data": data})),
        _ => Fault::None,
    })
    .await
}

pub(crate) fn step_is_valid() -> Vec<u8> {
    use alloy::sol_types::SolInterface as _;
    BridgeErrors::StepIsValid(nthroot_bindings::bridge::Bridge::StepIsValid {}).abi_encode()
}
