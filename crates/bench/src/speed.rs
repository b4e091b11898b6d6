//! How fast the software is, beside what bounds it: the signatures that it must check.
//!
//! All rates are of one core, by the time that the core computed. Machines differ, so what is compared is in one run, and rates
//! are given as ratios too.

mod clock;
mod follower;
pub mod world;

use std::collections::BTreeMap;

use alloy::{primitives::Bytes, signers::k256::ecdsa::SigningKey, sol_types::SolCall};
use alloy_primitives::{B256, keccak256};
use eyre::{Result, ensure};
use nthroot_bindings::FraudVerifier;
use nthroot_evm::{Deployed, SpecId};
use nthroot_model::{
    kernel::{self, Env, Signatures, Verdict},
    ledger::Ledger,
    rule::Rules,
    signing::{Signer, check},
};
use nthroot_protocol::{BatchId, Evidence};
use rand::{SeedableRng, rngs::StdRng};

pub use self::clock::Stopwatch;
use self::{
    clock::{as_f64, rate, resident},
    world::{PROPOSER, Posted, World, begin_next},
};
use crate::{
    Options,
    report::{Axis, Cell, Chart, Figure, Mark, Section, Table, shown},
};

/// Fragments of the ledgers that are measured.
const SIZES: [usize; 5] = [1_000, 10_000, 100_000, 1_000_000, 10_000_000];
/// The largest of them in the short version.
const QUICK: usize = 10_000;
/// Fragments of the ledger whose parts are measured.
const PARTS: usize = 10_000;
const BATCHES: usize = 24;
const QUICK_BATCHES: usize = 4;
/// Of which the best counts.
const RUNS: usize = 3;

/// Steps a second, and what a fragment takes.
struct Scaling {
    fragments: usize,
    signatures: usize,
    checked: f64,
    trusted: f64,
    /// Bytes of a fragment.
    memory: Option<usize>,
    rows: usize,
}

/// How fast ledgers of growing size, their parts, and a follower are.
///
/// # Errors
///
/// If a step is judged other than it should be, or the L1 node fails.
pub fn section(options: &Options) -> Result<Section> {
    // Rather now than after minutes.
    let anvil = follower::anvil()?;
    let mut section = Section::new("speed", "How fast is the software?");
    let recoveries = recoveries();
    section.text = vec![
        format!(
            "One core of this machine checks {} secp256k1 signatures a second and hashes {} blocks of 136 bytes. Rates below are \
             of one core too, each the best of {RUNS} runs, by the time that the core computed. A ratio to signature checks is the same on \
             other machines, about.",
            shown(recoveries),
            shown(hashes()),
        ),
        "The ledger executes payments between fragments chosen at random, in batches of 128 KiB or 512 anchors, and judges each step. A follower trusts \
         signatures, if it is told to, where L1 is final and the window over."
            .to_owned(),
    ];
    let scaling = scaling(options)?;
    section.figures.push(Figure::Table(scaling_table(&scaling, recoveries)));
    section.figures.push(Figure::Chart(scaling_chart(&scaling, recoveries)));
    section.figures.push(Figure::Table(parts(options, recoveries)?));
    section.figures.push(Figure::Table(follower::table(options, &anvil)?));
    Ok(section)
}

/// Signatures that a core checks a second.
fn recoveries() -> f64 {
    let key = SigningKey::from_slice(keccak256("yardstick").as_slice()).expect("a scalar");
    let hash = keccak256("message");
    let (owner, signature) = (key.key(), key.sign(hash));
    let is_good = |_: &u32| check(hash, &signature, owner.kind(), owner.controller()).is_ok();
    rate(RUNS, || (0..2_000).filter(is_good).count())
}

/// Blocks of the hash that a core hashes a second.
fn hashes() -> f64 {
    rate(RUNS, || {
        let chained = (0..200_000).fold(B256::ZERO, |hash, _| keccak256([hash.0.as_slice(), &[0; 103]].concat()));
        usize::from(!chained.is_zero()) * 200_000
    })
}

fn env() -> Env {
    Env {
        account_rule: alloy_primitives::Address::repeat_byte(0xac),
        bridge: alloy_primitives::Address::repeat_byte(0xb7),
        rules: Rules::default(),
    }
}

