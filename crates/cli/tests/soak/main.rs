//! Everything at once, for as long as `NTHROOT_SOAK_SECONDS` says: proposers that compete, watchers, a liar, users; nodes that are
//! killed, an L1 that is reorganised, L1 nodes that fail in every way. In the end every lie was convicted within its window, no
//! honest proposer was slashed, the money is all there, and all nodes agree.
//!
//! `NTHROOT_SEED` decides what happens, as far as it is not a matter of time. `NTHROOT_SOAK_COMMAND` is another build of the command,
//! such as an optimised one. `NTHROOT_READER` is a Python with what `tools/reader` needs: then it reads the chain that is left, too.
#![allow(clippy::print_stdout, reason = "what happened")]

mod dice;
mod liar;
mod lies;
mod nodes;
mod proxy;
mod reader;
mod tally;
mod users;
mod verdict;
mod world;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use alloy::primitives::Address;
use nthroot_api::{ApiClient, IntentStatus, Refusal};
use nthroot_node::{Follower, Sender, claims};
use nthroot_protocol::limits::MAX_CLOCK_AGE;
use tokio::task::JoinHandle;

use crate::{
    dice::Dice,
    liar::{Liar, fragment},
    nodes::{Node, Role},
    proxy::Weather,
    tally::Tally,
    users::{Crowd, Taken},
    verdict::Judge,
    world::{ETHER, Market, User, World},
};

/// Blocks. Long enough for proofs in bad weather, short enough that much becomes final.
const WINDOW: u64 = 40;
const USERS: usize = 200;
const PROPOSERS: usize = 3;
const WATCHERS: usize = 2;
/// Seconds between two blocks.
const SLOT: u64 = 1;
/// Requests in a thousand that fail.
const BAD_WEATHER: u64 = 40;
/// Deepest reorganisation, in blocks.
const DEEPEST: u64 = 8;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// All that takes part.
struct Soak {
    world: World,
    nodes: Vec<Node>,
    judge: Judge,
    weather: Weather,
    tally: Tally,
    dice: Dice,
    head: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_lie_is_convicted_and_all_money_is_there_whatever_fails() {
    let (seconds, seed) = (setting("NTHROOT_SOAK_SECONDS", 60), setting("NTHROOT_SEED", 1));
    println!("{seconds} s with seed {seed}");
    let mut soak = Soak::new(seed).await;
    let (crowd, liar) = soak.people(seed).await;
    soak.world.devnet.mine_every(SLOT).await.expect("anvil mines");
    soak.begin().await;

    let mut tasks = Vec::new();
    for who in 0..USERS {
        let dice = Dice::of(seed, &format!("user {who}"));
        tasks.push(tokio::spawn(Arc::clone(&crowd).live(
            who,
            dice,
            Duration::from_secs(12),
        )));
    }
    let lying = tokio::spawn(tell_lies(
        Arc::clone(&liar),
        soak.world.follower().await,
        Dice::of(seed, "liar"),
        Arc::clone(&soak.over),
        soak.tally.clone(),
    ));
    soak.rage(Duration::from_secs(seconds)).await;

    soak.over.store(true, Ordering::Relaxed);
    soak.weather.set(0);
    for task in tasks {
        task.await.expect("users do not panic");
    }
    lying.await.expect("liars do not panic");
    for node in &mut soak.nodes {
        node.start();
    }
    soak.settle("lies are dealt with", |soak| soak.judge.open()).await;
    soak.verdict(&crowd, &liar).await;
}

impl Soak {
    async fn new(seed: u64) -> Self {
        let world = World::new(WINDOW).await;
        let manifest = serde_json::json!({"deployment": world.deployment, "rules": world.book}).to_string();
        let (weather, tally) = (Weather::default(), Tally::default());
        let mut nodes = Vec::new();
        let roles = [(Role::Proposer, PROPOSERS), (Role::Watcher, WATCHERS)];
        for (role, number) in roles
            .into_iter()
            .flat_map(|(role, count)| (1..=count).map(move |n| (role, n)))
        {
            let bond = if role == Role::Proposer { 5_000 * ETHER } else { 0 };
            let key = world.bonded(&format!("{role:?} {number}"), bond).await;
            let dice = Dice::of(seed, &format!("weather of {role:?} {number}"));
            let url = proxy::start(world.devnet.url(), dice, weather.clone(), tally.clone()).await;
            nodes.push(Node::new(role, number, &key, &url, &manifest));
        }
        let judge = Judge::new(&world).await;
        Self {
            world,
            nodes,
            judge,
            weather,
            tally,
            dice: Dice::of(seed, "events"),
            head: Arc::default(),
            over: Arc::default(),
        }
    }

