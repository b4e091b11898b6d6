//! Runs of successes in independent trials: for how many blocks on end one party builds them all.
//!
//! Blocks are drawn independently, each with the party's share. Proposers are (by RANDAO, weighted by stake); builders are by
//! assumption, and the longest run that was seen in two years agrees with it.

/// Blocks in a year at 12 seconds a slot, none missed: 7,200 a day, 365.25 days.
pub const BLOCKS_PER_YEAR: u64 = 2_629_800;

/// Trials beyond which what [`closed_form`] leaves out, about `share^trials`, is below `e^-40`.
const NEGLIGIBLE: f64 = 40.0;

/// Probability that among so many trials there are `length` successes on end, anywhere.
///
/// By [`recursion`], or where that would take long and the difference is below 10^-17 by [`closed_form`].
pub fn probability(share: f64, length: u64, trials: u64) -> f64 {
    if length == 0 {
        return 1.0;
    }
    if share <= 0.0 || length > trials {
        return 0.0;
    }
    if share >= 1.0 {
        return 1.0;
    }
    let failure = 1.0 - share;
    if real(trials) * failure > NEGLIGIBLE && real(length + 1) * failure > 1.0 && trials > 4 * length {
        closed_form(share, length, trials)
    } else {
        recursion(share, length, trials)
    }
}

/// The same, trial by trial: a first run of length L ends at trial n if trials n-L+1 to n succeed, the one before fails, and
/// there was no run up to that one: `a(n) = a(n-1) + (1 - a(n-L-1)) · q · p^L`, from `a(L) = p^L`. All terms are positive, so
/// that nothing cancels however small the result is.
pub fn recursion(share: f64, length: u64, trials: u64) -> f64 {
    if length > trials {
        return 0.0;
    }
    let run = power(share, length);
    let step = (1.0 - share) * run;
    // What a(n-L-1) was: zero before the first run fits.
    let mut before = std::collections::VecDeque::new();
    let mut now = run;
    for n in length + 1..=trials {
        let earlier = if n <= 2 * length {
            0.0
        } else {
            before.pop_front().unwrap_or_default()
        };
        before.push_back(now);
        let next = now + (1.0 - earlier) * step;
        // What is added never grows again: the rest is nothing beside what there is.
        if next <= now {
            break;
        }
        now = next;
    }
    now
}

/// The same by the dominant root of the generating function (Feller, An Introduction to Probability Theory and Its
/// Applications, volume 1, XIII.7): with `x = 1 + d` the root of `1 - x + q·p^L·x^(L+1)` next to 1, the probability of no run
/// is `(1 - p·x) / ((L + 1 - L·x)·q) · x^-(n+1)`. The other roots add less than `p^n` or so. It needs `(L + 1)·q > 1`, else another root
/// is next to 1.
pub fn closed_form(share: f64, length: u64, trials: u64) -> f64 {
    let failure = 1.0 - share;
    let step = failure * power(share, length);
    let mut d = step;
    for _ in 0..200 {
        let next = step * ((real(length) + 1.0) * d.ln_1p()).exp();
        if (next - d).abs() <= d * 1e-16 {
            break;
        }
        d = next;
    }
    let none = (-share * d / failure).ln_1p() - (-real(length) * d).ln_1p() - (real(trials) + 1.0) * d.ln_1p();
    (-none.exp_m1()).clamp(0.0, 1.0)
}

/// The least length of which some run appears among so many trials with at most this probability; the number of trials plus
/// one if there is no other.
pub fn least_length(share: f64, trials: u64, target: f64) -> u64 {
    let (mut low, mut high) = (0, 1);
    while high <= trials && probability(share, high, trials) > target {
        low = high;
        high *= 2;
    }
    let mut high = high.min(trials + 1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if probability(share, middle, trials) > target {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// The least length of which at most one run is expected among so many trials: what is seen about once. Runs of at least L begin
/// at the first trial, or after a failure.
pub fn seen_once(share: f64, trials: u64) -> u64 {
    let expected = |length: u64| power(share, length) * (1.0 + (1.0 - share) * real(trials.saturating_sub(length)));
    (0..=trials).find(|length| expected(*length) <= 1.0).unwrap_or(trials)
}

/// The mean of the longest run among so many trials: the sum over all lengths of the probability of a run that long.
pub fn mean_longest(share: f64, trials: u64) -> f64 {
    let chances = (1..=trials).map(|length| probability(share, length, trials));
    chances.take_while(|chance| *chance > 1e-12).sum()
}

/// `share^length`, which underflows to zero where it does not matter any more.
fn power(share: f64, length: u64) -> f64 {
    share.powf(real(length))
}

/// Counts here are below 2^53.
#[allow(clippy::cast_precision_loss, reason = "counts of blocks are below 2^53")]
pub(super) const fn real(count: u64) -> f64 {
    count as f64
}
