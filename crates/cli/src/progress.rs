//! Progress on terminals, and its lines for programs.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

/// L1's blocks are so far apart.
const SLOT: Duration = Duration::from_secs(12);

/// A bar on standard error, if that is a terminal, until it is dropped.
pub(crate) struct Progress {
    bar: ProgressBar,
    first: u64,
}

impl Progress {
    /// Counts blocks from `first` on.
    pub(crate) fn blocks(first: u64) -> Self {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{spinner} {msg} {wide_bar} {pos}/{len} blocks");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        // It moves between blocks too.
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, first }
    }

    /// It is block `now`, and over at `last`; none: nobody knows when.
    pub(crate) fn set(&self, what: &str, now: u64, last: Option<u64>) {
        let Some(last) = last.filter(|last| *last > now) else {
            self.bar.set_message(what.to_owned());
            return;
        };
        self.bar.set_length(last.saturating_sub(self.first));
        self.bar.set_position(now.saturating_sub(self.first));
        self.bar.set_message(format!("{what}, about {}", span(last - now)));
    }

    /// Prints a line above the bar.
    pub(crate) fn say(&self, line: &str) {
        self.bar.suspend(|| println!("{line}"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// How long so many blocks take on L1.
pub(crate) fn span(blocks: u64) -> String {
    let seconds = blocks.saturating_mul(SLOT.as_secs());
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds.div_ceil(60)),
        7200..172_800 => format!("{} h", seconds.div_ceil(3600)),
        _ => format!("{} days", seconds.div_ceil(86_400)),
    }
}

/// Prints a document on a line of its own: programs read one after the other.
pub(crate) fn print_line(document: &Value) {
    println!("{document}");
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn blocks_are_told_as_time() {
        for (blocks, text) in [
            (0, "0 s"),
            (9, "108 s"),
            (10, "2 min"),
            (600, "2 h"),
            (7200, "24 h"),
            (14_400, "2 days"),
        ] {
            assert_eq!(span(blocks), text);
        }
    }
}
