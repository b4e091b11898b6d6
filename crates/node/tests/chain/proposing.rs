//! Proposers carry out what users signed, whoever else posts in the same blocks.

use std::sync::Arc;

use alloy::providers::Provider as _;
use nthroot_api::{Bundle, IntentId, IntentStatus, Refusal};
use nthroot_model::{
    invalid::Invalid,
    ledger::{Judgement, Ledger},
};
use nthroot_node::{
    Error, Follower, Proposer, View, Watcher,
    fees::FeePolicy,
    mempool::{Carrier, Limits, Mempool},
    outbox::{Event, Outbox},
    proposer::{Carrying, Policy, Room},
    store::Memory,
    watcher::Deed,
};
use nthroot_protocol::{AccountOp, AnchorId, Domain};
use nthroot_wallet::{Intent, Request, RuleBook};

use crate::world::{Actor, ETHER, World, party, pay, withdraw};

/// A proposer's node, without its tasks: it looks when it is told to.
struct Node {
    follower: Follower,
    mempool: Mempool,
    carrying: Carrying,
    outbox: Outbox,
    skipped: u32,
}

impl Node {
    async fn new(world: &World, actor: &Actor) -> Self {
        let store = Arc::new(Memory::new());
        let carrier = Carrier::new(actor.key.credential().clone());
        let policy = Policy {
            room: Room::default(),
            fees: FeePolicy::patient(ETHER),
            top_up: None,
            sweep: None,
            low: 0,
        };
        let outbox = Outbox::open(world.devnet.l1().clone(), actor.key.clone(), Arc::clone(&store) as _);
        Self {
            follower: world.follower().await,
            mempool: Mempool::open(store, Limits::default(), carrier).unwrap(),
            carrying: Carrying::new(policy),
            outbox: outbox.unwrap(),
            skipped: 0,
        }
    }

    fn ledger(&self) -> &Ledger {
        self.follower.ledger()
    }

    /// What an engine does for each block.
    async fn look(&mut self) -> View {
        self.follower.sync().await.unwrap();
        let view = self.follower.view();
        self.mempool.on_view(&view);
        let ether = self
            .follower
            .l1()
            .provider()
            .get_balance(self.outbox.address())
            .await
            .unwrap();
        let jobs = self.carrying.duties(&mut self.mempool, &view, ether);
        let events = self.outbox.tick(view.tip, view.finalised.number, &jobs).await.unwrap();
        for event in &events {
            assert!(
                !matches!(event, Event::Taken { .. } | Event::Exhausted { .. }),
                "{event:?}"
            );
            self.skipped += u32::from(matches!(event, Event::Failed { .. }));
        }
        self.carrying.on_events(&mut self.mempool, &events);
        view
    }

    fn send(&mut self, bundle: Bundle) -> Result<IntentId, Refusal> {
        self.mempool.accept(&self.follower.view(), bundle)
    }

    fn status(&self, id: IntentId) -> IntentStatus {
        self.mempool.status(&self.follower.view(), id).unwrap().status
    }

    fn balance(&self, anchor: AnchorId) -> u128 {
        let state = self
            .ledger()
            .state(anchor)
            .and_then(nthroot_model::ledger::State::known);
        state.unwrap().header().balance(nthroot_protocol::AssetId::ETH)
    }
}

fn bundle(world: &World, parties: &[(&Actor, AnchorId, u64, Vec<AccountOp>)]) -> Bundle {
    let book: RuleBook = nthroot_node::rules::book(&world.deployment);
    let domain = Domain {
        chain_id: world.deployment.chain_id,
        bridge: world.deployment.bridge,
    };
    let signed = |(actor, anchor, nonce, ops): &(&Actor, AnchorId, u64, Vec<AccountOp>)| {
        let intent = Intent {
            request: Request::Account(ops.clone()),
            fragment: anchor.fragment(),
            nonce: *nonce,
            valid_until: 5_000,
        };
        intent.sign(&book, &domain, actor.key.credential())
    };
    Bundle(parties.iter().map(signed).collect())
}

/// From here on blocks come when they are asked for.
async fn hold_blocks(world: &World) {
    let provider = world.devnet.l1().provider();
    let _: serde_json::Value = provider.raw_request("evm_setAutomine".into(), (false,)).await.unwrap();
}

fn is_included(status: &IntentStatus) -> bool {
    matches!(status, IntentStatus::Included { .. } | IntentStatus::Final { .. })
}

