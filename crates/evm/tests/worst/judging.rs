//! How long a core judges the worst steps, for what they weigh on L1.

use std::time::Instant;

use nthroot_evm::SpecId;
use nthroot_model::ledger::Judgement;

use crate::{
    city::City,
    stage,
    steps::{Kind, WORST},
};

#[test]
#[ignore = "by hand: figures of an idle machine"]
fn what_a_core_judges() {
    let city = City::new(SpecId::OSAKA);
    for worst in WORST.iter().filter(|worst| worst.kind != Kind::AboveItsCeiling) {
        let mut city = city.clone();
        let (batch, _) = city.honest(worst);
        let bytes = batch.encode();
        let seconds = (0..6).map(|_| {
            let mut ledger = city.stage.ledger.clone();
            let start = Instant::now();
            let id = ledger.submit(stage::MALLORY, &bytes).expect("taken").id;
            let elapsed = start.elapsed().as_secs_f64();
            let judgements = ledger.judgement(id).expect("kept");
            assert!(
                judgements.iter().all(|judgement| **judgement == Judgement::Valid),
                "{}",
                worst.name
            );
            elapsed
        });
        let best = seconds.fold(f64::MAX, f64::min);
        // What L1 is paid today for these bytes, at least (EIP-7623).
        let floor: u32 = bytes.iter().map(|byte| if *byte == 0 { 10 } else { 40 }).sum();
        let us = best * 1e6;
        let for_gas = us / f64::from(floor);
        println!(
            "{:<44} {us:>9.0} µs {floor:>9} gas {for_gas:>9.3} µs for a gas",
            worst.name
        );
    }
}