const fn batches(options: &Options) -> usize {
    if options.quick { QUICK_BATCHES } else { BATCHES }
}

fn scaling(options: &Options) -> Result<Vec<Scaling>> {
    let sizes = SIZES.iter().filter(|size| !options.quick || **size <= QUICK);
    let mut measured = Vec::new();
    // The largest first, whose memory counts.
    for &fragments in sizes.rev() {
        let before = resident();
        let world = World::new(fragments, env());
        let grown = resident().zip(before).map(|(now, before)| now.saturating_sub(before));
        // Only the first gets memory that nothing was in before.
        let memory = grown.filter(|_| measured.is_empty()).map(|grown| grown / fragments);
        let rows = row_bytes(None, &world.ledger) / fragments;
        for signatures in [1, 2] {
            let mut rng = StdRng::seed_from_u64(options.seed);
            let (start, posted) = world.payments(batches(options), signatures == 2, &mut rng);
            let [checked, trusted] = [Signatures::Checked, Signatures::Trusted]
                .map(|how| (0..RUNS).map(|_| run(&start, &posted, how)).fold(0.0, f64::max));
            measured.push(Scaling {
                fragments,
                signatures,
                checked,
                trusted,
                memory,
                rows,
            });
        }
    }
    measured.sort_by_key(|row| (row.signatures, row.fragments));
    ensure!(
        measured.iter().all(|row| row.checked > 0.0),
        "a ledger found a lie in honest batches"
    );
    Ok(measured)
}

/// Steps a second; none, if the ledger takes one of them for a lie. As a follower near the tip does, keeps the ledger before
/// each block where signatures are checked.
fn run(start: &Ledger, posted: &[Posted], how: Signatures) -> f64 {
    let mut ledger = start.clone();
    ledger.set_signatures(how);
    let mut kept = Vec::new();
    let watch = Stopwatch::start();
    for batch in posted {
        if how == Signatures::Checked {
            kept.push(ledger.clone());
        }
        begin_next(&mut ledger);
        ledger.submit(PROPOSER, &batch.bytes).expect("it is accepted");
    }
    let seconds = watch.seconds();
    if ledger.lies().is_empty() {
        as_f64(steps(posted)) / seconds
    } else {
        0.0
    }
}

fn steps(posted: &[Posted]) -> usize {
    posted.iter().map(|batch| batch.steps).sum()
}

fn row_bytes(old: Option<&Ledger>, new: &Ledger) -> usize {
    let rows = new.rows_since(old).into_iter();
    rows.map(|(key, value)| key.len() + value.map_or(0, |value| value.len()))
        .sum()
}

fn cell(number: usize) -> Cell {
    u64::try_from(number).ok().into()
}

fn scaling_table(rows: &[Scaling], recoveries: f64) -> Table {
    let mut table = Table::new(
        "ledger",
        "Steps that a ledger executes and judges, by the number of fragments and of signatures in a step",
        &[
            ("fragments", "count"),
            ("signatures", "a step"),
            ("signatures checked", "steps/s"),
            ("the signatures' part of that time", "%"),
            ("signatures trusted", "steps/s"),
            ("memory", "bytes a fragment"),
            ("rows in the store", "bytes a fragment"),
        ],
    );
    for row in rows {
        table.row([
            cell(row.fragments),
            cell(row.signatures),
            row.checked.round().into(),
            (100.0 * as_f64(row.signatures) * row.checked / recoveries)
                .round()
                .into(),
            row.trusted.round().into(),
            row.memory.and_then(|bytes| u64::try_from(bytes).ok()).into(),
            cell(row.rows),
        ]);
    }
    table
}

fn scaling_chart(rows: &[Scaling], recoveries: f64) -> Chart {
    let mut chart = Chart::new(
        "scaling",
        "Steps a second on one core, by the size of the state",
        Axis::log("Fragments"),
        Axis::log("Steps a second"),
    );
    for signatures in [1, 2] {
        let of = |value: fn(&Scaling) -> f64| {
            rows.iter()
                .filter(move |row| row.signatures == signatures)
                .map(move |row| (as_f64(row.fragments), value(row)))
        };
        let plural = if signatures == 1 { "" } else { "s" };
        chart.draw(
            format!("{signatures} signature{plural}, checked"),
            Mark::Line,
            of(|row| row.checked),
        );
        chart.draw(
            format!("{signatures} signature{plural}, trusted"),
            Mark::Line,
            of(|row| row.trusted),
        );
    }
    let ends = rows.iter().map(|row| (as_f64(row.fragments), recoveries));
    chart.draw("signature checks alone", Mark::Dashed, ends.take(rows.len() / 2));
    chart
}