    /// Users, a pool, and the liar.
    async fn people(&mut self, seed: u64) -> (Arc<Crowd>, Arc<Liar>) {
        let world = &self.world;
        let founder = world.bonded("founder", 100 * ETHER).await;
        let mut markets: Vec<Market> = Vec::new();
        for token in world.tokens {
            markets.push(world.market(&founder, token, [10_000 * ETHER; 2]).await);
        }
        let mut users: Vec<User> = Vec::new();
        for number in 0..USERS {
            let asset = world.assets()[number % 3];
            let keys = world::keys(&format!("user {number} of {seed}"), number);
            users.push(world.user(keys, asset, 100 * ETHER).await);
        }
        let victims = users[..USERS / 4].to_vec();
        let liar = Liar::new(world, markets[0], victims, self.tally.clone()).await;
        let crowd = Crowd {
            users: users
                .into_iter()
                .map(|user| (user, tokio::sync::Mutex::default()))
                .collect(),
            markets,
            proposers: self
                .nodes
                .iter()
                .filter(|node| node.role == Role::Proposer)
                .map(|node| node.api.clone())
                .collect(),
            domain: world.domain(),
            book: world.book,
            head: Arc::clone(&self.head),
            over: Arc::clone(&self.over),
            tally: self.tally.clone(),
            taken: Default::default(),
        };
        // What was set up is not reorganised away.
        world.devnet.mine(DEEPEST).await.expect("anvil mines");
        for node in &mut self.nodes {
            node.start();
        }
        (Arc::new(crowd), Arc::new(liar))
    }