#[tokio::test(flavor = "multi_thread")]
async fn two_proposers_in_the_same_blocks_carry_everything_out_once() {
    let world = World::new().await;
    let proposers = [world.proposer("first").await, world.proposer("second").await];
    let till = world.actor("shop").await;
    let shops = [world.deposit(&till, ETHER).await, world.deposit(&till, ETHER).await];
    let mut users = Vec::new();
    for n in 0..6 {
        let user = world.actor(&format!("user {n}")).await;
        let anchor = world.deposit(&user, ETHER).await;
        users.push((user, anchor));
    }
    hold_blocks(&world).await;
    let mut nodes = [
        Node::new(&world, &proposers[0]).await,
        Node::new(&world, &proposers[1]).await,
    ];
    for node in &mut nodes {
        node.look().await;
    }
    // Everybody pays the same shop through both: whoever is first, the other one's steps are skipped. And withdraws through one.
    let mut ids = Vec::new();
    for (n, (user, anchor)) in users.iter().enumerate() {
        let shop = shops[n % 2];
        let nonce = u64::try_from(n / 2).unwrap();
        let paid = bundle(
            &world,
            &[
                (user, *anchor, 0, vec![pay(shop, 1_000)]),
                (&till, shop, nonce, Vec::new()),
            ],
        );
        for node in &mut nodes {
            ids.push((None, node.send(paid.clone()).unwrap()));
        }
        let of = n % 2;
        let taken = bundle(&world, &[(user, *anchor, 1, vec![withdraw(user.address(), 5)])]);
        ids.push((Some(of), nodes[of].send(taken).unwrap()));
    }
    let mut blocks = 0;
    while !ids
        .iter()
        .all(|(of, id)| is_included(&nodes[of.unwrap_or_default()].status(*id)))
    {
        for node in &mut nodes {
            node.look().await;
        }
        world.devnet.mine(1).await.unwrap();
        for node in &mut nodes {
            node.look().await;
        }
        blocks += 1;
        assert!(
            blocks < 12,
            "{:?}",
            ids.iter()
                .map(|(of, id)| nodes[of.unwrap_or_default()].status(*id))
                .collect::<Vec<_>>()
        );
    }
    let ledger = nodes[0].ledger();
    assert!(ledger.lies().is_empty());
    for shop in shops {
        assert_eq!(nodes[0].balance(shop), ETHER + 3_000);
    }
    for (_, anchor) in &users {
        assert_eq!(nodes[0].balance(*anchor), ETHER - 1_005);
    }
    let mut skipped = 0;
    for batch in ledger.batches() {
        let judged = ledger.judgement(batch).unwrap();
        assert!(
            judged
                .iter()
                .all(|step| matches!(step, Judgement::Valid | Judgement::Skipped(_)))
        );
        skipped += judged
            .iter()
            .filter(|step| matches!(step, Judgement::Skipped(_)))
            .count();
    }
    let failed: u32 = nodes.iter().map(|node| node.skipped).sum();
    assert!(skipped > 0 || failed > 0, "they got in each other's way");
    for node in &nodes {
        world.assert_same(&node.follower).await;
        assert!(node.mempool.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_of_another_is_waited_for() {
    let world = World::new().await;
    let (ours, other) = (world.proposer("ours").await, world.proposer("other").await);
    let user = world.actor("user").await;
    let (leased, free) = (world.deposit(&user, ETHER).await, world.deposit(&user, ETHER).await);
    let mut node = Node::new(&world, &ours).await;
    node.look().await;
    let first = node
        .send(bundle(&world, &[(&user, free, 0, vec![withdraw(user.address(), 1)])]))
        .unwrap();
    let waits = bundle(&world, &[(&user, leased, 1, vec![withdraw(user.address(), 2)])]);
    let last_block = node.follower.tip().number + 8;
    let lease = AccountOp::SetLease {
        holder: other.address(),
        last_block,
    };
    // The lease comes after the intents were taken.
    let early = node
        .send(bundle(&world, &[(&user, leased, 0, vec![withdraw(user.address(), 3)])]))
        .unwrap();
    let early_next = node.send(waits).unwrap();
    let plan = world.plan(&[party(&user, leased, 0, &[lease])]);
    world.post(&other, 0, &[plan], |_| {}).await.unwrap();
    hold_blocks(&world).await;
    while node.follower.tip().number <= last_block {
        node.look().await;
        assert!(!is_included(&node.status(early_next)));
        world.devnet.mine(1).await.unwrap();
    }
    assert!(is_included(&node.status(first)), "others go on");
    let reason = Refusal::Overtaken;
    let dropped = node.status(early);
    assert!(matches!(dropped, IntentStatus::Dropped { reason: why, .. } if why == reason));
    for _ in 0..20 {
        node.look().await;
        world.devnet.mine(1).await.unwrap();
    }
    node.look().await;
    assert!(is_included(&node.status(early_next)));
    assert!(node.ledger().lies().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_built_on_what_stands_beside_a_lie() {
    let world = World::new().await;
    let (ours, liar) = (world.proposer("ours").await, world.proposer("liar").await);
    let user = world.actor("user").await;
    let mut anchors = Vec::new();
    for _ in 0..3 {
        anchors.push(world.deposit(&user, ETHER).await);
    }
    let mut node = Node::new(&world, &ours).await;
    node.look().await;
    let spend = |anchor, nonce| bundle(&world, &[(&user, anchor, nonce, vec![withdraw(user.address(), 1)])]);
    // Taken before the lie, for what comes after it.
    let mut ids = Vec::new();
    for anchor in &anchors {
        ids.push(node.send(spend(*anchor, 0)).unwrap());
        ids.push(node.send(spend(*anchor, 1)).unwrap());
    }
    let plans = [0, 1].map(|n| world.plan(&[party(&user, anchors[n], 0, &[withdraw(user.address(), 9)])]));
    let lie = |batch: &mut nthroot_protocol::Batch| batch.steps[0].fresh[0].root.0[0] ^= 1;
    let posted = world.post(&liar, 0, &plans, lie).await.unwrap();
    hold_blocks(&world).await;
    for _ in 0..6 {
        node.look().await;
        world.devnet.mine(1).await.unwrap();
    }
    let view = node.look().await;
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(
            is_included(&node.status(*id)),
            n >= 4,
            "bundle {n}: {:?}",
            node.status(*id)
        );
    }
    for anchor in &anchors[..2] {
        assert_eq!(
            view.ledger.head(*anchor).unwrap().id,
            posted.id,
            "nobody has built on it"
        );
        let refused = node.send(spend(*anchor, 2)).unwrap_err();
        let fragment = anchor.fragment();
        assert_eq!(refused, Refusal::Unverified { fragment });
    }
    // No batch of ours falls when the lie does.
    let lies = view.ledger.lies();
    assert_eq!(lies.len(), 1);
    let own = view
        .ledger
        .batches()
        .filter(|id| view.ledger.preimage(*id).is_ok_and(|it| it.proposer == ours.address()));
    for batch in own {
        let parents = view
            .ledger
            .entries(batch)
            .unwrap()
            .iter()
            .filter_map(|entry| entry.head);
        assert!(parents.into_iter().all(|head| head.id != posted.id));
    }
}

/// What L1 is not paid for by bytes stands alone in its batch, and is a lie beside others.
#[tokio::test]
async fn a_step_of_much_gas_is_posted_alone() {
    let world = World::new().await;
    let (paula, mallory) = (world.proposer("paula").await, world.proposer("mallory").await);
    let (alice, bob) = (world.actor("alice").await, world.actor("bob").await);
    let [a, b] = [world.deposit(&alice, ETHER).await, world.deposit(&bob, ETHER).await];
    let mut dear = world.plan(&[party(&alice, a, 0, &[])]);
    dear.body.calls[0].gas = 1_000_000;
    let cheap = world.plan(&[party(&bob, b, 0, &[])]);

    let mut follower = world.follower().await;
    let proposer = Proposer::new(paula.sender.clone());
    for plans in [[dear.clone(), cheap.clone()], [cheap.clone(), dear.clone()]] {
        let error = proposer.build(&follower, None, &plans).unwrap_err();
        assert!(matches!(error, Error::Build(_)), "{error}");
        let selected = proposer.select(&follower, None, &plans).unwrap();
        assert_eq!(selected.batch.steps.len(), 1);
        assert!(matches!(&selected.left_out[..], [(1, Error::Build(_))]));
    }

    let alone = proposer.build(&follower, None, &[dear]).unwrap();
    let mut lie = alone.clone();
    lie.steps
        .extend(proposer.build(&follower, None, &[cheap]).unwrap().steps);
    lie.seal();
    let lie = Proposer::new(mallory.sender.clone())
        .post(&follower, &lie)
        .await
        .unwrap();
    let deeds = Watcher::new(bob.sender.clone()).defend(&mut follower).await.unwrap();
    let [Deed::Convicted { lie: found, .. }] = &deeds[..] else {
        panic!("{deeds:?}")
    };
    assert_eq!(found.batch, lie.id);
    assert!(matches!(found.reason, Invalid::RuleGas { .. }), "{}", found.reason);
    world.assert_same(&follower).await;

    follower.sync().await.unwrap();
    let posted = proposer.post(&follower, &alone).await.unwrap();
    assert!(posted.skipped.is_empty());
    follower.sync().await.unwrap();
    assert_eq!(follower.ledger().judgement(posted.id).unwrap(), [&Judgement::Valid]);
}
