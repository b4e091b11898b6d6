//! How long a core judges the worst steps, for what they weigh on L1.

use std::time::Instant;

use nthroot_evm::SpecId;

use crate::{
    city::City,
    stage,
    steps::{Kind, WORST},
};

#[test]
#[ignore = "figures"]
fn what_a_core_judges() {
    let city = City::new(SpecId::OSAKA);
    for worst in WORST.iter().filter(|worst| worst.kind != Kind::AboveItsCeiling) {
        let mut city = city.clone();
        let (batch, _) = city.honest(worst);
        let step = batch.steps.last().expect("some");
        let bytes = batch.encode();
        let seconds = (0..6).map(|_| {
            let mut ledger = city.stage.ledger.clone();
            let start = Instant::now();
            ledger.submit(stage::MALLORY, &bytes).expect("taken");
            start.elapsed().as_secs_f64()
        });
        let best = seconds.fold(f64::MAX, f64::min);
        let floor: u64 = bytes.iter().map(|byte| if *byte == 0 { 10 } else { 40 }).sum();
        println!(
            "{:<44} {:>6} bytes {:>8} floor {:>9.0} us {:>8.2} us per byte",
            worst.name,
            step.encoded_length(),
            floor,
            best * 1e6,
            best * 1e6 / step.encoded_length() as f64
        );
    }
}
