//! What a checkpoint holds is enough to go on from, and no more than the ledger has.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use nthroot_model::{ledger::Judgement, rule::Rules};
use nthroot_node::{
    Error, Follower, Proposer, Result,
    follower::Options,
    rules,
    store::{Change, Memory, Store, Table},
};
use nthroot_protocol::{
    AssetId, Domain,
    rules::pool::{Pair, PoolOp},
};
use nthroot_wallet::{Intent, Plan, Request};

use crate::world::{ETHER, World};

/// More blocks than anvil waits before it calls one final.
const LONG: u64 = 100;

async fn open(world: &World, rules: Rules, store: &Arc<dyn Store>) -> Follower {
    let options = Options {
        checkpoint_every: Duration::ZERO,
        ..Options::default()
    };
    let (l1, deployment) = (world.devnet.l1().clone(), world.deployment.clone());
    let mut follower = Follower::open_with(l1, deployment, rules, Arc::clone(store), options)
        .await
        .unwrap();
    follower.sync().await.unwrap();
    follower
}

#[tokio::test]
async fn a_rule_is_judged_by_a_version_that_has_no_twin_of_it_any_more() {
    let world = World::new().await;
    let paula = world.proposer("paula").await;
    rules::register(&paula.sender, &world.deployment).await.unwrap();
    let book = rules::book(&world.deployment);
    let anchor = world.deposit(&paula, ETHER).await;
    world.devnet.mine(LONG).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let follower = open(&world, rules::twins(&book), &store).await;
    assert!(follower.settled().rule_registered_at(book.pool).is_some());

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
    let domain = Domain {
        chain_id: world.deployment.chain_id,
        bridge: world.deployment.bridge,
    };
    let mut plan = Plan::new(book);
    plan.pool(&[intent.sign(&book, &domain, paula.key.credential())])
        .unwrap();
    let proposer = Proposer::new(paula.sender.clone()).with_rules(book.table());
    let batch = proposer.build(&follower, None, &[plan.finish()]).unwrap();
    let posted = proposer.post(&follower, &batch).await.unwrap();

    let other = open(&world, Rules::default(), &store).await;
    assert_eq!(other.ledger().judgement(posted.id).unwrap(), [&Judgement::Valid]);
}

/// A disk that writes some times what it says it has not written.
struct Liar {
    rows: Memory,
    lies: AtomicU8,
}

impl Store for Liar {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.rows.get(table, key)
    }

    fn scan(&self, table: Table, each: &mut dyn FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
        self.rows.scan(table, each)
    }

    fn commit(&self, changes: &[Change]) -> Result<()> {
        self.replace(&[], changes)
    }

    fn replace(&self, tables: &[Table], changes: &[Change]) -> Result<()> {
        self.rows.replace(tables, changes)?;
        let lies = self.lies.load(Ordering::Relaxed);
        if lies > 0 {
            self.lies.store(lies - 1, Ordering::Relaxed);
            return Err(Error::Store {
                path: Path::new("disk").to_owned(),
                what: "it failed".to_owned(),
            });
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_commit_that_failed_and_is_there_leaves_no_rows_behind() {
    let world = World::new().await;
    let alice = world.actor("alice").await;
    world.deposit(&alice, ETHER).await;
    world.devnet.mine(LONG).await.unwrap();
    let disk = Arc::new(Liar {
        rows: Memory::new(),
        lies: AtomicU8::new(0),
    });
    let store: Arc<dyn Store> = Arc::<Liar>::clone(&disk);
    let mut follower = open(&world, Rules::default(), &store).await;
    // After catching up, and when it has caught up.
    disk.lies.store(2, Ordering::Relaxed);
    for _ in 0..2 {
        world.devnet.mine(LONG).await.unwrap();
        follower.sync().await.unwrap();
    }
    assert_eq!(disk.lies.load(Ordering::Relaxed), 0);

    let mut expected = follower.settled().rows_since(None);
    expected.sort();
    let mut kept = Vec::new();
    let each = &mut |key: &[u8], value: &[u8]| {
        kept.push((key.to_vec(), Some(value.to_vec())));
        Ok(())
    };
    store.scan(Table::Ledger, each).unwrap();
    assert_eq!(kept, expected);
}
