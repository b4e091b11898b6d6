//! What somebody may want otherwise.

use std::time::Duration;

/// How a follower follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How long a checkpoint may be behind what is final.
    pub checkpoint_every: Duration,
    /// How long L1 may stand still before another node is asked.
    pub stall: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            checkpoint_every: Duration::from_secs(5),
            // Two slots and a half.
            stall: Duration::from_secs(30),
        }
    }
}
