//! How many bundles a mempool takes a second on one core, what each takes in memory, and how long a batch of them takes to pack.
//!
//! `cargo run --release -p nthroot-node --example intake [-- BUNDLES]`
//!
//! Payments that users open new fragments with, each signed by a key of its own, with all checks and the try-out on the present
//! state. They come together in groups, as a server hands them in, and are kept in memory, or in a file, before they are answered.
#![allow(clippy::print_stdout, reason = "the figures")]

use std::{collections::BTreeMap, fs, sync::Arc, time::Instant};

use alloy::{
    primitives::{Address, B256, keccak256},
    signers::k256::ecdsa::SigningKey,
};
use nthroot_api::Bundle;
use nthroot_model::{kernel::Env, ledger::Ledger, params::Params, rule::Rules, signing::Signer as _};
use nthroot_node::{
    Deployment, Parameters, View,
    index::Index,
    inputs::Block,
    mempool::{Carrier, Limits, Mempool},
    proposer::{Room, pack},
    store::{Memory, Redb, Store},
};
use nthroot_protocol::{AccountOp, AnchorId, AssetId, Domain, FragmentId};
use nthroot_wallet::{Intent, Request, RuleBook};

const DEPLOYED: u64 = 100;
const GWEI: u64 = 1_000_000_000;
/// As many as a server keeps together.
const GROUP: usize = 64;
const BOOK: RuleBook = RuleBook {
    account: Address::repeat_byte(0xa0),
    swap: Address::repeat_byte(0xa1),
    pool: Address::repeat_byte(0xa2),
    credit: Address::repeat_byte(0xa3),
};
const DOMAIN: Domain = Domain {
    chain_id: 1,
    bridge: Address::repeat_byte(0xb7),
};

fn key(number: usize) -> SigningKey {
    SigningKey::from_slice(keccak256(number.to_be_bytes()).as_slice()).expect("a scalar")
}

fn hash(block: u64) -> B256 {
    keccak256(block.to_be_bytes())
}

/// A ledger with a fragment of each key.
fn world(users: usize, proposer: Address) -> (Ledger, Vec<FragmentId>) {
    let params = Params {
        chain_id: DOMAIN.chain_id,
        deployment_block: DEPLOYED,
        window: 20,
        insured_gas_price: GWEI.into(),
        min_lock: 12_200_000 * u128::from(GWEI),
        caps: None,
    };
    let env = Env {
        account_rule: BOOK.account,
        bridge: DOMAIN.bridge,
        rules: Rules::default(),
    };
    let mut ledger = Ledger::new(params, env);
    ledger.begin_block(DEPLOYED, hash(DEPLOYED)).expect("the first");
    ledger
        .fund_bond(proposer, 1_000_000 * 1_000_000_000_000_000_000)
        .expect("whole gwei");
    let mut fragments = Vec::with_capacity(users);
    for user in 0..users {
        if user % 8_000 == 0 {
            let next = ledger.block() + 1;
            ledger.begin_block(next, hash(next)).expect("the next");
        }
        let id = ledger
            .deposit(key(user).key(), Address::ZERO, 1_000_000)
            .expect("a deposit");
        fragments.push(AnchorId::new(id, 0).fragment());
    }
    (ledger, fragments)
}

fn view(ledger: Ledger) -> View {
    let number = ledger.block();
    let parameters = Parameters {
        window: 20,
        insured_gas_price: GWEI,
        min_lock: 12_200_000 * u128::from(GWEI),
        caps: BTreeMap::new(),
    };
    View {
        deployment: Arc::new(Deployment {
            chain_id: DOMAIN.chain_id,
            deployment_block: DEPLOYED,
            bridge: DOMAIN.bridge,
            verifier: Address::ZERO,
            registry: Address::ZERO,
            account: BOOK.account,
            parameters,
        }),
        book: BOOK,
        settled: ledger.clone(),
        ledger,
        index: Index::default(),
        settled_index: Index::default(),
        tip: Block {
            number,
            hash: hash(number),
            parent: hash(number - 1),
        },
        finalised: Block {
            number: number - 1,
            hash: hash(number - 1),
            parent: hash(number - 2),
        },
        synced: true,
    }
}

fn bundle(user: usize, fragment: FragmentId) -> Bundle {
    let open = AccountOp::Open {
        depth: 0,
        kind: 1,
        controller: Address::repeat_byte(7),
        assets: vec![(AssetId::ETH, 1_000)],
    };
    let intent = Intent {
        request: Request::Account(vec![open]),
        fragment,
        nonce: 0,
        valid_until: 5_000,
    };
    Bundle(vec![intent.sign(&BOOK, &DOMAIN, &key(user))])
}

/// Bytes of memory that the process has.
fn memory() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<usize>().ok());
    kib.unwrap_or_default() << 10
}

fn run(name: &str, store: Arc<dyn Store>, view: &View, bundles: Vec<Bundle>) -> Mempool {
    let limits = Limits {
        bundles: usize::MAX,
        bytes: usize::MAX,
        ..Limits::default()
    };
    let mut mempool = Mempool::open(store, limits, Carrier::new(key(usize::MAX))).expect("an empty store");
    mempool.on_view(view);
    let count = bundles.len();
    let mut bundles = bundles.into_iter().peekable();
    let begin = Instant::now();
    while bundles.peek().is_some() {
        let group: Vec<Bundle> = bundles.by_ref().take(GROUP).collect();
        for answer in mempool.accept_all(view, group) {
            answer.expect("it is good");
        }
    }
    let rate = count as f64 / begin.elapsed().as_secs_f64();
    println!("{name}: {rate:.0} bundles a second");
    mempool
}

fn main() {
    let count = std::env::args()
        .nth(1)
        .and_then(|count| count.parse().ok())
        .unwrap_or(20_000);
    let proposer = key(usize::MAX).key().controller();
    let (ledger, fragments) = world(count, proposer);
    let view = view(ledger);
    let bundles = || -> Vec<Bundle> { (0..).zip(&fragments).map(|(user, id)| bundle(user, *id)).collect() };

    let path = std::env::temp_dir().join(format!("nthroot-intake-{}", std::process::id()));
    let file = Redb::open(&path).expect("a new file");
    let before = memory();
    let handed_in = bundles();
    let mempool = run("kept in a file", Arc::new(file), &view, handed_in);
    println!(
        "memory: {} bytes for a bundle that waits",
        memory().saturating_sub(before) / count
    );
    let _ = fs::remove_file(&path);
    drop(mempool);

    let mempool = run("kept in memory", Arc::new(Memory::new()), &view, bundles());
    let begin = Instant::now();
    let packed = pack(&mempool, &view, &Room::default(), None).packed.expect("a batch");
    let (steps, time) = (packed.steps.len(), begin.elapsed());
    println!("packed: {steps} steps, {} bytes, in {time:?}", packed.bytes.len());
}
