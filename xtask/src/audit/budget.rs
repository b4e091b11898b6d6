//! How much of what is random: by depth, or by time.

use std::time::{Duration, Instant};

use eyre::Result;

/// Per cent of the full depth from which the pace is measured.
const TRIAL: u64 = 1;

/// `90s`, `15m`, `2h`, `1h30m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text} is no time: write 90s, 15m, 2h or 1h30m");
    let (mut seconds, mut digits) = (0_u64, String::new());
    for c in text.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let unit = match c {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            _ => return Err(wrong()),
        };
        let number: u64 = digits.parse().map_err(|_| wrong())?;
        digits.clear();
        seconds = number
            .checked_mul(unit)
            .and_then(|more| seconds.checked_add(more))
            .ok_or_else(wrong)?;
    }
    if seconds == 0 || !digits.is_empty() {
        return Err(wrong());
    }
    Ok(Duration::from_secs(seconds))
}

/// What a part of this weight gets of the time, if all that run have these weights.
pub(super) fn share(time: Duration, weight: u64, weights: u64) -> Duration {
    let part = |total: u64| total.saturating_mul(weight) / weights.max(1);
    Duration::from_secs(part(time.as_secs()))
}

/// Runs something at a depth in per cent. Within a limited time: once at a small depth, to learn its pace, and then at the depth that
/// fills the rest. Returns what the last run returned, and its depth.
pub(super) fn paced<T>(effort: u64, time: Option<Duration>, run: impl Fn(u64) -> Result<T>) -> Result<(T, u64)> {
    let Some(time) = time else {
        return Ok((run(effort)?, effort));
    };
    let start = Instant::now();
    let trial = run(TRIAL)?;
    let effort = affordable(time, start.elapsed());
    if effort <= TRIAL {
        return Ok((trial, TRIAL));
    }
    eprintln!(
        "{TRIAL} % took {:.0} s: going on with {effort} %",
        start.elapsed().as_secs_f64()
    );
    Ok((run(effort)?, effort))
}

/// The depth that fits into what a trial has left of the time.
fn affordable(time: Duration, trial: Duration) -> u64 {
    let left = time.saturating_sub(trial).as_millis();
    let pace = trial.as_millis().max(1);
    u64::try_from(left * u128::from(TRIAL) / pace).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_numbers_with_units() {
        let seconds = |text: &str| duration(text).map(|time| time.as_secs());
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("1h30m"), Ok(5_400));
        for wrong in [
            "",
            "2",
            "h",
            "2d",
            "0s",
            "1h2",
            "99999999999999999h",
            "18446744073709551615h",
        ] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shares_are_by_weight_and_no_more_than_all() {
        let hour = Duration::from_secs(3_600);
        assert_eq!(share(hour, 3, 10), Duration::from_secs(1_080));
        assert_eq!(share(hour, 4, 4), hour);
        assert_eq!(share(hour, 0, 0), Duration::ZERO);
    }

    #[test]
    fn depth_fills_what_a_trial_leaves() {
        let seconds = Duration::from_secs;
        assert_eq!(affordable(seconds(110), seconds(10)), 10);
        assert_eq!(affordable(seconds(5), seconds(10)), 0);
        let runs = std::cell::RefCell::new(Vec::new());
        let run = |effort| {
            runs.borrow_mut().push(effort);
            Ok(effort)
        };
        assert_eq!(paced(40, None, run).unwrap(), (40, 40));
        assert_eq!(paced(40, Some(Duration::ZERO), run).unwrap(), (1, 1));
        assert_eq!(*runs.borrow(), [40, 1]);
    }
}
