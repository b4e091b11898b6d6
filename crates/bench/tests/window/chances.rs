//! Each formula says what enumeration and simulation say.

use nthroot_bench::window::{
    inclusion::{few_missing, left_out_of_blocks, left_out_of_slots, slots_until},
    runs::{closed_form, least_length, mean_longest, probability, recursion},
};
use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::StdRng};

/// The longest run of ones among the lowest `trials` bits.
fn longest(bits: u32, trials: u32) -> u64 {
    let (mut longest, mut run) = (0, 0);
    for trial in 0..trials {
        run = if bits >> trial & 1 == 1 { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// The share of so many trials in which something happened is within five standard deviations of its probability.
fn agrees(happened: u32, trials: u32, probability: f64) {
    let (happened, trials) = (f64::from(happened), f64::from(trials));
    let deviation = (trials * probability * (1.0 - probability)).sqrt();
    let off = (happened - trials * probability).abs();
    assert!(
        off <= 5.0 * deviation + 1.0,
        "{happened} of {trials} instead of {}",
        trials * probability
    );
}

proptest! {
    #[test]
    fn runs_are_those_of_every_sequence(share in 0.0..=1.0_f64, trials in 1_u32..13, length in 0_u64..14) {
        let mut expected = 0.0;
        for bits in 0..1_u32 << trials {
            if longest(bits, trials) >= length {
                let ones = bits.count_ones();
                let weight = |share: f64, count: u32| (0..count).fold(1.0, |weight, _| weight * share);
                expected += weight(share, ones) * weight(1.0 - share, trials - ones);
            }
        }
        let found = probability(share, length, trials.into());
        prop_assert!((found - expected).abs() < 1e-12, "{found} instead of {expected}");
    }

    #[test]
    fn the_closed_form_is_the_recursion_where_it_takes_its_place(
        share in 0.01..0.9995_f64,
        length in prop_oneof![1_u64..400, 400..20_000_u64],
        trials in 40_001_u64..120_000,
    ) {
        let exact = recursion(share, length, trials);
        let chosen = probability(share, length, trials);
        // What is left out is below 10^-17, and rounding a billionth of the result.
        prop_assert!((chosen - exact).abs() <= 1e-15 + 1e-9 * exact, "{chosen} instead of {exact}");
    }

    #[test]
    fn longer_runs_and_smaller_shares_are_rarer(share in 0.05..0.95_f64, less in 0.0..0.05_f64, length in 1_u64..60) {
        let year = 2_629_800;
        let rounded = probability(share, length, year) * (1.0 + 1e-9);
        prop_assert!(probability(share, length + 1, year) <= rounded);
        prop_assert!(probability(share - less, length, year) <= rounded);
    }

    #[test]
    fn the_least_length_is_the_first_that_is_rare_enough(share in 0.01..0.97_f64, exponent in 1_i32..9) {
        let (year, target) = (2_629_800, 10_f64.powi(-exponent));
        let least = least_length(share, year, target);
        prop_assert!(probability(share, least, year) <= target);
        prop_assert!(probability(share, least - 1, year) > target);
    }
}

#[test]
fn the_closed_form_keeps_its_digits_where_the_result_is_tiny() {
    for (share, length) in [(0.25, 24), (0.35, 27), (0.5, 41), (0.887, 221)] {
        let trials = 2_629_800;
        let (exact, closed) = (recursion(share, length, trials), closed_form(share, length, trials));
        assert!(
            (exact / closed - 1.0).abs() < 1e-8,
            "{share} {length}: {exact} {closed}"
        );
        assert!(exact < 1e-5);
    }
}

#[test]
fn simulated_runs_are_as_frequent_as_the_formula_says() {
    let mut random = StdRng::seed_from_u64(1);
    for (share, length, trials) in [(0.25, 5, 500), (0.5, 9, 400), (0.9, 40, 600)] {
        let sequences = 20_000;
        let mut happened = 0;
        for _ in 0..sequences {
            let mut run = 0;
            let found = (0..trials).any(|_| {
                run = if random.random_bool(share) { run + 1 } else { 0 };
                run >= length
            });
            happened += u32::from(found);
        }
        agrees(happened, sequences, probability(share, length, trials));
    }
}

#[test]
fn the_mean_of_the_longest_run_is_that_of_simulated_sequences() {
    let mut random = StdRng::seed_from_u64(2);
    let (share, trials, sequences) = (0.5, 300, 20_000);
    let mut sum = 0;
    for _ in 0..sequences {
        let (mut run, mut longest) = (0, 0);
        for _ in 0..trials {
            run = if random.random_bool(share) { run + 1 } else { 0 };
            longest = longest.max(run);
        }
        sum += longest;
    }
    let simulated = f64::from(sum) / f64::from(sequences);
    // The longest run of 300 has a standard deviation of about 1.9.
    let exact = mean_longest(share, trials);
    assert!((simulated - exact).abs() < 0.07, "{simulated} instead of {exact}");
}

#[test]
fn a_simulated_transaction_waits_as_the_formula_says() {
    let mut random = StdRng::seed_from_u64(3);
    let (censored, missed) = (0.8, 0.185);
    let transactions = 40_000;
    let (mut after_blocks, mut after_slots) = (0, 0);
    for _ in 0..transactions {
        let (mut blocks, mut slots) = (0, 0);
        loop {
            slots += 1;
            if random.random_bool(missed) {
                continue;
            }
            blocks += 1;
            if !random.random_bool(censored) {
                break;
            }
        }
        after_blocks += u32::from(blocks > 15);
        after_slots += u32::from(slots > 15);
    }
    agrees(after_blocks, transactions, left_out_of_blocks(censored, 15));
    agrees(after_slots, transactions, left_out_of_slots(censored, missed, 15));
}

#[test]
fn missing_slots_are_counted_as_a_sum_of_chances() {
    for (missing, slots, honest) in [(0_u32, 10_u32, 0.1), (3, 30, 0.2), (34, 688, 0.1)] {
        let mut chance = (0..slots).fold(1.0_f64, |chance, _| chance * (1.0 - honest));
        let mut sum = 0.0;
        // Each term from the one before: (n - k) / (k + 1) · p / q.
        for k in 0..=missing {
            sum += chance;
            chance *= f64::from(slots - k) / f64::from(k + 1) * honest / (1.0 - honest);
        }
        let found = few_missing(missing.into(), slots.into(), honest);
        assert!((found / sum - 1.0).abs() < 1e-9, "{found} instead of {sum}");
    }
}

#[test]
fn who_is_never_censored_waits_for_one_slot_and_who_always_is_for_ever() {
    assert_eq!(slots_until(0.0, 0.0, 1e-6), Some(1));
    assert_eq!(slots_until(1.0, 0.0, 1e-6), None);
    assert_eq!(slots_until(0.5, 1.0, 1e-6), None);
}
