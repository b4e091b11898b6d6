//! What something takes: time of this core, memory.

use std::{fs, time::Instant};

/// Counts the time that this thread computes, where the system tells: others may use the same core meanwhile.
#[derive(Debug)]
pub struct Stopwatch {
    computed: Option<f64>,
    began: Instant,
}

impl Stopwatch {
    /// From now on.
    pub fn start() -> Self {
        Self {
            computed: computed(),
            began: Instant::now(),
        }
    }

    /// Seconds since then.
    pub fn seconds(&self) -> f64 {
        match (self.computed, computed()) {
            (Some(before), Some(now)) => now - before,
            _ => self.began.elapsed().as_secs_f64(),
        }
    }
}

/// Seconds that this thread has computed. Linux tells.
fn computed() -> Option<f64> {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = stat.split(' ').next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
}

/// How often `work` runs a second: the best of a few runs, which others on this machine disturbed least.
pub(super) fn rate(runs: usize, mut work: impl FnMut() -> usize) -> f64 {
    let run = |_| {
        let watch = Stopwatch::start();
        let done = work();
        as_f64(done) / watch.seconds().max(1e-9)
    };
    (0..runs).map(run).fold(0.0, f64::max)
}

/// Resident bytes of this process; none where the system does not tell.
pub(super) fn resident() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: usize = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

pub(super) fn as_f64(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
