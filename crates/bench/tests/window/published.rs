//! Published figures about finality, monopoly and censorship are what the formulas give.

use nthroot_bench::window::{
    inclusion::{few_missing, slots_until},
    runs::{BLOCKS_PER_YEAR, mean_longest, seen_once},
};

/// "Longest run per 1,000 years" is the length that is reached about once in that time.
#[test]
fn runs_seen_once_in_a_thousand_years() {
    for (share, blocks) in [(0.25, 16), (0.33, 20), (0.5, 31), (0.887, 163)] {
        assert_eq!(seen_once(share, 1_000 * BLOCKS_PER_YEAR), blocks, "{share}");
    }
}

/// The mean of the longest run is not the same: below for small shares, above for large ones.
#[test]
fn the_mean_of_the_longest_run_in_a_thousand_years() {
    for (share, blocks) in [(0.25, 15.3), (0.33, 19.2), (0.5, 30.6), (0.887, 167.0)] {
        let mean = mean_longest(share, 1_000 * BLOCKS_PER_YEAR);
        assert!((mean - blocks).abs() < 0.1, "{share}: {mean}");
    }
}

#[test]
fn waits_that_miss_inclusion_once_in_a_million() {
    for (censored, slots, minutes) in [(0.5, 20, 4), (0.9, 132, 26), (0.95, 270, 54), (0.99, 1375, 275)] {
        let found = slots_until(censored, 0.0, 1e-6).unwrap();
        assert_eq!((found, found * 12 / 60), (slots, minutes), "{censored}");
    }
}

#[test]
fn so_few_missing_slots_show_that_a_tenth_of_proposers_is_honest() {
    for (missing, slots) in [(34, 688), (4, 225), (0, 132)] {
        let chance = few_missing(missing, slots, 0.1);
        assert!(chance <= 1e-6, "{missing} of {slots}: {chance}");
        assert!(few_missing(missing + 1, slots, 0.1) > 1e-6, "one more would do as well");
    }
}