/// What else is done with steps and states.
fn parts(options: &Options, recoveries: f64) -> Result<Table> {
    let mut evm = Deployed::new(SpecId::OSAKA, nthroot_evm::Parameters::default())?;
    let env = Env {
        account_rule: evm.account,
        bridge: evm.bridge,
        rules: Rules::default(),
    };
    let world = World::new(PARTS, env.clone());
    let (start, posted) = world.payments(batches(options), true, &mut StdRng::seed_from_u64(options.seed));
    let mut ledger = start.clone();
    let mut ids = Vec::new();
    for batch in &posted {
        begin_next(&mut ledger);
        ids.push((ledger.submit(PROPOSER, &batch.bytes)?.id, batch.steps));
    }
    let places = |ids: &[(BatchId, usize)]| -> Vec<_> {
        ids.iter()
            .flat_map(|(id, steps)| (0..u16::try_from(*steps).unwrap_or(u16::MAX)).map(|step| (*id, step)))
            .collect()
    };
    let places = places(&ids[..ids.len().min(QUICK_BATCHES)]);
    let evidence: Vec<_> = places
        .iter()
        .map(|(id, step)| ledger.evidence(*id, *step))
        .collect::<Result<_, _>>()?;

    let mut table = Table::new(
        "parts",
        "What else is done with a step of two parties, or with a state",
        &[("what", ""), ("rate", "1/s"), ("beside signature checks", "×")],
    );
    let mut row = |what: &str, rate: f64| table.row([what.into(), rate.round().into(), (rate / recoveries).into()]);
    row(
        "evidence built",
        rate(RUNS, || {
            places
                .iter()
                .filter(|(id, step)| ledger.evidence(*id, *step).is_ok())
                .count()
        }),
    );
    row(
        "evidence judged by the model",
        rate(RUNS, || {
            evidence.iter().filter(|bytes| model_says_valid(&env, bytes)).count()
        }),
    );
    let valid = std::cell::Cell::new(0);
    row(
        "evidence judged by the contracts, in an EVM in this process",
        rate(RUNS, || {
            valid.set(
                evidence
                    .iter()
                    .filter(|bytes| contracts_say_valid(&mut evm, bytes))
                    .count(),
            );
            valid.get()
        }),
    );
    ensure!(
        valid.get() == evidence.len(),
        "the contracts hold {} of {} honest steps valid",
        valid.get(),
        evidence.len()
    );
    let rows: BTreeMap<_, _> = start
        .rows_since(None)
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect();
    row(
        "fragments written down, as rows",
        rate(RUNS, || ledger.rows_since(None).len().min(PARTS)),
    );
    row(
        "fragments read back, from rows",
        rate(RUNS, || {
            let read = Ledger::from_rows(start.params().clone(), start.env().clone(), &rows);
            read.map_or(0, |ledger| ledger.anchors().count())
        }),
    );
    Ok(table)
}

fn model_says_valid(env: &Env, evidence: &[u8]) -> bool {
    Evidence::decode(evidence).is_ok_and(|evidence| {
        let verdict = kernel::evaluate(env, &evidence.preimage, &evidence.placed, &evidence.proofs);
        matches!(verdict, Ok(Verdict::Valid(_)))
    })
}

fn contracts_say_valid(evm: &mut Deployed, evidence: &[u8]) -> bool {
    let call = FraudVerifier::verifyCall {
        evidence: Bytes::copy_from_slice(evidence),
        bridge: evm.bridge,
    };
    let (from, verifier) = (evm.deployer, evm.verifier);
    let receipt = evm.chain.simulate(from, verifier, call.abi_encode().into());
    receipt.is_ok_and(|receipt| {
        receipt.success && FraudVerifier::verifyCall::abi_decode_returns(&receipt.output) == Ok(true)
    })
}
