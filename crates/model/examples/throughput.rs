//! How many steps a ledger takes a second on one core, and what a fragment costs it in memory and in rows.
//!
//! `cargo run --release -p nthroot-model --example throughput [-- --json] [FRAGMENTS…]`
//!
//! Payments from one fragment to another, each signed, of fragments chosen at random (the seed is fixed), in batches with as many
//! steps as fit: 512 anchors, 128 KiB. A batch is posted in a block of its own, and the ledger before each of the last
//! 64 blocks is kept, as a follower does.
#![allow(clippy::print_stdout, reason = "the figures")]

use std::{fs, time::Instant};

use alloy_primitives::{Address, B256, Bytes, keccak256};
use k256::ecdsa::SigningKey;
use nthroot_model::{
    builder::{BatchBuilder, Name, Posting, StepPlan},
    kernel::{Env, Signatures},
    ledger::Ledger,
    params::Params,
    rule::Rules,
    signing::Signer,
};
use nthroot_protocol::{
    AccountOp, AnchorId, AssetId, Authorisation, Body, Call, FragmentId, Outflow, Signature, limits::MAX_ENTRIES,
};

const ETHER: u128 = 1_000_000_000_000_000_000;
const PROPOSER: Address = Address::repeat_byte(1);
const DEPLOYED: u64 = 100;
/// Bytes of a transaction that L1 nodes pass on, less what is around the batch.
const MAX_BATCH: usize = 131_072 - 1_024;
/// Deposits of a block.
const DEPOSITS: usize = 8_000;
/// Keys are dear to make: fragments share them.
const KEYS: usize = 256;
const BATCHES: usize = 24;
/// Ledgers of earlier blocks that are kept.
const KEPT: usize = 64;

/// A generator of numbers (`SplitMix64`).
struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ z >> 31) % bound as u64).expect("below the bound")
    }
}

fn key(number: usize) -> SigningKey {
    SigningKey::from_slice(keccak256(number.to_be_bytes()).as_slice()).expect("a scalar")
}

fn hash(block: u64) -> B256 {
    keccak256(block.to_be_bytes())
}

struct World {
    ledger: Ledger,
    keys: Vec<SigningKey>,
    anchors: Vec<AnchorId>,
}

impl World {
    fn new(fragments: usize) -> Self {
        let params = Params {
            chain_id: 1,
            deployment_block: DEPLOYED,
            window: 50_400,
            insured_gas_price: 1_000_000_000,
            min_lock: Params::least_min_lock(1_000_000_000),
            caps: None,
        };
        let env = Env {
            account_rule: Address::repeat_byte(0xac),
            bridge: Address::repeat_byte(0xb7),
            rules: Rules::default(),
        };
        let mut ledger = Ledger::new(params, env);
        ledger.begin_block(DEPLOYED, hash(DEPLOYED)).expect("the first block");
        ledger.fund_bond(PROPOSER, 1_000_000 * ETHER).expect("whole gwei");
        let keys: Vec<SigningKey> = (0..KEYS).map(key).collect();
        let mut anchors = Vec::with_capacity(fragments);
        for number in 0..fragments {
            if number % DEPOSITS == 0 {
                begin_next(&mut ledger);
            }
            let deposited = ledger.deposit(keys[number % KEYS].key(), Address::ZERO, ETHER);
            anchors.push(AnchorId::new(deposited.expect("a deposit"), 0));
        }
        begin_next(&mut ledger);
        Self { ledger, keys, anchors }
    }

    fn name(&self, fragment: usize) -> (Name, FragmentId) {
        let anchor = self.anchors[fragment];
        (Name::Anchor(anchor), anchor.fragment())
    }

    /// A payment, to be signed.
    fn payment(&self, from: usize, to: usize, amount: u128) -> StepPlan {
        let (from, (to, id)) = (self.name(from).0, self.name(to));
        let payload = AccountOp::encode_payload(&[AccountOp::Pay {
            to: id,
            asset: AssetId::ETH,
            amount,
        }]);
        let authorisation = Authorisation {
            position: 0,
            valid_until: u64::MAX,
            outflows: vec![Outflow {
                asset: AssetId::ETH,
                amount,
            }],
            payload: payload.into(),
            signature: Signature::Secp256k1(Default::default()),
        };
        let call = Call {
            rule: 0,
            gas: 100_000,
            max_effects: 256,
            fragments: vec![0, 1],
            authorisations: vec![authorisation],
            extra: Bytes::new(),
        };
        StepPlan {
            fragments: vec![from, to],
            body: Body::from(vec![call]),
        }
    }

