//! A follower that was stopped, or killed at any moment, goes on where its store says.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy::{primitives::U256, sol_types::SolCall};
use nthroot_bindings::Bridge;
use nthroot_model::{
    ledger::{Judgement, Ledger},
    rule::Rules,
};
use nthroot_node::{
    Action, Call, Deployment, Error, Follower, L1, Parameters, deploy,
    follower::{Options, Witness},
    store::{Redb, Store},
};
use nthroot_protocol::{AssetId, BatchId};

use crate::{
    history::{History, rows},
    world::ETHER,
};

/// Every block that is final is a checkpoint.
fn eager() -> Options {
    Options {
        checkpoint_every: Duration::ZERO,
        ..Options::default()
    }
}

async fn open(l1: &L1, deployment: &Deployment, path: &Path) -> nthroot_node::Result<Follower> {
    let store: Arc<dyn Store> = Arc::new(Redb::open(path)?);
    Follower::open_with(l1.clone(), deployment.clone(), Rules::default(), store, eager()).await
}

#[tokio::test]
async fn a_follower_that_resumes_is_as_if_it_had_never_stopped() {
    let history = History::new().await;
    let (l1, deployment) = (history.world.devnet.l1(), &history.world.deployment);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let mut checkpoint = 0;
    for round in 0..6 {
        let mut follower = open(l1, deployment, &path).await.unwrap();
        // Nothing that is final is derived twice.
        assert!(follower.finalised().number >= checkpoint);
        assert_eq!(follower.tip(), follower.finalised());
        history.go_on(history.block().await + 25, round).await;
        follower.sync().await.unwrap();
        history.assert_fresh(&follower).await;
        checkpoint = follower.finalised().number;
    }
    let mut follower = open(l1, deployment, &path).await.unwrap();
    assert_eq!(follower.finalised().number, checkpoint);
    assert!(checkpoint > deployment.deployment_block + 50);
    follower.sync().await.unwrap();
    history.assert_fresh(&follower).await;
}

/// Sees batches: how many valid steps each has that are known.
#[derive(Default)]
struct Onlooker {
    seen: Mutex<BTreeMap<BatchId, usize>>,
    cannot_keep: AtomicBool,
}

/// How many steps of a batch are valid, and how many of those are known.
fn valid_steps(ledger: &Ledger, batch: BatchId) -> (usize, usize) {
    let steps = ledger.steps(batch).unwrap_or_default().into_iter();
    let valid: Vec<_> = steps.filter(|(_, judgement)| **judgement == Judgement::Valid).collect();
    (valid.len(), valid.iter().filter(|(step, _)| step.is_some()).count())
}

impl Witness for Onlooker {
    fn see(&self, ledger: &Ledger, batch: BatchId) {
        let (valid, known) = valid_steps(ledger, batch);
        assert_eq!(known, valid, "{batch}");
        self.seen.lock().unwrap().insert(batch, known);
    }

