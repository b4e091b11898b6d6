//! How many steps a ledger takes a second on one core, and what a fragment costs it in memory and in rows.
//!
//! `cargo run --release -p nthroot-model --example throughput [-- --json] [FRAGMENTS…]`
//!
//! Payments between fragments chosen at random (the seed is fixed), in batches with as many steps as fit: 512 anchors, 128 KiB.
//! The payer signs, and so does the payee unless the proposer holds a lease of its anchor: one signature a step, or two. A
//! batch is posted in a block of its own. Where signatures are checked, the ledger before each block is kept, as a follower does
//! near the tip; where they are trusted, which is for blocks long past, it is not.
#![allow(clippy::print_stdout, reason = "the figures")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

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
    AccountOp, AnchorId, AssetId, Authorisation, Body, Call, CompactSignature, FragmentId, Outflow, Signature,
    limits::{MAX_ENTRIES, MAX_LEASE},
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
/// Of which the best counts: others compute on this machine too.
const RUNS: usize = 5;

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

/// Time that this thread has computed, in seconds: others may use the same core.
fn computed() -> f64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = stat.split(' ').next().and_then(|nanoseconds| nanoseconds.parse().ok());
    nanoseconds.unwrap_or(f64::NAN) / 1e9
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

    /// Deposits are in the order of their ids.
    fn place(&self, fragment: FragmentId) -> usize {
        self.anchors.binary_search(&fragment.anchor()).expect("a deposit")
    }

    /// A call of the Account rule, in which these fragments say something each; to be signed.
    fn plan(&self, fragments: &[usize], says: &[(u8, Option<Outflow>, Vec<AccountOp>)]) -> StepPlan {
        let authorisation = |(position, outflow, ops): &(u8, Option<Outflow>, Vec<AccountOp>)| Authorisation {
            position: *position,
            valid_until: u64::MAX,
            outflows: outflow.iter().copied().collect(),
            payload: AccountOp::encode_payload(ops).into(),
            signature: Signature::Secp256k1(CompactSignature::ZERO),
        };
        let call = Call {
            rule: 0,
            gas: 100_000,
            max_effects: 256,
            fragments: (0..).take(fragments.len()).collect(),
            authorisations: says.iter().map(authorisation).collect(),
            extra: Bytes::new(),
        };
        StepPlan {
            fragments: fragments
                .iter()
                .map(|fragment| Name::Anchor(self.anchors[*fragment]))
                .collect(),
            body: Body::from(vec![call]),
        }
    }

    fn payment(&self, from: usize, to: usize, amount: u128, payee_signs: bool) -> StepPlan {
        let asset = AssetId::ETH;
        let to_id = self.anchors[to].fragment();
        let pay = AccountOp::Pay {
            to: to_id,
            asset,
            amount,
        };
        let mut says = vec![(0, Some(Outflow { asset, amount }), vec![pay])];
        if payee_signs {
            says.push((1, None, Vec::new()));
        }
        self.plan(&[from, to], &says)
    }

    fn lease(&self, fragment: usize, last_block: u64) -> StepPlan {
        let lease = AccountOp::SetLease {
            holder: PROPOSER,
            last_block,
        };
        self.plan(&[fragment], &[(0, None, vec![lease])])
    }

    /// A batch of these steps for the next block, or of as many as fit, and how many these are.
    fn batch(&self, ledger: &Ledger, slot: u16, plans: impl Iterator<Item = StepPlan>) -> (Vec<u8>, usize) {
        let clock = ledger.block();
        let posting = Posting {
            proposer: PROPOSER,
            clock,
            clock_hash: hash(clock),
            slot,
            ceiling: 5_000_000,
        };
        let mut builder = BatchBuilder::new(ledger, posting);
        let mut bytes = 0;
        for mut plan in plans {
            let signer = |fragment: FragmentId| Some(&self.keys[self.place(fragment) % KEYS] as &dyn Signer);
            builder.sign(&mut plan, signer).expect("it can be built");
            // No step is longer than with fresh touches.
            bytes += plan.body.encode().len() + 4 + 39 * plan.fragments.len();
            if bytes > MAX_BATCH {
                break;
            }
            builder.step(&plan).expect("it is valid");
        }
        let batch = builder.build().expect("a batch");
        (batch.encode(), batch.steps.len())
    }

    /// Batches of payments, and the ledger on which they are posted in the next blocks.
    fn payments(&self, payee_signs: bool, rng: &mut Rng) -> (Ledger, Vec<(Vec<u8>, usize)>) {
        let pairs: Vec<Vec<(usize, usize)>> = (0..BATCHES).map(|_| self.pairs(rng)).collect();
        let mut ledger = self.ledger.clone();
        let mut slots = 0..;
        let mut post = |ledger: &mut Ledger, plans: &mut dyn Iterator<Item = StepPlan>| {
            let batch = self.batch(ledger, slots.next().expect("few"), plans);
            begin_next(ledger);
            ledger.submit(PROPOSER, &batch.0).expect("it is accepted");
            batch
        };
        if !payee_signs {
            for pairs in &pairs {
                let payees: BTreeSet<usize> = pairs.iter().map(|(_, to)| *to).collect();
                let last_block = ledger.block() + MAX_LEASE;
                post(
                    &mut ledger,
                    &mut payees.into_iter().map(|payee| self.lease(payee, last_block)),
                );
            }
        }
        let start = ledger.clone();
        let batches = pairs.into_iter().map(|pairs| {
            let amounts = (1..).zip(pairs.iter().cycle());
            let mut payments = amounts.map(|(amount, (from, to))| self.payment(*from, *to, amount, payee_signs));
            post(&mut ledger, &mut payments)
        });
        let batches = batches.collect();
        (start, batches)
    }

    /// Who pays whom in a batch.
    fn pairs(&self, rng: &mut Rng) -> Vec<(usize, usize)> {
        let mut used = BTreeSet::new();
        let most = usize::from(MAX_ENTRIES).min(self.anchors.len());
        while used.len() < most {
            used.insert(rng.below(self.anchors.len()));
        }
        let (payers, payees): (Vec<usize>, Vec<usize>) = used.into_iter().partition(|fragment| fragment % 2 == 0);
        payers.into_iter().zip(payees).collect()
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
    /// Of steps with one signature, and with two.
    steps: [Steps; 2],
    /// Bytes of a fragment.
    memory: usize,
    rows: usize,
}