    /// A full batch for the next block, and its number of steps.
    fn batch(&self, ledger: &Ledger, slot: u16, rng: &mut Rng) -> (Vec<u8>, usize) {
        let clock = ledger.block();
        let posting = Posting {
            proposer: PROPOSER,
            clock,
            clock_hash: hash(clock),
            slot,
            ceiling: 5_000_000,
        };
        let mut builder = BatchBuilder::new(ledger, posting);
        let mut used: Vec<usize> = Vec::new();
        let mut bytes = 0;
        while bytes < MAX_BATCH {
            let room = usize::from(MAX_ENTRIES) - used.len() >= 2;
            let mut pick = || if room { rng.below(self.anchors.len()) } else { used[rng.below(used.len())] };
            let (from, to) = (pick(), pick());
            if from == to {
                continue;
            }
            for fragment in [from, to] {
                if !used.contains(&fragment) {
                    used.push(fragment);
                }
            }
            let mut plan = self.payment(from, to, 1 + rng.below(1_000) as u128);
            let signer: &dyn Signer = &self.keys[from % KEYS];
            builder.sign(&mut plan, |_| Some(signer)).expect("it can be built");
            builder.step(&plan).expect("it is valid");
            // 29 of a repeated touch and 39 of a fresh one are near enough.
            bytes += plan.body.encode().len() + 4 + 2 * 39;
        }
        let batch = builder.build().expect("a batch");
        (batch.encode(), batch.steps.len())
    }
}

fn begin_next(ledger: &mut Ledger) {
    let next = ledger.block() + 1;
    ledger.begin_block(next, hash(next)).expect("the next block");
}

/// Resident bytes.
fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    4_096 * pages.unwrap_or(0_usize)
}

struct Figures {
    fragments: usize,
    steps_per_batch: usize,
    checked: f64,
    trusted: f64,
    /// Bytes per fragment.
    memory: usize,
    rows: usize,
    /// Bytes of memory and of rows per step, once valid steps are forgotten.
    step_memory: usize,
    step_rows: usize,
}

fn measure(fragments: usize) -> Figures {
    let mut rng = Rng(fragments as u64);
    let before = resident();
    let world = World::new(fragments);
    let memory = resident().saturating_sub(before) / fragments;

    let mut building = world.ledger.clone();
    let batches: Vec<(Vec<u8>, usize)> = (0..BATCHES)
        .map(|slot| {
            let slot = u16::try_from(slot).expect("few");
            let batch = world.batch(&building, slot, &mut rng);
            begin_next(&mut building);
            building.submit(PROPOSER, &batch.0).expect("it is accepted");
            batch
        })
        .collect();
    drop(building);
    let steps: usize = batches.iter().map(|(_, steps)| steps).sum();

    let run = |signatures: Signatures| {
        let mut ledger = world.ledger.clone();
        ledger.set_signatures(signatures);
        let mut kept = Vec::with_capacity(KEPT);
        let start = Instant::now();
        for (batch, _) in &batches {
            kept.push(ledger.clone());
            begin_next(&mut ledger);
            ledger.submit(PROPOSER, batch).expect("it is accepted");
        }
        let seconds = start.elapsed().as_secs_f64();
        assert!(ledger.lies().is_empty(), "no lies");
        (ledger, steps as f64 / seconds)
    };
    let best = |signatures| (0..3).map(|_| run(signatures).1).fold(0.0, f64::max);
    let (checked, trusted) = (best(Signatures::Checked), best(Signatures::Trusted));

    let rows = |old: Option<&Ledger>, new: &Ledger| -> usize {
        let rows = new.rows_since(old).into_iter();
        rows.map(|(key, value)| key.len() + value.map_or(0, |value| value.len())).sum()
    };
    let start = resident();
    let (mut ledger, _) = run(Signatures::Trusted);
    ledger.forget_valid_steps(ledger.block());
    let step_memory = resident().saturating_sub(start) / steps;
    let step_rows = rows(Some(&world.ledger), &ledger) / steps;
    Figures {
        fragments,
        steps_per_batch: steps / BATCHES,
        checked,
        trusted,
        memory,
        rows: rows(None, &world.ledger) / fragments,
        step_memory,
        step_rows,
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    let sizes: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![1_000, 30_000, 1_000_000] } else { sizes };
    if !json {
        println!("| fragments | steps a batch | steps/s, signatures checked | trusted | bytes a fragment | in rows | bytes a step | in rows |");
        println!("|---:|---:|---:|---:|---:|---:|---:|---:|");
    }
    // The largest first: memory that a smaller one gave back would count for nothing.
    for size in sizes.into_iter().rev() {
        let Figures {
            fragments,
            steps_per_batch,
            checked,
            trusted,
            memory,
            rows,
            step_memory,
            step_rows,
        } = measure(size);
        if json {
            println!(
                r#"{{"fragments":{fragments},"stepsPerBatch":{steps_per_batch},"checkedPerSecond":{checked:.0},"trustedPerSecond":{trusted:.0},"memoryPerFragment":{memory},"rowBytesPerFragment":{rows},"memoryPerStep":{step_memory},"rowBytesPerStep":{step_rows}}}"#
            );
        } else {
            println!(
                "| {fragments} | {steps_per_batch} | {checked:.0} | {trusted:.0} | {memory} | {rows} | {step_memory} | {step_rows} |"
            );
        }
    }
}