    /// Waits until all nodes have followed to L1's head.
    async fn begin(&mut self) {
        let start = Instant::now();
        for which in 0..self.nodes.len() {
            loop {
                self.look().await;
                let node = &self.nodes[which];
                if node.api.chain().await.is_ok_and(|chain| chain.tip.synced) {
                    break;
                }
                let late = start.elapsed() > Duration::from_secs(60);
                assert!(!late, "{} does not begin: {}", node.name, node.last_words());
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        println!("all nodes follow after {:.1} s", start.elapsed().as_secs_f64());
    }

    async fn look(&mut self) {
        self.judge.look().await;
        self.head.store(self.judge.follower.tip().number, Ordering::Relaxed);
        for node in &mut self.nodes {
            node.look();
        }
    }

    /// Waits until nothing is open any more, for a window of blocks and some more.
    async fn settle(&mut self, what: &str, open: impl Fn(&Self) -> Option<String>) {
        let start = self.judge.follower.tip().number;
        loop {
            self.look().await;
            let Some(left) = open(self) else { return };
            let block = self.judge.follower.tip().number;
            assert!(block < start + WINDOW + 20, "{what}: not yet in block {block}: {left}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Has a withdrawal paid, if one can be: anybody may.
    fn claim(&self, payer: &Sender) -> Option<JoinHandle<()>> {
        let ready = claims::ready(self.judge.ledger()).ok()?;
        let call = ready.first()?.call(self.world.deployment.bridge);
        let (payer, tally) = (payer.clone(), self.tally.clone());
        Some(tokio::spawn(async move {
            let sent = tokio::time::timeout(Duration::from_secs(4), payer.send(call)).await;
            tally.count("claims", if matches!(sent, Ok(Ok(_))) { "paid" } else { "not paid" });
        }))
    }

    /// Kills, reorganises, and lets requests fail.
    async fn rage(&mut self, length: Duration) {
        self.weather.set(BAD_WEATHER);
        let start = Instant::now();
        let mut down: Vec<(Instant, usize)> = Vec::new();
        let payer = Sender::new(self.world.patient().await, world::secret("founder"));
        let mut claim: Option<JoinHandle<()>> = None;
        let (mut next_kill, mut next_reorg) = (Instant::now(), Instant::now() + Duration::from_secs(5));
        while start.elapsed() < length {
            tokio::time::sleep(Duration::from_millis(200)).await;
            self.look().await;
            if claim.as_ref().is_none_or(JoinHandle::is_finished) {
                claim = self.claim(&payer);
            }
            let now = Instant::now();
            if now >= next_kill {
                next_kill = now + Duration::from_millis(self.dice.between(2_000, 10_000));
                let which = self.dice.below(self.nodes.len());
                if down.iter().all(|(_, node)| *node != which) {
                    let node = &mut self.nodes[which];
                    if self.dice.permille(750) {
                        self.tally.count("kills", node.name.clone());
                        node.kill();
                    } else {
                        self.tally.count("stops", node.name.clone());
                        tokio::task::block_in_place(|| node.stop());
                    }
                    down.push((now + Duration::from_millis(self.dice.between(0, 4_000)), which));
                }
            }
            down.retain(|(until, which)| {
                let still = *until > now;
                if !still {
                    self.nodes[*which].start();
                }
                still
            });
            if now >= next_reorg {
                next_reorg = now + Duration::from_millis(self.dice.between(6_000, 20_000));
                let depth = self.dice.between(1, DEEPEST);
                self.world.devnet.reorg(depth).await.expect("anvil reorganises");
                self.tally.count("reorganisations", format!("{depth} blocks deep"));
            }
        }
        if let Some(claim) = claim {
            claim.await.expect("it does not panic");
        }
    }

    /// Says whether all is well, and what happened.
    async fn verdict(&mut self, crowd: &Crowd, liar: &Liar) {
        let mut wrong = Vec::new();
        // From here on nothing happens on L1.
        self.world.devnet.mine_every(0).await.expect("anvil stops mining");
        self.look().await;
        let (block, digest) = (self.judge.follower.tip().number, self.judge.digest());
        for node in &mut self.nodes {
            let mut said = String::new();
            for _ in 0..50 {
                said = match node.api.digest(None).await {
                    Ok(Some(own)) if own.block == block && own.digest == digest => String::new(),
                    other => format!("{other:?}"),
                };
                if said.is_empty() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            if !said.is_empty() {
                wrong.push(format!(
                    "{}: at block {block} all say {digest}, and it {said}",
                    node.name
                ));
            }
            if let Err(why) = node.is_ready().await {
                wrong.push(format!("{} is not ready: {why}", node.name));
            }
            node.look();
            wrong.extend(
                node.complaints
                    .iter()
                    .map(|complaint| format!("{}: {complaint}", node.name)),
            );
        }
        self.fates(crowd, &mut wrong).await;

        let honest: Vec<Address> = self.nodes.iter().map(|node| node.address).collect();
        let delays = self.judge.check_lies(&honest, &mut wrong);
        let founder = world::secret("founder").address();
        let bonds = [honest.as_slice(), &[liar.address, founder]].concat();
        self.judge.check_money(&self.world, &bonds, &mut wrong).await;
        if let Some(python) = std::env::var_os("NTHROOT_READER") {
            let report = tokio::task::block_in_place(|| reader::read(&python, &self.world));
            println!(
                "a second reading of the specification: {} steps, {}",
                report["steps"], report["compared"]
            );
            reader::check(&report, &self.judge, &mut wrong);
        }

        for seen in self.judge.batches.values() {
            let who = self.nodes.iter().find(|node| node.address == seen.proposer);
            let who = who.map_or("liar", |node| node.name.as_str());
            self.tally.count("batches on L1", who);
            for _ in 0..seen.steps {
                self.tally.count("steps on L1", who);
            }
            for _ in 0..seen.skipped {
                self.tally.count("steps skipped", who);
            }
            if let Some(lie) = &seen.lie {
                let kind = lie.split([' ', '(', '{']).next().unwrap_or_default();
                self.tally.count("lies on L1", kind);
            }
        }
        self.tally.print();
        let middle = delays.get(delays.len() / 2);
        println!("blocks rolled back: {}", self.judge.rolled_back);
        println!(
            "blocks from a lie to its proof: least {:?}, median {middle:?}, most {:?}, of {}",
            delays.first(),
            delays.last(),
            delays.len()
        );
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        self.reached(delays.len());
    }

    /// What became of what nodes have taken: what they say of it is true, whatever they missed.
    async fn fates(&self, crowd: &Crowd, wrong: &mut Vec<String>) {
        let taken = std::mem::take(&mut *crowd.taken.lock().expect("nobody panics with it"));
        for taken in taken {
            let happened = Happened::of(&self.judge, &taken);
            let (mut fate, mut is_true) = (String::new(), false);
            // L1 stands still: a node may only be a turn behind.
            for _ in 0..25 {
                (fate, is_true) = self.fate(crowd, &taken, happened).await;
                if is_true {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            if !is_true {
                let (node, what, id) = (taken.node + 1, taken.what, taken.id);
                wrong.push(format!(
                    "proposer {node} says that {what} {id} {fate}; it has happened: {happened:?}"
                ));
            }
            self.tally.count("fates of intents", fate);
        }
    }

    /// What a node says of a bundle, and whether that is true.
    async fn fate(&self, crowd: &Crowd, taken: &Taken, happened: Happened) -> (String, bool) {
        let info = match crowd.proposers[taken.node].intent(taken.id).await {
            Ok(Some(info)) => info,
            Ok(None) => return ("is not known".to_owned(), false),
            Err(error) => return (format!("is not told: {error}"), false),
        };
        let ledger = self.judge.ledger();
        let nonce = |id| fragment(ledger, id).map_or(0, |state| state.nonce);
        let used = taken.used.iter().any(|(id, used)| nonce(*id) > *used);
        let late = taken.last + MAX_CLOCK_AGE <= self.judge.follower.tip().number;
        match info.status {
            IntentStatus::Waiting { .. } => ("waits".to_owned(), happened == Happened::No && !used && !late),
            IntentStatus::Posted { .. } => ("is on its way".to_owned(), happened == Happened::No && !used),
            IntentStatus::Included { .. } => ("is on L1".to_owned(), happened == Happened::Whole),
            IntentStatus::Final { .. } => ("is final".to_owned(), happened == Happened::Whole),
            IntentStatus::Dropped { reason, settled } => {
                let is_true = match &reason {
                    Refusal::Overtaken => used && happened == Happened::No,
                    Refusal::Torn { .. } => used && happened == Happened::Torn,
                    Refusal::Expired { .. } => late && happened == Happened::No,
                    Refusal::Replaced { .. } => happened != Happened::Whole,
                    _ => false,
                };
                let how = if settled { "for good" } else { "for now" };
                (format!("is dropped {how}: {}", reason.kind()), is_true)
            }
        }
    }

    /// A run that meets too little of what it is for says little.
    fn reached(&self, lies: usize) {
        for what in ["kills", "stops", "reorganisations", "faults", "intents", "steps on L1"] {
            assert!(self.tally.of(what) > 0, "no {what}");
        }
        assert!(lies > 0, "no lie was accepted");
    }
}

/// How much of a bundle is in steps that stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happened {
    No,
    /// A consent was signed for another bundle in the same way, and carried out with that.
    Torn,
    Whole,
}

impl Happened {
    fn of(judge: &Judge, taken: &Taken) -> Self {
        let there = |signature: &&Vec<u8>| judge.has_happened(signature);
        match taken.signatures.iter().filter(there).count() {
            0 => Self::No,
            some if some < taken.signatures.len() => Self::Torn,
            _ => Self::Whole,
        }
    }
}

/// Lies again and again.
async fn tell_lies(liar: Arc<Liar>, mut follower: Follower, mut dice: Dice, over: Arc<AtomicBool>, tally: Tally) {
    while !over.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(dice.between(200, 2_500))).await;
        let synced = follower.sync().await;
        if synced.is_ok() {
            liar.register(&follower).await;
            liar.lease(&follower).await;
        }
        match synced.and(follower.sync().await) {
            Ok(_) => liar.lie(&follower, &mut dice).await,
            Err(error) => tally.count("lies not told", error.to_string()),
        }
    }
}