    fn keep(&self) -> bool {
        !self.cannot_keep.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn every_batch_is_seen_before_its_steps_are_forgotten() {
    let history = History::new().await;
    let (l1, deployment) = (history.world.devnet.l1(), &history.world.deployment);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let mut follower = open(l1, deployment, &path).await.unwrap();
    let mut checkpoint = 0;
    // Block by block, in bulk, after a restart, and with a disk that fails.
    for round in 0..4 {
        if round == 2 {
            drop(follower);
            follower = open(l1, deployment, &path).await.unwrap();
        }
        let onlooker = Arc::new(Onlooker::default());
        onlooker.cannot_keep.store(round == 3, Ordering::Relaxed);
        follower.set_witness(Arc::clone(&onlooker) as Arc<dyn Witness>);
        let before: Vec<BatchId> = follower.settled().batches().collect();
        for part in 0..4 {
            history.go_on(history.block().await + 25, 4 * round + part).await;
            if round == 0 {
                follower.sync().await.unwrap();
            }
        }
        follower.sync().await.unwrap();
        let seen = onlooker.seen.lock().unwrap();
        let settled = follower.settled().batches();
        let new: Vec<BatchId> = settled.filter(|id| !before.contains(id)).collect();
        assert!(new.iter().all(|id| seen.contains_key(id)), "{new:?} of {seen:?}");
        assert!(seen.values().sum::<usize>() > 0, "round {round}");
        assert!(
            new.iter().any(|id| valid_steps(follower.ledger(), *id).1 == 0),
            "some are forgotten"
        );
        if round == 2 {
            checkpoint = follower.finalised().number;
        }
    }
    assert!(follower.finalised().number > checkpoint);
    drop(follower);
    let resumed = open(l1, deployment, &path).await.unwrap();
    assert_eq!(
        resumed.finalised().number,
        checkpoint,
        "what was not kept is seen again"
    );
}

#[tokio::test]
async fn a_store_is_of_one_bridge() {
    let history = History::new().await;
    let (l1, deployment) = (history.world.devnet.l1(), &history.world.deployment);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    drop(open(l1, deployment, &path).await.unwrap());
    let other = late(&history).await;
    let error = open(l1, &other, &path).await.err().expect("it is of another bridge");
    assert!(matches!(error, Error::StoreForeign { .. }), "{error}");
    assert_eq!(error.action(), Action::Halt);
    open(l1, deployment, &path).await.unwrap();
}

/// A second bridge, long after the first one.
async fn late(history: &History) -> Deployment {
    history.world.devnet.mine(500).await.unwrap();
    let deployer = history.world.actor("deployer").await;
    let parameters = Parameters {
        window: 10,
        insured_gas_price: 1,
        min_lock: 100_000_000_000_000_000,
        caps: [(Default::default(), U256::from(1_000 * ETHER))].into(),
    };
    deploy(&deployer.sender, parameters).await.unwrap().0
}

#[tokio::test]
async fn a_bridge_is_followed_from_whatever_block_it_was_deployed_in() {
    let history = History::new().await;
    let deployment = late(&history).await;
    assert!(deployment.deployment_block > 500);
    let dora = history.world.actor("dora").await;
    let key = dora.key();
    let deposit = Bridge::depositCall {
        key: key.to_bytes().into(),
    };
    let call = Call::new(deployment.bridge, deposit.abi_encode()).value(U256::from(ETHER));
    dora.sender.send(call).await.unwrap();
    // The other bridge goes on, and is none of its business.
    history.go_on(history.block().await + 5, 3).await;

    let l1 = history.world.devnet.l1().clone();
    let mut follower = Follower::start(l1, deployment, Rules::default()).await.unwrap();
    for empty in [1, 100] {
        follower.sync().await.unwrap();
        let view = follower.view();
        let found: Vec<_> = view.fragments_of(key, None).collect();
        let [id] = found[..] else { panic!("{found:?}") };
        let state = view.ledger.state(id.anchor()).unwrap().known().unwrap();
        assert_eq!(state.header().balance(AssetId::ETH), ETHER);
        assert_eq!(follower.ledger().anchors().count(), 1);
        history.world.devnet.mine(empty).await.unwrap();
    }
}

/// What the child of the test below is told.
const CHILD: [&str; 3] = ["NTHROOT_TEST_L1", "NTHROOT_TEST_MANIFEST", "NTHROOT_TEST_STORE"];

/// Not a test by itself: the process that is killed. It says from where it resumes.
#[tokio::test]
#[ignore = "a part of the next test, which starts it"]
async fn child() {
    let [url, manifest, path] = CHILD.map(|name| std::env::var(name).unwrap());
    let l1 = L1::connect(&url, Duration::from_millis(2)).await.unwrap().with_span(4);
    let deployment = serde_json::from_str(&manifest).unwrap();
    let mut follower = open(&l1, &deployment, Path::new(&path)).await.unwrap();
    std::fs::write(format!("{path}.began"), follower.finalised().number.to_string()).unwrap();
    follower.sync().await.unwrap();
}

#[tokio::test]
async fn a_follower_that_is_killed_again_and_again_ends_as_one_that_never_was() {
    let history = History::new().await;
    for round in 0..8 {
        history.go_on(history.block().await + 40, round).await;
    }
    let (l1, deployment) = (history.world.devnet.l1(), &history.world.deployment);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let began = folder.path().join("store.began");
    let manifest = serde_json::to_string(deployment).unwrap();
    let values = [history.world.devnet.url(), &manifest, path.to_str().unwrap()];

    // How long one takes that nobody kills is not known: waits are drawn from ever more, until one is not killed in time.
    let (mut kills, mut advanced, mut before) = (0_u64, 0, 0);
    loop {
        let _ = std::fs::remove_file(&began);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "resuming::child", "--ignored"])
            .envs(CHILD.into_iter().zip(values))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // When exactly it is killed no seed could repeat.
        let random = u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos());
        let wait = 5 + random % (40 + 2 * kills);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let ended = child.try_wait().unwrap();
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        if let Some(status) = ended {
            assert!(status.success(), "{}", String::from_utf8_lossy(&output.stdout));
            break;
        }
        kills += 1;

        // What was a checkpoint once is not derived again.
        if let Ok(block) = std::fs::read_to_string(&began).unwrap_or_default().parse::<u64>() {
            assert!(block >= before, "{block} after {before}");
        }
        if let Ok(follower) = open(l1, deployment, &path).await {
            let block = follower.finalised().number;
            assert!(block >= before, "{block} after {before}");
            advanced += u64::from(block > before);
            before = block;
        }
    }
    assert!(
        kills >= 10 && advanced >= 3,
        "killed {kills} times, {advanced} times with something done"
    );

    let mut follower = open(l1, deployment, &path).await.unwrap();
    assert!(follower.finalised().number > deployment.deployment_block + 200);
    let settled = rows(follower.settled());
    let fresh = history.world.follower().await;
    assert_eq!(settled, rows(fresh.settled()));
    follower.sync().await.unwrap();
    history.assert_fresh(&follower).await;
}

#[tokio::test]
async fn signatures_that_nobody_can_prove_wrong_any_more_are_taken_for_good() {
    let history = History::new().await;
    let unsigned = history.post_with_a_bad_signature().await;
    history.world.devnet.mine(120).await.unwrap();
    for trust in [false, true] {
        let options = Options {
            trust_final_signatures: trust,
            ..Options::default()
        };
        let follower = &mut history.follower_of(history.world.devnet.l1().clone(), options).await;
        follower.sync().await.unwrap();
        // Its root is the one that follows, so that with the signature all is as it should be.
        assert_eq!(follower.ledger().state(unsigned).unwrap().known().is_some(), trust);
        assert!(follower.ledger().lies().is_empty());
        assert_eq!(follower.ledger().head(unsigned), history.world.head(unsigned).await);
    }
    // Before that it is a lie for whoever trusts as well.
    let young = History::new().await;
    young.post_with_a_bad_signature().await;
    assert_eq!(young.world.follower().await.ledger().lies().len(), 1);
}
