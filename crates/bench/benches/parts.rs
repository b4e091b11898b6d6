//! The parts of judging a batch, one by one, on seeded inputs: `cargo bench -p nthroot-bench`.
//!
//! For changes of the code; what a reader wants to know is in the report (`cargo xtask bench --only speed`).
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use alloy_primitives::Address;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use nthroot_bench::speed::world::{PROPOSER, World, begin_next};
use nthroot_model::{
    kernel::{Env, Signatures, evaluate},
    rule::Rules,
};
use nthroot_protocol::{Batch, Evidence};
use rand::{SeedableRng, rngs::StdRng};

const FRAGMENTS: usize = 10_000;

fn parts(criterion: &mut Criterion) {
    let env = Env {
        account_rule: Address::repeat_byte(0xac),
        bridge: Address::repeat_byte(0xb7),
        rules: Rules::default(),
    };
    let world = World::new(FRAGMENTS, env.clone());
    let (start, posted) = world.payments(1, true, &mut StdRng::seed_from_u64(1));
    let batch = &posted[0];
    let decoded = Batch::parse(&batch.bytes).expect("a batch");

    let mut whole = criterion.benchmark_group("batch");
    whole.throughput(Throughput::Elements(u64::try_from(batch.steps).expect("few")));
    whole.bench_function("parse", |bencher| bencher.iter(|| Batch::parse(&batch.bytes)));
    whole.bench_function("encode", |bencher| bencher.iter(|| decoded.encode()));
    for (name, signatures) in [("checked", Signatures::Checked), ("trusted", Signatures::Trusted)] {
        let prepared = || {
            let mut ledger = start.clone();
            ledger.set_signatures(signatures);
            begin_next(&mut ledger);
            ledger
        };
        whole.bench_function(format!("submit, signatures {name}"), |bencher| {
            bencher.iter_batched_ref(
                prepared,
                |ledger| ledger.submit(PROPOSER, &batch.bytes),
                BatchSize::LargeInput,
            );
        });
    }
    whole.finish();

    let mut ledger = start.clone();
    begin_next(&mut ledger);
    let id = ledger.submit(PROPOSER, &batch.bytes).expect("it is accepted").id;
    let bytes = ledger.evidence(id, 0).expect("a step");
    let evidence = Evidence::decode(&bytes).expect("evidence");
    let mut step = criterion.benchmark_group("step");
    step.bench_function("evidence", |bencher| bencher.iter(|| ledger.evidence(id, 0)));
    step.bench_function("decode evidence", |bencher| bencher.iter(|| Evidence::decode(&bytes)));
    step.bench_function("verdict", |bencher| {
        bencher.iter(|| evaluate(&env, &evidence.preimage, &evidence.placed, &evidence.proofs));
    });
    step.finish();

    let mut state = criterion.benchmark_group("state");
    state.bench_function("clone a ledger", |bencher| bencher.iter(|| ledger.clone()));
    state.bench_function("rows of a batch", |bencher| {
        bencher.iter(|| ledger.rows_since(Some(&start)));
    });
    state.finish();
}

criterion_group!(benches, parts);
criterion_main!(benches);