struct Steps {
    in_batch: usize,
    /// A second.
    checked: f64,
    trusted: f64,
    /// Bytes of a step, once valid ones are forgotten.
    memory: usize,
    rows: usize,
}

fn measure_steps(world: &World, payee_signs: bool) -> Steps {
    let (start, batches) = world.payments(payee_signs, &mut Rng(1));
    let steps: usize = batches.iter().map(|(_, steps)| steps).sum();
    let rows: BTreeMap<_, _> = start.rows_since(None).into_iter().collect();
    let run = |signatures: Signatures| {
        // One that shares nothing with others.
        let rows = rows.iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        let ledger = Ledger::from_rows(start.params().clone(), start.env().clone(), rows);
        let mut ledger = ledger.expect("the rows of a ledger");
        ledger.set_signatures(signatures);
        let mut kept = Vec::with_capacity(BATCHES);
        let begin = computed();
        for (batch, _) in &batches {
            if signatures == Signatures::Checked {
                kept.push(ledger.clone());
            }
            begin_next(&mut ledger);
            ledger.submit(PROPOSER, batch).expect("it is accepted");
        }
        let seconds = computed() - begin;
        assert!(ledger.lies().is_empty(), "no lies");
        (ledger, steps as f64 / seconds)
    };
    let best = |signatures| (0..RUNS).map(|_| run(signatures).1).fold(0.0, f64::max);
    let (checked, trusted) = (best(Signatures::Checked), best(Signatures::Trusted));

    // What they take beside the fragments.
    let mut ledger = start.clone();
    ledger.set_signatures(Signatures::Trusted);
    let before = resident();
    for (batch, _) in &batches {
        begin_next(&mut ledger);
        ledger.submit(PROPOSER, batch).expect("it is accepted");
        ledger.forget_valid_steps(ledger.block());
    }
    Steps {
        in_batch: steps / BATCHES,
        checked,
        trusted,
        memory: resident().saturating_sub(before) / steps,
        rows: row_bytes(Some(&start), &ledger) / steps,
    }
}

fn row_bytes(old: Option<&Ledger>, new: &Ledger) -> usize {
    let rows = new.rows_since(old).into_iter();
    rows.map(|(key, value)| key.len() + value.map_or(0, |value| value.len()))
        .sum()
}

fn measure(fragments: usize) -> Figures {
    let before = resident();
    let world = World::new(fragments);
    Figures {
        fragments,
        memory: resident().saturating_sub(before) / fragments,
        rows: row_bytes(None, &world.ledger) / fragments,
        steps: [false, true].map(|payee_signs| measure_steps(&world, payee_signs)),
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    let sizes: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if sizes.is_empty() {
        vec![1_000, 30_000, 1_000_000]
    } else {
        sizes
    };
    if !json {
        println!(
            "| fragments | bytes each | in rows | signatures a step | steps a batch | steps/s | trusted | bytes a step | in rows |"
        );
        println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    }
    // The largest first: what it takes of memory would otherwise be there already.
    for size in sizes.into_iter().rev() {
        let Figures {
            fragments,
            steps,
            memory,
            rows,
        } = measure(size);
        for (signatures, steps) in (1..).zip(steps) {
            let Steps {
                in_batch,
                checked,
                trusted,
                memory: step_memory,
                rows: step_rows,
            } = steps;
            if json {
                println!(
                    r#"{{"fragments":{fragments},"bytesPerFragment":{memory},"rowBytesPerFragment":{rows},"signatures":{signatures},"stepsPerBatch":{in_batch},"checkedPerSecond":{checked:.0},"trustedPerSecond":{trusted:.0},"bytesPerStep":{step_memory},"rowBytesPerStep":{step_rows}}}"#
                );
            } else {
                println!(
                    "| {fragments} | {memory} | {rows} | {signatures} | {in_batch} | {checked:.0} | {trusted:.0} | {step_memory} | {step_rows} |"
                );
            }
        }
    }
}
