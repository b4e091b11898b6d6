//! Whether a transaction that tries each block gets into one, and whether censorship would show.

use statrs::distribution::{Binomial, DiscreteCDF};

use super::runs::real;

/// Probability that a transaction is in none of so many blocks, each of which leaves it out with probability `censored`. Slots
/// without a block are no blocks: the window counts blocks, and takes longer when slots are missed.
pub fn left_out_of_blocks(censored: f64, blocks: u64) -> f64 {
    censored.powf(real(blocks))
}

/// The same within so many slots, of which `missed` have no block: by the clock.
pub fn left_out_of_slots(censored: f64, missed: f64, slots: u64) -> f64 {
    (missed + (1.0 - missed) * censored).powf(real(slots))
}

/// The least number of slots within which it is left out with at most this probability; none if it never gets in.
pub fn slots_until(censored: f64, missed: f64, target: f64) -> Option<u64> {
    let slot = missed + (1.0 - missed) * censored;
    if slot >= 1.0 {
        return None;
    }
    if slot <= 0.0 || target >= 1.0 {
        return Some(u64::from(target < 1.0));
    }
    let slots = (target.ln() / slot.ln()).ceil();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
    let mut slots = slots as u64;
    // The quotient may be off by a rounding.
    while left_out_of_slots(censored, missed, slots) > target {
        slots += 1;
    }
    Some(slots)
}

/// Probability that at most `missing` of `slots` slots are missing although a share `honest` of the proposers would include what
/// a majority censors, and the majority can keep it out only by orphaning each of their blocks (ethresear.ch 14997). If that is
/// small, so few missing slots show that nothing is censored, or that fewer than that share are honest.
pub fn few_missing(missing: u64, slots: u64, honest: f64) -> f64 {
    match Binomial::new(honest, slots) {
        Ok(binomial) => binomial.cdf(missing),
        // No share: nobody would be orphaned.
        Err(_) => 1.0,
    }
}
